"""Edge contrast tells what an eye sees: edges over a calm load and over a busy one, in light and in the dark."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from training.simulation.freight import Family
from training.simulation.freight.acquisition import ACCELERATORS
from training.simulation.freight.board import Area, Board
from training.simulation.freight.edge_contrast import edge_contrast
from training.simulation.freight.shells import Room
from training.simulation.freight.threats import hide
from training.simulation.materials import CARGO_BEAM

Float32 = NDArray[np.float32]
BEAM = ACCELERATORS[CARGO_BEAM.high_mev]


def bar(depth: float = 0.2) -> Float32:
    added = np.zeros((40, 60), np.float32)
    added[12:28, 10:50] = depth
    return added


def even(attenuation: float) -> Float32:
    return np.full((40, 60), attenuation, np.float32)


def busy(strength: float, seed: int = 0) -> Float32:
    rough = np.random.default_rng(seed).standard_normal((40, 60)).astype(np.float32)
    smooth = cv2.GaussianBlur(rough, (0, 0), 2)
    return np.asarray(1 + smooth / smooth.std() * strength, np.float32)


def test_it_grows_with_the_thing_and_falls_with_the_load() -> None:
    assert edge_contrast(bar(0.4), busy(0.2), 5, BEAM) == pytest.approx(
        2 * edge_contrast(bar(), busy(0.2), 5, BEAM), rel=0.02
    )
    assert edge_contrast(bar(), busy(0.8), 5, BEAM) == pytest.approx(
        edge_contrast(bar(), busy(0.2), 5, BEAM) / 4, rel=0.02
    )


def test_a_smooth_slope_hides_nothing() -> None:
    slope = np.tile(np.linspace(0.5, 2.0, 60, dtype=np.float32), (40, 1))
    # A flank of 1.5 in 60 pixels, seven times as deep as the bar, and the bar is still plain upon it.
    assert edge_contrast(bar(), slope, 5, BEAM) > 0.7


def test_noise_hides_what_an_even_load_does_not() -> None:
    light, dark, black = (edge_contrast(bar(), even(depth), 5, BEAM) for depth in (1.0, 6.0, 10.0))
    assert light > 3 > dark > 4 * black and black < 0.25


def test_noise_is_what_photons_make_of_it() -> None:
    """The closed form against the gradient of simulated counts, smoothed alike."""
    depth = 5.0
    generator = np.random.default_rng(1)
    counts = generator.poisson(BEAM.photons * np.exp(-depth), (400, 600)) + generator.normal(
        0, BEAM.read_noise, (400, 600)
    )
    smooth = cv2.GaussianBlur(np.log(counts), (0, 0), 1.0)
    measured = sum(float(np.mean(step**2)) for step in np.gradient(smooth))
    added = np.tile(bar(), (10, 10))
    alone = sum(float(np.mean(step**2)) for step in np.gradient(cv2.GaussianBlur(added, (0, 0), 1.0)))
    # What the bar itself takes from the photons counts as well.
    found = edge_contrast(added, np.full_like(added, depth), 5, BEAM)
    assert found == pytest.approx((alone / measured) ** 0.5, rel=0.1)


def test_pitch_makes_no_difference_to_what_is_seen() -> None:
    fine = [cv2.resize(part, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR) for part in (bar(), busy(0.3))]
    coarse = edge_contrast(bar(), busy(0.3), 5, BEAM)
    assert edge_contrast(fine[0], fine[1], 2.5, BEAM) == pytest.approx(coarse, rel=0.1)


def test_a_hidden_thing_says_how_plain_it_is_in_its_load() -> None:
    """The same pistol at the same place, behind a sheet of steel and behind as much steel in bars."""
    room = Room(Area(20, -125, 180, -15), 230)
    even, barred = (Board(Area(0, -140, 200, 0), 5.0, (CARGO_BEAM.high_mev,)) for _ in range(2))
    even.slab("steel", Area(-10, -300, 400, 100).outline, 2.0)
    for left in range(0, 200, 8):
        barred.slab("steel", Area(left, -300, left + 4, 100).outline, 4.0)
    plain, lost = (hide(board, ("handgun",), Family.TEST, ([], [room]), [1])[0] for board in (even, barred))
    assert plain.box == lost.box
    assert plain.edge_contrast is not None and lost.edge_contrast is not None
    assert plain.edge_contrast > 3 > 0.5 > lost.edge_contrast > 0
