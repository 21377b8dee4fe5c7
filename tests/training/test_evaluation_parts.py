"""Sizes, subsets, per-class curves, FROC, D-ECE: on cases one can work out by hand."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from detector.detections import Detections
from tests.training.test_evaluation import BOX, ELSEWHERE, NAMES, found_of, index_of, random_case, scan_of
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.datasets.scanners import scanner_of
from training.evaluation.alignment import align
from training.evaluation.average_precision import average_precision, precision_by_area
from training.evaluation.breakdown import by_part, by_size, subset_of
from training.evaluation.calibration_error import (
    CalibrationError,
    Judged,
    bin_cells,
    calibration_error,
    d_ece,
    measure_calibration,
)
from training.evaluation.froc import froc, froc_points
from training.evaluation.interval_coverage import AP_CASES, OF_A_SIZE, ar_coverage, mean_ap_coverage
from training.evaluation.intervals import bootstrap_precision, clopper_pearson, group_draws, group_numbers
from training.evaluation.matching import match_all, match_class, resampled_precision, resampled_recall
from training.evaluation.metrics import IOUS, evaluate
from training.evaluation.operating_curve import (
    class_curves,
    operating_curve,
    pfa_at_pd,
    redrawn_thresholds,
    threshold_for,
)
from training.evaluation.scan_scores import ScoredScans

LEVELS = np.linspace(0.5, 0.95, 10)


def hard_case(seed: int) -> tuple[CocoIndex, list[Detections]]:
    """Crowds, equal scores, and more than 100 boxes of one class in a scan."""
    index, predictions = random_case(scans=8, seed=seed, ignored=0.25)
    random = np.random.default_rng(seed)
    crowded = []
    for found in predictions:
        rows = [(one.class_name, round(one.score, 1), one.box_xyxy) for one in found]
        corners = random.uniform(0, 160, (120, 2))
        rows += [("gun", round(float(random.random()), 1), (x, y, x + 30, y + 30)) for x, y in corners.tolist()]
        crowded.append(found_of(*rows))
    return index, crowded


def reference_ap(index: CocoIndex, predictions: list[Detections], class_id: int) -> NDArray[np.float64]:
    """AP at each IoU of COCO's published procedure, box by box in plain Python; compared with pycocotools by hand."""
    values = []
    for level in LEVELS:
        scored, items = [], 0
        for scan, found in zip(index.scans, predictions, strict=True):
            truth = [(box, bool(crowd)) for box, c, crowd in _rows(scan) if c == class_id]
            items += sum(not crowd for _, crowd in truth)
            scored += _match(truth, found, class_id, float(level))
        scored.sort(key=lambda row: -row[0])
        values.append(_interpolated([hit for _, hit in scored], items))
    return np.array(values)


def _rows(scan: AnnotatedScan) -> list[tuple[list[float], int, bool]]:
    return list(zip(scan.boxes_xyxy.tolist(), scan.class_ids.tolist(), scan.ignore.tolist(), strict=True))


def _match(truth: list[Any], found: Detections, class_id: int, level: float) -> list[tuple[float, bool]]:
    mine = sorted((one for one in found if one.class_name == NAMES[class_id]), key=lambda one: -one.score)[:100]
    # Items before crowds, as COCO sorts them.
    truth = sorted(truth, key=lambda row: row[1])
    taken: set[int] = set()
    scored = []
    for one in mine:
        best, place = min(level, 1 - 1e-10), -1
        for number, (box, crowd) in enumerate(truth):
            if number in taken and not crowd:
                continue
            if place >= 0 and not truth[place][1] and crowd:
                break
            overlap = _overlap(one.box_xyxy, box, crowd)
            if overlap >= best:
                best, place = overlap, number
        if place >= 0:
            taken.add(place)
        if place < 0 or not truth[place][1]:
            scored.append((one.score, place >= 0))
    return scored


def _overlap(a: Any, b: Any, crowd: bool) -> float:
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    first, second = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return float(shared / (first if crowd else first + second - shared))


def _interpolated(hits: list[bool], items: int) -> float:
    found, precision, recall = 0, [], []
    for number, hit in enumerate(hits, start=1):
        found += hit
        precision.append(found / number)
        recall.append(found / items)
    levels = [max((p for p, r in zip(precision, recall, strict=True) if r >= at), default=0.0) for at in _RECALLS]
    return float(np.mean(levels))


