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
#: Fewer distinct grey levels than this, of 255, between the window's ends: there is nothing in the picture to judge.
LEAST_CONTRAST = 3


@dataclass(frozen=True)
class Placement:
    """Where a tile lies in the network's square: input = tile * scale, from the top left corner."""

    scale: float


def render(view: Pixels) -> UInt8:
    """(H, W) or (H, W, 3), uint8 or uint16 -> (H, W, 3) uint8 RGB, air bright.

    8-bit pixels pass unchanged. 16-bit ones are windowed linearly in transmission between robust black and white.
    Raises ScanWithoutContent when all pixels are (nearly) alike: such a scan shows nothing, so nothing can be cleared.
    """
    image = view if view.dtype == np.uint8 else _window(view)
    _refuse_blank(image)
    return np.ascontiguousarray(np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image)


def _window(view: Pixels) -> UInt8:
    # A regular sub-grid of at most about a million pixels gives the same percentiles for a fraction of the time.
    step = max(1, int((view.size / 1_000_000) ** 0.5))
    low, high = np.percentile(view[::step, ::step], WINDOW_PERCENTILES)
    if high - low < 1:
        raise ScanWithoutContent(f"all pixels of the 16-bit view lie within {low:.0f}..{high:.0f}")
    levels = (view.astype(np.float32) - low) * (255.0 / (high - low))
    windowed: UInt8 = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return windowed


def _refuse_blank(image: UInt8) -> None:
    low, high = int(image.min()), int(image.max())
    if high - low < LEAST_CONTRAST:
        raise ScanWithoutContent(f"all pixels lie within {low}..{high} of 255")


def letterbox(image: UInt8, size: int) -> tuple[UInt8, Placement]:
    """(H, W, 3) uint8 -> (size, size, 3): scaled until the longer side fits, air below and right of it."""
    height, width = image.shape[:2]
    scale = size / max(height, width)
    target = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Averaging when shrinking: thin blades would alias away under plain bilinear sampling.
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.full((size, size, 3), AIR, np.uint8)
    canvas[: target[1], : target[0]] = cv2.resize(image, target, interpolation=method)
    return canvas, Placement(scale)
