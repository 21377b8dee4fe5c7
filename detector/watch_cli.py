"""`roentgate watch`: inspects what arrives in folders, until it is told to stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from detector.arrivals import Arrivals, Look
from detector.batch import BatchOptions, output_run
from detector.discovery import MAY_BE_SCANS, ScanSource, in_shard
from detector.errors import ReaderGone, SettingsInvalid, named_by
from detector.inspection import Decision, Inspection
from detector.network import Provider
from detector.pipeline import Detector
from detector.scan_options import (
    Batch,
    MinScore,
    OnProvider,
    Overlay,
    PolicyFile,
    Quiet,
    Report,
    Scanner,
    Shard,
    Threads,
    TileSide,
    Weights,
    named_path,
    policy_of,
)
from detector.scanner_profile import load_profile
from detector.terminal import tell, visible
from detector.watch import Listener, watch
from detector.weights_choice import choose_weights

#: Seconds between two lines that say that the watch goes on.
LINE_SECONDS = 60.0
#: Scans that are named at once, of those that were not inspected: a folder that is emptied may have held very many.
_MOST_TOLD = 1_000


def watch_command(
    folders: Annotated[list[str], typer.Argument(metavar="FOLDER...", help="Folders that scans arrive in.")],
    output: Annotated[
        Path,
        typer.Option(
            parser=named_path,
            metavar="<path>",
            help="Folder for results; what it holds already is not inspected again.",
        ),
    ],
    weights: Weights = "",
    scanner: Scanner = None,
    policy: PolicyFile = None,
    min_score: MinScore = None,
    provider: OnProvider = Provider.AUTO,
    threads: Threads = 0,
    batch: Batch = 8,
    tile: TileSide = "auto",
    overlay: Overlay = True,
    report: Report = True,
    shard: Shard = "",
    every: Annotated[
        float,
        typer.Option(min=0.05, max=3600, help="Seconds between two looks, and for which a file must not have changed."),
    ] = 1.0,
    quiet: Quiet = False,
) -> None:
    """Inspects scans as they arrive in folders, and prints each result as a line of JSON. Ends on Ctrl-C or SIGTERM."""
    _require_folders(folders)
    if shard:
        in_shard((), shard)
    profile = load_profile(scanner) if scanner else None
    detector = Detector(
        choose_weights(weights, profile, None),
        policy=policy_of(policy, min_score),
        provider=provider,
        threads=threads,
        batch=batch,
        tile=tile,
        scanner=profile,
    )
    arrivals, log = Arrivals(map(Path, folders), output, every, shard), _Log(quiet=quiet)
    if not quiet:
        tell(f"weights {visible(detector.weights.label)} on {detector.network.provider}")
    with (
        named_by(output),
        _stopped_by_signals() as stop,
        output_run(detector, output, BatchOptions(overlay, report)) as run,
    ):
        watch(run, arrivals, Listener(stop, log.line, log.looked, log.kept), every)
    log.end(output)


def _require_folders(folders: Sequence[str]) -> None:
    whole: list[Path] = []
    for folder in folders:
        # A path would take an empty one for the folder that one is in.
        if not folder or not Path(folder).is_dir():
            raise SettingsInvalid(f"not a folder: {folder!r}", remedy="make it first; `roentgate scan` takes files")
        resolved = Path(folder).resolve()
        if other := next((one for one in whole if one.is_relative_to(resolved) or resolved.is_relative_to(one)), None):
            raise SettingsInvalid(f"{folder} and {other} lie in one another", remedy="name the outer one alone")
        whole.append(resolved)


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Set by SIGINT or SIGTERM; the second of them ends the process as it does any other."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def heard(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
        # In a thread of its own: the one that is interrupted may hold the event's lock, and would wait for itself.
        threading.Thread(target=stop.set, daemon=True).start()

    before = [(number, signal.signal(number, heard)) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in before:
            signal.signal(number, handler)


class _Log:
    """Results on standard output, everything else on standard error."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._decisions: Counter[Decision] = Counter()
        self._last: Look | None = None
        self._told = time.monotonic()

    def line(self, line: str, inspection: Inspection | None) -> None:
        try:
            # At once: a belt waits for it.
            print(line, flush=True)
        except OSError as error:
            # Python writes what is left when it ends, and would fail a second time.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise ReaderGone(f"standard output cannot be written: {error.strerror}") from None
        if inspection is not None:
            self._decisions[inspection.decision] += 1

    def looked(self, look: Look) -> None:
        away = self._last.away if self._last else {}
        for folder in look.away.keys() - away.keys():
            tell(f"{visible(str(folder))}: {look.away[folder]}; it is looked for until it is back")
        for folder in away.keys() - look.away.keys():
            tell(f"{visible(str(folder))}: is back")
        for folder in look.emptied:
            tell(f"{visible(str(folder))}: held scans, and holds none now")
        if look.gone:
            _tell_each("gone or replaced before this watch inspected it, and has no result", look.gone)
        more = look.left_out - (self._last.left_out if self._last else Counter())
        for suffix, count in sorted(more.items()):
            # A scan that is in no result is an error, too.
            if not self._quiet or suffix in MAY_BE_SCANS:
                tell(f"left out, being no scans: {count} {visible(suffix)}")
        self._last = look
        if not self._quiet and time.monotonic() - self._told >= LINE_SECONDS:
            self._told = time.monotonic()
            tell(self._counts())

    def kept(self, sources: Sequence[ScanSource]) -> None:
        _tell_each("gone when it was to be read, so what was recorded of it before stands", sources)

    def end(self, output: Path) -> None:
        if not self._quiet:
            tell(f"stopped; {self._counts()}\nresults in {visible(str(output))}")

    def _counts(self) -> str:
        counts = ", ".join(f"{self._decisions[decision]} {decision.value}" for decision in Decision)
        present = self._last.present if self._last else 0
        return f"{present} scans there; inspected since the start: {counts}"


def _tell_each(what: str, sources: Sequence[ScanSource]) -> None:
    """A line for each, as nothing else names them; of very many the first."""
    for source in sources[:_MOST_TOLD]:
        tell(f"{visible(source.name)}: {what}")
    if len(sources) > _MOST_TOLD:
        tell(f"and {len(sources) - _MOST_TOLD:,} more of these")
