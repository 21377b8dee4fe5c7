"""A network of dense convolutions begins as near to a trained one of depthwise convolutions as a line is to a SiLU."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from training.models.dense_start import densified, is_separable
from training.models.table import build
from training.models.yolox import BaseConv, DepthwiseConv, Yolox

NAMES = ("gun", "knife")


def settled(network: torch.nn.Module, *pictures: Tensor) -> None:
    """Lets the norms know the statistics of what passes through them, as training does."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # type: ignore[assignment]
            module.reset_running_stats()
    with torch.no_grad():
        for _ in range(2):
            network.train()(*pictures)
    network.eval()


def layer_pair(deviation: float, bias: float) -> tuple[DepthwiseConv, BaseConv, Tensor]:
    """A separable layer whose inner norm has this weight and bias, the dense one made of it, and an input."""
    torch.manual_seed(1)
    separable = DepthwiseConv(6, 8, 3)
    x = torch.randn(8, 6, 32, 32)
    with torch.no_grad():
        separable.dconv.bn.weight.fill_(deviation)
        separable.dconv.bn.bias.fill_(bias)
    settled(separable, x)
    dense = BaseConv(6, 8, 3)
    state = densified({f"x.{name}": tensor for name, tensor in separable.state_dict().items()})
    dense.load_state_dict({name.removeprefix("x."): tensor for name, tensor in state.items()})
    return separable, dense.eval(), x


@pytest.mark.parametrize("bias", [-1.0, 0.0, 2.0])
def test_where_the_silu_is_nearly_a_line_the_dense_layer_is_the_same(bias: float) -> None:
    separable, dense, x = layer_pair(0.01, bias)
    with torch.no_grad():
        # The norm behind divides by what little deviation is left: compared before it, in its own units.
        torch.testing.assert_close(dense(x), separable(x), atol=0.05, rtol=0.02)


def test_a_bent_silu_costs_something_and_another_slope_costs_more() -> None:
    separable, dense, x = layer_pair(1.0, 0.0)
    with torch.no_grad():
        wanted = functional.conv2d(separable.dconv(x), separable.pconv.conv.weight)
        wanted = wanted - wanted.mean(dim=(0, 2, 3), keepdim=True)

        def loss(factor: float) -> float:
            got = functional.conv2d(x, factor * dense.conv.weight, padding=1)
            return float((got - got.mean(dim=(0, 2, 3), keepdim=True) - wanted).square().mean())

        assert loss(1.0) < 0.6 * float(wanted.square().mean())
        assert loss(1.0) < min(loss(0.85), loss(1.15))


def test_a_dense_network_takes_every_tensor_of_a_depthwise_one(tmp_path: Path) -> None:
    torch.manual_seed(2)
    nano, dense = build("yolox-nano", NAMES), build("yolox-nano-dense", NAMES)
    assert isinstance(nano, Yolox) and isinstance(dense, Yolox)
    images = torch.rand(4, 3, 128, 128) * 255
    settled(nano.backbone, images)
    path = tmp_path / "nano.ckpt"
    torch.save({"state_dict": {f"network.{name}": value for name, value in nano.state_dict().items()}}, path)
    said = dense.load_pretrained(str(path))
    assert "its depthwise convolutions as dense ones" in said
    assert " 0 fresh, 0 of another shape" in said
    assert not is_separable(dense.state_dict())
    assert "dense" not in nano.load_pretrained(str(path))
    # One separable layer behind the stem; norms adapt within the first steps of a training, deeper layers in some more.
    settled(dense.backbone, images)
    with torch.no_grad():
        ours, theirs = (net.backbone.backbone.dark2[0](net.backbone.backbone.stem(images)) for net in (dense, nano))
    assert torch.corrcoef(torch.stack((ours.flatten(), theirs.flatten())))[0, 1] > 0.8
    fresh = build("yolox-nano-dense", NAMES)
    assert isinstance(fresh, Yolox)
    settled(fresh.backbone, images)
    with torch.no_grad():
        other = fresh.backbone.backbone.dark2[0](nano.backbone.backbone.stem(images))
    assert torch.corrcoef(torch.stack((other.flatten(), theirs.flatten())))[0, 1] < 0.3
