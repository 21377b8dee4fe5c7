"""Pictures of the worst misses and the worst false alarms: the whole scan, and beside it the place in question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from detector.detections import Detections
from detector.errors import ScanUnreadable
from detector.normalise import AIR, UInt8
from training.datasets.coco_index import CocoIndex
from training.datasets.preview import DETECTION, Label, draw, read_picture, truth_labels, write_picture
from training.evaluation.errors_found import WORDS, Box, ErrorsFound, FalseAlarm, Miss

#: Pictures of each kind, and how many of them may be of one class: the rest would be more of the same.
_PICTURES, _OF_ONE_CLASS = 12, 3
#: Pixels: height of a picture, and the widest that the whole scan may be.
_HEIGHT, _WIDEST = 300, 480
#: How much is shown around the box in question, in multiples of its longer side, but at least so many pixels.
_AROUND, _LEAST_VIEW = 2.2, 96

_Error = TypeVar("_Error", Miss, FalseAlarm)


@dataclass(frozen=True)
class GalleryPicture:
    """One picture. title and detail are for the caption."""

    path: Path
    title: str
    detail: str


@dataclass(frozen=True)
class Gallery:
    """The pictures, worst first."""

    misses: tuple[GalleryPicture, ...]
    false_alarms: tuple[GalleryPicture, ...]


def write_gallery(
    index: CocoIndex, aligned: Sequence[Detections], errors: ErrorsFound, thresholds: dict[str, float], folder: Path
) -> Gallery:
    """Writes the pictures into `folder`. aligned: of `alignment.align`. Scans that cannot be read are left out."""
    painter = _Painter(index, aligned, thresholds, folder)
    misses = (painter.miss(rank, miss) for rank, miss in enumerate(_worst(errors.misses), start=1))
    alarms = (painter.false_alarm(rank, alarm) for rank, alarm in enumerate(_worst(errors.false_alarms), start=1))
    return Gallery(tuple(picture for picture in misses if picture), tuple(picture for picture in alarms if picture))


def _worst(errors: Sequence[_Error]) -> list[_Error]:
    """The first few of each class, in the order given."""
    seen: Counter[str] = Counter()
    kept: list[_Error] = []
    for error in errors:
        seen[error.class_name] += 1
        if seen[error.class_name] <= _OF_ONE_CLASS and len(kept) < _PICTURES:
            kept.append(error)
    return kept


@dataclass(frozen=True)
class _Painter:
    index: CocoIndex
    aligned: Sequence[Detections]
    thresholds: dict[str, float]
    folder: Path

    def miss(self, rank: int, miss: Miss) -> GalleryPicture | None:
        threshold = self.thresholds[miss.class_name]
        best = f"best box on it {miss.best_score:.2f}" if miss.best_score else "no box on it at any score"
        name = f"miss_{rank:02d}.jpg"
        return self._write(
            name, miss.scan, miss.box_xyxy, f"{miss.class_name} missed", f"{best}, alarm at {threshold:.2f}"
        )

    def false_alarm(self, rank: int, alarm: FalseAlarm) -> GalleryPicture | None:
        where = "clean scan" if alarm.on_clean else "scan with items"
        title = f"{alarm.class_name} {alarm.score:.2f}"
        name = f"false_alarm_{rank:02d}.jpg"
        return self._write(name, alarm.scan, alarm.box_xyxy, title, f"{WORDS[alarm.kind]}, {where}")

    def _write(self, name: str, number: int, box: Box, title: str, detail: str) -> GalleryPicture | None:
        scan = self.index.scans[number]
        try:
            image = read_picture(scan.path)
        except ScanUnreadable:
            # The metrics stand; only its picture is lost.
            return None
        labels = truth_labels(scan, self.index.class_names) + self._alarms(number)
        write_picture(beside_close_up(image, labels, box), self.folder / name)
        return GalleryPicture(self.folder / name, title, f"{detail} · {scan.path.name} · {scan.source}")

    def _alarms(self, number: int) -> list[Label]:
        return [
            Label(found.box_xyxy, f"{found.class_name} {found.score:.2f}", DETECTION)
            for found in self.aligned[number]
            if found.score >= self.thresholds[found.class_name]
        ]


def beside_close_up(image: UInt8, labels: Sequence[Label], box: Box) -> UInt8:
    """The whole picture (H, W, 3), shrunk, and what lies around a box of its pixels, both with their labels."""
    scale = min(_HEIGHT / image.shape[0], _WIDEST / image.shape[1])
    return _side_by_side((draw(image, labels, scale), _close_up(image, labels, box)))


def _close_up(image: UInt8, labels: Sequence[Label], box: Box) -> UInt8:
    """A square of _HEIGHT pixels around the box; beyond the scan's edge there is air."""
    side = round(max(_LEAST_VIEW, _AROUND * max(box[2] - box[0], box[3] - box[1])))
    left, top = round((box[0] + box[2] - side) / 2), round((box[1] + box[3] - side) / 2)
    window = np.full((side, side, 3), AIR, np.uint8)
    x1, y1 = max(0, left), max(0, top)
    part = image[y1 : max(y1, top + side), x1 : max(x1, left + side)]
    window[y1 - top : y1 - top + part.shape[0], x1 - left : x1 - left + part.shape[1]] = part
    moved = [Label(_moved(label.box_xyxy, left, top), label.text, label.colour) for label in labels]
    near = [label for label in moved if min(label.box_xyxy[2:]) > 0 and max(label.box_xyxy[:2]) < side]
    return draw(window, near, _HEIGHT / side)


def _moved(box: Box, left: int, top: int) -> Box:
    return box[0] - left, box[1] - top, box[2] - left, box[3] - top


def _side_by_side(panels: Sequence[UInt8]) -> UInt8:
    height = max(panel.shape[0] for panel in panels)
    padded = [
        cv2.copyMakeBorder(panel, 0, height - panel.shape[0], 0, 6, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        for panel in panels
    ]
    return np.concatenate(padded, axis=1).astype(np.uint8, copy=False)
