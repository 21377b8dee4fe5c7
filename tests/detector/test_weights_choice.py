"""Weights go with the scanner: asked for, named by its profile, the only ones that know its pictures, or chosen."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from detector import Detector
from detector import weights as weights_module
from detector.cli import app
from detector.errors import SettingsInvalid
from detector.inspection import Decision
from detector.scanner_profile import Rendering, ScannerProfile, parse_profile
from detector.weights import Manifest, ManifestEntry, load_weights, manifest_json
from detector.weights_choice import Ask, choose_by_sidecars, choose_weights, knowing
from tests.conftest import make_spec, picture, probe_onnx

KNOWN: dict[str, tuple[Rendering, ...]] = {
    "bags": ("stored",),
    "cargo-a": ("cargo", "cargo material"),
    "cargo-b": ("cargo material",),
}


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {}
    for name, renderings in KNOWN.items():
        loaded = load_weights(probe_onnx(tmp_path / f"{name}.onnx", make_spec(renderings=renderings)))
        entries[name] = ManifestEntry(
            file=f"{name}.onnx", sha256=loaded.sha256, size=len(loaded.data), metrics={}, data=(), terms="for tests"
        )
    (tmp_path / "manifest.json").write_text(manifest_json(Manifest(default="bags", weights=entries)))
    monkeypatch.setattr(weights_module, "weights_folder", lambda: tmp_path)


def profile(rendering: Rendering, weights: str = "") -> ScannerProfile:
    energies = ("high", "low") if rendering == "cargo material" else ("high",)
    return ScannerProfile(name="gate", rendering=rendering, energies=energies, weights=weights)


def last(names: Sequence[str]) -> str:
    return names[-1]


def test_what_is_asked_for_goes_before_the_profile() -> None:
    assert choose_weights("cargo-b", profile("stored", "bags"), last) == "cargo-b"
    assert choose_weights("", profile("cargo", "cargo-b"), last) == "cargo-b"
    assert choose_weights("", None, last) == ""


def test_the_only_weights_that_know_the_pictures_are_taken() -> None:
    assert knowing("cargo material") == ["cargo-a", "cargo-b"]
    assert choose_weights("", profile("cargo"), None) == "cargo-a"
    assert choose_weights("", profile("stored"), None) == "bags"


def raw(folder: Path, name: str, text: str | None) -> Path:
    """A raw array, and the profile beside it."""
    (folder / f"{name}.npy").touch()
    if text is not None:
        (folder / f"{name}.toml").write_text(text)
    return folder / f"{name}.npy"


def test_profiles_beside_raw_arrays_choose_where_all_agree(tmp_path: Path) -> None:
    grey = raw(tmp_path, "a", 'name = "gate"\nrendering = "cargo"\n')
    same = raw(tmp_path, "b", 'name = "other gate"\nrendering = "cargo"\n')
    named = raw(tmp_path, "c", 'name = "gate"\nrendering = "cargo"\nweights = "cargo-b"\n')
    assert choose_by_sidecars([grey, same], None) == "cargo-a"
    assert choose_by_sidecars([named], None) == "cargo-b"
    assert choose_by_sidecars([grey, raw(tmp_path, "d", None)], None) == ""
    assert choose_by_sidecars([tmp_path / "bag.png"], None) == ""
    with pytest.raises(SettingsInvalid, match=r"different weights: cargo-a by .*a\.toml, cargo-b by .*c\.toml"):
        choose_by_sidecars([grey, named, same], None)


FAULTY = {
    "no TOML": b"no TOML",
    "no UTF-8": b'name = "\xff"\n',
    "a number of 5,000 digits": b'name = "gate"\nviews = ' + b"9" * 5000,
    "one of base 16": b'name = "gate"\nviews = 0x' + b"f" * 5000,
    "brackets without end": b"a = " + b"[" * 20_000,
    "a drawing that nobody knows": b'name = "gate"\nrendering = "display"\n',
    "weights that nobody knows": b'name = "gate"\nweights = "cargo-z"\n',
    "a file": b'name = "gate"\nweights = "/somewhere/cargo-b.onnx"\n',
    "too long": b'name = "gate"\n' + b"#" * 70_000,
}


@pytest.mark.parametrize("fault", FAULTY)
def test_a_profile_that_cannot_be_taken_costs_its_own_scan_alone(fault: str, tmp_path: Path) -> None:
    sound = [raw(tmp_path, name, 'name = "gate"\nrendering = "cargo"\n') for name in "ac"]
    faulty = raw(tmp_path, "b", "")
    (tmp_path / "b.toml").write_bytes(FAULTY[fault])
    assert choose_by_sidecars([sound[0], faulty, sound[1]], None) == "cargo-a"
    np.save(faulty, picture())
    inspection = Detector("cargo-a", provider="cpu", threads=1).inspect(faulty)
    assert inspection.decision is Decision.REFER


def test_a_profile_that_vanishes_or_is_locked_costs_its_own_scan_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [raw(tmp_path, name, 'name = "gate"\nrendering = "cargo"\n') for name in "ab"]
    whole = Path.read_bytes

    def read_bytes(self: Path) -> bytes:
        if self.name == "a.toml":
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return whole(self)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert choose_by_sidecars(paths, None) == "cargo-a"


@pytest.mark.parametrize("fault", ["a drawing that nobody knows", "weights that nobody knows", "a file"])
def test_where_no_profile_can_be_followed_one_of_them_is_named(fault: str, tmp_path: Path) -> None:
    path = raw(tmp_path, "b", "")
    (tmp_path / "b.toml").write_bytes(FAULTY[fault])
    with pytest.raises(SettingsInvalid, match=r"b\.toml: "):
        choose_by_sidecars([path], None)


def test_a_mark_before_the_text_is_passed_over(tmp_path: Path) -> None:
    path = raw(tmp_path, "a", '\ufeffname = "gate"\nrendering = "cargo"\n')
    assert choose_by_sidecars([path], None) == "cargo-a"
    assert parse_profile('\ufeffname = "gate"\n', "beside").name == "gate"


@pytest.mark.parametrize("asked", ["{folder}/other/bags.onnx", "bags.onnx", "cargo-z"])
def test_a_profile_beside_a_scan_brings_no_weights_of_its_own(asked: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    probe_onnx(tmp_path / "other" / "bags.onnx", make_spec(thresholds={"gun": 0.99, "knife": 0.99}))
    path = raw(tmp_path, "a", f'name = "gate"\nrendering = "stored"\nweights = "{asked.format(folder=tmp_path)}"\n')
    np.save(path, picture())
    inspection = Detector("bags", provider="cpu", threads=1).inspect(path)
    assert inspection.decision is Decision.REFER
    assert "which are not shipped" in inspection.reasons[0] and "--weights" in inspection.reasons[0]


def test_a_file_that_is_called_like_shipped_weights_is_not_taken_for_them(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    own = probe_onnx(tmp_path / "other" / "bags.onnx", make_spec(thresholds={"gun": 0.99, "knife": 0.99}))
    path = raw(tmp_path, "a", 'name = "gate"\nrendering = "stored"\nweights = "bags"\n')
    np.save(path, picture())
    assert Detector("bags", provider="cpu", threads=1).inspect(path).decision is Decision.CLEAR
    inspection = Detector(own, provider="cpu", threads=1).inspect(path)
    assert inspection.decision is Decision.REFER and "asks for the weights bags" in inspection.reasons[0]


def test_shards_take_the_weights_of_the_whole(tmp_path: Path) -> None:
    belt = tmp_path / "belt"
    belt.mkdir()
    for number in range(4):
        profile = 'name = "gate"\nrendering = "cargo"\n' if number % 2 else None
        np.save(raw(belt, f"{number}", profile), picture())
    for shard in ("1/3", "2/3", "3/3"):
        arguments = ["scan", str(belt), "--output", str(tmp_path / "out"), "--shard", shard]
        done = CliRunner().invoke(app, arguments)
        assert "weights bags@sha256:" in done.stderr
    lines = (tmp_path / "out" / "results.jsonl").read_text().splitlines()
    assert len(lines) == 4 and all('"weights": "bags@' in line for line in lines)


def test_an_alias_stands_for_the_weights_that_took_its_name_over() -> None:
    manifest = weights_module.read_manifest()
    renamed = manifest.model_copy(update={"aliases": {"luggage": "bags"}})
    (weights_module.weights_folder() / "manifest.json").write_text(manifest_json(renamed))
    assert load_weights("luggage").name == "bags"
    assert load_weights("").name == "bags"


def test_between_several_a_person_chooses_and_nobody_guesses() -> None:
    assert choose_weights("", profile("cargo material"), last) == "cargo-b"
    with pytest.raises(SettingsInvalid, match="cargo-a, cargo-b"):
        choose_weights("", profile("cargo material"), None)


@pytest.mark.parametrize("ask", [None, last])
def test_where_no_weights_know_them_none_are_guessed(ask: Ask | None) -> None:
    with pytest.raises(
        SettingsInvalid, match=r"drawn as 'display' \(bags: stored; cargo-a: cargo, cargo material;"
    ) as told:
        choose_weights("", profile("display"), ask)
    assert "`rendering` in the profile of gate" in told.value.remedy
    assert choose_weights("bags", profile("display"), ask) == "bags"
