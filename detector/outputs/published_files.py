"""Which output files stand in a folder, and whether they are those that a run wrote.

>>> ledger.note_published(Published(rows, weights, settings, noted(folder, prepared.digests), prepared.counts))
>>> list(altered(folder, ledger.published().files))
['results.csv: not as it was written']
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


def noted(folder: Path, digests: Mapping[str, str]) -> str:
    """JSON that tells these files from others. digests: name of each output -> sha256 of what was written, hex."""
    there = _states(folder, digests)
    return json.dumps({name: [*state, digests[name]] for name, state in there.items()})


def are_as_noted(folder: Path, note: str, names: Collection[str], possible: Collection[str]) -> bool:
    """Whether of the `possible` outputs those of these names, and no others, stand there untouched since the note. By
    size and times, without reading them."""
    there = _states(folder, possible)
    return set(there) == set(names) and {name: state[:3] for name, state in _read(note).items()} == there


def altered(folder: Path, note: str) -> Iterator[str]:
    """One finding for each file that stands there with another content than was noted. One that is not there was moved
    away by whoever needed it elsewhere, and a note of an earlier version knows no contents."""
    for name, (*_, digest) in _read(note).items():
        path = folder / name
        if isinstance(digest, str) and path.is_file():
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    yield f"{name}: not as it was written; a scan into this folder writes it anew"


def _read(note: str) -> dict[str, list[Any]]:
    """Whatever else stands in the ledger's note tells nothing of the files."""
    try:
        found = json.loads(note)
        return {str(name): [*state] for name, state in found.items() if len(state) >= 3}
    except (ValueError, AttributeError, TypeError, RecursionError):
        return {}


def _states(folder: Path, names: Collection[str]) -> dict[str, list[int]]:
    """Name of each output that is in `folder` -> [size in bytes, when it was written, when its inode changed, both in
    ns]: whoever writes or replaces one changes them, and can set back all but the last."""
    there = {}
    for name in names:
        with suppress(FileNotFoundError):
            status = (folder / name).stat()
            there[name] = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    return there
