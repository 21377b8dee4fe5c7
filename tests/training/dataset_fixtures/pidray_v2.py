"""PIDray version 2: two parts, scans without items among them."""

from __future__ import annotations

from pathlib import Path

from tests.training.dataset_fixtures.coco_files import coco, put_coco
from tests.training.dataset_fixtures.pidray import NAMES

SPLITS = {"train": 2, "test": 3}
BOXES = {"Gun": 1, "Sprayer": 1}
GROUPS = 5


def build(root: Path) -> None:
    """One scan of train and one of test are clean; the last scan's name does not tell its part."""
    train = {"xray_00000.png": [(7, 1, 2, 30, 12)], "xray_00001.png": []}
    test = {"xray_easy00000.png": [(9, 2, 2, 8, 8)], "xray_hidden00001.png": [], "xray_00009.png": []}
    put_coco(root, "annotations/train.json", "train", coco(NAMES, train))
    put_coco(root, "annotations/test.json", "test", coco(NAMES, test))
