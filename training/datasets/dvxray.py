"""DvXray: bags seen from above (OL) and from the side (SD), 15 classes, and 11,000 bags without items.

    DvXray_Positive_Samples/P03152.json   P03152_OL.png   P03152_SD.png        DvXray_Negative_Samples/...

    {"name": ..., "objects": [{"label": "Gun", "ol_bb": [x1, y1, x2, y2], "sd_bb": [x1, y1, x2, y2]}]}

`objects` is the text "None" for a clean bag. A box may be the text "difficult": the item is in the bag but could not be
outlined in that view. There is then no region to leave out, so the label goes into `present` of that view, which was
not looked for it unless another item of the label is boxed there. Both views of a bag share their group. There is no
official split. The two folders come as two archives: each is read by itself, too, and clean bags were looked through
for all classes. Source: github.com/Mbwslib/DvXray.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from posixpath import join, split
from typing import Any

from training.datasets.annotated_set import Adapter, Published, SourceBox, SourceScan, SourceSet
from training.datasets.annotation_values import (
    UNNAMED,
    Unusable,
    corners_from_xyxy,
    is_label,
    labels_met,
    leave_out_unboxed,
)
from training.datasets.findings import NothingToRead
from training.datasets.indexed_folder import MAX_SCAN_BYTES, IndexedFolder, has_key, head
from training.datasets.source_folder import first_files, stem_of

#: What every bag was looked through for (dataset.py): the clean ones name none of it.
_LABELS = (
    "Gun", "Knife", "Wrench", "Pliers", "Scissors", "Lighter", "Battery", "Bat",
    "Razor_blade", "Saw_blade", "Fireworks", "Hammer", "Screwdriver", "Dart", "Pressure_vessel",
)  # fmt: skip
#: Where one zip or the authors' own code puts them; the last is one of these folders itself.
_FOLDERS = ("DvXray_Positive_Samples", "DvXray_Negative_Samples", "DvXray", "")
_VIEWS = ("OL", "SD")


def _recognise(root: Path) -> bool:
    annotations = (path for folder in _FOLDERS for path in first_files(root, folder, ".json") if _has_view(path))
    starts = map(head, annotations)
    return any(has_key(start, "objects") and not has_key(start, "polygon") for start in starts)


def _has_view(annotation: Path) -> bool:
    return any(annotation.with_name(f"{annotation.stem}_{view}.png").is_file() for view in _VIEWS)


def _read(root: Path) -> SourceSet:
    folder = IndexedFolder(root)
    bags = [join(place, name) for place in _FOLDERS for name in sorted(folder.names(place)) if name.endswith(".json")]
    scans = [scan for path in bags for scan in _bag(folder, path)]
    if not scans:
        raise NothingToRead(
            f"no pairs of views with annotations in {root}",
            folder.findings,
            remedy=f"give the folder that holds {_FOLDERS[0]}/",
        )
    _note_scans_without_annotation(folder, {path.removesuffix(".json") for path in bags})
    labels = tuple(dict.fromkeys((*_LABELS, *labels_met(scans))))
    return SourceSet(
        "dvxray", root, labels, tuple(leave_out_unboxed(scan, labels) for scan in scans), tuple(folder.findings)
    )


def _bag(folder: IndexedFolder, path: str) -> Iterator[SourceScan]:
    document = folder.json(path, MAX_SCAN_BYTES)
    if document is None:
        return
    objects = document.get("objects") if isinstance(document, dict) else None
    if objects == "None":
        objects = []
    if not isinstance(objects, list):
        folder.error("malformed annotation", path, 'objects is neither a list nor "None"; both views are left out')
        return
    place, name = split(path)
    for view in _VIEWS:
        if scan := folder.place((place,), f"{stem_of(name)}_{view}.png", f"{path} {view}"):
            yield _view(folder, path, scan, view, objects)


def _view(folder: IndexedFolder, path: str, scan: str, view: str, objects: list[Any]) -> SourceScan:
    boxes: list[SourceBox] = []
    present: set[str] = set()
    for number, item in enumerate(objects, 1):
        subject = f"{path} {view}: object {number}"
        label = item.get("label") if isinstance(item, dict) else None
        if not is_label(label):
            folder.error("malformed annotation", subject, "an object needs a label")
            present.add(UNNAMED)
            continue
        corners = item.get(f"{view.lower()}_bb")
        try:
            if corners != "difficult":
                boxes.append(SourceBox(label, corners_from_xyxy(corners)))
                continue
        except Unusable as error:
            folder.error(error.kind, f"{subject} ({label})", str(error))
        present.add(label)
    return SourceScan(scan, "", tuple(boxes), path.removesuffix(".json"), present=frozenset(present), subset=view)


def _note_scans_without_annotation(folder: IndexedFolder, annotated: set[str]) -> None:
    for place in _FOLDERS:
        views = (join(place, name) for name in folder.scans(place))
        extra = [path for path in views if path.rpartition("_")[0] not in annotated]
        folder.warning_together("missing annotation", extra, "no JSON for the pair; left out", left_out=True)


#: Scans are files: two a bag.
ADAPTER = Adapter("DvXray, two views", "academic use only", _recognise, _read, {"": Published(2 * 16_000)})
