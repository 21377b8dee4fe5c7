"""What a training learns from: the training and validation splits of a data folder, as a recipe wants them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from training.datasets.coco_index import CocoIndex, read_coco, share_of, with_most_bags
from training.evaluation.transfer import split_without, without_sources
from training.recipe import Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingData:
    """The folder as it was named, its training split, and its validation split (None trains without validation)."""

    folder: str
    train: CocoIndex
    validation: CocoIndex | None


def read_training_data(folder: Path, recipe: Recipe) -> TrainingData:
    """Reads train, and val where there is one, without what the recipe leaves out.

    Where the recipe names no classes, those that no training scan was looked through for are left out, with a warning.
    """
    train = read_coco(folder, "train", recipe.classes or None)
    if not recipe.classes and (unlooked := train.never_looked_for()):
        log.warning(
            "%s: left out, as no training scan was looked through for them and nothing would teach where they are not",
            ", ".join(unlooked),
        )
        train = read_coco(folder, "train", tuple(name for name in train.class_names if name not in unlooked) or None)
    every = frozenset(scan.name for scan in train.scans)
    has_validation = (folder / "annotations" / "val.json").is_file()
    validation = read_coco(folder, "val", train.class_names) if has_validation else None
    for source in recipe.leave_out:
        train = split_without(train, source)
    train = with_most_bags(share_of(train, recipe.train_share), recipe.most_bags)
    train = replace(train, kept_out=every - {scan.name for scan in train.scans})
    if validation:
        validation = without_sources(validation, recipe.leave_out)
    return TrainingData(str(folder), train, validation)
