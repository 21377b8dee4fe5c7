"""Plans the tiles of a scan: every pixel covered, neighbours overlapping, nothing stretched.

>>> plan_tiles(width=640, height=480, side=1280)
[Tile(x1=0, y1=0, x2=640, y2=480)]
>>> len(plan_tiles(width=3000, height=700, side=1280))
3

A network that was trained at one pixel pitch gets tiles that cover as many millimetres on every scanner:

>>> tiles_of_pitch(side=512, network_mm=5.0, scan_mm=(2.5, 5.0))
(1024, 512)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Share of a tile's side that neighbours have in common. An item smaller than this is whole in at least one tile.
OVERLAP = 0.25


@dataclass(frozen=True)
class Tile:
    """A window of a view, in its pixels; x2 and y2 are one past the last."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.x2 - self.x1

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.y2 - self.y1


def plan_tiles(width: int, height: int, side: int, down: int | None = None) -> list[Tile]:
    """Tiles of at most side x side pixels (side across and `down` down, where that is given) that cover a view of
    width x height; one tile if it fits whole.

    Neighbours share at least OVERLAP of a side. Raises ValueError for sizes below 1.
    """
    tall = side if down is None else down
    if min(width, height, side, tall) < 1:
        raise ValueError(f"sizes must be positive: {width} x {height}, tile {side} x {tall}")
    columns, rows = _starts(width, side), _starts(height, tall)
    return [Tile(x, y, min(x + side, width), min(y + tall, height)) for y in rows for x in columns]


def count_tiles(width: int, height: int, across: int, down: int) -> int:
    """How many tiles `plan_tiles` makes, without making them."""
    return _count(width, across) * _count(height, down)


def overlap(side: int) -> int:
    """Pixels along an axis that neighbouring tiles of `side` pixels share at least: what is shorter is whole in one."""
    return side - max(1, math.floor(side * (1 - OVERLAP)))


def tiles_of_pitch(side: int, network_mm: float, scan_mm: tuple[float, float]) -> tuple[int, int]:
    """Pixels across and down of a tile that covers side * network_mm millimetres each way.

    scan_mm: pixel pitch of the scan along x and y, millimetres.
    """
    across, down = (max(1, round(side * network_mm / pitch)) for pitch in scan_mm)
    return across, down


def _count(length: int, side: int) -> int:
    stride = max(1, math.floor(side * (1 - OVERLAP)))
    return 1 if length <= side else math.ceil((length - side) / stride) + 1


def _starts(length: int, side: int) -> list[int]:
    count = _count(length, side)
    if count == 1:
        return [0]
    # Spread evenly, so that the last tile is as full as the first.
    return [round(index * (length - side) / (count - 1)) for index in range(count)]
