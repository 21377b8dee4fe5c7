"""YOLO as people have it: suffixes in capitals, labels and pictures that lost each other."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

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
