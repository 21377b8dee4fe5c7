"""An empty container is empty, whatever it is built of; what lies in it shows with its mass and its place."""

from __future__ import annotations

import numpy as np
import pytest

from detector.cargo.occupancy import MOST_WALL_MM, THICKEST_BARE_MM, Occupancy, measure_occupancy
from detector.cargo.rooms import find_spaces
from detector.errors import ScanWithoutContent
from detector.normalisation.exposure import Exposure
from tests.detector.cargo_scene import BODY, PITCH, STEEL, Float32, container, transmission

FLOOR = BODY[3] - 6


def measured(attenuation: Float32, noise: float = 0.002) -> Occupancy:
    return measure_occupancy(Exposure(transmission(attenuation, noise)), PITCH)


def test_the_room_lies_within_the_walls_and_fills_most_of_them() -> None:
    spaces = find_spaces(transmission(container()), PITCH)
    ((left, top, right, bottom),) = spaces.rooms
    assert not spaces.unjudged
    assert BODY[0] + 5 <= left < BODY[0] + 40 and BODY[2] - 40 < right <= BODY[2] - 5
    assert BODY[1] + 8 <= top < BODY[1] + 40 and FLOOR - 15 < bottom <= FLOOR


@pytest.mark.parametrize("wall_mm", [3.0, 5.5, 11.0])
def test_bare_walls_of_any_usual_thickness_are_empty(wall_mm: float) -> None:
    found = measured(container(wall_mm))
    assert found.empty is True
    assert found.occupancy == found.extra_kg == found.opaque == 0
    assert found.wall_mm[0] == pytest.approx(wall_mm, rel=0.1)


@pytest.mark.parametrize("margin", [0, 5])
@pytest.mark.parametrize(("high", "level"), [(8, 4.0), (15, 1.5), (30, 3.0), (30, 9.0), (45, 1.5)])
def test_a_layer_from_wall_to_wall_is_a_load_and_no_floor(high: int, level: float, margin: int) -> None:
    """In pixels of 10 mm; lighter and darker than the floor."""
    field = container()
    field[FLOOR - high : FLOOR, BODY[0] + 5 + margin : BODY[2] - 5 - margin] += level
    assert measured(field).empty is False


def test_a_layer_that_is_dark_in_its_uppermost_rows_alone_is_no_floor_either() -> None:
    field = container()
    field[FLOOR - 30 : FLOOR, BODY[0] + 10 : BODY[2] - 10] += 1.5
    field[FLOOR - 30 : FLOOR - 24, BODY[0] + 10 : BODY[2] - 10] += 3.0
    assert measured(field).empty is False


@pytest.mark.parametrize("level", [1.0, 1.5, 3.0, 4.0])
def test_a_layer_of_a_hand_s_width_is_no_empty_floor(level: float) -> None:
    field = container()
    field[FLOOR - 6 : FLOOR, BODY[0] + 5 : BODY[2] - 5] += level
    found = measured(field)
    assert found.layered and found.empty is not True


@pytest.mark.parametrize("what", ["stacks", "deck", "wall"])
def test_a_load_that_looks_like_parts_of_a_vehicle_is_not_called_empty(what: str) -> None:
    """Upright stacks with gaps between, goods on a deck from end to end, light goods along most of a wall."""
    left, top, right, _ = BODY
    field = container()
    if what == "stacks":
        for x in range(left + 25, right - 25, 24):
            field[top + 8 : FLOOR, x : x + 12] += 0.9
    elif what == "deck":
        field[FLOOR - 90 : FLOOR - 76, left + 5 : right - 5] += 3.0
    else:
        field[top + 8 : FLOOR, left + 5 : right - 150] += 4.4 * STEEL
    found = measured(field)
    assert found.empty is None and any(part.beyond_bare for part in found.parts)


def test_a_low_thing_is_no_layer_unless_it_is_long() -> None:
    for width in (40, 150):
        field = container()
        field[FLOOR - 6 : FLOOR, BODY[0] + 100 : BODY[0] + 100 + width] += 1.0
        assert measured(field).layered is (width > 100)


def test_a_floor_with_a_sill_below_it_is_no_deeper_for_it() -> None:
    field = container()
    field[BODY[3] : BODY[3] + 14, BODY[0] : BODY[2]] = 1.3
    assert measured(field).empty is True


def test_light_goods_from_end_to_end_are_not_called_walls() -> None:
    field = container()
    field[BODY[1] + 8 : FLOOR, BODY[0] + 5 : BODY[2] - 5] += 10 * STEEL
    found = measured(field)
    assert found.wall_mm[0] > THICKEST_BARE_MM and found.empty is None


