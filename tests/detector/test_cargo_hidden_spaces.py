"""A load behind a false wall is no empty container: what was not judged is never called empty."""

from __future__ import annotations

import numpy as np
import pytest

from detector.cargo.occupancy import Occupancy, measure_occupancy
from detector.cargo.rooms import find_spaces
from detector.errors import ScanWithoutContent
from detector.normalisation.exposure import Exposure
from tests.detector.cargo_scene import BODY, PITCH, Float32, container, transmission

LEFT, TOP, RIGHT, BOTTOM = BODY
#: Width of a false wall in pixels: 30 mm.
WALL = 3


def measured(field: Float32) -> Occupancy:
    return measure_occupancy(Exposure(transmission(field)), PITCH)


def long_container() -> Float32:
    """(400, 1420) attenuation of an empty container of 12.2 m: the one of 8 m with its middle drawn out."""
    field = container()
    return np.hstack([field[:, :500], np.repeat(field[:, 500:501], 420, axis=1), field[:, 500:]])


def walled(metres: float, load: float) -> Float32:
    """A wall so far from the right end of a container of 12.2 m, and load of that attenuation behind it."""
    field = long_container()
    end = RIGHT + 420 - 5
    wall = end - round(metres * 100)
    field[TOP:BOTTOM, wall : wall + WALL] += 3.5
    field[TOP + 40 : BOTTOM - 6, wall + WALL + 5 : end - 5] += load
    return field


@pytest.mark.parametrize("metres", [0.3, 1.0, 2.3, 2.45])
@pytest.mark.parametrize("load", [0.0, 1.0])
def test_what_lies_behind_a_false_wall_is_not_called_empty(metres: float, load: float) -> None:
    with pytest.raises(ScanWithoutContent, match="too short to be judged") as refused:
        measured(walled(metres, load))
    assert f"{metres - 0.03:.1f} m long" in refused.value.what


def test_a_space_as_long_as_a_room_is_judged() -> None:
    assert measured(walled(3.0, 1.0)).empty is False
    assert measured(walled(3.0, 0.0)).empty is True


def test_a_load_before_the_wall_is_found_all_the_same() -> None:
    field = walled(2.3, 0.0)
    field[BOTTOM - 86 : BOTTOM - 6, 300:400] += 1.0
    assert measured(field).empty is False


@pytest.mark.parametrize("wall", [0.0, 3.5])
def test_a_cab_as_high_as_the_container_is_no_hidden_space(wall: float) -> None:
    """Air parts it from the container, whether or not its rear wall is met edge on."""
    field = container()
    field[TOP:BOTTOM, LEFT - 70 : LEFT - 15] = 0.6
    field[TOP : TOP + 8, LEFT - 70 : LEFT - 15] = 0.5
    field[TOP:BOTTOM, LEFT - 19 : LEFT - 15] += wall
    field[BOTTOM - 40 : BOTTOM + 25, LEFT - 90 : LEFT + 10] = 4.0
    spaces = find_spaces(transmission(field), PITCH)
    assert len(spaces.rooms) == 1 and not spaces.unjudged
    assert measured(field).empty is True


def test_a_body_of_short_spaces_alone_is_not_passed_over() -> None:
    """Two containers, of which one is parted into spaces that are each too short to be judged."""
    one, parted = container(), container()
    for wall in (260, 420, 580, 740):
        parted[TOP:BOTTOM, wall : wall + WALL] += 3.5
    parted[TOP:BOTTOM, LEFT:RIGHT] += 0.1
    field = np.hstack([one[:, : RIGHT + 100], parted])
    assert len(find_spaces(transmission(field), PITCH).unjudged) == 5
    with pytest.raises(ScanWithoutContent):
        measured(field)


@pytest.mark.parametrize("gap", [8, 30, 60])
def test_air_between_two_containers_is_no_hidden_space(gap: int) -> None:
    one = container()
    field = np.hstack([one[:, :RIGHT], np.zeros((len(one), gap), np.float32), one[:, LEFT:]])
    # They stand on one frame.
    field[BOTTOM : BOTTOM + 25, RIGHT : RIGHT + gap] = 0.6
    spaces = find_spaces(transmission(field), PITCH)
    assert len(spaces.rooms) == 2 and not spaces.unjudged
    assert measured(field).empty is True
