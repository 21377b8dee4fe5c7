"""Handguns, composed from their parts: what the beam crosses in a slide, a barrel, a magazine with rounds.

Every builder takes a generator and a resolution in pixels a cm, and gives a Solid with the muzzle to the right.
"""

from __future__ import annotations

import numpy as np

from training.simulation.outlines import arc, rectangle, rounded_rectangle, smooth
from training.simulation.solids import Float32, Pose, Solid


def handgun(generator: np.random.Generator, resolution: float) -> Solid:
    """A pistol, more often than a revolver."""
    return pistol(generator, resolution) if generator.random() < 0.65 else revolver(generator, resolution)


def pistol(generator: np.random.Generator, resolution: float) -> Solid:
    """A self-loading pistol, 18 to 22 cm long, with a steel or a polymer frame and a loaded magazine."""
    gun = Solid(23, 16, resolution)
    polymer = bool(generator.random() < 0.35)
    muzzle = float(generator.uniform(8.2, 10.0))
    _slide(gun, muzzle)
    _frame(gun, muzzle, "abs" if polymer else "steel")
    _grip(gun, polymer)
    rounds = int(generator.integers(5, 9))
    gun.attach(_magazine(rounds, resolution), Pose(-5.75, 2.6, angle=-106))
    return gun


def _slide(gun: Solid, muzzle: float) -> None:
    outline = [(-8.6, -4.9), (muzzle - 0.3, -4.9), (muzzle, -4.5), (muzzle, -2.5), (-8.2, -2.5), (-8.8, -3.2)]
    gun.shell("steel", outline, depth=2.1, wall=0.24, edge=0.5)
    gun.carve(rectangle(-1.6, -4.75, 1.6, -3.5))
    gun.turned("steel", [(-1.5, 0.72), (2, 0.72), (2.1, 0.62), (muzzle + 0.2, 0.62)], y=-3.75, wall=0.26)
    gun.slab("steel", rectangle(-5.6, -4.6, -1.9, -2.8), 0.5)
    for step in range(7):
        x = -8.2 + 0.34 * step
        gun.slab("steel", rectangle(x, -4.8, x + 0.16, -2.7), 0.22)
    gun.slab("steel", rectangle(-8.1, -5.35, -7.2, -4.85), 0.9)
    gun.slab("steel", [(muzzle - 1.1, -4.9), (muzzle - 0.8, -5.3), (muzzle - 0.4, -5.3), (muzzle - 0.3, -4.9)], 0.35)
    # The recoil spring below the barrel.
    turns = np.arange(0, muzzle - 2.0, 0.22)
    gun.wire("steel", [(1.6 + x, -2.75 + 0.28 * (-1) ** i) for i, x in enumerate(turns.tolist())], 0.12)


def _frame(gun: Solid, muzzle: float, material: str) -> None:
    dust_cover = [(-7.6, -2.6), (muzzle - 0.8, -2.6), (muzzle - 1.0, -1.7), (1.8, -1.4), (1.2, -0.9), (-7.0, -0.7)]
    gun.pillow(material, dust_cover, 2.0 if material == "abs" else 0.6, edge=0.5)
    gun.slab("steel", rectangle(-7.2, -2.4, 1.5, -1.5), 0.3)
    guard = [(1.6, -1.3), (2.2, 0.2), (1.4, 1.5), (-0.6, 1.9), (-2.6, 1.5), (-3.2, 0.4)]
    gun.wire(material, smooth(guard, closed=False), 0.5, thickness=1.1 if material == "abs" else 0.8)
    gun.wire("steel", smooth([(-0.9, -1.0), (-0.5, -0.1), (-0.8, 0.9)], closed=False), 0.42, thickness=0.7)
    hammer = [(-8.3, -3.1), (-9.2, -4.1), (-9.7, -3.6), (-9.0, -2.6), (-8.2, -2.0)]
    gun.pillow("steel", hammer, 0.8, edge=0.2)
    gun.disc("steel", (-2.6, -1.9), 0.26, 1.6)
    gun.disc("steel", (-7.1, -1.7), 0.22, 1.8)


def _grip(gun: Solid, polymer: bool) -> None:
    corners = [(-7.9, -1.6), (-3.6, -1.0), (-3.7, 1.4), (-4.4, 4.2), (-5.2, 6.9), (-9.5, 6.6), (-9.0, 3.4), (-8.4, 0.8)]
    outline = smooth(corners)
    if polymer:
        gun.shell("abs", outline, depth=3.0, wall=0.35, edge=0.8)
        return
    gun.shell("steel", outline, depth=1.5, wall=0.16, edge=0.2)
    panel = [(0.88 * (x + 6.4) - 6.4, 0.8 * (y - 2.8) + 2.9) for x, y in outline]
    gun.pillow("wood", panel, 1.3, edge=0.6)
    for y in (0.6, 5.2):
        gun.disc("steel", (-6.1 - 0.28 * y, y), 0.3, 0.5)


