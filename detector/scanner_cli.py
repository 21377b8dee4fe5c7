"""`roentgate scanner`: how a scanner's files are to be read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cv2
import typer

from detector.errors import RoentgateError
from detector.normalisation.standardise import StandardScan
from detector.readers import Limits, read_scan
from detector.readers.files import read_file
from detector.scanner_probe import probe
from detector.terminal import stderr

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
    scans = [read_scan(read_file(path, path.name, limits), path.name, limits) for path in files]
    guess = probe(scans, name)
    typer.echo(guess.toml, nl=False)
    for path, outcome in zip(files, guess.seen, strict=True):
        if isinstance(outcome, RoentgateError):
            stderr.print(f"{path.name}: the guess does not fit: {outcome.reason()}", markup=False, soft_wrap=True)
        elif output is not None:
            _write_picture(output, path, outcome)


def _write_picture(folder: Path, path: Path, seen: StandardScan) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(seen.images, start=1):
        target = folder / f"{path.name}.view{number}.png"
        target.write_bytes(cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes())
        stderr.print(f"wrote {target}", markup=False, soft_wrap=True)
