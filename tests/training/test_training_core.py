"""Sampling, assignment, masking, projection, schedule: what decides whether a training learns the right thing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from detector.errors import SettingsInvalid
from training.augmentation import Augmentation, Thickness
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.models.assignment import assign_by_task_alignment
from training.models.dense_losses import classification_loss
from training.models.interface import Target
from training.models.table import build
from training.module import at_step_size, parameter_groups, rate_factor
from training.recipe import RECIPES, AugmentationSettings, Recipe, resolve_recipe
from training.sampling import SampleOrder, repeat_factors
from training.threat_projection import project, take_out

NAMES = ("gun", "knife", "lighter")


def scan_of(class_ids: list[int]) -> AnnotatedScan:
    boxes = np.tile(np.array([[10, 10, 40, 40]], np.float32), (len(class_ids), 1))
    ids = np.array(class_ids, np.int64)
    return AnnotatedScan(Path("x.png"), 64, 64, "s", boxes, ids, np.zeros(len(ids), bool), np.ones(3, bool))


def target_of(boxes: list[list[float]], class_ids: list[int], annotated: list[bool]) -> Target:
    return Target(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(class_ids, dtype=torch.int64),
        torch.tensor(annotated),
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


def test_a_class_that_was_not_annotated_gives_no_gradient_and_another_does() -> None:
    logits = torch.zeros(2, 5, 3, requires_grad=True)
    annotated = torch.tensor([[True, False, True], [True, True, True]])
    classification_loss(logits, torch.zeros(2, 5, 3), annotated).backward()
    assert logits.grad is not None
    assert (logits.grad[0, :, 1] == 0).all()
    assert (logits.grad[1, :, 1] > 0).all() and (logits.grad[0, :, 0] > 0).all()


def test_an_item_projected_into_a_scan_that_did_not_look_for_it_is_still_learned() -> None:
    logits = torch.zeros(1, 5, 3, requires_grad=True)
    scores = torch.zeros(1, 5, 3)
    scores[0, 2, 1] = 0.8
    classification_loss(logits, scores, torch.tensor([[True, False, True]])).backward()
    assert logits.grad is not None
    assert logits.grad[0, 2, 1] < 0
    assert (logits.grad[0, [0, 1, 3, 4], 1] == 0).all()


def test_assignment_gives_each_box_its_own_anchors_inside_it() -> None:
    centres = torch.stack(torch.meshgrid(torch.arange(4, 64, 8), torch.arange(4, 64, 8), indexing="xy"), -1)
    centres = centres.reshape(-1, 2).float()
    boxes = torch.cat([centres - 10, centres + 10], dim=1)[None]
    target = target_of([[0, 0, 24, 24], [32, 32, 64, 64]], [0, 2], [True] * 3)
    assigned = assign_by_task_alignment(torch.full((1, 64, 3), 0.1), boxes, centres, [target])
    chosen = centres[assigned.positive[0]]
    first = (chosen < 24).all(1)
    assert first.any() and (~first).any()
    assert ((chosen[~first] > 32) & (chosen[~first] < 64)).all()
    classes = assigned.scores[0][assigned.positive[0]].argmax(1)
    assert (classes[first] == 0).all() and (classes[~first] == 2).all()
    # Equation 8 of TOOD: the best anchor of a box is taught the best overlap of that box.
    best = assigned.scores[0, :, 0].max()
    assert best == pytest.approx(400 / (24 * 24 + 400 - 400), abs=0.02)


def test_scans_without_boxes_are_all_background() -> None:
    centres = torch.rand(20, 2) * 64
    boxes = torch.cat([centres - 5, centres + 5], dim=1)[None]
    assigned = assign_by_task_alignment(torch.rand(1, 20, 3), boxes, centres, [target_of([], [], [True] * 3)])
    assert not assigned.positive.any() and assigned.scores.sum() == 0


def test_yolox_learns_from_a_batch_with_and_without_boxes() -> None:
    torch.manual_seed(0)
    network = build("yolox-nano", NAMES)
    targets = [target_of([[8, 8, 40, 40]], [1], [True, True, False]), target_of([], [], [True] * 3)]
    losses = network.losses(torch.rand(2, 3, 64, 64) * 255, targets)
    torch.stack(list(losses.values())).sum().backward()
    assert all(torch.isfinite(value) for value in losses.values())
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_batches_are_scaled_with_their_boxes() -> None:
    recipe = Recipe(model="yolox-nano", steps=10, multi_scale=(96,))
    images = torch.full((1, 64, 64, 3), 200, dtype=torch.uint8)
    scaled, (target,) = at_step_size((images, [target_of([[0, 0, 32, 64]], [0], [True] * 3)]), recipe, step=5)
    assert scaled.shape == (1, 3, 96, 96)
    assert target.boxes_xyxy.tolist() == [[0, 0, 48, 96]]


def test_the_rate_warms_up_and_falls_to_its_end() -> None:
    recipe = Recipe(model="yolox-nano", steps=1000, warmup_steps=100, final_rate=0.01, validate_every=1000)
    rates = [rate_factor(step, recipe) for step in range(1001)]
    assert rates[0] == pytest.approx(0.01) and max(rates) == rates[99] == 1.0
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[1000] == pytest.approx(0.01)


def test_pretrained_parameters_have_their_own_rate_and_biases_do_not_decay() -> None:
    network = build("yolox-nano", NAMES)
    recipe = Recipe(model="yolox-nano", steps=1, learning_rate=1e-3, pretrained_rate=0.1)
    groups = parameter_groups(network, recipe)
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))
    assert {group.get("weight_decay") for group in groups} == {None, 0.0}
    assert all(p.ndim == 1 for group in groups if group.get("weight_decay") == 0.0 for p in group["params"])


def item_scan() -> np.ndarray:
    """A bag at transmission 0.8 with an item of transmission 0.5 inside it."""
    image = np.full((120, 120, 3), 204, np.uint8)
    image[40:80, 50:70] = 102
    return image


def test_an_item_is_taken_out_of_its_bag_and_multiplies_into_another() -> None:
    item = take_out(item_scan(), np.array([50, 40, 70, 80], np.float32), 2)
    assert item is not None
    x1, y1, x2, y2 = item.box
    assert item.transmission[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2] == pytest.approx(0.5, abs=0.01)
    assert item.transmission[0, 0] == pytest.approx(1.0, abs=0.02)
    bag = np.full((200, 200, 3), 160, np.uint8)
    projected = project(bag, item, np.random.default_rng(1))
    assert projected is not None
    image, box = projected
    left, top, right, bottom = box.astype(int)
    inside = image[top + 4 : bottom - 4, left + 4 : right - 4].astype(float) / 160
    # Beer-Lambert: the bag's own transmission multiplies with the item's, whose thickness varies by 0.8 to 1.25.
    assert inside.min() > 0.5**1.25 - 0.03 and inside.max() < 0.5**0.8 + 0.03
    outside = image.copy()
    outside[max(0, top - 12) : bottom + 12, max(0, left - 12) : right + 12] = 160
    assert (outside == 160).all()
    assert (bag == 160).all()


def test_an_item_in_a_dense_bag_is_not_taken_out() -> None:
    image = np.full((120, 120, 3), 60, np.uint8)
    image[40:80, 50:70] = 30
    assert take_out(image, np.array([50, 40, 70, 80], np.float32), 2) is None


def test_thickness_is_a_power_of_transmission() -> None:
    image = np.array([[[255, 128, 0]]], np.uint8)
    assert Thickness(2.0, 1.0).apply(image, factor=2.0)[0, 0].tolist() == [255, 64, 0]


def test_augmentation_is_a_function_of_its_seed_and_moves_boxes_with_pixels() -> None:
    image = np.full((64, 64, 3), 255, np.uint8)
    image[8:24, 16:40] = 0
    boxes, ids = np.array([[16, 8, 40, 24]], np.float32), np.array([1], np.int64)
    vary = Augmentation(AugmentationSettings(degrade=0, hue=0, saturation=0))
    for seed in range(12):
        varied, moved, kept = vary(image, boxes, ids, seed)
        again = vary(image, boxes, ids, seed)
        assert (varied == again[0]).all() and (moved == again[1]).all()
        if len(kept):
            dark = np.argwhere(varied[:, :, 0] < 128)
            found = [dark[:, 1].min(), dark[:, 0].min(), dark[:, 1].max() + 1, dark[:, 0].max() + 1]
            assert moved[0] == pytest.approx(found, abs=2.0)


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES.glob("*.toml")))
def test_every_shipped_recipe_resolves_to_a_known_model(name: str) -> None:
    recipe = resolve_recipe(name, [])
    assert build(recipe.model, NAMES).class_names == NAMES


def test_changes_are_applied_and_unknown_keys_answered_with_the_nearest() -> None:
    recipe = resolve_recipe("yolox-nano", ["steps=7", "augmentation.flip=0.1", "start=own.pth"])
    assert (recipe.steps, recipe.augmentation.flip, recipe.start) == (7, 0.1, "own.pth")
    with pytest.raises(SettingsInvalid, match="did you mean 'batch_size'"):
        resolve_recipe("yolox-nano", ["batchsize=3"])
    with pytest.raises(SettingsInvalid, match="did you mean 'flip'"):
        resolve_recipe("yolox-nano", ["augmentation.flips=0.3"])
    with pytest.raises(SettingsInvalid, match="steps"):
        resolve_recipe("yolox-nano", ["steps=-1"])
    with pytest.raises(SettingsInvalid, match="no multiple of validate_every"):
        resolve_recipe("yolox-nano", ["steps=700", "validate_every=200"])
    with pytest.raises(SettingsInvalid) as caught:
        resolve_recipe("yolox-giant", [])
    assert "yolox-nano" in caught.value.remedy
