"""A clean scan is a background only if nothing about it is doubted, and a threat is hidden in the vehicle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from detector.errors import InferenceFailed, SettingsInvalid
from detector.normalisation.exposure import Exposure
from detector.scanner_profile import parse_profile
from tests.conftest import make_spec, probe_onnx
from tests.detector.cargo_scene import container, stored, transmission
from training.cargo.backgrounds import MOST_IN_AIR, Backgrounds, with_threats
from training.cli import app
from training.simulation.freight import THREATS

PITCH_MM = 10.0
PROFILE = f'name = "gate"\nair_value = 50000\nbits_stored = 16\npixel_pitch_mm = [{PITCH_MM}, {PITCH_MM}]\n'


def half_filled() -> np.ndarray:
    """(400, 1000) attenuation of an open box with a load in its lower half; without a roof, air is beside the load."""
    field = container()
    field[:190] = 0
    field[200:304, 120:880] += 1.2
    return field


@pytest.mark.parametrize("name", sorted(THREATS))
def test_no_threat_hangs_in_the_air_beside_a_vehicle(name: str) -> None:
    through = transmission(half_filled())
    clean = with_threats(Exposure(through), (), PITCH_MM, 1).high.astype(float)
    for seed in range(5):
        laid = with_threats(Exposure(through), (name,), PITCH_MM, seed).high
        seen = clean - laid > 0.003 * clean
        assert seen.any()
        assert (half_filled()[seen] == 0).mean() <= MOST_IN_AIR


def test_a_scan_of_nothing_but_air_hides_nothing() -> None:
    air = Exposure(transmission(np.zeros((300, 400), np.float32)))
    with pytest.raises(ValueError, match="knife: none of 50 places tried lies within a vehicle"):
        with_threats(air, ("knife",), PITCH_MM, 1)


def test_a_doubted_scan_is_left_out_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    levels = stored(half_filled())
    np.save(folder / "sound.npy", levels)
    np.save(folder / "overexposed.npy", np.minimum(levels, 30_000))
    weights = probe_onnx(
        tmp_path / "probe.onnx", make_spec(tile_pixels=64, pixel_pitch_mm=PITCH_MM, renderings=("grey",))
    )
    backgrounds = Backgrounds(folder, parse_profile(PROFILE, "test"), str(weights))
    found = list(backgrounds.records(()))
    assert {record["background"] for record in found} == {"sound.npy"}
    assert len(found) == 2
    assert list(backgrounds.left_out) == ["overexposed.npy"]
    assert backgrounds.left_out["overexposed.npy"].startswith("ScanWithoutContent: saturated: ")
    told = " ".join(capsys.readouterr().err.split())
    assert "left out: overexposed.npy: ScanWithoutContent: saturated: " in told
    assert "sound.npy" not in told


def test_a_scan_that_the_network_fails_on_does_not_vanish_from_the_figures(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    np.save(folder / "sound.npy", stored(half_filled()))
    spec = make_spec(tile_pixels=64, pixel_pitch_mm=PITCH_MM, renderings=("grey",))
    broken = probe_onnx(tmp_path / "probe.onnx", spec, poison=float("nan"))
    with pytest.raises(InferenceFailed):
        list(Backgrounds(folder, parse_profile(PROFILE, "test"), str(broken)).records(()))


@pytest.mark.parametrize("option", [["--size", "small"], ["--workers", "2"]])
def test_what_backgrounds_would_not_heed_is_refused(option: list[str], tmp_path: Path) -> None:
    arguments = ["cargo-benchmark", "--weights", "x.onnx", "--output", str(tmp_path), "--backgrounds", str(tmp_path)]
    with pytest.raises(SettingsInvalid, match="are of simulated scans"):
        CliRunner().invoke(app, [*arguments, *option], catch_exceptions=False, standalone_mode=False)
