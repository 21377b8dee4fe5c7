"""Splits as people name them, by files and by folders, in every format: what is held back is never trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.dataset_fixtures.coco_files import coco, put_coco
from tests.training.dataset_fixtures.drawing import draw, put, voc
from tests.training.dataset_fixtures.labelme import put_document
from training.datasets.adapters import ADAPTERS
from training.datasets.annotated_set import SourceSet
from training.datasets.recognition import recognise
from training.datasets.splits import split_in_name, split_of_folder, split_of_path, usual_split

NAMES = {1: "gun"}
#: Words of three splits, in the order train, val, test.
WORDS = [
    ("train", "val", "test"),
    ("training", "validation", "testing"),
    ("Train", "Valid", "Test"),
    ("trainset", "valset", "testset"),
    ("train_set", "dev", "eval"),
    ("train2024", "val2024", "test2024"),
]
each_wording = pytest.mark.parametrize("words", WORDS, ids=[words[0] for words in WORDS])


def splits_of(found: SourceSet) -> dict[str, str]:
    """File name -> split."""
    return {scan.path.rpartition("/")[2]: scan.split for scan in found.scans}


def kinds(found: SourceSet) -> dict[str, int]:
    return dict(Counter(finding.kind for finding in found.findings))


def put_yolo(root: Path, folders: Iterable[str], images: str = "images/{}", labels: str = "labels/{}") -> None:
    for number, folder in enumerate(folders):
        draw(root / images.format(folder) / f"{number}.jpg", 40, 20, number)
        put(root / labels.format(folder) / f"{number}.txt", "0 0.5 0.5 0.5 0.5\n")


def put_voc(root: Path, place: str, number: int, pictures: str = "") -> None:
    draw(root / (pictures or place) / f"{number}.jpg", 40, 20, number)
    put(root / place / f"{number}.xml", voc(f"{number}.jpg", 40, 20, ("gun", 1, 1, 9, 9)))


def build_yolo(root: Path, words: tuple[str, ...]) -> None:
    put(root / "classes.txt", "gun\n")
    put_yolo(root, words)


def build_voc(root: Path, words: tuple[str, ...]) -> None:
    for number, word in enumerate(words):
        put_voc(root, word, number)


def build_voc_below_annotations(root: Path, words: tuple[str, ...]) -> None:
    for number, word in enumerate(words):
        put_voc(root, f"Annotations/{word}", number, f"JPEGImages/{word}")


def build_labelme(root: Path, words: tuple[str, ...]) -> None:
    for number, word in enumerate(words):
        put_document(root, f"images/{word}/{number}", suffix=".jpg")


def build_roboflow(root: Path, words: tuple[str, ...]) -> None:
    for number, word in enumerate(words):
        document = coco(NAMES, {f"{number}.jpg": [(1, 5, 6, 20, 10)]})
        put_coco(root, f"{word}/_annotations.coco.json", word, document)


def build_coco_files(root: Path, words: tuple[str, ...]) -> None:
    for number, word in enumerate(words):
        document = coco(NAMES, {f"{number}.jpg": [(1, 5, 6, 20, 10)]})
        put_coco(root, f"annotations/{word}.json", "images", document)


def build_coco_in_one_file(root: Path, words: tuple[str, ...]) -> None:
    boxes = {f"{word}/{number}.jpg": [(1, 5.0, 6.0, 20.0, 10.0)] for number, word in enumerate(words)}
    put_coco(root, "annotations.json", "", coco(NAMES, boxes))


BUILDERS: dict[str, tuple[Callable[[Path, tuple[str, ...]], None], str]] = {
    "yolo": (build_yolo, "yolo"),
    "voc": (build_voc, "pascal-voc"),
    "voc below Annotations": (build_voc_below_annotations, "pascal-voc"),
    "labelme": (build_labelme, "labelme"),
    "roboflow": (build_roboflow, "roboflow"),
    "coco files": (build_coco_files, "coco"),
    "coco in one file": (build_coco_in_one_file, "coco"),
}


@each_wording
@pytest.mark.parametrize("name", BUILDERS)
def test_every_format_knows_the_usual_names_of_splits(name: str, words: tuple[str, ...], tmp_path: Path) -> None:
    build, layout = BUILDERS[name]
    build(tmp_path, words)
    recognised = recognise(tmp_path)
    found = recognised.read()
    assert recognised.name == layout
    assert (splits_of(found), found.findings) == ({"0.jpg": "train", "1.jpg": "val", "2.jpg": "test"}, ())


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train/a.jpg", "train"),
        ("images/Validation/a.jpg", "val"),
        ("north/images/test_set/x/a.jpg", "test"),
        ("test/train/a.jpg", "test"),
        ("a.jpg", ""),
        ("train", ""),
        ("trains/dataset/a.jpg", ""),
        ("hard/a.jpg", ""),
        ("default/a.jpg", ""),
    ],
)
def test_a_path_tells_a_split_by_the_first_folder_that_is_one(path: str, split: str) -> None:
    assert split_of_path(path) == split


def test_words_of_a_name_and_whole_names() -> None:
    assert [usual_split(name) for name in ("Val-Set", "test set 3", "hard", "default")] == [
        "val", "test set 3", "test", "",
    ]  # fmt: skip
    assert [split_of_folder(name) for name in ("evaluation", "hard", "odd")] == ["test", "", ""]
    assert [split_in_name(name) for name in ("bags_VAL_3", "contest", "train_val", "trainval", "training2024")] == [
        "val", "", "train", "", "train",
    ]  # fmt: skip


# --- YOLO: what data.yaml does not name


@pytest.mark.parametrize(
    ("images", "labels", "paths"),
    [
        ("images/{}", "labels/{}", "train: images/train\nval: images/val\n"),
        ("{}/images", "{}/labels", "train: ../train/images\nval: ../val/images\n"),
    ],
    ids=["ultralytics", "roboflow"],
)
def test_a_test_folder_that_no_split_names_stays_a_test_and_is_told(
    images: str, labels: str, paths: str, tmp_path: Path
) -> None:
    put_yolo(tmp_path, ("train", "val", "test"), images, labels)
    put(tmp_path / "data.yaml", f"{paths}names: [gun]\n")
    found = ADAPTERS["yolo"].read(tmp_path)
    assert splits_of(found) == {"0.jpg": "train", "1.jpg": "val", "2.jpg": "test"}
    told = [(finding.kind, finding.subject) for finding in found.findings]
    assert told == [("not listed", f"{images.format('test')}/2.jpg")]


def test_of_a_folder_that_no_split_names_scans_without_labels_are_no_clean_ones(tmp_path: Path) -> None:
    put_yolo(tmp_path, ("train", "val"))
    draw(tmp_path / "images/test/2.jpg", 40, 20)
    put(tmp_path / "data.yaml", "train: images/train\nval: images/val\nnames: [gun]\n")
    found = ADAPTERS["yolo"].read(tmp_path)
    assert splits_of(found) == {"0.jpg": "train", "1.jpg": "val"} and kinds(found) == {"missing annotation": 1}


# --- lists and files come before folders


def test_lists_of_voc_come_before_folders_and_folders_tell_the_rest(tmp_path: Path) -> None:
    for number in range(3):
        put_voc(tmp_path, "Annotations/test", number, "JPEGImages/test")
    put(tmp_path / "ImageSets/Main/train.txt", "test/0\n")
    put(tmp_path / "ImageSets/Main/default.txt", "test/1\n")
    found = ADAPTERS["pascal-voc"].read(tmp_path)
    assert splits_of(found) == {"0.jpg": "train", "1.jpg": "", "2.jpg": "test"}


def test_a_file_of_coco_comes_before_its_folders_and_a_key_between_them(tmp_path: Path) -> None:
    put_coco(tmp_path, "instances_val.json", "", coco(NAMES, {"test/0.jpg": []}))
    document = coco(NAMES, {"test/1.jpg": [], "test/2.jpg": [], "3.jpg": []})
    for image, split in zip(document["images"], ("train", 3, None), strict=True):
        image["split"] = split
    put_coco(tmp_path, "instances.json", "", document)
    found = ADAPTERS["coco"].read(tmp_path)
    assert splits_of(found) == {"0.jpg": "val", "1.jpg": "train", "2.jpg": "test", "3.jpg": ""}


@pytest.mark.parametrize("name", ["coco", "pascal-voc", "labelme", "label-studio"])
def test_a_scan_of_no_split_in_a_folder_that_is_called_as_one_is_written_so(name: str, tmp_path: Path) -> None:
    put_coco(tmp_path / "before", "annotations.json", "", coco(NAMES, {"test/0.jpg": [], "train/1.jpg": []}))
    before = ADAPTERS["coco"].read(tmp_path / "before")
    unsplit = replace(before, scans=tuple(replace(scan, split="") for scan in before.scans))
    write = ADAPTERS[name].write
    assert write is not None
    write(unsplit, tmp_path / "after")
    assert splits_of(ADAPTERS[name].read(tmp_path / "after")) == {"0.jpg": "", "1.jpg": ""}


def test_coco_finds_scans_in_a_folder_of_the_splits_other_name(tmp_path: Path) -> None:
    put_coco(tmp_path, "annotations/bags_valid.json", "images/validation", coco(NAMES, {"0.jpg": []}))
    put_coco(tmp_path, "annotations/bags_testing.json", "test", coco(NAMES, {"0.jpg": []}))
    found = ADAPTERS["coco"].read(tmp_path)
    assert {scan.path: scan.split for scan in found.scans} == {"images/validation/0.jpg": "val", "test/0.jpg": "test"}
    assert found.findings == ()


def test_a_folder_of_roboflow_that_is_no_split_is_read_all_the_same(tmp_path: Path) -> None:
    build_roboflow(tmp_path, ("train", "extra"))
    assert splits_of(recognise(tmp_path).read()) == {"0.jpg": "train", "1.jpg": ""}
