"""By what a folder that `data prepare` or `data merge` made is known, and known to be whole.

    refuse_half_made(Path("data"))                         # SettingsInvalid after a preparation that was stopped

The plan is written first and the manifest last, and a second run takes the manifest away before it changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detector.errors import SettingsInvalid

#: The plan, the journal and unpacked archives; `fit` reads nothing in it.
WORKPLACE = ".prepare"
PLAN = f"{WORKPLACE}/plan.json"
MANIFEST = "manifest.json"
#: What annotations say of themselves, behind the split's name.
DESCRIPTION = "scans prepared by roentgate-train"


def refuse_half_made(data: Path) -> None:
    """Raises SettingsInvalid for a folder whose preparation was begun and did not come to its end.

    Scans may then be in two splits, or new pictures under old boxes. A COCO folder that nobody prepared has no plan.
    """
    if (data / PLAN).is_file() and not (data / MANIFEST).is_file():
        raise SettingsInvalid(
            f"{data} is not whole: its preparation was stopped",
            remedy="run the same `data prepare` again (or `data merge`, if that made it)",
        )


def says_prepared(document: Mapping[str, Any]) -> bool:
    """Whether a COCO file says that a preparation wrote it: its groups are then unique over all sources."""
    info = document.get("info")
    return isinstance(info, dict) and str(info.get("description", "")).endswith(DESCRIPTION)
