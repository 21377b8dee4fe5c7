"""IEDXray: COCO with captions, of the scan and among the annotations."""

from __future__ import annotations

from pathlib import Path

from tests.training.dataset_fixtures.coco_files import coco, put_coco

NAMES = {1: "Explosive", 2: "Battery", 3: "Modified laptop"}
SPLITS = {"train": 1, "test": 1}
BOXES = {"Explosive": 1, "Modified laptop": 1}
GROUPS = 2


def build(root: Path) -> None:
    """One scan a split."""
    train = coco(NAMES, {"a.png": [(1, 5, 6, 20, 10)]}, caption="an explosive beside a laptop")
    train["annotations"].append({"id": 900, "image_id": 1, "caption": "a bag with wires"})
    put_coco(root, "annotations/complete_train.json", "Train", train)
    put_coco(root, "annotations/complete_test.json", "Test", coco(NAMES, {"b.png": [(3, 1, 1, 9, 9)]}))
