"""A layout of our own making: `fake.json` holds the fields of SourceSet, scans lie beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.datasets.annotated_set import Adapter, Published, SourceBox, SourceScan, SourceSet

NAME = "fake.json"


def luggage(seed: int, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """Boxes of several materials on air: different for every seed, as bags are."""
    random = np.random.default_rng(seed)
    image = np.full((height, width, 3), 245, np.uint8)
    for _ in range(9):
        x, y = random.integers(0, width - 8), random.integers(0, height - 8)
        right, bottom = x + random.integers(6, width // 2), y + random.integers(6, height // 2)
        cv2.rectangle(image, (int(x), int(y)), (int(right), int(bottom)), random.integers(30, 220, 3).tolist(), -1)
    return image


def scan_entry(path: str, label: str = "gun", **changes: Any) -> dict[str, Any]:
    """One scan with one box of `label`, or none for ""."""
    boxes = [{"label": label, "box_xyxy": [4, 4, 24, 20]}] if label else []
    return {"path": path, "split": "", "boxes": boxes, "group": path, **changes}


def make_set(
    folder: Path,
    entries: Sequence[Mapping[str, Any]],
    labels: Sequence[str] = ("gun", "knife"),
    source: str = "fake",
    first_seed: int = 0,
) -> Path:
    """Writes the scans (a picture each, unless one is there already) and the list of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, entry in enumerate(entries):
        path = folder / entry["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            cv2.imwrite(str(path), luggage(first_seed + number))
    content = {"source": source, "labels": list(labels), "scans": list(entries)}
    (folder / NAME).write_text(json.dumps(content))
    return folder


def _read(root: Path) -> SourceSet:
    content = json.loads((root / NAME).read_text())
    scans = [_scan(dict(entry)) for entry in content["scans"]]
    return SourceSet(content["source"], root, tuple(content["labels"]), tuple(scans))


def _scan(entry: dict[str, Any]) -> SourceScan:
    boxes = tuple(SourceBox(**{**box, "box_xyxy": tuple(box["box_xyxy"])}) for box in entry.pop("boxes"))
    for key in ("looked_for", "present"):
        if entry.get(key) is not None:
            entry[key] = frozenset(entry[key])
    return SourceScan(boxes=boxes, **entry)


FAKE = Adapter(
    title="Fake",
    terms="for tests alone",
    recognise=lambda root: (root / NAME).is_file(),
    read=_read,
    published={"train": Published(3, {"gun": 2})},
)
ADAPTERS = {"fake": FAKE}
