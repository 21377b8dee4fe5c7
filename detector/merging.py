"""From the candidates of a view's tiles to its boxes: one item, one box. Time and memory grow linearly with the boxes.

Within a tile, overlapping boxes of one class are reduced to the highest. Across tiles two things are merged. A
fragment, a box cut by the inner edge of its tile, gives way to the whole item that a neighbouring tile saw, if what its
tile shows of that is the same; the whole keeps the higher score of the two. Then boxes of one class that overlap are
reduced again, looking only at boxes near enough in place and size to overlap that much.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
#: IoU of a fragment with that part of the box which lies in the fragment's tile, at least: a pallet does not take over
#: the score of a pistol at a tile's edge, nor the pistol's place.
FRAGMENT_MATCH = 0.5
#: Boxes of a tile up to which OpenCV's suppression is taken, which compares each with all that it kept: for the 300
#: candidates of cargo-n, of 8 classes, it needs 0.4 times as long as the grid; for boxes that all stay, twice as long.
_FEW = 2_500
#: Boxes that are compared with each other at once, and pairs of boxes that are held in memory at once.
_BLOCK, _PAIRS = 256, 2**17
#: The finest grid has cells of 2**-6 pixels: boxes may be clipped to slivers. And grids that a class has along an axis.
_FINEST, _LEVELS = -6, 32
#: An odd number that spreads the grids over all of 64 bits.
_SPREAD = 0x1E3779B97F4A7C15
#: Cells in a row of a grid, more than any view has, and from a cell to itself and the eight beside it.
_ROW = 2**26
_BESIDE = np.array([down * _ROW + right for down in (-1, 0, 1) for right in (-1, 0, 1)])


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
    if len(scores) > _FEW:
        return suppress(xyxy, scores, class_ids, iou)
    xywh = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1).astype(np.float64)
    # OpenCV's stubs say sequences; arrays are what it is fast with.
    kept = cv2.dnn.NMSBoxesBatched(xywh, scores, class_ids.astype(np.int32), 0.0, iou)  # type: ignore[arg-type]
    return np.asarray(kept, np.int64).reshape(-1)


def _join_fragments(found: Boxes, tiles: list[Tile]) -> Boxes:
    """A box that covers FRAGMENT_COVER of a fragment spans more than half of it both ways. So it holds the fragment's
    centre, and its own lies within half its sides of that: in the same cell of the grid of its size, or beside. And
    no grid is more than one level finer than the fragment's own, either way.
    """
    cut = _cut_by_inner_edge(found, tiles)
    fragments, wholes = np.flatnonzero(cut), np.flatnonzero(~cut)
    order = np.argsort(-found.scores, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    best = np.full(len(fragments), len(order))
    levels = _levels(found.xyxy[wholes])
    grid = _Grid(_cell_keys(found.class_ids[wholes], found.xyxy[wholes], levels)[:, None])
    grid.file(np.arange(len(wholes)))
    own_levels = _levels(found.xyxy[fragments])
    for level in np.unique(levels, axis=0):
        may_lie = np.flatnonzero((own_levels <= level + 1).all(axis=1))
        parts = fragments[may_lie]
        for asking, filed in grid.near(_cell_keys(found.class_ids[parts], found.xyxy[parts], level)):
            covering = _covering(found, tiles, parts[asking], wholes[filed])
            np.minimum.at(best, may_lie[asking[covering]], rank[wholes[filed[covering]]])
    joined = best < len(order)
    scores, keep = found.scores.copy(), np.ones(len(order), bool)
    keep[fragments[joined]] = False
    np.maximum.at(scores, order[best[joined]], found.scores[fragments[joined]])
    return Boxes(found.xyxy, scores, found.class_ids, found.tiles)[keep]


def _cut_by_inner_edge(found: Boxes, tiles: list[Tile]) -> Bool:
    """(n,) bool: the box ends at an edge of its tile that is no edge of the view."""
    edges = _edges(tiles)
    view = np.array([*edges[:, :2].min(0), *edges[:, 2:].max(0)], np.float32)
    margin = CUT_MARGIN * (edges[:, 2:] - edges[:, :2]).max(1)
    own = edges[found.tiles]
    at_edge = np.abs(found.xyxy - own) <= margin[found.tiles][:, None]
    return np.asarray((at_edge & (own != view)).any(axis=1))


def _covering(found: Boxes, tiles: list[Tile], fragments: Int64, wholes: Int64) -> Int64:
    """Which pairs are of one class and of two tiles that overlap, the whole covering FRAGMENT_COVER of the fragment and
    matching it, as far as its tile shows of the whole, by FRAGMENT_MATCH."""
    boxes = found.xyxy
    shared, areas = _shared(boxes[fragments], boxes[wholes]), _areas(boxes[fragments])
    pairs = np.flatnonzero(shared / areas >= FRAGMENT_COVER)
    fragments, wholes, edges = fragments[pairs], wholes[pairs], _edges(tiles)
    own, other = found.tiles[fragments], found.tiles[wholes]
    neighbours = (own != other) & (_shared(edges[own], edges[other]) > 0)
    in_tile = _shared(edges[own], boxes[wholes])
    matching = shared[pairs] >= FRAGMENT_MATCH * (areas[pairs] + in_tile - shared[pairs])
    return np.asarray(pairs[neighbours & matching & (found.class_ids[fragments] == found.class_ids[wholes])])


def _edges(tiles: list[Tile]) -> Float32:
    return np.array([[tile.x1, tile.y1, tile.x2, tile.y2] for tile in tiles], np.float32)


def suppress(xyxy: Float32, scores: Float32, class_ids: Int64, iou: float) -> Int64:
    """Greedy non-maximum suppression a class: indices that stay, highest score first.

    The result is that of the plain quadratic method. Two boxes with an IoU above t differ in width and in height by
    less than 1/t, and their centres by less than the larger of the two; so a box is compared only with kept ones filed
    under its own or a neighbouring cell of a grid whose pitch is its size each way, rounded up to a power of two. Of
    one size few are kept in a cell, however thin. Boxes are taken a block at a time, within which all are compared.
    """
    spread = int(np.ceil(np.log2(1 / iou)))
    levels = _levels(xyxy)
    steps = np.indices((spread + 1, spread + 1)).reshape(2, -1).T
    keys = np.stack([_cell_keys(class_ids, xyxy, levels + step) for step in steps], axis=1)
    grid, kept = _Grid(keys), [np.zeros(0, np.int64)]
    order = np.argsort(-scores, kind="stable")
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        stays = np.ones(len(block), bool)
        for asking, filed in grid.near(keys[block]):
            same = class_ids[block[asking]] == class_ids[filed]
            stays[asking[same & _overlap_more(xyxy[block[asking]], xyxy[filed], iou)]] = False
        block = block[stays]
        block = block[_greedy(xyxy[block], class_ids[block], iou)]
        grid.file(block)
        kept.append(block)
    return np.concatenate(kept)


def _greedy(xyxy: Float32, class_ids: Int64, iou: float) -> Bool:
    """(n,) bool: stays of a few boxes, highest score first."""
    same = class_ids[:, None] == class_ids
    hides = np.triu(same & _overlap_more(xyxy[:, None], xyxy[None], iou), 1)
    stays = np.ones(len(xyxy), bool)
    for index in np.flatnonzero(hides.any(axis=1)).tolist():
        if stays[index]:
            stays &= ~hides[index]
    return stays


def _overlap_more(one: Float32, other: Float32, iou: float) -> Bool:
    overlap = _shared(one, other)
    union = _areas(one) + _areas(other) - overlap
    # In double precision: the limit is no float32.
    return np.asarray((overlap / np.maximum(union, 1e-9)).astype(np.float64) > iou)


def _shared(one: Float32, other: Float32) -> Float32:
    """Square pixels that boxes (..., 4) have in common, pair by pair."""
    across = np.minimum(one[..., 2], other[..., 2]) - np.maximum(one[..., 0], other[..., 0])
    down = np.minimum(one[..., 3], other[..., 3]) - np.maximum(one[..., 1], other[..., 1])
    return np.asarray(across.clip(min=0) * down.clip(min=0))


def _areas(boxes: Float32) -> Float32:
    return np.asarray((boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]))


def _levels(xyxy: Float32) -> Int64:
    """(n, 2) the power of two, in pixels, that a box's width and height are rounded up to."""
    sides = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 2.0**_FINEST)
    return np.asarray(np.ceil(np.log2(sides)).astype(np.int64))


