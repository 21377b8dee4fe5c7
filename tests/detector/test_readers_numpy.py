"""Arrays as numpy writes them, read without numpy's own loader and without anything being unpickled."""

from __future__ import annotations

import contextlib
import io
import struct
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector.errors import ScanTooLarge, ScanUnreadable
from detector.readers import Limits, looks_like_scan, read_headers, read_scan, sidecar
from detector.readers.files import read_file
from detector.readers.sample_values import AIR_LEVEL

RNG = np.random.default_rng(11)


def npy(array: np.ndarray, *, version: tuple[int, int] = (1, 0)) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=version, allow_pickle=True)
    return stream.getvalue()


def npz(compressed: bool = True, **arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **arrays)
    return stream.getvalue()


def levels(*shape: int, kind: str = "u2") -> np.ndarray:
    return RNG.integers(0, 250 if kind.endswith("1") else 60_000, shape).astype(kind)


@pytest.mark.parametrize("kind", ["u1", "<u2", ">u2", "<i4", ">i8", "<u4"])
@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("shape", [(37, 53), (37, 53, 3), (2, 37, 53), (4, 37, 53)])
def test_integers_come_out_as_stored(kind: str, fortran: bool, shape: tuple[int, ...]) -> None:
    array = levels(*shape, kind=kind)
    views = read_scan(npy(np.asfortranarray(array) if fortran else array), "a.npy").views
    expected = [array] if shape[0] == 37 else list(array)
    assert len(views) == len(expected)
    for view, page in zip(views, expected, strict=True):
        assert view.dtype == (np.uint8 if kind == "u1" else np.uint16)
        assert np.array_equal(view, page)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_header(version: tuple[int, int]) -> None:
    array = levels(20, 30)
    assert np.array_equal(read_scan(npy(array, version=version), "a").views[0], array)


@pytest.mark.parametrize("kind", ["f2", "f4", ">f8"])
def test_floating_point_is_transmission(kind: str) -> None:
    array = RNG.uniform(0, 1, (300, 40)).astype(kind)
    view = read_scan(npy(array), "a.npy").views[0]
    assert view.dtype == np.uint16
    assert np.abs(view / AIR_LEVEL - array.astype(float)).max() <= 0.51 / AIR_LEVEL
    # Noise around air keeps its shape; a single hot cell does not refuse the scan.
    array[:, 0], array[5, 5] = 1.05, 3
    assert read_scan(npy(array), "a.npy").views[0][9, 0] == pytest.approx(1.05 * AIR_LEVEL, rel=0.001)


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize <= 8, reason="longdouble is double here")
def test_numbers_that_differ_between_machines_are_refused() -> None:
    with pytest.raises(ScanUnreadable, match="numbers of 16 bytes are not read"):
        read_scan(npy(np.full((40, 40), 0.5, np.longdouble)), "a")


@pytest.mark.parametrize("left_out", [0, 1, 2])
def test_an_array_that_the_directory_of_an_npz_does_not_list_is_noticed(left_out: int) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in "abc":
            archive.writestr(f"{name}.npy", npy(levels(20, 30)))
        members = list(archive.filelist)
        assert len(read_scan(npz(a=levels(20, 30), b=levels(20, 30)), "a").views) == 2
        archive.filelist.remove(members[left_out])
    with pytest.raises(ScanUnreadable, match="does not list"):
        read_scan(stream.getvalue(), "a.npz")


def test_what_an_npz_holds_behind_or_beside_its_pictures_is_noticed() -> None:
    picture = levels(40, 60)
    assert len(read_scan(npz(a=picture, row=np.arange(900.0)), "a").views) == 1
    with pytest.raises(ScanUnreadable, match="without its shape"):
        read_scan(npz(a=picture, b=np.tile(picture, (4, 1)).ravel()), "a")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", npy(picture))
    data, packer = stream.getvalue(), zlib.compressobj(wbits=-zlib.MAX_WBITS)
    member = zipfile.ZipFile(io.BytesIO(data)).infolist()[0]
    second, at = packer.compress(npy(picture)) + packer.flush(), 30 + len("a.npy") + member.compress_size
    grown = bytearray(data[:at] + second + data[at:])
    directory, end = data.index(b"PK\x01\x02") + len(second), len(grown) - 22
    for place in (18, directory + 20):
        struct.pack_into("<I", grown, place, member.compress_size + len(second))
    struct.pack_into("<I", grown, end + 16, directory)
    assert len(read_scan(data, "a").views) == 1
    with pytest.raises(ScanUnreadable, match="more than its compressed arrays"):
        read_scan(bytes(grown), "a")


def test_an_npz_that_was_written_as_a_stream_is_read() -> None:
    """Its sizes follow each member's data: nothing can be written back where a pipe has been."""

    class Pipe(io.RawIOBase):
        written = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.written += bytes(data)  # type: ignore[call-overload]
            return len(bytes(data))  # type: ignore[call-overload]

    pipe, high, low = Pipe(), levels(20, 30), levels(20, 30)
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in (("high", high), ("low", low)):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(npy(array))
    assert struct.unpack_from("<H", pipe.written, 6)[0] & 8
    assert [np.array_equal(*pair) for pair in zip(read_scan(pipe.written, "a").views, (high, low), strict=True)]


