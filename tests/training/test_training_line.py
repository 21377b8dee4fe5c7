"""The whole retraining line on simulated scans: fit, stop, resume, export, parity gate, evaluate, publish."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from typer.testing import CliRunner

from detector import Detector
from detector.errors import SettingsInvalid, WeightsRejected
from detector.network import Network, Provider
from detector.weights import load_weights, read_manifest
from detector.weights_spec import WeightsSpec
from training.cli import app
from training.datasets.coco_index import read_coco, scans_digest
from training.fitting import trainer as trainer_module
from training.fitting.batch_memory import BatchTooLarge
from training.fitting.fit import ReaderKilled, fit
from training.fitting.module import DetectionModule
from training.fitting.overfit import NothingLearned, overfit_check
from training.models.flip_average import averaged
from training.models.interface import Candidates
from training.models.pretrained import class_names_of, require_rows
from training.models.table import build
from training.models.yolox import Yolox, YoloxShape
from training.recipe import RECIPES, Recipe, resolve_recipe
from training.samples.training_data import TrainingData, read_training_data
from training.samples.training_stream import TrainingStream
from training.shipping import release as release_module
from training.shipping.export import export_network, load_checkpoint, read_run, unchosen_spec, write_spec
from training.shipping.parity import ParityFailed, require_parity
from training.shipping.release import Release, export_release
from training.shipping.trainable import ancestors, provenance, require_unseen
from training.simulation import simulate_dataset

pytestmark = pytest.mark.filterwarnings(
    # Lightning's own advice on workers and its use of torch internals; nothing of ours.
    "ignore::UserWarning:lightning",
    "ignore::FutureWarning:lightning",
    "ignore::DeprecationWarning:lightning",
    "ignore::lightning.pytorch.utilities.warnings.PossibleUserWarning",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    simulate_dataset(folder, scans=16, seed=1)
    return folder


def small_recipe(**changes: object) -> Recipe:
    values = {
        "model": "yolox-nano", "input_size": 64, "steps": 6, "batch_size": 2, "warmup_steps": 2, "validate_every": 3,
        "workers": 0, "multi_scale": (64, 96), "precision": "32-true", "ema_decay": 0.5,
    }  # fmt: skip
    return Recipe.model_validate(values | changes)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train, validation = read_coco(data, "train"), read_coco(data, "val")
    fit(TrainingData(str(data), train, validation), small_recipe(), folder)
    return folder


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]  # type: ignore[no-any-return]


def test_a_run_says_what_it_did(run: Path) -> None:
    described = read_run(run)
    assert described.recipe == small_recipe()
    assert described.start == "random weights"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert any("val/AP50" in line for line in lines)
    assert (run / "checkpoints" / "best.ckpt").is_file()
    assert list((run / "tensorboard").glob("events*"))


def test_a_stopped_run_goes_on_to_the_very_same_weights(data: Path, run: Path, tmp_path: Path) -> None:
    both = TrainingData(str(data), read_coco(data, "train"), read_coco(data, "val"))
    fit(both, small_recipe(), tmp_path / "whole")
    # Stopped after 3 of 6 steps: the schedule must not depend on where a run was cut.
    stopped = tmp_path / "stopped"
    fit(both, small_recipe(), stopped, stop_after=3)
    with pytest.raises(SettingsInvalid, match="another learning_rate"):
        fit(both, small_recipe(learning_rate=0.5), stopped, resume=True)
    fit(both, small_recipe(), stopped, resume=True)
    whole, resumed = weights_of(tmp_path / "whole"), weights_of(stopped)
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0, msg=name)


def test_a_run_goes_on_when_what_it_started_from_is_gone(data: Path, run: Path, tmp_path: Path) -> None:
    start = tmp_path / "start.ckpt"
    shutil.copy(run / "checkpoints" / "last.ckpt", start)
    train = TrainingData(str(data), read_coco(data, "train"), None)
    recipe = small_recipe(start=str(start), pretrained_rate=0.5, steps=2, validate_every=1)
    said = fit(train, recipe, tmp_path / "on", stop_after=1)
    start.unlink()
    assert fit(train, recipe, tmp_path / "on", resume=True) == said == read_run(tmp_path / "on").start
    assert len(read_run(tmp_path / "on").pretrained or ()) == len(weights_of(run))


def test_a_folder_with_a_run_is_not_overwritten(data: Path, run: Path) -> None:
    train = read_coco(data, "train")
    with pytest.raises(SettingsInvalid, match="already holds a run"):
        fit(TrainingData(str(data), train, None), small_recipe(), run)
    with pytest.raises(SettingsInvalid, match="nothing to resume"):
        fit(TrainingData(str(data), train, None), small_recipe(), run / "empty", resume=True)


def test_a_folder_in_which_a_training_runs_is_left_alone(data: Path, run: Path, tmp_path: Path) -> None:
    train = TrainingData(str(data), read_coco(data, "train"), None)
    waiting = tmp_path / "run"
    holder = "from pathlib import Path; from training.fitting.running_alone import running_alone\n" + (
        f"with running_alone(Path({str(waiting)!r})): print('held', flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(SettingsInvalid, match="a training is running"):
            fit(train, small_recipe(), waiting)
        assert list(waiting.iterdir()) == []
        other.communicate(b"\n")
    # Let go of with the process, and gone as nothing was put there.
    assert not waiting.exists()
    with pytest.raises(SettingsInvalid, match="emphasis"):
        fit(train, small_recipe(emphasis=str(tmp_path / "nope.json")), waiting)
    assert not waiting.exists()


def test_what_a_start_has_learned_follows_through_every_generation(data: Path, run: Path, tmp_path: Path) -> None:
    train = TrainingData(str(data), read_coco(data, "train"), None)
    parent, child = tmp_path / "parent", tmp_path / "child"
    luggage = {"iflytek2021": "no licence stated", "opixray": "academic use only"}
    fit(train, small_recipe(steps=1, validate_every=1), parent)
    told = json.loads((parent / "run.json").read_text())
    told |= {
        "ancestors": [{"learned": luggage, "left_out": ["iflytek2021/5"]}],
        "start": "luggage; its terms: research",
    }
    (parent / "run.json").write_text(json.dumps(told))
    start = str(parent / "checkpoints" / "last.ckpt")
    assert fit(train, small_recipe(start=start, steps=1, validate_every=1), child).endswith("learned from simulated")
    described = read_run(child)
    assert "its terms: research" in described.start
    assert [sorted(one.learned) for one in described.ancestors] == [["iflytek2021", "opixray"], ["simulated"]]
    grandchild = str(child / "checkpoints" / "last.ckpt")
    require_unseen(grandchild, ["iflytek2021/5", "pidray"])
    for seen in ("iflytek2021/4", "opixray", "simulated"):
        with pytest.raises(SettingsInvalid, match="would not be unseen"):
            require_unseen(grandchild, [seen])
    spec = release_module._spec(described, Release("x", "terms", {}), data, "")
    assert {one.name: one.terms for one in spec.training_data}.items() >= luggage.items()


def test_sources_whose_items_alone_were_learned_are_no_less_seen(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.fitting.fit._train", lambda *_: None)
    own, parent = shutil.copytree(data, tmp_path / "data"), tmp_path / "parent"
    annotations = own / "annotations" / "train.json"
    terms = {"simulated": "made here", "pidray": "research only"}
    annotations.write_text(json.dumps(json.loads(annotations.read_text()) | {"info": {"terms": terms}}))
    fit(TrainingData(str(own), read_coco(own, "train"), None), small_recipe(), parent)
    start = str(parent / "checkpoints" / "last.ckpt")
    described = read_run(parent)
    spec = release_module._spec(described, Release("x", "terms", {}), own, "")
    assert [(one.name, one.terms) for one in spec.training_data] == sorted(terms.items())
    assert [one.learned for one in ancestors(start)] == [terms]
    assert provenance(start).endswith("learned from pidray, simulated")
    # As runs were described before they kept it: the folder still tells, for as long as it is there.
    older = json.loads((parent / "run.json").read_text())
    kept = older.pop("donors")
    (parent / "run.json").write_text(json.dumps(older))
    assert [one.learned for one in ancestors(start)] == [terms]
    (parent / "run.json").write_text(json.dumps(older | {"donors": kept}))
    own.rename(tmp_path / "moved")
    assert [sorted(one.learned) for one in ancestors(start)] == [["pidray", "simulated"]]
    with pytest.raises(SettingsInvalid, match="has learned from pidray, so pidray would not be unseen"):
        require_unseen(start, ["pidray"])


def test_a_checkpoint_says_its_classes_wherever_it_lies(run: Path, tmp_path: Path) -> None:
    shutil.copy(run / "checkpoints" / "last.ckpt", tmp_path / "copied.ckpt")
    names = read_run(run).class_names
    assert class_names_of(str(tmp_path / "copied.ckpt")) == names and len(names) > 1
    turned_round = Yolox(YoloxShape(0.33, 0.25, depthwise=True), names[::-1])
    turned_round.load_pretrained(str(tmp_path / "copied.ckpt"))
    before = load_checkpoint(run, "last").state_dict()
    key = "head.cls_preds.0.weight"
    torch.testing.assert_close(turned_round.state_dict()[key], before[key].flip(0))
    require_rows(str(tmp_path / "copied.ckpt"), names)
    with pytest.raises(SettingsInvalid, match="in this order"):
        require_rows(str(tmp_path / "copied.ckpt"), names[::-1])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("start", None),
        ("data", 5),
        ("sources", [1]),
        ("ancestors", [1]),
        ("donors", 5),
        ("terms", 5),
        ("class_names", 5),
    ],
)
def test_a_damaged_description_of_a_run_is_told(run: Path, tmp_path: Path, key: str, value: object) -> None:
    described = json.loads((run / "run.json").read_text()) | {key: value}
    (tmp_path / "run.json").write_text(json.dumps(described))
    with pytest.raises(SettingsInvalid, match="is damaged"):
        read_run(tmp_path)


def test_a_checkpoint_of_another_network_is_told_in_a_line(run: Path, tmp_path: Path) -> None:
    other = shutil.copytree(run, tmp_path / "other")
    described = json.loads((other / "run.json").read_text())
    described["recipe"]["model"] = "yolox-nano-x2"
    (other / "run.json").write_text(json.dumps(described))
    with pytest.raises(SettingsInvalid, match=r"is no yolox-nano-x2: .* tensors differ"):
        load_checkpoint(other, "last")


def test_other_validation_scans_are_no_part_of_a_run(data: Path, tmp_path: Path) -> None:
    own = shutil.copytree(data, tmp_path / "data")
    fit(read_training_data(own, small_recipe()), small_recipe(), tmp_path / "run", stop_after=3)
    document = json.loads((own / "annotations/val.json").read_text())
    document["info"] = {"changed": True}
    (own / "annotations/val.json").write_text(json.dumps(document))
    with pytest.raises(SettingsInvalid, match="judged on other scans"):
        fit(read_training_data(own, small_recipe()), small_recipe(), tmp_path / "run", resume=True)


def test_nothing_is_saved_by_the_clock_right_before_a_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    save = trainer_module.ModelCheckpoint.on_train_batch_end

    def noted(self: object, trainer: Any, *args: Any) -> None:
        saved.append(trainer.global_step)
        save(self, trainer, *args)

    monkeypatch.setattr(trainer_module.ModelCheckpoint, "on_train_batch_end", noted)
    timed = trainer_module._BetweenValidations(tmp_path, train_time_interval=timedelta(seconds=0))
    timed.every = 4
    for step in range(1, 9):
        with contextlib.suppress(AttributeError, TypeError):
            timed.on_train_batch_end(SimpleNamespace(global_step=step), None, None, None, 0)
    assert saved == [1, 2, 3, 5, 6, 7]


def test_weights_are_not_given_the_classes_of_another_run(run: Path, tmp_path: Path) -> None:
    other = shutil.copytree(run, tmp_path / "other")
    described = json.loads((other / "run.json").read_text())
    assert load_checkpoint(other, "last").class_names == tuple(described["class_names"])
    described["class_names"] = described["class_names"][::-1]
    (other / "run.json").write_text(json.dumps(described))
    with pytest.raises(SettingsInvalid, match="has learned"):
        load_checkpoint(other, "last")


@pytest.fixture(scope="module")
def released(run: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("release") / "small.onnx"
    release = Release("small", "for tests", {"simulated": "made here"}, checkpoint="last", flips="horizontal")
    with pytest.MonkeyPatch.context() as patched:
        # Untrained scores lie near 0.01; the gate must compare them all the same.
        patched.setattr("training.shipping.parity.LEAST_SCORE", 0.001)
        patched.setattr("training.shipping.parity.LEAST_SCANS", 8)
        patched.setattr("training.shipping.release.LEAST_SCANS", 8)
        spec, _ = export_release(run, output, release, read_training_data(data, small_recipe()))
    # A network that finds nothing has no alarm score that scans decided; as if somebody had trained it longer.
    assert spec.chosen_on == "" and "nothing is cleared" in spec.operating_point
    write_spec(output, spec.model_copy(update={"chosen_on": scans_digest(read_coco(data, "val"))}))
    return output


def test_the_exported_file_explains_itself(released: Path) -> None:
    spec = load_weights(released).spec
    assert spec.name == "small" and spec.terms == "for tests" and spec.family == "yolox-nano"
    assert spec.flips == "horizontal"
    assert spec.training_data[0].name == "simulated" and spec.training_data[0].terms == "made here"
    assert spec.coloured
    assert spec.operating_point != "none chosen: 0.30 for every class"
    plain = {entry.key: entry.value for entry in onnx.load(released).metadata_props}
    assert json.loads(plain["imgsz"]) == [64, 64]
    assert json.loads(plain["names"])["0"] == spec.class_names[0]


def test_the_exported_file_takes_any_batch(released: Path) -> None:
    network = Network(load_weights(released), Provider.CPU)
    squares = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    boxes, scores = network.infer(squares)
    alone = [network.infer(square[None]) for square in squares]
    assert np.concatenate([pair[0] for pair in alone]) == pytest.approx(boxes, abs=1e-3)
    assert np.concatenate([pair[1] for pair in alone]) == pytest.approx(scores, abs=1e-5)


def squares(count: int) -> list[np.ndarray]:
    generator = np.random.default_rng(3)
    return [generator.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(count)]


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[torch.nn.Module, Path]:
    monkeypatch.setattr("training.shipping.parity.LEAST_SCORE", 0.001)
    torch.manual_seed(0)
    network = build("yolox-nano", ("gun", "knife")).eval()
    path = tmp_path / "n.onnx"
    export_network(network, unchosen_spec(small_recipe(), ("gun", "knife")), path)
    return network, path


def test_the_gate_passes_a_faithful_export(exported: tuple[torch.nn.Module, Path]) -> None:
    network, path = exported
    parity = require_parity(network, Network(load_weights(path), Provider.CPU), squares(100))  # type: ignore[arg-type]
    assert parity.scans == 100 and parity.candidates > 0 and parity.score_difference < 1e-3


def test_the_gate_stops_an_export_with_one_weight_changed(exported: tuple[torch.nn.Module, Path]) -> None:
    network, path = exported
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name.endswith("reg_preds.0.bias"):
            changed = numpy_helper.to_array(tensor) + np.array([0.2, 0, 0, 0], np.float32)
            tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))
    onnx.save(model, path)
    with pytest.raises(ParityFailed, match="boxes differ"):
        require_parity(network, Network(load_weights(path), Provider.CPU), squares(100))  # type: ignore[arg-type]


def test_the_gate_wants_enough_scans_and_something_to_compare(
    exported: tuple[torch.nn.Module, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, path = exported
    onnx_network = Network(load_weights(path), Provider.CPU)
    with pytest.raises(ParityFailed, match="99 scans"):
        require_parity(network, onnx_network, squares(99))  # type: ignore[arg-type]
    monkeypatch.setattr("training.shipping.parity.LEAST_SCORE", 2.0)
    with pytest.raises(ParityFailed, match="nothing could be compared"):
        require_parity(network, onnx_network, squares(100))  # type: ignore[arg-type]


def test_the_colours_are_those_of_the_scans_that_were_learned_from(run: Path, data: Path, tmp_path: Path) -> None:
    described, own = read_run(run), release_module.release_data(read_run(run), None)
    simulate_dataset(tmp_path / "other", scans=8, seed=99)
    other = release_module.release_data(described, tmp_path / "other")
    assert [scan.path for scan in other.train.scans] == [scan.path for scan in own.train.scans]
    assert other.validation is not None and other.validation.scans[0].path.is_relative_to(tmp_path / "other")
    shutil.copytree(data, tmp_path / "moved")
    gone = replace(described, data=str(tmp_path / "gone"))
    assert len(release_module.release_data(gone, tmp_path / "moved").train) == len(own.train)
    with pytest.raises(SettingsInvalid, match="is not what the run learned from"):
        release_module.release_data(gone, tmp_path / "other")


def test_of_another_folder_the_validation_scans_alone_are_read(run: Path, data: Path, tmp_path: Path) -> None:
    simulate_dataset(tmp_path / "other", scans=8, seed=99)
    described = replace(read_run(run), recipe=read_run(run).recipe.model_copy(update={"leave_out": ("elsewhere",)}))
    # The run's own folder has the source that was left out; the other has none of it, and no training scans either.
    document = json.loads((data / "annotations" / "train.json").read_bytes())
    document["images"][0]["source"] = "elsewhere"
    own = tmp_path / "own"
    shutil.copytree(data, own)
    (own / "annotations" / "train.json").write_text(json.dumps(document))
    described = replace(described, data=str(own))
    for _ in ("with its train split", "with val alone"):
        given = release_module.release_data(described, tmp_path / "other")
        assert len(given.train) == len(document["images"]) - 1
        assert given.validation is not None
        assert given.validation.scans[0].path.is_relative_to(tmp_path / "other")
        (tmp_path / "other" / "annotations" / "train.json").unlink(missing_ok=True)
    (tmp_path / "other" / "annotations" / "val.json").unlink()
    with pytest.raises(SettingsInvalid, match=r"no annotations/val\.json"):
        release_module.release_data(described, tmp_path / "other")


def test_a_failed_gate_leaves_no_file(run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ParityFailed("planted")

    monkeypatch.setattr(release_module, "require_parity", fails)
    with pytest.raises(ParityFailed):
        export_release(
            run, tmp_path / "x.onnx", Release("x", "t", {}, "last"), TrainingData("", read_coco(data, "train"), None)
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("given", "terms"), [({}, "academic use only"), ({"simulated": "made here"}, "made here")])
def test_the_terms_of_the_data_go_along_unless_others_are_given(
    given: dict[str, str], terms: str, run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(Exception):
        pass

    def stops(_network: object, spec: WeightsSpec, _output: Path) -> None:
        raise Stopped("; ".join(f"{each.name} {min(each.scans, 1)} {each.terms}" for each in spec.training_data))

    # Items of another set's scans; a set that is measured on alone is not learned from.
    stated = {"train": {"donor": "ask first", "simulated": "academic use only"}, "val": {"measured": "none of ours"}}
    (tmp_path / "annotations").mkdir()
    for split, said in stated.items():
        document = json.loads((data / "annotations" / f"{split}.json").read_bytes())
        (tmp_path / "annotations" / f"{split}.json").write_text(json.dumps(document | {"info": {"terms": said}}))
    monkeypatch.setattr(release_module, "export_network", stops)
    splits = TrainingData(str(tmp_path), read_coco(data, "train"), None)
    with pytest.raises(Stopped, match=f"^donor 0 ask first; simulated 1 {terms}$"):
        export_release(run, tmp_path / "x.onnx", Release("x", "t", given, "last"), splits)


def called_test(metrics: Path) -> None:
    """The simulated sets have no test split, and what is published is measured on none other."""
    document = json.loads(metrics.read_text())
    document["setup"]["split"] = "test"
    metrics.write_text(json.dumps(document))


def test_evaluate_and_publish_put_a_measured_file_into_weights(released: Path, data: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    evaluated = runner.invoke(
        app, ["evaluate", str(released), "--data", str(data), "--split", "train", "--output", str(tmp_path / "eval")],
        catch_exceptions=False,
    )  # fmt: skip
    assert evaluated.exit_code == 0
    metrics = tmp_path / "eval" / "metrics.json"
    document = json.loads(metrics.read_text())
    assert {"AP", "AP50", "classes", "pd_at_pfa"} <= document.keys()
    assert {"n", "AP", "AP50"} <= document["classes"]["gun"].keys()
    assert (tmp_path / "eval" / "report.html").is_file()
    weights = tmp_path / "weights"
    arguments = ["publish", str(released), "--name", "small", "--evaluation", str(metrics), "--folder", str(weights)]
    learned = runner.invoke(app, arguments)
    assert isinstance(learned.exception, SettingsInvalid) and "training split" in str(learned.exception)
    called_test(metrics)
    assert runner.invoke(app, arguments, catch_exceptions=False).exit_code == 0
    entry = read_manifest(weights).weights["small"]
    assert (weights / entry.file).stat().st_size == entry.size
    assert "for tests" in (weights / "README.md").read_text()
    # On the scans that the alarm scores were chosen on, every network is better than it is.
    spec = load_weights(released).spec
    document["setup"] |= {"scans_sha256": spec.chosen_on, "files_sha256": spec.chosen_on_files}
    (tmp_path / "flattering.json").write_text(json.dumps(document))
    arguments[5] = str(tmp_path / "flattering.json")
    refused = runner.invoke(app, arguments)
    assert isinstance(refused.exception, SettingsInvalid) and "chosen on" in str(refused.exception)
    arguments[5] = str(metrics)
    # Published again, the card is replaced, not repeated.
    runner.invoke(app, arguments, catch_exceptions=False)
    assert (weights / "README.md").read_text().count("## small") == 1
    # Better weights take over the name that scripts hold.
    again = [*arguments[:3], "better", *arguments[4:], "--alias", "small"]
    assert runner.invoke(app, again, catch_exceptions=False).exit_code == 0
    manifest = read_manifest(weights)
    assert (manifest.default, manifest.resolved("small"), set(manifest.weights)) == ("better", "better", {"better"})
    assert sorted(path.name for path in weights.iterdir()) == ["README.md", "better.onnx", "manifest.json"]
    assert "## small" not in (weights / "README.md").read_text()
    best = [*arguments[:3], "best", *arguments[4:], "--alias", "better"]
    assert runner.invoke(app, best, catch_exceptions=False).exit_code == 0
    assert read_manifest(weights).aliases == {"small": "best", "better": "best"}
    assert runner.invoke(app, arguments, catch_exceptions=False).exit_code == 0
    assert read_manifest(weights).aliases == {"better": "best"}


def test_published_weights_are_there_to_train_on_from(
    released: Path, run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"parity.LEAST_SCORE": 0.001, "parity.LEAST_SCANS": 8}.items():
        monkeypatch.setattr(f"training.shipping.{name}", value)
    metrics, weights = tmp_path / "metrics.json", tmp_path / "weights"
    runner = CliRunner()
    evaluation = ["--data", str(data), "--split", "train", "--output", str(tmp_path)]
    runner.invoke(app, ["evaluate", str(released), *evaluation], catch_exceptions=False)
    called_test(metrics)
    arguments = ["publish", str(released), "--name", "small", "--evaluation", str(metrics), "--folder", str(weights)]
    # Another network of the same shape is not what the ONNX file holds.
    shutil.copytree(run, tmp_path / "other")
    path = tmp_path / "other" / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"] = {name: 1.1 * value for name, value in checkpoint["state_dict"].items()}
    torch.save(checkpoint, path)
    other = runner.invoke(app, [*arguments, "--run", str(tmp_path / "other"), "--checkpoint", "last"])
    assert isinstance(other.exception, ParityFailed) and not weights.exists()
    origin = ["--run", str(run), "--checkpoint", "last"]
    assert runner.invoke(app, [*arguments, *origin], catch_exceptions=False).exit_code == 0
    monkeypatch.setattr("detector.weights.weights_folder", lambda: weights)
    monkeypatch.setattr("training.shipping.trainable.weights_folder", lambda: weights)
    train = TrainingData(str(data), read_coco(data, "train"), None)
    said = fit(train, small_recipe(start="small", steps=1, validate_every=1), tmp_path / "on")
    held = len(weights_of(run))
    assert said.startswith("small.safetensors (sha256 ") and f"{held} tensors loaded, 0 fresh, 0 of another" in said
    assert said.endswith("learned from simulated; its terms: for tests")
    # By its name or by its file: what it learned from is the same.
    for start in ("small", str(weights / "small.safetensors")):
        unseen = small_recipe(start=start, leave_out=("simulated/7",))
        with pytest.raises(SettingsInvalid, match=r"has learned from simulated, so simulated/7 would not be unseen"):
            fit(train, unseen, tmp_path / "seen")
    # Its classifier follows the classes by name: of other classes in another order, those that it knows.
    names = ("axe", *reversed(train.train.class_names))
    network, before = build("yolox-nano", names), build("yolox-nano", train.train.class_names)
    before.load_pretrained(str(weights / "small.safetensors"))
    assert "of its classes " in network.load_pretrained(str(weights / "small.safetensors"))
    for key, rows in network.state_dict().items():
        if ".cls_preds." in key:
            torch.testing.assert_close(rows[1:].flip(0), before.state_dict()[key])
    path = weights / "small.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsRejected, match="manifest"):
        fit(train, small_recipe(start="small"), tmp_path / "damaged")
    # Published again without a run, damaged ones do not stay.
    assert runner.invoke(app, arguments, catch_exceptions=False).exit_code == 0
    assert not path.exists()
    with pytest.raises(SettingsInvalid, match="without weights to train on from"):
        fit(train, small_recipe(start="small"), tmp_path / "none")


def test_numbers_of_another_file_are_not_published(released: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    shutil.copy(released, other)
    write_spec(other, load_weights(released).spec.model_copy(update={"tile_pixels": 77}))
    metrics = tmp_path / "metrics.json"
    metrics.write_text(json.dumps({"setup": {"weights_sha256": load_weights(released).sha256}}))
    arguments = ["publish", str(other), "--name", "x", "--evaluation", str(metrics), "--folder", str(tmp_path / "w")]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, SettingsInvalid)
    assert not (tmp_path / "w").exists()


def test_a_checkpoint_scores_as_its_export(run: Path, released: Path, data: Path) -> None:
    scan = read_coco(data, "val").scans[0]
    detector = Detector(released, provider="cpu")
    prepared = detector.prepare(scan.path, "x")
    square = prepared.tiles[0].square  # type: ignore[union-attr]
    with torch.no_grad():
        network = averaged(load_checkpoint(run, "last"), "horizontal")
        candidates = network(torch.from_numpy(square)[None].permute(0, 3, 1, 2).float())
    boxes, scores = detector.network.infer(square[None])
    assert scores.max() == pytest.approx(float(candidates.scores.max()), abs=1e-5)
    assert boxes.shape == tuple(candidates.boxes_xyxy.shape)


def test_a_recipe_names_what_it_started_from(data: Path, tmp_path: Path) -> None:
    recipe = resolve_recipe("yolox-nano", [f"start={tmp_path / 'missing.safetensors'}", "steps=1"])
    with pytest.raises(SettingsInvalid, match="not found"):
        fit(TrainingData(str(data), read_coco(data, "train"), None), recipe, tmp_path / "run")


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES.glob("*.toml")))
def test_every_shipped_recipe_trains_and_exports(name: str, data: Path, tmp_path: Path) -> None:
    # Networks of the DETR family choose their queries among cells, and need more of these.
    size = 256 if name.startswith(("deimv2", "dfine", "rfdetr", "rtdetr")) else 128
    small = ["start=", "steps=2", "batch_size=2", "workers=0", "warmup_steps=1", "validate_every=2"]
    recipe = resolve_recipe(name, [*small, f"input_size={size}", f"multi_scale=[{size}]", "precision=32-true"])
    train = read_coco(data, "train")
    fit(TrainingData(str(data), train, None), recipe, tmp_path)
    path = tmp_path / "n.onnx"
    network = load_checkpoint(tmp_path, "last")
    export_network(network, unchosen_spec(recipe, train.class_names), path)
    square = Detector(path, provider="cpu").prepare(train.scans[0].path, "x").tiles[0].square  # type: ignore[union-attr]
    with torch.no_grad():
        candidates = network(torch.from_numpy(square)[None].permute(0, 3, 1, 2).float())
    _, scores = Network(load_weights(path), Provider.CPU).infer(square[None])
    assert float(scores.max()) == pytest.approx(float(candidates.scores.max()), abs=1e-3)


def test_overfitting_says_whether_a_network_learns(data: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app,
        ["fit", "yolox-nano", "--data", str(data), "--output", str(tmp_path / "run"), "--overfit", "2"]
        + [
            word for change in ("start=", "input_size=64", "steps=2", "precision=32-true") for word in ("--set", change)
        ],
    )
    # Two steps from random weights cannot learn anything, and the command must say so rather than look fine.
    assert isinstance(result.exception, NothingLearned)


def test_the_batch_that_fits_is_sought_where_the_training_ran(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at: list[str] = []
    to_cpu, to = DetectionModule.cpu, DetectionModule.to

    def noted_cpu(self: DetectionModule) -> DetectionModule:
        at.append("taken to the CPU by Lightning")
        return to_cpu(self)

    def noted(self: DetectionModule, *args: Any, **kwargs: Any) -> DetectionModule:
        at.extend(str(place) for place in args)
        return to(self, *args, **kwargs)

    def no_memory(*_: object) -> dict[str, torch.Tensor]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    def told(*_: object) -> BatchTooLarge:
        at.append("tried")
        return BatchTooLarge("too large", remedy="less")

    monkeypatch.setattr(DetectionModule, "cpu", noted_cpu)
    monkeypatch.setattr(DetectionModule, "to", noted)
    monkeypatch.setattr(Yolox, "losses", no_memory)
    monkeypatch.setattr("training.fitting.fit.batch_too_large", told)
    with pytest.raises(BatchTooLarge):
        fit(TrainingData(str(data), read_coco(data, "train"), None), small_recipe(), tmp_path / "run")
    # The machine's only device here is the CPU; on a GPU the second entry is the GPU.
    assert at[-3:] == ["taken to the CPU by Lightning", "cpu", "tried"]


def test_a_reader_that_is_killed_is_one_line(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(self: TrainingStream, position: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(TrainingStream, "__getitem__", killed)
    with pytest.raises(ReaderKilled, match="reads scans was killed at step 0") as told:
        fit(TrainingData(str(data), read_coco(data, "train"), None), small_recipe(workers=1), tmp_path / "run")
    assert "workers=1" in told.value.remedy


def test_a_rate_that_never_reaches_its_peak_is_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("training.fitting.fit._train", lambda *_: None)
    train = TrainingData(str(data), read_coco(data, "train"), None)
    fit(train, small_recipe(), tmp_path / "usual")
    assert not caplog.records
    fit(train, small_recipe(warmup_steps=12), tmp_path / "short")
    assert "warmup_steps=12 of 6 steps: the learning rate only rises, to 50 %" in caplog.text


def test_no_number_is_no_agreement(exported: tuple[torch.nn.Module, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    network, path = exported
    forward = type(network).forward

    def without_corners(self: torch.nn.Module, images: torch.Tensor) -> Candidates:
        found = forward(self, images)
        return Candidates(found.boxes_xyxy * float("nan"), found.scores)

    monkeypatch.setattr(type(network), "forward", without_corners)
    with pytest.raises(ParityFailed, match="boxes differ by nan"):
        require_parity(network, Network(load_weights(path), Provider.CPU), squares(100))  # type: ignore[arg-type]


def test_classes_of_a_run_that_another_goes_on_from_keep_their_names(run: Path, data: Path) -> None:
    names = read_coco(data, "train").class_names
    turned = tuple(reversed(names))
    before = weights_of(run)["network.head.cls_preds.0.weight"]
    network = build("yolox-nano", turned)
    said = network.load_pretrained(str(run / "checkpoints" / "last.ckpt"))
    assert torch.equal(network.state_dict()["head.cls_preds.0.weight"], before.flip(0))
    assert f"of its classes {', '.join(turned)}" in said


class Begun(Exception):
    """In place of a training: what it would have begun with."""

    def __init__(self, few: TrainingData) -> None:
        super().__init__(few)
        self.few = few


def raising_what_begins(module: DetectionModule, few: TrainingData, *_: object) -> None:
    TrainingStream(few.train, module.recipe)
    raise Begun(few)


def test_overfitting_asks_nothing_of_the_scans_that_are_left_out(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.fitting.fit._train", raising_what_begins)
    train = read_coco(data, "train")
    emphasis = tmp_path / "emphasis.json"
    emphasis.write_text(json.dumps({scan.name: 2.0 for scan in train.scans}))
    recipe = small_recipe(emphasis=str(emphasis), classes=train.class_names)
    with pytest.raises(Begun):
        overfit_check(train, recipe, tmp_path / "run", 1)


def test_overfitting_varies_nothing_and_takes_a_recipe_of_freight(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Colour shifts that were left in made a recipe of freight one that nobody could read back."""
    monkeypatch.setattr("training.fitting.fit._train", raising_what_begins)
    recipe = resolve_recipe("cargo-n", ["start="])
    with pytest.raises(Begun):
        overfit_check(read_coco(data, "train"), recipe, tmp_path / "run", 1)
    varied = read_run(tmp_path / "run").recipe.augmentation
    assert (varied.hue, varied.saturation, varied.thickness, varied.flip) == (0, 0, 1, 0)


