"""The directories of a TIFF, classic and BigTIFF, both byte orders: which pages there are and where their pixels lie.

Everything that a header points at must lie inside the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.errors import ScanUnreadable

#: Field type -> numpy kind and bytes; types that no needed tag uses are left out.
_FIELD_TYPES = {1: "u1", 3: "u2", 4: "u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 13: "u4", 16: "u8", 17: "i8", 18: "u8"}
#: Bytes of a value of each field type; of one that is not known nothing is.
_VALUE_BYTES = np.zeros(2**16, np.int64)
_VALUE_BYTES[1:14] = (1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4)
_VALUE_BYTES[16:19] = 8
#: More pages than any limit allows; a longer chain is nonsense, as are more entries of a page than there are tags.
_MOST_PAGES, _MOST_ENTRIES = 10_000, 65_535
#: Values of all tags of one page, and of all pages: four million strips. A count in the header costs no bytes of file,
#: since many tags may point at the same ones.
_MOST_VALUES, _MOST_VALUES_IN_ALL = 2**22, 2**24

NEW_SUBFILE_TYPE, OLD_SUBFILE_TYPE = 254, 255
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES, PLANAR = 273, 277, 278, 279, 284
PREDICTOR, COLOUR_MAP, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 317, 320, 322, 323, 324, 325
MAX_SAMPLE_VALUE = 281
SUB_DIRECTORIES, EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES = 330, 338, 339, 347
#: EXIF, GPS and, within EXIF, interoperability (EXIF 2.32, section 4.6.3).
_CAMERA_DIRECTORIES = frozenset({34665, 34853, 40965})
_NEEDED = frozenset(
    (
        *(NEW_SUBFILE_TYPE, OLD_SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER),
        *(STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES, PLANAR, PREDICTOR, COLOUR_MAP, TILE_WIDTH),
        *(TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES, MAX_SAMPLE_VALUE),
        *(SUB_DIRECTORIES, EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES),
    )
)
#: By tag: looking all of a directory's up at once costs next to nothing, however many it claims.
_IS_NEEDED = np.isin(np.arange(2**16), list(_NEEDED))
_IS_CAMERA = np.isin(np.arange(2**16), list(_CAMERA_DIRECTORIES))
_REDUCED, _OLD_REDUCED, _PHOTOMETRIC_MASK = 1, 2, 4

Values = NDArray[np.int64]


@dataclass(frozen=True)
class Directory:
    """The tags of one page. `order` is numpy's sign for the byte order of the file: `<` or `>`.

    spans: (n, 2) first byte and last + 1 of the directory and of what its tags hold elsewhere, needed or not.
    """

    order: str
    tags: dict[int, Values]
    spans: Values

    def one(self, tag: int, default: int | None = None) -> int:
        """A tag's first value. Raises ScanUnreadable when it is missing and there is no default."""
        values = self.tags.get(tag)
        if values is not None and len(values):
            return int(values[0])
        if default is None:
            raise ScanUnreadable(f"the TIFF page lacks tag {tag}")
        return default

    def many(self, tag: int) -> Values:
        """All values of a tag, none when it is missing."""
        return self.tags.get(tag, np.zeros(0, np.int64))

    @property
    def strips(self) -> Values:
        """(n, 2) first byte and last + 1 of its strips or tiles."""
        tiled = bool(len(self.many(TILE_OFFSETS)))
        offsets, sizes = (
            self.many(tag) for tag in ((TILE_OFFSETS, TILE_BYTES) if tiled else (STRIP_OFFSETS, STRIP_BYTES))
        )
        count = min(len(offsets), len(sizes))
        return np.stack([offsets[:count], offsets[:count] + sizes[:count]], axis=1)

    @property
    def is_mask(self) -> bool:
        """Whether this page only says which pixels of another count, in one bit each."""
        return self.one(PHOTOMETRIC, 1) == _PHOTOMETRIC_MASK and int(self.many(BITS).max(initial=1)) == 1

    @property
    def size(self) -> tuple[int, int]:
        """Pixels across and down."""
        return self.one(WIDTH), self.one(HEIGHT)

    def is_thumbnail(self, sizes: Values) -> bool:
        """Whether this page says so and is another of the file shrunk to half or less, a pixel of rounding allowed: its
        word alone would let one bit hide a view. sizes: (pages, 2)."""
        reduced = self.one(NEW_SUBFILE_TYPE, 0) & _REDUCED or self.one(OLD_SUBFILE_TYPE, 0) == _OLD_REDUCED
        halved = (2 * np.array(self.size) <= sizes + 1).all(axis=1)
        width, height = self.size
        alike = np.abs(width * sizes[:, 1] - height * sizes[:, 0]) <= sizes.max(axis=1, initial=0)
        return bool(reduced) and bool((halved & alike).any())


