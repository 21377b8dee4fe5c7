"""results.csv: one row a scan, for spreadsheets."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from detector.outputs.atomic import text_written_whole
from detector.outputs.record import Record, Results, RunContext, counts_by_class, strongest

COLUMNS = (
    "scan", "decision", "reasons", "detections", "counts", "top_class", "top_score", "width", "height", "views",
    "sha256", "weights", "elapsed_ms",
)  # fmt: skip


def write_results_csv(path: Path, results: Results, _context: RunContext) -> None:
    """Writes a heading and a row a scan, UTF-8, in the order of `results`. Raises OSError."""
    with text_written_whole(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for stored in results:
            writer.writerow([_cell(value) for value in _row(json.loads(stored.line))])


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
    # A spreadsheet would run such text as a formula; file names are chosen by whoever sends the parcel.
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else value
