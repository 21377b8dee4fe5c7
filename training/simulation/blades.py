"""Knives, scissors and wrenches. Every builder takes a generator and a resolution in pixels a cm, and gives a Solid."""

from __future__ import annotations

import numpy as np

from training.simulation.outlines import arc, ellipse, rectangle, rounded_rectangle, smooth
from training.simulation.solids import Outline, Point, Pose, Solid


def knife(generator: np.random.Generator, resolution: float) -> Solid:
    """A kitchen, folding, utility or dagger-like knife."""
    kinds = (kitchen_knife, folding_knife, utility_knife, straight_knife)
    return kinds[int(generator.choice(4, p=[0.35, 0.25, 0.15, 0.25]))](generator, resolution)


def _wedge(solid: Solid, outline: Outline, spine: float, top: float, bottom: float) -> None:
    """A blade of stainless steel: `spine` cm thick at y = top, thinning out to a tenth at y = bottom."""
    taper = np.clip((bottom - solid.y) / (bottom - top), 0.1, 1.0)
    solid.add("stainless", (solid.cover(outline) * taper * spine).astype(np.float32))


def kitchen_knife(generator: np.random.Generator, resolution: float) -> Solid:
    """Blade of 11 to 20 cm, full tang, riveted handle."""
    length, height = float(generator.uniform(11, 20)), float(generator.uniform(2.2, 4.0))
    body = Solid(2 * length + 14, 6, resolution)
    tip: list[Point] = [(0, -1.1), (0.55 * length, -1.0), (0.85 * length, -0.5), (length, 0.6)]
    belly: list[Point] = [(0.9 * length, 0.5 * height), (0.6 * length, height - 1.2), (0.3, height - 1.1)]
    outline = smooth([*tip, *belly], closed=False)
    _wedge(body, outline, 0.24, -1.1, height - 1.1)
    body.pillow("stainless", rectangle(-0.6, -1.15, 0.5, 0.9), 0.7, edge=0.3)
    handle = smooth([(-0.5, -1.1), (-5.5, -1.1), (-11.0, -0.8), (-11.6, 0.6), (-10.5, 1.3), (-6.0, 0.7), (-0.5, 0.9)])
    body.pillow(str(generator.choice(["wood", "abs"])), handle, 1.7, edge=0.7)
    body.slab("stainless", smooth([(-0.4, -0.7), (-10.6, -0.5), (-11.0, 0.5), (-6.0, 0.3), (-0.4, 0.5)]), 0.2)
    for x in (-2.2, -5.6, -9.0):
        body.disc("brass", (x, -0.1), 0.28, 1.5)
    return body


def straight_knife(generator: np.random.Generator, resolution: float) -> Solid:
    """A fixed blade with a guard: symmetrical, thickest along its middle."""
    length = float(generator.uniform(9, 14))
    body = Solid(2 * length + 12, 5, resolution)
    outline = [(0, -1.2), (0.75 * length, -1.1), (length, 0.0), (0.75 * length, 1.1), (0, 1.2)]
    ridge = np.clip(1 - np.abs(body.y) / 1.4, 0.1, 1.0) * 0.42
    body.add("stainless", (body.cover(outline) * ridge).astype(np.float32))
    body.pillow("brass", rounded_rectangle(0.6, 4.2, 0.3, (-0.2, 0)), 0.9, edge=0.3)
    body.turned("rubber", [(-10, 1.2), (-9, 1.0), (-5, 1.2), (-2, 0.95), (-0.5, 1.1)])
    body.slab("stainless", rectangle(-9.2, -0.55, -0.4, 0.55), 0.4)
    body.turned("stainless", [(-10.6, 0.8), (-10.0, 1.2), (-9.6, 1.1)])
    return body


def folding_knife(generator: np.random.Generator, resolution: float) -> Solid:
    """Opened or closed: blade, two steel liners, scales, pivot, clip."""
    length = float(generator.uniform(7, 9.5))
    blade = Solid(2 * length + 3, 4, resolution)
    outline = smooth([(-0.9, -0.8), (0.6 * length, -0.9), (length, 0.3), (0.7 * length, 1.1), (0.5, 1.0), (-0.9, 0.8)])
    _wedge(blade, outline, 0.3, -0.9, 1.1)
    body = Solid(2 * length + 8, 2 * length + 6, resolution)
    handle = smooth(
        [(0.8, -1.2), (-0.5 * length, -1.35), (-length - 1.6, -0.9), (-length - 1.9, 0.9), (-4, 1.2), (0.6, 1.3)]
    )
    body.shell("stainless", handle, depth=1.2, wall=0.16, edge=0.05)
    body.pillow(str(generator.choice(["abs", "aluminium"])), handle, 0.7, edge=0.25)
    closed = generator.random() < 0.3
    body.attach(blade, Pose(0, 0.2 if closed else 0, angle=178 if closed else float(generator.choice([0, 0, 35]))))
    body.disc("stainless", (0, 0), 0.45, 1.1)
    for x in (-0.45 * length, -length - 1.0):
        body.disc("stainless", (x, 0.1), 0.2, 1.1)
    body.wire("stainless", [(-length - 1.2, -0.5), (-3.5, -0.6)], 0.5, thickness=0.12)
    return body


