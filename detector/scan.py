"""A scan as it came from the scanner: one or more views of one bag, parcel, vehicle or container.

>>> import numpy as np
>>> scan = Scan(views=(np.zeros((480, 640), np.uint16),), source="bag.tif", sha256="0" * 64)
>>> scan.width, scan.height, scan.bit_depth
(640, 480, 16)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: (H, W) grey or (H, W, 3) RGB; uint8 or uint16; air is bright and dense material dark.
Pixels = NDArray[Any]


@dataclass(frozen=True)
class Scan:
    """Pixels as stored, undistorted and unscaled.

    views: each (H, W) or (H, W, 3) RGB, uint8 or uint16, bright where little was absorbed (a reader turns stored
    negatives round). The pages of a multi-page file are views of the same object and share one decision.
    source: where it came from, for people. sha256: of the file's bytes, 64 hex digits. profile: the TOML text of a
    scanner profile that lay beside the file, or nothing; it is covered by the digest. doubt: why the scan must not be
    cleared although it could be decoded, or nothing.
    """

    views: tuple[Pixels, ...]
    source: str
    sha256: str
    profile: str = ""
    doubt: str = ""

    def __post_init__(self) -> None:
        # An array would be taken for as many views as it has rows.
        if isinstance(self.views, np.ndarray) or not self.views:
            raise ValueError("views are a tuple of arrays, one or more: Scan((pixels,), 'its name', '')")
        for view in self.views:
            if view.dtype not in (np.uint8, np.uint16) or view.ndim not in (2, 3) or view.shape[2:] not in ((), (3,)):
                raise ValueError(f"a view is (H, W) or (H, W, 3), uint8 or uint16; got {view.shape} {view.dtype}")

    @property
    def width(self) -> int:
        """Pixels across, of the first view."""
        return int(self.views[0].shape[1])

    @property
    def height(self) -> int:
        """Pixels down, of the first view."""
        return int(self.views[0].shape[0])

    @property
    def bit_depth(self) -> int:
        """Bits a sample, of the first view: 8 or 16."""
        return int(self.views[0].dtype.itemsize * 8)
