"""Stored levels of one view -> transmission, by the profile's air, dark level and gain; faulty lines mended.

>>> findings = Findings()
>>> exposure_of(energies, profile, findings).high.shape
(1200, 4096)
"""

from __future__ import annotations

import numpy as np

from detector.errors import ProfileMismatch, ScanWithoutContent
from detector.normalisation import air as air_levels
from detector.normalisation.air import Float32
from detector.normalisation.dual_energy import check_curve, check_order, check_two_pages
from detector.normalisation.exposure import Exposure, beyond_the_edges, beyond_the_ends, border, border_in_air
from detector.normalisation.findings import AIR_LEVELS, WIDEST_GAP, Findings
from detector.normalisation.grain import air_noise, noise_behind
from detector.normalisation.lines import Flags, faulty_in_air, faulty_throughout, mend, widest_run
from detector.normalisation.pages import full_scale
from detector.normalisation.saturation import saturated_share
from detector.normalisation.still import still_share
from detector.scan import Pixels
from detector.scanner_profile import Energy, ScannerProfile, of_energy

#: Share of a scan's detector elements and of its moments, added up, that may be mended; beyond it the picture is
#: invented.
MOST_FAULTY = 1 / 3
#: Nothing is brighter than air but noise and scatter; and some of a scan's border is air.
BRIGHTER, MOST_BRIGHTER, LEAST_BORDER = 1.25, 0.05, 0.5
#: Percentile of the transmission that counts as a view's densest.
DENSEST_PERCENT = 0.1


def exposure_of(pages: list[Pixels], profile: ScannerProfile, findings: Findings) -> Exposure:
    """The transmission of one view. pages: stored levels (elements, moments) of its energies, in the profile's order.

    findings: what is noticed is counted in it. Raises ProfileMismatch where the levels are not what the profile says,
    ScanWithoutContent where too little was seen.
    """
    parts = dict(zip(profile.energies, pages, strict=True))
    found = {energy: _transmission(page, energy, profile, findings) for energy, page in parts.items()}
    high, resolution, step = found["high"]
    if "low" not in found:
        return Exposure(high, resolution=resolution, steps=(step,))
    low, _, low_step = found["low"]
    check_curve(check_order(low, high), profile.curve)
    check_two_pages(pages)
    return Exposure(high, low, resolution, (step, low_step))


def _transmission(
    page: Pixels, energy: Energy, profile: ScannerProfile, findings: Findings
) -> tuple[Float32, float, Float32]:
    """Transmission (elements, moments), how much of it one and a half levels make up, and one of each element
    (elements, 1)."""
    highest = full_scale(page, profile)
    levels = page if profile.polarity == "air bright" else page.dtype.type(highest) - page
    dark, gain = of_energy(profile.calibration.dark, energy), of_energy(profile.calibration.gain, energy)
    air_levels.check_signal(levels)
    field, faulty = _air(levels, energy, profile, dark)
    guessed = profile.air_columns is None and profile.air_value is None
    if guessed:
        findings.guessed_air = float(field)
    transmission = air_levels.to_transmission(levels, field, dark, gain)
    faulty = faulty | faulty_throughout(transmission)
    air = float(np.median(field))
    # Eight bits are a picture made for people: in it air may well be white throughout.
    if highest > 255:
        meant = air if profile.air_value is not None else None
        sound = levels[~faulty] if faulty.any() else levels
        findings.saturated = max(findings.saturated, saturated_share(sound, highest, meant))
    if profile.air_columns is not None:
        _check_air_rows(transmission, _slice(profile.air_columns, levels.shape[1]), faulty)
    transmission, moments = _mended(transmission, faulty, findings)
    resolution = 1.5 * gain / (air - dark)
    opaque = max(profile.opaque_transmission, resolution)
    findings.still = max(findings.still, still_share(levels, transmission, opaque, faulty, moments))
    findings.beyond = max(findings.beyond, beyond_the_ends(transmission))
    above, below = beyond_the_edges(transmission)
    findings.above, findings.below = max(findings.above, above), max(findings.below, below)
    if (noise := air_noise(transmission, resolution)) is not None:
        findings.grain = min(findings.grain, noise.own)
        findings.air_noise = max(findings.air_noise, noise.deviation)
    if (behind := noise_behind(transmission, resolution)) is not None:
        findings.noise_behind = max(findings.noise_behind, behind)
    _check_bright(transmission, profile)
    if guessed:
        findings.border_in_air = min(findings.border_in_air, border_in_air(transmission))
    findings.air = min(findings.air, _air_level(transmission, profile))
    step = max(1, int((transmission.size / 200_000) ** 0.5))
    densest = float(np.percentile(transmission[::step, ::step], DENSEST_PERCENT))
    findings.densest = max(findings.densest, densest)
    # What was mended is of no element's own levels.
    beam = np.where(faulty[:, None], air, field) - dark
    return transmission, resolution, np.asarray(gain / np.maximum(beam, 1), np.float32)


