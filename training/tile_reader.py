"""One tile of an annotated scan as the station would cut it, in the network's square."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detector.normalise import letterbox, render
from detector.readers import read_scan
from detector.tiling import Tile, plan_tiles
from training.augmentation import LEAST_VISIBLE
from training.datasets.coco_index import AnnotatedScan
from training.export import TILE_PIXELS

UInt8 = NDArray[np.uint8]


def read_tile(
    scan: AnnotatedScan, size: int, choose: Callable[[list[Tile]], Tile]
) -> tuple[UInt8, NDArray[np.float32], NDArray[np.bool_]]:
    """One tile of a scan as the station would cut it, in the network's square, through the station's own reader.

    choose: takes one of the tiles; a scan that the station looks at whole has one alone. Returns the square (size,
    size, 3) RGB, all of the scan's boxes in its pixels, clipped to the tile, and which of them are there to be seen.
    """
    image = render(read_scan(scan.path.read_bytes(), str(scan.path)).views[0])
    tile = choose(plan_tiles(image.shape[1], image.shape[0], TILE_PIXELS))
    square, placement = letterbox(image[tile.y1 : tile.y2, tile.x1 : tile.x2], size)
    low, high = np.array([tile.x1, tile.y1] * 2, np.float32), np.array([tile.x2, tile.y2] * 2, np.float32)
    clipped = np.clip(scan.boxes_xyxy, low, high)
    seen = areas(clipped) >= LEAST_VISIBLE * areas(scan.boxes_xyxy)
    return square, (clipped - low) * np.float32(placement.scale), seen


def areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 4) corners -> (n,) square pixels."""
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), np.float32)
