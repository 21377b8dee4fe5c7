from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime import get_available_providers
from onnxruntime.capi.onnxruntime_pybind11_state import EPFail
from pydantic import ValidationError

from detector import weights as weights_module
from detector.errors import InferenceFailed, ProviderUnavailable, WeightsRejected
from detector.network import Network, Provider
from detector.weights import Manifest, ManifestEntry, load_weights, manifest_json, read_manifest
from detector.weights_spec import WeightsSpec
from tests.conftest import make_spec, probe_onnx


@pytest.fixture
def shipped(tmp_path: Path, probe: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder with the probe in it, in place of the shipped one."""
    data = probe.read_bytes()
    (tmp_path / "probe.onnx").write_bytes(data)
    entry = ManifestEntry(
        file="probe.onnx", sha256=hashlib.sha256(data).hexdigest(), size=len(data), metrics={}, data=(), terms="tests"
    )
    manifest = Manifest(default="probe", weights={"probe": entry})
    (tmp_path / "manifest.json").write_text(manifest_json(manifest), encoding="utf-8")
    monkeypatch.setattr(weights_module, "weights_folder", lambda: tmp_path)
    return tmp_path


def test_the_default_is_loaded_and_labelled_by_its_digest(shipped: Path) -> None:
    weights = load_weights()
    assert weights.label == f"probe@sha256:{hashlib.sha256((shipped / 'probe.onnx').read_bytes()).hexdigest()}"
    assert weights.spec.class_names == ("gun", "knife")


def test_one_changed_byte_is_refused(shipped: Path) -> None:
    data = bytearray((shipped / "probe.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (shipped / "probe.onnx").write_bytes(data)
    with pytest.raises(WeightsRejected, match="sha256"):
        load_weights("probe")


def test_another_size_is_refused(shipped: Path) -> None:
    with (shipped / "probe.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(WeightsRejected, match="bytes"):
        load_weights("probe")


def test_an_unknown_name_is_answered_with_the_known_ones(shipped: Path) -> None:
    with pytest.raises(WeightsRejected) as caught:
        load_weights("lugage")
    assert "probe" in caught.value.remedy


def test_a_missing_file_or_manifest_is_refused(shipped: Path) -> None:
    (shipped / "probe.onnx").unlink()
    with pytest.raises(WeightsRejected, match="cannot read"):
        load_weights("probe")
    (shipped / "manifest.json").unlink()
    with pytest.raises(WeightsRejected, match="no manifest"):
        load_weights("probe")


def test_a_malformed_manifest_is_refused(shipped: Path) -> None:
    document = json.loads((shipped / "manifest.json").read_text())
    document["weights"]["probe"]["sha256"] = "no digest"
    (shipped / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(WeightsRejected, match="sha256"):
        read_manifest()


def test_bytes_that_are_no_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise.onnx"
    path.write_bytes(b"\x08\x01noise" * 50)
    with pytest.raises(WeightsRejected, match="not a usable ONNX"):
        load_weights(path)


def test_a_network_without_description_is_refused(tmp_path: Path, probe: Path) -> None:
    model = onnx.load(probe)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    with pytest.raises(WeightsRejected, match="metadata"):
        load_weights(tmp_path / "bare.onnx")


def test_a_class_without_threshold_is_refused() -> None:
    with pytest.raises(ValueError, match="could never alarm"):
        make_spec(thresholds={"gun": 0.5})


@pytest.mark.parametrize("passes", [(2.0,), (1.0, 1.0), (1.0, float("nan")), (1.0, float("inf"))])
def test_passes_that_no_scan_can_be_cut_by_are_refused(passes: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match="passes begin with 1 and grow"):
        make_spec(passes=passes)


def test_a_provider_that_is_not_there_is_never_replaced_silently(probe: Path) -> None:
    for provider in (Provider.CUDA, Provider.TENSORRT, Provider.OPENVINO):
        if provider.value in ("cuda",) and "CUDAExecutionProvider" in get_available_providers():
            continue
        with pytest.raises(ProviderUnavailable):
            Network(load_weights(probe), provider)


def test_auto_says_what_really_runs(probe: Path) -> None:
    assert Network(load_weights(probe), Provider.AUTO).provider in (Provider.CPU, Provider.CUDA)


@pytest.mark.skipif("CUDAExecutionProvider" in get_available_providers(), reason="CUDA starts here")
def test_auto_keeps_why_cuda_did_not_start(probe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Network(load_weights(probe), Provider.AUTO).passed_over == ""
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("detector.network.onnxruntime.get_available_providers", lambda: providers)
    network = Network(load_weights(probe), Provider.AUTO)
    assert network.provider is Provider.CPU
    assert "CUDAExecutionProvider" in network.passed_over


def test_a_provider_that_fails_later_is_not_replaced_by_the_cpu(
    probe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = Network(load_weights(probe), Provider.CPU)
    whole = network._session._sess

    class Lost:
        def run(self, *_: object) -> None:
            raise EPFail("device lost")

        def __getattr__(self, name: str) -> object:
            return getattr(whole, name)

    monkeypatch.setattr(network._session, "_sess", Lost())
    with pytest.raises(InferenceFailed, match="device lost"):
        network.infer(np.zeros((1, 64, 64, 3), np.uint8))
    assert capsys.readouterr().out == ""


def test_a_graph_with_other_inputs_is_refused(tmp_path: Path, probe: Path) -> None:
    model = onnx.load(probe)
    model.graph.output.pop()
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(WeightsRejected, match="graph has"):
        Network(load_weights(tmp_path / "odd.onnx"), Provider.CPU)


def test_a_graph_of_halves_is_refused(tmp_path: Path, probe: Path) -> None:
    """Boxes beyond 2,048 pixels have no fractions in them, and merging would go on with that."""
    model = onnx.load(probe)
    (output,) = (one for one in model.graph.output if one.name == "boxes_xyxy")
    node = onnx.helper.make_node("Cast", ["whole"], ["boxes_xyxy"], to=onnx.TensorProto.FLOAT16)
    for made in model.graph.node:
        made.output[:] = ["whole" if one == "boxes_xyxy" else one for one in made.output]
    model.graph.node.append(node)
    output.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    onnx.save(model, tmp_path / "half.onnx")
    with pytest.raises(WeightsRejected, match=r"tensor\(float16\)"):
        Network(load_weights(tmp_path / "half.onnx"), Provider.CPU)


def test_a_spec_survives_the_file(tmp_path: Path) -> None:
    spec = make_spec(calibration={"gun": (1.5, -0.5)}, tile_pixels=999)
    assert load_weights(probe_onnx(tmp_path / "own.onnx", spec)).spec == spec


def test_a_file_that_does_not_say_what_it_was_trained_to_see_saw_scans_as_stored() -> None:
    assert WeightsSpec.model_validate(make_spec().model_dump(exclude={"renderings"})).renderings == ("stored",)
    with pytest.raises(ValidationError):
        make_spec(renderings=())
