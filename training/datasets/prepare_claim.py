"""Whose a prepared folder is: one preparation goes on in it, another one or anything else there is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detector.errors import SettingsInvalid
from training.datasets.prepared_marks import PLAN, WORKPLACE
from training.datasets.taxonomy import Taxonomy
from training.files.claimed_folder import claim

#: Options that are younger than the first plans, which do not name them, and what they did then.
_UNSAID = {"bag_from": ""}
#: Options as a person types them, by their names in a plan.
_TYPED = {
    "share": "--val-share", "scanner_from": "--scanner-from", "skip_unknown": "--skip-unknown-labels",
    "bag_from": "--bag-from", "classes": "--classes", "taxonomy": "--taxonomy", "seed": "--seed", "link": "--link",
}  # fmt: skip


def claim_output(output: Path, paths: Sequence[Path], options: Mapping[str, Any], taxonomy: Taxonomy) -> None:
    """Makes the output this preparation's own, without what an earlier run of it left half-written. A run that was
    refused before it prepared anything binds nobody to its settings.

    Raises SettingsInvalid for an output inside a set, one that was begun otherwise, one whose plan is damaged, and one
    with something else in it; OSError for one that cannot be written.
    """
    for path in paths:
        if output.resolve().is_relative_to(path.resolve()):
            raise SettingsInvalid(f"{output} lies inside {path}", remedy="give an --output beside the sets, not in one")
    begun = (output / PLAN).is_file()
    holds_more = output.exists() and any(entry.name != WORKPLACE for entry in output.iterdir())
    if holds_more and not begun:
        raise SettingsInvalid(f"{output} holds something else", remedy="give an --output that is new or empty")
    wanted = {
        "paths": [str(path.resolve()) for path in paths],
        **{key: value for key, value in options.items() if key != "taxonomy"},
        "taxonomy": taxonomy.model_dump(mode="json"),
    }
    claim(output, PLAN, wanted, may_grow=() if holds_more else wanted, unsaid=_UNSAID, typed=_TYPED)
    for leftover in (
        *output.glob(".*.partial"),
        *output.glob("annotations/.*.partial"),
        *output.glob("images/**/.*.partial"),
    ):
        leftover.unlink()
