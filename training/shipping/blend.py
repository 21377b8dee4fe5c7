"""Averages a trained network with the one that its training began from, weight by weight.

A short further training learns the scans at hand and forgets others. The mean of the weights before and after keeps
most of both (WiSE-FT: Wortsman et al. 2022, arXiv 2109.01903).

>>> blend(Path("RUN"), "last", share=0.5)               # doctest: +SKIP
PosixPath('RUN/checkpoints/blend.ckpt')
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detector.errors import SettingsInvalid
from training.files.checkpoints import CLASS_NAMES, WholeCheckpoints, odd_tensors, read_checkpoint
from training.models.pretrained import class_names_of, describe
from training.models.table import build
from training.shipping.export import Run, checkpoint_path, read_run
from training.shipping.trainable import start_file

#: Name of the checkpoint, and the key under which it says what it is.
BLEND, SAID = "blend", "blended"
_PREFIX = "network."


def blend(run: Path, checkpoint: str, share: float) -> Path:
    """Writes `run`/checkpoints/blend.ckpt: for `export` and `publish`, nothing goes on from it.

    share: of the start's weights in the mean, above 0 and below 1. Raises SettingsInvalid if the run began from random
    weights, some or all, of which there is no mean, or if the start is no longer the file that it was.
    """
    if not 0 < share < 1:
        raise SettingsInvalid(f"--share {share:g}: no share of two", remedy="give one above 0 and below 1, as 0.5")
    described, path = read_run(run), checkpoint_path(run, checkpoint)
    before, trained = _start(described), read_checkpoint(path)
    if SAID in trained:
        raise SettingsInvalid(f"{path} is a mean already{trained[SAID]}", remedy="name the checkpoint that was trained")
    state: dict[str, Tensor] = trained["state_dict"]
    if odd := odd_tensors({f"{_PREFIX}{name}": value for name, value in before.items()}, state):
        raise SettingsInvalid(
            f"{described.recipe.start} and {path} are no two states of one network: {odd}",
            remedy="blend a run with the version that trained it",
        )
    if broken := [name for name, value in state.items() if not torch.isfinite(value).all()]:
        raise SettingsInvalid(f"{path} is not finite: {broken[0]}", remedy="blend an earlier checkpoint")
    mean = {name: _mean(value, before[name.removeprefix(_PREFIX)], share) for name, value in state.items()}
    said = f"; averaged, {1 - share:.0%} after training and {share:.0%} before it"
    kept: dict[str, Any] = {"optimizer_states": [], "loops": {}, "global_step": trained["global_step"]}
    kept |= {CLASS_NAMES: trained[CLASS_NAMES]} if CLASS_NAMES in trained else {}
    target = path.with_name(f"{BLEND}.ckpt")
    WholeCheckpoints().save_checkpoint({"state_dict": mean, SAID: said, **kept}, target)
    return target


def blended(run: Path, checkpoint: str) -> str:
    """What a checkpoint says of its being a mean, to stand behind what the training began from; "" if it is none."""
    return str(read_checkpoint(checkpoint_path(run, checkpoint)).get(SAID, ""))


def _start(run: Run) -> dict[str, Tensor]:
    """The state that the training began with: the start, as the network takes it up."""
    start = run.recipe.start
    if not start:
        raise SettingsInvalid("the run began from random weights", remedy="blend runs whose recipe has a `start`")
    file = start_file(start)
    if not run.start.startswith(describe(file)):
        raise SettingsInvalid(f"{start} is not what the run began from: {run.start}", remedy="put that file back")
    if class_names_of(file) not in ((), run.class_names):
        raise SettingsInvalid(f"{start} is of other classes than the run", remedy="blend runs of the same classes")
    network = build(run.recipe.model, run.class_names)
    network.load_pretrained(file)
    began = network.state_dict()
    # What no start holds and nobody trains, as the weights of a loss, are constants.
    learned = [name for name, value in network.named_parameters() if value.requires_grad]
    if fresh := sorted(set(learned) - network.pretrained_parameters()):
        raise SettingsInvalid(
            f"the run began from random weights in part: {len(fresh)} of {len(learned)} tensors, first {fresh[0]}",
            remedy="blend runs that began from a network of the same kind and classes",
        )
    return began


def _mean(after: Tensor, before: Tensor, share: float) -> Tensor:
    """Counters, as of batches seen, stay those of the training."""
    return after.lerp(before.to(after.dtype), share) if after.is_floating_point() else after
