"""From two transmissions to the picture an officer sees.

The ratio of the log attenuations at two energies gives an effective atomic number, calibrated on the elements; it
chooses the hue (orange organic, green mixed, blue metal), and the total attenuation chooses how dark.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.simulation.acquisition import Transmission
from training.simulation.materials import ATOMIC_NUMBERS, ENERGIES_MEV, LUGGAGE_BEAM, MASS_ATTENUATION, Beam

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

#: Air is this share of full scale in a 16-bit scan, so that noise above it is not cut off.
AIR_LEVEL = 0.92
#: Effective atomic numbers at which the hues of a palette stand; between them colours are mixed.
HUE_STOPS = (8.2, 10.5, 14.5, 19.5, 24.0)
#: Behind so many mean free paths of the low energy the low channel begins to run dry, and has run dry.
STARVED = (4.5, 6.5)
#: The atomic number that is then taken: iron.
METAL = 26.0
#: Mean attenuation below which the ratio is mostly noise: the hue fades to that of thin organic material.
FAINT = 0.02


@dataclass(frozen=True)
class Palette:
    """brightness: rising levels 0..1. colours: for each of HUE_STOPS, the RGB at each brightness."""

    brightness: tuple[float, ...]
    colours: tuple[tuple[tuple[int, int, int], ...], ...]


_LEVELS = (0.0, 0.16, 0.30, 0.45, 0.62, 0.80, 0.92, 1.0)
_WHITE = (255, 255, 255)
WARM = Palette(
    _LEVELS,
    (
        (
            (10, 6, 4),
            (62, 34, 8),
            (130, 68, 18),
            (196, 104, 32),
            (226, 142, 66),
            (236, 188, 138),
            (245, 222, 196),
            _WHITE,
        ),
        (
            (8, 8, 4),
            (48, 46, 12),
            (98, 94, 28),
            (146, 140, 52),
            (190, 182, 92),
            (216, 210, 152),
            (236, 232, 202),
            _WHITE,
        ),
        (
            (4, 10, 6),
            (16, 50, 26),
            (44, 100, 52),
            (82, 148, 86),
            (122, 190, 124),
            (176, 220, 172),
            (216, 240, 206),
            _WHITE,
        ),
        (
            (4, 10, 16),
            (12, 44, 58),
            (30, 90, 100),
            (62, 138, 140),
            (104, 178, 176),
            (160, 212, 208),
            (206, 234, 228),
            _WHITE,
        ),
        (
            (3, 6, 22),
            (8, 28, 84),
            (20, 66, 150),
            (44, 112, 190),
            (94, 158, 212),
            (150, 198, 228),
            (204, 228, 240),
            _WHITE,
        ),
    ),
)
SOFT = Palette(
    _LEVELS,
    (
        (
            (14, 12, 2),
            (66, 48, 6),
            (132, 94, 16),
            (186, 130, 34),
            (214, 162, 74),
            (230, 200, 148),
            (242, 226, 196),
            _WHITE,
        ),
        (
            (10, 12, 2),
            (46, 56, 6),
            (98, 112, 22),
            (142, 150, 50),
            (180, 184, 96),
            (212, 212, 160),
            (234, 232, 204),
            _WHITE,
        ),
        (
            (2, 14, 4),
            (10, 66, 22),
            (42, 118, 42),
            (82, 162, 80),
            (124, 192, 124),
            (177, 216, 167),
            (214, 240, 200),
            _WHITE,
        ),
        (
            (0, 14, 12),
            (6, 58, 58),
            (16, 94, 98),
            (44, 136, 136),
            (84, 172, 168),
            (150, 206, 200),
            (202, 232, 224),
            _WHITE,
        ),
        (
            (2, 8, 30),
            (6, 36, 78),
            (14, 80, 128),
            (38, 124, 172),
            (72, 158, 206),
            (148, 200, 224),
            (200, 228, 238),
            _WHITE,
        ),
    ),
)


def zeff_of_ratio(ratio: NDArray[np.floating], beam: Beam = LUGGAGE_BEAM) -> Float32:
    """Zeff of a ratio of log attenuations, low over high energy. Valid below the K edges: lead reads as organic."""
    numbers = np.array(list(ATOMIC_NUMBERS.values()), np.float32)
    low, high = _columns(beam)
    coefficients = [MASS_ATTENUATION[element] for element in ATOMIC_NUMBERS]
    ratios = np.array([row[low] / row[high] for row in coefficients], np.float32)
    return np.asarray(np.interp(ratio, ratios, numbers), np.float32)


def _columns(beam: Beam) -> tuple[int, int]:
    return ENERGIES_MEV.index(beam.low_mev), ENERGIES_MEV.index(beam.high_mev)


def pseudo_colour(transmission: Transmission, palette: Palette = WARM) -> UInt8:
    """(H, W, 3) uint8 RGB of a luggage scan: air white, organic orange, mixed green, metal blue, dense near black."""
    low, high = (-np.log(np.clip(part, 1e-4, 1.0)) for part in (transmission.low, transmission.high))
    # Scanners average the material signal over a few pixels: colour may be soft as long as the outlines are sharp.
    soft_low, soft_high = (np.asarray(cv2.GaussianBlur(part, (0, 0), 1.1), np.float32) for part in (low, high))
    zeff = zeff_of_ratio((soft_low + 0.3 * FAINT) / (soft_high + 0.26 * FAINT))
    grey = brightness(transmission)
    return _look_up(np.maximum(zeff, METAL * _starved(soft_low)), grey, palette)


def _starved(low: Float32) -> Float32:
    """0..1: how far the low channel has run out of photons, so that the ratio says nothing and metal is assumed."""
    return np.asarray(np.clip((low - STARVED[0]) / (STARVED[1] - STARVED[0]), 0, 1), np.float32)


def brightness(transmission: Transmission) -> Float32:
    """(H, W) float32 in 0..1: the mean transmission, opened up in the dark and sharpened at edges."""
    mean = np.clip(0.5 * (transmission.low + transmission.high), 0, 1)
    # A logarithmic share keeps structure visible in what is nearly black, as the displays of scanners do.
    level = 0.6 * mean**0.6 + 0.4 / (1 - 0.45 * np.log(np.maximum(mean, 1e-4)))
    sharpened = level + 0.9 * (level - cv2.GaussianBlur(level, (0, 0), 1.6))
    # Air within the noise is shown as plain white.
    return np.asarray(np.clip(sharpened * 1.012, 0, 1), np.float32)


def _look_up(zeff: Float32, grey: Float32, palette: Palette) -> UInt8:
    """Bilinear in a table of hue x brightness."""
    table = np.array(palette.colours, np.float32)
    row = np.interp(zeff, HUE_STOPS, np.arange(len(HUE_STOPS))).astype(np.float32)
    column = np.interp(grey, palette.brightness, np.arange(len(palette.brightness))).astype(np.float32)
    mixed = cv2.remap(table, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8)


def grey16(transmission: Transmission) -> NDArray[np.uint16]:
    """(H, W) uint16: the transmission at the high energy, linear, air at AIR_LEVEL of full scale."""
    return np.asarray(np.clip(np.rint(transmission.high * (AIR_LEVEL * 65535)), 0, 65535), np.uint16)
