"""torchvision's detectors: masks, scans without boxes, starts, candidates, export."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import mobilenet_v3_large
from torchvision.models.detection.rpn import concat_box_prediction_layers

from detector import Detector
from detector.errors import SettingsInvalid
from detector.network import Network, Provider
from detector.weights import load_weights
from training.models.interface import Target
from training.models.torchvision_base import TorchvisionDetector, masked_cross_entropy
from training.models.torchvision_dense import LEAST_NEGATIVES, Fcos, RetinaNet, SsdLite
from training.models.torchvision_faster_rcnn import FasterRcnn
from training.recipe import Recipe
from training.shipping.export import export_network, unchosen_spec
from training.shipping.parity import require_parity
from training.simulation import simulate_luggage

CLASSES = ("gun", "knife", "power_bank")
SIZE = 96
FAMILIES: dict[str, Callable[[tuple[str, ...]], TorchvisionDetector]] = {
    "retinanet": RetinaNet,
    "fcos": Fcos,
    "ssdlite": SsdLite,
    "faster-rcnn": FasterRcnn,
}


@pytest.fixture(scope="module", params=FAMILIES)
def network(request: pytest.FixtureRequest) -> TorchvisionDetector:
    """A fresh network of each family, whose weights no test changes; Faster R-CNN with few regions a scan."""
    torch.manual_seed(0)
    built = FAMILIES[request.param](CLASSES)
    if isinstance(built, FasterRcnn):
        built.detector.roi_heads.fg_bg_sampler.batch_size_per_image = 12
    return built


@pytest.fixture(autouse=True)
def _few_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("models.torchvision_base", "models.torchvision_faster_rcnn", "shipping.parity"):
        monkeypatch.setattr(f"training.{module}.MAX_CANDIDATES", 40)


def _images(count: int) -> Tensor:
    return torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)) * 255


def _target(boxes: list[list[float]], classes: list[int], annotated: tuple[bool, ...] = (True, True, True)) -> Target:
    return Target(torch.tensor(boxes).reshape(-1, 4), torch.tensor(classes, dtype=torch.int64), torch.tensor(annotated))


GUN = _target([[10.0, 16.0, 80.0, 60.0]], [0])
KNIVES_ALONE = _target([[20.0, 20.0, 50.0, 90.0]], [1], annotated=(False, True, False))
CLEAN = _target([], [])


class _ClassLogits:
    """Keeps the class logits of a forward pass as leaves whose gradients can be read: (N or regions, ..., C) each."""

    def __init__(self, network: TorchvisionDetector) -> None:
        detector = network.detector
        heads = [detector.roi_heads.box_predictor.cls_score, detector.rpn.head.cls_logits] if isinstance(
            network, FasterRcnn
        ) else [detector.head]  # fmt: skip
        self.kept: list[Tensor] = []
        self._hooks = [head.register_forward_hook(self._keep) for head in heads]

    def _keep(self, module: object, inputs: object, output: Tensor | dict[str, Tensor]) -> None:
        logits = output["cls_logits"] if isinstance(output, dict) else output
        logits.retain_grad()
        self.kept.append(logits)

    def gradients(self) -> list[Tensor]:
        for hook in self._hooks:
            hook.remove()
        return [logits.grad for logits in self.kept if logits.grad is not None]


def _losses(network: TorchvisionDetector, targets: list[Target]) -> dict[str, Tensor]:
    torch.manual_seed(3)
    return network.losses(_images(len(targets)), targets)


def test_a_step_trains_every_part_with_finite_gradients(network: TorchvisionDetector) -> None:
    network.train().zero_grad()
    losses = _losses(network, [GUN, CLEAN])
    assert {"classification", "box"} <= set(losses) and float(losses["box"].detach()) > 0
    torch.stack(list(losses.values())).sum().backward()
    idle = {name for name, value in network.named_parameters() if value.grad is None}
    assert not idle, idle
    assert all(bool(torch.isfinite(value.grad).all()) for value in network.parameters() if value.grad is not None)


def test_a_class_not_annotated_gets_no_gradient(network: TorchvisionDetector) -> None:
    network.train().zero_grad()
    watched = _ClassLogits(network)
    losses = _losses(network, [KNIVES_ALONE, KNIVES_ALONE])
    torch.stack(list(losses.values())).sum().backward()
    gradients = watched.gradients()
    assert gradients
    for gradient in gradients:
        by_class = _by_class(network, gradient)
        assert not by_class[:, 0].any() and not by_class[:, 2].any()
        assert by_class[:, 1].any()


def _by_class(network: TorchvisionDetector, gradient: Tensor) -> Tensor:
    """(rows, C) without the background."""
    if gradient.ndim == 4:  # of proposals: (N, ratios * C, H, W)
        count, channels, rows, columns = gradient.shape
        boxes = gradient.new_zeros(count, channels // len(CLASSES) * 4, rows, columns)
        return concat_box_prediction_layers([gradient], [boxes])[0]  # type: ignore[no-any-return]
    return gradient.reshape(-1, gradient.shape[-1])[:, network.first_class :]


def test_the_other_scan_of_a_batch_keeps_its_classes(network: TorchvisionDetector) -> None:
    network.train().zero_grad()
    watched = _ClassLogits(network)
    torch.stack(list(_losses(network, [KNIVES_ALONE, GUN]).values())).sum().backward()
    for gradient in watched.gradients():
        assert _by_class(network, gradient)[:, [0, 2]].any()


def test_a_batch_of_clean_scans_teaches_background(network: TorchvisionDetector) -> None:
    network.train().zero_grad()
    losses = _losses(network, [CLEAN, CLEAN])
    assert float(losses["classification"].detach()) > 0 and float(losses["box"].detach()) == 0
    torch.stack(list(losses.values())).sum().backward()
    assert all(bool(torch.isfinite(value.grad).all()) for value in network.parameters() if value.grad is not None)


def test_losses_of_validation_need_no_training_mode(network: TorchvisionDetector) -> None:
    network.eval()
    with torch.inference_mode():
        assert all(bool(torch.isfinite(value)) for value in _losses(network, [GUN, CLEAN]).values())


def test_steps_lower_the_loss() -> None:
    torch.manual_seed(0)
    network = SsdLite(CLASSES).train()
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-2)
    seen = []
    for _ in range(3):
        total = torch.stack(list(_losses(network, [GUN, CLEAN]).values())).sum()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        seen.append(float(total.detach()))
    assert seen[-1] < seen[0]


def test_ssdlites_smallest_maps_are_kept_out_of_mixed_precision() -> None:
    # Their depthwise weight gradient in bfloat16 was NaN about once in 40 steps, from memory nobody had written.
    network = SsdLite(CLASSES).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = network._features(torch.rand(2, 3, 64, 64) * 255)
    assert [values.dtype for values in maps] == [torch.bfloat16] * 2 + [torch.float32] * 4
    assert [values.shape[-1] for values in maps] == [4, 2, 1, 1, 1, 1]


def test_a_clean_scan_teaches_ssdlite_its_hardest_background_alone() -> None:
    network = SsdLite(CLASSES)
    logits = torch.zeros(50, 4, requires_grad=True)
    labelled = network._labelled([CLEAN])[0]
    anchors = torch.tensor([[0.0, 0.0, 9.0, 9.0]]).expand(50, -1)
    classification, _, positives = network._scan_losses(logits, torch.zeros(50, 4), anchors, labelled)
    classification.backward()
    assert int(positives) == 0 and logits.grad is not None
    assert int(logits.grad.any(dim=1).sum()) == LEAST_NEGATIVES


def test_cross_entropy_leaves_out_what_was_not_annotated_but_keeps_the_label_itself() -> None:
    logits = torch.tensor([[0.1, 2.0, 0.3], [0.1, 2.0, 0.3]], requires_grad=True)
    annotated = torch.tensor([[False, True], [False, True]])
    losses = masked_cross_entropy(logits, torch.tensor([0, 1]), annotated)
    losses.sum().backward()
    assert logits.grad is not None and float(logits.grad[0, 1]) == 0 and float(logits.grad[1, 1]) < 0
    pair = torch.tensor([[0.1, 0.3]])
    assert float(losses[0].detach()) == pytest.approx(float(-pair.log_softmax(dim=1)[0, 0]))


# --- starts -------------------------------------------------------------------------------------------------------


def test_a_whole_detector_of_other_classes_fills_all_but_the_classes(
    network: TorchvisionDetector, tmp_path: Path
) -> None:
    torch.save(network.detector.state_dict(), tmp_path / "detector.pth")
    other = type(network)(("gun", "knife"))  # type: ignore[call-arg, arg-type]
    line = other.load_pretrained(str(tmp_path / "detector.pth"))
    assert "whole detector" in line and ", 0 fresh, " in line and not line.endswith(", 0 of another shape")
    filled = other.pretrained_parameters()
    assert filled <= set(other.state_dict())
    name = next(name for name in sorted(filled) if "backbone" in name and name.endswith("weight"))
    torch.testing.assert_close(other.state_dict()[name], network.state_dict()[name])


def test_one_released_objectness_starts_that_of_every_class() -> None:
    network = FasterRcnn(("gun", "knife"))
    released = network.detector.state_dict()
    released["rpn.head.cls_logits.weight"] = torch.arange(3.0)[:, None, None, None].expand(3, 256, 1, 1)
    adapted = network._adapted(released)["rpn.head.cls_logits.weight"]
    # Of each anchor the classes in turn, as the proposals are read.
    assert adapted[:, 0, 0, 0].tolist() == [0, 0, 1, 1, 2, 2]


def test_an_imagenet_mobilenet_fills_the_backbone_of_ssdlite(tmp_path: Path) -> None:
    classifier = mobilenet_v3_large(weights=None, reduced_tail=True)
    torch.save(classifier.state_dict(), tmp_path / "mobilenet.pth")
    network = SsdLite(CLASSES)
    line = network.load_pretrained(str(tmp_path / "mobilenet.pth"))
    assert "backbone" in line and line.endswith("0 of another shape; the rest fresh")
    filled = network.pretrained_parameters()
    assert filled <= set(network.state_dict()) and any("features.1." in name for name in filled)
    torch.testing.assert_close(
        network.detector.backbone.features[0][13][0].weight, classifier.features[13].block[0][0].weight
    )


def test_unknown_and_unreachable_names_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    network = SsdLite(CLASSES)
    with pytest.raises(SettingsInvalid, match="torchvision has no weights"):
        network.load_pretrained("Nonsense_Weights.COCO_V1")

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route\nto host")

    monkeypatch.setattr("torchvision.models._api.WeightsEnum.get_state_dict", unreachable)
    with pytest.raises(SettingsInvalid, match="no route") as raised:
        network.load_pretrained("SSDLite320_MobileNet_V3_Large_Weights.COCO_V1")
    assert "\n" not in str(raised.value)


# --- candidates and export ----------------------------------------------------------------------------------------


def test_faster_rcnn_gives_each_candidate_the_box_of_its_best_class() -> None:
    torch.manual_seed(0)
    network = FasterRcnn(CLASSES).eval()
    predictor = network.detector.roi_heads.box_predictor
    with torch.no_grad():
        for layer in (predictor.cls_score, predictor.bbox_pred):
            layer.weight.zero_()
            layer.bias.zero_()
        predictor.cls_score.bias[3] = 1.0
        before = network(_images(1))
        # The third class alone moves its boxes to the right by their own width: a delta of 1 in tenths.
        predictor.bbox_pred.bias[3 * 4] = 10.0
        after = network(_images(1))
    assert before.scores.argmax(dim=-1).eq(2).all()
    moved = after.boxes_xyxy[..., 0] - before.boxes_xyxy[..., 0]
    torch.testing.assert_close(moved, before.boxes_xyxy[..., 2] - before.boxes_xyxy[..., 0], atol=1e-3, rtol=1e-4)


def _lively(network: TorchvisionDetector) -> TorchvisionDetector:
    """SSDlite starts with the same scores everywhere, which leaves a gate nothing to tell apart."""
    if not isinstance(network, SsdLite):
        return network
    lively = copy.deepcopy(network)
    for layer in lively.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        lively.train()(_images(2))
    return lively


def test_the_exported_network_passes_the_gate_and_scans_a_picture(
    network: TorchvisionDetector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.shipping.parity.LEAST_SCANS", 3)
    monkeypatch.setattr("training.shipping.parity.LEAST_SCORE", 1e-3)
    path = tmp_path / "n.onnx"
    network = _lively(network)
    export_network(network, unchosen_spec(Recipe(model="fcos-r50", steps=1, input_size=SIZE), CLASSES), path)
    squares = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    parity = require_parity(network.eval(), Network(load_weights(path), Provider.CPU), squares)
    # Three scans in one batch on one side, one by one on the other: the batch is free.
    assert parity.scans == 3 and parity.candidates > 0
    cv2.imwrite(str(tmp_path / "bag.png"), simulate_luggage(0, ("gun",)).rgb[..., ::-1])
    assert Detector(path, provider="cpu").inspect(tmp_path / "bag.png").view_sizes


def test_ssdlite_says_that_one_scan_is_no_batch() -> None:
    network = SsdLite(CLASSES).train()
    with pytest.raises(SettingsInvalid, match="single pixel") as refused:
        _losses(network, [GUN])
    assert "batch_size" in refused.value.remedy
