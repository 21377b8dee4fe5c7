"""Scans that annotation tools show turned, by a mark that JPEG, TIFF, PNG and WebP may carry (EXIF orientation).

    found = without_turned(adapter.read(root))            # opens every scan with boxes
    problem = turned(orientation_of(content))             # where a scan's bytes are there already

Scans are read as stored, here and at the station. Most tools draw boxes on the turned picture, some on the stored one,
and no format says which: such boxes cannot be placed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from training.datasets.annotated_set import SourceSet
from training.datasets.findings import Finding, Severity
from training.datasets.source_folder import is_confined

#: What every viewer shows as it is stored.
UPRIGHT = 1
_ORIENTATIONS = range(1, 9)
_TAG = 0x112
#: Types of a number: short and long.
_NUMBERS = {3: "H", 4: "I"}
_APP1, _START_OF_SCAN, _FILL = 0xE1, 0xDA, 0xFF
_EXIF, _PNG = b"Exif\0\0", b"\x89PNG\r\n\x1a\n"
#: Of a JPEG before its pixels: cameras write about ten; and chunks of a PNG, whose tags may follow its pixels.
_MOST_SEGMENTS, _MOST_CHUNKS = 1000, 100_000


def without_turned(found: SourceSet) -> SourceSet:
    """The set without scans whose boxes may be on a turned picture, each with a Finding. Scans without boxes stay."""
    problems = dict(_problems(found))
    scans = tuple(scan for scan in found.scans if scan.path not in problems)
    return replace(found, scans=scans, findings=(*found.findings, *problems.values()))


def turned(number: int) -> tuple[str, str] | None:
    """(kind, message) of what is wrong with a scan with boxes of that orientation; None for an upright one."""
    if number == UPRIGHT:
        return None
    return "turned by EXIF", f"EXIF orientation {number}: its boxes may be on the picture as viewers turn it"


def orientation(path: Path) -> int:
    """1 to 8 as EXIF numbers them; 1, upright, where the file does not say."""
    try:
        # What is no plain file may never end, or wait for ever.
        if path.is_file():
            with path.open("rb") as file:
                return _orientation(file)
    except OSError:
        # Reading the scan itself says what is wrong with it.
        pass
    return UPRIGHT


def orientation_of(content: bytes) -> int:
    """As `orientation`, of a file's bytes."""
    return _orientation(BytesIO(content))


def _problems(found: SourceSet) -> Iterator[tuple[str, Finding]]:
    for scan in found.scans:
        if not (scan.boxes and is_confined(scan.path)):
            continue
        if problem := turned(orientation(found.root / scan.path)):
            kind, message = problem
            yield scan.path, Finding(Severity.ERROR, kind, scan.path, f"{message}; left out")


def _orientation(file: BinaryIO) -> int:
    try:
        start = _start_of_tags(file)
        return UPRIGHT if start is None else _tagged(file, start)
    except struct.error:
        # Cut short: reading the scan itself says so.
        return UPRIGHT


def _start_of_tags(file: BinaryIO) -> int | None:
    """Where the TIFF header of the tags stands, None without one. Raises struct.error for a file that is cut short."""
    head = file.read(4)
    if head in (b"II*\0", b"MM\0*"):
        return 0
    if head == _PNG[:4]:
        return _in_chunks(file, len(_PNG), ">I4s", b"eXIf")
    if head == b"RIFF":
        return _in_chunks(file, 12, "<4sI", b"EXIF")
    return _in_segments(file) if head.startswith(b"\xff\xd8") else None


def _in_chunks(file: BinaryIO, position: int, layout: str, wanted: bytes) -> int | None:
    """Of PNG, whose chunks end with a sum of four bytes, and of RIFF, whose chunks have an even length."""
    for _ in range(_MOST_CHUNKS):
        file.seek(position)
        one, other = struct.unpack(layout, file.read(8))
        kind, length = (one, other) if isinstance(one, bytes) else (other, one)
        if kind == wanted:
            # Some writers of WebP put JPEG's mark before the tags.
            return position + 8 + (len(_EXIF) if file.read(len(_EXIF)) == _EXIF else 0)
        position += 8 + (length + 4 if wanted == b"eXIf" else length + length % 2)
    return None


def _in_segments(file: BinaryIO) -> int | None:
    """Of JPEG."""
    position = 2
    for _ in range(_MOST_SEGMENTS):
        file.seek(position)
        mark, kind, length = struct.unpack(">BBH", file.read(4))
        if kind == _FILL:
            position += 1
        elif mark != _FILL or kind == _START_OF_SCAN:
            return None
        elif kind == _APP1 and file.read(len(_EXIF)) == _EXIF:
            return position + 4 + len(_EXIF)
        else:
            position += 2 + length
    return None


def _tagged(file: BinaryIO, start: int) -> int:
    """Raises struct.error for tags that are cut short."""
    file.seek(start)
    order = "<" if file.read(2) == b"II" else ">"
    (offset,) = struct.unpack(f"{order}2xI", file.read(6))
    file.seek(start + offset)
    (count,) = struct.unpack(f"{order}H", file.read(2))
    for _ in range(count):
        tag, kind, value = struct.unpack(f"{order}HH4x4s", file.read(12))
        if tag == _TAG and kind in _NUMBERS:
            (number,) = struct.unpack_from(order + _NUMBERS[kind], value)
            return int(number) if number in _ORIENTATIONS else UPRIGHT
    return UPRIGHT
