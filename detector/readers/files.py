"""Bytes of a scan's file, and of the profile beside it: only of regular files that nobody writes meanwhile, and never
more than the limits allow."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from detector.errors import ScanUnreadable
from detector.readers import sidecar
from detector.readers.limits import Limits, check_bytes


def read_file(path: Path, name: str, limits: Limits) -> bytes:
    """All bytes of the file, joined by those of its sidecar profile; `name` is what messages call it.

    Raises ScanUnreadable if it cannot be read, is written meanwhile, or is no regular file (a pipe would be waited on
    for ever), ScanTooLarge before reading one that is larger than the limits.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            # One that cannot be listed says why.
            os.scandir(path).close()
        if not stat.S_ISREG(status.st_mode):
            raise ScanUnreadable("not a regular file", remedy="name files that hold scans")
        check_bytes(status.st_size, limits)
        return _with_profile(path, _read_still(path))
    except ScanUnreadable as error:
        raise error.about(name) from None
    except (OSError, MemoryError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ScanUnreadable(f"{name}: {reason}", remedy="check that the file is there and can be read") from None


def _with_profile(path: Path, data: bytes) -> bytes:
    if sidecar.holds_mark(data):
        raise ScanUnreadable(
            f"{path.name} ends with a scanner profile of its own",
            remedy="remove it from the file; lay it beside a raw array, or give it with --scanner",
        )
    profile = sidecar.sidecar_of(path)
    if profile is None:
        return data
    if profile.stat().st_size > sidecar.MOST_BYTES:
        raise ScanUnreadable(f"{profile.name} beside it is too long for a scanner profile", remedy="move it elsewhere")
    return sidecar.join(data, _read_still(profile))


def _read_still(path: Path) -> bytes:
    """All bytes. A file that is written in place meanwhile could give half of one scan and half of another, and formats
    without a checksum would pass that."""
    with path.open("rb") as file:
        before = os.fstat(file.fileno())
        data = file.read()
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ScanUnreadable(f"{path.name} was written while it was read", remedy="run again once it is there whole")
    return data
