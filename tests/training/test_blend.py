"""The mean of a network and of what its training began from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from detector.errors import SettingsInvalid
from training.cli import app
from training.datasets.coco_index import read_coco
from training.fitting.fit import fit
from training.models.table import build
from training.models.yolox import STEM
from training.recipe import Recipe
from training.samples.training_data import TrainingData
from training.shipping.blend import blend
from training.shipping.export import load_checkpoint
from training.shipping.release import Release, export_release
from training.simulation import simulate_dataset

pytestmark = pytest.mark.filterwarnings(
    # Lightning's own advice on workers and its use of torch internals; nothing of ours.
    "ignore::UserWarning:lightning",
    "ignore::FutureWarning:lightning",
    "ignore::DeprecationWarning:lightning",
    "ignore::lightning.pytorch.utilities.warnings.PossibleUserWarning",
)


def small_recipe(**changes: object) -> Recipe:
    values = {
        "model": "yolox-nano", "input_size": 64, "steps": 2, "batch_size": 2, "warmup_steps": 1, "validate_every": 2,
        "workers": 0, "precision": "32-true", "ema_decay": 0.5,
    }  # fmt: skip
    return Recipe.model_validate(values | changes)


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    folder = tmp_path_factory.mktemp("data")
    simulate_dataset(folder, scans=8, seed=1)
    return TrainingData(str(folder), read_coco(folder, "train"), None)


@pytest.fixture(scope="module")
def run(train: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    fit(train, small_recipe(), folder)
    return folder


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]  # type: ignore[no-any-return]


def test_a_blend_lies_between_what_a_training_began_from_and_what_it_came_to(
    train: TrainingData, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.shipping.parity.LEAST_SCORE", 0.001)
    monkeypatch.setattr("training.shipping.parity.LEAST_SCANS", 8)
    monkeypatch.setattr("training.shipping.release.LEAST_SCANS", 8)
    begun = shutil.copytree(run, tmp_path / "begun")
    start = begun / "checkpoints" / "last.ckpt"
    before = weights_of(begun)
    fit(train, small_recipe(start=str(start), steps=2, validate_every=2), tmp_path / "on")
    after = weights_of(tmp_path / "on")
    arguments = ["blend", str(tmp_path / "on"), "--checkpoint", "last", "--share", "0.25"]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    mean = torch.load(tmp_path / "on" / "checkpoints" / "blend.ckpt", weights_only=True)["state_dict"]
    moved = [name for name, value in after.items() if not torch.equal(value, before[name])]
    assert len(moved) > 100
    for name in moved:
        expected = 0.75 * after[name] + 0.25 * before[name] if after[name].is_floating_point() else after[name]
        torch.testing.assert_close(mean[name], expected)
    with pytest.raises(SettingsInvalid, match="is a mean already"):
        blend(tmp_path / "on", "blend", 0.5)
    release = Release("blend", "for tests", {}, checkpoint="blend")
    spec, _ = export_release(tmp_path / "on", tmp_path / "blend.onnx", release, train)
    assert spec.pretrained.endswith("; averaged, 75% after training and 25% before it")
    assert spec.pretrained.startswith("last.ckpt (sha256 ")
    torch.save({**torch.load(start, weights_only=True), "more": 1}, start)
    with pytest.raises(SettingsInvalid, match="is not what the run began from"):
        blend(tmp_path / "on", "last", 0.5)


@pytest.mark.parametrize(
    ("changes", "share", "told"),
    [({"start": ""}, 0.5, "began from random weights"), ({}, 1.0, "no share of two")],
)
def test_what_has_no_mean_is_not_blended(
    run: Path, tmp_path: Path, changes: dict[str, object], share: float, told: str
) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    described = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(described | {"recipe": described["recipe"] | changes}))
    with pytest.raises(SettingsInvalid, match=told):
        blend(folder, "last", share)


def test_a_network_that_began_to_see_contrast_is_blended_with_one_that_did_not(
    run: Path, train: TrainingData, tmp_path: Path
) -> None:
    start = run / "checkpoints" / "last.ckpt"
    seeing = small_recipe(model="yolox-nano-contrast", start=str(start), steps=1, validate_every=1)
    fit(train, seeing, tmp_path / "seeing")
    mean, trained = (
        load_checkpoint(tmp_path / "seeing", name).get_parameter(STEM)
        for name in (blend(tmp_path / "seeing", "last", 0.25).stem, "last")
    )
    torch.testing.assert_close(mean[:, 3::4], 0.75 * trained[:, 3::4])
    assert trained[:, 3::4].any()


def test_a_network_that_grew_is_blended_with_what_it_grew_into(run: Path, train: TrainingData, tmp_path: Path) -> None:
    start = run / "checkpoints" / "last.ckpt"
    wide = small_recipe(model="yolox-nano-x2", start=str(start), steps=1, validate_every=1)
    fit(train, wide, tmp_path / "wide")
    began = build("yolox-nano-x2", train.train.class_names)
    began.load_pretrained(str(start))
    mean, trained = (
        load_checkpoint(tmp_path / "wide", name).get_parameter(STEM)
        for name in (blend(tmp_path / "wide", "last", 0.25).stem, "last")
    )
    assert not torch.equal(trained, began.get_parameter(STEM))
    torch.testing.assert_close(mean, 0.75 * trained + 0.25 * began.get_parameter(STEM))


def test_a_network_whose_loss_has_constants_of_its_own_is_blended(train: TrainingData, tmp_path: Path) -> None:
    start, names = tmp_path / "start.ckpt", train.train.class_names
    state = {f"network.{key}": value for key, value in build("dfine-n", names).state_dict().items()}
    torch.save({"state_dict": state, "class_names": list(names)}, start)
    recipe = small_recipe(model="dfine-n", start=str(start), input_size=288, steps=1, validate_every=1)
    fit(train, recipe, tmp_path / "on")
    assert blend(tmp_path / "on", "last", 0.5).is_file()


def test_a_network_that_began_in_part_from_random_weights_is_not_blended(
    run: Path, train: TrainingData, tmp_path: Path
) -> None:
    start = tmp_path / "start.pth"
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    kept = {name.removeprefix("network."): value for name, value in state.items() if "cls_preds" not in name}
    torch.save(kept, start)
    fit(train, small_recipe(start=str(start), steps=1, validate_every=1), tmp_path / "part")
    with pytest.raises(SettingsInvalid, match=r"random weights in part: \d+ of \d+ tensors"):
        blend(tmp_path / "part", "last", 0.5)
