"""Loads of the TRAIN family. Each draws one unit at the left and on the floor of its space; see records.Family."""

from __future__ import annotations

import numpy as np

from training.simulation.freight.board import Area
from training.simulation.freight.goods import carton_walls, thickness
from training.simulation.freight.goods_for_training import draw_training_goods
from training.simulation.freight.shells import funnel
from training.simulation.freight.unit import Unit, pallet_deck
from training.simulation.outlines import ellipse, rounded_rectangle, smooth
from training.simulation.textures import clouds, value_noise


def cartons(unit: Unit) -> Area | None:
    """A column of cartons stacked straight up, the same from wall to wall; heavier goods may stand below lighter."""
    style, chance = unit.style, unit.chance
    width, height = float(style.uniform(36, 78)), float(style.uniform(20, 46))
    across = 1 + int(style.random() < 0.4)
    lower, upper = draw_training_goods(style, unit.depth), draw_training_goods(style, unit.depth)
    change = float(style.choice([1.0, style.uniform(0.3, 0.7)]))
    filled = float(style.uniform(0.78, 1.02)) * float(chance.uniform(0.92, 1.0))
    rows = max(1, int(filled * unit.space.height / height))
    area = unit.corner(width, rows * height)
    lean = float(chance.normal(0, 0.35))
    for row in range(rows):
        bottom = area.bottom - row * height
        shift = lean * row + float(chance.normal(0, 0.3))
        goods = lower if row < change * rows else upper
        for column in range(across):
            left = area.left + shift + column * area.width / across
            carton = Area(left, bottom - height, left + area.width / across, bottom)
            carton_walls(unit.board, carton, unit.depth / 45)
            slack = float(chance.uniform(0.6, 2.5))
            inner = Area(carton.left + 0.8, carton.top + slack, carton.right - 0.8, carton.bottom - 0.6)
            goods.fill(unit.board, inner, chance)
    return area


def drums(unit: Unit) -> Area | None:
    """Steel drums of 200 litres standing behind one another, in one tier or two, each filled to its own level."""
    area = unit.rigid(60, 91)
    if area is None:
        return None
    content = str(unit.style.choice(["water", "naphtha", "food"]))
    deep, full = max(1, round(float(unit.style.uniform(2, 4.4)) * unit.share)), float(unit.style.uniform(0.5, 0.95))
    tiers = 2 if unit.space.height > 190 and unit.style.random() < 0.5 else 1
    for tier in range(tiers):
        bottom = area.bottom - 91 * tier
        for _ in range(deep):
            _drum(unit, (area.centre[0] + float(unit.chance.normal(0, 0.7)), bottom), content, full)
    return Area(area.left, area.bottom - 91 * tiers, area.right, area.bottom)


def _drum(unit: Unit, foot: tuple[float, float], content: str, full: float) -> None:
    x, bottom = foot
    top = bottom - 89
    unit.board.upright("steel", x, (top, bottom), 29.0, wall=0.12)
    for y in (top + 1.5, bottom - 1.5):
        unit.board.upright("steel", x, (y, y + 0.12), 29.0)
    for y in (top, top + 29, top + 58, bottom - 1.2):
        unit.board.upright("steel", x, (y, y + 1.2), 29.8, wall=0.35)
    level = float(np.clip(unit.chance.normal(full, 0.03), 0.1, 0.97))
    unit.board.upright(content, x, (bottom - 1.5 - level * 85, bottom - 1.5), 28.8)


