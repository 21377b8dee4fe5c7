"""What the network is shown of a view: its tiles, in one or more passes, each in the network's square.

The first pass looks at tiles of the size that the network was trained on. A further pass takes larger tiles, in which
what did not fit into a tile of the first is seen whole, and is asked about nothing smaller. A tile that holds nothing
but air is not looked at: around a container that is a quarter of the scan.

>>> look = Look(input_size=512, tile_pixels=512, pixel_pitch_mm=5.0, passes=(1.0, 2.0))
>>> [(one.tile.width, one.full) for one in plan(600, 500, tile_size(look, None, (5.0, 5.0)), look)]
[(512, (512, 512)), (512, (512, 512)), (600, (1024, 1024))]
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from detector.errors import ProfileMismatch, ScanTooLarge
from detector.normalise import Placement, letterbox
from detector.scanner_profile import Belt
from detector.tiling import Tile, count_tiles, overlap, plan_tiles, tiles_of_pitch

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

#: A bag scan up to this many pixels long is looked at whole: networks of bags learn from whole bags.
BAG_PIXELS = 1280
#: A tile without a level below this, of 255, in any channel is air. Drawn as `grey` or `cargo`, at MeV energies, less
#: than 1.3 mm of steel or 9 mm of plastic lies in it (twice that in `display`). Noise of air has a deviation of 1.6.
AIR_TILE = 244
#: A scan whose pixels are this many times as long as the network's shows items smaller than it has ever seen them.
COARSEST = 1.5
#: A pitch so many times finer than the network's is a mistake of units: centimetres for millimetres would shrink the
#: whole scan into one tile.
FINEST = 5.0
#: Bytes that the squares of one scan may take. The largest scan that is read, 200 million pixels, needs 1.4 GB at the
#: scale of a cargo network; one of usual size with a wrong pitch may ask for a thousand times as much.
MOST_SQUARE_BYTES = 1_500_000_000


@dataclass(frozen=True)
class Look:
    """How a network looks at a scan. input_size: side of its square. The others are those of WeightsSpec."""

    input_size: int
    tile_pixels: int = BAG_PIXELS
    pixel_pitch_mm: float | None = None
    passes: tuple[float, ...] = (1.0,)


def check_passes(passes: Sequence[float]) -> None:
    """Raises ValueError unless the factors of a Look's passes are finite, begin with 1 and grow."""
    if passes[0] != 1 or not all(earlier < later < math.inf for earlier, later in pairwise(passes)):
        raise ValueError("passes begin with 1 and grow")


@dataclass(frozen=True)
class TileSize:
    """Pixels of a tile of the first pass, and the factors of all passes; None for a view that is looked at whole."""

    across: int | None
    down: int | None
    passes: tuple[float, ...] = (1.0,)


@dataclass(frozen=True)
class PlannedTile:
    """full: width and height of a whole tile whose scale this one keeps; None where it is scaled to fit. least: as of
    TileSquare."""

    tile: Tile
    full: tuple[int, int] | None
    least: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class TileSquare:
    """One tile as the network sees it. view: page number. square: (S, S, 3) RGB; None where there is only air. least:
    pixels of the view across and down; of what is smaller both ways the pass before has shown the whole, and larger.
    """

    view: int
    tile: Tile
    placement: Placement
    square: UInt8 | None
    least: tuple[int, int] = (0, 0)

    def takes(self, boxes: Float32) -> NDArray[np.bool_]:
        """(n,) which boxes (n, 4), in pixels of the view, this tile is asked about."""
        sides = boxes[:, 2:] - boxes[:, :2]
        # A box without area, or one that is no number, is not lost here: merging refuses it.
        smaller = (sides < np.array(self.least, np.float32)).all(axis=1)
        return np.asarray(~smaller | (sides <= 0).any(axis=1))


def along_belt(image: UInt8, belt: Belt) -> UInt8:
    """A view (H, W, 3) as networks learn them, the object moving along x: where it moved along y, turned.

    A container that stands on its end is none that a network has seen.
    """
    return image if belt == "x" else image.swapaxes(0, 1)


def boxes_along_belt(boxes: Float32, belt: Belt) -> Float32:
    """Boxes (n, 4) x1 y1 x2 y2 of a view in its `along_belt`, or back again."""
    return boxes if belt == "x" else boxes[:, [1, 0, 3, 2]]


def pitch_along_belt(pitch_mm: tuple[float, float] | None, belt: Belt) -> tuple[float, float] | None:
    """Millimetres a pixel, along x and y, of a view in its `along_belt`."""
    return pitch_mm if belt == "x" or pitch_mm is None else (pitch_mm[1], pitch_mm[0])


def tile_size(look: Look, asked: int | None, pitch_mm: tuple[float, float] | None) -> TileSize:
    """How a scan is cut. asked: side in pixels of the scan, 0 for the whole scan, None for what the network was
    trained on. pitch_mm: of the scan's pixels, along x and y, where that is known.
    """
    if asked is not None:
        return TileSize(asked or None, asked or None)
    across = down = look.tile_pixels
    if look.pixel_pitch_mm is not None and pitch_mm is not None:
        across, down = tiles_of_pitch(look.tile_pixels, look.pixel_pitch_mm, pitch_mm)
    return TileSize(across, down, look.passes)


