"""A smoke test of any recipe: a network that cannot learn a handful of scans by heart will learn nothing from many."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from detector.errors import RoentgateError, SettingsInvalid
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.evaluation.alignment import align
from training.evaluation.average_precision import average_precision
from training.evaluation.scoring import predict_onnx
from training.fitting.fit import fit
from training.fitting.running_alone import running_alone
from training.recipe import AugmentationSettings, Recipe
from training.samples.training_data import TrainingData
from training.shipping.export import export_network, load_checkpoint, read_run, unchosen_spec

#: Steps given to it, and the AP50 on its own training scans from which it counts as learned by heart.
STEPS, LEARNED_AP50 = 300, 0.7
#: What the run of a check says of its data, which is no folder.
_DATA = "overfit"
#: All that a check leaves in its folder.
_MADE = ("overfit.onnx", "metrics.jsonl", "tensorboard", "checkpoints", "run.json")


class NothingLearned(RoentgateError):
    """The network did not learn a few scans by heart."""

    default_remedy = "look at loss/ in metrics.jsonl: boxes, class ids, learning rate and start are the usual causes"


@dataclass(frozen=True)
class OverfitResult:
    """AP50 of the exported network on the scans it was trained on, after `steps` steps."""

    scans: int
    steps: int
    ap50: float


def overfit_check(train: CocoIndex, recipe: Recipe, run: Path, count: int) -> OverfitResult:
    """Trains on the first `count` scans that hold items, without variation, and scores the export on those scans.

    Of joined sets these few may all be of one that did not look for every class: then the others are left out. The
    recipe's steps count if they are fewer than STEPS. What an earlier check left in `run` makes way. Raises
    NothingLearned below LEARNED_AP50.
    """
    few = _of_classes_looked_for(train, [scan for scan in train.scans if len(scan.class_ids)][:count])
    if not few.scans:
        raise SettingsInvalid(
            f"none of the first {count} training scans with items holds one of a class that it was looked through for",
            remedy="give data with boxes, or more scans",
        )
    plain = AugmentationSettings(
        flip=0, quarter_turn=0, zoom=(1, 1), shift=0, thickness=1, hue=0, saturation=0, degrade=0, projection=0
    )
    steps = min(recipe.steps, STEPS)
    # Validated anew, or a recipe that does not hold together would be trained, and found so when it is read back.
    short = Recipe.model_validate(
        {
            **recipe.model_dump(),
            "steps": steps,
            "batch_size": min(recipe.batch_size, len(few)),
            "multi_scale": (),
            "warmup_steps": min(recipe.warmup_steps, steps // 10),
            "validate_every": steps,
            # Averaging over a thousand steps would show a network that these few steps have hardly reached.
            "ema_decay": min(recipe.ema_decay, 0.9),
            "plain_share": 0.99,
            "augmentation": plain,
            "workers": 0,
            # Of all scans: these few need not be in the file, nor hold every class.
            "emphasis": "",
            "classes": (),
        }
    )
    _clear(run)
    fit(TrainingData(_DATA, few, None), short, run)
    exported = run / "overfit.onnx"
    export_network(load_checkpoint(run, "last"), unchosen_spec(short, few.class_names), exported)
    ap50 = average_precision(few, align(few, predict_onnx(few, exported))).mean.AP50 or 0.0
    if ap50 < LEARNED_AP50:
        raise NothingLearned(f"AP50 {ap50:.2f} on its own {len(few)} training scans after {steps} steps")
    return OverfitResult(len(few), steps, ap50)


def _clear(run: Path) -> None:
    """Of a check that was made here before, and of nothing else: its figures are of another day's recipe."""
    if not (run / "run.json").is_file():
        return
    with running_alone(run):
        before = read_run(run)
        # A run on a folder of that name has a digest of its annotations.
        if (before.data, before.annotations) != (_DATA, ""):
            return
        for path in (run / name for name in _MADE):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _of_classes_looked_for(train: CocoIndex, scans: list[AnnotatedScan]) -> CocoIndex:
    """Those scans under the classes that some of them was looked through for: no other has anything to learn from."""
    never = CocoIndex(train.class_names, tuple(scans)).never_looked_for()
    kept = [class_id for class_id, name in enumerate(train.class_names) if name not in never]
    new_ids = np.full(len(train.class_names), -1, np.int64)
    new_ids[kept] = np.arange(len(kept))
    few = []
    for scan in scans:
        of_these = new_ids[scan.class_ids] >= 0
        if not of_these.any():
            continue
        few.append(
            replace(
                scan,
                boxes_xyxy=scan.boxes_xyxy[of_these],
                class_ids=new_ids[scan.class_ids[of_these]],
                ignore=scan.ignore[of_these],
                annotated=scan.annotated[kept],
            )
        )
    return CocoIndex(tuple(train.class_names[class_id] for class_id in kept), tuple(few))
