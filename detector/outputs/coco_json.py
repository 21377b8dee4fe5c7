"""detections.coco.json: what was found, as a COCO data set that pycocotools and faster-coco-eval load."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from detector.ledger import StoredResult
from detector.outputs.record import Add, Record, RunContext

_json = json.JSONEncoder(allow_nan=False).encode


@contextmanager
def write_coco_json(file: TextIO, folder: Path, context: RunContext) -> Iterator[Add]:
    """Writes images, annotations with `score`, and categories with ids from 1 in the order of the weights' classes.

    Each view of a scan is an image: those of one scan share `file_name` and differ in `view`, from 1. Scans that could
    not be decoded have no size and are left out. Raises OSError.
    """
    category_ids = {name: number for number, name in enumerate(context.class_names, start=1)}
    categories = [{"id": number, "name": name, "supercategory": "item"} for name, number in category_ids.items()]
    info = {"description": "Detections of Roentgate", "weights": context.weights}
    file.write(f'{{"info": {_json(info)}, "licenses": [], "images": [')
    # Annotations come behind all images, and may be more than memory holds.
    with tempfile.TemporaryFile("w+", encoding="utf-8", dir=folder) as annotations:
        yield _Lists(file, annotations, category_ids).add
        file.write('], "annotations": [')
        annotations.seek(0)
        shutil.copyfileobj(annotations, file)
    file.write(f'], "categories": {_json(categories)}}}\n')


class _Lists:
    """Writes images and annotations, the members of a JSON list each, and gives them their ids from 1."""

    def __init__(self, images: TextIO, annotations: TextIO, category_ids: dict[str, int]) -> None:
        self._images, self._annotations, self._category_ids = images, annotations, category_ids
        self._seen = self._found = 0

    def add(self, _stored: StoredResult, record: Record) -> None:
        """Writes one scan's."""
        if record["width"] is None:
            return
        sizes = record.get("view_sizes", [[record["width"], record["height"]]])
        images = [self._image(record, view, size) for view, size in enumerate(sizes, start=1)]
        self._images.write(_members(images, self._seen))
        annotations = [
            self._annotation(one, number) for number, one in enumerate(record["detections"], self._found + 1)
        ]
        self._annotations.write(_members(annotations, self._found))
        self._seen += len(images)
        self._found += len(annotations)

    def _image(self, record: Record, view: int, size: list[int]) -> Record:
        image = {"id": self._seen + view, "file_name": record["scan"], "width": size[0], "height": size[1]}
        return image | {"view": view, "decision": record["decision"], "sha256": record["sha256"]}

    def _annotation(self, one: Record, number: int) -> Record:
        x1, y1, x2, y2 = one["box_xyxy"]
        box = [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)]
        annotation = {"id": number, "image_id": self._seen + one.get("view", 1)}
        annotation |= {"category_id": self._category_ids[one["class"]], "bbox": box, "area": round(box[2] * box[3], 2)}
        return annotation | {"iscrowd": 0, "score": one["score"]}


def _members(of_scan: list[Record], before: int) -> str:
    """As they stand in a list that holds `before` others already."""
    if not of_scan:
        return ""
    return (", " if before else "") + _json(of_scan)[1:-1]
