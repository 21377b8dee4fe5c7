"""D-FINE (Peng et al. 2024, arXiv 2410.13842) from transformers, on a backbone that can start from ImageNet weights.

    network = Dfine(NANO, EFFICIENTNET_LITE0, ("gun", "knife"))
    network.load_pretrained("efficientnet-lite0-57934424.pth")

On HGNETV2_B0 it is the network of the D-FINE release and takes its COCO weights, from the hub or from a folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DFineConfig, DFineForObjectDetection, HGNetV2Config, TimmBackboneConfig

from detector.errors import SettingsInvalid
from training.models.dfine_loss import MaskedDfineLoss, labels_of
from training.models.efficientnet_lite import is_lukemelas_style, to_timm_names
from training.models.interface import Candidates, DetectionNetwork, Target
from training.models.pretrained import LoadReport, describe, load_matching, read_state

#: Queries, and so candidates that leave the graph. As in the release; far more than any scan holds items.
QUERIES = 300
WEIGHTS_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")


@dataclass(frozen=True)
class DfineShape:
    """Widths and depths: `configs/dfine/dfine_hgnetv2_{n,s}_coco.yml` of the release.

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


@dataclass(frozen=True)
class Backbone:
    """channels: stride in pixels -> channels of that level. centred: whether it takes -1..1 instead of 0..1."""

    name: str
    channels: dict[int, int]
    config: Callable[[list[int]], Any]
    centred: bool


def _lite0_config(levels: list[int]) -> TimmBackboneConfig:
    return TimmBackboneConfig(backbone="tf_efficientnet_lite0", out_indices=levels)  # type: ignore[call-arg]


def _hgnetv2_b0_config(levels: list[int]) -> HGNetV2Config:
    return HGNetV2Config(  # type: ignore[call-arg]
        hidden_sizes=[128, 256, 512, 1024],
        stem_channels=[3, 16, 16],
        stage_in_channels=[16, 64, 256, 512],
        stage_mid_channels=[16, 32, 64, 128],
        stage_out_channels=[64, 256, 512, 1024],
        stage_num_blocks=[1, 1, 2, 1],
        stage_numb_of_layers=[3, 3, 3, 3],
        use_learnable_affine_block=True,
        out_indices=levels,
    )


EFFICIENTNET_LITE0 = Backbone("EfficientNet-Lite0", {8: 40, 16: 112, 32: 320}, _lite0_config, centred=True)
HGNETV2_B0 = Backbone("HGNetv2-B0", {8: 256, 16: 512, 32: 1024}, _hgnetv2_b0_config, centred=False)
#: Stride -> index of the level; the same in both backbones.
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


