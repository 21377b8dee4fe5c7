"""Loads of the TEST family. Each draws one unit at the left and on the floor of its space; see records.Family."""

from __future__ import annotations

import numpy as np

from training.simulation.freight.board import Area
from training.simulation.freight.goods import Goods, carton_walls, thickness
from training.simulation.freight.goods_for_testing import draw_testing_goods
from training.simulation.freight.shells import funnel
from training.simulation.freight.unit import Unit, pallet_deck
from training.simulation.outlines import blob, ellipse, rounded_rectangle, smooth
from training.simulation.textures import clouds, creases, value_noise


def cartons(unit: Unit) -> Area | None:
    """A wall of cartons in brick bond, two and a half wide, with a broken top row."""
    style, chance = unit.style, unit.chance
    width, height = float(style.uniform(30, 64)), float(style.uniform(16, 52))
    goods = draw_testing_goods(style, unit.depth)
    other = draw_testing_goods(style, unit.depth) if style.random() < 0.35 else goods
    filled = min(float(style.uniform(0.7, 1.05)) * float(chance.uniform(0.85, 1.0)), 1.0)
    rows = max(1, int(filled * unit.space.height / height))
    area = unit.corner(2.5 * width, rows * height)
    width = area.width / 2.5
    for row in range(rows):
        bottom = area.bottom - row * height
        left = area.left + (row % 2) * 0.5 * width + float(chance.normal(0, 0.5))
        while left + width <= area.right + 1:
            last = row == rows - 1
            if not (last and chance.random() < 0.3):
                _carton(unit, Area(left, bottom - height, left + width, bottom), other if last else goods)
            left += width
        half = area.left if row % 2 else area.right - 0.48 * width
        _carton(unit, Area(half, bottom - height, half + 0.48 * width, bottom), goods)
    return area


def _carton(unit: Unit, area: Area, goods: Goods) -> None:
    carton_walls(unit.board, area, unit.depth / 60)
    goods.fill(unit.board, area.inset(1.0), unit.chance)


def drums(unit: Unit) -> Area | None:
    """Fibre kegs in tiers with boards between them, or a caged plastic tank on its pallet."""
    return _kegs(unit) if unit.style.random() < 0.5 else _caged_tank(unit)


def _kegs(unit: Unit) -> Area | None:
    radius, tall = float(unit.style.uniform(17, 24)), float(unit.style.uniform(42, 66))
    tiers = max(1, min(4, int(unit.style.uniform(0.5, 1) * unit.space.height / (tall + 2))))
    full = float(unit.style.uniform(0.5, 0.95))
    area = unit.rigid(4 * radius + 2, tiers * (tall + 2))
    if area is None:
        return None
    for tier in range(tiers):
        foot = area.bottom - tier * (tall + 2)
        unit.board.slab("wood", Area(area.left, foot - 2, area.right, foot).outline, 120 * unit.share)
        for x in (area.left + radius, area.left + 3 * radius):
            for _ in range(max(1, round(4 * unit.share))):
                middle = x + float(unit.chance.normal(0, 1.0))
                unit.board.upright("paper", middle, (foot - tall, foot - 2), radius, wall=0.5)
                unit.board.upright("grain", middle, (foot - 2 - full * (tall - 4), foot - 2), radius - 0.5)
                unit.board.upright("steel", middle, (foot - tall, foot - tall + 2.5), radius + 0.3, wall=0.1)
    return area


def _caged_tank(unit: Unit) -> Area | None:
    """1 m3: a plastic bottle in a grid of tubes, on a steel pallet, two across the vehicle."""
    area = unit.rigid(118, 114)
    if area is None:
        return None
    board, tank = unit.board, Area(area.left + 2, area.top, area.right - 2, area.bottom - 15)
    content = str(unit.style.choice(["water", "naphtha"]))
    level = tank.top + float(unit.style.uniform(0.06, 0.8)) * tank.height
    board.shell("polyethylene", rounded_rectangle(tank.width, tank.height, 9, tank.centre), 200 * unit.share, 0.3, 8)
    fill = Area(tank.left + 0.5, level, tank.right - 0.5, tank.bottom - 0.5)
    board.pillow(content, rounded_rectangle(fill.width, fill.height, 6, fill.centre), 185 * unit.share, edge=7)
    for x in np.linspace(tank.left, tank.right - 1.8, 9).tolist():
        board.upright("steel", x + 0.9, (tank.top, tank.bottom), 0.9, wall=0.12)
    for y in np.linspace(tank.top, tank.bottom - 2, 6).tolist():
        board.slab("steel", Area(tank.left, y, tank.right, y + 1.8).outline, 0.5)
    board.slab("steel", Area(area.left, tank.bottom, area.right, tank.bottom + 2).outline, 14)
    for x in (area.left, area.centre[0] - 6, area.right - 12):
        board.slab("steel", Area(x, tank.bottom, x + 12, area.bottom).outline, 1.8)
    board.upright("polyethylene", tank.centre[0], (tank.top - 4, tank.top), 8, wall=1.5)
    return area


