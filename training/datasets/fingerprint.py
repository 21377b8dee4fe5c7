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
    """Positions (i, j), i < j, of all pairs within both bounds, in order; equal ones are paired with the first alone.

    Each hash is cut into four bands of 16 bits. Hashes that differ by at most 7 bits differ by at most one in some
    band, so only those that share a band, or one of its 16 neighbours, are compared: near-linear for 100,000 scans.
    """
    if len(prints) < 2:
        return []
    first: dict[Fingerprint, int] = {}
    equal = [(first.setdefault(each, at), at) for at, each in enumerate(prints)]
    places = np.array(list(first.values()))
    hashes = np.array([each.bits for each in first], np.uint64)
    small = np.frombuffer(b"".join(each.small for each in first), np.uint8).reshape(len(first), -1)
    found = [pair for band in range(_BANDS) for pair in _pairs_of_band(hashes, small, band)]
    pairs = places[np.unique(np.concatenate(found), axis=0)].tolist()
    return sorted([*((one, other) for one, other in equal if one != other), *((one, other) for one, other in pairs)])


def _pairs_of_band(hashes: NDArray[np.uint64], small: NDArray[np.uint8], band: int) -> list[NDArray[np.int64]]:
    keys = ((hashes >> np.uint64(band * _BAND_BITS)) & np.uint64(0xFFFF)).astype(np.int64)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    found = []
    for flip in (0, *(1 << bit for bit in range(_BAND_BITS))):
        low = np.searchsorted(ordered, keys ^ flip, side="left")
        high = np.searchsorted(ordered, keys ^ flip, side="right")
        found += _confirmed(hashes, small, order, (low, high))
    return found


def _confirmed(
    hashes: NDArray[np.uint64],
    small: NDArray[np.uint8],
    order: NDArray[np.int64],
    bounds: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> list[NDArray[np.int64]]:
    """Of every scan with those in its range of `order`: the pairs that are within both bounds."""
    low, counts = bounds[0], bounds[1] - bounds[0]
    ends = np.cumsum(counts)
    found, start = [], 0
    while start < len(counts):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _CHUNK, side="right")))
        first = np.repeat(np.arange(start, stop), counts[start:stop])
        within = np.arange(len(first)) - np.repeat(ends[start:stop] - counts[start:stop] - before, counts[start:stop])
        second = order[np.repeat(low[start:stop], counts[start:stop]) + within]
        keep = first < second
        first, second = first[keep], second[keep]
        near = np.bitwise_count(hashes[first] ^ hashes[second]) <= MOST_BITS
        first, second = first[near], second[near]
        alike = _difference(small, first, second) <= MOST_DIFFERENCE
        found.append(np.stack([first[alike], second[alike]], axis=1))
        start = stop
    return found


def _difference(small: NDArray[np.uint8], first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean absolute difference of the small pictures, of 255; a part at a time."""
    parts = [
        np.abs(small[first[at : at + 4096]].astype(np.int16) - small[second[at : at + 4096]]).mean(axis=1)
        for at in range(0, len(first), 4096)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)
