"""What a preparation finds wrong with sets that are each in order: names, bags, and classes over them all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from training.datasets.findings import Finding, Severity
from training.datasets.intake import Intake
from training.datasets.prepared_folder import Placed
from training.datasets.raw_levels import without_profile
from training.datasets.records import PathPatterns, Record, told
from training.datasets.splits import TRAIN
from training.datasets.taxonomy import tables_of_no_set

#: Scans named in a message.
_NAMED = 4
#: What helps where no training scan was looked through for a class: its labels, or the faults of its annotations.
_EXPLAIN = "say by --taxonomy which labels are the whole class, or which mark the same part of it"
_CORRECT = "the scans with its boxes count as clean of nothing: correct the errors that `data check` finds in their set"


def of_no_set(taxonomy: Path | None, intakes: Sequence[Intake]) -> Iterator[Finding]:
    """Tables of a person's own taxonomy that are of none of the sets."""
    sources = sorted({intake.found.source for intake in intakes})
    for name in tables_of_no_set(taxonomy, sources) if taxonomy else ():
        message = f"no set is called so here, and its labels are not used; the sets are: {', '.join(sources)}"
        yield Finding(Severity.WARNING, "table of no set", f'[sources."{name}"]', message)


def nothing_told(intakes: Sequence[Intake], patterns: PathPatterns) -> Iterator[Finding]:
    """Patterns for scanners and bags that tell them of no scan by its path."""
    paths = [scan.path for intake in intakes for scan in intake.found.scans]
    for kind, option, pattern, lost in (
        ("no scanner told", "--scanner-from", patterns.scanner, "evaluation shows no scanner apart by it"),
        ("no bag told", "--bag-from", patterns.bag, "views of one bag may be in two splits"),
    ):
        if pattern and not any(told(pattern, path) for path in paths):
            message = f"it matches no scan's path: {lost}"
            yield Finding(Severity.WARNING, kind, f"{option} {pattern.pattern}", message)


def over_all(placed: Sequence[Placed], classes: Sequence[str]) -> list[Finding]:
    """What only the scans of all sets together show."""
    raw = without_profile((f"{each.split}: {each.record.source}", each.record.facts) for each in placed)
    return [*_duplicates(placed), *_never_annotated(placed, classes), *_never_learned(placed), *raw]


def _never_annotated(placed: Sequence[Placed], classes: Sequence[str]) -> Iterator[Finding]:
    """Classes that were asked for and that no set has."""
    met = {name for each in placed for name in each.record.coverage.looked_for | each.record.coverage.partial}
    for name in classes:
        if name not in met:
            yield Finding(Severity.WARNING, "class never annotated", name, "none of the sets looked for it")


def _never_learned(placed: Sequence[Placed]) -> Iterator[Finding]:
    """Classes whose boxes teach nothing, as no training scan is clean of them."""
    train = [each.record for each in placed if each.split == TRAIN]
    looked_for = {name for record in train for name in record.coverage.looked_for}
    boxes = Counter(box.class_name for each in placed for box in each.record.boxes)
    faulty = _of_faulty_scans(train)
    for name in sorted(boxes.keys() - looked_for) if train else ():
        remedy = _CORRECT if name in faulty else _EXPLAIN
        message = (
            f"boxes: {boxes[name]:,}, but no training scan was looked through for it: `fit` leaves it out; {remedy}"
        )
        yield Finding(Severity.WARNING, "class not looked for in train", name, message)


def _of_faulty_scans(train: Sequence[Record]) -> set[str]:
    """Classes all of whose scans are clean of nothing, not even of a part: no taxonomy can say more of them."""
    faulty: set[str] = set()
    others: set[str] = set()
    for record in train:
        trusted = record.coverage.looked_for or record.coverage.part
        (others if trusted else faulty).update(box.class_name for box in record.boxes)
    return faulty - others


def _duplicates(placed: Sequence[Placed]) -> Iterator[Finding]:
    """Files that are in the folder more than once: they stay together, but each is learned and measured by itself."""
    alike: dict[str, list[str]] = defaultdict(list)
    for each in placed:
        alike[each.record.facts.sha256].append(each.record.target)
    again = [names for names in alike.values() if len(names) > 1]
    if again:
        count = sum(len(names) - 1 for names in again)
        message = f"{count:,} x: the same file as another scan, byte for byte; it counts as often as it is there"
        yield Finding(Severity.WARNING, "duplicate scan", ", ".join(again[0][:_NAMED]), message)


def kinds_of(findings: Sequence[Finding]) -> str:
    """How many of each kind, the most frequent first."""
    counts = Counter(finding.kind for finding in findings)
    return ", ".join(f"{count} x {kind}" for kind, count in counts.most_common()) or "the sets hold none"
