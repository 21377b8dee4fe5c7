"""`roentgate watch`: inspects what arrives in folders, until it is told to stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from detector.arrivals import Arrivals
from detector.batch import BatchOptions, output_run
from detector.discovery import MAY_BE_SCANS
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
    policy_of,
)
from detector.scanner_profile import load_profile
from detector.terminal import tell, visible
from detector.watch import Listener, watch
from detector.weights_choice import choose_weights

#: Seconds between two lines that say that the watch goes on.
LINE_SECONDS = 60.0


def watch_command(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="Folders that scans arrive in.")],
    output: Annotated[Path, typer.Option(help="Folder for results; what it holds already is not inspected again.")],
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
    for folder in folders:
        if not folder.is_dir():
            raise SettingsInvalid(f"not a folder: {folder}", remedy="make it first; `roentgate scan` takes files")
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
    arrivals = Arrivals(folders, output, every, shard)
    log = _Log(arrivals, quiet=quiet)
    if not quiet:
        tell(f"weights {visible(detector.weights.label)} on {detector.network.provider}")
    with (
        named_by(output),
        _stopped_by_signals() as stop,
        output_run(detector, output, BatchOptions(overlay, report)) as run,
    ):
        watch(run, arrivals, Listener(stop, log.line, log.looked), every)
    log.end(output)


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Set by SIGINT and SIGTERM; the second of them ends the process as it does any other."""
    stop = threading.Event()
    before: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None] = {}

    def heard(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, heard)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Log:
    """Results on standard output, everything else on standard error."""

    def __init__(self, arrivals: Arrivals, *, quiet: bool) -> None:
        self._arrivals, self._quiet = arrivals, quiet
        self._decisions: Counter[Decision] = Counter()
        self._left_out: Counter[str] = Counter()
        self._away = ""
        self._told = time.monotonic()

    def line(self, line: str, inspection: Inspection | None) -> None:
        try:
            # At once: a belt waits for it.
            print(line, flush=True)
        except BrokenPipeError:
            # Python writes what is left when it ends, and would fail a second time.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise ReaderGone("standard output: what read the results has ended") from None
        if inspection is not None:
            self._decisions[inspection.decision] += 1

    def looked(self, away: str) -> None:
        if away != self._away:
            tell(f"{visible(away)}: looking again until it is back" if away else "the folders are back")
            self._away = away
        if away:
            return
        self._tell_left_out()
        if not self._quiet and time.monotonic() - self._told >= LINE_SECONDS:
            self._told = time.monotonic()
            tell(self._counts())

    def end(self, output: Path) -> None:
        if not self._quiet:
            tell(f"stopped; {self._counts()}\nresults in {visible(str(output))}")

    def _counts(self) -> str:
        counts = ", ".join(f"{self._decisions[decision]} {decision.value}" for decision in Decision)
        return f"{self._arrivals.present} scans there; inspected since the start: {counts}"

    def _tell_left_out(self) -> None:
        """Of each kind again when there are more: a scan that is in no result is an error, too."""
        more = self._arrivals.left_out - self._left_out
        self._left_out |= self._arrivals.left_out
        for suffix, count in sorted(more.items()):
            if not self._quiet or suffix in MAY_BE_SCANS:
                tell(f"left out, being no scans: {count} {visible(suffix)}")
