"""Boxes that the network puts where there is no scan. Merging drops them; one that would decide must not go unseen.

Ordinary networks put faint boxes into the padding of their square. One at a decisive score may be an item whose box
slipped over the scan's edge: the scan is doubted. One without area, or beside the square, is nonsense like any other.

>>> lost = unplaced(tile, boxes, scores, spec)
>>> padding_doubt(decisive(lost, thresholds), spec.input_size)
'gun 0.93 was found beside the picture, in the padding of its tile: a person must look'
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.calibration import SCORE_FLOOR, calibrate
from detector.detections import Detections
from detector.errors import InferenceFailed
from detector.merging import on_tile
from detector.tile_squares import TileSquare
from detector.weights_spec import WeightsSpec

Float32 = NDArray[np.float32]


def unplaced(tile: TileSquare, boxes: Float32, scores: Float32, spec: WeightsSpec) -> Detections:
    """What merging leaves out of a tile. boxes: (Q, 4) in pixels of the view. scores: (Q, C) of the network.

    Returns boxes in pixels of the network's square, with calibrated scores.
    """
    lost = np.flatnonzero(~on_tile(tile.tile, boxes)[1])
    rows, class_ids = np.nonzero(scores[lost] >= SCORE_FLOOR)
    rows = lost[rows]
    origin = np.array([tile.tile.x1, tile.tile.y1] * 2, np.float32)
    return Detections(
        (boxes[rows] - origin) * tile.placement.corners,
        calibrate(scores[rows, class_ids], class_ids, spec.class_names, spec.calibration),
        class_ids,
        np.full(len(rows), tile.view, np.int64),
        spec.class_names,
    )


def padding_doubt(found: Detections, size: int) -> str:
    """Why a scan is not cleared of which `found`, decisive boxes that merging leaves out, lie in the padding; nothing
    without any. size: side of the square. Raises InferenceFailed for a box without area, or beside the square."""
    if not len(found):
        return ""
    inside = np.clip(found.boxes_xyxy, 0, size)
    strongest = next(iter(found.sorted_by_score()))
    told = f"{strongest.class_name} {strongest.score:.2f}"
    if not (inside[:, 2:] > inside[:, :2]).all():
        raise InferenceFailed(f"the network returned boxes without area, or beside its square ({told})")
    return f"{told} was found beside the picture, in the padding of its tile: a person must look"
