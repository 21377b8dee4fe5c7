"""What a run leaves in its folder, a file a format, each written whole from the ledger's results.

>>> with prepared_outputs(folder, ledger.results(weights_sha256, settings_sha256), context) as prepared:
...     prepared.publish()
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from detector.inspection import Decision
from detector.outputs.atomic import PreparedText
from detector.outputs.coco_json import write_coco_json
from detector.outputs.html_report import write_html_report
from detector.outputs.overlay import remove_overlay, shows, thumbnail, write_overlay
from detector.outputs.record import Add, Record, Results, RunContext, to_line, to_record
from detector.outputs.results_csv import write_results_csv
from detector.outputs.results_jsonl import foreign_lines, write_results_jsonl

#: Takes the open file, the output folder and the context. Gives what is called with each result, and writes what comes
#: behind the last one on leaving.
Writer = Callable[[TextIO, Path, RunContext], AbstractContextManager[Add]]
#: File name in the output folder -> its writer.
OUTPUTS: dict[str, Writer] = {
    "results.jsonl": write_results_jsonl,
    "results.csv": write_results_csv,
    "detections.coco.json": write_coco_json,
    "report.html": write_html_report,
}

__all__ = [
    "OUTPUTS",
    "PreparedOutputs",
    "Record",
    "Results",
    "RunContext",
    "foreign_lines",
    "prepared_outputs",
    "remove_overlay",
    "shows",
    "thumbnail",
    "to_line",
    "to_record",
    "write_overlay",
]


@dataclass(frozen=True)
class PreparedOutputs:
    """Whole files under temporary names. counts: of the results in them, by decision."""

    counts: Counter[Decision]
    _files: tuple[PreparedText, ...]
    _unwanted: tuple[Path, ...]

    @property
    def digests(self) -> dict[str, str]:
        """Name of each file -> sha256 of its content, hex."""
        return {file.path.name: file.sha256 for file in self._files}

    def publish(self) -> None:
        """Gives each file its name. An output that is not wanted goes: it would speak of other results. Raises
        OSError; then each file is either the new one or the one that was there."""
        for file in self._files:
            file.publish()
        for path in self._unwanted:
            path.unlink(missing_ok=True)


@contextmanager
def prepared_outputs(
    folder: Path, results: Results, context: RunContext, names: Collection[str] = tuple(OUTPUTS)
) -> Iterator[PreparedOutputs]:
    """Writes the outputs of these names in one pass over `results`; what is not published in the block is removed.

    Raises OSError; then the files that were there stay as they are.
    """
    with ExitStack() as kept:
        files = {name: kept.enter_context(closing(PreparedText(folder / name))) for name in OUTPUTS if name in names}
        counts: Counter[Decision] = Counter()
        with ExitStack() as open_writers:
            adds = [
                open_writers.enter_context(OUTPUTS[name](prepared.file, folder, context))
                for name, prepared in files.items()
            ]
            for stored in results:
                record = json.loads(stored.line)
                counts[Decision(record["decision"])] += 1
                for add in adds:
                    add(stored, record)
        for prepared in files.values():
            prepared.finish()
        unwanted = tuple(folder / name for name in OUTPUTS if name not in names)
        yield PreparedOutputs(counts, tuple(files.values()), unwanted)
