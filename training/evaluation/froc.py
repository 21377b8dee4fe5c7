"""FROC: items found against false alarms a scan, as an officer meets them at one threshold for all classes.

A class counts on the scans where it was looked for, so the false alarms of a scan are the sum over classes of those per
scan that was looked at for the class: what a scan with everything looked for would show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.intervals import Draws, Rate
from training.evaluation.matching import ClassMatches

#: False alarms a scan at which the curve is read out.
FALSE_ALARM_TARGETS = (0.01, 0.05, 0.1, 0.5, 1.0)
#: Twenty times a twentieth add up to a little more than 1.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Froc:
    """Threshold, false alarms a scan and share of items found, each (K,), from the highest threshold down; n items.

    redrawn: (B, T) share of items found at FALSE_ALARM_TARGETS in each resample with an item, whose threshold is its
    own.
    """

    thresholds: NDArray[np.float64]
    false_alarms: NDArray[np.float64]
    found: NDArray[np.float64]
    items: int
    redrawn: NDArray[np.float64]


@dataclass(frozen=True)
class FrocPoint:
    """The lowest threshold with at most so many false alarms a scan; None if every detection makes more."""

    false_alarms_target: float
    threshold: float | None
    false_alarms: float
    found: Rate


def froc(matches: Mapping[str, ClassMatches], draws: Draws | None = None) -> Froc:
    """The curve over all classes, those without an item too: their false alarms are met all the same. matches: of
    `match_all`. draws: (B, S) of `group_draws`, for intervals."""
    every = list(matches.values())
    items = sum(found.boxes for found in every)
    if not items:
        return Froc(np.zeros(0), np.zeros(0), np.zeros(0), 0, np.zeros((0, len(FALSE_ALARM_TARGETS))))
    order = np.argsort(-np.concatenate([found.scores for found in every]), kind="stable")
    scores = np.concatenate([found.scores for found in every]).astype(np.float64)[order]
    # Equal scores come together: the curve has a point only where the score changes.
    last = np.append(np.diff(scores) != 0, True)[: len(scores)]
    alarms, hit = _curve(every, order, last, np.ones(len(every[0].annotated), np.int64))
    # A resample without an item says nothing of how many are found.
    held = () if draws is None else draws[draws @ sum(found.boxes_per_scan for found in every) > 0]
    redrawn = np.array([_at_targets(*_curve(every, order, last, row)) for row in held])
    return Froc(scores[last], alarms, hit, items, redrawn.reshape(-1, len(FALSE_ALARM_TARGETS)))


def _curve(
    every: Sequence[ClassMatches], order: NDArray[np.int64], last: NDArray[np.bool_], drawn: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False alarms a scan and share of items found when each scan is there `drawn` (S,) times; one with an item is."""
    looked_at = [max(1, int(drawn[found.annotated].sum())) for found in every]
    times = np.concatenate([drawn[found.scans] for found in every])[order]
    shares = np.concatenate([np.full(len(found.scores), 1 / n) for found, n in zip(every, looked_at, strict=True)])
    hits = np.concatenate([found.hits for found in every])[order]
    items = sum(int(drawn @ found.boxes_per_scan) for found in every)
    alarms = np.cumsum(times * shares[order] * ~hits)[last]
    return alarms, np.cumsum(times * hits)[last] / items


def _at_targets(alarms: NDArray[np.float64], found: NDArray[np.float64]) -> list[float]:
    """Share found at the lowest threshold with at most so many false alarms a scan, for each target."""
    places = np.searchsorted(alarms, np.array(FALSE_ALARM_TARGETS) + _ROUNDING, side="right")
    return [float(found[place - 1]) if place else 0.0 for place in places]


def froc_points(curve: Froc) -> tuple[FrocPoint, ...]:
    """The curve at FALSE_ALARM_TARGETS. Intervals doubt the threshold as well: it was chosen on these very scans."""
    return tuple(_point(curve, target, curve.redrawn[:, row]) for row, target in enumerate(FALSE_ALARM_TARGETS))


def _point(curve: Froc, target: float, redrawn: NDArray[np.float64]) -> FrocPoint:
    within = np.flatnonzero(curve.false_alarms <= target + _ROUNDING)
    if not len(within):
        return FrocPoint(target, None, 0.0, Rate.of(np.zeros(curve.items, bool)).widened(redrawn))
    row = int(within[-1])
    found = Rate.of(np.arange(curve.items) < round(curve.found[row] * curve.items)).widened(redrawn)
    return FrocPoint(target, float(curve.thresholds[row]), float(curve.false_alarms[row]), found)
