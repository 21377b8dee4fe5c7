"""Scans that show the same: a 64-bit perceptual hash finds candidates, a small picture confirms them.

    prints = [fingerprint(view) for view in views]
    pairs = similar_pairs(prints)

The hash is the signs of the 64 lowest cosine terms of the scan, shrunk to 32 x 32 grey, against their median (Zauner
2010, "Implementation and benchmarking of perceptual image hash functions"). Alone it would join bags that only lie
alike: on 4,557 real scans a gradient hash (dHash) with 2 bits of tolerance joins 6,383 pairs, nearly all of them merely
similar, and this one with 4 bits 144, of which the small picture confirms the frames of one pass through the scanner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.scan import Pixels

#: Bits of 64 by which the hashes of one picture may differ after scaling and recompression.
MOST_BITS = 4
#: Mean difference of two small pictures, of 255, up to which they are one. On 4,557 real scans, frames of one pass
#: differ by up to 2.7 and different bags of the same hash by 2.79 and more.
MOST_DIFFERENCE = 2.75
_GRID, _SMALL, _TERMS = 32, 16, 8
_BANDS, _BAND_BITS = 4, 16
#: Pairs compared at a time, so that many equal hashes need no more memory than this.
_CHUNK = 1 << 20
#: Neighbours in the order of hashes that are compared first: what is much alike is joined by these already.
_NEIGHBOURS = 8


@dataclass(frozen=True)
class Fingerprint:
    """bits: the hash, 0..2**64-1. small: 16 x 16 grey levels, row by row."""

    bits: int
    small: bytes

    def text(self) -> str:
        """As hex digits, for a file; `fingerprint_from_text` reads it back."""
        return f"{self.bits:016x}{self.small.hex()}"


def fingerprint_from_text(text: str) -> Fingerprint:
    """Inverse of `Fingerprint.text`. Raises ValueError for anything else."""
    if len(text) != 16 + 2 * _SMALL * _SMALL:
        raise ValueError("no fingerprint")
    return Fingerprint(int(text[:16], 16), bytes.fromhex(text[16:]))


def fingerprint(view: Pixels) -> Fingerprint:
    """Of a view, (H, W) or (H, W, 3), uint8 or uint16."""
    # Shrunk first: colour and depth of the full picture need not be converted.
    shrunk = cv2.resize(view, (_GRID, _GRID), interpolation=cv2.INTER_AREA).astype(np.float32)
    grey: NDArray[Any] = cv2.cvtColor(shrunk, cv2.COLOR_RGB2GRAY) if shrunk.ndim == 3 else shrunk
    if view.dtype == np.uint16:
        grey = grey / 257.0
    terms = cv2.dct(grey)[:_TERMS, :_TERMS].ravel()
    # The first term is the mean brightness: it says nothing of what lies where.
    above = terms > np.median(terms[1:])
    small = grey.reshape(_SMALL, 2, _SMALL, 2).mean(axis=(1, 3))
    bits = int.from_bytes(np.packbits(above).tobytes(), "big")
    return Fingerprint(bits, np.clip(np.rint(small), 0, 255).astype(np.uint8).tobytes())


def similar_pairs(prints: Sequence[Fingerprint]) -> list[tuple[int, int]]:
    """Positions (i, j), i < j, of pairs within both bounds, in order: those that join all that belongs together.

    A pair that others join already is left out: ten thousand scans of one test bag or of an empty belt would make fifty
    million. Equal ones are paired with the first alone. Each hash is cut into four bands of 16 bits. Hashes that differ
    by at most 7 bits differ by at most one in some band, so only those that share a band, or one of its 16 neighbours,
    and are not joined yet are compared: near-linear for 100,000 scans.
    """
    if len(prints) < 2:
        return []
    first: dict[Fingerprint, int] = {}
    equal = [(first.setdefault(each, at), at) for at, each in enumerate(prints)]
    places = list(first.values())
    joining = _Joining(list(first))
    for band in range(_BANDS):
        joining.join_neighbours(band)
        joining.join_band(band)
    joined = ((places[one], places[other]) for one, other in joining.pairs)
    return sorted([*((one, other) for one, other in equal if one != other), *joined])


class _Joining:
    """Different fingerprints, and which of them are joined. pairs: those that joined something, the lower one first."""

    def __init__(self, prints: Sequence[Fingerprint]) -> None:
        self._hashes = np.array([each.bits for each in prints], np.uint64)
        self._small = np.frombuffer(b"".join(each.small for each in prints), np.uint8).reshape(len(prints), -1)
        #: Of every fingerprint the lowest of those that it is joined with.
        self._parts = np.arange(len(prints))
        self.pairs: list[tuple[int, int]] = []

    def join_neighbours(self, band: int) -> None:
        """Joins those alike that stand near one another when sorted by a band, then by the other bits."""
        shift = np.uint64(band * _BAND_BITS)
        order = np.argsort((self._hashes >> shift) | (self._hashes << (np.uint64(64) - shift) % np.uint64(64)))
        for step in range(1, min(_NEIGHBOURS + 1, len(order))):
            self._join(order[:-step], order[step:])

    def join_band(self, band: int) -> None:
        """Joins those alike that differ by one bit at most in a band."""
        keys = ((self._hashes >> np.uint64(band * _BAND_BITS)) & np.uint64(0xFFFF)).astype(np.int64)
        count = len(keys)
        for flip in (0, *(1 << bit for bit in range(_BAND_BITS))):
            # By key, then by part: of the others with a key, those of higher parts stand together at its end.
            places = keys * count + self._parts
            order = np.argsort(places)
            ordered, wanted = places[order], (keys ^ flip) * count
            low = np.searchsorted(ordered, wanted + self._parts, side="right")
            self._join_ranges(order, low, np.searchsorted(ordered, wanted + count, side="left"))

    def _join_ranges(self, order: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64]) -> None:
        """Every scan with those in its range of `order`."""
        counts = high - low
        ends = np.cumsum(counts)
        start = 0
        while start < len(counts):
            before = int(ends[start - 1]) if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, before + _CHUNK, side="right")))
            part = counts[start:stop]
            within = np.arange(part.sum()) - np.repeat(ends[start:stop] - part - before, part)
            self._join(np.repeat(np.arange(start, stop), part), order[np.repeat(low[start:stop], part) + within])
            start = stop

    def _join(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
        """Of these pairs, those within both bounds that are not joined yet."""
        near = np.bitwise_count(self._hashes[first] ^ self._hashes[second]) <= MOST_BITS
        near &= self._parts[first] != self._parts[second]
        first, second = first[near], second[near]
        alike = _difference(self._small, first, second) <= MOST_DIFFERENCE
        first, second = first[alike], second[alike]
        # Of many pairs that join the same two parts one will do.
        _, kept = np.unique(self._parts[first] * len(self._parts) + self._parts[second], return_index=True)
        parents: dict[int, int] = {}
        for one, other in zip(first[kept].tolist(), second[kept].tolist(), strict=True):
            roots = sorted(_root(parents, int(self._parts[each])) for each in (one, other))
            if roots[0] != roots[1]:
                parents[roots[1]] = roots[0]
                self.pairs.append((min(one, other), max(one, other)))
        if parents:
            renamed = np.arange(len(self._parts))
            renamed[list(parents)] = [_root(parents, part) for part in list(parents)]
            self._parts = renamed[self._parts]


def _root(parents: dict[int, int], part: int) -> int:
    """The part that a part has become, the way there shortened for the next time."""
    while (parent := parents.get(part, part)) != part:
        parents[part] = parents.get(parent, parent)
        part = parent
    return part


def _difference(small: NDArray[np.uint8], first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean absolute difference of the small pictures, of 255; a part at a time."""
    parts = [
        np.abs(small[first[at : at + 4096]].astype(np.int16) - small[second[at : at + 4096]]).mean(axis=1)
        for at in range(0, len(first), 4096)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)
