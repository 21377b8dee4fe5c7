"""What a linear accelerator and a standing line of detectors make of a passing vehicle: 16-bit levels.

One column of the scan is one pulse (one pair of pulses with two energies), one row is one detector element.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from training.simulation.acquisition import photon_counts
from training.simulation.materials import CARGO_BEAM

Float32 = NDArray[np.float32]
UInt16 = NDArray[np.uint16]

#: Level of air: below full scale, so that no stripe, bright pulse or noise of air saturates.
AIR_LEVEL = 52_000
#: Columns handled at once where a step needs much memory.
STRIP = 1024
#: The pitch at which the photons below are counted, mm.
REFERENCE_PITCH_MM = 5.0


@dataclass(frozen=True)
class Accelerator:
    """One energy as the detector sees it; the figures are assumed, of the order that drive-through
    scanners have; none was measured on one.

    photons: mean count of an element of 5 mm a pulse, in air; smaller elements catch less, by their area.
    """

    photons: float
    #: 0.45 elements: the focal spot of 1.5 to 2 mm and crosstalk between crystals, both well below an element of 5 mm.
    blur_mm: float = 2.2
    #: Collimated to a slit; the rest scatters from tonnes of cargo: N42.46 systems end near 300 mm of steel, where the
    #: veil equals the beam, so it is of the order of 1e-4.
    scatter: float = 2e-4
    #: Scatter comes from a vehicle's width away, so it is smooth over a metre.
    scatter_mm: float = 500.0
    #: Photodiode and amplifier, in photons: 16-bit converters with 2 to 4 counts of noise.
    read_noise: float = 3.0
    #: What flat-field correction leaves: elements drift by some 0.3 % between calibrations.
    element_gain: float = 0.003
    #: Modules of 32 elements share an amplifier, which warms up by itself.
    module_gain: float = 0.002
    module: int = 32
    #: Pulses vary by 1 to 2 %; the reference detector takes all but a few tenths of a per cent away.
    pulse_gain: float = 0.0025
    #: The boom sways by millimetres at its free end while the gantry travels (arXiv 1608.03847).
    wobble_mm: float = 3.0
    #: Swaying also leaves the slit's shadow: per cents of the signal at the end of the boom.
    wobble_gain: float = 0.012
    #: One sway takes about a metre of travel at walking pace.
    wobble_period_mm: float = 1_100.0
    #: Elements without signal: fewer than one on a maintained detector of a thousand.
    dead_elements: float = 0.5


#: MeV (effective) -> accelerator. 25,000 photons leave about one behind 300 mm of steel, where scanners of 6 MeV end.
#: 4 MeV gives under half of them, since the dose of a target falls steeply with the energy of the electrons.
ACCELERATORS = MappingProxyType(
    {CARGO_BEAM.high_mev: Accelerator(photons=25_000.0), CARGO_BEAM.low_mev: Accelerator(photons=11_000.0)}
)


@dataclass(frozen=True)
class Sway:
    """The boom, shared by both energies. shift: (W,) elements; at_end: (W,) relative loss at the end of the boom."""

    shift: Float32
    at_end: Float32
    dead: NDArray[np.intp]


def expose_freight(
    attenuations: Mapping[float, Float32],
    pitch_mm: float,
    generator: np.random.Generator,
    accelerators: Mapping[float, Accelerator] = ACCELERATORS,
) -> dict[float, UInt16]:
    """MeV -> (H, W) attenuation in; MeV -> (H, W) uint16 levels out, air at AIR_LEVEL.

    Low-energy pulses lie between the high ones: their columns are half a column on, as the vehicle has moved.
    """
    high = max(attenuations)
    shape = (attenuations[high].shape[0], attenuations[high].shape[1])
    sway = _sway(shape, accelerators[high], pitch_mm, generator)
    levels: dict[float, UInt16] = {}
    for energy in sorted(attenuations, reverse=True):
        through = np.exp(-attenuations[energy])
        if energy != high:
            through[:, :-1] = 0.5 * (through[:, :-1] + through[:, 1:])
        array = _at_pitch(accelerators[energy], pitch_mm)
        levels[energy] = _levels(_detected(through, array, pitch_mm, sway), array, sway, generator)
    return levels


def _at_pitch(array: Accelerator, pitch_mm: float) -> Accelerator:
    return replace(array, photons=array.photons * (pitch_mm / REFERENCE_PITCH_MM) ** 2)


def _detected(through: Float32, array: Accelerator, pitch_mm: float, sway: Sway) -> Float32:
    """Transmission after blur, scatter and the boom's sway, before any noise."""
    sharp = cv2.GaussianBlur(through, (0, 0), array.blur_mm / pitch_mm)
    veil = _veil(through, array.scatter_mm / pitch_mm)
    mixed = np.asarray((1 - array.scatter) * sharp + np.float32(array.scatter) * veil, np.float32)
    return _moved(mixed, sway.shift)


