"""`roentgate-train freight-set | cargo-benchmark`: simulated containers to train on, and to be measured on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from detector.errors import SettingsInvalid
from detector.scanner_profile import load_profile

cargo_app = typer.Typer(no_args_is_help=True)
console = Console(highlight=False)

Workers = Annotated[int, typer.Option(min=1, help="Processes; the result is the same with any number.")]


@cargo_app.command("freight-set")
def freight_set_command(
    output: Annotated[Path, typer.Option(help="Data folder for `fit`; run again to finish it.")],
    scans: Annotated[int, typer.Option(min=1, help="Simulated scans to train on; some sixteen tiles each.")] = 1600,
    validation: Annotated[int, typer.Option(min=1, help="Whole scans to validate on.")] = 220,
    workers: Workers = 1,
    luggage: Annotated[
        Path | None, typer.Option(help="Prepared luggage scans whose guns and knives are hidden in the freight, too.")
    ] = None,
    search_with: Annotated[
        str, typer.Option(help="Weights, a name or a file, whose false alarms on these scans are shown in tiles, too.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
) -> None:
    """Simulates containers and vehicles with hidden threats, drawn as the station draws them, as a data set for fit."""
    from training.cargo.tile_set import FreightSet, write_freight_set
    from training.files.progress import with_progress

    wanted = FreightSet(scans, validation, seed, str(luggage) if luggage else "", search_with)
    for _ in with_progress("simulating", write_freight_set(output, wanted, workers), scans + validation):
        pass
    typer.echo(f"wrote {output}: tiles of {scans} scans to train on, {validation} scans to validate on")


@cargo_app.command("cargo-benchmark")
def cargo_benchmark_command(
    weights: Annotated[str, typer.Option(help="ONNX file, or the name of shipped weights.")],
    output: Annotated[Path, typer.Option(help="Folder for figures and report; run again to finish it.")],
    size: Annotated[
        str | None, typer.Option(help="small (24 scans), medium (600) or full (3,000).", show_default="full")
    ] = None,
    workers: Workers = 1,
    backgrounds: Annotated[
        Path | None,
        typer.Option(help="Folder of your own clean scans, to lay threats into, in place of simulated ones."),
    ] = None,
    scanner: Annotated[Path | None, typer.Option(help="Profile that says how the backgrounds are read.")] = None,
) -> None:
    """Pd at Pfa on simulated containers of another make than those trained on, by threat, size and what hides it."""
    from training.cargo.benchmark import benchmark, benchmark_on_backgrounds
    from training.cargo.benchmark_plan import SIZES
    from training.cargo.benchmark_report import markdown
    from training.files.progress import with_progress

    if size not in (None, *SIZES):
        raise SettingsInvalid(f"--size {size}: not a size", remedy=f"give one of: {', '.join(SIZES)}")
    if backgrounds is not None:
        if size or workers > 1:
            raise SettingsInvalid(
                "--size and --workers are of simulated scans", remedy="leave them out: all scans of --backgrounds count"
            )
        profile = load_profile(scanner) if scanner else None
        figures = benchmark_on_backgrounds(weights, backgrounds, profile, output, with_progress)
    else:
        figures = benchmark(weights, size or "full", output, workers, with_progress)
    console.print(Markdown(markdown(figures)))
    typer.echo(f"wrote {output / 'report.html'}")
