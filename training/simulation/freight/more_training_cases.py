"""More packages, lighters and batteries of the TRAIN family, each of random proportions. See records.Family.

Every builder takes a generator and a resolution in pixels a cm, and gives a Solid.
"""

from __future__ import annotations

import numpy as np

from training.simulation.freight.more_training_parts import between, chance, count, deepened, heap, one_of, row
from training.simulation.outlines import ellipse, rectangle, rounded_rectangle, smooth
from training.simulation.solids import Point, Pose, Solid


def _filling(generator: np.random.Generator) -> str:
    """Pressed powder, plastic explosive, or pressed plants."""
    return one_of(generator, "pressed_powder", "pressed_powder", "explosive", "explosive", "food")


def _taped(generator: np.random.Generator, body: Solid, size: Point, corner: float, depth: float) -> None:
    """Adhesive tape around a parcel about the origin: along its edges, and across it a few times."""
    width, height = size
    edge = rounded_rectangle(width, height, corner)
    body.wire("polyethylene", [*edge, edge[0]], 0.25, thickness=depth)
    for _ in range(count(generator, 0, 4)):
        x, lean = between(generator, -0.4, 0.4) * width, between(generator, -0.1, 0.1) * width
        body.wire("pvc", [(x - lean, -height / 2), (x + lean, height / 2)], between(generator, 2, 5), thickness=0.08)


def taped_lumps(generator: np.random.Generator, resolution: float) -> Solid:
    """One to six irregular lumps of 10 to 32 cm, wound in tape and pressed out of shape, on or beside each other."""
    filling = _filling(generator)
    parts = []
    for _ in range(count(generator, 1, 3)):
        width, height = between(generator, 10, 30), between(generator, 7, 18)
        angle = np.linspace(0, 2 * np.pi, count(generator, 6, 11), endpoint=False)
        reach = np.clip(generator.normal(1, 0.14, len(angle)), 0.65, 1.3)
        x, y = width / 2 * reach * np.cos(angle), height / 2 * reach * np.sin(angle)
        outline = smooth(list(zip(x.tolist(), y.tolist(), strict=True)))
        lump = Solid(1.5 * width, 1.5 * height, resolution)
        lump.pillow(filling, outline, between(generator, 5, 15), edge=between(generator, 0.2, 0.5) * height)
        lump.wire("polyethylene", [*outline, outline[0]], 0.3, thickness=between(generator, 2, 6))
        for _ in range(count(generator, 0, 4)):
            turn, share = between(generator, 0, 180), between(generator, 0.3, 0.8)
            band = ellipse((0, 0), (0.45 * width, share * 0.4 * height), turn if width < 1.4 * height else 0)
            lump.wire("pvc", [*band, band[0]], 0.6, thickness=0.4)
        parts.append(lump)
    number = count(generator, 1, 6)
    spread = 9.0 * np.sqrt(number - 1)
    return heap(generator, parts, number, (between(generator, 0.8, 1.6) * spread, 0.8 * spread), tilt=20).trimmed()


def flat_slabs(generator: np.random.Generator, resolution: float) -> Solid:
    """One to eight flat slabs of 20 to 45 cm, 1 to 5 cm thick: seen on their faces or, in a stack, on their edges."""
    width, height = between(generator, 20, 42), between(generator, 12, 32)
    thick, filling = between(generator, 1, 5), _filling(generator)
    on_edge = chance(generator, 0.5)
    tall, depth = (thick, height) if on_edge else (height, thick)
    slab = Solid(width + 1, tall + 0.6, resolution)
    slab.pillow(filling, rounded_rectangle(width, tall, min(1.0, tall / 2)), depth, edge=min(0.6, tall / 2))
    _taped(generator, slab, (width, tall), min(1.0, tall / 2), 0.8 * depth)
    if not on_edge:
        number = count(generator, 1, 3)
        return heap(generator, [slab], number, (between(generator, 0, 14), between(generator, 0, 14)), 15, 10).trimmed()
    number = count(generator, 2, 8)
    return row(generator, [slab] * number, between(generator, 0, 0.4), 1.5, along=between(generator, 0, 4)).trimmed()


