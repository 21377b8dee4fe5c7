"""What formats of one scan a record (LabelMe, Label Studio) have no words for, as keys that their tools keep.

    {"split": "train", "group": "bag 7", "subset": "hard", "scanner": "north", "looked_for": [...], "present": [...]}

and `labels.txt`: every label of the set, one a line, whether or not there is a box of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from detector.errors import SettingsInvalid
from training.datasets.annotated_set import SourceScan, SourceSet
from training.datasets.annotation_values import UNNAMED, is_label, is_word
from training.datasets.source_folder import SourceFolder, common_group

LABELS = "labels.txt"
_TEXTS = ("split", "group", "subset", "scanner")
#: Lines of LabelMe's labels.txt that are no labels.
_NO_LABELS = ("__ignore__", "_background_")


def carried_keys(scan: SourceScan) -> dict[str, Any]:
    """The keys of one scan, those left out that would come back by themselves; the split is always among them."""
    keys: dict[str, Any] = {"split": scan.split}
    if scan.group != common_group(scan.path):
        keys["group"] = scan.group
    keys |= {key: value for key, value in (("subset", scan.subset), ("scanner", scan.scanner)) if value}
    if scan.drawn:
        keys["drawn"] = True
    if scan.looked_for is not None:
        keys["looked_for"] = sorted(scan.looked_for)
    if scan.present:
        keys["present"] = sorted(scan.present)
    return keys


def take_carried(scan: SourceScan, keys: Mapping[str, Any]) -> SourceScan:
    """The scan with what the keys say; keys that are missing or of another type change nothing."""
    texts = {key: keys[key] for key in _TEXTS if is_word(keys.get(key))}
    looked_for, present = _labels(keys.get("looked_for")), _labels(keys.get("present"))
    return replace(
        scan,
        **texts,
        looked_for=scan.looked_for if looked_for is None else looked_for,
        present=scan.present | (present or frozenset()),
        drawn=keys.get("drawn") is True,
    )


def all_labels(folder: SourceFolder, scans: list[SourceScan]) -> tuple[str, ...]:
    """Labels of `labels.txt` in its order, then those met in the scans."""
    listed = [label for label in folder.lines(LABELS) if label not in _NO_LABELS]
    met = (label for scan in scans for label in (*(box.label for box in scan.boxes), *sorted(scan.present)))
    return tuple(label for label in dict.fromkeys((*listed, *met)) if label != UNNAMED)


def refuse_unwritable(source: SourceSet, format_name: str, listed: bool = False) -> None:
    """Raises SettingsInvalid for what `read` would refuse: a label without text, a word that cannot be printed.

    listed: labels go into `labels.txt`, where white space around them would be lost and some lines are no labels.
    """
    words = {(scan.split, scan.group, scan.subset, scan.scanner) for scan in source.scans}
    for word in (word for scan_words in words for word in scan_words if not is_word(word)):
        raise SettingsInvalid(f"{format_name} cannot hold {word!r:.80}, which cannot be printed", remedy="rename it")
    for label in every_label(source):
        if not is_label(label) or (listed and (label != label.strip() or label in _NO_LABELS)):
            raise SettingsInvalid(f"{format_name} cannot hold the label {label!r:.80}", remedy="rename it")


def every_label(source: SourceSet) -> tuple[str, ...]:
    """Labels of the set in its order, then those that its scans name all the same."""
    named = (
        label
        for scan in source.scans
        for label in (*(box.label for box in scan.boxes), *sorted(scan.present), *sorted(scan.looked_for or ()))
    )
    return tuple(dict.fromkeys((*source.labels, *named)))


def write_labels(source: SourceSet, folder: Path) -> None:
    """`labels.txt` with all labels of the set."""
    (folder / LABELS).write_text("".join(f"{label}\n" for label in every_label(source)), encoding="utf-8")


def _labels(value: Any) -> frozenset[str] | None:
    return frozenset(label for label in value if is_label(label)) if isinstance(value, list) else None
