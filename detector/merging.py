"""From the candidates of a view's tiles to its boxes: one item, one box. Time and memory grow linearly with the boxes.

Within a tile, OpenCV reduces overlapping boxes of one class to the highest. Across tiles two things are merged. A
fragment, a box cut by the inner edge of its tile, gives way to the whole item that a neighbouring tile saw, which keeps
the higher score of the two. Then boxes of one class that overlap are reduced again, looking only at boxes near enough
in place and size to overlap that much.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.calibration import SCORE_FLOOR
from detector.errors import InferenceFailed
from detector.tiling import Tile

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

#: A box ending this near to a tile's inner edge, as a share of the tile's side, was cut by it.
CUT_MARGIN = 0.01
#: Share of a fragment that must lie within another tile's box of its class to be a part of that item.
FRAGMENT_COVER = 0.7


@dataclass(frozen=True)
class Boxes:
    """n boxes of one view. xyxy: (n, 4) pixels of the view; scores (n,); class_ids (n,); tiles (n,), tile numbers."""

    xyxy: Float32
    scores: Float32
    class_ids: Int64
    tiles: Int64

    def __getitem__(self, index: NDArray[np.generic]) -> Boxes:
        return Boxes(self.xyxy[index], self.scores[index], self.class_ids[index], self.tiles[index])


def merge_tiles(tiles: list[Tile], boxes: list[Float32], scores: list[Float32], iou: float) -> Boxes:
    """Boxes of a view from its tiles.

    boxes: for each tile (Q, 4) in pixels of the view. scores: for each tile (Q, C). iou: boxes of one class that
    overlap more than this are one item. Returns boxes clipped to the view, highest score first.
    """
    found = _gather(tiles, boxes, scores, iou)
    if len(tiles) == 1:
        return found
    found = _join_fragments(found, tiles)
    return found[suppress(found.xyxy, found.scores, found.class_ids, iou)]


def _gather(tiles: list[Tile], boxes: list[Float32], scores: list[Float32], iou: float) -> Boxes:
    parts = []
    for number, (tile, tile_boxes, tile_scores) in enumerate(zip(tiles, boxes, scores, strict=True)):
        rows, class_ids = np.nonzero(tile_scores >= SCORE_FLOOR)
        if (tile_boxes[rows, 2:] < tile_boxes[rows, :2]).any():
            raise InferenceFailed("the network returned boxes that end before they begin")
        clipped, real = on_tile(tile, tile_boxes[rows])
        rows, class_ids, clipped = rows[real], class_ids[real], clipped[real]
        own_scores = tile_scores[rows, class_ids]
        kept = _suppress_in_tile(clipped, own_scores, class_ids, iou)
        parts.append(Boxes(clipped[kept], own_scores[kept], class_ids[kept], np.full(len(kept), number)))
    return Boxes(
        np.concatenate([part.xyxy for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.class_ids for part in parts]),
        np.concatenate([part.tiles for part in parts]),
    )


def on_tile(tile: Tile, boxes: Float32) -> tuple[Float32, Bool]:
    """Boxes (n, 4), in pixels of the view, clipped to their tile; and (n,) bool: anything of them lies on it. Of one
    wholly in the padding nothing does; `unplaced` looks after those."""
    edges = np.array([tile.x1, tile.y1, tile.x2, tile.y2], np.float32)
    clipped = np.clip(boxes, np.tile(edges[:2], 2), np.tile(edges[2:], 2))
    return clipped, np.asarray((clipped[:, 2:] > clipped[:, :2]).all(axis=1))


def _suppress_in_tile(xyxy: Float32, scores: Float32, class_ids: Int64, iou: float) -> Int64:
    """Indices that stay of one tile's boxes, highest score first."""
    if not len(scores):
        return np.zeros(0, np.int64)
    xywh = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1).astype(np.float64)
    # OpenCV's stubs say sequences; arrays are what it is fast with.
    kept = cv2.dnn.NMSBoxesBatched(xywh, scores, class_ids.astype(np.int32), 0.0, iou)  # type: ignore[arg-type]
    return np.asarray(kept, np.int64).reshape(-1)


