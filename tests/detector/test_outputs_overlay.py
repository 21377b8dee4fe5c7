"""Overlays show the boxes that decided, where they are, with labels inside the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from detector.detections import Detections
from detector.inspection import Decision, Inspection
from detector.ledger import Key
from detector.outputs import drawing, remove_overlay, thumbnail, write_overlay
from detector.outputs.overlay import is_overlay
from detector.scan import Pixels, Scan
from detector.scan_names import overlay_name
from detector.settings import EffectiveThresholds

CLASSES = tuple(f"class_{number}" for number in range(15))
THRESHOLDS = EffectiveThresholds(dict.fromkeys(CLASSES, 0.4), {"class_0": 0.3}, 0.05)


def grey(height: int, width: int, kind: Any = np.uint8) -> Pixels:
    """A ramp, so that it is no blank scan."""
    limit = np.iinfo(kind).max
    ramp = np.linspace(limit // 2, limit, width)
    return np.broadcast_to(ramp, (height, width)).astype(kind)


def inspected(views: tuple[Pixels, ...], *found: tuple[float, tuple[float, float, float, float], int]) -> Inspection:
    detections = Detections(
        np.array([box for _, box, _ in found], np.float32).reshape(-1, 4),
        np.array([score for score, _, _ in found], np.float32),
        np.zeros(len(found), np.int64),
        np.array([view for _, _, view in found], np.int64),
        CLASSES,
    )
    sizes = tuple((view.shape[1], view.shape[0]) for view in views)
    return Inspection("a/b.png", "0", sizes, Decision.ALARM, ("x",), detections, "w", 1.0)


def drawn(folder: Path, views: tuple[Pixels, ...], *found: tuple[float, tuple[float, float, float, float], int]) -> Any:
    path = write_overlay(Scan(views, "a/b.png", "0"), inspected(views, *found), THRESHOLDS, folder)
    assert path.name == overlay_name("a/b.png") and [one.name for one in folder.iterdir()] == [path.name]
    return decoded(path.read_bytes())


def decoded(content: bytes) -> Any:
    """RGB."""
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture[:, :, ::-1]


def coloured(picture: Any) -> Any:
    """Mask of the pixels that are far from grey."""
    return np.ptp(picture.astype(int), axis=2) > 90


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_box_is_drawn_where_it_is_and_the_scan_left_as_it_was(tmp_path: Path, kind: Any) -> None:
    view = grey(480, 640, kind)
    before = view.copy()
    mask = coloured(drawn(tmp_path, (view,), (0.9, (100, 200, 300, 400), 0)))
    rows, columns = np.nonzero(mask)
    assert mask.shape == (480, 640) and np.array_equal(view, before)
    assert abs(columns.min() - 100) <= 3 and abs(columns.max() - 300) <= 3 and abs(rows.max() - 400) <= 3
    assert mask[300, 98:103].any() and not mask[300, 110:290].any()


def test_only_what_decided_is_drawn(tmp_path: Path) -> None:
    view = grey(480, 640)
    assert coloured(drawn(tmp_path, (view,), (0.31, (100, 200, 300, 400), 0))).any()
    assert not coloured(drawn(tmp_path, (view,), (0.29, (100, 200, 300, 400), 0))).any()


@pytest.mark.parametrize(
    ("size", "shape"), [((60, 90), (320, 480)), ((2000, 3000), (2000, 3000)), ((700, 10000), (573, 8192))]
)
def test_any_size_of_scan_gives_a_picture_of_use(tmp_path: Path, size: tuple[int, int], shape: tuple[int, int]) -> None:
    height, width = size
    mask = coloured(drawn(tmp_path, (grey(height, width),), (0.9, (0, 0, width / 2, height / 2), 0)))
    assert mask.shape == shape and mask.any()


def test_a_view_that_shows_nothing_is_drawn_as_air(tmp_path: Path) -> None:
    picture = drawn(tmp_path, (np.zeros((480, 640), np.uint16),))
    assert picture.min() > 250


def test_views_stand_one_below_the_other_with_their_own_boxes(tmp_path: Path) -> None:
    mask = coloured(drawn(tmp_path, (grey(300, 640), grey(300, 500)), (0.9, (100, 100, 200, 200), 1)))
    assert mask.shape == (608, 640)
    assert not mask[:300].any() and mask[308:].any()


def test_labels_stay_inside_and_off_each_other() -> None:
    generator = np.random.default_rng(4)
    for _ in range(60):
        height, width = (int(side) for side in generator.integers(40, 900, 2))
        canvas = np.full((height, width, 3), 255, np.uint8)
        pen = drawing.Pen(2, 0.5)
        taken: list[drawing.Rectangle] = []
        for _ in range(3):
            x, y = int(generator.integers(0, width)), int(generator.integers(0, height))
            box = (x, y, min(width - 1, x + 60), min(height - 1, y + 60))
            place = drawing.label(canvas, "pressure_can 0.93", box, drawing.PALETTE[0], pen, taken)
            assert 0 <= place[0] <= place[2] < width and 0 <= place[1] <= place[3] < height
            if height > 300 and width > 400:
                assert not any(drawing.overlap(place, other) for other in taken)
            taken.append(place)


def test_colours_differ_and_can_be_read() -> None:
    def luminance(colour: drawing.Colour) -> float:
        linear = [((c / 255 + 0.055) / 1.055) ** 2.4 if c > 10 else c / 255 / 12.92 for c in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    assert len({line for line, _ in drawing.PALETTE}) == len(drawing.PALETTE)
    for line, ink in drawing.PALETTE:
        low, high = sorted((luminance(line), luminance(ink)))
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_a_thumbnail_is_small_and_shows_the_view_that_decided() -> None:
    views = (grey(3000, 500), grey(400, 600))
    scan = Scan(views, "a", "0")
    content = thumbnail(scan, inspected(views, (0.9, (100, 100, 400, 300), 1)), THRESHOLDS)
    picture = decoded(content)
    assert len(content) < 8000 and picture.shape[:2] == (112, 168) and coloured(picture).any()
    assert decoded(thumbnail(scan, inspected(views), THRESHOLDS)).shape[0] == 112


def test_an_overlay_of_an_earlier_run_can_be_removed(tmp_path: Path) -> None:
    drawn(tmp_path, (grey(480, 640),))
    remove_overlay("a/b.png", tmp_path)
    remove_overlay("a/b.png", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_of_another_scan_is_not_removed(tmp_path: Path) -> None:
    other = tmp_path / overlay_name("a/b.png")
    # As on a disk that takes two names for one, or where a person put a picture of their own.
    drawn(tmp_path, (grey(480, 640),))
    theirs = other.rename(tmp_path / overlay_name("c.png"))
    remove_overlay("c.png", tmp_path)
    assert theirs.exists()
    other.write_bytes(b"no picture of ours")
    remove_overlay("a/b.png", tmp_path)
    assert other.exists()


def test_only_a_picture_with_the_mark_of_a_result_is_taken_for_an_overlay(tmp_path: Path) -> None:
    views = (grey(480, 640),)
    mark = Key("a/b.png", "0", "1", "2").mark()
    ours = write_overlay(Scan(views, "a/b.png", "0"), inspected(views), THRESHOLDS, tmp_path, mark)
    assert is_overlay(ours)
    data = ours.read_bytes()
    for other in (data[:2] + data[20:], data.replace(mark.encode(), b"a note of somebody's own"), b""):
        ours.write_bytes(other)
        assert not is_overlay(ours)
    assert not is_overlay(tmp_path)
