from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from detector.errors import ScanWithoutContent
from detector.normalisation.dual_energy import CURVES
from detector.normalisation.exposure import Exposure
from detector.normalise import AIR, RENDERINGS, black_doubt, is_grey, letterbox, render, render_exposure
from tests.detector.beer_lambert import LOWER, UPPER, high_and_low


def test_eight_bits_pass_unchanged_and_grey_becomes_three_equal_channels() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)[::-1].repeat(4, 0).repeat(4, 1)
    rendered = render(grey)
    assert rendered.shape == (64, 64, 3)
    assert (rendered == grey[:, :, None]).all()


def test_sixteen_bits_keep_their_order_and_use_the_whole_range() -> None:
    ramp = np.linspace(2_000, 50_000, 10_000).astype(np.uint16).reshape(100, 100)
    rendered = render(ramp)[:, :, 0].ravel()
    assert (np.diff(rendered.astype(int)) >= 0).all()
    assert rendered.min() == 0 and rendered.max() == 255


def test_a_few_hot_cells_do_not_set_the_window() -> None:
    view = np.full((200, 200), 1_000, np.uint16)
    view[50:150, 50:150] = 400
    view[0, :3] = 65_535
    rendered = render(view)
    assert rendered[10, 10, 0] > 200 and rendered[100, 100, 0] < 10


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_scan_is_refused(level: int) -> None:
    with pytest.raises(ScanWithoutContent):
        render(np.full((64, 64, 3), level, np.uint8))


@pytest.mark.parametrize("colour", [(250, 160, 60), (255, 240, 215), (20, 60, 200)])
def test_one_flat_colour_shows_nothing_however_its_channels_differ(colour: tuple[int, int, int]) -> None:
    flat = np.full((448, 640, 3), colour, np.int16) + np.random.default_rng(0).integers(-2, 3, (448, 640, 3))
    with pytest.raises(ScanWithoutContent, match="all parts of the view lie within"):
        render(np.clip(flat, 0, 255).astype(np.uint8))


def test_a_blank_sixteen_bit_scan_is_refused() -> None:
    with pytest.raises(ScanWithoutContent):
        render(np.full((64, 64), 41_000, np.uint16))


@pytest.mark.parametrize(("width", "height"), [(640, 416), (300, 900), (416, 416), (100, 40)])
def test_letterbox_keeps_the_proportions_and_pads_with_air(width: int, height: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    square, placed = letterbox(image, 416)
    assert square.shape == (416, 416, 3)
    assert placed.scale_x == placed.scale_y == pytest.approx(416 / max(width, height))
    inside = square[: round(height * placed.scale_y), : round(width * placed.scale_x)]
    assert (inside == 0).all()
    assert (square == AIR).all(axis=2).sum() == 416 * 416 - inside.shape[0] * inside.shape[1]


def test_noise_behind_a_closed_shutter_is_refused() -> None:
    noise = np.random.default_rng(0).normal(100, 5, (480, 640)).round().astype(np.uint16)
    with pytest.raises(ScanWithoutContent):
        render(noise)


def test_one_hot_cell_makes_no_picture() -> None:
    black = np.zeros((480, 640, 3), np.uint8)
    black[100, 100] = 255
    with pytest.raises(ScanWithoutContent):
        render(black)


def test_a_view_of_which_a_third_was_not_seen_through_is_doubted() -> None:
    image = np.full((400, 400), 200, np.uint8)
    image[50:100, 50:350] = 90
    assert black_doubt(render(image)) == ""
    image[-140:] = 0
    assert black_doubt(render(image)) == "35% of the view is black: nothing behind it can be seen"


def test_a_deep_colour_scan_is_windowed_in_little_memory() -> None:
    view = np.repeat(np.linspace(0, 65_535, 3000).astype(np.uint16), 6000).reshape(3000, 2000, 3)
    tracemalloc.start()
    rendered = render(view)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # As floats at once it would be 72 MB, several times over.
    assert rendered.shape == view.shape and peak < 60e6


@pytest.mark.parametrize("rendering", sorted(RENDERINGS))
def test_a_tall_view_drawn_in_bands_is_what_it_is_drawn_at_once(rendering: str) -> None:
    generator = np.random.default_rng(3)
    pages = [np.tile(page, (6, 1)) * generator.normal(1, 0.02, (720, 400)) for page in high_and_low()]
    exposure = Exposure(*(page.astype(np.float32) for page in pages))
    assert np.array_equal(
        render_exposure(exposure, rendering, CURVES["MeV"]), RENDERINGS[rendering](exposure, CURVES["MeV"])
    )


def test_what_is_too_dense_for_a_material_is_drawn_dark_and_air_white() -> None:
    pages = (page.astype(np.float32) for page in high_and_low(steel_cm=40.0))
    image = render_exposure(Exposure(*pages), "cargo material", CURVES["MeV"])
    within = image[UPPER][5:-5, 5:-5, 2]
    assert int(within.max()) == 0 and int(image[:10, :, 2].min()) == 255
    assert int(image[LOWER][..., 2].min()) > 0


def test_a_grey_export_with_a_few_coloured_pixels_is_grey_still() -> None:
    """As JPEG leaves at edges; a bag that a scanner has coloured is so all over."""
    image = np.full((100, 100, 3), 120, np.uint8)
    for share, grey in ((0, True), (1, True), (4, False)):
        image[:share] = (180, 110, 60)
        assert is_grey(image) is grey


def test_a_picture_as_bright_as_air_throughout_has_no_colours() -> None:
    faint = np.full((200, 200, 3), (255, 248, 241), np.uint8)
    faint[50:150, 50:150] = (255, 255, 240)
    assert is_grey(faint)
