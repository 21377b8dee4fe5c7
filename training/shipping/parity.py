"""The gate between torch and ONNX: the same scans must give the same boxes, or there is no export.

Random noise proves nothing: it excites no detection. The gate runs on real or simulated scans, and on candidates that
matter: those whose best score reaches LEAST_SCORE on either side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from detector.errors import RoentgateError
from detector.network import Network
from detector.normalise import letterbox
from training.models.interface import MAX_CANDIDATES, DetectionNetwork
from training.shipping.export import ExportedGraph
from training.simulation import simulate_luggage

Float32 = NDArray[np.float32]

#: Fewest scans that prove anything, largest differences, and the score from which a candidate matters.
LEAST_SCANS, BOX_TOLERANCE, SCORE_TOLERANCE, LEAST_SCORE = 100, 0.5, 1e-3, 0.02

#: Squares a batch; the default of the station.
STATION_BATCH = 8


class ParityFailed(RoentgateError):
    """The exported network does not give what the trained one gives."""

    default_remedy = "do not ship this file; look for an operator that exports differently"


@dataclass(frozen=True)
class Parity:
    """What was compared. box_difference in pixels of the input square, score_difference in 0..1: the largest seen."""

    scans: int
    candidates: int
    box_difference: float
    score_difference: float

    def __str__(self) -> str:
        return (
            f"parity on {self.scans} scans, {self.candidates} candidates: boxes within {self.box_difference:.4f} px, "
            f"scores within {self.score_difference:.6f}"
        )


def require_parity(network: DetectionNetwork, exported: Network, squares: Iterable[NDArray[np.uint8]]) -> Parity:
    """Runs both on every (S, S, 3) uint8 square; raises ParityFailed on the first difference beyond tolerance, on fewer
    than LEAST_SCANS scans, or if no candidate reached LEAST_SCORE anywhere (nothing was compared then)."""
    graph = ExportedGraph(network).eval()
    scans = candidates = 0
    box_difference = score_difference = 0.0
    for boxes, scores, own_boxes, own_scores in _pairs(graph, exported, squares):
        for pair in ((boxes, scores, own_boxes, own_scores), (own_boxes, own_scores, boxes, scores)):
            compared = _largest_differences(*pair)
            candidates += compared[0]
            # Not max(), which keeps the figure before in place of one that is no number.
            box_difference = float(np.maximum(box_difference, compared[1]))
            score_difference = float(np.maximum(score_difference, compared[2]))
        scans += 1
        if not (box_difference <= BOX_TOLERANCE and score_difference <= SCORE_TOLERANCE):
            raise ParityFailed(
                f"scan {scans}: boxes differ by {box_difference:.3f} px, scores by {score_difference:.5f}"
            )
    if scans < LEAST_SCANS:
        raise ParityFailed(
            f"{scans} scans prove nothing; {LEAST_SCANS} are needed", remedy="give a validation split that has so many"
        )
    if candidates == 0:
        raise ParityFailed(
            f"no box on any of {scans} scans reaches a score of {LEAST_SCORE:g}, so nothing could be compared",
            remedy="train for longer: such a network finds nothing (val/AP50 in metrics.jsonl of the run)",
        )
    return Parity(scans, candidates, box_difference, score_difference)


def simulated_squares(size: int) -> Iterator[NDArray[np.uint8]]:
    """(size, size, 3) of as many simulated bags as the gate asks for, where there are no scans at hand."""
    for seed in range(LEAST_SCANS):
        yield letterbox(simulate_luggage(seed, ("gun", "knife")).rgb, size)[0]


def _pairs(
    graph: ExportedGraph, exported: Network, squares: Iterable[NDArray[np.uint8]]
) -> Iterator[tuple[Float32, Float32, Float32, Float32]]:
    """Boxes and scores of each square from both sides; ONNX in batches, as a station runs it, torch one by one."""
    remaining = iter(squares)
    while batch := list(islice(remaining, STATION_BATCH)):
        own = exported.infer(np.stack(batch))
        for number, square in enumerate(batch):
            with torch.no_grad():
                boxes, scores = graph(torch.from_numpy(square)[None])
            yield boxes.numpy()[0], scores.numpy()[0], own[0][number], own[1][number]


def _largest_differences(
    boxes: Float32, scores: Float32, other_boxes: Float32, other_scores: Float32
) -> tuple[int, float, float]:
    """Candidates that matter, and how far each is at most from its best counterpart on the other side.

    Counterparts are found by nearness, not by rank: near ties may change places in a top-k without any harm.
    """
    least = LEAST_SCORE
    if len(other_scores) >= MAX_CANDIDATES:
        # The other side kept its best candidates only: one this near to the last of them may have been the next.
        least = max(least, float(other_scores.max(axis=1).min()) + SCORE_TOLERANCE)
    matter = scores.max(axis=1) >= least
    if not matter.any():
        return 0, 0.0, 0.0
    apart = np.abs(boxes[matter, None] - other_boxes[None]).max(axis=2)
    differ = np.abs(scores[matter, None] - other_scores[None]).max(axis=2)
    best = (apart / BOX_TOLERANCE + differ / SCORE_TOLERANCE).argmin(axis=1)
    rows = np.arange(len(best))
    return len(best), float(apart[rows, best].max()), float(differ[rows, best].max())
