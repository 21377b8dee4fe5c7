"""The ablation runner: every setting and seed once, resumable, with mean and spread."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from detector.errors import SettingsInvalid
from training.datasets.coco_index import read_coco
from training.simulation import simulate_dataset
from training.studies import ablation as ablation_module
from training.studies.ablation import Ablation, SettingResult, ablate, axes, combinations, setting_folder, table
from training.studies.measured_scans import Measured

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
    # Braces, brackets within brackets, and commas in a text.
    assert axes(["most_bags={gun=20,knife=10},{gun=40}"]) == [["most_bags={gun=20,knife=10}", "most_bags={gun=40}"]]
    assert axes(['leave_out=[["a",1],{b=[2,3]}],[]', "start=\"a,b\",'c],d'"]) == [
        ['leave_out=[["a",1],{b=[2,3]}]', "leave_out=[]"],
        ['start="a,b"', "start='c],d'"],
    ]
    for wrong in ([], ["a"], ["a="], ["=1"], ["a=[1,2"], ["a={b=1,2"], ['a="1,2'], ["a=1],2"]):
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
    first = SettingResult("p=0", {0: {"AP50": 0.40}, 1: {"AP50": 0.50}, 2: {"AP50": 0.60}})
    second = SettingResult("p=1", {0: {"AP50": 0.44}, 1: {"AP50": 0.55}, 2: {"AP50": 0.66}})
    text = table([first, second], ["gun"], Measured({"AP50": 70}, 40, 0))
    assert text.startswith("| figure | n | p=0 | p=1 | p=1, difference |")
    # Differences .04, .05 and .06: a standard deviation of .01, and t of two degrees of freedom is 4.303.
    assert "| AP50 | 70 | 0.500 ± 0.100 | 0.550 ± 0.110 | +0.050 [+0.025, +0.075] |" in text
    assert "gun" in text and "n: boxes, in 40 scans of val." in text
    assert "seeds 0, 1, 2" in text and "95 % t-interval" in text
    alone = [SettingResult(one.setting, {0: one.by_seed[0]}) for one in (first, second)]
    assert "| AP50 | 70 | 0.400 | 0.440 | +0.040 |" in table(alone, [], Measured({"AP50": 70}, 40, 0))


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
    val = read_coco(tmp_path / "data", "val")
    assert document["boxes"]["AP50"] == sum(val.boxes_per_class().values()) > 0
    # None of its classes has ten boxes in val: no figure, and no zero.
    assert set(results[0].by_seed[0]) >= {"AP50", "AP50 of rare"} and "AP50 of frequent" not in results[0].by_seed[0]
    assert (tmp_path / "out" / "ablation.md").read_text().startswith("| figure | n | augmentation.projection=0 |")

    trained: list[Path] = []
    real = ablation_module.fit
    monkeypatch.setattr(
        ablation_module,
        "fit",
        lambda data, recipe, run, *, resume: trained.append(run) or real(data, recipe, run, resume=resume),
    )  # fmt: skip
    # A run whose training ended but that was killed before it was scored.
    (second,) = (tmp_path / "out").glob("augmentation.projection=1_*")
    (second / "seed0" / "figures.json").unlink()
    again = ablate(plan, tmp_path / "data", tmp_path / "out")
    assert again == results and [run.parent for run in trained] == [second]
    other = Ablation("yolox-nano", ("augmentation.projection=0,1",), seeds=(0,), changes=(*SMALL, "weight_decay=0.1"))
    with pytest.raises(SettingsInvalid, match="another recipe"):
        ablate(other, tmp_path / "data", tmp_path / "out")
    with pytest.raises(SettingsInvalid, match="did you mean"):
        ablate(Ablation("yolox-nano", ("augmentation.projektion=0,1",)), tmp_path / "data", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_figures_of_other_data_are_not_taken_for_these(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, output = tmp_path / "data", tmp_path / "out"
    simulate_dataset(data, scans=8, seed=1)
    monkeypatch.setattr(ablation_module, "fit", lambda data, recipe, run, *, resume: None)
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
    for damaged in ("", "[]", '{"recipe": 5}', json.dumps({**older, "annotations": {}})):
        kept.write_text(damaged)
        with pytest.raises(SettingsInvalid) as refused:
            ablate(plan, data, output)
        assert "remove that" in refused.value.remedy


def test_figures_of_other_files_than_those_named_now_are_not_handed_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, output = tmp_path / "data", tmp_path / "out"
    simulate_dataset(data, scans=8, seed=1)
    monkeypatch.setattr(ablation_module, "fit", lambda data, recipe, run, *, resume: None)
    monkeypatch.setattr(ablation_module, "_score", lambda data, recipe, folder, rare: {"AP50": 0.5})
    start, emphasis = tmp_path / "start.pth", tmp_path / "emphasis.json"
    start.write_bytes(b"as it was")
    emphasis.write_text("{}")
    changes = (*SMALL, f"start={start}", f"emphasis={emphasis}")
    plan = Ablation("yolox-nano", ("weight_decay=0.1",), seeds=(0,), changes=changes)
    results = ablate(plan, data, output)
    assert ablate(plan, data, output) == results
    for path, name in ((start, "start"), (emphasis, "emphasis")):
        before = path.read_bytes()
        path.write_bytes(b"another")
        with pytest.raises(SettingsInvalid, match=f"begun with other content of {name}"):
            ablate(plan, data, output)
        path.write_bytes(before)
    # Nothing is there yet of a run that ended before its first checkpoint: it begins anew with what is there now.
    (kept,) = output.glob("*/seed0/figures.json")
    kept.unlink()
    start.write_bytes(b"another")
    assert ablate(plan, data, output) == results
    # Folders of before this was kept say nothing against the files that are there.
    (kept.parent / "begun_with.json").unlink()
    assert ablate(plan, data, output) == results


def test_a_setting_keeps_its_folder_whatever_stands_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, output = tmp_path / "data", tmp_path / "out"
    simulate_dataset(data, scans=8, seed=1)
    fitted: list[float] = []
    monkeypatch.setattr(ablation_module, "fit", lambda data, recipe, run, *, resume: fitted.append(recipe.weight_decay))
    monkeypatch.setattr(ablation_module, "_score", lambda data, recipe, folder, rare: {"AP50": recipe.weight_decay})
    ablate(Ablation("yolox-nano", ("weight_decay=0.1,0.2",), (0,), SMALL), data, output)
    ablate(Ablation("yolox-nano", ("weight_decay=0.0,0.2,0.1",), (0,), SMALL), data, output)
    assert fitted == [0.1, 0.2, 0.0]
    # Names of earlier versions, with the place first.
    (now,) = output.glob("weight_decay=0.2_*")
    now.rename(output / "01_weight_decay=0.2")
    ablate(Ablation("yolox-nano", ("weight_decay=0.0,0.1,0.2",), (0,), SMALL), data, output)
    assert fitted == [0.1, 0.2, 0.0]
    # Cut short, the names of two settings are one: neither is taken for the other.
    long = tuple(f"augmentation.{key}=0.125" for key in ("flip", "grey", "gain", "mosaic", "palette", "stripes"))
    one, other = (*long, "seed=1"), (*long, "seed=2")
    assert setting_folder(output, 0, one) != setting_folder(output, 0, other)
    (output / f"07_{'_'.join(long)[:100]}").mkdir()
    assert setting_folder(output, 0, one).name.startswith("aug")
    for number in (0, 1):
        (output / f"{number:02d}_{'_'.join(long)[:100]}").mkdir()
    assert [setting_folder(output, *each).name[:3] for each in ((0, one), (1, other), (2, one))] == [
        "00_",
        "01_",
        "aug",
    ]


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
