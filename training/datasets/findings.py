"""What a look at a data set found wrong: one list, nothing raised half way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """ERROR: training or evaluation would fail or mislead. WARNING: worth a look."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. kind: a short name to count by. subject: split and file, class or annotation."""

    severity: Severity
    kind: str
    subject: str
    message: str