def tumbled_bricks(generator: np.random.Generator, resolution: float) -> Solid:
    """Three to fourteen taped bricks of half a kilogram to two, thrown onto a heap; each shows one of its faces."""
    long, wide, flat = between(generator, 15, 24), between(generator, 9, 15), between(generator, 3.5, 7)
    filling, corner = _filling(generator), between(generator, 0.2, 2.0)
    parts = []
    faces = ((long, wide, flat), (long, wide, flat), (long, flat, wide), (wide, flat, long))
    for width, height, depth in faces:
        brick = Solid(width + 1, height + 1, resolution)
        brick.pillow(filling, rounded_rectangle(width, height, corner), depth, edge=between(generator, 0.3, 1.2))
        _taped(generator, brick, (width, height), corner, 0.7 * depth)
        parts.append(brick)
    number = count(generator, 3, 14)
    size = 0.55 * long * np.sqrt(number), between(generator, 0.6, 1.0) * wide * np.sqrt(number)
    return heap(generator, parts, number, size, turn=between(generator, 10, 180), tilt=25).trimmed()


def big_block(generator: np.random.Generator, resolution: float) -> Solid:
    """One block of 25 to 60 cm: a bale of pressed powder or a pack of charges, wrapped as a whole."""
    width, height, depth = between(generator, 25, 58), between(generator, 16, 42), between(generator, 10, 34)
    block = Solid(width + 4, height + 4, resolution)
    corner, edge = between(generator, 0.2, 5), between(generator, 0.3, 4)
    block.pillow(_filling(generator), rounded_rectangle(width, height, corner), depth, edge=edge)
    if chance(generator, 0.5):
        # Pressed in parts: seams where the wrapping of the inner packets lies.
        for x in np.arange(-width / 2, width / 2, between(generator, 6, 20)).tolist():
            block.wire("polyethylene", [(x, -height / 2), (x, height / 2)], 0.2, thickness=0.6 * depth)
    _taped(generator, block, (width, height), corner, 0.6 * depth)
    return block.trimmed()


def _lighter(generator: np.random.Generator, resolution: float) -> Solid:
    """A gas lighter standing along y, 7 to 10 cm tall, with a random level of gas."""
    tall, wide = between(generator, 6.8, 9.5), between(generator, 1.0, 1.5)
    body = Solid(wide + 0.6, tall + 0.6, resolution)
    top = -tall / 2
    tank = rounded_rectangle(wide, 0.78 * tall, 0.4, (0, 0.11 * tall))
    body.shell("abs", tank, depth=2.2, wall=between(generator, 0.12, 0.25), edge=0.4)
    low = top + between(generator, 0.35, 0.65) * tall
    body.pillow("butane", rectangle(-wide / 2 + 0.15, low, wide / 2 - 0.15, -top - 0.2), 1.8, edge=0.3)
    hood = between(generator, 0.12, 0.22) * tall
    body.shell("steel", rectangle(-wide / 2, top, wide / 2, top + hood), depth=1.1, wall=0.06, edge=0.1)
    body.slab("steel", rectangle(-0.1 * wide, top + 0.6 * hood, 0.4 * wide, top + hood + 0.3), 0.5)
    body.slab("brass", rectangle(-0.15, top + hood, 0.15, top + hood + between(generator, 0.8, 1.6)), 0.3)
    return body


