"""Which pixels of a box are the item: by attenuation above the surrounding, joined where it hangs together.

Boxes hold clutter beside the item. What attenuates more than the surrounding and touches the item's dense parts is the
item; if what comes out does not fill the box that a person drew around it, or runs along the box's sides as a
background would, there is no outline to be trusted, and the caller falls back on the box.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

#: Share of the dense parts' threshold from which a pixel that hangs together with them belongs to the item.
HANGS_ON = 0.4
#: Attenuation by which an item's pixel stands out at least: less is noise and cloth.
LEAST_CONTRAST = 0.06
#: Least share of the drawn box that the largest piece's own box covers: fragments of clutter are many and small.
LEAST_FIT = 0.6
#: Shares of the box that an outline covers.
COVERS = (0.06, 0.9)
#: Largest share of the box's sides along which an outline may lie.
MOST_ALONG = 0.35
#: Pieces smaller than this share of the largest are dirt.
LEAST_PIECE = 0.08


def outline(attenuation: NDArray[np.float32], inner: tuple[int, int, int, int]) -> NDArray[np.bool_] | None:
    """The item's pixels in a cut-out's attenuation (h, w), air 0; None where none can be trusted.

    inner: the drawn box x1 y1 x2 y2 within the cut-out, which shows some surrounding beside it. The outline lies within
    the box.
    """
    x1, y1, x2, y2 = inner
    ring = np.ones(attenuation.shape, bool)
    ring[y1:y2, x1:x2] = False
    smooth = np.asarray(cv2.GaussianBlur(attenuation, (0, 0), 0.7), np.float32)
    around = smooth[ring]
    contrast = np.maximum(smooth - np.median(around), 0)
    dense = _otsu(contrast[y1:y2, x1:x2])
    # A busy surrounding asks for more: its own spread must not pass for an item.
    spread = float(np.percentile(around, 75) - np.percentile(around, 25))
    there = contrast > max(HANGS_ON * dense, LEAST_CONTRAST, 0.75 * spread)
    there[ring] = False
    mask, main = _joined(there, contrast > dense)
    # Hollow things: what their walls enclose belongs to them, as far as it attenuates.
    mask |= _enclosed(mask) & (contrast > LEAST_CONTRAST)
    return mask if _trusted(mask[y1:y2, x1:x2], main) else None


def _otsu(contrast: NDArray[np.float32]) -> float:
    """The level that divides the box best in two (Otsu 1979)."""
    top = max(float(np.percentile(contrast, 98)), 1e-3)
    scaled = np.clip(contrast * (255 / top), 0, 255).astype(np.uint8)
    return float(cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[0]) * top / 255


def _joined(there: NDArray[np.bool_], seeds: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int]:
    """The connected pieces that hold a seed, gaps closed, dirt left out; and the area of the largest one's own box."""
    closed = cv2.morphologyEx(there.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(closed)
    seeded = np.zeros(count, bool)
    seeded[np.unique(labels[seeds])] = True
    seeded[0] = False
    areas = stats[:, cv2.CC_STAT_AREA] * seeded
    largest = stats[int(areas.argmax())]
    kept = np.asarray((seeded & (areas >= LEAST_PIECE * areas.max()))[labels], bool)
    return kept, int(largest[cv2.CC_STAT_WIDTH] * largest[cv2.CC_STAT_HEIGHT])


def _enclosed(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What of the rest cannot be reached from the cut-out's rim, which the outline never touches all around."""
    outside = np.pad(1 - mask.astype(np.uint8), 1, constant_values=1)
    _, labels = cv2.connectedComponents(outside, connectivity=4)
    return np.asarray((outside > 0) & (labels != labels[0, 0]), bool)[1:-1, 1:-1]


def _trusted(mask: NDArray[np.bool_], main: int) -> bool:
    """Whether an outline, over its drawn box, is one; main: area of its largest piece's own box."""
    if not COVERS[0] <= mask.mean() <= COVERS[1] or main < LEAST_FIT * mask.size:
        return False
    sides = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return bool(sides.mean() <= MOST_ALONG)
