"""Which colours the scanners of a data set paint with, and how well a scanner that is not among them is told.

>>> colours = known_colours(read_coco(data, "train"))                                           # doctest: +SKIP
>>> colours_told(read_coco(data, "train"), read_coco(data, "val"))[0].unknown                   # doctest: +SKIP

Scans of one scanner whose air lies at levels further apart than `AIR_GAP`, with nothing in between, were exported
differently and have palettes of their own. A colour belongs to a palette if it fills more than a millionth of the cargo
in the mean of its scans. The
share that a scan may have of other colours is the one that a hundredth of these scans exceed, each compared with
palettes made without the scans of its own bag; at most a twentieth, so that a few odd scans do not vouch for all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape
from rich.table import Table

from detector.export_faults import air_level
from detector.palette import COLOURS, Palette, cargo_colours, packed
from detector.weights_spec import KnownColours, KnownPalette
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.evaluation.intervals import Rate, describe_rate
from training.samples.tile_reader import rendered

Float64 = NDArray[np.float64]

_LEAST_SHARE = 1e-6
#: A palette of fewer scans lacks colours that the next scan has: scanners with fewer share one palette.
LEAST_SCANS = 100
#: A scanner becomes known by scans that alarm scores are chosen on if they are at least so many.
LEAST_ADDED = 20
#: More scans of a scanner are sampled evenly.
_MOST_SCANS = 2000
_REFERRED, _MOST_ALLOWED = 0.01, 0.05
_OTHERS = "others"
#: Levels of air between which no scan lies part a scanner's scans.
AIR_GAP = 4.0


@dataclass(frozen=True)
class _Painted:
    """One scan: its bag, its air, and its colours as shares of its cargo. Small, as there are thousands of them."""

    scanner: str
    bag: str
    air: float
    colours: NDArray[np.uint16]
    shares: NDArray[np.float32]


@dataclass(frozen=True)
class _Export:
    """Scans of one scanner with like air, at least one. total: sum of their shares (COLOURS,)."""

    scans: tuple[_Painted, ...]
    total: Float64

    @staticmethod
    def of(scans: Sequence[_Painted]) -> _Export:
        total = np.zeros(COLOURS)
        for scan in scans:
            total[scan.colours] += scan.shares
        return _Export(tuple(scans), total)

    def palette(self, without_bag: str = "") -> Palette | None:
        """Of all scans but those of one bag; None if there are no others."""
        total, air = self.total.copy(), []
        for scan in self.scans:
            if scan.bag == without_bag:
                total[scan.colours] -= scan.shares
            else:
                air.append(scan.air)
        # What is left of a colour that was taken out again is rounding, far below a millionth of one scan.
        return Palette(np.asarray(total > _LEAST_SHARE * len(air), bool), (min(air), max(air))) if air else None


_Exports = Mapping[str, Sequence[_Export]]


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
    exports = _exports(_pooled(_read(index.scans)))
    shares = _unknown_shares(exports)
    allowed = _limit(shares)
    return KnownColours(
        palettes=_known_palettes(exports),
        allowed=allowed,
        basis=f"{int((shares > allowed).sum())} of {len(shares)} scans have more, compared without their own bag",
    )


def with_scanners_of(colours: KnownColours, index: CocoIndex) -> KnownColours:
    """The colours, and those of further scanners in `index`: alarm scores are chosen on it. The allowed share stays:
    more would let through what is unknown to all."""
    new = [scan for scan in index.scans if _scanner(scan) not in colours.palettes]
    if len(new) < LEAST_ADDED:
        return colours
    both = dict(colours.palettes)
    for name, palettes in _known_palettes(_exports(_pooled(_read(new)))).items():
        # Few scans of a known scanner may be among the pooled ones of training, under the same name.
        both[name] = (*both.get(name, ()), *palettes)
    return KnownColours(
        palettes=dict(sorted(both.items())),
        allowed=colours.allowed,
        basis=f"{colours.basis}; {len(new)} scans of other scanners were added when alarm scores were chosen",
    )


def colours_told(train: CocoIndex, validation: CocoIndex) -> list[ScannerTold]:
    """Every scanner of `train` left out in turn, its colours and the choice of the allowed share with it."""
    painted, checked = _pooled(_read(train.scans)), _read(validation.scans)
    exports = _exports(painted)
    if len(exports) < 2:
        return []
    pooled = {_scanner(scan) for scan in train.scans} - exports.keys()
    everything = _palettes(exports)
    allowed = _limit(_unknown_shares(exports))
    told = []
    for name in sorted(exports):
        others = {other: parts for other, parts in exports.items() if other != name}
        limit = _limit(_unknown_shares(others))
        strangers = [scan for scan in painted if scan.scanner == name]
        own = [scan for scan in checked if scan.scanner in (pooled if name == _OTHERS else {name})]
        told.append(
            ScannerTold(name, _referred(strangers, _palettes(others), limit), _referred(own, everything, allowed))
        )
    return told


def colours_table(told: Sequence[ScannerTold]) -> Table:
    """One line a scanner, every rate with its n and interval."""
    table = Table("scanner", "referred if it were unknown", "referred in val, known")
    for one in told:
        table.add_row(escape(one.scanner), describe_rate(one.unknown), describe_rate(one.known))
    return table


def _referred(scans: Sequence[_Painted], palettes: Sequence[Palette], allowed: float) -> Rate:
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
    image = rendered(scan)[0]
    counts = cargo_colours(image)
    colours = np.flatnonzero(counts)
    shares = counts[colours] / max(1, int(counts.sum()))
    return _Painted(scanner, scan.bag, air_level(image), colours.astype(np.uint16), shares.astype(np.float32))


def _pooled(painted: Sequence[_Painted]) -> list[_Painted]:
    """Scans of scanners with few of them as those of one scanner."""
    counts = Counter(scan.scanner for scan in painted)
    return [replace(scan, scanner=_OTHERS) if counts[scan.scanner] < LEAST_SCANS else scan for scan in painted]


def _exports(painted: Sequence[_Painted]) -> dict[str, list[_Export]]:
    """Each scanner's scans, parted where no scan has the air between."""
    by_scanner: dict[str, list[_Painted]] = {}
    for scan in sorted(painted, key=lambda scan: scan.air):
        by_scanner.setdefault(scan.scanner, []).append(scan)
    exports = {}
    for name, scans in by_scanner.items():
        cuts = np.flatnonzero(np.diff([scan.air for scan in scans]) > AIR_GAP) + 1
        exports[name] = [_Export.of(scans[start:end]) for start, end in pairwise([0, *cuts, len(scans)])]
    return exports


