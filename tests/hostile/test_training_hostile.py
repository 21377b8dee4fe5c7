"""Whatever is wrong with data, recipe, start, checkpoint, disk or memory: one line with a remedy, and nothing lost."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from detector.errors import ScanUnreadable, ScanWithoutContent, SettingsInvalid
from tests.hostile.training_runs import (
    LIGHTNING_ADVICE,
    one_line,
    recipe,
    require_same_end,
    train_on,
)
from training.cli import app
from training.datasets.check import check
from training.datasets.coco_index import CocoIndex, read_coco
from training.fitting.fit import fit
from training.models.table import build
from training.samples.training_data import TrainingData, read_training_data
from training.simulation import simulate_dataset

pytestmark = pytest.mark.filterwarnings(*LIGHTNING_ADVICE)

Document = dict[str, Any]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    simulate_dataset(folder, scans=8, seed=1)
    return folder


@pytest.fixture(autouse=True)
def every_step_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.fitting.trainer.LOG_EVERY", 1)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("training.fitting.trainer.LOG_EVERY", 1)
        train_on(data, folder)
    return folder


# --- annotations ---


def _first(document: Document) -> Document:
    return document["annotations"][0]  # type: ignore[no-any-return]


ANNOTATION_FAULTS: dict[str, tuple[Callable[[Document], object], str]] = {
    "box outside": (lambda d: _first(d).update(bbox=[9000, 10, 20, 20]), "without area"),
    "box inverted": (lambda d: _first(d).update(bbox=[50, 50, -20, -20]), "without area"),
    "box of NaN": (lambda d: _first(d).update(bbox=[float("nan"), 10, 20, 20]), "not finite"),
    "width of NaN": (lambda d: _first(d).update(bbox=[10, 10, float("nan"), 20]), "not finite"),
    "endless box": (lambda d: _first(d).update(bbox=[10, 10, float("inf"), 20]), "not finite"),
    "box of three numbers": (lambda d: _first(d).update(bbox=[10, 10, 20]), "malformed"),
    "box of words": (lambda d: _first(d).update(bbox=["a", "b", "c", "d"]), "malformed"),
    "box missing": (lambda d: _first(d).pop("bbox"), "'bbox'"),
    "box null": (lambda d: _first(d).update(bbox=None), "malformed"),
    "class unknown": (lambda d: _first(d).update(category_id=99), "99"),
    "scan unknown": (lambda d: _first(d).update(image_id=4711), "4711"),
    "annotation no object": (lambda d: d["annotations"].append("x"), "malformed"),
    "images no list": (lambda d: d.update(images=3), "malformed"),
    "category without name": (lambda d: d["categories"][0].pop("name"), "'name'"),
    "class looked for unknown": (lambda d: d["images"][0].update(annotated_category_ids=[99]), "99"),
    "two scans of one id": (lambda d: d["images"][1].update(id=d["images"][0]["id"]), "one id"),
    "scan missing": (lambda d: d["images"][0].update(file_name="gone.jpg"), "not there"),
    "no scans": (lambda d: d.update(images=[], annotations=[]), "0 scans"),
    "no boxes": (lambda d: d.update(annotations=[]), "no box"),
    "no classes": (lambda d: d.update(annotations=[], categories=[]), "malformed|no box|99|know"),
}


def changed(data: Path, folder: Path, change: Callable[[Document], object]) -> Path:
    document = json.loads((data / "annotations" / "train.json").read_text())
    change(document)
    (folder / "annotations").mkdir(parents=True)
    (folder / "annotations" / "train.json").write_text(json.dumps(document))
    (folder / "images").symlink_to(data / "images")
    return folder


@pytest.mark.parametrize("fault", ANNOTATION_FAULTS)
def test_a_fault_in_the_annotations_is_one_line(fault: str, data: Path, tmp_path: Path) -> None:
    change, message = ANNOTATION_FAULTS[fault]
    with pytest.raises(SettingsInvalid, match=message) as caught:
        train_on(changed(data, tmp_path / "data", change), tmp_path / "run")
    one_line(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [b'{"images": [{"id": 1, "fil', b"\xff\xfe{", b"", b"[" * 200_000, b"[1, 2]"])
def test_a_half_written_annotation_file_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "train.json").write_bytes(content)
    with pytest.raises(SettingsInvalid, match=r"not JSON|not COCO") as caught:
        read_coco(tmp_path, "train")
    one_line(caught.value)


def test_a_box_a_little_outside_is_clipped(data: Path, tmp_path: Path) -> None:
    folder = changed(data, tmp_path / "data", lambda d: _first(d).update(bbox=[-3, -2, 30, 20]))
    boxes = [scan.boxes_xyxy for scan in read_coco(folder, "train").scans if len(scan.boxes_xyxy)]
    assert boxes[0][0].tolist() == [0, 0, 27, 18]


def only(index: CocoIndex, scans: int) -> CocoIndex:
    return CocoIndex(index.class_names, tuple(scan for scan in index.scans if len(scan.boxes_xyxy))[:scans])


def test_one_scan_is_enough_and_so_is_one_class(data: Path, tmp_path: Path) -> None:
    index = only(read_coco(data, "train"), 1)
    name = index.class_names[int(index.scans[0].class_ids[0])]
    single = only(read_coco(data, "train", (name,)), 1)
    settings = recipe(steps=2, classes=(name,), input_size=64)
    assert fit(TrainingData("d", single, single), settings, tmp_path / "run") == "random weights"
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").is_file()


def test_a_class_of_the_recipe_without_a_box_is_refused(data: Path, tmp_path: Path) -> None:
    names = ("gun", "torpedo")
    index = read_coco(data, "train", names)
    with pytest.raises(SettingsInvalid, match="no box in train: torpedo"):
        fit(TrainingData("d", index, None), recipe(classes=names), tmp_path / "run")


@pytest.mark.parametrize("path", ["../../outside.png", "/etc/hostname", "C:/outside.png"])
def test_a_scan_outside_the_folder_is_neither_read_nor_looked_at(path: str, data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "a" / "data")
    annotations = tmp_path / "a" / "data" / "annotations" / "train.json"
    document: Document = json.loads(annotations.read_bytes())
    (tmp_path / "a" / "outside.png").write_bytes(b"no scan")
    document["images"][0]["file_name"] = path
    annotations.write_text(json.dumps(document))
    with pytest.raises(SettingsInvalid, match="path refused") as caught:
        read_coco(tmp_path / "a" / "data", "train")
    one_line(caught.value)
    assert "path refused" in {finding.kind for finding in check(tmp_path / "a" / "data")}


def unlooked_for(data: Path, folder: Path, name: str) -> Path:
    """A copy whose scans are clean of `name` nowhere, as of a class that all of their sources mark in part."""
    shutil.copytree(data, folder)
    path = folder / "annotations" / "train.json"
    document: Document = json.loads(path.read_bytes())
    ids = [entry["id"] for entry in document["categories"] if entry["name"] != name]
    for image in document["images"]:
        image["annotated_category_ids"] = ids
    path.write_text(json.dumps(document))
    return folder


def test_a_class_that_nothing_is_clean_of_is_left_out_with_a_warning_or_refused_if_the_recipe_names_it(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    boxes = read_coco(data, "train").boxes_per_class()
    names = tuple(name for name in boxes if boxes[name])
    folder = unlooked_for(data, tmp_path / "data", names[0])
    assert read_training_data(folder, recipe()).train.class_names == tuple(name for name in boxes if name != names[0])
    assert f"{names[0]}: left out" in caplog.text
    with pytest.raises(SettingsInvalid, match=f"no training scan was looked through for {names[0]}") as caught:
        fit(read_training_data(folder, recipe(classes=names)), recipe(classes=names), tmp_path / "run")
    one_line(caught.value)


def test_a_validation_without_boxes_is_refused(data: Path, tmp_path: Path) -> None:
    index = read_coco(data, "train")
    empty = CocoIndex(index.class_names, ())
    with pytest.raises(SettingsInvalid, match="in val") as caught:
        fit(TrainingData("d", index, empty), recipe(), tmp_path / "run")
    one_line(caught.value)


# --- scans that fail in the middle ---


@pytest.mark.parametrize("workers", [0, 1])
def test_a_scan_that_cannot_be_read_in_the_middle_stops_with_one_line(
    workers: int, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    index = read_coco(folder, "train")
    for scan in index.scans[1:]:
        scan.path.write_bytes(scan.path.read_bytes()[:1000])
    with pytest.raises(ScanUnreadable, match="simulated_") as caught:
        fit(TrainingData(str(folder), index, None), recipe(workers=workers), tmp_path / "run")
    one_line(caught.value)
    assert "data check" in caught.value.remedy and "Traceback" not in caught.value.what


def test_a_scan_that_vanished_stops_with_one_line_and_the_run_goes_on_when_it_is_back(
    data: Path, tmp_path: Path, whole: Path
) -> None:
    run, folder = tmp_path / "run", tmp_path / "data"
    shutil.copytree(data, folder)
    index, away = read_coco(folder, "train"), tmp_path / "away"
    fit(TrainingData(str(folder), index, None), recipe(), run, stop_after=2)
    (folder / "images" / "train").rename(away)
    with pytest.raises(ScanUnreadable, match="No such file") as caught:
        fit(TrainingData(str(folder), index, None), recipe(), run, resume=True)
    one_line(caught.value)
    away.rename(folder / "images" / "train")
    fit(TrainingData(str(folder), index, None), recipe(), run, resume=True)
    require_same_end(run, whole)


def drawn_in(data: Path, folder: Path, split: str, picture: np.ndarray) -> TrainingData:
    """A copy of which the last scan of the split is marked as drawn already, and holds `picture`."""
    shutil.copytree(data, folder)
    index = read_coco(folder, split)
    last = replace(index.scans[-1], drawn=True)
    cv2.imwrite(str(last.path.with_suffix(".png")), picture)
    last = replace(last, path=last.path.with_suffix(".png"))
    changed = replace(index, scans=(*index.scans[:-1], last))
    return replace(
        TrainingData(str(folder), read_coco(folder, "train"), read_coco(folder, "val")),
        **{"train" if split == "train" else "validation": changed},
    )


@pytest.mark.parametrize("picture", [np.full((90, 120), 200, np.uint8), np.full((90, 120, 3), 300, np.uint16)])
@pytest.mark.parametrize("split", ["train", "val"])
def test_what_the_station_cannot_have_drawn_is_one_line(
    split: str, picture: np.ndarray, data: Path, tmp_path: Path
) -> None:
    both = drawn_in(data, tmp_path / "data", split, picture)
    with pytest.raises(ScanUnreadable, match="is what the station drew") as caught:
        fit(both, recipe(steps=20), tmp_path / "run")
    one_line(caught.value)


def test_a_part_that_shows_nothing_is_learned_from_but_not_validated_on(data: Path, tmp_path: Path) -> None:
    steel = np.zeros((90, 120, 3), np.uint8)
    both = drawn_in(data, tmp_path / "val", "val", steel)
    with pytest.raises(ScanWithoutContent, match=r"\.png: all parts of the view lie within 0\.\.0") as caught:
        fit(both, recipe(), tmp_path / "run")
    one_line(caught.value)
    assert "take it out of val" in caught.value.remedy and not (tmp_path / "run").exists()
    learned = replace(drawn_in(data, tmp_path / "train", "train", steel), validation=None)
    fit(learned, recipe(steps=8), tmp_path / "run")


# --- recipes and starts ---


@pytest.mark.parametrize(
    ("change", "message"),
    [("stepps=3", "steps"), ("augmentation.flipp=1", "flip"), ("batch_size=0", "batch_size"), ("model=yolo", "yolo")],
)
def test_a_recipe_that_cannot_be_is_one_line(change: str, message: str, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = ["fit", "yolox-nano", "--data", str(data), "--output", str(run), "--set", "start=", "--set", change]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, SettingsInvalid) and message in result.exception.what
    one_line(result.exception)
    assert not run.exists()


def _save(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def _tensors(path: Path, state: dict[str, torch.Tensor]) -> Path:
    save_file(state, path)
    return path


def _bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _with_nan() -> dict[str, torch.Tensor]:
    state = {name: value.clone() for name, value in build("yolox-nano", ("gun",)).state_dict().items()}
    next(value for value in state.values() if value.ndim == 4)[0] = float("nan")
    return state


STARTS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "gone.safetensors", "not found"),
    "a folder": (lambda folder: folder, "not found"),
    "cut short": (lambda folder: _bytes(folder / "x.safetensors", b"\x10\0\0\0\0\0\0\0{"), "damaged"),
    "no weights": (lambda folder: _bytes(folder / "x.pth", b"GIF89a"), "damaged"),
    "code in a pickle": (lambda folder: _save(folder / "x.pt", {"model": subprocess.Popen}), "damaged"),
    "numbers alone": (lambda folder: _save(folder / "x.pt", [1, 2, 3]), "no named tensors"),
    "another family": (
        lambda folder: _tensors(folder / "x.safetensors", {"encoder.0.weight": torch.zeros(2, 2)}),
        "do not fit",
    ),
    "weights of NaN": (lambda folder: _tensors(folder / "x.safetensors", _with_nan()), "not finite"),
    "a hub's name cut short": (lambda folder: Path("hf-hub:owner/name"), "names no file"),
}


@pytest.mark.parametrize("kind", STARTS)
def test_a_start_that_does_not_fit_is_one_line(kind: str, data: Path, tmp_path: Path) -> None:
    make, message = STARTS[kind]
    with pytest.raises(SettingsInvalid, match=message) as caught:
        train_on(data, tmp_path / "run", recipe(start=str(make(tmp_path))))
    one_line(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "message", "remedy"),
    [
        ({"input_size": 400}, "input_size: 400 is no multiple of 32", "384 or 416"),
        ({"multi_scale": (96, 100)}, "multi_scale: 100 is no multiple of 32", "96 or 128"),
        ({"multi_scale": (0, 96)}, "multi_scale: 0 is no multiple of 32", "give 32 in"),
    ],
)
def test_a_size_that_the_network_does_not_take_is_one_line(
    change: dict[str, object], message: str, remedy: str, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsInvalid, match=message) as caught:
        train_on(data, tmp_path / "run", recipe(**change))
    one_line(caught.value)
    assert remedy in caught.value.remedy and not (tmp_path / "run").exists()


@pytest.mark.parametrize("fault", ["cut short", "gone"])
def test_a_validation_scan_that_cannot_be_read_is_one_line_before_the_first_step(
    fault: str, data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    both = TrainingData(str(folder), read_coco(folder, "train"), read_coco(folder, "val"))
    assert both.validation is not None
    path = both.validation.scans[-1].path
    if fault == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ScanUnreadable, match=path.name) as caught:
        fit(both, recipe(), tmp_path / "run")
    one_line(caught.value)
    assert "data check" in caught.value.remedy and not (tmp_path / "run").exists()
