"""The gate of a quantised file: is it as good as the float one, and faster enough to be worth a second file?

Both run in one process by turns, on the same squares, so that a busy machine slows both alike; the speed-up is the
median of the rounds' ratios. Accuracy is that of the whole pipeline.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from detector.detections import Detections
from detector.errors import RoentgateError, SettingsInvalid
from detector.network import Network, Provider
from detector.outputs.atomic import write_bytes_whole
from detector.weights import Weights, load_weights
from training.datasets.coco_index import CocoIndex
from training.evaluation.alignment import align
from training.evaluation.average_precision import average_precision
from training.evaluation.intervals import Draws, Interval, group_draws, group_numbers, mean_over_classes, middle_of
from training.evaluation.matching import match_class, resampled_precision
from training.evaluation.scoring import detector_for, predict_with
from training.files.progress import with_progress
from training.shipping.quantise import calibration_squares

UInt8 = NDArray[np.uint8]

#: Most AP50 points (of 100) that may be lost, least speed-up, and the CPU cores that it is measured on.
MOST_LOST, LEAST_SPEEDUP, THREADS = 1.0, 1.3, 2
#: Rounds that count and rounds before them, while caches fill and the clock settles.
ROUNDS, WARM_UP = 40, 5
#: Of the scans, for the interval of the loss.
RESAMPLES = 500


class GateRefused(RoentgateError):
    """A quantised file that lost too much, gained too little, or was never judged."""

    default_remedy = "ship the float file; the figures stand beside the quantised one"


@dataclass(frozen=True)
class Speed:
    """Milliseconds a square, median of `rounds`; speedup: median and quartiles of before / after in each round."""

    before_ms: float
    after_ms: float
    speedup: float
    quartiles: tuple[float, float]
    rounds: int
    threads: int


@dataclass(frozen=True)
class Accuracy:
    """AP50, 0..1, mean over the classes with at least 10 boxes (over all with a box, if none has so many).

    lost_interval: 95 % interval of `lost`, from resamples of whole groups of scans, the same ones for both files.
    """

    before: float
    after: float
    lost_interval: Interval
    scans: int
    boxes: int

    @property
    def lost(self) -> float:
        """Points of 100; negative when the quantised file is better."""
        return (self.before - self.after) * 100


@dataclass(frozen=True)
class Verdict:
    """What was measured and what follows. refused: why not to publish; empty for a file that passed."""

    accuracy: Accuracy
    speed: Speed
    refused: tuple[str, ...]
    sha256_before: str
    sha256_after: str

    @property
    def passed(self) -> bool:
        """Whether the file may be published."""
        return not self.refused

    def lines(self) -> tuple[str, str, str]:
        """Accuracy, speed and verdict, one line each."""
        a, s = self.accuracy, self.speed
        (least, most), (low, high) = a.lost_interval, s.quartiles
        within = f"95 % interval {least:+.2f} to {most:+.2f}"
        return (
            f"AP50 {a.before:.4f} -> {a.after:.4f}: {a.lost:+.2f} points lost ({within}), on {a.scans} scans "
            f"with {a.boxes} boxes",
            f"{s.before_ms:.1f} -> {s.after_ms:.1f} ms a square on {s.threads} threads: {s.speedup:.2f} times faster "
            f"(quartiles {low:.2f} to {high:.2f}, {s.rounds} rounds by turns)",
            "passed: may be published" if self.passed else f"refused: {'; '.join(self.refused)}",
        )


def judge(original: Path, quantised: Path, index: CocoIndex) -> Verdict:
    """Measures both files. index: scans that neither trained nor calibrated them."""
    before, after = load_weights(original), load_weights(quantised)
    accuracy = measure_accuracy(original, quantised, index)
    speed = measure_speed(before, after, calibration_squares(index, before.spec.look))
    return Verdict(accuracy, speed, reasons_against(accuracy, speed), before.sha256, after.sha256)


def reasons_against(accuracy: Accuracy, speed: Speed) -> tuple[str, ...]:
    """Why figures like these forbid publishing; empty when they do not."""
    reasons = []
    if not accuracy.before > 0:
        reasons.append("the float file finds nothing: no loss could be seen")
    if not accuracy.lost <= MOST_LOST + 1e-9:
        reasons.append(f"AP50 falls by {accuracy.lost:.2f} points, more than {MOST_LOST:g}")
    if not speed.speedup >= LEAST_SPEEDUP:
        reasons.append(f"{speed.speedup:.2f} times faster, less than {LEAST_SPEEDUP:g}")
    return tuple(reasons)


def measure_accuracy(original: Path, quantised: Path, index: CocoIndex) -> Accuracy:
    """AP50 of both through the station's pipeline."""
    before, after = (
        align(index, predict_with(detector_for(path), index, with_progress)) for path in (original, quantised)
    )
    table, other = average_precision(index, before), average_precision(index, after)
    judged = table.frequent or tuple(name for name, row in table.classes.items() if row.n)
    mean, again = (one.mean_of_frequent if one.frequent else one.mean for one in (table, other))
    draws = group_draws(group_numbers(index), RESAMPLES, 0)
    lost = middle_of(100 * (_redrawn(index, before, judged, draws) - _redrawn(index, after, judged, draws)))
    return Accuracy(mean.AP50 or 0.0, again.AP50 or 0.0, lost or (0.0, 0.0), len(index), mean.n)


