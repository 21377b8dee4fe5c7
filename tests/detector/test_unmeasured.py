"""Parts of a scan where nothing was measured, and scans that end within the vehicle: doubted, and nothing else is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from detector.doubts import opaque_square_doubt
from detector.normalisation.exposure import (
    Exposure,
    beyond_the_edges,
    beyond_the_ends,
    opaque_share,
    opaque_square_mm,
)
from detector.normalisation.findings import MOST_BEYOND, MOST_WHEELS
from detector.normalisation.grain import LEAST_GRAIN, MOST_AIR_NOISE, MOST_NOISE_BEHIND, air_noise, noise_behind
from detector.normalisation.standardise import standardised
from detector.normalisation.still import still_share
from detector.normalise import black_square_mm
from detector.scanner_profile import ScannerProfile
from tests.detector.beer_lambert import AIR, scan_of
from tests.detector.test_doubts import cargo, counted, doubts
from training.simulation.freight import AIR_LEVEL, Family, simulate_freight

Page = NDArray[np.uint16]
#: Rows and moments of a detector module that hangs for a while, and of a tile of a file.
MODULE, TILE = (slice(120, 270), slice(300, 700)), (slice(64, 128), slice(256, 320))


def told(page: Page, **profile: object) -> list[str]:
    return [line for line in doubts(page, air_value=AIR, **profile) if "not measured there" in line]


def held(page: Page, where: tuple[slice, slice]) -> Page:
    """Each element goes on with what it reported first."""
    changed = page.copy()
    changed[where] = changed[where[0], where[1].start][:, None]
    return changed


def levelled(page: Page, where: tuple[slice, slice], level: float) -> Page:
    changed = page.copy()
    changed[where] = round(level)
    return changed


@pytest.mark.parametrize("where", [MODULE, TILE])
@pytest.mark.parametrize("level", [3_000, 20_000, AIR])
@pytest.mark.parametrize("read", [0, 8, 60])
def test_a_part_at_one_level_is_doubted(where: tuple[slice, slice], level: float, read: float) -> None:
    assert told(levelled(counted(cargo(), read=read), where, level))


def test_a_module_that_hangs_and_a_moment_that_repeats_are_doubted() -> None:
    page = counted(cargo())
    assert told(held(page, MODULE))
    copied = page.copy()
    copied[100:300, 500:540] = copied[100:300, 500:501]
    assert told(copied)
    along = page.copy()
    along[120:200, 300:700] = along[120, 300:700]
    assert told(along)


def test_most_of_a_scan_at_one_level_is_doubted_as_well() -> None:
    page = counted(cargo())
    assert told(levelled(page, (slice(14, 386), slice(100, 770)), 3_000))


@pytest.mark.parametrize("read", [0, 8, 60])
@pytest.mark.parametrize("load", [0.0, 0.3, 2.5, 6.0])
def test_a_sound_scan_is_not(load: float, read: float) -> None:
    assert not told(counted(cargo(load=load), read=read))


def test_darkness_may_be_even_and_so_may_air_that_is_cut_off_and_a_scan_without_noise() -> None:
    assert not told(counted(cargo(block=12.0), read=0))
    assert not [line for line in doubts(counted(cargo(), air=65_535), air_value=65_535) if "not measured" in line]
    bright = np.minimum(counted(cargo()), round(0.97 * AIR)).astype(np.uint16)
    assert not told(bright)
    assert not told(np.rint(AIR * np.exp(-cargo())).astype(np.uint16))


def test_levels_coarser_than_the_noise_say_nothing() -> None:
    """Of 12 bits, of which behind dense cargo one holds many pixels."""
    page = (counted(cargo(load=4.0), read=0) >> 8).astype(np.uint16)
    assert not [line for line in doubts(page, air_value=AIR / 256, bits_stored=8) if "not measured" in line]


@pytest.mark.parametrize("cut", [slice(300, None), slice(None, 600), slice(300, 700)])
def test_a_scan_that_ends_within_the_vehicle_is_doubted(cut: slice) -> None:
    page = np.ascontiguousarray(counted(cargo())[:, cut])
    assert any("goes on beyond" in line for line in doubts(page, air_value=AIR))
    turned = np.ascontiguousarray(page.T)
    assert any("goes on beyond" in line for line in doubts(turned, air_value=AIR, belt="y"))


def resampled(page: Page, factor: int, how: int) -> Page:
    small = cv2.resize(page, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, page.shape[::-1], interpolation=how), np.uint16)


@pytest.mark.parametrize("read", [0, 60])
def test_a_scan_that_was_blurred_or_enlarged_is_doubted_and_one_that_a_median_went_over_is_not(read: float) -> None:
    page = counted(cargo(), read=read)

    def smooth(changed: Page) -> bool:
        return any("blurred or enlarged" in line for line in doubts(changed, air_value=AIR))

    assert not smooth(page) and not smooth(cv2.medianBlur(page, 3))
    assert all(smooth(cv2.GaussianBlur(page, (0, 0), deviation)) for deviation in (1, 2, 4, 8))
    kinds = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC)
    assert all(smooth(resampled(page, factor, how)) for factor in (2, 4, 8) for how in kinds)


@pytest.mark.parametrize("read", [0, 60])
@pytest.mark.parametrize("load", [3.0, 5.0])
def test_a_logarithm_of_the_beam_is_doubted(load: float, read: float) -> None:
    page = counted(cargo(load=load), read=read)
    share = np.clip(page / AIR, 1 / AIR, None)

    def bent(levels: NDArray[np.float64]) -> bool:
        page = np.rint(AIR * np.clip(levels, 0, 1.3)).astype(np.uint16)
        return any("a logarithm of the beam" in line for line in doubts(page, air_value=AIR))

    assert not bent(share)
    assert bent(1 + np.log(share) / 10)


@pytest.mark.parametrize(("photons", "doubted"), [(150, True), (300, True), (1_000, False), (10_000, False)])
def test_too_few_photons_are_doubted(photons: int, doubted: bool) -> None:
    through = np.exp(-cargo())
    page = np.rint(np.random.default_rng(1).poisson(photons * through) * (AIR / photons))
    page = np.clip(page, 0, 65_535).astype(np.uint16)
    assert any("too few photons" in line for line in doubts(page, air_value=AIR)) is doubted


def test_the_gains_of_elements_and_pulses_are_no_noise_of_neighbours() -> None:
    generator = np.random.default_rng(1)
    page = counted(cargo())
    gains = generator.normal(1, 0.01, (len(page), 1)) * generator.normal(1, 0.01, (1, page.shape[1]))
    striped = np.rint(page * gains).astype(np.uint16)
    noise = air_noise(striped.astype(np.float32) / AIR, 1.5 / AIR)
    assert noise is not None and noise.own == pytest.approx(1, abs=0.1)


def test_without_noise_or_air_nothing_is_said_of_it() -> None:
    assert air_noise(np.exp(-cargo()).astype(np.float32), 1.5 / AIR) is None
    assert air_noise(np.full((400, 400), 0.3, np.float32), 0.0) is None
    assert air_noise(np.ones((2, 2), np.float32), 0.0) is None
    assert noise_behind(np.exp(-cargo()).astype(np.float32), 1.5 / AIR) is None
    assert noise_behind(np.full((400, 400), 0.3, np.float32), 0.0) is None
    assert noise_behind(np.ones((2, 2), np.float32), 0.0) is None


@pytest.mark.parametrize(("cut", "edge"), [(slice(200, None), "upper"), (slice(None, 200), "lower")])
def test_a_scan_without_its_upper_or_lower_half_is_doubted(cut: slice, edge: str) -> None:
    page = counted(cargo())[cut]
    assert any(f"along its {edge} edge" in line for line in doubts(page, air_value=AIR))
    assert not [line for line in doubts(counted(cargo()), air_value=AIR) if "edge" in line]


def test_a_vehicle_that_ends_just_before_a_long_scan_does_is_whole() -> None:
    train = np.hstack([cargo()] * 12)
    # Fifty moments of air, where a part of the length would reach into the last wagon.
    page = counted(train[:, : train.shape[1] - int((cargo().max(axis=0)[::-1] > 0.2).argmax()) + 50])
    assert not [line for line in doubts(page, air_value=AIR) if "beyond" in line]


@pytest.mark.parametrize("rows", [slice(0, 20), slice(-60, None)])
def test_the_ground_under_the_whole_scan_is_no_vehicle(rows: slice) -> None:
    field = cargo()
    field[rows] += 0.8
    assert not doubts(counted(field), air_value=AIR)


def test_the_largest_opaque_square_is_measured_in_millimetres() -> None:
    transmission = np.full((400, 1000), 0.4, np.float32)
    transmission[100:300, 200:700] = 0.0
    exposure = Exposure(transmission)
    assert opaque_square_mm(exposure, 0.002, (5.0, 5.0)) == pytest.approx(1000, abs=50)
    assert opaque_square_mm(exposure, 0.002, (1.0, 5.0)) == pytest.approx(500, abs=50)
    transmission[:, 200:700] = 0.0
    assert opaque_square_mm(exposure, 0.002, (5.0, 5.0)) == pytest.approx(2000, abs=50)
    transmission[:, 210:700:40] = 0.4
    assert opaque_square_mm(exposure, 0.002, (5.0, 5.0)) < 250
    assert opaque_square_mm(Exposure(np.ones((40, 40), np.float32)), 0.002, (5.0, 5.0)) == 0


@pytest.mark.parametrize("pitch", [2.0, 4.0, 5.0])
@pytest.mark.parametrize("first", [300, 301, 303, 307])
@pytest.mark.parametrize("hot", [0, 255])
def test_an_opaque_square_of_the_limit_s_size_is_never_measured_below_it(pitch: float, first: int, hot: int) -> None:
    side = round(1000 / pitch)
    image = np.full((900, 1200, 3), 90, np.uint8)
    image[first : first + side, first : first + side] = 0
    image[first + side // 2, first + side // 2] = hot
    transmission = np.where(image[:, :, 0] > 0, 0.4, 0.0).astype(np.float32)
    for measured, cell in (
        (opaque_square_mm(Exposure(transmission), 0.002, (pitch, pitch)), 25.0),
        (black_square_mm(image, (pitch, pitch)), 5.0),
    ):
        assert 1000 <= measured <= 1000 + 1.1 * cell


@pytest.mark.parametrize("belt", ["x", "y"])
def test_an_opaque_square_is_told_where_the_pitch_is_known(belt: str) -> None:
    page = counted(cargo(block=12.0), read=0)
    page = page if belt == "x" else np.ascontiguousarray(page.T)
    pitch = [5.0, 10.0] if belt == "x" else [10.0, 5.0]
    told = {"name": "gate", "bits_stored": 16, "air_value": AIR, "belt": belt}
    known = standardised(scan_of(page), ScannerProfile.model_validate(told | {"pixel_pitch_mm": pitch}))
    assert known.opaque_mm == pytest.approx(600, abs=50)
    assert standardised(scan_of(page), ScannerProfile.model_validate(told)).opaque_mm == 0
    assert opaque_square_doubt(known.opaque_mm, 500).startswith("opaque: nothing is seen behind a square of")
    assert opaque_square_doubt(known.opaque_mm, 1000) == ""


@pytest.mark.parametrize("seed", range(1, 7))
def test_simulated_freight_is_whole_and_measured_throughout_and_its_half_is_not(seed: int) -> None:
    freight = simulate_freight(seed, Family.TEST if seed % 2 else Family.TRAIN)
    transmission = freight.high.astype(np.float32) / AIR_LEVEL
    height, width = transmission.shape
    assert beyond_the_ends(transmission) < MOST_BEYOND / 2
    assert still_share(freight.high, transmission, 0.002, np.zeros(height, bool), np.zeros(width, bool)) == 0
    assert beyond_the_ends(transmission[:, : width // 2]) > MOST_BEYOND
    noise = air_noise(transmission, 1.5 / AIR_LEVEL)
    assert noise is not None and noise.own > 4 * LEAST_GRAIN and noise.deviation < MOST_AIR_NOISE / 5
    behind = noise_behind(transmission, 1.5 / AIR_LEVEL)
    assert behind is not None and behind < 0.4 * MOST_NOISE_BEHIND
    above, below = beyond_the_edges(transmission)
    assert above == 0 and below < MOST_WHEELS
    assert beyond_the_edges(transmission[::-1]) == (below, above)
    assert beyond_the_edges(transmission[height * 2 // 5 :])[0] > MOST_WHEELS
    assert beyond_the_edges(transmission[: height * 3 // 5])[1] > MOST_WHEELS
    uneven = transmission.copy()
    for column in range(width):
        uneven[height - 20 - round(4 + 4 * np.sin(column / 300)) :, column] *= 0.4
    assert max(beyond_the_edges(uneven)) < MOST_WHEELS and min(beyond_the_edges(uneven)) == 0


def test_an_opaque_vehicle_does_not_pass_among_others() -> None:
    vehicle = np.ones((400, 1000), np.float32)
    vehicle[50:380, 50:950] = 0.4
    dense = vehicle.copy()
    dense[100:300, 300:600] = 0.0
    alone = opaque_share(Exposure(dense), 0.002)
    assert alone == pytest.approx(200 * 300 / (330 * 900), abs=0.01)
    assert opaque_share(Exposure(np.hstack([vehicle, dense, vehicle])), 0.002) == pytest.approx(alone, abs=0.01)
    row = np.hstack([vehicle, dense, vehicle])
    row[-12:] = 0.4
    assert opaque_share(Exposure(row), 0.002) == pytest.approx(alone, abs=0.01)
    noisy = np.hstack([vehicle, dense, vehicle])
    noisy += np.random.default_rng(1).normal(0, 0.03, noisy.shape).astype(np.float32) * noisy**0.5
    assert opaque_share(Exposure(noisy), 0.002) > 0.9 * alone
    # A bolt on the belt is no vehicle.
    bolt = vehicle.copy()
    bolt[150:250, 10:30] = 0.0
    assert opaque_share(Exposure(bolt), 0.002) < 0.01
