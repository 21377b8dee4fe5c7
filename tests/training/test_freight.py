"""Simulated freight obeys the physics it claims, says truly what is in it, and keeps its two families apart."""

from __future__ import annotations

import inspect
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from training.simulation import blades, firearms, other_threats
from training.simulation.freight import (
    AIR_LEVEL,
    CONVEYANCES,
    THREATS,
    Family,
    FreightObject,
    FreightScan,
    simulate_freight,
    threats_for_testing,
    threats_for_training,
)
from training.simulation.freight.acquisition import ACCELERATORS, Accelerator, expose_freight
from training.simulation.freight.board import Area, Board
from training.simulation.freight.page import contact_page, displayed
from training.simulation.freight.shells import Room
from training.simulation.freight.stowage import LOADS, consign
from training.simulation.freight.threats import BUILT_AT, hide
from training.simulation.materials import CARGO_BEAM, linear_attenuation
from training.simulation.solids import Pose

HIGH, LOW = CARGO_BEAM.high_mev, CARGO_BEAM.low_mev
FIELD = Area(0, -140, 200, 0)
#: Photons and amplifier noise alone.
PLAIN = Accelerator(
    photons=60_000, blur_mm=0.5, scatter=0, element_gain=0, module_gain=0, pulse_gain=0, wobble_mm=0, wobble_gain=0,
    dead_elements=0,
)  # fmt: skip
#: Coarse, to be quick: shapes are the same, pixels are fewer.
COARSE_MM = 20.0


def plate(material: str, millimetres: float, pitch_mm: float = 5.0) -> Board:
    board = Board(FIELD, pitch_mm, (HIGH, LOW))
    board.slab(material, Area(-10, -300, 400, 100).outline, millimetres / 10)
    return board


def exposed(board: Board, pitch_mm: float = 5.0, array: Accelerator = PLAIN) -> dict[float, NDArray[np.uint16]]:
    return expose_freight(board.attenuations, pitch_mm, np.random.default_rng(4), {HIGH: array, LOW: array})


@pytest.mark.parametrize("millimetres", [0, 20, 80, 150])
@pytest.mark.parametrize("energy", [HIGH, LOW])
def test_steel_lets_through_what_beer_and_lambert_say(millimetres: float, energy: float) -> None:
    levels = exposed(plate("steel", millimetres))[energy]
    expected = float(np.exp(-linear_attenuation("steel", energy) * millimetres / 10))
    counts = PLAIN.photons * expected
    error = (np.sqrt(counts) + PLAIN.read_noise) / PLAIN.photons / levels.size**0.5
    assert abs(float(levels.mean()) / AIR_LEVEL - expected) < 5 * error + 0.02 / AIR_LEVEL


def test_noise_is_that_of_photons_and_amplifier() -> None:
    levels = exposed(plate("steel", 100))[HIGH]
    counts = PLAIN.photons * np.exp(-linear_attenuation("steel", HIGH) * 10)
    expected = np.sqrt(counts + PLAIN.read_noise**2) * AIR_LEVEL / PLAIN.photons
    assert float(levels.std()) == pytest.approx(expected, rel=0.02)


def test_smaller_elements_are_noisier_by_their_area() -> None:
    coarse, fine = (exposed(plate("steel", 50, pitch), pitch)[HIGH] for pitch in (5.0, 2.0))
    assert float(fine.std() / coarse.std()) == pytest.approx(2.5, rel=0.05)


def test_two_energies_tell_steel_from_plastic() -> None:
    ratios = {}
    for material, thickness in (("steel", 60.0), ("polyethylene", 500.0)):
        levels = exposed(plate(material, thickness))
        high, low = (-np.log(levels[energy].mean() / AIR_LEVEL) for energy in (HIGH, LOW))
        assert low > high
        expected = linear_attenuation(material, LOW) / linear_attenuation(material, HIGH)
        ratios[material] = low / high
        assert ratios[material] == pytest.approx(expected, rel=0.002)
    assert ratios["polyethylene"] > ratios["steel"]


