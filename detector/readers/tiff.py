"""TIFF and BigTIFF, 8, 12 and 16 bits: every page that is no thumbnail and no mask is a view.

Strips and tiles are assembled here rather than by OpenCV, which reads one page, leaves MINISWHITE and alpha to chance,
turns pages by their orientation tag, and goes on after errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from detector.errors import ScanUnreadable
from detector.readers import jpeg
from detector.readers import tiff_structure as tags
from detector.readers.decoding import over_air
from detector.readers.limits import ViewHeader
from detector.readers.tiff_compression import UNPACKERS
from detector.readers.tiff_rest import may_hold_a_page
from detector.readers.tiff_structure import Directory, read_directories
from detector.readers.unwritten import MOST_ROWS, means_air, rows_doubt
from detector.scan import Pixels

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
#: Photometric interpretation -> samples a pixel without alpha.
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _YCBCR: 3}
_UNCOMPRESSED, _JPEG, _PACKBITS, _HORIZONTAL_DIFFERENCE = 1, 7, 32773, 2
#: What an extra sample is; 0 does not say, and stands here also for one that is not declared at all.
_UNSPECIFIED, _PREMULTIPLIED, _STRAIGHT = 0, 1, 2
_UNSIGNED, _UNDEFINED = 1, 4
#: MaxSampleValue of detectors of 10, 12 and 14 bits in words of 16. Any other value is no depth but the darkest sample
#: of this one scan (TIFF 6.0, section 8): turned round from that, a level would mean something else in every scan.
_FULL_SCALES = (1023, 4095, 16_383)
#: No pixels stand before this byte.
_HEADER_BYTES = 8
#: Bytes of the tables that a page's JPEGs share; each strip parses them anew, and all that there can be take 3 kB.
_MOST_TABLES = 2**14
#: Side of a tile that any page may have, however small, and pixels that its tiles may hold beyond it.
_USUAL_TILE, _SPARE_PIXELS = 1024, 2**23
_EXPORT = "export the scan as 8 or 16 bit grey or RGB TIFF, uncompressed or with deflate"
#: Tells libjpeg outright whether the three components are RGB (0) or YCbCr (1), instead of letting it guess.
_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"


@dataclass(frozen=True)
class _Page:
    header: ViewHeader
    directory: Directory
    photometric: int
    compression: int
    #: What the one extra sample is; None where there is none.
    alpha: int | None
    planes: int
    #: Rows and columns of a strip or tile; a strip is as wide as the page.
    block_height: int
    block_width: int
    offsets: tags.Values
    byte_counts: tags.Values

    @property
    def is_tiled(self) -> bool:
        return bool(len(self.directory.many(tags.TILE_OFFSETS)))

    @property
    def samples(self) -> int:
        """Samples a pixel within one block: all of them, or one where each has a plane of its own."""
        return self.header.channels // self.planes


@dataclass(frozen=True)
class _Block:
    plane: int
    top: int
    left: int
    height: int
    width: int
    data: memoryview


def inspect(data: bytes) -> tuple[ViewHeader, ...]:
    """Size and depth of each view from the directories alone."""
    return tuple(_claim(page) for page in read_directories(data))


def decode(data: bytes) -> tuple[Pixels, ...]:
    """All views, in file order. Raises ScanUnreadable for pixels of a kind that is not read and any damaged strip."""
    pages = [_plan(directory) for directory in read_directories(data)]
    _check_apart(pages)
    smallest = min(int(page.byte_counts.sum()) for page in pages)
    if may_hold_a_page(data, list(tags.all_directories(data)), smallest):
        raise ScanUnreadable(
            "the TIFF holds data that none of its pages names: views without a page of their own, or two files joined",
            remedy="export every view as a page of its own",
        )
    return tuple(_decode_page(data, page) for page in pages)


def _check_apart(pages: list[_Page]) -> None:
    """Raise ScanUnreadable where strips or tiles share bytes: one of them would be shown twice, and what belongs there
    never; and of one long strip that every row names, each byte would be unpacked as often as there are rows."""
    parts = np.concatenate([np.stack([page.offsets, page.offsets + page.byte_counts], axis=1) for page in pages])
    parts = parts[np.argsort(parts[:, 0], kind="stable")]
    if int(parts[0, 0]) < _HEADER_BYTES or bool((parts[1:, 0] < parts[:-1, 1]).any()):
        raise ScanUnreadable(
            "the TIFF is damaged: its strips overlap, so that a part of the file would be shown twice", remedy=_EXPORT
        )


def doubt(data: bytes) -> str:
    """Why the views must not be cleared, if the pixels that stand last in the file were not all written."""
    pages = [_plan(directory) for directory in read_directories(data)]
    if any(page.compression == _JPEG for page in pages) and (unheard := jpeg.doubt(data)):
        return unheard
    last = max(pages, key=lambda page: int(page.offsets.max()))
    # What is compressed does not add up where it is cut off.
    if last.compression != _UNCOMPRESSED or _zero_is_air(last):
        return ""
    row_bytes = _grid(last)[1] * last.block_width * last.samples * last.header.bits // 8
    return rows_doubt(_end(data, last, (MOST_ROWS + 1) * row_bytes), row_bytes)


def _end(data: bytes, page: _Page, least: int) -> bytes:
    """At least so many bytes of an uncompressed page, if it has them: those that stand last in the file."""
    end = b""
    placed = zip(page.offsets.tolist(), _blocks(data, page), strict=True)
    # Strips may hold a single row each.
    for _, block in sorted(placed, key=lambda one: one[0], reverse=True):
        # What a tile holds below the page is padding, mostly zeros.
        rows = min(block.height, page.header.height - block.top)
        end = bytes(block.data[: len(block.data) * rows // block.height]) + end
        if len(end) >= least:
            break
    return end


def _zero_is_air(page: _Page) -> bool:
    if page.photometric == _PALETTE:
        return means_air(_look_up(np.zeros(1, np.uint8), page)[0])
    return page.photometric == _WHITE_IS_ZERO


def _claim(page: Directory) -> ViewHeader:
    bits = int(max(page.many(tags.BITS), default=1))
    return ViewHeader(page.one(tags.WIDTH), page.one(tags.HEIGHT), page.one(tags.SAMPLES, 1), bits)


def _plan(directory: Directory) -> _Page:
    width, height = directory.one(tags.WIDTH), directory.one(tags.HEIGHT)
    channels, bits = directory.one(tags.SAMPLES, 1), _bits(directory)
    photometric, compression = directory.one(tags.PHOTOMETRIC), directory.one(tags.COMPRESSION, 1)
    tiled = bool(len(directory.many(tags.TILE_OFFSETS)))
    block_width = directory.one(tags.TILE_WIDTH) if tiled else width
    block_height = directory.one(tags.TILE_HEIGHT) if tiled else min(height, directory.one(tags.ROWS_PER_STRIP, height))
    page = _Page(
        header=ViewHeader(width, height, channels, bits),
        directory=directory,
        photometric=photometric,
        compression=compression,
        alpha=_alpha(directory, photometric, channels),
        planes=channels if directory.one(tags.PLANAR, 1) == 2 else 1,
        block_height=block_height,
        block_width=block_width,
        offsets=directory.many(tags.TILE_OFFSETS if tiled else tags.STRIP_OFFSETS),
        byte_counts=directory.many(tags.TILE_BYTES if tiled else tags.STRIP_BYTES),
    )
    _check_kind(page)
    return page


def _bits(directory: Directory) -> int:
    depths = set(directory.many(tags.BITS).tolist()) or {1}
    formats = set(directory.many(tags.SAMPLE_FORMAT).tolist()) or {_UNSIGNED}
    if not formats <= {_UNSIGNED, _UNDEFINED}:
        raise ScanUnreadable("a TIFF of signed or floating-point pixels is not read", remedy=_EXPORT)
    if len(depths) != 1 or not depths <= {8, 12, 16}:
        raise ScanUnreadable(f"a TIFF of {sorted(depths)} bits a sample is not read", remedy=_EXPORT)
    return int(depths.pop())


def _alpha(directory: Directory, photometric: int, channels: int) -> int | None:
    """None without alpha, else what the extra sample is. A fourth sample of RGB that is not declared may be alpha."""
    if photometric not in _COLOURS:
        raise ScanUnreadable(f"a TIFF of photometric kind {photometric} (CMYK is 5) is not read", remedy=_EXPORT)
    extra = directory.many(tags.EXTRA_SAMPLES).tolist()
    surplus = channels - _COLOURS[photometric]
    if surplus == 1 and photometric == _RGB and not extra:
        return _UNSPECIFIED
    if surplus == 1 and extra in ([_PREMULTIPLIED], [_STRAIGHT]) and photometric != _PALETTE:
        return int(extra[0])
    if surplus:
        raise ScanUnreadable(
            f"a TIFF of {channels} samples a pixel, {surplus} of them unexplained, is not read", remedy=_EXPORT
        )
    return None


def _check_kind(page: _Page) -> None:
    directory = page.directory
    lossless = page.compression in UNPACKERS and page.photometric != _YCBCR
    as_jpeg = (
        page.compression == _JPEG and page.header.bits == 8 and page.photometric != _PALETTE and page.alpha is None
    )
    # Brightness and two differences of colour, a JPEG each: nothing would turn them into red, green and blue.
    apart = page.photometric == _YCBCR and page.planes > 1
    if not (lossless or as_jpeg) or apart:
        what = f"compression {page.compression} with photometric kind {page.photometric}"
        raise ScanUnreadable(f"a TIFF of {what} is not read", remedy=_EXPORT)
    if page.header.bits == 12 and (_COLOURS[page.photometric] != 1 or directory.one(tags.PREDICTOR, 1) != 1):
        raise ScanUnreadable("a TIFF of 12 bits in colour or with a predictor is not read", remedy=_EXPORT)
    # Some readers apply the predictor to runs, libtiff passes it over: what the writer meant cannot be told.
    predictors = (1,) if page.compression == _PACKBITS else (1, _HORIZONTAL_DIFFERENCE)
    if directory.one(tags.PREDICTOR, 1) not in predictors or directory.one(tags.FILL_ORDER, 1) != 1:
        raise ScanUnreadable("a TIFF with this predictor or bit order is not read", remedy=_EXPORT)
    too_long = len(directory.many(tags.JPEG_TABLES)) > _MOST_TABLES
    if directory.one(tags.PLANAR, 1) not in (1, 2) or min(page.block_height, page.block_width) < 1 or too_long:
        raise ScanUnreadable("the TIFF header is damaged")
    _check_blocks(page)
    if len(page.offsets) != len(page.byte_counts) or len(page.offsets) != page.planes * _grid(page)[0] * _grid(page)[1]:
        raise ScanUnreadable("the TIFF is damaged: it does not list all its strips or tiles")


def _check_blocks(page: _Page) -> None:
    """A few bytes can unpack to a whole block, and blocks may share their bytes: what all of them hold is bounded."""
    down, across = _grid(page)
    beyond_page = down * page.block_height * across * page.block_width > 4 * page.header.pixels + _SPARE_PIXELS
    too_high = page.block_height > max(_USUAL_TILE, 2 * page.header.height)
    too_wide = page.block_width > max(_USUAL_TILE, 2 * page.header.width)
    if beyond_page or too_high or too_wide:
        raise ScanUnreadable("the TIFF header is damaged: its tiles are far larger than the page")


def _grid(page: _Page) -> tuple[int, int]:
    """Blocks down and across."""
    return -(-page.header.height // page.block_height), -(-page.header.width // page.block_width)


def _blocks(data: bytes, page: _Page) -> Iterator[_Block]:
    down, across = _grid(page)
    view = memoryview(data)
    for index, (offset, size) in enumerate(zip(page.offsets.tolist(), page.byte_counts.tolist(), strict=True)):
        if size == 0 or offset + size > len(data):
            raise ScanUnreadable("the TIFF is cut short: a strip lies outside the file")
        plane, within = divmod(index, down * across)
        top, left = within // across * page.block_height, within % across * page.block_width
        height = page.block_height if page.is_tiled else min(page.block_height, page.header.height - top)
        yield _Block(plane, top, left, height, page.block_width, view[offset : offset + size])


def _decode_page(data: bytes, page: _Page) -> Pixels:
    """Strip by strip into the page: beside it, no more than one strip is unpacked at a time."""
    header = page.header
    image = np.empty((header.height, header.width, header.channels), np.uint8 if header.bits == 8 else np.uint16)
    for block in _blocks(data, page):
        pixels = _decode_jpeg(block, page) if page.compression == _JPEG else _unpack(block, page)
        planes = slice(block.plane, block.plane + page.samples)
        target = image[block.top : block.top + block.height, block.left : block.left + block.width, planes]
        target[:] = pixels[: target.shape[0], : target.shape[1]]
    return _interpret(image, page)


def _unpack(block: _Block, page: _Page) -> Pixels:
    """(height, width, samples) of a lossless block."""
    shape = (block.height, block.width, page.samples)
    if page.header.bits == 12:
        return _unpack_twelve(block, page)
    kind = np.dtype(f"{page.directory.order}u{page.header.bits // 8}")
    plain = UNPACKERS[page.compression](block.data, int(np.prod(shape)) * kind.itemsize)
    pixels = np.frombuffer(plain, kind).reshape(shape).astype(kind.newbyteorder("="), copy=False)
    if page.directory.one(tags.PREDICTOR, 1) == _HORIZONTAL_DIFFERENCE and page.compression != _UNCOMPRESSED:
        # Differences wrap around by design (TIFF 6.0, section 14).
        return np.cumsum(pixels, axis=1, dtype=pixels.dtype)
    return pixels


def _unpack_twelve(block: _Block, page: _Page) -> Pixels:
    """(height, width, samples) of a block in which three bytes hold two samples; every row starts at a byte."""
    count = block.width * page.samples
    row_bytes = (count * 12 + 7) // 8
    plain = UNPACKERS[page.compression](block.data, block.height * row_bytes)
    rows = np.frombuffer(plain, np.uint8).reshape(block.height, row_bytes)
    triples = np.pad(rows, ((0, 0), (0, -row_bytes % 3))).reshape(block.height, -1, 3).astype(np.uint16)
    first = triples[:, :, 0] << 4 | triples[:, :, 1] >> 4
    second = (triples[:, :, 1] & 15) << 8 | triples[:, :, 2]
    samples = np.stack([first, second], axis=2).reshape(block.height, -1)[:, :count]
    return samples.reshape(block.height, block.width, page.samples)


def _decode_jpeg(block: _Block, page: _Page) -> Pixels:
    """(height, width, samples) of a block that is a JPEG, its tables perhaps shared by the page."""
    shared = page.directory.many(tags.JPEG_TABLES).astype(np.uint8).tobytes()
    colour = _ADOBE + bytes([page.photometric == _YCBCR]) if page.samples == 3 else b""
    stream = b"\xff\xd8" + shared[2:-2] + colour + bytes(block.data[2:])
    expected = replace(page.header, width=block.width, height=block.height, channels=page.samples)
    if jpeg.inspect(stream) != (expected,):
        raise ScanUnreadable("a strip of the TIFF differs in size from what the header claims")
    return jpeg.decode(stream)[0].reshape(block.height, block.width, page.samples)


def _interpret(image: Pixels, page: _Page) -> Pixels:
    """Samples as stored -> bright-is-air grey or RGB, alpha over air."""
    if page.photometric == _PALETTE:
        return _look_up(image[:, :, 0], page)
    colours = _COLOURS[page.photometric]
    colour = image[:, :, 0] if colours == 1 else image[:, :, :colours]
    white = 2**page.header.bits - 1
    if page.photometric == _WHITE_IS_ZERO:
        colour = colour.dtype.type(_full_scale(page, colour)) - colour
    if page.alpha == _UNSPECIFIED and int(image[:, :, colours].min()) < white:
        raise ScanUnreadable("a TIFF with a fourth sample that is not declared is not read", remedy=_EXPORT)
    if page.alpha in (_PREMULTIPLIED, _STRAIGHT):
        colour = over_air(colour, image[:, :, colours], white, premultiplied=page.alpha == _PREMULTIPLIED)
    return np.ascontiguousarray(colour)


def _full_scale(page: _Page, colour: Pixels) -> int:
    """The level from which white-is-zero samples are turned round."""
    claimed = page.directory.one(tags.MAX_SAMPLE_VALUE, 0)
    if page.header.bits != 16 or page.alpha is not None or claimed not in _FULL_SCALES:
        return int(2**page.header.bits - 1)
    if int(colour.max()) > claimed:
        raise ScanUnreadable(f"the TIFF says that no sample is above {claimed}, and one is {colour.max()}")
    return claimed


def _look_up(indices: Pixels, page: _Page) -> Pixels:
    table = page.directory.many(tags.COLOUR_MAP)
    if page.header.bits != 8 or len(table) != 3 * 256 or int(table.max()) > 65_535:
        raise ScanUnreadable("the TIFF's palette is damaged or not of 256 colours", remedy=_EXPORT)
    # Some writers fill the 16-bit table with 8-bit values.
    levels = table >> 8 if int(table.max()) > 255 else table
    return levels.reshape(3, 256).T.astype(np.uint8)[indices]
