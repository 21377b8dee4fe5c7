"""What was decided, kept in SQLite: one result for (scan, bytes, weights, settings), and an audit that only grows.

    with Ledger(folder / "ledger.sqlite") as ledger:
        key = Key("bag_0001.png", file_sha256, weights_sha256, policy.fingerprint())
        if not ledger.has(key):
            ledger.record(key, to_line(inspection), thumbnail, final=not inspection.error)
        problems = ledger.verify()

Each audit row's sha256 covers the row before it, so an edit, a removal or an exchange breaks the chain from there on. A
result's line is stored once, inside its audit row; the table of results only points at it. Rows cut off at the end
*together with* their results leave a shorter but whole chain: keep `head` somewhere else to notice that.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from detector.errors import SettingsInvalid
from detector.inspection import Decision
from detector.ledger_audit import GENESIS, canonical_json, chained_sha256, entry_of, findings
from detector.ledger_file import ADDITIONS, APPLICATION_ID, SCHEMA_VERSION, LedgerUnusable, create_ledger, told
from detector.scan_names import storable_text

#: How long a process waits for another one's transaction.
BUSY_SECONDS = 3600.0

#: How SQLite opens a file: one that vanished meanwhile is an error, not a new ledger.
_TO_WRITE, _TO_READ = "mode=rw", "mode=ro"


@dataclass(frozen=True)
class Key:
    """What a result depends on. scan: path relative to the input. sha256: of its bytes, empty if they were not read.

    weights: digest of the weights. settings: `Policy.fingerprint`.
    """

    scan: str
    sha256: str
    weights: str
    settings: str

    def columns(self) -> tuple[str, str, str, str]:
        """As stored, in the order of the table's columns."""
        return storable_text(self.scan), self.sha256, self.weights, self.settings

    def audited(self) -> dict[str, str]:
        """As it stands in an audit entry."""
        return dict(zip(("scan", "sha256", "weights", "settings"), self.columns(), strict=True))

    def mark(self) -> str:
        """Tells the picture of this result from that of another, which may bear the same name."""
        return f"roentgate {hashlib.sha256(json.dumps(self.audited()).encode()).hexdigest()[:32]}"


@dataclass(frozen=True)
class StoredResult:
    """A result as recorded. line: one of results.jsonl. utc: when, in ISO 8601 to a microsecond. thumbnails: key -> its
    JPEG."""

    line: str
    utc: str
    key: Key
    thumbnails: Callable[[Key], bytes]

    @property
    def thumbnail(self) -> bytes:
        """JPEG, read from the ledger when it is asked for; empty where there are no pixels."""
        return self.thumbnails(self.key)


#: A result counts from its own audit row on at least: a lower `current` is no reason to go back to an older result.
_LAST_FIRST = "ORDER BY max(recorded, current) DESC"
#: A result with the audit row that it names; the join keeps one whose row is gone, which must not pass in silence.
_RESULTS = """
SELECT scan, results.sha256, results.current, sequence, utc, entry, previous, audit.sha256
FROM results LEFT JOIN audit ON sequence = recorded WHERE weights = ? AND settings = ?
"""
# In the order of the primary key: nothing is sorted or gathered before the first row, and no thumbnail is read.
_CURRENT_RESULTS = f"""{_RESULTS} AND NOT EXISTS (
    SELECT 1 FROM results AS newer WHERE newer.scan = results.scan AND newer.weights = results.weights
    AND newer.settings = results.settings
    AND max(newer.recorded, newer.current) > max(results.recorded, results.current)
) ORDER BY scan"""
_CURRENT_RESULT = f"{_RESULTS} AND scan = ? {_LAST_FIRST} LIMIT 1"


@dataclass(frozen=True)
class Published:
    """What the output files show. audit_rows: of the audit when they were made. weights, settings: as in `Key`.

    files: tells these files from others. counts: of the results in them, by decision; follows from the rest.
    """

    audit_rows: int
    weights: str
    settings: str
    files: str
    counts: Counter[Decision] = field(default_factory=Counter, compare=False)


