"""report.html: the results on one page that needs nothing else, alarms first.

The LARGEST_TABLE strongest alarms, by what reached its alarm score, and as many REFER scans have their row; CLEAR scans
fill up to LARGEST_TABLE rows.
The page says above them how many more there are, and where. Pictures are inside the page until PICTURE_BYTES are spent,
in the order of the rows: a browser stays quick with such a page.
"""

from __future__ import annotations

import base64
import heapq
import html
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

import numpy as np

from detector.inspection import Decision
from detector.ledger import StoredResult
from detector.outputs.overlay import shows
from detector.outputs.record import Add, Record, RunContext, strongest
from detector.outputs.report_page import CONTENT_SECURITY_POLICY, SCRIPT, STYLE
from detector.policy import told_score
from detector.scan_names import overlay_name
from detector.settings import EffectiveThresholds
from detector.terminal import visible

#: Rows of ALARM, and of REFER, at most; of all together, where CLEAR scans fill them up.
LARGEST_TABLE = 5000
#: Bytes of base64 pictures in the page at most.
PICTURE_BYTES = 20_000_000
ORDER = (Decision.ALARM, Decision.REFER, Decision.CLEAR)
_SIGNS = {Decision.ALARM: "&#9650;", Decision.REFER: "?", Decision.CLEAR: "&#10003;"}
#: What turns the writing direction round, spelt out: a name must not be read as another.
_DIRECTIONS = {
    code: f"\\u{code:04x}" for code in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
#: (heading, whether it sorts as a number, or not at all)
_HEADINGS = (
    ("Picture", None), ("Decision", "text"), ("Scan", "text"), ("Reasons", "text"), ("Top score", "number"),
    ("Items", "number"), ("Pixels", "number"), ("ms", "number"),
)  # fmt: skip


@contextmanager
def write_html_report(file: TextIO, folder: Path, context: RunContext) -> Iterator[Add]:
    """Writes the page; a row links its overlay where `overlays/` in `folder` holds that result's. Raises OSError."""
    chosen = _Chosen(context.thresholds)
    yield chosen.add
    file.write(_head(chosen.counts, chosen.left_out(), context))
    table = _Table(file, folder / "overlays", context.thresholds)
    for stored in chosen.rows():
        table.add(stored)
    file.write(_foot(table.without_picture, context))


class _Chosen:
    """The results that get a row: the strongest alarms, and of the others those that come first."""

    def __init__(self, thresholds: EffectiveThresholds) -> None:
        self._thresholds = thresholds
        self.counts: Counter[str] = Counter()
        # The weakest is first; of two alike the later one.
        self._alarms: list[tuple[float, int, StoredResult]] = []
        self._others: dict[str, list[StoredResult]] = {Decision.REFER: [], Decision.CLEAR: []}

    def add(self, stored: StoredResult, record: Record) -> None:
        """Takes account of a result, and keeps it where it may get a row."""
        decision = record["decision"]
        self.counts[decision] += 1
        if decision == Decision.ALARM:
            top = _top(record, self._thresholds)
            heapq.heappush(self._alarms, (float(top["score"]) if top else 0.0, -self.counts[decision], stored))
            if len(self._alarms) > LARGEST_TABLE:
                heapq.heappop(self._alarms)
        elif len(self._others[decision]) < LARGEST_TABLE:
            self._others[decision].append(stored)

    def rows(self) -> Iterator[StoredResult]:
        """In the order of the page."""
        for _, _, stored in sorted(self._alarms, reverse=True):
            yield stored
        yield from self._others[Decision.REFER]
        yield from self._others[Decision.CLEAR][: self._room()]

    def left_out(self) -> Counter[str]:
        """Decision -> how many results have no row."""
        shown = {Decision.ALARM: len(self._alarms), Decision.REFER: len(self._others[Decision.REFER])}
        shown[Decision.CLEAR] = min(self._room(), len(self._others[Decision.CLEAR]))
        return self.counts - Counter({decision.value: count for decision, count in shown.items()})

    def _room(self) -> int:
        """For CLEAR scans."""
        return max(0, LARGEST_TABLE - len(self._alarms) - len(self._others[Decision.REFER]))


class _Table:
    """Writes rows, and keeps the account of pictures."""

    def __init__(self, file: TextIO, overlays: Path, thresholds: EffectiveThresholds) -> None:
        self.without_picture = 0
        self._thresholds = thresholds
        self._file, self._overlays, self._budget = file, overlays, PICTURE_BYTES

    def add(self, stored: StoredResult) -> None:
        """Writes one row."""
        record = json.loads(stored.line)
        picture = base64.b64encode(stored.thumbnail).decode("ascii")
        if len(picture) > self._budget:
            picture = ""
            self.without_picture += 1
        self._budget -= len(picture)
        # Not any picture of that name: it may be of another policy.
        own = shows(record["scan"], self._overlays, stored.key.mark())
        link = f"overlays/{quote(overlay_name(record['scan']))}" if own else ""
        when = f"{stored.utc[:10]} {stored.utc[11:19]} UTC"
        self._file.write(_row(record, picture, link, when, self._thresholds))


def _top(record: Record, thresholds: EffectiveThresholds) -> Mapping[str, Any] | None:
    """Of an ALARM the strongest detection that reached its alarm score: another class may have a higher score and no
    part in the alarm. Of any other result the strongest; None without one."""
    alarming = (
        one for one in record["detections"] if np.float32(one["score"]) >= np.float32(thresholds.alarm[one["class"]])
    )
    return max(alarming, key=lambda one: float(one["score"]), default=strongest(record))


def _text(value: object) -> str:
    """Any text as HTML that shows it and does nothing else, inside attributes too."""
    return html.escape(visible(str(value)).translate(_DIRECTIONS), quote=True)


def _row(record: Record, picture: str, link: str, when: str, thresholds: EffectiveThresholds) -> str:
    decision = Decision(record["decision"])
    top = _top(record, thresholds)
    width, height = record["width"], record["height"]
    score = told_score(top["class"], top["score"], thresholds) if top else "&ndash;"
    views = f" &middot; {record['views']} views" if "views" in record else ""
    # <bdi>: a name in a script that runs from right to left must not rearrange the row.
    cells = (
        f'<td class="picture">{_picture(record["scan"], picture, link)}',
        f'<td data-value="{ORDER.index(decision)}"><span class="badge {decision}">{_SIGNS[decision]} {decision}</span>',
        f'<td class="scan" data-value="{_text(record["scan"])}"><bdi>{_text(record["scan"])}</bdi>'
        f"<small>{_text(when)}</small>",
        '<td class="reasons">' + "".join(f"<p>{_text(reason)}</p>" for reason in record["reasons"]),
        f'<td class="number" data-value="{top["score"] if top else ""}">{score}',
        f'<td class="number" data-value="{len(record["detections"])}">{len(record["detections"])}',
        f'<td class="number" data-value="{width * height if width else ""}">'
        + (f"{width} &times; {height}{views}" if width else "&ndash;"),
        f'<td class="number" data-value="{record["elapsed_ms"]}">{record["elapsed_ms"]:.0f}',
    )
    return f'<tr class="{decision}">' + "</td>".join(cells) + "</td></tr>\n"


def _picture(scan: str, picture: str, link: str) -> str:
    name = f"Overlay of {_text(scan)}" if link else f"Picture of {_text(scan)}"
    shown = f"<small>{'open overlay' if link else 'no picture'}</small>"
    if picture:
        source = f"data:image/jpeg;base64,{picture}"
        shown = f'<img loading="lazy" decoding="async" width="132" height="88" alt="{name}" src="{source}">'
    return f'<a href="{link}" target="_blank" rel="noopener">{shown}</a>' if link else shown


def _head(counts: Counter[str], left_out: Counter[str], context: RunContext) -> str:
    name, _, digest = context.weights.partition("@")
    buttons = "".join(
        f'<button type="button" class="{decision}" value="{decision}" aria-pressed="false">'
        f"<b>{counts[decision]}</b>{_SIGNS[decision]} {decision}</button>"
        for decision in ORDER
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Roentgate: {counts[Decision.ALARM]} alarms</title>
<meta http-equiv="Content-Security-Policy" content="{CONTENT_SECURITY_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body>
<header><h1>Roentgate inspection report</h1>
<p class="run">Last run <b>{context.started.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC</b> &middot; took
<b>{_duration(context.seconds)}</b> &middot; weights <b>{_text(name)}</b>
<span title="{_text(digest)}">{_text(digest[:19])}</span></p>{_terms_banner(context.terms)}
<div class="bar" role="group" aria-label="Show by decision">
<button type="button" value="" aria-pressed="true"><b>{counts.total()}</b>All scans</button>{buttons}
<div class="find"><label for="find">Find in names and reasons</label><input id="find" type="search"></div>
<div class="shown" id="shown" role="status"></div></div>{_left_out_note(left_out)}</header>
<main><div class="wide"><table><thead><tr>{"".join(_heading(*heading) for heading in _HEADINGS)}</tr></thead><tbody>
"""


def _heading(title: str, kind: str | None) -> str:
    if kind is None:
        return f'<th scope="col"><span>{title}</span></th>'
    return f'<th scope="col" aria-sort="none" data-kind="{kind}"><button type="button">{title}</button></th>'


def _left_out_note(left_out: Counter[str]) -> str:
    if not left_out:
        return ""
    more = ", ".join(f"{left_out[decision]} {decision}" for decision in ORDER if left_out[decision])
    return f'<p class="note">{more} more: not on this page, but in results.csv and results.jsonl.</p>'


def _foot(without_picture: int, context: RunContext) -> str:
    note = f"{without_picture} rows are without their picture to keep this page quick." if without_picture else ""
    sequence, sha256 = context.audit_head
    facts = {
        "weights": context.weights,
        "terms": context.terms,
        **context.settings,
        "audit": f"{sequence} rows, last {sha256}",
    }
    listing = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in facts.items())
    return f"""</tbody></table></div><p class="note">{note}</p>
<details><summary>Weights, settings and audit</summary><dl>{listing}</dl></details></main>
<script>{SCRIPT}</script></body></html>
"""


def _terms_banner(terms: str) -> str:
    if not any(word in terms.lower() for word in ("research", "non-commercial", "noncommercial", "academic")):
        return ""
    return f'<p class="terms" role="note"><strong>These weights are for research.</strong> {_text(terms)}</p>'


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"
