"""Which batch fits a GPU that ran out of memory, found by trying."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch

from detector.errors import RoentgateError
from training.models.interface import DetectionNetwork, Target
from training.recipe import Recipe

#: Items in every scan of the trial, many for a bag: assignment needs memory for each.
TRIAL_ITEMS = 8


class BatchTooLarge(RoentgateError):
    """The GPU's memory does not hold the recipe's batch."""


def batch_too_large(
    network: DetectionNetwork, recipe: Recipe, precision: Callable[[], AbstractContextManager[None]]
) -> BatchTooLarge:
    """The error to raise after a step ran out of memory, with the batch size that went through a trial step.

    network: where it was trained. precision: the training's autocast. Call it outside the `except` block: a caught
    exception holds the failed step's tensors.
    """
    largest = max((*recipe.multi_scale, recipe.input_size))
    what = f"the GPU ran out of memory with batches of {recipe.batch_size} at {largest} px"
    fits = fitting_batch(network, recipe, precision)
    if not fits:
        return BatchTooLarge(f"{what}; not even 1 scan fits", remedy="lower input_size and multi_scale")
    return BatchTooLarge(
        f"{what}; batches of {fits} fit",
        remedy=f"begin in another folder with --set batch_size={fits}, and with --set start=RUN/checkpoints/last.ckpt "
        "to keep what was learned",
    )


def fitting_batch(
    network: DetectionNetwork, recipe: Recipe, precision: Callable[[], AbstractContextManager[None]]
) -> int:
    """The largest of batch_size / 2, / 4, ... that goes forward and back at the recipe's largest size; 0 for none."""
    size = recipe.batch_size // 2
    while size:
        network.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        with contextlib.suppress(torch.OutOfMemoryError), precision():
            _trial_step(network, recipe, size)
            return size
        size //= 2
    return 0


def _trial_step(network: DetectionNetwork, recipe: Recipe, scans: int) -> None:
    device = next(network.parameters()).device
    # AdamW keeps two moments of each parameter; an optimiser stopped in its first step has none yet.
    moments = [torch.empty_like(parameter) for parameter in network.parameters() for _ in range(2)]
    side = max((*recipe.multi_scale, recipe.input_size))
    corner = torch.linspace(0, side / 2, TRIAL_ITEMS, device=device)[:, None]
    boxes = torch.cat((corner, corner, corner + side / 4, corner + side / 4), dim=1)
    classes = len(network.class_names)
    target = Target(
        boxes,
        torch.zeros(TRIAL_ITEMS, dtype=torch.int64, device=device),
        torch.ones(classes, dtype=torch.bool, device=device),
    )
    losses = network.losses(torch.zeros(scans, 3, side, side, device=device), [target] * scans)
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    del moments
