"""LabelMe: a JSON file beside each scan, rectangles and polygons (also as X-AnyLabeling writes it).

The picture is the one that `imagePath` names; where that is not in the set, or is another scan although a picture of
the file's own name lies beside it, it is this one; of several the one with the suffix of `imagePath`. A path that leads
out of the set is never opened.

A scan without JSON was never looked at and is left out; one with an empty list of shapes is clean. The split is the
first folder of a path that is called as one. `labels.txt`, which LabelMe takes its labels from, lists also labels of
which there is no shape.

`write` gives every scan under its old path. LabelMe keeps keys that it does not know when it saves: `split`, `group`,
`subset`, `scanner`, `drawn`, `looked_for` and `present` go there. An item of several outlines, or whose box is not
theirs, is shapes of one `group_id`. Items to be ignored have the flag `ignore`. Nothing else is lost; numbers come back
exactly.
"""

from __future__ import annotations

import json
import posixpath
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.datasets import stcray
from training.datasets.annotated_set import Adapter, SourceBox, SourceScan, SourceSet
from training.datasets.annotation_values import leave_out_unboxed, pairs
from training.datasets.carried_keys import all_labels, carried_keys, refuse_unwritable, take_carried, write_labels
from training.datasets.exchange import into_new_folder, place_scans
from training.datasets.findings import NothingToRead
from training.datasets.indexed_folder import MAX_SCAN_BYTES, IndexedFolder, has_key, head, nearby_json, plain_path
from training.datasets.labelme_document import read_shapes, stated_size, union
from training.datasets.scan_size import scan_size
from training.datasets.source_folder import SourceFolder, common_group, is_confined, stem_of
from training.datasets.splits import split_of_path


def recognise(root: Path) -> bool:
    """Whether some JSON file of the nearest folders has shapes, and the folder is no set of its own."""
    return any(_is_labelme(head(path)) for path in nearby_json(root)) and not stcray.ADAPTER.recognise(root)


def _is_labelme(start: bytes) -> bool:
    return start.startswith(b"{") and has_key(start, "shapes")


def read(root: Path) -> SourceSet:
    """All scans with a JSON file. Raises SettingsInvalid if there is none."""
    folder = IndexedFolder(root)
    pictures = _Pictures(folder)
    found = [(path, scan) for path in folder.files("", (".json",)) if (scan := _read_scan(folder, path, pictures))]
    by_path: dict[str, SourceScan] = {}
    # A file of the picture's own name comes before others that name it.
    for path, scan in sorted(found, key=lambda each: stem_of(each[0]) != stem_of(each[1].path)):
        if by_path.setdefault(scan.path, scan) is not scan:
            folder.error("repeated file", path, f"another file annotates {scan.path}; this one is passed over")
    if not by_path:
        raise NothingToRead(
            f"no scans with LabelMe's JSON in {root}", folder.findings, remedy="give the folder that holds both"
        )
    message = "imagePath is not in the set, or another scan; the picture of the file's own name beside it was taken"
    folder.warning_together("other scan's name", pictures.taken, message)
    without = [path for path in pictures.paths if path not in by_path]
    folder.warning_together("missing annotation", without, "no usable JSON for the scan; left out", left_out=True)
    labels = all_labels(folder, list(by_path.values()))
    kept = tuple(leave_out_unboxed(scan, labels) for scan in by_path.values())
    return SourceSet("labelme", root, labels, kept, tuple(folder.findings))


