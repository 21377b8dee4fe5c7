"""What the readers share: the call into OpenCV, alpha over air, and the rule for bytes after the end of a file."""

from __future__ import annotations

import cv2
import numpy as np

from detector.errors import ScanTooLarge, ScanUnreadable
from detector.readers.limits import ViewHeader
from detector.scan import Pixels

#: All bits and channels as stored; boxes are in stored pixels, so no rotation by EXIF.
_AS_STORED = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
#: Pixels that transparency may change, less than any item has: the corners of a window. Beyond it, what was stored
#: there would be hidden behind white.
MOST_HIDDEN = 32
#: Rows that are mixed with air at once: in 32 bits a whole container would take gigabytes.
_ROWS = 256
#: Storage pads files with zeros, text tools add a line end; neither can be a second picture.
_PADDING = b"\0\r\n"


def decode_with_opencv(data: bytes, header: ViewHeader) -> Pixels:
    """Encoded image -> (H, W), (H, W, 3) RGB or (H, W, 4) RGBA, uint8 or uint16, of the size the header claims.

    Raises ScanUnreadable when OpenCV cannot decode it or gives another size or depth than the header claims, and
    ScanTooLarge when OPENCV_IO_MAX_IMAGE_PIXELS forbids it.
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _AS_STORED)
    except cv2.error as error:
        if "CV_IO_MAX_IMAGE" in str(error):
            remedy = "unset OPENCV_IO_MAX_IMAGE_PIXELS, _WIDTH and _HEIGHT, or raise them"
            raise ScanTooLarge("larger than OpenCV's own limit allows", remedy=remedy) from error
        raise ScanUnreadable(f"OpenCV cannot decode it: {error.err or error}") from error
    if image is None:
        raise ScanUnreadable("the compressed pixels are damaged or cut short")
    _compare(image, header)
    if image.ndim == 2:
        return image
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)


def _compare(image: Pixels, header: ViewHeader) -> None:
    depth = np.uint16 if header.bits == 16 else np.uint8
    if (
        image.shape[:2] != (header.height, header.width)
        or image.dtype != depth
        or image.shape[2:] not in ((), (3,), (4,))
    ):
        claim = f"{header.width} x {header.height} at {header.bits} bits"
        raise ScanUnreadable(f"the header claims {claim}, decoding gave {image.shape} {image.dtype}")


def over_air(colour: Pixels, alpha: Pixels, white: int, *, premultiplied: bool = False) -> Pixels:
    """`mixed_with_air`. Raises ScanUnreadable where it changes more pixels than MOST_HIDDEN."""
    mixed, hidden = np.empty(colour.shape, colour.dtype), 0
    for start in range(0, len(colour), _ROWS):
        rows = slice(start, start + _ROWS)
        mixed[rows] = mixed_with_air(colour[rows], alpha[rows], white, premultiplied=premultiplied)
        changed = mixed[rows] != colour[rows]
        hidden += int(np.count_nonzero(changed.any(axis=2) if changed.ndim == 3 else changed))
    refuse_hidden(hidden)
    return mixed


def refuse_hidden(pixels: int) -> None:
    """Raise ScanUnreadable when transparency would turn more than MOST_HIDDEN pixels into air."""
    if pixels > MOST_HIDDEN:
        raise ScanUnreadable(
            f"{pixels} pixels of the picture are transparent: what is stored there would pass for air",
            remedy="export the scan without an alpha channel or a transparent colour",
        )


def mixed_with_air(colour: Pixels, alpha: Pixels, white: int, *, premultiplied: bool = False) -> Pixels:
    """(H, W) or (H, W, 3) and (H, W) alpha of the same integer type -> what shows with white, air, behind.

    white: the highest level of both."""
    if colour.ndim == 3:
        alpha = alpha[:, :, None]
    # 65535 * 65535 + 32767 still fits 32 bits.
    wide, cover = colour.astype(np.uint32), alpha.astype(np.uint32)
    if premultiplied:
        mixed = np.minimum(wide + (white - cover), white)
    else:
        mixed = (wide * cover + white * (white - cover) + white // 2) // white
    result: Pixels = mixed.astype(colour.dtype)
    return result


def flatten_alpha(image: Pixels) -> Pixels:
    """(H, W, 4) RGBA -> (H, W, 3) over air; anything else unchanged."""
    if image.shape[2:] != (4,):
        return image
    return over_air(image[:, :, :3], image[:, :, 3], int(np.iinfo(image.dtype).max))


def refuse_trailing(data: bytes, end: int) -> None:
    """Raise ScanUnreadable when something other than padding follows the end of the picture.

    It may be a second view, or the rest of two files that were joined: clearing half of what a file holds is no option.
    """
    extra = len(data) - end
    if extra and data[end:].strip(_PADDING):
        raise ScanUnreadable(f"{extra} bytes follow the end of the picture")
