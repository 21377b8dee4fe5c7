"""Hard negatives: scans known to be clean of a class, on which a network sees it all the same.

The scans that alarm most are written as `{scan: weight}`; a recipe takes the file by its key `emphasis`, and they come
more often in the next training.

>>> write_emphasis(mine("luggage.onnx", Path("data")).emphasis, Path("emphasis.json"))          # doctest: +SKIP
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from detector.detections import Detections
from detector.errors import InferenceFailed, SettingsInvalid
from detector.outputs.atomic import write_bytes_whole
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.datasets.scanners import without_sources
from training.evaluation.scoring import detector_for, predict_with
from training.files.progress import with_progress
from training.samples.training_data import read_split

#: A score below this share of its class's alarm score is no false alarm in the making: no station alarms on it.
LEAST_SHARE = 0.5
#: Weight of a scan with a false alarm of MOST_ALARM times the alarm score or more.
MOST_WEIGHT, MOST_ALARM = 4.0, 2.0
#: Largest share of the split that is emphasised: more would turn the training into one on false alarms.
MOST_SHARE = 0.2


@dataclass(frozen=True)
class Mined:
    """emphasis: weights, above 1, of the scans that alarm most, most first, named as in the annotations. skipped: why a
    scan could not be judged, by its name."""

    emphasis: dict[str, float]
    skipped: dict[str, str]


def mine(weights: Path | str, data: Path, split: str = "train") -> Mined:
    """Looks through a split. Scans that cannot be judged are left out, and named.

    weights: ONNX file or name of shipped weights. Raises SettingsInvalid when no scan is clean of any of its classes,
    and InferenceFailed when not one scan can be judged.
    """
    detector = detector_for(weights)
    # What the network never saw stays unseen by the next one, whose recipe leaves it out as well.
    index = without_sources(read_split(data, split, detector.spec.class_names), detector.spec.left_out)
    judged: list[AnnotatedScan] = []
    predictions: list[Detections] = []
    skipped: dict[str, str] = {}
    for scan in with_progress("looking through", index.scans, len(index)):
        try:
            predictions += predict_with(detector, CocoIndex(index.class_names, (scan,)))
            judged.append(scan)
        except InferenceFailed as error:
            skipped[scan.name] = error.what.removeprefix(f"{scan.path.name}: ")
    if skipped and not judged:
        name, reason = next(iter(skipped.items()))
        raise InferenceFailed(f"none of {len(index)} scans can be judged, first {name}: {reason}")
    emphasis = emphasise(CocoIndex(index.class_names, tuple(judged)), predictions, detector.spec.thresholds)
    return Mined(emphasis, skipped)


def emphasise(index: CocoIndex, predictions: Sequence[Detections], thresholds: Mapping[str, float]) -> dict[str, float]:
    """`Mined.emphasis` of predictions at hand, one a scan of `index` in its order. thresholds: class -> alarm score."""
    if not any(_clean_classes(scan) for scan in index.scans):
        raise SettingsInvalid(
            "no scan is known to be clean of a class",
            remedy="give scans with `annotated_category_ids` and without boxes",
        )
    found = [
        (highest_false_alarm(scan, seen, thresholds), scan) for scan, seen in zip(index.scans, predictions, strict=True)
    ]
    alarming = sorted((pair for pair in found if pair[0] >= LEAST_SHARE), key=lambda pair: -pair[0])
    kept = alarming[: max(1, round(MOST_SHARE * len(index)))]
    return {scan.name: round(1 + (MOST_WEIGHT - 1) * min(1, share / MOST_ALARM), 4) for share, scan in kept}


def highest_false_alarm(scan: AnnotatedScan, found: Detections, thresholds: Mapping[str, float]) -> float:
    """Highest score, in alarm scores of its class, of one that was looked for and is not there; 0 without any."""
    clean = _clean_classes(scan)
    rows = zip(found.class_ids.tolist(), found.scores.tolist(), strict=True)
    names = found.class_names
    return max((score / thresholds[names[class_id]] for class_id, score in rows if class_id in clean), default=0.0)


def _clean_classes(scan: AnnotatedScan) -> set[int]:
    present = set(scan.class_ids.tolist())
    return {class_id for class_id, looked_for in enumerate(scan.annotated.tolist()) if looked_for} - present


def write_emphasis(emphasis: dict[str, float], path: Path) -> None:
    """Writes the file that a recipe's `emphasis` names."""
    write_bytes_whole(path, (json.dumps(emphasis, indent=1) + "\n").encode())
