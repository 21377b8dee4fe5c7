"""Smooth random fields: folds of cloth, crumpled fabric, uneven fillings."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Shape = tuple[int, int]


def value_noise(generator: np.random.Generator, shape: Shape, cell: float) -> Float32:
    """(H, W) noise of mean 0 and deviation about 1 that varies over `cell` pixels."""
    rows, columns = (max(2, int(np.ceil(length / max(cell, 1.0))) + 1) for length in shape)
    coarse = generator.standard_normal((rows, columns), np.float32)
    return np.asarray(cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)


def clouds(generator: np.random.Generator, shape: Shape, cell: float, octaves: int = 3) -> Float32:
    """(H, W) fractal noise in about -1..1: each octave half as large and half as strong."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        total += value_noise(generator, shape, cell / 2**octave) * np.float32(0.5**octave)
    return np.clip(total / 2, -1, 1)


def creases(generator: np.random.Generator, shape: Shape, cell: float, sharpness: float = 6.0) -> Float32:
    """(H, W) in 0..1: thin curved ridges, as folded cloth shows where it doubles up."""
    bent = value_noise(generator, shape, cell) + 0.35 * value_noise(generator, shape, cell / 3)
    return np.exp(-np.float32(sharpness) * np.abs(bent)).astype(np.float32)
