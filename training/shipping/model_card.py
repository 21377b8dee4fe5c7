"""The model card of weights that `evaluate` measured, in Markdown, and their figures in the manifest.

A card is made from what was measured and from what the file says of itself; nothing in it is typed by hand.
"""

from __future__ import annotations

from typing import Any

from detector.weights import ManifestEntry
from detector.weights_spec import Flips, WeightsSpec

#: What is said of the mirror images that a graph averages over.
AVERAGED: dict[Flips, str] = {
    "none": "",
    "horizontal": ", averaged over the scan and its mirror image",
    "both": ", averaged over the scan and its three mirror images",
}


def headline(metrics: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Name of a figure -> its value, n and 95 % interval, for `roentgate weights list`.

    Mean over the classes with at least 10 boxes; n counts their boxes; low and high are the interval. Raises ValueError
    for a figure that is no rate.
    """
    frequent, split = metrics["classes_with_10_boxes"], metrics["setup"]["split"]
    found = {
        f"{split} {metric}": {
            # Finer than any is shown: rounded twice, .64454 would become .644.
            "value": round(float(frequent[metric]), 6),
            "n": float(frequent["n"]),
            **_edges(frequent.get(f"{metric}_interval")),
        }
        for metric in ("AP50", "AP")
        if frequent[metric] is not None
    }
    for name, figures in found.items():
        rates = [figures[key] for key in ("value", "low", "high") if key in figures]
        if not all(0 <= rate <= 1 for rate in rates):
            raise ValueError(f"{name} is no rate: {', '.join(f'{rate:g}' for rate in rates)}")
    return found


def _edges(interval: list[float] | None) -> dict[str, float]:
    return {"low": round(interval[0], 6), "high": round(interval[1], 6)} if interval else {}


def card(name: str, spec: WeightsSpec, entry: ManifestEntry, metrics: dict[str, Any]) -> str:
    """The model card in Markdown, made from what was measured and from what the file says of itself."""
    setup = metrics["setup"]
    frequent = metrics["classes_with_10_boxes"]
    parts = [
        f"## {name}",
        f"{spec.family}, {spec.input_size} x {spec.input_size} px{AVERAGED[spec.flips]}, {entry.size / 1e6:.1f} MB, "
        f"sha256 `{entry.sha256}`.",
        f"**Terms.** {spec.terms}",
        f"**Started from.** {spec.pretrained}",
        "**Trained on.** " + "; ".join(entry.data) + ".",
        f"**Alarm scores.** {spec.operating_point}",
        _unchosen(spec),
        f"**Measured** on `{setup['split']}` ({setup['scans']} scans, {setup['boxes']} boxes), the ONNX file through "
        f"the station's pipeline on {setup['provider']}. Classes that a scan's source did not look for count neither "
        f"way. Brackets hold 95 % intervals: a bootstrap {_drawn(metrics)}, for AP50, AP and Pd at least the exact "
        "one.",
        _not_measured(setup),
        _class_table(spec, metrics),
        _mean_line(frequent),
        _pd_table(metrics["pd_at_pfa"]),
        _calibration_line(metrics["calibration"]),
        _LIMITS.format(
            classes=", ".join(spec.class_names), seen=_LUGGAGE if spec.renderings == ("stored",) else _OTHER
        ),
    ]
    return "\n\n".join(part for part in parts if part)


_LIMITS = """**Limits.** It looks for {classes}, and for nothing else: a CLEAR says nothing about explosives, \
narcotics, ammunition or any other item. Classes with few boxes are hardly measured, let alone reliable. {seen} \
It assists an officer and replaces none."""

_LUGGAGE = """It has seen luggage only, from a few scanner models; on other scanners, and on parcels, vehicles and \
containers, expect less until it is trained on scans of that kind."""
_OTHER = "On scanners and goods that it was not trained on, expect less until it is trained on scans of that kind."


def _drawn(metrics: dict[str, Any]) -> str:
    """What the bootstrap drew: scans that no group holds together are drawn one by one."""
    groups, scans = metrics["intervals"]["groups"], metrics["setup"]["scans"]
    return (
        f"by bag as far as bags are known, {groups} in all"
        if groups < scans
        else "by scan, as no two are known to be of one bag"
    )


def _not_measured(setup: dict[str, Any]) -> str:
    """Evaluations of before this was kept do not tell."""
    named = ", ".join(f"{name} ({boxes} boxes)" for name, boxes in setup.get("not_measured", {}).items())
    return f"**Not measured**, as it does not know them: {named}." if named else ""


def _unchosen(spec: WeightsSpec) -> str:
    if not spec.unchosen:
        return ""
    return (
        f"**Clears nothing** until a policy gives an alarm score for {', '.join(spec.unchosen)}: no validation scan "
        "decided one."
    )


def _mean_line(frequent: dict[str, Any]) -> str:
    if frequent["AP50"] is None:
        return "No class has 10 boxes here: nothing can be said of the network as a whole."
    return (
        f"Mean over the {len(frequent['classes'])} classes with at least 10 boxes: AP50 {frequent['AP50']:.3f} "
        f"{_interval(frequent['AP50_interval'])}, AP {frequent['AP']:.3f} {_interval(frequent['AP_interval'])}."
    )


def _class_table(spec: WeightsSpec, metrics: dict[str, Any]) -> str:
    rows = ["| class | boxes | AP50 | AP | alarm score |", "|---|---|---|---|---|"]
    for name in spec.class_names:
        row = metrics["classes"].get(name)
        if row and row["n"]:
            found = " | ".join(f"{row[ap]:.3f} {_interval(row[f'{ap}_interval'])}" for ap in ("AP50", "AP"))
            rows.append(f"| {name} | {row['n']} | {found} | {spec.thresholds[name]:.3f} |")
    return "\n".join(rows)


def _pd_table(curve: dict[str, Any] | None) -> str:
    if not curve:
        return ""
    rows = [
        f"Detection at a fixed false-alarm rate, scan by scan, for {', '.join(curve['classes'])}: "
        f"{curve['clean_scans']} clean scans, {curve['positive_scans']} scans with an item.",
        "",
        "| Pfa at most | Pd, any alarm in the scan | Pd, a box on the item |",
        "|---|---|---|",
    ]
    for point in curve["points"]:
        rates = point["rates"]
        shown = f"{_rate(rates['pd_scan'])} | {_rate(rates['pd_localised'])}" if rates else f"{point['reason']} | "
        rows.append(f"| {point['pfa_target']:.1%} | {shown} |")
    return "\n".join(rows)


def _calibration_line(calibration: dict[str, Any]) -> str:
    parts = []
    confident = f"those from {calibration['confident_from']:g} on"
    for name, said in (("listed", "all listed detections"), ("confident", confident)):
        error = calibration[name]
        if error["d_ece"] is not None:
            chance = f"; chance alone gives {error['if_calibrated']:.3f}" if error["if_calibrated"] is not None else ""
            parts.append(f"{error['d_ece']:.3f} {_interval(error['interval'], 3)} over {said} (n {error['n']}{chance})")
    return f"Calibration (D-ECE): {', '.join(parts)}." if parts else ""


def _rate(rate: dict[str, Any]) -> str:
    if rate["value"] is None:
        return "no such scan"
    return f"{rate['value']:.3f} {_interval(rate['interval'])}"


def _interval(interval: list[float] | None, digits: int = 2) -> str:
    return f"[{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]" if interval else ""
