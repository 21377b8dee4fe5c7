"""Public sets written in formats of exchange: they come back as that format, whatever their scans are called."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from detector.errors import SettingsInvalid
from tests.training.dataset_fixtures import gdxray, molit, sixray
from tests.training.dataset_fixtures.coco_files import coco, put_coco
from tests.training.dataset_fixtures.drawing import draw, put, voc
from tests.training.dataset_fixtures.label_studio import region, task
from tests.training.dataset_fixtures.labelme import put_document
from tests.training.test_adapters import FIXTURES
from training.datasets import yolo
from training.datasets.adapters import ADAPTERS
from training.datasets.annotated_set import SourceSet
from training.datasets.export_set import FORMATS
from training.datasets.molit import LABELS
from training.datasets.recognition import recognise

#: Formats that refuse scans which were not looked through for every label, and items to be ignored.
_PLAIN = ("yolo", "voc")


def as_carried(found: SourceSet, format_name: str) -> SourceSet:
    """The same set, without what the format would refuse to carry."""
    if format_name not in _PLAIN:
        return found
    boxes = {scan.path: tuple(replace(box, ignore=False) for box in scan.boxes) for scan in found.scans}
    scans = (replace(scan, boxes=boxes[scan.path], looked_for=None, present=frozenset[str]()) for scan in found.scans)
    return replace(found, scans=tuple(scans))


def summary(found: SourceSet) -> list[tuple[str, str, list[str]]]:
    """File name, split and labels of the boxes of every scan, sorted."""
    return sorted(
        (scan.path.rpartition("/")[2], scan.split, sorted(box.label for box in scan.boxes)) for scan in found.scans
    )


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("name", FIXTURES)
def test_a_set_that_is_written_is_known_as_that_format_and_keeps_its_boxes(
    name: str, format_name: str, tmp_path: Path
) -> None:
    FIXTURES[name].build(tmp_path / "set")
    source = as_carried(ADAPTERS[name].read(tmp_path / "set"), format_name)
    write = ADAPTERS[FORMATS[format_name]].write
    assert write is not None
    write(source, tmp_path / "written")
    found = recognise(tmp_path / "written")
    assert found.name == FORMATS[format_name]
    assert summary(found.read()) == summary(source)


def test_yolo_written_of_molits_own_folder_keeps_its_classes(tmp_path: Path) -> None:
    """Its scans then lie where MOLIT's do, under their names, but class ids begin with 0."""
    molit.build(tmp_path / "set")
    source = ADAPTERS["molit"].read(tmp_path / "set/data")
    yolo.write(source, tmp_path / "written")
    found = recognise(tmp_path / "written")
    assert found.name == "yolo" and summary(found.read()) == summary(source)
    put(tmp_path / "set/data/data.yaml", "names: ['None', Gun]")
    assert recognise(tmp_path / "set/data").name == "molit"


@pytest.mark.parametrize("named_in", ["data.yaml", "dataset.yaml", "classes.txt"])
def test_scans_of_molit_are_its_own_while_no_label_says_class_0(named_in: str, tmp_path: Path) -> None:
    molit.build(tmp_path / "set")
    names = "\n".join(LABELS) if named_in.endswith(".txt") else f"names: {list(LABELS)}"
    put(tmp_path / "set/data" / named_in, names)
    # The authors' ids begin with 1 though the list has no None.
    assert recognise(tmp_path / "set").name == recognise(tmp_path / "set/data").name == "molit"
    label = next((tmp_path / "set/data/labels").rglob("*.txt"))
    label.write_text(f"0 0.5 0.5 0.2 0.2\n{label.read_text()}")
    assert recognise(tmp_path / "set/data").name == "yolo"
    with pytest.raises(SettingsInvalid):
        recognise(tmp_path / "set")


def put_coco_file(root: Path, name: str) -> None:
    put_coco(root, "annotations/train.json", "", coco({1: "gun"}, {name: [(1, 5, 6, 20, 10)]}))


def put_labelme_file(root: Path, name: str) -> None:
    path, _, suffix = name.partition(".")
    put_document(
        root, path, {"label": "gun", "points": [[1, 1], [5, 5]], "shape_type": "rectangle"}, suffix=f".{suffix}"
    )


def put_label_studio_file(root: Path, name: str) -> None:
    draw(root / name, 200, 100)
    put(root / "export.json", json.dumps([task(1, name, region("gun", 10, 20, 30, 40))]))


def put_voc_file(root: Path, name: str) -> None:
    draw(root / name, 40, 30)
    put((root / name).with_suffix(".xml"), voc(name.rpartition("/")[2], 40, 30, ("gun", 1, 1, 9, 9)))


OWN: dict[str, Callable[[Path, str], None]] = {
    "coco": put_coco_file,
    "labelme": put_labelme_file,
    "label-studio": put_label_studio_file,
    "pascal-voc": put_voc_file,
}
SCANS = {
    "sixray": ("JPEGImage/P00001.jpg", "JPEGImage/N0000001.jpg", "0/P00001.jpg"),
    "gdxray": ("Baggages/B0046/B0046_0001.png", "B0046/B0046_0001.png"),
}
NAMES = [(name, path) for name, paths in SCANS.items() for path in paths]


@pytest.mark.parametrize("format_name", OWN)
@pytest.mark.parametrize(("name", "path"), NAMES)
def test_own_annotations_beside_scans_of_a_public_set_are_read(
    name: str, path: str, format_name: str, tmp_path: Path
) -> None:
    OWN[format_name](tmp_path, path)
    found = recognise(tmp_path)
    assert found.name == format_name and not ADAPTERS[name].recognise(tmp_path)
    assert [box.label for box in found.read().scans[0].boxes] == ["gun"]


@pytest.mark.parametrize(("name", "path"), NAMES)
def test_a_public_sets_scans_alone_are_still_known_by_their_names(name: str, path: str, tmp_path: Path) -> None:
    draw(tmp_path / path, 40, 30)
    put(tmp_path / "notes.json", '{"colour": 1}')
    assert recognise(tmp_path).name == name


@pytest.mark.parametrize("fixture", [sixray, gdxray])
def test_a_public_set_with_its_own_boxes_stays_one_beside_other_annotations(
    fixture: ModuleType, tmp_path: Path
) -> None:
    fixture.build(tmp_path)
    before = recognise(tmp_path).name
    put_coco_file(tmp_path, "mine/a.png")
    assert recognise(tmp_path).name == before == fixture.__name__.rpartition(".")[2]