@dataclass(frozen=True)
class _Layout:
    order: str
    #: Bytes of an offset, of a directory's entry count, and of an entry.
    offset: int
    count: int
    entry: int


def read_directories(data: bytes) -> tuple[Directory, ...]:
    """The pages that are views, in file order; one that lies below another page is a page like any other, and stands
    behind it. Raises ScanUnreadable when the chain leaves the file or never ends."""
    pages = [page for page in all_directories(data) if not page.is_mask]
    sizes = np.array([page.size for page in pages], np.int64).reshape(-1, 2)
    views = tuple(page for page in pages if not page.is_thumbnail(sizes))
    if not views:
        raise ScanUnreadable("the TIFF holds no page that is a scan")
    return views


def all_directories(data: bytes) -> Iterator[Directory]:
    """Of every page, thumbnails and masks among them. Raises ScanUnreadable as `read_directories`."""
    layout, first = _file_header(data)
    # The last is read next: below each page its own ones, then what follows it.
    waiting, seen, listed, values = [first], set[int](), set[int](), 0
    while waiting:
        position = waiting.pop()
        # Pages below another are listed there, and some writers chain them to one another as well.
        if position == 0 or position in seen & listed:
            continue
        if position in seen:
            raise ScanUnreadable("the TIFF's chain of pages has no end")
        seen.add(position)
        directory, following = _read_directory(data, position, layout)
        values += sum(map(len, directory.tags.values()))
        if values > _MOST_VALUES_IN_ALL:
            raise ScanUnreadable(f"the TIFF's pages have tags of more than {_MOST_VALUES_IN_ALL} values")
        below = directory.many(SUB_DIRECTORIES)
        if len(seen) + len(waiting) + len(below) > _MOST_PAGES:
            raise ScanUnreadable(f"the TIFF has more than {_MOST_PAGES} pages")
        listed.update(below.tolist())
        waiting += [following, *reversed(below.tolist())]
        yield directory


def _file_header(data: bytes) -> tuple[_Layout, int]:
    order = "<" if data[:2] == b"II" else ">"
    if int(_numbers(data, 2, 1, order + "u2")[0]) == 42:
        return _Layout(order, 4, 2, 12), int(_numbers(data, 4, 1, order + "u4")[0])
    if _numbers(data, 4, 2, order + "u2").tolist() != [8, 0]:
        raise ScanUnreadable("the BigTIFF header is damaged")
    return _Layout(order, 8, 8, 20), _offset(data, 8, _Layout(order, 8, 8, 20))


def _read_directory(data: bytes, position: int, layout: _Layout) -> tuple[Directory, int]:
    count = int(_numbers(data, position, 1, f"{layout.order}u{layout.count}")[0])
    if count > _MOST_ENTRIES:
        raise ScanUnreadable(f"the TIFF is damaged: a page claims {count} tags")
    start = position + layout.count
    if start + count * layout.entry + layout.offset > len(data):
        raise ScanUnreadable("the TIFF is cut short: a page's directory reaches past the end")
    tags = dict(_entries(data, _needed_entries(data, start, count, layout), layout))
    end = start + count * layout.entry + layout.offset
    spans = np.concatenate(
        [[[position, end]], _values_elsewhere(data, start, count, layout), *_beside(data, start, count, layout)]
    )
    return Directory(layout.order, tags, spans), _offset(data, end - layout.offset, layout)