class Ledger:
    """One output folder's ledger. Several processes may hold it at once; one object belongs to one thread.

    Raises LedgerUnusable, on opening and in every method, where SQLite cannot go on, OSError where the disk is full or
    fails.
    """

    def __init__(self, path: Path, mode: str = _TO_WRITE) -> None:
        """mode: of SQLite's URI."""
        self.path = path
        if mode == _TO_WRITE and not path.exists():
            create_ledger(path)
        with told(path):
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None
            )
        # Text that is no UTF-8 was put there by others; `verify` is to tell of it.
        self._connection.text_factory = lambda stored: stored.decode("utf-8", "backslashreplace")
        try:
            self._prepare(writing=mode == _TO_WRITE)
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def to_read(cls, path: Path) -> Ledger:
        """A ledger that is there, also on a medium that cannot be written; nothing can be recorded in that one."""
        if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
            return cls(path)
        # Without a write-ahead log nobody writes, and SQLite need not make one to read.
        left_open = path.with_name(f"{path.name}-wal").exists()
        return cls(path, _TO_READ if left_open else f"{_TO_READ}&immutable=1")

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the file back. All that was recorded is on the disk already."""
        self._connection.close()

    def has(self, key: Key) -> bool:
        """Whether a final result for `key` is there; REFER for an error is not final and is to be tried again.

        If the scan's file has changed back to these bytes, their result counts as the scan's current one again.
        """
        scan, sha256, weights, settings = key.columns()
        held = "SELECT final FROM results WHERE scan = ? AND sha256 = ? AND weights = ? AND settings = ?"
        if (1,) not in self.rows(held, key.columns()):
            return False
        newest = f"SELECT sha256 FROM results WHERE scan = ? AND weights = ? AND settings = ? {_LAST_FIRST} LIMIT 1"
        if (sha256,) not in self.rows(newest, (scan, weights, settings)):
            self._recall(key)
        return True

    def record(self, key: Key, line: str, thumbnail: bytes = b"", *, final: bool = True) -> None:
        """Stores a result's JSON line and thumbnail under `key`, in place of an earlier one; on the disk on return.

        final: False where an error kept the scan from being judged, which is to be tried again.
        """
        entry = {
            "event": "result",
            "key": key.audited(),
            "final": final,
            "result": line,
            "thumbnail_sha256": hashlib.sha256(thumbnail).hexdigest(),
        }
        with self.exclusively():
            sequence = self._append(entry)
            self._connection.execute(
                "INSERT OR REPLACE INTO results (scan, sha256, weights, settings, recorded, current, final, thumbnail) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*key.columns(), sequence, sequence, int(final), thumbnail),
            )

    def claim(self, files: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
        """Ties each file, given as text that is no other file's and the names that suit it, best first, to a name for
        good.

        A file keeps a name that it has here, whatever lies beside it by now: two names would be two results, of which
        one grows old. Another gets the first of its names that no other file has. Returns the names as `storable_text`;
        no two files share one. Raises SettingsInvalid, and ties none, if all are other files'.
        """
        with self.exclusively():
            # Not on opening: an audit leaves an older ledger as it is.
            for statement in ADDITIONS:
                self._connection.execute(statement)
            return [self._name_of(file, list(map(storable_text, names))) for file, names in files]

    def line(self, key: Key) -> str:
        """The JSON line of a result that is there."""
        scan, sha256, weights, settings = key.columns()
        query = f"{_RESULTS} AND scan = ? AND results.sha256 = ?"
        ((_, _, *stored),) = self.rows(query, (weights, settings, scan, sha256))
        return self._audited_line(key, stored)

    def current_line(self, scan: str, weights: str, settings: str) -> str | None:
        """The JSON line of the scan's current result under these weights and settings, None where there is none."""
        for _, sha256, *stored in self.rows(_CURRENT_RESULT, (weights, settings, storable_text(scan))):
            return self._audited_line(Key(scan, sha256, weights, settings), stored)
        return None

    def thumbnail(self, key: Key) -> bytes:
        """The JPEG stored with a result; empty where there is none."""
        where = "scan = ? AND sha256 = ? AND weights = ? AND settings = ?"
        ((thumbnail,),) = self.rows(f"SELECT thumbnail FROM results WHERE {where}", key.columns())
        return thumbnail if isinstance(thumbnail, bytes) else b""

    def ever_recorded(self) -> Iterator[str]:
        """The JSON lines of all results that the audit holds, those since replaced as well; unreadable entries not."""
        for (entry,) in self.rows("SELECT entry FROM audit ORDER BY sequence"):
            with suppress(ValueError, LookupError, TypeError, RecursionError):
                yield str(json.loads(entry)["result"])

    def results(self, weights: str, settings: str) -> Iterator[StoredResult]:
        """The current result of each scan under these weights (digest) and settings (fingerprint), in the order of the
        scans' paths. Within `snapshot` thumbnails are of the same moment."""
        for scan, sha256, *stored in self.rows(_CURRENT_RESULTS, (weights, settings)):
            key = Key(scan, sha256, weights, settings)
            _, _, utc, *_ = stored
            yield StoredResult(self._audited_line(key, stored), utc, key, self.thumbnail)

    def head(self) -> tuple[int, str]:
        """(rows in the audit, sha256 of the last): kept elsewhere, it shows later that nothing was cut off."""
        with told(self.path):
            row = self._connection.execute("SELECT sequence, sha256 FROM audit ORDER BY sequence DESC LIMIT 1")
            return row.fetchone() or (0, GENESIS)

    def verify(self) -> tuple[str, ...]:
        """What is wrong with the audit and the results, a line each; empty when all is whole.

        Reads the whole file. Raises LedgerUnusable where SQLite finds it damaged.
        """
        # One snapshot for both tables, whatever other processes record meanwhile.
        with self.snapshot():
            ((health,),) = self.rows("PRAGMA integrity_check(1)")
            if health != "ok":
                raise LedgerUnusable(f"{self.path}: damaged ({health})")
            return tuple(findings(self.rows))

    def published(self) -> Published | None:
        """What the output files were said to show last."""
        if not any(self.rows("SELECT 1 FROM sqlite_master WHERE name = 'published'")):
            # An older version's, that is only looked at.
            return None
        columns = ", ".join(f"CAST({name} AS INTEGER)" for name in ("audit_rows", "clear", "alarm", "refer"))
        for rows, *counts, weights, settings, files in self.rows(
            f"SELECT {columns}, weights, settings, files FROM published"
        ):
            return Published(rows, weights, settings, files, Counter(dict(zip(Decision, counts, strict=True))))
        return None

    def note_published(self, published: Published) -> None:
        """Keeps what the output files show from now on; inside `exclusively`."""
        self._connection.execute(
            "INSERT OR REPLACE INTO published (one, audit_rows, weights, settings, files, clear, alarm, refer) "
            "VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
            (
                published.audit_rows,
                published.weights,
                published.settings,
                published.files,
                *(published.counts[decision] for decision in Decision),
            ),
        )

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read inside is of one moment; other processes record meanwhile."""
        with told(self.path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                # An error may have ended it already.
                with suppress(sqlite3.OperationalError):
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """No other process writes meanwhile; what is recorded inside counts as a whole or not at all."""
        with told(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                # A full disk has rolled back already.
                with suppress(sqlite3.OperationalError):
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, query: str, parameters: Any = ()) -> Iterator[tuple[Any, ...]]:
        """The rows that a SELECT gives."""
        with told(self.path):
            yield from self._connection.execute(query, parameters)

    def _name_of(self, file: str, names: Sequence[str]) -> str:
        own = [name for (name,) in self.rows("SELECT scan FROM origins WHERE path = ? ORDER BY scan", (file,))]
        if own:
            return names[0] if names[0] in own else own[0]
        for name in names:
            self._connection.execute("INSERT OR IGNORE INTO origins VALUES (?, ?)", (name, file))
            ((held,),) = self._connection.execute("SELECT path FROM origins WHERE scan = ?", (name,))
            if held == file:
                return name
        raise SettingsInvalid(
            f"{self.path.parent} holds the result of another file called {name}: {held}",
            remedy="give each input its own --output",
        )

    def _prepare(self, *, writing: bool) -> None:
        with told(self.path):
            (application_id,) = self._connection.execute("PRAGMA application_id").fetchone()
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if application_id != APPLICATION_ID:
                raise LedgerUnusable(f"{self.path}: not a ledger of Roentgate")
            if version != SCHEMA_VERSION:
                raise LedgerUnusable(
                    f"{self.path}: a ledger of version {version}; this Roentgate writes version {SCHEMA_VERSION}"
                )
            if writing:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
            # Shows gross damage before a batch begins. Reading every page is for `verify`: it takes as long as the
            # ledger is large. No result is shown unread, see `_audited_line`.
            self.head()

    def _audited_line(self, key: Key, stored: Sequence[Any]) -> str:
        """The JSON line of a result, stored as (current, *the columns of its audit row). Raises LedgerUnusable unless
        the rows that it names are as they were written, for this key: a damaged or edited decision is nobody's result,
        nor is one that was put in the place of a newer one."""
        current, sequence, *_ = stored
        with suppress(ValueError, LookupError, TypeError, RecursionError):
            content = entry_of(stored[1:], key.audited())
            if current == sequence or self._was_recalled(key, current):
                return str(content["result"])
        raise LedgerUnusable(
            f"{self.path}: the result of {storable_text(key.scan)} is not the one that was recorded; the ledger was "
            "altered or is damaged",
            remedy="see what roentgate audit finds; move the file away to start a new ledger, or name another output "
            "folder",
        )

    def _was_recalled(self, key: Key, sequence: object) -> bool:
        query = "SELECT sequence, utc, entry, previous, sha256 FROM audit WHERE sequence = ?"
        ((*audited,),) = self.rows(query, (sequence,))
        return bool(entry_of(audited, key.audited())["event"] == "recalled")

    def _append(self, entry: dict[str, Any]) -> int:
        """Adds an audit row inside the transaction that is open. Returns its sequence number, from 1."""
        last, previous = self.head()
        utc = datetime.now(UTC).isoformat(timespec="microseconds")
        canonical = canonical_json(entry)
        self._connection.execute(
            "INSERT INTO audit (sequence, utc, entry, previous, sha256) VALUES (?, ?, ?, ?, ?)",
            (last + 1, utc, canonical, previous, chained_sha256(last + 1, previous, canonical, utc)),
        )
        return last + 1

    def _recall(self, key: Key) -> None:
        with self.exclusively():
            sequence = self._append({"event": "recalled", "key": key.audited()})
            self._connection.execute(
                "UPDATE results SET current = ? WHERE scan = ? AND sha256 = ? AND weights = ? AND settings = ?",
                (sequence, *key.columns()),
            )