def sacks(unit: Unit) -> Area | None:
    """Flat sacks in layers on a pallet, every other layer turned."""
    deck = pallet_deck(unit, 112)
    material = str(unit.style.choice(["cement", "grain", "food"]))
    layers, tall = int(unit.style.integers(6, 13)), float(unit.style.uniform(9, 14))
    deep = thickness(material, float(unit.style.uniform(45, 150)) * unit.share)
    layers = min(layers, int(deck.height / tall))
    for layer in range(layers):
        count = 2 + layer % 2
        for index in range(count):
            wide = deck.width / count
            middle = (
                deck.left + (index + 0.5) * wide + float(unit.chance.normal(0, 1)),
                deck.bottom - (layer + 0.5) * tall,
            )
            outline = rounded_rectangle(wide - 1, tall + 1.2, 5, middle)
            unit.board.pillow(material, outline, deep * float(unit.chance.normal(1, 0.04)), edge=5)
    return Area(deck.left, deck.bottom - layers * tall, deck.right, unit.space.bottom) if layers else None


def machinery(unit: Unit) -> Area | None:
    """A crated lathe: cast bed on feet, headstock with gears, tailstock, motor, control box."""
    size = float(unit.style.uniform(0.75, 1.25))
    area = unit.rigid(230 * size, 165 * size)
    if area is None:
        return None
    board, bottom, left = unit.board, area.bottom, area.left
    board.slab("wood", area.outline, 4)
    for x in np.linspace(left, area.right - 8, 5).tolist():
        board.slab("wood", Area(x, area.top, x + 8, bottom).outline, 12)
    board.slab("wood", Area(left, bottom - 9, area.right, bottom).outline, 90)
    for x in (0.14, 0.72):
        foot = left + x * area.width
        board.shell("steel", rounded_rectangle(44 * size, 62 * size, 3, (foot + 16, bottom - 42 * size)), 60, 1.6, 4)
    bed = Area(left + 12 * size, bottom - 92 * size, left + 214 * size, bottom - 68 * size)
    board.pillow("steel", bed.outline, 14, edge=4)
    for x in np.arange(bed.left + 8, bed.right - 8, 13 * size).tolist():
        board.slab("steel", Area(x, bed.top + 5, x + 3, bed.bottom - 3).outline, 12)
    head = (left + 42 * size, bottom - 114 * size)
    board.shell("steel", rounded_rectangle(56 * size, 48 * size, 4, head), depth=58, wall=2.2, edge=5)
    for _ in range(5):
        gear = (
            head[0] + float(unit.chance.uniform(-18, 18)) * size,
            head[1] + float(unit.chance.uniform(-15, 15)) * size,
        )
        radius = float(unit.chance.uniform(4, 13)) * size
        board.ring("steel", gear, (0.8 * radius, radius), 8)
        board.disc("steel", gear, 0.3 * radius, 22)
    shaft = [(head[0] + 20, 9), (head[0] + 34 * size, 15), (head[0] + 48 * size, 15), (head[0] + 50 * size, 3)]
    board.turned("steel", [*shaft, (bed.right - 40, 3)], y=head[1])
    board.pillow("steel", rounded_rectangle(26 * size, 34 * size, 4, (bed.right - 26, bottom - 108 * size)), 20, edge=4)
    board.turned("copper", [(left + 20, 11), (left + 50 * size, 11)], y=bottom - 38 * size)
    board.shell("steel", rounded_rectangle(34, 48, 2, (area.right - 30, bottom - 120 * size)), 24, 0.2, 1)
    return area


