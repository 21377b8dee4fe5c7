"""One tile of an annotated scan as the station would cut it, in the network's square."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detector.errors import ScanWithoutContent
from detector.normalisation.standardise import standardised
from detector.normalise import is_grey, letterbox, refuse_blank
from detector.readers import Limits, read_scan
from detector.readers.files import read_file
from detector.scanner_profile import Belt, parse_profile
from detector.tile_squares import Look, along_belt, boxes_along_belt, pitch_along_belt, plan, tile_size
from detector.tiling import Tile
from training.augmentation import LEAST_VISIBLE
from training.datasets.coco_index import AnnotatedScan, CocoIndex
from training.datasets.drawn_scan import drawn_view

UInt8 = NDArray[np.uint8]
#: Scans that are looked at for colours, and the share of grey ones from which a network has learned to read them.
COLOURS_SEEN_IN, MOST_GREY = 300, 0.05


def read_tile(
    scan: AnnotatedScan, look: Look, choose: Callable[[list[Tile]], Tile]
) -> tuple[UInt8, NDArray[np.float32], NDArray[np.bool_]]:
    """One tile of a scan as the station would cut it, in the network's square, through the station's own reader.

    choose: takes one of the tiles; a scan that the station looks at whole has one alone. Returns the square (S, S, 3)
    RGB, all of the scan's boxes in its pixels, clipped to the tile, and which of them are there to be seen.
    """
    stored, pitch, belt = rendered(scan)
    image, pitch_mm = along_belt(stored, belt), pitch_along_belt(pitch, belt)
    whole = boxes_along_belt(scan.boxes_xyxy, belt)
    planned = plan(image.shape[1], image.shape[0], tile_size(look, None, pitch_mm), look)
    tile = choose([one.tile for one in planned])
    full = next(one.full for one in planned if one.tile == tile)
    square, placement = letterbox(image[tile.y1 : tile.y2, tile.x1 : tile.x2], look.input_size, full)
    low, high = np.array([tile.x1, tile.y1] * 2, np.float32), np.array([tile.x2, tile.y2] * 2, np.float32)
    clipped = np.clip(whole, low, high)
    seen = areas(clipped) >= LEAST_VISIBLE * areas(whole)
    return square, (clipped - low) * placement.corners, seen


def rendered(scan: AnnotatedScan) -> tuple[UInt8, tuple[float, float] | None, Belt]:
    """The first view (H, W, 3) as the station draws it by the profile beside the file, its pixel pitch in mm, and the
    axis along which the object moved; the pixels lie where they lie in the file.

    Raises ScanUnreadable for a file that cannot be read, shows nothing, or does not hold what its annotation says.
    """
    name = str(scan.path)
    read = read_scan(read_file(scan.path, name, Limits()), name)
    if scan.drawn:
        return drawn_view(read), None, "x"
    profile = parse_profile(read.profile, f"the profile beside {name}") if read.profile else None
    try:
        seen = standardised(read, profile)
        # Of several views another may show something; the first is the one that is learned from.
        refuse_blank(seen.images[0])
    except ScanWithoutContent as error:
        raise ScanWithoutContent(f"{name}: {error.what}") from error
    return seen.images[0], profile.pixel_pitch_mm if profile else None, seen.belt


def all_coloured(index: CocoIndex) -> bool:
    """Whether nearly all scans of the index, as they are stored, have colours; of a large one, of COLOURS_SEEN_IN
    scans evenly spread. The few others are empty trays and the like, and teach nobody to read grey."""
    seen = index.scans[:: max(1, -(-len(index) // COLOURS_SEEN_IN))]
    return sum(is_grey(rendered(scan)[0]) for scan in seen) < MOST_GREY * len(seen)


def areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 4) corners -> (n,) square pixels."""
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), np.float32)
