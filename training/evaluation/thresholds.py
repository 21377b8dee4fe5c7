"""Chooses the score at which each class alarms, on validation scans: for a wanted Pfa, or for a wanted Pd.

For a Pfa, classes that were looked for in the same scans share one budget of false alarms (budgets.py), within which
the thresholds that find most items are sought (threshold_search.py). Where too few scans are to allow a single false
alarm, classes take the lowest score at which none of them alarms; where there are hardly any, the score with the best
F1.

For a Pd, each class takes the highest score at which so many of the scans that hold it have a box of it on the item.

`reach` bounds every choice: class -> the probabilities that its calibration gives the lowest score that is looked at
and the highest there is (`detector.calibration.decidable`). A threshold outside them could not decide as it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from detector.detections import Detections
from training.datasets.coco_index import CocoIndex
from training.evaluation.alignment import align
from training.evaluation.average_precision import LEAST_BOXES
from training.evaluation.budgets import Budget, budget_words, budgets_of, decides, false_scores, unlooked_scores
from training.evaluation.intervals import Draws, Rate, describe_rate
from training.evaluation.matching import ClassMatches, match_all, match_class
from training.evaluation.operating_curve import wanted_finds
from training.evaluation.scan_scores import ScoredScans
from training.evaluation.threshold_search import MOST_THRESHOLD, class_hits, round_down, round_up, within_budget

#: Below this a score says nothing; a class that never alarmed by mistake on a few dozen clean scans would else get it.
LEAST_THRESHOLD = 0.05
#: The same for probabilities: of a thousand such boxes one is right.
LEAST_PROBABILITY = 0.001
#: When no class at all has enough boxes to choose by; it is nobody's choice, and the station clears nothing by it.
_FALLBACK = 0.5

#: class -> the lowest and the highest score that can decide; a class that is not named has no bounds of its own.
Reach = Mapping[str, tuple[float, float]]
_ANY_REACH: Reach = MappingProxyType({})


Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class ChosenThresholds:
    """thresholds: every class, in (0, 1]. operating_point: how they were chosen, for people.

    budgets: those of a wanted Pfa. reached: the classes whose threshold a wanted Pd decided. by_scans: whether the
    scans decided any threshold at all. unchosen: classes whose threshold no scan decided: it is that of the others.
    """

    thresholds: dict[str, float]
    operating_point: str
    budgets: tuple[Budget, ...] = ()
    reached: tuple[str, ...] = ()
    by_scans: bool = True
    unchosen: tuple[str, ...] = ()


def choose_thresholds(
    index: CocoIndex,
    predictions: Sequence[Detections],
    pfa: float = 0.05,
    least: float = LEAST_THRESHOLD,
    reach: Reach = _ANY_REACH,
) -> ChosenThresholds:
    """Thresholds for all classes of `index`, which holds validation scans.

    pfa: the largest share of a budget's scans that may alarm falsely. least: no threshold is below it.
    """
    bounds_of = threshold_bounds(index, least, reach)
    aligned = align(index, predictions)
    matches = match_all(index, aligned)
    budgets = tuple(budget for budget in budgets_of(index) if decides(budget, pfa))
    chosen: dict[str, float] = {}
    words: list[str] = []
    for budget in budgets:
        bounds, scores = bounds_of[list(budget.class_ids)], false_scores(index, aligned, budget)
        hits, beside = class_hits(index, matches, budget), unlooked_scores(index, aligned, budget)
        thresholds = within_budget(scores, beside, hits, pfa, bounds)
        chosen |= {index.class_names[c]: float(value) for c, value in zip(budget.class_ids, thresholds, strict=True)}
        words.append(budget_words(index, budget, pfa, alarms=int((scores >= thresholds).any(axis=1).sum())))
        if len(beside):
            words[-1] += (
                f", and {int((beside >= thresholds).any(axis=1).sum())} of {len(beside)} clean ones, "
                "where nobody looked for them"
            )
    rest = [
        name
        for name, found in matches.items()
        if name not in chosen and found.boxes >= LEAST_BOXES and found.hits.any()
    ]
    chosen |= {name: _best_f1(matches[name], bounds_of[index.class_names.index(name)]) for name in rest}
    if rest:
        words.append(f"{', '.join(rest)}: best F1, as too few scans without them were checked for them")
    return _completed(index, ChosenThresholds(chosen, "; ".join(words), budgets), bounds_of)


def choose_for_pd(
    index: CocoIndex,
    predictions: Sequence[Detections],
    pd: float,
    least: float = LEAST_THRESHOLD,
    reach: Reach = _ANY_REACH,
) -> ChosenThresholds:
    """Thresholds at which a share `pd` of the scans that hold a class have a box of it on the item.

    A class that does not reach it takes `least`, and the sentence says so.
    """
    scored, bounds_of = ScoredScans.of(index, align(index, predictions)), threshold_bounds(index, least, reach)
    chosen: dict[str, float] = {}
    reached: dict[str, str] = {}
    short: list[str] = []
    for class_id, (name, boxes) in enumerate(index.boxes_per_class().items()):
        scores = scored.of_classes((class_id,))
        on_items = scores.localised[scores.positive]
        if boxes < LEAST_BOXES or not len(on_items):
            continue
        lowest = float(np.sort(on_items)[::-1][wanted_finds(len(on_items), pd) - 1])
        bounds = bounds_of[class_id]
        chosen[name] = round(float(np.clip(round_down(lowest), *bounds)), 6)
        found = f"{name} {describe_rate(Rate.of(on_items >= chosen[name], scores.groups[scores.positive]))}"
        if lowest >= chosen[name]:
            reached[name] = found
        else:
            short.append(f"{found} from {chosen[name]:g}" if chosen[name] > least else found)
    words = []
    if reached:
        told = ", ".join(reached.values())
        words.append(f"a box on the item in {pd:.1%} at least of the validation scans that hold it: {told}")
    if short:
        words.append(f"{pd:.1%} is not reached at any score from {least:g}: {', '.join(short)}")
    return _completed(index, ChosenThresholds(chosen, "; ".join(words), reached=tuple(reached)), bounds_of)


def threshold_bounds(index: CocoIndex, least: float, reach: Reach) -> Float64:
    """(C, 2) the lowest and the highest threshold of every class, in steps that lie within its reach; both 1 where
    none does."""
    bounds = np.tile([least, MOST_THRESHOLD], (len(index.class_names), 1))
    for class_id, name in enumerate(index.class_names):
        if name in reach:
            lowest, highest = max(least, round_up(reach[name][0])), round_down(reach[name][1])
            # Its boxes hit so seldom that none of them could decide: never, which a score of 1 says.
            bounds[class_id] = (lowest, highest) if lowest <= highest else (MOST_THRESHOLD, MOST_THRESHOLD)
    return bounds


def _completed(index: CocoIndex, chosen: ChosenThresholds, bounds_of: Float64) -> ChosenThresholds:
    """With the classes that have too few boxes to choose by."""
    known, words = chosen.thresholds, [chosen.operating_point] if chosen.operating_point else []
    rare = [name for name in index.class_names if name not in known]
    middle = float(np.median(list(known.values()))) if known else _FALLBACK
    if rare:
        taken = "median of the other classes" if known else f"{_FALLBACK:g}, as for every class"
        words = [*words, f"{', '.join(rare)}: {taken}, having fewer than {LEAST_BOXES} boxes or none that is found"]
        words[-1] += ", so that nothing is cleared until a policy gives an alarm score" if known else ""
    if not known:
        words = [*words, "no alarm score could be chosen on these scans: nothing is cleared"]
    thresholds = {
        name: known[name] if name in known else round(float(np.clip(middle, *bounds)), 6)
        for name, bounds in zip(index.class_names, bounds_of, strict=True)
    }
    never = [name for name, value in thresholds.items() if value >= MOST_THRESHOLD]
    if never:
        words = [*words, f"{', '.join(never)}: never, as none of their boxes can be told from a false alarm"]
    point = "; ".join(words)
    return replace(chosen, thresholds=thresholds, operating_point=point, by_scans=bool(known), unchosen=tuple(rare))


def redrawn_within_budget(
    index: CocoIndex, aligned: Sequence[Detections], budget: Budget, draws: Draws, pfa: float, bounds_of: Float64
) -> dict[str, Float64]:
    """class -> (B,) the threshold that each resample of the budget's scans would have chosen; nan without any scan.

    draws: (B, S) over all scans of the index. bounds_of: (C, 2) of `threshold_bounds`, over all classes of the index.
    """
    bounds = bounds_of[list(budget.class_ids)]
    scores, beside = false_scores(index, aligned, budget), unlooked_scores(index, aligned, budget)
    names = [index.class_names[class_id] for class_id in budget.class_ids]
    matches = {name: match_class(index, aligned, index.class_names.index(name)) for name in names}
    hits = class_hits(index, matches, budget)
    thresholds = np.full((len(draws), len(names)), np.nan)
    on_rows, on_unlooked = draws[:, list(budget.rows)], draws[:, list(budget.unlooked)]
    for number, (drawn, also) in enumerate(zip(on_rows, on_unlooked, strict=True)):
        if drawn.any():
            redrawn = np.repeat(scores, drawn, axis=0), np.repeat(beside, also, axis=0)
            thresholds[number] = within_budget(*redrawn, hits, pfa, bounds)
    return dict(zip(names, thresholds.T, strict=True))


def _best_f1(found: ClassMatches, bounds: Float64) -> float:
    # F1 = 2 TP / (items + detections), at every score in turn.
    f1 = 2 * np.cumsum(found.hits) / (found.boxes + np.arange(1, len(found.hits) + 1))
    # Equal scores alarm together: no threshold lies between them.
    f1[:-1][np.diff(found.scores) == 0] = 0.0
    # Half way to the next lower score: the same alarms here, and no item on the very edge.
    best = int(np.argmax(f1))
    below = float(found.scores[best + 1]) if best + 1 < len(found.scores) else 0.0
    return round_up((float(found.scores[best]) + below) / 2, *bounds)
