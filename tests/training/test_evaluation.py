"""Average precision, matching, intervals, operating points and thresholds, on scans one can work out by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_coco_eval import COCO, COCOeval_faster

from detector.detections import Detections
from detector.doubts import unchosen_doubt
from detector.errors import SettingsInvalid
from detector.settings import Policy
from tests.conftest import make_spec
from training.datasets.coco_index import AnnotatedScan, CocoIndex, read_coco
from training.evaluation import matching
from training.evaluation.alignment import align, intersection_over_union, predict
from training.evaluation.average_precision import average_precision
from training.evaluation.document import document
from training.evaluation.error_kinds import ErrorKind
from training.evaluation.errors_found import find_errors
from training.evaluation.intervals import (
    Rate,
    bootstrap_precision,
    clopper_pearson,
    group_draws,
    group_numbers,
)
from training.evaluation.matching import match_all, match_class, resampled_precision
from training.evaluation.metrics import IOUS, evaluate
from training.evaluation.operating_curve import full_curve, last_alarm, operating_curve, rates_at, threshold_for
from training.evaluation.scan_scores import ScanScores, ScoredScans, classes_with_clean_scans, is_clean
from training.evaluation.thresholds import LEAST_THRESHOLD, choose_thresholds
from training.shipping.operating_point import Wanted, choose_operating_point, with_operating_point

NAMES = ("gun", "knife", "lighter")
#: Scans of one folder have names of their own.
_NUMBERS = count()
BOX, ELSEWHERE = (10.0, 10.0, 50.0, 50.0), (100.0, 100.0, 140.0, 140.0)
Row = tuple[str, tuple[float, float, float, float]]
ScoredRow = tuple[str, float, tuple[float, float, float, float]]


def scan_of(
    *items: Row, annotated: Sequence[str] = NAMES, ignored: Sequence[int] = (), source: str = "bench"
) -> AnnotatedScan:
    return AnnotatedScan(
        path=Path("scan.png"),
        width=200,
        height=200,
        source=source,
        boxes_xyxy=np.array([box for _, box in items], np.float32).reshape(-1, 4),
        class_ids=np.array([NAMES.index(name) for name, _ in items], np.int64),
        ignore=np.array([number in ignored for number in range(len(items))], bool),
        annotated=np.array([name in annotated for name in NAMES], bool),
        name=f"scan_{next(_NUMBERS)}.png",
    )


def found_of(*rows: ScoredRow, names: tuple[str, ...] = NAMES) -> Detections:
    return Detections(
        np.array([box for _, _, box in rows], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in rows], np.float32),
        np.array([names.index(name) for name, _, _ in rows], np.int64),
        np.zeros(len(rows), np.int64),
        names,
    )


def index_of(*scans: AnnotatedScan) -> CocoIndex:
    return CocoIndex(NAMES, scans)


def random_case(scans: int = 40, seed: int = 5, ignored: float = 0.1) -> tuple[CocoIndex, list[Detections]]:
    """Scans with crowds and second boxes, and predictions that are jittered truth plus false alarms."""
    random = np.random.default_rng(seed)
    truth, predictions = [], []
    for _ in range(scans):
        corners = random.uniform(0, 140, (random.integers(0, 5), 2))
        boxes = np.hstack([corners, corners + random.uniform(8, 60, corners.shape)]).astype(np.float32)
        classes = random.integers(0, 3, len(boxes))
        rows = [(NAMES[c], tuple(box)) for c, box in zip(classes, boxes.tolist(), strict=True)]
        truth.append(scan_of(*rows, ignored=np.flatnonzero(random.random(len(rows)) < ignored).tolist()))
        jittered = np.repeat(boxes, 2, axis=0) + random.normal(0, 4, (2 * len(boxes), 4)).astype(np.float32)
        jittered[:, 2:] = np.maximum(jittered[:, 2:], jittered[:, :2] + 2)
        found = [(NAMES[c], float(random.random()), tuple(b)) for c, b in zip(classes.repeat(2), jittered, strict=True)]
        found += [(NAMES[random.integers(3)], float(random.random()), ELSEWHERE) for _ in range(2)]
        predictions.append(found_of(*found))
    return index_of(*truth), predictions


def plain_coco(index: CocoIndex, predictions: list[Detections]) -> Any:
    """faster-coco-eval as its README has it, fed independently of the code under test: precision[T, R, K, A, M]."""
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for number, (scan, found) in enumerate(zip(index.scans, predictions, strict=True)):
        for (x1, y1, x2, y2), c, crowd in zip(scan.boxes_xyxy.tolist(), scan.class_ids, scan.ignore, strict=True):
            box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "iscrowd": int(crowd)}
            annotations.append({"id": len(annotations) + 1, "image_id": number, "category_id": int(c) + 1, **box})
        for (x1, y1, x2, y2), c, score in zip(found.boxes_xyxy.tolist(), found.class_ids, found.scores, strict=True):
            box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "score": float(score)}
            results.append({"image_id": number, "category_id": int(c) + 1, **box})
    images = [{"id": number, "width": 200, "height": 200} for number in range(len(index))]
    categories = [{"id": number + 1, "name": name} for number, name in enumerate(NAMES)]
    truth = COCO({"images": images, "annotations": annotations, "categories": categories})
    evaluation = COCOeval_faster(truth, truth.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval["precision"]


def test_equals_plain_coco_where_everything_is_annotated() -> None:
    index, predictions = random_case()
    precision = plain_coco(index, predictions)
    table = average_precision(index, align(index, predictions))
    for class_id, name in enumerate(NAMES):
        row = table.classes[name]
        assert pytest.approx(precision[:, :, class_id, 0, -1].mean(), abs=1e-12) == row.AP
        assert pytest.approx(precision[0, :, class_id, 0, -1].mean(), abs=1e-12) == row.AP50
        assert pytest.approx(precision[5, :, class_id, 0, -1].mean(), abs=1e-12) == row.AP75
        assert row.AP_medium == pytest.approx(precision[:, :, class_id, 2, -1].mean(), abs=1e-12)
    assert 0.05 < (table.mean.AP or 0.0) < (table.mean.AP50 or 0.0) < 0.95


@pytest.mark.parametrize("seed", range(4))
def test_own_matching_gives_the_same_average_precision(seed: int) -> None:
    index, predictions = random_case(seed=seed)
    aligned = align(index, predictions)
    table = average_precision(index, aligned)
    once = np.ones((1, len(index)), np.int64)
    matchings = [match_all(index, aligned, iou) for iou in IOUS]
    for name, row in table.classes.items():
        ap50, *_ = levels = [float(resampled_precision(matches[name], once)[0]) for matches in matchings]
        assert ap50 == pytest.approx(row.AP50, abs=1e-9)
        assert np.mean(levels) == pytest.approx(row.AP, abs=1e-9)
        assert matchings[0][name].boxes == row.n


def test_own_matching_leaves_out_what_was_not_looked_for_and_takes_the_last_of_equals() -> None:
    index = index_of(replace(scan_of(("gun", BOX), ("knife", BOX)), annotated=np.array([True, False, True])))
    aligned = align(index, [found_of(("gun", 0.9, BOX))])
    assert [match_class(index, aligned, c).boxes for c in range(2)] == [1, 0]
    assert matching.assign(np.array([[0.8, 0.8], [0.0, 0.7]])).tolist() == [1, -1]


def test_a_resample_equals_copies_of_the_scans() -> None:
    index, predictions = random_case(scans=12)
    rows = np.random.default_rng(1).integers(0, len(index), len(index))
    copied = index_of(*(index.scans[row] for row in rows))
    expected = average_precision(copied, align(copied, [predictions[row] for row in rows]))
    weights = np.bincount(rows, minlength=len(index))[None]
    for class_id, name in enumerate(NAMES):
        matches = match_class(index, align(index, predictions), class_id)
        assert resampled_precision(matches, weights)[0] == pytest.approx(expected.classes[name].AP50, abs=1e-9)


def test_resamples_worked_on_in_blocks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    index, predictions = random_case(scans=12)
    matches = match_class(index, align(index, predictions), 0)
    draws = group_draws(group_numbers(index), 7, 0)
    at_once = resampled_precision(matches, draws)
    monkeypatch.setattr(matching, "_MOST_CELLS", 3 * len(matches.scores))
    assert np.array_equal(at_once, resampled_precision(matches, draws), equal_nan=True)


def test_a_class_that_was_not_looked_for_is_no_false_alarm() -> None:
    # One gun, found at .5; a gun box at .9 on another scan. Looked for there, it halves the precision.
    found = [found_of(("gun", 0.5, BOX)), found_of(("gun", 0.9, BOX))]
    looked_for = index_of(scan_of(("gun", BOX)), scan_of())
    not_looked_for = index_of(scan_of(("gun", BOX)), scan_of(annotated=("knife",)))
    assert pytest.approx(0.5) == average_precision(looked_for, align(looked_for, found)).classes["gun"].AP50
    masked = average_precision(not_looked_for, align(not_looked_for, found))
    assert pytest.approx(1.0) == masked.classes["gun"].AP50
    assert masked.classes["knife"].AP50 is None


def test_classes_go_by_name_whatever_their_ids() -> None:
    index = index_of(scan_of(("knife", BOX)))
    other_order = found_of(("knife", 0.9, BOX), ("axe", 0.95, BOX), names=("axe", "lighter", "knife"))
    aligned = align(index, [other_order])
    assert [one.class_name for one in aligned[0]] == ["knife"]
    assert pytest.approx(1.0) == average_precision(index, aligned).classes["knife"].AP


def test_an_ignored_region_is_neither_hit_nor_false_alarm() -> None:
    index = index_of(scan_of(("gun", BOX), ("gun", ELSEWHERE), ignored=[1]))
    aligned = align(index, [found_of(("gun", 0.9, ELSEWHERE), ("gun", 0.5, BOX))])
    assert pytest.approx(1.0) == average_precision(index, aligned).classes["gun"].AP50
    matches = match_class(index, aligned, 0)
    assert matches.hits.tolist() == [True] and matches.boxes == 1
    assert find_errors(index, aligned, dict.fromkeys(NAMES, 0.3)).false_alarms == ()


def test_no_detections_at_all_score_zero() -> None:
    index = index_of(scan_of(("gun", BOX)))
    row = average_precision(index, align(index, [found_of()])).classes["gun"]
    assert (row.AP, row.AP50, row.AR) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_refuses_predictions_that_are_not_finite(value: float) -> None:
    with pytest.raises(SettingsInvalid, match="not finite"):
        align(index_of(scan_of()), [found_of(("gun", value, BOX))])


def test_refuses_a_missing_prediction_and_a_second_view() -> None:
    index = index_of(scan_of(), scan_of())
    with pytest.raises(SettingsInvalid, match="1 predictions for 2 scans"):
        predict(index, lambda paths: iter([found_of() for _ in paths[:1]]))
    second_view = found_of(("gun", 0.9, BOX))
    second_view.views[:] = 1
    with pytest.raises(SettingsInvalid, match="view 1"):
        align(index, [found_of(), second_view])


def test_overlap_by_hand() -> None:
    boxes = np.array([[0, 0, 10, 10]], np.float32)
    others = np.array([[0, 0, 10, 5], [5, 5, 15, 15], [20, 20, 30, 30]], np.float32)
    assert intersection_over_union(boxes, others)[0] == pytest.approx([0.5, 25 / 175, 0.0])


def test_exact_interval_of_the_literature() -> None:
    # Newcombe 1998, table I, method 5 (Clopper-Pearson): 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    assert clopper_pearson(81, 263) == pytest.approx((0.2527, 0.3676), abs=5e-5)
    assert clopper_pearson(15, 148) == pytest.approx((0.0578, 0.1617), abs=5e-5)
    assert clopper_pearson(0, 20) == pytest.approx((0.0, 0.1684), abs=5e-5)
    assert clopper_pearson(1, 29) == pytest.approx((0.0009, 0.1776), abs=5e-5)
    assert clopper_pearson(20, 20)[1] == 1.0


def test_scans_of_one_bag_widen_a_rate() -> None:
    happened = np.arange(40) < 20
    alone, bags = Rate.of(happened), Rate.of(happened, np.arange(40) // 10)
    assert (alone.count, alone.total, alone.value) == (bags.count, bags.total, bags.value) == (20, 40, 0.5)
    # Four bags that agree within themselves hold four outcomes, not forty.
    assert alone.interval is not None and bags.interval is not None
    assert bags.interval[0] < alone.interval[0] and bags.interval[1] > alone.interval[1]
    # Where all agree there is nothing to draw from, and bags are no surer than as many scans.
    for outcome in (np.zeros(40, bool), np.ones(40, bool)):
        exact, grouped = Rate.of(outcome).interval, Rate.of(outcome, np.arange(40) // 10).interval
        assert exact is not None and grouped is not None
        assert grouped[0] <= exact[0] and grouped[1] >= exact[1] and exact[0] < exact[1]
    assert Rate.of(np.zeros(0, bool)) == Rate(0, 0, None, None)
    assert Rate.of(happened, np.arange(40)).method == "Clopper-Pearson"


def test_groups_are_drawn_whole() -> None:
    index = index_of(*(replace(scan_of(), group=name) for name in ("a", "a", "b", "", "")))
    groups = group_numbers(index)
    assert groups[0] == groups[1] and len(set(groups.tolist())) == 4
    draws = group_draws(groups, 50, 0)
    assert (draws[:, 0] == draws[:, 1]).all() and (draws[:, 3] != draws[:, 4]).any()
    assert {int(row[1:].sum()) for row in draws} == {4}


def test_two_sources_may_call_a_bag_by_the_same_name() -> None:
    index = index_of(*(replace(scan_of(source=source), group="1") for source in ("north", "south", "north")))
    numbers = group_numbers(index).tolist()
    assert numbers[0] == numbers[2] != numbers[1]


def test_bootstrap_encloses_the_figure_and_repeats_with_its_seed() -> None:
    index, predictions = random_case(scans=60)
    aligned = align(index, predictions)
    matchings, groups = [match_all(index, aligned, iou) for iou in IOUS], group_numbers(index)
    means = average_precision(index, aligned).mean
    for figure, over in ((means.AP50, matchings[:1]), (means.AP, matchings)):
        first, again, other = (bootstrap_precision(over, NAMES, group_draws(groups, 100, seed)) for seed in (7, 7, 8))
        assert first == again
        assert first.mean != other.mean
        low, high = first.mean or (1.0, 0.0)
        assert low < (figure or 0.0) < high < low + 0.4


def clean_case() -> tuple[CocoIndex, list[Detections]]:
    """20 clean scans with gun scores .01 to .20, one scan with a gun, one with a knife, and one of another source."""
    scans = [scan_of(annotated=("gun", "knife")) for _ in range(20)]
    found = [found_of(("gun", 0.01 * (row + 1), BOX)) for row in range(20)]
    scans += [scan_of(("gun", BOX), annotated=("gun",)), scan_of(("knife", BOX), annotated=("knife",))]
    found += [found_of(("gun", 0.195, BOX)), found_of(("gun", 0.9, ELSEWHERE), ("knife", 0.05, BOX))]
    scans.append(scan_of(("lighter", BOX), annotated=("lighter",), source="other"))
    found.append(found_of(("gun", 0.99, BOX), ("lighter", 0.8, BOX)))
    return index_of(*scans), found


def test_classes_judged_on_clean_scans_come_from_the_data() -> None:
    index, _ = clean_case()
    assert [NAMES[class_id] for class_id in classes_with_clean_scans(index)] == ["gun", "knife"]
    assert classes_with_clean_scans(index_of(scan_of(("gun", BOX)))) == ()


def test_a_scan_with_an_item_that_the_weights_do_not_know_is_not_clean() -> None:
    index, found = clean_case()
    assert is_clean(index.scans[0], (0, 1)) and index.boxes_of_others() == {}
    others = replace(index, scans=tuple(replace(scan, of_others=("bottle", "bottle")) for scan in index.scans))
    assert classes_with_clean_scans(others) == () and not is_clean(others.scans[0], (0, 1))
    assert others.boxes_of_others() == {"bottle": 2 * len(index)}
    held = ScoredScans.of(index, align(index, found)).of_classes((0, 1)).clean
    one = replace(index, scans=(others.scans[0], *index.scans[1:]))
    assert ScoredScans.of(one, align(one, found)).of_classes((0, 1)).clean.sum() == held.sum() - 1


def test_boxes_of_classes_that_nobody_asked_for_are_counted_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").touch()
    image = {"id": 1, "file_name": "a.png", "width": 50, "height": 50}
    boxes = [{"id": n, "image_id": 1, "category_id": n % 2 + 1, "bbox": [1, 1, 9, 9]} for n in range(3)]
    categories = [{"id": 1, "name": "gun"}, {"id": 2, "name": "bottle"}]
    coco = {"images": [image], "annotations": boxes, "categories": categories}
    (tmp_path / "annotations" / "test.json").write_text(json.dumps(coco))
    assert read_coco(tmp_path, "test", ("gun",)).boxes_of_others() == {"bottle": 1}
    assert read_coco(tmp_path, "test", ("knife",)).boxes_of_others() == {"bottle": 1, "gun": 2}
    assert read_coco(tmp_path, "test").scans[0].of_others == ()


def test_pd_at_pfa_by_hand() -> None:
    index, found = clean_case()
    scores = ScoredScans.of(index, align(index, found)).of_classes(classes_with_clean_scans(index))
    curve = operating_curve(scores, targets=(0.05, 0.10, 0.15))
    too_few, two, three = curve.points
    assert (curve.clean_scans, curve.positive_scans) == (20, 2)
    assert too_few.rates is None and too_few.reason == "not measurable: needs >= 40 clean scans, has 20"
    # Two false alarms allowed: the threshold is the score of the second, .19, so both scans with an item alarm; the gun
    # box on the knife's scan is not on the knife.
    assert two.threshold == pytest.approx(0.19, abs=1e-6) and two.rates is not None and three.rates is not None
    assert (two.rates.pfa.count, two.rates.pfa.total) == (2, 20)
    assert (two.rates.pd_scan.value, two.rates.pd_localised.value) == (1.0, 0.5)
    assert two.rates.pd_localised_by_class["knife"].value == 0.0
    assert three.rates.pfa.count == 3


def test_a_score_on_its_threshold_is_an_alarm_everywhere_as_at_the_station() -> None:
    # .45 in single precision is less than in double.
    index = index_of(*(scan_of() for _ in range(20)), *(scan_of(("gun", BOX)) for _ in range(5)))
    found = [found_of(("gun", 0.45, BOX)) for _ in range(25)]
    measured = evaluate(index, found, dict.fromkeys(NAMES, 0.45))
    gun, rates = measured.at_thresholds.classes["gun"], measured.at_thresholds.rates
    assert rates is not None
    assert (gun.found.count, gun.pfa.count, rates.pfa.count, rates.pd_localised.count) == (5, 20, 20, 5)
    assert measured.errors.confusion[0, 0] == 5


def test_pd_of_a_class_asks_for_a_box_of_that_class() -> None:
    index = index_of(*(scan_of() for _ in range(20)), *(scan_of(("gun", BOX), ("knife", ELSEWHERE)) for _ in range(5)))
    found = [found_of() for _ in range(20)] + [found_of(("knife", 0.9, ELSEWHERE)) for _ in range(5)]
    scores = ScoredScans.of(index, align(index, found)).of_classes((0, 1))
    rates = rates_at(scores, 0.5)
    assert rates.pd_localised.value == 1.0, "an alarm on an item of the scan"
    assert {name: rate.value for name, rate in rates.pd_localised_by_class.items()} == {"gun": 0.0, "knife": 1.0}


def test_the_threshold_of_a_pfa_is_the_score_of_the_last_clean_scan_that_may_alarm() -> None:
    clean = np.array([0.9, 0.6, 0.6, 0.2, 0.1, 0.0])
    # Never the lowest threshold that would do: what lies between two clean scans belongs to nobody.
    assert [last_alarm(clean, allowed) for allowed in (1, 3, 4)] == [0.9, 0.6, 0.2]
    assert last_alarm(clean, 2) == 0.9, "two of the same score cannot be told apart"
    assert last_alarm(clean, 0) == np.nextafter(0.9, np.inf)
    assert last_alarm(clean, 5) == 0.1, "the last scan with a box, as nothing below it was seen"
    assert 0 < last_alarm(clean, 6) < 1e-30, "any box may alarm, a scan without one cannot"


def test_the_drawn_curve_holds_the_points_that_are_chosen() -> None:
    random = np.random.default_rng(4)
    highest = np.round(random.random(60), 1)
    clean = np.arange(60) < 30
    scores = ScanScores(
        ("gun",), highest, 0.9 * highest[:, None], clean, ~clean, ~clean[:, None], ("s",) * 60, np.arange(60)
    )
    drawn = set(zip(*(values.tolist() for values in full_curve(scores)), strict=True))
    for allowed in range(30):
        rates = rates_at(scores, last_alarm(highest[clean], allowed))
        assert (rates.pfa.value, rates.pd_scan.value, rates.pd_localised.value) in drawn
    assert full_curve(scores)[0][0] == 0, "it begins without a false alarm"


def test_equal_clean_scores_never_exceed_the_false_alarms_allowed() -> None:
    clean = np.array([0.5, 0.5, 0.5, 0.1])
    assert (clean >= threshold_for(clean, 2)).sum() == 0
    assert (clean >= threshold_for(clean, 3)).sum() == 3


def test_thresholds_keep_to_the_budget_and_cover_every_class() -> None:
    index, found = clean_case()
    chosen = choose_thresholds(index, found, pfa=0.10)
    assert set(chosen.thresholds) == set(NAMES)
    assert all(LEAST_THRESHOLD <= value <= 1 for value in chosen.thresholds.values())
    scores = ScoredScans.of(index, align(index, found)).of_classes((0, 1), chosen.thresholds)
    assert rates_at(scores, 1.0).pfa.count <= 2
    assert chosen.thresholds["gun"] < 0.195, "the budget must be used: the gun can be found within it"
    assert "at most 2 of 20 clean validation scans" in chosen.operating_point
    assert "lighter: median of the other classes, having fewer than 10 boxes" in chosen.operating_point


def test_without_clean_scans_the_threshold_maximises_f1() -> None:
    # Ten lighters found at .6, and ten false alarms at .4: F1 is best between the two.
    index = index_of(*(scan_of(("lighter", BOX), annotated=("lighter",)) for _ in range(10)))
    found = [found_of(("lighter", 0.6, BOX), ("lighter", 0.4, ELSEWHERE)) for _ in range(10)]
    chosen = choose_thresholds(index, found)
    assert chosen.thresholds["lighter"] == pytest.approx(0.5, abs=2e-4)
    assert chosen.thresholds["gun"] == chosen.thresholds["lighter"], "no box of it: the median of the others"
    alone = choose_thresholds(index_of(scan_of(("gun", BOX))), [found_of(("gun", 0.6, BOX))])
    assert "gun, knife, lighter: 0.5, as for every class, having fewer than 10 boxes" in alone.operating_point


def test_thresholds_that_no_scan_decided_are_nobodys_choice_and_clear_nothing() -> None:
    spec = make_spec(class_names=NAMES, thresholds=dict.fromkeys(NAMES, 0.5))
    index, found = index_of(scan_of(("gun", BOX))), [found_of(("gun", 0.6, BOX))]
    point = choose_operating_point(index, found, Wanted(pfa=0.05))
    assert not point.by_scans and "no alarm score could be chosen on these scans" in point.operating_point
    assert with_operating_point(spec, point, index).chosen_on == ""
    # Nor does a network that finds none of many boxes choose anything.
    many = index_of(*(scan_of(("gun", BOX), annotated=("gun",)) for _ in range(10)))
    blind = choose_thresholds(many, [found_of(("gun", 0.6, ELSEWHERE)) for _ in range(10)])
    assert not blind.by_scans and blind.thresholds["gun"] == 0.5
    seeing = choose_thresholds(many, [found_of(("gun", 0.6, BOX)) for _ in range(10)])
    half = with_operating_point(spec, seeing, many)
    assert seeing.by_scans and half.chosen_on and half.unchosen == ("knife", "lighter")
    assert "until a policy gives an alarm score" in half.operating_point
    assert unchosen_doubt(half, Policy(alarm={"knife": 0.3})).startswith("no scan decided the alarm score of lighter")
    assert unchosen_doubt(half, Policy(alarm={"knife": 0.3, "lighter": 0.3})) == ""


def test_a_class_without_clean_scans_has_a_budget_where_it_is_absent() -> None:
    # Lighters were looked for in 60 scans, none of them empty; 40 hold a knife and no lighter.
    both = ("knife", "lighter")
    scans = [scan_of(("knife", ELSEWHERE), annotated=both) for _ in range(40)]
    scans += [scan_of(("lighter", BOX), ("knife", ELSEWHERE), annotated=both) for _ in range(20)]
    found = [found_of(("lighter", 0.01 * row + 0.1, BOX)) for row in range(40)]
    found += [found_of(("lighter", 0.9, BOX)) for _ in range(20)]
    chosen = choose_thresholds(index_of(*scans), found, pfa=0.1)
    # 4 of the 40 may alarm; the knife is in every scan and has no scan to make a false alarm on.
    assert sum(0.01 * row + 0.1 >= chosen.thresholds["lighter"] for row in range(40)) == 4
    assert "lighter: at most 4 of 40 validation scans alarm for one of them that they do not hold" in (
        chosen.operating_point
    )
    assert "gun, knife: median of the other classes, having fewer than 10 boxes or none that is found" in (
        chosen.operating_point
    )


def test_a_pfa_that_the_clean_scans_cannot_support_lets_none_of_them_alarm() -> None:
    # Each class is scored on clean scans up to its own highest, and best F1 would let half of them alarm.
    clean = [found_of(("gun", 0.003 * row, BOX), ("knife", 0.002 * row, BOX)) for row in range(100)]
    held = [found_of(("gun", 0.25 + 0.01 * row, BOX), ("knife", 0.25, ELSEWHERE)) for row in range(20)]
    items = [scan_of(("gun", BOX), ("knife", ELSEWHERE)) for _ in range(20)]
    index, found = index_of(*(scan_of() for _ in clean), *items), clean + held
    chosen = choose_thresholds(index, found, pfa=0.004)
    assert chosen.thresholds["gun"] == pytest.approx(0.297, abs=2e-4)
    assert chosen.thresholds["knife"] == pytest.approx(0.198, abs=2e-4), "classes that share nothing are not scaled"
    scores = ScoredScans.of(index, align(index, found)).of_classes((0, 1), chosen.thresholds)
    assert rates_at(scores, 1.0).pfa.count == 0
    assert "no alarm on any of 100 clean validation scans; Pfa 0.4% would need >= 250" in chosen.operating_point
    assert "F1" not in chosen.operating_point
    none = choose_thresholds(index, found, pfa=0)
    assert none.thresholds == chosen.thresholds and "would need" not in none.operating_point
    # A score of 1 alarms at any threshold, and must not be told away.
    certain = [found_of(("gun", 1.0, BOX)), *found[1:]]
    assert "alarms on no fewer than 1 of 100" in choose_thresholds(index, certain, pfa=0.004).operating_point
    point = choose_operating_point(index, found, Wanted(pfa=0.004))
    assert point.together is not None and (point.together.pfa.count, point.together.pfa.total) == (0, 100)


def test_a_handful_of_clean_scans_does_not_decide_by_their_silence() -> None:
    clean = [found_of(("gun", 0.06, BOX)) for _ in range(5)]
    held = [found_of(("gun", 0.6, BOX), ("gun", 0.4, ELSEWHERE)) for _ in range(20)]
    index = index_of(*(scan_of() for _ in clean), *(scan_of(("gun", BOX)) for _ in held))
    chosen = choose_thresholds(index, clean + held, pfa=0.01)
    assert chosen.thresholds["gun"] == pytest.approx(0.5, abs=2e-4) and "gun: best F1" in chosen.operating_point


def test_without_any_box_there_is_still_a_threshold() -> None:
    index = index_of(scan_of(annotated=()), scan_of(("gun", BOX), annotated=("gun",)))
    assert set(choose_thresholds(index, [found_of(), found_of()]).thresholds) == set(NAMES)


def test_errors_are_told_apart() -> None:
    index = index_of(scan_of(("gun", BOX), ("knife", ELSEWHERE), annotated=("gun", "knife")), scan_of())
    near = (10.0, 10.0, 30.0, 30.0)
    first = found_of(
        ("gun", 0.9, BOX),
        ("gun", 0.8, (11.0, 10.0, 50.0, 50.0)),
        ("gun", 0.7, ELSEWHERE),
        ("gun", 0.6, near),
        ("lighter", 0.95, BOX),
        ("knife", 0.2, ELSEWHERE),
    )
    errors = find_errors(index, align(index, [first, found_of(("lighter", 0.5, BOX))]), dict.fromkeys(NAMES, 0.4))
    kinds = [(alarm.class_name, alarm.kind) for alarm in errors.false_alarms]
    assert kinds == [
        ("gun", ErrorKind.DUPLICATE),
        ("gun", ErrorKind.CLASS),
        ("gun", ErrorKind.LOCATION),
        ("lighter", ErrorKind.BACKGROUND),
    ]
    assert errors.false_alarms[-1].on_clean and not errors.false_alarms[0].on_clean
    assert [(miss.class_name, round(miss.best_score, 3)) for miss in errors.misses] == [("knife", 0.2)]
    # Truth by row, alarms by column; the last row is nothing there, the last column missed.
    assert errors.confusion.tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [2, 0, 1, 0]]


def test_a_box_on_an_ignored_region_is_excused_whatever_else_lies_there() -> None:
    ignored = scan_of(("knife", BOX), ("gun", BOX), annotated=("gun", "knife"))
    ignored = replace(ignored, ignore=np.array([False, True]))
    index = index_of(ignored)
    found = [found_of(("gun", 0.9, BOX), ("lighter", 0.5, BOX))]
    everything = index_of(replace(ignored, annotated=np.ones(3, bool)))
    for truth, alarms in ((index, 0), (everything, 1)):
        errors = find_errors(truth, align(truth, found), dict.fromkeys(NAMES, 0.4))
        assert len(errors.false_alarms) == alarms and [miss.class_name for miss in errors.misses] == ["knife"]
        # What is left is taken for the item that the excused box would have hidden.
        assert all(alarm.kind is ErrorKind.CLASS for alarm in errors.false_alarms)


def test_evaluate_puts_it_together() -> None:
    index, found = clean_case()
    metrics = evaluate(index, found, {"gun": 0.1, "knife": 0.04, "lighter": 0.5})
    assert metrics.scans == 23 and metrics.boxes == 3
    assert metrics.at_thresholds.classes["gun"].found.count == 1
    assert metrics.at_thresholds.classes["gun"].false_alarms == 11
    assert metrics.at_thresholds.rates is not None and metrics.at_thresholds.rates.pfa.count == 11
    sources = metrics.parts["sources"]
    assert set(sources) == {"bench", "other"} and sources["other"].scans == 1
    contents = document(metrics)
    assert set(contents["classes"]["gun"]) >= {"n", "AP", "AP50"}
    assert {"AP", "AP50", "classes", "pd_at_pfa"} <= contents.keys()


def test_evaluate_refuses_what_it_cannot_judge() -> None:
    index, found = clean_case()
    with pytest.raises(SettingsInvalid, match="no threshold for knife, lighter"):
        evaluate(index, found, {"gun": 0.5})
    with pytest.raises(SettingsInvalid, match="no scans"):
        evaluate(index_of(), [], dict.fromkeys(NAMES, 0.5))


def test_a_class_that_nobody_looked_for_in_clean_scans_spares_them_all_the_same() -> None:
    """Its own source has 40 scans without it; on the clean scans of another the network fires at will."""
    both = ("knife", "lighter")
    scans = [scan_of(("knife", ELSEWHERE), annotated=both) for _ in range(40)]
    scans += [scan_of(("lighter", BOX), ("knife", ELSEWHERE), annotated=both) for _ in range(20)]
    found = [found_of(("lighter", 0.06, BOX)) for _ in range(40)] + [found_of(("lighter", 0.9, BOX)) for _ in range(20)]
    clean = [scan_of(annotated=("gun",)) for _ in range(40)]
    loud = [found_of(("lighter", 0.3 + 0.01 * row, BOX)) for row in range(40)]
    alone = choose_thresholds(index_of(*scans), found, pfa=0.05)
    assert alone.thresholds["lighter"] < 0.2 and "nobody looked" not in alone.operating_point
    chosen = choose_thresholds(index_of(*scans, *clean), found + loud, pfa=0.05)
    assert 0.67 < chosen.thresholds["lighter"] <= 0.69
    assert "and 2 of 40 clean ones, where nobody looked for them" in chosen.operating_point


def test_a_class_of_few_boxes_is_chosen_by_its_false_alarms() -> None:
    both = ("knife", "lighter")
    scans = [scan_of(("knife", ELSEWHERE), annotated=both) for _ in range(40)]
    scans += [scan_of(("lighter", BOX), ("knife", ELSEWHERE), annotated=both) for _ in range(3)]
    found = [found_of(("lighter", 0.01 * row + 0.1, BOX)) for row in range(40)] + [found_of()] * 3
    chosen = choose_thresholds(index_of(*scans), found, pfa=0.1)
    assert sum(0.01 * row + 0.1 >= chosen.thresholds["lighter"] for row in range(40)) == 4
