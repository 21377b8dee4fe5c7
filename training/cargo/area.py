"""Time and memory over the area of a scan: `python -m training.cargo.area --weights cargo-n`.

Each scan is a two-page 16-bit TIFF of two energies, made of simulated freight laid side by side, read from the disk and
inspected by a fresh process, which tells its peak of resident memory.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.inspection import Decision
from detector.pipeline import Detector
from detector.scanner_profile import parse_profile
from detector.weights import load_weights
from training.cargo.benchmark_costs import peak_mb
from training.cargo.benchmark_plan import FIRST_SEED, PITCH_MM
from training.cargo.reading import profile_text, rendering_of
from training.files.worker_processes import worker_processes
from training.simulation.freight import Family, simulate_freight

#: Width and height in pixels of the scans.
SHAPES = ((2400, 840), (4096, 4096), (10_000, 3_000), (8192, 8192))


@dataclass(frozen=True)
class AreaCost:
    """seconds: from the file to the decision. peak_mb: resident memory of the process, network and all."""

    width: int
    height: int
    seconds: float
    peak_mb: float
    decision: Decision


def measure_area(weights: str, shapes: tuple[tuple[int, int], ...] = SHAPES) -> list[AreaCost]:
    """One inspection each, in a process of its own, on all cores."""
    costs = []
    profile = profile_text(2, PITCH_MM, rendering_of(2, load_weights(weights).spec.renderings))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.tif"
        for width, height in shapes:
            _write(path, width, height)
            with worker_processes(1) as pool:
                costs.append(AreaCost(width, height, *pool.submit(_inspect, weights, path, profile).result()))
    return costs


def _write(path: Path, width: int, height: int) -> None:
    freight = simulate_freight(FIRST_SEED, Family.TEST, (), energies=2, pitch_mm=PITCH_MM)
    assert freight.low is not None
    pages = [_laid_out(page, width, height) for page in (freight.high, freight.low)]
    if not cv2.imwritemulti(str(path), pages, [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_NONE]):
        raise OSError(f"{path} could not be written")


def _laid_out(page: NDArray[np.uint16], width: int, height: int) -> NDArray[np.uint16]:
    across, down = -(-width // page.shape[1]), -(-height // page.shape[0])
    return np.tile(page, (down, across))[:height, :width]


def _inspect(weights: str, path: Path, profile: str) -> tuple[float, float, Decision]:
    detector = Detector(weights, scanner=parse_profile(profile, "simulated"))
    started = time.perf_counter()
    decision = detector.inspect(path).decision
    seconds = time.perf_counter() - started
    return seconds, peak_mb(), decision


def main(arguments: list[str] | None = None) -> None:
    """Prints a line a size."""
    parser = argparse.ArgumentParser(description="Time and memory over the area of a scan.")
    parser.add_argument("--weights", required=True, help="ONNX file, or the name of shipped weights")
    for cost in measure_area(parser.parse_args(arguments).weights):
        area = cost.width * cost.height / 1e6
        print(
            f"{cost.width} x {cost.height}, {area:.1f} Mpx, two energies: {cost.seconds:.1f} s "
            f"({cost.seconds / area:.2f} s a Mpx), at most {cost.peak_mb:.0f} MB, {cost.decision}"
        )


if __name__ == "__main__":
    main()
