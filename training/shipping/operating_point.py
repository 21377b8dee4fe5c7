"""The operating point: thresholds for a wanted Pfa or a wanted Pd, and what each costs on the other side.

>>> point = choose_operating_point(index, predictions, Wanted(pd=0.9))                          # doctest: +SKIP
>>> print(point.operating_point)                                                                # doctest: +SKIP
>>> spec = with_operating_point(spec, point, index)                                             # doctest: +SKIP

The rates stand for the scans that chose the thresholds. Their intervals hold the chance in that choice: the scans are
drawn anew by group, and the thresholds move as each draw would move them. Another split says what they are worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from detector.detections import Detections
from detector.errors import SettingsInvalid
from detector.weights_spec import WeightsSpec
from training.datasets.coco_index import CocoIndex, files_digest, scans_digest
from training.evaluation.alignment import align
from training.evaluation.intervals import Draws, Rate, describe_rate, group_draws
from training.evaluation.operating_curve import rates_at, redrawn_thresholds
from training.evaluation.scan_scores import ScanScores, ScoredScans, classes_with_clean_scans
from training.evaluation.thresholds import (
    LEAST_THRESHOLD,
    ChosenThresholds,
    Reach,
    choose_for_pd,
    choose_thresholds,
    redrawn_within_budget,
    threshold_bounds,
)

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

#: Thresholds are chosen again on each, which takes some milliseconds.
_RESAMPLES = 300


@dataclass(frozen=True)
class Wanted:
    """One of two: the largest share of clean scans that may alarm, or the least share of scans with an item found.

    Raises SettingsInvalid for both, neither, or a share that is not between 0 and 1.
    """

    pfa: float | None = None
    pd: float | None = None

    def __post_init__(self) -> None:
        given = [share for share in (self.pfa, self.pd) if share is not None]
        if len(given) != 1 or not 0 < given[0] < 1:
            raise SettingsInvalid(
                f"no operating point: pfa {self.pfa}, pd {self.pd}",
                remedy="give either pfa or pd, as a share between 0 and 1: 0.05 for 5 %",
            )


@dataclass(frozen=True)
class ClassCost:
    """One class at its threshold.

    pd: scans that hold it with a box of it on the item. pfa: scans looked through and without it that alarm for it.
    """

    threshold: float
    pd: Rate
    pfa: Rate


@dataclass(frozen=True)
class JointCost:
    """The classes that truly clean scans judge together, any of which alarms a scan."""

    classes: tuple[str, ...]
    pfa: Rate
    pd_scan: Rate
    pd_localised: Rate


@dataclass(frozen=True)
class ChosenOperatingPoint:
    """thresholds, and their cost by class and together (None without clean scans); operating_point: a sentence;
    by_scans: whether the scans decided any threshold at all; unchosen: classes whose own no scan decided."""

    thresholds: dict[str, float]
    classes: dict[str, ClassCost]
    together: JointCost | None
    operating_point: str
    by_scans: bool = True
    unchosen: tuple[str, ...] = ()


def choose_operating_point(
    index: CocoIndex,
    predictions: Sequence[Detections],
    wanted: Wanted,
    least: float = LEAST_THRESHOLD,
    reach: Reach = MappingProxyType({}),
) -> ChosenOperatingPoint:
    """On validation scans. least: no threshold is below it. When scores are calibrated, least is LEAST_PROBABILITY and
    reach gives for each class the probabilities that its map can give a box that is looked at."""
    if wanted.pfa is not None:
        chosen = choose_thresholds(index, predictions, wanted.pfa, least, reach)
    else:
        chosen = choose_for_pd(index, predictions, wanted.pd or 0.0, least, reach)
    aligned = align(index, predictions)
    scored = ScoredScans.of(index, aligned)
    # Divided by the thresholds: the alarm is at 1, and a draw moves it by a factor.
    alone = {name: scored.of_classes((class_id,), chosen.thresholds) for class_id, name in enumerate(index.class_names)}
    draws = group_draws(scored.groups, _RESAMPLES, 0)
    factors: dict[str, Float64] = {}
    bounds = threshold_bounds(index, least, reach)
    for budget in chosen.budgets:
        redrawn = redrawn_within_budget(index, aligned, budget, draws, wanted.pfa or 0.0, bounds)
        factors |= {name: again / chosen.thresholds[name] for name, again in redrawn.items()}
    for name in chosen.reached:
        # No draw may take a threshold below the least: 0 would be an alarm without any box.
        lowest = max(least, reach[name][0] if name in reach else 0.0)
        factors[name] = np.maximum(_pd_factors(alone[name], draws), lowest / chosen.thresholds[name])
    classes = {name: _class_cost(chosen.thresholds[name], scores, draws, factors) for name, scores in alone.items()}
    together = _together(scored, alone, chosen.thresholds, draws, factors)
    words = [chosen.operating_point, *([_words(together)] if together else [])]
    return ChosenOperatingPoint(
        chosen.thresholds, classes, together, "; ".join(words), chosen.by_scans, chosen.unchosen
    )


def with_operating_point(
    spec: WeightsSpec, point: ChosenOperatingPoint | ChosenThresholds, index: CocoIndex
) -> WeightsSpec:
    """`spec` with the thresholds, the sentence that says where they come from and what they cost, and the digests of
    the scans that they were chosen on, without which a station clears nothing: "" where the scans decided none."""
    values = {
        **spec.model_dump(),
        "thresholds": point.thresholds,
        "operating_point": point.operating_point,
        "chosen_on": scans_digest(index) if point.by_scans else "",
        "chosen_on_files": files_digest(index) if point.by_scans else "",
        "unchosen": point.unchosen,
    }
    return WeightsSpec.model_validate(values)


def _pd_factors(scores: ScanScores, draws: Draws) -> Float64:
    """(B,) by what the threshold would be multiplied had each draw let as large a share of items go unfound."""
    shortfall = -scores.localised[scores.positive]
    unfound = int((shortfall > -1).sum())
    return -redrawn_thresholds(shortfall, draws[:, scores.positive], unfound)


def _class_cost(threshold: float, scores: ScanScores, draws: Draws, factors: Mapping[str, Float64]) -> ClassCost:
    rates = rates_at(scores, 1.0)
    pd, pfa = rates.pd_localised, rates.pfa
    for name in scores.classes:
        if name in factors:
            limits, known = factors[name][:, None], ~np.isnan(factors[name])
            pd = pd.widened(_share(scores.localised >= limits, scores.positive, draws, known))
            pfa = pfa.widened(_share(scores.highest >= limits, scores.clean, draws, known))
    return ClassCost(threshold, pd, pfa)


def _together(
    scored: ScoredScans,
    alone: Mapping[str, ScanScores],
    thresholds: Mapping[str, float],
    draws: Draws,
    factors: Mapping[str, Float64],
) -> JointCost | None:
    """alone: the scores of each class by itself, divided by its threshold."""
    judged = classes_with_clean_scans(scored.index)
    if not judged:
        return None
    scores = scored.of_classes(judged, thresholds)
    alarms, found = (np.zeros((len(draws), len(scored.index)), bool) for _ in range(2))
    known = np.ones(len(draws), bool)
    for name in scores.classes:
        one, limits = alone[name], factors.get(name, np.ones(len(draws)))[:, None]
        known &= ~np.isnan(limits[:, 0])
        alarms |= one.highest >= limits
        found |= one.localised >= limits
    rates = rates_at(scores, 1.0)
    return JointCost(
        scores.classes,
        rates.pfa.widened(_share(alarms, scores.clean, draws, known)),
        rates.pd_scan.widened(_share(alarms, scores.positive, draws, known)),
        rates.pd_localised.widened(_share(found, scores.positive, draws, known)),
    )


def _share(happened: Bool, among: Bool, draws: Draws, known: Bool) -> Float64:
    """(B,) share of the drawn scans `among` (S,) with which it happened (B, S); nan for a draw without any, and for one
    without the scans to choose a threshold on: not `known` (B,)."""
    weights = draws[:, among]
    total = np.where(known, weights.sum(axis=1), 0)
    count = (weights * happened[:, among]).sum(axis=1)
    share: Float64 = np.divide(count, total, out=np.full(len(draws), np.nan), where=total > 0)
    return share


def _words(cost: JointCost) -> str:
    return (
        f"on these scans, {', '.join(cost.classes)} together: Pfa {describe_rate(cost.pfa)}, Pd "
        f"{describe_rate(cost.pd_scan)} for any alarm, {describe_rate(cost.pd_localised)} for a box on the item"
    )
