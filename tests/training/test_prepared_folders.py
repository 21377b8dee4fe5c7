"""Folders of `data prepare` as others read them: half-made ones, bags over several sources, names met twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
from typer.testing import CliRunner

from detector.errors import SettingsInvalid
from tests.training.dataset_fixtures.coco_files import coco, put_coco
from tests.training.fake_set import ADAPTERS, luggage, make_set, scan_entry
from training.cli import app
from training.datasets.adapters import ADAPTERS as EVERY
from training.datasets.check import check
from training.datasets.coco_index import class_names, read_coco
from training.datasets.export_set import export_set
from training.datasets.merge import merge
from training.datasets.prepare import Prepared, PrepareOptions, prepare
from training.datasets.preview import preview
from training.datasets.statistics import statistics

OPTIONS = PrepareOptions(share=0.0, link="copy")
Read = Callable[[Path], Any]


def fake(output: Path, *folders: Path) -> Prepared:
    return prepare(folders, output, OPTIONS, adapters=ADAPTERS)


def three_scans(folder: Path, **changes: Any) -> Path:
    entries = [scan_entry(f"{split}/0.png", split=split) for split in ("train", "val", "test")]
    return make_set(folder, entries, **changes)


READERS: dict[str, Read] = {
    "fit": lambda data: read_coco(data, "train"),
    "classes": lambda data: class_names(data, "train"),
    "check": check,
    "statistics": statistics,
    "preview": lambda data: preview(data, "train", data.parent / "sheet.png"),
    "export": lambda data: export_set(data, "coco", data.parent / "exported"),
    "prepare": lambda data: prepare([data], data.parent / "again", OPTIONS),
    "merge": lambda data: merge([data.parent / "other", data], data.parent / "both"),
}


@pytest.mark.parametrize("name", READERS)
def test_a_folder_whose_preparation_was_stopped_is_read_by_nobody(name: str, tmp_path: Path) -> None:
    source, data = three_scans(tmp_path / "set"), tmp_path / "data"
    fake(data, source)
    fake(tmp_path / "other", three_scans(tmp_path / "more", source="more", first_seed=40))
    # As a second run that is killed leaves it.
    (data / "manifest.json").unlink()
    with pytest.raises(SettingsInvalid, match="its preparation was stopped") as refused:
        READERS[name](data)
    assert "run the same `data prepare` again" in refused.value.remedy
    fake(data, source)
    READERS[name](data)


def test_the_command_says_of_a_stopped_preparation_that_it_was_not_checked(tmp_path: Path) -> None:
    fake(tmp_path / "data", three_scans(tmp_path / "set"))
    (tmp_path / "data/manifest.json").unlink()
    result = CliRunner().invoke(app, ["data", "check", str(tmp_path / "data")])
    assert result.exit_code == 1 and "not checked" in result.stdout and "was stopped" in result.stdout


def test_check_names_scans_that_are_not_what_was_prepared(tmp_path: Path) -> None:
    data = tmp_path / "data"
    fake(data, three_scans(tmp_path / "set", labels=("gun",)))
    assert check(data) == []
    cv2.imwrite(str(data / "images/fake/val/0.png"), luggage(77))
    (finding,) = check(data)
    assert (finding.kind, finding.subject) == ("not what was prepared", "val: fake/val/0.png")
    (data / "manifest.json").write_text("{")
    (finding,) = check(data)
    assert finding.kind == "unreadable manifest"
    # That of another tool says nothing of scans.
    (data / "manifest.json").write_text('{"files": {"images/fake/val/0.png": "0"}}')
    assert check(data) == []


def test_scans_of_two_sources_that_show_the_same_are_one_bag(tmp_path: Path) -> None:
    for name in ("north", "south"):
        entries = [scan_entry("a.png", split="train"), scan_entry(f"{name}.png", split="train", group="a")]
        make_set(tmp_path / name, entries, source=name, first_seed=0)
        cv2.imwrite(str(tmp_path / name / f"{name}.png"), luggage(len(name) * ord(name[0])))
    prepared = fake(tmp_path / "data", tmp_path / "north", tmp_path / "south")
    scans = {scan.name: scan for scan in read_coco(tmp_path / "data", "train").scans}
    assert scans["north/a.png"].bag == scans["south/a.png"].bag
    # Alike by their name alone, they are two bags.
    assert len({scan.bag for scan in scans.values()}) == 3
    (told,) = [finding for finding in prepared.findings if finding.kind == "duplicate scan"]
    assert told.subject == "north/a.png, south/a.png" and told.message.startswith("1 x: the same file")


def test_a_bag_of_two_sources_in_two_splits_is_found(tmp_path: Path) -> None:
    make_set(tmp_path / "north", [scan_entry("a.png", split="train"), scan_entry("b.png", split="val")], source="north")
    make_set(tmp_path / "south", [scan_entry("c.png", split="val")], source="south", first_seed=9)
    data = tmp_path / "data"
    fake(data, tmp_path / "north", tmp_path / "south")
    path = data / "annotations/val.json"
    document = json.loads(path.read_bytes())
    document["images"][-1]["group"] = "north/a.png"
    path.write_text(json.dumps(document))
    assert [finding.subject for finding in check(data) if finding.kind == "group in two splits"] == ["north/a.png"]


def own_coco(folder: Path, seed: int, names: tuple[str, ...] = ("a.png",)) -> Path:
    """Scans of one's own, each with a gun."""
    put_coco(
        folder, "annotations/instances_train.json", "images", coco({1: "gun"}, {n: [(1, 4, 4, 20, 16)] for n in names})
    )
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / "images" / name), luggage(seed + number))
    return folder


