"""Every kind of picture that is read gives the pixels that were stored."""

from __future__ import annotations

import hashlib
import os
import struct
import threading
import tracemalloc
import zlib
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from detector.errors import ProfileMismatch, ScanUnreadable
from detector.normalisation.standardise import standardised
from detector.readers import SCAN_SUFFIXES, libjpeg_warnings, read_headers, read_scan
from detector.readers.tiff_compression import unpack_lzw
from detector.readers.tiff_structure import read_directories
from detector.scanner_profile import parse_profile

RNG = np.random.default_rng(7)
HEIGHT, WIDTH = 37, 53


def noise(channels: int = 1, dtype: type = np.uint8) -> np.ndarray:
    shape = (HEIGHT, WIDTH) if channels == 1 else (HEIGHT, WIDTH, channels)
    return RNG.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def view(data: bytes) -> np.ndarray:
    views = read_scan(data, "bag").views
    assert len(views) == 1
    return views[0]


def over_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    white = np.iinfo(colour.dtype).max
    share = alpha.astype(np.float64) / white
    share = share[..., None] if colour.ndim == 3 else share
    return np.floor(colour * share + white * (1 - share) + 0.5).astype(colour.dtype)


def encode(suffix: str, rgb: np.ndarray, *options: int) -> bytes:
    order = {2: slice(None), 3: [2, 1, 0], 4: [2, 1, 0, 3]}
    channels = rgb.shape[2] if rgb.ndim == 3 else 2
    return cv2.imencode(suffix, rgb if channels == 2 else rgb[:, :, order[channels]], list(options))[1].tobytes()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_and_colour_of_both_depths(suffix: str, channels: int, dtype: type) -> None:
    image = noise(channels, dtype)
    data = encode(suffix, image)
    scan = read_scan(data, "bag")
    assert np.array_equal(scan.views[0], image)
    assert scan.views[0].dtype == dtype
    assert scan.sha256 == hashlib.sha256(data).hexdigest()
    assert (scan.width, scan.height, scan.source) == (WIDTH, HEIGHT, "bag")
    assert (read_headers(data)[0].channels, read_headers(data)[0].bits) == (channels, scan.bit_depth)


@pytest.mark.parametrize("suffix", [".bmp", ".webp"])
def test_lossless_colour(suffix: str) -> None:
    image = noise(3)
    options = (cv2.IMWRITE_WEBP_QUALITY, 101) if suffix == ".webp" else ()
    assert np.array_equal(view(encode(suffix, image, *options)), image)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("progressive", [0, 1])
def test_jpeg_equals_opencv(channels: int, progressive: int) -> None:
    data = encode(".jpg", noise(channels), cv2.IMWRITE_JPEG_PROGRESSIVE, progressive)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(view(data), expected if channels == 1 else expected[:, :, ::-1])


def with_alpha(dtype: type = np.uint8, channels: int = 4) -> np.ndarray:
    """Noise with an alpha channel that is full but for 15 pixels, less than may be transparent."""
    image = noise(channels, dtype)
    image[:, :, -1] = np.iinfo(dtype).max
    image[0, :15, -1] = RNG.integers(0, np.iinfo(dtype).max, 15, dtype)
    image[0, :5, -1] = 0
    return image


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp"])
def test_alpha_lies_over_air(suffix: str) -> None:
    image = with_alpha()
    lossless = (cv2.IMWRITE_WEBP_QUALITY, 101) if suffix == ".webp" else ()
    if suffix == ".tif":
        # Declared as what it is; otherwise it is refused.
        data = tiff([([*page_tags(image, 2), (338, "H", [2])], strips_of(image, HEIGHT))])
    else:
        data = encode(suffix, image, *lossless)
    result = view(data)
    assert (result[0, :5] == 255).all()
    assert np.array_equal(result, over_white(image[:, :, :3], image[:, :, 3]))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".webp"])
def test_what_transparency_would_hide_is_no_air(suffix: str) -> None:
    image = with_alpha()
    image[20:23, 10:20, 3] = 0
    lossless = (cv2.IMWRITE_WEBP_QUALITY, 101) if suffix == ".webp" else ()
    declared = tiff([([*page_tags(image, 2), (338, "H", [2])], strips_of(image, HEIGHT))])
    with pytest.raises(ScanUnreadable, match="transparent") as refused:
        view(declared if suffix == ".tif" else encode(suffix, image, *lossless))
    assert "without an alpha channel" in refused.value.remedy
    # Where white is stored, nothing is hidden.
    image[20:23, 10:20, :3] = 255
    assert (view(encode(".png", image))[20:23, 10:20] == 255).all()


