"""Threats of the TRAIN family: the makes of each, and who chooses among them. See records.Family.

A pistol and two knives are those of luggage. Every builder takes a generator and a resolution in pixels a cm, and
gives a Solid.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import MappingProxyType

import numpy as np

from training.simulation.blades import folding_knife, kitchen_knife
from training.simulation.firearms import pistol
from training.simulation.freight import more_training_cases as cases
from training.simulation.freight import more_training_guns as guns
from training.simulation.freight import more_training_threats as more
from training.simulation.outlines import ellipse, rectangle, rounded_rectangle, smooth
from training.simulation.solids import Outline, Pose, Solid

Make = Callable[[np.random.Generator, float], Solid]


def rifle(generator: np.random.Generator, resolution: float) -> Solid:
    """A self-loading rifle of 84 to 96 cm with a curved magazine; wooden, plastic or folded stock."""
    gun = Solid(108, 40, resolution)
    muzzle = float(generator.uniform(40, 52))
    gun.turned("steel", [(-6, 1.1), (10, 0.95), (muzzle, 0.75)], y=-2.0, wall=0.4)
    gun.turned("steel", [(muzzle - 3, 1.1), (muzzle, 1.2)], y=-2.0, wall=0.7)
    gun.turned("steel", [(-2, 0.9), (24, 0.8)], y=-4.6, wall=0.2)
    gun.shell("steel", rectangle(-26, -5.2, -2, 0.6), depth=3.4, wall=0.15, edge=0.8)
    gun.slab("steel", rectangle(-22, -4.2, -6, -2.2), 2.0)
    gun.wire("steel", [(-25 + 0.4 * i, -3.6 + 0.45 * (-1) ** i) for i in range(20)], 0.16)
    gun.slab("steel", [(22, -6.6), (24, -7.8), (25, -2), (22, -2)], 0.6)
    gun.slab("steel", [(muzzle - 6, -2), (muzzle - 5, -7), (muzzle - 4, -7), (muzzle - 3.6, -2)], 0.6)
    stock = str(generator.choice(["wood", "abs", "folded"]))
    furniture = "wood" if stock == "wood" else "abs"
    gun.shell(furniture, rounded_rectangle(20, 5.4, 1.4, (9, -2.6)), depth=4.6, wall=1.2, edge=1.2)
    gun.pillow(furniture, smooth([(-20, 0.6), (-15.5, 0.6), (-18, 9), (-22.5, 9.5), (-21, 4)]), 2.8, edge=0.9)
    gun.wire("steel", smooth([(-16, 0.8), (-14, 4), (-9.6, 4.2), (-8.6, 0.8)], closed=False), 0.3, thickness=1.6)
    _stock(gun, stock)
    _curved_magazine(gun, int(generator.integers(12, 28)))
    return gun


def _stock(gun: Solid, stock: str) -> None:
    if stock == "folded":
        gun.wire("steel", [(-26, -3), (-22, 1.6), (0, 2.2), (1, 7), (-4, 8)], 1.0, thickness=1.4)
        return
    outline = [(-26, -4.4), (-50, -5.0), (-51, 8.6), (-48.6, 8.8), (-34, 1.4), (-26, 0.4)]
    gun.pillow(stock, outline, 3.8, edge=1.2)
    gun.slab("steel", rectangle(-51.4, -5, -50.8, 8.6), 3.4)
    gun.disc("steel", (-36, -1.6), 0.6, 3.8)


def _curved_magazine(gun: Solid, rounds: int) -> None:
    """Rounds along an arc of 20 cm below the receiver, each 0.95 cm further, in two columns."""
    for step in range(30):
        angle = np.radians(3.1 * step)
        x, y = -2 - 34 + 34 * np.cos(angle * 0.36) - 4.6, 0.6 + 34 * np.sin(angle * 0.36)
        turn = np.degrees(angle * 0.36)
        case = Solid(7, 1.4, gun.resolution)
        case.slab("steel", rectangle(-3.2, -0.48, 3.2, 0.48), 0.3)
        if step < rounds:
            case.turned("brass", [(-2.6, 0.55), (0.9, 0.5), (1.2, 0.4)], wall=0.08)
            case.turned("lead", [(1.0, 0.36), (2.0, 0.32), (2.8, 0.05)])
            case.turned("black_powder", [(-2.2, 0.44), (0.8, 0.4)])
        gun.attach(case, Pose(float(x), float(y), angle=float(-turn)))


def rounds_in_a_can(generator: np.random.Generator, resolution: float) -> Solid:
    """A steel can of 28 x 18 cm, 15 deep, with belted rifle rounds laid to and fro."""
    width, height = float(generator.uniform(26, 31)), float(generator.uniform(16, 20))
    can = Solid(width + 4, height + 8, resolution)
    body = rectangle(-width / 2, -height / 2, width / 2, height / 2)
    can.shell("steel", body, depth=15, wall=0.11, edge=0.3)
    can.slab("steel", rectangle(-width / 2 - 0.4, -height / 2 - 0.2, width / 2 + 0.4, -height / 2 + 2.2), 0.5)
    can.wire(
        "steel", smooth([(-6, -height / 2), (-5, -height / 2 - 3), (5, -height / 2 - 3), (6, -height / 2)], False), 0.6
    )
    can.slab("steel", rectangle(width / 2, -height / 2 + 1, width / 2 + 1, -height / 2 + 6), 3)
    layers = int(generator.integers(2, 4))
    tall = (height - 2) / layers
    for layer in range(layers):
        _belt(can, (-width / 2 + 0.6, width / 2 - 0.6), -height / 2 + 2.2 + layer * tall, min(tall, 7.1))
    return can


def _belt(can: Solid, span: tuple[float, float], top: float, length: float) -> None:
    """Rounds side by side, points up: brass below, the bullet above, links around; two belts behind one another."""
    along = (can.x - span[0]) % 1.24 / 1.24
    chord = np.sqrt(np.maximum(1 - (2 * along - 1) ** 2, 0)) * ((can.x > span[0]) & (can.x < span[1]))
    below = (can.y - top) / length
    case = ((below > 0.32) & (below < 0.98)).astype(np.float32)
    bullet = ((below > 0.02) & (below <= 0.32)) * np.clip(3.5 * below, 0, 1)
    can.add("brass", (2 * 0.42 * chord * case).astype(np.float32))
    can.add("lead", (2 * 0.62 * chord * bullet).astype(np.float32))
    can.add("black_powder", (2 * 0.85 * chord * case).astype(np.float32))
    can.add("steel", (0.25 * chord * ((below > 0.45) & (below < 0.75))).astype(np.float32))


def egg_grenades(generator: np.random.Generator, resolution: float) -> Solid:
    """One to six egg-shaped grenades with fuse, lever and ring, packed side by side."""
    columns, rows = int(generator.integers(1, 4)), int(generator.integers(1, 3))
    case = Solid(8.5 * columns + 4, 13.0 * rows + 4, resolution)
    one = _egg(resolution)
    for row in range(rows):
        for column in range(columns):
            x, y = 8.0 * (column - (columns - 1) / 2), 12.6 * (row - (rows - 1) / 2)
            case.attach(one, Pose(x, y, angle=float(generator.normal(0, 8))))
    return case


def _egg(resolution: float) -> Solid:
    body = Solid(9, 13, resolution)
    body.ball("steel", (0, 1.6), (3.1, 4.0, 3.1))
    body.add("steel", -_inside(body))
    body.ball("explosive", (0, 1.6), (2.55, 3.4, 2.55))
    body.slab("steel", rectangle(-1.0, -4.6, 1.0, -2.0), 1.8)
    body.slab("aluminium", rectangle(-0.5, -3.0, 0.5, 1.6), 0.9)
    body.wire("steel", smooth([(-0.8, -4.6), (2.2, -4.4), (3.2, -1), (3.5, 3.0)], closed=False), 0.9, thickness=0.4)
    ring = ellipse((-2.4, -4.2), (1.3, 1.3))
    body.wire("steel", [*ring, ring[0]], 0.25)
    return body


def _inside(body: Solid) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    squared = (body.x / 2.6) ** 2 + ((body.y - 1.6) / 3.45) ** 2
    return np.asarray(2 * 2.6 * np.sqrt(np.maximum(1 - squared, 0)), np.float32)


def bricks_in_a_stack(generator: np.random.Generator, resolution: float) -> Solid:
    """Pressed bricks of a kilogram in a stack, up to three deep, each in tape."""
    columns, rows, deep = (int(generator.integers(low, high)) for low, high in ((1, 4), (2, 6), (1, 4)))
    width, height = float(generator.uniform(18, 22)), float(generator.uniform(4.5, 7))
    stack = Solid(width * columns + 3, height * rows + 3, resolution)
    for row in range(rows):
        for column in range(columns):
            if row == 0 and columns > 1 and generator.random() < 0.2:
                continue
            centre = ((column - (columns - 1) / 2) * width, (row - (rows - 1) / 2) * height)
            brick: Outline = rounded_rectangle(width - 0.5, height - 0.4, 0.7, centre)
            stack.pillow("pressed_powder", brick, 12.5 * deep, edge=0.8)
            stack.wire("polyethylene", [*brick, brick[0]], 0.25, thickness=12.0 * deep)
    return stack


def display_trays(generator: np.random.Generator, resolution: float) -> Solid:
    """A carton of display trays: lighters upright in rows, 1,000 or so."""
    layers, across = int(generator.integers(3, 6)), int(generator.integers(16, 26))
    width, height, deep = 2.5 * across * 0.5 + 2, 9.0 * layers + 1.5, 16
    carton = Solid(width + 1, height + 1, resolution)
    carton.slab("paper", rectangle(-width / 2, -height / 2, width / 2, height / 2), 0.35 * layers)
    inside = (np.abs(carton.x) < width / 2 - 0.6).astype(np.float32)
    along = ((carton.x + width / 2) % 1.25) / 1.25
    chord = np.sqrt(np.maximum(1 - (2 * along - 1) ** 2, 0)) * inside
    for layer in range(layers):
        below = (carton.y + height / 2 - 1 - 9.0 * layer) / 8.1
        tank, gas = (below > 0.22) & (below < 1.0), (below > 0.42) & (below < 0.97)
        carton.add("abs", (0.5 * deep * chord * tank * 0.7).astype(np.float32))
        carton.add("butane", (0.9 * deep * chord * gas).astype(np.float32))
        carton.add("steel", (0.12 * deep * chord * ((below > 0.02) & (below < 0.2))).astype(np.float32))
        carton.add(
            "brass",
            (0.05 * deep * inside * (np.abs(along - 0.5) < 0.18) * ((below > 0.15) & (below < 0.4))).astype(np.float32),
        )
        carton.add("paper", (2.0 * inside * ((below > 1.0) & (below < 1.08))).astype(np.float32))
    return carton


def starter_battery(generator: np.random.Generator, resolution: float) -> Solid:
    """A lead-acid starter battery: six cells of plates, straps, two posts; 17 to 19 cm deep."""
    width = float(generator.uniform(21, 35))
    box = Solid(width + 3, 24, resolution)
    box.shell("polyethylene", rectangle(-width / 2, -9.5, width / 2, 9.5), depth=17.5, wall=0.4, edge=0.5)
    cell = (width - 1) / 6
    for index in range(6):
        left = -width / 2 + 0.5 + index * cell
        box.slab("polyethylene", rectangle(left - 0.12, -8.5, left + 0.12, 9.0), 16)
        box.slab("water", rectangle(left + 0.2, -5.5, left + cell - 0.2, 8.6), 8.0)
        box.slab("lead", rectangle(left + 0.35, -4.6, left + cell - 0.35, 8.2), 2.6)
        strap = left + (0.25 if index % 2 else 0.75) * cell
        box.slab("lead", rectangle(strap - 0.8, -6.4, strap + 0.8, -4.6), 5.0)
    for side in (-1, 1):
        x = side * (width / 2 - 2.4)
        box.slab("lead", rectangle(x - 0.9, -11.2, x + 0.9, -6.0), 1.6)
    box.slab("polyethylene", rectangle(-width / 2, -9.6, width / 2, -7.8), 9)
    return box


#: Threat -> what it is made as, and how often in a hundred draws.
MAKES: MappingProxyType[str, dict[Make, int]] = MappingProxyType(
    {
        "handgun": {pistol: 20, guns.self_loader: 45, guns.stripped_pistol: 20, guns.pistols_in_a_heap: 15},
        "long_gun": {
            rifle: 20, guns.bolt_action_rifle: 20, guns.rifle_with_a_straight_magazine: 22,
            guns.carbine_with_a_drum: 14, guns.taken_apart_rifle: 14, guns.rifles_in_parallel: 10,
        },
        "knife": {
            kitchen_knife: 18, folding_knife: 12, more.cleaver: 16, more.wooden_handled_knife: 28, more.box_cutter: 10,
            more.fanned_knives: 16,
        },
        "ammunition": {
            rounds_in_a_can: 20, more.loose_rounds: 22, more.cartons_of_rounds: 24, more.shotgun_shells: 18,
            more.belt_in_coils: 16,
        },
        "grenade": {egg_grenades: 30, more.balls_and_canisters: 42, more.mortar_bombs: 28},
        "package": {
            bricks_in_a_stack: 20, cases.taped_lumps: 24, cases.flat_slabs: 18, cases.tumbled_bricks: 22,
            cases.big_block: 16,
        },
        "lighters": {
            display_trays: 25, cases.leaning_lighters: 30, cases.sachets_of_lighters: 25, cases.gas_refills: 20,
        },
        "battery": {
            starter_battery: 20, cases.flat_cells: 25, cases.lead_blocks: 25, cases.twin_blocks: 15,
            cases.power_tool_packs: 15,
        },
    }
)  # fmt: skip


def chooser(threat: str) -> Make:
    """Builds one of the makes of a threat, each as often as MAKES says."""
    return partial(_one_of, threat)


def _one_of(threat: str, generator: np.random.Generator, resolution: float) -> Solid:
    makes = MAKES[threat]
    shares = np.array(list(makes.values()), float)
    return list(makes)[int(generator.choice(len(makes), p=shares / shares.sum()))](generator, resolution)
