"""One scan's labels in YOLO's text: `<class> <centre x> <centre y> <width> <height>` a line, in fractions of the scan.

A line with more, and an odd number of, columns is an outline: `<class> <x1> <y1> <x2> <y2> <x3> <y3> ...`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import yaml

from training.datasets.annotated_set import SourceBox
from training.datasets.scan_size import scan_size
from training.datasets.source_folder import SourceFolder

#: Bytes of a data.yaml or classes.txt, and of one scan's labels.
_MAX_NAMES_BYTES, _MAX_LABELS_BYTES = 2**20, 8 * 2**20
#: How far beyond the scan a fraction may lie before it can be none; some tools round outwards.
_BEYOND = 0.05
_DEEPEST = 8
_OPENING = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
)
_CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)
#: A class and four numbers; an outline has more.
BOX_COLUMNS, _FEWEST_OUTLINE_COLUMNS = 5, 7


def read_yaml(folder: SourceFolder, path: str) -> dict[str, object] | None:
    """A YAML file's keys and plain values; None with a Finding. Aliases and deep nesting are refused: the one can grow
    without bound, the other takes the parser minutes."""
    text = folder.text(path, _MAX_NAMES_BYTES)
    if text is None:
        return None
    try:
        _check_tokens(text)
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        folder.error(
            "unreadable annotations", path, f"not the YAML of a data set: {' '.join(str(error).split())[:200]}"
        )
        return None
    return {str(key): value for key, value in document.items()} if isinstance(document, dict) else {}


def names_of(document: Mapping[str, object]) -> dict[int, str]:
    """Class id -> name, from the key `names`, a list or a mapping. {} where there is none that can be used."""
    names = document.get("names")
    pairs = list(names.items() if isinstance(names, dict) else enumerate(names) if isinstance(names, list) else ())
    if not all(str(key).isdecimal() and isinstance(name, str | int | float) for key, name in pairs):
        return {}
    return {int(key): str(name).strip() for key, name in pairs}


def read_labels(
    folder: SourceFolder, path: str, picture: str, names: Mapping[int, str]
) -> tuple[tuple[SourceBox, ...], tuple[int, int], bool]:
    """(boxes, width and height of the scan, whether every line was read). An empty file is a scan without items.

    The picture's size is read only where there are lines; it is 0, 0 else. A line that cannot be read is a Finding.
    """
    text = folder.text(path, _MAX_LABELS_BYTES)
    lines = [line.split() for line in (text or "").splitlines()]
    if text is None or not any(lines):
        return (), (0, 0), text is not None
    size = scan_size(folder, picture)
    if size is None:
        return (), (0, 0), False
    boxes: list[SourceBox] = []
    complete = True
    for number, columns in enumerate(lines, 1):
        try:
            boxes += [_box(columns, names, size)] if columns else []
        except ValueError as error:
            folder.error("malformed box", f"{path}:{number}", str(error))
            complete = False
    return tuple(boxes), size, complete


def format_box(box: SourceBox, class_id: int, size: tuple[int, int]) -> str:
    """One line. size: width, height. Ten decimals: a thousandth of a pixel is kept in any scan that can be read."""
    width, height = size
    x1, y1, x2, y2 = box.box_xyxy
    fractions = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
    return " ".join([str(class_id), *(f"{fraction:.10f}" for fraction in fractions)])


def _check_tokens(text: str) -> None:
    """Raises ValueError at the first alias or beyond the depth that a data.yaml has."""
    depth = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if isinstance(token, yaml.AliasToken) or depth > _DEEPEST:
            raise ValueError("aliases and deep nesting are refused")


def _box(columns: list[str], names: Mapping[int, str], size: tuple[int, int]) -> SourceBox:
    if len(columns) != BOX_COLUMNS and (len(columns) < _FEWEST_OUTLINE_COLUMNS or len(columns) % 2 == 0):
        raise ValueError(f"{len(columns)} columns; a class and four numbers are needed, or an outline of x and y")
    label = _label(columns[0], names)
    values = [float(text) for text in columns[1:]]
    if not all(math.isfinite(value) and -_BEYOND <= value <= 1 + _BEYOND for value in values):
        raise ValueError(f"{label}: {' '.join(columns[1:5])} are no fractions of the scan")
    width, height = size
    if len(columns) == BOX_COLUMNS:
        x, y, across, down = values
        if across <= 0 or down <= 0:
            raise ValueError(f"{label}: a box without area, {' '.join(columns[1:])}")
        left, top = (x - across / 2) * width, (y - down / 2) * height
        return SourceBox(label, (left, top, (x + across / 2) * width, (y + down / 2) * height))
    outline = tuple(value * size[index % 2] for index, value in enumerate(values))
    corners = min(outline[::2]), min(outline[1::2]), max(outline[::2]), max(outline[1::2])
    if corners[0] >= corners[2] or corners[1] >= corners[3]:
        raise ValueError(f"{label}: an outline without area")
    return SourceBox(label, corners, polygons=(outline,))


def _label(text: str, names: Mapping[int, str]) -> str:
    number = float(text)
    if not number.is_integer() or int(number) not in names:
        raise ValueError(f"class {text} is none of the {len(names)} that are named")
    return names[int(number)]
