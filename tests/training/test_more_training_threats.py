"""Every make of every TRAIN threat builds at any seed, is as large as the real thing, and is drawn now and then."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType

import numpy as np
import pytest

from training.simulation.freight import Family, threats, threats_for_training
from training.simulation.freight.threats import BUILT_AT, STRETCH, THREATS
from training.simulation.freight.threats_for_training import MAKES, Make
from training.simulation.materials import CARGO_BEAM, MATERIALS, linear_attenuation
from training.simulation.solids import Solid

SEEDS = range(6)
#: Threat -> shortest and longest side of the box around it, cm, that any of its makes may have.
LENGTHS = {
    "handgun": (12, 60), "long_gun": (28, 116), "knife": (9, 62), "ammunition": (6, 75), "grenade": (6, 75),
    "package": (9, 90), "lighters": (7, 66), "battery": (7, 62),
}  # fmt: skip
EVERY = [(name, make) for name, makes in MAKES.items() for make in makes]
PER_CM = {material: linear_attenuation(material, CARGO_BEAM.high_mev) for material in MATERIALS}


def built(make: Make, seed: int) -> Solid:
    return make(np.random.default_rng(seed), BUILT_AT).trimmed()


@pytest.mark.parametrize(("name", "make"), EVERY, ids=[make.__name__ for _, make in EVERY])
def test_every_make_is_a_solid_of_plausible_size(name: str, make: Make) -> None:
    shortest, longest = LENGTHS[name]
    pictures = set()
    for seed in SEEDS:
        solid = built(make, seed)
        assert solid.maps.keys() <= MATERIALS.keys()
        for thickness in solid.maps.values():
            assert thickness.dtype == np.float32 and thickness.shape == solid.shape
            assert np.isfinite(thickness).all() and (thickness >= 0).all()
        assert shortest <= max(solid.shape) / BUILT_AT <= longest
        # A threat stands out from the air, and most of it lets some of the beam through.
        attenuation = solid.attenuation(PER_CM)
        assert attenuation.max() > 0.1 and np.percentile(attenuation[attenuation > 0.01], 80) < 5
        pictures.add(attenuation.tobytes())
    # Those of luggage and the first of the family vary less.
    assert len(pictures) == len(SEEDS) or not make.__module__.rpartition(".")[2].startswith("more_")


@pytest.mark.parametrize("name", THREATS)
def test_a_seed_always_gives_the_same_threat(name: str) -> None:
    first, second = (THREATS[name].builders[Family.TRAIN](np.random.default_rng(8), BUILT_AT) for _ in range(2))
    assert first.maps.keys() == second.maps.keys()
    assert all(np.array_equal(first.maps[material], second.maps[material]) for material in first.maps)


@pytest.mark.parametrize("name", THREATS)
def test_the_training_builder_reaches_every_make(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: Counter[str] = Counter()

    def counting(make: Make) -> Make:
        def count(generator: np.random.Generator, resolution: float) -> Solid:
            drawn[make.__name__] += 1
            return Solid(1, 1, resolution)

        return count

    counted = {counting(make): share for make, share in MAKES[name].items()}
    monkeypatch.setattr(threats_for_training, "MAKES", MappingProxyType({name: counted}))
    generator = np.random.default_rng(3)
    for _ in range(400):
        THREATS[name].builders[Family.TRAIN](generator, BUILT_AT)
    assert drawn.keys() == {make.__name__ for make in MAKES[name]}
    assert min(drawn.values()) > 20


def block() -> Solid:
    solid = Solid(20, 10, BUILT_AT)
    solid.maps["steel"] = np.ones(solid.shape, np.float32)
    return solid


def test_training_threats_are_stretched_and_those_of_the_benchmark_are_not() -> None:
    shapes, thicknesses, packed = set(), set(), list[float]()
    for seed in range(40):
        varied = threats._solid("knife", Family.TRAIN, (), np.random.default_rng(seed))
        assert all(np.isfinite(thickness).all() for thickness in varied.maps.values())
        solid = block()
        copy = threats._varied(solid, np.random.default_rng(seed), packed=False)
        ratios = np.array(copy.shape) / solid.shape
        assert (ratios >= STRETCH[0] - 0.01).all() and (ratios <= STRETCH[1] + 0.01).all()
        # What is given is left as it is: cut-outs are laid again and again.
        assert solid.shape == block().shape and np.array_equal(solid.maps["steel"], block().maps["steel"])
        shapes.add(copy.shape)
        thicknesses.add(round(float(copy.maps["steel"].mean()), 3))
        pack = threats._varied(solid, np.random.default_rng(seed), packed=True)
        packed.append(float(np.mean(np.array(pack.shape) / copy.shape)))
        # The same factor along the beam: a larger pack is a deeper one.
        assert pack.maps["steel"].mean() / copy.maps["steel"].mean() == pytest.approx(packed[-1], rel=0.05)
    assert min(packed) < 0.85 and max(packed) > 1.6
    assert len(shapes) > 30
    assert 1.0 in thicknesses and min(thicknesses) < 0.9 and max(thicknesses) > 1.1
    for seed in range(6):
        built_for_test = THREATS["knife"].builders[Family.TEST](np.random.default_rng(seed), BUILT_AT).trimmed()
        laid = threats._solid("knife", Family.TEST, (), np.random.default_rng(seed))
        assert all(np.array_equal(laid.maps[material], built_for_test.maps[material]) for material in laid.maps)
