"""Own scans as tools write them, beside public sets: splits, bags, profiles, and what a second run must notice."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from detector.errors import SettingsInvalid
from tests.training.dataset_fixtures import compass_xp, dvxray
from tests.training.dataset_fixtures.coco_files import coco, put_coco
from tests.training.dataset_fixtures.drawing import put, voc
from tests.training.fake_set import ADAPTERS, luggage, make_set, scan_entry
from training.cargo.reading import profile_text
from training.datasets.adapters import ADAPTERS as EVERY
from training.datasets.annotated_set import SourceSet
from training.datasets.archives import name_without_suffix
from training.datasets.coco_index import read_coco
from training.datasets.export_set import FORMATS, export_set
from training.datasets.merge import merge
from training.datasets.prepare import Prepared, PrepareOptions, prepare
from training.datasets.preview import read_picture
from training.datasets.recognition import recognise

OPTIONS = PrepareOptions(share=0.0)
PROFILE = profile_text(1, 5.0, "cargo").replace("air_value = 52000", "air_value = 50000")


def fake(folder: Path, output: Path, **options: Any) -> Prepared:
    return prepare([folder], output, replace(OPTIONS, **options), adapters=ADAPTERS)


def show_luggage(root: Path) -> Path:
    """Puts another bag into every picture: fixtures show next to nothing."""
    for number, path in enumerate(sorted(root.rglob("*.png"))):
        cv2.imwrite(str(path), luggage(number, *cv2.imread(str(path)).shape[1::-1]))
    return root


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), luggage(seed))


def entries(data: Path) -> dict[str, dict[str, Any]]:
    """File's name -> its entry, with the split and the names of the classes that were looked for."""
    found = {}
    for path in (data / "annotations").glob("*.json"):
        document = json.loads(path.read_bytes())
        names = {category["id"]: category["name"] for category in document["categories"]}
        for entry in document["images"]:
            looked_for = {names[number] for number in entry["annotated_category_ids"]}
            found[Path(entry["file_name"]).name] = entry | {"split": path.stem, "looked_for": looked_for}
    return found


def splits_of(found: SourceSet) -> dict[str, str]:
    return {Path(scan.path).stem: scan.split for scan in found.scans}


# Raw scans and their profiles


def raw_set(folder: Path, profile: str = PROFILE) -> Path:
    folder.mkdir(parents=True)
    levels = np.full((96, 128), 50_000, np.uint16)
    levels[20:70, 30:90] = 9_000
    np.save(folder / "deep.npy", levels)
    (folder / "deep.npy.toml").write_text(profile)
    return make_set(folder, [scan_entry("deep.npy", split="train"), scan_entry("b.png", split="train")])


def test_a_picture_and_an_annotation_that_miss_each_other_are_one_scan_left_out(tmp_path: Path) -> None:
    root = tmp_path / "own"
    for name in ("bag1", "BAG2", "bag3"):
        picture(root / "images" / f"{name}.png", len(name) + ord(name[-1]))
    for name in ("bag1", "bag2", "gone"):
        put(root / "labels" / f"{name}.txt", "0 0.5 0.5 0.5 0.5\n")
    put(root / "data.yaml", "names: [gun]\n")
    prepared = prepare([root], tmp_path / "data", OPTIONS)
    # BAG2 and its labels, the labels of a scan that is not there, and bag3, whose own these may be.
    assert (prepared.placed, prepared.left_out) == (1, 3)


@pytest.mark.parametrize("link", ["hard", "copy"])
def test_a_profile_that_was_changed_is_noticed_by_the_next_run(link: str, tmp_path: Path) -> None:
    folder, data = raw_set(tmp_path / "set"), tmp_path / "data"
    fake(folder, data, link=link)
    again = fake(folder, data, link=link)
    assert (again.examined, again.placed) == (0, 0)
    before = json.loads((data / "manifest.json").read_bytes())["files"]
    (folder / "deep.npy.toml").write_text(PROFILE.replace("50000", "51000"))
    changed = fake(folder, data, link=link)
    assert (changed.examined, changed.placed) == (1, 1)
    after = json.loads((data / "manifest.json").read_bytes())["files"]
    assert {name for name in after if after[name] != before[name]} == {"images/fake/deep.npy"}
    assert "51000" in (data / "images/fake/deep.npy.toml").read_text()


