"""Unpacks archives that nobody vouches for: nothing outside the folder, no links, no more than the caps.

    unpack(Path("PIDray.zip"), Path("work/PIDray"))

Read are .zip, .tar and .tar with gzip, bzip2 or xz. SIXray comes as a .tar.gz cut into parts (JPEGImage.tar.gz00 ...):
name the first. The archive is unpacked under a temporary name and takes its own when it is whole.
"""

from __future__ import annotations

import io
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from detector.errors import SettingsInvalid

_ZIP, _TAR = (".zip",), (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_FIRST_PART = re.compile(r".+\.(tar|tar\.gz|tgz)\.?(0+|a+)")
_CHUNK = 1 << 20
_REMEDY = "unpack it yourself if you trust it, and name the folder"
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
)


@dataclass(frozen=True)
class ArchiveLimits:
    """max_bytes: of all files unpacked. max_ratio: how many times the archive's size they may have, once they pass
    `free_bytes`; text compresses well, so small archives are not asked."""

    max_bytes: int = 1 << 40
    max_files: int = 5_000_000
    max_ratio: float = 100.0
    free_bytes: int = 1 << 28


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive that is read, or of the first part of one."""
    name = path.name.casefold()
    return path.is_file() and (name.endswith((*_ZIP, *_TAR)) or _FIRST_PART.fullmatch(name) is not None)


def name_without_suffix(path: Path) -> str:
    """The name of a folder, or of an archive without what tells that it is one."""
    if not is_archive(path):
        return path.name
    if part := _FIRST_PART.fullmatch(path.name.casefold()):
        return path.name[: part.start(1) - 1]
    suffix = max((each for each in (*_ZIP, *_TAR) if path.name.casefold().endswith(each)), key=len)
    return path.name[: -len(suffix)]


def unpack(archive: Path, folder: Path, limits: ArchiveLimits = ArchiveLimits()) -> None:
    """Puts the files of the archive under `folder`, which must not exist; it appears whole or not at all.

    Raises SettingsInvalid for an archive that cannot be read, passes the limits, or holds an entry that is absolute,
    leaves the folder, is a link or a device, or is there twice. Raises OSError when the disk does not take it.
    """
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _unpack(archive, partial, limits)
    except _BROKEN as error:
        raise _refused(archive, f"it does not hold together: {str(error) or type(error).__name__}") from None
    except OSError as error:
        # A damaged bzip2 stream is an OSError too, but not one of the disk's.
        if error.errno is not None:
            raise
        raise _refused(archive, f"it does not hold together: {error}") from None
    else:
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def parts_of(archive: Path) -> list[Path]:
    """The archive, or all parts of one that was cut, in order. Raises SettingsInvalid where a number is missing."""
    found = _FIRST_PART.fullmatch(archive.name.casefold())
    if found is None:
        return [archive]
    stem, first = archive.name[: -len(found[2])], found[2]
    same = [
        path for path in archive.parent.iterdir() if path.name.startswith(stem) and len(path.name) == len(archive.name)
    ]
    parts = sorted(
        path for path in same if re.fullmatch(r"\d+" if first[0] == "0" else "[a-z]+", path.name[len(stem) :])
    )
    if first[0] == "0":
        numbers = [int(path.name[len(stem) :]) for path in parts]
        missing = sorted(set(range(numbers[-1] + 1)) - set(numbers))
        if missing:
            raise SettingsInvalid(f"{archive}: part {missing[0]} is missing", remedy="fetch all parts of the archive")
    return parts


def _unpack(archive: Path, folder: Path, limits: ArchiveLimits) -> None:
    parts = parts_of(archive)
    guard = _Guard(archive, folder, limits, sum(part.stat().st_size for part in parts))
    if archive.name.casefold().endswith(_ZIP):
        _unpack_zip(archive, guard)
    else:
        with _joined(parts) as stream, tarfile.open(fileobj=stream, mode="r|*") as tar:
            _unpack_tar(tar, guard)


def _unpack_zip(archive: Path, guard: _Guard) -> None:
    with zipfile.ZipFile(archive) as file:
        for entry in file.infolist():
            mode = entry.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise guard.refused(entry.filename, "is a link or a device")
            if entry.flag_bits & 1:
                raise guard.refused(entry.filename, "is encrypted")
            if not entry.is_dir():
                with file.open(entry) as content:
                    guard.write(entry.filename, content)


def _unpack_tar(tar: tarfile.TarFile, guard: _Guard) -> None:
    for entry in tar:
        if entry.isfile():
            content = tar.extractfile(entry)
            assert content is not None
            guard.write(entry.name, content)
        elif not entry.isdir():
            raise guard.refused(entry.name, "is a link or a device")


class _Guard:
    """Writes entries one by one and counts what was really unpacked: what an archive says of itself is not believed."""

    def __init__(self, archive: Path, folder: Path, limits: ArchiveLimits, size: int) -> None:
        self._archive, self._folder, self._limits = archive, folder, limits
        self._most = min(limits.max_bytes, max(limits.free_bytes, int(limits.max_ratio * size)))
        self._written = self._files = 0

    def refused(self, name: str, why: str) -> SettingsInvalid:
        return _refused(self._archive, f"{name[:120]!r} {why}")

    def write(self, name: str, content: IO[bytes]) -> None:
        path = self._place(name)
        self._files += 1
        if self._files > self._limits.max_files:
            raise _refused(self._archive, f"it holds more than {self._limits.max_files} files")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                self._copy(content, file)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise self.refused(name, "is there twice") from None

    def _copy(self, content: IO[bytes], file: BinaryIO) -> None:
        while block := content.read(_CHUNK):
            self._written += len(block)
            if self._written > self._most:
                raise _refused(self._archive, f"it unpacks to more than {self._most:,} bytes")
            file.write(block)

    def _place(self, name: str) -> Path:
        """Where an entry goes. Backslashes separate folders on some systems, and a colon names a drive."""
        parts = PurePosixPath(name.replace("\\", "/"))
        plain = [part for part in parts.parts if part != "."]
        odd = parts.is_absolute() or ".." in plain or not plain or "\0" in name or re.match(r"[A-Za-z]:", name)
        if odd:
            raise self.refused(name, "leads out of the folder")
        return self._folder.joinpath(*plain)


def _refused(archive: Path, why: str) -> SettingsInvalid:
    return SettingsInvalid(f"{archive}: {why}", remedy=_REMEDY)


@contextmanager
def _joined(parts: Sequence[Path]) -> Iterator[BinaryIO]:
    reader = _Joined(parts)
    try:
        yield cast(BinaryIO, io.BufferedReader(reader, _CHUNK))
    finally:
        reader.close()


class _Joined(io.RawIOBase):
    """Several files read as one."""

    def __init__(self, parts: Sequence[Path]) -> None:
        self._left = list(parts)
        self._open: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        while True:
            if self._open is None:
                if not self._left:
                    return 0
                self._open = self._left.pop(0).open("rb")
            block = self._open.read(len(view))
            if block:
                view[: len(block)] = block
                return len(block)
            self._open.close()
            self._open = None

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None
        super().close()
