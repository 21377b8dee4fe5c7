"""Training samples as a pure function of (data, recipe, position): read, letterbox, project, vary.

Nothing here remembers anything between samples but a cache of items to project, which any order fills alike. A run
stopped at step k and taken up again therefore sees exactly what it would have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from detector.normalise import letterbox, render
from detector.readers import read_scan
from detector.tiling import Tile, plan_tiles
from training.augmentation import LEAST_VISIBLE, Augmentation
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.export import TILE_PIXELS
from training.models.interface import Target
from training.recipe import Recipe
from training.sampling import SampleOrder, repeat_factors
from training.threat_projection import ItemTransmission, project, take_out

UInt8 = NDArray[np.uint8]
Sample = tuple[UInt8, Target]
Batch = tuple[Tensor, list[Target]]

#: Draws tried for an item that can be told from its bag before a scan goes without.
PROJECTION_TRIES = 4
#: Items kept by each worker; about 100 kB each.
MOST_ITEMS = 1024


def read_tile(
    scan: AnnotatedScan, size: int, choose: Callable[[list[Tile]], Tile]
) -> tuple[UInt8, NDArray[np.float32], NDArray[np.bool_]]:
    """One tile of a scan as the station would cut it, in the network's square, through the station's own reader.

    choose: takes one of the tiles; a scan that the station looks at whole has one alone. Returns the square (size,
    size, 3) RGB, all of the scan's boxes in its pixels, clipped to the tile, and which of them are there to be seen.
    """
    image = render(read_scan(scan.path.read_bytes(), str(scan.path)).views[0])
    tile = choose(plan_tiles(image.shape[1], image.shape[0], TILE_PIXELS))
    square, placement = letterbox(image[tile.y1 : tile.y2, tile.x1 : tile.x2], size)
    low, high = np.array([tile.x1, tile.y1] * 2, np.float32), np.array([tile.x2, tile.y2] * 2, np.float32)
    clipped = np.clip(scan.boxes_xyxy, low, high)
    seen = _areas(clipped) >= LEAST_VISIBLE * _areas(scan.boxes_xyxy)
    return square, (clipped - low) * np.float32(placement.scale), seen


def _areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), np.float32)


class TrainingStream(Dataset[Sample]):
    """recipe.steps * recipe.batch_size samples, by position."""

    def __init__(self, index: CocoIndex, recipe: Recipe) -> None:
        self._index, self._recipe = index, recipe
        self._order = SampleOrder(repeat_factors(index, recipe.balance_share), recipe.seed)
        self._varied = Augmentation(recipe.augmentation)
        self._plain = Augmentation(recipe.augmentation, plain=True)
        self._plain_from = round(recipe.steps * (1 - recipe.plain_share)) * recipe.batch_size
        self._donors = _donors_by_class(index)
        self._items: dict[tuple[int, int], ItemTransmission | None] = {}

    def __len__(self) -> int:
        return self._recipe.steps * self._recipe.batch_size

    def __getitem__(self, position: int) -> Sample:
        generator = np.random.default_rng((self._recipe.seed, position, 1))
        scan = self._index.scans[self._order[position]]
        image, boxes, seen = read_tile(
            scan, self._recipe.input_size, lambda tiles: tiles[int(generator.integers(len(tiles)))]
        )
        keep = seen & ~scan.ignore
        boxes, class_ids = boxes[keep], scan.class_ids[keep]
        plain = position >= self._plain_from
        if not plain and generator.random() < self._recipe.augmentation.projection:
            image, boxes, class_ids = self._project(image, boxes, class_ids, generator)
        vary = self._plain if plain else self._varied
        image, boxes, class_ids = vary(image, boxes, class_ids, int(generator.integers(2**31)))
        return image, Target(torch.from_numpy(boxes), torch.from_numpy(class_ids), torch.from_numpy(scan.annotated))

    def _project(
        self, image: UInt8, boxes: NDArray[np.float32], class_ids: NDArray[np.int64], generator: np.random.Generator
    ) -> tuple[UInt8, NDArray[np.float32], NDArray[np.int64]]:
        for _ in range(int(generator.integers(1, self._recipe.augmentation.projected_items + 1))):
            item = self._draw_item(generator)
            projected = project(image, item, generator) if item else None
            if item and projected:
                image = projected[0]
                boxes = np.concatenate([boxes, projected[1][None]])
                class_ids = np.append(class_ids, item.class_id)
        return image, boxes, class_ids

    def _draw_item(self, generator: np.random.Generator) -> ItemTransmission | None:
        """An item of a class drawn evenly, so that rare ones are projected as often as common ones."""
        for _ in range(PROJECTION_TRIES):
            donors = self._donors[int(generator.integers(len(self._donors)))] if self._donors else []
            if donors and (item := self._item(donors[int(generator.integers(len(donors)))])):
                return item
        return None

    def _item(self, donor: tuple[int, int]) -> ItemTransmission | None:
        if donor not in self._items:
            if len(self._items) >= MOST_ITEMS:
                self._items.pop(next(iter(self._items)))
            self._items[donor] = self._take_item(*donor)
        return self._items[donor]

    def _take_item(self, scan_number: int, box_number: int) -> ItemTransmission | None:
        scan = self._index.scans[scan_number]
        centre_x, centre_y = (scan.boxes_xyxy[box_number, :2] + scan.boxes_xyxy[box_number, 2:]) / 2

        def most_central(tiles: list[Tile]) -> Tile:
            return min(tiles, key=lambda t: abs(t.x1 + t.x2 - 2 * centre_x) + abs(t.y1 + t.y2 - 2 * centre_y))

        image, boxes, seen = read_tile(scan, self._recipe.input_size, most_central)
        return take_out(image, boxes[box_number], int(scan.class_ids[box_number])) if seen[box_number] else None


def _donors_by_class(index: CocoIndex) -> list[list[tuple[int, int]]]:
    """(scan, box) numbers of each class that has any."""
    donors: list[list[tuple[int, int]]] = [[] for _ in index.class_names]
    for scan_number, scan in enumerate(index.scans):
        for box_number, class_id in enumerate(scan.class_ids):
            if not scan.ignore[box_number]:
                donors[int(class_id)].append((scan_number, box_number))
    return [entries for entries in donors if entries]


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
