"""No threshold is chosen that scores could not decide by, and none is said to keep what it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from detector.calibration import decidable
from tests.conftest import make_spec
from tests.training.test_calibration_fit import station_case
from tests.training.test_evaluation import BOX, ELSEWHERE, found_of, index_of, scan_of
from training.evaluation.alignment import align, intersection_over_union
from training.evaluation.scan_scores import ScoredScans
from training.evaluation.thresholds import choose_for_pd, choose_thresholds
from training.shipping.calibration_fit import calibrate_predictions
from training.shipping.operating_point import Wanted, choose_operating_point


def test_thresholds_stay_within_the_reach_of_each_class() -> None:
    index, found = station_case()
    reach = {"gun": (0.2, 1.0), "knife": (0.01, 0.1)}
    # Half of the clean scans may alarm, so that a gun would alarm from about .15; knives have no boxes to choose by.
    chosen = choose_thresholds(index, found, 0.5, 0.001, reach).thresholds
    assert chosen == {"gun": 0.2001, "knife": 0.0999}
    assert choose_thresholds(index, found, 0.5, 0.001).thresholds["gun"] < 0.2


def test_a_class_that_no_score_of_its_could_alarm_never_does() -> None:
    index, found = station_case()
    chosen = choose_thresholds(index, found, 0.5, 0.001, {"gun": (0.0001, 0.0007), "knife": (0.01, 0.01002)})
    assert chosen.thresholds == {"gun": 1.0, "knife": 1.0} and "gun, knife: never" in chosen.operating_point
    point = choose_for_pd(index, found, 0.9, 0.001, {"gun": (0.0001, 0.0007)})
    assert point.thresholds["gun"] == 1.0


def test_classes_of_other_scales_each_alarm_where_they_find_items() -> None:
    """Guns score tenfold what knives do, on items and elsewhere: one score for both would find no knife."""
    guns = [found_of(("gun", 0.6 + 0.01 * row, BOX)) for row in range(20)]
    knives = [found_of(("knife", 0.06 + 0.001 * row, BOX)) for row in range(20)]
    clean = [
        found_of(("gun", 0.5 - 0.005 * row, ELSEWHERE), ("knife", 0.05 - 0.0005 * row, ELSEWHERE)) for row in range(60)
    ]
    index = index_of(
        *(scan_of(("gun", BOX), annotated=("gun", "knife")) for _ in guns),
        *(scan_of(("knife", BOX), annotated=("gun", "knife")) for _ in knives),
        *(scan_of(annotated=("gun", "knife")) for _ in clean),
    )
    chosen = choose_thresholds(index, [*guns, *knives, *clean], 0.05, 0.001).thresholds
    assert 0.45 < chosen["gun"] <= 0.6 and 0.045 < chosen["knife"] <= 0.06


def test_a_wanted_pd_does_not_reach_below_what_is_looked_at() -> None:
    index, found = station_case()
    chosen = choose_for_pd(index, found, 0.9, 0.001, {"gun": (0.3, 1.0)})
    assert chosen.thresholds["gun"] == 0.3001 and chosen.reached == ()
    point = choose_operating_point(index, found, Wanted(pd=0.9), 0.001, {"gun": (0.2, 0.25)})
    assert point.thresholds["gun"] <= 0.25


@pytest.mark.parametrize("wanted", [Wanted(pfa=0.9), Wanted(pd=0.99)])
def test_what_calibrate_writes_is_taken_by_a_station(wanted: Wanted) -> None:
    index, found = station_case()
    # Guns score like mistakes: any threshold would do, down to the lowest.
    flat = [replace(one, scores=one.scores * 0 + one.scores.dtype.type(0.02)) for one in found]
    spec = calibrate_predictions(index, flat, make_spec(), wanted).spec
    for name, threshold in spec.thresholds.items():
        lowest, highest = decidable(spec.calibration[name])
        assert lowest < threshold <= highest


def test_equal_scores_alarm_together_when_f1_is_maximised() -> None:
    # A false alarm with the score of the items that are found: no threshold lies between them.
    index = index_of(*(scan_of(("gun", BOX)) for _ in range(13)))
    found = [found_of(("gun", 0.8, BOX), ("gun", 0.3, ELSEWHERE))] * 12 + [found_of(("gun", 0.8, ELSEWHERE))]
    assert choose_thresholds(index, found).thresholds["gun"] == pytest.approx(0.55, abs=1e-3)


@pytest.mark.parametrize("wanted", [Wanted(pfa=0.1), Wanted(pd=0.9)])
def test_the_cost_of_all_classes_takes_no_further_look_at_the_boxes(
    wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, found = station_case()
    looks: list[int] = []

    def counted(first: Any, second: Any) -> Any:
        looks.append(1)
        return intersection_over_union(first, second)

    monkeypatch.setattr("training.evaluation.scan_scores.intersection_over_union", counted)
    scored = ScoredScans.of(index, align(index, found))
    for class_ids in ((0,), (1,), (0, 1)):
        scored.of_classes(class_ids)
    assert len(looks) == len(index)
    # Once to choose for a Pd, once for what the choice costs.
    looks.clear()
    choose_operating_point(index, found, wanted)
    assert len(looks) == len(index) * (1 if wanted.pd is None else 2)


def test_a_budget_that_no_threshold_keeps_is_not_said_to_be_kept() -> None:
    index = index_of(*(scan_of() for _ in range(40)), *(scan_of(("gun", BOX)) for _ in range(12)))
    found = [found_of(("gun", 1.0, BOX))] * 6 + [found_of()] * 34 + [found_of(("gun", 1.0, BOX))] * 12
    chosen = choose_thresholds(index, found, 0.05)
    assert chosen.thresholds["gun"] == 1.0
    assert "no fewer than 6 of 40 clean validation scans alarm; 5.0% is not kept" in chosen.operating_point
