"""Pascal VOC, one XML file a scan, as the development kit, CVAT, Roboflow and labelImg lay it out.

    Annotations/a.xml   JPEGImages/a.jpg   ImageSets/Main/train.txt, val.txt ... (stems)   labelmap.txt (CVAT)
    train/a.xml train/a.jpg, valid/...     or a.xml beside a.jpg, or train/labels/a.xml train/images/a.jpg
    train/Cleaned Scissors 1/a.xml         beside a.jpg (SIXray-D)
    annotations/a.xml or labels/a.xml      images/a.jpg

The split is told by a list, else by the first folder of a path that is called as one. `default.txt` is CVAT's list of
scans that are in none; `write` has one where their folders would say otherwise.

An annotation belongs to the picture of its own file name. <filename> counts only where there is none, and then only
the name in it: sets that were renamed keep the old one, and tools write where the picture lay on their own machine.

`difficult` items are to be ignored. Attributes and outlines travel as CVAT and Roboflow write them. The format has no
place for views and scanners (NOT_CARRIED.txt says so) nor for scans that were not looked through for every label, which
`write` refuses. Corners come back within 1/10,000 pixel.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path

from detector.errors import SettingsInvalid
from detector.readers import SCAN_SUFFIXES
from training.datasets.annotated_set import Adapter, SourceScan, SourceSet
from training.datasets.exchange import (
    into_new_folder,
    place_scans,
    refuse_partly_annotated,
    refuse_unwritable_labels,
    refuse_unwritable_splits,
    report_not_carried,
)
from training.datasets.findings import NothingToRead
from training.datasets.scan_size import scan_size
from training.datasets.source_folder import (
    SourceFolder,
    common_group,
    first_bytes,
    first_files,
    stem_of,
    subfolders,
)
from training.datasets.splits import BOTH, NO_SPLIT, split_of_folder, split_of_path
from training.datasets.voc_xml import VocAnnotation, format_voc, read_voc

_XML, _IMAGES, _LISTS, _LABELS = "Annotations", "JPEGImages", "ImageSets/Main", "labelmap.txt"
#: Other names of a folder of annotations, a split's own or the set's.
_BESIDE = ("labels", "annotations")
#: Folders of each level that are looked into to recognise the layout.
_FOLDERS_TO_RECOGNISE_BY = 200
#: Beside the annotation's own folder, where its picture may be.
_PICTURE_FOLDERS = (_IMAGES, "images", "Images")
#: Line of CVAT's labelmap.txt that is no label.
_NO_LABEL = "background"


def recognise(root: Path) -> bool:
    """Whether there are VOC annotations in Annotations/, at the root, or in folders beside their pictures."""
    if (root / _XML).is_dir() and ((root / _IMAGES).is_dir() or (root / _LISTS).is_dir()):
        return True
    folders = (folder for folder in _folders_to_recognise_by(root) if not _apart(root, folder))
    paths = (path for folder in folders for path in first_files(root, folder, ".xml", 3))
    return any(b"<annotation" in first_bytes(path) for path in paths)


def _folders_to_recognise_by(root: Path) -> Iterator[str]:
    """Below the root. Those with `/` at the end count only with pictures in them too."""
    inside = subfolders(root, _FOLDERS_TO_RECOGNISE_BY)
    # With JSON beside them they are one of two exports, and the other layout's folder.
    own = (name for name in _BESIDE if not first_files(root, name, ".json", 1))
    yield from (_XML, *own, "", *(f"{name}/" for name in inside))
    yield from (f"{name}/{place}" for name in inside if split_of_folder(name) for place in (_XML, *_BESIDE))
    # SIXray-D: train/Cleaned Scissors 1/P00001.xml
    yield from islice(
        (f"{name}/{below}/" for name in inside for below in subfolders(root / name)), _FOLDERS_TO_RECOGNISE_BY
    )


def read(root: Path) -> SourceSet:
    """All annotated scans. Raises SettingsInvalid if there are none."""
    folder = SourceFolder(root)
    pictures = _Pictures(folder)
    splits = _splits(folder)
    annotations = list(folder.files("", (".xml",)))
    documents = {path: document for path in annotations if (document := read_voc(folder, path)) is not None}
    placed = _placed(folder, pictures, annotations, documents)
    names = frozenset(map(_listed_as, annotations))
    scans = [_scan(path, documents[path], picture, _split(path, picture, splits, names)) for path, picture in placed]
    if not scans:
        raise NothingToRead(
            f"no annotated scans in {root}",
            folder.findings,
            remedy=f"give the folder that holds {_XML}/ and {_IMAGES}/",
        )
    _note_missing(folder, pictures, {scan.path for scan in scans}, splits, annotations)
    labels = _labels(folder) or sorted({box.label for scan in scans for box in scan.boxes})
    return SourceSet("pascal-voc", root, tuple(labels), tuple(scans), tuple(folder.findings))


@into_new_folder
def write(source: SourceSet, folder: Path) -> None:
    """Annotations/, JPEGImages/, ImageSets/Main/<split>.txt and labelmap.txt in a new folder.

    Raises SettingsInvalid for what the format cannot say without misleading, and as `place_scans` does.
    """
    refuse_partly_annotated(source, "Pascal VOC")
    boxed = {box.label for scan in source.scans for box in scan.boxes}
    refuse_unwritable_labels([*source.labels, *sorted(boxed)], "Pascal VOC", forbidden=":#")
    if _NO_LABEL in boxed.union(source.labels):
        what = f"Pascal VOC cannot hold the label {_NO_LABEL!r}: it means no item"
        raise SettingsInvalid(what, remedy="rename it, or name the other classes by --classes")
    attributes = [item for scan in source.scans for box in scan.boxes for item in box.attributes.items()]
    refuse_unwritable_labels((text for item in attributes for text in item if text), "Pascal VOC")
    refuse_unwritable_splits(source, "Pascal VOC", (BOTH, NO_SPLIT))
    refuse_unwritable_labels((_stem(scan) for scan in source.scans if _list_of(scan)), "Pascal VOC")
    place_scans(source, folder, _target)
    lines = [f"{label}:::" for label in source.labels]
    (folder / _LABELS).write_text("\n".join(["# label:color_rgb:parts:actions", *lines, ""]), encoding="utf-8")
    lists: dict[str, list[str]] = defaultdict(list)
    for scan in source.scans:
        _write_scan(folder, scan)
        lists[_list_of(scan)].append(_stem(scan))
    (folder / _LISTS).mkdir(parents=True, exist_ok=True)
    for split in sorted(lists.keys() - {""}):
        (folder / _LISTS / f"{split}.txt").write_text("\n".join([*lists[split], ""]), encoding="utf-8")
    report_not_carried(source, folder, boxes_too=False)


class _Pictures:
    """The set's pictures by where they are: an annotation says little of it, and often wrongly."""

    def __init__(self, folder: SourceFolder) -> None:
        self.paths = list(folder.pictures(""))
        self._by_name = {posixpath.splitext(path)[0]: path for path in self.paths}
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for path in self.paths:
            self._by_stem[stem_of(path)].append(path)
        self._there = frozenset(self.paths)

    def of_own_name(self, annotation: str, file_name: str) -> str | None:
        """The picture of the annotation's name, beside it or in the folder of pictures beside its own.

        file_name: tells which, where two differ in their suffix alone.
        """
        stem, suffix = stem_of(annotation), posixpath.splitext(file_name)[1]
        for name in (posixpath.join(base, stem) for base in self._bases(posixpath.dirname(annotation))):
            if name in self._by_name:
                return name + suffix if name + suffix in self._there else self._by_name[name]
        return None

    def elsewhere(self, annotation: str, file_name: str, taken: Collection[str]) -> str | None:
        """The picture called file_name at the same places, or the only one of either name in the set; none of taken."""
        near = (posixpath.join(base, file_name) for base in self._bases(posixpath.dirname(annotation)))
        found = [path for path in near if file_name and path in self._there]
        for stem in (stem_of(annotation), stem_of(file_name)):
            same = self._by_stem.get(stem, [])
            found += same if len(same) == 1 else []
        return next((path for path in found if path not in taken), None)

    @staticmethod
    def _bases(here: str) -> list[str]:
        parts = here.split("/")
        if _XML not in parts:
            return [here, *(posixpath.join(posixpath.dirname(here), name) for name in _PICTURE_FOLDERS)]
        at = parts.index(_XML)
        return ["/".join([*parts[:at], name, *parts[at + 1 :]]) for name in _PICTURE_FOLDERS] + [here]


