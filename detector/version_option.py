"""`--version`, the same for both commands."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"roentgate {version('roentgate')}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
]
