"""Wheels, bogies, chassis, couplers: what carries the load, and all that hangs beneath it.

Depths are sums across the whole vehicle: what stands on both sides counts twice.
"""

from __future__ import annotations

import numpy as np

from training.simulation.freight.board import Area, Board
from training.simulation.outlines import ellipse, rounded_rectangle, smooth
from training.simulation.solids import Point

#: Height of a road wheel's axle, cm: tyres of 315/80 R 22.5 are 108 cm across.
ROAD_AXLE = 52.0
#: Radius of a railway wheel, cm.
RAIL_WHEEL = 46.0


def random_block(generator: np.random.Generator, sides: tuple[float, float], centre: Point) -> list[Point]:
    """A small housing of any width and height between two sides, cm: what nobody would model one by one."""
    width, height = generator.uniform(*sides, 2).tolist()
    return rounded_rectangle(width, height, 2, centre)


def road_wheel(board: Board, x: float, tyres: int = 4, radius: float = ROAD_AXLE) -> None:
    """One axle from the side: `tyres` tyres behind one another, rims, brake drums, the axle end on."""
    centre = (x, -radius)
    # Sidewalls of 1.3 cm cross the beam twice a tyre; under the tread rubber and steel belts lie along it.
    board.ring("rubber", centre, (0.56 * radius, radius), 5.0 * tyres)
    board.ring("rubber", centre, (0.92 * radius, radius), 13.0 * tyres)
    board.ring("steel", centre, (0.945 * radius, 0.965 * radius), 4.0 * tyres)
    board.ring("rubber", centre, (0.54 * radius, 0.60 * radius), 3.0 * tyres)
    board.ring("steel", centre, (0.515 * radius, 0.545 * radius), 18.0 * tyres / 2)
    board.disc("steel", centre, 0.52 * radius, 1.3 * tyres)
    board.ring("steel", centre, (0.34 * radius, 0.41 * radius), 44)
    board.disc("steel", centre, 0.34 * radius, 13)
    board.disc("steel", centre, 0.12 * radius, 80)
    for angle in np.linspace(0, 2 * np.pi, 10, endpoint=False).tolist():
        nut = (x + 0.29 * radius * np.cos(angle), -radius + 0.29 * radius * np.sin(angle))
        board.disc("steel", nut, 1.7, 14)


def axle_gear(board: Board, x: float, deck: float) -> None:
    """Springs, hangers, air bag and shock absorber above an axle; deck: y of the chassis' lower edge."""
    axle = -ROAD_AXLE
    spring = smooth([(x - 48, axle - 10), (x - 20, axle - 16), (x, axle - 18), (x + 46, axle - 14)], closed=False)
    for lift in (0.0, -3.0):
        board.wire("steel", [(px, py + lift) for px, py in spring], 2.4, thickness=18)
    board.slab("steel", [(x - 52, deck), (x - 40, deck), (x - 44, axle - 8), (x - 50, axle - 8)], 5)
    board.upright("rubber", x + 40, (deck, axle - 12), 13, wall=1.2)
    board.slab("steel", Area(x + 26, axle - 14, x + 54, axle - 11).outline, 40)
    board.wire("steel", [(x - 8, axle - 4), (x - 26, deck + 4)], 6, thickness=5)
    board.slab("steel", Area(x - 6, axle - 22, x + 6, axle - 4).outline, 12)


def road_chassis(board: Board, span: tuple[float, float], top: float, height: float) -> None:
    """Two I-beams from span[0] to span[1] with cross members, brake lines and lamps; top: y of the upper flange."""
    left, right = span
    bottom = top + height
    board.slab("steel", Area(left, top, right, bottom).outline, 1.8)
    for y in (top, bottom - 1.4):
        board.slab("steel", Area(left, y, right, y + 1.4).outline, 26)
    for x in np.arange(left + 30, right - 20, 96.0).tolist():
        board.slab("steel", Area(x, top + 3, x + 1.0, bottom - 3).outline, 80)
        board.slab("steel", Area(x - 4, top + 4, x + 5, top + 6).outline, 40)
    for x in np.arange(left + 12, right - 12, 61.0).tolist():
        board.disc("steel", (x, top + 0.4 * height), 3.0, 2.5)
    lines = [(x, top + 0.55 * height + 2.5 * np.sin(x / 37)) for x in np.arange(left, right, 25.0).tolist()]
    board.wire("rubber", lines, 2.2, thickness=3)
    board.wire("copper", [(x, y + 4) for x, y in lines], 1.0)


