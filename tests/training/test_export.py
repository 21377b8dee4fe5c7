"""What an export must not inherit from the training around it, and what it must say of itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from detector import Decision, Detector, Policy
from detector.detections import Detections
from detector.doubts import UNCHOSEN
from detector.errors import SettingsInvalid
from tests.conftest import make_spec
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.fitting.fit import fit
from training.models.table import build
from training.recipe import Recipe
from training.samples.training_data import TrainingData, read_training_data
from training.shipping import release
from training.shipping.export import checkpoint_path, export_network, unchosen_spec, write_spec
from training.shipping.operating_point import ChosenOperatingPoint, with_operating_point
from training.shipping.release import Release, export_release
from training.simulation import simulate_dataset


@pytest.mark.parametrize("model", ["yolox-nano", "yolox-nano-contrast"])
def test_an_export_within_mixed_precision_is_in_full_precision(model: str, tmp_path: Path) -> None:
    recipe = Recipe(model=model, steps=1, input_size=64)
    network = build(model, ("gun", "knife")).eval()
    squares = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3), np.uint8)
    with torch.autocast("cpu", torch.bfloat16):
        export_network(network, unchosen_spec(recipe, network.class_names), tmp_path / "network.onnx")
    types = {tensor.data_type for tensor in onnx.load(tmp_path / "network.onnx").graph.initializer}
    assert onnx.TensorProto.BFLOAT16 not in types
    with torch.no_grad():
        expected = network(torch.from_numpy(squares).permute(0, 3, 1, 2).float())
    boxes, scores = onnxruntime.InferenceSession(tmp_path / "network.onnx").run(None, {"scans": squares})
    # A fresh network's scores are all but equal, so the order of its candidates means nothing.
    for found, wanted in ((boxes, expected.boxes_xyxy), (scores, expected.scores)):
        np.testing.assert_allclose(np.sort(found, axis=1), np.sort(wanted.numpy(), axis=1), atol=1e-3)


def test_the_tiles_of_a_network_of_one_scale_grow_with_its_square() -> None:
    cargo = Recipe(model="yolox-nano", steps=1, input_size=320, tile_pixels=320, pixel_pitch_mm=5.0)
    bags = Recipe(model="yolox-nano", steps=1, input_size=320, tile_pixels=640)
    assert [unchosen_spec(cargo, ("gun",), size).tile_pixels for size in (0, 320, 512)] == [320, 320, 512]
    assert [unchosen_spec(bags, ("gun",), size).tile_pixels for size in (0, 512)] == [640, 640]


def test_an_export_without_a_validation_scan_is_refused_before_anything_else(tmp_path: Path) -> None:
    empty = CocoIndex(("gun",), ())
    with pytest.raises(SettingsInvalid, match="val split holds no scan"):
        export_release(tmp_path / "run", tmp_path / "x.onnx", Release("x", "t", {}), TrainingData("", empty, empty))
    assert not list(tmp_path.iterdir())


def test_a_missing_checkpoint_tells_of_the_last_one_if_it_is_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        checkpoint_path(tmp_path, "best")
    assert caught.value.remedy == "let fit reach its first validation"
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/last.ckpt").touch()
    with pytest.raises(SettingsInvalid) as caught:
        checkpoint_path(tmp_path, "best")
    assert caught.value.remedy == "give --checkpoint last, which is there"


def test_validation_scans_without_a_box_give_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, bool)
    scan = AnnotatedScan(tmp_path / "s.png", 64, 64, "bench", *nothing, np.ones(2, bool))
    index = CocoIndex(("gun", "knife"), (scan,) * 3)
    monkeypatch.setattr(release, "detector_for", lambda draft: draft)
    monkeypatch.setattr(
        release, "predict_with", lambda detector, validation, watch: [Detections.empty(index.class_names)] * 3
    )
    assert release._with_operating_point(make_spec(), tmp_path / "draft.onnx", index, 0.05).metrics == {}


@pytest.mark.filterwarnings(
    # Lightning's own advice on workers and its use of torch internals; nothing of ours.
    "ignore::UserWarning:lightning",
    "ignore::FutureWarning:lightning",
    "ignore::DeprecationWarning:lightning",
    "ignore::lightning.pytorch.utilities.warnings.PossibleUserWarning",
)
def test_weights_without_chosen_alarm_scores_clear_nothing_until_some_are_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Untrained scores lie near 0.01; the gate must compare them all the same.
    monkeypatch.setattr("training.shipping.parity.LEAST_SCORE", 0.001)
    monkeypatch.setattr("training.shipping.parity.LEAST_SCANS", 8)
    monkeypatch.setattr("training.shipping.release.LEAST_SCANS", 8)
    simulate_dataset(tmp_path / "data", scans=16, seed=1)
    recipe = Recipe(model="yolox-nano", input_size=64, steps=1, batch_size=2, warmup_steps=0, workers=0)
    learned = read_training_data(tmp_path / "data", recipe)
    run = tmp_path / "run"
    fit(replace(learned, validation=None), recipe, run)
    wanted = Release("small", "for tests", {"simulated": "made here"}, checkpoint="last")
    spec, _ = export_release(run, tmp_path / "raw.onnx", wanted, replace(learned, validation=None))
    assert not spec.chosen_on
    # The colours are those of the training scans: a scanner that nobody learned from is told from them all the same.
    assert spec.coloured and spec.colours
    scan = next(iter(learned.train.scans))
    found = Detector(tmp_path / "raw.onnx", policy=Policy(min_score=0.0)).inspect(scan.path)
    assert found.decision is not Decision.CLEAR and any(UNCHOSEN in reason for reason in found.reasons)
    chosen = ChosenOperatingPoint(dict.fromkeys(spec.class_names, 0.5), {}, None, "by hand")
    assert learned.validation is not None
    write_spec(tmp_path / "raw.onnx", with_operating_point(spec, chosen, learned.validation))
    again = Detector(tmp_path / "raw.onnx", policy=Policy(min_score=0.0)).inspect(scan.path)
    assert not any(UNCHOSEN in reason for reason in again.reasons)
