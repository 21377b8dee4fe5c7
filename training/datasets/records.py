"""From a source's scan and what its file was found to be, to what is written: classes, clipped boxes, coverage."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from training.datasets.annotated_set import Corners, SourceBox, SourceScan
from training.datasets.findings import Finding, Severity
from training.datasets.intake import Intake
from training.datasets.roentgate_layout import PreparedScan
from training.datasets.scan_faults import EDGE_TOLERANCE, clip, fault_of
from training.datasets.scan_journal import ScanFacts
from training.datasets.splits import part_of_test, usual_split
from training.datasets.taxonomy import Coverage, LabelMap

_SPLIT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True)
class RecordBox:
    """One item as it is written. box_xyxy: inside the scan, of positive area. source_label: as the source spells it."""

    class_name: str
    box_xyxy: Corners
    source_label: str
    ignore: bool = False
    polygons: tuple[tuple[float, ...], ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """One scan as it is written. target: below images/. prefix: of its intake. split: official, "" for none. bag: as
    its path tells it, "" where nobody asked or it does not. drawn: see SourceScan."""

    target: str
    origin: Path
    facts: ScanFacts
    prefix: str
    source: str
    split: str
    group: str
    subset: str
    scanner: str
    boxes: tuple[RecordBox, ...]
    coverage: Coverage
    bag: str = ""
    drawn: bool = False

    @property
    def says_nothing(self) -> bool:
        """Whether neither a box nor its absence means anything for the classes that are wanted."""
        return not self.boxes and not self.coverage.looked_for

    @property
    def strata(self) -> tuple[str, ...]:
        """What splits shall be alike in."""
        return tuple(sorted({box.class_name for box in self.boxes})) or ("clean",)


@dataclass(frozen=True)
class PathPatterns:
    """What a scan's path tells: the first group of a pattern, or all that it matches. None: nobody asked."""

    scanner: re.Pattern[str] | None = None
    bag: re.Pattern[str] | None = None


def with_whole_classes(records: Sequence[Record], findings: list[Finding]) -> list[Record]:
    """`records`, each class of which one part alone is marked, by one source or by several, being that part here.

    Otherwise no scan would be clean of it: nothing would teach a network where it is not, and nothing could be
    measured. Two sources that mark different parts do not make a whole.
    """
    whole = {name for record in records for name in record.coverage.looked_for}
    marked: dict[str, dict[str, frozenset[str]]] = {}
    for record in records:
        for name in record.coverage.partial - whole:
            parts = marked.setdefault(name, {})
            parts[record.source] = parts.get(record.source, frozenset()) | record.coverage.part.get(name, frozenset())
    alike = {name: sorted(parts) for name, parts in marked.items() if _is_one_part(list(parts.values()))}
    for name, sources in sorted(alike.items()):
        labels = {box.source_label for record in records for box in record.boxes if box.class_name == name}
        message = (
            f"{' and '.join(sources)} {'mark' if len(sources) > 1 else 'marks'} only "
            f"{', '.join(sorted(labels)) or 'a part'}, and no other set the rest: taken as all"
        )
        findings.append(Finding(Severity.WARNING, "class marked in part", name, message))
    return [replace(record, coverage=record.coverage.with_whole(alike.keys())) for record in records]


def _is_one_part(marked: Sequence[frozenset[str]]) -> bool:
    """Whether all sources mark the same of a class. marked: what each does, by name; "" may be any part."""
    return bool(marked[0]) and (len(marked) == 1 or (len(set(marked)) == 1 and "" not in marked[0]))


def informative(records: Sequence[Record], findings: list[Finding]) -> list[Record]:
    """The records that say something of the wanted classes; one finding for each set counts the others."""
    silent = Counter(record.prefix for record in records if record.says_nothing)
    for prefix, count in sorted(silent.items()):
        message = "none of the classes was looked for in them and they hold no box; left out"
        findings.append(Finding(Severity.WARNING, "scans without annotation", f"{prefix}: {count} scans", message))
    return [record for record in records if not record.says_nothing]


