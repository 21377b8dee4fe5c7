"""How fast weights inspect scans: side by side, by turns, over the whole way from file to report.

A machine that does other things is slow one minute and fast the next, so a rate by itself says little. Here every
weights file inspects the same scans once a round, the order turned round each time, and what is compared is their ratio
within each round.

>>> detectors = [Detector("luggage"), Detector("luggage-s")]                        # doctest: +SKIP
>>> measure(detectors, sources, rounds=5).ratios[1]
(1.71, 1.79, 1.80)
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from detector.batch import BatchOptions, run_batch
from detector.discovery import ScanSource
from detector.errors import SettingsInvalid
from detector.inspection import Decision, Inspection
from detector.pipeline import Detector

#: Scans that are inspected one by one, for the time that a single one takes.
MOST_ALONE = 200
#: A share of scans that could not be judged beyond which times say nothing: what is refused is refused fast.
MOST_UNREAD = 0.05
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Speed:
    """Of one weights file. scans_per_second: of each round, files to report. latency_ms: median and 95th percentile of
    a scan inspected alone, from bytes to decision. decisions: of the scans, as in every round."""

    weights: str
    provider: str
    scans_per_second: tuple[float, ...]
    latency_ms: tuple[float, float]
    decisions: dict[str, int]


@dataclass(frozen=True)
class Benchmark:
    """ratios: by which factor each weights file takes longer than the first one, over the rounds: lowest, median and
    highest. machine: what it was measured on."""

    speeds: tuple[Speed, ...]
    ratios: tuple[Triple, ...]
    scans: int
    rounds: int
    machine: dict[str, str | int]


def measure(
    detectors: Sequence[Detector],
    sources: Sequence[ScanSource],
    rounds: int,
    progress: Callable[[], None] = lambda: None,
) -> Benchmark:
    """Inspects `sources` with each of `detectors`, one round unmeasured and `rounds` measured.

    progress: called after each run. Raises SettingsInvalid where more than MOST_UNREAD of the scans cannot be judged.
    """
    seconds: NDArray[np.float64] = np.zeros((rounds, len(detectors)))
    decisions: list[Counter[Decision]] = [Counter() for _ in detectors]
    for turn in range(rounds + 1):
        order = range(len(detectors))
        for which in order if turn % 2 else reversed(order):
            taken, decisions[which] = _run(detectors[which], sources)
            if turn:
                seconds[turn - 1, which] = taken
            progress()
    speeds = tuple(
        Speed(
            detector.weights.label,
            str(detector.network.provider),
            tuple((len(sources) / own).round(3).tolist()),
            _alone(detector, sources[:MOST_ALONE]),
            {str(decision): decided[decision] for decision in Decision},
        )
        for detector, own, decided in zip(detectors, seconds.T, decisions, strict=True)
    )
    ratios = seconds / seconds[:, :1]
    low, middle, high = ratios.min(axis=0), np.median(ratios, axis=0), ratios.max(axis=0)
    spread = zip(low.round(3).tolist(), middle.round(3).tolist(), high.round(3).tolist(), strict=True)
    return Benchmark(speeds, tuple(spread), len(sources), rounds, machine())


def _run(detector: Detector, sources: Sequence[ScanSource]) -> tuple[float, Counter[Decision]]:
    """Seconds of one run into an empty folder, as `scan` makes it, and the decisions."""
    unread = 0

    def count(inspection: Inspection | None) -> None:
        nonlocal unread
        unread += bool(inspection and inspection.error)

    with tempfile.TemporaryDirectory(prefix="roentgate-benchmark-") as folder:
        started = time.perf_counter()
        summary = run_batch(detector, sources, Path(folder), BatchOptions(), count)
        taken = time.perf_counter() - started
    if unread > MOST_UNREAD * len(sources):
        raise SettingsInvalid(
            f"{unread} of {len(sources)} scans cannot be judged: their time is no measure",
            remedy="see why with `roentgate scan`, and leave them out",
        )
    return taken, summary.decisions


def _alone(detector: Detector, sources: Sequence[ScanSource]) -> tuple[float, float]:
    times = [detector.inspect(source.path).elapsed_ms for source in sources]
    middle, slow = np.percentile(times, [50, 95]).round(1).tolist()
    return middle, slow


def machine() -> dict[str, str | int]:
    """Processor, cores that this process may use, and versions."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "opencv": cv2.__version__,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
