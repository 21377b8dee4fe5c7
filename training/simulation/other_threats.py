"""The smaller prohibited items: lighters, power banks, pressure cans, lighter fluid, handcuffs, slingshots, fireworks.

Every builder takes a generator and a resolution in pixels a cm, and gives a Solid.
"""

from __future__ import annotations

import numpy as np

from training.simulation.outlines import arc, ellipse, rectangle, rounded_rectangle, smooth
from training.simulation.solids import Pose, Solid


def lighter(generator: np.random.Generator, resolution: float) -> Solid:
    """A disposable gas lighter: thin plastic tank, steel hood, flint wheel, brass valve."""
    body = Solid(10, 4, resolution)
    tank = rounded_rectangle(6.2, 2.2, 0.5, (-0.8, 0))
    body.shell("abs", tank, depth=1.2, wall=0.14, edge=0.5)
    level = float(generator.uniform(-1.5, 1.8))
    body.pillow("butane", rounded_rectangle(level + 3.6, 1.8, 0.4, (level / 2 - 2.0, 0)), 0.8, edge=0.4)
    body.shell("steel", rectangle(2.4, -1.05, 3.9, 0.5), depth=1.1, wall=0.05, edge=0.1)
    body.ring("steel", (3.2, 0.5), (0.15, 0.45), 0.55)
    body.slab("steel", rectangle(1.4, 0.25, 2.8, 0.6), 0.35)
    body.turned("brass", [(0.9, 0.16), (2.3, 0.16), (2.4, 0.28), (3.0, 0.28)], y=-0.45)
    body.wire("abs", [(-3.6, -0.4), (1.0, -0.45)], 0.15)
    return body


def powerbank(generator: np.random.Generator, resolution: float) -> Solid:
    """Cylindrical or pouch cells in a plastic or aluminium case, with a charging board and sockets."""
    cells = int(generator.integers(2, 5))
    width, height = 10.5, (2.1 * cells + 0.8)
    body = Solid(width + 1, height + 1, resolution)
    case = str(generator.choice(["abs", "aluminium"]))
    body.shell(case, rounded_rectangle(width, height, 0.9), depth=2.4, wall=0.15, edge=0.6)
    if generator.random() < 0.6:
        for index in range(cells):
            body.attach(_round_cell(resolution), Pose(-1.4, (index - (cells - 1) / 2) * 2.0))
    else:
        body.pillow("lithium_cell", rounded_rectangle(7.0, height - 1.0, 0.2, (-1.4, 0)), 0.9, edge=0.15)
    _charging_board(body, generator, width / 2, height)
    return body


def _round_cell(resolution: float) -> Solid:
    cell = Solid(7.4, 2.2, resolution)
    cell.turned("steel", [(-3.3, 0.91), (3.25, 0.91)], wall=0.025)
    cell.turned("lithium_cell", [(-3.1, 0.87), (3.0, 0.87)])
    cell.turned("steel", [(3.2, 0.9), (3.3, 0.9), (3.3, 0.3), (3.45, 0.3)])
    cell.slab("steel", rectangle(-3.45, -0.4, -3.25, 0.4), 0.4)
    return cell


def _charging_board(body: Solid, generator: np.random.Generator, right: float, height: float) -> None:
    body.slab("circuit_board", rectangle(right - 2.8, 0.6 - height / 2, right - 0.3, height / 2 - 0.6), 0.16)
    body.slab("copper", rectangle(right - 2.6, -0.5, right - 1.9, 0.3), 0.25)
    for y in np.linspace(-0.28, 0.28, 2) * height:
        body.shell("steel", rectangle(right - 1.5, float(y) - 0.6, right - 0.1, float(y) + 0.6), 0.6, 0.04, 0.05)
    for _ in range(8):
        x, y = generator.uniform(right - 2.6, right - 0.6), generator.uniform(-0.4, 0.4) * height
        body.slab("solder", rectangle(x, y, x + 0.22, y + 0.16), 0.05)


