"""Simulated freight as a station meets it: a scan with the profile of its scanner beside it.

>>> Detector("cargo-n").inspect(as_scanned(simulate_freight(3, Family.TEST)))       # doctest: +SKIP
"""

from __future__ import annotations

from detector.errors import InferenceFailed
from detector.inspection import Inspection
from detector.normalisation.standardise import standardised
from detector.normalise import UInt8
from detector.pipeline import Detector
from detector.scan import Scan
from detector.scanner_profile import Rendering, ScannerProfile, parse_profile
from training.simulation.freight import AIR_LEVEL, FreightScan


def rendering_of(energies: int, known: tuple[Rendering, ...]) -> Rendering:
    """How scans of so many energies are drawn for a network that knows these renderings."""
    return "cargo material" if energies == 2 and "cargo material" in known else "cargo"


def profile_text(energies: int, pitch_mm: float, rendering: Rendering) -> str:
    """TOML of the simulated scanner's profile. Air is not measured in the scan: it is the level that was simulated."""
    return f"""\
name = "simulated freight"
energies = {["high", "low"][:energies]}
air_value = {AIR_LEVEL}
bits_stored = 16
pixel_pitch_mm = [{pitch_mm:g}, {pitch_mm:g}]
rendering = "{rendering}"
"""


def as_scanned(freight: FreightScan, known: tuple[Rendering, ...] = ("cargo", "cargo material")) -> Scan:
    """The pages of a simulated scan, and what reads them for a network that knows these renderings."""
    pages = (freight.high,) if freight.low is None else (freight.high, freight.low)
    profile = profile_text(len(pages), freight.pitch_mm, rendering_of(len(pages), known))
    return Scan(pages, f"{freight.family.value}-{freight.seed}", "", profile)


def inspected(detector: Detector, scan: Scan) -> Inspection:
    """What the station's pipeline says of a scan; one that cannot be seen through is referred, as there.

    Raises InferenceFailed when the network fails: a crash is no scan without threats.
    """
    inspection = detector.inspect(scan)
    if inspection.error == InferenceFailed.__name__:
        raise InferenceFailed(f"{scan.source}: {inspection.reasons[0]}")
    return inspection


def drawn(scan: Scan, profile: ScannerProfile | None = None) -> UInt8:
    """The first view (H, W, 3) of a scan as a network sees it. profile: None takes the one beside it."""
    return standardised(scan, profile or parse_profile(scan.profile, scan.source)).images[0]
