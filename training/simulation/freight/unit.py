"""How a load is told where to go, and the means by which loads differ from one another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from training.simulation.freight.board import Area, Board

#: Depth of an ISO container inside, cm.
FULL_DEPTH = 235.0


@dataclass(frozen=True)
class Unit:
    """One unit of cargo to be put at the left and on the floor of `space`.

    depth: of the room along the beam, cm. style: draws the same numbers for every unit of a consignment, so that its
    cartons hold the same goods; chance: draws what differs from unit to unit.
    """

    board: Board
    space: Area
    depth: float
    style: np.random.Generator
    chance: np.random.Generator

    @property
    def share(self) -> float:
        """How much of a container's depth the unit has to itself: goods stand in one row or two across it."""
        return self.depth / FULL_DEPTH

    def within(self, space: Area) -> Unit:
        """The same, for a part of the space."""
        return replace(self, space=space)

    def corner(self, width: float, height: float) -> Area:
        """A rectangle at the left and on the floor, no larger than the space."""
        width, height = min(width, self.space.width), min(height, self.space.height)
        left, bottom = self.space.left, self.space.bottom
        return Area(left, bottom - height, left + width, bottom)

    def rigid(self, width: float, height: float) -> Area | None:
        """As `corner`, for what cannot be made to fit: None where the space is too small."""
        if width > self.space.width or height > self.space.height:
            return None
        return self.corner(width, height)


#: Draws a unit onto its board and returns the area it takes; None where nothing fits.
Load = Callable[[Unit], Area | None]


def pallet_deck(unit: Unit, width: float) -> Area:
    """A timber pallet on the floor of the space, two across the vehicle; returns the space above it."""
    floor = unit.corner(width, 14.5)
    board = unit.board
    # Two pallets of 80 to 120 cm: boards of 2.2 cm with gaps, and three rows of blocks.
    for y, depth in ((floor.top + 1.1, 150.0), (floor.bottom - 1.1, 70.0)):
        board.slab("wood", Area(floor.left, y - 1.1, floor.right, y + 1.1).outline, depth * unit.share)
    for share in (0.0, 0.46, 0.92):
        left = floor.left + share * floor.width
        board.slab("wood", Area(left, floor.top, left + 0.08 * floor.width, floor.bottom).outline, 70 * unit.share)
    return Area(floor.left, unit.space.top, floor.right, floor.top)
