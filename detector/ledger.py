"""What was decided, kept in SQLite: one result for (scan, bytes, weights, settings), and an audit that only grows.

    with Ledger(folder / "ledger.sqlite") as ledger:
        key = Key("bag_0001.png", file_sha256, weights_sha256, policy.fingerprint())
        if not ledger.has(key):
            ledger.record(key, to_line(inspection), thumbnail)
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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from detector.errors import SettingsInvalid
from detector.ledger_file import APPLICATION_ID, SCHEMA_VERSION, LedgerUnusable, create_ledger, told
from detector.policy import refers_for_error

#: How long a process waits for another one's transaction.
BUSY_SECONDS = 3600.0
#: What the first audit row covers in place of a row before it.
GENESIS = "0" * 64

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
        return asdict(self) | {"scan": storable_text(self.scan)}

    def mark(self) -> str:
        """Tells the picture of this result from that of another, which may bear the same name."""
        return f"roentgate {hashlib.sha256(json.dumps(self.audited()).encode()).hexdigest()[:32]}"


@dataclass(frozen=True)
class StoredResult:
    """A result as recorded. line: one of results.jsonl. thumbnail: JPEG, empty where there are no pixels. mark: its
    key's."""

    line: str
    thumbnail: bytes
    mark: str = ""


class StoredResults:
    """The current result of each scan, in the order of the scans' paths; can be iterated again and again."""

    def __init__(self, ledger: Ledger, weights: str, settings: str) -> None:
        self._ledger, self._parameters = ledger, {"weights": weights, "settings": settings}

    def __iter__(self) -> Iterator[StoredResult]:
        for scan, sha256, entry, thumbnail in self._ledger.rows(_CURRENT_RESULTS, self._parameters):
            key = Key(scan, sha256, **self._parameters)
            yield StoredResult(json.loads(entry)["result"], thumbnail, key.mark())


# With max(), SQLite takes the other columns from the row that holds the maximum.
_CURRENT_RESULTS = """
SELECT scan, bytes_sha256, entry, thumbnail FROM (
    SELECT scan, sha256 AS bytes_sha256, recorded, thumbnail, max(current) FROM results
    WHERE weights = :weights AND settings = :settings GROUP BY scan
) JOIN audit ON sequence = recorded ORDER BY scan
"""


