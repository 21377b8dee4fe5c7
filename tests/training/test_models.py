"""The D-FINE family and the table of models: losses, masks, starts, export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from transformers import DFineForObjectDetection
from transformers.loss.loss_d_fine import DFineLoss

from detector.errors import SettingsInvalid
from detector.weights_spec import INPUT_NAME
from training.models import dfine
from training.models.detr_loss import collect_outputs, labels_of
from training.models.dfine import EFFICIENTNET_LITE0, HGNETV2_B0, NANO, SMALL, Dfine, dfine_config
from training.models.dfine_loss import MaskedDfineLoss
from training.models.efficientnet_lite import STAGE_DEPTHS, to_timm_names
from training.models.interface import Target
from training.models.table import MODELS, build
from training.recipe import Recipe
from training.shipping.export import export_network, unchosen_spec

CLASSES = ("gun", "knife", "power_bank")
SIZE = 256


def _network() -> Dfine:
    torch.manual_seed(0)
    return Dfine(NANO, EFFICIENTNET_LITE0, CLASSES)


@pytest.fixture(scope="module")
def network() -> Dfine:
    """A fresh network that no test changes."""
    return _network()


def _images(count: int) -> Tensor:
    return torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)) * 255


def _target(boxes: list[list[float]], classes: list[int], annotated: tuple[bool, ...] = (True, True, True)) -> Target:
    return Target(torch.tensor(boxes).reshape(-1, 4), torch.tensor(classes, dtype=torch.int64), torch.tensor(annotated))


GUN = _target([[20.0, 30.0, 120.0, 90.0]], [0])
CLEAN = _target([], [])


def _gradients(network: nn.Module) -> Tensor:
    return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])


def test_every_model_of_the_table_builds_and_gives_one_score_a_class() -> None:
    for name in ("yolox-nano", "dfine-n"):
        network = build(name, CLASSES).eval()
        with torch.inference_mode():
            candidates = network(_images(1))
        assert candidates.boxes_xyxy.shape == (1, candidates.scores.shape[1], 4)
        assert candidates.scores.shape[2] == len(CLASSES)
        assert network.class_names == CLASSES
    assert all(entry.input_size % 32 == 0 for entry in MODELS.values())


def test_an_unknown_model_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SettingsInvalid, match=r"nearest: dfine-n$") as raised:
        build("dfine-nano", CLASSES)
    assert "yolox-s" in raised.value.remedy


def test_small_shapes_and_the_released_backbone_have_the_released_sizes() -> None:
    # Sizes of the release: N about 4 M parameters (3.7 M without classes of COCO), S about 10 M.
    sizes = {}
    for name in ("dfine-n-hgnetv2", "dfine-s-hgnetv2"):
        sizes[name] = sum(parameter.numel() for parameter in build(name, CLASSES).parameters()) / 1e6
    assert 3.5 < sizes["dfine-n-hgnetv2"] < 4.1
    assert 9.5 < sizes["dfine-s-hgnetv2"] < 10.6
    assert dfine_config(SMALL, EFFICIENTNET_LITE0, 2).encoder_in_channels == [40, 112, 320]


def test_a_training_step_reaches_every_part_and_gives_finite_gradients(network: Dfine) -> None:
    network.train().zero_grad()
    losses = network.losses(_images(2), [GUN, CLEAN])
    assert set(losses) == {"classification", "box", "distribution"}
    torch.stack(list(losses.values())).sum().backward()
    assert torch.isfinite(_gradients(network)).all()
    for part in ("backbone", "encoder.", "enc_score_head", "denoising_class_embed", "decoder.layers.2"):
        touched = [p.grad for name, p in network.named_parameters() if part in name and p.grad is not None]
        assert any(bool(gradient.any()) for gradient in touched), part


def test_a_batch_of_clean_scans_teaches_background_alone(network: Dfine) -> None:
    network.train().zero_grad()
    losses = network.losses(_images(2), [CLEAN, CLEAN])
    assert float(losses["classification"].detach()) > 0
    assert float(losses["box"].detach()) == 0
    torch.stack(list(losses.values())).sum().backward()
    assert torch.isfinite(_gradients(network)).all()


def test_losses_of_validation_need_no_training_mode(network: Dfine) -> None:
    network.eval()
    with torch.inference_mode():
        losses = network.losses(_images(2), [GUN, CLEAN])
    assert all(bool(torch.isfinite(value)) for value in losses.values())
    # Tensors that transformers caches in inference mode must not break the training step after it.
    network.train().zero_grad()
    torch.stack(list(network.losses(_images(2), [GUN, CLEAN]).values())).sum().backward()


def _class_gradients(network: Dfine, targets: list[Target]) -> list[Tensor]:
    """Gradients of the classification loss with respect to all class logits: layers, proposals, denoising."""
    labels = labels_of(targets, SIZE, SIZE)
    torch.manual_seed(3)
    output = network.train()._output(_images(len(targets)), labels)
    logits = [output.intermediate_logits, output.enc_topk_logits]
    loss = network.criterion.grouped(output, labels)["classification"]
    return list(torch.autograd.grad(loss, logits))


def test_a_class_not_annotated_gets_no_gradient_in_that_scan_alone(network: Dfine) -> None:
    knives_alone = _target([[40.0, 40.0, 90.0, 200.0]], [1], annotated=(False, True, False))
    decoder, proposals = _class_gradients(network, [knives_alone, GUN])
    # The decoder's gradients hold the denoising queries too: more queries than the network has.
    assert decoder.shape[2] > dfine.QUERIES
    for gradients in (decoder, proposals):
        assert not gradients[0, ..., 0].any()
        assert not gradients[0, ..., 2].any()
        assert gradients[0, ..., 1].any()
        assert gradients[1, ..., 0].any()
        assert gradients[1, ..., 2].any()
    every_layer = decoder[1].flatten(1).abs().sum(dim=1)
    assert (every_layer > 0).all()


def test_a_box_of_a_class_not_annotated_is_learned_from_all_the_same(network: Dfine) -> None:
    projected = _target([[40.0, 40.0, 90.0, 200.0]], [0], annotated=(False, True, True))
    decoder, _ = _class_gradients(network, [projected])
    gradients = decoder[0, -1, -dfine.QUERIES :, 0]
    assert int((gradients != 0).sum()) == 1


def test_the_masked_loss_equals_that_of_transformers_when_all_is_annotated(network: Dfine) -> None:
    labels = labels_of([GUN, CLEAN], SIZE, SIZE)
    with torch.no_grad():
        outputs = collect_outputs(network.train()._output(_images(2), labels))
        config = network.detector.config
        ours, reference = MaskedDfineLoss(config)(outputs, labels), DFineLoss(config)(outputs, labels)
    assert ours.keys() == reference.keys()
    for name, value in ours.items():
        torch.testing.assert_close(value, reference[name], msg=name)
    # Three layers, the boxes before the first, the proposals; and distributions of each layer.
    assert sum(name.startswith("loss_vfl") and "dn" not in name for name in ours) == 5
    assert sum(name.startswith("loss_fgl") and "dn" not in name for name in ours) == 3


def test_an_input_with_fewer_proposals_than_queries_is_refused(network: Dfine) -> None:
    with pytest.raises(SettingsInvalid, match="128 x 128") as raised:
        network(torch.zeros(1, 3, 128, 128))
    assert "256" in raised.value.remedy


# --- starts -------------------------------------------------------------------------------------------------------


def _lukemelas_state(timm_state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of the rename, written the other way round: by walking the blocks."""
    names = {"conv_stem": "_conv_stem", "bn1": "_bn0"}
    flat = 0
    for stage, depth in enumerate(STAGE_DEPTHS):
        for block in range(depth):
            order = ["conv_dw", "bn1", "conv_pw", "bn2"] if stage == 0 else []
            order = order or ["conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"]
            theirs = ["_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2"][-len(order) :]
            for ours, other in zip(order, theirs, strict=True):
                names[f"blocks.{stage}.{block}.{ours}"] = f"_blocks.{flat}.{other}"
            flat += 1
    return {f"{names[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": value for key, value in timm_state.items()}


