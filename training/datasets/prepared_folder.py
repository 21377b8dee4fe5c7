"""Writes what `fit` and `evaluate` read: images/, annotations/<split>.json, manifest.json, findings.jsonl.

Every file appears whole or not at all, and the manifest last: a folder with a manifest is complete, and one without is
refused by whoever reads it (prepared_marks.py).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from detector.outputs.atomic import text_written_whole, write_bytes_whole
from detector.readers.sidecar import join, sidecar_of
from training.datasets.findings import Finding
from training.datasets.prepared_marks import DESCRIPTION, MANIFEST
from training.datasets.records import Record, RecordBox
from training.datasets.scan_journal import ScanFacts
from training.datasets.terms import NOT_STATED

Link = Literal["hard", "copy"]
#: A hard link does not go over to another disk, and some file systems have none.
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES, errno.ENOSYS}
FINDINGS = "findings.jsonl"


@dataclass(frozen=True)
class Placed:
    """A record with its split and the name of what it belongs together with."""

    record: Record
    split: str
    cluster: str


@dataclass(frozen=True)
class StatedTerms:
    """by_source: as far as they are stated. donors: sources of items alone; any scan may hold one."""

    by_source: Mapping[str, str]
    donors: AbstractSet[str] = frozenset()

    def of(self, placed: Sequence[Placed]) -> dict[str, str]:
        """Source -> terms, of all that these scans are made of."""
        sources = sorted({each.record.source for each in placed} | self.donors)
        return {source: self.by_source.get(source, NOT_STATED) for source in sources}


def place(record: Record, images: Path, link: Link) -> bool:
    """Puts a scan's file in its place, the profile beside it first; False where they are there, proved by digest.

    Raises OSError, also when the source's file is no longer the one that was examined.
    """
    target = images / record.target
    if _is_there(target, record.origin, record.facts):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    _place_profile(record.origin, target)
    if link == "hard":
        try:
            os.link(record.origin.resolve(), target)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
        else:
            if not _is_there(target, record.origin, record.facts):
                target.unlink()
                raise OSError(errno.ESTALE, "the file changed while it was read", str(record.origin))
            return True
    content = record.origin.read_bytes()
    if _digest(content, record.origin) != record.facts.sha256:
        raise OSError(errno.ESTALE, "the file changed while it was read", str(record.origin))
    write_bytes_whole(target, content)
    return True


def _place_profile(origin: Path, target: Path) -> None:
    """A raw array is read through the profile beside it, so it goes along; one that was there before goes."""
    profile, old = sidecar_of(origin), sidecar_of(target)
    if old is not None:
        old.unlink()
    if profile is not None:
        write_bytes_whole(target.with_name(target.name + ".toml"), profile.read_bytes())


def _digest(content: bytes, path: Path) -> str:
    """Of a scan's bytes and of the profile beside `path`, as the journal takes it."""
    profile = sidecar_of(path)
    return hashlib.sha256(join(content, profile.read_bytes()) if profile else content).hexdigest()


def write_annotations(
    folder: Path, placed: Sequence[Placed], classes: Sequence[str], terms: StatedTerms
) -> dict[str, str]:
    """One COCO file a split, ids unique across them; gives name -> SHA-256. Files of splits that are no more go."""
    ids = {name: number for number, name in enumerate(classes, 1)}
    numbered = {each.record.target: number for number, each in enumerate(placed, 1)}
    digests = {}
    annotation_id = 1
    for split in sorted({each.split for each in placed}):
        inside = [each for each in placed if each.split == split]
        document = {
            "info": {"description": f"{split}: {DESCRIPTION}", "terms": terms.of(inside)},
            "images": [_image(each, numbered[each.record.target], ids) for each in inside],
            "annotations": [],
            "categories": [{"id": number, "name": name} for name, number in ids.items()],
        }
        boxes: list[dict[str, Any]] = []
        for each in inside:
            for box in each.record.boxes:
                boxes.append(_annotation(box, annotation_id, numbered[each.record.target], ids))
                annotation_id += 1
        document["annotations"] = boxes
        digests[f"annotations/{split}.json"] = _write_json(folder / "annotations" / f"{split}.json", document)
    for path in (folder / "annotations").glob("*.json"):
        if f"annotations/{path.name}" not in digests:
            path.unlink()
    return digests


