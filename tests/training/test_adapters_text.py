"""The traps of the sets that come as text, XML, tables and MATLAB files: one test each."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from tests.training.dataset_fixtures import (
    compass_xp,
    eds,
    gdxray,
    hixray,
    is2ai,
    molit,
    opixray,
    sixray,
    xray_fsod,
)
from tests.training.dataset_fixtures.drawing import draw, put, voc
from training.datasets.adapters import ADAPTERS
from training.datasets.annotated_set import SourceScan, SourceSet


def kinds(found: SourceSet) -> Counter[str]:
    return Counter(finding.kind for finding in found.findings)


def scan_of(found: SourceSet, name: str) -> SourceScan:
    scans = [scan for scan in found.scans if Path(scan.path).stem == name]
    assert len(scans) == 1, [scan.path for scan in found.scans]
    return scans[0]


def opix(root: Path, line: str) -> SourceSet:
    """OPIXray with one line in the annotation of its first scan."""
    opixray.build(root)
    put(root / "train/train_annotation/009025.txt", line + "\n")
    return ADAPTERS["opixray"].read(root)


# OPIXray and HiXray


def test_opixray_boxes_are_edges_in_pixels_with_the_class_in_column_two(tmp_path: Path) -> None:
    opixray.build(tmp_path)
    scan = scan_of(ADAPTERS["opixray"].read(tmp_path), "009025")
    assert [(box.label, box.box_xyxy) for box in scan.boxes] == [
        ("Folding_Knife", (100, 200, 300, 400)),
        ("Scissor", (0, 0, 1225, 954)),
    ]
    assert (scan.width, scan.height) == (1225, 954)


def test_opixray_takes_a_tiff_before_a_jpeg_of_the_same_stem(tmp_path: Path) -> None:
    opixray.build(tmp_path)
    draw(tmp_path / "train/train_image/009025.tiff", 1225, 954)
    found = ADAPTERS["opixray"].read(tmp_path)
    assert scan_of(found, "009025").path == "train/train_image/009025.tiff" and kinds(found) == {"repeated name": 1}
    draw(tmp_path / "train/train_image/009025.TIFF", 1225, 954)
    assert scan_of(ADAPTERS["opixray"].read(tmp_path), "009025").path == "train/train_image/009025.TIFF"


def test_opixray_skips_a_line_of_an_unknown_class(tmp_path: Path) -> None:
    found = opix(tmp_path, "009025.jpg Spoon 1 1 9 9\n009025.jpg Scissor 1 1 9 9")
    scan = scan_of(found, "009025")
    # The Spoon may be a knife, or another pair of scissors.
    assert [box.label for box in scan.boxes] == ["Scissor"] and scan.looked_for == frozenset()
    assert kinds(found) == {"unknown class": 1} and "Spoon" not in found.labels


def test_opixray_skips_a_box_that_begins_right_of_the_scan_and_clamps_others(tmp_path: Path) -> None:
    found = opix(tmp_path, "009025.jpg Scissor 1230 1 1240 9\n009025.jpg Scissor -5 -6 1300 1000")
    assert [box.box_xyxy for box in scan_of(found, "009025").boxes] == [(0, 0, 1225, 954)]
    assert kinds(found) == {"box outside scan": 1}
    assert scan_of(found, "009025").present == {"Scissor"}


def test_opixray_a_label_whose_only_box_is_skipped_was_not_looked_for(tmp_path: Path) -> None:
    found = opix(tmp_path, "009025.jpg Scissor 1230 1 1240 9")
    scan = scan_of(found, "009025")
    assert scan.present == {"Scissor"} and scan.looked_for == set(found.labels) - {"Scissor"}


def test_opixray_a_scan_without_lines_is_clean_and_one_without_a_valid_line_is_not(tmp_path: Path) -> None:
    found = opix(tmp_path, "009025.jpg Scissor 9 9 x 20")
    assert scan_of(found, "009025").boxes == () and scan_of(found, "009025").looked_for == frozenset()
    assert scan_of(found, "009027").boxes == () and scan_of(found, "009027").looked_for is None


@pytest.mark.parametrize(
    "line", ["009025.jpg Scissor 1 2 3", "x", "009025.jpg Scissor nan 1 2 3", "a.jpg Scissor 9 9 1 1"]
)
def test_opixray_a_malformed_line_is_one_finding(line: str, tmp_path: Path) -> None:
    found = opix(tmp_path, line)
    assert kinds(found)["malformed box"] == 1 and len(found.scans) == 6


def test_opixray_a_name_in_a_line_may_not_leave_the_folder(tmp_path: Path) -> None:
    found = opix(tmp_path, "../../009025.jpg Scissor 1 1 9 9")
    assert scan_of(found, "009025").boxes == () and "leads out" in found.findings[0].message


def test_opixray_another_scans_name_in_a_line_is_noted(tmp_path: Path) -> None:
    found = opix(tmp_path, "009999.jpg Scissor 1 1 9 9")
    assert kinds(found) == {"other scan's name": 1} and len(scan_of(found, "009025").boxes) == 1


def test_opixray_occlusion_levels_are_subsets_of_test(tmp_path: Path) -> None:
    opixray.build(tmp_path)
    put(tmp_path / "test/test_knife-2.txt", "010001\n010002\n")
    found = ADAPTERS["opixray"].read(tmp_path)
    assert [scan_of(found, f"01000{level}").subset for level in (1, 2, 3)] == ["OL1", "OL2", "OL3"]
    assert scan_of(found, "009025").subset == "" and kinds(found) == {"two occlusion levels": 1}


def test_opixray_missing_extra_and_unlisted_files_are_findings(tmp_path: Path) -> None:
    opixray.build(tmp_path)
    put(tmp_path / "train/train_knife.txt", "009025.jpg\n009027\n\n000001\n../../etc/passwd\n")
    (tmp_path / "train/train_image/009027.jpg").unlink()
    found = ADAPTERS["opixray"].read(tmp_path)
    assert [scan.path for scan in found.scans if scan.split == "train"] == ["train/train_image/009025.jpg"]
    assert kinds(found) == {"path refused": 1, "missing file": 1, "missing annotation": 1, "not listed": 1}


def test_opixray_published_counts_add_up(tmp_path: Path) -> None:
    published = ADAPTERS["opixray"].published
    assert {split: sum(published[split].boxes.values()) for split in ("train", "test")} == {"train": 7139, "test": 1781}
    assert sum(published[f"OL{level}"].scans for level in (1, 2, 3)) == published["test"].scans == 1776


def test_hixray_published_counts_add_up_and_its_classes_are_its_own(tmp_path: Path) -> None:
    published = ADAPTERS["hixray"].published
    assert [sum(published[split].boxes.values()) for split in ("train", "test")] == [82452, 20476]
    hixray.build(tmp_path)
    put(tmp_path / "train/train_annotation/00000.txt", "00000.jpg Scissor 1 1 9 9\n")
    found = ADAPTERS["hixray"].read(tmp_path)
    assert kinds(found) == {"unknown class": 1} and found.labels[0] == "Portable_Charger_1"


def test_hixray_clamps_as_opixray_does(tmp_path: Path) -> None:
    hixray.build(tmp_path)
    put(tmp_path / "train/train_annotation/00000.txt", "00000.jpg Water -3 1 9 999\n")
    scan = next(scan for scan in ADAPTERS["hixray"].read(tmp_path).scans if scan.split == "train")
    assert scan.boxes[0].box_xyxy == (0, 1, 9, 900)


# X-ray FSOD


def test_xray_fsod_counts_pixels_from_one_and_keeps_the_last_float(tmp_path: Path) -> None:
    xray_fsod.build(tmp_path)
    box = scan_of(ADAPTERS["xray-fsod"].read(tmp_path), "1").boxes[0]
    assert box.box_xyxy == (0, 0, 50, 40) and box.attributes == {"rate": "0.25"}


def test_xray_fsod_negative_corners_come_to_the_edge_and_large_ones_too(tmp_path: Path) -> None:
    xray_fsod.build(tmp_path)
    put(tmp_path / "train/annotations/1.txt", "1.jpg laptop -7 -1 500 90 0.5\n1.jpg laptop 1 1 9 9\n")
    found = ADAPTERS["xray-fsod"].read(tmp_path)
    assert [box.box_xyxy for box in scan_of(found, "1").boxes] == [(0, 0, 100, 80)]
    assert kinds(found) == {"malformed box": 1}


def test_xray_fsod_lists_may_lie_at_the_root(tmp_path: Path) -> None:
    xray_fsod.build(tmp_path)
    (tmp_path / "train/trainval.txt").unlink()
    put(tmp_path / "trainval.txt", "1\n")
    found = ADAPTERS["xray-fsod"].read(tmp_path)
    assert [scan.path for scan in found.scans if scan.split == "train"] == ["train/images/1.jpg"]


# EDS


def test_eds_reads_names_in_any_case_and_under_every_alias(tmp_path: Path) -> None:
    eds.build(tmp_path)
    names = ["SmallElectronicEquipmen", "device", "PlasticBottle", "Scissors", "LAPTOP", "bomb"]
    boxes = [(name, 1, 1, 9, 9) for name in names]
    put(tmp_path / "domain1/labels/0001.xml", voc("0001.jpg", 90, 70, *boxes))
    found = ADAPTERS["eds"].read(tmp_path)
    scan = next(scan for scan in found.scans if scan.subset == "domain1")
    assert [box.label for box in scan.boxes] == [
        *("smallelectronicequipment", "smallelectronicequipment", "drinkbottle", "scissor", "laptop")
    ]
    assert kinds(found) == {"unknown class": 1} and scan.looked_for == frozenset()


def test_eds_counts_from_one_and_names_the_domain_as_scanner(tmp_path: Path) -> None:
    eds.build(tmp_path)
    found = ADAPTERS["eds"].read(tmp_path)
    assert [scan.scanner for scan in found.scans] == ["domain1", "domain2", "domain3"]
    assert found.scans[0].boxes[0].box_xyxy == (0, 0, 20, 30)
    assert len({scan.group for scan in found.scans}) == 3


def test_eds_pictures_may_lie_one_folder_deeper(tmp_path: Path) -> None:
    eds.build(tmp_path)
    (tmp_path / "domain1/images/train").mkdir()
    (tmp_path / "domain1/images/0001.jpg").rename(tmp_path / "domain1/images/train/0001.jpg")
    assert ADAPTERS["eds"].read(tmp_path).scans[0].path == "domain1/images/train/0001.jpg"


def test_eds_missing_and_unlisted_files_are_findings(tmp_path: Path) -> None:
    eds.build(tmp_path)
    put(tmp_path / "domain1/val.txt", "0001\n0002\n")
    draw(tmp_path / "domain2/images/0009.jpg", 9, 9)
    put(tmp_path / "domain3/labels/0007.xml", voc("0007.jpg", 9, 9))
    found = ADAPTERS["eds"].read(tmp_path)
    assert kinds(found) == {"missing annotation": 2, "missing file": 1, "not listed": 1} and len(found.scans) == 3


# SIXray


def test_sixray_labels_without_a_box_are_present(tmp_path: Path) -> None:
    sixray.build(tmp_path)
    found = ADAPTERS["sixray"].read(tmp_path)
    assert scan_of(found, "P00001").present == frozenset()
    scan = scan_of(found, "P00003")
    assert (scan.present, scan.boxes) == ({"Wrench"}, ())
    # The lists have no column for Hammer.
    assert scan.looked_for == {"Gun", "Knife", "Wrench", "Pliers", "Scissors"}
    assert scan_of(found, "N0000001").looked_for is None


def test_sixray_a_scan_of_several_lists_names_them_all(tmp_path: Path) -> None:
    sixray.build(tmp_path)
    found = ADAPTERS["sixray"].read(tmp_path)
    assert scan_of(found, "P00001").subset == "SIXray10+SIXray100+SIXray1000"
    assert scan_of(found, "N0000002").subset == "SIXray100"


def test_sixray_keeps_hammer_and_says_so(tmp_path: Path) -> None:
    sixray.build(tmp_path)
    found = ADAPTERS["sixray"].read(tmp_path)
    assert [box.label for box in scan_of(found, "P00002").boxes] == ["Hammer", "Knife"]
    assert kinds(found) == {"class not evaluated": 1}


def test_sixray_counts_pixels_from_one_with_the_last_inside(tmp_path: Path) -> None:
    sixray.build(tmp_path)
    scan = scan_of(ADAPTERS["sixray"].read(tmp_path), "P00002")
    assert scan.boxes[1].box_xyxy == (4, 5, 64, 48) and (scan.width, scan.height) == (64, 48)


def test_sixray_reads_flat_folders_folders_at_the_root_and_the_lists_of_chr(tmp_path: Path) -> None:
    draw(tmp_path / "JPEGImage/P00001.jpg", 9, 9)
    draw(tmp_path / "20/N0000001.jpg", 9, 9)
    put(
        tmp_path / "ImageSet/train_test_10-5/train.csv",
        "name,Gun,Knife,Wrench,Pliers,Scissors\nP00001.jpg,1,-1,-1,-1,-1\n",
    )
    found = ADAPTERS["sixray"].read(tmp_path)
    assert ADAPTERS["sixray"].recognise(tmp_path)
    scan = scan_of(found, "P00001")
    assert (scan.split, scan.subset, scan.present) == ("train", "SIXray10", {"Gun"})
    assert kinds(found) == {"not listed": 1} and scan_of(found, "N0000001").split == ""


def test_sixray_once_test_always_test(tmp_path: Path) -> None:
    sixray.build(tmp_path)
    put(tmp_path / "ImageSet/100/test.csv", "name,Gun,Knife,Wrench,Pliers,Scissors\nN0000001,-1,-1,-1,-1,-1\n")
    found = ADAPTERS["sixray"].read(tmp_path)
    assert scan_of(found, "N0000001").split == "test" and kinds(found)["two splits"] == 1


def test_sixray_other_values_and_headers_are_findings(tmp_path: Path) -> None:
    sixray.build(tmp_path)
    put(tmp_path / "ImageSet/10/train.csv", "name,Gun,Knife,Wrench,Pliers,Scissors\nP00001,0,1,-1,-1,-1\nP00002,1\n")
    put(tmp_path / "ImageSet/10/test.csv", "P00003,-1,-1,1,-1,-1\n")
    found = ADAPTERS["sixray"].read(tmp_path)
    assert kinds(found)["malformed line"] == 2 and kinds(found)["malformed list"] == 1 and len(found.scans) == 6


def test_sixray_a_box_that_the_lists_deny_is_noted(tmp_path: Path) -> None:
    sixray.build(tmp_path)
    put(tmp_path / "Annotation/P00003.xml", voc("P00003.jpg", 64, 48, ("Pliers", 1, 1, 9, 9), ("Spoon", 1, 1, 9, 9)))
    found = ADAPTERS["sixray"].read(tmp_path)
    assert kinds(found) == {"class not evaluated": 1, "list contradicts box": 1, "unknown class": 1}
    scan = scan_of(found, "P00003")
    assert (scan.present, scan.looked_for) == ({"Wrench"}, frozenset())


def test_sixray_reads_names_in_any_case_and_under_other_words(tmp_path: Path) -> None:
    sixray.build(tmp_path)
    boxes = [(name, 1, 1, 9, 9) for name in ("GUN", "Spanner", "scissor")]
    put(tmp_path / "Annotation/P00003.xml", voc("P00003.jpg", 64, 48, *boxes))
    found = ADAPTERS["sixray"].read(tmp_path)
    scan = scan_of(found, "P00003")
    assert [box.label for box in scan.boxes] == ["Gun", "Wrench", "Scissors"] and "unknown class" not in kinds(found)
    assert (scan.present, scan.looked_for) == (frozenset(), {"Gun", "Knife", "Wrench", "Pliers", "Scissors"})


def test_sixray_a_negative_with_boxes_that_cannot_be_read_is_not_clean(tmp_path: Path) -> None:
    draw(tmp_path / "JPEGImage/N0000001.jpg", 64, 48)
    for content in (voc("N0000001.jpg", 64, 48, ("Gun", 9, 9, 1, 1)), "<annotation><object>"):
        put(tmp_path / "Annotation/N0000001.xml", content)
        assert scan_of(ADAPTERS["sixray"].read(tmp_path), "N0000001").looked_for == frozenset()


def test_sixray_a_positive_of_which_nothing_is_known_is_not_clean(tmp_path: Path) -> None:
    sixray.build(tmp_path)
    draw(tmp_path / "JPEGImage/0/P00009.jpg", 9, 9)
    found = ADAPTERS["sixray"].read(tmp_path)
    assert scan_of(found, "P00009").looked_for == frozenset() and kinds(found)["missing annotation"] == 1


def test_sixray_a_million_files_are_not_looked_at_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "JPEGImage/0").mkdir(parents=True)
    for number in range(400):
        (tmp_path / f"JPEGImage/0/N{number:07d}.jpg").touch()
    calls: list[str] = []

    def counted(name: str) -> Callable[..., object]:
        real = getattr(os, name)

        def call(*values: object, **named: object) -> object:
            calls.append(name)
            return real(*values, **named)

        return call

    for name in ("stat", "lstat", "open"):
        monkeypatch.setattr(os, name, counted(name))
    assert len(ADAPTERS["sixray"].read(tmp_path).scans) == 400
    assert len(calls) < 60


# GDXray+


def test_gdxray_columns_are_x1_x2_y1_y2_from_one(tmp_path: Path) -> None:
    gdxray.build(tmp_path)
    scan = scan_of(ADAPTERS["gdxray"].read(tmp_path), "B0046_0001")
    assert [(box.label, box.box_xyxy) for box in scan.boxes] == [("handgun", (10, 4, 30, 25))]


def test_gdxray_nine_columns_are_corners_and_three_a_point(tmp_path: Path) -> None:
    gdxray.build(tmp_path)
    found = ADAPTERS["gdxray"].read(tmp_path)
    box = scan_of(found, "B0047_0002").boxes[0]
    assert box.box_xyxy == (9, 4, 30, 20) and box.polygons == ((9.5, 4.5, 29.5, 4.5, 29.5, 19.5, 9.5, 19.5),)
    point, clean = scan_of(found, "B0048_0001"), scan_of(found, "B0048_0002")
    assert point.boxes == () and kinds(found)["point"] == 1
    assert (point.looked_for, clean.looked_for) == (frozenset(), {"razor_blade"})


def test_gdxray_exchanged_corners_of_b0031_are_put_right_and_noted_elsewhere(tmp_path: Path) -> None:
    gdxray.build(tmp_path)
    found = ADAPTERS["gdxray"].read(tmp_path)
    assert scan_of(found, "B0031_0001").boxes[0].box_xyxy == (4, 9, 20, 40)
    assert "exchanged corners" not in kinds(found)
    put(tmp_path / "Baggages/B0046/ground_truth.txt", "1 5 20 40 10\n")
    assert kinds(ADAPTERS["gdxray"].read(tmp_path))["exchanged corners"] == 1


def test_gdxray_a_series_that_nobody_annotated_is_not_clean(tmp_path: Path) -> None:
    gdxray.build(tmp_path)
    found = ADAPTERS["gdxray"].read(tmp_path)
    assert scan_of(found, "B0001_0001").looked_for == frozenset()
    assert scan_of(found, "B0046_0002").looked_for == {"handgun"}


def test_gdxray_reads_the_text_where_both_files_are_there_and_the_folder_of_baggage_itself(tmp_path: Path) -> None:
    gdxray.build(tmp_path)
    savemat(tmp_path / "Baggages/B0046/BoundingBox.mat", {"bb": np.array([[1, 1, 2, 3, 4]], float)})
    found = ADAPTERS["gdxray"].read(tmp_path / "Baggages")
    assert scan_of(found, "B0046_0001").boxes[0].box_xyxy == (10, 4, 30, 25)
    assert ADAPTERS["gdxray"].recognise(tmp_path / "Baggages") and len(found.scans) == 10


@pytest.mark.parametrize("line", ["1 2 3 4", "1 30 10 5 9", "nan 1 2 3 4", "x 1 2 3 4", "7 1 2 3 4"])
def test_gdxray_a_bad_row_is_one_finding(line: str, tmp_path: Path) -> None:
    gdxray.build(tmp_path)
    before = kinds(ADAPTERS["gdxray"].read(tmp_path))
    put(tmp_path / "Baggages/B0046/ground_truth.txt", f"{line}\n2 1 2 3 4\n")
    found = ADAPTERS["gdxray"].read(tmp_path)
    assert (kinds(found) - before).total() == 1 and len(scan_of(found, "B0046_0002").boxes) == 1
    read = line == "7 1 2 3 4"
    assert scan_of(found, "B0046_0001").looked_for == ({"handgun"} if read else frozenset())
    # Where not even the frame can be read, it may have been any.
    assert scan_of(found, "B0046_0002").looked_for == (frozenset() if line[0] in "nx" else {"handgun"})


def test_gdxray_matlab_files_of_other_things_and_bombs_are_refused(tmp_path: Path) -> None:
    gdxray.build(tmp_path)
    path = tmp_path / "Baggages/B0031/BoundingBox.mat"
    for content in ({"boxes": np.ones((1, 5))}, {"bb": np.array([{"a": 1}], object)}, {"bb": "text"}):
        savemat(path, content)
        assert kinds(ADAPTERS["gdxray"].read(tmp_path))["unreadable annotations"] == 1
    header = path.read_bytes()[:128]
    packed = zlib.compress(b"\0" * 64 * 2**20, 9)
    path.write_bytes(header + (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed)
    found = ADAPTERS["gdxray"].read(tmp_path)
    assert "unpacks to more" in next(f.message for f in found.findings if f.kind == "unreadable annotations")


# COMPASS-XP


def test_compass_xp_classes_are_present_and_renderings_share_a_group(tmp_path: Path) -> None:
    compass_xp.build(tmp_path)
    found = ADAPTERS["compass-xp"].read(tmp_path)
    assert found.labels == ("hair dryer", "revolver")
    assert {scan.scanner for scan in found.scans} == {"Colour", "High", "Low"}
    groups = {scan.group: scan.present for scan in found.scans}
    assert groups == {"hair dryer/1": {"hair dryer"}, "revolver/1": {"revolver"}}
    assert {scan.subset for scan in found.scans if "revolver" in scan.present} == {"dangerous"}
    assert not any(scan.boxes for scan in found.scans)


def test_compass_xp_photographs_are_no_scans(tmp_path: Path) -> None:
    compass_xp.build(tmp_path)
    assert not [scan for scan in ADAPTERS["compass-xp"].read(tmp_path).scans if "Photo" in scan.path]


def test_compass_xp_bad_lines_are_findings(tmp_path: Path) -> None:
    compass_xp.build(tmp_path)
    with (tmp_path / "meta.txt").open("a") as file:
        file.write("0001\tx\t1\t1\tTrue\n../0002\tx\t1\t1\tTrue\n0009\tx\n\tx\t1\t1\tFalse\n")
    draw(tmp_path / "Low/0099.png", 9, 9)
    (tmp_path / "High/0001.png").unlink()
    found = ADAPTERS["compass-xp"].read(tmp_path)
    expected = {"repeated line": 1, "path refused": 1, "missing file": 2, "malformed line": 1, "not listed": 1}
    assert kinds(found) == expected and len(found.scans) == 8


# MOLIT


def test_molit_class_ids_begin_with_one_and_fractions_become_pixels(tmp_path: Path) -> None:
    molit.build(tmp_path)
    found = ADAPTERS["molit"].read(tmp_path)
    train = next(scan for scan in found.scans if scan.split == "train")
    assert [(box.label, box.box_xyxy) for box in train.boxes] == [("Gun", (20, 15, 60, 25))]
    assert len(found.labels) == 66 and "None" not in found.labels and found.labels[-1] == "Card knife"


@pytest.mark.parametrize("names", ["", "Gun\nBullet", "None\nGun\nBullet"])
def test_molit_names_come_from_classes_txt_or_as_published(names: str, tmp_path: Path) -> None:
    molit.build(tmp_path)
    (tmp_path / "configs/config.yaml").unlink()
    if names:
        put(tmp_path / "classes.txt", names)
    found = ADAPTERS["molit"].read(tmp_path)
    assert next(scan for scan in found.scans if scan.split == "train").boxes[0].label == "Gun"
    assert ADAPTERS["molit"].recognise(tmp_path)


def test_molit_class_none_is_a_finding(tmp_path: Path) -> None:
    molit.build(tmp_path)
    path = next((tmp_path / "data/labels/train").iterdir())
    path.write_text("0 0.5 0.5 0.1 0.1\n")
    found = ADAPTERS["molit"].read(tmp_path)
    assert kinds(found) == {"malformed box": 1}
    assert next(scan for scan in found.scans if scan.split == "train").looked_for == frozenset()


def test_molit_views_of_a_bag_share_a_group_across_splits(tmp_path: Path) -> None:
    molit.build(tmp_path)
    found = ADAPTERS["molit"].read(tmp_path / "data")
    groups = {scan.split: scan.group for scan in found.scans}
    assert groups["train"] == groups["val"] != groups["test"]
    assert {scan.scanner for scan in found.scans} == {"E3S690"}


def test_molit_a_scan_without_labels_is_left_out(tmp_path: Path) -> None:
    molit.build(tmp_path)
    next((tmp_path / "data/labels/train").iterdir()).unlink()
    found = ADAPTERS["molit"].read(tmp_path)
    assert kinds(found) == {"missing annotation": 1} and len(found.scans) == 2


# IS2AI


def test_is2ai_centres_in_fractions_become_corners_in_pixels(tmp_path: Path) -> None:
    is2ai.build(tmp_path)
    scan = scan_of(ADAPTERS["is2ai"].read(tmp_path), "1")
    assert [(box.label, box.box_xyxy) for box in scan.boxes] == [("shoes", (50, 25, 150, 75))]
    assert (scan.width, scan.height) == (200, 100)


def test_is2ai_copies_of_one_file_share_a_group(tmp_path: Path) -> None:
    is2ai.build(tmp_path)
    found = ADAPTERS["is2ai"].read(tmp_path)
    assert scan_of(found, "1").group == scan_of(found, "3").group != scan_of(found, "2").group


def test_is2ai_reads_tables_by_column_too(tmp_path: Path) -> None:
    is2ai.build(tmp_path)
    rows = ADAPTERS["is2ai"].read(tmp_path)
    for name in ("images", "annotations"):
        table = json.loads(gzip.decompress((tmp_path / f"{name}.json.gz").read_bytes()))
        columns = {key: {str(index): row[key] for index, row in enumerate(table)} for key in table[0]}
        is2ai.write_table(tmp_path / f"{name}.json.gz", columns)
    assert ADAPTERS["is2ai"].read(tmp_path) == rows


def test_is2ai_digest_and_size_are_checked(tmp_path: Path) -> None:
    is2ai.build(tmp_path)
    damaged = tmp_path / "images/a/1.tif"
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(bytes(content))
    (tmp_path / "images/a/2.jpg").write_bytes((tmp_path / "images/a/2.jpg").read_bytes() + b"x")
    found = ADAPTERS["is2ai"].read(tmp_path)
    assert kinds(found) == {"digest mismatch": 1, "size mismatch": 1} and len(found.scans) == 4


def test_is2ai_bad_rows_are_findings(tmp_path: Path) -> None:
    is2ai.build(tmp_path)
    good = {"bbox_id": 7, "image_id": 0, "x": 0.5, "y": 0.5, "width": 0.5, "height": 0.5, "label": "toys"}
    changes = ({"label": None}, {"x": float("nan")}, {"width": 0}, {"x": 55.0}, {"y": "?"}, {"image_id": 99})
    rows = [good, *(good | change for change in changes), "row", {"image_id": 1}]
    is2ai.write_table(tmp_path / "annotations.json.gz", rows)
    found = ADAPTERS["is2ai"].read(tmp_path)
    assert kinds(found) == {"malformed box": 6, "unknown id": 1, "malformed entry": 1}
    assert len(scan_of(found, "1").boxes) == 1 and scan_of(found, "1").looked_for == frozenset()


def test_is2ai_paths_stay_in_the_folder(tmp_path: Path) -> None:
    is2ai.build(tmp_path)
    rows = json.loads(gzip.decompress((tmp_path / "images.json.gz").read_bytes()))
    paths = ("../a.tif", "/etc/passwd", "images/../../x.png", "C:\\a.png", "images/none.jpg")
    bad = [rows[0] | {"image_id": 50 + index, "filepath": path} for index, path in enumerate(paths)]
    is2ai.write_table(tmp_path / "images.json.gz", [*rows, *bad, {"filepath": "x"}, rows[1] | {"width": -1}])
    found = ADAPTERS["is2ai"].read(tmp_path)
    assert kinds(found) == {"path refused": 4, "missing file": 1, "malformed entry": 2} and len(found.scans) == 4


def test_is2ai_a_table_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is2ai.build(tmp_path)
    monkeypatch.setattr("training.datasets.is2ai._UNPACKED", 2**20)
    (tmp_path / "annotations.json.gz").write_bytes(gzip.compress(b" " * 2**24))
    found = ADAPTERS["is2ai"].read(tmp_path)
    assert kinds(found) == {"unreadable annotations": 1} and len(found.scans) == 4


def test_the_size_of_a_scan_with_a_long_header_is_read(tmp_path: Path) -> None:
    hixray.build(tmp_path)
    path = tmp_path / "train/train_image/00000.jpg"
    content = path.read_bytes()
    comment = b"".join(b"\xff\xfe\xff\xff" + b" " * 65533 for _ in range(6))
    path.write_bytes(content[:2] + comment + content[2:])
    assert cv2.imread(str(path)) is not None
    assert ADAPTERS["hixray"].read(tmp_path).scans[0].width == 1200


def test_a_scan_that_is_no_picture_is_one_finding(tmp_path: Path) -> None:
    hixray.build(tmp_path)
    (tmp_path / "train/train_image/00000.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    found = ADAPTERS["hixray"].read(tmp_path)
    assert kinds(found) == {"unreadable scan": 1} and len(found.scans[0].boxes) == 2
