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
from detector.normalisation.dual_energy import check_order
from detector.normalisation.exposure import Exposure, border, opaque_share
from detector.normalisation.lines import Flags, faulty_in_air, faulty_throughout, mend
from detector.normalise import UInt8, opaque_part, render, render_exposure
from detector.scan import Pixels, Scan
from detector.scanner_profile import Energy, ScannerProfile, of_energy

#: Share of a scan's detector elements, or of its moments, that may be mended; beyond it the picture is invented.
MOST_FAULTY = 1 / 3
#: Lines side by side that interpolation can bridge; behind a wider gap a small item disappears.
WIDEST_GAP = 4
#: Nothing is brighter than air but noise and scatter; and some of a scan's border is air.
BRIGHTER, MOST_BRIGHTER, LEAST_BORDER = 1.25, 0.05, 0.5
#: Share of a raw scan at full scale above which thin things may have been lost in white.
MOST_SATURATED = 0.02
#: Some part of every bag, parcel and container lets less through than this; where none does, levels that mean dark
#: were taken for half transmitted.
PALEST, PALEST_PERCENT = 0.8, 0.1
#: An air value that the profile itself puts this near full scale is meant.
TOP = 0.995
_GREY_RENDERINGS = ("grey", "display")


@dataclass(frozen=True)
class StandardScan:
    """scan: for people, its views 8-bit grey where there was transmission. images: each view (H, W, 3) uint8 RGB as the
    network takes it. opaque: largest share, 0..1, of a view's cargo that nothing is seen behind.

    doubts: why it must not be cleared. notes: what was measured or mended, for people.
    """

    scan: Scan
    images: tuple[UInt8, ...]
    opaque: float
    doubts: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass
class _Findings:
    faulty: int = 0
    lost: int = 0
    widest: int = 0
    saturated: float = 0.0
    densest: float = 0.0

    def doubts(self) -> tuple[str, ...]:
        found = []
        if self.saturated > MOST_SATURATED:
            found.append(f"saturated: {self.saturated:.0%} of the scan is at full scale, where thin things are lost")
        if self.densest > PALEST:
            found.append(
                f"nothing lets less than {self.densest:.0%} through: the dark level or bits of the profile may be wrong"
            )
        if self.widest > WIDEST_GAP:
            found.append(f"{self.widest} faulty detector lines lie side by side: what is behind them was not seen")
        return tuple(found)

    def notes(self) -> tuple[str, ...]:
        found = []
        if self.faulty:
            found.append(f"{self.faulty} faulty detector {'line' if self.faulty == 1 else 'lines'} mended")
        if self.lost:
            found.append(f"{self.lost} lost {'moment' if self.lost == 1 else 'moments'} of the belt mended")
        return tuple(found)


def standardised(scan: Scan, profile: ScannerProfile | None) -> StandardScan:
    """The scan as `profile` reads it; without one, as it is stored. Raises ProfileMismatch where they do not fit,
    ScanWithoutContent where too little was seen to go on."""
    if profile is not None:
        _check_pages(scan, profile)
    if profile is None or profile.rendering == "stored":
        images = tuple(render(view) for view in scan.views)
        return StandardScan(scan, images, max(map(opaque_part, images)), (), ())
    findings, opaque = _Findings(), 0.0
    drawn, shown = [], []
    for pages in _views(scan.views, profile):
        exposure = _exposure(pages, profile, findings)
        opaque = max(opaque, opaque_share(exposure, _opaque_below(pages[0], profile)))
        image = render_exposure(exposure, profile.rendering, profile.curve)
        drawn.append(np.ascontiguousarray(_turned(image, profile)))
        # False colours are for the network alone.
        grey = image if profile.rendering in _GREY_RENDERINGS else render_exposure(exposure, "display", profile.curve)
        shown.append(np.ascontiguousarray(_turned(grey[:, :, 0], profile)))
    return StandardScan(replace(scan, views=tuple(shown)), tuple(drawn), opaque, findings.doubts(), findings.notes())


