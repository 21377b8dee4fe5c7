"""Is this machine fit to inspect? Versions, providers, OpenCV wheels, weights."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import distributions, version

import cv2
import onnxruntime

from detector.errors import RoentgateError
from detector.weights import load_weights, read_manifest

#: Wheels that install the same `cv2` folder over one another; and runtimes that do so with `onnxruntime`.
CLASHING = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml")
PACKAGES = ("roentgate", "numpy", "onnxruntime", "pydantic", "rich", "typer")


def doctor_report() -> tuple[list[str], bool]:
    """Lines for a person, each `ok`, or `BAD` with what to do; and whether all is well."""
    lines = [f"{mark:4} {text}" for mark, text in _findings()]
    return lines, not any(line.startswith("BAD") for line in lines)


def _findings() -> Iterator[tuple[str, str]]:
    yield "ok", f"python {platform.python_version()} on {platform.machine()}, {platform.system()}"
    installed = {str(found.metadata["Name"]).lower() for found in distributions()}
    for name in PACKAGES:
        if name in installed or name == "onnxruntime":
            yield "ok", f"{name} {onnxruntime.__version__ if name == 'onnxruntime' else version(name)}"
    yield "ok", f"opencv {cv2.__version__}"
    yield from _clash(installed, CLASHING, "opencv-python-headless")
    yield from _clash(installed, RUNTIMES, "onnxruntime")
    yield "ok", f"providers: {', '.join(onnxruntime.get_available_providers())}"
    yield "ok", f"torch imported: {'yes' if 'torch' in sys.modules else 'no'}"
    yield from _weights()


def _clash(installed: set[str], wheels: tuple[str, ...], keep: str) -> Iterator[tuple[str, str]]:
    present = [name for name in wheels if name in installed]
    if len(present) > 1:
        yield "BAD", f"{' and '.join(present)} overwrite each other: uninstall all of them, then install {keep}"


def _weights() -> Iterator[tuple[str, str]]:
    try:
        names = sorted(read_manifest().weights)
    except RoentgateError as error:
        yield "BAD", f"{error.reason()}; {error.remedy}"
        return
    for name in names:
        try:
            yield "ok", f"weights {load_weights(name).label}"
        except RoentgateError as error:
            yield "BAD", f"weights {name}: {error.reason()}; {error.remedy}"
