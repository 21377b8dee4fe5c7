"""What a run leaves: whole files, in the contract's form, that no file's name can turn against their reader."""

from __future__ import annotations

import csv
import json
import re
import resource
import shutil
import subprocess
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from detector.detections import Detections
from detector.errors import ScanUnreadable
from detector.inspection import Decision, Inspection
from detector.ledger import Key, StoredResult
from detector.outputs import (
    OUTPUTS,
    RunContext,
    html_report,
    prepared_outputs,
    report_page,
    to_line,
    to_record,
)
from detector.outputs.atomic import text_written_whole
from detector.policy import refer
from detector.scan_names import overlay_name
from detector.settings import EffectiveThresholds

CLASSES = ("gun", "knife")
WEIGHTS = "luggage@sha256:" + "ab" * 32
THRESHOLDS = EffectiveThresholds({"gun": 0.4, "knife": 0.4}, {}, 0.05)
INSPECTED = "2026-03-01T07:59:59.250999+00:00"
HOSTILE = (
    "<img src=x onerror=alert(1)>.png",
    '"><script>alert(2)</script>.png',
    "=cmd|'/c calc'!A0.png",
    "a\u2028b\n.png",
)
CONTEXT = RunContext(
    WEIGHTS,
    CLASSES,
    THRESHOLDS,
    "free",
    {"min_score": "0.05"},
    datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
    61.0,
    (3, "f" * 64),
)


def inspection(scan: str, *scores: float, views: int = 1, decision: Decision | None = None) -> Inspection:
    count = len(scores)
    found = Detections(
        np.tile(np.array([12, 40.5, 200, 160], np.float32), (count, 1)),
        np.array(scores, np.float32),
        np.arange(count) % 2,
        np.arange(count) % views,
        CLASSES,
    )
    decision = decision or (Decision.ALARM if count else Decision.CLEAR)
    sizes = tuple((640 + 10 * view, 480) for view in range(views))
    return Inspection(scan, "5a" * 32, sizes, decision, ("gun 0.93 >= 0.40",), found, WEIGHTS, 71.23)


def unreadable(scan: str) -> Inspection:
    return Inspection(scan, "", (), *refer(ScanUnreadable(f"{scan}: cut short")), Detections.empty(CLASSES), WEIGHTS, 1)


def stored(*inspections: Inspection) -> list[StoredResult]:
    picture = cv2.imencode(".jpg", np.full((20, 30, 3), 200, np.uint8))[1].tobytes()
    return [
        StoredResult(
            to_line(one),
            INSPECTED,
            Key(one.scan, one.sha256, "w", "s"),
            lambda _, seen=one.view_sizes: picture if seen else b"",
        )
        for one in inspections
    ]


def write_outputs(
    folder: Path,
    results: Iterable[StoredResult],
    context: RunContext = CONTEXT,
    names: Collection[str] = tuple(OUTPUTS),
) -> None:
    with prepared_outputs(folder, results, context, names) as prepared:
        prepared.publish()


