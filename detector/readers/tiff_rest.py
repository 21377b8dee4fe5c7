"""What a TIFF holds besides the pages that its directories name: enough for a page means that a page may be there.

Some writers put a stack of views behind one directory and count them in a comment; two files may have been joined, or
the chain of pages cut. Whatever it is, it would not be looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detector.readers.tiff_structure import Directory, Values

#: Bytes that may lie anywhere, for alignment and for what tags of a maker point at; and the part of the smallest view's
#: bytes from which they may be a page, which need not compress alike.
_SPARE, _PART = 512, 4
#: Bytes of a gap that is worth a look.
_GAP = 256


def may_hold_a_page(data: bytes, pages: Sequence[Directory], smallest: int) -> bool:
    """Whether as many bytes as may be a page, not all zero, belong to nothing that a directory names.

    pages: all, thumbnails too. smallest: bytes of the smallest view.
    """
    least = max(_SPARE, smallest // _PART)
    unread = 0
    for start, end in _gaps(len(data), pages).tolist():
        found = len(data[start:end].strip(b"\0"))
        unread += found
        # What stands last may be a part of a page: a directory is written, and linked, after the strips that it names.
        if unread >= least or (end == len(data) and found >= _SPARE):
            return True
    return False


def _gaps(size: int, pages: Sequence[Directory]) -> Values:
    """(n, 2) first byte and last + 1 of each gap of _GAP bytes and more between what directories name."""
    # The header, which points at the first directory, and the end of the file.
    named = np.concatenate([[[0, 16], [size, size]], *(part for page in pages for part in (page.spans, page.strips))])
    named = named[np.argsort(named[:, 0], kind="stable")]
    reached = np.maximum.accumulate(named[:, 1])
    gaps = np.stack([reached[:-1], named[1:, 0]], axis=1)
    wide: Values = gaps[gaps[:, 1] - gaps[:, 0] >= _GAP]
    return wide
