"""Electronics that travel: laptops, telephones, chargers, cables, headphones.

Every builder takes a generator and a resolution in pixels a cm, and gives a Solid.
"""

from __future__ import annotations

import numpy as np

from training.simulation.outlines import coil, rectangle, rounded_rectangle, smooth
from training.simulation.solids import Point, Pose, Solid


def laptop(generator: np.random.Generator, resolution: float) -> Solid:
    """Aluminium or plastic body, main board with parts, fan, pouch cells, display, hinges."""
    width, height = float(generator.uniform(30, 35)), float(generator.uniform(21, 24))
    body = Solid(width + 2, height + 2, resolution)
    case, wall = ("aluminium", 0.07) if generator.random() < 0.5 else ("abs", 0.14)
    outline = rounded_rectangle(width, height, 0.9)
    body.shell(case, outline, depth=1.5, wall=wall, edge=0.3)
    body.slab("glass", rounded_rectangle(width - 1.2, height - 1.4, 0.3), 0.11)
    board_bottom = -height / 2 + float(generator.uniform(9, 12))
    board = [(-width / 2 + 1, -height / 2 + 1.2), (width / 2 - 1, -height / 2 + 1.2), (width / 2 - 1, board_bottom)]
    notch = float(generator.uniform(-6, 6))
    board += [(notch, board_bottom), (notch - 2, board_bottom - 2.5), (-width / 2 + 1, board_bottom - 2.5)]
    body.slab("circuit_board", board, 0.17)
    scatter_parts(body, generator, (-width / 2 + 1.5, -height / 2 + 1.5, width / 2 - 1.5, board_bottom - 2.6), 220)
    body.attach(_fan(resolution), Pose(-width / 2 + 5, -height / 2 + 4.4))
    body.wire(
        "copper",
        smooth([(-width / 2 + 6, -height / 2 + 2.4), (-4, -height / 2 + 3), (3, -height / 2 + 4.6)], closed=False),
        0.8,
        0.14,
    )
    _cells(body, generator, width, board_bottom, height / 2 - 1.0)
    _keyboard(body, width, board_bottom)
    for x in (-0.36 * width, 0.36 * width):
        body.turned("steel", [(x - 1.8, 0.32), (x + 1.8, 0.32)], y=-height / 2 + 0.5)
        body.slab("steel", rectangle(x - 0.5, -height / 2 + 0.5, x + 0.5, -height / 2 + 2.6), 0.15)
    for x in np.linspace(-0.47, 0.47, 5) * width:
        for y in (-0.46, 0.0, 0.46):
            body.disc("steel", (float(x), y * height), 0.2, 0.5)
    return body


def _fan(resolution: float) -> Solid:
    fan = Solid(8, 7, resolution)
    fan.ring("steel", (0, 0), (2.5, 2.7), 0.5)
    fan.disc("copper", (0, 0), 0.9, 0.25)
    fan.disc("steel", (0, 0), 0.4, 0.6)
    for angle in np.linspace(0, 2 * np.pi, 24, endpoint=False).tolist():
        tip = (2.4 * np.cos(angle + 0.35), 2.4 * np.sin(angle + 0.35))
        fan.wire("abs", [(0.9 * np.cos(angle), 0.9 * np.sin(angle)), tip], 0.1, thickness=0.6)
    for x in np.arange(-3.0, 3.0, 0.18).tolist():
        fan.slab("copper", rectangle(x, -3.3, x + 0.05, -2.6), 0.5)
    return fan


def _cells(body: Solid, generator: np.random.Generator, width: float, top: float, bottom: float) -> None:
    count = int(generator.integers(3, 5))
    step = (width - 4) / count
    for index in range(count):
        left = -width / 2 + 2 + index * step
        body.pillow("lithium_cell", rectangle(left, top + 0.8, left + step - 0.35, bottom), 0.65, edge=0.12)
        body.slab("aluminium", rectangle(left + 0.3, top + 0.4, left + 0.9, top + 0.9), 0.05)


def _keyboard(body: Solid, width: float, board_bottom: float) -> None:
    for row in range(5):
        y = board_bottom - 7.5 + 1.9 * row
        for column in range(14):
            x = -0.42 * width + 0.84 * width / 14 * column
            body.slab("abs", rectangle(x, y, x + 1.55, y + 1.55), 0.12)
    body.slab("steel", rectangle(-0.44 * width, board_bottom - 7.9, 0.44 * width, board_bottom + 2.0), 0.03)