def utility_knife(generator: np.random.Generator, resolution: float) -> Solid:
    """A cutter: plastic or zinc body, steel channel, snap-off blade with scored segments."""
    body = Solid(28, 4, resolution)
    out = float(generator.uniform(1.5, 6))
    case = rounded_rectangle(15, 2.3, 0.8, (-4, 0))
    body.shell(str(generator.choice(["abs", "zinc_alloy"])), case, depth=1.1, wall=0.12, edge=0.3)
    body.slab("steel", rectangle(-10.5, -0.95, 3.8, 0.95), 0.14)
    blade = [(-7 + out, -0.85), (3 + out, -0.85), (4.2 + out, 0.85), (-7 + out, 0.85)]
    _wedge(body, blade, 0.08, -0.9, 1.6)
    for x in np.arange(-5 + out, 3 + out, 1.0).tolist():
        body.wire("stainless", [(x, -0.85), (x + 0.9, 0.85)], 0.08, thickness=0.03)
    body.disc("steel", (-3.0, 0), 0.5, 0.5)
    body.pillow("abs", rounded_rectangle(2.4, 1.2, 0.5, (-3.0, 0)), 0.9, edge=0.3)
    return body


def scissors(generator: np.random.Generator, resolution: float) -> Solid:
    """Two blades on a pivot, plastic or steel finger rings, opened by 2 to 50 degrees."""
    length = float(generator.uniform(6, 11))
    plastic = bool(generator.random() < 0.65)
    half = _scissor_half(length, plastic, resolution)
    opening = float(generator.uniform(2, 25))
    body = Solid(2 * length + 24, 2 * length + 16, resolution)
    body.attach(half, Pose(0, 0, angle=opening))
    body.attach(half, Pose(0, 0, angle=-opening, flip=True))
    body.disc("steel", (0, 0), 0.42, 0.5)
    return body


def _scissor_half(length: float, plastic: bool, resolution: float) -> Solid:
    """The pivot is at the origin, the blade points right, the ring lies left and below."""
    half = Solid(2 * length + 22, 9, resolution)
    outline = [(-1.2, -0.7), (0, -0.75), (length, 0.25), (0.8 * length, 0.45), (0.5, 0.75), (-1.0, 0.6)]
    _wedge(half, outline, 0.3, -0.75, 0.9)
    shank = smooth([(-0.8, -0.5), (-3.5, 0.2), (-6.0, 0.7), (-6.0, 1.4), (-3.5, 1.1), (-0.8, 0.6)])
    half.slab("stainless", shank, 0.26)
    material, thickness = ("abs", 1.0) if plastic else ("stainless", 0.5)
    outer, inner = (ellipse((-7.4, 1.9), radii, 12) for radii in ((2.9, 1.9), (2.1, 1.15) if plastic else (2.4, 1.4)))
    half.pillow(material, outer, thickness, edge=0.35)
    hole = half.cover(inner)
    half.add(material, -hole * np.float32(thickness))
    if plastic:
        half.pillow("abs", [(x, y + 0.2) for x, y in shank[8:]], 0.8, edge=0.3)
    return half


def wrench(generator: np.random.Generator, resolution: float) -> Solid:
    """A combination, an open-end or an adjustable wrench, 13 to 24 cm long."""
    length = float(generator.uniform(13, 24))
    size = 0.055 * length + 0.5
    body = Solid(length + 4 * size, 5 * size, resolution)
    end = length / 2 - size
    shaft = smooth(
        [
            (-end, -0.45 * size),
            (0, -0.36 * size),
            (end, -0.5 * size),
            (end, 0.5 * size),
            (0, 0.36 * size),
            (-end, 0.45 * size),
        ]
    )
    body.pillow("steel", shaft, 0.34 * size, edge=0.15)
    groove = rectangle(-0.7 * end, -0.16 * size, 0.7 * end, 0.16 * size)
    body.add("steel", -body.cover(groove) * np.float32(0.12 * size))
    body.attach(_open_jaw(size, bool(generator.random() < 0.3), resolution), Pose(end + 0.3 * size, 0, angle=15))
    if generator.random() < 0.6:
        body.attach(_ring_jaw(0.85 * size, resolution), Pose(-end - 0.3 * size, 0))
    else:
        body.attach(_open_jaw(0.85 * size, False, resolution), Pose(-end - 0.3 * size, 0, angle=195))
    return body


def _open_jaw(size: float, adjustable: bool, resolution: float) -> Solid:
    jaw = Solid(4 * size, 4 * size, resolution)
    head = ellipse((0, 0), (1.3 * size, 1.25 * size))
    jaw.pillow("steel", head, 0.6 * size, edge=0.2)
    jaw.carve(rectangle(0.05 * size, -0.55 * size, 3 * size, 0.55 * size))
    jaw.carve(ellipse((0.1 * size, 0), (0.5 * size, 0.55 * size)))
    if adjustable:
        jaw.slab("steel", rectangle(0.2 * size, 0.2 * size, 1.2 * size, 0.9 * size), 0.5 * size)
        for step in range(6):
            jaw.slab(
                "steel",
                rectangle((-0.7 + 0.14 * step) * size, -0.2 * size, (-0.63 + 0.14 * step) * size, 0.6 * size),
                0.4 * size,
            )
    return jaw


def _ring_jaw(size: float, resolution: float) -> Solid:
    jaw = Solid(3 * size, 3 * size, resolution)
    jaw.pillow("steel", ellipse((0, 0), (1.15 * size, 1.15 * size)), 0.75 * size, edge=0.15)
    jaw.carve(arc((0, 0), 0.72 * size, 0, 360)[::2])
    return jaw
