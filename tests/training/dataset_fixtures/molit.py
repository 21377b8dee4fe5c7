"""MOLIT: two views of one bag in two splits, and a bag of its own."""

from __future__ import annotations

from pathlib import Path

from tests.training.dataset_fixtures.drawing import draw, put
from training.datasets.molit import LABELS

SPLITS = {"train": 1, "val": 1, "test": 1}
BOXES = {"Gun": 2, "Knife-A": 1, "Card knife": 1}
GROUPS = 2

_SCANS = {
    "train/E3S690_20221028_03001258_M_Watch_527-018_LAGs products(Plastic-C)_102-145_4": "1 0.5 0.5 0.5 0.25\n",
    "val/E3S690_20221028_03001258_M_Watch_527-018_LAGs products(Plastic-C)_102-145_9": "1 0.5 0.5 1 1\n",
    "test/E3S690_20221007_02791894_S_Knife-D_029-028_1": "11 0.1 0.1 0.2 0.2\n66 0.75 0.75 0.5 0.5",
}


def build(root: Path) -> None:
    """The repository's folder, with names in configs/config.yaml and None as class 0."""
    for name, text in _SCANS.items():
        draw(root / f"data/images/{name}.png", 80, 40)
        put(root / f"data/labels/{name}.txt", text)
    names = "', '".join(("None", *LABELS))
    head = "# (c)\npath: ./\ntrain: images/train\nval: images/val\ntest: images/test\n\nnc : 67\n"
    put(root / "configs/config.yaml", f"{head}names: ['{names}']\n")
