"""Pd at Pfa: how many of the scans that hold a threat alarm, when so many of the clean scans alarm by mistake.

A scan's score is the highest score of any class considered. False alarms can be counted only on clean scans: all
classes considered were looked for, and none is there. Which classes these are follows from the ground truth.

Two Pd are reported. `scan` counts an alarm anywhere in a scan that holds an item, as an officer opening the bag would
see it; it flatters a detector that alarms for the wrong reason. `localised` asks that an alarming box is on an item of
its class (IoU >= .5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.detections import Detections
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.evaluation.alignment import LOCALISED_IOU, intersection_over_union, truth_of
from training.evaluation.intervals import Rate

PFA_TARGETS = (0.001, 0.004, 0.01, 0.05, 0.10)


@dataclass(frozen=True)
class ScanScores:
    """What decides each scan's alarm, over S scans. Scores are divided by the thresholds given, so that 1 is the alarm.

    classes: those considered. highest: (S,) best score of any class considered, 0 without detections. localised: (S,)
    the same among boxes that lie on an item of their class. clean, positive: (S,) bool; a scan may be neither.
    holds: (S, C) bool, classes of which the scan holds an item. sources: (S,) names.
    """

    classes: tuple[str, ...]
    highest: NDArray[np.float64]
    localised: NDArray[np.float64]
    clean: NDArray[np.bool_]
    positive: NDArray[np.bool_]
    holds: NDArray[np.bool_]
    sources: tuple[str, ...]


@dataclass(frozen=True)
class OperatingPoint:
    """Rates at one threshold: pfa on the clean scans, the two pd on the positive ones, by class and by source."""

    pfa: Rate
    pd_scan: Rate
    pd_localised: Rate
    pd_localised_by_class: dict[str, Rate]
    pd_localised_by_source: dict[str, Rate]


@dataclass(frozen=True)
class CurvePoint:
    """The best point with pfa <= pfa_target; if too few scans are clean, a reason in place of threshold and rates."""

    pfa_target: float
    threshold: float | None
    rates: OperatingPoint | None
    reason: str = ""


@dataclass(frozen=True)
class OperatingCurve:
    """Pd against Pfa for one threshold over all classes considered."""

    classes: tuple[str, ...]
    clean_scans: int
    positive_scans: int
    points: tuple[CurvePoint, ...]


def classes_with_clean_scans(index: CocoIndex) -> tuple[int, ...]:
    """Ids of the classes that can be judged together on clean scans, derived from the scans without any box.

    Among the sets of classes that such scans were checked for, the one with the most (scan, class) pairs; () if no
    scan is empty.
    """
    empty = [scan.annotated for scan in index.scans if len(scan.class_ids) == 0 and scan.annotated.any()]
    if not empty:
        return ()
    masks, checked = np.unique(np.stack(empty), axis=0), np.stack(empty)
    pairs = [int((checked | ~mask).all(axis=1).sum() * mask.sum()) for mask in masks]
    return tuple(np.flatnonzero(masks[int(np.argmax(pairs))]).tolist())


def is_clean(scan: AnnotatedScan, class_ids: Sequence[int]) -> bool:
    """Whether all these classes were looked for in the scan and none is there, not even in an ignored region."""
    considered = list(class_ids)
    return bool(scan.annotated[considered].all()) and not np.isin(scan.class_ids, considered).any()


def score_scans(
    index: CocoIndex,
    aligned: Sequence[Detections],
    class_ids: Sequence[int],
    thresholds: Mapping[str, float] | None = None,
) -> ScanScores:
    """The scores that decide each scan. aligned: of `alignment.align`. thresholds: by class name; None divides by 1."""
    names = index.class_names
    divisors = np.array([thresholds[name] if thresholds else 1.0 for name in names])
    scaled = [found.scores / divisors[found.class_ids] for found in aligned]
    considered = [np.isin(found.class_ids, list(class_ids)) for found in aligned]
    on_item = [_on_item(scan, found) for scan, found in zip(index.scans, aligned, strict=True)]
    holds = np.stack([_holds(scan, len(names)) for scan in index.scans])[:, list(class_ids)]
    return ScanScores(
        classes=tuple(names[class_id] for class_id in class_ids),
        highest=_highest(scaled, considered),
        localised=_highest(scaled, [wanted & hit for wanted, hit in zip(considered, on_item, strict=True)]),
        clean=np.array([is_clean(scan, class_ids) for scan in index.scans], bool),
        positive=np.asarray(holds.any(axis=1)),
        holds=holds,
        sources=tuple(scan.source for scan in index.scans),
    )


def operating_curve(scores: ScanScores, targets: Sequence[float] = PFA_TARGETS) -> OperatingCurve:
    """The points of the curve at the Pfa targets, as far as the number of clean scans can show them."""
    return OperatingCurve(
        scores.classes,
        int(scores.clean.sum()),
        int(scores.positive.sum()),
        tuple(_point(scores, target) for target in targets),
    )


def full_curve(scores: ScanScores) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Pfa, scan-level Pd and localised Pd, each (K,), at every number of false alarms, for drawing."""
    thresholds = [threshold_for(scores.highest[scores.clean], allowed) for allowed in range(int(scores.clean.sum()))]
    return (
        np.array([(scores.highest[scores.clean] >= threshold).mean() for threshold in thresholds]),
        np.array([(scores.highest[scores.positive] >= threshold).mean() for threshold in thresholds]),
        np.array([(scores.localised[scores.positive] >= threshold).mean() for threshold in thresholds]),
    )


def rates_at(scores: ScanScores, threshold: float) -> OperatingPoint:
    """The rates when a scan alarms from `threshold` on."""
    alarms, localised = scores.highest >= threshold, scores.localised >= threshold
    sources = np.array(scores.sources)
    return OperatingPoint(
        pfa=Rate.of(alarms[scores.clean]),
        pd_scan=Rate.of(alarms[scores.positive]),
        pd_localised=Rate.of(localised[scores.positive]),
        pd_localised_by_class={
            name: Rate.of(localised[scores.holds[:, column]]) for column, name in enumerate(scores.classes)
        },
        pd_localised_by_source={
            source: Rate.of(localised[scores.positive & (sources == source)])
            for source in sorted(set(sources[scores.positive].tolist()))
        },
    )


def threshold_for(clean_scores: NDArray[np.float64], allowed: int) -> float:
    """The lowest threshold at which at most `allowed` of the clean scans alarm; above 0."""
    if allowed >= len(clean_scores):
        return float(np.finfo(np.float32).tiny)
    return float(np.nextafter(np.sort(clean_scores)[::-1][allowed], np.inf))


def allowed_alarms(clean_scans: int, pfa: float) -> int:
    """Whole number of false alarms within the rate; the small addition undoes rounding, as in 0.07 * 100 < 7."""
    return int(pfa * clean_scans + 1e-9)


def _point(scores: ScanScores, target: float) -> CurvePoint:
    clean = int(scores.clean.sum())
    allowed = allowed_alarms(clean, target)
    if allowed < 1:
        return CurvePoint(target, None, None, f"not measurable: needs >= {round(1 / target)} clean scans, has {clean}")
    threshold = threshold_for(scores.highest[scores.clean], allowed)
    return CurvePoint(target, threshold, rates_at(scores, threshold))


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
