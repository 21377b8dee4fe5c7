"""LDXray: two views a bag, boxes on the main one."""

from __future__ import annotations

from pathlib import Path

from tests.training.dataset_fixtures.coco_files import coco, put_coco
from tests.training.dataset_fixtures.drawing import draw

NAMES = {1: "Mobile_Phone", 2: "Orange_Liquid", 3: "Charger_Without_Cell"}
#: Scans: two a bag.
SPLITS = {"train": 4, "test": 2}
BOXES = {"Mobile_Phone": 2, "Charger_Without_Cell": 1}
GROUPS = 3


def build(root: Path) -> None:
    """Bag 000001 of train is clean. The same number in train and test is two bags."""
    train = {"000000.jpg": [(1, 5, 6, 20, 10), (3, 30, 6, 10, 10)], "000001.jpg": []}
    put_coco(root, "train.json", "train_A", coco(NAMES, train))
    put_coco(root, "test.json", "test_A", coco(NAMES, {"000000.jpg": [(1, 1, 1, 8, 8)]}))
    for path in ("train_B/000000.jpg", "train_B/000001.jpg", "test_B/000000.jpg"):
        draw(root / path, 50, 40)
