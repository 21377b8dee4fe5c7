"""The cargo benchmark from end to end: `OUTPUT/metrics.json`, `report.html`, `scans.jsonl` and `pictures/`.

>>> figures = benchmark("cargo-n", "small", Path("evaluation"), workers=2)       # doctest: +SKIP
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from detector.errors import SettingsInvalid
from detector.normalise import UInt8
from detector.outputs.atomic import write_bytes_whole
from detector.scanner_profile import Rendering, ScannerProfile
from detector.weights import Weights, load_weights
from training.cargo.backgrounds import THREATS_EACH, Backgrounds
from training.cargo.benchmark_costs import Costs, measure_costs
from training.cargo.benchmark_figures import BenchmarkFigures, benchmark_figures, document, told_of_referred
from training.cargo.benchmark_plan import SIZES, VERSION
from training.cargo.benchmark_report import page
from training.cargo.benchmark_run import (
    Record,
    Setup,
    claim_run,
    read_records,
    require_unreplaced,
    run_benchmark,
    written,
)
from training.cargo.card import SIMULATED
from training.cargo.false_alarm_gallery import write_false_alarms
from training.cargo.reading import as_scanned, drawn
from training.simulation.freight import Family, simulate_freight

#: (title, records, how many) -> the records.
Watch = Callable[[str, Iterable[Record], int], Iterator[Record]]


def benchmark(weights: str, size: str, output: Path, workers: int, watch: Watch) -> BenchmarkFigures:
    """Runs what is missing, measures costs, writes the figures.

    Raises as `run_benchmark`, and SettingsInvalid for weights that know no freight, as their figures would say nothing,
    and for a file that was replaced during the run.
    """
    known = load_weights(weights).spec.renderings
    if "cargo" not in known:
        raise SettingsInvalid(
            f"{weights} knows scans drawn as {', '.join(known)}, and simulated freight is drawn as 'cargo'",
            remedy="give weights that were trained on it, as cargo-n, or clean scans of your own by --backgrounds",
        )
    records = list(watch("cargo benchmark", run_benchmark(weights, size, output, workers), SIZES[size]))
    picture_of = partial(_simulated_picture, known)
    return _written(weights, records, (size, SIMULATED), output, picture_of)


def benchmark_on_backgrounds(
    weights: str, folder: Path, profile: ScannerProfile | None, output: Path, watch: Watch
) -> BenchmarkFigures:
    """The same figures on the clean scans of a folder, taken up where it was stopped.

    Raises SettingsInvalid for a profile of scans that the weights do not know, when no scan can be a background, if
    `output` holds another run, or for a file of weights that was replaced during this one.
    """
    backgrounds = Backgrounds(folder, profile, weights)
    digest = profile.fingerprint()[:12] if profile else "beside"
    claim_run(output, Setup(load_weights(weights).label, "", f"{folder.absolute()}, profile {digest}"))
    done = backgrounds.unchanged(read_records(output))
    total = (1 + THREATS_EACH) * len(backgrounds.sources) - len(done)
    made = written(output, backgrounds.records(done))
    records = [*done.values(), *watch("cargo benchmark", made, total)]
    if not records:
        raise SettingsInvalid(f"no scan in {folder} can be a background", remedy="see what was said of each")
    of = (f"{len(records)} scans", f"threats laid into {folder.name}")
    return _written(weights, records, of, output, backgrounds.picture, backgrounds.left_out)


def _simulated_picture(renderings: tuple[Rendering, ...], record: Record) -> UInt8:
    freight = simulate_freight(record["seed"], Family.TEST, (), record["energies"], record["pitch_mm"])
    return drawn(as_scanned(freight, renderings))


def _written(
    weights: str,
    records: list[Record],
    of: tuple[str, str],
    output: Path,
    picture_of: Callable[[Record], UInt8],
    left_out: Mapping[str, str] = MappingProxyType({}),
) -> BenchmarkFigures:
    costs = measure_costs(weights)
    loaded = load_weights(weights)
    # After all that read the file: figures of one network must not stand under the digest of another.
    require_unreplaced(output, loaded)
    figures = benchmark_figures(records, loaded.spec.thresholds)
    setup = _setup(loaded, of, costs)
    setup["referred"] = told_of_referred(records, loaded.spec.never_clear)
    if left_out:
        setup["left_out"] = dict(left_out)
    metrics = {"setup": setup, **document(figures)}
    write_bytes_whole(output / "metrics.json", (json.dumps(metrics, indent=1) + "\n").encode())
    false_alarms = write_false_alarms(records, loaded.spec.thresholds, picture_of, output / "pictures")
    write_bytes_whole(output / "report.html", page(figures, setup, false_alarms).encode())
    return figures


def _setup(weights: Weights, of: tuple[str, str], costs: Costs) -> dict[str, Any]:
    return {
        "benchmark": "cargo",
        "version": VERSION,
        "size": of[0],
        "scans": of[1],
        "weights": weights.name,
        "weights_sha256": weights.sha256,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "costs": asdict(costs),
    }
