"""The benchmark on an engineer's own clean scans: as they are, and with simulated threats laid into their beam.

Transmissions multiply (Beer and Lambert), so a threat takes its share of what the cargo lets through, at each energy.
Clean and threat scans are written anew in the same way, and a threat takes whole levels of the scanner's own: nothing
but the threat tells them apart, save that no photons are taken from the noise of what lies behind it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.cargo.rooms import SOLID
from detector.discovery import ScanSource, discover
from detector.doubts import rendering_doubt
from detector.errors import InferenceFailed, RoentgateError, ScanWithoutContent, SettingsInvalid
from detector.normalisation.exposure import Exposure
from detector.normalisation.standardise import measured
from detector.normalise import UInt8
from detector.readers import Limits, read_scan, sidecar
from detector.readers.files import read_file
from detector.scanner_profile import Calibration, ScannerProfile, parse_profile
from detector.terminal import stderr
from detector.tile_squares import pitch_doubt
from detector.weights import Weights, load_weights
from training.cargo.benchmark_plan import BenchmarkScan
from training.cargo.benchmark_run import REPLACED_REMEDY, Inspector, Record
from training.cargo.reading import as_scanned, drawn
from training.simulation.freight import AIR_LEVEL, THREATS, Family, FreightObject, FreightScan
from training.simulation.freight.board import VISIBLE, Area, Board
from training.simulation.freight.threats import hide
from training.simulation.materials import CARGO_BEAM

Float32 = NDArray[np.float32]

#: Threat scans made of each background.
THREATS_EACH = 1
#: Pixels may differ so much from squares.
SQUARE = 1.02
#: What is behind less transmission than this is all noise; ln of it is as far as attenuation is told.
DARKEST = 1e-5
#: Share of a threat's pixels that may lie outside the vehicle, in front of nothing but air, and places tried for it.
MOST_IN_AIR, TRIES = 0.1, 50
#: Side in pixels of the averages that tell air from the thinnest wall through the noise.
_PART = 5


class Backgrounds:
    """Clean scans of a folder, two records each: as it is, and with a threat of the test family, classes by turns.

    profile: how the files are read; None takes the one beside each. sources: those that can be read, each scan once.
    left_out: scan -> why it could be none, as far as `records` came: figures of a part of a folder must say so.

    Raises SettingsInvalid for a profile of scans that the weights do not know: figures of it would say nothing.
    """

    def __init__(self, folder: Path, profile: ScannerProfile | None, weights: str) -> None:
        self._profile, self._weights, self._known = profile, weights, load_weights(weights)
        if profile:
            _check_known(profile, self._known)
        self.sources: list[ScanSource] = []
        self.left_out: dict[str, str] = {}
        #: Digest -> name.
        self._names: dict[str, str] = {}
        self._inspectors: dict[str, Inspector] = {}
        for source in discover([folder], (), folder / "no output").sources:
            self._take(source)

    def _take(self, source: ScanSource) -> None:
        try:
            digest = self._digest(read_file(source.path, source.name, Limits()))
        except (RoentgateError, ValueError) as error:
            self._leave_out(source.name, error)
            return
        if (first := self._names.setdefault(digest, source.name)) != source.name:
            # Counted twice, it would make intervals narrower than the scans allow.
            self._leave_out(source.name, f"the same scan as {first}")
            return
        self.sources.append(source)

    def unchanged(self, records: Mapping[int, Record]) -> dict[int, Record]:
        """Those of an earlier part of the run whose scans are still what was measured; `records` measures the others
        anew. Scans that are gone are named and left out."""
        gone = {record["background"] for record in records.values()} - set(self._names.values())
        for name in sorted(gone - self.left_out.keys()):
            self._leave_out(name, "no longer in the folder")
        # Runs of before told no digest.
        return {
            number: record
            for number, record in records.items()
            if self._names.get(record.get("scan_sha256", "")) == record["background"]
        }

    def records(self, done: Collection[int]) -> Iterator[Record]:
        """Of all scans whose numbers are not `done`. One that cannot be a background is named and left out whole."""
        for turn, source in enumerate(self.sources):
            places = [place for place in range(1 + THREATS_EACH) if _number(source, place) not in done]
            try:
                # Both before either counts: a threat scan without its clean one would weigh on the figures.
                yield from list(self._of(source, turn, places)) if places else ()
            except InferenceFailed:
                # A scan that the network fails on must not vanish from the figures.
                raise
            # ValueError: a threat found no place, the scan is too small or holds too little.
            except (RoentgateError, ValueError) as error:
                self._leave_out(source.name, error)

    def picture(self, record: Record) -> UInt8:
        """The scan (H, W, 3) that a clean record of this folder is of, as the network sees it."""
        source = next(source for source in self.sources if source.name == record["background"])
        exposure, profile, _ = self._read(source)
        freight = with_threats(exposure, (), _pitch(profile), record["group"])
        return drawn(as_scanned(freight), rewritten_profile(profile, exposure))

    def _of(self, source: ScanSource, turn: int, places: Sequence[int]) -> Iterator[Record]:
        exposure, profile, digest = self._read(source)
        pitch_mm = _pitch(profile)
        inspector = self._inspector(rewritten_profile(profile, exposure))
        group = _group(source)
        for place in places:
            threat = list(THREATS)[(turn + place) % len(THREATS)] if place else ""
            energies = 1 if exposure.low is None else 2
            planned = BenchmarkScan(_number(source, place), group, threat, energies, pitch_mm)
            freight = with_threats(exposure, (threat,) if threat else (), pitch_mm, group)
            found = inspector.record(freight)
            yield {**asdict(planned), "group": group, "background": source.name, "scan_sha256": digest, **found}

    def _read(self, source: ScanSource) -> tuple[Exposure, ScannerProfile, str]:
        """The scan, what it was read by, and the digest of what was read."""
        data = read_file(source.path, source.name, Limits())
        scan, profile = read_scan(data, source.name), self._profile
        if profile is None:
            if not scan.profile:
                raise SettingsInvalid("no profile beside it", remedy="give --scanner PROFILE")
            profile = parse_profile(scan.profile, f"the profile beside {source.name}")
            _check_known(profile, self._known)
        views, doubts = measured(scan, profile)
        if doubts:
            # Written anew by a profile that fits, it would lose what made it doubtful and count as a sound clean scan.
            raise ScanWithoutContent("; ".join(doubts))
        if len(views) > 1:
            raise SettingsInvalid(f"{len(views)} views", remedy="give a folder of each view alone")
        return views[0], profile, self._digest(data)

    def _digest(self, data: bytes) -> str:
        """Of a file's bytes, and of the profile beside it where that is what reads them."""
        return hashlib.sha256(sidecar.split(data)[0] if self._profile else data).hexdigest()

    def _leave_out(self, name: str, why: Exception | str) -> None:
        self.left_out[name] = why.reason() if isinstance(why, RoentgateError) else str(why)
        stderr.print(f"left out: {name}: {self.left_out[name]}", markup=False)

    def _inspector(self, profile: ScannerProfile) -> Inspector:
        digest = profile.fingerprint()
        if digest not in self._inspectors:
            inspector = Inspector(self._weights, threads=0, scanner=profile)
            if inspector.label != self._known.label:
                # What it finds would stand among what the file of before found.
                raise SettingsInvalid(
                    f"the file of {self._known.name} was replaced during the run", remedy=REPLACED_REMEDY
                )
            self._inspectors[digest] = inspector
        return self._inspectors[digest]


