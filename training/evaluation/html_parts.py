"""The pieces that an evaluation's page is made of: style, tables, figures as data, rates in words."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from training.evaluation.gallery import GalleryPicture
from training.evaluation.intervals import Interval, Rate

STYLE = """
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
th { color: var(--soft); font-weight: 600; border-bottom: 2px solid #b8c3cf;
  white-space: normal; vertical-align: bottom; }
main > .note { margin-top: 20px; }
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
ul.verdict { margin: 18px 0 0; padding: 0; list-style: none; max-width: 120ch; }
ul.verdict li { margin: 0 0 8px; padding: 9px 14px; border-left: 4px solid var(--line); background: var(--panel); }
ul.verdict li.good { border-color: #2e8b57; } ul.verdict li.bad { border-color: #c2410c; }
ul.verdict li.unknown { border-color: #8a95a3; }
td.good { color: #1d6b41; } td.bad { color: #b03a08; } td.unknown { color: #7b8794; }
td.good, td.bad, td.unknown, td.words { text-align: left; }
td.good, td.bad, td.unknown { font-weight: 600; }
.part { margin: 56px 0 0; padding-top: 14px; border-top: 3px solid var(--ink); font-size: 22px; }
td.hit { background: #e3f1e6; } td.wrong { background: #fbe9e0; }
footer { margin: 44px 0 30px; color: var(--soft); font-size: 13px; }
"""


class Html(str):
    """Text that is HTML already."""


class WholeCell(str):
    """A `<td>` of its own, with a style."""


def marked(kind: str, text: str) -> WholeCell:
    """kind: good, bad, unknown, words, hit or wrong."""
    return WholeCell(f'<td class="{kind}">{escape(text)}</td>')


def part(title: str) -> str:
    """The heading of a part of the page."""
    return f'<h2 class="part">{escape(title)}</h2>'


def section(title: str, note: str, content: str) -> str:
    """Heading, words, and content that is HTML."""
    words = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{words}{content}</section>"


def table(head: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """rows: (CSS class, cells); text is escaped unless it is Html."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = (f'<tr class="{kind}">{"".join(map(cell, cells))}</tr>' for kind, cells in rows)
    return f'<div class="scroll"><table><tr>{top}</tr>{"".join(lines)}</table></div>'


def cell(content: str) -> str:
    """One cell; a WholeCell stays as it is."""
    if isinstance(content, WholeCell):
        return content
    return f"<td>{content if isinstance(content, Html) else escape(content)}</td>"


def inline(path: Path) -> str:
    """The picture as a data address."""
    kind = "png" if path.suffix == ".png" else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def gallery_section(title: str, note: str, pictures: Sequence[GalleryPicture]) -> str:
    """The pictures with their captions, and what the colours of the boxes mean."""
    if not pictures:
        return section(title, "None.", "")
    key = (
        f'<p class="note key">{escape(note)}<i style="border-color:#000"></i>ground truth'
        '<i style="border-color:#e20074"></i>detection at or above its alarm threshold</p>'
    )
    figures = (
        f'<figure><img alt="{escape(one.title)}" src="{inline(one.path)}">'
        f"<figcaption><b>{escape(one.title)}</b><br>{escape(one.detail)}</figcaption></figure>"
        for one in pictures
    )
    return f'<section><h2>{escape(title)}</h2>{key}<div class="gallery">{"".join(figures)}</div></section>'


def figure(value: float | None) -> str:
    """Three digits."""
    return "-" if value is None else f"{value:.3f}"


def rate(measured: Rate) -> str:
    """`71.3% (286 of 401; 66.6%-75.7%)`: never a rate without its n and interval."""
    if measured.value is None or measured.interval is None:
        return "no such scan"
    low, high = measured.interval
    counts = f"{measured.count} of {measured.total}; {low:.1%}-{high:.1%}"
    return Html(f"{measured.value:.1%} <small>({counts})</small>")


def within(interval: Interval | None) -> str:
    """` (0.123-0.456)`, or nothing."""
    return f" ({interval[0]:.3f}-{interval[1]:.3f})" if interval else ""
