"""Fills the rooms of a conveyance: one consignment or a few, each of units of one kind, from the front to the doors."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from training.simulation.freight import cargo_for_testing, cargo_for_training
from training.simulation.freight.assorted_cargo import assorted
from training.simulation.freight.board import Area, Board
from training.simulation.freight.loose_things import scatter
from training.simulation.freight.records import Box, CargoLoad, Family
from training.simulation.freight.shells import PARALLAX, SOURCE_HEIGHT, Room
from training.simulation.freight.unit import Load, Unit

#: Kind -> how often a consignment is of it, relative. Cartons and pallets are most of what moves in containers.
KINDS = MappingProxyType(
    {
        "cartons": 0.30, "mixed pallets": 0.14, "sacks": 0.08, "drums": 0.07, "machinery": 0.07, "engines": 0.05,
        "tyres": 0.06, "scrap": 0.05, "timber": 0.05, "paper rolls": 0.04, "steel coils": 0.03, "empty": 0.06,
    }
)  # fmt: skip
#: What a kind of conveyance carries instead; a hopper takes nothing but bulk.
SPECIAL = MappingProxyType(
    {
        "hopper wagon": {"bulk": 0.85, "empty": 0.15},
        "open wagon": {"scrap": 0.4, "timber": 0.2, "steel coils": 0.15, "machinery": 0.15, "empty": 0.1},
    }
)
#: What is put on top of itself, if there is room.
STACKED = frozenset({"assorted", "mixed pallets", "sacks", "engines"})
#: Units stand closely where people stow by hand, and apart where lifts do, cm (least, most).
GAPS = MappingProxyType(
    {
        "assorted": (0.2, 14.0),
        "cartons": (0.2, 2.5),
        "machinery": (20.0, 90.0),
        "steel coils": (60.0, 220.0),
        "engines": (3, 12),
        "tyres": (0.0, 0.6),
        "paper rolls": (0.0, 1.0),
    }
)
USUAL_GAP = (1.0, 7.0)
#: How often a kind stands in two rows across the vehicle, which never quite line up.
ROWS = MappingProxyType(
    {"assorted": 0.4, "cartons": 0.5, "mixed pallets": 1.0, "sacks": 1.0, "drums": 0.8, "engines": 0.7, "timber": 0.8,
     "scrap": 0.5}
)  # fmt: skip

LOADS: MappingProxyType[Family, MappingProxyType[str, Load]] = MappingProxyType(
    {
        family: MappingProxyType(
            {
                "cartons": loads.cartons,
                "mixed pallets": loads.mixed_pallets,
                "sacks": loads.sacks,
                "drums": loads.drums,
                "machinery": loads.machinery,
                "engines": loads.engines,
                "tyres": loads.tyres,
                "scrap": loads.scrap,
                "timber": loads.timber,
                "paper rolls": loads.paper_rolls,
                "steel coils": loads.steel_coils,
                "bulk": loads.bulk,
                "empty": loads.empty,
            }
        )
        for family, loads in ((Family.TRAIN, cargo_for_training), (Family.TEST, cargo_for_testing))
    }
)
#: Loads that only the TRAIN family has, and how often one takes the place of a kind of KINDS.
ASSORTED: MappingProxyType[str, Load] = MappingProxyType({"assorted": assorted})
ASSORTED_SHARE = 0.3
#: How often loose things lie about in a room of the TRAIN family, which may be none even so.
LOOSE_SHARE = 0.75


def stow(board: Board, room: Room, family: Family, conveyance: str, generator: np.random.Generator) -> list[CargoLoad]:
    """Loads one room; the boxes are in pixels of the board, cut off at its edges."""
    shares = SPECIAL.get(conveyance, KINDS)
    count = int(generator.choice([1, 2, 3, 4], p=[0.5, 0.28, 0.14, 0.08]))
    kinds = generator.choice(list(shares), count, p=np.array(list(shares.values())) / sum(shares.values())).tolist()
    if "empty" in kinds or "bulk" in kinds:
        kinds = kinds[:1]
    if family is Family.TRAIN and conveyance not in SPECIAL:
        kinds = [_varied(kind, generator) for kind in kinds]
    ends = np.sort(generator.uniform(0.15, 0.95, len(kinds) - 1)).tolist()
    # Some rooms are not full: the last metres before the doors are empty.
    full = float(generator.choice([1.0, generator.uniform(0.4, 0.95)], p=[0.7, 0.3]))
    edges = room.area.left + room.area.width * full * np.array([0.0, *ends, 1.0])
    if kinds[0] in ("empty", "bulk"):
        edges = np.array([room.area.left, room.area.right])
    loads: list[CargoLoad] = []
    stowed: list[Area] = []
    for kind, left, right in zip(kinds, edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = Room(Area(left, room.area.top, right, room.area.bottom), room.depth)
        areas = consign(board, part, kind, family, generator)
        loads += [CargoLoad(kind, box_of(board, area)) for area in areas]
        stowed += areas
    if family is Family.TRAIN and "bulk" not in kinds and generator.random() < LOOSE_SHARE:
        scatter(board, room, stowed, generator)
    return loads


def _varied(kind: str, generator: np.random.Generator) -> str:
    """The kind, or now and then an assorted load in its place."""
    if kind == "empty" or generator.random() >= ASSORTED_SHARE:
        return kind
    return str(generator.choice(list(ASSORTED)))


def consign(board: Board, room: Room, kind: str, family: Family, generator: np.random.Generator) -> list[Area]:
    """Units of one kind, in one row or two across the room, each until it is full; where each unit lies at half
    the depth."""
    build = ASSORTED[kind] if kind in ASSORTED and family is Family.TRAIN else LOADS[family][kind]
    seed = int(generator.integers(2**31))
    rows = 2 if generator.random() < ROWS.get(kind, 0.0) else 1
    areas: list[Area] = []
    edges = np.linspace(-PARALLAX, PARALLAX, rows + 1).tolist()
    for row in range(rows):
        layer = board.blank()
        start = room.area.left + float(generator.uniform(0, 24)) * row
        part = Room(Area(start, room.area.top, room.area.right, room.area.bottom), room.depth / rows)
        areas += _row(layer, part, build, (seed, kind), generator)
        board.add_across(layer, (edges[row], edges[row + 1]), -SOURCE_HEIGHT)
    return areas


def _row(
    board: Board, room: Room, build: Load, consignment: tuple[int, str], generator: np.random.Generator
) -> list[Area]:
    seed, kind = consignment
    gap = GAPS.get(kind, USUAL_GAP)
    areas: list[Area] = []
    left = room.area.left
    while left < room.area.right - 30:
        space = Area(left, room.area.top, room.area.right, room.area.bottom)
        pile = _pile(board, space, build, (seed, room.depth, kind in STACKED), generator)
        if not pile:
            break
        areas += pile
        left = max(area.right for area in pile) + float(generator.uniform(*gap))
    return areas


def _pile(
    board: Board, space: Area, build: Load, consignment: tuple[int, float, bool], generator: np.random.Generator
) -> list[Area]:
    """One unit, and others on it while they fit."""
    seed, depth, stacked = consignment
    pile: list[Area] = []
    while True:
        area = build(Unit(board, space, depth, np.random.default_rng(seed), generator))
        if area is None:
            return pile
        pile.append(area)
        space = Area(space.left, space.top, max(area.right, space.left + 1), area.top - 0.5)
        if not stacked or space.height < area.height or generator.random() < 0.25:
            return pile


def box_of(board: Board, area: Area) -> Box:
    """An area in pixels of the board, cut off at its edges."""
    corners: NDArray[np.float64] = np.array([[area.left, area.top], [area.right, area.bottom]])
    pixels = np.clip(corners * board.resolution + board.origin, 0, board.shape[::-1]).round(1)
    (x1, y1), (x2, y2) = pixels.tolist()
    return x1, y1, x2, y2
