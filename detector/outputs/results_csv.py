"""results.csv: one row a scan, for spreadsheets."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import TextIO

from detector.outputs.atomic import text_written_whole
from detector.outputs.record import Record, Results, RunContext, counts_by_class, strongest

COLUMNS = (
    "scan", "decision", "reasons", "detections", "counts", "top_class", "top_score", "width", "height", "views",
    "sha256", "weights", "elapsed_ms",
)  # fmt: skip

#: Where a spreadsheet would find a formula: file names are chosen by whoever sends the parcel. In countries that write
#: 0,5 a semicolon starts a cell; under Japanese settings the wide signs count as well.
_FORMULA = re.compile("(?:^|(?<=[;\t]))(?=[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-])")


def write_results_csv(path: Path, results: Results, _context: RunContext) -> None:
    """Writes a heading and a row a scan, UTF-8, in the order of `results`. Raises OSError."""
    with text_written_whole(path) as file:
        writer = csv.writer(_Lines(file))
        writer.writerow(COLUMNS)
        for stored in results:
            writer.writerow([_cell(value) for value in _row(json.loads(stored.line))])


class _Lines:
    r"""Ends rows with \n, though the writer is told \r\n: it puts quotes round the line ends that it is told alone, and
    a bare \r in a file's name would start a row of its own."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        """Writes a row as `csv` gives it."""
        return self._file.write(row.removesuffix("\r\n") + "\n")


def _row(record: Record) -> tuple[object, ...]:
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
    )


def _cell(value: object) -> object:
    return _FORMULA.sub("'", value) if isinstance(value, str) else value
