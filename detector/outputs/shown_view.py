"""A large view as people see it: shrunk or cut out first, turned into a picture after, so that memory stays small.

>>> shown = ShownView(view)
>>> whole, part = shown.whole(0.2), shown.part((4100, 900, 4260, 1020), (640, 480))

What `render` would make of the whole view is read off from a regular sub-grid of it. So the whole and every part of a
16-bit view are seen through one window, and a level means the same in all of them.
"""

from __future__ import annotations

import cv2
import numpy as np

from detector.errors import ScanWithoutContent
from detector.normalise import AIR, UInt8, render
from detector.outputs.drawing import Rectangle
from detector.scan import Pixels

#: Samples that a view's picture is judged by, at least, where it has so many.
SAMPLES = 1_000_000


class ShownView:
    """Pictures of one view, (H, W) or (H, W, 3), uint8 or uint16; air where `render` finds that it shows nothing."""

    def __init__(self, view: Pixels) -> None:
        self._view = view
        self._levels = _levels(view)
        #: Pixels across and down.
        self.width, self.height = int(view.shape[1]), int(view.shape[0])

    def size(self, scale: float) -> tuple[int, int]:
        """Width and height times `scale`, each at least a pixel."""
        return max(1, round(self.width * scale)), max(1, round(self.height * scale))

    def whole(self, scale: float) -> UInt8:
        """(height, width, 3) RGB of `size(scale)` that may be drawn on."""
        return self._picture(self._view, self.size(scale))

    def part(self, region: Rectangle, size: tuple[int, int]) -> UInt8:
        """(height, width, 3) RGB of size (width, height): the pixels x1 <= x < x2, y1 <= y < y2, inside the view."""
        x1, y1, x2, y2 = region
        return self._picture(self._view[y1:y2, x1:x2], size)

    def _picture(self, pixels: Pixels, size: tuple[int, int]) -> UInt8:
        if size != (pixels.shape[1], pixels.shape[0]):
            method = cv2.INTER_AREA if size[0] < pixels.shape[1] else cv2.INTER_CUBIC
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=method))
        picture = self._levels[pixels]
        return np.repeat(picture[:, :, None], 3, axis=2) if picture.ndim == 2 else picture


def _levels(view: Pixels) -> UInt8:
    """(256,) or (65536,) uint8: the level in the picture for each that is stored."""
    stored = np.arange(int(np.iinfo(view.dtype).max) + 1)
    # `render` takes its window from a grid of this step or finer: the window of the sample is that of the view.
    step = max(1, int((view.size / SAMPLES) ** 0.5))
    sample = view[::step, ::step]
    try:
        rendered = render(sample)
    except ScanWithoutContent:
        return np.full(len(stored), AIR, np.uint8)
    if view.dtype == np.uint8:
        return stored.astype(np.uint8)
    drawn, seen = np.zeros(len(stored), np.uint8), np.zeros(len(stored), np.bool_)
    drawn[sample] = rendered if sample.ndim == 3 else rendered[:, :, 0]
    seen[sample] = True
    # Levels between two that were sampled lie between theirs; beyond all of them is black or white already.
    return np.rint(np.interp(stored, stored[seen], drawn[seen])).astype(np.uint8)
