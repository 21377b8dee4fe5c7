"""`roentgate scan`: files, lines, exit codes. People's scripts depend on all of it."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import make_spec, probe_onnx

WriteScan = Callable[..., Path]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def station(tmp_path: Path, probe: Path) -> Run:
    def run(*arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-c", "from detector.cli import main; main()"]
        return subprocess.run(
            [*command, *map(str, arguments)],
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "COLUMNS": "200", "PYTHONPATH": str(Path(__file__).parents[2])},
        )

    return run


@pytest.fixture
def belt(tmp_path: Path, write_scan: WriteScan) -> Path:
    folder = tmp_path / "scans"
    write_scan(folder / "clear.png")
    write_scan(folder / "sub" / "alarm.png", middle=15)
    (folder / "cut.png").write_bytes((folder / "clear.png").read_bytes()[:-40])
    (folder / "notes.txt").write_text("no scan")
    return folder


def results(folder: Path) -> dict[str, dict[str, object]]:
    lines = (folder / "results.jsonl").read_text().splitlines()
    return {record["scan"]: record for record in map(json.loads, lines)}


def test_a_folder_gives_every_output_and_exit_3_when_one_is_referred(station: Run, belt: Path, probe: Path) -> None:
    done = station("scan", belt, "--output", "out", "--weights", probe)
    out = belt.parent / "out"
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    assert "left out, being no scans: 1 .txt" in done.stderr
    records = results(out)
    assert {name: record["decision"] for name, record in records.items()} == {
        "clear.png": "CLEAR",
        "cut.png": "REFER",
        "sub/alarm.png": "ALARM",
    }
    assert list(records["sub/alarm.png"])[:9] == [
        "scan", "sha256", "width", "height", "decision", "reasons", "detections", "weights", "elapsed_ms",
    ]  # fmt: skip
    assert str(records["cut.png"]["reasons"][0]).startswith("ScanUnreadable:")  # type: ignore[index]
    assert records["cut.png"]["detections"] == []
    with (out / "results.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 3
    coco = json.loads((out / "detections.coco.json").read_text())
    assert [category["name"] for category in coco["categories"]] == ["gun", "knife"]
    assert len(list((out / "overlays").iterdir())) == 1
    assert "sub/alarm.png" in (out / "report.html").read_text()


def test_a_second_run_does_only_what_is_missing(station: Run, belt: Path, probe: Path, write_scan: WriteScan) -> None:
    (belt / "cut.png").unlink()
    station("scan", belt, "--output", "out", "--weights", probe)
    before = results(belt.parent / "out")
    write_scan(belt / "new.png", middle=10)
    again = station("scan", belt, "--output", "out", "--weights", probe)
    assert again.returncode == 0
    assert "2 done before" in again.stderr
    after = results(belt.parent / "out")
    # The very same lines, their timings included: nothing was inspected twice.
    assert {name: after[name] for name in before} == before
    assert after["new.png"]["decision"] == "ALARM"


def test_an_error_is_tried_again_and_a_changed_file_is_inspected_again(
    station: Run, belt: Path, probe: Path, write_scan: WriteScan
) -> None:
    station("scan", belt, "--output", "out", "--weights", probe)
    write_scan(belt / "cut.png", middle=20)
    write_scan(belt / "clear.png", middle=30)
    done = station("scan", belt, "--output", "out", "--weights", probe)
    records = results(belt.parent / "out")
    assert done.returncode == 0
    assert [records[name]["decision"] for name in ("cut.png", "clear.png")] == ["ALARM", "ALARM"]
    audited = station("audit", "out")
    assert audited.returncode == 0 and "intact" in audited.stdout


def test_an_altered_ledger_is_noticed(station: Run, belt: Path, probe: Path) -> None:
    station("scan", belt, "--output", "out", "--weights", probe)
    connection = sqlite3.connect(belt.parent / "out" / "ledger.sqlite")
    # Somebody with write access to the file can drop the guards, but not make the chain fit.
    for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f'DROP TRIGGER "{trigger}"')
    connection.execute("UPDATE audit SET entry = replace(entry, 'ALARM', 'CLEAR')")
    connection.commit()
    connection.close()
    audited = station("audit", "out")
    assert audited.returncode == 1 and "ALTERED" in audited.stdout
    assert "compare it with the last sha256" in audited.stderr


def test_a_ledger_that_is_damaged_emptied_or_gone_is_something_wrong(station: Run, belt: Path, probe: Path) -> None:
    station("scan", belt, "--output", "out", "--weights", probe)
    ledger = belt.parent / "out" / "ledger.sqlite"
    whole = ledger.read_bytes()
    for content in (whole[:100] + bytes(len(whole) - 100), b"", b"not a ledger"):
        ledger.write_bytes(content)
        audited = station("audit", "out")
        assert audited.returncode == 1 and audited.stdout.endswith("UNREADABLE\n"), audited.stdout
        assert "ledger.sqlite" in audited.stdout and "keep the ledger as it is" in audited.stderr
    ledger.unlink()
    audited = station("audit", "out")
    assert audited.returncode == 1 and "gone" in audited.stdout and "ALTERED" in audited.stdout


def test_a_folder_that_only_holds_a_report_never_had_a_ledger(station: Run, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<!doctype html>")
    audited = station("audit", ".")
    assert audited.returncode == 2 and "no ledger at" in audited.stderr


def test_fail_on_alarm_exits_5_also_when_nothing_is_new(station: Run, belt: Path, probe: Path) -> None:
    for _ in range(2):
        done = station("scan", belt, "--output", "out", "--weights", probe, "--fail-on-alarm", "--quiet")
        assert done.returncode == 5
        assert done.stderr == ""


def test_a_list_on_standard_input(station: Run, belt: Path, probe: Path) -> None:
    listed = f"{belt / 'clear.png'}\n\n{belt / 'gone.png'}\n"
    done = station("scan", "-", "--output", "out", "--weights", probe, stdin=listed)
    records = results(belt.parent / "out")
    assert done.returncode == 3
    assert records["clear.png"]["decision"] == "CLEAR"
    assert records["gone.png"]["decision"] == "REFER"


def test_shards_into_one_folder_give_the_whole(station: Run, belt: Path, probe: Path) -> None:
    for part in ("1/2", "2/2"):
        station("scan", belt, "--output", "out", "--weights", probe, "--shard", part)
    assert len(results(belt.parent / "out")) == 3


def test_min_score_lists_more_and_hides_no_alarm(station: Run, belt: Path, probe: Path) -> None:
    station("scan", belt, "--output", "low", "--weights", probe, "--min-score", "0.01")
    assert len(results(belt.parent / "low")["clear.png"]["detections"]) == 1  # type: ignore[arg-type]
    station("scan", belt, "--output", "high", "--weights", probe, "--min-score", "0.99")
    alarm = results(belt.parent / "high")["sub/alarm.png"]
    assert alarm["decision"] == "ALARM" and len(alarm["detections"]) == 1  # type: ignore[arg-type]


def test_a_policy_is_followed_and_a_mistyped_one_refused_before_any_scan(station: Run, belt: Path, probe: Path) -> None:
    policy = belt.parent / "policy.toml"
    policy.write_text("[alarm]\ngun = 0.01\n")
    station("scan", belt, "--output", "out", "--weights", probe, "--policy", policy)
    assert results(belt.parent / "out")["clear.png"]["decision"] == "ALARM"
    policy.write_text("[alarm]\ngum = 0.01\n")
    refused = station("scan", belt, "--output", "other", "--weights", probe, "--policy", policy)
    assert refused.returncode == 2
    assert "did you mean 'gun'" in refused.stderr
    assert not (belt.parent / "other").exists()


def test_a_file_of_the_same_name_from_elsewhere_takes_no_ones_place(
    station: Run, belt: Path, probe: Path, write_scan: WriteScan
) -> None:
    station("scan", belt, "--output", "out", "--weights", probe)
    before = results(belt.parent / "out")
    write_scan(belt.parent / "other" / "sub" / "alarm.png")
    for _ in range(2):
        station("scan", "other", "--output", "out", "--weights", probe)
        after = results(belt.parent / "out")
        assert after.pop("other/sub/alarm.png")["decision"] == "CLEAR"
        assert after == before


def test_a_scanner_that_numbers_anew_in_each_folder_loses_no_scan(
    station: Run, tmp_path: Path, probe: Path, write_scan: WriteScan
) -> None:
    write_scan(tmp_path / "d1" / "0001.png")
    for name in ("0001.png", "0002.png"):
        write_scan(tmp_path / "d2" / name, middle=15)
    station("scan", "-", "--output", "out", "--weights", probe, stdin="d1/0001.png\n")
    done = station("scan", "-", "--output", "out", "--weights", probe, stdin="d2/0001.png\nd2/0002.png\n")
    assert done.returncode == 0 and "0 CLEAR, 2 ALARM, 0 REFER" in done.stderr
    assert "there as well, from other runs: 1 CLEAR\n" in done.stderr
    assert {name: record["decision"] for name, record in results(tmp_path / "out").items()} == {
        "0001.png": "CLEAR",
        "0002.png": "ALARM",
        "d2/0001.png": "ALARM",
    }


def test_another_network_inspects_again(station: Run, belt: Path, probe: Path, tmp_path: Path) -> None:
    station("scan", belt, "--output", "out", "--weights", probe)
    other = probe_onnx(tmp_path / "other.onnx", make_spec(name="other", thresholds={"gun": 0.99, "knife": 0.5}))
    station("scan", belt, "--output", "out", "--weights", other)
    record = results(belt.parent / "out")["sub/alarm.png"]
    assert record["decision"] == "CLEAR"
    assert str(record["weights"]).startswith("other@sha256:")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["scan", "gone", "--output", "out"], 2),
        (["scan", "scans"], 2),
        (["scan", "scans", "--output", "out", "--provider", "quantum"], 2),
        (["scan", "scans", "--output", "out", "--shard", "3/2"], 2),
        (["scan", "scans", "--output", "out", "--tile", "7"], 2),
        (["scan", "scans", "--output", "out", "--weights", "nobody"], 4),
        (["scan", "scans", "--output", "out", "--weights", "gone.onnx"], 4),
        (["audit", "scans"], 2),
    ],
)
def test_bad_calls_end_with_one_line_and_their_exit_code(
    station: Run, belt: Path, arguments: list[str], code: int
) -> None:
    done = station(*arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_folder_is_no_success(station: Run, tmp_path: Path, probe: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = station("scan", "empty", "--output", "out", "--weights", probe)
    assert done.returncode == 2 and "no scans found" in done.stderr


def test_a_run_that_was_killed_is_taken_up(station: Run, belt: Path, probe: Path, write_scan: WriteScan) -> None:
    for number in range(40):
        write_scan(belt / f"more{number:02}.png", middle=240 - number)
    command = "import os, detector.batch as b\n" \
        "real = b.Ledger.record\n" \
        "def record(self, *a, **k):\n" \
        "    real(self, *a, **k)\n" \
        "    record.n = getattr(record, 'n', 0) + 1\n" \
        "    if record.n == 7: os._exit(137)\n" \
        "b.Ledger.record = record\n" \
        "from detector.cli import main; main()"  # fmt: skip
    arguments = ["scan", str(belt), "--output", "out", "--weights", str(probe)]
    killed = subprocess.run(
        [sys.executable, "-c", command, *arguments],
        cwd=belt.parent,
        capture_output=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert killed.returncode == 137
    done = station(*arguments)
    assert "7 done before" in done.stderr or "6 done before" in done.stderr
    assert len(results(belt.parent / "out")) == 43
    assert "intact" in station("audit", "out").stdout


def test_an_output_that_cannot_be_written_is_no_success(station: Run, belt: Path, probe: Path) -> None:
    (belt.parent / "out").write_text("a file where the folder should be")
    done = station("scan", belt, "--output", "out", "--weights", probe)
    assert done.returncode not in (0, 3)
    shutil.rmtree(belt)


# Scanner profiles


def test_a_profile_says_how_raw_scans_are_read(station: Run, tmp_path: Path, probe: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    high = np.full((160, 300), 60_000, np.uint16)
    high[40:120, 80:220] = 30_000
    low = high.copy()
    low[40:120, 80:220] = 27_000
    np.savez(folder / "truck.npz", high=high, low=low)
    np.savez(folder / "swapped.npz", high=low, low=high)
    (tmp_path / "gate.toml").write_text('name = "gate"\nenergies = ["high", "low"]\nair_columns = [0, 40]\n')
    done = station("scan", folder, "--output", "out", "--weights", probe, "--scanner", "gate.toml")
    records = results(tmp_path / "out")
    assert done.returncode == 3, done.stderr
    assert (records["truck.npz"]["width"], records["truck.npz"]["height"]) == (300, 160)
    assert str(records["swapped.npz"]["reasons"][0]).startswith("ProfileMismatch: the energies")  # type: ignore[index]
    # Another profile is another setting: all is inspected again, under the same names.
    (tmp_path / "gate.toml").write_text('name = "gate"\nenergies = ["low", "high"]\nair_columns = [0, 40]\n')
    station("scan", folder, "--output", "out", "--weights", probe, "--scanner", "gate.toml")
    assert str(results(tmp_path / "out")["truck.npz"]["reasons"][0]).startswith("ProfileMismatch")  # type: ignore[index]
    checked = station("doctor", "--scanner", "gate.toml")
    assert (
        "scanner gate: energies low, high, rendered as grey, weights of your own, as no shipped ones fit"
        in checked.stdout
    )
    guessed = station("scan", folder, "--output", "guessed", "--scanner", "gate.toml")
    assert guessed.returncode == 2 and "no shipped weights know scans that are drawn as 'grey'" in guessed.stderr
    (tmp_path / "gate.toml").write_text('name = "gate"\nenergie = ["high"]\n')
    refused = station("scan", folder, "--output", "out", "--weights", probe, "--scanner", "gate.toml")
    assert refused.returncode == 2 and "did you mean 'energies'" in refused.stderr


def test_the_probe_prints_a_profile_that_scan_takes(station: Run, tmp_path: Path, probe: Path) -> None:
    high = np.full((160, 300), 60_000, np.uint16)
    high[40:120, 80:220] = 30_000
    np.save(tmp_path / "truck.npy", high)
    done = station("scanner", "probe", "truck.npy", "--output", "seen", "--name", "gate 3")
    assert done.returncode == 0, done.stderr
    assert 'name = "gate 3"' in done.stdout and "####" in done.stdout
    assert (tmp_path / "seen" / "truck.npy.view1.png").is_file()
    (tmp_path / "gate.toml").write_text(done.stdout)
    scanned = station("scan", "truck.npy", "--output", "out", "--weights", probe, "--scanner", "gate.toml")
    assert scanned.returncode in (0, 3), scanned.stderr
    assert "ProfileMismatch" not in str(results(tmp_path / "out")["truck.npy"]["reasons"])


def test_what_may_be_a_scan_is_told_even_when_quiet(station: Run, belt: Path, probe: Path) -> None:
    for name in ("scan_0042", "levels.raw", "torn.pgm", "torn.jp2"):
        (belt / name).write_bytes(b"")
    done = station("scan", belt, "--output", "out", "--weights", probe, "--quiet")
    assert done.stderr == "left out, being no scans: 1 .pgm, 1 .raw, 1 no suffix\n"
    assert results(belt.parent / "out")["torn.jp2"]["decision"] == "REFER"