def leaning_lighters(generator: np.random.Generator, resolution: float) -> Solid:
    """Cartons of 20 to 45 cm with rows of lighters that lie flat or lean, two to twelve behind one another."""
    one = deepened(_lighter(generator, resolution), count(generator, 2, 12))
    wide, tall = one.shape[1] / resolution - 0.6, one.shape[0] / resolution - 0.6
    pitch, lean = wide + between(generator, 0, 0.5), between(generator, -35, 35)
    flat = chance(generator, 0.35)
    across, layers = count(generator, 8, 20), count(generator, 1, 4)
    step = tall * float(np.cos(np.radians(lean))) + 0.8
    body = Solid(across * pitch + tall + 6, layers * step + tall + 6, resolution)
    for index in range(across * layers):
        x, y = (index % across - (across - 1) / 2) * pitch, (index // across - (layers - 1) / 2) * step
        body.attach(one, Pose(x, y, angle=lean + float(generator.normal(0, 1.0))))
    width = across * pitch + abs(tall * float(np.sin(np.radians(lean)))) + 1
    body.shell("paper", rectangle(-width / 2, -layers * step / 2, width / 2, layers * step / 2), 25, 0.35, 0.4)
    for layer in range(1, layers):
        y = (layer - layers / 2) * step
        body.slab("paper", rectangle(-width / 2, y - 0.2, width / 2, y), between(generator, 4, 16))
    if not flat:
        return body.trimmed()
    turned = Solid(body.shape[0] / resolution, body.shape[1] / resolution, resolution)
    turned.attach(body, Pose(0, 0, angle=90))
    return turned.trimmed()


def sachets_of_lighters(generator: np.random.Generator, resolution: float) -> Solid:
    """Flat bags or blisters of four to ten lighters each, three to fourteen of them thrown onto a heap."""
    one = _lighter(generator, resolution)
    wide, tall = one.shape[1] / resolution - 0.5, one.shape[0] / resolution
    parts = []
    for number in (count(generator, 4, 6), count(generator, 5, 10)):
        sachet = Solid(number * wide + 3, tall + 3, resolution)
        for index in range(number):
            x = (index - (number - 1) / 2) * wide
            sachet.attach(one, Pose(x, between(generator, -0.4, 0.4), angle=float(generator.normal(0, 3))))
        sachet.slab("polyethylene", rounded_rectangle(number * wide + 2, tall + 2, 0.5), 0.04)
        parts.append(sachet)
    size = between(generator, 8, 24), between(generator, 4, 20)
    return heap(generator, parts, count(generator, 3, 14), size, turn=between(generator, 15, 180), tilt=45).trimmed()


def gas_refills(generator: np.random.Generator, resolution: float) -> Solid:
    """Cans of lighter gas or long kitchen lighters of 13 to 28 cm, standing or lying in rows, some rows deep."""
    tall, radius = between(generator, 12, 26), between(generator, 1.1, 3.2)
    can = Solid(tall + 4, 2 * radius + 0.6, resolution)
    left, right = -tall / 2, tall / 2
    shell = [(left, 0.9 * radius), (left + 0.4, radius), (0.55 * right, radius), (0.7 * right, 0.4 * radius)]
    metal = one_of(generator, "steel", "aluminium", "abs")
    can.turned(metal, shell, wall=0.15 if metal == "abs" else between(generator, 0.02, 0.05))
    level = between(generator, -0.2, 0.45) * tall
    can.turned("butane", [(left + 0.4, radius - 0.15), (min(level, 0.5 * right), radius - 0.15)])
    can.turned(one_of(generator, "steel", "brass"), [(0.6 * right, 0.35), (right, 0.3)], wall=0.15)
    can.turned("abs", [(0.65 * right, 0.8 * radius), (right, 0.7 * radius)], wall=0.15)
    deepened(can, count(generator, 1, 6))
    across, layers = count(generator, 2, max(3, int(34 / (2 * radius)))), count(generator, 1, 2)
    body = Solid(across * 2 * radius + 6, layers * (tall + 2) + 4, resolution)
    for index in range(across * layers):
        x, y = (index % across - (across - 1) / 2) * 2 * radius, (index // across - (layers - 1) / 2) * (tall + 1)
        body.attach(can, Pose(x, y, angle=90 + float(generator.normal(0, 1.2))))
    box = rounded_rectangle(across * 2 * radius + 1, layers * (tall + 1) + 0.5, 0.2)
    body.shell("paper", box, depth=20, wall=0.3, edge=0.3)
    return body.trimmed()


def flat_cells(generator: np.random.Generator, resolution: float) -> Solid:
    """A module of 4 to 24 pouch or prismatic cells of 10 to 35 cm with tabs: on their edges, in a case or bare."""
    number, long, deep = count(generator, 4, 24), between(generator, 10, 34), between(generator, 6, 20)
    thick = between(generator, 0.6, 1.6) if chance(generator, 0.7) else between(generator, 2, 4)
    number = max(3, min(number, int(32 / thick)))
    cell = Solid(thick + 0.2, long + 5, resolution)
    gap = 0.06 + 0.02 * thick
    cell.slab("lithium_cell", rectangle(gap - thick / 2, -long / 2, thick / 2 - gap, long / 2), 0.9 * deep)
    cell.shell("aluminium", rectangle(-thick / 2, -long / 2 - 0.2, thick / 2, long / 2 + 0.2), deep, 0.06, 0.05)
    tab, both = between(generator, 0.8, 2.2), chance(generator, 0.4)
    for side, metal in ((-1, "copper"), (1 if both else -1, "aluminium")):
        x = 0.0 if both else 0.2 * thick * (1 if metal == "copper" else -1)
        edge = side * (long / 2 + 0.2)
        cell.slab(metal, rectangle(x - 0.06, min(edge, edge + side * tab), x + 0.06, max(edge, edge + side * tab)), 4)
    width = number * thick
    body = Solid(width + 8, long + 10, resolution)
    for index in range(number):
        body.attach(cell, Pose((index - (number - 1) / 2) * thick, 0.0, flip=bool(both and index % 2)))
    if chance(generator, 0.7):
        tall = long + 2 * tab + between(generator, 0.5, 3)
        case = rounded_rectangle(width + between(generator, 0.6, 3), tall, 0.8)
        metal = one_of(generator, "aluminium", "steel", "abs")
        body.shell(metal, case, deep + 2, 0.12 if metal == "steel" else 0.3, 0.4)
        top = -long / 2 - tab - 0.3
        body.slab("circuit_board", rectangle(-0.45 * width, top - 0.2, 0.3 * width, top), between(generator, 3, deep))
    return body.trimmed()


def _lead_cells(generator: np.random.Generator, resolution: float, cells: int, cell: float, size: Point) -> Solid:
    """A box of lead-acid cells side by side, each `cell` cm wide; size: height and depth."""
    tall, deep = size
    box = Solid(cells * cell + 2, tall + 6, resolution)
    half, top = cells * cell / 2, -tall / 2
    box.shell("polyethylene", rectangle(-half, top, half, -top), deep, between(generator, 0.25, 0.6), 0.4)
    head, strap = between(generator, 0.06, 0.25) * tall, between(generator, 0.25, 0.7) * deep
    lead = between(generator, 0.1, 0.2) * deep
    for index in range(cells):
        left = -half + index * cell
        box.slab("polyethylene", rectangle(left - 0.12, top, left + 0.12, -top - 0.3), 0.9 * deep)
        box.slab("water", rectangle(left + 0.3, top + 0.7 * head, left + cell - 0.3, -top - 0.4), 0.45 * deep)
        box.slab("lead", rectangle(left + 0.4, top + head, left + cell - 0.4, -top - 0.8), lead)
        x = left + (0.3 if index % 2 else 0.7) * cell
        box.slab("lead", rectangle(x - 0.2 * cell, top + 0.5 * head, x + 0.2 * cell, top + head), 0.4 * strap)
    for x in (-half + 0.5 * cell, half - 0.5 * cell) if cells > 1 else (-0.25 * cell, 0.25 * cell):
        up, wide = between(generator, 0.4, 2.2), between(generator, 0.08, 0.18) * cell
        box.slab("lead", rectangle(x - wide, top - up, x + wide, top + 0.6 * head), 1.4)
    return box


def lead_blocks(generator: np.random.Generator, resolution: float) -> Solid:
    """Lead-acid blocks other than a car's: 4, 6 or 8 V with 2 to 4 cells, or 1 to 4 tall traction cells of 2 V."""
    if chance(generator, 0.5):
        cells, cell = count(generator, 2, 4), between(generator, 3.5, 9)
        tall, deep = between(generator, 9, 28), between(generator, 6, 19)
        return _lead_cells(generator, resolution, cells, cell, (tall, deep)).trimmed()
    cells, cell = count(generator, 1, 4), between(generator, 6, 12)
    tall, deep = between(generator, 30, 52), between(generator, 14, 20)
    return _lead_cells(generator, resolution, cells, cell, (tall, deep)).trimmed()


def twin_blocks(generator: np.random.Generator, resolution: float) -> Solid:
    """Two sealed 12 V blocks of a power supply side by side or end to end, wired, mostly in a tray of steel."""
    cell, size = between(generator, 2.3, 3.2), (between(generator, 8.5, 17), between(generator, 6, 8))
    block = _lead_cells(generator, resolution, 6, cell, size).trimmed()
    if chance(generator, 0.5):
        block = _lead_cells(generator, resolution, count(generator, 2, 3), 0.9 * cell, size).trimmed()
    wide, tall = block.shape[1] / resolution, block.shape[0] / resolution
    gap = between(generator, 0.2, 1.5)
    body = Solid(2 * wide + gap + 8, tall + 8, resolution)
    for side in (-1, 1):
        body.attach(block, Pose(side * (wide + gap) / 2, 0.0))
    cable = [(-wide / 2, -tall / 2), (0, -tall / 2 - 1.5), (between(generator, 0.2, 0.8) * wide, -tall / 2 + 0.5)]
    body.wire("copper", smooth(cable, closed=False), 0.4, thickness=0.5)
    if chance(generator, 0.7):
        tray = rounded_rectangle(2 * wide + gap + 1, tall + 1, 0.3)
        body.shell("steel", tray, depth=10, wall=between(generator, 0.1, 0.2), edge=0.2)
    return body.trimmed()


def power_tool_packs(generator: np.random.Generator, resolution: float) -> Solid:
    """One to five packs of cordless tools or bicycles, 8 to 22 cm: flat rectangular cells, a board and a rail."""
    across, cell = count(generator, 3, 7), (between(generator, 1.6, 3.4), between(generator, 3, 8))
    width, tall = across * cell[0] + 1.4, cell[1] + 3
    pack = Solid(width + 4, tall + 6, resolution)
    deep = between(generator, 5, 8)
    pack.shell("abs", rounded_rectangle(width, tall, 1.0), deep, between(generator, 0.2, 0.35), 0.8)
    for index in range(across):
        left = (index - across / 2) * cell[0]
        outline = rectangle(left + 0.08, -0.5 * tall + 2.2, left + cell[0] - 0.08, 0.5 * tall - 0.6)
        pack.slab("lithium_cell", outline, 0.75 * deep)
        pack.shell("aluminium", outline, 0.8 * deep, 0.06, 0.05)
    pack.slab("circuit_board", rectangle(-0.4 * width, 1.2 - tall / 2, 0.4 * width, 1.5 - tall / 2), 0.6 * deep)
    pack.slab("copper", rectangle(-0.42 * width, 1.9 - tall / 2, 0.42 * width, 2.0 - tall / 2), 3)
    shoe = between(generator, 0.3, 0.8) * width
    pack.shell("abs", rectangle(-shoe / 2, -tall / 2 - 1.6, shoe / 2, 0.5 - tall / 2), 0.7 * deep, 0.3, 0.3)
    for index in range(count(generator, 2, 5)):
        x = shoe * (-0.4 + 0.16 * index)
        pack.slab("brass", rectangle(x, -tall / 2 - 1.4, x + 0.15, 0.8 - tall / 2), 1.2)
    number = count(generator, 1, 5) if chance(generator, 0.6) else 1
    size = 6.0 * (number - 1), 4.0 * (number - 1)
    return heap(generator, [pack], number, size, turn=180, tilt=30).trimmed()
