"""What a pseudo-colour scan says of attenuation at two energies, and how a scanner would colour such attenuations.

Scanners show the material as hue (orange organic, green mixed, blue metal) and the total attenuation as darkness. The
palettes are their makers' secrets, so a neutral one is taken here, of three statements:

- brightness b (luma of the displayed colour, Rec. 601, 0..1) is a curve of the transmission at the high energy, which
  still comes through where the low one is used up: A_high = a + COMPRESSION * a^2, a = -ln b;
- hue follows ln(A_low / A_high), linearly between the stops of water, silicon and chromium (Zeff 8, 14, 24);
- saturation is `strength` times what the median scanner shows of a material at that brightness.

Brightness, hue and strength are three numbers for three channels, so every colour can be taken apart and put together
again without loss; attenuations of things behind one another add up (Beer-Lambert). Greys carry no hue: they stay grey.

>>> import numpy as np
>>> orange_over_blue = add(estimate(np.uint8([[[236, 188, 138]]])), estimate(np.uint8([[[94, 158, 212]]])))
>>> recolour(orange_over_blue)[0, 0].tolist()
[42, 153, 144]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

#: Degrees of hue at which organic, mixed and metallic stand. Medians of eight scanners (OPIXray, iFLYTEK 2021 scanners
#: 1 to 5, SIXray in two parts, 12 scans each): organic 24 to 41, metal 194 to 213.
ORGANIC_HUE, MIXED_HUE, METAL_HUE = 33.0, 120.0, 208.0
#: Hues are counted from here on, so that the cut falls into magenta, which no palette uses.
FIRST_HUE = -60.0
#: Mass attenuation at 60 keV over that at 100 keV: of water, silicon and chromium (NIST XCOM). Hydrocarbons have 1.15,
#: copper 3.5 and lead 0.9: their hues lie beyond these stops.
ORGANIC_RATIO, MIXED_RATIO, METAL_RATIO = 1.20, 1.75, 3.04
#: Median share, on those scanners, of the strongest colour that a display can show at a brightness: of organic and
#: metal in the dark and in the light, at these brightnesses, and the factor for greens, which are paler.
DARK_STRENGTH, LIGHT_STRENGTH, STRENGTH_FROM, STRENGTH_TO, MIXED_FACTOR = 0.85, 0.55, 0.45, 0.85, 0.6
#: Displays open up what is dark: A_high = a + COMPRESSION * a^2 with a = -ln b. Of colours composed for 156 pairs of
#: simulated materials against what the simulated scanner shows of the pair; 0 is a plain power law.
COMPRESSION = 0.3
#: Darkest level told from black, as a share of white: half a step of 8 bits.
BLACK = 0.5 / 255
#: Mean spread between channels, of 255, below which a scan counts as grey; JPEG leaves about 1.
GREY_SPREAD = 3.0

#: Logarithms of the ratio at mixed material, and its slope per degree on either side.
_MIXED_LOG = float(np.log(MIXED_RATIO))
_BELOW = float(np.log(MIXED_RATIO / ORGANIC_RATIO)) / (MIXED_HUE - ORGANIC_HUE)
_ABOVE = float(np.log(METAL_RATIO / MIXED_RATIO)) / (METAL_HUE - MIXED_HUE)


@dataclass(frozen=True)
class TwoEnergy:
    """Attenuations -ln(I/I0) at the low and the high energy, and how strongly they are coloured.

    low, high: (H, W) float32, >= 0, air 0. strength: (H, W) float32, 1 as the neutral palette, 0 grey.
    """

    low: Float32
    high: Float32
    strength: Float32

    @property
    def total(self) -> Float32:
        """(H, W) float32: mean of both energies."""
        return np.asarray((self.low + self.high) * np.float32(0.5), np.float32)


def estimate(image: UInt8) -> TwoEnergy:
    """Attenuations of a displayed scan, (H, W, 3) uint8 RGB."""
    colours = image.astype(np.float32) / np.float32(255)
    parts = cv2.cvtColor(colours, cv2.COLOR_RGB2HSV)
    saturation = _float32(parts[..., 1])
    # A grey says nothing of its material: the middle.
    hue = _float32(np.where(saturation > 0, np.mod(parts[..., 0] - FIRST_HUE, 360) + FIRST_HUE, MIXED_HUE))
    bright = _float32(np.clip(cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY), BLACK, 1.0))
    shown = -np.log(bright)
    high = shown + COMPRESSION * shown**2
    ratio = np.exp(_MIXED_LOG + _by_side(hue - MIXED_HUE, _BELOW, _ABOVE))
    strength = saturation / np.maximum(_strongest(hue, bright) * _usual_strength(hue, bright), 1e-6)
    return TwoEnergy(_float32(high * ratio), _float32(high), _float32(strength))


def recolour(attenuation: TwoEnergy) -> UInt8:
    """(H, W, 3) uint8 RGB: what a scanner with the neutral palette shows of `attenuation`."""
    logarithm = np.log(np.maximum(attenuation.low, 1e-6) / np.maximum(attenuation.high, 1e-6)) - _MIXED_LOG
    hue = _float32(np.clip(MIXED_HUE + _by_side(logarithm, 1 / _BELOW, 1 / _ABOVE), FIRST_HUE, FIRST_HUE + 359.9))
    bright = brightness(attenuation)
    saturation = np.minimum(attenuation.strength * _usual_strength(hue, bright), 1.0) * _strongest(hue, bright)
    value = np.minimum(bright / (1 - saturation * _paleness(hue)), 1.0)
    parts = np.dstack([np.mod(hue, np.float32(360)), _float32(saturation), _float32(value)])
    return np.asarray(np.clip(np.rint(cv2.cvtColor(parts, cv2.COLOR_HSV2RGB) * 255), 0, 255), np.uint8)


def brightness(attenuation: TwoEnergy) -> Float32:
    """(H, W) float32, 0..1: how bright a display shows it, whatever the colour."""
    # The root of shown + COMPRESSION * shown^2 = high, which for air is 0.
    shown = 2 * attenuation.high / (1 + np.sqrt(1 + 4 * COMPRESSION * attenuation.high))
    return np.asarray(np.exp(-shown), np.float32)


def add(first: TwoEnergy, second: TwoEnergy) -> TwoEnergy:
    """What is seen of one thing behind another: transmissions multiply at each energy, so attenuations add.

    Each lends the colour its strength by its share of the attenuation.
    """
    one, two = first.total, second.total
    strength = (first.strength * one + second.strength * two) / np.maximum(one + two, 1e-6)
    return TwoEnergy(first.low + second.low, first.high + second.high, strength)


def is_one_energy(image: UInt8) -> bool:
    """Whether a scan (H, W, 3), or a part of one, carries no colour to tell two energies from.

    The station's `is_grey` asks another thing: whether a whole scan looks as the weights' training scans did.
    """
    # A coarse grid tells; whole scans would cost a millisecond for each sample.
    coarse = image[::8, ::8].astype(np.int16)
    return float((coarse.max(axis=2) - coarse.min(axis=2)).mean()) < GREY_SPREAD


def _float32(values: Any) -> Float32:
    return np.asarray(values, np.float32)


def _by_side(values: Any, below: float, above: float) -> Any:
    """Values times one factor below 0 and another above."""
    return values * np.where(values < 0, np.float32(below), np.float32(above))


def _usual_strength(hue: Float32, bright: Float32) -> Float32:
    """The neutral palette's share of the strongest colour."""
    pale = np.clip(1 - np.abs(hue - MIXED_HUE) / (MIXED_HUE - ORGANIC_HUE), 0, 1)
    light = np.clip((bright - STRENGTH_FROM) / (STRENGTH_TO - STRENGTH_FROM), 0, 1)
    strength = DARK_STRENGTH + (LIGHT_STRENGTH - DARK_STRENGTH) * light
    return np.asarray(strength * (1 - (1 - MIXED_FACTOR) * pale), np.float32)


