"""What each scan's file was found to be, kept in a file so that a run that was cut off does not read them again.

    with ScanJournal(folder / "scans.jsonl") as journal:
        for facts in journal.examine(files):
            ...

One line a scan, appended when it is known. A scan is read again when its line was cut off in the middle or is of an
earlier form, and when its file, or the profile beside it, has changed since (size or time of change).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Container, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

import cv2

from detector.errors import ScanUnreadable, SettingsInvalid
from detector.normalisation.standardise import rendering_of, standardised
from detector.normalise import render
from detector.readers import read_scan
from detector.readers.files import read_file
from detector.readers.limits import Limits
from detector.readers.sidecar import sidecar_of
from detector.scan import Scan
from detector.scanner_profile import parse_profile
from training.datasets.drawn_scan import drawn_view
from training.datasets.exif_orientation import UPRIGHT, orientation_of
from training.datasets.fingerprint import Fingerprint, fingerprint, fingerprint_from_text
from training.files.line_journal import appending, whole_lines

#: Files read ahead, so that a million waiting ones need no memory.
_AHEAD = 64
#: Of a line: what was asked of a scan. In form 1, which lines do not name, nobody asked whether it shows anything; in
#: form 2, whether viewers turn it; in form 3, whether a drawn one is RGB of 8 bits; in form 4, how the station draws
#: it.
_FORM = 5


@dataclass(frozen=True)
class ScanFacts:
    """One file. size, changed: bytes, and time of change in nanoseconds; -1 if it is not there. sha256: of its bytes.

    width, height: pixels as decoded. picture: its fingerprint as text. error: why it cannot be read, or what in it
    shows nothing; "" for a good one. profile: state of the profile beside it, which the digest covers; "" without one.
    orientation: as EXIF numbers it; 1 for what viewers show as it is stored. rendering: how the station draws it, as
    `standardise.rendering_of`; "" for one that is drawn already.
    """

    size: int
    changed: int
    sha256: str = ""
    width: int = 0
    height: int = 0
    picture: str = ""
    error: str = ""
    profile: str = ""
    orientation: int = UPRIGHT
    rendering: str = ""

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the first view. Raises ValueError for a file that cannot be used."""
        return fingerprint_from_text(self.picture)


def examine(path: Path, drawn: bool = False) -> ScanFacts:
    """Reads, decodes, hashes one file, and draws it for the network as training does. Never raises for what is in it.

    drawn: the file holds what was drawn already, so that a part of a scan may be all steel.
    """
    size, changed = _state(path)
    profile = _profile_state(path)
    try:
        data = read_file(path, path.name, Limits())
        scan = read_scan(data, path.name)
        picture = fingerprint(scan.views[0]).text()
        rendering = _rendering_of_usable(scan, drawn)
    except (ScanUnreadable, SettingsInvalid) as error:
        return ScanFacts(size, changed, error=error.reason(), profile=profile)
    except (cv2.error, MemoryError) as error:
        error_text = f"{type(error).__name__}: the scan cannot be shrunk here"
        return ScanFacts(size, changed, error=error_text, profile=profile)
    turn = orientation_of(data)
    return ScanFacts(size, changed, scan.sha256, scan.width, scan.height, picture, "", profile, turn, rendering)


def _rendering_of_usable(scan: Scan, drawn: bool) -> str:
    """How the station draws it. Raises what drawing it for the network raises: ScanWithoutContent, and what its profile
    says against it."""
    if drawn:
        drawn_view(scan)
        return ""
    if scan.profile:
        return standardised(scan, parse_profile(scan.profile, f"the profile beside {scan.source}")).rendering
    for view in scan.views:
        render(view)
    return rendering_of(scan, None)


def examine_all(
    paths: Iterable[Path], workers: int | None = None, drawn: Container[Path] = frozenset()
) -> Iterator[ScanFacts]:
    """Facts of every path, in order, keeping no journal. drawn: those of them that are drawn already."""
    with ThreadPoolExecutor(workers or os.cpu_count(), thread_name_prefix="scans") as pool:
        waiting: deque[Future[ScanFacts]] = deque()
        try:
            for path in paths:
                waiting.append(pool.submit(examine, path, path in drawn))
                if len(waiting) >= _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


class ScanJournal:
    """Facts by path. `examine` gives what it holds and reads the rest; `examined` counts these."""

    def __init__(self, path: Path, workers: int | None = None) -> None:
        self._path = path
        self._workers = workers or os.cpu_count() or 1
        self._known = dict(_read(path))
        self.examined = 0

    def __enter__(self) -> ScanJournal:
        self._open = ExitStack()
        self._append = self._open.enter_context(appending(self._path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def examine(self, paths: Iterable[Path], drawn: Container[Path] = frozenset()) -> Iterator[tuple[Path, ScanFacts]]:
        """Facts of every path, in order; read by several threads, since decoding lets them run side by side.

        drawn: those of them that are drawn already.
        """
        with ThreadPoolExecutor(self._workers, thread_name_prefix="scans") as pool:
            waiting: deque[tuple[Path, ScanFacts | Future[ScanFacts]]] = deque()
            try:
                for path in paths:
                    waiting.append((path, self._known_facts(path) or pool.submit(examine, path, path in drawn)))
                    if len(waiting) >= _AHEAD:
                        yield self._taken(*waiting.popleft())
                while waiting:
                    yield self._taken(*waiting.popleft())
            finally:
                pool.shutdown(cancel_futures=True)

    def _known_facts(self, path: Path) -> ScanFacts | None:
        facts = self._known.get(str(path))
        if facts is None or (facts.size, facts.changed) != _state(path):
            return None
        return facts if facts.profile == _profile_state(path) else None

    def _taken(self, path: Path, facts: ScanFacts | Future[ScanFacts]) -> tuple[Path, ScanFacts]:
        if isinstance(facts, ScanFacts):
            return path, facts
        found = facts.result()
        self.examined += 1
        self._known[str(path)] = found
        self._append({"form": _FORM, "path": str(path), **asdict(found)})
        return path, found


def _state(path: Path) -> tuple[int, int]:
    """Size and time of change in nanoseconds; -1 of a file that is not there."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _profile_state(path: Path) -> str:
    """Size and time of change of the profile beside a scan; "" without one."""
    profile = sidecar_of(path)
    return " ".join(map(str, _state(profile))) if profile else ""


def _read(path: Path) -> Iterator[tuple[str, ScanFacts]]:
    for values in whole_lines(path):
        try:
            if values.pop("form", 1) != _FORM:
                continue
            name = str(values.pop("path"))
            facts = ScanFacts(**values)
            if facts.picture:
                fingerprint_from_text(facts.picture)
            yield name, facts
        except (ValueError, TypeError, KeyError, AttributeError):
            # Of an earlier version, or damaged: the file is read again.
            continue
