"""Files that appear whole or not at all, whatever stops the writer."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TextIO

_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.partial")
#: Seconds without a word written after which nobody is writing a file any more.
_LEFT_BEHIND = 3600.0


class PreparedText:
    """A UTF-8 text file under a temporary name in the folder of `path`, until `publish` gives it its place.

    Line ends are written as given. Once closed unpublished it is gone, and `path` as it was. All raise OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._temporary = _temporary(path)
        self.file: TextIO = self._temporary.open("x", encoding="utf-8", newline="")
        self.sha256 = ""

    def finish(self) -> None:
        """All of it is on the disk on return, and sha256 is its digest, hex; nothing more can be written."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        with self._temporary.open("rb") as written:
            self.sha256 = hashlib.file_digest(written, "sha256").hexdigest()

    def publish(self) -> None:
        """Takes `path`'s place in one step, after `finish`."""
        self._temporary.replace(self.path)

    def close(self) -> None:
        """Removes what was not published."""
        try:
            self.file.close()
        finally:
            self._temporary.unlink(missing_ok=True)


@contextmanager
def text_written_whole(path: Path) -> Iterator[TextIO]:
    """A UTF-8 text file under a temporary name in the same folder; takes `path`'s place when the block ends well.

    Line ends are written as given. On an error the temporary file goes and `path` stays as it was. Raises OSError.
    """
    with closing(PreparedText(path)) as prepared:
        yield prepared.file
        prepared.finish()
        prepared.publish()


def write_bytes_whole(path: Path, content: bytes) -> None:
    """Writes `content` to `path` in one step, making the folder if need be. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        # Not forced to the disk, unlike the results: a picture is made again at no loss, and a batch writes thousands.
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_left_behind(folder: Path) -> None:
    """Removes what a process that was killed had not given its name yet. What is younger than _LEFT_BEHIND may still be
    written by another one."""
    for path in folder.glob(".*.partial"):
        with suppress(FileNotFoundError):
            if _TEMPORARY.fullmatch(path.name) and time.time() - path.stat().st_mtime > _LEFT_BEHIND:
                path.unlink()


def _temporary(path: Path) -> Path:
    return path.with_name(f".{secrets.token_hex(8)}.partial")
