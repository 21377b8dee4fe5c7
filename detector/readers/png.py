"""PNG, 1 to 16 bits. Every chunk's CRC is checked here: OpenCV only warns on some of them and reads half of an APNG.

libpng itself refuses a pixel stream that ends early or whose Adler sum is wrong.
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
    image = flatten_alpha(decode_with_opencv(data, _decoded_header(png.header)))
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
        yield kind, view[position + 8 : end - 4]
        position = end
    refuse_trailing(data, position)


def _read_chunks(data: bytes) -> _Png:
    header, colour_type = _read_ihdr(data)
    kept = {b"PLTE": b"", b"tRNS": b"", b"IDAT": b""}
    for kind, body in _chunks(data):
        if kind == b"acTL":
            raise ScanUnreadable("an animated PNG: only its first frame could be seen", remedy="export one file a view")
        if kind in kept:
            kept[kind] = b"present" if kind == b"IDAT" else bytes(body)
    if not kept[b"IDAT"]:
        raise ScanUnreadable("the PNG holds no pixels")
    return _Png(header, colour_type, kept[b"PLTE"], kept[b"tRNS"])


def _samples(data: bytes, png: _Png) -> Pixels:
    """(H, W) of the stored indices or grey levels, unscaled: the same pixel stream under a plain grey header."""
    body = struct.pack(">IIBB", png.header.width, png.header.height, png.header.bits, _GREY) + data[26:29]
    pixels = b"".join(_chunk(kind, chunk) for kind, chunk in _chunks(data) if kind == b"IDAT")
    image = decode_with_opencv(
        _SIGNATURE + _chunk(b"IHDR", body) + pixels + _chunk(b"IEND", b""), _decoded_header(png.header)
    )
    # libpng spreads low depths over 0..255.
    return image // (255 // (2**png.header.bits - 1)) if png.header.bits < 8 else image


def _chunk(kind: bytes, body: bytes | memoryview) -> bytes:
    tail = kind + bytes(body)
    return struct.pack(">I", len(body)) + tail + struct.pack(">I", zlib.crc32(tail))


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
    refuse_hidden(float((colours != palette).any(axis=1)[indices].mean()))
    return colours[indices]


def _decode_keyed_grey(data: bytes, png: _Png) -> Pixels:
    # One grey level that means "nothing here"; OpenCV ignores it.
    levels = _samples(data, png)
    empty = levels == struct.unpack(">H", png.transparency)[0]
    white = 2**png.header.bits - 1
    refuse_hidden(float((empty & (levels != white)).mean()))
    levels[empty] = white
    if png.header.bits < 8:
        levels *= 255 // white
    return levels
