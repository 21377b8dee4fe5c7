"""Writes COCO for the fixtures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.training.dataset_fixtures.drawing import draw, put

#: file name -> boxes of it: category id, then x y width height.
Boxes = Mapping[str, Sequence[tuple[int, float, float, float, float]]]


def coco(names: Mapping[int, str], boxes: Boxes, size: tuple[int, int] = (64, 48), **keys: Any) -> dict[str, Any]:
    """A document; images are numbered from 1. keys: further keys of every image."""
    images = [
        {"id": number, "file_name": name, "width": size[0], "height": size[1], **keys}
        for number, name in enumerate(boxes, 1)
    ]
    items = [(number, box) for number, name in enumerate(boxes, 1) for box in boxes[name]]
    annotations = [
        {
            "id": number,
            "image_id": image,
            "category_id": category,
            "bbox": [x, y, width, height],
            "area": width * height,
            "iscrowd": 0,
            "segmentation": [[x, y, x + width, y, x + width, y + height]],
        }
        for number, (image, (category, x, y, width, height)) in enumerate(items, 1)
    ]
    categories = [{"id": number, "name": name} for number, name in names.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


def put_coco(root: Path, annotations: str, scans: str, document: dict[str, Any]) -> None:
    """The document and a picture for every image of it. scans: the folder of the pictures."""
    for number, image in enumerate(document["images"]):
        draw(root / scans / image["file_name"], image["width"], image["height"], number)
    put(root / annotations, json.dumps(document))
