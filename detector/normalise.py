"""From a scan's view to what the network sees. The only preprocessing in the project: training reads through it too.

Two steps: `render` turns any bit depth into 8-bit RGB; `letterbox` scales a tile into the network's square and pads the
rest with air. Channel order, mean and deviation live inside the exported graph. Where a scanner's profile gave
transmission, `render_exposure` takes the place of `render`: fixed curves, so that a level means the same in every scan.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.errors import ScanWithoutContent
from detector.normalisation.air import BAND, Float32
from detector.normalisation.dual_energy import Curve
from detector.normalisation.exposure import Exposure, in_cells, largest_square_mm
from detector.normalisation.renderings import draw_exposure
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
    Raises ScanWithoutContent when the view shows nothing, or too much of it is opaque: nothing can be cleared then.
    """
    image = view if view.dtype == np.uint8 else _window(view)
    _refuse_empty(image)
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


def _refuse_empty(image: UInt8) -> None:
    coarse = cv2.resize(image, (CONTENT_GRID, CONTENT_GRID), interpolation=cv2.INTER_AREA)
    levels = coarse.reshape(CONTENT_GRID**2, -1)
    # A flat colour, too, shows nothing, however its channels differ.
    channel = int(np.ptp(levels, axis=0).argmax())
    low, high = int(levels[:, channel].min()), int(levels[:, channel].max())
    if high - low < LEAST_CONTRAST:
        raise ScanWithoutContent(f"all parts of the view lie within {low}..{high} of 255")
    opaque = _count_opaque(image) / (image.shape[0] * image.shape[1])
    if opaque > MOST_OPAQUE:
        raise ScanWithoutContent(f"{opaque:.0%} of the view is black: nothing behind it can be seen")


def _count_opaque(image: UInt8) -> int:
    """Pixels of (H, W) or (H, W, 3) that are black in every channel."""
    return int(cv2.countNonZero(_black(image)))


def _black(image: UInt8) -> UInt8:
    """(H, W) mask, 255 where (H, W) or (H, W, 3) is black in every channel, else 0."""
    channels = 1 if image.ndim == 2 else image.shape[2]
    return np.asarray(cv2.inRange(image, (0,) * channels, (OPAQUE_LEVEL,) * channels), np.uint8)


def doubt(image: UInt8) -> str:
    """Why a rendered view (H, W, c), as its `plain_levels`, must not be cleared although it could be looked at; empty
    where nothing is odd."""
    if max(image.shape[:2]) < LEAST_LONG_SIDE:
        return f"the view measures {image.shape[1]} x {image.shape[0]} pixels: it may be a thumbnail of a scan"
    width = max(1, min(image.shape[:2]) // 40)
    sides = (image[:width], image[-width:], image[:, :width], image[:, -width:])
    level = float(np.median(np.concatenate([side.max(axis=2).ravel() for side in sides])))
    if level >= DARK_BORDER:
        return ""
    return f"the view's border is dark ({level:.0f} of 255), where air is bright: it may be a negative"


def is_grey(image: UInt8) -> bool:
    """Whether a rendered view (H, W, 3) has no colours, as of a scanner or an export that shows none."""
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


def render_exposure(
    exposure: Exposure, rendering: str, curve: Curve, pitch_mm: tuple[float, float] | None = None
) -> UInt8:
    """As `renderings.draw_exposure`. Raises ScanWithoutContent as `render`."""
    image = draw_exposure(exposure, rendering, curve, pitch_mm)
    _refuse_empty(image)
    return image


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
