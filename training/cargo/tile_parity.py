"""Whether tiles find what one look at the whole scan finds: `python -m training.cargo.tile_parity --weights cargo-n`.

The same network is exported twice: with the station's square, for which a scan is cut into tiles that overlap, and with
one square as large as the scan. Both see every pixel at the same scale, so what differs is the work of cutting and
merging: an item halved by a border, found twice, or seen with less around it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import box_iou

from detector.detections import Detections
from detector.errors import SettingsInvalid
from detector.pipeline import Detector
from detector.settings import Policy
from detector.tiling import plan_tiles
from detector.weights_spec import WeightsSpec
from training.cargo.benchmark_plan import FIRST_SEED, PITCH_MM
from training.cargo.reading import as_scanned
from training.evaluation.intervals import Rate, describe_rate
from training.models.interface import DetectionNetwork
from training.models.table import build
from training.shipping.export import export_network
from training.shipping.trainable import shipped_start, start_file
from training.simulation.freight import THREATS, Family, FreightScan, simulate_freight

#: Scores that an item must reach in one of the two for the other to be asked for it. A look gives its 300 strongest
#: candidates: below these scores the whole scan's would run out first.
SCORES = (0.3, 0.5)
#: The other's box may score less by this share: at a border a network sees less around an item.
_SLACK = 0.5
_SAME_IOU = 0.5
#: Longest side in pixels of a scan that is looked at whole here; such a look takes some gigabytes.
_LONGEST = 2560


@dataclass(frozen=True)
class TileParity:
    """At one score. kept: items of the whole look that the tiles have, too. added: items of the tiles that the whole
    look has not. differences: (n,) by how much the scores of items that both have differ."""

    score: float
    kept: Rate
    added: Rate
    differences: NDArray[np.float64]


def compare(whole: list[Detections], tiled: list[Detections], score: float) -> TileParity:
    """Both looks at the same scans, in one order, with everything listed from half of `score` on."""
    scans = range(len(whole))
    kept = [_found(whole[scan], tiled[scan], score) for scan in scans]
    back = [_found(tiled[scan], whole[scan], score) for scan in scans]
    differences = [difference for scan in kept for difference in scan if difference is not None]
    return TileParity(
        score,
        _rate([[difference is not None for difference in scan] for scan in kept]),
        _rate([[difference is None for difference in scan] for scan in back]),
        np.abs(np.array(differences, np.float64)),
    )


def _found(items: Detections, others: Detections, score: float) -> list[float | None]:
    """For each of the items from `score` on, how much less the other look's box of it scores; None without one."""
    found: list[float | None] = []
    for item in range(len(items)):
        if items.scores[item] < score:
            continue
        same = (others.class_ids == items.class_ids[item]) & (others.scores >= _SLACK * items.scores[item])
        box = torch.from_numpy(items.boxes_xyxy[item : item + 1])
        overlaps = box_iou(box, torch.from_numpy(others.boxes_xyxy[same]))[0].numpy()
        hit = overlaps.size and overlaps.max() >= _SAME_IOU
        found.append(float(items.scores[item] - others.scores[same][overlaps.argmax()]) if hit else None)
    return found


def _rate(outcomes: list[list[bool]]) -> Rate:
    """Items of one scan stand or fall together."""
    scans = np.repeat(np.arange(len(outcomes)), [len(scan) for scan in outcomes])
    return Rate.of(np.array([one for scan in outcomes for one in scan], bool), scans.astype(np.int64))


def measure(weights: str, count: int) -> tuple[list[TileParity], float]:
    """Parity at SCORES, and the mean number of tiles of a scan."""
    spec = shipped_start(weights)
    if spec is None or spec.pixel_pitch_mm is None:
        raise SettingsInvalid(f"{weights}: no shipped weights of one scale", remedy="name shipped cargo weights")
    network = build(spec.family, spec.class_names)
    network.load_pretrained(start_file(weights))
    scans = list(_scans(count))
    longest = max(max(scan.high.shape) for scan in scans)
    side = -(-longest // network.stride) * network.stride
    with tempfile.TemporaryDirectory() as folder:
        tiled, whole = (
            _look(network, _resized(spec, size), Path(folder) / f"{size}.onnx", scans)
            for size in (spec.input_size, side)
        )
    tiles = [
        len(plan_tiles(scan.high.shape[1], scan.high.shape[0], spec.tile_pixels, spec.tile_pixels)) for scan in scans
    ]
    return [compare(whole, tiled, score) for score in SCORES], float(np.mean(tiles))


def _scans(count: int) -> Iterator[FreightScan]:
    """Scans with a threat each, in turn, none longer than can be looked at whole."""
    threats, seed = list(THREATS), FIRST_SEED
    while count:
        scan = simulate_freight(seed, Family.TEST, (threats[seed % len(threats)],), 1 + seed % 2, PITCH_MM)
        if max(scan.high.shape) <= _LONGEST:
            count -= 1
            yield scan
        seed += 1


def _resized(spec: WeightsSpec, size: int) -> WeightsSpec:
    """The same scale in a square of another size; one pass, scores as the network gives them."""
    changes = {"input_size": size, "tile_pixels": round(spec.tile_pixels * size / spec.input_size), "passes": (1.0,)}
    plain = {"calibration": {}, "thresholds": dict.fromkeys(spec.class_names, max(SCORES))}
    return WeightsSpec.model_validate(spec.model_dump() | changes | plain)


def _look(network: DetectionNetwork, spec: WeightsSpec, path: Path, scans: Iterable[FreightScan]) -> list[Detections]:
    export_network(network, spec, path)
    detector = Detector(path, policy=Policy(min_score=_SLACK * min(SCORES)), batch=1)
    return [detector.inspect(as_scanned(scan, spec.renderings)).detections for scan in scans]


def main(arguments: list[str] | None = None) -> None:
    """Prints a line a score."""
    parser = argparse.ArgumentParser(description="Whether tiles find what one look at the whole scan finds.")
    parser.add_argument("--weights", default="cargo-n", help="name of shipped weights")
    parser.add_argument("--scans", type=int, default=40, help="how many")
    chosen = parser.parse_args(arguments)
    results, tiles = measure(chosen.weights, chosen.scans)
    print(f"{chosen.scans} scans, {tiles:.1f} tiles each")
    for one in results:
        median, most = np.quantile(one.differences, [0.5, 1.0]) if len(one.differences) else (np.nan, np.nan)
        print(
            f"score >= {one.score:g}: of the whole look's items the tiles have {describe_rate(one.kept)}; of the "
            f"tiles' items the whole look lacks {describe_rate(one.added)}; scores differ by {median:.3f} in the "
            f"median, {most:.3f} at most"
        )


if __name__ == "__main__":
    main()