def pitch_doubt(look: Look, asked: int | None, pitch_mm: tuple[float, float] | None) -> str:
    """Why a scan is not seen at the scale that the network knows; empty where it is, or where it knows none. asked: as
    for `tile_size`."""
    if look.pixel_pitch_mm is None:
        return ""
    if asked is not None:
        return "the size of tiles was set by hand: these weights know one scale, that of --tile auto"
    if pitch_mm is None:
        return "how long a pixel is, is not known: these weights need pixel_pitch_mm in a scanner profile"
    if max(pitch_mm) > COARSEST * look.pixel_pitch_mm:
        return f"pixels of {max(pitch_mm):g} mm, where the weights were trained on {look.pixel_pitch_mm:g} mm"
    if min(pitch_mm) < look.pixel_pitch_mm / FINEST:
        return f"pixels of {min(pitch_mm):g} mm are finer than any cargo scanner's: is pixel_pitch_mm in millimetres?"
    return ""


def size_doubt(look: Look, asked: int | None, tiles: Sequence[TileSquare]) -> str:
    """Why tiles of a size that was set by hand show items smaller than the network has learned them; empty where none
    that is looked at is larger than its own, or where `pitch_doubt` tells. asked: as for `tile_size`."""
    if asked is None or look.pixel_pitch_mm is not None:
        return ""
    largest = max((max(one.tile.width, one.tile.height) for one in tiles if one.square is not None), default=0)
    if largest <= look.tile_pixels:
        return ""
    return (
        f"tiles of {largest} pixels were set by hand, where these weights look at {look.tile_pixels} at most: "
        "give --tile auto"
    )


def check_tiles(
    views: Sequence[tuple[int, int]], look: Look, asked: int | None, pitch_mm: tuple[float, float] | None
) -> None:
    """Refuses a scan whose squares would take more than MOST_SQUARE_BYTES, before any is cut. views: width and height
    of each. asked and pitch_mm: as for `tile_size`.

    Raises ProfileMismatch where pitch_mm is coarser than the network knows, else ScanTooLarge.
    """
    size = tile_size(look, asked, pitch_mm)
    tiles = sum(_count(width, height, size) for width, height in views)
    needed = tiles * look.input_size**2 * 3
    if needed <= MOST_SQUARE_BYTES:
        return
    told = f"{tiles} tiles take {needed / 1e9:.1f} GB, more than {MOST_SQUARE_BYTES / 1e9:.1f} GB"
    if asked:
        raise ScanTooLarge(f"--tile {asked}: {told}", remedy="give --tile auto or more pixels")
    if look.pixel_pitch_mm and pitch_mm and max(pitch_mm) > COARSEST * look.pixel_pitch_mm:
        raise ProfileMismatch(
            f"pixel_pitch_mm of {max(pitch_mm):g}, where the weights were trained on {look.pixel_pitch_mm:g}: {told}",
            remedy="give pixel_pitch_mm in millimetres in the scanner profile, or weights for such a scanner",
        )
    raise ScanTooLarge(told, remedy="bin the scan or export it in parts")


def _count(width: int, height: int, size: TileSize) -> int:
    """Tiles that `plan` makes, without making them."""
    total = 0
    for across, down in _passes(width, height, size):
        tiles = count_tiles(width, height, across, down)
        total += tiles
        if tiles == 1:
            break
    return total


def _passes(width: int, height: int, size: TileSize) -> Iterator[tuple[int, int]]:
    """Pixels across and down of a whole tile of each pass."""
    for factor in size.passes:
        across = width if size.across is None else round(size.across * factor)
        down = height if size.down is None else round(size.down * factor)
        yield across, down


def plan(width: int, height: int, size: TileSize, look: Look) -> list[PlannedTile]:
    """The tiles of a view of width x height, pass by pass."""
    planned: list[PlannedTile] = []
    least = 0, 0
    for across, down in _passes(width, height, size):
        # At a fixed pitch a smaller tile at the scan's edge keeps the scale of a whole one.
        full = None if look.pixel_pitch_mm is None or size.across is None else (across, down)
        tiles = plan_tiles(width, height, across, down)
        planned += [PlannedTile(tile, full, least) for tile in tiles]
        least = overlap(across), overlap(down)
        # One tile has shown it all.
        if len(tiles) == 1:
            break
    return planned


def cut(image: UInt8, view: int, size: TileSize, look: Look) -> list[TileSquare]:
    """All tiles of a rendered view (H, W, 3), pass by pass."""
    planned = plan(image.shape[1], image.shape[0], size, look)
    return [_square(image, view, one, look.input_size, skip=len(planned) > 1) for one in planned]


def _square(image: UInt8, view: int, planned: PlannedTile, size: int, *, skip: bool) -> TileSquare:
    tile = planned.tile
    part = image[tile.y1 : tile.y2, tile.x1 : tile.x2]
    square, placement = letterbox(part, size, planned.full)
    return TileSquare(view, tile, placement, None if skip and int(part.min()) >= AIR_TILE else square, planned.least)
