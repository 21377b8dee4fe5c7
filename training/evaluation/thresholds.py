"""Chooses the score at which each class alarms, on validation scans: for a wanted Pfa, or for a wanted Pd.

For a Pfa, classes that were looked for in the same scans share one budget of false alarms. Several shapes of thresholds
are tried, from the same score for every class to the same share of false alarms for every class; each is scaled until
it just meets the budget, and the one that finds most items stays. The first budget is that of the truly clean scans.
Classes without such scans have budgets of their own, on scans that hold other things: there an alarm is false when its
class is not in the scan. They keep the same share on the clean scans too, although nobody looked for them there: these
are the station's ordinary traffic, and a network that was never told what its other sources do not hold fires there.
Where too few such scans are to allow a single false alarm, classes take the lowest score at which none of them alarms;
where there are hardly any, the score with the best F1.

For a Pd, each class takes the highest score at which so many of the scans that hold it have a box of it on the item.

`reach` bounds every choice: class -> the probabilities that its calibration gives the lowest score that is looked at
and the highest there is (`detector.calibration.decidable`). A threshold outside them could not decide as it says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from detector.detections import Detections
from training.datasets.coco_index import CocoIndex
from training.evaluation.alignment import align
from training.evaluation.average_precision import LEAST_BOXES
from training.evaluation.intervals import Draws
from training.evaluation.matching import ClassMatches, match_all, match_class
from training.evaluation.operating_curve import (
    allowed_alarms,
    classes_with_clean_scans,
    is_clean,
    score_scans,
    threshold_for,
    wanted_finds,
)

#: Below this a score says nothing; a class that never alarmed by mistake on a few dozen clean scans would else get it.
LEAST_THRESHOLD, MOST_THRESHOLD = 0.05, 1.0
#: The same for probabilities: of a thousand such boxes one is right.
LEAST_PROBABILITY = 0.001
#: When no class at all has enough boxes to choose by.
_FALLBACK = 0.5
#: A class joins a budget when so many scans were looked through for it in vain, unless fewer allow a false alarm; in
#: fewer without one, any score would pass.
_LEAST_ABSENT = 20
#: From one score for all classes (0) to an equal share of false alarms for each (1).
_SHAPES = (0.0, 0.25, 0.5, 0.75, 1.0)
#: Thresholds are rounded up to this step, so that what is printed is what is applied.
_STEP = 1e-4

#: class -> the lowest and the highest score that can decide; a class that is not named has no bounds of its own.
Reach = Mapping[str, tuple[float, float]]
_ANY_REACH: Reach = MappingProxyType({})


Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Budget:
    """Classes that share a number of false alarms. rows: scans where all of them were looked for, as positions.

    clean: the scans hold none of the classes; otherwise an alarm counts only where its class is absent. unlooked: clean
    scans that were not looked through for these classes, where each alarm counts as false.
    """

    class_ids: tuple[int, ...]
    rows: tuple[int, ...]
    clean: bool
    unlooked: tuple[int, ...] = ()


@dataclass(frozen=True)
class ChosenThresholds:
    """thresholds: every class, in (0, 1]. operating_point: how they were chosen, for people.

    budgets: those of a wanted Pfa. reached: the classes whose threshold a wanted Pd decided.
    """

    thresholds: dict[str, float]
    operating_point: str
    budgets: tuple[Budget, ...] = ()
    reached: tuple[str, ...] = ()


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
    limits_of = _limits(index, least, reach)
    aligned = align(index, predictions)
    matches = match_all(index, aligned)
    budgets = tuple(budget for budget in _budgets(index) if _decides(budget, pfa))
    chosen: dict[str, float] = {}
    words: list[str] = []
    for budget in budgets:
        bounds, scores = limits_of[list(budget.class_ids)], false_scores(index, aligned, budget)
        hits, beside = _class_hits(index, matches, budget), _unlooked_scores(index, aligned, budget)
        limits = _within_both(scores, beside, hits, Allowed(pfa, least, reach), bounds)
        chosen |= {index.class_names[c]: float(value) for c, value in zip(budget.class_ids, limits, strict=True)}
        words.append(_budget_words(index, budget, pfa, alarms=int((scores >= limits).any(axis=1).sum())))
        if len(beside):
            words[-1] += (
                f", and {int((beside >= limits).any(axis=1).sum())} of {len(beside)} clean ones, unlooked for them"
            )
    rest = [name for name, found in matches.items() if name not in chosen and found.boxes >= LEAST_BOXES]
    chosen |= {name: _best_f1(matches[name], limits_of[index.class_names.index(name)]) for name in rest}
    if rest:
        words.append(f"{', '.join(rest)}: best F1, as too few scans without them were checked for them")
    return _completed(index, ChosenThresholds(chosen, "; ".join(words), budgets), limits_of)


def _decides(budget: Budget, pfa: float) -> bool:
    scans = len(budget.rows)
    return allowed_alarms(scans, pfa) >= 1 or scans >= _LEAST_ABSENT


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
    aligned, limits_of = align(index, predictions), _limits(index, least, reach)
    chosen, reached, short = {}, [], []
    for class_id, (name, boxes) in enumerate(index.boxes_per_class().items()):
        scores = score_scans(index, aligned, (class_id,))
        on_items = scores.localised[scores.positive]
        if boxes < LEAST_BOXES or not len(on_items):
            continue
        lowest = float(np.sort(on_items)[::-1][wanted_finds(len(on_items), pd) - 1])
        bounds = limits_of[class_id]
        chosen[name] = round(float(np.clip(_round_down(lowest), *bounds)), 6)
        if lowest >= chosen[name]:
            reached.append(name)
        else:
            own = f" from {chosen[name]:g}" if chosen[name] > least else ""
            short.append(f"{name} ({(on_items >= chosen[name]).mean():.1%}{own})")
    words = []
    if reached:
        words.append(f"{', '.join(reached)}: a box on the item in {pd:.1%} of the validation scans that hold it")
    if short:
        words.append(f"{', '.join(short)}: {pd:.1%} is not reached at any score from {least:g}")
    return _completed(index, ChosenThresholds(chosen, "; ".join(words), reached=tuple(reached)), limits_of)


def _limits(index: CocoIndex, least: float, reach: Reach) -> Float64:
    """(C, 2) the lowest and the highest threshold of every class, in steps that lie within its reach."""
    bounds = np.tile([least, MOST_THRESHOLD], (len(index.class_names), 1))
    for class_id, name in enumerate(index.class_names):
        if name in reach:
            lowest, highest = reach[name]
            bounds[class_id, 0] = max(least, _round_up(lowest))
            bounds[class_id, 1] = max(bounds[class_id, 0], _round_down(highest))
    return bounds


def _completed(index: CocoIndex, chosen: ChosenThresholds, limits_of: Float64) -> ChosenThresholds:
    """With the classes that have too few boxes to choose by."""
    known, words = chosen.thresholds, [chosen.operating_point] if chosen.operating_point else []
    rare = [name for name in index.class_names if name not in known]
    middle = float(np.median(list(known.values()))) if known else _FALLBACK
    if rare:
        words = [*words, f"{', '.join(rare)}: median of the other classes, having fewer than {LEAST_BOXES} boxes"]
    thresholds = {
        name: known[name] if name in known else round(float(np.clip(middle, *bounds)), 6)
        for name, bounds in zip(index.class_names, limits_of, strict=True)
    }
    return replace(chosen, thresholds=thresholds, operating_point="; ".join(words))


def _budgets(index: CocoIndex) -> Iterator[Budget]:
    """The clean scans' budget, then one for each largest set of further classes that were looked for together.

    False alarms need no boxes: those with too few boxes to be measured share a budget, apart from the others, whose
    thresholds they must not decide.
    """
    judged, ordinary = classes_with_clean_scans(index), tuple[int, ...]()
    if judged:
        rows = tuple(row for row, scan in enumerate(index.scans) if is_clean(scan, judged))
        yield Budget(judged, rows, clean=True)
        ordinary = tuple(row for row in rows if not len(index.scans[row].class_ids))
    annotated = np.array([scan.annotated for scan in index.scans], bool).reshape(len(index), -1)
    absent = annotated & ~np.array([np.isin(range(annotated.shape[1]), scan.class_ids) for scan in index.scans])
    boxes = list(index.boxes_per_class().values())
    further = [
        class_id
        for class_id in range(annotated.shape[1])
        if class_id not in judged and absent[:, class_id].sum() >= _LEAST_ABSENT
    ]
    for frequent in (True, False):
        rest = [class_id for class_id in further if (boxes[class_id] >= LEAST_BOXES) is frequent]
        while rest:
            masks = np.unique(annotated[:, rest], axis=0)
            pairs = [int((annotated[:, rest] | ~mask).all(axis=1).sum() * mask.sum()) for mask in masks]
            together = np.array(rest)[masks[int(np.argmax(pairs))]].tolist()
            looked_for = annotated[:, together].all(axis=1) & absent[:, together].any(axis=1)
            unlooked = tuple(row for row in ordinary if not annotated[row, together].any())
            yield Budget(tuple(together), tuple(np.flatnonzero(looked_for).tolist()), clean=False, unlooked=unlooked)
            rest = [class_id for class_id in rest if class_id not in together]


def false_scores(index: CocoIndex, aligned: Sequence[Detections], budget: Budget) -> NDArray[np.float64]:
    """(rows, C) the best score of each class in each of the budget's scans, 0 where the scan holds the class."""
    return np.array(
        [
            [
                0.0 if class_id in index.scans[row].class_ids else _best_of_class(aligned[row], class_id)
                for class_id in budget.class_ids
            ]
            for row in budget.rows
        ],
        np.float64,
    ).reshape(len(budget.rows), len(budget.class_ids))


