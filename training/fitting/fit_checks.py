"""What is looked at before the first step: a run that would fail hours later, or learn nothing, does not begin."""

from __future__ import annotations

import logging
from pathlib import Path

from detector.errors import RoentgateError, ScanUnreadable, ScanWithoutContent, SettingsInvalid
from detector.normalisation.standardise import WINDOWED
from detector.normalise import render
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.datasets.raw_levels import STORE_WITH_PROFILE
from training.datasets.splits import TRAIN, VAL
from training.files.checkpoints import holds_run
from training.files.file_digests import file_digest
from training.files.progress import with_lines
from training.models.interface import DetectionNetwork
from training.recipe import Recipe
from training.samples.station_renderings import drawn_unlike
from training.samples.tile_reader import UInt8, rendered
from training.samples.training_data import TrainingData
from training.shipping.export import Run

log = logging.getLogger(__name__)


def require_startable(run: Path, resume: bool) -> None:
    """Raises SettingsInvalid where there is nothing to resume, or a run that nobody asked to go on."""
    holds = holds_run(run / "checkpoints")
    if resume and not holds:
        raise SettingsInvalid(f"nothing to resume: no checkpoint in {run}", remedy="leave --resume out to begin")
    if not resume and holds:
        raise SettingsInvalid(f"{run} already holds a run", remedy="add --resume to go on, or choose another folder")


def require_learnable(data: TrainingData, recipe: Recipe) -> None:
    """Raises SettingsInvalid where there is nothing to learn from, in all or for a class; one scan is enough."""
    counts = data.train.boxes_per_class()
    unseen = [name for name in recipe.classes if not counts[name]]
    if unseen:
        # Before anything else: a misspelt name leaves no box at all.
        raise SettingsInvalid(
            f"the recipe's classes have no box in train: {', '.join(unseen)}",
            remedy=f"correct `classes` in the recipe; `roentgate-train data stats {data.folder}` lists what is there",
        )
    for split, index in {"train": data.train, "val": data.validation}.items():
        if index is not None and not any(index.boxes_per_class().values()):
            raise SettingsInvalid(
                f"{data.folder}: {len(index)} scans and no box of any class in {split}",
                remedy="annotate some" + (", or remove val.json to train without validation" if split == "val" else ""),
            )
    if unlooked := data.train.never_looked_for():
        raise SettingsInvalid(
            f"no training scan was looked through for {', '.join(unlooked)}: nothing would teach where they are not",
            remedy="leave them out of `classes` in the recipe, or tell `data prepare` by --taxonomy which labels are "
            "the whole class",
        )


def require_suited(network: DetectionNetwork, recipe: Recipe) -> None:
    """Raises SettingsInvalid when a size of the recipe is no multiple of the network's stride."""
    sizes = {"input_size": (recipe.input_size,), "multi_scale": recipe.multi_scale}
    for key, size in ((key, size) for key, values in sizes.items() for size in values):
        if size < network.stride or size % network.stride:
            below = size // network.stride * network.stride
            nearest = f"{below} or {below + network.stride}" if below else f"{network.stride}"
            raise SettingsInvalid(
                f"{key}: {size} is no multiple of {network.stride}, as {recipe.model} needs it",
                remedy=f"give {nearest} in its place",
            )


def require_readable(validation: CocoIndex, folder: str) -> None:
    """Raises ScanUnreadable now rather than at the first validation, which may be hours away."""
    for scan in with_lines("reading the validation scans", validation.scans, len(validation)):
        try:
            picture = rendered(scan)[0]
        except (RoentgateError, OSError) as error:
            raise fault_of_a_scan(error, f"{to_check(folder)}, begin again") from error
        if scan.drawn:
            _require_judged(scan, picture)


def tell_referred(data: TrainingData, recipe: Recipe) -> None:
    """Warns of scans that the station would refer as weights of this recipe do not know how they are drawn: one line
    for each split and source. To learn from them is no mistake by itself; to expect CLEAR of their scanner is."""
    splits = {TRAIN: data.train} | ({VAL: data.validation} if data.validation else {})
    for split, index in splits.items():
        for (source, rendering), count in sorted(drawn_unlike(index, recipe.renderings).items()):
            total = sum(scan.source == source for scan in index.scans)
            remedy = STORE_WITH_PROFILE if rendering == WINDOWED else "name that in the recipe's `renderings`"
            log.warning(
                "%s: %d of %d scans of %s are drawn as '%s', and stations refer such scans with weights of this recipe "
                "(renderings %s); %s",
                split, count, total, source, rendering, ", ".join(recipe.renderings), remedy,
            )  # fmt: skip


def _require_judged(scan: AnnotatedScan, picture: UInt8) -> None:
    """Validation goes through the station's pipeline, which takes a part of a scan for a whole one."""
    try:
        render(picture)
    except ScanWithoutContent as error:
        raise ScanWithoutContent(
            f"{scan.path}: {error.what}",
            remedy="take it out of val: the station judges no such scan, so it has no score",
        ) from error


def require_same(before: Run, now: Recipe, data: TrainingData) -> None:
    """Raises SettingsInvalid where recipe, classes or files are not those of the run's start, as far as they change its
    result."""
    class_names, folder = data.train.class_names, data.folder
    old, new = before.recipe.model_dump(), now.model_dump()
    changed = [name for name in new if new[name] != old[name] and name not in ("workers",)]
    if changed:
        raise SettingsInvalid(
            f"the run was begun with another {', '.join(changed)}",
            remedy="resume with the recipe and --set of its start",
        )
    if before.class_names != class_names:
        raise SettingsInvalid(
            f"the run knows the classes {', '.join(before.class_names)}; the data has {', '.join(class_names)}",
            remedy="resume with the data of its start",
        )
    annotations = Path(folder) / "annotations" / "train.json"
    validation = annotations.with_name("val.json")
    for digest, path, what in (
        (before.emphasis, Path(now.emphasis), "scans would come in another order"),
        (before.annotations, annotations, "scans would come in another order"),
        (before.validation, validation, "networks would be judged on other scans than those before"),
    ):
        if digest and digest != (file_digest(path) if path.is_file() else ""):
            raise SettingsInvalid(
                f"{path} is not what it was when the run began: {what}",
                remedy="restore the file, or begin in another folder",
            )


def fault_of_a_scan(error: RoentgateError | OSError, remedy: str) -> RoentgateError:
    """The error, of a scan of the data set, with what to do in its place."""
    if isinstance(error, OSError):
        return ScanUnreadable(f"{error.filename}: {error.strerror}", remedy=remedy)
    return type(error)(error.what, remedy=remedy)


def to_check(folder: str) -> str:
    """Beginning of a remedy: how to find what is wrong with the data."""
    return f"run `roentgate-train data check {folder}`, correct what it names"
