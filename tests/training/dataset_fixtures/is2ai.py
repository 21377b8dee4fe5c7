"""IS2AI CargoXray: one file twice, under two names, and a scan without boxes."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

from tests.training.dataset_fixtures.drawing import draw

SPLITS = {"": 4}
BOXES = {"shoes": 1, "tires": 1, "auto_parts": 1}
GROUPS = 3


def build(root: Path) -> None:
    """Tables as pandas writes rows."""
    images = []
    for number, (path, seed) in enumerate((("a/1.tif", 1), ("a/2.jpg", 2), ("b/3.tif", 1), ("b/4.JPEG", 4))):
        draw(root / "images" / path, 200, 100, seed)
        content = (root / "images" / path).read_bytes()
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        row = {"image_id": number, "size": len(content), "md5": digest, "width": 200, "height": 100}
        images.append(row | {"filepath": f"images/{path}"})
    boxes = [
        {"bbox_id": 0, "image_id": 0, "x": 0.5, "y": 0.5, "width": 0.5, "height": 0.5, "label": "shoes"},
        {"bbox_id": 1, "image_id": 1, "x": 0.25, "y": 0.25, "width": 0.1, "height": 0.2, "label": "tires"},
        {"bbox_id": 2, "image_id": 2, "x": 0.25, "y": 0.25, "width": 0.1, "height": 0.2, "label": "auto_parts"},
    ]
    write_table(root / "images.json.gz", images)
    write_table(root / "annotations.json.gz", boxes)
    write_table(root / "json_files.json.gz", [])


def write_table(path: Path, rows: Any) -> None:
    """Packed JSON."""
    path.write_bytes(gzip.compress(json.dumps(rows).encode(), mtime=0))
