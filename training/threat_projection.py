"""Threat image projection: items of some scans, put into the beam of others (Beer-Lambert).

Transmissions of things behind one another multiply: I = I0 * T_bag * T_item, at each energy. An item's own attenuation
is its cut-out's less that of what surrounds it, so the bag it came from stays behind; put into another bag it adds to
what is there, and the sum is coloured as a scanner would (training/pseudo_colour.py). Plain pasting, which replaces
pixels, teaches the seams instead (PAD-F, arXiv 2411.18078; Rogers et al. 2016).

    item = take_out(image, box, class_id)
    projection = project(other, item, generator)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.item_outline import outline
from training.pseudo_colour import TwoEnergy, add, brightness, estimate, is_one_energy, recolour

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Cut-outs carry this share of their size as margin: to see the surrounding, and to fade an item without outline.
MARGIN = 0.12
#: Surroundings darker than this (of 255) hide too much of the item to take it out of them.
LEAST_SURROUNDING = 110.0
#: Standard deviation of the levels (of 255) around an item, beyond which things lie there that its cut-out would carry
#: along, as it does from a toolbox: half of all items are in quieter places.
MOST_UNREST = 40.0
#: Smallest side of an item worth projecting, in pixels.
LEAST_SIDE = 16
#: Attenuation around a box without outline, as a share of that within it, from which the box is no cut-out.
MOST_AROUND = 0.4
#: An item that changes the scan under it by less than this (of 255) on average cannot be seen.
LEAST_CHANGE = 8.0
#: Darker than this (of 255) nothing can be told apart; a box of which a larger share turns so dark is hidden.
DARK, MOST_HIDDEN = 16.0, 0.5
#: Places tried until the item is seen and hides nobody.
TRIES = 4
#: Places compared at most, when clutter or air is preferred.
PLACES = 8
#: Attenuation at the low energy over that at the high one, of nearly anything; what is beyond is taken for noise. So
#: polyethylene (1.145), copper, brass and zinc (3.5) become a little less extreme, and lead (0.905, as 100 keV lies
#: above its K edge) becomes organic.
RATIOS = (1.15, 3.3)
#: Attenuation above which something of a bag is there.
BAG = 0.06


@dataclass(frozen=True)
class Item:
    """An item taken out of its bag.

    attenuation: its own, (h, w), 0 around it. mask: (h, w) float32, 0..1, where the item is. pixels: (h, w, 3) uint8
    as they were. grey: from a scan without colours; its `high` is then the displayed attenuation itself. outlined:
    whether the mask follows the item; else it is its box, which must not be turned askew.
    """

    attenuation: TwoEnergy
    mask: Float32
    pixels: UInt8
    class_id: int
    grey: bool
    outlined: bool


@dataclass(frozen=True)
class Variation:
    """How a projected item may differ from the one taken out.

    turn: degrees either way; an item without outline takes the quarter turns among them. scale, thickness: largest
    factor up or down; thickness multiplies the attenuation. clutter: 0 looks for a place in the air, 1 for the densest
    one, 0.5 takes any. opaque: pastes pixels over the bag instead of projecting, to be compared with.
    """

    turn: float = 180.0
    scale: float = 1.25
    thickness: float = 1.25
    clutter: float = 0.5
    opaque: bool = False


@dataclass(frozen=True)
class Projection:
    """A scan with an item in it.

    image: (H, W, 3) uint8. box: x1 y1 x2 y2, float32 pixels of it, of the mask as it lies. mask: (h, w) bool, its top
    left corner at `corner` (x, y). obscuration: mean displayed attenuation, -ln(level / 255), of what the item is in
    the beam with, under its mask.
    """

    image: UInt8
    box: Float32
    mask: Bool
    corner: tuple[int, int]
    obscuration: float


def take_out(image: UInt8, box: Float32, class_id: int) -> Item | None:
    """The item in `box` (x1 y1 x2 y2, pixels) of an RGB image (H, W, 3); None where it cannot be told from its bag."""
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    margin = max(2, round(MARGIN * max(x2 - x1, y2 - y1)))
    left, top = max(0, x1 - margin), max(0, y1 - margin)
    cut = image[top : y2 + margin, left : x2 + margin]
    inner = (x1 - left, y1 - top, min(x2 - left, cut.shape[1]), min(y2 - top, cut.shape[0]))
    if min(x2 - x1, y2 - y1) < LEAST_SIDE or min(cut.shape[:2]) < LEAST_SIDE:
        return None
    ring = np.ones(cut.shape[:2], bool)
    ring[inner[1] : inner[3], inner[0] : inner[2]] = False
    if not ring.any() or np.percentile(cut[ring], 60, axis=0).mean() < LEAST_SURROUNDING:
        return None
    grey = is_one_energy(image)
    seen = _one_energy(cut) if grey else estimate(cut)
    found = outline(seen.low, inner)
    if found is None and not _clear_around(seen.low, ring):
        return None
    if _unrest(cut, ring if found is None else ~found) > MOST_UNREST:
        return None
    soft = _fade(ring.shape, inner) if found is None else cv2.GaussianBlur(found.astype(np.float32), (0, 0), 0.8)
    own = _less(seen, _surrounding(seen, ring, found), np.asarray(soft, np.float32))
    mask = np.asarray(~ring if found is None else found, np.float32)
    return Item(own, mask, cut.copy(), class_id, grey, found is not None)


def _one_energy(cut: UInt8) -> TwoEnergy:
    levels = cv2.cvtColor(cut, cv2.COLOR_RGB2GRAY).astype(np.float32)
    attenuation = -np.log(np.maximum(levels, 0.5) / np.float32(255))
    return TwoEnergy(attenuation, attenuation, np.zeros_like(attenuation))


def _clear_around(low: Float32, ring: Bool) -> bool:
    """Whether a box without an outline ends in something like air: else it would carry its neighbours' halves along."""
    over = np.maximum(low - np.percentile(low[ring], 40), 0)
    return bool(over[ring].mean() <= MOST_AROUND * over[~ring].mean())


