"""The measurements of an evaluation as JSON: the contents of metrics.json."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from training.evaluation.average_precision import LEAST_BOXES, PrecisionTable
from training.evaluation.breakdown import Part
from training.evaluation.froc import froc_points
from training.evaluation.metrics import Metrics


def document(metrics: Metrics) -> dict[str, Any]:
    """Everything measured, without the set-up; unrounded, null where not measurable. Pd and Pfa have n and interval,
    AP50, AP and AR have where they were resampled."""
    table, ap50, ap, ar = metrics.table, metrics.AP50_intervals, metrics.AP_intervals, metrics.AR_intervals
    return {
        **_without_n(asdict(table.mean)),
        "AP50_interval": ap50.mean,
        "AP_interval": ap.mean,
        "AR_interval": ar.mean,
        f"classes_with_{LEAST_BOXES}_boxes": {
            **asdict(table.mean_of_frequent),
            "AP50_interval": ap50.mean_of_frequent,
            "AP_interval": ap.mean_of_frequent,
            "AR_interval": ar.mean_of_frequent,
            "classes": table.frequent,
        },
        "classes": {
            name: {
                **asdict(row),
                "AP50_interval": ap50.classes[name],
                "AP_interval": ap.classes[name],
                "AR_interval": ar.classes[name],
            }
            for name, row in table.classes.items()
        },
        "intervals": {
            "level": 0.95,
            "AP": "bootstrap by group of scans, at least Clopper-Pearson on as many items; means: Zou and Donner 2008",
            "rates": "Clopper-Pearson; with a threshold chosen on the same scans, bootstrap by group besides",
            "groups": metrics.groups,
            "resamples": metrics.resamples,
            "seed": metrics.seed,
        },
        "sizes": [asdict(row) for row in metrics.sizes],
        **{way: {name: _part(part) for name, part in parts.items()} for way, parts in metrics.parts.items()},
        **_alarms(metrics),
        "calibration": asdict(metrics.calibration),
        "error_kinds": asdict(metrics.costs),
        "confusion": {"names": [*table.classes, "nothing"], "truth_by_row": metrics.errors.confusion.tolist()},
    }


def _alarms(metrics: Metrics) -> dict[str, Any]:
    return {
        "pd_at_pfa": asdict(metrics.curve) if metrics.curve else None,
        "pd_at_pfa_by_class": {name: asdict(curve) for name, curve in metrics.class_curves.items()},
        "froc": [asdict(point) for point in froc_points(metrics.froc)],
        "at_thresholds": asdict(metrics.at_thresholds),
    }


def _part(part: Part) -> dict[str, Any]:
    mean, frequent = part.table.mean, part.table.mean_of_frequent
    return {
        "scans": part.scans,
        **asdict(mean),
        "AP50_interval": part.AP50_intervals.mean,
        f"classes_with_{LEAST_BOXES}_boxes": {
            "n": frequent.n,
            "AP50": frequent.AP50,
            "AP50_interval": part.AP50_intervals.mean_of_frequent,
            "classes": part.table.frequent,
        },
        "classes": _rows_with_boxes(part.table, part),
    }


def _rows_with_boxes(table: PrecisionTable, part: Part) -> dict[str, Any]:
    return {
        name: {**asdict(row), "AP50_interval": part.AP50_intervals.classes[name]}
        for name, row in table.classes.items()
        if row.n
    }


def _without_n(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "n"}
