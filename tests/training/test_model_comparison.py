"""Networks side by side: one budget, one data set, resumed rather than done again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from detector.errors import ScanUnreadable, SettingsInvalid
from training.models.table import MODELS
from training.simulation import simulate_dataset
from training.studies import model_comparison
from training.studies.model_comparison import Budget, compare, comparison_recipe

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:lightning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:lightning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:lightning"),
    pytest.mark.filterwarnings("ignore::lightning.pytorch.utilities.warnings.PossibleUserWarning"),
]
TINY = Budget(steps=2, batch_size=2, input_size=64, workers=0)
PAIR = ("yolox-nano", "ssdlite-mobilenetv3")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    simulate_dataset(folder, scans=12, seed=1)
    return folder


def test_two_networks_are_compared_once_and_timed_anew(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = compare(PAIR, data, TINY, tmp_path, timing_rounds=2)
    document = json.loads((tmp_path / "comparison.json").read_text())
    assert [row["model"] for row in document["models"]] == list(PAIR)
    for row in document["models"]:
        assert row["scans"] > 0 and row["parameters"] > 0.5 and row["milliseconds"]["runs"] == 2
        assert row["milliseconds"]["lower"] <= row["milliseconds"]["median"] <= row["milliseconds"]["upper"]
    assert "cores" in document["machine"] and document["budget"]["steps"] == 2
    table = (tmp_path / "comparison.md").read_text()
    assert all(f"| {model} | random weights | 64 |" in table for model in PAIR)
    assert "no difference between networks is tested" in table

    def again(*_: object, **__: object) -> str:
        raise AssertionError("a model already done is not trained again")

    monkeypatch.setattr(model_comparison, "fit", again)
    resumed = compare(PAIR, data, TINY, tmp_path, timing_rounds=1)
    assert [row for row, _ in resumed] == [row for row, _ in rows]
    with pytest.raises(SettingsInvalid, match="another budget"):
        compare(PAIR, data, Budget(steps=3, batch_size=2, input_size=64, workers=0), tmp_path)


def test_a_model_unknown_or_named_twice_is_refused_before_any_training(data: Path, tmp_path: Path) -> None:
    for models in (("yolox-nano", "yolox-huge"), ("yolox-nano", "yolox-nano"), ()):
        with pytest.raises(SettingsInvalid):
            compare(models, data, TINY, tmp_path / "none")
    with pytest.raises(SettingsInvalid, match="yolox_nano: not among the models"):
        compare(PAIR, data, TINY, tmp_path / "none", starts={"yolox_nano": "start.safetensors"})
    assert not (tmp_path / "none").exists()


def test_every_model_has_a_recipe_of_its_family_to_take_settings_from() -> None:
    for model, entry in MODELS.items():
        recipe = comparison_recipe(model, Budget(steps=200))
        assert recipe.model == model and recipe.input_size == entry.input_size and recipe.start == ""
        # Averages over a twentieth of the run: what the release's decay means needs the release's steps.
        assert recipe.ema_decay == pytest.approx(0.9)
    assert comparison_recipe("yolox-nano", Budget(steps=200)).augmentation.zoom == (0.85, 1.3)


def test_results_of_other_annotations_are_not_taken_for_these(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    compare(PAIR[:1], tmp_path / "data", TINY, tmp_path / "out", timing_rounds=1)
    result = tmp_path / "out" / PAIR[0] / "result.json"
    written = json.loads(result.read_text())
    assert written["row"].pop("classes")
    result.write_text(json.dumps(written))
    with pytest.raises(SettingsInvalid, match="does not say which classes its means are of"):
        compare(PAIR[:1], tmp_path / "data", TINY, tmp_path / "out", timing_rounds=1)
    result.write_text(result.read_text()[:-40])
    with pytest.raises(SettingsInvalid, match=r"result\.json is damaged") as refused:
        compare(PAIR[:1], tmp_path / "data", TINY, tmp_path / "out", timing_rounds=1)
    assert "remove that file" in refused.value.remedy
    written["row"]["classes"] = ["gun"]
    result.write_text(json.dumps(written))
    path = tmp_path / "data" / "annotations" / "val.json"
    document = json.loads(path.read_text())
    document["annotations"][0]["bbox"][0] += 1
    path.write_text(json.dumps(document))
    with pytest.raises(SettingsInvalid, match=r"another state of the annotations$"):
        compare(PAIR[:1], tmp_path / "data", TINY, tmp_path / "out", timing_rounds=1)


def test_a_result_from_another_start_is_not_taken_for_this(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    def noted(model: str, *_: object) -> None:
        begun.append(model)
        (tmp_path / "out" / model / "result.json").write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr(model_comparison, "_measured", noted)
    start = tmp_path / "start.pth"
    start.write_bytes(b"as it was")
    with pytest.raises(KeyboardInterrupt):
        compare(PAIR[:1], data, TINY, tmp_path / "out", starts={PAIR[0]: str(start)})
    start.write_bytes(b"another")
    with pytest.raises(SettingsInvalid, match="begun with other content of start"):
        compare(PAIR[:1], data, TINY, tmp_path / "out", starts={PAIR[0]: str(start)})
    assert begun == [PAIR[0]]


def test_a_size_that_a_network_does_not_take_is_refused_before_any_training(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="input_size: 100 is no multiple of 32") as refused:
        compare(PAIR, data, Budget(steps=2, input_size=100, workers=0), tmp_path / "none")
    assert "96 or 128" in refused.value.remedy and not (tmp_path / "none").exists()


def test_what_cannot_be_scored_is_told_before_any_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> str:
        raise AssertionError("trained before it was known that nothing can be scored")

    monkeypatch.setattr(model_comparison, "fit", never)
    shutil.copytree(data, tmp_path / "data")
    with pytest.raises(SettingsInvalid, match="seed"):
        compare(PAIR, tmp_path / "data", Budget(steps=2, seed=-1), tmp_path / "out")
    scan = sorted((tmp_path / "data" / "images" / "val").iterdir())[-1]
    scan.write_bytes(scan.read_bytes()[:200])
    with pytest.raises(ScanUnreadable, match=scan.name):
        compare(PAIR, tmp_path / "data", TINY, tmp_path / "out")
    path = tmp_path / "data" / "annotations" / "val.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "annotations": []}))
    with pytest.raises(SettingsInvalid, match="no box of any class in val"):
        compare(PAIR, tmp_path / "data", TINY, tmp_path / "out")