@dataclass(frozen=True)
class _Audited:
    """A row of results, less its key, as the audit says it must be."""

    recorded: int
    current: int
    final: bool
    thumbnail_sha256: str


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
        rows = self.rows(
            "SELECT sha256, final FROM results WHERE scan = ? AND weights = ? AND settings = ? ORDER BY current DESC",
            (scan, weights, settings),
        )
        found = list(rows)
        if (sha256, 1) not in found:
            return False
        if found[0][0] != sha256:
            self._recall(key)
        return True

    def record(self, key: Key, line: str, thumbnail: bytes = b"") -> None:
        """Stores a result's JSON line and thumbnail under `key`, in place of an earlier one; on the disk on return."""
        final = _is_final(line)
        entry = {
            "event": "result",
            "key": key.audited(),
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

    def claim(self, origins: Mapping[str, str]) -> None:
        """Ties each scan's name to the absolute path of its file, for good.

        Raises SettingsInvalid, and ties none, if a name is another file's: its result would take that one's place.
        """
        with self.exclusively():
            for scan, path in origins.items():
                name, own = storable_text(scan), storable_text(path)
                self._connection.execute("INSERT OR IGNORE INTO origins VALUES (?, ?)", (name, own))
                ((held,),) = self._connection.execute("SELECT path FROM origins WHERE scan = ?", (name,))
                if held != own:
                    raise SettingsInvalid(
                        f"{self.path.parent} holds the result of another file called {name}: {held}",
                        remedy="give each input its own --output",
                    )

    def origins(self) -> Iterator[tuple[str, str]]:
        """Each scan's name with the absolute path of its file, both as `storable_text`."""
        return self.rows("SELECT scan, path FROM origins ORDER BY scan", ())

    def line(self, key: Key) -> str:
        """The JSON line of a result that is there."""
        where = "scan = ? AND results.sha256 = ? AND weights = ? AND settings = ?"
        rows = self.rows(f"SELECT entry FROM results JOIN audit ON sequence = recorded WHERE {where}", key.columns())
        ((entry,),) = rows
        return str(json.loads(entry)["result"])

    def ever_recorded(self) -> Iterator[str]:
        """The JSON lines of all results that the audit holds, those since replaced as well; unreadable entries not."""
        for (entry,) in self.rows("SELECT entry FROM audit ORDER BY sequence"):
            with suppress(ValueError, LookupError, TypeError, RecursionError):
                yield str(json.loads(entry)["result"])

    def results(self, weights: str, settings: str) -> StoredResults:
        """The current result of each scan under these weights (digest) and settings (fingerprint)."""
        return StoredResults(self, weights, settings)

    def head(self) -> tuple[int, str]:
        """(rows in the audit, sha256 of the last): kept elsewhere, it shows later that nothing was cut off."""
        with told(self.path):
            row = self._connection.execute("SELECT sequence, sha256 FROM audit ORDER BY sequence DESC LIMIT 1")
            return row.fetchone() or (0, GENESIS)

    def verify(self) -> tuple[str, ...]:
        """What is wrong with the audit and the results, a line each; empty when all is whole."""
        with told(self.path):
            # One snapshot for both tables, whatever other processes record meanwhile.
            self._connection.execute("BEGIN")
            try:
                audited: dict[tuple[str, ...], _Audited] = {}
                broken = list(self._follow_chain(audited))
                return (*broken, *self._compare_results(audited))
            finally:
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

    def _follow_chain(self, audited: dict[tuple[str, ...], _Audited]) -> Iterator[str]:
        """Problems of the chain; fills `audited` with what the results must be by the audit's entries."""
        last, previous = 0, GENESIS
        for sequence, utc, entry, names, sha256 in self.rows("SELECT * FROM audit ORDER BY sequence"):
            if sequence != last + 1:
                yield f"audit row {last + 1}: missing"
            if names != previous:
                yield f"audit row {sequence}: does not follow the row before it; one of them was moved or changed"
            if sha256 != chained_sha256(sequence, names, entry, utc):
                yield f"audit row {sequence}: edited"
            try:
                _replay(json.loads(entry), sequence, audited)
            # Whoever tampers may put anything there, of any kind and depth.
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                yield f"audit row {sequence}: holds no result that can be read"
            last, previous = sequence, sha256

    def _compare_results(self, audited: dict[tuple[str, ...], _Audited]) -> Iterator[str]:
        query = "SELECT scan, weights, settings, sha256, recorded, current, final, thumbnail FROM results"
        for *key, recorded, current, final, thumbnail in self.rows(query):
            # SQLite keeps text and numbers in a column of bytes, too.
            digest = hashlib.sha256(thumbnail).hexdigest() if isinstance(thumbnail, bytes) else ""
            stored = _Audited(recorded, current, bool(final), digest)
            expected = audited.pop(tuple(key), None)
            if expected is None:
                yield f"result of {key[0]!r}: not in the audit"
            elif stored != expected:
                yield f"result of {key[0]!r}: not the one that the audit names"
        yield from (f"result of {scan!r}: missing, though it was audited" for scan, *_ in audited)

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
            # Reads every page's structure once: a damaged ledger is told now, not in the middle of a batch.
            (health,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
            if health != "ok":
                raise LedgerUnusable(f"{self.path}: damaged ({health})")

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


def canonical_json(entry: dict[str, Any]) -> str:
    """One spelling for one entry: keys sorted, no spaces, ASCII."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":"))


def chained_sha256(sequence: int, previous: str, entry: str, utc: str) -> str:
    """SHA-256, hex, over the row before, the row's number and time, and its canonical JSON."""
    return hashlib.sha256(f"{previous}\n{sequence}\n{utc}\n{entry}".encode()).hexdigest()


def storable_text(name: str) -> str:
    r"""A path as valid Unicode: bytes of a file's name that are not UTF-8 are spelled \udcXX."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _replay(entry: dict[str, Any], sequence: int, audited: dict[tuple[str, ...], _Audited]) -> None:
    key = tuple(entry["key"][name] for name in ("scan", "weights", "settings", "sha256"))
    if entry["event"] == "recalled":
        audited[key] = replace(audited[key], current=sequence)
    else:
        audited[key] = _Audited(sequence, sequence, _is_final(entry["result"]), entry["thumbnail_sha256"])


def _is_final(line: str) -> bool:
    result = json.loads(line)
    return not refers_for_error(result["decision"], tuple(result["reasons"]))
