"""DICOM as pydicom writes it: every kind of pixel that scanners store gives bright-is-air levels, or is refused."""

from __future__ import annotations

import contextlib
import io
import struct
import sys
import tracemalloc

import numpy as np
import pytest

from detector.errors import ScanTooLarge, ScanUnreadable
from detector.readers import Limits, dicom, looks_like_scan, read_headers, read_scan
from detector.readers.sample_values import AIR_LEVEL

pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed: uv sync --extra dicom")

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.uid import (  # noqa: E402
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

RNG = np.random.default_rng(5)
IMAGE = RNG.integers(0, 4096, (37, 52)).astype(np.uint16)


def dataset(pixels: np.ndarray | bytes = IMAGE, syntax: str = ExplicitVRLittleEndian, **elements: object) -> Dataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.501.1"
    meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    made = FileDataset("scan.dcs", Dataset(), file_meta=meta, preamble=bytes(128))
    values = {
        "Rows": 37, "Columns": 52, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0,
    }  # fmt: skip
    for keyword, value in (values | elements).items():
        setattr(made, keyword, value)
    big = syntax == ExplicitVRBigEndian
    plain = pixels if isinstance(pixels, bytes) else pixels.astype(pixels.dtype.newbyteorder(">" if big else "<"))
    made.PixelData = plain if isinstance(plain, bytes) else plain.tobytes()
    made["PixelData"].VR = "OW"
    return made


def written(made: Dataset) -> bytes:
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, made, enforce_file_format=True)
    return stream.getvalue()


def view(made: Dataset) -> np.ndarray:
    views = read_scan(written(made), "scan.dcs").views
    assert len(views) == 1
    return views[0]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_uncompressed_grey(syntax: str) -> None:
    data = written(dataset(syntax=syntax))
    assert np.array_equal(read_scan(data, "scan.dcs").views[0], IMAGE)
    assert looks_like_scan(data[:160])
    assert (read_headers(data)[0].width, read_headers(data)[0].height) == (52, 37)


def test_eight_bits_and_an_odd_number_of_bytes() -> None:
    image = RNG.integers(0, 256, (37, 51)).astype(np.uint8)
    made = dataset(image.tobytes() + b"\0", Columns=51, BitsAllocated=8, BitsStored=8, HighBit=7)
    assert np.array_equal(view(made), image)


@pytest.mark.parametrize("columns", [52, 51])
def test_bytes_in_big_endian_words_stand_the_other_way_round(columns: int) -> None:
    image = RNG.integers(0, 256, (37, columns)).astype(np.uint8)
    padded = image.tobytes() + bytes(image.size % 2)
    swapped = np.frombuffer(padded, "<u2").astype(">u2").tobytes()
    eight = {"Columns": columns, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    assert np.array_equal(view(dataset(swapped, ExplicitVRBigEndian, **eight)), image)
    plain = dataset(padded, ExplicitVRBigEndian, **eight)
    plain["PixelData"].VR = "OB"
    assert np.array_equal(view(plain), image)


def test_what_is_bright_is_air() -> None:
    assert np.array_equal(view(dataset(PhotometricInterpretation="MONOCHROME1")), 4095 - IMAGE)
    # What the values mean goes before how they are shown.
    both = {"PhotometricInterpretation": "MONOCHROME1", "PixelIntensityRelationshipSign": 1}
    assert np.array_equal(view(dataset(**both)), IMAGE)
    assert np.array_equal(view(dataset(PixelIntensityRelationshipSign=-1)), 4095 - IMAGE)


def test_stored_bits_that_do_not_start_at_the_bottom() -> None:
    overlay = RNG.integers(0, 16, IMAGE.shape).astype(np.uint16)
    assert np.array_equal(view(dataset((IMAGE << 4) | overlay, HighBit=15)), IMAGE)
    assert np.array_equal(view(dataset(IMAGE | (overlay << 12))), IMAGE)


def test_signed_values_and_rescaling() -> None:
    signed = (IMAGE.astype(int) - 2048).astype(np.int16)
    made = dataset(signed.view(np.uint16) & 0x0FFF, PixelRepresentation=1, RescaleSlope=1, RescaleIntercept=2048)
    assert np.array_equal(view(made), IMAGE)
    made = dataset(RescaleSlope=1 / 4095, RescaleIntercept=0)
    assert np.abs(view(made).astype(float) - IMAGE / 4095 * AIR_LEVEL).max() <= 1


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, -500.0), (2.0, -1000.0), (20.0, -10_000.0), (0.5, -250.0)])
def test_the_dark_level_that_the_header_takes_off_stays_off(slope: float, intercept: float) -> None:
    """Twice the intensity is twice the level, whatever the range that the header allows."""
    measured = np.round(IMAGE * 0.8).astype(np.uint16)
    seen = view(dataset(measured + 500, RescaleSlope=slope, RescaleIntercept=intercept)).astype(float)
    factor = seen[measured == measured.max()][0] / measured.max()
    assert np.abs(seen - factor * measured).max() <= 1 and factor >= 1
    assert factor == slope if 1 <= slope < 10 else seen.max() <= 65_535
    with pytest.raises(ScanUnreadable, match="below 0"):
        view(dataset(measured, RescaleSlope=slope, RescaleIntercept=4 * intercept))


