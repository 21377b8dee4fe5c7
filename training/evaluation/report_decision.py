"""The first part of an evaluation's page: what these weights can be used for, at their own thresholds and at others."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from training.evaluation.average_precision import LEAST_BOXES
from training.evaluation.froc import froc_points
from training.evaluation.html_parts import Html, WholeCell, figure, marked, part, rate, section, table, within
from training.evaluation.intervals import Rate
from training.evaluation.metrics import ClassAtThreshold, Metrics
from training.evaluation.operating_curve import CurvePoint, OperatingPoint, pfa_at_pd
from training.evaluation.scan_scores import ScanScores

#: A class is called found when even the low end of its interval is above this share, and missed when the high end of it
#: is below the other.
_FOUND, _MISSED = 0.8, 0.5
#: False-alarm rates shown for each class by itself; all of them are in metrics.json.
_CLASS_TARGETS = (0.01, 0.05, 0.10)
_WANTED_PD = 0.9
#: With boxes so few that perfect scores would show a larger D-ECE, a good one proves nothing.
_TELLING_D_ECE = 0.1
_GOOD, _BAD, _UNKNOWN = "good", "bad", "unknown"


def decision(metrics: Metrics, split: str) -> str:
    """Verdicts in words, the classes at their thresholds, Pd at Pfa, together and by class."""
    return "".join(
        [
            part("What can be decided with these weights"),
            _verdicts(metrics, split),
            _classes(metrics),
            _operating(metrics),
            _by_class(metrics),
            _froc(metrics),
        ]
    )


def _verdicts(metrics: Metrics, split: str) -> str:
    lines = [*_scan_verdicts(metrics), *_class_verdicts(metrics), *_score_verdict(metrics)]
    if split != "test":
        warning = f"Measured on {split}. If thresholds were chosen on these scans, expect less on others."
        lines.append((_UNKNOWN, warning))
    items = (f'<li class="{kind}">{text if isinstance(text, Html) else escape(text)}</li>' for kind, text in lines)
    return f'<ul class="verdict">{"".join(items)}</ul>'


def _scan_verdicts(metrics: Metrics) -> list[tuple[str, str]]:
    rates = metrics.at_thresholds.rates
    if rates is None or metrics.scores is None:
        return [(_UNKNOWN, "No scan of this split is known to be clean: its false-alarm rate is not measurable.")]
    lines = [_found(", ".join(metrics.scores.classes), rates)]
    lines.append((_UNKNOWN, Html(f"<b>Of the scans clean of them</b>, {rate(rates.pfa)} alarm all the same.")))
    lines += _price_of_pd(metrics.scores)
    every = metrics.at_thresholds.any_class_on_clean
    if every and every.value is not None:
        text = f"Counting alarms of every class, {rate(every)} of those scans alarm; items of the other classes may "
        lines.append((_UNKNOWN, Html(text + "truly be there.")))
    return lines


def _found(names: str, rates: OperatingPoint) -> tuple[str, str]:
    if rates.pd_scan.value is None:
        return _UNKNOWN, f"No scan of this split holds {names}: whether they are found is not measurable."
    text = f"<b>Of the scans with {escape(names)}</b>, {rate(rates.pd_scan)} alarm; in {rate(rates.pd_localised)} a "
    return _kind(rates.pd_localised), Html(text + "box is on the item.")


def _price_of_pd(scores: ScanScores) -> list[tuple[str, str]]:
    """What alarming on _WANTED_PD of the scans with an item would cost in false alarms."""
    if not scores.positive.any():
        return []
    price = pfa_at_pd(scores, _WANTED_PD)
    if price is None:
        return [(_UNKNOWN, f"No score alarms on {_WANTED_PD:.0%} of the scans with an item: too few have any box.")]
    threshold, pfa = price
    text = f"<b>To alarm on {_WANTED_PD:.0%} of them</b>, one score of {threshold:.3f} for all classes would make "
    return [(_UNKNOWN, Html(f"{text}{rate(pfa)} of the clean scans alarm too."))]


def _class_verdicts(metrics: Metrics) -> list[tuple[str, str]]:
    classes = metrics.at_thresholds.classes
    sorted_out: dict[str, list[str]] = {_GOOD: [], _BAD: [], _UNKNOWN: []}
    for name, row in classes.items():
        if row.found.total >= LEAST_BOXES:
            sorted_out[_kind(row.found)].append(name)
    rare = [name for name, row in classes.items() if row.found.total < LEAST_BOXES]
    told = [
        (_GOOD, sorted_out[_GOOD], f"at least {_FOUND:.0%} of the items are found, with 95 % confidence"),
        (_BAD, sorted_out[_BAD], f"more than {1 - _MISSED:.0%} of the items are missed, with 95 % confidence"),
        (_UNKNOWN, sorted_out[_UNKNOWN], "some are found; an officer must look as if there were no detector"),
        (_UNKNOWN, rare, f"fewer than {LEAST_BOXES} items here: nothing can be said"),
    ]
    return [(kind, f"{', '.join(names)}: {words}.") for kind, names, words in told if names]


def _score_verdict(metrics: Metrics) -> list[tuple[str, str]]:
    error = metrics.calibration.confident
    if error.d_ece is None or error.shift is None:
        return []
    direction = "too high" if error.shift > 0 else "too low"
    by_chance = error.if_calibrated is not None and error.d_ece <= 1.5 * error.if_calibrated
    few = error.if_calibrated is not None and error.if_calibrated > _TELLING_D_ECE
    kind, verdict = _BAD, "Scores are no probabilities"
    if error.interval is None or (by_chance and few):
        kind, verdict = _UNKNOWN, "Too few boxes to say whether scores are probabilities"
    elif by_chance:
        kind, verdict = _GOOD, "Scores can be read as probabilities"
    return [
        (
            kind,
            f"{verdict}: from {metrics.calibration.confident_from:g} on they are {abs(error.shift):.2f} {direction} on "
            f"average (D-ECE {error.d_ece:.3f}{within(error.interval)}, n {error.n:,}; chance alone gives "
            f"{figure(error.if_calibrated)}).",
        )
    ]


def _kind(measured: Rate) -> str:
    if measured.interval is None:
        return _UNKNOWN
    if measured.interval[0] >= _FOUND:
        return _GOOD
    return _BAD if measured.interval[1] < _MISSED else _UNKNOWN


def _classes(metrics: Metrics) -> str:
    head = (
        "class",
        "alarm at",
        "items found",
        "alarms without the item in the scan",
        "alarming boxes that are no hit",
        "",
    )
    rows = [
        ("rare" if row.found.total < LEAST_BOXES else "", _class_cells(name, row))
        for name, row in metrics.at_thresholds.classes.items()
    ]
    note = (
        "At the thresholds of the weights. Found: a box of the class on the item. In brackets: counts, and the 95 % "
        "interval, exact or by bag. Scans without the item are those whose source looked for it; they may hold others."
    )
    return section("Each class", note, table(head, rows))


def _class_cells(name: str, row: ClassAtThreshold) -> Sequence[str]:
    false_alarms = f"{row.false_alarms} in {row.annotated_scans} scans"
    return name, f"{row.threshold:.3f}", rate(row.found), rate(row.pfa), false_alarms, _verdict(row)


def _verdict(row: ClassAtThreshold) -> WholeCell:
    if row.found.total < LEAST_BOXES:
        return marked(_UNKNOWN, "too few to say")
    words = {_GOOD: "finds it", _BAD: "misses most", _UNKNOWN: "finds some"}
    return marked(_kind(row.found), words[_kind(row.found)])


def _operating(metrics: Metrics) -> str:
    if metrics.curve is None:
        return section("Pd at Pfa", "Not measurable: no scan of this split is known to be clean.", "")
    curve = metrics.curve
    head = ("Pfa at most", "score", "Pfa measured", "Pd, any alarm in the scan", "Pd, box on the item")
    rows = [("", _point_cells(point)) for point in curve.points]
    rates = metrics.at_thresholds.rates
    if rates:
        shipped = (rate(one) for one in (rates.pfa, rates.pd_scan, rates.pd_localised))
        rows.append(("sum", ("thresholds of the weights", "", *shipped)))
    note = (
        f"One score for {', '.join(curve.classes)}; {curve.positive_scans} scans hold such an item, "
        f"{curve.clean_scans} were looked through for all of them and are clean. The score is chosen on these clean "
        "scans; the intervals of Pd hold that chance too."
    )
    return section("Pd at Pfa", note, table(head, rows))


def _point_cells(point: CurvePoint) -> tuple[str, ...]:
    target = f"{point.pfa_target:.1%}"
    if point.rates is None or point.threshold is None:
        return target, "", point.reason, "", ""
    rates = (point.rates.pfa, point.rates.pd_scan, point.rates.pd_localised)
    return (target, f"{point.threshold:.3f}", *(rate(one) for one in rates))


def _by_class(metrics: Metrics) -> str:
    head = ("class", "scans with it", "scans without it", *(f"Pd at Pfa {target:.0%}" for target in _CLASS_TARGETS))
    rows = []
    for name, curve in metrics.class_curves.items():
        shown = [point for point in curve.points if point.pfa_target in _CLASS_TARGETS]
        cells = (rate(point.rates.pd_localised) if point.rates else point.reason for point in shown)
        kind = "rare" if curve.positive_scans < LEAST_BOXES else ""
        rows.append((kind, (name, str(curve.positive_scans), str(curve.clean_scans), *cells)))
    note = "Each class alone, on scans that are clean for it, whatever else they hold. Pd: a box on the item."
    return section("Pd at Pfa, class by class", note, table(head, rows))


def _froc(metrics: Metrics) -> str:
    rows = []
    for point in froc_points(metrics.froc):
        score = "" if point.threshold is None else f"{point.threshold:.3f}"
        rows.append(("", (f"{point.false_alarms_target:g}", score, rate(point.found))))
    note = "All classes at one score; the boxes that an officer would see on a scan with everything looked for."
    return section("Items found at so many false alarms a scan", note, table(("at most", "score", "found"), rows))
