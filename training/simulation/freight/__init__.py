"""Simulated scans of containers, lorries and railcars at MeV energies, with ground truth for every object.

>>> from training.simulation.freight import Family, simulate_freight
>>> scan = simulate_freight(3, Family.TEST, ("long_gun",), energies=1)
>>> scan.low is None, len(scan.objects)
(True, 1)
"""

from __future__ import annotations

from training.simulation.freight.acquisition import AIR_LEVEL
from training.simulation.freight.conveyances import CONVEYANCES
from training.simulation.freight.records import CargoLoad, Family, FreightObject, FreightScan
from training.simulation.freight.simulate import simulate_freight
from training.simulation.freight.threats import THREATS

__all__ = [
    "AIR_LEVEL",
    "CONVEYANCES",
    "THREATS",
    "CargoLoad",
    "Family",
    "FreightObject",
    "FreightScan",
    "simulate_freight",
]
