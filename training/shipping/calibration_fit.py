"""The calibrate stage: from scores to probabilities, fitted on validation scans, then thresholds on those.

>>> result = calibrate_weights(weights, read_coco(data, "val"), Wanted(pfa=0.05), output)       # doctest: +SKIP
>>> result.before.confident.d_ece, result.after.confident.d_ece                                 # doctest: +SKIP

What is predicted is whether a box is a hit: matched to an item of its class at IoU .5. Each class gets a logistic map
(Platt 1999) that maximises the likelihood of its boxes under a normal prior around the map of all classes together. A
class with hundreds of items follows its own boxes, one with three stays near the others; one with none takes their map.
Isotonic regression (Zadrozny and Elkan 2002) takes its place if it predicts scans that it was not fitted on better, by
log-likelihood in five folds over bags, and if some class has hits enough for knots of its own: one map for all classes
would leave them unlike each other.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.calibration import ClassMap, calibrate, decidable, logit, probability
from detector.detections import Detections
from detector.errors import SettingsInvalid
from detector.outputs.atomic import write_bytes_whole
from detector.pipeline import Detector
from detector.settings import Policy
from detector.weights_spec import WeightsSpec
from training.datasets.coco_index import CocoIndex, scans_digest
from training.evaluation.alignment import align
from training.evaluation.calibration_error import Calibration, measure_calibration
from training.evaluation.figures import write_reliability
from training.evaluation.intervals import group_numbers
from training.evaluation.matching import ClassMatches, match_all
from training.evaluation.scoring import onnx_file, predict_with
from training.evaluation.threshold_search import MOST_THRESHOLD
from training.evaluation.thresholds import LEAST_PROBABILITY
from training.files.file_digests import file_digest
from training.files.progress import with_progress
from training.shipping.export import write_spec
from training.shipping.known_colours import with_scanners_of
from training.shipping.operating_point import ChosenOperatingPoint, Wanted, choose_operating_point, with_operating_point

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

#: Standard deviation 1 of a class's slope and offset around those of all classes, chosen by cross-validation among
#: 1, 3, 10 and 30 as precisions (log loss an item 2.611, 2.612, 2.617, 2.625; without a prior 2.617; nano at 512 px).
_PRIOR_PRECISION = 1.0
_NEWTON_STEPS, _LEAST_STEP = 60, 1e-9
_FOLDS = 5
#: Isotonic regression of a class of its own needs this many hits; knots are then thinned to so many.
_LEAST_HITS, _MOST_KNOTS = 20, 40
_AS_IT_IS = np.array([1.0, 0.0])
_LOGISTIC, _ISOTONIC = "logistic", "isotonic"


@dataclass(frozen=True)
class FittedCalibration:
    """maps: of every class. method: of all maps. log_loss: per hit, by method, on scans not fitted on."""

    maps: dict[str, ClassMap]
    method: str
    log_loss: dict[str, float]


@dataclass(frozen=True)
class CalibrationResult:
    """before: the raw scores. after: each scan by maps fitted on other scans, so that it is no flattery."""

    spec: WeightsSpec
    fitted: FittedCalibration
    before: Calibration
    after: Calibration
    operating_point: ChosenOperatingPoint


def calibrate_weights(
    weights: Path, index: CocoIndex, wanted: Wanted, output: Path, seed: int = 0
) -> CalibrationResult:
    """Writes `output`: the network of `weights` with calibration and thresholds chosen on `index`, a validation split.

    Beside it go `<stem>.calibration.json` and `<stem>.reliability.png`. Maps that `weights` already has are replaced.
    Raises SettingsInvalid when there is no hit to learn from.
    """
    made_of = {
        "weights_sha256": file_digest(onnx_file(weights)),
        "scans": len(index),
        "scans_sha256": scans_digest(index),
        "wanted": asdict(wanted),
        "seed": seed,
    }
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.onnx"
        shutil.copyfile(onnx_file(weights), draft)
        own = Detector(draft).spec
        # Thresholds on the scale of maps that are taken off may lie below every score that is looked at.
        thresholds = dict.fromkeys(own.class_names, MOST_THRESHOLD)
        colours = with_scanners_of(own.colours, index) if own.colours else None
        spec = own.model_copy(update={"calibration": {}, "thresholds": thresholds, "colours": colours})
        write_spec(draft, spec)
        predictions = predict_with(Detector(draft, policy=Policy(min_score=0.0)), index, with_progress)
        result = calibrate_predictions(index, predictions, spec, wanted, seed)
        write_spec(draft, result.spec)
        output.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_whole(output, draft.read_bytes())
    _write_evidence(result, made_of, output)
    return result


def calibrate_predictions(
    index: CocoIndex, predictions: Sequence[Detections], spec: WeightsSpec, wanted: Wanted, seed: int = 0
) -> CalibrationResult:
    """The same from raw predictions, without files: calibrated first, then thresholds on the calibrated scale."""
    if not len(index):
        raise SettingsInvalid("no scans to calibrate on", remedy="give a split with annotated scans")
    matches = match_all(index, align(index, predictions))
    folds = _folds(index, seed)
    fitted = fit_calibration(matches, folds)
    calibrated = [apply(found, fitted.maps) for found in predictions]
    reach = {name: decidable(class_map) for name, class_map in fitted.maps.items()}
    point = choose_operating_point(index, calibrated, wanted, LEAST_PROBABILITY, reach)
    return CalibrationResult(
        # Maps and thresholds are checked against each other, so they are set together.
        with_operating_point(spec.model_copy(update={"calibration": fitted.maps}), point, index),
        fitted,
        measure_calibration(index, matches, seed),
        measure_calibration(index, cross_fitted(matches, folds, fitted.method), seed),
        point,
    )


def apply(found: Detections, maps: Mapping[str, ClassMap]) -> Detections:
    """The detections as the station would score them with these maps."""
    return replace(found, scores=calibrate(found.scores, found.class_ids, found.class_names, maps))


def fit_calibration(matches: Mapping[str, ClassMatches], folds: NDArray[np.int64]) -> FittedCalibration:
    """Fits the kinds that there are hits enough for, keeps the one that predicts other scans better.

    folds: (S,) of each scan. matches: of raw scores. Raises SettingsInvalid when no detection of any class is a hit.
    """
    if not any(found.hits.any() for found in matches.values()):
        items = sum(found.boxes for found in matches.values())
        what = f"no detection lies on one of the {items} annotated items: there is nothing to calibrate on"
        remedy = "train the network longer: it finds none of them yet" if items else "give the split with annotations"
        raise SettingsInvalid(what, remedy=remedy)
    own_knots = any(found.hits.sum() >= _LEAST_HITS for found in matches.values())
    tried = [method for method in _FITS if method != _ISOTONIC or own_knots]
    losses = {method: _log_loss(cross_fitted(matches, folds, method)) for method in tried}
    method = min(losses, key=lambda name: losses[name])
    return FittedCalibration(_FITS[method](matches), method, losses)


def cross_fitted(matches: Mapping[str, ClassMatches], folds: NDArray[np.int64], method: str) -> dict[str, ClassMatches]:
    """The matches with each scan's scores replaced by probabilities from maps fitted without its fold.

    Their order stays that of the scores before.
    """
    scores = {name: found.scores.copy() for name, found in matches.items()}
    for fold in np.unique(folds):
        maps = _FITS[method]({name: _only(found, folds[found.scans] != fold) for name, found in matches.items()})
        for name, found in matches.items():
            held_out = folds[found.scans] == fold
            scores[name][held_out] = probability(found.scores[held_out].astype(np.float64), maps[name])
    return {name: replace(found, scores=scores[name]) for name, found in matches.items()}


def fit_logistic(matches: Mapping[str, ClassMatches]) -> dict[str, ClassMap]:
    """(slope, offset) of every class."""
    scores, hits = _pooled(matches)
    shared = _maximise(scores, hits, _AS_IT_IS, 1e-6)
    if shared[0] <= 0:
        # Too few hits to say that a higher score is a better one: the scores stay.
        shared = _AS_IT_IS
    maps: dict[str, ClassMap] = {}
    for name, found in matches.items():
        own = _maximise(found.scores.astype(np.float64), found.hits, shared, _PRIOR_PRECISION)
        slope, offset = own if found.hits.any() and own[0] > 0 else shared
        maps[name] = (float(slope), float(offset))
    return maps


def fit_isotonic(matches: Mapping[str, ClassMatches]) -> dict[str, ClassMap]:
    """Knots of every class."""
    shared = _knots(*_pooled(matches))
    return {
        name: _knots(found.scores.astype(np.float64), found.hits) if found.hits.sum() >= _LEAST_HITS else shared
        for name, found in matches.items()
    }


_FITS = {_LOGISTIC: fit_logistic, _ISOTONIC: fit_isotonic}


def _maximise(scores: Float64, hits: Bool, centre: Float64, precision: float) -> Float64:
    """(slope, offset) of the largest posterior, by Newton's method; the prior is normal around `centre`."""
    if not len(scores):
        return centre
    features = np.stack([logit(scores), np.ones(len(scores))], axis=1)
    # Platt's targets: with few hits, certainty is not to be learned.
    count = int(hits.sum())
    targets = np.where(hits, (count + 1) / (count + 2), 1 / (len(hits) - count + 2))

    def loss(at: Float64) -> float:
        """The negative logarithm of the posterior."""
        logits = features @ at
        return float((np.logaddexp(0, logits) - targets * logits).sum() + precision * ((at - centre) ** 2).sum() / 2)

    values = centre.copy()
    for _ in range(_NEWTON_STEPS):
        chance = np.exp(-np.logaddexp(0, -features @ values))
        slope = features.T @ (chance - targets) + precision * (values - centre)
        bend = (features * (chance * (1 - chance))[:, None]).T @ features + precision * np.eye(2)
        step = np.linalg.solve(bend, slope)
        # Far from the solution a full step goes beyond it, to where the curve is flatter still.
        while np.abs(step).max() > _LEAST_STEP and not loss(values - step) <= loss(values):
            step = step / 2
        if np.abs(step).max() <= _LEAST_STEP:
            break
        values = values - step
    return values


