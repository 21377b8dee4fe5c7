"""Which layout a folder is in: the first of ADAPTERS that knows it, or what was missing for the nearest one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from detector.errors import SettingsInvalid
from training.datasets.adapters import ADAPTERS
from training.datasets.annotated_set import Adapter, SourceSet
from training.datasets.archives import is_archive, parts_of
from training.datasets.source_folder import subfolders

#: Archives often hold one folder in another, some with a README beside it.
_DEEPEST = 3
_LISTED = 20_000
#: Archives that some sets are published in and that nothing here unpacks.
_NOT_UNPACKED = (".rar", ".7z")
#: Archives named in a message.
_NAMED = 5

#: What each layout is known by; patterns below the root, ` or ` between those of which one is enough. Only for
#: messages: the adapters decide.
SIGNATURES: dict[str, tuple[str, ...]] = {
    "OPIXray": ("train/train_image", "train/train_annotation", "train/train_knife.txt", "test/test_image"),
    "HiXray": ("train/train_image", "train/train_annotation", "train/train_name.txt", "test/test_image"),
    "SIXray": ("JPEGImage", "Annotation", "ImageSet"),
    "PIDray": ("annotations/xray_train.json", "train/xray_*.png", "easy", "hard", "hidden"),
    "CLCXray": ("annotations/instances_train2017.json", "train2017", "val2017", "test2017"),
    "EDS": ("*/images", "*/labels", "*/val.txt"),
    "X-ray FSOD": ("train/annotations", "train/images", "trainval.txt"),
    "DvXray": ("DvXray_Positive_Samples", "DvXray_Negative_Samples"),
    "LDXray": ("train.json", "test.json", "train_A", "train_B"),
    "STCray": ("STCray_TrainSet/Images", "STCray_TrainSet/Json_BB", "STCray_TestSet"),
    "GDXray": ("Baggages/B*",),
    "COMPASS-XP": ("meta.txt", "Colour"),
    "CargoXray": ("images.json.gz", "annotations.json.gz"),
    "a folder of data prepare, or COCO": ("annotations/*.json", "images"),
    "YOLO": ("images", "labels", "*.yaml or classes.txt"),
    "Pascal VOC": ("Annotations/*.xml", "JPEGImages", "ImageSets/Main"),
}


@dataclass(frozen=True)
class Recognised:
    """name: key of ADAPTERS. root: the folder that the adapter reads, which may lie below the one that was named."""

    name: str
    adapter: Adapter
    root: Path

    def read(self) -> SourceSet:
        """Everything that can be placed, sorted by path: file systems list folders in any order."""
        found = self.adapter.read(self.root)
        return replace(found, scans=tuple(sorted(found.scans, key=lambda scan: scan.path)))


def is_prepared(folder: Path, adapters: Mapping[str, Adapter] = ADAPTERS) -> bool:
    """Whether the folder is made for `fit`: images/ and annotations/<split>.json, of no other layout."""
    if not (folder / "images").is_dir() or next((folder / "annotations").glob("*.json"), None) is None:
        return False
    return next((name for name, adapter in adapters.items() if adapter.recognise(folder)), "roentgate") == "roentgate"


def recognise(path: Path, adapters: Mapping[str, Adapter] = ADAPTERS) -> Recognised:
    """The layout of a folder. Raises SettingsInvalid, saying what was tried and what is missing, where none fits."""
    if path.is_file():
        what = f"{path} is no archive that is read (.zip, .tar, .tar.gz, .tar.bz2, .tar.xz)"
        raise SettingsInvalid(what, remedy="unpack it yourself and name the folder")
    if not path.is_dir():
        raise SettingsInvalid(f"no folder {path}", remedy="name the folder, or the archive, that holds the set")
    roots = [path]
    for _ in range(_DEEPEST):
        for name, adapter in adapters.items():
            if adapter.recognise(roots[-1]):
                return Recognised(name, adapter, roots[-1])
        inside = subfolders(roots[-1], _LISTED)
        if len(inside) != 1:
            break
        roots.append(roots[-1] / inside[0])
    remedies = (_unpacking(roots), _other_export(roots), _nearest(roots, adapters))
    raise SettingsInvalid(f"{path}: no layout fits; {_contents(path)}", remedy="; ".join(filter(None, remedies)))


def _contents(path: Path) -> str:
    """How many files of which kind there are."""
    endings = Counter(file.suffix.casefold() for file in islice(path.rglob("*"), _LISTED) if file.is_file())
    if not endings:
        return "it is empty: no annotations, no scans"
    kinds = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in endings.most_common(5))
    return f"it holds {kinds}" + (
        "" if ".json" in endings or ".xml" in endings or ".txt" in endings else ": no annotations"
    )


def _unpacking(roots: Sequence[Path]) -> str:
    """What to do with archives that lie in the folders; "" without any. Raises SettingsInvalid if one lacks a part."""
    files = sorted(file for root in roots for file in islice(root.iterdir(), _LISTED))
    packed = [file for file in files if file.suffix.casefold() in _NOT_UNPACKED or is_archive(file)]
    if not packed:
        return ""
    if len(packed) == 1 and is_archive(packed[0]):
        return f"name the archive {packed[0]} itself"
    names = ", ".join(file.name for file in packed[:_NAMED]) + (", ..." if len(packed) > _NAMED else "")
    cut = [file.name for file in packed if is_archive(file) and len(parts_of(file)) > 1]
    # The first part of an archive ends in noughts or in letters a.
    joining = "".join(f" (`cat '{name.rstrip(name[-1])}'* | tar xz` for the one in parts)" for name in cut[:1])
    return f"unpack {names} into one folder{joining}, then name that folder"


def _other_export(roots: Sequence[Path]) -> str:
    """What to do with CVAT's "YOLO 1.1", which says neither splits nor names as other YOLO folders do."""
    if not any((root / "obj.names").is_file() for root in roots):
        return ""
    return "of CVAT's formats export `Ultralytics YOLO Detection` or `COCO` in place of `YOLO 1.1`"


def _nearest(roots: Sequence[Path], adapters: Mapping[str, Adapter]) -> str:
    """What the layout that comes nearest in one of the folders lacks, and which ones were tried."""
    missing = [
        (name, [pattern for pattern in patterns if not _is_there(root, pattern)])
        for root in roots
        for name, patterns in SIGNATURES.items()
    ]
    best, lacking = min(missing, key=lambda each: (len(each[1]) / len(SIGNATURES[each[0]]), len(each[1])))
    tried = f"tried: {', '.join(adapters)}"
    if len(lacking) == len(SIGNATURES[best]):
        return f"give a folder in one of these layouts; {tried}"
    return f"nearest is {best}, which lacks {', '.join(lacking) or 'only files that fit its names'}; {tried}"


def _is_there(root: Path, patterns: str) -> bool:
    return any(next(root.glob(pattern), None) is not None for pattern in patterns.split(" or "))
