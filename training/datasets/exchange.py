"""What writing a set into a format of exchange shares: nothing is lost without a word, no scan is overwritten.

A format that cannot say something is left out for two reasons, told apart here: what would mislead whoever trains on
the result (an item that may be missed counts as background) is refused; what is merely forgotten (groups, scanners)
is written down in NOT_CARRIED.txt beside the scans.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import wraps
from pathlib import Path

from detector.errors import SettingsInvalid
from detector.readers.sidecar import sidecar_of
from training.datasets.annotated_set import SourceScan, SourceSet
from training.datasets.roentgate_layout import PreparedScan
from training.datasets.source_folder import is_confined

#: Puts a set's annotations and scans into a folder.
Write = Callable[[SourceSet, Path], None]

#: In a folder that is being written: no one else's folder is taken for an attempt that was stopped.
_ATTEMPT = ".roentgate-export"
#: Name of the file that lists what the format had no place for.
NOT_CARRIED = "NOT_CARRIED.txt"

_SCANNERS_SOURCE = "scanner's source: a scanner that is read again has the new source before its old name"
_FORGOTTEN: dict[str, Callable[[SourceScan], bool]] = {
    "group: views of one bag, which may not be in two splits": lambda scan: scan.group != scan.path,
    "subset: official part": lambda scan: bool(scan.subset),
    "scanner": lambda scan: bool(scan.scanner),
    "drawn: the file holds what the station drew": lambda scan: scan.drawn,
}
_FORGOTTEN_BOXES: dict[str, Callable[[SourceScan], bool]] = {
    "polygons of boxes": lambda scan: any(box.polygons for box in scan.boxes),
    "attributes of boxes": lambda scan: any(box.attributes for box in scan.boxes),
}


def into_new_folder(write: Write) -> Write:
    """`write`, but its folder appears whole or not at all: until it is whole it has `.partial` behind its name.

    What an earlier attempt left under that name is replaced, known by a file in it. The result raises SettingsInvalid
    where something is in the folder already, or under that name by somebody else, and for a set that lies there.
    """

    @wraps(write)
    def written_whole(source: SourceSet, folder: Path) -> None:
        _refuse_taken(folder)
        # A folder named `.` or `..` has a name all the same.
        target = folder.resolve()
        partial = target.with_name(f"{target.name}.partial")
        if source.root.resolve().is_relative_to(partial):
            raise SettingsInvalid(f"{source.root} lies where {folder} is being made", remedy="give another new folder")
        _refuse_anothers(partial)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            (partial / _ATTEMPT).touch()
            write(source, partial)
            _report_sources(source, partial)
            (partial / _ATTEMPT).unlink()
            if target.is_dir():
                target.rmdir()
            partial.replace(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    return written_whole


def _refuse_taken(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsInvalid(f"{folder} is not empty", remedy="give a new folder")
    if folder.is_mount():
        # Nothing can be put in its place when all is written.
        raise SettingsInvalid(f"{folder} is where a file system is mounted", remedy="give a new folder inside it")


def _refuse_anothers(partial: Path) -> None:
    """An attempt is removed, so it has to be one."""
    if partial.exists() and not (partial / _ATTEMPT).is_file():
        _refuse_taken(partial)


def refuse_partly_annotated(source: SourceSet, format_name: str) -> None:
    """Raises SettingsInvalid for scans that were not looked through for all labels, or hold items without boxes."""
    labels = set(source.labels)
    for scan in source.scans:
        if scan.present:
            what = f"{scan.path} holds {', '.join(sorted(scan.present))} without a box"
        elif scan.looked_for is not None and not labels <= scan.looked_for:
            what = f"{scan.path} was not looked through for {', '.join(sorted(labels - scan.looked_for))[:200]}"
        else:
            continue
        remedy = "export as coco, which can say so, or leave such scans out"
        raise SettingsInvalid(f"{format_name} cannot say that {what}: it would count as background", remedy=remedy)


def refuse_unwritable_labels(texts: Iterable[str], format_name: str, forbidden: str = "") -> None:
    """Raises SettingsInvalid for a label, attribute or listed name that would come back as another: empty, with white
    space at an end, with what cannot be printed or is forbidden."""
    for text in texts:
        if not text or text != text.strip() or not text.isprintable() or set(text) & set(forbidden):
            raise SettingsInvalid(f"{format_name} cannot hold {text!r} as it is", remedy="rename it")


def refuse_unwritable_splits(source: SourceSet, format_name: str, taken: Collection[str]) -> None:
    """Raises SettingsInvalid for a split whose name is no plain file name, or means something else in the format."""
    for split in {scan.split for scan in source.scans} - {""}:
        if split in taken or not re.fullmatch(r"\w[\w.-]*", split):
            raise SettingsInvalid(f"{format_name} cannot hold the split {split!r}", remedy="rename it")


def place_scans(source: SourceSet, folder: Path, target_of: Callable[[SourceScan], str]) -> None:
    """Puts every scan where target_of says, as a hard link, or as a copy where the file system has none.

    Raises SettingsInvalid where two scans would be one file or differ by suffix alone, since both would own one file
    of labels; for a path that leaves the folder; and for a scan that is not there.
    """
    taken: dict[str, str] = {}
    for scan in source.scans:
        target = target_of(scan)
        if not (is_confined(target) and is_confined(scan.path) and target.isprintable()):
            what = f"{scan.path!r} leads out of the folder or cannot be printed"
            raise SettingsInvalid(what, remedy="correct the set's paths")
        stem = os.path.splitext(target)[0]  # noqa: PTH122 (a path below the root, not a file)
        if stem in taken:
            what = f"{scan.path} and {taken[stem]} would share {stem}"
            raise SettingsInvalid(what, remedy="rename one of them")
        taken[stem] = scan.path
        _place(source.root / scan.path, folder / target)


def report_not_carried(source: SourceSet, folder: Path, boxes_too: bool) -> None:
    """Writes NOT_CARRIED.txt where something is forgotten. boxes_too: outlines and attributes are, too."""
    kinds = _FORGOTTEN | (_FORGOTTEN_BOXES if boxes_too else {})
    counts = {kind: sum(map(has, source.scans)) for kind, has in kinds.items()}
    _report(folder, [f"{kind} (of {count} scans)" for kind, count in counts.items() if count])


def _report_sources(source: SourceSet, folder: Path) -> None:
    """A prepared folder joins scans under several terms; no format says which scan came from which set, which its
    scanner's name begins with when it is read again, nor that a part was taken for the whole class."""
    prepared = [scan for scan in source.scans if isinstance(scan, PreparedScan)]
    counts = Counter(f"source, and its terms: {scan.source}" for scan in prepared)
    counts.update(_SCANNERS_SOURCE for scan in prepared if scan.scanner)
    counts.update(f"class marked in part: {label}" for scan in prepared for label in scan.part)
    _report(folder, [f"{kind} (of {count} scans)" for kind, count in sorted(counts.items())])


def _report(folder: Path, lines: Sequence[str]) -> None:
    path = folder / NOT_CARRIED
    head = "" if path.exists() else "This format has no place for the following, which the set had:\n"
    if lines:
        with path.open("a", encoding="utf-8") as file:
            file.write(head + "".join(f"{line}\n" for line in lines))


def _place(scan: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    real = scan.resolve()
    if not real.is_file():
        raise SettingsInvalid(f"{scan} is not there", remedy="check the set's folder")
    if profile := sidecar_of(scan):
        # A raw array is read through the profile beside it.
        _copy(profile, target.with_name(f"{target.name}.toml"))
    try:
        os.link(real, target)
    except OSError:
        _copy(real, target)


def _copy(scan: Path, target: Path) -> None:
    try:
        shutil.copyfile(scan, target)
    except OSError as error:
        # Its own error names the scan, although the disk of the other may be full.
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(error.errno, error.strerror, str(target)) from error
        raise
