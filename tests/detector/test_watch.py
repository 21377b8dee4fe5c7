"""Watched folders: what arrives is inspected once, when it is whole; nothing that lies there is lost from sight."""

from __future__ import annotations

import errno
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from detector import arrivals as arrivals_module
from detector import watch as watch_module
from detector.arrivals import FIRST_RETRY, LAST_RETRY, Arrivals, Look
from detector.batch import BatchOptions, OutputRun, output_run
from detector.discovery import ScanSource
from detector.errors import SettingsInvalid
from detector.inspection import Inspection
from detector.pipeline import Detector
from detector.settings import Policy
from detector.watch import PUBLISH_PAUSE, Listener, watch

WriteScan = Callable[..., Path]


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def belt(tmp_path: Path) -> Path:
    folder = tmp_path / "belt"
    folder.mkdir()
    return folder


@pytest.fixture
def seen(belt: Path, tmp_path: Path, clock: Clock) -> Arrivals:
    return Arrivals([belt], tmp_path / "out", settle=1.0, clock=clock)


def names(sources: Iterable[ScanSource]) -> list[str]:
    return [source.name for source in sources]


def settled(seen: Arrivals, clock: Clock) -> list[ScanSource]:
    """What is ready a while after nothing changes any more, taken to be inspected."""
    seen.look()
    clock.seconds += 1
    return list(seen.taking(seen.look().ready))


def test_a_file_is_taken_once_when_it_has_been_the_same_for_a_while(
    seen: Arrivals, clock: Clock, belt: Path, write_scan: WriteScan
) -> None:
    write_scan(belt / "bag.png")
    assert seen.look().ready == ()
    clock.seconds += 0.9
    assert seen.look().ready == ()
    clock.seconds += 0.1
    assert names(list(seen.taking(seen.look().ready))) == ["bag.png"]
    clock.seconds += 1e6
    assert seen.look().ready == ()
    assert seen.look().present == 1


def test_a_file_that_grows_waits_until_it_does_not(seen: Arrivals, clock: Clock, belt: Path) -> None:
    for size in range(5):
        (belt / "bag.png").write_bytes(b"\x89PNG" * (1 + size))
        assert seen.look().ready == ()
        clock.seconds += 1
    assert names(seen.look().ready) == ["bag.png"]


