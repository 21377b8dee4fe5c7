"""Several sets -> one folder: what is looked for, what is left out, and that no kill changes a byte."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from detector.errors import SettingsInvalid
from tests.training.fake_set import ADAPTERS, make_set, scan_entry
from training.cargo.reading import profile_text
from training.datasets.annotated_set import SourceSet
from training.datasets.check import check
from training.datasets.coco_index import read_coco
from training.datasets.findings import Severity
from training.datasets.merge import merge
from training.datasets.prepare import Prepared, PrepareOptions, prepare
from training.datasets.terms import donor_sources
from training.files.progress import silently
from training.samples.tile_reader import rendered

OPTIONS = PrepareOptions()


def run(
    paths: Path | list[Path], output: Path, options: PrepareOptions = OPTIONS, progress: Any = silently
) -> Prepared:
    return prepare(paths if isinstance(paths, list) else [paths], output, options, progress, ADAPTERS)


def official(folder: Path, **changes: Any) -> Path:
    """Six scans in train and test, three of them clean."""
    entries = [
        scan_entry(f"{split}/{number}.png", "gun" if number % 2 else "", split=split)
        for split in ("train", "test")
        for number in range(3)
    ]
    return make_set(folder, entries, **changes)


def loaded(data: Path, split: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((data / "annotations" / f"{split}.json").read_bytes())
    return content


def image(data: Path, ending: str) -> dict[str, Any]:
    """An entry of images, with names in place of category ids."""
    for path in sorted((data / "annotations").glob("*.json")):
        document = json.loads(path.read_bytes())
        names = {category["id"]: category["name"] for category in document["categories"]}
        for entry in document["images"]:
            if entry["file_name"].endswith(ending):
                for key in ("annotated_category_ids", "partial_category_ids"):
                    entry[key] = {names[number] for number in entry.get(key, ())}
                return dict(entry)
    raise AssertionError(f"{ending} is in no split")


def contents(data: Path) -> dict[str, bytes]:
    """Every file but the journal's."""
    files = (path for path in data.rglob("*") if path.is_file() and ".prepare" not in path.parts)
    return {path.relative_to(data).as_posix(): path.read_bytes() for path in files}


def kinds(prepared: Prepared) -> set[str]:
    return {finding.kind for finding in prepared.findings}


def test_a_prepared_folder_is_what_fit_reads(tmp_path: Path) -> None:
    prepared = run(official(tmp_path / "set"), tmp_path / "data", replace(OPTIONS, share=0.0))
    train = read_coco(tmp_path / "data", "train")
    assert train.class_names == ("gun", "knife")
    assert [len(scan.class_ids) for scan in train.scans] == [0, 1, 0]
    assert train.scans[1].boxes_xyxy.tolist() == [[4, 4, 24, 20]]
    assert prepared.counts["test"]["classes"]["gun"] == {"boxes": 1, "looked_for": 3, "marked_in_part": 0}
    assert not [finding for finding in check(tmp_path / "data") if finding.severity is Severity.ERROR]
    document = loaded(tmp_path / "data", "train")
    assert document["annotations"][0]["source_label"] == "gun"
    assert document["info"]["terms"] == {"fake": "for tests alone"}
    manifest = json.loads((tmp_path / "data" / "manifest.json").read_bytes())
    assert manifest["classes"] == ["gun", "knife"] and manifest["options"]["seed"] == 0
    assert len(manifest["files"]) == 6 + 2 and manifest["clusters_in_two_splits"] == 0


