"""A wider network grown from a narrow one computes the same, and its copies can part."""

import json
from pathlib import Path
from typing import TypeVar

import pytest
import torch

from training.models.growth import as_dense, widened, width_factor
from training.models.interface import DetectionNetwork, Target
from training.models.table import build
from training.models.yolox import Yolox, YoloxShape

NAMES = ("gun", "knife")
Network = TypeVar("Network", bound=DetectionNetwork)


def shaken(network: Network) -> Network:
    """With weights and norm statistics that are not those of a fresh network."""
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.mul_(1 + 0.2 * torch.rand_like(tensor)).add_(0.01 * torch.rand_like(tensor))
    return network.eval()


@pytest.mark.parametrize("width", [0.5, 0.75])
def test_a_grown_network_gives_the_same_candidates(width: float) -> None:
    narrow = shaken(Yolox(YoloxShape(0.33, 0.25, separable="depthwise"), NAMES))
    wide = Yolox(YoloxShape(0.33, width, separable="depthwise"), NAMES)
    wide.load_state_dict(widened(narrow.state_dict(), wide.state_dict()))
    images = torch.rand(1, 3, 128, 128) * 255
    with torch.no_grad():
        before, after = (network.head(network.backbone(images)) for network in (narrow, wide.eval()))
    for old, new in zip(before, after, strict=True):
        torch.testing.assert_close(new, old, atol=1e-4, rtol=1e-4)


def test_the_copies_of_a_channel_get_different_gradients() -> None:
    narrow = shaken(Yolox(YoloxShape(0.33, 0.25, separable="depthwise"), NAMES))
    wide = build("yolox-nano-x2", NAMES)
    wide.load_state_dict(widened(narrow.state_dict(), wide.state_dict()))
    target = Target(torch.tensor([[10.0, 10.0, 90.0, 70.0]]), torch.tensor([1]), torch.ones(2, dtype=torch.bool))
    torch.stack(list(wide.losses(torch.rand(1, 3, 128, 128) * 255, [target]).values())).sum().backward()
    kernels = wide.get_parameter("backbone.backbone.dark3.0.dconv.conv.weight").grad
    assert kernels is not None
    first, second = kernels[::2], kernels[1::2]
    assert ((first - second).abs().amax(dim=(1, 2, 3)) > 1e-6 * kernels.abs().max()).float().mean() > 0.9


@pytest.mark.parametrize("width", [0.25, 0.5])
def test_depthwise_convolutions_grow_dense_and_give_the_same_candidates(width: float, tmp_path: Path) -> None:
    path = f"{tmp_path}/nano.ckpt"
    depthwise = shaken(Yolox(YoloxShape(0.33, 0.25, separable="depthwise"), NAMES))
    torch.save({"class_names": list(NAMES), "state_dict": depthwise.state_dict()}, path)
    dense = Yolox(YoloxShape(0.33, width, separable="dense"), NAMES)
    said = dense.load_pretrained(path)
    assert "its 30 depthwise convolutions grown dense" in said and ("2 times its width" in said) == (width == 0.5)
    images = torch.rand(1, 3, 128, 128) * 255
    with torch.no_grad():
        before, after = (network.head(network.backbone(images)) for network in (depthwise, dense.eval()))
    for old, new in zip(before, after, strict=True):
        torch.testing.assert_close(new, old, atol=1e-4, rtol=1e-4)


def test_what_grew_dense_learns_across_channels() -> None:
    depthwise = shaken(build("yolox-nano-x2", NAMES))
    dense = build("yolox-nano-x2-dense", NAMES)
    dense.load_state_dict(as_dense(depthwise.state_dict(), dense.state_dict()))
    target = Target(torch.tensor([[10.0, 10.0, 90.0, 70.0]]), torch.tensor([1]), torch.ones(2, dtype=torch.bool))
    torch.stack(list(dense.losses(torch.rand(1, 3, 128, 128) * 255, [target]).values())).sum().backward()
    kernels = dense.get_parameter("backbone.backbone.dark3.0.dconv.conv.weight")
    beside = ~torch.eye(len(kernels), dtype=torch.bool)
    assert kernels.grad is not None and kernels[beside].abs().max() == 0
    assert (kernels.grad[beside].abs().amax(dim=(1, 2)) > 0).float().mean() > 0.9


def test_a_dense_network_does_not_start_a_depthwise_one(tmp_path: Path) -> None:
    path = f"{tmp_path}/dense.ckpt"
    torch.save({"state_dict": build("yolox-nano-x2-dense", NAMES).state_dict()}, path)
    assert "30 of another shape" in build("yolox-nano-x2", NAMES).load_pretrained(path)


def test_only_a_whole_multiple_of_the_same_network_is_grown() -> None:
    nano = build("yolox-nano", NAMES).state_dict()
    assert width_factor(nano, build("yolox-nano-x2", NAMES).state_dict()) == 2
    assert width_factor(nano, nano) is None
    assert width_factor(build("yolox-nano-x2", NAMES).state_dict(), nano) is None
    one_and_a_half = Yolox(YoloxShape(0.33, 0.375, separable="depthwise"), NAMES).state_dict()
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
    narrow = shaken(Yolox(YoloxShape(0.33, 0.25, separable="depthwise"), ("gun", "knife", "wrench")))
    state = {f"network.{name}": value for name, value in narrow.state_dict().items()}
    torch.save({"state_dict": state}, run / "checkpoints/last.ckpt")
    wide = Yolox(YoloxShape(0.33, 0.5, separable="depthwise"), ("wrench", "bullet"))
    said = wide.load_pretrained(str(run / "checkpoints/last.ckpt"))
    assert "its classes wrench" in said and "grown to 2 times its width" in said
    images = torch.rand(1, 3, 64, 64) * 255
    with torch.no_grad():
        before, after = (network.head(network.backbone(images))[0] for network in (narrow, wide.eval()))
    torch.testing.assert_close(after[..., 0], before[..., 2], atol=1e-4, rtol=1e-4)
    assert (after[..., 1] - before[..., 1]).abs().min() > 0.1


def test_a_network_that_learned_an_unknown_number_of_classes_is_grown_but_for_its_classifier(tmp_path: Path) -> None:
    path = tmp_path / "coco.pth"
    torch.save(
        Yolox(YoloxShape(0.33, 0.25, separable="depthwise"), tuple(f"c{i}" for i in range(80))).state_dict(), path
    )
    said = build("yolox-nano-x2", NAMES).load_pretrained(str(path))
    assert "6 of another shape" in said and "grown to 2 times its width" in said