def test_what_was_written_over_is_inspected_again(
    seen: Arrivals, clock: Clock, belt: Path, write_scan: WriteScan
) -> None:
    write_scan(belt / "bag.png")
    assert names(settled(seen, clock)) == ["bag.png"]
    # As many bytes, at the same time to the nanosecond, as a tool that keeps times may leave them.
    before = (belt / "bag.png").stat()
    content = bytearray((belt / "bag.png").read_bytes())
    content[-1] ^= 1
    (belt / "bag.png").write_bytes(content)
    os.utime(belt / "bag.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert names(settled(seen, clock)) == ["bag.png"]


def test_a_profile_that_comes_or_changes_is_a_change_of_its_scan(seen: Arrivals, clock: Clock, belt: Path) -> None:
    np.save(belt / "scan.npy", np.zeros((64, 64), np.uint16))
    assert names(settled(seen, clock)) == ["scan.npy"]
    for text in ("air_value = 1", "air_value = 12"):
        (belt / "scan.npy.toml").write_text(text)
        assert names(settled(seen, clock)) == ["scan.npy"]


def test_those_that_have_waited_longest_come_first(
    seen: Arrivals, clock: Clock, belt: Path, write_scan: WriteScan
) -> None:
    for name in ("c", "a", "b"):
        write_scan(belt / f"{name}.png")
        time.sleep(0.02)
    assert names(settled(seen, clock)) == ["c.png", "a.png", "b.png"]


def test_a_scan_that_could_not_be_judged_is_tried_again_ever_more_seldom(
    seen: Arrivals, clock: Clock, belt: Path, write_scan: WriteScan
) -> None:
    write_scan(belt / "bag.png")
    (source,) = settled(seen, clock)
    pauses = []
    for _ in range(9):
        seen.failed(source)
        failed = clock.seconds
        while not (ready := seen.look().ready):
            clock.seconds += FIRST_RETRY / 4
        assert names(list(seen.taking(ready))) == ["bag.png"]
        pauses.append(clock.seconds - failed)
    assert pauses == [FIRST_RETRY * 2**n for n in range(6)] + [LAST_RETRY] * 3
    # Another file under its name begins anew.
    write_scan(belt / "bag.png", middle=15)
    (source,) = settled(seen, clock)
    seen.failed(source)
    clock.seconds += FIRST_RETRY
    assert names(seen.look().ready) == ["bag.png"]


def test_what_was_not_taken_stays_ready(seen: Arrivals, clock: Clock, belt: Path, write_scan: WriteScan) -> None:
    for name in "ab":
        write_scan(belt / f"{name}.png")
    seen.look()
    clock.seconds += 1
    taking = seen.taking(seen.look().ready)
    first = next(taking)
    assert names(seen.look().ready) == [name for name in ("a.png", "b.png") if name != first.name]


def test_a_share_that_comes_back_is_not_inspected_again(
    seen: Arrivals, clock: Clock, belt: Path, write_scan: WriteScan
) -> None:
    write_scan(belt / "bag.png")
    assert names(settled(seen, clock)) == ["bag.png"]
    belt.rename(belt.with_name("away"))
    assert seen.look().away == {belt: "No such file or directory"}
    # The place where it was mounted is there, and empty.
    belt.mkdir()
    assert [seen.look().emptied for _ in range(2)] == [(belt,), ()]
    belt.rmdir()
    belt.with_name("away").rename(belt)
    assert settled(seen, clock) == []


def test_a_folder_that_is_away_keeps_none_of_the_others_waiting(
    belt: Path, tmp_path: Path, clock: Clock, write_scan: WriteScan
) -> None:
    other = tmp_path / "other"
    write_scan(other / "old.png")
    seen = Arrivals([other, belt], tmp_path / "out", 1.0, clock=clock)
    assert names(settled(seen, clock)) == ["old.png"]
    other.rename(tmp_path / "away")
    write_scan(belt / "bag.png")
    assert names(settled(seen, clock)) == ["bag.png"]
    look = seen.look()
    assert (look.present, list(look.away), look.gone) == (1, [other], ())


def test_what_is_gone_before_its_turn_is_told_and_what_is_renamed_is_not(
    seen: Arrivals, clock: Clock, belt: Path, tmp_path: Path, write_scan: WriteScan
) -> None:
    for name in ("lost", ".part", "taken"):
        write_scan(belt / f"{name}.png", middle=len(name))
    seen.look()
    (belt / "lost.png").unlink()
    (belt / ".part.png").rename(belt / "bag.png")
    clock.seconds += 1
    look = seen.look()
    assert names(look.gone) == ["lost.png"]
    assert names(list(seen.taking(look.ready))) == ["taken.png"]
    (belt / "taken.png").unlink()
    assert seen.look().gone == ()
    # At rest, but replaced before its turn.
    clock.seconds += 1
    write_scan(tmp_path / "next.png", middle=15).rename(belt / "bag.png")
    assert names(seen.look().gone) == ["bag.png"]


def test_a_file_that_is_still_being_written_is_not_lost(
    seen: Arrivals, clock: Clock, belt: Path, write_scan: WriteScan
) -> None:
    data = write_scan(belt / "whole.png").read_bytes()
    (belt / "whole.png").unlink()
    seen.look()
    for part in range(1, 6):
        (belt / "bag.png").write_bytes(data[: len(data) * part // 5])
        # Looks are as far apart as a file must rest.
        clock.seconds += 1
        look = seen.look()
        assert (look.ready, look.gone) == ((), ())
    clock.seconds += 1
    assert names(seen.look().ready) == ["bag.png"]


def test_a_file_that_never_rests_is_taken_once_a_while(
    seen: Arrivals, clock: Clock, belt: Path, write_scan: WriteScan
) -> None:
    write_scan(belt / "latest.png")
    taken = []
    for second in range(200):
        os.utime(belt / "latest.png", ns=(second, second))
        taken += [(second, source.name) for source in seen.taking(seen.look().ready)]
        clock.seconds += 0.7
    assert [second for second, _ in taken] == [86, 173]


def test_what_arrives_goes_before_what_lay_there_and_what_failed_before_comes_last(
    seen: Arrivals, clock: Clock, belt: Path, write_scan: WriteScan
) -> None:
    for name in ("damaged", "old"):
        write_scan(belt / f"{name}.png")
    seen.look()
    clock.seconds += 1
    first = next(seen.taking(seen.look().ready))
    seen.failed(first)
    write_scan(belt / "new.png")
    seen.look()
    clock.seconds += FIRST_RETRY
    assert names(seen.look().ready) == ["new.png", "old.png", "damaged.png"]


def test_shards_share_what_arrives(belt: Path, tmp_path: Path, clock: Clock, write_scan: WriteScan) -> None:
    for number in range(12):
        write_scan(belt / f"{number}.png")
    parts = [
        names(settled(Arrivals([belt], tmp_path / "out", 1.0, shard=f"{part}/3", clock=clock), clock))
        for part in (1, 2, 3)
    ]
    assert all(parts)
    assert sorted(itertools.chain(*parts)) == sorted(f"{number}.png" for number in range(12))


def test_what_is_renamed_into_another_shard_is_not_lost(
    belt: Path, tmp_path: Path, clock: Clock, write_scan: WriteScan
) -> None:
    parts = [Arrivals([belt], tmp_path / "out", 1.0, shard=f"{part}/2", clock=clock) for part in (1, 2)]
    for number in range(12):
        write_scan(belt / f".{number}.part.png", middle=number)
    assert sum(part.look().present for part in parts) == 12
    for number in range(12):
        (belt / f".{number}.part.png").rename(belt / f"{number}.png")
    assert [part.look().gone for part in parts] == [(), ()]


def test_a_file_that_rested_waits_again_when_it_is_written_over(
    seen: Arrivals, clock: Clock, belt: Path, write_scan: WriteScan
) -> None:
    write_scan(belt / "bag.png")
    for _ in range(200):
        seen.look()
        clock.seconds += 1
    write_scan(belt / "bag.png", middle=15)
    assert seen.look().ready == ()
    clock.seconds += 1
    assert names(seen.look().ready) == ["bag.png"]


def test_a_folder_that_opens_but_cannot_be_listed_is_away(
    seen: Arrivals, clock: Clock, belt: Path, write_scan: WriteScan, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scan(belt / "bag.png")
    assert names(settled(seen, clock)) == ["bag.png"]

    class Unlisted:
        def __enter__(self) -> Iterator[os.DirEntry[str]]:
            def entries() -> Iterator[os.DirEntry[str]]:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
                yield

            return entries()

        def __exit__(self, *_: object) -> None: ...

    with monkeypatch.context() as share:
        share.setattr(arrivals_module.os, "scandir", lambda _: Unlisted())
        assert seen.look().away == {belt: "Input/output error"}
    assert settled(seen, clock) == []


def test_equal_names_in_two_folders_fall_to_one_machine_wherever_it_mounted_them(
    tmp_path: Path, clock: Clock, write_scan: WriteScan
) -> None:
    taken = []
    for part, mount in enumerate(("here", "there"), start=1):
        folders = [tmp_path / mount / belt for belt in "ab"]
        for folder, number in itertools.product(folders, range(12)):
            write_scan(folder / f"{number}.png")
        seen = Arrivals(folders, tmp_path / "out", 1.0, shard=f"{part}/2", clock=clock)
        taken += [source.path.relative_to(tmp_path / mount).as_posix() for source in settled(seen, clock)]
    assert sorted(taken) == sorted(f"{belt}/{number}.png" for belt in "ab" for number in range(12))


@pytest.fixture
def run(probe: Path, tmp_path: Path) -> Iterator[OutputRun]:
    detector = Detector(probe, policy=Policy(alarm={"gun": 0.5, "knife": 0.5}), provider="cpu")
    with output_run(detector, tmp_path / "out", BatchOptions()) as run:
        yield run


class Heard:
    """What a watch tells; it is stopped once `enough` says so."""

    def __init__(self, enough: Callable[[Heard], bool]) -> None:
        self.lines: list[dict[str, object]] = []
        self.new: list[bool] = []
        self.looks: list[Look] = []
        self._enough = enough
        self.kept: list[str] = []
        self.listener = Listener(threading.Event(), self._line, self._looked, self._kept)

    def _line(self, line: str, inspection: Inspection | None) -> None:
        self.lines.append(json.loads(line))
        self.new.append(inspection is not None)

    def _looked(self, look: Look) -> None:
        self.looks.append(look)
        if self._enough(self):
            self.listener.stop.set()

    def _kept(self, sources: Sequence[ScanSource]) -> None:
        self.kept += names(sources)

    @property
    def decisions(self) -> dict[object, object]:
        return {line["scan"]: line["decision"] for line in self.lines}


def watching(belt: Path, out: Path) -> Arrivals:
    return Arrivals([belt], out, settle=0.02)


def test_every_scan_gets_a_line_and_the_outputs_follow(
    run: OutputRun, belt: Path, tmp_path: Path, write_scan: WriteScan
) -> None:
    write_scan(belt / "clear.png")
    write_scan(belt / "alarm.png", middle=15)
    (belt / "torn.png").write_bytes((belt / "clear.png").read_bytes()[:-40])
    heard = Heard(lambda heard: len(heard.lines) == 3)
    watch(run, watching(belt, tmp_path / "out"), heard.listener, every=0.02)
    assert heard.decisions == {"clear.png": "CLEAR", "alarm.png": "ALARM", "torn.png": "REFER"}
    published = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    assert sorted(published) == sorted(map(json.dumps, heard.lines))
    # A watch that begins anew tells what lies there, and inspects but what could not be judged.
    again = Heard(lambda heard: len(heard.lines) == 3)
    watch(run, watching(belt, tmp_path / "out"), again.listener, every=0.02)
    assert again.decisions == heard.decisions
    assert dict(zip(again.decisions, again.new, strict=True)) == {
        "clear.png": False, "alarm.png": False, "torn.png": True,
    }  # fmt: skip


def test_a_file_that_is_mended_later_gets_a_second_line(
    run: OutputRun, belt: Path, tmp_path: Path, write_scan: WriteScan
) -> None:
    whole = write_scan(tmp_path / "whole.png").read_bytes()
    (belt / "bag.png").write_bytes(whole[:-40])

    def mended(heard: Heard) -> bool:
        if len(heard.lines) == 1 and (belt / "bag.png").stat().st_size < len(whole):
            (belt / "bag.png").write_bytes(whole)
        return len(heard.lines) == 2

    heard = Heard(mended)
    watch(run, watching(belt, tmp_path / "out"), heard.listener, every=0.02)
    assert [line["decision"] for line in heard.lines] == ["REFER", "CLEAR"]
    assert [json.loads(line)["decision"] for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()] == [
        "CLEAR"
    ]


def test_a_folder_that_is_away_is_told_and_looked_for(
    run: OutputRun, belt: Path, tmp_path: Path, write_scan: WriteScan
) -> None:
    def away(heard: Heard) -> bool:
        if len(heard.looks) == 1:
            belt.rename(tmp_path / "away")
        elif len(heard.looks) == 2:
            (tmp_path / "away").rename(belt)
            write_scan(belt / "late.png")
        return len(heard.lines) == 1

    heard = Heard(away)
    watch(run, watching(belt, tmp_path / "out"), heard.listener, every=0.02)
    assert [bool(look.away) for look in heard.looks[:4]] == [False, True, False, False]
    assert heard.decisions == {"late.png": "CLEAR"}


def test_results_of_scans_that_are_moved_away_stay(
    run: OutputRun, belt: Path, tmp_path: Path, write_scan: WriteScan
) -> None:
    write_scan(belt / "gun.png", middle=15)
    heard = Heard(lambda heard: len(heard.lines) == 1)
    watch(run, watching(belt, tmp_path / "out"), heard.listener, every=0.02)

    class MovedAway(Arrivals):
        def taking(self, sources: Iterable[ScanSource]) -> Iterator[ScanSource]:
            for source in super().taking(sources):
                source.path.unlink()
                yield source

    write_scan(belt / "new.png")
    again = Heard(lambda heard: len(heard.lines) == 1)
    watch(run, MovedAway([belt], tmp_path / "out", settle=0.02), again.listener, every=0.02)
    # What was never inspected has no result that could stand.
    assert (again.decisions, again.kept) == ({"new.png": "REFER"}, ["gun.png"])
    published = map(json.loads, (tmp_path / "out" / "results.jsonl").read_text().splitlines())
    assert {line["scan"]: line["decision"] for line in published} == {"gun.png": "ALARM", "new.png": "REFER"}


@pytest.mark.parametrize("away", [True, False])
def test_a_clear_of_older_bytes_does_not_stand_for_newer_ones(
    run: OutputRun, belt: Path, tmp_path: Path, write_scan: WriteScan, monkeypatch: pytest.MonkeyPatch, away: bool
) -> None:
    monkeypatch.setattr(arrivals_module, "FIRST_RETRY", 0.05)
    scan = write_scan(belt / "bag.png")
    heard = Heard(lambda heard: len(heard.lines) == 1)
    watch(run, watching(belt, tmp_path / "out"), heard.listener, every=0.02)
    assert heard.decisions == {"bag.png": "CLEAR"}
    write_scan(scan, middle=15)

    class Flapping(Arrivals):
        def taking(self, sources: Iterable[ScanSource]) -> Iterator[ScanSource]:
            for source in super().taking(sources):
                (belt if away else scan).rename(tmp_path / "away")
                yield source

        def failed(self, source: ScanSource) -> None:
            super().failed(source)
            (tmp_path / "away").rename(belt if away else scan)
            self.__class__ = Arrivals

    again = Heard(lambda heard: len(heard.lines) == 1)
    watch(run, Flapping([belt], tmp_path / "out", settle=0.02), again.listener, every=0.02)
    assert (again.decisions, again.kept) == ({"bag.png": "ALARM"}, ["bag.png"])


def test_a_folder_that_was_never_there_ends_it(run: OutputRun, tmp_path: Path) -> None:
    heard = Heard(lambda heard: True)
    with pytest.raises(SettingsInvalid, match="cannot be looked at: No such file"):
        watch(run, watching(tmp_path / "nowhere", tmp_path / "out"), heard.listener, every=0.02)


def test_a_long_round_is_cut_and_what_is_left_comes_next(
    run: OutputRun, belt: Path, tmp_path: Path, write_scan: WriteScan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "ROUND_SECONDS", 0.0)
    for name in "abc":
        write_scan(belt / f"{name}.png")
    rounds = []
    heard = Heard(lambda heard: rounds.append(len(heard.lines)) is None and len(heard.lines) == 3)
    watch(run, watching(belt, tmp_path / "out"), heard.listener, every=0.02)
    assert [count for count in rounds if count] == [1, 2, 3]


def test_a_round_claims_about_as_many_as_it_takes(
    run: OutputRun, belt: Path, tmp_path: Path, write_scan: WriteScan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "ROUND_SECONDS", 0.0)
    monkeypatch.setattr(watch_module, "CLAIMED_AT_ONCE", 2)
    claimed, claim = [], OutputRun.claimed

    def counted(self: OutputRun, sources: Sequence[ScanSource]) -> list[ScanSource]:
        claimed.append(len(sources))
        return claim(self, sources)

    monkeypatch.setattr(OutputRun, "claimed", counted)
    for name in "abcdefgh":
        write_scan(belt / f"{name}.png")
    heard = Heard(lambda heard: len(heard.lines) == 1)
    watch(run, watching(belt, tmp_path / "out"), heard.listener, every=0.02)
    # The second round's look sees that one line is there, and ends the watch when it has taken one.
    assert claimed == [2, 2] and len(heard.lines) == 2


def test_outputs_are_written_seldom_if_that_takes_long(
    run: OutputRun, belt: Path, tmp_path: Path, write_scan: WriteScan, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, published = Clock(), []
    publish = OutputRun.publish

    def slow(self: OutputRun) -> object:
        published.append(clock.seconds)
        clock.seconds += 10
        return publish(self)

    monkeypatch.setattr(OutputRun, "publish", slow)
    monkeypatch.setattr(watch_module.time, "monotonic", clock)

    def enough(heard: Heard) -> bool:
        clock.seconds += 5
        write_scan(belt / f"{len(heard.looks)}.png")
        return len(heard.looks) == 100

    heard = Heard(enough)
    monkeypatch.setattr(heard.listener.stop, "wait", lambda *_: None)
    watch(run, watching(belt, tmp_path / "out"), heard.listener, every=0.02)
    assert len(heard.lines) > 80
    *between, last = np.diff(published)
    assert between
    assert min(between) >= 10 + PUBLISH_PAUSE * 10
    assert last > 0


def test_a_full_disk_ends_it_and_what_was_told_is_kept(
    run: OutputRun, belt: Path, tmp_path: Path, write_scan: WriteScan, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        write_scan(belt / f"{name}.png")
    record, count = OutputRun._record, iter(range(9))

    def full(self: OutputRun, *arguments: object) -> None:
        if next(count) == 1:
            raise OSError(28, "No space left on device")
        record(self, *arguments)  # type: ignore[arg-type]

    heard = Heard(lambda heard: False)
    with monkeypatch.context() as disk:
        disk.setattr(OutputRun, "_record", full)
        with pytest.raises(OSError, match="No space left"):
            watch(run, watching(belt, tmp_path / "out"), heard.listener, every=0.02)
    assert len(heard.lines) == 1
    again = Heard(lambda heard: len(heard.lines) == 2)
    watch(run, watching(belt, tmp_path / "out"), again.listener, every=0.02)
    assert sorted(again.new) == [False, True]


@pytest.fixture
def station(tmp_path: Path, probe: Path) -> Callable[..., subprocess.Popen[str]]:
    command = [sys.executable, "-W", "error", "-c", "from detector.cli import main; main()", "watch"]

    def start(*arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, *map(str, arguments), "--output", "out", "--weights", str(probe), "--every", "0.1"],
            cwd=tmp_path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "COLUMNS": "200", "PYTHONPATH": str(Path(__file__).parents[2])},
        )

    return start


def next_line(stream: IO[str] | None) -> dict[str, object]:
    assert stream is not None
    line: dict[str, object] = json.loads(stream.readline())
    return line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_all_that_was_told_in_the_outputs(
    station: Callable[..., subprocess.Popen[str]],
    belt: Path,
    tmp_path: Path,
    write_scan: WriteScan,
    number: signal.Signals,
) -> None:
    (belt / "notes.txt").write_text("no scan")
    with station(belt) as process:
        write_scan(belt / "alarm.png", middle=15)
        first = next_line(process.stdout)
        write_scan(belt / "clear.png")
        second = next_line(process.stdout)
        process.send_signal(number)
        rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert rest == ""
    assert (first["decision"], second["decision"]) == ("ALARM", "CLEAR")
    assert "left out, being no scans: 1 .txt" in errors
    assert "stopped; 2 scans there; inspected since the start: 1 CLEAR, 1 ALARM, 0 REFER" in errors
    assert len((tmp_path / "out" / "results.jsonl").read_text().splitlines()) == 2


def test_a_reader_that_ended_ends_it_with_one_line(
    station: Callable[..., subprocess.Popen[str]], belt: Path, write_scan: WriteScan
) -> None:
    with station(belt) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        write_scan(belt / "bag.png")
        errors = process.stderr.read()
        assert process.wait(60) == 1
    assert "standard output cannot be written: Broken pipe" in errors
    assert "start what read them and this again" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "not a folder: 'nowhere'"),
        ([""], "not a folder: ''"),
        (["belt", "belt"], "belt and "),
        (["belt", "--shard", "9/3"], "--shard 9/3: not of the form I/N"),
    ],
)
def test_what_cannot_be_watched_is_refused(
    station: Callable[..., subprocess.Popen[str]], belt: Path, arguments: list[str], told: str
) -> None:
    _, errors = (process := station(*arguments)).communicate(timeout=60)
    assert process.returncode == 2
    assert told in errors


def test_a_file_that_cannot_be_looked_at_is_a_state_of_its_own(belt: Path) -> None:
    assert arrivals_module._state(belt / "gone.png") == ()
