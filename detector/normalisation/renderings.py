"""How transmission is drawn, for people and for networks: fixed curves, so that a level means the same in every scan.

Every rendering has three channels; air is white in each of them, and what nothing comes through is black or nearly so.

`contrast` and `contrast material` are for cargo. A wall or an engine takes a thousand times what a pistol behind it
takes, so one curve over all of it leaves a pistol 3 to 8 of 255 levels. Their first channel is local contrast: how much
more or less lies in the beam than around it, by the inverse hyperbolic sine, which is linear where little differs and a
logarithm where much does. The second is the logarithm of transmission. The third is contrast with what lies closer, or
the effective atomic number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.normalisation.air import BAND, Float32, attenuation
from detector.normalisation.dual_energy import DENSE, FAINT, Curve, atomic_number
from detector.normalisation.exposure import Exposure, in_cells

UInt8 = NDArray[np.uint8]

#: Attenuation at which the logarithmic channel is black, 24 cm of steel at 2 MeV: 32 levels for each factor of e.
LOG_SPAN = 8.0
#: Transmission below which no logarithm is taken.
_LEAST = 1e-5
#: Deviations in mm of the Gaussians over which the attenuation around a pixel is averaged: as wide as a hand-held
#: thing, and as wide as its parts.
AROUND_MM, BESIDE_MM = 100.0, 25.0
#: Side in mm of the cells that those averages are made of, where a pixel is no longer; and how many there are at most,
#: whatever pitch is claimed.
CELL_MM, MOST_CELLS = 10.0, 20_000_000
#: Attenuation, 1.2 mm of steel at 2 MeV, up to which contrast is linear, and the levels that it is worth.
CONTRAST_SCALE, CONTRAST_LEVELS = 0.04, 28.0
#: Up to the first attenuation, 1.3 mm of steel, all is air to the contrast; from the second on nothing is.
THIN = (0.045, 0.09)
#: Attenuation from which contrast is black: the logarithm's levels are `normalise.OPAQUE_LEVEL` and less there.
OPAQUE = LOG_SPAN * (1 - 5 / 255)
#: Atomic numbers and their levels in the material channel: organic bright, metal dark. Air is white, what the low
#: energy does not see through is black.
MATERIAL_LEVELS = ((6.0, 230.0), (10.0, 195.0), (18.0, 130.0), (26.0, 70.0), (50.0, 20.0))
#: Deviation in pixels of the smoothing before the material channel, and the rows that it needs above and below.
MATERIAL_SMOOTHING, _HALO = 1.5, 8
#: Pixels are taken for squares of this side, mm, where nobody says how long they are; `pitch_unknown` doubts such a
#: scan.
UNKNOWN_PITCH_MM = (5.0, 5.0)


class _Surroundings:
    """The attenuation around each pixel of a view: Gaussian means, kept in cells and drawn out of them a band of rows
    at a time."""

    def __init__(self, high: Float32, pitch_mm: tuple[float, float], reaches_mm: Sequence[float]) -> None:
        area = high.size * pitch_mm[0] * pitch_mm[1]
        cells, sides = in_cells(high, pitch_mm, max(CELL_MM, *pitch_mm, (area / MOST_CELLS) ** 0.5))
        taken = attenuation(cells, _LEAST)
        self._means = [_blurred(taken, sides, reach) for reach in reaches_mm]
        self._shape = high.shape

    def of(self, rows: slice) -> list[Float32]:
        """(h, W) of the view's rows, over each of the reaches."""
        height, width = self._shape
        stop = min(rows.stop, height)
        return [_rows_of(means, (np.arange(rows.start, stop) + 0.5) / height, width) for means in self._means]


def _blurred(taken: Float32, sides_mm: tuple[float, float], reach_mm: float) -> Float32:
    across, down = (reach_mm / side for side in sides_mm)
    return np.asarray(
        cv2.GaussianBlur(taken, (0, 0), sigmaX=across, sigmaY=down, borderType=cv2.BORDER_REPLICATE), np.float32
    )


def _rows_of(means: Float32, at: NDArray[np.float64], width: int) -> Float32:
    """(len(at), width) out of cells (h, w), between their centres. at: shares of the height."""
    places = np.clip(at * len(means) - 0.5, 0, len(means) - 1)
    above = places.astype(np.intp)
    below = np.minimum(above + 1, len(means) - 1)
    share = (places - above).astype(np.float32)[:, None]
    rows = means[above] * (1 - share) + means[below] * share
    return np.asarray(cv2.resize(rows, (width, len(rows)), interpolation=cv2.INTER_LINEAR), np.float32)


#: What a rendering draws of: a band of the exposure, the curve of its materials, and the attenuation around each of its
#: pixels over each of the rendering's reaches.
_Draw = Callable[[Exposure, Curve, Sequence[Float32]], tuple[Float32, Float32, Float32]]


def _grey(exposure: Exposure, curve: Curve, around: Sequence[Float32]) -> tuple[Float32, Float32, Float32]:
    level = 255 * exposure.high
    return level, level, level


