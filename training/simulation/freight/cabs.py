"""A driver's cab with its engine, front to the left: sheet steel outside, a dark block of castings below."""

from __future__ import annotations

import numpy as np

from training.simulation.freight.board import Area, Board
from training.simulation.freight.running_gear import random_block, road_chassis, road_wheel
from training.simulation.outlines import ellipse, rounded_rectangle, smooth
from training.simulation.solids import Point

#: Floor of the cab, cm above the road.
FLOOR = -122.0


def tractor(board: Board, rear: float, generator: np.random.Generator) -> None:
    """A two-axle tractor whose frame ends at x = rear; a semi-trailer lies over its hind axle."""
    front = rear - float(generator.uniform(575, 600))
    road_chassis(board, (front + 30, rear), -96, 26)
    road_wheel(board, front + 140, tyres=2)
    road_wheel(board, rear - 95)
    board.slab("steel", Area(rear - 130, -114, rear - 50, -104).outline, 22)
    _fuel_tank(board, (rear - 250, -66), generator)
    cab(board, front, generator)


def cab(board: Board, front: float, generator: np.random.Generator) -> None:
    """A forward-control cab, about 225 cm long, and all that is in and under it; front: x of the bumper."""
    roof = float(generator.uniform(-372, -318))
    outline = _outline(front, roof)
    # Two sheets on each side with trim between them, and the roof and rear wall along the beam.
    board.shell("steel", outline, depth=240, wall=0.12, edge=7)
    board.pillow("abs", outline, 8.0, edge=5)
    board.slab("aluminium", outline, 0.35)
    board.wire("steel", [*outline, outline[0]], 2.5, thickness=3.0)
    _doors(board, front, roof)
    _inside(board, front, roof, generator)
    engine(board, (front + 128, -104), generator)
    _front_end(board, front, generator)
    if generator.random() < 0.6:
        deflector = [(front + 70, roof), (front + 190, roof - 52), (front + 222, roof - 52), (front + 222, roof)]
        board.shell("abs", deflector, depth=200, wall=0.5, edge=4)


def _outline(front: float, roof: float) -> list[Point]:
    corners = [
        (front + 226, FLOOR), (front + 228, roof + 12), (front + 214, roof), (front + 84, roof + 2),
        (front + 54, roof + 20), (front + 18, -214), (front + 2, -176), (front, FLOOR), (front + 90, FLOOR - 8),
    ]  # fmt: skip
    return [(float(x), float(y)) for x, y in corners]


def _doors(board: Board, front: float, roof: float) -> None:
    """Frames, windows with their lifters, the locks, the pillars of both sides seen apart."""
    for shift, lift in ((0.0, 0.0), (3.0, 4.0)):
        frame = [
            (front + 142 + shift, roof + 22 + lift), (front + 68 + shift, roof + 28 + lift), (front + 24, -212 + lift),
            (front + 24, FLOOR - 16), (front + 142 + shift, FLOOR - 10),
        ]  # fmt: skip
        board.wire("steel", [*frame, frame[0]], 3.2, thickness=0.5)
        board.wire("steel", [(front + 26, -206 + lift), (front + 142, -208 + lift)], 3, thickness=1.2)
    window = [(front + 138, roof + 30), (front + 72, roof + 36), (front + 34, -214), (front + 138, -214)]
    board.slab("glass", window, 0.9)
    board.slab("glass", [(front + 54, roof + 22), (front + 60, roof + 22), (front + 24, -208), (front + 17, -206)], 18)
    board.wire("steel", [(front + 46, -196), (front + 120, -150), (front + 60, -150)], 1.6)
    board.slab("steel", Area(front + 128, -192, front + 140, -176).outline, 2.4)
    board.slab("steel", Area(front + 206, roof + 14, front + 210, FLOOR).outline, 2.6)


