"""Reads annotated scans in COCO layout. The only place where class ids are made.

A data folder holds `annotations/<split>.json` and `images/<split>/` (or `images/`). Class ids are 0-based positions in
a list of class names that the caller holds; the ids in the file are looked up by *name*, whatever they start from.
Beyond plain COCO, every image may carry `source` and `annotated_category_ids`: the classes its source looked for. A
class not listed may be in the scan unmarked. Without the key, all classes of the file count as looked for. Further keys
an image may carry: `subset`, `group`, `scanner` and `drawn`, see AnnotatedScan.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.errors import SettingsInvalid
from training.datasets.prepared_marks import refuse_half_made, says_prepared
from training.datasets.source_folder import is_confined
from training.files.file_digests import file_digest

_CHECK = "run `roentgate-train data check` on the folder, and correct what it names"

#: Sources whose file names tell the scanner, where the image has no key for it: source -> pattern with one group.
_SCANNER_IN_NAME = {"iflytek2021": re.compile(r"(\d)\d*\.\w+$")}


@dataclass(frozen=True)
class AnnotatedScan:
    """One scan with its ground truth.

    boxes_xyxy: (n, 4) float32, pixels of the file as stored. class_ids: (n,) int64, 0-based. ignore: (n,) bool, COCO's
    iscrowd: neither a hit nor a false alarm. annotated: (C,) bool, the classes that the source looked for.
    subset: part of the source that is reported apart, such as easy / hard / hidden or OL1 to OL3; may be empty. group:
    scans of one bag and near-duplicates share it; empty for a scan that stands alone. group_of_all: the group is unique
    over all sources, as `data prepare` makes it, and not over those of the scan's own. scanner: empty if not known.
    drawn: the file holds what the station drew for the network, to be taken as it is. name: `file_name` as the
    annotations have it, which tells scans of one folder apart; the file's own name where nothing is given.
    of_others: class of each box that is no part of this, as the caller wanted no such class; in no order.
    """

    path: Path
    width: int
    height: int
    source: str
    boxes_xyxy: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    ignore: NDArray[np.bool_]
    annotated: NDArray[np.bool_]
    subset: str = ""
    group: str = ""
    scanner: str = ""
    drawn: bool = False
    name: str = ""
    of_others: tuple[str, ...] = ()
    group_of_all: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.path.name)

    @property
    def bag(self) -> str:
        """What scans of one bag share, and no others: two sets may call a group by the same name, but scans of two
        sources that `data prepare` found to show the same are one bag. A scan that names no group stands alone."""
        if self.group and self.group_of_all:
            return self.group
        return f"{self.source}/{self.group or self.name}"


@dataclass(frozen=True)
class CocoIndex:
    """The scans of one split, under one list of class names. kept_out: names of scans of that split that a recipe
    leaves out."""

    class_names: tuple[str, ...]
    scans: tuple[AnnotatedScan, ...]
    kept_out: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.scans)

    def boxes_per_class(self) -> dict[str, int]:
        """Number of boxes of each class, ignored ones left out."""
        counts = Counter(int(index) for scan in self.scans for index in scan.class_ids[~scan.ignore])
        return {name: counts[index] for index, name in enumerate(self.class_names)}

    def boxes_of_others(self) -> dict[str, int]:
        """Number of boxes of each class that the caller did not want, ignored ones too; without classes of no box."""
        return dict(Counter(name for scan in self.scans for name in scan.of_others))

    def never_looked_for(self) -> tuple[str, ...]:
        """Classes that no scan can be clean of, in the order of their ids; all where there is no scan."""
        looked = np.any([scan.annotated for scan in self.scans], axis=0) | np.zeros(len(self.class_names), bool)
        return tuple(name for name, found in zip(self.class_names, looked, strict=True) if not found)


def scans_digest(index: CocoIndex) -> str:
    """SHA-256, hex, of which scans these are: names and sizes, in any order and under any classes."""
    names = sorted(f"{scan.path.name} {scan.width} {scan.height} {scan.source}" for scan in index.scans)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def files_digest(index: CocoIndex) -> str:
    """SHA-256, hex, of the content of these scans' files, in any order; "" where one of them cannot be read. Unlike
    `scans_digest` it tells scans apart that are called alike and are of one size."""
    try:
        contents = sorted(file_digest(scan.path) for scan in index.scans)
    except OSError:
        return ""
    return hashlib.sha256("\n".join(contents).encode()).hexdigest() if all(contents) else ""


def share_of(index: CocoIndex, share: float) -> CocoIndex:
    """That share of the bags, whole; a smaller share is part of every larger one, whatever else is in the data."""
    if share == 1:
        return index
    limit = share * 2**64
    return replace(index, scans=tuple(scan for scan in index.scans if _place(scan.bag) < limit))


def with_most_bags(index: CocoIndex, most: Mapping[str, int]) -> CocoIndex:
    """At most so many of the bags that hold each class named, whole; bags without any of them stay.

    Raises SettingsInvalid for a class that the index does not have.
    """
    if unknown := sorted(most.keys() - set(index.class_names)):
        raise SettingsInvalid(f"no class {', '.join(unknown)}", remedy=f"name one of: {', '.join(index.class_names)}")
    held: dict[str, set[str]] = {}
    for scan in index.scans:
        found = {index.class_names[class_id] for class_id in scan.class_ids}
        held.setdefault(scan.bag, set()).update(found & most.keys())
    left, dropped = dict(most), set()
    for bag in sorted(held, key=_place):
        if all(left[name] for name in held[bag]):
            left.update({name: left[name] - 1 for name in held[bag]})
        else:
            dropped.add(bag)
    return replace(index, scans=tuple(scan for scan in index.scans if scan.bag not in dropped))


def _place(bag: str) -> int:
    """Where a bag stands in an order that its name alone decides, 0 .. 2**64."""
    return int.from_bytes(hashlib.sha256(bag.encode()).digest()[:8], "big")


def read_coco(data: Path, split: str, class_names: tuple[str, ...] | None = None) -> CocoIndex:
    """Reads `data/annotations/<split>.json`.

    class_names: the ids to use; None takes the file's own names in the order of their ids. A class of the file that
    is not among class_names is left out. Raises SettingsInvalid for a missing or malformed file, an unknown category
    id, a box without area, an image that is not there, or a folder whose preparation was stopped.
    """
    path = _annotations(data, split)
    document = _load(path)
    with _faults_told(path):
        return _build(document, image_folder(data, split), class_names)


def class_names(data: Path, split: str) -> tuple[str, ...]:
    """The classes that the file of a split names, in the order of their ids. Raises SettingsInvalid as `read_coco`, of
    what it needs for them."""
    path = _annotations(data, split)
    with _faults_told(path):
        return tuple(_names(_load(path)))


def _annotations(data: Path, split: str) -> Path:
    refuse_half_made(data)
    return data / "annotations" / f"{split}.json"


@contextmanager
def _faults_told(path: Path) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise SettingsInvalid(f"{path}: an entry lacks or does not know {error}", remedy=_CHECK) from None
    # What is no object, list or number where the format wants one.
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise SettingsInvalid(f"{path}: malformed entry: {error}", remedy=_CHECK) from None


def _names(document: dict[str, Any]) -> list[str]:
    return [str(category["name"]) for category in sorted(document["categories"], key=lambda each: int(each["id"]))]


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SettingsInvalid(f"no annotations at {path}", remedy="give a folder with annotations/<split>.json")
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise SettingsInvalid(
            f"{path} is not JSON, or cut short: {error}", remedy="write or copy it again, whole"
        ) from None
    if not isinstance(document, dict) or not {"images", "annotations", "categories"} <= document.keys():
        raise SettingsInvalid(f"{path} is not COCO: it needs images, annotations and categories", remedy=_CHECK)
    return document


def image_folder(data: Path, split: str) -> Path:
    """Where the scans of a split lie: in a folder of their own, or in that of all."""
    own = data / "images" / split
    return own if own.is_dir() else data / "images"


def _build(document: dict[str, Any], folder: Path, class_names: tuple[str, ...] | None) -> CocoIndex:
    names = class_names or tuple(_names(document))
    position = {name: index for index, name in enumerate(names)}
    # None for a class that the caller does not want: known to the file, left out here.
    named = {category["id"]: str(category["name"]) for category in document["categories"]}
    ids = {category: position.get(name) for category, name in named.items()}
    boxes: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in document["images"]}
    if len(boxes) < len(document["images"]):
        raise SettingsInvalid("two images have one id: their boxes cannot be told apart", remedy=_CHECK)
    for annotation in document["annotations"]:
        boxes[annotation["image_id"]].append(annotation)
    scans = []
    for image in document["images"]:
        scan = _scan(image, boxes[image["id"]], ids, len(names), folder)
        others = (named[each["category_id"]] for each in boxes[image["id"]] if ids[each["category_id"]] is None)
        of_all = "group" in image and says_prepared(document)
        scans.append(replace(scan, of_others=tuple(others), group_of_all=of_all))
    return CocoIndex(names, tuple(scans))


def _scan(
    image: dict[str, Any], annotations: list[dict[str, Any]], ids: dict[Any, int | None], num_classes: int, folder: Path
) -> AnnotatedScan:
    if not is_confined(image["file_name"]):
        raise SettingsInvalid(f"path refused: {image['file_name']!r} leads out of {folder}", remedy=_CHECK)
    path = folder / image["file_name"]
    if not path.is_file():
        raise SettingsInvalid(
            f"annotated scan is not there: {path}",
            remedy="copy the images beside the annotations; a public set as its authors give it goes through "
            "`roentgate-train data prepare` first",
        )
    kept = [annotation for annotation in annotations if ids[annotation["category_id"]] is not None]
    annotated = np.zeros(num_classes, bool)
    looked_for = (ids[category] for category in image.get("annotated_category_ids", ids))
    annotated[[index for index in looked_for if index is not None]] = True
    return AnnotatedScan(
        path=path,
        width=int(image["width"]),
        height=int(image["height"]),
        source=str(image.get("source", "unknown")),
        boxes_xyxy=np.array([_corners(annotation, image, path) for annotation in kept], np.float32).reshape(-1, 4),
        class_ids=np.array([ids[annotation["category_id"]] for annotation in kept], np.int64),
        ignore=np.array([bool(annotation.get("iscrowd", 0)) for annotation in kept], bool),
        annotated=annotated,
        subset=str(image.get("subset", "")),
        group=str(image.get("group", image["file_name"])),
        scanner=_scanner(image),
        drawn=bool(image.get("drawn", False)),
        name=str(image["file_name"]),
    )


def _scanner(image: dict[str, Any]) -> str:
    """The image's `scanner`, else source/digit where the file's name tells it, else the source."""
    source = str(image.get("source", "unknown"))
    if "scanner" in image:
        return str(image["scanner"])
    told = _SCANNER_IN_NAME[source].search(image["file_name"]) if source in _SCANNER_IN_NAME else None
    return f"{source}/{told.group(1)}" if told else source


def _corners(annotation: dict[str, Any], image: dict[str, Any], path: Path) -> tuple[float, float, float, float]:
    """x1 y1 x2 y2, clipped to the image: many exports hold boxes that begin a pixel outside."""
    x, y, width, height = (float(value) for value in annotation["bbox"])
    # Before clipping: max() and min() take a NaN for the edge of the scan.
    if not np.isfinite([x, y, width, height]).all():
        raise SettingsInvalid(f"{path.name}: a box that is not finite: {annotation['bbox']}", remedy=_CHECK)
    x1, y1 = max(0.0, x), max(0.0, y)
    x2, y2 = min(float(image["width"]), x + width), min(float(image["height"]), y + height)
    if not (x2 > x1 and y2 > y1):
        raise SettingsInvalid(
            f"{path.name}: a box without area in the scan: {annotation['bbox']}", remedy="correct the annotation"
        )
    return x1, y1, x2, y2
