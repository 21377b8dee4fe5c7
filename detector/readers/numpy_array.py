"""NumPy's .npy and .npz: raw transmission or counts, one array a view or an energy.

The header is parsed here, and nothing in it is evaluated: a pickled array is refused, whatever it claims to hold.

    (h, w) grey   (h, w, 3) colour   (n, h, w) n views or energies of one object   .npz: its arrays in file order
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from detector.errors import ScanTooLarge, ScanUnreadable
from detector.readers.decoding import refuse_trailing
from detector.readers.limits import ViewHeader
from detector.readers.sample_values import as_levels
from detector.readers.unwritten import rows_doubt
from detector.scan import Pixels

SIGNATURE = re.compile(rb"\x93NUMPY|PK\x03\x04.{26}[^\0]{1,100}?\.npy", re.S)

_MAGIC = b"\x93NUMPY"
#: The longest header that is parsed; numpy itself writes 128 bytes.
_LONGEST_HEADER = 4096
#: More arrays than any limit on views allows.
_MOST_MEMBERS = 256
#: Arrays along the first axis that are taken for views or energies.
_MOST_PAGES = 64
_KIND = re.compile(r"""['"]descr['"]\s*:\s*['"]([<>|=]?)([a-zA-Z])(\d{1,2})['"]""")
#: Bytes of a number: what numpy calls longdouble differs between machines.
_WIDEST = 8
_ORDER = re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)""")
_SHAPE = re.compile(r"""['"]shape['"]\s*:\s*\(([\d,\s]*)\)""")
_SAVE = "save it with numpy.save(file, array, allow_pickle=False), grey (h, w), colour (h, w, 3) or energies (2, h, w)"
#: The end of a zip's directory, what follows its mark, and where the directory of a larger kind of zip would be named.
_END_MARK, _END, _ZIP64_MARK = b"PK\x05\x06", struct.Struct("<4s4H2IH"), b"PK\x06\x07"
_LONGEST_COMMENT, _ZIP64_BYTES = 65_535, 20
#: Bytes of a member's own header, where in it the lengths of its name and extra field stand, the bit that says that its
#: sizes follow its data, and how many bytes those take (APPNOTE 6.3.10, sections 4.3.7 and 4.3.9).
_LOCAL_HEADER, _LOCAL_NAME, _HAS_DESCRIPTOR = 30, 26, 8
_NOTHING, _DESCRIPTORS = frozenset({0}), frozenset({12, 16, 20, 24})
#: All of the directory is parsed before a single limit can apply; that of 256 arrays fits several times.
_LONGEST_DIRECTORY = 65_536
#: Kinds of compression that are unpacked a little at a time.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: Bytes of a compressed member that are unpacked at once; and of a number or a short row beside the pictures.
_STEP, _MOST_FLAT = 2**20, 8_192
#: Padding behind the values that is looked through for something else.
_MOST_PADDING = 65_536
_ZIP_ERRORS = (zipfile.BadZipFile, RuntimeError, EOFError, OverflowError, OSError)


@dataclass(frozen=True)
class _Array:
    kind: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool

    @property
    def size(self) -> int:
        """Bytes of the values; Python's integers do not overflow."""
        count = self.kind.itemsize
        for length in self.shape:
            count *= length
        return count


def inspect(data: bytes) -> tuple[ViewHeader, ...]:
    """Size and depth of every view from the headers alone."""
    with _zip_errors_told():
        return tuple(header for array, _ in _arrays(data) for header in _claims(array))


def decode(data: bytes) -> tuple[Pixels, ...]:
    """All views, uint8 or uint16. Raises ScanUnreadable for values that are no measurements, or too few or many."""
    with _zip_errors_told():
        if not data.startswith(_MAGIC):
            _check_streams(data)
        return tuple(view for array, stream in _arrays(data) for view in _pages(_values(array, stream), array.shape))


