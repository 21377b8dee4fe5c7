"""`roentgate cargo`: a line a scan; what cannot be judged says why, and is never empty."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from detector.cargo import cargo_cli
from detector.cargo.cargo_cli import cargo_app
from detector.cargo.occupancy import Occupancy
from detector.errors import SettingsInvalid
from detector.exit_codes import Exit
from detector.normalisation import standardise
from detector.normalisation.exposure import Exposure
from detector.scanner_profile import load_profile
from tests.detector.cargo_scene import AIR, Float32, container, lattice, stored

PROFILE = f'name = "gate 3"\nenergies = ["high"]\nair_value = {AIR}\nbits_stored = 16\nrendering = "cargo"\n'
PITCH = "pixel_pitch_mm = [10.0, 10.0]\n"


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "gate.toml"
    path.write_text(PROFILE + PITCH)
    return path


def scan(folder: Path, name: str, attenuation: Float32) -> str:
    path = folder / name
    path.write_bytes(cv2.imencode(".png", stored(attenuation))[1].tobytes())
    return str(path)


def asked(*arguments: object) -> tuple[Result, list[dict[str, Any]]]:
    done = CliRunner().invoke(cargo_app, [str(argument) for argument in arguments])
    return done, [json.loads(line) for line in done.stdout.splitlines()]


def test_a_picture_that_cannot_be_made_is_an_error(
    tmp_path: Path, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = scan(tmp_path, "bare.png", container())
    monkeypatch.setattr(cv2, "imencode", lambda *_: (False, np.zeros(0, np.uint8)))
    done, _ = asked("empty", path, "--scanner", profile, "--output", tmp_path / "shown")
    assert isinstance(done.exception, OSError)
    assert not (tmp_path / "shown").exists()


def test_empty_and_loaded_scans_get_a_line_and_a_picture_each(tmp_path: Path, profile: Path) -> None:
    files = [scan(tmp_path, "bare.png", container()), scan(tmp_path, "full.png", container() + lattice())]
    done, lines = asked("empty", *files, "--scanner", profile, "--output", tmp_path / "shown")
    assert done.exit_code == Exit.DONE
    assert [(line["scan"], line["empty"]) for line in lines] == [("bare.png", True), ("full.png", False)]
    assert lines[0]["occupancy"] == 0 and lines[1]["occupancy"] > 0.5
    bare, full = (cv2.imread(str(tmp_path / f"shown/{name}.png.view1.empty.png")) for name in ("bare", "full"))
    assert bare is not None and full is not None and bare.shape == full.shape == (400, 1000, 3)
    reds = [int((picture[:, :, 2].astype(int) - picture[:, :, 0] > 60).sum()) for picture in (bare, full)]
    assert reds[0] == 0 and reds[1] > 50_000


def test_a_scan_is_normalised_once(tmp_path: Path, profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Exposure] = []
    exposure_of = standardise.exposure_of

    def counted(*arguments: Any) -> Exposure:
        made.append(exposure_of(*arguments))
        return made[-1]

    monkeypatch.setattr(standardise, "exposure_of", counted)
    done, _ = asked("empty", scan(tmp_path, "bare.png", container()), "--scanner", profile)
    assert done.exit_code == Exit.DONE and len(made) == 1


def test_a_scan_that_cannot_be_judged_is_not_empty(tmp_path: Path, profile: Path) -> None:
    opaque = container()
    opaque[70:300, 110:890] += 12
    torn = tmp_path / "torn.png"
    torn.write_bytes(b"\x89PNG\r\n\x1a\n")
    files = [scan(tmp_path, "opaque.png", opaque), torn, tmp_path / "missing.png", scan(tmp_path, "a.png", container())]
    done, lines = asked("empty", *files, "--scanner", profile)
    assert done.exit_code == Exit.REFERRED
    assert [line["empty"] for line in lines] == [None, None, None, True]
    for line in lines[:3]:
        assert line["occupancy"] is None
        assert line["error"] and line["remedy"]
    digests = [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in (files[0], torn)]
    assert [line.get("sha256") for line in lines[:3]] == [*digests, None]


def test_an_answer_says_of_which_bytes_and_by_which_profile_it_is(tmp_path: Path, profile: Path) -> None:
    file = scan(tmp_path, "a.png", container())
    _, (line,) = asked("empty", file, "--scanner", profile)
    assert line["sha256"] == hashlib.sha256(Path(file).read_bytes()).hexdigest()
    assert (line["profile"], line["profile_sha256"]) == (
        load_profile(profile).name,
        load_profile(profile).fingerprint(),
    )
    assert line["notes"] == []
    profile.write_text((PROFILE + PITCH).replace(f"air_value = {AIR}\n", ""))
    _, (guessed,) = asked("empty", file, "--scanner", profile)
    # Kilograms rest on it.
    assert any("level of air was guessed" in note for note in guessed["notes"])


def test_an_answer_of_neither_empty_nor_loaded_says_what_to_do(tmp_path: Path, profile: Path) -> None:
    done, (line,) = asked("empty", scan(tmp_path, "thick.png", container(14.0)), "--scanner", profile)
    assert done.exit_code == Exit.REFERRED
    assert line["empty"] is None and line["occupancy"] is None
    assert "may be light goods" in line["error"] and "look at the scan" in line["remedy"]


def test_two_files_of_one_name_are_told_apart(tmp_path: Path, profile: Path) -> None:
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
    files = [scan(tmp_path / "1", "a.png", container()), scan(tmp_path / "2", "a.png", container() + lattice())]
    _, lines = asked("empty", *files, "--scanner", profile, "--output", tmp_path / "shown")
    assert [(line["scan"], line["empty"]) for line in lines] == [(files[0], True), (files[1], False)]
    assert len(list((tmp_path / "shown").iterdir())) == 2


@pytest.mark.parametrize("error", [MemoryError("no memory"), cv2.error("planted")])
def test_whatever_raises_in_one_scan_leaves_it_unanswered_and_the_others_not(
    tmp_path: Path, profile: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    measure = cargo_cli.measure_occupancy
    outcomes = [error, None]

    def fails_once(*arguments: Any) -> Occupancy:
        planted = outcomes.pop(0)
        if planted is not None:
            raise planted
        return measure(*arguments)

    monkeypatch.setattr(cargo_cli, "measure_occupancy", fails_once)
    files = [scan(tmp_path, "a.png", container()), scan(tmp_path, "b.png", container())]
    done, lines = asked("empty", *files, "--scanner", profile)
    assert done.exit_code == Exit.REFERRED
    assert [line["empty"] for line in lines] == [None, True]
    assert f"a.png: {type(error).__name__}: {error}" in lines[0]["error"]
    assert lines[0]["occupancy"] is None and lines[0]["remedy"]


def test_regions_are_listed_and_drawn(tmp_path: Path, profile: Path) -> None:
    load = lattice()
    load[180:210, 500:540] += 1.2
    done, (line,) = asked("anomalies", scan(tmp_path, "odd.png", container() + load), "--scanner", profile,
                          "--output", tmp_path)  # fmt: skip
    assert done.exit_code == Exit.DONE
    left, _, right, _ = line["regions"][0]["box_xyxy"]
    assert left < 545 and right > 495
    assert (tmp_path / "odd.png.view1.anomalies.png").is_file()


def test_where_nothing_was_compared_there_is_no_empty_list(tmp_path: Path, profile: Path) -> None:
    mixed = lattice()
    mixed[:, 500:] = lattice(1, level=3.2)[:, 500:]
    files = [scan(tmp_path, "mixed.png", container() + mixed), scan(tmp_path, "bare.png", container())]
    done, lines = asked("anomalies", *files, "--scanner", profile)
    assert done.exit_code == Exit.REFERRED
    assert [line["regions"] for line in lines] == [None, None]
    assert "mixed" in lines[0]["note"] and "too little" in lines[1]["note"]


def test_a_room_with_too_little_load_is_named_beside_one_that_was_judged(tmp_path: Path, profile: Path) -> None:
    load = lattice()
    load[:, 500:] = 0
    parted = container()
    parted[60:310, 510:515] += 3.5
    done, (line,) = asked("anomalies", scan(tmp_path, "half.png", parted + load), "--scanner", profile)
    assert done.exit_code == Exit.DONE
    assert line["regions"] == [] and line["homogeneity"] > 0.7
    assert line["note"] == "too little load to compare in 1 of the rooms"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PROFILE, "pixel_pitch_mm"),
        (PROFILE + PITCH + 'belt = "y"\n', "along the picture"),
        (PROFILE + "pixel_pitch_mm = [5.0, 5000.0]\n", "pixels of 5000 mm"),
        ('name = "colour"\nrendering = "stored"\n', "no transmission"),
        # Limits of MeV would take the load for walls.
        (PROFILE + PITCH + 'beam = "keV"\n', "at MeV alone"),
    ],
)
@pytest.mark.parametrize("question", ["empty", "anomalies"])
def test_a_profile_that_does_not_say_enough_is_refused(tmp_path: Path, text: str, says: str, question: str) -> None:
    profile = tmp_path / "short.toml"
    profile.write_text(text)
    loaded = container()
    loaded[75:304, 105:895] += 0.38
    done, lines = asked(question, scan(tmp_path, "loaded.png", loaded), "--scanner", profile)
    assert isinstance(done.exception, SettingsInvalid)
    assert says in done.exception.what and done.exception.remedy
    assert lines == []


def test_a_saturated_scan_is_doubted(tmp_path: Path, profile: Path) -> None:
    levels = np.minimum(stored(container()), np.uint16(30_000))
    path = tmp_path / "dim.png"
    path.write_bytes(cv2.imencode(".png", levels)[1].tobytes())
    done, (line,) = asked("empty", path, "--scanner", profile)
    assert done.exit_code == Exit.REFERRED
    assert line["empty"] is None and line["error"]