@pytest.mark.parametrize("rescale", [(1, 0), (1, -7), (1 / 4095, 0)])
def test_a_large_frame_takes_a_few_times_its_size(rescale: tuple[float, float]) -> None:
    image = np.tile(IMAGE, (120, 30))
    size = {"Rows": image.shape[0], "Columns": image.shape[1]}
    data = written(dataset(image, RescaleSlope=rescale[0], RescaleIntercept=rescale[1], **size))
    read_scan(data, "a")
    tracemalloc.start()
    try:
        read_scan(data, "a")
        assert tracemalloc.get_traced_memory()[1] < 7.5 * len(data)
    finally:
        tracemalloc.stop()


def test_frames_are_views_and_colour_by_pixel_or_by_plane() -> None:
    frames = RNG.integers(0, 4096, (3, 37, 52)).astype(np.uint16)
    views = read_scan(written(dataset(frames, NumberOfFrames=3)), "a").views
    assert len(views) == 3 and all(np.array_equal(a, b) for a, b in zip(views, frames, strict=True))
    rgb = RNG.integers(0, 256, (37, 52, 3)).astype(np.uint8)
    colour = {
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
    }
    assert np.array_equal(view(dataset(rgb, PlanarConfiguration=0, **colour)), rgb)
    planes = np.ascontiguousarray(np.moveaxis(rgb, 2, 0))
    assert np.array_equal(view(dataset(planes, PlanarConfiguration=1, **colour)), rgb)


def test_run_lengths_are_decoded_and_other_compressions_named() -> None:
    made = dataset()
    made.compress(RLELossless, IMAGE)
    assert np.array_equal(view(made), IMAGE)
    packed = dataset(encapsulate([b"no JPEG 2000 stream"]), JPEG2000Lossless)
    packed["PixelData"].is_undefined_length = True
    with pytest.raises(ScanUnreadable) as refused:
        view(packed)
    assert "compressed as JPEG 2000" in refused.value.what
    assert "export" in refused.value.remedy
    with pytest.raises(ScanUnreadable, match="Deflated"):
        view(dataset(syntax=DeflatedExplicitVRLittleEndian))


def test_run_lengths_of_frames_and_of_colour() -> None:
    frames = RNG.integers(0, 4096, (3, 37, 52)).astype(np.uint16)
    made = dataset(frames, NumberOfFrames=3)
    made.compress(RLELossless, frames)
    views = read_scan(written(made), "a").views
    assert len(views) == 3 and all(np.array_equal(a, b) for a, b in zip(views, frames, strict=True))
    rgb = RNG.integers(0, 256, (37, 52, 3)).astype(np.uint8)
    eight = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    made = dataset(rgb, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0, **eight)
    made.compress(RLELossless, rgb)
    assert np.array_equal(view(made), rgb)


def run_lengths(*segments: bytes, starts: list[int] | None = None) -> Dataset:
    at = [64 + sum(map(len, segments[:number])) for number in range(len(segments))] if starts is None else starts
    header = struct.pack("<16I", len(segments), *at, *[0] * (15 - len(at)))
    made = dataset(encapsulate([header + b"".join(segments)]), RLELossless)
    made["PixelData"].is_undefined_length = True
    return made


