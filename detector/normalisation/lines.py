"""Detector elements that say nothing: found, mended from their neighbours, and counted.

An element is judged by what it reports in air. A thin rail along a whole container must not be taken for a dead
element: in the air beside the container the rail is not there, a dead element still is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.normalisation.air import Float32

Flags = NDArray[np.bool_]

#: In air an element reports 1; outside this range it is dead or hot, whatever the flat field makes of it.
DEAD, HOT = 0.5, 1.5
#: Noise in air, against that of the median element and at least this share of air, of an element that cannot be used.
NOISY, LEAST_NOISE = 6.0, 0.05
#: Noise in air, in levels, from which its absence in one element means something.
LEAST_LEVELS = 2.0
#: Without air columns: a line this dark, or one that never changes, beside neighbours that see this much.
BLIND, SEEING = 0.02, 0.1


@dataclass(frozen=True)
class Mended:
    """transmission: (H, W), the faulty lines filled in. faulty: how many. widest: the most that lie side by side."""

    transmission: Float32
    faulty: int
    widest: int


def faulty_in_air(air: Float32, reference: float) -> Flags:
    """(rows,) which elements fail in air. air: (rows, columns) levels above dark of the air columns; reference: the
    level above dark that is usual."""
    level = np.median(air, axis=1) / max(reference, 1e-6)
    deviation = np.median(np.abs(air - np.median(air, axis=1, keepdims=True)), axis=1) / max(reference, 1e-6)
    usual = float(np.median(deviation))
    # Every sound element shows the noise of the beam; one that shows none is stuck at its level.
    odd = (deviation > max(NOISY * usual, LEAST_NOISE)) | ((deviation == 0) & (usual * reference > LEAST_LEVELS))
    flags: Flags = (level < DEAD) | (level > HOT) | odd
    return flags


def faulty_throughout(transmission: Float32) -> Flags:
    """(rows,) which lines of a scan are stuck, dark from end to end, or brighter than air, unlike those beside them."""
    # Four hundred pixels of a line tell; copied, since along a picture's columns they lie far apart in memory.
    sample = np.ascontiguousarray(transmission[:, :: max(1, transmission.shape[1] // 400)])
    level, least, most = np.median(sample, axis=1), sample.min(axis=1), sample.max(axis=1)
    around = _of_neighbours(level)
    blind = (level < BLIND) & (most < SEEING) & (around > SEEING)
    # A line of nothing but air does not change either, least of all in a scan without noise.
    stuck = (most == least) & (np.abs(level - around) > SEEING) & (np.abs(level - 1) > SEEING)
    flags: Flags = blind | stuck | ((level > HOT) & (around < HOT))
    return flags


def mend(transmission: Float32, faulty: Flags) -> Mended:
    """Fills faulty rows by linear interpolation between the nearest sound ones, in place."""
    sound = np.flatnonzero(~faulty)
    if len(sound):
        for row in np.flatnonzero(faulty):
            at = int(np.searchsorted(sound, row))
            above, below = sound[max(0, at - 1)], sound[min(at, len(sound) - 1)]
            share = np.float32(0 if above == below else (row - above) / (below - above))
            transmission[row] = (1 - share) * transmission[above] + share * transmission[below]
    return Mended(transmission, int(faulty.sum()), widest_run(faulty))


def _of_neighbours(level: NDArray[np.floating]) -> NDArray[np.floating]:
    """The median of the three lines on either side: of seven neighbours, two may be faulty as well."""
    reach = 3
    padded = np.pad(level, reach, mode="reflect" if len(level) > reach else "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    median: NDArray[np.floating] = np.median(np.delete(windows, reach, axis=1), axis=1)
    return median


def widest_run(flags: Flags) -> int:
    """The most flags (n,) set side by side."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0