def _apart(root: Path, folder: str) -> bool:
    """Whether a folder below the root holds annotations alone: that is some set's own layout."""
    return folder.endswith("/") and not any(
        first_files(root, folder, suffix, 1) for suffix in (".jpg", ".jpeg", ".png")
    )


def _splits(folder: SourceFolder) -> dict[str, str]:
    """Stem as listed -> split. A list of several splits (trainval) says nothing that their own do not."""
    lists = {stem_of(path): folder.lines(path) for path in folder.files(_LISTS, (".txt",))}
    lists = {split: lines for split, lines in lists.items() if not _is_of_one_class(folder, split, lines)}
    own = {split: lines for split, lines in lists.items() if split != BOTH}
    splits: dict[str, str] = {}
    for split, lines in (own or lists).items():
        for line in lines:
            name = line if folder.has_file(f"{_XML}/{line}.xml") else _stem_of_listed(line.split()[0])
            if splits.setdefault(name, split) != split:
                folder.error("two splits", name, f"in {splits[name]} and in {split}")
    return {name: "" if split == NO_SPLIT else split for name, split in splits.items()}


def _stem_of_listed(name: str) -> str:
    """Some tools list scans with their suffix."""
    stem, suffix = posixpath.splitext(name)
    return stem if suffix.lower() in SCAN_SUFFIXES else name


