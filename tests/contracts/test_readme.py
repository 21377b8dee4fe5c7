"""What README and the pages promise is run or compared: commands, Python lines, tables, policies, links, the tree."""

from __future__ import annotations

import functools
import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import detector.settings
from detector import Decision, Detector, Policy, load_policy
from detector.exit_codes import Exit
from detector.outputs.results_csv import COLUMNS
from detector.scanner_profile import ScannerProfile
from detector.weights import load_weights, read_manifest
from tests.conftest import make_spec, probe_onnx
from tests.training.test_publish import evaluated
from training.datasets.adapters import ADAPTERS
from training.evaluation.alignment import intersection_over_union
from training.shipping.publish import publish
from training.shipping.weights_index import index_row, with_row, without_row

REPOSITORY = Path(__file__).parents[2]
#: Page -> how many commands of ours it has at least.
PAGES = {"README.md": 10, "docs/station.md": 10, "docs/retraining.md": 15, "docs/cargo.md": 8, "docs/data-sets.md": 4}
#: Every page that somebody reads.
ALL_PAGES = [
    path.relative_to(REPOSITORY).as_posix()
    for path in (*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("[ew]*/README.md"))
]


@functools.cache
def page(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


README, STATION, EXAMPLES, CARDS = map(
    page, ("README.md", "docs/station.md", "examples/README.md", "weights/README.md")
)


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands() -> list[str]:
    return [line.strip() for block in blocks("bash") for line in block.splitlines() if line.strip()]


def commands_of_ours(text: str) -> list[str]:
    """`roentgate ...` and `roentgate-train ...` in its blocks, whatever goes before, and within its lines."""
    whole = "".join(blocks("bash", text)).replace("\\\n", " ")
    return re.findall(r"\b(roentgate(?:-train)? [^#\n]*)", whole) + re.findall(r"`(roentgate(?:-train)? [^`]*)`", text)


def test_the_two_commands_stand_there_as_promised() -> None:
    assert "pip install uv && uv run roentgate scan examples --output out" in commands()
    assert "uv run --all-extras pytest" in commands()
    assert "uv run --all-extras pytest" in (REPOSITORY / ".ci" / "run").read_text()


@pytest.fixture(scope="module")
def examples_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """README's first command: scan -> its line of results.jsonl."""
    folder = tmp_path_factory.mktemp("out")
    done = subprocess.run(
        [sys.executable, "-c", "from detector.cli import main; main()", "scan", "examples", "--output", folder],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    return {record["scan"]: record for record in records}


def test_the_first_command_finds_what_the_examples_page_says(examples_run: dict[str, dict[str, Any]]) -> None:
    records = list(examples_run.values())
    said = dict(re.findall(r"^\| `([\w.]+)` \| (ALARM|CLEAR)", EXAMPLES, re.MULTILINE))
    assert {record["scan"]: record["decision"] for record in records} == said
    reasons = dict(re.findall(r"^\| `([\w.]+)` \| ALARM \| [^|]* \| (.*) \|$", EXAMPLES, re.MULTILINE))
    assert {
        record["scan"]: "; ".join(record["reasons"]) for record in records if record["decision"] == "ALARM"
    } == reasons
    # What the sentence below the table says is boxed under its own name.
    assert set(found_by_name(records)) == {
        ("bag_gun.jpg", "gun"), ("bag_gun_and_knife.jpg", "gun"), ("bag_powerbank_and_lighter.jpg", "powerbank"),
        ("bag_knife_two_views.tif", "knife"), ("bag_scissors.jpg", "scissors"), ("bag_wrench.jpg", "wrench"),
    }  # fmt: skip


def test_the_line_of_results_on_the_station_page_is_one(examples_run: dict[str, dict[str, Any]]) -> None:
    (block,) = blocks("json", STATION)
    said = json.loads(block)
    got = examples_run[said["scan"]]
    assert list(said) == list(got)
    assert list(said["detections"][0]) == list(got["detections"][0])
    # Weights may be others by now, and no two runs take as long.
    same = {"scan", "sha256", "width", "height", "decision"}
    assert {key: said[key] for key in same} == {key: got[key] for key in same}


def test_the_station_page_names_every_column_and_exit_code() -> None:
    results = STATION[STATION.index("## What the results hold") : STATION.index("## Watched folders")]
    assert tuple(re.findall(r"^\| `(\w+)` \|", results, re.MULTILINE)) == COLUMNS
    assert [int(code) for code in re.findall(r"^\| (\d) \|", STATION, re.MULTILINE)] == list(Exit)
    (said,) = re.findall(r"Exit codes of `scan`: (.*?)\n\n", README, re.DOTALL)
    assert [int(code) for code in re.findall(r"\b\d\b", said)][: len(Exit)] == list(Exit)


def policies() -> Iterator[tuple[str, str]]:
    """(where it stands, the TOML) of each policy that people may copy."""
    (block,) = blocks("toml", STATION)
    yield "docs/station.md", block
    yield "detector/settings.py", (detector.settings.__doc__ or "").split("\n\n", 1)[1].split("\nAny of these")[0]


@pytest.mark.parametrize(("where", "toml"), list(policies()))
@pytest.mark.parametrize("name", ["luggage", "luggage-s"])
def test_a_policy_that_is_copied_clears_nothing_that_the_weights_stop(
    where: str, toml: str, name: str, tmp_path: Path
) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(toml)
    policy, spec = load_policy(path), load_weights(name).spec
    # The network takes it: each score is one that its boxes can have.
    thresholds = Detector(name, policy=policy).thresholds
    assert policy.alarm and policy.refer, where
    assert not [one for one in spec.class_names if thresholds.decisive(one) > spec.thresholds[one]], where
    usual = Policy()
    assert policy.refer_opaque_share <= usual.refer_opaque_share and policy.refer_opaque_mm <= usual.refer_opaque_mm
    assert spec.colours and (policy.refer_unknown_colours_share or 0) <= spec.colours.allowed


def test_the_station_page_has_the_scores_of_the_default_weights() -> None:
    spec = load_weights().spec
    (block,) = blocks("toml", STATION)
    assert set(tomllib.loads(block)["alarm"]) == {"lighter"} and set(tomllib.loads(block)["refer"]) == {"gun"}
    assert f"the weights say {spec.thresholds['lighter']:.2f}:" in block
    assert f"the weights' alarm score ({spec.thresholds['gun']:.2f})" in block
    assert spec.colours and f"{spec.colours.allowed:.4f} for `luggage`" in STATION


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


@pytest.mark.parametrize(("name", "fewest"), list(PAGES.items()))
def test_every_command_of_a_page_exists(name: str, fewest: int) -> None:
    lines = set(commands_of_ours(page(name)))
    assert len(lines) >= fewest
    for line in lines:
        require_options(line)


@pytest.mark.parametrize("name", ALL_PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page(name)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        led = (REPOSITORY / name).parent / path if path else REPOSITORY / name
        assert led.exists(), target
        if anchor:
            assert anchor in anchors(led.read_text(encoding="utf-8")), target


def anchors(text: str) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_page_on_data_sets_names_every_adapter_and_no_other() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| .* \| yes \| (yes|) ?\| (.*) \|$", page("docs/data-sets.md"), re.MULTILINE)
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


def named_in(tree: str) -> Iterator[Path]:
    """Every file and folder of a tree in a page, from the root of the repository."""
    folder = Path()
    for line in tree.splitlines():
        name = line.split("#")[0].rstrip()
        if not name:
            continue
        depth = len(name) - len(name.lstrip())
        folder = Path(*folder.parts[: depth // 2])
        for part in name.split():
            yield folder / part
        if name.endswith("/"):
            folder = folder / name.strip()


def test_the_trees_name_what_is_there_and_once() -> None:
    (short,) = blocks("text")
    _, station, _, retraining = blocks("text", (REPOSITORY / "docs/architecture.md").read_text())
    for tree in (short, station, retraining):
        named = list(named_in(tree))
        assert [path for path in named if not (REPOSITORY / path).exists()] == []
        assert len(set(named)) == len(named)


def test_the_page_of_the_station_has_every_key_of_a_profile_and_its_default() -> None:
    keys_of_a_profile = STATION[STATION.index("A profile's keys;") :]
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \| ([^|]+) \| [^|]+ \|$", keys_of_a_profile, re.MULTILINE)
    told = {key: default for keys, default in rows for key in re.findall(r"`([a-z_]+)`", keys)}
    fields = ScannerProfile.model_fields
    assert set(told) == set(fields)
    for key, default in (("views", "1"), ("arrangement", '`"pages"`'), ("rendering", '`"grey"`'), ("beam", '`"MeV"`')):
        assert told[key] == default and str(fields[key].default) == default.strip('`"'), key
    assert float(told["opaque_transmission"]) == fields["opaque_transmission"].default


def test_pages_name_the_wheel_of_this_version_and_a_released_one_is_not_built_again() -> None:
    """pip installs nothing where the version is there already: a station would keep its old code."""
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    changes = (REPOSITORY / "CHANGELOG.md").read_text()
    released = re.findall(r"^## (\d\S*)", changes, re.MULTILINE)
    if "## Unreleased" in changes:
        assert version not in released
    pages = [path.read_text() for path in (REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md"))]
    assert {found for page in pages for found in re.findall(r"roentgate-(\d[^-\s]*)-py3", page)} == {version}


def test_prose_keeps_to_the_width_of_the_code() -> None:
    pages = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")]
    assert len(pages) > 30
    for page in pages:
        prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        # Rows of tables, pictures, commands and links cannot be broken.
        long = [one for one in prose.splitlines() if len(one) > 120 and one[:1] not in "|!`" and " " in one[100:]]
        assert not long, f"{page.name}: {long[0][:80]}"


def test_the_page_of_the_house_names_every_module() -> None:
    _, station, _, retraining = blocks("text", (REPOSITORY / "docs/architecture.md").read_text())
    opened = [f"training/{name}" for name in ("files", "fitting", "samples", "shipping", "studies")]
    for tree, folders in ((station, ["detector"]), (retraining, ["training", *opened])):
        paths = [path for folder in folders for path in (REPOSITORY / folder).glob("*.py")]
        there = {path.relative_to(REPOSITORY) for path in paths if path.stem[0] != "_"}
        assert there <= set(named_in(tree)), there - set(named_in(tree))


def test_the_table_holds_the_numbers_of_the_manifest() -> None:
    manifest = read_manifest()
    for name, entry in manifest.weights.items():
        (row,) = re.findall(rf"^\| `{name}`.*$", README, re.MULTILINE)
        for values in entry.metrics.values():
            assert f"{values['value']:.3f}" in row, (name, values)
        assert f"{entry.size / 1e6:.1f} MB" in row
        (card,) = re.findall(rf"<!-- card {name} -->(.*?)<!-- end {name} -->", CARDS, re.DOTALL)
        figures = re.findall(r"(\d\.\d+) (\[[^]]+\])", row)
        assert len(figures) >= 2
        # Rounded once here and once there, .2647 is .265 and .26.
        whole = {
            (f"{values['value']:.3f}", f"[{values['low']:.2f}, {values['high']:.2f}]")
            for values in entry.metrics.values()
            if f"{values['value']:.2f} [{values['low']:.2f}, {values['high']:.2f}]" in card
        }
        for value, interval in figures:
            if (value, interval) in whole:
                continue
            assert f"{value} {interval}" in card or f"{float(value):.2f} {interval}" in card, (name, value, interval)


def test_the_index_of_the_cards_is_what_publish_writes() -> None:
    manifest = read_manifest()
    rows = re.findall(r"^\| \[`.*$", CARDS, re.MULTILINE)
    assert set(rows) == {index_row(name, load_weights(name).spec, entry) for name, entry in manifest.weights.items()}
    assert len(rows) == len(manifest.weights)


def test_an_index_gets_a_row_a_name_and_loses_it() -> None:
    page = with_row(with_row("# Weights\n\n<!-- card b -->\n", "b", "| [`b`](#b) | 1 |"), "b.c", "| [`b.c`](#bc) | 2 |")
    assert page.index("[`b`]") < page.index("[`b.c`]") < page.index("<!-- card b -->")
    again = with_row(page, "b", "| [`b`](#b) | 3 |")
    assert "| 1 |" not in again and again.index("| 3 |") < again.index("| 2 |")
    assert without_row(again, "b") == page.replace("| [`b`](#b) | 1 |\n", "")


def test_publish_keeps_the_index(tmp_path: Path) -> None:
    file, folder = probe_onnx(tmp_path / "network.onnx", make_spec()), tmp_path / "weights"
    for name in ("first", "second", "first"):
        publish(file, name, folder, evaluated(file), default=False)
    publish(file, "third", folder, evaluated(file), default=False, alias="second")
    text = (folder / "README.md").read_text()
    assert re.findall(r"^\| \[`(\w+)`\]", text, re.MULTILINE) == ["first", "third"]
    assert index_row("first", make_spec(), read_manifest(folder).weights["first"]) in text
    assert text.index("[`third`]") < text.index("<!-- card first -->")


def test_readme_names_every_class_of_the_default_weights() -> None:
    (said,) = re.findall(r"\*\*What it is for\.\*\* (.*?)\n\n", README, re.DOTALL)
    missing = [name for name in load_weights().spec.class_names if name.replace("_", " ") not in " ".join(said.split())]
    assert not missing


def test_the_shipped_weights_do_not_clear_a_bag_whose_colours_are_lost(tmp_path: Path) -> None:
    name = "bag_clean_1.jpg"
    image = cv2.imread(str(REPOSITORY / "examples" / name))
    cv2.imwrite(str(tmp_path / "grey.png"), cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    detector = Detector("luggage")
    assert detector.inspect(REPOSITORY / "examples" / name).decision is Decision.CLEAR
    assert detector.inspect(tmp_path / "grey.png").decision is not Decision.CLEAR