_RECALLS = np.linspace(0, 1, 101)


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_published_procedure_with_crowds_ties_and_many_boxes(seed: int) -> None:
    index, predictions = hard_case(seed)
    assert max(int((found.class_ids == 0).sum()) for found in predictions) > 100
    assert any(scan.ignore.any() for scan in index.scans)
    table = average_precision(index, align(index, predictions))
    for class_id, name in enumerate(NAMES):
        expected = reference_ap(index, predictions, class_id)
        assert pytest.approx(expected.mean(), abs=1e-9) == table.classes[name].AP
        assert pytest.approx(expected[0], abs=1e-9) == table.classes[name].AP50


def test_sizes_in_pixels_are_those_of_coco_and_shares_do_not_depend_on_pixels() -> None:
    index, predictions = random_case(scans=20)
    rows = by_size(index, align(index, predictions))
    table = average_precision(index, align(index, predictions))
    assert pytest.approx(table.mean.AP_medium, abs=1e-12) == rows[1].AP
    assert sum(row.n for row in rows[:3]) == table.mean.n == sum(row.n for row in rows[3:])
    twice = replace(
        index,
        scans=tuple(replace(s, width=400, height=400, boxes_xyxy=s.boxes_xyxy * 2) for s in index.scans),
    )
    doubled = [replace(found, boxes_xyxy=found.boxes_xyxy * 2) for found in predictions]
    again = by_size(twice, align(twice, doubled))
    assert [(row.n, row.AP50) for row in again[3:]] == [(row.n, row.AP50) for row in rows[3:]]
    assert [row.n for row in again[:3]] != [row.n for row in rows[:3]]


@pytest.mark.parametrize("seed", range(6))
def test_a_matching_of_one_size_gives_the_figure_of_coco_for_that_size(seed: int) -> None:
    index, predictions = hard_case(seed)
    aligned = align(index, predictions)
    bands = [(0.0, 900.0), (900.0, 1600.0), (1600.0, 1e10)]
    precision = precision_by_area(index, aligned, bands)
    compared = 0
    for column, band in enumerate(bands):
        for level, iou in enumerate(IOUS):
            for class_id, found in enumerate(match_all(index, aligned, iou, band).values()):
                if not found.boxes:
                    assert (precision[level, :, class_id, column] == -1).all()
                    continue
                (own,) = resampled_precision(found, np.ones((1, len(index)), np.int64))
                assert pytest.approx(precision[level, :, class_id, column].mean(), abs=1e-9) == own
                compared += 1
    assert compared > 20


def test_the_recall_that_is_resampled_is_that_of_coco_and_its_interval_holds_it() -> None:
    index, predictions = hard_case(3)
    aligned = align(index, predictions)
    metrics = evaluate(index, predictions, dict.fromkeys(NAMES, 0.5))
    once = np.ones((1, len(index)), np.int64)
    for class_id, name in enumerate(NAMES):
        levels = [resampled_recall(match_class(index, aligned, class_id, iou), once)[0] for iou in IOUS]
        measured, interval = metrics.table.classes[name].AR, metrics.AR_intervals.classes[name]
        assert measured == pytest.approx(np.mean(levels), abs=1e-9)
        assert interval is not None and 0 <= interval[0] <= measured <= interval[1] <= 1
    for row in metrics.sizes:
        assert (row.AP50 is None) == (row.AP50_interval is None) == (row.n == 0)
        assert row.AP50_interval is None or row.AP50_interval[0] <= (row.AP50 or 0) <= row.AP50_interval[1]


def test_a_share_counts_only_items_of_its_size() -> None:
    # A box of 40 x 40 in a scan of 200 x 200 is 4 % of it, one of 10 x 10 a quarter of a percent.
    index = index_of(scan_of(("gun", (0.0, 0.0, 50.0, 50.0)), ("gun", (100.0, 100.0, 110.0, 110.0))))
    found = [found_of(("gun", 0.9, (0.0, 0.0, 50.0, 50.0)))]
    rows = {row.band: row for row in by_size(index, align(index, found))}
    large, small = rows["above 4 %"], rows["under 1 % of the scan"]
    assert (large.n, large.AP50) == (1, pytest.approx(1.0)) and (small.n, small.AP50) == (1, 0.0)