def landing_gear(board: Board, x: float, top: float) -> None:
    """The legs a semi-trailer stands on by itself, wound up."""
    board.slab("steel", Area(x - 6, top, x + 6, top + 62).outline, 2.6)
    board.slab("steel", Area(x - 4.5, top + 30, x + 4.5, top + 78).outline, 2.4)
    board.slab("steel", Area(x - 12, top + 77, x + 12, top + 80).outline, 40)
    board.wire("steel", [(x + 5, top + 40), (x + 52, top + 3)], 5, thickness=4)
    board.disc("steel", (x, top + 14), 7, 16)


def side_fittings(board: Board, span: tuple[float, float], top: float, generator: np.random.Generator) -> None:
    """Pallet box, spare wheel, air reservoirs, side guard: what hangs under a trailer between legs and axles."""
    left, right = span
    for y in (top + 42, top + 62):
        board.slab("aluminium", Area(left, y, right, y + 9).outline, 1.0)
    x = left + 0.1 * (right - left) + float(generator.uniform(0, 30))
    board.turned("steel", [(x, 11), (x + 2, 14), (x + 74, 14), (x + 76, 11)], y=top + 26, wall=0.4)
    if generator.random() < 0.6:
        board.slab("rubber", ellipse((x + 150, top + 36), (54, 15)), 22)
        board.slab("steel", ellipse((x + 150, top + 36), (29, 9)), 3)
    if generator.random() < 0.6:
        board.shell("steel", rounded_rectangle(62, 44, 3, (right - 50, top + 38)), depth=50, wall=0.2, edge=2)
        for _ in range(6):
            tool = (float(right - 50 + generator.uniform(-24, 24)), float(top + generator.uniform(34, 56)))
            board.slab("steel", ellipse(tool, (float(generator.uniform(3, 12)), 2.0)), 5)


def bogie(board: Board, x: float, deck: float) -> None:
    """Two wheel sets in cast side frames, with springs, bolster and brake gear; x: its middle, deck: y of the sill."""
    base = 91.0
    for side in (-1, 1):
        _rail_wheel(board, x + side * base)
    frame = [
        (x - base - 14, -58), (x - base + 4, -64), (x - 46, -72), (x + 46, -72), (x + base - 4, -64),
        (x + base + 14, -58), (x + base + 14, -46), (x + base - 12, -46), (x + 40, -22), (x - 40, -22),
        (x - base + 12, -46), (x - base - 14, -46),
    ]  # fmt: skip
    board.pillow("steel", frame, 7, edge=3)
    for side in (-1, 1):
        board.carve(ellipse((x + side * 57, -50), (15, 10)))
        board.slab("steel", Area(x + side * base - 13, -58, x + side * base + 13, -38).outline, 16)
        board.wire("steel", [(x + side * base, -44), (x + side * 30, -26), (x, -30)], 5, thickness=8)
        board.slab("steel", Area(x + side * 40 - 5, -62, x + side * 40 + 5, -24).outline, 12)
    for offset in (-16.0, 0.0, 16.0):
        for y in np.arange(-52, -26, 4.2).tolist():
            board.slab("steel", ellipse((x + offset, y), (7.5, 1.3)), 14)
    # The bolster runs across the wagon and carries the centre plate: nothing shows through.
    board.slab("steel", Area(x - 22, -70, x + 22, -50).outline, 90)
    board.slab("steel", Area(x - 17, deck - 2, x + 17, -66).outline, 60)


