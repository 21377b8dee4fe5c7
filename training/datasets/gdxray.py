"""GDXray+, its baggage (domingomery.ing.puc.cl/material/gdxray; github.com/domingomery/Xvis, XshowGT.m).

    Baggages/B0046/B0046_0001.png ...   Baggages/B0046/ground_truth.txt or BoundingBox.mat

A line of ground_truth.txt is `image x1 x2 y1 y2`, in that order, pixels counted from 1; with nine columns it is the
image and four corners x y, with three a point, which is no box. BoundingBox.mat holds the same rows as `bb`; those of
series B0031 have y1 and y2 exchanged. The files carry no class names: a series shows one kind of item, which is known
for B0046 to B0048 and is `object` for the others. A series without either file is not annotated, rather than empty.
The frames of a series show one bag being turned, so they share a group.
"""

from __future__ import annotations

import io
import math
import re
import zlib
from collections import defaultdict
from pathlib import Path
from typing import Literal

from scipy.io import loadmat, whosmat
from scipy.io.matlab import MatReadError

from training.datasets.annotated_set import Adapter, Published, SourceBox, SourceScan, SourceSet
from training.datasets.exchange_layouts import is_exchanged
from training.datasets.findings import NothingToRead
from training.datasets.source_folder import SourceFolder, first_files, subfolders

#: Series -> what it shows.
LABEL_OF_SERIES = {"B0046": "handgun", "B0047": "shuriken", "B0048": "razor_blade"}
OTHER_LABEL = "object"
_SERIES = re.compile(r"B\d{4}$")
_FRAME = re.compile(r"(B\d{4})_(\d{4,})\.png$", re.I)
_EXCHANGED = "B0031"
#: Files of a series with its boxes.
_TEXT, _MAT = "ground_truth.txt", "BoundingBox.mat"
#: Bytes of BoundingBox.mat, and of what it unpacks to: 100,000 rows of five doubles.
_MAT_BYTES, _MAT_UNPACKED = 2**20, 4 * 2**20
_MAT_HEADER, _MAT_COMPRESSED = 128, 15
_MAT_FAULTS = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    NotImplementedError,
    OSError,
    MatReadError,
    zlib.error,
)


def recognise(root: Path) -> bool:
    """Whether there are series of baggage with frames of that name, and its own boxes or no format of exchange."""
    baggage = root / "Baggages" if (root / "Baggages").is_dir() else root
    series = [name for name in subfolders(baggage) if _SERIES.match(name)]
    if not any(_FRAME.match(path.name) for name in series[:10] for path in first_files(baggage, name, ".png")):
        return False
    return any((baggage / name / file).is_file() for name in series for file in (_TEXT, _MAT)) or not is_exchanged(root)


def read(root: Path) -> SourceSet:
    """All series of baggage, from the folder that holds Baggages/ or from that. Raises SettingsInvalid without any."""
    folder = SourceFolder(root)
    inside = folder.folders("Baggages")
    series = [path for path in inside or folder.folders() if _SERIES.match(path.rpartition("/")[2])]
    scans = [scan for path in series for scan in _read_series(folder, path)]
    if not scans:
        raise NothingToRead(
            f"no series of baggage in {root}", folder.findings, remedy="give the folder that holds Baggages/"
        )
    others = [path for path in folder.folders() if path in ("Castings", "Nature", "Settings", "Welds")]
    folder.warning_together("left out", others, "not baggage")
    return SourceSet("gdxray", root, (*LABEL_OF_SERIES.values(), OTHER_LABEL), tuple(scans), tuple(folder.findings))


def _read_series(folder: SourceFolder, series: str) -> list[SourceScan]:
    name = series.rpartition("/")[2]
    label = LABEL_OF_SERIES.get(name, OTHER_LABEL)
    rows = _rows(folder, series)
    boxes: dict[int, list[SourceBox]] = defaultdict(list)
    unboxed: set[int | None] = set()
    for number, row in enumerate(rows or (), 1):
        try:
            frame, box = _box(folder, row, name, label)
        except ValueError as error:
            folder.error("malformed box", f"{series}: row {number}", str(error))
            unboxed.add(_frame_of(row))
            continue
        if box is not None:
            boxes[frame].append(box)
        else:
            unboxed.add(frame)
    frames = {int(match[2]): path for path in folder.pictures(series) if (match := _frame(path))}
    for frame in sorted(boxes.keys() - frames.keys()):
        folder.error(
            "missing file",
            f"{series}: frame {frame}",
            f"it has {len(boxes[frame])} boxes and no picture",
            left_out=True,
        )
    # A row of which not even the frame can be read may be about any frame of the series.
    clean = frozenset({label} if rows is not None and None not in unboxed else ())
    return [
        SourceScan(
            path,
            "",
            tuple(boxes.get(frame, ())),
            name,
            looked_for=frozenset() if frame in unboxed else clean,
            subset=name,
        )
        for frame, path in frames.items()
    ]