def page_of(folder: Path, results: list[StoredResult], context: RunContext = CONTEXT) -> str:
    write_outputs(folder, results, context, ["report.html"])
    return (folder / "report.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """Tags with their attributes, and the text of each row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append("")

    def handle_data(self, data: str) -> None:
        if self.rows:
            self.rows[-1] += data


def test_a_line_is_the_contract_to_the_letter() -> None:
    assert to_line(inspection("bag_0001.png", 0.93)) == (
        '{"scan": "bag_0001.png", "sha256": "' + "5a" * 32 + '", "width": 640, "height": 480, "decision": "ALARM", '
        '"reasons": ["gun 0.93 >= 0.40"], "detections": [{"class": "gun", "score": 0.93, '
        '"box_xyxy": [12.0, 40.5, 200.0, 160.0]}], "weights": "' + WEIGHTS + '", "elapsed_ms": 71.2}'
    )


def test_a_score_in_the_report_never_shows_a_threshold_that_it_does_not_reach(tmp_path: Path) -> None:
    near = stored(inspection("a.png", 0.83877, decision=Decision.REFER))
    for thresholds, told in (
        (EffectiveThresholds({"gun": 0.84, "knife": 1}, {"gun": 0.8}, 0.05), "0.839"),
        (EffectiveThresholds({"gun": 0.8387, "knife": 1}, {"gun": 0.8}, 0.05), "0.8388"),
        (EffectiveThresholds({"gun": 0.9, "knife": 1}, {"gun": 0.84}, 0.05), "0.839"),
        (EffectiveThresholds({"gun": 0.06, "knife": 1}, {}, 0.05), "0.84"),
    ):
        write_outputs(tmp_path, near, replace(CONTEXT, thresholds=thresholds))
        page = (tmp_path / "report.html").read_text()
        assert f">{told}</td>" in page


def test_a_row_says_when_the_scan_was_inspected(tmp_path: Path) -> None:
    write_outputs(tmp_path, stored(inspection("a.png", 0.9)), CONTEXT)
    (row,) = csv.DictReader((tmp_path / "results.csv").read_text().splitlines())
    assert row["inspected_utc"] == "2026-03-01T07:59:59.250Z"
    assert "2026-03-01 07:59:59 UTC" in (tmp_path / "report.html").read_text()


def test_several_views_are_counted_from_one() -> None:
    record = to_record(inspection("a.tif", 0.9, 0.8, views=2))
    assert record["views"] == 2 and record["view_sizes"] == [[640, 480], [650, 480]]
    assert [one["view"] for one in record["detections"]] == [1, 2]


def test_an_unreadable_scan_refers_without_size_or_detections() -> None:
    record = to_record(unreadable("a.png"))
    assert (record["decision"], record["width"], record["detections"]) == ("REFER", None, [])
    assert record["reasons"][0].startswith("ScanUnreadable: ")


def test_a_score_keeps_all_that_float32_holds() -> None:
    below = float(np.nextafter(np.float32(0.4), np.float32(0)))
    score = json.loads(to_line(inspection("a.png", below)))["detections"][0]["score"]
    assert score < 0.4 and np.float32(score) == np.float32(below)


def test_jsonl_has_one_line_a_scan_whatever_its_name(tmp_path: Path) -> None:
    names = [*HOSTILE, b"\xff.png".decode("utf-8", "surrogateescape")]
    write_outputs(tmp_path, stored(*[inspection(name) for name in names]), CONTEXT)
    lines = (tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["scan"] for line in lines] == [*HOSTILE, "\\udcff.png"]


def test_csv_has_a_row_a_scan_and_no_formula(tmp_path: Path) -> None:
    names = [*HOSTILE, "+1.png", "-1.png", "@a.png", "\t=1.png", "plain.png"]
    results = stored(*[inspection(name, 0.9, 0.8, 0.3) for name in names], unreadable("z.png"))
    write_outputs(tmp_path, results, CONTEXT, ["results.csv"])
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(names) + 1
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for row in rows for cell in row.values())
    assert rows[-2]["scan"] == "plain.png" and rows[-2]["counts"] == "gun 2, knife 1"
    assert (rows[-2]["top_class"], float(rows[-2]["top_score"]), rows[-2]["detections"]) == ("gun", 0.9, "3")
    assert (rows[-1]["decision"], rows[-1]["width"], rows[-1]["views"]) == ("REFER", "", "0")


def test_coco_ids_boxes_and_views(tmp_path: Path) -> None:
    results = stored(inspection("a.png", 0.9), unreadable("b.png"), inspection("c.tif", 0.8, 0.7, views=2))
    write_outputs(tmp_path, results, CONTEXT, ["detections.coco.json"])
    coco = json.loads((tmp_path / "detections.coco.json").read_text(encoding="utf-8"))
    assert [(one["id"], one["name"]) for one in coco["categories"]] == [(1, "gun"), (2, "knife")]
    assert [(one["id"], one["file_name"], one["width"]) for one in coco["images"]] == [
        (1, "a.png", 640), (2, "c.tif", 640), (3, "c.tif", 650),
    ]  # fmt: skip
    assert [(one["image_id"], one["category_id"], one["score"]) for one in coco["annotations"]] == [
        (1, 1, 0.9), (2, 1, 0.8), (3, 2, 0.7),
    ]  # fmt: skip
    assert coco["annotations"][0]["bbox"] == [12.0, 40.5, 188.0, 119.5]
    assert coco["annotations"][0]["area"] == pytest.approx(188 * 119.5)


def test_coco_loads_in_faster_coco_eval(tmp_path: Path) -> None:
    faster_coco_eval = pytest.importorskip("faster_coco_eval")
    write_outputs(tmp_path, stored(inspection("a.png", 0.9, 0.5), inspection("b.png")), CONTEXT)
    coco = faster_coco_eval.COCO(str(tmp_path / "detections.coco.json"))
    assert len(coco.getImgIds()) == 2 and len(coco.getAnnIds(imgIds=[1])) == 2


