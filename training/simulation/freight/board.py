"""A board as long as a railcar: what the beam meets is added up as attenuation, at each energy at once.

A `Solid` keeps one map a material; at 2 mm a lorry would need 80 MB for each of thirty materials. A `Board` keeps one
map an energy. Lengths are cm, y points down, y = 0 is the ground or the top of the rail.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from training.simulation.materials import linear_attenuation
from training.simulation.outlines import rectangle
from training.simulation.solids import EVERYWHERE, Outline, Point, Pose, Solid, Window, extent

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Threats are drawn at no less than this many points a cm, or knives and triggers would fall between the pixels.
DETAIL = 10.0
#: Columns handled at once where sums need double precision.
STRIP = 512
#: An item is where it takes away more of the beam than this: below, noise of the best scanner hides it.
VISIBLE = 0.003


@dataclass(frozen=True)
class Area:
    """An upright rectangle, cm; top < bottom, since y points down."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Along the vehicle, cm."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Upwards, cm."""
        return self.bottom - self.top

    @property
    def centre(self) -> Point:
        """x, y in cm."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def outline(self) -> list[Point]:
        """The four corners, to draw with."""
        return rectangle(self.left, self.top, self.right, self.bottom)

    def inset(self, margin: float) -> Area:
        """The same, smaller by `margin` cm on every side, never turned inside out."""
        across, down = min(margin, 0.49 * self.width), min(margin, 0.49 * self.height)
        return Area(self.left + across, self.top + down, self.right - across, self.bottom - down)


@dataclass(frozen=True)
class Patch:
    """The window of an area. x: (1, w), y: (h, 1), cm from its left top corner; inside: (h, w) in 0..1."""

    where: Window
    x: Float32
    y: Float32
    inside: Float32

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return self.inside.shape[0], self.inside.shape[1]


@dataclass(frozen=True)
class Laid:
    """What one item adds to a board. added: energy -> (h, w) attenuation in the window `where`; seen: (h, w)."""

    where: Window
    added: dict[float, Float32]
    seen: Bool
    box: NDArray[np.float32]


