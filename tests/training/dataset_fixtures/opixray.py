"""OPIXray: two training scans, one of them a TIFF, and three test scans of three occlusion levels."""

from __future__ import annotations

from pathlib import Path

from tests.training.dataset_fixtures.drawing import draw, put

SPLITS = {"train": 3, "test": 3}
BOXES = {"Folding_Knife": 2, "Scissor": 1, "Multi-tool_Knife": 1, "Utility_Knife": 1, "Straight_Knife": 1}
GROUPS = 6


def build(root: Path) -> None:
    """Scans of 1225 x 954, as the set has them. 009027 is a background without lines."""
    for stem, suffix in (("009025", ".jpg"), ("009026", ".TIFF"), ("009027", ".jpg")):
        draw(root / f"train/train_image/{stem}{suffix}", 1225, 954)
    put(
        root / "train/train_annotation/009025.txt",
        "009025.jpg Folding_Knife 100 200 300 400\n009025.jpg Scissor 0 0 1225 954\n",
    )
    put(root / "train/train_annotation/009026.txt", "009026.TIFF Folding_Knife 1 2 30 40\n")
    put(root / "train/train_annotation/009027.txt", "")
    put(root / "train/train_knife.txt", "009025\n009026\n009027\n")
    for level, label in enumerate(("Multi-tool_Knife", "Utility_Knife", "Straight_Knife"), 1):
        draw(root / f"test/test_image/01000{level}.jpg", 1225, 954)
        put(root / f"test/test_annotation/01000{level}.txt", f"01000{level}.jpg {label} 10 20 60 80\n")
        put(root / f"test/test_knife-{level}.txt", f"01000{level}\n")
    put(root / "test/test_knife.txt", "010001\n010002\n010003\n")
