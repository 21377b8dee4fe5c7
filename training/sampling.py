"""Which training scan comes when, as a pure function of (seed, position), so that a stopped run goes on exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.datasets.coco_index import CocoIndex


def repeat_factors(index: CocoIndex, share: float) -> NDArray[np.float64]:
    """How often each scan is wanted relative to a common one: max over its classes of sqrt(share / frequency), >= 1.

    Repeat-factor sampling of LVIS (Gupta et al. 2019, arXiv 1908.03195, section 4.2). Scans without any box count as
    one more class, so that few clean scans are not drowned.
    """
    clean = len(index.class_names)
    classes = [set(scan.class_ids.tolist()) or {clean} for scan in index.scans]
    counts = np.zeros(clean + 1)
    for present in classes:
        counts[list(present)] += 1
    frequency = np.maximum(counts, 1) / len(classes)
    factor = np.maximum(1.0, np.sqrt(share / frequency))
    return np.array([max(factor[list(present)]) for present in classes])


class SampleOrder:
    """The infinite sequence of scan numbers. Every round of len(weights) draws is a systematic sample, shuffled.

    Systematic sampling visits each scan floor(w) or ceil(w) times a round: as balanced as weights allow.
    """

    def __init__(self, weights: NDArray[np.float64], seed: int) -> None:
        self._edges = np.cumsum(weights) / weights.sum()
        self._seed = seed
        self._drawn: tuple[int, NDArray[np.int64]] = (-1, np.zeros(0, np.int64))

    def __getitem__(self, position: int) -> int:
        number, offset = divmod(position, len(self._edges))
        if self._drawn[0] != number:
            self._drawn = (number, self._draw_round(number))
        return int(self._drawn[1][offset])

    def _draw_round(self, number: int) -> NDArray[np.int64]:
        generator = np.random.default_rng((self._seed, number))
        points = (np.arange(len(self._edges)) + generator.random()) / len(self._edges)
        drawn = np.searchsorted(self._edges, points, side="right").clip(max=len(self._edges) - 1)
        return generator.permutation(drawn).astype(np.int64)