def pressure_can(generator: np.random.Generator, resolution: float) -> Solid:
    """An aerosol can: thin steel or aluminium, part filled, with valve, dip tube and cap."""
    length, radius = float(generator.uniform(11, 19)), float(generator.uniform(1.8, 2.8))
    body = Solid(length + 7, 2 * radius + 2, resolution)
    left, right = -length / 2, length / 2
    shell = [
        (left, 0.93 * radius),
        (left + 0.3, radius),
        (right - 1.4, radius),
        (right - 0.5, 0.75 * radius),
        (right, 0.45 * radius),
    ]
    metal, wall = ("steel", 0.03) if generator.random() < 0.5 else ("aluminium", 0.06)
    body.turned(metal, shell, wall=wall)
    fill = float(generator.uniform(0.35, 0.7))
    liquid = Solid(length + 7, 2 * radius + 2, resolution)
    liquid.turned("water", [(left + 0.2, 0.9 * radius), (right - 1.4, 0.97 * radius), (right - 0.8, 0.7 * radius)])
    body.add("water", liquid.maps["water"] * np.float32(fill))
    # The inward dome of the bottom, and the rims where three layers of sheet are rolled together.
    body.wire(metal, arc((left - 1.2 * radius, 0), 1.75 * radius, -32, 32), 0.1, thickness=0.9 * radius)
    for x, ratio in ((left + 0.1, 0.95), (right - 1.3, 1.0), (right - 0.1, 0.5)):
        body.slab("steel", rectangle(x - 0.1, -ratio * radius, x + 0.1, ratio * radius), 0.22)
    body.turned("steel", [(right - 0.5, 0.3), (right + 0.4, 0.3)], wall=0.1)
    body.wire("polyethylene", smooth([(right, 0.1), (0, 0.3), (left + 0.8, -0.6 * radius)], closed=False), 0.3)
    body.turned(
        "polyethylene", [(right - 0.2, 0.9 * radius), (right + 2.4, 0.85 * radius), (right + 2.6, 0.6)], wall=0.12
    )
    return body


def lighter_fluid(generator: np.random.Generator, resolution: float) -> Solid:
    """A flat tin of naphtha with a plastic spout."""
    length, width = float(generator.uniform(9, 12)), float(generator.uniform(4.6, 6))
    body = Solid(length + 5, width + 2, resolution)
    tin = rounded_rectangle(length, width, 0.5)
    body.shell("steel", tin, depth=2.6, wall=0.045, edge=0.5)
    body.pillow("naphtha", rounded_rectangle(0.8 * length, width - 0.3, 0.5, (-0.08 * length, 0)), 2.2, edge=0.5)
    for x in (-length / 2 + 0.1, length / 2 - 0.1):
        body.slab("steel", rectangle(x - 0.1, -width / 2, x + 0.1, width / 2), 0.16)
    body.turned("polyethylene", [(length / 2, 0.9), (length / 2 + 0.8, 0.8), (length / 2 + 1.6, 0.35)])
    body.turned("steel", [(length / 2 + 0.1, 0.4), (length / 2 + 0.5, 0.4)])
    return body


def handcuffs(generator: np.random.Generator, resolution: float) -> Solid:
    """Two ratcheted cuffs joined by a short chain."""
    body = Solid(22, 18, resolution)
    cuff = _cuff(resolution)
    angle = float(generator.uniform(-25, 25))
    body.attach(cuff, Pose(-5.0, float(generator.uniform(-1.5, 1.5)), angle=180 + angle))
    body.attach(cuff, Pose(5.0, float(generator.uniform(-1.5, 1.5)), angle=-angle))
    for index in range(4):
        radii = (0.65, 0.45) if index % 2 else (0.65, 0.2)
        link = ellipse(((index - 1.5) * 0.9, float(generator.normal(0, 0.15))), radii)
        body.wire("steel", [*link, link[0]], 0.3)
    return body


