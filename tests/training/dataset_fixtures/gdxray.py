"""GDXray+: three named series, one of BoundingBox.mat with exchanged corners, one that nobody annotated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import savemat

from tests.training.dataset_fixtures.drawing import draw, put

SPLITS = {"": 10}
BOXES = {"handgun": 1, "shuriken": 1, "object": 2}
GROUPS = 5


def build(root: Path) -> None:
    """Two frames a series; ground_truth.txt as MATLAB's save writes it."""
    for series in ("B0001", "B0031", "B0046", "B0047", "B0048"):
        for frame in (1, 2):
            draw(root / f"Baggages/{series}/{series}_000{frame}.png", 80, 60, frame)
    put(root / "Baggages/B0046/ground_truth.txt", "   1.0000000e+00   1.1000000e+01   3.0000000e+01   5   2.5e+01\n")
    put(root / "Baggages/B0047/ground_truth.txt", "2 10 5 30 5 30 20 10 20\n")
    put(root / "Baggages/B0048/ground_truth.txt", "1 40 30\n")
    savemat(root / "Baggages/B0031/BoundingBox.mat", {"bb": np.array([[1, 5, 20, 40, 10], [2, 1, 80, 60, 1]], float)})
    put(root / "Castings/C0001/ground_truth.txt", "1 1 2 3 4\n")
