"""The ledger keeps one result a key, loses nothing, and shows what was tampered with."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from detector import ledger as ledger_module
from detector.errors import SettingsInvalid
from detector.ledger import _CURRENT_RESULTS, Key, Ledger
from detector.ledger_audit import canonical_json
from detector.ledger_file import LedgerUnusable


def line(scan: str, decision: str = "CLEAR", reason: str = "nothing found") -> str:
    return json.dumps({"scan": scan, "decision": decision, "reasons": [reason]})


def key(scan: str, sha256: str = "a") -> Key:
    return Key(scan, sha256, "weights", "settings")


def lines(ledger: Ledger) -> list[str]:
    return [stored.line for stored in ledger.results("weights", "settings")]


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        for number in range(5):
            ledger.record(key(f"{number}.png"), line(f"{number}.png"), b"jpeg")
    return path


def tamper(path: Path, *statements: str) -> tuple[str, ...]:
    """Somebody with SQLite in hand; the triggers do not stop them."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER IF EXISTS audit_never_edited")
        connection.execute("DROP TRIGGER IF EXISTS audit_never_shortened")
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement
        connection.commit()
    with Ledger(path) as ledger:
        return ledger.verify()


def test_a_result_survives_and_keeps_its_bytes(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert not ledger.has(key("b.png"))
        ledger.record(key("b.png"), line("b.png"), b"\xff\xd8b")
        ledger.record(key("a.png"), line("a.png"))
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert ledger.has(key("b.png"))
        assert not ledger.has(key("b.png", "other bytes"))
        stored = list(ledger.results("weights", "settings"))
        assert [(one.line, one.thumbnail) for one in stored] == [(line("a.png"), b""), (line("b.png"), b"\xff\xd8b")]
        assert list(ledger.results("weights", "other settings")) == []
        assert ledger.verify() == ()


def test_the_latest_bytes_of_a_scan_count_and_older_ones_come_back(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.record(key("s.png", "old"), line("s.png", reason="old"))
        ledger.record(key("s.png", "new"), line("s.png", reason="new"))
        assert lines(ledger) == [line("s.png", reason="new")]
        assert ledger.has(key("s.png", "new")) and lines(ledger) == [line("s.png", reason="new")]
        assert ledger.has(key("s.png", "old")) and lines(ledger) == [line("s.png", reason="old")]
        assert ledger.verify() == ()


def test_a_refer_for_an_error_is_tried_again_and_stays_in_the_audit(tmp_path: Path) -> None:
    failed = line("s.png", "REFER", "ScanUnreadable: cut short; export again")
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.record(key("s.png"), failed, final=False)
        assert not ledger.has(key("s.png"))
        assert lines(ledger) == [failed]
        ledger.record(key("s.png"), line("s.png"))
        assert ledger.has(key("s.png"))
        assert lines(ledger) == [line("s.png")]
        assert ledger.head()[0] == 2
        entries = [json.loads(entry)["result"] for (entry,) in ledger.rows("SELECT entry FROM audit")]
        assert entries == [failed, line("s.png")]


@pytest.mark.parametrize("reason", ["gun 0.31 is below its alarm score 0.40", "ScanUnreadable: so a note begins"])
def test_a_refer_of_a_scan_that_was_judged_is_final_whatever_its_words(tmp_path: Path, reason: str) -> None:
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.record(key("s.png"), line("s.png", "REFER", reason))
        assert ledger.has(key("s.png"))
        assert ledger.verify() == ()


def test_the_audit_still_knows_which_results_of_earlier_versions_are_final(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their entries do not say so."""

    def as_before(entry: dict[str, object]) -> str:
        return canonical_json({name: value for name, value in entry.items() if name != "final"})

    failed = line("failed.png", "REFER", "ScanUnreadable: cut short; export again")
    with Ledger(tmp_path / "l.sqlite") as ledger, monkeypatch.context() as patched:
        patched.setattr(ledger_module, "canonical_json", as_before)
        ledger.record(key("failed.png"), failed, final=False)
        ledger.record(key("referred.png"), line("referred.png", "REFER", "gun 0.31 is below its alarm score 0.40"))
        ledger.record(key("alarm.png"), line("alarm.png", "ALARM", "ScanUnreadable: so a note begins"))
        assert not any("final" in json.loads(entry) for (entry,) in ledger.rows("SELECT entry FROM audit"))
        assert ledger.verify() == ()
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert not ledger.has(key("failed.png"))
        assert ledger.has(key("referred.png")) and ledger.has(key("alarm.png"))
    for scan, final in (("failed.png", 1), ("referred.png", 0)):
        (problem,) = tamper(tmp_path / "l.sqlite", f"UPDATE results SET final = {final} WHERE scan = '{scan}'")
        assert problem == f"result of {scan!r}: not the one that the audit names"
        tamper(tmp_path / "l.sqlite", f"UPDATE results SET final = {1 - final} WHERE scan = '{scan}'")


def test_the_audit_refuses_edits_through_the_front_door(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection:
        for statement in ("UPDATE audit SET utc = ''", "DELETE FROM audit"):
            with pytest.raises(sqlite3.IntegrityError, match="only grows"):
                connection.execute(statement)


REASON_IS_A_NUMBER = r"""replace(replace(entry, 'CLEAR', 'REFER'), '\"nothing found\"', '7')"""


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (["UPDATE audit SET entry = replace(entry, 'CLEAR', 'ALARM') WHERE sequence = 3"], "audit row 3: edited"),
        (["UPDATE audit SET utc = '2020-01-01' WHERE sequence = 2"], "audit row 2: edited"),
        (["DELETE FROM audit WHERE sequence = 3"], "audit row 3: missing"),
        (["DELETE FROM audit WHERE sequence = 5"], "result of '4.png': not in the audit"),
        (
            [
                "UPDATE audit SET sequence = -3 WHERE sequence = 3",
                "UPDATE audit SET sequence = 3 WHERE sequence = 4",
                "UPDATE audit SET sequence = 4 WHERE sequence = -3",
            ],
            "audit row 3: does not follow",
        ),
        (["UPDATE results SET recorded = 1 WHERE scan = '4.png'"], "result of '4.png': not the one"),
        (["UPDATE results SET thumbnail = x'00' WHERE scan = '1.png'"], "result of '1.png': not the one"),
        (["DELETE FROM results WHERE scan = '2.png'"], "result of '2.png': missing"),
        (["UPDATE results SET final = 0 WHERE scan = '2.png'"], "result of '2.png': not the one"),
        # Values of another kind than the column's.
        (["UPDATE results SET thumbnail = 'x' WHERE scan = '1.png'"], "result of '1.png': not the one"),
        (["UPDATE results SET thumbnail = 7, final = 'x', current = x'00'"], "result of '1.png': not the one"),
        (["UPDATE audit SET entry = 7 WHERE sequence = 3"], "audit row 3: holds no result"),
        (["UPDATE audit SET entry = x'ff' WHERE sequence = 3"], "audit row 3: holds no result"),
        ([f"UPDATE audit SET entry = {REASON_IS_A_NUMBER}"], "audit row 1: holds no result"),
        (["UPDATE audit SET entry = replace(hex(zeroblob(50000)), '0', '[')"], "audit row 1: holds no result"),
        (["UPDATE results SET scan = CAST(x'ff' AS TEXT) WHERE scan = '1.png'"], "result of '1.png': missing"),
        (["UPDATE audit SET utc = x'00', previous = 7, sha256 = x'00'"], "audit row 1: edited"),
    ],
)
def test_tampering_is_found(filled: Path, statements: list[str], told: str) -> None:
    assert any(problem.startswith(told) for problem in tamper(filled, *statements))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET entry = replace(entry, 'CLEAR', 'ALARM') WHERE sequence = 3",
        "UPDATE audit SET entry = 7 WHERE sequence = 3",
        "UPDATE audit SET entry = replace(hex(zeroblob(50000)), '0', '[') WHERE sequence = 3",
        "DELETE FROM audit WHERE sequence = 3",
        # The result of another scan in its place.
        "UPDATE results SET recorded = 1 WHERE scan = '2.png'",
    ],
)
def test_no_result_is_given_that_is_not_the_one_recorded(filled: Path, statement: str) -> None:
    tamper(filled, statement)
    with Ledger(filled) as ledger:
        for asked in (
            lambda: lines(ledger),
            lambda: ledger.line(key("2.png")),
            lambda: ledger.current_line("2.png", "weights", "settings"),
        ):
            with pytest.raises(LedgerUnusable, match=r"result of 2\.png is not the one that was recorded") as refused:
                asked()
            assert "roentgate audit" in refused.value.remedy
        assert ledger.current_line("1.png", "weights", "settings") == line("1.png")


@pytest.mark.parametrize(
    "statement",
    [
        # A row that the audit does not have, that of another result, and that of another scan that was recalled.
        "UPDATE results SET current = 999 WHERE sha256 = 'cleared'",
        "UPDATE results SET current = recorded + 2 WHERE sha256 = 'cleared'",
        "UPDATE results SET current = 6 WHERE sha256 = 'cleared'",
        # An alarm that steps back.
        "UPDATE results SET current = 0 WHERE sha256 = 'alarmed'",
        # Not numbers at all.
        "UPDATE results SET current = 'z' WHERE sha256 = 'cleared'",
        "UPDATE results SET current = x'ff' WHERE sha256 = 'cleared'",
    ],
)
def test_no_older_result_takes_the_place_of_a_newer_one(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "l.sqlite"
    with Ledger(path) as ledger:
        ledger.record(key("s.png", "cleared"), line("s.png"))
        ledger.record(key("o.png", "1"), line("o.png"))
        ledger.record(key("s.png", "alarmed"), line("s.png", "ALARM"))
        ledger.record(key("o.png", "2"), line("o.png"))
        ledger.record(key("o.png", "3"), line("o.png"))
        assert ledger.has(key("o.png", "1")) and ledger.head()[0] == 6
    assert any("result of 's.png'" in problem for problem in tamper(path, statement))
    with Ledger(path) as ledger:
        with pytest.raises(LedgerUnusable, match=r"result of s\.png is not the one that was recorded"):
            lines(ledger)
        assert ledger.current_line("o.png", "weights", "settings") == line("o.png")
        for _ in range(2):
            with suppress(LedgerUnusable):
                assert ledger.current_line("s.png", "weights", "settings") == line("s.png", "ALARM")
            # A run that meets the file as it is now may put its result in front again.
            assert ledger.has(key("s.png", "alarmed"))


def test_a_recall_whose_audit_row_was_altered_is_none(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    with Ledger(path) as ledger:
        ledger.record(key("s.png", "old"), line("s.png"))
        ledger.record(key("s.png", "new"), line("s.png", "ALARM"))
        assert ledger.has(key("s.png", "old"))
    tamper(path, "UPDATE audit SET utc = '2020-01-01' WHERE sequence = 3")
    with Ledger(path) as ledger, pytest.raises(LedgerUnusable, match="not the one that was recorded"):
        lines(ledger)


def test_results_are_read_in_their_order_without_sorting_them_or_reading_pictures(filled: Path) -> None:
    with Ledger(filled) as ledger:
        plan = [row[-1] for row in ledger.rows(f"EXPLAIN QUERY PLAN {_CURRENT_RESULTS}", ("weights", "settings"))]
        assert not [step for step in plan if "TEMP B-TREE" in step or "MATERIALIZE" in step], plan
        assert "thumbnail" not in _CURRENT_RESULTS


def test_a_ledger_of_before_the_additions_goes_on_and_an_audit_leaves_it_as_it_is(filled: Path) -> None:
    before = filled.read_bytes()
    with Ledger.to_read(filled) as ledger:
        assert ledger.verify() == ()
    assert filled.read_bytes() == before
    with Ledger(filled) as ledger:
        assert ledger.claim([("/belt/a.png", ["a.png"])]) == ["a.png"] and ledger.published() is None
        assert len(lines(ledger)) == 5 and ledger.verify() == ()


def test_others_record_while_results_are_read(filled: Path) -> None:
    with Ledger(filled) as reading, Ledger(filled) as writing, reading.snapshot():
        seen = iter(reading.results("weights", "settings"))
        next(seen)
        writing.record(key("9.png"), line("9.png"))
        assert len(list(seen)) == 4 and reading.head()[0] == 5
        assert writing.head()[0] == 6


def test_a_name_is_one_files_for_good(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert ledger.claim([("/1/a.png", ["a.png", "1/a.png"])]) == ["a.png"]
        both = [("/1/a.png", ["1/a.png", "/1/a.png"]), ("/2/a.png", ["a.png", "2/a.png", "/2/a.png"])]
        assert ledger.claim(both) == ["a.png", "2/a.png"]
        assert ledger.claim(both[1:]) == ["2/a.png"]
        # Its path as given is another's name already.
        assert ledger.claim([("/x/2/a.png", ["2/a.png", "2/a.png", "/x/2/a.png"])]) == ["/x/2/a.png"]
        with pytest.raises(SettingsInvalid, match=r"another file called 2/a\.png"):
            ledger.claim([("/3/new.png", ["new.png"]), ("/4/a.png", ["a.png", "2/a.png"])])
        assert "new.png" not in dict(ledger.rows("SELECT scan, path FROM origins"))


def test_an_edit_with_its_own_hash_made_good_breaks_the_next_row(filled: Path) -> None:
    problems = tamper(filled, "UPDATE audit SET sha256 = 'forged' WHERE sequence = 2")
    assert any(problem.startswith("audit row 3: does not follow") for problem in problems)


def test_rows_cut_off_with_their_results_show_in_the_head(filled: Path) -> None:
    with Ledger(filled) as ledger:
        head = ledger.head()
    statements = ("DELETE FROM audit WHERE sequence = 5", "DELETE FROM results WHERE recorded = 5")
    assert tamper(filled, *statements) == ()
    with Ledger(filled) as ledger:
        assert ledger.head() != head


@pytest.mark.parametrize("content", [b"", b"not SQLite at all" * 100, b"SQLite format 3\0" + bytes(4096)])
def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(LedgerUnusable) as refused:
        Ledger(path)
    assert "\n" not in str(refused.value) and refused.value.remedy
    assert path.read_bytes() == content


def test_a_foreign_database_and_another_version_are_refused(tmp_path: Path, filled: Path) -> None:
    foreign = tmp_path / "foreign.sqlite"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE results (a)")
    with pytest.raises(SettingsInvalid, match="not a ledger of Roentgate"):
        Ledger(foreign)
    with closing(sqlite3.connect(filled)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(SettingsInvalid, match="version 99"):
        Ledger(filled)


def test_gross_damage_is_told_on_opening_and_all_of_it_by_the_audit(filled: Path) -> None:
    whole = filled.read_bytes()
    filled.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LedgerUnusable):
        Ledger(filled)
    filled.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))
    with pytest.raises(LedgerUnusable, match="damaged"):
        Ledger(filled)
    # A page that only a picture is on.
    filled.write_bytes(whole)
    with Ledger(filled) as ledger:
        ledger.record(key("large.png"), line("large.png"), b"picture" * 5000)
    content = filled.read_bytes()
    filled.write_bytes(content[:-4096] + b"\xa5" * 4096)
    with Ledger(filled) as ledger, pytest.raises(LedgerUnusable, match="damaged"):
        ledger.verify()


def test_no_folder_and_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    for path in (tmp_path / "missing" / "ledger.sqlite", tmp_path):
        with pytest.raises(LedgerUnusable):
            Ledger(path)
    assert list(tmp_path.iterdir()) == []


def test_names_that_are_not_utf_8_are_kept(tmp_path: Path) -> None:
    name = b"bag_\xff.png".decode("utf-8", "surrogateescape")
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.record(key(name), line("bag"))
        assert ledger.has(key(name)) and ledger.verify() == ()


def test_an_exclusive_block_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.sqlite") as ledger:
        with pytest.raises(OSError, match="full"), ledger.exclusively():
            raise OSError("full")
        ledger.record(key("s.png"), line("s.png"))
        assert ledger.verify() == ()


_WRITER = """
import json, sys
from pathlib import Path
from detector.ledger import Key, Ledger
with Ledger(Path(sys.argv[1])) as ledger:
    for number in range(int(sys.argv[3])):
        scan = f"{sys.argv[2]}_{number}.png"
        result = {"scan": scan, "decision": "CLEAR", "reasons": []}
        ledger.record(Key(scan, "a", "weights", "settings"), json.dumps(result))
        print(scan, flush=True)
"""


def writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WRITER, str(path), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_share_one_chain_from_its_creation(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    for process in [writer(path, "left", 40), writer(path, "right", 40)]:
        process.communicate(timeout=60)
        assert process.returncode == 0
    with Ledger(path) as ledger:
        assert ledger.verify() == ()
        assert len(lines(ledger)) == 80
    assert not list(tmp_path.glob(".*"))


def test_killed_at_any_moment_all_that_was_told_done_is_there(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    process = writer(path, "scan", 100_000)
    assert process.stdout is not None
    told = [process.stdout.readline().strip() for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    told += process.communicate()[0].split()
    with Ledger(path) as ledger:
        assert ledger.verify() == ()
        assert {json.loads(one)["scan"] for one in lines(ledger)} >= set(told)


def test_the_last_of_very_many_results_of_one_name_is_found_at_once(tmp_path: Path) -> None:
    steps: list[int] = []
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.claim(())
        ledger._connection.execute("PRAGMA synchronous = OFF")
        for many in (20, 300):
            for number in range(many):
                ledger.record(key("latest.png", str(number)), line("latest.png", reason=str(number)))
            count = 0

            def step() -> int:
                nonlocal count
                count += 1
                return 0

            ledger._connection.set_progress_handler(step, 1)
            assert ledger.has(key("latest.png", str(many - 1)))
            assert ledger.current_line("latest.png", "weights", "settings") == line("latest.png", reason=str(many - 1))
            ledger._connection.set_progress_handler(None, 1)
            steps.append(count)
    assert steps[1] < 2 * steps[0]
