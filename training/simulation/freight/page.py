"""A contact page of simulated scans, to be looked at: `python -m training.simulation.freight.page docs/freight.jpg`."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.simulation.freight.acquisition import AIR_LEVEL
from training.simulation.freight.records import Family, FreightScan
from training.simulation.freight.simulate import simulate_freight

UInt8 = NDArray[np.uint8]

#: Width of one scan and of the page's margins, pixels; scans of a page lie in two columns.
WIDTH, MARGIN, CAPTION = 900, 12, 22
#: Steel that is shown as black, mm: beyond it displays have no grey left.
DARKEST_MM = 260.0
#: JPEG quality: grain of noise is the point of the page.
QUALITY = 80
#: (seed, family, threats) of the page.
SCANS: tuple[tuple[int, Family, tuple[str, ...]], ...] = (
    (3, Family.TRAIN, ("handgun",)),
    (3, Family.TEST, ("long_gun",)),
    (10, Family.TRAIN, ("package",)),
    (2, Family.TEST, ("handgun", "knife")),
    (1, Family.TRAIN, ("ammunition",)),
    (11, Family.TEST, ("battery",)),
    (15, Family.TRAIN, ("long_gun",)),
    (13, Family.TEST, ("lighters",)),
    (9, Family.TRAIN, ("battery", "grenade")),
    (4, Family.TEST, ("ammunition",)),
    (8, Family.TRAIN, ("grenade",)),
    (5, Family.TEST, ()),
)


def displayed(high: NDArray[np.uint16]) -> UInt8:
    """(H, W) grey as consoles show cargo: half the transmission's root, half the depth of steel behind each pixel."""
    through = np.clip(high.astype(np.float32) / AIR_LEVEL, 1e-5, 1)
    # 0.0335 a mm: steel at 2 MeV.
    depth = np.clip(-np.log(through) / (0.0335 * DARKEST_MM), 0, 1)
    grey = 0.5 * np.sqrt(through) + 0.5 * (1 - depth)
    return np.asarray(np.clip(np.rint(255 * grey), 0, 255), np.uint8)


def contact_page(scans: list[FreightScan], columns: int = 2) -> UInt8:
    """(H, W, 3) uint8: the scans side by side, threats framed, captions with conveyance, family and obscuration."""
    cells = [_cell(scan) for scan in scans]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    return np.vstack([_row(row, columns) for row in rows])


def _row(cells: list[UInt8], columns: int) -> UInt8:
    tall = max(cell.shape[0] for cell in cells)
    row = np.full((tall + MARGIN, columns * (WIDTH + MARGIN), 3), 255, np.uint8)
    for index, cell in enumerate(cells):
        left = index * (WIDTH + MARGIN)
        row[tall - cell.shape[0] : tall, left : left + WIDTH] = cell
    return row


def _cell(scan: FreightScan) -> UInt8:
    grey = displayed(scan.high)
    scale = WIDTH / grey.shape[1]
    picture = cv2.resize(grey, (WIDTH, round(grey.shape[0] * scale)), interpolation=cv2.INTER_AREA)
    canvas = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    for item in scan.objects:
        x1, y1, x2, y2 = (round(edge * scale) for edge in item.box)
        cv2.rectangle(canvas, (x1 - 3, y1 - 3), (x2 + 2, y2 + 2), (200, 40, 30), 1, cv2.LINE_AA)
    canvas = cv2.copyMakeBorder(canvas, 0, CAPTION, 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    cv2.putText(
        canvas, _caption(scan), (2, canvas.shape[0] - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA
    )
    return np.asarray(canvas, np.uint8)


def _caption(scan: FreightScan) -> str:
    kinds = ", ".join(dict.fromkeys(load.kind for load in scan.cargo)) or "empty"
    threats = "; ".join(f"{item.class_name} behind {item.steel_mm:.0f} mm" for item in scan.objects)
    return f"{scan.family.value} {scan.seed}: {scan.conveyance}, {kinds}" + (f" | {threats}" if threats else "")


def main(arguments: list[str] | None = None) -> None:
    """Writes the page of SCANS as a JPEG."""
    parser = argparse.ArgumentParser(description="Writes a contact page of simulated freight scans.")
    parser.add_argument("output", type=Path)
    output: Path = parser.parse_args(arguments).output
    page = contact_page([simulate_freight(seed, family, threats) for seed, family, threats in SCANS])
    encoded, data = cv2.imencode(".jpg", cv2.cvtColor(page, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not encoded:
        raise ValueError("the page could not be written as JPEG")
    output.write_bytes(data.tobytes())


if __name__ == "__main__":
    main()
