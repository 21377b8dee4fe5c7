"""Where projected items come from: the boxes of a split, every class drawn as often as any other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.tile_squares import Look
from detector.tiling import Tile
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.samples.tile_reader import areas, read_tile
from training.threat_projection import Item, take_out

#: Draws tried for an item that can be told from its bag before a scan goes without.
TRIES = 4
#: Items kept; about 100 kB each.
MOST_ITEMS = 1024
#: A box of which another covers more than this share would carry a second, unmarked item along.
MOST_SHARED = 0.2

#: (scan, box) numbers in the index.
Donor = tuple[int, int]


class Donors:
    """Items of a split, at the scale of the network's square, each taken out once and kept."""

    def __init__(self, index: CocoIndex, look: Look) -> None:
        self._index, self._look = index, look
        self._by_class = donors_by_class(index)
        self._items: dict[Donor, Item | None] = {}

    def draw(
        self, generator: np.random.Generator, without: int | None = None, looked_for: NDArray[np.bool_] | None = None
    ) -> tuple[Donor, Item] | None:
        """An item of a class drawn evenly, so that rare ones come as often as common ones; None where none was found.

        without: number of the scan that it must not come from. looked_for: (C,) the classes to draw from; None for all.
        """
        wanted = np.ones(len(self._by_class), bool) if looked_for is None else looked_for
        drawn_from = [donors for donors, chosen in zip(self._by_class, wanted, strict=True) if donors and chosen]
        for _ in range(TRIES if drawn_from else 0):
            donors = drawn_from[int(generator.integers(len(drawn_from)))]
            donor = donors[int(generator.integers(len(donors)))]
            if donor[0] != without and (item := self._item(donor)):
                return donor, item
        return None

    def _item(self, donor: Donor) -> Item | None:
        if donor not in self._items:
            if len(self._items) >= MOST_ITEMS:
                self._items.pop(next(iter(self._items)))
            self._items[donor] = self._take(*donor)
        return self._items[donor]

    def _take(self, scan_number: int, box_number: int) -> Item | None:
        scan = self._index.scans[scan_number]
        centre_x, centre_y = (scan.boxes_xyxy[box_number, :2] + scan.boxes_xyxy[box_number, 2:]) / 2

        def most_central(tiles: list[Tile]) -> Tile:
            return min(tiles, key=lambda t: abs(t.x1 + t.x2 - 2 * centre_x) + abs(t.y1 + t.y2 - 2 * centre_y))

        image, boxes, seen = read_tile(scan, self._look, most_central)
        return take_out(image, boxes[box_number], int(scan.class_ids[box_number])) if seen[box_number] else None


def donors_by_class(index: CocoIndex) -> list[list[Donor]]:
    """Donors of each class, by class id."""
    donors: list[list[Donor]] = [[] for _ in index.class_names]
    for scan_number, scan in enumerate(index.scans):
        for box_number, class_id in enumerate(scan.class_ids):
            if not scan.ignore[box_number] and _stands_alone(scan, box_number):
                donors[int(class_id)].append((scan_number, box_number))
    return donors


def _stands_alone(scan: AnnotatedScan, box_number: int) -> bool:
    own, others = scan.boxes_xyxy[box_number], np.delete(scan.boxes_xyxy, box_number, axis=0)
    shared = np.concatenate([np.maximum(others[:, :2], own[:2]), np.minimum(others[:, 2:], own[2:])], axis=1)
    shared[:, 2:] = np.maximum(shared[:, 2:], shared[:, :2])
    return not (areas(shared) > MOST_SHARED * areas(own[None])).any()