def test_low_pulses_come_half_a_column_later() -> None:
    board = Board(FIELD, 5.0, (HIGH, LOW))
    board.slab("lead", Area(100, -300, 400, 100).outline, 30)
    levels = exposed(board)
    air_columns = [float(levels[energy].mean(0).sum()) / AIR_LEVEL for energy in (HIGH, LOW)]
    assert air_columns[0] - air_columns[1] == pytest.approx(0.5, abs=0.05)


def test_stripes_and_dead_elements_run_along_the_vehicle() -> None:
    striped = exposed(plate("steel", 0), array=Accelerator(photons=60_000, dead_elements=6, wobble_gain=0))[HIGH]
    dead = (striped == 0).all(1)
    assert 0 < dead.sum() < 20 and (striped[~dead] > 0).all()
    gains = striped[~dead].mean(1) / AIR_LEVEL
    usual = np.hypot(ACCELERATORS[HIGH].element_gain, ACCELERATORS[HIGH].module_gain)
    assert 0.6 * usual < float(gains.std()) < 1.5 * usual


@pytest.mark.parametrize(("material", "millimetres"), [("steel", 50.0), ("steel", 0.0), ("water", 400.0)])
def test_what_lies_over_a_threat_is_told_in_millimetres_of_steel(material: str, millimetres: float) -> None:
    found = hide(
        plate(material, millimetres), ("handgun",), Family.TRAIN, ([], [Room(Area(20, -125, 180, -15), 230)]), [1]
    )[0]
    equivalent = millimetres * linear_attenuation(material, HIGH) / linear_attenuation("steel", HIGH)
    assert found.steel_mm == pytest.approx(equivalent, rel=0.002, abs=0.01)
    assert found.metallic


def test_threats_over_one_another_count_as_cover() -> None:
    board = Board(FIELD, 5.0, (HIGH,))
    place = [Area(100, -70, 100.1, -69.9)]
    both = hide(board, ("ammunition", "battery"), Family.TRAIN, (place, []), [3])
    alone = hide(Board(FIELD, 5.0, (HIGH,)), ("ammunition",), Family.TRAIN, (place, []), [3])
    assert alone[0].steel_mm == 0 and both[0].steel_mm > 5
    assert both[0].box == alone[0].box


def test_attenuations_add_and_the_box_holds_every_pixel_of_the_threat() -> None:
    board = plate("wood", 300)
    before = board.attenuations[HIGH].copy()
    solid = THREATS["long_gun"].builders[Family.TEST](np.random.default_rng(2), BUILT_AT).trimmed()
    laid = board.lay(solid, Pose(100, -70, angle=33, tilt=20))
    assert laid is not None
    added = board.attenuations[HIGH] - before
    np.testing.assert_allclose(added[laid.where], laid.added[HIGH], atol=1e-5)
    rows, columns = np.nonzero(added > 0.004)
    x1, y1, x2, y2 = laid.box
    assert columns.min() >= x1 and columns.max() < x2 and rows.min() >= y1 and rows.max() < y2
    assert x2 - columns.max() <= 3 and columns.min() - x1 <= 3


def test_a_threat_weighs_the_same_at_every_pitch() -> None:
    sums = []
    for pitch in (2.0, 5.0):
        board = Board(FIELD, pitch, (HIGH,))
        solid = THREATS["grenade"].builders[Family.TRAIN](np.random.default_rng(2), BUILT_AT).trimmed()
        board.lay(solid, Pose(100, -70))
        sums.append(float(board.attenuations[HIGH].sum()) * pitch**2)
    assert sums[0] == pytest.approx(sums[1], rel=0.05)


def same(one: FreightScan, other: FreightScan) -> bool:
    pixels = np.array_equal(one.high, other.high) and (
        one.low is other.low or (one.low is not None and other.low is not None and np.array_equal(one.low, other.low))
    )
    return pixels and one.objects == other.objects and one.cargo == other.cargo and one.conveyance == other.conveyance


