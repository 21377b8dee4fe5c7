from __future__ import annotations

from pathlib import Path

import pytest

from training.datasets.scan_faults import fault_of, place_of
from training.datasets.scan_journal import ScanFacts

GOOD = ScanFacts(size=10, changed=1, width=64, height=48)
GONE, CUT = ScanFacts(-1, -1), ScanFacts(10, 1, error="ScanUnreadable: cut short")
TURNED = ScanFacts(10, 1, width=64, height=48, orientation=6)


@pytest.mark.parametrize(
    "name", ["../a.png", "a/../../b.png", "/a.png", "..\\a.png", "C:\\a.png", "C:a.png", "~/a.png"]
)
def test_what_leads_out_of_the_folder_is_refused_and_not_looked_at(name: str) -> None:
    fault = fault_of(name, GOOD, (64, 48), has_boxes=True)
    assert fault is not None and fault.kind == "path refused"
    assert place_of(Path("scans"), name) == Path("scans")


@pytest.mark.parametrize(
    ("facts", "has_boxes", "stated", "kind"),
    [
        (GONE, True, (64, 48), "missing file"),
        (CUT, True, (64, 48), "unreadable scan"),
        (TURNED, True, (64, 48), "turned by EXIF"),
        (TURNED, False, (64, 48), ""),
        (TURNED, False, (48, 64), "size mismatch"),
        (GOOD, True, (64, 48), ""),
        (GOOD, True, (None, None), ""),
        (GOOD, True, (64, None), ""),
        (GOOD, True, (None, 64), "size mismatch"),
        (GOOD, True, (0, 48), "size mismatch"),
    ],
)
def test_the_first_thing_that_is_wrong_is_told(
    facts: ScanFacts, has_boxes: bool, stated: tuple[int | None, int | None], kind: str
) -> None:
    fault = fault_of("a/b.png", facts, stated, has_boxes)
    assert (fault.kind if fault else "") == kind
