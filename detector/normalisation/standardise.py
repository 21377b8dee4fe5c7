"""A scan and its scanner's profile -> views of which every level means the same on every scanner, or a refusal.

stored pages -> views and energies -> polarity -> air -> faulty elements -> energies checked -> rendered

A profile that does not fit is never bent until it does: the scan is refused with what to correct.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detector.errors import ProfileMismatch, ScanWithoutContent
from detector.normalisation import air as air_levels
from detector.normalisation.air import Float32
from detector.normalisation.dual_energy import check_curve, check_order, check_two_pages
from detector.normalisation.exposure import (
    Exposure,
    beyond_the_ends,
    border,
    border_in_air,
    opaque_limit,
    opaque_share,
    opaque_square_mm,
)
from detector.normalisation.findings import AIR_LEVELS, WIDEST_GAP, Findings
from detector.normalisation.lines import Flags, faulty_in_air, faulty_throughout, mend, widest_run
from detector.normalisation.plateau import dark_plateau
from detector.normalisation.saturation import saturated_share
from detector.normalisation.still import still_share
from detector.normalise import UInt8, black_square_mm, opaque_part, render, render_exposure
from detector.scan import Pixels, Scan
from detector.scanner_profile import Belt, Energy, ScannerProfile, of_energy

#: Share of a scan's detector elements and of its moments, added up, that may be mended; beyond it the picture is
#: invented.
MOST_FAULTY = 1 / 3
#: Nothing is brighter than air but noise and scatter; and some of a scan's border is air.
BRIGHTER, MOST_BRIGHTER, LEAST_BORDER = 1.25, 0.05, 0.5
#: Percentile of the transmission that counts as a view's densest.
DENSEST_PERCENT = 0.1
_GREY_RENDERINGS = ("grey", "display")
#: How more than 8 bits are drawn without transmission: by a window of their own. It is no `scanner_profile.Rendering`,
#: so no weights know it: nobody has checked air, polarity and energies of such a scan.
WINDOWED = "windowed"


@dataclass(frozen=True)
class StandardScan:
    """scan: for people, its views 8-bit grey where there was transmission. images: each view (H, W, 3) uint8 RGB as the
    network takes it, but for `along_belt`. belt: the axis along which the object moved, as far as that is known.
    rendering: how, as in the profile, or WINDOWED. opaque: largest share, 0..1, of a view's cargo
    that nothing is seen behind, by the detector or by the network. opaque_mm: side of the largest square of that kind
    in any view; 0 where no pixel pitch is known.

    doubts: why it must not be cleared. notes: what was measured or mended, for people.
    """

    scan: Scan
    images: tuple[UInt8, ...]
    rendering: str
    opaque: float
    doubts: tuple[str, ...]
    notes: tuple[str, ...]
    belt: Belt = "x"
    opaque_mm: float = 0.0


def standardised(scan: Scan, profile: ScannerProfile | None) -> StandardScan:
    """The scan as `profile` reads it; without one, as it is stored. Raises ProfileMismatch where they do not fit,
    ScanWithoutContent where too little was seen to go on."""
    if profile is not None:
        _check_pages(scan, profile)
    if profile is None or profile.rendering == "stored":
        return _as_stored(scan, profile)
    findings, opaque, square = Findings(), 0.0, 0.0
    drawn, shown = [], []
    for pages in split_views(scan.views, profile):
        exposure = _exposure(pages, profile, findings)
        _look_for_plateau(exposure, profile, findings)
        image = render_exposure(exposure, profile.rendering, profile.curve)
        # What the network is given may be black where the detector still saw something.
        opaque = max(opaque, _opaque(exposure, profile), opaque_part(image))
        square = max(square, _opaque_square(exposure, profile))
        drawn.append(np.ascontiguousarray(_turned(image, profile)))
        # False colours are for the network alone.
        grey = image if profile.rendering in _GREY_RENDERINGS else render_exposure(exposure, "display", profile.curve)
        shown.append(np.ascontiguousarray(_turned(grey[:, :, 0], profile)))
    seen = replace(scan, views=tuple(shown))
    return StandardScan(
        seen, tuple(drawn), profile.rendering, opaque, findings.doubts(), findings.notes(), profile.belt, square
    )


def _as_stored(scan: Scan, profile: ScannerProfile | None) -> StandardScan:
    """The scan without transmission. Of a profile the belt and the pixel pitch are taken."""
    images = tuple(render(view) for view in scan.views)
    starved = tuple(dict.fromkeys(filter(None, map(_starved, scan.views))))
    rendering = WINDOWED if any(view.dtype.itemsize > 1 for view in scan.views) else "stored"
    belt: Belt = profile.belt if profile else "x"
    pitch = profile.pixel_pitch_mm if profile else None
    square = 0.0 if pitch is None else max(black_square_mm(image, pitch) for image in images)
    return StandardScan(scan, images, rendering, max(map(opaque_part, images)), starved, (), belt, square)


def _starved(view: Pixels) -> str:
    """Why a grey view of 16 bits, stored as it was measured, shows nothing but noise; empty where it does not."""
    if view.dtype != np.uint16 or view.ndim != 2:
        return ""
    try:
        air_levels.check_signal(view)
    except ScanWithoutContent as error:
        return error.what
    return ""


def _look_for_plateau(exposure: Exposure, profile: ScannerProfile, findings: Findings) -> None:
    limit = opaque_limit(exposure, profile.opaque_transmission)
    findings.plateau = max(findings.plateau, dark_plateau(exposure, limit))


def _opaque(exposure: Exposure, profile: ScannerProfile) -> float:
    limit = opaque_limit(exposure, profile.opaque_transmission)
    return opaque_share(exposure, limit, air_levels.level_of_air(exposure.high))


def _opaque_square(exposure: Exposure, profile: ScannerProfile) -> float:
    if profile.pixel_pitch_mm is None:
        return 0.0
    across, down = profile.pixel_pitch_mm
    along = (across, down) if profile.belt == "x" else (down, across)
    return opaque_square_mm(exposure, opaque_limit(exposure, profile.opaque_transmission), along)


def exposures(scan: Scan, profile: ScannerProfile) -> list[Exposure]:
    """The transmission of every view, as `measured` gives it, whatever is doubted of it."""
    return measured(scan, profile)[0]


def measured(scan: Scan, profile: ScannerProfile) -> tuple[list[Exposure], tuple[str, ...]]:
    """The transmission of every view, as the scanner stored it, before anything is rendered; and the doubts of it that
    `standardised` would tell. Raises as that.

    For measuring and for training; the pixels lie where they lay in the file.
    """
    _check_pages(scan, profile)
    findings = Findings()
    found = []
    for pages in split_views(scan.views, profile):
        one = _exposure(pages, profile, findings)
        _look_for_plateau(one, profile, findings)
        low = None if one.low is None else _turned(one.low, profile)
        found.append(replace(one, high=_turned(one.high, profile), low=low))
    return found, findings.doubts()


def _check_pages(scan: Scan, profile: ScannerProfile) -> None:
    if len(scan.views) != profile.pages:
        raise ProfileMismatch(
            f"the scan has {len(scan.views)} page(s), the profile {profile.name!r} says {profile.pages} "
            f"({profile.views} view(s), energies {', '.join(profile.energies)} as {profile.arrangement})"
        )
    for page in scan.views:
        sizes = (("width", page.shape[1], profile.width), ("height", page.shape[0], profile.height))
        for name, found, expected in sizes:
            if expected is not None and found != expected:
                raise ProfileMismatch(f"the {name} is {found} pixels, the profile {profile.name!r} says {expected}")
        if profile.polarity == "air dark" and _full_scale(page, profile) > np.iinfo(page.dtype).max:
            raise ProfileMismatch(
                f"a page of {page.dtype.itemsize * 8} bits, the profile {profile.name!r} turns levels of "
                f"{profile.bits_stored} bits round",
                remedy="export the scan as the scanner stores it, or correct bits_stored in the scanner profile",
            )
        if profile.bits_stored and int(page.max()) >= 2**profile.bits_stored:
            raise ProfileMismatch(
                f"levels up to {int(page.max())}, the profile {profile.name!r} says {profile.bits_stored} bits",
                remedy=_depth_remedy(page, profile.bits_stored),
            )


def _depth_remedy(page: Pixels, bits: int) -> str:
    """A white-is-zero picture of few bits in words of 16 was turned from 65,535: all its levels lie at the top."""
    dark = 2**16 - 2**bits
    if page.dtype == np.uint16 and int(page.min()) >= dark:
        return (
            f"the levels lie within {dark}..65535: give bits_stored = 16 and, under [calibration], dark = {dark} "
            "in the scanner profile"
        )
    return "correct bits_stored in the scanner profile"


def split_views(pages: tuple[Pixels, ...], profile: ScannerProfile) -> list[list[Pixels]]:
    """For each view, its energies in the profile's order: each (elements, moments) of stored levels.

    Raises ProfileMismatch where the pages do not part so.
    """
    count = len(profile.energies)
    if profile.arrangement == "pages":
        views = [list(pages[start : start + count]) for start in range(0, len(pages), count)]
    else:
        views = [_parts(page, profile) for page in pages]
    for view in views:
        if len({page.shape for page in view}) > 1 or len({page.dtype for page in view}) > 1:
            shapes = " and ".join(f"{page.shape[1]} x {page.shape[0]} {page.dtype}" for page in view)
            raise ProfileMismatch(f"the two energies differ in size or depth: {shapes}")
        if view[0].ndim != 2:
            raise ProfileMismatch(
                "a colour picture holds no transmission",
                remedy="give rendering = 'stored' in the profile of a scanner that exports colour",
            )
    return [[_turned(page, profile) for page in view] for view in views]


def _parts(page: Pixels, profile: ScannerProfile) -> list[Pixels]:
    count = len(profile.energies)
    if profile.arrangement == "planes":
        if page.ndim != 3:
            raise ProfileMismatch("a grey page has no planes that could hold the energies")
        _check_spare_planes(page, count)
        return [page[:, :, plane] for plane in range(count)]
    axis = 1 if profile.arrangement == "side by side" else 0
    if page.shape[axis] % count:
        raise ProfileMismatch(f"{page.shape[axis]} pixels do not part into {count} energies {profile.arrangement}")
    return list(np.split(page, count, axis))


def _check_spare_planes(page: Pixels, count: int) -> None:
    """Raise ProfileMismatch when a plane beyond the first `count` shows something that would not be looked at."""
    for plane in range(count, page.shape[2]):
        spare = page[:, :, plane]
        if int(spare.min()) < int(spare.max()) and not any(
            np.array_equal(spare, page[:, :, used]) for used in range(count)
        ):
            raise ProfileMismatch(
                f"plane {plane + 1} of a page shows what none of the first {count} does, and would not be looked at",
                remedy=f"export the {count} energies as pages, or leave plane {plane + 1} constant",
            )


def _turned(page: Pixels, profile: ScannerProfile) -> Pixels:
    """The belt along x, or back again: its own inverse."""
    return page if profile.belt == "x" else page.swapaxes(0, 1)


def _exposure(pages: list[Pixels], profile: ScannerProfile, findings: Findings) -> Exposure:
    parts = dict(zip(profile.energies, pages, strict=True))
    found = {energy: _transmission(page, energy, profile, findings) for energy, page in parts.items()}
    high, resolution = found["high"]
    if "low" not in found:
        return Exposure(high, resolution=resolution)
    low = found["low"][0]
    check_order(low, high)
    check_curve(low, high, profile.curve)
    check_two_pages(pages)
    return Exposure(high, low, resolution)


def _full_scale(page: Pixels, profile: ScannerProfile) -> int:
    return (1 << (profile.bits_stored or page.dtype.itemsize * 8)) - 1


def _transmission(page: Pixels, energy: Energy, profile: ScannerProfile, findings: Findings) -> tuple[Float32, float]:
    """Transmission (elements, moments), and how much of it one and a half levels make up."""
    full_scale = _full_scale(page, profile)
    levels = page if profile.polarity == "air bright" else page.dtype.type(full_scale) - page
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
    if full_scale > 255:
        meant = air if profile.air_value is not None else None
        sound = levels[~faulty] if faulty.any() else levels
        findings.saturated = max(findings.saturated, saturated_share(sound, full_scale, meant))
    if profile.air_columns is not None:
        _check_air_rows(transmission, _slice(profile.air_columns, levels.shape[1]), faulty)
    transmission, moments = _mended(transmission, faulty, findings)
    resolution = 1.5 * gain / (air - dark)
    opaque = max(profile.opaque_transmission, resolution)
    findings.still = max(findings.still, still_share(levels, transmission, opaque, faulty, moments))
    findings.beyond = max(findings.beyond, beyond_the_ends(transmission))
    _check_bright(transmission, profile)
    if guessed:
        findings.border_in_air = min(findings.border_in_air, border_in_air(transmission))
    findings.air = min(findings.air, _air_level(transmission, profile))
    step = max(1, int((transmission.size / 200_000) ** 0.5))
    densest = float(np.percentile(transmission[::step, ::step], DENSEST_PERCENT))
    findings.densest = max(findings.densest, densest)
    return transmission, resolution


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
