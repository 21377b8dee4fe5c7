"""What went wrong at the alarm thresholds: items missed, false alarms by kind, classes taken for one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.detections import Detections
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.evaluation.alignment import LOCALISED_IOU, intersection_over_union, only_annotated, truth_of
from training.evaluation.error_kinds import ErrorKind, error_kind, on_ignored
from training.evaluation.matching import assign

Box = tuple[float, float, float, float]


#: The kinds of false alarms in an officer's words; there is no MISSED among them.
WORDS = {
    ErrorKind.BACKGROUND: "nothing there",
    ErrorKind.CLASS: "wrong class",
    ErrorKind.LOCATION: "poor box",
    ErrorKind.BOTH: "poor box of the wrong class",
    ErrorKind.DUPLICATE: "second box",
}


@dataclass(frozen=True)
class Miss:
    """An item that no box of its class found at the class's threshold.

    box_xyxy: pixels. best_score: the highest score of a box of the class on it, 0 if there is none.
    """

    scan: int
    class_name: str
    box_xyxy: Box
    best_score: float


@dataclass(frozen=True)
class FalseAlarm:
    """A detection at or above its class's threshold that is no hit. box_xyxy: pixels. on_clean: no item in the scan."""

    scan: int
    class_name: str
    box_xyxy: Box
    score: float
    kind: ErrorKind
    on_clean: bool


@dataclass(frozen=True)
class ErrorsFound:
    """misses: lowest score first, larger items first among equals. false_alarms: highest score first.

    confusion: (C + 1, C + 1) counts, truth by row and detection by column; the last row is "nothing there", the last
    column "missed". An item found by a box of its own class counts as found, whatever else lies on it.
    """

    misses: tuple[Miss, ...]
    false_alarms: tuple[FalseAlarm, ...]
    confusion: NDArray[np.int64]


def find_errors(index: CocoIndex, aligned: Sequence[Detections], thresholds: Mapping[str, float]) -> ErrorsFound:
    """Compares with the truth at `thresholds`, by class name. aligned: of `alignment.align`."""
    limits = np.array([thresholds[name] for name in index.class_names], np.float32)
    confusion = np.zeros((len(limits) + 1, len(limits) + 1), np.int64)
    misses: list[Miss] = []
    false_alarms: list[FalseAlarm] = []
    for number, (scan, found) in enumerate(zip(index.scans, aligned, strict=True)):
        checked = only_annotated(scan, found)
        alarms = checked[checked.scores >= limits[checked.class_ids]]
        right = _right(scan, alarms)
        counts = (right >= 0) | ~on_ignored(scan, alarms)
        alarms = alarms[counts]
        owners = _owners(scan, alarms, right[counts])
        _count(confusion, scan, alarms, owners)
        misses += _misses(number, scan, checked, alarms, owners)
        false_alarms += _false_alarms(number, scan, alarms, owners)
    return ErrorsFound(
        tuple(sorted(misses, key=lambda miss: (miss.best_score, -_area(miss.box_xyxy)))),
        tuple(sorted(false_alarms, key=lambda alarm: -alarm.score)),
        confusion,
    )


def _right(scan: AnnotatedScan, alarms: Detections) -> NDArray[np.int64]:
    """The item of its own class that each alarm is on, or -1."""
    boxes, class_ids = truth_of(scan)
    same = alarms.class_ids[:, None] == class_ids[None, :]
    return assign(np.where(same, intersection_over_union(alarms.boxes_xyxy, boxes), -1.0))


def _owners(scan: AnnotatedScan, alarms: Detections, right: NDArray[np.int64]) -> NDArray[np.int64]:
    """The item that each alarm is on, or -1: first items of the alarm's own class (`right`), then items left over."""
    free = intersection_over_union(alarms.boxes_xyxy, truth_of(scan)[0])
    free[right >= 0] = -1
    free[:, right[right >= 0]] = -1
    return np.where(right >= 0, right, assign(free))


def _count(confusion: NDArray[np.int64], scan: AnnotatedScan, alarms: Detections, owners: NDArray[np.int64]) -> None:
    class_ids = truth_of(scan)[1]
    nothing = len(confusion) - 1
    for class_id, owner in zip(alarms.class_ids, owners, strict=True):
        confusion[class_ids[owner] if owner >= 0 else nothing, class_id] += 1
    for missed in np.setdiff1d(np.arange(len(class_ids)), owners):
        confusion[class_ids[missed], nothing] += 1


def _misses(
    number: int, scan: AnnotatedScan, checked: Detections, alarms: Detections, owners: NDArray[np.int64]
) -> list[Miss]:
    boxes, class_ids = truth_of(scan)
    on = owners >= 0
    right = owners[on][alarms.class_ids[on] == class_ids[owners[on]]]
    best = intersection_over_union(checked.boxes_xyxy, boxes) >= LOCALISED_IOU
    best &= checked.class_ids[:, None] == class_ids[None, :]
    scores = np.where(best, checked.scores[:, None], 0.0).max(axis=0, initial=0.0)
    return [
        Miss(number, _name(alarms, class_ids[item]), _corners(boxes[item]), float(scores[item]))
        for item in np.setdiff1d(np.arange(len(boxes)), right)
    ]


def _false_alarms(number: int, scan: AnnotatedScan, alarms: Detections, owners: NDArray[np.int64]) -> list[FalseAlarm]:
    boxes, class_ids = truth_of(scan)
    overlaps = intersection_over_union(alarms.boxes_xyxy, boxes)
    same = alarms.class_ids[:, None] == class_ids[None, :]
    right = [owner for row, owner in enumerate(owners) if owner >= 0 and class_ids[owner] == alarms.class_ids[row]]
    taken = np.isin(np.arange(len(class_ids)), right)
    wrong = [row for row, owner in enumerate(owners) if owner < 0 or class_ids[owner] != alarms.class_ids[row]]
    return [
        FalseAlarm(
            number,
            _name(alarms, alarms.class_ids[row]),
            _corners(alarms.boxes_xyxy[row]),
            float(alarms.scores[row]),
            error_kind(overlaps[row], same[row], taken)[0],
            on_clean=len(scan.class_ids) == 0,
        )
        for row in wrong
    ]


def _name(found: Detections, class_id: np.int64) -> str:
    return found.class_names[int(class_id)]


def _corners(box: NDArray[np.float32]) -> Box:
    x1, y1, x2, y2 = (float(value) for value in box)
    return x1, y1, x2, y2


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
