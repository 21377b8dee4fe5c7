"""More knives, ammunition and grenades of the TRAIN family, each of random proportions. See records.Family.

Every builder takes a generator and a resolution in pixels a cm, and gives a Solid.
"""

from __future__ import annotations

import numpy as np

from training.simulation.blades import kitchen_knife
from training.simulation.freight.more_training_parts import between, cartridge, chance, count, deepened, heap, one_of
from training.simulation.outlines import coil, ellipse, rectangle, rounded_rectangle, smooth
from training.simulation.solids import Point, Pose, Solid


def _edged(body: Solid, outline: list[Point], spine: float) -> None:
    """A blade: `spine` cm thick at its upper side, thinning out to a tenth at the lower one."""
    low, high = (edge([y for _, y in outline]) for edge in (max, min))
    taper = np.clip((low - body.y) / (low - high), 0.1, 1.0)
    body.add("stainless", (body.cover(outline) * taper * spine).astype(np.float32))


def _handle(generator: np.random.Generator, body: Solid, length: float, thick: float) -> None:
    """A handle along x that ends at x = 0: tang, scales and rivets."""
    sag = between(generator, -0.4, 0.8)
    outline = smooth(
        [
            (0, -thick / 2), (-0.5 * length, -0.55 * thick), (-length, sag - 0.5 * thick),
            (-length - 0.4, sag + 0.5 * thick), (-0.7 * length, 0.5 * thick), (0, 0.5 * thick),
        ],
        steps=4,
    )  # fmt: skip
    body.pillow(one_of(generator, "wood", "wood", "abs", "rubber"), outline, between(generator, 1.4, 2.4), edge=0.7)
    long = between(generator, 0.3, 1.0) * length
    body.slab("stainless", rectangle(-long, -0.3 * thick, 0.2, 0.3 * thick), between(generator, 0.2, 0.45))
    for index in range(count(generator, 0, 4)):
        body.disc(one_of(generator, "brass", "steel"), (-length * (0.12 + 0.22 * index), 0.0), 0.28, 1.5)


def cleaver(generator: np.random.Generator, resolution: float) -> Solid:
    """A butcher's or Chinese cleaver of 25 to 42 cm: a tall plate, 2 to 5 mm at its back, mostly with a hole."""
    length, tall = between(generator, 15, 26), between(generator, 6.5, 12)
    body = Solid(76, 30, resolution)
    bow = between(generator, -0.6, 0.8)
    corners = [(0.0, -0.7), (length, -0.7 - bow / 2), (length + bow, tall - 1.2), (0.5 * length, tall - 0.7 + bow)]
    blade: list[Point] = [*corners, (0.4, tall - 0.8)]
    _edged(body, blade, between(generator, 0.2, 0.5))
    if chance(generator, 0.7):
        body.carve(ellipse((length - 1.6, 0.6), (0.6, 0.6)))
    _handle(generator, body, between(generator, 10, 14), between(generator, 2, 3))
    return body.trimmed()


def wooden_handled_knife(generator: np.random.Generator, resolution: float) -> Solid:
    """A hunting, paring or butcher's knife of 16 to 45 cm without a guard: one edge, straight, clipped or curved."""
    length, tall = between(generator, 8, 31), between(generator, 1.8, 4.5)
    body = Solid(92, 16, resolution)
    tip = between(generator, -0.9, 0.6 * tall)
    clip = between(generator, 0.55, 0.9) * length
    back = [(0.0, -0.9), (clip, -0.9 - between(generator, -0.1, 0.4)), (length, tip)]
    blade: list[Point] = [*back, (0.9 * length, 0.75 * tall - 0.9), (0.6 * length, tall - 0.9), (0.3, tall - 1.1)]
    _edged(body, blade, between(generator, 0.15, 0.5))
    _handle(generator, body, between(generator, 8.5, 13), between(generator, 1.8, 2.8))
    return body.trimmed()


