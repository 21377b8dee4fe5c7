"""A clean scan is a background only if nothing about it is doubted, and a threat is hidden in the vehicle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from detector.errors import InferenceFailed, SettingsInvalid
from detector.normalisation.exposure import Exposure
from detector.normalisation.standardise import exposures
from detector.scan import Scan
from detector.scanner_profile import parse_profile
from detector.weights import load_weights
from tests.conftest import make_spec, probe_onnx
from tests.detector.cargo_scene import container, stored, transmission
from training.cargo.backgrounds import MOST_IN_AIR, Backgrounds, with_threats
from training.cli import app
from training.simulation.freight import AIR_LEVEL, THREATS

PITCH_MM = 10.0
PROFILE = f'name = "gate"\nair_value = 50000\nbits_stored = 16\npixel_pitch_mm = [{PITCH_MM}, {PITCH_MM}]\n'


def half_filled() -> np.ndarray:
    """(400, 1000) attenuation of an open box with a load in its lower half; without a roof, air is beside the load."""
    field = container()
    field[:190] = 0
    field[200:304, 120:880] += 1.2
    return field


def own_scans(tmp_path: Path, **levels: np.ndarray) -> tuple[Path, str]:
    """A folder of these scans, and weights that know them by PROFILE."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name, pixels in levels.items():
        np.save(folder / f"{name}.npy", pixels)
    spec = make_spec(tile_pixels=64, pixel_pitch_mm=PITCH_MM, renderings=("grey",))
    return folder, str(probe_onnx(tmp_path / "probe.onnx", spec))


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
    levels = stored(half_filled())
    folder, weights = own_scans(tmp_path, sound=levels, overexposed=np.minimum(levels, 30_000))
    backgrounds = Backgrounds(folder, parse_profile(PROFILE, "test"), weights)
    found = list(backgrounds.records(()))
    assert {record["background"] for record in found} == {"sound.npy"}
    assert len(found) == 2
    assert list(backgrounds.left_out) == ["overexposed.npy"]
    assert backgrounds.left_out["overexposed.npy"].startswith("ScanWithoutContent: saturated: ")
    told = " ".join(capsys.readouterr().err.split())
    assert "left out: overexposed.npy: ScanWithoutContent: saturated: " in told
    assert "sound.npy" not in told


@pytest.mark.parametrize(
    ("line", "doubt"),
    [
        ('rendering = "cargo"', "not trained on 'cargo' scans but on 'grey'"),
        ("pixel_pitch_mm = [20.0, 20.0]", "pixels of 20 mm, where the weights were trained on 10 mm"),
    ],
)
def test_scans_that_the_weights_never_learned_are_not_measured(line: str, doubt: str, tmp_path: Path) -> None:
    folder, weights = own_scans(tmp_path, sound=stored(half_filled()))
    key = line.partition(" ")[0]
    text = "\n".join([*(kept for kept in PROFILE.splitlines() if not kept.startswith(key)), line])
    with pytest.raises(SettingsInvalid, match=f"gate: .*{doubt}") as refused:
        Backgrounds(folder, parse_profile(text, "test"), weights)
    assert "rendering or pixel_pitch_mm" in refused.value.remedy
    # Of profiles beside the scans others may be right.
    (folder / "sound.toml").write_text(text)
    backgrounds = Backgrounds(folder, None, weights)
    assert list(backgrounds.records(())) == []
    assert doubt in backgrounds.left_out["sound.npy"]


@pytest.mark.parametrize("air", ["air_value = 240", "air_columns = [0, 60]"])
def test_a_threat_takes_whole_levels_of_the_scanners_own(air: str) -> None:
    # Elements of other gain have other steps.
    field = np.full((400, 1), 240.0) if "value" in air else np.linspace(220, 250, 400)[:, None]
    levels = np.clip(np.rint(field * transmission(half_filled(), noise=0.01)), 0, 255).astype(np.uint8)
    profile = parse_profile(f'name = "gate"\n{air}\nbits_stored = 8\npixel_pitch_mm = [{PITCH_MM}, {PITCH_MM}]\n', "")
    (exposure,) = exposures(Scan((levels,), "gate", ""), profile)
    clean, laid = (with_threats(exposure, names, PITCH_MM, 1).high for names in ((), ("ammunition",)))
    assert 100 < (clean != laid).sum() < 20_000
    own = laid * (field if "value" in air else np.median(levels[:, :60], axis=1, keepdims=True)) / AIR_LEVEL
    # Written with 16 bits, a step is 200 levels.
    assert np.abs(own - own.round()).max() < 0.01


def test_only_scans_that_are_what_was_measured_count_when_a_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    levels = stored(half_filled())
    folder, weights = own_scans(tmp_path, gone=levels[:, :-1], kept=levels, other=levels[:, :-2])
    profile = parse_profile(PROFILE, "test")
    done = {record["number"]: record for record in Backgrounds(folder, profile, weights).records(())}
    assert len(done) == 6
    (folder / "gone.npy").unlink()
    np.save(folder / "other.npy", levels[:, :-3])
    backgrounds = Backgrounds(folder, profile, weights)
    unchanged = backgrounds.unchanged(done)
    assert {record["background"] for record in unchanged.values()} == {"kept.npy"}
    assert backgrounds.left_out == {"gone.npy": "no longer in the folder"}
    assert "left out: gone.npy: no longer in the folder" in capsys.readouterr().err
    again = {record["number"]: record["background"] for record in backgrounds.records(unchanged)}
    assert set(again.values()) == {"other.npy"} and again.keys() <= done.keys()


def test_no_scan_is_looked_at_by_a_file_that_was_replaced_meanwhile(tmp_path: Path) -> None:
    folder, weights = own_scans(tmp_path, a=stored(half_filled()), b=stored(half_filled())[:, :-1])
    for name, more in (("a", ""), ("b", "opaque_transmission = 0.003\n")):
        (folder / f"{name}.toml").write_text(PROFILE + more)
    backgrounds = Backgrounds(folder, None, weights)
    records = backgrounds.records(())
    first = next(records)
    probe_onnx(Path(weights), load_weights(weights).spec.model_copy(update={"pretrained": "another"}))
    assert {record["background"] for record in [first, *records]} == {"a.npy"}
    assert "was replaced during the run" in backgrounds.left_out["b.npy"]


def test_one_scan_under_two_names_counts_once(tmp_path: Path) -> None:
    levels = stored(half_filled())
    folder, weights = own_scans(tmp_path, a=levels, b=levels)
    # Read by another profile, the one beside it does not make it another scan.
    (folder / "b.toml").write_text(PROFILE)
    backgrounds = Backgrounds(folder, parse_profile(PROFILE, "test"), weights)
    assert [source.name for source in backgrounds.sources] == ["a.npy"]
    assert backgrounds.left_out == {"b.npy": "the same scan as a.npy"}
    # Where only one can be read, it is the scan.
    beside = Backgrounds(folder, None, weights)
    assert {record["background"] for record in beside.records(())} == {"b.npy"}


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
