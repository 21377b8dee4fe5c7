"""What lies about in a vehicle besides its load, of a threat's size and honest: tools, straps, wheels, cans, bags.

For TRAIN alone.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import numpy as np

from training.simulation.freight.board import Area, Board
from training.simulation.freight.random_solids import draw_assembly, draw_material, draw_size, draw_solid
from training.simulation.freight.shells import Room
from training.simulation.outlines import blob, coil, rounded_rectangle, smooth
from training.simulation.solids import Pose, Solid

#: Points a cm at which loose things are drawn.
DRAWN_AT = 5.0
#: The most of them in a room.
MOST = 4

Thing = Callable[[np.random.Generator], Solid]


def scatter(board: Board, room: Room, loads: list[Area], chance: np.random.Generator) -> int:
    """Lays none to four things on the floor, on loads or between them; returns how many."""
    count = int(chance.integers(MOST + 1))
    for _ in range(count):
        name = str(chance.choice(list(THINGS)))
        solid = THINGS[name](chance).trimmed()
        board.attach(solid, _rest(solid, room.area, loads, chance))
    return count


def _rest(solid: Solid, room: Area, loads: list[Area], chance: np.random.Generator) -> Pose:
    angle = float(chance.choice([0.0, 180.0, 90.0, chance.uniform(0, 360)], p=[0.5, 0.1, 0.1, 0.3]))
    cosine, sine = abs(np.cos(np.radians(angle))), abs(np.sin(np.radians(angle)))
    tall, wide = (length / solid.resolution for length in solid.shape)
    half_x, half_y = (wide * cosine + tall * sine) / 2, (wide * sine + tall * cosine) / 2
    where = float(chance.random())
    x, y = float(chance.uniform(room.left, room.right)), room.bottom - half_y
    if loads and where < 0.65:
        load = loads[int(chance.integers(len(loads)))]
        x = float(chance.uniform(load.left, load.right))
        # On the load, or behind it, at any height.
        y = load.top - half_y if where < 0.3 else float(chance.uniform(load.top, load.bottom))
    x = float(np.clip(x, room.left + half_x, max(room.right - half_x, room.left + half_x)))
    y = float(np.clip(y, room.top + half_y, max(room.bottom - half_y, room.top + half_y)))
    return Pose(x, y, angle=angle, tilt=float(chance.uniform(0, 30)))


def _blank(width: float, height: float) -> Solid:
    return Solid(width, height, DRAWN_AT)


def _toolbox(chance: np.random.Generator) -> Solid:
    """A box of sheet steel or plastic with a handle, half full of tools."""
    width, height = float(chance.uniform(34, 60)), float(chance.uniform(16, 26))
    solid = _blank(width + 4, height + 14)
    material, wall = ("steel", 0.12) if chance.random() < 0.6 else ("polyethylene", 0.4)
    solid.shell(material, rounded_rectangle(width, height, 1.5), 22, wall, 1.0)
    solid.wire(material, [(-6, -height / 2), (-5, -height / 2 - 4), (5, -height / 2 - 4), (6, -height / 2)], 1.6)
    for _ in range(int(chance.integers(4, 12))):
        length = float(chance.uniform(8, 0.8 * width))
        x, y = float(chance.uniform(-0.15, 0.15)) * width, float(chance.uniform(0.0, 0.42)) * height
        lean = float(chance.normal(0, 0.06)) * length
        solid.wire("steel", [(x - length / 2, y - lean), (x + length / 2, y + lean)], float(chance.uniform(0.6, 2.4)))
        solid.ring("steel", (x + length / 2, y + lean), (0.6, float(chance.uniform(0.9, 2))), 1.2)
    return solid


def _extinguisher(chance: np.random.Generator) -> Solid:
    """A steel bottle with a valve, a lever and a hose."""
    radius, height = float(chance.uniform(5, 9)), float(chance.uniform(30, 52))
    solid = _blank(height + 24, 4 * radius + 6)
    half = height / 2
    bottle = [(-half, 0.8 * radius), (-half + 3, radius), (half - 5, radius), (half, 0.3 * radius)]
    solid.turned("steel", bottle, wall=0.2)
    solid.turned("cement", [(-half + 1, 0.9 * radius), (half - 0.4 * height, 0.95 * radius)])
    solid.turned("brass", [(half, 1.4), (half + 5, 1.4)])
    solid.wire("steel", [(half + 4, 0), (half + 7, -5), (half - 4, -7)], 1.4)
    hose = smooth([(half + 3, 0), (half + 2, radius + 2), (0, radius + 2), (-0.3 * height, radius + 1)], closed=False)
    solid.wire("rubber", hose, 2.2)
    return solid


def _spare_wheel(chance: np.random.Generator) -> Solid:
    """A tyre on its rim, flat or turned."""
    radius = float(chance.uniform(27, 46))
    solid = _blank(2 * radius + 2, 2 * radius + 2)
    solid.ring("rubber", (0, 0), (0.62 * radius, radius), 2.5)
    solid.ring("rubber", (0, 0), (0.92 * radius, radius), 14)
    solid.ring("steel", (0, 0), (0.2 * radius, 0.64 * radius), 0.6)
    solid.ring("steel", (0, 0), (0.58 * radius, 0.63 * radius), 12)
    for turn in (np.arange(5) * 2 * np.pi / 5).tolist():
        solid.disc("steel", (0.27 * radius * float(np.cos(turn)), 0.27 * radius * float(np.sin(turn))), 1.4, 3)
    return solid


def _jerrycan(chance: np.random.Generator) -> Solid:
    """20 litres of fuel or water in steel or plastic."""
    solid = _blank(42, 58)
    steel = bool(chance.random() < 0.5)
    body = rounded_rectangle(34, 44, 4)
    solid.shell("steel" if steel else "polyethylene", body, 16, 0.1 if steel else 0.35, 3)
    level = float(chance.uniform(-20, 18))
    solid.slab(
        str(chance.choice(["naphtha", "water"])), rounded_rectangle(33, 22 - level, 3, (0, (21 + level) / 2)), 15
    )
    solid.wire("steel", [(-12, 18), (12, -18)], 1.2, 0.3)
    solid.wire("steel", [(12, 18), (-12, -18)], 1.2, 0.3)
    solid.turned("steel", [(8, 2.6), (15, 2.6)], y=-24)
    for y in (-23.5, -25.5):
        solid.wire("steel" if steel else "polyethylene", [(-13, -21), (-11, y), (5, y), (7, -21)], 1.4)
    return solid


def _straps(chance: np.random.Generator) -> Solid:
    """Lashing straps in a coil or a tangle, with their ratchets."""
    size = float(chance.uniform(14, 40))
    solid = _blank(2 * size, 2 * size)
    for _ in range(int(chance.integers(1, 4))):
        path = coil(chance, size, float(chance.uniform(2, 6)), float(chance.uniform(0.1, 0.8)))
        solid.wire("polyester", path, 0.5, thickness=4)
        x, y = chance.uniform(-0.4, 0.4, 2).tolist()
        middle = (float(x) * size, float(y) * size)
        solid.slab("steel", rounded_rectangle(16, 5.5, 0.8, middle), 0.8)
        solid.ring("steel", (middle[0] + 5, middle[1]), (1, 2.6), 5)
        solid.wire("steel", [(middle[0] - 8, middle[1]), (middle[0] - 15, middle[1] + 2)], 0.9)
    return solid


def _chain(chance: np.random.Generator) -> Solid:
    """Links one after another, in a heap or hanging in a bow, and a hook."""
    link, count = float(chance.uniform(2.5, 6)), int(chance.integers(10, 40))
    solid = _blank(70, 70)
    turns = np.cumsum(chance.normal(0, float(chance.uniform(0.1, 0.9)), count))
    path = np.cumsum(np.stack([np.cos(turns), 0.5 * np.sin(turns)], 1) * 0.75 * link, 0)
    path = np.clip(path - path.mean(0), -30, 30)
    for number, (x, y) in enumerate(path.tolist()):
        if number % 2:
            solid.ring("steel", (x, y), (0.3 * link, 0.55 * link), 0.25 * link)
        else:
            solid.disc("steel", (x, y), 0.3 * link, 0.9 * link)
    x, y = path[-1].tolist()
    solid.wire("steel", smooth([(x, y), (x + 5, y + 2), (x + 6, y + 8), (x, y + 8)], closed=False), 2.2)
    return solid


def _bag(chance: np.random.Generator) -> Solid:
    """Somebody's bag with odds and ends: clothes, a flask, a box, small things of any kind."""
    width, height = float(chance.uniform(28, 55)), float(chance.uniform(22, 38))
    solid = _blank(width + 14, height + 20)
    outline = blob(chance, width, height, 0.6)
    solid.pillow("cotton", outline, float(chance.uniform(8, 22)), edge=8)
    solid.shell("polyester", outline, 18, 0.2, 4)
    handle = [(-0.2 * width, -height / 2), (-5.0, -height / 2 - 7), (5.0, -height / 2 - 7), (0.2 * width, -height / 2)]
    solid.wire("polyester", smooth(handle, closed=False), 1.6)
    for _ in range(int(chance.integers(3, 10))):
        part = draw_solid(chance, draw_material(chance, 0.4), draw_size(chance, 3, 0.5 * width), DRAWN_AT)
        x, y = float(chance.uniform(-0.28, 0.28)) * width, float(chance.uniform(-0.25, 0.3)) * height
        solid.attach(part, Pose(x, y, angle=float(chance.uniform(0, 360))))
    return solid


