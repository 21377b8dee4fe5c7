from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from detector.errors import InferenceFailed
from detector.merging import merge_tiles, suppress
from detector.tiling import Tile, plan_tiles


def plain_suppression(xyxy: np.ndarray, scores: np.ndarray, class_ids: np.ndarray, iou: float) -> list[int]:
    """The textbook method, quadratic, as reference."""
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        for other in kept:
            top = np.maximum(xyxy[index, :2], xyxy[other, :2])
            bottom = np.minimum(xyxy[index, 2:], xyxy[other, 2:])
            shared = (bottom - top).clip(min=0).prod()
            areas = (xyxy[index, 2:] - xyxy[index, :2]).prod() + (xyxy[other, 2:] - xyxy[other, :2]).prod()
            if class_ids[index] == class_ids[other] and shared / (areas - shared) > iou:
                break
        else:
            kept.append(int(index))
    return kept


def random_boxes(count: int, extent: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    sizes = np.exp(generator.uniform(np.log(3), np.log(extent / 2), (count, 2)))
    corners = generator.uniform(0, extent, (count, 2))
    xyxy = np.concatenate([corners, corners + sizes], axis=1).astype(np.float32)
    return xyxy, generator.random(count).astype(np.float32), generator.integers(0, 3, count)


@pytest.mark.parametrize("iou", [0.3, 0.5, 0.65, 0.9])
def test_the_grid_gives_what_the_quadratic_method_gives(iou: float) -> None:
    for seed in range(6):
        xyxy, scores, class_ids = random_boxes(250, 120, seed)
        assert suppress(xyxy, scores, class_ids, iou).tolist() == plain_suppression(xyxy, scores, class_ids, iou)


def test_thirty_thousand_boxes_need_little_memory() -> None:
    xyxy, scores, class_ids = random_boxes(30_000, 20_000, 1)
    tracemalloc.start()
    suppress(xyxy, scores, class_ids, 0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A full matrix of 30,000 x 30,000 floats would be 3.6 GB.
    assert peak < 200e6


def one_box(box: list[float], score: float) -> tuple[np.ndarray, np.ndarray]:
    return np.array([box], np.float32), np.array([[score, 0.0]], np.float32)


def test_an_item_cut_by_a_tile_gives_one_box_with_the_higher_score() -> None:
    tiles = plan_tiles(width=175, height=100, side=100)
    assert [tile.x1 for tile in tiles] == [0, 75]
    left, left_score = one_box([80, 40, 100, 60], 0.9)
    right, right_score = one_box([80, 40, 130, 60], 0.6)
    merged = merge_tiles(tiles, [left, right], [left_score, right_score], iou=0.6)
    assert merged.xyxy.tolist() == [[80, 40, 130, 60]]
    assert merged.scores.tolist() == pytest.approx([0.9])


def test_a_box_at_the_edge_of_the_view_is_no_fragment() -> None:
    tiles = plan_tiles(width=175, height=100, side=100)
    left, left_score = one_box([0, 40, 20, 60], 0.9)
    right, right_score = one_box([150, 40, 175, 60], 0.8)
    merged = merge_tiles(tiles, [left, right], [left_score, right_score], iou=0.6)
    assert len(merged.scores) == 2


def test_neighbouring_items_of_other_classes_are_kept_apart() -> None:
    boxes = np.array([[10, 10, 30, 30], [10, 10, 30, 30]], np.float32)
    scores = np.array([[0.9, 0.0], [0.0, 0.8]], np.float32)
    merged = merge_tiles([Tile(0, 0, 100, 100)], [boxes], [scores], iou=0.5)
    assert sorted(merged.class_ids.tolist()) == [0, 1]


def test_boxes_in_the_padding_vanish_and_others_are_clipped() -> None:
    boxes = np.array([[120, 10, 140, 30], [90, 10, 110, 30]], np.float32)
    scores = np.array([[0.9, 0.0], [0.8, 0.0]], np.float32)
    merged = merge_tiles([Tile(0, 0, 100, 100)], [boxes], [scores], iou=0.5)
    assert merged.xyxy.tolist() == [[90, 10, 100, 30]]


def test_one_candidate_may_carry_two_classes() -> None:
    boxes = np.array([[10, 10, 30, 30]], np.float32)
    merged = merge_tiles([Tile(0, 0, 100, 100)], [boxes], [np.array([[0.7, 0.6]], np.float32)], iou=0.5)
    assert sorted(merged.class_ids.tolist()) == [0, 1]


def test_a_box_that_ends_before_it_begins_is_no_clear() -> None:
    boxes = np.array([[30, 30, 10, 10]], np.float32)
    with pytest.raises(InferenceFailed, match="end before they begin"):
        merge_tiles([Tile(0, 0, 100, 100)], [boxes], [np.array([[0.99, 0.0]], np.float32)], iou=0.5)