def _beside(data: bytes, start: int, count: int, layout: _Layout, depth: int = 2) -> Iterator[Values]:
    """What the directories of cameras take up that this one points at: no pages, but named all the same."""
    tags = _numbers(data, start, count * layout.entry // 2, layout.order + "u2")[:: layout.entry // 2]
    # A directory has each of them once.
    for index in np.flatnonzero(_IS_CAMERA[tags])[: depth and len(_CAMERA_DIRECTORIES)].tolist():
        position = _offset(data, start + (index + 1) * layout.entry - layout.offset, layout)
        first = position + layout.count
        own = int.from_bytes(data[position:first], "little" if layout.order == "<" else "big")
        end = first + own * layout.entry + layout.offset
        # What is no directory names nothing.
        if own <= _MOST_ENTRIES and end <= len(data):
            yield np.array([[position, end]], np.int64)
            yield _values_elsewhere(data, first, own, layout)
            yield from _beside(data, first, own, layout, depth - 1)


def _values_elsewhere(data: bytes, start: int, count: int, layout: _Layout) -> Values:
    """(n, 2) first byte and last + 1 of the values that do not fit into the entries themselves."""
    number = f"{layout.order}u{layout.offset}"
    table = np.frombuffer(
        data, np.dtype([("tag", f"{layout.order}u2"), ("kind", f"{layout.order}u2"), ("n", number), ("at", number)]),
        count, start,
    )  # fmt: skip
    # A count without end wraps round to some other size: what it claims lies outside the file in any case.
    sizes = _VALUE_BYTES[table["kind"]] * np.minimum(table["n"], len(data)).astype(np.int64)
    elsewhere = sizes > layout.offset
    first = np.minimum(table["at"][elsewhere], len(data)).astype(np.int64)
    return np.stack([first, np.minimum(first + sizes[elsewhere], len(data))], axis=1)


def _needed_entries(data: bytes, start: int, count: int, layout: _Layout) -> list[int]:
    """Where the entries of needed tags stand. Directories may overlap, so that few bytes make many long ones.

    Raises ScanUnreadable for a tag that stands twice: another reader might go by the other.
    """
    tags = _numbers(data, start, count * layout.entry // 2, layout.order + "u2")[:: layout.entry // 2]
    needed = np.flatnonzero(_IS_NEEDED[tags])
    if len(needed) > len(_NEEDED) or len(set(tags[needed].tolist())) < len(needed):
        raise ScanUnreadable("the TIFF is damaged: a page gives one tag twice")
    return [start + layout.entry * index for index in needed.tolist()]


def _entries(data: bytes, places: list[int], layout: _Layout) -> Iterator[tuple[int, Values]]:
    total = 0
    for at in places:
        tag, kind = _numbers(data, at, 2, layout.order + "u2").tolist()
        if kind not in _FIELD_TYPES:
            raise ScanUnreadable(f"TIFF tag {tag} has the unexpected type {kind}")
        length = _offset(data, at + 4, layout)
        total += length
        if total > _MOST_VALUES:
            raise ScanUnreadable(f"the TIFF's tags claim {total} values, more than {_MOST_VALUES}")
        values_at = at + 4 + layout.offset
        if length * int(_FIELD_TYPES[kind][1]) > layout.offset:
            values_at = _offset(data, values_at, layout)
        values = _numbers(data, values_at, length, layout.order + _FIELD_TYPES[kind]).astype(np.int64)
        if (values < 0).any():
            raise ScanUnreadable(f"TIFF tag {tag} is out of range")
        yield tag, values


def _offset(data: bytes, position: int, layout: _Layout) -> int:
    return int(_numbers(data, position, 1, f"{layout.order}u{layout.offset}")[0])


def _numbers(data: bytes, position: int, count: int, kind: str) -> NDArray[np.integer]:
    if position + count * np.dtype(kind).itemsize > len(data):
        raise ScanUnreadable("the TIFF is cut short: its header points past the end")
    return np.frombuffer(data, kind, count, position)
