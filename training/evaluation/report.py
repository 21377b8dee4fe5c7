"""Writes an evaluation: metrics.json, the curves, the gallery, and one report.html that carries its pictures inside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from detector.detections import Detections
from detector.outputs.atomic import write_bytes_whole
from training.datasets.coco_index import CocoIndex
from training.evaluation.alignment import align
from training.evaluation.document import document
from training.evaluation.figures import write_figures
from training.evaluation.gallery import write_gallery
from training.evaluation.metrics import Metrics
from training.evaluation.report_page import page

SCHEMA_VERSION = 2
_PACKAGES = ("onnxruntime", "opencv-python-headless", "numpy", "faster-coco-eval")


@dataclass(frozen=True)
class EvaluationSetup:
    """What was measured, on what. weights: name. provider: the execution provider that really ran. data: the folder.

    scans_sha256, files_sha256: of `scans_digest` and `files_digest`, without the scans of left_out: sources and
    scanners that the weights never saw.
    trained_on: sources of the weights' training scans. scanners_of: source -> its scanners among the scans measured.
    not_measured: class of the split that the weights do not know -> its boxes. Scans that hold them are not clean.
    """

    weights: str
    weights_sha256: str
    data: str
    split: str
    provider: str
    scans_sha256: str = ""
    files_sha256: str = ""
    left_out: tuple[str, ...] = ()
    trained_on: tuple[str, ...] = ()
    scanners_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    not_measured: Mapping[str, int] = field(default_factory=dict)


def write_evaluation(
    folder: Path,
    index: CocoIndex,
    predictions: Sequence[Detections],
    metrics: Metrics,
    setup: EvaluationSetup,
) -> Path:
    """Writes all of it into `folder`, metrics.json last, so that its presence means the evaluation is complete.

    The folder then holds pictures of the scans: keep it where the scans may be kept. Returns the path of metrics.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _clear(folder)
    described = describe(setup, metrics)
    thresholds = {name: row.threshold for name, row in metrics.at_thresholds.classes.items()}
    figures = write_figures(metrics, folder)
    gallery = write_gallery(index, align(index, predictions), metrics.errors, thresholds, folder / "gallery")
    write_bytes_whole(folder / "report.html", page(metrics, described, figures, gallery).encode())
    contents = {"schema_version": SCHEMA_VERSION, **document(metrics), "setup": described}
    write_bytes_whole(folder / "metrics.json", (json.dumps(contents, indent=1, allow_nan=False) + "\n").encode())
    return folder / "metrics.json"


def _clear(folder: Path) -> None:
    """Of an evaluation that lay here before: it must not vouch for a half-written one, nor lend it pictures."""
    for pattern in ("metrics.json", "report.html", "pd_at_pfa.png", "gallery/miss_*.jpg", "gallery/false_alarm_*.jpg"):
        for path in folder.glob(pattern):
            path.unlink()


def describe(setup: EvaluationSetup, metrics: Metrics) -> dict[str, Any]:
    """The set-up with the number of scans and boxes, versions of the packages that matter, and the date (UTC)."""
    return {
        **asdict(setup),
        "scans": metrics.scans,
        "boxes": metrics.boxes,
        "versions": _versions(_PACKAGES),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _versions(packages: Sequence[str]) -> Mapping[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed under this name"
    return found
