"""Lines of a scan that report something, but not what the beam brought: frozen ones, and ones of another gain.

Both are known by their noise. Where pixels of a level lie above or below both their neighbours all over the scan, a
line of that level in which none does was not measured. Matter takes photons away, so what is behind it is noisier for
its level than air is; a lost half of the gain takes signal and noise alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.normalisation.air import Float32

Bool = NDArray[np.bool_]

#: Pixels of a line that are looked at.
_SAMPLED = 200
#: Lines in a row that may be copies of one: scanners fill a lost pulse with the last, and exports double lines.
COPIES = 4
#: Share of a line's pixels that should lie above or below both their neighbours before it is told that none does: two
#: thirds do in noise, none where there is no noise or air is clipped, and hardly any along the edges of things.
RESTLESS = 0.3
#: Share of all pixels from which a scan has noise, however little: sheets and posts make fewer.
_NOISY = 0.03
#: Levels of transmission that are told apart for it, the pixels it takes at one level, and the lines in all.
_BIN, _BINS, _LEAST_PIXELS, _LEAST_LINES = 0.05, 64, 200, 10
#: Transmission so near to 1 is air: a scan may hold no more of it than lines of clipped air.
_NEAR_AIR = 0.1
#: A line whose own air lies below this share of air's has another gain; so much may its ends differ from its brightest.
DIM, _ALIKE = 0.75, 0.1
#: The ends of a line, of its length; and where they are air in most lines, they lie above this.
_END, _AIR_FROM = 1 / 50, 0.9
#: Percentile of a line that is its air, if it holds any.
_BRIGHTEST = 97


def frozen(transmission: Float32) -> Bool:
    """(rows,) which lines never change, or repeat the one before them more than COPIES times, where noise should have
    changed it. transmission: (rows, columns)."""
    here, beside, after = _sampled(transmission)
    constant: Bool = (here.max(axis=1) == here.min(axis=1)) & (here == beside).all(axis=1)
    flags = constant & _should_be_restless(beside, _restless(here, beside, after), ~constant)
    copied = np.zeros(len(here), np.bool_)
    copied[1:] = (here[1:] == here[:-1]).all(axis=1)
    across = np.zeros(here.shape, np.bool_)
    across[1:-1] = _restless(here[:-2], here[1:-1], here[2:])
    alone = ~copied & ~np.roll(copied, -1)
    # The first line and the last have one neighbour.
    alone[[0, -1]] = False
    return flags | _in_long_runs(copied & _should_be_restless(here, across, alone))


def is_noisy(transmission: Float32) -> bool:
    """Whether there is noise along the lines of a scan; in a simulated one without, lines of one level are right."""
    return float(_restless(*_sampled(transmission)).mean()) > _NOISY


def _sampled(transmission: Float32) -> tuple[Float32, Float32, Float32]:
    """(rows, n) every so many pixels of each line, the ones next to them, and the ones after those."""
    step = max(1, transmission.shape[1] // _SAMPLED)
    count = len(range(2, transmission.shape[1], step))
    # Lines of one or two pixels have no such neighbours: nothing moves in them.
    starts = (0, 1, 2) if count else (0, 0, 0)
    here, beside, after = (np.ascontiguousarray(transmission[:, start::step][:, : max(1, count)]) for start in starts)
    return here, beside, after


def _restless(before: Float32, here: Float32, after: Float32) -> Bool:
    """Whether values lie above or below both their neighbours."""
    found: Bool = (here - before) * (here - after) > 0
    return found


def _should_be_restless(values: Float32, restless: Bool, sound: Bool) -> Bool:
    """(n,) whether pixels of the levels of each line are restless in the lines that are sound.

    values, restless: (n, m) transmission, and whether a pixel is. sound: (n,).
    """
    if int(sound.sum()) < _LEAST_LINES:
        return np.zeros(len(values), np.bool_)
    level = np.clip(values / np.float32(_BIN), 0, _BINS - 1).astype(np.uint8)
    seen = np.bincount(level[sound].ravel(), minlength=_BINS)
    moving = np.bincount(level[sound][restless[sound]], minlength=_BINS)
    # At a level that no other line has, what the scan does as a whole must tell; clipped air is at home in such lines.
    near_air = np.abs((np.arange(_BINS) + 0.5) * _BIN - 1) < _NEAR_AIR
    elsewhere = np.where(near_air, 0.0, moving.sum() / max(1, int(seen.sum())))
    share = np.where(seen >= _LEAST_PIXELS, moving / np.maximum(seen, 1), elsewhere)
    found: Bool = share[level].mean(axis=1) > RESTLESS
    return found


def _in_long_runs(flags: Bool) -> Bool:
    """Flags (n,) of which more than COPIES lie side by side."""
    kept = np.zeros_like(flags)
    for start, end in runs(flags):
        kept[start:end] = end - start > COPIES
    return kept


def runs(flags: Bool) -> list[tuple[int, int]]:
    """First and last + 1 of every run of True in (n,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def dimmed(transmission: Float32, known: Bool) -> Bool:
    """(rows,) which lines have less gain than those whose air is 1, by their own air at both ends.

    Told only in scans whose lines end in air for the most part. known: lines whose fault is known, which are left out.
    """
    none = np.zeros(len(transmission), np.bool_)
    if known.all():
        return none
    ends = ends_of(transmission)
    if (np.median(ends[:, ~known], axis=1) < _AIR_FROM).any():
        return none
    here, beside, _ = _sampled(transmission)
    brightest = np.percentile(here, _BRIGHTEST, axis=1)
    dim: Bool = (brightest > 0) & (brightest < DIM) & ~known
    dim &= (np.abs(ends - brightest) < _ALIKE * brightest).all(axis=0)
    airy = np.flatnonzero(~known & (np.abs(brightest - 1) < _NEAR_AIR))
    if not dim.any() or not len(airy):
        return none
    noise_of_air = float(np.median([_noise(here[row], beside[row], brightest[row]) for row in airy]))
    if noise_of_air == 0:
        return none
    found = none
    # Of many lines together noise is known better than of one.
    for start, end in runs(dim):
        noise = np.median([_noise(here[row], beside[row], brightest[row]) for row in range(start, end)])
        # Half way to what photons alone make of it, which is the square root of the level.
        found[start:end] = noise < noise_of_air * float(np.median(brightest[start:end])) ** -0.25
    return found


def ends_of(transmission: Float32) -> NDArray[np.floating]:
    """(2, rows) median transmission of the first and of the last fiftieth of each line."""
    width = max(1, round(_END * transmission.shape[1]))
    return np.stack([np.median(part, axis=1) for part in (transmission[:, :width], transmission[:, -width:])])


def _noise(here: Float32, beside: Float32, level: float) -> float:
    """Median difference between neighbours of about `level`, as a share of it."""
    near = np.abs(here - level) < _ALIKE * level
    return float(np.median(np.abs(beside[near] - here[near]))) / level if near.any() else 0.0
