"""What cartons, sacks and pallets hold: how much of which material, in which texture.

Freight weighs 0.1 to 0.7 g/cm3 as stowed, so a room of 2.3 m puts 25 to 160 g/cm2 in the beam. Packages of one kind
stand in line from wall to wall, and what shows is the pattern of one of them, repeated and a little blurred.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.simulation.freight.board import Area, Board
from training.simulation.materials import MATERIALS
from training.simulation.textures import value_noise

Float32 = NDArray[np.float32]
#: x (1, w), y (h, 1) in cm from the left top corner of a package -> (h, w) relative thickness, about 1 on average.
Texture = Callable[[Float32, Float32], Float32]
#: Points along each side of a motif.
MOTIF = 48


@dataclass(frozen=True)
class Goods:
    """areal: g/cm2 of `material` over the whole depth; metal: g/cm2 of steel, where the texture is thickest.

    single: one thing fills a package, whatever its size; the texture then takes coordinates from its middle, in units
    of the shorter side.
    """

    material: str
    areal: float
    texture: Texture
    metal: float = 0.0
    single: bool = False

    def fill(self, board: Board, area: Area, chance: np.random.Generator, level: float = 1.0) -> None:
        """Fills an area; no two packages weigh quite the same."""
        patch = board.patch(area)
        if min(patch.shape) < 2:
            return
        shift = chance.normal(0, 0.5, 2).astype(np.float32)
        x, y = patch.x + shift[0], patch.y + shift[1]
        if self.single:
            side = np.float32(min(area.width, area.height))
            x, y = (x - np.float32(area.width / 2)) / side, (y - np.float32(area.height / 2)) / side
        texture = self.texture(x, y)
        slow = 1 + np.float32(0.10) * value_noise(chance, patch.shape, 14 * board.resolution)
        amount = patch.inside * np.maximum(texture * slow, 0) * np.float32(level * chance.normal(1, 0.05))
        board.add(self.material, amount * np.float32(thickness(self.material, self.areal)), patch.where)
        if self.metal:
            board.add("steel", amount**2 * np.float32(thickness("steel", self.metal)), patch.where)


def thickness(material: str, areal: float) -> float:
    """Centimetres of a material that weigh `areal` g/cm2."""
    return areal / MATERIALS[material].density


def draw_areal(style: np.random.Generator, depth: float, density: tuple[float, float]) -> float:
    """g/cm2 over a depth in cm, for goods as dense as `density` g/cm3 (least, most), on a logarithmic scale."""
    low, high = np.log(density)
    return float(np.exp(style.uniform(low, high)) * depth)


def tiled(motif: Float32, period: tuple[float, float]) -> Texture:
    """One package's picture, (MOTIF, MOTIF), repeated every period[0] cm along x and period[1] cm along y."""
    motif = np.asarray(motif / max(float(motif.mean()), 1e-3), np.float32)

    def texture(x: Float32, y: Float32) -> Float32:
        across = ((x[0] / period[0]) % 1.0 * MOTIF).astype(np.intp) % MOTIF
        down = ((y[:, 0] / period[1]) % 1.0 * MOTIF).astype(np.intp) % MOTIF
        return np.asarray(motif[np.ix_(down, across)], np.float32)

    return texture


def softened(motif: Float32, spread: float) -> Float32:
    """Packages behind one another never quite line up; spread in points of the motif, wrapping round."""
    padded = cv2.copyMakeBorder(motif, MOTIF, MOTIF, MOTIF, MOTIF, cv2.BORDER_WRAP)
    blurred = cv2.GaussianBlur(padded, (0, 0), max(spread, 0.3))
    return np.asarray(blurred[MOTIF:-MOTIF, MOTIF:-MOTIF], np.float32)


def grid() -> tuple[Float32, Float32]:
    """u (1, MOTIF), v (MOTIF, 1) in 0..1: where the points of a motif lie."""
    line = ((np.arange(MOTIF) + 0.5) / MOTIF).astype(np.float32)
    return line[None, :], line[:, None]


def carton_walls(board: Board, area: Area, layers: float) -> None:
    """Corrugated board around a carton: faces across the beam, edges along it; layers: cartons behind one another."""
    board.slab("paper", area.outline, 0.35 * layers)
    # Edges are 0.5 cm of a third of solid paper; flaps double the top and the bottom.
    for x in (area.left, area.right - 0.5):
        board.slab("paper", Area(x, area.top, x + 0.5, area.bottom).outline, 4.0 * layers)
    for y in (area.top, area.bottom - 0.6):
        board.slab("paper", Area(area.left, y, area.right, y + 0.6).outline, 6.0 * layers)
