"""Score -> probability, per class, by the logistic map that the weights carry (Platt 1999); identity without one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


def calibrate(
    scores: Float32,
    class_ids: NDArray[np.int64],
    class_names: tuple[str, ...],
    calibration: Mapping[str, tuple[float, float]],
) -> Float32:
    """scores (n,) of class_ids (n,) -> probabilities (n,): sigmoid(slope * logit(score) + offset) of each class."""
    if not calibration:
        return scores
    maps = np.array([calibration.get(name, (1.0, 0.0)) for name in class_names], np.float64)
    bounded = np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6)
    logits = maps[class_ids, 0] * np.log(bounded / (1 - bounded)) + maps[class_ids, 1]
    probabilities: Float32 = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return probabilities
