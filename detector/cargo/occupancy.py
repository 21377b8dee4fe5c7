"""Is a container that was declared empty really empty: how much lies in its rooms beyond what the vehicle explains.

An empty room shows its walls, its posts and its rails. Walls are the same all over; posts run from roof to floor and
rails from end to end, both narrow. What is left after these, and is no strap and no brace, is matter that was put in.
All limits are of beams of MeV: at keV they would take hundreds of kilograms of goods for walls.

>>> found = measure_occupancy(exposures(scan, profile)[0], (5.0, 5.0))
>>> found.empty, found.extra_kg, found.rooms
(False, 37.2, ((776, 140, 3084, 589),))
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.cargo.rooms import (
    CELL_MM,
    FLOOR,
    FLOOR_EDGE_MM,
    FLOOR_MM,
    SOLID,
    Box,
    Cells,
    Pitch,
    find_spaces,
    opened,
    runs,
)
from detector.errors import ScanWithoutContent
from detector.normalisation.air import Float32, attenuation
from detector.normalisation.exposure import Exposure, opaque_limit

#: Attenuation of a millimetre of steel at 2 MeV: Hubbell and Seltzer, NIST SRD 126, and 7.85 g/cm3.
STEEL_PER_MM = np.float32(0.0335)
#: One steel wall of an ISO container, mm; less than that in the beam does not count as matter.
WALL_MM = 1.8
#: Walls of empty vehicles: the lightest tenth of a room, up to 15 mm of steel, and doors that slide over them, mm.
LIGHTEST, MOST_WALL_MM, SLIDING_MM = 0.10, 15.0, 4.5
#: Walls of bare vehicles are no thicker than this, mm: 11 of an open wagon is the most that was met. A room full of
#: light goods from end to end looks like thicker ones.
THICKEST_BARE_MM = 12.0
_MOST_WALL = MOST_WALL_MM * STEEL_PER_MM
#: Posts and rails are what all but this share of a column or row shows, and narrower than this, mm.
REPEATED, POST_MM, RAIL_MM = 0.25, 280.0, 240.0
#: No rail lies so near the floor, mm: a low layer of cargo does.
LOWEST_RAIL_MM = 320.0
#: What is narrower than this is a strap, a ring, a brace or a ladder, mm, unless it is darker than any of these, mm of
#: steel: ingots, bars, lead.
NARROW_MM, DARKEST_NARROW_MM = 120.0, 40.0
#: But what is low and so long lies on the floor, mm, and goods that are levelled there attenuate more than their walls
#: by so much steel, mm: 5 cm of bedding are 30.
LEVELLED_MM, LEVELLED_STEEL_MM = 1_000.0, 10.0
#: What is taken for posts, rails and sliding doors may be a load as well: upright stacks with gaps between, goods on a
#: deck or a rack from end to end, light goods along a wall. Of 266 bare rooms posts make up 0.16 of the length at most,
#: rails 235 kg and doors 229 kg, both of box wagons.
MOST_POSTS, MOST_RAILS_KG, MOST_DOORS_KG = 0.2, 300.0, 280.0
#: A room that borders on air is the funnel of a hopper, whose sheets are met at a slant, mm.
FUNNEL_MM = 300.0
#: Extra matter below which a vehicle counts as empty, kg: simulated bare vehicles stay below 0.6.
EMPTY_KG = 1.0
#: Share of the rooms that may remain unjudged in an empty vehicle.
MOST_BLIND = 0.02
#: Share of the rooms that may be opaque; and how much of a vehicle's length, mm, may lie outside every closed body: a
#: tractor. Behind a wall within such a body a load is hidden, however short the space is.
MOST_OPAQUE, MOST_UNJUDGED_MM = 0.5, 5_000.0

Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class VehicleParts:
    """What of a room was taken for parts of the vehicle beside its walls. posts: share of its length. rails_kg,
    doors_kg: mass of what runs from end to end, and of thicker walls in a part of the length."""

    posts: float
    rails_kg: float
    doors_kg: float

    @property
    def beyond_bare(self) -> bool:
        """Whether it is more than any bare vehicle has: it may be a load."""
        return self.posts > MOST_POSTS or self.rails_kg > MOST_RAILS_KG or self.doors_kg > MOST_DOORS_KG


@dataclass(frozen=True)
class Occupancy:
    """What lies in the rooms of one view.

    occupancy: share of the rooms' area, 0..1, with more extra matter than WALL_MM of steel. extra_kg: its mass as if it
    were steel: right for metals, 10 to 19 % too much for organic goods, whose hydrogen attenuates more a gram (NIST SRD
    126: water 1.159 of steel, polyethylene 1.187, wood 1.106). largest_mm: the most of it in one place, as steel.
    wall_mm: what was taken for walls, as steel, of each room. opaque: share of the rooms' area that nothing is seen
    behind. blind: share of the rooms' area where cargo may lie and cannot be told from the vehicle: the funnels of a
    hopper. layered: whether a low layer of goods may lie on a floor: it is deeper than
    any, of two parts, or has a strip along it. parts: what of each room was taken for parts of the vehicle.
    rooms: in pixels. map_mm: (h, w) extra matter as mm of steel, 0 outside the rooms; cell: pixels across and down of
    one of its cells.
    """

    occupancy: float
    extra_kg: float
    largest_mm: float
    wall_mm: tuple[float, ...]
    opaque: float
    blind: float
    layered: bool
    parts: tuple[VehicleParts, ...]
    rooms: tuple[Box, ...]
    map_mm: Float32
    cell: tuple[int, int]

    @property
    def empty(self) -> bool | None:
        """Whether nothing but the vehicle was seen; None where nothing else was seen, but not every part was judged, or
        what was taken for walls may be a load."""
        if self.extra_kg >= EMPTY_KG or self.opaque > 0:
            return False
        judged = self.blind <= MOST_BLIND and max(self.wall_mm) <= THICKEST_BARE_MM and not self.layered
        judged = judged and not any(part.beyond_bare for part in self.parts)
        return True if judged else None


def measure_occupancy(exposure: Exposure, pitch_mm: Pitch, opaque_transmission: float = 0.002) -> Occupancy:
    """How much lies in the rooms of one view, scanned at MeV energies. pitch_mm: side of a pixel across and down.

    Raises ScanWithoutContent where it cannot be told: no room found, a part of the vehicle in none, too much opaque,
    or nothing found while a closed space beside the rooms was not judged.
    """
    spaces = find_spaces(exposure.high, pitch_mm)
    rooms = spaces.rooms
    cells = Cells.of(exposure.high, pitch_mm)
    _check_judged(cells, rooms, pitch_mm)
    taken = cells.attenuation
    side = cells.size[0] * pitch_mm[0], cells.size[1] * pitch_mm[1]
    seen, map_mm = np.zeros(taken.shape, np.bool_), np.zeros_like(taken)
    walls, parts, area, layered = [], [], 0, spaces.layered
    for box in rooms:
        where = cells_in(box, cells.size)
        inside = _loadable(taken[where], side)
        wall, extra, part = _beyond_the_vehicle(taken[where], inside, side)
        parts.append(part)
        walls.append(round(wall / float(STEEL_PER_MM), 2))
        layered |= _levelled(exposure.high, box, pitch_mm, wall + LEVELLED_STEEL_MM * float(STEEL_PER_MM))
        seen[where], map_mm[where] = inside, extra / STEEL_PER_MM
        area += int((taken[where] > SOLID).sum())
    opaque = _opaque(cells, seen, opaque_limit(exposure, opaque_transmission))
    occupied = map_mm > WALL_MM
    mass = float(map_mm[occupied].sum()) * _cell_kg(side)
    found = Occupancy(
        occupancy=float(occupied.sum() / seen.sum()),
        extra_kg=mass,
        largest_mm=float(map_mm.max()),
        wall_mm=tuple(walls),
        opaque=opaque,
        blind=max(0.0, 1 - float(seen.sum()) / area),
        layered=layered,
        parts=tuple(parts),
        rooms=rooms,
        map_mm=map_mm,
        cell=cells.size,
    )
    # What was found stands, whatever else there may be.
    if found.empty is not False:
        _check_closed_spaces(spaces.unjudged, pitch_mm[0])
    return found


def _check_closed_spaces(unjudged: tuple[Box, ...], pitch_mm: float) -> None:
    """Raise ScanWithoutContent where a closed space was not judged: a load may lie behind a false wall."""
    if unjudged:
        lengths = ", ".join(f"{(right - left) * pitch_mm / 1000:.1f} m" for left, _, right, _ in unjudged)
        at = ", ".join(str(left) for left, _, _, _ in unjudged)
        raise ScanWithoutContent(
            f"a closed space under the same roof is too short to be judged ({lengths} long, from pixel {at} on)",
            remedy="look at the scan: a wall may hide a load in it",
        )


def _check_judged(cells: Cells, rooms: tuple[Box, ...], pitch_mm: Pitch) -> None:
    """Raise ScanWithoutContent where a part of the vehicle lies in no room that is longer than any tractor."""
    if not rooms:
        raise ScanWithoutContent(
            "no room for cargo was found: no roof that stays level, over a floor",
            remedy="look at the scan; if it shows a whole closed vehicle, check pixel_pitch_mm and belt of the profile",
        )
    unjudged: Bool = np.any(cells.attenuation > SOLID, axis=0)
    for left, _, right, _ in rooms:
        unjudged[left // cells.size[0] : -(-right // cells.size[0])] = False
    longest = max((end - start for start, end in runs(unjudged)), default=0) * cells.size[0] * pitch_mm[0]
    if longest > MOST_UNJUDGED_MM:
        raise ScanWithoutContent(
            f"{longest / 1000:.1f} m of the vehicle lie in no room that was found: what is there was not judged",
            remedy="look at the scan",
        )


def cells_in(box: Box, size: tuple[int, int]) -> tuple[slice, slice]:
    """The cells that lie wholly within a box of pixels."""
    across, down = size
    return slice(-(-box[1] // down), box[3] // down), slice(-(-box[0] // across), box[2] // across)


def _loadable(attenuation: Float32, side: tuple[float, float]) -> Bool:
    """(h, w) whether a cell of a room may hold cargo. A hopper has air under its funnels, and sheets all round that
    are met at a slant: there nothing beside air or beside the ends counts, and nothing in the funnels' mouths."""
    walled = (attenuation > SOLID).astype(np.uint8)
    if walled.all():
        return walled > 0
    around = np.ones((2 * round(FUNNEL_MM / side[1]) + 1, 2 * round(FUNNEL_MM / side[0]) + 1), np.uint8)
    clear = cv2.erode(walled, around, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return cv2.morphologyEx(clear, cv2.MORPH_OPEN, around) > 0


def _cell_kg(side: tuple[float, float]) -> float:
    """Mass of a millimetre of steel over a cell: mm2 times 7.85e-6 kg/mm3."""
    return side[0] * side[1] * 7.85e-6


def _beyond_the_vehicle(
    attenuation: Float32, inside: Bool, side: tuple[float, float]
) -> tuple[float, Float32, VehicleParts]:
    """The walls' attenuation, what (h, w) cells attenuate beyond walls, posts and rails, 0 outside `inside`, and what
    those are."""
    if not inside.any():
        raise ScanWithoutContent(
            "no room for cargo was found: air in every part of it", remedy="look at the scan; check air of the profile"
        )
    wall = np.float32(min(np.quantile(attenuation[inside], LIGHTEST), _MOST_WALL))
    columns, rows = _repeated(attenuation, inside, wall), _repeated(attenuation.T, inside.T, wall)
    broad = opened(columns[None], (1, _odd(POST_MM / side[0])))[0]
    rails = rows - opened(rows[:, None], (_odd(RAIL_MM / side[1]), 1))[:, 0]
    rails[-max(1, round(LOWEST_RAIL_MM / side[1])) :] = 0
    walls = np.minimum(broad, min(wall + SLIDING_MM * STEEL_PER_MM, _MOST_WALL))
    posts, doors = columns - broad, walls - wall
    vehicle = walls + posts + rails[:, None]
    cells = inside * np.float32(_cell_kg(side) / STEEL_PER_MM)
    parts = VehicleParts(
        posts=float((posts > WALL_MM * STEEL_PER_MM).mean()),
        rails_kg=float((np.maximum(rails, 0)[:, None] * cells).sum()),
        doors_kg=float((np.maximum(doors, 0) * cells).sum()),
    )
    narrow = _odd(NARROW_MM / side[1]), _odd(NARROW_MM / side[0])
    beyond = np.where(inside, attenuation - vehicle, np.float32(0))
    extra = np.where(beyond > DARKEST_NARROW_MM * STEEL_PER_MM, beyond, opened(beyond, narrow))
    low = slice(-max(1, round(NARROW_MM / side[1])), None)
    extra[low] = np.maximum(extra[low], opened(beyond[low], (1, _odd(LEVELLED_MM / side[0]))))
    return float(wall), np.where(inside, np.maximum(extra, 0), np.float32(0)), parts


def _levelled(view: Float32, box: Box, pitch_mm: Pitch, limit: float) -> bool:
    """Whether something attenuates more than `limit` right above the floor of a room, lower than what is weighed, for
    LEVELLED_MM along it."""
    floor = box[3] + round(FLOOR_MM / pitch_mm[1])
    rows = slice(floor - round(NARROW_MM / pitch_mm[1]), floor - round(FLOOR_EDGE_MM / pitch_mm[1]))
    strip = view[rows, box[0] : box[2]]
    count = max(1, round(strip.shape[1] * pitch_mm[0] / CELL_MM))
    means = np.asarray(cv2.resize(strip, (count, len(strip)), interpolation=cv2.INTER_AREA), np.float32)
    return bool((opened(attenuation(means, FLOOR), (1, _odd(LEVELLED_MM / CELL_MM))) > limit).any())


def _repeated(attenuation: Float32, inside: Bool, wall: np.float32) -> Float32:
    """(w,) what all but REPEATED of the cells inside of each column attenuate at least; the wall where none is."""
    ordered = np.sort(np.where(inside, attenuation, np.inf), axis=0)
    count = inside.sum(axis=0)
    chosen = np.take_along_axis(ordered, (REPEATED * np.maximum(count - 1, 0)).astype(np.intp)[None], axis=0)[0]
    return np.where(count > 0, chosen, wall).astype(np.float32)


def _odd(cells: float) -> int:
    """The nearest odd number of cells."""
    return 2 * round((cells - 1) / 2) + 1


def _opaque(cells: Cells, inside: Bool, limit: float) -> float:
    """Share of the rooms' cells that let less through than `limit`. Raises ScanWithoutContent where it is most."""
    share = float((cells.transmission[inside] < limit).mean())
    if share > MOST_OPAQUE:
        raise ScanWithoutContent(f"opaque: nothing is seen behind {share:.0%} of the room for cargo")
    return share
