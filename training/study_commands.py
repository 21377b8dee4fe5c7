"""`roentgate-train compare | ablate | transfer`: which network, which setting, and what is left on another scanner."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detector.errors import SettingsInvalid

study_app = typer.Typer(no_args_is_help=True)

Data = Annotated[Path, typer.Option(help="Folder that `data prepare` wrote.")]
Output = Annotated[Path, typer.Option(help="Folder for runs and tables; run again to finish it.")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe, for all runs.")
]


@study_app.command("compare")
def compare_command(
    models: Annotated[list[str], typer.Argument(help="Names of networks.")],
    data: Data,
    output: Output,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps for each.")] = 1000,
    batch: Annotated[int, typer.Option(min=1, help="Scans a step.")] = 8,
    input_size: Annotated[int, typer.Option(min=0, help="Side in pixels; 0 takes each network's own.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    starts: Annotated[
        list[str] | None, typer.Option("--start", metavar="MODEL=WEIGHTS", help="Pretrained weights; repeat it.")
    ] = None,
) -> None:
    """Trains networks on the same data and budget, scores them on val, times them side by side."""
    from training.studies.model_comparison import Budget, compare

    pairs = dict(_pair(text, "--start") for text in starts or [])
    compare(models, data, Budget(steps, batch, input_size, seed), output, starts=pairs)
    # As it stands: drawn for the width of a terminal, its columns would be cut until they look alike.
    typer.echo((output / "comparison.md").read_text(encoding="utf-8"))


@study_app.command("ablate")
def ablate_command(
    recipe: Annotated[str, typer.Argument(help="Name of a shipped recipe, or a TOML file.")],
    data: Data,
    output: Output,
    vary: Annotated[list[str], typer.Option(metavar="KEY=A,B,...", help="A key and its values; repeat it.")],
    seeds: Annotated[str, typer.Option(metavar="N,N,...", help="Every setting is trained once with each.")] = "0,1,2",
    changes: Changes = None,
    screening: Annotated[
        bool, typer.Option("--screening", help="Tells the effect of each of many two-valued --vary from few runs.")
    ] = False,
) -> None:
    """What one setting is worth: the same training for each value and seed, with the spread over the seeds."""
    from training.studies.ablation import Ablation, ablate

    try:
        numbers = tuple(int(seed) for seed in seeds.split(","))
    except ValueError:
        raise SettingsInvalid(f"--seeds {seeds}: not of the form 0,1,2") from None
    ablate(Ablation(recipe, tuple(vary), numbers, tuple(changes or ()), screening), data, output, typer.echo)
    typer.echo((output / "ablation.md").read_text(encoding="utf-8"))


@study_app.command("transfer")
def transfer_command(
    sources: Annotated[list[str], typer.Argument(help="Data sets or scanners, each never seen by one network.")],
    without: Annotated[
        list[Path], typer.Option(help="metrics.json of the network trained without it; one for each, in order.")
    ],
    within: Annotated[
        list[Path],
        typer.Option(help="metrics.json of one trained with it, same split; one for each, or for all."),
    ],
) -> None:
    """What networks are worth on scanners that they never saw, as a share of what one is worth that did."""
    from training.evaluation.transfer import Transfer, transfer_markdown, transfer_table

    seen = within * len(sources) if len(within) == 1 else within
    if not len(sources) == len(without) == len(seen):
        raise SettingsInvalid(
            f"{len(sources)} sources, {len(without)} --without, {len(within)} --within",
            remedy="give one --without for each source, and one --within for each or for all",
        )
    rows = [Transfer(*row) for row in zip(sources, without, seen, strict=True)]
    typer.echo(transfer_markdown(transfer_table(rows)))


def _pair(text: str, option: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise SettingsInvalid(f"{option} {text}: not of the form NAME=VALUE")
    return key, value
