"""Everything that is measured on one split, in one call.

>>> metrics = evaluate(index, predictions, thresholds)                                          # doctest: +SKIP
>>> metrics.table.mean_of_frequent.AP50, metrics.curve.points[-1].rates.pd_scan.value           # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detector.detections import Detections
from detector.errors import SettingsInvalid
from training.datasets.coco_index import CocoIndex
from training.datasets.scanners import scanner_of
from training.evaluation.alignment import align
from training.evaluation.average_precision import LEAST_BOXES, PrecisionTable, average_precision
from training.evaluation.breakdown import (
    Part,
    SizeRow,
    by_part,
    by_size,
    source_of,
    subset_of,
)
from training.evaluation.calibration_error import Calibration, measure_calibration
from training.evaluation.error_kinds import ErrorCosts, error_costs
from training.evaluation.errors_found import ErrorsFound, find_errors
from training.evaluation.froc import Froc, froc
from training.evaluation.intervals import (
    Interval,
    PrecisionIntervals,
    Rate,
    bootstrap_precision,
    bootstrap_recall,
    group_draws,
    group_numbers,
)
from training.evaluation.matching import ClassMatches, match_all
from training.evaluation.operating_curve import OperatingCurve, OperatingPoint, class_curves, operating_curve, rates_at
from training.evaluation.scan_scores import ScanScores, ScoredScans, classes_with_clean_scans

_RESAMPLES = 200
#: Of COCO's AP.
IOUS: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).round(2).tolist())


@dataclass(frozen=True)
class ClassAtThreshold:
    """One class at its alarm threshold.

    found: items with a box of their class on them. false_alarms: detections on annotated scans that are no hit.
    pfa: scans that alarm for the class, of those where it was looked for and is not, whatever else they hold.
    """

    threshold: float
    found: Rate
    pfa: Rate
    false_alarms: int
    annotated_scans: int


@dataclass(frozen=True)
class AtThresholds:
    """What the weights do as shipped. rates: of the classes with clean scans; None if there are none.

    any_class_on_clean: clean scans with an alarm of any class at all. Classes that were not looked for there may be
    present, so it is an upper limit of the false alarms an officer would see.
    """

    classes: dict[str, ClassAtThreshold]
    rates: OperatingPoint | None
    any_class_on_clean: Rate | None


@dataclass(frozen=True)
class Metrics:
    """What `evaluate` measured.

    scans, groups, boxes: of the split. resamples, seed: of the intervals. scores: undivided, None without clean scans.
    parts: "sources", "scanners" and "subsets" (empty where the set has none), each by name. class_curves: each class on
    the scans clean for it.
    """

    scans: int
    groups: int
    boxes: int
    table: PrecisionTable
    resamples: int
    seed: int
    AP50_intervals: PrecisionIntervals
    AP_intervals: PrecisionIntervals
    AR_intervals: PrecisionIntervals
    sizes: tuple[SizeRow, ...]
    parts: dict[str, dict[str, Part]]
    curve: OperatingCurve | None
    class_curves: dict[str, OperatingCurve]
    scores: ScanScores | None
    froc: Froc
    at_thresholds: AtThresholds
    calibration: Calibration
    matches: dict[str, ClassMatches]
    errors: ErrorsFound
    costs: ErrorCosts

    def told(self) -> str:
        """AP50 and AP in a line, each with its interval, and what they are of; "" where neither can be measured."""
        table, frequent = self.table, bool(self.table.frequent)
        mean = table.mean_of_frequent if frequent else table.mean
        if mean.AP50 is None or mean.AP is None:
            return ""
        intervals = (self.AP50_intervals, self.AP_intervals)
        between = [_between(one.mean_of_frequent if frequent else one.mean) for one in intervals]
        count = len(table.frequent) if frequent else sum(row.n > 0 for row in table.classes.values())
        over = f"{count} class{'es' * (count != 1)} with {f'at least {LEAST_BOXES} boxes' if frequent else 'a box'}"
        return f"AP50 {mean.AP50:.3f}{between[0]}, AP {mean.AP:.3f}{between[1]} over {over}, n {mean.n}"


def evaluate(
    index: CocoIndex, predictions: Sequence[Detections], thresholds: Mapping[str, float], seed: int = 0
) -> Metrics:
    """Measures predictions, one for each scan of `index` in its order, against the ground truth.

    thresholds: the score at which each class alarms. seed: of the bootstrap. Raises SettingsInvalid if the index is
    empty, a class has no threshold, or the predictions do not fit the index.
    """
    missing = [name for name in index.class_names if name not in thresholds]
    if missing or not index.scans:
        what = f"no threshold for {', '.join(missing)}" if missing else "no scans to evaluate on"
        raise SettingsInvalid(what, remedy="evaluate on a split and with thresholds that cover its classes")
    aligned = align(index, predictions)
    table, matches, groups = average_precision(index, aligned), match_all(index, aligned), group_numbers(index)
    judged = classes_with_clean_scans(index)
    scored = ScoredScans.of(index, aligned)
    scores = scored.of_classes(judged) if judged else None
    draws = group_draws(groups, _RESAMPLES, seed)
    at_every_iou = [match_all(index, aligned, iou) for iou in IOUS]
    return Metrics(
        scans=len(index),
        groups=len(np.unique(groups)),
        boxes=sum(row.n for row in table.classes.values()),
        table=table,
        resamples=_RESAMPLES,
        seed=seed,
        AP50_intervals=bootstrap_precision([matches], table.frequent, draws),
        AP_intervals=bootstrap_precision(at_every_iou, table.frequent, draws),
        AR_intervals=bootstrap_recall(at_every_iou, table.frequent, draws),
        sizes=by_size(index, aligned, seed),
        parts=_parts(index, aligned, seed),
        curve=operating_curve(scores, seed=seed) if scores else None,
        class_curves=class_curves(scored),
        scores=scores,
        froc=froc(matches, draws),
        at_thresholds=_at_thresholds(scored, matches, thresholds),
        calibration=measure_calibration(index, matches, seed),
        matches=matches,
        errors=find_errors(index, aligned, thresholds),
        costs=error_costs(index, aligned),
    )


def _between(interval: Interval | None) -> str:
    return f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""


def _parts(index: CocoIndex, aligned: Sequence[Detections], seed: int) -> dict[str, dict[str, Part]]:
    ways = {"sources": source_of, "scanners": scanner_of, "subsets": subset_of}
    return {name: by_part(index, aligned, part_of, seed) for name, part_of in ways.items()}


def _at_thresholds(
    scored: ScoredScans, matches: Mapping[str, ClassMatches], thresholds: Mapping[str, float]
) -> AtThresholds:
    index = scored.index
    classes = {
        name: _class_at(index, found, thresholds[name], scored.of_classes((class_id,)))
        for class_id, (name, found) in enumerate(matches.items())
    }
    judged = classes_with_clean_scans(index)
    if not judged:
        return AtThresholds(classes, None, None)
    scores = scored.of_classes(judged, thresholds)
    every = scored.of_classes(range(len(index.class_names)), thresholds)
    alarms = every.highest[scores.clean] >= 1.0
    return AtThresholds(classes, rates_at(scores, 1.0), Rate.of(alarms, scores.groups[scores.clean]))


def _class_at(index: CocoIndex, found: ClassMatches, threshold: float, scores: ScanScores) -> ClassAtThreshold:
    alarms = found.scores >= threshold
    # One outcome an item; which of a scan's items were found does not matter for the rate, only how many.
    hits = np.bincount(found.scans[alarms & found.hits], minlength=len(index))
    outcomes = np.concatenate([np.arange(n) < hit for n, hit in zip(found.boxes_per_scan, hits, strict=True)])
    bags = np.repeat(scores.groups, found.boxes_per_scan)
    false_alarms = int(alarms.sum() - hits.sum())
    # In single precision, as the station compares.
    pfa = Rate.of(scores.highest[scores.clean] >= np.float32(threshold), scores.groups[scores.clean])
    return ClassAtThreshold(threshold, Rate.of(outcomes, bags), pfa, false_alarms, int(found.annotated.sum()))
