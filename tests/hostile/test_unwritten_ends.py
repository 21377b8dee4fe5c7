"""Files of full size of which part was never written: what decodes all the same is not cleared; a whole file may be."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector import Detector
from detector.errors import ScanUnreadable
from detector.inspection import Decision
from detector.readers import read_scan
from detector.scanner_profile import ScannerProfile
from tests.conftest import make_spec, picture, probe_onnx
from tests.detector.test_readers import page_tags, strips_of, tiff
from tests.hostile.test_readers_hostile import encode, luggage

WHITE_IS_ZERO, RGB = 0, 2


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def uncompressed_tiff(image: np.ndarray, photometric: int, rows: int = 1) -> bytes:
    return tiff([(page_tags(image, photometric, rows=rows), strips_of(image, rows))])


def tiled_tiff(image: np.ndarray, side: int = 256) -> bytes:
    """RGB, its tiles filled up with zeros to the right of the page and below it."""
    down, across = (-(-length // side) for length in image.shape[:2])
    padded = np.zeros((down * side, across * side, 3), image.dtype)
    padded[: image.shape[0], : image.shape[1]] = image
    rows = [padded[top : top + side] for top in range(0, len(padded), side)]
    tiles = [row[:, left : left + side].tobytes() for row in rows for left in range(0, row.shape[1], side)]
    return tiff([([*page_tags(image, RGB), (322, "I", [side]), (323, "I", [side]), (324, "I", [0])], tiles)])


def grey_bmp(zero: int) -> bytes:
    """8 bits, 160 x 120. zero: the level of its palette's first colour."""
    palette = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 4, axis=1)
    palette[0] = zero
    data = bytearray(encode(".bmp", luggage(1)))
    data[54 : 54 + 1024] = palette.tobytes()
    return bytes(data)


def without_end(data: bytes, share: float) -> bytes:
    written = int(len(data) * (1 - share))
    return data[:written] + bytes(len(data) - written)


def ended(image: np.ndarray, share: float) -> np.ndarray:
    return np.frombuffer(without_end(image.tobytes(), share), image.dtype).reshape(image.shape)


FILES = {
    "webp": encode(".webp", luggage(), cv2.IMWRITE_WEBP_QUALITY, 90),
    "webp_lossless": encode(".webp", luggage(), cv2.IMWRITE_WEBP_QUALITY, 101),
    "bmp": encode(".bmp", luggage()),
    "bmp_grey": grey_bmp(0),
    "npy": npy(luggage()),
    "npy_views": npy(np.stack([luggage(1)] * 2)),
    "npy_by_column": npy(np.asfortranarray(luggage(1))),
}


@pytest.mark.parametrize("share", [0.05, 0.2, 0.8])
@pytest.mark.parametrize("name", FILES)
def test_zeros_at_the_end_are_doubted(name: str, share: float) -> None:
    assert read_scan(FILES[name], "bag").doubt == ""
    assert "may not have been written whole" in read_scan(without_end(FILES[name], share), "bag").doubt


@pytest.mark.parametrize("rows", [1, 120])
def test_zeros_at_the_end_of_a_tiff_are_doubted(rows: int) -> None:
    # Where the directory stands behind the strips, a file that was not written whole has none.
    torn = ended(luggage(), 0.2)
    assert read_scan(uncompressed_tiff(luggage(), RGB, rows), "bag").doubt == ""
    assert "written whole" in read_scan(uncompressed_tiff(torn, RGB, rows), "bag").doubt
    assert read_scan(uncompressed_tiff(torn[:, :, 0], WHITE_IS_ZERO, rows), "bag").doubt == ""


@pytest.mark.parametrize("height", [480, 512, 516])
def test_what_tiles_hold_below_the_page_is_no_doubt_and_a_tile_that_was_not_written_is(height: int) -> None:
    image = cv2.resize(luggage(), (520, height))
    # A thin black frame fills the last row of tiles where only four rows are left for it.
    image[:4] = image[-4:] = 0
    assert read_scan(tiled_tiff(image), "bag").doubt == ""
    torn = image.copy()
    torn[256:512, 512:] = torn[512:] = 0
    assert "written whole" in read_scan(tiled_tiff(torn), "bag").doubt


