"""What an inspection costs: seconds a megapixel and peak memory, alone on the machine, in a process of its own."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from detector.pipeline import Detector
from training.cargo.benchmark_plan import PITCH_MM, plan
from training.cargo.benchmark_run import found_in
from training.simulation.freight import Family, FreightScan, simulate_freight

#: Scans timed of each number of energies, after one that is not.
TIMED = 4


@dataclass(frozen=True)
class Costs:
    """seconds_per_mpx: energies -> median over TIMED scans, from pages in memory to the decision, on all cores.
    peak_mb: resident memory of the process, simulation apart. seconds: of the longest scan timed.
    """

    seconds_per_mpx: dict[int, float]
    seconds: float
    peak_mb: float


def measure_costs(weights: str) -> Costs:
    """Simulates a few scans of the benchmark here, and has them inspected by a fresh process."""
    scans = {energies: _scans(energies) for energies in (1, 2)}
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        seconds = {energies: pool.submit(_timed, weights, few).result() for energies, few in scans.items()}
        peak = pool.submit(_peak_mb).result()
    per_mpx = {
        energies: float(
            np.median([time / (one.high.size / 1e6) for time, one in zip(times, scans[energies], strict=True)])
        )
        for energies, times in seconds.items()
    }
    return Costs(per_mpx, max(max(times) for times in seconds.values()), peak)


def _scans(energies: int) -> list[FreightScan]:
    chosen = [scan for scan in plan("small") if scan.energies == energies and scan.pitch_mm == PITCH_MM][:TIMED]
    return [simulate_freight(scan.seed, Family.TEST, (), scan.energies, scan.pitch_mm) for scan in chosen]


def _timed(weights: str, scans: list[FreightScan]) -> list[float]:
    detector = Detector(weights)
    found_in(detector, scans[0])
    return [float(found_in(detector, scan)["seconds"]) for scan in scans]


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS.
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
