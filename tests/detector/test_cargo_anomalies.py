"""What is unlike the rest of a load is shown; a load of one kind is not, and a mixed one is not compared."""

from __future__ import annotations

import numpy as np

from detector.cargo.anomalies import PART, SHOWN, LoadComparison, find_anomalies
from detector.cargo.rooms import CELL_MM, find_spaces
from detector.normalisation.exposure import Exposure
from tests.detector.cargo_scene import PITCH, Float32, container, lattice, transmission


def compared(load: Float32, low: bool = False) -> LoadComparison:
    field = container() + load
    exposure = Exposure(transmission(field), transmission(1.15 * field) if low else None)
    return find_anomalies(exposure, PITCH)


def test_a_load_of_one_kind_shows_nothing() -> None:
    for seed in range(3):
        found = compared(lattice(seed))
        assert found.homogeneity is not None and found.homogeneity > 0.7
        assert not found.mixed
        assert found.regions == ()


def test_a_lump_is_shown_where_it_is_at_one_energy_and_at_two() -> None:
    load = lattice()
    load[180:210, 500:540] += 1.2
    for low in (False, True):
        found = compared(load, low)
        assert found.regions
        left, top, right, bottom = found.regions[0].box_xyxy
        # Its edges are as odd as its middle: a region that touches it points at it.
        assert left < 545 and right > 495 and top < 215 and bottom > 175
        assert (right - left) * (bottom - top) < 4 * 30 * 40
        assert found.regions[0].score >= SHOWN
        assert [region.score for region in found.regions] == sorted(
            (region.score for region in found.regions), reverse=True
        )


def test_two_kinds_of_load_are_mixed_and_not_compared() -> None:
    load = lattice()
    heavy = lattice(1, level=3.2)
    load[:, 500:] = heavy[:, 500:]
    load[180:210, 300:340] += 1.5
    found = compared(load)
    assert found.mixed
    assert found.regions == ()
    assert not found.scores.any()


def test_a_load_of_one_part_is_not_called_homogeneous() -> None:
    ((left, *_),) = find_spaces(transmission(container()), PITCH).rooms
    cell = round(CELL_MM / PITCH[0])
    start = (-(-left // cell) + 3 * PART) * cell
    load, middle = np.zeros((400, 1000), np.float32), start + PART * cell // 2
    load[100:300, start:middle], load[100:300, middle : start + PART * cell] = 2.5, 0.5
    found = compared(load)
    assert found.homogeneity is None and found.too_little == 1
    assert found.regions == () and not found.scores.any()


def test_too_little_load_is_not_compared() -> None:
    found = compared(np.zeros((400, 1000), np.float32))
    assert found.homogeneity is None
    assert not found.mixed and found.regions == ()
