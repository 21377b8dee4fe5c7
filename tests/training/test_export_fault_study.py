"""Spoilt scans are inspected beside the same scans as they are, and counted by decision."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector import Decision
from detector.errors import SettingsInvalid
from tests.conftest import picture
from training.export_fault_study import FAULTS, chosen_scans, main, study
from training.scoring import detector_for


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


def test_scans_without_items_and_raw_ones_are_refused(probe: Path, tmp_path: Path) -> None:
    raw = prepared(tmp_path / "raw", [np.full((64, 64), 60_000, np.uint16)])
    with pytest.raises(SettingsInvalid, match="raw scan of 16 bits"):
        list(study(detector_for(probe), chosen_scans(raw, "val", 1)))
    (raw / "annotations" / "val.json").write_text(json.dumps({"images": [], "annotations": [], "categories": []}))
    with pytest.raises(SettingsInvalid):
        chosen_scans(raw, "val", 1)
