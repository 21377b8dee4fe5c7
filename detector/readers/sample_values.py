"""Numbers of any kind -> the unsigned 8 or 16 bits of a Scan, without losing order, and never by guessing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.errors import ScanUnreadable
from detector.scan import Pixels

#: The level that a transmission of 1, air, gets among 16 bits: noise above air keeps 9 % of room.
AIR_LEVEL = 60_000
#: Share of the values that may lie outside: single hot cells, and noise around 0 behind what is opaque.
_OUTLIERS = 0.001
_LEAST, _MOST = -0.05, 65_535 / AIR_LEVEL
_REMEDY = "store transmission 0..1 as floating point, or detector counts as unsigned 8 or 16 bit integers"


def as_levels(values: NDArray[Any]) -> Pixels:
    """Real numbers of any type -> uint8 as they are, or uint16: integers as they are, floating point as transmission.

    Transmission 0..1 becomes 0..AIR_LEVEL. Raises ScanUnreadable for other ranges, for complex or boolean values, and
    for any that is not finite.
    """
    if values.dtype == np.uint8 or values.dtype == np.uint16:
        return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False))
    if values.dtype.kind in "iu":
        return _from_integers(values)
    if values.dtype.kind == "f":
        return _from_transmission(values)
    raise ScanUnreadable(f"values of the type {values.dtype} are no measurements", remedy=_REMEDY)


def _from_integers(values: NDArray[Any]) -> Pixels:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65_535:
        raise ScanUnreadable(f"integers from {low} to {high} do not fit 16 bits", remedy=_REMEDY)
    return np.ascontiguousarray(values.astype(np.uint16))


def _from_transmission(values: NDArray[Any]) -> Pixels:
    levels = np.empty(values.shape, np.uint16)
    below = above = 0
    # Row by row in bands: a copy of the whole in floating point would double the memory of a container scan.
    for start in range(0, len(values), 256):
        with np.errstate(over="ignore", invalid="ignore"):
            band = values[start : start + 256].astype(np.float32)
        if not np.isfinite(band).all():
            raise ScanUnreadable("some values are not finite numbers", remedy=_REMEDY)
        below += int((band < _LEAST).sum())
        above += int((band > _MOST).sum())
        levels[start : start + 256] = np.clip(np.rint(band * AIR_LEVEL), 0, 65_535)
    if max(below, above) > _OUTLIERS * values.size:
        low, high = float(values.min()), float(values.max())
        raise ScanUnreadable(f"floating-point values from {low:g} to {high:g} are no transmission", remedy=_REMEDY)
    return levels