def sacks(unit: Unit) -> Area | None:
    """A big bag of a tonne that sags on its pallet, its four loops slack."""
    deck = pallet_deck(unit, 104)
    material = str(unit.style.choice(["cement", "grain", "pellets"]))
    tall = min(float(unit.style.uniform(80, 135)), deck.height - 12)
    centre = (deck.centre[0], deck.bottom - tall / 2)
    outline = blob(unit.chance, deck.width - 4, tall, 1.6, centre)
    deep = thickness(material, float(unit.style.uniform(60, 170)) * unit.share)
    unit.board.pillow(material, outline, deep, edge=26)
    unit.board.wire("polyester", [*outline, outline[0]], 1.0, thickness=30)
    for side in (-1, 1):
        loop = [(centre[0] + side * 40, deck.bottom - tall + 4), (centre[0] + side * 34, deck.bottom - tall - 9)]
        unit.board.wire("polyester", [*loop, (centre[0] + side * 22, deck.bottom - tall + 3)], 3, thickness=2)
    return Area(deck.left, deck.bottom - tall, deck.right, unit.space.bottom)


def machinery(unit: Unit) -> Area | None:
    """A pump set on a frame: volute with flanges, coupling, finned motor, pipes that go up and over."""
    size = float(unit.style.uniform(0.7, 1.3))
    area = unit.rigid(210 * size, 150 * size)
    if area is None:
        return None
    board, bottom = unit.board, area.bottom
    for y in (bottom - 16, bottom - 2):
        board.slab("steel", Area(area.left, y, area.right, y + 2).outline, 26)
    board.slab("steel", Area(area.left, bottom - 16, area.right, bottom).outline, 1.8)
    axis = bottom - 62 * size
    volute = (area.left + 48 * size, axis)
    board.ring("steel", volute, (17 * size, 40 * size), 22)
    board.ring("steel", volute, (34 * size, 41 * size), 20)
    board.disc("steel", volute, 18 * size, 10)
    for index in range(5):
        angle = 1.257 * index
        tip = (volute[0] + 30 * size * np.cos(angle), axis + 30 * size * np.sin(angle))
        board.wire(
            "steel", smooth([volute, (volute[0] + 18, axis + 6), (float(tip[0]), float(tip[1]))], closed=False), 4, 9
        )
    pipe = float(unit.style.uniform(8, 14)) * size
    top = area.top + 24 * size
    _pipe(unit, [(volute[0] + 28 * size, axis), (volute[0] + 28 * size, top)], pipe)
    _pipe(unit, [(volute[0] + 28 * size, top), (area.right - 30 * size, top)], pipe)
    motor = (area.left + 104 * size, area.right - 22 * size)
    board.turned("steel", [(motor[0], 26 * size), (motor[1], 26 * size)], y=axis, wall=3.0)
    board.turned("copper", [(motor[0] + 8, 22 * size), (motor[1] - 12, 22 * size)], y=axis, wall=6)
    board.turned("steel", [(volute[0], 4 * size), (motor[1] - 6, 4 * size)], y=axis)
    board.turned("steel", [(motor[0] - 15 * size, 13 * size), (motor[0] - 5 * size, 13 * size)], y=axis)
    for y in np.linspace(-24, 24, 11).tolist():
        board.slab("steel", Area(motor[0], axis + y * size - 0.6, motor[1], axis + y * size + 0.6).outline, 4)
    board.shell("aluminium", rounded_rectangle(26, 16, 2, (sum(motor) / 2, axis - 33 * size)), 30, 0.5, 2)
    for foot in (*motor, volute[0]):
        board.slab("steel", Area(foot - 5, axis + 20 * size, foot + 5, bottom - 16).outline, 6)
    return area


