"""Tiles of a clean scan with threats laid into them: what a network of freight learns from.

A lorry takes a second to simulate and to measure, a threat a hundredth. So one clean scan gives many tiles, and each
gets threats of its own, behind whatever it shows: transmissions multiply (Beer and Lambert). Of the photons that came
through before, each comes through the threat with the chance that it gives, and the amplifier's noise is what it was. A
threat that cannot be told from its load teaches nothing and is not laid; none is cut off by its tile's edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.normalisation.dual_energy import CURVES
from detector.normalisation.exposure import Exposure
from detector.normalisation.renderings import AROUND_MM, draw_exposure
from detector.normalisation.standardise import measured
from detector.normalise import letterbox
from detector.scanner_profile import parse_profile
from detector.tile_squares import AIR_TILE
from detector.tiling import Tile
from training.cargo.backgrounds import DARKEST, MOST_IN_AIR, in_air, open_air
from training.cargo.reading import as_scanned, rendering_of
from training.simulation.freight import THREATS, Family, FreightObject, FreightScan
from training.simulation.freight.acquisition import ACCELERATORS, REFERENCE_PITCH_MM
from training.simulation.freight.board import Area, Board
from training.simulation.freight.threats import MOST_COVERED, CutOuts, NoPlace, covered, hide
from training.simulation.materials import CARGO_BEAM

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

#: Side of a tile in pixels, and the pitch at which that is a tile of the first pass, mm. The station's tiles may be
#: larger at the same scale (`export --input-size`): here small ones show more threats in the same time.
TILE, PITCH_MM = 320, 5.0
#: Tiles of a scan, the share of them of double size, and the share that hides nothing: a station looks at a hundred
#: without a threat for each with one.
TILES, COARSE, PLAIN = 30, 0.15, 0.35
#: Threats of a tile that hides some, fewest and most, where they find a place.
THREATS_EACH = (1, 4)
#: How often a tile is cut around a piece of cargo where there is any: that is where false alarms are.
OVER_CARGO = 0.85
#: Of tiles of double size the station takes nothing shorter than a quarter of a single one.
LEAST_COARSE = 0.25
#: Millimetres of steel over a threat up to which, and edge contrast with its load from which it can be told (noise
#: counts twice here, and more behind dense loads). Beyond that depth scatter, which the threat does not take away, is a
#: tenth of the beam. What cannot be seen must not be learned (docs/decisions/0020-threats-that-can-be-seen.md).
DEEPEST_MM, LEAST_EDGE_CONTRAST = 190.0, 0.15
#: Places tried for a threat, and for a tile.
TRIES = 8
Hidden = tuple[FreightObject, ...]


@dataclass(frozen=True)
class Backdrop:
    """A clean scan of two energies as the station measures it. taken: MeV -> (H, W) attenuation."""

    freight: FreightScan
    exposure: Exposure
    taken: dict[float, Float32]


def backdrop(freight: FreightScan) -> Backdrop:
    """Of a simulated scan of two energies without a threat."""
    scan = as_scanned(freight)
    exposure = measured(scan, parse_profile(scan.profile, scan.source))[0][0]
    beams = _beams(exposure)
    return Backdrop(freight, exposure, {mev: -np.log(np.clip(through, DARKEST, 1)) for mev, through in beams.items()})


def composed_tiles(
    behind: Backdrop, generator: np.random.Generator, cut_outs: CutOuts
) -> Iterator[tuple[UInt8, Hidden]]:
    """(TILE, TILE, 3) squares, drawn of one energy or of two, and what is hidden in each, in pixels of the square."""
    height, width = behind.exposure.high.shape
    for _ in range(TILES):
        side = round(TILE * PITCH_MM / behind.freight.pitch_mm)
        least = 0.0
        if generator.random() < COARSE:
            side, least = 2 * side, LEAST_COARSE * side
        wanted = 0 if generator.random() < PLAIN else int(generator.integers(*THREATS_EACH, endpoint=True))
        energies = 1 + int(generator.random() < 0.5)
        for _ in range(TRIES):
            tile = _around(_place(behind, generator), side, width, height, generator)
            threats = _Threats(behind, tile, least)
            found = threats.hidden(wanted, generator, cut_outs)
            drawn = _drawn(behind, tile, threats.through(), energies, generator)
            if int(drawn.min()) < AIR_TILE:
                square, placement = letterbox(drawn, TILE, (side, side))
                yield square, tuple(_moved(one, placement.corners) for one in found)
                break


def _beams(exposure: Exposure) -> dict[float, Float32]:
    assert exposure.low is not None
    return {CARGO_BEAM.high_mev: exposure.high, CARGO_BEAM.low_mev: exposure.low}


def _place(behind: Backdrop, generator: np.random.Generator) -> NDArray[np.float64]:
    """x, y of a pixel, most often on cargo where there is any."""
    height, width = behind.exposure.high.shape
    low, high, cargo = np.zeros(2), np.array([width, height], np.float64), behind.freight.cargo
    if cargo and generator.random() < OVER_CARGO:
        x1, y1, x2, y2 = cargo[int(generator.integers(len(cargo)))].box
        low, high = np.maximum((x1, y1), low), np.minimum((x2, y2), high)
    return generator.uniform(np.minimum(low, high), high)


def _around(place: NDArray[np.float64], side: int, width: int, height: int, generator: np.random.Generator) -> Tile:
    """A tile within the scan that shows a place anywhere in it."""
    corner = [
        min(max(0, round(float(at - generator.uniform(0, side)))), max(0, length - side))
        for at, length in zip(place, (width, height), strict=True)
    ]
    return Tile(corner[0], corner[1], min(corner[0] + side, width), min(corner[1] + side, height))


def _window(tile: Tile) -> tuple[slice, slice]:
    return slice(tile.y1, tile.y2), slice(tile.x1, tile.x2)


class _Threats:
    """What is laid into one tile, each threat where it can be seen. least: pixels, the shortest that is laid."""

    def __init__(self, behind: Backdrop, tile: Tile, least: float) -> None:
        window = _window(tile)
        self._pitch_mm, self._least = behind.freight.pitch_mm, least
        self._before = {mev: taken[window] for mev, taken in behind.taken.items()}
        self._air = open_air(behind.exposure.high[window])
        whole = Area(0.0, 0.0, tile.width * self._pitch_mm / 10, tile.height * self._pitch_mm / 10)
        self._board = Board(whole, self._pitch_mm, tuple(self._before))
        self._board.attenuations = {mev: taken.copy() for mev, taken in self._before.items()}
        self._places = list(_cargo_within(behind.freight, tile)) or [whole]

    def hidden(self, wanted: int, generator: np.random.Generator, cut_outs: CutOuts) -> Hidden:
        """Lays threats, at most `wanted`; in pixels of the tile."""
        found: list[FreightObject] = []
        for name in generator.choice(list(THREATS), wanted):
            laid = self._laid(str(name), found, generator, cut_outs)
            found += [laid] if laid else []
        return tuple(found)

    def _laid(
        self, name: str, others: list[FreightObject], generator: np.random.Generator, cut_outs: CutOuts
    ) -> FreightObject | None:
        highest = max(self._before)
        for _ in range(TRIES):
            kept = {mev: taken.copy() for mev, taken in self._board.attenuations.items()}
            seed = [int(generator.integers(2**32))]
            try:
                (laid,) = hide(self._board, (name,), Family.TRAIN, (self._places, []), seed, cut_outs)
            except NoPlace:
                # Too long for this tile at most angles, or hardly any cargo in it.
                self._board.attenuations = kept
                return None
            added = self._board.attenuations[highest] - kept[highest]
            if self._seen(laid, others) and in_air(added, self._air) <= MOST_IN_AIR:
                return laid
            self._board.attenuations = kept
        return None

    def _seen(self, laid: FreightObject, others: list[FreightObject]) -> bool:
        told = laid.steel_mm <= DEEPEST_MM and (laid.edge_contrast or 0.0) >= LEAST_EDGE_CONTRAST
        covering = (covered(Area(*laid.box), Area(*one.box)) > MOST_COVERED for one in others)
        return told and laid.size_px >= self._least and not any(covering)

    def through(self) -> dict[float, Float32]:
        """MeV -> (h, w) share of the beam that all threats let through, as blurred as the detector blurs."""
        shares = {}
        for mev, before in self._before.items():
            share = np.exp(before - self._board.attenuations[mev])
            if mev != max(self._before):
                # Pulses of low energy lie half a column on, as in `expose_freight`.
                share[:, :-1] = 0.5 * (share[:, :-1] + share[:, 1:])
            shares[mev] = cv2.GaussianBlur(share, (0, 0), ACCELERATORS[mev].blur_mm / self._pitch_mm)
        return shares


def _cargo_within(freight: FreightScan, tile: Tile) -> Iterator[Area]:
    """The parts of the cargo that a tile shows, in cm from its corner."""
    corner, end = np.array([tile.x1, tile.y1] * 2), np.array([tile.width, tile.height] * 2)
    for load in freight.cargo:
        left, top, right, bottom = np.clip(np.array(load.box) - corner, 0, end) * freight.pitch_mm / 10
        if right > left and bottom > top:
            yield Area(float(left), float(top), float(right), float(bottom))


def _drawn(
    behind: Backdrop, tile: Tile, through: dict[float, Float32], energies: int, generator: np.random.Generator
) -> UInt8:
    """The tile with its threats, drawn as the station draws the scan that it lies in."""
    pitch_mm = behind.freight.pitch_mm
    # What lies beyond the tile tells how bright its edge is drawn.
    reach = round(3 * AROUND_MM / pitch_mm)
    top, left = max(0, tile.y1 - reach), max(0, tile.x1 - reach)
    wider = slice(top, tile.y2 + reach), slice(left, tile.x2 + reach)
    inner = slice(tile.y1 - top, tile.y2 - top), slice(tile.x1 - left, tile.x2 - left)
    parts = []
    for mev, beam in list(_beams(behind.exposure).items())[:energies]:
        part = beam[wider].copy()
        part[inner] = _thinned(
            part[inner], through[mev], (_photons(mev, pitch_mm), ACCELERATORS[mev].read_noise), generator
        )
        parts.append(part)
    rendering = rendering_of(energies, ("contrast", "contrast material"))
    exposure = Exposure(parts[0], parts[1] if energies == 2 else None)
    image = draw_exposure(exposure, rendering, CURVES["MeV"], (pitch_mm, pitch_mm))
    return np.ascontiguousarray(image[inner])


def _photons(mev: float, pitch_mm: float) -> float:
    """Mean count of an element in air."""
    return ACCELERATORS[mev].photons * (pitch_mm / REFERENCE_PITCH_MM) ** 2


def _thinned(
    transmission: Float32, share: Float32, array: tuple[float, float], generator: np.random.Generator
) -> Float32:
    """What comes through a threat that lets `share` of the photons through: a binomial count, as a Gaussian.

    array: photons in air, and the amplifier's noise in photons. A reading holds that noise already, and the share of it
    that is lost with the beam is put back.
    """
    photons, read_noise = array
    counts = transmission * np.float32(photons) * share
    variance = np.maximum(counts, 0) * (1 - share) + np.float32(read_noise**2) * (1 - share**2)
    noise = np.sqrt(np.maximum(variance, 0)) * generator.standard_normal(counts.shape, np.float32)
    return np.asarray((counts + noise) / np.float32(photons), np.float32)


def _moved(found: FreightObject, scale: Float32) -> FreightObject:
    x1, y1, x2, y2 = (np.array(found.box) * scale).tolist()
    return FreightObject(found.class_name, (x1, y1, x2, y2), found.steel_mm, found.metallic, found.edge_contrast)
