"""JPEG, 8 bits, grey and colour, sequential and progressive.

A cut file has no end mark and is refused. A file that was cut and closed again, or lost bytes in the middle, decodes to
a picture that is partly grey or shifted: libjpeg notices when a scan's codes run out early, are left over, or do not
exist, and `libjpeg_warnings` hears it. Where bytes were never written and are zero, the codes may fall into step again
behind them; few scans of a whole picture hold such a run. What nobody can notice: a changed byte; JPEG carries no
checksum.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from detector.errors import ScanUnreadable
from detector.readers.decoding import decode_with_opencv, refuse_trailing
from detector.readers.libjpeg_warnings import can_hear, listen
from detector.readers.limits import ViewHeader
from detector.scan import Pixels

_SOS, _EOI, _DQT, _DHT, _DRI, _COM, _PROGRESSIVE = 0xDA, 0xD9, 0xDB, 0xC4, 0xDD, 0xFE, 0xC2
_READ_FRAMES = (0xC0, 0xC1, _PROGRESSIVE)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {_DHT, 0xC8, 0xCC}
_TABLES = frozenset({_DQT, _DHT, _DRI, _COM, *range(0xE0, 0xF0)})
#: Where compressed data ends: a marker, fill bytes before it included, that is neither a stuffed 0xFF nor a restart.
_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
#: Bits that no complete picture ever reads: irregular and long enough to fill blocks, since libjpeg drops half a block.
_SLACK = bytes(range(1, 255)) * 2
#: Zero bytes in a row that are no picture, where zeros do not stand for even parts: 2,898 whole files hold 5 at most.
_HOLE = bytes(64)
#: The same where a scan refines coefficients: their bits stand there as they are, up to 1,000 of them between two codes
#: of libjpeg. 399 whole files hold 30 at most.
_REFINING_HOLE = bytes(256)
#: Every scan costs a pass over the picture, however little it holds. Encoders write about ten.
_MOST_SCANS = 32
#: Those of full length fill the largest file that is read; a million empty ones would cost seconds for nothing.
_MOST_SEGMENTS = 10_000


@dataclass(frozen=True)
class _Segment:
    marker: int
    body: bytes
    end: int


@dataclass(frozen=True)
class _Structure:
    frame: _Segment
    scans: tuple[_Segment, ...]
    #: Where each scan's compressed data ends.
    data_ends: tuple[int, ...]
    end: int
    #: The zeros in a row that a scan cannot hold; none where they are its blocks without content.
    holes: tuple[bytes, ...]


def inspect(data: bytes) -> tuple[ViewHeader, ...]:
    """Size from the frame header. Raises ScanUnreadable for lossless, arithmetic, 12-bit and CMYK pictures."""
    for segment, _ in _segments(data):
        if segment.marker in _FRAMES:
            return (_frame_header(segment),)
        if segment.marker not in _TABLES:
            break
    raise ScanUnreadable("the JPEG header is damaged: pixels before their size")


def decode(data: bytes) -> tuple[Pixels, ...]:
    """The one view. Raises ScanUnreadable when the file is cut, scans are missing, or compressed data do not add up."""
    structure = _walk(data)
    refuse_trailing(data, structure.end)
    _check_scans_complete(structure)
    _check_written(data, structure)
    header = _frame_header(structure.frame)
    return (_decode_listening(data, header) if can_hear() else _decode_twice(data, structure, header),)


def doubt(data: bytes) -> str:
    """Why the view must not be cleared where libjpeg cannot be heard: most of what it mends is then not noticed."""
    return "" if can_hear() else "libjpeg's warnings cannot be heard here, so that a damaged JPEG may pass as whole"


def _segments(data: bytes) -> Iterator[tuple[_Segment, int]]:
    """Each segment up to the end mark, and where the next one starts: behind the compressed data of a scan."""
    position = 2
    for _ in range(_MOST_SEGMENTS):
        segment = _segment(data, position)
        position = _end_of_scan(data, segment.end) if segment.marker == _SOS else segment.end
        yield segment, position
        if segment.marker == _EOI:
            return
    raise ScanUnreadable(f"the JPEG is damaged: it has more than {_MOST_SEGMENTS} segments")


def _segment(data: bytes, position: int) -> _Segment:
    while data[position : position + 2] == b"\xff\xff":
        position += 1
    head = data[position : position + 4]
    if len(head) < 2 or head[0] != 0xFF:
        raise ScanUnreadable("the JPEG is damaged or cut short between its segments")
    if head[1] == _EOI:
        return _Segment(_EOI, b"", position + 2)
    end = position + 2 + int.from_bytes(head[2:], "big")
    if len(head) < 4 or end < position + 4 or end > len(data):
        raise ScanUnreadable("the JPEG is cut short inside a segment")
    return _Segment(head[1], data[position + 4 : end], end)


def _frame_header(frame: _Segment) -> ViewHeader:
    bits, height, width, components = struct.unpack_from(">BHHB", frame.body)
    if frame.marker not in _READ_FRAMES or bits != 8:
        raise ScanUnreadable(f"a JPEG of kind {frame.marker - 0xC0} with {bits} bits is not read")
    if components not in (1, 3) or len(frame.body) != 6 + 3 * components:
        raise ScanUnreadable(f"a JPEG of {components} components (CMYK has 4) is not read")
    return ViewHeader(width, height, components, 8)


def _walk(data: bytes) -> _Structure:
    frames: list[_Segment] = []
    scans, data_ends, holes, end = [], [], [], 2
    shortest: dict[int, int] = {}
    for segment, end in _segments(data):
        if segment.marker == _SOS:
            scans.append(segment)
            data_ends.append(end)
            holes.append(_hole(segment, shortest, progressive=any(one.marker == _PROGRESSIVE for one in frames)))
        elif segment.marker == _DHT:
            shortest |= _shortest_codes(segment.body)
        elif segment.marker in _FRAMES:
            frames.append(segment)
        elif segment.marker not in _TABLES and segment.marker != _EOI:
            raise ScanUnreadable(f"the JPEG is damaged: unexpected marker 0x{segment.marker:02x}")
    if len(frames) != 1 or not 1 <= len(scans) <= _MOST_SCANS:
        raise ScanUnreadable(f"the JPEG has {len(frames)} frames and {len(scans)} scans")
    return _Structure(frames[0], tuple(scans), tuple(data_ends), end, tuple(holes))


def _shortest_codes(tables: bytes) -> dict[int, int]:
    """Class and number of each table of a DHT segment (ITU-T T.81, B.2.4.2) -> what its code of zeros stands for."""
    found = {}
    while tables:
        count = sum(tables[1:17])
        if count:
            found[tables[0]] = tables[17]
        tables = tables[17 + count :]
    return found


def _hole(scan: _Segment, shortest: dict[int, int], *, progressive: bool) -> bytes:
    first, last, bits = _coefficients(scan, progressive=progressive)
    # Bits of the mean brightness that are refined stand as they are: alike in even parts, and maybe zero.
    if not first and bits >> 4:
        return b""
    # Zeros may be blocks of no difference in brightness, and nothing else, in every component.
    selected = scan.body[2 : 1 + 2 * scan.body[0] : 2]
    even = (
        (first or shortest.get(one >> 4) == 0) and (not last or shortest.get(0x10 | one & 0x0F) == 0)
        for one in selected
    )
    if all(even):
        return b""
    return _REFINING_HOLE if bits >> 4 else _HOLE


def _coefficients(scan: _Segment, *, progressive: bool) -> tuple[int, int, int]:
    """First and last of a scan (0 is the mean), and its bits: upper four those it refines, lower four its lowest."""
    count = scan.body[0]
    first, last, bits = scan.body[1 + 2 * count : 4 + 2 * count]
    return (first, last, bits) if progressive else (0, 63, 0)


def _end_of_scan(data: bytes, start: int) -> int:
    found = _NEXT_MARKER.search(data, start)
    if not found:
        raise ScanUnreadable("the JPEG is cut short: its end mark is missing")
    return found.start()


def _check_scans_complete(structure: _Structure) -> None:
    # Lowest bit still missing of each (component, coefficient); a progressive file that lost scans is merely blurred.
    components = structure.frame.body[6::3]
    missing = {component: np.full(64, 14) for component in components}
    for scan in structure.scans:
        first, last, bits = _coefficients(scan, progressive=structure.frame.marker == _PROGRESSIVE)
        for component in scan.body[1 : 1 + 2 * scan.body[0] : 2]:
            missing[component][first : last + 1] = bits & 0x0F
    if any(lowest.any() for lowest in missing.values()):
        raise ScanUnreadable("the JPEG is cut short: some of its scans are missing")


def _check_written(data: bytes, structure: _Structure) -> None:
    for scan, end, hole in zip(structure.scans, structure.data_ends, structure.holes, strict=True):
        if hole and data.find(hole, scan.end, end) >= 0:
            raise ScanUnreadable("the JPEG is damaged: part of its compressed data is zero, as if never written")


def _decode_listening(data: bytes, header: ViewHeader) -> Pixels:
    try:
        image, warning = listen(lambda: decode_with_opencv(data, header))
    except OSError as error:
        # The disk for temporary files may be full by now.
        raise ScanUnreadable(f"libjpeg's warnings cannot be heard: {error.strerror}") from error
    if warning:
        raise ScanUnreadable(f"the JPEG is damaged: {warning}")
    return image


def _decode_twice(data: bytes, structure: _Structure, header: ViewHeader) -> Pixels:
    """For where libjpeg cannot be heard: extra bits after a scan change the picture exactly if the scan was short."""
    pieces, position = [], 0
    for end in structure.data_ends:
        pieces += [data[position:end], _SLACK]
        position = end
    image = decode_with_opencv(data, header)
    if not np.array_equal(image, decode_with_opencv(b"".join([*pieces, data[position:]]), header)):
        raise ScanUnreadable("the JPEG is damaged: a scan's data end early")
    return image
