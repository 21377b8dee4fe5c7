"""COCO as the public sets use it: ids from any number on, names from the file itself, faults by the dozen.

    parts = [CocoPart("annotations/xray_train.json", ("train",), "train")]
    found = read_parts("pidray", IndexedFolder(root), parts)

Class names come from `categories` of the same file and from nowhere else. What is refused leaves one finding: an
annotation of an unknown image or class, a box that is inverted, not finite or of the wrong type. The label of a refused
box stays in the scan's `present`, since the item is there; without a class it may be anything, and the scan is clean of
nothing. So are all scans of a file too many of whose annotations belong to no image: they may be of any of them.
Annotations that are only captions are passed over.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from training.datasets.annotated_set import Corners, SourceBox, SourceScan, SourceSet
from training.datasets.annotation_values import (
    UNNAMED,
    Outline,
    Unusable,
    are_placed,
    corners_from_xywh,
    is_label,
    is_word,
    leave_out_unboxed,
    outline,
    refuse_turned,
    side,
)
from training.datasets.findings import NothingToRead
from training.datasets.indexed_folder import IndexedFolder
from training.datasets.repeated_scans import first_of_each

Id = int | str
Entry = Mapping[str, Any]
#: Label of each category id.
Names = Mapping[Id, str]
#: Where boxes in fractions of the scan end, some of them rounded outwards; no item in pixels is as small.
_FRACTIONS_END = 1.05


@dataclass(frozen=True)
class CocoPart:
    """One annotation file. annotations: below the root. folders: where its scans may be, looked into in turn."""

    annotations: str
    folders: tuple[str, ...]
    split: str
    subset: str = ""


@dataclass
class _Contents:
    """One document, sorted by image. names: label of a category id. alias: second entry of a file -> the first.

    annotated: False where items are lost of which nobody knows in which scan they are: none is clean of anything.
    """

    part: CocoPart
    names: dict[Id, str]
    images: dict[Id, tuple[str, Entry]] = field(default_factory=dict)
    alias: dict[Id, Id] = field(default_factory=dict)
    left_out: set[Id] = field(default_factory=set)
    boxes: dict[Id, list[SourceBox]] = field(default_factory=lambda: defaultdict(list))
    unboxed: dict[Id, set[str]] = field(default_factory=lambda: defaultdict(set))
    annotated: bool = True


#: Takes what an image entry says beyond COCO into its scan. Arguments: scan, entry, label of each id, where to note.
Adjust = Callable[[SourceScan, Entry, Names, IndexedFolder], SourceScan]
#: Notes what is odd about a part's class names.
CheckNames = Callable[[Names, CocoPart, IndexedFolder], None]


def read_parts(
    source: str,
    folder: IndexedFolder,
    parts: Sequence[CocoPart],
    adjust: Adjust | None = None,
    check_names: CheckNames | None = None,
) -> SourceSet:
    """All parts as one set. Raises SettingsInvalid if not one of them could be read."""
    read = [contents for part in parts if (contents := _read(folder, part)) is not None]
    for contents in read:
        if check_names:
            check_names(contents.names, contents.part, folder)
    if not read:
        place = next((part.annotations for part in parts), "a JSON file with images and annotations")
        what = f"{folder.root}: no annotations that can be read"
        raise NothingToRead(what, folder.findings, remedy=f"give the folder that holds {place}")
    labels = tuple(dict.fromkeys(name for contents in read for name in contents.names.values()))
    files = ((contents.part.annotations, _scans(folder, contents, labels, adjust)) for contents in read)
    scans = first_of_each(folder, files)
    _note_scans_without_entry(folder, parts, {path for contents in read for path, _ in contents.images.values()})
    return SourceSet(source, folder.root, labels, tuple(scans), tuple(folder.findings))


def _read(folder: IndexedFolder, part: CocoPart) -> _Contents | None:
    if not folder.holds(part.annotations):
        folder.warning("missing part", part.annotations, "a part of the set is not there")
        return None
    document = folder.json(part.annotations)
    if document is None:
        return None
    if not isinstance(document, dict):
        folder.error("malformed annotation", part.annotations, "COCO is an object with images and annotations")
        return None
    contents = _Contents(part, _names(folder, part, document))
    _take_images(folder, contents, _entries(folder, part, document, "images"))
    contents.annotated = _take_items(folder, contents, document)
    return contents


def _take_items(folder: IndexedFolder, contents: _Contents, document: Entry) -> bool:
    """Takes all annotations that can be taken; whether they are trusted to be complete."""
    part = contents.part
    if "annotations" not in document:
        folder.warning("scans not annotated", part.annotations, "the file has no annotations: nothing is known of them")
        return False
    annotations = _entries(folder, part, document, "annotations")
    if annotations and not contents.names:
        folder.error("malformed annotation", part.annotations, "no class has a name: nothing is known of its scans")
        return False
    if _are_fractions(annotations):
        message = "all boxes are fractions of the scan, none of them is taken: multiply them by width and height"
        folder.error("malformed box", part.annotations, message)
        return False
    astray = _take_annotations(folder, contents, annotations)
    said = document["annotations"]
    return isinstance(said, list) and _are_trusted(folder, part, len(annotations) - astray, len(said))


def _are_fractions(annotations: Sequence[Entry]) -> bool:
    """Whether not one box reaches beyond the scan's first pixel."""
    boxes = [box for entry in annotations if (box := _box(entry)) is not None]
    return bool(boxes) and all(-_FRACTIONS_END < value < _FRACTIONS_END for box in boxes for value in box)


