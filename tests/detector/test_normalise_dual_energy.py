"""The quotient of attenuations depends on the material and not on its thickness; its sign tells the energies apart."""

from __future__ import annotations

import numpy as np
import pytest

from detector.errors import ProfileMismatch
from detector.normalisation.dual_energy import CURVES, atomic_number, check_curve, check_order, material_band
from detector.normalisation.standardise import exposures
from detector.scanner_profile import ScannerProfile
from tests.detector.beer_lambert import high_and_low, scan_of
from training.simulation.acquisition import expose
from training.simulation.container import CARGO_ARRAY
from training.simulation.freight import AIR_LEVEL, Family, simulate_freight
from training.simulation.materials import CARGO_BEAM, LUGGAGE_BEAM, Beam, linear_attenuation
from training.simulation.outlines import rectangle
from training.simulation.solids import Solid

BEAMS = {"keV": LUGGAGE_BEAM, "MeV": CARGO_BEAM}
#: Material -> the band an officer expects, and thicknesses in cm for luggage and for cargo.
EXPECTED = {
    "polyethylene": ("organic", (1, 3, 10), (5, 20, 60)),
    "water": ("organic", (1, 3, 8), (5, 20, 50)),
    "aluminium": ("mixed", (0.3, 1, 3), (2, 8, 20)),
    "steel": ("metal", (0.05, 0.1, 0.4), (1, 4, 12)),
    "copper": ("metal", (0.02, 0.1, 0.3), (1, 4, 10)),
}


def slab(material: str, beam: Beam, thickness: float) -> tuple[np.ndarray, np.ndarray]:
    return tuple(  # type: ignore[return-value]
        np.full((40, 40), np.exp(-linear_attenuation(material, energy) * thickness), np.float32)
        for energy in (beam.low_mev, beam.high_mev)
    )


@pytest.mark.parametrize("material", EXPECTED)
@pytest.mark.parametrize("name", BEAMS)
def test_a_material_keeps_its_band_at_any_thickness(material: str, name: str) -> None:
    band, thin, thick = EXPECTED[material]
    numbers = []
    for thickness in thin if name == "keV" else thick:
        pages = slab(material, BEAMS[name], thickness)
        numbers.append(float(atomic_number(*pages, CURVES[name]).mean()))
        assert material_band(*pages, CURVES[name]) == band
    assert max(numbers) - min(numbers) < 0.5


def test_too_little_or_too_much_in_the_beam_tells_nothing() -> None:
    for thickness in (0.01, 3000.0):
        pages = slab("water", CARGO_BEAM, thickness)
        assert (atomic_number(*pages, CURVES["MeV"]) == 0).all()
        assert material_band(*pages, CURVES["MeV"]) == "none"


@pytest.mark.parametrize("name", BEAMS)
def test_curves_run_one_way(name: str) -> None:
    quotients, numbers = np.array(CURVES[name]).T
    rising = np.argsort(quotients)
    steps = np.diff(numbers[rising])
    assert (steps > 0).all() or (steps < 0).all()


@pytest.mark.parametrize("material", EXPECTED)
@pytest.mark.parametrize("name", BEAMS)
def test_swapped_energies_are_noticed(material: str, name: str) -> None:
    low, high = slab(material, BEAMS[name], EXPECTED[material][1 if name == "keV" else 2][1])
    if float(-np.log(low.mean() * high.mean()) / 2) < 0.3:
        low, high = (part**5 for part in (low, high))
    check_order(low, high)
    with pytest.raises(ProfileMismatch, match="swapped"):
        check_order(high, low)
    with pytest.raises(ProfileMismatch, match="do not differ"):
        check_order(low, low.copy())


def test_the_order_is_found_in_heavy_noise() -> None:
    """6,000 photons a pixel in air, 0.1 of them through: 4 % noise on a quotient of 1.14."""
    generator = np.random.default_rng(0)
    low, high = slab("steel", CARGO_BEAM, 7.0)
    noisy = [(generator.poisson(6_000 * part) / 6_000).astype(np.float32) for part in (low, high)]
    check_order(*noisy)
    with pytest.raises(ProfileMismatch, match="swapped"):
        check_order(*noisy[::-1])


