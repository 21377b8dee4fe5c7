"""Scans that the station drew for the network before they were stored, such as tiles of freight (`drawn`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.errors import ScanUnreadable
from detector.scan import Scan


def drawn_view(scan: Scan) -> NDArray[np.uint8]:
    """The first view, (H, W, 3) uint8 RGB, as the network shall see it: nothing is rendered again.

    Raises ScanUnreadable for any other pixels: the station draws none such, and turned into these they would be another
    picture. A part of a scan may be all steel: the whole was found fit to be looked at when it was drawn.
    """
    view = scan.views[0]
    if view.dtype != np.uint8 or view.ndim != 3:
        kind = "RGB" if view.ndim == 3 else "grey"
        raise ScanUnreadable(
            f"{scan.source}: {kind} of {scan.bit_depth} bits; `drawn` says it is what the station drew: RGB of 8 bits",
            remedy="take `drawn` out of its annotation, or store what was drawn",
        )
    return view