def _join_fragments(found: Boxes, tiles: list[Tile]) -> Boxes:
    cut = _cut_by_inner_edge(found, tiles)
    scores, keep = found.scores.copy(), np.ones(len(found.scores), bool)
    members = {number: np.flatnonzero((found.tiles == number) & ~cut) for number in np.unique(found.tiles)}
    neighbours = {number: _overlapping(number, tiles) for number in np.unique(found.tiles[cut])}
    for fragment in np.flatnonzero(cut):
        near = [members[other] for other in neighbours[found.tiles[fragment]] if other in members]
        whole = _covering(found, int(fragment), np.concatenate(near)) if near else None
        if whole is not None:
            keep[fragment] = False
            scores[whole] = max(scores[whole], scores[fragment])
    return Boxes(found.xyxy, scores, found.class_ids, found.tiles)[keep]


def _cut_by_inner_edge(found: Boxes, tiles: list[Tile]) -> Bool:
    """(n,) bool: the box ends at an edge of its tile that is no edge of the view."""
    edges = np.array([[tile.x1, tile.y1, tile.x2, tile.y2] for tile in tiles], np.float32)
    view = np.array([*edges[:, :2].min(0), *edges[:, 2:].max(0)], np.float32)
    margin = CUT_MARGIN * (edges[:, 2:] - edges[:, :2]).max(1)
    own = edges[found.tiles]
    at_edge = np.abs(found.xyxy - own) <= margin[found.tiles][:, None]
    return np.asarray((at_edge & (own != view)).any(axis=1))


def _overlapping(number: int, tiles: list[Tile]) -> list[int]:
    tile = tiles[number]
    return [
        other
        for other, candidate in enumerate(tiles)
        if other != number
        and min(tile.x2, candidate.x2) > max(tile.x1, candidate.x1)
        and min(tile.y2, candidate.y2) > max(tile.y1, candidate.y1)
    ]


def _covering(found: Boxes, fragment: int, others: Int64) -> int | None:
    """The highest box among `others` of the fragment's class that covers FRAGMENT_COVER of it, if any."""
    others = others[found.class_ids[others] == found.class_ids[fragment]]
    box, candidates = found.xyxy[fragment], found.xyxy[others]
    shared = np.minimum(candidates[:, 2:], box[2:]) - np.maximum(candidates[:, :2], box[:2])
    covered = shared.clip(min=0).prod(axis=1) / (box[2:] - box[:2]).prod()
    others = others[covered >= FRAGMENT_COVER]
    return int(others[found.scores[others].argmax()]) if len(others) else None


def suppress(xyxy: Float32, scores: Float32, class_ids: Int64, iou: float) -> Int64:
    """Greedy non-maximum suppression a class: indices that stay, highest score first.

    The result is that of the plain quadratic method. Two boxes with an IoU above t differ in their longer side by less
    than 1/t, and their centres by less than the longer of the two; so a box is compared only with kept ones filed
    under its own or a neighbouring cell of a grid whose pitch is its size, rounded up to a power of two.
    """
    levels = np.ceil(np.log2(np.maximum((xyxy[:, 2:] - xyxy[:, :2]).max(axis=1, initial=0), 1e-3))).astype(int)
    centres = (xyxy[:, :2] + xyxy[:, 2:]) / 2
    spread = int(np.ceil(np.log2(1 / iou)))
    cells: dict[tuple[int, int, int, int], list[int]] = defaultdict(list)
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable").tolist():
        class_id, level = int(class_ids[index]), int(levels[index])
        places = [_cell(centres[index], step) for step in range(level, level + spread + 1)]
        near: set[int] = set()
        for step, (column, row) in enumerate(places, start=level):
            for right, down in product((-1, 0, 1), repeat=2):
                near.update(cells.get((class_id, step, column + right, row + down), ()))
        if near and _highest_iou(xyxy, index, near) > iou:
            continue
        kept.append(index)
        for step, (column, row) in enumerate(places, start=level):
            cells[class_id, step, column, row].append(index)
    return np.array(kept, np.int64)


def _cell(centre: Float32, level: int) -> tuple[int, int]:
    pitch = 2.0**level
    return int(centre[0] // pitch), int(centre[1] // pitch)


def _highest_iou(xyxy: Float32, index: int, others: set[int]) -> float:
    box, candidates = xyxy[index], xyxy[list(others)]
    shared = np.minimum(candidates[:, 2:], box[2:]) - np.maximum(candidates[:, :2], box[:2])
    overlap = shared.clip(min=0).prod(axis=1)
    areas = (candidates[:, 2:] - candidates[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return float((overlap / np.maximum(areas - overlap, 1e-9)).max())
