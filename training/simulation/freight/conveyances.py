"""Lorries, trailers and railcars from the side, front to the left, each with the rooms in which cargo may stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from training.simulation.freight.board import Area, Board
from training.simulation.freight.cabs import cab, tractor
from training.simulation.freight.running_gear import (
    axle_gear,
    bogie,
    coupler,
    landing_gear,
    rail_underframe,
    road_chassis,
    road_wheel,
    side_fittings,
)
from training.simulation.freight.shells import (
    Room,
    box_body,
    boxcar_body,
    container,
    gondola_body,
    hopper_body,
)

#: Outside lengths of ISO containers, and the heights of standard and high-cube ones, cm.
FORTY, TWENTY = 1219.0, 606.0
HEIGHTS = (259.0, 290.0)

Rooms = tuple[Room, ...]
Builder = Callable[[Board, np.random.Generator], Rooms]


@dataclass(frozen=True)
class Conveyance:
    """span: x of both ends of the scan, top: y of its upper edge, cm. share: how often it comes, relative."""

    build: Builder
    span: tuple[float, float]
    top: float
    share: float
    rail: bool = False

    def field(self, generator: np.random.Generator) -> Area:
        """What the scan shows. On roads the lowest element stands above the ground, so that wheels are cut."""
        bottom = float(generator.uniform(-2, 6) if self.rail else generator.uniform(-42, 6))
        return Area(self.span[0], self.top, self.span[1], bottom)


def lorry_forty(board: Board, generator: np.random.Generator) -> Rooms:
    """A 40-foot container on a skeletal semi-trailer."""
    height = float(generator.choice(HEIGHTS))
    body = Area(-FORTY / 2, -122 - height, FORTY / 2, -122)
    _skeleton(board, body, generator)
    return (container(board, body, generator),)


def lorry_twenty(board: Board, generator: np.random.Generator) -> Rooms:
    """One 20-foot container on a short skeletal semi-trailer."""
    body = Area(-TWENTY / 2, -122 - HEIGHTS[0], TWENTY / 2, -122)
    _skeleton(board, body, generator)
    return (container(board, body, generator),)


def lorry_two_twenties(board: Board, generator: np.random.Generator) -> Rooms:
    """Two 20-foot containers, doors outwards or both to the rear."""
    body = Area(-FORTY / 2, -122 - HEIGHTS[0], FORTY / 2, -122)
    _skeleton(board, body, generator)
    first = Area(body.left, body.top, body.left + TWENTY, body.bottom)
    second = Area(body.right - TWENTY, body.top, body.right, body.bottom)
    outwards = -1 if generator.random() < 0.5 else 1
    return container(board, first, generator, outwards), container(board, second, generator)


def _skeleton(board: Board, body: Area, generator: np.random.Generator) -> None:
    road_chassis(board, (body.left - 30, body.right), body.bottom, 30)
    for x in (body.left + 20, body.right - 20):
        board.slab("steel", Area(x - 14, body.bottom, x + 14, body.bottom + 14).outline, 12)
    _trailer_axles(board, body.right - 90, body.bottom + 30, 3 if body.width > 700 else 2)
    landing_gear(board, body.left + 0.24 * body.width + 80, body.bottom + 20)
    tractor(board, body.left + 270, generator)


def _trailer_axles(board: Board, last: float, deck: float, count: int) -> None:
    for index in range(count):
        axle_gear(board, last - 131 * index, deck)
        road_wheel(board, last - 131 * index)
    # The mudguards over the wheels.
    guard = Area(last - 131 * (count - 1) - 58, deck - 4, last + 62, deck - 2)
    board.slab("polyethylene", guard.outline, 40)


def semi_trailer(board: Board, generator: np.random.Generator) -> Rooms:
    """A 13.6 m box semi-trailer behind a tractor."""
    body = Area(-680, -398, 680, -128)
    road_chassis(board, (body.left + 20, body.right - 4), body.bottom + 8, 34)
    _trailer_axles(board, body.right - 170, body.bottom + 42, 3)
    landing_gear(board, body.left + 330, body.bottom + 14)
    side_fittings(board, (body.left + 380, body.right - 560), body.bottom + 8, generator)
    tractor(board, body.left + 285, generator)
    return (box_body(board, body, generator),)


def box_truck(board: Board, generator: np.random.Generator) -> Rooms:
    """A rigid truck with a closed body: cab, engine and load in one scan."""
    body = Area(-300, float(generator.uniform(-372, -340)), 420, -112)
    front = body.left - 238
    road_chassis(board, (front + 30, body.right - 6), body.bottom + 8, 24)
    road_wheel(board, front + 138, tyres=2)
    for x in (body.right - 190, body.right - 58)[: 1 + int(generator.random() < 0.4)]:
        axle_gear(board, x, body.bottom + 32)
        road_wheel(board, x)
    side_fittings(board, (body.left + 90, body.right - 270), body.bottom + 2, generator)
    cab(board, front, generator)
    return (box_body(board, body, generator),)


def rail_hopper(board: Board, generator: np.random.Generator) -> Rooms:
    """A covered hopper on two bogies."""
    body = Area(-760, -452, 760, -148)
    _wagon(board, 800, -104, generator)
    return (hopper_body(board, body, generator),)


def rail_boxcar(board: Board, generator: np.random.Generator) -> Rooms:
    """A box wagon with a sliding door."""
    _wagon(board, 790, -108, generator)
    return (boxcar_body(board, Area(-770, -424, 770, -112), generator),)


def rail_flat(board: Board, generator: np.random.Generator) -> Rooms:
    """A flat wagon with a 40-foot container, or two of 20 feet."""
    _wagon(board, 740, -108, generator)
    height = float(generator.choice(HEIGHTS))
    if generator.random() < 0.5:
        return (container(board, Area(-FORTY / 2, -112 - height, FORTY / 2, -112), generator),)
    bodies = (Area(-TWENTY - 12, -371, -12, -112), Area(12, -371, TWENTY + 12, -112))
    return tuple(container(board, body, generator) for body in bodies)


def rail_gondola(board: Board, generator: np.random.Generator) -> Rooms:
    """An open wagon, loaded over its sides."""
    _wagon(board, 730, -108, generator)
    return (gondola_body(board, Area(-710, -318, 710, -112), generator),)


def _wagon(board: Board, half: float, deck: float, generator: np.random.Generator) -> None:
    rail_underframe(board, half, deck, generator)
    for side in (-1, 1):
        bogie(board, side * (half - 205), deck + 30)
        coupler(board, side * half, side, deck)


CONVEYANCES = MappingProxyType(
    {
        "lorry with 40 ft container": Conveyance(lorry_forty, (-965, 640), -438, 0.26),
        "lorry with 20 ft container": Conveyance(lorry_twenty, (-660, 335), -438, 0.10),
        "lorry with two 20 ft containers": Conveyance(lorry_two_twenties, (-965, 640), -438, 0.08),
        "semi-trailer": Conveyance(semi_trailer, (-1020, 710), -438, 0.18),
        "box truck": Conveyance(box_truck, (-565, 455), -438, 0.14),
        "hopper wagon": Conveyance(rail_hopper, (-890, 890), -486, 0.05, rail=True),
        "box wagon": Conveyance(rail_boxcar, (-880, 880), -456, 0.07, rail=True),
        "flat wagon with containers": Conveyance(rail_flat, (-830, 830), -428, 0.08, rail=True),
        "open wagon": Conveyance(rail_gondola, (-820, 820), -380, 0.04, rail=True),
    }
)
