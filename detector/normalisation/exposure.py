"""One view as physics sees it: transmission at one energy or two, and what of it carries information.

Noise from pixel to pixel hides behind dense cargo what an average over a few pixels still shows. So darkness is judged
on averages of 5 x 5 pixels, and a level counts as seen when it lies three of their deviations above nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.normalisation.air import BAND, Float32

#: Transmission above this share of air's counts as air when the cargo's area is measured: 5 % attenuated.
AIR_FROM = 0.95
#: Side in pixels of the averages, and how far they reach to either side.
PART, _BESIDE = 5, 2
#: Transmission below which the noise behind dense cargo is measured.
_DARK = 0.05
#: Rows that noise is measured on, and pairs of pixels that it takes.
_NOISE_ROWS, _LEAST_PAIRS = 200, 100
#: How far from 1 the averages of air may lie besides their noise.
_FLAT = 0.01

#: Share of a moment's elements that see cargo, up to which it lies between vehicles; and the area of the smallest that
#: is judged by itself, in squares as high as the scan: a bolt on the belt is opaque throughout.
_GAP, _VEHICLE = 0.02, 0.25
#: Side in millimetres of the cells that opaque squares are made of.
_CELL_MM = 25.0
#: Transmission that is no air, whatever its noise; the part of a scan's length, one in so many, that is its end, but no
#: more than so many moments: of a train's scan it would be the wagon before; and the moments that are looked at.
_NO_AIR, _END, _LONGEST_END, _SAMPLED = 0.9, 200, 20, 400
#: Share of the moments that is all of them but for the noise; and the share of the height that ground may fill.
_THROUGHOUT, _EDGE = 0.95, 0.2
#: The part of a scan's height, one in so many, that is its edge, but no more than so many elements; and by which ground
#: may rise and fall.
_EDGE_ELEMENTS, _MOST_ELEMENTS, _UNEVEN = 100, 8, 50


@dataclass(frozen=True)
class Exposure:
    """high, low: (H, W) float32 transmission at the high and the low energy; low is None where there is one energy.

    resolution: the transmission that one and a half of the stored levels make up at the high energy. steps: of each
    energy, high first, the transmission that one stored level makes up, for each detector element, (H, 1), or (1, W)
    where the elements lie across; empty where nothing was stored.
    """

    high: Float32
    low: Float32 | None = None
    resolution: float = 0.0
    steps: tuple[Float32, ...] = ()


def opaque_limit(exposure: Exposure, opaque_transmission: float) -> float:
    """What lets less through than this is not told from what lets nothing through: by the profile's own word, by the
    resolution of the stored levels, or by the noise of a 5 x 5 average."""
    return max(opaque_transmission, _reach(exposure))


def opaque_share(exposure: Exposure, limit: float, air: float = 1.0) -> float:
    """Share of the cargo's area, 0..1, behind which nothing can be seen at any energy; 0 where there is no cargo.

    Of vehicles that stand apart along the belt (x) the largest share: one that nobody sees through must not pass among
    others that are empty. limit: of `opaque_limit`. air: transmission of air in this view.
    """
    width = exposure.high.shape[1]
    # Ground, and the scanner itself, would fill the air between vehicles; so would the noise of single pixels.
    ground = _ground(exposure.high)
    opaque, cargo = np.zeros((2, width), np.int64), np.zeros((2, width), np.int64)
    filled = np.zeros(width, np.int64)
    for start in range(0, len(exposure.high), BAND):
        # The high energy penetrates more, so what it does not see through the low does not either.
        band = exposure.high[start : start + BAND]
        above = min(start, _BESIDE)
        means = averaged(exposure.high, start, _BESIDE)
        dark = (means < limit).astype(np.uint8)
        # An average that is dark holds no bright pixel: all that it was taken over is dark.
        whole = cv2.dilate(dark, np.ones((PART, PART), np.uint8))[above : above + len(band)]
        own = ~ground[start : start + len(band)]
        matter = band < AIR_FROM * air
        for counts, values in ((opaque, whole), (cargo, matter)):
            counts += values.sum(axis=0, dtype=np.int64), values[own].sum(axis=0, dtype=np.int64)
        filled += (means[above : above + len(band)][own] < AIR_FROM * air).sum(axis=0)
    height = len(exposure.high)
    shares = [_share(opaque[0], cargo[0])]
    # Where one moment holds next to nothing but air, one vehicle ends.
    parts = np.split(np.arange(width), np.flatnonzero(np.diff(filled > _GAP * height)) + 1)
    shares += [_share(opaque[1, part], cargo[1, part]) for part in parts if filled[part].sum() > _VEHICLE * height**2]
    return max(shares)


def _ground(transmission: Float32) -> NDArray[np.bool_]:
    """(H,) whether an element at the upper or lower edge looks at the ground or at the scanner itself."""
    return _from_the_edges(_dark_throughout(transmission) & np.logical_and(*_dark_at_the_ends(transmission)))


def _from_the_edges(elements: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(H,) those that are of an unbroken run from the upper or the lower edge, as far as ground may reach."""
    edge = int(len(elements) * _EDGE)
    found = np.zeros(len(elements), np.bool_)
    found[:edge] = np.logical_and.accumulate(elements[:edge])
    found[len(elements) - edge :] |= np.logical_and.accumulate(elements[::-1][:edge])[::-1]
    return found


