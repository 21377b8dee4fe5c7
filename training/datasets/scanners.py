"""Which scans are of a source or of one of its scanners: the data set's name (`opixray`) or the scanner's.

>>> index = split_without(read_coco(data, "train"), "iflytek2021/5")                            # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from detector.errors import SettingsInvalid
from training.datasets.coco_index import AnnotatedScan, CocoIndex


def scanner_of(scan: AnnotatedScan) -> str:
    """The scanner, or the source where it is not known."""
    return scan.scanner or scan.source


def split_without(index: CocoIndex, source: str) -> CocoIndex:
    """The scans that are not of `source`: the name of a data set (`opixray`) or of a scanner (`iflytek2021/5`).

    Raises SettingsInvalid when no scan is of it, as a misspelt name would leave everything in, or when none is left.
    """
    kept = tuple(scan for scan in index.scans if not is_of(scan, source))
    known = ", ".join(sorted({name for scan in index.scans for name in (scan.source, scanner_of(scan))}))
    if len(kept) == len(index):
        raise SettingsInvalid(f"no scan of {source} to leave out", remedy=f"the data has: {known}")
    if not kept:
        raise SettingsInvalid(f"every scan is of {source}", remedy="leave out one source of several")
    return replace(index, scans=kept)


def without_sources(index: CocoIndex, sources: Iterable[str]) -> CocoIndex:
    """The scans that are of none of `sources`, which need not all be there. Raises SettingsInvalid if none is left."""
    for source in sources:
        if any(is_of(scan, source) for scan in index.scans):
            index = split_without(index, source)
    return index


def not_of(index: CocoIndex, sources: Collection[str]) -> CocoIndex:
    """The scans that are of none of `sources`; it may be none at all."""
    return replace(index, scans=tuple(scan for scan in index.scans if not any(is_of(scan, one) for one in sources)))


def scanners_of(index: CocoIndex) -> dict[str, tuple[str, ...]]:
    """Source -> its scanners, by name; the source itself where a scan's scanner is not known."""
    pairs = {(scan.source, scanner_of(scan)) for scan in index.scans}
    return {source: tuple(sorted(name for one, name in pairs if one == source)) for source, _ in sorted(pairs)}


def is_of(scan: AnnotatedScan, source: str) -> bool:
    """Whether the scan comes from that data set or from that scanner."""
    return source in (scan.source, scanner_of(scan))
