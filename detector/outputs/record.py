"""An Inspection as one line of results.jsonl, and what the writers of this folder are given.

>>> line = to_line(inspection)
>>> ledger.record(key, line, thumbnail(scan, inspection, thresholds), final=not inspection.error)
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from detector.detections import Detection
from detector.inspection import Inspection
from detector.ledger import StoredResult
from detector.scan_names import storable_text
from detector.settings import EffectiveThresholds

#: Stored results in a stable order (`ledger.results(...)`, or a list).
Results = Iterable[StoredResult]
#: A line of results.jsonl as Python values.
Record = dict[str, Any]
#: (result, its line as Python values) -> nothing of use.
Add = Callable[[StoredResult, Record], object]


@dataclass(frozen=True)
class RunContext:
    """What the writers need besides the results.

    weights: NAME@sha256:HEX. class_names: of the weights, in their order. thresholds: of this run. terms: under which
    the weights may be used. settings: name -> value, for people. started: aware, of this run. seconds: wall clock of
    this run. audit_head: rows and last hash of the ledger's audit (`ledger.head()`).
    """

    weights: str
    class_names: tuple[str, ...]
    thresholds: EffectiveThresholds
    terms: str
    settings: Mapping[str, str]
    started: datetime
    seconds: float
    audit_head: tuple[int, str]


def to_record(inspection: Inspection) -> Record:
    """The result in the order of the contract; boxes in pixels of the view as stored, to a hundredth.

    width and height are the first view's, None for a scan that could not be decoded. With several views, `views` says
    how many, `view_sizes` their (width, height), and each detection its `view`, from 1.
    """
    several = len(inspection.view_sizes) > 1
    width, height = inspection.view_sizes[0] if inspection.view_sizes else (None, None)
    record: Record = {
        "scan": storable_text(inspection.scan),
        "sha256": inspection.sha256,
        "width": width,
        "height": height,
        "decision": inspection.decision.value,
        "reasons": [storable_text(reason) for reason in inspection.reasons],
        "detections": [_detection(one, several) for one in inspection.detections],
        "weights": storable_text(inspection.weights),
        "elapsed_ms": round(inspection.elapsed_ms, 1),
    }
    if several:
        record |= {"views": len(inspection.view_sizes), "view_sizes": [list(size) for size in inspection.view_sizes]}
    return record


def to_line(inspection: Inspection) -> str:
    """The record as JSON without a line break; ASCII, so that no reader takes U+2028 in a file's name for one.

    Raises ValueError for numbers that are not finite: `decide` refuses those before.
    """
    return json.dumps(to_record(inspection), allow_nan=False)


def counts_by_class(record: Record) -> Counter[str]:
    """How many detections of each class the record lists."""
    return Counter(one["class"] for one in record["detections"])


def strongest(record: Record) -> Mapping[str, Any] | None:
    """The detection with the highest score, None where there is none."""
    return max(record["detections"], key=lambda one: one["score"], default=None)


def _detection(one: Detection, several: bool) -> Record:
    box = [round(coordinate, 2) for coordinate in one.box_xyxy]
    # The shortest decimal of the float32: rounding further could lift a score over its threshold.
    detection: Record = {"class": one.class_name, "score": float(str(np.float32(one.score))), "box_xyxy": box}
    return detection | {"view": one.view + 1} if several else detection
