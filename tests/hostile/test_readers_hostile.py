"""Files that are cut, changed, joined, or made to hurt: an error or the right pixels, never wrong ones in silence."""

from __future__ import annotations

import struct
import sys
import time
import zlib

import cv2
import numpy as np
import pytest

from detector.errors import ScanTooLarge, ScanUnreadable
from detector.readers import READERS, Limits, jpeg, looks_like_scan, png, read_headers, read_scan
from detector.readers.limits import ViewHeader, check_views
from detector.readers.tiff_compression import unpack_lzw
from detector.readers.tiff_structure import read_directories
from tests.detector.test_readers import pack_twelve, page_tags, tiff

RNG = np.random.default_rng(20240)


def luggage(channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    """Noise over shapes: every part of the compressed data matters."""
    rows, columns = np.mgrid[:120, :160]
    image = 200 + 40 * np.sin(columns / 30) + 10 * np.cos(rows / 17)
    image[30:80, 40:100] -= 90
    image = image[:, :, None] + RNG.normal(0, 3, (120, 160, channels))
    scale = 257 if dtype is np.uint16 else 1
    return (np.clip(image, 0, 255) * scale).astype(dtype).squeeze()


def encode(suffix: str, image: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(suffix, image, list(options))[1].tobytes()


FILES = {
    "png": encode(".png", luggage()),
    "png16": encode(".png", luggage(1, np.uint16)),
    "jpeg": encode(".jpg", luggage()),
    "jpeg_progressive": encode(".jpg", luggage(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "jpeg_restarts": encode(".jpg", luggage(), cv2.IMWRITE_JPEG_RST_INTERVAL, 10),
    "webp": encode(".webp", luggage(), cv2.IMWRITE_WEBP_QUALITY, 90),
    "webp_lossless": encode(".webp", luggage(), cv2.IMWRITE_WEBP_QUALITY, 101),
    "bmp": encode(".bmp", luggage()),
    "tiff": encode(".tif", luggage(1, np.uint16), cv2.IMWRITE_TIFF_COMPRESSION, 1),
    "tiff_lzw": encode(".tif", luggage(), cv2.IMWRITE_TIFF_COMPRESSION, 5),
    "tiff_deflate": encode(".tif", luggage(), cv2.IMWRITE_TIFF_COMPRESSION, 8),
    "tiff_packbits": encode(".tif", luggage(), cv2.IMWRITE_TIFF_COMPRESSION, 32773),
}
CHECKED_SUM = ("png", "png16", "tiff_deflate")
JPEGS = ("jpeg", "jpeg_progressive", "jpeg_restarts")


def refused(data: bytes) -> bool:
    try:
        read_scan(data, "bag")
    except ScanUnreadable as error:
        refusal = error
    else:
        return False
    assert refusal.what.startswith("bag: ")
    assert "\n" not in refusal.what
    assert refusal.remedy
    return True


@pytest.mark.parametrize("name", FILES)
def test_cut_at_every_percent(name: str) -> None:
    data = FILES[name]
    assert not refused(data)
    accepted = [percent for percent in range(100) if not refused(data[: len(data) * percent // 100])]
    assert not accepted
    assert refused(data[:-1])


@pytest.mark.parametrize("name", JPEGS)
def test_jpeg_cut_and_closed_again(name: str) -> None:
    data = FILES[name]
    accepted = [percent for percent in range(100) if not refused(data[: len(data) * percent // 100] + b"\xff\xd9")]
    assert not accepted


@pytest.mark.parametrize("name", JPEGS)
def test_jpeg_that_lost_a_piece(name: str) -> None:
    """Most losses leave the codes out of step; JPEG has no checksum, so the rest cannot be noticed by anyone."""
    data = FILES[name]
    starts = range(len(data) // 3, len(data) - 200, len(data) // 60)
    caught = [refused(data[:start] + data[start + 100 :]) for start in starts]
    # A progressive file falls into step again more often: its later scans are runs of single bits.
    assert np.mean(caught) > (0.5 if name == "jpeg_progressive" else 0.8)


def test_jpeg_without_hearing_libjpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg, "can_hear", lambda: False)
    for name in JPEGS:
        data = FILES[name]
        assert not refused(data)
        assert all(refused(data[: len(data) * percent // 100] + b"\xff\xd9") for percent in range(0, 99))


@pytest.mark.skipif(sys.platform == "win32", reason="a full disk is played by a limit that Windows has not")
def test_jpeg_while_nothing_can_be_written_anywhere() -> None:
    """What libjpeg says is lost there without an error, so nothing counts as whole."""
    import resource

    assert jpeg.can_hear()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        found = [(refused(FILES[name]), refused(FILES[name][:3000] + b"\xff\xd9")) for name in JPEGS]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert found == [(True, True)] * len(JPEGS)


@pytest.mark.parametrize("at", [2, -2])
def test_a_jpeg_of_endless_segments_ends_soon(at: int) -> None:
    data = FILES["jpeg"]
    started = time.process_time()
    with pytest.raises(ScanUnreadable, match="more than 10000 segments"):
        read_scan(data[:at] + b"\xff\xe1\x00\x02" * 500_000 + data[at:], "bag")
    assert time.process_time() - started < 0.5


def test_progressive_jpeg_with_scans_missing() -> None:
    data = FILES["jpeg_progressive"]
    last_scan = data.rindex(b"\xff\xda")
    assert refused(data[:last_scan] + b"\xff\xd9")


@pytest.mark.parametrize("name", CHECKED_SUM)
def test_any_changed_byte_is_noticed_where_there_is_a_checksum(name: str) -> None:
    data = FILES[name]
    right = read_scan(data, "bag").views
    for position in range(0, len(data), max(1, len(data) // 60)):
        changed = data[:position] + bytes([data[position] ^ (1 << position % 8)]) + data[position + 1 :]
        if not refused(changed):
            # Only bytes that no pixel depends on, such as a TIFF's padding, may differ.
            assert name.startswith("tiff")
            assert np.array_equal(read_scan(changed, "bag").views[0], right[0])


@pytest.mark.parametrize("name", [*CHECKED_SUM, "tiff_lzw"])
def test_zeroed_block(name: str) -> None:
    data = FILES[name]
    for start in range(200, len(data) * 9 // 10, len(data) // 25):
        assert refused(data[:start] + bytes(64) + data[start + 64 :])


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith("tiff")])
def test_padding_at_the_end_is_taken_and_a_second_file_is_not(name: str) -> None:
    data = FILES[name]
    assert not refused(data + bytes(500))
    assert not refused(data + b"\r\n")
    assert refused(data + data)
    assert refused(data + b"garbage")


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("tiff")])
def test_padding_behind_a_tiff_is_taken_and_a_second_file_is_not(name: str) -> None:
    data = FILES[name]
    assert not refused(data + bytes(50_000))
    assert refused(data + data)


def test_random_mutations_raise_nothing_else_and_end_soon() -> None:
    for name, data in FILES.items():
        for _ in range(20):
            mutant = bytearray(data)
            # Half of the changes go where the structure is.
            reach = len(mutant) if RNG.random() < 0.5 else min(len(mutant), 200)
            for position in RNG.integers(0, reach, RNG.integers(1, 8)):
                mutant[position] = int(RNG.choice([0, 1, 127, 128, 255, RNG.integers(256)]))
            started = time.process_time()
            refused(bytes(mutant))
            assert time.process_time() - started < 3, name


def test_random_mutations_of_a_tiff_directory() -> None:
    data = FILES["tiff"]
    start = struct.unpack_from("<I", data, 4)[0]
    for _ in range(80):
        mutant = bytearray(data)
        for position in RNG.integers(start, len(data), RNG.integers(1, 4)):
            mutant[position] = int(RNG.integers(256))
        refused(bytes(mutant))


@pytest.mark.parametrize(
    "signature", [data[:16] for data in FILES.values()] + [b"", b"\0" * 40, b"BM", b"GIF89a", b"%PDF-1.7"]
)
def test_signatures_before_noise(signature: bytes) -> None:
    for length in (0, 1, 7, 60, 3000):
        assert refused(signature + RNG.bytes(length))


def png_header(width: int, height: int, bits: int = 8, colour_type: int = 0) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def tiff_header(width: int, height: int, pages: int = 1) -> bytes:
    data = b"II*\0"
    for _ in range(pages):
        entries = [(256, 4, width), (257, 4, height), (258, 3, 8), (262, 3, 1), (273, 4, 8), (279, 4, 10)]
        data += struct.pack("<IH", len(data) + 4, 6) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in entries)
    return data + bytes(4)


BOMBS = {
    "png": png_header(60_000, 60_000) + bytes(500),
    "png_30000": png_header(30_000, 30_000) + bytes(500),
    # Within the limits on pixels, and 0.9 GB once decoded.
    "png_deep_colour": png_header(12_247, 12_247, 16, 2) + bytes(500),
    "jpeg": b"\xff\xd8\xff\xc0\0\x0b\x08\xea\x60\xea\x60\x01\x01\x11\0\xff\xd9",
    "bmp": b"BM" + struct.pack("<IIIIiiHHIIIIII", 0, 0, 54, 40, 60_000, -60_000, 1, 24, 0, 0, 0, 0, 0, 0),
    "webp": b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<II", 10, 0) + b"\xff\xff\0\xff\xff\0",
    "tiff": tiff_header(60_000, 60_000),
    "tiff_wide": tiff_header(65_536, 10),
    "tiff_pages": tiff_header(5000, 5000, pages=20),
    "tiff_many_pages": tiff_header(5, 5, pages=65),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_from_the_header(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    started = time.process_time()
    with pytest.raises(ScanTooLarge, match="bag: ") as caught:
        read_scan(BOMBS[name], "bag")
    assert time.process_time() - started < 0.05
    # What a station can do, and what its developers can: there is no setting for it.
    assert "export it in parts" in caught.value.remedy and "Detector(limits=Limits(max_" in caught.value.remedy


def test_each_limit() -> None:
    data = FILES["png"]
    for limits in (
        Limits(max_bytes=100),
        Limits(max_side=159),
        Limits(max_view_pixels=19_199),
        Limits(max_total_pixels=99),
        Limits(max_decoded_bytes=57_599),
    ):
        with pytest.raises(ScanTooLarge):
            read_scan(data, "bag", limits)
    assert read_headers(data)[0].pixels == 19_200
    assert read_headers(data, Limits(max_decoded_bytes=57_600))[0].decoded_bytes == 57_600


def test_what_a_scan_takes_once_decoded_is_limited_and_usual_scans_fit() -> None:
    with pytest.raises(ScanTooLarge, match="900000000 bytes once decoded"):
        check_views((ViewHeader(15_000, 10_000, 3, 16),), Limits())
    with pytest.raises(ScanTooLarge, match="bytes once decoded"):
        check_views((ViewHeader(10_000, 8_000, 3, 12),) * 2, Limits())
    colour, energies = ViewHeader(10_000, 10_000, 3, 8), ViewHeader(10_000, 5_000, 1, 16)
    check_views((colour,) * 2, Limits())
    check_views((energies,) * 4, Limits())


def test_opencv_limit_of_its_own_is_named() -> None:
    """OPENCV_IO_MAX_IMAGE_PIXELS, 2**30 unless set, holds however far our own limits are raised."""
    data = png_header(40_000, 40_000) + png_chunk(b"IDAT", b"x") + png_chunk(b"IEND", b"")
    with pytest.raises(ScanTooLarge) as caught:
        read_scan(data, "bag", Limits(max_view_pixels=2**40, max_total_pixels=2**40, max_decoded_bytes=2**40))
    assert "OPENCV_IO_MAX_IMAGE_PIXELS" in caught.value.remedy


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_png_whose_pixel_stream_ends_early_under_valid_checksums() -> None:
    rows = RNG.bytes(41 * 40)
    rows = b"".join(b"\0" + rows[at + 1 : at + 41] for at in range(0, len(rows), 41))
    packed = zlib.compress(rows)
    for stream in (packed[:-5], packed[: len(packed) // 2], zlib.compress(rows[:-1]), packed[:-4] + b"abcd"):
        assert refused(png_header(40, 40) + png_chunk(b"IDAT", stream) + png_chunk(b"IEND", b""))
    assert not refused(png_header(40, 40) + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b""))


@pytest.mark.parametrize("name", ["png", "png16"])
def test_texts_of_a_png_are_not_unpacked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """libpng keeps up to a thousand of them, 8 MB each, of 8 kB of file."""
    text = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(7_900_000), 9))
    data = FILES[name]
    seen = []
    decode = png.decode_with_opencv
    monkeypatch.setattr(png, "decode_with_opencv", lambda given, header: (seen.append(given), decode(given, header))[1])
    views = [read_scan(one, "bag").views[0] for one in (data, data[:33] + text * 9 + data[33:-12] + text + data[-12:])]
    assert np.array_equal(*views)
    assert len(seen) == 2 and seen[0] == seen[1]


@pytest.mark.parametrize("apart", [False, True])
def test_a_second_stream_behind_the_pixels_of_a_png_is_noticed(apart: bool) -> None:
    data = FILES["png"]
    packed = b"".join(bytes(chunk[8:-4]) for kind, chunk in png._chunks(data) if kind == b"IDAT")
    for behind, wrong in ((packed, True), (b"\0" * 40, False)):
        parts = [packed, behind] if apart else [packed + behind]
        made = data[:33] + b"".join(png_chunk(b"IDAT", part) for part in parts) + data[-12:]
        if wrong:
            with pytest.raises(ScanUnreadable, match="more pixels than its header claims"):
                read_scan(made, "bag")
        else:
            assert np.array_equal(read_scan(made, "bag").views[0], read_scan(data, "bag").views[0])


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize(("name", "row_bytes"), [("png", 1 + 3 * 160), ("png16", 1 + 2 * 160)])
def test_rows_behind_the_last_that_the_header_claims_are_noticed(name: str, row_bytes: int, pieces: int) -> None:
    """Another picture, or zeros without end, of which libpng only warns."""
    data = FILES[name]
    rows = zlib.decompress(b"".join(bytes(chunk[8:-4]) for kind, chunk in png._chunks(data) if kind == b"IDAT"))
    assert len(rows) == 120 * row_bytes
    for behind in (b"", bytes(row_bytes), rows, bytes(10**8)):
        packed = zlib.compress(rows + behind)
        parts = [packed[at : at + len(packed) // pieces + 1] for at in range(0, len(packed), len(packed) // pieces + 1)]
        made = data[:33] + b"".join(png_chunk(b"IDAT", part) for part in parts) + data[-12:]
        started = time.process_time()
        if behind:
            with pytest.raises(ScanUnreadable, match="more pixels than its header claims"):
                read_scan(made, "bag")
        else:
            assert np.array_equal(read_scan(made, "bag").views[0], read_scan(data, "bag").views[0])
        assert time.process_time() - started < 0.5


def test_animations_are_refused() -> None:
    data = FILES["png"]
    animated = data[:33] + png_chunk(b"acTL", struct.pack(">II", 2, 0)) + data[33:]
    with pytest.raises(ScanUnreadable, match="animated"):
        read_scan(animated, "bag")
    extended = b"WEBPVP8X" + struct.pack("<II", 10, 2) + b"\x9f\0\0\x77\0\0"
    with pytest.raises(ScanUnreadable, match="animated"):
        read_scan(b"RIFF" + struct.pack("<I", len(extended)) + extended, "bag")
    with pytest.raises(ScanUnreadable, match="GIF is not read"):
        read_scan(b"GIF89a" + bytes(50), "bag")


@pytest.mark.parametrize("name", ["webp", "webp_lossless"])
def test_webp_cut_with_sizes_put_right(name: str) -> None:
    data = FILES[name]
    for percent in range(5, 95):
        body = data[20 : 20 + len(data) * percent // 100 // 2 * 2]
        assert refused(b"RIFF" + struct.pack("<I", len(body) + 12) + data[8:16] + struct.pack("<I", len(body)) + body)


def test_tiff_whose_pages_form_a_loop() -> None:
    data = bytearray(FILES["tiff"])
    start = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, start)[0]
    struct.pack_into("<I", data, start + 2 + 12 * count, start)
    with pytest.raises(ScanUnreadable, match="no end"):
        read_scan(bytes(data), "bag")


def test_directories_that_overlap_end_soon() -> None:
    """Pages of 65,535 entries each, four bytes apart: of all entries none is needed."""
    count, pages = 65_535, 40
    data = bytearray(b"\xff" * (8 + 4 * pages + 2 + 12 * count + 4))
    data[:8] = struct.pack("<2sHI", b"II", 42, 8)
    for page in range(pages):
        following = 8 + 4 * (page + 1) if page + 1 < pages else 0
        struct.pack_into("<I", data, 8 + 4 * page + 2 + 12 * count, following)
    started = time.process_time()
    assert refused(bytes(data))
    assert time.process_time() - started < 1


def test_a_page_of_more_entries_than_there_are_tags_is_refused() -> None:
    data = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) + struct.pack("<Q", 65_536) + bytes(20 * 65_536 + 8)
    with pytest.raises(ScanUnreadable, match="claims 65536 tags"):
        read_scan(data, "bag")


def test_a_tag_that_stands_twice_is_refused() -> None:
    data = FILES["tiff"]
    start = struct.unpack_from("<I", data, 4)[0]
    again = struct.pack("<HHII", 262, 3, 1, 0)
    count = struct.unpack_from("<H", data, start)[0]
    entries = data[start + 2 : start + 2 + 12 * count]
    moved = data + struct.pack("<H", count + 1) + again + entries + bytes(4)
    with pytest.raises(ScanUnreadable, match="twice"):
        read_scan(moved[:4] + struct.pack("<I", len(data)) + moved[8:], "bag")


@pytest.mark.parametrize(
    ("compression", "packed"),
    [
        (32773, b"\x80" * 100_000 + b"\xc1\x07"),
        (8, b"\x78\x9c" + b"\0\0\0\xff\xff" * 20_000 + zlib.compress(bytes(64))[2:]),
    ],
)
def test_strips_that_share_a_long_strip_are_refused_before_it_is_unpacked(compression: int, packed: bytes) -> None:
    page = np.zeros((400, 64), np.uint8)
    assert not refused(tiff([(page_tags(page[:1], 1, compression, rows=1), [packed])]))
    data = tiff([(page_tags(page, 1, compression, rows=1), [packed] + [b"x"] * 399)])
    offsets, lengths = (struct.pack("<400I", *[8] * 400), struct.pack("<400I", *[len(packed)] * 400))
    real = read_directories(data)[0]
    data = data.replace(struct.pack("<400I", *real.many(273).tolist()), offsets)
    data = data.replace(struct.pack("<400I", *real.many(279).tolist()), lengths)
    started = time.process_time()
    with pytest.raises(ScanUnreadable, match="strips overlap"):
        read_scan(data, "bag")
    assert time.process_time() - started < 1


def test_tables_as_long_as_a_picture_are_refused() -> None:
    tags = [*page_tags(np.zeros((64, 64), np.uint8), 1, 7, rows=64), (347, "B", [0] * 20_000)]
    with pytest.raises(ScanUnreadable, match="header is damaged"):
        read_scan(tiff([(tags, [encode(".jpg", np.zeros((64, 64), np.uint8))])]), "bag")


def codes_of_nine_bits(codes: list[int]) -> bytes:
    bits = "".join(f"{code:09b}" for code in codes)
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


@pytest.mark.parametrize("codes", [[256], [256, 65]])
def test_an_lzw_strip_that_only_clears_its_table_ends_soon(codes: list[int]) -> None:
    packed = codes_of_nine_bits(codes * 800) * 25
    started = time.process_time()
    with pytest.raises(ScanUnreadable, match="cleared again and again"):
        unpack_lzw(memoryview(packed), 800 * 25)
    assert time.process_time() - started < 0.5


def test_a_tag_as_long_as_the_file_is_refused() -> None:
    data = FILES["tiff"] + bytes(2**22 + 1)
    start = struct.unpack_from("<I", data, 4)[0]
    tag = struct.pack("<HHII", 347, 7, 2**22 + 1, len(FILES["tiff"]))
    with pytest.raises(ScanUnreadable, match="tags claim"):
        read_scan(data[: start + 2] + tag + data[start + 14 :], "bag")


def test_small_tiles_that_unpack_to_far_more_than_the_page() -> None:
    page = np.zeros((4, 4096), np.uint8)
    tags = [*page_tags(page, 1, 8), (322, "I", [16]), (323, "I", [60_000]), (324, "I", [0])]
    with pytest.raises(ScanUnreadable, match="far larger than the page"):
        read_scan(tiff([(tags, [zlib.compress(bytes(16 * 60_000))] * 256)]), "bag")
    sides = [*page_tags(page[:, :40], 1, 8), (322, "I", [1024]), (323, "I", [1024]), (324, "I", [0])]
    assert not refused(tiff([(sides, [zlib.compress(bytes(2**20))])]))


def cargo_tiff(bits: int, big: bool, compression: int) -> bytes:
    image = RNG.integers(0, 1 << bits, (37, 53)).astype(np.uint16)
    tags = [tag if tag[0] != 258 else (258, "H", [bits]) for tag in page_tags(image, 0, compression, 10)]
    parts = [image[top : top + 10] for top in range(0, 37, 10)]
    strips = [pack_twelve(part) if bits == 12 else part.astype(">u2").tobytes() for part in parts]
    strips = [zlib.compress(strip) for strip in strips] if compression == 8 else strips
    return tiff([(tags, strips)] * 2, ">", big)


@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("bits", [12, 16])
def test_two_page_tiffs_cut_at_every_64th_byte(bits: int, big: bool, compression: int) -> None:
    data = cargo_tiff(bits, big, compression)
    assert len(read_scan(data, "truck").views) == 2
    assert [end for end in range(0, len(data), 64) if not refused(data[:end])] == []


def test_the_sniff_takes_scans_and_leaves_text() -> None:
    assert all(looks_like_scan(data[:32]) for data in FILES.values())
    assert not any(looks_like_scan(head) for head in (b"", b"BM is a town", b"RIFF1234WAVEfmt ", b'{"a": 1}', b"%PDF"))
    assert set(READERS) == {"PNG", "JPEG", "TIFF", "BMP", "WebP", "NumPy", "DICOM"}
