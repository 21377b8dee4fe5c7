"""The straight line from a scan to its decision. No output is written here.

    >>> Detector("luggage").inspect("scan.png").decision
    <Decision.ALARM: 'ALARM'>

CLEAR is earned: the weights were verified, the file decoded whole, every tile inferred that is not bare air, every
number finite. Whatever goes wrong with one scan, expected or not, ends in REFER for that scan, and the next one is
looked at.
"""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.calibration import calibrate, reach_fault
from detector.detections import Detections
from detector.doubts import Clearing, known_palettes
from detector.errors import (
    InferenceFailed,
    ProfileMismatch,
    RoentgateError,
    ScanUnreadable,
    ScanWithoutContent,
    SettingsInvalid,
)
from detector.inspection import Inspection
from detector.merging import merge_tiles
from detector.network import Network, Provider
from detector.normalisation.standardise import standardised
from detector.policy import decide, decisive, listed, refer, with_findings
from detector.readers import Limits, read_scan
from detector.readers.files import read_file
from detector.scan import Scan
from detector.scanner_profile import Belt, ScannerProfile, load_profile, parse_profile
from detector.settings import EffectiveThresholds, Policy, load_policy
from detector.tile_squares import (
    TileSquare,
    along_belt,
    boxes_along_belt,
    check_tiles,
    cut,
    pitch_along_belt,
    tile_size,
)
from detector.unplaced import padding_doubt, unplaced
from detector.weights import UNSHIPPED_REMEDY, load_weights, read_manifest
from detector.weights_spec import WeightsSpec

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]


#: A view narrower than this, in pixels, is a thumbnail or a first line of a scan, not a scan.
LEAST_SIDE = 32
#: Raised by hand when reading, rendering, tiling, merging or a doubt changes a decision: earlier results are made anew.
PIPELINE_VERSION = 20


@dataclass(frozen=True)
class PreparedScan:
    """A decoded scan with its tiles, ready for the network. seconds: spent on it so far.

    tiles: of the views as they lie along the belt. belt: the axis along which the object moved in the scan as stored.
    doubts: why it must not be cleared whatever the network says of it; detections are given all the same. notes: what
    was measured or mended on the way, told beside whatever is decided.
    """

    name: str
    scan: Scan
    tiles: tuple[TileSquare, ...]
    belt: Belt
    doubts: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def squares(self) -> list[UInt8]:
        """Of the tiles that are looked at, in order."""
        return [tile.square for tile in self.tiles if tile.square is not None]


@dataclass(frozen=True)
class RefusedScan:
    """A scan that could not be prepared. inspection: its REFER. scan: what was decoded, for people; None if nothing."""

    inspection: Inspection
    scan: Scan | None = None


