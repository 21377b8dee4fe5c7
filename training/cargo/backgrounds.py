"""The benchmark on an engineer's own clean scans: as they are, and with simulated threats laid into their beam.

Transmissions multiply (Beer and Lambert), so a threat takes its share of what the cargo lets through, at each energy.
Clean and threat scans are written anew in the same way, at the resolution of 16 bits: nothing but the threat tells
them apart, save that no photons are taken from the noise of what lies behind it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.discovery import ScanSource, discover
from detector.errors import RoentgateError, SettingsInvalid
from detector.normalisation.exposure import Exposure
from detector.normalisation.standardise import exposures
from detector.readers import Limits, read_scan
from detector.readers.files import read_file
from detector.scanner_profile import ScannerProfile, parse_profile
from detector.terminal import stderr
from training.cargo.benchmark_plan import BenchmarkScan
from training.cargo.benchmark_run import Inspector, Record
from training.simulation.freight import AIR_LEVEL, THREATS, Family, FreightObject, FreightScan
from training.simulation.freight.board import Area, Board
from training.simulation.freight.threats import hide
from training.simulation.materials import CARGO_BEAM

Float32 = NDArray[np.float32]

#: Threat scans made of each background.
THREATS_EACH = 1
#: Pixels may differ so much from squares.
SQUARE = 1.02
#: What is behind less transmission than this is all noise; ln of it is as far as attenuation is told.
DARKEST = 1e-5


def background_records(
    folder: Path, profile: ScannerProfile | None, inspector: Inspector, output: Path
) -> Iterator[Record]:
    """Two records a scan under `folder`: clean, and with a threat of the test family, classes by turns.

    profile: how the files are read; None takes the one beside each. A scan that cannot be read is named and left out.
    Raises SettingsInvalid when none is left.
    """
    found = discover([folder], (), output).sources
    used = 0
    for source in found:
        try:
            exposure, pitch_mm = _read(source, profile)
        except RoentgateError as error:
            stderr.print(f"left out: {error.reason()}", markup=False)
            continue
        yield from _of_background(source, used, (exposure, pitch_mm), inspector)
        used += 1
    if not used:
        raise SettingsInvalid(f"no scan in {folder} can be a background", remedy="see what was said of each")


def _read(source: ScanSource, profile: ScannerProfile | None) -> tuple[Exposure, float]:
    scan = read_scan(read_file(source.path, source.name, Limits()), source.name)
    if profile is None:
        if not scan.profile:
            raise SettingsInvalid(f"{source.name}: no profile beside it", remedy="give --scanner PROFILE")
        profile = parse_profile(scan.profile, f"the profile beside {source.name}")
    if profile.pixel_pitch_mm is None or profile.beam != "MeV":
        raise SettingsInvalid(f"{profile.name}: threats need pixel_pitch_mm and beam = 'MeV'", remedy="complete it")
    across, down = profile.pixel_pitch_mm
    if max(across, down) / min(across, down) > SQUARE:
        raise SettingsInvalid(
            f"{profile.name}: pixels of {across:g} x {down:g} mm are not square", remedy="resample it"
        )
    views = exposures(scan, profile)
    if len(views) > 1:
        raise SettingsInvalid(f"{source.name}: {len(views)} views", remedy="give a folder of each view alone")
    return views[0], (across * down) ** 0.5


def _of_background(
    source: ScanSource, number: int, read: tuple[Exposure, float], inspector: Inspector
) -> Iterator[Record]:
    exposure, pitch_mm = read
    group = int.from_bytes(hashlib.sha256(source.name.encode("utf-8", "surrogateescape")).digest()[:6])
    for place in range(1 + THREATS_EACH):
        threat = list(THREATS)[(number + place) % len(THREATS)] if place else ""
        energies = 1 if exposure.low is None else 2
        planned = BenchmarkScan(number * (1 + THREATS_EACH) + place, group, threat, energies, pitch_mm)
        freight = with_threats(exposure, (threat,) if threat else (), pitch_mm, group)
        yield {**asdict(planned), "group": group, "background": source.name, **inspector.record(freight)}


def with_threats(exposure: Exposure, names: tuple[str, ...], pitch_mm: float, seed: int) -> FreightScan:
    """The scan with threats laid into it, written anew as the simulated scanner writes."""
    beams = {CARGO_BEAM.high_mev: exposure.high}
    if exposure.low is not None:
        beams[CARGO_BEAM.low_mev] = exposure.low
    objects: tuple[FreightObject, ...] = ()
    if names:
        beams, objects = _laid(beams, names, pitch_mm, seed)
    levels = {energy: _levels(through) for energy, through in beams.items()}
    return FreightScan(
        high=levels[CARGO_BEAM.high_mev],
        low=levels.get(CARGO_BEAM.low_mev),
        pitch_mm=pitch_mm,
        objects=objects,
        cargo=(),
        rooms=(),
        conveyance="",
        family=Family.TEST,
        seed=seed,
    )


def _laid(
    beams: dict[float, Float32], names: tuple[str, ...], pitch_mm: float, seed: int
) -> tuple[dict[float, Float32], tuple[FreightObject, ...]]:
    height, width = next(iter(beams.values())).shape
    area = Area(0.0, 0.0, width * pitch_mm / 10, height * pitch_mm / 10)
    board = Board(area, pitch_mm, tuple(beams))
    before = {energy: -np.log(np.clip(through, DARKEST, 1)) for energy, through in beams.items()}
    board.attenuations = {energy: total.copy() for energy, total in before.items()}
    objects = hide(board, names, Family.TEST, ([area], []), [seed, 1])
    after = {
        energy: np.asarray(through * np.exp(before[energy] - board.attenuations[energy]), np.float32)
        for energy, through in beams.items()
    }
    return after, objects


def _levels(transmission: Float32) -> NDArray[np.uint16]:
    return np.asarray(np.clip(np.rint(transmission * AIR_LEVEL), 0, 65_535), np.uint16)
