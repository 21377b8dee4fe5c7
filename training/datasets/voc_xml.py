"""One scan's annotation in Pascal VOC's XML, read without trusting it and written.

    <annotation><filename>bag.jpg</filename><size><width>640</width>...</size>
      <object><name>Gun</name><difficult>0</difficult><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax>...

Pixels are counted from 1 and the last one is inside, as the VOC2012 development kit defines it: xmin 1 and xmax 640
cover a picture of 640 pixels, edges 0 to 640. An annotation with a DTD is refused: entities can grow without bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from training.datasets.annotated_set import SourceBox
from training.datasets.annotation_values import refuse_turned
from training.datasets.source_folder import SourceFolder

#: Bytes of one scan's annotation: some 20,000 items.
MAX_XML_BYTES = 4 * 2**20
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
#: What the format says of an item beyond name and box, with the value that says nothing.
_ATTRIBUTES = {"pose": "Unspecified", "truncated": "0", "occluded": "0"}


@dataclass(frozen=True)
class VocAnnotation:
    """file_name: as written, "" where it is missing. width, height: pixels, 0 where unknown. faults: items left out."""

    file_name: str
    width: int
    height: int
    boxes: tuple[SourceBox, ...]
    faults: tuple[str, ...]


def read_voc(folder: SourceFolder, path: str) -> VocAnnotation | None:
    """One file; every fault in it is a Finding. None where nothing can be read from it."""
    content = folder.content(path, MAX_XML_BYTES)
    if content is None:
        return None
    try:
        annotation = parse_voc(content)
    except ValueError as error:
        folder.error("malformed annotation", path, str(error))
        return None
    for fault in annotation.faults:
        folder.error("malformed box", path, fault)
    return annotation


def parse_voc(content: bytes) -> VocAnnotation:
    """Raises ValueError for what is not XML, has a DTD, or is no VOC annotation."""
    root = _parse(content)
    if root.tag != "annotation":
        raise ValueError(f"the root element is <{root.tag}>, not <annotation>")
    boxes: list[SourceBox] = []
    faults: list[str] = []
    for number, item in enumerate(root.findall("object"), 1):
        try:
            boxes.append(_box(item))
        except ValueError as error:
            faults.append(f"object {number}: {error}")
    width, height = (_pixels(root.findtext(f"size/{side}")) for side in ("width", "height"))
    return VocAnnotation(_text(root, "filename"), width, height, tuple(boxes), tuple(faults))


def format_voc(file_name: str, size: tuple[int, int], boxes: tuple[SourceBox, ...]) -> bytes:
    """The XML of one scan. size: width, height. Corners are written to 1/10,000 pixel, whole ones as integers."""
    root = Element("annotation")
    _add(root, "filename", file_name)
    element = _add(root, "size")
    for side, pixels in zip(("width", "height"), size, strict=True):
        _add(element, side, str(pixels))
    for box in boxes:
        _add_object(root, box)
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


class _WithoutDoctype(ElementTree.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it has a DTD; those are refused")


def _parse(content: bytes) -> Element:
    parser = ElementTree.XMLParser(target=_WithoutDoctype())
    try:
        parser.feed(content)
        root: Element = parser.close()
    except (ElementTree.ParseError, LookupError) as error:
        raise ValueError(f"it is not XML: {error}") from None
    return root


def _box(item: Element) -> SourceBox:
    label = _text(item, "name")
    if not label:
        raise ValueError("it has no name")
    corners = [_number(item.findtext(f"bndbox/{corner}"), corner) for corner in _CORNERS]
    x1, y1, x2, y2 = corners[0] - 1, corners[1] - 1, corners[2], corners[3]
    if not (x2 > x1 and y2 > y1):
        raise ValueError(f"{label}: a box without area, {' '.join(f'{corner:g}' for corner in corners)}")
    attributes = _attributes(item)
    refuse_turned(attributes)
    return SourceBox(
        label=label,
        box_xyxy=(x1, y1, x2, y2),
        ignore=_text(item, "difficult") in ("1", "true", "True"),
        polygons=tuple(_polygon(element) for element in item.findall("polygon")),
        attributes=attributes,
    )


def _attributes(item: Element) -> dict[str, str]:
    found = {name: _text(item, name) for name in _ATTRIBUTES}
    said = {name: value for name, value in found.items() if value and value != _ATTRIBUTES[name]}
    # CVAT writes an annotator's own attributes this way.
    others = {_text(each, "name"): _text(each, "value") for each in item.findall("attributes/attribute")}
    return said | {name: value for name, value in others.items() if name}


def _polygon(element: Element) -> tuple[float, ...]:
    """Roboflow's way: <x1> <y1> <x2> <y2> ..., in pixels."""
    points = tuple(_number(child.text, "polygon") for child in element)
    if len(points) < 6 or len(points) % 2:
        raise ValueError("an outline needs three points of x and y")
    return points


def _number(text: str | None, name: str) -> float:
    try:
        number = float(text or "")
    except ValueError:
        raise ValueError(f"{name} is {text!r}, not a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} is {text}")
    return number


def _pixels(text: str | None) -> int:
    try:
        return max(0, int(float(text or 0)))
    except (ValueError, OverflowError):
        return 0


def _text(element: Element, name: str) -> str:
    return (element.findtext(name) or "").strip()


def _add(parent: Element, tag: str, text: str = "") -> Element:
    element = ElementTree.SubElement(parent, tag)
    element.text = text or None
    return element


def _add_object(root: Element, box: SourceBox) -> None:
    element = _add(root, "object")
    _add(element, "name", box.label)
    own = {name: value for name, value in box.attributes.items() if name not in _ATTRIBUTES}
    for name, default in _ATTRIBUTES.items():
        _add(element, name, box.attributes.get(name, default))
    _add(element, "difficult", str(int(box.ignore)))
    corners = _add(element, "bndbox")
    x1, y1, x2, y2 = box.box_xyxy
    for corner, edge in zip(_CORNERS, (x1 + 1, y1 + 1, x2, y2), strict=True):
        _add(corners, corner, _written(edge))
    for polygon in box.polygons:
        outline = _add(element, "polygon")
        for index, point in enumerate(polygon):
            _add(outline, f"{'xy'[index % 2]}{index // 2 + 1}", _written(point))
    if own:
        attributes = _add(element, "attributes")
        for name, value in own.items():
            attribute = _add(attributes, "attribute")
            _add(attribute, "name", name)
            _add(attribute, "value", value)


def _written(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")
