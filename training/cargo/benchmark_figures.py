"""From the benchmark's records to its figures: Pd at Pfa, over all threats, by kind, by size and by what hides them.

A scan's score is the highest of its boxes, each as its odds over those of its class's alarm score. `scan` counts an
alarm anywhere in the scan; `localised` asks that an alarming box, of whatever class, lies on the threat (IoU >= .5).
Thresholds are chosen on the clean scans of the same kind of run, and the intervals hold that doubt, see
`training.evaluation.operating_curve`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.cargo.benchmark_plan import PITCH_MM
from training.evaluation.alignment import LOCALISED_IOU, intersection_over_union
from training.evaluation.intervals import Rate
from training.evaluation.operating_curve import CurvePoint, operating_curve
from training.evaluation.scan_scores import ScanScores

Record = Mapping[str, Any]
Float64 = NDArray[np.float64]

PFA_TARGETS = (0.001, 0.004, 0.01, 0.05)
#: Edges of the bands: longer side of a threat in pixels of 5 mm, millimetres of steel over it. Behind 220 the beam
#: leaves a dozen photons: nobody finds anything there.
SIZES_PX, STEEL_MM = (0, 20, 30, 60, 120, np.inf), (0, 10, 30, 60, 120, 220, np.inf)
#: Edges of the bands of `edge_contrast`: from 1 on a threat's edges are stronger than those of its load.
EDGE_CONTRASTS = (0, 0.25, 0.5, 1, np.inf)
#: The issue of the field: a metallic threat of at least this many pixels of 5 mm.
HEADLINE_PX = 30
HEADLINE = f"metallic, >= {HEADLINE_PX} px"
ALL = "all threats"


@dataclass(frozen=True)
class PointFigures:
    """Rates at one Pfa. by: part of the threats -> (alarm anywhere in the scan, alarm on the threat). pfa_by: kind of
    vehicle -> share of its clean scans that alarm."""

    pfa_target: float
    threshold: float | None
    pfa: Rate | None
    by: dict[str, tuple[Rate, Rate]]
    pfa_by: dict[str, Rate]
    reason: str = ""


@dataclass(frozen=True)
class BenchmarkFigures:
    """decisions: how many clean and threat scans the shipped alarm scores would have cleared, alarmed on, referred."""

    clean: int
    threats: int
    points: tuple[PointFigures, ...]
    parts: tuple[str, ...]
    decisions_clean: dict[str, int]
    decisions_threat: dict[str, int]


def benchmark_figures(records: Sequence[Record], thresholds: Mapping[str, float], seed: int = 0) -> BenchmarkFigures:
    """The figures of all records. thresholds: class -> alarm score."""
    parts = {name: part for name, part in threat_parts(records).items() if part.any()}
    scores = _scores(records, thresholds, parts)
    on_threat = operating_curve(scores, PFA_TARGETS, seed)
    everywhere = replace(scores, localised_by_class=_for_all(scores.highest, len(parts)))
    anywhere = operating_curve(everywhere, PFA_TARGETS, seed)
    alarms = _alarms_by_vehicle(records, scores)
    points = tuple(_point(*both, alarms) for both in zip(anywhere.points, on_threat.points, strict=True))
    clean = [record for record in records if not record["items"]]
    held = [record for record in records if record["items"]]
    return BenchmarkFigures(len(clean), len(held), points, tuple(parts), _decisions(clean), _decisions(held))


def _point(anywhere: CurvePoint, on_threat: CurvePoint, alarms: Callable[[float], dict[str, Rate]]) -> PointFigures:
    if anywhere.rates is None or on_threat.rates is None or anywhere.threshold is None:
        return PointFigures(anywhere.pfa_target, None, None, {}, {}, anywhere.reason)
    one, two = anywhere.rates.pd_localised_by_class, on_threat.rates.pd_localised_by_class
    by = {name: (one[name], two[name]) for name in one}
    return PointFigures(anywhere.pfa_target, anywhere.threshold, anywhere.rates.pfa, by, alarms(anywhere.threshold))


def _alarms_by_vehicle(records: Sequence[Record], scores: ScanScores) -> Callable[[float], dict[str, Rate]]:
    """Gives what a threshold means to the clean scans of each kind of vehicle, where kinds are known."""
    kinds = np.array([record.get("conveyance", "") for record in records])
    known = sorted(set(kinds[scores.clean].tolist()) - {""})

    def at(threshold: float) -> dict[str, Rate]:
        # Above it, as operating_curve has it.
        return {kind: Rate.of(scores.highest[scores.clean & (kinds == kind)] >= threshold) for kind in known}

    return at


def _decisions(records: Sequence[Record]) -> dict[str, int]:
    found = [record["decision"] for record in records]
    return {name: found.count(name) for name in ("CLEAR", "ALARM", "REFER")}


def told_of_referred(records: Sequence[Record], never_clear: str) -> dict[str, int]:
    """What was said of the scans that were referred, commonest first -> of how many; numbers as '#'. never_clear: of
    the weights, left out."""
    said = Counter(
        told
        for record in records
        if record["decision"] == "REFER"
        for told in {re.sub(r"\d+(\.\d+)?", "#", reason) for reason in record["reasons"] if reason != never_clear}
    )
    return dict(said.most_common())


def _scores(
    records: Sequence[Record], thresholds: Mapping[str, float], parts: Mapping[str, NDArray[np.bool_]]
) -> ScanScores:
    scaled = [odds_of(record, thresholds) for record in records]
    highest = np.array([row.max(initial=0.0) for row in scaled])
    on = [row[_on_threat(record)].max(initial=0.0) for record, row in zip(records, scaled, strict=True)]
    positive = np.array([bool(record["items"]) for record in records])
    return ScanScores(
        classes=tuple(parts),
        highest=highest,
        localised_by_class=_for_all(np.array(on), len(parts)),
        clean=~positive,
        positive=positive,
        holds=np.stack(list(parts.values()), axis=1) if parts else np.zeros((len(records), 0), bool),
        sources=("simulated freight",) * len(records),
        # A background is there twice, clean and with a threat.
        groups=np.array([record.get("group", record["number"]) for record in records], np.int64),
    )


def _for_all(scores: Float64, parts: int) -> Float64:
    """(S, P) the scans' scores (S,) for each part of the threats: whatever class alarms, the threat is found."""
    return np.repeat(scores[:, None], parts, axis=1)


