"""Pictures of what a network is surest to be wrong about: the clean scans of a benchmark that score highest.

A rate of one false alarm in a hundred scans is decided by a few places; which ones they are says what to teach next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detector.normalise import UInt8
from training.cargo.benchmark_figures import odds_of
from training.datasets.preview import DETECTION, Label, write_picture
from training.evaluation.gallery import GalleryPicture, beside_close_up

Record = dict[str, Any]
PICTURES = 12


def write_false_alarms(
    records: Sequence[Record], thresholds: Mapping[str, float], picture_of: Callable[[Record], UInt8], folder: Path
) -> tuple[GalleryPicture, ...]:
    """One picture of each of the PICTURES clean scans with the highest odds, surest first.

    thresholds: class -> alarm score. picture_of: the scan (H, W, 3) of a record, as the network sees it. folder: made.
    """
    found = [(odds_of(record, thresholds), record) for record in records if not record["items"] and record["scores"]]
    surest = sorted(found, key=lambda pair: -pair[0].max())[:PICTURES]
    folder.mkdir(exist_ok=True)
    return tuple(
        _written(record, int(np.argmax(odds)), picture_of(record), folder / f"false_alarm_{rank:02d}.jpg")
        for rank, (odds, record) in enumerate(surest, start=1)
    )


def _written(record: Record, place: int, image: UInt8, path: Path) -> GalleryPicture:
    title = f"{record['classes'][place]} {record['scores'][place]:.2f}"
    x1, y1, x2, y2 = record["boxes"][place]
    write_picture(beside_close_up(image, [Label((x1, y1, x2, y2), title, DETECTION)], (x1, y1, x2, y2)), path)
    held = ", ".join(record.get("loads", [])) or "no load"
    where = record.get("background") or f"{record['conveyance']}, {held}, seed {record['seed']}"
    return GalleryPicture(path, title, f"{where}, {record['energies']} energies, {record['pitch_mm']:g} mm")
