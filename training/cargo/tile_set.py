"""A training set of simulated freight: tiles as the station would draw them, whole scans to validate on.

>>> write_freight_set(Path("data/freight"), FreightSet(scans=1500, validation=200))      # doctest: +SKIP

Decoding and normalising a container for every tile would cost twenty times as much as training on it, so it is done
once. The tiles are drawn by the station's own code; where they lie is chosen at random, since a station's grid puts
threats everywhere, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.errors import SettingsInvalid
from detector.normalisation.standardise import standardised
from detector.outputs.atomic import write_bytes_whole
from detector.scanner_profile import parse_profile
from training.cargo.composed_tiles import PITCH_MM, TILE, backdrop, composed_tiles
from training.cargo.luggage_threats import luggage_threats
from training.cargo.reading import as_scanned
from training.claimed_folder import claim
from training.datasets.coco_index import read_coco
from training.file_digests import annotations_digest
from training.simulation.freight import THREATS, Family, FreightObject, simulate_freight
from training.simulation.freight.threats import NO_CUT_OUTS, CutOuts
from training.worker_processes import worker_processes

UInt8 = NDArray[np.uint8]

#: Raised by hand when the same numbers give other pictures, so that no folder is begun with one code and ended with
#: another.
VERSION = 5
#: Pitches of the simulated scanners, and how often: finer ones cost time with the square.
PITCHES, PITCH_SHARES = (5.0, 4.0, 2.5), (0.83, 0.12, 0.05)
#: Share of validation scans without a threat: rates of false alarms are chosen on them.
CLEAN_VALIDATION = 0.6
#: First seed of the validation scans.
VALIDATION_SEED = 10_000_000
#: Noise compresses by a third, and takes training twice the time to read.
PNG_OPTIONS = (cv2.IMWRITE_PNG_COMPRESSION, 0)


@dataclass(frozen=True)
class FreightSet:
    """How many scans are simulated for training and for validation.

    luggage: folder of prepared luggage scans whose guns and knives are hidden as well, of training scans alone; empty
    for none.
    """

    scans: int
    validation: int
    seed: int = 0
    luggage: str = ""


def write_freight_set(folder: Path, wanted: FreightSet, workers: int = 1) -> Iterator[int]:
    """Writes folder/images/{train,val}, folder/annotations/{train,val}.json; yields the number of each scan done.

    Taken up where it was stopped. The same arguments write the same files whatever `workers`, processes, is. Raises
    SettingsInvalid if the folder holds a set that was asked for otherwise.
    """
    _claim(folder, wanted)
    jobs = [("train", number) for number in range(wanted.scans)]
    jobs += [("val", number) for number in range(wanted.validation)]
    for split in ("train", "val"):
        (folder / "images" / split).mkdir(parents=True, exist_ok=True)
    missing = [job for job in jobs if not _journal(folder, *job).is_file()]
    yield from range(len(jobs) - len(missing))
    make = partial(_make, folder, wanted)
    if workers > 1:
        with worker_processes(workers, cv2.setNumThreads, 1) as pool:
            yield from pool.map(make, missing, chunksize=4)
    else:
        yield from map(make, missing)
    for split, count in (("train", wanted.scans), ("val", wanted.validation)):
        _write_index(folder, split, count, source_name(wanted))


def _claim(folder: Path, wanted: FreightSet) -> None:
    claim(folder, "freight.json", _made_of(wanted))
    (folder / "journal").mkdir(parents=True, exist_ok=True)


def _made_of(wanted: FreightSet) -> dict[str, Any]:
    """All that decides the pictures."""
    annotations = annotations_digest(Path(wanted.luggage), "train") if wanted.luggage else ""
    if wanted.luggage and not annotations:
        raise SettingsInvalid(
            f"{wanted.luggage}: no annotations/train.json", remedy="give --luggage a folder that `data prepare` wrote"
        )
    return {**asdict(wanted), "version": VERSION, "tile": TILE, "luggage_annotations": annotations}


def _journal(folder: Path, split: str, number: int) -> Path:
    return folder / "journal" / f"{split}-{number:06d}.json"


def _make(folder: Path, wanted: FreightSet, job: tuple[str, int]) -> int:
    """One scan: its pictures, then its journal, which says that it is done."""
    split, number = job
    maker = _training_pictures if split == "train" else _validation_picture
    records = []
    for name, picture, found in maker(wanted, number):
        written, content = cv2.imencode(".png", picture[:, :, ::-1], list(PNG_OPTIONS))
        if not written:
            raise ValueError("a tile could not be written as PNG")
        write_bytes_whole(folder / "images" / split / name, content.tobytes())
        height, width = picture.shape[:2]
        group = f"{split}-{number}"
        image = {"file_name": name, "width": width, "height": height, "group": group, "drawn": True}
        records.append({"image": image, "annotations": found})
    write_bytes_whole(_journal(folder, split, number), json.dumps(records).encode())
    return number


_Picture = tuple[str, UInt8, list[dict[str, Any]]]


@cache
def _cut_outs(luggage: str) -> CutOuts:
    """Once a process: it takes some seconds."""
    return luggage_threats(Path(luggage)) if luggage else NO_CUT_OUTS


def _training_pictures(wanted: FreightSet, number: int) -> Iterator[_Picture]:
    generator = np.random.default_rng([wanted.seed, number, 0])
    pitch = float(generator.choice(PITCHES, p=PITCH_SHARES))
    clean = simulate_freight(wanted.seed + number, Family.TRAIN, (), energies=2, pitch_mm=pitch)
    tiles = composed_tiles(backdrop(clean), generator, _cut_outs(wanted.luggage))
    for order, (square, found) in enumerate(tiles):
        yield f"{number:06d}-{order:02d}.png", square, [_annotation(item) for item in found]


def _annotation(item: FreightObject) -> dict[str, Any]:
    x1, y1, x2, y2 = item.box
    bbox = [x1, y1, x2 - x1, y2 - y1]
    return {
        "category_id": 1 + list(THREATS).index(item.class_name),
        "bbox": bbox,
        "area": bbox[2] * bbox[3],
        "iscrowd": 0,
    }


def _validation_picture(wanted: FreightSet, number: int) -> Iterator[_Picture]:
    """A whole scan at the pitch that needs no other, clean or with one threat, energies by turns."""
    generator = np.random.default_rng([wanted.seed, number, 1])
    names = () if generator.random() < CLEAN_VALIDATION else (str(generator.choice(list(THREATS))),)
    freight = simulate_freight(
        VALIDATION_SEED + wanted.seed + number, Family.TRAIN, names, energies=1 + number % 2, pitch_mm=PITCH_MM
    )
    scan = as_scanned(freight)
    image = standardised(scan, parse_profile(scan.profile, scan.source)).images[0]
    yield f"{number:06d}.png", image, [_annotation(item) for item in freight.objects]


def source_name(wanted: FreightSet) -> str:
    """What the weights will say they were trained on: cut-outs of real scans stay under the terms of those."""
    if not wanted.luggage:
        return "simulated freight"
    sources = sorted({scan.source for scan in read_coco(Path(wanted.luggage), "train").scans if len(scan.class_ids)})
    return f"simulated freight with threats cut out of {', '.join(sources)}"


def _write_index(folder: Path, split: str, count: int, source: str) -> None:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(count):
        for record in json.loads(_journal(folder, split, number).read_bytes()):
            images.append({"id": len(images) + 1, "source": source, **record["image"]})
            annotations += [
                {"id": len(annotations) + 1 + place, "image_id": len(images), **one}
                for place, one in enumerate(record["annotations"])
            ]
    categories = [{"id": position, "name": name} for position, name in enumerate(THREATS, start=1)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations").mkdir(exist_ok=True)
    write_bytes_whole(folder / "annotations" / f"{split}.json", json.dumps(document).encode())
