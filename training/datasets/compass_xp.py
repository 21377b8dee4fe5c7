"""COMPASS-XP: one object a scan, in several renderings of the same exposure (zenodo.org/records/2654887).

    meta.txt (tab-separated: basename class instance pose dangerous)
    Colour/<basename>.png   and the same in Density/, Grey/, High/, Low/; Photo/ holds photographs, which are no scans

There are no boxes: the object's class is `present`. All renderings and poses of one object share a group. The rendering
is the scan's scanner; its subset says whether the authors call the object dangerous. Their several hundred kinds are
finer than any other set's (an assault rifle is none of their rifles), so a dangerous object is clean of nothing.
"""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

from training.datasets.annotated_set import Adapter, SourceScan, SourceSet
from training.datasets.findings import NothingToRead
from training.datasets.source_folder import SourceFolder, by_stem, first_bytes, is_confined

_META, _PHOTOGRAPHS = "meta.txt", "Photo"
_COLUMNS = ("basename", "class", "instance", "pose", "dangerous")
_DANGEROUS = {"1": "dangerous", "true": "dangerous", "yes": "dangerous"}


def recognise(root: Path) -> bool:
    """Whether meta.txt begins with its columns."""
    head = first_bytes(root / _META).decode("utf-8-sig", "replace").partition("\n")[0]
    return set(_COLUMNS[:4]) <= set(head.strip().split("\t"))


def read(root: Path) -> SourceSet:
    """All renderings of all objects. Raises SettingsInvalid if there are none."""
    folder = SourceFolder(root)
    rows = _read_meta(folder)
    names = [name for name in folder.folders() if name != _PHOTOGRAPHS]
    renderings = {name: by_stem(folder, folder.pictures(name)) for name in names}
    renderings = {name: pictures for name, pictures in renderings.items() if pictures}
    scans = [scan for row in rows.values() for scan in _scans(folder, row, renderings)]
    if not scans:
        raise NothingToRead(
            f"no scans named in meta.txt in {root}", folder.findings, remedy=f"give the folder that holds {_META}"
        )
    for name, pictures in renderings.items():
        extra = sorted(pictures.keys() - rows.keys())
        folder.warning_together("not listed", extra, f"in {name}/ and not in {_META}; left out", left_out=True)
    labels = tuple(sorted({row["class"] for row in rows.values()}))
    return SourceSet("compass-xp", root, labels, tuple(scans), tuple(folder.findings))


def _read_meta(folder: SourceFolder) -> dict[str, dict[str, str]]:
    """Basename -> its row."""
    reader = csv.DictReader(io.StringIO(folder.text(_META) or "", newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    rows: dict[str, dict[str, str]] = {}
    try:
        for row in reader:
            subject = f"{_META}:{reader.line_num}"
            values = {name: (row.get(name) or "").strip() for name in _COLUMNS}
            name = values["basename"]
            if not name or not values["class"]:
                folder.error("malformed line", subject, "it lacks basename or class")
            elif not is_confined(name) or "/" in name or "\\" in name:
                folder.error("path refused", subject, f"{name!r} is no plain file name")
            elif name in rows:
                folder.error("repeated line", subject, f"{name} was there before; the first counts")
            else:
                rows[name] = values
    except csv.Error as error:
        folder.error("malformed list", _META, f"line {reader.line_num}: {error}")
    return rows


def _scans(folder: SourceFolder, row: dict[str, str], renderings: dict[str, dict[str, str]]) -> list[SourceScan]:
    name, label = row["basename"], row["class"]
    missing = [rendering for rendering, pictures in renderings.items() if name not in pictures]
    if missing:
        folder.error("missing file", name, f"listed in {_META}, not in {', '.join(missing)}")
    danger = _DANGEROUS.get(row["dangerous"].lower(), "harmless") if row["dangerous"] else ""
    group = f"{label}/{row['instance']}"
    looked_for = frozenset[str]() if danger == "dangerous" else None
    scan = SourceScan("", "", (), group, looked_for=looked_for, present=frozenset({label}), subset=danger)
    return [
        replace(scan, path=pictures[name], scanner=rendering)
        for rendering, pictures in renderings.items()
        if name in pictures
    ]


ADAPTER = Adapter(
    title="COMPASS-XP",
    terms="licence not confirmed by the authors' pages: ask before use beyond research",
    recognise=recognise,
    read=read,
)
