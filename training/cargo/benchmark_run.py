"""Runs the cargo benchmark: every scan simulated, inspected by the station's own pipeline, and written down.

`OUTPUT/scans.jsonl` gets a line a scan as soon as it is done; a run that was stopped is taken up there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2

from detector.errors import SettingsInvalid
from detector.pipeline import Detector
from detector.scanner_profile import ScannerProfile
from detector.settings import Policy
from detector.weights import Weights, load_weights
from training.cargo.benchmark_plan import VERSION, BenchmarkScan, plan
from training.cargo.false_alarms import surest_first
from training.cargo.reading import as_scanned, inspected
from training.files.claimed_folder import claim
from training.files.line_journal import appending, whole_lines
from training.files.worker_processes import worker_processes
from training.simulation.freight import Family, FreightScan, simulate_freight

Record = dict[str, Any]
#: A line a scan; and whose run it is.
_SCANS, _CLAIM = "scans.jsonl", "benchmark.json"
#: Whatever was measured with the file of before stands in the folder.
REPLACED_REMEDY = "measure a file that stays as it is, in another --output"
#: Most boxes written down of a scan: those that come nearest to their class's alarm score, or furthest beyond it.
MOST_BOXES = 50


@dataclass(frozen=True)
class Setup:
    """What makes two runs the same one. backgrounds: folder of real scans and digest of their profile, or nothing."""

    weights: str
    size: str
    backgrounds: str = ""
    version: int = VERSION


def run_benchmark(weights: str, size: str, output: Path, workers: int) -> Iterator[Record]:
    """Yields a record a scan, those of an earlier run first; workers: processes.

    Raises SettingsInvalid if `output` holds another run, InferenceFailed if a scan could not be inspected: a
    benchmark must not leave scans out.
    """
    claim_run(output, Setup(load_weights(weights).label, size))
    done = read_records(output)
    yield from done.values()
    missing = [scan for scan in plan(size) if scan.number not in done]
    yield from written(output, _inspected(weights, missing, workers))


def written(output: Path, records: Iterable[Record]) -> Iterator[Record]:
    """Passes records on, each on the disk before it counts as done."""
    with appending(output / _SCANS) as append:
        for record in records:
            append(record)
            yield record


def read_records(output: Path) -> dict[int, Record]:
    """The scans done so far, by number."""
    return {record["number"]: record for record in whole_lines(output / _SCANS) if "number" in record}


def claim_run(output: Path, setup: Setup) -> None:
    """Makes the folder and says whose it is. Raises SettingsInvalid if it holds another run, or is damaged."""
    claim(output, _CLAIM, asdict(setup))


def require_unreplaced(output: Path, weights: Weights) -> None:
    """Raises SettingsInvalid where `weights`, as they are now, are not those that the run was begun with."""
    begun_with = json.loads((output / _CLAIM).read_bytes())["weights"]
    if weights.label != begun_with:
        raise SettingsInvalid(
            f"the file of {weights.name} was replaced during the run: it began with {begun_with}, now it is "
            f"{weights.label}",
            remedy=REPLACED_REMEDY,
        )


def _inspected(weights: str, scans: list[BenchmarkScan], workers: int) -> Iterator[Record]:
    if workers < 2:
        inspector = Inspector(weights, threads=0)
        yield from map(inspector.inspect, scans)
        return
    with worker_processes(workers, _start, weights) as pool:
        yield from pool.map(_inspect, scans, chunksize=4)


_inspector: Inspector | None = None


def _start(weights: str) -> None:
    global _inspector
    cv2.setNumThreads(1)
    _inspector = Inspector(weights, threads=1)


def _inspect(scan: BenchmarkScan) -> Record:
    assert _inspector is not None
    return _inspector.inspect(scan)


class Inspector:
    """One network, which lists everything it finds. scanner: how its scans are read; None takes what lies beside."""

    def __init__(self, weights: str, threads: int, scanner: ScannerProfile | None = None) -> None:
        self._detector = Detector(weights, policy=Policy(min_score=0.0), threads=threads, scanner=scanner)

    @property
    def label(self) -> str:
        """Of its weights, with their digest."""
        return self._detector.weights.label

    def inspect(self, scan: BenchmarkScan) -> Record:
        """Simulates and inspects one scan; JSON values, boxes in pixels of the scan."""
        threats = (scan.threat,) if scan.threat else ()
        freight = simulate_freight(scan.seed, Family.TEST, threats, scan.energies, scan.pitch_mm)
        return {**asdict(scan), **self.record(freight)}

    def record(self, freight: FreightScan) -> Record:
        """What is in a scan, and what was found."""
        return {**truth(freight), **found_in(self._detector, freight)}


def found_in(detector: Detector, freight: FreightScan) -> Record:
    """What the detector says of a scan, and how long it took: from the pages in memory to the decision."""
    scan = as_scanned(freight, detector.spec.renderings)
    started = time.perf_counter()
    inspection = inspected(detector, scan)
    seconds = time.perf_counter() - started
    found = surest_first(inspection.detections, detector.spec.thresholds)[:MOST_BOXES]
    # One view: two energies are one picture.
    return {
        "decision": inspection.decision.value,
        "reasons": list(inspection.reasons),
        "classes": [found.class_names[class_id] for class_id in found.class_ids],
        "scores": [round(float(score), 6) for score in found.scores],
        "boxes": [[round(float(edge), 1) for edge in box] for box in found.boxes_xyxy],
        "seconds": round(seconds, 4),
    }


def truth(freight: FreightScan) -> Record:
    """What a scan is and holds; JSON values, boxes in pixels."""
    items = [
        {
            "box": item.box,
            "steel_mm": item.steel_mm,
            "metallic": item.metallic,
            "size_mm": item.size_px * freight.pitch_mm,
            "edge_contrast": item.edge_contrast,
        }
        for item in freight.objects
    ]
    loads = sorted({load.kind for load in freight.cargo})
    height, width = freight.high.shape
    return {"width": width, "height": height, "conveyance": freight.conveyance, "loads": loads, "items": items}
