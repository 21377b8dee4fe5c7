"""HiXray: one scan a split."""

from __future__ import annotations

from pathlib import Path

from tests.training.dataset_fixtures.drawing import draw, put

SPLITS = {"train": 1, "test": 1}
BOXES = {"Portable_Charger_1": 1, "Mobile_Phone": 2, "Nonmetallic_Lighter": 1}
GROUPS = 2


def build(root: Path) -> None:
    """Scans of 1200 x 900, the set's mean size."""
    lines = {
        "train": "00000.jpg Portable_Charger_1 5 6 70 80\n00000.jpg Mobile_Phone 100 100 200 300\n",
        "test": "00000.jpg Mobile_Phone 1 1 10 10\n00000.jpg Nonmetallic_Lighter 1190 890 1200 900\n",
    }
    for split, text in lines.items():
        draw(root / f"{split}/{split}_image/00000.jpg", 1200, 900)
        put(root / f"{split}/{split}_annotation/00000.txt", text)
        put(root / f"{split}/{split}_name.txt", "00000\n")