def engines(unit: Unit) -> Area | None:
    """An in-line engine on a steel stand, with manifold, flywheel, sump and pulleys."""
    area = unit.rigid(118, 128)
    if area is None:
        return None
    board, (x, _), bottom = unit.board, area.centre, area.bottom
    for foot in (area.left + 10, area.right - 16):
        board.slab("steel", Area(foot, bottom - 46, foot + 6, bottom).outline, 5)
    board.slab("steel", Area(area.left + 2, bottom - 6, area.right - 2, bottom).outline, 12)
    y = bottom - 68.0
    board.pillow("steel", rounded_rectangle(84, 44, 5, (x, y)), float(unit.style.uniform(8, 18)), edge=7)
    board.pillow("aluminium", rounded_rectangle(78, 15, 5, (x, y - 30)), 18, edge=5)
    cylinders = int(unit.style.choice([4, 6]))
    for index in range(cylinders):
        left = x - 37 + 74 * index / cylinders
        board.slab("steel", Area(left, y - 20, left + 52 / cylinders, y + 6).outline, 4)
        board.wire("steel", smooth([(left + 4, y - 18), (left + 6, y - 44), (x, y - 52)], closed=False), 4.5, 2.2)
    board.ring("steel", (x + 47, y + 10), (6, 19), 9)
    board.ring("steel", (x - 47, y + 14), (5, 11), 7)
    board.shell("steel", rounded_rectangle(70, 20, 6, (x - 3, y + 30)), depth=30, wall=0.3, edge=5)
    for _ in range(9):
        part = (x + float(unit.chance.uniform(-44, 44)), y + float(unit.chance.uniform(-40, 26)))
        board.slab("steel", ellipse(part, (float(unit.chance.uniform(2, 8)), float(unit.chance.uniform(2, 6)))), 7)
    return Area(area.left, y - 54, area.right, bottom)


def tyres(unit: Unit) -> Area | None:
    """Tyres standing in rows across the vehicle, seen through their axes; rows sit in the gaps of those below."""
    radius = float(unit.style.choice([30.0, 33.0, 52.0]))
    rows = max(1, int((unit.style.uniform(0.5, 1.0) * unit.space.height - 0.2 * radius) / (1.8 * radius)))
    columns = 2
    area = unit.rigid(2 * radius * columns + radius, rows * 1.8 * radius + 0.2 * radius)
    if area is None:
        return None
    tyres_deep = unit.depth / (0.66 * radius)
    for row in range(rows):
        for column in range(columns):
            x = area.left + radius * (1 + 2 * column + row % 2)
            y = area.bottom - radius - 1.8 * radius * row
            for _ in range(2):
                _tyre(
                    unit,
                    (x + float(unit.chance.normal(0, 1.2)), y + float(unit.chance.normal(0, 0.8))),
                    radius,
                    tyres_deep / 2,
                )
    # The next unit stands in the gap that every other row leaves at the left.
    return Area(area.left, area.top, area.right - radius, area.bottom)


def _tyre(unit: Unit, centre: tuple[float, float], radius: float, deep: float) -> None:
    board = unit.board
    board.ring("rubber", centre, (0.62 * radius, radius), 1.5 * deep)
    board.ring("rubber", centre, (0.95 * radius, radius), 9.0 * deep)
    board.ring("steel", centre, (0.955 * radius, 0.97 * radius), 2.0 * deep)
    board.ring("steel", centre, (0.60 * radius, 0.63 * radius), 2.4 * deep)


def scrap(unit: Unit) -> Area | None:
    """A loose heap of beams, sheets, pipes and wire."""
    area = unit.corner(float(unit.chance.uniform(160, 320)), float(unit.style.uniform(0.3, 0.75)) * unit.space.height)
    patch = unit.board.patch(area)
    ridge = 0.2 * area.height * (1 + value_noise(unit.chance, (1, patch.shape[1]), patch.shape[1] / 5))
    # A heap lies at its angle of repose towards both ends.
    ridge = np.maximum(ridge, area.height - 1.1 * np.minimum(patch.x, area.width - patch.x) - 15)
    under = patch.inside * (patch.y > ridge)
    rubble = np.exp(0.7 * clouds(unit.chance, patch.shape, 16 * unit.board.resolution, 4))
    unit.board.add(
        "steel", (under * rubble * np.float32(unit.style.uniform(2, 6) * unit.share)).astype(np.float32), patch.where
    )
    for _ in range(int(area.width * area.height / 140)):
        x = float(unit.chance.uniform(area.left, area.right))
        low = area.top + float(np.interp(x - area.left, patch.x[0], ridge[0]))
        _junk(unit, (x, float(unit.chance.uniform(min(low, area.bottom - 6), area.bottom - 4))))
    return area