def _veil(signal: Float32, spread: float) -> Float32:
    """A blur as wide as scatter, on a picture that is as much smaller."""
    shape = signal.shape
    step = max(1.0, spread / 4)
    small = (max(2, round(shape[1] / step)), max(2, round(shape[0] / step)))
    coarse = cv2.GaussianBlur(cv2.resize(signal, small, interpolation=cv2.INTER_AREA), (0, 0), 4.0)
    return np.asarray(cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def _moved(signal: Float32, shift: Float32) -> Float32:
    """Every column moved down by its own fraction of an element, |shift| < 2."""
    rows, columns = signal.shape
    moved = np.empty_like(signal)
    y = np.arange(rows, dtype=np.float32)[:, None]
    # Columns do not touch one another, and maps of a whole scan at 2 mm would take 140 MB.
    for start in range(0, columns, STRIP):
        strip = slice(start, min(start + STRIP, columns))
        x = np.tile(np.arange(strip.stop - start, dtype=np.float32), (rows, 1))
        down = y - shift[None, strip]
        moved[:, strip] = cv2.remap(signal[:, strip], x, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return moved


def _sway(shape: tuple[int, int], array: Accelerator, pitch_mm: float, generator: np.random.Generator) -> Sway:
    rows, columns = shape
    along = np.arange(columns) * pitch_mm / array.wobble_period_mm * 2 * np.pi
    waves = np.zeros((2, columns))
    for harmonic, weight in ((1.0, 0.7), (2.7, 0.25), (7.1, 0.1)):
        phases = generator.uniform(0, 2 * np.pi, 2)
        # The strength comes and goes, as the ground does.
        swell = 0.5 + 0.5 * np.sin(along * harmonic / 9.3 + generator.uniform(0, 6.28))
        waves += weight * swell * np.sin(harmonic * along + phases[:, None])
    strength = float(generator.uniform(0.2, 1.0))
    shift = (strength * array.wobble_mm / pitch_mm / 2 * waves[0]).astype(np.float32)
    at_end = (strength * array.wobble_gain * waves[1]).astype(np.float32)
    dead = generator.choice(rows, int(generator.poisson(array.dead_elements)), replace=False)
    return Sway(shift, at_end, dead)


def _levels(detected: Float32, array: Accelerator, sway: Sway, generator: np.random.Generator) -> UInt16:
    rows, columns = detected.shape
    pulse = 1 + np.float32(array.pulse_gain) * generator.standard_normal((1, columns), np.float32)
    modules = generator.standard_normal((rows // array.module + 1, 1), np.float32).repeat(array.module, 0)[:rows]
    element = generator.standard_normal((rows, 1), np.float32)
    gain = 1 + np.float32(array.element_gain) * element + np.float32(array.module_gain) * modules
    # The free end of the boom is the top: the array stands on the ground.
    height = np.linspace(1, 0, rows, dtype=np.float32)[:, None] ** 2
    beam = pulse * (1 + height * sway.at_end[None, :])
    counts = photon_counts(np.asarray(np.float32(array.photons) * detected * beam, np.float32), generator)
    counts += np.float32(array.read_noise) * generator.standard_normal(counts.shape, np.float32)
    levels = np.float32(AIR_LEVEL / array.photons) * counts * gain
    levels[sway.dead] = 0
    return np.asarray(np.clip(np.rint(levels), 0, 65_535), np.uint16)
