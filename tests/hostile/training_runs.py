"""Tiny trainings on simulated scans, for tests of what disturbs them."""

from __future__ import annotations

from pathlib import Path

import torch

from detector.errors import RoentgateError
from training.datasets.coco_index import read_coco
from training.files.checkpoints import LAST
from training.fitting.fit import fit
from training.recipe import Recipe
from training.samples.training_data import TrainingData

STEPS, EVERY = 6, 2
#: Lightning's own advice on workers and its use of torch internals; nothing of ours.
LIGHTNING_ADVICE = (
    "ignore::UserWarning:lightning",
    "ignore::FutureWarning:lightning",
    "ignore::DeprecationWarning:lightning",
    "ignore::lightning.pytorch.utilities.warnings.PossibleUserWarning",
)


def recipe(**changes: object) -> Recipe:
    values = {
        "model": "yolox-nano", "input_size": 64, "steps": STEPS, "batch_size": 2, "warmup_steps": 2,
        "validate_every": EVERY, "workers": 0, "precision": "32-true", "ema_decay": 0.5,
    }  # fmt: skip
    return Recipe.model_validate(values | changes)


def train_on(
    data: Path, run: Path, settings: Recipe | None = None, *, resume: bool = False, stop_after: int | None = None
) -> str:
    """Without validation: it takes most of the time, and the disk and the checkpoints are the same."""
    train = TrainingData(str(data), read_coco(data, "train"), None)
    return fit(train, settings or recipe(), run, resume=resume, stop_after=stop_after)


def state_of(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]  # type: ignore[no-any-return]


def require_same_end(run: Path, whole: Path) -> None:
    """The same weights to the bit, and the same loss curve."""
    own, other = state_of(run / "checkpoints" / LAST), state_of(whole / "checkpoints" / LAST)
    assert own.keys() == other.keys()
    for name, value in other.items():
        torch.testing.assert_close(own[name], value, rtol=0, atol=0, msg=name)
    assert (run / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()


def one_line(error: RoentgateError) -> None:
    assert "\n" not in error.what and len(error.what) < 400 and error.remedy
