"""Threats of the TEST family; the revolver and the dagger are those of luggage. See records.Family.

Every builder takes a generator and a resolution in pixels a cm, and gives a Solid.
"""

from __future__ import annotations

import numpy as np

from training.simulation.blades import straight_knife
from training.simulation.firearms import revolver
from training.simulation.other_threats import lighter
from training.simulation.outlines import blob, rectangle, rounded_rectangle, smooth
from training.simulation.solids import Pose, Solid


def handgun(generator: np.random.Generator, resolution: float) -> Solid:
    """A revolver, or a machine pistol with its straight magazine before the trigger."""
    return revolver(generator, resolution) if generator.random() < 0.6 else _machine_pistol(generator, resolution)


def _machine_pistol(generator: np.random.Generator, resolution: float) -> Solid:
    gun = Solid(36, 28, resolution)
    gun.shell("steel", rectangle(-13, -4.5, 10, -0.2), depth=3.6, wall=0.16, edge=0.3)
    gun.turned("steel", [(4, 0.75), (15, 0.7)], y=-2.4, wall=0.28)
    gun.slab("steel", rectangle(-8, -3.8, 3, -1.2), 2.4)
    gun.pillow("abs", [(-9.5, -0.2), (-5.8, -0.2), (-6.4, 7.6), (-10.2, 7.6)], 2.6, edge=0.7)
    gun.wire("steel", smooth([(-5.6, 0), (-5, 2.6), (-1.4, 2.6), (-1, 0)], closed=False), 0.35, thickness=1.4)
    length = float(generator.uniform(11, 19))
    gun.shell("steel", rectangle(0.2, -0.2, 3.4, length - 2), depth=2.2, wall=0.1, edge=0.1)
    for index in range(int(length) - 4):
        y = 0.8 + 1.02 * index
        gun.turned("brass", [(0.5, 0.48), (2.0, 0.48)], y=y, wall=0.06)
        gun.turned("lead", [(1.8, 0.42), (2.6, 0.3), (3.1, 0.05)], y=y)
    gun.wire("steel", [(-13, -3.6), (-14.6, -3.0), (-14.4, 0.8), (8.0, 0.8)], 0.6)
    return gun


def shotgun(generator: np.random.Generator, resolution: float) -> Solid:
    """A double-barrelled gun, whole or sawn off, or a pump-action gun."""
    gun = Solid(132, 34, resolution)
    double = bool(generator.random() < 0.5)
    barrel = float(generator.choice([34, 66, 71]) if double else generator.uniform(46, 66))
    for y in (-2.6, -2.2) if double else (-2.6,):
        gun.turned("steel", [(0, 1.35), (8, 1.2), (barrel, 1.1)], y=y, wall=0.2)
    if double:
        gun.pillow("steel", [(-10, -3.8), (1, -4.0), (1, 0.8), (-9, 2.0)], 4.2, edge=0.6)
        gun.pillow("wood", smooth([(1, -1.2), (24, -1.2), (22, 0.8), (3, 1.6)]), 4.0, edge=1.2)
    else:
        gun.shell("steel", rectangle(-18, -4.6, 2, 1.0), depth=3.6, wall=0.3, edge=0.6)
        gun.turned("steel", [(0, 1.25), (barrel - 8, 1.25)], y=0.3, wall=0.12)
        gun.shell("abs", rounded_rectangle(18, 4.6, 1.5, (18, 0.3)), depth=4.6, wall=0.8, edge=1.5)
        for index in range(int(generator.integers(2, 6))):
            gun.attach(_shell(resolution), Pose(5.0 + 6.9 * index, 0.3))
    for y in (2.4, 3.0):
        gun.wire(
            "steel", smooth([(-14, 0.8), (-13, y + 1.4), (-8, y + 1.4), (-7, 0.8)], closed=False), 0.4, thickness=0.9
        )
    back = -10.0 if double else -18.0
    stock = [
        (back, -3.6),
        (back - 10, -1.6),
        (back - 36, -1.4),
        (back - 37, 11.5),
        (back - 33, 11.6),
        (back - 12, 4.2),
        (back, 1.6),
    ]
    if double and barrel < 40:
        stock = [(back, -3.6), (back - 9, -1.0), (back - 16, 5.4), (back - 12, 8.0), (back - 5, 3.4), (back, 1.6)]
    gun.pillow("wood" if double else "abs", smooth(stock), 3.8, edge=1.3)
    return gun


def _shell(resolution: float) -> Solid:
    body = Solid(7, 2.4, resolution)
    body.turned("polyethylene", [(-3.2, 1.0), (3.2, 1.0)], wall=0.1)
    body.turned("brass", [(-3.3, 1.05), (-1.8, 1.0)], wall=0.12)
    body.turned("lead", [(0.2, 0.8), (2.8, 0.8)])
    return body


def blade(generator: np.random.Generator, resolution: float) -> Solid:
    """A dagger, or a machete of 45 to 60 cm."""
    return straight_knife(generator, resolution) if generator.random() < 0.5 else _machete(generator, resolution)


