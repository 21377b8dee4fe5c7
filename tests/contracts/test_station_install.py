"""A station: the wheel alone, in an empty environment somewhere else, on a machine that has no torch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
#: Set where this test must not be skipped.
REQUIRED = os.environ.get("ROENTGATE_CLEAN_INSTALL") == "required"

IMPORT_EVERYTHING = """
import importlib, importlib.util, pkgutil, sys
import detector
for module in pkgutil.walk_packages(detector.__path__, "detector."):
    importlib.import_module(module.name)
for name in ("torch", "torchvision", "albumentations", "lightning", "training.module"):
    assert name not in sys.modules, name
print(importlib.util.find_spec("torch") is None, detector.__file__)
"""


def command(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(argument) for argument in arguments], cwd=cwd, capture_output=True, text=True, timeout=240, env=clean
    )


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment that holds the built wheel. Everything comes from uv's cache: no network."""
    uv = shutil.which("uv")
    if uv is None:
        return _cannot("uv is not installed, which builds the wheel and the environment")
    folder = tmp_path_factory.mktemp("station")
    for arguments in (
        ["build", "--wheel", "--offline", "--out-dir", folder / "dist", REPOSITORY],
        ["venv", "--offline", "--python", sys.executable, folder / "venv"],
    ):
        done = command(uv, *arguments, cwd=folder)
        if done.returncode:
            return _cannot(f"uv {arguments[0]} without a network: {done.stderr.strip()[-300:]}")
    wheel = next((folder / "dist").glob("*.whl"))
    done = command(uv, "pip", "install", "--offline", "--python", folder / "venv", wheel, cwd=folder)
    if done.returncode:
        return _cannot(f"uv's cache lacks a dependency: {done.stderr.strip()[-300:]}")
    return folder


def _cannot(reason: str) -> Path:
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


def test_every_module_imports_where_torch_does_not_exist(station: Path) -> None:
    done = command(station / "venv/bin/python", "-W", "error", "-c", IMPORT_EVERYTHING, cwd=station)
    assert done.returncode == 0, done.stderr
    without_torch, path = done.stdout.split()
    assert without_torch == "True"
    assert path.startswith(str(station))


def test_the_installed_wheel_scans_with_its_own_weights(station: Path) -> None:
    shutil.copytree(REPOSITORY / "examples", station / "scans")
    done = command(station / "venv/bin/roentgate", "scan", "scans", "--output", "out", cwd=station)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in (station / "out" / "results.jsonl").read_text().splitlines()]
    assert len(records) == 13
    assert {record["decision"] for record in records} <= {"ALARM", "CLEAR"}
    assert (station / "out" / "report.html").is_file()


def test_the_installed_wheel_proves_its_weights_and_finds_nothing_wrong(station: Path) -> None:
    verified = command(station / "venv/bin/roentgate", "weights", "verify", cwd=station)
    assert verified.returncode == 0 and "ok" in verified.stdout
    healthy = command(station / "venv/bin/roentgate", "doctor", cwd=station)
    assert healthy.returncode == 0, healthy.stdout
    assert "BAD" not in healthy.stdout and "torch imported: no" in healthy.stdout
