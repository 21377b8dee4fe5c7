"""`roentgate-train data ...`: from public sets and own scans, in any layout, to a folder that `fit` reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from detector.errors import RoentgateError, SettingsInvalid
from training.files.progress import with_progress

if TYPE_CHECKING:
    from training.datasets.check_source import SourceCheck
    from training.datasets.findings import Finding
    from training.datasets.prepare import Prepared
    from training.datasets.taxonomy import Taxonomy

data_app = typer.Typer(no_args_is_help=True, help="Check, prepare and look at annotated scans.")

#: Columns of a table in a pipe, a log or a file, where nothing has to fit a screen.
_WIDE = 1000
#: Findings of one kind that are printed.
_SHOWN = 5

PreparedFolder = Annotated[Path, typer.Argument(help="Folder that `data prepare` wrote.")]


class LinkChoice(StrEnum):
    """How a scan gets from its set into the prepared folder."""

    HARD = "hard"
    COPY = "copy"


class FormatChoice(StrEnum):
    """Formats that other tools read."""

    COCO = "coco"
    YOLO = "yolo"
    VOC = "voc"
    LABELME = "labelme"
    LABEL_STUDIO = "label-studio"


@data_app.command("check")
def data_check(
    paths: Annotated[list[Path], typer.Argument(help="Folders or archives, in any layout that is read.")],
    taxonomy: Annotated[Path | None, typer.Option(help="Your own classes and labels, in TOML.")] = None,
) -> None:
    """Recognises the layout, reads every scan, counts against what was published, and says all that is wrong."""
    from training.datasets.check import summarise
    from training.datasets.findings import Severity
    from training.datasets.taxonomy import load_taxonomy

    known, faulty = load_taxonomy(taxonomy), False
    for path in paths:
        if len(paths) > 1:
            typer.echo(f"{path}:")
        findings = _check_or_say_why_not(path, known)
        for finding in findings:
            typer.echo(_line(finding))
        typer.echo(summarise(findings))
        faulty |= any(finding.severity is Severity.ERROR for finding in findings)
    if faulty:
        raise typer.Exit(1)


def _check_or_say_why_not(path: Path, taxonomy: Taxonomy) -> Sequence[Finding]:
    """What cannot be checked at all is one finding, before those that say why: it keeps nobody from the next path."""
    from training.datasets.findings import Finding, NothingToRead, Severity

    others: Sequence[Finding] = ()
    try:
        return _check(path, taxonomy)
    except RoentgateError as error:
        message = f"{error.what}; what to do: {error.remedy}"
        others = error.findings if isinstance(error, NothingToRead) else ()
    except OSError as error:
        message = f"{error.filename or path}: {error.strerror or error}"
    # The line begins with the path.
    message = message.removeprefix(f"{path}: ")
    return [Finding(Severity.ERROR, "not checked", str(path), message), *others]


def _check(path: Path, taxonomy: Taxonomy, archive: Path | None = None) -> Sequence[Finding]:
    """archive: the one that was unpacked as `path`."""
    from training.datasets.archives import is_archive, unpack
    from training.datasets.check import check
    from training.datasets.check_source import check_source, taken_by_fit
    from training.datasets.recognition import is_prepared, recognise

    if is_archive(path):
        with TemporaryDirectory(prefix="roentgate-") as folder:
            unpack(path, Path(folder) / "set")
            return _check(Path(folder) / "set", taxonomy, path)
    if is_prepared(path):
        return check(path)
    recognised = recognise(path)
    checked = check_source(recognised, taxonomy, with_progress, archive or path)
    _print_counts(checked)
    if recognised.name == "coco" and archive is None:
        typer.echo(taken_by_fit(recognised.root))
    return checked.findings


@data_app.command("prepare")
def data_prepare(
    paths: Annotated[list[Path], typer.Argument(help="Folders or archives, in any layout that is read.")],
    output: Annotated[Path, typer.Option(help="Folder to make, or to finish.")],
    classes: Annotated[str, typer.Option(metavar="A,B,...", help="Classes and their order; all if left out.")] = "",
    taxonomy: Annotated[Path | None, typer.Option(help="Your own classes and labels, in TOML.")] = None,
    val_share: Annotated[
        float, typer.Option(min=0, max=0.45, help="Share of a set's scans for a split that it has not.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Of the cut into splits.")] = 0,
    link: Annotated[
        LinkChoice, typer.Option(help="Hard links take no room; copies outlive their set.")
    ] = LinkChoice.HARD,
    scanner_from: Annotated[
        str, typer.Option(metavar="REGEX", help="Its first group, in a scan's path, names the scanner.")
    ] = "",
    bag_from: Annotated[
        str,
        typer.Option(metavar="REGEX", help="Its first group, in a scan's path, names the bag: views stay together."),
    ] = "",
    skip_unknown_labels: Annotated[
        bool, typer.Option("--skip-unknown-labels", help="Leave out boxes whose label the taxonomy does not know.")
    ] = False,
) -> None:
    """One or several sets -> one folder for `fit`: one taxonomy, splits without leaks. Run it again to finish it."""
    from training.datasets.prepare import PrepareOptions, prepare

    names = tuple(classes.split(",")) if classes else ()
    options = PrepareOptions(names, taxonomy, val_share, seed, link.value, scanner_from, skip_unknown_labels, bag_from)
    _print_prepared(prepare(paths, output, options, with_progress), "add scans, or raise --val-share")


@data_app.command("merge")
def data_merge(
    folders: Annotated[list[Path], typer.Argument(help="Folders that `data prepare` wrote.")],
    output: Annotated[Path, typer.Option(help="Folder to make, or to finish.")],
    link: Annotated[
        LinkChoice, typer.Option(help="Hard links take no room; copies outlive their set.")
    ] = LinkChoice.HARD,
) -> None:
    """Several prepared folders -> one; classes by name, splits as they are."""
    from training.datasets.merge import merge

    _print_prepared(merge(folders, output, link.value, with_progress), "name a folder besides whose val holds boxes")


@data_app.command("export")
def data_export(
    data: Annotated[Path, typer.Argument(help="Folder in any layout that is read.")],
    output: Annotated[Path, typer.Option(help="New folder.")],
    format_name: Annotated[FormatChoice, typer.Option("--format", help="What other tools read.")],
    classes: Annotated[
        str, typer.Option(metavar="A,B,...", help="These alone, and only scans that were looked through for all.")
    ] = "",
) -> None:
    """Writes the scans and boxes in a format that other tools read."""
    from training.datasets.check import summarise
    from training.datasets.export_set import export_set

    written = export_set(data, format_name.value, output, tuple(classes.split(",")) if classes else ())
    if written.findings:
        _print_findings(written.findings, f"; `roentgate-train data check {data}` lists them")
        typer.echo(f"{data}: {summarise(written.findings)}")
    left_out = f"; {written.left_out} were not looked through for these classes" if written.left_out else ""
    typer.echo(f"wrote {written.scans} scans to {output}{left_out}")


@data_app.command("stats")
def data_stats(data: PreparedFolder) -> None:
    """Scans, boxes, sizes and what was looked for, by class and by source."""
    from training.datasets.statistics import statistics, statistics_tables

    for table in statistics_tables(statistics(data)):
        _print_table(table)


@data_app.command("colours")
def data_colours(data: PreparedFolder) -> None:
    """How surely a scanner would be told by its colours if the weights had not seen it: each left out in turn."""
    from training.datasets.coco_index import read_coco
    from training.shipping.known_colours import colours_table, colours_told

    train = read_coco(data, "train")
    told = colours_told(train, read_coco(data, "val", train.class_names))
    if not told:
        raise SettingsInvalid(
            f"{data}: scans of one scanner alone", remedy="give a folder with 100 scans each of two scanners at least"
        )
    _print_table(colours_table(told))


@data_app.command("preview")
def data_preview(
    data: PreparedFolder,
    output: Annotated[Path, typer.Option(help="PNG file to write.")],
    split: Annotated[str, typer.Option(help="Name of the split.")] = "train",
    scans: Annotated[int, typer.Option(min=1, help="How many scans.")] = 24,
    seed: Annotated[int, typer.Option(help="Which scans.")] = 0,
    augmentations: Annotated[
        bool, typer.Option("--augmentations", help="One scan instead, with each augmentation alone.")
    ] = False,
) -> None:
    """A contact sheet of scans with their boxes."""
    if augmentations:
        from training.samples.augmentation_preview import preview_augmentations

        preview_augmentations(data, split, output, seed)
    else:
        from training.datasets.preview import preview

        preview(data, split, output, count=scans, seed=seed)
    typer.echo(f"wrote {output}")


def _print_table(table: Table) -> None:
    """Cut to the width of a terminal alone."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDE
    console.print(table)


