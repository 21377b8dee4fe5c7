"""Label Studio's export: `<anything>.json` with a list of tasks, as JSON or JSON-MIN, and the scans beside it.

Rectangles and polygons are per cent of the scan. A turned rectangle is refused by a Finding, predictions are passed
over, a task without annotation was never looked at and is left out; an annotation without regions is a clean scan.
Uploads, local files and links are looked for under the root by the path that the task names, by the end of it, then in
`images/` and in the root by name, without the digest that an upload puts before it. The split is the first folder
of the scan's path that is called as one.

`write` gives `label_studio.json` and every scan under its old path. Further keys go into a task's `meta`, attributes
and `ignore` are choices of a region, outlines are polygons whose parent is the box. Nothing else is lost; numbers come
back to 1e-6 pixel. To import it, serve the folder as local files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from detector.errors import SettingsInvalid
from training.datasets.annotated_set import Adapter, SourceBox, SourceScan, SourceSet
from training.datasets.annotation_values import leave_out_unboxed
from training.datasets.carried_keys import all_labels, carried_keys, refuse_unwritable, take_carried, write_labels
from training.datasets.exchange import into_new_folder, place_scans
from training.datasets.findings import NothingToRead
from training.datasets.indexed_folder import IndexedFolder, has_key, head
from training.datasets.label_studio_task import IGNORE, disputed, read_regions, results_of, scan_of, size_of
from training.datasets.repeated_scans import first_of_each
from training.datasets.scan_size import scan_size
from training.datasets.source_folder import SourceFolder, common_group, first_files
from training.datasets.splits import split_of_path

_FILE = "label_studio.json"
_LOCAL = "/data/local-files/?d="
#: Label Studio calls an export project-<number>-at-<date and time>-<digits>.json.
_EXPORTED = re.compile(r"-at-(\d{4}-\d\d-\d\d(?:-\d\d-\d\d)?)")
#: Names of the tools in the labelling configuration.
_BOX, _OUTLINE, _IMAGE = "label", "outline", "image"


def recognise(root: Path) -> bool:
    """Whether a JSON file in the root is a list of Label Studio's tasks."""
    return any(_is_export(head(path)) for path in first_files(root, "", ".json"))


def _is_export(start: bytes) -> bool:
    if not start.startswith(b"["):
        return False
    if has_key(start, "rectanglelabels") or has_key(start, "polygonlabels"):
        return True
    return has_key(start, "data") and (has_key(start, "annotations") or has_key(start, "completions"))


def read(root: Path) -> SourceSet:
    """All tasks of all exports in the root; of a scan in several, that of the newest. Raises SettingsInvalid if there
    is none."""
    folder = IndexedFolder(root)
    exports = [name for name in folder.names("") if name.endswith(".json") and _is_list(root / name)]
    scans = first_of_each(folder, [(name, _scans_of(folder, name)) for name in _newest_first(exports)])
    if not scans:
        raise NothingToRead(
            f"no annotated tasks of Label Studio in {root}", folder.findings, remedy="export as JSON into this folder"
        )
    labels = all_labels(folder, scans)
    kept = tuple(leave_out_unboxed(scan, labels) for scan in scans)
    return SourceSet("label-studio", root, labels, kept, tuple(folder.findings))


def _newest_first(exports: Collection[str]) -> list[str]:
    """Those with a date in their name by that, before others by their names."""
    dated = {name: found[1] for name in exports if (found := _EXPORTED.search(name))}
    return [*sorted(dated, key=lambda name: (dated[name], name), reverse=True), *sorted(set(exports) - dated.keys())]


def _scans_of(folder: IndexedFolder, name: str) -> list[SourceScan]:
    """Those of one export, the first task of each."""
    scans: dict[str, SourceScan] = {}
    for number, task in enumerate(_tasks(folder, name), 1):
        scan = _read_task(folder, task, f"{name}: task {number}")
        if scan and scans.setdefault(scan.path, scan) is not scan:
            folder.error("repeated file", f"{name}: task {number}", f"{scan.path} has a task already; passed over")
    return list(scans.values())


