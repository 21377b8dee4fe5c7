"""With which colours a scanner paints: to tell a scan of a make that the weights have never seen.

A scanner's maker chooses how materials and densities are coloured, and an exporter how colours are stored. A palette is
the set of colours that scans of one scanner hold, in steps of eight levels of red, green and blue. A scan is compared
with the palette that suits it best, by the share of its cargo whose colours are not in it. Palettes are kept apart by
the level at which air is painted: a picture that was darkened has the colours of some scanner as a rule, but not of one
whose air is as dark.

This is a check of colours, not of makes: a scanner that paints as a known one does passes it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.export_faults import air_level
from detector.normalise import AIR_FROM_LEVEL

UInt8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]

_BITS = 5
#: How many colours are told apart.
COLOURS = 1 << 3 * _BITS
#: More pixels than this are sampled evenly.
_PIXELS_READ = 1_000_000
#: Levels by which a scan's air may lie outside those of a palette's scans.
AIR_TOLERANCE = 3.0


@dataclass(frozen=True)
class Palette:
    """colours: (COLOURS,) those that a scanner's scans hold. air: lowest and highest `air_level` of these scans."""

    colours: Bool
    air: tuple[float, float]

    def has_air(self, level: float) -> bool:
        """Whether a scan whose air is at `level` may be one of these."""
        return self.air[0] - AIR_TOLERANCE <= level <= self.air[1] + AIR_TOLERANCE


def cargo_colours(image: UInt8) -> NDArray[np.int64]:
    """(COLOURS,) pixels of each colour in a rendered view (H, W, 3), without those of air."""
    step = max(1, int((image.shape[0] * image.shape[1] / _PIXELS_READ) ** 0.5))
    sampled = np.ascontiguousarray(image[::step, ::step])
    cargo = cv2.bitwise_not(cv2.inRange(sampled, (AIR_FROM_LEVEL,) * 3, (255,) * 3))
    counted = cv2.calcHist([sampled], [0, 1, 2], cargo, [1 << _BITS] * 3, [0, 256] * 3)
    return counted.ravel().astype(np.int64)


def unknown_share(image: UInt8, palettes: Sequence[Palette]) -> float:
    """Share of the cargo in a rendered view (H, W, 3) with colours outside the palette that holds most of it, of those
    with air like the view's; 1 where there is none such, 0 for a view of air alone."""
    pixels = cargo_colours(image)
    total = int(pixels.sum())
    if not total:
        return 0.0
    air = air_level(image)
    unknown = (int(pixels[~palette.colours].sum()) for palette in palettes if palette.has_air(air))
    return min(unknown, default=total) / total


def packed(palette: Bool) -> str:
    """(COLOURS,) as text: a bit a colour, base64."""
    return base64.b64encode(np.packbits(palette).tobytes()).decode()


def unpacked(text: str) -> Bool:
    """The palette that `packed` wrote. Raises ValueError for anything else."""
    try:
        bits = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except binascii.Error as error:
        raise ValueError(f"a palette is not base64: {error}") from None
    if len(bits) * 8 != COLOURS:
        raise ValueError(f"a palette has {COLOURS // 8} bytes, not {len(bits)}")
    return np.unpackbits(bits).astype(bool)
