"""Projected scans on disk, in COCO layout: to train people with the truth kept apart, and to test networks.

`OUTPUT/images/<split>/projected_00000.png` and on; `OUTPUT/annotations/<split>.json` with the truth. Beyond what
training/datasets/coco_index.py reads, an annotation says `projected`, `obscuration` (mean displayed attenuation, -ln of
the level, that the item shares its beam with), `segmentation` (outlines, holes filled) and `donor`; an image says
`background`. Scan number n is a function of the data, the seed and n, so a run that was cut off goes on where it was.

    write_projection_set(Path("data"), Path("projected"), ProjectionPlan(scans=500, items=(1, 3), seed=1))
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.errors import ScanUnreadable, SettingsInvalid
from detector.outputs.atomic import write_bytes_whole
from detector.tile_squares import BAG_PIXELS, Look
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.datasets.preview import encode_picture
from training.datasets.terms import NOT_STATED, donor_sources, stated_terms
from training.files.claimed_folder import claim, require_apart
from training.files.file_digests import annotations_digest
from training.files.line_journal import Record, appending, whole_lines
from training.files.progress import Progress, silently
from training.samples.donors import Donors
from training.samples.tile_reader import rendered
from training.samples.training_data import read_split
from training.threat_projection import Projection, Variation, project

#: Backgrounds tried for one scan until the fewest items fit into it.
BACKGROUNDS = 16
#: Draws for each item wanted.
DRAWS = 3
#: Sizes of scans whose items are kept: of large scans a store takes gigabytes.
MOST_STORES = 2


@dataclass(frozen=True)
class ProjectionPlan:
    """What to make. items: fewest and most in a scan. split: donors and backgrounds come from it alone.

    clutter: where items lie, 0 in the air, 1 in the densest clutter, 0.5 anywhere in the bag.
    """

    scans: int
    items: tuple[int, int] = (1, 3)
    seed: int = 0
    split: str = "train"
    clutter: float = 0.5

    def __post_init__(self) -> None:
        if self.scans < 1 or not 1 <= self.items[0] <= self.items[1]:
            raise SettingsInvalid(
                f"{self.scans} scans with {self.items[0]}-{self.items[1]} items",
                remedy="ask for at least one scan, and for items as 1-3",
            )
        if self.seed < 0:
            raise SettingsInvalid(f"seed {self.seed}", remedy="give 0 or more")


def write_projection_set(data: Path, output: Path, plan: ProjectionPlan, watch: Progress[int] = silently) -> int:
    """Writes the set, or what is missing of it; returns how many scans this call made.

    watch: passes the numbers of the scans on and tells how far it has come. Backgrounds are the split's scans without
    a box, or all where there are none. Raises SettingsInvalid when `output` holds more scans, a set of another plan or
    of other annotations, or annotations of others, or nothing can be projected.
    """
    index = read_split(data, plan.split)
    require_apart(output, data)
    if any(scan.drawn for scan in index.scans):
        raise SettingsInvalid(
            f"{data} holds tiles of freight: their channels are no colours, by which items are projected",
            remedy="project into luggage scans; `freight-set` hides threats in freight",
        )
    annotations = f"annotations/{plan.split}.json"
    journal = output / f"{plan.split}.jsonl"
    done = {record["image"]["file_name"]: record for record in whole_lines(journal)}
    if plan.scans < len(done):
        # Their pictures would stay, without a word about what is in them.
        raise SettingsInvalid(
            f"{output} holds {len(done)} projected scans, more than {plan.scans}",
            remedy=f"give --scans {len(done)} or more, or another --output",
        )
    made_of = {"data": str(data.resolve()), "state of the annotations": annotations_digest(data, plan.split)}
    settings = {**made_of, **asdict(plan)}
    # More scans of the same plan are the same set, grown. Sets of earlier versions do not say all of it.
    claim(output, "projection.json", settings, may_grow=("scans",), unsaid=settings, writes=(annotations,))
    maker = _Maker(index, plan)
    made = 0
    with appending(journal) as append:
        for number in watch("projecting", range(plan.scans), plan.scans):
            name = f"projected_{number:05d}.png"
            path = output / "images" / plan.split / name
            if name not in done or not path.is_file():
                image, done[name] = maker.make(number, name)
                write_bytes_whole(path, encode_picture(image, ".png"))
                append(done[name])
                made += 1
    records = [done[f"projected_{number:05d}.png"] for number in range(plan.scans)]
    # Of the items as well as of the backgrounds, and of items that were projected into these scans before.
    sources = {scan.source for scan in index.scans} | donor_sources(data, plan.split)
    terms = stated_terms(data)
    told = {source: terms.get(source, NOT_STATED) for source in sorted(sources)}
    document = json.dumps(_document(index, records, told), indent=1) + "\n"
    write_bytes_whole(output / annotations, document.encode())
    return made


class _Maker:
    """Makes scan number n of a plan."""

    def __init__(self, index: CocoIndex, plan: ProjectionPlan) -> None:
        self._index, self._plan = index, plan
        clean = [number for number, scan in enumerate(index.scans) if not len(scan.class_ids)]
        self._backgrounds = clean or list(range(len(index)))
        # Items must have the size that they have in the background: stores of them for the last sizes of scans.
        self._donors = functools.lru_cache(MOST_STORES)(lambda size: Donors(index, Look(size)))
        # Why a background cannot be used, so that it is not read for every scan again.
        self._unusable: dict[int, str] = {}

    def make(self, number: int, name: str) -> tuple[NDArray[np.uint8], Record]:
        """The picture (H, W, 3) and its record. Raises SettingsInvalid when no background takes the fewest items."""
        generator = np.random.default_rng((self._plan.seed, number))
        for _ in range(BACKGROUNDS if self._backgrounds else 0):
            background, image = self._usable(int(generator.integers(len(self._backgrounds))))
            image, found = self._filled(image, background, generator)
            if len(found) >= self._plan.items[0]:
                scan = self._index.scans[background]
                return image, {"image": self._image(scan, name), "annotations": [*self._own(scan), *found]}
        raise SettingsInvalid(
            f"{self._plan.items[0]} items of {self._plan.split} cannot be projected into one of its scans",
            remedy="ask for fewer --items, or give data with clear ones",
        )

    def _usable(self, place: int) -> tuple[int, NDArray[np.uint8]]:
        """The background at this place in the list of them, or the next that can be used, and its picture.

        Nothing is drawn at random for it, so that scan number n stays what it is. Raises SettingsInvalid without any.
        """
        for background in (*self._backgrounds[place:], *self._backgrounds[:place]):
            if background not in self._unusable:
                scan = self._index.scans[background]
                try:
                    # As items are read: both have to be drawn alike for their transmissions to multiply.
                    return background, rendered(scan)[0]
                except ScanUnreadable as error:
                    self._unusable[background] = f"{scan.path.name}: {error.what.removeprefix(f'{scan.path}: ')}"
        first = next(iter(self._unusable.values()))
        raise SettingsInvalid(
            f"none of the {len(self._backgrounds)} backgrounds of {self._plan.split} can be used, first {first}",
            remedy="run `roentgate-train data check` on the folder",
        )

    def _filled(
        self, image: NDArray[np.uint8], background: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.uint8], list[Record]]:
        size = min(max(image.shape[:2]), BAG_PIXELS)
        donors = self._donors(size)
        scan = self._index.scans[background]
        boxes = scan.boxes_xyxy
        wanted = int(generator.integers(self._plan.items[0], self._plan.items[1] + 1))
        found: list[Record] = []
        for _ in range(DRAWS * wanted):
            # Of the classes that count there: what nobody looked for in the background would be in no figure.
            try:
                drawn = donors.draw(generator, background, scan.annotated)
            except ScanUnreadable:
                # The item's own scan cannot be used: a draw in vain.
                continue
            variation = Variation(clutter=self._plan.clutter)
            projection = project(image, drawn[1], generator, variation, boxes) if drawn else None
            if drawn and projection:
                image, boxes = projection.image, np.concatenate([boxes, projection.box[None]])
                donor = self._index.scans[drawn[0][0]]
                found.append(_annotation(projection, drawn[1].class_id, {"scan": donor.path.name, "box": drawn[0][1]}))
            if len(found) == wanted:
                break
        return image, found

    def _image(self, scan: AnnotatedScan, name: str) -> Record:
        return {
            "file_name": name,
            "width": scan.width,
            "height": scan.height,
            "source": scan.source,
            "scanner": scan.scanner,
            # Scans made of one background belong into one split.
            "group": scan.group or scan.path.name,
            "annotated_category_ids": [int(class_id) + 1 for class_id in np.flatnonzero(scan.annotated)],
            "background": scan.path.name,
        }

    def _own(self, scan: AnnotatedScan) -> list[Record]:
        """The background's own boxes."""
        rows = zip(scan.boxes_xyxy.tolist(), scan.class_ids.tolist(), scan.ignore.tolist(), strict=True)
        return [
            {**_box(box), "category_id": class_id + 1, "iscrowd": int(ignored), "projected": False}
            for box, class_id, ignored in rows
        ]


