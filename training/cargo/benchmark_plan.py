"""What the cargo benchmark is made of: the same scans everywhere, from their numbers alone.

The scans are of `Family.TEST`, whose loads and threats no training scan shares (see `Family` for how they differ). A
scan holds one threat or none, and threats, energies and pitches go round: any first few hundred are as balanced as
the whole.

>>> [scan.threat or "clean" for scan in plan("small")][:3]
['clean', 'clean', 'handgun']
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from training.simulation.freight import THREATS

#: Raised whenever another scan comes from the same number: figures of different versions cannot be compared.
VERSION = 1
#: Scans of each size; two in three are clean.
SIZES = MappingProxyType({"small": 24, "medium": 600, "full": 3000})
#: Of every three scans the last holds a threat.
OF_THREE = 3
#: Millimetres a pixel, and that of every so many scans: a prime, so that every class and both energies meet it.
PITCH_MM, FINE_MM, EVERY_FINE = 5.0, 2.0, 17
#: Far from the seeds that people take for their own tries.
FIRST_SEED = 700_000_000


@dataclass(frozen=True)
class BenchmarkScan:
    """threat: class of the one threat in it, empty for a clean scan."""

    number: int
    seed: int
    threat: str
    energies: int
    pitch_mm: float


def plan(size: str) -> list[BenchmarkScan]:
    """The scans of a size, by number. Raises KeyError for a size that is not in SIZES."""
    return [_scan(number) for number in range(SIZES[size])]


def _scan(number: int) -> BenchmarkScan:
    group, place = divmod(number, OF_THREE)
    names = list(THREATS)
    # Every class meets both energies; the fine pitch falls on another class and energy each time.
    energies = 1 + (group // len(names) + place) % 2
    return BenchmarkScan(
        number=number,
        seed=FIRST_SEED + number,
        threat=names[group % len(names)] if place == OF_THREE - 1 else "",
        energies=energies,
        pitch_mm=FINE_MM if number % EVERY_FINE == EVERY_FINE - 1 else PITCH_MM,
    )
