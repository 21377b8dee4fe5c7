"""The terms of all that a network learned from, its start included, stay known whatever is gone since."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from detector.errors import SettingsInvalid
from training.datasets.coco_index import read_coco
from training.fitting.fit import fit
from training.recipe import Recipe
from training.samples.training_data import TrainingData
from training.shipping.export import read_run
from training.shipping.release import Release, _spec
from training.shipping.trainable import ancestors, require_unseen
from training.simulation import simulate_dataset

RECIPE = Recipe(model="yolox-nano", input_size=64, steps=2, batch_size=2, warmup_steps=1, workers=0)


def test_no_terms_are_lost_where_a_folder_is_gone_or_says_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.fitting.fit._train", lambda *_: None)
    data, own, parent, child = (tmp_path / name for name in ("data", "own", "parent", "child"))
    simulate_dataset(data, scans=4, seed=1)
    shutil.copytree(data, own)
    annotations = own / "annotations" / "train.json"
    document = json.loads(annotations.read_text())
    annotations.write_text(json.dumps(document | {"info": {"terms": {"simulated": "research only"}}}))
    fit(TrainingData(str(own), read_coco(own, "train"), None), RECIPE, parent)
    (parent / "checkpoints").mkdir()
    (parent / "checkpoints" / "last.ckpt").touch()
    own.rename(tmp_path / "moved")
    start = str(parent / "checkpoints" / "last.ckpt")
    (known,) = ancestors(start)
    assert known.learned == {"simulated": "research only"}
    # By the file's bare name, and by a link from elsewhere or to elsewhere.
    (tmp_path / "linked.ckpt").symlink_to(start)
    (parent / "checkpoints" / "kept.ckpt").symlink_to(tmp_path / "store.ckpt")
    monkeypatch.chdir(parent / "checkpoints")
    for named in ("last.ckpt", str(tmp_path / "linked.ckpt"), "kept.ckpt"):
        assert ancestors(named) == (known,)
        with pytest.raises(SettingsInvalid, match="would not be unseen"):
            require_unseen(named, ["simulated"])
    described = json.loads((parent / "run.json").read_text())
    described |= {"data": str(data), "ancestors": [asdict(known)], "terms": {}}
    child.mkdir()
    for said, kept in (
        ({}, "research only"),
        ({"simulated": "terms not stated"}, "research only"),
        ({"simulated": "no sale"}, "research only; no sale"),
    ):
        (child / "run.json").write_text(json.dumps(described | {"terms": said}))
        spec = _spec(read_run(child), Release("x", "terms", {}), data, "")
        assert [one.terms for one in spec.training_data] == [kept]
    # As runs were described before they kept them.
    del described["terms"]
    (child / "run.json").write_text(json.dumps(described))
    assert read_run(child).terms(data) == {"simulated": "research only"}