def _inside(board: Board, front: float, roof: float, generator: np.random.Generator) -> None:
    """Seats, wheel, dashboard, bunk, lockers, what the driver keeps."""
    back = [(front + 128, -232), (front + 142, -236), (front + 152, -160), (front + 148, -146), (front + 132, -150)]
    board.pillow("polyester", smooth(back), 9, edge=6)
    board.pillow("polyester", rounded_rectangle(58, 13, 5, (front + 116, -148)), 11, edge=5)
    board.wire("steel", [(front + 134, -228), (front + 146, -150), (front + 92, -144)], 2.6, thickness=5)
    board.slab("steel", Area(front + 94, -138, front + 136, -124).outline, 3.2)
    board.wire("steel", [(front + 60, -196), (front + 84, -170)], 2.6, thickness=7)
    board.wire("steel", [(front + 72, -184), (front + 46, -134)], 5, thickness=5)
    dashboard = [(front + 10, -188), (front + 46, -190), (front + 52, -160), (front + 30, -132), (front + 8, -134)]
    board.pillow("abs", smooth(dashboard), 20, edge=6)
    for _ in range(14):
        unit = (front + float(generator.uniform(10, 48)), float(generator.uniform(-184, -134)))
        board.slab("steel", random_block(generator, (3, 12), unit), 2.5)
    board.pillow("polyester", rounded_rectangle(54, 12, 4, (front + 184, -166)), 18, edge=4)
    board.wire("steel", [(front + 156, -158), (front + 212, -158)], 2.2, thickness=9)
    board.slab("abs", Area(front + 80, roof + 8, front + 206, roof + 34).outline, 2.0)
    for _ in range(9):
        start = np.array([front + generator.uniform(14, 206), generator.uniform(roof + 14, FLOOR - 4)])
        ends = [start, start + generator.normal(0, 22, 2), start + generator.normal(0, 34, 2)]
        harness = np.clip(np.array(ends), (front + 62, roof + 14), (front + 208, FLOOR - 4)).tolist()
        path = smooth([(float(a), float(b)) for a, b in harness], closed=False)
        board.wire(
            str(generator.choice(["copper", "steel", "abs"])), path, float(generator.uniform(0.6, 2.2)), thickness=1.2
        )
    for _ in range(18):
        thing = (front + float(generator.uniform(150, 206)), float(generator.uniform(roof + 16, FLOOR - 8)))
        board.pillow("cotton", random_block(generator, (4, 20), thing), float(generator.uniform(6, 40)), edge=3)


def engine(board: Board, centre: Point, generator: np.random.Generator) -> None:
    """A diesel of about a tonne: hardly anything shows through but the gaps around it."""
    x, y = centre
    board.pillow("steel", rounded_rectangle(128, 78, 9, centre), 20, edge=9)
    for step in range(6):
        left = x - 58 + 20 * step
        board.slab("steel", Area(left, y - 44, left + 13, y - 10).outline, 9)
        board.disc("aluminium", (left + 6.5, y - 26), 5.5, 6)
    board.ring("steel", (x - 66, y + 6), (6, 15), 16)
    board.ring("rubber", (x - 68, y + 2), (17, 19), 4)
    board.disc("steel", (x + 28, y - 46), 13, 12)
    board.ring("aluminium", (x + 28, y - 46), (13, 21), 9)
    board.pillow(
        "aluminium",
        [(x + 62, y - 30), (x + 104, y - 20), (x + 140, y - 14), (x + 140, y + 16), (x + 62, y + 34)],
        26,
        edge=8,
    )
    board.turned("steel", [(x + 70, 16), (x + 132, 13)], y=y + 4)
    for _ in range(26):
        part = (x + float(generator.uniform(-70, 110)), y + float(generator.uniform(-52, 44)))
        board.slab("steel", ellipse(part, (float(generator.uniform(2, 9)), float(generator.uniform(2, 7)))), 7)
    for _ in range(7):
        start = np.array([x + generator.uniform(-70, 60), y + generator.uniform(-50, 30)])
        bend = [tuple((start + step * generator.normal(0, 16, 2)).tolist()) for step in range(4)]
        board.wire("rubber", smooth([(float(a), float(b)) for a, b in bend], closed=False), 4, thickness=4)


def _front_end(board: Board, front: float, generator: np.random.Generator) -> None:
    """Radiators, bumper, lamps, step, battery box, and the steering gear under the floor."""
    board.slab("aluminium", Area(front + 26, -150, front + 37, -66).outline, 42)
    board.slab("steel", Area(front + 2, -88, front + 16, -44).outline, 5)
    board.shell("glass", ellipse((front + 12, -78), (9, 12)), depth=30, wall=0.5, edge=4)
    board.slab("steel", Area(front + 34, -70, front + 84, -60).outline, 14)
    board.pillow("steel", rounded_rectangle(26, 34, 4, (front + 66, -92)), 20, edge=4)
    for y in (-60.0, -88.0):
        board.slab("aluminium", Area(front + 84, y, front + 118, y + 4).outline, 14)
    for _ in range(10):
        part = (front + float(generator.uniform(20, 220)), float(generator.uniform(-118, -60)))
        board.pillow("steel", random_block(generator, (6, 24), part), 9, edge=2)


def _fuel_tank(board: Board, centre: Point, generator: np.random.Generator) -> None:
    x, y = centre
    board.shell("aluminium", rounded_rectangle(120, 62, 14, centre), depth=66, wall=0.35, edge=13)
    level = float(generator.uniform(-20, 22))
    fuel = Area(x - 58, y + level, x + 58, y + 29)
    board.pillow("naphtha", rounded_rectangle(fuel.width, fuel.height, 6, fuel.centre), 58, edge=9)
    for shift in (-32.0, 32.0):
        board.slab("steel", Area(x + shift, y - 32, x + shift + 5, y + 32).outline, 0.8)
    board.turned("steel", [(x + 70, 12), (x + 72, 15), (x + 106, 15), (x + 108, 12)], y=y - 8, wall=0.3)
    board.upright("stainless", x + 84, (y + 8, y + 40), 16, wall=0.6)
