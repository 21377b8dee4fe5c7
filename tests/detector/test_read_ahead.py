"""What waits for the network is bounded by bytes and pixels, in order, and one scan too large for both still comes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from detector import Detector, read_ahead
from detector.discovery import ScanSource
from detector.pipeline import PreparedScan, RefusedScan
from detector.readers import Limits


@pytest.fixture
def detector(probe: Path) -> Detector:
    return Detector(probe, provider="cpu", threads=1)


@pytest.fixture
def sources(tmp_path: Path, write_scan: Callable[..., Path]) -> list[ScanSource]:
    paths = [write_scan(tmp_path / f"bag_{number:02d}.png", width=100 + number) for number in range(12)]
    return [ScanSource(path.name, path) for path in paths]


def never(name: str, digest: str) -> bool:
    return False


@pytest.mark.parametrize(("most_bytes", "most_pixels"), [(2**30, 10**9), (1, 10**9), (2**30, 1), (1, 1)])
def test_scans_come_in_order_whatever_may_wait(
    detector: Detector, sources: list[ScanSource], monkeypatch: pytest.MonkeyPatch, most_bytes: int, most_pixels: int
) -> None:
    monkeypatch.setattr(read_ahead, "AHEAD_BYTES", most_bytes)
    monkeypatch.setattr(read_ahead, "AHEAD_PIXELS", most_pixels)
    found = list(read_ahead.read_ahead(detector, sources, never))
    assert [source for source, _ in found] == sources
    assert [prepared.scan.width for _, prepared in found if isinstance(prepared, PreparedScan)] == list(range(100, 112))


def test_scans_beyond_the_pixels_are_decoded_one_at_a_time(
    detector: Detector, sources: list[ScanSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, at_once, most = threading.Lock(), [0], [0]
    prepare = detector.prepare

    def counted(data: bytes, name: str, sha256: str) -> PreparedScan | RefusedScan:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        try:
            return prepare(data, name, sha256)
        finally:
            with lock:
                at_once[0] -= 1

    monkeypatch.setattr(detector, "prepare", counted)
    monkeypatch.setattr(read_ahead, "AHEAD_PIXELS", 1)
    assert len(list(read_ahead.read_ahead(detector, sources, never))) == len(sources)
    assert most[0] == 1


def test_files_beyond_the_bytes_are_read_one_at_a_time(
    detector: Detector, sources: list[ScanSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    read = read_ahead.read_file

    def noted(path: Path, name: str, limits: Limits) -> bytes:
        begun.append(name)
        return read(path, name, limits)

    monkeypatch.setattr(read_ahead, "read_file", noted)
    monkeypatch.setattr(read_ahead, "AHEAD_PIXELS", 1)
    for most, waiting in ((1, 2), (2**30, read_ahead.AHEAD)):
        monkeypatch.setattr(read_ahead, "AHEAD_BYTES", most)
        begun.clear()
        line = read_ahead.read_ahead(detector, sources, never)
        next(line)
        assert len(begun) <= waiting and (most == 1 or len(begun) > 2)
        line.close()


def test_a_broken_file_takes_no_room_and_is_referred(detector: Detector, sources: list[ScanSource]) -> None:
    sources[3].path.write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    sources[5].path.unlink()
    found = dict(zip(range(12), read_ahead.read_ahead(detector, sources, never), strict=True))
    assert isinstance(found[3][1], RefusedScan)
    assert isinstance(found[5][1], RefusedScan)
    assert isinstance(found[4][1], PreparedScan)


def test_a_file_is_hashed_once(detector: Detector, sources: list[ScanSource], monkeypatch: pytest.MonkeyPatch) -> None:
    sources[1].path.write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    contents = [source.path.read_bytes() for source in sources[:2]]
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    hashed: list[bytes] = []
    sha256 = hashlib.sha256

    def noted(data: bytes) -> object:
        hashed.append(data)
        return sha256(data)

    monkeypatch.setattr(hashlib, "sha256", noted)
    (_, whole), (_, broken) = read_ahead.read_ahead(detector, sources[:2], never)
    assert isinstance(whole, PreparedScan) and whole.scan.sha256 == digests[0]
    assert isinstance(broken, RefusedScan) and broken.inspection.sha256 == digests[1]
    assert [hashed.count(content) for content in contents] == [1, 1]


def test_what_is_known_is_not_decoded(detector: Detector, sources: list[ScanSource]) -> None:
    found = list(read_ahead.read_ahead(detector, sources, lambda name, digest: name == "bag_07.png"))
    assert [number for number, (_, prepared) in enumerate(found) if prepared is None] == [7]