def _is_list(path: Path) -> bool:
    return head(path).startswith(b"[")


def _tasks(folder: IndexedFolder, name: str) -> list[Any]:
    document = folder.json(name)
    return document if isinstance(document, list) else []


def _read_task(folder: IndexedFolder, task: Any, subject: str) -> SourceScan | None:
    if not isinstance(task, dict):
        folder.error("malformed annotation", subject, f"{task!r:.60} is no task")
        return None
    results = results_of(folder, task, subject)
    if results is None:
        return None
    path = scan_of(folder, task, subject)
    if path is None:
        return None
    width, height = size_of(folder, task, results, subject)
    boxes, left_out = read_regions(folder, results, (width, height), subject)
    left_out |= disputed(task, results)
    scan = SourceScan(path, split_of_path(path), boxes, common_group(path), width, height, None, left_out)
    meta = task.get("meta")
    return take_carried(scan, meta) if isinstance(meta, dict) else scan


@into_new_folder
def write(source: SourceSet, folder: Path) -> None:
    """The export, scans and labels.txt in a new folder.

    Raises SettingsInvalid for a scan with boxes whose size neither the set nor the file says: per cent need it.
    """
    refuse_unwritable(source, "Label Studio", listed=True)
    if any(IGNORE in box.attributes for scan in source.scans for box in scan.boxes):
        what = f"Label Studio cannot hold an attribute called {IGNORE}: it marks items to be ignored"
        raise SettingsInvalid(what, remedy="rename the attribute")
    place_scans(source, folder, lambda scan: scan.path)
    placed = SourceFolder(folder)
    tasks = [_task(placed, scan, number) for number, scan in enumerate(source.scans, 1)]
    (folder / _FILE).write_text(json.dumps(tasks, allow_nan=False), encoding="utf-8")
    write_labels(source, folder)


def _task(folder: SourceFolder, scan: SourceScan, number: int) -> dict[str, Any]:
    known = bool(scan.width and scan.height)
    size = (scan.width, scan.height) if known else scan_size(folder, scan.path)
    if size is None:
        raise SettingsInvalid(f"{scan.path}: its size cannot be read", remedy="leave the scan out")
    regions = (result for index, box in enumerate(scan.boxes) for result in _results(box, f"box{index}", size))
    return {
        "id": number,
        "data": {_IMAGE: _LOCAL + quote(scan.path), "width": size[0], "height": size[1]},
        "meta": carried_keys(scan),
        "annotations": [{"id": number, "was_cancelled": False, "result": list(regions)}],
        "predictions": [],
    }


def _results(box: SourceBox, identity: str, size: tuple[int, int]) -> Iterator[dict[str, Any]]:
    """The regions of one item: its box, its outlines as children, its marks as choices of the box."""
    x1, y1, x2, y2 = _per_cent(box.box_xyxy, size)
    value: dict[str, Any] = {"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1, "rotation": 0}
    yield _region(identity, "rectanglelabels", _BOX, value | {"rectanglelabels": [box.label]}, size)
    for index, polygon in enumerate(box.polygons):
        flat = _per_cent(polygon, size)
        corners = [[x, y] for x, y in zip(flat[::2], flat[1::2], strict=True)]
        outline = {"points": corners, "closed": True, "polygonlabels": [box.label]}
        child = _region(f"{identity}outline{index}", "polygonlabels", _OUTLINE, outline, size)
        yield child | {"parentID": identity}
    marks = dict(box.attributes) | ({IGNORE: IGNORE} if box.ignore else {})
    for name, choice in marks.items():
        yield _region(identity, "choices", name, value | {"choices": [choice]}, size)


def _region(identity: str, kind: str, tool: str, value: dict[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    return {
        "id": identity,
        "type": kind,
        "from_name": tool,
        "to_name": _IMAGE,
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
        "value": value,
    }


def _per_cent(values: Sequence[float], size: tuple[int, int]) -> list[float]:
    """x y x y ... in pixels as per cent of width and height."""
    return [100 * value / size[index % 2] for index, value in enumerate(values)]


ADAPTER = Adapter("Label Studio", "as the set's owner says", recognise, read, write=write)
