"""Which detection is which item at an IoU, .5 unless said: the matching behind curves, intervals and operating points.

The rule is COCO's (Lin et al. 2014, arXiv 1405.0312; `cocoeval.evaluateImg`): by falling score, each detection takes
the free item of its class that it overlaps most. A second box on the same item is a false alarm. One that fits only
an ignored region is neither. Of items of one size alone, one that takes an item of another size, or that is of another
size itself and takes none, is neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from detector.detections import Detections
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.evaluation.alignment import LOCALISED_IOU, intersection_over_union, only_annotated, shared_area

#: As in COCO; a detector that scatters more boxes of one class over a scan is not better for it.
MOST_DETECTIONS = 100
#: All areas: least and most, as of boxes.
ANY_AREA = (0.0, inf)
#: Resamples times detections worked on at once, which bounds the memory.
_MOST_CELLS = 20_000_000
_RECALL_LEVELS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class ClassMatches:
    """The n detections of one class over all scans, highest score first, those that are neither right nor wrong left
    out.

    scores: (n,) float32. hits: (n,) bool. scans: (n,) int64, position in the index. boxes_xyxy: (n, 4) float32, pixels.
    boxes_per_scan: (S,) int64, items of the class in each scan. annotated: (S,) bool, scans where it was looked for.
    """

    scores: NDArray[np.float32]
    hits: NDArray[np.bool_]
    scans: NDArray[np.int64]
    boxes_xyxy: NDArray[np.float32]
    boxes_per_scan: NDArray[np.int64]
    annotated: NDArray[np.bool_]

    @property
    def boxes(self) -> int:
        """Items in all scans."""
        return int(self.boxes_per_scan.sum())

    def precision_recall(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Precision (n,) and recall (n,) when the threshold is each detection's score."""
        found = np.cumsum(self.hits)
        return found / np.arange(1, len(self.hits) + 1), found / max(1, self.boxes)


def match_class(
    index: CocoIndex,
    aligned: Sequence[Detections],
    class_id: int,
    iou: float = LOCALISED_IOU,
    area: tuple[float, float] = ANY_AREA,
) -> ClassMatches:
    """Matches one class over all scans of the index. iou: from which a detection is on an item. area: least and most of
    the items that are asked for, both included."""
    parts = [
        _match_scan(scan, only_annotated(scan, found), class_id, iou, area)
        for scan, found in zip(index.scans, aligned, strict=True)
    ]
    scans = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    scores, hits, boxes = (np.concatenate([part[field] for part in parts]) for field in range(3))
    order = np.argsort(-scores, kind="stable")
    return ClassMatches(
        scores=scores[order],
        hits=hits[order],
        scans=scans[order],
        boxes_xyxy=boxes[order],
        boxes_per_scan=np.array([part[3] for part in parts], np.int64),
        annotated=np.array([scan.annotated[class_id] for scan in index.scans], bool),
    )


def match_all(
    index: CocoIndex,
    aligned: Sequence[Detections],
    iou: float = LOCALISED_IOU,
    area: tuple[float, float] = ANY_AREA,
) -> dict[str, ClassMatches]:
    """Matches every class, by name."""
    return {name: match_class(index, aligned, class_id, iou, area) for class_id, name in enumerate(index.class_names)}


