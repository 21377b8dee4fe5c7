"""Simulated scans on disk in COCO layout, as the retraining line reads them.

>>> simulate_dataset(Path("data/simulated"), scans=24, seed=1)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from training.simulation.luggage import THREATS, SimulatedScan, simulate_luggage

#: Pixels across of a data set's scans: enough to tell a gun from a wrench, and quick to make.
DATASET_WIDTH = 256
#: One scan in so many goes to the validation split.
VALIDATION_EVERY = 4
#: Share of scans without a threat, and share of the others that hold two.
CLEAN, TWO = 0.2, 0.3
JPEG_QUALITY = 92


def simulate_dataset(folder: Path, scans: int, seed: int) -> None:
    """Writes `scans` small luggage scans: folder/images/{train,val}/*.jpg and folder/annotations/{train,val}.json.

    The same arguments write the same files. The classes are THREATS, in that order, ids from 1. Raises ValueError for
    fewer than two scans: each split needs one.
    """
    if scans < 2:
        raise ValueError(f"each split needs a scan, so at least 2; got {scans}")
    generator = np.random.default_rng(seed)
    named: dict[str, list[tuple[str, SimulatedScan]]] = {"train": [], "val": []}
    for index in range(scans):
        threats = _threats(generator, index)
        scan = simulate_luggage(int(generator.integers(2**31)), threats, DATASET_WIDTH)
        split = "val" if index % VALIDATION_EVERY == 1 else "train"
        named[split].append((f"simulated_{index:05d}.jpg", scan))
    for split, members in named.items():
        _write_split(folder, split, members)


def _threats(generator: np.random.Generator, index: int) -> tuple[str, ...]:
    """Goes round the classes, so that even a few scans hold every class."""
    names = list(THREATS)
    if generator.random() < CLEAN:
        return ()
    second = (str(generator.choice(names)),) if generator.random() < TWO else ()
    return (names[index % len(names)], *second)


def _write_split(folder: Path, split: str, members: list[tuple[str, SimulatedScan]]) -> None:
    images = folder / "images" / split
    images.mkdir(parents=True, exist_ok=True)
    for name, scan in members:
        (images / name).write_bytes(encode(".jpg", scan.rgb))
    write_coco(folder / "annotations" / f"{split}.json", members)


def write_coco(path: Path, members: Sequence[tuple[str, SimulatedScan]]) -> None:
    """Writes the COCO file of (file name, scan) pairs; every class counts as looked for in every scan."""
    categories = [{"id": index + 1, "name": name} for index, name in enumerate(THREATS)]
    ids = {str(category["name"]): int(str(category["id"])) for category in categories}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, scan) in enumerate(members, start=1):
        images.append(_image(number, name, scan, list(ids.values())))
        for box, class_name in zip(scan.boxes_xyxy.tolist(), scan.class_names, strict=True):
            annotations.append(_annotation(len(annotations) + 1, number, ids[class_name], box))
    document = {"images": images, "annotations": annotations, "categories": categories}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _image(number: int, name: str, scan: SimulatedScan, category_ids: list[int]) -> dict[str, Any]:
    height, width = scan.rgb.shape[:2]
    return {
        "id": number,
        "file_name": name,
        "width": width,
        "height": height,
        "source": "simulated",
        "annotated_category_ids": category_ids,
    }


def _annotation(number: int, image: int, category: int, box: list[float]) -> dict[str, Any]:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": [left, top, width, height],
        "area": width * height,
        "iscrowd": 0,
    }


def encode(suffix: str, *pages: np.ndarray[Any, np.dtype[Any]]) -> bytes:
    """One file's bytes; RGB or grey pages, several for .tif only. Raises ValueError if OpenCV cannot write them."""
    stored = [cv2.cvtColor(page, cv2.COLOR_RGB2BGR) if page.ndim == 3 else page for page in pages]
    options = {
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY],
        ".png": [cv2.IMWRITE_PNG_COMPRESSION, 9],
        ".tif": [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_ADOBE_DEFLATE],
    }[suffix]
    if len(stored) > 1:
        done, buffer = cv2.imencodemulti(suffix, stored, options)
    else:
        done, buffer = cv2.imencode(suffix, stored[0], options)
    if not done:
        raise ValueError(f"OpenCV cannot write {suffix} with {len(stored)} pages")
    return buffer.tobytes()
