"""A station where names, disks, streams and other writers are against it: nothing is lost, mixed up or told wrongly."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from detector import Detector
from detector.batch import BatchOptions, run_batch
from detector.cli import app, main
from detector.discovery import discover
from detector.errors import ScanUnreadable, SettingsInvalid
from detector.ledger import Key, Ledger
from detector.ledger_file import LedgerUnusable
from detector.readers import Limits
from detector.readers.files import read_file
from detector.settings import Policy, load_policy
from detector.terminal import tell, visible

WriteScan = Callable[..., Path]
Roentgate = Callable[..., subprocess.CompletedProcess[str]]
NOT_UTF_8 = os.fsdecode(b"bag_\xff.png")


def decisions(output: Path) -> dict[str, str]:
    records = map(json.loads, (output / "results.jsonl").read_text().splitlines())
    return {record["scan"]: record["decision"] for record in records}


def run(detector: Detector, output: Path, *inputs: Path) -> dict[str, str]:
    run_batch(detector, discover(inputs, (), output).sources, output, BatchOptions(), lambda inspection: None)
    return decisions(output)


@pytest.fixture
def detector(probe: Path) -> Detector:
    return Detector(probe, provider="cpu", threads=1)


@pytest.fixture
def roentgate(tmp_path: Path, probe: Path) -> Roentgate:
    """The command in a shell, which can close its streams."""

    def call(redirections: str, *arguments: object, weights: Path = probe) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from detector.cli import main; main()", *map(str, arguments)]
        return subprocess.run(
            ["sh", "-c", f'"$@" {redirections}', "sh", *command, "--output", "out", "--weights", str(weights)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )

    return call


# Which files, and what they are called


def test_scans_in_the_output_folder_are_not_lost(tmp_path: Path, write_scan: WriteScan, detector: Detector) -> None:
    first, second = tmp_path / "belt1", tmp_path / "belt2"
    write_scan(first / "gun.png", middle=15)
    write_scan(second / "bag.png")
    for _ in range(2):
        assert run(detector, first, first, second) == {"gun.png": "ALARM", "bag.png": "CLEAR"}
    assert (first / "overlays" / "gun.png.jpg").is_file()
    assert not discover([first], (), first).left_out


def test_two_names_that_are_spelled_alike_keep_a_result_each(
    tmp_path: Path, write_scan: WriteScan, detector: Detector
) -> None:
    belt, output = tmp_path / "belt", tmp_path / "out"
    write_scan(belt / "clear.png").rename(belt / NOT_UTF_8)
    assert run(detector, output, belt) == {r"bag_\udcff.png": "CLEAR"}
    write_scan(belt / "bag_\\udcff.png", middle=15)
    for _ in range(2):
        assert sorted(run(detector, output, belt).values()) == ["ALARM", "CLEAR"]


def test_two_names_that_are_spelled_alike_are_not_exchanged_by_lone_runs(
    tmp_path: Path, write_scan: WriteScan, detector: Detector
) -> None:
    belt, output = tmp_path / "belt", tmp_path / "out"
    clear = write_scan(belt / "clear.png").rename(belt / NOT_UTF_8)
    alarm = write_scan(belt / "bag_\\udcff.png", middle=15)
    both = run(detector, output, belt)
    assert sorted(both.values()) == ["ALARM", "CLEAR"]
    for lone in (clear, alarm, clear):
        assert run(detector, output, lone) == both
    # In a folder that met them one by one.
    each = [run(detector, tmp_path / "other", lone) for lone in (clear, alarm, clear, belt)]
    assert sorted(each[1].values()) == ["ALARM", "CLEAR"] and each[0].items() < each[1].items()
    assert each[1:] == [each[1]] * 3


def test_one_file_is_the_same_from_every_folder(
    tmp_path: Path, write_scan: WriteScan, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scan(tmp_path / "belt" / "bag.png")
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert run(detector, tmp_path / "out", Path("../belt")) == {"bag.png": "CLEAR"}
    assert len(discover([Path("../belt"), tmp_path / "belt"], ["../here/../belt/bag.png"], Path("out")).sources) == 1


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\0"])
def test_a_listed_name_is_parted_at_line_ends_alone(
    tmp_path: Path, write_scan: WriteScan, probe: Path, separator: str
) -> None:
    listed = [str(write_scan(tmp_path / f"{name}.png")) for name in ("a\u2028b", "c\x85d\x0ce", "plain")]
    arguments = ["scan", "-", "--output", str(tmp_path / "out"), "--weights", str(probe)]
    done = CliRunner().invoke(app, arguments, input=separator.join(listed).encode())
    assert done.exit_code == 0, done.output
    assert set(decisions(tmp_path / "out").values()) == {"CLEAR"}


@pytest.mark.parametrize(
    ("arguments", "told"), [(["", "belt"], "INPUT is empty"), (["belt", "--threads", "9" * 11], "")]
)
def test_a_call_that_nobody_meant_is_refused(
    roentgate: Roentgate, tmp_path: Path, write_scan: WriteScan, arguments: list[str], told: str
) -> None:
    write_scan(tmp_path / "belt" / "bag.png")
    done = roentgate("", "scan", *arguments)
    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_name_starts_no_row_of_the_table(tmp_path: Path, write_scan: WriteScan, detector: Detector) -> None:
    write_scan(tmp_path / "belt" / "bag.png").rename(tmp_path / "belt" / "x\r=1+1.png")
    run(detector, tmp_path / "out", tmp_path / "belt")
    text = (tmp_path / "out" / "results.csv").read_bytes().decode()
    assert '\n"x\r=1+1.png",CLEAR,' in text and "\r\n" not in text
    assert [row["scan"] for row in csv.DictReader(io.StringIO(text, newline=""))] == ["x\r=1+1.png"]


@pytest.mark.parametrize("name", ["x;=1+1.png", "=1+1.png", "\uff1d1+1.png", "x;\t@a.png"])
def test_no_cell_is_a_formula_in_any_country(
    tmp_path: Path, write_scan: WriteScan, detector: Detector, name: str
) -> None:
    write_scan(tmp_path / "belt" / "bag.png").rename(tmp_path / "belt" / name)
    (tmp_path / "belt" / name).write_bytes(b"")
    run(detector, tmp_path / "out", tmp_path / "belt")
    text = (tmp_path / "out" / "results.csv").read_text()
    for separator in ",;\t":
        cells = [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\uff1d"))]


def test_weights_may_have_any_name(roentgate: Roentgate, tmp_path: Path, write_scan: WriteScan, probe: Path) -> None:
    write_scan(tmp_path / "bag.png")
    weights = tmp_path / os.fsdecode(b"probe_\xff.onnx")
    weights.write_bytes(probe.read_bytes())
    done = roentgate("", "scan", "bag.png", weights=weights)
    assert done.returncode == 0, done.stderr
    assert r"probe_\udcff@sha256:" in (tmp_path / "out" / "report.html").read_text()


# Pictures of another result


def test_the_report_links_no_picture_of_other_settings(tmp_path: Path, write_scan: WriteScan, probe: Path) -> None:
    belt, output = tmp_path / "belt", tmp_path / "out"
    one, other = write_scan(belt / "one.png", middle=15), write_scan(belt / "other.png", middle=15)
    for alarm, inputs in ((0.5, [one, other]), (0.6, [one]), (0.5, [other])):
        run(Detector(probe, policy=Policy(alarm={"gun": alarm}), provider="cpu"), output, *inputs)
    report = (output / "report.html").read_text()
    assert 'href="overlays/other.png.jpg"' in report and "one.png" in report
    # It is there, and shows what the policy in between decided.
    assert (output / "overlays" / "one.png.jpg").is_file() and 'href="overlays/one.png.jpg"' not in report


# Files that others write


class _Overwritten(io.FileIO):
    """A file whose other half is written in place once the first is read."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        path = Path(str(self.name))
        with path.open("r+b") as other:
            other.write(b"of another scan")
        os.utime(path, ns=(1, 1))
        return data


