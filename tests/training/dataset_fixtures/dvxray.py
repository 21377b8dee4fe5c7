"""DvXray: a bag with a box that is "difficult" in one view, and a clean bag."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.training.dataset_fixtures.drawing import draw, put

#: Scans: two a bag.
SPLITS = {"": 6}
BOXES = {"Gun": 2, "Knife": 3}
GROUPS = 3


def put_bag(root: Path, folder: str, name: str, objects: Any) -> None:
    """The two views and the JSON of one bag."""
    for view in ("OL", "SD"):
        draw(root / folder / f"{name}_{view}.png", 40, 30)
    put(root / folder / f"{name}.json", json.dumps({"name": name, "objects": objects}))


def build(root: Path) -> None:
    """Objects of a clean bag are the text "None", as in the set."""
    gun = {"label": "Gun", "ol_bb": [3, 4, 20, 12], "sd_bb": [5, 5, 15, 25]}
    knife = {"label": "Knife", "ol_bb": "difficult", "sd_bb": [1, 1, 9, 9]}
    seen = {"label": "Knife", "ol_bb": [2, 2, 10, 8], "sd_bb": [2, 2, 10, 8]}
    put_bag(root, "DvXray_Positive_Samples", "P00001", [gun, knife])
    put_bag(root, "DvXray_Positive_Samples", "P00002", [seen])
    put_bag(root, "DvXray_Negative_Samples", "N00001", "None")
