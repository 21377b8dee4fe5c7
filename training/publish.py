"""Puts a measured ONNX file into `weights/`: the file, its line in the manifest, and its model card."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detector.errors import SettingsInvalid
from detector.outputs.atomic import write_bytes_whole
from detector.weights import (
    MANIFEST,
    Manifest,
    ManifestEntry,
    PinnedFile,
    Weights,
    manifest_json,
    read_manifest,
    read_spec,
)
from detector.weights_spec import Flips, TrainingSource, WeightsSpec
from training.cargo import card as cargo_card
from training.evaluation.metrics_file import read_metrics, understood
from training.file_digests import file_digest
from training.quantisation_gate import require_passed
from training.trainable import write_trainable

#: Cards stand one after another in weights/README.md, each between its own two marks.
CARD_BEGIN, CARD_END = "<!-- card {name} -->", "<!-- end {name} -->"
#: A name is a file's stem, a word on a command line and part of a mark in the cards.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class Origin:
    """The checkpoint that the published file was exported from."""

    run: Path
    checkpoint: str = "best"


def publish(
    file: Path,
    name: str,
    folder: Path,
    evaluation: Path,
    *,
    default: bool,
    alias: str = "",
    origin: Origin | None = None,
) -> ManifestEntry:
    """Copies `file` into `folder` as NAME.onnx and describes it by the metrics.json of `evaluate` or `cargo-benchmark`.

    alias: another name for them from now on; weights of that name leave the folder. origin: puts NAME.safetensors
    there too, to train on from; without it, that of the same bytes published before stays if it is whole. Raises
    SettingsInvalid when the evaluation is of another file: a card must never carry another network's numbers;
    ParityFailed when the file was not made from `origin`. Whatever is refused, `folder` stays as it was.
    """
    _require_names(name, alias)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SettingsInvalid(f"cannot read {file}: {error.strerror}", remedy="export it first") from None
    spec, digest = read_spec(name, data), hashlib.sha256(data).hexdigest()
    metrics = _metrics_of(evaluation, digest)
    _require_publishable(spec, metrics, file, evaluation)
    with understood(evaluation):
        headline = cargo_card.headline(metrics) if _of_cargo(metrics) else _headline(metrics)
    entry = ManifestEntry(
        file=f"{name}.onnx",
        sha256=digest,
        size=len(data),
        metrics=headline,
        data=tuple(map(_source_line, spec.training_data)),
        terms=spec.terms,
    )
    with understood(evaluation):
        text = (cargo_card.card if _of_cargo(metrics) else card)(name, spec, entry, metrics)
    # Read before anything is written: a manifest that is broken must not be found out with half of it there.
    known = read_manifest(folder) if (folder / MANIFEST).is_file() else None
    page = _with_card(_page(folder / "README.md"), name, text)
    folder.mkdir(parents=True, exist_ok=True)
    trainable = folder / f"{name}.safetensors"
    if origin:
        pinned = write_trainable(origin.run, origin.checkpoint, Weights(name, data, digest, spec), trainable)
        entry = entry.model_copy(update={"trainable": pinned})
    elif (before := known.weights.get(name) if known else None) and before.sha256 == digest:
        entry = entry.model_copy(update={"trainable": before.trainable if _whole(before.trainable, folder) else None})
    write_bytes_whole(folder / f"{name}.onnx", data)
    write_bytes_whole(folder / "README.md", page.encode())
    # Last: what the manifest names is there in full.
    _write_manifest(folder, known, name, entry, default=default, alias=alias)
    if not entry.trainable:
        # What may lie there belongs to weights that made way.
        trainable.unlink(missing_ok=True)
    return entry


def _source_line(source: TrainingSource) -> str:
    """0 scans: its items were put into scans of others."""
    return f"{source.name}: {f'{source.scans} scans' if source.scans else 'items alone'}; {source.terms}"


def _whole(pinned: PinnedFile | None, folder: Path) -> bool:
    return pinned is not None and file_digest(folder / pinned.file) == pinned.sha256


def _require_publishable(spec: WeightsSpec, metrics: dict[str, Any], file: Path, evaluation: Path) -> None:
    """Figures of scans that were neither learned from nor chosen on, terms, and a passed gate for INT8."""
    if spec.chosen_on and metrics["setup"].get("scans_sha256") == spec.chosen_on:
        raise SettingsInvalid(
            f"{evaluation} was measured on the scans that the thresholds were chosen on",
            remedy="evaluate it on another split, such as test",
        )
    if not spec.chosen_on:
        raise SettingsInvalid(
            f"{file}: nobody chose its alarm scores", remedy="choose them with `roentgate-train calibrate`"
        )
    if metrics["setup"].get("split") == "train":
        raise SettingsInvalid(
            f"{evaluation} was measured on the training split: a network knows what it learned from",
            remedy="evaluate it on another split, such as test",
        )
    if spec.precision == "int8":
        require_passed(file)
    if spec.terms == "not stated":
        raise SettingsInvalid(f"{file} does not state its terms", remedy="export it with --terms")


def _require_names(name: str, alias: str) -> None:
    for one in (name, *([alias] if alias else [])):
        # A name that ends so is taken for a file by every command.
        if not _NAME.fullmatch(one) or one.endswith(".onnx"):
            raise SettingsInvalid(
                f"{one!r} is no name for weights",
                remedy="letters, digits, `.`, `_`, `+` and `-`, and no .onnx at its end",
            )


def _metrics_of(path: Path, digest: str) -> dict[str, Any]:
    metrics = read_metrics(path)
    with understood(path):
        measured = str(metrics["setup"]["weights_sha256"])
    if measured != digest:
        raise SettingsInvalid(
            f"{path} measured {measured[:12]}..., this file is {digest[:12]}...", remedy="evaluate this very file"
        )
    return metrics


def _of_cargo(metrics: dict[str, Any]) -> bool:
    return bool(metrics["setup"].get("benchmark") == "cargo")


def _headline(metrics: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Mean over the classes with at least 10 boxes; n counts their boxes; low and high are the 95 % interval."""
    frequent, split = metrics["classes_with_10_boxes"], metrics["setup"]["split"]
    return {
        f"{split} {metric}": {
            # Finer than any is shown: rounded twice, .64454 would become .644.
            "value": round(float(frequent[metric]), 6),
            "n": float(frequent["n"]),
            **_edges(frequent.get(f"{metric}_interval")),
        }
        for metric in ("AP50", "AP")
        if frequent[metric] is not None
    }


