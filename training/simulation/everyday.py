"""What else lies in a bag: clothes, bottles, shoes, cans, umbrellas, keys, coins, books, toiletries.

Every builder takes a generator and a resolution in pixels a cm, and gives a Solid.
"""

from __future__ import annotations

import numpy as np

from training.simulation.outlines import arc, blob, ellipse, rectangle, rounded_rectangle, smooth
from training.simulation.solids import Pose, Solid
from training.simulation.textures import clouds, creases


def garment(generator: np.random.Generator, resolution: float) -> Solid:
    """A folded piece of clothing: a few layers with wavy borders, creased, thicker along the folds."""
    width, height = generator.uniform(20, 36), generator.uniform(15, 27)
    body = Solid(float(width) + 4, float(height) + 4, resolution)
    cell = 5 * resolution
    unevenness = 1 + 0.45 * clouds(generator, body.shape, cell)
    wrinkles = creases(generator, body.shape, 0.7 * cell, 9) + creases(generator, body.shape, 0.3 * cell, 7)
    material = "cotton" if generator.random() < 0.75 else "polyester"
    # Thickness in cm of the material as packed; polyester is given as solid fibre.
    thickness = float(generator.uniform(0.7, 1.9)) * (1.0 if material == "cotton" else 0.12)
    for _ in range(int(generator.integers(2, 5))):
        extent = (width * generator.uniform(0.6, 1.0), height * generator.uniform(0.6, 1.0))
        offset = (
            (width - extent[0]) * generator.uniform(-0.5, 0.5),
            (height - extent[1]) * generator.uniform(-0.5, 0.5),
        )
        outline = blob(generator, float(extent[0]), float(extent[1]), 0.3, (float(offset[0]), float(offset[1])))
        cover = body.cover(outline)
        body.add(material, (cover * unevenness * thickness).astype(np.float32))
        body.wire(material, [*outline, outline[0]], 0.5, thickness=0.9 * thickness)
    present = body.maps[material]
    body.maps[material] = present * (0.85 + 0.5 * wrinkles)
    return body


def bottle(generator: np.random.Generator, resolution: float) -> Solid:
    """A plastic or glass bottle with a liquid in it: chord lengths of a body of revolution."""
    length, radius = float(generator.uniform(15, 23)), float(generator.uniform(2.5, 3.6))
    body = Solid(length + 4, 2 * radius + 2, resolution)
    left, neck = -length / 2, length / 2
    waist = 0.9 if generator.random() < 0.5 else 1.0
    profile = [
        (left, 0.85 * radius), (left + 0.6, radius), (left + 0.4 * length, waist * radius),
        (left + 0.62 * length, radius),
        (left + 0.78 * length, 0.75 * radius), (left + 0.88 * length, 1.3), (neck - 0.5, 1.2), (neck, 1.2),
    ]  # fmt: skip
    glass = generator.random() < 0.25
    wall = 0.3 if glass else 0.05
    body.turned("glass" if glass else "polyester", profile, wall=wall)
    inner = [(x, max(r - wall, 0.1)) for x, r in profile[: int(generator.integers(5, 8))]]
    body.turned("water", inner)
    body.turned("polyethylene", [(neck - 1.4, 1.5), (neck + 0.4, 1.5)], wall=0.2)
    body.slab("polyethylene", rectangle(neck + 0.2, -1.4, neck + 0.4, 1.4), 1.5)
    return body


def shoe(generator: np.random.Generator, resolution: float) -> Solid:
    """Profiled rubber sole with a steel shank, leather or fabric upper, eyelets."""
    body = Solid(33, 13, resolution)
    outline = smooth(
        [
            (-14, -2.6),
            (-10, -3.4),
            (-3, -2.6),
            (5, -4.2),
            (11, -3.8),
            (14, -0.8),
            (12, 2.6),
            (5, 3.9),
            (-4, 2.5),
            (-10, 3.2),
            (-13.8, 2.2),
        ]
    )
    body.pillow("rubber", outline, float(generator.uniform(0.9, 1.5)), edge=0.4)
    for x in np.arange(-13, 14, 1.1).tolist():
        groove = body.cover(rectangle(x, -3.0, x + 0.35, 3.0))
        body.add("rubber", -0.4 * groove * body.cover([(0.9 * px, 0.85 * py) for px, py in outline]))
    body.pillow("rubber", rectangle(-13.5, -2.6, -7.5, 2.4), float(generator.uniform(0.3, 1.5)), edge=0.5)
    body.shell("leather", outline, depth=6.0, wall=0.25, edge=2.5)
    if generator.random() < 0.6:
        body.slab("steel", rounded_rectangle(9, 1.2, 0.4, (-4, 0)), 0.12)
    for x in (0.5, 2.0, 3.5, 5.0):
        for y in (-1.1, 1.1):
            body.ring("brass", (x, y), (0.12, 0.3), 0.12)
    return body


