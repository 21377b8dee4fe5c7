"""A data set's folder, read without trusting it. What is wrong with it is collected, not raised.

    folder = SourceFolder(root)
    for path in folder.files("train/train_annotation", (".txt",)):
        text = folder.text(path)

Paths are below the root with forward slashes. Nothing outside the root is opened or listed: a link that leaves it is
refused by a Finding, as is a file of annotations that is larger than any real one. What macOS and Windows leave behind
(`__MACOSX`, `._*`, `Thumbs.db`) is passed over. Folders are listed once, with os.scandir, and files are not looked at
one by one, so that a million of them take seconds.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path

from detector.readers import SCAN_SUFFIXES
from training.datasets.findings import Finding, Severity

#: Bytes of one file of annotations. The largest of the public sets' own, one table for a million scans, holds a tenth.
MAX_ANNOTATION_BYTES = 256 * 2**20
#: Augmented copies that Roboflow makes of one picture: bag_jpg.rf.<digest>.jpg.
_ROBOFLOW_COPY = re.compile(r"\.rf\.[0-9a-zA-Z]{16,}$")
_EXAMPLES = 5
#: Files of a folder among which a layout's own are looked for.
_LOOKED_AT = 1000


class SourceFolder:
    """One data set's root, and the findings about it so far."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.findings: list[Finding] = []
        self._real = os.path.realpath(root)
        self._listings: dict[str, list[tuple[str, bool]]] = {}

    def error(self, kind: str, subject: str, message: str, *, left_out: bool = False) -> None:
        """Notes what would make training or evaluation fail or mislead. left_out: it is of a scan not read for it."""
        self.findings.append(Finding(Severity.ERROR, kind, subject, message, (subject,) if left_out else ()))

    def warning(self, kind: str, subject: str, message: str, *, left_out: bool = False) -> None:
        """Notes what is worth a look. left_out: it is of a scan not read for it."""
        self.findings.append(Finding(Severity.WARNING, kind, subject, message, (subject,) if left_out else ()))

    def warning_together(self, kind: str, subjects: Collection[str], message: str, *, left_out: bool = False) -> None:
        """One warning about many files, the first few named; none for no files. left_out: they are scans not read."""
        if subjects:
            message = f"{len(subjects)} x: {message}"
            of_scans = tuple(subjects) if left_out else ()
            self.findings.append(Finding(Severity.WARNING, kind, named(subjects), message, of_scans))

    def folders(self, folder: str = "") -> list[str]:
        """Paths of the folders directly inside `folder`, sorted; [] where there is no such folder."""
        return [path for path, is_folder in self._entries(folder) if is_folder]

    def files(self, folder: str, suffixes: Collection[str]) -> Iterator[str]:
        """Paths of the files in `folder` and below whose suffix, in lower case, is one of `suffixes`; sorted.

        Nothing where there is no such folder.
        """
        waiting = [folder]
        while waiting:
            entries = self._entries(waiting.pop())
            waiting += [path for path, is_folder in reversed(entries) if is_folder]
            for path, is_folder in entries:
                if not is_folder and posixpath.splitext(path)[1].lower() in suffixes:
                    yield path

    def pictures(self, folder: str) -> Iterator[str]:
        """Paths of the files in `folder` and below that are scans by their suffix."""
        return self.files(folder, SCAN_SUFFIXES)

    def has_file(self, path: str) -> bool:
        """Whether there is a file of that name, inside the root."""
        # Unlike Path.is_file this is False, not an error, for a name that no file system would take.
        return is_confined(path) and self._stays_inside(path) and os.path.isfile(self.root / path)  # noqa: PTH113

    def content(self, path: str, limit: int = MAX_ANNOTATION_BYTES) -> bytes | None:
        """The bytes of one file of annotations; None with a Finding where it cannot be read or passes the limit."""
        try:
            if not (is_confined(path) and self._stays_inside(path)):
                raise OSError("it leads out of the data set's folder")
            found = (self.root / path).stat()
            if not stat.S_ISREG(found.st_mode):
                raise OSError("it is no file")
            if found.st_size > limit:
                raise OSError(f"{found.st_size} bytes; at most {limit} are read")
            return (self.root / path).read_bytes()
        except (OSError, ValueError) as error:
            message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self.error("unreadable annotations", path, message)
            return None

    def text(self, path: str, limit: int = MAX_ANNOTATION_BYTES) -> str | None:
        """As `content`, decoded as UTF-8 with or without a byte order mark; None with a Finding for other bytes."""
        content = self.content(path, limit)
        try:
            return None if content is None else content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self.error(
                "unreadable annotations",
                path,
                f"save it as UTF-8, which it is not: {error.reason} at byte {error.start}",
            )
            return None

    def lines(self, path: str) -> list[str]:
        """The lines of a list that hold anything, without white space around them; [] where there is no such list."""
        text = self.text(path) if self.has_file(path) else None
        return [line.strip() for line in (text or "").splitlines() if line.strip()]

    def _entries(self, folder: str) -> list[tuple[str, bool]]:
        """(path, whether it is a folder) of what is directly inside `folder`, sorted.

        Each folder is listed once, and what is wrong with it told once.
        """
        if folder not in self._listings:
            self._listings[folder] = self._list(folder)
        return self._listings[folder]

    def _list(self, folder: str) -> list[tuple[str, bool]]:
        if not (is_confined(folder) and self._stays_inside(folder)):
            self.error("path refused", folder, "it leads out of the data set's folder: nothing in it is read")
            return []
        try:
            with os.scandir(os.path.join(self._real, folder)) as entries:  # noqa: PTH118 (a million times)
                found = [entry for entry in entries if not _is_clutter(entry.name)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self.error("unreadable folder", folder, error.strerror or str(error))
            return []
        prefix = f"{folder}/" if folder else ""
        return sorted((prefix + entry.name, entry.is_dir()) for entry in found if self._may_follow(entry, prefix))

    def _may_follow(self, entry: os.DirEntry[str], prefix: str) -> bool:
        if not entry.is_symlink():
            return True
        path = prefix + entry.name
        if not self._stays_inside(path):
            self.error("path refused", path, "it leads out of the data set's folder and is not read")
        elif entry.is_dir():
            # It may lead to a folder above itself, and what it leads to is read where it stands.
            self.warning("link to a folder", path, "it is passed over; its target is inside the data set's folder")
        elif not entry.is_file():
            self.error("broken link", path, "it leads to nothing")
        else:
            return True
        return False

    def _stays_inside(self, path: str) -> bool:
        real = os.path.realpath(os.path.join(self._real, path))  # noqa: PTH118
        return real == self._real or real.startswith(self._real.rstrip(os.sep) + os.sep)


def is_confined(path: str) -> bool:
    """Whether a path as an annotation writes it can only mean something below the folder that it is taken from."""
    if "\0" in path or path.startswith(("/", "\\", "~")) or re.match(r"[A-Za-z]:", path):
        return False
    return ".." not in re.split(r"[/\\]", path)


def stem_of(path: str) -> str:
    """The file's name without folders and suffix."""
    return posixpath.splitext(posixpath.basename(path))[0]


def by_stem(folder: SourceFolder, paths: Iterable[str], preferred: tuple[str, ...] = ()) -> dict[str, str]:
    """Stem -> path. Where several files share a stem, the one whose suffix comes first in `preferred` is taken, else
    the first; a Finding says so."""
    found: dict[str, str] = {}
    shared: list[str] = []
    for path in paths:
        taken = found.setdefault(stem_of(path), path)
        if taken is not path:
            shared.append(path)
            found[stem_of(path)] = min(taken, path, key=lambda each: _rank(each, preferred))
    folder.warning_together("repeated name", shared, "another scan differs in suffix or folder alone; one was taken")
    return found


def first_files(root: Path, folder: str, suffix: str, count: int = 20) -> list[Path]:
    """A few files of a folder, for a look at its layout: among those that the system lists first. [] without one."""
    try:
        with os.scandir(root / folder) as entries:
            names = [entry.name for entry in islice(entries, _LOOKED_AT) if entry.name.lower().endswith(suffix)]
    except OSError:
        return []
    return [root / folder / name for name in sorted(names) if not _is_clutter(name)][:count]


def subfolders(root: Path, most: int = 200) -> list[str]:
    """Names of the folders directly inside `root`, for a look at its layout. [] where there is none."""
    try:
        with os.scandir(root) as entries:
            return sorted(
                entry.name for entry in islice(entries, most) if entry.is_dir() and not _is_clutter(entry.name)
            )
    except OSError:
        return []


def first_bytes(path: Path, count: int = 4096) -> bytes:
    """The beginning of a file, for a look at its layout; b"" where it cannot be read."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(count)
    except OSError:
        return b""


def named(subjects: Collection[str]) -> str:
    """The first few of many files, for a message."""
    return ", ".join(islice(subjects, _EXAMPLES)) + (", ..." if len(subjects) > _EXAMPLES else "")


def common_group(path: str) -> str:
    """What augmented copies of one picture share, by the name that Roboflow gives them; else the path itself."""
    name = posixpath.splitext(path)[0]
    original = _ROBOFLOW_COPY.sub("", name)
    return path if original == name else posixpath.basename(original)


def _is_clutter(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX" or name.lower() in ("thumbs.db", "desktop.ini")


def _rank(path: str, preferred: tuple[str, ...]) -> int:
    suffix = posixpath.splitext(path)[1]
    return preferred.index(suffix) if suffix in preferred else len(preferred)
