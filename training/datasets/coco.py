"""COCO of anybody's own: `annotations/<name>.json` or `<name>.json`, scans beside them or in the usual folders.

The split is told by the file's name (`instances_train2017.json`, `validation.json`), else by the key `split` of an
image, else by the first folder of the scan's path that is called as one. Where there are `instances*.json`, other files
(captions, keypoints) are passed over; one whose name is none of COCO's own is an error. A scan is looked for by its
`file_name` below the root, then below `images/` and the root in folders of the split's name, in `images` and in `data`,
FiftyOne's folder.

`write` gives `annotations/instances_<split>.json` and every scan under its old path. COCO has no words for groups,
subsets, scanners, labels not looked for, labels known to be there without a box, and scans that are drawn already: they
are written as further keys of an image (`group`, `subset`, `scanner`, `annotated_category_ids`, `present`, `drawn`; and
`split`, where a scan in none lies in a folder that is called as one), which other tools pass over and `read` takes
back. Attributes go where CVAT puts them. Nothing else is lost; corners come back to 1e-6 pixel.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from detector.errors import SettingsInvalid
from training.datasets import clcxray, iedxray, ldxray, pidray, pixray, roboflow, roentgate_layout
from training.datasets.annotated_set import Adapter, SourceBox, SourceScan, SourceSet
from training.datasets.annotation_values import is_word, pairs
from training.datasets.carried_keys import every_label, refuse_unwritable
from training.datasets.coco_document import CocoPart, Entry, Names, read_parts, take_own_keys
from training.datasets.coco_head import looks_like_coco
from training.datasets.exchange import into_new_folder, place_scans
from training.datasets.indexed_folder import IndexedFolder
from training.datasets.scan_size import scan_size
from training.datasets.source_folder import SourceFolder, common_group, first_files, stem_of
from training.datasets.splits import NO_SPLIT, split_in_name, split_of_folder, split_of_path

#: Sets and layouts that are COCO with names of their own.
_OTHERS = (
    pidray.ADAPTER, pidray.ADAPTER_VERSION_2, clcxray.ADAPTER, ldxray.ADAPTER,
    pixray.ADAPTER, iedxray.ADAPTER, roboflow.ADAPTER, roentgate_layout.ADAPTER,
)  # fmt: skip
_PLACES = ("", "annotations")
_INSTANCES = "instances"
#: What COCO's own files for other tasks are called, which hold the same scans.
_OTHER_TASKS = ("captions", "person_keypoints", "panoptic", "stuff", "image_info")
_YEAR = re.compile(r"20\d\d$")
_WRITABLE_SPLIT = re.compile(r"[A-Za-z0-9_-]+")


def recognise(root: Path) -> bool:
    """Whether a JSON file in the usual places has COCO's keys and the folder is no other layout's."""
    candidates = (path for place in _PLACES for path in first_files(root, place, ".json"))
    return any(map(looks_like_coco, candidates)) and not any(other.recognise(root) for other in _OTHERS)


def read(root: Path) -> SourceSet:
    """All files of annotations as one set. Raises SettingsInvalid if there is none that can be read."""
    folder = IndexedFolder(root)
    paths = [
        f"{place}/{name}" if place else name
        for place in _PLACES
        for name in sorted(folder.names(place))
        if name.lower().endswith(".json") and looks_like_coco(root / place / name)
    ]
    instances = [path for path in paths if stem_of(path).startswith(_INSTANCES)]
    for path in (path for path in paths if instances and path not in instances):
        if not stem_of(path).startswith(_OTHER_TASKS):
            message = f"not read, as {instances[0]} is called {_INSTANCES}: call it so as well, or take it away"
            folder.error("annotations not read", path, message)
    return read_parts("coco", folder, [_part(folder, path) for path in instances or paths], _adjust)


def split_of(name: str) -> str:
    """The split that a file of annotations is for, by its name without suffix; "" where it does not say."""
    if not name.startswith(f"{_INSTANCES}_"):
        return split_in_name(name)
    rest = name.removeprefix(f"{_INSTANCES}_")
    without_year = _YEAR.sub("", rest)
    return "" if rest == NO_SPLIT else without_year if split_of_folder(without_year) else rest


def _part(folder: IndexedFolder, path: str) -> CocoPart:
    split = split_of(stem_of(path))
    rest = stem_of(path).removeprefix(f"{_INSTANCES}_")
    in_images, in_root = (_folders_of(folder, place, split) for place in ("images", ""))
    places = (f"images/{rest}", *in_images, "images", rest, *in_root, "data")
    there = [place for place in dict.fromkeys(places) if not place.endswith("/") and (folder.root / place).is_dir()]
    return CocoPart(path, ("", *there), split)


def _folders_of(folder: IndexedFolder, place: str, split: str) -> list[str]:
    """Folders directly inside `place` that are called as the split, in whatever spelling."""
    usual = split_of_folder(split)
    return [path for path in folder.folders(place) if usual and split_of_folder(posixpath.basename(path)) == usual]


def _adjust(scan: SourceScan, entry: Entry, names: Names, folder: IndexedFolder) -> SourceScan:
    said = entry.get("split")
    split = scan.split or (said if is_word(said) else split_of_path(scan.path))
    return take_own_keys(replace(scan, split=split, group=common_group(scan.path)), entry, names, folder)


@into_new_folder
def write(source: SourceSet, folder: Path) -> None:
    """Annotations and scans in a new folder. Raises SettingsInvalid for a split that cannot be part of a file's name.

    A scan whose size is not known gets the one of its file.
    """
    refuse_unwritable(source, "COCO")
    by_split: dict[str, list[SourceScan]] = defaultdict(list)
    for scan in source.scans:
        by_split[scan.split].append(scan)
    for split in by_split:
        if split and (not _WRITABLE_SPLIT.fullmatch(split) or split_of(f"{_INSTANCES}_{split}") != split):
            raise SettingsInvalid(f"COCO cannot tell the split {split!r} in a file's name", remedy="rename it")
    place_scans(source, folder, lambda scan: scan.path)
    (folder / "annotations").mkdir(exist_ok=True)
    for split, scans in (by_split or {"": []}).items():
        name = f"{_INSTANCES}_{split}.json" if split else f"{_INSTANCES}.json"
        document = json.dumps(_document(source, folder, scans), allow_nan=False)
        (folder / "annotations" / name).write_text(document, encoding="utf-8")


def _document(source: SourceSet, folder: Path, scans: Sequence[SourceScan]) -> dict[str, Any]:
    """COCO's object. Categories are numbered from 1, all labels of the set in every file."""
    ids = {label: number for number, label in enumerate(every_label(source), 1)}
    placed = SourceFolder(folder)
    images = [_image(placed, scan, number, ids) for number, scan in enumerate(scans, 1)]
    boxes = [(number, box) for number, scan in enumerate(scans, 1) for box in scan.boxes]
    return {
        "info": {"description": source.source},
        "images": images,
        "annotations": [
            _annotation(box, number, image, ids[box.label]) for number, (image, box) in enumerate(boxes, 1)
        ],
        "categories": [{"id": number, "name": label} for label, number in ids.items()],
    }


