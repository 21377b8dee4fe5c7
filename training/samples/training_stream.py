"""Training samples as a pure function of (data, recipe, position): read, letterbox, combine, project, vary.

Nothing here remembers anything between samples but a cache of items to project, which any order fills alike. A run
stopped at step k and taken up again therefore sees exactly what it would have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from training.augmentation import LEAST_ITEM_SIDE, Augmentation
from training.datasets.coco_index import CocoIndex
from training.models.interface import Target
from training.recipe import AugmentationSettings, Recipe
from training.samples.combining import Scene, background_mixup, mosaic
from training.samples.donors import Donors
from training.samples.sampling import SampleOrder, sampling_weights
from training.samples.tile_reader import areas, read_tile
from training.threat_projection import Variation, project

UInt8 = NDArray[np.uint8]
Sample = tuple[UInt8, Target]
Batch = tuple[Tensor, list[Target]]


class TrainingStream(Dataset[Sample]):
    """recipe.steps * recipe.batch_size samples, by position.

    Raises SettingsInvalid for a file of the recipe's `emphasis` that does not fit the index.
    """

    def __init__(self, index: CocoIndex, recipe: Recipe) -> None:
        self._index, self._recipe = index, recipe
        self._order = SampleOrder(sampling_weights(index, recipe), recipe.seed)
        self._varied = Augmentation(recipe.augmentation)
        self._plain = Augmentation(recipe.augmentation, plain=True)
        self._plain_from = round(recipe.steps * (1 - recipe.plain_share)) * recipe.batch_size
        self._donors = Donors(index, recipe.look)
        self._clean = [number for number, scan in enumerate(index.scans) if not len(scan.class_ids)]

    def __len__(self) -> int:
        return self._recipe.steps * self._recipe.batch_size

    def __getitem__(self, position: int) -> Sample:
        generator = np.random.default_rng((self._recipe.seed, position, 1))
        number = self._order[position]
        scene = self._read(number, generator)
        plain = position >= self._plain_from
        if not plain:
            scene = self._combined(scene, generator)
            if generator.random() < self._recipe.augmentation.projection:
                scene = self._projected(scene, number, generator)
        vary = self._plain if plain else self._varied
        rows = np.arange(len(scene.class_ids))
        image, boxes, kept = vary(scene.image, scene.boxes, rows, int(generator.integers(2**31)))
        annotated = scene.annotated.copy()
        # Of a box that zoom or shift cut off a rest may show: its class is no background either.
        annotated[np.delete(scene.class_ids, kept)] = False
        class_ids = torch.from_numpy(scene.class_ids[kept])
        return image, Target(torch.from_numpy(boxes), class_ids, torch.from_numpy(annotated))

    def _read(self, number: int, generator: np.random.Generator) -> Scene:
        scan = self._index.scans[number]
        image, boxes, seen = read_tile(
            scan, self._recipe.look, lambda tiles: tiles[int(generator.integers(len(tiles)))]
        )
        keep = seen & ~scan.ignore
        # An item marked to be ignored, or cut off by the tile's edge, is there: its class is no background here.
        annotated = scan.annotated.copy()
        annotated[scan.class_ids[~keep & (areas(boxes) > 0)]] = False
        return Scene(image, boxes[keep], scan.class_ids[keep], annotated)

    def _combined(self, scene: Scene, generator: np.random.Generator) -> Scene:
        settings = self._recipe.augmentation
        if generator.random() < settings.mosaic:
            others = [self._order_scan(generator) for _ in range(3)]
            return mosaic([scene, *others], generator, LEAST_ITEM_SIDE)
        if generator.random() < settings.background_mixup and self._clean:
            clean = self._clean[int(generator.integers(len(self._clean)))]
            return background_mixup(scene, self._read(clean, generator))
        return scene

    def _order_scan(self, generator: np.random.Generator) -> Scene:
        """A scan drawn as often as the order would bring it."""
        return self._read(self._order[int(generator.integers(len(self)))], generator)

    def _projected(self, scene: Scene, number: int, generator: np.random.Generator) -> Scene:
        settings = self._recipe.augmentation
        for _ in range(int(generator.integers(1, settings.projected_items + 1))):
            drawn = self._donors.draw(generator, without=number)
            variation = _variation(settings)
            found = project(scene.image, drawn[1], generator, variation, scene.boxes) if drawn else None
            if drawn and found:
                boxes = np.concatenate([scene.boxes, found.box[None]])
                class_ids = np.append(scene.class_ids, drawn[1].class_id)
                scene = replace(scene, image=found.image, boxes=boxes, class_ids=class_ids)
        return scene


def _variation(settings: AugmentationSettings) -> Variation:
    return Variation(clutter=settings.projection_clutter, opaque=settings.projection_opaque)


class ResumingBatches(Sampler[list[int]]):
    """Batches of positions from the step that `first_step` tells when iteration begins."""

    def __init__(self, steps: int, batch_size: int, first_step: Callable[[], int]) -> None:
        self._steps, self._batch_size, self._first_step = steps, batch_size, first_step

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self._first_step(), self._steps):
            yield list(range(step * self._batch_size, (step + 1) * self._batch_size))


def collate(samples: list[Sample]) -> Batch:
    """Images as (N, S, S, 3) uint8 (a quarter of the bytes of floats between processes), targets as a list."""
    return torch.from_numpy(np.stack([image for image, _ in samples])), [target for _, target in samples]
