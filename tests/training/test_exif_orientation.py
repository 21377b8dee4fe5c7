"""Scans that viewers turn by a mark in the file: their boxes cannot be placed, so they are left out with a finding."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from tests.training.dataset_fixtures.drawing import draw, put, voc
from training.datasets.exif_orientation import orientation
from training.datasets.findings import Severity
from training.datasets.recognition import recognise


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


def test_files_without_a_mark_or_with_nonsense_are_upright(tmp_path: Path) -> None:
    for suffix in (".jpg", ".png", ".bmp", ".tif"):
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


def test_a_scan_with_boxes_that_viewers_turn_is_left_out_and_said_to_be(tmp_path: Path) -> None:
    for name in ("turned", "clean", "upright"):
        draw(tmp_path / f"JPEGImages/{name}.jpg", 40, 20)
        boxes = [("gun", 1, 1, 10, 10)] if name != "clean" else []
        put(tmp_path / f"Annotations/{name}.xml", voc(f"{name}.jpg", 40, 20, *boxes))
        mark(tmp_path / f"JPEGImages/{name}.jpg", tags(1 if name == "upright" else 6))
    found = recognise(tmp_path).read()
    assert [Path(scan.path).stem for scan in found.scans] == ["clean", "upright"]
    (finding,) = found.findings
    assert (finding.severity, finding.kind, finding.subject) == (
        Severity.ERROR,
        "turned by EXIF",
        "JPEGImages/turned.jpg",
    )
    assert "orientation 6" in finding.message