def test_mixing_with_air_takes_a_few_times_the_memory_of_the_picture() -> None:
    image = np.zeros((2_000, 1_500, 4), np.uint8)
    image[:, :, 3] = 255
    data = encode(".png", image)
    tracemalloc.start()
    try:
        view(data)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 5 * image.nbytes


def test_a_fourth_sample_that_is_not_declared_must_be_full() -> None:
    image = with_alpha()
    with pytest.raises(ScanUnreadable, match="not declared"):
        view(tiff([(page_tags(image, 2), strips_of(image, HEIGHT))]))
    image[:, :, 3] = 255
    assert np.array_equal(view(tiff([(page_tags(image, 2), strips_of(image, HEIGHT))])), image[:, :, :3])


def test_exif_rotation_is_not_applied() -> None:
    data = encode(".jpg", noise(3))
    rotate_90 = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    rotated = data[:2] + b"\xff\xe1" + struct.pack(">H", len(rotate_90) + 2) + rotate_90 + data[2:]
    assert np.array_equal(view(rotated), view(data))


# PNG, by hand


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, bits: int, colour_type: int, rows: np.ndarray, before: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, len(rows), bits, colour_type, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def pack_bits(values: np.ndarray, bits: int) -> np.ndarray:
    per_byte = 8 // bits
    padded = np.zeros((len(values), -(-values.shape[1] // per_byte) * per_byte), np.uint8)
    padded[:, : values.shape[1]] = values
    shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    return (padded.reshape(len(values), -1, per_byte) << shifts).sum(axis=2).astype(np.uint8)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_png_palette_and_low_depths(bits: int) -> None:
    values = RNG.integers(0, 2**bits, (HEIGHT, WIDTH), np.uint8)
    palette = RNG.integers(0, 256, (2**bits, 3), np.uint8)
    rows = pack_bits(values, bits)
    assert np.array_equal(view(png(WIDTH, bits, 0, rows)), values * (255 // (2**bits - 1)))
    assert np.array_equal(view(png(WIDTH, bits, 3, rows, chunk(b"PLTE", palette.tobytes()))), palette[values])
    with pytest.raises(ScanUnreadable, match="outside the palette"):
        view(png(WIDTH, bits, 3, rows, chunk(b"PLTE", palette[:-1].tobytes())))


def test_png_transparency_without_an_alpha_channel() -> None:
    values = RNG.integers(10, 256, (HEIGHT, WIDTH)).astype(np.uint8)
    values[0, :10] = range(10)
    palette, alpha = RNG.integers(0, 255, (256, 3), np.uint8), RNG.integers(0, 255, 10, np.uint8)
    tables = chunk(b"PLTE", palette.tobytes()) + chunk(b"tRNS", alpha.tobytes())
    full = np.concatenate([alpha, np.full(246, 255, np.uint8)])
    expected = over_white(palette[values], full[values])
    assert np.array_equal(view(png(WIDTH, 8, 3, values, tables)), expected)
    key = chunk(b"tRNS", struct.pack(">H", 3))
    assert np.array_equal(view(png(WIDTH, 8, 0, values, key)), np.where(values == 3, 255, values))
    values[10] = 3
    for hidden in (png(WIDTH, 8, 3, values, tables), png(WIDTH, 8, 0, values, key)):
        with pytest.raises(ScanUnreadable, match="transparent"):
            view(hidden)


def test_png_grey_with_alpha_stays_grey() -> None:
    samples = with_alpha(np.uint16, 2)
    data = png(WIDTH, 16, 4, samples.astype(">u2").reshape(HEIGHT, -1))
    assert np.array_equal(view(data), over_white(samples[:, :, 0], samples[:, :, 1]))


# BMP, by hand


@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize("top_down", [False, True])
def test_bmp_palette(bits: int, top_down: bool) -> None:
    values = RNG.integers(0, 2**bits, (HEIGHT, WIDTH), np.uint8)
    palette = RNG.integers(0, 256, (2**bits, 4), np.uint8)
    packed = pack_bits(values, bits)
    packed = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 4)))
    header = struct.pack("<IiiHHIIiiII", 40, WIDTH, -HEIGHT if top_down else HEIGHT, 1, bits, 0, 0, 0, 0, 0, 0)
    body = (packed if top_down else packed[::-1]).tobytes()
    data = b"BM" + struct.pack("<III", 0, 0, 54 + 4 * 2**bits) + header + palette.tobytes() + body
    assert np.array_equal(view(data), palette[:, 2::-1][values])


@pytest.mark.parametrize("start", [0, 20, 53])
def test_bmp_pixels_do_not_start_within_the_header(start: int) -> None:
    image = noise(3)
    # Zeros at the end of the file: padding, for all that its length tells.
    image[:4] = 0
    data = encode(".bmp", image)
    with pytest.raises(ScanUnreadable, match="within the header"):
        view(data[:10] + struct.pack("<I", start) + data[14:])


# TIFF, by hand

TYPES = {"H": 3, "I": 4, "B": 7, "Q": 16}
Tag = tuple[int, str, Sequence[int]]


def tiff(pages: Sequence[tuple[list[Tag], list[bytes]]], order: str = "<", big: bool = False) -> bytes:
    """Pages of (tags, strips), as classic or BigTIFF in either byte order."""
    offset, entry_count, size = ("Q", "Q", 8) if big else ("I", "H", 4)
    mark = b"II" if order == "<" else b"MM"
    data = mark + (struct.pack(order + "HHH", 43, 8, 0) if big else struct.pack(order + "H", 42))
    link = len(data)
    data += bytes(size)
    for tags, strips in pages:
        offsets = []
        for strip in strips:
            offsets.append(len(data))
            data += strip
        if not any(tag == 324 for tag, *_ in tags):
            tags = [*tags, (273, "I", offsets), (279, "I", [len(strip) for strip in strips])]
        else:
            tags = [tag for tag in tags if tag[0] != 324]
            tags = [*tags, (324, "I", offsets), (325, "I", [len(strip) for strip in strips])]
        entries = []
        for tag, kind, values in sorted(tags):
            body = struct.pack(f"{order}{len(values)}{kind}", *values)
            if len(body) > size:
                at, data = len(data), data + body
                body = struct.pack(order + offset, at)
            entries.append(struct.pack(f"{order}HH{offset}", tag, TYPES[kind], len(values)) + body.ljust(size, b"\0"))
        data = data[:link] + struct.pack(order + offset, len(data)) + data[link + size :]
        data += struct.pack(order + entry_count, len(entries)) + b"".join(entries)
        link = len(data)
        data += bytes(size)
    return data


def page_tags(image: np.ndarray, photometric: int = 1, compression: int = 1, rows: int = HEIGHT) -> list[Tag]:
    channels = image.shape[2] if image.ndim == 3 else 1
    bits = [image.itemsize * 8] * channels
    return [
        *[(256, "I", [image.shape[1]]), (257, "I", [image.shape[0]]), (258, "H", bits), (259, "H", [compression])],
        *[(262, "H", [photometric]), (277, "H", [channels]), (278, "I", [rows])],
    ]


def strips_of(image: np.ndarray, rows: int, order: str = "<") -> list[bytes]:
    stored = image.astype(image.dtype.newbyteorder(order))
    return [stored[top : top + rows].tobytes() for top in range(0, len(image), rows)]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [1, 8])
def test_tiff_byte_orders_and_strips(order: str, big: bool, compression: int) -> None:
    image = noise(3, np.uint16)
    strips = strips_of(image, 10, order)
    strips = strips if compression == 1 else [zlib.compress(strip) for strip in strips]
    data = tiff([(page_tags(image, 2, compression, 10), strips)], order, big)
    assert np.array_equal(view(data), image)


def test_tiff_views_without_thumbnails_and_masks() -> None:
    first, second, small = noise(1, np.uint16), noise(3), noise()[:9, :13]
    one_bit = [tag for tag in page_tags(small, 4) if tag[0] != 258]
    pages = [
        (page_tags(first), strips_of(first, HEIGHT)),
        ([*page_tags(small), (254, "I", [1])], strips_of(small, HEIGHT)),
        ([*one_bit, (254, "I", [4])], [bytes(18)]),
        ([*page_tags(small), (255, "H", [2])], strips_of(small, HEIGHT)),
        (page_tags(second, 2), strips_of(second, HEIGHT)),
    ]
    views = read_scan(tiff(pages), "bag").views
    assert len(views) == 2
    assert np.array_equal(views[0], first)
    assert np.array_equal(views[1], second)
    with pytest.raises(ScanUnreadable, match="no page that is a scan"):
        read_scan(tiff(pages[2:3]), "bag")


def with_page_below(above: np.ndarray, below: np.ndarray, *tags: Tag, behind: int | None = None) -> bytes:
    """A TIFF whose only page in the chain points at another by SubIFDs. behind: where that one says the next is."""
    chained = tiff([([*page_tags(below), *tags], strips_of(below, HEIGHT))])
    (at,) = struct.unpack_from("<I", chained, 4)
    # The chain's first page is written behind the other one; the header then leads to it alone.
    both = tiff([([*page_tags(above), (330, "I", [0])], strips_of(above, HEIGHT))])
    (top,) = struct.unpack_from("<I", both, 4)
    moved = len(chained)
    entries = both[top + 2 :]
    body = b""
    for start in range(0, 12 * struct.unpack_from("<H", both, top)[0], 12):
        tag, kind, count, value = struct.unpack_from("<HHII", entries, start)
        value = at if tag == 330 else value + moved if tag == 273 else value
        body += struct.pack("<HHII", tag, kind, count, value)
    data = bytearray(chained + both[: top + 2] + body + bytes(4))
    struct.pack_into("<I", data, 4, moved + top)
    if behind is not None:
        struct.pack_into("<I", data, len(chained) - 4, behind or moved + top)
    return bytes(data)


def test_tiff_view_below_another_page_is_seen() -> None:
    first, second, small = noise(), noise(), noise()[:9, :13]
    views = read_scan(with_page_below(first, second), "bag").views
    assert len(views) == 2
    assert np.array_equal(views[0], first) and np.array_equal(views[1], second)
    # One bit does not hide it there either; a smaller picture of the page above is none.
    assert len(read_scan(with_page_below(first, second, (254, "I", [1])), "bag").views) == 2
    assert len(read_scan(with_page_below(first, small, (254, "I", [1])), "bag").views) == 1
    assert len(read_scan(with_page_below(first, small), "bag").views) == 2


def test_tiff_pages_below_one_another_in_a_loop_end() -> None:
    with pytest.raises(ScanUnreadable, match="has no end"):
        read_scan(with_page_below(noise(), noise(), behind=0), "bag")
    with pytest.raises(ScanUnreadable, match="cut short"):
        read_scan(with_page_below(noise(), noise(), behind=2**31), "bag")
    image = noise()
    with pytest.raises(ScanUnreadable, match="more than 10000 pages"):
        read_scan(tiff([([*page_tags(image), (330, "I", [8] * 20_000)], strips_of(image, HEIGHT))]), "bag")


def directories_of(data: bytes) -> list[int]:
    """Where the directories of a little-endian classic TIFF stand, in the order of their chain."""
    found, link = [], 4
    while at := struct.unpack_from("<I", data, link)[0]:
        found.append(at)
        link = at + 2 + 12 * struct.unpack_from("<H", data, at)[0]
    return found


def test_tiff_pages_below_another_may_be_chained_to_one_another_too() -> None:
    first = noise()
    small, smaller = (noise()[: -(-HEIGHT // by), : -(-WIDTH // by)] for by in (2, 4))
    below = [([*page_tags(part), (254, "I", [1])], strips_of(part, HEIGHT)) for part in (small, smaller)]
    listed = ([*page_tags(first), (330, "I", [0, 0])], strips_of(first, HEIGHT))
    data = bytearray(tiff([listed, *below]))
    top, *others = directories_of(data)
    (entry,) = (at for at in range(top + 2, top + 2 + 12 * 10, 12) if struct.unpack_from("<H", data, at)[0] == 330)
    struct.pack_into("<II", data, struct.unpack_from("<I", data, entry + 8)[0], *others)
    (seen,) = read_scan(bytes(data), "bag").views
    assert np.array_equal(seen, first)


def test_tiff_views_that_no_page_names_are_not_passed_over() -> None:
    pages = [(page_tags(image), strips_of(image, HEIGHT)) for image in (noise(), noise())]
    cut = bytearray(tiff(pages))
    at = directories_of(cut)[0]
    struct.pack_into("<I", cut, at + 2 + 12 * struct.unpack_from("<H", cut, at)[0], 0)
    alone = tiff(pages[:1])
    stack = tiff([(pages[0][0], [b"".join(part for _, strips in pages for part in strips)])])
    at = directories_of(stack)[0]
    (entry,) = (at for at in range(at + 2, at + 2 + 12 * 9, 12) if struct.unpack_from("<H", stack, at)[0] == 279)
    stack = stack[: entry + 8] + struct.pack("<I", noise().nbytes) + stack[entry + 12 :]
    # A writer that stopped in the middle of a view has not named it yet.
    stopped = alone + noise().tobytes()[:600]
    for data in (bytes(cut), alone + alone, alone + noise().tobytes(), stopped, stack):
        with pytest.raises(ScanUnreadable, match="none of its pages names"):
            read_scan(data, "bag")


@pytest.mark.parametrize("size", [100, 3_000])
def test_what_a_camera_says_at_the_end_of_a_tiff_is_no_second_view(size: int) -> None:
    """EXIF's own directory, and that of GPS, behind all pages, each with a value that stands elsewhere."""
    image = noise()
    data = bytearray(tiff([([*page_tags(image), (34665, "I", [0]), (34853, "I", [0])], strips_of(image, HEIGHT))]))
    assert np.array_equal(view(bytes(data)), image)
    (top,) = directories_of(data)
    for tag in (34665, 34853):
        (entry,) = (at for at in range(top + 2, top + 2 + 12 * 11, 12) if struct.unpack_from("<H", data, at)[0] == tag)
        data += b"\0" * (len(data) % 2)
        struct.pack_into("<I", data, entry + 8, len(data))
        value_at = len(data) + 2 + 12 + 4
        data += struct.pack("<HHHIII", 1, 37500, 7, size, value_at, 0) + RNG.bytes(size)
    assert np.array_equal(view(bytes(data)), image)
    with pytest.raises(ScanUnreadable, match="none of its pages names"):
        view(bytes(data) + RNG.bytes(600))


def test_a_second_stream_in_a_strip_of_a_tiff_is_noticed() -> None:
    image = noise()
    packed = zlib.compress(image.tobytes())
    assert np.array_equal(view(tiff([(page_tags(image, 1, 8), [packed])])), image)
    assert np.array_equal(view(tiff([(page_tags(image, 1, 8), [packed + bytes(9)])])), image)
    with pytest.raises(ScanUnreadable, match="more than its compressed pixels"):
        view(tiff([(page_tags(image, 1, 8), [packed + packed])]))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_between_the_header_and_the_pixels_of_a_bmp_is_noticed(channels: int) -> None:
    data = encode(".bmp", noise(channels))
    (pixels_at,) = struct.unpack_from("<I", data, 10)
    for hidden, refused in ((bytes(5_000), False), (RNG.bytes(5_000), True)):
        made = data[:10] + struct.pack("<I", pixels_at + 5_000) + data[14:pixels_at] + hidden + data[pixels_at:]
        if refused:
            with pytest.raises(ScanUnreadable, match="between its header and its pixels"):
                view(made)
        else:
            assert np.array_equal(view(made), view(data))


@pytest.mark.parametrize(
    ("marked", "behind", "read"),
    [(b"DEBM", b"", True), (b"DEBM", b"more", False), (b"BGRs", b"", False), (b"DEBM", None, False)],
)
def test_a_bmp_may_hold_a_colour_profile_and_nothing_else_behind_its_pixels(
    marked: bytes, behind: bytes | None, read: bool
) -> None:
    image = noise(3)
    rows = np.zeros((HEIGHT, (3 * WIDTH + 3) // 4 * 4), np.uint8)
    rows[:, : 3 * WIDTH] = image[::-1, :, ::-1].reshape(HEIGHT, -1)
    profile = bytearray(RNG.bytes(600))
    # What is no profile has no such mark, whatever the header says of it.
    profile[36:40] = b"acsp" if behind is not None else b"spca"
    header = struct.pack("<IiiHHIIiiII", 124, WIDTH, HEIGHT, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(16) + marked + bytes(52)
    header += struct.pack("<III", 124 + rows.size, len(profile), 0)
    data = b"BM" + struct.pack("<III", 0, 0, 14 + 124) + header + rows.tobytes() + profile + (behind or b"")
    if read:
        assert np.array_equal(view(data), image)
    else:
        with pytest.raises(ScanUnreadable, match="follow the end of the picture"):
            view(data)


@pytest.mark.parametrize("kind", [b"ANMF", b"ANIM", b"VP8X", b"JUNK"])
def test_another_picture_beside_that_of_a_webp_is_noticed(kind: bytes) -> None:
    data = encode(".webp", noise(3), cv2.IMWRITE_WEBP_QUALITY, 101)
    extended = b"VP8X" + struct.pack("<I", 10) + bytes([0, 0, 0, 0, WIDTH - 1, 0, 0, HEIGHT - 1, 0, 0])

    def webp(*chunks: bytes) -> bytes:
        body = b"WEBP" + b"".join(chunks)
        return b"RIFF" + struct.pack("<I", len(body)) + body

    assert np.array_equal(view(webp(extended, data[12:])), view(data))
    with pytest.raises(ScanUnreadable, match="beside its picture"):
        view(webp(extended, data[12:], kind + struct.pack("<I", 700) + RNG.bytes(700)))


def test_where_libjpeg_cannot_be_heard_a_jpeg_is_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(".jpg", noise(3))
    inside = tiff([(page_tags(noise()[:16, :16], 1, 7, 16), [encode(".jpg", noise()[:16, :16])])])
    assert not read_scan(data, "bag").doubt and not read_scan(inside, "bag").doubt
    monkeypatch.setattr("detector.readers.jpeg.can_hear", lambda: False)
    assert "cannot be heard" in read_scan(data, "bag").doubt
    assert "cannot be heard" in read_scan(inside, "bag").doubt


def test_libjpeg_is_heard_without_a_folder_for_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nonexistent")
    libjpeg_warnings.can_hear.cache_clear()
    assert libjpeg_warnings.can_hear()


def test_tiff_strips_that_overlap_are_refused() -> None:
    image = noise()
    data = tiff([(page_tags(image, rows=10), strips_of(image, 10))])
    starts = read_directories(data)[0].many(273).tolist()
    stored = struct.pack(f"<{len(starts)}I", *starts)
    assert np.array_equal(view(data), image) and stored in data
    for wrong in (starts[:1] * 2 + starts[2:], [starts[0], starts[0] + 1, *starts[2:]], [4, *starts[1:]]):
        with pytest.raises(ScanUnreadable, match="overlap"):
            view(data.replace(stored, struct.pack(f"<{len(starts)}I", *wrong)))


def test_what_a_tiff_holds_besides_may_be_padding_and_private_data() -> None:
    image = noise()
    private = ([*page_tags(image), (65_000, "B", list(range(256)) * 20)], strips_of(image, HEIGHT))
    for data in (tiff([private]), tiff([private]) + bytes(5_000)):
        assert np.array_equal(view(data), image)


@pytest.mark.parametrize("tag", [(254, "I", [1]), (254, "I", [4]), (255, "H", [2])])
def test_one_tag_does_not_hide_a_view(tag: Tag) -> None:
    first, second = noise(), noise()
    # As large, a row less, half as large but of another shape.
    for hidden in (second, second[:-1], second[: HEIGHT // 2 - 4, : WIDTH // 2]):
        pages = [(page_tags(first), strips_of(first, HEIGHT)), ([*page_tags(hidden), tag], strips_of(hidden, HEIGHT))]
        views = read_scan(tiff(pages), "bag").views
        assert len(views) == 2 and np.array_equal(views[1], hidden)
    mask = [(page_tags(first), strips_of(first, HEIGHT)), (page_tags(second, 4), strips_of(second, HEIGHT))]
    with pytest.raises(ScanUnreadable, match="photometric kind 4"):
        read_scan(tiff(mask), "bag")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_white_is_zero_becomes_bright_is_air(dtype: type) -> None:
    image = noise(1, dtype)
    data = tiff([(page_tags(image, 0), strips_of(image, HEIGHT))])
    assert np.array_equal(view(data), np.iinfo(dtype).max - image)


@pytest.mark.parametrize(("claimed", "full"), [(4095, 4095), (1023, 1023), (3900, 65_535), (65_535, 65_535)])
def test_tiff_white_is_zero_of_few_bits_turns_from_its_full_scale(claimed: int, full: int) -> None:
    # A maximum that is no depth is the darkest sample of this one scan: no level to turn from.
    image = RNG.integers(0, min(claimed, 3900) + 1, (HEIGHT, WIDTH)).astype(np.uint16)
    tags = [*page_tags(image, 0), (281, "H", [claimed])]
    assert np.array_equal(view(tiff([(tags, strips_of(image, HEIGHT))])), full - image)
    upright = [*page_tags(image, 1), (281, "H", [claimed])]
    assert np.array_equal(view(tiff([(upright, strips_of(image, HEIGHT))])), image)


def test_tiff_white_is_zero_beyond_its_full_scale_is_refused() -> None:
    image = np.full((HEIGHT, WIDTH), 4000, np.uint16)
    image[3, 4] = 4096
    data = tiff([([*page_tags(image, 0), (281, "H", [4095])], strips_of(image, HEIGHT))])
    with pytest.raises(ScanUnreadable, match="no sample is above 4095, and one is 4096"):
        read_scan(data, "bag")


def test_tiff_white_is_zero_of_few_bits_that_does_not_say_so_names_the_way_out() -> None:
    stored = RNG.integers(0, 12, (200, 300)).astype(np.uint16)
    stored[40:160] += np.linspace(200, 3500, 300).astype(np.uint16)
    scan = read_scan(tiff([(page_tags(stored, 0, rows=200), strips_of(stored, 200))]), "truck")
    profile = "name = 'gate'\nair_value = 65530\nbits_stored = {}\n[calibration]\ndark = {}\n"
    with pytest.raises(ProfileMismatch) as refused:
        standardised(scan, parse_profile(profile.format(12, 0), "test"))
    assert "bits_stored = 16" in refused.value.remedy and "dark = 61440" in refused.value.remedy
    seen = standardised(scan, parse_profile(profile.format(16, 61_440), "test"))
    assert not any("dark level" in doubt for doubt in seen.doubts)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_tiff_orientation_is_not_applied(orientation: int) -> None:
    image = noise(3)
    data = tiff([([*page_tags(image, 2), (274, "H", [orientation])], strips_of(image, HEIGHT))])
    assert np.array_equal(view(data), image)


def test_tiff_tiles_planes_and_predictor() -> None:
    image = noise(3)
    padded = np.pad(image, ((0, 48 - HEIGHT), (0, 64 - WIDTH), (0, 0)))
    tiles = [padded[top : top + 16, left : left + 32].tobytes() for top in (0, 16, 32) for left in (0, 32)]
    tiled = [*page_tags(image, 2), (322, "I", [32]), (323, "I", [16]), (324, "I", [0])]
    assert np.array_equal(view(tiff([(tiled, tiles)])), image)
    planes = [strip for channel in range(3) for strip in strips_of(image[:, :, channel], 20)]
    assert np.array_equal(view(tiff([([*page_tags(image, 2, rows=20), (284, "H", [2])], planes)])), image)
    differences = np.diff(image, axis=1, prepend=np.zeros((HEIGHT, 1, 3), np.uint8))
    predicted = [*page_tags(image, 2, 8), (317, "H", [2])]
    assert np.array_equal(view(tiff([(predicted, [zlib.compress(differences.tobytes())])])), image)


def pack_twelve(image: np.ndarray) -> bytes:
    """Two samples in three bytes, the first in the upper bits, every row from a whole byte (TIFF 6.0, section 4)."""
    bits = (image[:, :, None] >> np.arange(11, -1, -1, dtype=np.uint16)) & 1
    return np.packbits(bits.reshape(len(image), -1).astype(np.uint8), axis=1).tobytes()


@pytest.mark.parametrize("compression", [1, 8, 32946])
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("width", [52, 53])
def test_tiff_of_packed_twelve_bits(width: int, photometric: int, compression: int) -> None:
    image = RNG.integers(0, 4096, (HEIGHT, width)).astype(np.uint16)
    tags = [tag if tag[0] != 258 else (258, "H", [12]) for tag in page_tags(image, photometric, compression, 10)]
    strips = [pack_twelve(image[top : top + 10]) for top in range(0, HEIGHT, 10)]
    strips = strips if compression == 1 else [zlib.compress(strip) for strip in strips]
    assert np.array_equal(view(tiff([(tags, strips)])), image if photometric else 4095 - image)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_tiff_of_a_cargo_scanner(order: str, big: bool) -> None:
    """Two pages of 16 bits, white is zero, tiled, deflated over differences: all at once."""
    pages, expected = [], []
    for _ in range(2):
        image = noise(1, np.uint16)
        padded = np.pad(image, ((0, 48 - HEIGHT), (0, 64 - WIDTH)))
        steps = np.diff(padded.reshape(48, 2, 32), axis=2, prepend=np.uint16(0)).reshape(48, 64)
        stored = steps.astype(steps.dtype.newbyteorder(order))
        tiles = [stored[top : top + 16, left : left + 32].tobytes() for top in (0, 16, 32) for left in (0, 32)]
        tags = [*page_tags(image, 0, 8), (317, "H", [2]), (322, "I", [32]), (323, "I", [16]), (324, "I", [0])]
        pages.append((tags, [zlib.compress(tile) for tile in tiles]))
        expected.append(65_535 - image)
    views = read_scan(tiff(pages, order, big), "truck.tif").views
    assert len(views) == 2 and all(np.array_equal(*pair) for pair in zip(views, expected, strict=True))


def test_tiff_planes_of_sixteen_bits() -> None:
    image = noise(3, np.uint16)
    planes = [strip for channel in range(3) for strip in strips_of(image[:, :, channel], 20, ">")]
    assert np.array_equal(view(tiff([([*page_tags(image, 2, rows=20), (284, "H", [2])], planes)], ">")), image)


def test_tiff_palette_and_alpha() -> None:
    indices, table = noise(), RNG.integers(0, 65_536, (3, 256))
    data = tiff([([*page_tags(indices, 3), (320, "H", table.ravel().tolist())], strips_of(indices, HEIGHT))])
    assert np.array_equal(view(data), (table >> 8).T.astype(np.uint8)[indices])
    image = with_alpha()
    image[:, :, :3] = np.minimum(image[:, :, :3], image[:, :, 3:])
    data = tiff([([*page_tags(image, 2), (338, "H", [1])], strips_of(image, HEIGHT))])
    assert np.array_equal(view(data), image[:, :, :3] + (255 - image[:, :, 3:]))


@pytest.mark.parametrize("compression", [5, 8, 32773])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_as_opencv_compresses_it(compression: int, dtype: type) -> None:
    """Flat parts give long repeats, noise fills the LZW table: both ends of the decoder."""
    image = np.zeros((300, 400), dtype)
    image[100:200] = RNG.integers(0, np.iinfo(dtype).max, (100, 400), dtype)
    data = encode(".tif", image, cv2.IMWRITE_TIFF_COMPRESSION, compression, cv2.IMWRITE_TIFF_ROWSPERSTRIP, 150)
    assert np.array_equal(view(data), image)


def test_white_of_twelve_bits_is_their_own() -> None:
    image = RNG.integers(0, 4095, (HEIGHT, WIDTH, 2)).astype(np.uint16)
    image[:, :, 1] = 4095
    image[0, :5, 1] = 0
    tags = [tag if tag[0] != 258 else (258, "H", [12, 12]) for tag in page_tags(image)]
    data = tiff([([*tags, (338, "H", [2])], [pack_twelve(image.reshape(HEIGHT, -1))])])
    expected = image[:, :, 0].copy()
    expected[0, :5] = 4095
    assert np.array_equal(view(data), expected)


def test_tiff_of_jpeg_strips() -> None:
    image = cv2.GaussianBlur(noise(3), (0, 0), 2)[:32]
    strips = [encode(".jpg", image[top : top + 16]) for top in (0, 16)]
    expected = np.concatenate([view(strip) for strip in strips])
    assert np.array_equal(view(tiff([(page_tags(image, 6, 7, rows=16), strips)])), expected)
    grey = image[:, :, 0]
    data = tiff([(page_tags(grey, 1, 7), [encode(".jpg", grey)])])
    assert np.array_equal(view(data), view(encode(".jpg", grey)))


def test_lzw_example_of_the_standard() -> None:
    """TIFF 6.0, section 13: 7 7 7 8 8 7 7 6 6 becomes Clear 7 258 8 8 258 6 6 End."""
    codes = [256, 7, 258, 8, 8, 258, 6, 6, 257]
    packed = int("".join(f"{code:09b}" for code in codes).ljust(88, "0"), 2).to_bytes(11, "big")
    assert unpack_lzw(memoryview(packed), 9) == bytes([7, 7, 7, 8, 8, 7, 7, 6, 6])
    for size in (8, 10):
        with pytest.raises(ScanUnreadable):
            unpack_lzw(memoryview(packed), size)


def test_kinds_of_tiff_that_are_refused_rather_than_guessed() -> None:
    grey, four, two = noise(), noise(4), noise(2)
    floating = [*page_tags(noise(1, np.uint16)), (339, "H", [3])]
    twelve = [tag if tag[0] != 258 else (258, "H", [12] * 3) for tag in page_tags(noise(3), 2)]
    ten = [tag if tag[0] != 258 else (258, "H", [10]) for tag in page_tags(grey)]
    for tags, image in (
        (floating, noise(1, np.uint16)),
        (twelve, noise(3)),
        (ten, grey),
        (page_tags(four, 5), four),
        (page_tags(two, 1), two),
        (page_tags(grey, 1, 3), grey),
        ([*page_tags(grey), (266, "H", [2])], grey),
        # libtiff passes the predictor of runs over, other readers apply it.
        ([*page_tags(grey, 1, 32773), (317, "H", [2])], grey),
        # Brightness and differences of colour apart from each other would be taken for red, green and blue.
        ([*page_tags(noise(3), 6, 7), (284, "H", [2])], noise(3)),
    ):
        with pytest.raises(ScanUnreadable, match="is not read") as caught:
            view(tiff([(tags, strips_of(image, HEIGHT))]))
        assert "export" in caught.value.remedy


def test_libjpeg_is_heard_and_others_are_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    assert libjpeg_warnings.can_hear()
    capfd.readouterr()

    def decode() -> str:
        thread = threading.Thread(target=os.write, args=(2, b"41 % done\n"))
        thread.start()
        thread.join()
        libjpeg_warnings._decode_half_a_picture()
        return "pixels"

    result, warning = libjpeg_warnings.listen(decode)
    assert result == "pixels"
    assert warning.startswith("Corrupt JPEG data")
    assert capfd.readouterr().err == "41 % done\n"


def test_threads_do_not_hear_each_other() -> None:
    whole = encode(".jpg", noise(3))
    broken = whole[: len(whole) // 2] + b"\xff\xd9"
    outcomes: dict[bool, set[bool]] = {True: set(), False: set()}

    def read(data: bytes, is_whole: bool) -> None:
        for _ in range(20):
            try:
                read_scan(data, "bag")
                outcomes[is_whole].add(True)
            except ScanUnreadable:
                outcomes[is_whole].add(False)

    threads = [threading.Thread(target=read, args=(data, data is whole)) for data in (whole, broken) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {True: {True}, False: {False}}


def test_suffixes() -> None:
    assert {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"} <= SCAN_SUFFIXES
