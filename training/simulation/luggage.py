"""A packed bag on the belt: clutter and threats at random poses, their thicknesses added, scanned at two energies.

>>> scan = simulate_luggage(7, ("gun",))
>>> scan.class_names, scan.rgb.shape
(('gun',), (448, 640, 3))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from training.simulation import bags, blades, electronics, everyday, firearms, other_threats
from training.simulation.acquisition import DetectorArray, expose
from training.simulation.materials import LUGGAGE_BEAM
from training.simulation.rendering import SOFT, WARM, grey16, pseudo_colour
from training.simulation.solids import Point, Pose, Solid

Builder = Callable[[np.random.Generator, float], Solid]

#: Class name -> builder, in the order of the class ids that the examples use.
THREATS: MappingProxyType[str, Builder] = MappingProxyType(
    {
        "gun": firearms.handgun,
        "knife": blades.knife,
        "scissors": blades.scissors,
        "wrench": blades.wrench,
        "lighter": other_threats.lighter,
        "powerbank": other_threats.powerbank,
        "pressure_can": other_threats.pressure_can,
        "lighter_fluid": other_threats.lighter_fluid,
        "handcuffs": other_threats.handcuffs,
        "slingshot": other_threats.slingshot,
        "fireworks": other_threats.fireworks,
    }
)

#: Harmless contents and how often each is packed, relative to the others.
CLUTTER: tuple[tuple[Builder, float], ...] = (
    (electronics.laptop, 0.8),
    (electronics.telephone, 1.0),
    (electronics.charger, 1.2),
    (electronics.cable, 1.6),
    (electronics.headphones, 0.5),
    (everyday.bottle, 1.5),
    (everyday.shoe, 1.0),
    (everyday.drink_can, 0.4),
    (everyday.umbrella, 0.7),
    (everyday.keys, 1.0),
    (everyday.coins, 0.8),
    (everyday.book, 0.7),
    (everyday.glasses, 0.7),
    (everyday.toiletries, 0.9),
    (everyday.belt, 0.6),
    (everyday.fruit, 0.5),
    (everyday.pens, 0.8),
)

BAGS = (bags.suitcase, bags.rucksack, bags.tray)

#: What the tunnel shows, cm: the belt's travel across and the tunnel's width down.
FIELD_CM = (68.0, 47.6)
#: Points of the board along one side of a picture's pixel.
SUPERSAMPLE = 2


@dataclass(frozen=True)
class SimulatedScan:
    """One view with its ground truth.

    rgb: (H, W, 3) uint8 as displayed. grey16: (H, W) uint16, high-energy transmission, air bright. boxes_xyxy: (n, 4)
    float32, pixels, the extent of each threat's own projection. class_names: n names, one a box.
    """

    rgb: NDArray[np.uint8]
    grey16: NDArray[np.uint16]
    boxes_xyxy: NDArray[np.float32]
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class Packed:
    """One thing in its place. height: of its centre above the belt, cm. class_name: None for what is harmless."""

    solid: Solid
    pose: Pose
    height: float
    class_name: str | None = None


def simulate_luggage(seed: int, threats: tuple[str, ...], width: int = 640) -> SimulatedScan:
    """Simulates one scan of a bag that holds the given threats (none: a clean bag), `width` pixels across.

    The same arguments give the same scan. Raises KeyError for a threat that is not in THREATS.
    """
    return simulate_luggage_views(seed, threats, (0.0,), width)[0]


def simulate_luggage_views(
    seed: int, threats: tuple[str, ...], angles: tuple[float, ...], width: int = 640
) -> list[SimulatedScan]:
    """The same bag seen by several generators, each at an angle in degrees from the vertical, across the belt's travel.

    What lies higher is displaced further, and every ray crosses 1 / cos(angle) as much. Raises KeyError as above.
    """
    generator = np.random.default_rng([seed, len(threats)])
    resolution = width / FIELD_CM[0] * SUPERSAMPLE
    contents = _pack(generator, threats, resolution)
    return [_scan(contents, angle, resolution, generator) for angle in angles]


def _pack(generator: np.random.Generator, threats: tuple[str, ...], resolution: float) -> list[Packed]:
    bag = BAGS[int(generator.choice(len(BAGS), p=[0.45, 0.3, 0.25]))](generator, resolution)
    lie = Pose(float(generator.normal(0, 1.0)), float(generator.normal(0, 0.5)), float(generator.normal(0, 2.5)))
    garments = int(generator.integers(bag.clothes[0], bag.clothes[1] + 1))
    contents = [Packed(bag.solid, lie, 8.0)]
    contents += [_lay(everyday.garment(generator, resolution), bag.room, generator) for _ in range(garments)]
    contents += _clutter(bag.room, generator, resolution)
    for name in threats:
        solid = THREATS[name](generator, resolution)
        contents.append(_hide(solid, name, contents, bag.room, generator))
    return contents


def _clutter(room: Point, generator: np.random.Generator, resolution: float) -> list[Packed]:
    weights = np.array([weight for _, weight in CLUTTER])
    count = int(generator.integers(5, 10))
    chosen = generator.choice(len(CLUTTER), count, replace=False, p=weights / weights.sum())
    return [_lay(CLUTTER[index][0](generator, resolution), room, generator) for index in chosen.tolist()]


def _lay(solid: Solid, room: Point, generator: np.random.Generator) -> Packed:
    """Puts a thing at a random pose so that it stays within the room, as far as it fits at all."""
    solid = solid.trimmed()
    angle = float(generator.choice([0, 90, 180, 270]) + generator.normal(0, 25))
    size = np.array(solid.shape[::-1]) / solid.resolution
    cosine, sine = abs(np.cos(np.radians(angle))), abs(np.sin(np.radians(angle)))
    spread = np.array([size[0] * cosine + size[1] * sine, size[0] * sine + size[1] * cosine])
    free = np.maximum(np.array(room) - 0.9 * spread, 0) / 2
    x, y = generator.uniform(-free, free)
    tilt = float(min(abs(generator.normal(0, 18)), 50))
    return Packed(
        solid, Pose(float(x), float(y), angle, tilt, bool(generator.random() < 0.5)), float(generator.uniform(4, 16))
    )


def _hide(solid: Solid, name: str, contents: list[Packed], room: Point, generator: np.random.Generator) -> Packed:
    """The roomiest of three places: a threat seldom lies flat on top of the densest thing."""
    tries = [_lay(solid, room, generator) for _ in range(3)]
    taken = np.array([(packed.pose.x, packed.pose.y) for packed in contents[1:]])
    best = max(tries, key=lambda packed: float(np.hypot(*(taken - (packed.pose.x, packed.pose.y)).T).min()))
    return Packed(best.solid, best.pose, best.height, name)


def _scan(contents: list[Packed], angle: float, resolution: float, generator: np.random.Generator) -> SimulatedScan:
    scene = Solid(*FIELD_CM, resolution)
    boxes: list[NDArray[np.float32]] = []
    names: list[str] = []
    for packed in contents:
        pose = packed.pose
        shift = (packed.height - 8.0) * float(np.tan(np.radians(angle)))
        seen = Pose(pose.x, pose.y + shift, pose.angle, pose.tilt, pose.flip)
        box = scene.attach(packed.solid, seen)
        if packed.class_name is not None and box is not None:
            boxes.append(box / np.float32(SUPERSAMPLE))
            names.append(packed.class_name)
    for thickness in scene.maps.values():
        thickness /= np.float32(np.cos(np.radians(angle)))
    palette = WARM if generator.random() < 0.6 else SOFT
    transmission = expose(scene, LUGGAGE_BEAM, DetectorArray(), SUPERSAMPLE, generator)
    found = np.array(boxes, np.float32).reshape(-1, 4)
    return SimulatedScan(pseudo_colour(transmission, palette), grey16(transmission), found, tuple(names))
