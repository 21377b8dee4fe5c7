"""Lines that report nothing, or not what the beam brought: found however many lie side by side, and honest ones not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from detector.errors import ScanWithoutContent
from detector.normalisation.lines import faulty_throughout
from detector.normalisation.standardise import StandardScan, standardised
from detector.scanner_profile import ScannerProfile
from tests.detector.beer_lambert import scan_of

UInt16 = NDArray[np.uint16]

HEIGHT, WIDTH = 240, 640
AIR, PHOTONS = 52_000, 25_000
#: Rows and columns of the container, and of the load in it.
BODY, LOAD = np.s_[32:192, 80:560], np.s_[80:186, 104:536]
READINGS = {"value": {"air_value": AIR}, "columns": {"air_columns": (0, 40)}}


def ideal(load: float = 1.2) -> NDArray[np.float64]:
    """(H, W) transmission of a container with a load of that attenuation, air all round."""
    depth = np.zeros((HEIGHT, WIDTH))
    depth[BODY] = 0.12
    depth[186:192, 80:560] = 1.5
    depth[192:208, 80:560] = 0.6
    depth[LOAD] += load
    return np.exp(-depth)


def levels(transmission: NDArray[np.float64], noise: bool = True) -> UInt16:
    """What a detector of PHOTONS a pixel in air stores of it, with the noise of photons and of reading."""
    generator = np.random.default_rng(0)
    if noise:
        counts = generator.poisson(PHOTONS * transmission) + 3 * generator.standard_normal(transmission.shape)
        transmission = counts / PHOTONS
    return np.clip(np.rint(AIR * transmission), 0, 65_535).astype(np.uint16)


def read(page: UInt16, reading: str = "value") -> StandardScan:
    profile = ScannerProfile.model_validate({"name": "gate", "bits_stored": 16, **READINGS[reading]})
    return standardised(scan_of(page), profile)


def lines_doubted(page: UInt16, reading: str = "value") -> int:
    """How many faulty lines side by side the scan is doubted for."""
    told = [doubt.split()[0] for doubt in read(page, reading).doubts if "lie side by side" in doubt]
    return int(told[0]) if told else 0


def faulty(transmission: NDArray[np.float64]) -> list[int]:
    return [int(faulty_throughout(part.astype(np.float32)).sum()) for part in (transmission, transmission.T)]


# Dead


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("rows", [1, 4, 5, 6, 7, 8, 32, 64])
def test_dead_rows_are_counted_however_many(rows: int, reading: str) -> None:
    page = levels(ideal())
    page[90 : 90 + rows] = 0
    assert lines_doubted(page, reading) == (rows if rows > 4 else 0)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("columns", [1, 4, 5, 8, 32, 100])
def test_lost_moments_are_counted_however_many(columns: int, reading: str) -> None:
    page = levels(ideal())
    page[:, 200 : 200 + columns] = 0
    assert lines_doubted(page, reading) == (columns if columns > 4 else 0)


def test_dead_rows_in_a_dense_load_and_at_the_edge_are_counted() -> None:
    page = levels(ideal(2.8))
    page[100:108] = 0
    assert lines_doubted(page) == 8
    page = levels(ideal())
    page[-12:] = 0
    assert lines_doubted(page) == 12


def test_dead_rows_are_found_beside_stuck_ones_and_where_no_row_holds_air() -> None:
    page = levels(ideal())
    page[80:90], page[90:100] = 20_000, 0
    assert lines_doubted(page) == 20
    cut = levels(ideal())[:, 90:550] / AIR
    cut[100:110] = 0
    assert faulty(cut) == [10, 0]


def test_an_opaque_floor_from_edge_to_edge_is_no_dead_block() -> None:
    """A picture cut off within a container: what comes through shows the noise of the beam."""
    for attenuation in (4.5, 6.0, 8.0):
        depth = np.full((HEIGHT, WIDTH), 0.8)
        depth[180:200] = attenuation
        assert faulty(levels(np.exp(-depth)) / AIR) == [0, 0]


def test_a_hot_block_is_found() -> None:
    bright = levels(ideal()) / AIR
    bright[8:20] *= 2.5
    assert faulty(bright)[0] == 12


# Frozen


@pytest.mark.parametrize("level", [AIR, 20_000, 65_535])
def test_moments_written_at_one_level_are_no_air(level: int) -> None:
    page = levels(ideal())
    page[:, 300:340] = level
    assert lines_doubted(page) == 40


@pytest.mark.parametrize("reading", READINGS)
def test_moments_that_repeat_the_last_good_one_are_found(reading: str) -> None:
    page = levels(ideal())
    page[:, 200:360] = page[:, 199:200]
    assert lines_doubted(page, reading) == 160


def test_a_lost_pulse_filled_with_the_last_is_passed() -> None:
    page = levels(ideal())
    page[:, 200:204] = page[:, 199:200]
    assert not read(page).doubts and not read(page).notes


@pytest.mark.parametrize("reading", READINGS)
def test_rows_stuck_in_bands_are_too_many(reading: str) -> None:
    page = levels(ideal())
    for start in range(0, HEIGHT, 20):
        page[start : start + 8] = 20_000
    with pytest.raises(ScanWithoutContent, match="96 of 240 detector lines"):
        read(page, reading)


# Of another gain


def test_rows_of_half_the_gain_are_too_many_or_doubted() -> None:
    page = levels(ideal())
    page[90:122] //= 2
    assert lines_doubted(page) == 32
    for start in range(0, HEIGHT, 20):
        page[start : start + 8] = levels(ideal())[start : start + 8] // 2
    with pytest.raises(ScanWithoutContent, match="more than a third"):
        read(page)


def test_matter_from_edge_to_edge_is_no_lost_gain() -> None:
    """A picture cut off within a container: a uniform load takes the air from its rows, and photons with it."""
    depth = np.zeros((HEIGHT, WIDTH))
    for attenuation in (0.4, 0.7, 1.2, 2.5):
        depth[100:180] = attenuation
        assert faulty(levels(np.exp(-depth)) / AIR) == [0, 0]


# Honest


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("cut", [np.s_[:, :], np.s_[:, 90:550], np.s_[40:180], np.s_[40:180, 90:550]])
@pytest.mark.parametrize("load", [0.0, 1.2, 3.5, 12.0])
def test_honest_scans_have_no_faulty_lines(load: float, cut: tuple[slice, slice], noise: bool) -> None:
    """Whole, and cut off so that rows, columns or neither hold air; with and without noise."""
    assert faulty(levels(ideal(load)[cut], noise) / AIR) == [0, 0]


def test_clipped_air_is_no_frozen_line() -> None:
    assert faulty(np.minimum(levels(ideal()) / AIR, 0.97) / 0.97) == [0, 0]
    # Eight bits with air white throughout.
    coarse = np.rint(np.minimum(levels(ideal()) / AIR * 262, 255)) / 255
    assert faulty(coarse) == [0, 0]


def test_doubled_lines_are_no_frozen_ones() -> None:
    """Exports draw short pixels out to squares."""
    doubled = np.repeat(levels(ideal()) / AIR, 3, axis=1)
    assert faulty(doubled) == [0, 0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 500)])
def test_tiny_pictures_have_no_faulty_lines(shape: tuple[int, int]) -> None:
    assert faulty(np.random.default_rng(0).normal(1, 0.01, shape)) == [0, 0]
