"""One or several sets, in any layout, on one taxonomy, in splits without leaks, as one folder that `fit` reads.

    prepared = prepare([Path("opixray"), Path("PIDray.zip")], Path("data"), PrepareOptions())

A run that was stopped anywhere does only what is missing when it is started again, and gives the same bytes as one that
was not: what files hold is kept in a journal, scans in place are proved by their digests, and everything else is made
from these. The order in which file systems list files changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from detector.errors import SettingsInvalid
from training.datasets.adapters import ADAPTERS
from training.datasets.annotated_set import Adapter
from training.datasets.findings import Finding, Severity, errors_first, scans_left_out
from training.datasets.fingerprint import similar_pairs
from training.datasets.intake import Intake, check_distinct, take_in
from training.datasets.prepare_claim import claim_output
from training.datasets.prepare_findings import kinds_of, nothing_told, of_no_set, over_all
from training.datasets.prepared_folder import (
    FINDINGS,
    Link,
    Placed,
    StatedTerms,
    counts_of,
    place,
    write_annotations,
    write_findings,
    write_manifest,
)
from training.datasets.prepared_marks import MANIFEST, WORKPLACE
from training.datasets.records import PathPatterns, Record, RecordMaker, informative, with_whole_classes
from training.datasets.scan_faults import place_of
from training.datasets.scan_journal import ScanJournal
from training.datasets.splits import TEST, TRAIN, VAL, Candidate, SplitPlan, leaks, plan_splits
from training.datasets.taxonomy import (
    LabelMap,
    Taxonomy,
    chosen_classes,
    load_taxonomy,
    map_labels,
    unknown_label,
)
from training.datasets.terms import joined_terms
from training.files.progress import Progress, silently


@dataclass(frozen=True)
class PrepareOptions:
    """classes: those that are wanted, in the order of their ids; empty for all that turn up. taxonomy: the user's own
    file. share: of a set's scans that go to a split that it has not. scanner_from: a pattern whose first group, in a
    scan's path, names its scanner. skip_unknown: leave out boxes whose label the taxonomy does not know. bag_from: as
    scanner_from, for its bag: scans of one set and one bag go to one split."""

    classes: tuple[str, ...] = ()
    taxonomy: Path | None = None
    share: float = 0.1
    seed: int = 0
    link: Link = "hard"
    scanner_from: str = ""
    skip_unknown: bool = False
    bag_from: str = ""


@dataclass(frozen=True)
class Prepared:
    """counts: by split. placed: files that this run put in place. examined: scans that it had to read. left_out: scans
    that are in no split, and annotations whose scan is not there, for the findings' reasons, each scan once."""

    folder: Path
    counts: dict[str, Any]
    placed: int
    examined: int
    left_out: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Preparation:
    """One run: where to, how, on which taxonomy, who is told of it, and the layouts that are known."""

    output: Path
    options: PrepareOptions
    taxonomy: Taxonomy
    progress: Progress[Any] = silently
    adapters: Mapping[str, Adapter] = field(default_factory=lambda: ADAPTERS)


def prepare(
    paths: Sequence[Path],
    output: Path,
    options: PrepareOptions,
    progress: Progress[Any] = silently,
    adapters: Mapping[str, Adapter] = ADAPTERS,
) -> Prepared:
    """Makes `output`, or does what an earlier run left undone.

    Raises SettingsInvalid for options or paths that cannot be taken, labels that the taxonomy does not know, an output
    that holds something else, and a disk that is full; what was done until then is kept.
    """
    taxonomy = load_taxonomy(options.taxonomy)
    chosen = chosen_classes(taxonomy, options.classes) if options.classes else ()
    return run(Preparation(output, replace(options, classes=chosen), taxonomy, progress, adapters), paths)


