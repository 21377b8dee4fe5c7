"""A data set's folder in which annotations name their scans: every folder listed once, then asked as often as need be.

    folder = IndexedFolder(root)
    document = folder.json("annotations/train.json")     # None, and a Finding, where it cannot be read
    path = folder.place(("train",), image["file_name"])  # None, and a Finding, where there is no such scan

File names in annotations are untrusted: absolute ones, those with `..` and links that leave the root are refused.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from detector.readers import SCAN_SUFFIXES
from training.datasets.source_folder import SourceFolder, first_bytes, first_files, is_confined, subfolders

#: The largest annotation file of a whole set, and of one scan (LabelMe may put the picture into it), in bytes.
MAX_SET_BYTES = 1 << 30
MAX_SCAN_BYTES = 64 << 20
#: Bytes at the front of a file, and folders, by which a layout is recognised.
_HEAD_BYTES = 1 << 16
_FOLDERS_TO_RECOGNISE_BY = 60


class IndexedFolder(SourceFolder):
    """One data set's root, its findings so far, and the listings of its folders."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._names: dict[str, frozenset[str]] = {}
        # Folders that are not there -> position of the finding about them.
        self._missing_folders: dict[tuple[str, ...], int] = {}

    def names(self, folder: str) -> frozenset[str]:
        """Names of the files directly in a folder ("" for the root), links that leave the root left out."""
        if folder not in self._names:
            prefix = len(folder) + 1 if folder else 0
            self._names[folder] = frozenset(path[prefix:] for path, is_folder in self._entries(folder) if not is_folder)
        return self._names[folder]

    def scans(self, folder: str) -> list[str]:
        """Names of the pictures directly in a folder, sorted."""
        return sorted(name for name in self.names(folder) if is_scan(name))

    def holds(self, path: str) -> bool:
        """Whether a path below the root is a file, by the listings."""
        folder, name = posixpath.split(path)
        return name in self.names(folder)

    def place(self, folders: Sequence[str], file_name: object, subject: str = "") -> str | None:
        """The path below the root of a scan that an annotation names; None, and a Finding, where there is none.

        folders: where it may be, looked into in turn. file_name: as annotated, of any type. subject: for the Finding;
        the file name where it is empty.
        """
        relative = plain_path(file_name)
        if relative is None:
            message = f"{file_name!r:.80} is refused: a file name stays below its folder"
            self.error("path refused", subject or f"{file_name!r:.80}", message, left_out=True)
            return None
        candidates = [posixpath.join(folder, relative) for folder in folders]
        for candidate in candidates:
            if self.holds(candidate):
                return candidate
        # A refused link has its Finding already.
        if not any((self.root / candidate).is_symlink() for candidate in candidates):
            self._note_missing(tuple(folder for folder in folders if folder), relative, subject or relative)
        return None

    def json(self, path: str, limit: int = MAX_SET_BYTES) -> Any:
        """What a JSON file says; None with a Finding where it is missing, larger than limit bytes, or not JSON.

        NaN and Infinity come back as floats: whoever takes a number refuses them, so that one bad box costs one box.
        """
        content = self.content(path, limit)
        if content is None:
            return None
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            self.error("malformed annotation", path, f"it is not JSON: {error}")
            return None

    def _note_missing(self, folders: tuple[str, ...], relative: str, subject: str) -> None:
        if not folders or any((self.root / folder).is_dir() for folder in folders):
            places = " or ".join(f"{folder}/" for folder in folders) or "the set"
            self.error("missing scan", subject, f"{relative} is not in {places}", left_out=True)
            return
        if folders not in self._missing_folders:
            self._missing_folders[folders] = len(self.findings)
            self.error("missing folder", " or ".join(folders), "annotated scans should be here; none can be read")
        told = self.findings[self._missing_folders[folders]]
        self.findings[self._missing_folders[folders]] = replace(told, left_out=(*told.left_out, subject))


def plain_path(file_name: object) -> str | None:
    """A file name from an annotation with forward slashes and without `.`; None where it may lead elsewhere."""
    if not isinstance(file_name, str) or not is_confined(file_name) or not _is_text(file_name):
        return None
    path = posixpath.normpath(file_name.replace("\\", "/"))
    return None if path == "." else path


def _is_text(text: str) -> bool:
    """Whether a text can be written again: JSON may hold half a character, as an escape."""
    try:
        return bool(text.encode())
    except UnicodeEncodeError:
        return False


def is_scan(name: str) -> bool:
    """Whether a file's suffix is that of a picture."""
    return posixpath.splitext(name)[1].lower() in SCAN_SUFFIXES


def head(path: Path) -> bytes:
    """The first bytes of a file, without byte order mark and leading white space; b"" where it cannot be read."""
    return first_bytes(path, _HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()


def has_key(start: bytes, key: str) -> bool:
    """Whether the beginning of a JSON file has an object with that key; the same text as a value does not count."""
    return re.search(rb'"%s"\s*:' % re.escape(key.encode()), start) is not None


def nearby_json(root: Path, levels: int = 3, count: int = 3) -> Iterator[Path]:
    """A few JSON files of each folder down to some levels below the root, to recognise a layout by."""
    level = [""]
    for _ in range(levels + 1):
        for folder in level:
            yield from first_files(root, folder, ".json", count)
        below = (posixpath.join(folder, name) for folder in level for name in subfolders(root / folder))
        level = list(islice(below, _FOLDERS_TO_RECOGNISE_BY))
