"""results.jsonl: one line a scan, byte for byte as recorded."""

from __future__ import annotations

from pathlib import Path

from detector.outputs.atomic import text_written_whole
from detector.outputs.record import Results, RunContext


def write_results_jsonl(path: Path, results: Results, _context: RunContext) -> None:
    """Writes the lines in the order of `results`. Raises OSError."""
    with text_written_whole(path) as file:
        for stored in results:
            file.write(stored.line + "\n")
