"""One view as physics sees it: transmission at one energy or two, and what of it carries information."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detector.normalisation.air import BAND, Float32

#: Transmission above this counts as air when the cargo's area is measured: 5 % attenuated.
AIR_FROM = 0.95


@dataclass(frozen=True)
class Exposure:
    """high, low: (H, W) float32 transmission at the high and the low energy; low is None where there is one energy."""

    high: Float32
    low: Float32 | None = None


def opaque_share(exposure: Exposure, opaque_transmission: float) -> float:
    """Share of the cargo's area, 0..1, behind which nothing can be seen at any energy; 0 where there is no cargo."""
    opaque = cargo = 0
    for start in range(0, len(exposure.high), BAND):
        # The high energy penetrates more, so what it does not see through the low does not either.
        band = exposure.high[start : start + BAND]
        opaque += int((band < opaque_transmission).sum())
        cargo += int((band < AIR_FROM).sum())
    return opaque / cargo if cargo else 0.0


def border(values: Float32) -> Float32:
    """The values of a frame around (H, W), a fortieth of the shorter side wide, in one row."""
    width = max(1, min(values.shape) // 40)
    sides = (values[:width], values[-width:], values[:, :width], values[:, -width:])
    return np.concatenate([side.ravel() for side in sides])
