"""What may be done with the scans of each source, as prepared folders say it.

stated_terms(Path("DATA"))                             # {"opixray": "academic use only, (c) Beihang University"}
donor_sources(Path("DATA"))                            # {"pidray"}: its items are in scans of others
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from training.datasets import roentgate_layout

NOT_STATED = "not stated"
#: The same, as weights say it of a source.
TERMS_NOT_STATED = f"terms {NOT_STATED}"
#: What was written where nobody stated anything: it never takes the place of a text that somebody did state.
_SAYS_NOTHING = ("", NOT_STATED, TERMS_NOT_STATED, roentgate_layout.ADAPTER.terms)


def stated_terms(data: Path) -> dict[str, str]:
    """Source -> terms; without sources of which the folder's annotations state nothing."""
    return joined_terms(_said(path) for path in sorted((data / "annotations").glob("*.json")))


def joined_terms(stated: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Source -> terms; both texts, where two differ: who uses the scans has to keep both."""
    texts: dict[str, dict[str, None]] = {}
    for terms in stated:
        for source, text in terms.items():
            if text not in _SAYS_NOTHING:
                texts.setdefault(source, {}).update(dict.fromkeys(text.split("; ")))
    return {source: "; ".join(parts) for source, parts in texts.items()}


def donor_sources(data: Path, split: str = "*") -> frozenset[str]:
    """Sources that the annotations of a split, or of any, state terms of and none of whose scans these annotations
    hold: their items alone were put into scans of others."""
    donors: set[str] = set()
    for path in (data / "annotations").glob(f"{split}.json"):
        try:
            donors |= _said(path).keys() - {image.get("source") for image in json.loads(path.read_bytes())["images"]}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            # Reading the scans themselves says what is wrong with the file.
            continue
    return frozenset(donors)


def _said(path: Path) -> dict[str, str]:
    try:
        terms = json.loads(path.read_bytes())["info"]["terms"]
        return {str(source): str(text) for source, text in terms.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # Scans prepared by others say nothing of terms.
        return {}