def test_sets_that_look_for_different_classes(tmp_path: Path) -> None:
    """The heart of it: no source's silence about a class is read as the class's absence."""
    hixray = make_set(
        tmp_path / "one",
        [
            scan_entry("all.png", "Laptop"),
            scan_entry("some.png", "Portable_Charger_1", looked_for=["Portable_Charger_1", "Laptop"]),
            scan_entry("lighter.png", "Nonmetallic_Lighter"),
        ],
        labels=("Portable_Charger_1", "Portable_Charger_2", "Laptop", "Nonmetallic_Lighter"),
        source="hixray",
    )
    stcray = make_set(
        tmp_path / "two",
        [
            scan_entry("clean.png", ""),
            scan_entry("unboxed.png", "", present=["Gun"]),
            scan_entry("several.png", "Multilabel Threat"),
            scan_entry("gun.png", "Gun"),
        ],
        labels=("Gun", "Lighter", "Multilabel Threat"),
        source="stcray",
        first_seed=50,
    )
    data = tmp_path / "data"
    prepared = run([hixray, stcray], data)
    assert image(data, "all.png")["annotated_category_ids"] == {"powerbank", "laptop"}
    assert image(data, "all.png")["partial_category_ids"] == {"lighter"}
    assert image(data, "some.png")["annotated_category_ids"] == {"laptop"}
    assert image(data, "clean.png")["annotated_category_ids"] == {"gun", "lighter"}
    assert image(data, "unboxed.png")["annotated_category_ids"] == {"lighter"}
    assert image(data, "gun.png")["annotated_category_ids"] == {"gun", "lighter"}
    with pytest.raises(AssertionError):
        image(data, "several.png")
    assert prepared.left_out == 1 and "scans without annotation" in kinds(prepared)
    again = tmp_path / "again"
    prepare([data], again, OPTIONS)
    for name in ("all.png", "some.png", "lighter.png", "clean.png", "unboxed.png", "gun.png"):
        wanted = image(data, name)["annotated_category_ids"]
        assert image(again, name)["annotated_category_ids"] == wanted, "preparing twice changes nothing"
    boxes = [each for path in (data / "annotations").iterdir() for each in json.loads(path.read_bytes())["annotations"]]
    assert {box["source_label"] for box in boxes} >= {"Nonmetallic_Lighter", "Portable_Charger_1"}
    for folder in (data, again):
        assert not [finding for finding in check(folder) if finding.kind == "mask contradicts box"]


def test_what_one_set_alone_marks_in_part_is_the_class_until_another_set_looks_for_all_of_it(tmp_path: Path) -> None:
    entries = [scan_entry("lighter.png", "Nonmetallic_Lighter"), scan_entry("clean.png", "")]
    hixray = make_set(tmp_path / "one", entries, labels=("Laptop", "Nonmetallic_Lighter"), source="hixray")
    alone = run(hixray, tmp_path / "alone", replace(OPTIONS, share=0.0))
    assert image(tmp_path / "alone", "clean.png")["annotated_category_ids"] == {"laptop", "lighter"}
    assert image(tmp_path / "alone", "clean.png")["partial_category_ids"] == {"lighter"}
    (told,) = (finding for finding in alone.findings if finding.kind == "class marked in part")
    assert told.subject == "lighter" and "hixray marks only Nonmetallic_Lighter" in told.message
    assert not [finding for finding in check(tmp_path / "alone") if finding.severity is Severity.ERROR]
    stcray = make_set(tmp_path / "two", [scan_entry("a.png", "Lighter")], ("Lighter",), "stcray", first_seed=50)
    run(stcray, tmp_path / "other", replace(OPTIONS, share=0.0))
    merged = merge([tmp_path / "alone", tmp_path / "other"], tmp_path / "both")
    assert image(tmp_path / "both", "clean.png")["annotated_category_ids"] == {"laptop"}
    assert image(tmp_path / "both", "clean.png")["partial_category_ids"] == {"lighter"}
    assert image(tmp_path / "both", "a.png")["annotated_category_ids"] == {"lighter"}
    assert "class marked in part" not in kinds(merged)


def test_negatives_of_a_class_that_is_marked_in_part_are_kept(tmp_path: Path) -> None:
    entries = [scan_entry("lighter.png", "Nonmetallic_Lighter"), scan_entry("clean.png", "")]
    hixray = make_set(tmp_path / "one", entries, labels=("Laptop", "Nonmetallic_Lighter"), source="hixray")
    prepared = run(hixray, tmp_path / "data", replace(OPTIONS, share=0.0, classes=("lighter",)))
    assert prepared.counts["train"]["scans"] == 2 and prepared.left_out == 0


