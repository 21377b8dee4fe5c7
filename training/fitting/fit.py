"""Runs one training: Lightning's loop over a recipe, resumable to the step.

A run folder holds `run.json` (the recipe as resolved, classes, data, start), `checkpoints/` (last.ckpt, the one before
it, and best.ckpt by AP50 on validation), `metrics.jsonl` and TensorBoard events.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from detector.errors import RoentgateError
from detector.outputs.atomic import text_written_whole
from detector.terminal import stderr
from training.datasets.coco_index import CocoIndex
from training.datasets.splits import TRAIN, VAL
from training.datasets.terms import donor_sources, stated_terms
from training.files.checkpoints import NO_ROOM, Begun, NotSaved, begun
from training.files.file_digests import annotations_digest, file_digest
from training.fitting.batch_memory import batch_too_large
from training.fitting.fit_checks import (
    fault_of_a_scan,
    require_learnable,
    require_readable,
    require_same,
    require_startable,
    require_suited,
    tell_referred,
    to_check,
)
from training.fitting.module import DetectionModule
from training.fitting.running_alone import running_alone
from training.fitting.trainer import trainer_of
from training.models.interface import DetectionNetwork
from training.models.table import build
from training.recipe import Recipe
from training.samples.training_data import TrainingData
from training.samples.training_stream import Batch, ResumingBatches, Sample, TrainingStream, collate
from training.shipping.export import Ancestor, Run, read_run
from training.shipping.trainable import ancestors, provenance, require_unseen, start_file

log = logging.getLogger(__name__)


class ReaderKilled(RoentgateError):
    """A worker process of the loader is gone, most often for want of memory."""

    default_remedy = "go on with --resume and fewer workers, as --set workers=1, or 0 to read in the process itself"


def fit(data: TrainingData, recipe: Recipe, run: Path, *, resume: bool = False, stop_after: int | None = None) -> str:
    """Trains on `data` into the folder `run`; returns the line that says what the network started from.

    resume: goes on from the last usable checkpoint, to the same weights as if it had never stopped. stop_after: ends
    after that step, as a machine that is lent for a time needs it; the schedule stays that of the whole recipe. Raises
    SettingsInvalid when there is nothing to resume or to learn from, when the recipe or the classes are not the run's,
    when a size does not suit the network, or when the folder already holds a run and resume was not asked for;
    ScanUnreadable for a scan that cannot be read, before the first step if it is of validation; NotSaved, ReaderKilled,
    BatchTooLarge and Diverged; SettingsInvalid, too, while another process trains in the folder. None of them costs a
    checkpoint saved before.
    """
    with running_alone(run):
        require_startable(run, resume)
        require_learnable(data, recipe)
        return _fit(data, recipe, run, resume, stop_after)


def _fit(data: TrainingData, recipe: Recipe, run: Path, resume: bool, stop_after: int | None) -> str:
    begun_as = read_run(run) if resume else None
    if begun_as:
        require_same(begun_as, recipe, data)
    lightning.seed_everything(recipe.seed, workers=True, verbose=False)
    network = build(recipe.model, data.train.class_names)
    require_suited(network, recipe)
    if data.validation is not None and not resume:
        require_readable(data.validation, data.folder)
    if not resume:
        tell_referred(data, recipe)
    start, pretrained = _started(network, recipe, begun_as)
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
    # Before anything is written: it may find fault with the recipe's files.
    stream = TrainingStream(data.train, recipe)
    _write_run(run, recipe, data, start, pretrained, begun_as.ancestors if begun_as else ancestors(recipe.start))
    module.to(memory_format=torch.channels_last)
    _train(module, data, _FaultsAsSamples(stream, data.folder), run, point, stop_after)
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


def _train(
    module: DetectionModule,
    data: TrainingData,
    stream: _FaultsAsSamples,
    run: Path,
    point: Begun | None,
    stop_after: int | None,
) -> None:
    recipe = module.recipe
    validates, begun_at = data.validation is not None, point.step if point else 0
    trainer = trainer_of(recipe, run, begun_at, validates=validates, stop_after=stop_after)
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
        self._remedy = f"{to_check(folder)}, go on with --resume"

    def __len__(self) -> int:
        return len(self._stream)

    def __getitem__(self, position: int) -> Sample | RoentgateError:
        try:
            return self._stream[position]
        except (RoentgateError, OSError) as error:
            return fault_of_a_scan(error, self._remedy)


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


def _scans_by_source(index: CocoIndex) -> dict[str, int]:
    """How many scans of each; several pictures may have been drawn of one."""
    scans = {(scan.source, scan.bag if scan.drawn else str(scan.path)) for scan in index.scans}
    return Counter(source for source, _ in sorted(scans))


def _write_run(
    run: Path,
    recipe: Recipe,
    data: TrainingData,
    start: str,
    pretrained: frozenset[str],
    before: tuple[Ancestor, ...],
) -> None:
    described = {
        "recipe": recipe.model_dump(mode="json"),
        "class_names": data.train.class_names,
        "start": start,
        "data": data.folder,
        "sources": _scans_by_source(data.train),
        "emphasis": file_digest(Path(recipe.emphasis)) if recipe.emphasis else "",
        "annotations": annotations_digest(Path(data.folder), TRAIN),
        "validation": annotations_digest(Path(data.folder), VAL),
        "pretrained": sorted(pretrained),
        "ancestors": [asdict(one) for one in before],
        # The folder may have moved by the time that somebody starts from this run.
        "donors": sorted(donor_sources(Path(data.folder), TRAIN)),
        "terms": stated_terms(Path(data.folder)),
    }
    with text_written_whole(run / "run.json") as file:
        file.write(json.dumps(described, indent=2) + "\n")