def doubt(data: bytes) -> str:
    """Why the views must not be cleared, if their values were not all written; an .npz has checksums."""
    if not data.startswith(_MAGIC):
        return ""
    array, stream = next(_arrays(data))
    start, (pages, height, width, _) = stream.tell(), _layout(array.shape)
    rows = width if array.fortran else pages * height
    return rows_doubt(memoryview(data)[start : start + array.size], array.size // rows)


@contextmanager
def _zip_errors_told() -> Iterator[None]:
    try:
        yield
    except _ZIP_ERRORS as error:
        raise ScanUnreadable(f"the .npz is damaged: {error or type(error).__name__}", remedy=_SAVE) from error


def _arrays(data: bytes) -> Iterator[tuple[_Array, IO[bytes]]]:
    """Each array's header, and the stream standing at its first value. Arrays of under two axes hold no picture."""
    if data.startswith(_MAGIC):
        stream = io.BytesIO(data)
        yield _header(stream), stream
        return
    _check_directory(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        _check_gapless(data, archive)
        yield from _members(archive)


def _check_directory(data: bytes) -> None:
    """Raise ScanUnreadable unless a short directory of a plain zip ends the file, right behind the members."""
    at = data.rfind(_END_MARK, max(0, len(data) - _END.size - _LONGEST_COMMENT))
    if at < 0 or at + _END.size > len(data):
        raise ScanUnreadable("the .npz is cut short: its directory is missing", remedy=_SAVE)
    *_, size, start, comment = _END.unpack_from(data, at)
    refuse_trailing(data, at + _END.size + comment)
    if data[max(0, at - _ZIP64_BYTES) :].startswith(_ZIP64_MARK):
        raise ScanUnreadable("an .npz of the ZIP64 kind is not read", remedy=_SAVE)
    if size > _LONGEST_DIRECTORY:
        raise ScanTooLarge(f"the directory of the .npz is {size} bytes long", remedy=_SAVE)
    if start + size != at:
        raise ScanUnreadable("the .npz is damaged, or two files were joined", remedy=_SAVE)


def _check_gapless(data: bytes, archive: zipfile.ZipFile) -> None:
    """Raise ScanUnreadable unless the members that the directory lists are all that stands before it: an array that it
    does not list would not be seen, nor would the first of two zips that were joined."""
    reached, trailing = 0, _NOTHING
    for member in sorted(archive.infolist(), key=lambda one: one.header_offset):
        if member.header_offset - reached not in trailing:
            raise ScanUnreadable("the .npz holds data that its directory does not list", remedy=_SAVE)
        reached = _start_of(data, member) + member.compress_size
        trailing = _DESCRIPTORS if member.flag_bits & _HAS_DESCRIPTOR else _NOTHING
    if archive.start_dir - reached not in trailing:
        raise ScanUnreadable("the .npz holds data that its directory does not list", remedy=_SAVE)


def _start_of(data: bytes, member: zipfile.ZipInfo) -> int:
    """Where a member's own bytes begin, behind its header."""
    name, extra = struct.unpack_from("<HH", data, member.header_offset + _LOCAL_NAME)
    return int(member.header_offset + _LOCAL_HEADER + name + extra)


def _check_streams(data: bytes) -> None:
    """Raise ScanUnreadable where a member goes on behind its compressed array: it may be a second picture."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        packed = [member for member in archive.infolist() if member.compress_type == zipfile.ZIP_DEFLATED]
    for member in packed:
        start = _start_of(data, member)
        stream, rest = zlib.decompressobj(-zlib.MAX_WBITS), data[start : start + member.compress_size]
        while rest and not stream.eof:
            stream.decompress(rest, _STEP)
            rest = stream.unconsumed_tail
        if stream.unused_data:
            raise ScanUnreadable("the .npz holds more than its compressed arrays", remedy=_SAVE)


def _members(archive: zipfile.ZipFile) -> Iterator[tuple[_Array, IO[bytes]]]:
    members = archive.infolist()
    if len(members) > _MOST_MEMBERS:
        raise ScanTooLarge(f"the .npz holds {len(members)} arrays", remedy=_SAVE)
    found = False
    for member in members:
        if not member.filename.endswith(".npy"):
            raise ScanUnreadable(f"the .npz holds {member.filename!r}, which is no array", remedy=_SAVE)
        if member.compress_type not in _COMPRESSIONS:
            raise ScanUnreadable(f"an .npz compressed by method {member.compress_type} is not read", remedy=_SAVE)
        with archive.open(member) as stream:
            array = _header(stream)
            if len(array.shape) < 2 and array.size > _MOST_FLAT:
                raise ScanUnreadable(
                    f"{member.filename!r} is a row of {array.size} bytes: a picture without its shape?", remedy=_SAVE
                )
            if len(array.shape) >= 2:
                found = True
                yield array, stream
    if not found:
        raise ScanUnreadable("the .npz holds no picture", remedy=_SAVE)


def _header(stream: IO[bytes]) -> _Array:
    start = stream.read(12)
    if len(start) < 12 or start[:6] != _MAGIC or start[6] not in (1, 2, 3):
        raise ScanUnreadable("the .npy header is damaged", remedy=_SAVE)
    length = struct.unpack_from("<H" if start[6] == 1 else "<I", start, 8)[0]
    if length > _LONGEST_HEADER:
        raise ScanUnreadable(f"the .npy header claims to be {length} bytes long", remedy=_SAVE)
    rest = length - (2 if start[6] == 1 else 0)
    text = (start[10 if start[6] == 1 else 12 :] + stream.read(max(0, rest))).decode("latin-1")
    if len(text) != length:
        raise ScanUnreadable("the .npy is cut short inside its header", remedy=_SAVE)
    return _parse(text)


def _parse(text: str) -> _Array:
    kind, order, shape = _KIND.search(text), _ORDER.search(text), _SHAPE.search(text)
    if not kind or kind[2] not in "iuf":
        raise ScanUnreadable("the array holds no plain numbers, perhaps pickled objects", remedy=_SAVE)
    if int(kind[3]) > _WIDEST:
        raise ScanUnreadable(f"numbers of {kind[3]} bytes are not read", remedy=_SAVE)
    if not order or not shape:
        raise ScanUnreadable("the .npy header is damaged", remedy=_SAVE)
    lengths = tuple(int(part) for part in shape[1].split(",") if part.strip())
    return _Array(np.dtype(f"{kind[1]}{kind[2]}{kind[3]}"), lengths, order[1] == "True")


def _claims(array: _Array) -> list[ViewHeader]:
    pages, height, width, channels = _layout(array.shape)
    return [ViewHeader(width, height, channels, 8 * array.kind.itemsize)] * pages


def _layout(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(pages, height, width, channels) of a shape. Raises ScanUnreadable for one that is no scan."""
    match shape:
        case (height, width):
            return 1, height, width, 1
        case (height, width, 3):
            return 1, height, width, 3
        case (pages, height, width) if 1 <= pages <= _MOST_PAGES:
            return pages, height, width, 1
        case (pages, height, width, 3) if 1 <= pages <= _MOST_PAGES:
            return pages, height, width, 3
    raise ScanUnreadable(f"an array of shape {shape} is no scan", remedy=_SAVE)


def _values(array: _Array, stream: IO[bytes]) -> NDArray[Any]:
    plain = stream.read(array.size)
    if len(plain) < array.size:
        raise ScanUnreadable(f"the array is cut short: {len(plain)} bytes where {array.size} belong", remedy=_SAVE)
    # Little more than belongs here is asked for: what follows the values is noticed, and a bomb is not unpacked.
    behind = stream.read(_MOST_PADDING + 1)
    if len(behind) > _MOST_PADDING or behind.strip(b"\0\r\n"):
        raise ScanUnreadable("more follows the end of the array than padding", remedy=_SAVE)
    values = np.frombuffer(plain, array.kind, array.size // array.kind.itemsize)
    return values.reshape(array.shape, order="F" if array.fortran else "C")


def _pages(values: NDArray[Any], shape: tuple[int, ...]) -> list[Pixels]:
    pages, height, width, channels = _layout(shape)
    stacked = values.reshape(pages, height, width, channels) if values.flags.c_contiguous else None
    if stacked is None:
        stacked = np.ascontiguousarray(values).reshape(pages, height, width, channels)
    return [as_levels(page[:, :, 0] if channels == 1 else page) for page in stacked]
