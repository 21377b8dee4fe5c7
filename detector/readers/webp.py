"""WebP, lossy and lossless, still pictures. The RIFF sizes must add up; libwebp refuses a pixel stream that ends early.

The format has no checksum: changed bytes that keep all lengths decode to wrong pixels in any reader. Only zeros in
place of what was never written are noticed.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator

from detector.errors import ScanUnreadable
from detector.readers.decoding import decode_with_opencv, flatten_alpha, refuse_trailing
from detector.readers.limits import ViewHeader
from detector.readers.unwritten import stream_doubt
from detector.scan import Pixels

_ANIMATION, _ALPHA = 0x02, 0x10
_LOSSY, _LOSSLESS, _EXTENDED = b"VP8 ", b"VP8L", b"VP8X"
#: Chunks of a still picture, each once: frames of an animation may be there whatever the flag says.
_KNOWN = frozenset({_LOSSY, _LOSSLESS, _EXTENDED, b"ALPH", b"ICCP", b"EXIF", b"XMP "})


def inspect(data: bytes) -> tuple[ViewHeader, ...]:
    """Size from the first chunk. Raises ScanUnreadable for an animation."""
    kind, body = next(_chunks(data))
    if kind == _EXTENDED:
        return (_extended(body),)
    if kind in (_LOSSY, _LOSSLESS):
        return (_bitstream(kind, body),)
    raise ScanUnreadable("the WebP holds no picture where it should start")


def decode(data: bytes) -> tuple[Pixels, ...]:
    """The one view. Raises ScanUnreadable when chunk sizes do not add up or the canvas differs from the picture."""
    header = inspect(data)[0]
    pictures = [_bitstream(kind, body) for kind, body in _chunks(data) if kind in (_LOSSY, _LOSSLESS)]
    if len(pictures) != 1 or (pictures[0].width, pictures[0].height) != (header.width, header.height):
        raise ScanUnreadable("the WebP does not hold exactly one picture of the size it claims")
    kinds = Counter(kind for kind, _ in _chunks(data))
    odd = sorted(kind for kind in kinds if kind not in _KNOWN or kinds[kind] > 1)
    if odd:
        raise ScanUnreadable(
            f"the WebP holds {odd[0].decode('ascii', 'replace').strip()!r} beside its picture: it may be another one",
            remedy="export the scan as PNG, or as a plain WebP",
        )
    refuse_trailing(data, 8 + struct.unpack_from("<I", data, 4)[0])
    return (flatten_alpha(decode_with_opencv(data, header)),)


def doubt(data: bytes) -> str:
    """Why the picture must not be cleared, if its compressed bytes were not all written."""
    kind, body = next(chunk for chunk in _chunks(data) if chunk[0] in (_LOSSY, _LOSSLESS))
    # A code of the lossless kind may be all zeros where the picture is even.
    return stream_doubt(body, _bitstream(kind, body).pixels, anywhere=kind == _LOSSY)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    end, position = 8 + struct.unpack_from("<I", data, 4)[0], 12
    if end > len(data):
        raise ScanUnreadable(f"the WebP is cut short: {len(data)} of {end} bytes are there")
    while position < end:
        kind, size = struct.unpack_from("<4sI", data, position)
        if position + 8 + size > end:
            raise ScanUnreadable("a WebP chunk reaches past the end")
        yield kind, data[position + 8 : position + 8 + size]
        # Chunks start at even positions.
        position += 8 + size + size % 2


def _extended(body: bytes) -> ViewHeader:
    if body[0] & _ANIMATION:
        raise ScanUnreadable("an animated WebP: only its first frame could be seen", remedy="export one file a view")
    width, height = (1 + int.from_bytes(body[at : at + 3], "little") for at in (4, 7))
    return ViewHeader(width, height, 4 if body[0] & _ALPHA else 3, 8)


def _bitstream(kind: bytes, body: bytes) -> ViewHeader:
    if kind == _LOSSLESS:
        bits = struct.unpack_from("<I", body, 1)[0]
        return ViewHeader((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 4 if bits >> 28 & 1 else 3, 8)
    if body[3:6] != b"\x9d\x01\x2a":
        raise ScanUnreadable("the WebP picture does not start with a key frame")
    width, height = struct.unpack_from("<HH", body, 6)
    return ViewHeader(width & 0x3FFF, height & 0x3FFF, 3, 8)
