"""Weights to train on from: the network of shipped weights, as safetensors beside their ONNX file.

An ONNX file holds a network in which normalisation is folded away: it can be run, not trained. A recipe's `start` may
be the name of shipped weights instead (`start = "luggage"`), and means this file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save

from detector.errors import SettingsInvalid
from detector.network import Network, Provider
from detector.outputs.atomic import write_bytes_whole
from detector.weights import PinnedFile, Weights, load_weights, read_manifest, read_pinned, weights_folder
from detector.weights_spec import WeightsSpec
from training.datasets.terms import TERMS_NOT_STATED
from training.files.file_digests import file_digest
from training.models.flip_average import averaged
from training.models.interface import DetectionNetwork
from training.models.table import build
from training.shipping.export import Ancestor, Run, load_checkpoint, read_run
from training.shipping.parity import ParityFailed, require_parity, simulated_squares


@dataclass(frozen=True)
class Trained:
    """A network in evaluation mode, the model that it is, and its classes in order. file: of shipped weights."""

    network: DetectionNetwork
    model: str
    class_names: tuple[str, ...]
    file: Path | None = None

    @classmethod
    def of(cls, origin: Path, checkpoint: str) -> Trained:
        """The averaged network of a run's checkpoint, or of shipped weights where `origin` is their name.

        Raises SettingsInvalid for what is neither, WeightsRejected for a file that is not as it was published.
        """
        if (origin / "run.json").is_file() or not is_shipped(str(origin)):
            run = read_run(origin)
            return cls(load_checkpoint(origin, checkpoint), run.recipe.model, run.class_names)
        return cls.shipped(str(origin))

    @classmethod
    def shipped(cls, name: str) -> Trained:
        """Raises SettingsInvalid for weights that were published without a file to train on from."""
        path = _trainable_file(name)
        with safe_open(path, framework="pt") as stored:
            about = stored.metadata()
        class_names = tuple(json.loads(about["class_names"]))
        network = build(about["model"], class_names)
        network.load_state_dict(load_file(path))
        return cls(network.eval(), about["model"], class_names, Path(path))


def is_shipped(name: str) -> bool:
    """Whether the manifest has weights of that name."""
    manifest = read_manifest()
    return manifest.resolved(name) in manifest.weights


def write_trainable(origin: Path, checkpoint: str, exported: Weights, path: Path) -> PinnedFile:
    """Writes the network that `Trained.of` finds. Raises ParityFailed if `exported` was not made of it."""
    trained = Trained.of(origin, checkpoint)
    if trained.class_names != exported.spec.class_names:
        raise ParityFailed(f"{origin} knows other classes than {exported.name}")
    network, size = trained.network, exported.spec.input_size
    own = Network(exported, Provider.CPU)
    require_parity(averaged(network, exported.spec.flips), own, simulated_squares(size))
    about = {"model": trained.model, "class_names": json.dumps(trained.class_names)}
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    # The library puts what is said about a file in any order, and the same network should stay the same bytes.
    data = trained.file.read_bytes() if trained.file else save(state, about)
    write_bytes_whole(path, data)
    return PinnedFile(file=path.name, sha256=hashlib.sha256(data).hexdigest(), size=len(data))


def shipped_start(start: str) -> WeightsSpec | None:
    """What shipped weights say of themselves, if `start` names some or is their file; None for any other file, a hub
    name or nothing."""
    manifest = read_manifest()
    if start and not Path(start).exists():
        return load_weights(start).spec if manifest.resolved(start) in manifest.weights else None
    digest = file_digest(Path(start)) if Path(start).is_file() else ""
    for name, entry in manifest.weights.items():
        if entry.trainable and entry.trainable.sha256 == digest:
            return load_weights(name).spec
    return None


def ancestors(start: str) -> tuple[Ancestor, ...]:
    """What a start has learned from, oldest first, as shipped weights say or the run that a checkpoint lies in; none
    where nothing says it, as with weights of others."""
    spec = shipped_start(start)
    if spec is not None:
        return (Ancestor({source.name: source.terms for source in spec.training_data}, spec.left_out),)
    run = _run_of(start)
    if run is None:
        return ()
    data = Path(run.data)
    terms = run.terms(data)
    learned = {name: terms.get(name, TERMS_NOT_STATED) for name in run.learned(data)}
    return (*run.ancestors, Ancestor(learned, run.recipe.leave_out))


def _run_of(start: str) -> Run | None:
    if not start.endswith(".ckpt"):
        return None
    # Named from within its folder or by a link, it has learned what it has; a link may lead out of the run it lies in.
    folders = (path.parent.parent for path in (Path(start).resolve(), Path(start).absolute()))
    return next((read_run(folder) for folder in folders if (folder / "run.json").is_file()), None)


def require_unseen(start: str, left_out: Iterable[str]) -> None:
    """Raises SettingsInvalid if a start has learned from what a recipe leaves out: it would not be unseen."""
    for name in left_out:
        data_set = name.partition("/")[0]
        if any(data_set in one.learned and not {name, data_set} & set(one.left_out) for one in ancestors(start)):
            raise SettingsInvalid(
                f"the start {start} has learned from {data_set}, so {name} would not be unseen",
                remedy="begin with weights that never saw it, or take it out of leave_out",
            )


def provenance(start: str) -> str:
    """What shipped weights or a run learned from, and under which terms, for those that are made from them; "" for
    others."""
    spec, run = shipped_start(start), _run_of(start)
    if spec is not None:
        sources = ", ".join(source.name for source in spec.training_data)
        return f"; {spec.name} began with {spec.pretrained}, learned from {sources}; its terms: {spec.terms}"
    return f"; that run began with {run.start}, learned from {', '.join(run.learned(Path(run.data)))}" if run else ""


def start_file(start: str) -> str:
    """A recipe's `start` as a file or hub name: shipped weights by their name become their verified file.

    Raises WeightsRejected for a file that is not as it was published, SettingsInvalid for shipped weights without one.
    """
    return _trainable_file(start) if start and not Path(start).exists() and is_shipped(start) else start


def _trainable_file(name: str) -> str:
    """That of shipped weights, verified."""
    manifest = read_manifest()
    entry = manifest.weights[manifest.resolved(name)]
    if entry.trainable is None:
        known = sorted(known for known, one in manifest.weights.items() if one.trainable)
        raise SettingsInvalid(
            f"{name} was published without weights to train on from", remedy=f"give one of: {', '.join(known)}"
        )
    read_pinned(entry.trainable)
    return str(weights_folder() / entry.trainable.file)