def _group(source: ScanSource) -> int:
    """Of the name alone: files may come and go in the folder between two parts of a run."""
    return int.from_bytes(hashlib.sha256(source.name.encode("utf-8", "surrogateescape")).digest()[:6])


def _number(source: ScanSource, place: int) -> int:
    return _group(source) * (1 + THREATS_EACH) + place


def rewritten_profile(profile: ScannerProfile, exposure: Exposure) -> ScannerProfile:
    """The scanner's own profile, but for how the levels are stored: rendering, material and opacity stay its own."""
    changes = {
        "energies": ("high",) if exposure.low is None else ("high", "low"),
        "arrangement": "pages",
        "polarity": "air bright",
        "bits_stored": 16,
        "air_value": float(AIR_LEVEL),
        "air_columns": None,
        "width": None,
        "height": None,
        "calibration": Calibration(),
    }
    return ScannerProfile.model_validate({**profile.model_dump(), **changes})


def _check_known(profile: ScannerProfile, weights: Weights) -> None:
    """Raise SettingsInvalid for a profile whose scans the weights were not trained on: a station doubts every one."""
    spec = weights.spec
    unknown = rendering_doubt(weights.name, spec.renderings, profile.rendering)
    if doubt := unknown or pitch_doubt(spec.look, None, profile.pixel_pitch_mm):
        raise SettingsInvalid(
            f"{profile.name}: {doubt}",
            remedy="correct the profile's rendering or pixel_pitch_mm, or give weights that were trained on such scans",
        )