def _redrawn(
    index: CocoIndex, aligned: Sequence[Detections], names: Sequence[str], draws: Draws
) -> NDArray[np.float64]:
    """(B,) the mean AP50 of the classes on each resample; a class that it did not draw is left out."""
    found = [match_class(index, aligned, index.class_names.index(name)) for name in names]
    return mean_over_classes([resampled_precision(one, draws) for one in found])


def measure_speed(before: Weights, after: Weights, squares: list[UInt8]) -> Speed:
    """Both networks by turns on THREADS threads, one square at a time, the order swapped from round to round."""
    networks = [Network(weights, Provider.CPU, THREADS) for weights in (before, after)]
    seconds = np.zeros((WARM_UP + ROUNDS, 2))
    for number in range(len(seconds)):
        square = squares[number % len(squares)][None]
        for which in (0, 1) if number % 2 else (1, 0):
            started = time.perf_counter()
            networks[which].infer(square)
            seconds[number, which] = time.perf_counter() - started
    counted = seconds[WARM_UP:]
    low, middle, high = np.percentile(counted[:, 0] / counted[:, 1], (25, 50, 75))
    milliseconds = np.median(counted, axis=0) * 1000
    return Speed(
        float(milliseconds[0]), float(milliseconds[1]), float(middle), (float(low), float(high)), ROUNDS, THREADS
    )


def verdict_path(quantised: Path) -> Path:
    """Where the verdict on a file stands."""
    return quantised.with_suffix(".gate.json")


def write_verdict(verdict: Verdict, quantised: Path) -> Path:
    """Writes the verdict beside the file, with the machine it holds for; returns its path."""
    document = {
        "passed": verdict.passed,
        **dataclasses.asdict(verdict),
        "limits": {"most_points_lost": MOST_LOST, "least_speedup": LEAST_SPEEDUP},
        "machine": {"processor": _processor(), "onnxruntime": onnxruntime.__version__},
    }
    path = verdict_path(quantised)
    write_bytes_whole(path, (json.dumps(document, indent=2) + "\n").encode())
    return path


def _processor() -> str:
    """The CPU's name; what the system calls its kind where it does not say."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def require_passed(quantised: Path) -> None:
    """Raises GateRefused unless the verdict beside `quantised` is on these very bytes and lets it through."""
    path = verdict_path(quantised)
    try:
        verdict = json.loads(path.read_bytes())
        passed, refused, judged = verdict["passed"], verdict["refused"], verdict["sha256_after"]
    except (OSError, ValueError, KeyError, TypeError):
        raise GateRefused(f"{quantised}: no verdict at {path}", remedy="run roentgate-train quantise") from None
    if judged != load_weights(quantised).sha256:
        raise GateRefused(f"{path} judged another file", remedy="run roentgate-train quantise again")
    if passed is not True:
        raise GateRefused(f"{quantised}: {'; '.join(refused)}")


def require_other_split(calibrated: str, judged: str) -> None:
    """Raises SettingsInvalid when one split would calibrate and judge."""
    if calibrated == judged:
        raise SettingsInvalid(
            f"--split {calibrated}: calibration and judgement need different scans", remedy="calibrate on train"
        )