def box_cutter(generator: np.random.Generator, resolution: float) -> Solid:
    """A carpet or box cutter of 13 to 26 cm: cast or plastic halves, a blade pushed out, spare blades or a rail."""
    length, tall = between(generator, 12.5, 18), between(generator, 2.2, 3.6)
    body = Solid(54, 10, resolution)
    case = smooth(
        [(-length / 2, 0.5), (-0.2 * length, -0.5 * tall), (length / 2, -0.4 * tall), (length / 2, 0.4 * tall)], steps=4
    )
    body.shell(
        one_of(generator, "zinc_alloy", "zinc_alloy", "abs", "steel"), case, 1.8, between(generator, 0.15, 0.35), 0.4
    )
    out = between(generator, 0.5, 8)
    blade: list[Point] = [
        (length / 2 - 4, -0.7), (length / 2 + out - 0.9, -0.7), (length / 2 + out, 0.6), (length / 2 - 4, 0.6),
    ]  # fmt: skip
    body.slab("stainless", blade, between(generator, 0.05, 0.09))
    for index in range(count(generator, 0, 8)):
        body.slab("stainless", rectangle(-0.3 * length, 0.2, 0.1 * length, 0.6 + 0.05 * index), 0.06)
    body.slab("steel", rectangle(-0.38 * length, -0.35, 0.4 * length, 0.1), between(generator, 0.1, 0.35))
    body.disc("steel", (between(generator, -0.2, 0.2) * length, 0.0), 0.4, 1.4)
    return body.trimmed()


def fanned_knives(generator: np.random.Generator, resolution: float) -> Solid:
    """Two to six kitchen, hunting or chopping knives held together by their handles, fanned out or nearly in line."""
    pile = Solid(84, 84, resolution)
    number, step = count(generator, 2, 6), between(generator, 2, 22)
    for index in range(number):
        draw = generator.random()
        kind = kitchen_knife if draw < 0.5 else wooden_handled_knife if draw < 0.85 else cleaver
        one = kind(generator, resolution).trimmed()
        turn = np.radians(step * (index - (number - 1) / 2) + between(generator, -3, 3))
        reach = one.shape[1] / one.resolution / 2 - 5
        pose = Pose(
            reach * float(np.cos(turn)), -reach * float(np.sin(turn)) + 0.4 * index, angle=float(np.degrees(turn))
        )
        pile.attach(one, pose)
    return pile.trimmed()


def _round(generator: np.random.Generator, resolution: float) -> Solid:
    """A pistol round of 2.2 to 3.2 cm, a rifle round of 5 to 8 cm or a heavy one of 10 to 14 cm."""
    case = one_of(generator, "brass", "brass", "steel")
    draw = generator.random()
    if draw < 0.4:
        return cartridge(resolution, between(generator, 2.2, 3.2), between(generator, 0.42, 0.6), False, case)
    if draw < 0.9:
        return cartridge(resolution, between(generator, 5.0, 8.0), between(generator, 0.45, 0.65), True, case)
    return cartridge(resolution, between(generator, 10, 14), between(generator, 0.9, 1.1), True, case)


def loose_rounds(generator: np.random.Generator, resolution: float) -> Solid:
    """Rounds poured into a carton or a plastic bag of 14 to 34 cm, some layers deep."""
    one = _round(generator, resolution)
    size = between(generator, 10, 22), between(generator, 6, 14)
    area = np.prod(size) / (0.8 * np.prod(one.shape) / resolution**2)
    body = heap(generator, [one], int(np.clip(between(generator, 1.5, 6) * area, 20, 300)), size, tilt=65)
    width, height = (side + max(2.0, 0.065 * one.shape[1]) for side in size)
    outline = rounded_rectangle(width, height, between(generator, 0.2, 3))
    if chance(generator, 0.5):
        body.shell("paper", outline, depth=12, wall=0.3, edge=0.3)
    else:
        body.wire("polyethylene", [*outline, outline[0]], 0.3, thickness=5)
    return body.trimmed()


