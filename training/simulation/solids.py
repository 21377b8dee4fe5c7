"""Solids seen along the beam: for each material, how many centimetres of it each pixel's ray crosses.

A `Solid` is a board with its origin in the centre, x to the right and y down, in cm. Thickness adds up: what lies over
something else is attached to the same board, and a bore is carved out. A scene is one large Solid.

    >>> can = Solid(14, 8, resolution=10)
    >>> can.turned("aluminium", [(-6, 3.3), (6, 3.3)], wall=0.02)
    >>> can.turned("water", [(-5.5, 3.2), (4.5, 3.2)])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Point = tuple[float, float]
Outline = Sequence[Point]

#: Rows and columns of a board.
Window = tuple[slice, slice]
EVERYWHERE: Window = (slice(None), slice(None))
#: Fractional bits of cv2's fixed-point coordinates.
SHIFT = 6
#: Less than this many centimetres is rounding of the resampling, not material.
THINNEST_CM = 1e-4


@dataclass(frozen=True)
class Pose:
    """Where a solid lies on a larger board.

    x, y: its centre, cm. angle: degrees, counter-clockwise on the screen. tilt: degrees out of the image plane about
    the solid's own x axis: it looks shorter and rays cross more of it. flip: seen from below. scale: of its outline.
    """

    x: float
    y: float
    angle: float = 0.0
    tilt: float = 0.0
    flip: bool = False
    scale: float = 1.0


class Solid:
    """A board of width x height cm at `resolution` pixels a cm. maps: material -> (H, W) float32 thickness in cm.

    origin: where the origin lies, in cm from the board's middle.
    """

    def __init__(self, width: float, height: float, resolution: float, origin: Point = (0.0, 0.0)) -> None:
        self.resolution = float(resolution)
        self.shape = (max(2, round(height * resolution)), max(2, round(width * resolution)))
        self.maps: dict[str, Float32] = {}
        rows, columns = self.shape
        # (H, 1) and (1, W): pixel centres in cm; they broadcast.
        self.origin = np.array([columns, rows]) / 2 + np.array(origin) * self.resolution
        self.y = ((np.arange(rows) + 0.5 - self.origin[1]) / self.resolution).astype(np.float32)[:, None]
        self.x = ((np.arange(columns) + 0.5 - self.origin[0]) / self.resolution).astype(np.float32)[None, :]

    def add(self, material: str, thickness: Float32, where: Window = EVERYWHERE) -> None:
        """Adds centimetres of a material in a window of the board; negative thickness carves, down to nothing."""
        if material not in self.maps:
            self.maps[material] = np.zeros(self.shape, np.float32)
        part = self.maps[material][where]
        np.maximum(part + thickness, 0, out=part)

    def carve(self, outline: Outline) -> None:
        """Removes everything inside an outline: a hole through the whole solid."""
        where = self._window(outline)
        left = 1 - self._cover(outline, where)
        for thickness in self.maps.values():
            thickness[where] *= left

    def cover(self, outline: Outline) -> Float32:
        """(H, W) in 0..1: how much of each pixel lies inside a closed outline in cm."""
        return self._cover(outline, self._window([(float(self.x[0, i]), float(self.y[i, 0])) for i in (0, -1)]))

    def slab(self, material: str, outline: Outline, thickness: float) -> None:
        """A plate of even thickness, cm."""
        where = self._window(outline)
        self.add(material, self._cover(outline, where) * np.float32(thickness), where)

    def pillow(self, material: str, outline: Outline, thickness: float, edge: float) -> None:
        """A body that is `thickness` thick and rounded off (quarter ellipse) over `edge` cm from its outline."""
        where = self._window(outline)
        cover = self._cover(outline, where)
        self.add(material, cover * _rounded(self._depth(cover), thickness, edge), where)

    def shell(self, material: str, outline: Outline, depth: float, wall: float, edge: float) -> None:
        """A hollow body, `depth` deep along the beam, with `wall` cm of wall: thin in the middle, dark at the rim."""
        where = self._window(outline)
        cover = self._cover(outline, where)
        distance = self._depth(cover)
        outer = _rounded(distance, depth, edge)
        inner = _rounded(np.maximum(distance - wall, 0), depth - 2 * wall, edge)
        self.add(material, cover * np.maximum(outer - inner, 0), where)

    def turned(self, material: str, profile: Outline, y: float = 0.0, wall: float | None = None) -> None:
        """A body of revolution about the line at height y: profile gives (x, radius), x rising. wall: if hollow."""
        stations, radii = np.array(profile, np.float32).T
        widest = float(radii.max())
        where = self._window([(float(stations[0]), y - widest), (float(stations[-1]), y + widest)])
        radius = np.interp(self.x[:, where[1]], stations, radii, left=0, right=0).astype(np.float32)
        offset = self.y[where[0]] - np.float32(y)
        chord = _chord(radius, offset)
        if wall is not None:
            chord = chord - _chord(np.maximum(radius - wall, 0), offset)
        self.add(material, chord, where)

    def ball(self, material: str, centre: Point, radii: tuple[float, float, float]) -> None:
        """An ellipsoid with semi-axes (x, y, along the beam) in cm."""
        squared = ((self.x - centre[0]) / radii[0]) ** 2 + ((self.y - centre[1]) / radii[1]) ** 2
        self.add(material, (2 * radii[2] * np.sqrt(np.maximum(1 - squared, 0))).astype(np.float32))

    def disc(self, material: str, centre: Point, radius: float, thickness: float) -> None:
        """A coin lying flat."""
        self.ring(material, centre, (-1.0, radius), thickness)

    def ring(self, material: str, centre: Point, radii: tuple[float, float], thickness: float) -> None:
        """A washer lying flat; radii: inner, outer, cm."""
        reach = radii[1]
        where = self._window([(centre[0] - reach, centre[1] - reach), (centre[0] + reach, centre[1] + reach)])
        distance = np.hypot(self.x[:, where[1]] - centre[0], self.y[where[0]] - centre[1])
        outer, inner = (np.clip((radius - distance) * self.resolution + 0.5, 0, 1) for radius in (radii[1], radii[0]))
        self.add(material, ((outer - inner) * thickness).astype(np.float32), where)

    def wire(self, material: str, path: Outline, diameter: float, thickness: float | None = None) -> None:
        """A bent rod along an open path. thickness: along the beam, a round rod's mean chord when not given."""
        depth = np.pi / 4 * diameter if thickness is None else thickness
        width = diameter * self.resolution
        drawn = max(1, round(width))
        where = self._window(path, margin=diameter)
        mask = np.zeros(_size(where), np.uint8)
        cv2.polylines(mask, [self._pixels(path, where)], False, 255, drawn, cv2.LINE_AA, SHIFT)
        # A rod thinner than a pixel still absorbs in proportion to its width.
        self.add(material, mask.astype(np.float32) * np.float32(depth * min(width / drawn, 1.5) / 255), where)

    def trimmed(self) -> Solid:
        """The same solid on the smallest board that holds it, centred on its outline instead of its origin."""
        present = np.zeros(self.shape, bool)
        for thickness in self.maps.values():
            present |= thickness > THINNEST_CM
        box = extent(present)
        if box is None:
            return self
        left, top, right, bottom = (int(edge) for edge in box)
        small = Solid((right - left) / self.resolution, (bottom - top) / self.resolution, self.resolution)
        small.maps = {material: thickness[top:bottom, left:right] for material, thickness in self.maps.items()}
        return small

    def attach(self, part: Solid, pose: Pose) -> NDArray[np.float32] | None:
        """Lays a part onto this board, adding thickness.

        Returns the box (4,) x1 y1 x2 y2, in pixels of this board, of the part's own projection; None if outside.
        """
        transform = self._transform(part, pose)
        reached = self._reached(part, transform)
        if reached is None:
            return None
        left, top, right, bottom = reached
        transform[:, 2] -= (left, top)
        stretch = np.float32(1 / max(np.cos(np.radians(pose.tilt)), 0.25))
        seen = np.zeros((bottom - top, right - left), bool)
        for material, thickness in part.maps.items():
            laid = cv2.warpAffine(thickness, transform, (right - left, bottom - top), flags=cv2.INTER_LINEAR) * stretch
            laid[laid < THINNEST_CM] = 0
            seen |= laid > 0
            self.maps.setdefault(material, np.zeros(self.shape, np.float32))[top:bottom, left:right] += laid
        box = extent(seen)
        return None if box is None else (box + np.array([left, top, left, top])).astype(np.float32)

    def attenuation(self, per_cm: dict[str, float]) -> Float32:
        """(H, W) sum over materials of mu * thickness; per_cm: material -> mu in 1/cm."""
        total = np.zeros(self.shape, np.float32)
        for material, thickness in self.maps.items():
            total += np.float32(per_cm[material]) * thickness
        return total

    def _transform(self, part: Solid, pose: Pose) -> NDArray[np.float64]:
        ratio = self.resolution / part.resolution * pose.scale
        cosine, sine = np.cos(np.radians(pose.angle)), np.sin(np.radians(pose.angle))
        squeeze = max(np.cos(np.radians(pose.tilt)), 0.25) * (-1 if pose.flip else 1)
        linear = ratio * np.array([[cosine, sine * squeeze], [-sine, cosine * squeeze]])
        own = part.origin - 0.5
        here = self.origin - 0.5 + np.array([pose.x, pose.y]) * self.resolution
        return np.hstack([linear, (here - linear @ own)[:, None]])

    def _reached(self, part: Solid, transform: NDArray[np.float64]) -> tuple[int, int, int, int] | None:
        rows, columns = part.shape
        corners = np.array([[0, 0, 1], [columns, 0, 1], [0, rows, 1], [columns, rows, 1]]) @ transform.T
        left, top = np.maximum(np.floor(corners.min(0)).astype(int) - 1, 0)
        right, bottom = np.minimum(np.ceil(corners.max(0)).astype(int) + 2, self.shape[::-1])
        return (int(left), int(top), int(right), int(bottom)) if right > left and bottom > top else None

    def _window(self, outline: Outline, margin: float = 0.0) -> Window:
        """The part of the board that an outline touches, two pixels wider; at least one pixel."""
        points = np.array(outline, np.float64) * self.resolution + self.origin
        reach = margin * self.resolution + 2
        low, high = np.floor(points.min(0) - reach).astype(int), np.ceil(points.max(0) + reach).astype(int)
        left, top = np.clip(low, 0, np.array(self.shape[::-1]) - 1).tolist()
        right, bottom = np.clip(high, np.array([left, top]) + 1, self.shape[::-1]).tolist()
        return slice(top, bottom), slice(left, right)

    def _cover(self, outline: Outline, where: Window) -> Float32:
        mask = np.zeros(_size(where), np.uint8)
        cv2.fillPoly(mask, [self._pixels(outline, where)], 255, cv2.LINE_AA, SHIFT)
        return np.asarray(mask / 255, np.float32)

    def _pixels(self, outline: Outline, where: Window) -> NDArray[np.int32]:
        points = np.array(outline, np.float64) * self.resolution + self.origin - 0.5
        return np.rint((points - (where[1].start, where[0].start)) * (1 << SHIFT)).astype(np.int32)

    def _depth(self, cover: Float32) -> Float32:
        inside = np.pad((cover > 0.5).astype(np.uint8), 1)
        distance = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
        return cast(Float32, distance / np.float32(self.resolution))


def _size(where: Window) -> tuple[int, int]:
    rows, columns = where
    return rows.stop - rows.start, columns.stop - columns.start


def extent(mask: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """The box (4,) x1 y1 x2 y2 around the true pixels of a mask, right and bottom exclusive; None if there are none."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not columns.size:
        return None
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def _rounded(distance: Float32, thickness: float, edge: float) -> Float32:
    inward = 1 - np.minimum(distance / np.float32(max(edge, 1e-6)), 1)
    return np.asarray(thickness * np.sqrt(1 - inward**2), np.float32)


def _chord(radius: Float32, offset: Float32) -> Float32:
    return np.asarray(2 * np.sqrt(np.maximum(radius**2 - offset**2, 0)), np.float32)