def test_overfitting_takes_the_place_of_an_earlier_check_and_of_no_other_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaving_a_checkpoint(module: object, few: object, stream: object, run: Path, *_: object) -> None:
        (run / "checkpoints").mkdir()
        (run / "checkpoints" / "last.ckpt").write_bytes(b"as of a training")
        raise Begun(few)  # type: ignore[arg-type]

    monkeypatch.setattr("training.fitting.fit._train", leaving_a_checkpoint)
    train, folder = read_coco(data, "train"), tmp_path / "overfit"
    for seed in (0, 1):
        with pytest.raises(Begun):
            overfit_check(train, small_recipe(seed=seed), folder, 1)
        (folder / "notes.txt").write_text("somebody's own")
    assert read_run(folder).recipe.seed == 1 and (folder / "notes.txt").is_file()
    with pytest.raises(Begun):
        fit(TrainingData(str(data), train, None), small_recipe(), tmp_path / "run")
    with pytest.raises(SettingsInvalid, match="already holds a run"):
        overfit_check(train, small_recipe(), tmp_path / "run", 1)
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()


def test_overfitting_leaves_out_classes_that_the_few_scans_were_not_looked_through_for(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.fitting.fit._train", raising_what_begins)
    train = read_coco(data, "train")
    scan = next(scan for scan in train.scans if len(scan.class_ids))
    # Of a set that looked for the last of these classes alone, where an item of another lies beside its own.
    last, other = len(train.class_names) - 1, 0
    boxes = np.array([[4, 4, 40, 40], [8, 8, 60, 60]], np.float32)
    annotated = np.arange(len(train.class_names)) == last
    scan = replace(
        scan, boxes_xyxy=boxes, class_ids=np.array([last, other]), ignore=np.zeros(2, np.bool_), annotated=annotated
    )
    with pytest.raises(Begun) as begun:
        overfit_check(replace(train, scans=(scan,)), small_recipe(), tmp_path / "run", 1)
    few = begun.value.few.train
    assert few.class_names == train.class_names[last:]
    assert few.scans[0].class_ids.tolist() == [0] and few.scans[0].boxes_xyxy.tolist() == [[4, 4, 40, 40]]
    assert few.scans[0].annotated.tolist() == [True]


def test_a_misspelt_class_is_named(data: Path, tmp_path: Path) -> None:
    recipe = small_recipe(classes=("guns",))
    with pytest.raises(SettingsInvalid, match="no box in train: guns"):
        fit(read_training_data(data, recipe), recipe, tmp_path / "run")
