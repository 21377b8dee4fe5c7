"""`roentgate cargo`: is it really empty, and does any part of a load differ from the rest of it.

One JSON line a scan on standard output. A scan that cannot be judged has null where the answer would be, and says why;
the exit code is then 3.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer

from detector.cargo.anomalies import LoadComparison, find_anomalies
from detector.cargo.occupancy import THICKEST_BARE_MM, WALL_MM, Occupancy, measure_occupancy
from detector.cargo.rooms import CELL_MM, Box, Pitch
from detector.discovery import ScanSource, named_apart
from detector.errors import InferenceFailed, RoentgateError, ScanWithoutContent, SettingsInvalid
from detector.exit_codes import Exit
from detector.normalisation.dual_energy import material_band
from detector.normalisation.exposure import Exposure
from detector.normalisation.standardise import standardised
from detector.normalise import UInt8
from detector.outputs.picture_file import write_picture
from detector.readers import Limits, read_scan
from detector.readers.files import read_file
from detector.scan import Pixels, Scan
from detector.scan_names import overlay_name
from detector.scanner_profile import ScannerProfile, load_profile

#: Extra matter that is shown in full colour, mm of steel; and the colours, RGB, of it and of rooms: X-ray pictures for
#: people hold no red.
FULL_COLOUR_MM, MARK, ROOM = 40.0, (255, 0, 0), (0, 90, 160)

#: The answer of one view; its picture is drawn on a grey one.
Answer = dict[str, Any]
Question = Callable[[Exposure, Pixels, ScannerProfile, Pitch], tuple[Answer, UInt8]]

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Scans of one scanner, raw.")]
Scanner = Annotated[Path, typer.Option(help="TOML file that says how this scanner's files are read.")]
Output = Annotated[Path | None, typer.Option(help="Folder for a picture of each scan.")]

cargo_app = typer.Typer(no_args_is_help=True, help="Ask what else a container officer asks of a scan.")


@cargo_app.callback()
def _cargo() -> None:
    """Asks what else a container officer asks of a scan; no network is needed."""


@cargo_app.command("empty")
def cargo_empty(files: Files, scanner: Scanner, output: Output = None) -> None:
    """Is it really empty? Says how much lies in its rooms beyond the vehicle itself, and shows where."""
    _ask(files, scanner, output, ("empty", _empty))


@cargo_app.command("anomalies")
def cargo_anomalies(files: Files, scanner: Scanner, output: Output = None) -> None:
    """Does part of the load differ from the rest? Shows regions of a homogeneous load; they are no named threats."""
    _ask(files, scanner, output, ("anomalies", _anomalies))


#: What stands in a line in place of an answer: a scan that was not judged is neither empty nor clean.
_UNANSWERED: dict[str, Answer] = {
    "empty": {"occupancy": None, "empty": None},
    "anomalies": {"homogeneity": None, "regions": None},
}


def _ask(files: list[Path], scanner: Path, output: Path | None, asked: tuple[str, Question]) -> None:
    profile = load_profile(scanner)
    pitch = _pitch(profile)
    name, question = asked
    read_by: Answer = {"profile": profile.name, "profile_sha256": profile.fingerprint()}
    judged = True
    for source in named_apart(ScanSource(path.name or str(path), path) for path in files):
        told: Answer = {}
        try:
            data = read_file(source.path, source.name, Limits())
            told["sha256"] = hashlib.sha256(data).hexdigest()
            scan = read_scan(data, source.name, sha256=told["sha256"])
            answers, told["notes"] = _answers(scan, profile, pitch, question)
        # Whatever it was, this scan has not been looked at; those after it still are.
        except Exception as error:
            judged = False
            typer.echo(_line(source, _UNANSWERED[name] | _refusal(source, error) | told | read_by))
            continue
        for number, (answer, picture) in enumerate(answers, start=1):
            view = {"view": number} if len(answers) > 1 else {}
            typer.echo(_line(source, view | answer | told | read_by))
            judged = judged and all(answer[key] is not None for key in _UNANSWERED[name])
            if output is not None:
                write_picture(picture, output / overlay_name(source.name, f".view{number}.{name}.png"))
    if not judged:
        raise typer.Exit(Exit.REFERRED)


def _line(source: ScanSource, answer: Answer) -> str:
    return json.dumps({"scan": source.name, **answer})


def _refusal(source: ScanSource, error: Exception) -> Answer:
    if not isinstance(error, RoentgateError):
        what = f"{source.name}: {type(error).__name__}: {error}"
        error = InferenceFailed(what, remedy="the scan must be looked at by a person")
    return {"error": error.reason(), "remedy": error.remedy}


def _pitch(profile: ScannerProfile) -> Pitch:
    """Raises SettingsInvalid where the profile does not say what lengths and masses need, or says another beam."""
    if profile.rendering == "stored":
        raise SettingsInvalid(
            f"the profile {profile.name!r} passes pictures on as stored: they hold no transmission",
            remedy="use a profile of raw scans; see `roentgate scanner probe`",
        )
    if profile.beam != "MeV":
        # At keV the limits of MeV take loads for walls and clip materials away: loads would be called empty, or alike.
        raise SettingsInvalid(
            f"the profile {profile.name!r} says beam = {profile.beam!r}: walls and goods are told apart at MeV alone",
            remedy="have a person look at the scans; correct beam if the scanner is one of MeV",
        )
    if profile.belt != "x":
        raise SettingsInvalid(
            f"the profile {profile.name!r} says that vehicles move along y: a vehicle must lie along the picture",
            remedy="export the scans turned, roof upwards, with belt = 'x' in the profile",
        )
    if profile.pixel_pitch_mm is None:
        raise SettingsInvalid(
            f"the profile {profile.name!r} has no pixel_pitch_mm: lengths and masses cannot be told",
            remedy="give the side of a pixel at the middle of the vehicle, e.g. pixel_pitch_mm = [5.0, 5.0]",
        )
    if max(profile.pixel_pitch_mm) > CELL_MM:
        raise SettingsInvalid(
            f"the profile {profile.name!r} has pixels of {max(profile.pixel_pitch_mm):g} mm: more than {CELL_MM:g} mm "
            "show neither walls nor roofs",
            remedy="give pixel_pitch_mm in millimetres",
        )
    return profile.pixel_pitch_mm


def _answers(
    scan: Scan, profile: ScannerProfile, pitch: Pitch, question: Question
) -> tuple[list[tuple[Answer, UInt8]], list[str]]:
    """The answer of each view with its picture, and what was guessed or mended in the scan."""
    seen = standardised(scan, profile, keep_exposures=True)
    if seen.doubts:
        raise ScanWithoutContent("; ".join(seen.doubts))
    views = zip(seen.exposures, seen.scan.views, strict=True)
    answers = [question(exposure, view, profile, pitch) for exposure, view in views]
    return answers, list(seen.notes)


def _empty(exposure: Exposure, view: Pixels, profile: ScannerProfile, pitch: Pitch) -> tuple[Answer, UInt8]:
    found = measure_occupancy(exposure, pitch, profile.opaque_transmission)
    answer: Answer = {
        "occupancy": round(found.occupancy, 4),
        "empty": found.empty,
        "extra_kg": round(found.extra_kg, 2),
        "largest_mm": round(found.largest_mm, 1),
        "opaque": round(found.opaque, 4),
        "blind": round(found.blind, 4),
        "wall_mm": found.wall_mm,
        "rooms": found.rooms,
    }
    if found.empty is None:
        # A share of 0 would say that nothing lies there.
        answer |= _UNANSWERED["empty"] | {
            "error": f"nothing was seen, but {_unjudged(found)}",
            "remedy": "look at the scan, or open the vehicle",
        }
    return answer, _picture_of_occupancy(view, found)


def _unjudged(found: Occupancy) -> str:
    if max(found.wall_mm) > THICKEST_BARE_MM:
        return f"walls of {max(found.wall_mm):.0f} mm of steel may be light goods from end to end"
    if any(part.beyond_bare for part in found.parts):
        return "what looks like posts, rails or doors is more than a bare vehicle has: it may be a load"
    if found.layered:
        return "the floor is deeper than a floor is, or of two parts: a low layer of goods may lie on it"
    return f"{found.blind:.0%} of the room cannot be told from the vehicle"


def _anomalies(exposure: Exposure, view: Pixels, profile: ScannerProfile, pitch: Pitch) -> tuple[Answer, UInt8]:
    found = find_anomalies(exposure, pitch, profile.opaque_transmission)
    answer: Answer = {
        "homogeneity": None if found.homogeneity is None else round(found.homogeneity, 3),
        "regions": [
            {
                "box_xyxy": region.box_xyxy,
                "score": region.score,
                "material": _material(exposure, region.box_xyxy, profile),
            }
            for region in found.regions
        ],
    }
    # No list where nothing was compared: an empty one would say that nothing stands out.
    if found.homogeneity is None or found.mixed:
        answer["regions"] = answer["regions"] or None
    if note := _uncompared(found):
        answer["note"] = note
    return answer, _picture_of_regions(view, found)


def _uncompared(found: LoadComparison) -> str:
    """Why some load, or all of it, was not compared."""
    if found.homogeneity is None:
        return "there is too little load to compare"
    mixed = "the load is mixed: nothing to compare with" if found.mixed else ""
    too_little = f"too little load to compare in {found.too_little} of the rooms" if found.too_little else ""
    return "; ".join(filter(None, (mixed, too_little)))


def _material(exposure: Exposure, box: Box, profile: ScannerProfile) -> str | None:
    """The band of atomic number that a part of the scan is of; None where one energy cannot tell."""
    if exposure.low is None:
        return None
    left, top, right, bottom = box
    return material_band(exposure.low[top:bottom, left:right], exposure.high[top:bottom, left:right], profile.curve)


def _picture_of_occupancy(view: Pixels, found: Occupancy) -> UInt8:
    """(H, W, 3) RGB: matter red, the more of it the redder; rooms framed."""
    picture = cv2.cvtColor(view, cv2.COLOR_GRAY2RGB)
    share = np.where(found.map_mm > WALL_MM, 0.25 + 0.5 * np.minimum(found.map_mm / FULL_COLOUR_MM, 1), 0)
    high, wide = (side * size for side, size in zip(found.map_mm.shape, found.cell[::-1], strict=True))
    shown = cv2.resize(share.astype(np.float32), (wide, high), interpolation=cv2.INTER_NEAREST)[:, :, None]
    covered = picture[:high, :wide]
    covered[:] = (covered * (1 - shown) + np.array(MARK, np.float32) * shown).astype(np.uint8)
    for left, top, right, bottom in found.rooms:
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), ROOM, 2)
    return np.asarray(picture, np.uint8)


def _picture_of_regions(view: Pixels, found: LoadComparison) -> UInt8:
    """(H, W, 3) RGB: regions framed, with their scores."""
    picture = cv2.cvtColor(view, cv2.COLOR_GRAY2RGB)
    for region in found.regions:
        left, top, right, bottom = region.box_xyxy
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), MARK, 2)
        cv2.putText(picture, f"{region.score:.1f}", (left, max(12, top - 5)), cv2.FONT_HERSHEY_SIMPLEX, 0.6, MARK, 2)
    return np.asarray(picture, np.uint8)
