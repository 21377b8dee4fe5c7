"""A scan's stored pages -> views and energies, the belt along x, or what does not fit the profile.

>>> check_pages(scan, profile)
>>> [[page.shape for page in energies] for energies in split_views(scan.views, profile)]
[[(1200, 4096), (1200, 4096)]]
"""

from __future__ import annotations

import numpy as np

from detector.errors import ProfileMismatch
from detector.scan import Pixels, Scan
from detector.scanner_profile import ScannerProfile


def check_pages(scan: Scan, profile: ScannerProfile) -> None:
    """Raises ProfileMismatch where number, size or depth of a scan's pages are not what the profile says."""
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
        if profile.polarity == "air dark" and full_scale(page, profile) > np.iinfo(page.dtype).max:
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
    return [[turned(page, profile) for page in view] for view in views]


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


def turned(page: Pixels, profile: ScannerProfile) -> Pixels:
    """A page, or what was made of one, with the belt along x; or back again: it is its own inverse."""
    return page if profile.belt == "x" else page.swapaxes(0, 1)


def full_scale(page: Pixels, profile: ScannerProfile) -> int:
    """The highest level that a stored page can hold."""
    return (1 << (profile.bits_stored or page.dtype.itemsize * 8)) - 1
