"""`data stats`, `data preview` and `data check`, on a small folder that is made here."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from detector.errors import SettingsInvalid
from training.cli import app
from training.datasets.check import check, summarise
from training.datasets.coco_index import read_coco
from training.datasets.findings import Severity
from training.datasets.preview import balanced_choice, encode_picture, preview
from training.datasets.statistics import statistics, statistics_tables

Change = Callable[[Path, dict[str, Any]], None]


def make_data(folder: Path) -> Path:
    """train: three scans, two sources, gun looked for everywhere and knife in one source. val: one clean scan."""
    random = np.random.default_rng(0)
    for split, names in {"train": ("a.png", "b.png", "c.png"), "val": ("d.png",)}.items():
        (folder / "images" / split).mkdir(parents=True)
        for name in names:
            cv2.imwrite(str(folder / "images" / split / name), random.integers(0, 255, (60, 80, 3), np.uint8))
    write(folder, "train", document(("a.png", "b.png", "c.png")))
    write(folder, "val", document(("d.png",), boxes=False))
    return folder


def document(names: tuple[str, ...], boxes: bool = True) -> dict[str, Any]:
    images: list[dict[str, Any]] = [
        {"id": number, "file_name": name, "width": 80, "height": 60, "source": "north" if number < 2 else "south"}
        for number, name in enumerate(names)
    ]
    for image in images:
        image["annotated_category_ids"] = [4, 9] if image["source"] == "north" else [4]
    annotations = [
        {"id": 1, "image_id": 0, "category_id": 4, "bbox": [5, 5, 20, 20]},
        {"id": 2, "image_id": 0, "category_id": 9, "bbox": [30, 5, 40, 40]},
        {"id": 3, "image_id": 2, "category_id": 4, "bbox": [5, 5, 8, 8]},
    ]
    categories = [{"id": 4, "name": "gun"}, {"id": 9, "name": "knife"}]
    return {"images": images, "annotations": annotations if boxes else [], "categories": categories}


def write(folder: Path, split: str, content: dict[str, Any]) -> None:
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / "annotations" / f"{split}.json").write_text(json.dumps(content))


def kinds(data: Path) -> set[str]:
    return {finding.kind for finding in check(data) if finding.severity == Severity.ERROR}


def test_statistics_are_whole_where_nothing_has_to_fit_a_screen(tmp_path: Path) -> None:
    data = make_data(tmp_path)
    for path in (data / "annotations").glob("*.json"):
        path.write_text(path.read_text().replace('"gun"', '"lighter"').replace('"knife"', '"lighter_fluid"'))
    shown = CliRunner().invoke(app, ["data", "stats", str(data)], env={"COLUMNS": "80"}).stdout
    assert "lighter_fluid" in shown and "side 5/50/95 %, pixels" in shown and "…" not in shown
    # On a screen that is too narrow, names are folded and not cut.
    console = Console(width=40, file=io.StringIO())
    console.print(statistics_tables(statistics(data))[0])
    assert "…" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_statistics_count_by_class_and_source(tmp_path: Path) -> None:
    train, val = statistics(make_data(tmp_path))
    assert (train.split, train.scans, val.split, val.scans) == ("train", 3, "val", 1)
    gun, knife = train.classes["gun"], train.classes["knife"]
    assert (gun.boxes, gun.scans, gun.looked_for, gun.clean) == (2, 2, 3, 1)
    assert (knife.boxes, knife.looked_for, knife.clean) == (1, 2, 1)
    assert (gun.small, knife.small, knife.medium) == (2, 0, 1)
    assert gun.sides is not None and gun.sides[1] == pytest.approx(14.0)
    assert train.sources["south"].not_looked_for == ("knife",) and train.sources["north"].empty == 1
    assert val.classes["gun"].sides is None


def test_statistics_print_as_tables(tmp_path: Path) -> None:
    console = Console(width=160, record=True, file=(tmp_path / "terminal").open("w"))
    for table in statistics_tables(statistics(make_data(tmp_path))):
        console.print(table)
    console.file.close()
    text = console.export_text()
    assert "train: 3 scans" in text and "knife" in text
    assert "pixels" in text
    # A class that was not looked for must not read as zero.
    assert any("?" in line and "knife" in line for line in text.splitlines())


def test_boxes_of_a_class_that_was_looked_for_in_part_are_told(tmp_path: Path) -> None:
    data, content = make_data(tmp_path), document(("a.png", "b.png", "c.png"))
    for image in content["images"]:
        image |= {"annotated_category_ids": [4], "partial_category_ids": [9]}
    write(data, "train", content)
    console = Console(width=160, file=io.StringIO())
    console.print(statistics_tables(statistics(data))[1])
    text = console.file.getvalue()  # type: ignore[attr-defined]
    (knife,) = [line for line in text.splitlines() if "knife" in line]
    assert "not looked for, or in part" in " ".join(text.split())
    assert [cell.strip() for cell in knife.split("│")[2:4]] == ["1 ?", "?"]


def test_statistics_tell_scanners_subsets_and_bags(tmp_path: Path) -> None:
    data, content = make_data(tmp_path), document(("a.png", "b.png", "c.png"))
    assert [part.scanner for part in statistics(data)[0].parts] == ["north", "south"]
    assert len(statistics_tables(statistics(data))) == 4, "no table where there is nothing more to say"
    for image in content["images"]:
        image |= {"scanner": "north/1", "subset": "hard" if image["id"] else "easy", "group": "bag"}
    write(data, "train", content)
    parts = statistics(data)[0].parts
    found = [(part.scanner, part.subset, part.scans, part.groups, part.boxes) for part in parts]
    # Two sources call a bag by the same name.
    assert found == [("north/1", "easy", 1, 1, 2), ("north/1", "hard", 2, 2, 1)]
    assert len(statistics_tables(statistics(data))) == 5


@pytest.mark.parametrize(("source", "leaks"), [("north", ["bag"]), ("elsewhere", [])])
def test_a_group_of_one_source_is_not_that_of_another(source: str, leaks: list[str], tmp_path: Path) -> None:
    data = make_data(tmp_path)
    for split, names, said in (("train", ("a.png", "b.png", "c.png"), "north"), ("val", ("d.png",), source)):
        content = document(names, boxes=split == "train")
        content["images"][0] |= {"source": said, "group": "bag"}
        write(data, split, content)
    assert [finding.subject for finding in check(data) if finding.kind == "group in two splits"] == leaks


def test_folder_without_annotations_is_refused(tmp_path: Path) -> None:
    for command in (statistics, check):
        with pytest.raises(SettingsInvalid, match="no annotations"):
            command(tmp_path)


def test_preview_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    data = make_data(tmp_path)
    first, again = (preview(data, "train", tmp_path / name, count=3, seed=1) for name in ("1.png", "2.png"))
    assert first.read_bytes() == again.read_bytes()
    sheet = cv2.imread(str(first))
    assert sheet is not None and sheet.shape[1] > 300 and sheet.std() > 5


def test_preview_shows_a_cell_for_a_scan_that_cannot_be_read(tmp_path: Path) -> None:
    data = make_data(tmp_path)
    (data / "images" / "val" / "d.png").write_bytes(b"no picture")
    assert preview(data, "val", tmp_path / "sheet.png").is_file()


def test_preview_refuses_an_ending_it_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="cannot write"):
        preview(make_data(tmp_path), "train", tmp_path / "sheet.xyz")
    with pytest.raises(SettingsInvalid, match="without ending"):
        encode_picture(np.zeros((4, 4, 3), np.uint8), "")


def test_preview_takes_every_class_in_turn(tmp_path: Path) -> None:
    index = read_coco(make_data(tmp_path), "train")
    chosen = balanced_choice(index, 3, seed=0)
    assert sorted(chosen) == [0, 1, 2]
    assert 0 in balanced_choice(index, 2, seed=0), "the only scan with a knife comes second at the latest"
    assert len(balanced_choice(index, 99, seed=0)) == 3


def test_check_finds_nothing_wrong_with_good_data(tmp_path: Path) -> None:
    findings = check(make_data(tmp_path))
    assert {finding.kind for finding in findings} == {"class without boxes"}, "val holds none, a warning"
    assert summarise([]) == "nothing found"


def delete_scan(data: Path, content: dict[str, Any]) -> None:
    (data / "images" / "train" / "a.png").unlink()


def cut_scan(data: Path, content: dict[str, Any]) -> None:
    path = data / "images" / "train" / "a.png"
    path.write_bytes(path.read_bytes()[:200])


def blank_scan(data: Path, content: dict[str, Any]) -> None:
    cv2.imwrite(str(data / "images" / "train" / "a.png"), np.full((60, 80, 3), 240, np.uint8))


def blank_deep_scan(data: Path, content: dict[str, Any]) -> None:
    cv2.imwrite(str(data / "images" / "train" / "a.png"), np.full((60, 80), 40_000, np.uint16))


def give_bad_profile(data: Path, content: dict[str, Any]) -> None:
    np.save(data / "images" / "train" / "a.npy", np.random.default_rng(9).integers(0, 60_000, (60, 80), np.uint16))
    (data / "images" / "train" / "a.npy.toml").write_text("polarity = 3\n")
    content["images"][0]["file_name"] = "a.npy"


def leak_scan(data: Path, content: dict[str, Any]) -> None:
    (data / "images" / "val" / "d.png").write_bytes((data / "images" / "train" / "a.png").read_bytes())


def change_size(data: Path, content: dict[str, Any]) -> None:
    content["images"][0]["width"] = 81


def move_box_outside(data: Path, content: dict[str, Any]) -> None:
    content["annotations"][0]["bbox"] = [70, 5, 20, 20]


def flatten_box(data: Path, content: dict[str, Any]) -> None:
    content["annotations"][0]["bbox"] = [5, 5, 0, 20]


def break_box(data: Path, content: dict[str, Any]) -> None:
    content["annotations"][0]["bbox"] = [5, 5, "wide"]


def use_unknown_class(data: Path, content: dict[str, Any]) -> None:
    content["annotations"][0]["category_id"] = 77


def mask_unknown_class(data: Path, content: dict[str, Any]) -> None:
    content["images"][0]["annotated_category_ids"] = [4, 9, 77]


def repeat_id(data: Path, content: dict[str, Any]) -> None:
    content["annotations"][1]["id"] = 1


def contradict_mask(data: Path, content: dict[str, Any]) -> None:
    content["annotations"][2]["category_id"] = 9


def drop_key(data: Path, content: dict[str, Any]) -> None:
    del content["images"][0]["file_name"]


def give_list_as_id(data: Path, content: dict[str, Any]) -> None:
    content["images"][0]["id"] = [0]


def give_number_as_mask(data: Path, content: dict[str, Any]) -> None:
    content["images"][0]["annotated_category_ids"] = 4


def give_text_as_size(data: Path, content: dict[str, Any]) -> None:
    content["images"][0]["width"] = "wide"


def give_list_as_name(data: Path, content: dict[str, Any]) -> None:
    content["categories"][0]["name"] = ["gun"]


def give_box_beyond_numbers(data: Path, content: dict[str, Any]) -> None:
    content["annotations"][0]["bbox"] = [5, 5, 10**400, 20]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (delete_scan, "missing file"),
        (cut_scan, "unreadable scan"),
        (blank_scan, "unreadable scan"),
        (blank_deep_scan, "unreadable scan"),
        (give_bad_profile, "unreadable scan"),
        (leak_scan, "leak between splits"),
        (change_size, "size mismatch"),
        (move_box_outside, "box outside scan"),
        (flatten_box, "box without area"),
        (break_box, "malformed box"),
        (use_unknown_class, "unknown id"),
        (mask_unknown_class, "unknown id"),
        (repeat_id, "repeated id"),
        (contradict_mask, "mask contradicts box"),
        (drop_key, "unreadable annotations"),
        (give_list_as_id, "unreadable annotations"),
        (give_number_as_mask, "unreadable annotations"),
        (give_text_as_size, "unreadable annotations"),
        (give_list_as_name, "unreadable annotations"),
        (give_box_beyond_numbers, "malformed box"),
    ],
)
def test_check_names_what_is_wrong(tmp_path: Path, change: Change, kind: str) -> None:
    data, content = make_data(tmp_path), document(("a.png", "b.png", "c.png"))
    change(data, content)
    write(data, "train", content)
    assert kinds(data) == {kind}
    assert kind in summarise(check(data))


def test_a_part_of_a_scan_that_was_drawn_already_may_show_nothing(tmp_path: Path) -> None:
    data, content = make_data(tmp_path), document(("a.png", "b.png", "c.png"))
    blank_scan(data, content)
    content["images"][0]["drawn"] = True
    write(data, "train", content)
    assert not kinds(data)
    for other in (np.zeros((60, 80), np.uint8), np.full((60, 80, 3), 300, np.uint16)):
        cv2.imwrite(str(data / "images" / "train" / "a.png"), other)
        assert kinds(data) == {"unreadable scan"}, "the station draws RGB of 8 bits"


def test_check_tells_a_source_label_that_goes_to_several_classes(tmp_path: Path) -> None:
    data, content = make_data(tmp_path), document(("a.png", "b.png", "c.png"))
    for annotation in content["annotations"]:
        annotation["source_label"] = "pistol"
    write(data, "train", content)
    found = [finding for finding in check(data) if finding.kind == "label of several classes"]
    # The third box is the other source's, where the label has one class.
    assert [(finding.subject, finding.message) for finding in found] == [("north: pistol", "1 x gun, 1 x knife")]


def test_check_tells_a_class_that_nobody_looked_for(tmp_path: Path) -> None:
    data, content = make_data(tmp_path), document(("a.png", "b.png", "c.png"))
    content["categories"].append({"id": 12, "name": "axe"})
    write(data, "train", content)
    assert [f.subject for f in check(data) if f.kind == "class never annotated"] == ["train: axe"]


@pytest.mark.parametrize("broken", ["{", "[" * 100_000])
def test_check_goes_on_after_a_broken_file(broken: str, tmp_path: Path) -> None:
    data = make_data(tmp_path)
    (data / "annotations" / "train.json").write_text(broken)
    (data / "images" / "val" / "d.png").unlink()
    assert kinds(data) == {"unreadable annotations", "missing file"}
