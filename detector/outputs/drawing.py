"""What pictures for people are drawn with: colours, frames, labels that stay inside, JPEG.

A picture is (H, W, 3) uint8 RGB and is drawn on in place; a Rectangle is x1 y1 x2 y2 in its pixels, ends included.
Colours keep away from the orange, green and blue of X-ray pseudo-colour, and every box has its class in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from detector.detections import Detection, Detections
from detector.normalise import AIR, UInt8

Colour = tuple[int, int, int]
#: (line and label, letters and outline)
ColourPair = tuple[Colour, Colour]
Rectangle = tuple[int, int, int, int]

_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
#: RGB by class id, repeated when there are more classes. Contrast of the pair >= 4.5 : 1.
PALETTE: tuple[ColourPair, ...] = (
    ((200, 0, 120), _WHITE),  # magenta
    ((255, 235, 0), _BLACK),  # yellow
    ((205, 0, 0), _WHITE),  # red
    ((0, 235, 245), _BLACK),  # cyan
    ((105, 0, 200), _WHITE),  # violet
    ((190, 255, 0), _BLACK),  # lime
    ((255, 150, 215), _BLACK),  # pink
    ((30, 30, 30), _WHITE),  # black
    ((110, 45, 45), _WHITE),  # maroon
)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
#: Gap between pictures one below the other, in pixels.
GAP = 8


@dataclass(frozen=True)
class Pen:
    """Line width and letters that suit one picture. font_scale: of OpenCV's Hershey letters, 1.0 is 22 pixels high."""

    width: int
    font_scale: float

    @property
    def stroke(self) -> int:
        """Thickness of the letters, in pixels."""
        return max(1, round(self.font_scale * 1.8))

    @property
    def padding(self) -> int:
        """Space round the letters, in pixels."""
        return max(2, round(self.font_scale * 6))


def resized(picture: UInt8, scale: float) -> UInt8:
    """The picture times `scale`, at least a pixel wide and high; itself where that changes nothing."""
    if scale == 1:
        return picture
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=method), np.uint8)


def colours_of(class_id: int) -> ColourPair:
    """The class's pair of PALETTE."""
    return PALETTE[class_id % len(PALETTE)]


def boxes(found: Detections, canvas: UInt8, scale: float) -> Iterator[tuple[Detection, Rectangle, ColourPair]]:
    """Each detection, the strongest first, with its box times `scale` inside the canvas and its colours."""
    limits = np.array([canvas.shape[1], canvas.shape[0]] * 2) - 1
    ranked = found.sorted_by_score()
    for one, class_id, box in zip(ranked, ranked.class_ids, ranked.boxes_xyxy * scale, strict=True):
        x1, y1, x2, y2 = np.clip(np.rint(box), 0, limits).astype(int).tolist()
        yield one, (x1, y1, x2, y2), colours_of(int(class_id))


def frame(canvas: UInt8, rectangle: Rectangle, colours: ColourPair, width: int) -> None:
    """Draws a frame `width` pixels wide."""
    line, outline = colours
    # The outline of opposite brightness keeps the frame visible on dense material and on air alike.
    for colour, thickness in ((outline, width + 2 * max(1, width // 3)), (line, width)):
        cv2.rectangle(canvas, rectangle[:2], rectangle[2:], colour, thickness, cv2.LINE_8)


def label(
    canvas: UInt8, text: str, box: Rectangle, colours: ColourPair, pen: Pen, taken: Sequence[Rectangle]
) -> Rectangle:
    """Writes `text` by its box, inside the canvas, off the labels in `taken` where there is room. Returns its place."""
    pen, width, height = fit(text, pen, canvas.shape[1], canvas.shape[0])
    x, y = _place(box, (width, height), (canvas.shape[1], canvas.shape[0]), taken)
    rectangle = (x, y, x + width - 1, y + height - 1)
    filled(canvas, rectangle, text, colours, pen)
    return rectangle


def filled(canvas: UInt8, rectangle: Rectangle, text: str, colours: ColourPair, pen: Pen) -> None:
    """Fills the rectangle and writes `text` from its top left corner; `fit` says what size it takes."""
    cv2.rectangle(canvas, rectangle[:2], rectangle[2:], colours[0], cv2.FILLED)
    (_, ascent), _ = cv2.getTextSize(text, _FONT, pen.font_scale, pen.stroke)
    origin = (rectangle[0] + pen.padding, rectangle[1] + pen.padding + ascent)
    # Hershey letters are ASCII; OpenCV draws a question mark for each other one.
    cv2.putText(canvas, text, origin, _FONT, pen.font_scale, colours[1], pen.stroke, cv2.LINE_AA)


def fit(text: str, pen: Pen, width: int, height: int) -> tuple[Pen, int, int]:
    """The pen, with smaller letters where the label would not fit; the label's width and height."""
    while True:
        (across, ascent), descent = cv2.getTextSize(text, _FONT, pen.font_scale, pen.stroke)
        size = (across + 2 * pen.padding, ascent + descent + 2 * pen.padding)
        if (size[0] <= width and size[1] <= height) or pen.font_scale < 0.2:
            return pen, min(size[0], width), min(size[1], height)
        pen = Pen(pen.width, pen.font_scale * 0.9)


def _place(
    box: Rectangle, size: tuple[int, int], canvas: tuple[int, int], taken: Sequence[Rectangle]
) -> tuple[int, int]:
    """Top left corner of the first place that is free: above the box, below it, within it; above it where none is."""
    x1, y1, x2, y2 = box
    width, height = size
    wishes = [(x1, y1 - height), (x2 - width, y1 - height), (x1, y2 + 1), (x2 - width, y2 + 1)]
    wishes += [(x1, y) for y in range(y1, y2, height)] + [(x1, y) for y in range(y2 + 1, y2 + 5 * height, height)]
    places = [clamped(*wish, size, canvas) for wish in wishes]
    # A place pushed back over the item by the border of the picture is taken only when no other is left.
    for obstacles in ([*taken, box], taken):
        for x, y in places:
            if not any(overlap((x, y, x + width - 1, y + height - 1), other) for other in obstacles):
                return x, y
    return places[0]


def clamped(x: int, y: int, size: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int]:
    """The top left corner nearest to (x, y) from which `size`, (width, height), lies inside the canvas."""
    return max(0, min(x, canvas[0] - size[0])), max(0, min(y, canvas[1] - size[1]))


def overlap(one: Rectangle, other: Rectangle) -> bool:
    """Whether the two share a pixel."""
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def stacked(pictures: list[UInt8]) -> UInt8:
    """The pictures one below the other on air, with a dark line between them."""
    if len(pictures) == 1:
        return pictures[0]
    width = max(picture.shape[1] for picture in pictures)
    rows: list[UInt8] = []
    for picture in pictures:
        row = np.full((picture.shape[0], width, 3), AIR, np.uint8)
        row[:, : picture.shape[1]] = picture
        rows += [row, np.full((GAP, width, 3), 60, np.uint8)]
    return np.concatenate(rows[:-1])


def jpeg(picture: UInt8, quality: int) -> bytes:
    """(H, W, 3) RGB -> the bytes of a file. Raises OSError."""
    return _encoded(picture, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])


def png(picture: UInt8) -> bytes:
    """(H, W, 3) RGB -> the bytes of a file. Raises OSError."""
    return _encoded(picture, ".png", [])


def _encoded(picture: UInt8, ending: str, options: list[int]) -> bytes:
    done, content = cv2.imencode(ending, picture[:, :, ::-1], options)
    if not done:
        raise OSError(f"OpenCV could not encode a picture as {ending}")
    return content.tobytes()
