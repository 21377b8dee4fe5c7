"""Several scans in one training sample: mosaic, and background mixup in transmission space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.normalise import AIR
from training.pseudo_colour import add, estimate, is_one_energy, recolour

UInt8 = NDArray[np.uint8]

#: Where the four scans of a mosaic meet, as a share of the side, lies between this and its complement.
NEAREST_MEETING = 0.35
#: A box of which a larger share is darker than this (of 255) is hidden: nobody could mark it.
DARK, MOST_HIDDEN = 16, 0.5


@dataclass(frozen=True)
class Scene:
    """A training sample before it is varied.

    image: (S, S, 3) uint8 RGB. boxes: (n, 4) float32 pixels of it. class_ids: (n,) int64. annotated: (C,) bool, the
    classes that were looked for everywhere in it.
    """

    image: UInt8
    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    annotated: NDArray[np.bool_]


def mosaic(scenes: Sequence[Scene], generator: np.random.Generator, least_side: float) -> Scene:
    """Four scenes of one size, shrunk into the four corners, meeting somewhere in the middle.

    A scene whose smallest box would get a side below `least_side` pixels is left out: its corner is air. A class
    counts as looked for only if it was in every scene that is shown.
    """
    side = scenes[0].image.shape[0]
    across, down = (round(side * float(generator.uniform(NEAREST_MEETING, 1 - NEAREST_MEETING))) for _ in range(2))
    out = np.full_like(scenes[0].image, AIR)
    shown: list[Scene] = []
    corners = [(0, 0, across, down), (across, 0, side, down), (0, down, across, side), (across, down, side, side)]
    for scene, (x1, y1, x2, y2) in zip(scenes, corners, strict=True):
        small = min(x2 - x1, y2 - y1)
        boxes = scene.boxes * np.float32(small / side)
        if len(boxes) and (boxes[:, 2:] - boxes[:, :2]).min() < least_side:
            continue
        out[y1 : y1 + small, x1 : x1 + small] = cv2.resize(scene.image, (small, small), interpolation=cv2.INTER_AREA)
        shown.append(Scene(out, boxes + np.array([x1, y1] * 2, np.float32), scene.class_ids, scene.annotated))
    if not shown:
        return scenes[0]
    return Scene(
        out,
        np.concatenate([scene.boxes for scene in shown]),
        np.concatenate([scene.class_ids for scene in shown]),
        np.logical_and.reduce([scene.annotated for scene in shown]),
    )


def background_mixup(scene: Scene, clean: Scene) -> Scene:
    """A scene with a clean scan of the same size in the same beam: transmissions multiply (BGM, arXiv 2412.00460).

    Boxes that the clean scan hides are dropped. A class counts as looked for only if it was in both: the clean scan is
    clean of what was looked for in it, and of nothing else.
    """
    if is_one_energy(scene.image) or is_one_energy(clean.image):
        image = _multiplied(scene.image, clean.image)
    else:
        image = recolour(add(estimate(scene.image), estimate(clean.image)))
    levels = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    kept = np.array([_visible(levels, box) for box in scene.boxes], np.bool_)
    return Scene(image, scene.boxes[kept], scene.class_ids[kept], scene.annotated & clean.annotated)


def _multiplied(first: UInt8, second: UInt8) -> UInt8:
    """Grey by grey, or colour darkened by grey: one energy."""
    grey, other = (first, second) if is_one_energy(first) else (second, first)
    level = cv2.cvtColor(cv2.cvtColor(grey, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.multiply(level, other, scale=1 / 255), np.uint8)


def _visible(levels: UInt8, box: NDArray[np.float32]) -> bool:
    x1, y1, x2, y2 = np.rint(box).astype(int)
    # One that is thinner than a pixel lies in one all the same.
    x1, y1 = max(0, min(x1, levels.shape[1] - 1)), max(0, min(y1, levels.shape[0] - 1))
    return float((levels[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)] < DARK).mean()) <= MOST_HIDDEN
