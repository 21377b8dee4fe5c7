"""YOLOX (Ge et al. 2021, arXiv 2107.08430): CSPDarknet, PAFPN and a decoupled anchor-free head.

Layer names follow the Megvii release, so its COCO weights load by name. One thing differs: there is no objectness
branch. Objectness is one answer for all classes, and a scan whose source looked for knives alone cannot give it: an
unmarked power bank would be taught as background. Scores here are one sigmoid a class, so that a class which was not
annotated can be left out of the loss exactly (docs/decisions/0003-scores-per-class.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.models.assignment import Assignment, assign_by_task_alignment
from training.models.dense_losses import box_loss, classification_loss
from training.models.growth import widened, width_factor, with_more_inputs
from training.models.interface import GridNetwork, Target
from training.models.local_contrast import LocalContrast
from training.models.pretrained import class_names_of, describe, load_matching, read_state, rows_by_name

STRIDES = (8, 16, 32)
#: The convolution that reads the picture, and how many phases of its channels it reads.
STEM, PHASES = "backbone.backbone.stem.conv.conv.weight", 4
#: exp() of the size branch stays below the largest scan that fits a network: e^6 strides.
MAX_LOG_SIZE = 6.0


@dataclass(frozen=True)
class YoloxShape:
    """Width and depth multipliers of the family, and whether 3 x 3 convolutions are depthwise (section 3.1).

    contrast: whether the network sees local contrast as a fourth channel.
    """

    depth: float
    width: float
    depthwise: bool = False
    contrast: bool = False


class BaseConv(nn.Module):
    """Convolution, BatchNorm, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
        # eps and momentum of the Megvii release; with torch's default eps the COCO weights lose accuracy.
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(self.bn(self.conv(x)), inplace=True)


class DepthwiseConv(nn.Module):
    """A depthwise convolution and a pointwise one."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.dconv = BaseConv(inputs, inputs, kernel, stride, groups=inputs)
        self.pconv = BaseConv(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pconv(self.dconv(x))  # type: ignore[no-any-return]


def conv3x3(shape: YoloxShape, inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    """The 3 x 3 convolution of this shape."""
    return DepthwiseConv(inputs, outputs, 3, stride) if shape.depthwise else BaseConv(inputs, outputs, 3, stride)


class Focus(nn.Module):
    """Space to depth by 2, in Megvii's order of the four phases."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = BaseConv(inputs * PHASES, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        phases = (x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2])
        return self.conv(torch.cat(phases, dim=1))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    def __init__(self, shape: YoloxShape, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.conv1 = BaseConv(channels, channels, 1)
        self.conv2 = conv3x3(shape, channels, channels)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.conv1(x))
        return y + x if self.shortcut else y  # type: ignore[no-any-return]


class CspLayer(nn.Module):
    def __init__(self, shape: YoloxShape, inputs: int, outputs: int, repeats: int, shortcut: bool = True) -> None:
        super().__init__()
        hidden = outputs // 2
        self.conv1 = BaseConv(inputs, hidden, 1)
        self.conv2 = BaseConv(inputs, hidden, 1)
        self.conv3 = BaseConv(2 * hidden, outputs, 1)
        self.m = nn.Sequential(*(Bottleneck(shape, hidden, shortcut) for _ in range(repeats)))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(torch.cat((self.m(self.conv1(x)), self.conv2(x)), dim=1))  # type: ignore[no-any-return]


