"""One training a folder: a second one would overwrite what the first says of itself, and take turns with its files.

with running_alone(Path("RUN")):
    ...
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from detector.errors import SettingsInvalid

if sys.platform != "win32":
    import fcntl


@contextlib.contextmanager
def running_alone(run: Path) -> Iterator[None]:
    """Holds the folder, made if need be, as long as the context lasts; the system lets go of it with the process.

    Raises SettingsInvalid where another process holds it, and OSError where the folder cannot be made or locked. A
    folder in which nothing was put is gone afterwards. Windows has no such locks: nothing is held there.
    """
    run.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield
        return
    folder = os.open(run, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise SettingsInvalid(
            f"a training is running in {run}", remedy="wait until it ends, or give another --output"
        ) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            run.rmdir()
        os.close(folder)
