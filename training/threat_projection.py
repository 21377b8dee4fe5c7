"""Threat image projection: items of some scans, multiplied into others as the beam would (Beer-Lambert).

Transmissions of things behind one another multiply: I = I0 * T_bag * T_item. An item's own transmission is its cut-out
divided by what surrounds it, so the bag it came from is taken out before it is put into another. Plain pasting, which
replaces pixels, teaches the seams instead (PAD-F, arXiv 2411.18078; Rogers et al. 2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]

#: Cut-outs carry this share of their size as margin, over which the item fades into full transmission.
MARGIN = 0.12
#: Surroundings darker than this (of 255) hide too much of the item to take it out of them.
LEAST_SURROUNDING = 110.0
#: Smallest side of an item worth projecting, in pixels.
LEAST_SIDE = 16


@dataclass(frozen=True)
class ItemTransmission:
    """An item taken out of its bag. transmission: (h, w, 3) float32, 0..1; box within it: x1 y1 x2 y2 pixels."""

    transmission: NDArray[np.float32]
    box: tuple[int, int, int, int]
    class_id: int


def take_out(image: UInt8, box: NDArray[np.float32], class_id: int) -> ItemTransmission | None:
    """The item in `box` (x1 y1 x2 y2, pixels) of an RGB image (H, W, 3); None where it cannot be told from its bag."""
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    margin = max(2, round(MARGIN * max(x2 - x1, y2 - y1)))
    left, top = max(0, x1 - margin), max(0, y1 - margin)
    cut = image[top : y2 + margin, left : x2 + margin].astype(np.float32)
    inner = (x1 - left, y1 - top, min(x2 - left, cut.shape[1]), min(y2 - top, cut.shape[0]))
    if min(x2 - x1, y2 - y1) < LEAST_SIDE or min(cut.shape[:2]) < LEAST_SIDE:
        return None
    ring = np.ones(cut.shape[:2], bool)
    ring[inner[1] : inner[3], inner[0] : inner[2]] = False
    if not ring.any():
        return None
    surrounding = np.percentile(cut[ring], 60, axis=0).astype(np.float32)
    if surrounding.mean() < LEAST_SURROUNDING:
        return None
    transmission = np.clip(cut / np.maximum(surrounding, 1.0), 0.02, 1.0).astype(np.float32)
    fade = _fade(cut.shape[:2], inner)[..., None]
    faded = 1.0 - (1.0 - transmission) * fade
    return ItemTransmission(faded.astype(np.float32), inner, class_id)


def _fade(shape: tuple[int, ...], inner: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """1 inside the box, falling to 0 at the cut-out's edge."""
    mask = np.zeros((shape[0] + 2, shape[1] + 2), np.uint8)
    mask[inner[1] + 1 : inner[3] + 1, inner[0] + 1 : inner[2] + 1] = 1
    distance = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3)[1:-1, 1:-1]
    fade: NDArray[np.float32] = np.clip(1.0 - distance / max(1.0, float(distance.max())), 0.0, 1.0).astype(np.float32)
    return fade


def project(
    image: UInt8, item: ItemTransmission, generator: np.random.Generator
) -> tuple[UInt8, NDArray[np.float32]] | None:
    """`image` (H, W, 3) with the item in its beam, at a random place, size, turn and thickness, and the item's box.

    None when the item does not fit. The image handed in is not changed.
    """
    transmission, box = _vary(item, generator)
    height, width = transmission.shape[:2]
    if height >= image.shape[0] or width >= image.shape[1]:
        return None
    x, y = int(generator.integers(image.shape[1] - width)), int(generator.integers(image.shape[0] - height))
    out = image.copy()
    window = out[y : y + height, x : x + width]
    window[:] = np.rint(window * transmission).astype(np.uint8)
    return out, box + np.array([x, y, x, y], np.float32)


def _vary(item: ItemTransmission, generator: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    scale = float(generator.uniform(0.8, 1.25))
    size = (max(8, round(item.transmission.shape[1] * scale)), max(8, round(item.transmission.shape[0] * scale)))
    transmission = cv2.resize(item.transmission, size, interpolation=cv2.INTER_LINEAR)
    whole = np.zeros(item.transmission.shape[:2], np.uint8)
    whole[item.box[1] : item.box[3], item.box[0] : item.box[2]] = 1
    mask = cv2.resize(whole, size, interpolation=cv2.INTER_NEAREST)
    turns, mirrored = int(generator.integers(4)), bool(generator.integers(2))
    transmission, mask = np.rot90(transmission, turns), np.rot90(mask, turns)
    if mirrored:
        transmission, mask = transmission[:, ::-1], mask[:, ::-1]
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
    # The same item thicker or thinner: its transmission to a power.
    return np.ascontiguousarray(transmission) ** np.float32(generator.uniform(0.8, 1.25)), box