def exposures(scan: Scan, profile: ScannerProfile) -> list[Exposure]:
    """The transmission of every view, as the scanner stored it, before anything is rendered. Raises as `standardised`.

    For measuring and for training; the pixels lie where they lay in the file.
    """
    _check_pages(scan, profile)
    found = [_exposure(pages, profile, _Findings()) for pages in _views(scan.views, profile)]
    return [
        Exposure(_turned(one.high, profile), None if one.low is None else _turned(one.low, profile)) for one in found
    ]


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
        if profile.bits_stored and int(page.max()) >= 2**profile.bits_stored:
            raise ProfileMismatch(
                f"levels up to {int(page.max())}, the profile {profile.name!r} says {profile.bits_stored} bits",
                remedy="correct bits_stored in the scanner profile",
            )


def _views(pages: tuple[Pixels, ...], profile: ScannerProfile) -> list[list[Pixels]]:
    """For each view, its energies in the profile's order: each (elements, moments) of stored levels."""
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
        return [page[:, :, plane] for plane in range(count)]
    axis = 1 if profile.arrangement == "side by side" else 0
    if page.shape[axis] % count:
        raise ProfileMismatch(f"{page.shape[axis]} pixels do not part into {count} energies {profile.arrangement}")
    return list(np.split(page, count, axis))


def _turned(page: Pixels, profile: ScannerProfile) -> Pixels:
    """The belt along x, or back again: its own inverse."""
    return page if profile.belt == "x" else page.swapaxes(0, 1)


def _exposure(pages: list[Pixels], profile: ScannerProfile, findings: _Findings) -> Exposure:
    parts = dict(zip(profile.energies, pages, strict=True))
    transmission = {energy: _transmission(page, energy, profile, findings) for energy, page in parts.items()}
    if "low" not in transmission:
        return Exposure(transmission["high"])
    check_order(transmission["low"], transmission["high"])
    return Exposure(transmission["high"], transmission["low"])


def _full_scale(page: Pixels, profile: ScannerProfile) -> int:
    return (1 << (profile.bits_stored or page.dtype.itemsize * 8)) - 1


def _transmission(page: Pixels, energy: Energy, profile: ScannerProfile, findings: _Findings) -> Float32:
    full_scale = _full_scale(page, profile)
    levels = page if profile.polarity == "air bright" else page.dtype.type(full_scale) - page
    dark, gain = of_energy(profile.calibration.dark, energy), of_energy(profile.calibration.gain, energy)
    air_levels.check_signal(levels)
    field, faulty = _air(levels, energy, profile, dark)
    transmission = air_levels.to_transmission(levels, field, dark, gain)
    faulty = faulty | faulty_throughout(transmission)
    if full_scale > 255 and (profile.air_value is None or float(np.median(field)) < TOP * full_scale):
        at_top = (levels >= full_scale).mean(axis=1)[~faulty]
        findings.saturated = max(findings.saturated, float(at_top.mean()) if len(at_top) else 0.0)
    transmission = _mended(transmission, faulty, findings)
    _check_bright(transmission, profile)
    step = max(1, int((transmission.size / 200_000) ** 0.5))
    densest = float(np.percentile(transmission[::step, ::step], PALEST_PERCENT))
    findings.densest = max(findings.densest, densest)
    return transmission


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


def _mended(transmission: Float32, faulty: Flags, findings: _Findings) -> Float32:
    """Faulty elements, then moments that the scanner lost, filled in; counted in `findings`."""
    elements = mend(transmission, faulty)
    moments = mend(transmission.swapaxes(0, 1), faulty_throughout(transmission.swapaxes(0, 1)))
    for count, length, what in (
        (elements.faulty, transmission.shape[0], "detector lines"),
        (moments.faulty, transmission.shape[1], "moments of the belt"),
    ):
        if count > MOST_FAULTY * length:
            raise ScanWithoutContent(f"{count} of {length} {what} are faulty: stripes over more than a third")
    findings.faulty = max(findings.faulty, elements.faulty)
    findings.lost = max(findings.lost, moments.faulty)
    findings.widest = max(findings.widest, elements.widest, moments.widest)
    return transmission


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


def _remedy(profile: ScannerProfile) -> str:
    return f"check polarity (now {profile.polarity!r}) and air of the profile with `roentgate scanner probe`"


def _opaque_below(page: Pixels, profile: ScannerProfile) -> float:
    # Eight bits end at one level above black, whatever lies behind.
    return max(profile.opaque_transmission, 1.5 / _full_scale(page, profile))