def test_run_lengths_never_give_more_than_the_header_claims() -> None:
    """Two bytes stand for 128: a megabyte would become 64."""
    full = bytes([129, 7]) * 15 + bytes([253, 7])
    assert (view(run_lengths(full, full)) == 0x0707 & 0x0FFF).all()
    bomb = bytes([129, 7]) * 500_000
    tracemalloc.start()
    for made in (
        run_lengths(bomb, full),
        run_lengths(full, full[:-2]),
        run_lengths(full),
        run_lengths(full, full, full),
        run_lengths(full, full, starts=[64, 64]),
        run_lengths(full, full, starts=[64, 9999]),
    ):
        with pytest.raises(ScanUnreadable):
            view(made)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def group_two(element: int, kind: bytes, value: bytes) -> bytes:
    length = struct.pack("<HI", 0, len(value)) if kind == b"OB" else struct.pack("<H", len(value))
    return struct.pack("<HH2s", 2, element, kind) + length + value


def test_pydicom_sees_no_file_of_another_syntax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydicom, "dcmread", lambda *_, **__: pytest.fail("parsed"))
    deflated = group_two(0x10, b"UI", b"1.2.840.10008.1.2.1.99")
    plain = group_two(0x10, b"UI", b"1.2.840.10008.1.2.1\0")
    far = group_two(1, b"OB", bytes(70_000))
    for elements, told in (
        (deflated, "Deflated"),
        (far + deflated, "Deflated"),
        (plain + deflated, "names 2 transfer syntaxes"),
        (far, "names 0 transfer syntaxes"),
        (plain + group_two(1, b"OB", bytes(90))[:40], "do not hold together"),
    ):
        with pytest.raises(ScanUnreadable, match=told):
            read_scan(bytes(128) + b"DICM" + elements, "a")


@pytest.mark.parametrize(
    "elements",
    [
        {"PixelIntensityRelationship": "LOG"},
        {"PixelIntensityRelationship": "DISP"},
        {"PixelIntensityRelationship": "ROOT"},
        {"PixelIntensityRelationship": ["LIN", "LOG"]},
        {"RescaleType": "OD"},
        {"RescaleType": "HU"},
        {"ModalityLUTSequence": [Dataset()]},
    ],
)
def test_levels_that_are_not_linear_are_refused(elements: dict[str, object]) -> None:
    with pytest.raises(ScanUnreadable, match="is not read") as refused:
        view(dataset(**elements))
    assert "linear" in refused.value.remedy
    assert np.array_equal(view(dataset(PixelIntensityRelationship="LIN", RescaleType="US")), IMAGE)


@pytest.mark.parametrize(
    "elements",
    [
        {"SamplesPerPixel": 3},
        {"PhotometricInterpretation": "PALETTE COLOR"},
        {"BitsAllocated": 32},
        {"BitsStored": 17},
        {"HighBit": 4},
        {"Rows": 38},
        {"NumberOfFrames": 2},
        {"RescaleSlope": 0},
        {"RescaleSlope": -1},
    ],
)
def test_headers_that_do_not_hold_together(elements: dict[str, object]) -> None:
    with pytest.raises(ScanUnreadable) as refused:
        view(dataset(**elements))
    assert refused.value.remedy


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("sign", [0, 1])
def test_padding_is_not_taken_for_air(syntax: str, sign: int) -> None:
    image = np.clip(IMAGE, 100, 2000)
    signed = {"PixelRepresentation": sign}
    said = dataset(image, syntax, PixelPaddingValue=-5 if sign else 4095, **signed)
    assert np.array_equal(view(said), view(dataset(image, syntax, **signed))), "padding that no pixel has"
    image[30:, 40:] = 4091
    with pytest.raises(ScanUnreadable, match=r"padding \(4\.37% of a view"):
        view(dataset(image, syntax, PixelPaddingValue=-5 if sign else 4091, **signed))
    limits = {"PixelPaddingValue": -4 if sign else 4095, "PixelPaddingRangeLimit": -10 if sign else 4090}
    with pytest.raises(ScanUnreadable, match=r"padding \(4\.37% of a view"):
        view(dataset(image, syntax, **limits, **signed))


def test_padding_of_signed_pixels_that_is_told_as_unsigned_is_padding() -> None:
    image = np.clip(IMAGE, 100, 2000)
    image[30:, 40:] = 4091
    said = dataset(image, PixelRepresentation=1)
    # As some writers do: the two bytes are those of -5, the type of the element is not.
    said.add_new("PixelPaddingValue", "US", 65_531)
    with pytest.raises(ScanUnreadable, match=r"padding \(4\.37% of a view"):
        view(said)


def group(keyword: str, value: object) -> Dataset:
    """A functional group of frames in which one part says one thing."""
    part, made = Dataset(), Dataset()
    setattr(part, keyword, value)
    made.PixelValueTransformationSequence = [part]
    return made