def _rail_wheel(board: Board, x: float) -> None:
    centre = (x, -RAIL_WHEEL)
    board.ring("steel", centre, (RAIL_WHEEL - 1.5, RAIL_WHEEL + 2.5), 6)
    # The tread is 13.5 cm wide on each side; the plate thins outwards from the hub.
    board.ring("steel", centre, (RAIL_WHEEL - 5.5, RAIL_WHEEL - 1.0), 22)
    for radius, more in ((RAIL_WHEEL - 5.5, 4.2), (33.0, 1.2), (26.0, 1.4), (20.0, 2.2)):
        board.disc("steel", centre, radius, more)
    board.disc("steel", centre, 13, 34)
    board.disc("steel", centre, 8, 120)


def coupler(board: Board, x: float, side: int, deck: float) -> None:
    """An automatic coupler with its draft gear, hose and uncoupling lever; side: -1 at the left end, 1 at the right."""
    y = deck + 16
    shank = sorted((x - side * 40, x + side * 45))
    board.slab("steel", Area(shank[0], y - 7, shank[1], y + 7).outline, 13)
    head = [(0, -14), (26, -17), (34, -8), (24, -2), (36, 6), (30, 15), (0, 13)]
    board.pillow("steel", [(x + side * (38 + px), y + py) for px, py in head], 26, edge=4)
    board.slab("steel", Area(x - 12, y - 15, x + 12, y + 15).outline, 9)
    hose = [(x + side * 14, y + 10), (x + side * 24, y + 34), (x + side * 40, y + 50), (x + side * 52, y + 40)]
    board.wire("rubber", smooth(hose, closed=False), 4.5, thickness=5)
    board.wire("steel", [(x + side * 6, y - 20), (x + side * 44, y - 20), (x + side * 48, y + 4)], 2.2)
    board.wire("steel", [(x + side * 4, deck - 30), (x + side * 4, deck + 46)], 2.4)


def rail_underframe(board: Board, half: float, deck: float, generator: np.random.Generator) -> None:
    """Centre and side sills, cross bearers, brake cylinder, reservoirs, pipes; half: of the wagon's length."""
    board.slab("steel", Area(-half, deck, half, deck + 4).outline, 8)
    board.slab("steel", Area(-half, deck + 4, half, deck + 32).outline, 2.0)
    board.slab("steel", Area(-half, deck + 30, half, deck + 33).outline, 22)
    board.slab("steel", Area(-half + 30, deck, half - 30, deck + 18).outline, 1.6)
    for x in np.arange(-half + 40, half - 30, 118.0).tolist():
        board.slab("steel", Area(x, deck + 2, x + 3, deck + 26).outline, 40)
        board.slab("steel", Area(x - 12, deck + 2, x + 14, deck + 8).outline, 8)
    for x in np.arange(-half + 20, half - 20, 29.5).tolist():
        board.slab("steel", Area(x, deck, x + 0.8, deck + 10).outline, 24)
    x, y = float(generator.uniform(-90, 30)), deck + 52
    board.turned("steel", [(x, 8), (x + 4, 16), (x + 92, 16), (x + 96, 8)], y=y, wall=0.5)
    board.turned("steel", [(x + 120, 12), (x + 124, 15), (x + 164, 15), (x + 166, 5), (x + 230, 4)], y=y - 6, wall=1.2)
    board.wire("steel", [(x + 230, y - 6), (x + 300, y + 8), (half - 180, y + 12)], 4, thickness=5)
    board.wire("steel", [(x - 10, y), (x - 120, y + 10), (-half + 180, y + 14)], 4, thickness=5)
    for _ in range(7):
        part: Point = (x + float(generator.uniform(-60, 220)), y + float(generator.uniform(-22, 10)))
        board.pillow("steel", random_block(generator, (6, 22), part), 6, edge=2)
    pipe = [(px, deck + 40 + 3 * np.sin(px / 90)) for px in np.arange(-half, half, 40.0).tolist()]
    board.wire("steel", pipe, 3.4, thickness=1.6)