def drink_can(generator: np.random.Generator, resolution: float) -> Solid:
    """A full aluminium can lying down."""
    body = Solid(14, 8, resolution)
    body.turned("aluminium", [(-5.8, 2.5), (-5.2, 3.3), (5.0, 3.3), (5.8, 2.7)], wall=0.02)
    body.turned("water", [(-5.6, 2.5), (-5.1, 3.25), (4.2, 3.25), (4.4, 3.2)])
    for x, radius in ((-5.7, 2.5), (5.7, 2.7)):
        body.slab("aluminium", rectangle(x - 0.12, -radius, x + 0.12, radius), 0.4)
    body.ring("aluminium", (5.0, float(generator.uniform(-1, 1))), (0.4, 0.8), 0.1)
    return body


def umbrella(generator: np.random.Generator, resolution: float) -> Solid:
    """A folded umbrella: telescopic steel shaft, a bundle of ribs, wound fabric, handle."""
    body = Solid(38, 8, resolution)
    body.turned("steel", [(-14, 0.45), (0, 0.45), (0.1, 0.36), (14, 0.36)], wall=0.07)
    for _ in range(8):
        y = generator.uniform(-1.5, 1.5, 4)
        path = smooth([(-12, float(y[0])), (-4, float(y[1])), (4, float(y[2])), (13, float(y[3]))], closed=False)
        body.wire("steel", path, 0.22, thickness=0.14)
    body.turned("polyester", [(-13, 1.2), (-6, 2.0), (8, 1.9), (13.5, 1.3)], wall=0.12)
    body.turned("abs", [(-18, 1.2), (-17, 1.5), (-14.5, 1.3), (-13.5, 1.6)], wall=0.3)
    body.turned("steel", [(12, 0.9), (13, 0.9), (14.4, 0.5)], wall=0.25)
    return body


def keys(generator: np.random.Generator, resolution: float) -> Solid:
    """Two to five keys and a fob on a split ring."""
    body = Solid(18, 18, resolution)
    for angle in generator.uniform(0, 300, int(generator.integers(2, 6))).tolist():
        body.attach(
            _key(generator, resolution),
            Pose(3.5 * np.cos(np.radians(angle)), -3.5 * np.sin(np.radians(angle)), angle=angle, scale=0.8),
        )
    ring = arc((0, 0), 1.4, 0, 360)
    body.wire("steel", ring, 0.3)
    body.pillow("abs", rounded_rectangle(5.5, 3.2, 1.2, (0, 4.2)), 1.1, edge=0.4)
    body.slab("circuit_board", rectangle(-1.8, 3.2, 1.8, 5.2), 0.12)
    body.disc("steel", (0.6, 4.2), 1.0, 0.28)
    return body


def _key(generator: np.random.Generator, resolution: float) -> Solid:
    key = Solid(8, 4, resolution)
    key.slab("brass", ellipse((-2.4, 0), (1.3, 1.2)), 0.22)
    key.carve(ellipse((-3.1, 0), (0.3, 0.35)))
    key.slab("brass", rectangle(-1.2, -0.4, 3.2, 0.4), 0.22)
    for x in np.arange(-0.6, 3.0, 0.45).tolist():
        depth = float(generator.uniform(0.05, 0.35))
        key.carve([(x, 0.45), (x + 0.2, 0.4 - depth), (x + 0.4, 0.45)])
    key.add("brass", -np.float32(0.08) * key.cover(rectangle(-1.2, -0.12, 3.2, 0.06)))
    return key


def coins(generator: np.random.Generator, resolution: float) -> Solid:
    """A handful of change, partly overlapping."""
    body = Solid(12, 12, resolution)
    for _ in range(int(generator.integers(4, 11))):
        centre = (float(generator.normal(0, 2.2)), float(generator.normal(0, 2.2)))
        body.disc(
            str(generator.choice(["brass", "copper", "stainless"])), centre, float(generator.uniform(0.8, 1.3)), 0.19
        )
    return body


def book(generator: np.random.Generator, resolution: float) -> Solid:
    """A block of paper between boards."""
    width, height = float(generator.uniform(17, 23)), float(generator.uniform(12, 16))
    body = Solid(width + 1, height + 1, resolution)
    body.slab(
        "paper",
        rectangle(-width / 2 + 0.3, -height / 2 + 0.3, width / 2 - 0.4, height / 2 - 0.3),
        float(generator.uniform(1, 3)),
    )
    body.slab("paper", rectangle(-width / 2, -height / 2, width / 2, height / 2), 0.5)
    return body


