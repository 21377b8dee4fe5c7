"""Looks for what is wrong with a data folder before a network learns it: one list of findings, nothing raised half way.

>>> for finding in check(Path("data")):                                                         # doctest: +SKIP
...     print(finding.severity, finding.subject, finding.message)
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from detector.errors import RoentgateError
from detector.readers import read_scan
from training.datasets.findings import Finding, Severity
from training.datasets.statistics import splits_of

#: Pixels by which a box may pass the scan's edge: annotation tools round.
_EDGE_TOLERANCE = 1.0


def check(data: Path) -> list[Finding]:
    """Reads every annotation and every scan of a data folder; errors first. An empty list means all is well.

    Raises SettingsInvalid only if the folder has no annotations at all.
    """
    findings: list[Finding] = []
    digests: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for split in splits_of(data):
        document = _load(data, split, findings)
        if document is not None:
            findings += _check_ids(split, document)
            findings += _check_classes(split, document)
            findings += _check_boxes(split, document)
            findings += _check_scans(data, split, document, digests)
    findings += _check_duplicates(digests)
    return sorted(findings, key=lambda finding: (finding.severity != Severity.ERROR, finding.kind, finding.subject))


def summarise(findings: list[Finding]) -> str:
    """One line: how many of each kind, or that nothing was found."""
    counts = Counter((finding.severity.value, finding.kind) for finding in findings)
    return "; ".join(f"{count} x {severity}: {kind}" for (severity, kind), count in counts.items()) or "nothing found"


def _load(data: Path, split: str, findings: list[Finding]) -> dict[str, Any] | None:
    path = data / "annotations" / f"{split}.json"
    try:
        document = json.loads(path.read_bytes())
        for key, needed in _NEEDED.items():
            if not all(needed <= entry.keys() for entry in document[key]):
                raise ValueError(f"an entry of {key} lacks one of {', '.join(sorted(needed))}")
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        findings.append(Finding(Severity.ERROR, "unreadable annotations", split, f"{path}: {error!r}"))
        return None
    return document  # type: ignore[no-any-return]


_NEEDED: dict[str, set[str]] = {
    "images": {"id", "file_name", "width", "height"},
    "annotations": {"id", "image_id", "category_id", "bbox"},
    "categories": {"id", "name"},
}


def _check_ids(split: str, document: dict[str, Any]) -> Iterator[Finding]:
    known = {key: Counter(entry["id"] for entry in document[key]) for key in _NEEDED}
    for key, ids in known.items():
        for identity in (identity for identity, count in ids.items() if count > 1):
            yield Finding(
                Severity.ERROR, "repeated id", f"{split}: {key} {identity}", f"{ids[identity]} entries share it"
            )
    for annotation in document["annotations"]:
        for field, key in (("image_id", "images"), ("category_id", "categories")):
            if annotation[field] not in known[key]:
                subject = f"{split}: annotation {annotation['id']}"
                yield Finding(Severity.ERROR, "unknown id", subject, f"{field} {annotation[field]} is not in {key}")
    for image in document["images"]:
        for category in set(image.get("annotated_category_ids", [])) - known["categories"].keys():
            message = f"annotated_category_ids names {category}, which is not in categories"
            yield Finding(Severity.ERROR, "unknown id", f"{split}: {image['file_name']}", message)


def _check_classes(split: str, document: dict[str, Any]) -> Iterator[Finding]:
    names = Counter(category["name"] for category in document["categories"])
    for name in (name for name, count in names.items() if count > 1):
        yield Finding(Severity.ERROR, "repeated class name", f"{split}: {name}", "two category ids share the name")
    every = {category["id"] for category in document["categories"]}
    looked_for = {image["id"]: set(image.get("annotated_category_ids", every)) for image in document["images"]}
    checked = set().union(*looked_for.values())
    used = Counter(annotation["category_id"] for annotation in document["annotations"])
    for category in document["categories"]:
        subject = f"{split}: {category['name']}"
        if category["id"] not in checked:
            yield Finding(Severity.WARNING, "class never annotated", subject, "no source looked for it")
        elif not used[category["id"]]:
            yield Finding(Severity.WARNING, "class without boxes", subject, "looked for, but not one box")
    for annotation in document["annotations"]:
        if annotation["category_id"] in every - looked_for.get(annotation["image_id"], every):
            message = f"category {annotation['category_id']} has a box, but the scan says it was not looked for"
            yield Finding(Severity.ERROR, "mask contradicts box", f"{split}: annotation {annotation['id']}", message)


def _check_boxes(split: str, document: dict[str, Any]) -> Iterator[Finding]:
    sizes = {image["id"]: (image["width"], image["height"]) for image in document["images"]}
    for annotation in document["annotations"]:
        subject, box = f"{split}: annotation {annotation['id']}", annotation["bbox"]
        try:
            x, y, width, height = (float(value) for value in box)
        except (TypeError, ValueError):
            yield Finding(Severity.ERROR, "malformed box", subject, f"{box} is not [x, y, width, height]")
            continue
        if not np.isfinite([x, y, width, height]).all() or width <= 0 or height <= 0:
            yield Finding(Severity.ERROR, "box without area", subject, f"{box}")
        elif annotation["image_id"] in sizes:
            right, bottom = sizes[annotation["image_id"]]
            beyond = max(-x, -y, x + width - right, y + height - bottom)
            if beyond > _EDGE_TOLERANCE:
                message = f"{box} passes the edge of {right} x {bottom} by {beyond:.1f} px"
                yield Finding(Severity.ERROR, "box outside scan", subject, message)


def _check_scans(
    data: Path, split: str, document: dict[str, Any], digests: dict[str, list[tuple[str, str]]]
) -> Iterator[Finding]:
    own = data / "images" / split
    folder = own if own.is_dir() else data / "images"
    for image in document["images"]:
        subject = f"{split}: {image['file_name']}"
        try:
            content = (folder / image["file_name"]).read_bytes()
        except OSError as error:
            yield Finding(Severity.ERROR, "missing file", subject, f"{error.strerror}: {folder / image['file_name']}")
            continue
        digests[hashlib.sha256(content).hexdigest()].append((split, image["file_name"]))
        yield from _check_content(content, image, subject)


def _check_content(content: bytes, image: dict[str, Any], subject: str) -> Iterator[Finding]:
    try:
        scan = read_scan(content, str(image["file_name"]))
    except RoentgateError as error:
        yield Finding(Severity.ERROR, "unreadable scan", subject, error.reason())
        return
    if (scan.width, scan.height) != (image["width"], image["height"]):
        message = f"the file is {scan.width} x {scan.height}, the annotations say {image['width']} x {image['height']}"
        yield Finding(Severity.ERROR, "size mismatch", subject, message)


def _check_duplicates(digests: dict[str, list[tuple[str, str]]]) -> Iterator[Finding]:
    for places in digests.values():
        if len(places) > 1:
            names = ", ".join(f"{split}/{name}" for split, name in places)
            leak = len({split for split, _ in places}) > 1
            kind = "leak between splits" if leak else "duplicate scan"
            yield Finding(Severity.ERROR if leak else Severity.WARNING, kind, names, "the same file, byte for byte")
