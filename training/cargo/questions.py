"""What a container officer also asks, measured on simulated freight of the TEST family: `empty?` and `anomalies`.

    python -m training.cargo.questions

Bare vehicles are simulated as bare; heaps of known mass and people are put into them; loads are those of
`simulate_freight`. The vehicles are the same kinds in both families (see `Family`), at other places and sizes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count, islice
from types import MappingProxyType

import numpy as np

from detector.cargo.anomalies import LoadComparison, find_anomalies
from detector.cargo.occupancy import measure_occupancy
from detector.errors import RoentgateError
from detector.normalisation.exposure import Exposure
from detector.normalisation.standardise import exposures
from detector.scan import Scan
from detector.scanner_profile import Energy, ScannerProfile
from training.evaluation.intervals import Rate
from training.simulation.freight import AIR_LEVEL, CONVEYANCES, Family, FreightScan, simulate_freight
from training.simulation.freight.acquisition import expose_freight
from training.simulation.freight.board import Area, Board
from training.simulation.freight.records import CargoLoad, FreightObject
from training.simulation.freight.shells import Room
from training.simulation.freight.stowage import LOADS, box_of, consign
from training.simulation.freight.threats import hide
from training.simulation.freight.unit import Unit
from training.simulation.materials import CARGO_BEAM, mass_attenuation
from training.simulation.outlines import ellipse, rectangle
from training.simulation.solids import Outline

#: Masses of the heaps that are looked for, kg.
HEAPS_KG = (2.5, 5.0, 10.0, 20.0, 40.0, 80.0)
#: g/cm3 as stowed, of what is smuggled: bedding to sugar; and of what is levelled on the floor: grain to plates.
DENSITIES, LAYER_DENSITIES = (0.1, 0.8), (0.15, 3.0)
#: How high that lies, cm, from and to.
LAYERS_CM = ((5.0, 8.0), (8.0, 12.0), (12.0, 50.0))
PITCH_MM = 5.0

#: Puts something into one room.
Fill = Callable[[Board, Room, Family, np.random.Generator], None]


def nothing(board: Board, room: Room, family: Family, generator: np.random.Generator) -> None:
    """A bare vehicle."""


def left_behind(board: Board, room: Room, family: Family, generator: np.random.Generator) -> None:
    """What an unloaded vehicle still holds: straps, dunnage (TRAIN); pallets, sweepings (TEST)."""
    style = np.random.default_rng(int(generator.integers(2**31)))
    LOADS[family]["empty"](Unit(board, room.area, room.depth, style, generator))


def heap(kilograms: float) -> Fill:
    """One heap of that mass on the floor of a room: cartons (TRAIN) or sacks (TEST), as wide as high as deep or so."""

    def fill(board: Board, room: Room, family: Family, generator: np.random.Generator) -> None:
        density = float(np.exp(generator.uniform(*np.log(DENSITIES))))
        side = (1000 * kilograms / density) ** (1 / 3)
        wide, high = (side * float(generator.uniform(0.75, 1.35)) for _ in range(2))
        x = float(generator.uniform(room.area.left + wide / 2, room.area.right - wide / 2))
        bottom = room.area.bottom
        layer = board.blank()
        if family is Family.TRAIN:
            layer.slab("paper", rectangle(x - wide / 2, bottom - high, x + wide / 2, bottom), 10)
        else:
            layer.pillow("food", ellipse((x, bottom - high / 2), (wide / 2, high / 2)), 10, edge=side / 4)
        _add(board, layer, kilograms, "paper" if family is Family.TRAIN else "food")

    return fill


def layer(lowest: float, highest: float) -> Fill:
    """Goods levelled on the floor, so many cm high, from one end of the room to the other or to a hand's width from
    both."""

    def fill(board: Board, room: Room, family: Family, generator: np.random.Generator) -> None:
        density = float(np.exp(generator.uniform(*np.log(LAYER_DENSITIES))))
        high, margin = float(generator.uniform(lowest, highest)), float(generator.uniform(0, 15))
        left, right = room.area.left + margin, room.area.right - margin
        goods = board.blank()
        goods.slab("food", rectangle(left, room.area.bottom - high, right, room.area.bottom), 10)
        # As deep as a container is within, 235 cm.
        _add(board, goods, density * (right - left) * high * 235 / 1000, "food")

    return fill


def person(board: Board, room: Room, family: Family, generator: np.random.Generator) -> None:
    """Somebody of 75 kg who stands, seen from the side of the vehicle."""
    x, floor = float(generator.uniform(room.area.left + 40, room.area.right - 40)), room.area.bottom
    parts: list[tuple[Outline, float]] = [
        (ellipse((x, floor - 163), (8, 11)), 17),
        (ellipse((x, floor - 115), (20, 36)), 24),
        *((rectangle(x + side - 6, floor - 84, x + side + 6, floor), 14.0) for side in (-8, 8)),
    ]
    layer = board.blank()
    for outline, deep in parts:
        layer.pillow("water", outline, deep, edge=5)
    _add(board, layer, 75.0, "water")


def _add(board: Board, layer: Board, kilograms: float, material: str) -> None:
    """Adds a layer of one material, as thick as its mass demands."""
    energy = max(layer.attenuations)
    area = (1 / board.resolution) ** 2
    drawn = float(layer.attenuations[energy].sum()) * area / mass_attenuation(material, energy) / 1000
    for one, total in board.attenuations.items():
        total += np.float32(kilograms / drawn) * layer.attenuations[one]


#: Name -> what is in the vehicles, in one of their rooms.
CASES: MappingProxyType[str, Fill] = MappingProxyType(
    {
        "bare": nothing,
        "left behind": left_behind,
        **{f"heap of {kilograms:g} kg": heap(kilograms) for kilograms in HEAPS_KG},
        "person": person,
        **{f"layer of {low:g} to {high:g} cm along the floor": layer(low, high) for low, high in LAYERS_CM},
    }
)


#: Whole loads, which are no Fill.
WHOLE_LOAD = "whole load"
#: Vehicles of each case: many bare ones, as few may be called not empty, and twice as many layers as of what is plain.
SCANS: MappingProxyType[str, int] = MappingProxyType(
    {
        **{name: 150 if name == "bare" else 20 if name.startswith("layer") else 10 for name in CASES},
        WHOLE_LOAD: 10,
    }
)
#: Homogeneous loads, each without a threat and with every one that is looked for.
ANOMALY_LOADS = 15


def simulate_vehicle(seed: int, family: Family, fill: Fill, conveyance: str = "") -> FreightScan:
    """A vehicle with `fill` in one of its rooms, at both energies and PITCH_MM. conveyance: one of CONVEYANCES, as
    often as it comes if left out; the same seed gives the same vehicle and noise."""
    generator = np.random.default_rng([seed, list(Family).index(family), 3])
    shares = np.array([one.share for one in CONVEYANCES.values()])
    drawn = str(generator.choice(list(CONVEYANCES), p=shares / shares.sum()))
    name = conveyance or drawn
    board = Board(CONVEYANCES[name].field(generator), PITCH_MM, (CARGO_BEAM.high_mev, CARGO_BEAM.low_mev))
    rooms = list(CONVEYANCES[name].build(board, generator))
    fill(board, rooms[int(generator.integers(len(rooms)))], family, generator)
    levels = expose_freight(board.attenuations, PITCH_MM, np.random.default_rng([seed, 6]))
    boxes = tuple(box_of(board, room.area) for room in rooms)
    high, low = levels[CARGO_BEAM.high_mev], levels[CARGO_BEAM.low_mev]
    return FreightScan(high, low, PITCH_MM, (), (), boxes, name, family, seed)


def profile_of(energies: int) -> ScannerProfile:
    """The profile that reads simulated freight of one energy or two."""
    both: tuple[Energy, ...] = ("high", "low")
    return ScannerProfile(
        name="simulated",
        energies=both[:energies],
        air_value=AIR_LEVEL,
        bits_stored=16,
        pixel_pitch_mm=(PITCH_MM, PITCH_MM),
        rendering="cargo" if energies == 1 else "cargo material",
    )


def exposure_of(scan: FreightScan) -> Exposure:
    """Its transmission, read as a station reads it."""
    pages = (scan.high,) if scan.low is None else (scan.high, scan.low)
    return exposures(Scan(pages, "simulated", "0" * 64), profile_of(len(pages)))[0]


#: Kinds of loads that are all alike, and how often each comes.
HOMOGENEOUS = MappingProxyType({"cartons": 0.5, "sacks": 0.2, "drums": 0.15, "paper rolls": 0.15})
#: A bale among the load that is no threat, and its mass.
OTHER_GOODS, OTHER_KG = "other goods", 150.0
#: Vehicles with one room, so that one load is one consignment.
CLOSED = ("lorry with 40 ft container", "semi-trailer", "box truck", "box wagon")


def simulate_homogeneous(seed: int, family: Family, threats: tuple[str, ...] = ()) -> FreightScan:
    """A vehicle filled with one consignment of goods that are all alike, and threats in it; OTHER_GOODS may be one.

    Without threats the same seed gives the same vehicle, load and noise.
    """
    generator = np.random.default_rng([seed, list(Family).index(family), 4])
    name = str(generator.choice(CLOSED))
    board = Board(CONVEYANCES[name].field(generator), PITCH_MM, (CARGO_BEAM.high_mev, CARGO_BEAM.low_mev))
    (room,) = CONVEYANCES[name].build(board, generator)
    kind = str(generator.choice(list(HOMOGENEOUS), p=list(HOMOGENEOUS.values())))
    areas = consign(board, room, kind, family, generator)
    named = tuple(name for name in threats if name != OTHER_GOODS)
    objects = hide(board, named, family, (areas, [room]), [seed, 4])
    if OTHER_GOODS in threats:
        objects += (_other_goods(board, areas, np.random.default_rng([seed, 7])),)
    levels = expose_freight(board.attenuations, PITCH_MM, np.random.default_rng([seed, 5]))
    loads = tuple(CargoLoad(kind, box_of(board, area)) for area in areas)
    high, low = levels[CARGO_BEAM.high_mev], levels[CARGO_BEAM.low_mev]
    return FreightScan(high, low, PITCH_MM, objects, loads, (box_of(board, room.area),), name, family, seed)


def _other_goods(board: Board, loads: Sequence[Area], generator: np.random.Generator) -> FreightObject:
    """A bale of OTHER_KG, 70 cm wide and high, between what else lies there in the beam."""
    load = loads[int(generator.integers(len(loads)))]
    half = 35.0
    x = min(max(load.centre[0], load.left + half), max(load.right - half, load.left + half))
    y = load.bottom - half
    place = Area(x - half, y - half, x + half, y + half)
    layer = board.blank()
    layer.pillow("cotton", place.outline, 10, edge=10)
    _add(board, layer, OTHER_KG, "cotton")
    x1, y1, x2, y2 = box_of(board, place)
    return FreightObject(OTHER_GOODS, (x1, y1, x2, y2), 0.0, metallic=False)


@dataclass(frozen=True)
class OccupancyCase:
    """How often vehicles with one thing in them were called empty, not empty, or could not be judged.

    refused: of which nothing could be measured. unanswered: of which a part could not be told from the vehicle.
    occupied: of all that were measured. kilograms: the middle of what was; None where none was.
    """

    scans: int
    refused: int
    unanswered: int
    occupied: Rate
    kilograms: float | None


@dataclass(frozen=True)
class AnomalyFigures:
    """clean: scans of homogeneous loads with a region. found: threats of which a region covers the middle.
    mixed: scans whose load was called mixed, and refused: those that could not be judged, of either kind.
    homogeneity: the middle over the clean scans."""

    scans: int
    refused: int
    mixed: int
    clean: Rate
    found: Mapping[str, Rate]
    homogeneity: float | None


def measure_empty(scans: Mapping[str, int] = SCANS, family: Family = Family.TEST) -> dict[str, OccupancyCase]:
    """Those cases of CASES, and WHOLE_LOAD, that `scans` has a number of vehicles for, each on so many of its own."""
    figures = {
        name: _occupied(simulate_vehicle(1_000 * place + seed, family, fill) for seed in range(scans[name]))
        for place, (name, fill) in enumerate(CASES.items())
        if name in scans
    }
    if WHOLE_LOAD in scans:
        loaded = (scan for seed in count() if (scan := simulate_freight(seed, family)).cargo)
        figures[WHOLE_LOAD] = _occupied(islice(loaded, scans[WHOLE_LOAD]))
    return figures


def _occupied(scans: Iterable[FreightScan]) -> OccupancyCase:
    refused, unanswered, occupied, kilograms = 0, 0, [], []
    for scan in scans:
        try:
            found = measure_occupancy(exposure_of(scan), (PITCH_MM, PITCH_MM))
        except RoentgateError:
            refused += 1
            continue
        unanswered += found.empty is None
        occupied.append(found.empty is False)
        kilograms.append(found.extra_kg)
    middle = round(float(np.median(kilograms)), 2) if kilograms else None
    return OccupancyCase(refused + len(occupied), refused, unanswered, Rate.of(np.array(occupied, np.bool_)), middle)


def measure_anomalies(
    seeds: Iterable[int], threats: Sequence[str] = ("package", "ammunition", OTHER_GOODS), family: Family = Family.TEST
) -> AnomalyFigures:
    """Homogeneous loads, one for each seed, without a threat and with each of `threats`."""
    refused, mixed, clean, alike = 0, 0, [], []
    found: dict[str, list[bool]] = {name: [] for name in threats}
    for seed in seeds:
        for name in ("", *threats):
            scan = simulate_homogeneous(seed, family, (name,) if name else ())
            try:
                compared = find_anomalies(exposure_of(scan), (PITCH_MM, PITCH_MM))
            except RoentgateError:
                refused += 1
                continue
            mixed += compared.mixed
            if name:
                found[name].append(_covered(scan, compared))
            else:
                clean.append(bool(compared.regions))
                alike += [] if compared.homogeneity is None else [compared.homogeneity]
    rates = {name: Rate.of(np.array(values, np.bool_)) for name, values in found.items()}
    total = refused + len(clean) + sum(map(len, found.values()))
    middle = round(float(np.median(alike)), 3) if alike else None
    return AnomalyFigures(total, refused, mixed, Rate.of(np.array(clean, np.bool_)), rates, middle)


def _covered(scan: FreightScan, compared: LoadComparison) -> bool:
    """Whether the middle of a region lies on the threat, or that of the threat in a region."""
    x1, y1, x2, y2 = scan.objects[0].box
    for left, top, right, bottom in (region.box_xyxy for region in compared.regions):
        across, down = (left + right) / 2, (top + bottom) / 2
        if (x1 <= across <= x2 and y1 <= down <= y2) or (
            left <= (x1 + x2) / 2 <= right and top <= (y1 + y2) / 2 <= bottom
        ):
            return True
    return False


def main() -> None:
    """Prints both measurements of the TEST family as JSON."""
    argparse.ArgumentParser(description="What a container officer also asks, on simulated freight.").parse_args()
    empty, anomalies = measure_empty(), measure_anomalies(range(ANOMALY_LOADS))
    figures = {"empty": {name: asdict(case) for name, case in empty.items()}, "anomalies": asdict(anomalies)}
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