def test_parts_by_subset_and_scanner() -> None:
    hidden = replace(scan_of(("gun", BOX), source="pidray"), subset="hidden")
    easy = replace(scan_of(("gun", BOX), source="pidray"), subset="easy", scanner="pidray/1")
    index = index_of(hidden, easy, scan_of(("gun", BOX)))
    aligned = align(index, [found_of(), found_of(("gun", 0.9, BOX)), found_of(("gun", 0.9, BOX))])
    parts = by_part(index, aligned, subset_of)
    assert {name: part.table.classes["gun"].AP50 for name, part in parts.items()} == {
        "pidray easy": pytest.approx(1.0),
        "pidray hidden": 0.0,
    }
    assert sorted(by_part(index, aligned, scanner_of)) == ["bench", "pidray", "pidray/1"]


def test_a_class_is_judged_on_scans_that_are_clean_for_it() -> None:
    # Knives everywhere: no scan is empty, but the guns have twenty scans without a gun.
    index = index_of(
        *(scan_of(("knife", BOX)) for _ in range(20)), *(scan_of(("gun", BOX), ("knife", BOX)) for _ in range(4))
    )
    found = [found_of(("gun", 0.025 * row, ELSEWHERE)) for row in range(20)]
    found += [found_of(("gun", score, BOX)) for score in (0.9, 0.8, 0.44, 0.1)]
    curve = class_curves(ScoredScans.of(index, align(index, found)))["gun"]
    assert (curve.clean_scans, curve.positive_scans) == (20, 4)
    tenth = curve.points[-1]
    assert tenth.rates is not None and (tenth.rates.pfa.count, tenth.rates.pd_localised.count) == (2, 2)
    assert curve.points[-2].reason == "not measurable: needs >= 40 clean scans, has 20"


def test_the_threshold_is_chosen_again_on_each_draw() -> None:
    scores = np.array([0.9, 0.8, 0.5, 0.5, 0.1])
    drawn = np.array([[1, 1, 1, 1, 1], [0, 2, 1, 1, 1], [0, 0, 3, 1, 1], [0, 0, 0, 0, 0]])
    thresholds = redrawn_thresholds(scores, drawn, 1)
    assert thresholds[0] == threshold_for(scores, 1)
    # The draw without the highest score, with the second twice: one alarm of five lets neither of the two through.
    assert thresholds[1] == np.nextafter(0.8, np.inf) and thresholds[2] == np.nextafter(0.5, np.inf)
    assert np.isnan(thresholds[3])


def test_a_draw_of_fewer_clean_scans_keeps_the_alarms_that_its_share_allows() -> None:
    # Two of forty may alarm: of thirty-nine drawn that is 1.95, of thirty it is 1.5, of twenty-nine 1.45.
    scores = np.linspace(0.9, 0.1, 40)
    drawn = np.array([[1] * count + [0] * (40 - count) for count in (40, 39, 30, 29)])
    expected = [np.nextafter(scores[row], np.inf) for row in (2, 2, 2, 1)]
    assert redrawn_thresholds(scores, drawn, 2).tolist() == expected


def test_a_resample_without_clean_scans_says_nothing_of_pd() -> None:
    index = index_of(*(replace(scan_of(), group="clean") for _ in range(40)), *(scan_of(("gun", BOX)),) * 40)
    found = [found_of(("gun", 0.2, ELSEWHERE))] * 40 + [found_of(("gun", 0.9, BOX))] * 40
    scores = ScoredScans.of(index, align(index, found)).of_classes((0,))
    point = operating_curve(scores, targets=(0.05,)).points[0]
    # In a draw in three the one bag of clean scans is not there. All guns are found whenever it is.
    assert point.rates is not None and point.rates.pd_scan.interval is not None
    assert point.rates.pd_scan.interval[0] > 0.9


