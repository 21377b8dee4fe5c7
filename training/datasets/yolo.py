"""YOLO text labels, as Ultralytics (data.yaml), Roboflow and Label Studio or labelImg (classes.txt) lay them out.

    data.yaml: names, and train: images/train, val: ...      images/train/a.jpg   labels/train/a.txt
    data.yaml: train: ../train/images (Roboflow)             train/images/a.jpg   train/labels/a.txt
    classes.txt                                              images/a.jpg labels/a.txt, or a.jpg a.txt side by side
    labels/classes.txt (labelImg)                            images/a.jpg labels/a.txt

What no split in data.yaml names (`yolo_splits.py`) is in the one that a folder of its path is called as. A picture of a
split without a file of labels has no items, as Ultralytics takes it. Left out is one without labels that data.yaml puts
into no split although it names some, and one whose labels may be among those without a picture, each of which is a
Finding. The format has fractions of the scan and nothing else: `write` refuses items to be ignored, scans that were not
looked through for every label, and scans without a split in a folder that is one, and puts down in NOT_CARRIED.txt what
else was lost. Corners come back within 1/1000 pixel. Of a scan's old path the folders called `images` are left out:
labels lie where the last of them stands.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from detector.errors import SettingsInvalid
from training.datasets.annotated_set import Adapter, SourceScan, SourceSet
from training.datasets.annotation_values import are_placed
from training.datasets.exchange import (
    into_new_folder,
    place_scans,
    refuse_partly_annotated,
    refuse_unwritable_labels,
    refuse_unwritable_splits,
    report_not_carried,
)
from training.datasets.findings import NothingToRead
from training.datasets.indexed_folder import head
from training.datasets.scan_size import scan_size
from training.datasets.source_folder import (
    SourceFolder,
    common_group,
    first_bytes,
    first_files,
    stem_of,
    subfolders,
)
from training.datasets.splits import split_of_path
from training.datasets.yolo_labels import BOX_COLUMNS, format_box, names_of, read_labels, read_yaml
from training.datasets.yolo_splits import NO_SPLITS, Splits, read_splits, split_pictures

_NAMES, _CLASSES = "data.yaml", "classes.txt"
#: labelImg saves it beside the labels.
_CLASSES_PLACES = (_CLASSES, f"labels/{_CLASSES}")
_IMAGES = "images"
_YAML = (".yaml", ".yml")


def recognise(root: Path) -> bool:
    """Whether class names are there, and text labels or folders for them."""
    if any((root / path).is_file() for path in _CLASSES_PLACES):
        return bool(first_files(root, "", ".txt", 2)[1:]) or (root / "labels").is_dir()
    heads = [head(path) for suffix in _YAML for path in first_files(root, "", suffix)]
    named = any(line.startswith(b"names:") for start in heads for line in start.splitlines())
    return named and any((root / name).is_dir() or (root / name / "labels").is_dir() for name in _label_folders(root))


def read(root: Path) -> SourceSet:
    """All scans. Raises SettingsInvalid without class names or scans."""
    folder = SourceFolder(root)
    names, splits = read_names(folder)
    texts = list(folder.files("", (".txt",)))
    labels = {f"{posixpath.splitext(path)[0]}.txt": path for path in texts}
    pictures = _known_pictures(folder, splits, texts, labels)
    scans = [_read_scan(folder, path, split, names, labels) for path, split in pictures.items()]
    if not scans:
        raise NothingToRead(
            f"no scans in {root}", folder.findings, remedy=f"give the folder that holds {_NAMES} or {_CLASSES}"
        )
    without = [path for path in pictures if label_path(path) not in labels]
    folder.warning_together("no labels", without, "no file of labels: taken as a scan without items")
    named = tuple(dict.fromkeys(name for _, name in sorted(names.items())))
    return SourceSet("yolo", root, named, tuple(scans), tuple(folder.findings))


def read_names(folder: SourceFolder) -> tuple[dict[int, str], Splits]:
    """(class id -> name, where the splits are). Raises SettingsInvalid where no class is named."""
    for path in [path for path in folder.files("", _YAML) if "/" not in path]:
        document = read_yaml(folder, path)
        names = names_of(document or {})
        if document and names:
            return names, read_splits(folder, path, document)
    names = dict(enumerate(next(filter(None, map(folder.lines, _CLASSES_PLACES)), [])))
    if not names:
        what = f"no class names in {folder.root}"
        remedy = f"give a folder with names: in {_NAMES}, or with {_CLASSES}"
        raise NothingToRead(what, folder.findings, remedy=remedy)
    return names, Splits()


def label_path(picture: str) -> str:
    """Where a picture's labels are: the last folder `images` of its path is `labels`, or else beside it."""
    parts = posixpath.splitext(picture)[0].split("/")
    last = max((index for index, part in enumerate(parts[:-1]) if part == _IMAGES), default=None)
    if last is not None:
        parts[last] = "labels"
    return "/".join(parts) + ".txt"


