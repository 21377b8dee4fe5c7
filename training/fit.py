"""Runs one training: Lightning's loop over a recipe, resumable to the step.

A run folder holds `run.json` (the recipe as resolved, classes, data, start), `checkpoints/` (last.ckpt, the one before
it, and best.ckpt by AP50 on validation), `metrics.jsonl` and TensorBoard events.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint, WeightAveraging
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from detector.errors import RoentgateError, ScanUnreadable, SettingsInvalid
from detector.outputs.atomic import text_written_whole
from detector.terminal import stderr
from training.batch_memory import batch_too_large
from training.checkpoints import NO_ROOM, Begun, NotSaved, WholeCheckpoints, begun, holds_run
from training.datasets.coco_index import CocoIndex, read_coco, share_of, with_most_bags
from training.evaluation.transfer import split_without, without_sources
from training.export import Run, read_run
from training.file_digests import annotations_digest, file_digest
from training.metrics_log import JsonLinesLogger
from training.models.interface import DetectionNetwork
from training.models.table import build
from training.module import DetectionModule
from training.progress import with_lines
from training.recipe import Recipe
from training.step_progress import StepProgress
from training.tile_reader import rendered
from training.trainable import provenance, require_unseen, start_file
from training.training_stream import Batch, ResumingBatches, Sample, TrainingStream, collate

#: Steps between logged losses.
LOG_EVERY = 20

#: The figure that the best checkpoint is best in.
JUDGED_BY = "val/AP50_of_frequent"
#: Time between checkpoints, besides those after each validation.
SAVE_EVERY = timedelta(minutes=5)

log = logging.getLogger(__name__)


class ReaderKilled(RoentgateError):
    """A worker process of the loader is gone, most often for want of memory."""

    default_remedy = "go on with --resume and fewer workers, as --set workers=1, or 0 to read in the process itself"


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


def fit(data: TrainingData, recipe: Recipe, run: Path, *, resume: bool = False) -> str:
    """Trains on `data` into the folder `run`; returns the line that says what the network started from.

    resume: goes on from the last usable checkpoint, to the same weights as if it had never stopped. Raises
    SettingsInvalid when there is nothing to resume or to learn from, when the recipe or the classes are not the run's,
    when a size does not suit the network, or when the folder already holds a run and resume was not asked for;
    ScanUnreadable for a scan that cannot be read, before the first step if it is of validation; NotSaved, ReaderKilled,
    BatchTooLarge and Diverged. None of them costs a checkpoint saved before.
    """
    _require_startable(run, resume)
    _require_learnable(data, recipe)
    if resume:
        _require_same(read_run(run), recipe, data)
    lightning.seed_everything(recipe.seed, workers=True, verbose=False)
    network = build(recipe.model, data.train.class_names)
    require_suited(network, recipe)
    if data.validation is not None and not resume:
        require_readable(data.validation, data.folder)
    start, pretrained = _started(network, recipe, read_run(run) if resume else None)
    stderr.print(f"starts from {start}", markup=False, soft_wrap=True)
    module = DetectionModule(network, recipe, data.validation, pretrained)
    point = begun(run / "checkpoints", module.state_dict()) if resume else None
    if point and point.faults:
        log.warning("%s; going on from step %d of %s", point.faults, point.step, point.path.name)
    if recipe.warmup_steps >= recipe.steps:
        log.warning(
            "warmup_steps=%d of %d steps: the learning rate only rises, to %.0f %% of learning_rate at most",
            recipe.warmup_steps, recipe.steps, 100 * recipe.steps / recipe.warmup_steps,
        )  # fmt: skip
    _write_run(run, recipe, data, start, pretrained)
    module.to(memory_format=torch.channels_last)
    _train(module, data, run, point)
    return start


def _started(network: DetectionNetwork, recipe: Recipe, before: Run | None) -> tuple[str, frozenset[str]]:
    """What the network starts from, in a line, and the parameters that were filled from it.

    A run that goes on has all weights in its checkpoint: its start may be gone by now, or be another file.
    """
    if before and before.pretrained is not None:
        return before.start, before.pretrained
    if not recipe.start:
        return "random weights", frozenset()
    require_unseen(recipe.start, recipe.leave_out)
    said = network.load_pretrained(start_file(recipe.start)) + provenance(recipe.start)
    return said, frozenset(network.pretrained_parameters())


def _train(module: DetectionModule, data: TrainingData, run: Path, point: Begun | None) -> None:
    recipe = module.recipe
    trainer = _trainer(recipe, run, point.step if point else 0, validates=data.validation is not None)
    stream = _FaultsAsSamples(TrainingStream(data.train, recipe), data.folder)
    batches = ResumingBatches(recipe.steps, recipe.batch_size, lambda: trainer.global_step)
    try:
        trainer.fit(
            module,
            train_dataloaders=_loader(stream, batches, recipe),
            # One element: the module scores the whole split at once, through the station's pipeline.
            val_dataloaders=DataLoader(TensorDataset(torch.zeros(1))) if data.validation else None,
            ckpt_path=str(point.path) if point else None,
            weights_only=True if point else None,
        )
        return
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise NotSaved(f"{run}: {error.strerror} at step {trainer.global_step}; saved checkpoints stand") from error
    except torch.OutOfMemoryError:
        pass
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise ReaderKilled(f"a process that reads scans was killed at step {trainer.global_step}") from error
    # Out of the handler, which would keep the failed step's tensors alive while smaller batches are tried.
    # Lightning takes the network to the CPU when it stops, where any batch fits.
    module.to(trainer.strategy.root_device)
    raise batch_too_large(module.network, recipe, trainer.precision_plugin.forward_context)


class _FaultsAsSamples(Dataset[Sample | RoentgateError]):
    """The stream, with errors handed over as values: raised in a worker process, one arrives as a printed traceback."""

    def __init__(self, stream: TrainingStream, folder: str) -> None:
        self._stream = stream
        self._remedy = f"{_check(folder)}, go on with --resume"

    def __len__(self) -> int:
        return len(self._stream)

    def __getitem__(self, position: int) -> Sample | RoentgateError:
        try:
            return self._stream[position]
        except (RoentgateError, OSError) as error:
            return _fault(error, self._remedy)


def _fault(error: RoentgateError | OSError, remedy: str) -> RoentgateError:
    if isinstance(error, OSError):
        return ScanUnreadable(f"{error.filename}: {error.strerror}", remedy=remedy)
    return type(error)(error.what, remedy=remedy)


def _check(folder: str) -> str:
    return f"run `roentgate-train data check {folder}`, correct what it names"


def _collate(samples: list[Sample | RoentgateError]) -> Batch | RoentgateError:
    read: list[Sample] = []
    for sample in samples:
        if isinstance(sample, RoentgateError):
            return sample
        read.append(sample)
    return collate(read)


def _loader(stream: _FaultsAsSamples, batches: ResumingBatches, recipe: Recipe) -> DataLoader[Any]:
    return DataLoader(
        stream,
        batch_sampler=batches,
        collate_fn=_collate,
        num_workers=recipe.workers,
        persistent_workers=recipe.workers > 0,
        prefetch_factor=4 if recipe.workers else None,
    )


def _require_startable(run: Path, resume: bool) -> None:
    holds = holds_run(run / "checkpoints")
    if resume and not holds:
        raise SettingsInvalid(f"nothing to resume: no checkpoint in {run}", remedy="leave --resume out to begin")
    if not resume and holds:
        raise SettingsInvalid(f"{run} already holds a run", remedy="add --resume to go on, or choose another folder")


def _require_learnable(data: TrainingData, recipe: Recipe) -> None:
    """One scan and one class are enough to learn from; none is not."""
    for split, index in {"train": data.train, "val": data.validation}.items():
        if index is not None and not any(index.boxes_per_class().values()):
            raise SettingsInvalid(
                f"{data.folder}: {len(index)} scans and no box of any class in {split}",
                remedy="annotate some" + (", or remove val.json to train without validation" if split == "val" else ""),
            )
    counts = data.train.boxes_per_class()
    unseen = [name for name in recipe.classes if not counts[name]]
    if unseen:
        raise SettingsInvalid(
            f"the recipe's classes have no box in train: {', '.join(unseen)}", remedy="correct `classes` in the recipe"
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
            rendered(scan)
        except (RoentgateError, OSError) as error:
            raise _fault(error, f"{_check(folder)}, begin again") from error


def _require_same(before: Run, now: Recipe, data: TrainingData) -> None:
    """Only what does not change the result may differ between the parts of one run."""
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
    files = {before.emphasis: Path(now.emphasis), before.annotations: Path(folder) / "annotations" / "train.json"}
    for digest, path in files.items():
        if digest and digest != file_digest(path):
            raise SettingsInvalid(
                f"{path} is not what it was when the run began: scans would come in another order",
                remedy="restore the file, or begin in another folder",
            )


def _scans_by_source(index: CocoIndex) -> dict[str, int]:
    """How many scans of each; several pictures may have been drawn of one."""
    scans = {(scan.source, scan.group if scan.drawn else str(scan.path)) for scan in index.scans}
    return Counter(source for source, _ in sorted(scans))


def _write_run(run: Path, recipe: Recipe, data: TrainingData, start: str, pretrained: frozenset[str]) -> None:
    run.mkdir(parents=True, exist_ok=True)
    described = {
        "recipe": recipe.model_dump(mode="json"),
        "class_names": data.train.class_names,
        "start": start,
        "data": data.folder,
        "sources": _scans_by_source(data.train),
        "emphasis": file_digest(Path(recipe.emphasis)) if recipe.emphasis else "",
        "annotations": annotations_digest(Path(data.folder), "train"),
        "pretrained": sorted(pretrained),
    }
    with text_written_whole(run / "run.json") as file:
        file.write(json.dumps(described, indent=2) + "\n")


def growing_average(decay: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Exponential average of weights whose memory grows with the steps to `decay`: after n of them (1 + n) / (10 + n).

    With a memory of a thousand steps from the start, short runs would be judged on the weights that they began with.
    """

    def average(averaged: Tensor, current: Tensor, number: Tensor) -> Tensor:
        share = torch.clamp((1 + number) / (10 + number), max=decay)
        return averaged * share + current * (1 - share)

    return average


