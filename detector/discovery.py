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
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
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
#: Seconds for which a file must have been the same until its beginning is not read again at each look: what is written
#: within a tick of the disk's clock shows in neither size nor times.
_SURE_SECONDS = 60.0


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
        found.extend(FolderScans(path, output).look(left_out) if _is_folder(path) else [ScanSource(path.name, path)])
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


class FolderScans:
    """The scans below a folder, to be looked for as often as one wishes: very many may lie there, and each look would
    make a path and a name of every one anew."""

    def __init__(self, folder: Path, output: Path) -> None:
        """output: of what a run writes into it nothing is taken for a scan."""
        self.folder, self._output = _without_way_back(folder), output
        self._made: dict[str, ScanSource] = {}
        self._is_overlay, self._begins_as_scan = _Beginnings(is_overlay), _Beginnings(_begins_as_scan)

    def look(self, left_out: Counter[str]) -> list[ScanSource]:
        """All scans there now, sorted by name; files that are no scans are added to left_out, by suffix.

        A folder that cannot be listed is a source itself: it becomes a REFER with the system's reason.
        """
        unreadable: list[str] = []
        files = {*self._files(unreadable, left_out), *unreadable}
        # As their paths are: folder by folder.
        in_order = sorted(files, key=lambda file: file.replace(os.sep, "\0"))
        self._made = {file: self._made.get(file) or self._source(Path(file)) for file in in_order}
        self._is_overlay.forget()
        self._begins_as_scan.forget()
        return list(self._made.values())

    def _source(self, path: Path) -> ScanSource:
        name = storable_text(path.relative_to(self.folder).as_posix())
        return ScanSource(name, path, name)

    def _files(self, unreadable: list[str], left_out: Counter[str]) -> Iterator[str]:
        results, pictures = (Path(os.path.realpath(path)) for path in (self._output, self._output / "overlays"))
        seen: set[Path] = set()
        # A linked folder may hold the belt's scans, so links are followed; `seen` ends their loops.
        walk = os.walk(self.folder, followlinks=True, onerror=lambda error: unreadable.append(str(error.filename)))
        for root, folders, files in walk:
            here = Path(root).resolve()
            if here in seen:
                folders.clear()
                continue
            seen.add(here)
            # A folder that two links lead to is named after the first of them: in the order of names, not of the disk.
            folders.sort()
            # A folder called like a scan is gone through, and referred as well: something was meant to be there.
            within = root.removesuffix(os.sep) + os.sep
            yield from (within + name for name in folders if _suffix(name) in TAKEN_SUFFIXES)
            # Of this run or of another one: its alarms would be inspected, and alarm again.
            of_another_run = here.name == pictures.name and (here.parent / "ledger.sqlite").is_file()
            pictures_here = here == pictures or of_another_run
            passed_over = _OWN_FILES if here == results else frozenset[str]()
            for name in files:
                file = within + name
                if name in passed_over or (pictures_here and self._is_overlay(file)):
                    continue
                suffix = _suffix(name)
                if suffix in TAKEN_SUFFIXES or self._begins_as_scan(file):
                    yield file
                else:
                    left_out[suffix or NO_SUFFIX] += 1


class _Beginnings:
    """What files' first bytes say of them, without reading those again and again that stay as they are."""

    def __init__(self, question: Callable[[Path], bool]) -> None:
        self._question = question
        self._answers: dict[str, _Answer] = {}
        self._before: dict[str, _Answer] = {}

    def __call__(self, file: str) -> bool:
        path, now, before = Path(file), time.monotonic(), self._before.get(file)
        try:
            status = path.stat()
        except OSError:
            return self._question(path)
        state = (status.st_ctime_ns, status.st_mtime_ns, status.st_size, status.st_ino)
        if before is None or before.state != state:
            before = _Answer(state, self._question(path), now)
        elif now - before.since < _SURE_SECONDS:
            before = replace(before, yes=self._question(path))
        self._answers[file] = before
        return before.yes

    def forget(self) -> None:
        """Ends a look: what was not asked since the last one is not there any more."""
        self._before, self._answers = self._answers, {}


@dataclass(frozen=True)
class _Answer:
    """state: when the inode and the content of the file were changed, in ns, its size and its inode. since: when it was
    first seen so."""

    state: tuple[int, ...]
    yes: bool
    since: float


def _suffix(name: str) -> str:
    """As of a path, in small letters."""
    stem, _, ending = name.rpartition(".")
    return f".{ending}".lower() if stem and ending else ""


def _begins_as_scan(path: Path) -> bool:
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
    once = {str(source.path.absolute()): source for source in found}.values()
    # One that has a relative name was made storable with it.
    apart = [one if one.relative else _storable(one) for one in once]
    # A path as given may be what another file is called already. A whole path never is, but two that are no UTF-8 may
    # be spelled alike.
    for named in (Path.as_posix, whole_path, whole_path_marked):
        names = Counter(one.name for one in apart)
        if len(names) == len(apart):
            break
        apart = [one if names[one.name] == 1 else replace(one, name=storable_text(named(one.path))) for one in apart]
    return apart


def _storable(source: ScanSource) -> ScanSource:
    name = storable_text(source.name)
    return ScanSource(name, source.path, name)
