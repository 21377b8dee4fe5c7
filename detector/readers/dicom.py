"""DICOM and DICOS (NEMA IIC 1): every frame is a view. Needs the extra `dicom`; nothing else here imports pydicom.

The transfer syntax is read here, before pydicom sees the file: a deflated data set would be unpacked whole before a
limit could apply. Then the header is parsed, and the limits are applied, before the pixel element is looked at. Which
way round the intensities run is told by Pixel Intensity Relationship Sign where it is given, else by MONOCHROME1 or 2.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from detector.errors import ScanUnreadable
from detector.readers.limits import ViewHeader
from detector.readers.sample_values import as_levels
from detector.readers.tiff_compression import unpack_packbits
from detector.readers.unwritten import rows_doubt
from detector.scan import Pixels

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

Result = TypeVar("Result")

SIGNATURE = re.compile(rb".{128}DICM", re.S)

_INSTALL = "install the extra `dicom` (uv sync --extra dicom, or pip install pydicom)"
_EXPORT = "export the scan as uncompressed Explicit VR Little Endian DICOM, grey or RGB, or as 16 bit TIFF"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
#: Read without a further package.
_PLAIN = {"1.2.840.10008.1.2": "<", "1.2.840.10008.1.2.1": "<", _BIG_ENDIAN: ">"}
#: RLE Lossless (part 5 of the standard, annex G), unpacked here: pydicom does so without a bound.
_RUN_LENGTHS = "1.2.840.10008.1.2.5"
#: Header of a run-length frame: how many segments, and where each of at most 15 starts.
_SEGMENTS = struct.Struct("<16I")
#: Where the first element stands, and the Transfer Syntax UID in group 2, which is always explicit and little-endian.
_FIRST_ELEMENT, _SYNTAX_TAG = 132, (2, 0x10)
#: Value representations whose length takes four bytes, behind two that are empty.
_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
_LINEAR = "export the detector's linear values, without a logarithm, a display curve or a Modality LUT"
_WHOLE = "export the rectangle that was measured, without padding"
#: Pixel Intensity Relationship, and Rescale Type, of levels that are a linear measure of what came through: those that
#: say so, and those that say nothing (US is "unspecified").
_LINEAR_RELATIONSHIPS, _LINEAR_TYPES = ("", "LIN"), ("", "US")
_GREY = ("MONOCHROME1", "MONOCHROME2")
#: How far below 0, as a share of the highest level that there can be, noise of the dark level reaches, and the share of
#: a view that may lie lower.
_NOISE, _MOST_BELOW = 0.01, 0.001
#: Rows that are rescaled at once: in double precision a whole container would take gigabytes.
_ROWS = 256
_PIXELS, _UNDEFINED_LENGTH = (0x7FE0, 0x10), 0xFFFFFFFF
#: Bytes from which an element need not be copied out of the file before it is looked at.
_LEFT_IN_PLACE = 2**16
#: Where multi-frame objects say of all frames, or of each, what others say of the whole.
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")


def inspect(data: bytes) -> tuple[ViewHeader, ...]:
    """Size and depth of every frame from the header alone."""
    return _guarded(_inspect, data)


def decode(data: bytes) -> tuple[Pixels, ...]:
    """All frames, bright where little was absorbed. Raises ScanUnreadable for kinds of pixels that are not read."""
    return _guarded(_decode, data)


def doubt(data: bytes) -> str:
    """Why the frames must not be cleared, if their pixels were not all written."""
    return _guarded(_doubt, data)


def _guarded(work: Callable[[bytes], Result], data: bytes) -> Result:
    try:
        return work(data)
    except ScanUnreadable:
        raise
    # pydicom, and elements converted when they are first looked at, raise many kinds on bytes that do not hold
    # together: NotImplementedError, AttributeError and struct.error among them.
    except Exception as error:
        raise ScanUnreadable(f"the DICOM is damaged: {error or type(error).__name__}", remedy=_EXPORT) from error


def _inspect(data: bytes) -> tuple[ViewHeader, ...]:
    header = _read(data, pixels=False)
    _check_linear(header)
    view = ViewHeader(_one(header, "Columns"), _one(header, "Rows"), _samples(header), _allocated(header))
    frames = _one(header, "NumberOfFrames", 1)
    if not 1 <= frames <= 1_000_000:
        raise ScanUnreadable(f"the DICOM header claims {frames} frames", remedy=_EXPORT)
    return (view,) * frames


def _check_linear(header: FileDataset) -> None:
    for keyword, linear in (("PixelIntensityRelationship", _LINEAR_RELATIONSHIPS), ("RescaleType", _LINEAR_TYPES)):
        value = _said(header, keyword)
        said = "" if value is None else str(value).strip().upper()
        if said not in linear:
            raise ScanUnreadable(f"DICOM whose levels are {said}, not linear, is not read", remedy=_LINEAR)
    if "ModalityLUTSequence" in header:
        raise ScanUnreadable("DICOM with a Modality LUT is not read", remedy=_LINEAR)


def _said(dataset: Any, keyword: str) -> Any:
    """An element's value, of the whole or in the functional groups of its frames; None where nothing says it."""
    groups = [group for name in _GROUPS for group in getattr(dataset, name, None) or ()]
    parts = [part for group in groups for element in group if element.VR == "SQ" for part in element.value]
    values = [value for one in (dataset, *parts) if (value := getattr(one, keyword, None)) is not None]
    if any(value != values[0] for value in values):
        raise ScanUnreadable(f"DICOM with several values of {keyword} is not read", remedy=_EXPORT)
    return values[0] if values else None


