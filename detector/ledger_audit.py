"""The chain of the audit, and what it says that the results must be.

>>> sha256 = chained_sha256(sequence, previous, canonical_json(entry), utc)
>>> problems = tuple(findings(ledger.rows))
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from detector.inspection import Decision

#: What the first audit row covers in place of a row before it.
GENESIS = "0" * 64

#: Errors by which scans were not judged when audit entries did not say so yet.
_ERRORS = frozenset(
    {
        "InferenceFailed", "LedgerUnusable", "ProfileMismatch", "ProviderUnavailable", "RoentgateError",
        "ScanTooLarge", "ScanUnreadable", "ScanWithoutContent", "SettingsInvalid", "WeightsRejected",
    }
)  # fmt: skip
#: A SELECT -> its rows.
Rows = Callable[[str], Iterator[tuple[Any, ...]]]


def canonical_json(entry: dict[str, Any]) -> str:
    """One spelling for one entry: keys sorted, no spaces, ASCII."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":"))


def chained_sha256(sequence: int, previous: str, entry: str, utc: str) -> str:
    """SHA-256, hex, over the row before, the row's number and time, and its canonical JSON."""
    return hashlib.sha256(f"{previous}\n{sequence}\n{utc}\n{entry}".encode()).hexdigest()


def entry_of(row: Sequence[Any], key: dict[str, str]) -> dict[str, Any]:
    """What an audit row (sequence, utc, entry, previous, sha256) holds for `key`. Raises ValueError, LookupError,
    TypeError or RecursionError unless the row is as it was written, and of that key."""
    sequence, utc, entry, previous, sha256 = row
    content: dict[str, Any] = json.loads(entry)
    if sha256 != chained_sha256(sequence, previous, entry, utc) or content["key"] != key:
        raise ValueError(f"audit row {sequence} was altered, or is of another result")
    return content


def findings(rows: Rows) -> Iterator[str]:
    """What is wrong with the audit and the results, a line each. rows: of one snapshot for both tables."""
    audited: dict[tuple[str, ...], _Audited] = {}
    yield from _follow_chain(rows, audited)
    yield from _compare_results(rows, audited)


@dataclass(frozen=True)
class _Audited:
    """A row of results, less its key, as the audit says it must be."""

    recorded: int
    current: int
    final: bool
    thumbnail_sha256: str


def _follow_chain(rows: Rows, audited: dict[tuple[str, ...], _Audited]) -> Iterator[str]:
    """Problems of the chain; fills `audited` with what the results must be by the audit's entries."""
    last, previous = 0, GENESIS
    for sequence, utc, entry, names, sha256 in rows("SELECT * FROM audit ORDER BY sequence"):
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


def _replay(entry: dict[str, Any], sequence: int, audited: dict[tuple[str, ...], _Audited]) -> None:
    key = tuple(entry["key"][name] for name in ("scan", "weights", "settings", "sha256"))
    if entry["event"] == "recalled":
        audited[key] = replace(audited[key], current=sequence)
    else:
        audited[key] = _Audited(sequence, sequence, _is_final(entry), entry["thumbnail_sha256"])


def _is_final(entry: dict[str, Any]) -> bool:
    """Whether the result of an audit entry stands; False where an error kept the scan from being judged."""
    result = json.loads(entry["result"])
    names = [reason.partition(":")[0] for reason in result["reasons"]]
    failed = result["decision"] == Decision.REFER and not _ERRORS.isdisjoint(names)
    # Entries of before it was written into them: reasons of what was not judged begin with the name of the error.
    return bool(entry.get("final", not failed))


def _compare_results(rows: Rows, audited: dict[tuple[str, ...], _Audited]) -> Iterator[str]:
    query = "SELECT scan, weights, settings, sha256, recorded, current, final, thumbnail FROM results"
    for *key, recorded, current, final, thumbnail in rows(query):
        # SQLite keeps text and numbers in a column of bytes, too.
        digest = hashlib.sha256(thumbnail).hexdigest() if isinstance(thumbnail, bytes) else ""
        stored = _Audited(recorded, current, bool(final), digest)
        expected = audited.pop(tuple(key), None)
        if expected is None:
            yield f"result of {key[0]!r}: not in the audit"
        elif stored != expected:
            yield f"result of {key[0]!r}: not the one that the audit names"
    yield from (f"result of {scan!r}: missing, though it was audited" for scan, *_ in audited)
