"""What every family of networks gives, so that the rest of `training` need not know which one it holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

#: Most candidates that leave a graph: more than any scan holds, few enough that merging costs nothing.
MAX_CANDIDATES = 300
#: Of the images that most backbones were pretrained on, RGB in 0..1.
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def standardised(images: Tensor, mean: tuple[float, float, float], deviation: tuple[float, float, float]) -> Tensor:
    """Images (N, 3, H, W), 0..255, less `mean` and by `deviation`, both of 0..1."""
    return (images - images.new_tensor(mean)[:, None, None] * 255) / (images.new_tensor(deviation)[:, None, None] * 255)


@dataclass(frozen=True)
class Target:
    """Ground truth of one training scan, in pixels of the network's input.

    boxes_xyxy: (n, 4) float32, corners x1 y1 x2 y2. class_ids: (n,) int64, 0-based.
    annotated: (C,) bool; False for a class that the scan's source did not look for. Such a class may be in the scan
    unmarked, so nothing may be learned from its absence.
    """

    boxes_xyxy: Tensor
    class_ids: Tensor
    annotated: Tensor

    def to(self, device: torch.device) -> Target:
        """The same target on `device`."""
        return Target(self.boxes_xyxy.to(device), self.class_ids.to(device), self.annotated.to(device))


@dataclass(frozen=True)
class Candidates:
    """Raw candidates of a batch, before thresholds and merging.

    boxes_xyxy: (N, Q, 4) pixels of the network's input. scores: (N, Q, C), 0..1, one independent score a class.
    """

    boxes_xyxy: Tensor
    scores: Tensor


class DetectionNetwork(nn.Module, ABC):
    """A detector that takes RGB images (N, 3, H, W), float, 0..255, and does its own scaling and channel order.

    Scaling inside the network is what lets the exported ONNX carry it: a station cannot get it wrong.
    """

    class_names: tuple[str, ...]
    #: H and W must be multiples of this.
    stride: int

    @abstractmethod
    def losses(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """Named scalar losses; their sum is minimised."""

    @abstractmethod
    def forward(self, images: Tensor) -> Candidates:
        """Candidates for `images`; differentiable, exportable, the same in training and in ONNX."""

    @abstractmethod
    def load_pretrained(self, start: str) -> str:
        """Starts from a local file or a hub name; returns one line on what was loaded and what was left fresh."""

    @abstractmethod
    def pretrained_parameters(self) -> set[str]:
        """Names of the tensors of the state that `load_pretrained` filled; the recipe may train these parameters more
        slowly, and `blend` has a mean of them."""


class GridNetwork(DetectionNetwork):
    """A network with one answer for each cell of a grid at each of its strides."""

    #: Pixels of a cell of each grid, in the order of the answers; rows before columns within a grid.
    strides: tuple[int, ...]

    @abstractmethod
    def grid(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (N, A, C), 0..1, and boxes x1 y1 x2 y2 in pixels (N, A, 4) of all cells A, none left out."""

    def forward(self, images: Tensor) -> Candidates:
        scores, boxes = self.grid(images)
        return strongest(boxes, scores)


def strongest(boxes: Tensor, scores: Tensor) -> Candidates:
    """The MAX_CANDIDATES of boxes (N, A, 4) with the highest scores (N, A, C), or all if they are fewer."""
    count = min(MAX_CANDIDATES, scores.shape[1])
    best = scores.max(dim=2).values.topk(count, dim=1).indices.unsqueeze(-1)
    return Candidates(boxes.gather(1, best.expand(-1, -1, 4)), scores.gather(1, best.expand(-1, -1, scores.shape[2])))
