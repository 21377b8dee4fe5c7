"""roentgate-train: one command a stage. See `roentgate-train --help`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from detector.errors import RoentgateError, SettingsInvalid, system_remedy
from detector.terminal import stderr
from detector.version_option import Version
from training.cargo_commands import cargo_app
from training.data_commands import data_app
from training.study_commands import study_app

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(data_app, name="data")
app.add_typer(study_app)
app.add_typer(cargo_app)

Data = Annotated[Path, typer.Option(help="Folder with annotations/<split>.json and images/.")]
Terms = Annotated[
    list[str], typer.Option("--source-terms", metavar="SOURCE=TERMS", help="Terms of a source's scans; repeat it.")
]


@app.callback()
def _retraining(_version: Version = False) -> None:
    """Retrains the detector: data, fit, export, calibrate, evaluate, quantise, publish."""


@app.command()
def fit(
    recipe: Annotated[str, typer.Argument(help="Name of a shipped recipe (training/recipes/), or a TOML file.")],
    data: Data,
    output: Annotated[Path, typer.Option(help="Run folder.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in --output stopped.")] = False,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe, `a.b=value`; repeat it."),
    ] = None,
    overfit: Annotated[int, typer.Option(min=0, help="Smoke test: learn this many scans by heart.")] = 0,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
) -> None:
    """Trains by a recipe; stop it at any time and go on with --resume."""
    from training.recipe import resolve_recipe

    # Before torch is imported, which takes a quarter of a minute: a misspelt key is answered at once.
    resolved = resolve_recipe(recipe, [*(changes or []), *([f"seed={seed}"] if seed is not None else [])])
    from training.fitting.fit import fit
    from training.fitting.overfit import overfit_check
    from training.samples.training_data import read_training_data

    splits = read_training_data(data, resolved)
    if overfit:
        learned = overfit_check(splits.train, resolved, output / "overfit", overfit)
        typer.echo(f"AP50 {learned.ap50:.2f} on {learned.scans} scans after {learned.steps} steps: it learns")
        return
    typer.echo(f"started from {fit(splits, resolved, output, resume=resume)}")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Run folder of a fit.")],
    output: Annotated[Path, typer.Option(help="ONNX file to write.")],
    data: Annotated[Path | None, typer.Option(help="COCO folder; the one the run was trained on if left out.")] = None,
    name: Annotated[str, typer.Option(help="What the weights are called; the file's stem if left out.")] = "",
    checkpoint: Annotated[str, typer.Option(help="best, last, or another file in the run's checkpoints.")] = "best",
    input_size: Annotated[int, typer.Option(min=0, help="Side of the network's square; 0 takes the recipe's.")] = 0,
    pfa: Annotated[float, typer.Option(help="Share of clean scans that may alarm, above 0.")] = 0.05,
    flips: Annotated[
        Literal["none", "horizontal", "both"],
        typer.Option(help="Average over mirror images, too: one (twice the time) or three (four times)."),
    ] = "none",
    terms: Annotated[str, typer.Option(help="What may be done with these weights.")] = "not stated",
    source_terms: Terms = [],  # noqa: B006
) -> None:
    """One ONNX with everything inside: preprocessing, classes, alarm scores, terms. Fails if it differs from torch."""
    from training.shipping.export import read_run
    from training.shipping.release import Release, export_release, release_data

    splits = release_data(read_run(run), data)
    release = Release(name or output.stem, terms, _pairs(source_terms), checkpoint, input_size, pfa, flips)
    spec, parity = export_release(run, output, release, splits)
    typer.echo(f"{parity}\nwrote {output}: {spec.operating_point}")


@app.command()
def reexport(
    weights: Annotated[str, typer.Argument(help="Name of shipped weights.")],
    output: Annotated[Path, typer.Option(help="ONNX file to write.")],
    input_size: Annotated[int, typer.Option(min=0, help="Side of the network's square; 0 keeps it.")] = 0,
    flips: Annotated[
        Literal["none", "horizontal", "both"] | None, typer.Option(help="As for `export`; left out, the weights' own.")
    ] = None,
) -> None:
    """Shipped weights at another input size, or averaged over mirror images; `calibrate` then chooses alarm scores."""
    from training.shipping.reexport import reexport as write

    spec, parity = write(weights, output, input_size, flips)
    typer.echo(f"{parity}\nwrote {output}: {spec.operating_point}")


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator:
            raise SettingsInvalid(f"--source-terms {text}: not of the form SOURCE=TERMS")
        pairs[key] = value
    return pairs


@app.command()
def calibrate(
    weights: Annotated[Path, typer.Argument(help="ONNX file, or the name of shipped weights.")],
    data: Data,
    output: Annotated[Path, typer.Option(help="ONNX file to write.")],
    split: Annotated[str, typer.Option(help="Validation scans; never those of the final figures.")] = "val",
    pfa: Annotated[float | None, typer.Option(help="Share of clean scans that may alarm; 0.05 if left out.")] = None,
    pd: Annotated[float | None, typer.Option(help="Instead: share of scans whose item must be found.")] = None,
    seed: Annotated[int, typer.Option(help="Of the folds and the bootstrap.")] = 0,
) -> None:
    """Makes scores probabilities, class by class; then chooses alarm scores for a wanted Pfa or Pd, with the cost."""
    from training.datasets.scanners import without_sources
    from training.evaluation.scoring import detector_for
    from training.samples.training_data import read_split
    from training.shipping.calibration_fit import calibrate_weights
    from training.shipping.operating_point import Wanted

    spec = detector_for(weights).spec
    # What it never saw stays unseen: its thresholds, too, are what is measured on it.
    index = without_sources(read_split(data, split, spec.class_names), spec.left_out)
    wanted = Wanted(0.05 if pfa is None and pd is None else pfa, pd)
    result = calibrate_weights(weights, index, wanted, output, seed)
    for name, before, after in (
        ("all detections", result.before.listed, result.after.listed),
        (f"scores from {result.after.confident_from:g} on", result.before.confident, result.after.confident),
    ):
        typer.echo(
            f"D-ECE of {name}: {_told(before.d_ece)} (n {before.n}) -> {_told(after.d_ece)} (n {after.n}), on scans "
            f"not fitted on, {result.fitted.method}; chance alone gives {_told(after.if_calibrated)}"
        )
    typer.echo(f"wrote {output}: {result.operating_point.operating_point}")


def _told(value: float | None) -> str:
    return "not measurable" if value is None else f"{value:.3f}"


@app.command()
def evaluate(
    weights: Annotated[str, typer.Argument(help="ONNX file, or the name of shipped weights.")],
    data: Data,
    output: Annotated[Path, typer.Option(help="Folder for metrics.json, report.html, curves and gallery.")],
    split: Annotated[str, typer.Option(help="Name of the split.")] = "test",
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
) -> None:
    """Scores an ONNX file through the station's pipeline: AP, Pd at Pfa, curves, worst misses and false alarms."""
    from training.datasets.coco_index import class_names, files_digest, scans_digest
    from training.datasets.scanners import not_of, scanners_of
    from training.evaluation.metrics import evaluate
    from training.evaluation.report import EvaluationSetup, write_evaluation
    from training.evaluation.scoring import detector_for, predict_with
    from training.files.progress import with_progress
    from training.samples.training_data import read_split

    detector = detector_for(weights)
    index = read_split(data, split, detector.spec.class_names)
    boxes = index.boxes_of_others()
    not_measured = {
        name: boxes.get(name, 0) for name in class_names(data, split) if name not in detector.spec.class_names
    }
    if not_measured:
        named = ", ".join(f"{name} ({count} boxes)" for name, count in not_measured.items())
        stderr.print(f"not measured, as the weights do not know them: {named}", markup=False, soft_wrap=True)
    predictions = predict_with(detector, index, with_progress)
    metrics = evaluate(index, predictions, detector.spec.thresholds, seed)
    # As the alarm scores were chosen: publish compares the two.
    comparable = not_of(index, detector.spec.left_out)
    setup = EvaluationSetup(
        weights=detector.weights.name,
        weights_sha256=detector.weights.sha256,
        data=data.name,
        split=split,
        provider=detector.network.provider.value,
        scans_sha256=scans_digest(comparable),
        files_sha256=files_digest(comparable),
        left_out=detector.spec.left_out,
        trained_on=tuple(source.name for source in detector.spec.training_data),
        scanners_of=scanners_of(index),
        not_measured=not_measured,
    )
    path = write_evaluation(output, index, predictions, metrics, setup)
    typer.echo(f"{metrics.told() or f'AP50 not measurable: no scan of {split} holds an item of the classes'}; {path}")


