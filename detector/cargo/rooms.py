"""Where in a scan cargo may lie: the rooms of containers, box bodies and wagons, found by what every one of them has.

A roof or a rim that stays at one height for metres, a floor met edge on right across, end walls met edge on. Cabs have
no such roof, engines and wheels lie below the floor. No room is found in what has no such roof, a heaped open wagon for
instance: then nothing can be said of it, and nothing is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.normalisation.air import BAND, Float32, attenuation

#: x1, y1, x2, y2 in pixels of the scan, right and bottom exclusive.
Box = tuple[int, int, int, int]
Pitch = tuple[float, float]

#: Side of a cell, mm.
CELL_MM = 40.0
#: The darkest transmission that is told from nothing.
FLOOR = 1e-4
#: Attenuation from which there is a vehicle: half of a thin wall. And how high matter is that is no wire or gutter, mm.
SOLID, THICK_MM = 0.04, 120.0
#: How far a roof may rise and sink, and how long it is at least, mm: no cab is as long, and the shortest
#: container is 3 m.
LEVEL_MM, SHORTEST_MM = 100.0, 2_500.0
#: Hatches and lashings break a roof for no longer than this, mm.
BREAK_MM = 500.0
#: A room is at least this high, mm; what is lower than that above the first dark line is a bumper or a tank.
LOWEST_MM = 1_200.0
#: Lines are narrower than this, mm, and darker than what is beside them by this much.
LINE_MM, LINE = 250.0, 1.0
#: Edges of rails and posts are thinner than this, floors, end walls and doors thicker, mm.
EDGE_MM = 25.0
#: The frame of a vehicle ends at most so far below the floor on it, mm.
FRAME_MM = 650.0
#: A floor attenuates more than this, as the sill below it does not, and is no deeper than this, mm: of bare vehicles of
#: eight kinds 40 to 95, and 125 with 8 cm of goods on it. And how high it is taken to be where it lies under a load.
FLOOR_LINE, DEEPEST_FLOOR_MM, FLOOR_ITSELF_MM = 2.0, 100.0, 65.0
#: A floor is as dark in all its rows but those at its edges, mm: of bare vehicles within .15, and goods on it are of
#: another darkness.
FLOOR_EDGE_MM, FLOOR_STEP = 20.0, 0.4
#: Share of a line that may be hidden or broken.
BROKEN = 0.03
#: What of a room its own corners take up: posts and end walls, roof rails seen at a slant, the edge of the floor, mm.
ENDS_MM, ROOF_MM, FLOOR_MM = 160.0, 220.0, 40.0


@dataclass(frozen=True)
class Spaces:
    """What the end walls of a view's vehicles part, left to right, in pixels.

    rooms: within their walls. unjudged: closed spaces under the same roof and over the same floor that are too short
    for a room, as behind a false wall: nothing tells their walls from a load. layered: whether the floor of a room is
    deeper than any floor, or of two parts, as with a layer of goods on it, however low.
    """

    rooms: tuple[Box, ...]
    unjudged: tuple[Box, ...]
    layered: bool = False


@dataclass(frozen=True)
class Cells:
    """Means over blocks of a view. transmission: (h, w) float32; size: pixels across and down of one block."""

    transmission: Float32
    size: tuple[int, int]

    @classmethod
    def of(cls, view: Float32, pitch_mm: Pitch, side_mm: float = CELL_MM) -> Cells:
        """Blocks of about `side_mm`; pixels at the right and at the bottom that fill no block are left out."""
        across, down = (max(1, round(side_mm / pitch)) for pitch in pitch_mm)
        height, width = view.shape[0] // down, view.shape[1] // across
        if not height or not width:
            return cls(np.ones((0, 0), np.float32), (across, down))
        means = cv2.resize(view[: height * down, : width * across], (width, height), interpolation=cv2.INTER_AREA)
        return cls(np.asarray(means, np.float32), (across, down))

    @property
    def attenuation(self) -> Float32:
        """(h, w) of the mean transmission: a mean of logarithms would be one of noise behind dense cargo."""
        return attenuation(self.transmission, FLOOR)


def find_spaces(view: Float32, pitch_mm: Pitch) -> Spaces:
    """The rooms in a (H, W) transmission, and what lies beside them behind walls of its own; none where no roof, no
    floor or no height is found.

    pitch_mm: side of a pixel across and down.
    """
    cells = Cells.of(view, pitch_mm)
    if not cells.transmission.size:
        return Spaces((), ())
    rooms, unjudged, layered = [], [], False
    for left, right, roof in _roofs(cells, pitch_mm):
        found = _floor(view[:, left:right], roof, pitch_mm[1])
        if found is None:
            continue
        floor, layer = found
        body = view[roof:floor, left:right]
        spaces = _between_end_walls(body, pitch_mm[0])
        long = [(start, end) for start, end in spaces if (end - start) * pitch_mm[0] >= SHORTEST_MM]
        rooms += [_inner((left + start, roof, left + end, floor), pitch_mm) for start, end in long]
        layered |= layer and bool(long)
        short = _joined(body, long, sorted(set(spaces) - set(long)), pitch_mm[0])
        unjudged += [(left + start, roof, left + end, floor) for start, end in short]
    return Spaces(tuple(sorted(rooms)), tuple(sorted(unjudged)), layered)


def _joined(
    body: Float32, rooms: list[tuple[int, int]], short: list[tuple[int, int]], pitch_mm: float
) -> list[tuple[int, int]]:
    """What of the short spaces no air parts from a room of their body, where it is longer than the end of a room: a cab
    stands apart, and so does another container. All of them where there is no room. First and last + 1, in pixels."""
    solid = attenuation(np.median(body[:: max(1, len(body) // 300)], axis=0), FLOOR) > SOLID
    for start, end in rooms:
        # What the room itself holds may let as much through as air.
        solid[start:end] = True
    found = []
    for start, end in runs(solid):
        if rooms and not any(start <= room[0] < end for room in rooms):
            continue
        parts = ((max(start, one[0]), min(end, one[1])) for one in short)
        found += [part for part in parts if (part[1] - part[0]) * pitch_mm > ENDS_MM]
    return found


def _inner(box: Box, pitch_mm: Pitch) -> Box:
    ends = round(ENDS_MM / pitch_mm[0])
    roof, floor = round(ROOF_MM / pitch_mm[1]), round(FLOOR_MM / pitch_mm[1])
    return box[0] + ends, box[1] + roof, box[2] - ends, box[3] - floor


def _roofs(cells: Cells, pitch_mm: Pitch) -> list[tuple[int, int, int]]:
    """Left and right end and height of whatever stays at one height, in pixels."""
    across, down = cells.size
    tops = _tops(cells, round(THICK_MM / (down * pitch_mm[1])))
    level = round(LEVEL_MM / (down * pitch_mm[1]))
    shortest, longest_break = (round(length / (across * pitch_mm[0])) for length in (SHORTEST_MM, BREAK_MM))
    found: list[tuple[int, int, int]] = []
    free = tops >= 0
    while True:
        heights = np.bincount(tops[free], minlength=1)
        near = np.convolve(heights, np.ones(2 * level + 1, np.int64), "same")
        # Where a cell is longer than a room, roofs of no cells would be found without end.
        if not near.size or int(near.max()) < max(1, shortest):
            return found
        height = int(near.argmax())
        members = free & (np.abs(tops - height) <= level)
        for start, end in runs(members, longest_break):
            if end - start >= shortest:
                inside = tops[start:end][members[start:end]]
                found.append((start * across, end * across, int(np.median(inside)) * down))
        free &= ~members


def _tops(cells: Cells, thick: int) -> NDArray[np.int64]:
    """(w,) the row of cells at which the vehicle begins in each column, -1 where there is none."""
    solid = (cells.attenuation > SOLID).astype(np.uint8)
    # Erosion keeps the rows below which `thick` rows are solid.
    below = cv2.erode(solid, np.ones((max(1, thick), 1), np.uint8), anchor=(0, 0), borderValue=0)
    return np.where(below.any(axis=0), below.argmax(axis=0), -1).astype(np.int64)


def runs(members: NDArray[np.bool_], longest_break: int = 0) -> list[tuple[int, int]]:
    """First and last + 1 of every run of True in (n,), runs joined over breaks of up to `longest_break`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], members.astype(np.int8), [0]])))
    found: list[tuple[int, int]] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if found and start - found[-1][1] <= longest_break:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _floor(body: Float32, roof: int, pitch_mm: float) -> tuple[int, bool] | None:
    """The upper edge of the first line that runs right through a body, in rows, and whether goods may lie in it; None
    if there is none.

    A layer of goods from wall to wall is a line as well: a light one is not as dark as a floor, a dark one is deeper or
    of another darkness than the floor, and the floor is what it ends with.
    """
    step = max(1, body.shape[1] // 1_000)
    profile = attenuation(_quantile_of_rows(body[:, ::step], 1 - BROKEN), FLOOR)
    first = roof + round(LOWEST_MM / pitch_mm)
    lines = np.flatnonzero(_thick_lines(profile, pitch_mm)[first:] > LINE)
    if lines.size:
        # Layers of cargo can make lines above the floor; below it there is the frame alone.
        top = first + int(lines[lines >= lines[-1] - FRAME_MM / pitch_mm][0])
        return _under_a_layer(profile, top, pitch_mm)
    # Cargo as dark as the floor hides its line, but not where it ends.
    dark = np.flatnonzero(profile[first:] > LINE)
    return (first + int(dark[-1]), False) if dark.size else None


def _under_a_layer(profile: Float32, top: int, pitch_mm: float) -> tuple[int, bool]:
    """The upper edge of the floor itself, where a line begins at row `top`, and whether a layer may lie on it."""
    line = runs(profile[top:] > LINE)[0]
    # A layer need not be as dark as the floor in all of its rows; the sill below is not.
    end = [line, *runs(profile[top : top + line[1]] > FLOOR_LINE)][-1][1]
    edge = round(FLOOR_EDGE_MM / pitch_mm)
    within = profile[top + edge : top + end - edge]
    stepped = within.size > 0 and float(np.ptp(within)) > FLOOR_STEP
    layered = end * pitch_mm > DEEPEST_FLOOR_MM or stepped
    return (max(top, top + end - round(FLOOR_ITSELF_MM / pitch_mm)) if layered else top), layered


def _quantile_of_rows(values: Float32, share: float) -> Float32:
    found = [np.quantile(values[start : start + BAND], share, axis=1) for start in range(0, len(values), BAND)]
    return np.concatenate(found).astype(np.float32)


def _thick_lines(profile: Float32, pitch_mm: float) -> Float32:
    """(n,) by how much a profile stands out over what is wider than a line, edges of rails and posts left out."""
    thick, wide = (max(1, round(width / pitch_mm)) for width in (EDGE_MM, LINE_MM))
    whole = opened(profile[:, None], (thick, 1))
    return np.asarray(whole - opened(whole, (wide, 1)), np.float32)[:, 0]


def opened(values: Float32, shape: tuple[int, int]) -> Float32:
    """A grey opening of (h, w): whatever is smaller than `shape` (rows, columns) is cut down to what is around it."""
    return np.asarray(cv2.morphologyEx(values, cv2.MORPH_OPEN, np.ones(shape, np.uint8)), np.float32)


def _between_end_walls(body: Float32, pitch_mm: float) -> list[tuple[int, int]]:
    """Columns between the walls that are met edge on, in pixels from the left end of the body."""
    step = max(1, len(body) // 300)
    sparse = np.quantile(body[::step], 0.9, axis=0).astype(np.float32)
    lines = _thick_lines(attenuation(sparse, FLOOR), pitch_mm) > LINE
    return runs(~lines)
