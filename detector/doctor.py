"""Is this machine fit to inspect? Versions, providers, OpenCV wheels, weights."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import distributions, version
from pathlib import Path

import cv2
import onnxruntime

from detector.errors import RoentgateError, SettingsInvalid
from detector.scanner_profile import ScannerProfile, load_profile
from detector.weights import load_weights, read_manifest
from detector.weights_choice import choose_weights, knowing

#: Wheels that install the same `cv2` folder over one another; and runtimes that do so with `onnxruntime`.
CLASHING = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml")
PACKAGES = ("roentgate", "numpy", "onnxruntime", "pydantic", "rich", "typer")


def doctor_report(scanner: Path | None = None) -> tuple[list[str], bool]:
    """Lines for a person, each `ok`, or `BAD` with what to do; and whether all is well. scanner: a profile to check."""
    lines = [f"{mark:4} {text}" for mark, text in (*_findings(), *_scanner(scanner))]
    return lines, not any(line.startswith("BAD") for line in lines)


def _findings() -> Iterator[tuple[str, str]]:
    yield "ok", f"python {platform.python_version()} on {platform.machine()}, {platform.system()}"
    installed = {str(found.metadata["Name"]).lower() for found in distributions()}
    for name in PACKAGES:
        if name in installed or name == "onnxruntime":
            yield "ok", f"{name} {onnxruntime.__version__ if name == 'onnxruntime' else version(name)}"
    yield "ok", f"opencv {cv2.__version__}"
    yield "ok", f"pydicom {version('pydicom')}" if "pydicom" in installed else "pydicom absent: DICOM is referred"
    yield from _clash(installed, CLASHING, "opencv-python-headless")
    yield from _clash(installed, RUNTIMES, "onnxruntime")
    yield "ok", f"providers: {', '.join(onnxruntime.get_available_providers())}"
    yield "ok", f"torch imported: {'yes' if 'torch' in sys.modules else 'no'}"
    yield from _weights()


def _clash(installed: set[str], wheels: tuple[str, ...], keep: str) -> Iterator[tuple[str, str]]:
    present = [name for name in wheels if name in installed]
    if len(present) > 1:
        yield "BAD", f"{' and '.join(present)} overwrite each other: uninstall all of them, then install {keep}"


def _scanner(path: Path | None) -> Iterator[tuple[str, str]]:
    if path is None:
        return
    try:
        profile = load_profile(path)
        weights = _weights_for(profile)
    except RoentgateError as error:
        yield "BAD", f"{error.reason()}; {error.remedy}"
        return
    energies = ", ".join(profile.energies)
    yield "ok", f"scanner {profile.name}: energies {energies}, rendered as {profile.rendering}, weights {weights}"


def _weights_for(profile: ScannerProfile) -> str:
    """What `scan` would take, in words: own weights, given with --weights, may know what no shipped ones do."""
    try:
        chosen = choose_weights("", profile, None)
    except SettingsInvalid:
        fitting = knowing(profile.rendering)
        return f"{', '.join(fitting) or 'of your own, as no shipped ones'} fit: give --weights"
    load_weights(chosen)
    return chosen if chosen != read_manifest().default else f"{chosen}, the default"


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
