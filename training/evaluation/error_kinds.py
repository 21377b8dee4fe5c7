"""What average precision loses to each kind of error, after TIDE (Bolya et al. 2020, arXiv 2008.08115).

Every detection that is no hit at IoU .5 has one kind, the first that fits:

    location    IoU .1 to .5 with an item of its class: the right thing, poorly boxed
    class       IoU .5 or more with an item of another class
    duplicate   IoU .5 or more with an item of its class that a higher score has
    background  IoU .1 or less with everything
    both        the rest: poorly boxed and of the wrong class

Missed are the items that no detection found and that no location or class error could have found. The cost of a kind,
dAP, is the rise of AP50 when an oracle mends that kind alone: a location or class error whose item nobody found becomes
a hit (the highest score of several; the others go), every other error goes, a missed item leaves the count of items.

All detections take part, not only alarms, as AP50 itself is over all scores. Classes that a scan's source did not look
for, and ignored regions, are left out as everywhere here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from detector.detections import Detections
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.evaluation.alignment import LOCALISED_IOU, intersection_over_union, only_annotated, truth_of
from training.evaluation.matching import MOST_DETECTIONS, assign, average_precision_of, inside_ignored

#: Overlap up to which a detection has nothing to do with an item; TIDE's background threshold.
TOUCHING_IOU = 0.1


class ErrorKind(StrEnum):
    """Why AP50 is below 1."""

    CLASS = "class"
    LOCATION = "location"
    BOTH = "both"
    DUPLICATE = "duplicate"
    BACKGROUND = "background"
    MISSED = "missed"


@dataclass(frozen=True)
class ErrorCost:
    """One kind: how many, and by how much AP50 would rise without them (mean over the classes with items)."""

    count: int
    dAP: float


@dataclass(frozen=True)
class ErrorCosts:
    """AP50 as it is, and what each kind costs. The costs do not add up to 1 - AP50: mending one lays bare another."""

    AP50: float | None
    kinds: dict[ErrorKind, ErrorCost]


@dataclass(frozen=True)
class JudgedScan:
    """The detections of one scan, highest score first, and its m items.

    scores, class_ids: (n,). item: (n,) the item that a hit is on or that a mended error would be on, -1 for none.
    kinds: (n,) None for a hit. found: (m,) bool. missed: (m,) bool. item_classes: (m,).
    """

    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    item: NDArray[np.int64]
    kinds: tuple[ErrorKind | None, ...]
    found: NDArray[np.bool_]
    missed: NDArray[np.bool_]
    item_classes: NDArray[np.int64]


def error_costs(index: CocoIndex, aligned: Sequence[Detections]) -> ErrorCosts:
    """Of one split. aligned: of `alignment.align`. AP50 is None, and every cost 0, without any item."""
    judged = [judge_scan(scan, found) for scan, found in zip(index.scans, aligned, strict=True)]
    classes = len(index.class_names)
    before = _ap50(judged, None, classes)
    kinds = {}
    for kind in ErrorKind:
        after = _ap50(judged, kind, classes)
        # Mending can move a hit across one of the 101 recall levels; that is no cost.
        gain = max(0.0, after - before) if before is not None and after is not None else 0.0
        kinds[kind] = ErrorCost(_number(judged, kind), gain)
    return ErrorCosts(before, kinds)


def judge_scan(scan: AnnotatedScan, found: Detections) -> JudgedScan:
    """The kinds of one scan's detections. found: class ids of the index, highest score first."""
    kept = _counted(scan, only_annotated(scan, found))
    boxes, classes = truth_of(scan)
    overlaps = intersection_over_union(kept.boxes_xyxy, boxes)
    same = kept.class_ids[:, None] == classes[None, :]
    item = assign(np.where(same, overlaps, -1.0))
    kept, item, overlaps, same = _without_ignored(scan, kept, item, overlaps, same)
    taken = np.isin(np.arange(len(classes)), item)
    kinds: list[ErrorKind | None] = [None] * len(item)
    for row in np.flatnonzero(item < 0):
        kinds[row], item[row] = error_kind(overlaps[row], same[row], taken)
    reachable = np.isin(np.arange(len(classes)), item)
    return JudgedScan(kept.scores, kept.class_ids, item, tuple(kinds), taken, ~reachable, classes)


