"""What was done so far, one JSON object a line, in a file that may have been cut off in the middle of a line.

done = {record["number"]: record for record in whole_lines(path)}
with appending(path) as append:
    append({"number": 7})
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Record = dict[str, Any]

#: Bytes that are looked at at once for the end of the last whole line.
_BLOCK = 2**16


def whole_lines(path: Path) -> Iterator[Record]:
    """The objects of the lines that were written whole, in order; nothing where there is no file.

    Passed over are what a disk that failed put between them, and a last line without its end, which `appending` takes
    away: what it tells is done again. Raises OSError.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                record = json.loads(line) if line.endswith(b"\n") else None
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict):
                yield record


@contextmanager
def appending(path: Path) -> Iterator[Callable[[Record], None]]:
    """What adds one record to the file, past a kill of the process once it returns. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        # It would swallow the next one.
        _cut_last_line_without_end(path)
    with path.open("a", encoding="utf-8") as file:

        def append(record: Record) -> None:
            file.write(json.dumps(record) + "\n")
            file.flush()

        yield append


def _cut_last_line_without_end(path: Path) -> None:
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _BLOCK)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        file.truncate(end)
