"""How far scores are from probabilities: D-ECE, the detection expected calibration error.

Kueppers et al. 2020, "Multivariate Confidence Calibration for Object Detection", arXiv 2004.13546: detections are
binned, by confidence alone or by confidence and the box's centre or size (relative to the scan), and

    D-ECE = sum over bins of |share of hits in the bin - mean confidence in the bin| * detections in the bin / all.

Bins are of equal width: 20 of confidence alone, all of which count, and 8 a dimension with centre or size, where one
with fewer than 8 detections is left out, of the sum and of "all", as the authors do: most would hold one. A detection
is a hit when it is matched at IoU .5; those of classes that were not looked for are no evidence.

Most boxes of a detector score next to nothing and rarely hit. They fill the first bin and make any D-ECE look small, so
the figure is given twice: of everything listed, and of detections from `CONFIDENT` on, which are those that matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.datasets.coco_index import CocoIndex
from training.evaluation.intervals import (
    Draws,
    Interval,
    clopper_pearson,
    group_draws,
    group_numbers,
    middle_of,
    reflected,
)
from training.evaluation.matching import ClassMatches

CONFIDENT = 0.3
#: Bins: of confidence alone, and a dimension when two more are added; fewest detections in one of the latter.
_BINS, _BINS_OF_THREE = 20, 8
_LEAST_IN_BIN = 8
#: Fewest detections for an interval: resamples of a handful hardly differ, and would say that nothing is uncertain.
_LEAST_JUDGED = 20
#: Of the reliability picture.
_PICTURE_BINS = 10
_RESAMPLES = 200


@dataclass(frozen=True)
class Judged:
    """n detections with what became of them.

    scores: (n,). hits: (n,) bool. scans: (n,) position in the index. centres, sizes: (n, 2) shares of width and height.
    """

    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]
    scans: NDArray[np.int64]
    centres: NDArray[np.float64]
    sizes: NDArray[np.float64]

    def __getitem__(self, rows: NDArray[np.bool_]) -> Judged:
        return Judged(self.scores[rows], self.hits[rows], self.scans[rows], self.centres[rows], self.sizes[rows])


@dataclass(frozen=True)
class CalibrationError:
    """D-ECE of n detections: by confidence, with its 95 % interval by group, freed of what chance adds, so that it may
    lie below the D-ECE itself; with the box's centre; with its size.

    None where no bin holds enough detections. if_calibrated: what chance alone gives with these scores and this n, the
    mean D-ECE of hits drawn with the scores as probabilities; a measured D-ECE near it cannot be told from perfect.
    shift: mean score less share of hits, above 0 when overconfident.
    """

    n: int
    d_ece: float | None
    interval: Interval | None
    if_calibrated: float | None
    d_ece_centre: float | None
    d_ece_size: float | None
    shift: float | None


@dataclass(frozen=True)
class ReliabilityBin:
    """One bin of the reliability picture: n detections, their mean score, the share that hits, its exact interval."""

    n: int
    mean_score: float
    hit_share: float
    interval: Interval


@dataclass(frozen=True)
class Calibration:
    """listed: everything above the pipeline's floor; confident: from CONFIDENT on; classes: confident, by class."""

    listed: CalibrationError
    confident: CalibrationError
    classes: dict[str, CalibrationError]
    bins: tuple[ReliabilityBin, ...]
    confident_from: float = CONFIDENT


def measure_calibration(index: CocoIndex, matches: Mapping[str, ClassMatches], seed: int = 0) -> Calibration:
    """Of the detections of a split, all classes together and each alone. matches: of `match_all`."""
    judged = {name: judge(index, found) for name, found in matches.items()}
    every = _together(list(judged.values()))
    draws = group_draws(group_numbers(index), _RESAMPLES, seed)
    return Calibration(
        listed=calibration_error(every, draws),
        confident=calibration_error(every[every.scores >= CONFIDENT], draws),
        classes={name: calibration_error(one[one.scores >= CONFIDENT], draws) for name, one in judged.items()},
        bins=reliability(every),
    )


def judge(index: CocoIndex, found: ClassMatches) -> Judged:
    """The detections of one class, with boxes relative to their scans."""
    sides = np.array([(scan.width, scan.height) for scan in index.scans], np.float64).reshape(-1, 2)[found.scans]
    boxes = found.boxes_xyxy.astype(np.float64)
    return Judged(
        found.scores.astype(np.float64),
        found.hits,
        found.scans,
        (boxes[:, :2] + boxes[:, 2:]) / 2 / sides,
        (boxes[:, 2:] - boxes[:, :2]) / sides,
    )


