"""What is hidden, and where: threats of both families, laid at any place and angle, with what lies over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np

from training.simulation.freight import threats_for_testing as testing
from training.simulation.freight import threats_for_training as training
from training.simulation.freight.acquisition import ACCELERATORS, Float32
from training.simulation.freight.board import Area, Board, Laid
from training.simulation.freight.edge_contrast import edge_contrast
from training.simulation.freight.records import Family, FreightObject
from training.simulation.freight.shells import Room
from training.simulation.materials import linear_attenuation
from training.simulation.solids import Point, Pose, Solid

Builder = Callable[[np.random.Generator, float], Solid]
#: Threat -> solids from elsewhere, such as real things that were scanned.
CutOuts = Mapping[str, Sequence[Solid]]
NO_CUT_OUTS: CutOuts = MappingProxyType({})
#: How often a threat that there are cut-outs of is one of them.
CUT_OUT_SHARE = 0.5

#: How much longer or shorter a TRAIN threat is than it was built, along x and along y.
STRETCH = (0.85, 1.2)
#: Smallest and largest of TRAIN threats that come in packs: as built, times this factor, along all three axes. Cans of
#: ammunition are 28 cm long and crates of it half a metre, lithium packs and lead batteries 15 to 60 cm.
PACKED, PACK_SIZES = ("ammunition", "package", "lighters", "battery"), (0.75, 1.8)
#: Share of a threat that others laid before may cover, where another place is found.
MOST_COVERED = 0.2
#: How often a TRAIN threat is thicker or thinner along the beam than it was built, and by how much.
THICKNESS_SHARE, THICKNESS = 0.4, (0.7, 1.4)
#: Points a cm at which threats are built: triggers and cartridges are millimetres.
BUILT_AT = 12.0
#: How often a threat lies anywhere in the scan (cab, wheels, floor beams) instead of with the cargo.
ELSEWHERE = 0.12
#: Attenuation from which there is something to hide in: twice the walls of an empty cab.
SOLID = 0.1
#: Attenuation from which there is cargo: more than the two walls of a container.
LOADED = 0.3
#: Where it is looked whether a hidden thing sticks out: its middle and corners, at this share of its half size.
WITHIN, CORNERS = 0.7, ((0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))
#: Pixels around a threat's box over which its edges are compared with those of the load.
AROUND = 3
#: Places tried until the whole threat lies within the scan.
TRIES, HIDEOUTS = 20, 200


@dataclass(frozen=True)
class Threat:
    """builders: one for each family. tilt: largest angle out of the picture, degrees: flat things turn, cases stand."""

    builders: MappingProxyType[Family, Builder]
    metallic: bool
    tilt: float


def _threat(name: str, test: Builder, metallic: bool, tilt: float) -> Threat:
    return Threat(MappingProxyType({Family.TRAIN: training.chooser(name), Family.TEST: test}), metallic, tilt)


THREATS: MappingProxyType[str, Threat] = MappingProxyType(
    {
        "handgun": _threat("handgun", testing.handgun, True, 55),
        "long_gun": _threat("long_gun", testing.shotgun, True, 50),
        "knife": _threat("knife", testing.blade, True, 50),
        "ammunition": _threat("ammunition", testing.rounds_in_a_case, True, 10),
        "grenade": _threat("grenade", testing.cylinders, True, 25),
        "package": _threat("package", testing.package, False, 15),
        "lighters": _threat("lighters", testing.lighters, False, 10),
        "battery": _threat("battery", testing.battery, True, 15),
    }
)


def hide(
    board: Board,
    names: tuple[str, ...],
    family: Family,
    places: tuple[list[Area], list[Room]],
    seed: list[int],
    cut_outs: CutOuts = NO_CUT_OUTS,
) -> tuple[FreightObject, ...]:
    """Lays every threat onto the board; places: the units of cargo and the rooms. cut_outs: laid by turns with those
    that the family's builders make.

    A threat's shape depends on the seed, its name and its number, and so does its place, but for keeping clear of those
    laid before. Raises KeyError for a name that is not in THREATS.
    """
    laid: list[tuple[str, Laid]] = []
    taken: list[Area] = []
    for number, name in enumerate(names):
        generator = np.random.default_rng([*seed, number, *name.encode()])
        solid = _solid(name, family, cut_outs.get(name, ()), generator)
        laid.append((name, _lay_somewhere(board, solid, THREATS[name].tilt, (places, taken), generator)))
    return tuple(_described(board, name, one) for name, one in laid)


def _solid(name: str, family: Family, cut_outs: Sequence[Solid], generator: np.random.Generator) -> Solid:
    # Drawn only where there is a choice: what no cut-outs are given for stays as it is without them.
    if cut_outs and generator.random() < CUT_OUT_SHARE:
        solid = cut_outs[int(generator.integers(len(cut_outs)))]
    else:
        solid = THREATS[name].builders[family](generator, BUILT_AT).trimmed()
    # The benchmark shows every threat as it was built.
    return _varied(solid, generator, packed=name in PACKED) if family is Family.TRAIN else solid


def _varied(solid: Solid, generator: np.random.Generator, *, packed: bool) -> Solid:
    """A copy stretched along x and y, now and then thicker or thinner along the beam; a pack of another size, too."""
    rows, columns = solid.shape
    factors = generator.uniform(*STRETCH, 2)
    thicker = float(generator.uniform(*THICKNESS)) if generator.random() < THICKNESS_SHARE else 1.0
    if packed:
        size = float(np.exp(generator.uniform(*np.log(PACK_SIZES))))
        factors, thicker = factors * size, thicker * size
    varied = Solid(columns * factors[0] / solid.resolution, rows * factors[1] / solid.resolution, solid.resolution)
    for material, thickness in solid.maps.items():
        resized = cv2.resize(thickness, varied.shape[::-1], interpolation=cv2.INTER_LINEAR)
        varied.maps[material] = resized * np.float32(thicker)
    return varied


def _lay_somewhere(
    board: Board,
    solid: Solid,
    tilt: float,
    where: tuple[tuple[list[Area], list[Room]], list[Area]],
    generator: np.random.Generator,
) -> Laid:
    """where: the places that there are, and what threats cover of them, which grows by this one."""
    places, taken = where
    for attempt in range(TRIES):
        pose = _pose(board, solid, tilt, places, generator)
        half_x, half_y = _half(solid, pose.angle)
        area = Area(pose.x - half_x, pose.y - half_y, pose.x + half_x, pose.y + half_y)
        # In a vehicle full of them the last ones lie where they can.
        clear = attempt >= TRIES // 2 or not any(_covered(area, other) > MOST_COVERED for other in taken)
        if clear and _within(board, area):
            laid = board.lay(solid, pose)
            if laid is not None:
                taken.append(area)
                return laid
    raise ValueError("a threat found no place within the scan; the rooms lie outside it")


def _covered(area: Area, other: Area) -> float:
    """Share of the smaller of two areas that the other covers."""
    across = min(area.right, other.right) - max(area.left, other.left)
    down = min(area.bottom, other.bottom) - max(area.top, other.top)
    least = min(area.width * area.height, other.width * other.height)
    return max(across, 0.0) * max(down, 0.0) / least


def _within(board: Board, area: Area) -> bool:
    inside_x = board.x[0, 0] < area.left and area.right < board.x[0, -1]
    return bool(inside_x and board.y[0, 0] < area.top and area.bottom < board.y[-1, 0])


def _pose(
    board: Board, solid: Solid, tilt: float, places: tuple[list[Area], list[Room]], generator: np.random.Generator
) -> Pose:
    loads, rooms = places
    angle = float(generator.uniform(0, 360))
    lean = float(np.clip(generator.normal(0, tilt / 2), -tilt, tilt))
    flip = bool(generator.random() < 0.5)
    if generator.random() < ELSEWHERE:
        hideout = _hideout(board, rooms, _half(solid, angle), generator)
        if hideout is not None:
            return Pose(*hideout, angle, lean, flip)
    if loads:
        place = _inside(_among(board, loads, generator), rooms, _half(solid, angle))
        return Pose(*place, angle, lean, flip)
    room = rooms[int(generator.integers(len(rooms)))].area
    # Nothing hangs in an empty room: the threat lies flat on the floor.
    angle = float(generator.choice([0, 180]))
    height = solid.shape[0] / solid.resolution
    return Pose(float(generator.uniform(room.left + 30, room.right - 30)), room.bottom - height / 2, angle, lean, flip)


def _half(solid: Solid, angle: float) -> Point:
    """Half the width and height of what a solid covers when it is turned, cm."""
    rows, columns = (length / solid.resolution / 2 for length in solid.shape)
    cosine, sine = abs(np.cos(np.radians(angle))), abs(np.sin(np.radians(angle)))
    return float(columns * cosine + rows * sine), float(columns * sine + rows * cosine)


def _inside(place: Point, rooms: list[Room], half: Point) -> Point:
    """Moved so that a thing of the given half size does not stick out of the room that it lies in."""
    x, y = place
    for room in rooms:
        area = room.area
        if area.left <= x <= area.right and area.top <= y <= area.bottom:
            across, down = min(half[0], area.width / 2), min(half[1], area.height / 2)
            return (
                min(max(x, area.left + across), area.right - across),
                min(max(y, area.top + down), area.bottom - down),
            )
    return place


def _among(board: Board, loads: list[Area], generator: np.random.Generator) -> Point:
    """A place within a unit of cargo; units have gaps and heaps have slopes, so the air is tried to be kept out."""
    for _ in range(TRIES):
        area = loads[int(generator.integers(len(loads)))]
        x, y = float(generator.uniform(area.left, area.right)), float(generator.uniform(area.top, area.bottom))
        row, column = (int(at) for at in np.array([y, x]) * board.resolution + board.origin[::-1])
        place = min(max(row, 0), board.shape[0] - 1), min(max(column, 0), board.shape[1] - 1)
        if board.attenuations[max(board.attenuations)][place] > LOADED:
            break
    return x, y


def _hideout(board: Board, rooms: list[Room], half: Point, generator: np.random.Generator) -> Point | None:
    """A place in the vehicle itself, outside the rooms and not in the air, for a thing of a half size; None if rare."""
    high = board.attenuations[max(board.attenuations)]
    for _ in range(HIDEOUTS):
        row, column = int(generator.integers(board.shape[0])), int(generator.integers(board.shape[1]))
        x, y = float(board.x[0, column]), float(board.y[row, 0])
        areas = [room.area for room in rooms]
        if any(area.left < x < area.right and area.top < y < area.bottom for area in areas):
            continue
        reach = (np.array(half)[::-1] * WITHIN * board.resolution).astype(int)
        around = np.clip([row, column] + np.array(CORNERS) * reach, 0, np.array(board.shape) - 1)
        if (high[tuple(around.T)] > SOLID).all():
            return x, y
    return None


def _described(board: Board, name: str, laid: Laid) -> FreightObject:
    """The record of a threat; what lies over it includes the other threats."""
    energy = max(board.attenuations)
    behind = board.attenuations[energy][laid.where] - laid.added[energy]
    steel_mm = 10 * float(behind[laid.seen].mean()) / linear_attenuation("steel", energy)
    x1, y1, x2, y2 = (float(edge) for edge in laid.box)
    return FreightObject(
        name,
        (x1, y1, x2, y2),
        max(round(steel_mm, 2), 0.0),
        THREATS[name].metallic,
        round(_edge_contrast(board, laid, behind), 3),
    )


def _edge_contrast(board: Board, laid: Laid, behind: Float32) -> float:
    """behind: attenuation of all else in the window that the thing was laid in."""
    energy = max(board.attenuations)
    rows, columns = laid.where
    left, top, right, bottom = (laid.box - np.array([columns.start, rows.start] * 2, np.float32)).astype(int)
    near = slice(max(top - AROUND, 0), bottom + AROUND), slice(max(left - AROUND, 0), right + AROUND)
    pitch_mm = 10 / board.resolution
    return edge_contrast(laid.added[energy][near], behind[near], pitch_mm, ACCELERATORS[energy])