def _display(exposure: Exposure, curve: Curve, around: Sequence[Float32]) -> tuple[Float32, Float32, Float32]:
    mean = exposure.high if exposure.low is None else (exposure.high + exposure.low) / 2
    clipped: Float32 = np.clip(mean, 1e-4, 1).astype(np.float32)
    # A power opens up the middle, a share of the logarithm keeps structure in what is nearly black.
    level = (255 * (0.6 * np.power(clipped, 0.6) + 0.4 / (1 - 0.45 * np.log(clipped)))).astype(np.float32)
    return level, level, level


def _contrast_alone(exposure: Exposure, curve: Curve, around: Sequence[Float32]) -> tuple[Float32, Float32, Float32]:
    taken = attenuation(exposure.high, _LEAST)
    wide, close = (_local(taken, mean) for mean in around)
    return wide, _logarithm(taken), close


def _contrast_material(exposure: Exposure, curve: Curve, around: Sequence[Float32]) -> tuple[Float32, Float32, Float32]:
    high, low = exposure.high, exposure.low
    if low is None:
        raise KeyError("contrast material")
    taken = attenuation(high, _LEAST)
    numbers = atomic_number(low, high, curve, MATERIAL_SMOOTHING)
    at, levels = np.array(MATERIAL_LEVELS).T
    drawn = np.interp(numbers, at, levels)
    unknown = np.where(attenuation(low, 1e-4) > (FAINT + DENSE) / 2, 0, 255)
    material = np.where(numbers > 0, drawn, unknown).astype(np.float32)
    return _local(taken, around[0]), _logarithm(taken), material


def _logarithm(taken: Float32) -> Float32:
    return 255 * (1 - taken / np.float32(LOG_SPAN))


def _local(taken: Float32, around: Float32) -> Float32:
    """Levels of attenuations (H, W) beside what lies around them: bright where less lies in the beam."""
    apart = np.arcsinh((around - taken) / np.float32(CONTRAST_SCALE))
    level = np.clip(128 + np.float32(CONTRAST_LEVELS) * apart, 0, 255)
    thin, solid = THIN
    air = np.clip((np.float32(solid) - taken) / np.float32(solid - thin), 0, 1)
    # Nothing comes through the last unit before that but noise.
    seen = np.clip(np.float32(OPAQUE) - taken, 0, 1)
    return np.asarray((level + (255 - level) * air) * seen, np.float32)


@dataclass(frozen=True)
class _Rendering:
    """reaches: in mm, of the surroundings that `draw` takes. plain: the channel that tells of a pixel alone how much
    lies in the beam."""

    draw: _Draw
    reaches: tuple[float, ...] = ()
    plain: int = 0


#: Name in a scanner's profile -> how the three channels are made from transmission.
RENDERINGS: MappingProxyType[str, _Rendering] = MappingProxyType(
    {
        "grey": _Rendering(_grey),
        "display": _Rendering(_display),
        "contrast": _Rendering(_contrast_alone, (AROUND_MM, BESIDE_MM), plain=1),
        "contrast material": _Rendering(_contrast_material, (AROUND_MM,), plain=1),
    }
)


def draw_exposure(
    exposure: Exposure, rendering: str, curve: Curve, pitch_mm: tuple[float, float] | None = None
) -> UInt8:
    """Transmission (H, W) -> (H, W, 3) uint8, air white: one of RENDERINGS.

    curve: quotient -> atomic number. pitch_mm: of a pixel, x and y; None is drawn as UNKNOWN_PITCH_MM. Raises KeyError
    for another rendering, or for one of two energies where there is one.
    """
    chosen, shape = RENDERINGS[rendering], exposure.high.shape
    surroundings = (
        _Surroundings(exposure.high, pitch_mm or UNKNOWN_PITCH_MM, chosen.reaches) if chosen.reaches else None
    )
    image = np.empty((*shape, 3), np.uint8)
    for start in range(0, len(image), BAND):
        above = min(start, _HALO)
        rows = slice(start - above, start + BAND + _HALO)
        low = None if exposure.low is None else exposure.low[rows]
        around = surroundings.of(rows) if surroundings else ()
        band = chosen.draw(Exposure(exposure.high[rows], low), curve, around)
        inner = slice(above, above + BAND)
        for channel, levels in enumerate(band):
            image[start : start + BAND, :, channel] = np.clip(np.rint(levels[inner]), 0, 255)
    return image


def plain_levels(image: UInt8, rendering: str) -> UInt8:
    """(H, W, c) of an image that was drawn so: what tells how bright a pixel is, whatever lies around it."""
    if rendering not in RENDERINGS:
        return image
    channel = RENDERINGS[rendering].plain
    return image[:, :, channel : channel + 1]


def pitch_unknown(rendering: str, pitch_mm: tuple[float, float] | None) -> str:
    """Why a scan must not be cleared that was drawn by millimetres which nobody knows; empty where they are known."""
    if pitch_mm is not None or rendering not in RENDERINGS or not RENDERINGS[rendering].reaches:
        return ""
    return f"rendering {rendering!r} is drawn by millimetres, and the profile gives no pixel_pitch_mm"
