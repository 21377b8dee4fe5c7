"""What a network makes of scans that were spoilt on their way to it.

    python -m training.studies.export_fault_study DATA

Darkened, paled, blurred, enlarged, recompressed, with colours swapped, painted over: scans with an item are inspected
as they are and so, and the table says how many end in each decision. A CLEAR among them is an item missed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.errors import SettingsInvalid
from detector.export_faults import export_doubts
from detector.inspection import Decision
from detector.normalise import render
from detector.pipeline import Detector
from detector.readers import Limits, read_scan
from detector.readers.files import read_file
from detector.scan import Scan
from training.datasets.coco_index import AnnotatedScan, CocoIndex, read_coco
from training.evaluation.intervals import Rate, describe_rate, group_numbers
from training.evaluation.scoring import detector_for

View = NDArray[Any]


def _dimmed(brightness: float) -> Callable[[View], View]:
    return lambda view: (brightness * view).astype(view.dtype)


def _paled(contrast: float) -> Callable[[View], View]:
    """Its contrast squeezed against white."""
    return lambda view: np.rint(255 - contrast * (255 - view.astype(np.float32))).astype(view.dtype)


def _captioned(view: View) -> View:
    """With a black line of writing of a twentieth of its height, as stations add."""
    size, thick = view.shape[0] / 20 / 22, max(1, round(view.shape[0] / 250))
    return np.asarray(
        cv2.putText(
            view.copy(), "SCAN 0042 2026-05-01", (8, view.shape[0] - 8), cv2.FONT_HERSHEY_SIMPLEX, size, 0, thick
        )
    )


def _blurred(deviation: float) -> Callable[[View], View]:
    return lambda view: np.asarray(cv2.GaussianBlur(view, (0, 0), deviation))


def _enlarged(view: View) -> View:
    small = cv2.resize(view, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, view.shape[1::-1], interpolation=cv2.INTER_CUBIC))


def _recompressed(view: View) -> View:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", view, [cv2.IMWRITE_JPEG_QUALITY, 10])[1], cv2.IMREAD_UNCHANGED))


def _swapped(view: View) -> View:
    if view.ndim == 2:
        # Grey: turning its last axis round would mirror it.
        return view
    return np.ascontiguousarray(view[..., ::-1]) if view.ndim == 3 else view


def _painted(view: View) -> View:
    """A rectangle of a fifth of the picture's sides, in its middle, as white as air."""
    painted, (height, width) = view.copy(), view.shape[:2]
    painted[2 * height // 5 : 3 * height // 5, 2 * width // 5 : 3 * width // 5] = np.iinfo(view.dtype).max
    return painted


def _negative(view: View) -> View:
    return np.asarray(255 - view)


FAULTS: MappingProxyType[str, Callable[[View], View]] = MappingProxyType(
    {
        "as it is": lambda view: view,
        "0.95 of its brightness": _dimmed(0.95),
        "0.9 of its brightness": _dimmed(0.9),
        "0.75 of its brightness": _dimmed(0.75),
        "0.6 of its brightness": _dimmed(0.6),
        "0.75 of its contrast": _paled(0.75),
        "0.6 of its contrast": _paled(0.6),
        "0.5 of its contrast": _paled(0.5),
        "0.33 of its contrast": _paled(0.33),
        "0.33 of its contrast and a caption": lambda view: _captioned(_paled(0.33)(view)),
        "0.25 of its contrast": _paled(0.25),
        "0.15 of its contrast": _paled(0.15),
        "blurred, deviation 3 px": _blurred(3),
        "blurred, deviation 3 px, and a caption": lambda view: _captioned(_blurred(3)(view)),
        "blurred, deviation 30 px": _blurred(30),
        "enlarged from a quarter": _enlarged,
        "JPEG of quality 10": _recompressed,
        "red and blue swapped": _swapped,
        "its middle painted white": _painted,
        "negative": _negative,
    }
)


@dataclass(frozen=True)
class FaultOutcome:
    """fault: a key of FAULTS. rates: how many of the scans ended in each decision."""

    fault: str
    rates: dict[Decision, Rate]


def study(detector: Detector, scans: list[AnnotatedScan]) -> Iterator[FaultOutcome]:
    """Each fault in turn, done to the same scans. Raises ScanUnreadable for a scan that cannot be read,
    SettingsInvalid for one of more than 8 bits."""
    read, bags = [_stored(scan.path) for scan in scans], _bags(scans)
    for fault, spoil in FAULTS.items():
        spoilt = [replace(scan, views=tuple(spoil(view) for view in scan.views)) for scan in read]
        ended = [detector.inspect(scan).decision for scan in spoilt]
        rates = {one: Rate.of(np.array([decision is one for decision in ended]), bags) for one in Decision}
        yield FaultOutcome(fault, rates)


def _stored(path: Path) -> Scan:
    scan = read_scan(read_file(path, path.name, Limits()), path.name)
    if scan.bit_depth != 8:
        raise SettingsInvalid(
            f"{path.name}: a raw scan of {scan.bit_depth} bits is no exported picture", remedy="name 8-bit scans"
        )
    return scan


def doubted(scans: Sequence[AnnotatedScan]) -> Rate:
    """How many scans, as they are, `export_faults` doubts: by mistake, unless something was done to them."""
    told = [any(export_doubts(render(view)) for view in _stored(scan.path).views) for scan in scans]
    return Rate.of(np.array(told, bool), _bags(scans))


def _bags(scans: Sequence[AnnotatedScan]) -> NDArray[np.int64]:
    return group_numbers(CocoIndex((), tuple(scans)))


def chosen_scans(data: Path, split: str, count: int) -> list[AnnotatedScan]:
    """Up to `count` scans with an annotated item, the same every time."""
    holding = [scan for scan in read_coco(data, split).scans if len(scan.class_ids)]
    if not holding:
        raise SettingsInvalid(f"{data}: no scan of {split} has an annotated item", remedy="name another --split")
    order = np.random.default_rng(0).permutation(len(holding))
    return [holding[number] for number in order[:count]]


def main(arguments: list[str] | None = None) -> None:
    """Prints how many scans are doubted as they are, then a line a fault."""
    parser = argparse.ArgumentParser(description="What a network makes of scans that were spoilt on their way to it.")
    parser.add_argument("data", type=Path, help="folder that `data prepare` wrote")
    parser.add_argument("--weights", default="luggage", help="ONNX file, or the name of shipped weights")
    parser.add_argument("--split", default="val", help="which scans")
    parser.add_argument("--scans", type=int, default=200, help="how many, of those with an item")
    chosen = parser.parse_args(arguments)
    everything = read_coco(chosen.data, chosen.split).scans
    print(f"doubted as they are: {describe_rate(doubted(everything))}")
    detector = detector_for(chosen.weights)
    for outcome in study(detector, chosen_scans(chosen.data, chosen.split, chosen.scans)):
        print(f"{outcome.fault}: " + ", ".join(f"{one} {describe_rate(rate)}" for one, rate in outcome.rates.items()))


if __name__ == "__main__":
    main()
