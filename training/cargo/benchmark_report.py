"""The benchmark's tables, as Markdown for a terminal or a card and as a page of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from types import MappingProxyType
from typing import Any

from training.cargo.benchmark_figures import ALL, HEADLINE, BenchmarkFigures, PointFigures
from training.evaluation.gallery import GalleryPicture
from training.evaluation.html_parts import STYLE, gallery_section, rate, section, table
from training.evaluation.intervals import Rate

#: The best figure published, beside which these stand.
ANCHOR = (
    "For comparison: 95 % of containers with a small metallic threat at 0.4 % false alarms, two energies, real scans "
    "with projected threats, data that are not public (Rogers et al. 2017). Simulated scans are another task: the two "
    "figures stand side by side and do not rank each other."
)
#: How parts of one edge contrast are called in the figures.
CONTRAST = "edge contrast"
#: Title -> which parts of the threats its table shows.
TABLES: MappingProxyType[str, Callable[[str], bool]] = MappingProxyType(
    {
        "All threats, and metallic ones of some size": lambda name: name in (ALL, HEADLINE),
        "By threat": lambda name: (
            not (name in (ALL, HEADLINE) or name.endswith((" px", "mm steel", CONTRAST)) or ":" in name)
        ),
        "By longer side, in pixels of 5 mm": lambda name: name.endswith(" px") and name != HEADLINE,
        "By what lies over the threat": lambda name: name.endswith("mm steel"),
        "By the threat's own edges, against those of the load around them": lambda name: name.endswith(CONTRAST),
        "By energies and pixel pitch": lambda name: ":" in name,
    }
)


def markdown(figures: BenchmarkFigures) -> str:
    """All tables in Markdown: rows are parts of the threats, columns false-alarm rates."""
    lines = [f"{figures.clean} clean scans, {figures.threats} with one threat each.", ""]
    for title, shows in TABLES.items():
        rows = _rows(figures, shows)
        lines += [f"**{title}** (alarm anywhere in the scan / on the threat)", ""]
        lines += [
            "| | " + " | ".join(_head(point) for point in figures.points) + " |",
            "|---" * (1 + len(figures.points)) + "|",
        ]
        lines += [f"| {name} | " + " | ".join(_cell_text(cell) for cell in cells) + " |" for name, cells in rows]
        lines.append("")
    return "\n".join([*lines, ANCHOR])


def page(figures: BenchmarkFigures, setup: dict[str, Any], false_alarms: Sequence[GalleryPicture]) -> str:
    """One self-contained HTML page. setup: of metrics.json. false_alarms: the surest."""
    parts = [
        section(
            title,
            "Alarm anywhere in the scan, then on the threat (IoU at least .5); 95 % intervals.",
            _html(figures, shows),
        )
        for title, shows in TABLES.items()
    ]
    costs, left_out = setup["costs"], setup.get("left_out", {})
    referred = setup.get("referred", {})
    told = ("costs", "left_out", "referred")
    facts = [("", (str(key), str(value))) for key, value in setup.items() if key not in told]
    facts += [
        ("", (f"seconds per megapixel of simulated scans, {name} energies", f"{value:.2f}"))
        for name, value in costs["seconds_per_mpx"].items()
    ]
    facts += [("", ("peak memory on these, MB", f"{costs['peak_mb']:.0f}"))]
    decisions = [
        ("", (title, *(str(found[name]) for name in ("CLEAR", "ALARM", "REFER"))))
        for title, found in (("clean scans", figures.decisions_clean), ("with a threat", figures.decisions_threat))
    ]
    parts += [
        section("Which clean scans alarm", "By kind of vehicle; 95 % intervals.", _vehicles(figures))
        if figures.points[-1].pfa_by
        else "",
        gallery_section("Surest false alarms", "The clean scans that score highest, and where in them.", false_alarms),
        section(
            "What a station would have decided",
            "With the weights' own alarm scores.",
            table(("", "CLEAR", "ALARM", "REFER"), decisions),
        ),
        section(
            "What was said of the scans that were referred",
            "Besides what the weights never clear.",
            table(("", "scans"), [("", (said, str(count))) for said, count in referred.items()]),
        )
        if referred
        else "",
        section(
            f"Left out of the folder: {len(left_out)}",
            "No figure holds these scans.",
            table(("scan", "why"), [("", scan) for scan in left_out.items()]),
        )
        if left_out
        else "",
        section("Set-up", "", table(("", ""), facts)),
    ]
    title = f"Cargo benchmark of {setup['weights']}"
    body = (
        f'<header><div class="wrap"><h1>{escape(title)}</h1><p>version {setup["version"]}, {escape(setup["size"])}: '
        f"{figures.clean:,} clean scans, {figures.threats:,} with a threat; scans: {escape(setup['scans'])}</p></div>"
        "</header>"
        f'<main class="wrap"><p class="note">{escape(ANCHOR)}</p>{"".join(parts)}</main>'
    )
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'


_Cell = tuple[Rate, Rate] | None


def _rows(figures: BenchmarkFigures, shows: Callable[[str], bool]) -> list[tuple[str, list[_Cell]]]:
    names = [name for name in figures.parts if shows(name)]
    return [(name, [point.by.get(name) for point in figures.points]) for name in names]


def _head(point: PointFigures) -> str:
    """What was asked for and, as far as clean scans allowed, what was reached: a Pd means nothing without it."""
    asked = f"Pfa <= {point.pfa_target:.1%}"
    if point.pfa is None or point.pfa.interval is None:
        return asked
    low, high = point.pfa.interval
    return f"{asked}: {point.pfa.count} of {point.pfa.total} [{low:.1%}, {high:.1%}]"


def _html(figures: BenchmarkFigures, shows: Callable[[str], bool]) -> str:
    rows: list[tuple[str, Sequence[str]]] = []
    for name, cells in _rows(figures, shows):
        for word, place in (("in the scan", 0), ("on the threat", 1)):
            shown = [
                rate(cell[place]) if cell else point.reason for cell, point in zip(cells, figures.points, strict=True)
            ]
            rows.append(("", (f"{name}, {word}", *shown)))
    return table(("", *map(_head, figures.points)), rows)


def _vehicles(figures: BenchmarkFigures) -> str:
    kinds = figures.points[-1].pfa_by
    rows = [
        ("", (kind, *(rate(point.pfa_by[kind]) if point.pfa_by else point.reason for point in figures.points)))
        for kind in kinds
    ]
    return table(("", *map(_head, figures.points)), rows)


def _cell_text(cell: _Cell) -> str:
    if cell is None:
        return "too few clean scans"
    return " / ".join(_rate_text(one) for one in cell)


def _rate_text(one: Rate) -> str:
    if one.value is None or one.interval is None:
        return "none"
    return f"{one.value:.3f} [{one.interval[0]:.2f}, {one.interval[1]:.2f}] (n {one.total})"
