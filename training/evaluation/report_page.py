"""The HTML of an evaluation's report: no script, no address elsewhere, every picture inside the file."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from training.evaluation.average_precision import LEAST_BOXES, ClassPrecision, PrecisionTable
from training.evaluation.gallery import Gallery, GalleryPicture
from training.evaluation.intervals import Interval, Rate
from training.evaluation.metrics import Metrics
from training.evaluation.operating_curve import CurvePoint, OperatingCurve

_STYLE = """
:root { --ink: #1d2733; --soft: #5b6878; --line: #dde3ea; --accent: #0b5fa5; --panel: #f5f7f9; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff;
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
header { background: #14202c; color: #fff; padding: 26px 0 24px; }
header p { margin: 4px 0 0; color: #b9c6d3; overflow-wrap: anywhere; }
.wrap { max-width: 1340px; margin: 0 auto; padding: 0 28px; }
h1 { margin: 0; font-size: 26px; font-weight: 650; }
h2 { margin: 40px 0 6px; font-size: 19px; }
.note { margin: 0 0 14px; color: var(--soft); max-width: 110ch; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 14px; margin: 24px 0 0; }
.tile { border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; background: var(--panel); }
.tile b { display: block; font-size: 28px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; min-width: 60%; }
th, td { padding: 5px 9px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; border-bottom: 2px solid #b8c3cf; }
th:first-child, td:first-child { text-align: left; padding-left: 2px; }
tr.sum td { font-weight: 650; background: var(--panel); }
tr.rare td { color: #8a95a3; }
td small { color: var(--soft); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(400px, 1fr)); gap: 18px; align-items: start; }
.figures img { width: 100%; border: 1px solid var(--line); border-radius: 8px; padding: 8px; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(400px, 1fr)); gap: 18px; }
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
figure img { display: block; width: 100%; height: 220px; object-fit: contain; object-position: left;
  background: #fff; padding: 6px; }
figcaption { padding: 8px 12px 10px; background: var(--panel); font-size: 13px; color: var(--soft);
  overflow-wrap: anywhere; }
figcaption b { color: var(--ink); font-size: 14px; }
.key i { display: inline-block; width: 22px; height: 12px; border: 3px solid; margin: 0 6px 0 14px;
  vertical-align: -1px; }
td.hit { background: #e3f1e6; } td.wrong { background: #fbe9e0; }
footer { margin: 44px 0 30px; color: var(--soft); font-size: 13px; }
"""


class _Html(str):
    """Text that is HTML already."""


def page(metrics: Metrics, setup: Mapping[str, Any], figures: Mapping[str, Path], gallery: Gallery) -> str:
    """The whole page. setup: of `report.describe`. figures: title -> PNG."""
    body = [
        _header(setup),
        '<main class="wrap">',
        _tiles(metrics),
        _classes(metrics),
        _operating(metrics),
        _figures(figures),
        _sources(metrics),
        _confusion(metrics),
        _gallery_section("Worst misses", "Items without an alarm of their class, lowest score first.", gallery.misses),
        _gallery_section(
            "Worst false alarms",
            "Alarms that are on no item of their class, highest score first.",
            gallery.false_alarms,
        ),
        _setup_section(setup),
        "</main>",
    ]
    head = f'<meta charset="utf-8"><title>Evaluation of {escape(setup["weights"])}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'


def _header(setup: Mapping[str, Any]) -> str:
    facts = f"{setup['split']} · {setup['scans']:,} scans · {setup['boxes']:,} boxes · {setup['date'][:10]}"
    return (
        f'<header><div class="wrap"><h1>Evaluation of {escape(setup["weights"])}</h1>'
        f"<p>{escape(facts)}</p><p>sha256 {escape(setup['weights_sha256'])}</p></div></header>"
    )


def _tiles(metrics: Metrics) -> str:
    frequent, mean = metrics.table.mean_of_frequent, metrics.table.mean
    tiles = [
        (
            _figure(frequent.AP50),
            f"mean AP50, {len(metrics.table.frequent)} classes with {LEAST_BOXES} boxes or more",
            metrics.intervals.mean_of_frequent_AP50,
        ),
        (_figure(mean.AP50), "mean AP50, all classes with a box", metrics.intervals.mean_AP50),
        (_figure(frequent.AP), f"mean AP (IoU .50:.95), {LEAST_BOXES} boxes or more", None),
    ]
    rates = metrics.at_thresholds.rates
    if rates:
        tiles.append(
            (_percent(rates.pd_scan), "Pd, any alarm, at the thresholds of the weights", rates.pd_scan.interval)
        )
        tiles.append((_percent(rates.pfa), "Pfa on clean scans, at the same thresholds", rates.pfa.interval))
    cells = (
        f'<div class="tile"><b>{value}</b><span>{escape(text)}{_within(interval)}</span></div>'
        for value, text, interval in tiles
    )
    return f'<div class="tiles">{"".join(cells)}</div>'


def _classes(metrics: Metrics) -> str:
    head = (
        "class",
        "n",
        "AP",
        "AP50",
        "95 %",
        "AP75",
        "small",
        "medium",
        "large",
        "AR",
        "alarm at",
        "found",
        "false alarms",
    )
    rows = [
        (
            "rare" if row.n < LEAST_BOXES else "",
            (name, *_precision_cells(row, metrics.intervals.classes_AP50[name]), *_threshold_cells(metrics, name)),
        )
        for name, row in metrics.table.classes.items()
    ]
    rows += [
        ("sum", (title, *_precision_cells(row, interval), "", "", ""))
        for title, row, interval in (
            ("mean, n >= 1", metrics.table.mean, metrics.intervals.mean_AP50),
            (f"mean, n >= {LEAST_BOXES}", metrics.table.mean_of_frequent, metrics.intervals.mean_of_frequent_AP50),
        )
    ]
    note = (
        "Every class is scored on the scans whose source looked for it. Intervals are bootstraps over scans. "
        f"Grey: fewer than {LEAST_BOXES} boxes, where AP is mostly luck. Found: items with a box of their class at the "
        "alarm threshold."
    )
    return _section("Classes", note, _table(head, rows))


def _precision_cells(row: ClassPrecision, interval: Interval | None) -> tuple[str, ...]:
    between = f"{interval[0]:.2f}-{interval[1]:.2f}" if interval else ""
    sizes = (row.AP75, row.AP_small, row.AP_medium, row.AP_large, row.AR)
    return (str(row.n), _figure(row.AP), _figure(row.AP50), between, *(_figure(value) for value in sizes))


def _threshold_cells(metrics: Metrics, name: str) -> tuple[str, ...]:
    at = metrics.at_thresholds.classes[name]
    return f"{at.threshold:.3f}", _percent(at.found), f"{at.false_alarms} in {at.annotated_scans} scans"


def _operating(metrics: Metrics) -> str:
    if metrics.curve is None:
        return _section("Pd at Pfa", "Not measurable: no scan of this split is known to be clean.", "")
    head = ("Pfa at most", "score", "Pfa measured", "Pd, any alarm in the scan", "Pd, box on the item")
    rows = [("", _point_cells(point)) for point in metrics.curve.points]
    rates = metrics.at_thresholds.rates
    if rates:
        shipped = (
            "thresholds of the weights",
            "",
            *(_rate(rate) for rate in (rates.pfa, rates.pd_scan, rates.pd_localised)),
        )
        rows.append(("sum", shipped))
    return _section("Pd at Pfa", _operating_note(metrics.curve, metrics), _table(head, rows))


def _operating_note(curve: OperatingCurve, metrics: Metrics) -> str:
    note = (
        f"One score for {', '.join(curve.classes)}; {curve.positive_scans} scans hold such an item, "
        f"{curve.clean_scans} were checked for all of them and are clean. In brackets: counts, 95 % Wilson intervals."
    )
    any_class = metrics.at_thresholds.any_class_on_clean
    if any_class and any_class.value is not None:
        note += (
            f" Counting alarms of every class, {any_class.count} of {any_class.total} clean scans alarm at the "
            "thresholds of the weights; items of the other classes may truly be there."
        )
    return note


def _point_cells(point: CurvePoint) -> tuple[str, ...]:
    target = f"{point.pfa_target:.1%}"
    if point.rates is None or point.threshold is None:
        return target, "", point.reason, "", ""
    rates = point.rates
    return (target, f"{point.threshold:.3f}", *(_rate(rate) for rate in (rates.pfa, rates.pd_scan, rates.pd_localised)))


def _figures(figures: Mapping[str, Path]) -> str:
    pictures = (f'<img alt="{escape(title)}" src="{_inline(path)}">' for title, path in figures.items())
    return _section("Curves", "", f'<div class="figures">{"".join(pictures)}</div>')


def _sources(metrics: Metrics) -> str:
    parts = list(metrics.sources.values())
    rows: list[tuple[str, Sequence[str]]] = [
        ("", ("scans", *(f"{scans:,}" for scans, _ in parts))),
        ("", ("boxes", *(f"{table.mean.n:,}" for _, table in parts))),
        ("sum", ("mean AP", *(_figure(table.mean.AP) for _, table in parts))),
        ("sum", ("mean AP50", *(_figure(table.mean.AP50) for _, table in parts))),
        *(("", (name, *(_ap50(table, name) for _, table in parts))) for name in metrics.table.classes),
    ]
    note = "AP50 of each class by where the scans come from, with the number of boxes."
    return _section("Sources", note, _table(("", *metrics.sources), rows))


def _ap50(table: PrecisionTable, name: str) -> str:
    row = table.classes[name]
    return _Html(f"{_figure(row.AP50)} <small>{row.n}</small>") if row.n else ""


def _confusion(metrics: Metrics) -> str:
    names = list(metrics.table.classes)
    counts = metrics.errors.confusion
    rows = []
    for row, name in enumerate([*names, "nothing there"]):
        cells = [
            f'<td class="{"hit" if row == column < len(names) else "wrong"}">{count}</td>' if count else "<td></td>"
            for column, count in enumerate(counts[row].tolist())
        ]
        rows.append(f"<tr><td>{escape(name)}</td>{''.join(cells)}</tr>")
    head = "".join(f"<th>{escape(name)}</th>" for name in ("truth \\ alarm", *names, "missed"))
    table = f'<div class="scroll"><table><tr>{head}</tr>{"".join(rows)}</table></div>'
    note = (
        "Boxes at the alarm thresholds, matched at IoU 0.5. Only classes that a scan's source looked for are counted."
    )
    return _section("Confusion", note, table)


def _gallery_section(title: str, note: str, pictures: Sequence[GalleryPicture]) -> str:
    if not pictures:
        return _section(title, "None.", "")
    key = (
        f'<p class="note key">{escape(note)}<i style="border-color:#000"></i>ground truth'
        '<i style="border-color:#e20074"></i>detection at or above its alarm threshold</p>'
    )
    figures = (
        f'<figure><img alt="{escape(one.title)}" src="{_inline(one.path)}">'
        f"<figcaption><b>{escape(one.title)}</b><br>{escape(one.detail)}</figcaption></figure>"
        for one in pictures
    )
    return f'<section><h2>{escape(title)}</h2>{key}<div class="gallery">{"".join(figures)}</div></section>'


def _setup_section(setup: Mapping[str, Any]) -> str:
    flat = {**{key: value for key, value in setup.items() if key != "versions"}, **setup["versions"]}
    rows = [("", (str(key).replace("_", " "), str(value))) for key, value in flat.items()]
    return (
        _section("Set-up", "", _table(("", ""), rows))
        + "<footer>This page holds pictures of scans: share it as the scans may be shared.</footer>"
    )


def _section(title: str, note: str, content: str) -> str:
    words = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{words}{content}</section>"


def _table(head: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """rows: (CSS class, cells); text is escaped unless it is _Html."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = (f'<tr class="{kind}">{"".join(map(_cell, cells))}</tr>' for kind, cells in rows)
    return f'<div class="scroll"><table><tr>{top}</tr>{"".join(lines)}</table></div>'


def _cell(content: str) -> str:
    return f"<td>{content if isinstance(content, _Html) else escape(content)}</td>"


def _inline(path: Path) -> str:
    kind = "png" if path.suffix == ".png" else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(rate: Rate) -> str:
    return "-" if rate.value is None else f"{rate.value:.1%}"


def _rate(rate: Rate) -> str:
    if rate.value is None or rate.interval is None:
        return "-"
    low, high = rate.interval
    return _Html(f"{rate.value:.1%} <small>({rate.count} of {rate.total}; {low:.1%}-{high:.1%})</small>")


def _within(interval: Interval | None) -> str:
    return f" ({interval[0]:.3f}-{interval[1]:.3f})" if interval else ""
