"""The curves of an evaluation as PNG pictures: ROC, FROC, precision against recall, reliability, costs of errors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from training.evaluation.average_precision import LEAST_BOXES
from training.evaluation.calibration_error import Calibration, CalibrationError
from training.evaluation.froc import froc
from training.evaluation.intervals import clopper_pearson
from training.evaluation.metrics import Metrics
from training.evaluation.operating_curve import full_curve
from training.evaluation.scan_scores import ScanScores

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
        "ROC: Pd against Pfa": ("pd_at_pfa.png", _pd_at_pfa),
        "FROC: items found against false alarms": ("froc.png", _froc),
        "Precision and recall": ("precision_recall.png", _precision_recall),
        "Classes": ("classes.png", _classes),
        "Reliability": ("reliability.png", lambda metrics: _reliability({"these weights": metrics.calibration})),
        "What errors cost": ("error_costs.png", _error_costs),
    }
    if metrics.scores is None or not metrics.scores.positive.any():
        del pictures["ROC: Pd against Pfa"]
    with matplotlib.rc_context(_STYLE):
        return {title: _save(paint(metrics), folder / name) for title, (name, paint) in pictures.items()}


def write_reliability(calibrations: Mapping[str, Calibration], path: Path) -> Path:
    """The reliability picture of one or several calibrations of the same detections, by name."""
    with matplotlib.rc_context(_STYLE):
        return _save(_reliability(calibrations), path)


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=130, facecolor="white")
    return path


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    # Figure without pyplot: no window system, no state left behind.
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _plain(name: str) -> str:
    """A class's name as text: matplotlib reads what lies between dollars as a formula, and a legend leaves out labels
    that begin with an underscore."""
    return f"{' ' * name.startswith('_')}{name}".replace("$", r"\$")


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
            label=f"{_plain(name)}  AP50 {metrics.table.classes[name].AP50:.2f}  (n {found.boxes})",
        )
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="Recall", ylabel="Precision")
    axes.set_title(f"Precision and recall at IoU 0.5 (dotted: fewer than {LEAST_BOXES} boxes)")
    if present:
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
        band = np.array([clopper_pearson(round(value * positive), positive) for value in values])
        axes.fill_between(shown, band[:, 0], band[:, 1], step="post", color=colour, alpha=0.13, linewidth=0)
    axes.fill_between([], [], [], color=_INK, alpha=0.13, linewidth=0, label="95 % of Pd, the threshold given")
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
    return f"{', '.join(map(_plain, scores.classes))}\n{positive} scans with an item, {clean} clean scans"


def _classes(metrics: Metrics) -> Figure:
    rows = [(name, row) for name, row in metrics.table.classes.items() if row.n]
    rows.sort(key=lambda item: item[1].AP50 or 0.0)
    figure, axes = _figure(6.6, 1.2 + 0.36 * len(rows))
    height = np.arange(len(rows))
    values = np.array([row.AP50 or 0.0 for _, row in rows])
    intervals = [
        metrics.AP50_intervals.classes[name] or (value, value) for (name, _), value in zip(rows, values, strict=True)
    ]
    reach = np.array([[max(0, v - low), max(0, high - v)] for v, (low, high) in zip(values, intervals, strict=True)]).T
    axes.barh(height, values, color="#9cc3e4", height=0.68, label="AP50")
    axes.barh(height, [row.AP or 0.0 for _, row in rows], color=_ACCENT, height=0.34, label="AP")
    axes.errorbar(values, height, xerr=reach, fmt="none", ecolor=_INK, elinewidth=1, capsize=2.5)
    axes.set_yticks(height, [f"{_plain(name)}  (n {row.n})" for name, row in rows])
    axes.set(xlim=(0, 1.02))
    axes.grid(axis="y", visible=False)
    axes.set_title("AP50 with 95 % interval, and AP (IoU .50:.95)")
    axes.legend(loc="lower right")
    return figure


def _froc(metrics: Metrics) -> Figure:
    figure, axes = _figure(6.6, 4.6)
    present = {name: found for name, found in metrics.matches.items() if found.boxes >= LEAST_BOXES}
    curves = {name: froc({name: found}) for name, found in present.items()}
    first = 1e-3
    for number, (name, curve) in enumerate(curves.items()):
        shown = np.clip(curve.false_alarms, first, None)
        colour = _COLOURS[number % len(_COLOURS)]
        axes.step(
            shown, curve.found, where="post", color=colour, linewidth=1.3, label=f"{_plain(name)}  (n {curve.items})"
        )
    axes.step(
        np.clip(metrics.froc.false_alarms, first, None),
        metrics.froc.found,
        where="post",
        color=_INK,
        linewidth=2.4,
        label=f"all classes  (n {metrics.froc.items})",
    )
    axes.set(xscale="log", xlim=(first, 10), ylim=(0, 1.02), xlabel="False alarms a scan", ylabel="Items found")
    axes.set_title("FROC at IoU 0.5: items found against false alarms")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _reliability(calibrations: Mapping[str, Calibration]) -> Figure:
    figure, axes = _figure(6.6, 4.6)
    axes.plot([0, 1], [0, 1], color="#8a97a6", linewidth=1, linestyle="--", label="calibrated")
    for number, (name, calibration) in enumerate(calibrations.items()):
        bins = calibration.bins
        score, share = (np.array([getattr(one, field) for one in bins]) for field in ("mean_score", "hit_share"))
        low, high = np.array([one.interval for one in bins]).reshape(-1, 2).T
        colour = (_ACCENT, _SECOND)[number % 2]
        reach = np.clip(np.array([share - low, high - share]), 0, None)
        label = f"{name}: D-ECE {_d_ece(calibration.confident)}"
        axes.errorbar(score, share, yerr=reach, color=colour, marker="o", capsize=2.5, linewidth=1.5, label=label)
        for one in bins if number == len(calibrations) - 1 else ():
            axes.annotate(f"{one.n:,}", (one.mean_score, one.hit_share), (5, -11), textcoords="offset points", size=7.5)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="Score", ylabel="Share of boxes that are on an item")
    axes.set_title("Reliability: is a score a probability?  (numbers: boxes in the bin)")
    axes.legend(loc="upper left")
    return figure


def _d_ece(error: CalibrationError) -> str:
    if error.d_ece is None:
        return f"not measurable (n {error.n})"
    return f"{error.d_ece:.3f} from score 0.3 (n {error.n:,})"


def _error_costs(metrics: Metrics) -> Figure:
    figure, axes = _figure(6.6, 3.4)
    kinds = list(metrics.costs.kinds.items())
    values = [cost.dAP for _, cost in kinds]
    height = np.arange(len(kinds))[::-1]
    axes.barh(height, values, color=_ACCENT, height=0.6)
    for place, (_, cost) in zip(height, kinds, strict=True):
        axes.annotate(f"{cost.dAP:.3f}", (cost.dAP, place), (4, -3), textcoords="offset points", size=8.5)
    axes.set_yticks(height, [f"{kind.value}  (n {cost.count:,})" for kind, cost in kinds])
    axes.set(xlim=(0, max(0.05, 1.15 * max(values))), xlabel="AP50 that would be gained without these errors")
    axes.grid(axis="y", visible=False)
    axes.set_title("What each kind of error costs")
    return figure
