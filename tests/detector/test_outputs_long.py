"""Long scans: on a sheet every item that decided is marked in the whole and can be made out in its crop."""

from __future__ import annotations

import re
import shutil
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from detector.detections import Detections
from detector.inspection import Decision, Inspection
from detector.normalise import render
from detector.outputs import long_scan, overlay, report_page, report_zoom, thumbnail, write_overlay
from detector.outputs.crops import LEAST_CONTEXT, cropped
from detector.outputs.drawing import PALETTE, Pen, overlap
from detector.outputs.marks import Mark, draw_marks
from detector.outputs.shown_view import ShownView
from detector.scan import Pixels, Scan
from detector.settings import EffectiveThresholds

CLASSES = ("gun", "knife")
THRESHOLDS = EffectiveThresholds(dict.fromkeys(CLASSES, 0.4), {}, 0.05)
Box = tuple[float, float, float, float]
SMALL: Box = (2000, 300, 2040, 330)


def load(height: int, width: int, kind: Any = np.uint16) -> Pixels:
    """Grey blocks of freight on a bright ground, different at each place."""
    blocks = np.random.default_rng(7).integers(40, 220, (height // 50 + 1, width // 50 + 1)).astype(np.uint8)
    view = np.repeat(np.repeat(blocks, 50, 0), 50, 1)[:height, :width].astype(kind)
    view[:20] = 240
    scaled: Pixels = view * np.asarray(257 if kind == np.uint16 else 1, kind)
    return scaled


def found(*boxes: Box, views: tuple[int, ...] = (), scores: tuple[float, ...] = ()) -> Detections:
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores or np.linspace(0.9, 0.5, count), np.float32),
        np.arange(count) % 2,
        np.array(views or (0,) * count, np.int64),
        CLASSES,
    )


def inspected(views: tuple[Pixels, ...], detections: Detections) -> Inspection:
    sizes = tuple((view.shape[1], view.shape[0]) for view in views)
    return Inspection("a.tif", "0", sizes, Decision.ALARM, ("x",), detections, "w", 1.0)


def decoded(content: bytes) -> Any:
    """RGB."""
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture[:, :, ::-1]


def drawn(folder: Path, detections: Detections, *views: Pixels) -> Any:
    path = write_overlay(Scan(views, "a.tif", "0"), inspected(views, detections), THRESHOLDS, folder)
    assert [one.name for one in folder.iterdir()] == ["a.tif.jpg"]
    return decoded(path.read_bytes())


def coloured(picture: Any) -> Any:
    """Mask of the pixels that are far from grey."""
    return np.ptp(picture.astype(int), axis=2) > 90


@pytest.mark.parametrize(
    ("size", "box", "needed"),
    [
        ((800, 2400), SMALL, True),
        ((800, 2400), (1000, 100, 1400, 300), False),
        ((2400, 800), (300, 2000, 330, 2040), True),
        ((1040, 2000), (500, 500, 520, 520), False),
    ],
)
def test_a_sheet_is_for_long_scans_with_items_too_small_to_see(size: tuple[int, int], box: Box, needed: bool) -> None:
    assert long_scan.needs_sheet(Scan((load(*size),), "a", "0"), found(box)) is needed


def test_without_a_detection_the_whole_scan_is_shown(tmp_path: Path) -> None:
    assert drawn(tmp_path, found(), load(800, 2400)).shape == (800, 2400, 3)
    assert drawn(tmp_path, found(SMALL, scores=(0.3,)), load(800, 2400)).shape == (800, 2400, 3)


def test_a_very_large_scan_without_a_detection_is_shrunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "MOST_PIXELS", 1_000_000)
    height, width, _ = drawn(tmp_path, found(), load(1000, 4000)).shape
    assert height * width == pytest.approx(1_000_000, rel=0.01) and width / height == pytest.approx(4, rel=0.01)


