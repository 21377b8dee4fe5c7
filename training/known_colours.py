"""Which colours the scanners of a data set paint with, and how well a scanner that is not among them is told.

>>> colours = known_colours(read_coco(data, "train"))                                           # doctest: +SKIP
>>> colours_told(read_coco(data, "train"), read_coco(data, "val"))[0].unknown                   # doctest: +SKIP

A colour belongs to a scanner's palette if it fills more than a millionth of the cargo in the mean of its scans. The
share that a scan may have of other colours is chosen so that one in a hundred of these scans has more, each compared
with palettes made without the scans of its own bag.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape
from rich.table import Table

from detector.palette import COLOURS, cargo_colours, packed, unpacked
from detector.weights_spec import KnownColours
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.evaluation.intervals import Rate
from training.operating_point import describe_rate
from training.tile_reader import rendered

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

_LEAST_SHARE = 1e-6
#: A palette of fewer scans lacks colours that the next scan has: scanners with fewer share one palette, and below the
#: second number nothing is known.
LEAST_SCANS, LEAST_IN_ALL = 100, 20
_REFERRED = 0.01
_OTHERS = "others"


@dataclass(frozen=True)
class _Painted:
    """One scan: its bag, and its colours as shares of its cargo."""

    scanner: str
    bag: str
    colours: NDArray[np.int64]
    shares: Float64


@dataclass(frozen=True)
class _Scanner:
    """Sum of the shares (COLOURS,) over its scans, and how many they are."""

    total: Float64
    scans: int

    def palette(self, without: Sequence[_Painted] = ()) -> Bool:
        total = self.total.copy()
        for scan in without:
            total[scan.colours] -= scan.shares
        # What is left of a colour that was taken out again is rounding, far below a millionth of one scan.
        return np.asarray(total > _LEAST_SHARE * max(1, self.scans - len(without)), bool)


@dataclass(frozen=True)
class ScannerTold:
    """unknown: scans of this scanner that are referred by palettes of the others. known: its validation scans that are
    referred by all palettes."""

    scanner: str
    unknown: Rate
    known: Rate


def known_colours(index: CocoIndex) -> KnownColours | None:
    """Palettes of the scanners in `index`, training scans as a rule; None for fewer than LEAST_IN_ALL scans."""
    painted = _pooled(_read(index.scans))
    if len(painted) < LEAST_IN_ALL:
        return None
    scanners = _by_scanner(painted)
    allowed = _allowed(painted, scanners)
    return KnownColours(
        palettes={name: packed(scanner.palette()) for name, scanner in sorted(scanners.items())},
        allowed=allowed,
        basis=f"{_REFERRED:.0%} of {len(painted)} scans have more, compared with palettes without their own bag",
    )


def with_scanners_of(colours: KnownColours, index: CocoIndex) -> KnownColours:
    """The colours, and those of the scanners in `index` that are not among them: alarm scores are chosen on it."""
    new = tuple(scan for scan in index.scans if (scan.scanner or scan.source) not in colours.palettes)
    added = known_colours(CocoIndex(index.class_names, new))
    if added is None:
        return colours
    # Few scans of a known scanner may be among the pooled ones of training, under the same name.
    both = {name: unpacked(text) for name, text in colours.palettes.items()}
    for name, text in added.palettes.items():
        both[name] = both.get(name, np.zeros(COLOURS, bool)) | unpacked(text)
    return KnownColours(
        palettes={name: packed(palette) for name, palette in sorted(both.items())},
        allowed=max(colours.allowed, added.allowed),
        basis=f"{colours.basis}; {added.basis}",
    )


def colours_told(train: CocoIndex, validation: CocoIndex) -> list[ScannerTold]:
    """Every scanner left out in turn, its colours and the choice of the allowed share with it."""
    painted, checked = _pooled(_read(train.scans)), _read(validation.scans)
    scanners = _by_scanner(painted)
    everything = [scanner.palette() for scanner in scanners.values()]
    allowed = _allowed(painted, scanners)
    told = []
    for name in sorted(scanners):
        others = {other: scanner for other, scanner in scanners.items() if other != name}
        if not others:
            continue
        rest = [scan for scan in painted if scan.scanner != name]
        limit = _allowed(rest, others)
        palettes = [scanner.palette() for scanner in others.values()]
        strangers = [scan for scan in painted if scan.scanner == name]
        own = [scan for scan in checked if (scan.scanner if scan.scanner in scanners else _OTHERS) == name]
        told.append(ScannerTold(name, _referred(strangers, palettes, limit), _referred(own, everything, allowed)))
    return told


def colours_table(told: Sequence[ScannerTold]) -> Table:
    """One line a scanner, every rate with its n and interval."""
    table = Table("scanner", "referred if it were unknown", "referred in val, known")
    for one in told:
        table.add_row(escape(one.scanner), describe_rate(one.unknown), describe_rate(one.known))
    return table


def _referred(scans: Sequence[_Painted], palettes: Sequence[Bool], allowed: float) -> Rate:
    bags = np.unique([scan.bag for scan in scans], return_inverse=True)[1].astype(np.int64)
    return Rate.of(np.array([_unknown(scan, palettes) > allowed for scan in scans], bool), bags)


def _read(scans: Iterable[AnnotatedScan]) -> list[_Painted]:
    painted = []
    for scan in scans:
        counts = cargo_colours(rendered(scan)[0])
        colours = np.flatnonzero(counts)
        shares = counts[colours] / max(1, int(counts.sum()))
        painted.append(_Painted(scan.scanner or scan.source, f"{scan.source}/{scan.group}", colours, shares))
    return painted


def _pooled(painted: Sequence[_Painted]) -> list[_Painted]:
    names = [scan.scanner for scan in painted]
    few = {name for name in set(names) if names.count(name) < LEAST_SCANS}
    return [_Painted(_OTHERS, scan.bag, scan.colours, scan.shares) if scan.scanner in few else scan for scan in painted]


def _by_scanner(painted: Sequence[_Painted]) -> dict[str, _Scanner]:
    totals: dict[str, Float64] = {}
    counts: dict[str, int] = {}
    for scan in painted:
        totals.setdefault(scan.scanner, np.zeros(COLOURS))[scan.colours] += scan.shares
        counts[scan.scanner] = counts.get(scan.scanner, 0) + 1
    return {name: _Scanner(total, counts[name]) for name, total in totals.items()}


def _allowed(painted: Sequence[_Painted], scanners: Mapping[str, _Scanner]) -> float:
    """The share of unknown colours that one scan in a hundred exceeds, on palettes without the scan's own bag."""
    bags: dict[tuple[str, str], list[_Painted]] = {}
    for scan in painted:
        bags.setdefault((scan.scanner, scan.bag), []).append(scan)
    whole = {name: scanner.palette() for name, scanner in scanners.items()}
    shares = []
    for (name, _), scans in bags.items():
        palettes = [scanners[name].palette(scans), *(palette for other, palette in whole.items() if other != name)]
        shares += [_unknown(scan, palettes) for scan in scans]
    return float(np.quantile(shares, 1 - _REFERRED, method="higher"))


def _unknown(scan: _Painted, palettes: Sequence[Bool]) -> float:
    return min(float(scan.shares[~palette[scan.colours]].sum()) for palette in palettes)
