"""IS2AI CargoXray: trucks and rail cars with boxes around goods (github.com/IS2AI/cargoxray).

    images.json.gz        image_id, size (bytes), md5, width, height, filepath
    annotations.json.gz   bbox_id, image_id, x, y, width, height, label; x y is the centre, all in fractions
    json_files.json.gz    where the annotations came from; not read

Tables as pandas writes them: a list of rows, or column -> row number -> value. The size and the MD5 of every file that
has one listed are checked, which reads all of it (101.6 GB for the whole set). Files of one content share a group.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import math
import zlib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.datasets.annotated_set import Adapter, Published, SourceBox, SourceScan, SourceSet
from training.datasets.findings import NothingToRead
from training.datasets.source_folder import SourceFolder, is_confined

LABELS = ("shoes", "spare_parts", "clothes", "textile", "toys", "fabrics", "tires")
_IMAGES, _ANNOTATIONS = "images.json.gz", "annotations.json.gz"
#: Bytes of a table, packed and unpacked; the published ones hold some 20,000 scans.
_PACKED, _UNPACKED = 64 * 2**20, 256 * 2**20

_Row = Mapping[str, Any]


def recognise(root: Path) -> bool:
    """Whether both tables are there."""
    return (root / _IMAGES).is_file() and (root / _ANNOTATIONS).is_file()


def read(root: Path) -> SourceSet:
    """All scans of the table. Raises SettingsInvalid if there are none."""
    folder = SourceFolder(root)
    images = [row for row in _read_table(folder, _IMAGES) if _is_scan(folder, row)]
    rows: dict[str, list[_Row]] = defaultdict(list)
    for row in _read_table(folder, _ANNOTATIONS):
        rows[str(row.get("image_id"))].append(row)
    if not images:
        raise NothingToRead(
            f"no scans listed in {root / _IMAGES}", folder.findings, remedy=f"give the folder that holds {_IMAGES}"
        )
    for unknown in sorted(rows.keys() - {str(row["image_id"]) for row in images}):
        folder.error("unknown id", f"image_id {unknown}", f"{len(rows[unknown])} boxes of a scan that is not there")
    scans = [_read_scan(folder, row, rows.get(str(row["image_id"]), [])) for row in images]
    others = {box.label for scan in scans for box in scan.boxes} - set(LABELS)
    return SourceSet("is2ai", root, (*LABELS, *sorted(others)), tuple(scans), tuple(folder.findings))


def _read_table(folder: SourceFolder, path: str) -> list[_Row]:
    packed = folder.content(path, _PACKED)
    if packed is None:
        return []
    try:
        with gzip.open(io.BytesIO(packed)) as stream:
            content = stream.read(_UNPACKED + 1)
        if len(content) > _UNPACKED:
            raise ValueError(f"it unpacks to more than {_UNPACKED} bytes")
        table = json.loads(content)
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        folder.error("unreadable annotations", path, f"{type(error).__name__}: {error}")
        return []
    rows = _rows(table)
    for number in (number for number, row in enumerate(rows) if not isinstance(row, dict)):
        folder.error("malformed entry", f"{path}: row {number}", "it is no row with named columns")
    return [row for row in rows if isinstance(row, dict)]


def _rows(table: Any) -> list[Any]:
    if isinstance(table, list):
        return table
    if not isinstance(table, dict) or not all(isinstance(column, dict) for column in table.values()):
        return [table]
    numbers = dict.fromkeys(number for column in table.values() for number in column)
    return [{name: column.get(number) for name, column in table.items()} for number in numbers]


def _is_scan(folder: SourceFolder, row: _Row) -> bool:
    """Whether a row names a scan that is there as it is described; a Finding says why not."""
    path, subject = row.get("filepath"), f"{_IMAGES}: image_id {row.get('image_id')}"
    if not isinstance(path, str) or "image_id" not in row:
        folder.error("malformed entry", subject, "it lacks image_id or filepath")
    elif not is_confined(path):
        folder.error("path refused", subject, f"{path!r} leads out of the folder")
    elif not folder.has_file(path):
        folder.error("missing file", path, "the scan is not there", left_out=True)
    elif not _pixels(row):
        folder.error("malformed entry", subject, f"width {row.get('width')!r}, height {row.get('height')!r}")
    else:
        _check_content(folder, path, row)
        return True
    return False


def _pixels(row: _Row) -> tuple[int, int] | None:
    try:
        width, height = int(row["width"]), int(row["height"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return (width, height) if width > 0 and height > 0 else None


def _check_content(folder: SourceFolder, path: str, row: _Row) -> None:
    scan, size, listed = folder.root / path, row.get("size"), row.get("md5")
    try:
        found = scan.stat().st_size
        if isinstance(size, int) and found != size:
            folder.error("size mismatch", path, f"{found} bytes; the table says {size}")
        elif isinstance(listed, str) and (digest := _md5(scan)) != listed.strip().lower():
            folder.error("digest mismatch", path, f"MD5 {digest}; the table says {listed}: another or a damaged file")
    except OSError as error:
        folder.error("unreadable scan", path, error.strerror or str(error))


def _md5(scan: Path) -> str:
    with scan.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _read_scan(folder: SourceFolder, row: _Row, rows: list[_Row]) -> SourceScan:
    size = _pixels(row) or (0, 0)
    boxes: list[SourceBox] = []
    for each in rows:
        try:
            boxes.append(_box(each, size))
        except ValueError as error:
            folder.error("malformed box", f"{_ANNOTATIONS}: bbox_id {each.get('bbox_id')}", str(error))
    path = str(row["filepath"])
    # A row that cannot be read may be about any goods, also about such as have boxes.
    looked_for = None if len(boxes) == len(rows) else frozenset[str]()
    return SourceScan(path, "", tuple(boxes), str(row.get("md5") or path), *size, looked_for)


def _box(row: _Row, size: tuple[int, int]) -> SourceBox:
    label = row.get("label")
    if not isinstance(label, str) or not label.strip():
        raise ValueError(f"{label!r} is no label")
    try:
        x, y, width, height = (float(row[name]) for name in ("x", "y", "width", "height"))
    except (KeyError, TypeError, ValueError):
        raise ValueError("x, y, width and height are not all numbers") from None
    if not all(map(math.isfinite, (x, y, width, height))) or width <= 0 or height <= 0:
        raise ValueError(f"{label}: {x} {y} {width} {height} is no box")
    if max(abs(x), abs(y), width, height) > 2:
        raise ValueError(f"{label}: {x} {y} {width} {height} are pixels, not fractions of the scan")
    left, right = (x - width / 2) * size[0], (x + width / 2) * size[0]
    return SourceBox(label.strip(), (left, (y - height / 2) * size[1], right, (y + height / 2) * size[1]))


ADAPTER = Adapter(
    title="IS2AI CargoXray",
    terms="not publicly available; terms are those of the agreement under which it was given",
    recognise=recognise,
    read=read,
    published={"": Published(17_779)},
)
