"""From what a person names, folders and archives, to sets that are read and can be told apart."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from detector.errors import SettingsInvalid
from training.datasets import roentgate_layout
from training.datasets.adapters import ADAPTERS
from training.datasets.annotated_set import Adapter, SourceScan, SourceSet
from training.datasets.archives import is_archive, name_without_suffix, parts_of, unpack
from training.datasets.findings import Finding, Severity
from training.datasets.recognition import Recognised, recognise
from training.datasets.roentgate_layout import PreparedScan
from training.datasets.splits import TEST, TRAIN, VAL, usual_split
from training.datasets.terms import donor_sources, stated_terms

#: Names of sets that are not a person's own.
_PUBLIC = frozenset(name for name, adapter in ADAPTERS.items() if adapter.write is None) - {"roentgate", "roboflow"}
_NOT_PLAIN = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class Intake:
    """One set that is prepared. prefix: its folder under images/, no other has it. terms: by source, as far as they
    are stated. donors: sources of items alone, in scans of others."""

    prefix: str
    adapter_name: str
    title: str
    found: SourceSet
    terms: Mapping[str, str]
    donors: frozenset[str] = frozenset()

    def source_of(self, scan: SourceScan) -> str:
        """The set that a scan came from first: a prepared folder joins several."""
        return _source_of(scan, self.found)

    def target_of(self, scan: SourceScan) -> str:
        """Its place below images/; no other file of the set has it."""
        path = _below_images(scan)
        shorter = path.removeprefix(f"{self.prefix}/") if isinstance(scan, PreparedScan) else path
        return f"{self.prefix}/{path if shorter in self._paths else shorter}"

    @cached_property
    def _paths(self) -> frozenset[str]:
        return frozenset(map(_below_images, self.found.scans))


def _source_of(scan: SourceScan, found: SourceSet) -> str:
    return scan.source if isinstance(scan, PreparedScan) and scan.source else found.source


def _below_images(scan: SourceScan) -> str:
    return scan.path.removeprefix("images/") if isinstance(scan, PreparedScan) else scan.path


def take_in(paths: Sequence[Path], workplace: Path, adapters: Mapping[str, Adapter] = ADAPTERS) -> list[Intake]:
    """Recognises and reads every path, unpacking archives under `workplace`.

    Raises SettingsInvalid for a path that is in no layout that is read, or that no set can be read from.
    """
    named = []
    for path in paths:
        recognised = recognise(_unpacked(path, workplace) if is_archive(path) else path, adapters)
        found = recognised.read()
        named.append((path, recognised, replace(found, source=source_name(recognised, found, path))))
    read = list(_told_apart(named))
    # coco_index.py takes images/<split>/ for a split's own folder, so no set may be called so.
    splits = {usual_split(scan.split) for _, found in read for scan in found.scans} | {TRAIN, VAL, TEST}
    taken: dict[str, Intake] = {}
    for recognised, found in read:
        prefix = _free_name(found.source, taken.keys(), splits)
        title = recognised.adapter.title
        donors = _donors(recognised)
        terms = _terms(recognised, found, donors)
        taken[prefix] = Intake(prefix, recognised.name, title, found, terms, donors)
    return list(taken.values())


def source_name(recognised: Recognised, found: SourceSet, path: Path) -> str:
    """What a set is called, also in a taxonomy. path: as a person named it."""
    if recognised.adapter.write is not None or recognised.adapter is roentgate_layout.ADAPTER:
        # A format is no set: a person's own scans are called by their folder.
        return _plain(name_without_suffix(path.resolve()))
    return found.source


def _told_apart(named: Sequence[tuple[Path, Recognised, SourceSet]]) -> Iterator[tuple[Recognised, SourceSet]]:
    """An own set that is called as another set, also as one in a prepared folder, gets the name of the folder that it
    lies in before its own: each is a source with its own scanners and terms."""
    counts = Counter(source for _, _, found in named for source in _sources(found) | {found.source})
    taken = set(counts)
    prepared: set[str] = set()
    for path, recognised, found in named:
        if recognised.adapter is roentgate_layout.ADAPTER:
            yield recognised, _with_doubts(found, prepared)
            prepared |= _sources(found)
            continue
        if recognised.adapter.write is None or counts[found.source] == 1:
            yield recognised, found
            continue
        source = _free_name(f"{path.resolve().parent.name}_{found.source}", taken, ())
        taken.add(source)
        message = f"another set is called so, too: this one is the source {source} here, also for --taxonomy"
        collision = Finding(Severity.WARNING, "name of two sets", found.source, message)
        yield recognised, replace(found, source=source, findings=(*found.findings, collision))


def _sources(found: SourceSet) -> set[str]:
    """The sets that the scans came from first."""
    return {_source_of(scan, found) for scan in found.scans}


def _with_doubts(found: SourceSet, before: AbstractSet[str]) -> SourceSet:
    """A prepared folder, with a warning for each own set of a name that a folder before has, too: their names are fixed
    in what was prepared. Public sets are the same ones everywhere."""
    doubtful = sorted((_sources(found) & before) - _PUBLIC)
    message = "a folder before holds a set of that name: if they are two, prepare one of them again under another name"
    doubts = (Finding(Severity.WARNING, "name of two sets", source, message) for source in doubtful)
    return replace(found, findings=(*found.findings, *doubts))


def _unpacked(archive: Path, workplace: Path) -> Path:
    """Unpacked once; an archive that has changed since is unpacked anew."""
    states = [(part.name, part.stat().st_size, part.stat().st_mtime_ns) for part in parts_of(archive)]
    identity = hashlib.sha256(repr(states).encode()).hexdigest()[:12]
    folder = workplace / f"{_plain(name_without_suffix(archive))}-{identity}"
    if not folder.is_dir():
        unpack(archive, folder)
    return folder


def _free_name(source: str, taken: Collection[str], splits: Collection[str]) -> str:
    name = _plain(source)
    if name in splits:
        name += "_set"
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _plain(name: str) -> str:
    """Letters of any script, digits, dots and hyphens; some systems take accents apart and others do not."""
    return _NOT_PLAIN.sub("_", unicodedata.normalize("NFC", name)).strip("._") or "set"


def _donors(recognised: Recognised) -> frozenset[str]:
    is_prepared = recognised.adapter is roentgate_layout.ADAPTER
    return donor_sources(recognised.root) if is_prepared else frozenset()


def _terms(recognised: Recognised, found: SourceSet, donors: frozenset[str]) -> dict[str, str]:
    """What the sets allow. A prepared folder carries the terms of those that it joined, as far as they are stated."""
    sources = {scan.source for scan in found.scans if isinstance(scan, PreparedScan)}
    if not sources:
        return {found.source: recognised.adapter.terms}
    return {source: text for source, text in stated_terms(recognised.root).items() if source in sources | donors}


def check_distinct(paths: Sequence[Path]) -> None:
    """Raises SettingsInvalid for a path that is named twice: its scans would all be duplicates."""
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise SettingsInvalid(f"{path} is named twice", remedy="name every set once")
        seen.add(path.resolve())
