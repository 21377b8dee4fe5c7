"""What a scan may measure, checked on the header's claim before a single pixel is decoded.

A 200 kB PNG may claim 30,000 x 30,000 pixels and unpack to gigabytes: the claim alone is enough to refuse it.

    >>> check_views((ViewHeader(90_000, 90_000, 1, 8),), Limits())
    Traceback (most recent call last):
    detector.errors.ScanTooLarge: 90000 x 90000 pixels; a side may measure 65535
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detector.errors import ScanTooLarge, ScanUnreadable


@dataclass(frozen=True)
class Limits:
    """The largest scan that is accepted. The defaults hold a two-view container scan at 16 bits with room to spare.

    max_decoded_bytes: of all views together, as they lie in memory: what fits a machine in 8-bit grey may be six times
    as much in colour of 16 bits, and a machine that runs out of memory inspects nothing.

    OpenCV has a limit of its own, OPENCV_IO_MAX_IMAGE_PIXELS (2**30 unless set lower): it applies as well.
    """

    max_bytes: int = 512 * 2**20
    max_side: int = 65_535
    max_view_pixels: int = 150_000_000
    max_total_pixels: int = 200_000_000
    max_decoded_bytes: int = 600_000_000
    max_views: int = 64


@dataclass(frozen=True)
class ViewHeader:
    """What the header claims of one view: pixels across and down, samples a pixel (alpha counts), bits a sample."""

    width: int
    height: int
    channels: int
    bits: int

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height

    @property
    def decoded_bytes(self) -> int:
        """Of the pixels in memory, where a sample takes whole bytes."""
        return self.pixels * self.channels * -(-self.bits // 8)


def check_bytes(size: int, limits: Limits) -> None:
    """Raise ScanUnreadable for an empty file and ScanTooLarge for one of more than `max_bytes`."""
    if size == 0:
        raise ScanUnreadable("the file is empty")
    if size > limits.max_bytes:
        raise _too_large(f"{size} bytes; at most {limits.max_bytes} are read", "max_bytes")


def check_views(headers: Sequence[ViewHeader], limits: Limits) -> None:
    """Raise ScanTooLarge when a view, or all together, claim more than the limits; ScanUnreadable for an empty view."""
    if len(headers) > limits.max_views:
        raise _too_large(f"more than {limits.max_views} views", "max_views")
    for header in headers:
        _check_view(header, limits)
    total = sum(header.pixels for header in headers)
    if total > limits.max_total_pixels:
        raise _too_large(f"{total} pixels in all views; at most {limits.max_total_pixels} are read", "max_total_pixels")
    decoded = sum(header.decoded_bytes for header in headers)
    if decoded > limits.max_decoded_bytes:
        raise _too_large(f"{decoded} bytes once decoded; at most {limits.max_decoded_bytes} fit", "max_decoded_bytes")


def _check_view(header: ViewHeader, limits: Limits) -> None:
    size = f"{header.width} x {header.height} pixels"
    if min(header.width, header.height) < 1:
        raise ScanUnreadable(f"the header claims {size}")
    if max(header.width, header.height) > limits.max_side:
        raise _too_large(f"{size}; a side may measure {limits.max_side}", "max_side")
    if header.pixels > limits.max_view_pixels:
        raise _too_large(f"{size}; a view may have {limits.max_view_pixels}", "max_view_pixels")


def _too_large(what: str, name: str) -> ScanTooLarge:
    remedy = f"bin the scan or export it in parts; from Python, Detector(limits=Limits({name}=...)) reads larger ones"
    return ScanTooLarge(what, remedy=remedy)