@pytest.mark.parametrize("changed", ["bag.npy", "bag.toml"])
def test_a_file_that_is_written_meanwhile_is_referred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    np.save(tmp_path / "bag.npy", np.zeros((50, 50), np.uint16))
    (tmp_path / "bag.toml").write_text('name = "a gate of some length"')
    whole = Path.open

    def opened(self: Path, mode: str = "r") -> object:
        return _Overwritten(self) if (self.name, mode) == (changed, "rb") else whole(self, mode)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(ScanUnreadable, match=f"bag.npy: {changed} was written while it was read"):
        read_file(tmp_path / "bag.npy", "bag.npy", Limits())
    monkeypatch.undo()
    assert read_file(tmp_path / "bag.npy", "bag.npy", Limits())


# Disks


def key(number: int) -> Key:
    return Key(f"{number}.png", "a", "weights", "settings")


def line(number: int) -> str:
    return json.dumps({"scan": f"{number}.png", "decision": "CLEAR", "reasons": ["nothing found"]})


def test_a_full_disk_is_no_wrong_call_and_what_was_recorded_stays(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.record(key(1), line(1))
        ledger._connection.execute("PRAGMA max_page_count = 10")
        with pytest.raises(OSError, match="No space left") as full:
            ledger.record(key(2), line(2), bytes(100_000))
        assert full.value.errno == errno.ENOSPC and full.value.filename.endswith("ledger.sqlite")
        assert ledger.has(key(1)) and not ledger.has(key(2)) and ledger.verify() == ()


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EDQUOT, "make room"),
        (errno.EIO, "check the disk"),
        (errno.EROFS, "let the user"),
        (errno.EACCES, "let the user"),
        (errno.ENOTDIR, "a file stands"),
        (errno.ETIMEDOUT, "check the disk"),
    ],
)
def test_an_error_of_the_system_names_a_file_and_what_helps(
    number: int,
    remedy: str,
    tmp_path: Path,
    write_scan: WriteScan,
    probe: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("detector.cli.run_batch", fails)
    scan, output = write_scan(tmp_path / "bag.png"), tmp_path / "out"
    arguments = ["scan", str(scan), "--output", str(output), "--weights", str(probe)]
    monkeypatch.setattr("sys.argv", ["roentgate", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert ended.value.code == 1 and str(output) in told and f"what to do: {remedy}" in told


def test_a_file_in_the_place_of_the_output_folder_is_told(
    tmp_path: Path,
    write_scan: WriteScan,
    probe: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scan = write_scan(tmp_path / "bag.png")
    monkeypatch.setattr("sys.argv", ["roentgate", "scan", str(scan), "--output", str(scan), "--weights", str(probe)])
    with pytest.raises(SystemExit):
        main()
    assert "a file stands where a folder belongs" in capsys.readouterr().err


def test_a_disk_that_fills_at_once_leaves_no_half_made_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "detector.ledger_file._SCHEMA", "PRAGMA max_page_count = 1; CREATE TABLE audit (sequence INTEGER);"
    )
    with pytest.raises(OSError, match="No space left"):
        Ledger(tmp_path / "ledger.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_without_its_results_is_no_matter_of_permissions(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger._connection.execute("DROP TABLE results")
        with pytest.raises(LedgerUnusable, match="altered") as told:
            ledger.verify()
    assert "permissions" not in told.value.remedy


def test_a_ledger_that_another_process_made_meanwhile_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, link = tmp_path / "ledger.sqlite", os.link

    def no_links(*_: object) -> None:
        monkeypatch.setattr(os, "link", link)
        with Ledger(path) as quicker:
            quicker.record(key(1), line(1))
        # On a network the other's file may show late.
        monkeypatch.setattr(Path, "exists", lambda _: False)
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    with Ledger(path) as ledger:
        assert ledger.has(key(1))
    assert [one.name for one in tmp_path.iterdir()] == ["ledger.sqlite"]


def test_a_ledger_is_made_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.record(key(1), line(1))
        assert ledger.verify() == ()


def test_a_ledger_that_cannot_be_written_is_audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.record(key(1), line(1))
    monkeypatch.setattr(os, "access", lambda path, mode, **_: mode != os.W_OK)
    with Ledger.to_read(path) as ledger:
        assert ledger.verify() == () and ledger.head()[0] == 1
        assert [one.name for one in tmp_path.iterdir()] == ["ledger.sqlite"]
        with pytest.raises(LedgerUnusable):
            ledger.record(key(2), line(2))
    audited = CliRunner().invoke(app, ["audit", str(tmp_path)])
    assert (audited.exit_code, "1 entries" in audited.output) == (0, True)
    # While another process records, what it has not yet moved into the file counts as well.
    with Ledger(path) as writing:
        writing.record(key(2), line(2))
        with Ledger.to_read(path) as ledger:
            assert ledger.head()[0] == 2


# Streams and words


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_stop_nothing(roentgate: Roentgate, tmp_path: Path, write_scan: WriteScan, closed: str) -> None:
    scan = write_scan(tmp_path / "bag.png", middle=15)
    cv2.imwrite(str(scan.with_suffix(".jpg")), cv2.imread(str(scan)))
    done = roentgate(closed, "scan", "bag.png", "bag.jpg", "--fail-on-alarm")
    assert done.returncode == 5, done.stderr
    assert len(decisions(tmp_path / "out")) == 2
    assert roentgate(closed, "scan", "-").returncode == 2


def test_a_name_moves_no_cursor_and_is_told_as_it_is(tmp_path: Path, write_scan: WriteScan, probe: Path) -> None:
    belt = tmp_path / ":key:"
    write_scan(belt / "bag.png")
    (belt / "notes.\x1b[2J\n\x9b1mx").write_text("no scan")
    done = CliRunner().invoke(app, ["scan", str(belt), "--output", str(belt / "out"), "--weights", str(probe)])
    # Only the letters of a suffix are made small.
    assert "left out, being no scans: 1 .␛[2j␊\\x9b1mx\n" in done.stderr
    assert f"results in {belt / 'out' / 'report.html'}\n" in done.stderr


def test_a_message_is_one_line_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    tell("[red] a path / that is long " * 40)
    assert capsys.readouterr().err.count("\n") == 1
    assert visible("plain ä €.png") == "plain ä €.png"


def test_a_probe_writes_toml_whatever_the_files_are_called(tmp_path: Path) -> None:
    levels = np.full((200, 400), 50_000, np.uint16)
    levels[50:150, 100:300] = 12_000
    names = [Path("1") / 'a\npolarity = "air dark"\n#.png', Path("1") / "b.png", Path("2") / "b.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(cv2.imencode(".png", levels)[1].tobytes())
    files = [str(tmp_path / name) for name in names]
    done = CliRunner().invoke(
        app, ["scanner", "probe", *files, "--output", str(tmp_path / "seen"), "--name", "gate \U0001f600\x7f"]
    )
    assert done.exit_code == 0, done.output
    profile = tomllib.loads(done.stdout)
    assert profile["name"] == "gate \U0001f600\u2421" and "polarity" not in profile
    # One for each file, those of one name as well.
    assert len(list((tmp_path / "seen").iterdir())) == 3


def test_a_policy_of_an_editor_that_marks_its_files_is_read(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_bytes(b"\xef\xbb\xbfmin_score = 0.25\r\n")
    assert load_policy(tmp_path / "policy.toml").min_score == 0.25


def test_brackets_without_end_are_no_toml(tmp_path: Path) -> None:
    (tmp_path / "deep.toml").write_text("a = " + "[" * 50_000)
    with pytest.raises(SettingsInvalid, match="not TOML"):
        load_policy(tmp_path / "deep.toml")