def run(preparation: Preparation, paths: Sequence[Path]) -> Prepared:
    """As `prepare`, with a taxonomy that is loaded already."""
    check_distinct(paths)
    output, options = preparation.output, preparation.options
    patterns = PathPatterns(_pattern("--scanner-from", options.scanner_from), _pattern("--bag-from", options.bag_from))
    try:
        claim_output(output, paths, asdict(options), preparation.taxonomy)
        workplace = output / WORKPLACE
        intakes = take_in(paths, workplace / "unpacked", preparation.adapters)
        findings = [_prefixed(finding, intake) for intake in intakes for finding in intake.found.findings]
        findings += of_no_set(options.taxonomy, intakes)
        maps = _map_all(intakes, preparation.taxonomy, options, findings)
        makers = [RecordMaker(intake, mapped, patterns) for intake, mapped in zip(intakes, maps, strict=True)]
        with ScanJournal(workplace / "scans.jsonl") as journal:
            made = [record for maker in makers for record in _records(maker, journal, preparation.progress)]
        records = informative(with_whole_classes(made, findings), findings)
        findings += [finding for maker in makers for finding in maker.findings]
        findings += nothing_told(intakes, patterns)
        records = sorted(_distinct(records, findings), key=lambda record: record.target)
        gathered = _Gathered(intakes, records, findings, journal.examined)
        return _write(preparation, gathered, _plan(records, options))
    except OSError as error:
        subject = error.filename or output
        remedy = "put that right, free space if the disk is full, and run it again: what is done is kept"
        raise SettingsInvalid(f"{subject}: {error.strerror or error}", remedy=remedy) from error


@dataclass(frozen=True)
class _Gathered:
    """What the sets hold. examined: scans that this run had to read."""

    intakes: list[Intake]
    records: list[Record]
    findings: list[Finding]
    examined: int


