"""SIXray: a million scans of subway stations, 8,929 with prohibited items (github.com/MeioJane/SIXray).

    JPEGImage/P00001.jpg, N0210755.jpg   or JPEGImage/0/ ... 20/, or 0/ ... 20/ at the root
    Annotation/P00001.xml                Pascal VOC, for scans with items (P...) alone
    ImageSet/10|100|1000/train.csv, test.csv   name,Gun,Knife,Wrench,Pliers,Scissors with 1 or -1

The lists say what is in a scan; boxes say where, for the scans that have them. A label that a list gives and no box
bears out is `present`. The lists overlap: a scan's subset names all that it is in, "SIXray10+SIXray100". Some files
hold Hammer, which the lists and the authors' evaluation leave out: its boxes are kept. Names are taken in any case.
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from training.datasets.annotated_set import Adapter, Published, SourceBox, SourceScan, SourceSet
from training.datasets.exchange_layouts import is_exchanged
from training.datasets.findings import NothingToRead
from training.datasets.source_folder import SourceFolder, by_stem, first_files, stem_of, subfolders
from training.datasets.voc_xml import read_voc

LISTED_LABELS = ("Gun", "Knife", "Wrench", "Pliers", "Scissors")
LABELS = (*LISTED_LABELS, "Hammer")
#: Names as boxes have them, in lower case -> the class.
_CLASSES = {label.lower(): label for label in LABELS} | {
    "pistol": "Gun",
    "spanner": "Wrench",
    "plier": "Pliers",
    "scissor": "Scissors",
}
_SUBSET = re.compile(r"(?<!\d)(1000|100|10)(?!\d)")
_NAME = re.compile(r"(P\d{5}|N\d{7})$")
#: Folders of scans and of boxes, as the archives unpack.
_IMAGES, _ANNOTATIONS, _LISTS = "JPEGImage", ("Annotation", "positive-Annotation"), "ImageSet"
_PRESENT, _ABSENT = "1", "-1"


@dataclass(frozen=True)
class _Listed:
    """What the lists say of one scan. Few differ, so a million scans share them."""

    split: str
    subset: str
    present: frozenset[str]


@dataclass
class _Lists:
    """Stem -> what the lists read so far say, and the scans on which they disagree."""

    scans: dict[str, _Listed] = field(default_factory=dict)
    two_splits: list[str] = field(default_factory=list)
    shared: dict[_Listed, _Listed] = field(default_factory=dict)

    def add(self, stem: str, new: _Listed) -> None:
        old = self.scans.get(stem)
        if old is not None:
            if old.split != new.split:
                self.two_splits.append(stem)
            # Once a test scan, always a test scan: no list may bring it into training.
            split = "test" if "test" in (old.split, new.split) else old.split
            subsets = {*old.subset.split("+"), *new.subset.split("+")} - {""}
            new = _Listed(split, "+".join(sorted(subsets)), old.present | new.present)
        self.scans[stem] = self.shared.setdefault(new, new)


def recognise(root: Path) -> bool:
    """Whether boxes or lists are there under its names, or scans that no format of exchange annotates."""
    boxes = [path for folder in _ANNOTATIONS for path in first_files(root, folder, ".xml")]
    lists = [path for name in subfolders(root / _LISTS) for path in first_files(root / _LISTS, name, ".csv")]
    if any(_NAME.match(path.stem) for path in boxes) or any(path.stem in ("train", "test") for path in lists):
        return True
    places = (_IMAGES, f"{_IMAGES}/0", "0")
    scans = (path for place in places for path in first_files(root, place, ".jpg"))
    return any(_NAME.match(path.stem) for path in scans) and not is_exchanged(root)


def read(root: Path) -> SourceSet:
    """All scans, listed or not. Raises SettingsInvalid if there are none."""
    folder = SourceFolder(root)
    pictures = by_stem(folder, _pictures(folder))
    if not pictures:
        remedy = f"give the folder that holds {_IMAGES}/, {_ANNOTATIONS[0]}/ and {_LISTS}/"
        raise NothingToRead(f"no scans in {root}", folder.findings, remedy=remedy)
    listed = _read_lists(folder)
    annotations = {stem_of(path): path for name in _ANNOTATIONS for path in folder.files(name, (".xml",))}
    _note_missing(folder, pictures, annotations, listed)
    scans = [_read_scan(folder, path, listed.get(stem), annotations.get(stem)) for stem, path in pictures.items()]
    if any(box.label == "Hammer" for scan in scans for box in scan.boxes):
        folder.warning("class not evaluated", "Hammer", "kept; the lists and the authors' evaluation leave it out")
    return SourceSet("sixray", root, LABELS, tuple(scans), tuple(folder.findings))


def _pictures(folder: SourceFolder) -> list[str]:
    numbered = [path for path in folder.folders() if path.isdecimal()]
    return [path for name in (_IMAGES, *numbered) for path in folder.pictures(name)]


def _read_lists(folder: SourceFolder) -> dict[str, _Listed]:
    lists = _Lists()
    for path in folder.files(_LISTS, (".csv",)):
        split = next((name for name in ("train", "test") if name in stem_of(path).lower()), "")
        number = _SUBSET.search(posixpath.dirname(path)) or _SUBSET.search(stem_of(path))
        _read_list(folder, path, _Listed(split, f"SIXray{number[1]}" if number else "", frozenset()), lists)
    folder.warning_together("two splits", lists.two_splits, "train in one list and test in another; taken as test")
    return lists.scans


def _read_list(folder: SourceFolder, path: str, listed: _Listed, lists: _Lists) -> None:
    rows = csv.reader(io.StringIO(folder.text(path) or "", newline=""))
    try:
        header = [name.strip() for name in next(rows, [])]
        if header[:1] != ["name"] or not set(header[1:]) <= set(LABELS):
            folder.error("malformed list", path, f"its first line is {','.join(header)[:80]!r}, not name,Gun,...")
            return
        for number, row in enumerate(rows, 2):
            if not row:
                continue
            if len(row) != len(header) or not set(row[1:]) <= {_PRESENT, _ABSENT}:
                folder.error("malformed line", f"{path}:{number}", f"{','.join(row)[:80]!r}: values are 1 or -1")
                continue
            present = frozenset(label for label, value in zip(header[1:], row[1:], strict=True) if value == _PRESENT)
            lists.add(stem_of(row[0].strip()), _Listed(listed.split, listed.subset, present))
    except csv.Error as error:
        folder.error("malformed list", path, f"line {rows.line_num}: {error}")


def _note_missing(
    folder: SourceFolder, pictures: dict[str, str], annotations: dict[str, str], listed: dict[str, _Listed]
) -> None:
    for stem in sorted(annotations.keys() - pictures.keys()):
        folder.error("missing file", annotations[stem], "the scan of this annotation is not there", left_out=True)
    gone = [stem for stem in listed if stem not in pictures and stem not in annotations]
    folder.warning_together("missing file", gone, "listed, but the scan is not there")
    extra = [stem for stem in pictures if stem not in listed] if listed else []
    folder.warning_together("not listed", extra, "in no list, so without a split")
    unknown = [stem for stem in pictures if stem.startswith("P") and stem not in annotations and stem not in listed]
    folder.warning_together("missing annotation", unknown, "no boxes and in no list: nothing is known of its items")


def _read_scan(folder: SourceFolder, path: str, listed: _Listed | None, annotation: str | None) -> SourceScan:
    found = read_voc(folder, annotation) if annotation else None
    boxes = _known(folder, found.boxes, annotation or "") if found else ()
    split, subset, present = (listed.split, listed.subset, listed.present) if listed else ("", "", frozenset[str]())
    boxed = frozenset(box.label for box in boxes)
    for label in sorted(boxed & set(LISTED_LABELS) - present) if listed else ():
        folder.warning("list contradicts box", annotation or path, f"a box of {label}, which the lists say is absent")
    size = (found.width, found.height) if found else (0, 0)
    if found:
        # An item that cannot be read or named may be of any class, also of one that has boxes or that no list gives.
        # Hammer is boxed in some scans only: a scan without one may hold it.
        whole = len(boxes) == len(found.boxes) and not found.faults
        looked_for: frozenset[str] | None = frozenset(LISTED_LABELS if whole else ())
    else:
        looked_for = _looked_for_without_boxes(path, listed is not None, annotation is not None)
    return SourceScan(path, split, boxes, path, *size, looked_for, present - boxed, subset)


def _looked_for_without_boxes(path: str, listed: bool, annotated: bool) -> frozenset[str] | None:
    """None for a scan that by its name holds nothing; annotated: there is a file of boxes, which cannot be read."""
    if posixpath.basename(path).startswith("N") and not annotated:
        return None
    return frozenset(LISTED_LABELS if listed else ())


def _known(folder: SourceFolder, boxes: tuple[SourceBox, ...], annotation: str) -> tuple[SourceBox, ...]:
    for box in boxes:
        if box.label.lower() not in _CLASSES:
            folder.error("unknown class", annotation, f"{box.label} is none of the set's classes; the box is skipped")
    known = (box for box in boxes if box.label.lower() in _CLASSES)
    return tuple(replace(box, label=_CLASSES[box.label.lower()]) for box in known)


ADAPTER = Adapter(
    title="SIXray",
    terms="academic use only, no commercial use",
    recognise=recognise,
    read=read,
    published={"": Published(1_059_231)},
)
