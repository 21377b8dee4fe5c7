"""Compares networks on the same data, budget and machine: average precision, size, and time a scan on the CPU.

    compare(("yolox-nano", "ssdlite-mobilenetv3"), Path("data"), Budget(steps=500), Path("comparison"))

Each model is trained by training.fitting.fit with the settings of its family's shipped recipe under one budget,
exported, and scored through the station's pipeline. Models already trained and scored in the folder are not done
again; times are taken anew in every call, of all models in turns, because times of different runs cannot be compared.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from detector.errors import SettingsInvalid
from detector.outputs.atomic import write_bytes_whole
from detector.pipeline import Detector
from detector.toml_settings import validated
from training.datasets.coco_index import CocoIndex
from training.evaluation.metrics import evaluate
from training.evaluation.scoring import predict_onnx
from training.files.checkpoints import holds_run
from training.files.file_digests import annotations_digest
from training.fitting.fit import fit
from training.fitting.fit_checks import require_readable, require_suited
from training.models.table import MODELS, build
from training.recipe import RECIPES, Recipe, resolve_recipe
from training.samples.training_data import TrainingData, read_split
from training.shipping.export import export_network, load_checkpoint, unchosen_spec
from training.studies.kept_results import claim_files, understood

#: Share of the run that the averaged weights look back on; a recipe's own decay is meant for its own, longer run.
_AVERAGED_SHARE = 0.05
_QUARTILES = 4
_RESULT = "result.json"
_ANEW = "choose another output folder, or remove that one"


@dataclass(frozen=True)
class Budget:
    """What every model gets. input_size: pixels, 0 for each model's own default. workers: processes that read scans."""

    steps: int
    batch_size: int = 8
    input_size: int = 0
    seed: int = 0
    workers: int = 2


@dataclass(frozen=True)
class Milliseconds:
    """Time of one scan, from its file to its decision, network included: median and quartiles of `runs`."""

    median: float
    lower: float
    upper: float
    runs: int


@dataclass(frozen=True)
class Compared:
    """One model. parameters: in millions. AP, AP50: means over `classes`, those with at least ten boxes where there are
    such, with the 95 % interval of AP50.

    boxes, scans: of these classes and of the split they were measured on. training_seconds: wall time of fit; of its
    last part if resumed.
    """

    model: str
    start: str
    input_size: int
    parameters: float
    AP: float | None
    AP50: float | None
    AP50_interval: tuple[float, float] | None
    classes: tuple[str, ...]
    boxes: int
    scans: int
    training_seconds: float


def compare(
    models: Sequence[str],
    data: Path,
    budget: Budget,
    output: Path,
    *,
    split: str = "val",
    starts: Mapping[str, str] | None = None,
    timing_rounds: int = 15,
) -> list[tuple[Compared, Milliseconds]]:
    """Trains, scores and times `models`; writes `output`/comparison.json and comparison.md; returns their rows.

    data: COCO folder, trained on `train` and scored on `split`. starts: model -> pretrained weights, as a recipe's
    `start`; models without one begin with random weights. Raises SettingsInvalid for an unknown or repeated model, for
    an input size that does not suit one, for a split without boxes, and when `output` holds results of another budget,
    split, start, folder or annotations; ScanUnreadable for a scan to score that cannot be read.
    """
    _require_known(models, starts or {})
    train = read_split(data, "train")
    scored = read_split(data, split, train.class_names)
    annotations = {name: annotations_digest(data, name) for name in dict.fromkeys(("train", split))}
    setting = {"budget": asdict(budget), "data": str(data.resolve()), "split": split, "annotations": annotations}
    _require_sizes(models, budget)
    _require_scans(scored, data, split)
    rows = []
    for model in models:
        start, folder = (starts or {}).get(model, ""), output / model
        recipe = comparison_recipe(model, budget).model_dump(mode="json")
        own = {**setting, "start": start, "recipe": recipe}
        begun = (folder / _RESULT).is_file() or holds_run(folder / "run" / "checkpoints")
        claim_files(folder, comparison_recipe(model, budget, start), begun=begun)
        rows.append(_result(folder, own) or _measured(model, train, scored, budget, folder, own))
    times = time_side_by_side({model: output / model / "model.onnx" for model in models}, scored, timing_rounds)
    pairs = [(row, times[row.model]) for row in rows]
    _write(output, pairs, setting)
    return pairs


