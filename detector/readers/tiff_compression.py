"""The lossless compressions of TIFF. Each gives exactly the expected bytes or raises.

They are unpacked here because OpenCV, through libtiff's RGBA interface, goes on after an error in a strip and leaves
the rest of it black.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detector.errors import ScanUnreadable

Unpacker = Callable[[memoryview, int], bytes | memoryview]

_CLEAR, _END, _FIRST_ENTRY = 256, 257, 258
#: Codes between two Clear codes: as many as a table of 4096 entries can serve.
_MOST_CODES = 4096 - _FIRST_ENTRY + 2
#: Clear codes that are taken: one for so many bytes, and some more. Encoders clear a full table, 3,838 codes on.
_LEAST_BETWEEN, _SPARE_CLEARS = 256, 16


def unpack_none(packed: memoryview, size: int) -> memoryview | bytes:
    """Stored as is."""
    return packed if len(packed) == size else _refuse(len(packed), size)


def unpack_deflate(packed: memoryview, size: int) -> bytes:
    """zlib, with its Adler checksum."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(packed, size + 1)
    except zlib.error as error:
        raise ScanUnreadable(f"a strip of the TIFF is damaged: {error}") from error
    if stream.unused_data.strip(b"\0"):
        # It may be a second picture.
        raise ScanUnreadable("a strip of the TIFF holds more than its compressed pixels")
    return plain if len(plain) == size and stream.eof else _refuse(len(plain), size)


def unpack_packbits(packed: memoryview, size: int) -> bytes:
    """Runs and literals of up to 128 bytes (TIFF 6.0, section 9)."""
    plain, position, end = bytearray(), 0, len(packed)
    while position < end and len(plain) < size:
        count = packed[position]
        if count < 128:
            plain += packed[position + 1 : position + 2 + count]
            position += 2 + count
        else:
            # 128 is a filler without a byte to repeat.
            plain += bytes(packed[position + 1 : position + 2]) * (257 - count if count > 128 else 0)
            position += 2 if count > 128 else 1
    # A filler byte to an even length is allowed.
    return bytes(plain) if len(plain) == size and 0 <= end - position <= 1 else _refuse(len(plain), size)


def unpack_lzw(packed: memoryview, size: int) -> bytes:
    """LZW, most significant bit first, with the early change of code width (TIFF 6.0, section 13).

    Between two Clear codes the widths follow from the count alone, so that all codes are cut out at once.
    """
    octets = np.frombuffer(packed, np.uint8)
    windows = np.zeros(len(octets) + 3, np.uint32)
    for shift, start in ((16, 0), (8, 1), (0, 2)):
        windows[: max(0, len(octets) - start)] |= octets[start:].astype(np.uint32) << shift
    pieces: list[bytes] = []
    done, bit, ended = 0, 0, False
    while not ended and done < size:
        codes, bit, ended = _next_codes(windows, bit, len(octets) * 8)
        # A strip may start with Clear. One after another, or by the thousand, they cost time and give nothing.
        if (pieces and not len(codes) and not ended) or len(pieces) > _SPARE_CLEARS + size // _LEAST_BETWEEN:
            raise ScanUnreadable("a strip of the TIFF is damaged: its LZW table is cleared again and again")
        piece = _expand(codes, size - done)
        pieces.append(piece.tobytes())
        done += len(piece)
    # After the last byte only the End code may stand, perhaps behind a Clear code.
    return b"".join(pieces) if done == size and len(octets) * 8 - bit < 32 else _refuse(done, size)


def _code_layout() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    entries = _FIRST_ENTRY - 1 + np.arange(_MOST_CODES)
    widths = np.select([entries < 511, entries < 1023, entries < 2047], [9, 10, 11], 12)
    return np.concatenate([[0], np.cumsum(widths)[:-1]]), widths


_CODE_STARTS, _CODE_WIDTHS = _code_layout()


def _next_codes(windows: NDArray[np.uint32], bit: int, bits: int) -> tuple[NDArray[np.int64], int, bool]:
    """The codes up to the next Clear or End, the bit after it, and whether it was End (or the data ended)."""
    count = int(np.searchsorted(_CODE_STARTS + _CODE_WIDTHS, bits - bit, side="right"))
    starts, widths = bit + _CODE_STARTS[:count], _CODE_WIDTHS[:count]
    codes = (windows[starts >> 3].astype(np.int64) >> (24 - (starts & 7) - widths)) & ((1 << widths) - 1)
    stops = np.flatnonzero((codes == _CLEAR) | (codes == _END))
    if not len(stops):
        if count == _MOST_CODES:
            raise ScanUnreadable("a strip of the TIFF is damaged: an LZW table overflows")
        return codes, int(starts[-1] + widths[-1]) if count else bits, True
    stop = int(stops[0])
    return codes[:stop], int(starts[stop] + widths[stop]), bool(codes[stop] == _END)


def _expand(codes: NDArray[np.int64], room: int) -> NDArray[np.uint8]:
    """The bytes that codes after one Clear stand for; table entry 258 + j is what code j gave and one byte more.

    So each code copies from earlier output, and following the copies in doubling steps ends at the literal bytes.
    """
    count = len(codes)
    indices = np.arange(count)
    is_copy = codes >= _FIRST_ENTRY
    if (codes >= _FIRST_ENTRY + indices).any():
        raise ScanUnreadable("a strip of the TIFF is damaged: an LZW code without an entry")
    parent = np.where(is_copy, codes - _FIRST_ENTRY, indices)
    lengths, ancestor = is_copy.astype(np.int64), parent
    while not np.array_equal(ancestor, parent_of := ancestor[ancestor]):
        lengths, ancestor = lengths + lengths[ancestor], parent_of
    lengths += 1
    total = int(lengths.sum())
    if total > room:
        _refuse(total, room)
    starts = np.cumsum(lengths) - lengths
    literals = np.zeros(total, np.uint8)
    literals[starts[~is_copy]] = codes[~is_copy]
    origin = np.arange(total) - np.repeat(starts - starts[parent], lengths)
    while not np.array_equal(origin, next_origin := origin[origin]):
        origin = next_origin
    plain: NDArray[np.uint8] = literals[origin]
    return plain


def _refuse(given: int, expected: int) -> bytes:
    raise ScanUnreadable(f"a strip of the TIFF is damaged or cut short: {given} bytes where {expected} belong")


#: TIFF's compression number -> how to unpack.
UNPACKERS: dict[int, Unpacker] = {
    1: unpack_none,
    5: unpack_lzw,
    8: unpack_deflate,
    32773: unpack_packbits,
    32946: unpack_deflate,
}
