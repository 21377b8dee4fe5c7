"""Names and packages that other people's code depends on."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import detector
import training
from detector.cli import app
from detector.exit_codes import Exit
from training.cli import app as training_app
from training.models.table import MODELS


def test_public_names_of_the_station() -> None:
    assert sorted(detector.__all__) == [
        "Decision", "Detection", "Detections", "Detector", "Inspection", "Limits", "Policy", "Provider",
        "RoentgateError", "Scan", "ScannerProfile", "load_policy", "load_profile",
    ]  # fmt: skip
    assert all(hasattr(detector, name) for name in detector.__all__)


def commands(typer_app: typer.Typer) -> dict[str, list[str]]:
    """Group -> its commands; those of the application itself under an empty name."""
    found: dict[str, list[str]] = {"": []}
    for name, command in typer.main.get_command(typer_app).commands.items():  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            found[name] = sorted(command.commands)
        else:
            found[""].append(name)
    return found | {"": sorted(found[""])}


def test_commands_of_the_station() -> None:
    assert commands(app) == {
        "": ["audit", "benchmark", "doctor", "scan", "watch"],
        "cargo": ["anomalies", "empty"],
        "scanner": ["probe"],
        "weights": ["list", "show", "verify"],
    }


def test_commands_of_retraining() -> None:
    assert commands(training_app) == {
        "": [
            "ablate", "blend", "calibrate", "cargo-benchmark", "compare", "evaluate", "export", "fit", "freight-set",
            "mine", "project", "publish", "quantise", "reexport", "transfer",
        ],
        "data": ["check", "colours", "export", "merge", "prepare", "preview", "stats"],
    }  # fmt: skip


@pytest.mark.parametrize("command", [app, training_app])
def test_both_commands_tell_their_version(command: typer.Typer) -> None:
    told = CliRunner().invoke(command, ["--version"])
    assert told.exit_code == 0
    assert told.stdout == f"roentgate {version('roentgate')}\n"


def test_exit_codes() -> None:
    assert [code.value for code in (Exit.DONE, Exit.INTERNAL, Exit.USAGE, Exit.REFERRED, Exit.WEIGHTS, Exit.ALARM)] == [
        0, 1, 2, 3, 4, 5,
    ]  # fmt: skip


def test_models() -> None:
    assert {"yolox-nano", "yolox-s", "dfine-n"} <= MODELS.keys()


def test_the_station_imports_no_torch_even_where_torch_is_installed() -> None:
    code = (
        "import importlib, pkgutil, sys, detector\n"
        "for m in pkgutil.walk_packages(detector.__path__, 'detector.'): importlib.import_module(m.name)\n"
        "bad = {'torch', 'torchvision', 'albumentations', 'training', 'onnx', 'matplotlib'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_detections_convert_to_supervision() -> None:
    """supervision is no dependency; its constructor's arguments are what is promised."""
    import types

    import numpy as np
    import pytest

    stand_in = types.SimpleNamespace(Detections=lambda **fields: fields)
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sys.modules, "supervision", stand_in)
        found = detector.Detections(
            np.array([[1, 2, 3, 4]], np.float32), np.array([0.5], np.float32), np.array([1]), np.array([2]), ("a", "b")
        )
        fields = found.to_supervision()
    assert fields["xyxy"].tolist() == [[1, 2, 3, 4]]  # type: ignore[index]
    assert fields["data"]["class_name"].tolist() == ["b"]  # type: ignore[index]
    assert fields["data"]["view"].tolist() == [2]  # type: ignore[index]


def test_albumentations_is_imported_in_one_place() -> None:
    # Its interface changes with its releases, and a second place would draw training scans otherwise.
    importing = re.compile(r"^\s*(import|from) albumentations", re.M)
    sources = Path(training.__file__).parent.rglob("*.py")
    assert [path.name for path in sources if importing.search(path.read_text(encoding="utf-8"))] == ["augmentation.py"]
