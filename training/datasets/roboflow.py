"""COCO as Roboflow exports it: `train/`, `valid/`, `test/`, each with its scans and `_annotations.coco.json`.

Two traps: category 0 is the project's name, no class; and an export with augmentation holds several altered copies of
one scan, named `<scan>_jpg.rf.<digest>.jpg`. Copies share their group, so that none is trained on and another tested.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from training.datasets.annotated_set import Adapter, SourceScan, SourceSet
from training.datasets.coco_document import CocoPart, Entry, Names, read_parts
from training.datasets.indexed_folder import IndexedFolder
from training.datasets.source_folder import common_group

_FILE = "_annotations.coco.json"
#: Folder -> split; Roboflow says `valid` where everybody else says `val`.
_SPLITS = {"train": "train", "valid": "val", "test": "test", "": ""}


def _recognise(root: Path) -> bool:
    return any((root / folder / _FILE).is_file() for folder in _SPLITS)


def _read(root: Path) -> SourceSet:
    folder = IndexedFolder(root)
    parts = [CocoPart(str(PurePosixPath(place) / _FILE), (place,), split) for place, split in _SPLITS.items()]
    there = [part for part in parts if folder.holds(part.annotations)]
    return read_parts("roboflow", folder, there or parts, _take_group)


def _take_group(scan: SourceScan, entry: Entry, names: Names, folder: IndexedFolder) -> SourceScan:
    return replace(scan, group=common_group(scan.path))


ADAPTER = Adapter("COCO as exported by Roboflow", "as the project's page says", _recognise, _read)
