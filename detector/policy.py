"""From what was found to one decision a scan, with the reasons in words.

    >>> decide(detections, thresholds)
    (<Decision.ALARM: 'ALARM'>, ('gun 0.93 >= 0.40',))
    >>> refer(ScanUnreadable("bag.png: cut short"))[0]
    <Decision.REFER: 'REFER'>

Scores are float32, so they are compared with the float32 nearest to the threshold: 0.45 from the network is then not
below a 0.45 from a file. That comparison alarms on everything which the exact one would, and on that tie besides.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import numpy as np

from detector.detections import Detections
from detector.errors import InferenceFailed, RoentgateError
from detector.inspection import Decision
from detector.settings import EffectiveThresholds

Verdict = tuple[Decision, tuple[str, ...]]


def decide(detections: Detections, thresholds: EffectiveThresholds) -> Verdict:
    """ALARM when any class reaches its alarm score, else REFER when any reaches its refer score, else CLEAR. Reasons
    name every class that reached either.

    Give it everything the network found, before `listed`. Raises InferenceFailed for numbers or classes that nothing
    can be concluded from, so that they never become CLEAR.
    """
    _refuse_nonsense(detections, thresholds)
    strongest = list(_strongest_by_class(detections))
    alarms = tuple(
        _alarm_reason(name, scores, thresholds.alarm[name])
        for name, scores in strongest
        if scores[0] >= np.float32(thresholds.alarm[name])
    )
    refers = tuple(
        _refer_reason(name, scores[0], thresholds)
        for name, scores in strongest
        if np.float32(thresholds.decisive(name)) <= scores[0] < np.float32(thresholds.alarm[name])
    )
    if alarms:
        return Decision.ALARM, (*alarms, *refers)
    if refers:
        return Decision.REFER, refers
    return Decision.CLEAR, (_clear_reason(strongest, thresholds),)


def with_findings(verdict: Verdict, doubts: tuple[str, ...], notes: tuple[str, ...]) -> Verdict:
    """The verdict on what was found, with what was found out about the scan itself: doubts keep it from being CLEAR
    and are told beside what else decided, notes only tell."""
    decision, reasons = verdict
    if decision is Decision.CLEAR and doubts:
        decision, reasons = Decision.REFER, doubts
    elif doubts:
        reasons = (*reasons, *doubts)
    return decision, (*reasons, *notes)


def refer(error: RoentgateError) -> Verdict:
    """REFER, with a reason that starts with the error's name and ends with what to do."""
    return Decision.REFER, ("; ".join(part for part in (error.reason(), error.remedy) if part),)


def decisive(detections: Detections, thresholds: EffectiveThresholds) -> Detections:
    """The detections that keep the scan from being CLEAR: at or above their class's alarm or refer score."""
    floors = np.array([thresholds.decisive(name) for name in detections.class_names], np.float32)
    return detections[detections.scores >= floors[detections.class_ids]]


def listed(detections: Detections, thresholds: EffectiveThresholds) -> Detections:
    """The detections that a result lists, highest score first: from min_score, and all that made the decision."""
    floors = np.array([thresholds.listed_from(name) for name in detections.class_names], np.float32)
    return detections[detections.scores >= floors[detections.class_ids]].sorted_by_score()


def told_score(name: str, score: float | np.float32, thresholds: EffectiveThresholds) -> str:
    """A score for people, as the reasons tell it: with as many digits as show on which side of its thresholds it is."""
    alarm = thresholds.alarm[name]
    below = np.float32(score) < np.float32(alarm) and name in thresholds.refer
    return tell_apart(score, alarm, *([thresholds.refer[name]] if below else []))[0]


def _refuse_nonsense(detections: Detections, thresholds: EffectiveThresholds) -> None:
    scores, class_ids = detections.scores, detections.class_ids
    if not np.isfinite(scores).all() or not np.isfinite(detections.boxes_xyxy).all():
        raise InferenceFailed("the network returned scores or boxes that are not finite")
    if ((scores < 0) | (scores > 1)).any():
        raise InferenceFailed(f"the network returned scores outside 0..1: {scores.min():g}..{scores.max():g}")
    if ((class_ids < 0) | (class_ids >= len(detections.class_names))).any():
        raise InferenceFailed("the network returned a class that the weights do not name")
    missing = [name for name in detections.class_names if name not in thresholds.alarm]
    if missing:
        raise InferenceFailed(f"no alarm score is set for {', '.join(missing)}")


def _strongest_by_class(detections: Detections) -> Iterator[tuple[str, list[np.float32]]]:
    """(class, its scores from the highest down), the class with the highest score first."""
    scores: dict[str, list[np.float32]] = {}
    ranked = detections.sorted_by_score()
    for class_id, score in zip(ranked.class_ids, ranked.scores, strict=True):
        scores.setdefault(ranked.class_names[class_id], []).append(np.float32(score))
    yield from scores.items()


def _alarm_reason(name: str, scores: list[np.float32], alarm: float) -> str:
    boxes = sum(1 for score in scores if score >= np.float32(alarm))
    score, threshold = tell_apart(scores[0], alarm)
    return f"{name} {score} >= {threshold}" + (f" ({boxes} boxes)" if boxes > 1 else "")


def _refer_reason(name: str, score: np.float32, thresholds: EffectiveThresholds) -> str:
    told, floor, alarm = tell_apart(score, thresholds.refer[name], thresholds.alarm[name])
    return f"{name} {told} is below its alarm score {alarm} but >= {floor}: a person must look"


def _clear_reason(strongest: list[tuple[str, list[np.float32]]], thresholds: EffectiveThresholds) -> str:
    if not strongest:
        return "no item reached its alarm score (nothing found)"
    name, scores = strongest[0]
    score, threshold = tell_apart(scores[0], thresholds.alarm[name])
    return f"no item reached its alarm score (highest: {name} {score} < {threshold})"


def tell_apart(*values: float | np.float32) -> tuple[str, ...]:
    """The values as decimals, with two digits or as many as it takes that those which differ print differently.

    Each is read as the shortest decimal of its float32, the precision in which they are compared.
    """
    exact = [Decimal(str(np.float32(value))) for value in values]
    digits = 2
    while True:
        told = tuple(f"{value:.{digits}f}" for value in exact)
        # Rounding keeps the order, so what stays distinct also stays in order.
        if len(set(told)) == len(set(exact)):
            return told
        digits += 1