def test_the_interval_of_pd_holds_the_chance_in_the_threshold() -> None:
    # Pd is .5 or 1 by whether the threshold lies above or below .5, which one clean scan of forty decides.
    clean = [scan_of() for _ in range(40)]
    index = index_of(*clean, *(scan_of(("gun", BOX)) for _ in range(40)))
    found = [found_of(("gun", 0.6 if row < 2 else 0.2, ELSEWHERE)) for row in range(40)]
    found += [found_of(("gun", 0.9 if row < 20 else 0.4, BOX)) for row in range(40)]
    scores = ScoredScans.of(index, align(index, found)).of_classes((0,))
    point = operating_curve(scores, targets=(0.05,)).points[0]
    assert point.rates is not None
    measured = point.rates.pd_localised
    assert measured.value == 0.5 and measured.interval is not None and measured.method.startswith("bootstrap")
    assert measured.interval[0] < 0.5 and measured.interval[1] == pytest.approx(1.0)


def test_froc_by_hand() -> None:
    index = index_of(scan_of(("gun", BOX)), scan_of(("gun", BOX)), scan_of(annotated=("knife",)))
    found = [found_of(("gun", 0.9, BOX), ("gun", 0.8, ELSEWHERE)), found_of(("gun", 0.7, BOX)), found_of()]
    curve = froc(match_all(index, align(index, found)))
    # Guns were looked for in two scans: one false alarm is half a false alarm a scan.
    assert curve.thresholds.tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert curve.false_alarms.tolist() == [0.0, 0.5, 0.5] and curve.found.tolist() == [0.5, 0.5, 1.0]
    points = {point.false_alarms_target: point for point in froc_points(curve)}
    assert points[0.1].found.count == 1 and points[0.5].found.count == 2 and points[0.5].found.total == 2


def test_froc_counts_false_alarms_of_a_class_without_an_item() -> None:
    index = index_of(scan_of(("gun", BOX)), scan_of(("gun", BOX)))
    found = [found_of(("gun", 0.7, BOX), ("knife", 0.9, ELSEWHERE)), found_of(("gun", 0.6, BOX))]
    curve = froc(match_all(index, align(index, found)))
    assert curve.false_alarms.tolist() == [0.5, 0.5, 0.5] and curve.found.tolist() == [0.0, 0.5, 1.0]
    assert [point.found.count for point in froc_points(curve)] == [0, 0, 0, 2, 2]


@pytest.mark.parametrize("scans", [20, 25, 40, 49])
def test_froc_allows_as_many_false_alarms_as_it_says(scans: int) -> None:
    # As many false alarms as scans, above the one hit: exactly one a scan, however fractions are rounded.
    index = index_of(scan_of(("gun", BOX)), *(scan_of(annotated=("gun",)) for _ in range(scans - 1)))
    found = [found_of(("gun", 0.3, BOX), ("gun", 0.9, ELSEWHERE))]
    found += [found_of(("gun", 0.9 - 0.01 * row, ELSEWHERE)) for row in range(1, scans)]
    curve = froc(match_all(index, align(index, found)), np.ones((1, scans), np.int64))
    point = froc_points(curve)[-1]
    assert (point.false_alarms_target, point.false_alarms, point.found.count) == (1.0, pytest.approx(1.0), 1)
    assert curve.redrawn[0, -1] == 1.0


def test_a_resample_without_an_item_says_nothing_of_froc() -> None:
    index = index_of(*(scan_of(("gun", BOX)) for _ in range(99)), scan_of())
    index = replace(index, scans=tuple(replace(s, group="guns" if len(s.class_ids) else "clean") for s in index.scans))
    found = [found_of(("gun", 0.9, BOX))] * 99 + [found_of(("gun", 0.95, ELSEWHERE))]
    matches = match_all(index, align(index, found))
    point = froc_points(froc(matches, group_draws(group_numbers(index), 200, 0)))[0]
    assert point.found.value == 1 and point.found.interval is not None and point.found.interval[0] > 0.9


