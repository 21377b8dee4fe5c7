"""SIXray: P00001 listed in all three lists with boxes, P00002 with a Hammer, P00003 without boxes, and negatives."""

from __future__ import annotations

from pathlib import Path

from tests.training.dataset_fixtures.drawing import draw, put, voc

SPLITS = {"train": 4, "test": 2}
BOXES = {"Gun": 1, "Knife": 2, "Hammer": 1}
GROUPS = 6

_HEADER = "name,Gun,Knife,Wrench,Pliers,Scissors\n"
_NOTHING = ",-1,-1,-1,-1,-1\n"


def build(root: Path) -> None:
    """Numbered folders below JPEGImage/, boxes for two of three positives."""
    for number, name in enumerate(("P00001", "P00002", "P00003", "N0000001", "N0000002", "N0210755")):
        draw(root / f"JPEGImage/{number % 2}/{name}.jpg", 64, 48, number)
    put(root / "Annotation/P00001.xml", voc("P00001.jpg", 64, 48, ("Gun", 1, 1, 20, 10), ("Knife", 5, 6, 30, 40)))
    put(root / "Annotation/P00002.xml", voc("P00002.jpg", 64, 48, ("Hammer", 3, 3, 9, 9), ("Knife", 5, 6, 64, 48)))
    train = _HEADER + "P00001,1,1,-1,-1,-1\nP00002,-1,1,-1,-1,-1\nN0000001" + _NOTHING
    put(root / "ImageSet/10/train.csv", train)
    put(root / "ImageSet/10/test.csv", _HEADER + "P00003,-1,-1,1,-1,-1\nN0210755" + _NOTHING)
    put(root / "ImageSet/100/train.csv", train + "N0000002" + _NOTHING)
    put(root / "ImageSet/1000/train.csv", train)
