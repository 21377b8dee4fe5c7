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
from detector.normalise import letterbox
from detector.outputs.atomic import write_bytes_whole
from detector.tile_squares import AIR_TILE
from detector.tiling import Tile
from detector.weights import load_weights
from training.cargo.card import CUT_OUTS, SIMULATED
from training.cargo.false_alarms import false_alarm_boxes, searching_detector
from training.cargo.luggage_threats import luggage_threats
from training.cargo.reading import as_scanned, drawn
from training.datasets.coco_index import read_coco
from training.datasets.terms import donor_sources, stated_terms
from training.files.claimed_folder import claim, require_apart
from training.files.file_digests import annotations_digest
from training.files.worker_processes import worker_processes
from training.samples.tile_reader import areas
from training.simulation.freight import THREATS, Family, FreightScan, simulate_freight
from training.simulation.freight.threats import NO_CUT_OUTS, CutOuts

UInt8 = NDArray[np.uint8]
Boxes = NDArray[np.float32]

#: Raised by hand when the same numbers give other pictures, so that no folder is begun with one code and ended with
#: another.
VERSION = 3
#: Side of a tile in pixels, and the pitch at which that is a tile of the first pass, mm. The station's tiles may be
#: larger at the same scale (`export --input-size`): here small ones show more threats in the same time.
TILE, PITCH_MM = 320, 5.0
#: Pitches of the simulated scanners, and how often: finer ones cost time with the square.
PITCHES, PITCH_SHARES = (5.0, 4.0, 2.5), (0.83, 0.12, 0.05)
#: Threats of a training scan, fewest and most, and the share of scans without. No lorry hides sixteen; but a scan costs
#: fifty times as much as a threat laid into it. With more of them hardly a loaded tile is without one, and a network
#: that seldom sees plain cargo takes it for a threat.
THREATS_EACH, CLEAN = (2, 16), 0.35
#: How often a tile is one of double size: one that shows a threat, and one that was not drawn for a threat.
COARSE, COARSE_BACKGROUND = 0.2, 0.15
#: Millimetres of steel over a threat from which it is not told: the beam leaves a dozen photons there, and what cannot
#: be seen must not be learned.
DEEPEST_MM = 220.0
#: Share of a threat that a tile must show for it to be told.
LEAST_SHOWN = 0.25
#: Tiles without regard to threats, of a scan with threats and of one without: a station looks at a hundred without one
#: for each with one. And how many of them show cargo, where false alarms are.
BACKGROUNDS, OVER_CARGO = (6, 16), 0.75
#: Tiles of a scan around what the network that is searched with is surest to be wrong about: a rate of one false alarm
#: in a hundred scans is decided by one tile in two thousand, which places drawn by lot seldom hold.
FALSE_ALARMS = 4
#: Share of a tile's side from which a false alarm is shown in a tile of double size.
LARGE_FALSE_ALARM = 0.5
#: Share of validation scans without a threat: rates of false alarms are chosen on them.
CLEAN_VALIDATION = 0.6
#: First seed of the validation scans.
VALIDATION_SEED = 10_000_000
#: Noise does not compress: more effort than this only takes time.
PNG_OPTIONS = (cv2.IMWRITE_PNG_COMPRESSION, 1)
TRIES = 20
#: What may be done with the tiles.
SIMULATED_TERMS = "made by roentgate-train freight-set"
CUT_OUT_TERMS = f"{SIMULATED_TERMS}; the cut-outs stay under the terms of those sets"


@dataclass(frozen=True)
class FreightSet:
    """How many scans are simulated for training and for validation.

    luggage: folder of prepared luggage scans whose guns and knives are hidden as well, of training scans alone; empty
    for none. searched_with: name or file of weights whose false alarms on the training scans are shown, too; empty for
    none.
    """

    scans: int
    validation: int
    seed: int = 0
    luggage: str = ""
    searched_with: str = ""