def _unrest(cut: UInt8, around: Bool) -> float:
    """How much the levels of a cut-out vary beside the item, its blurred edge left out."""
    beside = cv2.erode(around.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    return float(cut[beside].mean(axis=1).std()) if beside.any() else 0.0


def _surrounding(seen: TwoEnergy, ring: Bool, found: Bool | None) -> tuple[Float32, Float32]:
    """Attenuation of the bag where the item is, at both energies: carried in from around its outline."""
    parts = (seen.low, seen.high)
    if found is None:
        flat = [np.full(ring.shape, np.percentile(part[ring], 40), np.float32) for part in parts]
        return flat[0], flat[1]
    # The outline's own blurred edge is no surrounding.
    known = 1 - cv2.dilate(found.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.float32)
    reach = max(ring.shape) / 12
    weight = cv2.GaussianBlur(known, (0, 0), reach) + np.float32(1e-4)
    carried = [cv2.GaussianBlur(part * known, (0, 0), reach) / weight for part in parts]
    return np.asarray(carried[0], np.float32), np.asarray(carried[1], np.float32)


def _less(seen: TwoEnergy, surrounding: tuple[Float32, Float32], soft: Float32) -> TwoEnergy:
    """What is seen without its surrounding, where `soft` (0..1) says that the item is."""
    low, high = (np.maximum(part - around, 0) for part, around in zip((seen.low, seen.high), surrounding, strict=True))
    # Hardly anything lies outside these ratios; where it does, the high energy, which is the displayed one, counts.
    # (Of a grey scan the low energy is never asked for.)
    low = np.clip(low, *(ratio * high for ratio in RATIOS))
    return TwoEnergy(low * soft, high * soft, seen.strength)


def _fade(shape: tuple[int, ...], inner: tuple[int, int, int, int]) -> Float32:
    """1 inside the box, falling to 0 at the cut-out's edge."""
    mask = np.zeros((shape[0] + 2, shape[1] + 2), np.uint8)
    mask[inner[1] + 1 : inner[3] + 1, inner[0] + 1 : inner[2] + 1] = 1
    distance = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3)[1:-1, 1:-1]
    return np.asarray(np.clip(1.0 - distance / max(1.0, float(distance.max())), 0.0, 1.0), np.float32)