@pytest.mark.parametrize("compressed", [False, True])
def test_npz_in_file_order_without_its_scalars(compressed: bool) -> None:
    high, low = levels(20, 30), levels(20, 30)
    data = npz(compressed, high=high, low=low, pitch_mm=np.array(5.0))
    views = read_scan(data, "a.npz").views
    assert len(views) == 2 and np.array_equal(views[0], high) and np.array_equal(views[1], low)
    assert looks_like_scan(data[:160]) and looks_like_scan(npy(high)[:160])
    assert not looks_like_scan(b"PK\x03\x04" + bytes(26) + b"word/document.xml" + bytes(100))


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.array([[{}]], object), "pickled"),
        (np.ones((40, 40), bool), "no plain numbers"),
        (np.ones((40, 40), complex), "no plain numbers"),
        (np.zeros((40, 40), [("a", "u2")]), "no plain numbers"),
        (np.full((40, 40), 70_000, "u4"), "do not fit 16 bits"),
        (np.full((40, 40), -3, "i2"), "do not fit 16 bits"),
        (np.full((40, 40), 40.0), "no transmission"),
        (np.full((40, 40), -0.5), "no transmission"),
        (np.full((40, 40), np.nan), "not finite"),
        (np.full((40, 40), np.inf, "f4"), "not finite"),
        (np.zeros(40, "u2"), "is no scan"),
        (np.zeros((2, 2, 2, 2), "u2"), "is no scan"),
        (np.zeros((40, 0), "u2"), "claims 0 x 40"),
    ],
)
def test_what_is_no_measurement_is_refused(array: np.ndarray, told: str) -> None:
    with pytest.raises(ScanUnreadable, match=told) as refused:
        read_scan(npy(array), "a.npy")
    assert refused.value.remedy


def test_nothing_is_ever_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "sprung",)  # type: ignore[return-value]

    trap = np.array([[Trap()]], object)
    for data in (npy(trap), npz(a=trap)):
        with pytest.raises(ScanUnreadable):
            read_scan(data, "a.npy")
    assert not (tmp_path / "sprung").exists()


def test_limits_hold_before_a_pixel_is_read() -> None:
    header = npy(np.zeros((1, 1), "u2"))[:128].replace(b"(1, 1)", b"(9999999, 99999)"[:16])
    for data in (header, npz(a=levels(20, 30))):
        with pytest.raises(ScanTooLarge):
            read_scan(data, "a", Limits(max_side=15))
    packed = npz(a=np.zeros((4000, 4000), "u2"))
    assert len(packed) < 100_000 and read_headers(packed)[0].pixels == 16_000_000
    with pytest.raises(ScanTooLarge):
        read_scan(packed, "a", Limits(max_view_pixels=1_000_000))


def test_the_profile_beside_a_file_travels_with_it(tmp_path: Path) -> None:
    array = levels(20, 30)
    path = tmp_path / "truck.npy"
    path.write_bytes(npy(array))
    alone = read_scan(read_file(path, "truck.npy", Limits()), "truck.npy")
    assert alone.profile == ""
    (tmp_path / "truck.toml").write_text('name = "gate"')
    together = read_scan(read_file(path, "truck.npy", Limits()), "truck.npy")
    assert together.profile == 'name = "gate"' and together.sha256 != alone.sha256
    assert np.array_equal(together.views[0], array)
    (tmp_path / "truck.npy.toml").write_text('name = "this one"')
    assert "this one" in read_scan(read_file(path, "truck.npy", Limits()), "a").profile
    (tmp_path / "truck.npy.toml").write_text("#" * (sidecar.MOST_BYTES + 1))
    with pytest.raises(ScanUnreadable, match="too long"):
        read_file(path, "truck.npy", Limits())
    # Only raw arrays need one.
    (tmp_path / "bag.png").write_bytes(b"png")
    (tmp_path / "bag.toml").write_text("x")
    assert read_file(tmp_path / "bag.png", "bag.png", Limits()) == b"png"


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".npy"])
def test_a_file_that_brings_its_own_profile_is_refused(ending: str, tmp_path: Path) -> None:
    # It could say that its levels are transmission, which weights that may clear know how to look at.
    array = levels(60, 80, kind="u1")
    pixels = npy(array) if ending == ".npy" else cv2.imencode(ending, array)[1].tobytes()
    joined = sidecar.join(pixels, b'name = "mine"\nrendering = "cargo"\n')
    path = tmp_path / f"scan{ending}"
    path.write_bytes(joined)
    with pytest.raises(ScanUnreadable, match="profile of its own"):
        read_file(path, path.name, Limits())
    # Handed over as bytes, only a raw array has one: of a picture they are bytes behind its end.
    if ending == ".npy":
        assert read_scan(joined, "scan").profile
    else:
        with contextlib.suppress(ScanUnreadable):
            assert not read_scan(joined, "scan").profile
