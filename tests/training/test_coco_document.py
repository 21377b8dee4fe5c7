"""COCO with every fault that was met: one Finding each, of a kind to count by, and the rest read on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detector.errors import SettingsInvalid
from tests.training.dataset_fixtures.coco_files import coco, put_coco
from tests.training.dataset_fixtures.drawing import draw, put
from training.datasets.annotated_set import SourceSet
from training.datasets.coco_document import CocoPart, known_labels, read_parts
from training.datasets.coco_head import announces, category_names, first_image, looks_like_coco
from training.datasets.findings import Severity
from training.datasets.indexed_folder import IndexedFolder, plain_path

_PART = CocoPart("annotations/train.json", ("train",), "train")


def document() -> dict[str, Any]:
    """Two scans: a.png with a gun and a knife, b.png clean."""
    return coco({1: "gun", 2: "knife"}, {"a.png": [(1, 5, 6, 20, 10), (2, 30, 6, 10, 10)], "b.png": []})


def read(root: Path, content: dict[str, Any] | str | None = None) -> SourceSet:
    put_coco(root, _PART.annotations, "train", document())
    if content is not None:
        put(root / _PART.annotations, content if isinstance(content, str) else json.dumps(content))
    return read_parts("test", IndexedFolder(root), [_PART])


def kinds(found: SourceSet) -> dict[str, int]:
    return dict(Counter(finding.kind for finding in found.findings))


def labels_of(found: SourceSet, path: str = "train/a.png") -> list[str]:
    return [box.label for scan in found.scans if scan.path == path for box in scan.boxes]


def test_what_is_right_is_read_whole(tmp_path: Path) -> None:
    found = read(tmp_path)
    first, second = found.scans
    assert found.findings == () and found.labels == ("gun", "knife")
    assert (first.path, first.split, first.width, first.height, first.group) == (
        "train/a.png",
        "train",
        64,
        48,
        "train/a.png",
    )
    assert first.boxes[0].box_xyxy == (5, 6, 25, 16) and first.boxes[0].polygons == ((5, 6, 25, 6, 25, 16),)
    assert second.boxes == () and second.looked_for is None and second.present == frozenset()


@pytest.mark.parametrize(
    ("bbox", "kind"),
    [
        ([5, 6, float("nan"), 10], "number not finite"),
        ([5, 6, float("inf"), 10], "number not finite"),
        ([5, 6, 10**400, 10], "number not finite"),
        ([1e308, 6, 1e308, 10], "number not finite"),
        ([25, 6, -20, 10], "box without area"),
        ([5, 6, 0, 10], "box without area"),
        ([5, 6, 20], "malformed box"),
        (["5", 6, 20, 10], "malformed box"),
        ([True, 6, 20, 10], "malformed box"),
        ({"x": 5}, "malformed box"),
        (None, "malformed box"),
    ],
)
def test_a_bad_box_is_one_finding_and_its_label_stays_known(tmp_path: Path, bbox: Any, kind: str) -> None:
    changed = document()
    changed["annotations"][0]["bbox"] = bbox
    found = read(tmp_path, changed)
    assert kinds(found) == {kind: 1} and labels_of(found) == ["knife"]
    first, second = found.scans
    assert first.present == {"gun"} and first.looked_for == {"knife"}
    assert second.present == frozenset() and second.looked_for is None


@pytest.mark.parametrize("change", [{"category_id": 9}, {"category_id": None}, {"category_id": 1}])
def test_a_scan_with_an_item_that_has_no_class_is_clean_of_nothing(tmp_path: Path, change: dict[str, Any]) -> None:
    changed = document()
    changed["annotations"][0] |= change
    changed["categories"].append({"id": 1, "name": "drill"})
    first, second = read(tmp_path, changed).scans
    assert [box.label for box in first.boxes] == ["knife"]
    assert (first.looked_for, first.present) == (frozenset(), frozenset()) and second.looked_for is None


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(annotations=None),
        lambda content: content.update(annotations={str(n): one for n, one in enumerate(content["annotations"])}),
        lambda content: content["annotations"].extend("xy"),
        lambda content: [one.update(image_id=None) for one in content["annotations"]],
        lambda content: [one.update(image_id=77) for one in content["annotations"]],
        lambda content: content.update(annotations=[content["annotations"][0] | {"image_id": 77}]),
    ],
    ids=["null", "object", "no objects", "no image", "another image", "the only one"],
)
def test_scans_of_a_file_whose_items_are_lost_are_clean_of_nothing(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    changed = document()
    change(changed)
    found = read(tmp_path, changed)
    assert [scan.looked_for for scan in found.scans] == [frozenset(), frozenset()]
    assert Severity.ERROR in {finding.severity for finding in found.findings}


@pytest.mark.parametrize(("count", "most"), [(4, 1), (100, 1), (250, 2)])
def test_how_many_annotations_may_belong_to_no_image_before_no_scan_counts_as_clean(
    tmp_path: Path, count: int, most: int
) -> None:
    for astray in (most, most + 1):
        changed = document()
        one = changed["annotations"][0]
        changed["annotations"] = [one | {"id": n, "image_id": 77 if n < astray else 1} for n in range(count)]
        found = read(tmp_path / str(astray), changed)
        told = [finding for finding in found.findings if finding.kind == "annotations astray"]
        assert [scan.looked_for for scan in found.scans] == [frozenset() if told else None] * 2
        assert bool(told) == (astray > most)
    expected = f"{most + 1} of {count} belong to no image: none of this file's scans counts as clean; correct them"
    assert [(finding.severity, finding.message) for finding in told] == [(Severity.ERROR, expected)]


def test_ids_written_as_text_are_the_same_numbers(tmp_path: Path) -> None:
    changed = document()
    for annotation in changed["annotations"]:
        annotation["image_id"] = str(annotation["image_id"])
    found = read(tmp_path, changed)
    assert [scan.boxes for scan in found.scans] == [scan.boxes for scan in read(tmp_path / "plain").scans]
    assert any(scan.boxes for scan in found.scans) and not found.findings


def test_what_was_looked_for_is_told_by_ids_in_either_spelling() -> None:
    names = {1: "gun", 2: "knife", "x": "drill"}
    assert known_labels(["1", 2.0, "x", None, [1], True, "02"], names) == {"gun", "knife", "drill"}


def test_a_box_beside_the_refused_one_keeps_its_label_looked_for(tmp_path: Path) -> None:
    changed = document()
    changed["annotations"][1] |= {"category_id": 1, "bbox": [0, 0, 0, 0]}
    first = read(tmp_path, changed).scans[0]
    assert first.present == {"gun"} and first.looked_for is None and len(first.boxes) == 1


def _annotation(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["annotations"][0].update(values)


def _image(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["images"][1].update(values)


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], Any], dict[str, int], list[str]]] = {
    "unknown image": (_annotation(image_id=77), {"unknown image": 1}, ["knife"]),
    "image id of another type": (_annotation(image_id=[1]), {"unknown image": 1}, ["knife"]),
    "unknown class": (_annotation(category_id=0), {"unknown class": 1}, ["knife"]),
    "no class": (_annotation(category_id=None), {"unknown class": 1}, ["knife"]),
    "run-length mask": (
        _annotation(segmentation={"counts": "abc", "size": [48, 64]}, iscrowd=1),
        {"mask not read": 1},
        ["gun", "knife"],
    ),
    "outline of two points": (_annotation(segmentation=[[1, 2, 3, 4]]), {"malformed polygon": 1}, ["gun", "knife"]),
    "outline with NaN": (
        _annotation(segmentation=[[1, 2, 3, 4, 5, float("nan")]]),
        {"malformed polygon": 1},
        ["gun", "knife"],
    ),
    "annotation that is no object": (
        lambda content: content["annotations"].append("x"),
        {"malformed entry": 1},
        ["gun", "knife"],
    ),
    "annotation id twice": (
        lambda content: content["annotations"][1].update(id=1),
        {"repeated id": 1},
        ["gun", "knife"],
    ),
    "annotation twice": (
        lambda content: content["annotations"].append(dict(content["annotations"][0])),
        {"repeated id": 1},
        ["gun", "knife"],
    ),
    "class name twice": (
        lambda content: content["categories"].append({"id": 3, "name": "gun"}),
        {"repeated class name": 1},
        ["gun", "knife"],
    ),
    "class id with two names": (
        lambda content: content["categories"].append({"id": 1, "name": "knife"}),
        {"repeated id": 1, "unknown class": 1},
        ["knife"],
    ),
    "class without name": (
        lambda content: content["categories"].append({"id": 3}),
        {"malformed entry": 1},
        ["gun", "knife"],
    ),
    "image without id": (_image(id=None), {"malformed entry": 1, "missing annotation": 1}, ["gun", "knife"]),
    "image id twice": (_image(id=1), {"repeated id": 1, "missing annotation": 1}, []),
    "file twice": (_image(file_name="a.png"), {"repeated file": 1, "missing annotation": 1}, ["gun", "knife"]),
    "file missing": (_image(file_name="no.png"), {"missing scan": 1, "missing annotation": 1}, ["gun", "knife"]),
    "width that is a text": (_image(width="64"), {"malformed size": 1}, ["gun", "knife"]),
    "width that is NaN": (_image(width=float("nan")), {"number not finite": 1}, ["gun", "knife"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_counted_and_the_rest_read_on(tmp_path: Path, fault: str) -> None:
    change, expected, labels = FAULTS[fault]
    changed = document()
    change(changed)
    found = read(tmp_path, changed)
    assert kinds(found) == expected
    assert labels_of(found) == labels


@pytest.mark.parametrize("name", ["../a.png", "/etc/hosts", "C:\\a.png", "..\\a.png", "x/../../a.png", "", None, 3])
def test_a_file_name_that_leaves_the_set_is_refused(tmp_path: Path, name: Any) -> None:
    changed = document()
    changed["images"][1]["file_name"] = name
    draw(tmp_path / "a.png", 8, 8)
    found = read(tmp_path / "set", changed)
    assert kinds(found) == {"path refused": 1, "missing annotation": 1}
    assert [scan.path for scan in found.scans] == ["train/a.png"]


def test_a_link_that_leaves_the_set_is_refused_and_one_within_is_followed(tmp_path: Path) -> None:
    draw(tmp_path / "outside.png", 64, 48)
    root = tmp_path / "set"
    changed = document()
    changed["images"] += [{"id": 8, "file_name": "out.png"}, {"id": 9, "file_name": "in.png"}]
    (root / "train").mkdir(parents=True)
    (root / "train/out.png").symlink_to(tmp_path / "outside.png")
    (root / "train/in.png").symlink_to("a.png")
    found = read(root, changed)
    assert kinds(found) == {"path refused": 1}
    assert [scan.path for scan in found.scans] == ["train/a.png", "train/b.png", "train/in.png"]


def test_a_folder_that_is_not_there_is_one_finding_however_many_scans_it_held(tmp_path: Path) -> None:
    put(tmp_path / _PART.annotations, json.dumps(document()))
    found = read_parts("test", IndexedFolder(tmp_path), [_PART])
    assert kinds(found) == {"missing folder": 1} and found.scans == () and found.labels == ("gun", "knife")
    assert len(found.findings[0].left_out) == 2


@pytest.mark.parametrize("content", ["", '{"images": [', "[1]", "\x00", "[" * 100_000, '{"images": [], "x": "\udcff"'])
def test_a_half_written_part_is_a_finding_and_the_other_parts_are_read(tmp_path: Path, content: str) -> None:
    put_coco(tmp_path, _PART.annotations, "train", document())
    (tmp_path / "annotations/test.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    parts = [_PART, CocoPart("annotations/test.json", ("test",), "test"), CocoPart("annotations/no.json", (), "val")]
    found = read_parts("test", IndexedFolder(tmp_path), parts)
    assert kinds(found) == {"malformed annotation": 1, "missing part": 1} and len(found.scans) == 2


def test_nothing_to_read_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"no annotations that can be read: annotations/train\.json"):
        read(tmp_path, "{")


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    put(tmp_path / "big.json", json.dumps(list(range(100))))
    folder = IndexedFolder(tmp_path)
    assert folder.json("big.json", 1000) == list(range(100))
    assert folder.json("big.json", 100) is None
    assert [finding.kind for finding in folder.findings] == ["unreadable annotations"]


def test_without_annotations_nothing_is_known_of_the_scans(tmp_path: Path) -> None:
    changed = document()
    del changed["annotations"]
    found = read(tmp_path, changed)
    assert kinds(found) == {"scans not annotated": 1}
    assert [scan.looked_for for scan in found.scans] == [frozenset(), frozenset()]
    unnamed = document() | {"categories": []}
    found = read(tmp_path, unnamed)
    assert kinds(found) == {"malformed annotation": 1} and found.scans[0].looked_for == frozenset()


def fractions(content: dict[str, Any]) -> dict[str, Any]:
    """Boxes as x y width height in fractions of the 64 x 48 scans."""
    for annotation in content["annotations"]:
        x, y, width, height = annotation["bbox"]
        annotation["bbox"] = [x / 64, y / 48, width / 64, height / 48]
    return content


def test_boxes_in_fractions_of_the_scan_are_one_finding_and_none_is_taken(tmp_path: Path) -> None:
    changed = fractions(document())
    changed["annotations"].append(changed["annotations"][0] | {"id": 9, "bbox": [0, 0, 0, 0]})
    found = read(tmp_path, changed)
    (told,) = found.findings
    assert (told.severity, told.kind, told.subject) == (Severity.ERROR, "malformed box", _PART.annotations)
    assert "fractions of the scan" in told.message and "multiply" in told.message
    assert [(scan.boxes, scan.looked_for) for scan in found.scans] == [((), frozenset())] * 2


def test_one_box_in_pixels_is_no_file_of_fractions(tmp_path: Path) -> None:
    changed = fractions(document())
    changed["annotations"][1]["bbox"] = [0, 0, 1, 2]
    found = read(tmp_path, changed)
    assert found.findings == () and labels_of(found) == ["gun", "knife"]


def test_scans_without_an_entry_are_named_at_any_depth_once(tmp_path: Path) -> None:
    for path in ("images/x/deep.png", "images/train/t.png", "root.png", "belt 1/b.png"):
        draw(tmp_path / path, 8, 8)
    put_coco(tmp_path, _PART.annotations, "images/train", document())
    own = CocoPart(_PART.annotations, ("", "images/train", "images"), "train")
    found = read_parts("test", IndexedFolder(tmp_path), [own])
    assert [(finding.kind, finding.subject) for finding in found.findings] == [
        ("missing annotation", "images/train/t.png"),
        ("missing annotation", "images/x/deep.png"),
        ("missing annotation", "root.png, belt 1/b.png"),
    ]
    # A set of the public layouts looks into its root as a last resort: side views and other parts lie there.
    public = replace(own, folders=("images/train", ""))
    found = read_parts("test", IndexedFolder(tmp_path), [public])
    assert [finding.subject for finding in found.findings] == ["images/train/t.png"]


def test_a_part_was_looked_through_for_its_own_classes_only(tmp_path: Path) -> None:
    put_coco(tmp_path, "annotations/test.json", "test", coco({5: "gun"}, {"c.png": [(5, 1, 1, 4, 4)]}))
    put_coco(tmp_path, _PART.annotations, "train", document())
    found = read_parts("test", IndexedFolder(tmp_path), [_PART, CocoPart("annotations/test.json", ("test",), "test")])
    assert {scan.split: scan.looked_for for scan in found.scans} == {"train": None, "test": {"gun"}}


def test_crowds_and_ignored_items_are_marked(tmp_path: Path) -> None:
    changed = document()
    changed["annotations"][0]["iscrowd"] = 1
    changed["annotations"][1]["ignore"] = True
    assert [box.ignore for box in read(tmp_path, changed).scans[0].boxes] == [True, True]
    assert [box.ignore for box in read(tmp_path).scans[0].boxes] == [False, False]


def test_files_are_told_by_a_search_wherever_the_classes_stand(tmp_path: Path) -> None:
    content = document()
    content["images"] *= 2000
    for name, keys in {"last": ("images", "annotations", "categories"), "first": ("categories", "images")}.items():
        put(tmp_path / f"{name}.json", json.dumps({key: content[key] for key in keys}, indent=1))
        assert {"gun", "knife"} <= category_names(tmp_path / f"{name}.json")
        assert b'"a.png"' in first_image(tmp_path / f"{name}.json")
    assert announces(tmp_path / "last.json", ("Gun", "KNIFE", "x", "y"))
    assert not announces(tmp_path / "last.json", ("gun", "x", "y", "z"))
    put(tmp_path / "list.json", "[]")
    put(tmp_path / "empty.json", "")
    for name in ("list", "empty", "missing"):
        assert not looks_like_coco(tmp_path / f"{name}.json") and category_names(tmp_path / f"{name}.json") == set()


def test_paths_are_plain_or_refused() -> None:
    assert plain_path("./train\\a.png") == "train/a.png"
    assert [plain_path(name) for name in ("a/../b", "/a", "d:a", "a\0", ".", 1)] == [None] * 6
