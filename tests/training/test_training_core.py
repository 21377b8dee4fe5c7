"""Assignment, masking, schedule, recipes: what decides whether a training learns the right thing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from detector.errors import SettingsInvalid
from training.fitting.module import at_step_size, parameter_groups, rate_factor
from training.fitting.trainer import growing_average
from training.models.assignment import assign_by_task_alignment
from training.models.dense_losses import classification_loss
from training.models.interface import Target
from training.models.table import build
from training.recipe import RECIPES, Recipe, resolve_recipe

NAMES = ("gun", "knife", "lighter")


def target_of(boxes: list[list[float]], class_ids: list[int], annotated: list[bool]) -> Target:
    return Target(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(class_ids, dtype=torch.int64),
        torch.tensor(annotated),
    )


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
    # No jump behind the warm-up, and a cosine: half-way down half-way along.
    assert rates[100] == pytest.approx(1.0) and rates[550] == pytest.approx(0.505)
    assert rates[1000] == pytest.approx(0.01)


def test_pretrained_parameters_have_their_own_rate_and_biases_do_not_decay() -> None:
    network = build("yolox-nano", NAMES)
    recipe = Recipe(model="yolox-nano", steps=1, learning_rate=1e-3, pretrained_rate=0.1)
    started = {name for name, _ in network.named_parameters() if name.startswith("backbone.")}
    groups = parameter_groups(network, recipe, started)
    of = {id(parameter): group for group in groups for parameter in group["params"]}
    assert len(of) == len(list(network.parameters())) and 0 < len(started) < len(of)
    for name, parameter in network.named_parameters():
        group = of[id(parameter)]
        assert group["lr"] == pytest.approx(1e-4 if name in started else 1e-3), name
        assert group.get("weight_decay") == (None if parameter.ndim > 1 else 0.0), name


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
    with pytest.raises(SettingsInvalid, match="learning_rate"):
        resolve_recipe("yolox-nano", ["learning_rate=inf"])
    with pytest.raises(SettingsInvalid, match="steps"):
        resolve_recipe("yolox-nano", ["steps=-1"])
    with pytest.raises(SettingsInvalid, match="no multiple of validate_every"):
        resolve_recipe("yolox-nano", ["steps=700", "validate_every=200"])
    with pytest.raises(SettingsInvalid) as caught:
        resolve_recipe("yolox-nano", ["steps=500"])
    fits = re.findall(r"--set ([a-z_]+=\d+)", caught.value.what.partition("what fits is")[2])
    assert fits == ["steps=400", "steps=800", "validate_every=500"]
    for change in fits:
        assert resolve_recipe("yolox-nano", ["steps=500", change]).steps
    with pytest.raises(SettingsInvalid) as caught:
        resolve_recipe("yolox-giant", [])
    assert "yolox-nano" in caught.value.remedy


def test_a_list_that_is_asked_for_in_a_change_is_told_of_the_change(tmp_path: Path) -> None:
    assert resolve_recipe("yolox-nano", ["augmentation.projection_opaque=true"]).augmentation.projection_opaque
    with pytest.raises(SettingsInvalid, match=r"^--set leave_out=opixray --set steps=7: leave_out = ") as refused:
        resolve_recipe("yolox-nano", ["leave_out=opixray", "steps=7"])
    assert 'leave_out = ["a", "b"]' in refused.value.remedy
    # What the file itself has wrong is the file's.
    own = tmp_path / "own.toml"
    own.write_text('model = "yolox-nano"\nsteps = true\n')
    with pytest.raises(SettingsInvalid, match=r"own\.toml: steps = True"):
        resolve_recipe(str(own), ["seed=1"])
    # And what it lacks may come from a change.
    own.write_text('model = "yolox-nano"\nsteps = 0\n')
    assert resolve_recipe(str(own), ["steps=5"]).steps == 5


def test_a_short_run_is_not_judged_on_the_weights_it_began_with() -> None:
    average = growing_average(0.999)
    averaged, now = torch.zeros(1), torch.ones(1)
    for number in range(100):
        averaged = average(averaged, now, torch.tensor(number))
    assert averaged.item() > 0.99
    # After thousands of steps it is the plain exponential average.
    late = average(torch.zeros(1), now, torch.tensor(100_000))
    assert late.item() == pytest.approx(0.001, rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["steps.x=1"], "steps is no section"),
        (["model.start=a"], "model is no section"),
        (["augmentation=1", "augmentation.flip=0.3"], "augmentation is no section"),
        (["passes=[]"], "passes"),
        (["passes=[2.0]"], "passes begin with 1 and grow"),
        (["passes=[1.0, 1.0]"], "passes begin with 1 and grow"),
        (["passes=[1.0, nan]"], "passes.1 = nan: input should be a finite number"),
        (["augmentation.zoom=[1.4, 0.7]"], "zoom is the smallest"),
        (["augmentation.zoom=[0, 1]"], "zoom is the smallest"),
        (["augmentation.zoom=[nan, 1]"], "augmentation.zoom.0 = nan: input should be a finite number"),
        (["augmentation.zoom=[1, inf]"], "augmentation.zoom.1 = inf: input should be a finite number"),
        (["augmentation.hue=500"], "hue"),
        (["steps=true"], "steps = True: true and false are no values of this key"),
        (["learning_rate=true"], "learning_rate = True: true and false"),
        (["augmentation.flip=false"], "augmentation.flip = False: true and false"),
        (["multi_scale=[true]"], "multi_scale = .*: true and false"),
        (["most_bags={gun=true}"], "most_bags = .*: true and false"),
        (["seed=-1"], "seed"),
        (["seed=4294967296"], "seed"),
        (['classes=["gun", "gun"]'], "named twice"),
        (
            ['renderings=["cargo"]'],
            "augmentation thickness, hue, saturation, projection: not for scans drawn as 'cargo'",
        ),
    ],
)
def test_a_change_that_cannot_be_is_refused_in_one_line(changes: list[str], message: str) -> None:
    with pytest.raises(SettingsInvalid, match=message):
        resolve_recipe("yolox-nano", changes)
