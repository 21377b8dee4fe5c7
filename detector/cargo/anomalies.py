"""What in a homogeneous load differs from the rest of it: regions that are no named threat, only unlike their like.

A place is described by what an inspector looks at: how dense it is, how rough at two scales, which way its lines run,
and, with two energies, of which material it is. A load of one kind repeats along the vehicle, so a place is held
against all others at its height and in its stack; its score is the distance from them, and at 1 the most unlike
twentieth of its load begins. A load that changes along the vehicle has nothing to compare with: that is said, and no
region is given.

>>> found = find_anomalies(exposures(scan, profile)[0], (5.0, 5.0))
>>> found.homogeneity, found.regions
(0.93, (Anomaly(box_xyxy=(1208, 376, 1296, 448), score=3.3),))
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.cargo.occupancy import WALL_MM, cells_in, measure_occupancy
from detector.cargo.rooms import FLOOR, Box, Pitch, opened
from detector.normalisation.air import Float32, attenuation
from detector.normalisation.exposure import Exposure

Bool = NDArray[np.bool_]
Where = tuple[slice, slice]

#: Grid points a cell along each side: detail of 10 mm, the finest that noise leaves.
FINE = 4
#: Windows in which texture is described, and over which density and material are averaged, in grid points.
TEXTURE, DENSITY = 13, 25
#: Squared contrast below which roughness is noise.
QUIET = 1e-3
#: Quotients of attenuation that materials have at MeV energies; what is outside is noise.
QUOTIENTS = (1.0, 1.4)
#: How much of the covariance is drawn towards that of features that do not vary together.
SHRINKAGE = 0.2
#: Deviations are taken from this quantile: fill levels and gaps have heavy tails that the median does not see.
SPREAD_AT, SPREAD_IN_DEVIATIONS = 0.9, 1.645
#: Least deviation of each feature of `describe`: no two packages of one kind weigh or look quite the same.
LEAST_SPREAD = (0.04, 0.2, 0.2, 0.2, 0.008)
#: Distance in deviations beyond which a place does not count when it is learnt what is usual.
OUTLYING = 4.0
#: Share of the places of a load that lie nearer to the others than a score of 1; a bale of 70 cm fills 4 % of a load.
USUAL = 0.95
#: Cells that a load must have for one to be unlike the others; and that an anomaly has along each side at least.
LEAST_CELLS, LEAST_SIDE = 400, 3
#: Cells at the edges of a load, in whose windows is air.
EDGE = 3
#: Cells that a column of the load must have to have a median of its own.
STACK = 10
#: Length of the parts of a load that are held against one another, in cells, and how alike they must be.
PART, LEAST_HOMOGENEITY = 25, 0.55
#: Score from which a region is shown: 2 of 19 homogeneous loads of the simulation's TRAIN family reach it.
SHOWN = 2.3


@dataclass(frozen=True)
class Anomaly:
    """box_xyxy: in pixels of the scan. score: how far it is from its like; the most unlike twentieth of its load begins
    at 1. Not a probability, and not to be compared with scores of named threats."""

    box_xyxy: Box
    score: float


@dataclass(frozen=True)
class LoadComparison:
    """The load of one view, held against itself.

    homogeneity: 0..1, of the least homogeneous load; None where there is too little load to tell. mixed: whether some
    load was not compared, being mixed. too_little: how many rooms hold too little load to tell. regions: highest score
    first. scores: (h, w), 0 where nothing was compared.
    """

    homogeneity: float | None
    mixed: bool
    too_little: int
    regions: tuple[Anomaly, ...]
    scores: Float32
    cell: tuple[int, int]


def find_anomalies(exposure: Exposure, pitch_mm: Pitch, opaque_transmission: float = 0.002) -> LoadComparison:
    """Regions of each room's load that differ from the rest of it, in a view that was scanned at MeV energies.
    pitch_mm: side of a pixel across and down.

    Raises ScanWithoutContent as `measure_occupancy`.
    """
    occupancy = measure_occupancy(exposure, pitch_mm, opaque_transmission)
    scores = np.zeros_like(occupancy.map_mm)
    measured = []
    for box in occupancy.rooms:
        where = cells_in(box, occupancy.cell)
        load = _inner((occupancy.map_mm[where] > WALL_MM).astype(np.uint8))
        if int(load.sum()) < LEAST_CELLS:
            continue
        leveled = _unlike_its_height(describe(exposure, where, occupancy.cell), load)
        alike = homogeneity(_in_deviations(leveled, load), load)
        if alike is None:
            continue
        measured.append(alike)
        if alike >= LEAST_HOMOGENEITY:
            scores[where] = _scores(_in_deviations(_unlike_its_stack(leveled, load), load), load)
    return LoadComparison(
        homogeneity=min(measured, default=None),
        mixed=any(alike < LEAST_HOMOGENEITY for alike in measured),
        too_little=len(occupancy.rooms) - len(measured),
        regions=_regions(scores, occupancy.cell),
        scores=scores,
        cell=occupancy.cell,
    )


def _inner(load: NDArray[np.uint8]) -> Bool:
    side = 2 * EDGE + 1
    return cv2.erode(load, np.ones((side, side), np.uint8)) > 0


def describe(exposure: Exposure, where: Where, cell: tuple[int, int]) -> Float32:
    """(h, w, 4 or 5) what each cell of a part of the scan looks like: logarithms of density, of its roughness across
    and down and between two scales, all three relative to density, and the quotient of attenuations."""
    less = _fine(exposure.high, where, cell)
    across, down = (
        cv2.Sobel(less, cv2.CV_32F, one, 1 - one, ksize=3, scale=1 / 8, borderType=cv2.BORDER_REPLICATE)
        for one in (1, 0)
    )
    between = cv2.GaussianBlur(less, (0, 0), 1.5) - cv2.GaussianBlur(less, (0, 0), 4.5)
    density = np.maximum(_windowed(less, DENSITY), np.float32(0.05))
    level = 2 * np.log(_windowed(less, TEXTURE) + np.float32(0.1))
    found = [np.log(density)]
    found += [np.log(_windowed(part * part, TEXTURE) + np.float32(QUIET)) - level for part in (across, down, between)]
    if exposure.low is not None:
        quotient = _windowed(_fine(exposure.low, where, cell), DENSITY) / density
        found.append(np.clip(quotient, *QUOTIENTS))
    return np.stack(found, axis=-1).astype(np.float32)


def _fine(view: Float32, where: Where, cell: tuple[int, int]) -> Float32:
    """Attenuation on FINE x FINE points a cell."""
    rows, columns = where
    part = view[rows.start * cell[1] : rows.stop * cell[1], columns.start * cell[0] : columns.stop * cell[0]]
    size = ((columns.stop - columns.start) * FINE, (rows.stop - rows.start) * FINE)
    return attenuation(np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.float32), FLOOR)


def _windowed(values: Float32, side: int) -> Float32:
    """Means over windows around the middle of each cell."""
    return np.asarray(cv2.blur(values, (side, side))[FINE // 2 :: FINE, FINE // 2 :: FINE], np.float32)


def _unlike_its_height(described: Float32, load: Bool) -> Float32:
    """Less the median of the load in each row: layers differ from bottom to top."""
    held = described.copy()
    for row, inside in zip(held, load, strict=True):
        if inside.any():
            row -= np.median(row[inside], axis=0)
    return held


def _unlike_its_stack(leveled: Float32, load: Bool) -> Float32:
    """Less the median of the load in each column as well: stacks and the gaps between them differ along the vehicle."""
    held = leveled.copy()
    for column, inside in zip(held.swapaxes(0, 1), load.T, strict=True):
        if int(inside.sum()) >= STACK:
            column -= np.median(column[inside], axis=0)
    return held


def _in_deviations(held: Float32, load: Bool) -> Float32:
    """In usual deviations of each feature."""
    spread = np.quantile(np.abs(held[load]), SPREAD_AT, axis=0) / SPREAD_IN_DEVIATIONS
    return np.asarray(held / np.maximum(spread, LEAST_SPREAD[: held.shape[2]]), np.float32)


def homogeneity(centred: Float32, load: Bool) -> float | None:
    """How much of what varies in a load (h, w) varies within parts of it, 0..1; the rest is between the parts. None of
    a load of one part, which nothing shows to be homogeneous.

    Of the feature that varies most between them: loads may be alike in density and differ in texture. A part counts by
    its median, so that nothing small in it makes a load mixed. centred: (h, w, features).
    """
    parts = []
    for start in range(0, load.shape[1], PART):
        inside = load[:, start : start + PART]
        if int(inside.sum()) >= LEAST_CELLS // 4:
            parts.append(np.median(centred[:, start : start + PART][inside], axis=0))
    if len(parts) < 2:
        return None
    between = np.var(np.stack(parts), axis=0)
    within = np.var(np.clip(centred[load], -OUTLYING, OUTLYING), axis=0)
    return float(np.clip(1 - (between / np.maximum(within, 1e-6)).max(), 0, 1))


def _scores(centred: Float32, load: Bool) -> Float32:
    """(h, w) distance of each cell of a load from the others, of what is at least LEAST_SIDE cells wide and high."""
    places = centred[load]
    usual = places[(np.abs(places) < OUTLYING).all(axis=1)]
    covariance = np.atleast_2d(np.cov(usual.T)) if len(usual) > places.shape[1] else np.eye(places.shape[1])
    mean = np.trace(covariance) / len(covariance)
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * mean * np.eye(len(covariance))
    distances = np.sqrt(np.einsum("ij,jk,ik->i", places, np.linalg.inv(shrunk), places))
    scores = np.zeros(load.shape, np.float32)
    scores[load] = distances / max(float(np.quantile(distances, USUAL)), 1e-6)
    return opened(scores, (LEAST_SIDE, LEAST_SIDE))


def _regions(scores: Float32, cell: tuple[int, int]) -> tuple[Anomaly, ...]:
    count, labels, stats, _ = cv2.connectedComponentsWithStats((scores >= SHOWN).astype(np.uint8))
    found = []
    for number in range(1, count):
        left, top, wide, high = (int(value) for value in stats[number, :4])
        box = left * cell[0], top * cell[1], (left + wide) * cell[0], (top + high) * cell[1]
        found.append(Anomaly(box, round(float(scores[labels == number].max()), 2)))
    return tuple(sorted(found, key=lambda anomaly: -anomaly.score))
