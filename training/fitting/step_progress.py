"""How far a training has come: steps of all steps, the loss and the time left, on standard error.

Lightning's own bar counts epochs, which an endless, balanced order of scans has not.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import lightning
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.utilities.types import STEP_OUTPUT
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from detector.terminal import stderr, tell

#: Seconds between lines where standard error is no terminal.
LINE_SECONDS = 30.0


class StepProgress(ProgressBar):
    """A bar on a terminal, a line every half minute elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self._enabled = True
        self._bar: Progress | None = None
        self._last = (0.0, 0)

    def disable(self) -> None:
        """Says nothing from now on; Lightning asks for it on all processes but the first."""
        self._enabled = False

    def enable(self) -> None:
        """Speaks again."""
        self._enabled = True

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begins at the step that the run goes on from."""
        super().on_train_start(trainer, pl_module)
        self._last = (time.perf_counter(), trainer.global_step)
        if self._enabled and sys.stderr.isatty():
            columns = (
                TextColumn("training"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("steps, {task.description}"),
            )
            self._bar = Progress(
                *columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=stderr
            )
            self._bar.add_task("loss ...", total=trainer.max_steps, completed=trainer.global_step)
            self._bar.start()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: STEP_OUTPUT,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Moves the bar, or writes a line if the last is old enough."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        step = trainer.global_step
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=step, description=_loss(trainer))
        elif self._enabled and (now := time.perf_counter()) - self._last[0] >= LINE_SECONDS:
            seconds = (now - self._last[0]) / max(1, step - self._last[1])
            self._last = (now, step)
            left = (trainer.max_steps - step) * seconds / 60
            of = f"step {step}/{trainer.max_steps}"
            tell(f"training: {of}, {_loss(trainer)}, {seconds:.2f} s a step, {left:.0f} min left")

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Ends the bar."""
        self._close()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Leaves the terminal to what is said of the error."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _loss(trainer: lightning.Trainer) -> str:
    loss = trainer.progress_bar_metrics.get("loss/total")
    return "loss ..." if loss is None else f"loss {float(loss):.3f}"
