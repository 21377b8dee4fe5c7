"""Which layout a folder is in: the first of ADAPTERS that knows it, or what was missing for the nearest one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from detector.errors import SettingsInvalid
from training.datasets.adapters import ADAPTERS
from training.datasets.annotated_set import Adapter, SourceSet
from training.datasets.exif_orientation import without_turned
from training.datasets.splits import TEST, TRAIN, VAL

#: Archives often hold one folder in another.
_DEEPEST = 3
_LISTED = 20_000
#: Archives that some sets are published in and that nothing here unpacks.
_NOT_UNPACKED = (".rar", ".7z")

#: What each layout is known by; patterns below the root. Only for messages: the adapters decide.
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
    "YOLO": ("images", "labels", "*.yaml"),
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
        found = without_turned(self.adapter.read(self.root))
        return replace(found, scans=tuple(sorted(found.scans, key=lambda scan: scan.path)))


def is_trainable(folder: Path, adapters: Mapping[str, Adapter] = ADAPTERS) -> bool:
    """Whether `fit` reads the folder as it stands: images/ and annotations/<split>.json, of no public set's layout."""
    if not (folder / "images").is_dir() or next((folder / "annotations").glob("*.json"), None) is None:
        return False
    known = next((name for name, adapter in adapters.items() if adapter.recognise(folder)), "roentgate")
    usual = any((folder / "annotations" / f"{split}.json").is_file() for split in (TRAIN, VAL, TEST))
    return known == "roentgate" or (known == "coco" and usual)


def recognise(path: Path, adapters: Mapping[str, Adapter] = ADAPTERS) -> Recognised:
    """The layout of a folder. Raises SettingsInvalid, saying what was tried and what is missing, where none fits."""
    if path.is_file():
        what = f"{path} is no archive that is read (.zip, .tar, .tar.gz, .tar.bz2, .tar.xz)"
        raise SettingsInvalid(what, remedy="unpack it yourself and name the folder")
    if not path.is_dir():
        raise SettingsInvalid(f"no folder {path}", remedy="name the folder, or the archive, that holds the set")
    root = path
    for _ in range(_DEEPEST):
        for name, adapter in adapters.items():
            if adapter.recognise(root):
                return Recognised(name, adapter, root)
        inside = [entry for entry in root.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
        if len(inside) != 1 or not inside[0].is_dir():
            break
        root = inside[0]
    packed = sorted({file.suffix for file in root.iterdir() if file.suffix.casefold() in _NOT_UNPACKED})
    remedy = f"unpack its {' and '.join(packed)} files yourself, then name the folder" if packed else ""
    raise SettingsInvalid(f"{path}: no layout fits; {_contents(path)}", remedy=remedy or _nearest(root, adapters))


def _contents(path: Path) -> str:
    """How many files of which kind there are."""
    endings = Counter(file.suffix.casefold() for file in islice(path.rglob("*"), _LISTED) if file.is_file())
    if not endings:
        return "it is empty: no annotations, no scans"
    kinds = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in endings.most_common(5))
    return f"it holds {kinds}" + (
        "" if ".json" in endings or ".xml" in endings or ".txt" in endings else ": no annotations"
    )


def _nearest(root: Path, adapters: Mapping[str, Adapter]) -> str:
    """What the layout that comes nearest lacks, and which ones were tried."""
    missing = {
        name: [pattern for pattern in patterns if next(root.glob(pattern), None) is None]
        for name, patterns in SIGNATURES.items()
    }
    best = min(missing, key=lambda name: (len(missing[name]) / len(SIGNATURES[name]), len(missing[name])))
    tried = f"tried: {', '.join(adapters)}"
    if len(missing[best]) == len(SIGNATURES[best]):
        return f"give a folder in one of these layouts; {tried}"
    return f"nearest is {best}, which lacks {', '.join(missing[best]) or 'only files that fit its names'}; {tried}"