def _knots(scores: Float64, hits: Bool) -> ClassMap:
    """Isotonic regression: blocks of falling hit share are pooled until the shares rise; each gives one knot."""
    if not len(scores):
        return (0.0, 0.0), (1.0, 1.0)
    blocks: list[list[float]] = []
    # Equal scores are one place: which of their boxes come first must not matter.
    places, inverse = np.unique(scores, return_inverse=True)
    found, counts = np.bincount(inverse, hits), np.bincount(inverse)
    for one in np.stack([found, counts, places * counts], axis=1).tolist():
        blocks.append(one)
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            blocks[-1] = [mine + its for mine, its in zip(blocks[-1], last, strict=True)]
    sums = np.array(blocks)
    # Half a miss more where all hit: a dozen hits in a row do not make certainty.
    shares = sums[:, 0] / (sums[:, 1] + 0.5 * (sums[:, 0] == sums[:, 1]))
    places, chances = sums[:, 2] / sums[:, 1], np.maximum.accumulate(shares)
    kept = np.unique(np.linspace(0, len(places) - 1, _MOST_KNOTS).round().astype(int))
    knots = [(0.0, 0.0), *zip(places[kept].tolist(), chances[kept].tolist(), strict=True)]
    knots.append((1.0, (1 + knots[-1][1]) / 2))
    return _rising(knots)


