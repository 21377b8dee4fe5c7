"""roentgate benchmark: how fast weights are on this machine, on scans of one's own."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from detector.benchmark import Benchmark, Speed, Triple, measure
from detector.discovery import discover
from detector.errors import SettingsInvalid, named_by
from detector.network import Provider
from detector.outputs.atomic import write_bytes_whole
from detector.pipeline import Detector
from detector.scan_options import Batch, OnProvider, Quiet, Scanner, Threads, named_path
from detector.scanner_profile import load_profile
from detector.terminal import tell, visible


def benchmark_command(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Files or folders of scans.")],
    weights: Annotated[
        list[str] | None, typer.Option("--weights", help="Name or .onnx file; repeat it to compare with the first.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(parser=named_path, metavar="<path>", help="JSON file for all that was measured.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="Measured rounds, after one that is not.")] = 5,
    scanner: Scanner = None,
    provider: OnProvider = Provider.AUTO,
    threads: Threads = 0,
    batch: Batch = 8,
    quiet: Quiet = False,
) -> None:
    """Measures scans a second from file to report, and the time of one alone; weights by turns on the same scans."""
    # What earlier runs wrote beside the scans is no scan; here nothing is written.
    found = discover([Path(text) for text in inputs if text], (), Path(os.devnull))
    if not found.sources or "" in inputs:
        raise SettingsInvalid(f"no scans found in {', '.join(inputs)}", remedy="name files or folders that hold scans")
    profile = load_profile(scanner) if scanner else None
    detectors = [
        Detector(name, provider=provider, threads=threads, batch=batch, scanner=profile) for name in weights or [""]
    ]
    runs, total = 0, (rounds + 1) * len(detectors)

    def told() -> None:
        nonlocal runs
        runs += 1
        if not quiet:
            tell(f"run {runs} of {total}")

    measured = measure(detectors, found.sources, rounds, told)
    typer.echo("\n".join(_lines(measured)))
    if output is not None:
        with named_by(output):
            output.parent.mkdir(parents=True, exist_ok=True)
            write_bytes_whole(output, (json.dumps(asdict(measured), indent=2) + "\n").encode())


def _lines(measured: Benchmark) -> list[str]:
    on = measured.machine
    head = (
        f"{measured.scans} scans, {measured.rounds} rounds by turns after one unmeasured, {on['processor']}, "
        f"{on['cores']} cores, onnxruntime {on['onnxruntime']}"
    )
    return [head, *(_line(*one) for one in zip(measured.speeds, measured.ratios, strict=True))]


def _line(speed: Speed, ratio: Triple) -> str:
    rates = sorted(speed.scans_per_second)
    low, middle, high = ratio
    return (
        f"{visible(speed.weights)} on {speed.provider}: {rates[len(rates) // 2]:.1f} scans/s "
        f"[{rates[0]:.1f}, {rates[-1]:.1f}], alone {speed.latency_ms[0]:.0f} ms (19 in 20: {speed.latency_ms[1]:.0f}), "
        f"{middle:.2f} times the first's time [{low:.2f}, {high:.2f}]"
    )
