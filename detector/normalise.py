"""From a scan's view to what the network sees. The only preprocessing in the project: training reads through it too.

Two steps: `render` turns any bit depth into 8-bit RGB; `letterbox` scales a tile into the network's square and pads the
rest with air. Channel order, mean and deviation live inside the exported graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.errors import ScanWithoutContent
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

#: A view whose border's median lies below this, of 255, is suspected to be a negative: around an object is air, and air
#: is bright. Of 1,140 real scans 1 % lie below 197; of their negatives 99 % lie below 62.
DARK_BORDER = 64


@dataclass(frozen=True)
class Placement:
    """Where a tile lies in the network's square: input = tile * scale, from the top left corner."""

    scale: float


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
    levels = (view.astype(np.float32) - np.float32(low)) * np.float32(255.0 / (high - low))
    windowed: UInt8 = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return windowed


def _refuse_empty(image: UInt8) -> None:
    coarse = cv2.resize(image, (CONTENT_GRID, CONTENT_GRID), interpolation=cv2.INTER_AREA)
    low, high = int(coarse.min()), int(coarse.max())
    if high - low < LEAST_CONTRAST:
        raise ScanWithoutContent(f"all parts of the view lie within {low}..{high} of 255")
    brightest = image if image.ndim == 2 else image.max(axis=2)
    opaque = float((brightest <= OPAQUE_LEVEL).mean())
    if opaque > MOST_OPAQUE:
        raise ScanWithoutContent(f"{opaque:.0%} of the view is black: nothing behind it can be seen")


def doubt(image: UInt8) -> str:
    """Why a rendered view (H, W, 3) must not be cleared although it could be looked at; empty where nothing is odd."""
    width = max(1, min(image.shape[:2]) // 40)
    sides = (image[:width], image[-width:], image[:, :width], image[:, -width:])
    level = float(np.median(np.concatenate([side.max(axis=2).ravel() for side in sides])))
    if level >= DARK_BORDER:
        return ""
    return f"the view's border is dark ({level:.0f} of 255), where air is bright: it may be a negative"


def letterbox(image: UInt8, size: int) -> tuple[UInt8, Placement]:
    """(H, W, 3) uint8 -> (size, size, 3): scaled until the longer side fits, air below and right."""
    height, width = image.shape[:2]
    scale = size / max(height, width)
    target = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Averaging when shrinking: thin blades would alias away under plain bilinear sampling.
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.full((size, size, 3), AIR, np.uint8)
    canvas[: target[1], : target[0]] = cv2.resize(image, target, interpolation=method)
    return canvas, Placement(scale)
