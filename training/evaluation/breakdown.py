"""Average precision of parts of a split: by size of the item, by source, by scanner, by the set's own subsets.

>>> for row in by_size(index, aligned):                                                         # doctest: +SKIP
...     print(row.scale, row.band, row.n, row.AP50)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.detections import Detections
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.evaluation.alignment import truth_of
from training.evaluation.average_precision import PrecisionTable, average_known, average_precision, precision_by_area
from training.evaluation.intervals import Interval, PrecisionIntervals, bootstrap_precision, group_draws, group_numbers
from training.evaluation.matching import match_all

_UNBOUNDED = 1e10
#: COCO's own (Lin et al. 2014), in pixels of the scan as stored, but always of the box: a mask is smaller than its box,
#: so figures by size of sets with masks (PIDray) are not those of papers.
_PIXEL_BANDS = {
    "small: under 32 x 32 px": (0.0, 32.0**2),
    "medium: to 96 x 96 px": (32.0**2, 96.0**2),
    "large: above": (96.0**2, _UNBOUNDED),
}
#: Shares of the scan's area. Pixels depend on how a set was scaled; this does not. The limits lie near the quartiles of
#: the items in public luggage sets.
_SHARE_BANDS = {"under 1 % of the scan": (0.0, 0.01), "1 to 4 %": (0.01, 0.04), "above 4 %": (0.04, _UNBOUNDED)}
#: Resamples for the interval of a part's AP50.
_RESAMPLES = 200


@dataclass(frozen=True)
class SizeRow:
    """Items of one size. scale: what the size is measured in. n: boxes. AP, AP50: mean over the classes with any, that
    with its 95 % interval. classes: of each its boxes, AP50 and the interval."""

    scale: str
    band: str
    n: int
    AP: float | None
    AP50: float | None
    AP50_interval: Interval | None
    classes: dict[str, tuple[int, float | None, Interval | None]]


@dataclass(frozen=True)
class Part:
    """Some of the scans of a split, evaluated alone."""

    scans: int
    table: PrecisionTable
    AP50_intervals: PrecisionIntervals


def by_size(index: CocoIndex, aligned: Sequence[Detections], seed: int = 0) -> tuple[SizeRow, ...]:
    """AP by COCO's sizes in pixels, then by share of the scan; detections of other sizes are no false alarms there."""
    scaled_index, scaled = _unit_scans(index, aligned)
    return (
        *_size_rows("pixels", _PIXEL_BANDS, index, aligned, seed),
        *_size_rows("share of the scan", _SHARE_BANDS, scaled_index, scaled, seed),
    )


def by_part(
    index: CocoIndex, aligned: Sequence[Detections], part_of: Callable[[AnnotatedScan], str], seed: int = 0
) -> dict[str, Part]:
    """Each part evaluated alone, by name; a scan whose part is the empty text belongs to none."""
    names = np.array([part_of(scan) for scan in index.scans])
    parts = {}
    for name in sorted(set(names.tolist()) - {""}):
        rows = np.flatnonzero(names == name).tolist()
        parts[name] = _part(
            replace(index, scans=tuple(index.scans[row] for row in rows)), [aligned[row] for row in rows], seed
        )
    return parts


def source_of(scan: AnnotatedScan) -> str:
    """The data set."""
    return scan.source


def subset_of(scan: AnnotatedScan) -> str:
    """Source and subset, such as `pidray hidden`; empty where the source has no subsets."""
    return f"{scan.source} {scan.subset}" if scan.subset else ""


def _part(index: CocoIndex, aligned: Sequence[Detections], seed: int) -> Part:
    table = average_precision(index, aligned)
    draws = group_draws(group_numbers(index), _RESAMPLES, seed)
    return Part(len(index), table, bootstrap_precision([match_all(index, aligned)], table.frequent, draws))


def _size_rows(
    scale: str, bands: dict[str, tuple[float, float]], index: CocoIndex, aligned: Sequence[Detections], seed: int
) -> list[SizeRow]:
    precision = precision_by_area(index, aligned, list(bands.values()))
    counts = _counts(index, list(bands.values()))
    draws = group_draws(group_numbers(index), _RESAMPLES, seed)
    rows = []
    for column, band in enumerate(bands):
        found = [precision[:, :, position, column] for position in range(len(index.class_names))]
        intervals = bootstrap_precision([match_all(index, aligned, area=bands[band])], (), draws)
        classes = {
            name: (int(count), average_known(one[0]), intervals.classes[name])
            for name, count, one in zip(index.class_names, counts[column], found, strict=True)
        }
        rows.append(
            SizeRow(
                scale,
                band,
                int(counts[column].sum()),
                _mean([average_known(one) for one in found]),
                _mean([ap50 for _, ap50, _ in classes.values()]),
                intervals.mean,
                classes,
            )
        )
    return rows


def _counts(index: CocoIndex, bands: Sequence[tuple[float, float]]) -> NDArray[np.int64]:
    """(bands, classes) items; a limit belongs to both sides, as in COCO's code."""
    counts = np.zeros((len(bands), len(index.class_names)), np.int64)
    for scan in index.scans:
        boxes, class_ids = truth_of(scan)
        areas = np.prod(boxes[:, 2:].astype(np.float64) - boxes[:, :2], axis=1)
        for row, (low, high) in enumerate(bands):
            counts[row] += np.bincount(class_ids[(areas >= low) & (areas <= high)], minlength=len(index.class_names))
    return counts


def _unit_scans(index: CocoIndex, aligned: Sequence[Detections]) -> tuple[CocoIndex, list[Detections]]:
    """Every scan scaled to an area of 1: overlaps stay, areas become shares of the scan."""
    scales = [(scan.width * scan.height) ** -0.5 for scan in index.scans]
    scans = [
        replace(scan, boxes_xyxy=_scaled(scan.boxes_xyxy, scale))
        for scan, scale in zip(index.scans, scales, strict=True)
    ]
    found = [
        replace(one, boxes_xyxy=_scaled(one.boxes_xyxy, scale)) for one, scale in zip(aligned, scales, strict=True)
    ]
    return replace(index, scans=tuple(scans)), found


def _scaled(boxes: Any, scale: float) -> Any:
    # Double precision: an overlap on the very limit must not tip over by rounding to float32.
    return boxes.astype(np.float64) * scale


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
