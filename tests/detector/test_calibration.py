"""Scores become probabilities by the maps of the weights, and by nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from detector.calibration import calibrate, probability
from detector.weights import load_weights
from detector.weights_spec import WeightsSpec
from tests.conftest import make_spec, probe_onnx

NAMES = ("gun", "knife", "lighter")
KNOTS = ((0.0, 0.0), (0.4, 0.1), (0.8, 0.9), (1.0, 0.95))


def test_each_class_goes_by_its_own_map() -> None:
    scores = np.array([0.5, 0.2, 0.6, 0.9, 0.5], np.float32)
    class_ids = np.array([0, 1, 1, 1, 2])
    mapped = calibrate(scores, class_ids, NAMES, {"gun": (2.0, 1.0), "knife": KNOTS})
    # logit(.5) is 0, so the gun's is sigmoid(1); knives lie half way between knots; lighters have no map.
    assert mapped.tolist() == pytest.approx([1 / (1 + np.exp(-1)), 0.05, 0.5, 0.925, 0.5], abs=1e-6)
    assert mapped.dtype == np.float32 and scores[0] == 0.5


def test_without_maps_nothing_changes() -> None:
    scores = np.array([0.1, 0.7], np.float32)
    assert calibrate(scores, np.array([0, 1]), NAMES, {}).tolist() == scores.tolist()


@pytest.mark.parametrize("class_map", [(2.5, -1.0), (0.3, 4.0), KNOTS])
def test_maps_keep_order_and_stay_in_range(class_map: tuple[float, float]) -> None:
    mapped = probability(np.linspace(0, 1, 501), class_map)
    assert (np.diff(mapped) >= 0).all() and mapped.min() >= 0 and mapped.max() <= 1 and np.isfinite(mapped).all()


@pytest.mark.parametrize(
    ("class_map", "message"),
    [
        ((-1.0, 0.0), "does not rise"),
        ((float("nan"), 0.0), "does not rise"),
        (((0.0, 0.5), (1.0, 0.2)), "does not rise"),
        (((0.5, 0.1), (0.5, 0.2)), "does not rise"),
        (((0.0, 0.0), (1.0, 1.5)), "does not rise"),
        (((0.0, 0.0),), "does not rise"),
        ((1.0, 2.0, 3.0), "validation error"),
    ],
)
def test_a_map_that_could_hide_items_is_refused(class_map: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_spec(calibration={"gun": class_map})


def test_a_map_for_an_unknown_class_is_refused() -> None:
    with pytest.raises(ValidationError, match="does not have"):
        make_spec(calibration={"axe": (1.0, 0.0)})


def test_both_kinds_survive_the_file_and_old_files_stay_readable(tmp_path: Path) -> None:
    spec = make_spec(calibration={"gun": (1.5, -0.5), "knife": KNOTS})
    assert load_weights(probe_onnx(tmp_path / "own.onnx", spec)).spec == spec
    old = make_spec().model_dump(exclude={"calibration"})
    assert WeightsSpec.model_validate(old).calibration == {}
    assert WeightsSpec.model_validate_json('{"calibration": {"gun": [1.5, -0.5]}, ' + _rest()).calibration == {
        "gun": (1.5, -0.5)
    }


def _rest() -> str:
    return make_spec().model_dump_json(exclude={"calibration"}).removeprefix("{")
