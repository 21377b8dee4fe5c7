"""Puts a measured ONNX file into `weights/`: file, line in the manifest, model card, row of the index."""

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
from detector.weights_spec import TrainingSource, WeightsSpec
from training.cargo import card as cargo_card
from training.evaluation.metrics_file import read_metrics, understood
from training.files.file_digests import file_digest
from training.shipping import model_card
from training.shipping.quantisation_gate import require_passed
from training.shipping.trainable import write_trainable
from training.shipping.weights_index import index_row, with_row, without_row

#: Cards stand one after another in weights/README.md, each between its own two marks.
CARD_BEGIN, CARD_END = "<!-- card {name} -->", "<!-- end {name} -->"
#: A name is a file's stem, a word on a command line and part of a mark in the cards.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class Origin:
    """The checkpoint that the published file was exported from: of a run folder, or the name of shipped weights."""

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
    ParityFailed when the file was not made from `origin`. Whatever is refused, `folder` stays as it was. A kill in the
    middle leaves nothing that a station would take for something else: a new name is not there yet, and one that was
    published before is rejected, as its bytes are not those of the manifest, until it is published again; what is left
    of weights that made way goes with the next call.
    """
    _require_names(name, alias)
    weights = _exported(file, name)
    metrics = _metrics_of(evaluation, weights.sha256)
    _require_publishable(weights.spec, metrics, file, evaluation)
    with understood(evaluation):
        entry, text = _described(weights, metrics)
    # Read before anything is written: a manifest that is broken must not be found out with half of it there.
    known = read_manifest(folder) if (folder / MANIFEST).is_file() else None
    page = with_row(_with_card(_page(folder / "README.md"), name, text), name, index_row(name, weights.spec, entry))
    trainable = folder / f"{name}.safetensors"
    entry = entry.model_copy(update={"trainable": _trainable(weights, origin, known, trainable)})
    write_bytes_whole(folder / entry.file, weights.data)
    write_bytes_whole(folder / "README.md", page.encode())
    # Last of what it names: a name that is new to the manifest is there in full.
    manifest = _write_manifest(folder, known, name, entry, default=default, alias=alias)
    _take_replaced(folder, manifest, known)
    if not entry.trainable:
        # What may lie there belongs to weights that made way.
        trainable.unlink(missing_ok=True)
    return entry


def _exported(file: Path, name: str) -> Weights:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SettingsInvalid(f"cannot read {file}: {error.strerror}", remedy="export it first") from None
    return Weights(name, data, hashlib.sha256(data).hexdigest(), read_spec(name, data))


def _described(weights: Weights, metrics: dict[str, Any]) -> tuple[ManifestEntry, str]:
    """The entry of the manifest, as yet without weights to train on from, and the model card."""
    made_by = cargo_card if metrics["setup"].get("benchmark") == "cargo" else model_card
    entry = ManifestEntry(
        file=f"{weights.name}.onnx",
        sha256=weights.sha256,
        size=len(weights.data),
        metrics=made_by.headline(metrics),
        data=tuple(map(_source_line, weights.spec.training_data)),
        terms=weights.spec.terms,
    )
    return entry, made_by.card(weights.name, weights.spec, entry, metrics)


def _trainable(weights: Weights, origin: Origin | None, known: Manifest | None, path: Path) -> PinnedFile | None:
    """Weights to train on from: written from `origin`, else those of the same bytes published before if they are
    whole."""
    if origin:
        return write_trainable(origin.run, origin.checkpoint, weights, path)
    before = known.weights.get(weights.name) if known else None
    kept = before.trainable if before and before.sha256 == weights.sha256 else None
    return kept if kept and file_digest(path.parent / kept.file) == kept.sha256 else None


def _source_line(source: TrainingSource) -> str:
    """0 scans: its items were put into scans of others."""
    return f"{source.name}: {f'{source.scans} scans' if source.scans else 'items alone'}; {source.terms}"


def _require_publishable(spec: WeightsSpec, metrics: dict[str, Any], file: Path, evaluation: Path) -> None:
    """Figures of scans that were neither learned from nor chosen on, terms, and a passed gate for INT8."""
    if _measured_where_chosen(spec, metrics["setup"]):
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


def _measured_where_chosen(spec: WeightsSpec, setup: dict[str, Any]) -> bool:
    """Whether both are of the same scans: by their files where both sides kept that, else by their names and sizes,
    which scans of two splits may share."""
    if spec.chosen_on_files and setup.get("files_sha256"):
        return bool(setup["files_sha256"] == spec.chosen_on_files)
    return bool(spec.chosen_on) and setup.get("scans_sha256") == spec.chosen_on


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


def _write_manifest(
    folder: Path, known: Manifest | None, name: str, entry: ManifestEntry, *, default: bool, alias: str
) -> Manifest:
    weights = {**(known.weights if known else {}), name: entry}
    if alias != name:
        weights.pop(alias, None)
    # What pointed at the weights that make way goes on to those that take over; a name of its own is no alias.
    before = {other: name if meant == alias else meant for other, meant in (known.aliases if known else {}).items()}
    aliases = {other: meant for other, meant in {**before, **({alias: name} if alias else {})}.items() if other != name}
    chosen = name if default or known is None or known.default == alias else known.default
    manifest = Manifest(default=chosen, weights=weights, aliases=aliases)
    write_bytes_whole(folder / MANIFEST, manifest_json(manifest).encode())
    return manifest


def _take_replaced(folder: Path, manifest: Manifest, known: Manifest | None) -> None:
    """Takes away what is left of weights whose names are aliases now: of this call, and of one that was killed here."""
    page, published = _page(folder / "README.md"), known.weights if known else {}
    kept = {file.file for entry in manifest.weights.values() for file in (entry, entry.trainable) if file}
    for alias in manifest.aliases:
        # The card goes last. Without one, and unknown to the manifest, a file of that name was never published.
        if alias in published or _marked(alias).search(page):
            for gone in {f"{alias}.onnx", f"{alias}.safetensors"} - kept:
                (folder / gone).unlink(missing_ok=True)
            _take_card(folder / "README.md", alias)


def _take_card(path: Path, name: str) -> None:
    page = path.read_text(encoding="utf-8")
    page = without_row(_marked(name).sub("", page), name)
    write_bytes_whole(path, page.replace("\n\n\n", "\n\n").encode())


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
