"""Many scans through the pipeline into the ledger, and from the ledger into the outputs.

Reading and decoding the next scans goes on in threads while the network runs. A result is in the ledger, on the disk,
before it counts as done; the output files are written from the ledger at the end, so a run that was cut off and started
again gives the same files as one that was not.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import cv2

from detector.discovery import ScanSource
from detector.errors import ResultsLost
from detector.inspection import Decision, Inspection
from detector.ledger import Key, Ledger, Published
from detector.outputs import (
    OUTPUTS,
    RunContext,
    files_there,
    prepared_outputs,
    remove_overlay,
    shows,
    thumbnail,
    to_line,
    write_overlay,
)
from detector.pipeline import Detector, PreparedScan
from detector.read_ahead import Known, read_ahead
from detector.scan import Scan
from detector.scan_names import own_text, storable_text
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


Progress = Callable[[Inspection | None], None]


def run_batch(
    detector: Detector, sources: Sequence[ScanSource], folder: Path, options: BatchOptions, progress: Progress
) -> BatchSummary:
    """Inspects what the ledger in `folder` does not hold yet, then writes the outputs.

    progress: called once a source, with its Inspection, or None for one that was done before. Raises OSError when the
    folder cannot be written; what was recorded until then is kept. Raises ResultsLost where a source has no result.
    """
    started, begun = time.perf_counter(), datetime.now(UTC)
    (folder / "overlays").mkdir(parents=True, exist_ok=True)
    skipped = 0
    with Ledger(folder / "ledger.sqlite") as ledger:
        sources = _claimed(sources, ledger)
        known = partial(_known, detector, ledger, folder / "overlays", options.overlays)
        for source, inspection, scan in _inspections(detector, sources, known):
            if inspection is None:
                skipped += 1
            else:
                _record(detector, ledger, folder, options, (source, inspection, scan))
            progress(inspection)
        seconds = time.perf_counter() - started
        decisions, held = _publish(detector, ledger, folder, sources, options, (begun, seconds))
    if decisions.total() != len(sources):
        # Never met; if it ever is, a scan went missing between the input and the results, and nobody may rely on them.
        raise ResultsLost(f"{len(sources)} scans went in, {decisions.total()} results came out")
    return BatchSummary(decisions, held - decisions, len(sources) - skipped, skipped, time.perf_counter() - started)


def _claimed(sources: Sequence[ScanSource], ledger: Ledger) -> list[ScanSource]:
    """Each source under the name that its file has in this folder; where another file has it already, its path."""
    whole = [source.path.absolute() for source in sources]
    suiting = [(one.name, one.path.as_posix(), path.as_posix()) for one, path in zip(sources, whole, strict=True)]
    names = ledger.claim(list(zip(map(own_text, whole), suiting, strict=True)))
    return [ScanSource(name, source.path) for name, source in zip(names, sources, strict=True)]


_Outcome = tuple[ScanSource, Inspection | None, Scan | None]


def _inspections(detector: Detector, sources: Sequence[ScanSource], known: Known) -> Iterator[_Outcome]:
    """Every source with its inspection and scan, tiles of neighbouring scans batched; None for one done before."""
    waiting: list[tuple[ScanSource, PreparedScan]] = []
    for source, prepared in read_ahead(detector, sources, known):
        if prepared is None or isinstance(prepared, Inspection):
            yield source, prepared, None
            continue
        waiting.append((source, prepared))
        # Bound here, it would stay in memory while the next scan is decoded.
        del prepared
        if sum(len(scan.tiles) for _, scan in waiting) >= detector.batch:
            yield from _judged(detector, waiting)
            waiting = []
    if waiting:
        yield from _judged(detector, waiting)


def _judged(detector: Detector, waiting: list[tuple[ScanSource, PreparedScan]]) -> Iterator[_Outcome]:
    inspections = detector.judge([prepared for _, prepared in waiting])
    for (source, prepared), inspection in zip(waiting, inspections, strict=True):
        yield source, inspection, prepared.scan


def _known(detector: Detector, ledger: Ledger, overlays: Path, wanted: bool, name: str, digest: str) -> bool:
    """Whether the result is there, and its picture where one is wanted. A picture of another result is removed."""
    key = _key(detector, name, digest)
    if not ledger.has(key):
        return False
    if shows(name, overlays, key.mark()):
        return True
    remove_overlay(name, overlays)
    if not wanted:
        return True
    return bool(json.loads(ledger.line(key))["decision"] == Decision.CLEAR.value)


def _key(detector: Detector, name: str, digest: str) -> Key:
    return Key(name, digest, detector.weights.sha256, detector.fingerprint())


def _record(detector: Detector, ledger: Ledger, folder: Path, options: BatchOptions, outcome: _Outcome) -> None:
    source, inspection, scan = outcome
    assert inspection is not None
    key = _key(detector, source.name, inspection.sha256)
    small, overlays = b"", folder / "overlays"
    remove_overlay(inspection.scan, overlays)
    if scan is not None:
        try:
            small = thumbnail(scan, inspection, detector.thresholds)
            if options.overlays and inspection.decision is not Decision.CLEAR:
                write_overlay(scan, inspection, detector.thresholds, overlays, key.mark())
        except (cv2.error, MemoryError, ValueError) as error:
            # The decision stands without its picture; a disk that cannot be written (OSError) ends the run instead.
            tell(f"{visible(inspection.scan)}: no picture: {visible(str(error))}")
    ledger.record(key, to_line(inspection), small, final=not inspection.error)


def _context(detector: Detector, ledger: Ledger, begun: datetime, seconds: float) -> RunContext:
    settings = {
        "alarm": ", ".join(f"{name} {score:g}" for name, score in detector.thresholds.alarm.items()),
        "refer": ", ".join(f"{name} {score:g}" for name, score in detector.thresholds.refer.items()) or "none",
        "listed from": f"{detector.thresholds.min_score:g}",
        "tile": {None: "auto", 0: "off"}.get(detector.tile_pixels, f"{detector.tile_pixels} px"),
        "provider": detector.network.provider.value,
        **({"scanner": detector.scanner.name} if detector.scanner else {}),
    }
    spec = detector.spec
    label = storable_text(detector.weights.label)
    return RunContext(label, spec.class_names, spec.terms, settings, begun, seconds, ledger.head())


def _publish(
    detector: Detector,
    ledger: Ledger,
    folder: Path,
    sources: Sequence[ScanSource],
    options: BatchOptions,
    took: tuple[datetime, float],
) -> tuple[Counter[Decision], Counter[Decision]]:
    """Brings the output files up to the ledger. Returns the decisions of `sources`, and of all results in the files."""
    weights, settings = detector.weights.sha256, detector.fingerprint()
    names = [name for name in OUTPUTS if options.report or name != "report.html"]
    with ExitStack() as kept:
        # Of one moment, whatever others record meanwhile: they need not wait until the files are written.
        with ledger.snapshot():
            decisions = _decisions(ledger, weights, settings, sources)
            context = _context(detector, ledger, *took)
            seen, there, shown = context.audit_head[0], files_there(folder), ledger.published()
            if list(there) == names and shown == Published(seen, weights, settings, json.dumps(there)):
                return decisions, shown.counts
            results = ledger.results(weights, settings)
            prepared = kept.enter_context(prepared_outputs(folder, results, context, names))
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
                files = json.dumps(files_there(folder))
                ledger.note_published(Published(seen, weights, settings, files, prepared.counts))
    return decisions, prepared.counts


def _decisions(ledger: Ledger, weights: str, settings: str, sources: Sequence[ScanSource]) -> Counter[Decision]:
    lines = (ledger.current_line(source.name, weights, settings) for source in sources)
    return Counter(Decision(json.loads(line)["decision"]) for line in lines if line is not None)
