"""RT-DETRv2 (Lv et al. 2024, arXiv 2407.17140) from transformers, on the ResNets of its release.

network = Rtdetrv2(R18, ("gun", "knife"))
network.load_pretrained("PekingU/rtdetr_v2_r18vd")
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from transformers import RTDetrResNetConfig, RTDetrV2Config, RTDetrV2ForObjectDetection

from training.models.detr import QUERIES, Detr, initialise_as_released, start_at_anchors
from training.models.detr_loss import MaskedRtDetrLoss

STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class Rtdetrv2Shape:
    """Depths of the ResNet-D and of the decoder: `rtdetrv2_pytorch/configs/rtdetrv2` of the release."""

    name: str
    depths: tuple[int, ...]
    bottleneck: bool
    encoder_expansion: float
    decoder_layers: int


R18 = Rtdetrv2Shape("ResNet-18", (2, 2, 2, 2), False, 0.5, 3)
R34 = Rtdetrv2Shape("ResNet-34", (3, 4, 6, 3), False, 0.5, 4)
R50 = Rtdetrv2Shape("ResNet-50", (3, 4, 6, 3), True, 1.0, 6)


def rtdetrv2_config(shape: Rtdetrv2Shape, num_classes: int) -> RTDetrV2Config:
    """transformers' configuration of `shape`."""
    channels = [256, 512, 1024, 2048] if shape.bottleneck else [64, 128, 256, 512]
    return RTDetrV2Config(  # type: ignore[call-arg]
        backbone_config=RTDetrResNetConfig(  # type: ignore[call-arg]
            hidden_sizes=channels,
            depths=list(shape.depths),
            layer_type="bottleneck" if shape.bottleneck else "basic",
            out_indices=[2, 3, 4],
        ),
        # Frozen statistics of fresh layers would be wrong for good.
        freeze_backbone_batch_norms=False,
        num_labels=num_classes,
        encoder_in_channels=channels[1:],
        hidden_expansion=shape.encoder_expansion,
        decoder_layers=shape.decoder_layers,
        num_queries=QUERIES,
        initializer_bias_prior_prob=0.01,
    )


class Rtdetrv2(Detr):
    family = "RT-DETRv2"
    proposal_strides = STRIDES
    queries = QUERIES

    def __init__(self, shape: Rtdetrv2Shape, class_names: tuple[str, ...]) -> None:
        super().__init__(class_names)
        self.shape = shape
        self.backbone_name = shape.name
        config = rtdetrv2_config(shape, len(class_names))
        self.detector = RTDetrV2ForObjectDetection(config)
        initialise_as_released(self.detector.model, "backbone.")
        start_at_anchors(self.detector.model.enc_bbox_head)
        self.criterion = MaskedRtDetrLoss(config)

    def _scaled(self, images: Tensor) -> Tensor:
        return images / 255