@pytest.mark.parametrize(("first", "last"), [(0.0, 0.3), (0.4, 0.5), (0.7, 1.0)])
def test_energies_that_change_places_on_the_way_are_noticed(first: float, last: float) -> None:
    """As where a detector loses a pulse and finds it again: the rest of the scan outweighs it."""
    freight = simulate_freight(5, Family.TRAIN)
    assert freight.low is not None
    high, low = (part.astype(np.float32) / AIR_LEVEL for part in (freight.high, freight.low))
    check_order(low, high)
    where = slice(round(first * high.shape[1]), round(last * high.shape[1]))
    high[:, where], low[:, where] = low[:, where].copy(), high[:, where].copy()
    with pytest.raises(ProfileMismatch, match="swapped between scan lines"):
        check_order(low, high)


def test_two_views_are_no_two_energies() -> None:
    high, low = (part.astype(np.float32) for part in high_and_low())
    check_order(low, high)
    with pytest.raises(ProfileMismatch, match="do not show the same thing"):
        check_order(low[:, ::-1].copy(), high)


@pytest.mark.parametrize("material", ["aluminium", "steel", "copper"])
def test_the_wrong_beam_is_noticed(material: str) -> None:
    """Metal at 60 and 100 keV, under a profile that says MeV."""
    low, high = slab(material, LUGGAGE_BEAM, EXPECTED[material][1][2])
    with pytest.raises(ProfileMismatch, match=r"no material more than 1\.17 times") as refused:
        check_curve(check_order(low, high), CURVES["MeV"])
    assert "`beam`" in refused.value.remedy
    check_curve(check_order(low, high), CURVES["keV"])


@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("family", list(Family))
def test_no_simulated_freight_lies_above_its_curve(family: Family, seed: int) -> None:
    scan = simulate_freight(seed, family)
    assert scan.low is not None
    low, high = ((part / np.float32(AIR_LEVEL)).astype(np.float32) for part in (scan.low, scan.high))
    check_curve(check_order(low, high), CURVES["MeV"])


def test_a_simulated_scan_gives_thickness_and_material_back() -> None:
    """Through the simulation's blur, scatter, photon noise and uneven gain, and 16 bits."""
    scene = Solid(80, 40, 6)
    scene.slab("steel", rectangle(-25, -15, -5, 15), 4.0)
    scene.slab("water", rectangle(5, -15, 30, 15), 30.0)
    seen = expose(scene, CARGO_BEAM, CARGO_ARRAY, 1, np.random.default_rng(0))
    pages = [np.rint(np.clip(part, 0, 1.09) * 60_000).astype(np.uint16) for part in (seen.high, seen.low)]
    profile = ScannerProfile(name="simulated", energies=("high", "low"), air_columns=(0, 40))
    (found,) = exposures(scan_of(*pages), profile)
    assert found.low is not None
    numbers = atomic_number(found.low, found.high, CURVES["MeV"], 3.0)
    inside = slice(60, 180)
    for material, columns, thickness in (("steel", slice(110, 190), 4.0), ("water", slice(290, 390), 30.0)):
        for part, energy in ((found.high, 2.0), (found.low, 1.5)):
            depth = -np.log(part[inside, columns].mean())
            assert depth == pytest.approx(linear_attenuation(material, energy) * thickness, rel=0.02)
        expected = {"steel": (18, 40), "water": (6, 10)}[material]
        assert expected[0] <= np.median(numbers[inside, columns]) <= expected[1]


def test_an_empty_scan_has_no_order() -> None:
    air = np.random.default_rng(0).normal(1, 0.01, (100, 100)).astype(np.float32)
    check_order(air, air[::-1].copy())


@pytest.mark.parametrize("seed", [1, 8])
def test_energies_that_lie_apart_are_noticed_and_interlaced_ones_are_not(seed: int) -> None:
    freight = simulate_freight(seed, Family.TEST)
    assert freight.low is not None
    low, high = (page.astype(np.float32) / AIR_LEVEL for page in (freight.low, freight.high))
    check_order(low, high)
    for axis, pixels in ((0, 4), (1, 4), (1, 10)):
        with pytest.raises(ProfileMismatch, match=f"lie {pixels} pixels apart|lie {pixels - 1} pixels apart"):
            check_order(np.roll(low, pixels, axis), high)