def _is_of_one_class(folder: SourceFolder, name: str, lines: list[str]) -> bool:
    """The development kit's gun_train.txt: a scan and 1, 0 or -1 a line. A scan may also be called `bag 1`."""
    marked = bool(lines) and all(line.split()[1:] in (["1"], ["0"], ["-1"]) for line in lines)
    return "_" in name and marked and not folder.has_file(f"{_XML}/{lines[0]}.xml")


def _placed(
    folder: SourceFolder, pictures: _Pictures, annotations: list[str], documents: Mapping[str, VocAnnotation]
) -> list[tuple[str, str]]:
    """(annotation, its picture). A picture of another annotation's name is never taken for this one's."""
    # Only the name: it may be in folders of another machine, which are never opened.
    said = {path: posixpath.basename(document.file_name.replace("\\", "/")) for path, document in documents.items()}
    own = {path: pictures.of_own_name(path, said.get(path, "")) for path in annotations}
    taken = {picture for picture in own.values() if picture is not None}
    placed: list[tuple[str, str]] = []
    for path, file_name in said.items():
        picture = own[path] or pictures.elsewhere(path, file_name, taken)
        if picture is None:
            message = f"its scan {file_name or stem_of(path)!r} is not there, or is another annotation's by its name"
            folder.error("missing file", path, message, left_out=True)
            continue
        taken.add(picture)
        placed.append((path, picture))
    _note_other_names(folder, placed, said)
    return placed


def _note_other_names(folder: SourceFolder, placed: list[tuple[str, str]], said: Mapping[str, str]) -> None:
    named = [path for path, picture in placed if stem_of(picture) != stem_of(path)]
    message = "no picture of the annotation's own name; the one that <filename> names was taken"
    folder.warning_together("other scan's name", named, message)
    own = [path for path, picture in placed if stem_of(picture) == stem_of(path) and said[path]]
    others = [path for path in own if stem_of(path) not in (said[path], stem_of(said[path]))]
    message = "<filename> is not the annotation's own name; the picture of its own name was taken"
    folder.warning_together("other scan's name", [f"{path} ({said[path]})" for path in others], message)


def _listed_as(annotation: str) -> str:
    """The name in a list: below the folder of annotations, without suffix."""
    path = posixpath.splitext(annotation)[0]
    return path.partition(f"{_XML}/")[2] if _XML in path.split("/") else stem_of(annotation)


def _split(annotation: str, picture: str, splits: Mapping[str, str], names: Collection[str]) -> str:
    """names: of all annotations, as lists have them."""
    listed, stem = _listed_as(annotation), stem_of(annotation)
    # A bare name in a list means the annotation that is called so and lies in no folder, if there is one.
    said = listed if listed in splits or stem in names else stem
    return splits.get(said, split_of_path(annotation) or split_of_path(picture))


def _scan(path: str, found: VocAnnotation, picture: str, split: str) -> SourceScan:
    # What cannot be read may be of any class, also of one that has boxes: the scan is clean of none.
    looked_for = frozenset[str]() if found.faults else None
    return SourceScan(picture, split, found.boxes, common_group(picture), found.width, found.height, looked_for)


def _note_missing(
    folder: SourceFolder, pictures: _Pictures, read: set[str], splits: Mapping[str, str], annotations: list[str]
) -> None:
    alone = [path for path in pictures.paths if path not in read]
    folder.warning_together("missing annotation", alone, "no annotation that could be read; left out", left_out=True)
    names = set(map(_listed_as, annotations))
    gone = [name for name in splits if name not in names]
    folder.warning_together("missing annotation", gone, f"in a list of {_LISTS}/, without an annotation")


def _labels(folder: SourceFolder) -> list[str]:
    """The names of CVAT's labelmap.txt: label:color_rgb:parts:actions a line."""
    lines = [line for line in folder.lines(_LABELS) if not line.startswith("#")]
    return list(dict.fromkeys(name for name in (line.split(":")[0].strip() for line in lines) if name != _NO_LABEL))


def _target(scan: SourceScan) -> str:
    return f"{_IMAGES}/{scan.path.removeprefix(f'{_IMAGES}/')}"


def _stem(scan: SourceScan) -> str:
    """The scan as lists name it: below the folder of pictures, without suffix."""
    return posixpath.splitext(_target(scan))[0].removeprefix(f"{_IMAGES}/")


def _list_of(scan: SourceScan) -> str:
    """The list that names the scan, "" for none."""
    return scan.split or (NO_SPLIT if split_of_path(scan.path) else "")


def _write_scan(folder: Path, scan: SourceScan) -> None:
    size = (scan.width, scan.height) if scan.width and scan.height else scan_size(SourceFolder(folder), _target(scan))
    path = folder / _XML / f"{_stem(scan)}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(format_voc(posixpath.basename(scan.path), size or (0, 0), scan.boxes))


ADAPTER = Adapter(
    title="Pascal VOC (development kit, CVAT, Roboflow, labelImg)",
    terms="as the set's owner says",
    recognise=recognise,
    read=read,
    write=write,
)
