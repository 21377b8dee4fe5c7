"""Score -> probability that the box is a hit, per class, by the maps that the weights carry; identity without one.

Two kinds of map: (slope, offset) of a logistic map (Platt 1999), or monotone knots (score, probability) joined by
straight lines (isotonic regression). Both keep the order of a class's boxes, so what was merged stays merged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Logistic = tuple[float, float]
Knots = tuple[tuple[float, float], ...]
ClassMap = Logistic | Knots

#: Candidates below this score of the network are never looked at: far under any alarm score, it only bounds the work.
SCORE_FLOOR = 0.01
#: Scores nearer to 0 and 1 than this are taken as so near, for their logit to be finite.
_EDGE = 1e-6


def calibrate(
    scores: Float32,
    class_ids: NDArray[np.int64],
    class_names: tuple[str, ...],
    calibration: Mapping[str, ClassMap],
) -> Float32:
    """scores (n,) of class_ids (n,) -> probabilities (n,); a class without a map keeps its scores."""
    probabilities = scores.copy()
    for class_id, name in enumerate(class_names):
        mine = class_ids == class_id
        if name in calibration and mine.any():
            probabilities[mine] = probability(scores[mine].astype(np.float64), calibration[name])
    return probabilities


def probability(scores: Float64, class_map: ClassMap) -> Float64:
    """scores (n,) -> probabilities (n,): sigmoid(slope * logit(score) + offset), or between the knots."""
    if is_logistic(class_map):
        slope, offset = class_map
        return np.asarray(1 / (1 + np.exp(-(slope * logit(scores) + offset))))  # type: ignore[operator]
    knots = np.array(class_map, np.float64)
    return np.asarray(np.interp(scores, knots[:, 0], knots[:, 1]), np.float64)


def decidable(class_map: ClassMap | None) -> tuple[float, float]:
    """The probabilities at SCORE_FLOOR and at a score of 1; without a map these scores themselves.

    A threshold above the second can never alarm. One below the first, or at it where a map is flat, would let boxes
    pass that are not even looked at.
    """
    if class_map is None:
        return SCORE_FLOOR, 1.0
    lowest, highest = probability(np.array([SCORE_FLOOR, 1.0]), class_map)
    return float(lowest), float(highest)


@dataclass(frozen=True)
class ReachFault:
    """too_high: above what any box is given; else where boxes lie that are not looked at. end: what of `decidable` it
    lies beyond."""

    too_high: bool
    end: float


def reach_fault(score: float, class_map: ClassMap | None) -> ReachFault | None:
    """Why a class could not alarm or refer from this score as it says; None where it can.

    A score of exactly 1 is taken as meant where nothing reaches it: never.
    """
    lowest, highest = decidable(class_map)
    # A map may be flat at its lowest value: boxes of it are then left out that others of it are not.
    if score < lowest or (class_map is not None and score == lowest):
        return ReachFault(too_high=False, end=lowest)
    if score > highest and score != 1:
        return ReachFault(too_high=True, end=highest)
    return None


def is_logistic(class_map: ClassMap) -> bool:
    """Whether the map is (slope, offset), not knots."""
    return not isinstance(class_map[0], tuple)


def logit(scores: Float64) -> Float64:
    """log(s / (1 - s)) of scores (n,), finite at 0 and 1."""
    bounded = np.clip(scores, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(bounded / (1 - bounded)))
