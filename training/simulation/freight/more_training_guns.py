"""More handguns and long guns of the TRAIN family, each of random proportions. See records.Family.

Every builder takes a generator and a resolution in pixels a cm, and gives a Solid with the muzzle to the right.
"""

from __future__ import annotations

import numpy as np

from training.simulation.freight.more_training_parts import between, cartridge, chance, count, magazine, one_of, row
from training.simulation.outlines import ellipse, rectangle, rounded_rectangle, smooth
from training.simulation.solids import Pose, Solid


def self_loader(generator: np.random.Generator, resolution: float) -> Solid:
    """A self-loading pistol: pocket (13 cm) to service (23 cm), steel, aluminium or polymer; some with a suppressor."""
    slide, frame = _pistol(generator, resolution)
    slide.attach(frame, Pose(0, 0))
    return slide.trimmed()


def stripped_pistol(generator: np.random.Generator, resolution: float) -> Solid:
    """A field-stripped pistol: the slide with its barrel lies 1 to 5 cm beside the frame, at some angle."""
    slide, frame = (part.trimmed() for part in _pistol(generator, resolution))
    turn = between(generator, 0, 25)
    return row(generator, [slide, frame], between(generator, -2, 3), turn, along=3.0).trimmed()


def pistols_in_a_heap(generator: np.random.Generator, resolution: float) -> Solid:
    """Two or three pistols over each other, each turned at random."""
    pile = Solid(64, 64, resolution)
    for _ in range(count(generator, 2, 3)):
        x, y, angle = (between(generator, -1, 1) for _ in range(3))
        tilt = between(generator, -30, 30)
        pile.attach(self_loader(generator, resolution), Pose(6 * x, 6 * y, 180 * angle, tilt, chance(generator, 0.5)))
    return pile.trimmed()


def _pistol(generator: np.random.Generator, resolution: float) -> tuple[Solid, Solid]:
    """Slide and frame on boards of one origin: y = 0 is the line between them, x = 0 the slide's middle."""
    length, tall = between(generator, 12.5, 22), between(generator, 1.9, 3.1)
    ahead = between(generator, 0.5, 5) if chance(generator, 0.3) else 0.1
    silencer = between(generator, 11, 20) if chance(generator, 0.15) else 0.0
    slide = Solid(length + 2 * (ahead + silencer) + 6, 34, resolution)
    left, muzzle = -length / 2, length / 2 + ahead
    depth, axis = between(generator, 1.8, 2.9), -0.52 * tall
    # Some slides end well before the muzzle and leave the barrel bare.
    front = length / 2 - (between(generator, 2, 6) if chance(generator, 0.25) else 0)
    body = [(left, -tall + 0.3), (left + 0.4, -tall), (front - 0.4, -tall), (front, -0.8 * tall), (front, 0), (left, 0)]
    slide.shell("steel", body, depth=depth, wall=between(generator, 0.2, 0.4), edge=0.45)
    slide.carve(rectangle(-0.12 * length, 0.1 - tall, between(generator, 0.02, 0.12) * length, axis))
    radius = between(generator, 0.55, 0.8)
    slide.turned("steel", [(-0.12 * length, radius + 0.1), (0, radius), (muzzle, radius)], y=axis, wall=radius - 0.4)
    slide.slab("steel", rectangle(0.6 * left, 0.15 - tall, -0.12 * length, -0.2 * tall), between(generator, 0.4, 1.1))
    pitch = between(generator, 0.3, 0.5)
    for step in range(count(generator, 0, 9)):
        slide.slab("steel", rectangle(left + 0.5 + pitch * step, 0.1 - tall, left + 0.7 + pitch * step, -0.2), 0.25)
    for x in (left + 0.6, front - 1.2):
        slide.slab("steel", rectangle(x, -tall - between(generator, 0.2, 0.6), x + 0.6, -tall), 0.5)
    turns = np.arange(-0.05 * length, front - 0.6, 0.24)
    slide.wire("steel", [(float(x), -0.3 + 0.24 * (-1) ** i) for i, x in enumerate(turns)], 0.12)
    if silencer:
        _silencer(generator, slide, muzzle, silencer, axis)
    frame = Solid(length + 2 * (ahead + silencer) + 6, 34, resolution)
    _frame(generator, frame, length, front, depth)
    return slide, frame