def test_overlay_names_are_safe_and_never_shared() -> None:
    scans = [
        "bag.png", "bag.png.jpg", "a/bag.png", "a_bag.png", "a/bag.tif", "b/bag.png", "../bag.png", "/etc/bag.png",
        ".bag.png", "..", "bag png", "bag_png", "посылка.png", "пакет.png", "x" * 400 + ".png", "x" * 401 + ".png",
        overlay_name("a/bag.png"), overlay_name("a/bag.png").removesuffix(".jpg"), *HOSTILE,
        "Bag.png", "BAG.PNG", "A/bag.png", "a/Bag.png",
    ]  # fmt: skip
    # Many disks take names that differ in case alone for one.
    names = [overlay_name(scan).lower() for scan in scans]
    assert len(set(names)) == len(scans)
    assert all(re.fullmatch(r"[A-Za-z0-9_~][A-Za-z0-9._~-]*\.jpg", name) and len(name) < 140 for name in names)
    assert overlay_name("bag_0001.png") == "bag_0001.png.jpg"


def test_the_report_is_alarms_first_and_links_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "overlays").mkdir()
    results = stored(
        inspection("clear.png"),
        inspection("d/alarm.png", 0.6),
        unreadable("refer.png"),
        inspection("worse.png", 0.9),
    )
    (tmp_path / "overlays" / overlay_name("d/alarm.png")).write_text(results[1].key.mark())
    page = Page(page_of(tmp_path, results))
    for row, name in zip(page.rows[1:], ["worse.png", "d/alarm.png", "refer.png", "clear.png"], strict=True):
        assert name in row
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert links == [f"overlays/{overlay_name('d/alarm.png')}"]
    assert [attributes.get("aria-sort") for tag, attributes in page.tags if tag == "th"].count("none") == 7


def test_the_report_loads_nothing_and_names_stay_text(tmp_path: Path) -> None:
    text = page_of(tmp_path, stored(*[inspection(name, 0.9) for name in HOSTILE]))
    page = Page(text)
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert not [tag for tag, attributes in page.tags if any(name.startswith("on") for name in attributes)]
    sources = [attributes["src"] or "" for _, attributes in page.tags if "src" in attributes]
    assert len(sources) == len(HOSTILE) and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert "http" not in text.replace("http-equiv", "")
    assert any(HOSTILE[0] in row for row in page.rows)


@pytest.mark.parametrize(("terms", "warned"), [("Research use only", True), ("CC BY 4.0", False)])
def test_weights_for_research_are_announced(tmp_path: Path, terms: str, warned: bool) -> None:
    context = RunContext(WEIGHTS, CLASSES, THRESHOLDS, terms, {}, CONTEXT.started, 0.5, (0, "0" * 64))
    assert ('role="note"' in page_of(tmp_path, [], context)) is warned


