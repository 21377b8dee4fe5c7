"""How solids of no particular name stand, lie, hang or are heaped within a unit of cargo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from training.simulation.freight.random_solids import METALS, size_of
from training.simulation.outlines import rectangle
from training.simulation.solids import Pose, Solid

#: Things to one unit at the most: what is smaller stands in clusters that are drawn once.
MOST = 70


@dataclass(frozen=True)
class Scene:
    """What a unit holds. solid: its board, the origin at the left top corner; width, height: of the unit, cm.

    style, chance: see unit.Unit. materials: those of the consignment, the first that of racks and rails.
    """

    solid: Solid
    width: float
    height: float
    style: np.random.Generator
    chance: np.random.Generator
    materials: tuple[str, ...]

    def put(self, part: Solid, x: float, y: float, angle: float = 0.0, scale: float = 1.0) -> None:
        """Lays a part with its middle at x, y."""
        self.solid.attach(part, Pose(x, y, angle=angle, scale=scale))

    def fit(self, part: Solid, share: float = 0.95) -> float:
        """The scale, 1 at the most, at which a part is no larger than a share of the unit."""
        width, height = size_of(part)
        return min(1.0, share * self.width / width, share * self.height / height)


Arrangement = Callable[[Scene, list[Solid]], None]


def _lattice(scene: Scene, parts: list[Solid]) -> None:
    """Rows and columns, each thing about in its place; rows may alternate."""
    parts = [_cluster(part, scene.style) for part in parts]
    _fill_lattice(scene, parts, turn=0.0, jitter=float(scene.style.choice([0.0, 0.03, 0.12])))


def _slanted(scene: Scene, parts: list[Solid]) -> None:
    """Rows that run at an angle."""
    parts = [_cluster(part, scene.style) for part in parts]
    _fill_lattice(scene, parts, turn=float(scene.style.uniform(-60, 60)), jitter=0.04)


def _fill_lattice(scene: Scene, parts: list[Solid], turn: float, jitter: float) -> None:
    style, chance = scene.style, scene.chance
    scales = [scene.fit(part) for part in parts]
    sizes = np.array([size_of(part) for part in parts]) * np.array(scales)[:, None]
    # Between the largest and the usual: where things differ, the large ones reach behind their neighbours.
    across, down = (0.5 * sizes.max(0) + 0.5 * np.median(sizes, 0)).tolist()
    step = np.array([across, down]) * style.uniform(0.95, 1.4, 2)
    step *= max(1.0, float(np.sqrt(scene.width * scene.height / np.prod(step) / MOST)))
    offset, own = float(style.choice([0.0, 0.0, 0.5])), float(style.choice([0.0, 90.0, 180.0]))
    cosine, sine = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    reach = int(np.ceil((scene.width + scene.height) / float(step.min()))) if turn else 0
    columns, rows = (max(1, int(length / side)) for length, side in zip((scene.width, scene.height), step, strict=True))
    for row in range(-reach, rows + reach):
        for column in range(-reach, columns + reach):
            along = (column + 0.5 + offset * (row % 2)) * step[0] - scene.width / 2
            up = scene.height / 2 - (row + 0.5) * step[1]
            x, y = scene.width / 2 + along * cosine + up * sine, scene.height / 2 - along * sine + up * cosine
            index = (row % len(parts)) if offset else ((row + column) % len(parts))
            within = 0.4 * across < x < scene.width - 0.4 * across and 0.4 * down < y < scene.height - 0.4 * down
            if not within and (turn or columns > 1):
                continue
            dx, dy, lean = (chance.normal(0, jitter, 3) if jitter else np.zeros(3)).tolist()
            scene.put(parts[index], x + dx * across, y + dy * down, own + turn + 60 * lean, scales[index])


def _columns(scene: Scene, parts: list[Solid]) -> None:
    """Things of one kind on top of one another, column beside column."""
    parts, left, number = [_cluster(part, scene.style) for part in parts], 0.0, 0
    while left < scene.width - 3 and number < MOST:
        part = parts[number % len(parts)]
        scale = scene.fit(part)
        width, height = (length * scale for length in size_of(part))
        if left + 0.8 * width > scene.width:
            break
        count = max(1, int(scene.height * float(scene.chance.uniform(0.7, 1.0)) / height))
        for level in range(min(count, MOST // 4)):
            x = left + width / 2 + float(scene.chance.normal(0, 0.3))
            scene.put(part, x, scene.height - (level + 0.5) * height, scale=scale)
        left += 1.03 * width
        number += 1


def _heap(scene: Scene, parts: list[Solid]) -> None:
    """Thrown in: each comes to rest on those before it, at any angle."""
    parts = [_cluster(part, scene.style) for part in parts] if scene.style.random() < 0.5 else parts
    ground = np.zeros(max(2, int(scene.width)))
    for _ in range(MOST):
        part = parts[int(scene.chance.integers(len(parts)))]
        scale = scene.fit(part, 0.5) * float(scene.chance.uniform(0.6, 1.0))
        angle = float(scene.chance.uniform(0, 360))
        cosine, sine = abs(np.cos(np.radians(angle))), abs(np.sin(np.radians(angle)))
        across, up = (length * scale for length in size_of(part))
        width, height = across * cosine + up * sine, across * sine + up * cosine
        x = float(scene.chance.uniform(min(width / 2, scene.width / 2), max(scene.width - width / 2, scene.width / 2)))
        # A narrow thing at the right edge still rests on the last of the ground.
        under = slice(min(max(int(x - width / 2), 0), len(ground) - 1), max(int(x + width / 2), 1) + 1)
        level = float(0.5 * ground[under].mean() + 0.5 * ground[under].max())
        if level + height > scene.height:
            continue
        ground[under] = np.maximum(ground[under], level + 0.7 * height)
        scene.put(part, x, scene.height - level - height / 2, angle, scale)


def _concentric(scene: Scene, parts: list[Solid]) -> None:
    """Round within round: rings of several materials about something, and things in a circle."""
    style = scene.style
    count = max(1, round(scene.width / max(float(style.uniform(40, 140)), 0.4 * scene.height)))
    radius = min(scene.width / count, scene.height) / 2
    shares = np.sort(style.uniform(0.25, 1.0, int(style.integers(2, 6)))).tolist()
    walls = style.uniform(0.01, 0.14, len(shares)).tolist()
    depths = style.uniform(0.5, 12, len(shares)).tolist()
    beads, orbit = int(style.integers(3, 13)) * int(style.random() < 0.5), float(style.uniform(0.4, 0.85))
    for index in range(count):
        x = (index + 0.5) * scene.width / count
        for level in range(max(1, int(scene.height / (2 * radius)))):
            middle = (x, scene.height - (2 * level + 1) * radius)
            for number, (share, wall, depth) in enumerate(zip(shares, walls, depths, strict=True)):
                material = scene.materials[number % len(scene.materials)]
                scene.solid.ring(material, middle, (share * radius * (1 - 2 * wall), share * radius), depth)
            core = parts[0]
            scene.put(core, *middle, scale=min(1.0, 0.8 * radius / max(size_of(core))))
            for turn in np.linspace(0, 2 * np.pi, beads, endpoint=False).tolist():
                part, reach = parts[-1], orbit * radius
                at = middle[0] + reach * np.cos(turn), middle[1] + reach * np.sin(turn)
                scene.put(part, *at, np.degrees(-turn), min(1.0, 0.3 * radius / max(size_of(part))))


def _machine(scene: Scene, parts: list[Solid]) -> None:
    """One thing of 10 to 60 parts on a skid, the large ones first, each where it touches another; pipes between."""
    style, chance, solid = scene.style, scene.chance, scene.solid
    metal = scene.materials[0]
    for top in (scene.height - 8, scene.height - 1.5):
        solid.slab(metal, rectangle(0, top, scene.width, top + 1.5), 6)
    solid.slab(metal, rectangle(0, scene.height - 6.5, scene.width, scene.height - 1.5), 1.5)
    anchors = [(float(chance.uniform(0.3, 0.7)) * scene.width, 0.6 * scene.height)]
    count = int(style.integers(10, 61))
    for number in range(count):
        part = parts[number % len(parts)]
        share = 0.8 * (1 - number / count) + 0.12
        target = share * min(scene.width, scene.height) * float(chance.uniform(0.6, 1.1))
        scale = min(target / max(size_of(part)), 4.0)
        base = anchors[int(chance.integers(len(anchors)))]
        turn, reach = float(chance.uniform(0, 2 * np.pi)), float(chance.uniform(0.3, 0.9)) * target
        width, height = size_of(part)
        across, up = min(width * scale, scene.width) / 2, min(height * scale, max(scene.height - 8, 1.0)) / 2
        x = float(np.clip(base[0] + reach * np.cos(turn), across, max(scene.width - across, across)))
        y = float(np.clip(base[1] + reach * np.sin(turn), up, max(scene.height - 8 - up, up)))
        anchors.append((x, y))
        scene.put(part, x, y, float(chance.choice([0.0, 0.0, 90.0, 180.0])), scale)
    for _ in range(int(style.integers(0, 7))):
        (x, y), (to_x, to_y) = (anchors[int(at)] for at in chance.integers(0, len(anchors), 2))
        solid.wire(metal, [(x, y), (x, to_y), (to_x, to_y)], float(chance.uniform(1, 6)))


def _shelves(scene: Scene, parts: list[Solid]) -> None:
    """A rack: things side by side on each board, none of them the same as its neighbour."""
    parts = [_cluster(part, scene.style) for part in parts]
    levels = max(1, min(int(scene.style.integers(2, 7)), int(scene.height / 12)))
    tall, metal = scene.height / levels, scene.materials[0]
    depth = 1.5 if metal in METALS else 12.0
    for x in (0.0, scene.width - 3.5):
        scene.solid.slab(metal, rectangle(x, 0, x + 3.5, scene.height), 0.2 * depth)
    for level in range(levels):
        floor, left = scene.height - level * tall - 2, 3.5
        scene.solid.slab(metal, rectangle(0, floor, scene.width, floor + 2), depth)
        while left < scene.width - 8:
            part = parts[int(scene.chance.integers(len(parts)))]
            scale = min(scene.fit(part), 0.92 * (tall - 2) / size_of(part)[1]) * float(scene.chance.uniform(0.7, 1.0))
            width, height = (length * scale for length in size_of(part))
            width = max(width, 3.0)
            if left + width > scene.width - 3:
                break
            scene.put(part, left + width / 2, floor - height / 2, scale=scale)
            left += width + float(scene.chance.uniform(0, 6))


def _cluster(part: Solid, style: np.random.Generator) -> Solid:
    """As many of a small thing, close together, as make 14 to 30 cm; a larger one is left as it is."""
    goal = float(style.uniform(14, 30))
    width, height = size_of(part)
    across, down = (max(1, min(6, int(goal / length))) for length in (width, height))
    if across * down == 1:
        return part
    together = Solid(across * width * 1.05, down * height * 1.05, part.resolution)
    for column in range(across):
        for row in range(down):
            x, y = (column + 0.5 - across / 2) * 1.05 * width, (row + 0.5 - down / 2) * 1.05 * height
            together.attach(part, Pose(x, y))
    return together


ARRANGEMENTS: MappingProxyType[str, Arrangement] = MappingProxyType(
    {
        "lattice": _lattice,
        "slanted": _slanted,
        "columns": _columns,
        "heap": _heap,
        "concentric": _concentric,
        "machine": _machine,
        "shelves": _shelves,
    }
)
