"""The options that `scan` and `watch` share, and what follows from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detector.network import Provider
from detector.settings import Policy, load_policy


def named_path(text: str) -> Path:
    """The path that an option gives. Raises typer.BadParameter for none: it would be the folder that one is in."""
    if not text:
        raise typer.BadParameter("it is empty; is a variable of the script unset?")
    return Path(text)


Weights = Annotated[str, typer.Option("--weights", help="Name of shipped weights, or an .onnx file.")]
Scanner = Annotated[
    Path | None, typer.Option("--scanner", help="TOML file that says how this scanner's files are read.")
]
PolicyFile = Annotated[Path | None, typer.Option("--policy", help="TOML file with the station's alarm scores.")]
MinScore = Annotated[float | None, typer.Option("--min-score", help="List detections from this score.")]
OnProvider = Annotated[Provider, typer.Option("--provider", help="Where the network runs.")]
Threads = Annotated[int, typer.Option("--threads", min=0, max=1024, help="Threads of the network; 0 for one a core.")]
Batch = Annotated[
    int, typer.Option("--batch", min=1, help="Tiles given to the network at once, mirror images counted.")
]
TileSide = Annotated[
    str,
    typer.Option(
        "--tile",
        help="auto, off, or the side of a tile in pixels; "
        "what is looked at in tiles larger than the weights' own is not cleared.",
    ),
]
Overlay = Annotated[bool, typer.Option("--overlay/--no-overlay", help="Write pictures with boxes.")]
Report = Annotated[bool, typer.Option("--report/--no-report", help="Write report.html.")]
Shard = Annotated[str, typer.Option("--shard", metavar="I/N", help="Do only part I of N.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")]


def policy_of(file: Path | None, min_score: float | None) -> Policy:
    """The station's policy, with the score from which detections are listed where one is given."""
    rules = load_policy(file) if file else Policy()
    return rules if min_score is None else rules.with_min_score(min_score)
