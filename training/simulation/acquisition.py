"""From thickness to what the detector reports: attenuation, blur, photon and read noise, flat-field residue.

I = I0 * exp(-sum over materials of (mu/rho) * rho * t)        (Beer-Lambert, one effective energy a channel)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from training.simulation.materials import Beam, linear_attenuation
from training.simulation.solids import Solid

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class DetectorArray:
    """A line detector: one row of the picture is one element, the belt moves along x.

    photons: mean count a pixel in air. blur: deviation of the line spread, pixels. scatter: share of the signal that
    arrives as a broad veil. read_noise: deviation in photons. residue: relative deviation of each element's gain that
    the flat-field correction leaves behind, as stripes along x.
    """

    photons: float = 12_000.0
    blur: float = 0.55
    scatter: float = 0.001
    read_noise: float = 6.0
    residue: float = 0.0025


@dataclass(frozen=True)
class Transmission:
    """low, high: (H, W) float32, I / I0 at the two energies of the beam; about 1 in air, above 0 everywhere."""

    low: Float32
    high: Float32


def expose(
    scene: Solid, beam: Beam, array: DetectorArray, supersample: int, generator: np.random.Generator
) -> Transmission:
    """Scans a scene whose board has supersample x supersample points for each pixel of the picture."""
    low, high = (
        _measure(transmitted(scene, energy), array, supersample, generator) for energy in (beam.low_mev, beam.high_mev)
    )
    return Transmission(low, high)


def transmitted(scene: Solid, energy_mev: float) -> Float32:
    """(H, W) I / I0 behind a scene, without a detector: Beer-Lambert at one energy."""
    per_cm = {material: linear_attenuation(material, energy_mev) for material in scene.maps}
    return cast(Float32, np.exp(-scene.attenuation(per_cm)))


def _measure(ideal: Float32, array: DetectorArray, supersample: int, generator: np.random.Generator) -> Float32:
    size = (ideal.shape[1] // supersample, ideal.shape[0] // supersample)
    # An element integrates intensity, not thickness, over its width.
    signal = cv2.resize(ideal, size, interpolation=cv2.INTER_AREA)
    sharp = cv2.GaussianBlur(signal, (0, 0), array.blur)
    veil = cv2.GaussianBlur(signal, (0, 0), 12.0)
    mean = array.photons * ((1 - array.scatter) * sharp + array.scatter * veil)
    gain = 1 + array.residue * generator.standard_normal((size[1], 1), np.float32)
    counts = photon_counts(np.asarray(mean, np.float32), generator) * gain
    counts = counts + array.read_noise * generator.standard_normal(counts.shape, np.float32)
    return np.asarray(np.maximum(counts, 1) / array.photons, np.float32)


def photon_counts(mean: Float32, generator: np.random.Generator) -> Float32:
    """Poisson counts around `mean` (H, W), by the Cornish-Fisher expansion of the Poisson quantile to second order.

    Exact to a fraction of a count above a mean of about 2. Unlike rejection sampling it draws one normal number a pixel
    whatever the mean, so that the last bit of an exponential cannot shift the random stream of all later pixels.
    """
    normal = generator.standard_normal(mean.shape, np.float32)
    return np.maximum(np.rint(mean + np.sqrt(mean) * normal + (normal**2 - 1) / 6), 0).astype(np.float32)
