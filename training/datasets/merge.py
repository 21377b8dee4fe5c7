"""Several prepared folders as one: classes by name, splits as they are, looked-for classes as each scan says.

merge([Path("data/public"), Path("data/station")], Path("data/both"))
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from detector.errors import SettingsInvalid
from training.datasets import roentgate_layout
from training.datasets.prepare import Preparation, Prepared, PrepareOptions, run
from training.datasets.prepared_folder import Link
from training.datasets.prepared_marks import refuse_half_made
from training.datasets.taxonomy import LabelRule, Taxonomy, fold
from training.files.progress import Progress, silently


def merge(folders: Sequence[Path], output: Path, link: Link = "hard", progress: Progress[Any] = silently) -> Prepared:
    """Resumable as `prepare` is. Scans that show the same in two splits are findings; none is moved, but one of train
    that is like one of val or test of another folder or set is left out with its bag.

    Raises SettingsInvalid for fewer than two folders, one that `data prepare` did not write or finish, and
    as `prepare` does.
    """
    if len(folders) < 2:
        raise SettingsInvalid("one folder is not merged", remedy="name two or more that `data prepare` wrote")
    layout = {"roentgate": roentgate_layout.ADAPTER}
    for folder in folders:
        refuse_half_made(folder)
        if not roentgate_layout.ADAPTER.recognise(folder):
            raise SettingsInvalid(f"{folder} is not a prepared folder", remedy="run `data prepare` on it first")
    # No share: what was cut before stays as it was cut.
    options = PrepareOptions(share=0.0, link=link)
    return run(Preparation(output, options, _taxonomy_of(folders), progress, layout), folders)


def _taxonomy_of(folders: Sequence[Path]) -> Taxonomy:
    """Every class of the folders under its own name, in the order in which they come."""
    names = dict.fromkeys(name for folder in folders for name in _class_names(folder))
    labels = {fold(name): LabelRule(class_name=name) for name in names}
    if len(labels) < len(names):
        same = next(name for name in names if labels[fold(name)].class_name != name)
        raise SettingsInvalid(
            f"the classes {same!r} and {labels[fold(same)].class_name!r} differ in spelling alone",
            remedy="prepare the folders again on one taxonomy",
        )
    return Taxonomy.model_construct(classes=dict.fromkeys(names, ""), labels=labels, sources={})


def _class_names(folder: Path) -> Iterator[str]:
    for path in sorted((folder / "annotations").glob("*.json")):
        try:
            categories = json.loads(path.read_bytes())["categories"]
            yield from (str(each["name"]) for each in sorted(categories, key=lambda each: int(each["id"])))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SettingsInvalid(f"{path}: no COCO file: {error!r}", remedy="run `data check` on the folder") from None