def _edges(interval: list[float] | None) -> dict[str, float]:
    return {"low": round(interval[0], 6), "high": round(interval[1], 6)} if interval else {}


def _write_manifest(
    folder: Path, known: Manifest | None, name: str, entry: ManifestEntry, *, default: bool, alias: str
) -> None:
    weights = {**(known.weights if known else {}), name: entry}
    replaced = weights.pop(alias, None) if alias != name else None
    # What pointed at the weights that make way goes on to those that take over; a name of its own is no alias.
    before = {other: name if meant == alias else meant for other, meant in (known.aliases if known else {}).items()}
    aliases = {other: meant for other, meant in {**before, **({alias: name} if alias else {})}.items() if other != name}
    chosen = name if default or known is None or known.default == alias else known.default
    manifest = Manifest(default=chosen, weights=weights, aliases=aliases)
    write_bytes_whole(folder / MANIFEST, manifest_json(manifest).encode())
    if replaced is not None:
        for gone in (replaced, replaced.trainable):
            if gone:
                (folder / gone.file).unlink(missing_ok=True)
        _take_card(folder / "README.md", alias)


def _take_card(path: Path, name: str) -> None:
    page = path.read_text(encoding="utf-8")
    write_bytes_whole(path, _marked(name).sub("", page).replace("\n\n\n", "\n\n").encode())


def _marked(name: str) -> re.Pattern[str]:
    begin, end = CARD_BEGIN.format(name=name), CARD_END.format(name=name)
    return re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)


def _page(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else "# Weights\n"
    except UnicodeDecodeError as error:
        raise SettingsInvalid(f"{path} is not UTF-8: {error}", remedy="save it as UTF-8, or move it away") from None


def _with_card(page: str, name: str, text: str) -> str:
    begin, end = CARD_BEGIN.format(name=name), CARD_END.format(name=name)
    block = f"{begin}\n{text}\n{end}"
    marked = _marked(name)
    return marked.sub(lambda _: block, page) if marked.search(page) else f"{page.rstrip()}\n\n{block}\n"


_AVERAGED: dict[Flips, str] = {
    "none": "",
    "horizontal": ", averaged over the scan and its mirror image",
    "both": ", averaged over the scan and its three mirror images",
}


def card(name: str, spec: WeightsSpec, entry: ManifestEntry, metrics: dict[str, Any]) -> str:
    """The model card in Markdown, made from what was measured and from what the file says of itself."""
    setup = metrics["setup"]
    frequent = metrics["classes_with_10_boxes"]
    parts = [
        f"## {name}",
        f"{spec.family}, {spec.input_size} x {spec.input_size} px{_AVERAGED[spec.flips]}, {entry.size / 1e6:.1f} MB, "
        f"sha256 `{entry.sha256}`.",
        f"**Terms.** {spec.terms}",
        f"**Started from.** {spec.pretrained}",
        "**Trained on.** " + "; ".join(entry.data) + ".",
        f"**Alarm scores.** {spec.operating_point}",
        f"**Measured** on `{setup['split']}` ({setup['scans']} scans, {setup['boxes']} boxes), the ONNX file through "
        f"the station's pipeline on {setup['provider']}. Classes that a scan's source did not look for count neither "
        f"way. Brackets hold 95 % intervals: a bootstrap {_drawn(metrics)}, for Pd at least the exact interval.",
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


def _mean_line(frequent: dict[str, Any]) -> str:
    if frequent["AP50"] is None:
        return "No class has 10 boxes here: nothing can be said of the network as a whole."
    return (
        f"Mean over the {len(frequent['classes'])} classes with at least 10 boxes: AP50 {frequent['AP50']:.3f} "
        f"{_interval(frequent['AP50_interval'])}, AP {frequent['AP']:.3f}."
    )


def _class_table(spec: WeightsSpec, metrics: dict[str, Any]) -> str:
    rows = ["| class | boxes | AP50 | AP | alarm score |", "|---|---|---|---|---|"]
    for name in spec.class_names:
        row = metrics["classes"].get(name)
        if row and row["n"]:
            found = f"{row['AP50']:.3f} {_interval(row['AP50_interval'])} | {row['AP']:.3f}"
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
