"""Publishing: a card says what was measured, and what is refused leaves the folder as it was."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from detector.errors import SettingsInvalid, WeightsRejected
from detector.weights import PinnedFile, load_weights, manifest_json, read_manifest, read_pinned
from detector.weights_spec import TrainingSource
from tests.conftest import make_spec, probe_onnx
from training.shipping.publish import publish
from training.shipping.weights_index import END, with_row

NO_RATE = {"count": 0, "total": 0, "value": None, "interval": None}


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    return probe_onnx(tmp_path / "network.onnx", make_spec())


def evaluated(file: Path, groups: int = 30, points: tuple[dict[str, Any], ...] = ()) -> Path:
    """metrics.json of a split of 30 clean scans."""
    names = load_weights(file).spec.class_names
    nothing = {"AP50": None, "AP": None, "n": 0, "classes": [], "AP50_interval": None, "AP_interval": None}
    metrics = {
        "setup": {
            "weights_sha256": load_weights(file).sha256, "split": "test", "scans": 30, "boxes": 0, "provider": "cpu",
        },
        "classes_with_10_boxes": nothing,
        "classes": dict.fromkeys(names, nothing),
        "intervals": {"groups": groups},
        "pd_at_pfa": {"classes": names, "clean_scans": 30, "positive_scans": 0, "points": points},
        "calibration": {"confident_from": 0.3, "listed": {"d_ece": None}, "confident": {"d_ece": None}},
    }  # fmt: skip
    path = file.with_name("metrics.json")
    path.write_text(json.dumps(metrics))
    return path


def test_figures_that_are_no_rates_are_not_published(tmp_path: Path) -> None:
    file = probe_onnx(tmp_path / "network.onnx", make_spec(chosen_on="val, 100 scans"))
    path = evaluated(file)
    metrics = json.loads(path.read_text())
    figures = {"AP50": 0.7, "AP": 0.3, "n": 40, "AP50_interval": [0.6, 0.8], "AP_interval": [0.2, 0.4]}
    for wrong in ({"AP50": 7.5}, {"AP": -0.1}, {"AP50_interval": [0.1, 1.2]}):
        metrics["classes_with_10_boxes"] = {"classes": [], **figures, **wrong}
        path.write_text(json.dumps(metrics))
        with pytest.raises(SettingsInvalid, match="is no rate"):
            publish(file, "odd", tmp_path / "weights", path, default=False)
    assert not (tmp_path / "weights").exists()


def test_weights_whose_alarm_scores_nobody_chose_are_not_published(tmp_path: Path) -> None:
    unchosen = probe_onnx(tmp_path / "network.onnx", make_spec(chosen_on=""))
    with pytest.raises(SettingsInvalid, match="nobody chose its alarm scores") as caught:
        publish(unchosen, "quiet", tmp_path / "weights", evaluated(unchosen), default=False)
    assert "calibrate" in caught.value.remedy


@pytest.mark.parametrize(
    ("kept", "measured", "is_refused"),
    [("val", "val", True), ("val", "test", False), ("", "test", True), ("val", "", True)],
)
def test_scans_of_two_splits_that_are_called_alike_are_told_apart_by_their_files(
    tmp_path: Path, kept: str, measured: str, is_refused: bool
) -> None:
    file = probe_onnx(tmp_path / "network.onnx", make_spec(chosen_on="0001.png 64 48", chosen_on_files=kept))
    path = evaluated(file)
    metrics = json.loads(path.read_text())
    metrics["setup"] |= {"scans_sha256": "0001.png 64 48", "files_sha256": measured}
    path.write_text(json.dumps(metrics))
    if not is_refused:
        assert publish(file, "fair", tmp_path / "weights", path, default=False)
        return
    with pytest.raises(SettingsInvalid, match="measured on the scans that the thresholds were chosen on"):
        publish(file, "fair", tmp_path / "weights", path, default=False)


def test_a_card_says_whose_alarm_score_no_scan_decided(tmp_path: Path) -> None:
    file = probe_onnx(tmp_path / "network.onnx", make_spec(unchosen=("knife",)))
    publish(file, "half", tmp_path / "weights", evaluated(file), default=False)
    page = (tmp_path / "weights" / "README.md").read_text()
    assert "**Clears nothing** until a policy gives an alarm score for knife" in page


def test_a_card_without_a_scan_with_an_item_says_so(exported: Path, tmp_path: Path) -> None:
    point = {"pfa_target": 0.05, "reason": "", "rates": {"pd_scan": NO_RATE, "pd_localised": NO_RATE}}
    publish(exported, "quiet", tmp_path / "weights", evaluated(exported, points=(point,)), default=False)
    assert "| 5.0% | no such scan | no such scan |" in (tmp_path / "weights" / "README.md").read_text()


def test_a_card_names_what_was_in_the_scans_and_not_measured(exported: Path, tmp_path: Path) -> None:
    path = evaluated(exported)
    metrics = json.loads(path.read_text())
    metrics["setup"]["not_measured"] = {"bottle": 12}
    path.write_text(json.dumps(metrics))
    publish(exported, "quiet", tmp_path / "weights", path, default=False)
    text = (tmp_path / "weights" / "README.md").read_text()
    assert "**Not measured**, as it does not know them: bottle (12 boxes)." in text


def test_a_card_names_sources_of_items_alone(tmp_path: Path) -> None:
    sources = (TrainingSource(name="donor", scans=0, terms="ask"), TrainingSource(name="own", scans=9, terms="free"))
    file = probe_onnx(tmp_path / "network.onnx", make_spec(training_data=sources))
    publish(file, "quiet", tmp_path / "weights", evaluated(file), default=False)
    page = (tmp_path / "weights" / "README.md").read_text()
    assert "**Trained on.** donor: items alone; ask; own: 9 scans; free." in page


@pytest.mark.parametrize(
    ("groups", "said"), [(30, "by scan, as no two are known"), (12, "by bag as far as bags are known, 12 in all")]
)
def test_a_card_says_what_its_intervals_were_drawn_by(groups: int, said: str, exported: Path, tmp_path: Path) -> None:
    publish(exported, "drawn", tmp_path / "weights", evaluated(exported, groups), default=False)
    assert said in (tmp_path / "weights" / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "alias"),
    [("../up", ""), ("a/b", ""), ("", ""), ("x.onnx", ""), ("two words", ""), ("--> x", ""), ("good", "../up")],
)
def test_a_name_that_no_command_could_take_is_refused(name: str, alias: str, exported: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="no name for weights"):
        publish(exported, name, tmp_path / "weights", evaluated(exported), default=False, alias=alias)
    assert not (tmp_path / "weights").exists() and not (tmp_path / "up.onnx").exists()


@pytest.mark.parametrize(("beside", "content"), [("manifest.json", b'{"default": '), ("README.md", b"caf\xe9")])
def test_a_folder_that_is_broken_is_left_as_it_was(beside: str, content: bytes, exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    publish(exported, "first", folder, evaluated(exported), default=False)
    (folder / beside).write_bytes(content)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises((SettingsInvalid, WeightsRejected)):
        publish(exported, "second", folder, evaluated(exported), default=False)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_kill_before_the_manifest_leaves_nothing_that_a_station_takes_for_something_else(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, other = tmp_path / "weights", probe_onnx(tmp_path / "other.onnx", make_spec(operating_point="chosen anew"))
    publish(exported, "first", folder, evaluated(exported), default=False)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.shipping.publish._write_manifest", killed)
    monkeypatch.setattr("detector.weights.weights_folder", lambda: folder)
    for name in ("first", "second"):
        with pytest.raises(KeyboardInterrupt):
            publish(other, name, folder, evaluated(other), default=False)
    known = read_manifest(folder).weights
    assert set(known) == {"first"}
    with pytest.raises(WeightsRejected):
        read_pinned(known["first"])


@pytest.mark.parametrize("again", [True, False])
def test_weights_that_made_way_are_gone_also_after_a_kill_behind_the_manifest(
    again: bool, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "weights"
    publish(exported, "old", folder, evaluated(exported), default=False)
    (folder / "draft.onnx").write_bytes(b"never published")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("training.shipping.publish._take_replaced", killed)
        with pytest.raises(KeyboardInterrupt):
            publish(exported, "new", folder, evaluated(exported), default=False, alias="old")
    assert read_manifest(folder).aliases == {"old": "new"} and (folder / "old.onnx").is_file()
    publish(exported, "new" if again else "newer", folder, evaluated(exported), default=False, alias="draft")
    files = {"README.md", "manifest.json", "new.onnx", "draft.onnx"} | (set() if again else {"newer.onnx"})
    assert {path.name for path in folder.iterdir()} == files
    page = (folder / "README.md").read_text()
    assert "card old" not in page and "[`old`]" not in page and "## new" in page
    assert (folder / "draft.onnx").read_bytes() == b"never published"


def test_a_manifest_names_both_weights_of_a_folder(exported: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        publish(exported, name, tmp_path / "weights", evaluated(exported), default=False)
    assert set(read_manifest(tmp_path / "weights").weights) == {"first", "second"}
    text = (tmp_path / "weights" / "README.md").read_text()
    assert text.count("## first") == text.count("## second") == 1


def test_a_new_card_for_the_same_file_keeps_what_training_starts_from(exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    entry = publish(exported, "first", folder, evaluated(exported), default=False)
    content = b"as published with its run"
    (folder / "first.safetensors").write_bytes(content)
    pinned = PinnedFile(file="first.safetensors", sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    manifest = read_manifest(folder)
    kept = manifest.model_copy(update={"weights": {"first": entry.model_copy(update={"trainable": pinned})}})
    (folder / "manifest.json").write_bytes(manifest_json(kept).encode())
    assert publish(exported, "first", folder, evaluated(exported), default=False).trainable == pinned
    assert (folder / "first.safetensors").read_bytes() == content
    # Of other bytes under the same name it says nothing.
    other = probe_onnx(tmp_path / "other.onnx", make_spec(operating_point="chosen anew"))
    assert publish(other, "first", folder, evaluated(other), default=False).trainable is None
    assert not (folder / "first.safetensors").exists()


@pytest.mark.parametrize("ends", ["\n\n", "\n", "\r\n\r\n"])
def test_a_row_is_added_however_the_table_ends_and_refused_where_it_does_not(ends: str) -> None:
    page = with_row("# Weights\n\n<!-- card a -->\n", "a", "| [`a`](#a) | x |").replace(f"\n\n{END}", f"{ends}{END}")
    assert "| [`b`](#b) | y |\n" in with_row(page, "b", "| [`b`](#b) | y |")
    with pytest.raises(SettingsInvalid, match="does not end"):
        with_row(page.replace(END, ""), "b", "| [`b`](#b) | y |")
