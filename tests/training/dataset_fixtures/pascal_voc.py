"""Pascal VOC as the development kit has it, with a scan to ignore in and one without items."""

from __future__ import annotations

from pathlib import Path

from tests.training.dataset_fixtures.drawing import draw, put, voc

SPLITS = {"train": 2, "test": 1}
BOXES = {"gun": 1, "knife": 2}
GROUPS = 3


def build(root: Path) -> None:
    """Annotations/, JPEGImages/ and ImageSets/Main/ with lists of one class, as the kit adds them."""
    for name in ("bag_1", "bag_2", "bag_3"):
        draw(root / f"JPEGImages/{name}.jpg", 60, 50)
    put(root / "Annotations/bag_1.xml", voc("bag_1.jpg", 60, 50, ("gun", 1, 1, 60, 50), ("knife", 2, 2, 5, 5)))
    put(root / "Annotations/bag_2.xml", voc("bag_2.jpg", 60, 50))
    difficult = voc("bag_3.jpg", 60, 50, ("knife", 9, 9, 20, 20)).replace("<difficult>0", "<difficult>1")
    put(root / "Annotations/bag_3.xml", difficult)
    put(root / "ImageSets/Main/train.txt", "bag_1\nbag_2\n")
    put(root / "ImageSets/Main/test.txt", "bag_3\n")
    put(root / "ImageSets/Main/trainval.txt", "bag_1\nbag_2\n")
    put(root / "ImageSets/Main/gun_train.txt", "bag_1  1\nbag_2 -1\n")
