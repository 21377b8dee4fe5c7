"""The search for thresholds that find most items within a budget of false alarms.

Several shapes are tried, from the same score for every class to the same share of false alarms for every class; each is
scaled until it just meets the budget, and the one that finds most items stays. `bounds` are (C, 2), the lowest and the
highest threshold of each class of the budget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.datasets.coco_index import CocoIndex
from training.evaluation.budgets import Budget
from training.evaluation.matching import ClassMatches
from training.evaluation.operating_curve import allowed_alarms, threshold_for

MOST_THRESHOLD = 1.0
#: From one score for all classes (0) to an equal share of false alarms for each (1).
_SHAPES = (0.0, 0.25, 0.5, 0.75, 1.0)
#: Thresholds are rounded up to this step, so that what is printed is what is applied.
_STEP = 1e-4

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class ClassHits:
    """The scores of the boxes that are on items of a class, and how many items there are."""

    scores: NDArray[np.float32]
    items: int


def class_hits(index: CocoIndex, matches: Mapping[str, ClassMatches], budget: Budget) -> list[ClassHits]:
    """Of each class of the budget, in its order."""
    found = [matches[index.class_names[class_id]] for class_id in budget.class_ids]
    return [ClassHits(one.scores[one.hits], one.boxes) for one in found]


def within_budget(scores: Float64, beside: Float64, hits: Sequence[ClassHits], pfa: float, bounds: Float64) -> Float64:
    """Thresholds (C,) that keep the share of false alarms in a budget's scans and in the clean ones beside them.

    scores, beside: (scans, C) of `false_scores` and `unlooked_scores`. pfa: the largest share of each that may alarm.
    """
    thresholds = _within(scores, hits, pfa, bounds)
    return np.maximum(thresholds, _within(beside, hits, pfa, bounds)) if len(beside) else thresholds


def _within(scores: Float64, hits: Sequence[ClassHits], pfa: float, bounds: Float64) -> Float64:
    """Thresholds (C,) that find most items within the budget."""
    allowed = allowed_alarms(len(scores), pfa)
    if not allowed:
        # Nothing is shared out: each class takes the lowest that none of the scans reaches.
        highest = scores.max(axis=0, initial=0.0)
        return np.array([round_up(value, *bound) for value, bound in zip(highest, bounds, strict=True)])
    equal = _equal_share(scores, allowed, bounds)
    candidates = [_scaled(equal**shape, scores, allowed, bounds) for shape in _SHAPES]
    return candidates[int(np.argmax([_mean_recall(hits, candidate) for candidate in candidates]))]


def _equal_share(scores: Float64, allowed: int, bounds: Float64) -> Float64:
    """Thresholds (C,) at which every class alarms on equally many scans, as many as the budget lets them.

    scores: (scans, C), the best score of each class.
    """
    for share in range(allowed, 0, -1):
        thresholds = _each_class(scores, share, bounds)
        if (scores >= thresholds).any(axis=1).sum() <= allowed:
            return thresholds
    return _each_class(scores, 0, bounds)


def _each_class(scores: Float64, share: int, bounds: Float64) -> Float64:
    each = np.array([threshold_for(column, share) for column in scores.T])
    clipped: Float64 = np.clip(each, *bounds.T)
    return clipped


def _scaled(shape: Float64, scores: Float64, allowed: int, bounds: Float64) -> Float64:
    """The shape times the smallest factor that keeps the scans with an alarm within the budget."""
    factor = threshold_for((scores / shape).max(axis=1), allowed)
    return np.array([round_up(value, *bound) for value, bound in zip(shape * factor, bounds, strict=True)])


def _mean_recall(hits: Sequence[ClassHits], thresholds: Float64) -> float:
    """Mean over classes, so that the class with most boxes does not decide for the others."""
    recalls = [
        (one.scores >= threshold).sum() / one.items
        for one, threshold in zip(hits, thresholds, strict=True)
        if one.items
    ]
    return float(np.mean(recalls)) if recalls else 0.0


def round_up(value: float, least: float = 0.0, most: float = MOST_THRESHOLD) -> float:
    """The next step above value, within the bounds."""
    # The small addition outweighs the rounding of a float32 score, which must not slip over its own threshold.
    steps = np.ceil(value / _STEP + 1e-3)
    return round(float(np.clip(steps * _STEP, max(least, _STEP), most)), 6)


def round_down(value: float) -> float:
    """The next step below value: the score itself must still alarm."""
    return round(max(_STEP, float(np.floor(value / _STEP - 1e-3) * _STEP)), 6)
