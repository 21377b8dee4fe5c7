"""Air, dead elements, opacity: what a detector does to a known transmission is undone."""

from __future__ import annotations

import numpy as np
import pytest

from detector.errors import ProfileMismatch, ScanWithoutContent
from detector.normalisation.air import attenuation, brightest_level, flat_field, to_transmission
from detector.normalisation.exposure import Exposure, opaque_limit, opaque_share
from detector.normalisation.lines import faulty_in_air, faulty_throughout, mend
from detector.normalisation.plateau import dark_plateau
from tests.detector.beer_lambert import AIR, DARK, HEIGHT, UPPER, gains, high_and_low, stored
from training.simulation.materials import linear_attenuation

COLUMNS = slice(0, 40)


def test_the_flat_field_takes_away_what_each_element_adds() -> None:
    high, _ = high_and_low()
    levels = stored(high, gains())
    field = flat_field(levels, COLUMNS, DARK)
    assert field.ravel() == pytest.approx(DARK + (AIR - DARK) * gains().ravel(), abs=1)
    # Half a level of rounding, at the element of the lowest gain.
    assert np.abs(to_transmission(levels, field, DARK) - high).max() < 2 / (0.8 * AIR)


def test_without_the_dark_level_dense_cargo_would_look_thinner() -> None:
    high, _ = high_and_low(steel_cm=15.0)
    levels = stored(high)
    right = to_transmission(levels, AIR, DARK)
    wrong = to_transmission(levels, AIR, 0)
    assert right[UPPER] == pytest.approx(high[UPPER], abs=1e-5)
    assert (wrong[UPPER] > high[UPPER] + 0.005).all()


def test_log_attenuation_is_linear_in_thickness() -> None:
    mu = linear_attenuation("steel", 2.0)
    found = [
        float(attenuation(to_transmission(stored(high_and_low(steel_cm=depth)[0]), AIR, DARK), 1e-6)[UPPER].mean())
        for depth in (2.0, 4.0, 8.0, 16.0)
    ]
    assert found == pytest.approx([mu * depth for depth in (2.0, 4.0, 8.0, 16.0)], rel=0.01)


def test_the_brightest_level_is_air_and_no_hot_cell() -> None:
    levels = stored(high_and_low()[0], noise=200)
    levels[3, :4] = 65_535
    assert brightest_level(levels) == pytest.approx(AIR, rel=0.01)


def test_columns_with_cargo_in_them_are_no_air() -> None:
    levels = stored(high_and_low()[0], gains())
    with pytest.raises(ProfileMismatch, match="not empty"):
        flat_field(levels, slice(80, 160), DARK)
    with pytest.raises(ProfileMismatch, match="2 of the scan's 400 columns"):
        flat_field(levels, slice(398, 460), DARK)


def test_a_starved_beam_is_refused() -> None:
    dim = np.full((HEIGHT, 100), DARK + 20, np.uint16)
    with pytest.raises(ScanWithoutContent, match="20 levels above dark"):
        flat_field(dim, COLUMNS, DARK)
    counts = np.random.default_rng(0).poisson(6, (HEIGHT, 100)) * 100
    with pytest.raises(ScanWithoutContent, match="noise is"):
        flat_field(counts.astype(np.uint16), slice(0, 100), 0)


@pytest.mark.parametrize("rows", [[7], [7, 8], [0], [HEIGHT - 1], [3, 40, 41, 90]])
@pytest.mark.parametrize("level", [0, 65_535])
def test_dead_and_hot_elements_are_found_in_air_and_mended(rows: list[int], level: int) -> None:
    high, _ = high_and_low()
    levels = stored(high, gains(), noise=60)
    levels[rows] = level
    faulty = faulty_in_air(levels[:, COLUMNS].astype(np.float32) - DARK, AIR - DARK)
    assert np.flatnonzero(faulty).tolist() == rows
    field = flat_field(levels, COLUMNS, DARK)
    mended = mend(to_transmission(levels, field, DARK), faulty)
    assert mended.faulty == len(rows) and mended.widest == (2 if len(rows) > 1 else 1)
    # The slabs' edges lie elsewhere, so between sound neighbours nothing is lost.
    assert np.abs(mended.transmission[rows] - high[rows]).max() < 0.02


def test_a_noisy_element_is_found_in_air() -> None:
    generator = np.random.default_rng(0)
    air = generator.normal(1000, 10, (50, 60))
    air[30] = generator.normal(1000, 300, 60)
    assert np.flatnonzero(faulty_in_air(air.astype(np.float32), 1000)).tolist() == [30]


def test_a_rail_along_the_whole_container_is_no_dead_element() -> None:
    high, _ = high_and_low()
    railed = high.copy()
    railed[55, 90:] = 0.001
    levels = stored(railed)
    assert not faulty_in_air(levels[:, COLUMNS].astype(np.float32) - DARK, AIR - DARK).any()
    # It ends before the scan does, and in the air beside it the element sees.
    assert not faulty_throughout(to_transmission(levels, AIR, DARK)).any()


@pytest.mark.parametrize("value", [0.0, 1.9])
def test_without_air_columns_a_stuck_line_is_found_beside_its_neighbours(value: float) -> None:
    picture = to_transmission(stored(high_and_low()[0], noise=60), AIR, DARK)
    picture[[33, 90]] = value
    assert np.flatnonzero(faulty_throughout(picture)).tolist() == [33, 90]


def test_opacity_is_measured_on_the_cargo_and_not_on_the_air() -> None:
    high, _ = high_and_low(steel_cm=60.0)
    steel, water = 30 * 220, 50 * 200
    share = opaque_share(Exposure(high.astype(np.float32)), 0.002)
    assert share == pytest.approx(steel / (steel + water))
    assert opaque_share(Exposure(np.ones((50, 50), np.float32)), 0.002) == 0


def test_noise_hides_what_an_opaque_part_is_and_what_comes_through() -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, (HEIGHT, 400))
    steel, water = 30 * 220, 50 * 200
    for steel_cm in (60.0, 17.0):
        seen = Exposure((high_and_low(steel_cm=steel_cm)[0] + noise).astype(np.float32))
        limit = opaque_limit(seen, 0.002)
        assert limit == pytest.approx(3 * 0.02 / 5, rel=0.05)
        assert opaque_share(seen, limit) == pytest.approx(steel / (steel + water), abs=0.03)
    # Half of a part that lets nothing through lies above any limit that leaves noise out.
    assert opaque_limit(Exposure(np.ones((50, 50), np.float32), resolution=0.015), 0.002) == 0.015


def test_a_plateau_is_flat_dark_and_not_zero() -> None:
    high = high_and_low(steel_cm=60.0)[0].astype(np.float32)
    assert dark_plateau(Exposure(high), 0.002) == 0
    assert dark_plateau(Exposure(high + np.float32(0.01)), 0.002) == pytest.approx(30 * 220 / high.size, rel=0.2)
    # A wedge becomes denser to its edge and stays nowhere.
    wedge = np.tile(np.geomspace(0.004, 1, 400, dtype=np.float32), (HEIGHT, 1))
    assert dark_plateau(Exposure(wedge, resolution=0.0005), 0.002) == 0
