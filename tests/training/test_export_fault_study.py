"""Spoilt scans are inspected beside the same scans as they are, and counted by decision."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector import Decision
from detector.errors import SettingsInvalid
from tests.conftest import picture
from training.evaluation.scoring import detector_for
from training.studies.export_fault_study import FAULTS, chosen_scans, doubted, main, study


def prepared(folder: Path, pictures: list[np.ndarray]) -> Path:
    """Scans of which every second holds an item."""
    (folder / "images" / "val").mkdir(parents=True)
    (folder / "annotations").mkdir()
    images, annotations = [], []
    for number, image in enumerate(pictures, start=1):
        name = f"{number}.png"
        assert cv2.imwrite(str(folder / "images" / "val" / name), image)
        images.append({"id": number, "file_name": name, "height": image.shape[0], "width": image.shape[1]})
        if number % 2:
            annotations.append({"id": number, "image_id": number, "category_id": 1, "bbox": [32, 32, 64, 64]})
    document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "gun"}]}
    (folder / "annotations" / "val.json").write_text(json.dumps(document))
    return folder


def test_every_fault_is_done_to_the_same_scans_with_an_item(probe: Path, tmp_path: Path) -> None:
    # `probe` alarms on a dark middle: the negative of a light one.
    data = prepared(tmp_path, [picture(middle=middle) for middle in (250, 20, 250, 20, 20)])
    outcomes = {one.fault: one.rates for one in study(detector_for(probe), chosen_scans(data, "val", 99))}
    assert list(outcomes) == list(FAULTS)
    assert all(sum(rate.count for rate in rates.values()) == 3 for rates in outcomes.values())
    assert (outcomes["as it is"][Decision.CLEAR].count, outcomes["as it is"][Decision.ALARM].count) == (2, 1)
    for fault in ("0.6 of its brightness", "blurred, deviation 3 px", "negative"):
        assert outcomes[fault][Decision.CLEAR].count == 0, fault


def test_the_same_scans_are_chosen_and_a_line_is_printed_for_each_fault(
    probe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = prepared(tmp_path, [picture()] * 9)
    assert [scan.name for scan in chosen_scans(data, "val", 3)] == [scan.name for scan in chosen_scans(data, "val", 3)]
    main([str(data), "--weights", str(probe), "--scans", "2"])
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("doubted as they are: 0.0% (0 of 9; ")
    assert len(told) == 1 + len(FAULTS) and told[1].startswith("as it is: CLEAR 100.0% (2 of 2; ")


def test_scans_of_one_bag_widen_the_rates(probe: Path, tmp_path: Path) -> None:
    data = prepared(tmp_path, [picture(middle=250 if number < 12 else 20) for number in range(24)])
    apart = chosen_scans(data, "val", 99)
    bags = [replace(scan, group="light" if int(scan.path.stem) <= 12 else "dark") for scan in apart]
    one, other = (next(study(detector_for(probe), scans)).rates[Decision.CLEAR].interval for scans in (apart, bags))
    assert one is not None and other is not None and other[0] < one[0] and other[1] > one[1]
    sharp, blurred = picture(), np.asarray(cv2.GaussianBlur(picture(middle=20), (0, 0), 6))
    data = prepared(tmp_path / "doubted", [blurred if number < 12 else sharp for number in range(24)])
    apart = chosen_scans(data, "val", 99)
    bags = [replace(scan, group="blurred" if int(scan.path.stem) <= 12 else "sharp") for scan in apart]
    one, other = (doubted(scans).interval for scans in (apart, bags))
    assert one is not None and other is not None and other[0] < one[0] and other[1] > one[1]


def test_a_grey_scan_has_no_colours_to_swap() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert (FAULTS["red and blue swapped"](grey) == grey).all()
    coloured = np.stack([grey, grey + 50, grey + 100], axis=2)
    assert (FAULTS["red and blue swapped"](coloured) == coloured[..., [2, 1, 0]]).all()


def test_scans_without_items_and_raw_ones_are_refused(probe: Path, tmp_path: Path) -> None:
    raw = prepared(tmp_path / "raw", [np.full((64, 64), 60_000, np.uint16)])
    with pytest.raises(SettingsInvalid, match="raw scan of 16 bits"):
        list(study(detector_for(probe), chosen_scans(raw, "val", 1)))
    (raw / "annotations" / "val.json").write_text(json.dumps({"images": [], "annotations": [], "categories": []}))
    with pytest.raises(SettingsInvalid):
        chosen_scans(raw, "val", 1)