def write_freight_set(folder: Path, wanted: FreightSet, workers: int = 1) -> Iterator[int]:
    """Writes folder/images/{train,val}, folder/annotations/{train,val}.json; yields the number of each scan done.

    Taken up where it was stopped. The same arguments write the same files whatever `workers`, processes, is. Raises
    SettingsInvalid if the folder holds a set that was asked for otherwise, or annotations of others.
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
        _write_index(folder, split, count, source_of(wanted))


def _claim(folder: Path, wanted: FreightSet) -> None:
    if wanted.luggage:
        require_apart(folder, Path(wanted.luggage))
    written = [_index(split) for split in ("train", "val")]
    claim(folder, "freight.json", _made_of(wanted), unsaid={"searched_with": ""}, writes=written)
    (folder / "journal").mkdir(parents=True, exist_ok=True)


def _made_of(wanted: FreightSet) -> dict[str, Any]:
    """All that decides the pictures."""
    annotations = annotations_digest(Path(wanted.luggage), "train") if wanted.luggage else ""
    if wanted.luggage and not annotations:
        raise SettingsInvalid(
            f"{wanted.luggage}: no annotations/train.json", remedy="give --luggage a folder that `data prepare` wrote"
        )
    searched = load_weights(wanted.searched_with).label if wanted.searched_with else ""
    return {
        **asdict(wanted),
        "version": VERSION,
        "tile": TILE,
        "luggage_annotations": annotations,
        "searched_with": searched,
    }


def _index(split: str) -> str:
    return f"annotations/{split}.json"


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
    count = 0 if generator.random() < CLEAN else int(generator.integers(*THREATS_EACH, endpoint=True))
    freight = _freight(generator, wanted.seed + number, count, _cut_outs(wanted.luggage))
    image, boxes = _drawn(freight)
    tiles = [*_tiles(image, boxes, freight, generator)]
    if wanted.searched_with:
        tiles += _around_false_alarms(wanted.searched_with, freight, boxes, generator)
    for order, tile in enumerate(tiles):
        square, annotations = _square(image, tile, boxes, freight)
        yield f"{number:06d}-{order:02d}.png", square, annotations


def _freight(generator: np.random.Generator, seed: int, threats: int, cut_outs: CutOuts) -> FreightScan:
    names = tuple(str(name) for name in generator.choice(list(THREATS), threats))
    pitch = float(generator.choice(PITCHES, p=PITCH_SHARES))
    energies = 1 + int(generator.random() < 0.5)
    return simulate_freight(seed, Family.TRAIN, names, energies, pitch, cut_outs)


def _drawn(freight: FreightScan) -> tuple[UInt8, Boxes]:
    return drawn(as_scanned(freight)), np.array([item.box for item in freight.objects], np.float32).reshape(-1, 4)


def _tiles(
    image: UInt8, boxes: Boxes, freight: FreightScan, generator: np.random.Generator
) -> Iterator[tuple[Tile, int]]:
    """Tiles to draw, each with the side of a whole one."""
    height, width = image.shape[:2]
    side = round(TILE * PITCH_MM / freight.pitch_mm)
    for box in boxes:
        yield _around(box, side, width, height, generator), side
        if generator.random() < COARSE:
            yield _around(box, 2 * side, width, height, generator), 2 * side
    for _ in range(BACKGROUNDS[0 if len(boxes) else 1]):
        own = side * (2 if generator.random() < COARSE_BACKGROUND else 1)
        for _ in range(TRIES):
            place = _place(freight, width, height, generator)
            tile = _around(np.array([*place, *place], np.float32), own, width, height, generator)
            if int(image[tile.y1 : tile.y2, tile.x1 : tile.x2].min()) < AIR_TILE:
                yield tile, own
                break


def _around_false_alarms(
    weights: str, freight: FreightScan, boxes: Boxes, generator: np.random.Generator
) -> Iterator[tuple[Tile, int]]:
    """Tiles around what is no threat and looks most like one, each in one tile."""
    height, width = freight.high.shape
    side = round(TILE * PITCH_MM / freight.pitch_mm)
    shown: list[Tile] = []
    for box in false_alarm_boxes(searching_detector(weights), freight, boxes):
        if any(tile.x1 <= box[0] and tile.y1 <= box[1] and box[2] <= tile.x2 and box[3] <= tile.y2 for tile in shown):
            continue
        own = side * (2 if max(box[2:] - box[:2]) > LARGE_FALSE_ALARM * side else 1)
        shown.append(_around(box, own, width, height, generator))
        yield shown[-1], own
        if len(shown) == FALSE_ALARMS:
            return


def _place(freight: FreightScan, width: int, height: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """x, y of a pixel, most often on cargo where there is any."""
    low, high = np.zeros(2), np.array([width, height], np.float64)
    if freight.cargo and generator.random() < OVER_CARGO:
        x1, y1, x2, y2 = freight.cargo[int(generator.integers(len(freight.cargo)))].box
        low, high = np.maximum((x1, y1), low), np.minimum((x2, y2), high)
    return generator.uniform(np.minimum(low, high), high)


def _around(box: Boxes, side: int, width: int, height: int, generator: np.random.Generator) -> Tile:
    """A tile within the scan that shows a box anywhere in it, whole where it fits."""
    corner = []
    for low, high, length in ((box[0], box[2], width), (box[1], box[3], height)):
        first, last = sorted((float(high) - side, float(low)))
        start = round(float(generator.uniform(first, last)))
        corner.append(min(max(0, start), max(0, length - side)))
    return Tile(corner[0], corner[1], min(corner[0] + side, width), min(corner[1] + side, height))


def _square(
    image: UInt8, cut: tuple[Tile, int], boxes: Boxes, freight: FreightScan
) -> tuple[UInt8, list[dict[str, Any]]]:
    """The tile at the station's scale, and the threats in it of which enough is seen."""
    tile, side = cut
    square, placement = letterbox(image[tile.y1 : tile.y2, tile.x1 : tile.x2], TILE, (side, side))
    low, high = np.array([tile.x1, tile.y1] * 2, np.float32), np.array([tile.x2, tile.y2] * 2, np.float32)
    clipped = np.clip(boxes, low, high)
    annotations = []
    for item, box, part, whole in zip(freight.objects, clipped, areas(clipped), areas(boxes), strict=True):
        if part >= LEAST_SHOWN * whole and item.steel_mm <= DEEPEST_MM:
            annotations.append(_annotation(item.class_name, ((box - low) * placement.corners).tolist()))
    return square, annotations