@into_new_folder
def write(source: SourceSet, folder: Path) -> None:
    """images/<split>/, labels/<split>/ and data.yaml in a new folder. A scan without a split lies in images/ itself.

    Raises SettingsInvalid for what the format cannot say without misleading, and as `place_scans` does.
    """
    if any(box.ignore for scan in source.scans for box in scan.boxes):
        remedy = "export as coco or voc"
        raise SettingsInvalid("YOLO has no mark for items to ignore: they would count as items", remedy=remedy)
    refuse_partly_annotated(source, "YOLO")
    refuse_unwritable_labels(source.labels, "YOLO")
    refuse_unwritable_splits(source, "YOLO", NO_SPLITS)
    _refuse_splits_of_folders(source)
    ids = {label: index for index, label in enumerate(source.labels)}
    unknown = {box.label for scan in source.scans for box in scan.boxes} - ids.keys()
    if unknown:
        raise SettingsInvalid(f"boxes of {', '.join(sorted(unknown))}, which the set does not list as labels")
    place_scans(source, folder, _target)
    _write_labels(source, folder, ids)
    splits = [split for split in dict.fromkeys(scan.split for scan in source.scans) if split]
    lines = [f"{json.dumps(split)}: images/{split}" for split in splits]
    # JSON's strings are YAML's too.
    names = [f"  {index}: {json.dumps(label, ensure_ascii=False)}" for label, index in ids.items()]
    (folder / _NAMES).write_text("\n".join([*lines, "names:", *names, ""]), encoding="utf-8")
    report_not_carried(source, folder, boxes_too=True)


def _label_folders(root: Path) -> list[str]:
    return ["labels", *(name for name in subfolders(root) if (root / name / "labels").is_dir())]


def _known_pictures(
    folder: SourceFolder, splits: Splits, texts: Iterable[str], labels: Mapping[str, str]
) -> dict[str, str]:
    """Picture -> split, without those of whose items nothing is known. labels: texts by `label_path`."""
    alone = _note_labels_alone(folder, texts, labels)
    pictures, unnamed = split_pictures(folder, splits)
    without = {path for path in pictures if label_path(path) not in labels}
    unknown = unnamed & without
    message = f"in no split of {_NAMES} and without labels: nothing is known of its items; left out"
    folder.warning_together("missing annotation", sorted(unknown), message, left_out=True)
    doubtful = _doubtful(without - unknown, alone, labels)
    message = "no file of labels, and ones without a scan that may be its own: nothing is known of its items; left out"
    folder.warning_together("missing annotation", sorted(doubtful), message, left_out=True)
    told = sorted(path for path in unnamed - unknown if pictures[path])
    folder.warning_together("not listed", told, f"in no split of {_NAMES}; taken for that of its folder")
    return {path: split for path, split in pictures.items() if path not in unknown | doubtful}


