from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from detector.palette import unknown_share
from training.cli import app
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.shipping.known_colours import LEAST_SCANS, colours_told, known_colours, with_scanners_of

UInt8 = NDArray[np.uint8]


def scan_of(folder: Path, scanner: str, number: int, hue: int, group: str = "") -> AnnotatedScan:
    """64 x 64 pixels in shades of one hue, OpenCV's 0..179, as bright as another bag is."""
    rng = np.random.default_rng([hue, number])
    hsv = np.full((64, 64, 3), 255, np.uint8)
    hsv[8:56, 8:56, 0] = hue
    hsv[8:56, 8:56, 2] = rng.integers(80, 230, (48, 48))
    hsv[:8, :, 1] = hsv[56:, :, 1] = hsv[:, :8, 1] = hsv[:, 56:, 1] = 0
    path = folder / f"{scanner}_{number}.png"
    assert cv2.imwrite(str(path), cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR))
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, bool)
    return AnnotatedScan(path, 64, 64, scanner, *nothing, np.ones(1, bool), group=group or path.name, scanner=scanner)


def indexed(*scans: AnnotatedScan) -> CocoIndex:
    return CocoIndex(("gun",), scans)


@pytest.fixture(scope="module")
def hues(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[AnnotatedScan]]:
    folder = tmp_path_factory.mktemp("hues")
    return {
        name: [scan_of(folder, name, number, hue) for number in range(LEAST_SCANS + 20)]
        for name, hue in (("orange", 10), ("blue", 110), ("also blue", 110))
    }


def train_and_val(hues: dict[str, list[AnnotatedScan]]) -> tuple[CocoIndex, CocoIndex]:
    return (
        indexed(*(scan for scans in hues.values() for scan in scans[:LEAST_SCANS])),
        indexed(*(scan for scans in hues.values() for scan in scans[LEAST_SCANS:])),
    )


def image(scan: AnnotatedScan) -> UInt8:
    return np.asarray(cv2.imread(str(scan.path))[:, :, ::-1], np.uint8)


def test_a_scanner_of_its_own_colours_is_told_and_one_of_known_colours_is_not(
    hues: dict[str, list[AnnotatedScan]],
) -> None:
    told = {one.scanner: one for one in colours_told(*train_and_val(hues))}
    assert told["orange"].unknown.value == 1 and told["orange"].unknown.total == LEAST_SCANS
    assert (told["blue"].unknown.value or 0) < 0.1 and (told["also blue"].unknown.value or 0) < 0.1
    for one in told.values():
        assert one.known.total == 20 and one.known.count <= 2


def test_one_in_a_hundred_known_scans_has_more_than_is_allowed(hues: dict[str, list[AnnotatedScan]]) -> None:
    train, _ = train_and_val(hues)
    colours = known_colours(train)
    assert colours is not None and set(colours.palettes) == set(hues)
    assert all(unknown_share(image(scan), colours.unpacked()) <= colours.allowed for scan in train.scans)


def test_a_bag_does_not_vouch_for_its_own_colours_and_an_odd_one_not_for_all(tmp_path: Path) -> None:
    usual = [scan_of(tmp_path, "s", number, 10) for number in range(40)]
    odd = [scan_of(tmp_path, "s", 100 + number, 60, group="one bag") for number in range(2)]
    colours = known_colours(indexed(*usual, *odd))
    assert colours is not None and colours.allowed == 0.05
    assert colours.basis.startswith("2 of 42 scans have more")
    alone = known_colours(indexed(*usual))
    assert alone is not None and alone.allowed < 0.05


def test_scans_that_name_no_bag_vouch_for_each_other(hues: dict[str, list[AnnotatedScan]]) -> None:
    train, _ = train_and_val(hues)
    alone = known_colours(indexed(*(replace(scan, group="") for scan in train.scans)))
    assert alone == known_colours(train)


def dimmed(scans: list[AnnotatedScan], brightness: float, folder: Path) -> list[AnnotatedScan]:
    """The same bags, exported darker."""
    copies = [replace(scan, path=folder / scan.path.name, name="") for scan in scans]
    for scan, copy in zip(scans, copies, strict=True):
        assert cv2.imwrite(str(copy.path), (brightness * cv2.imread(str(scan.path))).astype(np.uint8))
    return copies


