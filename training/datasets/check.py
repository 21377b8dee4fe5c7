"""Looks for what is wrong with a data folder before a network learns it: one list of findings, nothing raised half way.

>>> for finding in check(Path("data")):                                                         # doctest: +SKIP
...     print(finding.severity, finding.subject, finding.message)
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.datasets.check_source import duplicates
from training.datasets.coco_index import image_folder
from training.datasets.findings import Finding, Severity
from training.datasets.prepared_marks import MANIFEST, refuse_half_made, says_prepared
from training.datasets.raw_levels import without_profile
from training.datasets.scan_faults import EDGE_TOLERANCE, clip, fault_of, place_of
from training.datasets.scan_journal import ScanFacts, examine_all
from training.datasets.statistics import splits_of


def check(data: Path) -> list[Finding]:
    """Reads every annotation and every scan of a data folder; errors first. An empty list means all is well.

    For folders that `fit` reads; `check_source.py` is for any other layout. Raises SettingsInvalid only if the folder
    has no annotations at all, or its preparation was stopped.
    """
    refuse_half_made(data)
    findings: list[Finding] = []
    digests = _prepared_digests(data, findings)
    places: list[tuple[str, str]] = []
    facts: list[ScanFacts] = []
    documents: dict[str, dict[str, Any]] = {}
    for split in splits_of(data):
        document = _load(data, split, findings)
        if document is not None:
            documents[split] = document
            findings += _check_ids(split, document)
            findings += _check_classes(split, document)
            findings += _check_boxes(split, document)
            seen = _examined(data, split, document)
            findings += _check_scans(split, document, seen)
            findings += _check_digests(split, document, seen, image_folder(data, split).relative_to(data), digests)
            sources = [f"{split}: {image.get('source', 'unknown')}" for image in document["images"]]
            findings += without_profile(zip(sources, seen, strict=True))
            places += [(f"{split}/{image['file_name']}", split) for image in document["images"]]
            facts += seen
    findings += _check_groups(documents)
    findings += _check_source_labels(documents)
    findings += duplicates(places, facts)
    return sorted(findings, key=lambda finding: (finding.severity != Severity.ERROR, finding.kind, finding.subject))


def summarise(findings: Sequence[Finding]) -> str:
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
            _check_types(key, document[key])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        findings.append(Finding(Severity.ERROR, "unreadable annotations", split, f"{path}: {error!r}"))
        return None
    return document  # type: ignore[no-any-return]


def _check_types(key: str, entries: list[dict[str, Any]]) -> None:
    """Raises ValueError for an entry whose ids or sizes are of a type that nothing can be checked with."""
    for entry in entries:
        ids = [value for name, value in entry.items() if name == "id" or name.endswith("_id")]
        for name in ("annotated_category_ids", "partial_category_ids"):
            ids += entry.get(name, [])
        sizes = [entry[name] for name in ("width", "height") if key == "images"]
        # They are counted and looked up: a list has no place in a table.
        ids += [entry["name"]] if key == "categories" else []
        if not all(isinstance(value, int | str) for value in ids) or not all(isinstance(v, int | float) for v in sizes):
            raise ValueError(f"an entry of {key} has an id, a name or a size of a wrong type: {entry!r:.120}")


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
    for image in document["images"]:
        # Marked in part: boxes count, although the scan is not clean of the class without one.
        looked_for[image["id"]] |= set(image.get("partial_category_ids", []))
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
        except (TypeError, ValueError, OverflowError):
            yield Finding(Severity.ERROR, "malformed box", subject, f"{box} is not [x, y, width, height]")
            continue
        if not np.isfinite([x, y, width, height]).all() or width <= 0 or height <= 0:
            yield Finding(Severity.ERROR, "box without area", subject, f"{box}")
        elif annotation["image_id"] in sizes:
            right, bottom = sizes[annotation["image_id"]]
            _, beyond = clip((x, y, x + width, y + height), right, bottom)
            if beyond > EDGE_TOLERANCE:
                message = f"{box} passes the edge of {right} x {bottom} by {beyond:.1f} px"
                yield Finding(Severity.ERROR, "box outside scan", subject, message)


def _examined(data: Path, split: str, document: dict[str, Any]) -> list[ScanFacts]:
    folder = image_folder(data, split)
    paths = [place_of(folder, str(image["file_name"])) for image in document["images"]]
    drawn = {path for path, image in zip(paths, document["images"], strict=True) if image.get("drawn")}
    return list(examine_all(paths, drawn=drawn))


def _check_scans(split: str, document: dict[str, Any], facts: list[ScanFacts]) -> Iterator[Finding]:
    boxed = {annotation["image_id"] for annotation in document["annotations"]}
    for image, seen in zip(document["images"], facts, strict=True):
        subject = f"{split}: {image['file_name']}"
        stated = image["width"], image["height"]
        if fault := fault_of(str(image["file_name"]), seen, stated, has_boxes=image["id"] in boxed):
            yield Finding(Severity.ERROR, fault.kind, subject, fault.message)


def _prepared_digests(data: Path, findings: list[Finding]) -> dict[str, Any] | None:
    """Path below `data` -> SHA-256 as `data prepare` wrote it down; None where it wrote nothing that can be read."""
    path = data / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_bytes())
    except (ValueError, RecursionError, OSError) as error:
        message = f"{error}: whether the scans are those that were prepared cannot be told"
        findings.append(Finding(Severity.ERROR, "unreadable manifest", MANIFEST, message))
        return None
    # Other tools, too, call a file so.
    known = isinstance(manifest, dict) and str(manifest.get("tool", "")).startswith("roentgate ")
    files = manifest.get("files") if known else None
    return files if isinstance(files, dict) else None


def _check_digests(
    split: str, document: dict[str, Any], facts: list[ScanFacts], folder: Path, digests: dict[str, Any] | None
) -> Iterator[Finding]:
    """folder: of the scans, below the data folder."""
    for image, seen in zip(document["images"], facts, strict=True):
        name = str(image["file_name"])
        if digests is not None and not seen.error and digests.get((folder / name).as_posix()) != seen.sha256:
            message = f"{MANIFEST} does not list these bytes for it: its boxes may be those of another picture"
            yield Finding(Severity.ERROR, "not what was prepared", f"{split}: {name}", message)


def _check_groups(documents: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    """What `data prepare` says belongs together must be in one split."""
    splits: dict[tuple[str, str], set[str]] = defaultdict(set)
    for split, document in documents.items():
        for image in document["images"]:
            if image.get("group"):
                # A group of one source is not that of another, but where `data prepare` made it one.
                source = "" if says_prepared(document) else str(image.get("source", "unknown"))
                splits[source, str(image["group"])].add(split)
    for (_, group), inside in splits.items():
        if len(inside) > 1:
            message = f"what belongs together is in {', '.join(sorted(inside))}"
            yield Finding(Severity.WARNING, "group in two splits", group, message)


def _check_source_labels(documents: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    """One label of a source under several classes: the rarer ones are most likely mistakes."""
    classes: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for document in documents.values():
        names = {category["id"]: str(category["name"]) for category in document["categories"]}
        sources = {image["id"]: str(image.get("source", "unknown")) for image in document["images"]}
        for annotation in document["annotations"]:
            known = annotation["image_id"] in sources and annotation["category_id"] in names
            if known and annotation.get("source_label"):
                said = sources[annotation["image_id"]], str(annotation["source_label"])
                classes[said][names[annotation["category_id"]]] += 1
    for (source, label), counts in classes.items():
        if len(counts) > 1:
            message = ", ".join(f"{count} x {name}" for name, count in counts.most_common())
            yield Finding(Severity.WARNING, "label of several classes", f"{source}: {label}", message)
