"""What a network takes for threats in simulated freight and is none, surest first.

>>> false_alarm_boxes(searching_detector("cargo-n"), simulate_freight(3, Family.TRAIN), no_threats)     # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from detector.detections import Detections
from detector.pipeline import Detector
from detector.settings import Policy
from training.cargo.benchmark_figures import alarm_odds
from training.cargo.reading import as_scanned, inspected
from training.simulation.freight import FreightScan

Boxes = NDArray[np.float32]


@cache
def searching_detector(weights: str) -> Detector:
    """Lists everything that it finds, on one thread; made once a process. weights: name or file."""
    return Detector(weights, policy=Policy(min_score=0.0), threads=1)


def false_alarm_boxes(detector: Detector, freight: FreightScan, threats: Boxes) -> Boxes:
    """Boxes (n, 4) in pixels of the scan that touch no threat, surest first.

    threats: (m, 4). A scan that cannot be seen through has none. Raises InferenceFailed when the network fails.
    """
    inspection = inspected(detector, as_scanned(freight, detector.spec.renderings))
    found = surest_first(inspection.detections, detector.spec.thresholds)
    low = np.maximum(found.boxes_xyxy[:, None, :2], threats[None, :, :2])
    high = np.minimum(found.boxes_xyxy[:, None, 2:], threats[None, :, 2:])
    touches = np.asarray((low < high).all(axis=2), np.bool_)
    clear = np.asarray(touches.sum(axis=1) == 0, np.bool_)
    return found[clear].boxes_xyxy


def surest_first(found: Detections, thresholds: Mapping[str, float]) -> Detections:
    """By how near each comes to its class's alarm score, or how far beyond it lies."""
    limits = np.array([thresholds[name] for name in found.class_names])
    beyond = alarm_odds(found.scores.astype(np.float64), limits[found.class_ids])
    return found[np.argsort(-beyond, kind="stable")]