def _pipe(unit: Unit, path: list[tuple[float, float]], radius: float) -> None:
    """A flanged pipe along an axis of the picture."""
    (x1, y1), (x2, y2) = path
    if x1 == x2:
        unit.board.upright("steel", x1, (min(y1, y2), max(y1, y2)), radius, wall=0.7)
        for y in (y1, y2):
            unit.board.upright("steel", x1, (y - 2, y + 2), 1.6 * radius)
        return
    unit.board.turned("steel", [(x1, radius), (x2, radius)], y=y1, wall=0.7)
    for x in (x1, x2):
        unit.board.turned("steel", [(x - 2, 1.6 * radius), (x + 2, 1.6 * radius)], y=y1)


def engines(unit: Unit) -> Area | None:
    """A mesh bin of used V engines and gearboxes, thrown in at all angles."""
    area = unit.rigid(122, 104)
    if area is None:
        return None
    board = unit.board
    for x in np.linspace(area.left, area.right - 1, 14).tolist():
        board.slab("steel", Area(x, area.top, x + 0.8, area.bottom).outline, 1.4)
    for y in np.linspace(area.top, area.bottom - 6, 9).tolist():
        board.slab("steel", Area(area.left, y, area.right, y + 0.8).outline, 1.4)
    board.slab("steel", Area(area.left, area.bottom - 5, area.right, area.bottom).outline, 9)
    for _ in range(int(unit.chance.integers(2, 5))):
        x = float(unit.chance.uniform(area.left + 38, area.right - 38))
        y = float(unit.chance.uniform(area.top + 36, area.bottom - 36))
        if unit.chance.random() < 0.6:
            _v_block(unit, (x, y))
        else:
            profile = [(x - 34, 21), (x - 20, 22), (x - 14, 13), (x + 16, 10), (x + 18, 5), (x + 34, 4)]
            board.turned("aluminium", profile, y=y, wall=1.2)
            board.turned("steel", [(x - 28, 12), (x - 10, 12), (x + 14, 6)], y=y)
    return area


def _v_block(unit: Unit, centre: tuple[float, float]) -> None:
    x, y = centre
    turn = float(unit.chance.uniform(0, 2 * np.pi))
    cosine, sine = np.cos(turn), np.sin(turn)

    def at(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(float(x + px * cosine - py * sine), float(y + px * sine + py * cosine)) for px, py in points]

    unit.board.pillow(
        "steel",
        at([(-11, 24), (-28, 0), (-32, -16), (-19, -26), (0, -9), (19, -26), (32, -16), (28, 0), (11, 24)]),
        8,
        edge=5,
    )
    for side in (-1, 1):
        unit.board.pillow(
            "aluminium", at([(side * 36, -16), (side * 22, -29), (side * 27, -34), (side * 41, -22)]), 14, 3
        )
        for step in (0.25, 0.6):
            bore = at([(side * (14 + 14 * step), -10 - 8 * step)])[0]
            unit.board.ring("steel", bore, (4.2, 5.4), 5)
    unit.board.ring("steel", at([(0, 12)])[0], (3, 11), 6)


def tyres(unit: Unit) -> Area | None:
    """Tyres lying in stacks, seen edge on: a pile of rounded bars, thinner towards the middle of the stack."""
    radius, wide = float(unit.style.choice([30.0, 33.0, 38.0])), float(unit.style.uniform(17, 25))
    count = max(2, int(unit.style.uniform(0.6, 1) * unit.space.height / wide))
    area = unit.rigid(2 * radius + 2, count * wide)
    if area is None:
        return None
    deep = max(1, round(unit.depth / (2 * radius)))
    for index in range(count):
        bottom = area.bottom - index * wide
        for _ in range(deep):
            x = area.centre[0] + float(unit.chance.normal(0, 1.3))
            unit.board.upright("rubber", x, (bottom - wide + 0.5, bottom - 0.5), radius, wall=1.5)
            for y in (bottom - wide + 0.5, bottom - 1.7):
                unit.board.upright("rubber", x, (y, y + 1.2), 0.97 * radius, wall=0.36 * radius)
                unit.board.upright("steel", x, (y, y + 1.2), 0.63 * radius, wall=0.5)
            unit.board.upright("steel", x, (bottom - wide + 3, bottom - 3), 0.975 * radius, wall=0.15)
    return area


