r"""What scans are called: in results, in the ledger, and as pictures. Results are found by these spellings.

>>> overlay_name("a/bag.png")
'a_bag.png~a96b32145006.jpg'
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path


def storable_text(name: str) -> str:
    r"""A path as valid Unicode: bytes of a file's name that are not UTF-8 are spelled \udcXX."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def whole_path(path: Path) -> str:
    """Absolute, with '/' between the parts; valid Unicode where the path is."""
    return path.absolute().as_posix()


def whole_path_marked(path: Path) -> str:
    """As `whole_path`, and told apart from a path that is spelled alike in `storable_text`."""
    return _marked(whole_path(path), os.fsencode(path.absolute()))


def own_text(path: Path) -> str:
    """An absolute path as valid Unicode that is no other's: marked where it is not UTF-8 and may be spelled alike."""
    spelled = storable_text(str(path))
    return spelled if spelled == str(path) else _marked(spelled, os.fsencode(path))


def overlay_name(scan: str, ending: str = ".jpg") -> str:
    """The file name in overlays/ for the scan at this path; no two share one, whatever folders, suffixes and case.

    A plain name in small letters keeps it (`bag.png` -> `bag.png.jpg`). All others are made plain and told apart by a
    mark that no plain name holds (`a/bag.png` -> `a_bag.png~a96b32145006.jpg`): many disks take `Bag.png` for
    `bag.png`.
    """
    name = storable_text(scan)
    if re.fullmatch(r"[a-z0-9_][a-z0-9._-]{0,119}", name):
        return f"{name}{ending}"
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[-80:]
    return f"{_marked(plain, name.encode())}{ending}"


def _marked(name: str, identity: bytes) -> str:
    return f"{name}~{hashlib.sha256(identity).hexdigest()[:12]}"
