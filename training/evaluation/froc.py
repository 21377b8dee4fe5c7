"""FROC: items found against false alarms a scan, as an officer meets them at one threshold for all classes.

A class counts on the scans where it was looked for, so the false alarms of a scan are the sum over classes of those per
scan that was looked at for the class: what a scan with everything looked for would show.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.intervals import Rate
from training.evaluation.matching import ClassMatches

#: False alarms a scan at which the curve is read out.
FALSE_ALARM_TARGETS = (0.01, 0.05, 0.1, 0.5, 1.0)


@dataclass(frozen=True)
class Froc:
    """Threshold, false alarms a scan and share of items found, each (K,), from the highest threshold down; n items."""

    thresholds: NDArray[np.float64]
    false_alarms: NDArray[np.float64]
    found: NDArray[np.float64]
    items: int


@dataclass(frozen=True)
class FrocPoint:
    """The lowest threshold with at most so many false alarms a scan; None if every detection makes more."""

    false_alarms_target: float
    threshold: float | None
    false_alarms: float
    found: Rate


def froc(matches: Mapping[str, ClassMatches]) -> Froc:
    """The curve over all classes that have an item. matches: of `match_all`."""
    present = [found for found in matches.values() if found.boxes]
    items = sum(found.boxes for found in present)
    if not items:
        return Froc(np.zeros(0), np.zeros(0), np.zeros(0), 0)
    scores = np.concatenate([found.scores for found in present]).astype(np.float64)
    hits = np.concatenate([found.hits for found in present])
    shares = np.concatenate([np.full(len(found.scores), 1 / found.annotated.sum()) for found in present])
    order = np.argsort(-scores, kind="stable")
    # Equal scores come together: the curve has a point only where the score changes.
    last = np.append(np.diff(scores[order]) != 0, True)[: len(scores)]
    alarms, hit = np.cumsum((shares * ~hits)[order]), np.cumsum(hits[order])
    return Froc(scores[order][last], alarms[last], hit[last] / items, items)


def froc_points(curve: Froc) -> tuple[FrocPoint, ...]:
    """The curve at FALSE_ALARM_TARGETS."""
    return tuple(_point(curve, target) for target in FALSE_ALARM_TARGETS)


def _point(curve: Froc, target: float) -> FrocPoint:
    within = np.flatnonzero(curve.false_alarms <= target)
    if not len(within):
        return FrocPoint(target, None, 0.0, Rate.of(np.zeros(curve.items, bool)))
    row = int(within[-1])
    found = np.arange(curve.items) < round(curve.found[row] * curve.items)
    return FrocPoint(target, float(curve.thresholds[row]), float(curve.false_alarms[row]), Rate.of(found))
