"""From a scan's view to what the network sees. The only preprocessing in the project: training reads through it too.

Two steps: `render` turns any bit depth into 8-bit RGB; `letterbox` scales a tile into the network's square and pads the
rest with air. Channel order, mean and deviation live inside the exported graph. Where a scanner's profile gave
transmission, `render_exposure` takes the place of `render`: fixed curves, so that a level means the same in every scan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.errors import ScanWithoutContent
from detector.normalisation.air import BAND, Float32, attenuation
from detector.normalisation.dual_energy import DENSE, FAINT, Curve, atomic_number
from detector.normalisation.exposure import Exposure, in_cells, largest_square_mm
from detector.scan import Pixels

UInt8 = NDArray[np.uint8]

#: Padding is air: nothing in the way of the beam, so white.
AIR = 255
#: Percentiles of a 16-bit view that become black and white: a few hot or dead detector cells must not set the window.
WINDOW_PERCENTILES = (0.05, 99.95)
#: A view is shrunk to a grid of this side; cells that differ by less than this, of 255, show nothing to judge.
#: Shrinking averages noise and single hot cells away, which a window stretched over them would make look like a
#: picture. Of 760 real scans the flattest differs by 80.
CONTENT_GRID, LEAST_CONTRAST = 16, 10
#: A pixel this dark (of 255) let nothing through; a view of which a larger share is so dark was not seen through. Of
#: 760 real scans the darkest has 0.02.
OPAQUE_LEVEL, MOST_OPAQUE = 5, 0.3
#: Side in millimetres of the cells that black squares are made of, where a pixel is no longer: fine enough to tell a
#: square of 1 m from one of 0.98 m.
BLACK_CELL_MM = 5.0

#: A view whose border's median lies below this, of 255, is suspected to be a negative: around an object is air, and air
#: is bright. Of 1,140 real scans 1 % lie below 197; of their negatives 99 % lie below 62.
DARK_BORDER = 64

#: A view whose longer side is shorter than this, in pixels, is doubted: the smallest of 760 real scans has 158.
LEAST_LONG_SIDE = 128
#: From this level, of 255, in all channels a pixel of a rendered view counts as air.
AIR_FROM_LEVEL = 240
#: A pixel whose channels differ by more than this has a colour, beyond what JPEG does to grey; a view of which a
#: smaller share of the cargo has one is grey. Of 192 real pseudo-colour scans the least coloured has 0.087.
COLOUR_SPREAD, LEAST_COLOURED = 20, 0.02
#: Attenuation at which the logarithmic channel is black, 24 cm of steel at 2 MeV: 32 levels for each factor of e.
LOG_SPAN = 8.0
#: Atomic numbers and their levels in the material channel: organic bright, metal dark. Air is white, what the low
#: energy does not see through is black.
MATERIAL_LEVELS = ((6.0, 230.0), (10.0, 195.0), (18.0, 130.0), (26.0, 70.0), (50.0, 20.0))
#: Deviation in pixels of the smoothing before the material channel, and the rows that it needs above and below.
MATERIAL_SMOOTHING, _HALO = 1.5, 8


@dataclass(frozen=True)
class Placement:
    """Where a tile lies in the network's square: input = tile * (scale_x, scale_y), from the top left corner."""

    scale_x: float
    scale_y: float

    @property
    def corners(self) -> Float32:
        """(4,) float32: the factors of x1, y1, x2, y2."""
        return np.array([self.scale_x, self.scale_y] * 2, np.float32)


def render(view: Pixels) -> UInt8:
    """(H, W) or (H, W, 3), uint8 or uint16 -> (H, W, 3) uint8 RGB, air bright.

    8-bit pixels pass unchanged. 16-bit ones are windowed linearly in transmission between robust black and white.
    Raises ScanWithoutContent when the view shows nothing.
    """
    image = view if view.dtype == np.uint8 else _window(view)
    refuse_blank(image)
    return np.ascontiguousarray(np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image)


