"""`roentgate scanner`: how a scanner's files are to be read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detector.discovery import ScanSource, named_apart
from detector.errors import RoentgateError
from detector.normalisation.standardise import StandardScan
from detector.outputs.picture_file import write_picture
from detector.readers import Limits, read_scan
from detector.readers.files import read_file
from detector.scan_names import overlay_name, storable_text
from detector.scanner_probe import probe
from detector.terminal import tell, visible

scanner_app = typer.Typer(no_args_is_help=True, help="Find out how a scanner's files are to be read.")


@scanner_app.callback()
def _scanner() -> None:
    """Find out how a scanner's files are to be read."""


@scanner_app.command("probe")
def scanner_probe(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Scans of one scanner, raw.")],
    output: Annotated[Path | None, typer.Option(help="Folder for the pictures that the guess gives.")] = None,
    name: Annotated[str, typer.Option(help="What the profile calls the scanner.")] = "unnamed scanner",
) -> None:
    """Guesses a scanner's profile from its scans: TOML on standard output, to save and correct."""
    limits = Limits()
    sources = named_apart(ScanSource(path.name or str(path), path) for path in files)
    scans = [read_scan(read_file(source.path, source.name, limits), source.name, limits) for source in sources]
    guess = probe(scans, visible(storable_text(name)))
    typer.echo(guess.toml, nl=False)
    for source, outcome in zip(sources, guess.seen, strict=True):
        if isinstance(outcome, RoentgateError):
            tell(visible(f"{source.name}: the guess does not fit: {outcome.reason()}"))
        elif output is not None:
            _write_pictures(output, source.name, outcome)


def _write_pictures(folder: Path, name: str, seen: StandardScan) -> None:
    for number, image in enumerate(seen.images, start=1):
        write_picture(image, folder / overlay_name(name, f".view{number}.png"))