def project(
    image: UInt8,
    item: Item,
    generator: np.random.Generator,
    variation: Variation = Variation(),
    boxes: Float32 | None = None,
) -> Projection | None:
    """`image` (H, W, 3) with the item in its beam, varied and somewhere in the bag; the image handed in stays as it is.

    boxes: (n, 4) pixels, what is already in it and must remain to be seen. None when the item does not fit, would not
    be seen or would hide another, or is grey and the scan is not.
    """
    grey = is_one_energy(image)
    if item.grey and not grey:
        return None
    varied = _vary(item, generator, variation)
    levels = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    transmission = np.exp(-varied.attenuation.high) if item.grey else brightness(varied.attenuation)
    place = _choose_place(levels, (varied.mask > 0.5, transmission), generator, variation, boxes)
    if place is None:
        return None
    corner, obscuration = place
    out = image.copy()
    window = out[corner[1] : corner[1] + varied.mask.shape[0], corner[0] : corner[0] + varied.mask.shape[1]]
    window[:] = _seen_through(window, varied, transmission, grey=grey, opaque=variation.opaque)
    mask = varied.mask > 0.5
    x1, y1, x2, y2 = _extent(mask)
    box = np.array([x1, y1, x2, y2], np.float32) + np.array(corner * 2, np.float32)
    return Projection(out, box, mask, corner, obscuration)


def _seen_through(window: UInt8, item: Item, transmission: Float32, *, grey: bool, opaque: bool) -> UInt8:
    """A window of a scan (h, w, 3) with the item before it."""
    if opaque:
        share = item.mask[..., None]
        return np.asarray(np.rint(window * (1 - share) + item.pixels * share), np.uint8)
    if grey:
        return np.asarray(np.rint(window * transmission[..., None]), np.uint8)
    through = recolour(add(estimate(window), item.attenuation))
    # Pixels that the item does not touch stay what they were, to the bit.
    return np.asarray(np.where((item.attenuation.high > 0)[..., None], through, window), np.uint8)


def _vary(item: Item, generator: np.random.Generator, variation: Variation) -> Item:
    angle = float(generator.uniform(-variation.turn, variation.turn))
    scale, thickness = (float(most ** generator.uniform(-1, 1)) for most in (variation.scale, variation.thickness))
    if not item.outlined:
        angle = 90.0 * round(angle / 90)
    if generator.random() < 0.5:
        item = _mirrored(item)
    stack = np.dstack([item.attenuation.low, item.attenuation.high, item.attenuation.strength, item.mask])
    matrix, size = _motion(item.mask.shape, angle, scale)
    low, high, strength, mask = cv2.split(cv2.warpAffine(stack, matrix, size, flags=cv2.INTER_LINEAR))
    pixels = cv2.warpAffine(item.pixels, matrix, size) if variation.opaque else item.pixels
    factor = np.float32(thickness)
    moved = TwoEnergy(*(np.asarray(part, np.float32) for part in (low * factor, high * factor, strength)))
    return replace(item, attenuation=moved, mask=np.asarray(mask, np.float32), pixels=np.asarray(pixels, np.uint8))


def _mirrored(item: Item) -> Item:
    seen = item.attenuation
    flipped = TwoEnergy(seen.low[:, ::-1], seen.high[:, ::-1], seen.strength[:, ::-1])
    return replace(item, attenuation=flipped, mask=item.mask[:, ::-1], pixels=item.pixels[:, ::-1])


