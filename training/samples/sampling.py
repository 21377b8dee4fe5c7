"""Which training scan comes when, as a pure function of (seed, position), so that a stopped run goes on exactly."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.errors import SettingsInvalid
from training.datasets.coco_index import CocoIndex
from training.recipe import Recipe

#: Remedy for every fault of an emphasis file.
_REMEDY = "write it again from this data folder, or leave `emphasis` out of the recipe"


def sampling_weights(index: CocoIndex, recipe: Recipe) -> NDArray[np.float64]:
    """How often each scan is wanted, relative to the others: by class, by source, and by the recipe's emphasis."""
    weights = repeat_factors(index, recipe.balance_share)
    weights = weights * source_factors(index, recipe.balance_sources, weights)
    return weights * emphasis_factors(index, Path(recipe.emphasis)) if recipe.emphasis else weights


def source_factors(index: CocoIndex, evenness: float, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Factor of each scan: (mean weight of a source / that of its own) to the power `evenness`, 0..1.

    weights: (n,) how often each scan is wanted otherwise. At 1 every source comes equally often, at 0 as these say.
    """
    sums = Counter[str]()
    for scan, weight in zip(index.scans, weights.tolist(), strict=True):
        sums[scan.source] += weight
    mean = float(weights.sum()) / max(1, len(sums))
    return np.array([(mean / sums[scan.source]) ** evenness for scan in index.scans])


def emphasis_factors(index: CocoIndex, path: Path) -> NDArray[np.float64]:
    """Factor of each scan from a JSON object {scan: weight > 0}; 1 for a scan that is not in it.

    A scan is named exactly as in the annotations, by its `file_name`. Raises SettingsInvalid for a file that cannot be
    read, a weight that is none, or a scan that the data does not hold; one that the recipe leaves out is no fault.
    """
    wanted = _read_emphasis(path)
    unknown = sorted(wanted.keys() - {scan.name for scan in index.scans} - index.kept_out)
    if unknown:
        raise SettingsInvalid(f"{path}: {len(unknown)} scans are not in the data, first {unknown[0]}", remedy=_REMEDY)
    return np.array([wanted.get(scan.name, 1.0) for scan in index.scans])


def _read_emphasis(path: Path) -> dict[str, float]:
    try:
        wanted = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"emphasis file {path}: {error}", remedy=_REMEDY) from None
    numbers = isinstance(wanted, dict) and all(
        isinstance(weight, int | float) and not isinstance(weight, bool) and 0 < weight < np.inf
        for weight in wanted.values()
    )
    if not numbers:
        raise SettingsInvalid(f"{path} is no JSON object of scans and weights above 0", remedy=_REMEDY)
    return {str(name): float(weight) for name, weight in wanted.items()}


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