def _hand_tool(chance: np.random.Generator) -> Solid:
    """A hammer, a crowbar, a spanner or a shovel."""
    length = float(chance.uniform(25, 110))
    solid = _blank(length + 24, 50)
    half, handle = length / 2, str(chance.choice(["wood", "steel", "polyethylene"]))
    solid.turned(handle, [(-half, float(chance.uniform(0.8, 1.8))), (half, 1.0)])
    head = int(chance.integers(4))
    if head == 0:
        solid.slab("steel", rounded_rectangle(4, float(chance.uniform(9, 20)), 0.5, (half, 0)), 4)
    elif head == 1:
        solid.wire("steel", smooth([(half - 3, 0), (half + 3, -1), (half + 5, -6)], closed=False), 2.0)
    elif head == 2:
        solid.ring("steel", (half, 0), (1.6, 3.4), 1.4)
    else:
        blade = rounded_rectangle(24, 20, 4, (half, 0))
        solid.slab("steel", blade, 0.25)
    return solid


def _anything(chance: np.random.Generator) -> Solid:
    """A thing without a name."""
    materials = [draw_material(chance, 0.6) for _ in range(3)]
    size = draw_size(chance, 8, 55)
    if chance.random() < 0.5:
        return draw_assembly(chance, materials, size, DRAWN_AT)
    return draw_solid(chance, materials[0], size, DRAWN_AT)


THINGS: MappingProxyType[str, Thing] = MappingProxyType(
    {
        "toolbox": _toolbox,
        "extinguisher": _extinguisher,
        "spare wheel": _spare_wheel,
        "jerrycan": _jerrycan,
        "straps": _straps,
        "chain": _chain,
        "bag": _bag,
        "hand tool": _hand_tool,
        "anything": _anything,
    }
)
