"""Budgets of false alarms: which classes share one, the scans that it is counted on, and what is said of it.

The first budget is that of the truly clean scans. Classes without such scans have budgets of their own, on scans that
hold other things: there an alarm is false when its class is not in the scan. They keep the same share on the clean
scans too, although nobody looked for them there: these are the station's ordinary traffic, and a network that was never
told what its other sources do not hold fires there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detector.detections import Detections
from training.datasets.coco_index import CocoIndex
from training.evaluation.average_precision import LEAST_BOXES
from training.evaluation.operating_curve import allowed_alarms
from training.evaluation.scan_scores import classes_with_clean_scans, is_clean

#: A class joins a budget when so many scans were looked through for it in vain, unless fewer allow a false alarm; in
#: fewer without one, any score would pass.
_LEAST_ABSENT = 20

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


def budgets_of(index: CocoIndex) -> Iterator[Budget]:
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


def false_scores(index: CocoIndex, aligned: Sequence[Detections], budget: Budget) -> Float64:
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


def unlooked_scores(index: CocoIndex, aligned: Sequence[Detections], budget: Budget) -> Float64:
    """(rows, C) the same in the clean scans that nobody looked through for these classes."""
    return false_scores(index, aligned, replace(budget, rows=budget.unlooked))


def decides(budget: Budget, pfa: float) -> bool:
    """Whether its scans are enough to choose thresholds by."""
    scans = len(budget.rows)
    return allowed_alarms(scans, pfa) >= 1 or scans >= _LEAST_ABSENT


def _best_of_class(found: Detections, class_id: int) -> float:
    return float(found.scores[found.class_ids == class_id].max(initial=0.0))


def budget_words(index: CocoIndex, budget: Budget, pfa: float, alarms: int) -> str:
    """What was kept, for people. alarms: how many of the budget's scans alarm falsely at what was chosen."""
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
