"""The networks that a recipe can name. To add one, add a line to MODELS.

network = build("yolox-nano", ("gun", "knife"))
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from detector.errors import SettingsInvalid
from training.models.interface import DetectionNetwork
from training.models.yolox import Yolox, YoloxShape


@dataclass(frozen=True)
class ModelEntry:
    """build: class names -> network with fresh weights. input_size: default side of its square input, in pixels."""

    build: Callable[[tuple[str, ...]], DetectionNetwork]
    input_size: int


def _dfine(shape: str, backbone: str) -> Callable[[tuple[str, ...]], DetectionNetwork]:
    def build_dfine(class_names: tuple[str, ...]) -> DetectionNetwork:
        # transformers takes seconds to import; who trains YOLOX does not wait for it.
        from training.models import dfine

        return dfine.Dfine(getattr(dfine, shape), getattr(dfine, backbone), class_names)

    return build_dfine


MODELS: dict[str, ModelEntry] = {
    "yolox-nano": ModelEntry(lambda names: Yolox(YoloxShape(0.33, 0.25, depthwise=True), names), 416),
    "yolox-nano-x2": ModelEntry(lambda names: Yolox(YoloxShape(0.33, 0.5, depthwise=True), names), 416),
    "yolox-s": ModelEntry(lambda names: Yolox(YoloxShape(0.33, 0.5), names), 640),
    "dfine-n": ModelEntry(_dfine("NANO", "EFFICIENTNET_LITE0"), 640),
    "dfine-s": ModelEntry(_dfine("SMALL", "EFFICIENTNET_LITE0"), 640),
    "dfine-n-hgnetv2": ModelEntry(_dfine("NANO", "HGNETV2_B0"), 640),
    "dfine-s-hgnetv2": ModelEntry(_dfine("SMALL", "HGNETV2_B0"), 640),
}


def build(name: str, class_names: tuple[str, ...]) -> DetectionNetwork:
    """The network `name` for `class_names`, in this order. Raises SettingsInvalid for a name not in MODELS."""
    if name not in MODELS:
        nearest = difflib.get_close_matches(name, MODELS, n=1, cutoff=0.0)[0]
        raise SettingsInvalid(
            f"no model is called {name}; nearest: {nearest}", remedy=f"use one of {', '.join(sorted(MODELS))}"
        )
    return MODELS[name].build(class_names)