def _note_labels_alone(folder: SourceFolder, texts: Iterable[str], labels: Mapping[str, str]) -> list[str]:
    """Labels whose scan is not there. labels: texts by `label_path`."""
    wanted = {label_path(path) for path in folder.pictures("")}
    used = {labels.get(path) for path in wanted}
    alone = [path for path in texts if path not in used and _are_labels(folder, path)]
    for path in alone:
        message = "its scan is not there, is of no format that is read, or has another file of labels"
        folder.error("missing file", path, message, left_out=True)
    return [path for path in alone if f"{posixpath.splitext(path)[0]}.txt" not in wanted]


def _doubtful(without: Iterable[str], alone: Iterable[str], labels: Mapping[str, str]) -> set[str]:
    """Pictures without labels whose own may be among those that are alone: one is called so but for the case of its
    letters or its folder, or more of their folder are alone than a few that were left behind. labels: by `label_path`.
    """
    names = {stem_of(path).casefold() for path in alone}
    lost = Counter(map(posixpath.dirname, alone))
    there = Counter(map(posixpath.dirname, labels.values()))
    astray = {folder for folder, count in lost.items() if not are_placed(there[folder] - count, there[folder])}
    return {
        path for path in without if stem_of(path).casefold() in names or posixpath.dirname(label_path(path)) in astray
    }


def _are_labels(folder: SourceFolder, path: str) -> bool:
    """By its folder, or by its first line: lists and notes lie beside labels."""
    if posixpath.basename(path) == _CLASSES:
        return False
    if any(part.lower() == "labels" for part in path.split("/")[:-1]):
        return True
    columns = first_bytes(folder.root / path).partition(b"\n")[0].split()
    return len(columns) >= BOX_COLUMNS and re.fullmatch(rb"[\d.eE+\- ]+", b" ".join(columns)) is not None


def _read_scan(
    folder: SourceFolder, picture: str, split: str, names: Mapping[int, str], labels: Mapping[str, str]
) -> SourceScan:
    path = labels.get(label_path(picture))
    if path is None:
        return SourceScan(picture, split, (), common_group(picture))
    boxes, (width, height), complete = read_labels(folder, path, picture, names)
    # A line that cannot be read may be about any class, also about one that has boxes.
    looked_for = None if complete else frozenset[str]()
    return SourceScan(picture, split, boxes, common_group(picture), width, height, looked_for)


def _refuse_splits_of_folders(source: SourceSet) -> None:
    """Raises SettingsInvalid for a scan without a split that would come back with the one that a folder of it is."""
    splits = {scan.split for scan in source.scans} - {""}
    for target, path in ((_target(scan), scan.path) for scan in source.scans if not scan.split):
        if split_of_path(target) or target.split("/")[1] in splits:
            what = f"YOLO cannot say that {path} is in no split: one of its folders is one"
            remedy = "export what `roentgate-train data prepare` makes of the set, or rename the folder"
            raise SettingsInvalid(what, remedy=remedy)


def _target(scan: SourceScan) -> str:
    head = f"{_IMAGES}/{scan.split}" if scan.split else _IMAGES
    *folders, name = scan.path.removeprefix(f"{head}/").split("/")
    # A further `images` would take the labels out of labels/, as `label_path` says.
    return "/".join([head, *(folder for folder in folders if folder != _IMAGES), name])


def _write_labels(source: SourceSet, folder: Path, ids: Mapping[str, int]) -> None:
    placed = SourceFolder(folder)
    for scan in source.scans:
        target = _target(scan)
        size = (scan.width, scan.height) if scan.width and scan.height else scan_size(placed, target)
        if size is None and scan.boxes:
            raise SettingsInvalid(f"{scan.path}: its size cannot be read", remedy="leave the scan out")
        lines = [format_box(box, ids[box.label], size or (0, 0)) for box in scan.boxes]
        path = folder / label_path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


ADAPTER = Adapter(
    title="YOLO (Ultralytics, Roboflow, Label Studio)",
    terms="as the set's owner says",
    recognise=recognise,
    read=read,
    write=write,
)