def test_a_narrow_thing_darker_than_any_strap_counts() -> None:
    field = container()
    field[FLOOR - 30 : FLOOR - 20, 400:410] += 3.0
    assert measured(field).empty is False


@pytest.mark.parametrize("pitch_mm", [5_000.0, 1e9])
def test_the_search_for_rooms_ends_where_a_pixel_is_longer_than_a_room(pitch_mm: float) -> None:
    """Micrometres in place of millimetres."""
    assert len(find_spaces(transmission(container()), (pitch_mm, pitch_mm)).rooms) <= 1


def test_posts_rails_and_straps_are_the_vehicle() -> None:
    field = container()
    for x in range(160, 860, 120):
        field[BODY[1] : BODY[3], x : x + 10] += 0.5
    field[180:190, BODY[0] : BODY[2]] += 0.4
    field[80:200, 400:405] += 0.3
    assert measured(field).empty is True


@pytest.mark.parametrize("kilograms", [5.0, 40.0])
def test_a_heap_shows_with_its_mass_and_where_it_lies(kilograms: float) -> None:
    field = container()
    side = 40
    steel_mm = kilograms / (side * 10) ** 2 / 7.85e-6
    field[FLOOR - side : FLOOR, 500 : 500 + side] += steel_mm * STEEL
    found = measured(field)
    assert found.empty is False
    # What touches the floor within a cell is not told from it.
    assert found.extra_kg == pytest.approx(kilograms, rel=0.25)
    rows, columns = np.nonzero(found.map_mm > 1.8)
    assert columns.min() * found.cell[0] >= 496 and (columns.max() + 1) * found.cell[0] <= 544
    assert rows.min() * found.cell[1] >= FLOOR - side - 4
    assert found.largest_mm == pytest.approx(steel_mm, rel=0.15)


@pytest.mark.parametrize("where", [np.s_[90:FLOOR, 110:890], np.s_[FLOOR - 30 : FLOOR, 110:890]])
def test_a_load_that_is_the_same_all_along_is_no_wall(where: tuple[slice, slice]) -> None:
    field = container()
    field[where] += 1.5
    found = measured(field)
    assert found.empty is False
    assert found.extra_kg > 100


def test_a_room_full_to_the_roof_is_occupied_throughout() -> None:
    field = container()
    field[BODY[1] + 8 : FLOOR, BODY[0] + 5 : BODY[2] - 5] += 2.5
    assert measured(field).occupancy > 0.9


def test_walls_thicker_than_any_are_taken_for_a_load() -> None:
    assert measured(container(MOST_WALL_MM + 6)).empty is False


def test_what_is_opaque_is_never_empty() -> None:
    field = container()
    field[200:FLOOR, 300:600] += 12
    found = measured(field, noise=0.0005)
    assert found.empty is False
    assert 0.1 < found.opaque < 0.5


def test_a_room_that_is_mostly_opaque_is_not_judged() -> None:
    field = container()
    field[BODY[1] + 10 : FLOOR, BODY[0] + 10 : BODY[2] - 10] += 12
    with pytest.raises(ScanWithoutContent, match="opaque"):
        measured(field, noise=0.0005)


def test_nothing_is_said_of_a_scan_without_a_vehicle() -> None:
    with pytest.raises(ScanWithoutContent, match="no room"):
        measured(np.zeros((400, 1000), np.float32))
    with pytest.raises(ScanWithoutContent, match="no room"):
        measured(np.zeros((3, 3), np.float32))


def test_a_part_of_the_vehicle_without_a_room_is_not_passed_over() -> None:
    field = np.hstack([container(), container()])
    # Of the second container only a heap without a roof is left.
    field[:, 1000:] = 0
    heights = 300 - (np.abs(np.sin(np.arange(800) / 9)) * 90).astype(int)
    for x, height in enumerate(heights):
        field[height:335, 1100 + x] = 1.0
    with pytest.raises(ScanWithoutContent, match="in no room"):
        measured(field)


def test_beside_funnels_nothing_is_called_empty() -> None:
    field = container()
    for x in range(BODY[0] + 5, BODY[2] - 5):
        rise = int(80 * abs(np.cos((x - BODY[0]) / 800 * 3 * np.pi)))
        field[FLOOR - rise : FLOOR, x] = 0
    found = measured(field)
    assert found.empty is None
    assert found.blind > 0.05
