"""Simulated freight as a station meets it: a scan and the profile of its scanner.

>>> scan, profile = as_scanned(simulate_freight(3, Family.TEST, energies=1))       # doctest: +SKIP
>>> Detector("cargo-n", scanner=profile).inspect(scan)                             # doctest: +SKIP
"""

from __future__ import annotations

from detector.scan import Scan
from detector.scanner_profile import Rendering, ScannerProfile
from training.simulation.freight import AIR_LEVEL, FreightScan


def rendering_of(energies: int, known: tuple[Rendering, ...]) -> Rendering:
    """How scans of so many energies are drawn for a network that knows these renderings."""
    return "cargo material" if energies == 2 and "cargo material" in known else "cargo"


def profile_of(energies: int, pitch_mm: float, rendering: Rendering) -> ScannerProfile:
    """Of the simulated scanner. Its air is not measured in the scan: it is the level that the simulation sets."""
    return ScannerProfile(
        name=f"simulated freight, {energies} energies, {pitch_mm:g} mm",
        energies=("high", "low")[:energies],
        air_value=float(AIR_LEVEL),
        bits_stored=16,
        pixel_pitch_mm=(pitch_mm, pitch_mm),
        rendering=rendering,
    )


def as_scanned(
    freight: FreightScan, known: tuple[Rendering, ...] = ("cargo", "cargo material")
) -> tuple[Scan, ScannerProfile]:
    """The pages of a simulated scan, and what reads them for a network that knows these renderings."""
    pages = (freight.high,) if freight.low is None else (freight.high, freight.low)
    profile = profile_of(len(pages), freight.pitch_mm, rendering_of(len(pages), known))
    name = f"{freight.family.value}-{freight.seed}"
    return Scan(pages, name, ""), profile
