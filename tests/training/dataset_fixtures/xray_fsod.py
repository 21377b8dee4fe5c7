"""X-ray FSOD: lines end with the share of the item that is hidden."""

from __future__ import annotations

from pathlib import Path

from tests.training.dataset_fixtures.drawing import draw, put

SPLITS = {"train": 2, "test": 1}
BOXES = {"laptop": 1, "iron_shoe": 1, "nail_clippers": 1}
GROUPS = 3


def build(root: Path) -> None:
    """The lists lie beside the folders of their split."""
    scans = {"train": (("1", "laptop 1 1 50 40 0.25"), ("2", "iron_shoe 3 4 20 20 0.0")), "test": (("3", ""),)}
    for split, entries in scans.items():
        for stem, line in entries:
            draw(root / f"{split}/images/{stem}.jpg", 100, 80)
            text = line or "nail_clippers 10 10 100 80 0.75"
            put(root / f"{split}/annotations/{stem}.txt", f"{stem}.jpg {text}\n")
    put(root / "train/trainval.txt", "1\n2\n")
    put(root / "test/test.txt", "3\n")
