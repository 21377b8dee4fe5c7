"""YOLO as people have it: suffixes in capitals, labels and pictures that lost each other."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.training.dataset_fixtures import yolo
from tests.training.dataset_fixtures.drawing import draw, put
from training.datasets.adapters import ADAPTERS
from training.datasets.annotated_set import SourceSet
from training.datasets.findings import Severity


def read(root: Path) -> SourceSet:
    return ADAPTERS["yolo"].read(root)


def kinds(found: SourceSet) -> Counter[str]:
    return Counter(finding.kind for finding in found.findings)


def test_labels_with_a_suffix_in_capitals_are_read(tmp_path: Path) -> None:
    yolo.build(tmp_path / "plain")
    yolo.build(tmp_path / "capitals")
    for file in sorted((tmp_path / "capitals/labels").rglob("*.txt")):
        file.rename(file.with_suffix(".TXT"))
    plain, capitals = read(tmp_path / "plain"), read(tmp_path / "capitals")
    assert capitals.scans == plain.scans and any(scan.boxes for scan in capitals.scans)
    assert capitals.findings == plain.findings


def test_labels_without_a_picture_that_is_read_are_findings(tmp_path: Path) -> None:
    yolo.build(tmp_path)
    (tmp_path / "images/train/a.png").rename(tmp_path / "images/train/a.gif")
    put(tmp_path / "labels/train/B.TXT", "0 0.5 0.5 0.2 0.2\n")
    put(tmp_path / "labels/train/classes.txt", "gun\nknife\n")
    found = read(tmp_path)
    missing = [finding for finding in found.findings if finding.kind == "missing file"]
    assert [finding.subject for finding in missing] == ["labels/train/B.TXT", "labels/train/a.txt"]
    assert {finding.severity for finding in missing} == {Severity.ERROR}


def test_labels_beside_pictures_are_told_from_notes_and_lists(tmp_path: Path) -> None:
    draw(tmp_path / "a.jpg", 40, 20)
    for name in ("a", "b"):
        put(tmp_path / f"{name}.txt", "1 0.5 0.5 0.5 0.5\n")
    put(tmp_path / "classes.txt", "gun\nknife\n")
    put(tmp_path / "README.txt", "Scans of the north gate, 5 series\n")
    put(tmp_path / "list.txt", "a.jpg\nb.jpg\n")
    found = read(tmp_path)
    assert [finding.subject for finding in found.findings] == ["b.txt"] and len(found.scans) == 1


def test_of_two_files_of_labels_for_one_picture_one_is_read_and_the_other_a_finding(tmp_path: Path) -> None:
    yolo.build(tmp_path)
    put(tmp_path / "labels/train/a.TXT", "0 0.5 0.5 0.1 0.1\n")
    found = read(tmp_path)
    assert kinds(found) == {"missing file": 1, "no labels": 1}
    assert next(scan for scan in found.scans if scan.path.endswith("a.png")).boxes[0].box_xyxy == (40, 15, 60, 35)


def without_labels(root: Path, images: str, labels: str, scans: int = 3) -> SourceSet:
    """s0, s1 ... with labels, and k, which has none. images, labels: path of one, with NAME for it."""
    for name in (*(f"s{number}" for number in range(scans)), "k"):
        draw(root / images.replace("NAME", name), 40, 20)
        if name != "k":
            put(root / labels.replace("NAME", name), "0 0.5 0.5 0.5 0.5\n")
    put(root / "classes.txt", "gun\n")
    return read(root)


def test_scans_whose_labels_lie_astray_are_left_out_and_not_taken_as_clean(tmp_path: Path) -> None:
    without_labels(tmp_path, "images/NAME.jpg", "labels/NAME.txt")
    for name in ("s0", "s1"):
        (tmp_path / f"images/{name}.jpg").rename(tmp_path / f"images/{name.upper()}.jpg")
    found = read(tmp_path)
    assert splits_of(found) == {"s2": ""} and kinds(found) == {"missing file": 2, "missing annotation": 1}
    told = next(finding for finding in found.findings if finding.kind == "missing annotation")
    assert told.subject == "images/S0.jpg, images/S1.jpg, images/k.jpg" and "may be its own" in told.message


def test_labels_of_a_folder_in_other_letters_leave_its_scans_out(tmp_path: Path) -> None:
    for path, paths in (("set/images/train/x.jpg", "images"), ("set/Images/train/s0.jpg", "Images")):
        draw(tmp_path / path, 40, 20)
        put(tmp_path / f"set/labels/train/{Path(path).stem}.txt", "0 0.5 0.5 0.5 0.5\n")
        put(tmp_path / "set/data.yaml", f"train: [images/train, {paths}/train]\nnames: [gun]\n")
    found = read(tmp_path / "set")
    assert splits_of(found) == {"x": "train"} and kinds(found) == {"missing file": 1, "missing annotation": 1}


def test_labels_of_a_scan_that_was_deleted_leave_clean_ones_clean(tmp_path: Path) -> None:
    without_labels(tmp_path, "images/NAME.jpg", "labels/NAME.txt")
    (tmp_path / "images/s0.jpg").unlink()
    found = read(tmp_path)
    assert splits_of(found) == {"s1": "", "s2": "", "k": ""} and kinds(found) == {"missing file": 1, "no labels": 1}
    (tmp_path / "images/s1.jpg").unlink()
    found = read(tmp_path)
    assert splits_of(found) == {"s2": ""} and kinds(found) == {"missing file": 2, "missing annotation": 1}


def listed(root: Path, line: str, yaml: str) -> SourceSet:
    """t0 and t1 are listed for train, v0 and v1 for val. line: how a list names one, with NAME for it."""
    for name in ("t0", "t1", "v0", "v1"):
        draw(root / f"images/{name}.jpg", 40, 20)
        put(root / f"labels/{name}.txt", "0 0.5 0.5 0.5 0.5\n")
    for split in ("train", "val"):
        put(root / f"{split}.txt", "".join(line.replace("NAME", f"{split[0]}{number}") + "\n" for number in (0, 1)))
    put(root / "data.yaml", f"names: [gun]\n{yaml}")
    return read(root)


def splits_of(found: SourceSet) -> dict[str, str]:
    return {Path(scan.path).stem: scan.split for scan in found.scans}


@pytest.mark.parametrize(
    ("line", "yaml"),
    [
        ("/home/me/bags/images/NAME.jpg", "path: /home/me/bags\ntrain: train.txt\nval: val.txt\n"),
        ("/home/me/bags/images/NAME.jpg", "path: /home/me/bags/\ntrain: /home/me/bags/train.txt\nval: val.txt\n"),
        ("/content/images/bags/images/NAME.jpg", "train: /content/images/bags/train.txt\nval: val.txt\n"),
        ("C:\\bags\\images\\NAME.jpg", "path: C:\\bags\ntrain: train.txt\nval: val.txt\n"),
        ("../datasets/bags/images/NAME.jpg", "path: ../datasets/bags\ntrain: train.txt\nval: val.txt\n"),
        ("./images/NAME.jpg", "path: .\ntrain: train.txt\nval: val.txt\n"),
    ],
)
def test_lists_of_another_machine_keep_their_splits(line: str, yaml: str, tmp_path: Path) -> None:
    found = listed(tmp_path, line, yaml)
    assert splits_of(found) == {"t0": "train", "t1": "train", "v0": "val", "v1": "val"} and found.findings == ()


def test_folders_of_another_machine_keep_their_splits(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        draw(tmp_path / f"{split}/images/{split}.jpg", 40, 20)
        put(tmp_path / f"{split}/labels/{split}.txt", "0 0.5 0.5 0.5 0.5\n")
    names = "train: /content/bags/train/images\nval: /content/bags/valid/images\nnames: [gun]\n"
    put(tmp_path / "data.yaml", names)
    found = read(tmp_path)
    assert splits_of(found) == {"train": "train", "valid": "val"} and found.findings == ()


def test_scans_of_a_list_that_cannot_be_found_are_left_out_and_not_cut_anew(tmp_path: Path) -> None:
    lists = "train: train.txt\nval: val.txt\n"
    listed(tmp_path, "images/NAME.jpg", lists)
    put(tmp_path / "val.txt", "/elsewhere/pictures/v0.jpg\n/elsewhere/pictures/v1.jpg\n")
    found = read(tmp_path)
    assert splits_of(found) == {"t0": "train", "t1": "train"}
    assert kinds(found) == {"path refused": 2, "split not known": 1}
    (tmp_path / "val.txt").unlink()
    found = read(tmp_path)
    assert splits_of(found) == {"t0": "train", "t1": "train"}
    assert kinds(found) == {"missing folder": 1, "split not known": 1}
    assert "images/v0.jpg, images/v1.jpg" in [finding.subject for finding in found.findings]


def test_a_listed_scan_that_is_gone_takes_no_other_with_it(tmp_path: Path) -> None:
    listed(tmp_path, "images/NAME.jpg", "train: train.txt\nval: val.txt\n")
    draw(tmp_path / "images/extra.jpg", 40, 20)
    put(tmp_path / "labels/extra.txt", "")
    (tmp_path / "images/t0.jpg").unlink()
    found = read(tmp_path)
    assert splits_of(found) == {"t1": "train", "v0": "val", "v1": "val", "extra": ""}
    assert kinds(found) == {"missing file": 2}


def test_where_no_split_is_found_folders_tell_it_and_others_are_left_out(tmp_path: Path) -> None:
    yolo.build(tmp_path)
    draw(tmp_path / "images/e.png", 100, 50)
    put(tmp_path / "data.yaml", "train: /data/scans\nval: /data/more\nnames: [gun, knife]\n")
    found = read(tmp_path)
    assert splits_of(found) == {"a": "train", "b": "train", "c": "val", "d": "val"}
    assert kinds(found) == {"path refused": 2, "split not known": 1, "no labels": 1}


@pytest.mark.parametrize("split", ["valid", "val"])
def test_roboflows_paths_over_folders_of_splits_in_images_make_no_train_of_val_and_test(
    split: str, tmp_path: Path
) -> None:
    for name in ("train/a", f"{split}/b", "test/c"):
        draw(tmp_path / f"images/{name}.jpg", 40, 20)
        put(tmp_path / f"labels/{name}.txt", "0 0.5 0.5 0.5 0.5\n")
    paths = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"
    put(tmp_path / "data.yaml", f"{paths}names: [gun]\n")
    found = read(tmp_path)
    assert splits_of(found) == {"a": "train", "b": "val", "c": "test"}
    assert kinds(found) == {"missing folder": 3}


def test_a_training_folder_of_another_machine_does_not_take_val_in(tmp_path: Path) -> None:
    yolo.build(tmp_path)
    put(tmp_path / "data.yaml", "train: /home/x/ds/training/images\nval: images/val\nnames: [gun, knife]\n")
    found = read(tmp_path)
    assert splits_of(found) == {"c": "val", "d": "val"}
    assert kinds(found) == {"path refused": 1, "split not known": 1, "no labels": 1}


@pytest.mark.parametrize(
    ("lines", "splits", "faults"),
    [
        # Written differently, two come to one place, and are neither: what is left are the names of the folders.
        (
            "train: /x/a/images\nval: /x/b/images\ntest: /x/b/images",
            {"a": "train", "b": "train", "c": "val", "d": "val"},
            {"two splits": 2, "no labels": 1},
        ),
        # A scan in two splits is held back.
        (
            "train: images\nval: images/val",
            {"a": "train", "b": "train", "c": "val", "d": "val"},
            {"two splits": 2, "no labels": 1},
        ),
        # A folder of train around that of a split that was not found does not take it in.
        (
            "train: images\nval: ../valid/images",
            {"a": "train", "b": "train"},
            {"missing folder": 1, "split not known": 1},
        ),
    ],
    ids=["one place", "in two", "around another"],
)
def test_no_scan_that_is_held_back_is_trained_on(
    lines: str, splits: dict[str, str], faults: dict[str, int], tmp_path: Path
) -> None:
    yolo.build(tmp_path)
    put(tmp_path / "data.yaml", f"{lines}\nnames: [gun, knife]\n")
    found = read(tmp_path)
    assert (splits_of(found), kinds(found)) == (splits, faults)
