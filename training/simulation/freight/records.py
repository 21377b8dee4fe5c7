"""What a simulated scan of freight says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

#: x1, y1, x2, y2 in pixels, right and bottom exclusive.
Box = tuple[float, float, float, float]


class Family(Enum):
    """Which shapes a scan is made of: no builder of a load or of a threat belongs to both.

    Shared are the vehicles, the detector, the materials, where things are put, pallets and cardboard. What differs,
    TRAIN first, TEST after the stroke:

    - cartons: upright stacks in columns; bottles, tins, books, clothing, hardware, small round things in lattices,
      random parts in lattices, rods, coiled cable, cans, pans, tools, granulate, screws, spare parts, mixtures / brick
      bond; shoes in pairs, tiles on edge, appliances, wound rolls, electronics, creased bedding
    - drums: steel drums of 200 l / fibre kegs in tiers; caged tanks of 1 m3
    - sacks: flat, in layers on pallets / big bags that sag
    - machinery: a crated lathe / a pump set with its motor and pipes
    - engines: in line, on stands / V blocks and gearboxes thrown into a mesh bin
    - tyres: standing, seen through their axes / lying in stacks, seen edge on
    - scrap: loose beams, sheets, pipes / pressed bales; turnings
    - timber: sawn boards in packs / round logs, along the vehicle or across it
    - paper rolls: standing on end / lying, seen through their cores
    - steel coils: eye across the vehicle, in cradles / eye to the sky, on skids
    - mixed pallets: boxes, kegs and jars under film / roll cages of parcels and bags
    - bulk: grain, heaped under the hatches / coal or plastic pellets, levelled in waves
    - empty: straps, a dunnage bag / left pallets, sweepings
    - assorted: random solids in lattices, columns, heaps, rings, racks, machines / none
    - loose things: tools, wheels, cans, straps, chains, bags on loads and floors / none
    - handgun: self-loading pistols, whole, stripped, in heaps / revolver; machine pistol
    - long_gun: rifles with a bolt, a curved or straight magazine or a drum, whole or taken apart /
      double-barrelled or pump-action shotgun
    - knife: kitchen, folding and hunting knives, cleavers, box cutters, fans of them / daggers; machetes
    - ammunition: steel can of belted rounds, loose rounds and belts, cartons of rounds and shells /
      wooden case of packets in a tin liner
    - grenade: eggs and balls with lever and ring, smoke canisters, mortar bombs / stick grenades; capped pipes
    - package: bricks in a stack or a heap, slabs, lumps, one block / round bundles in a cloth bag
    - lighters: upright in display rows, leaning, in sachets; gas refills / loose in tubs
    - battery: lead-acid blocks; flat lithium cells, tool packs / packs of round lithium cells
    """

    TRAIN = "train"
    TEST = "test"


@dataclass(frozen=True)
class FreightObject:
    """A threat. box: around the pixels where it takes away more than 0.3 % of the high beam.

    steel_mm: what lies over it in the beam, before and behind, as millimetres of steel at the high energy; the mean
    over its pixels. metallic: whether its bulk is metal. edge_contrast: of its outline over all else in and around its
    box, other threats too (`edge_contrast.py`); None where it was not computed.
    """

    class_name: str
    box: Box
    steel_mm: float
    metallic: bool
    edge_contrast: float | None = None

    @property
    def size_px(self) -> float:
        """The longer side of the box."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


@dataclass(frozen=True)
class CargoLoad:
    """One unit of cargo: its kind and the box it fills."""

    kind: str
    box: Box


@dataclass(frozen=True)
class FreightScan:
    """high, low: (H, W) uint16, linear in transmission, air at acquisition.AIR_LEVEL; low is None with one energy.

    x runs along the vehicle, y down; the detector stands along y. cargo: every unit, in the order it was stowed; none
    when the vehicle is empty. rooms: where cargo may lie.
    """

    high: NDArray[np.uint16]
    low: NDArray[np.uint16] | None
    pitch_mm: float
    objects: tuple[FreightObject, ...]
    cargo: tuple[CargoLoad, ...]
    rooms: tuple[Box, ...]
    conveyance: str
    family: Family
    seed: int
