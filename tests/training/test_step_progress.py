"""What a person who watches a training reads: steps, loss and the time left, and no epochs."""

from types import SimpleNamespace
from typing import Any

import pytest

from training.fitting import step_progress
from training.fitting.step_progress import StepProgress


def trainer_at(step: int, loss: float | None) -> Any:
    metrics = {} if loss is None else {"loss/total": loss}
    return SimpleNamespace(global_step=step, max_steps=10, progress_bar_metrics=metrics, is_global_zero=True)


def watched(bar: StepProgress, steps: list[Any]) -> None:
    bar.on_train_start(steps[0], None)  # type: ignore[arg-type]
    for trainer in steps[1:]:
        bar.on_train_batch_end(trainer, None, None, None, 0)  # type: ignore[arg-type]
    bar.on_train_end(steps[-1], None)  # type: ignore[arg-type]


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_progress, "LINE_SECONDS", 0.0)


@pytest.mark.usefixtures("every_step")
def test_lines_tell_steps_loss_and_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    watched(StepProgress(), [trainer_at(4, None), trainer_at(5, None), trainer_at(6, 1.25)])
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("training: step 5/10, loss ...,")
    assert second.startswith("training: step 6/10, loss 1.250,") and second.endswith("min left")


def test_lines_come_twice_a_minute_not_at_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    watched(StepProgress(), [trainer_at(0, None), trainer_at(1, 1.0), trainer_at(2, 1.0)])
    assert not capsys.readouterr().err


@pytest.mark.usefixtures("every_step")
def test_other_processes_are_silent(capsys: pytest.CaptureFixture[str]) -> None:
    bar = StepProgress()
    bar.disable()
    watched(bar, [trainer_at(0, None), trainer_at(1, 1.0)])
    assert not capsys.readouterr().err
    bar.enable()
    watched(bar, [trainer_at(1, None), trainer_at(2, 1.0)])
    assert "step 2/10" in capsys.readouterr().err


def test_a_terminal_gets_a_bar_that_starts_where_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    bar = StepProgress()
    bar.on_train_start(trainer_at(4, None), None)  # type: ignore[arg-type]
    shown = bar._bar
    assert shown is not None and (shown.tasks[0].completed, shown.tasks[0].total) == (4, 10)
    bar.on_train_batch_end(trainer_at(5, 2.0), None, None, None, 0)  # type: ignore[arg-type]
    assert shown.tasks[0].completed == 5 and shown.tasks[0].description == "loss 2.000"
    bar.on_exception(trainer_at(5, 2.0), None, ValueError())  # type: ignore[arg-type]
    assert bar._bar is None and not shown.live.is_started