@pytest.mark.parametrize("name", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"])
def test_what_is_said_of_the_frames_holds_as_if_said_of_the_whole(name: str) -> None:
    assert np.array_equal(view(dataset(**{name: [group("PixelIntensityRelationshipSign", -1)]})), 4095 - IMAGE)
    assert np.array_equal(view(dataset(**{name: [group("RescaleIntercept", 5)]})), IMAGE + 5)
    for keyword, value in (("RescaleSlope", -1), ("PixelIntensityRelationship", "LOG")):
        with pytest.raises(ScanUnreadable, match="is not read"):
            view(dataset(**{name: [group(keyword, value)]}))
    with pytest.raises(ScanUnreadable, match="several values of RescaleSlope"):
        view(dataset(**{name: [group("RescaleSlope", 1), group("RescaleSlope", 2)]}))


def test_a_doubt_goes_by_what_is_said_of_very_many_frames() -> None:
    """So long an element is not copied out of the file before it is looked at."""
    frames = np.zeros((3000, 2, 3), np.uint16)
    header = {"NumberOfFrames": len(frames), "Rows": 2, "Columns": 3}
    for sign, told in ((1, True), (-1, False)):
        groups = [group("PixelIntensityRelationshipSign", sign)] * len(frames)
        made = dataset(frames, **header, PerFrameFunctionalGroupsSequence=groups)
        assert bool(dicom.doubt(written(made))) == told


def test_zeros_at_the_end_of_pixels_of_no_stated_length_are_doubted() -> None:
    data = written(dataset(np.tile(IMAGE, (20, 20)) * (np.arange(740) < 700)[:, None], Rows=740, Columns=1040))
    length_at = data.index(b"\xe0\x7f\x10\0OW\0\0") + 8
    endless = data[:length_at] + b"\xff" * 4 + data[length_at + 4 :] + b"\xfe\xff\xdd\xe0\0\0\0\0"
    for one in (data, endless):
        assert "written whole" in read_scan(one, "scan.dcs").doubt


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
def test_a_doubt_about_the_end_copies_no_pixels(syntax: str) -> None:
    image = np.tile(IMAGE, (20, 20))
    made = dataset(image, ExplicitVRLittleEndian if syntax == RLELossless else syntax, Rows=740, Columns=1040)
    if syntax == RLELossless:
        made.compress(RLELossless)
    data = written(made)
    assert dicom.doubt(data) == ""
    tracemalloc.start()
    dicom.doubt(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < image.nbytes / 4


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
def test_pixels_beside_those_that_are_read_are_noticed(syntax: str) -> None:
    made = dataset(syntax=ExplicitVRLittleEndian if syntax == RLELossless else syntax)
    if syntax == RLELossless:
        made.compress(RLELossless, IMAGE)
    data = written(made)
    element = data[data.index(struct.pack(">HH" if syntax == ExplicitVRBigEndian else "<HH", 0x7FE0, 0x10)) :]
    for extra in (data, element, b"perhaps the start of another scan"):
        with pytest.raises(ScanUnreadable, match="twice, or two files"):
            read_scan(data + extra, "a")
    assert np.array_equal(read_scan(data + bytes(64), "a").views[0], IMAGE)
    made.add_new(0xFFFCFFFC, "OB", bytes(10))
    assert np.array_equal(view(made), IMAGE)


def test_limits_hold_before_the_pixels() -> None:
    for elements in ({"Rows": 60_000, "Columns": 60_000}, {"NumberOfFrames": 900_000}):
        with pytest.raises(ScanTooLarge):
            read_scan(written(dataset(**elements)), "a")
    with pytest.raises(ScanTooLarge):
        read_scan(written(dataset()), "a", Limits(max_view_pixels=1000))


def test_cut_anywhere_it_is_refused() -> None:
    data = written(dataset())
    for end in range(0, len(data) - 1, 64):
        with pytest.raises(ScanUnreadable):
            read_scan(data[:end], "a")


def test_random_changes_raise_nothing_else() -> None:
    data = written(dataset())
    for _ in range(150):
        mutant = bytearray(data)
        for position in RNG.integers(128, 700, RNG.integers(1, 6)):
            mutant[position] = int(RNG.integers(256))
        with contextlib.suppress(ScanUnreadable):
            assert read_scan(bytes(mutant), "a").views


def test_without_the_package_the_remedy_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ScanUnreadable) as refused:
        read_scan(bytes(128) + b"DICM" + bytes(50), "scan.dcs")
    assert "uv sync --extra dicom" in refused.value.remedy