def test_classes_are_chosen_and_ordered(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set", [scan_entry(f"{number}.png", "knife", split="train") for number in range(3)])
    run(folder, tmp_path / "data", replace(OPTIONS, classes=("knife",), share=0.0))
    assert [category["name"] for category in loaded(tmp_path / "data", "train")["categories"]] == ["knife"]
    never = run(folder, tmp_path / "never", replace(OPTIONS, classes=("bat", "knife")))
    assert [finding.subject for finding in never.findings] == ["bat"]
    with pytest.raises(SettingsInvalid, match="no class 'knive'; did you mean 'knife'"):
        run(folder, tmp_path / "other", replace(OPTIONS, classes=("knive",)))


def test_unknown_labels_end_it_all_at_once_unless_they_are_skipped(tmp_path: Path) -> None:
    entries = [scan_entry("1.png", "Gizmo"), scan_entry("2.png", "scisors"), scan_entry("3.png", "gun")]
    folder = make_set(tmp_path / "set", entries, labels=("gun", "Gizmo"))
    with pytest.raises(SettingsInvalid, match=r"'Gizmo'.*'scisors'; did you mean 'scissors'"):
        run(folder, tmp_path / "data")
    prepared = run(folder, tmp_path / "skipped", replace(OPTIONS, skip_unknown=True))
    assert prepared.left_out == 2, "a scan with an item of unknown class is clean of nothing"
    assert [f.subject for f in prepared.findings if f.kind == "unknown label"] == ["fake: Gizmo", "fake: scisors"]


@pytest.mark.parametrize("option", ["--taxonomy", "--skip-unknown-labels"])
def test_the_remedies_for_unknown_labels_go_on_in_the_same_folder(option: str, tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set", [scan_entry("1.png", "Gizmo"), scan_entry("2.png", "gun")])
    own = tmp_path / "own.toml"
    own.write_text('[labels]\n"Gizmo" = "knife"\n')
    with pytest.raises(SettingsInvalid, match="Gizmo") as caught:
        run(folder, tmp_path / "data")
    assert option in caught.value.remedy
    changed = replace(OPTIONS, taxonomy=own) if option == "--taxonomy" else replace(OPTIONS, skip_unknown=True)
    assert run(folder, tmp_path / "data", changed).placed
    with pytest.raises(SettingsInvalid, match=f"begun with other {option}"):
        run(folder, tmp_path / "data")


def test_what_cannot_be_used_is_left_out_with_a_finding_each(tmp_path: Path) -> None:
    entries = [
        scan_entry("good.png", split="train"),
        scan_entry("cut.png", split="train"),
        scan_entry("gone.png", split="train"),
        scan_entry("size.png", split="train", width=65, height=48),
        scan_entry("../out.png", split="train"),
        scan_entry("far.png", "", split="train", boxes=[{"label": "gun", "box_xyxy": [90, 4, 99, 20]}]),
        scan_entry("edge.png", "", split="train", boxes=[{"label": "gun", "box_xyxy": [50, 4, 70, 20]}]),
    ]
    folder = make_set(tmp_path / "set", entries)
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:99])
    (folder / "gone.png").unlink()
    prepared = run(folder, tmp_path / "data", replace(OPTIONS, share=0.0))
    expected = {
        "unreadable scan",
        "missing file",
        "size mismatch",
        "path refused",
        "box outside scan",
        "box cut at edge",
    }
    assert kinds(prepared) == expected
    assert prepared.left_out == 4 and prepared.counts["train"]["scans"] == 3
    assert len((tmp_path / "data" / "findings.jsonl").read_text().splitlines()) == 6
    assert image(tmp_path / "data", "far.png")["annotated_category_ids"] == {"knife"}, "its gun may be in the scan"
    assert loaded(tmp_path / "data", "train")["annotations"][0]["bbox"] == [50, 4, 14, 16]


