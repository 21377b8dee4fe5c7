"""roentgate: the station's command line. See `roentgate --help`."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.prompt import Prompt

from detector.batch import BatchOptions, run_batch
from detector.benchmark_cli import benchmark_command
from detector.cargo.cargo_cli import cargo_app
from detector.console import print_summary, progress_of
from detector.discovery import MAY_BE_SCANS, discover, in_shard
from detector.doctor import doctor_report
from detector.errors import (
    ProviderUnavailable,
    RoentgateError,
    ScanUnreadable,
    SettingsInvalid,
    WeightsRejected,
    named_by,
    system_remedy,
)
from detector.exit_codes import Exit
from detector.inspection import Decision
from detector.ledger import Ledger
from detector.ledger_file import LedgerUnusable
from detector.network import Provider
from detector.outputs import foreign_lines
from detector.outputs.published_files import altered
from detector.palette import Palette
from detector.pipeline import Detector
from detector.readers import SCAN_SUFFIXES
from detector.scan_options import (
    Batch,
    MinScore,
    OnProvider,
    Overlay,
    PolicyFile,
    Quiet,
    Report,
    Scanner,
    Shard,
    Threads,
    TileSide,
    Weights,
    named_path,
    policy_of,
)
from detector.scanner_cli import scanner_app
from detector.scanner_profile import load_profile
from detector.terminal import open_missing_streams, stderr, tell, visible
from detector.version_option import Version
from detector.watch_cli import watch_command
from detector.weights import load_weights, read_manifest, read_pinned
from detector.weights_choice import choose_by_sidecars, choose_weights

#: A ledger that does not hold is evidence: moving it away, as a scan that cannot go on is told to, would lose it.
_AUDIT_REMEDY = "keep the ledger as it is, and compare it with the last sha256 that was noted elsewhere"
#: Seconds within which a run that has given its files their names notes them.
_NOTED_AFTER = 1.0

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
weights_app = typer.Typer(no_args_is_help=True, help="Look at the weights that are shipped.")
app.add_typer(weights_app, name="weights")
app.add_typer(scanner_app, name="scanner")
app.add_typer(cargo_app, name="cargo")


app.command("watch")(watch_command)
app.command("benchmark")(benchmark_command)


@app.callback()
def _station(_version: Version = False) -> None:
    """Finds prohibited items in X-ray scans. Whatever cannot be judged is referred to a person, never cleared."""


@app.command()
def scan(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Files, folders, or - for a list on stdin.")],
    output: Annotated[
        Path,
        typer.Option(
            parser=named_path, metavar="<path>", help="Folder for results; a second run does only what is missing."
        ),
    ],
    weights: Weights = "",
    scanner: Scanner = None,
    policy: PolicyFile = None,
    min_score: MinScore = None,
    provider: OnProvider = Provider.AUTO,
    threads: Threads = 0,
    batch: Batch = 8,
    tile: TileSide = "auto",
    overlay: Overlay = True,
    report: Report = True,
    shard: Shard = "",
    fail_on_alarm: Annotated[bool, typer.Option("--fail-on-alarm", help="Exit with 5 if any scan alarms.")] = False,
    quiet: Quiet = False,
) -> None:
    """Inspects scans: one decision each, with boxes, reasons, pictures and a report."""
    rules = policy_of(policy, min_score)
    if "" in inputs:
        # A path would take it for the folder that one is in.
        raise SettingsInvalid("an INPUT is empty", remedy="name a file or a folder; is a variable of the script unset?")
    found = discover([Path(text) for text in inputs if text != "-"], _listed(inputs), output)
    _tell_left_out(found.left_out, quiet=quiet)
    sources = in_shard(found.sources, shard) if shard else list(found.sources)
    if not found.sources:
        raise SettingsInvalid(
            f"no scans found in {', '.join(inputs)}",
            remedy=f"name files or folders that hold {', '.join(sorted(SCAN_SUFFIXES))}",
        )
    profile = load_profile(scanner) if scanner else None
    ask = _ask if sys.stdin.isatty() else None
    given = weights or profile
    # Of all scans, whatever the shard: results of other weights would take the place of the other shards'.
    beside = [source.path for source in found.sources]
    chosen = choose_weights(weights, profile, ask) if given else choose_by_sidecars(beside, ask)
    detector = Detector(
        chosen, policy=rules, provider=provider, threads=threads, batch=batch, tile=tile, scanner=profile
    )
    options = BatchOptions(overlay, report)
    with _kept_when_stopped(output), named_by(output), progress_of(len(sources), quiet=quiet) as progress:
        summary = run_batch(detector, sources, output, options, progress)
    if not quiet:
        tell(f"weights {visible(detector.weights.label)}")
    print_summary(summary, detector.network, str(output / "report.html" if report else output), quiet=quiet)
    if fail_on_alarm and summary.decisions[Decision.ALARM]:
        raise typer.Exit(Exit.ALARM)
    if summary.decisions[Decision.REFER]:
        raise typer.Exit(Exit.REFERRED)


class _Stopped(BaseException):
    """SIGINT or SIGTERM; no `except Exception` on the way takes it for a scan's error."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def _kept_when_stopped(output: Path) -> Iterator[None]:
    """Ends at SIGINT or SIGTERM with a line that says what stays; the second of them ends the process as it does any
    other."""
    numbers = (signal.SIGINT, signal.SIGTERM)

    def heard(number: int, _frame: FrameType | None) -> None:
        for one in numbers:
            signal.signal(one, signal.SIG_DFL)
        raise _Stopped(number)

    before = [(number, signal.signal(number, heard)) for number in numbers]
    try:
        yield
    except _Stopped as stopped:
        tell(
            f"stopped: what was inspected is in {visible(str(output / 'ledger.sqlite'))}, the other files there are of "
            "an earlier run, if any\n  what to do: run the same again, it goes on where this stopped"
        )
        # As a shell tells of it.
        raise typer.Exit(128 + stopped.number) from None
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _ask(names: Sequence[str]) -> str:
    tell(f"Weights that know this scanner's pictures: {', '.join(names)}")
    return Prompt.ask("Which", choices=list(names), console=stderr)