def test_a_scan_is_taken_once_its_profile_is_corrected(tmp_path: Path) -> None:
    folder = raw_set(tmp_path / "set", "rubbish = 1")
    assert fake(folder, tmp_path / "data").left_out == 1
    (folder / "deep.npy.toml").write_text(PROFILE)
    assert fake(folder, tmp_path / "data").left_out == 0


def test_a_raw_scan_is_shown_and_exported_with_its_profile(tmp_path: Path) -> None:
    fake(raw_set(tmp_path / "set"), tmp_path / "data")
    # Transmission 0.18 through the profile; windowed without one, it would be black.
    assert read_picture(tmp_path / "data/images/fake/deep.npy")[45, 60, 0] == round(255 * 9_000 / 50_000)
    export_set(tmp_path / "data", "coco", tmp_path / "coco")
    assert (tmp_path / "coco/fake/deep.npy.toml").read_text() == PROFILE


# Runs cut off


def test_a_run_killed_before_its_plan_was_written_can_be_run_again(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set", [scan_entry("a.png", split="train")])
    (tmp_path / "data/.prepare").mkdir(parents=True)
    assert fake(folder, tmp_path / "data").placed == 1


def test_a_folder_that_was_begun_before_there_were_bags_can_be_finished(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set", [scan_entry("a.png", split="train")])
    fake(folder, tmp_path / "data")
    plan = tmp_path / "data/.prepare/plan.json"
    plan.write_text(
        json.dumps({key: value for key, value in json.loads(plan.read_text()).items() if key != "bag_from"})
    )
    assert fake(folder, tmp_path / "data").placed == 0
    with pytest.raises(SettingsInvalid, match="begun with other --bag-from"):
        fake(folder, tmp_path / "data", bag_from="x")


# What was looked for


def test_clean_bags_of_dvxray_alone_were_looked_through_for_all_its_classes(tmp_path: Path) -> None:
    dvxray.build(tmp_path / "DvXray")
    show_luggage(tmp_path / "DvXray")
    halves = [tmp_path / "DvXray" / f"DvXray_{half}_Samples" for half in ("Positive", "Negative")]
    prepared = prepare(halves, tmp_path / "data", OPTIONS)
    assert prepared.left_out == 0
    found = entries(tmp_path / "data")
    assert found["N00001_OL.png"]["looked_for"] >= {"gun", "knife", "razor_blade", "pressure_can"}
    assert found["N00001_OL.png"]["group"] == found["N00001_SD.png"]["group"]


def test_a_dangerous_object_of_compass_xp_is_clean_of_nothing(tmp_path: Path) -> None:
    compass_xp.build(tmp_path / "set")
    rows = [("0001", "rifle", "True"), ("0002", "assault rifle", "True"), ("0003", "shoe", "False")]
    lines = [f"{name}\t{kind}\t1\t1\t{danger}" for name, kind, danger in rows]
    put(tmp_path / "set/meta.txt", "\n".join(["basename\tclass\tinstance\tpose\tdangerous", *lines, ""]))
    prepare([show_luggage(tmp_path / "set")], tmp_path / "data", OPTIONS)
    assert {name: entry["looked_for"] for name, entry in entries(tmp_path / "data").items()} == {"0003.png": {"gun"}}


#: What two sets mark of pressure cans: source, its label.
SPRAYER, SPRAY_CANS, TANK = ("pidray", "Sprayer"), ("clcxray", "SprayCans"), ("xray-fsod", "pressure_tank")


@pytest.mark.parametrize(
    ("second", "looked_for"),
    [(SPRAYER, 4), (("pidray-v2", "Sprayer"), 4), (SPRAY_CANS, 4), (TANK, 0)],
    ids=["the same set", "its second version", "the same part", "another part"],
)
@pytest.mark.parametrize("merged", [False, True], ids=["prepared", "merged"])
def test_parts_of_two_sources_make_a_whole_class_only_where_they_are_the_same(
    second: tuple[str, str], looked_for: int, merged: bool, tmp_path: Path
) -> None:
    for number, (name, (source, label)) in enumerate([("a", SPRAYER), ("b", second)]):
        scans = [scan_entry("knife.png", "knife", split="train"), scan_entry("can.png", label, split="train")]
        make_set(tmp_path / name, scans, labels=("knife", label), source=source, first_seed=9 * number)
    if merged:
        folders = [fake(tmp_path / name, tmp_path / f"data_{name}").folder for name in "ab"]
        both = merge(folders, tmp_path / "both")
    else:
        both = prepare([tmp_path / "a", tmp_path / "b"], tmp_path / "both", OPTIONS, adapters=ADAPTERS)
    counts = {"boxes": 2, "looked_for": looked_for, "marked_in_part": 4}
    assert both.counts["train"]["classes"]["pressure_can"] == counts
    told = [finding for finding in both.findings if finding.subject == "pressure_can"]
    assert [finding.kind for finding in told] == [
        "class marked in part" if looked_for else "class not looked for in train"
    ]
    # What was told is told of every folder that joins this one.
    twice = prepare([both.folder], tmp_path / "again", OPTIONS)
    assert twice.counts["train"]["classes"]["pressure_can"]["looked_for"] == looked_for


def test_a_class_without_a_training_scan_that_teaches_it_is_told_by_prepare(tmp_path: Path) -> None:
    scans = [scan_entry("a.png", "gun", split="train"), scan_entry("b.png", "knife", split="test")]
    scans[0]["looked_for"] = ["gun"]
    (told,) = fake(make_set(tmp_path / "set", scans), tmp_path / "data").findings
    assert (told.kind, told.subject) == ("class not looked for in train", "knife")
    assert told.message.startswith("boxes: 1, but no training scan was looked through for it: `fit` leaves it out")
    assert "--taxonomy" in told.message
    only_test = make_set(tmp_path / "other", [scan_entry("b.png", "knife", split="test")])
    assert not fake(only_test, tmp_path / "test").findings, "nothing is learned from it"


def test_a_class_of_scans_with_faulty_annotations_is_not_laid_to_the_taxonomy(tmp_path: Path) -> None:
    document = coco({1: "gun", 2: "knife"}, {"a.png": [(1, 5, 6, 20, 10)] * 3, "b.png": [(1, 5, 6, 20, 10)]})
    document["annotations"] += [document["annotations"][0] | {"id": number, "image_id": 77} for number in (8, 9)]
    put_coco(tmp_path / "set", "annotations/instances_train.json", "train", document)
    found = prepare([show_luggage(tmp_path / "set")], tmp_path / "data", OPTIONS).findings
    told = {finding.kind: finding for finding in found}
    assert told["annotations astray"].message.startswith("2 of 6 belong to no image: none of this file's scans")
    message = told["class not looked for in train"].message
    assert "correct the errors that `data check` finds" in message and "--taxonomy" not in message


def test_scans_that_are_drawn_already_stay_so_when_folders_are_merged(tmp_path: Path) -> None:
    for number, name in enumerate("ab"):
        make_set(tmp_path / name, [scan_entry("x.png", split="train")], first_seed=9 * number)
        fake(tmp_path / name, tmp_path / f"data_{name}", link="copy")
    path = tmp_path / "data_b/annotations/train.json"
    document = json.loads(path.read_bytes())
    document["images"][0]["drawn"] = True
    path.write_text(json.dumps(document))
    # A part of a scan may be all steel, which would be refused of a whole one.
    cv2.imwrite(str(tmp_path / "data_b/images/fake/x.png"), np.zeros((48, 64, 3), np.uint8))
    assert merge([tmp_path / "data_a", tmp_path / "data_b"], tmp_path / "merged").left_out == 0
    assert [scan.drawn for scan in read_coco(tmp_path / "merged", "train").scans] == [False, True]


# Bags


def test_views_of_a_bag_that_only_their_names_tell_go_to_one_split(tmp_path: Path) -> None:
    scans = [scan_entry(f"belt2_{bag:03}_{view}.png") for bag in range(12) for view in ("top", "side")]
    folder = make_set(tmp_path / "set", scans)
    prepared = fake(folder, tmp_path / "data", share=0.3, bag_from=r"(\d{3})_(?:top|side)")
    splits: dict[str, set[str]] = defaultdict(set)
    for name, entry in entries(tmp_path / "data").items():
        splits[name.split("_")[1]].add(entry["split"])
    assert len(splits) == 12 and all(len(inside) == 1 for inside in splits.values())
    assert set().union(*splits.values()) == {"train", "val", "test"} and not prepared.findings
    unlike = fake(folder, tmp_path / "other", bag_from=r"bag(\d+)")
    assert [finding.kind for finding in unlike.findings] == ["no bag told"]


def test_a_pattern_for_scanners_that_matches_nothing_is_told(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set", [scan_entry(f"belt2_{number}.png", split="train") for number in range(3)])
    assert not fake(folder, tmp_path / "data", scanner_from=r"belt(\d)").findings
    (told,) = fake(folder, tmp_path / "other", scanner_from=r"line(\d)").findings
    assert (told.kind, told.subject) == ("no scanner told", r"--scanner-from line(\d)")


# What is left out


def test_pictures_and_annotations_that_the_layout_leaves_out_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    for number in range(4):
        picture(folder / f"{number}.png", number)
        put(folder / f"{number}.xml", voc(f"{number}.png", 64, 48, ("gun", 3, 3, 20, 20)))
    (folder / "0.xml").unlink()
    (folder / "1.png").unlink()
    prepared = prepare([folder], tmp_path / "data", OPTIONS)
    assert {finding.kind for finding in prepared.findings} == {"missing annotation", "missing file"}
    assert (prepared.placed, prepared.left_out) == (2, 2)
    assert json.loads((tmp_path / "data/manifest.json").read_bytes())["left_out"] == 2
    told = [json.loads(line) for line in (tmp_path / "data/findings.jsonl").read_text().splitlines()]
    assert all(finding.keys() == {"severity", "kind", "subject", "message"} for finding in told)


# Splits as tools tell them


def test_cvats_default_subset_is_no_split(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    for number in range(10):
        picture(folder / f"JPEGImages/{number}.png", number)
        put(folder / f"Annotations/{number}.xml", voc(f"{number}.png", 64, 48, ("gun", 3, 3, 20, 20)))
    put(folder / "ImageSets/Main/default.txt", "\n".join(map(str, range(10))))
    assert prepare([folder], tmp_path / "data", PrepareOptions()).counts.keys() == {"train", "val", "test"}


def test_voc_lists_may_name_scans_with_their_suffix(tmp_path: Path) -> None:
    for number in range(2):
        picture(tmp_path / f"JPEGImages/{number}.png", number)
        put(tmp_path / f"Annotations/{number}.xml", voc(f"{number}.png", 64, 48, ("gun", 3, 3, 20, 20)))
    put(tmp_path / "ImageSets/Main/train.txt", "0.png\n")
    put(tmp_path / "ImageSets/Main/test.txt", "1.png\n")
    found = recognise(tmp_path).read()
    assert splits_of(found) == {"0": "train", "1": "test"} and found.findings == ()


def test_yolo_with_classes_txt_takes_splits_from_its_folders(tmp_path: Path) -> None:
    for number, split in enumerate(("train", "valid", "test", "")):
        picture(tmp_path / "images" / split / f"{number}.png", number)
        put(tmp_path / "labels" / split / f"{number}.txt", "0 0.5 0.5 0.2 0.2\n")
    put(tmp_path / "classes.txt", "gun\nknife\n")
    assert splits_of(recognise(tmp_path).read()) == {"0": "train", "1": "val", "2": "test", "3": ""}


def test_labelme_folders_of_splits_in_any_case(tmp_path: Path) -> None:
    for number, split in enumerate(("Train", "TEST")):
        picture(tmp_path / split / f"{number}.png", number)
        put(tmp_path / split / f"{number}.json", json.dumps({"shapes": [], "imagePath": f"{number}.png"}))
    assert splits_of(recognise(tmp_path).read()) == {"0": "train", "1": "test"}


def test_own_voc_in_folders_of_splits_is_not_taken_for_eds(tmp_path: Path) -> None:
    for number, split in enumerate(("train", "test")):
        picture(tmp_path / split / f"images/{number}.png", number)
        boxes = ("knife", 3, 3, 20, 20), ("gun", 3, 3, 20, 20)
        put(tmp_path / split / f"labels/{number}.xml", voc(f"{number}.png", 64, 48, *boxes))
    recognised = recognise(tmp_path)
    found = recognised.read()
    assert recognised.name == "pascal-voc" and found.findings == ()
    assert splits_of(found) == {"0": "train", "1": "test"} and found.labels == ("gun", "knife")


def test_a_list_of_all_scans_beside_those_of_splits_takes_no_test_scan_into_training(tmp_path: Path) -> None:
    folder, names = tmp_path / "mine", [f"{number}.png" for number in range(10)]
    for number, name in enumerate(names):
        picture(folder / "images" / name, number)
    for split, part in (("all", names), ("train", names[:7]), ("test", names[7:])):
        boxes: dict[str, Any] = {name: [(1, 1, 1, 9, 9)] for name in part}
        put(folder / f"annotations/{split}.json", json.dumps(coco({1: "gun"}, boxes, (64, 48))))
    prepared = prepare([folder], tmp_path / "data", OPTIONS)
    assert {name for name, entry in entries(tmp_path / "data").items() if entry["split"] == "test"} == set(names[7:])
    assert [finding.kind for finding in prepared.findings] == ["repeated scan"] * 10


def test_fiftyones_coco_with_its_scans_in_data(tmp_path: Path) -> None:
    picture(tmp_path / "data/a.png", 1)
    put(tmp_path / "labels.json", json.dumps(coco({1: "gun"}, {"a.png": [(1, 1, 1, 9, 9)]}, (64, 48))))
    found = recognise(tmp_path).read()
    assert [scan.path for scan in found.scans] == ["data/a.png"] and found.findings == ()


# Exporting


def test_an_export_says_whose_scans_it_holds_and_takes_classes_as_prepare_does(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set", [scan_entry("a.png", split="train", scanner="3")], source="opixray")
    fake(folder, tmp_path / "data")
    export_set(tmp_path / "data", "yolo", tmp_path / "yolo", ["knife", " gun", "gun"])
    assert (tmp_path / "yolo/data.yaml").read_text().endswith('names:\n  0: "knife"\n  1: "gun"\n')
    export_set(tmp_path / "data", "coco", tmp_path / "coco")
    for name in ("yolo", "coco"):
        told = (tmp_path / name / "NOT_CARRIED.txt").read_text()
        assert "source, and its terms: opixray (of 1 scans)" in told
        assert "a scanner that is read again has the new source before its old name (of 1 scans)" in told
    prepare([tmp_path / "coco"], tmp_path / "again", OPTIONS)
    assert entries(tmp_path / "again")["a.png"]["scanner"] == "coco/opixray/3"


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_part_that_was_taken_for_the_class_comes_back_as_the_class(format_name: str, tmp_path: Path) -> None:
    scans = [scan_entry("can.png", "Sprayer", split="train"), scan_entry("knife.png", "knife", split="train")]
    make_set(tmp_path / "set", scans, labels=("knife", "Sprayer"), source="pidray")
    before = fake(tmp_path / "set", tmp_path / "data").counts["train"]["classes"]
    export_set(tmp_path / "data", format_name, tmp_path / "exported")
    assert "class marked in part: pressure_can (of 2 scans)" in (tmp_path / "exported/NOT_CARRIED.txt").read_text()
    after = prepare([tmp_path / "exported"], tmp_path / "back", OPTIONS).counts["train"]["classes"]
    assert before["pressure_can"] == {"boxes": 1, "looked_for": 2, "marked_in_part": 2}
    assert {name: (each["boxes"], each["looked_for"]) for name, each in after.items()} == {
        name: (each["boxes"], each["looked_for"]) for name, each in before.items()
    }


def test_an_archive_is_not_exported_and_is_said_to_be_one(tmp_path: Path) -> None:
    make_set(tmp_path / "set", [scan_entry("a.png")])
    archive = Path(shutil.make_archive(str(tmp_path / "plain"), "zip", tmp_path / "set"))
    with pytest.raises(SettingsInvalid, match=r"plain.zip is an archive") as refused:
        export_set(archive, "coco", tmp_path / "exported")
    assert refused.value.remedy == "unpack it, and name the folder"


def own_yolo(folder: Path, seed: int) -> Path:
    """One scan without a split, with a gun."""
    picture(folder / "images/a.png", seed)
    put(folder / "labels/a.txt", "0 .5 .5 .2 .2\n")
    put(folder / "classes.txt", "gun\n")
    return folder


@pytest.mark.parametrize(
    ("names", "sources"),
    [
        (("a/export", "b/export"), {"a_export", "b_export"}),
        (("x/a/export", "y/a/export"), {"a_export", "a_export_2"}),
        (("наборА", "наборБ"), {"наборА", "наборБ"}),
        (("2024.05 north", "2024.06 north"), {"2024.05_north", "2024.06_north"}),
        (("cafe\u0301", "other"), {"caf\u00e9", "other"}),
    ],
)
def test_own_sets_are_sources_of_their_own(names: tuple[str, str], sources: set[str], tmp_path: Path) -> None:
    folders = [own_yolo(tmp_path / name, 9 * number) for number, name in enumerate(names)]
    prepared = prepare(folders, tmp_path / "data", OPTIONS)
    found = json.loads((tmp_path / "data/annotations/train.json").read_bytes())
    assert {entry["source"] for entry in found["images"]} == sources == found["info"]["terms"].keys()
    told = [finding for finding in prepared.findings if finding.kind == "name of two sets"]
    assert len(told) == (2 if "export" in names[0] else 0)


def test_a_table_of_a_taxonomy_that_no_set_is_called_by_is_told(tmp_path: Path) -> None:
    folder = own_yolo(tmp_path / "2024.05 north", 0)
    put(folder / "classes.txt", "gizmo\n")
    tables = '[sources."2024.05_north"]\ngizmo = "gun"\n[sources.north]\ngizmo = "knife"\n'
    put(tmp_path / "own.toml", tables)
    prepared = prepare([folder], tmp_path / "data", replace(OPTIONS, taxonomy=tmp_path / "own.toml"))
    assert prepared.counts["train"]["classes"]["gun"]["boxes"] == 1
    (told,) = [finding for finding in prepared.findings if finding.kind == "table of no set"]
    assert told.subject == '[sources."north"]' and told.message.endswith("the sets are: 2024.05_north")


def test_own_scans_are_not_taken_for_a_public_set_beside_them(tmp_path: Path) -> None:
    official = make_set(tmp_path / "official", [scan_entry("x.png", "Gun")], labels=("Gun",), source="sixray")
    own = own_yolo(tmp_path / "station/sixray", 9)
    every = {**EVERY, **ADAPTERS}
    prepared = prepare([official, own], tmp_path / "data", OPTIONS, adapters=every)
    assert prepared.counts["train"]["sources"] == {"sixray": 1, "station_sixray": 1}


@pytest.mark.parametrize("name", ["May 2024.05.zip", "May 2024.05.tar.gz", "May 2024.05.TGZ", "May 2024.05.tar.gz00"])
def test_an_archive_is_called_by_its_name_without_the_suffix(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    assert name_without_suffix(tmp_path / name) == "May 2024.05"
    (tmp_path / "folder.zip").mkdir()
    assert name_without_suffix(tmp_path / "folder.zip") == "folder.zip"
