"""Looks for what is wrong with a set in any layout: what its adapter found, and what its scans and counts show.

    checked = check_source(recognise(Path("OPIXray")), load_taxonomy())

One line a fault; nothing stops at the first, and no file that cannot be read stops the others.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from detector.errors import SettingsInvalid
from training.datasets.annotated_set import Published, SourceScan, SourceSet
from training.datasets.coco_index import read_coco
from training.datasets.findings import Finding, Severity, errors_first
from training.datasets.fingerprint import similar_pairs
from training.datasets.intake import source_name
from training.datasets.raw_levels import without_profile
from training.datasets.recognition import Recognised
from training.datasets.scan_faults import EDGE_TOLERANCE, clip, fault_of, place_of
from training.datasets.scan_journal import ScanFacts, examine_all
from training.datasets.splits import TRAIN, VAL, usual_split
from training.datasets.taxonomy import Taxonomy, map_labels, unknown_label
from training.files.progress import Progress, silently


@dataclass(frozen=True)
class PartCount:
    """What a split (or subset, as split/subset) holds, beside what its authors published; 0 or {} without that."""

    scans: int
    boxes: Mapping[str, int]
    published: Published


@dataclass(frozen=True)
class SourceCheck:
    """layout: key of ADAPTERS. counts: by part, as the adapter's `published` names them."""

    layout: str
    title: str
    terms: str
    counts: Mapping[str, PartCount]
    findings: tuple[Finding, ...]


def check_source(
    recognised: Recognised, taxonomy: Taxonomy, progress: Progress[Any] = silently, named: Path | None = None
) -> SourceCheck:
    """Reads every annotation and every scan. Raises SettingsInvalid only if there is nothing at all to read.

    named: the folder or archive as a person named it, by which `prepare` calls own scans; None for the set's root.
    """
    found = recognised.read()
    found = replace(found, source=source_name(recognised, found, named or recognised.root))
    counts = _counts(found, recognised.adapter.published)
    findings = [*found.findings, *_unlike_published(counts), *_unknown_labels(found, taxonomy), *_groups(found)]
    paths = (place_of(found.root, scan.path) for scan in found.scans)
    drawn = {place_of(found.root, scan.path) for scan in found.scans if scan.drawn}
    facts = list(progress("reading scans", examine_all(paths, drawn=drawn), len(found.scans)))
    for scan, seen in zip(found.scans, facts, strict=True):
        findings += _scan_faults(scan, seen)
    parts = [f"{part_of(scan) or 'no split'}: {scan.scanner or found.source}" for scan in found.scans]
    findings += without_profile(zip(parts, facts, strict=True))
    labels = {scan.path: f"{part_of(scan) or 'no split'}/{scan.path}" for scan in found.scans}
    places = [(scan.path, usual_split(scan.split)) for scan in found.scans]
    findings += duplicates([(labels[path], split) for path, split in places], facts)
    adapter = recognised.adapter
    return SourceCheck(recognised.name, adapter.title, adapter.terms, counts, tuple(errors_first(findings)))


def taken_by_fit(folder: Path) -> str:
    """One line: whether `fit` takes a COCO folder as it stands, or why not."""
    try:
        read_coco(folder, TRAIN)
        if (folder / "annotations" / f"{VAL}.json").is_file():
            read_coco(folder, VAL)
    except SettingsInvalid as error:
        return f"`fit` does not take it as it stands, `data prepare` does: {error.what}"
    return f"`fit --data {folder}` takes it as it stands"


def part_of(scan: SourceScan) -> str:
    """split, or split/subset."""
    return f"{scan.split}/{scan.subset}" if scan.subset else scan.split


def duplicates(places: Sequence[tuple[str, str]], facts: Sequence[ScanFacts]) -> Iterator[Finding]:
    """Scans that are the same file, or show the same. places: name and split of each; facts: of the same scans."""
    same: dict[str, list[int]] = defaultdict(list)
    for at, seen in enumerate(facts):
        if not seen.error:
            same[seen.sha256].append(at)
    for group in same.values():
        if len(group) > 1:
            yield _duplicate(places, group, "the same file, byte for byte", "duplicate scan", "leak between splits")
    first = [group[0] for group in same.values()]
    for one, other in similar_pairs([facts[at].fingerprint for at in first]):
        group = [first[one], first[other]]
        yield _duplicate(places, group, "they show the same", "near-duplicate scan", "near-duplicate leak")


