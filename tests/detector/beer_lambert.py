"""Scans in closed form: slabs of known thickness behind a known beam, I = I0 exp(-mu t)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.scan import Scan
from training.simulation.materials import CARGO_BEAM, linear_attenuation

HEIGHT, WIDTH = 120, 400
AIR, DARK = 52_000, 400
#: Where the slabs stand: rows, columns.
UPPER, LOWER = (slice(20, 50), slice(120, 340)), (slice(60, 110), slice(100, 300))


def transmission(energy_mev: float, steel_cm: float = 6.0, water_cm: float = 40.0) -> NDArray[np.float64]:
    """(H, W): air, a slab of steel above, one of water below."""
    depth = np.zeros((HEIGHT, WIDTH))
    depth[UPPER] = steel_cm * linear_attenuation("steel", energy_mev)
    depth[LOWER] = water_cm * linear_attenuation("water", energy_mev)
    return np.exp(-depth)


def high_and_low(**slabs: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return transmission(CARGO_BEAM.high_mev, **slabs), transmission(CARGO_BEAM.low_mev, **slabs)


def gains(seed: int = 0) -> NDArray[np.float64]:
    """(H, 1): what each detector element makes of the same beam."""
    return np.random.default_rng(seed).uniform(0.8, 1.1, (HEIGHT, 1))


def stored(part: NDArray[np.float64], gain: NDArray[np.float64] | float = 1, noise: float = 0) -> NDArray[np.uint16]:
    """Levels of a detector with an offset, a gain for each element, and noise in levels."""
    levels = DARK + (AIR - DARK) * part * gain + np.random.default_rng(1).normal(0, noise, part.shape)
    return np.clip(np.rint(levels), 0, 65_535).astype(np.uint16)


def scan_of(*pages: NDArray[np.uint16] | NDArray[np.uint8]) -> Scan:
    return Scan(tuple(pages), "truck.tif", "0" * 64)
