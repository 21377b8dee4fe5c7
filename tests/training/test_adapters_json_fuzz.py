"""No JSON that is damaged, of other types or cut off makes an adapter raise anything but its own error."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.errors import SettingsInvalid
from training.datasets.adapters import ADAPTERS
from training.datasets.annotated_set import SourceSet

_NAMES = (
    "pidray", "pidray-v2", "clcxray", "ldxray", "dvxray", "pixray", "stcray", "iedxray",
    "roboflow", "roentgate", "coco", "labelme", "label-studio",
)  # fmt: skip
#: Values of every type, and those that pretend to be something else.
_JUNK: tuple[Any, ...] = (
    None, True, -1, 10**400, 1e308, float("nan"), float("-inf"), "", "x", "../../x", "difficult", "None", [], [[]],
    [None], {}, {"id": []}, [1, 2, 3, 4], "\ud800",
)  # fmt: skip
_CHANGES = 6


def damage(value: Any, random: np.random.Generator) -> Any:
    """The same document with one value, anywhere in it, replaced by junk or taken away."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = list(value)[random.integers(len(value))]
        rest = {other: value[other] for other in value if other != key}
        return rest if random.random() < 0.1 else rest | {key: damage(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.9:
        number = int(random.integers(len(value)))
        return [*value[:number], damage(value[number], random), *value[number + 1 :]]
    return _JUNK[random.integers(len(_JUNK))]


def assert_sound(found: SourceSet) -> None:
    """What was read keeps the promises of SourceSet."""
    for scan in found.scans:
        assert (found.root / scan.path).resolve().is_relative_to(found.root.resolve())
        assert {box.label for box in scan.boxes} <= set(found.labels)
        json.dumps([scan.path, scan.group, *scan.present], ensure_ascii=False).encode()
        for box in scan.boxes:
            x1, y1, x2, y2 = box.box_xyxy
            assert all(map(math.isfinite, box.box_xyxy)) and x2 > x1 and y2 > y1
            assert all(len(polygon) >= 6 and all(map(math.isfinite, polygon)) for polygon in box.polygons)


def read_or_refuse(name: str, root: Path) -> SourceSet:
    """What the adapter reads; an empty set where it says that there is nothing to read."""
    try:
        return ADAPTERS[name].read(root)
    except SettingsInvalid:
        return SourceSet(name, root, (), ())


@pytest.mark.parametrize("name", _NAMES)
def test_damaged_documents_are_read_or_refused(tmp_path: Path, name: str) -> None:
    random = np.random.default_rng(len(name))
    fixture = importlib.import_module(f"tests.training.dataset_fixtures.{name.replace('-', '_')}")
    fixture.build(tmp_path)
    whole = {path: path.read_text() for path in sorted(tmp_path.rglob("*.json"))}
    for _ in range(20):
        for path, text in whole.items():
            document = json.loads(text)
            for _ in range(random.integers(_CHANGES)):
                document = damage(document, random)
            path.write_text(json.dumps(document))
        ADAPTERS[name].recognise(tmp_path)
        assert_sound(read_or_refuse(name, tmp_path))


@pytest.mark.parametrize("name", _NAMES)
def test_documents_cut_off_anywhere_are_read_or_refused(tmp_path: Path, name: str) -> None:
    random = np.random.default_rng(len(name))
    fixture = importlib.import_module(f"tests.training.dataset_fixtures.{name.replace('-', '_')}")
    fixture.build(tmp_path)
    for path in sorted(tmp_path.rglob("*.json")):
        whole = path.read_bytes()
        for length in (0, *random.integers(1, len(whole), 5)):
            path.write_bytes(whole[:length])
            assert_sound(read_or_refuse(name, tmp_path))
        path.write_bytes(whole)
