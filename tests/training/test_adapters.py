"""What holds for every adapter: its own layout is known and read, others are not, and no bad file stops it."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from detector.errors import SettingsInvalid
from detector.readers import SCAN_SUFFIXES
from tests.training import dataset_fixtures
from training.datasets.adapters import ADAPTERS
from training.datasets.annotated_set import SourceSet
from training.datasets.findings import NothingToRead, Severity

_NAMES = [module.name for module in pkgutil.iter_modules(dataset_fixtures.__path__)]
_MODULES = [importlib.import_module(f"{dataset_fixtures.__name__}.{name}") for name in _NAMES]
#: Adapter's name -> the module that builds its layout.
FIXTURES: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2].replace("_", "-"): module for module in _MODULES if hasattr(module, "build")
}
#: Formats of exchange and this project's own take any set that is written in them, so they come last.
GENERAL = {name for name, adapter in ADAPTERS.items() if adapter.write} | {"roentgate", "roboflow"}
PUBLIC = [name for name in ADAPTERS if name not in GENERAL]
#: Layouts in which files belong together by their names; in the others an annotation spells each name out.
PAIRED_BY_STEM = (
    "opixray",
    "hixray",
    "xray-fsod",
    "eds",
    "sixray",
    "gdxray",
    "compass-xp",
    "molit",
    "pascal-voc",
    "yolo",
)
each_fixture = pytest.mark.parametrize("name", FIXTURES)


def built(name: str, root: Path) -> Path:
    root.mkdir()
    FIXTURES[name].build(root)
    return root


def read(name: str, root: Path) -> SourceSet:
    return ADAPTERS[name].read(root)


def test_every_adapter_has_a_fixture() -> None:
    assert set(ADAPTERS) <= set(FIXTURES)


def test_general_formats_come_after_public_sets() -> None:
    kinds = [name in GENERAL for name in ADAPTERS]
    assert kinds == sorted(kinds) and len(PUBLIC) > 10


@each_fixture
def test_a_layout_is_recognised_as_itself_and_as_no_other_public_set(name: str, tmp_path: Path) -> None:
    root = built(name, tmp_path / "set")
    recognised = [other for other, adapter in ADAPTERS.items() if adapter.recognise(root)]
    assert recognised[:1] == [name]
    assert [other for other in recognised if other in PUBLIC and other != name] == []


@pytest.mark.parametrize("name", ADAPTERS)
def test_nothing_is_recognised_in_an_empty_folder_a_file_or_a_folder_of_pictures(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "file").write_text("x")
    for place in ("empty", "pictures", "file", "missing"):
        assert not ADAPTERS[name].recognise(tmp_path / place)
    with pytest.raises(SettingsInvalid) as error:
        ADAPTERS[name].read(tmp_path / "empty")
    assert error.value.remedy


@each_fixture
def test_scans_boxes_and_groups_are_those_that_were_built(name: str, tmp_path: Path) -> None:
    module, found = FIXTURES[name], read(name, built(name, tmp_path / "set"))
    if hasattr(module, "SPLITS"):
        assert Counter(scan.split for scan in found.scans) == module.SPLITS
    if hasattr(module, "BOXES"):
        assert Counter(box.label for scan in found.scans for box in scan.boxes) == module.BOXES
    if hasattr(module, "GROUPS"):
        assert len({scan.group for scan in found.scans}) == module.GROUPS
    assert [finding for finding in found.findings if finding.severity == Severity.ERROR] == []


@each_fixture
def test_what_is_read_holds_together(name: str, tmp_path: Path) -> None:
    root = built(name, tmp_path / "set")
    found = read(name, root)
    assert found.source == name and found.root == root
    assert len(set(found.labels)) == len(found.labels) and len({scan.path for scan in found.scans}) == len(found.scans)
    for scan in found.scans:
        assert (root / scan.path).is_file() and "\\" not in scan.path and scan.group
        assert {box.label for box in scan.boxes} | scan.present <= set(found.labels)
        boxed = {box.label for box in scan.boxes} - {"Hammer" if name == "sixray" else ""}
        assert scan.looked_for is None or boxed <= scan.looked_for <= set(found.labels)
        for x1, y1, x2, y2 in (box.box_xyxy for box in scan.boxes):
            assert np.isfinite([x1, y1, x2, y2]).all() and x2 > x1 and y2 > y1
    assert read(name, root) == found


@each_fixture
def test_what_other_systems_leave_behind_changes_nothing(name: str, tmp_path: Path) -> None:
    root = built(name, tmp_path / "set")
    before = read(name, root)
    for folder in [root, *(path for path in sorted(root.rglob("*")) if path.is_dir())]:
        for file in sorted(folder.iterdir()):
            if file.is_file() and not file.name.startswith("._"):
                (folder / f"._{file.name}").write_bytes(b"\0\5\x16\7")
        (folder / "Thumbs.db").write_bytes(b"\xd0\xcf")
        (folder / ".DS_Store").write_bytes(b"\0")
        (folder / "__MACOSX").mkdir()
        (folder / "__MACOSX/._a.jpg").write_bytes(b"\0")
    assert read(name, root) == before
    assert ADAPTERS[name].recognise(root)


@pytest.mark.parametrize("name", PAIRED_BY_STEM)
def test_suffixes_are_read_in_any_case(name: str, tmp_path: Path) -> None:
    root = built(name, tmp_path / "set")
    before = read(name, root)
    for file in [path for path in root.rglob("*") if path.suffix in (".jpg", ".png", ".xml")]:
        file.rename(file.with_suffix(file.suffix.upper()))
    after = read(name, root)
    assert [scan.boxes for scan in after.scans] == [scan.boxes for scan in before.scans]


@each_fixture
def test_no_damaged_annotation_stops_the_reading(name: str, tmp_path: Path) -> None:
    """Each file of annotations in turn: cut in half, emptied, its bytes changed, not text, deeply nested."""
    root = built(name, tmp_path / "set")
    random = np.random.default_rng(0)
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path.suffix.lower() not in SCAN_SUFFIXES]
    for file in files:
        whole = file.read_bytes()
        changed = bytearray(whole)
        for position in random.integers(0, max(1, len(whole)), 8 if whole else 0):
            changed[position] = random.integers(0, 256)
        damaged = (whole[: len(whole) // 2], b"", bytes(changed), b"\xff\xfe\0\1" * 9, b"[" * 100_000, b"\0" * 300)
        for content in damaged:
            file.write_bytes(content)
            _read_or_refuse(name, root)
        file.unlink()
        _read_or_refuse(name, root)
        file.write_bytes(whole)


@each_fixture
def test_a_link_that_leaves_the_folder_is_not_read(name: str, tmp_path: Path) -> None:
    root = built(name, tmp_path / "set")
    for number, file in enumerate([path for path in sorted(root.rglob("*")) if path.is_file()]):
        outside = tmp_path / "outside" / f"{number}{file.suffix}"
        outside.parent.mkdir(exist_ok=True)
        file.rename(outside)
        file.symlink_to(outside)
        found = _read_or_refuse(name, root)
        for scan in found.scans if found else ():
            assert (root / scan.path).resolve().is_relative_to(root), scan.path
        file.unlink()
        outside.rename(file)


@pytest.mark.parametrize(
    ("name", "broken", "reason"),
    [
        ("pidray", "annotations/*.json", "it is not JSON"),
        ("roboflow", "*/_annotations.coco.json", "it is not JSON"),
        ("coco", "annotations/instances*.json", "it is not JSON"),
        ("labelme", "**/*.json", "it is not JSON"),
        ("label-studio", "*.json", "it is not JSON"),
        ("is2ai", "images.json.gz", "EOFError"),
        ("pascal-voc", "Annotations/*.xml", "it is not XML"),
        ("yolo", "data.yaml", "save it as UTF-8"),
        ("opixray", "*/*_annotation/*.txt", "save it as UTF-8"),
        ("eds", "**/*.xml", "it is not XML"),
    ],
)
def test_where_nothing_can_be_read_the_first_fault_is_the_message_and_all_are_kept(
    name: str, broken: str, reason: str, tmp_path: Path
) -> None:
    root = built(name, tmp_path / "set")
    paths = sorted(root.glob(broken))
    for path in paths:
        whole = path.read_bytes()
        path.write_bytes(whole.decode().encode("utf-16") if "UTF-8" in reason else whole[: len(whole) // 2])
    with pytest.raises(NothingToRead, match=reason) as refused:
        read(name, root)
    assert any(path.relative_to(root).as_posix() in refused.value.what for path in paths)
    remedy = refused.value.remedy
    assert remedy.startswith("correct that, or ") and (f"all {len(refused.value.findings)} " in remedy) == (
        len(refused.value.findings) > 1
    )
    faults = [finding for finding in refused.value.findings if reason in finding.message]
    assert len(faults) == len(paths) and refused.value.findings[0] == faults[0]


def _read_or_refuse(name: str, root: Path) -> SourceSet | None:
    try:
        return read(name, root)
    except SettingsInvalid:
        return None