def _frame_of(row: list[float]) -> int | None:
    return round(row[0]) if row and math.isfinite(row[0]) else None


def _frame(path: str) -> re.Match[str] | None:
    return _FRAME.match(path.rpartition("/")[2])


def _rows(folder: SourceFolder, series: str) -> list[list[float]] | None:
    """The rows of ground_truth.txt or else of BoundingBox.mat; None where nobody annotated the series."""
    if folder.has_file(f"{series}/{_TEXT}"):
        return _text_rows(folder, f"{series}/{_TEXT}")
    if folder.has_file(f"{series}/{_MAT}"):
        return _mat_rows(folder, f"{series}/{_MAT}")
    return None


def _text_rows(folder: SourceFolder, path: str) -> list[list[float]] | None:
    text = folder.text(path)
    if text is None:
        return None
    lines = [line.replace(",", " ").split() for line in text.splitlines() if line.strip()]
    return [[_number(value) for value in line] for line in lines]


def _number(text: str) -> float:
    """NaN for what is no number: the row is refused, and its frame known where that can be read."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _mat_rows(folder: SourceFolder, path: str) -> list[list[float]] | None:
    content = folder.content(path, _MAT_BYTES)
    if content is None:
        return None
    try:
        _check_unpacked(content)
        shapes = {name: (shape, kind) for name, shape, kind in whosmat(io.BytesIO(content))}
        shape, kind = shapes["bb"]
        if len(shape) != 2 or kind in ("cell", "struct", "object", "char", "function", "opaque", "sparse"):
            raise ValueError(f"bb is a {kind} of shape {shape}, not rows of numbers")
        # Only numbers are asked for: MATLAB's files can also hold objects and functions.
        found = loadmat(io.BytesIO(content), variable_names=["bb"])["bb"]
        return [[float(value) for value in row] for row in found]
    except _MAT_FAULTS as error:
        folder.error(
            "unreadable annotations", path, f"no MATLAB file with rows named bb: {type(error).__name__} {error}"
        )
        return None


def _check_unpacked(content: bytes) -> None:
    """Raises ValueError where a compressed part of a MATLAB 5 file unpacks to more than any list of boxes."""
    position = _MAT_HEADER
    order: Literal["big", "little"] = "big" if content[126:128] == b"MI" else "little"
    while position + 8 <= len(content):
        kind, size = (int.from_bytes(content[at : at + 4], order) for at in (position, position + 4))
        if kind == _MAT_COMPRESSED:
            plain = zlib.decompressobj().decompress(content[position + 8 : position + 8 + size], _MAT_UNPACKED + 1)
            if len(plain) > _MAT_UNPACKED:
                raise ValueError(f"it unpacks to more than {_MAT_UNPACKED} bytes")
        position += 8 + size


def _box(folder: SourceFolder, row: list[float], series: str, label: str) -> tuple[int, SourceBox | None]:
    """(frame, its box); no box for a point. Raises ValueError for a row that is neither."""
    if not row or not all(math.isfinite(value) for value in row):
        raise ValueError(f"{row} is no row of numbers")
    frame, values = round(row[0]), row[1:]
    if len(values) == 2:
        folder.warning("point", f"{series}: frame {frame}", "a point is no box; it is left out")
        return frame, None
    if len(values) == 8:
        # A pixel counted from 1 lies around its number less a half.
        outline = tuple(value - 0.5 for value in values)
        x, y = values[::2], values[1::2]
        return frame, _checked(label, (min(x), max(x), min(y), max(y)), (outline,))
    if len(values) != 4:
        raise ValueError(f"{len(row)} columns; 5, 9 or 3 are known")
    x1, x2, y1, y2 = values
    if y1 > y2:
        if series != _EXCHANGED:
            folder.warning("exchanged corners", f"{series}: frame {frame}", "y1 is below y2; they are exchanged")
        y1, y2 = y2, y1
    return frame, _checked(label, (x1, x2, y1, y2), ())


def _checked(
    label: str, sides: tuple[float, float, float, float], polygons: tuple[tuple[float, ...], ...]
) -> SourceBox:
    x1, x2, y1, y2 = sides
    if x2 < x1 or y2 < y1:
        raise ValueError(f"x {x1:g} to {x2:g}, y {y1:g} to {y2:g} is no box")
    return SourceBox(label, (x1 - 1, y1 - 1, x2, y2), polygons=polygons)


ADAPTER = Adapter(
    title="GDXray+ Baggages",
    terms="research and education only, no redistribution",
    recognise=recognise,
    read=read,
    published={"": Published(9700)},
)