def _silencer(generator: np.random.Generator, gun: Solid, muzzle: float, length: float, axis: float) -> None:
    """A tube with baffles, screwed over the muzzle."""
    radius, metal = between(generator, 1.4, 2.2), one_of(generator, "aluminium", "steel")
    tube = [(muzzle - 0.8, radius), (muzzle + length - 0.8, radius)]
    gun.turned(metal, tube, y=axis, wall=between(generator, 0.15, 0.35))
    for x in np.arange(muzzle + 0.6, muzzle + length - 1, between(generator, 1.2, 2.6)).tolist():
        gun.slab(metal, rectangle(x, axis - radius, x + 0.2, axis + radius), 2.2)


def _frame(generator: np.random.Generator, gun: Solid, length: float, front: float, depth: float) -> None:
    material = one_of(generator, "steel", "abs", "abs", "aluminium")
    low, back = between(generator, 0.9, 1.9), -length / 2 + between(generator, 0.2, 1.0)
    thick = depth if material == "abs" else between(generator, 0.5, 0.9)
    reach = front - between(generator, 0, 5)
    gun.pillow(material, [(back, 0), (reach, 0), (reach - 0.3, low), (back, low)], thick, edge=0.4)
    gun.slab("steel", rectangle(back + 0.4, 0.1, between(generator, -1, 2), 0.6 * low), 0.35)
    wide, long = between(generator, 3.2, 4.8), between(generator, 6.5, 11)
    rake = float(np.tan(np.radians(between(generator, 4, 26))))
    top, bottom = low - 0.6, low - 0.6 + long
    shift = -rake * long
    grip = smooth(
        [
            (back - 0.3, top), (back + wide, top), (back + wide + 0.55 * shift, top + 0.5 * long),
            (back + wide + shift, bottom), (back + shift, bottom), (back + 0.5 * shift - 0.2, top + 0.45 * long),
        ],
        steps=4,
    )  # fmt: skip
    if material == "abs":
        gun.shell("abs", grip, depth=3.0, wall=0.35, edge=0.8)
    else:
        gun.shell(material, grip, depth=1.6, wall=between(generator, 0.14, 0.3), edge=0.2)
        panel = [(0.9 * (x - back - wide / 2) + back + wide / 2, y) for x, y in grip]
        gun.pillow(one_of(generator, "wood", "abs", "rubber"), panel, 1.3, edge=0.6)
    x, size = back + wide, between(generator, 1.8, 2.8)
    guard = [(x + 3.4, low - 0.1), (x + 3.3, low + size), (x + 0.8, low + size), (x - 0.3, low + 1.2)]
    gun.wire(material, smooth(guard, closed=False), between(generator, 0.35, 0.6), thickness=0.9)
    gun.wire("steel", smooth([(x + 1.4, low), (x + 1.7, low + 0.8), (x + 1.2, low + 1.6)], closed=False), 0.4, 0.7)
    if chance(generator, 0.5):
        gun.pillow("steel", ellipse((back - 0.5, -0.4), (0.9, 0.5), 40), 0.8, edge=0.2)
    if chance(generator, 0.8):
        one = cartridge(gun.resolution, between(generator, 2.3, 3.1), between(generator, 0.42, 0.6), False)
        held = magazine(gun.resolution, long + between(generator, 0, 1.5), count(generator, 0, 14), one, 1.6)
        lean = float(np.degrees(np.arctan(rake)))
        gun.attach(held, Pose(back + wide / 2 + shift / 2, (top + bottom) / 2 + 0.3, angle=-lean))


def bolt_action_rifle(generator: np.random.Generator, resolution: float) -> Solid:
    """A hunting or target rifle of 92 to 112 cm: wooden or plastic stock, bolt with its handle, mostly a scope."""
    gun = _board(resolution)
    _bolt_action(generator, gun, gun)
    return gun.trimmed()


def rifle_with_a_straight_magazine(generator: np.random.Generator, resolution: float) -> Solid:
    """An assault rifle of 45 (stock off) to 95 cm: straight magazine; skeleton, telescopic or no stock."""
    gun = _board(resolution)
    _assault_rifle(generator, gun, gun)
    return gun.trimmed()


