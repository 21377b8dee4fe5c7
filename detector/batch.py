"""Many scans through the pipeline into the ledger, and from the ledger into the outputs.

Reading and decoding the next scans goes on in threads while the network runs. A result is in the ledger, on the disk,
before it counts as done; the output files are written from the ledger at the end, so a run that was cut off and started
again gives the same files as one that was not.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import cv2

from detector.discovery import ScanSource
from detector.errors import ResultsLost
from detector.inspection import Decision, Inspection
from detector.ledger import Key, Ledger, Published
from detector.outputs import (
    OUTPUTS,
    RunContext,
    prepared_outputs,
    remove_overlay,
    shows,
    thumbnail,
    to_line,
    write_overlay,
)
from detector.outputs.atomic import remove_left_behind
from detector.outputs.published_files import are_as_noted, noted
from detector.pipeline import Detector, PreparedScan, RefusedScan
from detector.read_ahead import read_ahead
from detector.scan import Scan
from detector.scan_names import own_text, storable_text, whole_path_marked
from detector.terminal import tell, visible


@dataclass(frozen=True)
class BatchOptions:
    """overlays, report: whether these are written."""

    overlays: bool = True
    report: bool = True


@dataclass(frozen=True)
class BatchSummary:
    """decisions: of all sources of this run, those done in earlier runs counted in. others: of what else the outputs
    hold, from other runs. done: inspected by this run."""

    decisions: Counter[Decision]
    others: Counter[Decision]
    done: int
    skipped: int
    seconds: float


@dataclass(frozen=True)
class Inspected:
    """inspection: in the ledger by now; None for a scan whose result was there before. gone: its file is not there, so
    that it could not be seen whether that result is of the same bytes."""

    source: ScanSource
    inspection: Inspection | None
    gone: bool = False


Progress = Callable[[Inspection | None], None]


def run_batch(
    detector: Detector, sources: Sequence[ScanSource], folder: Path, options: BatchOptions, progress: Progress
) -> BatchSummary:
    """Inspects what the ledger in `folder` does not hold yet, then writes the outputs.

    progress: called once a source, with its Inspection, or None for one that was done before. Raises OSError when the
    folder cannot be written; what was recorded until then is kept. Raises ResultsLost where a source has no result.
    """
    started, skipped = time.perf_counter(), 0
    with output_run(detector, folder, options) as run:
        sources = run.claimed(sources)
        for one in run.inspected(sources):
            skipped += one.inspection is None
            progress(one.inspection)
        decisions, held = run.publish(sources)
    if decisions.total() != len(sources):
        # Never met; if it ever is, a scan went missing between the input and the results, and nobody may rely on them.
        raise ResultsLost(f"{len(sources)} scans went in, {decisions.total()} results came out")
    return BatchSummary(decisions, held - decisions, len(sources) - skipped, skipped, time.perf_counter() - started)


@contextmanager
def output_run(detector: Detector, folder: Path, options: BatchOptions) -> Iterator[OutputRun]:
    """A run into an output folder, which is made; its ledger is open inside."""
    (folder / "overlays").mkdir(parents=True, exist_ok=True)
    for one in (folder, folder / "overlays"):
        remove_left_behind(one)
    with Ledger(folder / "ledger.sqlite") as ledger:
        # Adds what a ledger of an earlier version lacks.
        ledger.claim(())
        yield OutputRun(detector, folder, options, ledger)


_Outcome = tuple[ScanSource, Inspection | None, Scan | None]


class OutputRun:
    """What one run inspects, records and publishes in an output folder, under one detector's weights and settings."""

    def __init__(self, detector: Detector, folder: Path, options: BatchOptions, ledger: Ledger) -> None:
        self._detector, self._folder, self._options, self._ledger = detector, folder, options, ledger
        self._overlays = folder / "overlays"
        self._begun, self._started = datetime.now(UTC), time.perf_counter()

    def claimed(self, sources: Sequence[ScanSource]) -> list[ScanSource]:
        """Each source under the name that its file has in this folder; where another file has it already, its path."""
        whole = [source.path.absolute() for source in sources]
        # Two whole paths that are no UTF-8 may be spelled alike; a marked one never is.
        suiting = [
            (one.name, one.path.as_posix(), path.as_posix(), whole_path_marked(path))
            for one, path in zip(sources, whole, strict=True)
        ]
        names = self._ledger.claim(list(zip(map(own_text, whole), suiting, strict=True)))
        return [replace(source, name=name) for name, source in zip(names, sources, strict=True)]

    def inspected(self, sources: Iterable[ScanSource], *, gone_keep: bool = False) -> Iterator[Inspected]:
        """Each of the claimed `sources` in their order, inspected. Sources are taken ahead of what is yielded, and each
        that was taken is.

        gone_keep: a scan whose file is gone when it is to be read keeps the result that it has.
        """
        for source, inspection, scan in self._inspections(sources):
            gone = gone_keep and inspection is not None and self._is_gone(source, inspection)
            if inspection is not None and not gone:
                self._record(source, inspection, scan)
            yield Inspected(source, None if gone else inspection, gone)

    def _is_gone(self, source: ScanSource, inspection: Inspection) -> bool:
        """Whether a scan that has a result could not be read, as its file is not there. Of any other failure, as of a
        share that is away, it is not known that it is."""
        if inspection.sha256 or self._current_line(source) is None:
            return False
        try:
            os.lstat(source.path)
        except OSError as error:
            return isinstance(error, FileNotFoundError | NotADirectoryError)
        return False

    def line(self, source: ScanSource) -> str:
        """The current result of a claimed source, a line of results.jsonl. Raises ResultsLost where there is none."""
        line = self._current_line(source)
        if line is None:
            raise ResultsLost(f"{source.name} was inspected, and its result is not there")
        return line

    def _current_line(self, source: ScanSource) -> str | None:
        return self._ledger.current_line(source.name, self._detector.weights.sha256, self._detector.fingerprint())

    def _inspections(self, sources: Iterable[ScanSource]) -> Iterator[_Outcome]:
        """Every source with its inspection and scan, tiles of neighbouring scans batched; None for one done before."""
        waiting: list[tuple[ScanSource, PreparedScan]] = []
        for source, prepared in read_ahead(self._detector, sources, self._known):
            if prepared is None:
                yield source, None, None
                continue
            if isinstance(prepared, RefusedScan):
                yield source, prepared.inspection, prepared.scan
                continue
            waiting.append((source, prepared))
            # Bound here, it would stay in memory while the next scan is decoded.
            del prepared
            if sum(len(scan.tiles) for _, scan in waiting) >= self._detector.batch:
                yield from self._judged(waiting)
                waiting = []
        if waiting:
            yield from self._judged(waiting)

    def _judged(self, waiting: list[tuple[ScanSource, PreparedScan]]) -> Iterator[_Outcome]:
        inspections = self._detector.judge([prepared for _, prepared in waiting])
        for (source, prepared), inspection in zip(waiting, inspections, strict=True):
            yield source, inspection, prepared.scan

    def _known(self, name: str, digest: str) -> bool:
        """Whether the result is there, and its picture where one is wanted. A picture of another result is removed."""
        key = self._key(name, digest)
        if not self._ledger.has(key):
            return False
        if shows(name, self._overlays, key.mark()):
            return True
        remove_overlay(name, self._overlays)
        if not self._options.overlays:
            return True
        return bool(json.loads(self._ledger.line(key))["decision"] == Decision.CLEAR.value)

    def _key(self, name: str, digest: str) -> Key:
        return Key(name, digest, self._detector.weights.sha256, self._detector.fingerprint())

    def _record(self, source: ScanSource, inspection: Inspection, scan: Scan | None) -> None:
        key, thresholds = self._key(source.name, inspection.sha256), self._detector.thresholds
        small = b""
        remove_overlay(inspection.scan, self._overlays)
        if scan is not None:
            try:
                small = thumbnail(scan, inspection, thresholds)
                if self._options.overlays and inspection.decision is not Decision.CLEAR:
                    write_overlay(scan, inspection, thresholds, self._overlays, key.mark())
            except (cv2.error, MemoryError, ValueError) as error:
                # The decision stands without its picture; a disk that cannot be written (OSError) ends the run instead.
                tell(f"{visible(inspection.scan)}: no picture: {visible(str(error))}")
        self._ledger.record(key, to_line(inspection), small, final=not inspection.error)

    def publish(self, sources: Sequence[ScanSource] = ()) -> tuple[Counter[Decision], Counter[Decision]]:
        """Brings the output files up to the ledger. Returns the decisions of the claimed `sources`, and of all results
        in the files."""
        seconds = time.perf_counter() - self._started
        ledger, weights, settings = self._ledger, self._detector.weights.sha256, self._detector.fingerprint()
        names = [name for name in OUTPUTS if self._options.report or name != "report.html"]
        with ExitStack() as kept:
            # Of one moment, whatever others record meanwhile: they need not wait until the files are written.
            with ledger.snapshot():
                decisions = self._decisions(sources)
                context = self._context(seconds)
                seen, shown = context.audit_head[0], ledger.published()
                same = shown and (shown.audit_rows, shown.weights, shown.settings) == (seen, weights, settings)
                if shown and same and are_as_noted(self._folder, shown.files, names, OUTPUTS):
                    return decisions, shown.counts
                results = ledger.results(weights, settings)
                prepared = kept.enter_context(prepared_outputs(self._folder, results, context, names))
            with ledger.exclusively():
                shown = ledger.published()
                # Of two runs that end together, the one that saw more has the last word. A run with other weights or
                # settings saw none of these results, whenever it ended.
                newer = (
                    shown is not None
                    and (shown.weights, shown.settings) == (weights, settings)
                    and seen < shown.audit_rows <= ledger.head()[0]
                )
                if not newer:
                    prepared.publish()
                    files = noted(self._folder, prepared.digests)
                    ledger.note_published(Published(seen, weights, settings, files, prepared.counts))
        return decisions, prepared.counts

    def _decisions(self, sources: Sequence[ScanSource]) -> Counter[Decision]:
        lines = map(self._current_line, sources)
        return Counter(Decision(json.loads(line)["decision"]) for line in lines if line is not None)

    def _context(self, seconds: float) -> RunContext:
        detector = self._detector
        settings = {
            "alarm": ", ".join(f"{name} {score:g}" for name, score in detector.thresholds.alarm.items()),
            "refer": ", ".join(f"{name} {score:g}" for name, score in detector.thresholds.refer.items()) or "none",
            "listed from": f"{detector.thresholds.min_score:g}",
            "tile": {None: "auto", 0: "off"}.get(detector.tile_pixels, f"{detector.tile_pixels} px"),
            "provider": detector.network.provider.value,
            **({"scanner": detector.scanner.name} if detector.scanner else {}),
        }
        label = storable_text(detector.weights.label)
        return RunContext(
            label,
            detector.spec.class_names,
            detector.thresholds,
            detector.spec.terms,
            settings,
            self._begun,
            seconds,
            self._ledger.head(),
        )