class SppBottleneck(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = BaseConv(channels, channels // 2, 1)
        self.conv2 = BaseConv(channels * 2, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        pooled = [functional.max_pool2d(x, kernel, 1, kernel // 2) for kernel in (5, 9, 13)]
        return self.conv2(torch.cat((x, *pooled), dim=1))  # type: ignore[no-any-return]


class CspDarknet(nn.Module):
    def __init__(self, shape: YoloxShape) -> None:
        super().__init__()
        base, depth = int(shape.width * 64), max(round(shape.depth * 3), 1)
        self.stem = Focus(4 if shape.contrast else 3, base)
        self.dark2 = nn.Sequential(conv3x3(shape, base, base * 2, 2), CspLayer(shape, base * 2, base * 2, depth))
        self.dark3 = nn.Sequential(
            conv3x3(shape, base * 2, base * 4, 2), CspLayer(shape, base * 4, base * 4, depth * 3)
        )
        self.dark4 = nn.Sequential(
            conv3x3(shape, base * 4, base * 8, 2), CspLayer(shape, base * 8, base * 8, depth * 3)
        )
        self.dark5 = nn.Sequential(
            conv3x3(shape, base * 8, base * 16, 2),
            SppBottleneck(base * 16),
            CspLayer(shape, base * 16, base * 16, depth, shortcut=False),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        level3 = self.dark3(self.dark2(self.stem(x)))
        level4 = self.dark4(level3)
        return level3, level4, self.dark5(level4)


class Pafpn(nn.Module):
    """Top-down and bottom-up fusion of the three levels."""

    def __init__(self, shape: YoloxShape) -> None:
        super().__init__()
        low, mid, high = (int(channels * shape.width) for channels in (256, 512, 1024))
        depth = round(3 * shape.depth)
        self.backbone = CspDarknet(shape)
        self.lateral_conv0 = BaseConv(high, mid, 1)
        self.C3_p4 = CspLayer(shape, 2 * mid, mid, depth, shortcut=False)
        self.reduce_conv1 = BaseConv(mid, low, 1)
        self.C3_p3 = CspLayer(shape, 2 * low, low, depth, shortcut=False)
        self.bu_conv2 = conv3x3(shape, low, low, 2)
        self.C3_n3 = CspLayer(shape, 2 * low, mid, depth, shortcut=False)
        self.bu_conv1 = conv3x3(shape, mid, mid, 2)
        self.C3_n4 = CspLayer(shape, 2 * mid, high, depth, shortcut=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        level3, level4, level5 = self.backbone(x)
        top = self.lateral_conv0(level5)
        merged4 = self.C3_p4(torch.cat((_twice(top), level4), dim=1))
        middle = self.reduce_conv1(merged4)
        out3 = self.C3_p3(torch.cat((_twice(middle), level3), dim=1))
        out4 = self.C3_n3(torch.cat((self.bu_conv2(out3), middle), dim=1))
        out5 = self.C3_n4(torch.cat((self.bu_conv1(out4), top), dim=1))
        return out3, out4, out5


def _twice(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


class YoloxHead(nn.Module):
    def __init__(self, shape: YoloxShape, num_classes: int) -> None:
        super().__init__()
        hidden = int(256 * shape.width)
        inputs = [int(channels * shape.width) for channels in (256, 512, 1024)]
        self.stems = nn.ModuleList(BaseConv(channels, hidden, 1) for channels in inputs)
        self.cls_convs = nn.ModuleList(_tower(shape, hidden) for _ in STRIDES)
        self.reg_convs = nn.ModuleList(_tower(shape, hidden) for _ in STRIDES)
        self.cls_preds = nn.ModuleList(nn.Conv2d(hidden, num_classes, 1) for _ in STRIDES)
        self.reg_preds = nn.ModuleList(nn.Conv2d(hidden, 4, 1) for _ in STRIDES)
        for layer in self.cls_preds:
            assert isinstance(layer, nn.Conv2d) and layer.bias is not None
            # Starts every score at 0.01 (RetinaNet's prior), so that the first steps are not spent on background.
            nn.init.constant_(layer.bias, -math.log((1 - 0.01) / 0.01))

    def forward(self, levels: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Class logits (N, A, C) and raw boxes (N, A, 4) over all anchors A, finest level first."""
        logits, raw_boxes = [], []
        for index, level in enumerate(levels):
            x = self.stems[index](level)
            logits.append(self.cls_preds[index](self.cls_convs[index](x)).flatten(2))
            raw_boxes.append(self.reg_preds[index](self.reg_convs[index](x)).flatten(2))
        return torch.cat(logits, dim=2).transpose(1, 2), torch.cat(raw_boxes, dim=2).transpose(1, 2)


def _tower(shape: YoloxShape, channels: int) -> nn.Sequential:
    return nn.Sequential(conv3x3(shape, channels, channels), conv3x3(shape, channels, channels))


def anchor_grid(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cell corners (A, 2) in cells, and strides (A, 1) in pixels, for an input of height x width pixels."""
    corners, strides = [], []
    for stride in STRIDES:
        rows = torch.arange(height // stride, device=device)
        columns = torch.arange(width // stride, device=device)
        grid_y, grid_x = torch.meshgrid(rows, columns, indexing="ij")
        corners.append(torch.stack((grid_x, grid_y), dim=-1).reshape(-1, 2).float())
        strides.append(torch.full((corners[-1].shape[0], 1), float(stride), device=device))
    return torch.cat(corners), torch.cat(strides)


class Yolox(GridNetwork):
    stride = 32
    strides = STRIDES

    def __init__(self, shape: YoloxShape, class_names: tuple[str, ...]) -> None:
        super().__init__()
        self.class_names = class_names
        self.contrast = LocalContrast() if shape.contrast else None
        self.backbone = Pafpn(shape)
        self.head = YoloxHead(shape, len(class_names))
        self._pretrained: set[str] = set()

    def losses(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        logits, boxes, centres = self._dense(images)
        with torch.no_grad():
            assignment: Assignment = assign_by_task_alignment(logits.sigmoid(), boxes, centres, targets)
        annotated = torch.stack([target.annotated for target in targets])
        return {
            "classification": classification_loss(logits, assignment.scores, annotated),
            "box": 2.5 * box_loss(boxes, assignment),
        }

    def grid(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits, boxes, _ = self._dense(images)
        return logits.sigmoid(), boxes

    def _dense(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (N, A, C), boxes x1 y1 x2 y2 in pixels (N, A, 4), anchor centres in pixels (A, 2)."""
        # The Megvii weights were trained on BGR, 0..255, with neither mean nor deviation.
        channels = [images[:, 2:], images[:, 1:2], images[:, :1]]
        if self.contrast is not None:
            channels.append(self.contrast(images))
        logits, raw = self.head(self.backbone(torch.cat(channels, dim=1)))
        corners, strides = anchor_grid(images.shape[2], images.shape[3], images.device)
        raw, logits = raw.float(), logits.float()
        centre = (raw[..., :2] + corners) * strides
        half = raw[..., 2:].clamp(max=MAX_LOG_SIZE).exp() * strides / 2
        return logits, torch.cat((centre - half, centre + half), dim=-1), (corners + 0.5) * strides

    def load_pretrained(self, start: str) -> str:
        state = read_state(start)
        own = self.state_dict()
        classifier = {key: value for key, value in own.items() if ".cls_preds." in key}
        state = with_more_inputs(state, own, STEM, PHASES)
        factor = width_factor(state, own, classifier)
        if factor:
            state = widened(state, own, classifier)
        was = class_names_of(start)
        if was and was != self.class_names:
            state = rows_by_name(state, classifier, was, self.class_names)
        report = load_matching(self, state)
        self._pretrained = report.loaded
        kept = [name for name in self.class_names if name in was]
        said = f", of its classes {', '.join(kept) or 'none'}" if was else ""
        said += f", grown to {factor} times its width (Net2Net)" if factor else ""
        return f"{describe(start)}: {report}{said}"

    def pretrained_parameters(self) -> set[str]:
        return self._pretrained