def carbine_with_a_drum(generator: np.random.Generator, resolution: float) -> Solid:
    """A short carbine or submachine gun of 45 (stock off) to 88 cm with a drum of 14 to 18 cm seen on edge."""
    gun = _board(resolution)
    _carbine(generator, gun, gun)
    return gun.trimmed()


def taken_apart_rifle(generator: np.random.Generator, resolution: float) -> Solid:
    """A rifle in two pieces of up to 85 cm side by side: what belongs to the barrel, and receiver and stock."""
    kinds = (_bolt_action, _assault_rifle, _carbine)
    barrel, rest = _board(resolution), _board(resolution)
    kinds[int(generator.integers(len(kinds)))](generator, barrel, rest)
    parts = [barrel.trimmed(), rest.trimmed()]
    turn = between(generator, 0, 12)
    return row(generator, parts, between(generator, -3, 3), turn, along=5.0).trimmed()


def rifles_in_parallel(generator: np.random.Generator, resolution: float) -> Solid:
    """Two or three rifles along each other, muzzles to either side, as they are packed or bundled."""
    kinds = (_assault_rifle, _assault_rifle, _carbine, _bolt_action)
    kind = kinds[int(generator.integers(len(kinds)))]
    guns = []
    for _ in range(count(generator, 2, 3)):
        gun = _board(resolution)
        kind(generator, gun, gun)
        guns.append(gun.trimmed())
    gap = between(generator, -11, -1)
    return row(generator, guns, gap, between(generator, 0, 6), along=2.0).trimmed()


def _board(resolution: float) -> Solid:
    """y = 0 is the bore; x = 0 is where the barrel meets the receiver."""
    return Solid(126, 46, resolution, origin=(-9.0, -8.0))


def _barrel(generator: np.random.Generator, gun: Solid, length: float, breech: float) -> None:
    muzzle, bore = between(generator, 0.7, 1.0), between(generator, 0.28, 0.4)
    gun.turned("steel", [(-3, breech), (6, 0.9 * breech), (0.5 * length, muzzle), (length, muzzle)])
    gun.add("steel", -_bore(gun, length, bore))
    if chance(generator, 0.5):
        device = between(generator, 3, 7)
        gun.turned("steel", [(length - device, 1.1), (length + 0.3, 1.2)], wall=0.45)
    if chance(generator, 0.6):
        post = [(length - 5, 0), (length - 4.4, -4), (length - 4, -4), (length - 2.5, 0)]
        gun.slab("steel", [(x, between(generator, 0.5, 1.2) * y) for x, y in post], 0.7)


