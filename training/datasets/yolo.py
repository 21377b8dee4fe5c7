"""YOLO text labels, as Ultralytics (data.yaml), Roboflow and Label Studio or labelImg (classes.txt) lay them out.

    data.yaml: names, and train: images/train, val: ...      images/train/a.jpg   labels/train/a.txt
    data.yaml: train: ../train/images (Roboflow)             train/images/a.jpg   train/labels/a.txt
    classes.txt                                              images/a.jpg labels/a.txt, or a.jpg a.txt side by side

Without splits in data.yaml a folder called train, val, valid or test is one. A picture of a split without a file of
labels has no items, as Ultralytics takes it; one that is in no split where data.yaml names some is left out. Labels
without a picture are a Finding. The format has fractions of the scan and nothing else: `write` refuses items to be
ignored and scans that were not looked through for every label, and puts down in NOT_CARRIED.txt what else was lost.
Corners come back within 1/1000 pixel.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from detector.errors import SettingsInvalid
from training.datasets.annotated_set import Adapter, SourceScan, SourceSet
from training.datasets.exchange import (
    into_new_folder,
    place_scans,
    refuse_partly_annotated,
    refuse_unwritable_labels,
    refuse_unwritable_splits,
    report_not_carried,
)
from training.datasets.findings import NothingToRead
from training.datasets.scan_size import scan_size
from training.datasets.source_folder import (
    SourceFolder,
    common_group,
    first_bytes,
    first_files,
    is_confined,
    subfolders,
)
from training.datasets.yolo_labels import BOX_COLUMNS, format_box, names_of, read_labels, read_yaml

_NAMES, _CLASSES = "data.yaml", "classes.txt"
_YAML = (".yaml", ".yml")
_SPLITS = ("train", "val", "test")
#: Folders that are splits where no data.yaml names any.
_SPLIT_FOLDERS = {"train": "train", "valid": "val", "val": "val", "test": "test"}
#: Keys of data.yaml that hold something else; `valid` is read as val.
_NO_SPLITS = ("path", "names", "nc", "valid", "download", "roboflow", "kpt_shape", "flip_idx", "channels", "colors")


def recognise(root: Path) -> bool:
    """Whether class names are there, and text labels or folders for them."""
    if (root / _CLASSES).is_file():
        return bool(first_files(root, "", ".txt", 2)[1:]) or (root / "labels").is_dir()
    heads = [first_bytes(path) for suffix in _YAML for path in first_files(root, "", suffix)]
    named = any(line.startswith(b"names:") for head in heads for line in head.splitlines())
    return named and any((root / name).is_dir() or (root / name / "labels").is_dir() for name in _label_folders(root))


def read(root: Path) -> SourceSet:
    """All scans. Raises SettingsInvalid without class names or scans."""
    folder = SourceFolder(root)
    names, splits = read_names(folder)
    texts = list(folder.files("", (".txt",)))
    labels = {f"{posixpath.splitext(path)[0]}.txt": path for path in texts}
    _note_labels_alone(folder, texts, labels)
    pictures = _pictures(folder, splits)
    unknown = {path for path, split in pictures.items() if splits and not split and label_path(path) not in labels}
    message = f"in no split of {_NAMES} and without labels: nothing is known of its items; left out"
    folder.warning_together("missing annotation", sorted(unknown), message)
    pictures = {path: split for path, split in pictures.items() if path not in unknown}
    scans = [_read_scan(folder, path, split, names, labels) for path, split in pictures.items()]
    if not scans:
        raise NothingToRead(
            f"no scans in {root}", folder.findings, remedy=f"give the folder that holds {_NAMES} or {_CLASSES}"
        )
    without = [path for path in pictures if label_path(path) not in labels]
    folder.warning_together("no labels", without, "no file of labels: taken as a scan without items")
    named = tuple(dict.fromkeys(name for _, name in sorted(names.items())))
    return SourceSet("yolo", root, named, tuple(scans), tuple(folder.findings))


def read_names(folder: SourceFolder) -> tuple[dict[int, str], dict[str, str]]:
    """(class id -> name, folder or list of a split -> split). Raises SettingsInvalid where no class is named."""
    for path in [path for path in folder.files("", _YAML) if "/" not in path]:
        document = read_yaml(folder, path)
        names = names_of(document or {})
        if document and names:
            splits = [*_SPLITS, *(key for key in document if key not in (*_SPLITS, *_NO_SPLITS))]
            return names, _split_of_places(folder, document, splits)
    names = dict(enumerate(folder.lines(_CLASSES)))
    if not names:
        what = f"no class names in {folder.root}"
        remedy = f"give a folder with names: in {_NAMES}, or with {_CLASSES}"
        raise NothingToRead(what, folder.findings, remedy=remedy)
    return names, {}


def label_path(picture: str) -> str:
    """Where a picture's labels are: the last folder `images` of its path is `labels`, or else beside it."""
    parts = posixpath.splitext(picture)[0].split("/")
    last = max((index for index, part in enumerate(parts[:-1]) if part == "images"), default=None)
    if last is not None:
        parts[last] = "labels"
    return "/".join(parts) + ".txt"


