"""What a training learns from: the training and validation splits of a data folder, as a recipe wants them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from training.datasets.coco_index import CocoIndex, read_coco, share_of, with_most_bags
from training.datasets.splits import TRAIN, VAL
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
    """Reads train, and val where there is one, without what the recipe leaves out. Raises SettingsInvalid as its two
    parts do."""
    train = read_train(folder, recipe)
    return TrainingData(str(folder), train, read_validation(folder, recipe, train.class_names))


def read_train(folder: Path, recipe: Recipe) -> CocoIndex:
    """The training split as the recipe wants it: its classes, sources, share and bags.

    Where the recipe names no classes, those that no training scan was looked through for are left out, with a warning.
    Raises SettingsInvalid for annotations that cannot be read, and a source to leave out that has no scan here.
    """
    train = read_coco(folder, TRAIN, recipe.classes or None)
    if not recipe.classes and (unlooked := train.never_looked_for()):
        log.warning(
            "%s: left out, as no training scan was looked through for them and nothing would teach where they are not",
            ", ".join(unlooked),
        )
        train = read_coco(folder, TRAIN, tuple(name for name in train.class_names if name not in unlooked) or None)
    every = frozenset(scan.name for scan in train.scans)
    for source in recipe.leave_out:
        train = split_without(train, source)
    train = with_most_bags(share_of(train, recipe.train_share), recipe.most_bags)
    return replace(train, kept_out=every - {scan.name for scan in train.scans})


def read_validation(folder: Path, recipe: Recipe, class_names: tuple[str, ...]) -> CocoIndex | None:
    """The validation split under the classes of the training, without the sources that the recipe leaves out; they need
    not be here. None where the folder has no such split. Raises SettingsInvalid for annotations that cannot be read,
    and if no scan is left."""
    if not (folder / "annotations" / f"{VAL}.json").is_file():
        return None
    return without_sources(read_coco(folder, VAL, class_names), recipe.leave_out)
