"""Air normalisation: what each detector element reports without anything in the beam becomes transmission 1.

T = gain * (level - dark) / (air - dark)

with `air` one number, or one for each element: the flat field. Rogers et al., arXiv 1608.01017, section 2, name this
correction of gain, offset and source variation as the first step for cargo images.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.errors import ProfileMismatch, ScanWithoutContent
from detector.scan import Pixels

Float32 = NDArray[np.float32]

#: Air that is fewer levels than this above dark leaves too few steps for what lies behind anything.
LEAST_AIR_LEVELS = 64
#: Deviation of the air level from moment to moment, of the level itself, above which the region holds more than air.
MOST_AIR_SPREAD = 0.05
#: Noise of one element in air, of its level, above which the beam was starved: fewer than 100 photons a pixel.
MOST_AIR_NOISE = 0.1
#: Noise of a pixel, of what the parts of a picture differ by, above which it shows nothing; and the parts a side.
MOST_NOISE, _GRID = 0.1, 64
#: Parts of this side, in pixels, are averaged before the level of air is taken: noise must not pass for brightness.
_AIR_PART = 4
#: Rows of a picture that are worked on at once: bounds what is in memory besides the picture itself.
BAND = 256


def brightest_level(levels: Pixels) -> float:
    """The level of air where nothing else tells: the median of those above 90 % of the 99.5th percentile.

    Right as long as at least half a percent of the picture is air.
    """
    step = max(1, int((levels.size / 1_000_000) ** 0.5))
    sample = levels[::step, ::step]
    return float(np.median(sample[sample >= 0.9 * np.percentile(sample, 99.5)]))


def level_of_air(transmission: Float32) -> float:
    """`brightest_level` of a transmission (H, W) without its noise: 1 where air is what the profile took for it."""
    height, width = transmission.shape
    size = (max(1, width // _AIR_PART), max(1, height // _AIR_PART))
    return brightest_level(cv2.resize(transmission, size, interpolation=cv2.INTER_AREA))


def flat_field(levels: Pixels, columns: slice, dark: float) -> Float32:
    """(rows, 1) float32: the level of each detector element in the air columns of a (rows, columns) picture.

    A few dead elements do not matter here. Raises ProfileMismatch when something moved through the columns, and
    ScanWithoutContent when there was hardly a beam.
    """
    region = levels[:, columns].astype(np.float32)
    if region.shape[1] < 3:
        raise ProfileMismatch(
            f"the air columns leave {region.shape[1]} of the scan's {levels.shape[1]} columns",
            remedy="give at least three air_columns that every scan has",
        )
    field: Float32 = np.median(region, axis=1, keepdims=True).astype(np.float32)
    check_beam(float(np.median(field)), dark)
    relative = (region - dark) / np.maximum(field - dark, 1)
    # The median absolute deviation of Gaussian noise is 0.6745 of its standard deviation.
    noise = float(np.median(np.abs(relative - 1))) / 0.6745
    if noise > MOST_AIR_NOISE:
        raise ScanWithoutContent(f"starved: noise is {noise:.0%} of the level of air")
    # What noise alone does to the extremes of the columns' medians is allowed on top.
    if float(np.ptp(np.median(relative, axis=0))) > MOST_AIR_SPREAD + 8 * noise / len(region) ** 0.5:
        raise ProfileMismatch(
            "the air columns are not empty: their level changes along the belt",
            remedy="choose other air_columns (see `roentgate scanner probe`), or an air_value",
        )
    return field


def check_beam(air: float, dark: float) -> None:
    """Raise ScanWithoutContent when the level of air is hardly above dark."""
    if air - dark < LEAST_AIR_LEVELS:
        raise ScanWithoutContent(
            f"starved: air lies {air - dark:.0f} levels above dark, at least {LEAST_AIR_LEVELS} are needed",
            remedy="check the X-ray source and the profile's dark value, and scan again",
        )


def check_signal(levels: Pixels) -> None:
    """Raise ScanWithoutContent when the noise from pixel to pixel drowns what the picture (H, W) shows.

    A dark value that is too low in the profile cannot hide it: noise is held against the range of the picture itself.
    """
    coarse = cv2.resize(levels, (_GRID, _GRID), interpolation=cv2.INTER_AREA)
    shown = float(coarse.max()) - float(coarse.min())
    step = max(1, len(levels) // 100)
    rows = levels[::step].astype(np.float32)
    # The difference of two Gaussian pixels deviates by the square root of 2 times as much as one.
    noise = float(np.median(np.abs(np.diff(rows, axis=1)))) / (0.6745 * 2**0.5)
    if noise > MOST_NOISE * shown:
        raise ScanWithoutContent(
            f"starved: noise of {noise:.0f} levels, and nothing in the scan differs by more than {shown:.0f}"
        )


def to_transmission(levels: Pixels, air: float | Float32, dark: float, gain: float = 1.0) -> Float32:
    """(H, W) levels -> (H, W) float32 transmission, about 1 in air; noise may carry it a little below 0 or above 1."""
    field = np.broadcast_to(np.asarray(air, np.float32), (levels.shape[0], 1))
    # An element that is dead in air gives no sensible quotient; it is mended afterwards.
    factor = np.float32(gain) / np.where(field - dark >= 1, field - np.float32(dark), np.float32(np.inf))
    transmission = np.empty(levels.shape, np.float32)
    for start in range(0, len(levels), BAND):
        band = slice(start, start + BAND)
        np.subtract(levels[band], np.float32(dark), out=transmission[band], dtype=np.float32)
        transmission[band] *= factor[band]
    return transmission


def attenuation(transmission: Float32, floor: float) -> Float32:
    """ln(1 / T), that is mu * rho * t summed along the beam; T below `floor` counts as the floor, above 1 as 1."""
    result: Float32 = -np.log(np.clip(transmission, np.float32(floor), np.float32(1)))
    return result