def test_the_sheet_has_the_whole_with_its_mark_and_below_it_the_item_enlarged(tmp_path: Path) -> None:
    view = load(800, 2400)
    view[300:330, 2000:2040] = 0
    picture = drawn(tmp_path, found(SMALL), view)
    assert picture.shape[1] == 2400 and picture.shape[0] > 1300
    rows, columns = np.nonzero(coloured(picture[:800]))
    assert columns.min() > 1980 and columns.max() < 2070 and rows.max() <= 340
    crop = picture[800:]
    dark = (crop.max(axis=2) < 40).sum()
    # 40 x 30 pixels of the scan, a third of the crop's width.
    assert dark > 36 * 40 * 30
    assert np.abs(picture[600:790, :1900].astype(int) - render(view)[600:790, :1900]).mean() < 2


@pytest.mark.parametrize("size", [(800, 2400), (2400, 800), (2400, 2400), (60, 9000), (2000, 3000), (9000, 3000)])
def test_every_shape_gives_a_sheet_within_bounds(size: tuple[int, int]) -> None:
    height, width = size
    places = np.random.default_rng(1).uniform(0, 1, (30, 2)) * (width - 20, height - 20)
    boxes = [(x, y, x + 20, y + 20) for x, y in places.tolist()]
    picture = long_scan.sheet(Scan((load(*size, np.uint8),), "a", "0"), found(*boxes), THRESHOLDS)
    longest = min(long_scan.SHEET_SIDE, max(size))
    assert longest * 0.98 <= picture.shape[1] <= longest and picture.shape[0] <= longest


def test_marks_lie_where_the_items_are_in_the_shrunk_whole() -> None:
    picture = long_scan.sheet(Scan((load(1000, 8192, np.uint8),), "a", "0"), found((6000, 700, 6040, 730)), THRESHOLDS)
    rows, columns = np.nonzero(coloured(picture[:500]))
    assert (columns.min() + columns.max()) / 2 == pytest.approx(3010, abs=3) and rows.max() == pytest.approx(376, abs=6)


def test_the_strongest_get_crops_and_the_rest_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    write = long_scan._write

    def noted(canvas: Any, text: str, *rest: Any) -> int:
        written.append(text)
        return write(canvas, text, *rest)

    monkeypatch.setattr(long_scan, "_write", noted)
    scores = tuple(np.linspace(0.5, 0.9, 19).tolist())
    boxes: list[Box] = [(100 + 110 * index, 200, 130 + 110 * index, 230) for index in range(19)]
    long_scan.sheet(Scan((load(800, 2400),), "a", "0"), found(*boxes, scores=scores), THRESHOLDS)
    assert written[0] == "The whole, the 12 strongest, and 7 more framed without a number"
    assert [text for text in written if text.isdecimal()] == [str(number) for number in range(1, 13)]
    names = [text for text in written if text.startswith(CLASSES)]
    assert names[0] == "gun 0.90" and len(names) == 12
    assert sum(text.startswith("30 x 30 px") for text in written) == 12


