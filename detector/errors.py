"""Every error that Roentgate raises on purpose, in one tree, each with a line that says what to do.

>>> raise ScanTooLarge("bag.png: 90000 x 90000 pixels", remedy="bin the scan or export it in parts")
Traceback (most recent call last):
detector.errors.ScanTooLarge: bag.png: 90000 x 90000 pixels
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

#: Kinds of system errors -> what to do about them.
_SYSTEM_REMEDIES = (
    ({errno.ENOSPC, errno.EDQUOT, errno.EFBIG}, "make room or give another --output"),
    (
        {errno.EACCES, errno.EPERM, errno.EROFS},
        "let the user who runs this read and write there, or give another --output",
    ),
    (
        {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY},
        "a file stands where a folder belongs, or a folder where a file does: move it away, or give another --output",
    ),
    ({errno.ENOENT}, "something was removed or renamed meanwhile: run again, and leave the folder alone until the end"),
    ({errno.EMFILE, errno.ENFILE}, "too many files are open at once: raise the limit (ulimit -n)"),
)
_DISK = "check the disk or network share that it is on, then run again"


class RoentgateError(Exception):
    """Base of all. `what` says what is wrong, `remedy` what to do about it; both are one line."""

    default_remedy = ""

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(" ".join(what.split()))
        self.what = str(self)
        self.remedy = remedy or self.default_remedy

    def reason(self) -> str:
        """`Name: what`, as it stands in a result's reasons."""
        return f"{type(self).__name__}: {self.what}"

    def about(self, subject: str) -> Self:
        """The same error, told of `subject`, which whoever raised it did not know by name."""
        return type(self)(f"{subject}: {self.what}", remedy=self.remedy)


class ScanUnreadable(RoentgateError):
    """The file is no scan that can be decoded whole: missing, cut short, corrupt, or of no known format."""

    default_remedy = "export the scan again; PNG, JPEG, BMP, WebP, TIFF, NumPy arrays and DICOM are read"


class ScanTooLarge(ScanUnreadable):
    """The header announces more pixels or bytes than the limits allow."""

    default_remedy = "bin the scan or export it in parts; from Python, Detector(limits=Limits(...)) reads larger ones"


class ProfileMismatch(ScanUnreadable):
    """The scan is not what the scanner's profile says it is: pages, depth, polarity, energies or air do not fit."""

    default_remedy = "correct the scanner profile, or name the one of the scanner that wrote this scan"


class ScanWithoutContent(ScanUnreadable):
    """The view shows nothing, or too much of it is opaque: a dead detector, a closed shutter, cargo not penetrated."""

    default_remedy = "check the scanner and scan again"


class InferenceFailed(RoentgateError):
    """The network raised, or returned numbers that are not finite or not of the promised shape."""

    default_remedy = "run `roentgate doctor`; the scan must be looked at by a person"


class ResultsLost(RoentgateError):
    """A batch ended with fewer or more results than it was given scans."""

    default_remedy = "rely on none of these results: scan everything anew into another --output folder"


class WeightsRejected(RoentgateError):
    """The weights file is missing, altered, or does not carry what it must."""

    default_remedy = (
        "fetch the weights again (`roentgate weights verify` checks those shipped), or export your own anew"
    )


class ProviderUnavailable(RoentgateError):
    """The execution provider that was asked for did not start; the CPU is never used in its place silently."""

    default_remedy = "use --provider auto, or install the matching onnxruntime"


class ReaderGone(RoentgateError):
    """Nobody reads the results that are printed any more."""

    default_remedy = "start what read them and this again; what was inspected is recorded, and printed again"


class SettingsInvalid(RoentgateError):
    """A policy, recipe or option that cannot be taken as it stands."""

    default_remedy = "correct the named setting"


def system_remedy(error: OSError) -> str:
    """What to do about an error of the system that is none of a scan. What was saved before it is kept."""
    told = next((remedy for numbers, remedy in _SYSTEM_REMEDIES if error.errno in numbers), _DISK)
    return f"{told}; what was saved is kept"


@contextmanager
def named_by(folder: Path) -> Iterator[None]:
    """An error of the system that names no file, as of a write to one that is open, names the folder."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(folder)
        raise
