"""The look and the behaviour of report.html: style and script, both inside the page."""

from __future__ import annotations

import base64
import hashlib

from detector.outputs.report_zoom import ZOOM_SCRIPT, ZOOM_STYLE

_TABLE_STYLE = """
:root { --ink: #1c2430; --dim: #566173; --line: #d9dee6; --paper: #fff; --ground: #f3f5f8; --accent: #0b5cad;
  --alarm: #b00020; --refer: #855300; --clear: #1b6e3c; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.45 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; }
main, header { max-width: 1500px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 20px; }
h1 { margin: 0; font-size: 22px; letter-spacing: .01em; }
.run { margin: 2px 0 14px; color: var(--dim); overflow-wrap: anywhere; }
.run b { color: var(--ink); font-weight: 600; }
.terms { margin: 0 0 14px; padding: 10px 14px; border-left: 5px solid var(--refer); background: #fff6e0; }
.bar { display: flex; flex-wrap: wrap; gap: 10px; align-items: stretch; margin-bottom: 14px; }
.bar button { min-width: 118px; padding: 8px 14px; border: 1px solid var(--line); border-top: 5px solid var(--dim);
  border-radius: 6px; background: var(--paper); color: var(--ink); font: inherit; text-align: left; cursor: pointer; }
.bar button b { display: block; font-size: 26px; line-height: 1.15; font-variant-numeric: tabular-nums; }
.bar button.ALARM { border-top-color: var(--alarm); } .bar button.ALARM b { color: var(--alarm); }
.bar button.REFER { border-top-color: var(--refer); } .bar button.REFER b { color: var(--refer); }
.bar button.CLEAR { border-top-color: var(--clear); } .bar button.CLEAR b { color: var(--clear); }
.bar button[aria-pressed=true] { box-shadow: inset 0 0 0 2px var(--accent); background: #eef5fc; }
.bar .find { flex: 1 1 260px; align-self: end; }
.find label { display: block; color: var(--dim); }
.find input { width: 100%; padding: 9px 12px; border: 1px solid #8a94a3; border-radius: 6px; font: inherit; }
.shown { align-self: end; padding-bottom: 9px; color: var(--dim); white-space: nowrap; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 1px; }
@media screen and (max-width: 1200px) { .wide { overflow-x: auto; } .wide th { position: static; } }
table { width: 100%; border-collapse: collapse; background: var(--paper); }
th { position: sticky; top: 0; z-index: 1; padding: 0; background: #e6eaf0; text-align: left; }
th button, th span { display: block; width: 100%; padding: 9px 10px; border: 0; background: none; color: inherit;
  font: inherit; font-weight: 600; text-align: left; white-space: nowrap; }
th[data-kind=number] button { text-align: right; }
th button { cursor: pointer; }
th button::after { content: " \\2195"; color: var(--dim); }
th[aria-sort=ascending] button::after { content: " \\25B2"; color: var(--accent); }
th[aria-sort=descending] button::after { content: " \\25BC"; color: var(--accent); }
td { padding: 6px 10px; border-top: 1px solid var(--line); vertical-align: middle; }
tbody tr { border-left: 5px solid transparent; }
tbody tr.ALARM { border-left-color: var(--alarm); background: #fff5f6; }
tbody tr.REFER { border-left-color: var(--refer); background: #fffaf0; }
tbody tr.CLEAR { border-left-color: var(--clear); }
td.picture { width: 152px; text-align: center; }
td.picture img { display: block; width: 132px; height: 88px; margin: auto; object-fit: contain; background: #fff;
  border: 1px solid var(--line); }
td.picture small { color: var(--dim); }
td.scan { min-width: 220px; max-width: 340px; overflow-wrap: anywhere; font-weight: 600; }
td.scan small { display: block; color: var(--dim); font-weight: 400; }
td.reasons { min-width: 220px; overflow-wrap: anywhere; }
td.reasons p { margin: 0 0 2px; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.badge { display: inline-block; min-width: 86px; padding: 3px 8px; border-radius: 4px; color: #fff; font-weight: 700;
  text-align: center; white-space: nowrap; }
.badge.ALARM { background: var(--alarm); } .badge.REFER { background: var(--refer); }
.badge.CLEAR { background: var(--clear); }
a { color: var(--accent); }
.note { padding: 10px 0; color: var(--dim); }
details { margin: 18px 0 40px; padding: 10px 14px; background: var(--paper); border: 1px solid var(--line); }
summary { font-weight: 600; cursor: pointer; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 10px 0 0; }
dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
/* One row below the other: beside each other, the reasons would lie out of sight. */
@media screen and (max-width: 800px) { main, header { padding: 0 12px; } header { padding-top: 12px; }
  table, thead, tbody, tr:not([hidden]), td { display: block; }
  thead tr:not([hidden]) { display: flex; flex-wrap: wrap; background: #e6eaf0; }
  tbody tr:not([hidden]) { padding: 8px 0; border-top: 1px solid var(--line); }
  tbody td { padding: 2px 10px; border: 0; }
  td.picture { width: auto; } td.picture img { margin: 0; } td.picture, td.number { text-align: left; }
  td.scan { max-width: none; } td.number { display: inline-block; }
  td.number::before { color: var(--dim); }
  td:nth-child(5)::before { content: "Top score "; } td:nth-child(6)::before { content: "Items "; }
  td:nth-child(7)::before { content: "Pixels "; } td:nth-child(8)::before { content: "ms "; } }
/* How many rows a filter left is printed, too: a page that shows a part must not pass for the whole. */
@media print { .find { display: none; } body { background: #fff; font-size: 11px; } th { position: static; }
  main, header { padding: 0; } td { padding: 4px 6px; } th button, th span { padding: 4px 6px; }
  th button::after { content: none !important; }
  td.picture { width: 100px; } td.picture img { width: 90px; height: 60px; }
  td.scan, td.reasons { min-width: 0; } td.number { white-space: normal; }
  .badge { min-width: 0; print-color-adjust: exact; } tr { break-inside: avoid; } }
"""
STYLE = _TABLE_STYLE + ZOOM_STYLE