def _motion(shape: tuple[int, ...], angle: float, scale: float) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Turn and scale about the middle, onto a canvas (width, height) that holds all of it."""
    height, width = shape
    cosine, sine = (abs(scale * turn(np.radians(angle))) for turn in (np.cos, np.sin))
    size = (max(8, round(width * cosine + height * sine)), max(8, round(width * sine + height * cosine)))
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, scale)
    matrix[:, 2] += ((size[0] - width) / 2, (size[1] - height) / 2)
    return np.asarray(matrix), size


def _choose_place(
    levels: Float32,
    item: tuple[Bool, Float32],
    generator: np.random.Generator,
    variation: Variation,
    boxes: Float32 | None,
) -> tuple[tuple[int, int], float] | None:
    """Top left corner (x, y) of the item's window, and the attenuation there; None where there is none."""
    mask, transmission = item
    if not mask.any() or mask.shape[0] >= levels.shape[0] or mask.shape[1] >= levels.shape[1]:
        return None
    spans = _spans(levels, mask)
    wanted = 1 + round(abs(2 * variation.clutter - 1) * (PLACES - 1))
    found: list[tuple[float, tuple[int, int]]] = []
    for _ in range(wanted + TRIES - 1):
        corner = (int(generator.integers(*spans[0])), int(generator.integers(*spans[1])))
        window = levels[corner[1] : corner[1] + mask.shape[0], corner[0] : corner[0] + mask.shape[1]]
        behind = window[mask]
        seen = variation.opaque or float((behind * (1 - transmission[mask])).mean()) >= LEAST_CHANGE
        if seen and not _hides(levels, window * transmission, corner, boxes):
            found.append((float(-np.log(np.maximum(behind, 0.5) / 255).mean()), corner))
        if len(found) == wanted:
            break
    if not found:
        return None
    obscuration, corner = max(found) if variation.clutter > 0.5 else min(found)
    return corner, obscuration


def _spans(levels: Float32, mask: Bool) -> list[tuple[int, int]]:
    """For x and y, from where to where the window's corner may lie: the item within the bag, if it fits there."""
    x1, y1, x2, y2 = _extent(mask)
    bag = cv2.resize(levels, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA) < 255 * np.exp(-BAG)
    spans = []
    for axis, (low, high) in enumerate(((x1, x2), (y1, y2))):
        # Windows must lie within the scan whole, even where only their empty rim would leave it.
        first, last = 0, levels.shape[1 - axis] - mask.shape[1 - axis]
        there = np.flatnonzero(bag.any(axis=axis)) * 8
        if len(there):
            inside = max(first, int(there[0]) - low), min(last, int(there[-1]) + 8 - high)
            first, last = inside if inside[0] <= inside[1] else (first, last)
        spans.append((first, last + 1))
    return spans


def _hides(levels: Float32, now: Float32, corner: tuple[int, int], boxes: Float32 | None) -> bool:
    """Whether a box, half of which or more could be seen, would be too dark for it under the window `now`."""
    left, top = corner
    bottom, right = top + now.shape[0], left + now.shape[1]
    for x1, y1, x2, y2 in np.zeros((0, 4), int) if boxes is None else np.rint(boxes).astype(int):
        ax, ay, bx, by = max(x1, left), max(y1, top), min(x2, right), min(y2, bottom)
        if ax < bx and ay < by:
            darkened = (now[ay - top : by - top, ax - left : bx - left] < DARK) & (levels[ay:by, ax:bx] >= DARK)
            if darkened.sum() > MOST_HIDDEN * (x2 - x1) * (y2 - y1):
                return True
    return False


def _extent(mask: Bool) -> tuple[int, int, int, int]:
    """x1 y1 x2 y2 of what is set, ends excluded; nothing where nothing is."""
    if not mask.any():
        return 0, 0, 0, 0
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
