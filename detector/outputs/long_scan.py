"""A long scan on one sheet: the whole, shrunk, with numbered marks, and a crop of each item that decided.

>>> if needs_sheet(scan, found):
...     picture = sheet(scan, found, thresholds)

A handgun of 50 pixels in a container of 12,000 x 2,500 is a speck on a screen 1,600 pixels wide. Below or beside the
whole, each item stands as large as it is stored or larger, with what is around it. Memory is that of the sheet.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from detector.detections import Detection, Detections
from detector.normalise import AIR, UInt8
from detector.outputs.crops import cropped
from detector.outputs.drawing import GAP, ColourPair, Pen, boxes, colours_of, filled, fit, frame, stacked
from detector.outputs.marks import Mark, draw_marks
from detector.outputs.shown_view import ShownView
from detector.policy import told_score
from detector.scan import Scan
from detector.settings import EffectiveThresholds

#: A view with a longer side than this, in pixels, is long: no luggage scanner's picture is.
LONG_SIDE = 2048
#: Pixels across of the screen that a sheet is laid out for, its width over its height, and the length on it below which
#: an item needs a crop.
SCREEN, SCREEN_SHAPE, LEGIBLE = 1600, 1.6, 100
#: Pixels across and down of a sheet at most: two and a half screens, so that zooming in shows more.
SHEET_SIDE = 4096
#: Crops on a sheet at most; the fewest and the most that stand side by side on the whole width of it.
MOST_CROPS, FEWEST, MOST = 12, 3, 7
#: Share of a sheet's width that views may take, across and down, where crops stand to their right.
BESIDE_ACROSS, BESIDE_DOWN = 0.55, 0.75
#: Width of a crop over its height.
CROP_SHAPE = 4 / 3
#: Height of letters, width of lines, height of a line of words and least side of a frame, in pixels of the screen.
LETTERS, LINE, WORDS, LEAST_FRAME = 12, 1.6, 28, 14
#: A thumbnail's least frame, its gap, and the least side of the crop in it, in pixels.
THUMBNAIL_FRAME, THUMBNAIL_GAP, THUMBNAIL_CROP = 9, 2, 40

_INK: ColourPair = ((AIR, AIR, AIR), (0, 0, 0))
_DIM: ColourPair = ((AIR, AIR, AIR), (95, 95, 95))


@dataclass(frozen=True)
class _Layout:
    """A sheet in its pixels. side: across. scale: of the views. wholes: width and height of the views.

    corner: top left of the line of words that the crops stand below. size: width and height of a crop.
    """

    side: int
    scale: float
    wholes: tuple[int, int]
    corner: tuple[int, int]
    columns: int
    size: tuple[int, int]

    def on_screen(self, length: float) -> int:
        """What `length` pixels of the screen are on the sheet."""
        return max(2, round(length * self.side / SCREEN))

    @property
    def words(self) -> int:
        """Height of a line of words; one stands above each crop too."""
        return self.on_screen(WORDS)

    @property
    def pen(self) -> Pen:
        """For all words and lines."""
        return Pen(self.on_screen(LINE), LETTERS / 22 * self.side / SCREEN)

    def place(self, index: int) -> tuple[int, int]:
        """Top left corner of the words above the crop with this index."""
        row, column = divmod(index, self.columns)
        down = self.words + row * (self.size[1] + self.words + GAP)
        return self.corner[0] + column * (self.size[0] + GAP), self.corner[1] + down

    def end(self, count: int) -> tuple[int, int]:
        """Width and height of the sheet with `count` crops."""
        right, below = self.place(min(count, self.columns) - 1)[0], self.place(count - 1)[1]
        return max(self.wholes[0], right + self.size[0]), max(self.wholes[1], below + self.words + self.size[1])

    def legibility(self, count: int) -> float:
        """How large views and `count` crops are when the sheet fills the screen: the product of their widths on it."""
        across = max(self.side, SCREEN_SHAPE * self.end(count)[1])
        return self.size[0] * self.wholes[0] / across**2


def is_long(scan: Scan) -> bool:
    """Whether a view of the scan has a side above LONG_SIDE."""
    return any(max(view.shape[:2]) > LONG_SIDE for view in scan.views)


def needs_sheet(scan: Scan, found: Detections) -> bool:
    """Whether an item of `found` could not be made out in the scan shown whole on a screen."""
    if not is_long(scan):
        return False
    longest = np.array([max(view.shape[:2]) for view in scan.views], np.float32)[found.views]
    sides = (found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2]).max(axis=1)
    return bool((sides * SCREEN < LEGIBLE * longest).any())


def sheet(scan: Scan, found: Detections, thresholds: EffectiveThresholds) -> UInt8:
    """(H, W, 3) RGB: views one below the other, all of `found` framed, the MOST_CROPS strongest numbered and cut out.

    Neither side is above SHEET_SIDE. `found` is not empty.
    """
    shown, ranked = [ShownView(view) for view in scan.views], found.sorted_by_score()
    crops = ranked[:MOST_CROPS]
    layout = max(_layouts(shown), key=lambda one: one.legibility(len(crops)))
    width, height = layout.end(len(crops))
    canvas = np.full((height, width, 3), AIR, np.uint8)
    wholes = stacked([_marked(view, ranked, number, layout) for number, view in enumerate(shown)])
    canvas[: wholes.shape[0], : wholes.shape[1]] = wholes
    _write(canvas, _summary(len(ranked), layout.scale), (*layout.corner, width), layout, _DIM)
    for index, (one, class_id) in enumerate(zip(crops, crops.class_ids.tolist(), strict=True)):
        words = f"{one.class_name} {told_score(one.class_name, one.score, thresholds)}"
        _draw_crop(canvas, layout, index, one, shown, (words, colours_of(class_id)))
    return canvas


def _layouts(shown: list[ShownView]) -> Iterator[_Layout]:
    """Crops below the views and to their right, in every number of columns that suits."""
    across, down = max(view.width for view in shown), sum(view.height for view in shown)
    side = min(SHEET_SIDE, max(across, down))
    for below in (True, False):
        scale = side / across if below else min(BESIDE_ACROSS * side / across, BESIDE_DOWN * side / down)
        scale = min(1.0, scale)
        sizes = [view.size(scale) for view in shown]
        wholes = (max(width for width, _ in sizes), sum(height for _, height in sizes) + GAP * (len(shown) - 1))
        corner = (0, wholes[1] + GAP) if below else (wholes[0] + GAP, 0)
        share = 1 - corner[0] / side
        for columns in range(math.ceil(FEWEST * share), math.floor(MOST * share) + 1):
            width = (side - corner[0] - GAP * (columns - 1)) // columns
            yield _Layout(side, scale, wholes, corner, columns, (width, round(width / CROP_SHAPE)))


def _marked(view: ShownView, ranked: Detections, number: int, layout: _Layout) -> UInt8:
    """The view with this number, shrunk, with the marks of its own detections; their numbers count all views."""
    picture = view.whole(layout.scale)
    own = np.flatnonzero(ranked.views == number)
    marks = [
        Mark(f"{rank + 1}" if rank < MOST_CROPS else "", box, colours)
        for rank, (_, box, colours) in zip(own.tolist(), boxes(ranked[own], picture, layout.scale), strict=True)
    ]
    draw_marks(picture, marks, layout.pen, layout.on_screen(LEAST_FRAME))
    return picture


def _summary(count: int, scale: float) -> str:
    shrunk = f"The whole at {scale:.0%}" if scale < 1 else "The whole"
    if count <= MOST_CROPS:
        return f"{shrunk}, and what was found, strongest first"
    return f"{shrunk}, the {MOST_CROPS} strongest, and {count - MOST_CROPS} more framed without a number"


def _draw_crop(
    canvas: UInt8, layout: _Layout, index: int, one: Detection, shown: list[ShownView], told: tuple[str, ColourPair]
) -> None:
    """The crop with this index and the words above it. told: what it is called, and its colours."""
    words, colours = told
    picture, box, factor = cropped(shown[one.view], one.box_xyxy, layout.size)
    width = layout.pen.width
    # Round the item, not on it: it may be no wider than a few lines.
    frame(picture, (box[0] - width, box[1] - width, box[2] + width, box[3] + width), colours, width)
    x, y = layout.place(index)
    right, top = x + layout.size[0], y + layout.words
    canvas[top : top + layout.size[1], x:right] = picture
    frame(canvas, (x, top, right - 1, top + layout.size[1] - 1), _DIM[::-1], 1)
    view = f", view {one.view + 1}" if len(shown) > 1 else ""
    x1, y1, x2, y2 = one.box_xyxy
    measured = f"{x2 - x1:.0f} x {y2 - y1:.0f} px"
    after = _write(canvas, f"{index + 1}", (x, y, right), layout, colours)
    after = _write(canvas, f"{words}{view}", (after, y, right), layout, _INK)
    for text in (f"{measured} at {factor:.1f} : 1", measured):
        if fit(text, layout.pen, right - after, layout.words)[0] == layout.pen:
            _write(canvas, text, (after, y, right), layout, _DIM)
            break


def _write(canvas: UInt8, text: str, place: tuple[int, int, int], layout: _Layout, colours: ColourPair) -> int:
    """Writes one line from the left and upper end in `place`, up to its right one at most. Returns where it ends."""
    left, top, right = place
    if right - left < layout.words:
        return left
    pen, width, height = fit(text, layout.pen, right - left, layout.words)
    top += (layout.words - height) // 2
    filled(canvas, (left, top, left + width - 1, top + height - 1), text, colours, pen)
    return left + width


def small_picture(scan: Scan, found: Detections, view: int, size: tuple[int, int]) -> UInt8:
    """(H, W, 3) RGB within `size` (width, height): one view with its frames, and the strongest of `found` cut out where
    there is room. found: of this view."""
    shown = ShownView(scan.views[view])
    scale = min(size[0] / shown.width, size[1] / shown.height, 1.0)
    whole = shown.whole(scale)
    marks = [Mark("", box, colours) for _, box, colours in boxes(found, whole, scale)]
    draw_marks(whole, marks, Pen(2, 0.4), THUMBNAIL_FRAME)
    across, down = size[0] - whole.shape[1] - THUMBNAIL_GAP, size[1] - whole.shape[0] - THUMBNAIL_GAP
    if not needs_sheet(scan, found) or max(across, down) < THUMBNAIL_CROP:
        return whole
    wide = down >= across
    crop = _small_crop(shown, found, (size[0], down) if wide else (across, size[1]))
    canvas = np.full((size[1], size[0], 3), AIR, np.uint8)
    canvas[: whole.shape[0], : whole.shape[1]] = whole
    canvas[-crop.shape[0] :, -crop.shape[1] :] = crop
    return canvas


def _small_crop(shown: ShownView, found: Detections, size: tuple[int, int]) -> UInt8:
    strongest = found.sorted_by_score()[:1]
    crop, box, _ = cropped(shown, next(iter(strongest)).box_xyxy, size)
    frame(crop, (box[0] - 2, box[1] - 2, box[2] + 2, box[3] + 2), colours_of(int(strongest.class_ids[0])), 2)
    return crop