def cartons_of_rounds(generator: np.random.Generator, resolution: float) -> Solid:
    """Cartons of 20 to 50 rounds seen from the side, points up or down in a plastic tray, in a block or tumbled."""
    one = _round(generator, resolution)
    long, wide = one.shape[1] / resolution, one.shape[0] / resolution - 0.5
    across, pitch = count(generator, 5, 10), (wide + between(generator, 0.05, 0.4))
    box = Solid(across * pitch + 1.0, long + 0.8, resolution)
    for index in range(across):
        box.attach(one, Pose((index - (across - 1) / 2) * pitch, 0.0, angle=90 if chance(generator, 0.9) else -90))
    deepened(box, count(generator, 2, 5))
    box.slab("abs", rectangle(-across * pitch / 2, -0.1, across * pitch / 2, long / 2), between(generator, 0.3, 1.5))
    box.shell("paper", rounded_rectangle(across * pitch + 0.8, long + 0.5, 0.1), depth=5 * pitch, wall=0.1, edge=0.1)
    return _boxes(generator, box, count(generator, 1, 4), count(generator, 1, 5), 45.0)


def _boxes(generator: np.random.Generator, box: Solid, columns: int, rows: int, widest: float) -> Solid:
    """Boxes in a block of at most `widest` cm, slightly out of line, or thrown onto a heap."""
    width, height = box.shape[1] / box.resolution, box.shape[0] / box.resolution
    columns, rows = (max(1, min(n, int(widest / side))) for n, side in ((columns, width), (rows, height)))
    if chance(generator, 0.3):
        size = 0.7 * columns * width, 0.7 * rows * height
        return heap(
            generator, [box], (columns * rows + 2) // 2, size, turn=between(generator, 5, 180), tilt=25
        ).trimmed()
    body = Solid(width * columns + 8, height * rows + 8, box.resolution)
    for index in range(columns * rows):
        x, y = (index % columns - (columns - 1) / 2) * width, (index // columns - (rows - 1) / 2) * height
        angle = float(generator.normal(0, 1.5)) + 180 * count(generator, 0, 1)
        body.attach(box, Pose(x + between(generator, -0.3, 0.3), y, angle=angle))
    return body.trimmed()


def shotgun_shells(generator: np.random.Generator, resolution: float) -> Solid:
    """Cartons of 10 or 25 shotgun shells: plastic hulls, brass or steel bases, powder, wads and lead shot."""
    radius, long = between(generator, 0.8, 1.1), between(generator, 5.8, 7.6)
    shell = Solid(long + 0.6, 2 * radius + 0.3, resolution)
    left, head = -long / 2, between(generator, 0.7, 2.0)
    shell.turned("abs", [(left, radius), (-left, radius)], wall=0.09)
    metal = one_of(generator, "brass", "steel")
    shell.turned(metal, [(left, radius + 0.05), (left + 0.2, radius), (left + head, radius)], wall=0.06)
    shell.slab(metal, rectangle(left, -radius, left + 0.3, radius), radius)
    shell.turned("black_powder", [(left + 0.4, 0.85 * radius), (left + 1.8, 0.85 * radius)])
    shell.turned("polyethylene", [(left + 1.8, 0.85 * radius), (left + 0.45 * long, 0.85 * radius)])
    # Balls fill some 60 % of the room that they lie in.
    shot = Solid(long + 0.6, 2 * radius + 0.3, resolution)
    shot.turned("lead", [(left + 0.46 * long, 0.88 * radius), (left + 0.88 * long, 0.88 * radius)])
    shell.attach(deepened(shot, 0.6), Pose(0, 0))
    if chance(generator, 0.3):
        return heap(generator, [shell], count(generator, 12, 70), (18, 10), tilt=60).trimmed()
    across = 5
    box = Solid(across * 2 * radius + 1, long + 1, resolution)
    turned_over = chance(generator, 0.5)
    for index in range(across):
        angle = -90 if turned_over and index % 2 else 90
        box.attach(shell, Pose((index - (across - 1) / 2) * 2 * radius, 0.0, angle=angle))
    deepened(box, count(generator, 2, 5))
    box.shell("paper", rounded_rectangle(10.4 * radius, long + 0.6, 0.1), depth=11 * radius, wall=0.12, edge=0.1)
    return _boxes(generator, box, count(generator, 1, 4), count(generator, 1, 5), 45.0)


def belt_in_coils(generator: np.random.Generator, resolution: float) -> Solid:
    """A single long belt of 40 to 140 linked rifle rounds thrown down in coils of 20 to 45 cm, without a can."""
    one = _round(generator, resolution)
    while one.shape[1] / resolution < 4.5:
        one = _round(generator, resolution)
    pitch = one.shape[0] / resolution - 0.5 + between(generator, 0.1, 0.5)
    size = between(generator, 14, 26)
    path = np.array(coil(generator, size, between(generator, 1.2, 3.5), between(generator, 0.2, 0.8)))
    body = Solid(3 * size, 3 * size, resolution)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    stations = np.arange(0, along[-1], pitch)[:140]
    x, y = (np.interp(stations, along, path[:, axis]) for axis in (0, 1))
    turns = np.degrees(np.unwrap(np.arctan2(np.gradient(y), np.gradient(x))))
    lean = between(generator, -12, 12)
    for at_x, at_y, turn in zip(x.tolist(), y.tolist(), turns.tolist(), strict=True):
        body.attach(one, Pose(at_x, at_y, angle=90 - turn + lean + float(generator.normal(0, 2))))
    body.wire("steel", list(zip(x.tolist(), y.tolist(), strict=True)), 1.4, thickness=0.2)
    return body.trimmed()


def _fuze(generator: np.random.Generator, body: Solid, top: float, reach: float) -> None:
    """A screwed-in fuze on the y axis at `top`, its lever bent down along the body, mostly a ring."""
    body.slab(one_of(generator, "steel", "zinc_alloy", "aluminium"), rectangle(-0.8, top - 2.2, 0.8, top + 0.4), 1.5)
    lever = [(-0.6, top - 2.3), (1.6, top - 2.1), (0.8 * reach, top), (reach, top + between(generator, 1.5, 4.5))]
    body.wire("steel", smooth(lever, closed=False), 1.0, thickness=0.3)
    if chance(generator, 0.8):
        size = between(generator, 0.9, 1.6)
        ring = ellipse((-0.8 - size, top - 1.6), (size, between(generator, 0.3, 1.0) * size))
        body.wire("steel", [*ring, ring[0]], 0.25)


def _ball(generator: np.random.Generator, resolution: float) -> Solid:
    """A smooth round hand grenade, 5.4 to 7.2 cm across: 2 to 7 mm of steel around the charge."""
    radius, wall = between(generator, 2.7, 3.6), between(generator, 0.2, 0.7)
    body = Solid(2 * radius + 7, 2 * radius + 9, resolution)
    body.ball("steel", (0, 1), (radius, radius, radius))
    hollow = Solid(2 * radius + 7, 2 * radius + 9, resolution)
    hollow.ball("explosive", (0, 1), (radius - wall, radius - wall, radius - wall))
    body.add("steel", -hollow.maps["explosive"])
    body.add("explosive", hollow.maps["explosive"])
    body.slab("aluminium", rectangle(-0.4, 1 - radius, 0.4, 1.5), 0.8)
    _fuze(generator, body, 1 - radius, radius + 0.4)
    return body


def _canister(generator: np.random.Generator, resolution: float) -> Solid:
    """A smoke canister of 11 to 17 cm, standing: sheet metal, pressed powder with a core, fuze and lever on top."""
    radius, half = between(generator, 2.6, 3.8), between(generator, 5, 7.5)
    lying = Solid(2 * half + 4, 2 * radius + 2, resolution)
    lying.turned("steel", [(-half, radius), (half, radius)], wall=between(generator, 0.05, 0.14))
    filled = between(generator, 0.4, 0.95) * half
    lying.turned("black_powder", [(-filled, radius - 0.15), (half - 0.3, radius - 0.15)], wall=radius - 0.7)
    for x in (-half, half - 0.2):
        lying.slab("steel", rectangle(x, -radius, x + 0.25, radius), 0.6 * radius)
    body = Solid(2 * radius + 6, 2 * half + 8, resolution)
    body.attach(lying, Pose(0, 1, angle=-90))
    _fuze(generator, body, 1 - half, radius + 0.5)
    return body


def balls_and_canisters(generator: np.random.Generator, resolution: float) -> Solid:
    """One to eight smooth round grenades or smoke canisters, loose at any angle or in a box of wood or card."""
    kind, number = (_ball if chance(generator, 0.6) else _canister), count(generator, 1, 8)
    return _strewn(generator, [kind(generator, resolution).trimmed()], number)


def _strewn(generator: np.random.Generator, parts: list[Solid], number: int) -> Solid:
    """Parts a good width apart, each turned at random or all about the same, with a box around or without."""
    wide, tall = (side / parts[0].resolution for side in parts[0].shape[::-1])
    turn = between(generator, 2, 30) if chance(generator, 0.4) else 180.0
    pitch = (wide, tall) if turn < 40 else (0.5 * (wide + tall),) * 2
    fewest = max(int(np.ceil(number * pitch[1] / 56)), int(np.sqrt(number)))
    columns = min(number, max(fewest, count(generator, 1, max(1, int(48 / pitch[0])))))
    rows = -(-number // columns)
    body = Solid(columns * pitch[0] + tall + 6, rows * pitch[1] + wide + tall + 6, parts[0].resolution)
    for index in range(number):
        x, y = (index % columns - (columns - 1) / 2) * pitch[0], (index // columns - (rows - 1) / 2) * pitch[1]
        jitter = between(generator, -0.15, 0.15) * wide, between(generator, -0.15, 0.15) * wide
        tilt, turned = between(generator, -25, 25), between(generator, -turn, turn)
        body.attach(parts[index % len(parts)], Pose(x + jitter[0], y + jitter[1], turned, tilt))
    if chance(generator, 0.4):
        half = columns * pitch[0] / 2 + 2, rows * pitch[1] / 2 + 2
        box = rectangle(-half[0], -half[1], half[0], half[1])
        body.shell(one_of(generator, "wood", "paper"), box, depth=14, wall=between(generator, 0.3, 1.5), edge=0.2)
    return body.trimmed()


def mortar_bombs(generator: np.random.Generator, resolution: float) -> Solid:
    """One to four mortar bombs or rifle grenades of 18 to 42 cm: teardrop of steel, fuze at the nose, fins behind."""
    long = between(generator, 18, 42)
    radius = between(generator, 0.085, 0.115) * long
    bomb = Solid(long + 6, 2 * radius + 4, resolution)
    tail, nose = -long / 2, long / 2
    profile = [(-0.2, 0.3), (-0.1, 0.62), (0.05, 0.94), (0.12, 1.0), (0.2, 0.98), (0.32, 0.75), (0.4, 0.45)]
    outer = [(x * long, share * radius) for x, share in profile]
    bomb.turned("steel", outer, wall=between(generator, 0.4, 0.9))
    bomb.turned("explosive", [(x, max(0.8 * r - 0.2, 0.05)) for x, r in outer])
    fuze = [(0.39 * long, 0.46 * radius), (nose - 0.6, 0.25 * radius), (nose, 0.1)]
    bomb.turned(one_of(generator, "aluminium", "brass", "abs"), fuze, wall=0.3 * radius)
    bomb.turned("steel", [(tail, 0.3 * radius), (-0.19 * long, 0.3 * radius)], wall=0.14 * radius)
    span = between(generator, 0.8, 1.0) * radius
    for turn in np.arange(0, np.pi, np.pi / count(generator, 3, 5)).tolist():
        edge = span * float(np.cos(turn))
        fin: list[Point] = [(tail, 0.0), (tail, edge), (tail + 0.12 * long, edge), (tail + 0.2 * long, 0.0)]
        bomb.slab("aluminium", fin, 0.25 + 0.2 * abs(float(np.sin(turn))))
    return _strewn(generator, [bomb.trimmed()], count(generator, 1, 4))
