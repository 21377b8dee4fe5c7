"""What closes a load in: container walls, the bodies of box trucks and trailers, wagon bodies.

The beam fans out, so of a roof or a floor the near edge is seen higher up than the far one: each is drawn twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.simulation.freight.board import Area, Board
from training.simulation.solids import Point

#: Slope sheets of a hopper: outlets, half the width of one, and how far the sheets rise, cm.
OUTLETS, OUTLET, RISE = 3, 28.0, 108.0
#: Height of the source above the ground, cm; what is level with it shows one edge only.
SOURCE_HEIGHT = 150.0
#: How much larger the near side is drawn than the middle, and smaller the far side: 122 cm of 4,500 from the source.
#: Real gantries have the source some metres away (.15 to .25). Changing it asks for another VERSION of the benchmark.
PARALLAX = 0.027
#: One wave of the corrugation of ISO container side walls, cm, and the steel of one wall.
WAVE, SHEET = 27.8, 0.18


@dataclass(frozen=True)
class Room:
    """Where cargo may stand: area, and its depth along the beam, cm."""

    area: Area
    depth: float


def near_and_far(y: float) -> tuple[float, float]:
    """Where the near and the far edge at height y come to lie."""
    above = y + SOURCE_HEIGHT
    return y + PARALLAX * above, y - PARALLAX * above


def container(board: Board, body: Area, generator: np.random.Generator, doors: int = 1) -> Room:
    """An ISO container: corrugated walls, posts, castings, doors with bars, timber floor on cross members.

    doors: 1 at the right end, -1 at the left.
    """
    _corrugated(board, body, generator)
    _rails(board, body)
    front, rear = (body.left, body.right) if doors == 1 else (body.right, body.left)
    for x, inward in ((front, doors), (rear, -doors)):
        _corner_post(board, x, inward, body)
    _front_wall(board, front, doors, body)
    _door_gear(board, rear, -doors, body)
    _timber_floor(board, body)
    inner = Area(body.left + 12, body.top + 14, body.right - 12, body.bottom - 17)
    _lashing_rings(board, inner)
    return Room(inner, 233.0)


def _corrugated(board: Board, body: Area, generator: np.random.Generator) -> None:
    """Two walls whose slanted flanks put more steel in the way; the phases of the two walls are each other's chance."""
    walls = np.zeros((1, board.shape[1]), np.float32)
    for phase in generator.uniform(0, 1, 2).tolist():
        along = (board.x / WAVE + phase) % 1.0
        flank = ((along > 0.26) & (along < 0.5)) | (along > 0.76)
        # Stronger than an ISO panel's: its flank (36 mm deep over 68 mm) lies at 28 degrees to the wall, and so puts
        # 1 / cos(28) = 1.13 of its sheet in the beam's way. Changing it asks for another VERSION of the benchmark.
        walls += np.float32(SHEET) * np.where(flank, np.float32(1.45), np.float32(1.0))
    patch = board.patch(Area(body.left + 5, body.top + 5, body.right - 5, body.bottom - 14))
    board.add("steel", patch.inside * walls[:, patch.where[1]], patch.where)


def _rails(board: Board, body: Area) -> None:
    for y in near_and_far(body.top + 3):
        # A hollow rail of 60 mm: dark where its sides are met end on.
        board.slab("steel", Area(body.left, y - 3, body.right, y + 3).outline, 0.3)
        for edge in (y - 3, y + 2.5):
            board.slab("steel", Area(body.left, edge, body.right, edge + 0.5).outline, 3.0)
    low, high = sorted(near_and_far(body.top))
    board.slab("steel", Area(body.left, low, body.right, high).outline, 1.2)
    for y in near_and_far(body.bottom - 8):
        board.slab("steel", Area(body.left, y - 8, body.right, y + 8).outline, 0.45)
        board.slab("steel", Area(body.left, y + 7.2, body.right, y + 8).outline, 4)


