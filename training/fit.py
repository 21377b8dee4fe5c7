"""Runs one training: Lightning's loop over a recipe, resumable to the step.

A run folder holds `run.json` (the recipe as resolved, classes, data, start), `checkpoints/` (last.ckpt, and best.ckpt
by AP50 on validation), `metrics.jsonl` and TensorBoard events.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader, TensorDataset

from detector.errors import SettingsInvalid
from training.datasets.coco_index import CocoIndex
from training.export import read_run
from training.metrics_log import JsonLinesLogger
from training.models.table import build
from training.module import DetectionModule
from training.recipe import Recipe
from training.training_stream import ResumingBatches, TrainingStream, collate


@dataclass(frozen=True)
class TrainingData:
    """The folder as it was named, its training split, and its validation split (None trains without validation)."""

    folder: str
    train: CocoIndex
    validation: CocoIndex | None


def fit(data: TrainingData, recipe: Recipe, run: Path, *, resume: bool = False) -> str:
    """Trains on `data` into the folder `run`; returns the line that says what the network started from.

    resume: goes on from run/checkpoints/last.ckpt, to the same weights as if it had never stopped. Raises
    SettingsInvalid when there is nothing to resume, when the recipe is not the run's, or when the folder already holds
    a run and resume was not asked for.
    """
    checkpoint = _checkpoint(run, resume)
    if resume:
        _require_same(read_run(run).recipe, recipe)
    lightning.seed_everything(recipe.seed, workers=True, verbose=False)
    network = build(recipe.model, data.train.class_names)
    start = network.load_pretrained(recipe.start) if recipe.start else "random weights"
    _write_run(run, recipe, data, start)
    module = DetectionModule(network, recipe, data.validation)
    module.to(memory_format=torch.channels_last)
    trainer = _trainer(recipe, run, validates=data.validation is not None)
    stream = TrainingStream(data.train, recipe)
    batches = ResumingBatches(recipe.steps, recipe.batch_size, lambda: trainer.global_step)
    trainer.fit(
        module,
        train_dataloaders=_loader(stream, batches, recipe),
        # One element: the module scores the whole split at once, through the station's pipeline.
        val_dataloaders=DataLoader(TensorDataset(torch.zeros(1))) if data.validation else None,
        ckpt_path=checkpoint,
        weights_only=True if checkpoint else None,
    )
    return start


def _loader(stream: TrainingStream, batches: ResumingBatches, recipe: Recipe) -> DataLoader[Any]:
    return DataLoader(
        stream,
        batch_sampler=batches,
        collate_fn=collate,
        num_workers=recipe.workers,
        persistent_workers=recipe.workers > 0,
        prefetch_factor=4 if recipe.workers else None,
    )


def _checkpoint(run: Path, resume: bool) -> str | None:
    last = run / "checkpoints" / "last.ckpt"
    if resume and not last.is_file():
        raise SettingsInvalid(f"nothing to resume: no {last}", remedy="leave --resume out to begin")
    if not resume and last.is_file():
        raise SettingsInvalid(f"{run} already holds a run", remedy="add --resume to go on, or choose another folder")
    return str(last) if resume else None


def _require_same(before: Recipe, now: Recipe) -> None:
    """Only what does not change the result may differ between the parts of one run."""
    old, new = before.model_dump(), now.model_dump()
    changed = [name for name in new if new[name] != old[name] and name not in ("workers",)]
    if changed:
        raise SettingsInvalid(
            f"the run was begun with another {', '.join(changed)}",
            remedy="resume with the recipe and --set of its start",
        )


def _write_run(run: Path, recipe: Recipe, data: TrainingData, start: str) -> None:
    run.mkdir(parents=True, exist_ok=True)
    described = {
        "recipe": recipe.model_dump(mode="json"),
        "class_names": data.train.class_names,
        "start": start,
        "data": data.folder,
        "sources": Counter(scan.source for scan in data.train.scans),
    }
    (run / "run.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def _trainer(recipe: Recipe, run: Path, *, validates: bool) -> lightning.Trainer:
    return lightning.Trainer(
        max_steps=_max_steps(recipe),
        accelerator="auto",
        devices=1,
        precision=_precision(recipe),
        gradient_clip_val=recipe.gradient_clip,
        logger=[JsonLinesLogger(run), TensorBoardLogger(run, name="", version="tensorboard")],
        callbacks=[
            EMAWeightAveraging(decay=recipe.ema_decay),
            LearningRateMonitor("step"),
            *_checkpoints(recipe, run, validates=validates),
        ],
        # By step, not by epoch: an epoch means nothing to a balanced, endless order of scans.
        val_check_interval=recipe.validation_interval if validates else None,
        check_val_every_n_epoch=None,
        log_every_n_steps=20,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_model_summary=False,
    )


def _max_steps(recipe: Recipe) -> int:
    return recipe.steps


def _checkpoints(recipe: Recipe, run: Path, *, validates: bool) -> list[Callback]:
    folder = run / "checkpoints"
    every = recipe.validation_interval
    if not validates:
        return [ModelCheckpoint(folder, filename="last", every_n_train_steps=every, enable_version_counter=False)]
    best = ModelCheckpoint(folder, monitor="val/AP50", mode="max", filename="best", enable_version_counter=False)
    # Saved after the validation and after `best`, so that a resumed run remembers what the best one scored.
    last = ModelCheckpoint(folder, filename="last", save_on_train_epoch_end=False, enable_version_counter=False)
    return [best, last]


def _precision(recipe: Recipe) -> Any:
    """bfloat16 where the hardware multiplies it (GPUs since Ampere, CPUs with AVX512-BF16), else full precision."""
    if recipe.precision != "auto":
        return recipe.precision
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    return "bf16-mixed" if torch.cpu._is_avx512_bf16_supported() else "32-true"