def glasses(generator: np.random.Generator, resolution: float) -> Solid:
    """Spectacles in a hard case."""
    body = Solid(18, 8, resolution)
    body.shell("abs", rounded_rectangle(16, 6, 2.5), depth=4.0, wall=0.15, edge=1.8)
    for x in (-3.2, 3.2):
        rim = ellipse((x, 0), (2.6, 1.9))
        body.slab("polycarbonate", rim, 0.25)
        body.wire("steel", [*rim, rim[0]], 0.18, thickness=0.2)
        body.wire("steel", [(x * 2.0, -0.5), (-x * 1.6, 1.2)], 0.16, thickness=0.2)
    body.wire("steel", [(-7.0, -2.4), (7.0, -2.4 + float(generator.normal(0, 0.1)))], 0.3, thickness=0.12)
    return body


def toiletries(generator: np.random.Generator, resolution: float) -> Solid:
    """A bag of tubes and small bottles."""
    body = Solid(26, 18, resolution)
    body.shell(
        "polyester",
        smooth([(-11, -6), (0, -7), (11, -6), (12, 0), (11, 6), (0, 7), (-11, 6), (-12, 0)]),
        6.0,
        0.05,
        3.0,
    )
    for _ in range(int(generator.integers(3, 6))):
        part = Solid(16, 6, resolution)
        length, radius = float(generator.uniform(5, 12)), float(generator.uniform(1.0, 2.2))
        part.turned("polyethylene", [(-length / 2, 0.4 * radius), (0, radius), (length / 2, radius)], wall=0.1)
        part.turned("water", [(-length / 2 + 0.3, 0.3 * radius), (0, 0.9 * radius), (length / 2 - 0.8, 0.9 * radius)])
        part.turned("abs", [(length / 2, 0.8 * radius), (length / 2 + 1.5, 0.8 * radius)], wall=0.2)
        x, y = float(generator.uniform(-5, 5)), float(generator.uniform(-3.5, 3.5))
        body.attach(part, Pose(x, y, angle=float(generator.uniform(-60, 60))))
    zip_x = np.arange(-11, 11, 0.3).tolist()
    body.wire("zinc_alloy", [(x, -6.2 + 0.12 * (-1) ** i) for i, x in enumerate(zip_x)], 0.2, thickness=0.1)
    return body


def belt(generator: np.random.Generator, resolution: float) -> Solid:
    """A rolled leather belt on edge with a steel buckle."""
    body = Solid(16, 16, resolution)
    angle = np.linspace(0, float(generator.uniform(4, 7)) * np.pi, 70)
    radius = 2.0 + 0.22 * angle
    body.wire(
        "leather",
        list(zip((radius * np.cos(angle)).tolist(), (radius * np.sin(angle)).tolist(), strict=True)),
        0.4,
        3.2,
    )
    x = float(radius[-1] * np.cos(angle[-1]))
    y = float(radius[-1] * np.sin(angle[-1]))
    frame = rounded_rectangle(3.0, 4.0, 0.6, (x, y))
    body.wire("steel", [*frame, frame[0]], 0.45)
    body.wire("steel", [(x - 1.5, y), (x + 1.6, y)], 0.35)
    return body


def fruit(generator: np.random.Generator, resolution: float) -> Solid:
    """A few apples or oranges: ellipsoids mostly of water."""
    body = Solid(24, 18, resolution)
    for _ in range(int(generator.integers(2, 6))):
        radius = float(generator.uniform(2.6, 3.8))
        centre = (float(generator.uniform(-7, 7)), float(generator.uniform(-4, 4)))
        body.ball("food", centre, (radius, 0.93 * radius, radius))
        body.ball("wood", centre, (0.7, 0.9, 0.6))
    return body


def pens(generator: np.random.Generator, resolution: float) -> Solid:
    """Two to four ball-point pens: thin plastic tubes, brass tips, steel springs and clips."""
    body = Solid(18, 8, resolution)
    for _ in range(int(generator.integers(2, 5))):
        pen = Solid(16, 1.6, resolution)
        pen.turned("abs", [(-6.5, 0.45), (5.5, 0.45), (6.8, 0.15)], wall=0.12)
        pen.turned("brass", [(5.8, 0.15), (7.0, 0.08)])
        turns = np.arange(3.8, 5.6, 0.14).tolist()
        pen.wire("steel", [(x, 0.22 * (-1) ** i) for i, x in enumerate(turns)], 0.08)
        pen.wire("steel", [(-6.4, -0.5), (-3.0, -0.5)], 0.2, thickness=0.15)
        body.attach(
            pen,
            Pose(
                float(generator.normal(0, 0.8)), float(generator.uniform(-2, 2)), angle=float(generator.normal(0, 14))
            ),
        )
    return body
