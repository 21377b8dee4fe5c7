"""A container in closed form, 10 mm a pixel: walls, roof, floor, end walls, a frame below, and what a test puts in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

PITCH = (10.0, 10.0)
#: Outside of the container in pixels: left, top, right, bottom.
BODY = (100, 60, 900, 310)
#: 1/mm of steel at 2 MeV.
STEEL = 0.0335
AIR = 50_000


def container(wall_mm: float = 3.6) -> Float32:
    """(400, 1000) attenuation of an empty container on a frame."""
    field = np.zeros((400, 1000), np.float32)
    left, top, right, bottom = BODY
    field[top:bottom, left:right] = wall_mm * STEEL
    field[top : top + 8, left:right] += 0.5
    field[bottom - 6 : bottom, left:right] += 3.5
    for x in (left, right - 5):
        field[top:bottom, x : x + 5] += 3.5
    field[bottom : bottom + 25, left:right] = 0.6
    return field


def transmission(attenuation: Float32, noise: float = 0.002) -> Float32:
    """What a detector makes of it: photons, whose noise is `noise` in air."""
    through = np.exp(-attenuation)
    return (through + np.random.default_rng(3).normal(0, noise, through.shape) * through**0.5).astype(np.float32)


def stored(attenuation: Float32) -> NDArray[np.uint16]:
    """Levels of 16 bits, air at AIR."""
    return np.clip(np.rint(AIR * transmission(attenuation)), 0, 65_535).astype(np.uint16)


def lattice(seed: int = 0, level: float = 2.0) -> Float32:
    """(400, 1000) of packages of 40 x 30 cm with gaps, no two of which weigh the same, that nearly fill a container."""
    generator = np.random.default_rng(seed)
    load = np.zeros((400, 1000), np.float32)
    for x in range(130, 870, 40):
        for y in range(120, 300, 30):
            load[y : y + 29, x : x + 39] = level * generator.normal(1, 0.03)
    return load