def test_one_seed_one_scan() -> None:
    first, again, other = (simulate_freight(seed, Family.TEST, ("knife",), pitch_mm=COARSE_MM) for seed in (5, 5, 6))
    assert same(first, again) and not same(first, other)
    assert not same(first, simulate_freight(5, Family.TRAIN, ("knife",), pitch_mm=COARSE_MM))


def test_the_same_seed_without_threats_is_the_same_scan_but_for_them() -> None:
    threats = ("ammunition", "battery", "package")
    with_threats, clean = (simulate_freight(11, Family.TRAIN, names, pitch_mm=COARSE_MM) for names in (threats, ()))
    assert with_threats.cargo == clean.cargo and clean.objects == ()
    change = np.abs(with_threats.high.astype(np.int32) - clean.high)
    inside = np.zeros(change.shape, bool)
    for item in with_threats.objects:
        x1, y1, x2, y2 = (int(edge) for edge in item.box)
        inside[max(y1 - 3, 0) : y2 + 3, max(x1 - 3, 0) : x2 + 3] = True
    assert float(change[~inside].mean()) < 1 and int(change[~inside].max()) < 200
    assert float(change[inside].mean()) > 20 * float(change[~inside].mean())


def test_air_is_at_its_level_and_nothing_saturates() -> None:
    scan = simulate_freight(2, Family.TRAIN, pitch_mm=COARSE_MM)
    assert scan.low is not None
    for levels in (scan.high, scan.low):
        above = levels[2:6]
        assert float(np.median(above[above > 0])) == pytest.approx(AIR_LEVEL, rel=0.01)
        assert int(levels.max()) < 65_535
        assert levels.dtype == np.uint16


def test_low_energy_goes_through_less() -> None:
    scan = simulate_freight(1, Family.TRAIN, pitch_mm=COARSE_MM)
    assert scan.low is not None and scan.low.shape == scan.high.shape
    dense = (scan.high > 0.02 * AIR_LEVEL) & (scan.high < 0.6 * AIR_LEVEL) & (scan.low > 0)
    ratios = np.log(scan.low[dense] / AIR_LEVEL) / np.log(scan.high[dense] / AIR_LEVEL)
    # Steel has 1.145, water 1.165; the low pulses lie half a column on, which shows at upright edges.
    assert 1.13 < float(np.median(ratios)) < 1.18


def test_one_energy_has_no_low_scan_and_the_same_vehicle() -> None:
    one, two = (simulate_freight(9, Family.TRAIN, ("handgun",), energies, COARSE_MM) for energies in (1, 2))
    assert one.low is None and one.cargo == two.cargo and one.objects == two.objects


@pytest.mark.parametrize(("energies", "pitch_mm"), [(0, 5.0), (3, 5.0), (2, 0.2), (2, 50.0)])
def test_what_no_scanner_has_is_refused(energies: int, pitch_mm: float) -> None:
    with pytest.raises(ValueError, match=r"energies is|pitch_mm is"):
        simulate_freight(1, Family.TRAIN, (), energies, pitch_mm)


def test_an_unknown_threat_is_refused() -> None:
    with pytest.raises(KeyError):
        simulate_freight(1, Family.TRAIN, ("sword",), pitch_mm=COARSE_MM)


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("kind", LOADS[Family.TRAIN])
def test_every_load_stands_within_its_room(family: Family, kind: str) -> None:
    board = Board(Area(-20, -270, 720, 20), COARSE_MM, (HIGH,))
    room = Room(Area(0, -250, 700, 0), 235)
    areas = consign(board, room, kind, family, np.random.default_rng(1))
    total = board.attenuations[HIGH]
    assert np.isfinite(total).all() and total.min() >= 0 and total.max() > 0
    assert bool(areas) == (kind != "empty")
    for area in areas:
        assert area.left >= -1 and area.right <= 701 and area.top >= -251 and area.bottom <= 1
        assert area.width > 5 and area.height > 5