def test_the_price_of_a_pd_holds_the_chance_in_the_threshold() -> None:
    # Twenty guns score .99 down to .80; one clean scan in two lies just below the score that finds nine in ten.
    index = index_of(*(scan_of(("gun", BOX)) for _ in range(20)), *(scan_of() for _ in range(40)))
    found = [found_of(("gun", 0.99 - 0.01 * row, BOX)) for row in range(20)]
    found += [found_of(("gun", 0.815 if row < 20 else 0.1, ELSEWHERE)) for row in range(40)]
    scores = ScoredScans.of(index, align(index, found)).of_classes((0,))
    price = pfa_at_pd(scores, 0.9)
    assert price is not None and price[0] == pytest.approx(0.82)
    assert (price[1].count, price[1].total) == (0, 40) and price[1].interval is not None
    assert price[1].interval[1] > 0.45
    silent = ScoredScans.of(index, align(index, [found_of()] * 3 + found[3:])).of_classes((0,))
    assert pfa_at_pd(silent, 0.9) is None
    assert pfa_at_pd(ScoredScans.of(index, align(index, [found_of()] * 60)).of_classes((1,)), 0.9) is None


def test_froc_doubts_the_threshold_that_it_chose() -> None:
    # One false alarm among twenty scans decides the threshold, and with it whether half of the items are found.
    clean = [scan_of(annotated=("gun",)) for _ in range(20)]
    index = index_of(*clean, *(scan_of(("gun", BOX)) for _ in range(40)))
    found = [found_of(("gun", 0.6 if row < 7 else 0.2, ELSEWHERE)) for row in range(20)]
    found += [found_of(("gun", 0.9 if row < 20 else 0.4, BOX)) for row in range(40)]
    matches = match_all(index, align(index, found))
    draws = group_draws(group_numbers(index), 400, 0)
    point = next(point for point in froc_points(froc(matches, draws)) if point.false_alarms_target == 0.1)
    assert point.found.value == 0.5 and point.found.interval is not None and point.found.interval[1] > 0.95
    bare = next(point for point in froc_points(froc(matches)) if point.false_alarms_target == 0.1)
    assert bare.found.interval is not None and bare.found.interval[1] < 0.7
    # A resample in which every scan is drawn once is the curve itself.
    once = froc(matches, np.ones((1, len(index)), np.int64))
    assert once.redrawn[0].tolist() == [point.found.value for point in froc_points(once)]


@pytest.mark.parametrize(("score", "where", "expected"), [(0.9, BOX, 1.0), (0.9, ELSEWHERE, 0.0)])
def test_three_boxes_prove_no_certainty(score: float, where: tuple[float, ...], expected: float) -> None:
    index = index_of(*(scan_of(("gun", BOX)) for _ in range(3)))
    matches = match_all(index, align(index, [found_of(("gun", score, where)) for _ in range(3)]))
    intervals = bootstrap_precision([matches], ("gun",), group_draws(np.arange(3), 100, 0))
    interval = intervals.classes["gun"]
    assert interval is not None and expected in interval
    assert intervals.mean == intervals.mean_of_frequent == pytest.approx(interval)
    assert interval == pytest.approx((0.2924, 1.0) if expected else (0.0, 0.7076), abs=1e-4)


def test_ap50_is_no_surer_than_a_rate_on_as_many_items_and_its_mean_than_classes_that_are_independent() -> None:
    found = [found_of(("gun", 0.9, BOX), ("knife", 0.8, BOX if row else ELSEWHERE)) for row in range(20)]
    index = index_of(*(scan_of(("gun", BOX), ("knife", BOX)) for _ in range(20)))
    intervals = bootstrap_precision([match_all(index, align(index, found))], (), group_draws(np.arange(20), 100, 0))
    gun, knife = intervals.classes["gun"], intervals.classes["knife"]
    # 20 of 20 and, for knives, a false alarm that stands first as often as any: AP50 within 19/20 of 19/20.
    assert gun == pytest.approx((0.8316, 1.0), abs=1e-4)
    assert knife is not None and knife[0] < clopper_pearson(19, 20)[0] < knife[1]
    assert intervals.mean is not None and gun is not None
    width = intervals.mean[1] - intervals.mean[0]
    assert max(gun[1] - gun[0], knife[1] - knife[0]) / 2 < width < (gun[1] - gun[0] + knife[1] - knife[0]) / 2


def test_the_interval_of_a_mean_ap_holds_the_truth_although_chance_lifts_ap() -> None:
    coverage = mean_ap_coverage(331, IOUS, times=60)
    assert coverage.mean > coverage.truth + 0.04
    assert coverage.held.count >= 55


