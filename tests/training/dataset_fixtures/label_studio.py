"""Label Studio's JSON export: an upload with a box and a prediction, a clean local file, a task nobody annotated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.training.dataset_fixtures.drawing import draw, put

SPLITS = {"": 2}
BOXES = {"gun": 1}
GROUPS = 2


def region(label: str, x: float, y: float, width: float, height: float, **value: Any) -> dict[str, Any]:
    """One rectangle, in per cent of a scan of 200 x 100."""
    corners = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [label]}
    return {
        "id": f"{label}{x}",
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": 200,
        "original_height": 100,
        "image_rotation": 0,
        "value": corners | value,
    }


def task(number: int, image: str, *results: dict[str, Any]) -> dict[str, Any]:
    """One task with one annotation."""
    annotation = {"id": number, "was_cancelled": False, "ground_truth": False, "result": list(results)}
    return {"id": number, "annotations": [annotation], "predictions": [], "meta": {}, "data": {"image": image}}


def build(root: Path) -> None:
    """Scans lie in images/, uploads with the digest that Label Studio put before their names."""
    for name in ("1a2b3c4d-bag 1.png", "b.png", "c.png"):
        draw(root / "images" / name, 200, 100)
    first = task(1, "/data/upload/1/1a2b3c4d-bag%201.png", region("gun", 10, 20, 30, 40))
    first["predictions"] = [{"result": [region("knife", 1, 2, 3, 4)], "score": 0.9}]
    third = task(3, "/data/upload/1/c.png") | {"annotations": []}
    tasks = [first, task(2, "/data/local-files/?d=images/b.png"), third]
    put(root / "project-1-at-2026-01-02-03-04-abcdef.json", json.dumps(tasks))
