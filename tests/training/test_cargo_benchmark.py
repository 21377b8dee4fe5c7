"""The benchmark is the same everywhere, leaves nothing out, is taken up where it stopped, and counts rightly."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from html import escape
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector import Detector, Policy
from detector.errors import SettingsInvalid
from detector.normalisation.exposure import Exposure
from detector.normalisation.standardise import standardised
from detector.scanner_profile import parse_profile
from detector.tile_squares import Look
from detector.weights import ManifestEntry, load_weights, weights_folder
from tests.conftest import make_spec, probe_onnx
from training.cargo import area, benchmark_costs, benchmark_plan, benchmark_run, tile_set
from training.cargo.backgrounds import with_threats
from training.cargo.benchmark import benchmark, benchmark_on_backgrounds
from training.cargo.benchmark_figures import ALL, HEADLINE, benchmark_figures, document, told_of_referred
from training.cargo.benchmark_plan import plan
from training.cargo.benchmark_report import markdown, page
from training.cargo.card import BACKGROUND_LIMITS, SIMULATED, SIMULATED_LIMITS, _first_line, card, headline
from training.cargo.false_alarms import false_alarm_boxes, searching_detector
from training.cargo.luggage_threats import luggage_threats, materials_of
from training.cargo.reading import as_scanned, profile_text
from training.cargo.tile_set import FreightSet, write_freight_set
from training.datasets.coco_index import read_coco
from training.datasets.terms import stated_terms
from training.samples.tile_reader import read_tile
from training.shipping.publish import publish
from training.simulation.dataset import simulate_dataset
from training.simulation.freight import AIR_LEVEL, THREATS, Family, simulate_freight
from training.simulation.materials import LUGGAGE_BEAM, linear_attenuation

#: Coarse, to be quick: shapes are the same, pixels are fewer.
COARSE_MM = 20.0


@pytest.fixture
def weights(tmp_path: Path) -> str:
    spec = make_spec(tile_pixels=64, pixel_pitch_mm=COARSE_MM, renderings=("cargo", "cargo material"))
    return str(probe_onnx(tmp_path / "cargo.onnx", spec))


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_plan, "PITCH_MM", COARSE_MM)
    monkeypatch.setattr(benchmark_costs, "PITCH_MM", COARSE_MM)
    monkeypatch.setattr(benchmark_costs, "TIMED", 1)
    monkeypatch.setattr(benchmark_plan, "SIZES", {"small": 6})
    monkeypatch.setattr("training.cargo.benchmark.SIZES", {"small": 6})


def unwatched(title: str, items: Iterable[benchmark_run.Record], total: int) -> Iterator[benchmark_run.Record]:
    return iter(items)


def record(number: int, threat: str = "", score: float = 0.0, **item: object) -> dict[str, object]:
    """One made-up record: a threat of 200 mm behind 40 mm of steel, found with a box on it if `score` says so."""
    truth = {
        "box": [10, 10, 50, 50],
        "steel_mm": 40.0,
        "metallic": True,
        "size_mm": 200.0,
        "edge_contrast": 0.8,
        **item,
    }
    return {
        "number": number, "threat": threat, "energies": 1 + number % 2, "pitch_mm": 5.0, "decision": "ALARM",
        "classes": ["gun"] if score else [], "scores": [score] if score else [],
        "boxes": [[10, 10, 50, 50]] if score else [], "items": [truth] if threat else [],
    }  # fmt: skip


def test_the_plan_goes_round_threats_energies_and_pitches() -> None:
    full = plan("full")
    clean, held = [one for one in full if not one.threat], [one for one in full if one.threat]
    assert (len(clean), len(held)) == (2000, 1000)
    assert len({one.seed for one in full}) == len(full)
    assert {one.threat for one in held} == set(THREATS)
    cells = {(one.threat, one.energies) for one in held}
    assert len(cells) == 2 * len(THREATS)
    fine = [one for one in full if one.pitch_mm == benchmark_plan.FINE_MM]
    assert {one.threat for one in fine} == {*THREATS, ""}
    assert plan("small") == full[: len(plan("small"))]


@pytest.mark.usefixtures("coarse")
def test_a_run_that_was_cut_off_ends_as_one_that_was_not(weights: str, tmp_path: Path) -> None:
    whole = benchmark(weights, "small", tmp_path / "whole", 1, unwatched)
    lines = (tmp_path / "whole" / "scans.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "scans.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:40])
    again = benchmark(weights, "small", tmp_path / "cut", 1, unwatched)
    assert (again.clean, again.threats) == (whole.clean, whole.threats) == (4, 2)
    timeless = [
        [{**json.loads(line), "seconds": 0} for line in (tmp_path / name / "scans.jsonl").read_text().splitlines()]
        for name in ("whole", "cut")
    ]
    assert timeless[0] == timeless[1]
    report, pictures = (tmp_path / "cut" / "report.html").read_text(), list((tmp_path / "cut" / "pictures").iterdir())
    # Of each clean scan in which anything was found, as the network saw it.
    assert 1 <= len(pictures) <= 4
    assert report.count("<figure>") == len(pictures)
    assert all(cv2.imread(str(path)).std() > 5 for path in pictures)
    alarmed = [one for one in map(json.loads, lines) if one["classes"] and not one["items"]]
    assert all(f"{one['conveyance']}, " in report and f"seed {one['seed']}" in report for one in alarmed)
    metrics = json.loads((tmp_path / "cut" / "metrics.json").read_text())
    assert metrics["setup"]["weights_sha256"] == load_weights(weights).sha256
    assert metrics["setup"]["costs"]["peak_mb"] > 10
    other = probe_onnx(tmp_path / "other.onnx", make_spec(renderings=("cargo",)))
    with pytest.raises(SettingsInvalid, match="begun with other weights"):
        benchmark(str(other), "small", tmp_path / "cut", 1, unwatched)


@pytest.mark.usefixtures("coarse")
def test_a_file_replaced_during_a_run_gets_none_of_its_figures(weights: str, tmp_path: Path) -> None:
    def replacing(title: str, items: Iterable[benchmark_run.Record], total: int) -> Iterator[benchmark_run.Record]:
        for item in items:
            yield item
            probe_onnx(Path(weights), load_weights(weights).spec.model_copy(update={"pretrained": "another"}))

    with pytest.raises(SettingsInvalid, match="replaced during the run") as caught:
        benchmark(weights, "small", tmp_path / "run", 1, replacing)
    assert "another --output" in caught.value.remedy
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_pd_is_counted_at_the_threshold_that_the_clean_scans_give() -> None:
    clean = [
        record(number, score=0) | {"classes": ["gun"], "scores": [number / 1000], "boxes": [[0, 0, 5, 5]]}
        for number in range(200)
    ]
    held = [record(1000 + number, "handgun", 0.1985 if number < 30 else 0.3) for number in range(40)]
    figures = benchmark_figures([*clean, *held], {"gun": 0.5})
    by_target = {point.pfa_target: point for point in figures.points}
    assert "not measurable" in by_target[0.004].reason
    at_one, at_five = by_target[0.01], by_target[0.05]
    assert at_one.pfa is not None
    assert (at_one.pfa.count, at_one.pfa.total) == (2, 200)
    # Two false alarms are allowed: the second of the clean scores is 0.198.
    assert at_one.by[ALL][0].count == 40
    assert at_five.by[ALL][0].count == 40
    strict = benchmark_figures([*clean, *(one | {"scores": [0.05]} for one in held[:10]), *held[10:]], {"gun": 0.5})
    assert next(point for point in strict.points if point.pfa_target == 0.01).by[ALL][0].count == 30


def test_which_vehicles_alarm_is_told_at_each_pfa() -> None:
    clean = [
        record(number) | {"conveyance": ("box truck", "hopper wagon")[number % 2], "classes": ["gun"],
                          "scores": [number / 1000], "boxes": [[0, 0, 5, 5]]}
        for number in range(200)
    ]  # fmt: skip
    figures = benchmark_figures([*clean, record(1000, "handgun", 0.9) | {"conveyance": "box truck"}], {"gun": 0.5})
    at_five = next(point for point in figures.points if point.pfa_target == 0.05)
    assert {name: (one.count, one.total) for name, one in at_five.pfa_by.items()} == {
        "box truck": (5, 100), "hopper wagon": (5, 100),
    }  # fmt: skip
    assert document(figures)["pd_at_pfa"][-1]["pfa_by"]["box truck"]["total"] == 100


def test_a_class_with_a_high_alarm_score_is_not_silent_where_few_false_alarms_are_allowed() -> None:
    clean = [record(number) | {"classes": ["gun"], "scores": [0.4], "boxes": [[0, 0, 5, 5]]} for number in range(200)]
    held = [record(1000 + number, "package", 0.99) | {"classes": ["package"]} for number in range(10)]
    # As quotients 0.99 / 0.5 would lie below 0.4 / 0.05, though the one is nearly certain and the other is not.
    figures = benchmark_figures([*clean, *held], {"gun": 0.05, "package": 0.5})
    assert next(one for one in figures.points if one.pfa_target == 0.01).by[ALL][0].count == 10


def test_a_pd_stands_beside_the_pfa_that_was_reached(weights: str) -> None:
    clean = [
        record(number) | {"classes": ["gun"], "scores": [number / 1000], "boxes": [[0, 0, 5, 5]]}
        for number in range(200)
    ]
    figures = benchmark_figures([*clean, *(record(1000 + one, "handgun", 0.9) for one in range(5))], {"gun": 0.5})
    reached = "Pfa <= 1.0%: 2 of 200 [0.1%, 3.6%]"
    lines = markdown(figures).splitlines()
    assert f"| {reached} |" in next(line for line in lines if line.startswith("| | Pfa"))
    assert "Pfa <= 0.1% |" in markdown(figures)
    costs = {"seconds_per_mpx": {"1": 0.3}, "peak_mb": 400.0}
    setup = {"weights": "x", "scans": "simulated", "version": 1, "size": "full", "cores": 2, "costs": costs}
    assert escape(reached) in page(figures, setup, ())
    metrics = {**document(figures), "setup": setup}
    spec = load_weights(weights).spec
    entry = ManifestEntry(file="x.onnx", sha256="0" * 64, size=1, metrics=headline(metrics), data=(), terms="none")
    assert reached in card("x", spec, entry, metrics)
    ((title, values),) = entry.metrics.items()
    assert "Pd at Pfa 1%" in title
    assert values == pytest.approx({"value": 1.0, "n": 5.0, "low": 0.4782, "high": 1.0}, abs=1e-4)


def test_what_was_said_of_referred_scans_is_counted_by_kind(weights: str) -> None:
    never = "nothing is cleared"
    said = [
        ("REFER", [never, "opaque: 12% of the cargo area, the policy allows 10%", "opaque: 3% of the cargo area"]),
        ("REFER", [never, "opaque: 55.5% of the cargo area, the policy allows 10%"]),
        ("ALARM", ["gun 0.90", "opaque: 13% of the cargo area, the policy allows 10%"]),
    ]
    found = told_of_referred([{"decision": decision, "reasons": reasons} for decision, reasons in said], never)
    opaque = "opaque: #% of the cargo area, the policy allows #%"
    assert found == {opaque: 2, "opaque: #% of the cargo area": 1}
    setup = {"weights": "x", "scans": "own", "version": 1, "size": "1", "costs": {"seconds_per_mpx": {}, "peak_mb": 1}}
    figures = benchmark_figures([record(0), record(1, "knife")], {"gun": 0.5})
    assert f"<td>{opaque}</td>" in page(figures, {**setup, "referred": found}, ())


def test_an_alarm_elsewhere_in_the_scan_is_not_one_on_the_threat() -> None:
    clean = [record(number) for number in range(100)]
    held = [record(1000 + number, "handgun", 0.9) | {"boxes": [[200, 200, 240, 240]]} for number in range(10)]
    point = next(one for one in benchmark_figures([*clean, *held], {"gun": 0.5}).points if one.pfa_target == 0.05)
    assert (point.by[ALL][0].count, point.by[ALL][1].count) == (10, 0)


def test_parts_are_by_what_the_threat_is_and_by_what_hides_it() -> None:
    clean = [record(number) for number in range(40)]
    held = [
        record(100, "knife", 0.9, size_mm=60.0, steel_mm=5.0, edge_contrast=0.1),
        record(101, "package", 0.9, metallic=False, size_mm=300.0, steel_mm=200.0),
        record(102, "long_gun", 0.9, size_mm=900.0, steel_mm=59.9),
    ]
    figures = benchmark_figures([*clean, *held], {"gun": 0.5})
    totals = {name: both[0].total for name, both in figures.points[-1].by.items()}
    assert totals[HEADLINE] == 1
    assert totals["0 to 20 px"] == totals["60 to 120 px"] == totals[">= 120 px"] == 1
    assert totals["0 to 10 mm steel"] == totals["30 to 60 mm steel"] == totals["120 to 220 mm steel"] == 1
    assert totals["0 to 0.25 edge contrast"] == 1 and totals["0.5 to 1 edge contrast"] == 2
    assert totals["energies: 1"] == 2
    text = markdown(figures)
    assert "| knife |" in text


@pytest.mark.usefixtures("coarse")
def test_its_figures_make_a_card_that_says_simulation_first(weights: str, tmp_path: Path) -> None:
    benchmark(weights, "small", tmp_path / "run", 1, unwatched)
    folder = tmp_path / "weights"
    entry = publish(Path(weights), "cargo-x", folder, tmp_path / "run" / "metrics.json", default=False)
    text = (folder / "README.md").read_text()
    first = text.split("## cargo-x")[1].strip().splitlines()[0]
    assert "simulated" in first
    assert "not validated on real containers" in first
    assert entry.sha256 in text
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    alarms = metrics["decisions"]["threat"]["ALARM"]
    assert f"it alarms on {alarms} of {metrics['threat_scans']} [" in text
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert headline(metrics) == {}
    spec = load_weights(weights).spec
    text = card("x", spec, entry, metrics)
    assert "Too few clean scans" in text and SIMULATED_LIMITS in text
    # Weights of no one scale, measured on an engineer's own clean scans: nothing of the simulation is said of them.
    metrics["setup"]["scans"] = "port"
    text = card("x", spec.model_copy(update={"pixel_pitch_mm": None}), entry, metrics)
    assert text.splitlines()[2].startswith("**Measured on real clean scans with simulated threats")
    assert "of any pixel pitch" in text and "not validated on real containers" not in text
    assert text.endswith(BACKGROUND_LIMITS) and SIMULATED_LIMITS not in text


def test_the_shipped_card_begins_and_ends_as_a_new_one_would() -> None:
    shipped = (weights_folder() / "README.md").read_text(encoding="utf-8").partition("<!-- card cargo-n -->")[2]
    shipped = shipped.partition("<!-- end cargo-n -->")[0]
    assert SIMULATED_LIMITS in shipped
    first = _first_line(load_weights("cargo-n").spec, {"scans": SIMULATED})
    assert f"## cargo-n\n\n**{first}**\n" in shipped
    # Half of its pistols and knives are of real luggage.
    assert "cut-outs of real luggage" in first


def test_simulated_scans_are_read_by_the_profile_beside_them() -> None:
    freight = simulate_freight(5, Family.TEST, (), energies=2, pitch_mm=COARSE_MM)
    scan = as_scanned(freight)
    seen = standardised(scan, parse_profile(scan.profile, "test"))
    assert seen.rendering == "cargo material"
    assert 240 <= np.median(seen.images[0][:4, :4]) <= 255
    assert as_scanned(freight, ("cargo",)).profile == profile_text(2, COARSE_MM, "cargo")


def test_a_vehicle_that_moved_along_y_is_looked_at_as_one_that_moved_along_x() -> None:
    freight = simulate_freight(5, Family.TEST, ("long_gun",), energies=2, pitch_mm=7.0)
    along_x = as_scanned(freight)
    along_y = replace(
        along_x,
        views=tuple(np.ascontiguousarray(view.T) for view in along_x.views),
        profile=along_x.profile + 'belt = "y"\n',
    )
    detector = Detector("cargo-n", policy=Policy(min_score=0.0), threads=1)
    one, other = detector.inspect(along_x), detector.inspect(along_y)
    assert len(one.detections) > 50
    assert other.view_sizes == tuple((height, width) for width, height in one.view_sizes)
    assert np.array_equal(other.detections.boxes_xyxy, one.detections.boxes_xyxy[:, [1, 0, 3, 2]])
    assert np.array_equal(other.detections.scores, one.detections.scores)
    assert other.reasons == one.reasons


def test_training_turns_a_vehicle_that_moved_along_y_as_the_station_does(tmp_path: Path) -> None:
    freight = simulate_freight(5, Family.TRAIN, ("long_gun",), energies=1, pitch_mm=COARSE_MM)
    scan, box = as_scanned(freight), freight.objects[0].box
    look = Look(64, tile_pixels=64, pixel_pitch_mm=COARSE_MM)
    read = []
    for belt, levels, corners in (("x", scan.views[0], box), ("y", scan.views[0].T, [box[1], box[0], box[3], box[2]])):
        np.save(tmp_path / f"{belt}.npy", levels)
        # Pixels of another length across the belt, so that a pitch which was not turned would show.
        pitch = [COARSE_MM, 15.0] if belt == "x" else [15.0, COARSE_MM]
        text = scan.profile.replace(f"[{COARSE_MM:g}, {COARSE_MM:g}]", str(pitch))
        (tmp_path / f"{belt}.toml").write_text(f'{text}belt = "{belt}"\n')
        x1, y1, x2, y2 = corners
        annotation = {"image_id": 1, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "id": 1}
        image = {"id": 1, "file_name": f"{belt}.npy", "width": levels.shape[1], "height": levels.shape[0]}
        document = {"images": [image], "annotations": [annotation], "categories": [{"id": 1, "name": "long_gun"}]}
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / "annotations" / f"{belt}.json").write_text(json.dumps(document))
        (tmp_path / "images" / belt).mkdir(parents=True)
        for name in (f"{belt}.npy", f"{belt}.toml"):
            (tmp_path / name).rename(tmp_path / "images" / belt / name)
        (annotated,) = read_coco(tmp_path, belt).scans
        read.append(read_tile(annotated, look, lambda tiles: tiles[len(tiles) // 2]))
    for one, other in zip(*read, strict=True):
        assert np.array_equal(one, other)


def test_a_threat_in_a_background_multiplies_and_leaves_the_rest_alone() -> None:
    high = np.full((150, 300), 0.3, np.float32)
    clean = with_threats(Exposure(high, high**1.15), (), 10.0, 3)
    laid = with_threats(Exposure(high, high**1.15), ("ammunition",), 10.0, 3)
    x1, y1, x2, y2 = (int(edge) for edge in laid.objects[0].box)
    outside = np.ones(high.shape, bool)
    outside[max(y1 - 1, 0) : y2 + 1, max(x1 - 1, 0) : x2 + 1] = False
    assert (clean.high[outside] == laid.high[outside]).all()
    assert laid.low is not None
    assert clean.low is not None
    darker = laid.high[y1:y2, x1:x2] / clean.high[y1:y2, x1:x2]
    assert darker.min() < 0.9
    assert darker.max() <= 1
    # 36 mm of steel let 0.3 through at 2 MeV.
    assert laid.objects[0].steel_mm == pytest.approx(-np.log(0.3) / 0.0335, rel=0.03)


def test_own_clean_scans_give_the_same_kind_of_figures(
    weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark_costs, "PITCH_MM", COARSE_MM)
    monkeypatch.setattr(
        benchmark_costs, "_scans", lambda energies: [simulate_freight(1, Family.TEST, (), energies, COARSE_MM)]
    )
    folder = tmp_path / "own"
    folder.mkdir()
    for seed in (1, 2):
        freight = simulate_freight(seed, Family.TRAIN, (), energies=1, pitch_mm=COARSE_MM)
        np.save(folder / f"container-{seed}.npy", freight.high)
        (folder / f"container-{seed}.toml").write_text(profile_text(1, COARSE_MM, "cargo"))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    figures = benchmark_on_backgrounds(weights, folder, None, tmp_path / "out", unwatched)
    assert (figures.clean, figures.threats) == (2, 2)
    lines = [json.loads(line) for line in (tmp_path / "out" / "scans.jsonl").read_text().splitlines()]
    assert len({line["group"] for line in lines}) == 2
    # Killed between a scan and its threat, then a file is added before the others: each is counted once.
    kept = "".join(json.dumps(line) + "\n" for line in lines[:-1])
    (tmp_path / "out" / "scans.jsonl").write_text(kept)
    freight = simulate_freight(3, Family.TRAIN, (), energies=1, pitch_mm=COARSE_MM)
    np.save(folder / "a-new.npy", freight.high)
    (folder / "a-new.toml").write_text(profile_text(1, COARSE_MM, "cargo"))
    figures = benchmark_on_backgrounds(weights, folder, None, tmp_path / "out", unwatched)
    assert (figures.clean, figures.threats) == (3, 3)
    text = (tmp_path / "out" / "scans.jsonl").read_text()
    assert text.startswith(kept) and len(text.splitlines()) == 6
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SettingsInvalid, match="no scan"):
        benchmark_on_backgrounds(weights, empty, None, tmp_path / "none", unwatched)


def test_the_training_set_shows_whole_threats_at_the_stations_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tile_set, "PITCHES", (COARSE_MM,))
    monkeypatch.setattr(tile_set, "PITCH_SHARES", (1.0,))
    monkeypatch.setattr(tile_set, "PITCH_MM", COARSE_MM)
    monkeypatch.setattr(tile_set, "TILE", 96)
    wanted = FreightSet(scans=3, validation=2, seed=4)
    assert sorted(write_freight_set(tmp_path / "one", wanted)) == [0, 0, 1, 1, 2]
    train, val = read_coco(tmp_path / "one", "train"), read_coco(tmp_path / "one", "val")
    assert train.class_names == tuple(THREATS)
    assert len(val) == 2
    assert stated_terms(tmp_path / "one") == {"simulated freight": tile_set.SIMULATED_TERMS}
    boxes = np.concatenate([scan.boxes_xyxy[~scan.ignore] for scan in train.scans])
    assert len(boxes) > 3
    for scan in train.scans:
        assert cv2.imread(str(scan.path)).shape == (96, 96, 3)
    # A stop between the pictures and the journal costs one scan, and the rest is not made again.
    (tmp_path / "one" / "journal" / "train-000001.json").unlink()
    before = (tmp_path / "one" / "annotations" / "train.json").read_bytes()
    assert len(list(write_freight_set(tmp_path / "one", wanted))) == 5
    assert (tmp_path / "one" / "annotations" / "train.json").read_bytes() == before
    with pytest.raises(SettingsInvalid, match=r"begun with other scans \(3, here 9\)"):
        list(write_freight_set(tmp_path / "one", FreightSet(9, 2, 4)))


def test_a_training_set_shows_a_network_its_own_false_alarms_besides(
    weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tile_set, "PITCHES", (COARSE_MM,))
    monkeypatch.setattr(tile_set, "PITCH_SHARES", (1.0,))
    monkeypatch.setattr(tile_set, "PITCH_MM", COARSE_MM)
    monkeypatch.setattr(tile_set, "TILE", 96)
    wanted = FreightSet(scans=3, validation=0, seed=4)
    list(write_freight_set(tmp_path / "plain", wanted))
    list(write_freight_set(tmp_path / "searched", replace(wanted, searched_with=weights)))
    plain, searched = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "images" / "train").iterdir()}
        for name in ("plain", "searched")
    )
    assert plain.items() <= searched.items()
    more = [sum(name.startswith(f"{scan:06d}") for name in searched.keys() - plain.keys()) for scan in range(3)]
    assert all(1 <= count <= tile_set.FALSE_ALARMS for count in more)
    with pytest.raises(SettingsInvalid, match="other searched_with"):
        list(write_freight_set(tmp_path / "plain", replace(wanted, searched_with=weights)))
    # As folders were begun before they told.
    begun = tmp_path / "plain" / "freight.json"
    begun.write_text(json.dumps({key: one for key, one in json.loads(begun.read_text()).items() if key[:3] != "sea"}))
    list(write_freight_set(tmp_path / "plain", wanted))


def test_a_box_that_touches_a_threat_is_no_false_alarm(weights: str) -> None:
    freight = simulate_freight(4, Family.TRAIN, (), 1, COARSE_MM)
    found = false_alarm_boxes(searching_detector(weights), freight, np.zeros((0, 4), np.float32))
    assert len(found) > 2
    kept = false_alarm_boxes(searching_detector(weights), freight, found[:1])
    low, high = np.maximum(kept[:, :2], found[0, :2]), np.minimum(kept[:, 2:], found[0, 2:])
    assert 0 < len(kept) < len(found)
    assert not (low < high).all(axis=1).any()


@pytest.mark.parametrize(("constant", "name"), [("TILE", "tile"), ("VERSION", "version")])
def test_a_training_set_is_not_begun_with_one_generator_and_ended_with_another(
    constant: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = FreightSet(scans=0, validation=0)
    list(write_freight_set(tmp_path, wanted))
    was = getattr(tile_set, constant)
    monkeypatch.setattr(tile_set, constant, 512)
    with pytest.raises(SettingsInvalid, match=rf"begun with other {name} \({was}, here 512\)"):
        list(write_freight_set(tmp_path, wanted))
    # As folders were begun before they told.
    (tmp_path / "freight.json").write_text(json.dumps(asdict(wanted)))
    with pytest.raises(SettingsInvalid, match=r"an earlier version: .* version, tile") as refused:
        list(write_freight_set(tmp_path, wanted))
    assert "another --output" in refused.value.remedy


def test_a_training_set_is_not_ended_with_other_luggage(tmp_path: Path) -> None:
    luggage, folder = tmp_path / "luggage", tmp_path / "freight"
    wanted = FreightSet(scans=0, validation=0, luggage=str(luggage))
    with pytest.raises(SettingsInvalid, match="no annotations"):
        list(write_freight_set(folder, wanted))
    assert not folder.exists()
    simulate_dataset(luggage, scans=4, seed=1)
    for _ in range(2):
        list(write_freight_set(folder, wanted))
    path = luggage / "annotations" / "train.json"
    document = json.loads(path.read_text())
    document["annotations"][0]["bbox"][2] -= 1
    path.write_text(json.dumps(document))
    with pytest.raises(SettingsInvalid, match="other luggage_annotations"):
        list(write_freight_set(folder, wanted))


def test_sources_whose_items_alone_lie_in_the_luggage_keep_their_terms(tmp_path: Path) -> None:
    luggage = tmp_path / "luggage"
    simulate_dataset(luggage, scans=4, seed=1)
    path = luggage / "annotations" / "train.json"
    terms = {"simulated": "made here", "pidray": "research only", "unsaid": "not stated"}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"info": {"terms": terms}}))
    list(write_freight_set(tmp_path / "freight", FreightSet(scans=0, validation=0, luggage=str(luggage))))
    (told,) = stated_terms(tmp_path / "freight").items()
    assert told == (
        "simulated freight with threats cut out of pidray, simulated, unsaid",
        f"{tile_set.CUT_OUT_TERMS}; pidray: research only; simulated: made here",
    )


def test_air_of_the_simulated_scanner_is_its_own_level() -> None:
    assert f"air_value = {AIR_LEVEL}" in profile_text(1, 5.0, "cargo")


def test_steel_and_plastic_are_told_apart_by_two_energies() -> None:
    steel, plastic = np.meshgrid(np.linspace(0, 1.2, 5), np.linspace(0, 4, 5))
    low, high = (
        steel * linear_attenuation("steel", beam) + plastic * linear_attenuation("polyethylene", beam)
        for beam in (LUGGAGE_BEAM.low_mev, LUGGAGE_BEAM.high_mev)
    )
    found = materials_of(low.astype(np.float32), high.astype(np.float32))
    assert found["steel"] == pytest.approx(steel, abs=1e-3)
    assert found["polyethylene"] == pytest.approx(plastic, abs=1e-2)
    # Noise beyond both materials is never a negative thickness.
    odd = materials_of(np.array([[5.0, 0.1]], np.float32), np.array([[0.4, 1.0]], np.float32))
    assert all((values >= 0).all() for values in odd.values())


def test_guns_of_luggage_scans_are_hidden_in_freight_at_their_own_length(tmp_path: Path) -> None:
    simulate_dataset(tmp_path / "luggage", scans=24, seed=1)
    cut_outs = luggage_threats(tmp_path / "luggage")
    assert set(cut_outs) <= {"handgun", "knife"}
    for solids in cut_outs.values():
        for solid in solids:
            assert 8 <= max(solid.shape) / solid.resolution <= 33 * 2**0.5
    threats = tuple(cut_outs) * 4
    plain = simulate_freight(3, Family.TRAIN, threats, energies=1, pitch_mm=10.0)
    mixed = simulate_freight(3, Family.TRAIN, threats, energies=1, pitch_mm=10.0, cut_outs=cut_outs)
    assert plain.high.shape == mixed.high.shape
    assert [item.class_name for item in mixed.objects] == list(threats)
    assert (plain.high != mixed.high).any()
    with pytest.raises(SettingsInvalid, match="cut out"):
        luggage_threats(write_nothing(tmp_path / "nothing"))


def write_nothing(folder: Path) -> Path:
    (folder / "annotations").mkdir(parents=True)
    (folder / "images").mkdir()
    (folder / "annotations" / "train.json").write_text('{"images": [], "annotations": [], "categories": []}')
    return folder


def test_time_and_memory_are_told_of_every_area(weights: str) -> None:
    small, large = area.measure_area(weights, ((300, 200), (600, 400)))
    assert (small.width, large.height) == (300, 400)
    assert 0 < small.seconds < 60
    assert 10 < small.peak_mb < 4000


def test_weights_that_know_no_freight_are_refused(tmp_path: Path) -> None:
    weights = probe_onnx(tmp_path / "probe.onnx", make_spec(renderings=("stored",)))
    with pytest.raises(SettingsInvalid, match="simulated freight is drawn as 'cargo'"):
        benchmark(str(weights), "small", tmp_path / "out", 1, lambda title, records, total: iter(records))
    assert not (tmp_path / "out").exists()
