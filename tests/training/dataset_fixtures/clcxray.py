"""CLCXray: COCO's own names of files and folders."""

from __future__ import annotations

from pathlib import Path

from tests.training.dataset_fixtures.coco_files import coco, put_coco

NAMES = {
    **{1: "blade", 2: "scissors", 3: "knife", 4: "dagger", 5: "SwissArmyKnife", 6: "PlasticBottle"},
    **{7: "Cans", 8: "VacuumCup", 9: "GlassBottle", 10: "CartonDrinks", 11: "Tin", 12: "SprayCans"},
}
SPLITS = {"train": 1, "val": 1, "test": 1}
BOXES = {"SwissArmyKnife": 1, "SprayCans": 2, "blade": 1}
GROUPS = 3


def build(root: Path) -> None:
    """One scan a split."""
    parts = {
        "train": {"000001.jpg": [(5, 5, 6, 20, 10), (12, 30, 6, 10, 10)]},
        "val": {"000002.jpg": [(12, 0, 0, 20, 20)]},
        "test": {"000003.jpg": [(1, 1, 1, 4, 4)]},
    }
    for split, boxes in parts.items():
        put_coco(root, f"annotations/instances_{split}2017.json", f"{split}2017", coco(NAMES, boxes))
