"""Screening designs: every factor against every other equally often, and effects that come back as they were made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from detector.errors import SettingsInvalid
from training.recipe import Recipe, resolve_recipe
from training.samples.training_data import TrainingData, read_training_data
from training.simulation import simulate_dataset
from training.studies import ablation as ablation_module
from training.studies.ablation import Ablation, ablate
from training.studies.measured_scans import Measured, left_out_scans
from training.studies.screening import LEAST_SPARE, Factor, design, effects, screening_settings, screening_table


@pytest.mark.parametrize(("factors", "runs"), [(1, 12), (8, 12), (9, 20), (16, 20), (17, 24), (20, 24)])
def test_columns_are_balanced_and_orthogonal(factors: int, runs: int) -> None:
    signs = design(factors).astype(int)
    assert signs.shape == (runs, runs - 1) and runs - 1 - factors >= LEAST_SPARE
    assert (signs.T @ signs == runs * np.eye(runs - 1)).all() and (signs.sum(axis=0) == 0).all()
    # What two do together never falls wholly on a third.
    together = np.einsum("ra,rb,rc->abc", signs, signs, signs)
    distinct = np.array([len({*place}) == 3 for place in np.ndindex(together.shape)]).reshape(together.shape)
    assert np.abs(together[distinct]).max() < runs


def test_effects_come_back_and_noise_stays_within_its_interval() -> None:
    signs, true = design(8)[:, :8], np.array([0.1, -0.05, 0, 0, 0, 0, 0, 0])
    found = effects((0.4 + signs @ (true / 2)).tolist(), 8)
    assert found.mean == pytest.approx(0.4) and found.of == pytest.approx(tuple(true)) and found.chance < 1e-9
    generator = np.random.default_rng(0)
    outside = []
    for _ in range(2000):
        noisy = effects((signs @ (true / 2) + generator.normal(0, 0.02, len(signs))).tolist(), 8)
        outside += [abs(one - meant) > noisy.chance for one, meant in zip(noisy.of, true, strict=True)]
    assert np.mean(outside) == pytest.approx(0.05, abs=0.01)


def test_settings_name_both_values_equally_often_and_the_last_run_has_the_first() -> None:
    factors = [Factor("a", ("0", "1")), Factor("b.c", ("[1,1]", "[0.7,1.4]")), *(Factor(x, ("0", "1")) for x in "def")]
    settings = screening_settings(factors)
    assert settings[-1] == ("a=0", "b.c=[1,1]", "d=0", "e=0", "f=0") and len(set(settings)) == 12
    with pytest.raises(SettingsInvalid, match="a screening takes 5 at least"):
        screening_settings(factors[:4])
    assert [sum(setting[0] == f"a={value}" for setting in settings) for value in "01"] == [6, 6]
    with pytest.raises(SettingsInvalid, match="20 are the most"):
        design(21)


def test_what_is_beyond_chance_stands_out() -> None:
    factors = [Factor("a", ("0", "1")), Factor("b", ("0", "1"))]
    noise = np.random.default_rng(1).normal(0, 0.001, 12)
    values = (0.4 + 0.05 * design(2)[:, 0] + noise).tolist()
    text = screening_table({"AP50": values}, factors, (0,), Measured({"AP50": 70}, 40, 9))
    assert "| AP50 | 70 | 0.4" in text and "n: boxes, in 40 scans of val; unseen: 9 scans of train and val." in text
    assert "| a 0 -> 1 | b 0 -> 1 |" in text and "**+0.100**" in text and text.count("**") == 2


def test_a_screening_runs_its_design_and_tells_effects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate_dataset(tmp_path / "data", scans=8, seed=1)

    def scored(data: TrainingData, recipe: Recipe, folder: Path, rare: Sequence[str]) -> dict[str, float]:
        # A figure that only some of the runs have is left out of the table, not the table for want of it.
        own = {"AP50 of drill": 0.1} if recipe.balance_share else {}
        return {**own, "AP50": 0.3 + 0.1 * recipe.augmentation.mosaic + recipe.balance_share}

    monkeypatch.setattr(
        ablation_module, "fit", lambda data, recipe, run, *, resume: run.mkdir(parents=True, exist_ok=True)
    )
    monkeypatch.setattr(ablation_module, "_score", scored)
    others = ("augmentation.gain=0,0.5", "augmentation.stripes=0,0.5")
    vary = ("augmentation.mosaic=0,0.5", "augmentation.palette=0,0.5", "balance_share=0,0.1", *others)
    plan = Ablation("yolox-nano", vary, seeds=(0,), changes=("start=",), screening=True)
    results = ablate(plan, tmp_path / "data", tmp_path / "out")
    document = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert len(results) == 12 and len(document["settings"]) == 12 and document["boxes"]["AP50"] > 0
    row = next(line for line in (tmp_path / "out" / "ablation.md").read_text().splitlines() if "AP50" in line)
    assert "drill" not in (tmp_path / "out" / "ablation.md").read_text()
    assert row.startswith(
        f"| AP50 | {document['boxes']['AP50']} | 0.375 | **+0.050** | +0.000 | **+0.100** | +0.000 | +0.000 |"
    )
    with pytest.raises(SettingsInvalid, match=r"balance_share: 3 values, screening takes two"):
        ablate(Ablation("yolox-nano", ("balance_share=0,1,2",), screening=True), tmp_path / "data", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_left_out_scans_of_both_splits_are_the_unseen_ones(tmp_path: Path) -> None:
    simulate_dataset(tmp_path, scans=8, seed=1)
    names = None
    for split in ("train", "val"):
        path = tmp_path / "annotations" / f"{split}.json"
        document = json.loads(path.read_text())
        document["images"][0]["source"] = "elsewhere"
        names = tuple(row["name"] for row in sorted(document["categories"], key=lambda row: row["id"]))
        path.write_text(json.dumps(document))
    assert names
    recipe = resolve_recipe("yolox-nano", ['leave_out=["elsewhere"]'])
    unseen = left_out_scans(tmp_path, recipe, names)
    assert unseen and [scan.source for scan in unseen.scans] == ["elsewhere", "elsewhere"]
    train = read_training_data(tmp_path, recipe).train
    assert train.kept_out == {unseen.scans[0].name} and unseen.scans[0] not in train.scans
    assert left_out_scans(tmp_path, resolve_recipe("yolox-nano", []), names) is None
