"""The layout that `roentgate-train data prepare` writes and `fit` reads, read again as a source to merge with others.

    annotations/<split>.json   images/<split>/<file> or images/<file>

Beyond COCO every image says its `source` and `annotated_category_ids`, and may say `group`, `subset`, `scanner` and
`drawn`; every annotation may say `source_label`. All of it is kept, as is `partial_category_ids`: a class that is in
both lists was marked in part, by a source that no other one completed; `marked_parts` gives the names of such parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from detector.errors import SettingsInvalid
from training.datasets.annotated_set import Adapter, SourceScan, SourceSet
from training.datasets.annotation_values import is_label
from training.datasets.coco_document import CocoPart, Entry, Names, known_labels, read_parts, take_own_keys
from training.datasets.coco_head import first_image
from training.datasets.indexed_folder import IndexedFolder
from training.datasets.prepared_marks import DESCRIPTION, refuse_half_made
from training.datasets.source_folder import first_files, stem_of


@dataclass(frozen=True)
class PreparedScan(SourceScan):
    """A scan of a folder that joins several sets.

    source: the set that it came from. partial: labels whose boxes count while a scan without one is not clean of them.
    part: those of them of which the source marks a part throughout, with its names, "" for a part without one; `data
    prepare` took it for the whole, as no other set was there to look for the rest, and whoever joins this folder with
    others must ask that anew.
    """

    source: str = ""
    partial: frozenset[str] = frozenset()
    part: Mapping[str, frozenset[str]] = field(default_factory=dict)


def _recognise(root: Path) -> bool:
    if not (root / "images").is_dir():
        return False
    return any(
        b'"source"' in image and b'"annotated_category_ids"' in image
        for image in map(first_image, first_files(root, "annotations", ".json"))
    )


def _read(root: Path) -> SourceSet:
    refuse_half_made(root)
    folder = IndexedFolder(root)
    names = sorted(name for name in folder.names("annotations") if name.endswith(".json"))
    if not names:
        raise SettingsInvalid(f"{root}: no annotations/<split>.json", remedy="run `roentgate-train data prepare`")
    return read_parts("roentgate", folder, [_part(root, name) for name in names], _take_own)


def _part(root: Path, name: str) -> CocoPart:
    """As coco_index.py looks for the scans: `images/<split>/` if there is one, else `images/`, never both."""
    split = stem_of(name)
    own = f"images/{split}"
    return CocoPart(f"annotations/{name}", (own if (root / own).is_dir() else "images",), split)


def _take_own(scan: SourceScan, entry: Entry, names: Names, folder: IndexedFolder) -> SourceScan:
    scan = take_own_keys(scan, entry, names, folder)
    source, partial = entry.get("source"), entry.get("partial_category_ids")
    values = {each.name: getattr(scan, each.name) for each in fields(scan)}
    in_part = known_labels(partial, names)
    parts = _parts(entry.get("marked_parts"), names)
    looked_for = frozenset(names.values()) if scan.looked_for is None else scan.looked_for
    if in_part & looked_for:
        values["looked_for"] = looked_for - in_part
    return PreparedScan(
        **values,
        source=source if is_label(source) else "unknown",
        partial=in_part,
        part={label: parts.get(label) or frozenset({""}) for label in in_part & looked_for},
    )


def _parts(said: Any, names: Names) -> dict[str, frozenset[str]]:
    """Names of the parts of each label; none of what is not written so."""
    listed = said.items() if isinstance(said, dict) else ()
    return {
        label: frozenset(parts)
        for identity, parts in listed
        if isinstance(parts, list) and all(is_label(part) for part in parts)
        for label in known_labels([identity], names)
    }


ADAPTER = Adapter(DESCRIPTION, "as the sources that were joined say", _recognise, _read)
