"""The table on top of the model cards in `weights/README.md`: a row for each weights file, what it is for and worth.

>>> page = with_row("# Weights\\n", "luggage", index_row("luggage", spec, entry))                 # doctest: +SKIP
>>> without_row(page, "luggage")                                                                # doctest: +SKIP
"""

from __future__ import annotations

import re

from detector.errors import SettingsInvalid
from detector.weights import ManifestEntry
from detector.weights_spec import WeightsSpec

#: The table stands between these, each on a line of its own.
BEGIN, END = "<!-- index -->", "<!-- end index -->"
_HEAD = "| weights | look for | in | measured | terms |\n|---|---|---|---|---|"
#: What the first card begins with: the table goes before it.
_FIRST_CARD = "<!-- card "


def index_row(name: str, spec: WeightsSpec, entry: ManifestEntry) -> str:
    """The row of weights of this name, without a line end: classes, scans, the headline figure with its n, terms."""
    anchor = re.sub(r"[^\w-]", "", name.lower())
    cells = (f"[`{name}`](#{anchor})", ", ".join(spec.class_names), _scans(spec), _figure(entry), entry.terms)
    # A sign that parts cells, or a line end, would part this one.
    return "| " + " | ".join(" ".join(cell.split()).replace("|", r"\|") for cell in cells) + " |"


def with_row(page: str, name: str, row: str) -> str:
    """The page with this row in place of the one that the name had, else at the end of the table.

    Raises SettingsInvalid for a table that does not end.
    """
    if BEGIN not in page:
        before, mark, cards = page.partition(_FIRST_CARD)
        page = f"{before.rstrip()}\n\n{BEGIN}\n\n{_HEAD}\n\n{END}\n\n{mark}{cards}"
    if _row_of(name).search(page):
        return _row_of(name).sub(lambda _: f"{row}\n", page)
    before, mark, after = page.partition(END)
    if not mark:
        raise SettingsInvalid(
            f"the index of the model cards begins and does not end: no {END}",
            remedy="put it below the table's last row",
        )
    return f"{before.rstrip()}\n{row}\n\n{END}{after}"


def without_row(page: str, name: str) -> str:
    """The page without the row of this name."""
    return _row_of(name).sub("", page)


def _row_of(name: str) -> re.Pattern[str]:
    return re.compile(rf"^\| \[`{re.escape(name)}`\].*\n", re.MULTILINE)


def _scans(spec: WeightsSpec) -> str:
    stored = ["colour scans" if spec.coloured else "scans as stored"] if "stored" in spec.renderings else []
    drawn = " or ".join(f"'{rendering}'" for rendering in spec.renderings if rendering != "stored")
    scans = " or ".join([*stored, *([f"scans drawn as {drawn}"] if drawn else [])])
    return scans + ("; never clear" if spec.never_clear else "")


def _figure(entry: ManifestEntry) -> str:
    """AP50, else the first figure with an interval, else the first; a manifest on disk has them by name, not by
    weight."""
    ranked = sorted(entry.metrics.items(), key=lambda metric: (not metric[0].endswith("AP50"), "low" not in metric[1]))
    for name, values in ranked[:1]:
        between = f" [{values['low']:.2f}, {values['high']:.2f}]" if {"low", "high"} <= values.keys() else ""
        return f"{name} {values['value']:.3f}{between} (n {values['n']:.0f})"
    return "no figure"
