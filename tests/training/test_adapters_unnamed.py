"""Items whose class nobody can tell: whatever the format, their scan is clean of nothing, before and after writing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from detector.errors import SettingsInvalid
from tests.training.dataset_fixtures.coco_files import coco as coco_document
from tests.training.dataset_fixtures.coco_files import put_coco
from tests.training.dataset_fixtures.drawing import draw, put
from tests.training.dataset_fixtures.dvxray import put_bag
from tests.training.dataset_fixtures.label_studio import region, task
from tests.training.dataset_fixtures.labelme import put_document
from tests.training.fake_set import luggage
from training.datasets import coco, dvxray, label_studio, labelme, pixray
from training.datasets.annotated_set import SourceSet
from training.datasets.annotation_values import UNNAMED
from training.datasets.export_set import export_set
from training.datasets.prepare import PrepareOptions, prepare
from training.datasets.taxonomy import load_taxonomy, map_labels


def kinds(found: SourceSet) -> dict[str, int]:
    return dict(Counter(finding.kind for finding in found.findings))


def put_coco_set(root: Path) -> None:
    """One scan with a gun and something of a class that is not there; it says itself what was looked for."""
    document = coco_document({1: "gun", 2: "knife"}, {"a.png": [(1, 5, 6, 20, 10), (9, 30, 6, 10, 10)]})
    document["images"][0]["annotated_category_ids"] = [1, 2]
    put_coco(root, "annotations/instances_train.json", "train", document)


def put_labelme_set(root: Path) -> None:
    right = {"label": "gun", "points": [[1, 1], [5, 5]], "shape_type": "rectangle"}
    put_document(root, "a", right, right | {"label": ""})


def put_labelme_keys(root: Path) -> None:
    """A document that says itself what was looked for, and whose shapes cannot be read."""
    put_document(root, "a")
    path = next(root.rglob("*.json"))
    put(path, json.dumps(json.loads(path.read_text()) | {"shapes": None, "looked_for": ["gun"]}))


def put_dvxray_set(root: Path) -> None:
    item = {"ol_bb": [1, 1, 9, 9], "sd_bb": [1, 1, 9, 9]}
    put_bag(root, "DvXray_Positive_Samples", "P1", [item | {"label": "gun"}, item | {"label": None}])


def put_pixray_set(root: Path) -> None:
    outline = [[1, 1], [5, 1], [5, 5]]
    draw(root / "train_set/1.png", 20, 20)
    items = [{"label": "gun", "polygon": outline}, {"polygon": outline}]
    put(root / "train_set/1.json", json.dumps({"objects": items}))


def put_label_studio_set(root: Path) -> None:
    unlabelled = region("gun", 10, 20, 30, 40)
    unlabelled["value"].pop("rectanglelabels")
    draw(root / "images/a.png", 200, 100)
    put(root / "export.json", json.dumps([task(1, "images/a.png", region("gun", 1, 2, 3, 4), unlabelled)]))


SETS: dict[str, tuple[Callable[[Path], None], Callable[[Path], SourceSet]]] = {
    "coco": (put_coco_set, coco.ADAPTER.read),
    "labelme": (put_labelme_set, labelme.ADAPTER.read),
    "labelme that says what was looked for": (put_labelme_keys, labelme.ADAPTER.read),
    "dvxray": (put_dvxray_set, dvxray.ADAPTER.read),
    "pixray": (put_pixray_set, pixray.ADAPTER.read),
    "label-studio": (put_label_studio_set, label_studio.ADAPTER.read),
}


@pytest.mark.parametrize("name", SETS)
def test_a_scan_with_an_item_of_no_class_is_clean_of_nothing_and_keeps_its_boxes(tmp_path: Path, name: str) -> None:
    build, read = SETS[name]
    build(tmp_path)
    found = read(tmp_path)
    assert found.findings and UNNAMED not in found.labels
    labels = map_labels(load_taxonomy(), found.source, found.labels, ["gun"])
    assert labels.unknown == ()
    for scan in found.scans:
        assert (scan.looked_for, scan.present) == (frozenset(), frozenset())
        boxed = {box.label for box in scan.boxes}
        assert boxed == (set() if "says" in name else {"gun"})
        coverage = labels.coverage(scan.looked_for, scan.present, boxed)
        assert coverage.looked_for == frozenset() and coverage.partial == boxed


@pytest.mark.parametrize("name", ["coco", "labelme", "label-studio"])
def test_it_is_written_so_that_it_is_read_again(tmp_path: Path, name: str) -> None:
    put_coco_set(tmp_path / "before")
    export_set(tmp_path / "before", name, tmp_path / "after")
    read = {"coco": coco.ADAPTER, "labelme": labelme.ADAPTER, "label-studio": label_studio.ADAPTER}[name].read
    found = read(tmp_path / "after")
    assert found.findings == () and set(found.labels) == {"gun", "knife"}
    assert [(scan.looked_for, scan.present, len(scan.boxes)) for scan in found.scans] == [(frozenset(), frozenset(), 1)]


def test_prepare_takes_its_boxes_and_teaches_nothing_as_background(tmp_path: Path) -> None:
    put_coco_set(tmp_path / "set")
    cv2.imwrite(str(tmp_path / "set/train/a.png"), luggage(1, 64, 48))
    prepare([tmp_path / "set"], tmp_path / "data", PrepareOptions(share=0.0))
    document = json.loads((tmp_path / "data/annotations/train.json").read_text())
    names = {category["id"]: category["name"] for category in document["categories"]}
    (image,) = document["images"]
    assert image["annotated_category_ids"] == []
    assert [names[identity] for identity in image["partial_category_ids"]] == ["gun"]
    assert [names[each["category_id"]] for each in document["annotations"]] == ["gun"]


def test_it_is_no_scan_of_a_format_that_cannot_say_so(tmp_path: Path) -> None:
    put_coco_set(tmp_path / "set")
    with pytest.raises(SettingsInvalid, match="would count as background"):
        export_set(tmp_path / "set", "yolo", tmp_path / "out")
    with pytest.raises(SettingsInvalid, match="looked through for all"):
        export_set(tmp_path / "set", "yolo", tmp_path / "out", ["knife"])


# --- Label Studio's JSON-MIN


def read_minimal(root: Path, *values: dict[str, Any]) -> SourceSet:
    sized = [value | {"original_width": 200, "original_height": 100} for value in values]
    draw(root / "a.png", 200, 100)
    right = {"x": 10, "y": 20, "width": 30, "height": 40, "rectanglelabels": ["knife"]}
    right |= {"original_width": 200, "original_height": 100}
    put(root / "export.json", json.dumps([{"id": 1, "image": "a.png", "label": [right, *sized]}]))
    return label_studio.ADAPTER.read(root)


@pytest.mark.parametrize(
    "value",
    [
        {"x": 50, "y": 50, "radiusX": 5, "radiusY": 5, "ellipselabels": ["gun"]},
        {"format": "rle", "rle": [1, 2], "brushlabels": ["gun"]},
        {"x": 50, "y": 50, "width": 1, "keypointlabels": ["gun"]},
        {"x": 50, "y": 50, "width": 5, "height": 5, "labels": ["gun"]},
    ],
)
def test_minimal_regions_of_other_tools_are_noted_and_stay_known(tmp_path: Path, value: dict[str, Any]) -> None:
    found = read_minimal(tmp_path, value)
    assert kinds(found) == {"shape not read": 1} and found.labels == ("knife", "gun")
    assert found.scans[0].present == {"gun"} and found.scans[0].looked_for == {"knife"}


def test_a_minimal_region_without_labels_is_noted_and_a_remark_is_none(tmp_path: Path) -> None:
    corners = {"x": 50, "y": 50, "width": 5, "height": 5}
    assert kinds(read_minimal(tmp_path / "remark", corners | {"choices": ["ignore"]})) == {}
    found = read_minimal(tmp_path / "region", corners)
    assert kinds(found) == {"shape not read": 1} and found.scans[0].looked_for == frozenset()


def test_a_result_that_is_no_region_leaves_its_scan_clean_of_nothing(tmp_path: Path) -> None:
    draw(tmp_path / "images/a.png", 200, 100)
    put(tmp_path / "export.json", json.dumps([task(1, "images/a.png", region("gun", 1, 2, 3, 4), "x")]))  # type: ignore[arg-type]
    found = label_studio.ADAPTER.read(tmp_path)
    assert kinds(found) == {"malformed annotation": 1} and found.scans[0].looked_for == frozenset()