def _decode(data: bytes) -> tuple[Pixels, ...]:
    dataset = _read(data, pixels=True)
    _check_alone(data, dataset)
    frames = _frames(dataset)
    if _samples(dataset) == 3:
        return tuple(np.ascontiguousarray(frame) for frame in frames)
    # Looked up once: what is said of thousands of frames would be gone through for each of them.
    air_is_dark = _air_is_dark(dataset)
    rescale = _real(dataset, "RescaleSlope", 1.0), _real(dataset, "RescaleIntercept", 0.0)
    return tuple(_levels(frame, dataset, air_is_dark, rescale) for frame in frames)


def _doubt(data: bytes) -> str:
    # Run lengths that are cut off do not add up.
    if _transfer_syntax(data) not in _PLAIN:
        return ""
    dataset = _read(data, pixels=True, defer_size=_LEFT_IN_PLACE)
    if _samples(dataset) == 1 and _air_is_dark(dataset):
        return ""
    row_bytes = _one(dataset, "Columns") * _samples(dataset) * _allocated(dataset) // 8
    element: Any = dataset.get_item("PixelData", keep_deferred=True)
    if element.length == _UNDEFINED_LENGTH:
        return rows_doubt(_plain(dataset), row_bytes)
    return rows_doubt(memoryview(data)[element.value_tell : element.value_tell + element.length], row_bytes)


def _read(data: bytes, *, pixels: bool, defer_size: int | None = None) -> FileDataset:
    try:
        import pydicom
    except ImportError:
        raise ScanUnreadable("DICOM needs a package that is not installed", remedy=_INSTALL) from None
    # Odd values in elements that nobody looks at must neither refuse a scan nor print warnings.
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    syntax = _transfer_syntax(data)
    if syntax not in _PLAIN and syntax != _RUN_LENGTHS:
        # What decodes JPEG for pydicom may go on after errors, as libjpeg does: half a picture would pass for a whole.
        name = pydicom.uid.UID(syntax).name
        raise ScanUnreadable(f"DICOM compressed as {name} is not read", remedy=_EXPORT)
    return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=not pixels, defer_size=defer_size)


def _check_alone(data: bytes, dataset: FileDataset) -> None:
    """Raise ScanUnreadable when there are pixels beside those that are read: two files that were joined, or one element
    that stands twice, of which pydicom gives the last."""
    from pydicom import dcmread

    stream = io.BytesIO(data)
    dcmread(stream, stop_before_pixels=True)
    if "PixelData" not in dataset:
        return
    element: Any = dataset.get_item("PixelData")
    # Behind pixels of no stated length stands a mark of eight bytes.
    length = element.length if element.length != _UNDEFINED_LENGTH else len(element.value) + 8
    behind = data[element.value_tell + length :]
    order = _PLAIN.get(_syntax(dataset.file_meta), "<")
    # Elements stand in the order of their numbers: padding and signatures behind the pixels, another header before.
    joined = behind.strip(b"\0") and struct.unpack(order + "HH", behind[:4]) <= _PIXELS
    if joined or element.value_tell - stream.tell() > 12:
        raise ScanUnreadable("the DICOM holds pixels twice, or two files were joined", remedy=_EXPORT)


def _transfer_syntax(data: bytes) -> str:
    """Of all of group 2. One that is named twice is refused: another reader might go by the other."""
    found, at = [], _FIRST_ELEMENT
    while data[at : at + 2] == b"\x02\0":
        group, element, kind, length = struct.unpack_from("<HH2sH", data, at)
        at += 8
        if kind in _LONG:
            length, at = struct.unpack_from("<I", data, at)[0], at + 4
        if not kind.isalpha() or at + length > len(data):
            raise ScanUnreadable("the DICOM is damaged: its first elements do not hold together", remedy=_EXPORT)
        if (group, element) == _SYNTAX_TAG:
            found.append(data[at : at + length].rstrip(b"\0 ").decode("ascii"))
        at += length
    if len(found) != 1:
        raise ScanUnreadable(f"the DICOM names {len(found)} transfer syntaxes", remedy=_EXPORT)
    return found[0]


