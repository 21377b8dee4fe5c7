"""How far a figure can be trusted: 95 % intervals for rates and for average precision.

The bootstrap draws scans independently. Scans of one bag or one series resemble each other, so the true uncertainty is
somewhat larger than the intervals say.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.matching import ClassMatches, average_precision_at_50

#: Two-sided 95 % of the normal distribution.
_Z = 1.959963984540054
_PERCENTILES = (2.5, 97.5)

Interval = tuple[float, float]


@dataclass(frozen=True)
class Rate:
    """count of total, with its 95 % Wilson interval; value and interval are None when total is 0."""

    count: int
    total: int
    value: float | None
    interval: Interval | None

    @classmethod
    def of(cls, happened: NDArray[np.bool_]) -> Rate:
        """The share of True in (n,) outcomes."""
        count, total = int(happened.sum()), len(happened)
        return cls(count, total, count / total if total else None, wilson(count, total) if total else None)


@dataclass(frozen=True)
class Intervals:
    """95 % bootstrap intervals of AP50; None for a class without boxes."""

    resamples: int
    seed: int
    mean_AP50: Interval | None
    mean_of_frequent_AP50: Interval | None
    classes_AP50: dict[str, Interval | None]


def wilson(count: int, total: int) -> Interval:
    """95 % interval of a rate (Wilson 1927): sound for few scans and for rates near 0 and 1. total is above 0."""
    share = count / total
    scale = 1 + _Z**2 / total
    centre = (share + _Z**2 / (2 * total)) / scale
    reach = _Z * float(np.sqrt(share * (1 - share) / total + _Z**2 / (4 * total**2))) / scale
    return max(0.0, centre - reach), min(1.0, centre + reach)


def bootstrap_ap50(
    matches: Mapping[str, ClassMatches], frequent: Sequence[str], resamples: int = 200, seed: int = 0
) -> Intervals:
    """Draws the scans with replacement `resamples` times and takes the middle 95 % of AP50.

    frequent: the classes of the second mean. The same seed gives the same intervals.
    """
    scans = len(next(iter(matches.values())).annotated)
    draws = np.random.default_rng(seed).multinomial(scans, np.full(scans, 1 / scans), size=resamples)
    values = {name: average_precision_at_50(found, draws) for name, found in matches.items() if found.boxes}
    return Intervals(
        resamples,
        seed,
        _middle(_mean_over_classes(list(values.values()))),
        _middle(_mean_over_classes([values[name] for name in frequent])),
        {name: _middle(values[name]) if name in values else None for name in matches},
    )


def _mean_over_classes(rows: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean over classes of (classes, B), leaving out the classes that a resample did not draw."""
    if not rows:
        return np.zeros(0)
    with warnings.catch_warnings():
        # A resample without any item at all gives nan, which _middle leaves out.
        warnings.simplefilter("ignore", RuntimeWarning)
        mean: NDArray[np.float64] = np.nanmean(np.stack(rows), axis=0)
    return mean


def _middle(values: NDArray[np.float64]) -> Interval | None:
    known = values[~np.isnan(values)]
    if not known.size:
        return None
    low, high = np.percentile(known, _PERCENTILES)
    return float(low), float(high)
