"""What a second run into the same folder makes up for, and what a file is called in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from detector.batch import BatchOptions, BatchSummary, run_batch
from detector.cli import app
from detector.discovery import discover
from detector.inspection import Decision
from detector.ledger import Ledger
from detector.outputs.record import overlay_name
from detector.pipeline import Detector
from detector.settings import Policy

WriteScan = Callable[..., Path]


@pytest.fixture
def scan_all(probe: Path, tmp_path: Path) -> Callable[..., BatchSummary]:
    def run(*inputs: Path, overlays: bool = True, alarm: float = 0.5) -> BatchSummary:
        detector = Detector(probe, policy=Policy(alarm={"gun": alarm, "knife": alarm}), provider="cpu")
        output = tmp_path / "out"
        sources = discover(inputs, (), output).sources
        return run_batch(detector, sources, output, BatchOptions(overlays=overlays), lambda inspection: None)

    return run


def lines(tmp_path: Path) -> dict[str, str]:
    records = map(json.loads, (tmp_path / "out" / "results.jsonl").read_text().splitlines())
    return {record["scan"]: record["decision"] for record in records}


def test_a_missing_picture_is_made_by_the_next_run_that_wants_it(
    scan_all: Callable[..., BatchSummary], write_scan: WriteScan, tmp_path: Path
) -> None:
    belt, picture = tmp_path / "belt", tmp_path / "out" / "overlays" / "bag.png.jpg"
    write_scan(belt / "bag.png", middle=15)
    assert scan_all(belt, overlays=False).decisions[Decision.ALARM] == 1 and not picture.exists()
    assert scan_all(belt).done == 1 and picture.exists()
    assert cv2.imread(str(picture)) is not None
    assert scan_all(belt).skipped == 1
    picture.unlink()
    assert scan_all(belt).done == 1 and picture.exists()


def test_no_picture_of_other_settings_stands_beside_a_result(
    scan_all: Callable[..., BatchSummary], write_scan: WriteScan, tmp_path: Path
) -> None:
    belt, picture = tmp_path / "belt", tmp_path / "out" / "overlays" / "bag.png.jpg"
    write_scan(belt / "bag.png", middle=15)
    scan_all(belt)
    first = picture.read_bytes()
    # Other settings that alarm as well draw it anew; back again, it is the first one's once more.
    assert scan_all(belt, alarm=0.6).done == 1 and picture.read_bytes() != first
    assert scan_all(belt).done == 1 and picture.read_bytes() == first
    assert scan_all(belt, alarm=1).decisions[Decision.CLEAR] == 1 and not picture.exists()
    scan_all(belt)
    assert picture.exists()
    assert scan_all(belt, alarm=1).skipped == 1 and not picture.exists()
    scan_all(belt)
    assert picture.exists()
    assert scan_all(belt, alarm=1, overlays=False).skipped == 1 and not picture.exists()


def test_the_audit_finds_an_edited_line_of_the_results(
    scan_all: Callable[..., BatchSummary], write_scan: WriteScan, tmp_path: Path
) -> None:
    belt, out = tmp_path / "belt", tmp_path / "out"
    write_scan(belt / "bag.png", middle=15)
    scan_all(belt)
    path = out / "results.jsonl"
    before = path.read_text()
    # A result that was replaced since was recorded all the same: a run that was cut off leaves such a file.
    write_scan(belt / "bag.png", middle=30)
    scan_all(belt)
    audit = CliRunner().invoke(app, ["audit", str(out)])
    assert (audit.exit_code, "intact" in audit.output) == (0, True)
    path.write_text(before)
    assert CliRunner().invoke(app, ["audit", str(out)]).exit_code == 0
    path.write_text(before.replace("ALARM", "CLEAR"))
    audit = CliRunner().invoke(app, ["audit", str(out)])
    assert audit.exit_code == 1 and "results.jsonl line 1: no such result was ever recorded" in audit.output


def test_a_file_keeps_its_name_when_another_of_that_name_joins(
    scan_all: Callable[..., BatchSummary], write_scan: WriteScan, tmp_path: Path
) -> None:
    first, second = tmp_path / "belt1", tmp_path / "belt2"
    write_scan(first / "bag.png")
    second.mkdir()
    scan_all(first, second)
    write_scan(second / "bag.png", middle=15)
    other = (second / "bag.png").as_posix()
    assert scan_all(first, second).done == 1
    assert lines(tmp_path) == {"bag.png": "CLEAR", other: "ALARM"}
    # A folder that has two names of one file goes on under the one that this command line gives.
    with Ledger(tmp_path / "out" / "ledger.sqlite") as ledger:
        ledger.claim({"older.png": str((second / "bag.png").absolute())})
    assert scan_all(first, second).done == 0
    # Changed, it is the same line that changes.
    write_scan(first / "bag.png", middle=15)
    scan_all(first, second)
    assert lines(tmp_path) == {"bag.png": "ALARM", other: "ALARM"}
    assert (tmp_path / "out" / "overlays" / overlay_name(other)).exists()