class _Pictures:
    """The set's pictures. taken: annotations whose picture is not the one that their imagePath names."""

    def __init__(self, folder: IndexedFolder) -> None:
        self._folder = folder
        self.paths = list(folder.pictures(""))
        self.taken: list[str] = []
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for path in self.paths:
            self._by_name[posixpath.splitext(path)[0]].append(path)

    def find(self, annotation: str, image: Any) -> str | None:
        """Below the root; None, and a Finding, where there is none. image: imagePath as written, of any type."""
        said = _from_root(annotation, image)
        named = plain_path(said)
        own = self._by_name.get(posixpath.splitext(annotation)[0], [])
        if not own or (named is not None and self._folder.holds(named) and stem_of(named) == stem_of(annotation)):
            return self._folder.place(("",), said, annotation)
        suffix = posixpath.splitext(image if isinstance(image, str) else "")[1].lower()
        likely = own if len(own) == 1 else [path for path in own if posixpath.splitext(path)[1].lower() == suffix]
        if len(likely) != 1:
            message = f"its scan may be any of {', '.join(own)}: imagePath is none of them; name the one that it is of"
            self._folder.error("missing scan", annotation, message, left_out=True)
            return None
        self.taken.append(annotation)
        return likely[0]


def _read_scan(folder: IndexedFolder, path: str, pictures: _Pictures) -> SourceScan | None:
    document = folder.json(path, MAX_SCAN_BYTES)
    if document is None:
        return None
    if not isinstance(document, dict) or "imagePath" not in document:
        folder.error("malformed annotation", path, "no document of LabelMe: it has no imagePath")
        return None
    scan = pictures.find(path, document["imagePath"])
    if scan is None:
        return None
    boxes, left_out = read_shapes(folder, document, path)
    width, height = stated_size(folder, document, path)
    found = SourceScan(scan, split_of_path(scan), boxes, common_group(scan), width, height, None, left_out)
    return take_carried(found, document)


def _from_root(path: str, image: Any) -> Any:
    """imagePath, which is relative to its JSON file and may climb within the set, as a path below the root."""
    if not isinstance(image, str):
        return image
    parts = image.replace("\\", "/").split("/")
    climbs = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
    rest = "/".join(parts[climbs:])
    # What is left after climbing must be a plain path: `..//etc/x` and `C:x` lead elsewhere.
    return posixpath.normpath("/".join([posixpath.dirname(path) or ".", *parts])) if is_confined(rest) else image


@into_new_folder
def write(source: SourceSet, folder: Path) -> None:
    """Scans, JSON and labels.txt in a new folder. A scan whose size is not known gets the one of its file."""
    refuse_unwritable(source, "LabelMe", listed=True)
    place_scans(source, folder, lambda scan: scan.path)
    placed = SourceFolder(folder)
    for scan in source.scans:
        document = json.dumps(_document(placed, scan), allow_nan=False, indent=2)
        (folder / scan.path).with_suffix(".json").write_text(document, encoding="utf-8")
    write_labels(source, folder)


def _document(folder: SourceFolder, scan: SourceScan) -> dict[str, Any]:
    known = bool(scan.width and scan.height)
    width, height = (scan.width, scan.height) if known else scan_size(folder, scan.path) or (None, None)
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": [shape for number, box in enumerate(scan.boxes, 1) for shape in _shapes(box, number)],
        "imagePath": posixpath.basename(scan.path),
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
        **carried_keys(scan),
    }


def _shapes(box: SourceBox, number: int) -> Iterator[dict[str, Any]]:
    """The shapes of one item. number: its group where it needs several."""
    own_box = not box.polygons or union(box.polygons) != box.box_xyxy
    group = number if len(box.polygons) + own_box > 1 else None
    if own_box:
        x1, y1, x2, y2 = box.box_xyxy
        yield _shape(box, "rectangle", [(x1, y1), (x2, y2)], group)
    for polygon in box.polygons:
        yield _shape(box, "polygon", pairs(polygon), group)


def _shape(box: SourceBox, kind: str, points: list[tuple[float, float]], group: int | None) -> dict[str, Any]:
    shape = {
        "label": box.label,
        "points": [list(point) for point in points],
        "group_id": group,
        "description": "",
        "shape_type": kind,
        "flags": {"ignore": True} if box.ignore else {},
    }
    return shape | ({"attributes": dict(box.attributes)} if box.attributes else {})


ADAPTER = Adapter("LabelMe", "as the set's owner says", recognise, read, write=write)