#: Beginnings of what Lightning warns of in vain: the order of scans is a function of the step, so that it does go on
#: (ResumingBatches); and who trains without validation scans knows it.
_NOT_SO = ("You're resuming from a checkpoint", "You defined a `validation_step` but")


def _no_advice(record: logging.LogRecord) -> bool:
    """Lightning recommends its makers' services at every start."""
    return "Tip: " not in record.getMessage()


def _trainer(recipe: Recipe, run: Path, step: int, *, validates: bool) -> lightning.Trainer:
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_no_advice)
    for message in _NOT_SO:
        warnings.filterwarnings("ignore", message=message)
    return lightning.Trainer(
        max_steps=_max_steps(recipe),
        accelerator="auto",
        devices=1,
        precision=_precision(recipe),
        gradient_clip_val=recipe.gradient_clip,
        logger=[JsonLinesLogger(run, step), TensorBoardLogger(run, name="", version="tensorboard")],
        callbacks=[
            WeightAveraging(avg_fn=growing_average(recipe.ema_decay)),
            LearningRateMonitor("step"),
            StepProgress(),
            *_checkpoints(recipe, run, validates=validates),
        ],
        # By step, not by epoch: an epoch means nothing to a balanced, endless order of scans.
        val_check_interval=recipe.validation_interval if validates else None,
        check_val_every_n_epoch=None,
        log_every_n_steps=LOG_EVERY,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        plugins=[WholeCheckpoints()],
        enable_model_summary=False,
    )


