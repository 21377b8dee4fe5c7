"""D-FINE (Peng et al. 2024, arXiv 2410.13842) from transformers, on a backbone that can start from ImageNet weights.

    network = Dfine(NANO, EFFICIENTNET_LITE0, ("gun", "knife"))
    network.load_pretrained("efficientnet-lite0-57934424.pth")

On HGNETV2_B0 or HGNETV2_B2 it is the network of the D-FINE release and takes its COCO weights, from the hub or from a
folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor
from transformers import DFineConfig, DFineForObjectDetection, TimmBackboneConfig

from detector.errors import SettingsInvalid
from training.models.detr import QUERIES, Detr, initialise_as_released, start_at_anchors
from training.models.dfine_loss import MaskedDfineLoss
from training.models.efficientnet_lite import is_lukemelas_style, to_timm_names
from training.models.hgnetv2 import B0, B2, hgnet_config
from training.models.pretrained import LoadReport, describe, load_matching


@dataclass(frozen=True)
class DfineShape:
    """Widths and depths: `configs/dfine/dfine_hgnetv2_{n,s,m}_coco.yml` of the release.

    strides: levels that the encoder merges, in pixels. points: sampled points a level in the decoder's attention.
    """

    strides: tuple[int, ...]
    hidden: int
    feedforward: int
    points: tuple[int, ...]
    encoder_depth: float
    encoder_expansion: float
    decoder_layers: int = 3


NANO = DfineShape((16, 32), 128, 512, (6, 6), 0.5, 0.34)
SMALL = DfineShape((8, 16, 32), 256, 1024, (3, 6, 3), 0.34, 0.5)
MEDIUM = DfineShape((8, 16, 32), 256, 1024, (3, 6, 3), 0.67, 1.0, decoder_layers=4)


@dataclass(frozen=True)
class Backbone:
    """channels: stride in pixels -> channels of that level. centred: whether it takes -1..1 instead of 0..1."""

    name: str
    channels: dict[int, int]
    config: Callable[[list[int]], Any]
    centred: bool


def _lite0_config(levels: list[int]) -> TimmBackboneConfig:
    return TimmBackboneConfig(backbone="tf_efficientnet_lite0", out_indices=levels)  # type: ignore[call-arg]


EFFICIENTNET_LITE0 = Backbone("EfficientNet-Lite0", {8: 40, 16: 112, 32: 320}, _lite0_config, centred=True)
HGNETV2_B0 = Backbone("HGNetv2-B0", {8: 256, 16: 512, 32: 1024}, partial(hgnet_config, B0), centred=False)
HGNETV2_B2 = Backbone("HGNetv2-B2", {8: 384, 16: 768, 32: 1536}, partial(hgnet_config, B2), centred=False)
#: Stride -> index of the level; the same in all backbones.
LEVELS = {8: 2, 16: 3, 32: 4}


def dfine_config(shape: DfineShape, backbone: Backbone, num_classes: int) -> DFineConfig:
    """transformers' configuration of `shape` on `backbone`."""
    return DFineConfig(  # type: ignore[call-arg]
        backbone_config=backbone.config([LEVELS[stride] for stride in shape.strides]),
        # transformers would replace timm's BatchNorm-with-activation by a BatchNorm alone, losing every ReLU6.
        freeze_backbone_batch_norms=False,
        num_labels=num_classes,
        feat_strides=list(shape.strides),
        num_feature_levels=len(shape.strides),
        encoder_in_channels=[backbone.channels[stride] for stride in shape.strides],
        encode_proj_layers=[len(shape.strides) - 1],
        encoder_hidden_dim=shape.hidden,
        encoder_ffn_dim=shape.feedforward,
        depth_mult=shape.encoder_depth,
        hidden_expansion=shape.encoder_expansion,
        d_model=shape.hidden,
        decoder_in_channels=[shape.hidden] * len(shape.strides),
        decoder_ffn_dim=shape.feedforward,
        decoder_layers=shape.decoder_layers,
        decoder_n_points=list(shape.points),
        num_queries=QUERIES,
        # The prior of the release; by default transformers takes one in (number of classes + 1).
        initializer_bias_prior_prob=0.01,
    )


class Dfine(Detr):
    family = "D-FINE"
    backbone_remedy = "for weights of the D-FINE release choose a model with hgnetv2 in its name"
    queries = QUERIES

    def __init__(self, shape: DfineShape, backbone: Backbone, class_names: tuple[str, ...]) -> None:
        super().__init__(class_names)
        self.shape, self.backbone = shape, backbone
        self.backbone_name, self.proposal_strides = backbone.name, shape.strides
        config = dfine_config(shape, backbone, len(class_names))
        self.detector = DFineForObjectDetection(config)
        initialise_as_released(self.detector.model, "backbone.")
        for head in (self.detector.model.enc_bbox_head, self.detector.model.decoder.pre_bbox_head):
            start_at_anchors(head)
        self.criterion = MaskedDfineLoss(config)

    def _scaled(self, images: Tensor) -> Tensor:
        return images / 127.5 - 1 if self.backbone.centred else images / 255

    def load_pretrained(self, start: str) -> str:
        """Starts from one of these, told apart by what they hold; raises SettingsInvalid when nothing fits.

        - a whole D-FINE: a hub name such as `ustc-community/dfine-nano-coco`, a folder as transformers saves it, or a
          `.safetensors`, `.pth` or `.ckpt` under transformers' or this project's names;
        - EfficientNet-Lite0 on ImageNet: a file under timm's or lukemelas' names, or
          `hf-hub:timm/tf_efficientnet_lite0.in1k/model.safetensors`.
        """
        state = self._read(start)
        if is_lukemelas_style(state):
            state = to_timm_names(state)
        if "conv_stem.weight" in state:
            report = self._load_backbone(start, state)
            return f"{describe(start)}: {self.backbone.name} backbone, {report}; the rest fresh"
        return f"{describe(start)}: whole D-FINE, {self._load_detector(start, state)}"

    def _load_backbone(self, start: str, state: dict[str, Tensor]) -> LoadReport:
        if self.backbone is not EFFICIENTNET_LITE0:
            raise SettingsInvalid(
                f"{start} holds an EfficientNet-Lite, this network has {self.backbone.name}",
                remedy="choose the model without hgnetv2 in its name",
            )
        timm_network = self.detector.model.backbone.model._backbone
        report = load_matching(timm_network, state)
        if report.fresh or report.other_shape:
            raise SettingsInvalid(f"{start} does not fit EfficientNet-Lite0: {report}", remedy="use weights of Lite0")
        self._pretrained = {f"detector.model.backbone.model._backbone.{name}" for name in report.loaded}
        return report
