"""An item of a large view, cut out with what is around it, as large as it is stored or larger.

>>> picture, factor = cropped(shown, one.box_xyxy, (640, 480))
"""

from __future__ import annotations

import math

import numpy as np

from detector.normalise import AIR, UInt8
from detector.outputs.drawing import Rectangle
from detector.outputs.shown_view import ShownView

Box = tuple[float, float, float, float]

#: A crop's width in times the item's, and its least, in pixels of the view: an item alone cannot be judged.
CONTEXT, LEAST_CONTEXT = 2.5, 120
#: The context that is left of an item so large that the crop has to shrink it.
_TIGHT = 1.1


def cropped(shown: ShownView, box: Box, size: tuple[int, int]) -> tuple[UInt8, Rectangle, float]:
    """(height, width, 3) RGB of `size` (width, height); where the box lies in it; pixels in it for one of the view.

    box: x1 y1 x2 y2 in pixels of the view. Only a box larger than `size` is shrunk. Air stands where the view ends.
    """
    left, top, across = _region(shown, box, size)
    factor = size[0] / across
    x1, y1 = max(0, left), max(0, top)
    x2 = min(shown.width, math.ceil(left + across))
    y2 = min(shown.height, math.ceil(top + size[1] / factor))
    part = shown.part((x1, y1, x2, y2), (max(1, round((x2 - x1) * factor)), max(1, round((y2 - y1) * factor))))
    column, row = round((x1 - left) * factor), round((y1 - top) * factor)
    canvas = np.full((size[1], size[0], 3), AIR, np.uint8)
    # The last pixel of the view may reach over the edge of the crop: cut there, no strip of air is left.
    seen = part[: size[1] - row, : size[0] - column]
    canvas[row : row + seen.shape[0], column : column + seen.shape[1]] = seen
    corners = np.rint((np.array(box) - (left, top, left, top)) * factor).astype(int)
    at = np.clip(corners, 0, (size[0] - 1, size[1] - 1) * 2).tolist()
    return canvas, (at[0], at[1], at[2], at[3]), factor


def _region(shown: ShownView, box: Box, size: tuple[int, int]) -> tuple[int, int, float]:
    """What is cut out, in pixels of the view: its left and top end, negative where it is wider than the view, and its
    width."""
    shape = size[0] / size[1]
    needed = max(box[2] - box[0], (box[3] - box[1]) * shape)
    across = max(CONTEXT * needed, LEAST_CONTEXT)
    if across > size[0]:
        across = max(size[0], _TIGHT * needed)
    left = _inside((box[0] + box[2]) / 2, across, shown.width)
    top = _inside((box[1] + box[3]) / 2, across / shape, shown.height)
    return left, top, across


def _inside(middle: float, length: float, whole: int) -> int:
    """The start of `length` round `middle`, pushed into 0..whole; round the whole where it is longer."""
    if length >= whole:
        return math.floor((whole - length) / 2)
    return math.floor(max(0.0, min(middle - length / 2, whole - length)))
