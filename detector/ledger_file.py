"""The ledger's file: made whole or not at all, and what SQLite says of it in words.

if not path.exists():
    create_ledger(path)
with told(path):
    connection = sqlite3.connect(path)
"""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from detector.errors import SettingsInvalid

#: "RGat": marks the file as a ledger of ours, in SQLite's own header.
APPLICATION_ID = 0x52476174
SCHEMA_VERSION = 1

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY, utc TEXT NOT NULL, entry TEXT NOT NULL, previous TEXT NOT NULL, sha256 TEXT NOT NULL
);
CREATE TRIGGER audit_never_edited BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit only grows'); END;
CREATE TRIGGER audit_never_shortened BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit only grows'); END;
CREATE TABLE results (
    scan TEXT NOT NULL, sha256 TEXT NOT NULL, weights TEXT NOT NULL, settings TEXT NOT NULL,
    recorded INTEGER NOT NULL,  -- the audit row that holds the result
    current INTEGER NOT NULL,   -- the audit row that last made it the scan's result: the highest one counts
    final INTEGER NOT NULL,     -- 0 where an error kept the scan from being judged
    thumbnail BLOB NOT NULL,
    PRIMARY KEY (scan, weights, settings, sha256)
) WITHOUT ROWID;
CREATE TABLE origins (scan TEXT PRIMARY KEY, path TEXT NOT NULL) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

#: What a ledger of this version lacks until a run of this Roentgate claims names in it; an older one may go on with it.
ADDITIONS = (
    "CREATE INDEX IF NOT EXISTS origins_by_path ON origins (path)",
    # A scanner that writes over one file again and again makes very many results of one name, of which the last counts.
    "CREATE INDEX IF NOT EXISTS results_last ON results (scan, weights, settings, max(recorded, current))",
    # What the output files show: one row, and none is no matter. Not audited, as no result depends on it.
    """CREATE TABLE IF NOT EXISTS published (
        one INTEGER PRIMARY KEY, audit_rows INTEGER NOT NULL, weights TEXT NOT NULL, settings TEXT NOT NULL,
        files TEXT NOT NULL, clear INTEGER NOT NULL, alarm INTEGER NOT NULL, refer INTEGER NOT NULL
    )""",
)


class LedgerUnusable(SettingsInvalid):
    """The ledger's file is foreign, damaged, of another version, or cannot be written. It is never made anew."""

    default_remedy = "move the file away to start a new ledger, or name another output folder"


def create_ledger(path: Path) -> None:
    """Makes an empty ledger aside and gives it its name in one step, so that nobody opens half of one."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.partial")
    try:
        with told(path), closing(sqlite3.connect(temporary)) as connection:
            connection.executescript(_SCHEMA)
        _give_name(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _give_name(temporary: Path, path: Path) -> None:
    """A name that is taken stays: another process was quicker, and has made the ledger that counts."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    except OSError:
        # No hard links on this file system. Who opens the ledger before it is whole refuses it, and says so.
        with suppress(FileExistsError), path.open("xb") as file:
            file.write(temporary.read_bytes())
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turns what SQLite raises into LedgerUnusable, or OSError where any other file would have met the same."""
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        disk = {sqlite3.SQLITE_FULL: errno.ENOSPC, sqlite3.SQLITE_IOERR: errno.EIO}.get(code)
        if disk is not None:
            raise OSError(disk, os.strerror(disk), str(path)) from error
        if code == sqlite3.SQLITE_ERROR:
            # A table or a column is missing.
            raise LedgerUnusable(f"{path}: not a ledger, or altered ({error})") from error
        remedy = "check the folder's permissions and disk, then run again"
        if code == sqlite3.SQLITE_BUSY:
            remedy = "wait for the other process that holds the ledger, then run again"
        raise LedgerUnusable(f"{path}: {error}", remedy=remedy) from error
    except sqlite3.DatabaseError as error:
        raise LedgerUnusable(f"{path}: not a ledger, or damaged ({error})") from error
