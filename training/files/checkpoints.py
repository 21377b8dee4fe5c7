"""Checkpoints that are whole or not there at all, and that are proved before a run goes on from them.

Lightning 2.6 stages a checkpoint in $TMPDIR and moves it to its place. Between file systems a move is a copy: killed in
it, the run has lost the good checkpoint that stood there, and a small /tmp stops a run whose own disk has room. Here
the staging file lies beside its target, is forced to the disk, and then takes the target's name. The last checkpoint
but one is kept, for the day on which the disk itself damages the last.
"""

from __future__ import annotations

import errno
import io
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO
from torch import Tensor

from detector.errors import RoentgateError, SettingsInvalid

#: The checkpoint a run goes on from, the one before it, and the name under which an unusable one is set aside.
LAST, PREVIOUS, SET_ASIDE = "last.ckpt", "last.previous.ckpt", "last.unusable.ckpt"
#: Key under which a checkpoint says its classes, in the order of the classifier's rows.
CLASS_NAMES = "class_names"
#: What the operating system says when there is no room left, on the disk or in the user's share of it.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
#: What a checkpoint of a run holds beside tensors' names; a plain weights file lacks them.
RUN_KEYS = ("state_dict", "optimizer_states", "loops", "global_step")


class NotSaved(RoentgateError):
    """What a run had to write could not be written. Checkpoints saved before are as they were."""

    default_remedy = "make room or correct the folder's rights, then go on with --resume"


class WholeCheckpoints(CheckpointIO):
    """Lightning's storage of checkpoints, on a local disk."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Writes `path` whole or leaves what stood there; raises NotSaved.

        A process killed at any moment leaves LAST or PREVIOUS whole, and at most one staging file, which the next save
        overwrites.
        """
        target = Path(path)
        staging = target.with_name(f".{target.name}.partial")
        # In memory first: torch's own writer reports a full disk as an internal assertion.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_forced(staging, content.getbuffer())
            if target.name == LAST and target.is_file():
                target.replace(target.with_name(PREVIOUS))
            staging.replace(target)
            _force_folder(target.parent)
        except OSError as error:
            staging.unlink(missing_ok=True)
            size = content.getbuffer().nbytes / 1e6
            raise NotSaved(f"{target} ({size:.1f} MB): {error.strerror or error}; earlier checkpoints stand") from error

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """The checkpoint, on the CPU. It is read as weights, whatever is asked for: it must not run code."""
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Removes a checkpoint if it is there."""
        Path(path).unlink(missing_ok=True)


def write_forced(path: Path, content: memoryview) -> None:
    """Writes `content` and waits until the disk has it. Raises OSError."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _force_folder(folder: Path) -> None:
    """Makes the renaming last as well; Windows opens no folders, and needs none."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The checkpoint of a run, tensors on the CPU. Raises SettingsInvalid when it is cut short, damaged, or none."""
    try:
        with zipfile.ZipFile(path) as archive:
            # torch leaves the checksums it writes unread: a flipped bit would pass as a weight.
            broken = archive.testzip()
        if broken:
            raise ValueError(f"checksum of {broken} is wrong")
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    # A damaged file fails in the zip reader, in the unpickler or in between, each time with another type: struct.error,
    # IndexError, AssertionError ... Whatever it is, nothing was read.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0][:120]
        raise SettingsInvalid(
            f"{path} cannot be read, it is damaged or no checkpoint: {reason}", remedy="take an earlier checkpoint"
        ) from None
    if not isinstance(checkpoint, dict) or not checkpoint.keys() >= set(RUN_KEYS):
        raise SettingsInvalid(f"{path} is no checkpoint of a run", remedy="give it to the recipe as `start`")
    return checkpoint


@dataclass(frozen=True)
class Begun:
    """Where a run goes on. step: optimiser steps done. faults: why a later checkpoint was not taken; may be empty."""

    path: Path
    step: int
    faults: str


def holds_run(folder: Path) -> bool:
    """Whether `folder` holds a checkpoint to go on from."""
    return (folder / LAST).is_file() or (folder / PREVIOUS).is_file()


def begun(folder: Path, own: Mapping[str, Tensor]) -> Begun:
    """The newest usable checkpoint in `folder` for a module whose state is `own`.

    An unusable LAST is set aside, not deleted. Raises SettingsInvalid when there is none, or none that can be used.
    """
    if not holds_run(folder):
        raise SettingsInvalid(f"nothing to resume: no {folder / LAST}", remedy="leave --resume out to begin")
    faults: list[str] = []
    for path in (folder / LAST, folder / PREVIOUS):
        if not path.is_file():
            continue
        try:
            step = _fitting_step(path, own)
        except SettingsInvalid as error:
            faults.append(error.what)
            continue
        if faults:
            (folder / LAST).replace(folder / SET_ASIDE)
        return Begun(path, step, "; ".join(faults))
    raise SettingsInvalid("; ".join(faults), remedy="put the run's own checkpoint there, or begin in another folder")


def _fitting_step(path: Path, own: Mapping[str, Tensor]) -> int:
    checkpoint = read_checkpoint(path)
    if odd := odd_tensors(own, checkpoint["state_dict"]):
        raise SettingsInvalid(f"{path} is of another network: {odd}")
    return int(checkpoint["global_step"])


def odd_tensors(own: Mapping[str, Tensor], other: Mapping[str, Any]) -> str:
    """How many tensors are in one of two networks alone, or of another shape or no tensor in the other; "" for none."""
    odd = sorted(own.keys() ^ other.keys())
    odd = odd or [name for name in own if own[name].shape != getattr(other[name], "shape", None)]
    return f"{len(odd)} of {len(own)} tensors differ, first {odd[0]}" if odd else ""