def _corner_post(board: Board, x: float, inward: int, body: Area) -> None:
    for lift, shift in ((-1.5, 0.0), (1.5, 1.2)):
        left, right = sorted((x + inward * shift, x + inward * (shift + 15)))
        board.slab("steel", Area(left, body.top + lift, right, body.bottom + lift).outline, 1.1)
        for edge in (left, right - 1.0):
            board.slab("steel", Area(edge, body.top + lift, edge + 1.0, body.bottom + lift).outline, 5.0)
        for y in (body.top + lift, body.bottom - 11.8 + lift):
            # A casting of 178 x 162 x 118 mm with an oval hole in each face.
            casting = Area(left, y, right, y + 11.8)
            board.slab("steel", casting.outline, 7.5)
            board.slab("steel", casting.inset(3.6).outline, 2.0)


def _front_wall(board: Board, x: float, inward: int, body: Area) -> None:
    """The corrugated front, met edge on: 2.4 m of wavy sheet over 4.5 cm."""
    left, right = sorted((x + inward * 5, x + inward * 9.5))
    board.slab("steel", Area(left, body.top, right, body.bottom).outline, 11)
    for edge in (left, right - 0.8):
        board.slab("steel", Area(edge, body.top, edge + 0.8, body.bottom).outline, 5)


def _door_gear(board: Board, x: float, inward: int, body: Area) -> None:
    """Door leaves edge on, their gaskets, four locking bars with cams and handles, hinges."""
    left, right = sorted((x + inward * 3, x + inward * 6))
    board.slab("steel", Area(left, body.top, right, body.bottom).outline, 9)
    board.slab("rubber", Area(left - 1, body.top, right + 1, body.bottom).outline, 8)
    outside = x + inward * 0.5
    board.upright("steel", outside, (body.top + 4, body.bottom - 4), 1.8, wall=0.35)
    board.upright("steel", outside, (body.top + 4, body.bottom - 4), 1.8, wall=0.35)
    for share in (0.04, 0.3, 0.52, 0.78, 0.95):
        y = body.top + share * body.height
        board.slab("steel", Area(outside - 3.5, y - 3, outside + 3.5, y + 3).outline, 12)
    for share in (0.12, 0.38, 0.64, 0.88):
        y = body.top + share * body.height
        board.slab(
            "steel", Area(x - 2 if inward > 0 else x - 6, y - 7, x + 6 if inward > 0 else x + 2, y + 7).outline, 4
        )
    board.wire(
        "steel", [(outside, body.centre[1] + 20), (outside + inward * -3, body.centre[1] + 62)], 2.5, thickness=3
    )


def _timber_floor(board: Board, body: Area) -> None:
    near, far = near_and_far(body.bottom - 15.4)
    top, bottom = min(near, far), max(near, far)
    board.slab("wood", Area(body.left + 5, top - 1.4, body.right - 5, bottom + 1.4).outline, 150)
    for x in np.arange(body.left + 24, body.right - 16, 30.5).tolist():
        # A C section of 122 mm lies across: its web edge on, its flanges flat.
        board.slab("steel", Area(x, body.bottom - 14, x + 0.5, body.bottom - 1.5).outline, 110)
        for y in (body.bottom - 14, body.bottom - 2):
            board.slab("steel", Area(x, y, x + 4.5, y + 0.5).outline, 60)
    for x in (body.centre[0] - 104, body.centre[0] + 104):
        if body.width > 700:
            continue
        # Fork pockets of a 20-foot container.
        board.slab("steel", Area(x - 18, body.bottom - 15, x + 18, body.bottom - 1).outline, 1.2)
        for edge in (x - 18, x + 17):
            board.slab("steel", Area(edge, body.bottom - 15, edge + 1, body.bottom - 1).outline, 30)


def _lashing_rings(board: Board, inner: Area) -> None:
    for x in np.arange(inner.left + 60, inner.right - 40, 118.0).tolist():
        for y in (inner.top + 2, inner.bottom - 4):
            board.slab("steel", Area(x - 1.2, y - 1.5, x + 1.2, y + 2.5).outline, 1.6)