def _junk(unit: Unit, centre: tuple[float, float]) -> None:
    chance = unit.chance
    turn, length = float(chance.uniform(0, np.pi)), float(chance.uniform(8, 55))
    along = np.array([np.cos(turn), np.sin(turn)]) * length / 2
    ends = [tuple((np.array(centre) + sign * along).tolist()) for sign in (-1, 1)]
    kind = chance.random()
    if kind < 0.45:
        unit.board.wire(
            "steel", [(float(a), float(b)) for a, b in ends], float(chance.uniform(2, 9)), float(chance.uniform(0.5, 5))
        )
    elif kind < 0.75:
        corners = np.array(centre) + chance.normal(0, 0.35 * length, (4, 2))
        hull = [(float(a), float(b)) for a, b in corners[np.argsort(np.arctan2(*(corners - corners.mean(0)).T))]]
        unit.board.slab("steel", hull, float(chance.uniform(0.3, 2.5)))
    else:
        unit.board.ring("steel", centre, (0.25 * length, 0.3 * length), float(chance.uniform(1, 6)))


def timber(unit: Unit) -> Area | None:
    """Packs of sawn boards along the vehicle, with stickers between the packs."""
    area = unit.corner(float(unit.style.uniform(240, 600)), float(unit.style.uniform(0.5, 0.95)) * unit.space.height)
    board_height, pack = float(unit.style.choice([2.5, 3.8, 5.0, 7.5])), float(unit.style.uniform(55, 110))
    patch = unit.board.patch(area)
    lines = 1 - 0.35 * ((patch.y / board_height) % 1.0 < 0.14)
    packs = ((patch.y / pack) % 1.0 > 7.0 / pack).astype(np.float32)
    stickers = ((patch.x / 88) % 1.0 < 0.09).astype(np.float32)
    # Boards end where they end: the ends of a pack fray, each row by its own length.
    rows = unit.chance.uniform(0, 12, (int(area.height / board_height) + 2,)).astype(np.float32)
    reach = rows[(patch.y[:, 0] / board_height).astype(np.intp)][:, None]
    whole = (patch.x > reach) & (patch.x < area.width - reach[::-1])
    grain = 1 + 0.05 * value_noise(unit.chance, (patch.shape[0], 8), 1.5).mean(1, keepdims=True)
    amount = patch.inside * lines * np.maximum(packs * whole, stickers * (1 - packs)) * grain
    deep = float(unit.style.uniform(0.6, 0.85)) * unit.depth
    unit.board.add("wood", (amount * np.float32(deep)).astype(np.float32), patch.where)
    return area


def paper_rolls(unit: Unit) -> Area | None:
    """Rolls standing on end, two deep and touching, with hollow cores."""
    radius = float(unit.style.uniform(42, 62))
    area = unit.corner(2 * radius, float(unit.style.uniform(90, 150)))
    tiers = 2 if 2 * area.height < unit.space.height else 1
    top = area.bottom - tiers * area.height
    for _ in range(int(unit.style.integers(1, 3))):
        x = area.centre[0] + float(unit.chance.normal(0, 1))
        for tier in range(tiers):
            foot = area.bottom - tier * area.height
            unit.board.upright("paper", x, (foot - area.height + 0.8, foot), radius, wall=radius - 5)
            unit.board.upright("steel", x, (foot - area.height + 2, foot - 2), 5.2, wall=0.1)
    return Area(area.left, top, area.right, area.bottom)


def steel_coils(unit: Unit) -> Area | None:
    """One coil in a timber cradle, its eye across the vehicle: opaque but for the eye."""
    radius = float(unit.style.uniform(48, 78))
    area = unit.rigid(float(unit.style.uniform(2.4, 4.5)) * radius, 2 * radius + 14)
    if area is None:
        return None
    centre = (area.centre[0] + float(unit.chance.uniform(-8, 8)), area.bottom - radius - 12)
    unit.board.ring("steel", centre, (float(unit.style.uniform(25, 38)), radius), float(unit.style.uniform(80, 140)))
    for side in (-1, 1):
        foot = [(centre[0] + side * 0.3 * radius, area.bottom), (centre[0] + side * radius, area.bottom)]
        unit.board.slab("wood", [*foot, (centre[0] + side * 0.95 * radius, area.bottom - 0.6 * radius)], 110)
    unit.board.slab("wood", Area(area.left, area.bottom - 8, area.right, area.bottom).outline, 60)
    return Area(centre[0] - radius, area.top, centre[0] + radius, area.bottom)


