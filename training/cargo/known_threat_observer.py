"""How many of the benchmark's threats stand out of their load: `python -m training.cargo.known_threat_observer`.

An observer who knows everything about a threat but where it lies looks for it in its scan: the threat's own change of
the logarithm of transmission is the template of a matched filter, whitened by the spectrum of the scan without it
(Barrett and Myers, Foundations of Image Science, 2004, chapter 13). Photon noise, blur and stripes are in both scans
alike. The threat stands out where nothing else in the scan answers as strongly.

It is best where clutter is Gaussian and of one kind throughout, which a load is not: a share that it finds says what is
there to be found, not where the end is. A detector knows neither the shape nor the angle nor what lies behind.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict

import cv2
import numpy as np
from numpy.typing import NDArray

from training.cargo.benchmark_figures import threat_parts
from training.cargo.benchmark_plan import SIZES, BenchmarkScan, plan
from training.cargo.benchmark_run import Record, truth
from training.evaluation.intervals import Rate, describe_rate
from training.files.worker_processes import worker_processes
from training.simulation.freight import AIR_LEVEL, Family, simulate_freight

Float32 = NDArray[np.float32]

#: Levels below which the logarithm is not taken: one photon in 2,600.
LEAST_LEVEL = 20.0
#: Pixels around a threat's box that its blur reaches.
MARGIN = 2
#: Side in frequencies over which the spectrum of one scan is averaged: one scan alone is a noisy measure of its kind.
SMOOTHED = 9
#: Share of the mean power that is added: no frequency is free of noise.
LEAST_POWER = 1e-6


def stands_out(without: Float32, change: Float32, corner: tuple[int, int]) -> bool:
    """Whether a threat answers its own whitened matched filter more strongly than any other place of the scan does.

    without: (H, W) logarithm of transmission of the scan as it is without the threat. change: (h, w) what the threat
    adds to it. corner: row and column of its upper left pixel.
    """
    (rows, columns), (top, left) = change.shape, corner
    size = (cv2.getOptimalDFTSize(without.shape[0]), cv2.getOptimalDFTSize(without.shape[1]))
    spectrum = np.fft.rfft2(without - without.mean(), s=size)
    power = np.asarray(cv2.blur((np.abs(spectrum) ** 2).astype(np.float32), (SMOOTHED, SMOOTHED)))
    whitened = np.conj(np.fft.rfft2(change, s=size)) / (power + LEAST_POWER * power.mean())
    answers = np.fft.irfft2(spectrum * whitened, s=size)
    own = float((np.fft.irfft2(np.fft.rfft2(change, s=size) * whitened, s=size))[0, 0])
    at_place = answers[top, left] + own
    elsewhere = answers[: without.shape[0] - rows + 1, : without.shape[1] - columns + 1]
    return bool(at_place > elsewhere.max())


def observe(scan: BenchmarkScan) -> Record:
    """One benchmark scan with a threat: its truth, and whether the threat stands out."""
    held = simulate_freight(scan.seed, Family.TEST, (scan.threat,), scan.energies, scan.pitch_mm)
    bare = simulate_freight(scan.seed, Family.TEST, (), scan.energies, scan.pitch_mm)
    x1, y1, x2, y2 = (int(edge) for edge in held.objects[0].box)
    place = slice(max(y1 - MARGIN, 0), y2 + MARGIN), slice(max(x1 - MARGIN, 0), x2 + MARGIN)
    without, change = _logarithm(bare.high), (_logarithm(held.high) - _logarithm(bare.high))[place]
    return {
        **asdict(scan),
        **truth(held),
        "stands_out": stands_out(without, change, (place[0].start, place[1].start)),
    }


def _logarithm(levels: NDArray[np.uint16]) -> Float32:
    return np.log(np.maximum(levels, LEAST_LEVEL) / AIR_LEVEL).astype(np.float32)


def observations(size: str, workers: int) -> Iterator[Record]:
    """All scans of a size that hold a threat."""
    with worker_processes(workers, cv2.setNumThreads, 1) as pool:
        yield from pool.map(observe, [scan for scan in plan(size) if scan.threat], chunksize=4)


def main(arguments: list[str] | None = None) -> None:
    """Prints a line for each part of the threats."""
    parser = argparse.ArgumentParser(description="How many of the cargo benchmark's threats stand out at all.")
    parser.add_argument("--size", choices=list(SIZES), default="medium", help="which scans")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    chosen = parser.parse_args(arguments)
    records = list(observations(chosen.size, chosen.workers))
    found = np.array([record["stands_out"] for record in records], bool)
    for name, part in threat_parts(records).items():
        if part.any():
            print(f"{name}: {describe_rate(Rate.of(found[part]))}")


if __name__ == "__main__":
    main()