def _image(folder: SourceFolder, scan: SourceScan, number: int, ids: dict[str, int]) -> dict[str, Any]:
    known = bool(scan.width and scan.height)
    width, height = (scan.width, scan.height) if known else scan_size(folder, scan.path) or (0, 0)
    image: dict[str, Any] = {"id": number, "file_name": scan.path, "width": width, "height": height}
    image |= {key: value for key, value in (("subset", scan.subset), ("scanner", scan.scanner)) if value}
    if not scan.split and split_of_path(scan.path):
        image["split"] = ""
    if scan.group != common_group(scan.path):
        image["group"] = scan.group
    if scan.drawn:
        image["drawn"] = True
    if scan.present:
        image["present"] = sorted(scan.present)
    if scan.looked_for is not None:
        image["annotated_category_ids"] = [identity for label, identity in ids.items() if label in scan.looked_for]
    return image


def _annotation(box: SourceBox, number: int, image: int, category: int) -> dict[str, Any]:
    """bbox is x y width height; area that of the outlines, or of the box without any, in square pixels."""
    x1, y1, x2, y2 = box.box_xyxy
    annotation: dict[str, Any] = {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": sum(map(_area, box.polygons)) or (x2 - x1) * (y2 - y1),
        "iscrowd": int(box.ignore),
        "segmentation": [list(polygon) for polygon in box.polygons],
    }
    return annotation | ({"attributes": dict(box.attributes)} if box.attributes else {})


def _area(polygon: Sequence[float]) -> float:
    """Area of an outline x y x y ... by the shoelace formula."""
    corners = pairs(polygon)
    shifted = [*corners[1:], corners[0]]
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(corners, shifted, strict=True))) / 2


ADAPTER = Adapter("COCO", "as the set's owner says", recognise, read, write=write)
