"""One scan of freight from its seed: a conveyance, its load, what is hidden in it, the accelerator and the detector.

>>> scan = simulate_freight(7, Family.TRAIN, ("handgun",), energies=2, pitch_mm=5.0)
>>> scan.objects[0].class_name, scan.high.dtype.name
('handgun', 'uint16')
"""

from __future__ import annotations

import numpy as np

from training.simulation.freight.acquisition import expose_freight
from training.simulation.freight.board import Area, Board
from training.simulation.freight.conveyances import CONVEYANCES
from training.simulation.freight.records import CargoLoad, Family, FreightScan
from training.simulation.freight.stowage import box_of, stow
from training.simulation.freight.threats import NO_CUT_OUTS, CutOuts, hide
from training.simulation.materials import CARGO_BEAM

#: Finer than this no cargo scanner is, and memory grows with the square, mm.
FINEST_MM, COARSEST_MM = 1.0, 20.0


def simulate_freight(
    seed: int,
    family: Family,
    threats: tuple[str, ...] = (),
    energies: int = 2,
    pitch_mm: float = 5.0,
    cut_outs: CutOuts = NO_CUT_OUTS,
) -> FreightScan:
    """Simulates one conveyance of `family` with the given threats; the same arguments give the same scan.

    energies: 1 (6 MeV) or 2 (4 and 6 MeV, interlaced). pitch_mm: side of a pixel at the middle of the vehicle. Without
    threats the same seed gives the same vehicle, load and noise: a pair to tell apart. cut_outs: threat -> solids that
    take turns with those of the family. Raises KeyError for a threat
    that is not in threats.THREATS, ValueError for other energies or for a pitch outside 1 to 20 mm.
    """
    if energies not in (1, 2):
        raise ValueError(f"energies is 1 or 2, not {energies}")
    if not FINEST_MM <= pitch_mm <= COARSEST_MM:
        raise ValueError(f"pitch_mm is {FINEST_MM:g} to {COARSEST_MM:g}, not {pitch_mm:g}")
    scene = [seed, list(Family).index(family)]
    generator = np.random.default_rng([*scene, 0])
    shares = np.array([conveyance.share for conveyance in CONVEYANCES.values()])
    name = list(CONVEYANCES)[int(generator.choice(len(CONVEYANCES), p=shares / shares.sum()))]
    conveyance = CONVEYANCES[name]
    beams = (CARGO_BEAM.high_mev, CARGO_BEAM.low_mev)[:energies]
    board = Board(conveyance.field(generator), pitch_mm, beams)
    rooms = list(conveyance.build(board, generator))
    loads = [load for room in rooms for load in stow(board, room, family, name, generator)]
    objects = hide(board, threats, family, (_areas(board, loads), rooms), [*scene, 1], cut_outs)
    levels = expose_freight(board.attenuations, pitch_mm, np.random.default_rng([*scene, 2]))
    return FreightScan(
        high=levels[CARGO_BEAM.high_mev],
        low=levels.get(CARGO_BEAM.low_mev),
        pitch_mm=pitch_mm,
        objects=objects,
        cargo=tuple(loads),
        rooms=tuple(box_of(board, room.area) for room in rooms),
        conveyance=name,
        family=family,
        seed=seed,
    )


def _areas(board: Board, loads: list[CargoLoad]) -> list[Area]:
    """The boxes of the loads in cm."""
    areas = []
    for load in loads:
        corners = (np.array(load.box).reshape(2, 2) - board.origin) / board.resolution
        areas.append(Area(*corners.ravel().tolist()))
    return areas
