"""Scans that viewers turn by a mark in the file: their boxes cannot be placed, so they are left out with a finding."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from detector.errors import SettingsInvalid
from tests.training.dataset_fixtures.drawing import draw, put, voc
from tests.training.fake_set import luggage
from training.data_commands import data_app
from training.datasets.check import check
from training.datasets.check_source import check_source
from training.datasets.coco_index import read_coco
from training.datasets.exif_orientation import orientation
from training.datasets.export_set import export_set
from training.datasets.findings import Finding, Severity
from training.datasets.prepare import PrepareOptions, prepare
from training.datasets.recognition import recognise
from training.datasets.taxonomy import load_taxonomy
from training.recipe import Recipe
from training.samples.training_data import read_split, read_training_data
from training.simulation import simulate_dataset


def tags(number: int, order: str = "<", kind: int = 3) -> bytes:
    """A TIFF header and a directory of two tags, the second of them the orientation."""
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    value = struct.pack(f"{order}{'HH' if kind == 3 else 'I'}", *((number, 0) if kind == 3 else (number,)))
    entries = struct.pack(f"{order}HHII", 0x10F, 4, 1, 6) + struct.pack(f"{order}HHI", 0x112, kind, 1) + value
    return head + struct.pack(f"{order}H", 2) + entries + bytes(4)


def mark(path: Path, exif: bytes) -> None:
    """Puts tags into a JPEG, behind a comment and with fill bytes before it."""
    whole = path.read_bytes()
    comment = b"\xff\xfe" + struct.pack(">H", 6) + b"Exif"
    block = b"\xff\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif
    path.write_bytes(whole[:2] + comment + block + whole[2:])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4])
@pytest.mark.parametrize("number", [1, 2, 3, 6, 8])
def test_the_mark_is_read_in_either_order_of_bytes(order: str, kind: int, number: int, tmp_path: Path) -> None:
    draw(tmp_path / "a.jpg", 40, 20)
    mark(tmp_path / "a.jpg", tags(number, order, kind))
    (tmp_path / "a.tif").write_bytes(tags(number, order, kind))
    assert orientation(tmp_path / "a.jpg") == orientation(tmp_path / "a.tif") == number


def chunked(path: Path, number: int) -> None:
    """Puts tags before a PNG's end, or behind the pixels of a WebP."""
    whole, exif = path.read_bytes(), tags(number)
    if path.suffix == ".png":
        body = b"eXIf" + exif
        chunk = struct.pack(">I", len(exif)) + body + struct.pack(">I", zlib.crc32(body))
        path.write_bytes(whole[:-12] + chunk + whole[-12:])
    else:
        exif = b"Exif\0\0" + exif if number % 2 else exif
        extended = b"VP8X" + struct.pack("<I", 10) + bytes([8, 0, 0, 0]) + bytes([39, 0, 0, 19, 0, 0])
        rest = extended + whole[12:] + b"EXIF" + struct.pack("<I", len(exif)) + exif + bytes(len(exif) % 2)
        path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(rest)) + b"WEBP" + rest)


@pytest.mark.parametrize("number", [1, 3, 6])
@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_the_mark_is_read_in_chunks(suffix: str, number: int, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    draw(path, 40, 20)
    chunked(path, number)
    assert orientation(path) == number


def test_files_without_a_mark_or_with_nonsense_are_upright(tmp_path: Path) -> None:
    for suffix in (".jpg", ".png", ".bmp", ".tif", ".webp"):
        draw(tmp_path / f"a{suffix}", 40, 20)
        assert orientation(tmp_path / f"a{suffix}") == 1
    os.mkfifo(tmp_path / "pipe.jpg")
    assert orientation(tmp_path / "pipe.jpg") == orientation(tmp_path / "none.jpg") == 1
    for number in (0, 9, 65535):
        (tmp_path / "odd.tif").write_bytes(tags(number))
        assert orientation(tmp_path / "odd.tif") == 1
    mark(tmp_path / "a.jpg", tags(6))
    whole = (tmp_path / "a.jpg").read_bytes()
    for length in range(80):
        (tmp_path / "cut.jpg").write_bytes(whole[:length])
        assert orientation(tmp_path / "cut.jpg") in (1, 6)
    (tmp_path / "fill.jpg").write_bytes(b"\xff\xd8" + b"\xff" * 100_000)
    assert orientation(tmp_path / "fill.jpg") == 1


def turned_set(root: Path) -> Path:
    """Two scans that viewers turn, one of them without boxes, and one that they do not."""
    for seed, name in enumerate(("turned", "clean", "upright")):
        (root / "JPEGImages").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / f"JPEGImages/{name}.jpg"), luggage(seed))
        boxes = [("gun", 1, 1, 10, 10)] if name != "clean" else []
        put(root / f"Annotations/{name}.xml", voc(f"{name}.jpg", 64, 48, *boxes))
        mark(root / f"JPEGImages/{name}.jpg", tags(1 if name == "upright" else 6))
    return root


