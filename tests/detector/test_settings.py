"""A policy is taken exactly as written, or refused in one line that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.errors import SettingsInvalid
from detector.settings import Policy, load_policy

WEIGHTS = {"gun": 0.4, "knife": 0.45, "pressure_can": 0.3}


def written(folder: Path, text: str) -> Path:
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_policy_lies_over_the_weights_own_scores(tmp_path: Path) -> None:
    policy = load_policy(written(tmp_path, "min_score = 0.2\n[alarm]\ngun = 0.35\n[refer]\nknife = 0.1\n"))
    thresholds = policy.effective(WEIGHTS)
    assert thresholds.alarm == {"gun": 0.35, "knife": 0.45, "pressure_can": 0.3}
    assert thresholds.decisive("knife") == 0.1 and thresholds.decisive("gun") == 0.35
    assert thresholds.listed_from("knife") == 0.1 and thresholds.listed_from("gun") == 0.2


def test_a_setting_below_a_table_is_told_from_a_class(tmp_path: Path) -> None:
    policy = load_policy(written(tmp_path, "[alarm]\ngun = 0.35\nmin_score = 0.2\n"))
    with pytest.raises(SettingsInvalid, match=r"min_score stands in \[alarm\]") as wrong:
        policy.effective(WEIGHTS)
    assert "before the first table" in wrong.value.remedy


def test_no_policy_changes_nothing() -> None:
    thresholds = Policy().effective(WEIGHTS)
    assert thresholds.alarm == WEIGHTS and thresholds.refer == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("min_scores = 0.1", "unknown key 'min_scores'; did you mean 'min_score'?"),
        ("[Alarm]\ngun = 0.1", "unknown key 'Alarm'; did you mean 'alarm'?"),
        ("[alarm]\ngun = 1.5", "alarm.gun = 1.5: input should be less than or equal to 1"),
        ("[alarm]\ngun = 0", "alarm.gun = 0"),
        ("[alarm]\ngun = nan", "alarm.gun = nan"),
        ("[alarm]\ngun = -inf", "alarm.gun = -inf"),
        ('[alarm]\ngun = "0.4"', "alarm.gun = '0.4'"),
        ("[alarm]\ngun = true", "alarm.gun = True"),
        ("alarm = 0.4", "alarm = 0.4"),
        ("min_score = 2", "min_score = 2"),
        ("refer_opaque_shar = 0.1", "unknown key 'refer_opaque_shar'; did you mean 'refer_opaque_share'?"),
        ("refer_opaque_mm = 0", "refer_opaque_mm = 0"),
        ("refer_opaque_mm = inf", "refer_opaque_mm = inf"),
        ("refer_opaque_mm = true", "refer_opaque_mm = True"),
        ('refer_opaque_mm = "900"', "refer_opaque_mm = '900'"),
        ("refer_opaque_share = 12", "refer_opaque_share = 12"),
        ("min_score = = 2", "not TOML"),
        ("[alarm]\ngun = 0.1\ngun = 0.2", "not TOML"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        load_policy(written(tmp_path, text))
    assert told in refused.value.what and "policy.toml" in refused.value.what
    assert "\n" not in refused.value.what and refused.value.remedy


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for name, told in (("missing.toml", "No such file"), (".", "directory"), ("binary.toml", "not TOML")):
        with pytest.raises(SettingsInvalid, match=told):
            load_policy(tmp_path / name)


@pytest.mark.parametrize("table", ["alarm", "refer"])
def test_an_unknown_class_is_refused_with_the_nearest(table: str) -> None:
    policy = Policy.model_validate({table: {"presure can": 0.2}})
    with pytest.raises(SettingsInvalid, match="did you mean 'pressure_can'") as refused:
        policy.effective(WEIGHTS)
    assert "gun, knife, pressure_can" in refused.value.remedy
    with pytest.raises(SettingsInvalid):
        policy.check_classes(tuple(WEIGHTS))


@pytest.mark.parametrize("score", [0.4, 0.5])
def test_a_refer_score_that_is_not_below_the_alarm_score_is_refused(score: float) -> None:
    with pytest.raises(SettingsInvalid, match="not below"):
        Policy(refer={"gun": score}).effective(WEIGHTS)


def test_the_command_line_floor_is_checked_too() -> None:
    assert Policy(alarm={"gun": 0.2}).with_min_score(0.3) == Policy(alarm={"gun": 0.2}, min_score=0.3)
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(SettingsInvalid, match="--min-score: min_score"):
            Policy().with_min_score(wrong)


def test_the_fingerprint_follows_the_settings_and_not_their_spelling() -> None:
    policy = Policy(alarm={"gun": 0.2, "knife": 0.5})
    assert policy.fingerprint() == Policy(alarm={"knife": 0.5, "gun": 0.2}).fingerprint()
    # Pinned: a changed fingerprint would make every station inspect all its scans again.
    assert Policy().fingerprint() == "2a5fb7315827095837e595cc03e8c64374ca01869ca89d33bde93b7c5679f826"
    different = {
        policy.fingerprint(),
        Policy(refer={"gun": 0.2, "knife": 0.5}).fingerprint(),
        Policy(alarm={"gun": 0.2}).fingerprint(),
        policy.with_min_score(0.2).fingerprint(),
        policy.model_copy(update={"refer_opaque_share": 0.3}).fingerprint(),
        policy.fingerprint(tile="auto"),
        policy.fingerprint(tile=640),
    }
    assert len(different) == 7
