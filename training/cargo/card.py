"""The model card of weights that the cargo benchmark measured."""

from __future__ import annotations

from typing import Any

from detector.weights import ManifestEntry
from detector.weights_spec import WeightsSpec
from training.cargo.benchmark_figures import ALL, HEADLINE
from training.cargo.benchmark_report import ANCHOR
from training.evaluation.intervals import clopper_pearson
from training.shipping.model_card import AVERAGED

#: What the set-up says of scans that are simulated throughout, and the name of such a source begins with; and what it
#: says besides where threats are cut out of real scans.
SIMULATED, CUT_OUTS = "simulated", "with threats cut out of"
#: Pfa of the manifest's one-line figures.
HEADLINE_PFA = 0.01


def headline(metrics: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Name of a figure -> its value, n and 95 % interval, for `roentgate weights list`."""
    point = next((point for point in metrics["pd_at_pfa"] if point["pfa_target"] == HEADLINE_PFA and point["by"]), None)
    if point is None:
        return {}
    found = point["by"].get(HEADLINE, point["by"][ALL])["scan"]
    title = f"{metrics['setup']['scans']}: Pd at Pfa {HEADLINE_PFA:.0%}, {HEADLINE if HEADLINE in point['by'] else ALL}"
    low, high = (round(edge, 6) for edge in found["interval"])
    return {title: {"value": round(found["value"], 6), "n": float(found["total"]), "low": low, "high": high}}


def card(name: str, spec: WeightsSpec, entry: ManifestEntry, metrics: dict[str, Any]) -> str:
    """The card in Markdown; its first line says what the weights are not."""
    setup, costs = metrics["setup"], metrics["setup"]["costs"]
    seconds = ", ".join(f"{value:.2f} s with {count}" for count, value in costs["seconds_per_mpx"].items())
    parts = [
        f"## {name}",
        f"**{_first_line(spec, setup)}**",
        f"With its own alarm scores it alarms on {_alarms(metrics, 'threat')} scans with a threat, and on "
        f"{_alarms(metrics, 'clean')} clean ones, {_of(setup)}.",
        f"{spec.family}, {spec.input_size} x {spec.input_size} px{AVERAGED[spec.flips]}, {entry.size / 1e6:.1f} MB, "
        f"sha256 `{entry.sha256}`.",
        f"**Terms.** {spec.terms}",
        f"**Started from.** {spec.pretrained}",
        "**Trained on.** " + "; ".join(entry.data) + ".",
        f"**Never clears.** {spec.never_clear}." if spec.never_clear else "",
        f"**Reads** scans drawn as {' or '.join(map(repr, spec.renderings))}, {_pitch(spec)}.",
        f"**Alarm scores.** {spec.operating_point}",
        f"**Measured** by `roentgate-train cargo-benchmark`, version {setup['version']}, size {setup['size']}: "
        f"{metrics['clean_scans']} clean scans, {metrics['threat_scans']} with one threat, {_of(setup)}. Alarm "
        "anywhere in the scan, then on the threat (IoU at least .5); brackets hold 95 % intervals.",
        _table(metrics),
        _untold(metrics),
        ANCHOR,
        f"Seconds a megapixel on {setup['cores']} cores, by energies: {seconds}; at most {costs['peak_mb']:.0f} MB.",
        SIMULATED_LIMITS if setup["scans"] == SIMULATED else BACKGROUND_LIMITS,
    ]
    return "\n\n".join(filter(None, parts))


#: What simulated scans lack; the shipped card says the same.
SIMULATED_LIMITS = """**Limits.** The simulation leaves out most of what makes real scans hard: beam hardening, the \
clutter of real trade, damaged and hand-packed loads, scanners with faults of their own. Its beam is nearly parallel, \
so that nothing is magnified by how near the source it lies, its scatter a fixed share of the beam around each place, \
and its corrugated walls have stronger stripes than real ones. Loads and threats of the benchmark have other shapes \
than those of training, but come from the same simulation. Retrain on scans of your scanner, and measure with clean \
scans of your own, before anything depends on it. It assists an officer and replaces none."""
#: What clean scans of one's own lack, with threats laid into them.
BACKGROUND_LIMITS = """**Limits.** The clean scans are those of one folder: nothing is said of other scanners and of \
other trade. The threats in them are simulated. They lie anywhere in the vehicle, not where a person would hide them; \
they attenuate as at 1.5 and 2 MeV whatever the beam is, without scatter or beam hardening; and they take no photons \
from the noise of what lies behind them. Measure again when scanner or trade changes. It assists an officer and \
replaces none."""


def _first_line(spec: WeightsSpec, setup: dict[str, Any]) -> str:
    """What an officer must know before any figure."""
    names = [source.name for source in spec.training_data]
    trained = bool(names) and all(name.startswith(SIMULATED) for name in names)
    cut_outs = " with cut-outs of real luggage" if any(CUT_OUTS in name for name in names) else ""
    begin = f"Trained on simulated scans{cut_outs}, measured" if trained else "Measured"
    if setup["scans"] == SIMULATED:
        done = "Trained and measured" if trained and not cut_outs else begin
        return f"{done} on simulated scans alone, not validated on real containers: not for a decision on one."
    return f"{begin} on real clean scans with simulated threats laid into them: no real threat was ever met."


def _pitch(spec: WeightsSpec) -> str:
    if not spec.pixel_pitch_mm:
        return "of any pixel pitch"
    return f"with a profile for their pixel pitch: trained on {spec.pixel_pitch_mm:g} mm"


def _alarms(metrics: dict[str, Any], kind: str) -> str:
    """Counts, and the share's exact interval: a person decides by this line whether to read on."""
    alarms, total = metrics["decisions"][kind]["ALARM"], metrics[f"{kind}_scans"]
    low, high = clopper_pearson(alarms, total)
    return f"{alarms} of {total} [{low:.1%}, {high:.1%}]"


def _of(setup: dict[str, Any]) -> str:
    if setup["scans"] == SIMULATED:
        return "of loads and threats of other make than those simulated for training"
    return f"{setup['scans']}: real scans, simulated threats"


def _table(metrics: dict[str, Any]) -> str:
    points = [point for point in metrics["pd_at_pfa"] if point["by"]]
    if not points:
        return "Too few clean scans for any rate."
    head = "| | n | " + " | ".join(map(_head, points)) + " |"
    rows = [head, "|---" * (2 + len(points)) + "|"]
    for name in points[0]["by"]:
        cells = [" / ".join(_rate(point["by"][name][place]) for place in ("scan", "localised")) for point in points]
        rows.append(f"| {name} | {points[0]['by'][name]['scan']['total']} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _untold(metrics: dict[str, Any]) -> str:
    """The false-alarm rates that the clean scans are too few for, and why."""
    untold = [point for point in metrics["pd_at_pfa"] if not point["by"]]
    return "; ".join(f"Pfa <= {point['pfa_target']:.1%}: {point['reason']}" for point in untold)


def _head(point: dict[str, Any]) -> str:
    pfa = point["pfa"]
    low, high = pfa["interval"]
    return f"Pfa <= {point['pfa_target']:.1%}: {pfa['count']} of {pfa['total']} [{low:.1%}, {high:.1%}]"


def _rate(rate: dict[str, Any]) -> str:
    low, high = rate["interval"]
    return f"{rate['value']:.2f} [{low:.2f}, {high:.2f}]"
