"""What two energies tell of the material.

With A = ln(1 / T), the quotient A_low / A_high depends on the material and not on its thickness, as far as each channel
acts like one effective energy. Mass attenuation: Hubbell and Seltzer, NIST Standard Reference Database 126. The curves
leave out lead: at 60 / 100 keV its K edge makes it read as organic, at MeV energies pair production makes high atomic
numbers ambiguous (Lalor and Danagoulian, arXiv 2301.05783). A scanner's own curve belongs in its profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from types import MappingProxyType

import cv2
import numpy as np

from detector.errors import ProfileMismatch
from detector.normalisation.air import Float32, attenuation
from detector.scan import Pixels

#: (quotient of attenuations low over high, atomic number), for C, O, Al, Si, Ca, Fe, Cu and Sn.
Curve = Sequence[tuple[float, float]]
CURVES: MappingProxyType[str, Curve] = MappingProxyType(
    {
        # 60 and 100 keV: front and rear detector of a 160 kV luggage scanner.
        "keV": (
            *((0.1753 / 0.1514, 6), (0.1907 / 0.1551, 8), (0.2778 / 0.1704, 13), (0.3207 / 0.1835, 14)),
            *((0.6578 / 0.2571, 20), (1.205 / 0.3717, 26), (1.593 / 0.4584, 29), (6.564 / 1.676, 50)),
        ),
        # 1.5 and 2.0 MeV: an interlaced 4 / 6 MeV accelerator.
        "MeV": (
            *((0.05179 / 0.04442, 6), (0.05185 / 0.04459, 8), (0.05006 / 0.04324, 13), (0.05183 / 0.04480, 14)),
            *((0.05207 / 0.04524, 20), (0.04883 / 0.04265, 26), (0.04803 / 0.04205, 29), (0.04638 / 0.04112, 50)),
        ),
    }
)
#: Names of the bands of atomic number, and where each but the first begins. The division into four groups for MeV
#: energies: Ogorodnikov and Petrunin, Phys. Rev. ST Accel. Beams 5, 104701 (2002); the edges: of luggage scanners.
BANDS = ("none", "organic", "mixed", "metal", "heavy")
EDGES = (10.0, 18.0, 40.0)
#: Below this attenuation the quotient is noise; beyond the other the low energy has hardly a photon left.
FAINT, DENSE = 0.05, 6.0
#: Correlation of the two energies' pictures, shrunk to a grid, below which they are not of the same view. The grid
#: averages noise away; the simulated containers and bags have 0.99.
LEAST_LIKENESS, _GRID = 0.9, 64
#: Pixels by which one energy's picture may lie beside the other's, in the middle of them: simulated scans of
#: interlaced energies have half a pixel. Below the response nothing is told: they have .77 and more.
_MOST_APART, _LEAST_RESPONSE, _MIDDLE = 2.0, 0.3, 1024
#: Attenuations between which the order of the energies is judged, how many pixels it takes, and by how much the
#: quotient must differ from 1 before the two pages count as two energies.
_JUDGED, _LEAST_PIXELS, _LEAST_DIFFERENCE = (0.3, 3.0), 500, 0.01
#: Parts along the belt in which it is judged again, of so many scan lines at least, and the quotient below which they
#: are swapped there: the parts of 90 simulated scans have 1.07 and more, 0.93 and less if swapped.
_MOST_PARTS, _LEAST_LINES, _SWAPPED = 24, 64, 0.95
#: Interlaced energies lie half a line apart: of a post that a part shows one edge of, one energy has more.
_WITHIN = 3
_ONE_ENERGY = "check what the scanner exports; for one energy give energies = ['high']"
#: A scan's quotient may exceed the highest of its curve by this factor: curves of scanners of one kind differ by less,
#: those of keV and MeV for steel by 2.8.
_ABOVE_CURVE = 1.15


def check_order(low: Float32, high: Float32) -> float | None:
    """Attenuation at the low energy over that at the high one, of transmissions (H, W); None where there is too little
    to tell. Raises ProfileMismatch when they cannot be those of the low and the high energy of one view.

    Every material between air and its K edge attenuates the low energy more. A scan with nothing in it passes.
    """
    _check_alike(low, high)
    _check_in_place(low, high)
    quotient = _quotient(low, high)
    if quotient is None:
        return None
    if quotient < 1 - _LEAST_DIFFERENCE:
        raise ProfileMismatch(
            f"the energies are swapped: what the profile calls low is attenuated {quotient:.2f} times as much as high",
            remedy="turn the order of `energies` in the scanner profile round",
        )
    _check_order_along(low, high)
    if quotient < 1 + _LEAST_DIFFERENCE:
        raise ProfileMismatch(
            f"the two energies do not differ (quotient of attenuations {quotient:.3f}): one page may be there twice",
            remedy=_ONE_ENERGY,
        )
    return quotient


def _check_order_along(low: Float32, high: Float32) -> None:
    """A detector that loses a pulse takes each energy for the other from then on."""
    lines = high.shape[1]
    edges = np.linspace(0, lines, min(_MOST_PARTS, max(1, lines // _LEAST_LINES)) + 1).astype(int).tolist()
    for start, end in pairwise(edges):
        quotient = _quotient(low[:, start:end], high[:, start:end], within=_WITHIN)
        if quotient is not None and quotient < _SWAPPED:
            raise ProfileMismatch(
                f"the energies are swapped between scan lines {start} and {end}: there what the profile calls low is "
                f"attenuated {quotient:.2f} times as much as high",
                remedy="scan again: the detector has lost count of the pulses",
            )


def check_two_pages(pages: Sequence[Pixels]) -> None:
    """Raise ProfileMismatch when one page is there twice, which `check_order` cannot tell where all cargo is thin."""
    if len(pages) == 2 and np.array_equal(pages[0], pages[1]):
        raise ProfileMismatch("the two energies are the same page, to the last level", remedy=_ONE_ENERGY)


def check_curve(quotient: float | None, curve: Curve) -> None:
    """Raise ProfileMismatch when the quotient, of `check_order`, is more than any material of the curve explains.

    Read by a curve of other energies, metal would be drawn as organic. A scan with nothing in it passes.
    """
    most = max(one for one, _ in curve)
    if quotient is not None and quotient > _ABOVE_CURVE * most:
        raise ProfileMismatch(
            f"the low energy is attenuated {quotient:.2f} times as much as the high one, by no material more than "
            f"{most:.2f} times as the profile has it",
            remedy="correct `beam` in the scanner profile, or give the scanner's own material_curve",
        )


def _quotient(low: Float32, high: Float32, within: int = 0) -> float | None:
    """As `check_order` gives it, of what is neither faint nor dense. within: pixels along the belt that edges are kept
    away from."""
    step = max(1, int((low.size / 1_000_000) ** 0.5))
    less, more = (attenuation(part[::step, ::step], 1e-4) for part in (high, low))
    mean = (less + more) / 2
    # Chosen by the mean of both, so that noise favours neither.
    judged = (mean > _JUDGED[0]) & (mean < _JUDGED[1])
    if within:
        judged = cv2.erode(judged.astype(np.uint8), np.ones((1, 2 * within + 1), np.uint8), borderValue=0) > 0
    if int(judged.sum()) < _LEAST_PIXELS:
        return None
    return float(more[judged].sum() / less[judged].sum())


def _check_alike(low: Float32, high: Float32) -> None:
    coarse = [cv2.resize(part, (_GRID, _GRID), interpolation=cv2.INTER_AREA) for part in (low, high)]
    apart = [part - part.mean() for part in coarse]
    spread = float(np.sqrt((apart[0] ** 2).sum() * (apart[1] ** 2).sum()))
    likeness = float((apart[0] * apart[1]).sum()) / spread if spread > 0 else 1.0
    # Where there is hardly anything to see, noise is all that could be compared.
    if likeness < LEAST_LIKENESS and max(float(np.ptp(part)) for part in coarse) > FAINT:
        raise ProfileMismatch(
            f"the two energies do not show the same thing (correlation {likeness:.2f})",
            remedy="two views of an object are no two energies: correct `views` and `energies` in the scanner profile",
        )


def atomic_number(low: Float32, high: Float32, curve: Curve, smoothing: float = 1.5) -> Float32:
    """(H, W) float32 effective atomic number of two transmissions (H, W), within the ends of the curve.

    0 where too little or too much lies in the beam to tell. smoothing: deviation in pixels of the Gaussian over the
    attenuations; the quotient of noisy pixels is worth little, at MeV energies especially.
    """
    more, less = (_smoothed(attenuation(part, 1e-4), smoothing) for part in (low, high))
    quotients, numbers = np.array(sorted(curve), np.float32).T
    known = (less > FAINT) & (more < DENSE)
    quotient = more / np.maximum(less, np.float32(FAINT))
    return np.where(known, np.interp(quotient, quotients, numbers), 0).astype(np.float32)


def material_band(low: Float32, high: Float32, curve: Curve) -> str:
    """The one of BANDS that most of two transmissions (H, W) is of; `none` where most of it tells nothing."""
    numbers = atomic_number(low, high, curve)
    found = np.where(numbers > 0, np.digitize(numbers, EDGES) + 1, 0)
    return BANDS[int(np.bincount(found.ravel(), minlength=len(BANDS)).argmax())]


def _check_in_place(low: Float32, high: Float32) -> None:
    """By phase correlation: edges are at one place at both energies, whatever the material."""
    top, left = (max(0, (side - _MIDDLE) // 2) for side in high.shape)
    where = slice(top, top + _MIDDLE), slice(left, left + _MIDDLE)
    less, more = (attenuation(np.ascontiguousarray(part[where]), 1e-3) for part in (high, low))
    if min(less.shape) < _GRID or float(less.max()) < FAINT:
        return
    window = cv2.createHanningWindow(less.shape[::-1], cv2.CV_32F)
    (across, down), response = cv2.phaseCorrelate(more, less, window)
    apart = max(abs(across), abs(down))
    if response > _LEAST_RESPONSE and apart > _MOST_APART:
        raise ProfileMismatch(
            f"the two energies lie {apart:.0f} pixels apart: their quotient would say nothing of the material",
            remedy="export them aligned, or give the energy that sees further alone: energies = ['high']",
        )


def _smoothed(values: Float32, deviation: float) -> Float32:
    if deviation <= 0:
        return values
    return np.asarray(cv2.GaussianBlur(values, (0, 0), deviation), np.float32)