def _check_air_rows(transmission: Float32, columns: slice, faulty: Flags) -> None:
    """Raise ProfileMismatch when an item lies in the air columns: taken for air, it would vanish from the whole scan,
    and leave true air too bright in its rows."""
    sound = transmission[:, columns][~faulty]
    if not len(sound):
        return
    noise = float(np.median(np.abs(sound - 1))) / 0.6745
    sample = transmission[:, :: max(1, transmission.shape[1] // 400)]
    brightest = np.percentile(sample, 95, axis=1)
    if widest_run((brightest > AIR_LEVELS[1] + 4 * noise) & ~faulty) > WIDEST_GAP:
        raise ProfileMismatch(
            "the air columns are not empty in some rows: what is beside them there is brighter than air",
            remedy="choose other air_columns (see `roentgate scanner probe`), or an air_value",
        )


def _air(levels: Pixels, energy: Energy, profile: ScannerProfile, dark: float) -> tuple[float | Float32, Flags]:
    """The level of air, of all or of each element, and which elements fail in it as far as that can be told."""
    if profile.air_columns is None:
        given = profile.air_value
        value = air_levels.brightest_level(levels) if given is None else of_energy(given, energy)
        air_levels.check_beam(value, dark)
        return value, np.zeros(len(levels), np.bool_)
    columns = _slice(profile.air_columns, levels.shape[1])
    field = air_levels.flat_field(levels, columns, dark)
    usual = float(np.median(field)) - dark
    faulty = faulty_in_air(levels[:, columns].astype(np.float32) - np.float32(dark), usual)
    return field, faulty


def _slice(columns: tuple[int, int], length: int) -> slice:
    first, end = columns
    # 0 as the end of columns that count from the end is the end itself.
    return slice(first, length if first < 0 and end == 0 else end)


def _mended(transmission: Float32, faulty: Flags, findings: Findings) -> tuple[Float32, Flags]:
    """Faulty elements, then moments that the scanner lost, filled in and counted in `findings`; and which moments."""
    elements = mend(transmission, faulty)
    lost = faulty_throughout(transmission.swapaxes(0, 1))
    moments = mend(transmission.swapaxes(0, 1), lost)
    height, width = transmission.shape
    if elements.faulty / height + moments.faulty / width > MOST_FAULTY:
        raise ScanWithoutContent(
            f"{elements.faulty} of {height} detector lines and {moments.faulty} of {width} moments of the belt are "
            "faulty: stripes over more than a third"
        )
    findings.faulty = max(findings.faulty, elements.faulty)
    findings.lost = max(findings.lost, moments.faulty)
    findings.widest = max(findings.widest, elements.widest, moments.widest)
    return transmission, lost


def _check_bright(transmission: Float32, profile: ScannerProfile) -> None:
    brighter = float((transmission > BRIGHTER).mean())
    if brighter > MOST_BRIGHTER:
        raise ProfileMismatch(
            f"{brighter:.0%} of the scan is brighter than air: the polarity or the air of the profile is wrong",
            remedy=_remedy(profile),
        )
    level = float(np.percentile(border(transmission), 90))
    if level < LEAST_BORDER:
        raise ProfileMismatch(
            f"the scan's border lets {level:.0%} through, where air should be: the polarity or the air is wrong",
            remedy=_remedy(profile),
        )


def _air_level(transmission: Float32, profile: ScannerProfile) -> float:
    """The level of what is brightest. Raises ProfileMismatch where it is brighter than what was taken for air."""
    level = air_levels.level_of_air(transmission)
    if level > AIR_LEVELS[1]:
        raise ProfileMismatch(
            f"air lets {level:.0%} through: the air of the profile is not that of this scan", remedy=_remedy(profile)
        )
    return level


def _remedy(profile: ScannerProfile) -> str:
    return f"check polarity (now {profile.polarity!r}) and air of the profile with `roentgate scanner probe`"
