"""Each augmentation alone, at full strength, on the same scan: to see whether an operator would believe it.

>>> preview_augmentations(Path("data"), "train", Path("augmentations.png"))                     # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.errors import SettingsInvalid
from detector.tile_squares import Look
from training.augmentation import LEAST_ITEM_SIDE, Augmentation
from training.datasets.coco_index import CocoIndex, read_coco
from training.datasets.preview import TRUTH, Label, balanced_choice, draw, write_picture
from training.recipe import AugmentationSettings
from training.samples.combining import Scene, background_mixup, mosaic
from training.samples.donors import Donors
from training.samples.tile_reader import read_tile
from training.threat_projection import Variation, project

UInt8 = NDArray[np.uint8]

#: Side of a cell of the sheet, the strip with its name, cells in a row, and draws of each augmentation; pixels.
CELL, STRIP, COLUMNS, DRAWS = 400, 24, 4, 2

#: Everything off; each entry of SHOWN turns one thing on.
_OFF: dict[str, Any] = {
    "flip": 0, "quarter_turn": 0, "zoom": (1, 1), "shift": 0, "thickness": 1, "hue": 0, "saturation": 0, "grey": 0,
    "degrade": 0, "projection": 0,
}  # fmt: skip
SHOWN: dict[str, dict[str, Any]] = {
    "flip": {"flip": 1},
    "quarter turn": {"quarter_turn": 1},
    "zoom and shift": {"zoom": (0.7, 1.4), "shift": 0.1},
    "thickness": {"thickness": 1.4},
    "hue and saturation": {"hue": 4, "saturation": 25},
    "palette": {"palette": 1},
    "grey": {"grey": 1},
    "gain": {"gain": 1},
    "photon noise": {"photon_noise": 1},
    "stripes": {"stripes": 1},
    "degrade": {"degrade": 1},
}


def preview_augmentations(data: Path, split: str, output: Path, seed: int = 0) -> Path:
    """Writes the contact sheet of one scan of a split, first as it is; returns its path.

    The scan is drawn by `seed`, with items in it. Raises SettingsInvalid for a folder that cannot be read, or without
    items.
    """
    index = read_coco(data, split)
    with_items = [row for row in balanced_choice(index, len(index), seed) if len(index.scans[row].class_ids)]
    if not with_items:
        raise SettingsInvalid(f"{data}, {split}: no scan with an item to show", remedy="name a split with boxes")
    write_picture(_sheet(_cells(index, with_items, seed)), output)
    return output


def _cells(index: CocoIndex, rows: list[int], seed: int) -> list[UInt8]:
    scene = _scene(index, rows[0])
    cells = [_cell("as it is", scene, index.class_names)]
    for name, settings in SHOWN.items():
        vary = Augmentation(AugmentationSettings.model_validate({**_OFF, **settings}))
        for number in range(DRAWS):
            image, boxes, class_ids = vary(scene.image, scene.boxes, scene.class_ids, seed + number)
            varied = Scene(image, boxes, class_ids, scene.annotated)
            cells.append(_cell(f"{name} {number + 1}", varied, index.class_names))
    for name, combined in _combined(index, rows, seed).items():
        cells.append(_cell(name, combined, index.class_names))
    return cells


def _combined(index: CocoIndex, rows: list[int], seed: int) -> dict[str, Scene]:
    """What takes more than one scan."""
    scene, generator = _scene(index, rows[0]), np.random.default_rng(seed)
    others = [_scene(index, rows[number % len(rows)]) for number in (1, 2, 3)]
    clean = [row for row, scan in enumerate(index.scans) if not len(scan.class_ids)]
    donors = Donors(index, Look(CELL))

    def projected(variation: Variation) -> Scene:
        for _ in range(20):
            drawn = donors.draw(generator, without=rows[0])
            found = project(scene.image, drawn[1], generator, variation, scene.boxes) if drawn else None
            if drawn and found:
                boxes = np.concatenate([scene.boxes, found.box[None]])
                return Scene(found.image, boxes, np.append(scene.class_ids, drawn[1].class_id), scene.annotated)
        return scene

    makers: dict[str, Callable[[], Scene]] = {
        "projection": lambda: projected(Variation()),
        "projection into clutter": lambda: projected(Variation(clutter=1)),
        "projection into air": lambda: projected(Variation(clutter=0)),
        "opaque paste": lambda: projected(Variation(opaque=True)),
        "mosaic": lambda: mosaic([scene, *others], generator, LEAST_ITEM_SIDE),
    }
    if clean:
        makers["background mixup"] = lambda: background_mixup(scene, _scene(index, clean[seed % len(clean)]))
    return {name: make() for name, make in makers.items()}


def _scene(index: CocoIndex, row: int) -> Scene:
    scan = index.scans[row]
    image, boxes, seen = read_tile(scan, Look(CELL), lambda tiles: tiles[0])
    return Scene(image, boxes[seen], scan.class_ids[seen], scan.annotated)


def _cell(name: str, scene: Scene, class_names: tuple[str, ...]) -> UInt8:
    rows = zip(scene.boxes.tolist(), scene.class_ids.tolist(), strict=True)
    labels = [Label((x1, y1, x2, y2), class_names[class_id], TRUTH) for (x1, y1, x2, y2), class_id in rows]
    cell = np.full((CELL + STRIP, CELL, 3), 255, np.uint8)
    cell[STRIP:] = draw(scene.image, labels)
    cv2.putText(cell, name, (4, STRIP - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.48, (30, 30, 30), 1, cv2.LINE_AA)
    return cell


def _sheet(cells: list[UInt8]) -> UInt8:
    rows = -(-len(cells) // COLUMNS)
    sheet = np.full((rows * (CELL + STRIP), COLUMNS * CELL, 3), 255, np.uint8)
    for number, cell in enumerate(cells):
        top, left = number // COLUMNS * (CELL + STRIP), number % COLUMNS * CELL
        sheet[top : top + CELL + STRIP, left : left + CELL] = cell
    return sheet