def scrap(unit: Unit) -> Area | None:
    """Pressed bales with their seams, or a heap of turnings."""
    if unit.style.random() < 0.35:
        return _turnings(unit)
    side, weight = float(unit.style.uniform(45, 80)), float(unit.style.uniform(5, 13))
    rows = max(1, int(float(unit.style.uniform(0.3, 0.8)) * unit.space.height / side))
    area = unit.corner(side, rows * side)
    for row in range(rows):
        bale = Area(area.left, area.bottom - (row + 1) * side, area.right, area.bottom - row * side).inset(1)
        patch = unit.board.patch(bale)
        folds = creases(unit.chance, patch.shape, 5 * unit.board.resolution, 5.0)
        folds += creases(unit.chance, patch.shape, 8 * unit.board.resolution, 9.0)
        crumple = np.exp(0.5 * clouds(unit.chance, patch.shape, 12 * unit.board.resolution))
        amount = patch.inside * crumple * (0.5 + 0.7 * folds) * np.float32(weight * unit.chance.uniform(0.7, 1.2))
        unit.board.add("steel", amount.astype(np.float32), patch.where)
    return area


def _turnings(unit: Unit) -> Area:
    area = unit.corner(unit.space.width, float(unit.style.uniform(0.3, 0.7)) * unit.space.height)
    patch = unit.board.patch(area)
    top = 0.3 * area.height * (1 + value_noise(unit.chance, (1, patch.shape[1]), patch.shape[1] / 3))
    curls = np.abs(clouds(unit.chance, patch.shape, 5 * unit.board.resolution))
    amount = (
        patch.inside
        * np.clip((patch.y - top) / 8, 0, 1)
        * (0.7 + 1.3 * curls)
        * np.float32(unit.style.uniform(3, 9) * unit.share)
    )
    unit.board.add("aluminium" if unit.style.random() < 0.4 else "steel", amount.astype(np.float32), patch.where)
    return area


def timber(unit: Unit) -> Area | None:
    """Round logs: along the vehicle between stanchions, or across it, a wall of discs."""
    along = bool(unit.style.random() < 0.5)
    area = unit.corner(float(unit.style.uniform(260, 560)) if along else 190.0, 0.85 * unit.space.height)
    thick = float(unit.style.uniform(9, 19))
    if not along:
        _log_ends(unit, area, thick)
        return area
    for index in range(int(unit.depth * area.height / (2 * thick) ** 2)):
        # The golden section spreads the logs evenly over the height.
        y = area.bottom - thick - (0.618 * index % 1.0) * (area.height - 2 * thick) + float(unit.chance.normal(0, 2))
        left, right = area.left + float(unit.chance.uniform(0, 22)), area.right - float(unit.chance.uniform(0, 22))
        radius = thick * float(unit.chance.uniform(0.75, 1.2))
        unit.board.turned("wood", [(left, radius), (right, radius * float(unit.chance.uniform(0.75, 1)))], y=y)
    for x in (area.left + 0.2 * area.width, area.left + 0.8 * area.width):
        unit.board.slab("steel", Area(x, unit.space.top + 4, x + 9, area.bottom).outline, 1.6)
    return area


def _log_ends(unit: Unit, area: Area, thick: float) -> None:
    rows = int(area.height / (1.75 * thick))
    for row in range(rows):
        for column in range(int(area.width / (2 * thick)) - row % 2):
            x = area.left + thick * (1 + 2 * column + row % 2) + float(unit.chance.normal(0, 0.6))
            y = area.bottom - thick - row * 1.75 * thick
            radius = thick * float(unit.chance.uniform(0.8, 1.02))
            unit.board.slab("wood", ellipse((x, y), (radius, 0.96 * radius)), 0.8 * unit.depth)


def paper_rolls(unit: Unit) -> Area | None:
    """Rolls lying across the vehicle, pyramid fashion: discs with a core."""
    radius = float(unit.style.uniform(30, 56))
    rows = min(3, max(1, 1 + int((unit.space.height - 2 * radius) / (1.74 * radius))))
    area = unit.rigid(5 * radius, 2 * radius + (rows - 1) * 1.74 * radius)
    if area is None:
        return None
    deep = thickness("paper", float(unit.style.uniform(70, 150)))
    for row in range(rows):
        for column in range(2):
            centre = (area.left + radius * (1 + 2 * column + row % 2), area.bottom - radius * (1 + 1.74 * row))
            unit.board.ring("paper", centre, (4.5, radius - 0.3), deep)
            unit.board.ring("paper", centre, (4.0, 5.6), 0.6 * deep)
            unit.board.ring("paper", centre, (radius - 1.0, radius - 0.3), 0.3 * deep)
    # The next unit stands in the gap that every other row leaves at the left.
    return Area(area.left, area.top, area.right - radius, area.bottom)


