from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector import discovery
from detector.cli import app
from detector.discovery import FolderScans, discover, in_shard, named_apart
from detector.errors import ScanTooLarge, ScanUnreadable, SettingsInvalid
from detector.readers.files import read_file
from detector.readers.limits import Limits

WriteScan = Callable[..., Path]


def names(inputs: list[Path], listed: tuple[str, ...] = (), output: Path = Path("nowhere")) -> list[str]:
    return [source.name for source in discover(inputs, listed, output).sources]


def test_a_folder_is_gone_through_whole_with_relative_names(tmp_path: Path, write_scan: WriteScan) -> None:
    write_scan(tmp_path / "b" / "2.png")
    write_scan(tmp_path / "a" / "deep" / "1.JPG")
    assert names([tmp_path]) == ["a/deep/1.JPG", "b/2.png"]


def test_a_scan_without_suffix_is_found_by_its_first_bytes(tmp_path: Path, write_scan: WriteScan) -> None:
    write_scan(tmp_path / "scan.png").rename(tmp_path / "scan")
    (tmp_path / "notes.txt").write_text("no scan")
    found = discover([tmp_path], (), tmp_path / "out")
    assert [source.name for source in found.sources] == ["scan"]
    assert found.left_out == {".txt": 1}


@pytest.mark.parametrize("suffix", [".png", ".jp2", ".J2K", ".gif", ".heic", ".avif"])
def test_a_damaged_scan_is_not_left_out_be_its_format_read_or_not(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"empty{suffix}").write_bytes(b"")
    assert names([tmp_path]) == [f"empty{suffix}"]


def test_what_a_run_wrote_is_passed_over_and_scans_beside_it_are_not(
    tmp_path: Path, write_scan: WriteScan, probe: Path
) -> None:
    write_scan(tmp_path / "bag.png", middle=15)
    arguments = ["scan", str(tmp_path), "--output", str(tmp_path), "--weights", str(probe)]
    CliRunner().invoke(app, arguments)
    assert (tmp_path / "overlays" / "bag.png.jpg").is_file()
    assert names([tmp_path], output=tmp_path) == ["bag.png"]
    # Into another folder: the pictures of the run before are no scans either.
    assert names([tmp_path], output=tmp_path / "next") == ["bag.png"]
    for name in ("old.jpg", "bag.png", "deeper/bag.png.jpg"):
        write_scan(tmp_path / "overlays" / name)
    assert names([tmp_path], output=tmp_path) == [
        "bag.png", "overlays/bag.png", "overlays/deeper/bag.png.jpg", "overlays/old.jpg"
    ]  # fmt: skip


def test_names_that_would_clash_become_paths(tmp_path: Path, write_scan: WriteScan) -> None:
    one, two = write_scan(tmp_path / "1" / "bag.png"), write_scan(tmp_path / "2" / "bag.png")
    assert names([one.parent, two.parent]) == [one.as_posix(), two.as_posix()]


def test_the_same_file_twice_is_inspected_once(tmp_path: Path, write_scan: WriteScan) -> None:
    scan = write_scan(tmp_path / "bag.png")
    assert names([tmp_path, scan]) == ["bag.png"]


def test_a_linked_folder_is_followed_and_a_loop_ends(tmp_path: Path, write_scan: WriteScan) -> None:
    write_scan(tmp_path / "elsewhere" / "bag.png")
    scans = tmp_path / "scans"
    scans.mkdir()
    (scans / "belt").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (scans / "loop").symlink_to(scans, target_is_directory=True)
    assert names([scans]) == ["belt/bag.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser can list every folder")
def test_a_folder_that_cannot_be_listed_stays_in(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0)
    assert names([tmp_path]) == ["locked"]


def test_a_missing_input_is_refused_and_a_missing_listed_file_stays_in(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="no such file"):
        names([tmp_path / "gone"])
    assert names([], (str(tmp_path / "gone.png"),)) == ["gone.png"]


def cannot_be_looked_at(patched: pytest.MonkeyPatch, name: str) -> None:
    """As in a folder that may be listed but not entered, or on a disk that fails; holds for the superuser as well."""
    whole = Path.stat

    def stat(self: Path, **options: bool) -> os.stat_result:
        if self.name == name:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return whole(self, **options)

    patched.setattr(Path, "stat", stat)


