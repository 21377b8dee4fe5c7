"""Reads pretrained weights from a local file or a hub, safely, and says what was used."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from detector.errors import SettingsInvalid

#: Keys under which trainers wrap a state dict.
WRAPPERS = ("state_dict", "model", "ema", "module")


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
    Raises SettingsInvalid when there is no such file.
    """
    path = _from_hub(start.removeprefix("hf-hub:")) if start.startswith("hf-hub:") else Path(start)
    if not path.is_file():
        raise SettingsInvalid(
            f"pretrained weights not found: {start}", remedy="give a local file, or hf-hub:OWNER/NAME/FILE"
        )
    if path.suffix == ".safetensors":
        return load_file(path)
    state = torch.load(path, map_location="cpu", weights_only=True)
    for wrapper in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
            break
    return {key.removeprefix("network."): value for key, value in state.items() if isinstance(value, Tensor)}


def describe(start: str) -> str:
    """What a start is called in a run and in the weights made from it: a hub's name, or a file's name and digest."""
    path = Path(start)
    if not path.is_file():
        return start
    return f"{path.name} (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]})"


def _from_hub(name: str) -> Path:
    from huggingface_hub import hf_hub_download

    owner, repository, filename = name.split("/", 2)
    return Path(hf_hub_download(f"{owner}/{repository}", filename))


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
