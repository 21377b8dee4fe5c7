"""Which of many settings matter, told from few trainings: a Plackett-Burman design.

Every training sets all factors at once, each to its first or its second value, so that any two factors meet in all
four ways equally often. The effect of a factor, the mean of its second half less the mean of its first, then comes from
all trainings, and what the other factors do cancels. One factor at a time would need six times as many for the same
certainty with eleven factors. Columns that carry no factor tell how large an effect chance makes.

Effects are those of a factor by itself, averaged over the others: where two only work together (or against each other),
part of that is counted to a third. Such a design finds what to look at, in a comparison of its own.

Source: Plackett and Burman 1946, The design of optimum multifactorial experiments, Biometrika 33, 305-325.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from detector.errors import SettingsInvalid
from training.studies.measured_scans import Measured

#: Columns without a factor, at least: fewer say too little of chance.
LEAST_SPARE = 3
#: Of fewer, runs of the design would be the same training twice.
LEAST_FACTORS = 5
#: First rows of the designs by number of runs; the others are its rotations, and a last one of first values alone.
#: Not 8 and 16 runs: there, what two factors do together falls wholly on a third, which then looks as if it did it.
FIRST_ROWS = {
    12: "++-+++---+-",
    20: "++--++++-+-+----++-",
    24: "+++++-+-++--++--+-+----",
}


@dataclass(frozen=True)
class Factor:
    """A recipe's key and its two values, as text."""

    key: str
    values: tuple[str, str]

    def __str__(self) -> str:
        return f"{self.key} {self.values[0]} -> {self.values[1]}"


@dataclass(frozen=True)
class Effects:
    """of: one for each factor, in the figure's own unit. chance: half the width of each one's 95 % interval."""

    mean: float
    of: tuple[float, ...]
    chance: float


def design(factors: int) -> NDArray[np.int8]:
    """(runs, runs - 1) of -1 and 1, columns orthogonal to each other and balanced; the first `factors` are for use.

    Raises SettingsInvalid for more factors than the largest design takes.
    """
    for runs, first in FIRST_ROWS.items():
        if factors <= runs - 1 - LEAST_SPARE:
            row = np.array([1 if sign == "+" else -1 for sign in first], np.int8)
            return np.vstack([*(np.roll(row, shift) for shift in range(runs - 1)), np.full(runs - 1, -1, np.int8)])
    most = max(FIRST_ROWS) - 1 - LEAST_SPARE
    raise SettingsInvalid(f"{factors} factors, {most} are the most", remedy="give fewer --vary, or several screenings")


def screening_settings(factors: Sequence[Factor]) -> list[tuple[str, ...]]:
    """The `key=value` changes of each run, no two the same. Raises SettingsInvalid for fewer than LEAST_FACTORS."""
    if len(factors) < LEAST_FACTORS:
        raise SettingsInvalid(
            f"{len(factors)} factors, a screening takes {LEAST_FACTORS} at least",
            remedy="give more --vary, or leave --screening out: every combination is tried then",
        )
    return [
        tuple(f"{factor.key}={factor.values[int(sign > 0)]}" for factor, sign in zip(factors, row, strict=False))
        for row in design(len(factors))
    ]


def effects(figures: Sequence[float], factors: int) -> Effects:
    """What each factor did to a figure. figures: of the runs, in the order of `design`."""
    signs, values = design(factors), np.asarray(figures, np.float64)
    every = 2 * (signs.T @ values) / len(values)
    spare = every[factors:]
    chance = float(student.ppf(0.975, len(spare)) * np.sqrt(np.mean(spare**2)))
    return Effects(float(values.mean()), tuple(every[:factors].tolist()), chance)


def screening_table(
    figures: dict[str, Sequence[float]], factors: Sequence[Factor], seeds: Sequence[int], measured: Measured
) -> str:
    """Markdown: a row for each figure, a column for each factor. figures: name -> of the runs, means over the seeds.
    measured: what they are of."""
    heads = ["figure", "n", "mean", *(str(factor) for factor in factors), "chance"]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for name, values in figures.items():
        found = effects(values, len(factors))
        # Plus nought: rounding leaves a negative one.
        rounded = [f"{round(one, 3) + 0.0:+.3f}" for one in found.of]
        beyond = [abs(one) > found.chance + 1e-9 for one in found.of]
        shown = [f"**{text}**" if bold else text for text, bold in zip(rounded, beyond, strict=True)]
        lines.append(
            f"| {' | '.join([name, str(measured.boxes[name]), f'{found.mean:.3f}', *shown, f'± {found.chance:.3f}'])} |"
        )
    runs = len(design(len(factors)))
    closing = (
        f"Effect of each setting's second value against its first, from all of {runs} trainings (Plackett-Burman, "
        f"seeds {', '.join(map(str, seeds))}); {measured.told()}. `chance` is half of the 95 % interval of every "
        f"effect in the row, from {runs - 1 - len(factors)} columns without a setting: what other trainings would "
        "change, not other scans. Bold: beyond it; of twenty that do nothing, one is bold."
    )
    return "\n".join([*lines, "", closing, ""])
