"""What a weights file says of itself: the JSON under the ONNX metadata key `roentgate`.

A network without this is refused: guessing an input size, a channel order or a class list is how the wrong box gets the
wrong name.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from detector.calibration import ClassMap, is_logistic, reach_fault
from detector.palette import Palette, unpacked
from detector.scanner_profile import Rendering
from detector.tile_squares import Look, check_passes

METADATA_KEY = "roentgate"
SCHEMA_VERSION = 1
#: Names of the graph's input and outputs.
INPUT_NAME, BOXES_NAME, SCORES_NAME = "scans", "boxes_xyxy", "scores"


#: Mirror images of a scan over which a graph averages its answers, beside the scan: none, one, or three.
Flips = Literal["none", "horizontal", "both"]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainingSource(_Frozen):
    """One source of training scans and what may be done with weights learned from it."""

    name: str
    scans: int = Field(ge=0)
    terms: str


class KnownPalette(_Frozen):
    """colours: `palette.packed`. air: lowest and highest `export_faults.air_level` of the scans behind it."""

    colours: str
    air: tuple[float, float]

    @model_validator(mode="after")
    def _is_a_palette(self) -> KnownPalette:
        unpacked(self.colours)
        if not self.air[0] <= self.air[1]:
            raise ValueError("the air of a palette is its lowest level, and its highest")
        return self

    def unpacked(self) -> Palette:
        """As scans are compared with it."""
        return Palette(unpacked(self.colours), self.air)


class KnownColours(_Frozen):
    """Colours of the scanners that the weights were trained and measured on.

    palettes: scanner -> its palettes, one for each level at which it paints air. allowed: share of a scan's cargo that
    may have colours of no such palette. basis: on which scans both were measured and what they cost, in a sentence.
    """

    palettes: dict[str, Annotated[tuple[KnownPalette, ...], Field(min_length=1)]] = Field(min_length=1)
    allowed: float = Field(ge=0, le=1)
    basis: str

    def unpacked(self) -> tuple[Palette, ...]:
        """Of all scanners, as scans are compared with them."""
        return tuple(palette.unpacked() for own in self.palettes.values() for palette in own)


class WeightsSpec(_Frozen):
    """Input, classes, thresholds and provenance of one network.

    The graph takes `scans` (N, input_size, input_size, 3) uint8 RGB, letterboxed from the top left corner and padded
    with pad_value, and gives `boxes_xyxy` (N, Q, 4) float32 in pixels of that square and `scores` (N, Q, C) 0..1.
    """

    schema_version: Literal[1] = 1
    name: str
    family: str
    class_names: tuple[str, ...] = Field(min_length=1)
    input_size: int = Field(gt=0)
    channel_order: Literal["RGB"] = "RGB"
    scaling: Literal["inside graph"] = "inside graph"
    resize: Literal["letterbox top left"] = "letterbox top left"
    pad_value: Literal[255] = 255
    #: What the network was trained to see (`scanner_profile.Rendering`); a scan rendered otherwise is never CLEAR.
    renderings: tuple[Rendering, ...] = Field(default=("stored",), min_length=1)
    #: The largest side of a scan, in its own pixels, that is looked at whole; larger scans are cut into such tiles.
    tile_pixels: int = Field(gt=0)
    #: Length of a pixel of such a tile in the scanned object, mm, for a network that was trained at one scale: scans of
    #: another pitch are cut into tiles that cover as many millimetres. None for one that knows no scale.
    pixel_pitch_mm: float | None = Field(default=None, gt=0)
    #: Sides of the tiles of each pass over a scan, in tile_pixels: the first is 1, larger ones are for large things.
    passes: tuple[float, ...] = Field(default=(1.0,), min_length=1)
    #: What the graph does by itself; it costs one, two or four times as much.
    flips: Flips = "none"
    #: Boxes of one class that overlap more than this are one item.
    merge_iou: float = Field(gt=0, lt=1)
    #: Score at which a class raises an alarm, chosen on validation scans.
    thresholds: dict[str, float]
    #: How the thresholds were chosen, in a sentence.
    operating_point: str
    #: class -> map from score to probability: (slope, offset) of a logistic map, or knots ((score, probability), ...);
    #: empty while not calibrated. Thresholds apply to probabilities.
    calibration: dict[str, ClassMap] = {}
    #: Of the convolutions, and in INT8 of what carries their results to the next. INT8 files pass a gate before they
    #: are published (training/shipping/quantisation_gate.py).
    precision: Literal["float32", "int8"] = "float32"
    pretrained: str
    training_data: tuple[TrainingSource, ...]
    #: Whether all stored scans that they were chosen on had colours; then a grey one is never CLEAR.
    coloured: bool = False
    #: The colours it knows; a scan with too much of others is never CLEAR. None where nobody measured them.
    colours: KnownColours | None = None
    #: Why no scan is CLEAR on the word of these weights alone; empty for weights that may clear.
    never_clear: str = ""
    #: Sources and scanners of the data folder that training and validation never saw.
    left_out: tuple[str, ...] = ()
    #: Digest of the annotations that thresholds and calibration were chosen on; empty while none were, and then no scan
    #: is CLEAR.
    chosen_on: str = ""
    #: Digest of the files of these scans; empty where nobody kept it.
    chosen_on_files: str = ""
    #: Classes whose threshold no scan decided: no scan is CLEAR by it until a policy gives them an alarm score.
    unchosen: tuple[str, ...] = ()
    terms: str
    #: Measured on validation scans at export: {"AP50": {"value": .., "n": ..}, ...}.
    metrics: dict[str, dict[str, float]] = {}

    @property
    def look(self) -> Look:
        """How it looks at scans, alone."""
        return Look(self.input_size, self.tile_pixels, self.pixel_pitch_mm, self.passes)

    @property
    def images_per_tile(self) -> int:
        """What the graph makes of a tile: itself and its mirror images, which cost memory as well."""
        return {"none": 1, "horizontal": 2, "both": 4}[self.flips]

    @field_validator("calibration")
    @classmethod
    def _maps_keep_the_order(cls, maps: dict[str, ClassMap]) -> dict[str, ClassMap]:
        for name, class_map in maps.items():
            if not _keeps_order(class_map):
                raise ValueError(f"the calibration of {name} does not rise with the score")
        return maps

    @model_validator(mode="after")
    def _thresholds_cover_classes(self) -> WeightsSpec:
        if set(self.thresholds) != set(self.class_names):
            raise ValueError("thresholds must name exactly the classes: a class without one could never alarm")
        if not all(0 < value <= 1 for value in self.thresholds.values()):
            raise ValueError("thresholds lie in (0, 1]")
        check_passes(self.passes)
        if self.colours and not self.coloured:
            raise ValueError("colours are known, but a scan without any would be cleared")
        if len(set(self.class_names)) != len(self.class_names):
            raise ValueError("class names repeat")
        if not set(self.unchosen) <= set(self.class_names):
            raise ValueError("unchosen names a class that the network does not have")
        if not set(self.calibration) <= set(self.class_names):
            raise ValueError("calibration names a class that the network does not have")
        for name, threshold in self.thresholds.items():
            _check_reach(name, threshold, self.calibration.get(name))
        return self


def _check_reach(name: str, threshold: float, class_map: ClassMap | None) -> None:
    fault = reach_fault(threshold, class_map)
    if fault is None:
        return
    if fault.too_high:
        raise ValueError(f"{name} could never alarm: its calibration ends at {fault.end:.4g}, below {threshold:g}")
    given = "with a score below" if class_map is None else "to which its calibration gives"
    raise ValueError(f"{name} would alarm from {threshold:g}, but boxes {given} {fault.end:.4g} are left out")


def _keeps_order(class_map: ClassMap) -> bool:
    """A map that fell with the score would alarm on the least likely boxes and clear the others."""
    if not class_map:
        return False
    values = np.array(class_map, np.float64)
    if is_logistic(class_map):
        return bool(math.isfinite(values.sum()) and values[0] > 0)
    inside = (values >= 0) & (values <= 1)
    steps = np.diff(values, axis=0)
    return bool(len(values) >= 2 and inside.all() and (steps[:, 0] > 0).all() and (steps[:, 1] >= 0).all())
