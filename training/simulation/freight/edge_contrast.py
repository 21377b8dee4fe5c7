"""How well a hidden thing can be told from what lies over it, by the edges that both show."""

from __future__ import annotations

import cv2
import numpy as np

from training.simulation.freight.acquisition import REFERENCE_PITCH_MM, Accelerator, Float32

#: Both are seen through a Gaussian of this deviation, mm: finer structure drowns in noise and in the detector's blur.
SMOOTHING_MM = 5.0


def edge_contrast(added: Float32, behind: Float32, pitch_mm: float, beam: Accelerator) -> float:
    """The root mean square slope of a thing's attenuation, over that of what lies over it and of the noise there.

    added, behind: (h, w) attenuation of the thing and of all else, around its box alone. At 1 the thing's edges are as
    strong as the load's.
    """
    deviation = SMOOTHING_MM / pitch_mm
    photons = beam.photons * (pitch_mm / REFERENCE_PITCH_MM) ** 2 * np.exp(-(added + behind))
    # Of the logarithm of a count: 1 / n by Poisson, and the amplifier's.
    noise = float(np.mean(1 / np.maximum(photons, 1) + (beam.read_noise / np.maximum(photons, 1)) ** 2))
    # Of a difference over two pixels of white noise that was smoothed so, along both axes.
    left = noise / (4 * np.pi * deviation**2) * (1 - np.exp(-1 / deviation**2))
    return float(np.sqrt(_slope(added, deviation) / (_slope(behind, deviation) + left)))


def _slope(values: Float32, deviation: float) -> float:
    """Mean square of the gradient, in attenuation a pixel."""
    smooth = cv2.GaussianBlur(values, (0, 0), deviation, borderType=cv2.BORDER_REPLICATE)
    down, across = np.gradient(smooth)
    return float(np.mean(down**2 + across**2))
