"""Every command of `roentgate-train` beyond the main line, as it is typed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from detector.errors import InferenceFailed, SettingsInvalid
from detector.weights import load_weights
from tests.conftest import make_spec, picture
from training.cli import app, main
from training.datasets.coco_index import class_names, read_coco
from training.files import progress
from training.models.table import build
from training.recipe import Recipe
from training.samples.training_data import TrainingData, read_training_data
from training.shipping.export import Run, export_network, unchosen_spec
from training.simulation import simulate_dataset

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning:lightning",
    "ignore::FutureWarning:lightning",
    "ignore::DeprecationWarning:lightning",
    "ignore::lightning.pytorch.utilities.warnings.PossibleUserWarning",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    simulate_dataset(folder, scans=12, seed=3)
    return folder


@pytest.fixture(scope="module")
def weights(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights whose candidates cover everything, so that some are hits and some false alarms."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "small.onnx"
    names = read_coco(data, "train").class_names
    recipe = Recipe(model="yolox-nano", input_size=64, steps=1, validate_every=1)
    spec = unchosen_spec(recipe, names).model_copy(update={"name": "small", "terms": "for tests"})
    network = build("yolox-nano", names).eval()
    for layer in network.head.cls_preds:  # type: ignore[union-attr]
        torch.nn.init.constant_(layer.bias, 0.0)  # type: ignore[arg-type, union-attr]
    export_network(network, spec, path)
    return path


def typed(*words: object) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(result.exception, Exception) and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


CHANGES = (
    "start=", "steps=2", "batch_size=2", "input_size=64", "workers=0", "multi_scale=[]", "warmup_steps=1",
    "validate_every=2", "precision=32-true",
)  # fmt: skip
TINY = tuple(word for change in CHANGES for word in ("--set", change))


def test_project_writes_a_set_that_fit_reads_and_goes_on_where_it_was(data: Path, tmp_path: Path) -> None:
    command = ("project", "--data", data, "--output", tmp_path / "set", "--scans", 3, "--items", "1-2")
    assert "made 3 of 3" in typed(*command).stdout
    assert "made 0 of 3" in typed(*command).stdout
    projected = read_coco(tmp_path / "set", "train")
    assert len(projected) == 3
    assert sum(projected.boxes_per_class().values()) >= 3
    with pytest.raises(SettingsInvalid, match="--items few"):
        typed("project", "--data", data, "--output", tmp_path / "other", "--items", "few")


def write_dark_middles(folder: Path) -> Path:
    """60 pictures; the darker the middle, the likelier a gun is there, as the probe network scores it."""
    random = np.random.default_rng(0)
    (folder / "images" / "val").mkdir(parents=True)
    (folder / "annotations").mkdir()
    images, annotations = [], []
    for number in range(60):
        middle = int(random.integers(20, 230))
        cv2.imwrite(str(folder / "images" / "val" / f"{number}.png"), picture(middle=middle))
        images.append({"id": number, "file_name": f"{number}.png", "width": 128, "height": 128})
        if random.random() < ((255 - middle) / 255) ** 2:
            annotations.append({"id": number, "image_id": number, "category_id": 1, "bbox": [32, 32, 64, 64]})
    categories = [{"id": number + 1, "name": name} for number, name in enumerate(make_spec().class_names)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations" / "val.json").write_text(json.dumps(document))
    return folder


def test_calibrate_writes_weights_with_maps_and_tells_the_cost(probe: Path, tmp_path: Path) -> None:
    output = tmp_path / "calibrated.onnx"
    result = typed("calibrate", probe, "--data", write_dark_middles(tmp_path / "data"), "--output", output)
    assert "D-ECE" in result.stdout and "Pfa" in result.stdout
    assert load_weights(output).spec.calibration


def test_calibrate_takes_one_wanted_rate(data: Path, weights: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="no operating point"):
        typed("calibrate", weights, "--data", data, "--output", tmp_path / "x.onnx", "--pfa", 0.1, "--pd", 0.9)


def test_quantise_refuses_what_its_gate_refuses(
    data: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Which convolutions are sensitive is measured in test_quantise.py; it takes a minute.
    monkeypatch.setattr("training.shipping.quantise._Prepared.sensitivity", lambda network: {})
    output = tmp_path / "int8.onnx"
    result = typed("quantise", weights, "--data", data, "--output", output)
    verdict = json.loads(output.with_suffix(".gate.json").read_text())
    assert result.exit_code == (0 if verdict["passed"] else 1)
    with pytest.raises(SettingsInvalid, match="need different scans"):
        typed("quantise", weights, "--data", data, "--output", output, "--split", "val")


def test_mined_scans_are_an_emphasis_that_fit_takes(data: Path, weights: Path, tmp_path: Path) -> None:
    emphasis = tmp_path / "emphasis.json"
    assert "train with --set emphasis=" in typed("mine", weights, "--data", data, "--output", emphasis).stdout
    weights_of_scans = json.loads(emphasis.read_text())
    assert weights_of_scans and all(weight > 1 for weight in weights_of_scans.values())
    run = tmp_path / "run"
    assert "started from" in typed("fit", "yolox-nano", "--data", data, "--output", run, *TINY, "--set",
                                   f"emphasis={emphasis}").stdout  # fmt: skip


def test_mine_passes_over_scans_that_cannot_be_judged_and_names_them(data: Path, weights: Path, tmp_path: Path) -> None:
    folder, emphasis = tmp_path / "data", tmp_path / "emphasis.json"
    shutil.copytree(data, folder)
    scans = read_coco(folder, "train").scans
    scans[0].path.write_bytes(scans[0].path.read_bytes()[:200])
    cv2.imwrite(str(scans[1].path), np.full((scans[1].height, scans[1].width, 3), 255, np.uint8))
    result = typed("mine", weights, "--data", folder, "--output", emphasis)
    for scan, error in zip(scans, ("ScanUnreadable", "ScanWithoutContent"), strict=False):
        assert f"left out: {scan.name}: {error}" in result.stderr
    assert result.stderr.count("left out") == 2
    mined = json.loads(emphasis.read_text())
    assert mined and not mined.keys() & {scan.name for scan in scans[:2]}
    for scan in scans:
        scan.path.write_bytes(b"")
    with pytest.raises(InferenceFailed, match=f"none of {len(scans)} scans can be judged, first {scans[0].name}"):
        typed("mine", weights, "--data", folder, "--output", emphasis)


def test_ablate_compares_settings_by_seed(data: Path, tmp_path: Path) -> None:
    command = ("ablate", "yolox-nano", "--data", data, "--output", tmp_path, "--vary", "balance_share=0,0.2")
    typed(*command, "--seeds", "0", *TINY)
    assert "balance_share=0.2" in (tmp_path / "ablation.md").read_text()
    with pytest.raises(SettingsInvalid, match="--seeds first"):
        typed(*command, "--seeds", "first")


def test_compare_needs_weights_named_for_their_model(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="NAME=VALUE"):
        typed("compare", "yolox-nano", "--data", data, "--output", tmp_path, "--start", "weights.pth")


def test_a_scanner_that_is_left_out_is_in_neither_split(data: Path) -> None:
    sources = {scan.source for scan in read_coco(data, "train").scans}
    with pytest.raises(SettingsInvalid, match="no scan of nowhere"):
        read_training_data(data, Recipe(model="yolox-nano", steps=1, validate_every=1, leave_out=("nowhere",)))
    with pytest.raises(SettingsInvalid, match="every scan is of"):
        read_training_data(data, Recipe(model="yolox-nano", steps=1, validate_every=1, leave_out=tuple(sources)))


def test_a_share_of_the_training_bags_is_part_of_every_larger_share_and_judged_on_the_same(tmp_path: Path) -> None:
    simulate_dataset(tmp_path, scans=40, seed=3)
    document = json.loads((tmp_path / "annotations" / "train.json").read_text())
    for number, image in enumerate(document["images"]):
        image["group"] = f"bag {number // 2}"
    (tmp_path / "annotations" / "train.json").write_text(json.dumps(document))

    def read(share: float) -> TrainingData:
        return read_training_data(
            tmp_path, Recipe(model="yolox-nano", steps=1, validate_every=1, train_share=share, classes=("gun", "knife"))
        )

    whole, half, tenth = (read(share) for share in (1.0, 0.5, 0.1))
    names = [{scan.path.name for scan in one.train.scans} for one in (whole, half, tenth)]
    assert names[0] > names[1] > names[2] and 0.25 < len(names[1]) / len(names[0]) < 0.75
    bags = [{scan.group for scan in one.train.scans} for one in (half, whole)]
    assert sum(scan.group in bags[0] for scan in whole.train.scans) == len(half.train)
    assert whole.validation is not None and half.validation is not None
    assert len(whole.validation) == len(half.validation)


def test_a_class_can_be_made_rare_for_training_and_stays_as_it_is_for_judging(tmp_path: Path) -> None:
    simulate_dataset(tmp_path, scans=60, seed=3)
    plain = Recipe(model="yolox-nano", steps=1, validate_every=1)
    whole = read_training_data(tmp_path, plain)
    rare = read_training_data(tmp_path, plain.model_copy(update={"most_bags": {"gun": 2, "knife": 2}}))
    assert whole.train.boxes_per_class()["gun"] > 2 and whole.train.boxes_per_class()["knife"] > 2

    def bags_with(data: TrainingData, name: str) -> set[str]:
        own = data.train.class_names.index(name)
        return {scan.name for scan in data.train.scans if own in scan.class_ids}

    assert len(bags_with(rare, "gun")) == 2 and len(bags_with(rare, "knife")) == 2
    kept, before = ({scan.name for scan in one.train.scans} for one in (rare, whole))
    assert before - kept == (bags_with(whole, "gun") | bags_with(whole, "knife")) - kept, "bags without them stay"
    assert rare.train.kept_out == before - kept
    assert rare.validation is not None and whole.validation is not None
    assert len(rare.validation) == len(whole.validation)
    with pytest.raises(SettingsInvalid, match="no class sword"):
        read_training_data(tmp_path, plain.model_copy(update={"most_bags": {"sword": 2}}))


def test_a_preview_of_augmentations_is_one_picture(data: Path, tmp_path: Path) -> None:
    typed("data", "preview", data, "--output", tmp_path / "sheet.png", "--augmentations")
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_the_time_left_counts_on_what_is_done_now_and_not_on_what_was_done_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, *[0.1] * 80, 10.0, 15.0, 20.0, *[20.0] * 100])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    assert len(list(progress.with_progress("making", iter(range(100)), 100))) == 100
    lines = [line.strip() for line in capsys.readouterr().err.splitlines()]
    assert lines == ["making: 81/100, 8.1 a second, 2 s left", "making: 83/100, 0.2 a second, 85 s left"]


def test_a_disk_that_cannot_be_used_is_one_line_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr("sys.argv", ["roentgate-train", "freight-set", "--output", str(tmp_path / "file" / "set")])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert ended.value.code == 1 and "Not a directory" in told
    assert "what to do: a file stands where a folder belongs" in told


def test_an_extra_that_is_not_installed_is_one_line_and_a_fault_of_ours_is_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacks(name: str) -> None:
        def fails() -> None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        monkeypatch.setattr("training.cli.app", fails)

    lacks("scipy.spatial")
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert ended.value.code == 2 and told.startswith("scipy is not installed") and 'pip install "WHEEL[train]"' in told
    lacks("training.fitt")
    with pytest.raises(ModuleNotFoundError, match="fitt"):
        main()


@pytest.mark.parametrize("pfa", ["0", "1", "nan"])
def test_an_export_for_a_pfa_that_no_scans_can_support_is_refused(
    pfa: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(Recipe(model="yolox-nano", steps=1), read_coco(data, "train").class_names, "", str(data), {})
    monkeypatch.setattr("training.shipping.export.read_run", lambda folder: run)
    with pytest.raises(SettingsInvalid, match=f"--pfa {pfa}: not a share"):
        typed("export", tmp_path / "run", "--output", tmp_path / "x.onnx", "--pfa", pfa)


def test_the_classes_of_a_split_are_told_without_its_scans(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    path = tmp_path / "annotations" / "test.json"
    categories: list[dict[str, object]] = [{"id": 7, "name": "knife"}, {"id": 2, "name": "gun"}]
    path.write_text(json.dumps({"images": [{}], "annotations": [], "categories": categories}))
    assert class_names(tmp_path, "test") == ("gun", "knife")
    path.write_text(json.dumps({"images": [], "annotations": [], "categories": [{"id": 1}]}))
    with pytest.raises(SettingsInvalid, match=r"an entry lacks or does not know 'name'"):
        class_names(tmp_path, "test")
