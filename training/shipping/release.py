"""The export stage: checkpoint -> ONNX -> parity gate -> alarm scores chosen on validation -> the finished file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.detections import Detections
from detector.errors import SettingsInvalid
from detector.network import Network, Provider
from detector.tile_squares import Look
from detector.weights import load_weights
from detector.weights_spec import Flips, TrainingSource, WeightsSpec
from training.datasets.coco_index import CocoIndex
from training.datasets.splits import TRAIN, VAL
from training.datasets.terms import TERMS_NOT_STATED
from training.evaluation.alignment import align
from training.evaluation.average_precision import average_precision
from training.evaluation.intervals import bootstrap_precision, group_draws, group_numbers
from training.evaluation.matching import match_all
from training.evaluation.scoring import detector_for, predict_with
from training.evaluation.thresholds import choose_thresholds
from training.files.file_digests import annotations_digest
from training.files.progress import with_progress
from training.models.flip_average import averaged
from training.recipe import Recipe
from training.samples.tile_reader import all_coloured, read_tile
from training.samples.training_data import TrainingData, read_train, read_training_data, read_validation
from training.shipping.blend import blended
from training.shipping.export import Run, export_network, load_checkpoint, read_run, unchosen_spec, write_spec
from training.shipping.known_colours import known_colours
from training.shipping.operating_point import with_operating_point
from training.shipping.parity import LEAST_SCANS, Parity, require_parity, simulated_squares

UInt8 = NDArray[np.uint8]

#: For the interval of the figure that the file tells of itself.
_RESAMPLES = 200


@dataclass(frozen=True)
class Release:
    """What the exported file shall be called and say. source_terms: source -> terms of its scans, before what the
    data's annotations say of them.

    checkpoint: name of the file in the run's checkpoints. input_size: 0 takes the recipe's. pfa: share of clean
    validation scans that may alarm. flips: mirror images to average over.
    """

    name: str
    terms: str
    source_terms: dict[str, str]
    checkpoint: str = "best"
    input_size: int = 0
    pfa: float = 0.05
    flips: Flips = "none"


def export_release(run: Path, output: Path, release: Release, data: TrainingData) -> tuple[WeightsSpec, Parity]:
    """Writes `output`, or raises and leaves no file there: ParityFailed when ONNX and torch differ.

    data: what the run learned from, whose colours the station then knows; its validation scans prove parity and choose
    the alarm scores. Without those, simulated scans prove it and the scores stay unchosen: the file then says so, and
    no station clears a scan by it.
    """
    validation = data.validation
    _require_choosable(release, validation)
    described = read_run(run)
    network = averaged(load_checkpoint(run, release.checkpoint), release.flips)
    if release.input_size % network.stride:
        raise SettingsInvalid(f"--input-size {release.input_size} is no multiple of {network.stride}")
    spec = _spec(described, release, Path(data.folder), blended(run, release.checkpoint))
    with tempfile.TemporaryDirectory(dir=_made(output.parent)) as folder:
        draft = Path(folder) / "draft.onnx"
        export_network(network, spec, draft)
        parity = require_parity(network, Network(load_weights(draft), Provider.CPU), _squares(validation, spec.look))
        if validation is not None:
            spec = _with_operating_point(spec, draft, validation, release.pfa)
        if _knows_colour_alone(described.recipe, data.train if validation is None else validation):
            spec = spec.model_copy(update={"coloured": True, "colours": known_colours(data.train)})
        write_spec(draft, spec)
        draft.replace(output)
    return spec, parity


def release_data(run: Run, data: Path | None) -> TrainingData:
    """What the run learned from, with the validation scans of `data` (None takes those of its own folder).

    Raises SettingsInvalid if neither folder holds the training scans, as their colours are what the station will know,
    and if `data` holds neither these nor a validation split.
    """
    own, recipe = Path(run.data), run.whole_recipe()
    if data is None or (run.annotations and annotations_digest(data, TRAIN) == run.annotations):
        return read_training_data(data or own, recipe)
    if not (own / "annotations" / f"{TRAIN}.json").is_file():
        raise SettingsInvalid(
            f"{data} is not what the run learned from, and {own} is gone",
            remedy="give the folder that it was trained on; choose alarm scores on other scans with `calibrate`",
        )
    # What the recipe leaves out of train says nothing about the training scans of another folder: they are not read.
    validation = read_validation(data, recipe, run.class_names)
    if validation is None:
        raise SettingsInvalid(
            f"{data} has no annotations/{VAL}.json: no alarm score can be chosen on it",
            remedy="give a folder with validation scans, or leave --data out",
        )
    return TrainingData(run.data, read_train(own, recipe), validation)


def _require_choosable(release: Release, validation: CocoIndex | None) -> None:
    if not 0 < release.pfa < 1:
        raise SettingsInvalid(f"--pfa {release.pfa:g}: not a share of the clean scans", remedy="give one in (0, 1)")
    if validation is not None and not len(validation):
        raise SettingsInvalid(
            "the val split holds no scan: no alarm score can be chosen on it",
            remedy="annotate some, or remove val.json to leave the alarm scores unchosen",
        )


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _spec(run: Run, release: Release, data: Path, averaged_with: str) -> WeightsSpec:
    """data: the folder that the run learned from. averaged_with: what `blend` says of the checkpoint."""
    terms = run.terms(data) | release.source_terms
    # Who uses the weights has to keep also the terms of scans of which items alone were learned, and of what the start
    # had learned from.
    learned = {name: 0 for before in run.ancestors for name in before.learned} | run.learned(data)
    sources = tuple(
        TrainingSource(name=source, scans=scans, terms=terms.get(source, TERMS_NOT_STATED))
        for source, scans in sorted(learned.items())
    )
    unchosen = unchosen_spec(run.recipe, run.class_names, release.input_size)
    return unchosen.model_copy(
        update={
            "name": release.name,
            "flips": release.flips,
            "pretrained": f"{run.start}{averaged_with}",
            "training_data": sources,
            "terms": release.terms,
        }
    )


def _knows_colour_alone(recipe: Recipe, scans: CocoIndex) -> bool:
    """Validation scans come from where the training scans come from; an augmentation may have taken colours away."""
    return "stored" in recipe.renderings and not recipe.augmentation.grey and all_coloured(scans)


def _squares(validation: CocoIndex | None, look: Look) -> Iterator[UInt8]:
    if validation is not None and len(validation) >= LEAST_SCANS:
        for scan in validation.scans:
            yield read_tile(scan, look, lambda tiles: tiles[0])[0]
        return
    yield from simulated_squares(look.input_size)


def _with_operating_point(spec: WeightsSpec, draft: Path, validation: CocoIndex, pfa: float) -> WeightsSpec:
    predictions = predict_with(detector_for(draft), validation, with_progress)
    chosen = choose_thresholds(validation, predictions, pfa)
    told = {"metrics": _measured(validation, predictions)}
    return with_operating_point(spec, chosen, validation).model_copy(update=told)


def _measured(validation: CocoIndex, predictions: Sequence[Detections]) -> dict[str, dict[str, float]]:
    """Without a box there is nothing to measure: 0 would be a figure."""
    aligned = align(validation, predictions)
    mean = average_precision(validation, aligned).mean
    draws = group_draws(group_numbers(validation), _RESAMPLES, 0)
    interval = bootstrap_precision([match_all(validation, aligned)], (), draws).mean
    if mean.AP50 is None or interval is None:
        return {}
    return {"validation AP50": {"value": mean.AP50, "n": mean.n, "low": interval[0], "high": interval[1]}}