@into_new_folder
def write(source: SourceSet, folder: Path) -> None:
    """images/<split>/, labels/<split>/ and data.yaml in a new folder. A scan without a split lies in images/ itself.

    Raises SettingsInvalid for what the format cannot say without misleading, and as `place_scans` does.
    """
    if any(box.ignore for scan in source.scans for box in scan.boxes):
        remedy = "export as coco or pascal-voc"
        raise SettingsInvalid("YOLO has no mark for items to ignore: they would count as items", remedy=remedy)
    refuse_partly_annotated(source, "YOLO")
    refuse_unwritable_labels(source.labels, "YOLO")
    refuse_unwritable_splits(source, "YOLO")
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


def _split_of_places(folder: SourceFolder, document: Mapping[str, object], splits: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for split in splits:
        for place in _places(folder, document, split):
            if found.setdefault(place, split) != split:
                folder.error("two splits", place, f"is {found[place]} and {split}; taken as {found[place]}")
    return found


def _places(folder: SourceFolder, document: Mapping[str, object], split: str) -> list[str]:
    """Paths below the root that the key of a split names: folders, or text files with a scan a line."""
    value = document.get(split, document.get("valid") if split == "val" else None)
    places = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str) and each]
    found = [(each, _place(folder, document, each)) for each in places]
    for written, place in found:
        # Other keys may hold anything.
        if place is None and split in _SPLITS:
            kind = "missing folder" if is_confined(_plain(written)) else "path refused"
            folder.error(kind, _NAMES, f"{split}: {written!r} is not in the set")
    return [place for _, place in found if place is not None]


def _plain(written: str) -> str:
    # Roboflow writes ../train/images and means train/images; Ultralytics corrects it the same way.
    return posixpath.normpath(written.replace("\\", "/")).removeprefix("../")


def _place(folder: SourceFolder, document: Mapping[str, object], written: str) -> str | None:
    """`path:` of the file is ignored where it leads elsewhere: it is where the set lay on its author's machine."""
    base, plain = document.get("path"), _plain(written)
    candidates = [posixpath.normpath(f"{base}/{plain}")] if isinstance(base, str) and is_confined(base) else []
    # Unlike Path.exists this is False, not an error, for a name that no file system would take.
    found = [each for each in [*candidates, plain] if is_confined(each) and os.path.exists(folder.root / each)]  # noqa: PTH110
    return found[0] if found else None


def _pictures(folder: SourceFolder, splits: Mapping[str, str]) -> dict[str, str]:
    """Picture -> split, for those that a split names and those that lie in images/ or beside classes.txt."""
    found: dict[str, str] = {}
    for place, split in splits.items():
        listed = posixpath.splitext(place)[1] == ".txt"
        for path in _listed(folder, place) if listed else folder.pictures("" if place == "." else place):
            if found.setdefault(path, split) != split:
                folder.error("two splits", path, f"in {found[path]} and in {split}")
    rest = "images" if (folder.root / "images").is_dir() or splits else ""
    others = (path for path in folder.pictures(rest) if path not in found)
    return found | {path: "" if splits else _split_of_folder(path) for path in others}


def _split_of_folder(path: str) -> str:
    first, _, below = path.removeprefix("images/").partition("/")
    return _SPLIT_FOLDERS.get(first.lower(), "") if below else ""


def _listed(folder: SourceFolder, place: str) -> list[str]:
    paths = []
    for line in folder.lines(place):
        path = posixpath.normpath(line.replace("\\", "/"))
        if not is_confined(path):
            folder.error("path refused", place, f"{line!r} leads out of the folder")
        elif not folder.has_file(path):
            folder.error("missing file", place, f"lists {line}, which is not there")
        else:
            paths.append(path)
    return paths


def _note_labels_alone(folder: SourceFolder, texts: Iterable[str], labels: Mapping[str, str]) -> None:
    """labels: texts by `label_path`."""
    used = {labels.get(label_path(path)) for path in folder.pictures("")}
    for path in (path for path in texts if path not in used and _are_labels(folder, path)):
        folder.error(
            "missing file", path, "its scan is not there, is of no format that is read, or has another file of labels"
        )


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


def _target(scan: SourceScan) -> str:
    head = f"images/{scan.split}" if scan.split else "images"
    return f"{head}/{scan.path.removeprefix(f'{head}/')}"


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
