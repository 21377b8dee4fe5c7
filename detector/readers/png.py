"""PNG, 1 to 16 bits. Every chunk's CRC is checked here: OpenCV only warns on some of them and reads half of an APNG.

OpenCV is given the chunks that make the picture alone: it unpacks all texts, 8 MB of memory for 8 kB of file each.
libpng itself refuses a pixel stream that ends early or whose Adler sum is wrong, and passes over what is behind the
last row: more rows than the header claims are refused here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from detector.errors import ScanUnreadable
from detector.readers.decoding import decode_with_opencv, flatten_alpha, mixed_with_air, refuse_hidden, refuse_trailing
from detector.readers.limits import ViewHeader
from detector.scan import Pixels

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
#: Colour type -> (samples a pixel, bit depths the standard allows).
_COLOUR_TYPES = {
    _GREY: (1, (1, 2, 4, 8, 16)),
    _RGB: (3, (8, 16)),
    _PALETTE: (1, (1, 2, 4, 8)),
    _GREY_ALPHA: (2, (8, 16)),
    _RGB_ALPHA: (4, (8, 16)),
}
#: First column and row, and steps along both, of the pictures that an interlaced one is sent in (PNG, section 8.2).
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
#: Bytes of the pixel stream that are unpacked at once to count them.
_STEP = 2**18


@dataclass(frozen=True)
class _Png:
    header: ViewHeader
    colour_type: int
    palette: bytes
    transparency: bytes


def inspect(data: bytes) -> tuple[ViewHeader, ...]:
    """Size and depth from the IHDR chunk. Raises ScanUnreadable when there is none."""
    return (_read_ihdr(data)[0],)


def decode(data: bytes) -> tuple[Pixels, ...]:
    """The one view. Raises ScanUnreadable for a wrong CRC, no end mark, an animation, an index outside the palette."""
    png = _read_chunks(data)
    if png.colour_type == _PALETTE:
        return (_decode_palette(data, png),)
    if png.colour_type == _GREY and png.transparency:
        return (_decode_keyed_grey(data, png),)
    image = flatten_alpha(decode_with_opencv(_bare(data, data[16:29]), _decoded_header(png.header)))
    return (np.ascontiguousarray(image[:, :, 0]) if png.colour_type == _GREY_ALPHA else image,)


def _read_ihdr(data: bytes) -> tuple[ViewHeader, int]:
    if data[8:16] != b"\0\0\0\rIHDR" or len(data) < 33:
        raise ScanUnreadable("the PNG header is missing or cut short")
    width, height, bits, colour_type = struct.unpack_from(">IIBB", data, 16)
    channels, depths = _COLOUR_TYPES.get(colour_type, (0, ()))
    if bits not in depths:
        raise ScanUnreadable(f"PNG colour type {colour_type} with {bits} bits does not exist")
    return ViewHeader(width, height, channels, bits), colour_type


def _decoded_header(header: ViewHeader) -> ViewHeader:
    # Depths below 8 are decoded into bytes.
    return replace(header, bits=max(8, header.bits))


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """The kind of each chunk, and all its bytes: length, kind, body, checksum."""
    view, position, kind = memoryview(data), len(_SIGNATURE), b""
    while kind != b"IEND":
        if position + 12 > len(data):
            raise ScanUnreadable("the PNG is cut short: its end mark is missing")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise ScanUnreadable("the PNG is cut short inside a chunk")
        if zlib.crc32(view[position + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise ScanUnreadable(f"the PNG is damaged: wrong checksum at byte {position}")
        yield kind, view[position:end]
        position = end
    refuse_trailing(data, position)


def _read_chunks(data: bytes) -> _Png:
    header, colour_type = _read_ihdr(data)
    kept = {b"PLTE": b"", b"tRNS": b"", b"IDAT": b""}
    stream, room = zlib.decompressobj(), _stream_bytes(header, interlaced=bool(data[28]))
    for kind, chunk in _chunks(data):
        if kind == b"acTL":
            raise ScanUnreadable("an animated PNG: only its first frame could be seen", remedy="export one file a view")
        if kind in kept:
            kept[kind] = b"present" if kind == b"IDAT" else bytes(chunk[8:-4])
        if kind == b"IDAT":
            room = _left(stream, chunk[8:-4], room)
    if not kept[b"IDAT"]:
        raise ScanUnreadable("the PNG holds no pixels")
    return _Png(header, colour_type, kept[b"PLTE"], kept[b"tRNS"])


def _stream_bytes(header: ViewHeader, *, interlaced: bool) -> int:
    """Of all rows once unpacked, each behind the number of its filter."""
    total = 0
    for left, top, across, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(header.width - left) // across), -(-(header.height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * header.channels * header.bits + 7) // 8)
    return total


def _left(stream: zlib._Decompress, packed: bytes | memoryview, room: int) -> int:
    """How many bytes are missing from the pixel stream behind this part of it. Raises ScanUnreadable below 0, before
    all that follows is unpacked, and for what follows the stream's end: it may be a second picture, or have no end."""
    count = _STEP
    while not stream.eof and (count == _STEP or packed):
        count = len(stream.decompress(packed, _STEP))
        packed, room = stream.unconsumed_tail or stream.unused_data, room - count
        if room < 0:
            break
    if room < 0 or (stream.eof and bytes(packed).strip(b"\0")):
        raise ScanUnreadable("the PNG holds more pixels than its header claims")
    return room


def _samples(data: bytes, png: _Png) -> Pixels:
    """(H, W) of the stored indices or grey levels, unscaled: the same pixel stream under a plain grey header."""
    body = struct.pack(">IIBB", png.header.width, png.header.height, png.header.bits, _GREY) + data[26:29]
    image = decode_with_opencv(_bare(data, body, transparency=False), _decoded_header(png.header))
    # libpng spreads low depths over 0..255.
    return image // (255 // (2**png.header.bits - 1)) if png.header.bits < 8 else image


def _bare(data: bytes, header: bytes, *, transparency: bool = True) -> bytes:
    """The PNG under the body of an IHDR chunk, with nothing but its pixels and the colour that means "nothing here"."""
    kept = (b"tRNS", b"IDAT", b"IEND") if transparency else (b"IDAT", b"IEND")
    ihdr = struct.pack(">I4s", len(header), b"IHDR") + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return b"".join([_SIGNATURE, ihdr, *(chunk for kind, chunk in _chunks(data) if kind in kept)])


def _decode_palette(data: bytes, png: _Png) -> Pixels:
    # Looked up here, since OpenCV paints indices outside the palette black without a word.
    palette = np.frombuffer(png.palette, np.uint8).reshape(-1, 3)
    indices = _samples(data, png)
    if not len(palette) or int(indices.max()) >= len(palette):
        raise ScanUnreadable(f"pixels point outside the palette of {len(palette)} colours")
    alpha = np.full(len(palette), 255, np.uint8)
    given = np.frombuffer(png.transparency, np.uint8)[: len(palette)]
    alpha[: len(given)] = given
    colours: Pixels = mixed_with_air(palette[None], alpha[None], 255)[0]
    refuse_hidden(int(np.count_nonzero((colours != palette).any(axis=1)[indices])))
    return colours[indices]


def _decode_keyed_grey(data: bytes, png: _Png) -> Pixels:
    # One grey level that means "nothing here"; OpenCV ignores it.
    levels = _samples(data, png)
    empty = levels == struct.unpack(">H", png.transparency)[0]
    white = 2**png.header.bits - 1
    refuse_hidden(int(np.count_nonzero(empty & (levels != white))))
    levels[empty] = white
    if png.header.bits < 8:
        levels *= 255 // white
    return levels