def test_views_share_one_sheet_and_one_count(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers: list[list[str]] = []

    def noted(picture: Any, marks: list[Mark], *rest: Any) -> Any:
        numbers.append([mark.text for mark in marks])
        return draw_marks(picture, marks, *rest)

    monkeypatch.setattr(long_scan, "draw_marks", noted)
    views = (load(500, 2400), load(400, 2200))
    detections = found(SMALL, SMALL, SMALL, views=(1, 0, 1), scores=(0.5, 0.6, 0.7))
    picture = long_scan.sheet(Scan(views, "a", "0"), detections, THRESHOLDS)
    assert numbers == [["2"], ["1", "3"]]
    assert picture.shape[1] == 2400 and (picture[500:508] == 60).all() and (picture[520:900, 2300:] == 255).all()


@pytest.mark.parametrize("shape", [(1500, 3500), (800, 2500, 3)])
def test_the_whole_and_its_parts_show_what_render_shows(shape: tuple[int, ...]) -> None:
    noise = np.random.default_rng(3).normal(30_000, 9_000, (100, *shape[1:])).clip(0, 65_535).astype(np.uint16)
    view = np.concatenate([noise] * (shape[0] // 100))
    view[:200], view[-100:] = 63_000, 500
    rendered = render(view)
    shown = ShownView(view)
    part = shown.part((700, 100, 1100, 400), (400, 300))
    assert np.abs(part.astype(int) - rendered[100:400, 700:1100]).max() <= 1
    whole = cv2.resize(rendered, (shape[1] // 5, shape[0] // 5), interpolation=cv2.INTER_AREA)
    assert np.abs(shown.whole(0.2).astype(int) - whole).max() <= 3


def test_eight_bits_are_shown_as_they_are_and_nothing_as_air() -> None:
    view = load(1700, 3000, np.uint8)
    # Between the samples, and darker and brighter than all of them.
    view[501, 501], view[503, 503] = 0, 255
    assert np.array_equal(ShownView(view).whole(1.0)[:, :, 2], view)
    assert (ShownView(np.zeros((900, 2600), np.uint16)).whole(0.5) == 255).all()


def test_an_overlay_takes_the_memory_of_the_sheet_and_not_of_the_scan(tmp_path: Path) -> None:
    view = load(2000, 6000)
    tracemalloc.start()
    try:
        drawn(tmp_path, found(SMALL), view)
        small_copies = tracemalloc.get_traced_memory()[1] / view.nbytes
    finally:
        tracemalloc.stop()
    # Rendering the whole takes five times the scan and more.
    assert small_copies < 4.5


@pytest.mark.parametrize("box", [(0, 0, 20, 30), (4980, 770, 5000, 800), (1000, 100, 1700, 650), (0, 390, 5000, 400)])
def test_a_crop_holds_its_item_with_context_and_no_strip_of_air(box: Box) -> None:
    view = np.broadcast_to(np.linspace(40, 190, 5000), (800, 5000)).astype(np.uint8)
    crop, at, factor = cropped(ShownView(view), box, (613, 461))
    assert crop.shape == (461, 613, 3)
    assert at[2] - at[0] == pytest.approx(min(612, (box[2] - box[0]) * factor), abs=1.5)
    assert factor <= 613 / LEAST_CONTEXT and (factor >= 1 or box[2] - box[0] > 550)
    if factor >= 1:
        assert (crop < 200).all()


def test_a_crop_is_a_few_times_as_wide_as_its_item() -> None:
    shown = ShownView(load(800, 2400))
    assert cropped(shown, (1000, 100, 1020, 110), (600, 450))[2] == 600 / 120
    assert cropped(shown, (1000, 100, 1080, 140), (600, 450))[2] == 600 / 200
    assert cropped(shown, (1000, 100, 1400, 140), (600, 450))[2] == 1


def test_a_view_smaller_than_a_crop_stands_on_air() -> None:
    view = np.broadcast_to(np.linspace(40, 190, 3000), (40, 3000)).astype(np.uint8)
    crop, at, factor = cropped(ShownView(view), (1500, 10, 1530, 30), (600, 450))
    dark = np.asarray((crop[:, :, 0] < 200).any(axis=1))
    assert (
        dark.sum() == pytest.approx(40 * factor, abs=1) and dark[at[1] : at[3]].all() and not dark[0] and not dark[-1]
    )


def test_numbers_stay_inside_off_each_other_and_off_all_frames() -> None:
    generator = np.random.default_rng(5)
    for _ in range(40):
        picture = np.full((500, 1600, 3), 255, np.uint8)
        corners = generator.uniform(0, 1, (12, 2)) * (1590, 490)
        boxes = [(int(x), int(y), int(x) + 9, int(y) + 9) for x, y in corners.tolist()]
        marks = [Mark(str(number), box, PALETTE[number % 9]) for number, box in enumerate(boxes, 1)]
        places = draw_marks(picture, marks, Pen(2, 0.55), 14)
        assert all(0 <= x1 < x2 < 1600 and 0 <= y1 < y2 < 500 for x1, y1, x2, y2 in places)
        pairs = [(one, other) for number, one in enumerate(places) for other in places[:number]]
        assert not any(overlap(one, other) for one, other in pairs)
        assert not any(overlap(place, box) for place in places for box in boxes)


def test_a_speck_is_framed_large_enough_to_be_seen() -> None:
    picture = np.full((300, 800, 3), 255, np.uint8)
    draw_marks(picture, [Mark("", (0, 299, 1, 299), PALETTE[0])], Pen(2, 0.5), 20)
    rows, columns = np.nonzero(coloured(picture))
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == pytest.approx((0, 20, 279, 299), abs=2)


def test_a_thumbnail_of_a_long_scan_shows_where_and_what() -> None:
    for view in (load(600, 5000), np.ascontiguousarray(load(600, 5000).T)):
        tall = view.shape[0] > view.shape[1]
        box = (300, 4000, 330, 4040) if tall else (4000, 300, 4040, 330)
        scan = Scan((view,), "a", "0")
        content = thumbnail(scan, inspected(scan.views, found(box)), THRESHOLDS)
        mask = coloured(decoded(content))
        assert mask.shape == (112, 168) and len(content) < 8000
        whole, crop = (mask[:, :13], mask[:, 20:]) if tall else (mask[:20], mask[26:])
        middle = np.nonzero(whole)[0 if tall else 1].mean() / whole.shape[0 if tall else 1]
        assert middle == pytest.approx(0.804, abs=0.03)
        assert crop.any()


def test_a_thumbnail_without_a_detection_is_the_scan() -> None:
    scan = Scan((load(600, 5000),), "a", "0")
    assert decoded(thumbnail(scan, inspected(scan.views, found()), THRESHOLDS)).shape == (20, 168, 3)


def in_node(program: str) -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    browser = "const document = {querySelector: () => ({addEventListener() {}})};"
    script = browser + report_zoom.ZOOM_SCRIPT + program
    done = subprocess.run([node, "-"], input=script, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_zooming_keeps_what_is_under_the_pointer_and_the_picture_in_the_window() -> None:
    out = in_node("""
      const assert = require("node:assert"), picture = {width: 4000, height: 1000}, stage = {width: 1000, height: 800};
      assert.equal(fittingScale(picture, stage), 0.25);
      assert.equal(fittingScale({width: 400, height: 300}, stage), 1);
      const before = {scale: 0.5, x: -300, y: 40}, after = zoomedAt(before, 2, 700, 240, 0.25, 16);
      assert.equal((700 - after.x) / after.scale, (700 - before.x) / before.scale);
      assert.equal((240 - after.y) / after.scale, (240 - before.y) / before.scale);
      assert.equal(zoomedAt(before, 1000, 0, 0, 0.25, 16).scale, 16);
      assert.equal(zoomedAt(before, 0.001, 0, 0, 0.25, 16).scale, 0.25);
      assert.deepEqual(heldInside({scale: 0.25, x: 999, y: -999}, picture, stage), {scale: 0.25, x: 0, y: 275});
      assert.deepEqual(heldInside({scale: 1, x: 50, y: -5000}, picture, stage), {scale: 1, x: 0, y: -200});
      assert.deepEqual(heldInside({scale: 1, x: -9000, y: -10}, picture, stage), {scale: 1, x: -3000, y: -10});
      console.log("zoomed");
    """)
    assert out.strip() == "zoomed"


def test_the_page_may_load_its_own_overlays_and_writes_names_as_text() -> None:
    policy = dict(part.strip().split(" ", 1) for part in report_page.CONTENT_SECURITY_POLICY.split(";"))
    assert policy["default-src"] == "'none'" and policy["img-src"] == "data: 'self' file:"
    assert "unsafe" not in report_page.CONTENT_SECURITY_POLICY
    assert not re.search(
        r"innerHTML|insertAdjacent|document\.write|eval\(|setAttribute\(.(on|style|href)", report_page.SCRIPT
    )
