"""Variations of scans: boxes stay with their items, physics with the pixels, and a seed with its result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from detector.errors import SettingsInvalid
from training.augmentation import (
    LEAST_ITEM_SIDE,
    Augmentation,
    PhotonNoise,
    SourceGain,
    Stripes,
    Thickness,
)
from training.datasets.coco_index import AnnotatedScan, CocoIndex, read_coco
from training.datasets.preview import read_picture
from training.recipe import AugmentationSettings, Recipe
from training.samples.augmentation_preview import SHOWN, preview_augmentations
from training.samples.combining import Scene, background_mixup, mosaic
from training.samples.training_stream import TrainingStream
from training.simulation import simulate_dataset

OFF: dict[str, Any] = {
    "flip": 0, "quarter_turn": 0, "zoom": (1, 1), "shift": 0, "thickness": 1, "hue": 0, "saturation": 0, "degrade": 0,
    "projection": 0,
}  # fmt: skip


def settings(**changes: Any) -> AugmentationSettings:
    return AugmentationSettings.model_validate({**OFF, **changes})


def scan_with_item(level: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    image = np.full((64, 64, 3), 255, np.uint8)
    image[8:24, 16:40] = level
    return image, np.array([[16, 8, 40, 24]], np.float32), np.array([1], np.int64)


def test_thickness_is_a_power_of_transmission() -> None:
    image = np.array([[[255, 128, 0]]], np.uint8)
    assert Thickness(2.0, 1.0).apply(image, factor=2.0)[0, 0].tolist() == [255, 64, 0]


def test_boxes_move_with_pixels_and_a_seed_gives_the_same_scan() -> None:
    image, boxes, ids = scan_with_item()
    vary = Augmentation(AugmentationSettings(degrade=0, hue=0, saturation=0))
    for seed in range(12):
        varied, moved, kept = vary(image, boxes, ids, seed)
        again = vary(image, boxes, ids, seed)
        assert (varied == again[0]).all() and (moved == again[1]).all()
        if len(kept):
            dark = np.argwhere(varied[:, :, 0] < 128)
            found = [dark[:, 1].min(), dark[:, 0].min(), dark[:, 1].max() + 1, dark[:, 0].max() + 1]
            assert moved[0] == pytest.approx(found, abs=2.0)


@pytest.mark.parametrize("name", ["palette", "gain", "photon_noise", "stripes", "grey"])
def test_what_is_off_changes_nothing_and_what_is_on_repeats_itself(name: str) -> None:
    image, boxes, ids = scan_with_item()
    image[30:50, 10:50] = (226, 142, 66)
    assert (Augmentation(settings())(image, boxes, ids, 5)[0] == image).all()
    vary = Augmentation(settings(**{name: 1}))
    results = [vary(image, boxes, ids, seed)[0] for seed in (1, 1, 2)]
    assert (results[0] == results[1]).all()
    assert any((result != image).any() for result in results)
    assert vary(image, boxes, ids, 1)[1].tolist() == boxes.tolist()
    assert (results[2] != results[0]).any() or name == "grey"


def test_zooming_out_stops_before_small_items_vanish() -> None:
    image = np.full((200, 200, 3), 255, np.uint8)
    ids = np.array([0], np.int64)
    vary = Augmentation(settings(zoom=(0.3, 1.0)))

    def narrowest(side: int) -> float:
        boxes = np.array([[90, 90, 90 + side, 120 + side]], np.float32)
        moved = [vary(image, boxes, ids, seed)[1] for seed in range(30)]
        return min(float(box[0, 2] - box[0, 0]) for box in moved if len(box))

    assert LEAST_ITEM_SIDE - 0.1 <= narrowest(10) < 9.5
    assert narrowest(80) < 40
    assert narrowest(5) == pytest.approx(5, abs=0.1)


def test_photon_noise_grows_behind_dense_things_relative_to_what_comes_through() -> None:
    noise = PhotonNoise(p=1.0)
    spread = []
    for level in (250, 60, 15):
        flat = np.full((128, 128, 3), level, np.uint8)
        noisy = noise.apply(flat, photons=2000.0, offset=(1000, 3)).astype(float)
        assert (noisy[..., 0] == noisy[..., 1]).all()
        spread.append(noisy.std() / level)
    assert spread == sorted(spread) and spread[2] > 3 * spread[0]


def test_a_weaker_source_scales_transmission_and_a_stronger_one_saturates() -> None:
    image = np.array([[[200, 100, 250]]], np.uint8)
    assert SourceGain(p=1.0).apply(image, factor=0.9)[0, 0].tolist() == [180, 90, 225]
    assert SourceGain(p=1.0).apply(image, factor=1.1)[0, 0].tolist() == [220, 110, 255]


@pytest.mark.parametrize("upright", [False, True])
def test_stripes_run_along_the_belt_and_dead_cells_are_lines(upright: bool) -> None:
    image = np.full((50, 70, 3), 180, np.uint8)
    dead = [(0.5, False)]
    out = Stripes(p=1.0).apply(image, upright=upright, spread=0.02, dead=dead, seed=3)
    lines = out.swapaxes(0, 1) if upright else out
    assert (lines == lines[:, :1]).all()
    black = np.flatnonzero((lines[:, 0] == 0).all(axis=1))
    assert len(black) == 1
    others = np.delete(lines[:, 0, 0].astype(float), black)
    assert 0 < others.std() < 8 and others.mean() == pytest.approx(180, abs=2)
    assert (image == 180).all()


def scene(level: int, box: list[float], annotated: list[bool], side: int = 128) -> Scene:
    image = np.full((side, side, 3), 255, np.uint8)
    x1, y1, x2, y2 = (int(value) for value in box)
    image[y1:y2, x1:x2] = level
    return Scene(image, np.array([box], np.float32), np.array([0], np.int64), np.array(annotated))


def test_a_mosaic_holds_four_scans_and_looks_for_what_all_of_them_did() -> None:
    scenes = [scene(10, [32, 32, 96, 96], [True, True, False]) for _ in range(3)]
    scenes.append(scene(10, [60, 60, 64, 64], [False, True, True]))
    combined = mosaic(scenes, np.random.default_rng(0), least_side=8)
    # The fourth would shrink its small item to nothing, so it is left out, and with it what it did not look for.
    assert len(combined.boxes) == 3 and combined.annotated.tolist() == [True, True, False]
    for x1, y1, x2, y2 in np.rint(combined.boxes).astype(int):
        assert combined.image[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].max() < 60
    assert (combined.image < 128).all(axis=2).sum() == pytest.approx(
        float((combined.boxes[:, 2:] - combined.boxes[:, :2]).prod(axis=1).sum()), rel=0.15
    )


def test_background_mixup_multiplies_and_drops_what_it_hides() -> None:
    first = scene(128, [32, 32, 96, 96], [True, True, False])
    clean = Scene(
        np.full((128, 128, 3), 128, np.uint8), np.zeros((0, 4), np.float32), np.zeros(0, np.int64), first.annotated
    )
    mixed = background_mixup(first, clean)
    assert mixed.image[64, 64].tolist() == pytest.approx([64] * 3, abs=1)
    assert mixed.image[4, 4].tolist() == pytest.approx([128] * 3, abs=1)
    assert len(mixed.boxes) == 1
    dark = Scene(np.full((128, 128, 3), 9, np.uint8), clean.boxes, clean.class_ids, np.array([False, True, True]))
    hidden = background_mixup(first, dark)
    assert len(hidden.boxes) == 0 and hidden.annotated.tolist() == [False, True, False]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("box", [[10.1, 10.1, 10.4, 90], [127.6, 10, 128, 90], [10, 127.7, 90, 128]])
def test_background_mixup_keeps_an_item_that_is_thinner_than_a_pixel(box: list[float]) -> None:
    thin = replace(scene(128, [32, 32, 96, 96], [True, True, False]), boxes=np.array([box], np.float32))
    clean = replace(thin, image=np.full((128, 128, 3), 128, np.uint8), boxes=thin.boxes[:0], class_ids=np.zeros(0, int))
    assert len(background_mixup(thin, clean).boxes) == 1


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    simulate_dataset(folder, scans=16, seed=1)
    return folder


def recipe(**augmentation: Any) -> Recipe:
    values = {"model": "yolox-nano", "input_size": 128, "steps": 8, "batch_size": 2, "validate_every": 8}
    return Recipe.model_validate({**values, "augmentation": augmentation})


@pytest.mark.parametrize(
    "everything",
    [
        {"projection": 1, "palette": 1, "gain": 1, "photon_noise": 1, "stripes": 1, "background_mixup": 1},
        {"projection": 1, "mosaic": 1, "projection_opaque": True, "projection_clutter": 1.0, "grey": 0.5},
    ],
)
def test_a_sample_is_a_function_of_its_position_with_everything_on(data: Path, everything: dict[str, Any]) -> None:
    index = read_coco(data, "train")
    forward, backward = (TrainingStream(index, recipe(**everything)) for _ in range(2))
    first = [forward[position] for position in range(14)]
    second = [backward[position] for position in reversed(range(14))][::-1]
    for (image, target), (other, same) in zip(first, second, strict=True):
        assert (image == other).all() and image.shape == (128, 128, 3)
        assert (target.boxes_xyxy == same.boxes_xyxy).all() and (target.class_ids == same.class_ids).all()
        assert (target.annotated == same.annotated).all()
        boxes = target.boxes_xyxy
        assert ((boxes[:, 2:] > boxes[:, :2]).all() and (boxes >= 0).all() and (boxes <= 128).all()) or not len(boxes)


def test_projection_adds_items_and_leaves_what_was_looked_for(data: Path) -> None:
    index = read_coco(data, "train")
    plain, projected = (TrainingStream(index, recipe(**{**OFF, "projection": share})) for share in (0, 1))
    counts = np.array([(len(plain[n][1].class_ids), len(projected[n][1].class_ids)) for n in range(14)])
    assert (counts[:, 1] >= counts[:, 0]).all() and (counts[:, 1] > counts[:, 0]).mean() > 0.6
    assert all((plain[n][1].annotated == projected[n][1].annotated).all() for n in range(14))


@pytest.mark.parametrize(
    ("tile_pixels", "variation"), [(128, {}), (1280, {"zoom": (1.8, 1.8), "shift": 0.3})], ids=["tiles", "zoom"]
)
def test_what_is_cut_off_is_no_background(tile_pixels: int, variation: dict[str, Any], tmp_path: Path) -> None:
    picture = np.full((128, 300, 3), 255, np.uint8)
    picture[40:80, 100:228] = (0, 0, 120)
    path = tmp_path / "bag.png"
    assert cv2.imwrite(str(path), picture)
    box, ids = np.array([[100, 40, 228, 80]], np.float32), np.array([1], np.int64)
    scan = AnnotatedScan(path, 300, 128, "s", box, ids, np.zeros(1, np.bool_), np.ones(3, np.bool_))
    look = recipe(**{**OFF, **variation}).model_copy(update={"tile_pixels": tile_pixels, "steps": 20})
    stream = TrainingStream(CocoIndex(("gun", "knife", "lighter"), (scan,)), look)
    cut_off = 0
    for image, target in (stream[position] for position in range(40)):
        shown = (image.min(axis=2) < 100).sum()
        assert target.annotated[[0, 2]].all()
        if not len(target.class_ids) and shown > 20:
            cut_off += 1
            assert not target.annotated[1]
        if len(target.class_ids):
            assert target.annotated[1] and target.class_ids.tolist() == [1]
    assert cut_off


def test_the_last_steps_are_plain(data: Path) -> None:
    plain = {**OFF, "palette": 1, "projection": 1, "photon_noise": 1}
    stream = TrainingStream(read_coco(data, "train"), recipe(**plain).model_copy(update={"plain_share": 0.5}))
    bare = TrainingStream(read_coco(data, "train"), recipe(**OFF))
    assert (stream[15][0] == bare[15][0]).all()
    assert (stream[1][0] != bare[1][0]).any()


def test_every_switch_of_the_recipe_has_its_picture(data: Path, tmp_path: Path) -> None:
    sheet = read_picture(preview_augmentations(data, "train", tmp_path / "sheet.png"))
    assert sheet.shape[0] > sheet.shape[1] and sheet.std() > 20
    switches = set(AugmentationSettings.model_fields)
    # Drawn from several scans rather than by one switch.
    elsewhere = {name for name in switches if name.startswith(("projec", "mosaic", "background"))}
    assert switches - elsewhere == {key for changes in SHOWN.values() for key in changes}


def test_no_scan_with_an_item_is_no_preview(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = CocoIndex(("gun",), ())
    monkeypatch.setattr("training.samples.augmentation_preview.read_coco", lambda *_: empty)
    with pytest.raises(SettingsInvalid, match="no scan with an item"):
        preview_augmentations(data, "train", tmp_path / "sheet.png")
