"""Which scans a command line means, and what each is called in the results. Nothing is lost without a word.

>>> found = discover([Path("scans")], listed=(), output=Path("out"))
>>> [source.name for source in found.sources]
['belt1/bag_0001.png', 'belt2/bag_0001.png']
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from detector.errors import SettingsInvalid
from detector.outputs import OUTPUTS
from detector.outputs.overlay import is_overlay
from detector.readers import HEAD_BYTES, TAKEN_SUFFIXES, looks_like_scan
from detector.scan_names import storable_text, whole_path, whole_path_marked

#: Shards are no more than this: thousands of digits would be an error of Python's own.
_NUMBER = re.compile(r"[0-9]{1,9}")
#: What files without a suffix are counted as.
NO_SUFFIX = "no suffix"
#: What may be a scan although it does not begin as one: torn before its first bytes were written, bare levels, or a
#: picture of a kind that nobody met.
MAY_BE_SCANS = frozenset(
    {NO_SUFFIX, ".raw", ".img", ".bin", ".dat", ".pgm", ".ppm", ".pnm", ".tga", ".pcx", ".fits", ".hdr", ".exr", ".jxl"}
)
#: What a run writes into its output folder, beside its pictures.
_OWN_FILES = frozenset({*OUTPUTS, "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"})


@dataclass(frozen=True)
class ScanSource:
    """A file to inspect, and its name in the results: relative to the input folder, '/' between the parts, and valid
    Unicode, or its path where another file is called so. relative: the same whatever others are called."""

    name: str
    path: Path
    relative: str = ""


@dataclass(frozen=True)
class Discovery:
    """sources: sorted by name within each input, no name twice. left_out: suffix -> files that are no scans."""

    sources: tuple[ScanSource, ...]
    left_out: Counter[str]


def discover(inputs: Iterable[Path], listed: Iterable[str], output: Path) -> Discovery:
    """The scans under `inputs` (files, or folders gone through whole) and those of `listed` (paths, one a line).

    In a folder a file counts by its suffix or by its first bytes; everything else is counted in left_out. What a run
    writes into `output` is passed over, and nothing else there: scans may lie in it. So are the pictures of other runs.
    A listed path that is not there stays in: reading it gives REFER. Raises SettingsInvalid for an input that is not
    there or cannot be looked at.
    """
    left_out: Counter[str] = Counter()
    found: list[ScanSource] = []
    for path in map(_without_way_back, inputs):
        found.extend(_in_folder(path, output, left_out) if _is_folder(path) else [ScanSource(path.name, path)])
    paths = map(_without_way_back, map(Path, listed))
    found.extend(ScanSource(path.name or str(path), path) for path in paths)
    return Discovery(tuple(named_apart(found)), left_out)


def in_shard(sources: Iterable[ScanSource], shard: str) -> list[ScanSource]:
    """The sources of part I of N (`shard` is "I/N", I from 1), by a hash of their names within the input: the same on
    every machine, wherever that has mounted it."""
    part, separator, parts = shard.partition("/")
    numbers = all(_NUMBER.fullmatch(text) for text in (part, parts))
    if not (separator and numbers and 1 <= int(part) <= int(parts)):
        raise SettingsInvalid(f"--shard {shard}: not of the form I/N", remedy="give for example 1/4")
    return [source for source in sources if _hash(source.relative or source.name) % int(parts) == int(part) - 1]


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:8])


def _without_way_back(path: Path) -> Path:
    """The path without '..': else one file would have a path for each folder that it is named from."""
    if ".." not in path.parts:
        return path
    # A link at the end stays: its name is the scan's.
    end = "" if path.name == ".." else path.name
    return Path(os.path.realpath(path.parent if end else path)) / end


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        raise SettingsInvalid(f"no such file or folder: {path}", remedy="check the path") from None
    except OSError as error:
        raise SettingsInvalid(
            f"{path} cannot be looked at: {error.strerror}", remedy="check its permissions and the disk that it is on"
        ) from error


def _in_folder(folder: Path, output: Path, left_out: Counter[str]) -> Iterator[ScanSource]:
    results, pictures = (Path(os.path.realpath(path)) for path in (output, output / "overlays"))
    unreadable: list[Path] = []
    seen: set[Path] = set()
    found: list[Path] = []
    # A linked folder may hold the belt's scans, so links are followed; `seen` ends their loops.
    walk = os.walk(folder, followlinks=True, onerror=lambda error: unreadable.append(Path(str(error.filename))))
    for root, folders, files in walk:
        here = Path(root).resolve()
        if here in seen:
            folders.clear()
            continue
        seen.add(here)
        # A folder that two links lead to is named after the first of them: in the order of names, not of the disk.
        folders.sort()
        # A folder that is called like a scan is gone through, and referred as well: something was meant to be there.
        found += [Path(root) / name for name in folders if Path(name).suffix.lower() in TAKEN_SUFFIXES]
        # Of this run or of another one: its alarms would be inspected, and alarm again.
        pictures_here = here == pictures or (here.name == pictures.name and (here.parent / "ledger.sqlite").is_file())
        for path in (Path(root) / name for name in files):
            if (here == results and path.name in _OWN_FILES) or (pictures_here and is_overlay(path)):
                continue
            if _is_scan(path):
                found.append(path)
            else:
                left_out[path.suffix.lower() or NO_SUFFIX] += 1
    # A folder that cannot be listed stays in as one source: it becomes a REFER with the system's reason.
    for path in sorted({*found, *unreadable}):
        yield ScanSource(path.relative_to(folder).as_posix(), path)


def _is_scan(path: Path) -> bool:
    if path.suffix.lower() in TAKEN_SUFFIXES:
        return True
    try:
        if path.exists() and not path.is_file():
            # A pipe or a socket: opening it could wait for ever.
            return False
        with path.open("rb") as file:
            return looks_like_scan(file.read(HEAD_BYTES))
    except OSError:
        # It cannot be told, so it is taken; inspecting it says why it could not be read.
        return True


def named_apart(found: Iterable[ScanSource]) -> list[ScanSource]:
    """Each file once; where two files would share a name, both carry their path as given instead."""
    once = {source.path.absolute(): source for source in found}.values()
    apart = [
        ScanSource(storable_text(source.name), source.path, storable_text(source.relative or source.name))
        for source in once
    ]
    # A path as given may be what another file is called already. A whole path never is, but two that are no UTF-8 may
    # be spelled alike.
    for named in (Path.as_posix, whole_path, whole_path_marked):
        names = Counter(one.name for one in apart)
        apart = [one if names[one.name] == 1 else replace(one, name=storable_text(named(one.path))) for one in apart]
    return apart
