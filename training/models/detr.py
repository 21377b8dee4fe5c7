"""What all DETR families of transformers share: pixels in, candidates out, losses, and starts.

A family is a subclass that builds `detector` (transformers' model for object detection) and `criterion`; see dfine.py,
rtdetrv2.py, deimv2.py, rfdetr.py.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from detector.errors import SettingsInvalid
from training.models.detr_loss import labels_of
from training.models.interface import Candidates, DetectionNetwork, Target
from training.models.pretrained import LoadReport, describe, load_matching, read_state, require_rows

#: Queries, and so candidates that leave the graph. As in most releases; far more than any scan holds items.
QUERIES = 300
WEIGHTS_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
#: Layers that the authors start by Xavier with zero biases, and so does transformers.
_XAVIER = ("value_proj", "output_proj", "gate_proj", "up_proj", "down_proj")


class Detr(DetectionNetwork):
    """A network whose decoder turns the best proposals of its feature levels into boxes, one a query."""

    stride = 32
    #: As the messages call the family, and the smallest input of it that has enough proposals, in pixels.
    family: ClassVar[str]
    least_size: ClassVar[int] = 256
    #: Where the backbone's layers stand in `detector`.
    backbone_prefix: ClassVar[str] = "model.backbone."
    #: Of the backbone, and what to do with weights of another one.
    backbone_name: str
    backbone_remedy: str = "choose the model that these weights are of, and weights as transformers names them"
    #: Pixels between the proposals of each level, and how many of them become queries.
    proposal_strides: tuple[int, ...]
    queries: int
    detector: Any
    criterion: Any

    def __init__(self, class_names: tuple[str, ...]) -> None:
        super().__init__()
        self.class_names = class_names
        self._pretrained: set[str] = set()

    @abstractmethod
    def _scaled(self, images: Tensor) -> Tensor:
        """Images 0..255 as the backbone was trained on them."""

    def _output(self, images: Tensor, labels: list[dict[str, Tensor]] | None = None) -> Any:
        if not torch.onnx.is_in_onnx_export():
            self._refuse_small(images.shape[2], images.shape[3])
        return self.detector.model(self._scaled(images), labels=labels)

    def _last_layer(self, output: Any) -> tuple[Tensor, Tensor]:
        """Boxes (N, Q, 4) cx cy w h in 0..1, and logits (N, Q, C)."""
        return output.intermediate_reference_points[:, -1], output.intermediate_logits[:, -1]

    def losses(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        labels = labels_of(targets, images.shape[2], images.shape[3])
        output = self._output(images, labels)
        # Matching costs and IoUs lose too much in half precision.
        with torch.autocast(images.device.type, enabled=False):
            losses: dict[str, Tensor] = self.criterion.grouped(output, labels)
        return losses

    def forward(self, images: Tensor) -> Candidates:
        boxes, logits = self._last_layer(self._output(images))
        centre_x, centre_y, width, height = boxes.float().unbind(-1)
        half_width, half_height = width.clamp(min=0) / 2, height.clamp(min=0) / 2
        rows, columns = images.shape[2], images.shape[3]
        corners = (
            (centre_x - half_width) * columns,
            (centre_y - half_height) * rows,
            (centre_x + half_width) * columns,
            (centre_y + half_height) * rows,
        )
        return Candidates(torch.stack(corners, dim=-1), logits.float().sigmoid())

    def _refuse_small(self, height: int, width: int) -> None:
        proposals = sum((height // stride) * (width // stride) for stride in self.proposal_strides)
        if proposals < self.queries:
            raise SettingsInvalid(
                f"an input of {width} x {height} pixels gives {proposals} proposals, "
                f"{self.family} needs {self.queries}",
                remedy=f"use an input size of at least {self.least_size} pixels",
            )

    def load_pretrained(self, start: str) -> str:
        """Starts from a whole detector of this family; raises SettingsInvalid when it does not fit.

        start: a hub name, a folder as transformers saves it, or a `.safetensors`, `.pth` or `.ckpt` under transformers'
        or this project's names.
        """
        return f"{describe(start)}: whole {self.family}, {self._load_detector(start, self._read(start))}"

    def pretrained_parameters(self) -> set[str]:
        return self._pretrained

    def _load_detector(self, start: str, state: dict[str, Tensor]) -> LoadReport:
        state = _with_tied_names(
            {name.removeprefix("detector."): value for name, value in state.items()}, self.detector
        )
        own = {name for name in self.detector.state_dict() if name.startswith(self.backbone_prefix)}
        if own.isdisjoint(state):
            raise SettingsInvalid(f"{start} has no {self.backbone_name} backbone", remedy=self.backbone_remedy)
        require_rows(start, self.class_names)
        report = load_matching(self.detector, state)
        self._pretrained = {f"detector.{name}" for name in report.loaded}
        return report

    def _read(self, start: str) -> dict[str, Tensor]:
        """State dict of a file, a folder or a hub name."""
        try:
            if start.startswith("hf-hub:") or start.endswith(WEIGHTS_SUFFIXES):
                return read_state(start)
            return self._released(start)
        except OSError as error:
            kind = "folder" if Path(start).is_dir() else "hub"
            raise SettingsInvalid(
                f"no weights from the {kind} {start}: {str(error).splitlines()[0]}",
                remedy="check the name and the connection, or download the weights and give the local file or folder",
            ) from error

    def _released(self, start: str) -> dict[str, Tensor]:
        """State dict of a folder or a hub name, as transformers reads it."""
        released, report = type(self.detector).from_pretrained(start, output_loading_info=True)
        # transformers fills what it did not find with random numbers, which are no start.
        absent = set(report["missing_keys"])
        return {name: value for name, value in released.state_dict().items() if name not in absent}


def initialise_as_released(model: nn.Module, backbone_prefix: str) -> None:
    """Fresh layers outside the backbone as the authors start them.

    transformers draws convolutions and linear layers from N(0, 0.01), and in RT-DETRv2 the scales of BatchNorm too,
    after which next to nothing of the image reaches the decoder. Where only the backbone is pretrained this matters:
    overfitting two scans for 60 steps D-FINE ends at a loss of 20 instead of 22.
    """
    for name, layer in model.named_modules():
        if name.startswith(backbone_prefix) or name.endswith(_XAVIER):
            continue
        if isinstance(layer, nn.BatchNorm2d) or _is_drawn(layer):
            layer.reset_parameters()


def _is_drawn(layer: nn.Module) -> bool:
    """Layers with a purpose of their own (offsets, gates, last layers, class priors) are zero, or have a bias."""
    if not isinstance(layer, nn.Linear | nn.Conv2d):
        return False
    return bool(layer.weight.any()) and (layer.bias is None or not bool(layer.bias.any()))


def start_at_anchors(head: Any) -> None:
    """Sets the last layer of a box head to zero: the first boxes are then the anchors themselves."""
    nn.init.zeros_(head.layers[-1].weight)
    nn.init.zeros_(head.layers[-1].bias)


def _with_tied_names(state: dict[str, Tensor], detector: nn.Module) -> dict[str, Tensor]:
    """Files keep one name of a tensor that several layers of `detector` share; here it stands under all of them."""
    names_of: dict[int, list[str]] = defaultdict(list)
    for name, own in detector.state_dict(keep_vars=True).items():
        names_of[id(own)].append(name)
    completed = dict(state)
    for names in names_of.values():
        known = next((state[name] for name in names if name in state), None)
        completed |= {name: known for name in names if known is not None and name not in state}
    return completed
