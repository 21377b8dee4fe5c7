"""What README promises is run: its commands, its Python lines, its table and its tree."""

from __future__ import annotations

import functools
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from detector import Decision, Detector
from detector.weights import read_manifest
from training.datasets.adapters import ADAPTERS
from training.evaluation.alignment import intersection_over_union

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PAGES = {name: (REPOSITORY / "docs" / name).read_text(encoding="utf-8") for name in ("retraining.md", "cargo.md")}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    return [line.strip() for block in blocks("bash") for line in block.splitlines() if line.strip()]


def test_the_two_commands_stand_there_as_promised() -> None:
    assert "pip install uv && uv run roentgate scan examples --output out" in commands()
    assert "uv run --all-extras pytest" in commands()
    assert "uv run --all-extras pytest" in (REPOSITORY / ".ci" / "run").read_text()


def test_the_first_command_finds_what_readme_says(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from detector.cli import main; main()", "scan", "examples", "--output", tmp_path],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    said = dict(re.findall(r"^\| `([\w.]+)` \| (ALARM|CLEAR)", README, re.MULTILINE))
    assert {record["scan"]: record["decision"] for record in records} == said
    reasons = dict(re.findall(r"^\| `([\w.]+)` \| ALARM \| [^|]* \| (.*) \|$", README, re.MULTILINE))
    assert {
        record["scan"]: "; ".join(record["reasons"]) for record in records if record["decision"] == "ALARM"
    } == reasons
    # What the sentence below the table says is boxed under its own name.
    assert set(found_by_name(records)) == {
        ("bag_gun.jpg", "gun"), ("bag_gun_and_knife.jpg", "gun"), ("bag_powerbank_and_lighter.jpg", "powerbank"),
        ("bag_knife_two_views.tif", "knife"), ("bag_scissors.jpg", "scissors"), ("bag_wrench.jpg", "wrench"),
    }  # fmt: skip


def found_by_name(records: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """(scan, class) of every item that a detection of its class covers with an IoU of at least 0.5."""
    coco = json.loads((REPOSITORY / "examples" / "annotations.json").read_text())
    classes = {category["id"]: category["name"] for category in coco["categories"]}
    files = {image["id"]: image["file_name"] for image in coco["images"]}
    for item in coco["annotations"]:
        x, y, width, height = item["bbox"]
        truth = np.array([[x, y, x + width, y + height]], np.float32)
        name, scan = classes[item["category_id"]], files[item["image_id"]]
        boxes = [
            found["box_xyxy"]
            for record in records
            for found in record["detections"]
            if record["scan"] == scan and found["class"] == name and found.get("view", 1) == 1
        ]
        if boxes and intersection_over_union(truth, np.array(boxes, np.float32)).max() >= 0.5:
            yield scan, name


@pytest.mark.parametrize("block", blocks("python"))
def test_python_lines_run(block: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=240,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "line", [line for line in commands() if re.search(r"roentgate(-train)? ", line) and "pip install" not in line]
)
def test_every_option_that_readme_names_exists(line: str) -> None:
    require_options(line)


@pytest.mark.parametrize(("name", "fewest"), [("retraining.md", 15), ("cargo.md", 8)])
def test_every_command_of_a_page_exists(name: str, fewest: int) -> None:
    page = PAGES[name]
    blocks = "".join(re.findall(r"```bash\n(.*?)```", page, re.DOTALL))
    lines = re.findall(r"^(roentgate.*?)(?:#.*)?$", blocks, re.MULTILINE) + re.findall(r"`(roentgate[^`]*)`", page)
    assert len(lines) > fewest
    for line in {line.split(" --set")[0] for line in lines}:
        require_options(line)


def test_the_page_on_data_sets_names_every_adapter_and_no_other() -> None:
    page = (REPOSITORY / "docs" / "data-sets.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| .* \| yes \| (yes|) ?\| (.*) \|$", page, re.MULTILINE)
    assert {name: (bool(written), terms) for name, written, terms in rows} == {
        name: (adapter.write is not None, adapter.terms) for name, adapter in ADAPTERS.items()
    }


def require_options(line: str) -> None:
    program, *words = line.split("roentgate", 1)[1].split()
    module = "training.cli" if program == "-train" else "detector.cli"
    words = words if program == "-train" else [program, *words]
    command = words[:2] if words[0] in ("data", "weights", "scanner", "cargo") else words[:1]
    said = help_of(module, *command)
    for option in re.findall(r"--[a-z-]+", line.split("roentgate", 1)[1]):
        assert option in said, f"{option} of: {line}"


@functools.cache
def help_of(module: str, *command: str) -> str:
    """What a command says of itself; within this process, as starting one takes seconds."""
    done = CliRunner().invoke(importlib.import_module(module).app, [*command, "--help"], env={"COLUMNS": "250"})
    assert done.exit_code == 0, done.output
    return done.output


def test_the_tree_names_only_what_is_there() -> None:
    (tree,) = blocks("text")
    folder = Path()
    for line in tree.splitlines():
        name = line.split("#")[0].rstrip()
        if not name:
            continue
        depth = len(name) - len(name.lstrip())
        folder = Path(*folder.parts[: depth // 2])
        for part in name.split():
            assert (REPOSITORY / folder / part).exists(), folder / part
        if name.endswith("/"):
            folder = folder / name.strip()


def test_the_table_holds_the_numbers_of_the_manifest() -> None:
    manifest = read_manifest()
    for name, entry in manifest.weights.items():
        (row,) = re.findall(rf"^\| `{name}`.*$", README, re.MULTILINE)
        for values in entry.metrics.values():
            assert f"{values['value']:.3f}" in row, (name, values)


def test_the_shipped_weights_do_not_clear_a_bag_whose_colours_are_lost(tmp_path: Path) -> None:
    name = "bag_clean_1.jpg"
    image = cv2.imread(str(REPOSITORY / "examples" / name))
    cv2.imwrite(str(tmp_path / "grey.png"), cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    detector = Detector("luggage")
    assert detector.inspect(REPOSITORY / "examples" / name).decision is Decision.CLEAR
    assert detector.inspect(tmp_path / "grey.png").decision is not Decision.CLEAR
