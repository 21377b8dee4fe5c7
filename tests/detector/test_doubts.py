"""What a profile gets wrong, or a detector cut off, is doubted: in a container of 25,000 photons a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from detector.errors import ProfileMismatch
from detector.normalisation.saturation import saturated_share
from detector.normalisation.standardise import measured, standardised
from detector.scanner_probe import probe
from detector.scanner_profile import ScannerProfile
from tests.detector.beer_lambert import AIR, scan_of
from tests.detector.cargo_scene import Float32, container

PHOTONS = 25_000
#: Rows and columns of the load, and of a block in it that lets nothing through.
LOAD, BLOCK = (slice(130, 304), slice(180, 820)), (slice(200, 280), slice(400, 520))


def cargo(load: float = 1.2, block: float = 0.0) -> Float32:
    """(400, 1000) attenuation of a loaded container."""
    field = container()
    field[LOAD] += load
    field[BLOCK] += block
    return field


def counted(
    attenuation: Float32, dark: float = 0, read: float = 8, exposure: float = 1.0, air: float = AIR
) -> NDArray[np.uint16]:
    """Levels of a detector that counts photons. dark: level without a beam; read: noise of its own in levels; exposure:
    what it was exposed to, of what gives `air`."""
    generator = np.random.default_rng(4)
    share = generator.poisson(PHOTONS * np.exp(-attenuation)) / PHOTONS
    levels = dark + (air - dark) * exposure * share + generator.normal(0, read, share.shape)
    return np.clip(np.rint(levels), 0, 65_535).astype(np.uint16)


def doubts(page: NDArray[np.uint16], **profile: object) -> tuple[str, ...]:
    """Of one page; by the same words whether it is to be shown or measured."""
    read_by = ScannerProfile.model_validate({"name": "gate", "bits_stored": 16} | profile)
    told = standardised(scan_of(page), read_by).doubts
    assert measured(scan_of(page), read_by)[1] == told
    return told


# A dark value that is missing


@pytest.mark.parametrize("share", [0.019, 0.052, 0.154, 0.75])
@pytest.mark.parametrize("read", [8, 30])
def test_a_missing_dark_level_is_doubted_wherever_it_lies(share: float, read: float) -> None:
    page = counted(cargo(block=12), dark=share * AIR, read=read)
    assert any("`dark` is missing" in one for one in doubts(page, air_value=AIR))
    assert not doubts(page, air_value=AIR, calibration={"dark": share * AIR})


@pytest.mark.parametrize("load", [0.3, 1.2, 2.5])
@pytest.mark.parametrize("read", [0, 8, 60])
def test_much_cargo_of_one_thickness_is_no_missing_dark_level(load: float, read: float) -> None:
    """Nothing in the scan is denser than the load, and it covers a quarter of it."""
    field = np.minimum(container(), 0.62)
    field[LOAD] = load
    page = counted(field.astype(np.float32), read=read)
    assert not doubts(page, air_value=AIR)
    # The source's pulses differ by a percent, which is no noise of photons.
    pulses = np.random.default_rng(5).normal(1, 0.01, (1, page.shape[1]))
    assert not doubts(np.clip(page * pulses, 0, 65_535).astype(np.uint16), air_value=AIR)


# Levels that were cut off


@pytest.mark.parametrize("exposure", [1.05, 1.4, 2.6])
def test_overexposed_air_is_doubted_though_the_profile_means_the_highest_level(exposure: float) -> None:
    page = counted(cargo(), air=65_535, exposure=exposure)
    assert any(one.startswith("saturated") for one in doubts(page, air_value=65_535))


def test_air_whose_noise_shows_at_the_highest_level_is_not() -> None:
    page = counted(cargo(), air=65_535)
    assert (page == 65_535).mean() > 0.1
    assert not doubts(page, air_value=65_535)


@pytest.mark.parametrize("cut_off", [65_000, 63_500])
def test_a_detector_that_cuts_off_below_the_air_value_is_saturated_beside_hot_cells(cut_off: int) -> None:
    page = np.minimum(counted(cargo(), air=65_535, exposure=1.3), cut_off).astype(np.uint16)
    page[5, ::100] = 65_535
    assert any(one.startswith("saturated") for one in doubts(page, air_value=65_535))


def test_nothing_is_saturated_where_there_is_nothing() -> None:
    assert saturated_share(np.zeros((0, 9), np.uint16), 65_535, None) == 0


def test_the_probe_takes_no_air_value_from_a_saturated_scan() -> None:
    """Of stripes, so that there are no air columns to be found."""
    rows, columns = np.mgrid[:170, :310]
    field = np.where((rows + columns) % 40 < 10, 0.7, 0).astype(np.float32)
    found = probe([scan_of(counted(field, air=65_535, exposure=1.4))])
    assert found.profile.air_value is None and found.profile.air_columns is None
    assert "# air_value = 0                # not known: the scans are cut off" in found.toml
    sound = probe([scan_of(counted(field))])
    assert sound.profile.air_value == pytest.approx(AIR, rel=0.01)
    assert "not known" not in sound.toml


# Air that was guessed


def test_air_that_is_guessed_is_doubted_where_the_border_is_none() -> None:
    page = counted(cargo())
    assert not doubts(page)
    # The empty space over the load and beside it, behind the walls, and the load along the lower side.
    inside = page[75:300, 120:880]
    assert any(one.startswith("air was guessed") for one in doubts(inside))
    assert any("no air in the scan" in one for one in doubts(inside, air_value=AIR))


def test_the_wrong_polarity_inside_a_container_is_doubted() -> None:
    page = counted(cargo(block=12))
    for inside in (page[75:300, 120:880], page[130:300, 180:820]):
        told = doubts(inside, polarity="air dark")
        assert any(one.startswith("air was guessed") for one in told)


# Planes


def test_a_third_plane_that_nobody_would_look_at_is_refused() -> None:
    high, low = counted(cargo()), counted(cargo() * np.float32(1.15))
    two = ScannerProfile(name="gate", energies=("high", "low"), arrangement="planes", air_value=AIR)
    for spare in (high, low, np.zeros_like(high), np.full_like(high, 65_535)):
        assert not standardised(scan_of(np.dstack([high, low, spare])), two).doubts
    other = high.copy()
    other[200, 400] += 1
    with pytest.raises(ProfileMismatch, match="plane 3 of a page shows what none of the first 2 does"):
        standardised(scan_of(np.dstack([high, low, other])), two)
