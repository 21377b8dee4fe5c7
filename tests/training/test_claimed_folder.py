from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from detector.errors import SettingsInvalid
from tests.training.fake_set import make_set, scan_entry
from training.cargo.benchmark_run import Setup, claim_run
from training.cargo.tile_set import FreightSet, write_freight_set
from training.datasets.prepare import PrepareOptions, prepare
from training.files.claimed_folder import claim
from training.projection_set import ProjectionPlan, write_projection_set
from training.simulation import simulate_dataset

SETTINGS = {"seed": 1, "items": (1, 3), "scans": 5}


def test_a_folder_is_gone_on_with_by_the_settings_that_it_was_begun_with_alone(tmp_path: Path) -> None:
    for _ in range(2):
        claim(tmp_path, "plan.json", SETTINGS)
    with pytest.raises(SettingsInvalid, match=r"begun with other seed \(1, here 0\)$"):
        claim(tmp_path, "plan.json", SETTINGS | {"seed": 0})
    with pytest.raises(SettingsInvalid, match="begun with other items"):
        claim(tmp_path, "plan.json", SETTINGS | {"items": (1, 2)})


def test_what_may_grow_may_and_the_file_tells_the_last(tmp_path: Path) -> None:
    claim(tmp_path, "plan.json", SETTINGS)
    claim(tmp_path, "plan.json", SETTINGS | {"scans": 9}, may_grow=("scans",))
    assert json.loads((tmp_path / "plan.json").read_bytes()) == {"seed": 1, "items": [1, 3], "scans": 9}


def test_settings_that_the_folder_does_not_name_are_those_of_its_time_or_refused(tmp_path: Path) -> None:
    claim(tmp_path, "plan.json", SETTINGS)
    younger = SETTINGS | {"bags": ""}
    with pytest.raises(SettingsInvalid, match=r"an earlier version: plan\.json does not tell bags"):
        claim(tmp_path, "plan.json", younger)
    claim(tmp_path, "plan.json", younger, unsaid={"bags": ""})
    claim(tmp_path, "plan.json", SETTINGS | {"pair": (1, 2)}, unsaid={"pair": (1, 2)})
    with pytest.raises(SettingsInvalid, match=r"other bags \(none, here x\)"):
        claim(tmp_path, "plan.json", younger | {"bags": "x"}, unsaid={"bags": ""})


def test_a_folder_that_names_a_setting_nobody_knows_is_refused(tmp_path: Path) -> None:
    claim(tmp_path, "plan.json", SETTINGS | {"younger": True})
    with pytest.raises(SettingsInvalid, match=r"other younger \(True, here none\)"):
        claim(tmp_path, "plan.json", SETTINGS)


def test_what_is_there_of_others_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text("weeks of boxes")
    with pytest.raises(SettingsInvalid, match=r"holds train\.json of others") as caught:
        claim(tmp_path, "plan.json", SETTINGS, writes=("train.json", "val.json"))
    assert caught.value.remedy == "give another --output"
    assert not (tmp_path / "plan.json").exists()
    # Once begun, it is the command's own.
    claim(tmp_path, "plan.json", SETTINGS, writes=("val.json",))
    claim(tmp_path, "plan.json", SETTINGS, writes=("train.json",))


def prepared(folder: Path) -> object:
    return prepare([folder / "set"], folder / "out", PrepareOptions(share=0.0))


def projected(folder: Path) -> object:
    return write_projection_set(folder / "luggage", folder / "out", ProjectionPlan(scans=1))


def freight(folder: Path) -> object:
    return list(write_freight_set(folder / "out", FreightSet(scans=0, validation=0)))


def benchmark(folder: Path) -> object:
    return claim_run(folder / "out", Setup("weights", "small"))


@pytest.mark.parametrize("command", [projected, freight])
def test_annotations_of_others_stay(command: Callable[[Path], object], tmp_path: Path) -> None:
    simulate_dataset(tmp_path / "luggage", scans=4, seed=1)
    kept = tmp_path / "out" / "annotations" / "train.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("weeks of boxes")
    with pytest.raises(SettingsInvalid, match=r"annotations/train\.json of others"):
        command(tmp_path)
    # The folder that is read, by another name.
    own = tmp_path / "out" / ".." / "luggage"
    before = (own / "annotations" / "train.json").read_bytes()
    with pytest.raises(SettingsInvalid, match="is the folder that is read"):
        write_projection_set(tmp_path / "luggage", own, ProjectionPlan(scans=1))
    with pytest.raises(SettingsInvalid, match="is the folder that is read"):
        list(write_freight_set(own, FreightSet(scans=0, validation=0, luggage=str(tmp_path / "luggage"))))
    assert kept.read_text() == "weeks of boxes"
    assert (own / "annotations" / "train.json").read_bytes() == before


@pytest.mark.parametrize("content", [b'{"seed": 1, "pa', b"", b"\xff\xfe", b"[1, 2]", b"null", b"[" * 200_000])
@pytest.mark.parametrize(
    ("name", "command"),
    [
        (".prepare/plan.json", prepared),
        ("projection.json", projected),
        ("freight.json", freight),
        ("benchmark.json", benchmark),
    ],
)
def test_a_damaged_file_of_settings_is_told_to_be_damaged(
    name: str, command: Callable[[Path], object], content: bytes, tmp_path: Path
) -> None:
    if command is projected:
        simulate_dataset(tmp_path / "luggage", scans=4, seed=1)
    if command is prepared:
        make_set(tmp_path / "set", [scan_entry("a.png", split="train")])
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(SettingsInvalid, match="is damaged") as caught:
        command(tmp_path)
    assert path.name in caught.value.what and "another --output" in caught.value.remedy
    assert path.read_bytes() == content
