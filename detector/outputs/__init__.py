"""What a run leaves in its folder, a file a format, each written whole from the ledger's results.

>>> with ledger.exclusively():
...     write_outputs(folder, ledger.results(weights_sha256, settings_sha256), context)
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from detector.outputs.coco_json import write_coco_json
from detector.outputs.html_report import write_html_report
from detector.outputs.overlay import remove_overlay, shows, thumbnail, write_overlay
from detector.outputs.record import Record, Results, RunContext, overlay_name, to_line, to_record
from detector.outputs.results_csv import write_results_csv
from detector.outputs.results_jsonl import foreign_lines, write_results_jsonl

#: File name in the output folder -> its writer(path, results, context).
OUTPUTS: dict[str, Callable[[Path, Results, RunContext], None]] = {
    "results.jsonl": write_results_jsonl,
    "results.csv": write_results_csv,
    "detections.coco.json": write_coco_json,
    "report.html": write_html_report,
}

__all__ = [
    "OUTPUTS",
    "Record",
    "Results",
    "RunContext",
    "foreign_lines",
    "overlay_name",
    "remove_overlay",
    "shows",
    "thumbnail",
    "to_line",
    "to_record",
    "write_outputs",
    "write_overlay",
]


def write_outputs(folder: Path, results: Results, context: RunContext, names: Collection[str] = tuple(OUTPUTS)) -> None:
    """Writes the outputs of these names; `results` is gone through once or more for each.

    Do it within `ledger.exclusively()`: otherwise, of two processes that end together, the one that saw less may write
    last. Raises OSError; then each file is either the new one or the one that was there.
    """
    for name, write in OUTPUTS.items():
        if name in names:
            write(folder / name, results, context)