def test_a_scan_that_shows_nothing_is_left_out_as_fit_would_stop_on_it(tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set", [scan_entry(f"{name}.png", split="train") for name in ("blank", "good")])
    cv2.imwrite(str(folder / "blank.png"), np.full((48, 64), 255, np.uint8))
    prepared = run(folder, tmp_path / "data", replace(OPTIONS, share=0.0))
    assert prepared.left_out == 1 and prepared.counts["train"]["scans"] == 1
    (finding,) = prepared.findings
    assert (finding.kind, finding.subject) == ("unreadable scan", "fake/blank.png")
    assert finding.message.startswith("ScanWithoutContent: all parts of the view lie within 255..255")


@pytest.mark.parametrize("link", ["hard", "copy"])
@pytest.mark.parametrize("named", ["deep.npy.toml", "deep.toml"])
def test_the_profile_beside_a_raw_scan_goes_along(link: Any, named: str, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    levels = np.full((96, 128), 50_000, np.uint16)
    levels[20:70, 30:90] = 9_000
    np.save(folder / "deep.npy", levels)
    (folder / named).write_text(profile_text(1, 5.0, "cargo").replace("air_value = 52000", "air_value = 50000"))
    make_set(folder, [scan_entry("deep.npy", split="train")])
    options = replace(OPTIONS, share=0.0, link=link)
    assert run(folder, tmp_path / "data", options).counts["train"]["scans"] == 1
    (scan,) = read_coco(tmp_path / "data", "train").scans
    drawn, pitch_mm, _ = rendered(scan)
    assert pitch_mm == (5.0, 5.0)
    # Transmission 0.18 in the first channel, as the profile says; windowed without one, it would be black.
    assert abs(int(drawn[45, 60, 0]) - round(255 * 9_000 / 50_000)) <= 1
    before = contents(tmp_path / "data")
    run(folder, tmp_path / "data", options)
    assert contents(tmp_path / "data") == before


@pytest.mark.parametrize("form", ["", '"form": 2, ', '"form": 3, ', '"form": 4, '])
def test_scans_of_a_journal_that_did_not_ask_all_that_is_asked_now_are_read_again(form: str, tmp_path: Path) -> None:
    folder, data = official(tmp_path / "set"), tmp_path / "data"
    run(folder, data)
    journal = data / ".prepare" / "scans.jsonl"
    first, rest = journal.read_text().split("\n", 1)
    journal.write_text(first + "\n" + rest.replace('"form": 5, ', form))
    assert [run(folder, data).examined for _ in range(2)] == [5, 0]


def test_views_of_one_bag_and_scans_alike_stay_together(tmp_path: Path) -> None:
    entries = [scan_entry(f"{bag}_{view}.png", group=f"bag {bag}") for bag in range(12) for view in "ab"]
    folder = make_set(tmp_path / "set", entries)
    shutil.copyfile(folder / "0_a.png", folder / "5_a.png")
    run(folder, tmp_path / "data", replace(OPTIONS, share=0.3))
    splits: dict[str, set[str]] = {}
    for path in (tmp_path / "data" / "annotations").iterdir():
        for each in json.loads(path.read_bytes())["images"]:
            splits.setdefault(each["group"], set()).add(path.stem)
    assert len(splits) == 11 and all(len(inside) == 1 for inside in splits.values())
    assert set().union(*splits.values()) == {"train", "val", "test"}
    assert image(tmp_path / "data", "/5_b.png")["group"] == image(tmp_path / "data", "/0_b.png")["group"]


def test_scanner_is_told_by_the_path(tmp_path: Path) -> None:
    own = scan_entry("s2_b.png", split="train", scanner="own", subset="hard")
    folder = make_set(
        tmp_path / "set", [scan_entry("s1_a.png", split="train"), own, scan_entry("c.png", split="hidden")]
    )
    prepared = run(folder, tmp_path / "data", replace(OPTIONS, scanner_from=r"s(\d)_"))
    assert image(tmp_path / "data", "s1_a.png")["scanner"] == "fake/1"
    assert image(tmp_path / "data", "s2_b.png")["scanner"] == "fake/own"
    assert image(tmp_path / "data", "s2_b.png")["subset"] == "hard"
    assert image(tmp_path / "data", "c.png")["subset"] == "hidden"
    assert prepared.counts["test"]["scans"] == 1
    prepare([tmp_path / "data"], tmp_path / "again", OPTIONS)
    assert image(tmp_path / "again", "s1_a.png")["scanner"] == "fake/1"
    with pytest.raises(SettingsInvalid, match="regular expression"):
        run(folder, tmp_path / "other", replace(OPTIONS, scanner_from="("))


def test_a_finished_folder_is_not_done_again(tmp_path: Path) -> None:
    folder, data = official(tmp_path / "set"), tmp_path / "data"
    first = run(folder, data)
    before = contents(data)
    again = run(folder, data)
    assert (first.examined, first.placed) == (6, 6)
    assert (again.examined, again.placed) == (0, 0)
    assert contents(data) == before


def test_a_changed_scan_in_place_is_put_right(tmp_path: Path) -> None:
    folder, data = official(tmp_path / "set"), tmp_path / "data"
    options = replace(OPTIONS, link="copy")
    run(folder, data, options)
    before = contents(data)
    (data / "images" / "fake" / "train" / "0.png").write_bytes(b"altered")
    (data / "images" / "fake" / "stray.png").write_bytes(b"stray")
    assert run(folder, data, options).placed == 1
    assert contents(data) == before


def test_other_options_or_another_folder_are_refused(tmp_path: Path) -> None:
    folder = official(tmp_path / "set")
    run(folder, tmp_path / "data")
    with pytest.raises(SettingsInvalid, match="begun with other --seed"):
        run(folder, tmp_path / "data", replace(OPTIONS, seed=1))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(SettingsInvalid, match="holds something else"):
        run(folder, tmp_path / "full")
    with pytest.raises(SettingsInvalid, match="lies inside"):
        run(folder, folder / "prepared")
    with pytest.raises(SettingsInvalid, match="named twice"):
        run([folder, folder], tmp_path / "twice")


class Killed(BaseException):
    """What no code of ours catches."""


@pytest.mark.parametrize("link", ["hard", "copy"])
def test_a_run_killed_anywhere_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    """Killed at the n-th change of the disk, for every n, each time going on where the last one stopped."""
    folder = official(tmp_path / "set")
    options = replace(OPTIONS, link=link)
    run(folder, tmp_path / "whole", options)
    steps = _killable(monkeypatch)
    kills = 0
    for step in range(1, 200):
        steps["left"] = step % 5 + kills // 5 + 1
        try:
            run(folder, tmp_path / "killed", options)
        except Killed:
            kills += 1
            continue
        break
    assert kills > 5
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def _killable(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Dies when `left` changes of the disk are done."""
    steps = {"left": 0}

    def counted(function: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            steps["left"] -= 1
            if steps["left"] <= 0:
                raise Killed
            return function(*arguments, **named)

        return call

    for owner, name in ((os, "link"), (Path, "replace"), (Path, "mkdir"), (os, "fsync")):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    return steps


def test_a_journal_cut_off_in_the_middle_of_a_line(tmp_path: Path) -> None:
    folder, data = official(tmp_path / "set"), tmp_path / "data"
    run(folder, data)
    before, journal = contents(data), data / ".prepare" / "scans.jsonl"
    journal.write_bytes(journal.read_bytes()[:-300])
    (data / "manifest.json").unlink()
    assert run(folder, data).examined == 1
    assert contents(data) == before
    assert run(folder, data).examined == 0


def test_a_full_disk_is_one_line_and_keeps_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, data = official(tmp_path / "set"), tmp_path / "data"

    def full(*arguments: Any, **named: Any) -> None:
        raise OSError(28, "No space left on device", "somewhere")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(SettingsInvalid, match="No space left on device") as refused:
            run(folder, data)
    assert "run it again" in refused.value.remedy and not (data / "manifest.json").exists()
    assert run(folder, data).examined == 0


def test_order_of_the_file_system_changes_nothing(tmp_path: Path) -> None:
    folder = official(tmp_path / "set")

    def read_backwards(root: Path) -> SourceSet:
        found = ADAPTERS["fake"].read(root)
        return replace(found, scans=found.scans[::-1])

    run(folder, tmp_path / "there")
    backwards = {"fake": replace(ADAPTERS["fake"], read=read_backwards)}
    prepare([folder], tmp_path / "back", OPTIONS, silently, backwards)
    assert contents(tmp_path / "back") == contents(tmp_path / "there")


def test_an_archive_is_prepared_like_its_folder(tmp_path: Path) -> None:
    folder = official(tmp_path / "set")
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "set")
    run(folder, tmp_path / "data")
    run(tmp_path / "packed.zip", tmp_path / "unpacked")
    assert contents(tmp_path / "unpacked") == contents(tmp_path / "data")


def test_progress_is_told_of_every_scan(tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []

    def progress(title: str, items: Iterable[Any], total: int) -> Iterable[Any]:
        seen = list(items)
        told.append((title, len(seen)))
        assert len(seen) == total
        return seen

    run(official(tmp_path / "set"), tmp_path / "data", progress=progress)
    assert told == [("reading fake", 6), ("placing scans", 6)]


def test_merged_folders_keep_splits_sources_and_what_was_looked_for(tmp_path: Path) -> None:
    one = official(tmp_path / "one", source="north")
    entries = [scan_entry("x.png", "pliers", split="train"), scan_entry("y.png", "", split="val")]
    two = make_set(tmp_path / "two", entries, labels=("pliers",), source="south", first_seed=90)
    run(one, tmp_path / "a", replace(OPTIONS, share=0.0))
    run(two, tmp_path / "b")
    merged = merge([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    both = tmp_path / "both"
    assert {split: counts["scans"] for split, counts in merged.counts.items()} == {"train": 4, "val": 1, "test": 3}
    assert read_coco(both, "train").class_names == ("gun", "knife", "pliers")
    assert image(both, "x.png")["annotated_category_ids"] == {"pliers"}
    assert image(both, "train/1.png")["annotated_category_ids"] == {"gun", "knife"}
    assert {image(both, name)["source"] for name in ("x.png", "test/1.png")} == {"north", "south"}
    assert loaded(both, "train")["info"]["terms"] == {"north": "for tests alone", "south": "for tests alone"}
    assert not [finding for finding in check(both) if finding.severity is Severity.ERROR]


@pytest.mark.parametrize(
    ("said", "joined"),
    [
        (None, "for tests alone"),
        ("not stated", "for tests alone"),
        ("as the sources that were joined say", "for tests alone"),
        ("research only", "for tests alone; research only"),
    ],
)
def test_terms_that_are_stated_are_never_lost(said: str | None, joined: str, tmp_path: Path) -> None:
    for number, name in enumerate(("stated", "other")):
        scans = [scan_entry("a.png", split="train")]
        run(make_set(tmp_path / name, scans, first_seed=9 * number), tmp_path / f"data_{name}")
    path = tmp_path / "data_other/annotations/train.json"
    info = {"terms": {"fake": said}} if said else {}
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"info": info}))
    merge([tmp_path / "data_stated", tmp_path / "data_other"], tmp_path / "both")
    assert loaded(tmp_path / "both", "train")["info"]["terms"] == {"fake": joined}
    run(make_set(tmp_path / "third", [scan_entry("a.png", split="train")], first_seed=30), tmp_path / "data_third")
    merge([tmp_path / "both", tmp_path / "data_third"], tmp_path / "all")
    assert loaded(tmp_path / "all", "train")["info"]["terms"] == {"fake": joined}


def test_terms_of_sources_whose_items_alone_are_in_a_folder_are_handed_on(tmp_path: Path) -> None:
    for number, name in enumerate(("north", "south")):
        scans = [scan_entry("a.png", split="train"), scan_entry("b.png", split="val")]
        run(make_set(tmp_path / name, scans, source=name, first_seed=9 * number), tmp_path / f"data_{name}")
    path = tmp_path / "data_north/annotations/train.json"
    terms = {"north": "for tests alone", "south": "ask first", "donor": "research only", "silent": "not stated"}
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"info": {"terms": terms}}))
    merge([tmp_path / "data_north", tmp_path / "data_south"], tmp_path / "both")
    prepare([tmp_path / "both"], tmp_path / "again", replace(OPTIONS, share=0.0))
    for folder in (tmp_path / "both", tmp_path / "again"):
        for split in ("train", "val"):
            assert loaded(folder, split)["info"]["terms"] == terms | {"south": "ask first; for tests alone"}
        assert donor_sources(folder, "train") == {"donor", "silent"}


def test_merging_leaves_out_what_another_folder_tests_with(tmp_path: Path) -> None:
    one = make_set(tmp_path / "one", [scan_entry("a.png", split="train"), scan_entry("b.png", split="train")])
    two = make_set(tmp_path / "two", [scan_entry("c.png", split="test")], source="other")
    run(one, tmp_path / "data_one", replace(OPTIONS, share=0.0))
    run(two, tmp_path / "data_two", replace(OPTIONS, share=0.0))
    merged = merge([tmp_path / "data_one", tmp_path / "data_two"], tmp_path / "both")
    assert kinds(merged) == {"leak between sets"} and merged.left_out == 1
    assert [each["file_name"] for each in loaded(tmp_path / "both", "train")["images"]] == ["data_one/fake/b.png"]
    assert [each["file_name"] for each in loaded(tmp_path / "both", "test")["images"]] == ["data_two/other/c.png"]
    with pytest.raises(SettingsInvalid, match="one folder is not merged"):
        merge([tmp_path / "data_one"], tmp_path / "alone")
    with pytest.raises(SettingsInvalid, match="not a prepared folder"):
        merge([tmp_path / "data_one", one], tmp_path / "odd")