def write_findings(folder: Path, findings: Sequence[Finding]) -> None:
    """One line of JSON a finding, errors first."""
    with text_written_whole(folder / FINDINGS) as file:
        for finding in findings:
            # What they leave out is counted in the manifest.
            told = {key: value for key, value in asdict(finding).items() if key != "left_out"}
            file.write(json.dumps(told) + "\n")


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """The last file to be written."""
    _write_json(folder / MANIFEST, {"schema_version": 1, "tool": f"roentgate {_version()}", **content})


def counts_of(placed: Sequence[Placed], classes: Sequence[str]) -> dict[str, Any]:
    """By split: scans and boxes by source; boxes, scans looked through and scans marked in part by class."""
    counts: dict[str, Any] = {}
    for split in sorted({each.split for each in placed}):
        records = [each.record for each in placed if each.split == split]
        boxes = Counter(box.class_name for record in records for box in record.boxes if not box.ignore)
        looked_for = Counter(name for record in records for name in record.coverage.looked_for)
        partial = Counter(name for record in records for name in record.coverage.partial)
        counts[split] = {
            "scans": len(records),
            "sources": dict(sorted(Counter(record.source for record in records).items())),
            "classes": {
                name: {"boxes": boxes[name], "looked_for": looked_for[name], "marked_in_part": partial[name]}
                for name in classes
            },
        }
    return counts


def _is_there(target: Path, origin: Path, facts: ScanFacts) -> bool:
    if not target.is_file():
        return False
    # What has a profile beside it is few and small: its digest is taken whatever the file's state.
    if sidecar_of(origin) is None and target.samefile(origin) and _same_state(target, facts):
        return sidecar_of(target) is None
    return _digest(target.read_bytes(), target) == facts.sha256


def _same_state(path: Path, facts: ScanFacts) -> bool:
    status = path.stat()
    return (status.st_size, status.st_mtime_ns) == (facts.size, facts.changed)


def _image(placed: Placed, number: int, ids: Mapping[str, int]) -> dict[str, Any]:
    record = placed.record
    image: dict[str, Any] = {
        "id": number,
        "file_name": record.target,
        "width": record.facts.width,
        "height": record.facts.height,
        "source": record.source,
        "group": placed.cluster,
        "annotated_category_ids": sorted(ids[name] for name in record.coverage.looked_for & ids.keys()),
    }
    if partial := sorted(ids[name] for name in record.coverage.partial & ids.keys()):
        image["partial_category_ids"] = partial
    if parts := {str(ids[name]): sorted(part) for name, part in record.coverage.part.items() if name in ids}:
        image["marked_parts"] = parts
    if record.drawn:
        image["drawn"] = True
    return image | {key: text for key, text in (("subset", record.subset), ("scanner", record.scanner)) if text}


def _annotation(box: RecordBox, number: int, image: int, ids: Mapping[str, int]) -> dict[str, Any]:
    x1, y1, x2, y2 = box.box_xyxy
    width, height = round(x2 - x1, 3), round(y2 - y1, 3)
    annotation: dict[str, Any] = {
        "id": number,
        "image_id": image,
        "category_id": ids[box.class_name],
        "bbox": [round(x1, 3), round(y1, 3), width, height],
        "area": round(width * height, 3),
        "iscrowd": int(box.ignore),
        "source_label": box.source_label,
    }
    if box.polygons:
        annotation["segmentation"] = [list(polygon) for polygon in box.polygons]
    if box.attributes:
        annotation["attributes"] = dict(sorted(box.attributes.items()))
    return annotation


def _write_json(path: Path, document: Any) -> str:
    text = json.dumps(document, separators=(",", ":"), allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with text_written_whole(path) as file:
        file.write(text)
    return hashlib.sha256(text.encode()).hexdigest()


def _version() -> str:
    try:
        return version("roentgate")
    except PackageNotFoundError:
        return "of a source tree"
