"""Ends of files that were never written: a copy that was cut off, or a power cut, leaves zeros at a file's full size.

Formats with a checksum refuse them. In the others they decode, to black rows or to a picture that is smeared on. A
whole scan may end so as well, in a black bar or in even air: that is a doubt, and what was found is still told.

>>> rows_doubt(bytes(640 * 480), 640)
'the file ends in zeros, where its last rows should be: it may not have been written whole; copy or export it again'
"""

from __future__ import annotations

from detector.scan import Pixels

#: Rows of zeros that are left to dead elements of the detector and thin frames around exports.
MOST_ROWS = 4
#: Zero bytes in a row that a whole compressed picture may hold: 1,150 WebP files of libwebp, many with even air over
#: three quarters of the picture, hold at most 60, and one more for every 6,100 pixels.
_SPARE, _PIXELS_A_ZERO = 64, 2048
#: Of 255, in the darkest channel: a palette's colour from which it stands for little or nothing in the beam.
_BRIGHT = 128
_REMEDY = "it may not have been written whole; copy or export it again"


def rows_doubt(stored: memoryview | bytes, row_bytes: int) -> str:
    """Why uncompressed pixels, in the order of the file, must not be cleared; empty where they do not end in zeros. Not
    for pixels of which zero is air. row_bytes: of a stored row."""
    least = (MOST_ROWS + 1) * row_bytes
    if len(stored) < least or bytes(stored[-least:]).strip(b"\0"):
        return ""
    return f"the file ends in zeros, where its last rows should be: {_REMEDY}"


def means_air(colour: Pixels) -> bool:
    """Whether a palette's colour (3,), uint8, is that of air rather than of cargo."""
    return int(colour.min()) >= _BRIGHT


def stream_doubt(stream: bytes, pixels: int, *, anywhere: bool) -> str:
    """Why a compressed picture of so many pixels must not be cleared; empty where it holds no long run of zeros.
    anywhere: a run in its middle counts as well."""
    run = bytes(_SPARE + pixels // _PIXELS_A_ZERO)
    if run in stream if anywhere else stream.endswith(run):
        return f"{len(run)} bytes of the compressed picture are zero, one after another: {_REMEDY}"
    return ""
