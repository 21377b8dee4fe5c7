"""How training scans are varied. The only file that imports albumentations.

An X-ray scan is not a photograph: darker means denser. Brightness is therefore varied as thickness, by raising the
transmission to a power (I/I0 = exp(-mu t), so (I/I0)^k is the same object k times as thick), or as the strength of the
source, by a factor; never by adding light. Colours are turned as other makers' palettes turn them, noise grows behind
what is dense, and what is wrong with a detector cell is wrong along the whole belt.

Negatives are not among the variations: the station refuses to clear what looks like one.
"""

from __future__ import annotations

import functools
import os
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.normalise import AIR
from training.pseudo_colour import COMPRESSION, PaletteShift, shift_palette
from training.recipe import AugmentationSettings

# Without this the import asks the network for a newer release.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as A  # noqa: N812

UInt8 = NDArray[np.uint8]
Boxes = NDArray[np.float32]
Ids = NDArray[np.int64]

#: A box of which less than this share is left after zoom and shift is dropped.
LEAST_VISIBLE = 0.4
#: Zooming out stops where the smallest box's shorter side would fall below this, in pixels of the square: smaller
#: items cannot be told from noise, and would be learned as such.
LEAST_ITEM_SIDE = 8.0
#: Largest turns of hue at organic, mixed and metal, degrees: what eight real scanners differ by, see pseudo_colour.
HUE_TURNS = (9.0, 16.0, 9.0)
#: Largest factors on saturation and on the power of the value.
MOST_STRENGTH, MOST_VALUE = 1.35, 1.25
#: Largest change of the source's strength, as a share.
MOST_GAIN = 0.12
#: Photons a pixel in air, least and most; fewer make more noise. Displays show about the root of the transmission.
PHOTONS, DISPLAY_POWER = (800.0, 8000.0), 0.55
#: Largest spread of the gains of detector cells, as a share, and the most dead cells.
MOST_STRIPE, MOST_DEAD = 0.03, 3


class Augmentation:
    """Varies one letterboxed scan with its boxes, the same way for the same seed."""

    def __init__(self, settings: AugmentationSettings, *, plain: bool = False) -> None:
        steps = _geometry(settings) + ([] if plain else _appearance(settings))
        boxes = A.BboxParams("pascal_voc", label_fields=["class_ids"], min_visibility=LEAST_VISIBLE, clip=True)
        self._compose = A.Compose(steps, bbox_params=boxes)

    def __call__(self, image: UInt8, boxes: Boxes, class_ids: Ids, seed: int) -> tuple[UInt8, Boxes, Ids]:
        """image: (S, S, 3) RGB. boxes: (n, 4) pixels of it. class_ids: (n,), or any other whole number for each box.

        Returns the same, without the boxes that left the image.
        """
        self._compose.set_random_seed(seed)
        out: dict[str, Any] = self._compose(image=image, bboxes=boxes, class_ids=class_ids)
        kept = np.asarray(out["bboxes"], np.float32).reshape(-1, 4)
        return out["image"], kept, np.asarray(out["class_ids"], np.int64)


def _geometry(settings: AugmentationSettings) -> list[Any]:
    return [
        A.HorizontalFlip(p=settings.flip),
        A.VerticalFlip(p=settings.flip),
        A.RandomRotate90(p=settings.quarter_turn),
        ZoomKeepingItems(
            scale=settings.zoom,
            translate_percent=(-settings.shift, settings.shift),
            keep_ratio=True,
            fill=AIR,
            p=0.8 if settings.shift or settings.zoom != (1, 1) else 0.0,
        ),
    ]


def _appearance(settings: AugmentationSettings) -> list[Any]:
    steps = [
        Thickness(settings.thickness, p=0.6 if settings.thickness > 1 else 0.0),
        SourceGain(p=settings.gain),
        Palette(p=settings.palette),
        # Even a shift of nothing goes there and back through HSV, which rounds.
        A.HueSaturationValue(
            settings.hue, settings.saturation, 0, p=0.5 if settings.hue or settings.saturation else 0.0
        ),
        A.ToGray(p=settings.grey),
        PhotonNoise(p=settings.photon_noise),
        Stripes(p=settings.stripes),
        A.OneOf(
            [
                A.GaussianBlur(blur_limit=(3, 3)),
                A.GaussNoise(std_range=(0.01, 0.03)),
                A.ImageCompression(quality_range=(40, 90)),
            ],
            p=settings.degrade,
        ),
    ]
    # A step that is off still costs a draw and its bookkeeping.
    return [step for step in steps if step.p > 0]


