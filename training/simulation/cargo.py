"""What is stowed in a container: pallets of cartons, drums, tyres, a machine. Each builder gives a Solid."""

from __future__ import annotations

import numpy as np

from training.simulation.outlines import rectangle, rounded_rectangle
from training.simulation.solids import Pose, Solid
from training.simulation.textures import clouds, value_noise


def pallet(generator: np.random.Generator, resolution: float) -> Solid:
    """Cartons in rows on a timber pallet, two deep across the container; every row may hold other goods."""
    width, height = float(generator.uniform(105, 125)), float(generator.uniform(120, 212))
    body = Solid(width + 6, height + 16, resolution)
    columns, rows = int(generator.integers(2, 5)), int(generator.integers(3, 7))
    bottom = height / 2
    for row in range(rows):
        goods = Goods(generator)
        for column in range(columns):
            left, top = (column / columns - 0.5) * width, bottom - (row + 1) * height / rows
            goods.carton(body, (left, top, left + width / columns, top + height / rows))
    for y in (bottom + 1, bottom + 12):
        body.slab("wood", rectangle(-width / 2, y - 1, width / 2, y + 1.2), 120)
    for x in (-0.47, 0.0, 0.47):
        body.slab("wood", rectangle(x * width - 6, bottom + 1, x * width + 6, bottom + 12), 110)
    return body


class Goods:
    """One kind of goods: how dense, and in what pattern they repeat inside every carton."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator
        self.depth = float(generator.uniform(25, 130))
        self.pitch = (float(generator.uniform(4, 14)), float(generator.uniform(4, 22)))
        self.contrast = float(generator.uniform(0.1, 0.6))
        self.metal = float(generator.uniform(0.3, 1.6)) if generator.random() < 0.35 else 0.0

    def carton(self, body: Solid, area: tuple[float, float, float, float]) -> None:
        """Fills area (x1, y1, x2, y2) in cm: board walls, then the goods with their pattern and some disorder."""
        left, top, right, bottom = area
        body.slab("paper", rectangle(left + 0.3, top + 0.3, right - 0.3, bottom - 0.3), 1.6)
        outline = rectangle(left + 0.3, top + 0.3, right - 0.3, bottom - 0.3)
        body.wire("paper", [*outline, outline[0]], 1.2, thickness=16)
        if self.generator.random() < 0.04:
            return
        fill = rectangle(left + 1.5, top + float(self.generator.uniform(1.5, 5)), right - 1.5, bottom - 1.0)
        cover = body.cover(fill)
        wave = 0.5 + 0.25 * (np.cos(2 * np.pi * body.x / self.pitch[0]) + np.cos(2 * np.pi * body.y / self.pitch[1]))
        uneven = 1 + 0.25 * clouds(self.generator, body.shape, 6 * body.resolution)
        level = float(self.generator.uniform(0.85, 1.15)) * self.depth
        body.add("cotton", (cover * uneven * level * (1 - self.contrast * wave)).astype(np.float32))
        if self.metal:
            speckle = np.maximum(value_noise(self.generator, body.shape, 2.2 * body.resolution), 0) * wave
            body.add("steel", (cover * speckle * self.metal).astype(np.float32))


def drums(generator: np.random.Generator, resolution: float) -> Solid:
    """Steel drums of 200 litres standing side by side, each filled to its own level."""
    count = int(generator.integers(2, 4))
    body = Solid(62.0 * count + 4, 94, resolution)
    for index in range(count):
        drum = Solid(92, 62, resolution)
        level = float(generator.uniform(-20, 38))
        drum.turned("steel", [(-44, 28.6), (44, 28.6)], wall=0.24)
        drum.turned("water", [(-43.5, 28.3), (level, 28.3)])
        for x in (-43.5, -15, 15, 43.5):
            drum.turned("steel", [(x - 0.8, 29.3), (x + 0.8, 29.3)], wall=0.9)
        body.attach(drum, Pose((index - (count - 1) / 2) * 61, 0, angle=90))
    return body


def tyres(generator: np.random.Generator, resolution: float) -> Solid:
    """Car tyres standing in rows, seen along their axes, two or three rows high."""
    columns, rows = int(generator.integers(2, 4)), int(generator.integers(2, 4))
    body = Solid(64.0 * columns + 34, 62.0 * rows + 4, resolution)
    for row in range(rows):
        for column in range(columns):
            x = (column - (columns - 1) / 2) * 63 + 15 * (row % 2) + float(generator.normal(0, 1))
            y = (row - (rows - 1) / 2) * 60
            body.ring("rubber", (x, y), (20, 31), 16)
            body.ring("rubber", (x, y), (27, 31), 26)
            body.ring("steel", (x, y), (28.5, 30.0), 2.0)
            body.ring("steel", (x, y), (19.6, 21.0), 2.4)
    return body


def machine(generator: np.random.Generator, resolution: float) -> Solid:
    """A machine tool in a crate: cast bed, motor, gears, shafts, ribs: nearly opaque."""
    body = Solid(200, 170, resolution)
    body.slab("wood", rounded_rectangle(190, 165, 1), 3)
    for x in (-92, -30, 30, 92):
        body.slab("wood", rectangle(x - 4, -82, x + 4, 82), 10)
    body.pillow(
        "steel", [(-85, 80), (85, 80), (78, 45), (30, 38), (26, -10), (-28, -14), (-36, 40), (-80, 48)], 14, edge=6
    )
    for x in np.arange(-75, 80, 15.0).tolist():
        body.slab("steel", rectangle(x, 48, x + 4, 80), 7)
    body.turned("steel", [(-72, 20), (-66, 24), (-34, 24), (-28, 12), (-10, 6)], y=10, wall=6)
    body.turned("copper", [(-64, 17), (-38, 17)], y=10, wall=4)
    body.turned("steel", [(-20, 5), (70, 5), (70.1, 9), (84, 9)], y=-30)
    for _ in range(6):
        centre = (float(generator.uniform(-50, 70)), float(generator.uniform(-60, 30)))
        radius = float(generator.uniform(8, 20))
        body.ring("steel", centre, (0.65 * radius, radius), 6)
        body.disc("steel", centre, 0.3 * radius, 10)
        body.wire("steel", [(centre[0] - radius, centre[1]), (centre[0] + radius, centre[1])], 3, thickness=4)
    body.pillow("abs", rounded_rectangle(34, 48, 3, (62, -48)), 12, edge=3)
    body.slab("circuit_board", rectangle(50, -66, 74, -34), 0.8)
    return body
