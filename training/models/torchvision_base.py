"""What torchvision's detectors share: scaling, anchors, the rule for classes not annotated, candidates and starts.

torchvision's own forward pass resizes, loops over images and ends in non-maximum suppression, none of which belongs
into a graph for squares in batches of any size. Only its parts are used: backbone, heads, anchors, coders, matchers.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import get_weight
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou, sigmoid_focal_loss

from detector.errors import SettingsInvalid
from training.models.interface import (
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    MAX_CANDIDATES,
    DetectionNetwork,
    Target,
    standardised,
)
from training.models.pretrained import LoadReport, describe, load_matching, read_state, require_rows

#: As `torchvision.models.get_weight` takes it, such as ResNet50_Weights.IMAGENET1K_V2.
_TORCHVISION_NAME = re.compile(r"\w+_Weights\.\w+")


class TorchvisionDetector(DetectionNetwork):
    """A detector put together from the parts of a torchvision model, which it holds as `detector`."""

    stride = 32
    mean: ClassVar[tuple[float, float, float]] = IMAGENET_MEAN
    deviation: ClassVar[tuple[float, float, float]] = IMAGENET_DEVIATION
    #: Class ids of the model: 0 is the background in those with a softmax.
    first_class: ClassVar[int] = 0

    def __init__(self, detector: nn.Module, class_names: tuple[str, ...]) -> None:
        super().__init__()
        self.class_names = class_names
        self.detector: Any = detector
        self._pretrained: set[str] = set()

    def _features(self, images: Tensor) -> list[Tensor]:
        """Feature levels of images 0..255, finest first."""
        return list(self.detector.backbone(standardised(images, self.mean, self.deviation)).values())

    def _anchors(self, generator: Any, images: Tensor, features: list[Tensor]) -> Tensor:
        """Anchors (A, 4) of one image, x1 y1 x2 y2 in pixels; the same for all images of a size."""
        size = (int(images.shape[2]), int(images.shape[3]))
        anchors: Tensor = generator(ImageList(images[:1], [size]), features)[0]
        return anchors

    def _labelled(self, targets: list[Target]) -> list[dict[str, Tensor]]:
        """Targets as torchvision takes them, with `annotated` (C,) beside."""
        return [
            {
                "boxes": target.boxes_xyxy.float(),
                "labels": target.class_ids + self.first_class,
                "annotated": target.annotated,
            }
            for target in targets
        ]

    # --- starts -------------------------------------------------------------------------------------------------------

    def load_pretrained(self, start: str) -> str:
        """Starts from a whole detector or from a backbone, told apart by their names; SettingsInvalid when none fits.

        start: a local file, or one of torchvision's names such as RetinaNet_ResNet50_FPN_V2_Weights.COCO_V1 or
        ResNet50_Weights.IMAGENET1K_V2, which torchvision downloads.
        """
        state = {name.removeprefix("detector."): value for name, value in _read(start).items()}
        if any(name.startswith("backbone.") for name in state):
            require_rows(start, self.class_names)
            report, what = load_matching(self.detector, self._adapted(state)), "whole detector"
            self._pretrained = {f"detector.{name}" for name in report.loaded}
        else:
            report, what = self._load_backbone(state), "backbone"
        return f"{describe(start)}: {what}, {report}" + ("; the rest fresh" if what == "backbone" else "")

    def _adapted(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A released detector's tensors in the shapes of this one, where that is more than a copy."""
        return state

    @abstractmethod
    def _load_backbone(self, state: dict[str, Tensor]) -> LoadReport:
        """Fills the backbone from a classifier's state and notes what was filled."""

    def _fill(self, prefix: str, module: nn.Module, state: dict[str, Tensor]) -> LoadReport:
        report = load_matching(module, state)
        self._pretrained = {f"{prefix}{name}" for name in report.loaded}
        return report

    def pretrained_parameters(self) -> set[str]:
        return self._pretrained


class ResNetDetector(TorchvisionDetector):
    """One on a ResNet with a feature pyramid."""

    def _load_backbone(self, state: dict[str, Tensor]) -> LoadReport:
        return self._fill("detector.backbone.body.", self.detector.backbone.body, state)


def _read(start: str) -> dict[str, Tensor]:
    if not _TORCHVISION_NAME.fullmatch(start):
        return read_state(start)
    try:
        state: dict[str, Tensor] = get_weight(start).get_state_dict(progress=False, check_hash=True)
        return state
    except (ValueError, AttributeError, KeyError) as error:
        raise SettingsInvalid(
            f"torchvision has no weights {start}", remedy="take a name of its model table, or give a local file"
        ) from error
    except OSError as error:
        raise SettingsInvalid(
            f"no weights {start}: {str(error).splitlines()[0]}",
            remedy="check the connection, or download the weights and give the local file",
        ) from error


def matched_boxes(matcher: Any, labelled: dict[str, Tensor], anchors: Tensor) -> Tensor:
    """(A,) index of the box that each anchor answers for; -1 background, -2 neither. Takes scans without boxes."""
    if len(labelled["boxes"]) == 0:
        return torch.full((len(anchors),), -1, dtype=torch.int64, device=anchors.device)
    matches: Tensor = matcher(box_iou(labelled["boxes"], anchors))
    return matches


def masked_focal_loss(logits: Tensor, positive: Tensor, considered: Tensor) -> Tensor:
    """Focal loss (Lin et al. 2017, alpha 0.25, gamma 2) of logits (A, C), summed.

    positive: (A, C) bool. considered: (A, C) bool, False for background of a class that was not annotated.
    """
    loss: Tensor = sigmoid_focal_loss(logits, positive.to(logits.dtype), reduction="none")
    return (loss * (considered | positive)).sum()


def masked_cross_entropy(logits: Tensor, labels: Tensor, annotated: Tensor) -> Tensor:
    """Cross-entropy (R,) over background (label 0) and classes that takes no position on what was not annotated.

    logits: (R, C + 1). labels: (R,) 0..C. annotated: (R, C) bool of each row's scan. A class that the scan's source did
    not look for is left out of the row's softmax, so that background there means "none of those that were looked for";
    it stays in where it is the label itself.
    """
    known = functional.pad(annotated, (1, 0), value=True)
    own = functional.one_hot(labels, logits.shape[1]).bool()
    masked = logits.masked_fill(~(known | own), float("-inf"))
    return functional.cross_entropy(masked, labels, reduction="none")


def best_anchors(scores: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """The MAX_CANDIDATES anchors of each image with the best class; scores (N, A, C) and others (N, A, ...) of them."""
    count = min(MAX_CANDIDATES, scores.shape[1])
    best = scores.max(dim=2).values.topk(count, dim=1).indices.unsqueeze(-1)
    return tuple(values.gather(1, best.expand(-1, -1, values.shape[2])) for values in (scores, *others))


def decoded(coder: Any, deltas: Tensor, anchors: Tensor) -> Tensor:
    """Boxes (N, Q, 4) from deltas and anchors, both (N, Q, 4), by torchvision's coder for flat lists."""
    return coder.decode_single(deltas.reshape(-1, 4), anchors.reshape(-1, 4)).reshape(deltas.shape)  # type: ignore[no-any-return]
