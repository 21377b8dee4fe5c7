"""The Lightning module: losses, optimiser, schedule."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from detector.errors import RoentgateError
from training.datasets.coco_index import CocoIndex
from training.evaluation.alignment import align
from training.evaluation.average_precision import average_precision
from training.evaluation.scoring import predict_onnx
from training.files.checkpoints import CLASS_NAMES
from training.models.interface import DetectionNetwork, Target
from training.recipe import Recipe
from training.samples.training_stream import Batch
from training.shipping.export import export_network, unchosen_spec


class Diverged(RoentgateError):
    """The loss is no number any more: nothing that follows could be learned."""

    default_remedy = "begin in another folder with a lower learning_rate; saved checkpoints are from before"


class DetectionModule(lightning.LightningModule):
    """Trains a network by a recipe."""

    def __init__(
        self,
        network: DetectionNetwork,
        recipe: Recipe,
        validation: CocoIndex | None = None,
        pretrained: frozenset[str] = frozenset(),
    ) -> None:
        """pretrained: names of the network's parameters that did not start from random values."""
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.validation = validation
        self.pretrained = pretrained

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Puts the classes beside the weights: rows of the classifier mean nothing without them."""
        checkpoint[CLASS_NAMES] = list(self.network.class_names)

    def on_train_batch_start(self, batch: Any, batch_index: int) -> None:
        """What networks draw at random (denoising queries, sampled regions) is a function of the step, as scans are."""
        torch.manual_seed(int(np.random.default_rng((self.recipe.seed, self.global_step, 3)).integers(2**62)))

    def training_step(self, batch: Batch | RoentgateError, batch_index: int) -> Tensor:
        """Sum of the network's losses on one batch, at this step's size.

        Raises Diverged, and the error that reading a scan gave in place of the batch.
        """
        if isinstance(batch, RoentgateError):
            raise batch
        images, targets = at_step_size(batch, self.recipe, self.global_step)
        losses = self.network.losses(images, targets)
        total = torch.stack(list(losses.values())).sum()
        self._require_finite(total, losses)
        shown = {f"loss/{name}": value.detach() for name, value in losses.items()}
        self.log_dict({**shown, "loss/total": total.detach()}, prog_bar=True, batch_size=len(targets))
        return total

    def _require_finite(self, total: Tensor, losses: dict[str, Tensor]) -> None:
        # With float16 a step may overflow; the gradient scaler leaves it out and goes on.
        if self.trainer.precision == "16-mixed" or torch.isfinite(total):
            return
        values = ", ".join(f"{name} {value.item():g}" for name, value in losses.items())
        raise Diverged(f"the loss is not finite at step {self.global_step}: {values}")

    def validation_step(self, batch: Any, batch_index: int) -> None:
        """Exports the averaged network and scores the file as a station would: nothing else is worth knowing of it."""
        assert self.validation is not None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "validation.onnx"
            export_network(self.network, unchosen_spec(self.recipe, self.validation.class_names), path)
            table = average_precision(self.validation, align(self.validation, predict_onnx(self.validation, path)))
        # Below 10 boxes a class's AP is mostly luck; where no class has so many, all must do.
        frequent = table.mean_of_frequent if table.frequent else table.mean
        for name, row in {"": table.mean, "_of_frequent": frequent}.items():
            self.log(f"val/AP50{name}", row.AP50 or 0.0, batch_size=1)
            self.log(f"val/AP{name}", row.AP or 0.0, batch_size=1)

    def configure_optimizers(self) -> Any:
        """AdamW with warm-up and cosine; the rate is a function of the step alone, so it resumes with it."""
        optimiser = torch.optim.AdamW(
            parameter_groups(self.network, self.recipe, self.pretrained), weight_decay=self.recipe.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_factor(step, self.recipe))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step", "name": "rate"}}


def at_step_size(batch: Batch, recipe: Recipe, step: int) -> tuple[Tensor, list[Target]]:
    """(N, 3, s, s) float images and their targets at the size that `step` draws from the recipe's multi_scale."""
    images = batch[0].permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
    targets = [target.to(images.device) for target in batch[1]]
    if not recipe.multi_scale:
        return images, targets
    size = int(np.random.default_rng((recipe.seed, step, 2)).choice(recipe.multi_scale))
    scale = size / images.shape[-1]
    if scale == 1:
        return images, targets
    scaled = functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
    moved = [Target(target.boxes_xyxy * scale, target.class_ids, target.annotated) for target in targets]
    return scaled.contiguous(memory_format=torch.channels_last), moved


def rate_factor(step: int, recipe: Recipe) -> float:
    """Share of the peak learning rate at `step`: linear warm-up, then a cosine down to recipe.final_rate."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    progress = min(1.0, (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps))
    return recipe.final_rate + (1 - recipe.final_rate) * (1 + math.cos(math.pi * progress)) / 2


def parameter_groups(network: nn.Module, recipe: Recipe, pretrained: Collection[str]) -> list[dict[str, Any]]:
    """Fresh and pretrained parameters at their rates; norms and biases without weight decay."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((name in pretrained, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": recipe.learning_rate * (recipe.pretrained_rate if started else 1.0),
            **({} if decays else {"weight_decay": 0.0}),
        }
        for (started, decays), parameters in groups.items()
    ]