def _annotation(projection: Projection, class_id: int, donor: Record) -> Record:
    return {
        **_box(projection.box.tolist()),
        "area": int(projection.mask.sum()),
        "category_id": class_id + 1,
        "iscrowd": 0,
        "segmentation": outlines(projection.mask, projection.corner),
        "projected": True,
        "obscuration": round(projection.obscuration, 4),
        "donor": donor,
    }


def _box(corners: list[float]) -> Record:
    x1, y1, x2, y2 = corners
    return {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}


def outlines(mask: NDArray[np.bool_], corner: tuple[int, int]) -> list[list[float]]:
    """COCO's polygons x y x y ... around the pieces of a mask (h, w), along the edges of its pixels.

    corner: x, y of the mask's first pixel in the scan.
    """
    # Contours run through the middles of pixels. On a grid twice as fine, a pixel grown to 3 x 3 has its corners there.
    grid = np.zeros((2 * mask.shape[0] + 1, 2 * mask.shape[1] + 1), np.uint8)
    grid[1::2, 1::2] = mask
    grown = cv2.dilate(grid, np.ones((3, 3), np.uint8))
    contours, _ = cv2.findContours(grown, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [(contour[:, 0] / 2 + corner).ravel().tolist() for contour in contours]


def _document(index: CocoIndex, records: list[Record], terms: Mapping[str, str]) -> Record:
    images = [{"id": number, **record["image"]} for number, record in enumerate(records, start=1)]
    rows = [(number, row) for number, record in enumerate(records, start=1) for row in record["annotations"]]
    return {
        "info": {"terms": terms},
        "images": images,
        "annotations": [{"id": place, "image_id": number, **row} for place, (number, row) in enumerate(rows, start=1)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(index.class_names, start=1)],
    }
