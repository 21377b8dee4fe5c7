"""Pd at Pfa: how many of the scans that hold a threat alarm, when so many of the clean scans alarm by mistake.

A scan's score is the highest score of any class considered. False alarms can be counted only on clean scans: all
classes considered were looked for, and none is there. Which classes these are follows from the ground truth.

Two Pd are reported. `scan` counts an alarm anywhere in a scan that holds an item, as an officer opening the bag would
see it; it flatters a detector that alarms for the wrong reason. `localised` asks that an alarming box is on an item of
its class (IoU >= .5).

The threshold of a point is chosen on the clean scans of the split itself: the score of the last of them that may alarm.
Of k among n, k / (n + 1) of further clean scans reach it in the mean; anything lower, down to the first that may not,
would flatter. Pd is uncertain for two reasons, few scans with an item and a threshold that few clean scans decided; the
intervals hold both: whole groups are drawn, clean and positive together, and the threshold is chosen again on each
draw. From one alarm alone they would not hold what they say (docs/decisions/0012-what-a-rate-may-claim.md), so a Pfa is
measured from two on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.evaluation.intervals import RATE_RESAMPLES, Draws, Rate, group_draws
from training.evaluation.scan_scores import ScanScores, ScoredScans

PFA_TARGETS = (0.001, 0.004, 0.01, 0.05, 0.10)
#: Fewest clean scans with an alarm from which a Pfa is measured.
LEAST_ALARMS = 2


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


def operating_curve(scores: ScanScores, targets: Sequence[float] = PFA_TARGETS, seed: int = 0) -> OperatingCurve:
    """The points of the curve at the Pfa targets, as far as the number of clean scans can show them."""
    draws = group_draws(scores.groups, RATE_RESAMPLES, seed)
    return OperatingCurve(
        scores.classes,
        int(scores.clean.sum()),
        int(scores.positive.sum()),
        tuple(_point(scores, target, draws) for target in targets),
    )


def pfa_at_pd(scores: ScanScores, pd: float, seed: int = 0) -> tuple[float, Rate] | None:
    """The highest threshold at which a share `pd` of the scans with an item alarm, and its Pfa; None if too few of them
    have any box. The interval holds the doubt in the threshold, which few scans with an item decided."""
    highest = scores.highest[scores.positive]
    unfound = len(highest) - wanted_finds(len(highest), pd)
    threshold = float(np.sort(highest)[unfound]) if len(highest) else 0.0
    if threshold <= 0:
        return None
    draws = group_draws(scores.groups, RATE_RESAMPLES, seed)
    # From above: the scans that go unfound are the "false alarms" of the negated scores.
    limits = -redrawn_thresholds(-highest, draws[:, scores.positive], unfound)
    # No draw may take the threshold to 0, which would be an alarm without any box.
    limits = np.maximum(limits, np.finfo(np.float32).tiny)
    return threshold, rates_at(scores, threshold).pfa.widened(
        _redrawn_share(scores.highest, scores.clean, limits, draws)
    )


def wanted_finds(scans: int, pd: float) -> int:
    """The smallest whole number of finds that is a share `pd` of the scans; at least one."""
    return max(1, int(np.ceil(pd * scans - 1e-9)))


def class_curves(scored: ScoredScans) -> dict[str, OperatingCurve]:
    """Every class by itself: its scores alone, on the scans that are clean for it, whatever else these hold."""
    return {
        name: operating_curve(scored.of_classes((class_id,))) for class_id, name in enumerate(scored.index.class_names)
    }


def full_curve(scores: ScanScores) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Pfa, scan-level Pd and localised Pd, each (K,), from no false alarm to one on every clean scan that has a box,
    for drawing. Raises ValueError without clean scans."""
    clean = np.sort(scores.highest[scores.clean])
    if not len(clean):
        raise ValueError("no clean scans: there is no Pfa")
    # As points are chosen: at the score of the last clean scan that alarms.
    thresholds = np.append(np.nextafter(clean[-1], np.inf), np.unique(clean[clean > 0])[::-1])
    positive = scores.positive
    pfa, pd_scan, pd_localised = (
        _share_from(values, thresholds)
        for values in (clean, np.sort(scores.highest[positive]), np.sort(scores.localised[positive]))
    )
    return pfa, pd_scan, pd_localised


