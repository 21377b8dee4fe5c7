"""Files that appear whole or not at all, whatever stops the writer."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def text_written_whole(path: Path) -> Iterator[TextIO]:
    """A UTF-8 text file under a temporary name in the same folder; takes `path`'s place when the block ends well.

    Line ends are written as given. On an error the temporary file goes and `path` stays as it was. Raises OSError.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        with temporary.open("x", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes_whole(path: Path, content: bytes) -> None:
    """Writes `content` to `path` in one step, making the folder if need be. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        # Not forced to the disk, unlike the results: a picture is made again at no loss, and a batch writes thousands.
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
