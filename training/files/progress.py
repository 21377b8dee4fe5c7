"""How far a long command has come, told on standard error alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import rich.progress
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from detector.terminal import stderr

Item = TypeVar("Item")
#: Passes things on, counting them for a person: title, the things, how many there will be.
Progress = Callable[[str, Iterable[Item], int], Iterable[Item]]

_LINE_SECONDS = 10.0


def silently(title: str, items: Iterable[Item], total: int) -> Iterable[Item]:
    """Progress that nobody sees."""
    return items


def with_progress(title: str, items: Iterable[Item], total: int) -> Iterator[Item]:
    """Passes `items` on: a bar on a terminal, a line every ten seconds elsewhere, always on standard error."""
    if not sys.stderr.isatty():
        yield from with_lines(title, items, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with rich.progress.Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=stderr) as bar:
        yield from bar.track(items, total=total, description=title)


def with_lines(title: str, items: Iterable[Item], total: int) -> Iterator[Item]:
    """Passes `items` on: a line every ten seconds on standard error, and none for what is done before."""
    last, before = time.perf_counter(), 0
    for done, item in enumerate(items, 1):
        yield item
        if (now := time.perf_counter()) - last >= _LINE_SECONDS:
            # Since the last line: what an earlier run had done comes at once, and would promise an early end.
            rate = (done - before) / (now - last)
            last, before = now, done
            stderr.print(
                f"{title}: {done}/{total}, {rate:.1f} a second, {(total - done) / rate:.0f} s left", markup=False
            )
