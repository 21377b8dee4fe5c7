"""Parts of a scan that hold one level where noise should have changed it: nothing was measured there.

A module of the detector that hangs, a tile of the file that was lost, a part that was painted over. `stripes.py` knows
the lines that are at fault from end to end; here a part of a line tells, wherever it lies.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.normalisation.air import BAND, Float32
from detector.normalisation.stripes import RESTLESS
from detector.scan import Pixels

Bool = NDArray[np.bool_]

#: Pixels in a row of one and the same level, along the belt or across it. Two neighbours of a scan with noise of a
#: level or more are equal less than half the time, seventeen never.
_WINDOW = 17
#: Levels of the root of transmission that are told apart: the noise of photons is the same at all of them.
_BINS, _HIGHEST = 64, 1.5
#: Transmission so near to 1 is air, which may be cut off at the highest level; and the pixels it takes at one level.
_NEAR_AIR, _LEAST_PIXELS = 0.1, 200
#: Pixels of a scan that are counted.
_SAMPLED = 1_000_000


def still_share(levels: Pixels, transmission: Float32, opaque: float, elements: Bool, moments: Bool) -> float:
    """Share, 0..1, of a view (H, W) where the level stands still although others like it do not.

    levels: as stored. transmission: of the same pixels. opaque: transmission up to which darkness may well be even.
    elements (H,), moments (W,): lines whose fault is known, which do not count.
    """
    step = max(1, int((levels.size / _SAMPLED) ** 0.5))
    rows = np.arange(0, len(levels), step)
    still = _still(levels)[rows]
    here = levels[rows].astype(np.float32)
    restless = np.zeros(here.shape, np.bool_)
    restless[:, 1:-1] = (here[:, 1:-1] - here[:, :-2]) * (here[:, 1:-1] - here[:, 2:]) > 0
    seen = transmission[rows]
    known = elements[rows][:, None] | moments[None]
    root = np.sqrt(np.clip(seen, 0, _HIGHEST**2))
    level = np.minimum(root * np.float32(_BINS / _HIGHEST), _BINS - 1).astype(np.uint8)
    counted = still & ~known & (seen > opaque)
    return float((counted & _moves(level, restless, ~still & ~known)[level]).mean())


def _still(levels: Pixels) -> Bool:
    """(H, W) the pixels of every window, along the belt or across it, that holds one level."""
    found = np.zeros(levels.shape, np.bool_)
    # Half a window to either side of its middle, and the same again from its middle to its ends.
    beside = 2 * (_WINDOW // 2)
    for start in range(0, len(levels), BAND):
        above = min(start, beside)
        rows = np.ascontiguousarray(levels[start - above : start + BAND + beside])
        same = np.zeros(rows.shape, np.uint8)
        for window in (np.ones((1, _WINDOW), np.uint8), np.ones((_WINDOW, 1), np.uint8)):
            middles = (cv2.dilate(rows, window) == cv2.erode(rows, window)).astype(np.uint8)
            same |= np.asarray(cv2.dilate(middles, window), np.uint8)
        found[start : start + BAND] = same[above : above + BAND] > 0
    return found


def _moves(level: NDArray[np.uint8], restless: Bool, sound: Bool) -> Bool:
    """(_BINS,) whether sound pixels of each level lie above or below both their neighbours, as noise makes them."""
    seen, moving = (
        cv2.calcHist([level], [0], chosen.view(np.uint8), [_BINS], [0, _BINS]).ravel().astype(np.int64)
        for chosen in (sound, sound & restless)
    )
    # At a level that nothing else has, what the scan does as a whole must tell; but clipped air is at home in such.
    middle = ((np.arange(_BINS) + 0.5) * (_HIGHEST / _BINS)) ** 2
    elsewhere = np.where(np.abs(middle - 1) < _NEAR_AIR, 0.0, moving.sum() / max(1, int(seen.sum())))
    found: Bool = np.where(seen >= _LEAST_PIXELS, moving / np.maximum(seen, 1), elsewhere) > RESTLESS
    return found
