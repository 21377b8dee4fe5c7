"""Which scan goes into which split: official ones are kept, the others are cut so that nothing of one bag is in two.

    plan = plan_splits(candidates, pairs, share=0.1, seed=0)

Scans that share a group, a digest or a picture (`pairs`) make one cluster. Each scan allows some splits: the official
one; train or val where a set has train but no val; without one of its own, any but an official val or test, which hold
what their authors put there and nothing else. A cluster goes where all of its scans may go. Where the official splits
of one set tear a cluster apart they are kept and it is reported. Nobody made the splits of two sets together: a scan of
train that shows what val or test of another set holds is left out with its bag, as is a scan without a split of its own
that could go nowhere without leaking.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from training.datasets.findings import Finding, Severity

TRAIN, VAL, TEST = "train", "val", "test"
_ALL = (TRAIN, VAL, TEST)
#: Train and val together.
BOTH = "trainval"
#: What authors call the usual three.
_SPELLINGS = {
    **dict.fromkeys(("train", "training", BOTH), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VAL),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), TEST),
}
#: One of them, also as `train2017`, `trainset` or `train_set`.
_SPELLED = rf"({'|'.join(_SPELLINGS)})(?:[ _-]?set)?(?:20\d\d)?"
_WHOLE_NAME, _WORD_OF_NAME = re.compile(_SPELLED), re.compile(rf"(?<![a-z]){_SPELLED}(?![a-z])")
#: CVAT's word for scans that are in no split.
NO_SPLIT = "default"
#: What some call parts of their test set.
_PARTS_OF_TEST = ("easy", "hard", "hidden")


@dataclass(frozen=True)
class Candidate:
    """One scan. key: unique and the same on every machine. source: its set. split: official, "" for none.

    group: scans of one set with the same one belong together. strata: what the splits shall be alike in, such as the
    classes in the scan. origin: the set that it came from first, where its set joins several.
    """

    key: str
    source: str
    split: str
    group: str
    strata: tuple[str, ...] = ()
    origin: str = ""

    @property
    def split_with(self) -> tuple[str, str]:
        """Scans with the same were cut into splits together, by the set's authors."""
        return self.source, self.origin


@dataclass(frozen=True)
class SplitPlan:
    """splits: of every candidate, "" for one that is left out. clusters: a name for what belongs together."""

    splits: tuple[str, ...]
    clusters: tuple[str, ...]
    findings: tuple[Finding, ...]


def usual_split(name: str) -> str:
    """train, val or test for what authors call them; any other name as it is, in lower case; "" for none."""
    plain = name.casefold()
    told = _WHOLE_NAME.fullmatch(plain)
    if told:
        return _SPELLINGS[told[1]]
    return TEST if part_of_test(name) else "" if plain == NO_SPLIT else plain


def split_of_folder(name: str) -> str:
    """train, val or test for a folder that is called so, "" for any other.

    That is also for one called easy, hard or hidden: so do people call folders of their own that are no part of a test.
    """
    return "" if part_of_test(name) or usual_split(name) not in _ALL else usual_split(name)


def split_of_path(path: str) -> str:
    """The split that the first folder of a file's path that is one is; "" where none is. path: with forward slashes."""
    return next((split for name in path.split("/")[:-1] if (split := split_of_folder(name))), "")


def split_in_name(name: str) -> str:
    """train, val or test where a word of a file's name is one, the first if several are; "" where none is.

    None also for a file of train and val together: what it holds may be in either.
    """
    told = _WORD_OF_NAME.search(name.casefold())
    return _SPELLINGS[told[1]] if told and told[1] != BOTH else ""


def part_of_test(name: str) -> str:
    """easy, hard or hidden where the split's name is one of these, else ""."""
    return name.casefold() if name.casefold() in _PARTS_OF_TEST else ""


def plan_splits(
    candidates: Sequence[Candidate], pairs: Iterable[tuple[int, int]], *, share: float, seed: int
) -> SplitPlan:
    """share: of the scans of a set that go to val, and to test where it has none either; with 0 no val is cut out of a
    train. pairs: positions of scans that show the same. The same candidates in any order, with the same seed, get the
    same splits."""
    clusters = _clusters(candidates, pairs)
    allowed = _allowed(candidates, share > 0)
    members: dict[str, list[int]] = defaultdict(list)
    for position, name in enumerate(clusters):
        members[name].append(position)
    splits = [""] * len(candidates)
    findings: list[Finding] = []
    open_clusters: dict[str, tuple[str, ...]] = {}
    for name in sorted(members):
        common = _common([allowed[position] for position in members[name]])
        if len(common) > 1:
            open_clusters[name] = common
        elif common:
            _assign(splits, members[name], common[0])
        else:
            findings.append(_torn(candidates, members[name], splits))
    _Cut(candidates, members, open_clusters, share, seed).assign(splits)
    return SplitPlan(tuple(splits), tuple(clusters), tuple(findings))


