"""Cargo of random solids, the wider range of goods and loose things: sound, repeatable, of the TRAIN family alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from training.simulation.freight import Family, simulate_freight
from training.simulation.freight.arrangements import ARRANGEMENTS, Scene
from training.simulation.freight.assorted_cargo import DARKEST_MM, assorted
from training.simulation.freight.board import Area, Board
from training.simulation.freight.loose_things import THINGS, scatter
from training.simulation.freight.more_training_goods import MORE_GOODS, Kind, MixedGoods, draw_more_goods
from training.simulation.freight.random_solids import METALS, OTHERS, SHAPES, draw_solid, size_of
from training.simulation.freight.shells import Room
from training.simulation.freight.stowage import ASSORTED, LOADS, consign
from training.simulation.freight.unit import Unit
from training.simulation.materials import CARGO_BEAM, MATERIALS, linear_attenuation
from training.simulation.solids import Solid

HIGH = CARGO_BEAM.high_mev
DEPTH = 235.0
FIELD = Area(-20, -270, 320, 20)
SPACE = Area(0, -250, 300, 0)
PITCH_MM = 10.0
#: A consignment whose units have their style in common.
ALIKE = 9
THREATS_ALONE = {"explosive", "pressed_powder", "black_powder"}


def attenuation(board: Board) -> NDArray[np.float32]:
    return board.attenuations[HIGH]


def stowed(seed: int, space: Area = SPACE, depth: float = DEPTH) -> tuple[Board, Area]:
    board = Board(FIELD, PITCH_MM, (HIGH,))
    area = assorted(Unit(board, space, depth, np.random.default_rng(seed), np.random.default_rng([seed, 1])))
    assert area is not None
    return board, area


@pytest.mark.parametrize("seed", range(24))
def test_a_unit_lies_within_its_space_and_is_as_dense_as_freight(seed: int) -> None:
    board, area = stowed(seed)
    total = attenuation(board)
    assert np.isfinite(total).all() and total.min() >= 0 and total.max() > 0
    assert area.left >= SPACE.left and area.right <= SPACE.right
    assert area.top >= SPACE.top and area.bottom <= SPACE.bottom
    covered = board.cover(area.inset(-2 * PITCH_MM / 10).outline)
    assert float(total[covered == 0].max()) == 0
    # Packing and crates come on top of the things themselves.
    assert float(total.max()) < 2.2 * DARKEST_MM / 10 * linear_attenuation("steel", HIGH)


def test_a_unit_takes_what_little_space_there_is() -> None:
    small = Area(0, -32, 31, 0)
    for seed in range(12):
        board, area = stowed(seed, small)
        assert 5 < area.width <= 31 and 5 < area.height <= 32
        assert np.isfinite(attenuation(board)).all()


def test_one_seed_one_unit() -> None:
    first, again, other = (attenuation(stowed(seed)[0]) for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_units_of_a_consignment_are_alike_and_not_the_same() -> None:
    pictures = []
    for chance in (1, 2):
        board = Board(FIELD, PITCH_MM, (HIGH,))
        area = assorted(Unit(board, SPACE, DEPTH, np.random.default_rng(ALIKE), np.random.default_rng(chance)))
        assert area is not None
        pictures.append(attenuation(board))
    assert not np.array_equal(pictures[0], pictures[1])
    assert float(pictures[0].sum()) == pytest.approx(float(pictures[1].sum()), rel=0.6)


def arranged(name: str, seed: int) -> dict[str, NDArray[np.float32]]:
    style, chance = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    solid = Solid(150, 120, 1.0, origin=(-75, -60))
    parts = [draw_solid(style, material, size, 1.5) for material, size in (("steel", 12.0), ("abs", 40.0))]
    ARRANGEMENTS[name](Scene(solid, 150, 120, style, chance, ("steel", "abs")), parts)
    return solid.maps


@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_every_arrangement_is_sound_and_its_seed_s(name: str) -> None:
    first, again, other = (arranged(name, seed) for seed in (5, 5, 6))
    for thickness in first.values():
        assert np.isfinite(thickness).all() and thickness.min() >= 0
    assert max(float(thickness.max()) for thickness in first.values()) > 0.1
    assert first.keys() == again.keys()
    assert all(np.array_equal(first[material], again[material]) for material in first)
    assert any(material not in other or not np.array_equal(first[material], other[material]) for material in first)


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_of_about_its_size(name: str) -> None:
    for seed in range(6):
        style = np.random.default_rng(seed)
        solid = Solid(75, 75, 3.0)
        SHAPES[name](solid, style, "steel", 50.0)
        width, height = size_of(solid.trimmed())
        assert 10 < max(width, height) < 70
        assert all(np.isfinite(thickness).all() and thickness.min() >= 0 for thickness in solid.maps.values())


def test_nothing_honest_is_of_what_only_threats_are_made_of() -> None:
    assert {*METALS, *OTHERS} <= set(MATERIALS) and not {*METALS, *OTHERS} & THREATS_ALONE


def packed(kind: Kind, seed: int) -> NDArray[np.float32]:
    board = Board(FIELD, PITCH_MM, (HIGH,))
    goods = kind(np.random.default_rng(seed), DEPTH)
    goods.fill(board, Area(10, -60, 70, -20), np.random.default_rng([seed, 1]))
    return attenuation(board)


@pytest.mark.parametrize("kind", [*MORE_GOODS, draw_more_goods], ids=lambda kind: kind.__name__)
def test_all_goods_stay_in_their_carton_and_are_their_seed_s(kind: Kind) -> None:
    first, again, other = (packed(kind, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert np.isfinite(first).all() and first.min() >= 0
    rows, columns = np.nonzero(first)
    assert rows.size > 500
    assert columns.min() >= 28 and columns.max() <= 92 and rows.min() >= 208 and rows.max() <= 252
    assert 0.05 < float(first[rows, columns].mean()) < 8


def test_mixed_goods_are_drawn_and_fill_every_carton() -> None:
    drawn = [draw_more_goods(np.random.default_rng(seed), DEPTH) for seed in range(40)]
    mixed = [goods for goods in drawn if isinstance(goods, MixedGoods)]
    assert mixed and all(2 <= len(goods.kinds) <= 3 for goods in mixed)
    board = Board(FIELD, PITCH_MM, (HIGH,))
    mixed[0].fill(board, Area(10, -60, 70, -20), np.random.default_rng(1))
    assert float((attenuation(board)[215:245, 35:85] > 0).mean()) > 0.9


@pytest.mark.parametrize("name", THINGS)
def test_every_loose_thing_is_of_a_threat_s_size(name: str) -> None:
    for seed in range(5):
        solid = THINGS[name](np.random.default_rng(seed)).trimmed()
        assert 5 < max(size_of(solid)) < 140
        assert all(np.isfinite(thickness).all() and thickness.min() >= 0 for thickness in solid.maps.values())


def test_loose_things_lie_in_the_room() -> None:
    room = Room(SPACE, DEPTH)
    counts = set()
    for seed in range(30):
        board = Board(FIELD, PITCH_MM, (HIGH,))
        counts.add(scatter(board, room, [Area(20, -150, 120, 0)], np.random.default_rng(seed)))
        outside = board.cover(SPACE.inset(-3).outline) == 0
        assert float(attenuation(board)[outside].max()) == 0
    assert counts == {0, 1, 2, 3, 4}


def test_assorted_loads_are_of_the_training_family_alone() -> None:
    room, board = Room(SPACE, DEPTH), Board(FIELD, PITCH_MM, (HIGH,))
    assert not set(ASSORTED) & set(LOADS[Family.TEST])
    with pytest.raises(KeyError):
        consign(board, room, "assorted", Family.TEST, np.random.default_rng(1))
    areas = consign(board, room, "assorted", Family.TRAIN, np.random.default_rng(1))
    assert areas and all(area.width > 5 and area.height > 5 for area in areas)
    kinds = {
        family: {load.kind for seed in range(14) for load in simulate_freight(seed, family, (), 1, 20.0).cargo}
        for family in Family
    }
    assert "assorted" in kinds[Family.TRAIN] and "assorted" not in kinds[Family.TEST]


def test_narrow_things_rest_on_the_last_centimetre_of_a_heap() -> None:
    for seed in range(30):
        part = Solid(0.5, 0.5, 4.0)
        part.add("steel", np.ones(part.shape, np.float32))
        style, chance = np.random.default_rng(seed), np.random.default_rng([seed, 1])
        # A width that is no whole number of centimetres: a thing may lie beyond the last whole one.
        scene = Scene(Solid(45.9, 40, 1.0, origin=(-22.9, -20)), 45.9, 40, style, chance, ("steel", "wood"))
        ARRANGEMENTS["heap"](scene, [part])
        assert scene.solid.maps["steel"].max() > 0
