"""INT8: what is quantised, what stays float, what the file says of itself, and what the gate lets through."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from detector import Detector
from detector.errors import SettingsInvalid, WeightsRejected
from detector.tile_squares import Look
from detector.weights import load_weights
from training.datasets.coco_index import CocoIndex, read_coco
from training.models.table import build
from training.recipe import Recipe
from training.shipping import quantisation_gate
from training.shipping.export import export_network, unchosen_spec, write_spec
from training.shipping.quantisation_gate import (
    Accuracy,
    GateRefused,
    Speed,
    judge,
    reasons_against,
    require_other_split,
    require_passed,
    verdict_path,
    write_verdict,
)
from training.shipping.quantise import LEAST_SIGNAL, SILU_FLOOR, _Prepared, calibration_squares, quantisable, quantise
from training.simulation import simulate_dataset

SIDE = 64
#: What the patched measurement calls sensitive.
SPARED = ("/network/backbone/backbone/stem/conv/conv/Conv",)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> CocoIndex:
    folder = tmp_path_factory.mktemp("data")
    simulate_dataset(folder, scans=8, seed=1)
    return read_coco(folder, "train")


@pytest.fixture(scope="module")
def exported(index: CocoIndex, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("float") / "small.onnx"
    recipe = Recipe(model="yolox-nano", input_size=SIDE, steps=400)
    spec = unchosen_spec(recipe, index.class_names).model_copy(update={"name": "small", "terms": "for tests"})
    export_network(build("yolox-nano", index.class_names).eval(), spec, path)
    return path


@pytest.fixture(scope="module")
def quantised(exported: Path, index: CocoIndex, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("int8") / "small_int8.onnx"
    with pytest.MonkeyPatch.context() as patched:
        # A hundred trial files take a minute; one small network has them tried for real below.
        patched.setattr("training.shipping.quantise._Prepared.sensitivity", lambda self: dict.fromkeys(SPARED, 3.0))
        quantise(exported, path, index, "simulated/train")
    return path


def weights_of_convolutions(path: Path) -> dict[str, bool]:
    """Convolution -> whether its weights are quantised."""
    graph = onnx.load(path).graph
    producer = {name: node.op_type for node in graph.node for name in node.output}
    return {
        node.name: producer.get(node.input[1]) == "DequantizeLinear" for node in graph.node if node.op_type == "Conv"
    }


def test_all_but_the_last_convolutions_are_quantised(quantised: Path) -> None:
    convolutions = weights_of_convolutions(quantised)
    stayed_float = {name for name, changed in convolutions.items() if not changed}
    assert len(convolutions) > 90
    assert sum("preds" in name for name in stayed_float) == 6
    assert {name for name in stayed_float if "preds" not in name} == set(SPARED)


def test_what_decodes_boxes_stays_float(quantised: Path) -> None:
    graph = onnx.load(quantised).graph
    decoding = {"Exp", "TopK", "GatherElements", "Sub", "ReduceMax", "Clip"}
    producer = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type in decoding:
            sources = {producer[name].op_type for name in node.input if name in producer}
            assert "DequantizeLinear" not in sources, node.name


def test_weights_are_signed_and_per_channel_and_activations_unsigned(quantised: Path) -> None:
    graph = onnx.load(quantised).graph
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    dequantised = [node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in types]
    weights = [node for node in dequantised if types[node.input[0]] == TensorProto.INT8]
    shape = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    assert weights and all(shape[node.input[1]] == shape[node.input[0]][:1] for node in weights)
    activations = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    assert activations and all(types[node.input[2]] == TensorProto.UINT8 for node in activations)


def test_the_file_says_that_it_is_quantised_and_how(exported: Path, quantised: Path) -> None:
    before, after = load_weights(exported).spec, load_weights(quantised).spec
    assert after.name == "small-int8"
    assert "INT8" in after.pretrained and "of simulated/train" in after.pretrained
    assert (before.precision, after.precision) == ("float32", "int8")
    changed = {"name", "precision", "pretrained", "operating_point", "metrics"}
    assert before.model_dump(exclude=changed) == after.model_dump(exclude=changed)
    assert {entry.domain for entry in onnx.load(quantised).opset_import} <= {"", "ai.onnx"}
    assert {node.domain for node in onnx.load(quantised).graph.node} == {""}


def test_the_quantised_file_scans_a_picture_and_gives_nearly_the_same(
    exported: Path, quantised: Path, index: CocoIndex
) -> None:
    path = index.scans[0].path
    outputs = []
    for file in (exported, quantised):
        detector = Detector(file, provider="cpu")
        assert detector.inspect(path).view_sizes
        square = detector.prepare(path, "x").tiles[0].square  # type: ignore[union-attr]
        outputs.append(detector.network.infer(square[None])[1])
    assert outputs[1].shape == outputs[0].shape
    # Untrained scores all lie near 0.01.
    assert np.sort(outputs[1].ravel())[-20:] == pytest.approx(np.sort(outputs[0].ravel())[-20:], rel=0.25)
    assert not np.array_equal(outputs[0], outputs[1])


def test_calibration_takes_turns_among_the_sources(index: CocoIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.shipping.quantise.CALIBRATION_SCANS", 4)
    rare = tuple(replace(scan, source="rare") for scan in index.scans[:2])
    mixed = CocoIndex(index.class_names, (*index.scans, *rare))
    read: list[str] = []
    monkeypatch.setattr(
        "training.shipping.quantise.read_tile", lambda scan, look, choose: (read.append(scan.source), None, None)
    )
    calibration_squares(mixed, Look(SIDE))
    assert sorted(read) == ["rare", "rare", "simulated", "simulated"]


def test_what_cannot_be_quantised_is_one_line(
    exported: Path, quantised: Path, index: CocoIndex, tmp_path: Path
) -> None:
    output = tmp_path / "x.onnx"
    with pytest.raises(SettingsInvalid, match="quantised already"):
        quantise(quantised, output, index, "s")
    with pytest.raises(SettingsInvalid, match="no scans to calibrate"):
        quantise(exported, output, CocoIndex(index.class_names, ()), "s")
    foreign = onnx.load(exported)
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    with pytest.raises(WeightsRejected, match="metadata"):
        quantise(tmp_path / "foreign.onnx", output, index, "s")
    assert not output.exists() and len(list(tmp_path.iterdir())) == 1


def test_only_what_lies_between_convolutions_is_quantised() -> None:
    def node(kind: str, inputs: list[str], output: str) -> onnx.NodeProto:
        return helper.make_node(kind, inputs, [output], name=output)

    weight = helper.make_tensor("w", TensorProto.FLOAT, [1, 1, 1, 1], [1.0])
    nodes = [
        node("Mul", ["x", "w"], "scaled"), node("Conv", ["scaled", "w"], "first"), node("Sigmoid", ["first"], "gate"),
        node("Mul", ["first", "gate"], "silu"), node("Mul", ["silu", "w"], "by_constant"),
        node("Add", ["by_constant", "silu"], "sum"), node("Conv", ["sum", "w"], "second"),
        node("Conv", ["second", "w"], "last"), node("Sigmoid", ["last"], "scores"),
    ]  # fmt: skip
    graph = helper.make_graph(nodes, "g", [], [], [weight])
    assert quantisable(graph) == ["first", "gate", "silu", "second"]
    with pytest.raises(SettingsInvalid, match="no convolution"):
        quantisable(helper.make_graph(nodes[-2:], "g", [], [], [weight]))


def _chain(path: Path, unlike: float) -> None:
    """Three convolutions with SiLU between; one channel of the first is `unlike` times as strong as its neighbour."""
    generator = np.random.default_rng(0)
    first = generator.normal(size=(4, 3, 3, 3)).astype(np.float32) / 255
    first[0] *= unlike
    second = generator.normal(size=(4, 4, 3, 3)).astype(np.float32)
    second[:, 0] = 0
    last = generator.normal(size=(2, 4, 1, 1)).astype(np.float32)
    weights = [numpy_helper.from_array(value, name) for name, value in (("w1", first), ("w2", second), ("w3", last))]
    nodes = [
        helper.make_node("Transpose", ["scans"], ["turned"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["turned"], ["image"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["image", "w1"], ["c1"], name="first"),
        helper.make_node("Sigmoid", ["c1"], ["s1"], name="gate"),
        helper.make_node("Mul", ["c1", "s1"], ["a1"], name="silu"),
        helper.make_node("Conv", ["a1", "w2"], ["c2"], name="second"),
        helper.make_node("Conv", ["c2", "w3"], ["out"], name="last"),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("scans", TensorProto.UINT8, ["batch", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)], weights,
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def test_a_convolution_of_unlike_channels_is_found_sensitive(tmp_path: Path) -> None:
    squares = list(np.random.default_rng(1).integers(0, 256, (4, SIDE, SIDE, 3), dtype=np.uint8))
    measured = {}
    for unlike in (1.0, 1000.0):
        path = tmp_path / f"{unlike:g}.onnx"
        _chain(path, unlike)
        (tmp_path / "ranges.json").unlink(missing_ok=True)
        measured[unlike] = _Prepared(path, squares).sensitivity()
        assert set(measured[unlike]) == {"first", "second"}
    # How much above depends on the CPU: without VNNI instructions sums of products saturate at 16 bits.
    assert measured[1.0]["first"] > measured[1000.0]["first"] + 8
    assert measured[1000.0]["first"] < LEAST_SIGNAL
    assert quantisable(onnx.load(path).graph, frozenset({"first"})) == ["second"]


def test_no_level_is_spent_on_what_silu_turns_into_nothing(tmp_path: Path) -> None:
    path = tmp_path / "chain.onnx"
    _chain(path, 100.0)
    squares = list(np.random.default_rng(1).integers(0, 256, (4, SIDE, SIDE, 3), dtype=np.uint8))
    network = _Prepared(path, squares)
    quantised = onnx.load(network.quantised(quantisable(network.graph), "q.onnx")).graph
    value = {tensor.name: numpy_helper.to_array(tensor) for tensor in quantised.initializer}
    (step,) = [node for node in quantised.node if node.op_type == "QuantizeLinear" and node.input[0] == "c1"]
    level = float(value[step.input[1]])
    assert -float(value[step.input[2]]) * level == pytest.approx(SILU_FLOOR, abs=level)


GOOD = Accuracy(before=0.52, after=0.515, lost_interval=(-0.9, 1.9), scans=575, boxes=593)
FAST = Speed(before_ms=40.0, after_ms=25.0, speedup=1.6, quartiles=(1.5, 1.7), rounds=40, threads=2)


@pytest.mark.parametrize(
    ("accuracy", "speed", "reason"),
    [
        (GOOD, FAST, None),
        (replace(GOOD, after=0.53), FAST, None),
        (replace(GOOD, after=0.5099), FAST, "AP50 falls by 1.01 points"),
        (GOOD, replace(FAST, speedup=1.29), "1.29 times faster, less than 1.3"),
        (GOOD, replace(FAST, speedup=0.8), "0.80 times faster"),
        (replace(GOOD, before=0.0, after=0.0), FAST, "finds nothing"),
        (replace(GOOD, after=float("nan")), FAST, "AP50 falls"),
        (GOOD, replace(FAST, speedup=float("nan")), "times faster"),
    ],
)
def test_the_gate_refuses_what_is_worse_or_not_faster(accuracy: Accuracy, speed: Speed, reason: str | None) -> None:
    reasons = reasons_against(accuracy, speed)
    assert len(reasons) == (reason is not None)
    assert reason is None or reason in reasons[0]


def test_a_file_against_itself_is_refused_for_speed_and_the_verdict_stands_beside_it(
    exported: Path, index: CocoIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantisation_gate, "measure_accuracy", lambda *_: GOOD)
    monkeypatch.setattr(quantisation_gate, "THREADS", 1)
    copied = tmp_path / "same.onnx"
    copied.write_bytes(exported.read_bytes())
    with pytest.raises(GateRefused, match="no verdict"):
        require_passed(copied)
    verdict = judge(exported, copied, index)
    assert not verdict.passed and 0.5 < verdict.speed.speedup < 1.3
    assert [line.partition(" ")[0] for line in verdict.lines()][::2] == ["AP50", "refused:"]
    document = json.loads(write_verdict(verdict, copied).read_text())
    assert document["passed"] is False and document["accuracy"]["before"] == GOOD.before
    with pytest.raises(GateRefused, match="times faster"):
        require_passed(copied)
    write_verdict(replace(verdict, refused=()), copied)
    require_passed(copied)
    verdict_path(copied).write_text(json.dumps({**document, "passed": True, "sha256_after": "0" * 64}))
    with pytest.raises(GateRefused, match="another file"):
        require_passed(copied)


def test_accuracy_is_measured_through_the_pipeline(exported: Path, quantised: Path, index: CocoIndex) -> None:
    two = CocoIndex(index.class_names, index.scans[:2])
    accuracy = quantisation_gate.measure_accuracy(exported, quantised, two)
    assert accuracy.scans == 2 and accuracy.boxes == sum(len(scan.boxes_xyxy) for scan in two.scans)
    assert 0 <= accuracy.before < 0.3
    assert accuracy.lost_interval[0] <= accuracy.lost <= accuracy.lost_interval[1]
    same = quantisation_gate.measure_accuracy(exported, exported, two)
    assert same.lost_interval == (0, 0), "both files are measured on the same draws"


def test_one_split_does_not_calibrate_and_judge() -> None:
    require_other_split("train", "val")
    with pytest.raises(SettingsInvalid, match="different scans"):
        require_other_split("val", "val")


def test_what_the_network_never_saw_sets_no_range_and_the_float_file_stays(
    exported: Path, index: CocoIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[CocoIndex] = []

    def stop(calibration: CocoIndex, look: Look) -> list[np.ndarray]:
        seen.append(calibration)
        raise SettingsInvalid("far enough")

    monkeypatch.setattr("training.shipping.quantise.calibration_squares", stop)
    copied = tmp_path / "own.onnx"
    copied.write_bytes(exported.read_bytes())
    write_spec(copied, load_weights(copied).spec.model_copy(update={"left_out": ("elsewhere",)}))
    scans = (replace(index.scans[0], source="elsewhere", scanner="elsewhere"), *index.scans[1:])
    with pytest.raises(SettingsInvalid, match="far enough"):
        quantise(copied, tmp_path / "int8.onnx", replace(index, scans=scans), "simulated/train")
    assert seen[0].scans == scans[1:]
    before = copied.read_bytes()
    with pytest.raises(SettingsInvalid, match="the float file itself"):
        quantise(copied, copied, index, "simulated/train")
    assert copied.read_bytes() == before
