from __future__ import annotations

import numpy as np
import pytest

from detector.detections import Detections
from detector.errors import SettingsInvalid
from training.cargo.tile_parity import compare, measure

NAMES = ("gun", "knife")


def found(*items: tuple[float, float, float, int]) -> Detections:
    """Squares of 40 pixels: x, y, score, class."""
    values = np.array(items, np.float32).reshape(-1, 4)
    corners = np.hstack([values[:, :2], values[:, :2] + 40])
    views = np.zeros(len(values), np.int64)
    return Detections(corners, values[:, 2], values[:, 3].astype(np.int64), views, NAMES)


def test_the_same_items_are_kept_and_nothing_is_added() -> None:
    looks = [found((10, 10, 0.9, 0), (200, 10, 0.6, 1)), found((50, 50, 0.4, 0))]
    parity = compare(looks, looks, 0.3)
    assert (parity.kept.count, parity.kept.total, parity.added.count, parity.added.total) == (3, 3, 0, 3)
    np.testing.assert_array_equal(parity.differences, 0)


def test_what_tiles_lose_double_shift_or_rename_is_told() -> None:
    whole = [found((10, 10, 0.9, 0)), found((10, 10, 0.9, 0)), found((10, 10, 0.9, 0)), found((10, 10, 0.9, 0))]
    tiled = [found(), found((10, 10, 0.7, 0), (60, 10, 0.5, 0)), found((40, 10, 0.9, 0)), found((10, 10, 0.9, 1))]
    parity = compare(whole, tiled, 0.3)
    assert (parity.kept.count, parity.kept.total) == (1, 4)
    assert (parity.added.count, parity.added.total) == (3, 4)
    assert parity.differences == pytest.approx([0.2], abs=1e-6)


def test_an_item_just_below_the_score_in_the_other_look_is_no_loss() -> None:
    assert compare([found((10, 10, 0.31, 0))], [found((10, 10, 0.29, 0))], 0.3).kept.count == 1
    assert compare([found((10, 10, 0.31, 0))], [found((10, 10, 0.15, 0))], 0.3).kept.count == 0


def test_no_item_is_no_rate() -> None:
    parity = compare([found()], [found()], 0.3)
    assert parity.kept.value is None and parity.added.value is None


def test_weights_that_are_not_shipped_or_know_no_scale_are_refused() -> None:
    for name in ("luggage", "nothing-of-that-name", ""):
        with pytest.raises(SettingsInvalid, match="no shipped weights of one scale"):
            measure(name, 1)
