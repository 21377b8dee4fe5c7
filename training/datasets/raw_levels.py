"""Scans of more than 8 bits that no scanner profile draws: they can be learned from, but every station refers them.

>>> for finding in without_profile([("train: belt 3", facts) for facts in examine_all(paths)]):      # doctest: +SKIP
...     print(finding.message)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from detector.normalisation.standardise import WINDOWED
from training.datasets.findings import Finding, Severity
from training.datasets.scan_journal import ScanFacts

#: The end of a sentence on such scans.
STORE_WITH_PROFILE = (
    "store each as .npy with its scanner's profile beside it (NAME.npy.toml, a `rendering` other than `stored`), and "
    "name that rendering in the recipe's `renderings`"
)


def without_profile(scans: Iterable[tuple[str, ScanFacts]]) -> Iterator[Finding]:
    """One finding for each part of a set that holds such scans. scans: the part that each is of, and its facts."""
    counts: Counter[str] = Counter()
    raw: Counter[str] = Counter()
    for part, facts in scans:
        counts[part] += 1
        raw[part] += facts.rendering == WINDOWED
    for part in sorted(+raw):
        message = (
            f"{raw[part]:,} of {counts[part]:,} scans have more than 8 bits and no scanner profile that draws them: "
            f"stations refer such scans whatever the weights; {STORE_WITH_PROFILE}"
        )
        yield Finding(Severity.WARNING, "raw levels without a profile", part, message)
