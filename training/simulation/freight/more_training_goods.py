"""More contents of cartons of the TRAIN family, most of them of random parts; see goods_for_training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from training.simulation.freight.board import Area, Board
from training.simulation.freight.goods import MOTIF, Float32, Goods, Texture, draw_areal, grid, softened, tiled
from training.simulation.freight.random_solids import (
    METALS,
    draw_assembly,
    draw_material,
    draw_size,
    draw_solid,
)
from training.simulation.outlines import arc, blob, coil, rounded_rectangle
from training.simulation.solids import Pose, Solid
from training.simulation.textures import value_noise

Kind = Callable[[np.random.Generator, float], Goods]
#: Points along each side of the picture of goods that lie one to a carton.
PICTURE = 128
#: Materials in which goods of random parts are packed: none so light that it would need more than the room.
BODIES = ("abs", "polyethylene", "rubber", "paper", "food", "aluminium", "glass", "ceramic", "wood", "water")
#: A place of a motif is at most so many times as thick as the mean: goods fill their cartons.
STARKEST = 3.0


@dataclass(frozen=True)
class MixedGoods(Goods):
    """kinds: a carton holds one of them, or two over one another."""

    kinds: tuple[Goods, ...] = ()

    def fill(self, board: Board, area: Area, chance: np.random.Generator, level: float = 1.0) -> None:
        """Fills an area with one or two of the kinds."""
        first, second = (self.kinds[int(at)] for at in chance.integers(0, len(self.kinds), 2))
        cut = area.top + area.height * float(chance.choice([0.0, chance.uniform(0.3, 0.7)]))
        if cut > area.top:
            first.fill(board, Area(area.left, area.top, area.right, cut), chance, level)
        second.fill(board, Area(area.left, cut, area.right, area.bottom), chance, level)


def draw_more_goods(style: np.random.Generator, depth: float) -> Goods:
    """One kind of goods, or a mix of two or three, the same for all cartons of a consignment; depth: cm."""
    if style.random() < 0.15:
        kinds = tuple(_draw(style, depth) for _ in range(int(style.integers(2, 4))))
        return MixedGoods(kinds[0].material, kinds[0].areal, kinds[0].texture, kinds=kinds)
    return _draw(style, depth)


def _draw(style: np.random.Generator, depth: float) -> Goods:
    shares = np.array(list(MORE_GOODS.values()))
    return list(MORE_GOODS)[int(style.choice(len(shares), p=shares / shares.sum()))](style, depth)


def _packed(
    style: np.random.Generator,
    areal: float,
    motif: Float32,
    period: tuple[float, float],
    metal: float,
    material: str | None = None,
) -> Goods:
    """A motif repeated. areal: g/cm2 of the material, a random one if not given; metal: of steel, where thickest."""
    motif = np.minimum(motif / max(float(motif.mean()), 1e-3), STARKEST)
    peak = float(motif.max()) / float(motif.mean())
    material = str(style.choice(BODIES)) if material is None else material
    return Goods(material, areal, tiled(softened(motif, float(style.uniform(0.5, 1.5))), period), metal / peak**2)


def _alone(style: np.random.Generator, depth: float, scene: Solid, metal: float) -> Goods:
    """The same picture in every carton; metal: g/cm2 of steel, where thickest."""
    texture, peak = _shown(scene)
    material, areal = str(style.choice(BODIES)), draw_areal(style, depth, (0.05, 0.25))
    return Goods(material, areal, texture, metal / peak**2, single=True)


def _amount(solid: Solid) -> Float32:
    """(H, W) what a ray meets, each material weighed so that none outshines the others altogether."""
    total = np.zeros(solid.shape, np.float32)
    for material, thickness in solid.maps.items():
        total += (3.0 if material in METALS else 1.0) * np.sqrt(np.maximum(thickness, 0))
    return total


def random_motifs(style: np.random.Generator, depth: float) -> Goods:
    """A lattice of small boxes with one to five random things in each."""
    scene = Solid(MOTIF, MOTIF, 1.0)
    for _ in range(int(style.integers(1, 6))):
        size = draw_size(style, 8, 0.8 * MOTIF)
        part = draw_solid(style, draw_material(style, 0.4), size, 1.5)
        x, y = style.uniform(-0.5, 0.5, 2).tolist()
        reach = max(MOTIF - size, 0)
        scene.attach(part, Pose(x * reach, y * reach, angle=float(style.choice([0.0, 90.0, style.uniform(0, 360)]))))
    motif = _amount(scene)
    motif = motif / max(float(motif.mean()), 1e-3) + np.float32(style.uniform(0.1, 1.2))
    u, v = grid()
    motif = motif * (1 - np.float32(style.uniform(0, 0.6)) * ((u < 0.05) | (v < 0.05)))
    wide = float(np.exp(style.uniform(np.log(5), np.log(45))))
    period = (wide, wide * float(style.uniform(0.4, 1.5)))
    steel = float(style.uniform(2, 60)) if style.random() < 0.6 else 0.0
    return _packed(style, draw_areal(style, depth, (0.05, 0.4)), motif, period, steel)


def rods(style: np.random.Generator, depth: float) -> Goods:
    """Bundles of rods or pipes across the vehicle, seen end on; each bundle has its strap and its gap."""
    u, v = grid()
    count = int(style.integers(2, 6))
    motif = np.zeros((MOTIF, MOTIF), np.float32)
    for row in range(count):
        for column in range(count):
            distance = np.hypot(u - (column + 0.5) / count, v - (row + 0.5) / count) * count
            motif += np.clip((0.46 - distance) * 8, 0, 1)
    motif = (motif + np.float32(0.05)) * (1 - ((u > 0.96) | (v > 0.94)))
    period = (count * float(style.uniform(1.5, 9)),) * 2
    return _packed(style, draw_areal(style, depth, (0.05, 0.3)), motif, period, float(style.uniform(5, 110)))


def cable_coils(style: np.random.Generator, depth: float) -> Goods:
    """Cable, hose or rope wound by hand, a coil to each place."""
    scene = Solid(MOTIF, MOTIF, 1.0)
    path = coil(style, 0.85 * MOTIF, float(style.uniform(4, 9)), float(style.uniform(0.05, 0.45)))
    scene.wire("rubber", path, float(style.uniform(1.5, 4)))
    period = float(style.uniform(18, 45))
    steel = float(style.uniform(0, 50))
    return _packed(style, draw_areal(style, depth, (0.06, 0.3)), _amount(scene) + 0.3, (period, 0.8 * period), steel)


def lying_cans(style: np.random.Generator, depth: float) -> Goods:
    """Cans and canisters on their sides, along the vehicle."""
    u, v = grid()
    chord = np.sqrt(np.maximum(1 - (2 * v - 1) ** 2, 0))
    motif = chord * (0.9 + 1.2 * ((u < 0.08) | (u > 0.9))) * (u < 0.97) + 0.1
    across = float(style.uniform(5, 22))
    period = (across * float(style.uniform(0.9, 2.6)), across)
    steel = float(style.uniform(0, 30))
    return _packed(style, draw_areal(style, depth, (0.08, 0.4)), np.asarray(motif, np.float32), period, steel)


def pots_and_pans(style: np.random.Generator, depth: float) -> Goods:
    """Pots within pots, with handles."""
    scene = Solid(MOTIF, MOTIF, 1.0)
    for number in range(int(style.integers(2, 6))):
        wide, tall = 36 - 5 * number, 26 - 3 * number
        wall = [(-wide / 2, -tall / 2), (-wide / 2 + 2, tall / 2), (wide / 2 - 2, tall / 2), (wide / 2, -tall / 2)]
        scene.wire("stainless", [(x, y + 2 - 2 * number) for x, y in wall], 1.4)
        scene.slab("stainless", [(x, y + 2 - 2 * number) for x, y in wall], 0.2)
    side = float(style.choice([-1.0, 1.0]))
    scene.wire("stainless", [(side * 18, -10), (side * 24, -11)], 2.5)
    period = (float(style.uniform(18, 36)), float(style.uniform(12, 26)))
    areal = draw_areal(style, depth, (0.06, 0.25))
    return _packed(style, areal, _amount(scene) + 0.3, period, float(style.uniform(0, 40)), "aluminium")


def power_tools(style: np.random.Generator, depth: float) -> Goods:
    """A motor in its housing, a spindle, a handle and a battery or a cable in a fitted case, one to a carton."""
    scene = Solid(1.0, 1.0, PICTURE)
    scene.slab("abs", rounded_rectangle(0.95, 0.85, 0.06), 0.03)
    lean, length = float(style.uniform(-0.12, 0.12)), float(style.uniform(0.3, 0.6))
    y, radius = float(style.uniform(-0.2, 0.1)), float(style.uniform(0.06, 0.13))
    scene.turned("abs", [(-length / 2, radius), (length / 2, 0.8 * radius)], y=y)
    scene.turned("copper", [(-0.4 * length, 0.6 * radius), (-0.05 * length, 0.6 * radius)], y=y)
    scene.turned("steel", [(0.1 * length, 0.35 * radius), (length / 2 + 0.1, 0.25 * radius)], y=y)
    if style.random() < 0.5:
        grip = float(style.uniform(-0.4, 0.1)) * length
        scene.wire("abs", [(grip, y), (grip - lean, y + 0.3)], 0.08)
        scene.slab("lithium_cell", rounded_rectangle(0.2, 0.1, 0.02, (grip - lean, y + 0.33)), 0.1)
    else:
        loops = [(0.8 * x - 0.1, 0.5 * z + 0.28) for x, z in coil(style, 0.4, 3, 0.3)]
        scene.wire("rubber", loops, 0.02)
    for _ in range(int(style.integers(2, 6))):
        part = draw_solid(style, "steel", float(style.uniform(0.06, 0.2)), PICTURE)
        scene.attach(part, Pose(*style.uniform(-0.38, 0.38, 2).tolist()))
    return _alone(style, depth, scene, float(style.uniform(5, 50)))


def granulate(style: np.random.Generator, depth: float) -> Goods:
    """Bags of granulate, powder or crumbs, settled."""
    scene = Solid(MOTIF, MOTIF, 1.0)
    scene.pillow("food", blob(style, 0.94 * MOTIF, 0.9 * MOTIF, 0.8), 10, edge=float(style.uniform(4, 14)))
    motif = (_amount(scene) + 0.1) * np.exp(0.12 * value_noise(style, (MOTIF, MOTIF), 3))
    period = (float(style.uniform(14, 45)), float(style.uniform(7, 20)))
    material = str(style.choice(["food", "grain", "pellets", "cement", "polyethylene"]))
    motif = np.asarray(motif, np.float32)
    return _packed(style, draw_areal(style, depth, (0.12, 0.6)), motif, period, 0.0, material)


def screws(style: np.random.Generator, depth: float) -> Goods:
    """Screws, nuts or nails, loose in trays: fine grain, dense below, air above."""
    u, v = grid()
    level = float(style.uniform(0.2, 0.7))
    heap = np.clip((v - level) * 20, 0, 1) * np.exp(0.6 * value_noise(style, (MOTIF, MOTIF), 2))
    motif = (heap + 0.1) * (1 + 0.5 * ((u < 0.04) | (v > 0.95)))
    period = (float(style.uniform(10, 35)), float(style.uniform(6, 16)))
    motif = np.asarray(motif, np.float32)
    return _packed(style, draw_areal(style, depth, (0.03, 0.12)), motif, period, float(style.uniform(15, 110)), "abs")


def spare_parts(style: np.random.Generator, depth: float) -> Goods:
    """A part of a machine to each carton, anywhere in it, with its fittings; the same in all of them."""
    scene = Solid(1.6, 1.0, PICTURE)
    materials = [draw_material(style, 0.7) for _ in range(3)]
    for _ in range(int(style.integers(1, 4))):
        # Parts are built in centimetres and shown on a carton of one unit's height.
        part = draw_assembly(style, materials, 30.0, PICTURE / 50)
        scale = float(style.uniform(0.25, 1.0)) / 50
        x, y = float(style.uniform(-0.4, 0.4)), float(style.uniform(-0.25, 0.25))
        scene.attach(part, Pose(x, y, angle=float(style.uniform(0, 360)), scale=scale))
    return _alone(style, depth, scene, float(style.uniform(0, 90)))


def toys_with_batteries(style: np.random.Generator, depth: float) -> Goods:
    """Light figures in windowed boxes, each with a motor and a few cells."""
    scene = Solid(MOTIF, MOTIF, 1.0)
    scene.slab("abs", rounded_rectangle(0.94 * MOTIF, 0.92 * MOTIF, 1), 0.15)
    for _ in range(int(style.integers(2, 5))):
        x, y = style.uniform(-10, 10, 2).tolist()
        outline = blob(style, float(style.uniform(8, 24)), float(style.uniform(8, 24)), 1.0, (x, y))
        scene.shell("abs", outline, 12, 0.8, edge=4)
    x, y = style.uniform(-10, 10, 2).tolist()
    for cell in range(int(style.integers(2, 5))):
        scene.slab("zinc_alloy", rounded_rectangle(10, 2.6, 0.4, (x, y + 3.1 * cell)), 2.2)
    scene.wire("abs", arc((0, 0), 14, 20, float(style.uniform(90, 300))), 2)
    period = (float(style.uniform(10, 30)), float(style.uniform(10, 30)))
    steel = float(style.uniform(2, 30))
    return _packed(style, draw_areal(style, depth, (0.05, 0.2)), _amount(scene) + 0.2, period, steel, "abs")


def _shown(scene: Solid) -> tuple[Texture, float]:
    """The picture of one carton, in the coordinates of `Goods.single`, and its peak; its edges go on beyond it."""
    picture = cv2.GaussianBlur(_amount(scene), (0, 0), 1.0)
    # Things in one corner leave most of a carton to its packing.
    picture = np.asarray(np.minimum(picture / max(float(picture.mean()), 1e-3) + 0.2, STARKEST), np.float32)
    rows, columns = picture.shape

    def texture(x: Float32, y: Float32) -> Float32:
        across = np.clip(x[0] * PICTURE + columns / 2, 0, columns - 1).astype(np.intp)
        down = np.clip(y[:, 0] * PICTURE + rows / 2, 0, rows - 1).astype(np.intp)
        return np.asarray(picture[np.ix_(down, across)], np.float32)

    return texture, float(picture.max())


#: Kind -> how often goods are of it, relative.
MORE_GOODS: dict[Kind, float] = {
    random_motifs: 0.34, rods: 0.08, cable_coils: 0.07, lying_cans: 0.07, pots_and_pans: 0.06, power_tools: 0.07,
    granulate: 0.07, screws: 0.06, spare_parts: 0.12, toys_with_batteries: 0.06,
}  # fmt: skip
