"""LabelMe: JSON beside the scans, a rectangle, a polygon, a clean scan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.training.dataset_fixtures.drawing import draw, put

SPLITS = {"train": 2, "val": 1}
BOXES = {"gun": 1, "knife": 1}
GROUPS = 3


def put_document(root: Path, path: str, *shapes: dict[str, Any], suffix: str = ".png") -> None:
    """A scan of 40 x 30 and its document, as LabelMe 5 writes it."""
    draw(root / f"{path}{suffix}", 40, 30)
    document = {
        "version": "5.5.0",
        "flags": {},
        "shapes": [{"group_id": None, "description": "", "flags": {}, "mask": None, **shape} for shape in shapes],
        "imagePath": f"{Path(path).name}{suffix}",
        "imageData": None,
        "imageHeight": 30,
        "imageWidth": 40,
    }
    put(root / f"{path}.json", json.dumps(document))


def build(root: Path) -> None:
    """Corners of the rectangle from bottom right to top left."""
    put_document(root, "train/a", {"label": "gun", "points": [[30, 20], [10, 5]], "shape_type": "rectangle"})
    put_document(root, "train/b")
    outline = [[1, 1], [20, 4], [12.5, 28]]
    put_document(root, "val/c", {"label": "knife", "points": outline, "shape_type": "polygon"}, suffix=".jpg")