def _pitch(profile: ScannerProfile) -> float:
    if profile.pixel_pitch_mm is None or profile.beam != "MeV":
        raise SettingsInvalid(f"{profile.name}: threats need pixel_pitch_mm and beam = 'MeV'", remedy="complete it")
    across, down = profile.pixel_pitch_mm
    if max(across, down) / min(across, down) > SQUARE:
        raise SettingsInvalid(
            f"{profile.name}: pixels of {across:g} x {down:g} mm are not square", remedy="resample it"
        )
    return float((across * down) ** 0.5)


def with_threats(exposure: Exposure, names: tuple[str, ...], pitch_mm: float, seed: int) -> FreightScan:
    """The scan with threats laid into it, written anew as the simulated scanner writes."""
    beams = {CARGO_BEAM.high_mev: exposure.high}
    if exposure.low is not None:
        beams[CARGO_BEAM.low_mev] = exposure.low
    objects: tuple[FreightObject, ...] = ()
    if names:
        laid, objects = _laid(beams, names, pitch_mm, seed)
        for (energy, through), step in zip(beams.items(), exposure.steps, strict=False):
            laid[energy] = _in_steps(through, laid[energy], step)
        beams = laid
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
    highest = max(beams)
    open_air = _open_air(beams[highest])
    for attempt in range(TRIES):
        board.attenuations = {energy: total.copy() for energy, total in before.items()}
        objects = hide(board, names, Family.TEST, ([area], []), [seed, 1, attempt])
        if _in_air(board.attenuations[highest] - before[highest], open_air) <= MOST_IN_AIR:
            after = {
                energy: np.asarray(through * np.exp(before[energy] - board.attenuations[energy]), np.float32)
                for energy, through in beams.items()
            }
            return after, objects
    raise ValueError(f"{', '.join(names)}: none of {TRIES} places tried lies within a vehicle")


def _in_steps(through: Float32, laid: Float32, step: Float32) -> Float32:
    """(H, W) with a threat laid into it, but that it took whole levels of every pixel: between two of them lies none
    of a clean scan. step: of `Exposure.steps`."""
    return np.asarray(through + np.rint((laid - through) / step) * step, np.float32)


def _open_air(through: Float32) -> NDArray[np.bool_]:
    """(H, W) where there is no vehicle in a transmission, up to its edge: averages alone would reach beyond it."""
    attenuation = -np.log(np.clip(cv2.blur(through, (_PART, _PART)), DARKEST, 1))
    grown = cv2.dilate((attenuation < SOLID).astype(np.uint8), np.ones((_PART, _PART), np.uint8))
    return np.asarray(grown > 0)


def _in_air(added: Float32, open_air: NDArray[np.bool_]) -> float:
    """Share, 0..1, of the pixels (H, W) of what was laid that have nothing but air beside it."""
    seen = added > VISIBLE
    return float(open_air[seen].mean()) if seen.any() else 1.0


def _levels(transmission: Float32) -> NDArray[np.uint16]:
    return np.asarray(np.clip(np.rint(transmission * AIR_LEVEL), 0, 65_535), np.uint16)
