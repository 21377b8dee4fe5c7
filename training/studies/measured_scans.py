"""What the figures of `ablate` are of: scans, boxes and classes of val, and of what a recipe leaves out.

>>> measured = measured_on(read_training_data(data, recipe), recipe, rare_classes(train))      # doctest: +SKIP
>>> measured.boxes["AP50"], measured.scans                                                       # doctest: +SKIP
(575, 575)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.datasets.coco_index import CocoIndex, read_coco
from training.datasets.scanners import is_of
from training.evaluation.average_precision import LEAST_BOXES
from training.recipe import Recipe
from training.samples.training_data import TrainingData

#: Classes with fewer training boxes than this count as rare.
RARE_BOXES = 200


@dataclass(frozen=True)
class Measured:
    """boxes: name of a figure -> boxes that it is of. scans: of the validation split. unseen: scans of train and val
    that the recipe leaves out."""

    boxes: Mapping[str, int]
    scans: int
    unseen: int

    def told(self) -> str:
        """What n counts, for below a table."""
        left_out = f"; unseen: {self.unseen} scans of train and val" if self.unseen else ""
        return f"n: boxes, in {self.scans} scans of val{left_out}"


def measured_on(data: TrainingData, recipe: Recipe, rare: Sequence[str]) -> Measured:
    """data: with a validation split. rare: names of the classes of the figure of rare ones."""
    assert data.validation is not None
    classes = _boxes_looked_for(data.validation)
    unseen = left_out_scans(Path(data.folder), recipe, data.train.class_names)
    boxes = {
        "AP50": sum(classes.values()),
        "AP50 of frequent": _of_frequent(classes),
        "AP50 of rare": sum(classes[name] for name in rare if name in classes),
        "AP50 of frequent, unseen": _of_frequent(_boxes_looked_for(unseen)) if unseen else 0,
        **{f"AP50 {name}": count for name, count in classes.items()},
    }
    return Measured(boxes, len(data.validation), len(unseen) if unseen else 0)


def _boxes_looked_for(index: CocoIndex) -> dict[str, int]:
    """Of each class, in the scans whose source looked for it: the others count for nothing."""
    ids = [int(one) for scan in index.scans for one in scan.class_ids[~scan.ignore & scan.annotated[scan.class_ids]]]
    counts = Counter(ids)
    return {name: counts[class_id] for class_id, name in enumerate(index.class_names)}


def _of_frequent(boxes: Mapping[str, int]) -> int:
    return sum(count for count in boxes.values() if count >= LEAST_BOXES)


def left_out_scans(folder: Path, recipe: Recipe, class_names: tuple[str, ...]) -> CocoIndex | None:
    """What the recipe leaves out of train and val: none of it was learned from. None if it leaves nothing out."""
    if not recipe.leave_out:
        return None
    both = [read_coco(folder, split, class_names) for split in ("train", "val")]
    scans = (scan for index in both for scan in index.scans)
    return CocoIndex(class_names, tuple(scan for scan in scans if any(is_of(scan, one) for one in recipe.leave_out)))


def rare_classes(train: CocoIndex) -> list[str]:
    """Names of the classes with at least one and fewer than RARE_BOXES training boxes."""
    return [name for name, count in train.boxes_per_class().items() if 0 < count < RARE_BOXES]
