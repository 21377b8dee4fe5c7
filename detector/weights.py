"""Finds weights, proves that they are the bytes that were published, and reads what they say of themselves.

    >>> weights = load_weights("luggage")
    >>> weights.label
    'luggage@sha256:...'

`weights/manifest.json` pins sha256 and size of every shipped file. The bytes that are hashed are the bytes that are
handed to the runtime: no second read, so nothing can change between check and use.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import onnxruntime
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from detector.errors import WeightsRejected
from detector.weights_spec import METADATA_KEY, WeightsSpec

MANIFEST = "manifest.json"
#: What to do about a profile beside a scan that asks for weights of one's own.
UNSHIPPED_REMEDY = "take `weights` out of the profile beside the scan, and give a file of your own with --weights"


class PinnedFile(BaseModel):
    """A shipped file by name, sha256 and size in bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(gt=0)


class ManifestEntry(PinnedFile):
    """One shipped weights file. metrics: name of the split and the metric -> value and n, and low and high of its 95 %
    interval where that was measured; data and terms in words.

    trainable: the same network for a training to start from, which a station has no use for.
    """

    metrics: dict[str, dict[str, float]]
    data: tuple[str, ...]
    terms: str
    trainable: PinnedFile | None = None


class Manifest(BaseModel):
    """All shipped weights. default: the name that is used when none is asked for. aliases: other name -> name, so that
    a name that people's scripts hold goes on to better weights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = 1
    default: str
    weights: dict[str, ManifestEntry]
    aliases: dict[str, str] = {}

    @model_validator(mode="after")
    def _names_lead_somewhere(self) -> Manifest:
        lost = {self.default, *self.aliases.values()} - set(self.weights)
        if lost or set(self.aliases) & set(self.weights):
            raise ValueError(f"names that lead nowhere, or two ways: {', '.join(sorted(lost or self.aliases))}")
        return self

    def pinned(self, name: str) -> ManifestEntry | None:
        """The file that goes by this name, or none."""
        return self.weights.get(self.resolved(name))

    def resolved(self, name: str) -> str:
        """The name in `weights` that is meant; an unknown one stays as it is."""
        return self.aliases.get(name, name) or self.default


@dataclass(frozen=True)
class Weights:
    """Verified bytes of one ONNX file and its own description. sha256: 64 hex digits of `data`."""

    name: str
    data: bytes
    sha256: str
    spec: WeightsSpec

    @property
    def label(self) -> str:
        """NAME@sha256:HEX, as results carry it."""
        return f"{self.name}@sha256:{self.sha256}"


def weights_folder() -> Path:
    """Where shipped weights lie: inside the installed package, or beside it in a checkout."""
    installed = Path(__file__).parent / "_weights"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "weights"


def read_manifest(folder: Path | None = None) -> Manifest:
    """The manifest of `folder` (default: the shipped one). Raises WeightsRejected if it is missing or malformed."""
    path = (folder or weights_folder()) / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError:
        raise WeightsRejected(f"no manifest at {path}", remedy="reinstall roentgate") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise WeightsRejected(f"{path}: {where}: {first['msg']}", remedy="reinstall roentgate") from None


def load_weights(name_or_file: str | Path = "") -> Weights:
    """Reads and checks weights by shipped name, or from a file ending in .onnx; empty gives the default.

    A shipped name must match its manifest in size and sha256. A file of one's own carries its own digest into every
    result. Raises WeightsRejected for anything missing, altered, or without a description.
    """
    wanted = str(name_or_file)
    if wanted.endswith(".onnx"):
        return _checked(name_of(wanted), _read(Path(wanted)))
    manifest = read_manifest()
    name, entry = manifest.resolved(wanted), manifest.pinned(wanted)
    if entry is None:
        raise WeightsRejected(
            f"no weights named {name}", remedy=f"choose one of: {', '.join(sorted(manifest.weights))}, or an .onnx file"
        )
    return _checked(name, read_pinned(entry))


def name_of(name_or_file: str) -> str:
    """What results call them: a shipped name as it is, a file by its stem."""
    return Path(name_or_file).stem if name_or_file.endswith(".onnx") else name_or_file


def read_pinned(entry: PinnedFile) -> bytes:
    """The bytes of a shipped file. Raises WeightsRejected unless they have the size and sha256 that were pinned."""
    data = _read(weights_folder() / entry.file)
    if len(data) != entry.size:
        raise WeightsRejected(f"{entry.file}: {len(data)} bytes, the manifest says {entry.size}")
    digest = hashlib.sha256(data).hexdigest()
    if digest != entry.sha256:
        raise WeightsRejected(f"{entry.file}: sha256 {digest[:12]}... is not {entry.sha256[:12]}... of the manifest")
    return data


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsRejected(f"cannot read {path}: {error.strerror}", remedy="check the path") from None


def _checked(name: str, data: bytes) -> Weights:
    return Weights(name, data, hashlib.sha256(data).hexdigest(), read_spec(name, data))


def read_spec(name: str, data: bytes) -> WeightsSpec:
    """The description inside an ONNX file's bytes. Raises WeightsRejected if the file is no ONNX or carries none."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    # The runtime raises a family of its own that is not exported; whatever it is, these weights cannot be used.
    except Exception as error:
        raise WeightsRejected(f"{name}: not a usable ONNX file: {_first_line(error)}") from None
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise WeightsRejected(
            f"{name}: no `{METADATA_KEY}` metadata", remedy="export it with roentgate-train export, which writes it"
        )
    try:
        return WeightsSpec.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise WeightsRejected(
            f"{name}: metadata {where}: {first['msg']}", remedy="export it again with this version"
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def manifest_json(manifest: Manifest) -> str:
    """The manifest as it is written to disk: stable order, one key a line, so that changes can be read."""
    return json.dumps(manifest.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"