def _box(entry: Entry) -> Corners | None:
    try:
        return corners_from_xywh(entry.get("bbox"))
    except Unusable:
        return None


def _are_trusted(folder: IndexedFolder, part: CocoPart, placed: int, count: int) -> bool:
    """Whether a file's annotations are trusted to be complete; a Finding where they are not."""
    if are_placed(placed, count):
        return True
    message = f"{count - placed} of {count} belong to no image: none of this file's scans counts as clean; correct them"
    folder.error("annotations astray", part.annotations, message)
    return False


def _entries(folder: IndexedFolder, part: CocoPart, document: Entry, key: str) -> list[Entry]:
    entries = document.get(key)
    if not isinstance(entries, list):
        folder.error("malformed annotation", part.annotations, f"{key} is missing or no list")
        return []
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict):
            folder.error("malformed entry", f"{part.annotations}: {key} {position}", f"{entry!r:.60} is no object")
    return [entry for entry in entries if isinstance(entry, dict)]


def _id(entry: Entry, key: str) -> Id | None:
    return _as_id(entry.get(key))


def _as_id(value: Any) -> Id | None:
    """An id is a whole number or a text; None for anything else. Some tools write the same number both ways."""
    if isinstance(value, str) and len(value) < 19 and value.isdecimal() and str(int(value)) == value:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def _names(folder: IndexedFolder, part: CocoPart, document: Entry) -> dict[Id, str]:
    """Label of each id. An id with two names is left out: its boxes cannot be named."""
    categories = _entries(folder, part, document, "categories")
    names: dict[Id, str] = {}
    ambiguous: set[Id] = set()
    for category in categories:
        identity, name = _id(category, "id"), category.get("name")
        if identity is None or not is_label(name):
            subject = f"{part.annotations}: category {category.get('id')!r:.40}"
            folder.error("malformed entry", subject, "a class needs an id and a name that can be printed")
        elif names.setdefault(identity, name) != name:
            folder.error("repeated id", f"{part.annotations}: category {identity}", f"{names[identity]} and {name}")
            ambiguous.add(identity)
    for name in (name for name, count in Counter(names.values()).items() if count > 1):
        folder.warning(
            "repeated class name", f"{part.annotations}: {name}", "two ids share the name; read as one class"
        )
    unused = _placeholders(categories, document)
    return {identity: name for identity, name in names.items() if identity not in ambiguous | unused}