def _annotation(name: str, box: list[float]) -> dict[str, Any]:
    x1, y1, x2, y2 = box
    bbox = [x1, y1, x2 - x1, y2 - y1]
    return {
        "category_id": 1 + list(THREATS).index(name),
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
    image, boxes = _drawn(freight)
    annotations = [_annotation(item.class_name, box.tolist()) for item, box in zip(freight.objects, boxes, strict=True)]
    yield f"{number:06d}.png", image, annotations


def source_of(wanted: FreightSet) -> tuple[str, str]:
    """What the weights will say they were trained on, and its terms: cut-outs of real scans stay under the terms of
    those, also of scans of which items alone were put into the luggage."""
    if not wanted.luggage:
        return f"{SIMULATED} freight", SIMULATED_TERMS
    luggage = Path(wanted.luggage)
    own = {scan.source for scan in read_coco(luggage, "train").scans if len(scan.class_ids)}
    sources, stated = sorted(own | donor_sources(luggage, "train")), stated_terms(luggage)
    terms = [CUT_OUT_TERMS, *(f"{source}: {stated[source]}" for source in sources if source in stated)]
    return f"{SIMULATED} freight {CUT_OUTS} {', '.join(sources)}", "; ".join(terms)


def _write_index(folder: Path, split: str, count: int, source: tuple[str, str]) -> None:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(count):
        for record in json.loads(_journal(folder, split, number).read_bytes()):
            images.append({"id": len(images) + 1, "source": source[0], **record["image"]})
            annotations += [
                {"id": len(annotations) + 1 + place, "image_id": len(images), **one}
                for place, one in enumerate(record["annotations"])
            ]
    categories = [{"id": position, "name": name} for position, name in enumerate(THREATS, start=1)]
    # Into the weights that learn from it, whose card tells it.
    info = {"terms": dict([source])}
    document = {"info": info, "images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations").mkdir(exist_ok=True)
    write_bytes_whole(folder / _index(split), json.dumps(document).encode())
