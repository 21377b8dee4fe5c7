"""The decision fails closed, follows the scores, and says why in words that agree with it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from detector.detections import Detections
from detector.errors import InferenceFailed, ScanUnreadable
from detector.inspection import Decision
from detector.policy import (
    decide,
    decisive,
    listed,
    refer,
    with_findings,
)
from detector.settings import EffectiveThresholds

CLASSES = ("gun", "knife", "wrench")
THRESHOLDS = EffectiveThresholds({"gun": 0.4, "knife": 0.45, "wrench": 0.6}, {"wrench": 0.3}, 0.1)
SEVERITY = {Decision.CLEAR: 0, Decision.REFER: 1, Decision.ALARM: 2}


def detections(*found: tuple[str, float], class_names: tuple[str, ...] = CLASSES) -> Detections:
    count = len(found)
    return Detections(
        np.tile(np.array([1, 2, 30, 40], np.float32), (count, 1)),
        np.array([score for _, score in found], np.float32),
        np.array([class_names.index(name) for name, _ in found], np.int64),
        np.zeros(count, np.int64),
        class_names,
    )


def test_an_alarm_names_each_class_once_the_strongest_first() -> None:
    found = detections(("knife", 0.5), ("gun", 0.93), ("gun", 0.41), ("gun", 0.2), ("wrench", 0.5))
    told = ("gun 0.93 >= 0.40 (2 boxes)", "knife 0.50 >= 0.45")
    # What reached its refer score is to be looked at, too.
    looked_at = "wrench 0.50 is below its alarm score 0.60 but >= 0.30: a person must look"
    assert decide(found, THRESHOLDS) == (Decision.ALARM, (*told, looked_at))
    assert decide(found[found.class_ids != found.class_names.index("wrench")], THRESHOLDS) == (Decision.ALARM, told)


def test_clear_names_the_highest_score() -> None:
    reasons = "no item reached its alarm score (highest: knife 0.12 < 0.45)"
    assert decide(detections(("knife", 0.12), ("gun", 0.1)), THRESHOLDS) == (Decision.CLEAR, (reasons,))
    assert decide(detections(), THRESHOLDS) == (
        Decision.CLEAR,
        ("no item reached its alarm score (nothing found)",),
    )


def test_between_refer_and_alarm_a_person_must_look() -> None:
    decision, reasons = decide(detections(("wrench", 0.5)), THRESHOLDS)
    assert decision is Decision.REFER
    assert reasons == ("wrench 0.50 is below its alarm score 0.60 but >= 0.30: a person must look",)
    assert decide(detections(("wrench", 0.29)), THRESHOLDS)[0] is Decision.CLEAR
    assert decide(detections(("wrench", 0.6)), THRESHOLDS)[0] is Decision.ALARM


@pytest.mark.parametrize("threshold", [0.4, 0.45, 0.1, 0.7, 0.123456789])
def test_a_score_at_its_threshold_alarms_in_either_precision(threshold: float) -> None:
    thresholds = EffectiveThresholds({"gun": threshold}, {}, 0.05)
    assert decide(detections(("gun", threshold), class_names=("gun",)), thresholds)[0] is Decision.ALARM
    below = float(np.nextafter(np.float32(threshold), np.float32(0)))
    assert decide(detections(("gun", below), class_names=("gun",)), thresholds)[0] is Decision.CLEAR


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        (0.3996, "gun 0.3996 < 0.4000"),
        (0.396, "gun 0.396 < 0.400"),
        (0.4004, "gun 0.4004 >= 0.4000"),
        (0.4, "gun 0.40 >= 0.40"),
    ],
)
def test_scores_near_the_threshold_get_the_digits_they_need(score: float, reason: str) -> None:
    assert reason in decide(detections(("gun", score)), THRESHOLDS)[1][0]


def test_random_scores_never_contradict_the_decision_or_its_words() -> None:
    generator = np.random.default_rng(1)
    for _ in range(1000):
        threshold = float(generator.uniform(0.01, 1))
        near = np.float32(threshold * (1 + generator.normal() * 10.0 ** -generator.integers(1, 8)))
        score = float(np.clip(near, 0, 1))
        thresholds = EffectiveThresholds({"gun": threshold}, {}, 0.05)
        decision, (reason,) = decide(detections(("gun", score), class_names=("gun",)), thresholds)
        told = re.search(r"gun ([\d.]+) (>=|<) ([\d.]+)", reason)
        assert told is not None
        left, relation, right = float(told[1]), told[2], float(told[3])
        assert (left >= right) if relation == ">=" else (left < right)
        assert (decision is Decision.ALARM) == (relation == ">=")
        assert not (score >= threshold and decision is not Decision.ALARM)


def random_found(generator: np.random.Generator) -> Detections:
    names = generator.choice(CLASSES, generator.integers(0, 6))
    return detections(*[(str(name), float(generator.uniform())) for name in names])


def test_a_higher_score_or_one_more_item_never_makes_the_decision_milder() -> None:
    generator = np.random.default_rng(2)
    for _ in range(500):
        found = random_found(generator)
        before = SEVERITY[decide(found, THRESHOLDS)[0]]
        raised = found.scores + generator.uniform(0, 1, len(found)).astype(np.float32) * (1 - found.scores)
        higher = Detections(found.boxes_xyxy, raised.clip(0, 1), found.class_ids, found.views, CLASSES)
        assert SEVERITY[decide(higher, THRESHOLDS)[0]] >= before
        more = Detections.concatenate([found, random_found(generator)], CLASSES)
        assert SEVERITY[decide(more, THRESHOLDS)[0]] >= before


def test_clear_exactly_when_nothing_is_decisive_and_what_decided_is_listed() -> None:
    generator = np.random.default_rng(3)
    strict = EffectiveThresholds(THRESHOLDS.alarm, THRESHOLDS.refer, 0.95)
    for _ in range(300):
        found = random_found(generator)
        reached = len(decisive(found, strict))
        assert (decide(found, strict)[0] is Decision.CLEAR) == (reached == 0)
        assert len(listed(found, strict)) >= reached
        assert decide(listed(found, strict), strict)[0] is decide(found, strict)[0]


def test_listed_is_sorted_and_floored() -> None:
    found = detections(("gun", 0.05), ("gun", 0.2), ("knife", 0.9), ("wrench", 0.1))
    assert listed(found, THRESHOLDS).scores.tolist() == pytest.approx([0.9, 0.2, 0.1])


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf"), -0.1, 1.1])
def test_scores_that_mean_nothing_are_never_clear(score: float) -> None:
    with pytest.raises(InferenceFailed):
        decide(detections(("gun", 0.9), ("knife", score)), THRESHOLDS)


def test_boxes_and_classes_that_mean_nothing_are_never_clear() -> None:
    good = detections(("gun", 0.1))
    for boxes, class_ids in (
        (good.boxes_xyxy * np.float32("nan"), good.class_ids),
        (good.boxes_xyxy, good.class_ids + 3),
        (good.boxes_xyxy, good.class_ids - 1),
    ):
        with pytest.raises(InferenceFailed):
            decide(Detections(boxes, good.scores, class_ids, good.views, CLASSES), THRESHOLDS)


def test_a_class_without_an_alarm_score_is_never_clear() -> None:
    with pytest.raises(InferenceFailed, match="saw"):
        decide(detections(class_names=("gun", "saw")), THRESHOLDS)


def test_an_error_refers_with_its_name_and_remedy() -> None:
    decision, reasons = refer(ScanUnreadable("bag.png: cut short", remedy="export it again"))
    assert (decision, reasons) == (Decision.REFER, ("ScanUnreadable: bag.png: cut short; export it again",))


@pytest.mark.parametrize("decision", list(Decision))
def test_doubts_only_take_away_a_clear_and_notes_are_always_told(decision: Decision) -> None:
    doubt, note = "the view's border is dark", "1 faulty detector line mended"
    after, reasons = with_findings((decision, ("found",)), (doubt,), (note,))
    if decision is Decision.CLEAR:
        assert (after, reasons) == (Decision.REFER, (doubt, note))
    else:
        assert (after, reasons) == (decision, ("found", doubt, note))
    assert with_findings((decision, ("found",)), (), (note,)) == (decision, ("found", note))