def test_a_file_that_cannot_be_looked_at_is_taken(
    tmp_path: Path, write_scan: WriteScan, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scan(tmp_path / "bag.png")
    (tmp_path / "IM0001").write_bytes(b"what it holds cannot be told")
    cannot_be_looked_at(monkeypatch, "IM0001")
    assert names([tmp_path]) == ["IM0001", "bag.png"]


def test_an_input_that_cannot_be_looked_at_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cannot_be_looked_at(monkeypatch, "belt")
    with pytest.raises(SettingsInvalid, match="belt cannot be looked at: Permission denied") as refused:
        names([tmp_path / "belt"])
    assert "permissions" in refused.value.remedy


def test_names_do_not_depend_on_the_order_of_the_disk(
    tmp_path: Path, write_scan: WriteScan, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scan(tmp_path / "elsewhere" / "bag.png")
    scans, whole = tmp_path / "scans", os.walk
    scans.mkdir()
    for name in ("a", "b"):
        (scans / name).symlink_to(tmp_path / "elsewhere", target_is_directory=True)

    def walk(top: Path, **options: object) -> Iterator[tuple[str, list[str], list[str]]]:
        for root, folders, files in whole(top, **options):  # type: ignore[call-overload]
            folders.sort(reverse=True)
            yield root, folders, files

    monkeypatch.setattr(os, "walk", walk)
    assert names([scans]) == ["a/bag.png"]


def test_shards_share_all_scans_between_them(tmp_path: Path, write_scan: WriteScan) -> None:
    for number in range(30):
        write_scan(tmp_path / f"{number}.png")
    sources = discover([tmp_path], (), tmp_path / "out").sources
    parts = [in_shard(sources, f"{part}/3") for part in (1, 2, 3)]
    assert sorted(source.name for part in parts for source in part) == sorted(source.name for source in sources)
    assert all(parts)


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1", "a/b", "1/0", "-1/2"])
def test_a_shard_that_makes_no_sense_is_refused(shard: str) -> None:
    with pytest.raises(SettingsInvalid, match="--shard"):
        in_shard([], shard)


def test_a_pipe_is_neither_waited_on_nor_lost(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.png")
    assert names([tmp_path]) == ["pipe.png"]
    with pytest.raises(ScanUnreadable, match=r"^pipe\.png: not a regular file$"):
        read_file(tmp_path / "pipe.png", "pipe.png", Limits())


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.png"
    with huge.open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(ScanTooLarge, match=r"^huge.png: "):
        read_file(huge, "huge.png", Limits())


def test_a_path_that_is_another_files_name_is_told_apart(tmp_path: Path, write_scan: WriteScan) -> None:
    one, two = write_scan(tmp_path / "a" / "x.png"), write_scan(tmp_path / "b" / "x.png")
    write_scan(tmp_path / "d" / "a" / "x.png")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path)
        found = names([Path("a/x.png"), Path("b/x.png"), Path("d")])
    assert len(set(found)) == 3
    assert "b/x.png" in found and one.as_posix() in found
    assert two.name == "x.png"


def test_scans_in_formats_that_are_not_read_stay_in(tmp_path: Path) -> None:
    (tmp_path / "IM0001").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 100)
    (tmp_path / "belt.png").mkdir()
    assert names([tmp_path]) == ["IM0001", "belt.png"]


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[object]:
    """What a function of `discovery` was called with."""
    calls: list[object] = []
    real = getattr(discovery, name)

    def called(given: object) -> object:
        calls.append(given)
        return real(given)

    monkeypatch.setattr(discovery, name, called)
    return calls


def test_another_look_names_only_what_is_new(
    tmp_path: Path, write_scan: WriteScan, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = counted(monkeypatch, "storable_text")
    scans, left_out = FolderScans(tmp_path, tmp_path / "out"), Counter[str]()
    for number in range(20):
        write_scan(tmp_path / f"{number:02d}.png")
    first = named_apart(scans.look(left_out))
    assert len(calls) == 20
    write_scan(tmp_path / "00" / "new.png")
    (tmp_path / "19.png").unlink()
    second = named_apart(scans.look(left_out))
    assert calls[20:] == ["00/new.png"]
    assert [one.name for one in second] == ["00/new.png", *(one.name for one in first[:19])]


def test_a_beginning_is_read_again_when_the_file_changed_or_is_too_new_to_be_sure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = counted(monkeypatch, "looks_like_scan")
    scans, file = FolderScans(tmp_path, tmp_path / "out"), tmp_path / "levels.raw"
    file.write_bytes(b"no scan")
    for looks in (1, 2):
        assert scans.look(Counter()) == [] and len(calls) == looks
    monkeypatch.setattr(discovery, "_SURE_SECONDS", 0.0)
    assert scans.look(Counter()) == [] and len(calls) == 2
    left_out = Counter[str]()
    scans.look(left_out)
    assert left_out == {".raw": 1} and len(calls) == 2
    file.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert [one.name for one in scans.look(Counter())] == ["levels.raw"] and len(calls) == 3


def test_pictures_of_a_run_are_not_read_at_each_look(
    tmp_path: Path, write_scan: WriteScan, probe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scan(tmp_path / "bag.png", middle=15)
    CliRunner().invoke(app, ["scan", str(tmp_path), "--output", str(tmp_path), "--weights", str(probe)])
    monkeypatch.setattr(discovery, "_SURE_SECONDS", 0.0)
    calls = counted(monkeypatch, "is_overlay")
    scans = FolderScans(tmp_path, tmp_path)
    for _ in range(3):
        assert [one.name for one in scans.look(Counter())] == ["bag.png"]
    assert len(calls) == 1