def _duplicate(
    places: Sequence[tuple[str, str]], group: Sequence[int], message: str, within: str, across: str
) -> Finding:
    leak = len({places[at][1] for at in group}) > 1
    names = ", ".join(places[at][0] for at in group)
    # The same bytes in two splits are a fault; a picture that is merely like another is for a person to judge.
    severity = Severity.ERROR if leak and within == "duplicate scan" else Severity.WARNING
    return Finding(severity, across if leak else within, names, message)


def _counts(found: SourceSet, published: Mapping[str, Published]) -> dict[str, PartCount]:
    """By split; by split/subset too where the set has subsets; for the whole set under "" where that is published."""
    scans: Counter[str] = Counter()
    boxes: dict[str, Counter[str]] = defaultdict(Counter)
    for scan in found.scans:
        for name in _names_of_parts(scan, published):
            scans[name] += 1
            boxes[name].update(box.label for box in scan.boxes)
    names = sorted({*scans, *published})
    return {name: PartCount(scans[name], dict(boxes[name]), published.get(name, Published())) for name in names}


def _names_of_parts(scan: SourceScan, published: Mapping[str, Published]) -> set[str]:
    names = {scan.split, part_of(scan)}
    # Adapters name a part as its authors do: by split, by subset or scanner alone, or by both.
    return names | ({scan.subset, scan.scanner, ""} & published.keys())


def _unlike_published(counts: Mapping[str, PartCount]) -> Iterator[Finding]:
    for name, count in counts.items():
        subject = name or "the whole set"
        if count.published.scans and count.scans != count.published.scans:
            yield _unlike(subject, "scans", count.scans, count.published.scans)
        for label, expected in count.published.boxes.items():
            if (there := count.boxes.get(label, 0)) != expected:
                yield _unlike(f"{subject}: {label}", "boxes", there, expected)


def _unlike(subject: str, what: str, there: int, expected: int) -> Finding:
    more_or_less = f"{abs(there - expected):,} {'missing' if there < expected else 'extra'}"
    message = f"{there:,} {what}, {expected:,} published: {more_or_less}"
    return Finding(Severity.WARNING, "count unlike published", subject, message)


def _unknown_labels(found: SourceSet, taxonomy: Taxonomy) -> Iterator[Finding]:
    met = {box.label for scan in found.scans for box in scan.boxes}
    for label in map_labels(taxonomy, found.source, found.labels, sorted(met)).unknown:
        yield Finding(Severity.WARNING, "unknown label", label, unknown_label(taxonomy, found.source, label))
    for label in sorted(set(found.labels) - met):
        yield Finding(Severity.WARNING, "label without boxes", label, "looked for, but not one box")


def _groups(found: SourceSet) -> Iterator[Finding]:
    """Views of one bag in two splits."""
    splits: dict[str, set[str]] = defaultdict(set)
    for scan in found.scans:
        if scan.group:
            splits[scan.group].add(usual_split(scan.split))
    for group, inside in splits.items():
        if len(inside) > 1:
            message = f"what belongs together is in {', '.join(sorted(inside))}"
            yield Finding(Severity.WARNING, "group in two splits", group, message)


def _scan_faults(scan: SourceScan, seen: ScanFacts) -> Iterator[Finding]:
    subject = f"{part_of(scan) or 'no split'}: {scan.path}"
    if fault := fault_of(scan.path, seen, (scan.width or None, scan.height or None), bool(scan.boxes)):
        yield Finding(Severity.ERROR, fault.kind, subject, fault.message)
    else:
        yield from _box_faults(scan, seen, subject)


def _box_faults(scan: SourceScan, seen: ScanFacts, subject: str) -> Iterator[Finding]:
    for box in scan.boxes:
        inside, beyond = clip(box.box_xyxy, seen.width, seen.height)
        numbers = " ".join(f"{value:g}" for value in box.box_xyxy)
        if inside is None or beyond > EDGE_TOLERANCE:
            severity = Severity.ERROR if inside is None else Severity.WARNING
            message = f"{box.label} {numbers} passes the edge of {seen.width} x {seen.height} by {beyond:.1f} px"
            yield Finding(severity, "box outside scan", subject, message)