def _window(view: Pixels) -> UInt8:
    # A regular sub-grid of at most about a million pixels gives the same percentiles for a fraction of the time.
    step = max(1, int((view.size / 1_000_000) ** 0.5))
    low, high = (float(level) for level in np.percentile(view[::step, ::step], WINDOW_PERCENTILES))
    if high - low < 1:
        raise ScanWithoutContent(f"all pixels of the 16-bit view lie within {low:.0f}..{high:.0f}")
    windowed = np.empty(view.shape, np.uint8)
    # As floats all at once, the largest scans would take ten times their own memory.
    for start in range(0, len(view), BAND):
        rows = slice(start, start + BAND)
        levels = (view[rows].astype(np.float32) - np.float32(low)) * np.float32(255.0 / (high - low))
        windowed[rows] = np.clip(np.rint(levels), 0, 255)
    return windowed


def refuse_blank(image: UInt8) -> None:
    """Raise ScanWithoutContent where a drawn view (H, W) or (H, W, 3) shows nothing."""
    coarse = cv2.resize(image, (CONTENT_GRID, CONTENT_GRID), interpolation=cv2.INTER_AREA)
    levels = coarse.reshape(CONTENT_GRID**2, -1)
    # One flat colour shows nothing either, however its channels differ.
    channel = int(np.ptp(levels, axis=0).argmax())
    low, high = int(levels[:, channel].min()), int(levels[:, channel].max())
    if high - low < LEAST_CONTRAST:
        raise ScanWithoutContent(f"all parts of the view lie within {low}..{high} of 255")


def black_doubt(image: UInt8) -> str:
    """Why a rendered view (H, W, 3) of which so much is black must not be cleared; empty where not."""
    opaque = _count_opaque(image) / (image.shape[0] * image.shape[1])
    return f"{opaque:.0%} of the view is black: nothing behind it can be seen" if opaque > MOST_OPAQUE else ""


def _count_opaque(image: UInt8) -> int:
    """Pixels of (H, W) or (H, W, 3) that are black in every channel."""
    return int(cv2.countNonZero(_black(image)))


def _black(image: UInt8) -> UInt8:
    """(H, W) mask, 255 where (H, W) or (H, W, 3) is black in every channel, else 0."""
    channels = 1 if image.ndim == 2 else image.shape[2]
    return np.asarray(cv2.inRange(image, (0,) * channels, (OPAQUE_LEVEL,) * channels), np.uint8)


