"""How far a figure can be trusted: 95 % intervals for rates and for average precision.

Scans of one bag resemble each other, so the bootstrap draws whole groups (`AnnotatedScan.group`), never single scans.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from training.datasets.coco_index import CocoIndex
from training.evaluation.matching import ClassMatches, resampled_precision, resampled_recall

_PERCENTILES = (2.5, 97.5)
#: Of rates; average precision is dearer and takes the number its caller gives.
RATE_RESAMPLES = 1000

Interval = tuple[float, float]
Draws = NDArray[np.int64]
_Figure = Callable[[ClassMatches, Draws], NDArray[np.float64]]

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


def describe_rate(rate: Rate) -> str:
    """`4.0 % (4 of 100; 1.1-9.9 %)`: never a rate without its n and interval."""
    if rate.value is None or rate.interval is None:
        return "not measurable: no such scan"
    low, high = rate.interval
    return f"{rate.value:.1%} ({rate.count} of {rate.total}; {low:.1%}-{high:.1%})"


@dataclass(frozen=True)
class PrecisionIntervals:
    """95 % bootstrap intervals of AP, or of the largest recall, at one IoU or in the mean over several: of the mean
    over classes, of that over frequent ones, and of each class; None without boxes."""

    mean: Interval | None
    mean_of_frequent: Interval | None
    classes: dict[str, Interval | None]


def clopper_pearson(count: float, total: int) -> Interval:
    """Exact 95 % interval of a rate (Clopper and Pearson 1934): it holds the truth in at least 95 % of cases.

    count: a mean over items, such as AP, times their number need not be whole.
    """
    low = float(beta.ppf(0.025, count, total - count + 1)) if count else 0.0
    high = float(beta.ppf(0.975, count + 1, total - count)) if count < total else 1.0
    return low, high


def ratio_interval(above: float, of_above: Interval, below: float, of_below: Interval) -> Interval:
    """95 % interval of above / below, figures of 0 and more with intervals of their own, `below` not 0.

    Each side keeps its own two limits, which near 0 and 1 lie far from symmetric (Donner and Zou 2012, Statistical
    Methods in Medical Research 21, 347-359, for a ratio). Both are taken as independent: of figures measured on the
    same scans, whose chance they share, it is too wide. The upper limit is infinite where `below` may be 0.
    """
    least_above, most_above = min(of_above[0], above), max(of_above[1], above)
    least_below, most_below = min(of_below[0], below), max(of_below[1], below)
    product = above * below
    # The limits are roots of r^2 * divisor - 2 * r * product + wanted. The lower one is written so that no divisor that
    # is 0 or below it, as where `below` may be twice as large, is divided by.
    divisor, wanted = most_below * (2 * below - most_below), least_above * (2 * above - least_above)
    low = wanted / (product + sqrt(max(0.0, product**2 - divisor * wanted))) if wanted > 0 else 0.0
    divisor, wanted = least_below * (2 * below - least_below), most_above * (2 * above - most_above)
    high = (product + sqrt(max(0.0, product**2 - divisor * wanted))) / divisor if divisor > 0 else inf
    return low, high


def group_numbers(index: CocoIndex) -> NDArray[np.int64]:
    """(S,) number of each scan's bag."""
    return np.unique([scan.bag for scan in index.scans], return_inverse=True)[1].astype(np.int64)


def group_draws(groups: NDArray[np.int64], resamples: int, seed: int) -> Draws:
    """(B, S) how often each scan is in each resample when whole groups are drawn with replacement. groups: (S,)."""
    _, numbers = np.unique(groups, return_inverse=True)
    count = int(numbers.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    weights: Draws = drawn[:, numbers].astype(np.int64)
    return weights


def bootstrap_precision(
    matchings: Sequence[Mapping[str, ClassMatches]], frequent: Sequence[str], draws: Draws
) -> PrecisionIntervals:
    """The middle 95 % of average precision over the resamples, and at least what as many items allow.

    matchings: of the same detections, one for each IoU that the figure is a mean over: that of .5 alone for AP50.
    frequent: the classes of the second mean. draws: (B, S) of `group_draws`.
    """
    return _bootstrap(resampled_precision, matchings, frequent, draws)


def bootstrap_recall(
    matchings: Sequence[Mapping[str, ClassMatches]], frequent: Sequence[str], draws: Draws
) -> PrecisionIntervals:
    """As `bootstrap_precision`, of the largest recall: COCO's AR."""
    return _bootstrap(resampled_recall, matchings, frequent, draws)


def _bootstrap(
    figure: _Figure, matchings: Sequence[Mapping[str, ClassMatches]], frequent: Sequence[str], draws: Draws
) -> PrecisionIntervals:
    names = list(matchings[0])
    with_boxes = {name: [matches[name] for matches in matchings] for name in names if matchings[0][name].boxes}
    classes = {name: _class_interval(figure, found, draws) for name, found in with_boxes.items()}
    return PrecisionIntervals(
        _of_mean(list(classes.values())),
        _of_mean([classes[name] for name in frequent if name in classes]),
        {name: classes[name].interval if name in classes else None for name in names},
    )


@dataclass(frozen=True)
class _ClassInterval:
    """A figure as measured, on (B,) resamples, and its interval."""

    measured: float
    resampled: NDArray[np.float64]
    interval: Interval


def _class_interval(figure: _Figure, found: Sequence[ClassMatches], draws: Draws) -> _ClassInterval:
    """The middle of the resamples, where it reaches no further the exact interval of a rate as high on as many items.

    Resamples repeat scans and bring no false alarm that was not there, so alone they are too narrow: they held the
    truth in 86 to 91 of 100 drawings of few items, together in 98 to 100 (`interval_coverage`).
    """
    once, boxes = np.ones((1, draws.shape[1]), np.int64), found[0].boxes
    measured = float(np.mean([figure(one, once) for one in found]))
    resampled = np.mean([figure(one, draws) for one in found], axis=0)
    exact = clopper_pearson(measured * boxes, boxes)
    low, high = middle_of(resampled) or exact
    return _ClassInterval(measured, resampled, (min(low, exact[0]), max(high, exact[1])))


def _of_mean(classes: Sequence[_ClassInterval]) -> Interval | None:
    """Of the mean over classes: the middle of the resamples, and at least what independent classes give together, less
    what resampling shows of a figure that chance lifts.

    Limits of a sum from those of its parts: Zou and Donner 2008, Statistics in Medicine 27, equation 3.
    """
    if not classes:
        return None
    measured = np.array([one.measured for one in classes])
    low, high = np.array([one.interval for one in classes]).T
    below, above = np.hypot.reduce(measured - low), np.hypot.reduce(high - measured)
    apart = float(measured.mean() - below / len(classes)), float(measured.mean() + above / len(classes))
    resampled = mean_over_classes([one.resampled for one in classes])
    together = middle_of(resampled)
    if together is None:
        return apart
    # The precision envelope takes the best of what chance gives: AP of few items is measured too high, and that of
    # their resamples is too high once more. What they are too high by is taken off below.
    lifted = max(0.0, float(np.nanmean(resampled)) - float(measured.mean()))
    return max(0.0, min(together[0], apart[0]) - lifted), max(together[1], apart[1])


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