def box_body(board: Board, body: Area, generator: np.random.Generator) -> Room:
    """The body of a box truck or trailer: plywood or foam panels in aluminium frames, posts, roof bows, rear doors."""
    insulated = bool(generator.random() < 0.35)
    sheet, wall = ("polyester", 1.0) if insulated else ("wood", 3.2)
    board.slab(sheet, body.outline, wall)
    board.slab("aluminium", body.outline, 0.35)
    for y in near_and_far(body.top + 2.5):
        board.slab("aluminium", Area(body.left, y - 3, body.right, y + 3).outline, 3)
        board.slab("aluminium", Area(body.left, y - 3, body.right, y - 2).outline, 14)
    low, high = sorted(near_and_far(body.top))
    board.slab("aluminium", Area(body.left, low, body.right, high).outline, 9)
    pitch = float(generator.choice([61.0, 122.0]))
    for x in np.arange(body.left + pitch / 2, body.right, pitch).tolist():
        board.slab("aluminium", Area(x, body.top, x + 4, body.bottom).outline, 0.9)
        board.slab("aluminium", Area(x, body.top, x + 0.6, body.bottom).outline, 3.5)
        board.slab("steel", Area(x + 0.5, body.top - 2, x + 3.5, body.top + 5).outline, 14)
    _panel_ends(board, body)
    _deck(board, body)
    return Room(Area(body.left + 8, body.top + 8, body.right - 9, body.bottom - 5), 242.0)


def _panel_ends(board: Board, body: Area) -> None:
    for left, right in ((body.left, body.left + 5), (body.right - 5, body.right)):
        board.slab("wood", Area(left, body.top, right, body.bottom).outline, 120)
        board.slab("aluminium", Area(left, body.top, left + 0.7, body.bottom).outline, 50)
        board.slab("aluminium", Area(right - 0.7, body.top, right, body.bottom).outline, 50)
    for share in (0.1, 0.36, 0.64, 0.9):
        y = body.top + share * body.height
        board.slab("steel", Area(body.right - 6, y - 4, body.right + 4, y + 4).outline, 9)
    board.upright("steel", body.right + 2, (body.top, body.bottom), 1.4)


def _deck(board: Board, body: Area) -> None:
    board.slab("wood", Area(body.left, body.bottom - 4, body.right, body.bottom).outline, 130)
    board.slab("steel", Area(body.left, body.bottom, body.right, body.bottom + 7).outline, 1.6)
    for x in np.arange(body.left + 12, body.right, 35.0).tolist():
        board.slab("steel", Area(x, body.bottom, x + 0.6, body.bottom + 10).outline, 70)
        board.slab("steel", Area(x, body.bottom + 9, x + 4, body.bottom + 10).outline, 40)


def boxcar_body(board: Board, body: Area, generator: np.random.Generator) -> Room:
    """A steel box wagon: framed walls, a sliding door in the middle, diagonal braces, an arched roof."""
    board.slab("steel", body.outline, 0.55)
    arch = [
        (body.left, body.top),
        (body.left, body.top - 8),
        (body.centre[0], body.top - 13),
        (body.right, body.top - 8),
    ]
    board.slab("steel", [*arch, (body.right, body.top)], 1.6)
    for y in (*near_and_far(body.top + 4), body.centre[1]):
        board.slab("steel", Area(body.left, y - 4, body.right, y + 4).outline, 0.8)
        board.slab("steel", Area(body.left, y + 3.2, body.right, y + 4).outline, 5)
    posts = np.linspace(body.left + 4, body.right - 4, 11).tolist()
    for index, x in enumerate(posts):
        for shift in (0.0, 2.5):
            board.slab("steel", Area(x - 5 + shift, body.top, x + 5 + shift, body.bottom).outline, 0.5)
            board.slab("steel", Area(x - 5 + shift, body.top, x - 4.2 + shift, body.bottom).outline, 4)
        if index < len(posts) - 1 and abs(x + 60 - body.centre[0]) > 180:
            ends: list[Point] = [(x, body.bottom), (posts[index + 1], body.centre[1])]
            board.wire("steel", ends if index % 2 else [(x, body.centre[1]), (posts[index + 1], body.bottom)], 7, 0.6)
    middle = body.centre[0]
    door = Area(middle - 155, body.top + 6, middle + 155, body.bottom)
    board.slab("steel", door.outline, 0.3)
    board.wire("steel", [*door.outline, door.outline[0]], 5, thickness=1.8)
    for side in (body.left, body.right - 4):
        board.slab("steel", Area(side, body.top, side + 4, body.bottom).outline, 12)
    board.slab("wood", Area(body.left, body.bottom - 6, body.right, body.bottom).outline, 140)
    _ladder(board, body.left + 14, body)
    return Room(Area(body.left + 14, body.top + 14, body.right - 14, body.bottom - 6), 268.0)


