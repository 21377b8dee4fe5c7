"""Brings predictions into the class ids of the ground truth, by name, and keeps to what the annotators looked for.

A detection of a class that the scan's source did not look for is neither a hit nor a false alarm: the item may be
there, unmarked. It is the rule of LVIS (Gupta et al. 2019, arXiv 1908.03195, section 3) for unchecked classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.detections import Detections
from detector.errors import SettingsInvalid
from training.datasets.coco_index import AnnotatedScan, CocoIndex

#: Paths of scans -> their detections, in the same order: boxes in pixels of the scan as stored, all scores above a low
#: floor such as 0.01. The station's own pipeline stands behind it; tests put fakes there.
Predictor = Callable[[Sequence[Path]], Iterator[Detections]]

#: Overlap from which a box counts as the item's (the "50" of AP50).
LOCALISED_IOU = 0.5


def predict(index: CocoIndex, predictor: Predictor) -> list[Detections]:
    """The detections of every scan of `index`, in its order. Raises SettingsInvalid if the predictor skips any."""
    predictions = list(predictor([scan.path for scan in index.scans]))
    if len(predictions) != len(index):
        raise SettingsInvalid(
            f"{len(predictions)} predictions for {len(index)} scans", remedy="predict every scan once"
        )
    return predictions


def align(index: CocoIndex, predictions: Sequence[Detections]) -> tuple[Detections, ...]:
    """The predictions with class ids of `index.class_names`, highest score first; classes unknown to it are left out.

    Raises SettingsInvalid if the numbers of scans differ, a number is not finite, or a box lies on a further view of a
    scan: the ground truth knows the first view alone, so such a box could be neither right nor wrong.
    """
    if len(predictions) != len(index):
        raise SettingsInvalid(
            f"{len(predictions)} predictions for {len(index)} scans", remedy="predict every scan once"
        )
    return tuple(_align_one(index, scan, found) for scan, found in zip(index.scans, predictions, strict=True))


def only_annotated(scan: AnnotatedScan, found: Detections) -> Detections:
    """The detections of classes that the scan's source looked for."""
    return found[scan.annotated[found.class_ids]]


def truth_of(scan: AnnotatedScan) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Boxes (n, 4) and classes (n,) of the items that count: annotated classes, nothing marked as ignored."""
    counts = scan.annotated[scan.class_ids] & ~scan.ignore
    return scan.boxes_xyxy[counts], scan.class_ids[counts]


def intersection_over_union(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """IoU of boxes (n, 4) against boxes (m, 4), x1 y1 x2 y2 -> (n, m), in double precision as COCO's own code."""
    shared = shared_area(first, second)
    areas = [np.prod(boxes[:, 2:].astype(np.float64) - boxes[:, :2], axis=1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    overlaps: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlaps


def shared_area(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Area in pixels that boxes (n, 4) and boxes (m, 4) have in common -> (n, m)."""
    a, b = first.astype(np.float64), second.astype(np.float64)
    top = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared: NDArray[np.float64] = np.prod(np.clip(bottom - top, 0, None), axis=2)
    return shared


def _align_one(index: CocoIndex, scan: AnnotatedScan, found: Detections) -> Detections:
    if (found.views != 0).any():
        raise SettingsInvalid(
            f"{scan.path.name}: boxes on view {int(found.views.max())}, but the ground truth knows view 0 alone",
            remedy="evaluate single-view scans, or annotate every view as a scan of its own",
        )
    if not (np.isfinite(found.boxes_xyxy).all() and np.isfinite(found.scores).all()):
        raise SettingsInvalid(f"{scan.path.name}: a prediction is not finite", remedy="check the exported network")
    position = {name: number for number, name in enumerate(index.class_names)}
    lookup = np.array([position.get(name, -1) for name in found.class_names], np.int64)
    class_ids = lookup[found.class_ids] if len(found) else found.class_ids
    known = class_ids >= 0
    return Detections(
        found.boxes_xyxy[known], found.scores[known], class_ids[known], found.views[known], index.class_names
    ).sorted_by_score()
