"""Bytes -> Scan. The whole picture as stored, or an error: never pixels from a file that is cut short.

>>> read_scan(b"not an image", "bag.png")
Traceback (most recent call last):
detector.errors.ScanUnreadable: bag.png: of no format that is read
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2

from detector.errors import ScanUnreadable
from detector.readers import bmp, dicom, jpeg, numpy_array, png, sidecar, tiff, webp
from detector.readers.limits import Limits, ViewHeader, check_bytes, check_views
from detector.scan import Pixels, Scan

__all__ = [
    "HEAD_BYTES",
    "READERS",
    "SCAN_SUFFIXES",
    "TAKEN_SUFFIXES",
    "Limits",
    "Reader",
    "looks_like_scan",
    "read_headers",
    "read_scan",
]


@dataclass(frozen=True)
class Reader:
    """One format. `inspect` reads the header alone; `decode` gives the views and checks the file whole.

    doubt: of bytes that decoded, why they may not be all that was to be written; none where a checksum tells.
    """

    signature: re.Pattern[bytes]
    suffixes: tuple[str, ...]
    inspect: Callable[[bytes], tuple[ViewHeader, ...]]
    decode: Callable[[bytes], tuple[Pixels, ...]]
    doubt: Callable[[bytes], str] = lambda data: ""


#: Two letters alone would take any text that starts with BM: the size of the second header must be one that exists.
_BMP = re.compile(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.S)

READERS: dict[str, Reader] = {
    "PNG": Reader(re.compile(rb"\x89PNG\r\n\x1a\n"), (".png",), png.inspect, png.decode),
    "JPEG": Reader(re.compile(rb"\xff\xd8\xff"), (".jpg", ".jpeg", ".jpe"), jpeg.inspect, jpeg.decode, jpeg.doubt),
    "TIFF": Reader(re.compile(rb"II[*+]\0|MM\0[*+]"), (".tif", ".tiff"), tiff.inspect, tiff.decode, tiff.doubt),
    "BMP": Reader(_BMP, (".bmp", ".dib"), bmp.inspect, bmp.decode, bmp.doubt),
    "WebP": Reader(re.compile(rb"RIFF....WEBP", re.S), (".webp",), webp.inspect, webp.decode, webp.doubt),
    "NumPy": Reader(
        numpy_array.SIGNATURE, (".npy", ".npz"), numpy_array.inspect, numpy_array.decode, numpy_array.doubt
    ),
    "DICOM": Reader(dicom.SIGNATURE, (".dcm", ".dicom", ".dcs", ".dicos"), dicom.inspect, dicom.decode, dicom.doubt),
}
#: Enough of a file's beginning to tell its format; DICOM puts its mark after 128 bytes.
HEAD_BYTES = 160
#: Lower-case file name endings of the formats that are read.
SCAN_SUFFIXES: frozenset[str] = frozenset(suffix for reader in READERS.values() for suffix in reader.suffixes)

#: Formats that turn up at stations and are not read, so that the message can name them.
_NOT_READ = {
    "GIF": re.compile(rb"GIF8[79]a"),
    "JPEG 2000": re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
    "AVIF or HEIF": re.compile(rb".{4}ftyp", re.S),
    "PDF": re.compile(rb"%PDF"),
}
#: Those of them that scanners and their archives write, and their file name endings.
_SCAN_FORMATS = {
    "JPEG 2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "GIF": (".gif",),
    "AVIF or HEIF": (".avif", ".heic", ".heif"),
}
#: Lower-case file name endings by which a file counts as a scan, be it read or referred, whatever is left of it.
TAKEN_SUFFIXES: frozenset[str] = SCAN_SUFFIXES.union(*_SCAN_FORMATS.values())
#: What parsing and decoding raise on bytes that do not hold together. They all mean: this file cannot be read.
_BROKEN_FILE = (ValueError, TypeError, LookupError, ArithmeticError, struct.error, zlib.error, cv2.error, MemoryError)


def read_scan(data: bytes, source: str, limits: Limits = Limits(), sha256: str = "") -> Scan:  # noqa: B008 (frozen)
    """Decode the bytes of one file; `source` names it in messages. The digest is of these very bytes, those of a
    profile that `read_file` found beside the file among them. sha256: theirs, hex, where it is known already.

    Raises ScanTooLarge, from the header alone, for more than the limits allow; ScanUnreadable for anything that is
    not a whole picture in a format that is read. No other exception, whatever the bytes.
    """
    try:
        # Of other formats the profile is the station's to give: a picture with its own could say how it is read.
        pixels, profile = sidecar.split(data) if numpy_array.SIGNATURE.match(data) else (data, "")
        reader, _ = _claimed(pixels, limits)
        views = reader.decode(pixels)
        return Scan(views, source, sha256 or hashlib.sha256(data).hexdigest(), profile, reader.doubt(pixels))
    except ScanUnreadable as error:
        raise error.about(source) from error
    except _BROKEN_FILE as error:
        raise ScanUnreadable(f"{source}: the file does not hold together ({error or type(error).__name__})") from error


def read_headers(data: bytes, limits: Limits = Limits()) -> tuple[ViewHeader, ...]:  # noqa: B008 (frozen)
    """What the header claims of each view, within the limits; nothing is decoded. Raises as `read_scan`, or a parser's
    own error where the header does not hold together."""
    return _claimed(data, limits)[1]


def looks_like_scan(head: bytes) -> bool:
    """Whether a file that starts with these bytes holds a picture, of a format that is read or not; HEAD_BYTES suffice.

    A scan in a format that is not read must be referred, not passed over.
    """
    pictures = [reader.signature for reader in READERS.values()] + [_NOT_READ[name] for name in _SCAN_FORMATS]
    return any(signature.match(head) for signature in pictures)


def _claimed(data: bytes, limits: Limits) -> tuple[Reader, tuple[ViewHeader, ...]]:
    check_bytes(len(data), limits)
    reader = _reader_for(data)
    headers = reader.inspect(data)
    check_views(headers, limits)
    return reader, headers


def _reader_for(data: bytes) -> Reader:
    for reader in READERS.values():
        if reader.signature.match(data):
            return reader
    for name, signature in _NOT_READ.items():
        if signature.match(data):
            raise ScanUnreadable(f"{name} is not read")
    raise ScanUnreadable("of no format that is read")