def calibration_error(judged: Judged, draws: Draws) -> CalibrationError:
    """draws: (B, S) of `group_draws`, for the interval."""
    if not len(judged.scores):
        return CalibrationError(0, None, None, None, None, None, None)
    cells = bin_cells(judged.scores[:, None], _BINS)
    measured = d_ece(judged.scores, judged.hits, cells)
    resampled = np.array([d_ece(judged.scores, judged.hits, cells, weights=row[judged.scans]) for row in draws])
    chance = _by_chance(judged, cells, len(draws))
    return CalibrationError(
        n=len(judged.scores),
        d_ece=_known(measured),
        interval=_interval(measured, resampled, chance, judged.hits) if len(judged.scores) >= _LEAST_JUDGED else None,
        if_calibrated=_known(float(np.mean(chance))),
        d_ece_centre=_with_box(judged, judged.centres),
        d_ece_size=_with_box(judged, judged.sizes),
        shift=float(judged.scores.mean() - judged.hits.mean()),
    )


def d_ece(
    scores: NDArray[np.float64],
    hits: NDArray[np.bool_],
    cells: NDArray[np.int64],
    least: int = 1,
    weights: NDArray[np.int64] | None = None,
) -> float:
    """The sum over cells with at least `least` detections; nan if there is none.

    cells: (n,) the bin of each detection. weights: (n,) how often each was drawn; None for once.
    """
    drawn = np.ones(len(scores)) if weights is None else weights.astype(np.float64)
    inside = np.bincount(cells, drawn)
    gaps = np.abs(np.bincount(cells, drawn * (hits - scores)))
    filled = inside >= least
    return float(gaps[filled].sum() / inside[filled].sum()) if filled.any() else float("nan")


def bin_cells(values: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """(n, d) values in 0..1 -> (n,) number of the equal-width cell that each row falls into."""
    places = np.clip((values * bins).astype(np.int64), 0, bins - 1)
    cells: NDArray[np.int64] = places @ (bins ** np.arange(values.shape[1]))
    return cells


def reliability(judged: Judged) -> tuple[ReliabilityBin, ...]:
    """The bins of the reliability picture that hold a detection, lowest scores first."""
    cells = bin_cells(judged.scores[:, None], _PICTURE_BINS)
    rows = []
    for number in np.unique(cells):
        inside = judged[cells == number]
        hits, count = int(inside.hits.sum()), len(inside.hits)
        rows.append(ReliabilityBin(count, float(inside.scores.mean()), hits / count, clopper_pearson(hits, count)))
    return tuple(rows)


def _interval(
    measured: float, resampled: NDArray[np.float64], chance: NDArray[np.float64], hits: NDArray[np.bool_]
) -> Interval | None:
    """Chance taken off by reflection; from 0 to all that resamples reach where perfect scores give as much in one case
    of twenty, as reflection would then leave next to nothing. Resamples that all agree, as where every box is a hit,
    are no certainty: then as wide as the exact interval of the share of hits."""
    middle = middle_of(resampled)
    if middle is not None and middle[0] == middle[1]:
        low, high = clopper_pearson(int(hits.sum()), len(hits))
        return max(0.0, measured - (hits.mean() - low)), min(1.0, measured + max(hits.mean() - low, high - hits.mean()))
    if middle is None or measured > np.percentile(chance, 95):
        return reflected(measured, resampled)
    return 0.0, middle[1]


def _by_chance(judged: Judged, cells: NDArray[np.int64], times: int) -> NDArray[np.float64]:
    """D-ECE of perfect scores: of hits drawn with the scores as probabilities."""
    random = np.random.default_rng(0)
    return np.array([d_ece(judged.scores, random.random(len(cells)) < judged.scores, cells) for _ in range(times)])


def _with_box(judged: Judged, box: NDArray[np.float64]) -> float | None:
    cells = bin_cells(np.hstack([judged.scores[:, None], box]), _BINS_OF_THREE)
    return _known(d_ece(judged.scores, judged.hits, cells, _LEAST_IN_BIN))


def _together(parts: list[Judged]) -> Judged:
    fields = ("scores", "hits", "scans", "centres", "sizes")
    return Judged(*(np.concatenate([getattr(part, field) for part in parts]) for field in fields))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
