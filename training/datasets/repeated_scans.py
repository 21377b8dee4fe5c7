"""Scans that several files of annotations are of: the first file's boxes count, and a Finding names both files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from training.datasets.annotated_set import SourceScan
from training.datasets.source_folder import SourceFolder, named


def first_of_each(folder: SourceFolder, files: Iterable[tuple[str, Sequence[SourceScan]]]) -> list[SourceScan]:
    """The scans of several files, (name, scans), each place in the set once: what comes first counts.

    A scan that two files give to different splits or subsets is kept for both: which is right is not told by the files.
    """
    counts: dict[tuple[str, str, str], str] = {}
    kept: list[SourceScan] = []
    passed_over: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, scans in files:
        for scan in scans:
            first = counts.setdefault((scan.path, scan.split, scan.subset), name)
            if first == name:
                kept.append(scan)
            else:
                passed_over[name, first].append(scan.path)
    for (name, first), paths in passed_over.items():
        message = (
            f"{first} has {len(paths)} of its scans, too ({named(paths)}): the boxes there count, those here do not"
        )
        folder.error("repeated file", name, f"{message}; take one of the two files away")
    return kept
