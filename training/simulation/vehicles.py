"""A lorry and the empty container on it, seen from the side: the beam is horizontal and crosses their whole width.

Every builder draws onto a Solid whose origin is the middle of the container; x runs towards the tail, lengths in cm.
"""

from __future__ import annotations

import numpy as np

from training.simulation.outlines import rectangle, rounded_rectangle, smooth
from training.simulation.solids import Point, Solid

#: Outside length and height of a 40-foot container, and the width that the beam crosses, cm.
CONTAINER = (1219.0, 259.0, 244.0)
HALF_LENGTH, HALF_HEIGHT = CONTAINER[0] / 2, CONTAINER[1] / 2


def container(board: Solid) -> None:
    """Corrugated steel walls, posts, rails, castings, a timber floor on steel cross members."""
    shell = rectangle(-HALF_LENGTH, -HALF_HEIGHT, HALF_LENGTH, HALF_HEIGHT)
    # The slanted flanks of the corrugation (27.8 cm a wave) put more steel in the beam's way, here twice as much, where
    # a real panel's put 1.13 times; two walls.
    phase = (board.x / 27.8) % 1.0
    flank = (((phase > 0.22) & (phase < 0.36)) | ((phase > 0.72) & (phase < 0.86))).astype(np.float32)
    board.add("steel", board.cover(shell) * np.float32(0.36) * (1 + 1.1 * flank))
    for side in (-1, 1):
        x = side * (HALF_LENGTH - 8)
        board.slab("steel", rectangle(x - 8, -HALF_HEIGHT, x + 8, HALF_HEIGHT), 2.4)
        board.slab("steel", rectangle(x - 3, -HALF_HEIGHT, x + 3, HALF_HEIGHT), 2.0)
        for y in (-HALF_HEIGHT, HALF_HEIGHT):
            board.slab("steel", rectangle(x - 9, y - 6, x + 9, y + 6), 9.0)
    for top, bottom, thickness in ((-HALF_HEIGHT, -HALF_HEIGHT + 6, 1.6), (HALF_HEIGHT - 14, HALF_HEIGHT, 1.4)):
        board.slab("steel", rectangle(-HALF_LENGTH, top, HALF_LENGTH, bottom), thickness)
    board.slab("wood", rectangle(-HALF_LENGTH, HALF_HEIGHT - 17, HALF_LENGTH, HALF_HEIGHT - 14), 200)
    for x in np.arange(-HALF_LENGTH + 30, HALF_LENGTH - 20, 30.5).tolist():
        board.slab("steel", rectangle(x, HALF_HEIGHT - 14, x + 1.2, HALF_HEIGHT - 1), 12)
    board.slab("steel", rectangle(HALF_LENGTH - 16, -HALF_HEIGHT, HALF_LENGTH - 12, HALF_HEIGHT), 3.0)


def lorry(board: Solid) -> None:
    """Tractor and semi-trailer: chassis beams, landing gear, axles, tank, engine, cab."""
    under = HALF_HEIGHT
    board.slab("steel", rectangle(-HALF_LENGTH - 40, under + 2, HALF_LENGTH, under + 7), 2.4)
    board.slab("steel", rectangle(-HALF_LENGTH - 40, under + 24, HALF_LENGTH - 20, under + 29), 2.4)
    board.slab("steel", rectangle(-HALF_LENGTH - 40, under + 2, HALF_LENGTH, under + 29), 1.1)
    for x in np.linspace(-HALF_LENGTH + 60, HALF_LENGTH - 60, 9).tolist():
        board.slab("steel", rectangle(x, under + 2, x + 5, under + 27), 6)
    for x in (-200.0, -186.0):
        board.slab("steel", rectangle(x, under + 25, x + 9, under + 84), 2.6)
    board.slab("aluminium", rounded_rectangle(95, 36, 8, (-90, under + 50)), 6)
    for x in (300, 430, 560):
        _wheel(board, (float(x), under + 62))
    for x in (-HALF_LENGTH + 35, -HALF_LENGTH - 250):
        _wheel(board, (x, under + 62))
    _tank(board, (-HALF_LENGTH - 110, under + 62))
    _cab(board, -HALF_LENGTH - 60)


