"""Parts that several threats of the TRAIN family are made of: rounds, magazines, handles, heaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.simulation.outlines import rectangle
from training.simulation.solids import Pose, Solid


def between(generator: np.random.Generator, low: float, high: float) -> float:
    """An even draw."""
    return float(generator.uniform(low, high))


def chance(generator: np.random.Generator, share: float) -> bool:
    """True in a share of the draws."""
    return bool(generator.random() < share)


def count(generator: np.random.Generator, low: int, high: int) -> int:
    """A whole number, both ends included."""
    return int(generator.integers(low, high + 1))


def one_of(generator: np.random.Generator, *names: str) -> str:
    """One of the names, each as often as it is given."""
    return names[int(generator.integers(len(names)))]


def cartridge(resolution: float, length: float, radius: float, necked: bool, case: str = "brass") -> Solid:
    """A round along x, its bullet to the right; necked as for rifles, straight as for pistols."""
    body = Solid(length + 0.6, 2 * radius + 0.5, resolution)
    left, mouth = -length / 2, (0.22 if necked else 0.14) * length
    bullet = radius * (0.66 if necked else 0.94)
    wall = [(left, radius), (mouth - 0.14 * length, 0.93 * radius), (mouth, 1.1 * bullet)]
    body.turned(case, wall if necked else [(left, radius), (mouth, 0.98 * radius)], wall=0.08)
    body.slab(case, rectangle(left, -0.9 * radius, left + 0.25, 0.9 * radius), 1.4 * radius)
    body.turned("black_powder", [(left + 0.3, 0.8 * radius), (mouth - 0.15 * length, 0.8 * radius)])
    body.turned(
        "lead", [(mouth - 0.13 * length, 0.85 * bullet), (mouth + 0.12 * length, 0.9 * bullet), (length / 2, 0.1)]
    )
    return body


def magazine(resolution: float, length: float, rounds: int, one: Solid, depth: float) -> Solid:
    """A box magazine standing along y, mouth up: rounds that point right from the mouth down, the spring below."""
    width = one.shape[1] / one.resolution + 0.2
    pitch = 0.82 * (one.shape[0] / one.resolution - 0.5)
    body = Solid(width + 1.4, length + 2.4, resolution)
    top = -length / 2
    body.shell("steel", rectangle(-width / 2, top, width / 2, -top), depth=depth, wall=0.1, edge=0.15)
    body.slab("steel", rectangle(-width / 2 - 0.2, -top - 0.3, width / 2 + 0.3, -top + 0.15), depth)
    held = min(rounds, int((length - 1.5) / pitch))
    for index in range(held):
        body.attach(one, Pose(0.0, top + 0.5 + index * pitch, angle=4.0))
    springs = np.arange(top + 0.7 + held * pitch, -top - 0.4, 0.55)
    if len(springs) > 1:
        body.wire("steel", [(0.32 * width * (-1) ** i, float(y)) for i, y in enumerate(springs)], 0.14)
    return body


def deepened(solid: Solid, factor: float) -> Solid:
    """The same solid, so many times as thick along the beam: things that lie behind one another in rows."""
    solid.maps = {material: thickness * np.float32(factor) for material, thickness in solid.maps.items()}
    return solid


def heap(
    generator: np.random.Generator,
    parts: Sequence[Solid],
    number: int,
    size: tuple[float, float],
    turn: float = 180.0,
    tilt: float = 0.0,
) -> Solid:
    """Parts thrown onto a heap of width x height cm, more of them low than high.

    turn, tilt: largest angle in the picture and out of it, degrees.
    """
    width, height = size
    reach = max(float(np.hypot(*part.shape)) / part.resolution for part in parts)
    body = Solid(width + reach + 1, height + reach + 1, parts[0].resolution)
    for _ in range(number):
        up = float(generator.random()) ** 1.5
        x = between(generator, -0.5, 0.5) * width * (1 - 0.6 * up)
        pose = Pose(
            x,
            height * (0.5 - up),
            angle=between(generator, -turn, turn),
            tilt=between(generator, -tilt, tilt),
            flip=chance(generator, 0.5),
        )
        body.attach(parts[int(generator.integers(len(parts)))], pose)
    return body


def row(generator: np.random.Generator, parts: Sequence[Solid], gap: float, turn: float, along: float = 0.0) -> Solid:
    """Parts below one another, seen from either side, `gap` cm between them (less than none: they overlap).

    turn: largest angle, degrees. along: how far each is shifted along x, cm.
    """
    heights = [part.shape[0] / part.resolution for part in parts]
    widths = [part.shape[1] / part.resolution for part in parts]
    tall = sum(heights) + gap * (len(parts) - 1)
    slack = max(widths) * float(np.sin(np.radians(turn))) + 2
    body = Solid(max(widths) + 2 * along + 6, max(tall, max(heights)) + slack, parts[0].resolution)
    y = -tall / 2
    for part, height in zip(parts, heights, strict=True):
        pose = Pose(
            between(generator, -along, along),
            y + height / 2,
            angle=between(generator, -turn, turn) + 180 * count(generator, 0, 1),
            flip=chance(generator, 0.5),
        )
        body.attach(part, pose)
        y += height + gap
    return body
