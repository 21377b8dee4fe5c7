"""What one setting of a recipe is worth: the same training for each of its values and several seeds, side by side.

`OUTPUT/<setting>/seed<n>/` holds each run and its `figures.json`; `OUTPUT/ablation.json` and `ablation.md` the table:
AP50 on the validation split overall, of rare classes and of each class, as mean and spread over the seeds, and the
difference to the first setting, seed by seed, with its interval. What is there is not done again, and a run that was
cut off goes on. Many settings of two values each are better screened than tried one by one: see
`training/studies/screening.py`.

Scans of sources that the recipe leaves out are figures of their own, `unseen`: all of train and val, as none was
learned from.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

from scipy.stats import t as student

from detector.errors import SettingsInvalid
from detector.outputs.atomic import write_bytes_whole
from training.datasets.coco_index import CocoIndex
from training.evaluation.alignment import align
from training.evaluation.average_precision import PrecisionTable, average_precision
from training.evaluation.scoring import predict_onnx
from training.files.checkpoints import holds_run
from training.files.file_digests import annotations_digest
from training.fitting.fit import fit
from training.recipe import Recipe, resolve_recipe
from training.samples.tile_reader import rendered
from training.samples.training_data import TrainingData, read_training_data
from training.shipping.export import export_network, load_checkpoint, unchosen_spec
from training.studies.kept_results import claim_files, understood
from training.studies.measured_scans import RARE_BOXES, Measured, left_out_scans, measured_on, rare_classes
from training.studies.screening import Factor, screening_settings, screening_table

Figures = dict[str, float]


@dataclass(frozen=True)
class Ablation:
    """What to compare. recipe: file or shipped name. changes: `key=value` for all runs. vary: `key=value,value,...`,
    several of them in every combination; screening: two values of each, in as few runs as tell their effects.
    seeds: each setting is trained once with each."""

    recipe: str
    vary: tuple[str, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    changes: tuple[str, ...] = ()
    screening: bool = False

    def settings(self) -> list[tuple[str, ...]]:
        """The `key=value` changes of each run. Raises SettingsInvalid for a `vary` that makes none, or that would have
        two of them train the same."""
        _require_distinct(axes(self.vary), self.seeds)
        return screening_settings(self.factors()) if self.screening else combinations(self.vary)

    def factors(self) -> list[Factor]:
        """Each key with its two values. Raises SettingsInvalid for one of more or fewer."""
        return [_factor(options) for options in axes(self.vary)]


@dataclass(frozen=True)
class SettingResult:
    """One setting: its `key=value` changes joined, and the figures of each seed by name."""

    setting: str
    by_seed: dict[int, Figures]

    def mean(self, name: str) -> float:
        """Over the seeds."""
        return statistics.fmean(figures[name] for figures in self.by_seed.values())

    def spread(self, name: str) -> float | None:
        """Standard deviation over the seeds; None for a single one."""
        values = [figures[name] for figures in self.by_seed.values()]
        return statistics.stdev(values) if len(values) > 1 else None


def ablate(
    ablation: Ablation, data: Path, output: Path, progress: Callable[[str], None] = lambda line: None
) -> list[SettingResult]:
    """Runs what is missing, writes the tables, returns them. progress: called with a line before each run.

    Raises SettingsInvalid, before anything is trained, for a setting that no recipe takes or data without validation;
    and for figures in `output` that are of another recipe or of other data.
    """
    settings = ablation.settings()
    recipes = {
        (setting, seed): resolve_recipe(ablation.recipe, [*ablation.changes, *setting, f"seed={seed}"])
        for setting in settings
        for seed in ablation.seeds
    }
    splits = {key: _splits(data, recipe) for key, recipe in recipes.items()}
    _require_one_measure(splits.values())
    _require_readable_unseen(data, next(iter(recipes.values())))
    # The same classes for all, whatever a setting leaves of the training scans.
    rare = rare_classes(max((both.train for both in splits.values()), key=len))
    measured = measured_on(next(iter(splits.values())), next(iter(recipes.values())), rare)
    results: list[SettingResult] = []
    for number, setting in enumerate(settings):
        of_setting = setting_folder(output, number, setting)
        by_seed: dict[int, Figures] = {}
        for seed in ablation.seeds:
            folder = of_setting / f"seed{seed}"
            progress(f"{' '.join(setting)}, seed {seed}")
            by_seed[seed] = _figures_of(splits[setting, seed], recipes[setting, seed], folder, rare)
        results.append(SettingResult(" ".join(setting), by_seed))
        # After each setting, so that a long comparison can be read while it goes on.
        _write(output, results, ablation, rare, measured)
    return results


def _splits(data: Path, recipe: Recipe) -> TrainingData:
    """As `fit` would read them, without what the recipe leaves out."""
    both = read_training_data(data, recipe)
    if both.validation is None:
        raise SettingsInvalid(f"no val split in {data} to judge by", remedy="make one with data prepare --val-share")
    return both


def _require_one_measure(splits: Iterable[TrainingData]) -> None:
    """Figures of different scans or classes have no difference that means anything."""
    measures = {
        (both.train.class_names, tuple(scan.name for scan in both.validation.scans))
        for both in splits
        if both.validation
    }
    if len(measures) > 1:
        raise SettingsInvalid(
            "the settings would be judged on different validation scans or classes",
            remedy="do not vary leave_out or classes; `transfer` compares networks with and without a scanner",
        )


def _require_readable_unseen(data: Path, recipe: Recipe) -> None:
    """`fit` looks at validation scans before it starts; these are read for the first time hours later."""
    unseen = left_out_scans(data, recipe, ())
    for scan in unseen.scans if unseen else ():
        rendered(scan)


def combinations(vary: Sequence[str]) -> list[tuple[str, ...]]:
    """("a=1,2", "b=x,y") -> [("a=1", "b=x"), ("a=1", "b=y"), ...]."""
    return list(itertools.product(*axes(vary)))


def axes(vary: Sequence[str]) -> list[list[str]]:
    """("a=1,2", "b=x,y") -> [["a=1", "a=2"], ["b=x", "b=y"]]. Commas within brackets or quotes do not divide."""
    found: list[list[str]] = []
    for text in vary:
        key, separator, values = text.partition("=")
        options = _divided(values)
        if not (key and separator and options):
            raise SettingsInvalid(f"--vary {text}: not of the form key=value,value", remedy="give key=first,second")
        found.append([f"{key}={option}" for option in options])
    if not found:
        raise SettingsInvalid("nothing to vary", remedy="give --vary key=first,second")
    return found


def _divided(values: str) -> list[str]:
    """The values between the commas that divide; none where a bracket of either kind or a quote is left open."""
    found, depth, quote = [""], 0, ""
    for sign in values:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        else:
            depth += (sign in "[{") - (sign in "]}")
        if sign == "," and not depth and not quote:
            found.append("")
        else:
            found[-1] += sign
    return [] if depth or quote else [one for one in found if one]


def _require_distinct(options: list[list[str]], seeds: Sequence[int]) -> None:
    """Of what is given twice the last counts, and its columns of the table would differ in name alone."""
    keys = [option[0].partition("=")[0] for option in options]
    given = [*(f"--vary {key}" for key in keys), *(one for option in options for one in option), *map(str, seeds)]
    twice = [one for one, count in Counter(given).items() if count > 1]
    if twice:
        raise SettingsInvalid(f"given twice: {', '.join(twice)}", remedy="give every key, value and seed once")
    if "seed" in keys:
        raise SettingsInvalid("--vary seed: every setting is trained with --seeds", remedy="give --seeds 0,1,2")


def _factor(options: list[str]) -> Factor:
    key = options[0].partition("=")[0]
    values = [option.partition("=")[2] for option in options]
    if len(values) != 2:
        raise SettingsInvalid(
            f"--vary {key}: {len(values)} values, screening takes two", remedy="give two, or leave --screening out"
        )
    return Factor(key, (values[0], values[1]))


def setting_folder(output: Path, number: int, setting: tuple[str, ...]) -> Path:
    """Where the runs of a setting lie, whatever stands beside it. number: its place in the list.

    Earlier versions put the place before the name: such a folder is taken where it is there, that of this place first.
    """
    whole = re.sub(r"[^\w.=-]+", "_", "_".join(setting))
    name, digest = whole[:100], hashlib.sha256(" ".join(setting).encode()).hexdigest()
    folder = output / f"{name}_{digest[:8]}"
    if folder.is_dir() or not output.is_dir():
        return folder
    placed = re.compile(rf"\d{{2,}}_{re.escape(name)}")
    before = [path for path in output.iterdir() if placed.fullmatch(path.name)]
    here = output / f"{number:02d}_{name}"
    if here in before:
        return here
    # A name that was cut short may be that of another setting.
    return before[0] if len(before) == 1 and name == whole else folder


def _figures_of(data: TrainingData, recipe: Recipe, folder: Path, rare: Sequence[str]) -> Figures:
    """The figures of a run, trained and scored if they are not there; kept with the recipe and data they belong to."""
    kept = folder / "figures.json"
    annotations = {split: annotations_digest(Path(data.folder), split) for split in ("train", "val")}
    described = {"recipe": recipe.model_dump(mode="json"), "annotations": annotations}
    claim_files(folder, recipe, begun=kept.is_file() or holds_run(folder / "checkpoints"))
    if kept.is_file():
        with understood(kept):
            before = json.loads(kept.read_bytes())
            _require_same(before, described, folder)
            return {name: float(value) for name, value in before["figures"].items()}
    fit(data, recipe, folder, resume=holds_run(folder / "checkpoints"))
    figures = _score(data, recipe, folder, rare)
    write_bytes_whole(kept, (json.dumps({**described, "figures": figures}, indent=1) + "\n").encode())
    return figures


def _require_same(before: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    anew = "choose another --output, or remove that folder"
    if before["recipe"] != now["recipe"]:
        raise SettingsInvalid(f"{folder} holds a run of another recipe", remedy=anew)
    if "annotations" not in before:
        raise SettingsInvalid(
            f"{folder / 'figures.json'} does not say which annotations it is of",
            remedy="remove that file: the run beside it stays and is only scored again",
        )
    changed = [split for split, digest in now["annotations"].items() if digest != before["annotations"][split]]
    if changed:
        raise SettingsInvalid(
            f"{folder} holds figures of other annotations than those now in {' and '.join(changed)}", remedy=anew
        )


def _score(data: TrainingData, recipe: Recipe, folder: Path, rare: Sequence[str]) -> Figures:
    """Of the last network: the best on the split that it is judged on would flatter every setting, noisy ones most."""
    assert data.validation is not None
    names, exported = data.train.class_names, folder / "last.onnx"
    export_network(load_checkpoint(folder, "last"), unchosen_spec(recipe, names), exported)
    table = _table_of(data.validation, exported)
    classes = {name: row.AP50 for name, row in table.classes.items() if row.n and row.AP50 is not None}
    of_rare = [classes[name] for name in rare if name in classes]
    unseen = left_out_scans(Path(data.folder), recipe, names)
    measured = {
        "AP50": table.mean.AP50,
        "AP50 of frequent": table.mean_of_frequent.AP50,
        "AP50 of rare": statistics.fmean(of_rare) if of_rare else None,
        "AP50 of frequent, unseen": _table_of(unseen, exported).mean_of_frequent.AP50 if unseen else None,
        **{f"AP50 {name}": value for name, value in classes.items()},
    }
    # What cannot be measured on these scans, as they hold no such box, is no zero.
    return {name: value for name, value in measured.items() if value is not None}


def _table_of(index: CocoIndex, exported: Path) -> PrecisionTable:
    return average_precision(index, align(index, predict_onnx(index, exported)))


def _write(
    output: Path, results: list[SettingResult], ablation: Ablation, rare: Sequence[str], measured: Measured
) -> None:
    document: dict[str, Any] = {
        "recipe": ablation.recipe,
        "changes": ablation.changes,
        "seeds": ablation.seeds,
        "rare": rare,
        "boxes": measured.boxes,
        "scans": measured.scans,
        "unseen_scans": measured.unseen,
        "settings": {result.setting: {str(seed): row for seed, row in result.by_seed.items()} for result in results},
    }
    write_bytes_whole(output / "ablation.json", (json.dumps(document, indent=1) + "\n").encode())
    if not ablation.screening:
        text = table(results, rare, measured)
    elif len(results) == len(ablation.settings()):
        names = _common(results)
        figures: dict[str, Sequence[float]] = {name: [result.mean(name) for result in results] for name in names}
        text = screening_table(figures, ablation.factors(), ablation.seeds, measured)
    else:
        # Effects come from all runs or not at all.
        return
    write_bytes_whole(output / "ablation.md", text.encode())


def _common(results: Sequence[SettingResult]) -> list[str]:
    """Names of the figures that every run has: a setting may decide which classes are rare, or what is left out."""
    rows = [row for result in results for row in result.by_seed.values()]
    return [name for name in rows[0] if all(name in row for row in rows)]


def table(results: Sequence[SettingResult], rare: Sequence[str], measured: Measured) -> str:
    """Markdown: a row for each figure, a column for each setting, and differences to the first setting."""
    first, *others = results
    names = _common(results)
    differing = (head for other in others for head in (other.setting, f"{other.setting}, difference"))
    heads = ["figure", "n", first.setting, *differing]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for name in names:
        cells = [name, str(measured.boxes[name]), _with_spread(first.mean(name), first.spread(name))]
        for other in others:
            cells += [_with_spread(other.mean(name), other.spread(name)), _difference(first, other, name)]
        lines.append("| " + " | ".join(cells) + " |")
    seeds = ", ".join(str(seed) for seed in first.by_seed)
    closing = (
        f"Mean and standard deviation over seeds {seeds}, of the last network; {measured.told()}. Differences to the "
        "first setting seed by seed, with the 95 % t-interval of their mean: what other seeds would change, not other "
        f"scans; one seed alone has none. Rare (fewer than {RARE_BOXES} training boxes): {', '.join(rare) or 'none'}."
    )
    return "\n".join([*lines, "", closing, ""])


def _difference(first: SettingResult, other: SettingResult, name: str) -> str:
    """Of the same seeds: what the seed does to both cancels."""
    paired = [row[name] - first.by_seed[seed][name] for seed, row in other.by_seed.items()]
    mean = statistics.fmean(paired)
    if len(paired) < 2:
        return f"{mean:+.3f}"
    half = float(student.ppf(0.975, len(paired) - 1)) * statistics.stdev(paired) / sqrt(len(paired))
    return f"{mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]"


def _with_spread(mean: float, spread: float | None) -> str:
    return f"{mean:.3f}" + ("" if spread is None else f" ± {spread:.3f}")
