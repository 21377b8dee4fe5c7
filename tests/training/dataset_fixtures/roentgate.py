"""What `data prepare` writes: two sources, the second of which was looked through for guns alone."""

from __future__ import annotations

from pathlib import Path

from tests.training.dataset_fixtures.coco_files import coco, put_coco

SPLITS = {"train": 3, "val": 1}
BOXES = {"gun": 2, "knife": 1}
GROUPS = 3


def build(root: Path) -> None:
    """The first two scans are views of one bag."""
    boxes = {"a_OL.png": [(1, 5, 6, 20, 10), (2, 30, 6, 10, 10)], "a_SD.png": [], "b.png": [(1, 1, 1, 9, 9)]}
    train = coco({1: "gun", 2: "knife"}, boxes)
    for image, source, looked_for in zip(
        train["images"], ("dvxray", "dvxray", "sixray"), ([1, 2], [1, 2], [1]), strict=True
    ):
        image |= {"source": source, "annotated_category_ids": looked_for}
    train["images"][0] |= {"group": "bag a", "subset": "OL", "scanner": "north"}
    train["images"][1] |= {"group": "bag a", "subset": "SD", "scanner": "north"}
    train["annotations"][0]["source_label"] = "Gun"
    put_coco(root, "annotations/train.json", "images/train", train)
    val = coco({1: "gun", 2: "knife"}, {"c.png": []}, source="sixray", annotated_category_ids=[1])
    put_coco(root, "annotations/val.json", "images/val", val)
