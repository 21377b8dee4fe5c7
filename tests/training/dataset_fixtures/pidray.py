"""PIDray version 1: ids 1..12, four parts; easy has one item a scan, hard several."""

from __future__ import annotations

from pathlib import Path

from tests.training.dataset_fixtures.coco_files import coco, put_coco

#: As the authors' files have them.
NAMES = {
    **{1: "Baton", 2: "Pliers", 3: "Hammer", 4: "Powerbank", 5: "Scissors", 6: "Wrench"},
    **{7: "Gun", 8: "Bullet", 9: "Sprayer", 10: "HandCuffs", 11: "Knife", 12: "Lighter"},
}
SPLITS = {"train": 2, "test": 3}
BOXES = {"Baton": 2, "Gun": 3, "Lighter": 1, "HandCuffs": 1}
GROUPS = 5


def build(root: Path) -> None:
    """Scans of 448 pixels height are the smaller of the set's two kinds."""
    size = (60, 44)
    parts = {
        "train": ("train", {"xray_00000.png": [(1, 5, 6, 20, 10)], "xray_00001.png": [(7, 1, 2, 30, 12)]}),
        "test_easy": ("easy", {"xray_easy00000.png": [(12, 4, 4, 8, 8)]}),
        "test_hard": ("hard", {"xray_hard00000.png": [(7, 0, 0, 20, 20), (10, 20, 20, 10, 10)]}),
        "test_hidden": ("hidden", {"xray_hidden00000.png": [(1, 3, 3, 9, 9), (7, 30, 5, 10, 10)]}),
    }
    for part, (folder, boxes) in parts.items():
        put_coco(root, f"annotations/xray_{part}.json", folder, coco(NAMES, boxes, size))
