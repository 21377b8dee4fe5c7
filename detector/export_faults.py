"""What may have been done to a picture between the scanner and the file: darkened, paled, blurred, enlarged, red for
blue, a part painted over.

A network finds less in such a picture and is no less sure of it, so it is looked at and may alarm, but is not cleared.
`python -m training.studies.export_fault_study` says how often each is told, and what the network makes of it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

UInt8 = NDArray[np.uint8]

#: Looked at no larger than this, pixels: about what the network is given of it, whatever the file stores.
LONG_SIDE = 640
#: The level, of 255, that one pixel in a hundred reaches in every channel: that of air. Of 4,557 real scans of seven
#: sources none has less than 191.
AIR_PERCENTILE, LEAST_AIR = 99.0, 180
#: Strokes narrower than this share of the picture's long side are left out of what follows: a caption's are darker than
#: all that a pale picture shows, and sharper than all that a blurred one does.
STROKE = 7 / 640
#: The level that one in a hundred of the pixels darker than air lies below, in its darkest channel. Of 4,557 real scans
#: 10 have more.
DARK_PERCENTILE, PALEST = 1.0, 120
#: An edge's steepest step over two pixels, as a share of its height, in the median over the highest edges. Three of
#: 4,557 real scans have less than this; blurred by a deviation of 2 pixels 57 of 60 have, of 3 pixels all.
LEAST_SHARPNESS = 0.5
#: Side in pixels of the squares in which edges are measured, the share of pixels that lie at high ones, percent, and
#: the levels from which there is an edge at all.
WINDOW, HIGH_EDGES, LEAST_EDGE = 9, 5.0, 20

#: Pixels whose channels differ by more than this have a colour, unless their darkest channel is as bright as air.
COLOURED, COLOURED_BELOW = 40, 240
#: Displays paint organic things, which absorb little, orange, and metal blue: warm pixels are brighter than cool ones,
#: by 58 levels in the median real scan. One in five hundred has cool ones that are brighter by more than this; of
#: scans with red and blue swapped nine in ten have.
MOST_TURNED = 25.0

#: Levels below air's that a painted part may lie, and the brightest level that it takes; its least share of the picture
#: and shortest side in pixels of a picture of at most this long side; and how much of the rectangle around it it fills.
#: Within a bag something always takes a level or two: of 4,557 real scans one has an enclosed patch of air so large and
#: so square (0.02 % [0.001, 0.12]).
BELOW_AIR, WHITE, LEAST_PAINTED, LEAST_PAINTED_SIDE, PAINTED_LONG_SIDE = 8, 245, 0.001, 12, 1280
RECTANGULAR = 0.9


def export_doubts(image: UInt8) -> tuple[str, ...]:
    """Why a picture (H, W, 3) uint8, as it was stored, must not be cleared; empty where nothing is odd."""
    shrunk = _shrunk(image)
    darkest, _ = _extremes(shrunk)
    broad = _without_strokes(darkest)
    air, sharp = _air_level(darkest), sharpness(broad)
    doubts = []
    if air < LEAST_AIR:
        doubts.append(
            f"the picture is dark: its air has level {air:.0f} of 255, that of real exports {LEAST_AIR} and more"
        )
    if sharp < LEAST_SHARPNESS:
        doubts.append(
            f"the picture is blurred: its edges have a sharpness of {sharp:.2f}, those of real exports "
            f"{LEAST_SHARPNESS} and more; it may be enlarged from a thumbnail"
        )
    dark = _dark_level(broad[darkest < air - BELOW_AIR])
    if dark > PALEST:
        doubts.append(
            f"the picture is pale: what it shows darkest has level {dark:.0f} of 255, that of real exports {PALEST} "
            "and less; its contrast may be lost"
        )
    turned = -warmth(shrunk)
    if turned > MOST_TURNED:
        doubts.append(
            f"the picture's orange parts are darker than its blue ones by {turned:.0f} levels: red and blue may be "
            "swapped in the export"
        )
    painted = painted_over(image, air)
    if painted:
        doubts.append(f"a rectangle as bright as air fills {painted:.1%} of the picture: a part may be painted over")
    return tuple(doubts)


def painted_over(image: UInt8, air: float) -> float:
    """Share, 0..1, of a picture (H, W, 3) that its largest rectangle as bright as air takes, of those with none of the
    picture's border; 0 where there is none. air: the picture's `air_level`.

    A rectangle that runs into air, or is painted in another colour, is not told by this.
    """
    step = -(-max(image.shape[:2]) // PAINTED_LONG_SIDE)
    darkest, _ = _extremes(np.ascontiguousarray(image[::step, ::step]))
    height, width = darkest.shape
    bright = (darkest >= min(WHITE, air - BELOW_AIR)).astype(np.uint8)
    # JPEG rings along the edges of paint.
    whole = cv2.morphologyEx(bright, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(whole, connectivity=4)
    # Label 0 is what is not bright.
    left, top, across, down, area = stats[1:].T
    within = (left > 0) & (top > 0) & (left + across < width) & (top + down < height)
    large = (area >= LEAST_PAINTED * darkest.size) & (np.minimum(across, down) >= LEAST_PAINTED_SIDE)
    square = area >= RECTANGULAR * across * down
    return float(area[within & large & square].max(initial=0)) / darkest.size


def air_level(image: UInt8) -> float:
    """The level of air in a picture (H, W, 3), of 255: what one pixel in a hundred reaches in every channel."""
    return _air_level(_extremes(_shrunk(image))[0])


def _air_level(darkest: UInt8) -> float:
    return float(np.percentile(darkest, AIR_PERCENTILE))


def _without_strokes(darkest: UInt8) -> UInt8:
    """(H, W) with dark strokes, as of writing, as bright as what is around them."""
    side = max(1, round(STROKE * max(darkest.shape)))
    return np.asarray(cv2.morphologyEx(darkest, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8)), np.uint8)


def _dark_level(cargo: UInt8) -> float:
    """The level of what is darkest in (n,) pixels that are no air, however few they are; 0 of none."""
    return float(np.percentile(cargo, DARK_PERCENTILE)) if cargo.size else 0.0


def warmth(image: UInt8) -> float:
    """By how many levels the pixels of (H, W, 3) with more red than blue are brighter than those with more blue, in
    the mean; 0 where either are missing."""
    sampled = np.ascontiguousarray(image[::2, ::2])
    darkest, brightest = _extremes(sampled)
    coloured = sampled[(brightest - darkest > COLOURED) & (darkest < COLOURED_BELOW)]
    warm, levels = coloured[:, 0] > coloured[:, 2], coloured @ np.full(3, 1 / 3, np.float32)
    if warm.all() or not warm.any():
        return 0.0
    return float(levels[warm].mean() - levels[~warm].mean())


def sharpness(levels: UInt8) -> float:
    """How steep the highest edges of (H, W) are: 1 where they rise within two pixels, or where nothing differs; 0 where
    levels differ as much, but over more than a window."""
    if min(levels.shape) < 3:
        # What is left of a strip hundreds of times as long as wide: no pixel has neighbours on both sides.
        return 1.0
    window = np.ones((WINDOW, WINDOW), np.uint8)
    heights = cv2.subtract(cv2.dilate(levels, window), cv2.erode(levels, window))
    steps = np.zeros_like(levels)
    steps[:, 1:-1] = cv2.absdiff(levels[:, 2:], levels[:, :-2])
    steps[1:-1] = np.maximum(steps[1:-1], cv2.absdiff(levels[2:], levels[:-2]))
    high = heights >= max(LEAST_EDGE, float(np.percentile(heights, 100 - HIGH_EDGES)))
    if not high.any():
        return float(np.ptp(levels) < LEAST_EDGE)
    steepest = cv2.dilate(steps, window)[high].astype(np.float32)
    return float(np.median(steepest / heights[high]))


def _extremes(image: UInt8) -> tuple[UInt8, UInt8]:
    """The darkest and the brightest channel of each pixel, (H, W) each."""
    red, green, blue = cv2.split(image)
    darkest, brightest = cv2.min(cv2.min(red, green), blue), cv2.max(cv2.max(red, green), blue)
    return np.asarray(darkest, np.uint8), np.asarray(brightest, np.uint8)


def _shrunk(image: UInt8) -> UInt8:
    scale = LONG_SIDE / max(image.shape[:2])
    if scale >= 1:
        return image
    width, height = (max(1, round(length * scale)) for length in image.shape[1::-1])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
