"""Writes what a training logs as one JSON object a line, to be read by people and by tools that know no TensorBoard."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from detector.outputs.atomic import text_written_whole


class JsonLinesLogger(Logger):
    """Appends to `run/metrics.jsonl`; a resumed run goes on in the same file."""

    def __init__(self, run: Path, done: int = 0) -> None:
        """done: steps of the checkpoint that the run goes on from. Lines of later steps go: they come again."""
        super().__init__()
        self._path = run / "metrics.jsonl"
        if self._path.is_file():
            _keep_before(self._path, done)

    @property
    def name(self) -> str:
        """Lightning's name for the logger."""
        return "metrics"

    @property
    def version(self) -> str:
        """Unused: one file a run."""
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Appends one line."""
        values = {key: round(float(value), 6) for key, value in metrics.items() if key != "epoch"}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: the resolved recipe stands beside the run."""


def _keep_before(path: Path, step: int) -> None:
    """Leaves the whole lines of steps before `step`: a killed run may have stopped in the middle of a line."""
    kept = [line for line in path.read_bytes().split(b"\n") if 0 <= _step_of(line) < step]
    with text_written_whole(path) as file:
        file.writelines(line.decode("utf-8") + "\n" for line in kept)


def _step_of(line: bytes) -> int:
    """-1 for what is no line of a log."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return -1
