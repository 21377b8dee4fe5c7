"""Detector elements that say nothing: found, mended from their neighbours, and counted.

An element is judged by what it reports in air. A thin rail along a whole container must not be taken for a dead
element: in the air beside the container the rail is not there, a dead element still is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.normalisation.air import Float32
from detector.normalisation.stripes import COPIES, dimmed, ends_of, frozen, is_noisy, runs

Flags = NDArray[np.bool_]

#: In air an element reports 1; outside this range it is dead or hot, whatever the flat field makes of it.
DEAD, HOT = 0.5, 1.5
#: Noise in air, against that of the median element and at least this share of air, of an element that cannot be used.
NOISY, LEAST_NOISE = 6.0, 0.05
#: Noise in air, in levels, from which its absence in one element means something.
LEAST_LEVELS = 2.0
#: Without air columns: a line this dark, or one that never changes, beside neighbours that see this much.
BLIND, SEEING = 0.02, 0.1
#: How many lines on either side tell what a line should see.
_BESIDE = 3
#: Where the lines beside a wide dark block end, is air if it lets this much through: there a sound line sees.
AIR_FROM = 0.95
#: Share of the lines beyond which those brighter than air are no fault of theirs, but of what was taken for air.
MOST_HOT = 1 / 3


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
    """(rows,) which lines of a scan are stuck, dark from end to end, brighter than air, or of another gain.

    However many lie side by side. In a picture cut off within an object, what is dark from edge to edge may be matter,
    if it shows the noise of the beam.
    """
    # Four hundred pixels of a line tell; copied, since along a picture's columns they lie far apart in memory.
    sample = np.ascontiguousarray(transmission[:, :: max(1, transmission.shape[1] // 400)])
    level, least, most = np.median(sample, axis=1), sample.min(axis=1), sample.max(axis=1)
    blind = (level < BLIND) & (most < SEEING)
    hot = level > HOT
    # A scan that is too bright throughout has no faulty lines: it is judged as a whole.
    hot &= float(hot.mean()) <= MOST_HOT
    # A line of nothing but air may not change either, where air is clipped.
    around = _of_neighbours(level)
    stuck = (most == least) & (np.abs(level - around) > SEEING) & (np.abs(level - 1) > SEEING)
    flags: Flags = hot | frozen(transmission)
    if stuck.any() and is_noisy(transmission):
        flags |= stuck
    flags |= _unseeing(blind, ~(blind | flags), around, ends_of(transmission).max(axis=0))
    return np.asarray(flags | dimmed(transmission, flags), np.bool_)


def _unseeing(blind: Flags, seeing: Flags, around: NDArray[np.floating], ends: NDArray[np.floating]) -> Flags:
    """(rows,) which blind lines would see if they could. around: level of the lines near each; ends: of its brighter
    end."""
    flags = np.zeros_like(blind)
    sound = np.flatnonzero(seeing)
    for start, end in runs(blind):
        at = int(np.searchsorted(sound, start))
        beside = [side for side in (sound[max(0, at - _BESIDE) : at], sound[at : at + _BESIDE]) if len(side)]
        in_air = bool(beside) and all(np.median(ends[side]) > AIR_FROM for side in beside)
        flags[start:end] = in_air | ((end - start <= COPIES) & (around[start:end] > SEEING))
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
    padded = np.pad(level, _BESIDE, mode="reflect" if len(level) > _BESIDE else "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _BESIDE + 1)
    median: NDArray[np.floating] = np.median(np.delete(windows, _BESIDE, axis=1), axis=1)
    return median


def widest_run(flags: Flags) -> int:
    """The most flags (n,) set side by side."""
    return max((end - start for start, end in runs(flags)), default=0)