def _unlooked_scores(index: CocoIndex, aligned: Sequence[Detections], budget: Budget) -> Float64:
    return false_scores(index, aligned, replace(budget, rows=budget.unlooked))


@dataclass(frozen=True)
class Allowed:
    """What a choice of thresholds is held to: the share of false alarms, and the bounds of `choose_thresholds`."""

    pfa: float
    least: float
    reach: Reach


def redrawn_limits(
    index: CocoIndex, aligned: Sequence[Detections], budget: Budget, draws: Draws, allowed: Allowed
) -> dict[str, NDArray[np.float64]]:
    """class -> (B,) the threshold that each resample of the budget's scans would have chosen; nan without any scan.

    draws: (B, S) over all scans of the index.
    """
    bounds = _limits(index, allowed.least, allowed.reach)[list(budget.class_ids)]
    scores, beside = false_scores(index, aligned, budget), _unlooked_scores(index, aligned, budget)
    names = [index.class_names[class_id] for class_id in budget.class_ids]
    hits = _class_hits(
        index, {name: match_class(index, aligned, index.class_names.index(name)) for name in names}, budget
    )
    limits = np.full((len(draws), len(names)), np.nan)
    for number, (drawn, also) in enumerate(
        zip(draws[:, list(budget.rows)], draws[:, list(budget.unlooked)], strict=True)
    ):
        if drawn.any():
            redrawn = np.repeat(scores, drawn, axis=0), np.repeat(beside, also, axis=0)
            limits[number] = _within_both(*redrawn, hits, allowed, bounds)
    return dict(zip(names, limits.T, strict=True))


