"""Digests of files, by which a run knows that it goes on with what it was begun with."""

from __future__ import annotations

import hashlib
from pathlib import Path


def file_digest(path: Path) -> str:
    """SHA-256, hex, of a file's content; empty where there is none, as for scans that a test makes."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def annotations_digest(data: Path, split: str) -> str:
    """Of all that `data`, a COCO folder, says about the scans of a split: names, boxes, classes, groups."""
    return file_digest(data / "annotations" / f"{split}.json")
