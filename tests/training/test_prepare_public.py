"""Public layouts through the real adapters, side by side in one prepared folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2

from tests.training.fake_set import luggage
from training.datasets.check import check
from training.datasets.check_source import check_source
from training.datasets.coco_index import read_coco
from training.datasets.findings import Severity
from training.datasets.prepare import PrepareOptions, prepare
from training.datasets.recognition import recognise
from training.datasets.taxonomy import load_taxonomy


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), luggage(seed))


def text_set(folder: Path, kind: str, label: str, first_seed: int) -> Path:
    """OPIXray and HiXray: a text file a scan, train and test."""
    for split in ("train", "test"):
        stems = [f"{split}{number:03}" for number in range(10)]
        for number, stem in enumerate(stems):
            picture(folder / split / f"{split}_image" / f"{stem}.jpg", first_seed + number + 50 * (split == "test"))
            annotation = folder / split / f"{split}_annotation" / f"{stem}.txt"
            annotation.parent.mkdir(parents=True, exist_ok=True)
            annotation.write_text(f"{stem}.jpg {label} 4 4 30 30\n")
        (folder / split / f"{split}_{kind}.txt").write_text("\n".join(stems) + "\n")
    return folder


def dvxray(folder: Path, first_seed: int) -> Path:
    """Pairs of views, without official splits."""
    for number in range(30):
        clean = number % 2 == 0
        place = folder / ("DvXray_Negative_Samples" if clean else "DvXray_Positive_Samples")
        stem = f"{'N' if clean else 'P'}{number:05}"
        for offset, view in enumerate(("OL", "SD")):
            picture(place / f"{stem}_{view}.png", first_seed + 2 * number + offset)
        item = {"label": "Gun" if number % 4 == 1 else "Pressure_vessel", "ol_bb": [4, 4, 30, 30], "sd_bb": "difficult"}
        content = {"name": stem, "objects": "None" if clean else [item]}
        (place / f"{stem}.json").write_text(json.dumps(content))
    return folder


def images(data: Path) -> list[tuple[str, dict[str, Any], set[str]]]:
    """Split, entry, and names of the classes looked for."""
    found: list[tuple[str, dict[str, Any], set[str]]] = []
    for path in sorted((data / "annotations").glob("*.json")):
        document = json.loads(path.read_bytes())
        names = {category["id"]: category["name"] for category in document["categories"]}
        entries = ((entry, entry["annotated_category_ids"]) for entry in document["images"])
        found += [(path.stem, entry, {names[number] for number in numbers}) for entry, numbers in entries]
    return found


def test_three_public_sets_as_one(tmp_path: Path) -> None:
    paths = [
        text_set(tmp_path / "opi", "knife", "Folding_Knife", 0),
        text_set(tmp_path / "hi", "name", "Portable_Charger_1", 200),
        dvxray(tmp_path / "dv", 400),
    ]
    data = tmp_path / "data"
    prepared = prepare(paths, data, PrepareOptions(share=0.2))
    found = images(data)
    looked_for = {
        source: set.union(*(names for _, entry, names in found if entry["source"] == source))
        for source in ("opixray", "hixray", "dvxray")
    }
    assert looked_for["opixray"] == {"knife", "scissors"}
    assert looked_for["hixray"] >= {"powerbank", "laptop"} and not looked_for["hixray"] & {"lighter", "knife"}
    assert looked_for["dvxray"] >= {"gun", "pressure_can", "dart"} and not looked_for["dvxray"] & {
        "bullet",
        "powerbank",
    }
    assert {(entry["source"], split) for split, entry, _ in found if "test0" in entry["file_name"]} == {
        ("opixray", "test"),
        ("hixray", "test"),
    }
    bags = {(entry["group"], split) for split, entry, _ in found if entry["source"] == "dvxray"}
    assert len(bags) == 30, "two views, one bag, one split"
    assert {split for _, split in bags} == {"train", "val", "test"}
    assert prepared.left_out == 0 and not [finding for finding in check(data) if finding.severity is Severity.ERROR]
    assert len(read_coco(data, "train").scans) == prepared.counts["train"]["scans"]


def test_check_counts_against_what_opixray_published(tmp_path: Path) -> None:
    folder = text_set(tmp_path / "opi", "knife", "Folding_Knife", 0)
    checked = check_source(recognise(folder), load_taxonomy())
    assert checked.layout == "opixray" and checked.counts["train"].scans == 10
    lines = [finding.message for finding in checked.findings if finding.kind == "count unlike published"]
    assert "10 scans, 7,109 published: 7,099 missing" in lines
    assert "10 boxes, 1,589 published: 1,579 missing" in lines
