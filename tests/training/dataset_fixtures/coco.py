"""COCO of anybody's own: files named by split, scans below images/<split>."""

from __future__ import annotations

from pathlib import Path

from tests.training.dataset_fixtures.coco_files import coco, put_coco
from tests.training.dataset_fixtures.drawing import put

SPLITS = {"train": 2, "val": 1}
BOXES = {"gun": 1, "knife": 2}
GROUPS = 3


def build(root: Path) -> None:
    """Captions beside the boxes, as in COCO itself."""
    names = {3: "gun", 7: "knife"}
    train = {"a.png": [(3, 5, 6, 20, 10), (7, 30, 6, 10, 10)], "b.png": []}
    put_coco(root, "annotations/instances_train2017.json", "images/train2017", coco(names, train))
    put_coco(root, "annotations/instances_val2017.json", "images/val2017", coco(names, {"c.png": [(7, 1, 1, 9, 9)]}))
    put(root / "annotations/captions_train2017.json", '{"images": [], "annotations": [{"caption": "a bag"}]}')