class RecordMaker:
    """Makes the records of one intake and collects what is wrong with its scans."""

    def __init__(self, intake: Intake, labels: LabelMap, patterns: PathPatterns) -> None:
        self.intake, self._labels, self._patterns = intake, labels, patterns
        self.findings: list[Finding] = []

    def make(self, scan: SourceScan, facts: ScanFacts) -> Record | None:
        """None, and a finding, for a scan that must be left out: unusable, or of another size than its boxes are."""
        if fault := fault_of(scan.path, facts, (scan.width or None, scan.height or None), bool(scan.boxes)):
            self._note(Severity.ERROR, fault.kind, scan.path, f"{fault.message}; left out")
            return None
        boxes, unboxed = self._boxes(scan, facts)
        labels = {box.label for box in scan.boxes}
        source = self.intake.source_of(scan)
        coverage = self._labels.coverage(scan.looked_for, scan.present | unboxed, labels)
        if isinstance(scan, PreparedScan):
            coverage = self._with_parts(coverage, scan)
        return Record(
            target=self.intake.target_of(scan),
            origin=self.intake.found.root / scan.path,
            facts=facts,
            prefix=self.intake.prefix,
            source=source,
            split=self._split(scan),
            group=scan.group or scan.path,
            subset=scan.subset or part_of_test(scan.split),
            scanner=_of_source(source, scan.scanner or told(self._patterns.scanner, scan.path)),
            boxes=boxes,
            coverage=coverage,
            bag=told(self._patterns.bag, scan.path),
            drawn=scan.drawn,
        )

    def _with_parts(self, coverage: Coverage, scan: PreparedScan) -> Coverage:
        """With what an earlier preparation knew to be marked in part."""
        partial = {self._labels.class_of(label) for label in scan.partial} - {""} - coverage.looked_for
        part = dict(coverage.part)
        for label, names in scan.part.items():
            if (name := self._labels.class_of(label)) in partial:
                part[name] = part.get(name, frozenset()) | names
        return replace(coverage, partial=coverage.partial | partial, part=part)

    def _boxes(self, scan: SourceScan, facts: ScanFacts) -> tuple[tuple[RecordBox, ...], frozenset[str]]:
        """Boxes of the classes that are wanted, and labels of boxes that lie outside: the item may be there."""
        kept: list[RecordBox] = []
        unboxed: set[str] = set()
        for box in scan.boxes:
            clipped, beyond = clip(box.box_xyxy, facts.width, facts.height)
            subject = f"{scan.path}: {box.label}"
            if clipped is None:
                message = f"{_numbers(box.box_xyxy)} has no area in {facts.width} x {facts.height}; left out"
                self._note(Severity.ERROR, "box outside scan", subject, message)
                unboxed.add(box.label)
                continue
            if beyond > EDGE_TOLERANCE:
                message = f"{_numbers(box.box_xyxy)} passes the edge by {beyond:.1f} px; cut at the edge"
                self._note(Severity.WARNING, "box cut at edge", subject, message)
            if name := self._labels.class_of(box.label):
                kept.append(_record_box(name, box, clipped))
        return tuple(kept), frozenset(unboxed)

    def _split(self, scan: SourceScan) -> str:
        split = usual_split(scan.split)
        if split and not _SPLIT_NAME.fullmatch(split):
            self._note(Severity.WARNING, "odd split name", scan.path, f"{split!r} cannot name a file; taken as none")
            return ""
        return split

    def _note(self, severity: Severity, kind: str, subject: str, message: str) -> None:
        self.findings.append(Finding(severity, kind, f"{self.intake.prefix}/{subject}", message))


def _record_box(name: str, box: SourceBox, clipped: Corners) -> RecordBox:
    attributes = {key: value for key, value in box.attributes.items() if key != "source_label"}
    # A prepared folder keeps what the first source called it.
    label = box.attributes.get("source_label", box.label)
    return RecordBox(name, clipped, label, box.ignore, box.polygons, attributes)


def told(pattern: re.Pattern[str] | None, path: str) -> str:
    """What a scan's path tells by a pattern; "" where it does not match, or nobody asked."""
    found = pattern.search(path) if pattern else None
    return (found[1] or "" if found.re.groups else found[0]) if found else ""


def _of_source(source: str, scanner: str) -> str:
    """source/scanner: the first scanner of one set is not that of another."""
    return scanner if not scanner or scanner.startswith(f"{source}/") else f"{source}/{scanner}"


def _numbers(box: Corners) -> str:
    return " ".join(f"{value:g}" for value in box)
