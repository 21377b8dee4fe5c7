"""HiXray: eight items of an airport's checks, annotated by its staff (github.com/HiXray-author/HiXray).

    train/train_image/*.jpg   train/train_annotation/*.txt   train/train_name.txt (stems)      and the same for test

Portable_Charger_1 is lithium-ion prismatic cells, Portable_Charger_2 cylindrical ones.
"""

from __future__ import annotations

from pathlib import Path

from training.datasets.annotated_set import Adapter, Published, SourceSet
from training.datasets.source_folder import SourceFolder
from training.datasets.text_boxes import SPLITS, is_paired, paired_layout, read_text_set

LABELS = (
    "Portable_Charger_1",
    "Portable_Charger_2",
    "Water",
    "Laptop",
    "Mobile_Phone",
    "Tablet",
    "Cosmetic",
    "Nonmetallic_Lighter",
)


def recognise(root: Path) -> bool:
    """Whether its folders are there with its classes in them, or its lists where there is no annotation to look at."""
    return is_paired(root, "name", LABELS)


def read(root: Path) -> SourceSet:
    """Both splits, or the one that is there. Raises SettingsInvalid if there is none."""
    folder = SourceFolder(root)
    layouts = [paired_layout(split, "name", LABELS) for split in SPLITS]
    return read_text_set("hixray", folder, layouts)


ADAPTER = Adapter(
    title="HiXray",
    terms="academic use only, after a signed commitment",
    recognise=recognise,
    read=read,
    published={
        "train": Published(36295, dict(zip(LABELS, (9919, 6216, 2471, 8046, 43204, 3921, 7969, 706), strict=True))),
        "test": Published(9069, dict(zip(LABELS, (2502, 1572, 621, 1996, 10631, 997, 1980, 177), strict=True))),
    },
)
