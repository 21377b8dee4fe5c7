"""What scans are called is what their results are found by: the spelling of earlier runs must not change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from detector.scan_names import overlay_name, own_text, storable_text, whole_path, whole_path_marked

#: A path whose last name is no UTF-8, and one that is spelled as the first is stored.
NO_UTF8, SPELLED = Path(os.fsdecode(b"/belt/bag_\xff.png")), Path(r"/belt/bag_\udcff.png")


def test_text_that_is_no_utf8_is_spelled_out() -> None:
    assert storable_text(str(NO_UTF8)) == r"/belt/bag_\udcff.png" == storable_text(str(SPELLED))
    assert storable_text("посылка 1.png") == "посылка 1.png"


def test_paths_that_are_spelled_alike_are_told_apart() -> None:
    assert own_text(NO_UTF8) == r"/belt/bag_\udcff.png~fcb79257b62c"
    assert own_text(SPELLED) == r"/belt/bag_\udcff.png"
    assert storable_text(whole_path(NO_UTF8)) == storable_text(whole_path(SPELLED)) == r"/belt/bag_\udcff.png"
    assert storable_text(whole_path_marked(NO_UTF8)) == r"/belt/bag_\udcff.png~fcb79257b62c"
    assert storable_text(whole_path_marked(SPELLED)) == r"/belt/bag_\udcff.png~dd082bab7a6f"


@pytest.mark.parametrize(
    ("scan", "name"),
    [
        ("bag_0001.png", "bag_0001.png.jpg"),
        ("a/bag.png", "a_bag.png~a96b32145006.jpg"),
        ("Bag.png", "Bag.png~79dc2dee4b43.jpg"),
        ("посылка.png", "png~02c389c028a1.jpg"),
        (str(NO_UTF8), "belt_bag__udcff.png~dd082bab7a6f.jpg"),
        ("x" * 130 + ".png", f"{'x' * 76}.png~2b7894cea16f.jpg"),
    ],
)
def test_pictures(scan: str, name: str) -> None:
    assert overlay_name(scan) == name


def test_pictures_of_other_kinds_have_their_own_ending() -> None:
    assert overlay_name("bag.tif", ".view2.png") == "bag.tif.view2.png"
    assert overlay_name("a/bag.tif", ".view2.png") == "a_bag.tif~6add0da35d81.view2.png"
