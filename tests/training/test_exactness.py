"""What a run may not depend on, and what may not pass for background."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from detector.errors import SettingsInvalid
from training.cli import app
from training.datasets.coco_index import CocoIndex, read_coco
from training.files.file_digests import file_digest
from training.fitting.fit import fit
from training.fitting.fit_checks import require_same
from training.recipe import Recipe
from training.samples.training_data import TrainingData
from training.samples.training_stream import TrainingStream
from training.shipping.export import Run
from training.simulation import simulate_dataset
from training.studies.ablation import Ablation, ablate

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning:lightning",
    "ignore::FutureWarning:lightning",
    "ignore::DeprecationWarning:lightning",
    "ignore::lightning.pytorch.utilities.warnings.PossibleUserWarning",
)
OFF = {"flip": 0, "quarter_turn": 0, "zoom": (1, 1), "shift": 0, "degrade": 0, "projection": 0}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    simulate_dataset(folder, scans=10, seed=5)
    return folder


def recipe(**changes: object) -> Recipe:
    values = {
        "model": "yolox-nano", "input_size": 64, "steps": 4, "batch_size": 2, "warmup_steps": 1, "validate_every": 2,
        "workers": 0, "precision": "32-true", "ema_decay": 0.5,
    }  # fmt: skip
    return Recipe.model_validate(values | changes)


def test_an_item_marked_to_be_ignored_is_no_background(data: Path) -> None:
    index = read_coco(data, "train")
    scan = next(scan for scan in index.scans if len(scan.class_ids))
    ignored = replace(scan, ignore=np.ones(len(scan.class_ids), bool))
    stream = TrainingStream(CocoIndex(index.class_names, (ignored,)), recipe(augmentation=OFF))
    target = stream[0][1]
    assert len(target.boxes_xyxy) == 0
    assert not target.annotated[torch.from_numpy(scan.class_ids)].any()
    others = np.setdiff1d(np.flatnonzero(scan.annotated), scan.class_ids)
    assert target.annotated[torch.from_numpy(others)].all()


@pytest.mark.parametrize("model", ["dfine-n"])
def test_a_network_that_draws_at_random_resumes_exactly(model: str, data: Path, tmp_path: Path) -> None:
    train = TrainingData(str(data), read_coco(data, "train"), None)
    same = recipe(model=model, input_size=256)
    fit(train, same, tmp_path / "whole")
    fit(train, same, tmp_path / "stopped", stop_after=2)
    fit(train, same, tmp_path / "stopped", resume=True)
    whole, resumed = (
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("whole", "stopped")
    )
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0, msg=name)


def test_a_run_that_was_moved_still_knows_its_best(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = TrainingData(str(data), read_coco(data, "train"), read_coco(data, "val"))
    scores = iter([0.9, 0.1])
    monkeypatch.setattr(
        "training.fitting.module.DetectionModule.validation_step",
        lambda module, batch, index: module.log("val/AP50_of_frequent", next(scores), batch_size=1),
    )
    fit(both, recipe(), tmp_path / "here", stop_after=2)
    shutil.move(tmp_path / "here", tmp_path / "there")
    best = (tmp_path / "there" / "checkpoints" / "best.ckpt").read_bytes()
    fit(both, recipe(), tmp_path / "there", resume=True)
    assert (tmp_path / "there" / "checkpoints" / "best.ckpt").read_bytes() == best


def test_files_of_one_content_are_each_looked_at(data: Path, tmp_path: Path) -> None:
    emphasis = tmp_path / "emphasis.json"
    shutil.copy(data / "annotations" / "train.json", emphasis)
    train = TrainingData(str(data), read_coco(data, "train"), None)
    same, digest = recipe(emphasis=str(emphasis)), file_digest(emphasis)
    before = Run(same, train.train.class_names, "random weights", str(data), {}, digest, digest)
    require_same(before, same, train)
    emphasis.write_text("{}")
    with pytest.raises(SettingsInvalid, match=r"emphasis\.json is not what it was"):
        require_same(before, same, train)


def test_a_run_does_not_go_on_with_other_annotations(data: Path, tmp_path: Path) -> None:
    copied = tmp_path / "data"
    shutil.copytree(data, copied)
    train = TrainingData(str(copied), read_coco(copied, "train"), None)
    fit(train, recipe(), tmp_path / "run", stop_after=2)
    path = copied / "annotations" / "train.json"
    document = json.loads(path.read_text())
    document["annotations"] = document["annotations"][1:]
    path.write_text(json.dumps(document))
    with pytest.raises(SettingsInvalid, match="is not what it was when the run began"):
        fit(TrainingData(str(copied), read_coco(copied, "train"), None), recipe(), tmp_path / "run", resume=True)


def two_sources(data: Path, folder: Path) -> Path:
    """The data with every second scan from another source."""
    shutil.copytree(data, folder)
    for path in (folder / "annotations").glob("*.json"):
        document = json.loads(path.read_text())
        for number, image in enumerate(document["images"]):
            image["source"] = f"source{number % 2}"
        path.write_text(json.dumps(document))
    return folder


def test_what_is_left_out_is_left_out_of_every_command(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = two_sources(data, tmp_path / "data")
    seen: list[set[str]] = []

    def recorded(both: TrainingData, recipe: Recipe, run: Path, *, resume: bool = False) -> str:
        for index in (both.train, both.validation):
            assert index is not None
            seen.append({scan.source for scan in index.scans})
        run.mkdir(parents=True, exist_ok=True)
        return "nothing"

    monkeypatch.setattr("training.studies.ablation.fit", recorded)
    monkeypatch.setattr(
        "training.studies.ablation._score", lambda data, recipe, folder, rare: {"AP50": 0.0, "AP50 of frequent": 0.0}
    )
    changes = ("start=", "steps=2", "validate_every=2", 'leave_out=["source1"]')
    ablate(Ablation("yolox-nano", ("balance_share=0,0.1",), (0,), changes), folder, tmp_path / "out")
    monkeypatch.setattr("training.fitting.fit.fit", recorded)
    words = [word for change in changes for word in ("--set", change)]
    assert (
        CliRunner()
        .invoke(app, ["fit", "yolox-nano", "--data", str(folder), "--output", str(tmp_path / "x"), *words])
        .exit_code
        == 0
    )
    assert seen == [{"source0"}] * 6
