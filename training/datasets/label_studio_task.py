"""One task of a Label Studio export: which scan it is of, which annotation counts, and its regions in pixels."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from training.datasets.annotated_set import Corners, SourceBox
from training.datasets.annotation_values import (
    UNNAMED,
    Outline,
    Unusable,
    bounds,
    flat,
    is_label,
    number,
    points,
    side,
    with_area,
)
from training.datasets.indexed_folder import IndexedFolder, is_scan, plain_path

Result = Mapping[str, Any]
_KINDS = ("rectanglelabels", "polygonlabels")
#: What is said of a region or of the whole scan and is no outline.
_NO_REGIONS = ("choices", "textarea", "number", "rating", "relation", "taxonomy", "pairwise", "datetime")
#: Keys by which JSON-MIN's regions tell where they are, and its remarks on regions what they say.
_PLACED, _REMARKS = ("x", "points", "rle"), (*_NO_REGIONS, "text")
#: An upload is named `<8 hex digits>-<name>`.
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")
#: Choice of a region that marks an item as neither a hit nor a false alarm.
IGNORE = "ignore"


def results_of(folder: IndexedFolder, task: Result, subject: str) -> list[Result] | None:
    """The results of the annotation that counts; None, and a Finding, where nobody has annotated the task.

    Of several annotations the ground truth counts, else the first. JSON-MIN has the regions in the task itself.
    """
    annotations = task.get("annotations", task.get("completions"))
    if annotations is None and "data" not in task:
        return _minimal(task)
    done = _done(annotations)
    if not done:
        folder.warning("missing annotation", subject, "nobody has annotated it; left out", left_out=True)
        return None
    chosen = next((each for each in done if each.get("ground_truth") is True), done[0])
    if len(done) > 1:
        others = disputed(task, chosen["result"])
        said = f"; others have {', '.join(sorted(others))}, so the scan is not clean of these" if others else ""
        folder.warning("several annotations", subject, f"one of {len(done)} is taken{said}")
    return _objects(folder, chosen["result"], subject)


def disputed(task: Result, results: Sequence[Any]) -> frozenset[str]:
    """Labels that another annotation of the task has and the one that counts, `results`, has not: such an item may be
    there. None where one is called the ground truth."""
    done = _done(task.get("annotations", task.get("completions")))
    if any(each.get("ground_truth") is True for each in done):
        return frozenset()
    return _every_label([one for each in done for one in each["result"]]) - _every_label(results)


def _done(annotations: Any) -> list[Result]:
    """Those of a task's annotations that somebody finished."""
    there = [each for each in annotations if isinstance(each, dict)] if isinstance(annotations, list) else []
    return [each for each in there if isinstance(each.get("result"), list) and each.get("was_cancelled") is not True]


def _every_label(results: Sequence[Any]) -> frozenset[str]:
    return frozenset(label for one in results if isinstance(one, dict) for label in _labels(one))


def _objects(folder: IndexedFolder, results: list[Any], subject: str) -> list[Result]:
    """The results, with an empty one in place of each that is none: it may have been any item."""
    for result in (result for result in results if not isinstance(result, dict)):
        folder.error("malformed annotation", subject, f"{result!r:.60} is no region")
    return [result if isinstance(result, dict) else {} for result in results]


def _minimal(task: Result) -> list[Result]:
    """JSON-MIN's regions, each under its tool's name, as results. A region is its value with the scan's size in it.

    The tool is known by the key of its labels; a region without labels is a result without a type.
    """
    values = [value for values in task.values() if isinstance(values, list) for value in values]
    return [
        {"type": kind, "value": value, **{key: value.get(key) for key in ("original_width", "original_height")}}
        for value in values
        if isinstance(value, dict)
        for kind in _minimal_kinds(value)
    ]


def _minimal_kinds(value: Result) -> list[str | None]:
    kinds: list[str | None] = [key for key in value if isinstance(key, str) and key.endswith("labels")]
    unlabelled = any(key in value for key in _PLACED) and not any(key in value for key in _REMARKS)
    return kinds or ([None] if unlabelled else [])


def scan_of(folder: IndexedFolder, task: Result, subject: str) -> str | None:
    """The path below the root of the task's scan; None, and a Finding, where there is none."""
    said = task.get("data", task)
    values = {key: value for key, value in said.items() if isinstance(value, str)} if isinstance(said, dict) else {}
    links = [values[key] for key in ("image", "img") if key in values] or list(values.values())
    link = next((link for link in links if is_scan(_path_of(link))), None)
    if link is None:
        folder.error("missing scan", subject, "the task names no picture", left_out=True)
        return None
    # Windows writes local files with backslashes.
    path = plain_path(_path_of(link))
    if path is None:
        folder.error("path refused", subject, f"{link!r:.80} is refused", left_out=True)
        return None
    name = posixpath.basename(path)
    names = dict.fromkeys((path, *_ends(path), f"images/{name}", name, *_without_digest(name)))
    for candidate in names:
        if folder.holds(candidate):
            return candidate
    folder.error("missing scan", subject, f"{path} is neither there nor in images/", left_out=True)
    return None


def _ends(path: str) -> list[str]:
    """`b/c.png` of `a/b/c.png`: local files are named from a folder that may lie above the set's, links from a
    bucket."""
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(1, len(parts) - 1)]


