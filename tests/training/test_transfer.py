"""Which scans are of a source or a scanner, and what a network keeps on one that it never saw."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from detector.errors import SettingsInvalid
from tests.training.test_evaluation import index_of, scan_of
from training.cli import app
from training.datasets.coco_index import read_coco
from training.datasets.scanners import scanners_of, split_without
from training.evaluation.intervals import clopper_pearson, ratio_interval
from training.evaluation.transfer import Transfer, transfer_markdown, transfer_table


def test_optional_keys_of_an_image_are_read(tmp_path: Path) -> None:
    keys: list[dict[str, Any]] = [
        {"file_name": "iflytek2021_500014.jpg", "source": "iflytek2021"},
        {"file_name": "bag_1_top.png", "source": "dv", "subset": "hidden", "group": "bag_1", "scanner": "dv/B"},
    ]
    (tmp_path / "annotations").mkdir()
    (tmp_path / "images").mkdir()
    images = [{"id": number, "width": 9, "height": 9, **one} for number, one in enumerate(keys)]
    for one in keys:
        (tmp_path / "images" / one["file_name"]).touch()
    document = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "gun"}]}
    (tmp_path / "annotations" / "test.json").write_text(json.dumps(document))
    first, second = read_coco(tmp_path, "test").scans
    assert (first.subset, first.group, first.scanner) == ("", "iflytek2021_500014.jpg", "iflytek2021/5")
    assert (second.subset, second.group, second.scanner) == ("hidden", "bag_1", "dv/B")


def test_a_source_or_a_scanner_is_left_out() -> None:
    one, two = (replace(scan_of(source="set"), scanner=f"set/{number}") for number in (1, 2))
    index = index_of(one, two, scan_of(source="other"))
    assert split_without(index, "set/1").scans == index.scans[1:]
    assert split_without(index, "set").scans == index.scans[2:]
    with pytest.raises(SettingsInvalid, match="no scan of sett"):
        split_without(index, "sett")
    with pytest.raises(SettingsInvalid, match="every scan is of set"):
        split_without(index_of(one, two), "set")


def written_metrics(
    path: Path, ap50: float, interval: list[float] | None, n: int = 40, left_out: tuple[str, ...] = ()
) -> Path:
    part = {"scans": 30, "n": n, "AP50": ap50, "AP50_interval": interval}
    path.write_text(
        json.dumps({"sources": {"set": part}, "scanners": {"set/5": part}, "setup": {"left_out": left_out}})
    )
    return path


def test_transfer_table(tmp_path: Path) -> None:
    without = written_metrics(tmp_path / "without.json", 0.3, [0.2, 0.4], left_out=("set/5", "set"))
    within = written_metrics(tmp_path / "within.json", 0.6, [0.5, 0.7])
    (row,) = transfer_table([Transfer("set/5", without, within)])
    assert row.ratio == pytest.approx(0.5) and row.ratio_interval is not None
    # The roots of .35 r^2 - .36 r + .08, which both limits share here.
    assert row.ratio_interval == pytest.approx((0.32476, 0.70381), abs=1e-4)
    assert "| set/5 | 30 | 40 | 0.300 [0.20, 0.40] | 0.600 [0.50, 0.70] | 0.50 [0.32, 0.70], not carried over |" in (
        transfer_markdown([row])
    )
    with pytest.raises(SettingsInvalid, match="no boxes of set/6"):
        transfer_table([Transfer("set/6", without, within)])
    for pair in ((within, within), (without, without)):
        with pytest.raises(SettingsInvalid, match="left"):
            transfer_table([Transfer("set/5", *pair)])
    fewer = written_metrics(tmp_path / "fewer.json", 0.6, None, n=39)
    with pytest.raises(SettingsInvalid, match="30 scans with 40 boxes against 30 with 39"):
        transfer_table([Transfer("set", without, fewer)])


@pytest.mark.parametrize(
    ("without", "interval", "said"),
    [
        (0.4, [0.1, 0.7], "0.67 [0.17, 1.21], too uncertain to say"),
        (0.6, [0.57, 0.63], "1.00 [0.85, 1.21], carried over"),
        (0.4, None, "0.67, no interval"),
        # Nothing found is a figure like any other.
        (0.0, [0.0, 0.12], "0.00 [0.00, 0.20], not carried over"),
    ],
)
def test_a_share_is_judged_by_its_interval(
    without: float, interval: list[float] | None, said: str, tmp_path: Path
) -> None:
    never = written_metrics(tmp_path / "without.json", without, interval, left_out=("set/5",))
    within = written_metrics(tmp_path / "within.json", 0.6, [0.5, 0.7])
    assert f"| {said} |" in transfer_markdown(transfer_table([Transfer("set/5", never, within)]))


def test_a_share_keeps_the_limits_of_each_side_where_they_are_not_symmetric() -> None:
    # One standard error made of both sides said 0.78 to 1.18, and so carried over.
    assert ratio_interval(0.92, (0.60, 0.98), 0.96, (0.90, 0.99)) == pytest.approx((0.624, 1.049), abs=1e-3)
    assert ratio_interval(0.0, (0.0, 0.12), 0.92, (0.60, 0.98)) == pytest.approx((0.0, 0.139), abs=1e-3)
    # The lower figure may be 0, or more than twice what it is.
    low, high = ratio_interval(0.5, (0.3, 0.7), 0.1, (0.0, 0.4))
    assert low == pytest.approx(1.112, abs=1e-3) and high == inf
    # Limits that a lifted figure has left outside are taken to hold it.
    assert ratio_interval(0.5, (0.6, 0.7), 0.8, (0.7, 0.9)) == ratio_interval(0.5, (0.5, 0.7), 0.8, (0.7, 0.9))


@pytest.mark.parametrize(("above", "below"), [(0.95, 0.96), (0.05, 0.9), (0.4, 0.6)])
def test_the_interval_of_a_share_holds_the_truth_as_often_as_it_says(above: float, below: float) -> None:
    times, generator = 300, np.random.default_rng(0)
    draws = zip(generator.binomial(40, above, times), generator.binomial(40, below, times), strict=True)
    intervals = (
        ratio_interval(one / 40, clopper_pearson(one, 40), other / 40, clopper_pearson(other, 40))
        for one, other in draws
    )
    held = sum(low <= above / below <= high for low, high in intervals)
    # Exact limits hold more than they say. Of 300 at 95 %, fewer than 276 come once in a hundred.
    assert held >= 276


def test_the_transfer_command_takes_a_row_for_each_source_and_one_network_that_saw_them_all(tmp_path: Path) -> None:
    apart = written_metrics(tmp_path / "a.json", 0.3, None, left_out=("set/5",))
    other = written_metrics(tmp_path / "b.json", 0.4, None, left_out=("set",))
    within = written_metrics(tmp_path / "within.json", 0.5, None)
    told = [str(word) for word in ("transfer", "set/5", "set", "--without", apart, "--without", other)]
    result = CliRunner().invoke(app, [*told, "--within", str(within)])
    assert "| set/5 | 30 | 40 | 0.300" in result.stdout and "| set | 30 | 40 | 0.400" in result.stdout
    result = CliRunner().invoke(app, [*told, "set/7", "--within", str(within)])
    assert isinstance(result.exception, SettingsInvalid) and "3 sources, 2 --without, 1 --within" in str(
        result.exception
    )


def told_metrics(path: Path, left_out: tuple[str, ...], trained_on: tuple[str, ...]) -> Path:
    """An evaluation on the set `own`, of the scanners `north` and `south`, and on `other`."""
    index = index_of(
        *(replace(scan_of(source="own"), scanner=name) for name in ("north", "south")), scan_of(source="other")
    )
    part = {"scans": 30, "n": 40, "AP50": 0.5, "AP50_interval": None}
    setup = {"left_out": left_out, "trained_on": trained_on, "scanners_of": scanners_of(index)}
    parts = {"sources": {"own": part, "other": part}, "scanners": {"north": part, "south": part, "other": part}}
    path.write_text(json.dumps({**parts, "setup": setup}))
    return path


def test_a_scanner_left_out_under_a_bare_name_is_known_as_part_of_its_source(tmp_path: Path) -> None:
    whole = told_metrics(tmp_path / "whole.json", ("own",), ("other",))
    north = told_metrics(tmp_path / "north.json", ("north",), ("other", "own"))
    both = told_metrics(tmp_path / "both.json", ("north", "south"), ("other",))
    within = told_metrics(tmp_path / "within.json", (), ("other", "own"))
    for source, without in (("own", whole), ("north", whole), ("north", north), ("own", both)):
        assert transfer_table([Transfer(source, without, within)])[0].source == source
    # Trained on half of it is neither never seen nor trained on it.
    for pair in ((north, within), (whole, north)):
        with pytest.raises(SettingsInvalid, match="its weights left out north; own must"):
            transfer_table([Transfer("own", *pair)])


@pytest.mark.parametrize("source", ["own", "north"])
def test_weights_that_never_had_a_source_are_not_trained_on_it(source: str, tmp_path: Path) -> None:
    without = told_metrics(tmp_path / "without.json", ("own",), ("other",))
    foreign = told_metrics(tmp_path / "foreign.json", (), ("other",))
    with pytest.raises(SettingsInvalid, match="were trained on other; own must be among that"):
        transfer_table([Transfer(source, without, foreign)])
    silent = told_metrics(tmp_path / "silent.json", (), ())
    with pytest.raises(SettingsInvalid, match="name no training scans; own must be among that"):
        transfer_table([Transfer(source, without, silent)])


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"setup": null}',
        '{"setup": {}, "sources": []}',
        '{"setup": {}, "sources": {"set": {"scans": 3}}}',
        "{",
    ],
)
def test_what_is_no_evaluation_is_one_line(text: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(text)
    sound = written_metrics(tmp_path / "sound.json", 0.5, [0.4, 0.6])
    with pytest.raises(SettingsInvalid) as caught:
        transfer_table([Transfer("set", broken, sound)])
    assert str(broken) in str(caught.value) and "\n" not in str(caught.value)
