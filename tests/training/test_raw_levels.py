"""Scans of 16 bits without a profile: a station refers them, and whoever prepares or learns from them is told."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training.fake_set import ADAPTERS, luggage, make_set, scan_entry
from training.cargo.reading import profile_text
from training.datasets.check import check
from training.datasets.check_source import check_source
from training.datasets.coco_index import CocoIndex, files_digest, read_coco, scans_digest
from training.datasets.findings import Finding
from training.datasets.prepare import PrepareOptions, prepare
from training.datasets.recognition import recognise
from training.datasets.taxonomy import load_taxonomy
from training.fitting.fit_checks import tell_referred
from training.recipe import Recipe
from training.samples.training_data import TrainingData

KIND = "raw levels without a profile"
RECIPE = Recipe(model="yolox-nano", input_size=64, steps=1, batch_size=2, warmup_steps=0, workers=0)
PROFILE = profile_text(1, 5.0, "grey").replace("air_value = 52000", "air_value = 63000")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two scans of 16 bits in train, one of them with a profile, and one in val; the others have 8."""
    root = tmp_path / "set"
    root.mkdir()
    levels = [cv2.cvtColor(luggage(seed), cv2.COLOR_BGR2GRAY).astype(np.uint16) * 257 for seed in (90, 91, 92)]
    cv2.imwrite(str(root / "raw.png"), levels[0])
    cv2.imwrite(str(root / "raw.tif"), levels[1])
    np.save(root / "told.npy", levels[2])
    (root / "told.npy.toml").write_text(PROFILE)
    names = {"raw.png": "train", "told.npy": "train", "a.png": "train", "raw.tif": "val", "b.png": "val"}
    return make_set(root, [scan_entry(name, split=split) for name, split in names.items()])


def told(findings: tuple[Finding, ...] | list[Finding]) -> list[str]:
    return [f"{one.subject}: {one.message.partition(':')[0]}" for one in findings if one.kind == KIND]


def test_check_and_prepare_count_what_a_station_would_refer(folder: Path, tmp_path: Path) -> None:
    counted = [
        "train: fake: 1 of 3 scans have more than 8 bits and no scanner profile that draws them",
        "val: fake: 1 of 2 scans have more than 8 bits and no scanner profile that draws them",
    ]
    assert told(check_source(recognise(folder, ADAPTERS), load_taxonomy()).findings) == counted
    prepared = prepare([folder], tmp_path / "data", PrepareOptions(share=0.0), adapters=ADAPTERS)
    assert told(prepared.findings) == counted and told(check(tmp_path / "data")) == counted
    # A profile that passes levels on as they are draws nothing either.
    (folder / "told.npy.toml").write_text('name = "a"\nrendering = "stored"\n')
    assert told(check_source(recognise(folder, ADAPTERS), load_taxonomy()).findings)[0].startswith("train: fake: 2 of")


def test_fit_says_which_scans_stations_would_refer(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"
    prepare([folder], data, PrepareOptions(share=0.0), adapters=ADAPTERS)
    both = TrainingData(str(data), read_coco(data, "train"), read_coco(data, "val"))
    with caplog.at_level(logging.WARNING):
        tell_referred(both, RECIPE)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(",")[0] for line in lines] == [
        "train: 1 of 3 scans of fake are drawn as 'grey'",
        "train: 1 of 3 scans of fake are drawn as 'windowed'",
        "val: 1 of 2 scans of fake are drawn as 'windowed'",
    ]
    assert "name that in the recipe's `renderings`" in lines[0] and "scanner's profile beside it" in lines[1]
    caplog.clear()
    tell_referred(both, RECIPE.model_copy(update={"renderings": ("stored", "grey")}))
    assert [record.getMessage()[:8] for record in caplog.records] == ["train: 1", "val: 1 o"]


def test_scans_that_are_called_alike_are_told_apart_by_their_files(tmp_path: Path) -> None:
    indexes: list[CocoIndex] = []
    for number, name in enumerate(("val", "test", "again")):
        root = make_set(tmp_path / name, [scan_entry("1.png", split="train")], first_seed=number % 2 * 50)
        prepare([root], tmp_path / f"data_{name}", PrepareOptions(share=0.0), adapters=ADAPTERS)
        indexes.append(read_coco(tmp_path / f"data_{name}", "train"))
    assert len({scans_digest(index) for index in indexes}) == 1
    val, test, _ = map(files_digest, indexes)
    other = indexes[2].scans[0].path
    assert val != test and len(val) == 64
    other.unlink()
    assert files_digest(indexes[2]) == ""
