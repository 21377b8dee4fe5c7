"""Shapes of LabelMe: rectangles and polygons of one scan, read without trusting them.

A rectangle is two opposite corners in any order (some tools write all four). An item of several outlines is shapes of
one label and one `group_id`; with one rectangle among them, that is the item's box. Circles, lines, points and turned
rectangles are no boxes: each leaves a Finding, and its label stays known to be in the scan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from training.datasets.annotated_set import Corners, SourceBox
from training.datasets.annotation_values import UNNAMED, Outline, Unusable, bounds, flat, is_label, pairs, points, side
from training.datasets.source_folder import SourceFolder

#: Flags of a shape by which tools mark an item that is neither a hit nor a false alarm.
_IGNORE = ("ignore", "difficult", "crowd")


@dataclass(frozen=True)
class Shape:
    """One shape. box: its bounds. outline: () for a rectangle. group: shapes of one item share it; None for none."""

    label: str
    box: Corners
    outline: Outline
    group: Hashable
    ignore: bool
    attributes: dict[str, str]


def read_shapes(folder: SourceFolder, document: Any, path: str) -> tuple[tuple[SourceBox, ...], frozenset[str]]:
    """The boxes of one document, and the labels of shapes that had to be left out, each with a Finding.

    UNNAMED is among these for a shape without a label, and where the shapes themselves cannot be read.
    """
    entries = document.get("shapes") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        folder.error("malformed annotation", path, "shapes is missing or no list")
        return (), frozenset({UNNAMED})
    shapes: list[Shape] = []
    left_out: set[str] = set()
    for number, entry in enumerate(entries, 1):
        label = entry.get("label") if isinstance(entry, dict) else None
        if not is_label(label):
            folder.error("malformed annotation", f"{path}: shape {number}", "a shape needs a label")
            left_out.add(UNNAMED)
            continue
        try:
            shapes.append(_shape(label, entry))
        except Unusable as error:
            folder.error(error.kind, f"{path}: shape {number} ({label})", str(error))
            left_out.add(label)
        if entry.get("shape_type") == "mask":
            folder.warning("mask not read", f"{path}: shape {number} ({label})", "the mask's box is kept")
    return _join(shapes), frozenset(left_out)


def stated_size(folder: SourceFolder, document: Any, path: str) -> tuple[int, int]:
    """(width, height) in pixels as LabelMe says them; 0, 0 where it does not, with a Finding where it says nonsense."""
    said = (document.get("imageWidth"), document.get("imageHeight")) if isinstance(document, dict) else (None, None)
    try:
        return side(said[0]), side(said[1])
    except Unusable as error:
        folder.warning(error.kind, path, str(error))
        return 0, 0


def _shape(label: str, entry: dict[str, Any]) -> Shape:
    corners = points(entry.get("points"), "malformed box")
    kind = entry.get("shape_type") or ("rectangle" if len(corners) == 2 else "polygon")
    if kind in ("rectangle", "mask"):
        if len(corners) not in (2, 4):
            raise Unusable("malformed box", f"{len(corners)} points are no rectangle")
        outline: Outline = ()
    elif kind == "polygon":
        if len(corners) < 3:
            raise Unusable("malformed polygon", f"{len(corners)} points are no outline")
        outline = flat(corners)
    else:
        raise Unusable("shape not read", f"{kind!r:.40} is neither a rectangle nor a polygon")
    attributes, ignore = _marks(entry)
    return Shape(label, bounds(corners), outline, _group(entry), ignore, attributes)


def _group(entry: dict[str, Any]) -> Hashable:
    group = entry.get("group_id")
    return group if isinstance(group, int | str) else None


def _marks(entry: dict[str, Any]) -> tuple[dict[str, str], bool]:
    """What a shape says beyond its outline: attributes, and whether it is to be ignored."""
    flags = entry.get("flags")
    set_flags = {str(key) for key, value in flags.items() if value is True} if isinstance(flags, dict) else set()
    said = entry.get("attributes")
    attributes = {str(key): str(value) for key, value in said.items()} if isinstance(said, dict) else {}
    attributes |= {flag: "true" for flag in sorted(set_flags) if flag not in _IGNORE}
    if isinstance(entry.get("description"), str) and entry["description"]:
        attributes["description"] = entry["description"]
    return attributes, entry.get("difficult") is True or not set_flags.isdisjoint(_IGNORE)


def _join(shapes: Sequence[Shape]) -> tuple[SourceBox, ...]:
    """One box an item, in the order of their first shapes."""
    items: dict[Hashable, list[Shape]] = defaultdict(list)
    for number, shape in enumerate(shapes):
        items[("alone", number) if shape.group is None else (shape.label, shape.group)].append(shape)
    return tuple(box for item in items.values() for box in _boxes(item))


def _boxes(item: Sequence[Shape]) -> list[SourceBox]:
    rectangles = [shape for shape in item if not shape.outline]
    if len(rectangles) > 1:
        return [box for shape in item for box in _boxes([shape])]
    outlines = tuple(shape.outline for shape in item if shape.outline)
    box = rectangles[0].box if rectangles else union(outlines)
    ignore = any(shape.ignore for shape in item)
    return [SourceBox(item[0].label, box, ignore, outlines, item[0].attributes)]


def union(outlines: Sequence[Outline]) -> Corners:
    """The box around outlines x y x y ..."""
    return bounds([point for outline in outlines for point in pairs(outline)])