def _timm_backbone(network: Dfine) -> nn.Module:
    backbone = network.detector.model.backbone.model._backbone
    assert isinstance(backbone, nn.Module)
    return backbone


def test_imagenet_weights_in_lukemelas_names_fill_the_whole_backbone(tmp_path: Path, network: Dfine) -> None:
    source = {name: torch.randn_like(value.float()) for name, value in _timm_backbone(network).state_dict().items()}
    head = {"_conv_head.weight": torch.zeros(1280, 320, 1, 1), "_fc.bias": torch.zeros(1000)}
    torch.save(_lukemelas_state(source) | head, tmp_path / "lite0.pth")
    fresh = _network()
    line = fresh.load_pretrained(str(tmp_path / "lite0.pth"))
    assert "EfficientNet-Lite0 backbone, 288 tensors loaded, 0 fresh" in line
    for name, value in _timm_backbone(fresh).state_dict().items():
        torch.testing.assert_close(value.float(), source[name].to(value.dtype).float())
    filled = fresh.pretrained_parameters()
    assert filled <= set(fresh.state_dict())
    assert all("backbone" in name for name in filled)


def test_weights_of_a_larger_efficientnet_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"_blocks\.22\."):
        to_timm_names({"_blocks.22._expand_conv.weight": torch.zeros(1)})
    torch.save({"_conv_stem.weight": torch.zeros(32, 3, 3, 3)}, tmp_path / "cut.pth")
    with pytest.raises(SettingsInvalid, match="do not fit"):
        _network().load_pretrained(str(tmp_path / "cut.pth"))
    with pytest.raises(SettingsInvalid, match="HGNetv2"):
        Dfine(NANO, HGNETV2_B0, CLASSES).load_pretrained(str(tmp_path / "cut.pth"))


