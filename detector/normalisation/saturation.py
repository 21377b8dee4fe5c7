"""What a detector cut off at its highest level: thin things vanish there, and dense ones look thinner."""

from __future__ import annotations

import cv2
import numpy as np

from detector.scan import Pixels

#: Share of a raw scan at its highest level above which thin things may have been lost in white.
MOST_SATURATED = 0.02
#: An air value that the profile itself puts this near the highest level is meant.
TOP = 0.995
#: The highest level is that of this percentile: a few hot cells may lie above it.
_HIGHEST = 99.9
#: Side in pixels of a part of air in which noise leaves some pixel below the highest level.
_PART = 5


def saturated_share(levels: Pixels, full_scale: int, meant: float | None) -> float:
    """Share, 0..1, of a raw view (H, W) at its highest level: cut off there, at full scale or below.

    meant: the level of air that the profile gives, None if it gives none. Where air is to be the highest level, half of
    its pixels may lie there by their noise. Only parts without a pixel below it count then: they may be any amount
    brighter than what the detector can tell.
    """
    if not levels.size:
        return 0.0
    step = max(1, int((levels.size / 1_000_000) ** 0.5))
    top = min(full_scale, float(np.percentile(levels[::step, ::step], _HIGHEST, method="lower")))
    cut_off = (levels >= top).astype(np.uint8)
    side = _PART if meant is not None and meant >= TOP * top else 1
    return cv2.countNonZero(cv2.erode(cut_off, np.ones((side, side), np.uint8))) / levels.size
