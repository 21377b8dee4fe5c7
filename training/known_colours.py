"""Which colours the scanners of a data set paint with, and how well a scanner that is not among them is told.

>>> colours = known_colours(read_coco(data, "train"))                                           # doctest: +SKIP
>>> colours_told(read_coco(data, "train"), read_coco(data, "val"))[0].unknown                   # doctest: +SKIP

A colour belongs to a scanner's palette if it fills more than a millionth of the cargo in the mean of its scans. The
share that a scan may have of other colours is the one that a hundredth of these scans exceed, each compared with
palettes made without the scans of its own bag; at most a twentieth, so that a few odd scans do not vouch for all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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
#: A palette of fewer scans lacks colours that the next scan has: scanners with fewer share one palette.
LEAST_SCANS = 100
#: A scanner becomes known by scans that alarm scores are chosen on if they are at least so many.
LEAST_ADDED = 20
#: More scans of a scanner are sampled evenly.
_MOST_SCANS = 2000
_REFERRED, _MOST_ALLOWED = 0.01, 0.05
_OTHERS = "others"


@dataclass(frozen=True)
class _Painted:
    """One scan: its bag, and its colours as shares of its cargo. Small, as there are thousands of them."""

    scanner: str
    bag: str
    colours: NDArray[np.uint16]
    shares: NDArray[np.float32]


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
    """Palettes of the scanners in `index`, training scans as a rule; None if it holds no scan."""
    if not len(index):
        return None
    painted = _pooled(_read(index.scans))
    scanners = _by_scanner(painted)
    shares = _unknown_shares(painted, scanners)
    allowed = _limit(shares)
    return KnownColours(
        palettes={name: packed(scanner.palette()) for name, scanner in sorted(scanners.items())},
        allowed=allowed,
        basis=f"{int((shares > allowed).sum())} of {len(shares)} scans have more, compared without their own bag",
    )


def with_scanners_of(colours: KnownColours, index: CocoIndex) -> KnownColours:
    """The colours, and those of further scanners in `index`: alarm scores are chosen on it. The allowed share stays:
    more would let through what is unknown to all."""
    new = [scan for scan in index.scans if _scanner(scan) not in colours.palettes]
    if len(new) < LEAST_ADDED:
        return colours
    scanners = _by_scanner(_pooled(_read(new)))
    both = {name: unpacked(text) for name, text in colours.palettes.items()}
    for name, scanner in scanners.items():
        # Few scans of a known scanner may be among the pooled ones of training, under the same name.
        both[name] = both.get(name, np.zeros(COLOURS, bool)) | scanner.palette()
    return KnownColours(
        palettes={name: packed(palette) for name, palette in sorted(both.items())},
        allowed=colours.allowed,
        basis=f"{colours.basis}; {len(new)} scans of other scanners were added when alarm scores were chosen",
    )


def colours_told(train: CocoIndex, validation: CocoIndex) -> list[ScannerTold]:
    """Every scanner of `train` left out in turn, its colours and the choice of the allowed share with it."""
    painted, checked = _pooled(_read(train.scans)), _read(validation.scans)
    scanners = _by_scanner(painted)
    if len(scanners) < 2:
        return []
    pooled = {_scanner(scan) for scan in train.scans} - scanners.keys()
    everything = [scanner.palette() for scanner in scanners.values()]
    allowed = _limit(_unknown_shares(painted, scanners))
    told = []
    for name in sorted(scanners):
        others = {other: scanner for other, scanner in scanners.items() if other != name}
        limit = _limit(_unknown_shares([scan for scan in painted if scan.scanner != name], others))
        palettes = [scanner.palette() for scanner in others.values()]
        strangers = [scan for scan in painted if scan.scanner == name]
        own = [scan for scan in checked if scan.scanner in (pooled if name == _OTHERS else {name})]
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


def _scanner(scan: AnnotatedScan) -> str:
    return scan.scanner or scan.source


def _read(scans: Sequence[AnnotatedScan]) -> list[_Painted]:
    by_scanner: dict[str, list[AnnotatedScan]] = {}
    for scan in scans:
        by_scanner.setdefault(_scanner(scan), []).append(scan)
    return [
        _painted(scan, name) for name, own in by_scanner.items() for scan in own[:: max(1, -(-len(own) // _MOST_SCANS))]
    ]


def _painted(scan: AnnotatedScan, scanner: str) -> _Painted:
    counts = cargo_colours(rendered(scan)[0])
    colours = np.flatnonzero(counts)
    shares = counts[colours] / max(1, int(counts.sum()))
    # A scan that names no group stands alone.
    bag = f"{scan.source}/{scan.group or scan.name}"
    return _Painted(scanner, bag, colours.astype(np.uint16), shares.astype(np.float32))


def _pooled(painted: Sequence[_Painted]) -> list[_Painted]:
    """Scans of scanners with few of them as those of one scanner."""
    counts = Counter(scan.scanner for scan in painted)
    return [replace(scan, scanner=_OTHERS) if counts[scan.scanner] < LEAST_SCANS else scan for scan in painted]


def _by_scanner(painted: Sequence[_Painted]) -> dict[str, _Scanner]:
    totals: dict[str, Float64] = {}
    for scan in painted:
        totals.setdefault(scan.scanner, np.zeros(COLOURS))[scan.colours] += scan.shares
    counts = Counter(scan.scanner for scan in painted)
    return {name: _Scanner(total, counts[name]) for name, total in totals.items()}


def _unknown_shares(painted: Sequence[_Painted], scanners: Mapping[str, _Scanner]) -> Float64:
    """(n,) share of each scan's cargo in colours of no scanner, on palettes without the scan's own bag."""
    bags: dict[tuple[str, str], list[_Painted]] = {}
    for scan in painted:
        bags.setdefault((scan.scanner, scan.bag), []).append(scan)
    whole = {name: scanner.palette() for name, scanner in scanners.items()}
    shares = []
    for (name, _), scans in bags.items():
        palettes = [scanners[name].palette(scans), *(palette for other, palette in whole.items() if other != name)]
        shares += [_unknown(scan, palettes) for scan in scans]
    return np.array(shares, np.float64)


def _limit(shares: Float64) -> float:
    return min(_MOST_ALLOWED, float(np.quantile(shares, 1 - _REFERRED, method="higher")))


def _unknown(scan: _Painted, palettes: Sequence[Bool]) -> float:
    return min(float(scan.shares[~palette[scan.colours]].sum()) for palette in palettes)
