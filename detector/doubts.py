"""What keeps a scan from being CLEAR whatever the network says of it, and what is told of it besides.

>>> doubts, notes = Clearing(weights.name, spec, policy, known_palettes(spec, policy), None).findings(seen, tiles, None)
>>> doubts
('opaque: 12% of the cargo area, the policy allows 10%',)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from detector.errors import SettingsInvalid
from detector.export_faults import export_doubts
from detector.normalisation.standardise import WINDOWED, StandardScan
from detector.normalise import AIR, doubt, is_grey
from detector.palette import Palette, unknown_share
from detector.policy import tell_apart
from detector.settings import Policy
from detector.tile_squares import TileSquare, pitch_doubt, size_doubt
from detector.weights_spec import WeightsSpec

#: Opaque shares of the cargo below this are everyday: a buckle, an axle.
LEAST_TOLD = 0.01
#: The doubt about every scan where nobody chose the weights' alarm scores on scans.
UNCHOSEN = "no alarm scores were chosen for these weights, `roentgate-train calibrate` does: nothing is cleared"


@dataclass(frozen=True)
class Clearing:
    """What a scan is held against. weights: what they are called. palettes: of `known_palettes`. tile_pixels: side of a
    tile in pixels of the scan, 0 for the whole scan, None for what suits network and scanner."""

    weights: str
    spec: WeightsSpec
    policy: Policy
    palettes: tuple[Palette, ...]
    tile_pixels: int | None

    def findings(
        self, seen: StandardScan, tiles: Sequence[TileSquare], pitch_mm: tuple[float, float] | None
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Doubts and notes on a scan that was seen. pitch_mm: of its pixels along the belt and across, where known."""
        opaque = opaque_doubt(seen.opaque, self.policy.refer_opaque_share)
        doubts = (
            seen.scan.doubt,
            opaque,
            opaque_square_doubt(seen.opaque_mm, self.policy.refer_opaque_mm),
            self.spec.never_clear,
            unchosen_doubt(self.spec, self.policy) if self.spec.chosen_on else UNCHOSEN,
            rendering_doubt(self.weights, self.spec.renderings, seen.rendering),
            self._colour_doubt(seen),
            pitch_doubt(self.spec.look, self.tile_pixels, pitch_mm),
            size_doubt(self.spec.look, self.tile_pixels, tiles),
            *map(doubt, seen.images),
            *(chain.from_iterable(map(export_doubts, seen.images)) if seen.rendering == "stored" else ()),
            *seen.doubts,
        )
        air = sum(tile.square is None for tile in tiles)
        skipped = f"air: {air} of {len(tiles)} tiles hold nothing else and were passed over" if air else ""
        # The doubt tells the share already, with what the policy allows.
        notes = ("" if opaque else opaque_note(seen.opaque), *seen.notes, skipped)
        return tuple(filter(None, doubts)), tuple(filter(None, notes))

    def _colour_doubt(self, seen: StandardScan) -> str:
        if not (self.spec.coloured and seen.rendering == "stored"):
            return ""
        # A blank view is drawn as air, and doubted as what it is.
        if any(is_grey(image) for image in seen.images if image.min() < AIR):
            return f"the scan is grey, and the weights {self.weights} have seen coloured ones alone"
        if self.spec.colours is None:
            return ""
        own = self.policy.refer_unknown_colours_share
        share = max(unknown_share(image, self.palettes) for image in seen.images)
        return colours_doubt(share, self.spec.colours.allowed if own is None else own)


def known_palettes(spec: WeightsSpec, policy: Policy) -> tuple[Palette, ...]:
    """The palettes that the weights know. Raises SettingsInvalid for a policy that limits unknown colours with weights
    that know none: it would mean nothing."""
    limit = policy.refer_unknown_colours_share
    if spec.colours is None and limit is not None and limit < 1:
        raise SettingsInvalid(
            f"policy: refer_unknown_colours_share = {limit:g}, but the weights {spec.name} do not say which colours "
            "they know",
            remedy="leave it out, or export the weights anew",
        )
    return spec.colours.unpacked() if spec.colours else ()


def unchosen_doubt(spec: WeightsSpec, policy: Policy) -> str:
    """Why nothing is cleared by weights of which no scan decided the alarm score of every class; empty where the policy
    gives one for each of the others."""
    missing = [name for name in spec.unchosen if name not in policy.alarm]
    if not missing:
        return ""
    return f"no scan decided the alarm score of {', '.join(missing)}: nothing is cleared until a policy gives one"


def rendering_doubt(weights: str, known: Sequence[str], rendering: str) -> str:
    """Why weights of that name do not know scans that are drawn so; nothing where it is among what they know."""
    if rendering in known:
        return ""
    remedy = ": more than 8 bits need a scanner profile that draws them (--scanner)" if rendering == WINDOWED else ""
    trained = ", ".join(map(repr, known))
    return f"the weights {weights} were not trained on {rendering!r} scans but on {trained}{remedy}"


def opaque_note(share: float) -> str:
    """What part of the cargo nothing was seen behind, from one percent on; else nothing. share: 0..1."""
    return f"opaque: {share:.0%} of the cargo area" if share >= LEAST_TOLD else ""


def opaque_doubt(share: float, allowed: float) -> str:
    """Why a scan of which this share of the cargo is opaque is not cleared; nothing where the policy allows it."""
    return f"opaque: {share:.0%} of the cargo area, the policy allows {allowed:.0%}" if share > allowed else ""


def opaque_square_doubt(side_mm: float, allowed_mm: float) -> str:
    """Why a scan with an opaque square of this side is not cleared; nothing where the policy allows it."""
    if side_mm < allowed_mm:
        return ""
    return (
        f"opaque: nothing is seen behind a square of {side_mm:.0f} mm, the policy allows less than {allowed_mm:.0f} mm"
    )


def colours_doubt(share: float, allowed: float) -> str:
    """Why a scan with this share of its cargo in colours that the weights never saw is not cleared; or nothing."""
    if share <= allowed:
        return ""
    told, limit = tell_apart(share * 100, allowed * 100)
    return (
        f"unknown colours: {told}% of the cargo, {limit}% is allowed: a scanner, palette, brightness or export that "
        "the weights have not seen"
    )
