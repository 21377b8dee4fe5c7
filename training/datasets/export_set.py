"""A prepared folder in a format of exchange, for other tools and for people who correct boxes.

    export_set(Path("data"), "yolo", Path("data_yolo"))

What a format cannot say without misleading (YOLO has no word for a class that nobody looked for) is refused by its
adapter with one line; what it merely forgets stands in NOT_CARRIED.txt beside the scans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from detector.errors import SettingsInvalid
from detector.toml_settings import nearest
from training.datasets.adapters import ADAPTERS
from training.datasets.annotated_set import Adapter, SourceSet
from training.datasets.archives import is_archive
from training.datasets.exif_orientation import without_turned
from training.datasets.findings import Finding, NothingToRead, Severity
from training.datasets.recognition import recognise
from training.datasets.roentgate_layout import PreparedScan

#: Name of --format -> key of ADAPTERS.
FORMATS = {
    "coco": "coco",
    "yolo": "yolo",
    "voc": "pascal-voc",
    "labelme": "labelme",
    "label-studio": "label-studio",
}


@dataclass(frozen=True)
class Exported:
    """scans: written. left_out: not looked through for all classes that were asked for. findings: what was wrong with
    the set, errors first, among them the scans that were left out since viewers turn them."""

    scans: int
    left_out: int
    findings: tuple[Finding, ...]


def export_set(
    data: Path,
    format_name: str,
    output: Path,
    classes: Sequence[str] = (),
    adapters: Mapping[str, Adapter] = ADAPTERS,
) -> Exported:
    """Writes `data`, in whatever layout it is, as `format_name` into the new folder `output`.

    classes: these alone, and only scans that were looked through for all of them; empty for all. Raises SettingsInvalid
    for an archive, an unknown format or class, a set without scans, and what the format cannot hold.
    """
    key = FORMATS.get(format_name, "")
    write = adapters[key].write if key in adapters else None
    if write is None:
        hint = nearest(format_name, FORMATS)
        raise SettingsInvalid(f"no format {format_name!r}{hint}", remedy=f"the formats are: {', '.join(FORMATS)}")
    if is_archive(data):
        raise SettingsInvalid(f"{data} is an archive", remedy="unpack it, and name the folder")
    found = _below_images(_as_taken(without_turned(recognise(data, adapters).read())))
    findings = tuple(sorted(found.findings, key=lambda finding: finding.severity != Severity.ERROR))
    written = _restricted(found, classes) if classes else found
    if not found.scans:
        raise NothingToRead(f"{data} holds no scan to export", findings, remedy="give a folder with annotated scans")
    if not written.scans:
        what = f"{data} holds no scan that was looked through for all of these classes"
        raise SettingsInvalid(what, remedy="run `roentgate-train data stats` on it")
    try:
        write(written, output)
    except OSError as error:
        raise SettingsInvalid(
            f"{error.filename or output}: {error.strerror}",
            remedy="put that right, free space if the disk is full, and run it again",
        ) from None
    return Exported(len(written.scans), len(found.scans) - len(written.scans), findings)


def _as_taken(found: SourceSet) -> SourceSet:
    """The same with the parts that `data prepare` took for the whole class as looked for: `fit` takes them so, too."""
    scans = (
        replace(scan, looked_for=scan.looked_for | scan.part.keys())
        if isinstance(scan, PreparedScan) and scan.looked_for is not None
        else scan
        for scan in found.scans
    )
    return replace(found, scans=tuple(scans))


def _below_images(found: SourceSet) -> SourceSet:
    """The same with images/ as its root: formats put a folder of that name in front themselves."""
    if not all(isinstance(scan, PreparedScan) and scan.path.startswith("images/") for scan in found.scans):
        return found
    scans = tuple(replace(scan, path=scan.path.removeprefix("images/")) for scan in found.scans)
    return replace(found, root=found.root / "images", scans=scans)


def _restricted(found: SourceSet, classes: Sequence[str]) -> SourceSet:
    names = tuple(dict.fromkeys(name.strip() for name in classes))
    for name in names:
        if name not in found.labels:
            hint = nearest(name, found.labels)
            raise SettingsInvalid(f"no class {name!r}{hint}", remedy=f"its classes are: {', '.join(found.labels)}")
    wanted = frozenset(names)
    scans = [
        replace(
            scan, boxes=tuple(box for box in scan.boxes if box.label in wanted), looked_for=None, present=frozenset()
        )
        for scan in found.scans
        if (scan.looked_for is None or wanted <= scan.looked_for) and not wanted & scan.present
    ]
    return replace(found, labels=names, scans=tuple(scans))