def doubt(image: UInt8) -> str:
    """Why a rendered view (H, W, 3) must not be cleared although it could be looked at; empty where nothing is odd."""
    if max(image.shape[:2]) < LEAST_LONG_SIDE:
        return f"the view measures {image.shape[1]} x {image.shape[0]} pixels: it may be a thumbnail of a scan"
    width = max(1, min(image.shape[:2]) // 40)
    sides = (image[:width], image[-width:], image[:, :width], image[:, -width:])
    level = float(np.median(np.concatenate([side.max(axis=2).ravel() for side in sides])))
    if level >= DARK_BORDER:
        return ""
    return f"the view's border is dark ({level:.0f} of 255), where air is bright: it may be a negative"


def is_grey(image: UInt8) -> bool:
    """Whether a rendered view (H, W, 3) has no colours, as of a scanner or an export that shows none; nor has one
    that is as bright as air throughout, which may be a faint picture of a bag."""
    step = max(1, int((image.shape[0] * image.shape[1] / 1_000_000) ** 0.5))
    sampled = image[::step, ::step]
    low, high = sampled.min(axis=2), sampled.max(axis=2)
    cargo = low < AIR_FROM_LEVEL
    coloured = cargo & (high - low > COLOUR_SPREAD)
    return bool(coloured.sum() < LEAST_COLOURED * max(1, int(cargo.sum())))


def opaque_part(image: UInt8) -> float:
    """Share of a rendered view (H, W, 3) that is black, of all that is not air; 0 where nothing is."""
    air = cv2.countNonZero(cv2.inRange(image, (AIR_FROM_LEVEL,) * 3, (255,) * 3))
    cargo = image.shape[0] * image.shape[1] - air
    return _count_opaque(image) / cargo if cargo else 0.0


def black_square_mm(image: UInt8, pitch_mm: tuple[float, float]) -> float:
    """Side in millimetres that the largest black square of a rendered view (H, W, 3) may have, as `largest_square_mm`.
    pitch_mm: of a pixel, x and y."""
    cells, cell_mm = in_cells(image, pitch_mm, max(BLACK_CELL_MM, *pitch_mm))
    return largest_square_mm(_black(cells) > 0, cell_mm)


def render_exposure(exposure: Exposure, rendering: str, curve: Curve) -> UInt8:
    """Transmission (H, W) -> (H, W, 3) uint8 RGB, air white: one of RENDERINGS. curve: quotient -> atomic number.

    Raises ScanWithoutContent as `render`, KeyError for another rendering.
    """
    draw = RENDERINGS[rendering]
    image = np.empty((*exposure.high.shape, 3), np.uint8)
    for start in range(0, len(image), BAND):
        above = min(start, _HALO)
        rows = slice(start - above, start + BAND + _HALO)
        low = None if exposure.low is None else exposure.low[rows]
        band = draw(Exposure(exposure.high[rows], low), curve)
        image[start : start + BAND] = band[above : above + BAND]
    refuse_blank(image)
    return image


def _as_bytes(*channels: Float32) -> UInt8:
    levels: UInt8 = np.clip(np.rint(np.stack(channels, axis=2)), 0, 255).astype(np.uint8)
    return levels


def _grey(exposure: Exposure, curve: Curve) -> UInt8:
    level = 255 * exposure.high
    return _as_bytes(level, level, level)


def _display(exposure: Exposure, curve: Curve) -> UInt8:
    mean = exposure.high if exposure.low is None else (exposure.high + exposure.low) / 2
    clipped: Float32 = np.clip(mean, 1e-4, 1).astype(np.float32)
    # A power opens up the middle, a share of the logarithm keeps structure in what is nearly black.
    level = (255 * (0.6 * np.power(clipped, 0.6) + 0.4 / (1 - 0.45 * np.log(clipped)))).astype(np.float32)
    return _as_bytes(level, level, level)


def _logarithm(transmission: Float32) -> Float32:
    return 255 * (1 - attenuation(transmission, 1e-5) / np.float32(LOG_SPAN))


def _cargo(exposure: Exposure, curve: Curve) -> UInt8:
    high = exposure.high
    return _as_bytes(255 * high, _logarithm(high), 255 * np.sqrt(np.maximum(high, 0)))


def _cargo_material(exposure: Exposure, curve: Curve) -> UInt8:
    high, low = exposure.high, exposure.low
    if low is None:
        raise KeyError("cargo material")
    numbers = atomic_number(low, high, curve, MATERIAL_SMOOTHING)
    at, levels = np.array(MATERIAL_LEVELS).T
    drawn = np.interp(numbers, at, levels)
    unknown = np.where(attenuation(low, 1e-4) > (FAINT + DENSE) / 2, 0, 255)
    return _as_bytes(255 * high, _logarithm(high), np.where(numbers > 0, drawn, unknown).astype(np.float32))


#: Name in a scanner's profile -> how the three channels are made from transmission.
RENDERINGS: MappingProxyType[str, Callable[[Exposure, Curve], UInt8]] = MappingProxyType(
    {"grey": _grey, "display": _display, "cargo": _cargo, "cargo material": _cargo_material}
)


def letterbox(image: UInt8, size: int, full: tuple[int, int] | None = None) -> tuple[UInt8, Placement]:
    """(H, W, 3) uint8 -> (size, size, 3), air below and right: scaled until the longer side fits.

    full: width and height of a whole tile, of which the image may be a smaller one at the scan's edge. It is then
    scaled as a whole one would be, each side by itself: pixels of a scanner need not be square.
    """
    height, width = image.shape[:2]
    across, down = full or (max(height, width),) * 2
    placement = Placement(size / across, size / down)
    target = (
        min(size, max(1, round(width * placement.scale_x))),
        min(size, max(1, round(height * placement.scale_y))),
    )
    canvas = np.full((size, size, 3), AIR, np.uint8)
    canvas[: target[1], : target[0]] = _resized(image, target)
    return canvas, placement


def _resized(image: UInt8, target: tuple[int, int]) -> UInt8:
    """Averaged along what shrinks: thin blades would alias away under plain bilinear sampling."""
    height, width = image.shape[:2]
    smaller = (min(width, target[0]), min(height, target[1]))
    if smaller != (width, height):
        image = np.asarray(cv2.resize(image, smaller, interpolation=cv2.INTER_AREA), np.uint8)
    return (
        image if smaller == target else np.asarray(cv2.resize(image, target, interpolation=cv2.INTER_LINEAR), np.uint8)
    )
