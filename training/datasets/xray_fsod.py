"""X-ray FSOD: twenty classes for few-shot detection (github.com/wytbwytb/WEN).

    train/annotations/<id>.txt   train/images/<id>.jpg   train/trainval.txt (stems)
    test/annotations/<id>.txt    test/images/<id>.jpg    test/test.txt

Lines end with one more number, the share of the item that is hidden. The authors' loader counts pixels from 1 and moves
a negative corner to 1, which is the scan's edge. It also moves a corner beyond the scan to one pixel before its edge;
here it comes to lie on the edge.
"""

from __future__ import annotations

from pathlib import Path

from training.datasets.annotated_set import Adapter, Published, SourceSet
from training.datasets.source_folder import SourceFolder
from training.datasets.text_boxes import SPLITS, TextLayout, labels_in, read_text_set

LABELS = (
    "laptop",
    "lighter",
    "portable_charger_2",
    "iron_shoe",
    "straight_knife",
    "folding_knife",
    "scissor",
    "multi-tool_knife",
    "umbrella",
    "glass_bottle",
    "battery",
    "metal_cup",
    "nail_clippers",
    "pressure_tank",
    "spray_alcohol",
    "portable_charger_1",
    "utility_knife",
    "mobile_phone",
    "metal_can",
    "drink_bottle",
)
#: Split -> name of its list, beside its folders or at the root.
_LISTS = {"train": "trainval.txt", "test": "test.txt"}


def recognise(root: Path) -> bool:
    """Whether a split has images and text annotations with one of the classes."""
    splits = [split for split in SPLITS if (root / split / "images").is_dir()]
    return any(labels_in(root, f"{split}/annotations") & set(LABELS) for split in splits)


def read(root: Path) -> SourceSet:
    """Both splits, or the one that is there. Raises SettingsInvalid if there is none."""
    folder = SourceFolder(root)
    return read_text_set("xray-fsod", folder, [_layout(folder, split) for split in SPLITS])


def _layout(folder: SourceFolder, split: str) -> TextLayout:
    own = f"{split}/{_LISTS[split]}"
    listed = own if folder.has_file(own) else _LISTS[split]
    return TextLayout(split, f"{split}/images", f"{split}/annotations", listed, LABELS, from_one=True, rate=True)


ADAPTER = Adapter(
    title="X-ray FSOD",
    terms="academic use only, after a signed commitment",
    recognise=recognise,
    read=read,
    published={"": Published(12333)},
)
