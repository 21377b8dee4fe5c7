"""Which scans the station would not take as a recipe's training does: drawn in a way that its weights will not know.

>>> drawn_unlike(read_coco(data, "train"), ("stored",))                                         # doctest: +SKIP
Counter({('belt 3', 'windowed'): 120})
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from detector.doubts import rendering_doubt
from detector.errors import RoentgateError
from detector.normalisation.standardise import rendering_of
from detector.readers import Limits, read_scan
from detector.readers.files import read_file
from detector.scanner_profile import parse_profile
from training.datasets.coco_index import CocoIndex
from training.datasets.scan_size import has_byte_header
from training.files.progress import with_lines


def drawn_unlike(index: CocoIndex, renderings: Sequence[str]) -> Counter[tuple[str, str]]:
    """(source, how the station draws it) -> scans that weights which know `renderings` would not clear. Without scans
    that are drawn already, and such as cannot be read, which the training names."""
    counts: Counter[tuple[str, str]] = Counter()
    for scan in with_lines("how the station draws the scans", index.scans, len(index)):
        rendering = "" if scan.drawn else _rendering_of_file(scan.path)
        if rendering and rendering_doubt("", renderings, rendering):
            counts[scan.source, rendering] += 1
    return counts


def _rendering_of_file(path: Path) -> str:
    """As `standardise.rendering_of`; "" for a file that cannot be read."""
    try:
        # JPEG and most PNGs need no decoding: a training set may hold a million.
        if has_byte_header(path):
            return "stored"
        name = str(path)
        scan = read_scan(read_file(path, name, Limits()), name)
        profile = parse_profile(scan.profile, f"the profile beside {name}") if scan.profile else None
        return rendering_of(scan, profile)
    except (RoentgateError, OSError):
        return ""
