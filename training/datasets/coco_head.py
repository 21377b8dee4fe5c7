"""A COCO file known by a few of its bytes, without parsing it: it may hold gigabytes, or be half written."""

from __future__ import annotations

import mmap
import re
from collections.abc import Collection
from pathlib import Path

from training.datasets.indexed_folder import head

_LOOKED_AT_BYTES = 1 << 16
_NAME = re.compile(rb'"name"\s*:\s*"([^"\\]*)"')


def category_names(path: Path) -> set[str]:
    """Class names that a COCO file announces, found by a search for its `categories` without parsing the file."""
    if not head(path).startswith(b"{"):
        return set()
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(b'"categories"')
        found = content[start : start + _LOOKED_AT_BYTES] if start >= 0 else b""
    return {name.decode("utf-8", "replace") for name in _NAME.findall(found)}


def announces(path: Path, labels: Collection[str]) -> bool:
    """Whether a COCO file has half of a set's class names or more, whatever their case and punctuation."""
    plain = {_plain(name) for name in category_names(path)}
    return 2 * sum(_plain(label) in plain for label in labels) >= len(labels)


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def first_image(path: Path) -> bytes:
    """The text of a COCO file's first image entry; b"" where there is none."""
    if not head(path).startswith(b"{"):
        return b""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(b'"images"')
        found = content[start : start + _LOOKED_AT_BYTES] if start >= 0 else b""
    return found[found.find(b"{") :].partition(b"}")[0] if b"{" in found else b""


def looks_like_coco(path: Path) -> bool:
    """Whether a JSON file, perhaps a half-written one, has images and what is in them, without parsing it."""
    if not head(path).startswith(b"{"):
        return False
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b'"images"') >= 0 and any(
            content.find(key) >= 0 for key in (b'"annotations"', b'"categories"')
        )