def test_a_large_report_shows_the_strongest_alarms_and_says_what_it_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html_report, "LARGEST_TABLE", 5)
    monkeypatch.setattr(html_report, "PICTURE_BYTES", 4 * 4 * len(stored(inspection("a"))[0].thumbnail) // 3 + 16)
    many = [inspection(f"clear{number}.png") for number in range(9)]
    some = stored(*many, *[inspection(f"alarm{number}.png", 0.9) for number in range(3)])
    text = page_of(tmp_path, some)
    page = Page(text)
    assert len(page.rows) == 1 + 5
    assert sum(tag == "img" for tag, _ in page.tags) == 4
    assert all("alarm" in row for row in page.rows[1:4])
    assert "7 CLEAR more: not on this page, but in results.csv" in text and "1 rows are without" in page.rows[-1]
    # However many alarms there are, a scan that a person must look at is not crowded out.
    alarms = [inspection(f"alarm{number}.png", 0.5 + number / 100) for number in range(8)]
    text = page_of(tmp_path, stored(*many, *alarms, unreadable("refer.png")))
    rows = Page(text).rows[1:]
    assert [re.findall(r"[a-z]+\d*\.png", row)[-1] for row in rows] == [
        "alarm7.png", "alarm6.png", "alarm5.png", "alarm4.png", "alarm3.png", "refer.png",
    ]  # fmt: skip
    assert "3 ALARM, 9 CLEAR more: not on this page, but in results.csv" in text
    assert "<b>8</b>" in text and "<b>9</b>" in text


def test_alarms_are_ranked_by_what_alarmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a policy that stops lighters at 0.92 and guns at 0.06, a lighter at 0.91 alarms nobody."""
    monkeypatch.setattr(html_report, "LARGEST_TABLE", 2)
    thresholds = EffectiveThresholds({"gun": 0.06, "knife": 0.92}, {"knife": 0.5}, 0.01)
    results = stored(inspection("faint.png", 0.07, 0.91), inspection("sure.png", 0.9), inspection("middle.png", 0.5))
    rows = Page(page_of(tmp_path, results, replace(CONTEXT, thresholds=thresholds))).rows[1:]
    assert [re.findall(r"[a-z]+\.png", row)[-1] for row in rows] == ["sure.png", "middle.png"]
    monkeypatch.setattr(html_report, "LARGEST_TABLE", 5)
    (row,) = [
        row for row in Page(page_of(tmp_path, results, replace(CONTEXT, thresholds=thresholds))).rows if "faint" in row
    ]
    assert "0.07" in row and "0.91" not in row


def test_a_report_of_few_scans_says_nothing_of_more(tmp_path: Path) -> None:
    assert "more: not on this page" not in page_of(tmp_path, stored(inspection("a.png"), inspection("b.png", 0.9)))


def test_results_are_gone_through_once_and_few_pictures_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html_report, "LARGEST_TABLE", 2)
    read: list[str] = []

    def thumbnail(key: Key) -> bytes:
        read.append(key.scan)
        return b""

    lines = [to_line(inspection(f"{number}.png", 0.5 + number / 100)) for number in range(9)]
    once = (
        StoredResult(line, INSPECTED, Key(f"{number}.png", "", "", ""), thumbnail) for number, line in enumerate(lines)
    )
    write_outputs(tmp_path, once)
    assert read == ["8.png", "7.png"]
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 9
    assert len(json.loads((tmp_path / "detections.coco.json").read_text())["images"]) == 9


@pytest.mark.parametrize("name", list(OUTPUTS))
def test_a_writer_that_is_stopped_leaves_the_old_file_and_nothing_else(tmp_path: Path, name: str) -> None:
    class Cut:
        def __iter__(self) -> Iterator[StoredResult]:
            yield from stored(inspection("a.png"))
            raise OSError("disk full")

    (tmp_path / name).write_text("old")
    with pytest.raises(OSError, match="disk full"):
        write_outputs(tmp_path, Cut(), CONTEXT, [name])
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "old")]


def test_a_disk_that_stays_full_leaves_nothing_half_written(tmp_path: Path) -> None:
    def half_written() -> None:
        with text_written_whole(tmp_path / "results.csv") as file:
            file.write("x" * 5_000)
            # As where another output fails: what is buffered in this one is written on closing, and fails as well.
            raise RuntimeError

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            half_written()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    results = stored(inspection("a.png", 0.9), unreadable("b.png"), inspection("c.png"))
    written = []
    for folder in (tmp_path / "1", tmp_path / "2"):
        folder.mkdir()
        write_outputs(folder, results, CONTEXT)
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1] and set(written[0]) == set(OUTPUTS)


def test_the_script_of_the_report_parses() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    checked = subprocess.run([node, "--check", "-"], input=report_page.SCRIPT, text=True, capture_output=True)
    assert checked.returncode == 0, checked.stderr


def test_a_name_that_turns_its_letters_round_is_read_as_it_is(tmp_path: Path) -> None:
    page = page_of(tmp_path, stored(inspection("bag_\u202egpj.tac.jpg", 0.9)))
    assert not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", page)
    assert "bag_\\u202egpj.tac.jpg" in Page(page).rows[1]


def test_nothing_of_the_table_is_cut_off_on_paper_and_a_filter_is_told_there() -> None:
    style = report_page.STYLE
    on_paper = style[style.index("@media print") :]
    # What scrolls on a screen would be clipped on paper, which is narrow.
    assert all(rule.startswith("screen") for rule in style.split("@media ")[1:] if "overflow-x" in rule.split("\n")[0])
    assert "td.scan, td.reasons { min-width: 0; }" in on_paper
    assert ".shown" not in on_paper.split("body")[0]


def test_every_number_has_its_name_where_rows_stand_below_each_other() -> None:
    names = dict(re.findall(r'td:nth-child\((\d)\)::before { content: "([^"]+) "', report_page.STYLE))
    headings = enumerate(html_report._HEADINGS, start=1)
    assert names == {str(at): title for at, (title, kind) in headings if kind == "number"}
