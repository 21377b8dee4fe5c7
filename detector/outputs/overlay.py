"""Pictures for people: overlays/ with the boxes that decided, and the small ones for the report.

    >>> write_overlay(scan, inspection, thresholds, folder / "overlays")
    PosixPath('out/overlays/bag_0001.png.jpg')

Only boxes at or above their class's alarm or refer score are drawn; results.jsonl lists the weaker ones. A long scan
with items too small to be made out in it becomes a sheet: the whole with marks, and a crop of each (long_scan.py).
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np

from detector.detections import Detections
from detector.errors import ScanWithoutContent
from detector.inspection import Inspection
from detector.normalise import AIR, UInt8, render
from detector.outputs.atomic import write_bytes_whole
from detector.outputs.drawing import GAP, Pen, Rectangle, boxes, frame, jpeg, label, resized, stacked
from detector.outputs.long_scan import is_long, needs_sheet, sheet, small_picture
from detector.outputs.shown_view import ShownView
from detector.policy import decisive, told_score
from detector.scan import Pixels, Scan
from detector.scan_names import overlay_name, storable_text
from detector.settings import EffectiveThresholds

#: Longest side in pixels of an overlay: browsers and JPEG take this much, and a container stays legible.
LARGEST_OVERLAY = 8192
#: Pixels of a long scan's overlay at most: memory is a few times this.
MOST_PIXELS = 16_000_000
#: Shorter scans are enlarged to this, so that a label fits.
SMALLEST_OVERLAY = 480
#: Bytes of an overlay's beginning that hold its comment.
COMMENT_WITHIN = 256
#: How an overlay of a run begins: what `_commented` makes, with the mark that `Key.mark` gives its result.
_OVERLAY = re.compile(rb"\xff\xd8\xff\xe0\0\x10JFIF\0.{9}\xff\xfe..roentgate [0-9a-f]{32}", re.S)
#: Width and height in pixels within which a report's picture fits.
THUMBNAIL_BOX = (168, 112)


def write_overlay(
    scan: Scan, inspection: Inspection, thresholds: EffectiveThresholds, folder: Path, mark: str = ""
) -> Path:
    """Draws all views of `scan`, one below the other, into `folder` as JPEG; the name is `scan_names.overlay_name`'s.

    Boxes are in pixels of the view as stored; the picture is the scan's size unless that is very small or very large,
    or a sheet where an item could not be made out otherwise. `folder` must exist. mark: what `shows` will ask for, kept
    in the file as a comment beside the scan's own, which `remove_overlay` asks for. Raises OSError.
    """
    found = decisive(inspection.detections, thresholds)
    picture = sheet(scan, found, thresholds) if needs_sheet(scan, found) else _whole(scan, found, thresholds)
    path = folder / overlay_name(inspection.scan)
    write_bytes_whole(path, _commented(jpeg(picture, quality=90), f"{mark} {_scan_mark(inspection.scan)}".encode()))
    return path


def is_overlay(path: Path) -> bool:
    """Whether a run drew this picture. Anything else may be a scan, so a file that cannot be read is none."""
    return _OVERLAY.match(_beginning(path)) is not None


def shows(scan: str, folder: Path, mark: str) -> bool:
    """Whether the scan at this path has an overlay that was written with this mark."""
    return mark.encode() in _beginning(folder / overlay_name(scan))


def remove_overlay(scan: str, folder: Path) -> None:
    """Removes an earlier run's overlay of the scan at this path, so that none stands beside a newer result. A picture
    of anything else, whatever it is called, is not ours to remove."""
    path = folder / overlay_name(scan)
    if _scan_mark(scan).encode() in _beginning(path):
        path.unlink(missing_ok=True)


def _scan_mark(scan: str) -> str:
    return f"of scan {hashlib.sha256(storable_text(scan).encode()).hexdigest()[:32]}"


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(COMMENT_WITHIN)
    except OSError:
        return b""


def _commented(data: bytes, comment: bytes) -> bytes:
    """A JPEG with a comment segment (ITU-T T.81, B.2.4.5) behind its first one, which must be JFIF's own."""
    end = 4 + int.from_bytes(data[4:6], "big")
    return data[:end] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[end:]


def thumbnail(scan: Scan, inspection: Inspection, thresholds: EffectiveThresholds) -> bytes:
    """A JPEG of a few kilobytes within THUMBNAIL_BOX, boxes drawn without words; kept in the ledger for the report."""
    found = decisive(inspection.detections, thresholds)
    # The view that decided; the first where none did.
    view = int(found.sorted_by_score().views[0]) if len(found) else 0
    own = found[found.views == view]
    if is_long(scan):
        return jpeg(small_picture(scan, own, view, THUMBNAIL_BOX), quality=72)
    picture = _picture(scan.views[view])
    scale = min(THUMBNAIL_BOX[0] / picture.shape[1], THUMBNAIL_BOX[1] / picture.shape[0], 1.0)
    small = resized(picture, scale)
    for _, rectangle, colours in boxes(own, small, scale):
        frame(small, rectangle, colours, 2)
    return jpeg(small, quality=72)


def _whole(scan: Scan, found: Detections, thresholds: EffectiveThresholds) -> UInt8:
    long, scale = is_long(scan), _overlay_scale(scan)
    pictures = []
    for number, view in enumerate(scan.views):
        canvas = ShownView(view).whole(scale) if long else resized(_picture(view), scale)
        _draw(canvas, found[found.views == number], thresholds, scale)
        pictures.append(canvas)
    return stacked(pictures)


def _overlay_scale(scan: Scan) -> float:
    """One factor for all views, so that the same item has the same size in each."""
    across = max(int(view.shape[1]) for view in scan.views)
    down = sum(int(view.shape[0]) for view in scan.views) + GAP * (len(scan.views) - 1)
    longest = max(across, down)
    if longest <= SMALLEST_OVERLAY:
        return SMALLEST_OVERLAY / longest
    largest = min(1.0, LARGEST_OVERLAY / longest)
    return min(largest, (MOST_PIXELS / (across * down)) ** 0.5) if is_long(scan) else largest


def _draw(canvas: UInt8, found: Detections, thresholds: EffectiveThresholds, scale: float) -> None:
    """Boxes and labels; the strongest label gets its place first."""
    size = float(canvas.shape[0] * canvas.shape[1]) ** 0.5
    pen = Pen(width=max(2, round(size / 280)), font_scale=float(np.clip(size / 1000, 0.5, 4.0)))
    drawn = list(boxes(found, canvas, scale))
    for _, rectangle, colours in reversed(drawn):
        frame(canvas, rectangle, colours, pen.width)
    taken: list[Rectangle] = []
    for one, rectangle, colours in drawn:
        words = f"{one.class_name} {told_score(one.class_name, one.score, thresholds)}"
        taken.append(label(canvas, words, rectangle, colours, pen, taken))


def _picture(view: Pixels) -> UInt8:
    """(H, W, 3) RGB that may be drawn on; air where the view shows nothing at all."""
    try:
        picture = render(view)
    except ScanWithoutContent:
        return np.full((*view.shape[:2], 3), AIR, np.uint8)
    return picture.copy() if np.shares_memory(picture, view) else picture
