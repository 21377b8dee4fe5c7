"""CLCXray: cutters and liquid containers, 12 classes, real and simulated scans in COCO's own folder names.

The layout is that of COCO 2017 itself (github.com/GreysonPhoenix/CLCXray), so it is recognised by its class names.
"""

from __future__ import annotations

from pathlib import Path

from training.datasets.annotated_set import Adapter, Published, SourceSet
from training.datasets.coco_document import CocoPart, read_parts
from training.datasets.coco_head import announces
from training.datasets.indexed_folder import IndexedFolder

#: To recognise the set by, never to name boxes by.
_LABELS = (
    "blade", "scissors", "knife", "dagger", "SwissArmyKnife", "PlasticBottle",
    "Cans", "VacuumCup", "GlassBottle", "CartonDrinks", "Tin", "SprayCans",
)  # fmt: skip
_PARTS = tuple(
    CocoPart(f"annotations/instances_{split}2017.json", (f"{split}2017", ""), split)
    for split in ("train", "val", "test")
)


def _recognise(root: Path) -> bool:
    return any(announces(root / part.annotations, _LABELS) for part in _PARTS)


def _read(root: Path) -> SourceSet:
    return read_parts("clcxray", IndexedFolder(root), _PARTS)


#: 4,543 real and 5,022 simulated scans; how they are split is not confirmed.
ADAPTER = Adapter("CLCXray", "academic use only", _recognise, _read, {"": Published(9_565)})