def _share(opaque: NDArray[np.int64], cargo: NDArray[np.int64]) -> float:
    return min(1.0, float(opaque.sum() / cargo.sum())) if cargo.any() else 0.0


def opaque_square_mm(exposure: Exposure, limit: float, pitch_mm: tuple[float, float]) -> float:
    """Side of the largest square behind which nothing can be seen, to a cell. pitch_mm: of a pixel, x and y."""
    cells, cell_mm = in_cells(exposure.high, pitch_mm, _CELL_MM)
    return largest_square_mm(cells < limit, cell_mm)


def in_cells(
    values: NDArray[Any], pitch_mm: tuple[float, float], cell_mm: float
) -> tuple[NDArray[Any], tuple[float, float]]:
    """(H, W) or (H, W, 3) averaged into cells of about cell_mm, and the sides of one, mm. pitch_mm: of a pixel; both
    x, y."""
    sides = values.shape[1], values.shape[0]
    # No smaller than a pixel, however wrong the pitch.
    cells = [max(1, min(side, round(side * pitch / cell_mm))) for side, pitch in zip(sides, pitch_mm, strict=True)]
    averages = cv2.resize(values, (cells[0], cells[1]), interpolation=cv2.INTER_AREA)
    return averages, (sides[0] * pitch_mm[0] / cells[0], sides[1] * pitch_mm[1] / cells[1])


def largest_square_mm(dark: NDArray[np.bool_], cell_mm: tuple[float, float]) -> float:
    """Side that the largest dark square may have, by cells (H, W) that are all dark: a cell more than those; 0 where
    none is. Bright specks of 2 x 2 cells and less count as dark. cell_mm: sides of a cell, x and y, which are taken for
    equal."""
    # Outside the picture nothing is opaque.
    padded = np.pad(_without_specks(dark), 1).astype(np.uint8)
    # The chessboard distance to the nearest cell that is seen through is half an odd square's side, rounded up.
    distance = cv2.distanceTransform(padded, cv2.DIST_C, 3)
    half = int(distance.max())
    if not half:
        return 0.0
    middle = distance >= half
    # An even square has no cell in its middle: four odd ones side by side make it up.
    even = bool((middle[1:, 1:] & middle[1:, :-1] & middle[:-1, 1:] & middle[:-1, :-1]).any())
    # A square that does not lie on the cells' edges leaves one of its cells half dark.
    return float((2 * half - (not even) + 1) * min(cell_mm))


