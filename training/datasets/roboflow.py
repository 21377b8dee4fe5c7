"""COCO as Roboflow exports it: `train/`, `valid/`, `test/`, each with its scans and `_annotations.coco.json`.

Folders are splits by any usual name; scans of another folder are in none. Two traps: category 0 is the project's name,
no class; and an export with augmentation holds several altered copies of one scan, named `<scan>_jpg.rf.<digest>.jpg`.
Copies share their group, so that none is trained on and another tested.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from training.datasets.annotated_set import Adapter, SourceScan, SourceSet
from training.datasets.coco_document import CocoPart, Entry, Names, read_parts
from training.datasets.indexed_folder import IndexedFolder
from training.datasets.source_folder import common_group, subfolders
from training.datasets.splits import split_of_folder

_FILE = "_annotations.coco.json"


def _recognise(root: Path) -> bool:
    folders = ("", *(name for name in subfolders(root) if split_of_folder(name)))
    return any((root / folder / _FILE).is_file() for folder in folders)


def _read(root: Path) -> SourceSet:
    folder = IndexedFolder(root)
    parts = [_part(place) for place in (*folder.folders(), "")]
    there = [part for part in parts if folder.holds(part.annotations)]
    return read_parts("roboflow", folder, there or [_part("train")], _take_group)


def _part(place: str) -> CocoPart:
    return CocoPart(str(PurePosixPath(place) / _FILE), (place,), split_of_folder(place))


def _take_group(scan: SourceScan, entry: Entry, names: Names, folder: IndexedFolder) -> SourceScan:
    return replace(scan, group=common_group(scan.path))


ADAPTER = Adapter("COCO as exported by Roboflow", "as the project's page says", _recognise, _read)