def _bore(gun: Solid, length: float, radius: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    chord = 2 * np.sqrt(np.maximum(radius**2 - gun.y**2, 0))
    return np.asarray(chord * ((gun.x > -3) & (gun.x < length + 1)), np.float32)


def _bolt_action(generator: np.random.Generator, barrel: Solid, rest: Solid) -> None:
    length, butt = between(generator, 44, 61), between(generator, 46, 50)
    _barrel(generator, barrel, length, between(generator, 1.2, 1.7))
    barrel.turned("steel", [(-18, 1.6), (-2, 1.7)], wall=between(generator, 0.35, 0.6))
    barrel.turned("steel", [(-19.5, 0.85), (-4, 0.85)], wall=0.6)
    knob = (between(generator, -15, -11), between(generator, 2.2, 4.0))
    barrel.wire("steel", [(knob[0] + 0.5, 0), knob], 0.7)
    barrel.pillow("steel", ellipse(knob, (0.9, 0.9)), 1.7, edge=0.8)
    if chance(generator, 0.75):
        _scope(generator, barrel)
    fore, drop = between(generator, 0.25, 0.6) * length, between(generator, 2, 5)
    heel, toe = (-butt, drop - 1.5), (-butt - 0.5, drop + between(generator, 8, 11))
    comb = (-23, between(generator, 0.6, 2))
    wrist = [(-14, 4.4), (-17.5, 4.2), (-21, between(generator, 6, 8)), (-24.5, 7.2), (-28, 6.0)]
    top = [(-17, 0.9), (0, 0.9), (fore - 1, 0.7), (fore, 1.6)]
    outline = smooth([heel, comb, *top, (fore - 2, 2.8), (0, 3.8), *wrist, toe], steps=4)
    rest.pillow(one_of(generator, "wood", "wood", "wood", "abs"), outline, between(generator, 3.8, 5.2), edge=1.5)
    rest.slab("rubber", [heel, toe, (toe[0] + 1.2, toe[1]), (heel[0] + 1.2, heel[1])], 3.8)
    rest.slab("steel", rectangle(-12, 1.2, -4, 4.2), between(generator, 0.2, 0.6))
    guard = smooth([(-17, 4.2), (-16, 6.6), (-12, 6.6), (-11, 4.2)], closed=False)
    rest.wire("steel", guard, 0.35, thickness=1.4)
    rest.wire("steel", [(-14.5, 3.5), (-14, 5.8)], 0.5)
    for x in (-butt + 6, 0.8 * fore):
        rest.disc("steel", (x, 4.0), 0.5, 0.8)


def _scope(generator: np.random.Generator, gun: Solid) -> None:
    """A telescopic sight of 22 to 36 cm above the receiver, in two rings."""
    half, y = between(generator, 11, 18), -between(generator, 3.6, 5.2)
    x, front = between(generator, -12, -6), between(generator, 1.8, 3.0)
    tube = [(-half, 2.0), (-half + 6, 1.9), (-half + 8, 1.3), (half - 9, 1.3), (half - 6, front), (half, front)]
    gun.turned("aluminium", [(x + at, radius) for at, radius in tube], y=y, wall=between(generator, 0.2, 0.35))
    for at, radius in ((-half + 1, 1.7), (-half + 5, 1.4), (0.3 * half, 1.1), (half - 2, front - 0.3)):
        gun.slab("glass", rectangle(x + at, y - radius, x + at + 0.5, y + radius), 1.6 * radius)
    gun.slab("aluminium", rectangle(x - 1, y - 2.9, x + 1, y - 1), 2.0)
    for at in (-0.35 * half, 0.3 * half):
        gun.slab("steel", rectangle(x + at - 0.7, y - 1.6, x + at + 0.7, -1.4), 1.2)


def _assault_rifle(generator: np.random.Generator, barrel: Solid, rest: Solid) -> None:
    length, back = between(generator, 22, 44), -between(generator, 18, 24)
    _barrel(generator, barrel, length, between(generator, 1.0, 1.3))
    reach, thick = between(generator, 0.5, 0.85) * length, between(generator, 4.4, 6.4)
    guard = rounded_rectangle(reach - 1, thick, between(generator, 0.3, 2), (reach / 2, 0.1 * thick))
    barrel.shell(one_of(generator, "abs", "aluminium"), guard, depth=thick, wall=0.4, edge=1.0)
    barrel.turned("steel", [(-2, 0.45), (0.95 * reach + 3, 0.45)], y=-between(generator, 1.4, 2.2), wall=0.15)
    metal = one_of(generator, "aluminium", "steel")
    deep = between(generator, 3.0, 3.8)
    rest.shell(
        metal, rectangle(back, -2.6, 0, between(generator, 2.6, 4)), deep, 0.3 if metal == "aluminium" else 0.14, 0.5
    )
    rest.turned("steel", [(0.75 * back, 1.25), (-2, 1.2)], wall=0.5)
    if chance(generator, 0.35):
        carry = smooth([(back + 1, -2.6), (back + 3, -6.5), (-4, -6.2), (-1, -2.6)], closed=False)
        rest.wire(metal, carry, 1.0, thickness=1.6)
    else:
        rest.slab(metal, rectangle(back + 1, -3.5, -0.5, -2.6), 2.0)
    one = cartridge(rest.resolution, between(generator, 5.4, 7.2), between(generator, 0.45, 0.6), True)
    tall, place = between(generator, 11, 21), between(generator, -9, -4.5)
    if chance(generator, 0.85):
        held = magazine(rest.resolution, tall, count(generator, 0, 18), one, 2.3)
        rest.attach(held, Pose(place, 1.5 + tall / 2, angle=between(generator, -2, 12)))
    grip = back + between(generator, 4, 8)
    lean = between(generator, 1, 3.5)
    handle = [(grip - 2, 2.4), (grip + 2, 2.4), (grip + 1.6 - lean, 11), (grip - 2.2 - lean, 11.4)]
    rest.pillow(one_of(generator, "abs", "abs", "wood"), smooth(handle, steps=4), 2.8, edge=1.0)
    rest.wire("steel", smooth([(grip + 1.5, 3), (grip + 2.5, 5.6), (grip + 6, 5.4), (grip + 7, 3)], False), 0.4, 1.2)
    rest.wire("steel", [(grip + 4.6, 2.6), (grip + 4.2, 4.8)], 0.4, thickness=0.7)
    _light_stock(generator, rest, back)


def _light_stock(generator: np.random.Generator, gun: Solid, back: float) -> None:
    """A skeleton of steel rod, a butt on a tube, or none (folded, taken off)."""
    end, kind = back - between(generator, 14, 27), one_of(generator, "skeleton", "telescopic", "telescopic", "none")
    if kind == "skeleton":
        low = between(generator, 6, 11)
        frame = [(back, -1), (end, -1.5), (end - 0.3, low), (end + 1.5, low), (back, between(generator, 1, 3))]
        gun.wire("steel", frame, between(generator, 0.7, 1.3), thickness=between(generator, 0.7, 1.4))
    elif kind == "telescopic":
        gun.turned("aluminium", [(end + 2, 1.5), (back, 1.5)], wall=0.3)
        turns = np.arange(end + 3, back, 0.7)
        gun.wire("steel", [(float(x), (-1) ** i) for i, x in enumerate(turns)], 0.2)
        inner, low = end + between(generator, 8, 14), between(generator, 6, 11)
        butt = [(end, -2.2), (inner, -2.0), (inner, 2.0), (end + 4, 3.2), (end + 1.5, low), (end, low)]
        gun.shell("abs", butt, depth=3.6, wall=0.45, edge=0.6)
        gun.slab("rubber", rectangle(end - 1, -2.2, end, low), 3.4)


def _carbine(generator: np.random.Generator, barrel: Solid, rest: Solid) -> None:
    length, back = between(generator, 20, 36), -between(generator, 19, 25)
    _barrel(generator, barrel, length, between(generator, 0.9, 1.1))
    jacket = between(generator, 1.6, 2.2)
    barrel.turned("steel", [(-1, jacket), (between(generator, 0.6, 0.98) * length, jacket)], wall=0.15)
    for x in np.arange(1.5, 0.55 * length, between(generator, 3, 5)).tolist():
        barrel.add("steel", -(0.3 * barrel.cover(rounded_rectangle(1.8, 0.8, 0.3, (x, 0.6 * jacket)))))
    rest.turned("steel", [(back, 1.9), (0, 1.9)], wall=between(generator, 0.15, 0.3))
    rest.turned("steel", [(0.7 * back, 1.4), (-7, 1.4)], wall=0.9)
    radius, half = between(generator, 7, 9), between(generator, 2.6, 3.6)
    x, y = between(generator, -6, -3), radius + 1.6
    rest.turned("steel", [(x - half, radius), (x + half, radius)], y=y, wall=0.12)
    one = cartridge(rest.resolution, 1.6 * half, between(generator, 0.45, 0.6), chance(generator, 0.3))
    for ring in (0.86, 0.68)[: count(generator, 1, 2)]:
        for angle in np.linspace(0, 2 * np.pi, count(generator, 18, 34)).tolist():
            rest.attach(one, Pose(x, y + ring * radius * float(np.sin(angle))))
    rest.disc("steel", (x + half + 0.3, y), 1.0, 1.0)
    if chance(generator, 0.6):
        end, low = back - between(generator, 19, 26), between(generator, 7, 12)
        butt = [(end, 1.5), (back - 6, 1.0), (0.2 * back, 1.4), (0.4 * back, 3.6), (back, 4.6), (end, low)]
        rest.pillow(one_of(generator, "wood", "wood", "abs"), butt, 3.8, edge=1.2)
        rest.slab("steel", rectangle(end - 0.4, 1.5, end, low), 3.2)
    else:
        handle = smooth([(back + 3, 1.6), (back + 7, 1.6), (back + 5.6, 10.5), (back + 2, 10.5)], steps=4)
        rest.pillow("abs", handle, 2.8, edge=0.9)
        _light_stock(generator, rest, back)
    trigger = 0.45 * back
    rest.wire(
        "steel", smooth([(trigger - 3, 2), (trigger - 2, 5), (trigger + 2, 5), (trigger + 3, 2)], False), 0.4, 1.2
    )
