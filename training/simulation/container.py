"""A loaded container on a lorry, scanned from the side by a linear accelerator: one long grey strip.

>>> simulate_container(3, ("gun",)).grey16.shape
(700, 2400)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.simulation.acquisition import DetectorArray, expose
from training.simulation.cargo import drums, machine, pallet, tyres
from training.simulation.luggage import THREATS, Builder, SimulatedScan
from training.simulation.materials import CARGO_BEAM
from training.simulation.rendering import brightness, grey16
from training.simulation.solids import Pose, Solid
from training.simulation.vehicles import HALF_HEIGHT, HALF_LENGTH, container, lorry

#: Length and height of the strip, cm.
FIELD_CM = (1640.0, 478.0)
#: The middle of the container on the strip, cm from its centre.
MIDDLE = (150.0, -70.0)
#: Threats are drawn finer than the strip by this factor, or their parts would fall between its pixels.
THREAT_DETAIL = 3.0
#: Fewer photons a pixel than in luggage, a broader line spread, more scatter from tonnes of cargo.
CARGO_ARRAY = DetectorArray(photons=6_000.0, blur=0.75, scatter=0.004, read_noise=4.0, residue=0.006)

#: What may be stowed, and how often.
LOADS: tuple[tuple[Builder, float], ...] = ((pallet, 0.70), (drums, 0.12), (tyres, 0.11), (machine, 0.07))


def simulate_container(seed: int, threats: tuple[str, ...], width: int = 2400) -> SimulatedScan:
    """Simulates a lorry with a 40-foot container that hides the given threats, `width` pixels long.

    rgb is grey: cargo scanners show transmission. The same arguments give the same scan. Raises KeyError for a threat
    that is not in THREATS.
    """
    generator = np.random.default_rng([seed, 40, len(threats)])
    resolution = width / FIELD_CM[0]
    board = Solid(*FIELD_CM, resolution, origin=MIDDLE)
    container(board)
    lorry(board)
    _stow(board, generator)
    boxes = [_hide(board, name, generator) for name in threats]
    transmission = expose(board, CARGO_BEAM, CARGO_ARRAY, 1, generator)
    grey = np.rint(255 * brightness(transmission)).astype(np.uint8)
    found = np.array(boxes, np.float32).reshape(-1, 4)
    return SimulatedScan(np.repeat(grey[:, :, None], 3, axis=2), grey16(transmission), found, threats)


def _stow(board: Solid, generator: np.random.Generator) -> None:
    """Fills the floor from the front to the doors, and stacks light pallets on low ones."""
    weights = np.array([weight for _, weight in LOADS])
    floor, left = HALF_HEIGHT - 17, -HALF_LENGTH + 22
    while left < HALF_LENGTH - 150:
        build = LOADS[int(generator.choice(len(LOADS), p=weights / weights.sum()))][0]
        load = build(generator, board.resolution).trimmed()
        width, height = _size(load)
        board.attach(load, Pose(left + width / 2, floor - height / 2))
        if height < 95 and generator.random() < 0.7:
            upper = pallet(generator, board.resolution).trimmed()
            wide, high = _size(upper)
            scale = min(1.0, (floor - height + HALF_HEIGHT - 12) / high)
            board.attach(upper, Pose(left + scale * wide / 2, floor - height - scale * high / 2, scale=scale))
        left += width + float(generator.uniform(2, 14))


def _hide(board: Solid, name: str, generator: np.random.Generator) -> NDArray[np.float32]:
    """Lays a threat somewhere in the load; returns its box in pixels of the strip."""
    threat: Solid = THREATS[name](generator, board.resolution * THREAT_DETAIL).trimmed()
    x = float(generator.uniform(-HALF_LENGTH + 60, HALF_LENGTH - 60))
    y = float(generator.uniform(-HALF_HEIGHT + 90, HALF_HEIGHT - 50))
    box = board.attach(threat, Pose(x, y, float(generator.uniform(0, 360)), float(generator.uniform(0, 30))))
    if box is None:
        raise ValueError(f"the {name} came to lie outside the strip")
    return box


def _size(solid: Solid) -> tuple[float, float]:
    return solid.shape[1] / solid.resolution, solid.shape[0] / solid.resolution