def _max_steps(recipe: Recipe) -> int:
    return recipe.steps


def _checkpoints(recipe: Recipe, run: Path, *, validates: bool) -> list[Callback]:
    folder = run / "checkpoints"
    every = recipe.validation_interval
    # By the clock as well: what is lost to a kill is minutes, however far validations lie apart.
    timed = ModelCheckpoint(folder, filename="last", train_time_interval=SAVE_EVERY, enable_version_counter=False)
    if not validates:
        regular = ModelCheckpoint(folder, filename="last", every_n_train_steps=every, enable_version_counter=False)
        return [timed, regular]
    best = _BestInPlace(folder, monitor=JUDGED_BY, mode="max", filename="best", enable_version_counter=False)
    # Saved after the validation and after `best`, so that a resumed run remembers what the best one scored.
    last = ModelCheckpoint(folder, filename="last", save_on_train_epoch_end=False, enable_version_counter=False)
    return [timed, best, last]


class _BestInPlace(ModelCheckpoint):
    """Remembers the best score of a run whose folder was moved; Lightning forgets it and takes the next network."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """What was saved, with its paths in the folder where the run is now."""
        here = {
            key: self._here(state_dict[key]) for key in ("best_model_path", "kth_best_model_path", "last_model_path")
        }
        best = {self._here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **here, "dirpath": self.dirpath, "best_k_models": best})

    def _here(self, path: str) -> str:
        return str(Path(str(self.dirpath)) / Path(path).name) if path else path


def _precision(recipe: Recipe) -> Any:
    """bfloat16 where the hardware multiplies it (GPUs since Ampere, CPUs with AVX512-BF16), else full precision."""
    if recipe.precision != "auto":
        return recipe.precision
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    return "bf16-mixed" if torch.cpu._is_avx512_bf16_supported() else "32-true"
