"""Threats cut out of real luggage scans, as solids that can be hidden in simulated freight.

A luggage scanner sees an item at 60 and 100 keV (effective). Two attenuations are explained by two materials, steel and
plastic; what that much steel and plastic does to a beam of MeV follows from the tables. How large a luggage scan's
pixels are is not known, so an item gets a length of its kind.

>>> cut_outs = luggage_threats(Path("data/luggage"))                               # doctest: +SKIP
>>> simulate_freight(3, Family.TRAIN, ("handgun",), cut_outs=cut_outs)             # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.errors import SettingsInvalid
from detector.tile_squares import BAG_PIXELS, Look
from training.samples.donors import Donors
from training.samples.training_data import read_split
from training.simulation.freight.threats import CutOuts
from training.simulation.materials import LUGGAGE_BEAM, linear_attenuation
from training.simulation.solids import Solid
from training.threat_projection import Item

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Kind:
    """threat: of freight. lengths: that such things have, cm. least_slender: length over width, at least."""

    threat: str
    lengths: tuple[float, float]
    least_slender: float


#: Class of luggage sets -> the threat of freight that it becomes.
KINDS = MappingProxyType({"gun": Kind("handgun", (14.0, 22.0), 1.0), "knife": Kind("knife", (12.0, 32.0), 3.0)})
#: Items of each kind, drawn again and again; and draws after which a set has no more to give.
MOST_ITEMS, MOST_DRAWS = 120, 400
METAL, PLASTIC = "steel", "polyethylene"
#: More steel than this, cm, is what noise makes of black. More plastic is in no hand-held thing: what is nearly black
#: has lost its hue, and is steel.
THICKEST_METAL_CM, THICKEST_PLASTIC_CM = 3.0, 4.0


def luggage_threats(data: Path, seed: int = 0) -> CutOuts:
    """Threat of freight -> solids from the training scans of a prepared luggage set.

    Raises SettingsInvalid when no item of any kind can be told from its bag. Takes some seconds.
    """
    index = read_split(data, "train")
    donors, generator = Donors(index, Look(BAG_PIXELS)), np.random.default_rng(seed)
    found: dict[str, list[Solid]] = {}
    for class_name, kind in KINDS.items():
        if class_name not in index.class_names:
            continue
        wanted = np.array([name == class_name for name in index.class_names])
        drawn = (donors.draw(generator, looked_for=wanted) for _ in range(MOST_DRAWS))
        once = {donor: item for donor, item in filter(None, drawn) if _whole(item, kind)}
        solids = [solid_of(item, float(generator.uniform(*kind.lengths))) for item in list(once.values())[:MOST_ITEMS]]
        if solids:
            found[kind.threat] = solids
    if not found:
        raise SettingsInvalid(
            f"{data}: no {' or '.join(KINDS)} that can be cut out", remedy="give a prepared set of colour luggage scans"
        )
    return found


def _whole(item: Item, kind: Kind) -> bool:
    """Whether the cut-out is the thing and not the clutter around it, as far as its outline tells."""
    if not item.outlined or item.grey:
        return False
    long, short = _sides(item)
    return long >= kind.least_slender * short


def _sides(item: Item) -> tuple[float, float]:
    """Pixels of the rectangle around it, however it lies."""
    sides = cv2.minAreaRect(np.asarray(cv2.findNonZero((item.mask > 0).astype(np.uint8))))[1]
    return max(1.0, *sides), max(1.0, min(sides))


def solid_of(item: Item, length_cm: float) -> Solid:
    """The item as steel and plastic, `length_cm` long however it lay."""
    height, width = item.mask.shape
    resolution = _sides(item)[0] / length_cm
    solid = Solid(width / resolution, height / resolution, resolution)
    thickness = materials_of(item.attenuation.low, item.attenuation.high)
    for material, values in thickness.items():
        solid.add(material, np.where(item.mask > 0, values, 0).astype(np.float32))
    return solid.trimmed()


def materials_of(low: Float32, high: Float32) -> Mapping[str, Float32]:
    """Material -> (H, W) cm, none negative, that explain attenuations (H, W) at a luggage scanner's two energies."""
    beams = (LUGGAGE_BEAM.low_mev, LUGGAGE_BEAM.high_mev)
    per_cm = np.array([[linear_attenuation(material, beam) for material in (METAL, PLASTIC)] for beam in beams])
    metal, plastic = np.tensordot(np.linalg.inv(per_cm), np.stack([low, high]), axes=1)
    # Steeper than steel, or flatter than plastic, is noise and the palette's doing: one material explains it alone.
    metal = np.where(plastic < 0, high / per_cm[1, 0], metal)
    plastic = np.where(metal < 0, high / per_cm[1, 1], plastic)
    thin = np.clip(plastic, 0, THICKEST_PLASTIC_CM)
    metal = np.where(plastic > thin, (high - per_cm[1, 1] * thin) / per_cm[1, 0], metal)
    return {
        METAL: np.clip(metal, 0, THICKEST_METAL_CM).astype(np.float32),
        PLASTIC: thin.astype(np.float32),
    }
