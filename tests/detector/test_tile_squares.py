"""A scan is cut by millimetres where they are known, in passes, without the air, and boxes come back to their place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector import Detector, tile_squares
from detector.errors import ProfileMismatch, ScanTooLarge
from detector.inspection import Decision
from detector.normalise import letterbox
from detector.pipeline import PreparedScan
from detector.scan import Scan
from detector.tile_squares import COARSEST, MOST_SQUARE_BYTES, Look, check_tiles, cut, pitch_doubt, plan, tile_size
from tests.conftest import make_spec, probe_onnx

CARGO = Look(input_size=64, tile_pixels=64, pixel_pitch_mm=5.0, passes=(1.0, 2.0))
BAGS = Look(input_size=64, tile_pixels=256)

PROFILE = """\
name = "gate"
air_value = 60000
bits_stored = 16
rendering = "cargo"
"""


def container(height: int = 96, width: int = 256, pitch: str = "[5.0, 5.0]") -> Scan:
    """Air, and a block with a dark square of 24 pixels at x 116 and y 52."""
    levels = np.full((height, width), 60_000, np.uint16)
    levels[20:80, 60:180] = 30_000
    levels[52:76, 116:140] = 3_000
    return Scan((levels,), "container.tif", "0" * 64, f"{PROFILE}pixel_pitch_mm = {pitch}\n" if pitch else PROFILE)


@pytest.mark.parametrize(
    ("pitch", "pixels"), [((5.0, 5.0), (64, 64)), ((2.5, 2.5), (128, 128)), ((5.0, 2.0), (64, 160))]
)
def test_a_tile_covers_the_same_millimetres_on_every_scanner(
    pitch: tuple[float, float], pixels: tuple[int, int]
) -> None:
    size = tile_size(CARGO, None, pitch)
    assert (size.across, size.down) == pixels
    assert pixels[0] * pitch[0] == pixels[1] * pitch[1] == 320


def test_a_network_without_scale_ignores_the_pitch() -> None:
    assert tile_size(BAGS, None, (1.0, 1.0)) == tile_size(BAGS, None, None)
    assert pitch_doubt(BAGS, 640, None) == ""


def test_every_pixel_is_in_a_tile_of_the_first_pass_and_the_second_is_larger() -> None:
    planned = plan(200, 150, tile_size(CARGO, None, (5.0, 5.0)), CARGO)
    seen = np.zeros((150, 200), bool)
    for one in planned:
        if one.full == (64, 64):
            seen[one.tile.y1 : one.tile.y2, one.tile.x1 : one.tile.x2] = True
    assert seen.all()
    assert {one.full for one in planned} == {(64, 64), (128, 128)}


def test_a_scan_that_one_tile_shows_is_not_looked_at_twice() -> None:
    assert len(plan(60, 60, tile_size(CARGO, None, (5.0, 5.0)), CARGO)) == 1


@pytest.mark.parametrize("pitch", [(5.0, 5.0), (5.0, 2.0), (3.1, 4.7)])
def test_what_a_later_pass_is_not_asked_about_lies_whole_in_a_tile_of_the_first(pitch: tuple[float, float]) -> None:
    width, height = 467, 391
    planned = plan(width, height, tile_size(CARGO, None, pitch), CARGO)
    first = [one.tile for one in planned if one.least == (0, 0)]
    ((across, down),) = {one.least for one in planned if one.tile not in first}
    tiles = np.array([[tile.x1, tile.y1, tile.x2, tile.y2] for tile in first])
    for x in range(0, width - across, 7):
        for y in range(0, height - down, 7):
            holds = (tiles[:, :2] <= (x, y)).all(axis=1) & (tiles[:, 2:] >= (x + across, y + down)).all(axis=1)
            assert holds.any(), (x, y)


def test_a_later_pass_is_asked_about_large_things_alone_and_keeps_nonsense_for_merging() -> None:
    image = np.full((200, 300, 3), 100, np.uint8)
    tiles = cut(image, 0, tile_size(CARGO, None, (5.0, 5.0)), CARGO)
    boxes = np.array([[0, 0, 15, 15], [0, 0, 40, 4], [0, 0, 4, 40], [0, 0, 16, 16], [9, 9, 8, 8]], np.float32)
    boxes = np.vstack([boxes, np.full((1, 4), np.nan, np.float32)])
    assert tiles[0].takes(boxes).all()
    assert tiles[-1].takes(boxes).tolist() == [False, True, True, True, True, True]


def test_a_small_tile_at_the_edge_keeps_the_scale() -> None:
    image = np.full((40, 40, 3), 100, np.uint8)
    square = cut(image, 0, tile_size(CARGO, None, (5.0, 5.0)), CARGO)[0]
    assert square.placement.scale_x == square.placement.scale_y == 1
    assert square.square is not None
    assert (square.square[:40, :40] == 100).all()
    assert (square.square[40:] == 255).all()


def test_pixels_that_are_not_square_are_made_so() -> None:
    image = np.full((100, 100, 3), 255, np.uint8)
    image[50:60, 20:30] = 0
    square = next(
        one for one in cut(image, 0, tile_size(CARGO, None, (5.0, 2.5)), CARGO) if one.tile.x1 == one.tile.y1 == 0
    )
    assert (square.placement.scale_x, square.placement.scale_y) == (1.0, 0.5)
    assert square.square is not None
    assert (square.square[25:30, 20:30] == 0).all()


@pytest.mark.parametrize("full", [(256, 64), (256, 32), (64, 256), (32, 256)])
def test_thin_things_survive_where_one_side_alone_shrinks(full: tuple[int, int]) -> None:
    image = np.full((full[1], full[0], 3), 255, np.uint8)
    image[::32] = 0 if full[1] > 64 else 255
    image[:, ::32] = 0 if full[0] > 64 else image[:, ::32]
    square, _ = letterbox(image, 64, full)
    assert square.min() < 200
    # Every line, not the one that happens to be sampled.
    dark = (square[:, :, 0] < 230).any(axis=0 if full[0] > 64 else 1)
    assert dark.sum() >= 8


def test_tiles_of_air_are_passed_over_but_thin_things_are_not() -> None:
    image = np.full((64, 256, 3), 250, np.uint8)
    assert all(one.square is None for one in cut(image, 0, tile_size(CARGO, None, (5.0, 5.0)), CARGO))
    image[10, 10, 1] = 240
    looked_at = [one.tile for one in cut(image, 0, tile_size(CARGO, None, (5.0, 5.0)), CARGO) if one.square is not None]
    assert looked_at
    assert all(tile.x1 <= 10 < tile.x2 and tile.y1 <= 10 < tile.y2 for tile in looked_at)


def test_the_pitch_must_be_known_and_fine_enough_for_weights_of_one_scale() -> None:
    assert "pixel_pitch_mm" in pitch_doubt(CARGO, None, None)
    assert "9 mm" in pitch_doubt(CARGO, None, (9.0, 5.0))
    assert pitch_doubt(CARGO, None, (COARSEST * 5.0, 2.0)) == ""
    assert "millimetres?" in pitch_doubt(CARGO, None, (0.5, 0.5))
    assert "--tile auto" in pitch_doubt(CARGO, 0, (5.0, 5.0))


def bags(width: int) -> Scan:
    """As many bags of 200 pixels side by side as fit."""
    image = np.full((200, width, 3), 255, np.uint8)
    for left in range(0, width - 199, 200):
        image[50:150, left + 50 : left + 150] = 200
        # Something as dark as real bags hold, too little for the probe.
        image[50:70, left + 70 : left + 90] = 90
    return Scan((image,), "bags.png", "0" * 64)


@pytest.mark.parametrize(
    ("tile", "width", "cleared"),
    [("auto", 1600, True), ("off", 200, True), ("off", 1600, False), (256, 1600, True), (64, 1600, True),
     (320, 1600, False), (320, 200, True)],
)  # fmt: skip
def test_tiles_larger_than_those_of_the_network_are_not_cleared(
    tile: str | int, width: int, cleared: bool, probe: Path
) -> None:
    inspection = Detector(probe, provider="cpu", threads=1, tile=tile).inspect(bags(width))
    assert inspection.decision is (Decision.CLEAR if cleared else Decision.REFER)
    assert cleared or "--tile auto" in inspection.reasons[0]


@pytest.fixture
def detector(tmp_path: Path) -> Detector:
    spec = make_spec(tile_pixels=64, pixel_pitch_mm=5.0, passes=(1.0, 2.0), renderings=("cargo",))
    return Detector(probe_onnx(tmp_path / "cargo.onnx", spec), provider="cpu", threads=1)


def test_a_scan_of_which_the_pitch_is_not_known_is_not_cleared(detector: Detector) -> None:
    with_block = container(pitch="")
    with_block.views[0][52:76, 116:140] = 30_000
    inspection = detector.inspect(with_block)
    assert inspection.decision is not Decision.CLEAR
    assert any("pixel_pitch_mm" in reason for reason in inspection.reasons)


@pytest.mark.parametrize(("times", "pitch"), [(1, "[5.0, 5.0]"), (2, "[2.5, 2.5]")])
def test_boxes_come_back_to_the_pixels_of_the_scan(detector: Detector, times: int, pitch: str) -> None:
    coarse = container(pitch=pitch)
    levels = np.repeat(np.repeat(coarse.views[0], times, axis=0), times, axis=1)
    inspection = detector.inspect(Scan((levels,), "container.tif", "0" * 64, coarse.profile))
    assert inspection.decision is Decision.ALARM
    best = inspection.detections.sorted_by_score().boxes_xyxy[0] / times
    # The probe's box is the middle half of the tile of which the middle is darkest: that from (96, 32).
    assert best.tolist() == pytest.approx([112, 48, 144, 80], abs=0.6)


def test_weights_that_may_not_clear_refer_what_they_do_not_alarm_on(tmp_path: Path) -> None:
    spec = make_spec(tile_pixels=64, renderings=("cargo",), never_clear="learned from simulation")
    wary = Detector(probe_onnx(tmp_path / "wary.onnx", spec), provider="cpu", threads=1)
    calm = container()
    calm.views[0][52:76, 116:140] = 30_000
    assert wary.inspect(calm).decision is Decision.REFER
    assert "learned from simulation" in wary.inspect(calm).reasons
    assert wary.inspect(container()).decision is Decision.ALARM


def test_what_was_passed_over_is_told_and_every_other_tile_was_looked_at(detector: Detector) -> None:
    prepared = detector.prepare(container(width=600), "container")
    assert isinstance(prepared, PreparedScan)
    air = sum(tile.square is None for tile in prepared.tiles)
    assert 0 < air < len(prepared.tiles)
    assert len(prepared.squares) == len(prepared.tiles) - air
    assert any(f"air: {air} of {len(prepared.tiles)} tiles" in note for note in prepared.notes)


@pytest.mark.parametrize(
    ("box", "told"),
    [([60.0, 60.0, 63.0, 63.0], "beside the picture"), ([70.0, 70.0, 75.0, 75.0], "beside its square")],
)
def test_a_later_pass_is_still_doubted_for_a_small_box_in_the_padding_or_beside_the_square(
    box: list[float], told: str, detector: Detector
) -> None:
    prepared = detector.prepare(container(width=600), "container")
    assert isinstance(prepared, PreparedScan)
    outputs = detector._infer(prepared.squares)
    last = max(place for place, tile in enumerate(t for t in prepared.tiles if t.square is not None) if tile.least[0])
    assert not any(told in reason for reason in detector._conclude(prepared, outputs, 0.0).reasons)
    outputs[last] = np.array([box], np.float32), np.full_like(outputs[last][1], 0.99)
    assert any(told in reason for reason in detector._conclude(prepared, outputs, 0.0).reasons)


def test_an_output_too_few_is_no_clear(detector: Detector) -> None:
    prepared = detector.prepare(container(width=600), "container")
    assert isinstance(prepared, PreparedScan)
    outputs = detector._infer(prepared.squares)[:-1]
    inspection = detector._conclude(prepared, outputs, 0.0)
    assert inspection.decision is Decision.REFER
    assert "tiles were inferred" in inspection.reasons[0]


@pytest.mark.parametrize("passes", [(1.0,), (1.0, 2.0), (1.0, 2.0, 4.0)])
@pytest.mark.parametrize("pitch", [(5.0, 5.0), (5.0, 2.5), (40.0, 30.0), (2000.0, 2000.0)])
def test_tiles_are_counted_without_being_made(
    passes: tuple[float, ...], pitch: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Look(input_size=64, tile_pixels=64, pixel_pitch_mm=5.0, passes=passes)
    views = [(200, 150), (60, 60), (65, 500)]
    made = sum(len(plan(width, height, tile_size(look, None, pitch), look)) for width, height in views)
    bytes_of_all = made * 64 * 64 * 3
    monkeypatch.setattr(tile_squares, "MOST_SQUARE_BYTES", bytes_of_all)
    check_tiles(views, look, None, pitch)
    monkeypatch.setattr(tile_squares, "MOST_SQUARE_BYTES", bytes_of_all - 1)
    with pytest.raises((ProfileMismatch, ScanTooLarge), match=f"{made} tiles"):
        check_tiles(views, look, None, pitch)


def test_the_largest_scans_at_the_scale_of_the_network_are_cut() -> None:
    look = Look(input_size=512, tile_pixels=512, pixel_pitch_mm=5.0, passes=(1.0, 2.0))
    for views in ([(14_142, 7_071)] * 2, [(65_535, 1_500)] * 2, [(12_247, 12_247)]):
        check_tiles(views, look, None, (5.0, 5.0))
        check_tiles(views, look, None, None)
        check_tiles(views, look, 0, (5.0, 5.0))


def test_micrometres_taken_for_millimetres_are_refused_before_a_tile_is_cut(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.pipeline.cut", lambda *_: pytest.fail("a tile was cut"))
    inspection = detector.inspect(container(480, 1200, "[5000.0, 5000.0]"))
    assert inspection.decision is Decision.REFER
    assert inspection.reasons[0].startswith(
        "ProfileMismatch: pixel_pitch_mm of 5000, where the weights were trained on 5:"
    )
    assert "give pixel_pitch_mm in millimetres" in inspection.reasons[0]


def test_a_pitch_too_coarse_that_can_be_afforded_still_shows_boxes(detector: Detector) -> None:
    inspection = detector.inspect(container(pitch="[9.0, 9.0]"))
    assert len(inspection.detections) and any("pixels of 9 mm" in reason for reason in inspection.reasons)


def test_small_tiles_asked_for_on_a_large_scan_are_refused_with_the_way_out() -> None:
    with pytest.raises(ScanTooLarge, match=r"--tile 64: 1\d{4} tiles take") as refused:
        check_tiles([(6000, 5000)], Look(input_size=512), 64, None)
    assert "--tile auto" in refused.value.remedy
    with pytest.raises(ScanTooLarge) as refused:
        check_tiles([(200_000, 200_000)], CARGO, None, (5.0, 5.0))
    assert "in parts" in refused.value.remedy
    assert MOST_SQUARE_BYTES < 2e9