class Board(Solid):
    """The part `area` of the scene at a pixel pitch in mm. attenuations: MeV -> (H, W) sum of mu * thickness.

    All that draws on a Solid draws here; `maps` stays empty, and thickness cannot be taken away again but by `carve`.
    """

    def __init__(self, area: Area, pitch_mm: float, energies_mev: tuple[float, ...]) -> None:
        x, y = area.centre
        super().__init__(area.width, area.height, 10 / pitch_mm, origin=(-x, -y))
        self.attenuations = {energy: np.zeros(self.shape, np.float32) for energy in energies_mev}

    def add(self, material: str, thickness: Float32, where: Window = EVERYWHERE) -> None:
        """Adds centimetres, none of them negative, of a material in a window."""
        for energy, total in self.attenuations.items():
            total[where] += np.float32(_per_cm(material, energy)) * thickness

    def carve(self, outline: Outline) -> None:
        """Removes everything inside an outline."""
        where = self._window(outline)
        left = 1 - self._cover(outline, where)
        for total in self.attenuations.values():
            total[where] *= left

    def upright(
        self, material: str, x: float, span: tuple[float, float], radius: float, wall: float | None = None
    ) -> None:
        """A cylinder that stands on its base, from span[0] (top) to span[1]. wall: if hollow."""
        where = self._window(rectangle(x - radius, span[0], x + radius, span[1]))
        offset = self.x[:, where[1]] - np.float32(x)
        chord = _chord(radius, offset)
        if wall is not None:
            chord = chord - _chord(max(radius - wall, 0.0), offset)
        self.add(material, chord * self._between(self.y[where[0]], *span), where)

    def patch(self, area: Area) -> Patch:
        """The window of an area with its coordinates, to fill it with a texture."""
        where = self._window(area.outline)
        x, y = self.x[:, where[1]], self.y[where[0]]
        inside = self._between(x, area.left, area.right) * self._between(y, area.top, area.bottom)
        return Patch(where, x - np.float32(area.left), y - np.float32(area.top), inside)

    def attach(self, part: Solid, pose: Pose) -> NDArray[np.float32] | None:
        """Lays a part onto the board; its box in pixels of the board, None if it fell outside or is too thin to see."""
        laid = self.lay(part, pose)
        return None if laid is None else laid.box

    def lay(self, part: Solid, pose: Pose) -> Laid | None:
        """As `attach`, with what it added. An element integrates intensity, not thickness, over the finer points."""
        window = self._reach(part, pose)
        if window is None:
            return None
        rows, columns = window
        finer = max(1, int(np.ceil(DETAIL / self.resolution)))
        fine = self._finer(window, finer)
        fine.attach(part, pose)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        added: dict[float, Float32] = {}
        for energy, total in self.attenuations.items():
            through = np.exp(-fine.attenuation({material: _per_cm(material, energy) for material in fine.maps}))
            added[energy] = -np.log(cv2.resize(through, size, interpolation=cv2.INTER_AREA)).astype(np.float32)
            total[window] += added[energy]
        seen = added[max(added)] > VISIBLE
        box = extent(seen)
        if box is None:
            return None
        corner = np.array([columns.start, rows.start] * 2, np.float32)
        return Laid(window, added, seen, box + corner)

    def blank(self) -> Board:
        """An empty board of the same part of the scene."""
        empty = copy(self)
        empty.attenuations = {energy: np.zeros(self.shape, np.float32) for energy in self.attenuations}
        return empty

    def add_across(self, load: Board, spread: tuple[float, float], level: float) -> None:
        """Adds a load that is as deep as the vehicle: the beam fans out, so heights blur with their depth.

        What lies h cm from `level` shows from spread[0] * h to spread[1] * h further from it. Columns stay sharp, as
        each is one plane of the fan: that is why stacks show as stripes in scans, the more so the higher they are.
        """
        box = extent(load.attenuations[max(load.attenuations)] > 0)
        if box is None:
            return
        left, top, right, bottom = (int(edge) for edge in box)
        reach = int(np.ceil(max(map(abs, spread)) * float(np.abs(self.y - level).max()) * self.resolution)) + 1
        rows = np.arange(max(top - reach, 0), min(bottom + reach, self.shape[0]))
        shifts = np.outer(spread, (self.y[rows, 0] - level) * self.resolution)
        first, last = rows - shifts.max(0) - top, rows + 1 - shifts.min(0) - top
        for start in range(left, right, STRIP):
            columns = slice(start, min(start + STRIP, right))
            for energy, total in self.attenuations.items():
                above = np.zeros((bottom - top + 1, columns.stop - start))
                np.cumsum(load.attenuations[energy][top:bottom, columns], axis=0, out=above[1:])
                mean = (_row_at(above, last) - _row_at(above, first)) / (last - first)[:, None]
                total[rows[0] : rows[-1] + 1, columns] += mean.astype(np.float32)

    def _finer(self, window: Window, finer: int) -> Solid:
        rows, columns = window
        width, height = ((part.stop - part.start) / self.resolution for part in (columns, rows))
        middle = np.array([columns.start + columns.stop, rows.start + rows.stop]) / 2
        x, y = ((self.origin - middle) / self.resolution).tolist()
        return Solid(width, height, self.resolution * finer, origin=(x, y))

    def _reach(self, part: Solid, pose: Pose) -> Window | None:
        reached = self._reached(part, self._transform(part, pose))
        if reached is None:
            return None
        left, top, right, bottom = reached
        return slice(top, bottom), slice(left, right)

    def _between(self, along: Float32, low: float, high: float) -> Float32:
        """0..1 along an axis: the share of each pixel that lies between two coordinates."""
        half = np.float32(0.5 / self.resolution)
        covered = np.minimum(along + half, np.float32(high)) - np.maximum(along - half, np.float32(low))
        return np.asarray(np.clip(covered * np.float32(self.resolution), 0, 1), np.float32)


def _row_at(values: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of values (n, w) at fractional indices (m,), the first and the last beyond the ends."""
    at = np.clip(at, 0, len(values) - 1)
    low = np.minimum(at.astype(np.intp), len(values) - 2)
    share = (at - low)[:, None]
    return np.asarray(values[low] * (1 - share) + values[low + 1] * share, np.float64)


@cache
def _per_cm(material: str, energy_mev: float) -> float:
    return linear_attenuation(material, energy_mev)


def _chord(radius: float, offset: Float32) -> Float32:
    return np.asarray(2 * np.sqrt(np.maximum(np.float32(radius**2) - offset**2, 0)), np.float32)