def resampled_precision(matches: ClassMatches, weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """AP at the IoU of the matching, of B resamples of the scans, (B,); nan where one holds no item of the class.

    weights: (B, S), how often each scan is in each resample; all ones gives COCO's figure. Drawing a scan w times
    repeats its detections w times at the same scores, so weighted cumulative sums give exactly what a copy would.
    """
    rows = max(1, _MOST_CELLS // max(1, len(matches.scans)))
    blocks = [weights[start : start + rows] for start in range(0, len(weights), rows)]
    return np.concatenate([_resampled(matches, block) for block in blocks])


def _resampled(matches: ClassMatches, weights: NDArray[np.int64]) -> NDArray[np.float64]:
    drawn = weights[:, matches.scans].astype(np.float64)
    found = np.cumsum(drawn * matches.hits, axis=1)
    alarms = np.cumsum(drawn, axis=1)
    items = weights @ matches.boxes_per_scan
    precision = np.divide(found, alarms, out=np.zeros_like(found), where=alarms > 0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    return np.array(
        [_interpolated(*row) if row[2] else np.nan for row in zip(envelope, found, items, strict=True)], np.float64
    )


def average_precision_of(scores: NDArray[np.float32], hits: NDArray[np.bool_], items: int) -> float:
    """AP of n detections in any order, of which `hits` (n,) are on one of `items` items each; 0 without items."""
    if not items or not len(scores):
        return 0.0
    found = np.cumsum(hits[np.argsort(-scores, kind="stable")]).astype(np.float64)
    precision = found / np.arange(1, len(found) + 1)
    return _interpolated(np.maximum.accumulate(precision[::-1])[::-1], found, items)


def _interpolated(envelope: NDArray[np.float64], found: NDArray[np.float64], items: int) -> float:
    """Mean of the precision envelope at the 101 recall levels of COCO, zero beyond the largest recall."""
    places = np.searchsorted(found / items, _RECALL_LEVELS, side="left")
    return float(np.append(envelope, 0.0)[places].mean())


def resampled_recall(matches: ClassMatches, weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """The largest recall at the IoU of the matching, of B resamples of the scans, (B,); nan where one holds no item.

    weights: (B, S), as of `resampled_precision`.
    """
    found = weights @ np.bincount(matches.scans[matches.hits], minlength=len(matches.boxes_per_scan))
    items = weights @ matches.boxes_per_scan
    recall: NDArray[np.float64] = np.divide(found, items, out=np.full(len(items), np.nan), where=items > 0)
    return recall


def _match_scan(
    scan: AnnotatedScan, found: Detections, class_id: int, iou: float, area: tuple[float, float]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32], int]:
    """Scores, hits and boxes of one class in one scan, and the number of its items."""
    mine = found[found.class_ids == class_id][:MOST_DETECTIONS]
    of_class = (scan.class_ids == class_id) & scan.annotated[class_id]
    items, ignored = scan.boxes_xyxy[of_class & ~scan.ignore], scan.boxes_xyxy[of_class & scan.ignore]
    wanted = _of_area(items, area)
    hits = assign(intersection_over_union(mine.boxes_xyxy, items[wanted]), iou) >= 0
    counted = hits | ~inside_ignored(mine.boxes_xyxy, ignored, iou)
    if area != ANY_AREA:
        missed = np.flatnonzero(~hits)
        elsewhere = assign(intersection_over_union(mine.boxes_xyxy[missed], items[~wanted]), iou) >= 0
        counted[missed[elsewhere | ~_of_area(mine.boxes_xyxy[missed], area)]] = False
    return mine.scores[counted], hits[counted], mine.boxes_xyxy[counted], int(wanted.sum())


def _of_area(boxes: NDArray[np.float32], area: tuple[float, float]) -> NDArray[np.bool_]:
    areas = np.prod(boxes[:, 2:].astype(np.float64) - boxes[:, :2], axis=1)
    return np.asarray((areas >= area[0]) & (areas <= area[1]), np.bool_)


def assign(overlaps: NDArray[np.float64], iou: float = LOCALISED_IOU) -> NDArray[np.int64]:
    """overlaps (n, m) of n detections, best score first, with m items -> (n,) the item each takes, or -1."""
    taken = np.full(len(overlaps), -1, np.int64)
    if overlaps.shape[1] == 0:
        return taken
    free = overlaps.copy()
    for row in range(len(free)):
        # The last of equals, as COCO's loop has it.
        best = free.shape[1] - 1 - int(free[row, ::-1].argmax())
        if free[row, best] >= iou:
            taken[row] = best
            free[:, best] = -1
    return taken


def inside_ignored(
    boxes: NDArray[np.float32], ignored: NDArray[np.float32], share: float = LOCALISED_IOU
) -> NDArray[np.bool_]:
    """(n,) whether so much of each box is ignored: COCO's overlap with crowds is by the box's own area."""
    areas = np.prod(boxes[:, 2:].astype(np.float64) - boxes[:, :2], axis=1)
    inside: NDArray[np.bool_] = (shared_area(boxes, ignored) >= share * areas[:, None]).any(axis=1)
    return inside
