"""Chooses the score at which each class alarms, on validation scans.

Classes with clean scans share one budget of false alarms. Several shapes of thresholds are tried, from the same score
for every class to the same share of false alarms for every class; each is scaled until it just meets the budget, and
the one that finds most items stays. Classes without clean scans take the score with the best F1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.detections import Detections
from training.datasets.coco_index import CocoIndex
from training.evaluation.alignment import align
from training.evaluation.average_precision import LEAST_BOXES
from training.evaluation.matching import ClassMatches, match_all
from training.evaluation.operating_curve import allowed_alarms, classes_with_clean_scans, is_clean, threshold_for

#: Below this a score says nothing; a class that never alarmed by mistake on a few dozen clean scans would else get it.
LEAST_THRESHOLD, MOST_THRESHOLD = 0.05, 1.0
#: When no class at all has enough boxes to choose by.
_FALLBACK = 0.5
#: From one score for all classes (0) to an equal share of false alarms for each (1).
_SHAPES = (0.0, 0.25, 0.5, 0.75, 1.0)
#: Thresholds are rounded up to this step, so that what is printed is what is applied.
_STEP = 1e-4


@dataclass(frozen=True)
class ChosenThresholds:
    """thresholds: every class, in [LEAST_THRESHOLD, MOST_THRESHOLD]. operating_point: how they were chosen."""

    thresholds: dict[str, float]
    operating_point: str


def choose_thresholds(index: CocoIndex, predictions: Sequence[Detections], pfa: float = 0.05) -> ChosenThresholds:
    """Thresholds for all classes of `index`, which holds validation scans.

    pfa: the largest share of clean scans that may alarm, over all classes that have clean scans together.
    """
    aligned = align(index, predictions)
    matches = match_all(index, aligned)
    judged = classes_with_clean_scans(index)
    chosen = _within_budget(index, aligned, matches, judged, pfa) if judged else {}
    rest = {name: found for name, found in matches.items() if name not in chosen}
    chosen |= {name: _best_f1(found) for name, found in rest.items() if found.boxes >= LEAST_BOXES}
    rare = tuple(name for name in matches if name not in chosen)
    chosen |= dict.fromkeys(rare, float(np.median(list(chosen.values()))) if chosen else _FALLBACK)
    return ChosenThresholds({name: chosen[name] for name in index.class_names}, _sentence(index, judged, rare, pfa))


def _within_budget(
    index: CocoIndex,
    aligned: Sequence[Detections],
    matches: Mapping[str, ClassMatches],
    judged: Sequence[int],
    pfa: float,
) -> dict[str, float]:
    clean = [found for scan, found in zip(index.scans, aligned, strict=True) if is_clean(scan, judged)]
    scores = np.stack([_best_of_class(clean, class_id) for class_id in judged], axis=1)
    allowed = allowed_alarms(len(clean), pfa)
    names = [index.class_names[class_id] for class_id in judged]
    equal = _equal_share(scores, allowed)
    candidates = [_scaled(equal**shape, scores, allowed) for shape in _SHAPES]
    recalls = [_mean_recall([matches[name] for name in names], candidate) for candidate in candidates]
    best = candidates[int(np.argmax(recalls))]
    return {name: float(value) for name, value in zip(names, best, strict=True)}


def _best_of_class(found: Sequence[Detections], class_id: int) -> NDArray[np.float64]:
    return np.array([one.scores[one.class_ids == class_id].max(initial=0.0) for one in found], np.float64)


def _equal_share(scores: NDArray[np.float64], allowed: int) -> NDArray[np.float64]:
    """Thresholds (C,) at which every class alarms on equally many clean scans, as many as the budget lets them.

    scores: (clean scans, C), the best score of each class.
    """
    for share in range(allowed, 0, -1):
        thresholds = _each_class(scores, share)
        if (scores >= thresholds).any(axis=1).sum() <= allowed:
            return thresholds
    return _each_class(scores, 0)


def _each_class(scores: NDArray[np.float64], share: int) -> NDArray[np.float64]:
    each = np.array([threshold_for(column, share) for column in scores.T])
    clipped: NDArray[np.float64] = np.clip(each, LEAST_THRESHOLD, MOST_THRESHOLD)
    return clipped


def _scaled(shape: NDArray[np.float64], scores: NDArray[np.float64], allowed: int) -> NDArray[np.float64]:
    """The shape times the smallest factor that keeps the clean scans with an alarm within the budget."""
    factor = threshold_for((scores / shape).max(axis=1), allowed)
    return np.array([_round_up(value) for value in shape * factor])


def _mean_recall(matches: Sequence[ClassMatches], thresholds: NDArray[np.float64]) -> float:
    """Mean over classes, so that the class with most boxes does not decide for the others."""
    recalls = [
        (found.hits & (found.scores >= threshold)).sum() / found.boxes
        for found, threshold in zip(matches, thresholds, strict=True)
        if found.boxes
    ]
    return float(np.mean(recalls)) if recalls else 0.0


def _best_f1(found: ClassMatches) -> float:
    if not found.hits.any():
        return _FALLBACK
    # F1 = 2 TP / (items + detections), at every score in turn.
    f1 = 2 * np.cumsum(found.hits) / (found.boxes + np.arange(1, len(found.hits) + 1))
    # Half way to the next lower score: the same alarms here, and no item on the very edge.
    best = int(np.argmax(f1))
    below = float(found.scores[best + 1]) if best + 1 < len(found.scores) else 0.0
    return _round_up((float(found.scores[best]) + below) / 2)


def _round_up(value: float) -> float:
    """The next step above value, within the limits."""
    # The small addition outweighs the rounding of a float32 score, which must not slip over its own threshold.
    steps = np.ceil(value / _STEP + 1e-3)
    return round(float(np.clip(steps * _STEP, LEAST_THRESHOLD, MOST_THRESHOLD)), 6)


def _sentence(index: CocoIndex, judged: Sequence[int], rare: Sequence[str], pfa: float) -> str:
    names = index.class_names
    clean = sum(is_clean(scan, judged) for scan in index.scans) if judged else 0
    parts = []
    if judged:
        together = ", ".join(names[class_id] for class_id in judged)
        allowed = allowed_alarms(clean, pfa)
        parts.append(f"{together}: at most {allowed} of {clean} clean validation scans alarm (Pfa <= {pfa:.1%})")
    best = [name for number, name in enumerate(names) if number not in judged and name not in rare]
    if best:
        parts.append(f"{', '.join(best)}: best F1, as no clean scans were checked for them")
    if rare:
        parts.append(f"{', '.join(rare)}: median of the other classes, having fewer than {LEAST_BOXES} boxes")
    return "; ".join(parts)