_TABLE_SCRIPT = """
"use strict";
const body = document.querySelector("tbody"), rows = Array.from(body.rows);
const find = document.querySelector("#find"), shown = document.querySelector("#shown");
const filters = Array.from(document.querySelectorAll(".bar button"));
const texts = rows.map(row => (row.cells[2].textContent + " " + row.cells[3].textContent).toLowerCase());
const position = new Map(rows.map((row, index) => [row, index]));
let decision = "";
function filter() {
  const words = find.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let count = 0;
  rows.forEach((row, index) => {
    const fits = (!decision || row.className === decision) && words.every(word => texts[index].includes(word));
    row.hidden = !fits;
    count += fits ? 1 : 0;
  });
  shown.textContent = count + " of " + rows.length + " rows shown";
}
filters.forEach(button => button.addEventListener("click", () => {
  decision = button.value;
  filters.forEach(other => other.setAttribute("aria-pressed", String(other === button)));
  filter();
}));
find.addEventListener("input", filter);
const compareText = new Intl.Collator(undefined, {numeric: true}).compare;
document.querySelectorAll("th button").forEach(button => button.addEventListener("click", () => {
  const heading = button.parentElement, numeric = heading.dataset.kind === "number";
  const before = heading.getAttribute("aria-sort");
  const descending = before === "none" ? numeric : before === "ascending";
  document.querySelectorAll("th[aria-sort]").forEach(other => other.setAttribute("aria-sort", "none"));
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const value = row => {
    const cell = row.cells[heading.cellIndex], given = cell.dataset.value;
    return numeric ? (given === "" ? -Infinity : Number(given)) : given ?? cell.textContent;
  };
  const keyed = rows.map(row => [value(row), row]);
  const sign = descending ? -1 : 1;
  keyed.sort((a, b) => {
    const order = numeric ? (a[0] === b[0] ? 0 : a[0] < b[0] ? -1 : 1) : compareText(a[0], b[0]);
    return sign * order || position.get(a[1]) - position.get(b[1]);
  });
  body.append(...keyed.map(pair => pair[1]));
}));
filter();
"""
SCRIPT = _TABLE_SCRIPT + ZOOM_SCRIPT


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


#: The page may load nothing but pictures from where it lies itself, and run only this script: whatever a file's name
#: smuggles in stays text. Not every browser takes 'self' to mean the files beside a page that was opened from a disk.
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; img-src data: 'self' file:; style-src {_source(STYLE)}; script-src {_source(SCRIPT)}; "
    "base-uri 'none'; form-action 'none'"
)