def test_a_darkened_scan_has_the_colours_of_its_scanner_but_not_its_air(
    hues: dict[str, list[AnnotatedScan]], tmp_path: Path
) -> None:
    dim = dimmed(hues["orange"], 0.8, tmp_path)
    bright = known_colours(indexed(*hues["orange"]))
    assert bright is not None and [palette.air for palette in bright.palettes["orange"]] == [(255, 255)]
    assert [unknown_share(image(scan), bright.unpacked()) for scan in dim[:3]] == [1, 1, 1]
    # Another scanner's air is as dark: its colours tell. And a scanner that exports both ways is known in both.
    blue = known_colours(indexed(*hues["orange"], *dimmed(hues["blue"], 0.8, tmp_path)))
    assert blue is not None and [palette.air for palette in blue.palettes["blue"]] == [(204, 204)]
    assert unknown_share(image(dim[0]), blue.unpacked()) > 0.5
    both = known_colours(indexed(*hues["orange"], *dim))
    assert both is not None and [palette.air for palette in both.palettes["orange"]] == [(204, 204), (255, 255)]
    assert unknown_share(image(dim[0]), both.unpacked()) <= both.allowed


def test_scanners_with_few_scans_share_a_palette(hues: dict[str, list[AnnotatedScan]]) -> None:
    few = known_colours(indexed(*hues["orange"][:30], *hues["blue"][:30]))
    assert few is not None and list(few.palettes) == ["others"]
    assert known_colours(indexed()) is None
    told = colours_told(indexed(*hues["orange"][:30], *hues["blue"]), indexed(*hues["orange"][30:40]))
    assert [(one.scanner, one.known.total) for one in told] == [("blue", 0), ("others", 10)]
    assert colours_told(indexed(), indexed()) == colours_told(indexed(*hues["blue"]), indexed()) == []


def test_scans_that_alarm_scores_are_chosen_on_become_known_and_no_others(
    hues: dict[str, list[AnnotatedScan]], tmp_path: Path
) -> None:
    blue = known_colours(indexed(*hues["blue"]))
    assert blue is not None
    odd = scan_of(tmp_path, "orange", 999, 60)
    both = with_scanners_of(blue, indexed(*hues["orange"][:50], odd))
    assert set(both.palettes) == {"blue", "others"} and both.palettes["blue"] == blue.palettes["blue"]
    known = both.unpacked()
    assert np.mean([unknown_share(image(scan), known) <= both.allowed for scan in hues["orange"][:50]]) > 0.8
    # One odd scan among them must not open the door to what is unknown to all.
    assert both.allowed == blue.allowed and blue.basis in both.basis
    # Scans of a scanner that is known change nothing, nor do a handful of another.
    assert with_scanners_of(blue, indexed(*hues["blue"])) == blue
    assert with_scanners_of(blue, indexed(*hues["orange"][:19])) == blue


def test_the_command_tells_every_scanner_with_n_and_interval(
    hues: dict[str, list[AnnotatedScan]], tmp_path: Path
) -> None:
    (tmp_path / "annotations").mkdir()
    for split, index in zip(("train", "val"), train_and_val(hues), strict=True):
        (tmp_path / "images" / split).mkdir(parents=True)
        images = []
        for number, scan in enumerate(index.scans):
            (tmp_path / "images" / split / scan.path.name).symlink_to(scan.path)
            entry = {"id": number, "file_name": scan.path.name, "width": 64, "height": 64}
            images.append(entry | {"source": scan.scanner, "scanner": scan.scanner})
        document = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "gun"}]}
        (tmp_path / "annotations" / f"{split}.json").write_text(json.dumps(document))
    result = CliRunner().invoke(app, ["data", "colours", str(tmp_path)], env={"COLUMNS": "120"})
    assert result.exit_code == 0, result.output
    assert "100.0% (100 of 100; 96.4%-100.0%)" in next(line for line in result.output.splitlines() if "orange" in line)