def scatter_parts(
    body: Solid, generator: np.random.Generator, area: tuple[float, float, float, float], count: int
) -> None:
    """Chips, capacitors, coils and sockets soldered at random into area (x1, y1, x2, y2) in cm."""
    left, top, right, bottom = area
    for _ in range(count):
        x, y = float(generator.uniform(left, right)), float(generator.uniform(top, bottom))
        size = float(generator.uniform(0.12, 0.5))
        kind = generator.random()
        if kind < 0.55:
            body.slab("solder", rectangle(x, y, x + size, y + 0.6 * size), 0.05)
        elif kind < 0.75:
            body.slab("copper", rectangle(x, y, x + 1.4 * size, y + 1.2 * size), 0.08)
        elif kind < 0.9:
            body.slab("circuit_board", rectangle(x, y, x + 4 * size, y + 3 * size), 0.12)
        else:
            body.disc("aluminium", (x, y), size, 0.8)
            body.disc("steel", (x, y), 0.4 * size, 0.2)


def telephone(generator: np.random.Generator, resolution: float) -> Solid:
    """A smartphone: glass, aluminium frame, one pouch cell, board with cameras."""
    width, height = float(generator.uniform(14, 16.5)), float(generator.uniform(7, 7.8))
    body = Solid(width + 1, height + 1, resolution)
    body.shell("aluminium", rounded_rectangle(width, height, 1.0), depth=0.8, wall=0.05, edge=0.2)
    body.slab("glass", rounded_rectangle(width - 0.3, height - 0.3, 0.9), 0.13)
    body.pillow("lithium_cell", rectangle(-0.2 * width, -0.3, 0.42 * width, height / 2 - 0.5), 0.42, edge=0.1)
    body.slab("circuit_board", rectangle(-0.46 * width, -height / 2 + 0.5, -0.22 * width, height / 2 - 0.5), 0.16)
    body.slab("circuit_board", rectangle(-0.2 * width, -height / 2 + 0.5, 0.42 * width, -0.6), 0.12)
    scatter_parts(body, generator, (-0.45 * width, -height / 2 + 0.6, -0.25 * width, height / 2 - 0.8), 35)
    for y in (-0.3, -0.08):
        body.ring("steel", (-0.41 * width, y * height), (0.35, 0.55), 0.3)
    body.ring("copper", (0.15 * width, 0.1), (1.7, 1.9), 0.03)
    return body


def charger(generator: np.random.Generator, resolution: float) -> Solid:
    """A mains adapter: plastic case, transformer, capacitors, pins, and its coiled lead."""
    body = Solid(24, 20, resolution)
    body.shell("abs", rounded_rectangle(8, 4.5, 0.7), depth=3.0, wall=0.2, edge=0.5)
    body.slab("circuit_board", rectangle(-3.6, -1.9, 3.6, 1.9), 0.14)
    body.slab("steel", rectangle(-0.6, -1.2, 1.4, 1.2), 0.3)
    body.slab("copper", rectangle(-0.9, -0.8, 1.7, 0.8), 0.12)
    for y in (-1.0, 0.6):
        body.turned("aluminium", [(-3.2, 0.55), (-1.4, 0.55)], y=y)
    scatter_parts(body, generator, (-3.5, -1.8, 3.3, 1.6), 20)
    for y in (-0.95, 0.95):
        body.slab("brass", rectangle(-6.0, y - 0.2, -3.9, y + 0.2), 0.35)
    _lead(body, coil(generator, 11, 4.5, 0.4))
    return body


def cable(generator: np.random.Generator, resolution: float) -> Solid:
    """A wound lead with a plug at each end."""
    size = float(generator.uniform(8, 16))
    body = Solid(2 * size, 2 * size, resolution)
    path = coil(generator, size, float(generator.uniform(2, 5)), float(generator.uniform(0.3, 1.0)))
    _lead(body, path)
    for x, y in (path[0], path[-1]):
        body.pillow("abs", rectangle(x - 1.0, y - 0.45, x + 1.0, y + 0.45), 0.7, edge=0.2)
        body.slab("steel", rectangle(x + 1.0, y - 0.4, x + 2.0, y + 0.4), 0.12)
    return body


def _lead(body: Solid, path: list[Point]) -> None:
    body.wire("pvc", path, 0.42)
    body.wire("copper", path, 0.2, thickness=0.07)


def headphones(generator: np.random.Generator, resolution: float) -> Solid:
    """Two padded cups with magnets, on a spring-steel band."""
    body = Solid(22, 22, resolution)
    body.wire(
        "steel", smooth([(-8, 3), (-8, -4), (-4, -9), (4, -9), (8, -4), (8, 3)], closed=False), 0.9, thickness=0.05
    )
    body.wire("abs", smooth([(-8, 3), (-8, -4), (-4, -9), (4, -9), (8, -4), (8, 3)], closed=False), 1.6, thickness=0.6)
    for x in (-7.4, 7.4):
        body.shell("abs", rounded_rectangle(5, 8, 2.4, (x, 4.5)), depth=3.0, wall=0.18, edge=1.0)
        body.ring("rubber", (x, 4.5), (1.5, 2.4), 0.8)
        body.disc("steel", (x, 4.5), 1.1, 0.35)
        body.ring("copper", (x, 4.5), (1.2, 1.45), 0.2)
    scatter_parts(body, generator, (6.0, 2.5, 8.5, 6.0), 12)
    return body
