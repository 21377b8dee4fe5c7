"""What decides each scan's alarm: the best score of the classes considered, and on which scans it can be judged.

>>> scored = ScoredScans.of(index, align(index, predictions))                                   # doctest: +SKIP
>>> scored.of_classes(classes_with_clean_scans(index)).highest                                  # doctest: +SKIP

Detections are laid against the items once; the scores of any classes follow from that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.detections import Detections
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.evaluation.alignment import LOCALISED_IOU, intersection_over_union, truth_of
from training.evaluation.intervals import group_numbers

Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class ScanScores:
    """What decides each scan's alarm, over S scans. Scores are divided by the thresholds given, so that 1 is the alarm.

    classes: those considered. highest: (S,) best score of any class considered, 0 without detections.
    localised_by_class: (S, C) of each class, among boxes that lie on an item of it. clean, positive: (S,) bool; a scan
    may be neither.
    holds: (S, C) bool, classes of which the scan holds an item. sources: (S,) names. groups: (S,) number of the bag.
    """

    classes: tuple[str, ...]
    highest: NDArray[np.float64]
    localised_by_class: NDArray[np.float64]
    clean: NDArray[np.bool_]
    positive: NDArray[np.bool_]
    holds: NDArray[np.bool_]
    sources: tuple[str, ...]
    groups: NDArray[np.int64]

    @property
    def localised(self) -> NDArray[np.float64]:
        """(S,) best score among boxes that lie on an item of their class, 0 without."""
        best: NDArray[np.float64] = self.localised_by_class.max(axis=1, initial=0.0)
        return best


@dataclass(frozen=True)
class ScoredScans:
    """A split and what was found in it, of which the scores of some classes are asked.

    aligned: of `alignment.align`. on_item: of each scan's boxes, (n,) whether it lies on an item of its class. holds:
    (S, C) bool, classes of which the scan holds an item. groups: (S,) number of the bag.
    """

    index: CocoIndex
    aligned: Sequence[Detections]
    on_item: tuple[Bool, ...]
    holds: Bool
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, index: CocoIndex, aligned: Sequence[Detections]) -> ScoredScans:
        """aligned: of `alignment.align`."""
        on_item = tuple(_on_item(scan, found) for scan, found in zip(index.scans, aligned, strict=True))
        holds = np.array([_holds(scan, len(index.class_names)) for scan in index.scans], bool)
        return cls(index, aligned, on_item, holds.reshape(len(index), -1), group_numbers(index))

    def of_classes(self, class_ids: Sequence[int], thresholds: Mapping[str, float] | None = None) -> ScanScores:
        """The scores that decide each scan. thresholds: by class name; None divides by 1."""
        names, scans = self.index.class_names, self.index.scans
        # As the station compares: in single precision, where a score may lie on its threshold.
        divisors = np.array([thresholds[name] if thresholds else 1.0 for name in names], np.float32).astype(np.float64)
        scaled = [found.scores / divisors[found.class_ids] for found in self.aligned]
        considered = [np.isin(found.class_ids, list(class_ids)) for found in self.aligned]
        holds = self.holds[:, list(class_ids)]
        return ScanScores(
            classes=tuple(names[class_id] for class_id in class_ids),
            highest=_highest(scaled, considered),
            localised_by_class=np.stack([self._localised(scaled, class_id) for class_id in class_ids], axis=1),
            clean=np.array([is_clean(scan, class_ids) for scan in scans], bool),
            positive=np.asarray(holds.any(axis=1)),
            holds=holds,
            sources=tuple(scan.source for scan in scans),
            groups=self.groups,
        )

    def _localised(self, scaled: Sequence[NDArray[np.float64]], class_id: int) -> NDArray[np.float64]:
        pairs = zip(self.on_item, self.aligned, strict=True)
        return _highest(scaled, [hit & (found.class_ids == class_id) for hit, found in pairs])


def classes_with_clean_scans(index: CocoIndex) -> tuple[int, ...]:
    """Ids of the classes that can be judged together on clean scans, derived from the scans without any box.

    Among the sets of classes that such scans were checked for, the one with the most (scan, class) pairs; () if no
    scan is empty. A scan with boxes of classes that the weights do not know is not.
    """
    empty = [
        scan.annotated
        for scan in index.scans
        if not len(scan.class_ids) and not scan.of_others and scan.annotated.any()
    ]
    if not empty:
        return ()
    masks, checked = np.unique(np.stack(empty), axis=0), np.stack(empty)
    pairs = [int((checked | ~mask).all(axis=1).sum() * mask.sum()) for mask in masks]
    return tuple(np.flatnonzero(masks[int(np.argmax(pairs))]).tolist())


def is_clean(scan: AnnotatedScan, class_ids: Sequence[int]) -> bool:
    """Whether all these classes were looked for in the scan and none is there, not even in an ignored region.

    Nor may it hold an item of a class that the weights do not know: an alarm on that one is no false one.
    """
    considered = list(class_ids)
    held = np.isin(scan.class_ids, considered).any() or bool(scan.of_others)
    return bool(scan.annotated[considered].all()) and not held


def _highest(scores: Sequence[NDArray[np.float64]], chosen: Sequence[NDArray[np.bool_]]) -> NDArray[np.float64]:
    return np.array([row[mask].max(initial=0.0) for row, mask in zip(scores, chosen, strict=True)], np.float64)


def _on_item(scan: AnnotatedScan, found: Detections) -> NDArray[np.bool_]:
    boxes, class_ids = truth_of(scan)
    same = found.class_ids[:, None] == class_ids[None, :]
    on: NDArray[np.bool_] = (same & (intersection_over_union(found.boxes_xyxy, boxes) >= LOCALISED_IOU)).any(axis=1)
    return on


def _holds(scan: AnnotatedScan, classes: int) -> NDArray[np.bool_]:
    held = np.zeros(classes, bool)
    held[truth_of(scan)[1]] = True
    return held
