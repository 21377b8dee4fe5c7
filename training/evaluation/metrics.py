"""Everything that is measured on one split, in one call.

>>> metrics = evaluate(index, predictions, thresholds)                                          # doctest: +SKIP
>>> metrics.table.mean_of_frequent.AP50, metrics.curve.points[-1].rates.pd_scan.value           # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from detector.detections import Detections
from detector.errors import SettingsInvalid
from training.datasets.coco_index import CocoIndex
from training.evaluation.alignment import align
from training.evaluation.average_precision import LEAST_BOXES, PrecisionTable, average_precision
from training.evaluation.errors_found import ErrorsFound, find_errors
from training.evaluation.intervals import Intervals, Rate, bootstrap_ap50
from training.evaluation.matching import ClassMatches, match_all
from training.evaluation.operating_curve import (
    OperatingCurve,
    OperatingPoint,
    ScanScores,
    classes_with_clean_scans,
    operating_curve,
    rates_at,
    score_scans,
)


@dataclass(frozen=True)
class ClassAtThreshold:
    """One class at its alarm threshold.

    found: items with a box of their class on them. false_alarms: detections on annotated scans that are no hit.
    """

    threshold: float
    found: Rate
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
    """What `evaluate` measured. scans, boxes: of the split. scores: undivided, None without clean scans."""

    scans: int
    boxes: int
    table: PrecisionTable
    intervals: Intervals
    sources: dict[str, tuple[int, PrecisionTable]]
    curve: OperatingCurve | None
    scores: ScanScores | None
    at_thresholds: AtThresholds
    matches: dict[str, ClassMatches]
    errors: ErrorsFound

    def to_json(self) -> dict[str, Any]:
        """The contents of metrics.json, without the set-up; unrounded, null where not measurable."""
        return _document(self)


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
    table, matches = average_precision(index, aligned), match_all(index, aligned)
    judged = classes_with_clean_scans(index)
    scores = score_scans(index, aligned, judged) if judged else None
    return Metrics(
        scans=len(index),
        boxes=sum(row.n for row in table.classes.values()),
        table=table,
        intervals=bootstrap_ap50(matches, table.frequent, seed=seed),
        sources=_by_source(index, aligned),
        curve=operating_curve(scores) if scores else None,
        scores=scores,
        at_thresholds=_at_thresholds(index, aligned, matches, thresholds),
        matches=matches,
        errors=find_errors(index, aligned, thresholds),
    )


def _by_source(index: CocoIndex, aligned: Sequence[Detections]) -> dict[str, tuple[int, PrecisionTable]]:
    sources = np.array([scan.source for scan in index.scans])
    tables = {}
    for source in sorted(set(sources.tolist())):
        rows = np.flatnonzero(sources == source).tolist()
        part = replace(index, scans=tuple(index.scans[row] for row in rows))
        tables[source] = (len(rows), average_precision(part, [aligned[row] for row in rows]))
    return tables


def _at_thresholds(
    index: CocoIndex,
    aligned: Sequence[Detections],
    matches: Mapping[str, ClassMatches],
    thresholds: Mapping[str, float],
) -> AtThresholds:
    classes = {name: _class_at(found, thresholds[name]) for name, found in matches.items()}
    judged = classes_with_clean_scans(index)
    if not judged:
        return AtThresholds(classes, None, None)
    scores = score_scans(index, aligned, judged, thresholds)
    every = score_scans(index, aligned, range(len(index.class_names)), thresholds)
    return AtThresholds(classes, rates_at(scores, 1.0), Rate.of(every.highest[scores.clean] >= 1.0))


def _class_at(found: ClassMatches, threshold: float) -> ClassAtThreshold:
    alarms = found.scores >= threshold
    hits = int((alarms & found.hits).sum())
    outcomes = np.arange(found.boxes) < hits
    return ClassAtThreshold(threshold, Rate.of(outcomes), int(alarms.sum()) - hits, int(found.annotated.sum()))


def _document(metrics: Metrics) -> dict[str, Any]:
    table, intervals = metrics.table, metrics.intervals
    mean = {key: value for key, value in asdict(table.mean).items() if key != "n"}
    return {
        **mean,
        "AP50_interval": intervals.mean_AP50,
        f"classes_with_{LEAST_BOXES}_boxes": {
            **asdict(table.mean_of_frequent),
            "AP50_interval": intervals.mean_of_frequent_AP50,
            "classes": table.frequent,
        },
        "classes": {
            name: {**asdict(row), "AP50_interval": intervals.classes_AP50[name]} for name, row in table.classes.items()
        },
        "intervals": {"level": 0.95, "method": "bootstrap over scans", **_resampling(intervals)},
        "sources": {
            source: {"scans": scans, **asdict(part.mean), "classes": _rows_with_boxes(part)}
            for source, (scans, part) in metrics.sources.items()
        },
        "pd_at_pfa": asdict(metrics.curve) if metrics.curve else None,
        "at_thresholds": asdict(metrics.at_thresholds),
        "confusion": {"names": [*table.classes, "nothing"], "truth_by_row": metrics.errors.confusion.tolist()},
    }


def _resampling(intervals: Intervals) -> dict[str, int]:
    return {"resamples": intervals.resamples, "seed": intervals.seed}


def _rows_with_boxes(table: PrecisionTable) -> dict[str, Any]:
    return {name: asdict(row) for name, row in table.classes.items() if row.n}
