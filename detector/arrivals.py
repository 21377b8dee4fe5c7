"""Which scans of watched folders are to be inspected: new or changed ones, once they are whole.

>>> arrivals = Arrivals([Path("/belts")], output=Path("out"), settle=1.0)       # doctest: +SKIP
>>> arrivals.look()                     # what lies there might still be written
[]
>>> arrivals.look()                     # a second later: it has not changed
[ScanSource(name='bag_0001.png', path=PosixPath('/belts/bag_0001.png'))]

Files are looked at by name, size and times alone, and as often as one wishes: what a share on another machine holds
tells nobody that it changed. A file counts as whole when looks find it the same for a while; one that was inspected too
soon after all is inspected again as soon as it is another.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from detector.discovery import ScanSource, discover, in_shard
from detector.readers.sidecar import sidecar_of

#: Seconds until a scan that could not be judged is tried again although its file is the same, and the most that this
#: grows to, doubling each time: a share that was away comes back, a damaged file stays damaged.
FIRST_RETRY, LAST_RETRY = 60.0, 3600.0

#: When the inode and the content of a file were changed, in ns, its size and its inode, and the same of the profile
#: beside it; empty where it cannot be looked at.
_State = tuple[int, ...]


@dataclass(frozen=True)
class _Taken:
    """state: as it was when the scan was taken. due: when it is to be tried again though it stays so. wait: how long
    that was put off, 0 for a scan that was judged."""

    state: _State
    due: float
    wait: float


class Arrivals:
    """The scans under `inputs`, those told apart that are new, changed, or to be tried again.

    settle: seconds for which a file must have been the same. shard: "I/N", the part of the scans that is meant; empty
    for all. clock: seconds that never go back. left_out: suffix -> files of the last look that are no scans.
    """

    def __init__(
        self,
        inputs: Iterable[Path],
        output: Path,
        settle: float,
        shard: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inputs, self._output, self._settle, self._shard, self._clock = list(inputs), output, settle, shard, clock
        #: What each file is, and since when it was seen so.
        self._seen: dict[Path, tuple[_State, float]] = {}
        self._taken: dict[Path, _Taken] = {}
        self.left_out: Counter[str] = Counter()

    @property
    def present(self) -> int:
        """Scans that the last look found."""
        return len(self._seen)

    def look(self) -> list[ScanSource]:
        """The scans to inspect now, those first that have waited longest. Raises SettingsInvalid for an input that is
        not there or cannot be looked at; what was known until then stays known."""
        found = discover(self._inputs, (), self._output)
        sources = in_shard(found.sources, self._shard) if self._shard else found.sources
        now, seen = self._clock(), {}
        for path in (source.path for source in sources):
            state = _state(path)
            before = self._seen.get(path)
            seen[path] = before if before and before[0] == state else (state, now)
        self.left_out, self._seen = found.left_out, seen
        self._taken = {path: taken for path, taken in self._taken.items() if path in seen}
        ready = (source for source in sources if self._due(source.path, now))
        return sorted(ready, key=lambda source: seen[source.path][0][:1])

    def taking(self, sources: Iterable[ScanSource]) -> Iterator[ScanSource]:
        """The sources, each held to be inspected from the moment on that it is asked for."""
        for source in sources:
            taken = self._taken.get(source.path)
            state, _ = self._seen[source.path]
            wait = taken.wait if taken and taken.state == state else 0.0
            self._taken[source.path] = _Taken(state, float("inf"), wait)
            yield source

    def failed(self, source: ScanSource) -> None:
        """Says that a scan which was taken could not be judged."""
        taken = self._taken[source.path]
        wait = min(LAST_RETRY, 2 * taken.wait) or FIRST_RETRY
        self._taken[source.path] = _Taken(taken.state, self._clock() + wait, wait)

    def _due(self, path: Path, now: float) -> bool:
        (state, since), taken = self._seen[path], self._taken.get(path)
        if taken is not None and taken.state == state:
            return now >= taken.due
        return now - since >= self._settle


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
