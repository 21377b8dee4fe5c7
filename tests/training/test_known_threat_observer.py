"""The observer who knows the threat: finds what differs from its load, and not what does not."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.cargo.benchmark_plan import plan
from training.cargo.known_threat_observer import observe, stands_out

Float32 = NDArray[np.float32]


def clutter(seed: int = 0, strength: float = 0.3) -> Float32:
    """Smooth clutter, ten times as strong as the noise on it."""
    generator = np.random.default_rng(seed)
    rough = generator.standard_normal((180, 300)).astype(np.float32)
    smooth = cv2.GaussianBlur(rough, (0, 0), 8)
    noise = generator.standard_normal(rough.shape).astype(np.float32)
    return np.asarray(smooth / smooth.std() * strength + noise * strength / 10, np.float32)


def edge(depth: float) -> Float32:
    """A bar whose edges are sharper than anything in the clutter."""
    change = np.zeros((20, 30), np.float32)
    change[6:14, 4:26] = -depth
    return change


def test_a_sharp_thing_stands_out_of_smooth_clutter_that_is_three_times_as_strong() -> None:
    for seed in range(5):
        assert stands_out(clutter(seed), edge(0.1), (70, 130))
        assert not stands_out(clutter(seed), edge(0.001), (70, 130))


def test_one_among_its_own_kind_does_not_stand_out() -> None:
    load = clutter(1)
    for row in range(10, 150, 40):
        for column in range(10, 250, 60):
            load[row : row + 20, column : column + 30] += edge(0.4)
    assert not stands_out(load, edge(0.2), (90, 205))


def test_a_place_at_the_very_edge_is_a_place() -> None:
    assert stands_out(clutter(2), edge(0.2), (0, 0))
    assert stands_out(clutter(2), edge(0.2), (160, 270))


def test_scans_of_the_benchmark() -> None:
    # A blade behind cartons of cans, and rods of grenades in a sack behind six times as much.
    knife, grenade = (observe(plan("medium")[number]) for number in (8, 38))
    assert (knife["threat"], grenade["threat"]) == ("knife", "grenade")
    assert grenade["items"][0]["steel_mm"] > 5 * knife["items"][0]["steel_mm"]
    assert not knife["stands_out"] and grenade["stands_out"]
