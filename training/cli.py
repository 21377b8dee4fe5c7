"""roentgate-train: one command a stage. See `roentgate-train --help`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from detector.errors import RoentgateError, SettingsInvalid
from training.data_commands import data_app

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(data_app, name="data")
stderr = Console(stderr=True, highlight=False)

Data = Annotated[Path, typer.Option(help="Folder with annotations/<split>.json and images/.")]
Terms = Annotated[
    list[str], typer.Option("--source-terms", metavar="SOURCE=TERMS", help="Terms of a source's scans; repeat it.")
]


@app.callback()
def _retraining() -> None:
    """Retrains the detector: data, fit, export, evaluate, publish."""


@app.command()
def fit(
    recipe: Annotated[str, typer.Argument(help="Name of a shipped recipe, or a TOML file.")],
    data: Data,
    output: Annotated[Path, typer.Option(help="Run folder.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in --output stopped.")] = False,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe.")
    ] = None,
    overfit: Annotated[int, typer.Option(min=0, help="Smoke test: learn this many scans by heart.")] = 0,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
) -> None:
    """Trains by a recipe; stop it at any time and go on with --resume."""
    from training.datasets.coco_index import read_coco
    from training.fit import TrainingData, fit
    from training.overfit import overfit_check
    from training.recipe import resolve_recipe

    resolved = resolve_recipe(recipe, [*(changes or []), *([f"seed={seed}"] if seed is not None else [])])
    train = read_coco(data, "train", resolved.classes or None)
    if overfit:
        learned = overfit_check(train, resolved, output / "overfit", overfit)
        typer.echo(f"AP50 {learned.ap50:.2f} on {learned.scans} scans after {learned.steps} steps: it learns")
        return
    has_validation = (data / "annotations" / "val.json").is_file()
    validation = read_coco(data, "val", train.class_names) if has_validation else None
    typer.echo(f"started from {fit(TrainingData(str(data), train, validation), resolved, output, resume=resume)}")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Run folder of a fit.")],
    output: Annotated[Path, typer.Option(help="ONNX file to write.")],
    data: Annotated[Path | None, typer.Option(help="COCO folder; the one the run was trained on if left out.")] = None,
    name: Annotated[str, typer.Option(help="What the weights are called; the file's stem if left out.")] = "",
    checkpoint: Annotated[str, typer.Option(help="best, last, or another file in the run's checkpoints.")] = "best",
    input_size: Annotated[int, typer.Option(min=0, help="Side of the network's square; 0 takes the recipe's.")] = 0,
    pfa: Annotated[float, typer.Option(min=0, max=1, help="Share of clean scans that may alarm.")] = 0.05,
    terms: Annotated[str, typer.Option(help="What may be done with these weights.")] = "not stated",
    source_terms: Terms = [],  # noqa: B006
) -> None:
    """One ONNX with everything inside: preprocessing, classes, alarm scores, terms. Fails if it differs from torch."""
    from training.datasets.coco_index import read_coco
    from training.export import read_run
    from training.release import Release, export_release

    described = read_run(run)
    folder = data or Path(described.data)
    has_validation = (folder / "annotations" / "val.json").is_file()
    validation = read_coco(folder, "val", described.class_names) if has_validation else None
    release = Release(name or output.stem, terms, _pairs(source_terms), checkpoint, input_size, pfa)
    spec, parity = export_release(run, output, release, validation)
    typer.echo(
        f"parity on {parity.scans} scans, {parity.candidates} candidates: boxes within {parity.box_difference:.4f} px, "
        f"scores within {parity.score_difference:.6f}"
    )
    typer.echo(f"wrote {output}: {spec.operating_point}")


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator:
            raise SettingsInvalid(f"--source-terms {text}: not of the form SOURCE=TERMS")
        pairs[key] = value
    return pairs


@app.command()
def evaluate(
    weights: Annotated[str, typer.Argument(help="ONNX file, or the name of shipped weights.")],
    data: Data,
    output: Annotated[Path, typer.Option(help="Folder for metrics.json, report.html, curves and gallery.")],
    split: Annotated[str, typer.Option(help="Name of the split.")] = "test",
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
) -> None:
    """Scores an ONNX file through the station's pipeline: AP, Pd at Pfa, curves, worst misses and false alarms."""
    from training.datasets.coco_index import read_coco
    from training.evaluation.metrics import evaluate
    from training.evaluation.report import EvaluationSetup, write_evaluation
    from training.scoring import detector_for, predict_with

    detector = detector_for(weights)
    index = read_coco(data, split, detector.spec.class_names)
    predictions = predict_with(detector, index)
    metrics = evaluate(index, predictions, detector.spec.thresholds, seed)
    setup = EvaluationSetup(
        detector.weights.name, detector.weights.sha256, data.name, split, detector.network.provider.value
    )
    path = write_evaluation(output, index, predictions, metrics, setup)
    mean, over = (
        (metrics.table.mean_of_frequent, f"{len(metrics.table.frequent)} classes with at least 10 boxes")
        if metrics.table.frequent
        else (metrics.table.mean, "all classes with boxes")
    )
    typer.echo(f"AP50 {mean.AP50 or 0.0:.3f}, AP {mean.AP or 0.0:.3f} over {over}; {path}")


@app.command()
def publish(
    file: Annotated[Path, typer.Argument(help="ONNX file.")],
    name: Annotated[str, typer.Option(help="Name of the weights.")],
    evaluation: Annotated[Path, typer.Option(help="metrics.json of this very file.")],
    folder: Annotated[Path, typer.Option(help="Weights folder.")] = Path("weights"),
    default: Annotated[bool, typer.Option("--default", help="Make it the default.")] = False,
) -> None:
    """Copies the file into weights/, pins it in the manifest, writes its model card."""
    from training.publish import publish

    entry = publish(file, name, folder, evaluation, default=default)
    typer.echo(f"published {name}: {entry.size / 1e6:.1f} MB, sha256 {entry.sha256[:12]}")


def main() -> None:
    """Entry point: every error of ours is one line on stderr and exit code 2; nothing else is caught."""
    try:
        app()
    except RoentgateError as error:
        stderr.print(f"{error.reason()}\n  what to do: {error.remedy}", style="red", markup=False, soft_wrap=True)
        sys.exit(2)
