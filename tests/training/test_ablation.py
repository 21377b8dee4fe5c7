"""The ablation runner: every setting and seed once, resumable, with mean and spread."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from detector.errors import SettingsInvalid
from training import ablation as ablation_module
from training.ablation import Ablation, SettingResult, ablate, combinations, table
from training.simulation import simulate_dataset

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning:lightning",
    "ignore::FutureWarning:lightning",
    "ignore::DeprecationWarning:lightning",
    "ignore::lightning.pytorch.utilities.warnings.PossibleUserWarning",
)

SMALL = (
    "start=", "steps=2", "batch_size=2", "input_size=64", "multi_scale=[]", "workers=0", "warmup_steps=1",
    "validate_every=2", "precision=32-true",
)  # fmt: skip


def test_values_are_combined_and_lists_stay_whole() -> None:
    assert combinations(["a=1,2", "b=x,y"]) == [("a=1", "b=x"), ("a=1", "b=y"), ("a=2", "b=x"), ("a=2", "b=y")]
    assert combinations(["augmentation.zoom=[1,1],[0.7,1.4]"]) == [
        ("augmentation.zoom=[1,1]",),
        ("augmentation.zoom=[0.7,1.4]",),
    ]
    for wrong in ([], ["a"], ["a="], ["=1"]):
        with pytest.raises(SettingsInvalid):
            combinations(wrong)


@pytest.mark.parametrize(
    ("vary", "seeds", "message"),
    [
        (("augmentation.flip=0,0.5", "augmentation.flip=0.1,0.2"), (0,), "twice: --vary augmentation.flip"),
        (("augmentation.flip=0,0",), (0,), "twice: augmentation.flip=0"),
        (("augmentation.flip=0,0.5",), (0, 0), "twice: 0"),
        (("seed=0,1",), (0,), "trained with --seeds"),
    ],
)
def test_settings_that_differ_in_name_alone_are_refused(
    vary: tuple[str, ...], seeds: tuple[int, ...], message: str
) -> None:
    for screening in (False, True):
        with pytest.raises(SettingsInvalid, match=message):
            Ablation("yolox-nano", vary, seeds, screening=screening).settings()


def test_the_table_gives_mean_spread_and_paired_differences() -> None:
    first = SettingResult("p=0", {0: {"AP50": 0.40}, 1: {"AP50": 0.50}})
    second = SettingResult("p=1", {0: {"AP50": 0.45}, 1: {"AP50": 0.55}})
    text = table([first, second], ["gun"])
    assert "| AP50 | 0.450 ± 0.071 | 0.500 ± 0.071 | +0.050 ± 0.000 |" in text
    assert "gun" in text and "seeds 0, 1" in text
    assert "±" not in table([SettingResult("p=0", {0: {"AP50": 0.4}})], []).partition("Mean")[0]


def test_each_setting_and_seed_is_trained_once_and_only_what_is_missing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate_dataset(tmp_path / "data", scans=8, seed=1)
    plan = Ablation("yolox-nano", ("augmentation.projection=0,1",), seeds=(0,), changes=SMALL)
    begun: list[str] = []
    results = ablate(plan, tmp_path / "data", tmp_path / "out", begun.append)
    assert begun == ["augmentation.projection=0, seed 0", "augmentation.projection=1, seed 0"]
    document = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert list(document["settings"]) == [result.setting for result in results]
    # None of its classes has ten boxes in val: no figure, and no zero.
    assert set(results[0].by_seed[0]) >= {"AP50", "AP50 of rare"} and "AP50 of frequent" not in results[0].by_seed[0]
    assert (tmp_path / "out" / "ablation.md").read_text().startswith("| figure | augmentation.projection=0 |")

    trained: list[Path] = []
    real = ablation_module.fit
    monkeypatch.setattr(
        ablation_module,
        "fit",
        lambda data, recipe, run, *, resume: trained.append(run) or real(data, recipe, run, resume=resume),
    )  # fmt: skip
    # A run whose training ended but that was killed before it was scored.
    (tmp_path / "out" / "01_augmentation.projection=1" / "seed0" / "figures.json").unlink()
    again = ablate(plan, tmp_path / "data", tmp_path / "out")
    assert again == results and [run.parent.name for run in trained] == ["01_augmentation.projection=1"]
    other = Ablation("yolox-nano", ("augmentation.projection=0,1",), seeds=(0,), changes=(*SMALL, "weight_decay=0.1"))
    with pytest.raises(SettingsInvalid, match="another recipe"):
        ablate(other, tmp_path / "data", tmp_path / "out")
    with pytest.raises(SettingsInvalid, match="did you mean"):
        ablate(Ablation("yolox-nano", ("augmentation.projektion=0,1",)), tmp_path / "data", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_figures_of_other_data_are_not_taken_for_these(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, output = tmp_path / "data", tmp_path / "out"
    simulate_dataset(data, scans=8, seed=1)
    monkeypatch.setattr(ablation_module, "fit", lambda data, recipe, run, *, resume: run.mkdir(parents=True))
    monkeypatch.setattr(
        ablation_module, "_score", lambda data, recipe, folder, rare: {"AP50": 0.5, "AP50 of frequent": 0.5}
    )
    plan = Ablation("yolox-nano", ("weight_decay=0.1",), seeds=(0,), changes=SMALL)
    results = ablate(plan, data, output)
    assert ablate(plan, data, output) == results
    path = data / "annotations" / "val.json"
    before, document = path.read_bytes(), json.loads(path.read_text())
    # The same scans, one box moved by a pixel.
    document["annotations"][0]["bbox"][0] += 1
    path.write_text(json.dumps(document))
    with pytest.raises(SettingsInvalid, match=r"other annotations than those now in val$"):
        ablate(plan, data, output)
    path.write_bytes(before)
    assert ablate(plan, data, output) == results
    # As they were kept before they told.
    kept = next(output.glob("*/seed0/figures.json"))
    older = {name: value for name, value in json.loads(kept.read_text()).items() if name != "annotations"}
    kept.write_text(json.dumps(older))
    with pytest.raises(SettingsInvalid, match="does not say which annotations") as refused:
        ablate(plan, data, output)
    assert "remove that file" in refused.value.remedy


def test_settings_that_are_judged_on_different_scans_are_refused_before_any_training(tmp_path: Path) -> None:
    simulate_dataset(tmp_path, scans=8, seed=1)
    for split in ("train", "val"):
        path = tmp_path / "annotations" / f"{split}.json"
        document = json.loads(path.read_text())
        document["images"][0]["source"] = "elsewhere"
        path.write_text(json.dumps(document))
    plan = Ablation("yolox-nano", ('leave_out=[],["elsewhere"]',), seeds=(0,), changes=SMALL)
    with pytest.raises(SettingsInvalid, match="different validation scans"):
        ablate(plan, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_table_that_cannot_be_written_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate_dataset(tmp_path / "data", scans=8, seed=1)
    monkeypatch.setattr(ablation_module, "fit", lambda data, recipe, run, *, resume: None)
    monkeypatch.setattr(
        ablation_module, "_score", lambda data, recipe, folder, rare: {"AP50": 0.5, "AP50 of frequent": 0.5}
    )
    plan = Ablation("yolox-nano", ("weight_decay=0.1",), seeds=(0,), changes=SMALL)
    ablate(plan, tmp_path / "data", tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("ablation.*")}

    def full(path: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        ablate(plan, tmp_path / "data", tmp_path / "out")
    assert len(before) == 2 and before == {path.name: path.read_bytes() for path in (tmp_path / "out").glob("abl*.*")}
