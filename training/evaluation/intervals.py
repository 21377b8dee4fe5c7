"""How far a figure can be trusted: 95 % intervals for rates and for average precision.

Scans of one bag resemble each other, so the bootstrap draws whole groups (`AnnotatedScan.group`), never single scans.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from training.datasets.coco_index import CocoIndex
from training.evaluation.matching import ClassMatches, average_precision_at_50

_PERCENTILES = (2.5, 97.5)
#: Of rates; average precision is dearer and takes the number its caller gives.
RATE_RESAMPLES = 1000

Interval = tuple[float, float]
Draws = NDArray[np.int64]

EXACT = "Clopper-Pearson"
BY_GROUP = "bootstrap by group, at least Clopper-Pearson"


@dataclass(frozen=True)
class Rate:
    """count of total, with its 95 % interval and how that was made; value and interval are None when total is 0."""

    count: int
    total: int
    value: float | None
    interval: Interval | None
    method: str = EXACT

    @classmethod
    def of(cls, happened: NDArray[np.bool_], groups: NDArray[np.int64] | None = None) -> Rate:
        """The share of True in (n,) outcomes. groups: (n,) which of them belong together; None if none do."""
        count, total = int(happened.sum()), len(happened)
        if not total:
            return cls(0, 0, None, None)
        exact = cls(count, total, count / total, clopper_pearson(count, total))
        if groups is None or len(np.unique(groups)) == total:
            return exact
        drawn = group_draws(groups, RATE_RESAMPLES, 0)
        return exact.widened((drawn @ happened) / drawn.sum(axis=1))

    def widened(self, resampled: NDArray[np.float64]) -> Rate:
        """With the interval of (B,) resampled values, where it reaches beyond the exact one.

        Resampling alone would say that a rate of 0 or 1 is certain.
        """
        middle = middle_of(resampled)
        if self.interval is None or middle is None:
            return self
        reach = min(self.interval[0], middle[0]), max(self.interval[1], middle[1])
        return replace(self, interval=reach, method=BY_GROUP)


@dataclass(frozen=True)
class Intervals:
    """95 % bootstrap intervals of AP50; None for a class without boxes."""

    resamples: int
    seed: int
    mean_AP50: Interval | None
    mean_of_frequent_AP50: Interval | None
    classes_AP50: dict[str, Interval | None]


def clopper_pearson(count: int, total: int) -> Interval:
    """Exact 95 % interval of a rate (Clopper and Pearson 1934): it holds the truth in at least 95 % of cases."""
    low = float(beta.ppf(0.025, count, total - count + 1)) if count else 0.0
    high = float(beta.ppf(0.975, count + 1, total - count)) if count < total else 1.0
    return low, high


def group_numbers(index: CocoIndex) -> NDArray[np.int64]:
    """(S,) number of each scan's group; a scan that names none is a group of its own."""
    names = [scan.group or f"\0{number}" for number, scan in enumerate(index.scans)]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def group_draws(groups: NDArray[np.int64], resamples: int, seed: int) -> Draws:
    """(B, S) how often each scan is in each resample when whole groups are drawn with replacement. groups: (S,)."""
    _, numbers = np.unique(groups, return_inverse=True)
    count = int(numbers.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    weights: Draws = drawn[:, numbers].astype(np.int64)
    return weights


def bootstrap_ap50(matches: Mapping[str, ClassMatches], frequent: Sequence[str], draws: Draws, seed: int) -> Intervals:
    """The middle 95 % of AP50 over the resamples.

    frequent: the classes of the second mean. draws: (B, S) of `group_draws`, made with `seed`.
    """
    values = {name: average_precision_at_50(found, draws) for name, found in matches.items() if found.boxes}
    classes = {name: _of_class(values[name], matches[name]) if name in values else None for name in matches}
    return Intervals(
        len(draws),
        seed,
        _of_mean(list(values), values, classes),
        _of_mean(frequent, values, classes),
        classes,
    )


def _of_mean(
    names: Sequence[str], resampled: Mapping[str, NDArray[np.float64]], classes: Mapping[str, Interval | None]
) -> Interval | None:
    """Where all resamples agree, the mean of the classes' own intervals, as wide as they can be together."""
    middle = middle_of(mean_over_classes([resampled[name] for name in names]))
    own = [interval for name in names if (interval := classes[name])]
    if middle is None or middle[0] < middle[1] or not own:
        return middle
    low, high = np.mean(own, axis=0).tolist()
    return min(middle[0], low), max(middle[1], high)


def _of_class(resampled: NDArray[np.float64], found: ClassMatches) -> Interval | None:
    """Resamples that all agree, as on an AP of 0 or 1, are no certainty: then as wide as recall's exact interval."""
    middle = middle_of(resampled)
    if middle is None or middle[0] < middle[1]:
        return middle
    exact = clopper_pearson(int(found.hits.sum()), found.boxes)
    return min(middle[0], exact[0]), max(middle[1], exact[1])


def mean_over_classes(rows: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean over classes of (classes, B), leaving out the classes that a resample did not draw."""
    if not rows:
        return np.zeros(0)
    with warnings.catch_warnings():
        # A resample without any item at all gives nan, which middle_of leaves out.
        warnings.simplefilter("ignore", RuntimeWarning)
        mean: NDArray[np.float64] = np.nanmean(np.stack(rows), axis=0)
    return mean


def middle_of(values: NDArray[np.float64]) -> Interval | None:
    """The 2.5 and 97.5 percentiles of the values that are not nan; None if there are none."""
    known = values[~np.isnan(values)]
    if not known.size:
        return None
    low, high = np.percentile(known, _PERCENTILES)
    return float(low), float(high)


def reflected(measured: float, resampled: NDArray[np.float64]) -> Interval | None:
    """95 % interval of a figure that cannot fall below 0 and that chance makes larger, such as a calibration error.

    Every resample adds chance of its own, so the resamples lie as far above the measured value as that lies above the
    truth. The basic bootstrap takes that off: their percentiles mirrored in the measured value (Davison and Hinkley
    1997, section 5.2).
    """
    middle = middle_of(resampled)
    if middle is None:
        return None
    return max(0.0, 2 * measured - middle[1]), max(0.0, 2 * measured - middle[0])
