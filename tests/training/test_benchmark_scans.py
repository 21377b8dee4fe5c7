"""The benchmark's scans stay what they are: figures of this year and of the last are of the same ones.

A change of these numbers asks for another VERSION of training/cargo/benchmark_plan.py. Levels are compared as means of
twelve parts, so that another machine's rounding does not count as one.
"""

from __future__ import annotations

import numpy as np
import pytest

from training.cargo.benchmark_plan import VERSION
from training.simulation.freight import Family, simulate_freight

#: seed, threats, energies, pitch in mm -> vehicle, shape, (class, box, mm of steel) and levels in hundreds.
SCANS = [
    (
        (700_000_008, ("handgun",), 1, 5.0), "semi-trailer", (802, 3460), [("handgun", [740, 151, 779, 188], 15.6)],
        [[435, 360, 354, 360], [335, 268, 267, 281], [214, 268, 283, 260]],
    ),
    (
        (700_000_021, ("knife",), 2, 5.0), "hopper wagon", (972, 3560), [("knife", [3014, 456, 3029, 579], 208.2)],
        [[412, 379, 379, 409], [328, 269, 268, 319], [277, 372, 375, 277]],
    ),
    (
        (700_000_034, (), 2, 10.0), "semi-trailer", (440, 1730), [],
        [[427, 325, 421, 424], [286, 145, 382, 450], [271, 293, 339, 289]],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "vehicle", "shape", "hidden", "levels"), SCANS)
def test_scans_of_the_benchmark_are_those_of_its_version(
    asked: tuple[int, tuple[str, ...], int, float],
    vehicle: str,
    shape: tuple[int, int],
    hidden: list[tuple[str, list[int], float]],
    levels: list[list[int]],
) -> None:
    assert VERSION == 1
    seed, threats, energies, pitch_mm = asked
    scan = simulate_freight(seed, Family.TEST, threats, energies, pitch_mm)
    assert (scan.conveyance, scan.high.shape) == (vehicle, shape)
    found = [(item.class_name, [round(value) for value in item.box], item.steel_mm) for item in scan.objects]
    assert [entry[:2] for entry in found] == [entry[:2] for entry in hidden]
    assert [entry[2] for entry in found] == pytest.approx([entry[2] for entry in hidden], abs=0.1)
    parts = [
        [float(part.mean()) / 100 for part in np.array_split(band, 4, axis=1)]
        for band in np.array_split(scan.high, 3, axis=0)
    ]
    assert np.abs(np.array(parts) - levels).max() < 1
