"""Sizes, subsets, per-class curves, FROC, D-ECE, error kinds, transfer: on cases one can work out by hand."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from detector.detections import Detections
from detector.errors import SettingsInvalid
from tests.training.test_evaluation import BOX, ELSEWHERE, NAMES, found_of, index_of, random_case, scan_of
from training.cli import app
from training.datasets.coco_index import AnnotatedScan, CocoIndex, read_coco
from training.evaluation.alignment import align
from training.evaluation.average_precision import average_precision
from training.evaluation.breakdown import by_part, by_size, scanner_of, subset_of
from training.evaluation.calibration_error import Judged, bin_cells, calibration_error, d_ece, measure_calibration
from training.evaluation.error_kinds import ErrorKind, error_costs, judge_scan
from training.evaluation.froc import froc, froc_points
from training.evaluation.intervals import bootstrap_ap50, group_draws, group_numbers
from training.evaluation.matching import match_all
from training.evaluation.operating_curve import (
    class_curves,
    operating_curve,
    redrawn_thresholds,
    score_scans,
    threshold_for,
)
from training.evaluation.transfer import (
    Transfer,
    scanners_of,
    split_only,
    split_without,
    transfer_markdown,
    transfer_table,
)

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
    # Knives everywhere: no scan is empty, but the guns have ten scans without a gun.
    index = index_of(
        *(scan_of(("knife", BOX)) for _ in range(10)), *(scan_of(("gun", BOX), ("knife", BOX)) for _ in range(4))
    )
    found = [found_of(("gun", 0.05 * row, ELSEWHERE)) for row in range(10)]
    found += [found_of(("gun", score, BOX)) for score in (0.9, 0.8, 0.43, 0.1)]
    curve = class_curves(index, align(index, found))["gun"]
    assert (curve.clean_scans, curve.positive_scans) == (10, 4)
    tenth = curve.points[-1]
    assert tenth.rates is not None and (tenth.rates.pfa.count, tenth.rates.pd_localised.count) == (1, 3)
    assert curve.points[-2].reason == "not measurable: needs >= 20 clean scans, has 10"


def test_the_threshold_is_chosen_again_on_each_draw() -> None:
    scores = np.array([0.9, 0.8, 0.5, 0.5, 0.1])
    drawn = np.array([[1, 1, 1, 1, 1], [0, 2, 1, 1, 1], [0, 0, 3, 1, 1], [0, 0, 0, 0, 0]])
    thresholds = redrawn_thresholds(scores, drawn, 1)
    assert thresholds[0] == threshold_for(scores, 1)
    # The draw without the highest score, with the second twice: one alarm of five lets neither of the two through.
    assert thresholds[1] == np.nextafter(0.8, np.inf) and thresholds[2] == np.nextafter(0.5, np.inf)
    assert np.isnan(thresholds[3])


def test_the_interval_of_pd_holds_the_chance_in_the_threshold() -> None:
    # Pd is .5 or 1 by whether the threshold lies above or below .5, which one clean scan of twenty decides.
    clean = [scan_of() for _ in range(20)]
    index = index_of(*clean, *(scan_of(("gun", BOX)) for _ in range(40)))
    found = [found_of(("gun", 0.6 if row < 2 else 0.2, ELSEWHERE)) for row in range(20)]
    found += [found_of(("gun", 0.9 if row < 20 else 0.4, BOX)) for row in range(40)]
    scores = score_scans(index, align(index, found), (0,))
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
    intervals = bootstrap_ap50(matches, ("gun",), group_draws(np.arange(3), 100, 0), 0)
    interval = intervals.classes_AP50["gun"]
    assert interval is not None and expected in interval
    assert intervals.mean_AP50 == intervals.mean_of_frequent_AP50 == pytest.approx(interval)
    assert interval == pytest.approx((0.2924, 1.0) if expected else (0.0, 0.7076), abs=1e-4)


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


NEAR, FAR = (10.0, 10.0, 50.0, 26.0), (150.0, 150.0, 190.0, 190.0)


def kinds_of(scan: AnnotatedScan, found: Detections) -> list[ErrorKind | None]:
    return list(judge_scan(scan, align(index_of(scan), [found])[0]).kinds)


def test_each_kind_of_error() -> None:
    scan = scan_of(("gun", BOX), ("knife", ELSEWHERE))
    found = found_of(
        ("gun", 0.9, BOX),
        ("gun", 0.8, BOX),
        ("gun", 0.7, NEAR),
        ("gun", 0.6, ELSEWHERE),
        ("lighter", 0.5, NEAR),
        ("lighter", 0.4, FAR),
    )
    assert kinds_of(scan, found) == [
        None,
        ErrorKind.DUPLICATE,
        ErrorKind.LOCATION,
        ErrorKind.CLASS,
        ErrorKind.BOTH,
        ErrorKind.BACKGROUND,
    ]
    judged = judge_scan(scan, found)
    assert judged.found.tolist() == [True, False] and judged.missed.tolist() == [False, False]
    assert judge_scan(scan, found[:1]).missed.tolist() == [False, True]


def costs_of(*pairs: tuple[AnnotatedScan, Detections]) -> dict[ErrorKind, float]:
    index = index_of(*(scan for scan, _ in pairs))
    costs = error_costs(index, align(index, [found for _, found in pairs]))
    return {kind: round(cost.dAP, 3) for kind, cost in costs.kinds.items() if cost.dAP}


def test_each_oracle_mends_its_own_kind_alone() -> None:
    gun = scan_of(("gun", BOX))
    hit = (gun, found_of(("gun", 0.5, BOX)))
    # A false alarm above the hit halves the precision; without it AP50 is 1.
    assert costs_of(hit, (scan_of(), found_of(("gun", 0.9, BOX)))) == {ErrorKind.BACKGROUND: 0.5}
    assert costs_of(hit, (scan_of(("knife", BOX)), found_of(("knife", 0.9, BOX), ("gun", 0.9, NEAR)))) == {
        ErrorKind.BOTH: 0.25
    }
    assert costs_of((gun, found_of(("gun", 0.9, NEAR)))) == {ErrorKind.LOCATION: 1.0}
    assert costs_of((gun, found_of(("knife", 0.9, BOX)))) == {ErrorKind.CLASS: 1.0}
    # One of two guns is missed: 51 of the 101 recall levels are reached.
    assert costs_of(hit, (gun, found_of())) == {ErrorKind.MISSED: round(50 / 101, 3)}
    second = found_of(("gun", 0.9, BOX), ("gun", 0.8, BOX))
    assert costs_of((gun, second), hit)[ErrorKind.DUPLICATE] == round(50 / 101 / 3, 3)


def test_of_two_mended_boxes_on_one_item_one_counts() -> None:
    scan = scan_of(("gun", BOX))
    found = found_of(("knife", 0.9, BOX), ("lighter", 0.8, BOX))
    assert costs_of((scan, found)) == {ErrorKind.CLASS: 1.0}


def test_errors_agree_with_average_precision_and_leave_ignored_regions_out() -> None:
    index, predictions = random_case(scans=25)
    aligned = align(index, predictions)
    assert pytest.approx(average_precision(index, aligned).mean.AP50, abs=1e-9) == error_costs(index, aligned).AP50
    assert error_costs(index_of(scan_of()), [found_of()]).AP50 is None


def test_optional_keys_of_an_image_are_read(tmp_path: Path) -> None:
    keys: list[dict[str, Any]] = [
        {"file_name": "iflytek2021_500014.jpg", "source": "iflytek2021"},
        {"file_name": "bag_1_top.png", "source": "dv", "subset": "hidden", "group": "bag_1", "scanner": "dv/B"},
    ]
    (tmp_path / "annotations").mkdir()
    (tmp_path / "images").mkdir()
    images = [{"id": number, "width": 9, "height": 9, **one} for number, one in enumerate(keys)]
    for one in keys:
        (tmp_path / "images" / one["file_name"]).touch()
    document = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "gun"}]}
    (tmp_path / "annotations" / "test.json").write_text(json.dumps(document))
    first, second = read_coco(tmp_path, "test").scans
    assert (first.subset, first.group, first.scanner) == ("", "iflytek2021_500014.jpg", "iflytek2021/5")
    assert (second.subset, second.group, second.scanner) == ("hidden", "bag_1", "dv/B")


def test_a_source_or_a_scanner_is_left_out() -> None:
    one, two = (replace(scan_of(source="set"), scanner=f"set/{number}") for number in (1, 2))
    index = index_of(one, two, scan_of(source="other"))
    assert split_without(index, "set/1").scans == index.scans[1:]
    assert split_without(index, "set").scans == index.scans[2:] and split_only(index, "set/2").scans == (two,)
    with pytest.raises(SettingsInvalid, match="no scan of sett"):
        split_without(index, "sett")
    with pytest.raises(SettingsInvalid, match="every scan is of set"):
        split_without(index_of(one, two), "set")


def written_metrics(
    path: Path, ap50: float, interval: list[float] | None, n: int = 40, left_out: tuple[str, ...] = ()
) -> Path:
    part = {"scans": 30, "n": n, "AP50": ap50, "AP50_interval": interval}
    path.write_text(
        json.dumps({"sources": {"set": part}, "scanners": {"set/5": part}, "setup": {"left_out": left_out}})
    )
    return path


def test_transfer_table(tmp_path: Path) -> None:
    without = written_metrics(tmp_path / "without.json", 0.3, [0.2, 0.4], left_out=("set/5", "set"))
    within = written_metrics(tmp_path / "within.json", 0.6, [0.5, 0.7])
    (row,) = transfer_table([Transfer("set/5", without, within)])
    assert row.ratio == pytest.approx(0.5) and row.ratio_interval is not None
    # Relative errors .1/.3 and .1/.6 of half an interval add in squares: exp(sqrt(1/9 + 1/36)) = 1.452.
    assert row.ratio_interval == pytest.approx((0.5 / 1.4517, 0.5 * 1.4517), abs=1e-3)
    assert "| set/5 | 30 | 40 | 0.300 [0.20, 0.40] | 0.600 [0.50, 0.70] | 0.50 [0.34, 0.73], not carried over |" in (
        transfer_markdown([row])
    )
    with pytest.raises(SettingsInvalid, match="no boxes of set/6"):
        transfer_table([Transfer("set/6", without, within)])
    for pair in ((within, within), (without, without)):
        with pytest.raises(SettingsInvalid, match="left"):
            transfer_table([Transfer("set/5", *pair)])
    fewer = written_metrics(tmp_path / "fewer.json", 0.6, None, n=39)
    with pytest.raises(SettingsInvalid, match="30 scans with 40 boxes against 30 with 39"):
        transfer_table([Transfer("set", without, fewer)])


def test_the_transfer_command_takes_a_row_for_each_source_and_one_network_that_saw_them_all(tmp_path: Path) -> None:
    apart = written_metrics(tmp_path / "a.json", 0.3, None, left_out=("set/5",))
    other = written_metrics(tmp_path / "b.json", 0.4, None, left_out=("set",))
    within = written_metrics(tmp_path / "within.json", 0.5, None)
    told = [str(word) for word in ("transfer", "set/5", "set", "--without", apart, "--without", other)]
    result = CliRunner().invoke(app, [*told, "--within", str(within)])
    assert "| set/5 | 30 | 40 | 0.300" in result.stdout and "| set | 30 | 40 | 0.400" in result.stdout
    result = CliRunner().invoke(app, [*told, "set/7", "--within", str(within)])
    assert isinstance(result.exception, SettingsInvalid) and "3 sources, 2 --without, 1 --within" in str(
        result.exception
    )


def told_metrics(path: Path, left_out: tuple[str, ...], trained_on: tuple[str, ...]) -> Path:
    """An evaluation on the set `own`, of the scanners `north` and `south`, and on `other`."""
    index = index_of(
        *(replace(scan_of(source="own"), scanner=name) for name in ("north", "south")), scan_of(source="other")
    )
    part = {"scans": 30, "n": 40, "AP50": 0.5, "AP50_interval": None}
    setup = {"left_out": left_out, "trained_on": trained_on, "scanners_of": scanners_of(index)}
    parts = {"sources": {"own": part, "other": part}, "scanners": {"north": part, "south": part, "other": part}}
    path.write_text(json.dumps({**parts, "setup": setup}))
    return path


def test_a_scanner_left_out_under_a_bare_name_is_known_as_part_of_its_source(tmp_path: Path) -> None:
    whole = told_metrics(tmp_path / "whole.json", ("own",), ("other",))
    north = told_metrics(tmp_path / "north.json", ("north",), ("other", "own"))
    both = told_metrics(tmp_path / "both.json", ("north", "south"), ("other",))
    within = told_metrics(tmp_path / "within.json", (), ("other", "own"))
    for source, without in (("own", whole), ("north", whole), ("north", north), ("own", both)):
        assert transfer_table([Transfer(source, without, within)])[0].source == source
    # Trained on half of it is neither never seen nor trained on it.
    for pair in ((north, within), (whole, north)):
        with pytest.raises(SettingsInvalid, match="its weights left out north; own must"):
            transfer_table([Transfer("own", *pair)])


@pytest.mark.parametrize("source", ["own", "north"])
def test_weights_that_never_had_a_source_are_not_trained_on_it(source: str, tmp_path: Path) -> None:
    without = told_metrics(tmp_path / "without.json", ("own",), ("other",))
    foreign = told_metrics(tmp_path / "foreign.json", (), ("other",))
    with pytest.raises(SettingsInvalid, match="were trained on other; own must be among that"):
        transfer_table([Transfer(source, without, foreign)])
    silent = told_metrics(tmp_path / "silent.json", (), ())
    with pytest.raises(SettingsInvalid, match="name no training scans; own must be among that"):
        transfer_table([Transfer(source, without, silent)])


def test_draws_are_the_same_for_the_same_seed() -> None:
    groups = np.arange(5)
    assert (group_draws(groups, 4, 1) == group_draws(groups, 4, 1)).all()
