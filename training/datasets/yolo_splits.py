"""Which split the pictures of a YOLO set are in, as data.yaml says: folders, or lists with a picture a line.

    splits = read_splits(folder, "data.yaml", document)
    split_of, unnamed = split_pictures(folder, splits)      # picture -> split, and those that data.yaml leaves out

Paths in both are often those of the machine that the set was made on. What stands before the set's own part is taken
off: `path:` of the same file, or all up to the last folder `images`; not a split's own folder, which alone tells
train/images from valid/images. They are never opened as they are written.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from training.datasets.source_folder import SourceFolder, is_confined
from training.datasets.splits import TEST, TRAIN, VAL, split_of_path, usual_split

_SPLITS = (TRAIN, VAL, TEST)
#: Keys of data.yaml that hold something else; `valid` is read as val.
NO_SPLITS = ("path", "names", "nc", "valid", "download", "roboflow", "kpt_shape", "flip_idx", "channels", "colors")
_IMAGES = "images"


@dataclass(frozen=True)
class Splits:
    """base: `path:` as written. places: folder or list below the root -> split. whole: whether all of them were found
    and told apart, so that a picture in none of them is in no split."""

    base: str = ""
    places: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True


def read_splits(folder: SourceFolder, name: str, document: Mapping[str, object]) -> Splits:
    """name: of the file that says so, for findings."""
    said = document.get("path")
    base = said if isinstance(said, str) else ""
    keys = [*_SPLITS, *(key for key in document if key not in (*_SPLITS, *NO_SPLITS))]
    places: dict[str, tuple[str, str]] = {}
    confused: set[str] = set()
    whole = True
    for split, written in ((key, written) for key in keys for written in _written(document, key)):
        place = _place(folder, base, written)
        # Other keys may hold anything.
        if place is None and split in _SPLITS:
            kind = "missing folder" if is_confined(_plain(written)) else "path refused"
            folder.error(kind, name, f"{split}: {written!r} is not in the set")
            whole = False
        if place is None:
            continue
        first, as_written = places.setdefault(place, (split, _plain(written)))
        if first != split:
            if split in _SPLITS and as_written != _plain(written):
                confused.add(place)
            taken = "neither: they are written differently" if place in confused else first
            folder.error("two splits", place, f"is {first} and {split}; taken as {taken}")
    clear = {place: split for place, (split, _) in places.items() if place not in confused}
    return Splits(base, clear, whole and not confused)


def split_pictures(folder: SourceFolder, splits: Splits) -> tuple[dict[str, str], frozenset[str]]:
    """(picture -> split, those of them that are in no split of data.yaml although it names some).

    Without splits in data.yaml pictures are those in images/, or beside classes.txt. What no split names is in the one
    that its folder is called as: a test that is not named stays a test. One whose split is named but cannot be found is
    left out with a Finding: "" would let it be cut anew.
    """
    there = frozenset(folder.pictures(""))
    found: dict[str, str] = {}
    lost: set[str] = set()
    for place, split in splits.places.items():
        listed = posixpath.splitext(place)[1] == ".txt"
        paths = (
            _listed(folder, splits.base, place, there, lost)
            if listed
            else folder.pictures("" if place == "." else place)
        )
        for path in paths:
            if (before := found.setdefault(path, split)) != split:
                # Test comes after val, and val after train: what is held back by one of them stays so.
                found[path] = split if split in _SPLITS else before
                folder.error("two splits", path, f"in {before} and in {split}; taken as {found[path]}")
    rest = _IMAGES if (folder.root / _IMAGES).is_dir() and not splits.places else ""
    others = {path: split_of_path(path) for path in folder.pictures(rest) if path not in found}
    unclear = {path for path, split in others.items() if _is_unclear(path, split, splits, lost)}
    if not splits.whole:
        # The folder of train may be around that of a split that was not found.
        unclear |= {path for path, split in found.items() if split == TRAIN and split_of_path(path) in (VAL, TEST)}
    message = "data.yaml names a split that was not found and that they may be in; left out"
    folder.warning_together("split not known", sorted(unclear), message, left_out=True)
    pictures = {path: split for path, split in (others | found).items() if path not in unclear}
    return pictures, frozenset(others.keys() & pictures.keys()) if splits.places else frozenset()


def _is_unclear(path: str, split: str, splits: Splits, lost: set[str]) -> bool:
    """lost: names of listed pictures that were not found."""
    untold = bool(splits.places) or not split
    return (not splits.whole and untold) or posixpath.basename(path) in lost


def _written(document: Mapping[str, object], split: str) -> list[str]:
    value = document.get(split, document.get("valid") if split == "val" else None)
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str) and each]


def _plain(written: str) -> str:
    # Roboflow writes ../train/images and means train/images; Ultralytics corrects it the same way.
    return posixpath.normpath(written.replace("\\", "/")).removeprefix("../")


def _place(folder: SourceFolder, base: str, written: str) -> str | None:
    """A folder or list below the root."""

    def is_there(path: str) -> bool:
        # Unlike Path.exists this is False, not an error, for a name that no file system would take.
        return os.path.exists(folder.root / path)  # noqa: PTH110

    beside = [posixpath.basename(_plain(written))] if written.endswith(".txt") else []
    return _first([*_candidates(base, written), *beside], is_there)


def _listed(folder: SourceFolder, base: str, place: str, there: frozenset[str], lost: set[str]) -> Iterator[str]:
    """The pictures of a list. lost: takes the names of those that are not there."""
    for line in folder.lines(place):
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(place), line))
        path = _first([*_candidates(base, line), beside], there.__contains__)
        if path is not None:
            yield path
            continue
        lost.add(posixpath.basename(line.replace("\\", "/")))
        if is_confined(line):
            folder.error("missing file", place, f"lists {line}, which is not there")
        else:
            folder.error("path refused", place, f"{line!r} leads out of the folder")


def _first(candidates: Iterable[str], is_there: Callable[[str], bool]) -> str | None:
    return next((path for path in candidates if is_confined(path) and is_there(path)), None)


def _candidates(base: str, written: str) -> Iterator[str]:
    """What a path may mean below the root, the nearest to what is written first."""
    plain, base = _plain(written), base.replace("\\", "/")
    yield posixpath.normpath(f"{base}/{plain}") if base else plain
    yield plain
    full, start = posixpath.normpath(written.replace("\\", "/")), posixpath.normpath(base)
    if base and full.startswith(f"{start}/"):
        yield full.removeprefix(f"{start}/")
    parts = full.split("/")
    last = max((at for at, part in enumerate(parts) if part == _IMAGES), default=0)
    if 0 < last == len(parts) - 1 and usual_split(parts[last - 1]) in _SPLITS:
        # Of ../train/images and ../valid/images no more than images would be left: both one place.
        last -= 1
    yield from ("/".join(parts[at:]) for at in range(1, last + 1))
