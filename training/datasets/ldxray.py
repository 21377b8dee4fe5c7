"""LDXray: bags seen from two sides, 12 classes, COCO boxes on the main view alone.

    train.json   train_A/000000.jpg (main)   train_B/000000.jpg (side)      and the same for test

Both views of a bag share their group. Nothing was annotated in the side view, so it was looked for nothing: an empty
list of boxes there is no clean scan. Sources: github.com/rstao-bjtu/LDXray and SuZipei/LDXray-mmdetection.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from training.datasets.annotated_set import Adapter, Published, SourceScan, SourceSet
from training.datasets.coco_document import CocoPart, read_parts
from training.datasets.indexed_folder import IndexedFolder

_PARTS = tuple(CocoPart(f"{split}.json", (f"{split}_A", ""), split, "main") for split in ("train", "test"))


def _recognise(root: Path) -> bool:
    return any((root / part.annotations).is_file() and (root / part.folders[0]).is_dir() for part in _PARTS)


def _read(root: Path) -> SourceSet:
    folder = IndexedFolder(root)
    main = read_parts("ldxray", folder, _PARTS)
    scans = tuple(view for scan in main.scans for view in _both_views(scan, folder))
    return replace(main, scans=scans, findings=tuple(folder.findings))


def _both_views(scan: SourceScan, folder: IndexedFolder) -> Iterator[SourceScan]:
    group = f"{scan.split}/{scan.path.rpartition('/')[2]}"
    yield replace(scan, group=group)
    path = folder.place((f"{scan.split}_B",), scan.path.rpartition("/")[2], f"{scan.path} side view")
    if path:
        yield SourceScan(path, scan.split, (), group, looked_for=frozenset(), subset="side")


#: Scans are files: two a bag. Boxes by class are not published; all together are 353,646.
ADAPTER = Adapter(
    title="LDXray, two views",
    terms="academic and non-commercial use only",
    recognise=_recognise,
    read=_read,
    published={"train": Published(2 * 110_148), "test": Published(2 * 36_849)},
)