def _tell_left_out(left_out: Counter[str], *, quiet: bool) -> None:
    # A scan that is in no result is an error, too.
    told = {suffix: count for suffix, count in left_out.items() if not quiet or suffix in MAY_BE_SCANS}
    if told:
        kinds = ", ".join(f"{count} {visible(suffix)}" for suffix, count in sorted(told.items()))
        tell(f"left out, being no scans: {kinds}")


def _listed(inputs: list[str]) -> Iterable[str]:
    """Paths of standard input: one a line, or parted by NUL as `find -print0` does; any bytes that a name may have."""
    if "-" not in inputs:
        return ()
    text = os.fsdecode(sys.stdin.buffer.read())
    # Not splitlines(), which parts a name at U+2028 and other signs, too.
    lines = text.split("\0") if "\0" in text else [line.removesuffix("\r") for line in text.split("\n")]
    return [line for line in lines if line]


@weights_app.command("list")
def weights_list() -> None:
    """Names, sizes and what was measured of each."""
    manifest = read_manifest()
    for name, entry in sorted(manifest.weights.items()):
        measured = ", ".join(f"{metric} {_measured(values)}" for metric, values in sorted(entry.metrics.items()))
        also = [other for other, meant in manifest.aliases.items() if meant == name]
        default = " (default)" if name == manifest.default else ""
        default += f", also called {', '.join(also)}" if also else ""
        typer.echo(f"{name}{default}: {entry.size / 1e6:.1f} MB, {measured}; {entry.terms}")


def _measured(values: dict[str, float]) -> str:
    """A manifest of before intervals were kept has none."""
    between = f" [{values['low']:.3f}, {values['high']:.3f}]" if {"low", "high"} <= values.keys() else ""
    return f"{values['value']:.3f}{between} (n {values['n']:.0f})"


@weights_app.command("show")
def weights_show(
    name: Annotated[str, typer.Argument(help="Name, or an .onnx file; empty for the default.")] = "",
) -> None:
    """All that a weights file says of itself, as JSON."""
    weights = load_weights(name)
    shown = weights.spec.model_dump(mode="json")
    if weights.spec.colours:
        # Four kilobytes of bits each tell a reader nothing.
        shown["colours"]["palettes"] = {
            scanner: [_shown_palette(palette.unpacked()) for palette in palettes]
            for scanner, palettes in weights.spec.colours.palettes.items()
        }
    typer.echo(json.dumps(shown, indent=2))


