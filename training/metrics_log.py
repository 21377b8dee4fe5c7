"""Writes what a training logs as one JSON object a line, to be read by people and by tools that know no TensorBoard."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only


class JsonLinesLogger(Logger):
    """Appends to `run/metrics.jsonl`; a resumed run goes on in the same file."""

    def __init__(self, run: Path) -> None:
        super().__init__()
        self._path = run / "metrics.jsonl"

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
