"""Simulated X-ray scans from physics: solids with thickness, attenuated at two energies, with ground-truth boxes.

Needs numpy and OpenCV only. `python -m training.simulation OUTPUT` writes the repository's examples.

    >>> from training.simulation import simulate_luggage
    >>> simulate_luggage(1, ("knife",)).class_names
    ('knife',)
"""

from __future__ import annotations

from training.simulation.container import simulate_container
from training.simulation.dataset import simulate_dataset
from training.simulation.luggage import THREATS, SimulatedScan, simulate_luggage, simulate_luggage_views

__all__ = [
    "THREATS",
    "SimulatedScan",
    "simulate_container",
    "simulate_dataset",
    "simulate_luggage",
    "simulate_luggage_views",
]