def _wheel(board: Solid, centre: Point) -> None:
    """Twin tyres with steel belts, rims, a drum and a hub."""
    board.ring("rubber", centre, (28, 50), 30)
    board.ring("steel", centre, (46, 49.5), 1.6)
    board.ring("rubber", centre, (44, 51), 16)
    board.ring("steel", centre, (26, 29.5), 9)
    board.disc("steel", centre, 27, 2.4)
    board.ring("steel", centre, (14, 21), 9)
    board.disc("steel", centre, 8, 22)
    for angle in np.linspace(0, 2 * np.pi, 10, endpoint=False).tolist():
        board.disc("steel", (centre[0] + 16.5 * np.cos(angle), centre[1] + 16.5 * np.sin(angle)), 1.6, 6)


def _tank(board: Solid, centre: Point) -> None:
    outline = rounded_rectangle(110, 58, 12, centre)
    board.shell("aluminium", outline, depth=62, wall=0.4, edge=12)
    board.pillow("naphtha", rounded_rectangle(106, 38, 8, (centre[0], centre[1] + 8)), 56, edge=10)
    for x in (-30, 30):
        board.slab("steel", rectangle(centre[0] + x, centre[1] - 30, centre[0] + x + 5, centre[1] + 30), 0.8)


def _cab(board: Solid, rear: float) -> None:
    """A forward-control cab: sheet steel, windows, seat, wheel, dashboard, and the engine below."""
    top, floor = -HALF_HEIGHT + 5, HALF_HEIGHT + 20
    outline = [
        (rear, top + 6),
        (rear - 20, top),
        (rear - 130, top + 4),
        (rear - 168, top + 50),
        (rear - 200, top + 140),
        (rear - 208, floor + 14),
        (rear - 120, floor),
        (rear, floor),
    ]
    board.shell("steel", outline, depth=230, wall=0.14, edge=9)
    board.slab("abs", [(x * 0.96 + 0.04 * (rear - 100), 0.95 * y) for x, y in outline], 1.2)
    board.wire("steel", [*outline, outline[0]], 4, thickness=0.7)
    door = [
        (rear - 60, top + 22),
        (rear - 150, top + 30),
        (rear - 185, top + 130),
        (rear - 185, floor - 12),
        (rear - 60, floor - 12),
    ]
    board.wire("steel", [*door, door[0]], 3, thickness=0.6)
    window = [(rear - 70, top + 40), (rear - 165, top + 52), (rear - 182, top + 110), (rear - 70, top + 110)]
    board.slab("glass", window, 1.2)
    _seat(board, rear, top, floor)
    _engine(board, (rear - 105, floor + 22))


def _seat(board: Solid, rear: float, top: float, floor: float) -> None:
    """The driver's seat on its steel frame, the steering wheel, the dashboard."""
    board.pillow(
        "polyester",
        smooth(
            [
                (rear - 70, top + 120),
                (rear - 88, floor - 70),
                (rear - 130, floor - 62),
                (rear - 130, floor - 45),
                (rear - 70, floor - 45),
                (rear - 52, top + 120),
            ]
        ),
        3.5,
        edge=8,
    )
    board.wire(
        "steel",
        [(rear - 80, top + 120), (rear - 92, floor - 50), (rear - 128, floor - 48), (rear - 120, floor)],
        3,
        thickness=4,
    )
    board.wire("abs", [(rear - 152, floor - 112), (rear - 134, floor - 78)], 3, thickness=40)
    board.pillow(
        "abs",
        smooth(
            [(rear - 196, floor - 95), (rear - 160, floor - 90), (rear - 165, floor - 40), (rear - 205, floor - 30)]
        ),
        30,
        edge=8,
    )


def _engine(board: Solid, centre: Point) -> None:
    x, y = centre
    board.pillow("steel", rounded_rectangle(105, 72, 6, centre), 11, edge=6)
    for step in range(6):
        board.slab("steel", rectangle(x - 46 + 16 * step, y - 32, x - 36 + 16 * step, y + 5), 6)
    board.disc("steel", (x - 40, y + 26), 18, 8)
    board.disc("steel", (x + 35, y + 22), 12, 9)
    board.slab("aluminium", rectangle(x - 88, y - 34, x - 80, y + 34), 45)
    board.turned("steel", [(x + 50, 14), (x + 90, 9), (x + 150, 5)], y=y + 12)
