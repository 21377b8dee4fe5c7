"""Which scan comes when: by class, by source, by what a network finds hard; always a function of the position."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector.detections import Detections
from detector.errors import SettingsInvalid
from training.datasets.coco_index import AnnotatedScan, CocoIndex, read_coco
from training.evaluation.hard_negatives import MOST_ALARM, MOST_WEIGHT, emphasise, write_emphasis
from training.recipe import Recipe
from training.samples.sampling import SampleOrder, emphasis_factors, repeat_factors, sampling_weights, source_factors

NAMES = ("gun", "knife", "lighter")


def scan_of(
    class_ids: list[int], name: str = "x.png", source: str = "s", annotated: tuple[bool, ...] = (True, True, True)
) -> AnnotatedScan:
    boxes = np.tile(np.array([[10, 10, 40, 40]], np.float32), (len(class_ids), 1))
    ids, path = np.array(class_ids, np.int64), Path("/data/images/train") / name
    scan = AnnotatedScan(path, 64, 64, source, boxes, ids, np.zeros(len(ids), np.bool_), np.array(annotated))
    return replace(scan, name=f"train/{name}")


def found(*scored: tuple[int, float]) -> Detections:
    count = len(scored)
    return Detections(
        np.tile(np.array([[0, 0, 9, 9]], np.float32), (count, 1)),
        np.array([score for _, score in scored], np.float32),
        np.array([class_id for class_id, _ in scored], np.int64),
        np.zeros(count, np.int64),
        NAMES,
    )


def test_rare_classes_and_clean_scans_are_repeated_by_the_root_of_their_rarity() -> None:
    index = CocoIndex(NAMES, tuple([scan_of([1])] * 90 + [scan_of([0])] * 9 + [scan_of([])]))
    factors = repeat_factors(index, share=0.36)
    assert factors[0] == 1
    assert factors[90] == pytest.approx(2.0)
    assert factors[99] == pytest.approx(6.0)


def test_the_order_is_a_function_of_seed_and_position_and_balanced() -> None:
    weights = np.array([1.0, 1.0, 2.0, 4.0])
    order = SampleOrder(weights, seed=3)
    forward = [order[position] for position in range(400)]
    other = SampleOrder(weights, seed=3)
    assert [other[position] for position in reversed(range(400))] == forward[::-1]
    assert [SampleOrder(weights, seed=4)[position] for position in range(400)] != forward
    assert np.bincount(forward) / 400 == pytest.approx(weights / 8, abs=0.02)


def test_sources_come_equally_often_when_asked_for() -> None:
    index = CocoIndex(NAMES, tuple([scan_of([1], source="a")] * 30 + [scan_of([1], source="b")] * 10))
    ones = np.ones(len(index))
    even, untouched = source_factors(index, 1.0, ones), source_factors(index, 0.0, ones)
    assert even[:30].sum() == pytest.approx(even[30:].sum()) and (untouched == 1).all()
    half = source_factors(index, 0.5, ones)
    assert half[30:].sum() / half.sum() == pytest.approx(np.sqrt(10) / (np.sqrt(10) + np.sqrt(30)))


@pytest.mark.parametrize(("evenness", "share"), [(1.0, 0.5), (0.0, None)])
def test_sources_come_equally_often_whatever_their_classes_weigh(evenness: float, share: float | None) -> None:
    """The few scans of one source hold the rare class, which repeat factors draw often by themselves."""
    index = CocoIndex(NAMES, tuple([scan_of([1], source="big")] * 990 + [scan_of([0], source="small")] * 10))
    recipe = Recipe(model="yolox-nano", steps=1, balance_share=0.15, balance_sources=evenness)
    weights = sampling_weights(index, recipe)
    by_class = repeat_factors(index, 0.15)
    expected = by_class[990:].sum() / by_class.sum() if share is None else share
    assert weights[990:].sum() / weights.sum() == pytest.approx(expected)


def test_scans_that_raise_false_alarms_are_emphasised_and_no_others(tmp_path: Path) -> None:
    only_gun = (True, False, False)
    scans = [
        scan_of([], "worst.png"),
        scan_of([0], "has_it.png", annotated=only_gun),
        scan_of([0], "has_one_sees_other.png"),
        scan_of([], "not_looked_for.png", annotated=only_gun),
        scan_of([], "quiet.png"),
        *[scan_of([0], f"filler_{number}.png") for number in range(10)],
    ]
    # Shares of the alarm scores: 1.8, none, 1, none (not looked for), 0.1.
    seen = [found((0, 0.9), (1, 0.2)), found((0, 0.95)), found((1, 0.2)), found((1, 0.99)), found((0, 0.05))]
    index = CocoIndex(NAMES, tuple(scans))
    emphasis = emphasise(index, [*seen, *[found()] * 10], dict(zip(NAMES, (0.5, 0.2, 0.5), strict=True)))
    assert list(emphasis) == ["train/worst.png", "train/has_one_sees_other.png"]
    assert emphasis["train/worst.png"] == pytest.approx(1 + (MOST_WEIGHT - 1) * 1.8 / MOST_ALARM)
    write_emphasis(emphasis, tmp_path / "emphasis.json")
    factors = emphasis_factors(index, tmp_path / "emphasis.json")
    assert factors[0] == emphasis["train/worst.png"] and (factors[3:] == 1).all()
    recipe = Recipe(model="yolox-nano", steps=1, emphasis=str(tmp_path / "emphasis.json"), balance_share=0)
    assert sampling_weights(index, recipe) == pytest.approx(factors)


def test_hard_negatives_need_scans_known_to_be_clean() -> None:
    index = CocoIndex(NAMES, (scan_of([0], annotated=(True, False, False)),))
    with pytest.raises(SettingsInvalid, match="clean"):
        emphasise(index, [found()], dict.fromkeys(NAMES, 0.5))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", "no JSON object"),
        ('{"train/x.png": 0}', "weights above 0"),
        ('{"train/x.png": NaN}', "weights above 0"),
        ('{"train/x.png": "2"}', "weights above 0"),
        ('{"train/y.png": 2}', "1 scans are not in the data, first train/y.png"),
        ("{", "emphasis file"),
    ],
)
def test_an_emphasis_file_that_does_not_fit_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "emphasis.json"
    path.write_text(content)
    with pytest.raises(SettingsInvalid, match=message):
        emphasis_factors(CocoIndex(NAMES, (scan_of([0]),)), path)
    with pytest.raises(SettingsInvalid, match="No such file"):
        emphasis_factors(CocoIndex(NAMES, (scan_of([0]),)), tmp_path / "missing.json")


def test_a_scan_is_emphasised_by_the_name_that_its_annotations_give_it_and_no_other(tmp_path: Path) -> None:
    names = ["eds/domain1/images/x.png", "eds/domain2/images/x.png", "x.png"]
    for name in names:
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "images" / name), np.zeros((64, 64), np.uint8))
    images = [{"id": number, "file_name": name, "width": 64, "height": 64} for number, name in enumerate(names)]
    categories = [{"id": number, "name": name} for number, name in enumerate(NAMES)]
    (tmp_path / "annotations").mkdir()
    document = {"images": images, "annotations": [], "categories": categories}
    (tmp_path / "annotations" / "train.json").write_text(json.dumps(document))
    index = read_coco(tmp_path, "train")
    emphasis = emphasise(index, [found((0, 0.9)), found(), found()], dict.fromkeys(NAMES, 0.5))
    assert list(emphasis) == names[:1]
    write_emphasis(emphasis, tmp_path / "emphasis.json")
    assert emphasis_factors(index, tmp_path / "emphasis.json") == pytest.approx([emphasis[names[0]], 1, 1])
    write_emphasis({"x.png": 2.0}, tmp_path / "emphasis.json")
    assert emphasis_factors(index, tmp_path / "emphasis.json").tolist() == [1, 1, 2]
    write_emphasis({"images/x.png": 2.0}, tmp_path / "emphasis.json")
    with pytest.raises(SettingsInvalid, match="1 scans are not in the data, first images/"):
        emphasis_factors(index, tmp_path / "emphasis.json")


def test_emphasis_on_a_scan_that_the_recipe_leaves_out_is_no_fault(tmp_path: Path) -> None:
    index = CocoIndex(NAMES, (scan_of([1], "a.png"), scan_of([], "b.png")), kept_out=frozenset({"train/c.png"}))
    path = tmp_path / "emphasis.json"
    path.write_text(json.dumps({"train/b.png": 3.0, "train/c.png": 2.0}))
    assert emphasis_factors(index, path).tolist() == [1.0, 3.0]
    path.write_text(json.dumps({"train/d.png": 2.0}))
    with pytest.raises(SettingsInvalid, match=r"first train/d\.png"):
        emphasis_factors(index, path)


def test_a_scan_without_a_name_has_that_of_its_file() -> None:
    assert replace(scan_of([], "belt/x.png"), name="").name == "x.png"


def test_a_full_disk_leaves_the_emphasis_file_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "emphasis.json"
    write_emphasis({"a.png": 2.0}, path)
    before = path.read_bytes()

    def full(self: Path, *_: object, **__: object) -> int:
        self.touch()
        with self.open("w") as file:
            file.write("{")
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        write_emphasis({"b.png": 3.0}, path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
