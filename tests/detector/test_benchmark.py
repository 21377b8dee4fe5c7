"""Speeds are those of whole runs over readable scans, weights by turns, and nothing is left behind."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector import Detector, benchmark
from detector.cli import app
from detector.discovery import ScanSource
from detector.errors import SettingsInvalid

WriteScan = Callable[..., Path]


@pytest.fixture
def belt(tmp_path: Path, write_scan: WriteScan) -> Path:
    for number in range(4):
        write_scan(tmp_path / f"belt/bag_{number}.png", middle=20 if number else 200)
    return tmp_path / "belt"


def test_weights_run_by_turns_and_their_ratio_is_of_one_round(
    probe: Path, belt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (Detector(probe, provider="cpu", threads=1) for _ in range(2))
    seconds = iter([9.0, 9.0, 1.0, 3.0, 2.0, 4.0, 5.0, 10.0])
    order: list[int] = []

    def run(detector: Detector, sources: object) -> tuple[float, benchmark.Counter[benchmark.Decision]]:
        order.append(0 if detector is first else 1)
        return next(seconds), benchmark.Counter()

    monkeypatch.setattr(benchmark, "_run", run)
    sources = [ScanSource(path.name, path) for path in sorted(belt.iterdir())]
    done: list[None] = []
    measured = benchmark.measure([first, second], sources, 3, lambda: done.append(None))
    assert order == [1, 0, 0, 1, 1, 0, 0, 1] and len(done) == 8
    # Rounds of 1 and 3 s, 4 and 2 s, 5 and 10 s.
    assert measured.ratios == ((1.0, 1.0, 1.0), (0.5, 2.0, 3.0))
    assert measured.speeds[0].scans_per_second == (4.0, 1.0, 0.8)


def test_the_command_measures_whole_runs_and_writes_what_it_says(probe: Path, belt: Path, tmp_path: Path) -> None:
    before = set(Path(tempfile.gettempdir()).glob("roentgate-benchmark-*"))
    output = tmp_path / "out/speed.json"
    arguments = ["benchmark", str(belt), "--weights", str(probe), "--weights", str(probe), "--rounds", "2"]
    result = CliRunner().invoke(app, [*arguments, "--output", str(output), "--threads", "1"], catch_exceptions=False)
    assert result.exit_code == 0
    head, *lines = result.stdout.splitlines()
    assert head.startswith("4 scans, 2 rounds by turns") and len(lines) == 2
    assert all("scans/s [" in line and "times the first's time [" in line for line in lines)
    written = json.loads(output.read_text())
    assert written["scans"] == 4 and written["machine"]["cores"] >= 1
    for speed in written["speeds"]:
        assert speed["decisions"] == {"CLEAR": 1, "ALARM": 3, "REFER": 0}
        assert len(speed["scans_per_second"]) == 2 and min(speed["scans_per_second"]) > 0
        assert 0 < speed["latency_ms"][0] <= speed["latency_ms"][1]
    assert set(Path(tempfile.gettempdir()).glob("roentgate-benchmark-*")) <= before
    assert sorted(path.name for path in belt.iterdir()) == [f"bag_{number}.png" for number in range(4)]


def test_scans_that_cannot_be_read_are_no_measure(probe: Path, belt: Path) -> None:
    (belt / "bag_1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    sources = [ScanSource(path.name, path) for path in sorted(belt.iterdir())]
    with pytest.raises(SettingsInvalid, match="1 of 4 scans cannot be judged"):
        benchmark.measure([Detector(probe, provider="cpu", threads=1)], sources, 1)


def test_nothing_to_measure_is_a_mistake_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for given in (str(tmp_path / "empty"), ""):
        result = CliRunner().invoke(app, ["benchmark", given])
        assert isinstance(result.exception, SettingsInvalid)
