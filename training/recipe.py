"""A recipe: everything that decides what a training gives, typed, in one TOML file.

`resolve_recipe` reads one by file or by the name of a shipped recipe and applies `key=value` changes; the run keeps
what came out beside its checkpoints. Unknown keys are refused with the nearest name.
"""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from detector.errors import SettingsInvalid
from detector.scanner_profile import Rendering
from detector.tile_squares import BAG_PIXELS, Look, check_passes
from detector.toml_settings import read_toml, validated

RECIPES = Path(__file__).parent / "recipes"


def _holds_boolean(value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    return any(map(_holds_boolean, value)) if isinstance(value, list | tuple) else isinstance(value, bool)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_number_is_true(cls, value: Any, info: ValidationInfo) -> Any:
        # A number would take true for 1, and a training would run with it.
        kind = cls.model_fields[str(info.field_name)].annotation
        if kind is bool or (isinstance(kind, type) and issubclass(kind, _Section)) or not _holds_boolean(value):
            return value
        raise PydanticCustomError("boolean", "true and false are no values of this key")


class AugmentationSettings(_Section):
    """How scans are varied. Probabilities are a scan's; see training/augmentation.py for each."""

    flip: float = Field(0.5, ge=0, le=1)
    quarter_turn: float = Field(0.25, ge=0, le=1)
    #: Smallest and largest zoom, and the largest shift as a share of the side.
    zoom: tuple[float, float] = (0.7, 1.4)
    shift: float = Field(0.1, ge=0, lt=1)
    #: Largest factor by which all thicknesses are multiplied or divided: transmission is raised to that power.
    thickness: float = Field(1.4, ge=1)
    #: Largest hue (degrees of 180) and saturation (share of 255) shift: scanners render materials differently.
    hue: int = Field(4, ge=0, le=180)
    saturation: int = Field(25, ge=0, le=255)
    #: Probability that a scan loses its colours: many scanners write grey.
    grey: float = Field(0.0, ge=0, le=1)
    #: Probability of detector-like degradations: blur, noise, JPEG.
    degrade: float = Field(0.2, ge=0, le=1)
    #: Probability that items of other training scans are projected into a scan, and the most of them.
    projection: float = Field(0.35, ge=0, le=1)
    projected_items: int = Field(2, ge=1)
    #: Where projected items lie: 0 in the air, 1 in the densest clutter, 0.5 anywhere in the bag.
    projection_clutter: float = Field(0.5, ge=0, le=1)
    #: Pastes items over the bag instead of projecting them: worse, for measuring how much worse.
    projection_opaque: bool = False
    # The rest is off until an ablation on the data at hand speaks for it (`roentgate-train ablate`).
    #: Probability that a scan is coloured as by another maker: hue curve, saturation and value.
    palette: float = Field(0.0, ge=0, le=1)
    #: Probability of another source strength: all transmissions times a factor.
    gain: float = Field(0.0, ge=0, le=1)
    #: Probability of photon noise, which grows behind dense things.
    photon_noise: float = Field(0.0, ge=0, le=1)
    #: Probability of a badly calibrated detector: stripes along the belt, and a few dead cells.
    stripes: float = Field(0.0, ge=0, le=1)
    #: Probability that four scans share one square.
    mosaic: float = Field(0.0, ge=0, le=1)
    #: Probability that a clean scan lies in the same beam: transmissions multiply.
    background_mixup: float = Field(0.0, ge=0, le=1)

    @field_validator("zoom")
    @classmethod
    def _zoom_is_a_range(cls, zoom: tuple[float, float]) -> tuple[float, float]:
        if not 0 < zoom[0] <= zoom[1] < math.inf:
            raise ValueError("zoom is the smallest, above 0, and the largest")
        return zoom


class Recipe(_Section):
    """One training. Sizes are pixels of the network's square input; steps are optimiser steps."""

    model: str
    #: Local file, hub name, name of shipped weights (`luggage`), or empty for random weights.
    start: str = ""
    #: Class names and their order; empty takes those of the data.
    classes: tuple[str, ...] = ()
    #: Sources or scanners (`opixray`, `iflytek2021/5`) that are kept out, of validation too: to test on them unseen.
    leave_out: tuple[str, ...] = ()
    #: Share of the training bags that is learned from: less than all shows what more of them would be worth.
    train_share: float = Field(1.0, gt=0, le=1)
    #: Training bags that hold a class, at most: what a class would give if it were rare. Others are left out whole.
    most_bags: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    input_size: int = Field(416, ge=64)
    #: How the training scans are drawn; the station never clears a scan that is drawn otherwise.
    renderings: tuple[Rendering, ...] = Field(("stored",), min_length=1)
    #: The largest side of a scan, in its own pixels, that is looked at whole: larger ones are cut into such tiles.
    tile_pixels: int = Field(BAG_PIXELS, ge=64)
    #: Why the station must not clear a scan on the word of this network; empty for one that may.
    never_clear: str = ""
    #: Millimetres a pixel of such a tile, for a network of one scale (cargo); 0 for one that knows no scale.
    pixel_pitch_mm: float = Field(0.0, ge=0)
    #: Sides of the tiles of each pass of the station over a scan, in tile_pixels.
    passes: tuple[float, ...] = Field((1.0,), min_length=1)
    #: Every batch is scaled to one of these sizes; empty for input_size alone.
    multi_scale: tuple[int, ...] = ()
    steps: int = Field(ge=1)
    batch_size: int = Field(16, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    #: Factor on the learning rate of pretrained parameters.
    pretrained_rate: float = Field(1.0, gt=0, le=1)
    weight_decay: float = Field(0.05, ge=0)
    warmup_steps: int = Field(300, ge=0)
    #: Learning rate at the end, as a share of the peak.
    final_rate: float = Field(0.01, ge=0, le=1)
    gradient_clip: float = Field(10.0, gt=0)
    #: Share of the weights' running average that a step leaves as it was; less in the first thousands of steps.
    ema_decay: float = Field(0.999, ge=0, lt=1)
    #: Classes (and clean scans) rarer than this share of scans are repeated by sqrt(share / frequency).
    balance_share: float = Field(0.15, ge=0, le=1)
    #: How far sources are evened out: 0 as many as there are, 1 every source equally often.
    balance_sources: float = Field(0.0, ge=0, le=1)
    #: JSON file of {scan: weight}: scans to come more often, as `mine` writes it; empty for none.
    emphasis: str = ""
    #: The last steps, as a share, without projection and degradation: the network ends on scans as they are.
    plain_share: float = Field(0.1, ge=0, lt=1)
    #: Steps between validations, which also save. A shorter run validates once, at its end.
    validate_every: int = Field(400, ge=1)
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    workers: int = Field(2, ge=0)
    seed: int = Field(0, ge=0, lt=2**32)
    augmentation: AugmentationSettings = AugmentationSettings()

    @property
    def look(self) -> Look:
        """How the network looks at scans, in training as at the station."""
        return Look(self.input_size, self.tile_pixels, self.pixel_pitch_mm or None, self.passes)

    @property
    def validation_interval(self) -> int:
        """Steps between validations that really apply."""
        return min(self.validate_every, self.steps)

    @field_validator("classes")
    @classmethod
    def _classes_differ(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) < len(classes):
            raise ValueError("a class is named twice")
        return classes

    @field_validator("passes")
    @classmethod
    def _passes_grow(cls, passes: tuple[float, ...]) -> tuple[float, ...]:
        # As the weights' own description wants it, which is written hours later.
        check_passes(passes)
        return passes

    @model_validator(mode="after")
    def _augments_what_is_drawn(self) -> Recipe:
        # They read the channels as a display's colours; a cargo network's are transmission, its logarithm, and its root
        # or the material.
        varied = self.augmentation
        of_colours = {
            "thickness": varied.thickness > 1, "hue": varied.hue, "saturation": varied.saturation, "grey": varied.grey,
            "projection": varied.projection, "palette": varied.palette, "gain": varied.gain,
            "photon_noise": varied.photon_noise, "background_mixup": varied.background_mixup,
        }  # fmt: skip
        asked = [name for name, on in of_colours.items() if on]
        if asked and any(rendering.startswith("cargo") for rendering in self.renderings):
            raise ValueError(
                f"augmentation {', '.join(asked)}: not for scans drawn as 'cargo', whose channels are no colours"
            )
        return self

    @model_validator(mode="after")
    def _ends_with_a_validation(self) -> Recipe:
        if surplus := self.steps % self.validation_interval:
            fewer, every = self.steps - surplus, self.validate_every
            fits = f"--set steps={fewer}, --set steps={fewer + every} or --set validate_every={self.steps}"
            raise ValueError(
                f"{self.steps} is no multiple of validate_every, {every}: the last steps would never be judged; "
                f"what fits is {fits}"
            )
        return self


def resolve_recipe(recipe: str, changes: list[str]) -> Recipe:
    """The recipe of a TOML file or a shipped name, with `key=value` changes (TOML values, dots into sections) applied.

    Raises SettingsInvalid with one line for a missing file, a TOML error, an unknown key or a value out of range.
    """
    path = Path(recipe) if recipe.endswith(".toml") else RECIPES / f"{recipe}.toml"
    if not path.is_file():
        if recipe.endswith(".toml"):
            raise SettingsInvalid(f"no such file: {recipe}", remedy="name a recipe's TOML file, or a shipped recipe")
        shipped = ", ".join(sorted(entry.stem for entry in RECIPES.glob("*.toml")))
        raise SettingsInvalid(f"no recipe {recipe}", remedy=f"give a TOML file, or one of: {shipped}")
    values = read_toml(path)
    for change in changes:
        _apply(values, change)
    try:
        return validated(Recipe, values, str(path))
    except SettingsInvalid:
        if changes and _is_whole(path):
            # Nothing is wrong with the file.
            validated(Recipe, values, " ".join(f"--set {change}" for change in changes))
        raise


def _is_whole(path: Path) -> bool:
    """Whether the file is a recipe by itself."""
    try:
        validated(Recipe, read_toml(path), str(path))
    except SettingsInvalid:
        return False
    return True


def _apply(values: dict[str, Any], change: str) -> None:
    key, separator, text = change.partition("=")
    if not separator:
        raise SettingsInvalid(f"--set {change}: not of the form key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        # A bare word is meant as text; quoting it on a shell is a nuisance.
        value = text
    *sections, name = key.strip().split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise SettingsInvalid(f"--set {change}: {section} is no section", remedy=f"set {section} itself")
    values[name] = value
