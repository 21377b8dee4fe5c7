"""Whether the noise is a detector's: each pixel's own, and less of it where less of the beam comes through.

A scan that was blurred, or shrunk and enlarged again, has lost its small things, and its noise is the first thing that
shows it: what is left of it is alike in neighbours. And levels that are the logarithm of the beam make steel look like
cardboard; their noise behind a load is more than that of air.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.normalisation.air import Float32

#: How alike neighbours may be: a simulated scan has 0.99 and more, 0.18 after a median of 3 x 3 pixels, as scanners may
#: take it; blurred by 1 pixel it has 0.05, enlarged to twice its size 0.05 to 0.11, four times and more 0.01.
LEAST_GRAIN = 0.12
#: Deviation of a pixel in air, from which on too few photons came through for small things to be seen: 400 of them
#: leave 0.05, simulated scanners 0.006 to 0.02.
MOST_AIR_NOISE = 0.05
#: So many bands of so many rows are looked at at most, and fewer pixels of air say nothing.
_BANDS, _ROWS, _LEAST_PIXELS = 40, 40, 2_000
#: Pixels from which on noise knows nothing of itself, in a scan that was blurred by a few.
_FAR = 6
#: Transmission of air to where noise may take it, at least; and how far from anything else, in pixels.
_AIR, _APART = 0.97, _FAR + 1
#: Noise behind loads that let between these shares of the beam through, over that in air, from which on levels are
#: suspected to be a logarithm: the calmest tenth of the blocks of 8 simulated scans has .2 to .4 of it, as the root of
#: what comes through, an amplifier much noisier than the photons 1; of the logarithm of the same scans 2.5 and more.
LOAD, MOST_NOISE_BEHIND = (0.15, 0.7), 1.5
#: Side of such blocks in pixels, the share of them that is calm, for edges make noise as well; and how many it takes.
_BLOCK, _CALM, _LEAST_BLOCKS = 16, 0.1, 30
#: Of Gaussian noise: the mean absolute difference of four pixels over the deviation of one.
_OF_FOUR = 2 * (2 / np.pi) ** 0.5


@dataclass(frozen=True)
class AirNoise:
    """deviation: of a pixel of air, as a share of air. own: how much of it is the pixel's own: 1 where neighbours know
    nothing of one another, near 0 where they were made of one."""

    deviation: float
    own: float


def air_noise(transmission: Float32, resolution: float) -> AirNoise | None:
    """The noise in air (H, W); None where there is too little air, or no noise that levels of that resolution show.

    Differences over a square of pixels leave neither the gain of an element nor the pulse of a moment. The square of
    the mean of those between neighbours is held against that between pixels that lie apart.
    """
    near = far = pixels = 0.0
    for start in _bands(len(transmission), _ROWS):
        band = transmission[start : start + _ROWS]
        beside, apart = np.abs(_of_four(band, 1)), np.abs(_of_four(band, _FAR))
        if not apart.size:
            return None
        limit = min(_AIR, 1 - 5 * float(np.median(apart)) / _OF_FOUR)
        bare = cv2.erode((band > limit).astype(np.uint8), np.ones((2 * _APART + 1, 2 * _APART + 1), np.uint8))
        inside = bare[:-_FAR, :-_FAR] > 0
        near, far, pixels = near + float(beside[inside].sum()), far + float(apart[inside].sum()), pixels + inside.sum()
    if pixels < _LEAST_PIXELS or far / pixels < resolution:
        return None
    return AirNoise(far / pixels / _OF_FOUR, min(1.0, (near / far) ** 2))


def noise_behind(transmission: Float32, resolution: float) -> float | None:
    """Noise behind a load over the noise in air, (H, W); None where there is too little of either, or none that levels
    of that resolution show."""
    levels: list[Float32] = []
    noises: list[Float32] = []
    for start in _bands(len(transmission), _BLOCK + _FAR):
        band = transmission[start : start + _BLOCK + _FAR]
        own = np.abs(_of_four(band, 1))[:_BLOCK]
        across = own.shape[1] // _BLOCK
        if len(own) < _BLOCK or not across:
            return None
        for kept, values in ((levels, band[:_BLOCK]), (noises, own)):
            kept.append(values[:, : across * _BLOCK].reshape(_BLOCK, across, _BLOCK).swapaxes(0, 1).reshape(across, -1))
    level, noise = np.concatenate(levels).mean(axis=1), np.median(np.concatenate(noises), axis=1)
    air, load = noise[level > _AIR], noise[(level > LOAD[0]) & (level < LOAD[1])]
    if min(len(air), len(load)) < _LEAST_BLOCKS or np.median(air) < resolution:
        return None
    return float(np.quantile(load, _CALM) / np.median(air))


def _bands(height: int, rows: int) -> NDArray[np.int64]:
    """First rows of bands that lie evenly over the scan and, where it is low, touch."""
    count = max(1, min(_BANDS, height // rows))
    return np.linspace(0, max(0, height - rows), count).astype(np.int64)


def _of_four(band: Float32, step: int) -> NDArray[np.float32]:
    """(h - _FAR, w - _FAR) differences of the differences of pixels `step` apart."""
    rows, columns = max(0, len(band) - _FAR), max(0, band.shape[1] - _FAR)
    down, across = slice(step, step + rows), slice(step, step + columns)
    return band[:rows, :columns] - band[down, :columns] - band[:rows, across] + band[down, across]
