"""What a scanner's files cannot say of themselves, in TOML.

name = "gate 3"
weights = "luggage"             # the network that this scanner's scans go to; beside a scan, a shipped one
views = 1
energies = ["high", "low"]      # in the order in which the file holds them
arrangement = "pages"           # pages, planes (of one colour page), side by side, stacked
polarity = "air bright"         # or air dark
bits_stored = 16                # a level of 2**bits - 1 is full scale
air_columns = [0, 40]           # nothing in the beam; counted along the belt, negative from the end
belt = "x"                      # the axis along which the object moves; the detector lies across it
pixel_pitch_mm = [5.0, 5.0]     # x, y
rendering = "grey"

[calibration]
dark = 120                      # level without a beam; one number, or {high = 120, low = 118}

>>> profile = load_profile(Path("gate3.toml"))
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from detector.normalisation.dual_energy import CURVES, Curve
from detector.toml_settings import Number, WholeNumber, parse_toml, read_toml, validated

Energy = Literal["high", "low"]
#: Axis of a stored page along which the object moved.
Belt = Literal["x", "y"]
#: Rendering -> what the three channels of the picture are; `normalise.RENDERINGS` makes them.
Rendering = Literal["stored", "grey", "display", "cargo", "cargo material"]

_Level = Annotated[Number, Field(ge=0, le=65_535)]
_Positive = Annotated[Number, Field(gt=0)]
_Side = Annotated[WholeNumber, Field(ge=1, le=1_000_000)]

#: What a profile says of transmission alone.
_OF_TRANSMISSION = ("air_value", "air_columns", "calibration", "beam", "material_curve", "opaque_transmission")


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Calibration(_Frozen):
    """dark: level without a beam. gain: factor on the transmission. Each one number, or one for each energy."""

    dark: _Level | dict[Energy, _Level] = 0.0
    gain: _Positive | dict[Energy, _Positive] = 1.0


class ScannerProfile(_Frozen):
    """One scanner. Raises pydantic's ValidationError where `load_profile` raises SettingsInvalid.

    rendering: `stored` passes the picture on as it is (a colour export), of which belt and pitch are known; `grey` is
    transmission; `display` opens up the dark as an operator's screen does; `cargo` is transmission, its logarithm and
    its square root; `cargo material` has the effective atomic number in place of the square root.
    """

    name: str = Field(min_length=1)
    weights: str = ""
    views: WholeNumber = Field(default=1, ge=1, le=16)
    energies: tuple[Energy, ...] = Field(default=("high",), min_length=1, max_length=2)
    arrangement: Literal["pages", "planes", "side by side", "stacked"] = "pages"
    polarity: Literal["air bright", "air dark"] = "air bright"
    bits_stored: WholeNumber | None = Field(default=None, ge=8, le=16)
    air_value: _Level | dict[Energy, _Level] | None = None
    air_columns: tuple[WholeNumber, WholeNumber] | None = None
    belt: Belt = "x"
    pixel_pitch_mm: tuple[_Positive, _Positive] | None = None
    #: Pixels of every page; what is left out may be anything.
    width: _Side | None = None
    height: _Side | None = None
    calibration: Calibration = Calibration()
    beam: Literal["keV", "MeV"] = "MeV"
    #: (quotient of attenuations, atomic number), measured on this scanner; empty takes the curve of `beam`.
    material_curve: tuple[tuple[_Positive, _Positive], ...] = ()
    #: What lets less through than this counts as opaque: 18.5 cm of steel at 2 MeV (0.336 a centimetre).
    opaque_transmission: Number = Field(default=0.002, gt=0, lt=0.5)
    rendering: Rendering = "grey"

    @model_validator(mode="after")
    def _holds_together(self) -> ScannerProfile:
        if "high" not in self.energies or len(set(self.energies)) != len(self.energies):
            raise ValueError("energies are ['high'], ['high', 'low'] or ['low', 'high']")
        if self.rendering == "cargo material" and len(self.energies) != 2:
            raise ValueError("rendering = 'cargo material' needs two energies")
        if self.polarity == "air dark" and self.rendering == "stored":
            raise ValueError("rendering = 'stored' passes levels on as they are: it cannot turn 'air dark' round")
        if self.rendering == "stored":
            self._refuse_unused()
        if self.polarity == "air dark" and self.bits_stored is None:
            raise ValueError("polarity = 'air dark' needs bits_stored: levels are turned round from full scale")
        if self.air_value is not None and self.air_columns is not None:
            raise ValueError("give air_value or air_columns, not both: the scan's own air or a fixed one")
        if self.arrangement != "pages" and len(self.energies) == 1:
            raise ValueError(f"arrangement = {self.arrangement!r} parts a page into energies, but there is one")
        if len(self.material_curve) == 1 or len({ratio for ratio, _ in self.material_curve}) < len(self.material_curve):
            raise ValueError("material_curve needs at least two different quotients")
        for levels in (self.air_value, self.calibration.dark, self.calibration.gain):
            if isinstance(levels, dict) and set(levels) != set(self.energies):
                raise ValueError("a value for each energy must name exactly the energies")
        return self

    def _refuse_unused(self) -> None:
        """Whoever gives what only transmission is made of believes that it is made."""
        fields = type(self).model_fields
        unused = [key for key in _OF_TRANSMISSION if getattr(self, key) != fields[key].default]
        if unused:
            raise ValueError(f"rendering = 'stored' passes levels on as they are: leave out {', '.join(unused)}")

    @property
    def pages(self) -> int:
        """How many pages a file of this scanner has."""
        return self.views * (len(self.energies) if self.arrangement == "pages" else 1)

    @property
    def curve(self) -> Curve:
        """Quotient of attenuations -> atomic number."""
        return self.material_curve or CURVES[self.beam]

    def fingerprint(self) -> str:
        """SHA-256, hex, of everything in it."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def of_energy(value: float | dict[Energy, float], energy: Energy) -> float:
    """A value that is one for all energies, or that of `energy`."""
    return value[energy] if isinstance(value, dict) else value


def load_profile(path: Path) -> ScannerProfile:
    """The profile in a TOML file. Raises SettingsInvalid for anything that cannot be taken as it stands."""
    return validated(ScannerProfile, read_toml(path), str(path))


def parse_profile(text: str, source: str) -> ScannerProfile:
    """The profile in TOML text; `source` names it in messages. Raises SettingsInvalid as `load_profile`."""
    return validated(ScannerProfile, parse_toml(text.encode(), source), source)