class Detector:
    """Inspects scans with one network and one policy; safe to share between threads."""

    def __init__(
        self,
        weights: str | Path = "",
        *,
        policy: Policy | str | Path | None = None,
        provider: Provider | str = Provider.AUTO,
        threads: int = 0,
        batch: int = 8,
        tile: str | int = "auto",
        limits: Limits | None = None,
        scanner: ScannerProfile | str | Path | None = None,
    ) -> None:
        """weights: shipped name or .onnx file, empty for those of the scanner's profile, else the default. policy,
        scanner: read, or the TOML file that holds one. threads: of the network, 0 for one a core. batch: tiles handed
        to it at once, mirror images counted. tile: 'auto', 'off', or pixels of a tile's side. scanner: how its files
        are to be read; it goes before a profile that lies beside a file.

        Raises WeightsRejected, ProviderUnavailable or SettingsInvalid; never starts half.
        """
        if batch < 1 or threads < 0:
            raise SettingsInvalid(
                f"batch = {batch}, threads = {threads}", remedy="give a batch of 1 or more, and 0 threads or more"
            )
        scanner = load_profile(Path(scanner)) if isinstance(scanner, str | Path) else scanner
        self.scanner = scanner
        self.weights = load_weights(weights or (scanner.weights if scanner else ""))
        self.spec = self.weights.spec
        self.policy = load_policy(Path(policy)) if isinstance(policy, str | Path) else policy or Policy()
        palettes = known_palettes(self.spec, self.policy)
        self.thresholds = self.policy.effective(self.spec.thresholds)
        _check_reach(self.thresholds, self.spec)
        self.network = Network(self.weights, provider, threads)
        self.batch = batch
        self.limits = limits or Limits()
        self.tile_pixels = _tile_pixels(tile)
        self.clearing = Clearing(self.weights.name, self.spec, self.policy, palettes, self.tile_pixels)

    def fingerprint(self) -> str:
        """Of all settings that a result depends on besides scan and weights."""
        scanner = self.scanner.fingerprint() if self.scanner else ""
        tile = "auto" if self.tile_pixels is None else self.tile_pixels
        return self.policy.fingerprint(tile=tile, pipeline=PIPELINE_VERSION, scanner=scanner)

    def inspect(self, source: str | Path | bytes | Scan) -> Inspection:
        """Inspects a file, the bytes of one, or a scan already read. A scan that cannot be judged gives REFER.

        Raises TypeError for anything else: that is no fault of a scan.
        """
        if not isinstance(source, str | Path | bytes | Scan):
            raise TypeError(
                f"inspect takes a path, bytes or a Scan, not {type(source).__name__}; "
                "for an array: Scan((rgb,), 'its name', ''), channels in the order RGB"
            )
        name = Path(source).name if isinstance(source, str | Path) else getattr(source, "source", "scan")
        prepared = self.prepare(source, name)
        return prepared.inspection if isinstance(prepared, RefusedScan) else self.judge([prepared])[0]

    def prepare(self, source: str | Path | bytes | Scan, name: str, sha256: str = "") -> PreparedScan | RefusedScan:
        """Reads, renders and tiles one scan, if that can be done. sha256: of a source that is bytes, hex, where it is
        known already."""
        started, digest = time.perf_counter(), source.sha256 if isinstance(source, Scan) else sha256
        try:
            if isinstance(source, str | Path):
                source = read_file(Path(source), name, self.limits)
            if isinstance(source, bytes):
                digest = digest or hashlib.sha256(source).hexdigest()
                source = read_scan(source, name, self.limits, digest)
            _refuse_tiny(source)
            profile = self._profile_of(source)
            seen = standardised(source, profile)
            pitch = pitch_along_belt(profile.pixel_pitch_mm if profile else None, seen.belt)
            tiles = self._tiles([along_belt(image, seen.belt) for image in seen.images], pitch)
            doubts, notes = self.clearing.findings(seen, tiles, pitch)
            return PreparedScan(name, seen.scan, tiles, seen.belt, doubts, notes, time.perf_counter() - started)
        # Whatever it was, this scan has not been looked at. It must reach a person, not stop the belt.
        except Exception as error:
            decoded = source if isinstance(source, Scan) else None
            return RefusedScan(self.refused(name, digest, error, time.perf_counter() - started, decoded), decoded)

    def judge(self, prepared: Sequence[PreparedScan]) -> list[Inspection]:
        """Inspections of `prepared`, in order, their tiles batched together."""
        started = time.perf_counter()
        try:
            outputs = self._infer([square for scan in prepared for square in scan.squares])
        except Exception as error:
            if len(prepared) == 1:
                (alone,) = prepared
                return [self.refused(alone.name, alone.scan.sha256, error, alone.seconds, alone.scan)]
            # One scan must not drag those beside it along: each alone.
            return [inspection for scan in prepared for inspection in self.judge([scan])]
        share = (time.perf_counter() - started) / max(1, len(outputs))
        inspections, position = [], 0
        for scan in prepared:
            count = len(scan.squares)
            own = outputs[position : position + count]
            position += count
            inspections.append(self._conclude(scan, own, scan.seconds + share * count))
        return inspections

    def refused(self, name: str, digest: str, error: Exception, seconds: float, scan: Scan | None = None) -> Inspection:
        """The REFER of a scan that could not be judged, with the error in words. scan: as far as it was decoded."""
        if not isinstance(error, RoentgateError):
            error = InferenceFailed(f"{name}: {type(error).__name__}: {error}")
        decision, reasons = refer(error)
        empty = Detections.empty(self.spec.class_names)
        label, kind = self.weights.label, type(error).__name__
        return Inspection(name, digest, _sizes(scan), decision, reasons, empty, label, seconds * 1000, kind)

    def _profile_of(self, scan: Scan) -> ScannerProfile | None:
        if self.scanner or not scan.profile:
            return self.scanner
        beside = parse_profile(scan.profile, f"the profile beside {scan.source}")
        if beside.weights:
            self._check_asked(beside.weights, scan.source)
        return beside

    def _check_asked(self, asked: str, source: str) -> None:
        """Whoever may write beside a scan may choose among the weights that were published, not bring some along."""
        entry = read_manifest().pinned(asked)
        told = f"{source}: the profile beside it asks for the weights {asked}"
        if entry is None:
            raise ProfileMismatch(f"{told}, which are not shipped", remedy=UNSHIPPED_REMEDY)
        if entry.sha256 != self.weights.sha256:
            raise ProfileMismatch(told, remedy=f"scan it with --weights {asked}, or give the profile with --scanner")

    def _tiles(self, images: Sequence[UInt8], pitch: tuple[float, float] | None) -> tuple[TileSquare, ...]:
        look = self.spec.look
        check_tiles([(image.shape[1], image.shape[0]) for image in images], look, self.tile_pixels, pitch)
        size = tile_size(look, self.tile_pixels, pitch)
        tiles = tuple(tile for number, image in enumerate(images) for tile in cut(image, number, size, look))
        if all(tile.square is None for tile in tiles):
            raise ScanWithoutContent("there is nothing but air in the scan")
        return tiles

    def _infer(self, squares: list[UInt8]) -> list[tuple[Float32, Float32]]:
        outputs: list[tuple[Float32, Float32]] = []
        step = max(1, self.batch // self.spec.images_per_tile)
        for start in range(0, len(squares), step):
            boxes, scores = self.network.infer(np.stack(squares[start : start + step]))
            outputs.extend(zip(boxes, scores, strict=True))
        return outputs

    def _conclude(self, prepared: PreparedScan, outputs: list[tuple[Float32, Float32]], seconds: float) -> Inspection:
        started = time.perf_counter()
        try:
            found, lost = self._merge(prepared, outputs)
            verdict = decide(found, self.thresholds)
            beside = padding_doubt(decisive(lost, self.thresholds), self.spec.input_size)
            doubts = (*prepared.doubts, beside) if beside else prepared.doubts
            decision, reasons = with_findings(verdict, doubts, prepared.notes)
            detections = listed(found, self.thresholds)
        # One scan that goes wrong here must not end the batch either.
        except Exception as error:
            return self.refused(prepared.name, prepared.scan.sha256, error, seconds, prepared.scan)
        elapsed = (seconds + time.perf_counter() - started) * 1000
        return Inspection(
            prepared.name,
            prepared.scan.sha256,
            _sizes(prepared.scan),
            decision,
            reasons,
            detections,
            self.weights.label,
            elapsed,
        )

    def _merge(self, prepared: PreparedScan, outputs: list[tuple[Float32, Float32]]) -> tuple[Detections, Detections]:
        """What was found, and what the network put where there is no scan."""
        if len(outputs) != len(prepared.squares):
            raise InferenceFailed(f"{prepared.name}: {len(outputs)} of {len(prepared.squares)} tiles were inferred")
        names = self.spec.class_names
        nothing = np.zeros((0, 4), np.float32), np.zeros((0, len(names)), np.float32)
        inferred = iter(outputs)
        found = [(tile, nothing if tile.square is None else next(inferred)) for tile in prepared.tiles]
        views, lost = [], []
        for number in range(len(prepared.scan.views)):
            own = [(tile, *_in_view(tile, output)) for tile, output in found if tile.view == number]
            lost += [unplaced(tile, boxes, scores, self.spec) for tile, boxes, scores in own]
            taken = [(boxes[asked], scores[asked]) for tile, boxes, scores in own for asked in [tile.takes(boxes)]]
            merged = merge_tiles(
                [tile.tile for tile, _, _ in own],
                [boxes for boxes, _ in taken],
                [scores for _, scores in taken],
                self.spec.merge_iou,
            )
            scores = calibrate(merged.scores, merged.class_ids, names, self.spec.calibration)
            where = np.full(len(scores), number, np.int64)
            views.append(
                Detections(boxes_along_belt(merged.xyxy, prepared.belt), scores, merged.class_ids, where, names)
            )
        return Detections.concatenate(views, names), Detections.concatenate(lost, names)


def _check_reach(thresholds: EffectiveThresholds, spec: WeightsSpec) -> None:
    """A policy may ask for scores that no box is ever given, or that boxes which are not looked at are given: neither
    decides as it says. As weights are checked."""
    for name in spec.class_names:
        for score in (thresholds.decisive(name), thresholds.alarm[name]):
            fault = reach_fault(score, spec.calibration.get(name))
            if fault is None:
                continue
            if fault.too_high:
                raise SettingsInvalid(
                    f"no box of {name} can reach {score:g}: its calibration ends at {fault.end:.4g}",
                    remedy=f"give {name} a score of at most {math.floor(fault.end * 1e4) / 1e4:g} in the policy",
                )
            raise SettingsInvalid(
                f"boxes of {name} with a score below {fault.end:.4g} are left out, but {score:g} is to decide",
                remedy=f"give {name} an alarm or refer score above {math.ceil(fault.end * 1e4) / 1e4:g} in the policy",
            )


def _sizes(scan: Scan | None) -> tuple[tuple[int, int], ...]:
    """(width, height) of each view."""
    return tuple((int(view.shape[1]), int(view.shape[0])) for view in scan.views) if scan else ()


def _refuse_tiny(scan: Scan) -> None:
    for view in scan.views:
        if min(view.shape[:2]) < LEAST_SIDE:
            raise ScanUnreadable(f"{scan.source}: {view.shape[1]} x {view.shape[0]} pixels are too few to judge")


def _in_view(tile: TileSquare, output: tuple[Float32, Float32]) -> tuple[Float32, Float32]:
    """Boxes (Q, 4), now in pixels of the view, and scores (Q, C)."""
    return output[0] / tile.placement.corners + np.array([tile.tile.x1, tile.tile.y1] * 2, np.float32), output[1]


def _tile_pixels(tile: str | int) -> int | None:
    """Side of a tile in pixels of the scan, 0 for the whole scan at once; None for what suits network and scanner."""
    if tile == "auto":
        return None
    if tile == "off":
        return 0
    if re.fullmatch(r"[0-9]{1,9}", str(tile)) and int(tile) >= 64:
        return int(tile)
    raise SettingsInvalid(f"--tile {tile}: not a size", remedy="give auto, off, or at least 64 pixels")