def _share_from(values: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K,) share of the sorted values (n,) from each threshold (K,) on; nan where there are none."""
    reached = len(values) - np.searchsorted(values, thresholds, side="left")
    share: NDArray[np.float64] = reached / len(values) if len(values) else np.full(len(thresholds), np.nan)
    return share


def rates_at(scores: ScanScores, threshold: float) -> OperatingPoint:
    """The rates when a scan alarms from `threshold` on, a score that other scans chose."""
    alarms, localised = scores.highest >= threshold, scores.localised >= threshold
    of_class = scores.localised_by_class >= threshold
    classes, sources = _slices(scores)
    return OperatingPoint(
        pfa=_rate(alarms, scores.clean, scores),
        pd_scan=_rate(alarms, scores.positive, scores),
        pd_localised=_rate(localised, scores.positive, scores),
        pd_localised_by_class={
            name: _rate(of_class[:, column], mask, scores) for column, (name, mask) in enumerate(classes.items())
        },
        pd_localised_by_source={name: _rate(localised, mask, scores) for name, mask in sources.items()},
    )


def _rate(happened: NDArray[np.bool_], among: NDArray[np.bool_], scores: ScanScores) -> Rate:
    return Rate.of(happened[among], scores.groups[among])


def _slices(scores: ScanScores) -> tuple[dict[str, NDArray[np.bool_]], dict[str, NDArray[np.bool_]]]:
    """The positive scans of each class and of each source, by name; each (S,) bool."""
    sources = np.array(scores.sources)
    by_class = {name: scores.holds[:, column] for column, name in enumerate(scores.classes)}
    names = sorted(set(sources[scores.positive].tolist()))
    return by_class, {name: scores.positive & (sources == name) for name in names}


def threshold_for(clean_scores: NDArray[np.float64], allowed: int) -> float:
    """The lowest threshold at which at most `allowed` of the clean scans alarm; above 0."""
    if allowed >= len(clean_scores):
        return float(np.finfo(np.float32).tiny)
    return float(np.nextafter(np.sort(clean_scores)[::-1][allowed], np.inf))


def last_alarm(clean_scores: NDArray[np.float64], allowed: int) -> float:
    """The score of the last clean scan that alarms when at most `allowed` may; above all of them where none may, or
    where equal scores leave none. Above 0: where more may alarm than have a box, any box alarms."""
    lowest = np.array([threshold_for(clean_scores, allowed)])
    every = np.ones((1, len(clean_scores)), np.int64)
    return float(_last_alarms(lowest, clean_scores, every, np.array([allowed]))[0])


def _last_alarms(
    lowest: NDArray[np.float64], clean_scores: NDArray[np.float64], drawn: Draws, allowed: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(B,) the lowest clean score above 0, of those in the draw, from the lowest possible threshold (B,) of it on; that
    threshold itself where more may alarm, allowed (B,), than have a box, so that no clean scan decides."""
    alarming = (drawn > 0) & (clean_scores >= lowest[:, None]) & (clean_scores > 0)
    last = np.where(alarming, clean_scores, np.inf).min(axis=1, initial=np.inf)
    spare = (lowest <= np.finfo(np.float32).tiny) & ((drawn * alarming).sum(axis=1) < allowed)
    return np.where(np.isfinite(last) & ~spare, last, lowest)


def allowed_alarms(clean_scans: int, pfa: float) -> int:
    """Whole number of false alarms within the rate; the small addition undoes rounding, as in 0.07 * 100 < 7."""
    return int(pfa * clean_scans + 1e-9)


def _point(scores: ScanScores, target: float, draws: Draws) -> CurvePoint:
    clean = int(scores.clean.sum())
    allowed = allowed_alarms(clean, target)
    if allowed < LEAST_ALARMS:
        needed = math.ceil(LEAST_ALARMS / target - 1e-9)
        return CurvePoint(target, None, None, f"not measurable: needs >= {needed} clean scans, has {clean}")
    highest, drawn = scores.highest[scores.clean], draws[:, scores.clean]
    threshold = last_alarm(highest, allowed)
    redrawn = _last_alarms(
        redrawn_thresholds(highest, drawn, allowed), highest, drawn, _allowed_of_draws(drawn, allowed)
    )
    return CurvePoint(target, threshold, _with_threshold_doubt(scores, rates_at(scores, threshold), redrawn, draws))


def redrawn_thresholds(clean_scores: NDArray[np.float64], drawn: Draws, allowed: int) -> NDArray[np.float64]:
    """(B,) the lowest threshold of each resample that keeps to the same share of false alarms.

    clean_scores: (n,). drawn: (B, n), how often each clean scan was drawn. nan for a resample without clean scans.
    """
    order = np.argsort(-clean_scores, kind="stable")
    alarms = np.cumsum(drawn[:, order], axis=1)
    exceeded = alarms > _allowed_of_draws(drawn, allowed)[:, None]
    highest_refused = clean_scores[order][exceeded.argmax(axis=1)]
    thresholds = np.where(exceeded.any(axis=1), np.nextafter(highest_refused, np.inf), np.finfo(np.float32).tiny)
    return np.where(drawn.any(axis=1), thresholds, np.nan)


def _allowed_of_draws(drawn: Draws, allowed: int) -> NDArray[np.int64]:
    """(B,) alarms that each draw (B, n) may have, for the same share; to the nearest whole one, since a draw with one
    clean scan fewer must not lose an alarm that it may have."""
    share = allowed / drawn.shape[1]
    whole: NDArray[np.int64] = np.floor(drawn.sum(axis=1) * share + 0.5).astype(np.int64)
    return whole


def _with_threshold_doubt(
    scores: ScanScores, point: OperatingPoint, thresholds: NDArray[np.float64], draws: Draws
) -> OperatingPoint:
    def redrawn(values: NDArray[np.float64], among: NDArray[np.bool_]) -> NDArray[np.float64]:
        return _redrawn_share(values, among, thresholds, draws)

    classes, sources = _slices(scores)
    localised = scores.localised
    by_class, by_source = point.pd_localised_by_class, point.pd_localised_by_source
    return replace(
        point,
        pd_scan=point.pd_scan.widened(redrawn(scores.highest, scores.positive)),
        pd_localised=point.pd_localised.widened(redrawn(localised, scores.positive)),
        pd_localised_by_class={
            name: by_class[name].widened(redrawn(scores.localised_by_class[:, column], mask))
            for column, (name, mask) in enumerate(classes.items())
        },
        pd_localised_by_source={
            name: by_source[name].widened(redrawn(localised, mask)) for name, mask in sources.items()
        },
    )


def _redrawn_share(
    values: NDArray[np.float64], among: NDArray[np.bool_], thresholds: NDArray[np.float64], draws: Draws
) -> NDArray[np.float64]:
    """(B,) share of the drawn scans `among` (S,) whose value reaches the threshold of the draw; nan without either."""
    weights = draws[:, among]
    found = (weights * (values[among] >= thresholds[:, None])).sum(axis=1)
    total = np.where(np.isnan(thresholds), 0, weights.sum(axis=1))
    share: NDArray[np.float64] = np.divide(found, total, out=np.full(len(draws), np.nan), where=total > 0)
    return share
