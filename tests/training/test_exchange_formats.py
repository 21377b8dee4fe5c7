"""Pascal VOC and YOLO, written and read back: random sets come back as they were, or are refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detector.errors import SettingsInvalid
from tests.training.dataset_fixtures import coco, opixray, yolo
from tests.training.dataset_fixtures.coco_files import coco as coco_document
from tests.training.dataset_fixtures.drawing import draw, put, voc
from training.data_commands import FormatChoice
from training.datasets.adapters import ADAPTERS
from training.datasets.annotated_set import SourceBox, SourceScan, SourceSet
from training.datasets.exchange import NOT_CARRIED
from training.datasets.recognition import recognise
from training.datasets.splits import split_of_path

LABELS = ("gun", "Knife-A (10 cm)", "ножницы", 'it\'s "quoted"', "- dash", "1", "null", "a, b", "<&>", "true")
FORMATS = ("pascal-voc", "yolo")
FOLDERS = ("", "belt 1/", "a/b/", "images/", "images/train2017/", "train/images/", "a/images/b/")
each_format = pytest.mark.parametrize("name", FORMATS)


def random_set(seed: int, root: Path, rich: bool) -> SourceSet:
    """A few scans with names, labels, splits and boxes of all kinds. rich: with what only VOC has a place for."""
    random = np.random.default_rng(seed)
    labels = tuple(random.permutation(LABELS)[: random.integers(1, len(LABELS))].tolist())
    scans = []
    for number in range(int(random.integers(1, 7))):
        path = f"{random.choice(FOLDERS)}bag {number}{random.choice(['.png', '.jpg', '.TIF'])}"
        width, height = (int(side) for side in random.integers(8, 300, 2))
        draw(root / path, width, height, number)
        boxes = tuple(_random_box(random, labels, width, height, rich) for _ in range(random.integers(0, 4)))
        # YOLO takes what lies in train/ for that split.
        unsplit = [] if split_of_path(path) and not rich else [""]
        split = str(random.choice([*unsplit, "train", "val", "test", "hidden_easy"]))
        scans.append(SourceScan(path, split, boxes, path, width, height))
    return SourceSet("random", root, labels, tuple(scans))


def _random_box(random: np.random.Generator, labels: tuple[str, ...], width: int, height: int, rich: bool) -> SourceBox:
    (x1, x2), (y1, y2) = (sorted(random.uniform(0, side, 2)) for side in (width, height))
    box = SourceBox(str(random.choice(labels)), (x1, y1, x2 + 0.01, y2 + 0.01))
    if not rich:
        return box
    outline = tuple(random.uniform(0, 99, 2 * random.integers(3, 6)).tolist())
    attributes = {"pose": "Left", "occlusion": "OL2"} if random.random() < 0.5 else {"truncated": "1"}
    polygons = (outline,) * int(random.integers(0, 3))
    return replace(box, ignore=bool(random.random() < 0.3), polygons=polygons, attributes=attributes)


def write_and_read(name: str, source: SourceSet, folder: Path) -> SourceSet:
    adapter = ADAPTERS[name]
    assert adapter.write is not None
    adapter.write(source, folder)
    assert adapter.recognise(folder)
    return adapter.read(folder)


def placed(name: str, scan: SourceScan) -> str:
    if name == "pascal-voc":
        return f"JPEGImages/{scan.path}"
    # Labels lie where the last folder `images` stands: the writer leaves the scan's own ones out.
    path = f"/{scan.path}".replace("/images/", "/")
    return f"images/{scan.split}{path}" if scan.split else f"images{path}"


def assert_equal(found: SourceSet, source: SourceSet, name: str) -> None:
    assert found.labels == source.labels and found.findings == ()
    scans = {scan.path: scan for scan in found.scans}
    assert len(scans) == len(source.scans)
    for scan in source.scans:
        other = scans[placed(name, scan)]
        assert (other.split, other.looked_for, other.present) == (scan.split, None, frozenset())
        assert (found.root / other.path).read_bytes() == (source.root / scan.path).read_bytes()
        if scan.boxes or name == "pascal-voc":
            assert (other.width, other.height) == (scan.width, scan.height)
        assert len(other.boxes) == len(scan.boxes)
        for one, two in zip(other.boxes, scan.boxes, strict=True):
            assert (one.label, one.ignore, one.attributes) == (two.label, two.ignore, two.attributes)
            assert np.allclose(one.box_xyxy, two.box_xyxy, rtol=0, atol=1e-4)
            assert len(one.polygons) == len(two.polygons)
            for polygon, outline in zip(one.polygons, two.polygons, strict=True):
                assert np.allclose(polygon, outline, rtol=0, atol=1e-4)


@each_format
@pytest.mark.parametrize("seed", range(12))
def test_a_set_comes_back_as_it_was(name: str, seed: int, tmp_path: Path) -> None:
    source = random_set(seed, tmp_path / "source", rich=name == "pascal-voc")
    found = write_and_read(name, source, tmp_path / "written")
    assert_equal(found, source, name)
    again = write_and_read(name, found, tmp_path / "again")
    assert [replace(scan, boxes=()) for scan in again.scans] == [replace(scan, boxes=()) for scan in found.scans]
    assert not (tmp_path / "written" / NOT_CARRIED).exists()


def one_scan(root: Path, **changes: object) -> SourceSet:
    draw(root / "a.png", 40, 30)
    scan = SourceScan("a.png", "train", (SourceBox("gun", (1, 2, 3, 4)),), "a.png", 40, 30)
    return SourceSet("one", root, ("gun", "knife"), (replace(scan, **changes),))  # type: ignore[arg-type]


@each_format
@pytest.mark.parametrize(
    "changes",
    [
        {"looked_for": frozenset({"gun"})},
        {"present": frozenset({"knife"})},
        {"path": "../a.png"},
        {"path": "missing.png"},
        {"split": "../train"},
        {"path": "a\udcff.png"},
        {"boxes": (SourceBox(" gun", (1, 2, 3, 4)),)},
        {"boxes": (SourceBox("gun\n", (1, 2, 3, 4)),)},
    ],
)
def test_what_would_mislead_is_refused(name: str, changes: dict[str, object], tmp_path: Path) -> None:
    adapter = ADAPTERS[name]
    assert adapter.write is not None
    with pytest.raises(SettingsInvalid) as error:
        adapter.write(one_scan(tmp_path / "source", **changes), tmp_path / "written")
    assert error.value.remedy
    assert not (tmp_path / "a.png").exists()


def test_yolo_refuses_items_to_ignore_and_voc_carries_them(tmp_path: Path) -> None:
    source = one_scan(tmp_path / "source", boxes=(SourceBox("gun", (1, 2, 3, 4), ignore=True),))
    assert write_and_read("pascal-voc", source, tmp_path / "voc").scans[0].boxes[0].ignore
    with pytest.raises(SettingsInvalid, match="no mark for items to ignore") as caught:
        write_and_read("yolo", source, tmp_path / "yolo")
    named = re.findall(r"[a-z-]+", caught.value.remedy.removeprefix("export as "))
    assert {"coco", "voc"} == set(named) - {"or"} <= {choice.value for choice in FormatChoice}


def test_yolo_of_the_commonest_coco_layout_can_be_trained_on(tmp_path: Path) -> None:
    coco.build(tmp_path / "coco")
    found = write_and_read("yolo", ADAPTERS["coco"].read(tmp_path / "coco"), tmp_path / "yolo")
    texts = sorted(path.relative_to(tmp_path / "yolo").as_posix() for path in (tmp_path / "yolo").rglob("[abc].txt"))
    assert texts == [f"labels/{name}.txt" for name in ("train/train2017/a", "train/train2017/b", "val/val2017/c")]
    assert [len(scan.boxes) for scan in found.scans] == [2, 0, 1] and found.findings == ()


@pytest.mark.parametrize(
    ("path", "others"),
    [
        ("train/a.png", ()),
        ("Valid/a.png", ()),
        ("images/val/a.png", ()),
        ("test/x/a.png", ("hard",)),
        ("hard/a.png", ("hard",)),
    ],
)
def test_yolo_refuses_a_scan_without_a_split_in_a_folder_that_is_one(
    path: str, others: tuple[str, ...], tmp_path: Path
) -> None:
    source = one_scan(tmp_path / "source", path=path, split="")
    draw(tmp_path / "source" / path, 40, 30)
    more = (replace(source.scans[0], path="a.png", split=split) for split in others)
    with pytest.raises(SettingsInvalid, match=f"cannot say that {path} is in no split") as error:
        write_and_read("yolo", replace(source, scans=(*source.scans, *more)), tmp_path / "yolo")
    assert "data prepare" in error.value.remedy


def test_voc_gives_scans_of_one_name_in_two_folders_their_own_splits(tmp_path: Path) -> None:
    source = one_scan(tmp_path / "source", path="0001.png", group="0001.png", split="test")
    there = {"0001.png": "test", "day2/0001.png": "", "day2/0002.png": "train", "day3/0002.png": ""}
    for path in there:
        draw(tmp_path / "source" / path, 40, 30)
    scans = tuple(replace(source.scans[0], path=path, group=path, split=split) for path, split in there.items())
    found = write_and_read("pascal-voc", replace(source, scans=scans), tmp_path / "written")
    assert {scan.path.removeprefix("JPEGImages/"): scan.split for scan in found.scans} == there
    # Tools that list bare names alone are still understood where nothing else is called so.
    put(tmp_path / "written/ImageSets/Main/train.txt", "0001\n0002\n")
    put(tmp_path / "written/ImageSets/Main/test.txt", "")
    splits = {
        scan.path.removeprefix("JPEGImages/"): scan.split for scan in ADAPTERS["pascal-voc"].read(found.root).scans
    }
    assert splits == {"0001.png": "train", "day2/0001.png": "", "day2/0002.png": "train", "day3/0002.png": "train"}


def test_voc_refuses_labels_that_its_list_cannot_hold(tmp_path: Path) -> None:
    source = replace(one_scan(tmp_path / "source", boxes=()), labels=("a:b",))
    with pytest.raises(SettingsInvalid, match="cannot hold 'a:b'"):
        write_and_read("pascal-voc", source, tmp_path / "voc")


@pytest.mark.parametrize("boxes", [(), (SourceBox("background", (1, 2, 3, 4)),)])
def test_voc_refuses_a_label_that_means_none(boxes: tuple[SourceBox, ...], tmp_path: Path) -> None:
    source = replace(one_scan(tmp_path / "source", boxes=boxes), labels=("gun", "background"))
    with pytest.raises(SettingsInvalid, match="cannot hold the label 'background'") as error:
        write_and_read("pascal-voc", source, tmp_path / "voc")
    assert error.value.remedy.startswith("rename it")


@pytest.mark.parametrize("path", ["a .png", " a.png", "belt/a .png", " belt/a.png"])
def test_voc_refuses_a_name_that_its_lists_cannot_hold(path: str, tmp_path: Path) -> None:
    source = one_scan(tmp_path / "source", path=path, group=path)
    draw(tmp_path / "source" / path, 40, 30)
    with pytest.raises(SettingsInvalid, match=f"cannot hold '{path.removesuffix('.png')}' as it is"):
        write_and_read("pascal-voc", source, tmp_path / "voc")
    # Without a split the scan is in no list.
    unsplit = replace(source, scans=(replace(source.scans[0], split=""),))
    found = write_and_read("pascal-voc", unsplit, tmp_path / "unsplit")
    assert [(scan.path, scan.split, len(scan.boxes)) for scan in found.scans] == [(f"JPEGImages/{path}", "", 1)]


@pytest.mark.parametrize(("name", "split"), [("pascal-voc", "trainval"), ("yolo", "names"), ("yolo", "valid")])
def test_a_split_that_means_something_else_in_the_format_is_refused(name: str, split: str, tmp_path: Path) -> None:
    source = one_scan(tmp_path / "source")
    source = replace(source, scans=(replace(source.scans[0], split=split),))
    with pytest.raises(SettingsInvalid, match=f"cannot hold the split '{split}'"):
        write_and_read(name, source, tmp_path / "written")


@pytest.mark.parametrize("name", ["coco", "pascal-voc"])
@pytest.mark.parametrize(
    ("angle", "turned"), [("45", True), ("-90.5", True), ("0.0", False), ("360", False), ("left", False)]
)
def test_a_rectangle_that_cvat_turned_is_not_taken_as_it_stands(
    tmp_path: Path, name: str, angle: str, turned: bool
) -> None:
    draw(tmp_path / "set/images/a.png", 40, 30)
    boxes = (SourceBox("gun", (1, 2, 30, 8), attributes={"rotation": angle}), SourceBox("knife", (5, 5, 9, 9)))
    scan = SourceScan("images/a.png", "train", boxes, "", 40, 30)
    adapter = ADAPTERS[name]
    assert adapter.write is not None
    adapter.write(SourceSet("own", tmp_path / "set", ("gun", "knife"), (scan,), ()), tmp_path / "written")
    found = adapter.read(tmp_path / "written")
    assert [box.label for box in found.scans[0].boxes] == (["knife"] if turned else ["gun", "knife"])
    assert bool(found.findings) is turned
    # Whoever trains on it must not take the gun for background.
    looked_for = found.scans[0].looked_for
    assert (looked_for is not None and "gun" not in looked_for) is turned


def test_voc_refuses_attributes_that_xml_cannot_hold(tmp_path: Path) -> None:
    box = SourceBox("gun", (1, 2, 3, 4), attributes={"note": "a\0b"})
    with pytest.raises(SettingsInvalid, match="cannot hold"):
        write_and_read("pascal-voc", one_scan(tmp_path / "source", boxes=(box,)), tmp_path / "voc")


@each_format
def test_what_is_forgotten_is_written_down(name: str, tmp_path: Path) -> None:
    box = SourceBox("gun", (1, 2, 3, 4), polygons=((1, 2, 3, 2, 3, 4),), attributes={"rate": "0.5"})
    source = one_scan(tmp_path / "source", group="bag 1", subset="OL1", scanner="north", boxes=(box,))
    write_and_read(name, source, tmp_path / "written")
    text = (tmp_path / "written" / NOT_CARRIED).read_text()
    assert [word in text for word in ("group", "subset", "scanner")] == [True] * 3
    assert ("polygons" in text) == ("attributes" in text) == (name == "yolo")


@each_format
def test_two_scans_never_share_a_file_of_labels_and_no_folder_is_overwritten(name: str, tmp_path: Path) -> None:
    source = one_scan(tmp_path / "source")
    draw(tmp_path / "source/a.jpg", 40, 30)
    both = replace(source, scans=(*source.scans, replace(source.scans[0], path="a.jpg")))
    with pytest.raises(SettingsInvalid, match="would share"):
        write_and_read(name, both, tmp_path / "both")
    put(tmp_path / "full/x.txt", "")
    with pytest.raises(SettingsInvalid, match="not empty"):
        write_and_read(name, source, tmp_path / "full")


def test_a_public_set_is_exported(tmp_path: Path) -> None:
    opixray.build(tmp_path / "opixray")
    source = ADAPTERS["opixray"].read(tmp_path / "opixray")
    for name in FORMATS:
        found = write_and_read(name, source, tmp_path / name)
        assert len(found.scans) == 6 and found.labels == source.labels


# Reading what others wrote


def test_voc_beside_pictures_in_split_folders_as_roboflow_exports(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        for copy in ("1" * 32, "2" * 32):
            draw(tmp_path / f"{split}/bag_jpg.rf.{copy}.jpg", 40, 30)
            put(tmp_path / f"{split}/bag_jpg.rf.{copy}.xml", voc(f"bag_jpg.rf.{copy}.jpg", 40, 30, ("gun", 1, 1, 9, 9)))
    adapter = ADAPTERS["pascal-voc"]
    found = adapter.read(tmp_path)
    assert adapter.recognise(tmp_path) and found.findings == ()
    assert [scan.split for scan in found.scans] == ["test", "test", "train", "train", "val", "val"]
    # Augmented copies of one picture may not be told apart by splits.
    assert {scan.group for scan in found.scans} == {"bag_jpg"}


def test_voc_two_folders_deep_as_sixray_d_has_it(tmp_path: Path) -> None:
    for split in ("train", "test"):
        draw(tmp_path / f"{split}/Cleaned Scissors 1/{split}.jpg", 40, 30)
        put(tmp_path / f"{split}/Cleaned Scissors 1/{split}.xml", voc(f"{split}.jpg", 40, 30, ("Scissors", 1, 1, 9, 9)))
    recognised = recognise(tmp_path)
    found = recognised.read()
    assert recognised.name == "pascal-voc" and found.findings == ()
    assert [(scan.split, len(scan.boxes)) for scan in found.scans] == [("test", 1), ("train", 1)]


def test_voc_boxes_go_to_the_picture_of_the_annotations_own_name(tmp_path: Path) -> None:
    """A set whose files were numbered anew: <filename> holds the old number, which another scan has now."""
    for number in (1, 2, 3):
        draw(tmp_path / f"JPEGImages/{number}.jpg", 40, 30)
        put(tmp_path / f"Annotations/{number}.xml", voc(f"{number + 1}.jpg", 40, 30, ("gun", number, 1, 20, 20)))
    # Its picture is gone, and the one that it names is another annotation's.
    put(tmp_path / "Annotations/0.xml", voc("1.jpg", 40, 30, ("gun", 9, 9, 20, 20)))
    found = ADAPTERS["pascal-voc"].read(tmp_path)
    left = {scan.path: [box.box_xyxy[0] for box in scan.boxes] for scan in found.scans}
    assert left == {"JPEGImages/1.jpg": [0], "JPEGImages/2.jpg": [1], "JPEGImages/3.jpg": [2]}
    assert [finding.kind for finding in found.findings] == ["missing file", "other scan's name"]
    assert "1.xml (2.jpg)" in found.findings[1].subject and found.findings[1].message.startswith("3 x")


@pytest.mark.parametrize("said", ["C:\\Users\\me\\scans\\a.jpg", "../JPEGImages/a.jpg", "/data/a.jpg", "~/a.jpg", "a"])
def test_voc_folders_of_another_machine_do_not_lose_a_scan_and_are_not_opened(said: str, tmp_path: Path) -> None:
    draw(tmp_path / "a.jpg", 40, 30)
    for name in ("a", "b"):
        draw(tmp_path / f"set/JPEGImages/{name}.jpg", 40, 30)
        put(tmp_path / f"set/Annotations/{name}.xml", voc(said.replace("a.jpg", f"{name}.jpg"), 40, 30))
    put(tmp_path / "set/Annotations/c.xml", voc("../../a.jpg", 40, 30))
    found = ADAPTERS["pascal-voc"].read(tmp_path / "set")
    assert [scan.path for scan in found.scans] == ["JPEGImages/a.jpg", "JPEGImages/b.jpg"]
    kinds = [finding.kind for finding in found.findings]
    assert kinds == ["missing file"] + ["other scan's name"] * (said == "a")


def test_voc_a_picture_of_another_name_is_taken_where_it_is_the_only_one_that_fits(tmp_path: Path) -> None:
    for name in ("photo.png", "b.jpg", "b.png"):
        draw(tmp_path / f"JPEGImages/{name}", 40, 30)
    put(tmp_path / "Annotations/a.xml", voc("x/photo.png", 0, 0, ("gun", 1, 1, 40, 30)))
    put(tmp_path / "Annotations/b.xml", voc("b.jpg", 40, 30))
    put(tmp_path / "Annotations/c.xml", voc("photo.png", 40, 30))
    found = ADAPTERS["pascal-voc"].read(tmp_path)
    assert [scan.path for scan in found.scans] == ["JPEGImages/photo.png", "JPEGImages/b.jpg"]
    assert found.scans[0].boxes[0].box_xyxy == (0, 0, 40, 30) and found.scans[0].width == 0
    kinds = [finding.kind for finding in found.findings]
    assert kinds == ["missing file", "other scan's name", "missing annotation"]


@pytest.mark.parametrize(
    "content",
    [
        '<!DOCTYPE a [<!ENTITY e "x">]><annotation><object><name>&e;</name></object></annotation>',
        '<!DOCTYPE annotation SYSTEM "file:///etc/passwd"><annotation/>',
        '<!DOCTYPE z [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><annotation>&b;</annotation>',
        "<annotation>&undefined;</annotation>",
        "<annotation><object>",
        "<html/>",
        "",
    ],
)
def test_voc_with_a_dtd_or_without_xml_is_one_finding(content: str, tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-16"):
        folder = tmp_path / encoding
        draw(folder / "JPEGImages/a.png", 40, 30)
        draw(folder / "JPEGImages/b.png", 40, 30)
        put(folder / "Annotations/a.xml", voc("a.png", 40, 30))
        (folder / "Annotations/b.xml").write_bytes(content.encode(encoding))
        found = ADAPTERS["pascal-voc"].read(folder)
        assert len(found.scans) == 1
        assert [finding.kind for finding in found.findings] == ["malformed annotation", "missing annotation"]


def test_voc_one_bad_item_leaves_the_others_and_says_that_the_scan_is_not_complete(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", 40, 30)
    boxes = [("gun", 1, 1, 9, 9), ("knife", 9, 9, 1, 1), ("", 1, 1, 2, 2)]
    text = voc("a.png", 40, 30, *boxes).replace("<annotation>", "<annotation><object><name>x</name></object>")
    put(
        tmp_path / "a.xml", text.replace("<xmin>1</xmin><ymin>1</ymin><xmax>2", "<xmin>nan</xmin><ymin>1</ymin><xmax>2")
    )
    found = ADAPTERS["pascal-voc"].read(tmp_path)
    assert [box.label for box in found.scans[0].boxes] == ["gun"] and found.scans[0].looked_for == frozenset()
    assert [finding.kind for finding in found.findings] == ["malformed box"] * 3


def test_yolo_outlines_become_boxes_and_keep_their_shape(tmp_path: Path) -> None:
    yolo.build(tmp_path)
    scan = ADAPTERS["yolo"].read(tmp_path).scans[1]
    assert np.allclose(scan.boxes[0].box_xyxy, (10, 5, 30, 25))
    assert np.allclose(scan.boxes[0].polygons[0], (10, 5, 30, 5, 30, 25))


@pytest.mark.parametrize(
    "line",
    [
        "2 0.5 0.5 0.1 0.1",
        "0 0.5 0.5 0.1",
        "0 0.5 0.5 0.1 0.1 0.9",
        "0 50 50 10 10",
        "0 nan 0.5 0.1 0.1",
        "gun 1 1 1 1",
    ],
)
def test_yolo_a_bad_line_is_one_finding(line: str, tmp_path: Path) -> None:
    yolo.build(tmp_path)
    put(tmp_path / "labels/train/a.txt", f"{line}\n1 0.5 0.5 0.2 0.2\n")
    found = ADAPTERS["yolo"].read(tmp_path)
    assert [finding.kind for finding in found.findings] == ["malformed box", "no labels"]
    assert [box.label for box in found.scans[0].boxes] == ["knife"] and found.scans[0].looked_for == frozenset()


@pytest.mark.parametrize(
    "names",
    ["names: [gun, 'knife']", "names: {0: gun, 1: knife}", "names:\n- gun\n- knife", "nc: 2\nnames: ['gun',\n  knife]"],
)
def test_yolo_names_in_every_spelling_and_roboflows_paths(names: str, tmp_path: Path) -> None:
    for split in ("train", "valid"):
        draw(tmp_path / f"{split}/images/a.jpg", 40, 20)
        put(tmp_path / f"{split}/labels/a.txt", "1 0.5 0.5 0.5 0.5\n")
    put(tmp_path / "data.yaml", f"train: ../train/images\nval: ../valid/images\n{names}\n")
    found = ADAPTERS["yolo"].read(tmp_path)
    assert ADAPTERS["yolo"].recognise(tmp_path) and found.findings == () and found.labels == ("gun", "knife")
    assert [(scan.split, scan.boxes[0].label) for scan in found.scans] == [("train", "knife"), ("val", "knife")]


@pytest.mark.parametrize("folders", [("images/", "labels/"), ("", "")])
def test_yolo_with_classes_txt(folders: tuple[str, str], tmp_path: Path) -> None:
    draw(tmp_path / f"{folders[0]}a.jpg", 40, 20)
    put(tmp_path / f"{folders[1]}a.txt", "1 0.5 0.5 0.5 0.5\n")
    put(tmp_path / "classes.txt", "gun\nknife\n")
    found = ADAPTERS["yolo"].read(tmp_path)
    assert ADAPTERS["yolo"].recognise(tmp_path) and found.findings == ()
    assert found.scans[0].boxes[0].box_xyxy == (10, 5, 30, 15)


def test_yolo_as_labelimg_saves_its_names_beside_the_labels(tmp_path: Path) -> None:
    draw(tmp_path / "images/a.jpg", 40, 20)
    put(tmp_path / "labels/a.txt", "1 0.5 0.5 0.5 0.5\n")
    put(tmp_path / "labels/classes.txt", "gun\nknife\n")
    found = recognise(tmp_path).read()
    assert found.source == "yolo" and found.labels == ("gun", "knife") and found.findings == ()
    assert found.scans[0].boxes[0].label == "knife"


def test_yolo_yaml_with_a_byte_order_mark(tmp_path: Path) -> None:
    draw(tmp_path / "images/a.jpg", 40, 20)
    put(tmp_path / "labels/a.txt", "1 0.5 0.5 0.5 0.5\n")
    put(tmp_path / "data.yaml", "\ufeffnames: [gun, knife]\n")
    found = recognise(tmp_path).read()
    assert found.source == "yolo" and found.labels == ("gun", "knife") and found.findings == ()


@pytest.mark.parametrize("place", ["annotations", "labels"])
def test_voc_in_folders_in_lower_case(place: str, tmp_path: Path) -> None:
    draw(tmp_path / "images/a.jpg", 64, 48)
    put(tmp_path / f"{place}/a.xml", voc("a.jpg", 64, 48, ("gun", 3, 3, 20, 20)))
    found = recognise(tmp_path).read()
    assert found.source == "pascal-voc" and found.findings == ()
    assert [(scan.path, len(scan.boxes)) for scan in found.scans] == [("images/a.jpg", 1)]
    put(tmp_path / "annotations/instances.json", json.dumps(coco_document({1: "gun"}, {"a.jpg": []}, (64, 48))))
    if place == "annotations":
        assert recognise(tmp_path).name == "coco"


def test_yolo_paths_that_lead_out_and_splits_that_are_one_folder(tmp_path: Path) -> None:
    yolo.build(tmp_path)
    names = "names: [gun, knife]\n"
    put(tmp_path / "data.yaml", f"train: images/train\nval: [images/train, /etc]\ntest: list.txt\n{names}")
    put(tmp_path / "list.txt", "./images/val/c.png\n../../secret.png\nimages/none.png\n")
    found = ADAPTERS["yolo"].read(tmp_path)
    # The last picture may be in the split that was refused.
    expected = ["missing file", "path refused", "path refused", "split not known", "two splits"]
    assert sorted(finding.kind for finding in found.findings) == expected
    splits = {Path(scan.path).stem: scan.split for scan in found.scans}
    assert splits == {"a": "train", "b": "train", "c": "test"}


@pytest.mark.parametrize(
    "content", ["names: &a [gun]\ntrain: *a\n", "names: !!python/object/apply:os.system [id]\n", "[" * 5000]
)
def test_yolo_yaml_that_does_more_than_name_classes_is_refused(content: str, tmp_path: Path) -> None:
    yolo.build(tmp_path)
    put(tmp_path / "data.yaml", content)
    with pytest.raises(SettingsInvalid, match="no class names"):
        ADAPTERS["yolo"].read(tmp_path)
