"""RT-DETRv2, DEIMv2 and RF-DETR: masks, batches without boxes, fresh layers, starts, export."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from detector import Detector
from detector.errors import SettingsInvalid
from detector.network import Network, Provider
from detector.weights import load_weights
from training.models import deimv2, hgnetv2, rfdetr, rtdetrv2
from training.models.detr import Detr
from training.models.detr_loss import labels_of
from training.models.interface import Target
from training.models.rfdetr import resize_matrix
from training.recipe import Recipe
from training.shipping.export import export_network, unchosen_spec
from training.shipping.parity import require_parity
from training.simulation import simulate_luggage

CLASSES = ("gun", "knife", "power_bank")
SIZE = 256
#: Cut in depth alone, so that every kind of layer is there.
_SHORT = rtdetrv2.Rtdetrv2Shape("ResNet-18", (1, 1, 1, 1), False, 0.5, 2)
FAMILIES: dict[str, Callable[[], Detr]] = {
    "rtdetrv2": lambda: rtdetrv2.Rtdetrv2(_SHORT, CLASSES),
    "deimv2-lite": lambda: deimv2.Deimv2(deimv2.ATTO, CLASSES),
    "deimv2-n": lambda: deimv2.Deimv2(
        replace(deimv2.NANO, backbone=replace(hgnetv2.B0, blocks=(1, 1, 1, 1), layers=1)), CLASSES
    ),
    "rfdetr": lambda: rfdetr.Rfdetr(rfdetr.RfdetrShape(SIZE, 2), CLASSES),
}


@pytest.fixture(scope="module", params=FAMILIES)
def network(request: pytest.FixtureRequest) -> Detr:
    """A fresh network of each family, whose weights no test changes."""
    torch.manual_seed(0)
    return FAMILIES[request.param]()


def _images(count: int) -> Tensor:
    return torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)) * 255


def _target(boxes: list[list[float]], classes: list[int], annotated: tuple[bool, ...] = (True, True, True)) -> Target:
    return Target(torch.tensor(boxes).reshape(-1, 4), torch.tensor(classes, dtype=torch.int64), torch.tensor(annotated))


GUN = _target([[20.0, 30.0, 120.0, 90.0]], [0])
KNIVES_ALONE = _target([[40.0, 40.0, 90.0, 200.0]], [1], annotated=(False, True, False))
#: A projected item of a class that the scan's source did not look for.
PROJECTED = _target([[40.0, 40.0, 90.0, 200.0]], [0], annotated=(False, True, True))
CLEAN = _target([], [])


def _logits(network: Detr, output: object) -> list[Tensor]:
    """All class logits that a loss reads, (..., N, queries, C) each: of layers, proposals and denoising queries."""
    if isinstance(network, rfdetr.Rfdetr):
        return [output.logits, output.proposal_logits[None]]  # type: ignore[attr-defined]
    return [output.intermediate_logits.transpose(0, 1), output.enc_topk_logits[None]]  # type: ignore[attr-defined]


def test_a_step_trains_every_part_and_masks_what_was_not_annotated(network: Detr) -> None:
    network.train().zero_grad()
    torch.manual_seed(3)
    targets = [KNIVES_ALONE, GUN]
    labels = labels_of(targets, SIZE, SIZE)
    output = network._output(_images(2), labels)
    logits = _logits(network, output)
    for values in logits:
        # A view made for this test is no part of the graph to the loss; the tensor that it shows is.
        assert values.requires_grad
    losses = network.criterion.grouped(output, labels)
    assert {"classification", "box"} <= set(losses) and all(bool(torch.isfinite(value)) for value in losses.values())
    sources = _sources(network, output)
    gradients = torch.autograd.grad(losses["classification"], sources, retain_graph=True)
    for gradient in _by_layer(network, gradients):
        assert not gradient[:, 0, :, [0, 2]].any()
        for layer in gradient:
            assert layer[0, :, 1].any() and layer[1, :, 0].any() and layer[1, :, 2].any()
    torch.stack(list(losses.values())).sum().backward()
    found = [value.grad for value in network.parameters() if value.grad is not None]
    assert all(bool(torch.isfinite(gradient).all()) for gradient in found)
    idle = {name for name, value in network.named_parameters() if value.requires_grad and value.grad is None}
    assert not idle, idle


def _sources(network: Detr, output: object) -> list[Tensor]:
    if isinstance(network, rfdetr.Rfdetr):
        return [output.logits, output.proposal_logits]  # type: ignore[attr-defined]
    return [output.intermediate_logits, output.enc_topk_logits]  # type: ignore[attr-defined]


def _by_layer(network: Detr, gradients: tuple[Tensor, ...]) -> list[Tensor]:
    """(layers, N, queries, C) of each."""
    layers, proposals = gradients
    return [layers if isinstance(network, rfdetr.Rfdetr) else layers.transpose(0, 1), proposals[None]]


def test_a_box_of_a_class_not_annotated_is_learned_from_all_the_same(network: Detr) -> None:
    network.eval()
    labels = labels_of([PROJECTED], SIZE, SIZE)
    output = network._output(_images(1))
    loss = network.criterion.grouped(output, labels)["classification"]
    layers, _ = _by_layer(network, torch.autograd.grad(loss, _sources(network, output)))
    # One query a layer answers for the box; no other one hears of guns. In training it is one of each group.
    assert int((layers[-1, 0, :, 0] != 0).sum()) == 1


def test_a_batch_of_clean_scans_teaches_background_alone(network: Detr) -> None:
    network.train().zero_grad()
    losses = network.losses(_images(2), [CLEAN, CLEAN])
    assert float(losses["classification"].detach()) > 0 and float(losses["box"].detach()) == 0
    torch.stack(list(losses.values())).sum().backward()
    assert all(bool(torch.isfinite(value.grad).all()) for value in network.parameters() if value.grad is not None)


def test_two_steps_lower_the_loss() -> None:
    torch.manual_seed(0)
    network = FAMILIES["deimv2-lite"]().train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    seen = []
    for _ in range(4):
        torch.manual_seed(5)
        total = torch.stack(list(network.losses(_images(2), [GUN, CLEAN]).values())).sum()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        seen.append(float(total.detach()))
    assert seen[-1] < seen[0]


def test_no_fresh_layer_outside_the_backbone_swallows_the_image(network: Detr) -> None:
    # transformers starts RT-DETRv2's BatchNorm scales near zero.
    scales = [layer.weight.detach() for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert all(float(scale.abs().mean()) > 0.5 for scale in scales)


def test_a_folder_of_the_whole_detector_fills_all_but_the_classes(network: Detr, tmp_path: Path) -> None:
    network.detector.save_pretrained(tmp_path)
    family: Any = type(network)
    other = family(network.shape, ("gun", "knife"))
    line = other.load_pretrained(str(tmp_path))
    assert f"whole {network.family}" in line and ", 0 fresh, " in line
    assert not line.endswith(", 0 of another shape")
    boxes = {name: value for name, value in network.detector.state_dict().items() if "bbox_embed" in name}
    assert boxes
    for name, value in boxes.items():
        torch.testing.assert_close(other.detector.state_dict()[name], value)
    assert other.pretrained_parameters() <= set(other.state_dict())
    # What a file lacks is reported, though transformers would make it up.
    tensors = load_file(tmp_path / "model.safetensors")
    lacking = {name: value for name, value in tensors.items() if not name.endswith("enc_output.0.weight")}
    assert len(lacking) == len(tensors) - 1
    save_file(lacking, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert ", 1 fresh, " in family(network.shape, ("gun", "knife")).load_pretrained(str(tmp_path))


def test_weights_of_another_family_and_small_inputs_are_refused(tmp_path: Path) -> None:
    torch.save({"model.backbone.other.weight": torch.zeros(1)}, tmp_path / "other.pth")
    network = FAMILIES["deimv2-lite"]()
    with pytest.raises(SettingsInvalid, match="no HGNetV2 backbone"):
        network.load_pretrained(str(tmp_path / "other.pth"))
    with pytest.raises(SettingsInvalid, match="DEIMv2 needs 100") as raised:
        network(torch.zeros(1, 3, 128, 128))
    assert "at least" in raised.value.remedy


def test_the_first_queries_of_each_group_of_a_release_are_taken() -> None:
    network = FAMILIES["rfdetr"]()
    name, groups = "model.query_feat.weight", 13
    state = dict(network.detector.state_dict())
    own = state[name].clone()
    state[name] = torch.arange(groups * 300.0)[:, None].expand(-1, own.shape[1])
    network._load_detector("release", state)
    filled = network.detector.state_dict()[name].reshape(groups, -1, own.shape[1])
    assert filled.shape[1] == rfdetr.QUERIES
    assert filled[2, 0, 0] == 600 and filled[2, -1, 0] == 600 + rfdetr.QUERIES - 1


@pytest.mark.parametrize("new", [18, 24, 28, 13])
def test_position_embeddings_are_resized_as_torch_resizes_them(new: int) -> None:
    table = torch.randn(1, 5, 24, 24, generator=torch.Generator().manual_seed(0))
    expected = nn.functional.interpolate(table, size=(new, new), mode="bicubic", align_corners=False, antialias=True)
    matrix = torch.from_numpy(resize_matrix(24, new))
    torch.testing.assert_close(torch.einsum("hr,wc,ndrc->ndhw", matrix, matrix, table), expected, atol=1e-5, rtol=0)


def _lively(network: Detr) -> Detr:
    """Moves weights off their start, where last layers are zero and all boxes are the anchors."""
    lively, generator = copy.deepcopy(network), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in lively.detector.named_parameters():
            if not name.startswith(network.backbone_prefix):
                parameter += torch.randn(parameter.shape, generator=generator) * 0.03
    return lively.eval()


def test_the_exported_network_passes_the_gate_and_scans_a_picture(
    network: Detr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.shipping.parity.LEAST_SCANS", 3)
    monkeypatch.setattr("training.shipping.parity.LEAST_SCORE", 1e-3)
    path = tmp_path / "n.onnx"
    recipe = Recipe(model="deimv2-atto", steps=1, input_size=SIZE)
    network = _lively(network)
    export_network(network, unchosen_spec(recipe, CLASSES), path)
    squares = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    parity = require_parity(network.eval(), Network(load_weights(path), Provider.CPU), squares)
    # Three scans in one batch on one side, one by one on the other: the batch is free.
    assert parity.scans == 3 and parity.candidates > 0
    detector = Detector(path, provider="cpu")
    scan = tmp_path / "bag.png"
    _write_bag(scan)
    assert detector.inspect(scan).view_sizes


def _write_bag(path: Path) -> None:
    import cv2

    cv2.imwrite(str(path), simulate_luggage(0, ("gun",)).rgb[..., ::-1])
