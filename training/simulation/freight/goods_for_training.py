"""Contents of cartons of the TRAIN family: things that stand upright in rows, cloth, loose hardware, and many more."""

from __future__ import annotations

import numpy as np

from training.simulation.freight.goods import MOTIF, Float32, Goods, draw_areal, grid, softened, tiled
from training.simulation.freight.more_training_goods import draw_more_goods
from training.simulation.textures import value_noise

#: How often goods are of one of the kinds of more_training_goods.
MORE = 0.55


def draw_training_goods(style: np.random.Generator, depth: float) -> Goods:
    """One kind of goods, the same for all cartons of a consignment; depth: of the room, cm."""
    if style.random() < MORE:
        return draw_more_goods(style, depth)
    kinds = (_bottles, _tins, _books, _clothing, _hardware, _toys)
    return kinds[int(style.choice(len(kinds), p=[0.16, 0.16, 0.12, 0.2, 0.12, 0.24]))](style, depth)


def _chord(along: Float32) -> Float32:
    return np.sqrt(np.maximum(1 - (2 * along - 1) ** 2, 0)).astype(np.float32)


def _bottles(style: np.random.Generator, depth: float) -> Goods:
    u, v = grid()
    neck = float(style.uniform(0.22, 0.36))
    body = np.where(v > neck, np.float32(1.0), np.float32(0.25)) + np.float32(0.9) * (v > 0.95) + 0.0 * u
    narrow = np.where(v > neck, _chord(u), _chord(np.clip(2 * u - 0.5, 0, 1)))
    motif = softened((0.15 + body * narrow).astype(np.float32), 1.5)
    period = (float(style.uniform(6, 10)), float(style.uniform(20, 34)))
    glass = bool(style.random() < 0.35)
    density = (0.35, 0.7) if glass else (0.25, 0.55)
    return Goods("water", draw_areal(style, depth, density), tiled(motif, period))


def _tins(style: np.random.Generator, depth: float) -> Goods:
    u, v = grid()
    motif = 0.2 + _chord(u) * (0.8 + 1.5 * ((v < 0.07) | (v > 0.93)))
    period = (float(style.uniform(6.5, 11)), float(style.uniform(9, 15)))
    goods = tiled(softened(motif.astype(np.float32), 1.0), period)
    return Goods("food", draw_areal(style, depth, (0.25, 0.6)), goods, metal=float(style.uniform(2, 12)))


def _books(style: np.random.Generator, depth: float) -> Goods:
    u, v = grid()
    sheets = 1 + 0.3 * np.cos(2 * np.pi * v * int(style.integers(3, 7)))
    gap = 1 - 0.55 * ((u < 0.05) | (u > 0.95))
    period = (float(style.uniform(15, 26)), float(style.uniform(12, 24)))
    return Goods(
        "paper", draw_areal(style, depth, (0.3, 0.65)), tiled(softened((sheets * gap).astype(np.float32), 1), period)
    )


def _clothing(style: np.random.Generator, depth: float) -> Goods:
    """Folded layers: soft clouds, and the folds' rows."""
    folds, clouds = float(style.uniform(3, 7)), value_noise(style, (MOTIF, MOTIF), 9)
    picture = tiled(softened(np.exp(0.35 * clouds).astype(np.float32), 3), (float(style.uniform(30, 70)),) * 2)

    def texture(x: Float32, y: Float32) -> Float32:
        rows = 1 + np.float32(0.07) * np.cos(y * np.float32(2 * np.pi / folds))
        return np.asarray(picture(x, y) * rows, np.float32)

    return Goods("cotton", draw_areal(style, depth, (0.07, 0.3)), texture)


def _hardware(style: np.random.Generator, depth: float) -> Goods:
    """Castings and fasteners thrown into small boxes: speckled and dense."""
    u, v = grid()
    lumps = np.exp(0.7 * value_noise(style, (MOTIF, MOTIF), 5))
    edges = 1 - 0.8 * ((u < 0.06) | (v < 0.12))
    period = (float(style.uniform(14, 30)), float(style.uniform(9, 18)))
    texture = tiled(softened((lumps * edges).astype(np.float32), 1.4), period)
    return Goods("abs", draw_areal(style, depth, (0.05, 0.15)), texture, metal=float(style.uniform(10, 45)))


def _toys(style: np.random.Generator, depth: float) -> Goods:
    """Light retail boxes with a round thing in each: fine lattices, as close as the boxes are small."""
    u, v = grid()
    motif = np.full((MOTIF, MOTIF), 0.35, np.float32)
    for _ in range(int(style.integers(2, 6))):
        x, y, size = float(style.uniform(0.2, 0.8)), float(style.uniform(0.2, 0.8)), float(style.uniform(0.08, 0.3))
        motif += np.exp(-(((u - x) / size) ** 2 + ((v - y) / size) ** 2)).astype(np.float32)
    motif *= 1 - 0.5 * ((u < 0.07) | (v < 0.06))
    period = (float(style.uniform(5, 18)), float(style.uniform(4, 16)))
    metal = float(style.uniform(0, 5))
    return Goods("abs", draw_areal(style, depth, (0.06, 0.32)), tiled(softened(motif, 1), period), metal)
