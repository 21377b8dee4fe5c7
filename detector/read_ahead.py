"""Scans read and decoded ahead of the network, as many as memory allows and always in order.

Bags are small: eight may wait, or a batch. A container scan takes hundreds of megabytes while it is decoded, so what
waits is bounded by its bytes and by the pixels that its header claims, and one too large for both waits alone.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from detector.discovery import ScanSource
from detector.errors import ScanUnreadable
from detector.pipeline import Detector, PreparedScan, RefusedScan
from detector.readers import read_headers, sidecar
from detector.readers.files import read_file

#: Scans read ahead of the network, and threads that read them.
AHEAD, READERS = 8, 2
#: Bytes of files, and pixels of decoded scans, that may wait for the network, unless it is a single scan.
AHEAD_BYTES, AHEAD_PIXELS = 64 * 2**20, 24_000_000

#: (scan's name, SHA-256 of its bytes) -> whether its result is there already.
Known = Callable[[str, str], bool]
Prepared = tuple[ScanSource, PreparedScan | RefusedScan | None]


@dataclass(frozen=True)
class _Bytes:
    """A file's bytes. pixels: of all views, as the header claims."""

    data: bytes
    sha256: str
    pixels: int


@dataclass(frozen=True)
class _Decoding:
    """future: None for a scan whose result is there."""

    source: ScanSource
    future: Future[PreparedScan | RefusedScan] | None
    pixels: int


def read_ahead(detector: Detector, sources: Iterable[ScanSource], known: Known) -> Iterator[Prepared]:
    """Every source with its prepared scan, its REFER if it could not be prepared, or None if `known` says so.

    known: asked in the calling thread alone, which owns the ledger.
    """
    with ThreadPoolExecutor(READERS, thread_name_prefix="reader") as pool:
        reading: deque[tuple[ScanSource, Future[_Bytes | ScanUnreadable]]] = deque()
        decoding: deque[_Decoding] = deque()
        remaining, most = iter(sources), max(AHEAD, detector.batch)
        while True:
            while len(reading) + len(decoding) < most and _bytes_of(source for source, _ in reading) < AHEAD_BYTES:
                source = next(remaining, None)
                if source is None:
                    break
                reading.append((source, pool.submit(_read, detector, source)))
            if reading and _room(decoding, reading[0][1], max(READERS, detector.batch)):
                source, future = reading.popleft()
                decoding.append(_decode(detector, source, future.result(), known, pool))
            elif decoding:
                yield _finished(decoding.popleft())
            else:
                return


def _finished(one: _Decoding) -> Prepared:
    return one.source, one.future.result() if one.future else None


def _bytes_of(sources: Iterable[ScanSource]) -> int:
    return sum(_size(source) for source in sources)


def _size(source: ScanSource) -> int:
    try:
        return source.path.stat().st_size
    except OSError:
        # Reading it will say what is wrong.
        return 0


def _room(decoding: deque[_Decoding], read: Future[_Bytes | ScanUnreadable], most: int) -> bool:
    if not decoding:
        return True
    if len(decoding) >= most:
        return False
    found = read.result()
    pixels = found.pixels if isinstance(found, _Bytes) else 0
    return pixels + sum(one.pixels for one in decoding) <= AHEAD_PIXELS


def _read(detector: Detector, source: ScanSource) -> _Bytes | ScanUnreadable:
    try:
        data = read_file(source.path, source.name, detector.limits)
    except ScanUnreadable as error:
        return error
    return _Bytes(data, hashlib.sha256(data).hexdigest(), _claimed_pixels(data, detector))


def _claimed_pixels(data: bytes, detector: Detector) -> int:
    try:
        return sum(header.pixels for header in read_headers(sidecar.split(data)[0], detector.limits))
    # Whatever is wrong with it, decoding will refuse it, and say why; what is refused takes no room.
    except Exception:
        return 0


def _decode(
    detector: Detector, source: ScanSource, read: _Bytes | ScanUnreadable, known: Known, pool: ThreadPoolExecutor
) -> _Decoding:
    if isinstance(read, ScanUnreadable):
        return _Decoding(source, pool.submit(RefusedScan, detector.refused(source.name, "", read, 0.0)), 0)
    if known(source.name, read.sha256):
        return _Decoding(source, None, 0)
    return _Decoding(source, pool.submit(detector.prepare, read.data, source.name, read.sha256), read.pixels)
