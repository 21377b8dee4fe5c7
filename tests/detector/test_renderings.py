"""The cargo renderings show what hardly differs from its load, in millimetres and not in pixels, without a seam."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from detector.normalisation import renderings
from detector.normalisation.dual_energy import CURVES
from detector.normalisation.exposure import Exposure
from detector.normalisation.renderings import CONTRAST_LEVELS, CONTRAST_SCALE, draw_exposure, plain_levels
from detector.normalisation.standardise import standardised
from detector.normalise import OPAQUE_LEVEL, doubt
from detector.scanner_profile import Belt, Rendering, ScannerProfile
from tests.detector.beer_lambert import scan_of

Float32 = NDArray[np.float32]
#: A centimetre of steel at 2 MeV.
STEEL = 0.336


def behind(load_cm: float, plate_mm: float, pitch_mm: tuple[float, float] = (5.0, 5.0)) -> Float32:
    """Transmission of a load of steel, 2 x 1.5 m, a plate of 5 x 5 cm in its middle."""
    width, height = round(2000 / pitch_mm[0]), round(1500 / pitch_mm[1])
    taken = np.full((height, width), STEEL * load_cm, np.float32)
    across, down = round(25 / pitch_mm[0]), round(25 / pitch_mm[1])
    taken[height // 2 - down : height // 2 + down, width // 2 - across : width // 2 + across] += STEEL * plate_mm / 10
    return np.exp(-taken)


def drawn(high: Float32, pitch_mm: tuple[float, float] | None = (5.0, 5.0), name: str = "contrast") -> NDArray[np.int_]:
    return draw_exposure(Exposure(high), name, CURVES["MeV"], pitch_mm).astype(int)


@pytest.mark.parametrize("load_cm", [1.0, 5.0, 15.0])
def test_two_millimetres_of_steel_stand_out_alike_behind_any_load(load_cm: float) -> None:
    image = drawn(behind(load_cm, 2.0))
    middle, beside = image[150, 200], image[150, 150]
    assert beside[0] == 128
    # The plate itself is a part of what lies around it: 2 % of the Gaussian's weight.
    expected = CONTRAST_LEVELS * np.arcsinh(0.96 * 0.2 * STEEL / CONTRAST_SCALE)
    assert beside[0] - middle[0] == pytest.approx(expected, abs=2)
    # Of its logarithm it is two levels.
    assert beside[1] - middle[1] <= 3


def test_a_level_means_the_same_at_every_pitch() -> None:
    levels = [
        drawn(behind(6.0, 8.0, pitch), pitch)[round(750 / pitch[1]), round(1000 / pitch[0])]
        for pitch in ((5.0, 5.0), (2.5, 2.5), (2.5, 5.0), (7.5, 4.0))
    ]
    assert np.ptp(levels, axis=0).max() <= 3


def test_an_unknown_pitch_is_drawn_as_the_networks() -> None:
    assert np.array_equal(drawn(behind(6.0, 8.0), None), drawn(behind(6.0, 8.0)))


def test_bands_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    high = behind(6.0, 8.0) * np.exp(generator.normal(0, 0.1, (300, 400))).astype(np.float32)
    pages = Exposure(high, high**1.15)
    whole = {}
    for band in (64, 1000):
        monkeypatch.setattr(renderings, "BAND", band)
        whole[band] = {
            name: draw_exposure(pages, name, CURVES["MeV"], (5.0, 5.0)).astype(int)
            for name in ("contrast", "contrast material")
        }
    for name, image in whole[64].items():
        assert np.abs(image - whole[1000][name]).max() <= 1, name


@pytest.mark.parametrize("taken", [0.0, 0.04])
def test_air_is_white_beside_a_wall_and_in_a_gap(taken: float) -> None:
    high = behind(10.0, 0.0)
    high[:, 180:220] = np.exp(-taken)
    gap = drawn(high)[150, 185:215]
    assert gap.min() >= 253


@pytest.mark.parametrize("left", [1e-5, 3.6e-4])
def test_what_nothing_comes_through_is_black_in_every_channel(left: float) -> None:
    high = behind(2.0, 0.0)
    high[100:200, 100:300] = left
    assert drawn(high)[105:195, 105:295].max() <= OPAQUE_LEVEL
    material = draw_exposure(Exposure(high, high), "contrast material", CURVES["MeV"], (5.0, 5.0))
    assert material[105:195, 105:295].max() <= OPAQUE_LEVEL


@pytest.mark.parametrize("left", [2e-3, 6e-4])
def test_a_dark_border_is_dark_whatever_lies_around_it(left: float) -> None:
    high = np.full((300, 400), left, np.float32)
    high[50:-50, 50:-50] = 0.8
    image = draw_exposure(Exposure(high), "contrast", CURVES["MeV"], (5.0, 5.0))
    assert "border is dark" in doubt(plain_levels(image, "contrast"))


@pytest.mark.parametrize("rendering", ["contrast", "contrast material", "grey"])
def test_what_is_drawn_by_unknown_millimetres_is_doubted(rendering: Rendering) -> None:
    page = np.clip(np.random.default_rng(0).normal(behind(4.0, 10.0), 0.003) * 50_000, 1, 60_000).astype(np.uint16)
    page[:60], page[-60:] = 50_000, 50_000
    pages = [page, np.maximum(page * (page / 50_000.0) ** 0.15, 1).astype(np.uint16)]
    two = rendering == "contrast material"
    gate = ScannerProfile(
        name="gate", energies=("high", "low")[: 1 + two], air_value=50_000.0, bits_stored=16, rendering=rendering
    )
    doubts = standardised(scan_of(*pages[: 1 + two]), gate).doubts
    assert any("no pixel_pitch_mm" in one for one in doubts) == (rendering != "grey")


def test_any_claimed_pitch_draws_with_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderings, "MOST_CELLS", 100)
    for pitch in (1e-4, 5.0, 500.0):
        assert drawn(behind(6.0, 8.0), (pitch, pitch)).shape == (300, 400, 3)


@pytest.mark.parametrize("pitch_mm", [(5.0, 5.0), (5.0, 2.5)])
def test_the_belt_along_y_is_drawn_as_along_x(pitch_mm: tuple[float, float]) -> None:
    high = behind(4.0, 10.0, pitch_mm)
    high[:60], high[-60:] = 1, 1
    generator = np.random.default_rng(0)
    page = np.clip(generator.normal(high, 0.003) * 50_000, 1, 60_000).astype(np.uint16)

    def image(belt: Belt) -> NDArray[np.uint8]:
        turned = belt == "y"
        profile = ScannerProfile(
            name="gate",
            belt=belt,
            air_value=50_000.0,
            pixel_pitch_mm=pitch_mm[::-1] if turned else pitch_mm,
            rendering="contrast",
        )
        return standardised(scan_of(page.T if turned else page), profile).images[0]

    assert np.array_equal(image("y"), image("x").swapaxes(0, 1))
