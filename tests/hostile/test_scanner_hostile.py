"""Raw scans that are cut, joined, swapped, inverted or starved: REFER or the right picture, never CLEAR on nothing."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from detector import Decision, Detector
from detector.errors import ScanTooLarge, ScanUnreadable
from detector.readers import read_scan
from detector.scanner_profile import ScannerProfile
from tests.conftest import make_spec, probe_onnx
from tests.detector.beer_lambert import DARK, high_and_low, scan_of, stored

RNG = np.random.default_rng(3)
PROFILE = ScannerProfile(name="gate", energies=("high", "low"), air_columns=(0, 40))


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


ARRAY = RNG.integers(0, 60_000, (40, 50)).astype(np.uint16)
FILES = {"npy": npy(ARRAY), "npy_float": npy(ARRAY / 60_000), "npz": npz(high=ARRAY, low=ARRAY // 2)}


def refused(data: bytes) -> bool:
    try:
        read_scan(data, "truck")
    except ScanUnreadable as error:
        refusal = error
    else:
        return False
    assert "\n" not in refusal.what and refusal.remedy
    return True


@pytest.mark.parametrize("name", FILES)
def test_cut_at_every_64th_byte(name: str) -> None:
    data = FILES[name]
    assert not refused(data)
    assert [end for end in range(0, len(data), 64) if not refused(data[:end])] == []
    assert refused(data[:-1])


@pytest.mark.parametrize("name", FILES)
def test_anything_behind_the_end_is_noticed(name: str) -> None:
    data = FILES[name]
    assert refused(data + data)
    assert refused(data + b"garbage")
    assert refused(data + bytes(70_000) + b"garbage")


@pytest.mark.parametrize("name", FILES)
def test_random_changes_raise_nothing_else(name: str) -> None:
    for _ in range(100):
        mutant = bytearray(FILES[name])
        for position in RNG.integers(0, min(len(mutant), 300), RNG.integers(1, 6)):
            mutant[position] = int(RNG.choice([0, 40, 49, 127, 255, RNG.integers(256)]))
        refused(bytes(mutant))


def test_a_changed_byte_inside_a_zip_is_noticed() -> None:
    data = FILES["npz"]
    for position in range(200, len(data) - 400, len(data) // 40):
        changed = data[:position] + bytes([data[position] ^ 16]) + data[position + 1 :]
        assert refused(changed) or np.array_equal(read_scan(changed, "a").views[0], ARRAY)


def header(shape: str, kind: str = "<u2", length: int | None = None) -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text) if length is None else length) + text.encode()


@pytest.mark.parametrize(
    "shape", ["(60000, 60000)", "(70000, 10)", "(60, 5000, 5000)", f"({10**30}, {10**30})", "(40000, 40000, 3)"]
)
def test_bombs_are_refused_from_the_header(shape: str) -> None:
    with pytest.raises(ScanTooLarge):
        read_scan(header(shape) + bytes(100), "bomb")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", header(shape) + bytes(10_000))
    with pytest.raises(ScanTooLarge):
        read_scan(stream.getvalue(), "bomb")


@pytest.mark.parametrize(
    "data",
    [
        header("(-4, 5)"),
        header("(4.5, 5)"),
        header("__import__('os').abort()"),
        header("(40, 50)", kind="|O8"),
        header("(40, 50)", kind="<u3"),
        header("(40, 50)", kind="<f16"),
        header("(40, 50)", length=60_000),
        b"\x93NUMPY\x09\0" + bytes(60),
        b"\x93NUMPY",
        b"\x93NUMPY\x02\0\xff\xff\xff\xff" + bytes(60),
    ],
)
def test_headers_that_mean_harm(data: bytes) -> None:
    assert refused(data + bytes(4000))


def test_zips_that_hold_something_else() -> None:
    for members in ({"a.npy": npy(ARRAY), "run.py": b"x"}, {"a.npy": npy(np.array(3.0))}, {"a.npy": b"text"}):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, body in members.items():
                archive.writestr(name, body)
        assert refused(stream.getvalue())
    many = {f"a{number}": ARRAY[:2, :2] for number in range(300)}
    with pytest.raises(ScanTooLarge):
        read_scan(npz(**many), "a")


def test_zips_that_unpack_without_a_bound_or_list_without_end() -> None:
    for method, told in ((zipfile.ZIP_BZIP2, "method 12"), (zipfile.ZIP_LZMA, "method 14")):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", method) as archive:
            archive.writestr("a.npy", npy(ARRAY))
        with pytest.raises(ScanUnreadable, match=told):
            read_scan(stream.getvalue(), "a")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("a.npy", "b.npy"):
            member = zipfile.ZipInfo(name)
            member.comment = bytes(40_000)
            archive.writestr(member, npy(ARRAY))
    with pytest.raises(ScanTooLarge, match="directory of the"):
        read_scan(stream.getvalue(), "a")


def test_a_zip64_directory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 0)
    with pytest.raises(ScanUnreadable, match="ZIP64"):
        read_scan(npz(high=ARRAY), "a")


# Scans that decode, and say nothing or something else than the profile claims


def pages(noise: float = 60, **slabs: float) -> list[np.ndarray]:
    return [stored(part, 1.0, noise) for part in high_and_low(**slabs)]


HIGH, LOW = pages()
STARVED = [np.clip(RNG.poisson(5 * part) * 9 + DARK, 0, 65_535).astype(np.uint16) for part in high_and_low()]
STRIPED = [np.where(np.arange(len(page))[:, None] % 5 < 2, 0, page).astype(np.uint16) for page in (HIGH, LOW)]
SCANS = {
    "swapped": (LOW, HIGH),
    "inverted": (65_535 - HIGH, 65_535 - LOW),
    "one page twice": (HIGH, HIGH),
    "a page missing": (HIGH,),
    "a page too many": (HIGH, LOW, LOW),
    "pages of different size": (HIGH, LOW[:, :-2]),
    "starved": tuple(STARVED),
    "beam off": (np.full_like(HIGH, DARK), np.full_like(LOW, DARK)),
    "shutter closed": tuple(RNG.normal(DARK, 5, (2, *HIGH.shape)).astype(np.uint16)),
    "saturated": tuple(np.clip(page.astype(float) * 1.5, 0, 65_535).astype(np.uint16) for page in (HIGH, LOW)),
    "stripes over two fifths": tuple(STRIPED),
    "opaque": tuple(pages(steel_cm=70.0, water_cm=700.0)),
    "nothing but air": (np.full_like(HIGH, 52_000), np.full_like(LOW, 52_000)),
    "low energy lost": (HIGH, np.full_like(LOW, DARK)),
    "energies of two scans": (HIGH, np.roll(LOW, 130, axis=1)),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The probe, as if it had been trained on transmission: its rendering gives no doubt."""
    return probe_onnx(
        tmp_path_factory.mktemp("weights") / "trained.onnx", make_spec(tile_pixels=1000, renderings=("grey",))
    )


@pytest.mark.parametrize("name", SCANS)
def test_never_clear_on_pixels_that_say_nothing(name: str, trained: Path) -> None:
    inspection = Detector(trained, scanner=PROFILE).inspect(scan_of(*SCANS[name]))
    assert inspection.decision is not Decision.CLEAR, inspection.reasons
    assert inspection.reasons[0]


def test_the_sound_scan_beside_them_is_cleared(trained: Path) -> None:
    inspection = Detector(trained, scanner=PROFILE).inspect(scan_of(*pages(steel_cm=3.0, water_cm=5.0)))
    assert inspection.decision is Decision.CLEAR, inspection.reasons