def error_kind(
    overlaps: NDArray[np.float64], same: NDArray[np.bool_], taken: NDArray[np.bool_]
) -> tuple[ErrorKind, int]:
    """Kind of a detection that is no hit, and the item on which mending would put it, -1 for none.

    overlaps: (m,) with the items. same: (m,) items of its class. taken: (m,) items that a hit has.
    """
    if not len(overlaps):
        return ErrorKind.BACKGROUND, -1
    own, other = np.where(same, overlaps, 0.0), np.where(same, 0.0, overlaps)
    if TOUCHING_IOU <= own.max() < LOCALISED_IOU:
        return ErrorKind.LOCATION, int(own.argmax())
    if other.max() >= LOCALISED_IOU:
        return ErrorKind.CLASS, int(other.argmax())
    if (own * taken).max() >= LOCALISED_IOU:
        return ErrorKind.DUPLICATE, -1
    return (ErrorKind.BACKGROUND if overlaps.max() <= TOUCHING_IOU else ErrorKind.BOTH), -1


def _counted(scan: AnnotatedScan, found: Detections) -> Detections:
    """At most MOST_DETECTIONS of each class, as in AP."""
    rank = np.zeros(len(found), np.int64)
    for class_id in np.unique(found.class_ids):
        mine = found.class_ids == class_id
        rank[mine] = np.arange(int(mine.sum()))
    return found[rank < MOST_DETECTIONS]


def _without_ignored(
    scan: AnnotatedScan,
    kept: Detections,
    item: NDArray[np.int64],
    overlaps: NDArray[np.float64],
    same: NDArray[np.bool_],
) -> tuple[Detections, NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Without the detections that lie on an ignored region of their class and are no hit."""
    counts = (item >= 0) | ~on_ignored(scan, kept)
    return kept[counts], item[counts], overlaps[counts], same[counts]


def on_ignored(scan: AnnotatedScan, found: Detections) -> NDArray[np.bool_]:
    """(n,) whether each detection lies on an ignored region of its class, by COCO's rule."""
    excused = np.zeros(len(found), bool)
    for class_id in np.unique(scan.class_ids[scan.ignore]):
        mine = found.class_ids == class_id
        regions = scan.boxes_xyxy[scan.ignore & (scan.class_ids == class_id)]
        excused[mine] = inside_ignored(found.boxes_xyxy[mine], regions)
    return excused


def _number(judged: Sequence[JudgedScan], kind: ErrorKind) -> int:
    if kind is ErrorKind.MISSED:
        return sum(int(scan.missed.sum()) for scan in judged)
    return sum(scan.kinds.count(kind) for scan in judged)


def _ap50(judged: Sequence[JudgedScan], mended: ErrorKind | None, classes: int) -> float | None:
    """Mean AP50 over the classes with items, with one kind of error mended."""
    parts = [_after(scan, mended) for scan in judged]
    scores, class_ids, hits = (np.concatenate([part[field] for part in parts]) for field in range(3))
    items = np.zeros(classes, np.int64)
    had = np.zeros(classes, np.int64)
    for scan in judged:
        counted = scan.item_classes[~scan.missed] if mended is ErrorKind.MISSED else scan.item_classes
        items += np.bincount(counted, minlength=classes)
        had += np.bincount(scan.item_classes, minlength=classes)
    values = [
        average_precision_of(scores[class_ids == class_id], hits[class_ids == class_id], int(items[class_id]))
        for class_id in np.flatnonzero(had)
    ]
    return float(np.mean(values)) if values else None


def _after(
    scan: JudgedScan, mended: ErrorKind | None
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
    """Scores, classes and hits (k,) of the scan's detections when the oracle has mended one kind."""
    wrong = np.array([kind is not None for kind in scan.kinds], bool)
    if mended is None:
        return scan.scores, scan.class_ids, ~wrong
    mine = np.array([kind is mended for kind in scan.kinds], bool)
    saved = np.zeros(len(mine), bool)
    for item in np.unique(scan.item[mine & (scan.item >= 0)]):
        if not scan.found[item]:
            # Highest score first: the others on this item would be duplicates.
            saved[np.flatnonzero(mine & (scan.item == item))[0]] = True
    class_ids = scan.class_ids.copy()
    class_ids[saved] = scan.item_classes[scan.item[saved]]
    keep = ~mine | saved
    return scan.scores[keep], class_ids[keep], (~wrong | saved)[keep]
