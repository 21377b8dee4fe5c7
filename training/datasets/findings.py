"""What a look at a data set found wrong: one list, nothing raised half way."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from detector.errors import SettingsInvalid
from detector.readers import SCAN_SUFFIXES

#: Of pictures, and of the annotations of one picture.
_SUFFIXES = frozenset(SCAN_SUFFIXES) | {".txt", ".xml", ".json"}


class Severity(StrEnum):
    """ERROR: training or evaluation would fail or mislead. WARNING: worth a look."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. kind: a short name to count by. subject: split and file, class or annotation. left_out:
    what scans, or annotations of scans, are called that an adapter does not give for this reason."""

    severity: Severity
    kind: str
    subject: str
    message: str
    left_out: tuple[str, ...] = field(default=(), compare=False)


def errors_first(findings: Iterable[Finding]) -> list[Finding]:
    """In an order that is the same on every machine."""
    return sorted(findings, key=lambda each: (each.severity != Severity.ERROR, each.kind, each.subject, each.message))


def scans_left_out(findings: Iterable[Finding]) -> int:
    """How many scans of one set an adapter does not give. A picture and an annotation that miss each other, as their
    names differ in folder or letter case, are one scan."""
    counts = Counter((_plain_name(name), finding.kind) for finding in findings for name in finding.left_out)
    most: dict[str, int] = {}
    for (name, _), count in counts.items():
        most[name] = max(count, most.get(name, 0))
    return sum(most.values())


def _plain_name(path: str) -> str:
    """Without folders, letter case and the suffix of a picture or of an annotation; anything else stays as it is."""
    stem, suffix = posixpath.splitext(posixpath.basename(path).casefold())
    return stem if suffix in _SUFFIXES else path


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