@app.command("blend")
def blend_command(
    run: Annotated[Path, typer.Argument(help="Run folder of a fit that began from trained weights throughout.")],
    checkpoint: Annotated[str, typer.Option(help="best, last, or another file in the run's checkpoints.")] = "best",
    share: Annotated[float, typer.Option(help="Share of the weights that the training began from.")] = 0.5,
) -> None:
    """Averages a network with what its training began from: it keeps more of what that knew. Then export it."""
    from training.shipping.blend import blend

    path = blend(run, checkpoint, share)
    typer.echo(f"wrote {path}: now roentgate-train export {run} --checkpoint {path.stem}")


@app.command()
def quantise(
    weights: Annotated[Path, typer.Argument(help="ONNX file, or the name of shipped weights.")],
    data: Data,
    output: Annotated[Path, typer.Option(help="INT8 ONNX file to write.")],
    split: Annotated[str, typer.Option(help="Scans that set the ranges of activations.")] = "train",
    judge_on: Annotated[str, typer.Option("--judge", help="Scans that judge the result.")] = "val",
) -> None:
    """INT8 for CPUs, and the gate: at most 1 point of AP50 lost and 1.3 times faster, or it may not be published."""
    from training.evaluation.scoring import detector_for, onnx_file
    from training.samples.training_data import read_split
    from training.shipping.quantisation_gate import judge, require_other_split, write_verdict
    from training.shipping.quantise import quantise

    require_other_split(split, judge_on)
    weights = onnx_file(weights)
    names = detector_for(weights).spec.class_names
    quantise(weights, output, read_split(data, split, names), f"{data.name}/{split}")
    verdict = judge(weights, output, read_split(data, judge_on, names))
    write_verdict(verdict, output)
    for line in verdict.lines():
        typer.echo(line)
    if not verdict.passed:
        raise typer.Exit(1)