def _machete(generator: np.random.Generator, resolution: float) -> Solid:
    length, wide = float(generator.uniform(32, 46)), float(generator.uniform(4, 6.5))
    body = Solid(2 * length + 34, 2 * wide + 6, resolution)
    edge = [
        (0, -1.6),
        (0.6 * length, -1.9),
        (length, -1.2),
        (length + 1.5, 0.8),
        (0.9 * length, wide - 1.2),
        (0.5 * length, 0.7 * wide - 1),
        (0, 1.6),
    ]
    body.slab("steel", smooth(edge), float(generator.uniform(0.22, 0.34)))
    body.pillow(
        "wood", smooth([(0.5, -1.6), (-7, -1.3), (-13.5, -2.0), (-14, 1.8), (-7, 1.5), (0.5, 1.8)]), 2.4, edge=0.9
    )
    body.slab("steel", rectangle(-12.5, -1.1, 0.5, 1.1), 0.28)
    for x in (-3, -7, -11):
        body.disc("brass", (x, 0), 0.4, 2.4)
    return body


def rounds_in_a_case(generator: np.random.Generator, resolution: float) -> Solid:
    """A wooden case of 49 x 36 cm, 15 deep, with a tin liner and packets of rifle rounds, points alternating."""
    width, height = float(generator.uniform(44, 50)), float(generator.uniform(30, 37))
    case = Solid(width + 6, height + 4, resolution)
    case.slab("wood", rectangle(-width / 2, -height / 2, width / 2, height / 2), 3.0)
    for x in (-0.34, 0.34):
        case.slab("wood", rectangle(x * width - 3, -height / 2 - 1.2, x * width + 3, height / 2 + 1.2), 17)
    liner = rounded_rectangle(width - 5, height - 5, 1.0)
    case.shell("steel", liner, depth=14, wall=0.06, edge=0.4)
    columns, rows = int(generator.integers(5, 8)), int(generator.integers(4, 7))
    wide, tall = (width - 6) / columns, (height - 6) / rows
    for row in range(rows):
        for column in range(columns):
            _packet(case, (-width / 2 + 3 + (column + 0.5) * wide, -height / 2 + 3 + (row + 0.5) * tall), (wide, tall))
    return case


def _packet(case: Solid, centre: tuple[float, float], size: tuple[float, float]) -> None:
    """Twenty rounds, seen from the base: discs of brass with the lead behind; 15 cm of them."""
    wide, tall = size[0] - 0.5, size[1] - 0.5
    left, top = centre[0] - wide / 2, centre[1] - tall / 2
    case.slab("paper", rectangle(left, top, left + wide, top + tall), 0.6)
    pitch = 1.15
    for row in range(int(tall / pitch)):
        for column in range(int(wide / pitch)):
            at = (left + (column + 0.5) * pitch, top + (row + 0.5) * pitch)
            case.ring("brass", at, (0.42, 0.52), 3.6)
            case.disc("lead", at, 0.3, 2.0)
            case.disc("black_powder", at, 0.42, 4.0)


def cylinders(generator: np.random.Generator, resolution: float) -> Solid:
    """Stick grenades with wooden handles, or capped pipes, one to four side by side."""
    count, pipes = int(generator.integers(1, 5)), bool(generator.random() < 0.5)
    bundle = Solid(46, 7.5 * count + 3, resolution)
    one = _pipe(generator, resolution) if pipes else _stick(resolution)
    for index in range(count):
        flip = bool(not pipes and index % 2)
        y = 6.6 * (index - (count - 1) / 2)
        bundle.attach(one, Pose(float(generator.normal(0, 0.5)), y, angle=180.0 if flip else 0.0))
    return bundle


def _pipe(generator: np.random.Generator, resolution: float) -> Solid:
    half, radius = float(generator.uniform(9, 16)), float(generator.uniform(1.9, 2.9))
    pipe = Solid(2 * half + 6, 2 * radius + 2, resolution)
    pipe.turned("steel", [(-half, radius), (half, radius)], wall=0.36)
    pipe.turned("black_powder", [(-half + 0.6, radius - 0.4), (half - 0.6, radius - 0.4)])
    for side in (-1, 1):
        ends = sorted((side * (half - 2.2), side * (half + 0.7)))
        pipe.turned("steel", [(ends[0], radius + 0.5), (ends[1], radius + 0.5)], wall=0.5)
        cap = sorted((side * (half + 0.1), side * (half + 0.7)))
        pipe.turned("steel", [(cap[0], radius + 0.4), (cap[1], radius + 0.4)])
    return pipe


def _stick(resolution: float) -> Solid:
    stick = Solid(40, 8, resolution)
    stick.turned("steel", [(6, 3.0), (15.5, 3.0)], wall=0.25)
    for x in (6.0, 15.2):
        stick.turned("steel", [(x, 3.0), (x + 0.3, 3.0)])
    stick.turned("explosive", [(6.3, 2.7), (15.2, 2.7)])
    stick.turned("wood", [(-18, 1.5), (-14, 1.2), (6, 1.3)])
    stick.turned("steel", [(-18.8, 1.6), (-17.4, 1.6)], wall=0.15)
    stick.turned("steel", [(4.6, 1.6), (6.2, 1.9)])
    return stick


