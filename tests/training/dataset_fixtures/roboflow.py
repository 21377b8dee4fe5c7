"""Roboflow's COCO: category 0 is the project, and two altered copies of one scan."""

from __future__ import annotations

from pathlib import Path

from tests.training.dataset_fixtures.coco_files import coco, put_coco

SPLITS = {"train": 3, "val": 1, "test": 1}
BOXES = {"gun": 3, "knife": 1}
GROUPS = 4


def build(root: Path) -> None:
    """`valid` is Roboflow's word for val."""
    parts = {
        "train": {
            "bag_1_jpg.rf.0123456789abcdef0123456789abcdef.jpg": [(1, 5, 6, 20, 10)],
            "bag_1_jpg.rf.fedcba9876543210fedcba9876543210.jpg": [(1, 6, 6, 20, 10)],
            "bag_2_jpg.rf.00000000000000000000000000000000.jpg": [],
        },
        "valid": {"bag_3_jpg.rf.11111111111111111111111111111111.jpg": [(2, 1, 1, 9, 9)]},
        "test": {"bag_4_jpg.rf.22222222222222222222222222222222.jpg": [(1, 1, 1, 9, 9)]},
    }
    for folder, boxes in parts.items():
        document = coco({0: "x-ray-objects", 1: "gun", 2: "knife"}, boxes)
        for category in document["categories"]:
            category["supercategory"] = "none" if category["id"] == 0 else "x-ray-objects"
        put_coco(root, f"{folder}/_annotations.coco.json", folder, document)
