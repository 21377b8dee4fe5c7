"""Inspects what arrives in watched folders, with a detector that stays loaded, until it is told to stop.

>>> with output_run(detector, Path("out"), BatchOptions()) as run:                                   # doctest: +SKIP
...     watch(run, Arrivals([Path("/belts")], Path("out"), settle=1.0), listener, every=1.0)

Each scan's result is in the ledger before its line is given away, and the output files follow the ledger.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from detector.arrivals import Arrivals, Look
from detector.batch import OutputRun
from detector.discovery import ScanSource
from detector.errors import SettingsInvalid
from detector.inspection import Inspection

#: The output files hold all results, so writing them takes the longer the more there are: between two times lies at
#: least so many times what the last one took.
PUBLISH_PAUSE = 20.0
#: Seconds after which a round ends although more is ready: what came meanwhile is looked for, and outputs are written.
ROUND_SECONDS = 10.0
#: Scans that are tied to their names in one transaction, which waits for the disk.
CLAIMED_AT_ONCE = 100


@dataclass(frozen=True)
class Listener:
    """How a watch is ended, and whom it tells. stop: set from outside.

    line: called with each result, a line of results.jsonl, and its inspection; None for a result that was there before.
    looked: called after each look. kept: called with scans whose files were gone when they were to be read, and whose
    earlier results stand.
    """

    stop: threading.Event
    line: Callable[[str, Inspection | None], None]
    looked: Callable[[Look], None]
    kept: Callable[[Sequence[ScanSource]], None]


def watch(run: OutputRun, arrivals: Arrivals, listener: Listener, every: float) -> None:
    """Inspects until `listener.stop` is set; what was taken by then is finished, and the output files are written.

    every: seconds between two looks while nothing arrives. Raises SettingsInvalid if a folder cannot be looked at the
    first time; later that is told, and the others are inspected meanwhile. Raises OSError when the output folder
    cannot be written; what was recorded until then is kept.
    """
    for folder, reason in arrivals.look().away.items():
        raise SettingsInvalid(f"{folder} cannot be looked at: {reason}", remedy="check the path and its permissions")
    # A run that was cut off may have left them behind the ledger.
    behind, next_publishing = True, time.monotonic()
    while not listener.stop.is_set():
        began = time.monotonic()
        inspected = _round(run, arrivals, listener)
        # To look at a hundred thousand scans takes seconds: not more than a fifth of the time.
        pause = 0.0 if inspected else max(every, 4 * (time.monotonic() - began))
        behind = behind or inspected > 0
        if behind and time.monotonic() >= next_publishing:
            took = _publish(run)
            behind, next_publishing = False, time.monotonic() + PUBLISH_PAUSE * took
        if pause and behind:
            pause = min(pause, max(0.0, next_publishing - time.monotonic()))
        listener.stop.wait(pause)
    run.publish()


def _round(run: OutputRun, arrivals: Arrivals, listener: Listener) -> int:
    """Looks once and inspects what is ready. Returns how many scans that were."""
    look = arrivals.look()
    listener.looked(look)
    if not look.ready:
        return 0
    count, kept, taking = 0, [], arrivals.taking(_claimed(run, look.ready))
    # A scan that was moved away when its shift had ended, before it was read to be known, is no new one.
    for one in run.inspected(_for_a_round(listener.stop, taking), gone_keep=True):
        count += 1
        if one.gone or (one.inspection is not None and one.inspection.error):
            # If the file comes back it may hold other bytes than those of its result.
            arrivals.failed(one.source)
        if one.gone:
            kept.append(one.source)
        else:
            listener.line(run.line(one.source), one.inspection)
    if kept:
        listener.kept(kept)
    return count


def _claimed(run: OutputRun, ready: Sequence[ScanSource]) -> Iterator[ScanSource]:
    """The sources, claimed by and by: of a hundred thousand that lie there a round comes to a few."""
    for start in range(0, len(ready), CLAIMED_AT_ONCE):
        yield from run.claimed(ready[start : start + CLAIMED_AT_ONCE])


def _for_a_round(stop: threading.Event, sources: Iterable[ScanSource]) -> Iterator[ScanSource]:
    end = time.monotonic() + ROUND_SECONDS
    for source in sources:
        yield source
        if stop.is_set() or time.monotonic() >= end:
            return


def _publish(run: OutputRun) -> float:
    """Returns the seconds that it took."""
    began = time.monotonic()
    run.publish()
    return time.monotonic() - began
