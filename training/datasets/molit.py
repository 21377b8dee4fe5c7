"""MOLIT / CUBOX: checks at Korean airports, several views a bag (github.com/CUBOX-Co-Ltd/molit_xray-detection).

    data/images/train|val|test/E3S690_20221028_03001258_M_Watch_527-018_4.png   data/labels/<same>/<same>.txt (YOLO)
    configs/config.yaml (names, with None as class 0)

A file's name holds the machine, the day, the bag's number, one or more items, and last the view: the views of one bag
share a group. The authors moved files to splits one by one, so that views of one bag lie in different splits. Class
ids begin with 1; 0 is None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from training.datasets.annotated_set import Adapter, Published, SourceScan, SourceSet
from training.datasets.findings import NothingToRead
from training.datasets.source_folder import SourceFolder, first_files, stem_of
from training.datasets.yolo_labels import names_of, read_labels, read_yaml

LABELS = (
    *("Gun", "Bullet", "Magazin", "Slingshot", "Speargun tip", "Shuriken", "Dart pin", "Electroshock weapon"),
    *("LAGs product", "Ax", "Knife-A", "Knife-F", "Knife-B", "Other Knife", "Knife-D", "Knife blade", "Knife-Z"),
    *("Multipurpose knife", "Scissors-A", "Scissors", "Knuckle", "Hammer", "Prohibited tool-D", "Drill"),
    *("Prohibited tool-A", "Monkey wrench", "Pipe wrench", "Prohibited tool-C", "Prohibited tool-B", "Vise plier"),
    *("Shovel", "Prohibited tool-E", "Bolt cutter", "Saw", "Electric saw", "Dumbbel", "Ice skates", "Baton"),
    *("Handscuffs", "Explosive weapon-A", "LAGs product(Plastic-A)", "LAGs product(Plastic-B)"),
    *("LAGs product(Plastic-C)", "LAGs product(Plastic-D)", "LAGs product(Glass)", "LAGs product(Paper)"),
    *("LAGs product(Stainless)", "LAGs product(Vinyl)", "LAGs product(Aluminum)", "LAGs product(Tube)"),
    *("Firecracker", "Torch", "Solid fuel", "Lighter", "Nunchaku", "Exploding golf balls", "Knife-E"),
    *("Green onion slicer", "Hex key(over 10cm)", "Kettlebell", "Kubotan", "Arrow tip", "Billiard ball"),
    *("Drill bit(over 6cm)", "Buttstock", "Card knife"),
)
_SPLITS = ("train", "val", "test")
_NOTHING = "None"
#: Machine, day, bag, how many items (S, M, P), the items, view.
_NAME = re.compile(r"(?P<machine>[A-Z]\w*?)_(?P<bag>\d{8}_\d+_[SMP]_.+)_(?P<view>\d+)$")
_YOLO, _CLASSES = "data.yaml", "classes.txt"
#: Where class names may stand, below the set's folder or the one that holds data/.
_NAMED_IN = ("configs/config.yaml", "config.yaml", _YOLO, _CLASSES)


def recognise(root: Path) -> bool:
    """Whether its pictures are there, by their names, and folders of labels, of which none was numbered anew."""
    return any(map(_has_scans, (root, root / "data"))) and not _is_renumbered(root)


def read(root: Path) -> SourceSet:
    """All splits, from the repository's folder or its data/. Raises SettingsInvalid if there are none."""
    folder = SourceFolder(root)
    base = "data/" if (root / "data/images").is_dir() else ""
    names = _names(folder)
    scans = [scan for split in _SPLITS for scan in _read_split(folder, base, split, names)]
    if not scans:
        raise NothingToRead(
            f"no scans in {root}", folder.findings, remedy="give the folder that holds images/ and labels/"
        )
    labels = tuple(name for _, name in sorted(names.items()))
    return SourceSet("molit", root, labels, tuple(scans), tuple(folder.findings))


def _has_scans(base: Path) -> bool:
    names = (path.stem for split in _SPLITS for path in first_files(base / "images", split, ".png"))
    return (base / "labels").is_dir() and any(map(_NAME.match, names))


def _is_renumbered(root: Path) -> bool:
    """Whether class 0 is an item: for the names that lie beside the scans, and in a label, as YOLO's tools write it.

    Such names alone may also list the set's own classes without None, whose ids begin with 1 all the same.
    """
    folder = SourceFolder(root)
    for base in (base for base in (root, root / "data") if (base / "labels").is_dir()):
        within = "data/" if base != root else ""
        beside = [f"{within}{path.name}" for path in sorted(base.glob("*.y*ml"))] + [f"{within}{_CLASSES}"]
        if any(_names_in(folder, path).get(0, _NOTHING) != _NOTHING for path in beside if folder.has_file(path)):
            labels = (path for split in _SPLITS for path in folder.files(f"{within}labels/{split}", (".txt",)))
            return any(line.split()[:1] == ["0"] for path in labels for line in folder.lines(path))
    return False


def _names_in(folder: SourceFolder, path: str) -> dict[int, str]:
    if path.endswith(".txt"):
        return dict(enumerate(folder.lines(path)))
    return names_of(read_yaml(folder, path) or {})


def _names(folder: SourceFolder) -> dict[int, str]:
    """Class id -> name, from the set's own file or else as the authors published them."""
    for path in (path for path in _NAMED_IN if folder.has_file(path)):
        names = _names_in(folder, path)
        if names.get(0) == LABELS[0]:
            # A list without None: the ids in the labels begin with 1 all the same.
            names = {index + 1: name for index, name in names.items()}
        if names:
            return {index: name for index, name in names.items() if name != _NOTHING}
    return dict(enumerate(LABELS, 1))


def _read_split(folder: SourceFolder, base: str, split: str, names: Mapping[int, str]) -> list[SourceScan]:
    images, labels = f"{base}images/{split}", f"{base}labels/{split}"
    annotations = {stem_of(path): path for path in folder.files(labels, (".txt",))}
    pictures = {stem_of(path): path for path in folder.pictures(images)}
    for stem in sorted(pictures.keys() - annotations.keys()):
        folder.error(
            "missing annotation", pictures[stem], f"no {labels}/{stem}.txt; the scan is left out", left_out=True
        )
    for stem in sorted(annotations.keys() - pictures.keys()):
        folder.error("missing file", annotations[stem], f"no picture of that name in {images}", left_out=True)
    both = sorted(pictures.keys() & annotations.keys())
    return [_read_scan(folder, pictures[stem], annotations[stem], split, names) for stem in both]


def _read_scan(folder: SourceFolder, picture: str, annotation: str, split: str, names: Mapping[int, str]) -> SourceScan:
    boxes, (width, height), complete = read_labels(folder, annotation, picture, names)
    # A line that cannot be read may be about any class, also about one that has boxes.
    looked_for = None if complete else frozenset[str]()
    name = _NAME.match(stem_of(picture))
    group, machine = (f"{name['machine']}_{name['bag']}", name["machine"]) if name else (picture, "")
    return SourceScan(picture, split, boxes, group, width, height, looked_for, scanner=machine)


ADAPTER = Adapter(
    title="MOLIT / CUBOX",
    terms="research and education only",
    recognise=recognise,
    read=read,
    published={"train": Published(212_119), "val": Published(24_104), "test": Published(24_236)},
)