def _placeholders(categories: Sequence[Entry], document: Entry) -> set[Id]:
    """Ids that only group the others, as Roboflow's id 0 does: named as their supercategory, without one annotation."""
    groups = [category.get("supercategory") for category in categories]
    roots = [c for c in categories if c.get("name") in groups and c.get("supercategory") in (None, "", "none")]
    candidates = {identity for category in roots if (identity := _id(category, "id")) is not None}
    annotations = document.get("annotations")
    if candidates and isinstance(annotations, list):
        candidates -= {_id(annotation, "category_id") for annotation in annotations if isinstance(annotation, dict)}
    return candidates


def _take_images(folder: IndexedFolder, contents: _Contents, entries: Sequence[Entry]) -> None:
    counts = Counter(_id(entry, "id") for entry in entries)
    by_path: dict[str, Id] = {}
    for entry in entries:
        identity = _id(entry, "id")
        subject = f"{contents.part.annotations}: image {entry.get('id')!r:.40}"
        if identity is None:
            folder.error("malformed entry", subject, f"{entry.get('id')!r:.40} is no id")
        elif counts[identity] > 1:
            if identity not in contents.left_out:
                message = f"{counts[identity]} images share it: left out, their boxes cannot be told apart"
                folder.error("repeated id", subject, message)
            contents.left_out.add(identity)
        elif (path := folder.place(contents.part.folders, entry.get("file_name"))) is None:
            contents.left_out.add(identity)
        elif by_path.setdefault(path, identity) != identity:
            folder.warning("repeated file", path, "two images of the annotations are this file; taken as one")
            contents.alias[identity] = by_path[path]
        else:
            contents.images[identity] = path, entry


def _take_annotations(folder: IndexedFolder, contents: _Contents, entries: Sequence[Entry]) -> int:
    """How many of them belong to no image that is known."""
    seen: dict[Id, Entry] = {}
    astray = 0
    for position, entry in enumerate(entries):
        identity = _id(entry, "id")
        name = f"annotation {position + 1 if identity is None else identity!r:.40}"
        subject = f"{contents.part.annotations}: {name}"
        if identity is not None and seen.setdefault(identity, entry) is not entry:
            folder.warning("repeated id", subject, "two annotations share it")
            if _same_box(seen[identity], entry):
                continue
        if "caption" in entry and "bbox" not in entry:
            continue
        astray += not _take_annotation(folder, contents, entry, subject)
    return astray


def _same_box(first: Entry, second: Entry) -> bool:
    return all(first.get(key) == second.get(key) for key in ("image_id", "category_id", "bbox"))


def _take_annotation(folder: IndexedFolder, contents: _Contents, entry: Entry, subject: str) -> bool:
    """Whether its image is known; one of an image that was left out counts as known."""
    image, category = _id(entry, "image_id"), _id(entry, "category_id")
    image = contents.alias.get(image, image) if image is not None else None
    if image in contents.left_out:
        return True
    if image is None or image not in contents.images:
        folder.error("unknown image", subject, f"image_id {entry.get('image_id')!r:.40} is not in images")
        return False
    if category is None or category not in contents.names:
        folder.error("unknown class", subject, f"category_id {entry.get('category_id')!r:.40} is not in categories")
        contents.unboxed[image].add(UNNAMED)
        return True
    label = contents.names[category]
    try:
        corners = corners_from_xywh(entry.get("bbox"))
        refuse_turned(_attributes(entry))
    except Unusable as error:
        folder.error(error.kind, f"{subject} ({label})", str(error))
        contents.unboxed[image].add(label)
        return True
    outlines = _outlines(folder, entry.get("segmentation"), f"{subject} ({label})")
    ignore = any(entry.get(key) in (1, True) for key in ("iscrowd", "ignore"))
    contents.boxes[image].append(SourceBox(label, corners, ignore, outlines, _attributes(entry)))
    return True