def _paleness(hue: Float32) -> Float32:
    """1 - luma of the purest colour of a hue (degrees from FIRST_HUE): by how much full saturation darkens it."""
    return np.asarray(_PALENESS[(np.mod(hue, np.float32(360)) * 10).astype(np.int32) % 3600], np.float32)


def _strongest(hue: Float32, bright: Float32) -> Float32:
    """Largest saturation with which a hue can be shown at a brightness: no channel above white."""
    return np.asarray(np.minimum((1 - bright) / _paleness(hue), 1.0), np.float32)


def _paleness_table() -> Float32:
    sixths = np.arange(0, 6, 1 / 600)
    pure = [np.clip(abs(sixths - 3) - 1, 0, 1)] + [np.clip(2 - abs(sixths - at), 0, 1) for at in (2, 4)]
    return np.asarray(1 - (0.299 * pure[0] + 0.587 * pure[1] + 0.114 * pure[2]), np.float32)


_PALENESS = _paleness_table()


@dataclass(frozen=True)
class PaletteShift:
    """How another maker's palette differs.

    organic, mixed, metal: degrees added to the hue there, linear in between. strength: factor on saturation. value:
    power of the displayed value (1 leaves it; below 1 opens up what is dark).
    """

    organic: float
    mixed: float
    metal: float
    strength: float
    value: float


def shift_palette(image: UInt8, shift: PaletteShift) -> UInt8:
    """A scan (H, W, 3) uint8 RGB as another maker's palette shows it. Greys and white stay what they are.

    By tables on 8-bit hue, saturation and value: a fortieth of the cost of taking every pixel apart, and its hue steps
    of 1.4 degrees are below what a scanner's own noise does.
    """
    steps = np.arange(256)
    hue = steps * (360 / 256)
    counted = np.mod(hue - FIRST_HUE, 360) + FIRST_HUE
    stops = (ORGANIC_HUE, MIXED_HUE, METAL_HUE)
    turned = np.mod(hue + np.interp(counted, stops, (shift.organic, shift.mixed, shift.metal)), 360) * (256 / 360)
    tables = [np.mod(np.rint(turned), 256), steps * shift.strength, 255 * (steps / 255) ** shift.value]
    table = np.stack([np.clip(np.rint(part), 0, 255).astype(np.uint8) for part in tables], axis=1)[None]
    parts = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL), table)
    return np.asarray(cv2.cvtColor(parts, cv2.COLOR_HSV2RGB_FULL), np.uint8)
