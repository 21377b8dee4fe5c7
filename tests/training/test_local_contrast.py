"""Networks of cargo see what a place adds to its surroundings, and begin from networks that did not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from training.models.growth import with_more_inputs
from training.models.interface import Target
from training.models.local_contrast import CELL, LOGARITHM, LocalContrast
from training.models.table import build
from training.models.yolox import STEM, Yolox, YoloxShape

NAMES = ("handgun", "knife")


def step(levels: float, over: float = 150.0) -> Tensor:
    """A thing of 60 x 40 pixels that takes `levels` off an even load."""
    picture = torch.full((1, 3, 256, 256), over)
    picture[:, LOGARITHM, 100:140, 90:150] -= levels
    return picture


def test_a_thing_has_the_same_contrast_whatever_lies_over_it() -> None:
    contrast = LocalContrast()
    torch.testing.assert_close(contrast(step(9, over=220)), contrast(step(9, over=40)), atol=1e-2, rtol=1e-4)


def test_a_few_levels_are_seen_beside_a_wall_of_two_hundred() -> None:
    contrast = LocalContrast()
    few, wall = (float(contrast(step(levels, 250))[0, 0, 120, 120]) for levels in (3, 200))
    assert few > 30 and wall < 220, "3 of 200 levels are a seventieth; here they must be a seventh"
    assert contrast(step(0)).abs().max() < 1e-3, "an even load, and so air beyond the scan, has none"


def test_darker_than_around_is_above_zero_and_only_the_logarithm_counts() -> None:
    contrast, other = LocalContrast(), step(0)
    other[:, LOGARITHM - 1, 100:140, 90:150] -= 50
    assert contrast(step(9))[0, 0, 120, 120] > 0 > contrast(step(-9))[0, 0, 120, 120]
    assert contrast(other).abs().max() < 1e-3


def test_the_border_of_a_tile_is_compared_with_what_is_in_it() -> None:
    picture = torch.full((1, 3, 64, 64), 90.0)
    assert LocalContrast()(picture).abs().max() < 1e-3
    assert LocalContrast()(torch.rand(2, 3, 4 * CELL, 6 * CELL)).shape == (2, 1, 4 * CELL, 6 * CELL)


def test_half_precision_keeps_a_level() -> None:
    contrast, picture = LocalContrast(), step(1, over=250)
    with torch.autocast("cpu", torch.bfloat16):
        half = contrast(picture)
    torch.testing.assert_close(half, contrast(picture))


@pytest.mark.parametrize("model", ["yolox-nano-contrast", "twice"])
def test_it_starts_as_the_network_without_contrast_and_learns_to_use_it(model: str, tmp_path: Path) -> None:
    start = build("yolox-nano", NAMES).eval()
    save_file(start.state_dict(), tmp_path / "start.safetensors")
    twice = Yolox(YoloxShape(0.33, 0.5, depthwise=True, contrast=True), NAMES)
    network = twice if model == "twice" else build(model, NAMES)
    assert "0 fresh, 0 of another shape" in network.load_pretrained(str(tmp_path / "start.safetensors"))
    images = torch.rand(1, 3, 128, 128) * 255
    with torch.no_grad():
        before, after = start.forward(images), network.eval().forward(images)
    torch.testing.assert_close(after.scores, before.scores, atol=1e-4, rtol=1e-3)
    target = Target(torch.tensor([[10.0, 10.0, 90.0, 70.0]]), torch.tensor([1]), torch.ones(2, dtype=torch.bool))
    torch.stack(list(network.train().losses(images, [target]).values())).sum().backward()
    gradient = network.get_parameter(STEM).grad
    assert gradient is not None and gradient[:, 3::4].abs().max() > 0, "kernels that read the contrast learn"


def test_only_a_stem_that_lacks_channels_is_extended() -> None:
    plain, contrast = (build(name, NAMES).state_dict() for name in ("yolox-nano", "yolox-nano-contrast"))
    extended = with_more_inputs(plain, contrast, STEM, phases=4)[STEM]
    assert extended.shape == contrast[STEM].shape and not extended[:, 3::4].any()
    torch.testing.assert_close(extended[:, [0, 1, 2, 4, 5, 6]], plain[STEM][:, :6])
    assert with_more_inputs(contrast, contrast, STEM, phases=4)[STEM] is contrast[STEM]
    assert with_more_inputs(contrast, plain, STEM, phases=4)[STEM] is contrast[STEM]
    assert with_more_inputs({}, contrast, STEM, phases=4) == {}