def _outlines(folder: IndexedFolder, segmentation: Any, subject: str) -> tuple[Outline, ...]:
    if isinstance(segmentation, dict):
        folder.warning("mask not read", subject, "run-length masks are not read; the box is kept")
        return ()
    if not isinstance(segmentation, list) or not segmentation:
        return ()
    parts = segmentation if isinstance(segmentation[0], list) else [segmentation]
    try:
        return tuple(outline(part) for part in parts)
    except Unusable as error:
        folder.warning("malformed polygon", subject, f"{error}; the box is kept")
        return ()


def _attributes(entry: Entry) -> dict[str, str]:
    """What the annotation says beyond COCO: `attributes` as CVAT writes them, `source_label` as we do."""
    said = entry.get("attributes")
    found = {str(key): str(value) for key, value in said.items()} if isinstance(said, dict) else {}
    if isinstance(entry.get("source_label"), str):
        found["source_label"] = entry["source_label"]
    return found


def _scans(
    folder: IndexedFolder, contents: _Contents, labels: tuple[str, ...], adjust: Adjust | None
) -> Sequence[SourceScan]:
    own = frozenset(contents.names.values())
    looked_for = None if own == frozenset(labels) else own
    result = []
    for identity, (path, entry) in contents.images.items():
        scan = SourceScan(
            path=path,
            split=contents.part.split,
            boxes=tuple(contents.boxes.get(identity, ())),
            group=path,
            width=_side(folder, entry, "width", path),
            height=_side(folder, entry, "height", path),
            looked_for=looked_for,
            present=frozenset(contents.unboxed.get(identity, ()) if contents.annotated else {UNNAMED}),
            subset=contents.part.subset,
        )
        scan = adjust(scan, entry, contents.names, folder) if adjust else scan
        result.append(leave_out_unboxed(scan, labels))
    return result


def _side(folder: IndexedFolder, entry: Entry, key: str, path: str) -> int:
    try:
        return side(entry.get(key))
    except Unusable as error:
        folder.warning(error.kind, path, f"{key}: {error}")
        return 0


def _note_scans_without_entry(folder: IndexedFolder, parts: Sequence[CocoPart], entered: set[str]) -> None:
    """In every place of a part and below it; in the root only for a part that it is the first place of, since others
    look there as a last resort, and what else is in it may be no part's."""
    places = {place for part in parts for place in part.folders if place or place == part.folders[0]}
    noted = set(entered)
    for place in sorted(places, key=lambda each: (-len(each), each)):
        extra = [path for path in folder.pictures(place) if path not in noted]
        noted.update(extra)
        where = f"{place}/" if place else "the set"
        message = f"no usable entry for a scan in {where}; left out"
        folder.warning_together("missing annotation", extra, message, left_out=True)


def take_own_keys(scan: SourceScan, entry: Entry, names: Names, folder: IndexedFolder) -> SourceScan:
    """Adjust for files written here: group, subset, scanner, drawn, present, annotated_category_ids of an image."""
    said = {key: str(entry[key]) for key in ("group", "subset", "scanner") if is_word(entry.get(key))}
    scan = replace(scan, **said, drawn=entry.get("drawn") is True)  # type: ignore[arg-type]
    present = entry.get("present")
    if isinstance(present, list):
        scan = replace(scan, present=scan.present | {label for label in present if is_label(label)})
    ids = entry.get("annotated_category_ids")
    if not isinstance(ids, list):
        return scan
    for unknown in (identity for identity in ids if _as_id(identity) not in names):
        folder.error("unknown class", scan.path, f"annotated_category_ids names {unknown!r:.40}, not in categories")
    looked_for = known_labels(ids, names)
    every = scan.looked_for is None and looked_for == frozenset(names.values())
    return replace(scan, looked_for=None if every else looked_for)


def known_labels(ids: Any, names: Names) -> frozenset[str]:
    """Labels of a list of category ids; none for anything but a list, and none of ids that are not known."""
    listed = ids if isinstance(ids, list) else []
    known = (identity for value in listed if (identity := _as_id(value)) is not None and identity in names)
    return frozenset(names[identity] for identity in known)