def _palettes(exports: _Exports) -> list[Palette]:
    return [palette for parts in exports.values() for export in parts if (palette := export.palette())]


def _known_palettes(exports: _Exports) -> dict[str, tuple[KnownPalette, ...]]:
    return {
        name: tuple(KnownPalette(colours=packed(one.colours), air=one.air) for one in _palettes({name: parts}))
        for name, parts in sorted(exports.items())
    }


def _unknown_shares(exports: _Exports) -> Float64:
    """(n,) share of each scan's cargo in colours of no scanner, on palettes without the scan's own bag."""
    whole = [(export, export.palette()) for parts in exports.values() for export in parts]
    shares = []
    for own, _ in whole:
        others = [palette for export, palette in whole if export is not own and palette]
        bags: dict[str, list[_Painted]] = {}
        for scan in own.scans:
            bags.setdefault(scan.bag, []).append(scan)
        for name, scans in bags.items():
            rest = own.palette(without_bag=name)
            shares += [_unknown(scan, [rest, *others] if rest else others) for scan in scans]
    return np.array(shares, np.float64)


def _limit(shares: Float64) -> float:
    return min(_MOST_ALLOWED, float(np.quantile(shares, 1 - _REFERRED, method="higher")))


def _unknown(scan: _Painted, palettes: Sequence[Palette]) -> float:
    like = (palette for palette in palettes if palette.has_air(scan.air))
    return min((float(scan.shares[~palette.colours[scan.colours]].sum()) for palette in like), default=1.0)
