"""Writes pictures and text files for the fixtures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def draw(path: Path, width: int, height: int, seed: int = 0) -> None:
    """A plain grey picture, another for every seed, in the format that the suffix names; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((height, width), (200 - 10 * seed) % 256, np.uint8)
    done, content = cv2.imencode(path.suffix, pixels)
    assert done
    path.write_bytes(content.tobytes())


def put(path: Path, text: str) -> None:
    """A text file; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def voc(file_name: str, width: int, height: int, *boxes: tuple[str, int, int, int, int]) -> str:
    """A VOC annotation as labelImg writes it. boxes: name, xmin, ymin, xmax, ymax, counted from 1."""
    items = "".join(
        f"<object><name>{name}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>"
        f"<bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for name, x1, y1, x2, y2 in boxes
    )
    return (
        f"<annotation><folder>x</folder><filename>{file_name}</filename><size><width>{width}</width>"
        f"<height>{height}</height><depth>3</depth></size><segmented>0</segmented>{items}</annotation>"
    )