def package(generator: np.random.Generator, resolution: float) -> Solid:
    """Round bundles in tape, thrown into a cloth bag with two handles."""
    width, height = float(generator.uniform(46, 70)), float(generator.uniform(26, 38))
    bag = Solid(width + 8, height + 22, resolution)
    cloth = blob(generator, width, height, 0.7)
    bag.shell("polyester", cloth, depth=34, wall=0.12, edge=6)
    for _ in range(int(generator.integers(5, 12))):
        radius, deep = float(generator.uniform(4.5, 8.5)), float(generator.uniform(1.2, 2.4))
        x = float(generator.uniform(-width / 2 + 9, width / 2 - 9))
        y = float(generator.uniform(-height / 2 + 9, height / 2 - 8))
        bag.ball("pressed_powder", (x, y), (radius * float(generator.uniform(1, 1.3)), radius, radius * deep))
    for side in (-1, 1):
        handle = [(side * 12 - 5, -height / 2), (side * 12 - 4, -height / 2 - 8), (side * 12 + 5, -height / 2)]
        bag.wire("polyester", smooth(handle, closed=False), 2.4, thickness=0.5)
    bag.wire("brass", [(-width / 2 + 6, -height / 2 + 1), (width / 2 - 6, -height / 2 + 1)], 0.5)
    return bag


def lighters(generator: np.random.Generator, resolution: float) -> Solid:
    """Four to nine round tubs of loose lighters in a tray; three tubs behind one another."""
    columns, rows = int(generator.integers(2, 4)), int(generator.integers(2, 4))
    tray = Solid(15.0 * columns + 3, 16.0 * rows + 3, resolution)
    one = lighter(generator, resolution)
    for material, thickness in one.maps.items():
        one.maps[material] = thickness * np.float32(2.5)
    for row in range(rows):
        for column in range(columns):
            x, y = 14.6 * (column - (columns - 1) / 2), 15.6 * (row - (rows - 1) / 2)
            tray.shell("polyethylene", rounded_rectangle(13.6, 14.4, 1.5, (x, y)), depth=13, wall=0.15, edge=5)
            for _ in range(26):
                tray.attach(one, _thrown(generator, (x, y)))
    tray.slab("paper", rectangle(-7.4 * columns, -7.9 * rows, 7.4 * columns, 7.9 * rows), 0.8)
    return tray


def _thrown(generator: np.random.Generator, centre: tuple[float, float]) -> Pose:
    x, y = centre[0] + float(generator.uniform(-4, 4)), centre[1] + float(generator.uniform(-3.2, 4.4))
    return Pose(x, y, angle=float(generator.uniform(0, 360)), tilt=float(generator.uniform(0, 50)))


def battery(generator: np.random.Generator, resolution: float) -> Solid:
    """A pack of round lithium cells in an aluminium or plastic case, seen across the cells or onto their ends."""
    ends = bool(generator.random() < 0.5)
    columns, rows = int(generator.integers(8, 16)), int(generator.integers(3, 9))
    pitch = (2.0, 2.0) if ends else (6.9, 2.0)
    columns = columns if ends else max(2, columns // 3)
    width, height = pitch[0] * columns + 1.5, pitch[1] * rows + 1.5
    pack = Solid(width + 5, height + 2, resolution)
    deep = 2 if ends else int(generator.integers(4, 8))
    case = str(generator.choice(["aluminium", "abs"]))
    pack.shell(case, rounded_rectangle(width, height, 0.8), depth=deep * (7 if ends else 2) + 1.5, wall=0.2, edge=0.6)
    for row in range(rows):
        for column in range(columns):
            at = ((column - (columns - 1) / 2) * pitch[0], (row - (rows - 1) / 2) * pitch[1])
            _cell(pack, at, ends, deep)
    pack.slab("circuit_board", rectangle(width / 2 - 1.6, -height / 2 + 1, width / 2 - 0.4, height / 2 - 1), 6)
    pack.wire("copper", [(width / 2 - 1, 0), (width / 2 + 2, 0.5)], 0.7)
    return pack


def _cell(pack: Solid, at: tuple[float, float], ends: bool, deep: int) -> None:
    x, y = at
    if ends:
        pack.disc("lithium_cell", at, 0.86, 6.2 * deep)
        pack.ring("steel", at, (0.86, 0.91), 6.5 * deep)
        pack.disc("steel", at, 0.3, 0.25 * deep)
        return
    cell = Solid(7.0, 2.0, pack.resolution)
    cell.turned("lithium_cell", [(-3.1, 0.87), (3.0, 0.87)])
    cell.turned("steel", [(-3.3, 0.91), (3.25, 0.91)], wall=0.05)
    for material, thickness in cell.maps.items():
        cell.maps[material] = thickness * np.float32(deep)
    pack.attach(cell, Pose(x, y))