@pytest.mark.parametrize("scale", [1, 4])
def test_zeros_at_the_end_of_a_dicom_are_doubted(scale: int) -> None:
    pytest.importorskip("pydicom")
    from tests.detector.test_readers_dicom import dataset, written

    pixels = cv2.resize(luggage(1), None, fx=scale, fy=scale)
    sides = {"Rows": pixels.shape[0], "Columns": pixels.shape[1]}
    eight = {**sides, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    torn = without_end(pixels.tobytes(), 0.2)
    assert read_scan(written(dataset(pixels, **eight)), "bag").doubt == ""
    assert "written whole" in read_scan(written(dataset(torn, **eight)), "bag").doubt
    dark = written(dataset(torn, **eight | {"PhotometricInterpretation": "MONOCHROME1"}))
    assert read_scan(dark, "bag").doubt == ""


def test_a_hole_in_a_lossy_webp_is_doubted() -> None:
    data = bytearray(FILES["webp"])
    data[len(data) // 2 : len(data) // 2 + 512] = bytes(512)
    assert "written whole" in read_scan(bytes(data), "bag").doubt


def noisy() -> np.ndarray:
    image = cv2.resize(luggage(), (640, 480))
    return np.clip(image + np.random.default_rng(0).normal(0, 6, image.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_RST_INTERVAL, 10), (cv2.IMWRITE_JPEG_OPTIMIZE, 1)])
def test_a_hole_in_a_jpeg_is_refused_wherever_it_lies(options: tuple[int, ...]) -> None:
    data = encode(".jpg", cv2.resize(luggage(), (640, 480)), cv2.IMWRITE_JPEG_QUALITY, 90, *options)
    read_scan(data, "bag")
    for at in range(1024, len(data) - 514, 512):
        with pytest.raises(ScanUnreadable, match="JPEG is damaged"):
            read_scan(data[:at] + bytes(512) + data[at + 512 :], "bag")


@pytest.mark.parametrize("size", [512, 4096])
def test_a_hole_in_a_progressive_jpeg_is_refused_but_where_it_hides_nothing(size: int) -> None:
    data = encode(".jpg", noisy(), cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    whole = read_scan(data, "bag").views[0].astype(np.int16)
    read = 0
    for at in range(1024, len(data) - size - 2, 1024):
        # The last bit of the mean brightness of some blocks may be lost unheard.
        with contextlib.suppress(ScanUnreadable):
            torn = read_scan(data[:at] + bytes(size) + data[at + size :], "bag").views[0]
            assert np.abs(torn - whole).max() <= 8
            read += 1
    assert read <= 2


@pytest.mark.parametrize("kind", [(), (cv2.IMWRITE_JPEG_OPTIMIZE, 1), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)])
@pytest.mark.parametrize("quality", [1, 50, 95, 100])
def test_a_whole_jpeg_of_even_air_is_read(quality: int, kind: tuple[int, ...]) -> None:
    image = cv2.resize(luggage(), (800, 600))
    for even in (0, 300, 600):
        image[600 - even :] = 255
        assert read_scan(encode(".jpg", image, cv2.IMWRITE_JPEG_QUALITY, quality, *kind), "bag").doubt == ""


def test_where_a_palette_starts_with_air_whole_rows_of_it_may_end_a_scan() -> None:
    assert read_scan(without_end(grey_bmp(255), 0.2), "bag").doubt == ""


def test_a_thin_black_frame_is_no_end_that_was_not_written() -> None:
    image = luggage()
    image[:4] = image[-4:] = 0
    for data in (encode(".bmp", image), npy(image), uncompressed_tiff(image, RGB)):
        assert read_scan(data, "bag").doubt == ""


@pytest.mark.parametrize("quality", [10, 80, 101])
@pytest.mark.parametrize("share", [0.5, 1])
def test_a_whole_webp_of_even_air_is_no_doubt(quality: int, share: float) -> None:
    image = cv2.resize(luggage(), (1600, 1200))
    image[-int(len(image) * share) :] = 255
    assert read_scan(encode(".webp", image, cv2.IMWRITE_WEBP_QUALITY, quality), "bag").doubt == ""


def test_what_was_not_written_whole_is_not_cleared(probe: Path) -> None:
    detector = Detector(probe, provider="cpu", threads=1)
    whole = encode(".bmp", picture(320, 320))
    assert detector.inspect(whole).decision is Decision.CLEAR
    torn = detector.inspect(without_end(whole, 0.03))
    assert torn.decision is Decision.REFER
    assert "written whole" in torn.reasons[0]


def test_rows_of_zeros_are_not_cleared_where_the_profile_alone_says_that_they_are_air(tmp_path: Path) -> None:
    weights = probe_onnx(tmp_path / "probe.onnx", make_spec(renderings=("grey",), tile_pixels=64))
    profile = ScannerProfile(name="belt", polarity="air dark", bits_stored=16, air_value=65_035)
    detector = Detector(weights, provider="cpu", threads=1, scanner=profile)
    raw = np.random.default_rng(0).integers(480, 520, (320, 320)).astype(np.uint16)
    raw[100:200, 100:200] += 25_000
    assert detector.inspect(npy(raw)).decision is Decision.CLEAR
    raw[-6:] = 0
    torn = detector.inspect(npy(raw))
    assert torn.decision is Decision.REFER
    assert "written whole" in torn.reasons[0]
