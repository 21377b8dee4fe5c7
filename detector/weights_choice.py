"""Which weights a run takes: those asked for, those of the scanner's profile, or those that know its rendering."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from detector.errors import SettingsInvalid
from detector.readers.sidecar import MOST_BYTES, sidecar_of
from detector.scanner_profile import ScannerProfile, parse_profile
from detector.weights import load_weights, read_manifest

#: Shipped names to choose from -> the one chosen.
Ask = Callable[[Sequence[str]], str]


def choose_weights(asked: str, scanner: ScannerProfile | None, ask: Ask | None) -> str:
    """Name or file of the weights; empty for the default.

    ask: asks a person; None where none is there. Raises SettingsInvalid when it is for a person to choose and none is
    there, and when no shipped weights know the scanner's rendering: any of them would look at the scans with the wrong
    eyes, and every scan would be referred.
    """
    if asked or scanner is None or scanner.weights:
        return asked or (scanner.weights if scanner else "")
    known = knowing(scanner.rendering)
    if not known:
        shipped = "; ".join(f"{name}: {', '.join(renderings)}" for name, renderings in _renderings().items())
        raise SettingsInvalid(
            f"no shipped weights know scans that are drawn as {scanner.rendering!r} ({shipped})",
            remedy=f"correct `rendering` in the profile of {scanner.name}, or give --weights: scans then alarm or are "
            "referred",
        )
    default = read_manifest().default
    if default in known:
        return default
    if len(known) == 1:
        return known[0]
    if ask is None:
        raise SettingsInvalid(
            f"several weights know {scanner.rendering!r} scans: {', '.join(known)}",
            remedy="give --weights, or `weights` in the scanner's profile",
        )
    return ask(known)


def choose_by_sidecars(paths: Sequence[Path], ask: Ask | None) -> str:
    """Name of the weights that the profiles beside raw arrays ask for, where every scan has one and all ask for the
    same; empty for the default: what does not suit it is referred, scan by scan.

    Raises SettingsInvalid as `choose_weights`, where one and the same choice is left open by all.
    """
    beside = [sidecar_of(path) for path in paths]
    texts = {path.read_bytes() for path in beside if path and path.stat().st_size <= MOST_BYTES}
    if None in beside or not texts:
        return ""
    try:
        profiles = [parse_profile(text.decode(), "the profile beside a scan") for text in texts]
    except (SettingsInvalid, UnicodeDecodeError):
        # The scan beside it is referred, with what is wrong.
        return ""
    wanted = {(profile.weights, profile.rendering): profile for profile in profiles}
    chosen = {choose_weights("", profile, ask) for profile in wanted.values()}
    return chosen.pop() if len(chosen) == 1 else ""


def knowing(rendering: str) -> list[str]:
    """Shipped weights that were trained on scans drawn so, by name. Raises WeightsRejected for an altered file."""
    return [name for name, renderings in _renderings().items() if rendering in renderings]


def _renderings() -> dict[str, tuple[str, ...]]:
    return {name: load_weights(name).spec.renderings for name in sorted(read_manifest().weights)}
