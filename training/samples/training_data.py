"""What a training learns from: the training and validation splits of a data folder, as a recipe wants them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from training.datasets.coco_index import CocoIndex, read_coco, share_of, with_most_bags
from training.datasets.exif_orientation import orientation, turned
from training.datasets.scanners import split_without, without_sources
from training.datasets.splits import TRAIN, VAL
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

    Left out with a warning: where the recipe names no classes, those that no training scan was looked through for, and
    scans with boxes that viewers turn (EXIF).
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
    train = _without_turned(train)
    for source in recipe.leave_out:
        train = split_without(train, source)
    train = with_most_bags(share_of(train, recipe.train_share), recipe.most_bags)
    return replace(train, kept_out=every - {scan.name for scan in train.scans})


def read_validation(folder: Path, recipe: Recipe, class_names: tuple[str, ...]) -> CocoIndex | None:
    """The validation split under the classes of the training; None where the folder has no such split.

    Without the sources that the recipe leaves out, which need not be here, and, with a warning, without scans with
    boxes that viewers turn (EXIF). Raises SettingsInvalid for annotations that cannot be read, and if no scan is left
    of the sources.
    """
    if not (folder / "annotations" / f"{VAL}.json").is_file():
        return None
    return without_sources(read_split(folder, VAL, class_names), recipe.leave_out)


def read_split(folder: Path, split: str, class_names: tuple[str, ...] | None = None) -> CocoIndex:
    """A split as it is learned from and measured on: as `read_coco`, without scans with boxes that viewers turn (EXIF).

    Those are left out with a warning. Raises SettingsInvalid for annotations that cannot be read.
    """
    return _without_turned(read_coco(folder, split, class_names))


def _without_turned(index: CocoIndex) -> CocoIndex:
    """The scans whose boxes lie on the picture as stored. `data prepare` leaves the others out of what it writes; a
    folder in COCO layout may come from any tool."""
    kept, left = [], []
    for scan in index.scans:
        problem = turned(orientation(scan.path)) if len(scan.class_ids) else None
        if problem is None:
            kept.append(scan)
        else:
            left.append(f"{scan.path}: {problem[1]}")
    if left:
        log.warning("left out, as viewers turn them: %d scans with boxes, first %s", len(left), left[0])
    return replace(index, scans=tuple(kept))
