"""Guesses a scanner's profile from scans that it wrote, as TOML to save, correct and use.

The guess is written with what it rests on. Pixel pitch, dark level and the names of several views cannot be seen in a
picture; they stand there as comments to fill in.

>>> print(probe([read_scan(data, "truck.tif")]).toml)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.errors import ProfileMismatch, RoentgateError
from detector.normalisation.air import brightest_level
from detector.normalisation.exposure import border
from detector.normalisation.pages import split_views
from detector.normalisation.saturation import MOST_SATURATED, saturated_share
from detector.normalisation.standardise import StandardScan, standardised
from detector.scan import Pixels, Scan
from detector.scanner_profile import Energy, ScannerProfile
from detector.terminal import visible
from detector.toml_settings import validated

#: Depths that detectors have.
_DEPTHS = (8, 10, 12, 14, 16)
#: Two pictures of one view are at least this alike; two views of one object are not.
_SAME_VIEW = 0.9
#: Air columns: how far their level may wander, how many it takes, and how many are enough.
_WANDER, _LEAST_COLUMNS, _MOST_COLUMNS = 0.02, 8, 64
_BINS, _BAR = 16, 40


@dataclass(frozen=True)
class Probe:
    """profile: the guess. toml: it and its grounds, as a file. seen: each scan through it, or why it does not fit."""

    profile: ScannerProfile
    toml: str
    seen: tuple[StandardScan | RoentgateError, ...]


def probe(scans: Sequence[Scan], name: str = "unnamed scanner") -> Probe:
    """The profile that fits the first of `scans`, with the depth and the air that all of them have.

    Raises ProfileMismatch where they differ in the number or kind of their pages: no one scanner wrote them.
    """
    if len({(len(scan.views), scan.bit_depth, scan.views[0].ndim) for scan in scans}) > 1:
        raise ProfileMismatch(
            "the scans differ in pages, depth or colour: they are not of one scanner", remedy="probe them apart"
        )
    profile = _guess(scans, name)
    seen = tuple(_through(scan, profile) for scan in scans)
    return Probe(profile, "\n".join(_lines(scans, profile, seen)) + "\n", seen)


def _guess(scans: Sequence[Scan], name: str) -> ScannerProfile:
    first = scans[0]
    if any(page.ndim == 3 and page.dtype == np.uint8 for page in first.views):
        return validated(ScannerProfile, {"name": name, "views": len(first.views), "rendering": "stored"}, "the guess")
    if len({page.dtype for scan in scans for page in scan.views}) > 1:
        raise ProfileMismatch("the pages differ in depth", remedy="export all pages of a scan with as many bits")
    most = max(int(page.max()) for scan in scans for page in scan.views)
    bits = next(depth for depth in _DEPTHS if most < 1 << depth)
    polarity = "air bright" if _air_is_bright(first.views[0]) else "air dark"
    values: dict[str, object] = {"name": name, "bits_stored": bits, "polarity": polarity}
    upright = [tuple(_upright(page, polarity, bits) for page in scan.views) for scan in scans]
    values |= _energies(upright[0])
    layout = validated(ScannerProfile, values, "the guess")
    parts = [dict(zip(layout.energies, view, strict=True)) for pages in upright for view in split_views(pages, layout)]
    return validated(ScannerProfile, values | _air(parts, bits), "the guess")


def _upright(page: Pixels, polarity: str, bits: int) -> Pixels:
    return page if polarity == "air bright" else page.dtype.type((1 << bits) - 1) - page


def _air_is_bright(page: Pixels) -> bool:
    """Around an object is air: the border lies nearer to air than the picture does as a whole."""
    plane = page if page.ndim == 2 else page[:, :, 0]
    return float(np.median(border(plane))) >= float(plane.mean())


def _energies(pages: Sequence[Pixels]) -> dict[str, object]:
    """How many energies there are, how they are laid out, and in which order."""
    first = pages[0]
    if first.ndim == 3:
        order = _order(first[:, :, 0], first[:, :, 1])
        return {"views": len(pages), "energies": order, "arrangement": "planes"}
    if len(pages) % 2 == 0 and _alike(pages[0], pages[1]):
        return {"views": len(pages) // 2, "energies": _order(pages[0], pages[1])}
    for axis, arrangement in ((1, "side by side"), (0, "stacked")):
        halves = np.array_split(first, 2, axis)
        if first.shape[axis] % 2 == 0 and _alike(*halves):
            return {"views": len(pages), "energies": _order(*halves), "arrangement": arrangement}
    return {"views": len(pages)}


def _alike(one: Pixels, other: Pixels) -> bool:
    if one.shape != other.shape:
        return False
    small = [cv2.resize(page, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float64) for page in (one, other)]
    apart = [page - page.mean() for page in small]
    spread = float(np.sqrt((apart[0] ** 2).sum() * (apart[1] ** 2).sum()))
    return spread > 0 and float((apart[0] * apart[1]).sum()) / spread > _SAME_VIEW


def _order(one: Pixels, other: Pixels) -> list[str]:
    """The more attenuated is the low energy."""
    means = [float(page.mean()) / max(brightest_level(page), 1) for page in (one, other)]
    return ["high", "low"] if means[0] >= means[1] else ["low", "high"]


def _air(views: Sequence[Mapping[Energy, Pixels]], bits: int) -> dict[str, object]:
    """Air columns at one end of all views of all scans, along either axis; else the level of air at each energy, and
    nothing where the detector cut it off."""
    planes = [plane for view in views for plane in view.values()]
    # Objects are longer along the belt than across, so that axis is tried first.
    longer_first = ("x", "y") if planes[0].shape[1] >= planes[0].shape[0] else ("y", "x")
    for belt in longer_first:
        turned = [plane if belt == "x" else plane.T for plane in planes]
        before = min(_still(plane) for plane in turned)
        after = min(_still(plane[:, ::-1]) for plane in turned)
        if max(before, after) >= _LEAST_COLUMNS:
            columns = (0, before) if before >= after else (-after, 0)
            return {"belt": belt, "air_columns": columns}
    if any(_cut_off(plane, bits) for plane in planes):
        return {}
    levels = {energy: round(float(np.median([brightest_level(view[energy]) for view in views]))) for energy in views[0]}
    return {"air_value": levels if len(levels) > 1 else next(iter(levels.values()))}


def _cut_off(plane: Pixels, bits: int) -> bool:
    """Whether air is brighter than the highest level that is stored, so that its own level cannot be known."""
    # Eight bits are a picture made for people: in it air may well be white throughout.
    return bits > 8 and saturated_share(plane, (1 << bits) - 1, brightest_level(plane)) > MOST_SATURATED


def _still(page: Pixels) -> int:
    """How many of the first columns show nothing but air, up to _MOST_COLUMNS, with a margin of two left out."""
    columns = page[:, :_MOST_COLUMNS].astype(np.float32)
    level: NDArray[np.floating] = np.median(columns, axis=0)
    reference = np.median(columns[:, :4], axis=1, keepdims=True)
    # The quarter of the elements that differ most: an object that covers part of the height must be noticed.
    differing = np.percentile(np.abs(cv2.blur(columns - reference, (1, 5))), 90, axis=0) / max(float(level[0]), 1)
    noise = float(differing[:4].max())
    moved = np.flatnonzero((differing > _WANDER + 2 * noise) | (np.abs(level / max(level[0], 1) - 1) > _WANDER))
    bright = float(level[0]) >= 0.9 * brightest_level(page)
    count = int(moved[0]) - 2 if len(moved) else columns.shape[1]
    return count if bright else 0


def _through(scan: Scan, profile: ScannerProfile) -> StandardScan | RoentgateError:
    try:
        return standardised(scan, profile)
    except RoentgateError as error:
        return error


def _lines(
    scans: Sequence[Scan], profile: ScannerProfile, seen: Sequence[StandardScan | RoentgateError]
) -> Iterator[str]:
    yield f"# A guess by `roentgate scanner probe` from {len(scans)} scan(s): check it before it is used."
    for key, value in profile.model_dump(mode="json", exclude_defaults=True).items():
        yield f"{key} = {_toml(value)}"
    yield '# weights = "..."              # the network that this scanner\'s scans go to'
    yield "# pixel_pitch_mm = [5.0, 5.0]  # x, y"
    if profile.rendering != "stored":
        if profile.air_columns is None and profile.air_value is None:
            yield "# air_value = 0                # not known: the scans are cut off at their highest level; scan anew"
        yield '# rendering = "grey"           # or display, cargo, cargo material'
        yield "# [calibration]"
        yield f"# dark = 0                     # the lowest level seen is {_lowest(scans[0], profile)}"
    # A name may hold a line end, and what follows it would be no comment.
    for scan, outcome in zip(scans, seen, strict=True):
        yield f"# {visible(scan.source)}: {visible(_told(scan, outcome))}"
    yield "#"
    for number, page in enumerate(scans[0].views, start=1):
        yield f"# Levels of page {number} of {visible(scans[0].source)}:"
        yield from _histogram(page)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    # TOML knows no surrogates, by which JSON spells what lies beyond U+FFFF.
    return json.dumps(value, ensure_ascii=False)


def _lowest(scan: Scan, profile: ScannerProfile) -> int:
    bits = profile.bits_stored or scan.bit_depth
    return min(int(_upright(page, profile.polarity, bits).min()) for page in scan.views)


def _told(scan: Scan, outcome: StandardScan | RoentgateError) -> str:
    size = f"{len(scan.views)} page(s), {scan.width} x {scan.height}, {scan.bit_depth} bit"
    if isinstance(outcome, RoentgateError):
        return f"{size}; DOES NOT FIT: {outcome.reason()}"
    findings = [f"opaque: {outcome.opaque:.0%} of the cargo area", *outcome.notes, *outcome.doubts]
    return f"{size}; {'; '.join(findings)}"


def _histogram(page: Pixels) -> Iterator[str]:
    counts, edges = np.histogram(page[:: max(1, len(page) // 1000)], _BINS, (0, int(page.max()) + 1))
    for count, edge in zip(counts.tolist(), edges.tolist(), strict=False):
        share = count / max(1, int(counts.sum()))
        bar = "#" * round(_BAR * count / max(1, int(counts.max())))
        yield f"# {edge:7.0f} {bar:<{_BAR}} {share:6.1%}"