def files_of(data: Path) -> dict[str, bytes]:
    return {scan.name: scan.path.read_bytes() for scan in read_coco(data, "train").scans}


def test_files_that_only_the_name_of_their_folder_tells_apart_are_all_kept(tmp_path: Path) -> None:
    entries = [scan_entry(path, split="train") for path in ("mon/x.png", "all/mon/x.png", "y.png")]
    every = make_set(tmp_path / "set", entries, source="all")
    monday = make_set(tmp_path / "mon", [scan_entry("x.png", split="train")], source="mon", first_seed=9)
    # images/all/mon/x.png and images/mon/x.png, of a folder that is called all.
    data = tmp_path / "all"
    fake(data, every, monday)
    prepared = prepare([data], tmp_path / "again", OPTIONS)
    assert prepared.left_out == 0 and "repeated scan" not in {finding.kind for finding in prepared.findings}
    assert sorted(files_of(tmp_path / "again").values()) == sorted(files_of(data).values())


def test_a_scan_that_two_files_of_one_set_list_is_said_to_be_annotated_twice(tmp_path: Path) -> None:
    entries = [
        scan_entry("a.png", split="train"),
        scan_entry("a.png", split="test"),
        scan_entry("b.png", split="train"),
    ]
    prepared = fake(tmp_path / "data", make_set(tmp_path / "set", entries))
    (told,) = [finding for finding in prepared.findings if finding.kind == "repeated scan"]
    assert told.subject == "fake/a.png" and "annotated twice" in told.message


def test_an_own_set_that_is_called_as_one_prepared_before_gets_a_name_of_its_own(tmp_path: Path) -> None:
    prepare([own_coco(tmp_path / "a/export", 0)], tmp_path / "data", OPTIONS)
    prepared = prepare([tmp_path / "data", own_coco(tmp_path / "b/export", 50)], tmp_path / "both", OPTIONS)
    assert prepared.counts["train"]["sources"] == {"export": 1, "b_export": 1}
    (told,) = [finding for finding in prepared.findings if finding.kind == "name of two sets"]
    assert told.subject == "b_export/export"


def test_merging_says_that_two_folders_hold_a_set_of_one_name_but_for_public_ones(tmp_path: Path) -> None:
    for number, name in enumerate("ab"):
        own = own_coco(tmp_path / name / "export", 50 * number)
        public = make_set(tmp_path / name / "p", [scan_entry("p.png", split="train")], ("Gun",), "sixray", 70 + number)
        prepare([own, public], tmp_path / f"data_{name}", OPTIONS, adapters={**EVERY, **ADAPTERS})
    merged = merge([tmp_path / "data_a", tmp_path / "data_b"], tmp_path / "both")
    told = [finding for finding in merged.findings if finding.kind == "name of two sets"]
    assert [finding.subject for finding in told] == ["data_b/export"]


def test_merge_tells_no_option_that_it_has_not(tmp_path: Path) -> None:
    for number, name in enumerate("ab"):
        fake(
            tmp_path / f"data_{name}",
            make_set(tmp_path / name, [scan_entry("a.png", split="train")], first_seed=number),
        )
    folders = [str(tmp_path / f"data_{name}") for name in "ab"]
    result = CliRunner().invoke(app, ["data", "merge", *folders, "--output", str(tmp_path / "both")])
    assert result.exit_code == 0 and "val holds no box" in result.stdout and "--val-share" not in result.stdout
