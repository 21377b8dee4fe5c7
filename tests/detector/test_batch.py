"""What a second run into the same folder makes up for, and what a file is called in it."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from detector import batch
from detector.batch import BatchOptions, BatchSummary, run_batch
from detector.cli import app
from detector.discovery import discover
from detector.errors import ResultsLost
from detector.inspection import Decision
from detector.ledger import Ledger, Published
from detector.ledger_file import LedgerUnusable
from detector.outputs import OUTPUTS
from detector.outputs.atomic import PreparedText
from detector.pipeline import Detector
from detector.scan_names import overlay_name
from detector.settings import Policy

WriteScan = Callable[..., Path]


@pytest.fixture
def scan_all(probe: Path, tmp_path: Path) -> Callable[..., BatchSummary]:
    def run(*inputs: Path, overlays: bool = True, report: bool = True, alarm: float = 0.5) -> BatchSummary:
        detector = Detector(probe, policy=Policy(alarm={"gun": alarm, "knife": alarm}), provider="cpu")
        output = tmp_path / "out"
        sources = discover(inputs, (), output).sources
        return run_batch(detector, sources, output, BatchOptions(overlays, report), lambda inspection: None)

    return run


def lines(tmp_path: Path) -> dict[str, str]:
    records = map(json.loads, (tmp_path / "out" / "results.jsonl").read_text().splitlines())
    return {record["scan"]: record["decision"] for record in records}


def test_a_scan_without_a_result_is_no_fault_of_the_network(
    scan_all: Callable[..., BatchSummary], write_scan: WriteScan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scan(tmp_path / "belt" / "bag.png")
    monkeypatch.setattr(batch.OutputRun, "_decisions", lambda *_: Counter())
    with pytest.raises(ResultsLost, match="1 scans went in, 0 results came out") as lost:
        scan_all(tmp_path / "belt")
    assert "doctor" not in lost.value.remedy and "--output" in lost.value.remedy


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
    audit = CliRunner().invoke(app, ["audit", str(out)])
    assert audit.exit_code == 1 and "ever recorded" not in audit.output
    assert "results.jsonl: not as it was written" in audit.output
    path.write_text(before.replace("ALARM", "CLEAR"))
    audit = CliRunner().invoke(app, ["audit", str(out)])
    assert audit.exit_code == 1 and "results.jsonl line 1: no such result was ever recorded" in audit.output
    scan_all(belt)
    assert CliRunner().invoke(app, ["audit", str(out)]).exit_code == 0


@pytest.mark.parametrize("name", ["results.csv", "detections.coco.json", "report.html"])
def test_the_audit_finds_an_edited_output_until_a_run_writes_it_anew(
    name: str, scan_all: Callable[..., BatchSummary], write_scan: WriteScan, tmp_path: Path
) -> None:
    belt, out = tmp_path / "belt", tmp_path / "out"
    write_scan(belt / "bag.png", middle=15)
    scan_all(belt)
    # A copy of the folder has other times, and is as whole.
    shutil.copytree(out, tmp_path / "copy")
    assert CliRunner().invoke(app, ["audit", str(tmp_path / "copy")]).exit_code == 0
    (out / name).write_text((out / name).read_text().replace("gun", "bag"))
    audit = CliRunner().invoke(app, ["audit", str(out)])
    assert audit.exit_code == 1 and f"{name}: not as it was written" in audit.output
    assert scan_all(belt).done == 0
    assert CliRunner().invoke(app, ["audit", str(out)]).exit_code == 0
    # What was taken elsewhere is not there to be wrong.
    (out / name).unlink()
    assert CliRunner().invoke(app, ["audit", str(out)]).exit_code == 0


def test_a_ledger_of_before_the_files_were_noted_is_audited(
    scan_all: Callable[..., BatchSummary], write_scan: WriteScan, tmp_path: Path
) -> None:
    write_scan(tmp_path / "belt" / "bag.png")
    scan_all(tmp_path / "belt")
    with Ledger(tmp_path / "out" / "ledger.sqlite") as ledger:
        shown = ledger.published()
        assert shown is not None
        times = {name: state[:3] for name, state in json.loads(shown.files).items()}
        with ledger.exclusively():
            ledger.note_published(replace(shown, files=json.dumps(times)))
    assert CliRunner().invoke(app, ["audit", str(tmp_path / "out")]).exit_code == 0
    with Ledger(tmp_path / "out" / "ledger.sqlite") as ledger:
        ledger._connection.execute("DROP TABLE published")
    assert CliRunner().invoke(app, ["audit", str(tmp_path / "out")]).exit_code == 0


def test_a_scan_that_was_decoded_and_not_judged_has_its_size_and_its_picture(
    scan_all: Callable[..., BatchSummary], tmp_path: Path
) -> None:
    (tmp_path / "belt").mkdir()
    assert cv2.imwrite(str(tmp_path / "belt" / "blank.png"), np.full((160, 200, 3), 255, np.uint8))
    assert scan_all(tmp_path / "belt").decisions[Decision.REFER] == 1
    record = json.loads((tmp_path / "out" / "results.jsonl").read_text())
    assert (record["width"], record["height"], record["detections"]) == (200, 160, [])
    assert cv2.imread(str(tmp_path / "out" / "overlays" / "blank.png.jpg")) is not None
    assert "no picture" not in (tmp_path / "out" / "report.html").read_text()


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
        ledger._connection.execute(
            "INSERT INTO origins VALUES ('older.png', ?)", (str((second / "bag.png").absolute()),)
        )
    assert scan_all(first, second).done == 0
    # Changed, it is the same line that changes.
    write_scan(first / "bag.png", middle=15)
    scan_all(first, second)
    assert lines(tmp_path) == {"bag.png": "ALARM", other: "ALARM"}
    assert (tmp_path / "out" / "overlays" / overlay_name(other)).exists()


def test_a_newcomer_of_a_name_that_is_taken_is_called_by_its_path(
    scan_all: Callable[..., BatchSummary], write_scan: WriteScan, tmp_path: Path
) -> None:
    first, again = write_scan(tmp_path / "1" / "0001.png"), write_scan(tmp_path / "2" / "0001.png", middle=15)
    other = write_scan(tmp_path / "2" / "0002.png", middle=15)
    scan_all(first)
    for done in (2, 0):
        assert scan_all(again, other).done == done
        assert lines(tmp_path) == {"0001.png": "CLEAR", again.as_posix(): "ALARM", "0002.png": "ALARM"}
    assert scan_all(again, first, other).done == 0


def test_no_report_of_earlier_results_stays(
    scan_all: Callable[..., BatchSummary], write_scan: WriteScan, tmp_path: Path
) -> None:
    belt, page = tmp_path / "belt", tmp_path / "out" / "report.html"
    write_scan(belt / "bag.png")
    scan_all(belt)
    assert page.exists()
    # Not even where nothing is new.
    scan_all(belt, report=False)
    assert not page.exists()
    scan_all(belt)
    write_scan(belt / "bag.png", middle=15)
    scan_all(belt, report=False)
    assert not page.exists() and lines(tmp_path) == {"bag.png": "ALARM"}


def test_what_shows_the_ledger_already_is_not_written_again(
    scan_all: Callable[..., BatchSummary], write_scan: WriteScan, tmp_path: Path
) -> None:
    belt, out = tmp_path / "belt", tmp_path / "out"
    write_scan(belt / "bag.png", middle=15)
    write_scan(belt / "other.png")
    scan_all(belt)

    def files() -> dict[str, int]:
        return {name: (out / name).stat().st_ino for name in OUTPUTS if (out / name).exists()}

    whole, (before, contents) = files(), ((out / "results.jsonl").stat(), (out / "results.jsonl").read_text())
    summary = scan_all(belt / "bag.png")
    assert files() == whole
    assert (summary.decisions, summary.others) == (Counter(ALARM=1), Counter(CLEAR=1))
    # Files that somebody edited or removed are made good, also where size and time of writing stay the same.
    (out / "results.jsonl").write_text(contents.replace("ALARM", "CLEAR"))
    os.utime(out / "results.jsonl", ns=(before.st_atime_ns, before.st_mtime_ns))
    scan_all(belt)
    assert (out / "results.jsonl").read_text() == contents
    for name in OUTPUTS:
        (out / name).unlink()
        scan_all(belt)
        assert files().keys() == whole.keys()
    # Another policy's results are others, though nothing is new to either.
    scan_all(belt, alarm=1)
    assert lines(tmp_path) == {"bag.png": "CLEAR", "other.png": "CLEAR"}
    assert scan_all(belt).done == 1
    assert lines(tmp_path) == {"bag.png": "ALARM", "other.png": "CLEAR"}


def overtake_by(monkeypatch: pytest.MonkeyPatch, run: Callable[[], BatchSummary]) -> list[BatchSummary]:
    """Lets `run` overtake the next run while that writes its outputs. Gives its summary, once there is one."""
    write, told = OUTPUTS["results.csv"], []

    @contextmanager
    def overtaken(*arguments: object) -> Iterator[object]:
        monkeypatch.setitem(OUTPUTS, "results.csv", write)
        told.append(run())
        with write(*arguments) as add:  # type: ignore[arg-type]
            yield add

    monkeypatch.setitem(OUTPUTS, "results.csv", overtaken)
    return told


def test_others_record_while_outputs_are_written_and_the_last_word_is_the_newest(
    scan_all: Callable[..., BatchSummary], write_scan: WriteScan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = write_scan(tmp_path / "slow.png"), write_scan(tmp_path / "quick.png", middle=15)
    told = overtake_by(monkeypatch, lambda: scan_all(quick))
    summary = scan_all(slow)
    assert (summary.decisions, summary.others) == (Counter(CLEAR=1), Counter())
    assert (told[0].decisions, told[0].others) == (Counter(ALARM=1), Counter(CLEAR=1))
    assert lines(tmp_path) == {"slow.png": "CLEAR", "quick.png": "ALARM"}
    assert not list((tmp_path / "out").glob("*.partial"))
    assert scan_all(slow).others == Counter(ALARM=1)


def test_a_run_with_other_settings_that_ended_meanwhile_keeps_no_outputs_back(
    scan_all: Callable[..., BatchSummary], write_scan: WriteScan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = write_scan(tmp_path / "slow.png", middle=15), write_scan(tmp_path / "quick.png", middle=15)
    overtake_by(monkeypatch, lambda: scan_all(quick, alarm=1))
    assert scan_all(slow).decisions == Counter(ALARM=1)
    assert lines(tmp_path) == {"slow.png": "ALARM"}
    assert scan_all(quick, alarm=1).decisions == Counter(CLEAR=1)
    assert lines(tmp_path) == {"quick.png": "CLEAR"}


def test_a_note_of_results_to_come_keeps_none_back(
    scan_all: Callable[..., BatchSummary], write_scan: WriteScan, tmp_path: Path
) -> None:
    scan_all(write_scan(tmp_path / "a.png"))
    with closing(sqlite3.connect(tmp_path / "out" / "ledger.sqlite")) as connection:
        connection.execute("UPDATE published SET audit_rows = 1000000")
        connection.commit()
    scan_all(write_scan(tmp_path / "b.png"))
    assert lines(tmp_path) == {"a.png": "CLEAR", "b.png": "CLEAR"}


def note_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(ledger: Ledger, published: Published) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Ledger, "note_published", lost)


def third_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    publish, names = PreparedText.publish, iter(range(len(OUTPUTS)))

    def refused(prepared: PreparedText) -> None:
        if next(names) == 2:
            raise OSError(errno.EACCES, "Permission denied")
        publish(prepared)

    monkeypatch.setattr(PreparedText, "publish", refused)


@pytest.mark.parametrize("fail", [note_is_lost, third_file_is_refused])
def test_outputs_that_were_published_in_part_agree_after_the_next_run(
    scan_all: Callable[..., BatchSummary],
    write_scan: WriteScan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fail: Callable[[pytest.MonkeyPatch], None],
) -> None:
    belt, out = tmp_path / "belt", tmp_path / "out"
    write_scan(belt / "bag.png", middle=15)

    def cut_off(alarm: float) -> None:
        with monkeypatch.context() as faulty:
            fail(faulty)
            with pytest.raises(OSError, match=r"No space left|Permission denied"):
                scan_all(belt, overlays=False, alarm=alarm)
        assert not list(out.glob("*.partial"))

    def told() -> list[list[str]]:
        texts = [(out / name).read_text() for name in OUTPUTS]
        return [re.findall(r'(?:"decision": "|\.png,|<tr class=")([A-Z]+)', text) for text in texts]

    # Under other settings that alarm on nothing, and of which nothing is new: the audit does not grow.
    for alarm in (1, 0.5):
        scan_all(belt, overlays=False, alarm=alarm)
    assert told() == [["ALARM"]] * 4
    cut_off(alarm=1)
    assert told()[0] == ["CLEAR"]
    assert scan_all(belt, overlays=False).done == 0
    assert told() == [["ALARM"]] * 4
    # With a result that is new.
    write_scan(belt / "other.png")
    cut_off(alarm=0.5)
    assert scan_all(belt, overlays=False).done == 0
    assert [sorted(decisions) for decisions in told()] == [["ALARM", "CLEAR"]] * 4


def test_results_of_files_that_are_gone_are_told_as_others(
    scan_all: Callable[..., BatchSummary], write_scan: WriteScan, tmp_path: Path
) -> None:
    belt = tmp_path / "belt"
    write_scan(belt / "bag.png")
    passing = belt / ".bag.png.Xa3fQ1"
    passing.write_bytes((belt / "bag.png").read_bytes()[:-40])
    assert scan_all(belt).decisions == Counter(CLEAR=1, REFER=1)
    passing.unlink()
    summary = scan_all(belt)
    assert (summary.decisions, summary.others) == (Counter(CLEAR=1), Counter(REFER=1))
    assert len(lines(tmp_path)) == 2


def test_an_alarm_that_was_turned_into_clear_in_the_ledger_reaches_no_output(
    scan_all: Callable[..., BatchSummary], write_scan: WriteScan, tmp_path: Path
) -> None:
    alarm = write_scan(tmp_path / "alarm.png", middle=15)
    scan_all(alarm)
    with closing(sqlite3.connect(tmp_path / "out" / "ledger.sqlite")) as connection:
        connection.executescript(
            "DROP TRIGGER audit_never_edited; UPDATE audit SET entry = replace(entry, 'ALARM', 'CLEAR');"
        )
    # In a run of its own scan, and in one of another.
    for scan in (alarm, write_scan(tmp_path / "other.png")):
        with pytest.raises(LedgerUnusable, match=r"result of alarm\.png is not the one that was recorded"):
            scan_all(scan)
        assert lines(tmp_path) == {"alarm.png": "ALARM"}
    assert not list((tmp_path / "out").glob("*.partial"))


def test_an_older_clear_that_was_put_in_front_of_an_alarm_reaches_no_output(
    scan_all: Callable[..., BatchSummary], write_scan: WriteScan, tmp_path: Path
) -> None:
    scan = write_scan(tmp_path / "bag.png")
    scan_all(scan)
    write_scan(scan, middle=15)
    scan_all(scan)
    with closing(sqlite3.connect(tmp_path / "out" / "ledger.sqlite")) as connection:
        connection.execute("UPDATE results SET current = 999 WHERE recorded = 1")
        connection.commit()
    for _ in range(2):
        with pytest.raises(LedgerUnusable, match=r"result of bag\.png is not the one that was recorded"):
            scan_all(scan)
        assert lines(tmp_path) == {"bag.png": "ALARM"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_scan_that_is_stopped_says_what_stays_and_goes_on_where_it_was(
    number: signal.Signals,
    code: int,
    probe: Path,
    write_scan: WriteScan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in range(3):
        write_scan(tmp_path / "belt" / f"{name}.png", middle=15 + name)
    command = ["scan", str(tmp_path / "belt"), "--output", str(tmp_path / "out"), "--weights", str(probe)]
    record, done = Ledger.record, []

    def stopped(*given: Any, **named: Any) -> None:
        record(*given, **named)
        done.append(given)
        if len(done) == 2:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "record", stopped)
        ended = CliRunner().invoke(app, [*command, "--batch", "1"])
    assert ended.exit_code == code and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert "stopped: what was inspected is in" in ended.output and "run the same again" in ended.output
    assert not (tmp_path / "out" / "results.jsonl").exists()
    again = CliRunner().invoke(app, command)
    assert again.exit_code in (0, 3) and "2 done before" in " ".join(again.output.split()), again.output
    assert len(lines(tmp_path)) == 3


def test_what_a_killed_run_left_half_written_goes_once_nobody_can_be_writing_it(
    scan_all: Callable[..., BatchSummary], write_scan: WriteScan, tmp_path: Path
) -> None:
    write_scan(tmp_path / "belt" / "bag.png", middle=15)
    out = tmp_path / "out"
    (out / "overlays").mkdir(parents=True)
    left = [out / ".0123456789abcdef.partial", out / "overlays" / ".fedcba9876543210.partial"]
    others = [out / ".fresh6789abcdef0.partial", out / ".00000000000000ff.partial"]
    for path in (*left, *others):
        path.write_text("half")
    for path in (*left, others[0]):
        os.utime(path, (0, 0))
    scan_all(tmp_path / "belt")
    # The one is no name of ours, the other is young.
    assert [path.exists() for path in (*left, *others)] == [False, False, True, True]