def _line(finding: Finding) -> str:
    return f"{finding.severity.value}: {finding.kind}: {finding.subject}: {finding.message}"


def _print_counts(checked: SourceCheck) -> None:
    typer.echo(f"{checked.title} ({checked.layout}); terms: {checked.terms}")
    for name, count in checked.counts.items():
        published = f" of {count.published.scans:,} published" if count.published.scans else ""
        boxes = ", ".join(f"{label} {number:,}" for label, number in sorted(count.boxes.items()))
        typer.echo(f"  {name or 'no split'}: {count.scans:,} scans{published}; boxes: {boxes or 'none'}")


def _print_findings(findings: Sequence[Finding], where: str) -> None:
    """A few of each kind, and how many more there are. where: these can be read, the end of a sentence."""
    shown: Counter[str] = Counter()
    for finding in findings:
        shown[finding.kind] += 1
        if shown[finding.kind] <= _SHOWN:
            typer.echo(_line(finding))
    for kind, count in shown.items():
        if count > _SHOWN:
            typer.echo(f"{kind}: {count - _SHOWN} more{where}")


def _print_prepared(prepared: Prepared, remedy: str) -> None:
    """A few findings of each kind, then what there is. remedy: against a val without boxes."""
    _print_findings(prepared.findings, f" in {prepared.folder / 'findings.jsonl'}")
    for split, counts in prepared.counts.items():
        boxes = ", ".join(f"{name} {each['boxes']:,}" for name, each in counts["classes"].items() if each["boxes"])
        typer.echo(f"{split}: {counts['scans']:,} scans; boxes: {boxes or 'none'}")
    validation = prepared.counts.get("val", {"classes": {}})["classes"].values()
    if not any(each["boxes"] for each in validation):
        typer.echo(f"val holds no box to choose a checkpoint or alarm scores by: {remedy}")
    done = f"{prepared.examined:,} scans read, {prepared.placed:,} put in place, {prepared.left_out:,} left out"
    typer.echo(f"{prepared.folder}: {done}")
