"""Runs the network in onnxruntime, on the provider that was asked for and on no other.

>>> network = Network(load_weights(), provider="cpu")
>>> boxes, scores = network.infer(np.zeros((1, 416, 416, 3), np.uint8))
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from detector.errors import InferenceFailed, ProviderUnavailable, WeightsRejected
from detector.weights import Weights
from detector.weights_spec import BOXES_NAME, INPUT_NAME, SCORES_NAME

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]
#: What the runtime calls the types of squares, and of boxes and scores.
_BYTES, _FLOATS = "tensor(uint8)", "tensor(float)"


class Provider(StrEnum):
    """Where the network runs; AUTO takes the first of CUDA and the CPU that starts."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"
    OPENVINO = "openvino"


RUNTIME_NAMES = {
    Provider.CPU: "CPUExecutionProvider",
    Provider.CUDA: "CUDAExecutionProvider",
    Provider.TENSORRT: "TensorrtExecutionProvider",
    Provider.OPENVINO: "OpenVINOExecutionProvider",
}


class Network:
    """One loaded network. `provider` is the one that really runs, as the runtime itself reports it; `passed_over` says
    why AUTO did not take CUDA where this onnxruntime has it."""

    def __init__(self, weights: Weights, provider: Provider | str = Provider.AUTO, threads: int = 0) -> None:
        """threads: for one operator, 0 for one a core. Raises ProviderUnavailable or WeightsRejected."""
        self.spec = weights.spec
        self._session, self.provider, self.passed_over = _start(weights, _provider(provider), threads)
        names = [value.name for value in (*self._session.get_inputs(), *self._session.get_outputs())]
        if names != [INPUT_NAME, BOXES_NAME, SCORES_NAME]:
            raise WeightsRejected(f"{weights.name}: graph has {names}, not {[INPUT_NAME, BOXES_NAME, SCORES_NAME]}")
        kinds = [value.type for value in (*self._session.get_inputs(), *self._session.get_outputs())]
        if kinds != [_BYTES, _FLOATS, _FLOATS]:
            raise WeightsRejected(f"{weights.name}: graph has {kinds}, not {[_BYTES, _FLOATS, _FLOATS]}")
        size, shape = self.spec.input_size, self._session.get_inputs()[0].shape
        if list(shape[1:]) != [size, size, 3]:
            raise WeightsRejected(f"{weights.name}: graph takes {shape}, its description says {size} x {size} x 3")

    def infer(self, squares: UInt8) -> tuple[Float32, Float32]:
        """(N, S, S, 3) uint8 RGB -> boxes (N, Q, 4) in pixels of the square, scores (N, Q, C).

        Raises InferenceFailed when the runtime raises, or returns another shape or numbers that are not finite.
        """
        try:
            boxes, scores = self._session.run([BOXES_NAME, SCORES_NAME], {INPUT_NAME: squares})
        # The runtime's exceptions have no common public base; any of them means that these tiles were not looked at.
        except Exception as error:
            raise InferenceFailed(f"the network raised {type(error).__name__}: {error}") from error
        self._check(boxes, scores, len(squares))
        return boxes, scores

    def _check(self, boxes: Float32, scores: Float32, count: int) -> None:
        classes = len(self.spec.class_names)
        if boxes.ndim != 3 or boxes.shape[0] != count or scores.shape != (*boxes.shape[:2], classes):
            raise InferenceFailed(f"the network returned shapes {boxes.shape} and {scores.shape} for {count} tiles")
        if boxes.shape[1] == 0 or boxes.shape[2] != 4:
            raise InferenceFailed(f"the network returned no candidates: {boxes.shape}")
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise InferenceFailed("the network returned numbers that are not finite")
        if scores.min() < 0 or scores.max() > 1:
            raise InferenceFailed(f"the network returned scores outside 0..1: {scores.min():g}..{scores.max():g}")


def _provider(name: Provider | str) -> Provider:
    try:
        return Provider(name)
    except ValueError:
        raise ProviderUnavailable(
            f"no provider is called {name!r}", remedy=f"use one of {', '.join(one.value for one in Provider)}"
        ) from None


def _start(weights: Weights, provider: Provider, threads: int) -> tuple[onnxruntime.InferenceSession, Provider, str]:
    if provider is not Provider.AUTO:
        return _session(weights, provider, threads), provider, ""
    passed_over = ""
    if RUNTIME_NAMES[Provider.CUDA] in onnxruntime.get_available_providers():
        try:
            return _session(weights, Provider.CUDA, threads), Provider.CUDA, ""
        except ProviderUnavailable as error:
            # AUTO means "the best that starts"; which one that was, and why, stands in the summary.
            passed_over = error.what
    return _session(weights, Provider.CPU, threads), Provider.CPU, passed_over


def _session(weights: Weights, provider: Provider, threads: int) -> onnxruntime.InferenceSession:
    wanted = RUNTIME_NAMES[provider]
    available = onnxruntime.get_available_providers()
    if wanted not in available:
        raise ProviderUnavailable(
            f"this onnxruntime has no {wanted}; it has {', '.join(available)}",
            remedy="install onnxruntime-gpu in place of onnxruntime, or use --provider cpu",
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        # By itself the runtime would change to the CPU when a provider fails, at the start or at any tile later.
        session = onnxruntime.InferenceSession(weights.data, options, providers=[wanted], enable_fallback=0)
    except Exception as error:
        raise ProviderUnavailable(f"{wanted} did not start: {error}") from error
    started = session.get_providers()
    if started[0] != wanted:
        raise ProviderUnavailable(f"{wanted} was asked for, but the runtime took {started[0]}")
    return session