def gondola_body(board: Board, body: Area, generator: np.random.Generator) -> Room:
    """An open-top wagon: stiff steel sides with many posts and a heavy top chord."""
    board.slab("steel", body.outline, 1.1)
    for y in near_and_far(body.top + 5):
        board.slab("steel", Area(body.left, y - 5, body.right, y + 5).outline, 1.2)
        for edge in (y - 5, y + 4.2):
            board.slab("steel", Area(body.left, edge, body.right, edge + 0.8).outline, 7)
    lean = float(generator.uniform(-1, 1))
    for x in np.arange(body.left + 8, body.right, 121.0).tolist():
        for shift in (0.0, 3.0 + lean):
            board.slab("steel", Area(x + shift, body.top, x + 11 + shift, body.bottom).outline, 0.8)
            for edge in (x + shift, x + shift + 10.2):
                board.slab("steel", Area(edge, body.top, edge + 0.8, body.bottom).outline, 7)
    board.slab("steel", Area(body.left, body.bottom - 1, body.right, body.bottom + 4).outline, 7)
    for side in (body.left, body.right - 7):
        board.slab("steel", Area(side, body.top, side + 7, body.bottom).outline, 9)
    _ladder(board, body.left + 16, body)
    return Room(Area(body.left + 9, body.top - 20, body.right - 9, body.bottom), 280.0)


def hopper_body(board: Board, body: Area, generator: np.random.Generator) -> Room:
    """A covered hopper: curved sides, slope sheets to three outlets, a running board over the hatches."""
    drop = body.bottom + 34
    room = Area(body.left + 6, body.top + 4, body.right - 6, drop)
    stations = np.linspace(room.left, room.right, 121)
    floor = (drop - funnel(stations - room.left, room.width)).tolist()
    sides = [(body.left, body.top), *zip(stations.tolist(), floor, strict=True), (body.right, body.top)]
    board.shell("steel", sides, depth=300, wall=0.35, edge=26)
    board.wire("steel", sides[1:-1], 2.4, thickness=12)
    for x in np.linspace(body.left + 6, body.right - 12, 13).tolist():
        board.slab("steel", Area(x, body.top + 6, x + 6, body.bottom - 40).outline, 1.1)
        board.slab("steel", Area(x, body.top + 6, x + 0.7, body.bottom - 40).outline, 6)
    thirds = np.linspace(room.left, room.right, OUTLETS + 1).tolist()
    for left, right in pairwise(thirds):
        middle = (left + right) / 2
        board.slab("steel", Area(middle - OUTLET - 6, drop - 3, middle + OUTLET + 6, drop + 7).outline, 10)
        board.slab("steel", Area(right - 0.6, body.top, right + 0.6, drop - RISE).outline, 14)
        for x in (middle - 60, middle + 60):
            board.slab("steel", Area(x - 32, body.top - 9, x + 32, body.top).outline, 4)
    board.slab("steel", Area(body.left, body.top - 14, body.right, body.top - 11).outline, 3)
    for side in (body.left + 26, body.right - 32):
        board.slab("steel", Area(side, drop - RISE, side + 6, drop + 14).outline, 7)
    _ladder(board, body.right - 22 if generator.random() < 0.5 else body.left + 22, body)
    return Room(room, 280.0)


def funnel(along: NDArray[np.floating], width: float) -> NDArray[np.floating]:
    """How high the slope sheets stand above the outlets, cm, at `along` cm from the left end of the hopper."""
    third = width / OUTLETS
    away = np.abs(along % third - third / 2)
    return np.asarray(RISE * np.clip((away - OUTLET) / (third / 2 - OUTLET), 0, 1))


def _ladder(board: Board, x: float, body: Area) -> None:
    for side in (x - 20, x + 20):
        board.slab("steel", Area(side - 0.8, body.top, side + 0.8, body.bottom + 20).outline, 3)
    for y in np.arange(body.top + 10, body.bottom + 18, 36.0).tolist():
        board.slab("steel", Area(x - 20, y, x + 20, y + 2).outline, 2.2)
