"""Shared by all tests: a small network that needs no training, and scans that need no scanner."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from detector.weights_spec import METADATA_KEY, WeightsSpec

SIZE = 64
CLASSES = ("gun", "knife")


def pytest_configure() -> None:
    """Of several test processes each computes on one core: more threads than cores make all of them slower."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def make_spec(**changes: object) -> WeightsSpec:
    values: dict[str, object] = {
        "name": "probe",
        "family": "probe",
        "class_names": CLASSES,
        "input_size": SIZE,
        "tile_pixels": 256,
        "merge_iou": 0.6,
        "thresholds": dict.fromkeys(CLASSES, 0.5),
        "operating_point": "by hand",
        "chosen_on": "no scans",
        "pretrained": "none",
        "training_data": (),
        "terms": "for tests",
    }
    return WeightsSpec.model_validate(values | changes)


def probe_onnx(path: Path, spec: WeightsSpec | None = None, *, poison: float | None = None) -> Path:
    """A network with one candidate a tile: the middle half of the square, scored `gun` by how dark the square's middle
    pixel is (black 1, white 0) and `knife` always 0. poison: added to every score, to make it NaN or beyond 1."""
    spec = spec or make_spec()
    size = spec.input_size
    quarter, half = size / 4, size / 2
    nodes = [
        helper.make_node("Slice", ["scans", "from", "to", "axes"], ["middle"]),
        helper.make_node("Cast", ["middle"], ["level"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["level", "last"], ["mean"], keepdims=1),
        helper.make_node("Div", ["mean", "white"], ["share"]),
        helper.make_node("Sub", ["one", "share"], ["dark"]),
        helper.make_node("Squeeze", ["dark", "third"], ["flat"]),
        helper.make_node("Mul", ["flat", "classes"], ["clean_scores"]),
        helper.make_node("Add", ["clean_scores", "poison"], ["scores"]),
        helper.make_node("Mul", ["flat", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "box"], ["boxes_xyxy"]),
    ]
    constants = {
        "from": np.array([size // 2, size // 2]),
        "to": np.array([size // 2 + 1, size // 2 + 1]),
        "axes": np.array([1, 2]),
        "last": np.array([3]),
        "third": np.array([3]),
        "white": np.array(255, np.float32),
        "one": np.array(1, np.float32),
        "zero": np.array(0, np.float32),
        "poison": np.array(0 if poison is None else poison, np.float32),
        "classes": np.array([1.0] + [0.0] * (len(spec.class_names) - 1), np.float32),
        "box": np.array([quarter, quarter, quarter + half, quarter + half], np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "probe",
        [helper.make_tensor_value_info("scans", TensorProto.UINT8, ["batch", size, size, 3])],
        [
            helper.make_tensor_value_info("boxes_xyxy", TensorProto.FLOAT, ["batch", 1, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 1, len(spec.class_names)]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: spec.model_dump_json()})
    onnx.save(model, path)
    return path


@pytest.fixture(scope="session")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return probe_onnx(tmp_path_factory.mktemp("weights") / "probe.onnx")


def picture(width: int = 128, height: int = 128, *, middle: int = 250) -> NDArray[np.uint8]:
    """A white scan with a grey frame, and a middle as dark as asked: what `probe` looks at."""
    image = np.full((height, width, 3), 255, np.uint8)
    image[:4], image[-4:] = 120, 120
    image[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = middle
    return image


@pytest.fixture
def write_scan() -> Callable[..., Path]:
    def write(path: Path, **kwargs: int) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), picture(**kwargs))
        return path

    return write
