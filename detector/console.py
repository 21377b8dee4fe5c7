"""What a person sees while a batch runs: a bar on a terminal, plain lines elsewhere, always on standard error."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from detector.batch import BatchSummary
from detector.batch import Progress as Report
from detector.inspection import Decision, Inspection
from detector.network import Network
from detector.terminal import stderr, tell

#: Seconds between two plain lines where there is no terminal.
LINE_SECONDS = 10.0


@contextmanager
def progress_of(total: int, *, quiet: bool) -> Iterator[Report]:
    """Gives the function that a batch calls once a scan."""
    if quiet:
        yield lambda inspection: None
    elif sys.stderr.isatty():
        with _bar() as bar:
            yield _on_bar(bar, total)
    else:
        yield _as_lines(total)


def _bar() -> Progress:
    return Progress(
        TextColumn("inspecting"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("[red]{task.fields[alarms]} ALARM[/red] [yellow]{task.fields[refers]} REFER[/yellow]"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=stderr,
    )


class _Rate:
    """Scans a second, of those inspected by this run; ones done before would flatter it."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self.inspected = self.seen = 0
        self.decisions: Counter[Decision] = Counter()

    def add(self, inspection: Inspection | None) -> None:
        self.seen += 1
        if inspection is not None:
            self.inspected += 1
            self.decisions[inspection.decision] += 1

    @property
    def a_second(self) -> float:
        return self.inspected / max(1e-9, time.perf_counter() - self._started)


def _on_bar(bar: Progress, total: int) -> Report:
    task = bar.add_task("inspecting", total=total, rate="", alarms=0, refers=0)
    rate = _Rate()

    def report(inspection: Inspection | None) -> None:
        rate.add(inspection)
        bar.update(
            task,
            advance=1,
            rate=f"{rate.a_second:.1f} scans/s",
            alarms=rate.decisions[Decision.ALARM],
            refers=rate.decisions[Decision.REFER],
        )

    return report


def _as_lines(total: int) -> Report:
    rate, last = _Rate(), time.perf_counter()

    def report(inspection: Inspection | None) -> None:
        nonlocal last
        rate.add(inspection)
        if time.perf_counter() - last >= LINE_SECONDS and rate.inspected:
            last = time.perf_counter()
            left = (total - rate.seen) / rate.a_second
            tell(f"{rate.seen}/{total} scans, {rate.a_second:.1f} scans/s, {left:.0f} s left")

    return report


def print_summary(summary: BatchSummary, network: Network, folder: str, *, quiet: bool) -> None:
    """One line of counts with what the network ran on, and where the report is."""
    if quiet:
        return
    counts = ", ".join(f"{summary.decisions[decision]} {decision.value}" for decision in Decision)
    rate = f"{summary.done / summary.seconds:.1f} scans/s" if summary.done else "nothing new"
    before = f", {summary.skipped} done before" if summary.skipped else ""
    tell(f"{counts} ({rate} on {network.provider}{before})")
    if network.passed_over:
        tell(f"CUDA was not used: {network.passed_over}")
    tell(f"results in {folder}")
    if others := ", ".join(
        f"{summary.others[decision]} {decision.value}" for decision in Decision if summary.others[decision]
    ):
        tell(f"there as well, from other runs: {others}")
