"""One network asked several times: about the scan, and about its mirror images, the answers averaged.

A bag has no left and right, and on a belt no up and down, so every mirror image is a scan like any other; what the
network says of all of them is steadier than what it says of one. It costs as many times as much as there are images.

Works for networks that answer on a grid: each cell of a mirrored grid has its partner, so answers are averaged before
any is thrown away. Scores are averaged as probabilities; boxes are, too, each weighted by its highest score.
"""

from __future__ import annotations

import torch
from torch import Tensor

from detector.errors import SettingsInvalid
from detector.weights_spec import Flips
from training.models.interface import Candidates, DetectionNetwork, GridNetwork, Target, strongest

_ROWS, _COLUMNS = 1, 2
#: Axes of a grid (N, rows, columns, ...) to turn for each image that is asked about.
_IMAGES: dict[Flips, tuple[tuple[int, ...], ...]] = {
    "none": ((),),
    "horizontal": ((), (_COLUMNS,)),
    "both": ((), (_COLUMNS,), (_ROWS,), (_ROWS, _COLUMNS)),
}
#: Boxes of cells without any score must not be divided by nothing.
_LEAST_WEIGHT = 1e-6


def averaged(network: DetectionNetwork, flips: Flips) -> DetectionNetwork:
    """`network` as it is exported with these flips. Raises SettingsInvalid for one that answers on no grid."""
    if flips == "none":
        return network
    if not isinstance(network, GridNetwork):
        raise SettingsInvalid(
            f"--flips {flips}: only networks that answer on a grid can be averaged",
            remedy="leave it out, or train a yolox",
        )
    return FlipAverage(network, flips).eval()


class FlipAverage(DetectionNetwork):
    """Takes what `network` takes and gives candidates of the same kind; it is not trained."""

    def __init__(self, network: GridNetwork, flips: Flips) -> None:
        super().__init__()
        self.network = network
        self.class_names, self.stride = network.class_names, network.stride
        self._images = _IMAGES[flips]

    def forward(self, images: Tensor) -> Candidates:
        height, width = images.shape[2:]
        answers = [self._answer(images, turned, height, width) for turned in self._images]
        scores = torch.stack([score for score, _ in answers])
        weights = scores.amax(dim=3, keepdim=True) + _LEAST_WEIGHT
        boxes = (torch.stack([box for _, box in answers]) * weights).sum(dim=0) / weights.sum(dim=0)
        return strongest(boxes, scores.mean(dim=0))

    def _answer(self, images: Tensor, turned: tuple[int, ...], height: int, width: int) -> tuple[Tensor, Tensor]:
        """Scores (N, A, C) and boxes (N, A, 4) of one mirror image, in places and pixels of the image itself."""
        asked = images.flip([axis + 1 for axis in turned]) if turned else images
        scores, boxes = self.network.grid(asked)
        x1, y1, x2, y2 = boxes.unbind(dim=-1)
        if _COLUMNS in turned:
            x1, x2 = width - x2, width - x1
        if _ROWS in turned:
            y1, y2 = height - y2, height - y1
        boxes = torch.stack((x1, y1, x2, y2), dim=-1)
        if not turned:
            return scores, boxes
        shapes = [(height // stride, width // stride) for stride in self.network.strides]
        return _turned(scores, shapes, turned), _turned(boxes, shapes, turned)

    def losses(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        raise NotImplementedError("the network itself is trained, not the average of its answers")

    def load_pretrained(self, start: str) -> str:
        return self.network.load_pretrained(start)

    def pretrained_parameters(self) -> set[str]:
        return self.network.pretrained_parameters()


def _turned(values: Tensor, shapes: list[tuple[int, int]], axes: tuple[int, ...]) -> Tensor:
    """(N, A, K) on grids of these rows and columns, one after the other, each grid turned."""
    parts = torch.split(values, [rows * columns for rows, columns in shapes], dim=1)
    count, kinds = values.shape[0], values.shape[2]
    grids = [
        part.reshape(count, *shape, kinds).flip(axes).reshape(count, -1, kinds)
        for part, shape in zip(parts, shapes, strict=True)
    ]
    return torch.cat(grids, dim=1)
