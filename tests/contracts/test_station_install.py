"""A station: the wheel alone, in an empty environment somewhere else, on a machine that has no torch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[2]
#: Set where this test must not be skipped.
REQUIRED = os.environ.get("ROENTGATE_CLEAN_INSTALL") == "required"

IMPORT_EVERYTHING = """
import importlib, importlib.util, pkgutil, sys
import detector
for module in pkgutil.walk_packages(detector.__path__, "detector."):
    importlib.import_module(module.name)
for name in ("torch", "torchvision", "albumentations", "lightning", "training.fitting.module"):
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
    """A folder with an environment that holds the built wheel and what it declares to need, and nothing else.

    The dependencies are taken from the environment that runs the tests: no registry is asked, and a dependency that
    the wheel forgot to declare is missing here as it would be at a station.
    """
    uv = shutil.which("uv")
    if uv is None:
        return _cannot("uv is not installed, which builds the wheel and the environment")
    folder = tmp_path_factory.mktemp("station")
    built = command(uv, "build", "--wheel", "--offline", "--out-dir", folder / "dist", REPOSITORY, cwd=folder)
    if built.returncode:
        return _cannot(f"uv cannot build the wheel without a network: {built.stderr.strip()[-300:]}")
    wheel = next((folder / "dist").glob("*.whl"))
    for arguments in (
        ["venv", "--offline", "--python", sys.executable, folder / "venv"],
        ["pip", "install", "--offline", "--no-deps", "--python", folder / "venv", wheel],
    ):
        done = command(uv, *arguments, cwd=folder)
        assert done.returncode == 0, done.stderr
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    for name in sorted(_needed(_declared(wheel))):
        _copy(distribution(name), site)
    return folder


def _declared(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        text = archive.read(metadata).decode()
    return [line.removeprefix("Requires-Dist: ") for line in text.splitlines() if line.startswith("Requires-Dist: ")]


def _needed(requirements: list[str]) -> set[str]:
    """Names of all distributions that these requirements come down to, extras left out."""
    needed: set[str] = set()
    waiting = list(requirements)
    while waiting:
        requirement = Requirement(waiting.pop())
        name = canonicalize_name(requirement.name)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and name not in needed:
            needed.add(name)
            waiting += distribution(name).requires or []
    return needed


def _copy(installed: Distribution, site: Path) -> None:
    for file in installed.files or []:
        if ".." in file.parts:
            continue
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(installed.locate_file(file), target)


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
    assert {record["decision"] for record in records} == {"ALARM", "CLEAR"}
    assert (station / "out" / "report.html").is_file()


def test_retraining_without_its_extra_is_refused_in_one_line(station: Path) -> None:
    done = command(station / "venv/bin/roentgate-train", "data", "check", REPOSITORY / "examples", cwd=station)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "scipy is not installed" in done.stderr and 'pip install "WHEEL[train]"' in done.stderr


def test_the_installed_wheel_proves_its_weights_and_finds_nothing_wrong(station: Path) -> None:
    verified = command(station / "venv/bin/roentgate", "weights", "verify", cwd=station)
    assert verified.returncode == 0 and "ok" in verified.stdout
    healthy = command(station / "venv/bin/roentgate", "doctor", cwd=station)
    assert healthy.returncode == 0, healthy.stdout
    assert "BAD" not in healthy.stdout and "torch imported: no" in healthy.stdout