def _without_specks(dark: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A hot pixel lets nobody see through what is around it; it lies in up to 2 x 2 cells."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((~dark).astype(np.uint8), connectivity=8)
    specks = (stats[:, cv2.CC_STAT_WIDTH] <= 2) & (stats[:, cv2.CC_STAT_HEIGHT] <= 2)
    # Label 0 is what is dark.
    specks[0] = False
    filled: NDArray[np.bool_] = dark | specks[labels]
    return filled


def _reach(exposure: Exposure) -> float:
    return max(exposure.resolution, 3 * _dark_noise(exposure.high) / PART)


def _dark_noise(transmission: Float32) -> float:
    """Deviation from pixel to pixel where hardly anything comes through; 0 where there are too few such pixels."""
    rows = transmission[:: max(1, len(transmission) // _NOISE_ROWS)]
    # Chosen by the mean of a pair, which says nothing of its difference.
    dark = (rows[:, 1:] + rows[:, :-1]) / 2 < _DARK
    if int(dark.sum()) < _LEAST_PAIRS:
        return 0.0
    # The median absolute difference of two Gaussian pixels is 0.6745 times the square root of 2 of their deviation.
    return float(np.median(np.abs(np.diff(rows, axis=1))[dark])) / (0.6745 * 2**0.5)


def averaged(values: Float32, start: int, beside: int) -> Float32:
    """A band of BAND rows from `start`, and up to `beside` rows above and below, as averages of 5 x 5 pixels."""
    above = min(start, beside)
    first = min(start, beside + _BESIDE)
    rows = values[start - first : start + BAND + beside + _BESIDE]
    found = cv2.blur(rows, (PART, PART))[first - above : first + BAND + beside]
    return np.asarray(found, np.float32)


def border(values: Float32) -> Float32:
    """The values of a frame around (H, W), a fortieth of the shorter side wide, in one row."""
    return np.concatenate([side.ravel() for side in _sides(values)])


def border_in_air(transmission: Float32) -> float:
    """Share, 0..1, of the frame around (H, W) that lies at transmission 1 and is as flat as air."""
    # Each side with its longer axis along x.
    sides = [side if side.shape[1] >= side.shape[0] else side.T for side in _sides(transmission)]
    steps = np.concatenate([np.abs(np.diff(side, axis=1)).ravel() for side in sides])
    if not steps.size:
        return 0.0
    reach = _FLAT + 3 * float(np.median(steps)) / (0.6745 * 2**0.5) / PART
    means = np.concatenate([cv2.blur(np.ascontiguousarray(side), (PART, PART)).ravel() for side in sides])
    return float((np.abs(means - 1) <= reach).mean())


def beyond_the_ends(transmission: Float32) -> float:
    """Share, 0..1, of the elements (rows) that see no air in the first or in the last moments (columns) of a scan: the
    object passes the picture's end there.

    Elements at the upper or lower edge that see no air in any moment look at the ground or at the scanner itself.
    """
    fixed = _from_the_edges(_dark_throughout(transmission))
    return max(int((dark & ~fixed).sum()) for dark in _dark_at_the_ends(transmission)) / len(transmission)


def beyond_the_edges(transmission: Float32) -> tuple[float, float]:
    """Share, 0..1, of the moments (columns) at whose upper edge, and at whose lower, there is no air.

    Wheels stand on one of them; what is dark along most of an edge, or at both, goes on beyond it. Elements at an edge
    that see no air in any moment, the first and the last among them, look at the ground or at the scanner itself, and
    the edge is what lies beside them.
    """
    shares, ground = [], _ground(transmission)
    for upright, fixed in ((transmission, ground), (transmission[::-1], ground[::-1])):
        first = int(np.logical_and.accumulate(fixed).sum())
        elements = min(_MOST_ELEMENTS, max(1, len(upright) // _EDGE_ELEMENTS))
        # Ground is not dead level, and wheels are low: beside it, and a little further on.
        edges = (upright[start : start + elements] for start in {first, first + bool(first) * len(upright) // _UNEVEN})
        shares.append(min(float((np.median(edge, axis=0) < _NO_AIR).mean()) for edge in edges))
    return shares[0], shares[1]


def _dark_at_the_ends(transmission: Float32) -> list[NDArray[np.bool_]]:
    """(H,) whether each element sees no air in the first moments, and in the last."""
    moments = min(_LONGEST_END, max(1, transmission.shape[1] // _END))
    return [np.median(part, axis=1) < _NO_AIR for part in (transmission[:, :moments], transmission[:, -moments:])]


def _dark_throughout(transmission: Float32) -> NDArray[np.bool_]:
    """(H,) whether each element sees no air in any moment, but for the noise."""
    sampled = transmission[:, :: max(1, transmission.shape[1] // _SAMPLED)]
    dark: NDArray[np.bool_] = (sampled < _NO_AIR).mean(axis=1) > _THROUGHOUT
    return dark


def _sides(values: Float32) -> tuple[Float32, Float32, Float32, Float32]:
    width = max(1, min(values.shape) // 40)
    return values[:width], values[-width:], values[:, :width], values[:, -width:]