def leaks(splits: Sequence[str], clusters: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Clusters that are in more than one split, with these splits; scans left out ("") do not count."""
    found: dict[str, set[str]] = defaultdict(set)
    for split, cluster in zip(splits, clusters, strict=True):
        if split:
            found[cluster].add(split)
    return {name: tuple(sorted(inside)) for name, inside in sorted(found.items()) if len(inside) > 1}


def _clusters(candidates: Sequence[Candidate], pairs: Iterable[tuple[int, int]]) -> list[str]:
    """Name of the cluster of every candidate: the smallest `source/group` in it."""
    parents = list(range(len(candidates)))

    def root(position: int) -> int:
        while parents[position] != position:
            parents[position] = parents[parents[position]]
            position = parents[position]
        return position

    first: dict[tuple[str, str], int] = {}
    for position, candidate in enumerate(candidates):
        parents[root(position)] = root(first.setdefault((candidate.source, candidate.group), position))
    for one, other in pairs:
        parents[root(one)] = root(other)
    roots = [root(position) for position in range(len(candidates))]
    names: dict[int, str] = {}
    for position, candidate in enumerate(candidates):
        own = f"{candidate.source}/{candidate.group}"
        names[roots[position]] = min(own, names.get(roots[position], own))
    return [names[position] for position in roots]


def _allowed(candidates: Sequence[Candidate], carve: bool) -> list[tuple[str, ...]]:
    official: dict[str, set[str]] = defaultdict(set)
    for candidate in candidates:
        official[candidate.source].add(candidate.split)
    return [_allowed_of(candidate, official[candidate.source], carve) for candidate in candidates]


def _allowed_of(candidate: Candidate, official: set[str], carve: bool) -> tuple[str, ...]:
    if not candidate.split:
        return tuple(split for split in _ALL if split == TRAIN or split not in official)
    return (TRAIN, VAL) if carve and candidate.split == TRAIN and VAL not in official else (candidate.split,)


def _common(allowed: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(split for split in allowed[0] if all(split in each for each in allowed))


def _assign(splits: list[str], members: Iterable[int], split: str) -> None:
    for position in members:
        splits[position] = split


def _torn(candidates: Sequence[Candidate], members: Sequence[int], splits: list[str]) -> Finding:
    """Official splits of one set stay as they are; what would leak between two sets, or has no split, is left out."""
    official = [position for position in members if candidates[position].split]
    held_back = {candidates[position].split_with for position in official if candidates[position].split in (VAL, TEST)}
    for position in official:
        candidate = candidates[position]
        if candidate.split != TRAIN or held_back <= {candidate.split_with}:
            splits[position] = candidate.split
    inside = Counter(splits[position] for position in members if splits[position])
    unlisted, leaking = len(members) - len(official), len(official) - inside.total()
    message = ", ".join(f"{count} in {split}" for split, count in sorted(inside.items()))
    message += f"; {leaking} in train of another set are left out" if leaking else ""
    message += f"; {unlisted} without a split are left out" if unlisted else ""
    names = ", ".join(sorted(candidates[position].key for position in members)[:4])
    if len(inside) > 1:
        message = f"official splits share what belongs together: {message}"
        return Finding(Severity.WARNING, "leak between official splits", names, message)
    kind = "leak between sets" if leaking else "scan like an official one"
    return Finding(Severity.WARNING, kind, names, f"they show what an official split holds: {message}")


class _Cut:
    """Cuts the open clusters, rarest first, each into the split that lacks most of what it holds (Sechidis et al. 2011,
    "On the stratification of multi-label data")."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        members: Mapping[str, Sequence[int]],
        clusters: Mapping[str, tuple[str, ...]],
        share: float,
        seed: int,
    ) -> None:
        self._members, self._clusters, self._seed = members, clusters, seed
        self._strata = {name: _strata(candidates, members[name]) for name in clusters}
        self._totals: Counter[str] = Counter()
        self._wanted: dict[str, Counter[str]] = {split: Counter() for split in _ALL}
        for name, allowed in clusters.items():
            self._totals.update(self._strata[name])
            for split in allowed:
                part = share if split != TRAIN else 1 - share * (len(allowed) - 1 if TRAIN in allowed else 0)
                for stratum, count in self._strata[name].items():
                    self._wanted[split][stratum] += part * count  # type: ignore[assignment]

    def assign(self, splits: list[str]) -> None:
        for name in sorted(self._clusters, key=self._turn):
            strata = self._strata[name]
            split = max(self._clusters[name], key=lambda each: (self._lack(each, strata), self._chance(name, each)))
            self._wanted[split].subtract(strata)
            _assign(splits, self._members[name], split)

    def _turn(self, name: str) -> tuple[int, int, str, str]:
        """Rare classes first, large clusters before small ones, then by chance."""
        strata = self._strata[name]
        return min(self._totals[stratum] for stratum in strata), -strata.total(), self._chance(name, ""), name

    def _lack(self, split: str, strata: Iterable[str]) -> tuple[float, ...]:
        """How much the split lacks of what the cluster holds: the rarest first, the others only between equals."""
        rarest = sorted(strata, key=lambda stratum: (self._totals[stratum], stratum))
        return tuple(round(self._wanted[split][stratum], 6) for stratum in rarest)

    def _chance(self, name: str, split: str) -> str:
        return hashlib.sha256(f"{self._seed}:{split}:{name}".encode()).hexdigest()


def _strata(candidates: Sequence[Candidate], members: Iterable[int]) -> Counter[str]:
    """By source, so that every split sees every scanner: the classes of each scan, and the scan itself."""
    counts: Counter[str] = Counter()
    for position in members:
        candidate = candidates[position]
        counts[f"{candidate.source}:"] += 1
        counts.update(f"{candidate.source}:{stratum}" for stratum in candidate.strata)
    return counts
