"""Runs an exported network over a split, through the station's own pipeline and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from detector.detections import Detections
from detector.errors import InferenceFailed, SettingsInvalid
from detector.pipeline import Detector
from detector.settings import Policy
from detector.weights import read_manifest, read_pinned, weights_folder
from training.datasets.coco_index import CocoIndex
from training.evaluation.alignment import predict
from training.files.progress import Progress, silently


def predict_onnx(index: CocoIndex, weights: Path | str) -> list[Detections]:
    """All detections down to the pipeline's floor, for every scan of `index`, in its order.

    Raises InferenceFailed when a scan could not be judged: a measurement must not leave scans out.
    """
    return predict_with(detector_for(weights), index)


def detector_for(weights: Path | str) -> Detector:
    """A detector that lists everything that the pipeline keeps, whatever its calibrated score."""
    return Detector(weights, policy=Policy(min_score=0.0))


def onnx_file(weights: Path) -> Path:
    """An ONNX file by its path, or that of shipped weights by their name, verified. Raises SettingsInvalid if there is
    none, WeightsRejected for a shipped one that is not as it was published."""
    if weights.is_file():
        return weights
    manifest = read_manifest()
    name = manifest.resolved(str(weights))
    if name not in manifest.weights:
        raise SettingsInvalid(
            f"no weights at {weights}", remedy=f"give an ONNX file, or one of: {', '.join(sorted(manifest.weights))}"
        )
    read_pinned(manifest.weights[name])
    return weights_folder() / manifest.weights[name].file


def predict_with(detector: Detector, index: CocoIndex, watch: Progress[Path] = silently) -> list[Detections]:
    """The same with a detector at hand. watch: passes the scans on and tells how far it has come."""
    return predict(index, lambda paths: _run(detector, watch("inspecting", paths, len(paths))))


def _run(detector: Detector, paths: Iterable[Path]) -> Iterator[Detections]:
    for path in paths:
        inspection = detector.inspect(path)
        if inspection.error:
            raise InferenceFailed(f"{path.name}: {inspection.reasons[0]}")
        # Of a scan of several views the first is annotated.
        yield inspection.detections[inspection.detections.views == 0]
