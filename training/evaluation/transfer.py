"""Scanner to scanner: what a network is worth on a scanner that it never saw.

Two evaluations make one row of the table: a network trained without a source, and one trained with it, both tested on
that source. Their ratio says how much of the in-domain figure survives.

>>> rows = transfer_table([Transfer("iflytek2021/5", without_json, with_json)])                 # doctest: +SKIP
>>> print(transfer_markdown(rows))                                                              # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detector.errors import SettingsInvalid
from training.evaluation.intervals import Interval, ratio_interval
from training.evaluation.metrics_file import read_metrics, understood

#: The share of the in-domain figure from which a network counts as carried over, where the interval shows it.
KEPT_SHARE = 0.75


@dataclass(frozen=True)
class Transfer:
    """Two evaluations on the same split that holds `source`, a data set or a scanner: metrics.json of each."""

    source: str
    without: Path
    within: Path


@dataclass(frozen=True)
class Measured:
    """Mean AP50 over the classes with a box there, of n boxes on so many scans, with its 95 % interval."""

    scans: int
    n: int
    AP50: float
    interval: Interval | None


@dataclass(frozen=True)
class TransferRow:
    """One source. ratio: without / within, None where the latter is 0; its interval is None where one AP50 has none."""

    source: str
    without: Measured
    within: Measured
    ratio: float | None
    ratio_interval: Interval | None


def transfer_table(transfers: Iterable[Transfer]) -> tuple[TransferRow, ...]:
    """One row a transfer. Raises SettingsInvalid for a missing file or one that did not test on the source."""
    return tuple(_row(transfer) for transfer in transfers)


def transfer_markdown(rows: Sequence[TransferRow]) -> str:
    """The table for a document."""
    lines = [
        "| source | scans | boxes | AP50, never seen | AP50, trained on it | share kept |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = (row.source, row.without.scans, row.without.n, _told(row.without), _told(row.within), _share(row))
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines)


def _row(transfer: Transfer) -> TransferRow:
    without, within = (_measured(path, transfer.source) for path in (transfer.without, transfer.within))
    _require_left_out(transfer)
    if (without.scans, without.n) != (within.scans, within.n):
        raise SettingsInvalid(
            f"{transfer.source}: {without.scans} scans with {without.n} boxes against {within.scans} with {within.n}",
            remedy="evaluate both networks on the same split",
        )
    ratio = without.AP50 / within.AP50 if within.AP50 else None
    return TransferRow(transfer.source, without, within, ratio, _ratio_interval(without, within))


def _require_left_out(transfer: Transfer) -> None:
    """The row says `never seen` and `trained on it`: each file must bear that out."""
    for path, expected in ((transfer.without, True), (transfer.within, False)):
        setup = read_metrics(path)["setup"]
        left_out = setup.get("left_out", ())
        if _left_out(transfer.source, setup, whole=expected) is not expected:
            said = f"left out {', '.join(left_out)}" if left_out else "left nothing out"
            raise SettingsInvalid(
                f"{path}: its weights {said}; {transfer.source} must{'' if expected else ' not'} be among that",
                remedy="train one network with `leave_out` and one without, then evaluate both",
            )
        if not expected:
            _require_trained(transfer.source, path, setup)


def _require_trained(source: str, path: Path, setup: Mapping[str, Any]) -> None:
    """Weights that left nothing out may never have had the source. Evaluations of before this was kept do not tell."""
    if "trained_on" not in setup:
        return
    missing = {one for one, _ in _parts(source, setup)} - set(setup["trained_on"])
    if missing:
        said = f"were trained on {', '.join(setup['trained_on'])}" if setup["trained_on"] else "name no training scans"
        raise SettingsInvalid(
            f"{path}: its weights {said}; {', '.join(sorted(missing))} must be among that",
            remedy="give as --within the evaluation of a network that was trained on it",
        )


def _left_out(source: str, setup: Mapping[str, Any], *, whole: bool) -> bool:
    """Whether all of a source or scanner was left out, or, if not `whole`, any part of it."""
    left_out = set(setup.get("left_out", ()))
    apart = [not left_out.isdisjoint(names) for names in _parts(source, setup)]
    if whole:
        return all(apart)
    return any(apart) or any(one.startswith(f"{source}/") for one in left_out)


def _parts(source: str, setup: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(source, scanner) of all scans measured that belong to a source or a scanner. Where the evaluation does not say
    whose the scanners are, their names must: those in `iflytek2021/5` are the source's and the scanner's."""
    kept = setup.get("scanners_of", {})
    pairs = [(one, name) for one, names in kept.items() for name in names if source in (one, name)]
    return pairs or [(source.partition("/")[0], source)]


def _ratio_interval(without: Measured, within: Measured) -> Interval | None:
    """None where one has no interval, or nothing is there to be a share of. Both are measured on the same scans, whose
    chance they share; the truth is therefore narrower than this."""
    if without.interval is None or within.interval is None or not within.AP50:
        return None
    return ratio_interval(without.AP50, without.interval, within.AP50, within.interval)


def _measured(path: Path, source: str) -> Measured:
    metrics = read_metrics(path)
    with understood(path):
        for way in ("scanners", "sources"):
            part = metrics.get(way, {}).get(source)
            if part and part["AP50"] is not None:
                interval = part["AP50_interval"]
                between = (float(interval[0]), float(interval[1])) if interval else None
                return Measured(int(part["scans"]), int(part["n"]), float(part["AP50"]), between)
        known = ", ".join(sorted({*metrics.get("sources", {}), *metrics.get("scanners", {})}))
    raise SettingsInvalid(f"{path} has no boxes of {source}", remedy=f"it was tested on: {known}")


def _told(measured: Measured) -> str:
    return f"{measured.AP50:.3f}{_between(measured.interval)}"


def _share(row: TransferRow) -> str:
    if row.ratio is None:
        return "not measurable"
    return f"{row.ratio:.2f}{_between(row.ratio_interval)}, {_verdict(row.ratio_interval)}"


def _verdict(ratio: Interval | None) -> str:
    """By the interval, not by the ratio: a few dozen boxes leave most of them open."""
    if ratio is None:
        return "no interval"
    if ratio[1] < KEPT_SHARE:
        return "not carried over"
    return "carried over" if ratio[0] >= KEPT_SHARE else "too uncertain to say"


def _between(interval: Interval | None) -> str:
    return f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else ""
