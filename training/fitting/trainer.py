"""Lightning's loop as every training here runs it: its length, precision, averaged weights, log and checkpoints."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint, WeightAveraging
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from training.files.checkpoints import WholeCheckpoints
from training.fitting.metrics_log import JsonLinesLogger
from training.fitting.step_progress import StepProgress
from training.recipe import Recipe

#: Steps between logged losses.
LOG_EVERY = 20

#: The figure that the best checkpoint is best in.
JUDGED_BY = "val/AP50_of_frequent"
#: Time between checkpoints, besides those after each validation.
SAVE_EVERY = timedelta(minutes=5)

#: Beginnings of what Lightning warns of in vain: the order of scans is a function of the step, so that it does go on
#: (ResumingBatches); and who trains without validation scans knows it.
_NOT_SO = ("You're resuming from a checkpoint", "You defined a `validation_step` but")


def trainer_of(
    recipe: Recipe, run: Path, step: int, *, validates: bool, stop_after: int | None = None
) -> lightning.Trainer:
    """The loop of `recipe` into the folder `run`, from `step` on.

    validates: whether there are validation scans. stop_after: of how many steps this call does the last; None does all.
    """
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_no_advice)
    for message in _NOT_SO:
        warnings.filterwarnings("ignore", message=message)
    return lightning.Trainer(
        max_steps=recipe.steps if stop_after is None else min(stop_after, recipe.steps),
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


def _no_advice(record: logging.LogRecord) -> bool:
    """Lightning recommends its makers' services at every start."""
    return "Tip: " not in record.getMessage()


def growing_average(decay: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Exponential average of weights whose memory grows with the steps to `decay`: after n of them (1 + n) / (10 + n).

    With a memory of a thousand steps from the start, short runs would be judged on the weights that they began with.
    """

    def average(averaged: Tensor, current: Tensor, number: Tensor) -> Tensor:
        share = torch.clamp((1 + number) / (10 + number), max=decay)
        return averaged * share + current * (1 - share)

    return average


def _checkpoints(recipe: Recipe, run: Path, *, validates: bool) -> list[Callback]:
    folder = run / "checkpoints"
    every = recipe.validation_interval
    # By the clock as well: what is lost to a kill is minutes, however far validations lie apart.
    timed = _BetweenValidations(folder, filename="last", train_time_interval=SAVE_EVERY, enable_version_counter=False)
    timed.every = every if validates else 0
    if not validates:
        regular = ModelCheckpoint(folder, filename="last", every_n_train_steps=every, enable_version_counter=False)
        return [timed, regular]
    best = _BestInPlace(folder, monitor=JUDGED_BY, mode="max", filename="best", enable_version_counter=False)
    # Saved after the validation and after `best`, so that a resumed run remembers what the best one scored.
    last = ModelCheckpoint(folder, filename="last", save_on_train_epoch_end=False, enable_version_counter=False)
    return [timed, best, last]


class _BetweenValidations(ModelCheckpoint):
    """Saves by the clock, but not right before a validation: what is resumed from there would never be judged."""

    #: Steps between two validations; 0 for none.
    every = 0

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any, **kwargs: Any) -> None:
        """Leaves the step of a validation to the save behind it."""
        if not self.every or trainer.global_step % self.every:
            super().on_train_batch_end(trainer, *args, **kwargs)


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
