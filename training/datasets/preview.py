"""Pictures of annotated scans: boxes with names, and a contact sheet of a whole split.

>>> preview(Path("data"), "train", Path("sheet.png"), count=24)                                 # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from detector.errors import ScanUnreadable, SettingsInvalid
from detector.normalisation.standardise import standardised
from detector.normalise import UInt8, render
from detector.outputs.atomic import write_bytes_whole
from detector.readers import Limits, read_scan
from detector.readers.files import read_file
from detector.scanner_profile import parse_profile
from training.datasets.coco_index import AnnotatedScan, CocoIndex, read_coco

Colour = tuple[int, int, int]

#: RGB. X-ray pseudo-colour is orange, green and blue, so boxes keep to hues that it does not use; a white edge keeps
#: them visible on dense material.
TRUTH, DETECTION, IGNORED = (0, 0, 0), (226, 0, 116), (120, 120, 120)
_WHITE: Colour = (255, 255, 255)
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.42
#: Pixels of a contact sheet: a cell's side, the strip with the file's name below it, and the gap around.
_CELL, _STRIP, _GAP = 300, 34, 8


@dataclass(frozen=True)
class Label:
    """A box to draw: pixels of the picture, the text, its RGB colour, and whether the text stands below the box.

    Ground truth is named below and detections above, so that neither hides the other on the same item.
    """

    box_xyxy: tuple[float, float, float, float]
    text: str
    colour: Colour
    below: bool = False


def read_picture(path: Path) -> UInt8:
    """The first view of a scan as (H, W, 3) uint8 RGB, drawn by the profile beside it if there is one.

    Raises ScanUnreadable and its kin.
    """
    scan = read_scan(read_file(path, str(path), Limits()), str(path))
    if not scan.profile:
        return render(scan.views[0])
    try:
        return standardised(scan, parse_profile(scan.profile, f"the profile beside {path}")).images[0]
    except SettingsInvalid as error:
        raise ScanUnreadable(error.what, remedy=error.remedy) from None


def write_picture(image: UInt8, path: Path) -> None:
    """Writes (H, W, 3) RGB as the format that the name's ending says. Raises SettingsInvalid if that fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes_whole(path, encode_picture(image, path.suffix))


def encode_picture(image: UInt8, ending: str) -> bytes:
    """(H, W, 3) RGB -> the bytes of a .png or .jpg. Raises SettingsInvalid for an ending that cannot be written."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, 88] if ending in (".jpg", ".jpeg") else []
    try:
        written, encoded = cv2.imencode(ending, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)
    except cv2.error:
        written = False
    if not written:
        raise SettingsInvalid(
            f"cannot write a picture as {ending or 'a file without ending'}", remedy="use .png or .jpg"
        )
    return encoded.tobytes()


def draw(image: UInt8, labels: Sequence[Label], scale: float = 1.0) -> UInt8:
    """A copy of the picture, enlarged or shrunk by `scale`, with the labels' boxes in its own pixels before scaling."""
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    drawn = cv2.resize(image, size, interpolation=method).astype(np.uint8, copy=False)
    corners = [tuple(round(value * scale) for value in label.box_xyxy) for label in labels]
    for thickness, edge in ((4, True), (2, False)):
        for (x1, y1, x2, y2), label in zip(corners, labels, strict=True):
            cv2.rectangle(drawn, (x1, y1), (x2, y2), _WHITE if edge else label.colour, thickness)
    for corner, label in zip(corners, labels, strict=True):
        _write(drawn, label, corner)
    return drawn


def truth_labels(scan: AnnotatedScan, class_names: Sequence[str]) -> list[Label]:
    """The ground truth as labels."""
    rows = zip(scan.boxes_xyxy.tolist(), scan.class_ids.tolist(), scan.ignore.tolist(), strict=True)
    return [
        Label((box[0], box[1], box[2], box[3]), class_names[class_id], IGNORED if ignored else TRUTH, below=True)
        for box, class_id, ignored in rows
    ]


