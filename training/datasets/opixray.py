"""OPIXray: knives and scissors pasted into bag scans (github.com/OPIXray-author/OPIXray).

    train/train_image/009025.jpg   train/train_annotation/009025.txt   train/train_knife.txt (stems)
    test/test_image/...            test/test_annotation/...            test/test_knife.txt, test_knife-1.txt to -3.txt

The three further lists of `test` are its occlusion levels, which become the subsets OL1 to OL3.
"""

from __future__ import annotations

from pathlib import Path

from training.datasets.annotated_set import Adapter, Published, SourceSet
from training.datasets.source_folder import SourceFolder
from training.datasets.text_boxes import SPLITS, is_paired, paired_layout, read_stems, read_text_set

LABELS = ("Folding_Knife", "Straight_Knife", "Scissor", "Utility_Knife", "Multi-tool_Knife")


def recognise(root: Path) -> bool:
    """Whether its folders are there with its classes in them, or its lists where there is no annotation to look at."""
    return is_paired(root, "knife", LABELS)


def read(root: Path) -> SourceSet:
    """Both splits, or the one that is there. Raises SettingsInvalid if there is none."""
    folder = SourceFolder(root)
    layouts = [paired_layout(split, "knife", LABELS) for split in SPLITS]
    return read_text_set("opixray", folder, layouts, _occlusion_levels(folder))


def _occlusion_levels(folder: SourceFolder) -> dict[str, str]:
    levels: dict[str, str] = {}
    for level in (1, 2, 3):
        for stem in read_stems(folder, f"test/test_knife-{level}.txt"):
            if levels.setdefault(stem, f"OL{level}") != f"OL{level}":
                folder.error("two occlusion levels", f"test: {stem}", f"listed in {levels[stem]} and OL{level}")
    return levels


ADAPTER = Adapter(
    title="OPIXray",
    terms="academic use only, (c) Beihang University",
    recognise=recognise,
    read=read,
    published={
        "train": Published(7109, dict(zip(LABELS, (1589, 809, 1494, 1635, 1612), strict=True))),
        "test": Published(1776, dict(zip(LABELS, (404, 235, 369, 343, 430), strict=True))),
        "OL1": Published(922),
        "OL2": Published(548),
        "OL3": Published(306),
    },
)
