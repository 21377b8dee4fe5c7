"""IEDXray: parts of improvised explosive devices in COCO, a caption with every scan.

Layout: `annotations/complete_train.json`, `complete_test.json`, scans in `Train/` and `Test/`. Captions are not read.
"""

from __future__ import annotations

from pathlib import Path

from training.datasets.annotated_set import Adapter, SourceSet
from training.datasets.coco_document import CocoPart, read_parts
from training.datasets.indexed_folder import IndexedFolder

_PARTS = tuple(
    CocoPart(f"annotations/complete_{split}.json", (split.capitalize(), ""), split) for split in ("train", "test")
)


def _recognise(root: Path) -> bool:
    return any((root / part.annotations).is_file() and (root / part.folders[0]).is_dir() for part in _PARTS)


def _read(root: Path) -> SourceSet:
    return read_parts("iedxray", IndexedFolder(root), _PARTS)


ADAPTER = Adapter("IEDXray", "not stated by its authors: ask them before any use", _recognise, _read)
