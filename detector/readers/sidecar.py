"""A raw array says nothing of the scanner; the TOML beside it, `<name>.npy.toml` or `<name>.toml`, may.

Both are read together, so that the digest, and with it the ledger, covers the profile as well as the pixels.
"""

from __future__ import annotations

from pathlib import Path

#: Endings of formats that may have a profile beside them.
SUFFIXES = frozenset({".npy", ".npz"})
_MARK = b"\n#roentgate scanner profile\n"
#: A profile is a page of text; anything longer is something else that happens to have the name.
MOST_BYTES = 65_536


def sidecar_of(path: Path) -> Path | None:
    """The profile beside a raw array, if there is one."""
    if path.suffix.lower() not in SUFFIXES:
        return None
    candidates = (path.with_name(path.name + ".toml"), path.with_suffix(".toml"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def join(data: bytes, profile: bytes) -> bytes:
    """One file's bytes with its profile behind them."""
    return data + _MARK + profile


def holds_mark(data: bytes) -> bool:
    """Whether `split` would take the end of these bytes for a profile, though no file beside them gave one."""
    return _mark_at(data) >= 0


def _mark_at(data: bytes) -> int:
    return data.rfind(_MARK, max(0, len(data) - MOST_BYTES - len(_MARK)))


def split(data: bytes) -> tuple[bytes, str]:
    """(the file's own bytes, the profile's text or nothing). Raises ValueError for a profile that is not UTF-8."""
    at = _mark_at(data)
    return (data, "") if at < 0 else (data[:at], data[at + len(_MARK) :].decode("utf-8"))
