"""A folder that a long command fills belongs to the settings that it was begun with, told by a file in it.

    claim(output, "projection.json", {"seed": 1, "scans": 500}, may_grow=("scans",))

What was begun with one seed must not be ended with another: nobody could tell afterwards which scan came from which.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from detector.errors import SettingsInvalid
from detector.outputs.atomic import write_bytes_whole

Settings = Mapping[str, Any]

#: Of a setting that is shown: no taxonomy fits a line.
_MOST_SHOWN = 60
_OTHER_FOLDER = "give another --output, or the settings that it was begun with to finish it"


def claim(
    folder: Path,
    name: str,
    settings: Settings,
    *,
    may_grow: Collection[str] = (),
    unsaid: Settings = MappingProxyType({}),
    writes: Collection[str] = (),
    typed: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Writes `settings`, JSON values, to the file `name` of `folder`, or proves that they are what stands there.

    may_grow: settings that may be others, as more of the same goes on with what is there, or nothing is there yet; the
    file tells the last. unsaid: what a folder was begun with that does not say so, for settings that are younger than
    it. writes: paths within `folder` that the command will write. typed: what a person calls a setting, where it is not
    its key. Raises SettingsInvalid for a folder that was begun with other settings, one whose file is damaged, and one
    that was begun by nothing and holds some of `writes`.
    """
    path = folder / name
    now = json.loads(json.dumps(dict(settings)))
    if not path.is_file():
        if others := [one for one in writes if (folder / one).exists()]:
            # The command's own would have its settings beside them.
            raise SettingsInvalid(
                f"{folder} holds {', '.join(others)} of others, which would be overwritten",
                remedy="give another --output",
            )
        _write(path, now)
        return
    before = {**json.loads(json.dumps(dict(unsaid))), **_begun_with(path)}
    if untold := [key for key in now if key not in before]:
        raise SettingsInvalid(
            f"{folder} was begun by an earlier version: {path.name} does not tell {', '.join(untold)}",
            remedy="give another --output, or delete that folder",
        )
    fixed = (key for key in {**now, **before} if key not in may_grow)
    if changed := [key for key in fixed if before.get(key) != now.get(key)]:
        words = ", ".join(f"{typed.get(key, key)}{_change(before.get(key), now.get(key))}" for key in changed)
        raise SettingsInvalid(f"{folder} was begun with other {words}", remedy=_OTHER_FOLDER)
    if before != now:
        _write(path, now)


def require_apart(output: Path, data: Path) -> None:
    """Raises SettingsInvalid where what is read and what is written are one folder."""
    if output.resolve() == data.resolve():
        raise SettingsInvalid(f"{output} is the folder that is read", remedy="give another --output")


def _write(path: Path, settings: dict[str, Any]) -> None:
    write_bytes_whole(path, (json.dumps(settings, indent=1) + "\n").encode())


def _begun_with(path: Path) -> dict[str, Any]:
    try:
        before = json.loads(path.read_bytes())
        if not isinstance(before, dict):
            raise ValueError("no object")
    except (ValueError, RecursionError) as error:
        raise SettingsInvalid(
            f"{path} is damaged, so nobody can tell what its folder was begun with: {error}",
            remedy="restore it, or give another --output",
        ) from None
    return before


def _change(before: Any, now: Any) -> str:
    """Nothing for values that do not fit a line."""
    was, told = (str(value) if value or value == 0 else "none" for value in (before, now))
    return f" ({was}, here {told})" if max(len(was), len(told)) <= _MOST_SHOWN else ""
