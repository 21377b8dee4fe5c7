"""Pictures for people: overlays/ with the boxes that decided, and the small ones for the report.

    >>> write_overlay(scan, inspection, thresholds, folder / "overlays")
    PosixPath('out/overlays/bag_0001.png.jpg')

Only boxes at or above their class's alarm or refer score are drawn; results.jsonl lists the weaker ones. Colours keep
away from the orange, green and blue of X-ray pseudo-colour, and every box has its class in words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from detector.detections import Detection, Detections
from detector.errors import ScanWithoutContent
from detector.inspection import Inspection
from detector.normalise import AIR, UInt8, render
from detector.outputs.atomic import write_bytes_whole
from detector.outputs.record import overlay_name
from detector.policy import decisive
from detector.scan import Pixels, Scan
from detector.settings import EffectiveThresholds

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
#: Longest side in pixels of an overlay: browsers and JPEG take this much, and a container stays legible.
LARGEST_OVERLAY = 8192
#: Shorter scans are enlarged to this, so that a label fits.
SMALLEST_OVERLAY = 480
#: Width and height in pixels within which a report's picture fits.
THUMBNAIL_BOX = (168, 112)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
#: Gap between the views of one scan, in pixels.
_GAP = 8


@dataclass(frozen=True)
class _Pen:
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


def write_overlay(scan: Scan, inspection: Inspection, thresholds: EffectiveThresholds, folder: Path) -> Path:
    """Draws all views of `scan`, one below the other, into `folder` as JPEG; the name is `overlay_name`'s.

    Boxes are in pixels of the view as stored; the picture is the scan's size unless that is very small or very large.
    `folder` must exist. Raises OSError.
    """
    found = decisive(inspection.detections, thresholds)
    scale = _overlay_scale(scan)
    pictures = [_overlay(view, found[found.views == number], scale) for number, view in enumerate(scan.views)]
    path = folder / overlay_name(inspection.scan)
    write_bytes_whole(path, _jpeg(_stack(pictures), quality=90))
    return path


def remove_overlay(scan: str, folder: Path) -> None:
    """Removes an earlier run's overlay of the scan at this path, so that none stands beside a newer result."""
    (folder / overlay_name(scan)).unlink(missing_ok=True)


def thumbnail(scan: Scan, inspection: Inspection, thresholds: EffectiveThresholds) -> bytes:
    """A JPEG of a few kilobytes within THUMBNAIL_BOX, boxes drawn without words; kept in the ledger for the report."""
    found = decisive(inspection.detections, thresholds)
    # The view that decided; the first where none did.
    view = int(found.sorted_by_score().views[0]) if len(found) else 0
    picture = _picture(scan.views[view])
    scale = min(THUMBNAIL_BOX[0] / picture.shape[1], THUMBNAIL_BOX[1] / picture.shape[0], 1.0)
    small = _resize(picture, scale)
    for _, rectangle, (line, outline) in _boxes(found[found.views == view], small, scale):
        _frame(small, rectangle, line, outline, 2)
    return _jpeg(small, quality=72)


def _overlay_scale(scan: Scan) -> float:
    """One factor for all views, so that the same item has the same size in each."""
    across = max(int(view.shape[1]) for view in scan.views)
    down = sum(int(view.shape[0]) for view in scan.views) + _GAP * (len(scan.views) - 1)
    longest = max(across, down)
    return min(1.0, LARGEST_OVERLAY / longest) if longest > SMALLEST_OVERLAY else SMALLEST_OVERLAY / longest


def _overlay(view: Pixels, found: Detections, scale: float) -> UInt8:
    """(H, W, 3) RGB: the view times `scale`, boxes and labels drawn; the strongest label gets its place first."""
    canvas = _resize(_picture(view), scale)
    size = float(canvas.shape[0] * canvas.shape[1]) ** 0.5
    pen = _Pen(width=max(2, round(size / 280)), font_scale=float(np.clip(size / 1000, 0.5, 4.0)))
    boxes = list(_boxes(found, canvas, scale))
    for _, rectangle, (line, outline) in reversed(boxes):
        _frame(canvas, rectangle, line, outline, pen.width)
    taken: list[Rectangle] = []
    for one, rectangle, (line, ink) in boxes:
        # Hershey letters are ASCII; OpenCV draws a question mark for each other one.
        taken.append(_label(canvas, f"{one.class_name} {one.score:.2f}", rectangle, (line, ink), pen, taken))
    return canvas


def _picture(view: Pixels) -> UInt8:
    """(H, W, 3) RGB that may be drawn on; air where the view shows nothing at all."""
    try:
        picture = render(view)
    except ScanWithoutContent:
        return np.full((*view.shape[:2], 3), AIR, np.uint8)
    return picture.copy() if np.shares_memory(picture, view) else picture