def _shown_palette(palette: Palette) -> str:
    return f"{palette.colours.sum()} colours, air at {palette.air[0]:.0f} to {palette.air[1]:.0f}"


@weights_app.command("verify")
def weights_verify() -> None:
    """Checks every shipped file against the manifest: size, sha256, and that a network of a station loads."""
    for name, entry in sorted(read_manifest().weights.items()):
        typer.echo(f"{load_weights(name).label}  ok")
        if entry.trainable:
            read_pinned(entry.trainable)
            typer.echo(f"{entry.trainable.file}@sha256:{entry.trainable.sha256}  ok")


@app.command()
def audit(folder: Annotated[Path, typer.Argument(help="Output folder of a scan.")]) -> None:
    """Finds results in the ledger that were edited, deleted or moved, and files beside it that are not as written."""
    path = folder / "ledger.sqlite"
    # Evaluations and benchmarks write a report.html as well, without any ledger.
    if not path.exists() and not (folder / "results.jsonl").is_file():
        raise SettingsInvalid(f"no ledger at {path}", remedy="give the --output folder of a scan")
    remedy = _AUDIT_REMEDY
    try:
        findings, state = _audited(path)
    except LedgerUnusable as error:
        findings, state = (visible(error.what),), "UNREADABLE"
        if error.remedy != LedgerUnusable.default_remedy:
            remedy = error.remedy
    for finding in findings:
        typer.echo(finding)
    typer.echo(state)
    if findings:
        tell(f"  what to do: {visible(remedy)}")
        raise typer.Exit(Exit.INTERNAL)


def _audited(path: Path) -> tuple[tuple[str, ...], str]:
    """What is wrong with a ledger and with the results.jsonl beside it, and how far the ledger goes."""
    if not path.exists():
        return (f"{visible(str(path))}: gone, and its results are still there",), "no entries: ALTERED"
    with Ledger.to_read(path) as ledger:
        findings, (rows, head) = ledger.verify(), ledger.head()
        findings += tuple(foreign_lines(path.with_name("results.jsonl"), ledger.ever_recorded()))
        findings += _altered_files(ledger, path.parent)
    return findings, f"{rows} entries, last sha256 {head}: {'ALTERED' if findings else 'intact'}"


def _altered_files(ledger: Ledger, folder: Path) -> tuple[str, ...]:
    """A finding for each output file that is not the one which was noted."""
    while shown := ledger.published():
        found = tuple(altered(folder, shown.files))
        if not found:
            break
        # A run notes its files a moment after it gave them their names, and must not look like somebody who edits.
        time.sleep(_NOTED_AFTER)
        if ledger.published() == shown and tuple(altered(folder, shown.files)) == found:
            return found
    return ()


@app.command()
def doctor(
    scanner: Annotated[Path | None, typer.Option(help="A scanner profile to check as well.")] = None,
) -> None:
    """Versions, execution providers, clashing OpenCV wheels, and the weights' digests."""
    lines, sound = doctor_report(scanner)
    for line in lines:
        typer.echo(line)
    if not sound:
        raise typer.Exit(Exit.INTERNAL)


def main() -> None:
    """Entry point: every error of ours, and a disk that cannot be used, is two lines on stderr, what is wrong
    and what to do, and an exit code."""
    open_missing_streams()
    try:
        app()
    except RoentgateError as error:
        _end(error)
    except OSError as error:
        tell(f"{visible(str(error))}\n  what to do: {system_remedy(error)}")
        sys.exit(Exit.INTERNAL)


def _end(error: RoentgateError) -> NoReturn:
    tell(f"{visible(error.reason())}\n  what to do: {visible(error.remedy)}", style="red")
    if isinstance(error, WeightsRejected):
        sys.exit(Exit.WEIGHTS)
    usage = isinstance(error, SettingsInvalid | ProviderUnavailable | ScanUnreadable)
    sys.exit(Exit.USAGE if usage else Exit.INTERNAL)