class ZoomKeepingItems(A.Affine):  # type: ignore[misc]
    """Zoom and shift that leave every box at least LEAST_ITEM_SIDE pixels, or as large as it was."""

    scale: dict[str, tuple[float, float]]

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Draws zoom and shift, the zoom from as much of its range as the smallest box allows."""
        wanted = self.scale
        low, high = wanted["x"]
        boxes = np.asarray(data.get("bboxes", ()), np.float64)
        if boxes.size:
            # Boxes come here as shares of the image.
            sides = (boxes[:, 2:4] - boxes[:, :2]) * (params["shape"][1], params["shape"][0])
            floor = min(1.0, LEAST_ITEM_SIDE / max(float(sides.min()), 1e-6))
            self.scale = dict.fromkeys(wanted, (max(low, floor), max(high, floor)))
        try:
            drawn: dict[str, Any] = super().get_params_dependent_on_data(params, data)
        finally:
            self.scale = wanted
        return drawn


class Thickness(A.ImageOnlyTransform):  # type: ignore[misc]
    """Multiplies all thicknesses by a factor between 1/largest and largest: transmission to that power."""

    def __init__(self, largest: float, p: float) -> None:
        super().__init__(p=p)
        self.largest = largest

    def get_params(self) -> dict[str, Any]:
        """Draws the factor, as likely thinner as thicker."""
        return {"factor": float(self.largest ** self.py_random.uniform(-1, 1))}

    def apply(self, img: UInt8, factor: float, **_: Any) -> UInt8:
        """The image behind objects `factor` times as thick."""
        table = np.rint(255.0 * (np.arange(256) / 255.0) ** factor).astype(np.uint8)
        return table[img]


class SourceGain(A.ImageOnlyTransform):  # type: ignore[misc]
    """A source stronger or weaker than its calibration says: transmissions times a factor, cut off at white."""

    def get_params(self) -> dict[str, Any]:
        """Draws the factor."""
        return {"factor": 1 + MOST_GAIN * self.py_random.uniform(-1, 1)}

    def apply(self, img: UInt8, factor: float, **_: Any) -> UInt8:
        """The image at `factor` times the dose."""
        return np.asarray(cv2.convertScaleAbs(img, alpha=factor), np.uint8)


class Palette(A.ImageOnlyTransform):  # type: ignore[misc]
    """The scan in another maker's colours."""

    def get_params(self) -> dict[str, Any]:
        """Draws the other palette."""
        draw = self.py_random.uniform
        organic, mixed, metal = (turn * draw(-1, 1) for turn in HUE_TURNS)
        strength, value = (most ** draw(-1, 1) for most in (MOST_STRENGTH, MOST_VALUE))
        return {"shift": PaletteShift(organic, mixed, metal, strength, value)}

    def apply(self, img: UInt8, shift: PaletteShift, **_: Any) -> UInt8:
        """The image in it."""
        return shift_palette(img, shift)


class PhotonNoise(A.ImageOnlyTransform):  # type: ignore[misc]
    """Noise of few photons: the same on all channels, growing behind what is dense."""

    def get_params(self) -> dict[str, Any]:
        """Draws photons in air, evenly in their logarithm, and which part of the noise falls on the scan."""
        low, high = (float(np.log(count)) for count in PHOTONS)
        offset = self.py_random.randrange(_NOISE_SIDE), self.py_random.randrange(_NOISE_SIDE)
        return {"photons": float(np.exp(self.py_random.uniform(low, high))), "offset": offset}

    def apply(self, img: UInt8, photons: float, offset: tuple[int, int], **_: Any) -> UInt8:
        """The image as counted with so many photons a pixel in air."""
        deviations = _deviations()[cv2.cvtColor(img, cv2.COLOR_RGB2GRAY)]
        rows, columns = (
            np.arange(start, start + side) % _NOISE_SIDE for start, side in zip(offset, img.shape[:2], strict=True)
        )
        noise = _noise()[rows[:, None], columns] * deviations * np.float32(photons**-0.5)
        return np.asarray(np.clip(np.rint(img + noise[..., None]), 0, 255), np.uint8)


_NOISE_SIDE = 1024


@functools.cache
def _noise() -> NDArray[np.float32]:
    """Normal numbers, drawn once: a scan takes a window of them, which costs a tenth of drawing them anew."""
    numbers = np.random.default_rng(0).standard_normal((_NOISE_SIDE, _NOISE_SIDE), np.float32)
    # Displays smooth what they show.
    return np.asarray(cv2.GaussianBlur(numbers, (0, 0), 0.6) * 2.0, np.float32)


@functools.cache
def _deviations() -> NDArray[np.float32]:
    """Standard deviation of each display level, in levels, for one photon a pixel in air.

    Counting n photons gives ln T a deviation of 1 / sqrt(n); the display curve a + COMPRESSION a^2 = power * -ln T,
    a = -ln(level / 255), carries it over to the level. Bounded where the display itself runs out.
    """
    level = np.maximum(np.arange(256), 2) / 255
    shown = -np.log(level)
    depth = (shown + COMPRESSION * shown**2) / DISPLAY_POWER
    slope = level * DISPLAY_POWER / (1 + 2 * COMPRESSION * shown)
    return np.asarray(np.minimum(255 * slope * np.exp(depth / 2), 255 * 4.0), np.float32)


class Stripes(A.ImageOnlyTransform):  # type: ignore[misc]
    """Detector cells out of calibration: each line along the belt has its own gain, and some are dead."""

    def get_params(self) -> dict[str, Any]:
        """Draws the direction of the belt, the spread of gains and the dead cells."""
        dead = self.py_random.choices(range(MOST_DEAD + 1), weights=(6, 2, 1, 1))[0]
        return {
            "upright": self.py_random.random() < 0.5,
            "spread": MOST_STRIPE * self.py_random.random(),
            "dead": [(self.py_random.random(), self.py_random.random() < 0.5) for _ in range(dead)],
            "seed": self.py_random.randrange(2**31),
        }

    def apply(self, img: UInt8, upright: bool, spread: float, dead: list[tuple[float, bool]], **rest: Any) -> UInt8:
        """The image as such a detector writes it; a dead cell reads nothing, or what its neighbour reads."""
        lines = img.shape[1 if upright else 0]
        noise = np.random.default_rng(rest["seed"]).standard_normal((lines, 1, 1), np.float32)
        positions = [(1 + int(share * (lines - 2)), repeats) for share, repeats in dead]
        out = img.swapaxes(0, 1) if upright else img
        out = np.asarray(np.clip(np.rint(out * (1 + np.float32(spread) * noise)), 0, 255), np.uint8)
        for line, repeats in positions:
            out[line] = out[line - 1] if repeats else 0
        return np.ascontiguousarray(out.swapaxes(0, 1) if upright else out)
