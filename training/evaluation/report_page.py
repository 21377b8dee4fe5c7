"""The HTML of an evaluation's report: no script, no address elsewhere, every picture inside the file.

The order is that of its reader: what can be decided, the figures behind it, and why they are what they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from training.evaluation.average_precision import LEAST_BOXES, ClassPrecision
from training.evaluation.breakdown import Part
from training.evaluation.calibration_error import CalibrationError
from training.evaluation.error_kinds import ErrorKind
from training.evaluation.gallery import Gallery
from training.evaluation.html_parts import (
    STYLE,
    Html,
    figure,
    gallery_section,
    inline,
    marked,
    part,
    section,
    table,
    within,
)
from training.evaluation.intervals import Interval
from training.evaluation.metrics import Metrics
from training.evaluation.report_decision import decision

_KIND_WORDS = {
    ErrorKind.CLASS: "on an item of another class",
    ErrorKind.LOCATION: "on the item, but poorly boxed (IoU .1 to .5)",
    ErrorKind.BOTH: "poorly boxed and of the wrong class",
    ErrorKind.DUPLICATE: "second box on an item",
    ErrorKind.BACKGROUND: "on nothing",
    ErrorKind.MISSED: "items that no box came near",
}


def page(metrics: Metrics, setup: Mapping[str, Any], figures: Mapping[str, Path], gallery: Gallery) -> str:
    """The whole page. setup: of `report.describe`. figures: title -> PNG."""
    body = [
        _header(setup),
        '<main class="wrap">',
        decision(metrics, setup["split"]),
        part("The figures"),
        _tiles(metrics),
        _figures(figures),
        _classes(metrics),
        part("Why"),
        _errors(metrics),
        _confusion(metrics),
        _sizes(metrics),
        *(_parts(title, metrics.parts[way], metrics) for title, way in _PARTS.items() if len(metrics.parts[way]) > 1),
        _calibration(metrics),
        gallery_section("Worst misses", "Items without an alarm of their class, lowest score first.", gallery.misses),
        gallery_section(
            "Worst false alarms",
            "Alarms that are on no item of their class, highest score first.",
            gallery.false_alarms,
        ),
        _setup_section(setup),
        "</main>",
    ]
    head = f'<meta charset="utf-8"><title>Evaluation of {escape(setup["weights"])}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'


_PARTS = {"Sources": "sources", "Scanners": "scanners", "Subsets": "subsets"}


def _header(setup: Mapping[str, Any]) -> str:
    facts = f"{setup['split']} · {setup['scans']:,} scans · {setup['boxes']:,} boxes · {setup['date'][:10]}"
    return (
        f'<header><div class="wrap"><h1>Evaluation of {escape(setup["weights"])}</h1>'
        f"<p>{escape(facts)}</p>{_not_measured(setup)}<p>sha256 {escape(setup['weights_sha256'])}</p></div></header>"
    )


def _not_measured(setup: Mapping[str, Any]) -> str:
    named = ", ".join(f"{name} ({boxes:,} boxes)" for name, boxes in setup["not_measured"].items())
    return f"<p>Not measured, as the weights do not know them: {escape(named)}</p>" if named else ""


def _tiles(metrics: Metrics) -> str:
    frequent, mean = metrics.table.mean_of_frequent, metrics.table.mean
    tiles = [
        (
            frequent.AP50,
            f"mean AP50, {len(metrics.table.frequent)} classes with {LEAST_BOXES} boxes or more, n {frequent.n:,}",
            metrics.AP50_intervals.mean_of_frequent,
        ),
        (mean.AP50, f"mean AP50, all classes with a box, n {mean.n:,}", metrics.AP50_intervals.mean),
        (
            frequent.AP,
            f"mean AP (IoU .50:.95), {LEAST_BOXES} boxes or more, n {frequent.n:,}",
            metrics.AP_intervals.mean_of_frequent,
        ),
    ]
    cells = (
        f'<div class="tile"><b>{figure(value)}</b><span>{escape(text)}{within(interval)}</span></div>'
        for value, text, interval in tiles
    )
    return f'<div class="tiles">{"".join(cells)}</div>'


def _figures(figures: Mapping[str, Path]) -> str:
    pictures = (f'<img alt="{escape(title)}" src="{inline(path)}">' for title, path in figures.items())
    return section("Curves", "", f'<div class="figures">{"".join(pictures)}</div>')


def _classes(metrics: Metrics) -> str:
    head = ("class", "n", "AP", "95 %", "AP50", "95 %", "AP75", "small", "medium", "large", "AR", "95 %")
    intervals = (metrics.AP_intervals, metrics.AP50_intervals, metrics.AR_intervals)
    rows = [
        (
            "rare" if row.n < LEAST_BOXES else "",
            (name, *_precision_cells(row, [one.classes[name] for one in intervals])),
        )
        for name, row in metrics.table.classes.items()
    ]
    rows += [
        ("sum", (title, *_precision_cells(row, between)))
        for title, row, between in (
            ("mean, n >= 1", metrics.table.mean, [one.mean for one in intervals]),
            (
                f"mean, n >= {LEAST_BOXES}",
                metrics.table.mean_of_frequent,
                [one.mean_of_frequent for one in intervals],
            ),
        )
    ]
    note = (
        "Every class is scored on the scans whose source looked for it. Intervals are bootstraps over bags, of which "
        f"{metrics.groups:,} are known in {metrics.scans:,} scans, and never narrower than as many items allow. "
        f"Grey: fewer than {LEAST_BOXES} boxes, where AP is mostly luck."
    )
    return section("Average precision", note, table(head, rows))


def _precision_cells(row: ClassPrecision, intervals: Sequence[Interval | None]) -> tuple[str, ...]:
    """intervals: of AP, AP50 and AR."""
    of_ap, of_ap50, of_ar = intervals
    sizes = (row.AP75, row.AP_small, row.AP_medium, row.AP_large, row.AR)
    figures = (figure(row.AP), _between(of_ap), figure(row.AP50), _between(of_ap50))
    return (str(row.n), *figures, *(figure(value) for value in sizes), _between(of_ar))


def _between(interval: Interval | None) -> str:
    return f"{interval[0]:.2f}-{interval[1]:.2f}" if interval else ""


def _errors(metrics: Metrics) -> str:
    rows = [
        ("", (kind.value, marked("words", _KIND_WORDS[kind]), f"{cost.count:,}", figure(cost.dAP)))
        for kind, cost in metrics.costs.kinds.items()
    ]
    note = (
        f"By how much AP50 ({figure(metrics.costs.AP50)} over the classes with a box) would rise if one kind of error "
        "were mended alone (TIDE, arXiv 2008.08115); over all boxes, not only alarms. Many poor boxes ask for "
        "resolution or longer training; wrong classes for labels; boxes on nothing for clean scans in training; missed "
        "items for more items of that kind."
    )
    return section("What the errors cost", note, table(("kind", "", "boxes or items", "AP50 lost"), rows))


def _confusion(metrics: Metrics) -> str:
    names = list(metrics.table.classes)
    rows = []
    for row, name in enumerate([*names, "nothing there"]):
        counts = metrics.errors.confusion[row].tolist()
        cells = (
            marked("hit" if row == column < len(names) else "wrong", str(count)) if count else ""
            for column, count in enumerate(counts)
        )
        rows.append(("", (name, *cells)))
    note = (
        "Boxes at the alarm thresholds, matched at IoU 0.5. Only classes that a scan's source looked for are counted."
    )
    return section("Confusion", note, table(("truth \\ alarm", *names, "missed"), rows))


def _sizes(metrics: Metrics) -> str:
    rows = [
        (
            "",
            (
                row.scale,
                marked("words", row.band),
                f"{row.n:,}",
                figure(row.AP),
                figure(row.AP50),
                _between(row.AP50_interval),
            ),
        )
        for row in metrics.sizes
    ]
    note = "Mean over the classes that have an item of the size."
    return section("Size of the item", note, table(("measured in", "", "n", "AP", "AP50", "95 %"), rows))


def _parts(title: str, parts: Mapping[str, Part], metrics: Metrics) -> str:
    means = [(one.scans, one.table.mean, one.AP50_intervals.mean) for one in parts.values()]
    rows: list[tuple[str, Sequence[str]]] = [
        ("", ("scans", *(f"{scans:,}" for scans, _, _ in means))),
        ("", ("boxes", *(f"{mean.n:,}" for _, mean, _ in means))),
        ("sum", ("mean AP", *(figure(mean.AP) for _, mean, _ in means))),
        ("sum", ("mean AP50", *(figure(mean.AP50) for _, mean, _ in means))),
        ("", ("95 %", *(_between(between) for _, _, between in means))),
        *(("", (name, *(_class_of_part(one, name) for one in parts.values()))) for name in metrics.table.classes),
    ]
    return section(title, "Evaluated apart. For each class: AP50, and the number of boxes.", table(("", *parts), rows))


def _class_of_part(one: Part, name: str) -> str:
    row = one.table.classes[name]
    return Html(f"{figure(row.AP50)} <small>{row.n}</small>") if row.n else ""


def _calibration(metrics: Metrics) -> str:
    measured = metrics.calibration
    start = f"score from {measured.confident_from:g}"
    rows = [
        ("sum", ("all classes, everything listed", *_calibration_cells(measured.listed))),
        ("sum", (f"all classes, {start}", *_calibration_cells(measured.confident))),
        *(("", (f"{name}, {start}", *_calibration_cells(error))) for name, error in measured.classes.items()),
    ]
    note = (
        "D-ECE (arXiv 2004.13546): the mean gap between a score and the share of boxes with that score that are on an "
        "item, in 20 bins; also with 8 bins each of score, centre or size. By chance: what a perfect detector with as "
        "many boxes would show. Too high: mean score less share of hits."
    )
    head = ("", "n", "D-ECE", "95 %", "by chance", "with centre", "with size", "too high by")
    return section("Are scores probabilities?", note, table(head, rows))


def _calibration_cells(error: CalibrationError) -> tuple[str, ...]:
    between = f"{error.interval[0]:.3f}-{error.interval[1]:.3f}" if error.interval else ""
    values = (error.if_calibrated, error.d_ece_centre, error.d_ece_size, error.shift)
    return (f"{error.n:,}", figure(error.d_ece), between, *(figure(value) for value in values))


def _said(value: Any) -> str:
    """A list or a mapping in words, anything else as it is."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_said(each)}" for key, each in value.items())
    return ", ".join(map(_said, value)) if isinstance(value, list | tuple) else str(value)


def _setup_section(setup: Mapping[str, Any]) -> str:
    flat = {**{key: value for key, value in setup.items() if key != "versions"}, **setup["versions"]}
    rows = [
        ("", (str(key).replace("_", " "), _said(value))) for key, value in flat.items() if value not in ((), [], {})
    ]
    return (
        section("Set-up", "", table(("", ""), rows))
        + "<footer>This page holds pictures of scans: share it as the scans may be shared.</footer>"
    )