@pytest.mark.parametrize("name", CONVEYANCES)
def test_every_conveyance_has_rooms_within_its_scan(name: str) -> None:
    generator = np.random.default_rng(3)
    conveyance = CONVEYANCES[name]
    field = conveyance.field(generator)
    board = Board(field, COARSE_MM, (HIGH,))
    rooms = conveyance.build(board, generator)
    assert rooms and all(room.area.width > 400 and room.area.height > 180 and room.depth > 200 for room in rooms)
    for room in rooms:
        assert field.left < room.area.left and room.area.right < field.right and field.top < room.area.top
    # Something shows from end to end, and air above it.
    assert (board.attenuations[HIGH].max(0) > 0.01).mean() > 0.85
    assert board.attenuations[HIGH][0].max() < 0.01
    for first, second in pairwise(rooms):
        assert first.area.right < second.area.left


@pytest.mark.parametrize("family", Family)
def test_every_threat_is_found_where_it_is_said_to_be(family: Family) -> None:
    scan = simulate_freight(21, family, tuple(THREATS), energies=1, pitch_mm=10.0)
    assert tuple(item.class_name for item in scan.objects) == tuple(THREATS)
    rows, columns = scan.high.shape
    for item in scan.objects:
        x1, y1, x2, y2 = item.box
        assert 0 <= x1 < x2 <= columns and 0 <= y1 < y2 <= rows
        assert 4 <= item.size_px <= 140 and item.steel_mm >= 0


def test_threats_keep_clear_of_one_another_while_there_is_room() -> None:
    overlaps = []
    for seed in range(12):
        boxes = np.array([item.box for item in simulate_freight(seed, Family.TRAIN, ("package",) * 8, 1, 20.0).objects])
        shared = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - np.maximum(boxes[:, None, :2], boxes[None, :, :2])
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        covered = np.clip(shared, 0, None).prod(axis=2) / np.minimum(areas[:, None], areas[None])
        overlaps.append(covered[np.triu_indices(8, 1)])
    # Areas are laid apart at a finer scale than pixels of 20 mm show.
    assert np.mean(np.concatenate(overlaps) > 0.45) < 0.01


def test_size_is_the_longer_side() -> None:
    assert FreightObject("knife", (10.0, 20.0, 60.0, 32.0), 0.0, True).size_px == 50


def test_the_families_share_no_load_and_no_threat() -> None:
    for kind in LOADS[Family.TRAIN]:
        assert LOADS[Family.TRAIN][kind] is not LOADS[Family.TEST][kind]
    for threat in THREATS.values():
        assert threat.builders[Family.TRAIN] is not threat.builders[Family.TEST]
    luggage = {
        function
        for module in (blades, firearms, other_threats)
        for _, function in inspect.getmembers(module, inspect.isfunction)
    }
    borrowed = [
        {function for _, function in inspect.getmembers(module, inspect.isfunction)} & luggage
        for module in (threats_for_training, threats_for_testing)
    ]
    assert borrowed[0] and borrowed[1]
    # Outlines are drawing, not shapes of threats.
    assert not {
        function for function in borrowed[0] & borrowed[1] if function.__module__ != "training.simulation.outlines"
    }


def test_a_denser_place_is_shown_darker_and_the_page_holds_every_scan() -> None:
    ramp = np.linspace(0, AIR_LEVEL, 400).astype(np.uint16)[None, :]
    assert (np.diff(displayed(ramp).astype(int)) >= 0).all()
    scans = [simulate_freight(seed, Family.TEST, ("battery",), 1, COARSE_MM) for seed in (1, 2, 3)]
    page = contact_page(scans)
    assert page.dtype == np.uint8 and page.shape[1] == contact_page(scans[:2]).shape[1]
    assert page.shape[0] > contact_page(scans[:2]).shape[0]
    assert (page[..., 0].astype(int) - page[..., 1] > 80).any()
