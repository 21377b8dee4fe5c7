"""Hearing what libjpeg says while OpenCV decodes.

libjpeg paints the missing part of a damaged picture grey, prints one warning on standard error, and goes on; OpenCV
hands out the result as if it were whole. The warning is the only sign, so standard error is caught for the milliseconds
of a decoding, one decoding at a time. What other threads print meanwhile is passed on right after.
"""

from __future__ import annotations

import functools
import os
import re
import tempfile
import threading
from collections.abc import Callable
from typing import IO, TypeVar

import cv2
import numpy as np

from detector.scan import Pixels

_Result = TypeVar("_Result")
_STANDARD_ERROR = 2
#: Written behind whatever libjpeg said.
_END = b"\0"
_one_at_a_time = threading.Lock()
#: How the warnings of libjpeg start, all of them: jerror.h, the messages JWRN_*. Each decoding prints its first only.
_WARNING = re.compile(
    rb"(?:Corrupt JPEG data|Premature end of JPEG|Inconsistent progression|Invalid SOS parameters|Warning: unknown JFIF"
    rb"|Unknown Adobe color|Application transferred)[^\n]*\n?"
)


def listen(decode: Callable[[], _Result]) -> tuple[_Result, str]:
    """What `decode` returns, and libjpeg's warning, empty for a clean picture.

    Raises OSError where standard error cannot be caught: a full disk would have swallowed a warning as well.
    """
    with _one_at_a_time, _catching() as caught:
        original = os.dup(_STANDARD_ERROR)
        try:
            os.dup2(caught.fileno(), _STANDARD_ERROR)
            result = decode()
            os.write(_STANDARD_ERROR, _END)
        finally:
            os.dup2(original, _STANDARD_ERROR)
            os.close(original)
            caught.seek(0)
            printed = caught.read().replace(_END, b"")
            _pass_on(_WARNING.sub(b"", printed))
    warning = _WARNING.search(printed)
    return result, warning.group().decode(errors="replace").strip() if warning else ""


def _catching() -> IO[bytes]:
    """A file for what is printed: in memory where the system has such, as a folder for files may be full or away."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("libjpeg"), "w+b")
    return tempfile.TemporaryFile()


def _pass_on(text: bytes) -> None:
    while text:
        text = text[os.write(_STANDARD_ERROR, text) :]


@functools.cache
def can_hear() -> bool:
    """Whether the warnings arrive here, tried once on a picture that is broken on purpose.

    They do not where standard error is closed, or where OpenCV has a C library of its own (some Windows builds).
    """
    try:
        return bool(listen(_decode_half_a_picture)[1])
    except OSError:
        return False


def _decode_half_a_picture() -> Pixels | None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    encoded = cv2.imencode(".jpg", noise)[1]
    return cv2.imdecode(np.append(encoded[: len(encoded) // 2], np.array([0xFF, 0xD9], np.uint8)), cv2.IMREAD_UNCHANGED)