def _rising(knots: Sequence[tuple[float, float]]) -> ClassMap:
    """Without knots that do not lie to the right of the one before."""
    kept = [knots[0]]
    for knot in knots[1:]:
        if knot[0] > kept[-1][0]:
            kept.append(knot)
    return tuple(kept)


def _pooled(matches: Mapping[str, ClassMatches]) -> tuple[Float64, Bool]:
    scores = np.concatenate([found.scores for found in matches.values()]).astype(np.float64)
    return scores, np.concatenate([found.hits for found in matches.values()])


def _only(found: ClassMatches, rows: Bool) -> ClassMatches:
    return replace(
        found,
        scores=found.scores[rows],
        hits=found.hits[rows],
        scans=found.scans[rows],
        boxes_xyxy=found.boxes_xyxy[rows],
    )


def _folds(index: CocoIndex, seed: int) -> NDArray[np.int64]:
    """(S,) fold of each scan; a bag is in one fold."""
    groups = group_numbers(index)
    return np.random.default_rng(seed).integers(0, _FOLDS, int(groups.max()) + 1)[groups]


def _log_loss(matches: Mapping[str, ClassMatches]) -> float:
    """Negative log-likelihood an item found: thousands of boxes that score nothing would hide it in a mean of all."""
    chances, hits = _pooled(matches)
    bounded = np.clip(chances, 1e-7, 1 - 1e-7)
    return float(-np.log(np.where(hits, bounded, 1 - bounded)).sum() / hits.sum())


def _write_evidence(result: CalibrationResult, made_of: Mapping[str, Any], output: Path) -> None:
    fitted = result.fitted
    contents = {
        "settings": made_of,
        "method": fitted.method,
        "maps": fitted.maps,
        "log_loss_per_item_cross_validated": fitted.log_loss,
        "before": asdict(result.before),
        "after_cross_validated": asdict(result.after),
        "thresholds": result.operating_point.thresholds,
        "operating_point": result.operating_point.operating_point,
        "cost": {name: asdict(cost) for name, cost in result.operating_point.classes.items()},
    }
    text = json.dumps(contents, indent=1, allow_nan=False) + "\n"
    write_bytes_whole(output.with_suffix(".calibration.json"), text.encode())
    write_reliability({"before": result.before, "after": result.after}, output.with_suffix(".reliability.png"))
