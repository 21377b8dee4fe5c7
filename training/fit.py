"""Runs one training: Lightning's loop over a recipe, resumable to the step.

A run folder holds `recipe.toml` as resolved, `classes.json`, `checkpoints/` (last.ckpt and the best on validation),
`metrics.jsonl` and TensorBoard events.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

from detector.errors import SettingsInvalid
from training.datasets.coco_index import CocoIndex
from training.metrics_log import JsonLinesLogger
from training.models.table import build
from training.module import DetectionModule
from training.recipe import Recipe
from training.training_stream import Batch, ResumingBatches, TrainingStream, collate


def fit(train: CocoIndex, recipe: Recipe, run: Path, *, resume: bool = False, callbacks: list[Callback]) -> str:
    """Trains on `train` into the folder `run`; returns the line that says what the network started from.

    resume: goes on from run/checkpoints/last.ckpt at the very step where it stopped. Raises SettingsInvalid when there
    is nothing to resume, or when the folder already holds a run and resume was not asked for.
    """
    checkpoint = _checkpoint(run, resume)
    lightning.seed_everything(recipe.seed, workers=True, verbose=False)
    network = build(recipe.model, train.class_names)
    start = network.load_pretrained(recipe.start) if recipe.start else "random weights"
    _write_resolved(run, recipe, train.class_names, start)
    module = DetectionModule(network, recipe)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trainer = _trainer(recipe, run, callbacks)
    batches = ResumingBatches(recipe.steps, recipe.batch_size, lambda: trainer.global_step)
    loader: DataLoader[Any] = DataLoader(
        TrainingStream(train, recipe),
        batch_sampler=batches,
        collate_fn=collate,
        num_workers=recipe.workers,
        persistent_workers=recipe.workers > 0,
        prefetch_factor=4 if recipe.workers else None,
    )
    trainer.fit(module, loader, ckpt_path=checkpoint, weights_only=True if checkpoint else None)
    return start


def _checkpoint(run: Path, resume: bool) -> str | None:
    last = run / "checkpoints" / "last.ckpt"
    if resume and not last.is_file():
        raise SettingsInvalid(f"nothing to resume: no {last}", remedy="leave --resume out to begin")
    if not resume and last.is_file():
        raise SettingsInvalid(f"{run} already holds a run", remedy="add --resume to go on, or choose another folder")
    return str(last) if resume else None


def _write_resolved(run: Path, recipe: Recipe, class_names: tuple[str, ...], start: str) -> None:
    run.mkdir(parents=True, exist_ok=True)
    resolved = {"recipe": recipe.model_dump(mode="json"), "class_names": class_names, "start": start}
    (run / "recipe.json").write_text(json.dumps(resolved, indent=2) + "\n", encoding="utf-8")


def _trainer(recipe: Recipe, run: Path, callbacks: list[Callback]) -> lightning.Trainer:
    keep_last = ModelCheckpoint(
        run / "checkpoints", save_last=True, save_top_k=-1, every_n_train_steps=recipe.validate_every, filename="{step}"
    )
    return lightning.Trainer(
        max_steps=recipe.steps,
        accelerator="auto",
        devices=1,
        precision=_precision(recipe),
        gradient_clip_val=recipe.gradient_clip,
        logger=[JsonLinesLogger(run), TensorBoardLogger(run, name="", version="tensorboard")],
        callbacks=[
            EMAWeightAveraging(decay=recipe.ema_decay),
            LearningRateMonitor("step"),
            keep_last,
            *callbacks,
        ],
        log_every_n_steps=20,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def _precision(recipe: Recipe) -> Any:
    """bfloat16 where the hardware multiplies it (GPUs since Ampere, CPUs with AVX512-BF16 or AMX), else full."""
    if recipe.precision != "auto":
        return recipe.precision
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    return "bf16-mixed" if torch.ops.mkldnn._is_mkldnn_bf16_supported() and torch.cpu._is_avx512_bf16_supported() else "32-true"
