"""Scores become probabilities by the maps of the weights, and by nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from detector import Detector, Policy
from detector.calibration import calibrate, probability
from detector.errors import SettingsInvalid
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
        ((), "does not rise"),
        (((0.0, 0.0), (1.0, 0.4)), "gun could never alarm: its calibration ends at 0.4"),
        ((0.1, 3.0), "gives 0.9269 are left out"),
        (((0.0, 0.5), (0.5, 0.5), (1.0, 0.9)), "are left out"),
    ],
)
def test_a_map_that_could_hide_items_is_refused(class_map: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_spec(calibration={"gun": class_map})


def test_a_threshold_below_what_is_looked_at_is_refused_without_a_map_too() -> None:
    with pytest.raises(ValidationError, match=r"knife would alarm from 0\.005, but boxes with a score below 0\.01 are"):
        make_spec(thresholds={"gun": 0.5, "knife": 0.005})
    assert make_spec(thresholds={"gun": 0.5, "knife": 0.01}).thresholds["knife"] == 0.01


def test_a_threshold_within_reach_of_its_map_is_taken() -> None:
    # The map gives 0.0015 to the lowest score that is looked at.
    low = {"gun": 0.002, "knife": 0.5}
    assert make_spec(calibration={"gun": (1.2, -1.0)}, thresholds=low).thresholds == low
    never = {"gun": 1.0, "knife": 0.5}
    assert make_spec(calibration={"gun": ((0.0, 0.0), (1.0, 0.4))}, thresholds=never).thresholds == never


@pytest.mark.parametrize("table", ["alarm", "refer"])
def test_a_policy_below_what_the_map_gives_the_lowest_score_is_refused(table: str, tmp_path: Path) -> None:
    weights = probe_onnx(tmp_path / "own.onnx", make_spec(calibration={"gun": (1.0, 3.0)}))
    Detector(weights, policy=Policy.model_validate({table: {"gun": 0.2}}))
    with pytest.raises(SettingsInvalid, match=r"boxes of gun with a score below 0\.1687 are left out") as refused:
        Detector(weights, policy=Policy.model_validate({table: {"gun": 0.1}}))
    assert "above 0.1687" in refused.value.remedy


@pytest.mark.parametrize("policy", [Policy(alarm={"gun": 0.9}), Policy(alarm={"gun": 1.0}, refer={"gun": 0.9})])
def test_a_policy_beyond_the_end_of_the_map_is_refused(policy: Policy, tmp_path: Path) -> None:
    ends = make_spec(calibration={"gun": ((0.0, 0.0), (1.0, 0.84567))})
    weights = probe_onnx(tmp_path / "own.onnx", ends)
    with pytest.raises(
        SettingsInvalid, match=r"no box of gun can reach 0\.9: its calibration ends at 0\.8457"
    ) as refused:
        Detector(weights, policy=policy)
    assert "at most 0.8456" in refused.value.remedy
    Detector(weights, policy=Policy(alarm={"gun": 0.8456}))
    # Never, as in the weights' own thresholds.
    Detector(weights, policy=Policy(alarm={"gun": 1.0}))


def test_a_policy_at_the_flat_beginning_of_a_map_is_refused(tmp_path: Path) -> None:
    flat = make_spec(calibration={"gun": ((0.0, 0.25), (0.5, 0.25), (1.0, 0.9))})
    weights = probe_onnx(tmp_path / "own.onnx", flat)
    with pytest.raises(SettingsInvalid, match="are left out"):
        Detector(weights, policy=Policy(refer={"gun": 0.25}))


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
