"""Average precision and recall as COCO defines them, computed by faster-coco-eval on the classes that were annotated.

In COCO's arithmetic a scan without truth and without detections of a class adds nothing to that class. Leaving out the
detections of classes that a scan's source did not look for is therefore exactly the same as evaluating every class on
the scans where it was annotated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from detector.detections import Detections
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.evaluation.alignment import only_annotated, truth_of

#: A class with fewer boxes is reported, but its AP is mostly luck; a second mean leaves it out.
LEAST_BOXES = 10


@dataclass(frozen=True)
class ClassPrecision:
    """One class, or a mean over classes; None where nothing of that size or class is in the ground truth.

    n: boxes. AP: mean over IoU .50:.95. AP50, AP75: at that IoU. AP_small, AP_medium, AP_large: items whose box is
    below 32 x 32 pixels, below 96 x 96, and above; COCO takes the area of the mask where a set has some. AR: the
    largest recall with 100 detections a scan, mean over IoU .50:.95.
    """

    n: int
    AP: float | None
    AP50: float | None
    AP75: float | None
    AP_small: float | None
    AP_medium: float | None
    AP_large: float | None
    AR: float | None


@dataclass(frozen=True)
class PrecisionTable:
    """All classes by name, and two means: over classes with a box at all, and over those with LEAST_BOXES or more."""

    classes: dict[str, ClassPrecision]
    mean: ClassPrecision
    mean_of_frequent: ClassPrecision
    frequent: tuple[str, ...]


def average_precision(index: CocoIndex, aligned: Sequence[Detections]) -> PrecisionTable:
    """The table of one split. aligned: of `alignment.align`, one for each scan."""
    evaluated = _run(index, aligned)
    counts = _counts(index)
    classes = {name: _read(evaluated, position, counts[position]) for position, name in enumerate(index.class_names)}
    frequent = tuple(name for name, row in classes.items() if row.n >= LEAST_BOXES)
    present = [row for row in classes.values() if row.n >= 1]
    return PrecisionTable(classes, _mean(present), _mean([classes[name] for name in frequent]), frequent)


def precision_by_area(
    index: CocoIndex, aligned: Sequence[Detections], areas: Sequence[tuple[float, float]]
) -> NDArray[np.float64]:
    """COCO's precision for items of each range of areas, in the unit of the boxes: (IoU, recall, class, range).

    -1 marks what is not in the ground truth. IoU: .50 to .95 in steps of .05; recall: 0 to 1 in steps of .01.
    """
    precision = _run(index, aligned, areas)["precision"][..., -1]
    return np.asarray(precision, np.float64)


def _run(
    index: CocoIndex, aligned: Sequence[Detections], areas: Sequence[tuple[float, float]] | None = None
) -> dict[str, Any]:
    truth = COCO(_truth_document(index))
    results = truth.loadRes(_result_rows(index, aligned))
    evaluation = COCOeval_faster(truth, results, iouType="bbox")
    if areas is not None:
        evaluation.params.areaRng = [list(limits) for limits in areas]
        evaluation.params.areaRngLbl = [str(limits) for limits in areas]
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval  # type: ignore[no-any-return]


def _truth_document(index: CocoIndex) -> dict[str, Any]:
    annotations = [row for number, scan in enumerate(index.scans) for row in _truth_rows(number, scan)]
    return {
        "images": [{"id": n, "width": s.width, "height": s.height} for n, s in enumerate(index.scans)],
        # Ids from 1: the compiled matcher takes 0 for "no match".
        "annotations": [{"id": number, **row} for number, row in enumerate(annotations, start=1)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(index.class_names)],
    }


def _truth_rows(number: int, scan: AnnotatedScan) -> list[dict[str, Any]]:
    rows = zip(scan.boxes_xyxy.tolist(), scan.class_ids.tolist(), scan.ignore.tolist(), strict=True)
    return [
        {
            "image_id": number,
            "category_id": class_id,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": (x2 - x1) * (y2 - y1),
            "iscrowd": int(ignored),
        }
        for (x1, y1, x2, y2), class_id, ignored in rows
        if scan.annotated[class_id]
    ]


def _result_rows(index: CocoIndex, aligned: Sequence[Detections]) -> list[dict[str, Any]]:
    rows = []
    for number, (scan, found) in enumerate(zip(index.scans, aligned, strict=True)):
        kept = only_annotated(scan, found)
        for (x1, y1, x2, y2), score, class_id in zip(
            kept.boxes_xyxy.tolist(), kept.scores.tolist(), kept.class_ids.tolist(), strict=True
        ):
            rows.append(
                {"image_id": number, "category_id": class_id, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": score}
            )
    return rows


def _counts(index: CocoIndex) -> list[int]:
    classes = np.concatenate([np.zeros(0, np.int64), *(truth_of(scan)[1] for scan in index.scans)])
    return [int(count) for count in np.bincount(classes, minlength=len(index.class_names))]


def _read(evaluated: dict[str, Any], position: int, count: int) -> ClassPrecision:
    # precision: IoU x recall x class x size x detections a scan; recall: the same without the recall axis. The last
    # entry of the last axis is 100 detections; sizes are all, small, medium, large.
    precision, recall = evaluated["precision"][:, :, position, :, -1], evaluated["recall"][:, position, 0, -1]
    return ClassPrecision(
        n=count,
        AP=average_known(precision[:, :, 0]),
        AP50=average_known(precision[0, :, 0]),
        AP75=average_known(precision[5, :, 0]),
        AP_small=average_known(precision[:, :, 1]),
        AP_medium=average_known(precision[:, :, 2]),
        AP_large=average_known(precision[:, :, 3]),
        AR=average_known(recall),
    )


def average_known(values: Any) -> float | None:
    """Mean of the entries above -1, which is COCO's mark for "not in the ground truth"."""
    known = np.asarray(values)[np.asarray(values) > -1]
    return float(known.mean()) if known.size else None


def _mean(rows: Sequence[ClassPrecision]) -> ClassPrecision:
    names = [field.name for field in fields(ClassPrecision) if field.name != "n"]
    columns = {name: [value for row in rows if (value := getattr(row, name)) is not None] for name in names}
    means = {name: float(np.mean(values)) if values else None for name, values in columns.items()}
    return ClassPrecision(n=sum(row.n for row in rows), **means)
