"""What an adapter gives: one data set as its own files say, before classes are merged, splits cut or pixels touched.

    adapter = ADAPTERS["opixray"]
    if adapter.recognise(folder):
        found = adapter.read(folder)

An adapter never stops at the first fault: what it cannot take becomes a Finding and the rest is read on. Labels stay
as the source writes them; `taxonomy.py` maps them, `prepare.py` decides splits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from training.datasets.findings import Finding

#: x1 y1 x2 y2 in pixels of the file as stored, 0-based edges: a box over the first pixel alone is 0 0 1 1.
Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class SourceBox:
    """One item. label: as the source spells it. ignore: neither a hit nor a false alarm (crowd, difficult).

    box_xyxy: see Corners; finite and of positive area, but it may pass the scan's edge as the source wrote it.
    polygons: outlines x y x y ... in the same pixels, () without a mask. attributes: what else the source says.
    """

    label: str
    box_xyxy: Corners
    ignore: bool = False
    polygons: tuple[tuple[float, ...], ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceScan:
    """One picture file.

    path: below the set's root, with forward slashes. split: the source's own, "" where it has none. boxes: () for a
    scan without items. group: views of one bag, frames of one object: they share it and may never be in two splits.
    width, height: pixels, as the annotation says; 0 where it does not. looked_for: labels that the annotators looked
    for in this scan; None for all labels of the set; empty too where an item is in it of which nobody can tell what it
    is. present: labels known to be in the scan without a box (image-level lists). subset: official part (easy, OL1,
    ...). scanner: domain or machine. drawn: the file holds what the station drew for the network, perhaps a part of a
    scan.
    """

    path: str
    split: str
    boxes: tuple[SourceBox, ...]
    group: str
    width: int = 0
    height: int = 0
    looked_for: frozenset[str] | None = None
    present: frozenset[str] = frozenset()
    subset: str = ""
    scanner: str = ""
    drawn: bool = False


@dataclass(frozen=True)
class SourceSet:
    """All of one set. labels: every label that its annotators looked for, whether or not it has boxes."""

    source: str
    root: Path
    labels: tuple[str, ...]
    scans: tuple[SourceScan, ...]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Published:
    """What the authors say a split holds; 0 or {} where they say nothing. boxes: by label."""

    scans: int = 0
    boxes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Adapter:
    """One layout. recognise: from names and first lines alone, in well under a second. read: raises SettingsInvalid
    only when there is nothing at all to read. write: for formats of exchange; puts annotations and scans (hard links
    or copies) under a new folder, so that `read` gives the same back. terms: what may be done with the scans.
    """

    title: str
    terms: str
    recognise: Callable[[Path], bool]
    read: Callable[[Path], SourceSet]
    published: Mapping[str, Published] = field(default_factory=dict)
    write: Callable[[SourceSet, Path], None] | None = None