def _syntax(meta: Any) -> str:
    return str(getattr(meta, "TransferSyntaxUID", ""))


def _one(dataset: Any, keyword: str, default: int | None = None) -> int:
    value = getattr(dataset, keyword, None)
    if value is None or value == "":
        if default is None:
            raise ScanUnreadable(f"the DICOM header lacks {keyword}", remedy=_EXPORT)
        return default
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ScanUnreadable(f"the DICOM header gives {keyword} = {value!r}", remedy=_EXPORT) from None


def _samples(dataset: Any) -> int:
    samples, photometric = _one(dataset, "SamplesPerPixel", 1), str(getattr(dataset, "PhotometricInterpretation", ""))
    if (samples == 1 and photometric in _GREY) or (samples == 3 and photometric == "RGB"):
        return samples
    raise ScanUnreadable(f"DICOM of {samples} samples as {photometric or 'nothing named'} is not read", remedy=_EXPORT)


def _allocated(dataset: Any) -> int:
    bits, colour = _one(dataset, "BitsAllocated"), _samples(dataset) == 3
    if bits not in ((8,) if colour else (8, 16)):
        raise ScanUnreadable(f"DICOM of {bits} bits a sample is not read", remedy=_EXPORT)
    return bits


def _frames(dataset: FileDataset) -> list[NDArray[Any]]:
    """(rows, columns) or (rows, columns, 3) of every frame, as unsigned words that still hold their unused bits."""
    syntax = _syntax(dataset.file_meta)
    shape = (_one(dataset, "Rows"), _one(dataset, "Columns"))
    count, samples = _one(dataset, "NumberOfFrames", 1), _samples(dataset)
    kind = np.dtype(f"{_PLAIN.get(syntax, '<')}u{_allocated(dataset) // 8}")
    size = count * shape[0] * shape[1] * samples * kind.itemsize
    plain = _plain(dataset)
    if syntax not in _PLAIN:
        plain = _from_run_lengths(plain, (count, shape[0] * shape[1], samples, kind.itemsize))
    # An odd length is padded to an even one.
    if len(plain) not in (size, size + size % 2):
        raise ScanUnreadable(f"the DICOM is cut short: {len(plain)} bytes of pixels where {size} belong")
    if syntax == _BIG_ENDIAN and kind.itemsize == 1 and dataset["PixelData"].VR == "OW":
        # Bytes that are stored as words stand the other way round in each of them.
        plain = np.frombuffer(plain, ">u2").astype("<u2").tobytes()
    values = np.frombuffer(plain, kind, size // kind.itemsize).astype(kind.newbyteorder("="), copy=False)
    if samples == 1:
        return list(values.reshape(count, *shape))
    if _one(dataset, "PlanarConfiguration", 0) == 1 and syntax in _PLAIN:
        return [np.moveaxis(frame, 0, 2) for frame in values.reshape(count, 3, *shape)]
    return list(values.reshape(count, *shape, 3))


def _plain(dataset: FileDataset) -> bytes:
    pixels = getattr(dataset, "PixelData", None)
    if not isinstance(pixels, bytes):
        raise ScanUnreadable("the DICOM holds no integer pixels", remedy=_EXPORT)
    return pixels


def _from_run_lengths(encapsulated: bytes, shape: tuple[int, int, int, int]) -> bytes:
    """Little-endian words, by pixel, of run-length frames. shape: (frames, pixels, samples, bytes a sample)."""
    from pydicom.encaps import generate_frames

    count, pixels, samples, width = shape
    words = np.empty(shape, np.uint8)
    frames = list(generate_frames(encapsulated, number_of_frames=count))
    if len(frames) != count:
        raise ScanUnreadable(f"the DICOM holds {len(frames)} frames and claims {count}", remedy=_EXPORT)
    for number, frame in enumerate(frames):
        for segment, packed in enumerate(_segments(frame, samples * width)):
            # The upper byte of each sample comes first.
            sample, byte = divmod(segment, width)
            words[number, :, sample, width - 1 - byte] = np.frombuffer(_unpacked(packed, pixels), np.uint8)
    return words.tobytes()


def _unpacked(packed: memoryview, pixels: int) -> bytes:
    try:
        return unpack_packbits(packed, pixels)
    except ScanUnreadable:
        raise ScanUnreadable("a run-length segment of the DICOM is damaged or cut short", remedy=_EXPORT) from None


def _segments(frame: bytes, expected: int) -> list[memoryview]:
    count, *starts = _SEGMENTS.unpack_from(frame)
    if count != expected:
        raise ScanUnreadable(f"a run-length frame of {count} segments where {expected} belong", remedy=_EXPORT)
    ends = [*starts[1:count], len(frame)]
    if starts[0] != _SEGMENTS.size or any(end <= start for start, end in zip(starts, ends, strict=False)):
        raise ScanUnreadable("the segments of a run-length frame do not follow one another", remedy=_EXPORT)
    return [memoryview(frame)[start:end] for start, end in zip(starts, ends, strict=False)]


def _levels(words: NDArray[Any], dataset: FileDataset, air_is_dark: bool, rescale: tuple[float, float]) -> Pixels:
    """Stored words -> bright-is-air levels, the rescale of the header, (slope, intercept), applied."""
    stored, signed = _one(dataset, "BitsStored"), bool(_one(dataset, "PixelRepresentation", 0))
    shift = _one(dataset, "HighBit", stored - 1) + 1 - stored
    if not (1 <= stored <= _allocated(dataset) and 0 <= shift <= _allocated(dataset) - stored):
        raise ScanUnreadable(f"DICOM of {stored} stored bits and this high bit is not read", remedy=_EXPORT)
    values = words.astype(np.int32)
    values >>= shift
    values &= (1 << stored) - 1
    low, high = (-(1 << (stored - 1)), (1 << (stored - 1)) - 1) if signed else (0, (1 << stored) - 1)
    if signed:
        values = np.where(values > high, values - (1 << stored), values)
    _check_measured(values, (low, high), dataset)
    if air_is_dark:
        values = low + high - values
    return _rescaled(values, (low, high), *rescale)


def _check_measured(values: NDArray[Any], reach: tuple[int, int], dataset: FileDataset) -> None:
    """Raise ScanUnreadable for padding (part 3 of the standard, C.7.5.1.1.2): pixels that nobody measured may stand at
    any level, that of air too. reach: what the stored bits can say; writers state padding of signed pixels as unsigned,
    too, or in more bits than are stored."""
    value, limit = (_said(dataset, keyword) for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"))
    if value is None:
        return
    least, most = reach
    ends = (int(value), int(value if limit is None else limit))
    low, high = sorted((end - least) % (most - least + 1) + least for end in ends)
    padded = float(np.count_nonzero((values >= low) & (values <= high))) / values.size
    if padded:
        raise ScanUnreadable(f"DICOM with padding ({padded:.2%} of a view was not measured) is not read", remedy=_WHOLE)


def _air_is_dark(dataset: FileDataset) -> bool:
    sign = _said(dataset, "PixelIntensityRelationshipSign")
    # Part 3 of the standard, C.8.11.3: 1 where lower values mean less intensity, -1 where they mean more.
    if sign in (1, -1):
        return bool(sign == -1)
    return str(dataset.PhotometricInterpretation) == "MONOCHROME1"


def _rescaled(values: NDArray[Any], reach: tuple[int, int], slope: float, intercept: float) -> Pixels:
    """Rescale Slope and Intercept applied, then 16 bits: as they are where they fit, as transmission where they end
    near 1, else in proportion, so that 0 stays the level at which nothing came through. Raises ScanUnreadable where
    more lies below 0 than noise puts there: then 0 is no such level."""
    if not (np.isfinite([slope, intercept]).all() and slope > 0):
        raise ScanUnreadable(f"DICOM rescaled by {slope:g} is not read", remedy=_EXPORT)
    low, high = (slope * end + intercept for end in reach)
    if slope == 1 and low >= 0 and high <= 65_535 and intercept.is_integer():
        return as_levels(values + np.int32(intercept))
    is_transmission = low >= -0.05 and high <= 1.5
    # Levels that have room are kept; of a small slope each would be rounded to a few.
    factor = 65_535 / high if high > 65_535 or slope < 1 else 1.0
    scaled, below = np.empty(values.shape, np.float32 if is_transmission else np.uint16), 0
    for start in range(0, len(values), _ROWS):
        band = values[start : start + _ROWS] * slope + intercept
        below += int(np.count_nonzero(band < -_NOISE * high))
        scaled[start : start + _ROWS] = band if is_transmission else np.rint(np.clip(band, 0, None) * factor)
    if not is_transmission and (high <= 0 or below > _MOST_BELOW * values.size):
        raise ScanUnreadable(
            f"DICOM rescaled to levels below 0 ({below / values.size:.1%} of a view) is not read", remedy=_EXPORT
        )
    return as_levels(scaled)


def _real(dataset: FileDataset, keyword: str, default: float) -> float:
    value = _said(dataset, keyword)
    try:
        return default if value is None else float(value)
    except (TypeError, ValueError):
        raise ScanUnreadable(f"the DICOM header's {keyword} is no number", remedy=_EXPORT) from None