def _without_digest(name: str) -> list[str]:
    plain = _UPLOADED.sub("", name)
    return [] if plain == name else [f"images/{plain}", plain]


def _path_of(link: str) -> str:
    """What a link says of the place of a file: ?d= of local files, name of an upload, path below host or bucket."""
    parts = urlsplit(link)
    if parts.path.rstrip("/").endswith("/data/local-files"):
        return parse_qs(parts.query).get("d", [""])[0]
    path = unquote(parts.path)
    if parts.scheme or "/data/upload/" in path:
        return posixpath.basename(path) if "/data/upload/" in path else path.lstrip("/")
    return path


def size_of(folder: IndexedFolder, task: Result, results: Sequence[Result], subject: str) -> tuple[int, int]:
    """(width, height) in pixels of the scan as a region or the task says; 0, 0 where none does."""
    data = task.get("data")
    stated = [(result.get("original_width"), result.get("original_height")) for result in results]
    stated += [(data.get("width"), data.get("height"))] if isinstance(data, dict) else []
    for width, height in stated:
        try:
            if width is not None and height is not None:
                return side(width), side(height)
        except Unusable as error:
            folder.warning(error.kind, subject, str(error))
    return 0, 0


def read_regions(
    folder: IndexedFolder, results: Sequence[Result], size: tuple[int, int], subject: str
) -> tuple[tuple[SourceBox, ...], frozenset[str]]:
    """Boxes of the regions, and the labels of those that had to be left out, each with a Finding.

    UNNAMED is among these for a region without a label. size: of the scan, for regions that do not say it.
    """
    choices, (roots, outlines) = _choices(results), _family(results)
    boxes: list[SourceBox] = []
    left_out: set[str] = set()
    for index, result in enumerate(roots, 1):
        labels = _labels(result)
        if not labels:
            left_out.add(UNNAMED)
        if not result:
            continue
        where = f"{subject}: region {index} ({', '.join(labels)})"
        identity = str(result.get("id"))
        try:
            corners, own = _shape(result, size)
            own += tuple(_shape(child, size)[1][0] for child in outlines[identity])
        except Unusable as error:
            folder.error(error.kind, where, str(error))
            left_out.update(labels)
            continue
        if not labels:
            folder.error("malformed annotation", where, "the region has no label")
        said = dict(choices[identity])
        ignore = said.pop(IGNORE, "") == IGNORE
        boxes += [SourceBox(label, corners, ignore, own, said) for label in labels]
    return tuple(boxes), frozenset(left_out)


def _family(results: Sequence[Result]) -> tuple[list[Result], Mapping[str, list[Result]]]:
    """Regions that are items, and the outlines of each: polygons of the same label whose parent is its rectangle."""
    boxes = {str(result.get("id")): _labels(result) for result in results if result.get("type") == _KINDS[0]}
    roots: list[Result] = []
    outlines: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        parent = str(result.get("parentID"))
        if result.get("type") == _KINDS[1] and boxes.get(parent) == _labels(result):
            outlines[parent].append(result)
        elif result.get("type") not in _NO_REGIONS:
            roots.append(result)
    return roots, outlines


def _labels(result: Result) -> list[str]:
    value, kind = result.get("value"), result.get("type")
    labels = value.get(kind) if isinstance(value, dict) and isinstance(kind, str) else None
    return [label for label in labels if is_label(label)] if isinstance(labels, list) else []


def _choices(results: Sequence[Result]) -> Mapping[str, dict[str, str]]:
    """What was chosen for each region: the tool's name -> its choices."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for result in results:
        value = result.get("value")
        chosen = value.get("choices") if isinstance(value, dict) and result.get("type") == "choices" else None
        if isinstance(chosen, list):
            found[str(result.get("id"))][str(result.get("from_name"))] = ",".join(map(str, chosen))
    return found


def _shape(result: Result, size: tuple[int, int]) -> tuple[Corners, tuple[Outline, ...]]:
    """Bounds and outlines of one region in pixels; no outline for a rectangle."""
    kind, value = result.get("type"), result.get("value")
    if kind not in _KINDS:
        raise Unusable("shape not read", f"{kind!r:.40} is neither a rectangle nor a polygon")
    if not isinstance(value, dict):
        raise Unusable("malformed box", "the region has no value")
    if number(value.get("rotation") or 0) or number(result.get("image_rotation") or 0):
        raise Unusable("turned box", "the rectangle or the picture is turned; draw it along the scan's edges")
    across, down = (pixels / 100 for pixels in _own_size(result, size))
    if kind == _KINDS[0]:
        x, y, width, height = (number(value.get(key)) for key in ("x", "y", "width", "height"))
        return with_area((x * across, y * down, (x + width) * across, (y + height) * down)), ()
    outline = [(x * across, y * down) for x, y in points(value.get("points"), "malformed polygon")]
    if len(outline) < 3:
        raise Unusable("malformed polygon", f"{len(outline)} points are no outline")
    return bounds(outline), (flat(outline),)


def _own_size(result: Result, size: tuple[int, int]) -> tuple[int, int]:
    said = side(result.get("original_width")), side(result.get("original_height"))
    width, height = said if all(said) else size
    if not (width and height):
        raise Unusable("malformed size", "per cent of a scan whose size is not said")
    return width, height
