from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from detector.tiling import OVERLAP, plan_tiles


@pytest.mark.parametrize(
    ("width", "height", "side"),
    [(640, 480, 1280), (1281, 100, 1280), (3000, 700, 1280), (12_345, 2_047, 640), (64, 64, 64), (65, 64, 64)],
)
def test_every_pixel_is_covered_and_no_tile_is_larger_than_asked(width: int, height: int, side: int) -> None:
    covered = np.zeros((height, width), bool)
    for tile in plan_tiles(width, height, side):
        assert 0 <= tile.x1 < tile.x2 <= width and 0 <= tile.y1 < tile.y2 <= height
        assert tile.width <= side and tile.height <= side
        covered[tile.y1 : tile.y2, tile.x1 : tile.x2] = True
    assert covered.all()


def test_neighbours_share_at_least_the_overlap() -> None:
    for width in range(1281, 9000, 97):
        tiles = plan_tiles(width, 500, 1280)
        for left, right in pairwise(tiles):
            assert left.x2 - right.x1 >= OVERLAP * 1280 - 1


def test_a_scan_that_fits_is_one_tile() -> None:
    assert len(plan_tiles(1280, 900, 1280)) == 1


def test_sizes_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        plan_tiles(0, 10, 64)