def mixed_pallets(unit: Unit) -> Area | None:
    """A pallet of boxes, kegs and jars of all sizes, wrapped in film."""
    deck = pallet_deck(unit, 108)
    tall = float(unit.chance.uniform(0.45, 0.9)) * min(deck.height, 210)
    bottom = deck.bottom
    while bottom > deck.bottom - tall + 12:
        height = min(float(unit.chance.uniform(14, 48)), bottom - deck.top)
        left = deck.left
        while left < deck.right - 10:
            width = min(float(unit.chance.uniform(14, 56)), deck.right - left)
            _parcel(unit, Area(left, bottom - height * float(unit.chance.uniform(0.75, 1)), left + width - 0.6, bottom))
            left += width
        bottom -= height
    wrap = Area(deck.left, bottom, deck.right, deck.bottom)
    unit.board.slab("polyethylene", wrap.outline, 0.6)
    return Area(deck.left, bottom, deck.right, unit.space.bottom)


def _parcel(unit: Unit, area: Area) -> None:
    kind, board, middle = unit.chance.random(), unit.board, area.centre[0]
    if kind < 0.7:
        carton_walls(board, area, 3)
        draw_training_goods(unit.chance, unit.depth * 0.8).fill(board, area.inset(0.8), unit.chance)
    elif kind < 0.85:
        board.upright("steel", middle, (area.top, area.bottom), area.width / 2, wall=0.15)
        board.upright("water", middle, (area.top + 0.2 * area.height, area.bottom), area.width / 2 - 0.3)
    else:
        board.upright("polyethylene", middle, (area.top, area.bottom), area.width / 2, wall=0.5)
        board.upright("food", middle, (area.top + 0.1 * area.height, area.bottom), area.width / 2 - 0.5)


def bulk(unit: Unit) -> Area | None:
    """Grain, heaped in a cone under each hatch."""
    area = unit.corner(unit.space.width, float(unit.style.uniform(0.5, 1.0)) * unit.space.height)
    patch = unit.board.patch(area)
    hatch = area.width / int(unit.style.integers(3, 7))
    slope = 0.36 * np.abs((patch.x % hatch) - hatch / 2)
    ripple = 1.5 * value_noise(unit.chance, (1, patch.shape[1]), 12 * unit.board.resolution)
    amount = patch.inside * np.clip((patch.y - slope - ripple) * unit.board.resolution, 0, 1)
    amount = amount * np.clip((area.height - funnel(patch.x, area.width) - patch.y) * unit.board.resolution, 0, 1)
    unit.board.add("grain", (amount * np.float32(0.75 * unit.depth)).astype(np.float32), patch.where)
    return area


def empty(unit: Unit) -> Area | None:
    """Straps on the walls and a few dunnage bags."""
    for _ in range(int(unit.chance.integers(1, 5))):
        x = float(unit.chance.uniform(unit.space.left + 20, unit.space.right - 20))
        hang = [(x, unit.space.top + 2), (x + 4, unit.space.top + 60), (x - 3, unit.space.top + 120)]
        unit.board.wire("polyester", smooth(hang, closed=False), 5, thickness=0.8)
        unit.board.slab("steel", rounded_rectangle(6, 11, 1, (x, unit.space.top + 118)), 1.0)
    if unit.chance.random() < 0.5:
        x = float(unit.chance.uniform(unit.space.left + 60, unit.space.right - 60))
        unit.board.shell("paper", ellipse((x, unit.space.bottom - 45), (30, 44)), depth=80, wall=0.1, edge=25)
    return None