def odds_of(record: Record, thresholds: Mapping[str, float]) -> Float64:
    """(n,) `alarm_odds` of a record's boxes."""
    limits = np.array([thresholds[name] for name in record["classes"]], np.float64)
    return alarm_odds(np.array(record["scores"], np.float64), limits)


def alarm_odds(scores: Float64, limits: Float64) -> Float64:
    """(n,) how far probabilities lie beyond alarm scores: the quotient of their odds, 1 where they are equal.

    A quotient of the probabilities themselves could not exceed 1 / limit: a class with a high alarm score would fall
    silent by arithmetic where few false alarms are allowed.
    """
    certain = 1 - np.finfo(np.float32).eps
    odds, least = (np.minimum(values, certain) / (1 - np.minimum(values, certain)) for values in (scores, limits))
    return np.asarray(odds / least)


def _on_threat(record: Record) -> NDArray[np.bool_]:
    boxes = np.array(record["boxes"], np.float32).reshape(-1, 4)
    truth = np.array([item["box"] for item in record["items"]], np.float32).reshape(-1, 4)
    return np.asarray((intersection_over_union(boxes, truth) >= LOCALISED_IOU).any(axis=1))


_Item = Callable[[Record, Record], bool]


def threat_parts(records: Sequence[Record]) -> dict[str, NDArray[np.bool_]]:
    """Name of a part -> (S,) the scans whose threat belongs to it."""
    tests: dict[str, _Item] = {ALL: _always, HEADLINE: _headline}
    for name in sorted({record["threat"] for record in records if record["threat"]}):
        tests[name] = partial(_has, "threat", name)
    tests |= _bands("px", SIZES_PX, lambda item: float(item["size_mm"]) / PITCH_MM)
    tests |= _bands("mm steel", STEEL_MM, lambda item: float(item["steel_mm"]))
    tests |= _bands("edge contrast", EDGE_CONTRASTS, _edge_contrast)
    for energies in (1, 2):
        tests[f"energies: {energies}"] = partial(_has, "energies", energies)
    for pitch in sorted({record["pitch_mm"] for record in records}):
        tests[f"pitch: {pitch:g} mm"] = partial(_has, "pitch_mm", pitch)
    return {
        name: np.array([any(test(record, item) for item in record["items"]) for record in records], bool)
        for name, test in tests.items()
    }


def _edge_contrast(item: Record) -> float:
    """NaN, which lies in no band, for records of runs that did not tell it."""
    value = item.get("edge_contrast")
    return float("nan") if value is None else float(value)


def _always(scan: Record, item: Record) -> bool:
    return True


def _headline(scan: Record, item: Record) -> bool:
    return bool(item["metallic"]) and item["size_mm"] >= HEADLINE_PX * PITCH_MM


def _has(key: str, value: Any, scan: Record, item: Record) -> bool:
    return bool(scan[key] == value)


def _bands(unit: str, edges: Sequence[float], measure: Callable[[Record], float]) -> dict[str, _Item]:
    def lies_in(low: float, high: float, scan: Record, item: Record) -> bool:
        return low <= measure(item) < high

    return {
        f">= {low:g} {unit}" if high == np.inf else f"{low:g} to {high:g} {unit}": partial(lies_in, low, high)
        for low, high in pairwise(edges)
    }


def document(figures: BenchmarkFigures) -> dict[str, Any]:
    """The figures as JSON values; every rate with its count, total, interval and method."""
    return {
        "clean_scans": figures.clean,
        "threat_scans": figures.threats,
        "decisions": {"clean": figures.decisions_clean, "threat": figures.decisions_threat},
        "pd_at_pfa": [
            {
                "pfa_target": point.pfa_target,
                "threshold": point.threshold,
                "reason": point.reason,
                "pfa": asdict(point.pfa) if point.pfa else None,
                "pfa_by": {name: asdict(one) for name, one in point.pfa_by.items()},
                "by": {
                    name: {"scan": asdict(scan), "localised": asdict(localised)}
                    for name, (scan, localised) in point.by.items()
                },
            }
            for point in figures.points
        ],
    }