@app.command()
def project(
    data: Data,
    output: Annotated[Path, typer.Option(help="Folder to make, or to finish.")],
    scans: Annotated[int, typer.Option(min=1, help="Scans to make.")] = 500,
    items: Annotated[str, typer.Option(metavar="N-M", help="Fewest and most items in a scan.")] = "1-3",
    split: Annotated[str, typer.Option(help="Items and backgrounds come from it.")] = "train",
    clutter: Annotated[float, typer.Option(min=0, max=1, help="0 in the air, 1 in the densest clutter.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
) -> None:
    """Threat image projection: items of some scans in others, the truth apart, to train people and test networks."""
    from training.files.progress import with_progress
    from training.projection_set import ProjectionPlan, write_projection_set

    fewest, _, most = items.partition("-")
    try:
        bounds = (int(fewest), int(most or fewest))
    except ValueError:
        raise SettingsInvalid(f"--items {items}: not of the form 1-3") from None
    made = write_projection_set(data, output, ProjectionPlan(scans, bounds, seed, split, clutter), with_progress)
    typer.echo(f"made {made} of {scans} scans in {output}")


@app.command("mine")
def mine_command(
    weights: Annotated[str, typer.Argument(help="ONNX file, or the name of shipped weights.")],
    data: Data,
    output: Annotated[Path, typer.Option(help="JSON file for a recipe's `emphasis`.")],
    split: Annotated[str, typer.Option(help="Scans to look through.")] = "train",
) -> None:
    """Hard negatives: clean scans on which the network alarms, to come more often in the next training."""
    from training.evaluation.hard_negatives import mine, write_emphasis

    mined = mine(weights, data, split)
    write_emphasis(mined.emphasis, output)
    for name, reason in mined.skipped.items():
        stderr.print(f"left out: {name}: {reason}", markup=False, soft_wrap=True)
    typer.echo(f"{len(mined.emphasis)} scans; train with --set emphasis={output}")


@app.command()
def publish(
    file: Annotated[Path, typer.Argument(help="ONNX file.")],
    name: Annotated[str, typer.Option(help="Name of the weights.")],
    evaluation: Annotated[Path, typer.Option(help="metrics.json of this very file.")],
    folder: Annotated[Path, typer.Option(help="Weights folder.")] = Path("weights"),
    default: Annotated[bool, typer.Option("--default", help="Make it the default.")] = False,
    alias: Annotated[str, typer.Option(help="Another name for it; weights of that name make way.")] = "",
    run: Annotated[
        Path | None,
        typer.Option(help="Run or shipped weights that it was exported from: ships what to train on from, too."),
    ] = None,
    checkpoint: Annotated[str, typer.Option(help="Of that run, the one that was exported.")] = "best",
) -> None:
    """Copies the file into weights/, pins it in the manifest, writes its model card."""
    from training.shipping.publish import Origin, publish

    origin = Origin(run, checkpoint) if run else None
    entry = publish(file, name, folder, evaluation, default=default, alias=alias, origin=origin)
    typer.echo(f"published {name}: {entry.size / 1e6:.1f} MB, sha256 {entry.sha256[:12]}")


def main() -> None:
    """Entry point: every error of ours, and an extra that is not installed, is two lines on stderr, what is wrong
    and what to do, and exit code 2; a disk that cannot be used is two and 1."""
    try:
        app()
    except RoentgateError as error:
        _end(error.reason(), error.remedy, 2)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "detector", "training"):
            raise
        remedy = 'pip install "WHEEL[train]" with its file for WHEEL; in a checkout, begin with uv run --all-extras'
        _end(f"{missing} is not installed, which retraining needs", remedy, 2)
    except OSError as error:
        _end(str(error), system_remedy(error), 1)


def _end(what: str, remedy: str, code: int) -> NoReturn:
    stderr.print(f"{what}\n  what to do: {remedy}", style="red", markup=False, soft_wrap=True)
    sys.exit(code)
