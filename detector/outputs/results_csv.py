"""results.csv: one row a scan, for spreadsheets."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from detector.ledger import StoredResult
from detector.outputs.record import Add, Record, RunContext, counts_by_class, strongest

COLUMNS = (
    "scan", "decision", "reasons", "detections", "counts", "top_class", "top_score", "width", "height", "views",
    "sha256", "weights", "elapsed_ms", "inspected_utc",
)  # fmt: skip

#: Where a spreadsheet would find a formula: file names are chosen by whoever sends the parcel. In countries that write
#: 0,5 a semicolon starts a cell; under Japanese settings the wide signs count as well.
_FORMULA = re.compile("(?:^|(?<=[;\t]))(?=[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-])")


@contextmanager
def write_results_csv(file: TextIO, _folder: Path, _context: RunContext) -> Iterator[Add]:
    """Writes a heading and a row a scan, UTF-8, in the order in which results are added. Raises OSError."""
    writer = csv.writer(_Lines(file))
    writer.writerow(COLUMNS)
    yield lambda stored, record: writer.writerow([_cell(value) for value in _row(stored, record)])


class _Lines:
    r"""Ends rows with \n, though the writer is told \r\n: it puts quotes round the line ends that it is told alone, and
    a bare \r in a file's name would start a row of its own."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        """Writes a row as `csv` gives it."""
        return self._file.write(row.removesuffix("\r\n") + "\n")


def _row(stored: StoredResult, record: Record) -> tuple[object, ...]:
    counts = counts_by_class(record)
    top = strongest(record) or {"class": "", "score": ""}
    return (
        record["scan"],
        record["decision"],
        "; ".join(record["reasons"]),
        counts.total(),
        ", ".join(f"{name} {count}" for name, count in counts.most_common()),
        top["class"],
        top["score"],
        record["width"],
        record["height"],
        # A scan that could not be decoded has no view.
        record.get("views", 0 if record["width"] is None else 1),
        record["sha256"],
        record["weights"],
        record["elapsed_ms"],
        f"{stored.utc[:23]}Z",
    )


def _cell(value: object) -> object:
    # Few cells can hold one, and the pattern takes its time with each sign of the others.
    may = isinstance(value, str) and (";" in value or "\t" in value or not value[:1].isalnum())
    return _FORMULA.sub("'", str(value)) if may else value
