"""The curves of an evaluation as PNG pictures: precision against recall, Pd against Pfa, and classes side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from training.evaluation.average_precision import LEAST_BOXES
from training.evaluation.intervals import wilson
from training.evaluation.metrics import Metrics
from training.evaluation.operating_curve import ScanScores, full_curve

_INK, _GRID, _ACCENT, _SECOND = "#1d2733", "#dde3ea", "#0b5fa5", "#d9660a"
#: Paul Tol's "muted" set (https://personal.sron.nl/~pault), which colour-blind readers can tell apart, and two greys.
_COLOURS = [
    "#332288",
    "#cc6677",
    "#117733",
    "#88ccee",
    "#ddaa33",
    "#882255",
    "#44aa99",
    "#999933",
    "#aa4499",
    "#555555",
    "#bbbbbb",
]
_STYLE: dict[Any, Any] = {
    "font.size": 9.5,
    "axes.edgecolor": "#8a97a6",
    "axes.labelcolor": _INK,
    "axes.titlecolor": _INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "xtick.color": "#48566a",
    "ytick.color": "#48566a",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


def write_figures(metrics: Metrics, folder: Path) -> dict[str, Path]:
    """Writes the pictures into `folder`; returns their paths by title, in the order in which to show them."""
    pictures = {
        "Pd against Pfa": ("pd_at_pfa.png", _pd_at_pfa),
        "Precision and recall": ("precision_recall.png", _precision_recall),
        "Classes": ("classes.png", _classes),
    }
    if metrics.scores is None:
        del pictures["Pd against Pfa"]
    with matplotlib.rc_context(_STYLE):
        return {title: _save(paint(metrics), folder / name) for title, (name, paint) in pictures.items()}


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=130, facecolor="white")
    return path


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    # Figure without pyplot: no window system, no state left behind.
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _precision_recall(metrics: Metrics) -> Figure:
    figure, axes = _figure(6.6, 4.6)
    present = {name: found for name, found in metrics.matches.items() if found.boxes}
    for number, (name, found) in enumerate(present.items()):
        precision, recall = found.precision_recall()
        rare = found.boxes < LEAST_BOXES
        axes.step(
            np.concatenate([[0.0], recall]),
            np.concatenate([precision[:1] if len(precision) else [0.0], precision]),
            where="pre",
            color=_COLOURS[number % len(_COLOURS)],
            linewidth=1.2 if rare else 1.7,
            linestyle=":" if rare else "-",
            label=f"{name}  AP50 {metrics.table.classes[name].AP50:.2f}  (n {found.boxes})",
        )
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="Recall", ylabel="Precision")
    axes.set_title(f"Precision and recall at IoU 0.5 (dotted: fewer than {LEAST_BOXES} boxes)")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _pd_at_pfa(metrics: Metrics) -> Figure:
    if metrics.scores is None:
        raise ValueError("no clean scans: there is no Pfa to draw")
    figure, axes = _figure(6.6, 4.6)
    pfa, pd_scan, pd_localised = full_curve(metrics.scores)
    clean, positive = int(metrics.scores.clean.sum()), int(metrics.scores.positive.sum())
    # A Pfa below one alarm in all clean scans cannot be told from zero; the axis starts there.
    first = 0.5 / clean
    for values, colour, name in (
        (pd_scan, _ACCENT, "any alarm in the scan"),
        (pd_localised, _SECOND, "box on the item"),
    ):
        shown = np.clip(pfa, first, 1)
        axes.step(shown, values, where="post", color=colour, linewidth=1.8, label=name)
        band = np.array([wilson(round(value * positive), positive) for value in values])
        axes.fill_between(shown, band[:, 0], band[:, 1], step="post", color=colour, alpha=0.13, linewidth=0)
    _mark_shipped(axes, metrics, first)
    axes.set(xscale="log", xlim=(first, 1), ylim=(0, 1.02), xlabel="Pfa: clean scans that alarm", ylabel="Pd")
    axes.set_title(_pd_title(metrics.scores, clean, positive))
    axes.legend(loc="lower right")
    return figure


def _mark_shipped(axes: Any, metrics: Metrics, first: float) -> None:
    rates = metrics.at_thresholds.rates
    if rates is None or rates.pfa.value is None or rates.pd_scan.value is None:
        return
    place = max(first, rates.pfa.value)
    axes.plot(place, rates.pd_scan.value, "o", color=_INK, markersize=7, label="thresholds of the weights")


def _pd_title(scores: ScanScores, clean: int, positive: int) -> str:
    return f"{', '.join(scores.classes)}\n{positive} scans with an item, {clean} clean scans; 95 % intervals"


def _classes(metrics: Metrics) -> Figure:
    rows = [(name, row) for name, row in metrics.table.classes.items() if row.n]
    rows.sort(key=lambda item: item[1].AP50 or 0.0)
    figure, axes = _figure(6.6, 1.2 + 0.36 * len(rows))
    height = np.arange(len(rows))
    values = np.array([row.AP50 or 0.0 for _, row in rows])
    intervals = [
        metrics.intervals.classes_AP50[name] or (value, value) for (name, _), value in zip(rows, values, strict=True)
    ]
    reach = np.array([[max(0, v - low), max(0, high - v)] for v, (low, high) in zip(values, intervals, strict=True)]).T
    axes.barh(height, values, color="#9cc3e4", height=0.68, label="AP50")
    axes.barh(height, [row.AP or 0.0 for _, row in rows], color=_ACCENT, height=0.34, label="AP")
    axes.errorbar(values, height, xerr=reach, fmt="none", ecolor=_INK, elinewidth=1, capsize=2.5)
    axes.set_yticks(height, [f"{name}  (n {row.n})" for name, row in rows])
    axes.set(xlim=(0, 1.02))
    axes.grid(axis="y", visible=False)
    axes.set_title("AP50 with 95 % interval, and AP (IoU .50:.95)")
    axes.legend(loc="lower right")
    return figure
