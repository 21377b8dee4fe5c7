"""What was noticed while a scan was read by its profile, and which of it forbids CLEAR."""

from __future__ import annotations

from dataclasses import dataclass

from detector.normalisation.grain import LEAST_GRAIN, MOST_AIR_NOISE, MOST_NOISE_BEHIND
from detector.normalisation.plateau import PALEST
from detector.normalisation.saturation import MOST_SATURATED

#: Lines side by side that interpolation can bridge; behind a wider gap a small item disappears.
WIDEST_GAP = 4
#: Share of a scan that may hold one level although noise changes that level everywhere else: of whole simulated scans
#: none does.
MOST_STILL = 0.001
#: Share of the detector's elements that may see no air in the scan's first or last moments: of 24 whole simulated scans
#: 1.1 % at most do, of the same cut in the middle, where a drawbar may be, 10 % at least and 80 % in the median.
MOST_BEYOND = 0.05
#: Share of the moments that may see no air along one edge, upper or lower, and along the other, where wheels stand: of
#: 40 whole simulated scans none and 55 % at most do, of the same without the upper or the lower two fifths the other
#: edge has 70 % at least. A scan may lie upside down.
MOST_FREE, MOST_WHEELS = 0.05, 0.69
#: The level of air, of what the profile took for it, outside of which the profile's air is not this scan's.
AIR_LEVELS = (0.95, 1.05)
#: Share of a view at one dark level that is not 0, above which that level is suspected to be the one of no beam.
MOST_PLATEAU = 0.01
#: Share of a scan's border that must be air before what is brightest in the scan is taken for it: 36 whole simulated
#: scans have 0.74 and more. What is cut out of a container, at least one and a half times as long as high, has the
#: floor or the load along one long side, and so 0.7 at most.
LEAST_AIR_BORDER = 0.7


@dataclass
class Findings:
    """The worst of all views and energies, but for guessed_air.

    Shares 0..1; faulty, lost, widest: lines; densest, air: transmission.
    """

    faulty: int = 0
    lost: int = 0
    widest: int = 0
    saturated: float = 0.0
    #: Some part of every bag, parcel and container lets less than PALEST through; where none does, levels that mean
    #: dark were taken for half transmitted.
    densest: float = 0.0
    plateau: float = 0.0
    air: float = 1.0
    #: The level that was taken for air where the profile names neither air columns nor a value; of several views and
    #: energies that of the last, for none of them is the worst.
    guessed_air: float | None = None
    border_in_air: float = 1.0
    still: float = 0.0
    #: How much of the noise in air is each pixel's own.
    grain: float = 1.0
    #: Deviation of a pixel of air.
    air_noise: float = 0.0
    #: Noise behind a load over that in air.
    noise_behind: float = 0.0
    beyond: float = 0.0
    above: float = 0.0
    below: float = 0.0

    def doubts(self) -> tuple[str, ...]:
        """Why the scan must not be cleared, each in a line."""
        found = []
        if self.saturated > MOST_SATURATED:
            found.append(
                f"saturated: {self.saturated:.0%} of the scan is at its highest level, where thin things are lost: "
                "scan with less beam, or export levels that are not cut off"
            )
        if self.densest > PALEST:
            found.append(
                f"nothing lets less than {self.densest:.0%} through: the dark level or bits of the profile may be wrong"
            )
        if self.air < AIR_LEVELS[0]:
            found.append(f"nothing lets more than {self.air:.0%} through: no air in the scan, or the wrong air value")
        if self.guessed_air is not None and self.border_in_air < LEAST_AIR_BORDER:
            found.append(
                f"air was guessed, and {self.border_in_air:.0%} of the scan's border is at its level: "
                "give air_columns or air_value in the profile"
            )
        if self.plateau >= MOST_PLATEAU:
            found.append(f"{self.plateau:.0%} of the scan lies at one dark level: opaque, or `dark` is missing")
        if self.widest > WIDEST_GAP:
            found.append(f"{self.widest} faulty detector lines lie side by side: what is behind them was not seen")
        if self.still > MOST_STILL:
            found.append(
                f"{self.still:.1%} of the scan holds one level where noise should change it: not measured there"
            )
        if self.grain < LEAST_GRAIN:
            found.append(
                "blurred or enlarged: in air neighbouring pixels have the same noise, as no detector's have: "
                "export the scan as it was measured"
            )
        if self.air_noise > MOST_AIR_NOISE:
            found.append(
                f"the noise in air is {self.air_noise:.0%} of it: too few photons came through for small things to show"
            )
        if self.noise_behind > MOST_NOISE_BEHIND:
            found.append(
                f"the noise behind the load is {self.noise_behind:.1f} times that of air, where photons leave less: "
                "levels may be a logarithm of the beam: export them in proportion to it"
            )
        if self.beyond > MOST_BEYOND:
            found.append(
                f"at its end {self.beyond:.0%} of the scan's height is no air: what was scanned goes on beyond"
            )
        edge, share = ("upper", self.above) if self.above > self.below else ("lower", self.below)
        if share > MOST_WHEELS or min(self.above, self.below) > MOST_FREE:
            found.append(
                f"along its {edge} edge {share:.0%} of the scan's length is no air: what was scanned goes on beyond"
            )
        return tuple(found)

    def notes(self) -> tuple[str, ...]:
        """What was guessed or mended, for people."""
        found = []
        if self.guessed_air is not None:
            found.append(f"the level of air was guessed from the scan: {self.guessed_air:.0f}")
        if self.faulty:
            found.append(f"{self.faulty} faulty detector {'line' if self.faulty == 1 else 'lines'} mended")
        if self.lost:
            found.append(f"{self.lost} lost {'moment' if self.lost == 1 else 'moments'} of the belt mended")
        return tuple(found)
