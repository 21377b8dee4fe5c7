"""The public sets that come as JSON, in their own layouts: what the traps of each one must give."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from detector.errors import SettingsInvalid
from tests.training.dataset_fixtures import (
    clcxray as clcxray_fixture,
)
from tests.training.dataset_fixtures import (
    coco as coco_fixture,
)
from tests.training.dataset_fixtures import (
    dvxray as dvxray_fixture,
)
from tests.training.dataset_fixtures import (
    iedxray as iedxray_fixture,
)
from tests.training.dataset_fixtures import (
    ldxray as ldxray_fixture,
)
from tests.training.dataset_fixtures import (
    pidray as pidray_fixture,
)
from tests.training.dataset_fixtures import (
    pidray_v2 as pidray_v2_fixture,
)
from tests.training.dataset_fixtures import (
    pixray as pixray_fixture,
)
from tests.training.dataset_fixtures import (
    roboflow as roboflow_fixture,
)
from tests.training.dataset_fixtures import (
    roentgate as roentgate_fixture,
)
from tests.training.dataset_fixtures import (
    stcray as stcray_fixture,
)
from tests.training.dataset_fixtures.coco_files import coco, put_coco
from tests.training.dataset_fixtures.drawing import draw, put
from tests.training.dataset_fixtures.dvxray import put_bag
from tests.training.dataset_fixtures.stcray import put_labelme
from training.datasets import clcxray, dvxray, iedxray, ldxray, pidray, pixray, roboflow, roentgate_layout, stcray
from training.datasets import coco as coco_format
from training.datasets.annotated_set import SourceScan, SourceSet
from training.datasets.roentgate_layout import PreparedScan


def by_path(found: SourceSet) -> dict[str, SourceScan]:
    return {scan.path: scan for scan in found.scans}


def kinds(found: SourceSet) -> dict[str, int]:
    return dict(Counter(finding.kind for finding in found.findings))


def labels_of(scan: SourceScan) -> list[str]:
    return [box.label for box in scan.boxes]


# --- PIDray


def test_pidray_tells_the_test_parts_apart(tmp_path: Path) -> None:
    pidray_fixture.build(tmp_path)
    found = pidray.ADAPTER.read(tmp_path)
    assert {(scan.split, scan.subset) for scan in found.scans} == {
        ("train", ""),
        ("test", "easy"),
        ("test", "hard"),
        ("test", "hidden"),
    }
    assert found.labels == tuple(pidray_fixture.NAMES.values()) and found.findings == ()
    assert by_path(found)["easy/xray_easy00000.png"].boxes[0].label == "Lighter"


def test_pidray_names_come_from_the_json_and_a_shifted_list_is_noted(tmp_path: Path) -> None:
    """A known retraining puts gun, knife, wrench ... at ids 1, 2, 3: its 12 is another class than Lighter."""
    pidray_fixture.build(tmp_path)
    names = [
        "gun",
        "knife",
        "wrench",
        "pliers",
        "scissors",
        "hammer",
        "handcuffs",
        "baton",
        "sprayer",
        "powerbank",
        "lighter",
        "bullet",
    ]
    shifted = coco(dict(enumerate(names, 1)), {"xray_easy00000.png": [(12, 4, 4, 8, 8)]})
    put(tmp_path / "annotations/xray_test_easy.json", json.dumps(shifted))
    found = pidray.ADAPTER.read(tmp_path)
    assert labels_of(by_path(found)["easy/xray_easy00000.png"]) == ["bullet"]
    assert labels_of(by_path(found)["train/xray_00000.png"]) == ["Baton"]
    assert kinds(found) == {"class names at other ids": 1} and "12 is bullet" in found.findings[0].message


def test_pidray_ids_may_start_anywhere(tmp_path: Path) -> None:
    zero_based = coco({0: "Baton", 6: "Gun"}, {"xray_00000.png": [(0, 4, 4, 8, 8), (6, 1, 1, 5, 5)]})
    put_coco(tmp_path, "annotations/xray_train.json", "train", zero_based)
    found = pidray.ADAPTER.read(tmp_path)
    assert labels_of(found.scans[0]) == ["Baton", "Gun"]
    assert kinds(found) == {"missing part": 3, "class names at other ids": 1}


def test_pidray_published_counts_add_up() -> None:
    published = pidray.ADAPTER.published
    assert {part: sum(counts.boxes.values()) for part, counts in published.items()} == {
        "train": 39_708,
        "easy": 9_482,
        "hard": 8_892,
        "hidden": 5_008,
    }
    assert sum(counts.scans for counts in published.values()) == 47_677
    assert sum(counts.scans for counts in pidray.ADAPTER_VERSION_2.published.values()) == 124_486
    assert all("academic" in adapter.terms for adapter in (pidray.ADAPTER, pidray.ADAPTER_VERSION_2))


def test_pidray_version_2_has_clean_scans_and_subsets_where_names_tell_them(tmp_path: Path) -> None:
    pidray_v2_fixture.build(tmp_path)
    found = pidray.ADAPTER_VERSION_2.read(tmp_path)
    clean = [scan.path for scan in found.scans if not scan.boxes]
    assert clean == ["train/xray_00001.png", "test/xray_hidden00001.png", "test/xray_00009.png"]
    assert all(scan.looked_for is None and not scan.present for scan in found.scans)
    assert [scan.subset for scan in found.scans] == ["", "", "easy", "hidden", ""]


# --- CLCXray, IEDXray, Roboflow


def test_clcxray_is_told_from_coco_by_its_class_names(tmp_path: Path) -> None:
    clcxray_fixture.build(tmp_path / "clcxray")
    coco_fixture.build(tmp_path / "coco")
    assert [clcxray.ADAPTER.recognise(tmp_path / name) for name in ("clcxray", "coco")] == [True, False]
    assert [coco_format.ADAPTER.recognise(tmp_path / name) for name in ("clcxray", "coco")] == [False, True]
    assert clcxray.ADAPTER.published[""].scans == 9_565


def test_iedxray_captions_are_no_faults(tmp_path: Path) -> None:
    iedxray_fixture.build(tmp_path)
    found = iedxray.ADAPTER.read(tmp_path)
    assert found.findings == () and [labels_of(scan) for scan in found.scans] == [["Explosive"], ["Modified laptop"]]


def test_roboflow_copies_share_a_group_and_the_project_is_no_class(tmp_path: Path) -> None:
    roboflow_fixture.build(tmp_path)
    found = roboflow.ADAPTER.read(tmp_path)
    assert found.labels == ("gun", "knife")
    first, second, other = (scan for scan in found.scans if scan.split == "train")
    assert first.group == second.group != other.group and first.path != second.path


def test_a_class_that_others_belong_to_stays_where_it_has_boxes(tmp_path: Path) -> None:
    document = coco({0: "weapon", 1: "gun"}, {"a.jpg": [(0, 1, 1, 5, 5)]})
    for category in document["categories"]:
        category["supercategory"] = "none" if category["id"] == 0 else "weapon"
    put_coco(tmp_path, "train/_annotations.coco.json", "train", document)
    assert roboflow.ADAPTER.read(tmp_path).labels == ("weapon", "gun")


# --- views of one bag


def test_ldxray_side_views_share_the_group_and_are_no_clean_scans(tmp_path: Path) -> None:
    ldxray_fixture.build(tmp_path)
    scans = by_path(ldxray.ADAPTER.read(tmp_path))
    main, side = scans["train_A/000001.jpg"], scans["train_B/000001.jpg"]
    assert main.group == side.group and (main.subset, side.subset) == ("main", "side")
    assert main.boxes == side.boxes == () and main.looked_for is None and side.looked_for == frozenset()
    assert scans["train_A/000000.jpg"].group != scans["test_A/000000.jpg"].group


def test_ldxray_side_view_that_is_missing_is_a_finding(tmp_path: Path) -> None:
    ldxray_fixture.build(tmp_path)
    (tmp_path / "train_B/000001.jpg").unlink()
    found = ldxray.ADAPTER.read(tmp_path)
    assert kinds(found) == {"missing scan": 1} and len(found.scans) == 5


def test_dvxray_none_is_a_clean_bag_and_views_share_a_group(tmp_path: Path) -> None:
    dvxray_fixture.build(tmp_path)
    found = dvxray.ADAPTER.read(tmp_path)
    scans = by_path(found)
    clean = [scans[f"DvXray_Negative_Samples/N00001_{view}.png"] for view in ("OL", "SD")]
    assert [(scan.boxes, scan.looked_for, scan.present) for scan in clean] == [((), None, frozenset())] * 2
    assert len({scan.group for scan in clean}) == 1 and [scan.subset for scan in clean] == ["OL", "SD"]
    assert found.labels[:2] == ("Gun", "Knife") and len(found.labels) == 15
    assert {scan.split for scan in found.scans} == {""}
    top, side = (scans[f"DvXray_Positive_Samples/P00001_{view}.png"].boxes[0].box_xyxy for view in ("OL", "SD"))
    assert top == (3, 4, 20, 12) and side == (5, 5, 15, 25)


def test_dvxray_difficult_is_in_the_bag_but_not_looked_for_in_that_view(tmp_path: Path) -> None:
    dvxray_fixture.build(tmp_path)
    scans = by_path(dvxray.ADAPTER.read(tmp_path))
    top, side = (scans[f"DvXray_Positive_Samples/P00001_{view}.png"] for view in ("OL", "SD"))
    assert (labels_of(top), top.present, "Knife" in (top.looked_for or ())) == (["Gun"], {"Knife"}, False)
    assert top.looked_for is not None and len(top.looked_for) == 14
    assert (labels_of(side), side.present, side.looked_for) == (["Gun", "Knife"], frozenset(), None)


def test_dvxray_difficult_beside_a_box_of_its_label_leaves_the_label_looked_for(tmp_path: Path) -> None:
    put_bag(
        tmp_path,
        "DvXray_Positive_Samples",
        "P1",
        [
            {"label": "Gun", "ol_bb": "difficult", "sd_bb": [1, 1, 5, 5]},
            {"label": "Gun", "ol_bb": [1, 1, 9, 9], "sd_bb": "x"},
        ],
    )
    found = dvxray.ADAPTER.read(tmp_path)
    assert [(scan.present, scan.looked_for) for scan in found.scans] == [({"Gun"}, None)] * 2
    assert kinds(found) == {"malformed box": 1}


@pytest.mark.parametrize("content", ['{"name": "P2", "obj', "[]", '{"objects": "none"}', '{"objects": null}'])
def test_dvxray_bags_that_cannot_be_read_are_left_out(tmp_path: Path, content: str) -> None:
    dvxray_fixture.build(tmp_path)
    put(tmp_path / "DvXray_Positive_Samples/P00002.json", content)
    found = dvxray.ADAPTER.read(tmp_path)
    assert kinds(found) == {"malformed annotation": 1} and len(found.scans) == 4


def test_dvxray_missing_views_and_pairs_without_json_are_noted(tmp_path: Path) -> None:
    dvxray_fixture.build(tmp_path)
    (tmp_path / "DvXray_Positive_Samples/P00001_SD.png").unlink()
    (tmp_path / "DvXray_Negative_Samples/N00001.json").unlink()
    found = dvxray.ADAPTER.read(tmp_path)
    assert kinds(found) == {"missing scan": 1, "missing annotation": 1} and len(found.scans) == 3


# --- outlines and LabelMe


def test_pixray_outlines_give_boxes_and_both_versions_agree(tmp_path: Path) -> None:
    pixray_fixture.build(tmp_path / "outlines")
    pixray_fixture.build_coco(tmp_path / "coco")
    outlines, as_coco = (pixray.ADAPTER.read(tmp_path / name) for name in ("outlines", "coco"))
    razor = by_path(outlines)["train_set/0001.png"].boxes[0]
    assert razor.box_xyxy == (3, 4, 20, 30) and razor.polygons == ((3, 4, 20, 4, 10, 30),)
    assert [scan.split for scan in outlines.scans] == ["test", "train"]
    assert outlines.scans[1].width == 40 and outlines.scans[1].height == 32
    boxes = [sorted((box.label, box.box_xyxy) for scan in s.scans for box in scan.boxes) for s in (outlines, as_coco)]
    assert boxes[0] == boxes[1]


@pytest.mark.parametrize(
    ("polygon", "kind"),
    [
        ([[1, 1], [2, 2]], "malformed polygon"),
        ([[1, 1], [2, float("nan")], [3, 1]], "number not finite"),
        ([[1, 1], [2, 1], [3, 1]], "box without area"),
        ("x", "malformed polygon"),
        ([[1, 1, 1], [2, 5, 1], [3, 1, 1]], "malformed polygon"),
    ],
)
def test_pixray_outlines_that_enclose_nothing_are_refused(tmp_path: Path, polygon: Any, kind: str) -> None:
    draw(tmp_path / "train_set/1.png", 20, 20)
    items = [{"label": "Gun", "polygon": polygon}, {"label": "Dart", "polygon": [[1, 1], [5, 1], [5, 5]]}]
    put(tmp_path / "train_set/1.json", json.dumps({"objects": items}))
    found = pixray.ADAPTER.read(tmp_path)
    assert kinds(found) == {kind: 1} and labels_of(found.scans[0]) == ["Dart"]
    assert found.scans[0].present == {"Gun"} and found.labels == ("Dart", "Gun")


def test_stcray_corners_in_any_order_and_clean_scans_without_json(tmp_path: Path) -> None:
    stcray_fixture.build(tmp_path)
    found = stcray.ADAPTER.read(tmp_path)
    scans = by_path(found)
    gun = scans["STCray_TrainSet/Images/Class 03_3D Gun/0001.jpg"]
    assert gun.boxes[0].box_xyxy == (10.5, 5, 30, 20) and (gun.width, gun.height) == (60, 33)
    clean = scans["STCray_TrainSet/Images/Class 22_Non Threat/0001.jpg"]
    assert (clean.boxes, clean.looked_for, clean.present) == ((), None, frozenset())
    assert found.labels == ("3D Gun", "Bullet", "Hammer", "Knife") and found.findings == ()
    assert {part: counts.scans for part, counts in stcray.ADAPTER.published.items()} == {"train": 37_316, "test": 9_326}


def test_stcray_threat_without_json_is_no_clean_scan(tmp_path: Path) -> None:
    stcray_fixture.build(tmp_path)
    train = tmp_path / "STCray_TrainSet"
    draw(train / "Images/Class 04_Knife/0002.jpg", 60, 33)
    draw(train / "Images/Class 21_Multilabel Threat/0002.jpg", 60, 33)
    put(train / "Json_BB/Class 04_Knife/0001_BB.json", '{"shapes": [{"la')
    put_labelme(train / "Json_BB/Class 04_Knife/0003.json", ("Knife", [[1, 1], [5, 5]]))
    found = stcray.ADAPTER.read(tmp_path)
    scans = by_path(found)
    for path, present in (
        ("Class 04_Knife/0001.jpg", {"Knife"}),
        ("Class 04_Knife/0002.jpg", {"Knife"}),
        ("Class 21_Multilabel Threat/0002.jpg", set()),
    ):
        scan = scans[f"STCray_TrainSet/Images/{path}"]
        assert (scan.boxes, scan.looked_for, scan.present) == ((), frozenset(), present)
    assert kinds(found) == {"malformed annotation": 1, "missing annotation": 2, "missing scan": 1}


def test_stcray_shapes_that_cannot_be_read_are_no_clean_scan(tmp_path: Path) -> None:
    stcray_fixture.build(tmp_path)
    put(tmp_path / "STCray_TrainSet/Json_BB/Class 04_Knife/0001_BB.json", '{"imageWidth": 60, "imageHeight": 33}')
    scan = by_path(stcray.ADAPTER.read(tmp_path))["STCray_TrainSet/Images/Class 04_Knife/0001.jpg"]
    assert (scan.boxes, scan.looked_for) == ((), frozenset())


def test_stcray_copies_share_the_group_of_their_original_and_others_are_left_out(tmp_path: Path) -> None:
    stcray_fixture.build(tmp_path)
    images = tmp_path / "STCray_Augmented/Threat_Items_Images"
    boxes = tmp_path / "STCray_Augmented/Threat_Items_Json_BB"
    # The last four: numbered by themselves, of no original, of another number, of a test scan perhaps.
    for name in ("04_Knife/0001_7", "04_Knife/0001", "04_Knife/0002_7", "04_Knife/00011_7", "22_Non Threat/0001_7"):
        draw(images / f"Class {name}.jpg", 60, 33)
        put_labelme(boxes / f"Class {name}.json", ("Knife", [[1, 2], [9, 8]]))
    found = stcray.ADAPTER.read(tmp_path)
    copies = [scan for scan in found.scans if scan.subset == "augmented"]
    assert [(scan.path.rpartition("/")[2], scan.split, scan.group) for scan in copies] == [
        ("0001_7.jpg", "train", "STCray_TrainSet/Images/Class 04_Knife/0001.jpg")
    ]
    original = by_path(found)["STCray_TrainSet/Images/Class 04_Knife/0001.jpg"]
    assert original.group == copies[0].group
    assert [(finding.kind, finding.message[:4]) for finding in found.findings] == [("copy without original", "4 x:")]


# --- prepared by ourselves


def test_prepared_scans_keep_source_group_and_what_was_looked_for(tmp_path: Path) -> None:
    roentgate_fixture.build(tmp_path)
    document = json.loads((tmp_path / "annotations/train.json").read_text())
    document["images"][2]["partial_category_ids"] = [2, 99]
    put(tmp_path / "annotations/train.json", json.dumps(document))
    found = roentgate_layout.ADAPTER.read(tmp_path)
    scans = by_path(found)
    top, other = scans["images/train/a_OL.png"], scans["images/train/b.png"]
    assert isinstance(top, PreparedScan) and isinstance(other, PreparedScan)
    assert (top.source, top.group, top.subset, top.scanner) == ("dvxray", "bag a", "OL", "north")
    assert scans["images/train/a_SD.png"].group == "bag a" and top.looked_for is None
    assert top.boxes[0].attributes == {"source_label": "Gun"} and top.partial == frozenset()
    assert (other.source, other.looked_for, other.partial) == ("sixray", {"gun"}, {"knife"})


def test_prepared_class_that_is_not_in_the_file_is_a_finding(tmp_path: Path) -> None:
    roentgate_fixture.build(tmp_path)
    document = json.loads((tmp_path / "annotations/val.json").read_text())
    document["images"][0]["annotated_category_ids"] = [1, 9, None]
    put(tmp_path / "annotations/val.json", json.dumps(document))
    found = roentgate_layout.ADAPTER.read(tmp_path)
    assert kinds(found) == {"unknown class": 2} and found.scans[-1].looked_for == {"gun"}


def test_a_folder_without_anything_to_read_is_refused_in_one_line(tmp_path: Path) -> None:
    adapters = [pidray.ADAPTER, dvxray.ADAPTER, stcray.ADAPTER, pixray.ADAPTER, ldxray.ADAPTER, roboflow.ADAPTER]
    for adapter in [*adapters, roentgate_layout.ADAPTER, clcxray.ADAPTER, iedxray.ADAPTER, coco_format.ADAPTER]:
        assert not adapter.recognise(tmp_path) and not adapter.recognise(tmp_path / "nowhere")
        with pytest.raises(SettingsInvalid) as refused:
            adapter.read(tmp_path)
        assert refused.value.remedy and str(tmp_path) in str(refused.value)
