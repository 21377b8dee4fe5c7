"""What a look at a data set found wrong: one list, nothing raised half way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from detector.errors import SettingsInvalid


class Severity(StrEnum):
    """ERROR: training or evaluation would fail or mislead. WARNING: worth a look."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. kind: a short name to count by. subject: split and file, class or annotation. left_out:
    scans, or annotations of scans, that an adapter does not give for this reason."""

    severity: Severity
    kind: str
    subject: str
    message: str
    left_out: int = field(default=0, compare=False)


def errors_first(findings: Iterable[Finding]) -> list[Finding]:
    """In an order that is the same on every machine."""
    return sorted(findings, key=lambda each: (each.severity != Severity.ERROR, each.kind, each.subject, each.message))


class NothingToRead(SettingsInvalid):
    """Not one scan of a set could be read. findings: all that was found on the way, errors first; the first is most
    likely the reason, so it stands in the message. remedy: what to do where nothing is wrong but the folder.
    """

    def __init__(self, what: str, findings: Sequence[Finding], *, remedy: str) -> None:
        self.findings = tuple(sorted(findings, key=lambda finding: finding.severity != Severity.ERROR))
        for first in self.findings[:1]:
            what, remedy = f"{what}: {first.subject}: {first.message}", f"correct that, or {remedy}"
        if len(findings) > 1:
            remedy += f"; `roentgate-train data check` lists all {len(findings)} findings"
        super().__init__(what, remedy=remedy)