def preview(data: Path, split: str, output: Path, count: int = 24, seed: int = 0) -> Path:
    """Writes a contact sheet of `count` scans of a split, every class in turn and clean scans too; returns its path.

    The same seed gives the same sheet. Raises SettingsInvalid for a data folder that cannot be read or an empty split.
    """
    index = read_coco(data, split)
    if not index.scans or count < 1:
        raise SettingsInvalid(
            f"{data}, {split}: no scans to show", remedy="name a split with scans, and a count above 0"
        )
    cells = [_cell(index.scans[row], index.class_names) for row in balanced_choice(index, count, seed)]
    write_picture(_sheet(cells), output)
    return output


def balanced_choice(index: CocoIndex, count: int, seed: int) -> list[int]:
    """Positions of `count` different scans (or all): one of each class in turn, then one without boxes, and again."""
    random = np.random.default_rng(seed)
    groups = [_shuffled(index, random, class_id) for class_id in range(len(index.class_names))]
    groups.append(_shuffled(index, random, None))
    chosen: dict[int, None] = {}
    while len(chosen) < min(count, len(index)):
        for group in groups:
            while group and group[-1] in chosen:
                group.pop()
            if group and len(chosen) < count:
                chosen[group.pop()] = None
    return list(chosen)


def _shuffled(index: CocoIndex, random: np.random.Generator, class_id: int | None) -> list[int]:
    """Scans that hold the class, or for None those that hold nothing, in random order."""
    if class_id is None:
        rows = [row for row, scan in enumerate(index.scans) if not len(scan.class_ids)]
    else:
        rows = [row for row, scan in enumerate(index.scans) if (scan.class_ids == class_id).any()]
    return [int(row) for row in random.permutation(rows)]


def _cell(scan: AnnotatedScan, class_names: Sequence[str]) -> UInt8:
    cell = np.full((_CELL + _STRIP, _CELL, 3), 255, np.uint8)
    try:
        image = read_picture(scan.path)
    except ScanUnreadable as error:
        _caption(cell, type(error).__name__, scan.path.name)
        return cell
    scale = _CELL / max(image.shape[:2])
    drawn = draw(image, truth_labels(scan, class_names), scale)[:_CELL, :_CELL]
    top, left = (_CELL - drawn.shape[0]) // 2, (_CELL - drawn.shape[1]) // 2
    cell[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn
    _caption(cell, scan.path.name, f"{scan.source}, {scan.width} x {scan.height}")
    return cell


def _caption(cell: UInt8, first: str, second: str) -> None:
    for line, (text, grey) in enumerate(((first, 30), (second, 120))):
        place = (2, _CELL + 13 + 15 * line)
        cv2.putText(cell, text[:44], place, _FONT, 0.38, (grey, grey, grey), 1, cv2.LINE_AA)


def _sheet(cells: Sequence[UInt8]) -> UInt8:
    columns = max(1, min(len(cells), round(len(cells) ** 0.5 * 1.25)))
    rows = -(-len(cells) // columns)
    height, width = _CELL + _STRIP + _GAP, _CELL + _GAP
    sheet = np.full((rows * height + _GAP, columns * width + _GAP, 3), 236, np.uint8)
    for number, cell in enumerate(cells):
        top, left = _GAP + number // columns * height, _GAP + number % columns * width
        sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return sheet


def _write(image: UInt8, label: Label, corners: Sequence[int]) -> None:
    """White text on a patch of the label's colour, outside its box; inside where the picture ends."""
    if not label.text:
        return
    (width, height), _ = cv2.getTextSize(label.text, _FONT, _FONT_SCALE, 1)
    left, patch = max(0, min(corners[0], image.shape[1] - width - 4)), height + 6
    if label.below:
        bottom = corners[3] + patch if corners[3] + patch <= image.shape[0] else corners[3]
    else:
        bottom = corners[1] if corners[1] >= patch else corners[1] + patch
    cv2.rectangle(image, (left, bottom - patch), (left + width + 4, bottom), label.colour, cv2.FILLED)
    cv2.putText(image, label.text, (left + 2, bottom - 4), _FONT, _FONT_SCALE, _WHITE, 1, cv2.LINE_AA)
