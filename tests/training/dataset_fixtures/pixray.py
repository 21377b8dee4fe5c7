"""PIXray: outlines as the authors give them, and the COCO version."""

from __future__ import annotations

import json
from pathlib import Path

from tests.training.dataset_fixtures.coco_files import coco, put_coco
from tests.training.dataset_fixtures.drawing import draw, put

SPLITS = {"train": 1, "test": 1}
BOXES = {"Razor_blade": 1, "Dart": 2}
GROUPS = 2


def build(root: Path) -> None:
    """The layout that the authors' code reads."""
    parts = {
        "train_set/0001": [("Razor_blade", [[3, 4], [20, 4], [10, 30]]), ("Dart", [[1, 1], [2, 9], [9, 1], [5, 5]])],
        "test_set/0001": [("Dart", [[5.5, 5], [8, 5], [8, 9.25]])],
    }
    for path, items in parts.items():
        draw(root / f"{path}.png", 40, 32)
        objects = [{"label": label, "polygon": polygon} for label, polygon in items]
        put(root / f"{path}.json", json.dumps({"imgHeight": 32, "imgWidth": 40, "objects": objects}))


def build_coco(root: Path) -> None:
    """The COCO version: as many scans and boxes."""
    names = {1: "Gun", 10: "Dart", 14: "Razor_blade"}
    train = {"0001.png": [(14, 3.0, 4.0, 17.0, 26.0), (10, 1.0, 1.0, 8.0, 8.0)]}
    put_coco(root, "annotations/pixray_train.json", "train", coco(names, train))
    put_coco(root, "annotations/pixray_test.json", "test", coco(names, {"0002.png": [(10, 5.5, 5.0, 2.5, 4.25)]}))
