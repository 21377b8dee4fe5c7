"""PIDray: bag scans of 12 classes in COCO, with test parts easy (one item), hard (several) and hidden (concealed).

Version 1 (github.com/bywang2018/security-dataset) has one annotation file a part and an item in every scan, so it says
nothing about false alarms. Version 2 (github.com/lutao2021/PIDray) has train and test, and scans without items.

Category ids run 1..12. Names are those of the file's own `categories`; where they stand at other ids than in the
authors' files, a finding says so, because such a list has shifted the names of published results before.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from training.datasets.annotated_set import Adapter, Published, SourceScan, SourceSet
from training.datasets.coco_document import CocoPart, Entry, Names, read_parts
from training.datasets.coco_head import announces
from training.datasets.indexed_folder import IndexedFolder

#: The authors' names at ids 1..12 (mmdet/datasets/coco.py of version 1): to compare with, never to name boxes by.
_OFFICIAL = (
    "Baton", "Pliers", "Hammer", "Powerbank", "Scissors", "Wrench",
    "Gun", "Bullet", "Sprayer", "HandCuffs", "Knife", "Lighter",
)  # fmt: skip
_VERSION_1 = (
    CocoPart("annotations/xray_train.json", ("train", ""), "train"),
    CocoPart("annotations/xray_test_easy.json", ("easy", ""), "test", "easy"),
    CocoPart("annotations/xray_test_hard.json", ("hard", ""), "test", "hard"),
    CocoPart("annotations/xray_test_hidden.json", ("hidden", ""), "test", "hidden"),
)
_VERSION_2 = (
    CocoPart("annotations/train.json", ("train", ""), "train"),
    CocoPart("annotations/test.json", ("test", ""), "test"),
)
_SUBSET_IN_NAME = re.compile(r"easy|hard|hidden")
_TERMS = "academic use only"


def _recognise_version_1(root: Path) -> bool:
    return any((root / part.annotations).is_file() for part in _VERSION_1)


def _recognise_version_2(root: Path) -> bool:
    if _recognise_version_1(root):
        return False
    there = [part for part in _VERSION_2 if (root / part.folders[0]).is_dir()]
    return any(announces(root / part.annotations, _OFFICIAL) for part in there)


def _read_version_1(root: Path) -> SourceSet:
    return read_parts("pidray", IndexedFolder(root), _VERSION_1, check_names=_note_shifted_names)


def _read_version_2(root: Path) -> SourceSet:
    return read_parts("pidray-v2", IndexedFolder(root), _VERSION_2, _take_subset, _note_shifted_names)


def _note_shifted_names(names: Names, part: CocoPart, folder: IndexedFolder) -> None:
    official = {str(identity): name for identity, name in enumerate(_OFFICIAL, 1)}
    shifted = [f"{key} is {name}" for key, name in names.items() if official.get(str(key), name) != name]
    if shifted:
        message = f"{', '.join(shifted)}: not the authors' order; wrong if only the names were changed"
        folder.warning("class names at other ids", part.annotations, message)


def _take_subset(scan: SourceScan, entry: Entry, names: Names, folder: IndexedFolder) -> SourceScan:
    """Version 2 keeps the three test parts in one folder; the file's name tells them where it can."""
    told = _SUBSET_IN_NAME.search(scan.path.rpartition("/")[2]) if scan.split == "test" else None
    return replace(scan, subset=told.group(0)) if told else scan


def _counts(scans: int, *boxes: int) -> Published:
    return Published(scans, dict(zip(_OFFICIAL, boxes, strict=True)))


#: Boxes as counted from the authors' JSON; scans as in the paper.
_PUBLISHED_1 = {
    "train": _counts(29_457, 1513, 4236, 3546, 5171, 4352, 4350, 2178, 1837, 2970, 2096, 3290, 4169),
    "easy": _counts(9_482, 373, 872, 1288, 1347, 983, 714, 406, 409, 496, 436, 928, 1230),
    "hard": _counts(3_733, 311, 1204, 925, 1197, 1222, 872, 654, 412, 361, 554, 829, 351),
    "hidden": _counts(5_005, 202, 502, 470, 401, 503, 501, 519, 299, 400, 302, 502, 407),
}

ADAPTER = Adapter("PIDray", _TERMS, _recognise_version_1, _read_version_1, _PUBLISHED_1)
ADAPTER_VERSION_2 = Adapter(
    title="PIDray version 2, with scans without items",
    terms=_TERMS,
    recognise=_recognise_version_2,
    read=_read_version_2,
    published={"train": Published(76_913), "test": Published(24_758 + 9_746 + 13_069)},
)
