"""BMP, uncompressed: 1, 4, 8, 24 and 32 bits. Unpacked here; the format has no checksum, sizes are checked."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from detector.errors import ScanUnreadable
from detector.readers.decoding import over_air, refuse_trailing
from detector.readers.limits import ViewHeader
from detector.readers.unwritten import means_air, rows_doubt
from detector.scan import Pixels

_PLAIN, _BIT_FIELDS, _ALPHA_BIT_FIELDS = 0, 3, 6
#: Masks of blue, green, red in a pixel of 32 bits: the only order that is taken.
_BGR_MASKS = (0x00FF0000, 0x0000FF00, 0x000000FF)
_ALPHA_MASK = 0xFF000000
#: Bytes of the longest header, of masks and of a palette of 256 colours; what lies between these and the pixels is
#: padding, or private and short.
_MOST_HEAD, _MOST_BETWEEN = 14 + 124 + 16 + 1024, 512
#: A header of version 5 may name a colour profile, which follows the pixels; and the most bytes of one. Like the
#: profiles of other formats it is not applied.
_VERSION_5, _EMBEDDED, _MOST_PROFILE = 124, b"DEBM", 65_536


@dataclass(frozen=True)
class _Bmp:
    header: ViewHeader
    bits_a_pixel: int
    bottom_up: bool
    has_alpha: bool
    palette: Pixels
    pixels_at: int

    @property
    def row_bytes(self) -> int:
        return (self.header.width * self.bits_a_pixel + 31) // 32 * 4

    @property
    def end(self) -> int:
        """Of the pixels."""
        return self.pixels_at + self.row_bytes * self.header.height


def inspect(data: bytes) -> tuple[ViewHeader, ...]:
    """Size and depth from the header. Raises ScanUnreadable for run-length coding and rare layouts."""
    return (_parse(data).header,)


def decode(data: bytes) -> tuple[Pixels, ...]:
    """The one view. Raises ScanUnreadable when the pixels are not all there."""
    bmp = _parse(data)
    if bmp.end > len(data):
        raise ScanUnreadable(f"the BMP is cut short: {len(data)} of {bmp.end} bytes are there")
    refuse_trailing(data, _end_of_profile(data, bmp.end))
    if len(data[_MOST_HEAD : bmp.pixels_at].strip(b"\0")) > _MOST_BETWEEN:
        raise ScanUnreadable("the BMP holds data between its header and its pixels: it may be a second picture")
    rows = np.frombuffer(data, np.uint8, bmp.row_bytes * bmp.header.height, bmp.pixels_at)
    rows = rows.reshape(bmp.header.height, bmp.row_bytes)
    return (_unpack(rows[::-1] if bmp.bottom_up else rows, bmp),)


def _end_of_profile(data: bytes, pixels_end: int) -> int:
    """Where the colour profile behind the pixels ends; `pixels_end` without one."""
    if struct.unpack_from("<I", data, 14)[0] != _VERSION_5 or data[70:74] != _EMBEDDED:
        return pixels_end
    # Counted from the header, which begins behind the 14 bytes of the file's.
    start, size = struct.unpack_from("<II", data, 126)
    start += 14
    is_profile = start == pixels_end and 128 <= size <= _MOST_PROFILE and data[start + 36 : start + 40] == b"acsp"
    return start + size if is_profile else pixels_end


def doubt(data: bytes) -> str:
    """Why the view must not be cleared, if its pixels were not all written."""
    bmp = _parse(data)
    zero_is_air = bool(len(bmp.palette)) and means_air(bmp.palette[0])
    return "" if zero_is_air else rows_doubt(memoryview(data)[bmp.pixels_at : bmp.end], bmp.row_bytes)


def _parse(data: bytes) -> _Bmp:
    if len(data) < 54:
        raise ScanUnreadable("the BMP header is cut short")
    pixels_at, header_size = struct.unpack_from("<II", data, 10)
    if header_size < 40:
        raise ScanUnreadable("a BMP of the OS/2 kind is not read")
    width, height, planes, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if pixels_at < 14 + header_size:
        raise ScanUnreadable("the BMP is damaged: its pixels start within the header")
    if planes != 1 or bits not in (1, 4, 8, 24, 32):
        raise ScanUnreadable(f"a BMP of {bits} bits a pixel in {planes} planes is not read")
    has_alpha = _check_layout(data, compression, bits, header_size)
    palette = _palette(data, header_size, bits, pixels_at)
    header = ViewHeader(width, abs(height), 1 if bits <= 8 else bits // 8, 8)
    return _Bmp(header, bits, height > 0, has_alpha, palette, pixels_at)


def _check_layout(data: bytes, compression: int, bits: int, header_size: int) -> bool:
    """Whether the fourth byte of a pixel is alpha."""
    if compression == _PLAIN:
        return False
    masked = compression in (_BIT_FIELDS, _ALPHA_BIT_FIELDS) and bits == 32
    if not masked or struct.unpack_from("<3I", data, 54) != _BGR_MASKS:
        raise ScanUnreadable(f"BMP compression {compression} is not read", remedy="export the scan as PNG or TIFF")
    return header_size >= 56 and struct.unpack_from("<I", data, 66)[0] == _ALPHA_MASK


def _palette(data: bytes, header_size: int, bits: int, pixels_at: int) -> Pixels:
    if bits > 8:
        return np.zeros((0, 3), np.uint8)
    count = struct.unpack_from("<I", data, 46)[0] or 2**bits
    start = 14 + header_size
    if count > 2**bits or start + 4 * count > min(pixels_at, len(data)):
        raise ScanUnreadable("the BMP palette does not fit in the file")
    return np.frombuffer(data, np.uint8, 4 * count, start).reshape(-1, 4)[:, 2::-1]


def _unpack(rows: Pixels, bmp: _Bmp) -> Pixels:
    width = bmp.header.width
    if bmp.bits_a_pixel <= 8:
        return _look_up(rows, bmp)
    pixels = rows[:, : width * bmp.bits_a_pixel // 8].reshape(len(rows), width, -1)
    colour = np.ascontiguousarray(pixels[:, :, 2::-1])
    return over_air(colour, pixels[:, :, 3], 255) if bmp.has_alpha else colour


def _look_up(rows: Pixels, bmp: _Bmp) -> Pixels:
    bits = bmp.bits_a_pixel
    if bits < 8:
        shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
        rows = ((rows[:, :, None] >> shifts) & (2**bits - 1)).reshape(len(rows), -1)
    indices = rows[:, : bmp.header.width]
    if int(indices.max()) >= len(bmp.palette):
        raise ScanUnreadable(f"pixels point outside the palette of {len(bmp.palette)} colours")
    grey = (bmp.palette == bmp.palette[:, :1]).all()
    return bmp.palette[:, 0][indices] if grey else bmp.palette[indices]
