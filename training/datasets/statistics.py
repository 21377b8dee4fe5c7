"""What a data folder holds: scans, boxes, clean scans, sizes, and which classes each source looked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.markup import escape
from rich.table import Table

from detector.errors import SettingsInvalid
from training.datasets.coco_index import AnnotatedScan, CocoIndex, read_coco

#: COCO's bounds between small, medium and large items: sides of a square of the same area, in pixels.
_SMALL_SIDE, _MEDIUM_SIDE = 32, 96
_PERCENTILES = (5, 50, 95)


@dataclass(frozen=True)
class ClassCount:
    """One class. scans: holding it. looked_for: scans whose source looked for it. clean: of these, without the class.

    sides: 5th, 50th and 95th percentile of the square root of the box area, pixels; None without boxes.
    small, medium, large: boxes by COCO's size classes.
    """

    boxes: int
    scans: int
    looked_for: int
    clean: int
    sides: tuple[float, float, float] | None
    small: int
    medium: int
    large: int


@dataclass(frozen=True)
class SourceCount:
    """One source. empty: scans without a box. ignored: boxes marked iscrowd. not_looked_for: classes that no scan of it
    was looked through for, or in part only."""

    scans: int
    boxes: int
    empty: int
    ignored: int
    widths: tuple[int, int]
    heights: tuple[int, int]
    boxes_by_class: dict[str, int]
    not_looked_for: tuple[str, ...]


@dataclass(frozen=True)
class PartCount:
    """Scans of one scanner in one subset. groups: bags, as far as the data says which scans belong together."""

    scanner: str
    subset: str
    scans: int
    groups: int
    boxes: int


@dataclass(frozen=True)
class SplitStatistics:
    """One split. parts: by scanner and subset."""

    split: str
    scans: int
    classes: dict[str, ClassCount]
    sources: dict[str, SourceCount]
    parts: tuple[PartCount, ...]


def splits_of(data: Path) -> list[str]:
    """Names of the splits of a data folder: train, val, test first. Raises SettingsInvalid if there is none."""
    names = sorted(path.stem for path in (data / "annotations").glob("*.json"))
    if not names:
        raise SettingsInvalid(f"no annotations under {data}", remedy="give a folder with annotations/<split>.json")
    usual = [name for name in ("train", "val", "test") if name in names]
    return usual + [name for name in names if name not in usual]


def statistics(data: Path) -> list[SplitStatistics]:
    """Counts every split of a data folder. Raises SettingsInvalid if it cannot be read."""
    return [_count(split, read_coco(data, split)) for split in splits_of(data)]


def statistics_tables(counted: Sequence[SplitStatistics]) -> list[Table]:
    """The counts as tables for a terminal: classes and sources of every split; scanners and subsets where known."""
    tables = [table for split in counted for table in (_class_table(split), _source_table(split), _part_table(split))]
    return [table for table in tables if table is not None]


def _count(split: str, index: CocoIndex) -> SplitStatistics:
    sources = sorted({scan.source for scan in index.scans})
    return SplitStatistics(
        split,
        len(index),
        {name: _count_class(index, class_id) for class_id, name in enumerate(index.class_names)},
        {source: _count_source(index, [s for s in index.scans if s.source == source]) for source in sources},
        tuple(_count_parts(index)),
    )


def _count_parts(index: CocoIndex) -> Iterator[PartCount]:
    parts: dict[tuple[str, str], list[AnnotatedScan]] = defaultdict(list)
    for scan in index.scans:
        parts[scan.scanner, scan.subset].append(scan)
    for (scanner, subset), scans in sorted(parts.items()):
        bags = {scan.bag for scan in scans}
        boxes = sum(int((~scan.ignore).sum()) for scan in scans)
        yield PartCount(scanner, subset, len(scans), len(bags), boxes)


def _count_class(index: CocoIndex, class_id: int) -> ClassCount:
    boxes = [scan.boxes_xyxy[(scan.class_ids == class_id) & ~scan.ignore] for scan in index.scans]
    every = np.concatenate([np.zeros((0, 4), np.float32), *boxes])
    sides = np.sqrt(np.prod(every[:, 2:] - every[:, :2], axis=1))
    looked_for = [scan for scan in index.scans if scan.annotated[class_id]]
    low, middle, high = np.percentile(sides, _PERCENTILES).tolist() if len(sides) else (0.0, 0.0, 0.0)
    return ClassCount(
        boxes=len(every),
        scans=sum(len(part) > 0 for part in boxes),
        looked_for=len(looked_for),
        clean=sum(not (scan.class_ids == class_id).any() for scan in looked_for),
        sides=(low, middle, high) if len(sides) else None,
        small=int((sides < _SMALL_SIDE).sum()),
        medium=int(((sides >= _SMALL_SIDE) & (sides < _MEDIUM_SIDE)).sum()),
        large=int((sides >= _MEDIUM_SIDE).sum()),
    )


def _count_source(index: CocoIndex, scans: Sequence[AnnotatedScan]) -> SourceCount:
    class_ids = np.concatenate([scan.class_ids[~scan.ignore] for scan in scans])
    counts = np.bincount(class_ids, minlength=len(index.class_names)).tolist()
    never = ~np.any([scan.annotated for scan in scans], axis=0)
    return SourceCount(
        scans=len(scans),
        boxes=len(class_ids),
        empty=sum(not len(scan.class_ids) for scan in scans),
        ignored=sum(int(scan.ignore.sum()) for scan in scans),
        widths=(min(scan.width for scan in scans), max(scan.width for scan in scans)),
        heights=(min(scan.height for scan in scans), max(scan.height for scan in scans)),
        boxes_by_class=dict(zip(index.class_names, counts, strict=True)),
        not_looked_for=tuple(name for name, unseen in zip(index.class_names, never, strict=True) if unseen),
    )


def _class_table(split: SplitStatistics) -> Table:
    table = Table(title=f"{split.split}: {split.scans:,} scans", title_justify="left", title_style="bold")
    # Folded and not cut where it is too wide: two classes must differ, and so must 1 and 10.
    table.add_column("class", overflow="fold")
    heads = (
        "boxes",
        "scans with it",
        "looked for",
        "clean of it",
        "small",
        "medium",
        "large",
        "side 5/50/95 %, pixels",
    )
    for head in heads:
        table.add_column(head, justify="right", overflow="fold")
    for name, count in split.classes.items():
        numbers = (count.boxes, count.scans, count.looked_for, count.clean, count.small, count.medium, count.large)
        sides = " / ".join(f"{side:.0f}" for side in count.sides) if count.sides else "-"
        table.add_row(escape(name), *(f"{number:,}" for number in numbers), sides)
    return table


def _part_table(split: SplitStatistics) -> Table | None:
    """None where the data tells no more than the sources' own table."""
    if not any(part.subset or part.scanner not in ("", *split.sources) for part in split.parts):
        return None
    table = Table(title=f"{split.split}: by scanner and subset", title_justify="left", title_style="bold")
    for head in ("scanner", "subset"):
        table.add_column(head, overflow="fold")
    for head in ("scans", "bags", "boxes"):
        table.add_column(head, justify="right", overflow="fold")
    for part in split.parts:
        numbers = (f"{number:,}" for number in (part.scans, part.groups, part.boxes))
        table.add_row(escape(part.scanner or "?"), escape(part.subset or "-"), *numbers)
    return table


def _boxes_told(source: SourceCount, name: str) -> str:
    """Boxes of a class, with `?` where none of the source's scans can be clean of it: more may be there unmarked."""
    boxes = source.boxes_by_class[name]
    if name in source.not_looked_for:
        return f"{boxes:,} ?" if boxes else "?"
    return f"{boxes:,}"


def _source_table(split: SplitStatistics) -> Table:
    """Sources side by side: there are few of them, and many classes."""
    table = Table(
        title=f"{split.split}: boxes by source ('?': not looked for, or in part)",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("class", overflow="fold")
    for name in split.sources:
        table.add_column(escape(name), justify="right", overflow="fold")
    sources = split.sources.values()
    for name in split.classes:
        table.add_row(escape(name), *(_boxes_told(source, name) for source in sources))
    table.add_section()
    for title in ("scans", "empty", "ignored"):
        table.add_row(f"[bold]{title}", *(f"{getattr(source, title):,}" for source in sources))
    table.add_row("[bold]width", *(f"{s.widths[0]}-{s.widths[1]}" for s in sources))
    table.add_row("[bold]height", *(f"{s.heights[0]}-{s.heights[1]}" for s in sources))
    return table