def _resize(picture: UInt8, scale: float) -> UInt8:
    if scale == 1:
        return picture
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=method), np.uint8)


def _boxes(found: Detections, canvas: UInt8, scale: float) -> Iterator[tuple[Detection, Rectangle, ColourPair]]:
    """Each detection, the strongest first, with its box inside the canvas and its colours."""
    limits = np.array([canvas.shape[1], canvas.shape[0]] * 2) - 1
    ranked = found.sorted_by_score()
    for one, class_id, box in zip(ranked, ranked.class_ids, ranked.boxes_xyxy * scale, strict=True):
        x1, y1, x2, y2 = np.clip(np.rint(box), 0, limits).astype(int).tolist()
        yield one, (x1, y1, x2, y2), PALETTE[int(class_id) % len(PALETTE)]


def _frame(canvas: UInt8, rectangle: Rectangle, line: Colour, outline: Colour, width: int) -> None:
    # The outline of opposite brightness keeps the frame visible on dense material and on air alike.
    for colour, thickness in ((outline, width + 2 * max(1, width // 3)), (line, width)):
        cv2.rectangle(canvas, rectangle[:2], rectangle[2:], colour, thickness, cv2.LINE_8)


def _label(
    canvas: UInt8, text: str, box: Rectangle, colours: ColourPair, pen: _Pen, taken: list[Rectangle]
) -> Rectangle:
    """Writes `text` by its box, inside the canvas, off the labels in `taken` where there is room. Returns its place."""
    pen, width, height, ascent = _fit(text, pen, canvas.shape[1], canvas.shape[0])
    x, y = _place(box, (width, height), (canvas.shape[1], canvas.shape[0]), taken)
    rectangle = (x, y, x + width - 1, y + height - 1)
    cv2.rectangle(canvas, rectangle[:2], rectangle[2:], colours[0], cv2.FILLED)
    origin = (x + pen.padding, y + pen.padding + ascent)
    cv2.putText(canvas, text, origin, _FONT, pen.font_scale, colours[1], pen.stroke, cv2.LINE_AA)
    return rectangle


def _fit(text: str, pen: _Pen, width: int, height: int) -> tuple[_Pen, int, int, int]:
    """The pen, with smaller letters where the label would not fit; the label's width and height; the ascent."""
    while True:
        (across, ascent), descent = cv2.getTextSize(text, _FONT, pen.font_scale, pen.stroke)
        label = (across + 2 * pen.padding, ascent + descent + 2 * pen.padding)
        if (label[0] <= width and label[1] <= height) or pen.font_scale < 0.2:
            return pen, min(label[0], width), min(label[1], height), ascent
        pen = _Pen(pen.width, pen.font_scale * 0.9)


def _place(box: Rectangle, label: tuple[int, int], canvas: tuple[int, int], taken: list[Rectangle]) -> tuple[int, int]:
    """Top left corner of the first place that is free: above the box, below it, within it; above it where none is."""
    x1, y1, x2, y2 = box
    width, height = label
    wishes = [(x1, y1 - height), (x2 - width, y1 - height), (x1, y2 + 1), (x2 - width, y2 + 1)]
    wishes += [(x1, y) for y in range(y1, y2, height)] + [(x1, y) for y in range(y2 + 1, y2 + 5 * height, height)]
    places = [_clamped(*wish, label, canvas) for wish in wishes]
    # A place pushed back over the item by the border of the picture is taken only when no other is left.
    for obstacles in ([*taken, box], taken):
        for x, y in places:
            if not any(_overlap((x, y, x + width - 1, y + height - 1), other) for other in obstacles):
                return x, y
    return places[0]


def _clamped(x: int, y: int, label: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int]:
    return max(0, min(x, canvas[0] - label[0])), max(0, min(y, canvas[1] - label[1]))


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _stack(pictures: list[UInt8]) -> UInt8:
    """The pictures one below the other on air, with a dark line between them."""
    if len(pictures) == 1:
        return pictures[0]
    width = max(picture.shape[1] for picture in pictures)
    rows: list[UInt8] = []
    for picture in pictures:
        row = np.full((picture.shape[0], width, 3), AIR, np.uint8)
        row[:, : picture.shape[1]] = picture
        rows += [row, np.full((_GAP, width, 3), 60, np.uint8)]
    return np.concatenate(rows[:-1])


def _jpeg(picture: UInt8, quality: int) -> bytes:
    done, content = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise OSError("OpenCV could not encode a JPEG")
    return content.tobytes()
