"""The files that an evaluation leaves: metrics.json, curves, gallery and a report that needs nothing beside it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector.detections import Detections
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.evaluation import figures, report
from training.evaluation.metrics import evaluate
from training.evaluation.report import EvaluationSetup, write_evaluation
from training.evaluation.report_decision import decision

NAMES = ("gun", "<knife>")
SETUP = EvaluationSetup("bench & co", "ab" * 32, "data", "val", "CPUExecutionProvider")
BOX = [20.0, 20.0, 60.0, 50.0]


def make_split(folder: Path, clean: int) -> tuple[CocoIndex, list[Detections]]:
    """`clean` empty scans, one scan with a gun found, one with a knife missed; a false alarm on the first scan."""
    random = np.random.default_rng(0)
    scans, found = [], []
    for number in range(clean + 2):
        path = folder / f"scan_{number}.png"
        cv2.imwrite(str(path), random.integers(0, 255, (90, 120, 3), np.uint8))
        item = number - clean
        boxes = np.array([BOX] if item >= 0 else [], np.float32).reshape(-1, 4)
        classes = np.array([item] if item >= 0 else [], np.int64)
        both = np.ones(2, bool)
        scans.append(AnnotatedScan(path, 120, 90, "bench", boxes, classes, np.zeros(len(boxes), bool), both))
        score = {0: 0.9, clean: 0.95, clean + 1: 0.3}.get(number, 0.05)
        predicted = np.array([BOX], np.float32) if item != 1 else np.array([[80.0, 60.0, 119.0, 89.0]], np.float32)
        scores = np.array([score], np.float32)
        found.append(Detections(predicted, scores, np.zeros(1, np.int64), np.zeros(1, np.int64), NAMES))
    return CocoIndex(NAMES, tuple(scans)), found


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    index, found = make_split(folder, clean=20)
    metrics = evaluate(index, found, dict.fromkeys(NAMES, 0.5))
    assert write_evaluation(folder / "EVAL", index, found, metrics, SETUP) == folder / "EVAL" / "metrics.json"
    return folder / "EVAL"


def test_metrics_json_keeps_its_contract(written: Path) -> None:
    document = json.loads((written / "metrics.json").read_text())
    assert document["AP50"] == pytest.approx(0.5) and document["AP"] == pytest.approx(0.5)
    assert document["classes"]["gun"]["n"] == 1 and document["classes"]["gun"]["AP50"] == pytest.approx(1.0)
    assert document["classes"]["<knife>"]["AP"] == 0.0
    points = {point["pfa_target"]: point for point in document["pd_at_pfa"]["points"]}
    assert points[0.01]["reason"] == "not measurable: needs >= 200 clean scans, has 20"
    assert points[0.1]["rates"]["pd_scan"]["value"] == 0.5 and points[0.1]["rates"]["pd_localised"]["value"] == 0.5
    assert document["at_thresholds"]["rates"]["pfa"]["count"] == 1
    assert document["setup"]["weights_sha256"] == "ab" * 32 and document["setup"]["scans"] == 22
    assert document["setup"]["versions"]["numpy"] == np.__version__


def test_pictures_can_be_opened(written: Path) -> None:
    curves = ("pd_at_pfa.png", "froc.png", "precision_recall.png", "classes.png", "reliability.png", "error_costs.png")
    gallery = ("gallery/miss_01.jpg", "gallery/false_alarm_01.jpg")
    for name in curves + gallery:
        image = cv2.imdecode(np.frombuffer((written / name).read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        assert image is not None and image.std() > 5, name
    assert len(list((written / "gallery").iterdir())) == 2


def test_report_stands_alone_and_escapes_names(written: Path) -> None:
    text = (written / "report.html").read_text()
    assert "bench &amp; co" in text and "&lt;knife&gt;" in text and "<knife>" not in text
    assert "<script" not in text and not re.search(r'(src|href)="(?!data:)', text)
    assert text.count("data:image/jpeg;base64,") == 2 and text.count("data:image/png;base64,") == 6
    assert not list(written.glob("*.partial"))


def test_report_says_first_what_can_be_decided(written: Path) -> None:
    text = (written / "report.html").read_text()
    places = [text.index(title) for title in ("What can be decided", "The figures", "Why", "Set-up")]
    assert places == sorted(places)
    assert "fewer than 10 items here: nothing can be said" in text
    assert "Measured on val. If thresholds were chosen on these scans, expect less on others." in text
    assert "not measurable: needs &gt;= 200 clean scans, has 20" in text
    # Every rate of the page has its n and interval beside it.
    assert "100.0% <small>(1 of 1; 2.5%-100.0%)</small>" in text


def test_json_has_every_part(written: Path) -> None:
    contents = json.loads((written / "metrics.json").read_text())
    assert contents["sources"]["bench"]["AP50_interval"] is not None and contents["subsets"] == {}
    for row in (contents, contents["classes"]["gun"]):
        for figure in ("AP", "AP50"):
            low, high = row[f"{figure}_interval"]
            assert low <= row[figure] <= high, figure
    assert {"sizes", "froc", "pd_at_pfa_by_class", "calibration", "error_kinds", "confusion"} <= contents.keys()
    assert contents["pd_at_pfa_by_class"]["gun"]["clean_scans"] == 21
    assert contents["error_kinds"]["kinds"]["background"]["count"] == 21


def test_classes_that_the_weights_do_not_know_are_named(tmp_path: Path) -> None:
    index, found = make_split(tmp_path, clean=0)
    metrics = evaluate(index, found, dict.fromkeys(NAMES, 0.5))
    setup = replace(SETUP, not_measured={"<bottle>": 12, "whip": 0})
    path = write_evaluation(tmp_path / "EVAL", index, found, metrics, setup)
    assert json.loads(path.read_text())["setup"]["not_measured"] == {"<bottle>": 12, "whip": 0}
    text = (tmp_path / "EVAL/report.html").read_text()
    assert "Not measured, as the weights do not know them: &lt;bottle&gt; (12 boxes), whip (0 boxes)" in text
    assert metrics.told().startswith("AP50 0.500 [0.") and metrics.told().endswith("over 2 classes with a box, n 2")


def test_without_clean_scans_it_says_so(tmp_path: Path) -> None:
    index, found = make_split(tmp_path, clean=0)
    metrics = evaluate(index, found, dict.fromkeys(NAMES, 0.5))
    document = json.loads(write_evaluation(tmp_path / "EVAL", index, found, metrics, SETUP).read_text())
    assert document["pd_at_pfa"] is None
    assert "Not measurable: no scan of this split is known to be clean." in (tmp_path / "EVAL/report.html").read_text()


def test_a_split_of_clean_scans_alone_has_false_alarms_and_no_pd(tmp_path: Path) -> None:
    index, found = make_split(tmp_path, clean=20)
    index, found = replace(index, scans=index.scans[:20]), found[:20]
    metrics = evaluate(index, found, dict.fromkeys(NAMES, 0.5))
    document = json.loads(write_evaluation(tmp_path / "EVAL", index, found, metrics, SETUP).read_text())
    assert document["AP50"] is None and document["at_thresholds"]["rates"]["pfa"]["count"] == 1
    text = (tmp_path / "EVAL/report.html").read_text()
    assert "No scan of this split holds gun, &lt;knife&gt;" in text and "To alarm on" not in text
    assert not (tmp_path / "EVAL/pd_at_pfa.png").exists()


def test_nothing_of_an_earlier_evaluation_stays_beside_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, found = make_split(tmp_path, clean=20)
    metrics = evaluate(index, found, dict.fromkeys(NAMES, 0.5))
    write_evaluation(tmp_path / "EVAL", index, found, metrics, SETUP)
    clean, silent = replace(index, scans=index.scans[1:20]), found[1:20]
    metrics = evaluate(clean, silent, dict.fromkeys(NAMES, 0.5))
    write_evaluation(tmp_path / "EVAL", clean, silent, metrics, SETUP)
    assert not (tmp_path / "EVAL/pd_at_pfa.png").exists() and not list((tmp_path / "EVAL/gallery").glob("*.jpg"))

    def cut_short(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(report, "write_figures", cut_short)
    with pytest.raises(OSError, match="disk full"):
        write_evaluation(tmp_path / "EVAL", clean, silent, metrics, SETUP)
    assert not (tmp_path / "EVAL/metrics.json").exists()


def test_pictures_take_names_as_text(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    names = ("_hidden", "coins $_{$")
    index, found = make_split(tmp_path, clean=20)
    index, found = replace(index, class_names=names), [replace(one, class_names=names) for one in found]
    metrics = evaluate(index, found, dict.fromkeys(names, 0.5))
    labels = [text.get_text() for text in figures._precision_recall(metrics).axes[0].get_legend().get_texts()]
    assert [label.split("  ")[0].strip() for label in labels] == ["_hidden", r"coins \$_{\$"]
    write_evaluation(tmp_path / "EVAL", index, found, metrics, SETUP)
    assert not [one for one in recwarn if "legend" in str(one.message)]


def test_a_handful_of_boxes_proves_no_scores(tmp_path: Path) -> None:
    index, found = make_split(tmp_path, clean=20)
    metrics = evaluate(index, found, dict.fromkeys(NAMES, 0.5))
    assert metrics.calibration.confident.n == 3
    confident = replace(metrics.calibration.confident, d_ece=0.27, if_calibrated=0.27, interval=(0.2, 0.3))
    for n, chance, said in ((3, 0.27, "Too few boxes to say whether scores are probabilities"), (400, 0.05, "no prob")):
        error = replace(confident, n=n, if_calibrated=chance)
        told = decision(replace(metrics, calibration=replace(metrics.calibration, confident=error)), "test")
        assert said in told and "Scores can be read as probabilities" not in told


def test_a_pd_beyond_every_score_has_no_price(tmp_path: Path) -> None:
    index, found = make_split(tmp_path, clean=20)
    blind = [one[:0] if number >= 20 else one for number, one in enumerate(found)]
    told = decision(evaluate(index, blind, dict.fromkeys(NAMES, 0.5)), "test")
    assert "No score alarms on 90% of the scans with an item" in told and "score of 0.000" not in told