def _pattern(option: str, text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text else None
    except re.error as error:
        raise SettingsInvalid(f"{option} {text!r} is no regular expression: {error}") from None


def _prefixed(finding: Finding, intake: Intake) -> Finding:
    return replace(finding, subject=f"{intake.prefix}/{finding.subject}")


def _map_all(
    intakes: Sequence[Intake], taxonomy: Taxonomy, options: PrepareOptions, findings: list[Finding]
) -> list[LabelMap]:
    """Label maps of all intakes; every unknown label is named at once, not the first alone."""
    maps, unknown = [], []
    for intake in intakes:
        found = intake.found
        met = sorted({box.label for scan in found.scans for box in scan.boxes} | _unboxed(intake))
        mapped = map_labels(taxonomy, found.source, found.labels, met, options.classes)
        maps.append(mapped)
        unknown += [(intake, label, unknown_label(taxonomy, found.source, label)) for label in mapped.unknown]
    if unknown and not options.skip_unknown:
        raise SettingsInvalid(
            "; ".join(line for _, _, line in unknown),
            remedy="name their classes in a TOML file of your own ([labels]) and give it by --taxonomy, "
            "or leave them out by --skip-unknown-labels",
        )
    findings += [Finding(Severity.WARNING, "unknown label", f"{i.prefix}: {label}", line) for i, label, line in unknown]
    return maps


def _unboxed(intake: Intake) -> set[str]:
    return {label for scan in intake.found.scans for label in scan.present}


def _records(maker: RecordMaker, journal: ScanJournal, progress: Progress[Any]) -> list[Record]:
    """Those of one set whose scans are there and fit their boxes."""
    found = maker.intake.found
    paths = (place_of(found.root, scan.path) for scan in found.scans)
    drawn = {place_of(found.root, scan.path) for scan in found.scans if scan.drawn}
    facts = progress(f"reading {maker.intake.prefix}", journal.examine(paths, drawn), len(found.scans))
    made = [maker.make(scan, seen) for scan, (_, seen) in zip(found.scans, facts, strict=True)]
    return [record for record in made if record is not None]


def _distinct(records: Iterable[Record], findings: list[Finding]) -> Iterator[Record]:
    """Each file of a set once: an adapter that gives one twice would overwrite its boxes. One that is in a list of all
    scans and in a split's own is of that split, and a test scan stays one."""
    seen: set[tuple[str, Path]] = set()
    for record in sorted(records, key=_turn):
        if (record.prefix, record.origin) in seen:
            message = f"annotated twice; that of {record.split or 'no split'} does not count"
            findings.append(Finding(Severity.ERROR, "repeated scan", record.target, message))
        else:
            seen.add((record.prefix, record.origin))
            yield record


def _turn(record: Record) -> int:
    return next((at for at, split in enumerate((TEST, VAL, TRAIN)) if record.split == split), 3 + (not record.split))


def _plan(records: Sequence[Record], options: PrepareOptions) -> SplitPlan:
    candidates = [
        Candidate(each.target, each.prefix, each.split, each.group, each.strata, each.source) for each in records
    ]
    same: dict[object, int] = {}
    together = [(same.setdefault(record.facts.sha256, at), at) for at, record in enumerate(records)]
    together += [(same.setdefault((each.prefix, each.bag), at), at) for at, each in enumerate(records) if each.bag]
    pairs = [pair for pair in together if pair[0] != pair[1]]
    pairs += similar_pairs([record.facts.fingerprint for record in records])
    return plan_splits(candidates, pairs, share=options.share, seed=options.seed)


def _write(preparation: Preparation, gathered: _Gathered, plan: SplitPlan) -> Prepared:
    output, options, taxonomy = preparation.output, preparation.options, preparation.taxonomy
    intakes, findings = gathered.intakes, gathered.findings
    rows = zip(gathered.records, plan.splits, plan.clusters, strict=True)
    placed = [Placed(record, split, cluster) for record, split, cluster in rows if split]
    total = sum(len(intake.found.scans) for intake in intakes)
    if not placed:
        raise SettingsInvalid(
            f"no scan is left of {total}: {kinds_of(findings)}", remedy="run `roentgate-train data check` on the paths"
        )
    classes = options.classes or _classes_met(placed, taxonomy)
    stated = joined_terms(intake.terms for intake in intakes)
    donors = {source for intake in intakes for source in intake.donors}
    _remove_strays(output, placed)
    in_turn = preparation.progress("placing scans", placed, len(placed))
    moved = sum(place(each.record, output / "images", options.link) for each in in_turn)
    ordered = errors_first([*findings, *plan.findings, *over_all(placed, classes)])
    digests = {f"images/{each.record.target}": each.record.facts.sha256 for each in placed}
    digests |= write_annotations(output, placed, classes, StatedTerms(stated, donors))
    write_findings(output, ordered)
    counts = counts_of(placed, classes)
    left_out = total - len(placed) + sum(scans_left_out(intake.found.findings) for intake in intakes)
    said = _said(intakes, options, classes) | {"clusters_in_two_splits": len(leaks(plan.splits, plan.clusters))}
    write_manifest(output, said | {"left_out": left_out, "counts": counts, "files": dict(sorted(digests.items()))})
    return Prepared(output, counts, moved, gathered.examined, left_out, tuple(ordered))


def _classes_met(placed: Sequence[Placed], taxonomy: Taxonomy) -> tuple[str, ...]:
    """Classes that have a box or were looked for somewhere, in the taxonomy's order."""
    met = {name for each in placed for name in each.record.coverage.looked_for}
    met |= {box.class_name for each in placed for box in each.record.boxes}
    return tuple(name for name in taxonomy.classes if name in met)


def _remove_strays(output: Path, placed: Sequence[Placed]) -> None:
    """What an earlier run of this preparation put in place and the sources no longer give. A manifest says that a
    folder is complete, so the old one goes first."""
    (output / MANIFEST).unlink(missing_ok=True)
    wanted = {each.record.target for each in placed}
    wanted |= {f"{each.record.target}.toml" for each in placed if each.record.facts.profile}
    images = output / "images"
    for path in sorted(images.rglob("*")):
        if path.is_file() and path.relative_to(images).as_posix() not in wanted:
            path.unlink()


def _said(intakes: Sequence[Intake], options: PrepareOptions, classes: Sequence[str]) -> dict[str, Any]:
    """What the manifest says of how the folder was made; nothing that differs from machine to machine."""
    chosen = {key: value for key, value in asdict(options).items() if key not in ("classes", "taxonomy")}
    sets = {
        intake.prefix: {
            "layout": intake.adapter_name,
            "title": intake.title,
            "terms": dict(sorted(intake.terms.items())),
            "scans": len(intake.found.scans),
            "labels": list(intake.found.labels),
        }
        for intake in intakes
    }
    return {"classes": list(classes), "options": chosen, "sets": sets, "findings": FINDINGS}
