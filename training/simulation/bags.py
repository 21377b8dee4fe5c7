"""What the things lie in: hard suitcases, rucksacks, trays. Every builder gives the bag and the room inside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.simulation.outlines import arc, blob, ellipse, rectangle, rounded_rectangle, smooth
from training.simulation.solids import Point, Solid
from training.simulation.textures import clouds, creases


@dataclass(frozen=True)
class Bag:
    """solid: the empty bag. room: (width, height) in cm that contents may fill, about the solid's centre.

    clothes: how many garments suit it.
    """

    solid: Solid
    room: Point
    clothes: tuple[int, int]


def suitcase(generator: np.random.Generator, resolution: float) -> Bag:
    """A hard trolley case lying flat: ribbed shell, zip around, telescopic handle, wheels, corner screws, lining."""
    width, height = float(generator.uniform(50, 56)), float(generator.uniform(34, 39))
    body = Solid(width + 12, height + 8, resolution)
    outline = rounded_rectangle(width, height, 4.5)
    body.shell("polycarbonate", outline, depth=22.0, wall=0.16, edge=3.0)
    for y in np.linspace(-0.4, 0.4, 7) * height:
        body.slab("polycarbonate", rectangle(-0.44 * width, float(y), 0.44 * width, float(y) + 0.5), 0.1)
    lining = creases(generator, body.shape, 9 * resolution, 14) + creases(generator, body.shape, 5 * resolution, 18)
    body.add("polyester", (body.cover(outline) * (0.04 + 0.09 * lining)).astype(np.float32))
    _zip(body, rounded_rectangle(width - 1.2, height - 1.2, 4.0))
    _telescope(body, width, height)
    _fittings(body, width, height)
    return Bag(body, (width - 7, height - 6), (4, 7))


def _zip(body: Solid, path: list[Point]) -> None:
    closed = [*path, path[0]]
    body.wire("polyester", closed, 1.1, thickness=0.25)
    body.wire("zinc_alloy", closed, 0.2, thickness=0.07)
    body.wire("polyester", closed, 0.4, thickness=0.4)
    for x, y in (path[len(path) // 8], path[len(path) // 8 + 1]):
        body.slab("zinc_alloy", rounded_rectangle(1.2, 0.8, 0.2, (x, y)), 0.3)
        body.wire("zinc_alloy", ellipse((x + 1.6, y + 0.6), (1.4, 0.5), 25), 0.22)


def _telescope(body: Solid, width: float, height: float) -> None:
    """Two nested aluminium tubes along the case, their housing, the grip at one end."""
    for y in (-0.17 * height, 0.17 * height):
        body.turned("aluminium", [(-0.47 * width, 0.95), (0.45 * width, 0.95)], y=y, wall=0.1)
        body.turned("aluminium", [(-0.49 * width, 0.75), (0.3 * width, 0.75)], y=y, wall=0.1)
        body.turned("steel", [(0.28 * width, 0.6), (0.32 * width, 0.6)], y=y)
        body.disc("steel", (0.44 * width, y), 0.35, 1.2)
    body.pillow("abs", rounded_rectangle(2.4, 0.42 * height, 0.8, (-0.5 * width, 0)), 1.8, edge=0.5)
    body.shell("abs", rounded_rectangle(4.5, 0.46 * height, 0.6, (-0.46 * width, 0)), 3.0, 0.2, 0.4)


def _fittings(body: Solid, width: float, height: float) -> None:
    for y in (-0.4 * height, 0.4 * height):
        for offset in (-1.4, 1.4):
            centre = (width / 2 + 1.6, y + offset)
            body.disc("rubber", centre, 2.2, 1.2)
            body.ring("abs", centre, (0.8, 1.7), 1.0)
            body.disc("steel", centre, 0.35, 3.0)
        body.pillow("abs", rectangle(width / 2 - 2.5, y - 2.6, width / 2 + 0.8, y + 2.6), 2.2, edge=0.5)
        for x in (width / 2 - 1.8, width / 2 - 0.4):
            body.slab("steel", rectangle(x, y - 2.0, x + 0.25, y + 2.0), 0.3)
    for side in (-1, 1):
        for x in np.linspace(-0.42, 0.42, 6) * width:
            body.disc("steel", (float(x), side * (height / 2 - 1.4)), 0.22, 1.0)
    grip = smooth([(-5, height / 2), (-4.4, height / 2 + 2.2), (4.4, height / 2 + 2.2), (5, height / 2)], closed=False)
    body.wire("abs", grip, 1.2, thickness=1.4)
    body.wire("steel", grip, 0.3, thickness=0.15)


def rucksack(generator: np.random.Generator, resolution: float) -> Bag:
    """A soft bag: crumpled fabric in two layers, padded straps, zips with sliders, plastic and steel buckles."""
    width, height = float(generator.uniform(44, 50)), float(generator.uniform(30, 36))
    body = Solid(width + 18, height + 16, resolution)
    outline = blob(generator, width, height, 0.3)
    body.shell("polyester", outline, depth=16.0, wall=0.07, edge=5.0)
    folds = creases(generator, body.shape, 7 * resolution, 16) + creases(generator, body.shape, 3.5 * resolution, 16)
    weave = 0.10 + 0.03 * clouds(generator, body.shape, 2 * resolution) + 0.16 * folds
    body.add("polyester", (body.cover(outline) * weave).astype(np.float32))
    pocket = [(0.55 * x - 0.15 * width, 0.7 * y) for x, y in outline]
    for path in (outline, pocket):
        body.wire("pvc", [*path, path[0]], 0.45, thickness=0.5)
        _zip(body, [(0.94 * x, 0.94 * y) for x, y in path][16:190])
    _straps(body, generator, width, height)
    return Bag(body, (width - 8, height - 7), (2, 4))


def _straps(body: Solid, generator: np.random.Generator, width: float, height: float) -> None:
    for side in (-1, 1):
        bulge = float(generator.uniform(1, 6))
        path = [
            (-0.42 * width, side * 4),
            (-0.2 * width, side * (height / 2 + bulge)),
            (0.25 * width, side * (height / 2 + bulge - 2)),
            (0.46 * width, side * 7),
        ]
        curve = smooth(path, closed=False)
        body.wire("polyester", curve, 4.5, thickness=0.16)
        body.wire("polyester", curve, 0.9, thickness=0.2)
        x, y = curve[len(curve) * 2 // 3]
        frame = rounded_rectangle(3.2, 2.2, 0.4, (x, y))
        body.wire(str(generator.choice(["steel", "abs"])), [*frame, frame[0]], 0.45, thickness=0.4)
        body.wire("steel", [(x, y - 1.1), (x, y + 1.1)], 0.3)
    handle = arc((-width / 2 + 0.5, 0), 3.5, 110, 250)
    body.wire("polyester", handle, 1.8, thickness=0.5)


def tray(generator: np.random.Generator, resolution: float) -> Bag:
    """A screening tray, seen a little from the side: thin floor, one visible wall, doubled rim with notches."""
    width, height = float(generator.uniform(52, 57)), float(generator.uniform(37, 41))
    body = Solid(width + 6, height + 6, resolution)
    body.slab("polyethylene", rounded_rectangle(width - 3, height - 3, 3), 0.45)
    top, bottom = 0.2 * height, height / 2 - 1.0
    wall = [(-width / 2 + 2.5, top), (width / 2 - 2.5, top), (width / 2 - 3.5, bottom), (-width / 2 + 3.5, bottom)]
    body.slab("polyethylene", wall, 0.9)
    body.wire("polyethylene", [wall[0], wall[1]], 0.3, thickness=2.5)
    for side in (-1, 1):
        flank = [
            (side * (width / 2 - 1), -height / 2 + 2),
            (side * (width / 2 - 3.2), -height / 2 + 3),
            (side * (width / 2 - 3.2), bottom),
            (side * (width / 2 - 2.4), bottom),
        ]
        body.slab("polyethylene", flank, 0.8)
    rim = rounded_rectangle(width, height, 4)
    body.wire("polyethylene", [*rim, rim[0]], 1.6, thickness=0.5)
    body.wire("polyethylene", [*rim, rim[0]], 0.35, thickness=1.8)
    for x in np.linspace(-0.3, 0.3, 4) * width:
        body.slab("polyethylene", rectangle(float(x), -height / 2 - 0.4, float(x) + 0.5, -height / 2 + 1.4), 1.2)
    jitter = float(generator.uniform(-1, 1))
    body.slab("paper", rounded_rectangle(6, 4, 0.2, (width / 2 - 8 + jitter, -height / 2 + 4)), 0.05)
    return Bag(body, (width - 10, height - 9), (0, 2))
