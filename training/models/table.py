"""The networks that a recipe can name. To add one, add a line to MODELS.

network = build("yolox-nano", ("gun", "knife"))
"""

from __future__ import annotations

import difflib
import importlib
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


def _late(module: str, network: str, *shapes: str) -> Callable[[tuple[str, ...]], DetectionNetwork]:
    """Builds `network` of training/models/`module`.py from its constants `shapes`, imported when it is wanted.

    transformers and torchvision take seconds to import; who trains YOLOX does not wait for them.
    """

    def build_late(class_names: tuple[str, ...]) -> DetectionNetwork:
        family = importlib.import_module(f"training.models.{module}")
        built: DetectionNetwork = getattr(family, network)(*(getattr(family, shape) for shape in shapes), class_names)
        return built

    return build_late


MODELS: dict[str, ModelEntry] = {
    "yolox-nano": ModelEntry(lambda names: Yolox(YoloxShape(0.33, 0.25, depthwise=True), names), 416),
    "yolox-nano-x2": ModelEntry(lambda names: Yolox(YoloxShape(0.33, 0.5, depthwise=True), names), 416),
    "yolox-nano-contrast": ModelEntry(lambda names: Yolox(YoloxShape(0.33, 0.25, True, contrast=True), names), 416),
    "yolox-s": ModelEntry(lambda names: Yolox(YoloxShape(0.33, 0.5), names), 640),
    "yolox-m": ModelEntry(lambda names: Yolox(YoloxShape(0.67, 0.75), names), 640),
    "dfine-n": ModelEntry(_late("dfine", "Dfine", "NANO", "EFFICIENTNET_LITE0"), 640),
    "dfine-s": ModelEntry(_late("dfine", "Dfine", "SMALL", "EFFICIENTNET_LITE0"), 640),
    "dfine-n-hgnetv2": ModelEntry(_late("dfine", "Dfine", "NANO", "HGNETV2_B0"), 640),
    "dfine-s-hgnetv2": ModelEntry(_late("dfine", "Dfine", "SMALL", "HGNETV2_B0"), 640),
    "dfine-m-hgnetv2": ModelEntry(_late("dfine", "Dfine", "MEDIUM", "HGNETV2_B2"), 640),
    "rtdetrv2-r18": ModelEntry(_late("rtdetrv2", "Rtdetrv2", "R18"), 640),
    "rtdetrv2-r34": ModelEntry(_late("rtdetrv2", "Rtdetrv2", "R34"), 640),
    "rtdetrv2-r50": ModelEntry(_late("rtdetrv2", "Rtdetrv2", "R50"), 640),
    "deimv2-atto": ModelEntry(_late("deimv2", "Deimv2", "ATTO"), 320),
    "deimv2-femto": ModelEntry(_late("deimv2", "Deimv2", "FEMTO"), 416),
    "deimv2-pico": ModelEntry(_late("deimv2", "Deimv2", "PICO"), 640),
    "deimv2-n": ModelEntry(_late("deimv2", "Deimv2", "NANO"), 640),
    "rfdetr-nano": ModelEntry(_late("rfdetr", "Rfdetr", "NANO"), 384),
    "rfdetr-small": ModelEntry(_late("rfdetr", "Rfdetr", "SMALL"), 512),
    "faster-rcnn-r50": ModelEntry(_late("torchvision_faster_rcnn", "FasterRcnn"), 640),
    "retinanet-r50": ModelEntry(_late("torchvision_dense", "RetinaNet"), 640),
    "fcos-r50": ModelEntry(_late("torchvision_dense", "Fcos"), 640),
    "ssdlite-mobilenetv3": ModelEntry(_late("torchvision_dense", "SsdLite"), 320),
}


def build(name: str, class_names: tuple[str, ...]) -> DetectionNetwork:
    """The network `name` for `class_names`, in this order. Raises SettingsInvalid for a name not in MODELS."""
    if name not in MODELS:
        nearest = difflib.get_close_matches(name, MODELS, n=1, cutoff=0.0)[0]
        raise SettingsInvalid(
            f"no model is called {name}; nearest: {nearest}", remedy=f"use one of {', '.join(sorted(MODELS))}"
        )
    return MODELS[name].build(class_names)