def _cell_keys(class_ids: Int64, xyxy: Float32, levels: Int64) -> Int64:
    """(n,) number of the cell that a box's centre lies in, in the grid of its class with a pitch of 2**level pixels.

    levels: (n, 2) across and down, or (2,) of all. Cells that come to share a number cost time and change nothing.
    """
    cells = ((xyxy[:, :2] + xyxy[:, 2:]) / 2 // np.exp2(levels)).astype(np.int64)
    above = levels - _FINEST
    grids = (class_ids * _LEVELS + above[..., 1]) * _LEVELS + above[..., 0]
    return np.asarray(grids * _SPREAD + cells[:, 1] * _ROW + cells[:, 0])


class _Grid:
    """Boxes filed under the cells of a grid, one after another. It finds what is filed near others."""

    def __init__(self, keys: Int64) -> None:
        """keys: (n, k) the cells that each of n boxes may come to be filed under."""
        self._cells, places = np.unique(keys, return_inverse=True)
        self._places: Int64 = places.reshape(keys.shape)
        room = np.bincount(self._places.ravel(), minlength=len(self._cells))
        self._begins = np.cumsum(room) - room
        self._held = np.zeros_like(room)
        self._filed = np.zeros(keys.size, np.int64)

    def file(self, boxes: Int64) -> None:
        """boxes: (m,) of the n, none of them filed yet."""
        places = self._places[boxes].ravel()
        order = np.argsort(places, kind="stable")
        places = places[order]
        # How many of these boxes stand before each in its cell.
        before = np.arange(len(places)) - np.searchsorted(places, places)
        self._filed[self._begins[places] + self._held[places] + before] = np.repeat(boxes, self._places.shape[1])[order]
        np.add.at(self._held, places, 1)

    def near(self, keys: Int64) -> Iterator[tuple[Int64, Int64]]:
        """Pairs of a row of keys, (m,) or (m, k), and a box filed in one of its cells or beside it. A pair may come
        twice; no more than _PAIRS come at a time."""
        if not len(self._cells) or not len(keys):
            return
        asked = (keys.reshape(len(keys), -1, 1) + _BESIDE).reshape(len(keys), -1)
        places = np.searchsorted(self._cells, asked).clip(max=len(self._cells) - 1)
        rows, columns = np.nonzero((self._cells[places] == asked) & (self._held[places] > 0))
        places = places[rows, columns]
        ends = np.cumsum(self._held[places])
        skipped = self._begins[places] - ends + self._held[places]
        for start in range(0, int(ends[-1]) if len(ends) else 0, _PAIRS):
            pairs = np.arange(start, min(start + _PAIRS, int(ends[-1])))
            found = np.searchsorted(ends, pairs, side="right")
            yield rows[found], self._filed[pairs + skipped[found]]