class Dfine(DetectionNetwork):
    stride = 32

    def __init__(self, shape: DfineShape, backbone: Backbone, class_names: tuple[str, ...]) -> None:
        super().__init__()
        self.class_names = class_names
        self.shape, self.backbone = shape, backbone
        config = dfine_config(shape, backbone, len(class_names))
        self.detector = DFineForObjectDetection(config)
        _initialise_as_released(self.detector)
        self.criterion = MaskedDfineLoss(config)
        self._pretrained: set[str] = set()

    def losses(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        labels = labels_of(targets, images.shape[2], images.shape[3])
        output = self._output(images, labels)
        # Matching costs and IoUs lose too much in half precision.
        with torch.autocast(images.device.type, enabled=False):
            return self.criterion.grouped(output, labels)

    def forward(self, images: Tensor) -> Candidates:
        output = self._output(images)
        centre_x, centre_y, width, height = output.intermediate_reference_points[:, -1].float().unbind(-1)
        half_width, half_height = width.clamp(min=0) / 2, height.clamp(min=0) / 2
        rows, columns = images.shape[2], images.shape[3]
        corners = (
            (centre_x - half_width) * columns,
            (centre_y - half_height) * rows,
            (centre_x + half_width) * columns,
            (centre_y + half_height) * rows,
        )
        return Candidates(torch.stack(corners, dim=-1), output.intermediate_logits[:, -1].float().sigmoid())

    def _output(self, images: Tensor, labels: list[dict[str, Tensor]] | None = None) -> Any:
        if not torch.onnx.is_in_onnx_export():
            self._refuse_small(images.shape[2], images.shape[3])
        scaled = images / 127.5 - 1 if self.backbone.centred else images / 255
        return self.detector.model(scaled, labels=labels)

    def _refuse_small(self, height: int, width: int) -> None:
        proposals = sum((height // stride) * (width // stride) for stride in self.shape.strides)
        if proposals < QUERIES:
            raise SettingsInvalid(
                f"an input of {width} x {height} pixels gives {proposals} proposals, D-FINE needs {QUERIES}",
                remedy="use an input size of at least 256 pixels",
            )

    def load_pretrained(self, start: str) -> str:
        """Starts from one of these, told apart by what they hold; raises SettingsInvalid when nothing fits.

        - a whole D-FINE: a hub name such as `ustc-community/dfine-nano-coco`, a folder as transformers saves it, or a
          `.safetensors`, `.pth` or `.ckpt` under transformers' or this project's names;
        - EfficientNet-Lite0 on ImageNet: a file under timm's or lukemelas' names, or
          `hf-hub:timm/tf_efficientnet_lite0.in1k/model.safetensors`.
        """
        state = _read(start)
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

    def _load_detector(self, start: str, state: dict[str, Tensor]) -> LoadReport:
        state = _with_tied_names({name.removeprefix("detector."): value for name, value in state.items()})
        own = set(self.detector.model.backbone.state_dict(prefix="model.backbone."))
        if own.isdisjoint(state):
            raise SettingsInvalid(
                f"{start} has no {self.backbone.name} backbone",
                remedy="for weights of the D-FINE release choose a model with hgnetv2 in its name",
            )
        report = load_matching(self.detector, state)
        self._pretrained = {f"detector.{name}" for name in report.loaded}
        return report

    def pretrained_parameters(self) -> set[str]:
        return self._pretrained


def _initialise_as_released(detector: DFineForObjectDetection) -> None:
    """Fresh layers as the authors start them; transformers draws them all from N(0, 0.01).

    Where only the backbone is pretrained this matters: overfitting two scans for 60 steps ends at a loss of 20 instead
    of 22.
    """
    for name, layer in detector.model.named_modules():
        if name.startswith("backbone.") or not isinstance(layer, nn.Linear | nn.Conv2d):
            continue
        # Layers with a purpose of their own (offsets, gates, last layers, class priors) are zero, or have a bias.
        if bool(layer.weight.any()) and (layer.bias is None or not bool(layer.bias.any())):
            layer.reset_parameters()
    for head in (detector.model.enc_bbox_head, detector.model.decoder.pre_bbox_head):
        # The first boxes are then the anchors themselves.
        nn.init.zeros_(head.layers[-1].weight)
        nn.init.zeros_(head.layers[-1].bias)


def _read(start: str) -> dict[str, Tensor]:
    """State dict of a file, a folder or a hub name."""
    is_file = start.startswith("hf-hub:") or start.endswith(WEIGHTS_SUFFIXES)
    try:
        if is_file:
            return read_state(start)
        detector: nn.Module = DFineForObjectDetection.from_pretrained(start)
        return detector.state_dict()
    except OSError as error:
        kind = "folder" if Path(start).is_dir() else "hub"
        raise SettingsInvalid(
            f"no weights from the {kind} {start}: {str(error).splitlines()[0]}",
            remedy="check the name and the connection, or download the weights and give the local file or folder",
        ) from error


def _with_tied_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Files keep one name of a tensor that two layers share; here it stands under both."""
    completed = dict(state)
    for name, value in state.items():
        for head in ("class_embed.", "bbox_embed."):
            if name.startswith(head):
                completed.setdefault(f"model.decoder.{name}", value)
            elif name.startswith(f"model.decoder.{head}"):
                completed.setdefault(name.removeprefix("model.decoder."), value)
    return completed
