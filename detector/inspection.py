"""The verdict on one scan, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from detector.detections import Detections


class Decision(StrEnum):
    """CLEAR: nothing found by a complete look. ALARM: an item found. REFER: a person must look."""

    CLEAR = "CLEAR"
    ALARM = "ALARM"
    REFER = "REFER"


@dataclass(frozen=True)
class Inspection:
    """What was decided of one scan, and on what grounds.

    scan: path relative to the input folder, '/' between parts (the file's name for a single file). sha256: of the
    file's bytes, empty if they could not be read. view_sizes: (width, height) in pixels of each view, empty if the scan
    could not be decoded. reasons: sentences an officer reads; never empty. weights: NAME@sha256:HEX, empty if none
    was loaded. elapsed_ms: wall clock from bytes to decision. error: class of what kept the scan from being judged
    (`ScanUnreadable`); empty if it was judged.
    """

    scan: str
    sha256: str
    view_sizes: tuple[tuple[int, int], ...]
    decision: Decision
    reasons: tuple[str, ...]
    detections: Detections
    weights: str
    elapsed_ms: float
    error: str = ""
