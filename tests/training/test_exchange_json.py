"""COCO, LabelMe and Label Studio, written and read again: random sets come back as they were, to 1e-6 pixel."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.errors import SettingsInvalid
from tests.training.dataset_fixtures import coco as coco_fixture
from tests.training.dataset_fixtures import coco_files
from tests.training.dataset_fixtures import label_studio as label_studio_fixture
from tests.training.dataset_fixtures import labelme as labelme_fixture
from tests.training.dataset_fixtures.drawing import draw, put
from tests.training.dataset_fixtures.label_studio import region, task
from tests.training.dataset_fixtures.labelme import put_document
from training.datasets import coco, label_studio, labelme
from training.datasets.adapters import ADAPTERS
from training.datasets.annotated_set import SourceBox, SourceScan, SourceSet
from training.datasets.annotation_values import leave_out_unboxed
from training.datasets.findings import Severity
from training.datasets.scan_size import scan_size
from training.datasets.source_folder import SourceFolder

FORMATS = {"coco": coco.ADAPTER, "labelme": labelme.ADAPTER, "label-studio": label_studio.ADAPTER}
_PRECISION = 1e-6
_LABELS = ("gun", "3D Gun", "Messer, groß", "刀", 'a "quoted" <one>', "none")
Random = np.random.Generator


def random_set(root: Path, random: Random) -> SourceSet:
    """Every feature by chance: splits, groups, crowds, outlines, attributes, clean and part-annotated scans."""
    labels = tuple(random.permutation(_LABELS[: random.integers(1, len(_LABELS) + 1)]).tolist())
    scans = []
    for number in range(int(random.integers(1, 12))):
        place = random.choice(["", "train/", "val/", "images/test/", "a b/ä/"])
        path = f"{place}scan {number}{random.choice(['.png', '.jpg'])}"
        width, height = (int(side) for side in random.integers(8, 40, 2))
        draw(root / path, width, height, number)
        scans.append(leave_out_unboxed(random_scan(path, (width, height), labels, random), labels))
    return SourceSet("random", root, labels, tuple(scans))


def random_scan(path: str, size: tuple[int, int], labels: tuple[str, ...], random: Random) -> SourceScan:
    some = frozenset(label for label in labels if random.random() < 0.5)
    looked_for = some if random.random() < 0.3 and len(some) < len(labels) else None
    boxes = tuple(random_box(str(random.choice(labels)), size, random) for _ in range(random.integers(0, 4)))
    return SourceScan(
        path=path,
        split=str(random.choice(["", "train", "val", "test", "extra_1"])),
        boxes=boxes,
        group=str(random.choice([path, "bag 1", "bag 2"])),
        width=size[0],
        height=size[1],
        looked_for=looked_for,
        present=some if random.random() < 0.2 else frozenset(),
        subset=str(random.choice(["", "hard"])),
        scanner=str(random.choice(["", "Süd"])),
        drawn=bool(random.random() < 0.2),
    )


def random_box(label: str, size: tuple[int, int], random: Random) -> SourceBox:
    """A box that may pass the edge, with no outline, its own, or several that do not touch its sides."""
    x1, y1 = (float(random.uniform(-2, side - 3)) for side in size)
    x2, y2 = x1 + float(random.uniform(0.5, 20)), y1 + float(random.uniform(0.5, 20))
    inner = tuple(float(value) for value in random.uniform([x1, y1] * 4, [x2, y2] * 4))
    outlines = [(), ((x1, y1, x2, y1, x2, y2, x1, y2),), (inner, inner[:6])][random.integers(3)]
    attributes = {"pose": "auf dem Kopf", "source_label": "Gun"} if random.random() < 0.3 else {}
    return SourceBox(label, (x1, y1, x2, y2), bool(random.random() < 0.3), outlines, attributes)


def flat_numbers(box: SourceBox) -> list[float]:
    return [*box.box_xyxy, *(value for polygon in box.polygons for value in polygon)]


def assert_same(written: SourceSet, read: SourceSet) -> None:
    assert read.findings == () and set(read.labels) == set(written.labels)
    before, after = ({scan.path: scan for scan in one.scans} for one in (written, read))
    assert before.keys() == after.keys() and len(read.scans) == len(written.scans)
    for path, scan in before.items():
        assert replace(after[path], boxes=()) == replace(scan, boxes=())
        for one, other in zip(scan.boxes, after[path].boxes, strict=True):
            assert (other.label, other.ignore, other.attributes) == (one.label, one.ignore, one.attributes)
            assert [len(polygon) for polygon in other.polygons] == [len(polygon) for polygon in one.polygons]
            assert flat_numbers(other) == pytest.approx(flat_numbers(one), abs=_PRECISION)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("seed", range(12))
def test_a_random_set_comes_back_as_it_was(tmp_path: Path, name: str, seed: int) -> None:
    written = random_set(tmp_path / "before", np.random.default_rng(seed))
    write = FORMATS[name].write
    assert write is not None
    write(written, tmp_path / "after")
    assert [key for key, adapter in ADAPTERS.items() if adapter.recognise(tmp_path / "after")] == [name]
    assert_same(written, FORMATS[name].read(tmp_path / "after"))
    for scan in written.scans:
        assert (tmp_path / "after" / scan.path).read_bytes() == (tmp_path / "before" / scan.path).read_bytes()


def with_sizes(found: SourceSet) -> SourceSet:
    """The same set with the sizes of the files where it says none: what these formats must have."""
    folder = SourceFolder(found.root)
    sizes = {scan.path: scan_size(folder, scan.path) or (0, 0) for scan in found.scans}
    scans = (
        scan if scan.width else replace(scan, width=sizes[scan.path][0], height=sizes[scan.path][1])
        for scan in found.scans
    )
    return replace(found, scans=tuple(SourceScan(**plain(scan)) for scan in scans), findings=())


def plain(scan: SourceScan) -> dict[str, Any]:
    return {key: getattr(scan, key) for key in SourceScan.__dataclass_fields__}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("source", ["dvxray", "ldxray", "pidray", "pixray", "stcray", "roentgate", *FORMATS])
def test_a_public_set_is_written_whole_and_known_again(tmp_path: Path, source: str, name: str) -> None:
    fixture = importlib.import_module(f"tests.training.dataset_fixtures.{source.replace('-', '_')}")
    fixture.build(tmp_path / "before")
    found = with_sizes(ADAPTERS[source].read(tmp_path / "before"))
    write = FORMATS[name].write
    assert write is not None
    write(found, tmp_path / "after")
    assert [key for key, adapter in ADAPTERS.items() if adapter.recognise(tmp_path / "after")] == [name]
    assert_same(found, FORMATS[name].read(tmp_path / "after"))


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_overwritten_and_no_path_leaves_the_folder(tmp_path: Path, name: str) -> None:
    draw(tmp_path / "set/a.png", 8, 8)
    draw(tmp_path / "secret.png", 8, 8)
    whole = SourceSet("x", tmp_path / "set", ("gun",), (SourceScan("a.png", "", (), "a.png", 8, 8),))
    write = FORMATS[name].write
    assert write is not None
    put(tmp_path / "full/notes.txt", "mine")
    with pytest.raises(SettingsInvalid, match="not empty"):
        write(whole, tmp_path / "full")
    for path in ("../secret.png", "missing.png"):
        outside = replace(whole, scans=(replace(whole.scans[0], path=path),))
        with pytest.raises(SettingsInvalid):
            write(outside, tmp_path / f"out{len(path)}")
    assert [path.name for path in tmp_path.glob("*.png")] == ["secret.png"]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "change", [{"group": "a\nb"}, {"scanner": "\ud800"}, {"present": frozenset({"\0"})}, {"subset": "\x1b[2J"}]
)
def test_what_read_would_refuse_is_not_written(tmp_path: Path, name: str, change: dict[str, Any]) -> None:
    draw(tmp_path / "set/a.png", 8, 8)
    scan = replace(SourceScan("a.png", "", (), "a.png", 8, 8), **change)
    write = FORMATS[name].write
    assert write is not None
    with pytest.raises(SettingsInvalid, match="cannot hold"):
        write(SourceSet("x", tmp_path / "set", ("gun",), (scan,)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["labelme", "label-studio"])
@pytest.mark.parametrize("label", ["_background_", "__ignore__"])
@pytest.mark.parametrize("boxed", [False, True])
def test_a_label_that_labels_txt_passes_over_is_not_written(tmp_path: Path, name: str, label: str, boxed: bool) -> None:
    draw(tmp_path / "set/a.png", 8, 8)
    boxes = (SourceBox(label, (1, 1, 5, 5)),) * boxed
    whole = SourceSet("x", tmp_path / "set", ("gun", label), (SourceScan("a.png", "", boxes, "a.png", 8, 8),))
    write = FORMATS[name].write
    assert write is not None
    with pytest.raises(SettingsInvalid, match=f"cannot hold the label '{label}'"):
        write(whole, tmp_path / "out")
    coco.write(whole, tmp_path / "coco")
    assert coco.ADAPTER.read(tmp_path / "coco").labels == ("gun", label)


def kinds(found: SourceSet) -> dict[str, int]:
    return dict(Counter(finding.kind for finding in found.findings))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("instances_train2017", "train"),
        ("instances_val", "val"),
        ("instances_default", ""),
        ("instances_fold_3", "fold_3"),
        ("instances", ""),
        ("train", "train"),
        ("bags-test-v2", "test"),
        ("valid", "val"),
        ("validation", "val"),
        ("trainset", "train"),
        ("bags_test_set", "test"),
        ("trainval", ""),
        ("instances_test2017", "test"),
        ("mytrain", ""),
        ("hard", ""),
        ("constrained", ""),
        ("all", ""),
    ],
)
def test_a_split_is_told_by_the_file_name(name: str, split: str) -> None:
    assert coco.split_of(name) == split


@pytest.mark.parametrize("split", ["a/b", "train2017", "default", "ä"])
def test_a_split_that_a_file_name_cannot_tell_is_refused(tmp_path: Path, split: str) -> None:
    draw(tmp_path / "set/a.png", 8, 8)
    whole = SourceSet("x", tmp_path / "set", ("gun",), (SourceScan("a.png", split, (), "a.png", 8, 8),))
    with pytest.raises(SettingsInvalid, match="cannot tell the split"):
        coco.write(whole, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_coco_reads_what_is_whole_beside_a_half_written_file(tmp_path: Path) -> None:
    coco_fixture.build(tmp_path)
    path = tmp_path / "annotations/instances_val2017.json"
    put(path, path.read_text()[:200])
    assert coco.ADAPTER.recognise(tmp_path)
    found = coco.ADAPTER.read(tmp_path)
    assert kinds(found) == {"malformed annotation": 1, "missing annotation": 1}
    assert {scan.split for scan in found.scans} == {"train"}


def test_coco_annotations_that_are_passed_over_are_told_unless_they_are_of_another_task(tmp_path: Path) -> None:
    coco_fixture.build(tmp_path)
    text = (tmp_path / "annotations/instances_val2017.json").read_text()
    for name in ("captions_val2017", "person_keypoints_val2017"):
        put(tmp_path / f"annotations/{name}.json", text)
    assert coco.ADAPTER.read(tmp_path).findings == ()
    put(tmp_path / "annotations/test.json", text)
    (found,) = coco.ADAPTER.read(tmp_path).findings
    assert (found.kind, found.subject) == ("annotations not read", "annotations/test.json")
    assert found.severity is Severity.ERROR


def test_coco_files_side_by_side_that_hold_the_same_scans_are_named(tmp_path: Path) -> None:
    draw(tmp_path / "images/a.png", 64, 48)
    draw(tmp_path / "images/b.png", 64, 48)
    more: Any = {"a.png": [(1, 5, 6, 20, 10)], "b.png": []}
    put(tmp_path / "annotations (1).json", json.dumps(coco_files.coco({1: "gun"}, more)))
    put(tmp_path / "annotations.json", json.dumps(coco_files.coco({1: "gun"}, {"a.png": []})))
    found = coco.ADAPTER.read(tmp_path)
    assert {scan.path: len(scan.boxes) for scan in found.scans} == {"images/a.png": 1, "images/b.png": 0}
    assert len(found.scans) == 2
    (told,) = found.findings
    assert (told.kind, told.subject, told.severity) == ("repeated file", "annotations.json", Severity.ERROR)
    assert told.message.startswith("annotations (1).json has 1 of its scans, too (images/a.png): the boxes there count")


def test_coco_area_is_that_of_the_outline(tmp_path: Path) -> None:
    draw(tmp_path / "set/a.png", 20, 20)
    box = SourceBox("gun", (2, 2, 12, 10), polygons=((2, 2, 12, 2, 12, 10),))
    scan = SourceScan("a.png", "", (box, replace(box, polygons=())), "a.png", 20, 20)
    coco.write(SourceSet("x", tmp_path / "set", ("gun",), (scan,)), tmp_path / "out")
    document = json.loads((tmp_path / "out/annotations/instances.json").read_text())
    assert [annotation["area"] for annotation in document["annotations"]] == [40, 80]
    assert document["annotations"][0]["bbox"] == [2, 2, 10, 8]


# --- LabelMe


SHAPES: dict[str, tuple[dict[str, Any], str]] = {
    "circle": ({"points": [[5, 5], [8, 8]], "shape_type": "circle"}, "shape not read"),
    "point": ({"points": [[5, 5]], "shape_type": "point"}, "shape not read"),
    "one corner": ({"points": [[5, 5]], "shape_type": "rectangle"}, "malformed box"),
    "corner of three": ({"points": [[5, 5, 5], [8, 8, 8]], "shape_type": "rectangle"}, "malformed box"),
    "not finite": ({"points": [[5, 5], [8, float("inf")]], "shape_type": "rectangle"}, "number not finite"),
    "flat": ({"points": [[5, 5], [8, 5]], "shape_type": "rectangle"}, "box without area"),
    "no points": ({"shape_type": "polygon"}, "malformed box"),
    "text": ({"points": [["5", 5], [8, 5]], "shape_type": "rectangle"}, "malformed box"),
    "two points": ({"points": [[5, 5], [8, 8]], "shape_type": "polygon"}, "malformed polygon"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_labelme_shapes_that_are_no_boxes_are_noted_and_stay_known(tmp_path: Path, name: str) -> None:
    shape, kind = SHAPES[name]
    right = {"label": "knife", "points": [[1, 1], [5, 5]], "shape_type": "rectangle"}
    put_document(tmp_path, "a", {"label": "gun", **shape}, right)
    found = labelme.ADAPTER.read(tmp_path)
    assert kinds(found) == {kind: 1} and [box.label for box in found.scans[0].boxes] == ["knife"]
    assert found.scans[0].present == {"gun"} and found.scans[0].looked_for == {"knife"}


def test_labelme_shapes_of_one_group_are_one_item(tmp_path: Path) -> None:
    parts = [[[1, 1], [5, 1], [5, 5]], [[10, 10], [20, 10], [20, 25]]]
    grouped = [{"label": "gun", "points": part, "shape_type": "polygon", "group_id": 4} for part in parts]
    other = {"label": "knife", "points": [[1, 1], [9, 9]], "shape_type": "rectangle", "group_id": 4}
    twice = [{**other, "group_id": 7}, {**other, "group_id": 7, "points": [[2, 2], [3, 3]]}]
    put_document(tmp_path, "a", *grouped, other, *twice)
    boxes = labelme.ADAPTER.read(tmp_path).scans[0].boxes
    assert [(box.label, box.box_xyxy, len(box.polygons)) for box in boxes] == [
        ("gun", (1, 1, 20, 25), 2),
        ("knife", (1, 1, 9, 9), 0),
        ("knife", (1, 1, 9, 9), 0),
        ("knife", (2, 2, 3, 3), 0),
    ]


def test_labelme_marks_of_other_tools_are_read(tmp_path: Path) -> None:
    corners = {"label": "gun", "points": [[1, 1], [5, 1], [5, 5], [1, 5]], "shape_type": "rectangle"}
    put_document(tmp_path, "a", {**corners, "difficult": True}, {**corners, "flags": {"crowd": True, "occluded": True}})
    first, second = labelme.ADAPTER.read(tmp_path).scans[0].boxes
    assert first.ignore and second.ignore and second.attributes == {"occluded": "true"}
    assert first.box_xyxy == (1, 1, 5, 5) and first.polygons == ()


@pytest.mark.parametrize("image", ["../../secret.png", "/etc/a.png", "C:\\a.png", None, 5])
def test_labelme_picture_outside_the_set_is_refused(tmp_path: Path, image: Any) -> None:
    labelme_fixture.build(tmp_path / "set")
    draw(tmp_path / "secret.png", 8, 8)
    document = json.loads((tmp_path / "set/train/a.json").read_text()) | {"imagePath": image}
    put(tmp_path / "set/other/a.json", json.dumps(document))
    found = labelme.ADAPTER.read(tmp_path / "set")
    assert kinds(found) == {"path refused": 1} and len(found.scans) == 3


@pytest.mark.parametrize(
    "image",
    ["C:\\Users\\me\\scans\\a.png", "..\\scans\\a.png", "/home/me/a.png", "old name.png", "a.PNG", "b.png", None],
)
def test_labelme_picture_beside_its_file_is_not_lost_nor_another_scans(tmp_path: Path, image: Any) -> None:
    labelme_fixture.build(tmp_path)
    before = labelme.ADAPTER.read(tmp_path)
    path = tmp_path / "train/a.json"
    put(path, json.dumps(json.loads(path.read_text()) | {"imagePath": image}))
    found = labelme.ADAPTER.read(tmp_path)
    assert sorted(found.scans, key=lambda scan: scan.path) == sorted(before.scans, key=lambda scan: scan.path)
    assert [(finding.kind, finding.subject) for finding in found.findings] == [("other scan's name", "train/a.json")]


@pytest.mark.parametrize(
    ("image", "taken"),
    [("b.png", "train/a.png"), ("b.JPG", "train/a.jpg"), ("b.bmp", None), ("b", None), (None, None)],
)
def test_labelme_of_two_pictures_beside_the_file_none_is_another_scans(
    tmp_path: Path, image: str | None, taken: str | None
) -> None:
    labelme_fixture.build(tmp_path)
    draw(tmp_path / "train/a.jpg", 40, 20)
    draw(tmp_path / "train/b.bmp", 40, 20)
    (tmp_path / "train/b.json").unlink()
    path = tmp_path / "train/a.json"
    put(path, json.dumps(json.loads(path.read_text()) | {"imagePath": image}))
    found = labelme.ADAPTER.read(tmp_path)
    assert [scan.path for scan in found.scans if scan.path.startswith("train/")] == [taken] * (taken is not None)
    assert kinds(found) == {"other scan's name" if taken else "missing scan": 1, "missing annotation": 1}


def test_labelme_file_of_the_pictures_own_name_comes_before_others_that_name_it(tmp_path: Path) -> None:
    labelme_fixture.build(tmp_path)
    document = json.loads((tmp_path / "train/a.json").read_text())
    put(tmp_path / "train/0.json", json.dumps(document | {"imagePath": "b.png"}))
    found = labelme.ADAPTER.read(tmp_path)
    assert {scan.path: len(scan.boxes) for scan in found.scans}["train/b.png"] == 0
    assert [(finding.kind, finding.subject) for finding in found.findings] == [("repeated file", "train/0.json")]


def test_labelme_picture_in_a_neighbouring_folder_is_found(tmp_path: Path) -> None:
    labelme_fixture.build(tmp_path)
    document = json.loads((tmp_path / "train/a.json").read_text()) | {"imagePath": "..\\train\\a.png"}
    (tmp_path / "train/a.json").unlink()
    put(tmp_path / "json/a.json", json.dumps(document))
    found = labelme.ADAPTER.read(tmp_path)
    assert found.findings == () and "train/a.png" in {scan.path for scan in found.scans}


def test_labelme_faults_of_files_are_counted_and_the_rest_read_on(tmp_path: Path) -> None:
    labelme_fixture.build(tmp_path)
    draw(tmp_path / "train/never looked at.png", 8, 8)
    put(tmp_path / "train/b.json", '{"shapes": [')
    put(tmp_path / "settings.json", '{"colour": 1}')
    document = json.loads((tmp_path / "train/a.json").read_text())
    put(tmp_path / "train/a copy.json", json.dumps(document))
    put(tmp_path / "val/c.json", json.dumps(document | {"imagePath": "c.jpg", "shapes": None}))
    found = labelme.ADAPTER.read(tmp_path)
    assert kinds(found) == {"malformed annotation": 3, "repeated file": 1, "missing annotation": 1}
    scans = {scan.path: scan for scan in found.scans}
    assert scans.keys() == {"train/a.png", "val/c.jpg"} and scans["val/c.jpg"].looked_for == frozenset()


# --- Label Studio


def read_tasks(root: Path, *tasks: Any) -> SourceSet:
    for name in ("a.png", "b.png"):
        draw(root / "images" / name, 200, 100)
    put(root / "export.json", json.dumps(tasks))
    return label_studio.ADAPTER.read(root)


def test_label_studio_per_cent_become_pixels_and_predictions_are_passed_over(tmp_path: Path) -> None:
    label_studio_fixture.build(tmp_path)
    found = label_studio.ADAPTER.read(tmp_path)
    first = found.scans[0]
    assert first.path == "images/1a2b3c4d-bag 1.png" and (first.width, first.height) == (200, 100)
    assert [box.box_xyxy for box in first.boxes] == [(20, 20, 80, 60)] and found.labels == ("gun",)
    assert kinds(found) == {"missing annotation": 1} and found.scans[1].boxes == ()


REGIONS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "turned": (lambda one: one["value"].update(rotation=12.5), "turned box"),
    "turned picture": (lambda one: one.update(image_rotation=90), "turned box"),
    "not finite": (lambda one: one["value"].update(x=float("nan")), "number not finite"),
    "text": (lambda one: one["value"].update(x="1"), "malformed box"),
    "inverted": (lambda one: one["value"].update(width=-5), "box without area"),
    "no value": (lambda one: one.update(value=None), "malformed box"),
    "no label": (lambda one: one["value"].update(rectanglelabels=[]), "malformed annotation"),
    "no size": (lambda one: one.update(original_width=None), "malformed size"),
    "ellipse": (lambda one: one.update(type="ellipselabels"), "shape not read"),
    "brush": (lambda one: one.update(type="brushlabels"), "shape not read"),
}


@pytest.mark.parametrize("name", REGIONS)
def test_label_studio_regions_that_are_no_boxes_are_noted(tmp_path: Path, name: str) -> None:
    change, kind = REGIONS[name]
    wrong, right = region("gun", 1, 2, 3, 4), region("knife", 10, 20, 30, 40)
    change(wrong)
    # Size comes from the region itself here: without it nothing can be turned into pixels.
    results = [wrong] if name == "no size" else [wrong, right]
    found = read_tasks(tmp_path, task(1, "images/a.png", *results))
    assert kinds(found) == {kind: 1}
    assert [box.label for box in found.scans[0].boxes] == ["knife"][: len(results) - 1]


@pytest.mark.parametrize(
    ("image", "path"),
    [
        ("images/a.png", "images/a.png"),
        ("a.png", "images/a.png"),
        ("/data/upload/7/0123abcd-a.png", "images/a.png"),
        ("/data/local-files/?d=images%2Fa.png", "images/a.png"),
        ("http://localhost:8080/data/local-files/?d=some/where/a.png", "images/a.png"),
        ("/data/local-files/?d=images%5Ca.png", "images/a.png"),
        ("/data/local-files/?d=some%5Cwhere%5Ca.png", "images/a.png"),
        ("s3://bucket/bags/a.png", "images/a.png"),
        ("https://example.org/x/a.png?token=1", "images/a.png"),
    ],
)
def test_label_studio_scans_are_found_by_what_the_task_names(tmp_path: Path, image: str, path: str) -> None:
    found = read_tasks(tmp_path, task(1, image))
    assert [scan.path for scan in found.scans] == [path] and found.findings == ()


@pytest.mark.parametrize(
    ("image", "path", "split"),
    [
        ("/data/local-files/?d=train/a.png", "train/a.png", "train"),
        ("/data/local-files/?d=projects/belt%203/Validation/a.png", "Validation/a.png", "val"),
        ("s3://bucket/bags/images/test2017/a.png", "images/test2017/a.png", "test"),
        ("/data/upload/1/0123abcd-a.png", "images/a.png", ""),
    ],
)
def test_label_studio_folders_of_splits_tell_the_split_below_any_root(
    tmp_path: Path, image: str, path: str, split: str
) -> None:
    draw(tmp_path / path, 200, 100)
    found = read_tasks(tmp_path, task(1, image))
    assert [(scan.path, scan.split) for scan in found.scans] == [(path, split)] and found.findings == ()


@pytest.mark.parametrize(
    ("counts", "passed_over"),
    [
        ("project-1-at-2026-02-01-10-00-bbbb.json", "project-1-at-2026-01-01-10-00-cccc.json"),
        ("project-1-at-2026-02-01-10-00-bbbb.json", "project-2-at-2026-02-01-09-59-aaaa.json"),
        ("project-1-at-2026-02-01-10-00-bbbb.json", "a.json"),
        ("a.json", "b.json"),
    ],
)
def test_label_studio_the_newest_of_two_exports_counts_and_both_are_named(
    tmp_path: Path, counts: str, passed_over: str
) -> None:
    draw(tmp_path / "images/a.png", 200, 100)
    draw(tmp_path / "images/b.png", 200, 100)
    put(tmp_path / counts, json.dumps([task(1, "images/a.png", region("gun", 1, 2, 3, 4))]))
    put(tmp_path / passed_over, json.dumps([task(1, "images/a.png"), task(2, "images/b.png")]))
    found = label_studio.ADAPTER.read(tmp_path)
    assert {scan.path: len(scan.boxes) for scan in found.scans} == {"images/a.png": 1, "images/b.png": 0}
    (told,) = found.findings
    assert (told.kind, told.subject) == ("repeated file", passed_over)
    assert told.message.startswith(f"{counts} has 1 of its scans, too (images/a.png): the boxes there count")


@pytest.mark.parametrize(("others", "taken", "unsure"), [({}, [], {"gun"}), ({"ground_truth": True}, ["gun"], set())])
def test_label_studio_annotators_who_disagree_leave_no_clean_scan(
    tmp_path: Path, others: dict[str, Any], taken: list[str], unsure: set[str]
) -> None:
    disputed = task(1, "images/a.png")
    disputed["annotations"].append({"result": [region("gun", 1, 1, 9, 9)], **others})
    disputed["annotations"].append({"result": [region("knife", 1, 1, 9, 9)], "was_cancelled": True})
    found = read_tasks(tmp_path, disputed, task(2, "images/b.png", region("knife", 1, 1, 9, 9)))
    scan = found.scans[0]
    assert [box.label for box in scan.boxes] == taken and kinds(found) == {"several annotations": 1}
    looked_for = set(found.labels) if scan.looked_for is None else set(scan.looked_for)
    assert "knife" in looked_for and ("gun" in looked_for) is not bool(unsure)
    assert ("others have gun" in found.findings[0].message) is bool(unsure)


@pytest.mark.parametrize("image", ["/data/local-files/?d=../../etc/a.png", "../a.png", "/etc/a.png", "C:\\a.png"])
def test_label_studio_paths_that_leave_the_set_are_refused(tmp_path: Path, image: str) -> None:
    found = read_tasks(tmp_path, task(1, image), task(2, "images/b.png"))
    assert kinds(found) == {"path refused": 1} and [scan.path for scan in found.scans] == ["images/b.png"]


def test_label_studio_tasks_with_faults_are_counted_and_the_rest_read_on(tmp_path: Path) -> None:
    cancelled = task(3, "images/a.png", region("gun", 1, 1, 9, 9))
    cancelled["annotations"][0]["was_cancelled"] = True
    twice = task(4, "images/a.png", region("gun", 1, 1, 9, 9))
    twice["annotations"].append({"result": [region("knife", 1, 1, 9, 9)], "ground_truth": True})
    tasks = [cancelled, twice, "x", task(5, "images/a.png"), task(6, "images/no.png"), task(7, "")]
    found = read_tasks(tmp_path, *tasks, task(8, "images/b.png", "x"))
    assert kinds(found) == {
        "missing annotation": 1,
        "several annotations": 1,
        "malformed annotation": 2,
        "repeated file": 1,
        "missing scan": 2,
    }
    assert [(scan.path, [box.label for box in scan.boxes]) for scan in found.scans] == [
        ("images/a.png", ["knife"]),
        ("images/b.png", []),
    ]


def test_label_studio_minimal_export_is_read(tmp_path: Path) -> None:
    value = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": ["gun"]}
    sized = value | {"original_width": 200, "original_height": 100}
    minimal = [{"id": 1, "image": "images/a.png", "label": [sized], "annotator": 1}, {"id": 2, "image": "images/b.png"}]
    found = read_tasks(tmp_path, *minimal)
    assert label_studio.ADAPTER.recognise(tmp_path) and found.findings == ()
    assert [[box.box_xyxy for box in scan.boxes] for scan in found.scans] == [[(20, 20, 80, 60)], []]


def test_every_writer_is_tested_here_or_beside() -> None:
    writers = {name for name, adapter in ADAPTERS.items() if adapter.write is not None}
    assert writers == {*FORMATS, "yolo", "pascal-voc"}
