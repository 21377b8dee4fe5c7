"""Which scans of watched folders are to be inspected: new or changed ones, once they are whole.

>>> arrivals = Arrivals([Path("/belts")], output=Path("out"), settle=1.0)       # doctest: +SKIP
>>> arrivals.look().ready               # what lies there might still be written
[]
>>> arrivals.look().ready               # a second later: it has not changed
[ScanSource(name='bag_0001.png', path=PosixPath('/belts/bag_0001.png'))]

Files are looked at by name, size and times alone, and as often as one wishes: what a share on another machine holds
tells nobody that it changed. A file counts as whole when looks find it the same for a while; one that was inspected too
soon after all is inspected again as soon as it is another.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from detector.discovery import FolderScans, ScanSource, in_shard, named_apart
from detector.readers.sidecar import sidecar_of

#: Seconds until a scan that could not be judged is tried again although its file is the same, and the most that this
#: grows to, doubling each time: a share that was away comes back, a damaged file stays damaged.
FIRST_RETRY, LAST_RETRY = 60.0, 3600.0
#: A file that never stays the same, as one that is touched or written over all the time, is inspected all the same
#: after so many seconds, and so many times as long as it should have been still.
RESTLESS_SECONDS, RESTLESS_TIMES = 60.0, 10.0

#: When the inode and the content of a file were changed, in ns, its size and its inode, and the same of the profile
#: beside it; empty where it cannot be looked at.
_State = tuple[int, ...]


@dataclass(frozen=True)
class Look:
    """What one look found. ready: the scans to inspect now, in the order in which they should be.

    gone: scans of the last look that were never taken and are there no more, or are others by now; one that was renamed
    is not gone. away: folder -> why it cannot be looked at; what lies there is neither forgotten nor gone. emptied:
    folders that held scans at the last look and hold none now, as the place does where a share was mounted. left_out:
    suffix -> files that are no scans. present: how many scans there are.
    """

    ready: tuple[ScanSource, ...]
    gone: tuple[ScanSource, ...]
    away: dict[Path, str]
    emptied: tuple[Path, ...]
    left_out: Counter[str]
    present: int


@dataclass
class _Seen:
    """A scan as the last look found it; the same object as long as its state is the same.

    since, last: when it was first and last seen in this state. restless: since when it has not been seen the same for
    long enough.
    """

    source: ScanSource
    folder: Path
    state: _State
    since: float
    last: float
    restless: float


@dataclass(frozen=True)
class _Taken:
    """folder: that it lies in. state: as it was when the scan was taken. due: when it is to be tried again though it
    stays so. wait: how long that was put off, 0 for a scan that was judged."""

    folder: Path
    state: _State
    due: float
    wait: float


class Arrivals:
    """The scans under `folders`, those told apart that are new, changed, or to be tried again.

    settle: seconds for which a file must have been the same. shard: "I/N", the part of the scans that is meant; empty
    for all. clock: seconds that never go back.
    """

    def __init__(
        self,
        folders: Iterable[Path],
        output: Path,
        settle: float,
        shard: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folders = {folder: FolderScans(folder, output) for folder in folders}
        self._shard, self._clock = shard, clock
        self._settle, self._begun = settle, float("inf")
        self._restless = max(RESTLESS_SECONDS, RESTLESS_TIMES * settle)
        self._seen: dict[Path, _Seen] = {}
        self._taken: dict[Path, _Taken] = {}

    def look(self) -> Look:
        """Looks at every folder once. Raises SettingsInvalid for a shard that is none."""
        found, away, left_out = self._found()
        now = self._clock()
        self._begun = min(self._begun, now)
        folder_of = {source.path: folder for folder, within in found.items() for source in within}
        sources = named_apart(source for within in found.values() for source in within)
        mine = in_shard(sources, self._shard) if self._shard else sources
        seen = {source.path: self._now_seen(source, folder_of[source.path], now) for source in mine}
        kept = {path: one for path, one in self._seen.items() if one.folder in away}
        bare = {folder for folder, within in found.items() if not within}
        emptied = tuple(bare & {one.folder for one in self._seen.values()})
        gone = self._lost({**kept, **seen}, now)
        if gone:
            # One that was renamed, as a whole file is by what wrote it, is not lost, in whichever shard it is now.
            there = {_content(_state(source.path)) for source in sources}
            gone = [one for one in gone if _content(one.state) not in there]
        self._seen = {**kept, **seen}
        # A share that is not mounted comes back with the same scans.
        self._taken = {path: taken for path, taken in self._taken.items() if path in self._seen or taken.folder in bare}
        ready = sorted((one for one in seen.values() if self._is_due(one, now)), key=self._turn)
        lost = tuple(one.source for one in gone)
        return Look(tuple(one.source for one in ready), lost, away, emptied, left_out, len(seen))

    def _found(self) -> tuple[dict[Path, list[ScanSource]], dict[Path, str], Counter[str]]:
        """The scans of each folder that can be looked at, why the others cannot be, and what is left out."""
        found: dict[Path, list[ScanSource]] = {}
        away: dict[Path, str] = {}
        left_out: Counter[str] = Counter()
        for folder, scans in self._folders.items():
            others: Counter[str] = Counter()
            try:
                with os.scandir(folder) as entries:
                    # A share whose server is gone may let itself be opened.
                    next(entries, None)
                within = scans.look(others)
            except OSError as error:
                away[folder] = error.strerror or type(error).__name__
                continue
            if within and within[0].path == scans.folder:
                # As a source of its own, for it could not be listed any more.
                away[folder] = "it cannot be listed"
                continue
            found[folder] = within
            left_out += others
        return found, away, left_out

    def taking(self, sources: Iterable[ScanSource]) -> Iterator[ScanSource]:
        """The sources, each held to be inspected from the moment on that it is asked for."""
        for source in sources:
            taken, seen = self._taken.get(source.path), self._seen[source.path]
            wait = taken.wait if taken and taken.state == seen.state else 0.0
            self._taken[source.path] = _Taken(seen.folder, seen.state, float("inf"), wait)
            yield source

    def failed(self, source: ScanSource) -> None:
        """Says that a scan which was taken could not be judged."""
        taken = self._taken[source.path]
        wait = min(LAST_RETRY, 2 * taken.wait) or FIRST_RETRY
        self._taken[source.path] = replace(taken, due=self._clock() + wait, wait=wait)

    def _now_seen(self, source: ScanSource, folder: Path, now: float) -> _Seen:
        state, before = _state(source.path), self._seen.get(source.path)
        if before is None:
            return _Seen(source, folder, state, now, now, now)
        if before.state == state:
            before.source, before.folder, before.last = source, folder, now
            if now - before.since >= self._settle:
                before.restless = now
            return before
        return _Seen(source, folder, state, now, now, now if self._was_taken(before) else before.restless)

    def _was_taken(self, one: _Seen) -> bool:
        taken = self._taken.get(one.source.path)
        return taken is not None and taken.state == one.state

    def _is_due(self, one: _Seen, now: float) -> bool:
        if self._was_taken(one):
            return now >= self._taken[one.source.path].due
        return now - one.since >= self._settle or now - one.restless >= self._restless

    def _turn(self, one: _Seen) -> tuple[bool, bool, _State]:
        """What arrives is looked at before what lay there at the start, and before what is tried again."""
        return self._was_taken(one), one.since <= self._begun, one.state[:1]

    def _lost(self, there: dict[Path, _Seen], now: float) -> list[_Seen]:
        """Of the scans of the last look those that were never taken, and are not there or, though they rested, are
        others now."""
        lost = []
        for path, one in self._seen.items():
            after = there.get(path)
            if after is one or self._was_taken(one):
                continue
            if after is None or (after.state != one.state and self._rested(one, after, now)):
                lost.append(one)
        return lost

    def _rested(self, before: _Seen, after: _Seen, now: float) -> bool:
        """Whether what is another now may have been a whole scan. What is still being written stays one file, and is
        not found the same by two looks, however far apart they are."""
        until = before.last if _file(before.state) == _file(after.state) else now
        return until - before.since >= self._settle


def _file(state: _State) -> _State:
    """What of a state stays while a file is written: its inode."""
    return state[3:4]


def _content(state: _State) -> _State:
    """What of a state stays when a file is renamed."""
    return state[1:4]


def _state(path: Path) -> _State:
    state: _State = ()
    try:
        for file in (path, sidecar_of(path)):
            if file is not None:
                status = file.stat()
                state += (status.st_ctime_ns, status.st_mtime_ns, status.st_size, status.st_ino)
    except OSError:
        # Inspecting it says why it cannot be read.
        return ()
    return state
