"""What `roentgate` ends with; scripts depend on it."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes, the same for every command of the station."""

    DONE = 0
    INTERNAL = 1
    USAGE = 2
    REFERRED = 3
    WEIGHTS = 4
    ALARM = 5
