"""Whether an annotated scan can be used: one ladder for a data folder, a set in any layout, and what is prepared.

facts = examine(place_of(root, name))
if fault := fault_of(name, facts, stated=(640, 480), has_boxes=True):
    ...
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training.datasets.annotated_set import Corners
from training.datasets.exif_orientation import turned
from training.datasets.scan_journal import ScanFacts
from training.datasets.source_folder import is_confined

#: Pixels by which a box may pass the scan's edge: annotation tools round.
EDGE_TOLERANCE = 1.0
#: Pixels; a thinner sliver left at the edge is no item, and would be written as 0.
_LEAST_SIDE = 0.01


@dataclass(frozen=True)
class ScanFault:
    """Why a scan cannot be used. kind: a short name to count by."""

    kind: str
    message: str


def place_of(folder: Path, name: str) -> Path:
    """Where a scan lies. What leads out of the folder is not looked at: the folder itself, which is no scan, stands in
    its place."""
    return folder / (name if is_confined(name) else "")


def fault_of(
    name: str, facts: ScanFacts, stated: tuple[float | None, float | None], has_boxes: bool
) -> ScanFault | None:
    """The first thing that is wrong with a scan, None for one that can be used.

    name: its path as the annotations have it. facts: of the file at `place_of`. stated: width and height in pixels as
    the annotations have them, None where they do not. Of a scan without boxes it does not matter how it is turned.
    """
    if not is_confined(name):
        return ScanFault("path refused", "leads out of the folder of scans")
    if facts.size < 0:
        return ScanFault("missing file", "the scan is not there")
    if facts.error:
        return ScanFault("unreadable scan", facts.error)
    if has_boxes and (problem := turned(facts.orientation)):
        return ScanFault(*problem)
    size = facts.width, facts.height
    if any(said not in (None, there) for said, there in zip(stated, size, strict=True)):
        width, height = (there if said is None else said for said, there in zip(stated, size, strict=True))
        message = f"the file is {facts.width} x {facts.height}, the annotations say {width} x {height}"
        return ScanFault("size mismatch", message)
    return None


def clip(box: Corners, width: float, height: float) -> tuple[Corners | None, float]:
    """The part of a box inside the scan, None where there is none, and by how many pixels it passes the edge."""
    x1, y1, x2, y2 = box
    inside = (max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2))
    beyond = max(-x1, -y1, x2 - width, y2 - height, 0.0)
    has_area = min(inside[2] - inside[0], inside[3] - inside[1]) >= _LEAST_SIDE
    return (inside if has_area else None), beyond
