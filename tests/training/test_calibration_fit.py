"""The calibrate stage: maps that are right where the truth is known, thresholds on the calibrated scale, one file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector import Decision, Detector, Policy
from detector.detections import Detections
from detector.errors import SettingsInvalid
from detector.weights import load_weights
from tests.conftest import SIZE, make_spec, picture, probe_onnx
from training.datasets.coco_index import AnnotatedScan, CocoIndex, scans_digest
from training.evaluation.alignment import align
from training.evaluation.matching import ClassMatches, match_all
from training.evaluation.scoring import predict_with
from training.evaluation.thresholds import choose_for_pd
from training.samples import tile_reader
from training.samples.tile_reader import all_coloured
from training.shipping.calibration_fit import (
    apply,
    calibrate_predictions,
    calibrate_weights,
    cross_fitted,
    fit_calibration,
    fit_isotonic,
    fit_logistic,
)
from training.shipping.operating_point import Wanted, choose_operating_point

NAMES = ("gun", "knife")
BOX, ELSEWHERE = [10.0, 10.0, 50.0, 50.0], [100.0, 100.0, 140.0, 140.0]


def matches_of(scores: np.ndarray, hits: np.ndarray) -> ClassMatches:
    """One detection a scan, in order of its score."""
    order = np.argsort(-scores)
    count = len(scores)
    return ClassMatches(
        scores[order].astype(np.float32),
        hits[order],
        np.arange(count),
        np.zeros((count, 4), np.float32),
        hits[order].astype(np.int64),
        np.ones(count, bool),
    )


def drawn(slope: float, offset: float, count: int, seed: int = 0) -> ClassMatches:
    """Detections whose chance to hit is sigmoid(slope * logit(score) + offset)."""
    random = np.random.default_rng(seed)
    scores = random.uniform(0.02, 0.98, count)
    chance = 1 / (1 + np.exp(-(slope * np.log(scores / (1 - scores)) + offset)))
    return matches_of(scores, random.random(count) < chance)


def test_a_logistic_truth_is_recovered_and_a_rare_class_stays_near_the_others() -> None:
    maps = fit_logistic({"gun": drawn(2.0, -1.0, 4000), "knife": drawn(0.5, 3.0, 4, seed=1)})
    assert maps["gun"] == pytest.approx((2.0, -1.0), abs=0.2)
    assert np.hypot(maps["knife"][0] - 2.0, maps["knife"][1] + 1.0) < 2.5
    nothing = matches_of(np.zeros(0), np.zeros(0, bool))
    alone = fit_logistic({"gun": drawn(2.0, -1.0, 4000), "knife": nothing})
    assert alone["knife"] == pytest.approx((2.0, -1.0), abs=0.2)


@pytest.mark.parametrize(("centre", "width"), [(2.0, 3.0), (4.0, 5.0), (1.0, 2.0), (-3.0, 3.0)])
@pytest.mark.parametrize("seed", range(3))
def test_the_logistic_map_is_the_best_there_is_however_sure_the_scores(centre: float, width: float, seed: int) -> None:
    """At the optimum no small step makes the fit better; a full Newton step from scores near 1 overshoots it."""
    random = np.random.default_rng(seed)
    scores = (1 / (1 + np.exp(-random.normal(centre, width, 1000)))).clip(0.05, 1)
    hits = random.random(1000) < 0.3 * (0.3 + 0.7 * scores)
    slope, offset = fit_logistic({"gun": matches_of(scores, hits)})["gun"]
    assert isinstance(slope, float) and isinstance(offset, float)

    def chances(slope: float, offset: float) -> np.ndarray:
        bounded = scores.astype(np.float32).astype(float).clip(1e-6, 1 - 1e-6)
        return 1 / (1 + np.exp(-(slope * np.log(bounded / (1 - bounded)) + offset)))

    def loss(slope: float, offset: float) -> float:
        probable = chances(slope, offset)
        return float(-np.log(np.where(hits, probable, 1 - probable)).sum())

    assert chances(slope, offset).mean() == pytest.approx(hits.mean(), abs=0.01)
    around = [loss(slope + a, offset + b) for a in (-0.1, 0, 0.1) for b in (-0.2, 0, 0.2)]
    assert loss(slope, offset) <= min(around) + 0.5


def test_isotonic_knots_rise_and_take_the_place_of_a_logistic_map_only_where_they_are_better() -> None:
    random = np.random.default_rng(3)
    scores = random.uniform(0, 1, 6000)
    # A step that no logistic map can follow.
    steps = matches_of(scores, random.random(6000) < np.where(scores < 0.2, 0.02, np.where(scores < 0.9, 0.5, 0.52)))
    folds = np.arange(6000) % 5
    fitted = fit_calibration({"gun": steps}, folds)
    assert fitted.method == "isotonic" and fitted.log_loss["isotonic"] < fitted.log_loss["logistic"]
    make_spec(calibration={"gun": fit_isotonic({"gun": steps})["gun"]})
    assert fit_calibration({"gun": drawn(2.0, -1.0, 400)}, np.arange(400) % 5).method == "logistic"


def test_boxes_of_one_score_are_one_place_whatever_their_order() -> None:
    scores = np.repeat([0.5, 0.8], 40)
    first = np.repeat([True, False, True, False], [20, 20, 30, 10])
    orders = np.arange(80), np.arange(80)[::-1]
    one, other = (fit_isotonic({"gun": matches_of(scores[order], first[order])})["gun"] for order in orders)
    assert one == other and (0.5, 0.5) in one


def test_classes_with_few_hits_each_keep_maps_of_their_own() -> None:
    # Together they would take an isotonic map, the same for all: the knife's scores mean less than the gun's.
    random = np.random.default_rng(3)
    scores = random.uniform(0, 1, 200)
    matches = {
        name: matches_of(scores, np.isin(np.arange(200), random.choice(np.flatnonzero(scores > low), 15)))
        for name, low in (("gun", 0.3), ("knife", 0.8))
    }
    fitted = fit_calibration(matches, np.arange(200) % 5)
    assert fitted.method == "logistic" and list(fitted.log_loss) == ["logistic"]
    assert fitted.maps["gun"] != fitted.maps["knife"]


def test_cross_fitting_never_uses_the_scan_itself() -> None:
    matches = {"gun": drawn(1.0, 0.0, 200)}
    folds = np.arange(200) % 5
    changed = {"gun": matches_of(matches["gun"].scores.astype(float), matches["gun"].hits.copy())}
    changed["gun"].hits[7] ^= True
    first, second = (cross_fitted(one, folds, "logistic")["gun"].scores for one in (matches, changed))
    assert first[7] == second[7] and (first[folds != folds[7]] != second[folds != folds[7]]).any()


def test_few_hits_leave_a_map_that_a_station_takes() -> None:
    # One hit, and that at the lowest score: nothing says that higher is better.
    backwards = matches_of(np.linspace(0.1, 0.9, 9), np.arange(9) == 0)
    assert fit_logistic({"gun": backwards})["gun"][0] > 0
    for method in ("logistic", "isotonic"):
        fitted = cross_fitted({"gun": backwards}, np.arange(9) % 5, method)["gun"]
        assert ((fitted.scores >= 0) & (fitted.scores <= 1)).all()
    make_spec(calibration=fit_isotonic({"gun": backwards}))
    with pytest.raises(SettingsInvalid, match="no scans"):
        calibrate_predictions(CocoIndex(NAMES, ()), [], make_spec(), Wanted(pfa=0.1))


def test_without_a_hit_there_is_nothing_to_calibrate_on() -> None:
    nothing = matches_of(np.array([0.5]), np.array([False]))
    for items, remedy in ((0, "split with annotations"), (3, "train the network longer")):
        found = {"gun": replace(nothing, boxes_per_scan=np.array([items]))}
        with pytest.raises(SettingsInvalid, match="nothing to calibrate on") as caught:
            fit_calibration(found, np.zeros(1, int))
        assert remedy in caught.value.remedy


def station_case(count: int = 60) -> tuple[CocoIndex, list[Detections]]:
    """Clean scans and scans with a gun in turn; the raw scores of guns are near .3, of false alarms near .15."""
    random = np.random.default_rng(0)
    scans, found = [], []
    for row in range(count):
        boxes = np.array([BOX] if row % 2 else [], np.float32).reshape(-1, 4)
        classes = np.zeros(len(boxes), np.int64)
        annotated = np.array([True, False])
        scans.append(
            AnnotatedScan(Path(f"{row}.png"), 200, 200, "bench", boxes, classes, np.zeros(len(boxes), bool), annotated)
        )
        score = random.normal(0.3 if row % 2 else 0.15, 0.05)
        box = np.array([BOX if row % 2 else ELSEWHERE], np.float32)
        one = np.zeros(1, np.int64)
        found.append(Detections(box, np.array([np.clip(score, 0.02, 0.9)], np.float32), one, one, NAMES))
    return CocoIndex(NAMES, tuple(scans)), found


def test_thresholds_live_on_the_calibrated_scale() -> None:
    index, found = station_case()
    result = calibrate_predictions(index, found, make_spec(), Wanted(pfa=0.1))
    before, after = result.before.listed, result.after.listed
    assert before.d_ece is not None and after.d_ece is not None and after.d_ece < before.d_ece / 2
    spec = result.spec
    calibrated = [apply(one, spec.calibration) for one in found]
    alarms = [float(one.scores[0]) >= spec.thresholds["gun"] for one in calibrated]
    assert sum(alarms[0::2]) <= 3 and sum(alarms[1::2]) >= 25
    assert "at most 3 of 30 clean validation scans alarm (Pfa <= 10.0%)" in spec.operating_point
    assert "Pd 100.0% (30 of 30; 88.4%-100.0%) for any alarm" in spec.operating_point


def test_a_wanted_pd_is_kept_and_its_price_told() -> None:
    index, found = station_case()
    point = choose_operating_point(index, found, Wanted(pd=0.9))
    cost = point.classes["gun"]
    assert cost.pd.count == 27 and cost.pd.total == 30
    # One step of 1e-4 higher, a scan less would be found.
    assert sum(float(one.scores[0]) >= point.thresholds["gun"] + 2e-4 for one in found[1::2]) == 26
    assert cost.pfa.total == 30 and cost.pfa.interval is not None and cost.pfa.interval[1] > 0.05
    assert point.together is not None and point.together.pfa.count == cost.pfa.count
    assert "in 90.0% at least of the validation scans that hold it: gun 90.0% (27 of 30; 73." in point.operating_point


def test_a_draw_without_the_clean_scans_says_nothing_of_pd() -> None:
    # All clean scans are of one bag: one draw in three has none of them to choose a threshold on.
    index, found = station_case()
    scans = tuple(
        replace(scan, group=f"bag {row % 4}" if len(scan.class_ids) else "clean")
        for row, scan in enumerate(index.scans)
    )
    point = choose_operating_point(replace(index, scans=scans), found, Wanted(pfa=0.1))
    assert point.together is not None
    for rate in (point.classes["gun"].pd, point.together.pd_scan, point.classes["gun"].pfa, point.together.pfa):
        assert rate.interval is not None and rate.value is not None and rate.interval[0] > 0.2 * rate.value


def test_a_pd_beyond_reach_is_said_to_be() -> None:
    index, found = station_case()
    blind = [one[:0] if row % 4 == 1 else one for row, one in enumerate(found)]
    chosen = choose_for_pd(index, blind, 0.9)
    assert chosen.reached == ()
    assert "90.0% is not reached at any score from 0.05: gun 50.0% (15 of 30; 31." in chosen.operating_point


@pytest.mark.parametrize("shares", [{}, {"pfa": 0.1, "pd": 0.9}, {"pfa": 0.0}, {"pd": 1.0}])
def test_one_side_is_wanted_not_both(shares: dict[str, float]) -> None:
    with pytest.raises(SettingsInvalid, match="no operating point"):
        Wanted(**shares)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, CocoIndex]:
    """The probe network, its calibrated copy, and the scans: the darker the middle, the likelier a gun is there."""
    folder = tmp_path_factory.mktemp("calibrate")
    random = np.random.default_rng(0)
    scans = []
    for row in range(60):
        middle = int(random.integers(20, 230))
        path = folder / f"scan_{row}.png"
        cv2.imwrite(str(path), picture(middle=middle))
        held = random.random() < ((255 - middle) / 255) ** 2
        boxes = np.array([[32, 32, 96, 96]] if held else [], np.float32).reshape(-1, 4)
        none = np.zeros(len(boxes), np.int64)
        scans.append(AnnotatedScan(path, 128, 128, "bench", boxes, none, none.astype(bool), np.ones(2, bool)))
    index = CocoIndex(NAMES, tuple(scans))
    raw = probe_onnx(folder / "raw.onnx", make_spec(calibration={"gun": (9.0, 3.0)}))
    calibrate_weights(raw, index, Wanted(pfa=0.1), folder / "out" / "calibrated.onnx")
    return raw, folder / "out" / "calibrated.onnx", index


def test_scans_are_told_to_have_colours_if_nearly_all_do(
    stage: tuple[Path, Path, CocoIndex], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = stage[2].scans
    coloured = []
    for number, scan in enumerate(grey[:8]):
        image = cv2.imread(str(scan.path))
        image[4:20, 20:108] = (90, 160, 230)
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), image)
        coloured.append(replace(scan, path=path))
    assert all_coloured(CocoIndex(NAMES, tuple(coloured)))
    assert not all_coloured(CocoIndex(NAMES, (*coloured, grey[0])))
    assert not all_coloured(CocoIndex(NAMES, grey[:1]))
    monkeypatch.setattr(tile_reader, "MOST_GREY", 0.2)
    assert all_coloured(CocoIndex(NAMES, (*coloured, grey[0])))


def test_calibration_keeps_what_a_file_says_of_colours(stage: tuple[Path, Path, CocoIndex], tmp_path: Path) -> None:
    raw = probe_onnx(tmp_path / "raw.onnx", make_spec(coloured=True))
    calibrate_weights(raw, stage[2], Wanted(pfa=0.1), tmp_path / "calibrated.onnx")
    assert load_weights(tmp_path / "calibrated.onnx").spec.coloured
    assert not load_weights(stage[1]).spec.coloured


def test_the_station_applies_exactly_the_map_that_was_fitted(stage: tuple[Path, Path, CocoIndex]) -> None:
    _, calibrated, index = stage
    spec = load_weights(calibrated).spec
    plain = probe_onnx(calibrated.parent / "plain.onnx")
    raw, mapped = (predict_with(Detector(path, policy=Policy(min_score=0.0)), index) for path in (plain, calibrated))
    for before, after in zip(raw, mapped, strict=True):
        assert after.scores.tolist() == apply(before, spec.calibration).scores.tolist()
    assert any((before.scores != after.scores).any() for before, after in zip(raw, mapped, strict=True))


def test_a_scan_alarms_once_by_the_calibrated_threshold(stage: tuple[Path, Path, CocoIndex]) -> None:
    _, calibrated, index = stage
    detector = Detector(calibrated)
    threshold = np.float32(detector.spec.thresholds["gun"])
    everything = predict_with(Detector(calibrated, policy=Policy(min_score=0.0)), index)
    for scan, found in zip(index.scans, everything, strict=True):
        inspection = detector.inspect(scan.path)
        alarming = found.scores[found.class_ids == 0] >= threshold
        assert (inspection.decision is Decision.ALARM) == bool(alarming.any())
        assert len(inspection.detections) == int(alarming.sum()) <= 1


def test_an_earlier_calibration_is_replaced_and_the_evidence_lies_beside_the_file(
    stage: tuple[Path, Path, CocoIndex],
) -> None:
    raw, calibrated, index = stage
    again = calibrated.with_name("again.onnx")
    result = calibrate_weights(calibrated, index, Wanted(pfa=0.1), again)
    assert result.spec == load_weights(calibrated).spec == load_weights(again).spec
    assert load_weights(raw).spec.calibration == {"gun": (9.0, 3.0)}, "the file given stays as it is"
    evidence = json.loads(calibrated.with_suffix(".calibration.json").read_text())
    assert evidence["settings"] == {
        "weights_sha256": hashlib.sha256(raw.read_bytes()).hexdigest(),
        "scans": len(index),
        "scans_sha256": scans_digest(index),
        "wanted": {"pfa": 0.1, "pd": None},
        "seed": 0,
    }
    assert evidence["method"] in ("logistic", "isotonic") and set(evidence["maps"]) == set(NAMES)
    assert evidence["after_cross_validated"]["listed"]["n"] == evidence["before"]["listed"]["n"] > 0
    assert cv2.imread(str(calibrated.with_suffix(".reliability.png"))) is not None
    assert not list(calibrated.parent.glob("*.partial"))


def test_a_missing_file_is_named(tmp_path: Path, stage: tuple[Path, Path, CocoIndex]) -> None:
    with pytest.raises(SettingsInvalid, match=r"no weights at .*none\.onnx"):
        calibrate_weights(tmp_path / "none.onnx", stage[2], Wanted(pfa=0.1), tmp_path / "out.onnx")


def test_order_within_a_class_survives_calibration() -> None:
    index, found = station_case()
    spec = calibrate_predictions(index, found, make_spec(), Wanted(pfa=0.1)).spec
    raw = match_all(index, align(index, found))["gun"]
    after = match_all(index, align(index, [apply(one, spec.calibration) for one in found]))["gun"]
    assert raw.scans.tolist() == after.scans.tolist() and spec.input_size == SIZE
