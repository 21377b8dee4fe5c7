"""How training scans are varied. The only file that imports albumentations.

An X-ray scan is not a photograph: darker means denser. Brightness is therefore varied as thickness, by raising the
transmission to a power (I/I0 = exp(-mu t), so (I/I0)^k is the same object k times as thick), never by adding light.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.normalise import AIR
from training.recipe import AugmentationSettings

# Without this the import asks the network for a newer release.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as A  # noqa: N812

UInt8 = NDArray[np.uint8]
Boxes = NDArray[np.float32]
Ids = NDArray[np.int64]

#: A box of which less than this share is left after zoom and shift is dropped.
LEAST_VISIBLE = 0.4


class Augmentation:
    """Varies one letterboxed scan with its boxes, the same way for the same seed."""

    def __init__(self, settings: AugmentationSettings, *, plain: bool = False) -> None:
        steps = _geometry(settings) + ([] if plain else _appearance(settings))
        boxes = A.BboxParams("pascal_voc", label_fields=["class_ids"], min_visibility=LEAST_VISIBLE, clip=True)
        self._compose = A.Compose(steps, bbox_params=boxes)

    def __call__(self, image: UInt8, boxes: Boxes, class_ids: Ids, seed: int) -> tuple[UInt8, Boxes, Ids]:
        """image: (S, S, 3) RGB. boxes: (n, 4) pixels of it. Returns the same, without the boxes that left the image."""
        self._compose.set_random_seed(seed)
        out: dict[str, Any] = self._compose(image=image, bboxes=boxes, class_ids=class_ids)
        kept = np.asarray(out["bboxes"], np.float32).reshape(-1, 4)
        return out["image"], kept, np.asarray(out["class_ids"], np.int64)


def _geometry(settings: AugmentationSettings) -> list[Any]:
    return [
        A.HorizontalFlip(p=settings.flip),
        A.VerticalFlip(p=settings.flip),
        A.RandomRotate90(p=settings.quarter_turn),
        A.Affine(
            scale=settings.zoom,
            translate_percent=(-settings.shift, settings.shift),
            keep_ratio=True,
            fill=AIR,
            p=0.8 if settings.shift or settings.zoom != (1, 1) else 0.0,
        ),
    ]


def _appearance(settings: AugmentationSettings) -> list[Any]:
    return [
        Thickness(settings.thickness, p=0.6),
        A.HueSaturationValue(settings.hue, settings.saturation, 0, p=0.5),
        A.ToGray(p=settings.grey),
        A.OneOf(
            [
                A.GaussianBlur(blur_limit=(3, 3)),
                A.GaussNoise(std_range=(0.01, 0.03)),
                A.ImageCompression(quality_range=(40, 90)),
            ],
            p=settings.degrade,
        ),
    ]


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