def _cuff(resolution: float) -> Solid:
    """The chain's eye is to the left."""
    cuff = Solid(11, 11, resolution)
    cuff.wire("stainless", arc((0, 0), 3.3, 95, 265), 1.0, thickness=0.75)
    cuff.wire("stainless", arc((0, 0), 3.4, -100, 100), 0.75, thickness=0.35)
    cuff.pillow("stainless", smooth([(-1.8, 2.2), (1.6, 2.4), (2.0, 4.2), (-0.5, 4.9), (-2.4, 4.2)]), 1.0, edge=0.15)
    cuff.disc("stainless", (-0.3, -3.6), 0.55, 1.1)
    for angle in np.radians(np.arange(-60, 80, 7.0)).tolist():
        cuff.disc("stainless", (3.75 * np.cos(angle), 3.75 * np.sin(angle)), 0.18, 0.35)
    cuff.disc("stainless", (-3.9, 0), 0.6, 0.7)
    return cuff


def slingshot(generator: np.random.Generator, resolution: float) -> Solid:
    """A forked steel frame with a grip, rubber bands and a leather pouch."""
    body = Solid(16, 26, resolution)
    spread = float(generator.uniform(3.0, 4.2))
    fork = [(-spread, -6), (-spread, -3.5), (-1.3, 0), (-0.7, 3), (-0.7, 8.5), (0.7, 8.5), (0.7, 3), (1.3, 0)]
    path = smooth([*fork, (spread, -3.5), (spread, -6)], closed=False)
    body.wire("steel", path, float(generator.uniform(0.7, 1.0)))
    body.pillow("abs", rounded_rectangle(2.6, 6.5, 0.9, (0, 6)), 2.2, edge=0.8)
    for side in (-1, 1):
        body.disc("steel", (side * spread, -6), 0.7, 1.0)
        band = smooth([(side * spread, -6), (side * 1.8, -8.2), (side * 2.2, -9.5), (side * 0.8, -10.5)], closed=False)
        body.wire("rubber", band, 0.6)
    body.slab("leather", rounded_rectangle(2.6, 1.4, 0.4, (0, -10.6)), 0.3)
    return body


def fireworks(generator: np.random.Generator, resolution: float) -> Solid:
    """A string of firecrackers, or a few paper tubes with their charges."""
    return _string(generator, resolution) if generator.random() < 0.5 else _tubes(generator, resolution)


def _string(generator: np.random.Generator, resolution: float) -> Solid:
    pairs = int(generator.integers(9, 16))
    body = Solid(1.1 * pairs + 8, 10, resolution)
    cracker = _tube(3.2, 0.42, 0.7, resolution)
    for index in range(pairs):
        x = (index - pairs / 2) * 1.0
        for side in (-1, 1):
            body.attach(cracker, Pose(x, side * 1.75, angle=side * 68 + float(generator.normal(0, 6))))
    body.wire("paper", [(-pairs / 2 - 3, 0), (pairs / 2, 0)], 0.25)
    return body


def _tubes(generator: np.random.Generator, resolution: float) -> Solid:
    count, length = int(generator.integers(2, 5)), float(generator.uniform(9, 16))
    body = Solid(length + 4, 2.6 * count + 3, resolution)
    for index in range(count):
        tube = _tube(length, 1.1, float(generator.uniform(0.2, 0.45)), resolution)
        body.attach(tube, Pose(float(generator.normal(0, 0.3)), (index - (count - 1) / 2) * 2.25))
    return body


def _tube(length: float, radius: float, filled: float, resolution: float) -> Solid:
    """Rolled paper with a charge over a share of its length, a clay plug and a fuse."""
    tube = Solid(length + 3, 2 * radius + 0.6, resolution)
    left = -length / 2
    tube.turned("paper", [(left, radius), (-left, radius)], wall=0.28 * radius)
    tube.turned("black_powder", [(left + 0.1 * length, 0.7 * radius), (left + (0.1 + filled) * length, 0.7 * radius)])
    tube.turned("glass", [(left, 0.6 * radius), (left + 0.05 * length, 0.6 * radius)])
    tube.wire("paper", [(-left - 0.5, 0), (-left + 1.2, 0.2)], 0.2)
    return tube