def test_a_folder_of_a_whole_detector_fills_all_but_the_classes(tmp_path: Path) -> None:
    torch.manual_seed(5)
    released = DFineForObjectDetection(dfine_config(NANO, HGNETV2_B0, 80))
    released.save_pretrained(tmp_path)
    network = Dfine(NANO, HGNETV2_B0, CLASSES)
    line = network.load_pretrained(str(tmp_path))
    # Three layers' class heads under both of their names, the proposals' head, the denoising embedding.
    assert line.endswith("0 fresh, 15 of another shape")
    loaded = network.detector.model.decoder.layers[1].mlp.layers[0].weight
    torch.testing.assert_close(loaded, released.model.decoder.layers[1].mlp.layers[0].weight)
    assert network.pretrained_parameters() <= set(network.state_dict())
    with pytest.raises(SettingsInvalid, match="no EfficientNet-Lite0 backbone") as raised:
        _network().load_pretrained(str(tmp_path / "model.safetensors"))
    assert "hgnetv2" in raised.value.remedy


def test_a_whole_detector_saved_by_this_project_loads_from_a_file(tmp_path: Path, network: Dfine) -> None:
    torch.save({"state_dict": {f"network.{k}": v for k, v in network.state_dict().items()}}, tmp_path / "run.ckpt")
    other = Dfine(NANO, EFFICIENTNET_LITE0, CLASSES)
    assert other.load_pretrained(str(tmp_path / "run.ckpt")).endswith("0 fresh, 0 of another shape")
    for name, value in other.detector.state_dict().items():
        torch.testing.assert_close(value, network.detector.state_dict()[name])


def test_an_unreachable_hub_is_one_line_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(SettingsInvalid, match="no weights from the hub ustc-community/dfine-nano-coco") as raised:
        Dfine(NANO, HGNETV2_B0, CLASSES).load_pretrained("ustc-community/dfine-nano-coco")
    assert "\n" not in str(raised.value)
    assert "local file or folder" in raised.value.remedy


# --- export -------------------------------------------------------------------------------------------------------


def _lively(network: Dfine) -> Dfine:
    """Moves every weight off its start, where last layers are zero and all boxes are the anchors."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in network.detector.named_parameters():
            if parameter.requires_grad and "backbone" not in name:
                parameter += torch.randn(parameter.shape, generator=generator) * 0.03
        network.train()
        for _ in range(3):
            network(_images(2))
    return network.eval()


def _unmatched(ours: Tensor, theirs: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> int:
    """Rows of `ours` without a row of `theirs` within 1e-3; their order may differ where two scores tie."""
    distances = torch.cdist(ours.double(), torch.from_numpy(theirs).double(), p=float("inf"))
    return int((distances.amin(dim=-1) > 1e-3).sum())


def test_the_exported_network_gives_the_candidates_of_torch_for_any_batch(tmp_path: Path) -> None:
    network = _lively(_network())
    recipe = Recipe(model="dfine-n", steps=1, input_size=SIZE)
    export_network(network, unchosen_spec(recipe, CLASSES), tmp_path / "dfine.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "dfine.onnx"), providers=["CPUExecutionProvider"])
    for count in (1, 3):
        scans = _images(count).to(torch.uint8)
        with torch.inference_mode():
            candidates = network(scans.float())
        boxes, scores = session.run(None, {INPUT_NAME: scans.permute(0, 2, 3, 1).numpy()})
        assert boxes.shape == (count, dfine.QUERIES, 4)
        assert scores.shape == (count, dfine.QUERIES, len(CLASSES))
        assert float(candidates.scores.std()) > 1e-3
        rows = torch.cat((candidates.boxes_xyxy / SIZE, candidates.scores), dim=-1)
        assert _unmatched(rows, np.concatenate((boxes / SIZE, scores), axis=-1)) == 0
