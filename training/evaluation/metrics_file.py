"""The metrics.json that `evaluate` and `cargo-benchmark` write, read again by who builds on it.

>>> read_metrics(Path("eval/metrics.json"))["setup"]["weights_sha256"]                            # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from detector.errors import SettingsInvalid


def read_metrics(path: Path) -> dict[str, Any]:
    """Raises SettingsInvalid, in one line, for a file that is not there, or is none of these."""
    with understood(path):
        metrics: dict[str, Any] = json.loads(path.read_bytes())
        metrics["setup"].keys()
        return metrics


@contextmanager
def understood(path: Path) -> Iterator[None]:
    """What is looked up within and is not there, or is of another kind, is told as a fault of the file `path`."""
    try:
        yield
    except FileNotFoundError:
        raise SettingsInvalid(f"{path} is not there", remedy="give the metrics.json that `evaluate` wrote") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise SettingsInvalid(
            f"{path}: no evaluation, or one of another version: {error!r:.120}",
            remedy="run roentgate-train evaluate first",
        ) from None
