"""YOLO as Ultralytics has it: a box, an outline, an empty file and a scan without one."""

from __future__ import annotations

from pathlib import Path

from tests.training.dataset_fixtures.drawing import draw, put

SPLITS = {"train": 2, "val": 2}
BOXES = {"gun": 1, "knife": 1}
GROUPS = 4


def build(root: Path) -> None:
    """The path on its author's machine is of no use here."""
    for name in ("train/a", "train/b", "val/c", "val/d"):
        draw(root / f"images/{name}.png", 100, 50)
    put(root / "labels/train/a.txt", "0 0.5 0.5 0.2 0.4\n")
    put(root / "labels/train/b.txt", "1 0.1 0.1 0.3 0.1 0.3 0.5\n")
    put(root / "labels/val/c.txt", "")
    put(
        root / "data.yaml",
        "path: ../datasets/bags\ntrain: images/train\nval: images/val\nnames:\n  0: gun\n  1: knife\n",
    )
