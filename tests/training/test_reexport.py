"""Shipped weights at another size or over mirror images: the same network, and no word of scores chosen for another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.errors import SettingsInvalid
from detector.weights import load_weights, read_manifest
from training.shipping.parity import ParityFailed
from training.shipping.reexport import reexport
from training.shipping.trainable import write_trainable


@pytest.fixture(scope="module", autouse=True)
def few_scans() -> Iterator[None]:
    """Enough for the gate: simulating a hundred bags takes a minute on a slow machine, twice."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("training.shipping.parity.LEAST_SCANS", 8)
        yield


@pytest.fixture(scope="module")
def smaller(few_scans: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reexported") / "smaller.onnx"
    spec, parity = reexport("cargo-n", path, 320, None)
    assert parity.scans == 8 and spec == load_weights(path).spec
    return path


def test_what_was_chosen_for_other_scores_is_gone_and_all_else_stays(smaller: Path) -> None:
    shipped, spec = load_weights("cargo-n").spec, load_weights(smaller).spec
    assert (spec.name, spec.input_size, spec.flips) == ("smaller", 320, "horizontal")
    # As many millimetres a pixel as before.
    assert spec.tile_pixels == shipped.tile_pixels * 320 // shipped.input_size
    assert set(spec.thresholds.values()) == {0.3} and spec.operating_point.startswith("none chosen")
    # Without it no station clears a scan.
    assert (spec.chosen_on, spec.calibration, spec.metrics) == ("", {}, {})
    kept = ("class_names", "renderings", "passes", "pixel_pitch_mm", "training_data", "terms", "never_clear")
    assert all(getattr(spec, name) == getattr(shipped, name) for name in kept)


def test_it_can_be_published_with_what_it_can_be_trained_on_from(smaller: Path, tmp_path: Path) -> None:
    pinned = write_trainable(Path("cargo-n"), "", load_weights(smaller), tmp_path / "cargo-n.safetensors")
    shipped = read_manifest().weights["cargo-n"].trainable
    assert shipped is not None and (pinned.sha256, pinned.size) == (shipped.sha256, shipped.size)
    with pytest.raises(ParityFailed):
        write_trainable(Path("luggage"), "", load_weights(smaller), tmp_path / "other.safetensors")
    assert not (tmp_path / "other.safetensors").exists()


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    output = tmp_path / "none.onnx"
    with pytest.raises(SettingsInvalid, match="runs/mine is not the name of shipped weights"):
        reexport("runs/mine", output, 0, "none")
    with pytest.raises(SettingsInvalid, match="luggage-s was published without"):
        reexport("luggage-s", output, 0, None)
    with pytest.raises(SettingsInvalid, match="330 is no multiple of 32"):
        reexport("cargo-n", output, 330, "none")
    assert not list(tmp_path.iterdir())
