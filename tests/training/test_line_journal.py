from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.files.line_journal import appending, whole_lines


def written(path: Path, count: int, size: int = 1) -> list[dict[str, object]]:
    records: list[dict[str, object]] = [{"number": number, "text": "ä" * size} for number in range(count)]
    with appending(path) as append:
        for record in records:
            append(record)
    return records


def test_a_journal_tells_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal.jsonl"
    assert list(whole_lines(path)) == []
    records = written(path, 3)
    assert list(whole_lines(path)) == records
    assert written(path, 2) == list(whole_lines(path))[3:]


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_journal_cut_off_at_any_byte_loses_that_line_alone(size: int, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    records = written(path, 3, size)
    content = path.read_bytes()
    last = len(content) - len(content.splitlines(keepends=True)[-1])
    for end in {last, last + 1, last + len(content[last:]) // 2, len(content) - 1, 5, 0}:
        path.write_bytes(content[:end])
        left = records[: 2 if end >= last else 0]
        assert list(whole_lines(path)) == left
        with appending(path) as append:
            append({"number": 7})
        assert list(whole_lines(path)) == [*left, {"number": 7}]
        # For other readers, too.
        assert [json.loads(line) for line in path.read_text().splitlines()] == [*left, {"number": 7}]


@pytest.mark.parametrize("damage", [b"\0" * 4096 + b"\n", b"[1]\n", b"\xff\xfe\n", b"\n", b"[" * 200_000 + b"\n"])
def test_what_is_no_record_between_others_is_passed_over(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    records = written(path, 2)
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + damage + second)
    assert list(whole_lines(path)) == records


def test_a_record_is_there_before_the_next_is_made(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with appending(path) as append:
        append({"number": 1})
        assert list(whole_lines(path)) == [{"number": 1}]
