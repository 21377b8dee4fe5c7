"""Assorted cargo, of TRAIN alone: units of any size that hold random solids in a random arrangement.

No container was ever loaded like this. It is there so that things of a threat's size, round, square and long, thin and
dense, are seen as honest cargo everywhere, and not only in the few kinds of goods that have a builder.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from training.simulation.freight.arrangements import ARRANGEMENTS, Scene
from training.simulation.freight.board import Area, Patch
from training.simulation.freight.goods import carton_walls
from training.simulation.freight.random_solids import FINER, draw_assembly, draw_material, draw_size, draw_solid
from training.simulation.freight.unit import Unit
from training.simulation.materials import CARGO_BEAM, linear_attenuation
from training.simulation.solids import Solid
from training.simulation.textures import clouds

Float32 = NDArray[np.float32]

#: What a unit amounts to where it is dense (LEVEL percentile), mm of steel over a full depth: median, spread of the
#: logarithm, least, most.
STEEL_MM, LEVEL = (62.0, 0.75, 6.0, 190.0), 70
#: Nothing amounts to more, mm of steel.
DARKEST_MM = 250.0
#: How often the units of a consignment have nothing in common: groupage.
MIXED = 0.35
#: What lies between the things: packing, or what they are packed into.
INFILL = ("paper", "cotton", "polyethylene", "pellets", "wood", "grain", "cement", "abs")


def assorted(unit: Unit) -> Area | None:
    """Random solids, of materials, sizes and an arrangement that are mostly those of the consignment."""
    style, chance = unit.style, unit.chance
    if style.random() < MIXED:
        style = np.random.default_rng(int(chance.integers(2**31)))
        unit = replace(unit, style=style)
    width, tall = float(style.uniform(60, 250)), float(style.uniform(0.3, 1.0))
    arrangement = ARRANGEMENTS[str(style.choice(list(ARRANGEMENTS)))]
    area = unit.corner(
        width * float(chance.uniform(0.9, 1.0)), tall * unit.space.height * float(chance.uniform(0.92, 1))
    )
    patch = unit.board.patch(area)
    if min(patch.shape) < 2:
        return None
    materials = _materials(style)
    scene = Scene(_canvas(unit, patch), area.width, area.height, style, chance, materials)
    arrangement(scene, _parts(style, materials, scene.solid.resolution * FINER))
    strength = _strength(scene.solid, unit, float(style.normal()))
    for material, thickness in scene.solid.maps.items():
        unit.board.add(material, thickness * patch.inside * np.float32(strength), patch.where)
    _pack(unit, area, patch)
    return area


def _materials(style: np.random.Generator) -> tuple[str, ...]:
    metal = float(style.uniform(0.1, 0.9))
    return tuple(draw_material(style, metal) for _ in range(int(style.integers(2, 6))))


def _parts(style: np.random.Generator, materials: tuple[str, ...], resolution: float) -> list[Solid]:
    """One to five kinds of things, all about as large as one another or not at all."""
    usual, alike = draw_size(style), bool(style.random() < 0.5)
    parts = []
    for _ in range(int(style.integers(1, 6))):
        size = float(np.clip(usual * style.uniform(0.7, 1.3), 3, 90)) if alike else draw_size(style)
        if size > 9 and style.random() < 0.4:
            parts.append(draw_assembly(style, list(materials), size, resolution))
        else:
            parts.append(draw_solid(style, str(style.choice(materials)), size, resolution))
    return parts


def _canvas(unit: Unit, patch: Patch) -> Solid:
    """A board for the unit alone: the pixels of the patch, the origin at the left top corner of its area."""
    resolution, (rows, columns) = unit.board.resolution, patch.shape
    corner = np.array([patch.x[0, 0], patch.y[0, 0]], np.float64)
    middle = 0.5 - corner * resolution - np.array([columns, rows]) / 2
    x, y = (middle / resolution).tolist()
    return Solid(columns / resolution, rows / resolution, resolution, origin=(x, y))


def _strength(solid: Solid, unit: Unit, normal: float) -> float:
    """What thicknesses are multiplied by: things stand behind one another until the unit is as heavy as freight is.

    Their sum is never deeper than the unit and never more than DARKEST_MM of steel.
    """
    if not solid.maps:
        return 1.0
    per_mm = linear_attenuation("steel", CARGO_BEAM.high_mev) / 10
    per_cm = {material: linear_attenuation(material, CARGO_BEAM.high_mev) for material in solid.maps}
    steel_mm = solid.attenuation(per_cm) / np.float32(per_mm)
    present = steel_mm[steel_mm > 0.05]
    if not present.size:
        return 1.0
    median, spread, least, most = STEEL_MM
    goal = float(np.clip(median * np.exp(spread * normal), least, most)) * unit.share
    deepest = float(sum(solid.maps.values(), np.zeros(solid.shape, np.float32)).max())
    limits = DARKEST_MM * unit.share / float(steel_mm.max()), unit.depth / max(deepest, 1e-3)
    return min(goal / float(np.percentile(present, LEVEL)), *limits)


def _pack(unit: Unit, area: Area, patch: Patch) -> None:
    """What is around and between: cartons, a crate, film, or nothing; and sometimes a filling up to some height."""
    style, board, depth = unit.style, unit.board, unit.depth
    around, filled = float(style.random()), bool(style.random() < 0.5)
    if around < 0.2:
        _boxes(unit, area)
    elif around < 0.35:
        board.slab("wood", area.outline, float(style.uniform(2, 6)))
        for x in np.linspace(area.left, area.right - 8, max(2, int(area.width / 45))).tolist():
            board.slab("wood", Area(x, area.top, x + 8, area.bottom).outline, 6)
        for y in (area.top, area.bottom - 8):
            board.slab("wood", Area(area.left, y, area.right, y + 8).outline, 0.1 * depth)
    elif around < 0.5:
        board.slab("polyethylene", area.outline, float(style.uniform(0.2, 1)))
    if not filled:
        return
    material, level = str(style.choice(INFILL)), float(style.choice([1.0, style.uniform(0.2, 0.95)]))
    per_cm = linear_attenuation(material, CARGO_BEAM.high_mev) / linear_attenuation("steel", CARGO_BEAM.high_mev) * 10
    deep = min(float(np.exp(style.uniform(np.log(3), np.log(60)))) * unit.share / per_cm, 0.9 * depth)
    cell, rough = float(style.uniform(4, 30)) * board.resolution, float(style.uniform(0, 0.5))
    under = np.clip((patch.y - (1 - level) * area.height) * board.resolution, 0, 1)
    uneven = np.exp(rough * clouds(unit.chance, patch.shape, cell, 2))
    board.add(material, np.asarray(patch.inside * under * uneven * deep, np.float32), patch.where)


def _boxes(unit: Unit, area: Area) -> None:
    wide, tall = (max(1, round(length / float(unit.style.uniform(25, 70)))) for length in (area.width, area.height))
    across, up = area.width / wide, area.height / tall
    for column in range(wide):
        for row in range(tall):
            left, top = area.left + column * across, area.top + row * up
            carton_walls(unit.board, Area(left, top, left + across, top + up), unit.depth / 50)