@dataclass(frozen=True)
class _ClassHits:
    """The scores of the boxes that are on items of a class, and how many items there are."""

    scores: NDArray[np.float32]
    items: int


def _class_hits(index: CocoIndex, matches: Mapping[str, ClassMatches], budget: Budget) -> list[_ClassHits]:
    found = [matches[index.class_names[class_id]] for class_id in budget.class_ids]
    return [_ClassHits(one.scores[one.hits], one.boxes) for one in found]


def _within_both(
    scores: Float64, beside: Float64, hits: Sequence[_ClassHits], allowed: Allowed, bounds: Float64
) -> Float64:
    """Thresholds (C,) that keep the share of false alarms in a budget's scans and in the clean ones beside them."""
    limits = _within(scores, hits, allowed.pfa, bounds)
    return np.maximum(limits, _within(beside, hits, allowed.pfa, bounds)) if len(beside) else limits


def _within(scores: Float64, hits: Sequence[_ClassHits], pfa: float, bounds: Float64) -> Float64:
    """Thresholds (C,) that find most items within the budget. scores: (scans, C) of `false_scores`; bounds: (C, 2)."""
    allowed = allowed_alarms(len(scores), pfa)
    if not allowed:
        # Nothing is shared out: each class takes the lowest that none of the scans reaches.
        highest = scores.max(axis=0, initial=0.0)
        return np.array([_round_up(value, *limits) for value, limits in zip(highest, bounds, strict=True)])
    equal = _equal_share(scores, allowed, bounds)
    candidates = [_scaled(equal**shape, scores, allowed, bounds) for shape in _SHAPES]
    return candidates[int(np.argmax([_mean_recall(hits, candidate) for candidate in candidates]))]


