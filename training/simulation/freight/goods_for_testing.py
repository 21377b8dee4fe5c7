"""Contents of cartons of the TEST family: pairs of shoes, tiles on edge, appliances, wound rolls, electronics."""

from __future__ import annotations

import numpy as np

from training.simulation.freight.goods import MOTIF, Float32, Goods, draw_areal, grid, softened, tiled
from training.simulation.textures import creases


def draw_testing_goods(style: np.random.Generator, depth: float) -> Goods:
    """One kind of goods, the same for all cartons of a consignment; depth: of the room, cm."""
    kinds = (_shoes, _tiles, _appliances, _rolls, _electronics, _bedding)
    return kinds[int(style.choice(len(kinds), p=[0.22, 0.12, 0.2, 0.14, 0.18, 0.14]))](style, depth)


def _shoes(style: np.random.Generator, depth: float) -> Goods:
    """Two soles head to tail in a box, each with its shank."""
    u, v = grid()
    motif = np.full((MOTIF, MOTIF), 0.3, np.float32)
    for y, turn in ((0.3, 1), (0.7, -1)):
        along = (u - 0.5) * turn
        waist = 0.17 - 0.07 * np.exp(-((along / 0.12) ** 2))
        motif += np.exp(-(((v - y) / waist) ** 4) - (along / 0.42) ** 8).astype(np.float32)
        motif += 0.8 * np.exp(-(((v - y) / 0.03) ** 2) - (along / 0.2) ** 2).astype(np.float32)
    motif *= 1 - 0.5 * ((u < 0.04) | (v < 0.06))
    period = (float(style.uniform(26, 34)), float(style.uniform(10, 14)))
    return Goods("rubber", draw_areal(style, depth, (0.08, 0.2)), tiled(softened(motif, 1), period), metal=0.8)


def _tiles(style: np.random.Generator, depth: float) -> Goods:
    """Ceramic plates on edge: thin upright lines in blocks."""
    u, v = grid()
    plates = 1 + 0.45 * np.cos(2 * np.pi * u * int(style.integers(5, 10)))
    block = 1 - 0.75 * ((u < 0.06) | (v < 0.05) | (v > 0.97))
    period = (float(style.uniform(9, 16)), float(style.uniform(20, 42)))
    texture = tiled(softened((plates * block).astype(np.float32), 0.6), period)
    return Goods("ceramic", draw_areal(style, depth, (0.35, 0.8)), texture)


def _appliances(style: np.random.Generator, depth: float) -> Goods:
    """One to a carton: a light housing, a drum with its rim, a motor low down beside the middle."""
    drum, aside = float(style.uniform(0.26, 0.40)), float(style.uniform(-0.3, 0.3))

    def texture(x: Float32, y: Float32) -> Float32:
        reach = np.hypot(x, y + 0.05)
        housing = 0.3 + 0.8 * (np.abs(y) > 0.46)
        inside = 0.7 * (reach < drum) + 1.5 * ((reach < drum) & (reach > 0.92 * drum))
        motor = 2.6 * np.exp(-(((x - aside) / 0.1) ** 4) - ((y - 0.36) / 0.08) ** 4)
        return np.asarray(housing + inside + motor, np.float32)

    areal = draw_areal(style, depth, (0.05, 0.13))
    return Goods("abs", areal, texture, metal=float(style.uniform(0.5, 2.5)), single=True)


def _rolls(style: np.random.Generator, depth: float) -> Goods:
    """Tape, film or wire on cores, lying: rings in a hexagonal pack."""
    u, v = grid()
    motif = np.full((MOTIF, MOTIF), 0.12, np.float32)
    core = float(style.uniform(0.1, 0.26))
    for x, y in ((0.5, 0.25), (0.0, 0.75), (1.0, 0.75)):
        reach = np.hypot(u - x, (v - y) * 1.73)
        motif += ((reach < 0.49) & (reach > core)).astype(np.float32)
    pitch = float(style.uniform(9, 24))
    texture = tiled(softened(motif, 0.8), (pitch, 1.73 * pitch))
    return Goods("polyethylene", draw_areal(style, depth, (0.15, 0.5)), texture, metal=float(style.choice([0.0, 6.0])))


def _electronics(style: np.random.Generator, depth: float) -> Goods:
    """Square housings with boards, heat sinks and supplies; the same picture in every box."""
    u, v = grid()
    motif = np.full((MOTIF, MOTIF), 0.25, np.float32)
    for _ in range(int(style.integers(7, 16))):
        x, y = style.uniform(0.05, 0.8, 2).tolist()
        wide, high = style.uniform(0.04, 0.45, 2).tolist()
        part = (u > x) & (u < min(x + wide, 0.94)) & (v > y) & (v < min(y + high, 0.94))
        motif += np.float32(style.uniform(0.15, 0.9)) * part
    period = (float(style.uniform(12, 40)), float(style.uniform(8, 34)))
    metal = float(style.uniform(1.5, 7))
    return Goods("circuit_board", draw_areal(style, depth, (0.05, 0.18)), tiled(softened(motif, 0.6), period), metal)


def _bedding(style: np.random.Generator, depth: float) -> Goods:
    """Rolled and creased cloth, pressed together: ridges that curve."""
    ridges = softened((0.6 + creases(style, (MOTIF, MOTIF), 16, 4.0)).astype(np.float32), 1.5)
    side = float(style.uniform(40, 90))
    picture = tiled(ridges, (side, 0.6 * side))

    def texture(x: Float32, y: Float32) -> Float32:
        # Without this the repetition would show as a lattice.
        return picture(x, y) * (1 + np.float32(0.15) * np.sin(x / 11) * np.cos(y / 17))

    return Goods("polyester", draw_areal(style, depth, (0.05, 0.22)), texture)
