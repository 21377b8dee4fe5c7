"""Numbers and outlines out of annotation files: what may be taken as a box or polygon, and what may not.

Every function takes what JSON gave, of whatever type, and either returns it typed or raises Unusable with a kind to
count by. Coordinates are pixels of the file as stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeGuard

from training.datasets.annotated_set import Corners, SourceScan

Outline = tuple[float, ...]

_ROTATION = "rotation"
#: Stands in a scan's `present` for an item of which nobody can tell what it is, until `leave_out_unboxed` sees to it.
#: No label is spelt like it, and no set that an adapter gives holds it.
UNNAMED = ""
#: Share of annotations that may belong to no scan, as one may: more, and other scans are not trusted to be clean.
MOST_ASTRAY = 0.01


class Unusable(ValueError):
    """A value that cannot be taken. kind: a Finding's."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def are_placed(placed: int, count: int) -> bool:
    """Whether so many of all annotations have a scan that those are trusted to be complete."""
    lost = count - placed
    return lost <= max(1, MOST_ASTRAY * count) and (placed > 0 or not lost)


def number(value: Any, kind: str = "malformed box") -> float:
    """A finite number. Raises Unusable for another type (true and "12" are none), and for NaN, Infinity, 1e400."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unusable(kind, f"{value!r:.40} is no number")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise Unusable("number not finite", f"{value!r:.40} is not finite")
    return result


def numbers(value: Any, kind: str = "malformed box") -> list[float]:
    """A list of finite numbers."""
    if not isinstance(value, list):
        raise Unusable(kind, f"{value!r:.60} is no list of numbers")
    return [number(item, kind) for item in value]


def refuse_turned(attributes: Mapping[str, str]) -> None:
    """Raises Unusable for a rectangle that CVAT turned: it writes the corners of before, and the angle beside them."""
    try:
        angle = float(attributes.get(_ROTATION, 0))
    except ValueError:
        # An attribute of the annotator's own that is called so.
        return
    if angle % 360:
        raise Unusable("turned box", f"the rectangle is turned by {angle:g} degrees; draw it along the scan's edges")


def is_label(value: Any) -> TypeGuard[str]:
    """Whether a value can name a class: a text that says something and can be printed in one line."""
    return is_word(value) and bool(value.strip())


def is_word(value: Any) -> TypeGuard[str]:
    """Whether a value is a text, perhaps an empty one, that can be printed in one line."""
    return isinstance(value, str) and value.isprintable()


def side(value: Any) -> int:
    """A scan's width or height in whole pixels; 0 where it is not said. Raises Unusable for anything but a count."""
    result = 0.0 if value is None else number(value, "malformed size")
    if result < 0 or result != int(result):
        raise Unusable("malformed size", f"{value!r:.40} is no number of pixels")
    return int(result)


def with_area(corners: Iterable[float]) -> Corners:
    """x1 y1 x2 y2 as they are. Raises Unusable for a box that is inverted or has no area."""
    x1, y1, x2, y2 = corners
    if not (x2 > x1 and y2 > y1):
        raise Unusable("box without area", f"{x1:g} {y1:g} {x2:g} {y2:g} is inverted or has no area")
    if not all(map(math.isfinite, (x1, y1, x2, y2))):
        raise Unusable("number not finite", "a corner is not finite")
    return x1, y1, x2, y2


def corners_from_xyxy(value: Any) -> Corners:
    """[x1, y1, x2, y2] with x2 > x1 and y2 > y1."""
    values = numbers(value)
    if len(values) != 4:
        raise Unusable("malformed box", f"{value!r:.60} is not [x1, y1, x2, y2]")
    return with_area(values)


def corners_from_xywh(value: Any) -> Corners:
    """COCO's [x, y, width, height] with positive width and height."""
    values = numbers(value)
    if len(values) != 4:
        raise Unusable("malformed box", f"{value!r:.60} is not [x, y, width, height]")
    x, y, width, height = values
    return with_area((x, y, x + width, y + height))


def points(value: Any, kind: str) -> list[tuple[float, float]]:
    """[[x, y], ...]; a third value of a point is refused."""
    if not isinstance(value, list):
        raise Unusable(kind, f"{value!r:.60} is no list of points")
    pairs = [numbers(point, kind) for point in value]
    if any(len(pair) != 2 for pair in pairs):
        raise Unusable(kind, "a point needs x and y")
    return [(x, y) for x, y in pairs]


def bounds(outline: Sequence[tuple[float, float]]) -> Corners:
    """The box around points. Raises Unusable where it has no area."""
    xs, ys = [x for x, _ in outline], [y for _, y in outline]
    return with_area((min(xs), min(ys), max(xs), max(ys)))


def outline(value: Any) -> Outline:
    """[x, y, x, y, ...] of three points or more."""
    values = numbers(value, "malformed polygon")
    if len(values) < 6 or len(values) % 2:
        raise Unusable("malformed polygon", f"{len(values)} numbers are no outline of three points or more")
    return tuple(values)


def pairs(flat: Sequence[float]) -> list[tuple[float, float]]:
    """x y x y ... as points."""
    return list(zip(flat[::2], flat[1::2], strict=True))


def flat(outline_points: Iterable[tuple[float, float]]) -> Outline:
    """Points as x y x y ..."""
    return tuple(value for point in outline_points for value in point)


def labels_met(scans: Iterable[SourceScan]) -> tuple[str, ...]:
    """Labels of the boxes and of what is there without one, in alphabetical order."""
    met = {label for scan in scans for label in {*scan.present, *(box.label for box in scan.boxes)}}
    return tuple(sorted(met - {UNNAMED}))


def leave_out_unboxed(scan: SourceScan, labels: Iterable[str]) -> SourceScan:
    """The same scan, its `looked_for` without labels that are in it but not boxed.

    An item that is there without a box would teach the network to miss it. A label with boxes beside the missing one
    stays: its boxes are worth more. One that is UNNAMED may be of any label: the scan is clean of none, though its
    boxes count. labels: all of the set, for a scan that looked for all.
    """
    if UNNAMED in scan.present:
        return replace(scan, looked_for=frozenset(), present=scan.present - {UNNAMED})
    unboxed = scan.present - {box.label for box in scan.boxes}
    if not unboxed:
        return scan
    looked_for = frozenset(labels) if scan.looked_for is None else scan.looked_for
    return replace(scan, looked_for=looked_for - unboxed)
