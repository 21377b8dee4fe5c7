"""An audit compares results.jsonl with what was recorded, however large both are."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from detector.outputs import foreign_lines


def test_lines_that_nobody_recorded_are_told_by_number(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(b"one\nfalse\r\ntwo\r\nfalse\n")
    assert foreign_lines(path, ["two", "one", "since replaced"]) == [
        f"results.jsonl line {number}: no such result was ever recorded" for number in (2, 4)
    ]


def test_the_file_is_not_held_in_memory(tmp_path: Path) -> None:
    path, line = tmp_path / "results.jsonl", "x" * 10_000
    path.write_text("".join(f"{number}{line}\n" for number in range(1_000)))
    tracemalloc.start()
    try:
        assert foreign_lines(path, (f"{number}{line}" for number in range(1_000))) == []
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
