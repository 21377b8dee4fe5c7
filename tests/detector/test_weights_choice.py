"""Weights go with the scanner: asked for, named by its profile, the only ones that know its pictures, or chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from detector import weights as weights_module
from detector.errors import SettingsInvalid
from detector.scanner_profile import Rendering, ScannerProfile
from detector.weights import Manifest, ManifestEntry, load_weights, manifest_json
from detector.weights_choice import Ask, choose_by_sidecars, choose_weights, knowing
from tests.conftest import make_spec, probe_onnx

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
    assert choose_by_sidecars([grey, named], None) == ""
    assert choose_by_sidecars([grey, raw(tmp_path, "d", None)], None) == ""
    assert choose_by_sidecars([grey, raw(tmp_path, "e", "no TOML")], None) == ""
    assert choose_by_sidecars([tmp_path / "bag.png"], None) == ""


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
