"""Kinds of errors and what each costs, on cases one can work out by hand."""

from __future__ import annotations

import pytest

from detector.detections import Detections
from tests.training.test_evaluation import BOX, ELSEWHERE, found_of, index_of, random_case, scan_of
from training.datasets.coco_index import AnnotatedScan
from training.evaluation.alignment import align
from training.evaluation.average_precision import average_precision
from training.evaluation.error_kinds import ErrorKind, error_costs, judge_scan

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
