"""Which weights a run takes: those asked for, those of the scanner's profile, or those that know its rendering."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from detector.errors import SettingsInvalid
from detector.readers.sidecar import MOST_BYTES, sidecar_of
from detector.scanner_profile import Rendering, ScannerProfile, load_profile
from detector.weights import UNSHIPPED_REMEDY, load_weights, read_manifest

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
    """Name of the shipped weights that the profiles beside raw arrays ask for, where every scan has one; empty for the
    default. A profile that cannot be taken costs no more than its own scan, which is referred with what is wrong.

    Raises SettingsInvalid, naming a profile of each kind, where they ask for different weights, and as `choose_weights`
    where none of them can be followed.
    """
    chosen: dict[str, Path] = {}
    faults: list[SettingsInvalid] = []
    for profile, path in _profiles_beside(paths):
        try:
            chosen.setdefault(_shipped(profile, ask), path)
        except SettingsInvalid as error:
            faults.append(SettingsInvalid(f"{path}: {error.what}", remedy=error.remedy))
    if len(chosen) > 1:
        asked = ", ".join(f"{name} by {path}" for name, path in sorted(chosen.items()))
        raise SettingsInvalid(
            f"the profiles beside the scans ask for different weights: {asked}",
            remedy="give --weights (scans of other weights are then referred), or scan them in runs of their own",
        )
    if faults and not chosen:
        raise faults[0]
    return next(iter(chosen), "")


def _shipped(profile: ScannerProfile, ask: Ask | None) -> str:
    chosen = choose_weights("", profile, ask)
    manifest = read_manifest()
    if manifest.pinned(chosen) is None:
        raise SettingsInvalid(f"the weights {chosen} that it asks for are not shipped", remedy=UNSHIPPED_REMEDY)
    return manifest.resolved(chosen)


def _profiles_beside(paths: Sequence[Path]) -> list[tuple[ScannerProfile, Path]]:
    """Each kind of profile once, with a file of it: those that can be taken, and none where a scan has no profile."""
    texts: dict[bytes, Path] = {}
    for path in paths:
        try:
            beside = sidecar_of(path)
            if beside is None:
                return []
            if beside.stat().st_size <= MOST_BYTES:
                texts.setdefault(beside.read_bytes(), beside)
        except OSError:
            # Reading the scan meets the same, and refers it.
            continue
    kinds: dict[tuple[str, Rendering], tuple[ScannerProfile, Path]] = {}
    for path in texts.values():
        with suppress(SettingsInvalid):
            profile = load_profile(path)
            kinds.setdefault((profile.weights, profile.rendering), (profile, path))
    return list(kinds.values())


def knowing(rendering: str) -> list[str]:
    """Shipped weights that were trained on scans drawn so, by name. Raises WeightsRejected for an altered file."""
    return [name for name, renderings in _renderings().items() if rendering in renderings]


def _renderings() -> dict[str, tuple[str, ...]]:
    return {name: load_weights(name).spec.renderings for name in sorted(read_manifest().weights)}
