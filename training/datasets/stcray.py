"""STCray: bag scans in a folder a class, LabelMe rectangles in the same folder below `Json_BB`.

    STCray_TrainSet/Images/Class 02_Gun/0001.jpg   STCray_TrainSet/Json_BB/Class 02_Gun/0001.json     same for TestSet
    STCray_Augmented/Threat_Items_Images/...       STCray_Augmented/Threat_Items_Json_BB/...

`Non Threat` has no JSON: its scans are clean. In any other folder a scan without JSON is not clean: the class of its
folder is in it, unboxed, and nothing else is known. `Multilabel Threat` is no class: its shapes have labels of their
own. Corners stand in any order. Source: github.com/Divs1159/STING-BEE.

How the augmented copies are named is not published. One called after a train scan of its class folder (`0001_7.jpg`,
of `0001.jpg`) shares its group; any other is left out, because val may be cut out of train: the original of a copy that
is trained on could be in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from training.datasets.annotated_set import Adapter, Published, SourceScan, SourceSet
from training.datasets.annotation_values import labels_met, leave_out_unboxed
from training.datasets.findings import NothingToRead
from training.datasets.indexed_folder import MAX_SCAN_BYTES, IndexedFolder
from training.datasets.labelme_document import read_shapes, stated_size
from training.datasets.source_folder import stem_of


@dataclass(frozen=True)
class _Part:
    scans: str
    annotations: str
    split: str
    subset: str = ""


_AUGMENTED = "augmented"
_PARTS = (
    _Part("STCray_TrainSet/Images", "STCray_TrainSet/Json_BB", "train"),
    _Part("STCray_TestSet/Images", "STCray_TestSet/Json_BB", "test"),
    _Part("STCray_Augmented/Threat_Items_Images", "STCray_Augmented/Threat_Items_Json_BB", "train", subset=_AUGMENTED),
)
#: `Class 02_Gun` -> `Gun`.
_NUMBER = re.compile(r"^class\s*\d+\s*[_-]?\s*", re.IGNORECASE)
_CLEAN, _SEVERAL = "nonthreat", "multilabelthreat"


def _recognise(root: Path) -> bool:
    return any((root / part.scans).is_dir() and (root / part.annotations).is_dir() for part in _PARTS)


def _read(root: Path) -> SourceSet:
    folder = IndexedFolder(root)
    found = [
        scan
        for part in _PARTS
        for place in (part.scans, *folder.folders(part.scans))
        for scan in _class_folder(folder, part, place)
    ]
    scans = _with_originals(folder, found)
    if not scans:
        remedy = "give the folder that holds STCray_TrainSet/, unpacked; augmented copies are read beside it alone"
        raise NothingToRead(f"no scans in {root}", folder.findings, remedy=remedy)
    labels = labels_met(scans)
    kept = tuple(leave_out_unboxed(scan, labels) for scan in scans)
    return SourceSet("stcray", root, labels, kept, tuple(folder.findings))


def _with_originals(folder: IndexedFolder, scans: Sequence[SourceScan]) -> list[SourceScan]:
    """The scans without the copies of which no name tells the original; the other copies in its group."""
    originals = {_place(scan): scan.path for scan in scans if scan.split == "train" and scan.subset != _AUGMENTED}
    # A copy that may be one of a test scan has no place in train.
    originals |= {_place(scan): "" for scan in scans if scan.split == "test"}
    kept, alone = [], []
    for scan in scans:
        group = _original(_place(scan), originals) if scan.subset == _AUGMENTED else scan.group
        if group:
            kept.append(replace(scan, group=group))
        else:
            alone.append(scan.path)
    message = "not called after a train scan of the same class folder, as 0001_7.jpg of 0001.jpg; left out, because the"
    folder.warning_together("copy without original", alone, f"{message} original may be in val or test", left_out=True)
    return kept


def _place(scan: SourceScan) -> str:
    """Class folder and stem: what a copy may have in common with its original."""
    return "/".join(scan.path.rpartition(".")[0].split("/")[2:])


def _original(copy: str, originals: Mapping[str, str]) -> str:
    """What `originals` gives for the longest place that the copy's begins with, up to a mark; "" for none."""
    starts = (copy[:at] for at in range(len(copy) - 1, 0, -1) if not copy[at].isalnum())
    return next((originals[start] for start in starts if start in originals), "")


def _class_folder(folder: IndexedFolder, part: _Part, place: str) -> Iterator[SourceScan]:
    annotations = part.annotations + place.removeprefix(part.scans)
    known = folder.names(annotations)
    used: set[str | None] = set()
    for name in folder.scans(place):
        stem = stem_of(name)
        annotation = next((file for file in (f"{stem}.json", f"{stem}_BB.json") if file in known), None)
        used.add(annotation)
        scan = SourceScan(f"{place}/{name}", part.split, (), f"{place}/{name}", subset=part.subset)
        label = _NUMBER.sub("", place.removeprefix(part.scans).lstrip("/"))
        yield _annotated(folder, scan, f"{annotations}/{annotation}" if annotation else "", label)
    for name in sorted(name for name in known - used if name.endswith(".json")):
        folder.error("missing scan", f"{annotations}/{name}", f"no picture of that name in {place}/", left_out=True)


def _annotated(folder: IndexedFolder, scan: SourceScan, annotation: str, label: str) -> SourceScan:
    """The scan with its shapes. annotation: "" where there is none. label: of the class folder."""
    document = folder.json(annotation, MAX_SCAN_BYTES) if annotation else None
    if document is not None:
        boxes, left_out = read_shapes(folder, document, annotation)
        width, height = stated_size(folder, document, annotation)
        return replace(scan, boxes=boxes, present=left_out, width=width, height=height)
    if not annotation and _plain(label) == _CLEAN:
        return scan
    if not annotation:
        folder.error("missing annotation", scan.path, "no JSON, and its folder is not Non Threat: it may hold anything")
    present = frozenset() if _plain(label) in (_SEVERAL, _CLEAN, "") else frozenset({label})
    return replace(scan, looked_for=frozenset(), present=present)


def _plain(label: str) -> str:
    return "".join(character for character in label.casefold() if character.isalpha())


ADAPTER = Adapter(
    title="STCray",
    terms="research use only, as second-hand sources say",
    recognise=_recognise,
    read=_read,
    published={"train": Published(37_316), "test": Published(9_326)},
)
