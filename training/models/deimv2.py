"""DEIMv2 (Huang et al. 2025, arXiv 2509.20787) from transformers, on HGNetV2.

    network = Deimv2(PICO, ("gun", "knife"))
    network.load_pretrained("model.safetensors")

Only the sizes on HGNetV2 are here: the larger ones stand on DINOv3, whose licence is not permissive.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from transformers import Deimv2Config, Deimv2ForObjectDetection

from training.models import hgnetv2
from training.models.detr import QUERIES, Detr, initialise_as_released, start_at_anchors
from training.models.dfine_loss import MaskedDeimv2Loss
from training.models.hgnetv2 import HgnetShape, hgnet_config
from training.models.pretrained import read_state

#: In a folder or a hub's repository as transformers saves it.
WEIGHTS_NAME = "model.safetensors"


@dataclass(frozen=True)
class Deimv2Shape:
    """Widths: `configs/deimv2/deimv2_hgnetv2_{atto,femto,pico,n}_coco.yml` of the release.

    lite: the encoder of one backbone level, one box head for all decoder layers, no gates between them.
    """

    backbone: HgnetShape
    hidden: int
    feedforward: int
    points: tuple[int, int]
    queries: int
    lite: bool = True


ATTO = Deimv2Shape(hgnetv2.ATTO, 64, 160, (4, 2), 100)
FEMTO = Deimv2Shape(hgnetv2.FEMTO, 96, 256, (4, 2), 150)
PICO = Deimv2Shape(hgnetv2.PICO, 112, 320, (4, 2), 200)
NANO = Deimv2Shape(hgnetv2.B0, 128, 512, (6, 6), QUERIES, lite=False)


def deimv2_config(shape: Deimv2Shape, num_classes: int) -> Deimv2Config:
    """transformers' configuration of `shape`."""
    levels = [3] if shape.lite else [3, 4]
    return Deimv2Config(  # type: ignore[call-arg]
        backbone_config=hgnet_config(shape.backbone, levels),
        freeze_backbone_batch_norms=False,
        num_labels=num_classes,
        encoder_type="lite" if shape.lite else "hybrid",
        encoder_layers=0 if shape.lite else 1,
        encoder_in_channels=[shape.backbone.out[level - 1] for level in levels],
        feat_strides=[16] if shape.lite else [16, 32],
        encode_proj_layers=[1],
        encoder_hidden_dim=shape.hidden,
        encoder_ffn_dim=512,
        depth_mult=0.5,
        hidden_expansion=0.34,
        d_model=shape.hidden,
        decoder_in_channels=[shape.hidden, shape.hidden],
        decoder_ffn_dim=shape.feedforward,
        decoder_layers=3,
        decoder_activation_function="silu",
        num_feature_levels=2,
        decoder_n_points=list(shape.points),
        num_queries=shape.queries,
        share_bbox_head=shape.lite,
        use_gateway=not shape.lite,
        use_dense_one_to_one=not shape.lite,
        # Of the release's matchability-aware loss; transformers has 2.
        focal_loss_gamma=1.5,
        initializer_bias_prior_prob=0.01,
    )


class Deimv2(Detr):
    family = "DEIMv2"
    backbone_prefix = "model.conv_encoder.model."
    backbone_name = "HGNetV2"
    proposal_strides = (16, 32)

    def __init__(self, shape: Deimv2Shape, class_names: tuple[str, ...]) -> None:
        super().__init__(class_names)
        self.shape = shape
        self.queries = shape.queries
        config = deimv2_config(shape, len(class_names))
        self.detector = Deimv2ForObjectDetection(config)
        initialise_as_released(self.detector.model, "conv_encoder.model.")
        for head in (self.detector.model.enc_bbox_head, self.detector.model.decoder.pre_bbox_head):
            start_at_anchors(head)
        self.criterion = MaskedDeimv2Loss(config)

    def _released(self, start: str) -> dict[str, Tensor]:
        # Read as a file: transformers 5.23 saves the box head that all layers share under the last layer's name, looks
        # for it under the first one's, and where it is not found shares random numbers without a word.
        is_folder = Path(start).is_dir()
        return read_state(str(Path(start, WEIGHTS_NAME)) if is_folder else f"hf-hub:{start}/{WEIGHTS_NAME}")

    def _scaled(self, images: Tensor) -> Tensor:
        return images / 255
