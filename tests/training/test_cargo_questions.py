"""What is put into simulated vehicles weighs what it says, and the measurement counts what it should."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from training.cargo import questions as cargo_questions
from training.cargo.questions import (
    CASES,
    SCANS,
    WHOLE_LOAD,
    exposure_of,
    heap,
    measure_anomalies,
    measure_empty,
    nothing,
    person,
    simulate_homogeneous,
    simulate_vehicle,
)
from training.evaluation.intervals import Rate
from training.simulation.freight import Family
from training.simulation.materials import CARGO_BEAM, mass_attenuation

ROOT = Path(__file__).parents[2]
FORTY = "lorry with 40 ft container"


@pytest.mark.parametrize("family", list(Family))
def test_a_heap_weighs_what_it_says(family: Family) -> None:
    bare, loaded = (
        exposure_of(simulate_vehicle(5, family, fill, FORTY)).high.astype(np.float64) for fill in (nothing, heap(40.0))
    )
    more = np.log(np.clip(bare, 1e-3, None) / np.clip(loaded, 1e-3, None))
    material = "paper" if family is Family.TRAIN else "food"
    added = more[more > 0.1].sum() * 0.25 / mass_attenuation(material, CARGO_BEAM.high_mev) / 1000
    assert added == pytest.approx(40, rel=0.15)


def test_a_person_is_as_tall_as_one() -> None:
    bare, loaded = (exposure_of(simulate_vehicle(5, Family.TEST, fill, FORTY)).high for fill in (nothing, person))
    rows = np.flatnonzero((bare - loaded > 0.15).any(axis=1))
    assert np.ptp(rows) * 5 == pytest.approx(1_740, abs=120)


def test_the_same_seed_gives_the_same_load_with_and_without_a_threat() -> None:
    clean, loaded = (simulate_homogeneous(3, Family.TEST, threats) for threats in ((), ("package",)))
    assert clean.cargo == loaded.cargo and len({load.kind for load in clean.cargo}) == 1
    (threat,) = loaded.objects
    x1, y1, x2, y2 = (int(edge) for edge in threat.box)
    differs = np.abs(clean.high.astype(np.int64) - loaded.high) > 2_000
    assert differs[y1:y2, x1:x2].any()
    differs[max(y1 - 8, 0) : y2 + 8, max(x1 - 8, 0) : x2 + 8] = False
    assert not differs.any()


def test_every_case_is_counted_and_empty_ones_are_empty() -> None:
    figures = measure_empty({"bare": 2, "heap of 80 kg": 2, WHOLE_LOAD: 1})
    assert list(figures) == ["bare", "heap of 80 kg", WHOLE_LOAD]
    assert figures[WHOLE_LOAD].scans == 1
    assert figures["bare"].scans == figures["bare"].occupied.total == 2
    assert figures["bare"].occupied.count == 0
    assert figures["heap of 80 kg"].occupied.count == 2
    interval = figures["bare"].occupied.interval
    # Clopper and Pearson: 1 - 0.025 ** (1 / 2).
    assert interval is not None and interval[1] == pytest.approx(0.8419, abs=1e-3)


def test_what_has_no_answer_is_neither_empty_nor_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    unsaid = SimpleNamespace(empty=None, extra_kg=0.0)
    monkeypatch.setattr(cargo_questions, "measure_occupancy", lambda *_: unsaid)
    bare = measure_empty({"bare": 2})["bare"]
    assert (bare.scans, bare.refused, bare.unanswered, bare.occupied.count) == (2, 0, 2, 0)


def test_anomalies_are_counted_by_threat() -> None:
    figures = measure_anomalies(range(1), ("package",))
    assert figures.scans == 2
    assert figures.clean.total + figures.found["package"].total + figures.refused == 2


def test_main_prints_both_measurements_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["cargo_questions"])
    monkeypatch.setattr(cargo_questions, "measure_empty", dict)
    none = cargo_questions.AnomalyFigures(0, 0, 0, Rate(0, 0, None, None), {}, None)
    monkeypatch.setattr(cargo_questions, "measure_anomalies", lambda seeds: replace(none, scans=len(seeds)))
    cargo_questions.main()
    printed = json.loads(capsys.readouterr().out)
    assert printed["empty"] == {} and printed["anomalies"]["scans"] == 15


def test_the_page_tells_as_many_scans_of_each_case_as_the_command_makes() -> None:
    assert SCANS.keys() == {*CASES, WHOLE_LOAD}
    page = (ROOT / "docs" / "decisions" / "0013-what-else-a-container-officer-asks.md").read_text(encoding="utf-8")
    layers = {scans for name, scans in SCANS.items() if name.startswith("layer")}
    heaps = sum(SCANS[f"heap of {kilograms} kg"] for kilograms in (10, 20, 40, 80))
    assert f"| nothing | 0 of {SCANS['bare']} (" in page and f"| 10, 20, 40, 80 kg | {heaps} of {heaps} (" in page
    assert layers == {20} and page.count(" of 20 (") == 3 and SCANS["person"] == 10
    # Nine and one that was not judged.
    assert SCANS[WHOLE_LOAD] == 10