def turned(findings: Iterable[Finding]) -> list[str]:
    """Subjects of the findings, all of them errors that name the orientation."""
    found = [finding for finding in findings if finding.kind == "turned by EXIF"]
    assert all(each.severity is Severity.ERROR and "orientation 6" in each.message for each in found)
    return [finding.subject for finding in found]


def test_a_scan_with_boxes_that_viewers_turn_is_left_out_and_said_to_be(tmp_path: Path) -> None:
    folder, options = turned_set(tmp_path / "set"), PrepareOptions(share=0.0)
    prepared = prepare([folder], tmp_path / "data", options)
    assert turned(prepared.findings) == ["set/JPEGImages/turned.jpg"] and prepared.left_out == 1
    scans = read_coco(tmp_path / "data", "train").scans
    assert sorted(scan.path.stem for scan in scans) == ["clean", "upright"]
    again = prepare([folder], tmp_path / "data", options)
    assert again.examined == 0 and again.findings == prepared.findings


def test_a_check_names_scans_that_viewers_turn(tmp_path: Path) -> None:
    checked = check_source(recognise(turned_set(tmp_path / "set")), load_taxonomy())
    assert turned(checked.findings) == ["no split: JPEGImages/turned.jpg"]
    prepare([tmp_path / "set"], tmp_path / "data", PrepareOptions(share=0.0, link="copy"))
    assert check(tmp_path / "data") == []
    # As a tool may put it in later.
    mark(tmp_path / "data/images/set/JPEGImages/upright.jpg", tags(6))
    assert turned(check(tmp_path / "data")) == ["train: set/JPEGImages/upright.jpg"]


def test_an_export_tells_which_scans_it_leaves_out_since_viewers_turn_them(tmp_path: Path) -> None:
    folder = turned_set(tmp_path / "set")
    words = ["export", str(folder), "--format", "yolo", "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(data_app, words)
    assert result.exit_code == 0 and sorted(path.stem for path in (tmp_path / "out").rglob("*.jpg")) == [
        "clean",
        "upright",
    ]
    first, counted, last = result.output.splitlines()
    assert first.startswith("error: turned by EXIF: JPEGImages/turned.jpg: ") and first.endswith("left out")
    assert counted == f"{folder}: 1 x error: turned by EXIF" and last.startswith("wrote 2 scans to ")
    for name in ("clean", "upright"):
        (folder / f"Annotations/{name}.xml").unlink()
    with pytest.raises(SettingsInvalid, match=r"holds no scan to export: JPEGImages/turned.jpg: EXIF orientation 6"):
        export_set(folder, "coco", tmp_path / "none")


def test_a_folder_in_coco_layout_is_learned_from_without_what_viewers_turn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    simulate_dataset(tmp_path, scans=30, seed=1)
    recipe = Recipe(model="yolox-nano", steps=1, validate_every=1)
    whole = read_training_data(tmp_path, recipe)
    assert whole.validation is not None
    marked = []
    for index in (whole.train, whole.validation):
        for with_boxes in (True, False):
            scan = next(scan for scan in index.scans if (len(scan.class_ids) > 0) is with_boxes)
            mark(scan.path, tags(6))
            marked += [scan.name] if with_boxes else []
    data = read_training_data(tmp_path, recipe)
    assert data.validation is not None
    left = [scan.name for index in (data.train, data.validation) for scan in index.scans]
    assert len(left) == len(whole.train) + len(whole.validation) - 2 and not {*left} & {*marked}
    assert data.train.kept_out == {marked[0]}
    assert all(f"{name}: EXIF orientation 6" in caplog.text for name in marked)
    assert [scan.name for scan in read_split(tmp_path, "train").scans] == [scan.name for scan in data.train.scans]
