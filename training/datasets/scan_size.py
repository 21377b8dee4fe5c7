"""Width, height and depth of a picture from the first bytes of its file. Nothing is decoded."""

from __future__ import annotations

import struct
from pathlib import Path

from detector.errors import RoentgateError
from detector.readers import Limits, read_headers
from training.datasets.source_folder import SourceFolder

#: Bytes read at first, and where a header (a long EXIF block, a TIFF's directory at its end) does not fit them.
_STEPS = (4096, 256 * 1024, Limits().max_bytes)
#: Signatures of the formats whose header stands at the beginning; of others the whole file is read at once.
_HEADER_FIRST = (b"\x89PNG", b"\xff\xd8\xff")
#: What a parser may raise of a header that is cut short or does not hold together.
_NOT_READ = (RoentgateError, ValueError, TypeError, LookupError, ArithmeticError, struct.error)


def scan_size(folder: SourceFolder, path: str) -> tuple[int, int] | None:
    """(width, height) in pixels as stored, of the first view; None with a Finding where the file does not say."""
    reason = "it is not there"
    try:
        with (folder.root / path).open("rb") as file:
            content = file.read(_STEPS[0])
            for step in _STEPS:
                if step > _STEPS[0]:
                    content += file.read(step - len(content))
                elif not content.startswith(_HEADER_FIRST):
                    continue
                try:
                    header = read_headers(content)[0]
                    return header.width, header.height
                except _NOT_READ as error:
                    reason = str(error)
    except OSError as error:
        reason = error.strerror or str(error)
    folder.error("unreadable scan", path, f"its size cannot be read: {reason}")
    return None


def has_byte_header(path: Path) -> bool:
    """Whether the first bytes say that a PNG or JPEG has samples of 8 bits at most; False where only decoding tells.

    Raises OSError for a file that cannot be opened.
    """
    with path.open("rb") as file:
        content = file.read(_STEPS[0])
    try:
        return content.startswith(_HEADER_FIRST) and read_headers(content)[0].bits <= 8
    except _NOT_READ:
        return False
