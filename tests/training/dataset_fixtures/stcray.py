"""STCray: a folder a class, corners in any order, clean scans without JSON."""

from __future__ import annotations

import json
from pathlib import Path

from tests.training.dataset_fixtures.drawing import draw, put

SPLITS = {"train": 4, "test": 1}
BOXES = {"3D Gun": 1, "Knife": 1, "Hammer": 1, "Bullet": 1}
GROUPS = 5

Shape = tuple[str, list[list[float]]]


def put_labelme(path: Path, *shapes: Shape) -> None:
    """LabelMe's JSON for a scan of 60 x 33. shapes: label and two corners."""
    entries = [
        {"label": label, "points": points, "group_id": None, "shape_type": "rectangle", "flags": {}}
        for label, points in shapes
    ]
    document = {"version": "5.4.1", "flags": {}, "shapes": entries, "imagePath": f"{path.stem}.jpg", "imageData": None}
    put(path, json.dumps(document | {"imageHeight": 33, "imageWidth": 60}))


def build(root: Path) -> None:
    """Folders are numbered in the set; one JSON has the ending that some of them have."""
    train = root / "STCray_TrainSet"
    for path in ("Class 03_3D Gun/0001", "Class 04_Knife/0001", "Class 21_Multilabel Threat/0001"):
        draw(train / f"Images/{path}.jpg", 60, 33)
    put_labelme(train / "Json_BB/Class 03_3D Gun/0001.json", ("3D Gun", [[30, 20], [10.5, 5]]))
    put_labelme(train / "Json_BB/Class 04_Knife/0001_BB.json", ("Knife", [[1, 2], [9, 8]]))
    put_labelme(
        train / "Json_BB/Class 21_Multilabel Threat/0001.json",
        ("Hammer", [[1, 2], [9, 8]]),
        ("Bullet", [[20, 2], [25, 8]]),
    )
    draw(train / "Images/Class 22_Non Threat/0001.jpg", 60, 33)
    put(train / "Images/Class 22_Non Threat/desktop.ini", "[.ShellClassInfo]")
    test = root / "STCray_TestSet"
    draw(test / "Images/Class 22_Non Threat/0001.jpg", 60, 33)
    (test / "Json_BB").mkdir(parents=True)