def test_the_intervals_of_ar_and_of_ap50_by_size_hold_the_truth() -> None:
    recall = ar_coverage(AP_CASES[1], times=40)
    # The share found is measured without a lift: nothing is chosen.
    assert recall.mean == pytest.approx(recall.truth, abs=0.05) and recall.held.count >= 36
    of_size = mean_ap_coverage(331, IOUS[:1], times=15, share=OF_A_SIZE)
    assert "of one size" in of_size.case and of_size.held.count >= 13


def test_the_interval_of_d_ece_holds_the_truth() -> None:
    generator = np.random.default_rng(0)
    held = {0.0: 0, 0.15: 0}
    for shift, _ in itertools.product(held, range(40)):
        true = generator.uniform(0.3, 0.8, 300)
        hits = generator.random(300) < true
        judged = Judged(true + shift, hits, np.arange(300), np.zeros((300, 2)), np.zeros((300, 2)))
        error = calibration_error(judged, group_draws(np.arange(300), 100, 1))
        assert error.interval is not None and error.d_ece is not None
        # Scores are constant within no bin, so the truth is the shift up to a bin's width.
        held[shift] += error.interval[0] <= shift + 0.005 and error.interval[1] >= shift - 0.005
    assert held[0.0] >= 36 and held[0.15] >= 34


def test_a_d_ece_of_nothing_is_no_proof_of_none() -> None:
    half = Judged(np.full(50, 0.5), np.arange(50) < 25, np.arange(50), np.zeros((50, 2)), np.zeros((50, 2)))
    error = calibration_error(half, group_draws(np.arange(50), 200, 0))
    assert error.d_ece == pytest.approx(0) and error.interval is not None and error.interval[1] > 0.1


@pytest.mark.parametrize("hits", [True, False])
def test_an_interval_of_d_ece_needs_boxes_and_is_never_a_point(hits: bool) -> None:
    def error(count: int) -> CalibrationError:
        boxes = np.full((count, 2), 0.5)
        judged = Judged(np.full(count, float(hits)), np.full(count, hits), np.arange(count), boxes, boxes)
        return calibration_error(judged, group_draws(np.arange(count), 50, 0))

    assert error(19).interval is None and error(19).d_ece == 0
    measured = error(30).interval
    assert measured is not None and measured[0] == 0 and measured[1] == pytest.approx(1 - 0.8843, abs=1e-3)


def test_d_ece_by_hand() -> None:
    # 10 boxes at .95 of which 5 hit, 30 at .15 of which none does: (10 * .45 + 30 * .15) / 40.
    scores = np.array([0.95] * 10 + [0.15] * 30)
    hits = np.arange(40) < 5
    cells = bin_cells(scores[:, None], 20)
    assert d_ece(scores, hits, cells) == pytest.approx(0.225)
    # Seven more at .55 that all miss count where no bin is too small, and are left out where eight are asked for.
    more, few = np.append(scores, [0.55] * 7), np.append(hits, [False] * 7)
    assert d_ece(more, few, bin_cells(more[:, None], 20)) == pytest.approx((9 + 7 * 0.55) / 47)
    assert d_ece(more, few, bin_cells(more[:, None], 20), least=8) == pytest.approx(0.225)
    assert np.isnan(d_ece(scores[:3], hits[:3], cells[:3], least=8))


def test_calibration_counts_what_was_looked_for_and_says_what_chance_gives() -> None:
    scans = [scan_of(("gun", BOX), annotated=("gun",)) for _ in range(40)]
    found = [found_of(("gun", 0.75, BOX if row < 30 else ELSEWHERE), ("knife", 0.9, BOX)) for row in range(40)]
    index = index_of(*scans)
    measured = measure_calibration(index, match_all(index, align(index, found)))
    assert measured.confident.n == 40 and measured.classes["knife"].n == 0
    assert measured.confident.d_ece == pytest.approx(0.0, abs=1e-6) and measured.confident.shift == pytest.approx(0.0)
    assert 0.02 < (measured.confident.if_calibrated or 0.0) < 0.1
    assert measured.bins[0].n == 40 and measured.bins[0].hit_share == 0.75


def test_draws_are_the_same_for_the_same_seed() -> None:
    groups = np.arange(5)
    assert (group_draws(groups, 4, 1) == group_draws(groups, 4, 1)).all()
