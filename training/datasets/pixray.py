"""PIXray: bag scans of 15 classes with outlines, as the authors give them or as COCO.

    train_set/0001.png   train_set/0001.json   {"objects": [{"label": "Gun", "polygon": [[x, y], ...]}]}
    annotations/pixray_train.json   annotations/pixray_test.json   train/   test/                       (COCO)

Sources: github.com/Mbwslib/DDoAS (outlines), github.com/Limingyuan001/AO-DETR-test (COCO).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from training.datasets.annotated_set import Adapter, Published, SourceBox, SourceScan, SourceSet
from training.datasets.annotation_values import (
    UNNAMED,
    Unusable,
    bounds,
    flat,
    is_label,
    labels_met,
    leave_out_unboxed,
    points,
    side,
)
from training.datasets.coco_document import CocoPart, read_parts
from training.datasets.findings import NothingToRead
from training.datasets.indexed_folder import MAX_SCAN_BYTES, IndexedFolder, has_key, head, nearby_json
from training.datasets.source_folder import stem_of

_COCO_PARTS = tuple(
    CocoPart(f"annotations/pixray_{split}.json", (split, "images", ""), split) for split in ("train", "test")
)


def _recognise(root: Path) -> bool:
    return _is_coco(root) or any(_has_outlines(head(path)) for path in nearby_json(root, levels=2))


def _is_coco(root: Path) -> bool:
    return any((root / part.annotations).is_file() for part in _COCO_PARTS)


def _has_outlines(start: bytes) -> bool:
    return start.startswith(b"{") and has_key(start, "objects") and has_key(start, "polygon")


def _read(root: Path) -> SourceSet:
    folder = IndexedFolder(root)
    if _is_coco(root):
        return read_parts("pixray", folder, _COCO_PARTS)
    paths = list(folder.files("", (".json",)))
    scans = tuple(scan for path in paths for scan in _outlined(folder, path))
    if not scans:
        raise NothingToRead(
            f"no scans with outlines in {root}",
            folder.findings,
            remedy="give the folder that holds train_set/ with PNG and JSON",
        )
    stems = {path.removesuffix(".json") for path in paths}
    extra = [path for path in folder.pictures("") if path.rpartition(".")[0] not in stems]
    folder.warning_together("missing annotation", extra, "no JSON beside the scan; left out", left_out=True)
    labels = labels_met(scans)
    kept = tuple(leave_out_unboxed(scan, labels) for scan in scans)
    return SourceSet("pixray", root, labels, kept, tuple(folder.findings))


def _outlined(folder: IndexedFolder, path: str) -> Iterator[SourceScan]:
    document = folder.json(path, MAX_SCAN_BYTES)
    if document is None:
        return
    objects = document.get("objects") if isinstance(document, dict) else None
    if not isinstance(objects, list):
        folder.error("malformed annotation", path, "objects is missing or no list")
        return
    place, stem = path.rpartition("/")[0], stem_of(path)
    names = folder.names(place)
    suffix = next((suffix for suffix in (".png", ".jpg", ".jpeg", ".bmp") if f"{stem}{suffix}" in names), ".png")
    if scan := folder.place((place,), f"{stem}{suffix}", path):
        boxes, left_out = _boxes(folder, path, objects)
        width, height = _size(folder, path, document)
        yield SourceScan(scan, _split(path), boxes, scan, width, height, present=left_out)


def _split(path: str) -> str:
    """`train_set` and `test_set` are the authors' names; any folder that begins with a split's name will do."""
    folders = [part.lower() for part in PurePosixPath(path).parts[:-1]]
    return next((split for part in folders for split in ("train", "val", "test") if part.startswith(split)), "")


def _size(folder: IndexedFolder, path: str, document: dict[str, Any]) -> tuple[int, int]:
    try:
        return side(document.get("imgWidth")), side(document.get("imgHeight"))
    except Unusable as error:
        folder.warning(error.kind, path, str(error))
        return 0, 0


def _boxes(folder: IndexedFolder, path: str, objects: list[Any]) -> tuple[tuple[SourceBox, ...], frozenset[str]]:
    boxes: list[SourceBox] = []
    left_out: set[str] = set()
    for number, item in enumerate(objects, 1):
        label = item.get("label") if isinstance(item, dict) else None
        if not is_label(label):
            folder.error("malformed annotation", f"{path}: object {number}", "an object needs a label")
            left_out.add(UNNAMED)
            continue
        try:
            corners = points(item.get("polygon"), "malformed polygon")
            if len(corners) < 3:
                raise Unusable("malformed polygon", f"{len(corners)} points are no outline")
            boxes.append(SourceBox(label, bounds(corners), polygons=(flat(corners),)))
        except Unusable as error:
            folder.error(error.kind, f"{path}: object {number} ({label})", str(error))
            left_out.add(label)
    return tuple(boxes), frozenset(left_out)


#: How they are split is not confirmed.
ADAPTER = Adapter("PIXray", "academic use only", _recognise, _read, {"": Published(5_046)})