def steel_coils(unit: Unit) -> Area | None:
    """Coils with their eye to the sky, on skids, strapped."""
    radius, tall = float(unit.style.uniform(40, 70)), float(unit.style.uniform(30, 90))
    area = unit.rigid(float(unit.style.uniform(2.3, 4)) * radius, tall + 14)
    if area is None:
        return None
    x = area.left + radius + 2
    unit.board.upright("steel", x, (area.top, area.bottom - 14), radius, wall=radius - 26)
    for foot in (x - 0.7 * radius, x + 0.45 * radius):
        unit.board.slab("wood", Area(foot, area.bottom - 14, foot + 0.25 * radius, area.bottom).outline, 90)
    for shift in (-0.5, 0.2):
        unit.board.slab(
            "steel", Area(x + shift * radius, area.top - 1, x + shift * radius + 3, area.bottom - 8).outline, 0.4
        )
    return Area(area.left, area.top, x + radius, area.bottom)


def mixed_pallets(unit: Unit) -> Area | None:
    """A roll cage: a lattice of wire on castors with parcels and bags at rest in it."""
    area = unit.rigid(82, min(178, unit.space.height))
    if area is None:
        return None
    board, floor = unit.board, area.bottom - 17
    for x in np.linspace(area.left, area.right - 1, 8).tolist():
        board.upright("steel", x + 0.5, (area.top, floor), 0.6)
    for y in np.linspace(area.top + 2, floor, 7).tolist():
        board.slab("steel", Area(area.left, y, area.right, y + 1.2).outline, 2.0)
    for x in (area.left + 9, area.right - 9):
        board.ring("rubber", (x, area.bottom - 6), (3.2, 6), 12)
        board.slab("steel", Area(x - 3, floor, x + 3, area.bottom - 6).outline, 3)
    for _ in range(int(unit.chance.integers(6, 14))):
        wide, high = unit.chance.uniform(16, 52), unit.chance.uniform(10, 42)
        x = float(unit.chance.uniform(area.left + wide / 2, area.right - wide / 2))
        foot = floor - float(unit.chance.beta(1, 1.7)) * (floor - area.top - high)
        parcel = Area(x - wide / 2, foot - high, x + wide / 2, foot)
        if unit.chance.random() < 0.6:
            _carton(unit, parcel, draw_testing_goods(unit.chance, 70))
        else:
            board.pillow("polyester", blob(unit.chance, float(wide), float(high), 1.5, parcel.centre), 14, edge=7)
    return area


def bulk(unit: Unit) -> Area | None:
    """Ore or coal, levelled in waves and lumpy."""
    area = unit.corner(unit.space.width, float(unit.style.uniform(0.35, 0.8)) * unit.space.height)
    patch = unit.board.patch(area)
    wave = 9 * (1 + np.sin(patch.x / float(unit.style.uniform(60, 120)) + float(unit.chance.uniform(0, 6.28))))
    lumps = 3 * value_noise(unit.chance, (1, patch.shape[1]), 6 * unit.board.resolution)
    amount = patch.inside * np.clip((patch.y - wave - lumps) * unit.board.resolution, 0, 1)
    amount = amount * np.clip((area.height - funnel(patch.x, area.width) - patch.y) * unit.board.resolution, 0, 1)
    uneven = 1 + 0.12 * clouds(unit.chance, patch.shape, 14 * unit.board.resolution)
    material = str(unit.style.choice(["coal", "pellets"]))
    unit.board.add(material, (amount * uneven * np.float32(0.8 * unit.depth)).astype(np.float32), patch.where)
    return area


def empty(unit: Unit) -> Area | None:
    """Pallets left behind and sweepings on the floor."""
    for _ in range(int(unit.chance.integers(1, 4))):
        left = float(unit.chance.uniform(unit.space.left, unit.space.right - 120))
        bottom = unit.space.bottom
        for _ in range(int(unit.chance.integers(1, 6))):
            space = Area(left, unit.space.top, left + 118, bottom)
            bottom = pallet_deck(unit.within(space), 118).bottom
            left += float(unit.chance.normal(0, 2))
    x = float(unit.chance.uniform(unit.space.left + 40, unit.space.right - 40))
    unit.board.pillow("wood", ellipse((x, unit.space.bottom - 2), (30, 5)), 20, edge=4)
    return None