def _require_known(models: Sequence[str], starts: Mapping[str, str]) -> None:
    wrong = [name for name in models if name not in MODELS or list(models).count(name) > 1]
    if wrong or not models:
        what = f"unknown or named twice: {', '.join(dict.fromkeys(wrong))}" if wrong else "no model to compare"
        raise SettingsInvalid(what, remedy=f"name each once, of {', '.join(sorted(MODELS))}")
    unused = sorted(starts.keys() - set(models))
    if unused:
        raise SettingsInvalid(
            f"--start {', '.join(unused)}: not among the models that are compared",
            remedy=f"those are {', '.join(models)}",
        )


def _require_scans(scored: CocoIndex, data: Path, split: str) -> None:
    """Before the first network is trained for hours."""
    if not any(scored.boxes_per_class().values()):
        raise SettingsInvalid(f"{data}: no box of any class in {split}", remedy="name a split with boxes")
    require_readable(scored, str(data))


def _require_sizes(models: Sequence[str], budget: Budget) -> None:
    """Of all, before the first is trained for hours. Each one's own size suits it."""
    if budget.input_size:
        for model in models:
            require_suited(build(model, ("any",)), comparison_recipe(model, budget))


def _result(folder: Path, setting: dict[str, Any]) -> Compared | None:
    path = folder / _RESULT
    if not path.is_file():
        return None
    with understood(path):
        return _kept_result(path, setting)


def _kept_result(path: Path, setting: dict[str, Any]) -> Compared:
    document = json.loads(path.read_bytes())
    named = {"annotations": "state of the annotations"}
    changed = [named.get(name, name) for name, value in setting.items() if document["setting"].get(name) != value]
    if changed:
        raise SettingsInvalid(f"{path.parent} holds a result of another {', '.join(changed)}", remedy=_ANEW)
    row = document["row"]
    if "classes" not in row:
        raise SettingsInvalid(
            f"{path} does not say which classes its means are of",
            remedy="remove that file: the run beside it stays and is scored anew",
        )
    interval, classes = row.pop("AP50_interval"), tuple(row.pop("classes"))
    return Compared(**row, AP50_interval=tuple(interval) if interval else None, classes=classes)


def _measured(
    model: str, train: CocoIndex, scored: CocoIndex, budget: Budget, folder: Path, setting: dict[str, Any]
) -> Compared:
    recipe, started = comparison_recipe(model, budget, setting["start"]), time.perf_counter()
    resume = holds_run(folder / "run" / "checkpoints")
    start = fit(TrainingData(setting["data"], train, None), recipe, folder / "run", resume=resume)
    seconds = time.perf_counter() - started
    network = load_checkpoint(folder / "run", "last")
    spec = unchosen_spec(recipe, train.class_names)
    export_network(network, spec, folder / "model.onnx")
    metrics = evaluate(scored, predict_onnx(scored, folder / "model.onnx"), spec.thresholds, seed=budget.seed)
    table, intervals = metrics.table, metrics.AP50_intervals
    # A class with one box would weigh as much as one with two hundred: a single find would move the table's order.
    frequent = bool(table.frequent)
    mean = table.mean_of_frequent if frequent else table.mean
    classes = table.frequent or tuple(name for name, one in table.classes.items() if one.n)
    row = Compared(
        model, start, recipe.input_size, sum(value.numel() for value in network.parameters()) / 1e6,
        mean.AP, mean.AP50, intervals.mean_of_frequent if frequent else intervals.mean, classes,
        sum(table.classes[name].n for name in classes), metrics.scans, seconds,
    )  # fmt: skip
    write_bytes_whole(folder / _RESULT, _as_json({"setting": setting, "row": asdict(row)}))
    return row


