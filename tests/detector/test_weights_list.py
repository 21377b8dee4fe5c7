"""`roentgate weights list` shows every figure with its n, and with its interval where the manifest has one."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector import weights as weights_module
from detector.cli import app
from detector.weights import Manifest, ManifestEntry, manifest_json


def test_a_figure_is_shown_with_its_interval_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = {
        "Pd": {"value": 0.1184, "n": 76.0, "low": 0.0559, "high": 0.2126},
        "test AP": {"value": 0.2971, "n": 556.0},
    }
    entry = ManifestEntry(file="probe.onnx", sha256="0" * 64, size=9, metrics=metrics, data=(), terms="tests")
    (tmp_path / "manifest.json").write_text(manifest_json(Manifest(default="probe", weights={"probe": entry})))
    monkeypatch.setattr(weights_module, "weights_folder", lambda: tmp_path)
    shown = CliRunner().invoke(app, ["weights", "list"]).stdout
    assert "Pd 0.118 [0.056, 0.213] (n 76), test AP 0.297 (n 556)" in shown
