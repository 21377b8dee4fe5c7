"""A wider network grown from a narrow one computes the same, and its copies can part."""

import json
from pathlib import Path

import pytest
import torch

from training.models.growth import widened, width_factor
from training.models.interface import Target
from training.models.table import build
from training.models.yolox import Yolox, YoloxShape

NAMES = ("gun", "knife")


def shaken(network: Yolox) -> Yolox:
    """With weights and norm statistics that are not those of a fresh network."""
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.mul_(1 + 0.2 * torch.rand_like(tensor)).add_(0.01 * torch.rand_like(tensor))
    return network.eval()


@pytest.mark.parametrize("width", [0.5, 0.75])
def test_a_grown_network_gives_the_same_candidates(width: float) -> None:
    narrow = shaken(Yolox(YoloxShape(0.33, 0.25, depthwise=True), NAMES))
    wide = Yolox(YoloxShape(0.33, width, depthwise=True), NAMES)
    wide.load_state_dict(widened(narrow.state_dict(), wide.state_dict()))
    images = torch.rand(1, 3, 128, 128) * 255
    with torch.no_grad():
        before, after = (network.head(network.backbone(images)) for network in (narrow, wide.eval()))
    for old, new in zip(before, after, strict=True):
        torch.testing.assert_close(new, old, atol=1e-4, rtol=1e-4)


def test_the_copies_of_a_channel_get_different_gradients() -> None:
    narrow = shaken(Yolox(YoloxShape(0.33, 0.25, depthwise=True), NAMES))
    wide = build("yolox-nano-x2", NAMES)
    wide.load_state_dict(widened(narrow.state_dict(), wide.state_dict()))
    target = Target(torch.tensor([[10.0, 10.0, 90.0, 70.0]]), torch.tensor([1]), torch.ones(2, dtype=torch.bool))
    torch.stack(list(wide.losses(torch.rand(1, 3, 128, 128) * 255, [target]).values())).sum().backward()
    kernels = wide.get_parameter("backbone.backbone.dark3.0.dconv.conv.weight").grad
    assert kernels is not None
    first, second = kernels[::2], kernels[1::2]
    assert ((first - second).abs().amax(dim=(1, 2, 3)) > 1e-6 * kernels.abs().max()).float().mean() > 0.9


def test_only_a_whole_multiple_of_the_same_network_is_grown() -> None:
    nano = build("yolox-nano", NAMES).state_dict()
    assert width_factor(nano, build("yolox-nano-x2", NAMES).state_dict()) == 2
    assert width_factor(nano, nano) is None
    assert width_factor(build("yolox-nano-x2", NAMES).state_dict(), nano) is None
    one_and_a_half = Yolox(YoloxShape(0.33, 0.375, depthwise=True), NAMES).state_dict()
    assert width_factor(nano, one_and_a_half) is None
    with pytest.raises(ValueError, match="whole multiple"):
        widened(nano, one_and_a_half)


def test_a_start_from_a_narrower_checkpoint_says_that_it_grew(tmp_path: Path) -> None:
    path = f"{tmp_path}/nano.ckpt"
    state = build("yolox-nano", NAMES).state_dict()
    torch.save({"state_dict": {f"network.{name}": value for name, value in state.items()}}, path)
    assert "grown to 2 times its width" in build("yolox-nano-x2", NAMES).load_pretrained(path)
    assert "grown" not in build("yolox-nano", NAMES).load_pretrained(path)


def test_a_network_that_learned_other_classes_is_grown_and_shared_classes_keep_their_rows(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"class_names": ["gun", "knife", "wrench"]}))
    narrow = shaken(Yolox(YoloxShape(0.33, 0.25, depthwise=True), ("gun", "knife", "wrench")))
    state = {f"network.{name}": value for name, value in narrow.state_dict().items()}
    torch.save({"state_dict": state}, run / "checkpoints/last.ckpt")
    wide = Yolox(YoloxShape(0.33, 0.5, depthwise=True), ("wrench", "bullet"))
    said = wide.load_pretrained(str(run / "checkpoints/last.ckpt"))
    assert "its classes wrench" in said and "grown to 2 times its width" in said
    images = torch.rand(1, 3, 64, 64) * 255
    with torch.no_grad():
        before, after = (network.head(network.backbone(images))[0] for network in (narrow, wide.eval()))
    torch.testing.assert_close(after[..., 0], before[..., 2], atol=1e-4, rtol=1e-4)
    assert (after[..., 1] - before[..., 1]).abs().min() > 0.1


def test_a_network_that_learned_an_unknown_number_of_classes_is_grown_but_for_its_classifier(tmp_path: Path) -> None:
    path = tmp_path / "coco.pth"
    torch.save(Yolox(YoloxShape(0.33, 0.25, depthwise=True), tuple(f"c{i}" for i in range(80))).state_dict(), path)
    said = build("yolox-nano-x2", NAMES).load_pretrained(str(path))
    assert "6 of another shape" in said and "grown to 2 times its width" in said
