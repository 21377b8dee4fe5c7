"""A scan and its scanner's profile -> views of which every level means the same on every scanner, or a refusal.

stored pages -> views and energies -> polarity -> air -> faulty elements -> energies checked -> rendered

A profile that does not fit is never bent until it does: the scan is refused with what to correct.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from detector.errors import ScanWithoutContent
from detector.normalisation import air as air_levels
from detector.normalisation.exposure import Exposure, opaque_limit, opaque_share, opaque_square_mm
from detector.normalisation.findings import Findings
from detector.normalisation.pages import check_pages, split_views, turned
from detector.normalisation.plateau import dark_plateau
from detector.normalisation.transmission import exposure_of
from detector.normalise import AIR, UInt8, black_doubt, black_square_mm, opaque_part, render, render_exposure
from detector.scan import Pixels, Scan
from detector.scanner_profile import Belt, ScannerProfile

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

    doubts: why it must not be cleared. notes: what was measured or mended, for people. exposures: of `measured`, where
    they were asked for.
    """

    scan: Scan
    images: tuple[UInt8, ...]
    rendering: str
    opaque: float
    doubts: tuple[str, ...]
    notes: tuple[str, ...]
    belt: Belt = "x"
    opaque_mm: float = 0.0
    exposures: tuple[Exposure, ...] = ()


def standardised(scan: Scan, profile: ScannerProfile | None, *, keep_exposures: bool = False) -> StandardScan:
    """The scan as `profile` reads it; without one, as it is stored. keep_exposures: for who measures them as well; they
    take four times the scan's memory and more, and there are none without transmission.

    Raises ProfileMismatch where scan and profile do not fit, ScanWithoutContent where no view shows anything, or there
    was hardly a beam. One blank view among several is a doubt, and air to the network.
    """
    if profile is None or profile.rendering == "stored":
        return _as_stored(scan, profile)
    findings, opaque, square = Findings(), 0.0, 0.0
    drawn, blank, shown, kept = [], [], [], []
    for exposure, limit in _each_exposure(scan, profile, findings):
        draw = partial(render_exposure, exposure, curve=profile.curve)
        image, nothing = _or_air(exposure.high.shape, partial(draw, profile.rendering))
        blank.append(nothing)
        # What the network is given may be black where the detector still saw something.
        seen_through = opaque_share(exposure, limit, air_levels.level_of_air(exposure.high))
        opaque = max(opaque, seen_through, opaque_part(image))
        square = max(square, _opaque_square(exposure, limit, profile))
        drawn.append(np.ascontiguousarray(turned(image, profile)))
        # False colours are for the network alone.
        grey = image
        if profile.rendering not in _GREY_RENDERINGS:
            grey, _ = _or_air(exposure.high.shape, partial(draw, "display"))
        shown.append(np.ascontiguousarray(turned(grey[:, :, 0], profile)))
        if keep_exposures:
            kept.append(_as_it_lies(exposure, profile))
    seen = replace(scan, views=tuple(shown))
    doubts, notes = (*_view_doubts(drawn, blank), *findings.doubts()), findings.notes()
    return StandardScan(
        seen, tuple(drawn), rendering_of(scan, profile), opaque, doubts, notes, profile.belt, square, tuple(kept)
    )


def _as_stored(scan: Scan, profile: ScannerProfile | None) -> StandardScan:
    """The scan without transmission. Of a profile the belt and the pixel pitch are taken."""
    if profile is not None:
        check_pages(scan, profile)
    images, blank = zip(*(_or_air(view.shape[:2], partial(render, view)) for view in scan.views), strict=True)
    doubts = (*_view_doubts(images, blank), *dict.fromkeys(filter(None, map(_starved, scan.views))))
    belt: Belt = profile.belt if profile else "x"
    pitch = profile.pixel_pitch_mm if profile else None
    square = 0.0 if pitch is None else max(black_square_mm(image, pitch) for image in images)
    opaque = max(map(opaque_part, images))
    return StandardScan(scan, images, rendering_of(scan, profile), opaque, doubts, (), belt, square)


def rendering_of(scan: Scan, profile: ScannerProfile | None) -> str:
    """How a scan is drawn by `profile`, or without one: as `StandardScan.rendering`."""
    if profile is not None and profile.rendering != "stored":
        return profile.rendering
    return WINDOWED if any(view.dtype.itemsize > 1 for view in scan.views) else "stored"


def _or_air(size: tuple[int, ...], draw: Callable[[], UInt8]) -> tuple[UInt8, str]:
    """What `draw` gives; where that shows nothing, air of (H, W) and why."""
    try:
        return draw(), ""
    except ScanWithoutContent as error:
        return np.full((*size, 3), AIR, np.uint8), error.what


def _view_doubts(images: Sequence[UInt8], blank: Sequence[str]) -> tuple[str, ...]:
    """Which of the views show nothing or are black; the others are looked at. Raises ScanWithoutContent if all show
    nothing."""
    if all(blank):
        raise ScanWithoutContent(blank[0])
    told = [nothing or black_doubt(image) for image, nothing in zip(images, blank, strict=True)]
    of = f" of {len(told)}: "
    return tuple(f"view {number}{of}{text}" if len(told) > 1 else text for number, text in enumerate(told, 1) if text)


def _starved(view: Pixels) -> str:
    """Why a grey view of 16 bits, stored as it was measured, shows nothing but noise; empty where it does not."""
    if view.dtype != np.uint16 or view.ndim != 2:
        return ""
    try:
        air_levels.check_signal(view)
    except ScanWithoutContent as error:
        return error.what
    return ""


def exposures(scan: Scan, profile: ScannerProfile) -> list[Exposure]:
    """The transmission of every view, as `measured` gives it, whatever is doubted of it."""
    return measured(scan, profile)[0]


def measured(scan: Scan, profile: ScannerProfile) -> tuple[list[Exposure], tuple[str, ...]]:
    """The transmission of every view, as the scanner stored it, before anything is rendered; and the doubts of it that
    `standardised` would tell. Raises as that.

    For measuring and for training; the pixels lie where they lay in the file.
    """
    findings = Findings()
    found = [_as_it_lies(exposure, profile) for exposure, _ in _each_exposure(scan, profile, findings)]
    return found, findings.doubts()


def _each_exposure(scan: Scan, profile: ScannerProfile, findings: Findings) -> Iterator[tuple[Exposure, float]]:
    """Of each view the transmission, the belt along x, and its `opaque_limit`; what is noticed is counted in
    `findings`."""
    check_pages(scan, profile)
    for pages in split_views(scan.views, profile):
        exposure = exposure_of(pages, profile, findings)
        limit = opaque_limit(exposure, profile.opaque_transmission)
        findings.plateau = max(findings.plateau, dark_plateau(exposure, limit))
        yield exposure, limit


def _as_it_lies(exposure: Exposure, profile: ScannerProfile) -> Exposure:
    """As the pixels lay in the file."""
    low = None if exposure.low is None else turned(exposure.low, profile)
    steps = tuple(turned(step, profile) for step in exposure.steps)
    return replace(exposure, high=turned(exposure.high, profile), low=low, steps=steps)


def _opaque_square(exposure: Exposure, limit: float, profile: ScannerProfile) -> float:
    if profile.pixel_pitch_mm is None:
        return 0.0
    across, down = profile.pixel_pitch_mm
    along = (across, down) if profile.belt == "x" else (down, across)
    return opaque_square_mm(exposure, limit, along)