def comparison_recipe(model: str, budget: Budget, start: str = "") -> Recipe:
    """The optimiser's settings of the shipped recipe for `model`, or for its family, under `budget`."""
    shipped = _shipped_recipe(model)
    kept = shipped.model_dump(
        include={"learning_rate", "pretrained_rate", "weight_decay", "gradient_clip", "augmentation"}
    )
    return validated(
        Recipe,
        {
            **kept,
            "model": model,
            "start": start,
            "input_size": budget.input_size or MODELS[model].input_size,
            "steps": budget.steps,
            "validate_every": budget.steps,
            "batch_size": budget.batch_size,
            "warmup_steps": min(shipped.warmup_steps, budget.steps // 10),
            "ema_decay": min(shipped.ema_decay, max(0.0, 1 - 1 / (_AVERAGED_SHARE * budget.steps))),
            "seed": budget.seed,
            "workers": budget.workers,
        },
        f"the comparison of {model}",
    )


def _shipped_recipe(model: str) -> Recipe:
    """The shipped recipe that names `model`, else the first that names its family: the word before the first dash."""
    shipped = [resolve_recipe(name, []) for name in sorted(path.stem for path in RECIPES.glob("*.toml"))]
    # Those of raw scans vary scans in other ways.
    recipes = [recipe for recipe in shipped if recipe.renderings == Recipe(model=model, steps=1).renderings]
    family = model.partition("-")[0]
    own = [recipe for recipe in recipes if recipe.model == model]
    related = [recipe for recipe in recipes if recipe.model.partition("-")[0] == family]
    if not (own or related):
        raise SettingsInvalid(f"no shipped recipe trains a {family}", remedy="compare models that a recipe trains")
    return (own or related)[0]


def time_side_by_side(files: Mapping[str, Path], index: CocoIndex, rounds: int) -> dict[str, Milliseconds]:
    """Time a scan of each ONNX file on the CPU, one after the other on the same scans, `rounds` times in turns.

    In turns, so that what else the machine does meets all of them alike. The first round is not counted.
    """
    detectors = {name: Detector(path, provider="cpu") for name, path in files.items()}
    taken: dict[str, list[float]] = {name: [] for name in files}
    for turn in range(rounds + 1):
        # Spread over all sources, and read once already: the first detector must not pay for the disk.
        scan = index.scans[turn * len(index.scans) // (rounds + 1)].path
        scan.read_bytes()
        for name, detector in detectors.items():
            started = time.perf_counter()
            detector.inspect(scan)
            if turn:
                taken[name].append((time.perf_counter() - started) * 1000)
    return {name: _summary(values) for name, values in taken.items()}


def _summary(values: list[float]) -> Milliseconds:
    if len(values) < 2:
        return Milliseconds(values[0], values[0], values[0], len(values))
    lower, median, upper = statistics.quantiles(values, n=_QUARTILES, method="inclusive")
    return Milliseconds(median, lower, upper, len(values))


def machine() -> str:
    """The processor, its cores and the runtime that a time belongs to."""
    model = platform.processor() or platform.machine()
    about = Path("/proc/cpuinfo")
    if about.is_file():
        names = [line.partition(":")[2].strip() for line in about.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, onnxruntime {version('onnxruntime')}, torch {torch.__version__}"


def _write(output: Path, pairs: Sequence[tuple[Compared, Milliseconds]], setting: Mapping[str, Any]) -> None:
    rows = [{**asdict(row), "milliseconds": asdict(taken)} for row, taken in pairs]
    document = {"schema_version": 1, "machine": machine(), **setting, "models": rows}
    write_bytes_whole(output / "comparison.json", _as_json(document))
    write_bytes_whole(output / "comparison.md", markdown(pairs, setting).encode())


def markdown(pairs: Sequence[tuple[Compared, Milliseconds]], setting: Mapping[str, Any]) -> str:
    """The table, best AP50 first, under a line that says what it holds for."""
    budget = setting["budget"]
    lines = [
        f"{budget['steps']} steps of {budget['batch_size']} scans, seed {budget['seed']}, scored on "
        f"`{setting['split']}`; AP and AP50 are means over {', '.join(pairs[0][0].classes)}. Times on {machine()}: one "
        "scan, from file to decision. One training each: brackets tell what other scans would change, not what another "
        "seed would, and no difference between networks is tested.",
        "",
        "| model | start | input | parameters (M) | AP | AP50 (95 %) | boxes / scans | ms a scan (quartiles) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(row, taken) for row, taken in sorted(pairs, key=lambda pair: -(pair[0].AP50 or 0.0))]
    return "\n".join(lines) + "\n"


def _line(row: Compared, taken: Milliseconds) -> str:
    interval = "" if row.AP50_interval is None else f" ({row.AP50_interval[0]:.3f} to {row.AP50_interval[1]:.3f})"
    cells = (
        row.model,
        row.start,
        str(row.input_size),
        f"{row.parameters:.2f}",
        _rounded(row.AP),
        _rounded(row.AP50) + interval,
        f"{row.boxes} / {row.scans}",
        f"{taken.median:.0f} ({taken.lower:.0f} to {taken.upper:.0f}, n {taken.runs})",
    )
    return f"| {' | '.join(cells)} |"


def _rounded(value: float | None) -> str:
    return "not measurable" if value is None else f"{value:.3f}"


def _as_json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()
