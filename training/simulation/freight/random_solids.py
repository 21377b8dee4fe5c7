"""Solids of no particular name, drawn at random: what honest freight is made of when nobody says what it is.

Balls, rings, bodies of revolution, plates, housings, wires, springs and the like, of any material and of 3 to 90 cm:
a network that has met them everywhere cannot take every round or long or dense thing for a threat. For TRAIN alone.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from training.simulation.outlines import blob, coil, ellipse, rounded_rectangle, smooth
from training.simulation.solids import Outline, Point, Pose, Solid

#: Draws onto a solid, about its origin, a thing of a material that is `size` cm from end to end.
Shape = Callable[[Solid, np.random.Generator, str, float], None]

METALS = MappingProxyType(
    {"steel": 0.5, "aluminium": 0.2, "stainless": 0.08, "copper": 0.08, "brass": 0.05, "zinc_alloy": 0.05, "lead": 0.02,
     "solder": 0.02}
)  # fmt: skip
OTHERS = MappingProxyType(
    {"polyethylene": 0.12, "abs": 0.12, "pvc": 0.07, "polycarbonate": 0.05, "polyester": 0.05, "rubber": 0.1,
     "wood": 0.1, "glass": 0.06, "ceramic": 0.08, "food": 0.07, "water": 0.07, "paper": 0.06, "cotton": 0.04,
     "leather": 0.03, "circuit_board": 0.04, "cement": 0.03, "grain": 0.02, "naphtha": 0.02, "lithium_cell": 0.02}
)  # fmt: skip
#: Castings and blocks of metal are no thicker along the beam than this, cm.
THICKEST_METAL = 14.0
#: Points a cm of a solid for each of the board: its edges must survive being turned.
FINER = 1.5


def draw_material(style: np.random.Generator, metal: float) -> str:
    """A material; metal: how often it is a metal."""
    shares = METALS if style.random() < metal else OTHERS
    weights = np.array(list(shares.values()))
    return str(style.choice(list(shares), p=weights / weights.sum()))


def draw_size(style: np.random.Generator, least: float = 4.0, most: float = 80.0) -> float:
    """Cm from end to end, as many of 5 to 10 as of 30 to 60."""
    return float(np.exp(style.uniform(np.log(least), np.log(most))))


def draw_solid(style: np.random.Generator, material: str, size: float, resolution: float) -> Solid:
    """One thing of a random shape, on the smallest board that holds it. resolution: points a cm."""
    solid = Solid(1.2 * size + 2, 1.2 * size + 2, resolution)
    shape = SHAPES[str(style.choice(list(SHAPES)))]
    shape(solid, style, material, size)
    return solid.trimmed()


def draw_assembly(style: np.random.Generator, materials: list[str], size: float, resolution: float) -> Solid:
    """Two to six things that overlap, the first the largest: a part with its fittings."""
    solid = Solid(1.5 * size + 2, 1.5 * size + 2, resolution)
    for number in range(int(style.integers(2, 7))):
        share = 0.85 if number == 0 else float(style.uniform(0.15, 0.6))
        reach = 0.0 if number == 0 else 0.4 * size
        part = draw_solid(style, str(style.choice(materials)), share * size, resolution)
        x, y = style.uniform(-reach, reach, 2).tolist()
        solid.attach(part, Pose(x, y, angle=float(style.choice([0.0, 90.0, style.uniform(0, 360)]))))
    return solid.trimmed()


def size_of(solid: Solid) -> Point:
    """Width and height in cm."""
    rows, columns = solid.shape
    return columns / solid.resolution, rows / solid.resolution


def depth_of(style: np.random.Generator, material: str, size: float) -> float:
    """Cm along the beam of a massive thing `size` cm long."""
    if material in METALS:
        return float(np.clip(style.uniform(0.05, 0.4) * size, 0.3, THICKEST_METAL))
    return float(style.uniform(0.3, 1.0)) * size


def _wall(style: np.random.Generator, material: str, size: float) -> float:
    thick = (0.008, 0.05) if material in METALS else (0.02, 0.12)
    return max(float(style.uniform(*thick)) * size, 0.08)


def _ball(solid: Solid, style: np.random.Generator, material: str, size: float) -> None:
    radius, squashed = size / 2, size / 2 * float(style.uniform(0.55, 1.0))
    if style.random() < 0.4:
        wall = _wall(style, material, size)
        solid.shell(material, ellipse((0, 0), (radius, squashed)), 2 * squashed, wall, edge=squashed)
    else:
        solid.ball(material, (0, 0), (radius, squashed, depth_of(style, material, size) / 2))


def _ring(solid: Solid, style: np.random.Generator, material: str, size: float) -> None:
    depth, hole = depth_of(style, material, size), float(style.choice([-1.0, style.uniform(0.1, 0.9)]))
    solid.ring(material, (0, 0), (hole * size / 2, size / 2), depth)
    for _ in range(int(style.integers(3))):
        outer = float(style.uniform(0.2, 1.0))
        solid.ring(material, (0, 0), (outer * float(style.uniform(0.5, 0.9)) * size / 2, outer * size / 2), 0.7 * depth)


def _turned(solid: Solid, style: np.random.Generator, material: str, size: float) -> None:
    count = int(style.integers(2, 8))
    stations = np.sort(style.uniform(-0.5, 0.5, count)) * size
    stations[0], stations[-1] = -size / 2, size / 2
    slender = float(style.uniform(0.08, 0.5)) * size
    radii = slender * style.uniform(0.35, 1.0, count)
    # Steps, not cones: every other station repeats the radius of the one before.
    if style.random() < 0.5:
        stations, radii = np.repeat(stations, 2), np.repeat(radii, 2)
        stations[1:] += np.where(np.arange(1, 2 * count) % 2 == 0, -0.01, 0.0)
        radii[1:-1] = np.repeat(radii[::2], 2)[: 2 * count - 2]
        stations = np.maximum.accumulate(stations)
    hollow = material in METALS or style.random() < 0.6
    wall = _wall(style, material, size) if hollow else None
    solid.turned(material, list(zip(stations.tolist(), radii.tolist(), strict=True)), wall=wall)


def _tube(solid: Solid, style: np.random.Generator, material: str, size: float) -> None:
    radius = float(style.uniform(0.04, 0.3)) * size
    solid.turned(material, [(-size / 2, radius), (size / 2, radius)], wall=max(0.2 * radius, 0.1))
    for end in (-size / 2, size / 2) if style.random() < 0.5 else ():
        flange = min(1.5 * radius, 0.5 * size)
        solid.turned(material, [(end - 0.02 * size, flange), (end + 0.02 * size, flange)])


def _cone(solid: Solid, style: np.random.Generator, material: str, size: float) -> None:
    wide, narrow = float(style.uniform(0.15, 0.5)) * size, float(style.uniform(0.0, 0.15)) * size
    wall = _wall(style, material, size) if material in METALS or style.random() < 0.5 else None
    solid.turned(material, [(-size / 2, wide), (size / 2, narrow)], wall=wall)


def _slab(solid: Solid, style: np.random.Generator, material: str, size: float) -> None:
    height, depth = float(style.uniform(0.08, 1.0)) * size, depth_of(style, material, size)
    solid.slab(material, rounded_rectangle(size, height, float(style.uniform(0, 0.2)) * height), depth)
    for _ in range(int(style.integers(3))):
        middle = float(style.uniform(-0.3, 0.3)) * size, float(style.uniform(-0.3, 0.3)) * height
        solid.slab(material, rounded_rectangle(0.3 * size, 0.3 * height, 0.1, middle), 0.5 * depth)


def _pillow(solid: Solid, style: np.random.Generator, material: str, size: float) -> None:
    height = float(style.uniform(0.3, 1.0)) * size
    outline = blob(style, 0.9 * size, 0.9 * height, 0.02 * size)
    solid.pillow(material, outline, depth_of(style, material, size), edge=float(style.uniform(0.1, 0.5)) * height)


def _housing(solid: Solid, style: np.random.Generator, material: str, size: float) -> None:
    """A hollow box with something in it."""
    height = float(style.uniform(0.35, 1.0)) * size
    outline = rounded_rectangle(size, height, float(style.uniform(0.02, 0.4)) * height)
    solid.shell(material, outline, float(style.uniform(0.3, 0.9)) * size, _wall(style, material, size), 0.06 * size)
    for _ in range(int(style.integers(5))):
        inner = draw_material(style, 0.5)
        middle = float(style.uniform(-0.3, 0.3)) * size, float(style.uniform(-0.3, 0.3)) * height
        reach = float(style.uniform(0.05, 0.2)) * size
        core = ellipse(middle, (reach, 0.7 * reach)) if style.random() < 0.5 else _box(middle, reach)
        solid.pillow(inner, core, depth_of(style, inner, reach), edge=0.2 * reach)


def _box(middle: Point, reach: float) -> Outline:
    return rounded_rectangle(2 * reach, 1.4 * reach, 0.1 * reach, middle)


def _lump(solid: Solid, style: np.random.Generator, material: str, size: float) -> None:
    """A smooth irregular casting."""
    count = int(style.integers(5, 12))
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    radii = size / 2 * style.uniform(0.35, 0.95, count)
    outline = smooth(list(zip((radii * np.cos(angles)).tolist(), (radii * np.sin(angles)).tolist(), strict=True)))
    solid.pillow(material, outline, depth_of(style, material, size), edge=float(style.uniform(0.03, 0.3)) * size)


def _wire(solid: Solid, style: np.random.Generator, material: str, size: float) -> None:
    """A bent bar, or a cable wound up."""
    diameter = float(style.uniform(0.015, 0.09)) * size
    if style.random() < 0.5:
        solid.wire(
            material, coil(style, 0.8 * size, float(style.uniform(2, 5)), float(style.uniform(0, 0.5))), diameter
        )
        return
    points = [(float(x), float(y)) for x, y in style.uniform(-0.45, 0.45, (int(style.integers(2, 6)), 2)) * size]
    solid.wire(material, smooth(points, closed=False) if style.random() < 0.6 else points, diameter, 2 * diameter)


def _grid(solid: Solid, style: np.random.Generator, material: str, size: float) -> None:
    """A ladder, a grating or a row of fins."""
    height, diameter = float(style.uniform(0.15, 0.9)) * size, float(style.uniform(0.012, 0.05)) * size
    for x in np.linspace(-size / 2, size / 2, int(style.integers(2, 12))).tolist():
        solid.wire(material, [(x, -height / 2), (x, height / 2)], diameter, 3 * diameter)
    for y in np.linspace(-height / 2, height / 2, int(style.integers(2, 7))).tolist():
        solid.wire(material, [(-size / 2, y), (size / 2, y)], diameter, 3 * diameter)


def _spring(solid: Solid, style: np.random.Generator, material: str, size: float) -> None:
    turns, radius = int(style.integers(4, 12)), float(style.uniform(0.06, 0.25)) * size
    x = np.linspace(-size / 2, size / 2, 12 * turns)
    path = list(zip(x.tolist(), (radius * np.sin(2 * np.pi * turns * x / size)).tolist(), strict=True))
    solid.wire(material, path, 0.3 * size / turns)


def _perforated(solid: Solid, style: np.random.Generator, material: str, size: float) -> None:
    height = float(style.uniform(0.3, 1.0)) * size
    solid.slab(material, rounded_rectangle(size, height, 0.05 * size), 0.6 * depth_of(style, material, size))
    across, down = int(style.integers(1, 7)), int(style.integers(1, 5))
    radius = float(style.uniform(0.2, 0.42)) * min(size / across, height / down)
    for column in range(across):
        for row in range(down):
            middle = ((column + 0.5) / across - 0.5) * size, ((row + 0.5) / down - 0.5) * height
            solid.carve(ellipse(middle, (radius, radius)))


def _profile(solid: Solid, style: np.random.Generator, material: str, size: float) -> None:
    """An H, a U, a T or an L, seen end on."""
    height, web = float(style.uniform(0.4, 1.0)) * size, float(style.uniform(0.05, 0.2)) * size
    depth = float(style.uniform(0.5, 2)) * depth_of(style, material, size)
    flanges = [(-1.0, 1.0), (-1.0,), (1.0,)][int(style.integers(3))]
    for side in flanges:
        solid.slab(material, rounded_rectangle(size, web, 0.1, (0, side * (height - web) / 2)), depth)
    middle = float(style.choice([0.0, -0.5, 0.5])) * (size - web)
    solid.slab(material, rounded_rectangle(web, height, 0.1, (middle, 0)), depth)


def _wheel(solid: Solid, style: np.random.Generator, material: str, size: float) -> None:
    """A toothed or spoked wheel."""
    count, root = int(style.integers(3, 24)), float(style.uniform(0.7, 0.95))
    angles = np.linspace(0, 2 * np.pi, 4 * count, endpoint=False)
    radii = size / 2 * np.where(np.arange(4 * count) % 4 < 2, 1.0, root)
    outline = list(zip((radii * np.cos(angles)).tolist(), (radii * np.sin(angles)).tolist(), strict=True))
    solid.slab(material, outline, 0.7 * depth_of(style, material, size))
    for turn in (np.arange(5) * 2 * np.pi / 5).tolist() if style.random() < 0.5 else ():
        reach = 0.28 * size
        solid.carve(ellipse((reach * np.cos(turn), reach * np.sin(turn)), (0.1 * size, 0.1 * size)))
    solid.ring(material, (0, 0), (0.04 * size, 0.12 * size), depth_of(style, material, size))


SHAPES: MappingProxyType[str, Shape] = MappingProxyType(
    {
        "ball": _ball, "ring": _ring, "turned": _turned, "tube": _tube, "cone": _cone, "slab": _slab,
        "pillow": _pillow, "housing": _housing, "lump": _lump, "wire": _wire, "grid": _grid, "spring": _spring,
        "perforated": _perforated, "profile": _profile, "wheel": _wheel,
    }
)  # fmt: skip
