"""The layout of OPIXray, HiXray and X-ray FSOD: one text file a scan, `<image> <class> <x1> <y1> <x2> <y2>` a line.

Rules as the authors' own loaders have them (github.com/OPIXray-author/OPIXray, DOAM/data/OPIXray.py; wytbwytb/WEN,
fsdet/data/datasets/rfs.py): the class is the second column, a line of an unknown class is skipped, a box that begins
right of the scan is skipped, other corners are clamped to it. Each such line is a Finding here, and its item is not
forgotten: a scan is not clean of what is in it without a box.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from detector.readers import SCAN_SUFFIXES
from training.datasets.annotated_set import Corners, SourceBox, SourceScan, SourceSet
from training.datasets.annotation_values import UNNAMED, leave_out_unboxed
from training.datasets.findings import NothingToRead
from training.datasets.scan_size import scan_size
from training.datasets.source_folder import (
    SourceFolder,
    by_stem,
    first_bytes,
    first_files,
    is_confined,
    stem_of,
)

#: The order in which the loaders look for a stem's picture.
PREFERRED_SUFFIXES = (".TIFF", ".tiff", ".jpg")
SPLITS = ("train", "test")
_COLUMNS = 6


@dataclass(frozen=True)
class TextLayout:
    """Where a split lies and how its lines read. images, annotations, listed: paths below the root; listed: the file
    with the split's stems. labels: the known classes. from_one: pixels counted from 1, the last inside. rate: a last
    column is a share of occlusion."""

    split: str
    images: str
    annotations: str
    listed: str
    labels: tuple[str, ...]
    from_one: bool = False
    rate: bool = False


def paired_layout(split: str, list_name: str, labels: tuple[str, ...]) -> TextLayout:
    """OPIXray's and HiXray's: train/train_image, train/train_annotation, train/train_<list_name>.txt."""
    listed = f"{split}/{split}_{list_name}.txt"
    return TextLayout(split, f"{split}/{split}_image", f"{split}/{split}_annotation", listed, labels)


def is_paired(root: Path, list_name: str, labels: tuple[str, ...]) -> bool:
    """Whether `paired_layout` is there with one of the classes in it, or with its lists if there are no annotations."""
    layouts = [paired_layout(split, list_name, labels) for split in SPLITS]
    layouts = [layout for layout in layouts if (root / layout.annotations).is_dir()]
    found = set().union(*(labels_in(root, layout.annotations) for layout in layouts))
    if found:
        return bool(found & set(labels))
    return any((root / layout.listed).is_file() for layout in layouts)


def read_text_set(
    source: str, folder: SourceFolder, layouts: Iterable[TextLayout], subsets: Mapping[str, str] | None = None
) -> SourceSet:
    """All splits that are there. subsets: stem -> official part. Raises SettingsInvalid where nothing can be read."""
    layouts = tuple(layouts)
    scans = tuple(scan for layout in layouts for scan in read_split(folder, layout, subsets))
    if not scans:
        remedy = f"give the folder that holds {layouts[0].images}/ and {layouts[0].annotations}/"
        raise NothingToRead(f"no annotated scans in {folder.root}", folder.findings, remedy=remedy)
    return SourceSet(source, folder.root, layouts[0].labels, scans, tuple(folder.findings))


def read_split(folder: SourceFolder, layout: TextLayout, subsets: Mapping[str, str] | None = None) -> list[SourceScan]:
    """The scans of one split, by stem. subsets: stem -> official part. A scan without an annotation is left out."""
    pictures = by_stem(folder, folder.pictures(layout.images), PREFERRED_SUFFIXES)
    annotations = {stem_of(path): path for path in folder.files(layout.annotations, (".txt",))}
    stems = _stems_of_split(folder, layout, pictures, annotations)
    scans = (
        _read_scan(folder, layout, pictures[stem], annotations[stem], (subsets or {}).get(stem, "")) for stem in stems
    )
    return [scan for scan in scans if scan is not None]


def read_stems(folder: SourceFolder, path: str) -> list[str]:
    """The stems of a list, one a line, whether or not they are written with a suffix; without repeats."""
    stems: dict[str, None] = {}
    for line in folder.lines(path):
        name = line.split()[0]
        if not is_confined(name):
            folder.error("path refused", path, f"{name!r} is refused")
            continue
        suffix = name[name.rfind(".") :].lower() if "." in name else ""
        stems[stem_of(name) if suffix in SCAN_SUFFIXES or suffix == ".txt" else name] = None
    return list(stems)


def labels_in(root: Path, folder: str) -> set[str]:
    """The classes that the first lines of a few annotation files name, for a look at the layout."""
    heads = (first_bytes(path).decode("utf-8", "replace").splitlines() for path in first_files(root, folder, ".txt"))
    columns = (line.split() for lines in heads for line in lines[:3])
    return {line[1] for line in columns if len(line) >= _COLUMNS}


def _stems_of_split(
    folder: SourceFolder, layout: TextLayout, pictures: Mapping[str, str], annotations: Mapping[str, str]
) -> list[str]:
    listed = read_stems(folder, layout.listed) or sorted(pictures.keys() | annotations.keys())
    for stem in listed:
        if stem not in annotations:
            folder.error(
                "missing annotation", f"{layout.split}: {stem}", f"no {layout.annotations}/{stem}.txt", left_out=True
            )
        elif stem not in pictures:
            folder.error(
                "missing file", f"{layout.split}: {stem}", f"no picture of that name in {layout.images}", left_out=True
            )
    unlisted = sorted(annotations.keys() - set(listed))
    folder.warning_together("not listed", unlisted, f"not in {layout.listed}, so not part of the official split")
    return [stem for stem in listed if stem in annotations and stem in pictures]


def _read_scan(
    folder: SourceFolder, layout: TextLayout, picture: str, annotation: str, subset: str
) -> SourceScan | None:
    text = folder.text(annotation)
    if text is None:
        return None
    lines = [line.split() for line in text.splitlines() if line.strip()]
    size = scan_size(folder, picture) if lines else None
    boxes: list[SourceBox] = []
    unboxed: set[str] = set()
    for number, columns in enumerate(lines, 1):
        try:
            label, corners = _read_line(folder, columns, layout, size, annotation)
        except ValueError as error:
            folder.error("malformed box", f"{annotation}:{number}", str(error))
            label, corners = UNNAMED, None
        if corners is None:
            unboxed.add(label)
        else:
            boxes.append(SourceBox(label, corners, attributes={"rate": columns[-1]} if layout.rate else {}))
    scan = SourceScan(picture, layout.split, tuple(boxes), picture, *(size or (0, 0)), subset=subset)
    return leave_out_unboxed(replace(scan, present=frozenset(unboxed)), layout.labels)


def _read_line(
    folder: SourceFolder, columns: list[str], layout: TextLayout, size: tuple[int, int] | None, annotation: str
) -> tuple[str, Corners | None]:
    """The line's label, UNNAMED for one that is not known, and its box, None where it has none that can be taken.

    Raises ValueError for a line that cannot be read.
    """
    if len(columns) < _COLUMNS + layout.rate:
        raise ValueError(f"{len(columns)} columns; {_COLUMNS + layout.rate} are needed")
    name, label = columns[:2]
    if not is_confined(name):
        raise ValueError(f"the scan's name {name!r} leads out of the folder")
    if stem_of(name) != stem_of(annotation):
        folder.warning("other scan's name", annotation, f"a line names {name}; the file's own name counts")
    if label not in layout.labels:
        folder.error("unknown class", annotation, f"{label} is none of the set's classes; the line is skipped")
        return UNNAMED, None
    corners = _corners(columns[2:6], layout, size)
    if corners is None:
        folder.error("box outside scan", annotation, f"{' '.join(columns[1:6])} is not within {size}; it is skipped")
    return label, corners


def _corners(texts: list[str], layout: TextLayout, size: tuple[int, int] | None) -> Corners | None:
    """Clamped to the scan; None for a box of which nothing is in it. Raises ValueError for no or an inverted box."""
    x1, y1, x2, y2 = (float(text) for text in texts)
    if not all(math.isfinite(value) for value in (x1, y1, x2, y2)):
        raise ValueError(f"{' '.join(texts)} is no box")
    if layout.from_one:
        x1, y1 = x1 - 1, y1 - 1
    if x2 <= x1 or y2 <= y1:
        raise ValueError(f"{' '.join(texts)} has no area")
    width, height = size or (math.inf, math.inf)
    x1, y1, x2, y2 = max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2)
    return (x1, y1, x2, y2) if x2 > x1 and y2 > y1 else None