def _magazine(rounds: int, resolution: float) -> Solid:
    """Lies along x, mouth to the right."""
    magazine = Solid(11, 4, resolution)
    magazine.shell("steel", rectangle(-4.9, -1.45, 4.2, 1.45), depth=1.9, wall=0.09, edge=0.15)
    magazine.slab("steel", rectangle(-5.1, -1.6, -4.8, 1.6), 2.2)
    turns = np.arange(-4.7, 3.5 - 1.02 * rounds, 0.42)
    magazine.wire("steel", [(x, 1.1 * (-1) ** i) for i, x in enumerate(turns.tolist())], 0.11)
    round_ = cartridge(resolution)
    for index in range(rounds):
        magazine.attach(round_, Pose(3.4 - 1.02 * index, 0.0, angle=82))
    return magazine


def cartridge(resolution: float) -> Solid:
    """A 9 mm round, bullet to the right: brass case, powder, jacketed lead."""
    body = Solid(3.4, 1.2, resolution)
    body.turned("brass", [(-1.45, 0.49), (0.4, 0.48)], wall=0.05)
    body.turned("brass", [(-1.45, 0.49), (-1.1, 0.49)])
    body.turned("lead", [(0.0, 0.40), (0.6, 0.40), (1.1, 0.28), (1.4, 0.05)])
    return body


def revolver(generator: np.random.Generator, resolution: float) -> Solid:
    """A revolver with a barrel of 5 to 15 cm and a loaded cylinder."""
    gun = Solid(28, 16, resolution)
    muzzle = 1.6 + float(generator.choice([5.2, 10.2, 13.0]))
    gun.turned("steel", [(1.3, 0.95), (2.2, 0.85), (muzzle, 0.78)], y=-3.6, wall=0.42)
    gun.pillow("steel", rectangle(1.4, -2.7, muzzle - 0.4, -2.1), 0.6, edge=0.2)
    gun.slab("steel", [(muzzle - 2.0, -4.3), (muzzle - 0.4, -5.0), (muzzle - 0.1, -4.3)], 0.3)
    frame = [(-4.2, -4.9), (1.8, -4.9), (2.2, -4.2), (2.2, -1.2), (1.0, -0.6), (-3.8, -0.6), (-5.6, -2.2), (-5.2, -4.2)]
    gun.pillow("steel", smooth(frame), 1.5, edge=0.3)
    gun.carve(rounded_rectangle(4.0, 3.0, 0.2, (-0.9, -2.7)))
    gun.attach(_cylinder(resolution), Pose(-0.9, -2.7))
    guard = [*arc((-1.0, 0.1), 1.75, -30, 195)]
    gun.wire("steel", guard, 0.42, thickness=0.8)
    gun.wire("steel", smooth([(-1.4, -0.6), (-1.0, 0.3), (-1.3, 1.2)], closed=False), 0.4, thickness=0.7)
    hammer = [(-4.8, -3.4), (-6.0, -5.2), (-7.0, -5.3), (-6.2, -4.2), (-5.4, -2.6)]
    gun.pillow("steel", smooth(hammer), 0.8, edge=0.2)
    _curved_grip(gun)
    return gun


def _curved_grip(gun: Solid) -> None:
    corners = [(-5.0, -2.6), (-3.4, -0.8), (-4.6, 1.6), (-5.6, 4.4), (-6.2, 6.4), (-9.4, 6.0), (-8.8, 3.6), (-7.2, 0.4)]
    grip = smooth(corners)
    gun.pillow("wood", grip, 2.8, edge=1.0)
    tang = [(0.72 * (x + 6.4) - 6.4, 0.88 * (y - 2.0) + 1.8) for x, y in grip]
    gun.shell("steel", tang, depth=1.1, wall=0.4, edge=0.1)
    gun.wire("steel", smooth([(-5.4, -1.0), (-6.2, 2.0), (-7.4, 4.8)], closed=False), 0.3, thickness=0.6)


def _cylinder(resolution: float) -> Solid:
    body = Solid(4.4, 4.4, resolution)
    body.turned("steel", [(-1.85, 1.8), (1.4, 1.8), (1.85, 1.65)])
    round_ = cartridge(resolution)
    # Six chambers about the axis, seen from the side: pairs lie over one another at three heights.
    for height in (-1.05, 0.0, 1.05):
        for _ in range(2):
            body.add("steel", -_bore(body, height))
            body.attach(round_, Pose(-0.3, height))
    return body


def _bore(body: Solid, height: float) -> Float32:
    inside = np.maximum(0.47**2 - (body.y - height) ** 2, 0)
    return np.broadcast_to(2 * np.sqrt(inside), body.shape).astype(np.float32)
