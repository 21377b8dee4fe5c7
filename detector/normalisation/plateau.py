"""One dark level that covers much of a view: that of no beam, when the profile's dark value is too low.

Where nothing comes through the detector reads its own quiet level. Behind cargo of one thickness it still counts
photons, and their noise falls only with the root of the transmission. That tells the two apart.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detector.normalisation.air import BAND, Float32
from detector.normalisation.exposure import AIR_FROM, PART, Exposure, averaged

#: A view's darkest level above this is no dark level but a wrong depth or polarity, and told as such.
PALEST = 0.8
#: Transmission below which any plateau is suspected: so close to nothing the noise of photons cannot be told from that
#: of the detector.
_SUSPECT = 0.05
#: Percentiles of the averages: of the darkest level of a view, and of what its noise is first measured on.
_DARKEST, _DARK_PERCENT = 0.5, 1.0
#: Noise at a plateau, of what photons would make there, below which there are none.
_QUIET = 0.7
#: Transmissions that the noise of photons is measured at where that of air was cut off at the highest level.
_THIN = (0.5, 0.95)
#: Pixels of a view among which a plateau is looked for, and the fewest that noise is measured on.
_SAMPLED, _LEAST = 1_000_000, 100

_Chosen = NDArray[np.bool_]


def dark_plateau(exposure: Exposure, limit: float) -> float:
    """Share of a view, 0..1, that lies at its darkest level where that is above `limit` and yet that of no beam; 0
    elsewhere. limit: of `opaque_limit`.

    Cargo that lets nothing through lies at the level of no beam. That level is 0 unless the profile's dark is wrong.
    """
    seen, across, down = _samples(exposure.high)
    if not seen.size:
        return 0.0
    floor, dark = (float(level) for level in np.percentile(seen, (_DARKEST, _DARK_PERCENT)))
    if not limit < floor < PALEST:
        return 0.0
    above = seen - np.float32(floor)
    reach = 2 * max(exposure.resolution, 3 * _noise(across, down, seen <= dark) / PART, 1e-6)
    level = np.abs(above) <= reach
    plateau = float(level.mean())
    # Cargo that merely becomes denser towards its darkest spot has as much just above it.
    slope = float(((above > reach) & (above <= 3 * reach)).mean())
    if slope > plateau / 2:
        return 0.0
    if floor < _SUSPECT:
        return plateau
    photons = _noise_of_photons(seen, across, down) * math.sqrt(floor)
    # Noise of less than a level or two is that of rounding.
    told = photons >= exposure.resolution and _noise(across, down, level) < _QUIET * photons
    return plateau if told else 0.0


def _samples(transmission: Float32) -> tuple[Float32, Float32, Float32]:
    """(n,) averages of 5 x 5 pixels, and by how much the pixel in their middle differs from the next one along the
    belt and across it."""
    step = max(1, int((transmission.size / _SAMPLED) ** 0.5))
    found: list[tuple[Float32, Float32, Float32]] = []
    for start in range(0, len(transmission), BAND):
        rows = transmission[start : start + BAND + 1]
        here = rows[:-1, :-1]
        parts = averaged(transmission, start, 0)[: len(here), :-1], rows[:-1, 1:] - here, rows[1:, :-1] - here
        mean, across, down = (part[::step, ::step].ravel() for part in parts)
        found.append((mean, np.abs(across), np.abs(down)))
    mean, across, down = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return mean, across, down


def _noise(across: Float32, down: Float32, chosen: _Chosen) -> float:
    """Deviation from pixel to pixel; 0 where too few are chosen.

    Along the belt the pulses of the source differ, across it the elements of the detector: noise is in both.
    """
    if int(chosen.sum()) < _LEAST:
        return 0.0
    # The median absolute difference of two Gaussian pixels is 0.6745 times the square root of 2 of their deviation.
    return min(float(np.median(part[chosen])) for part in (across, down)) / (0.6745 * 2**0.5)


def _noise_of_photons(seen: Float32, across: Float32, down: Float32) -> float:
    """Deviation from pixel to pixel that the photons make at transmission 1."""
    air = _noise(across, down, seen > AIR_FROM)
    if air > 0:
        return air
    low, high = _THIN
    return _noise(across, down, (seen > low) & (seen < high)) / math.sqrt((low + high) / 2)
