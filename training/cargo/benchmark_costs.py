"""What an inspection costs: seconds a megapixel and peak memory, alone on the machine, in a process of its own."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detector.pipeline import Detector
from training.cargo.benchmark_plan import PITCH_MM, plan
from training.cargo.benchmark_run import found_in
from training.files.worker_processes import worker_processes
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
    with worker_processes(1) as pool:
        seconds = {energies: pool.submit(_timed, weights, few).result() for energies, few in scans.items()}
        peak = pool.submit(peak_mb).result()
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


def peak_mb() -> float:
    """Largest resident memory of this process so far, MB."""
    status = Path("/proc/self/status")
    if status.is_file():
        # What getrusage tells on Linux is handed down from the process that started this one.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    # Bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