def _best_of_class(found: Detections, class_id: int) -> float:
    return float(found.scores[found.class_ids == class_id].max(initial=0.0))


def _equal_share(scores: Float64, allowed: int, bounds: Float64) -> Float64:
    """Thresholds (C,) at which every class alarms on equally many scans, as many as the budget lets them.

    scores: (scans, C), the best score of each class.
    """
    for share in range(allowed, 0, -1):
        thresholds = _each_class(scores, share, bounds)
        if (scores >= thresholds).any(axis=1).sum() <= allowed:
            return thresholds
    return _each_class(scores, 0, bounds)


def _each_class(scores: Float64, share: int, bounds: Float64) -> Float64:
    each = np.array([threshold_for(column, share) for column in scores.T])
    clipped: Float64 = np.clip(each, *bounds.T)
    return clipped


def _scaled(shape: Float64, scores: Float64, allowed: int, bounds: Float64) -> Float64:
    """The shape times the smallest factor that keeps the scans with an alarm within the budget."""
    factor = threshold_for((scores / shape).max(axis=1), allowed)
    return np.array([_round_up(value, *limits) for value, limits in zip(shape * factor, bounds, strict=True)])


def _mean_recall(hits: Sequence[_ClassHits], thresholds: NDArray[np.float64]) -> float:
    """Mean over classes, so that the class with most boxes does not decide for the others."""
    recalls = [
        (one.scores >= threshold).sum() / one.items
        for one, threshold in zip(hits, thresholds, strict=True)
        if one.items
    ]
    return float(np.mean(recalls)) if recalls else 0.0


def _best_f1(found: ClassMatches, bounds: Float64) -> float:
    if not found.hits.any():
        return round(float(np.clip(_FALLBACK, *bounds)), 6)
    # F1 = 2 TP / (items + detections), at every score in turn.
    f1 = 2 * np.cumsum(found.hits) / (found.boxes + np.arange(1, len(found.hits) + 1))
    # Equal scores alarm together: no threshold lies between them.
    f1[:-1][np.diff(found.scores) == 0] = 0.0
    # Half way to the next lower score: the same alarms here, and no item on the very edge.
    best = int(np.argmax(f1))
    below = float(found.scores[best + 1]) if best + 1 < len(found.scores) else 0.0
    return _round_up((float(found.scores[best]) + below) / 2, *bounds)


def _round_up(value: float, least: float = 0.0, most: float = MOST_THRESHOLD) -> float:
    """The next step above value, within the limits."""
    # The small addition outweighs the rounding of a float32 score, which must not slip over its own threshold.
    steps = np.ceil(value / _STEP + 1e-3)
    return round(float(np.clip(steps * _STEP, max(least, _STEP), most)), 6)


def _round_down(value: float) -> float:
    """The next step below value: the score itself must still alarm."""
    return round(max(_STEP, float(np.floor(value / _STEP - 1e-3) * _STEP)), 6)


def _budget_words(index: CocoIndex, budget: Budget, pfa: float, alarms: int) -> str:
    """alarms: how many of the budget's scans alarm falsely at what was chosen."""
    together = ", ".join(index.class_names[class_id] for class_id in budget.class_ids)
    allowed, scans = allowed_alarms(len(budget.rows), pfa), len(budget.rows)
    if not allowed:
        which = "clean validation scans" if budget.clean else "validation scans for one of them that they do not hold"
        # At the highest threshold there is, a score of 1 still alarms.
        none = f"no alarm on any of {scans}" if not alarms else f"alarms on no fewer than {alarms} of {scans}"
        needed = f"; Pfa {pfa * 100:g}% would need >= {int(np.ceil((1 - 1e-9) / pfa))}" if pfa else ""
        return f"{together}: {none} {which}{needed}"
    if alarms > allowed:
        # They reach the highest threshold that there is.
        which = "clean validation scans alarm" if budget.clean else "validation scans alarm for one they do not hold"
        return f"{together}: no fewer than {alarms} of {scans} {which}; {pfa:.1%} is not kept at any threshold"
    if budget.clean:
        return f"{together}: at most {allowed} of {scans} clean validation scans alarm (Pfa <= {pfa:.1%})"
    return (
        f"{together}: at most {allowed} of {scans} validation scans alarm for one of them that they do not hold "
        f"(<= {pfa:.1%})"
    )
