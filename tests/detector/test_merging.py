from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from detector import merging
from detector.errors import InferenceFailed
from detector.merging import (
    FRAGMENT_COVER,
    Boxes,
    _cut_by_inner_edge,
    _gather,
    _join_fragments,
    merge_tiles,
    suppress,
)
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


def boxes_of_tiles(
    tiles: list[Tile], count: int, largest: float, seed: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Boxes and scores for each tile, of two classes, a third of them cut by an edge of it; many scores are equal."""
    random = np.random.default_rng(seed)
    boxes, scores = [], []
    for tile in tiles:
        sizes = np.exp(random.uniform(np.log(3), np.log(largest), (count, 2)))
        room = np.maximum([tile.width, tile.height] - sizes, 0)
        corners = random.uniform(0, 1, (count, 2)) * room + [tile.x1, tile.y1]
        found = np.concatenate([corners, corners + sizes], axis=1).astype(np.float32)
        edge = np.where(random.random(count) < 1 / 3, random.integers(0, 4, count), 4)
        for side, limit in enumerate((tile.x1, tile.y1, tile.x2, tile.y2)):
            found[edge == side, side] = limit
        class_ids = random.integers(0, 2, count)
        own = np.zeros((count, 2), np.float32)
        own[np.arange(count), class_ids] = random.integers(10, 100, count) / 100
        boxes.append(found)
        scores.append(own)
    return boxes, scores


def plain_joining(found: Boxes, tiles: list[Tile]) -> Boxes:
    """Each fragment against each whole box, one by one, as reference."""
    cut = _cut_by_inner_edge(found, tiles)
    scores, keep = found.scores.copy(), np.ones(len(cut), bool)
    for fragment in np.flatnonzero(cut):
        own, box, best = tiles[found.tiles[fragment]], found.xyxy[fragment], -1
        for whole in np.flatnonzero(~cut & (found.class_ids == found.class_ids[fragment])):
            other, candidate = tiles[found.tiles[whole]], found.xyxy[whole]
            beside = other != own and min(own.x2, other.x2) > max(own.x1, other.x1)
            beside = beside and min(own.y2, other.y2) > max(own.y1, other.y1)
            shared = (np.minimum(candidate[2:], box[2:]) - np.maximum(candidate[:2], box[:2])).clip(min=0).prod()
            covers = shared / (box[2:] - box[:2]).prod() >= np.float32(FRAGMENT_COVER)
            ends = np.array([own.x2, own.y2, own.x1, own.y1], np.float32)
            in_tile = (np.minimum(candidate[2:], ends[:2]) - np.maximum(candidate[:2], ends[2:])).clip(min=0).prod()
            matches = shared >= merging.FRAGMENT_MATCH * ((box[2:] - box[:2]).prod() + in_tile - shared)
            if beside and covers and matches and (best < 0 or found.scores[whole] > found.scores[best]):
                best = int(whole)
        if best >= 0:
            keep[fragment] = False
            scores[best] = max(scores[best], found.scores[fragment])
    return Boxes(found.xyxy, scores, found.class_ids, found.tiles)[keep]


# Small boxes at random hardly ever match by half.
@pytest.mark.parametrize(("largest", "match", "count"), [(12, 0.05, 160), (60, 0.2, 40), (150, 0.5, 40)])
def test_fragments_are_joined_as_when_each_is_compared_with_every_box(
    largest: float, match: float, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "FRAGMENT_MATCH", match)
    joined = 0
    for seed in range(4):
        tiles = plan_tiles(width=330, height=240, side=150)
        found = _gather(tiles, *boxes_of_tiles(tiles, count, largest, seed), iou=0.65)
        expected, given = plain_joining(found, tiles), _join_fragments(found, tiles)
        for name in ("xyxy", "scores", "class_ids", "tiles"):
            assert np.array_equal(getattr(given, name), getattr(expected, name)), name
        joined += len(found.scores) - len(given.scores)
    assert joined


def test_boxes_beyond_one_block_and_one_portion_of_pairs_are_all_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    xyxy, scores, class_ids = random_boxes(300, 60, 3)
    expected = plain_suppression(xyxy, scores, class_ids, 0.5)
    for block, pairs in ((1, 1), (7, 5), (300, 10_000)):
        monkeypatch.setattr(merging, "_BLOCK", block)
        monkeypatch.setattr(merging, "_PAIRS", pairs)
        assert suppress(xyxy, scores, class_ids, 0.5).tolist() == expected


def test_thirty_thousand_boxes_need_little_memory() -> None:
    tiles = plan_tiles(width=3_100, height=2_400, side=1_000)
    boxes, scores = boxes_of_tiles(tiles, 30_000 // len(tiles), 60, 1)
    tracemalloc.start()
    merged = merge_tiles(tiles, boxes, scores, 0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 10_000 < len(merged.scores) < 30_000
    # A full matrix of 30,000 x 30,000 floats would be 3.6 GB.
    assert peak < 64e6


def slivers(count: int) -> np.ndarray:
    """(count, 4) boxes nearly as long as one another and hardly any pixel thick, side by side."""
    generator = np.random.default_rng(5)
    corners = generator.uniform(0, [20, 900], (count, 2))
    return np.concatenate([corners, corners + np.array([900, 0.05])], axis=1).astype(np.float32)


@pytest.mark.parametrize("boxes", [slivers, lambda count: slivers(count)[:, [1, 0, 3, 2]]])
def test_twice_as_many_slivers_are_twice_the_work(
    boxes: Callable[[int], np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared, plain = [0], merging._overlap_more

    def counted(*arguments: Any) -> np.ndarray:
        found = plain(*arguments)
        compared[-1] += found.size
        return found

    monkeypatch.setattr(merging, "_overlap_more", counted)
    for count in (1_500, 3_000):
        compared.append(0)
        assert len(suppress(boxes(count), np.ones(count), np.zeros(count, np.int64), 0.65)) > 0.9 * count
    assert compared[2] < 2.5 * compared[1]


def test_a_crowded_tile_gives_what_a_quiet_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above some number of boxes the grid takes the place of OpenCV's quadratic method."""
    tiles = [Tile(0, 0, 300, 300)]
    boxes, scores = boxes_of_tiles(tiles, 400, 60, 2)
    found = []
    for few in (0, 10_000):
        monkeypatch.setattr(merging, "_FEW", few)
        found.append(merge_tiles(tiles, boxes, scores, 0.5))
    for name in ("xyxy", "scores", "class_ids"):
        assert np.array_equal(getattr(found[0], name), getattr(found[1], name)), name
    assert 0 < len(found[0].scores) < 400


def test_a_view_without_boxes_has_none() -> None:
    tiles = plan_tiles(width=330, height=240, side=150)
    none = np.zeros((0, 4), np.float32), np.zeros((0, 2), np.float32)
    merged = merge_tiles(tiles, [none[0]] * len(tiles), [none[1]] * len(tiles), 0.5)
    assert merged.xyxy.shape == (0, 4)


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


@pytest.mark.parametrize(("end", "boxes"), [(100.0, 1), (99.5, 1), (97.0, 2)])
def test_a_box_that_ends_a_little_before_a_tile_s_edge_is_cut_as_well(end: float, boxes: int) -> None:
    tiles = plan_tiles(width=175, height=100, side=100)
    left, left_score = one_box([80, 40, end, 60], 0.9)
    right, right_score = one_box([80, 40, 130, 60], 0.6)
    assert len(merge_tiles(tiles, [left, right], [left_score, right_score], iou=0.6).scores) == boxes


def test_a_small_item_at_a_tiles_edge_is_not_taken_over_by_a_large_one_around_it() -> None:
    tiles = plan_tiles(width=175, height=100, side=100)
    left, left_score = one_box([80, 40, 100, 50], 0.9)
    right, right_score = one_box([78, 10, 160, 90], 0.2)
    merged = merge_tiles(tiles, [left, right], [left_score, right_score], iou=0.6)
    assert merged.xyxy.tolist() == [[80, 40, 100, 50], [78, 10, 160, 90]]
    assert merged.scores.tolist() == pytest.approx([0.9, 0.2])


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
