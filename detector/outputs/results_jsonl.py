"""results.jsonl: one line a scan, byte for byte as recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from detector.outputs.record import Add, RunContext


@contextmanager
def write_results_jsonl(file: TextIO, _folder: Path, _context: RunContext) -> Iterator[Add]:
    """Writes the lines in the order in which results are added. Raises OSError."""
    yield lambda stored, _: file.write(stored.line + "\n")


def foreign_lines(path: Path, recorded: Iterable[str]) -> list[str]:
    """One finding for each line of the file that is none of the recorded ones: edited, or written by somebody else.

    A run that was cut off leaves the file of the run before, so lines that are not there prove nothing.
    """
    # The file first: a run that records meanwhile must not look like somebody who edits. Digests alone are kept: a file
    # of a million results is larger than what a station has to spare.
    digests: list[bytes] = []
    if path.is_file():
        with path.open("rb") as file:
            digests = [_digest(line.rstrip(b"\r\n")) for line in file]
    unknown = set(digests)
    for line in recorded:
        unknown.discard(_digest(line.encode("utf-8", "backslashreplace")))
    return [
        f"{path.name} line {number}: no such result was ever recorded"
        for number, digest in enumerate(digests, 1)
        if digest in unknown
    ]


def _digest(line: bytes) -> bytes:
    return hashlib.sha256(line).digest()
