"""Reads pretrained weights from a local file or a hub, safely, and says what was used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from detector.errors import SettingsInvalid

#: Keys under which trainers wrap a state dict.
WRAPPERS = ("state_dict", "model", "ema", "module")

_OTHER_START = "give the recipe another `start`: .safetensors, .pth, .pt or a run's .ckpt, whole and of the same family"


@dataclass
class LoadReport:
    """What a start filled: parameter names loaded, left fresh (absent in the file), and refused for their shape."""

    loaded: set[str] = field(default_factory=set)
    fresh: list[str] = field(default_factory=list)
    other_shape: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{len(self.loaded)} tensors loaded, {len(self.fresh)} fresh, {len(self.other_shape)} of another shape"


def read_state(start: str) -> dict[str, Tensor]:
    """State dict from a local `.safetensors`, `.pth`, `.pt` or `.ckpt`, or from `hf-hub:OWNER/NAME/FILE`.

    Pickles are read with `weights_only`: a weights file must not be able to run code.
    Raises SettingsInvalid when there is no such file, when it cannot be read, or when a weight in it is not finite.
    """
    path = _from_hub(start.removeprefix("hf-hub:")) if start.startswith("hf-hub:") else Path(start)
    if not path.is_file():
        raise SettingsInvalid(
            f"pretrained weights not found: {start}", remedy="give a local file, or hf-hub:OWNER/NAME/FILE"
        )
    state = _tensors(path)
    broken = [key for key, value in state.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if broken:
        raise SettingsInvalid(f"{path}: {len(broken)} tensors are not finite, first {broken[0]}", remedy=_OTHER_START)
    return state


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    # A damaged file fails in the zip reader, in the unpickler or in between, each time with another type: struct.error,
    # IndexError, AssertionError ... Whatever it is, nothing was read.
    except Exception as error:
        # torch goes on about its own options.
        reason = str(error).strip().partition("\n")[0].partition(". ")[0][:120]
        raise SettingsInvalid(f"{path} is no weights file, or damaged: {reason}", remedy=_OTHER_START) from None
    for wrapper in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
            break
    if not isinstance(state, dict) or not any(isinstance(value, Tensor) for value in state.values()):
        raise SettingsInvalid(f"{path} holds no named tensors", remedy=_OTHER_START)
    return {str(key).removeprefix("network."): value for key, value in state.items() if isinstance(value, Tensor)}


def class_names_of(start: str) -> tuple[str, ...]:
    """The classes that the rows of a classifier stand for, as safetensors published here and checkpoints say, or the
    run that an older checkpoint lies in; () where nothing says it."""
    path = Path(start)
    if not path.is_file():
        return ()
    if path.suffix == ".ckpt":
        return _class_names_of_checkpoint(path) or _class_names_of_run(path.parent.parent / "run.json")
    if path.suffix != ".safetensors":
        return ()
    with safe_open(start, "pt") as file:
        said = (file.metadata() or {}).get("class_names", "[]")
    return tuple(str(name) for name in json.loads(said))


def _class_names_of_checkpoint(path: Path) -> tuple[str, ...]:
    try:
        return tuple(str(name) for name in torch.load(path, map_location="cpu", weights_only=True)["class_names"])
    # Reading its tensors says what is wrong with it.
    except Exception:
        return ()


def require_rows(start: str, class_names: Sequence[str]) -> None:
    """Raises SettingsInvalid where a start's classifier has as many rows as the network's, for other classes: a family
    that takes them as they are would learn from a knife's row what a gun is."""
    was = class_names_of(start)
    if len(was) == len(class_names) and was != tuple(class_names):
        raise SettingsInvalid(
            f"{start} knows {', '.join(was)}, in this order; the data has {', '.join(class_names)}",
            remedy="give the recipe `classes` in the order of the start, or start from other weights",
        )


def _class_names_of_run(described: Path) -> tuple[str, ...]:
    try:
        return tuple(str(name) for name in json.loads(described.read_bytes())["class_names"])
    except (OSError, ValueError, KeyError, TypeError):
        # A checkpoint of an earlier version that was copied elsewhere is taken row by row.
        return ()


def rows_by_name(
    state: dict[str, Tensor], own: dict[str, Tensor], was: Sequence[str], now: Sequence[str]
) -> dict[str, Tensor]:
    """`state` with the rows of the tensors named in `own`, one a class, put where the same class stands now.

    own: the network's tensors of that kind; a class that is new keeps its row of these.
    """
    fitting = (key for key in own if key in state and state[key].shape[1:] == own[key].shape[1:])
    moved = {key: own[key].clone() for key in fitting}
    for key, value in moved.items():
        for row, name in enumerate(now):
            if name in was:
                value[row] = state[key][was.index(name)]
    return {**state, **moved}


def describe(start: str) -> str:
    """What a start is called in a run and in the weights made from it: a hub's name, or a file's name and digest."""
    path = Path(start)
    if not path.is_file():
        return start
    return f"{path.name} (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]})"


def _from_hub(name: str) -> Path:
    from huggingface_hub import hf_hub_download

    owner, _, rest = name.partition("/")
    repository, _, filename = rest.partition("/")
    if not filename:
        raise SettingsInvalid(f"hf-hub:{name} names no file", remedy="give hf-hub:OWNER/NAME/FILE")
    try:
        return Path(hf_hub_download(f"{owner}/{repository}", filename))
    # The client's own errors are kinds of these two.
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0][:120]
        raise SettingsInvalid(f"hf-hub:{name} cannot be fetched: {reason}", remedy="give a local file") from None


def load_matching(network: nn.Module, state: dict[str, Tensor]) -> LoadReport:
    """Copies every tensor whose name and shape fit. Raises SettingsInvalid when less than half of `network` is filled:
    a start that does not fit would otherwise look like a slow training."""
    own = network.state_dict()
    report = LoadReport()
    for name, value in own.items():
        if name not in state:
            report.fresh.append(name)
        elif state[name].shape != value.shape:
            report.other_shape.append(name)
        else:
            report.loaded.add(name)
    if len(report.loaded) < len(own) / 2:
        raise SettingsInvalid(
            f"pretrained weights do not fit this network: {report}", remedy="check the recipe's model and start"
        )
    network.load_state_dict({name: state[name] for name in report.loaded}, strict=False)
    return report
