"""How often the 95 % intervals of Pd at a Pfa, of AP50, also by size, of AP and of AR hold the truth.

Prints a table: `python -m training.evaluation.interval_coverage`.

Detectors whose truth is known are drawn again and again: scores of false alarms are normal, those of items lie higher.
Every drawing is measured as a split would be, and its interval holds the truth or not. Real scores are not normal and
real bags resemble each other; what is shown is the smallest fault that such intervals have.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from training.evaluation.intervals import (
    Interval,
    Rate,
    bootstrap_precision,
    bootstrap_recall,
    describe_rate,
    group_draws,
)
from training.evaluation.matching import ClassMatches, resampled_precision
from training.evaluation.metrics import IOUS
from training.evaluation.operating_curve import operating_curve
from training.evaluation.scan_scores import ScanScores

Float64 = NDArray[np.float64]
#: Scans; how many hold an item of the class in the mean; the share of these found at all; how far their scores lie
#: above those of false alarms.
ApCase = tuple[int, int, float, float]

#: Clean scans, scans with an item, Pfa: the first two of the test split of the shipped luggage weights, then those of
#: the cargo benchmark, medium and full.
PFA_CASES = (
    (250, 377, 0.01), (250, 377, 0.05), (400, 200, 0.01), (400, 200, 0.05),
    (2000, 1000, 0.001), (2000, 1000, 0.004), (2000, 1000, 0.01),
)  # fmt: skip
#: How far above false alarms, in their deviations, and how widely spread the scores of items are.
ITEMS = ((3.0, 1.5), (3.5, 1.0))
#: Scans, of which so many hold an item of the class in the mean; how many are found at all, and how far their scores
#: lie above those of false alarms, one a scan: a class as common and as plain as guns are, and ever rarer ones.
AP_CASES = ((331, 45, 0.97, 3.5), (331, 17, 0.9, 3.0), (101, 13, 0.85, 2.5), (101, 8, 0.85, 2.5), (101, 4, 0.85, 2.5))
#: Share of the items and of the false alarms that are of one of COCO's three sizes.
OF_A_SIZE = 1 / 3
#: Scans of the drawing that says what a class's true AP50 is, and resamples of an interval, as `evaluate` has them.
_MANY, _RESAMPLES = 200_000, 200


@dataclass(frozen=True)
class Coverage:
    """What was measured in a case: its truth, the mean measured, how often the interval held the truth, and how often
    the truth lay below it."""

    case: str
    truth: float
    mean: float
    held: Rate
    below: Rate


def pd_coverage(clean: int, items: int, pfa: float, above: tuple[float, float], times: int) -> Coverage:
    """Of Pd, any alarm in the scan, at `pfa`. above: mean and deviation of the scores of items."""
    truth = float(norm.sf((norm.isf(pfa) - above[0]) / above[1]))
    measured: list[tuple[float, Interval]] = []
    for seed in range(times):
        drawn = _scan_scores(np.random.default_rng(seed), clean, items, above)
        rates = operating_curve(drawn, (pfa,), seed).points[0].rates
        if rates is None or rates.pd_scan.value is None or rates.pd_scan.interval is None:
            raise ValueError(f"a Pfa of {pfa:g} is not measured on {clean} clean scans")
        measured.append((rates.pd_scan.value, rates.pd_scan.interval))
    return _coverage(f"Pd at Pfa {pfa:.1%}, {clean} clean scans, {items} with an item", truth, measured)


def ap_coverage(case: ApCase, ious: Sequence[float], times: int) -> Coverage:
    """Of the average precision of one class, a mean over `ious`."""
    scans, items, found, above = case
    truth = _true_ap(items / scans, found, above, ious)
    measured = []
    for seed in range(times):
        drawn = _matchings(np.random.default_rng(seed), scans, items / scans, found, above, ious)
        if drawn[0].boxes:
            draws = group_draws(np.arange(scans), _RESAMPLES, seed)
            named = [{"class": matches} for matches in drawn]
            interval = bootstrap_precision(named, (), draws).classes["class"]
            assert interval is not None
            measured.append((_ap(drawn), interval))
    return _coverage(f"{_figure(ious)} of a class, {items} of {scans} scans", truth, measured)


def ar_coverage(case: ApCase, times: int) -> Coverage:
    """Of the average recall of one class: the share of its items that are found, a mean over IOUS."""
    scans, items, found, above = case
    # A box lies on its item by an overlap that is even between .5 and 1.
    truth = found * float(np.mean([2 * (1 - iou) for iou in IOUS]))
    measured = []
    for seed in range(times):
        drawn = _matchings(np.random.default_rng(seed), scans, items / scans, found, above, IOUS)
        if drawn[0].boxes:
            named = [{"class": matches} for matches in drawn]
            interval = bootstrap_recall(named, (), group_draws(np.arange(scans), _RESAMPLES, seed)).classes["class"]
            assert interval is not None
            measured.append((float(np.mean([matches.hits.sum() / matches.boxes for matches in drawn])), interval))
    return _coverage(f"AR of a class, {items} of {scans} scans", truth, measured)


def mean_ap_coverage(scans: int, ious: Sequence[float], times: int, share: float = 1.0) -> Coverage:
    """Of the mean of average precision over the classes of AP_CASES, all on as many scans. share: of their items and
    false alarms that count, as in a figure by size."""
    kinds = [(share * items / scans, found, above) for _, items, found, above in AP_CASES]
    truth = float(np.mean([_true_ap(*kind, ious, share) for kind in kinds]))
    measured = []
    for seed in range(times):
        drawn = [
            _matchings(np.random.default_rng((seed, number)), scans, *kind, ious, share)
            for number, kind in enumerate(kinds)
        ]
        value = float(np.mean([_ap(matchings) for matchings in drawn if matchings[0].boxes]))
        named = [dict(zip(map(str, range(len(kinds))), at_iou, strict=True)) for at_iou in zip(*drawn, strict=True)]
        interval = bootstrap_precision(named, (), group_draws(np.arange(scans), _RESAMPLES, seed)).mean
        assert interval is not None
        measured.append((value, interval))
    of_size = "" if share == 1 else " of one size"
    return _coverage(f"mean {_figure(ious)}{of_size} of these {len(kinds)} classes, {scans} scans", truth, measured)


def _figure(ious: Sequence[float]) -> str:
    return "AP50" if len(ious) == 1 else "AP"


def coverages(times: int) -> Iterator[Coverage]:
    """All cases, each drawn so many times."""
    for case in PFA_CASES:
        for above in ITEMS:
            yield pd_coverage(*case, above, times)
    for ious in (IOUS[:1], IOUS):
        for one in AP_CASES:
            yield ap_coverage(one, ious, times)
        yield mean_ap_coverage(AP_CASES[0][0], ious, times)
    yield mean_ap_coverage(AP_CASES[0][0], IOUS[:1], times, OF_A_SIZE)
    for one in AP_CASES:
        yield ar_coverage(one, times)


def _true_ap(share: float, found: float, above: float, ious: Sequence[float], false_alarms: float = 1.0) -> float:
    return _ap(_matchings(np.random.default_rng(1), _MANY, share, found, above, ious, false_alarms))


def _ap(matchings: Sequence[ClassMatches]) -> float:
    once = np.ones((1, len(matchings[0].annotated)), np.int64)
    return float(np.mean([resampled_precision(matches, once)[0] for matches in matchings]))


def _coverage(case: str, truth: float, measured: list[tuple[float, Interval]]) -> Coverage:
    low, high = np.array([interval for _, interval in measured]).T
    held, below = Rate.of((low <= truth) & (truth <= high)), Rate.of(truth < low)
    return Coverage(case, truth, float(np.mean([value for value, _ in measured])), held, below)


def _scan_scores(random: np.random.Generator, clean: int, items: int, above: tuple[float, float]) -> ScanScores:
    raw = np.concatenate([random.normal(size=clean), random.normal(*above, size=items)])
    highest, is_clean = 1 / (1 + np.exp(-raw)), np.arange(clean + items) < clean
    return ScanScores(
        classes=("item",),
        highest=highest,
        localised_by_class=highest[:, None],
        clean=is_clean,
        positive=~is_clean,
        holds=~is_clean[:, None],
        sources=("drawn",) * len(highest),
        groups=np.arange(len(highest)),
    )


def _matchings(
    random: np.random.Generator,
    scans: int,
    share: float,
    found: float,
    above: float,
    ious: Sequence[float],
    false_alarms: float = 1.0,
) -> list[ClassMatches]:
    """The same detections matched at each IoU; that of a box on its item is even between .5 and 1. false_alarms: boxes
    a scan that are on nothing, in the mean."""
    holds = random.random(scans) < share
    on_items = np.flatnonzero(holds & (random.random(scans) < found))
    misses = np.repeat(np.arange(scans), random.poisson(false_alarms, scans))
    scores = np.concatenate([random.normal(above, 1, len(on_items)), random.normal(size=len(misses))])
    overlaps = np.concatenate([random.uniform(0.5, 1, len(on_items)), np.zeros(len(misses))])
    order = np.argsort(-scores, kind="stable")
    everywhere = ClassMatches(
        scores=scores[order].astype(np.float32),
        hits=np.zeros(len(scores), bool),
        scans=np.concatenate([on_items, misses])[order],
        boxes_xyxy=np.zeros((len(scores), 4), np.float32),
        boxes_per_scan=holds.astype(np.int64),
        annotated=np.ones(scans, bool),
    )
    return [replace(everywhere, hits=overlaps[order] >= iou) for iou in ious]


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="How often 95 % intervals hold the truth.")
    options.add_argument("--times", type=int, default=400, help="drawings of each case")
    print("| | truth | mean measured | interval holds the truth | truth lies below it |\n|---|---|---|---|---|")
    for row in coverages(options.parse_args().times):
        held, below = describe_rate(row.held), describe_rate(row.below)
        print(f"| {row.case} | {row.truth:.3f} | {row.mean:.3f} | {held} | {below} |", flush=True)
